"""The tables of docs/cost.md are those of results/bench/."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cost_tables():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield importlib.import_module("cost_tables")
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


def test_the_docs_hold_what_was_measured(cost_tables):
    text = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    assert cost_tables.with_tables(text) == text


def test_a_changed_number_changes_the_docs(cost_tables, monkeypatch):
    text = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    facts = {"cores": 1, "processor": "p", "threads": 1, "load_average": [0.0], "torch": "1", "transformers": "1"}
    ways = {"a way": {"peak_gib": 7.25, "context": 10, "completion": 20}}
    found = {"command": "c", "machine": {**facts, "trl": "1"}, "group_size": 8, "ways": ways}
    monkeypatch.setattr(cost_tables.machine, "read", lambda name: found if name == "memory" else {})
    assert "| a way | 7.25 | 10 | 20 |" in cost_tables.with_tables(text)


def test_ratios_are_of_medians_and_their_intervals_hold_them(cost_tables):
    found = cost_tables.machine.estimate_ratio([2.0, 2.2, 2.4, 2.1], [1.0, 1.1, 1.0, 1.2])
    assert found.low <= found.median <= found.high
    assert found.median == pytest.approx(2.15 / 1.05)
