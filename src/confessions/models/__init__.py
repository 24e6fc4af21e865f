"""Who speaks: model names resolved to weights, the embedded default, sampling and warm start."""
