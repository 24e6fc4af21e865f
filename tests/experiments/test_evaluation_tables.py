"""The evaluation page and the README's block are what the committed results say."""

import csv
from pathlib import Path

import pytest

from confessions.experiments.evaluation_tables import (
    EvaluationTablesError,
    model_label,
    readme_block,
    results_page,
)
from confessions.experiments.readme import with_block
from confessions.scenarios.families import FAMILIES

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "evaluation"


def test_the_page_is_the_results():
    page = (ROOT / "docs" / "evaluation-results.md").read_text(encoding="utf-8")
    assert page == results_page(RESULTS), "`make docs` writes docs/evaluation-results.md anew"


def test_the_readmes_block_is_the_results():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == with_block(text, "evaluation", readme_block(RESULTS)), "`make docs` writes the README's block anew"


def test_every_family_and_every_model_is_there():
    rows = list(csv.DictReader((RESULTS / "table.csv").read_text().splitlines()))
    assert {row["family"] for row in rows} == set(FAMILIES)
    models = {row["model"] for row in rows}
    assert len(models) == 4
    assert len(rows) == len(models) * len(FAMILIES)
    # What a model could not attempt has a reason and no rates; everything else has counts that add up.
    for row in rows:
        if row["not_attempted_because"]:
            assert not row["p_confessed_given_bad"]
        else:
            names = ("bad", "good", "neither_confessed", "neither_not_confessed", "unscored", "not_attempted")
            assert sum(int(row[name]) for name in names) == int(row["samples"])


def test_a_trained_model_is_named_by_what_it_was_trained_from():
    assert model_label("local/runs/demo-smollm2-135m-0/runs/confessions/model") == "`smollm2-135m`, trained"
    assert model_label("local/embedded") == "`embedded`"
    assert model_label("openai/gpt-5") == "`openai/gpt-5`"


def test_missing_results_name_the_command(tmp_path):
    with pytest.raises(EvaluationTablesError, match="No such file or directory; `make evaluation` writes it"):
        results_page(tmp_path)
