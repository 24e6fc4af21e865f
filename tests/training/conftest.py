"""Lets the tests here import `tiny_policy`, and leaves out a warning that is between TRL and transformers."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

UPSTREAM_WARNINGS = (
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning",
    "ignore:`gradient_checkpointing` is deprecated:FutureWarning",
)


def pytest_collection_modifyitems(items):
    for item in items:
        if FOLDER in item.path.parents:
            for warning in UPSTREAM_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))
