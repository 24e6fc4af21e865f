"""Train language models to confess, measure whether they do, and watch them afterwards."""

__version__ = "0.1.0"
