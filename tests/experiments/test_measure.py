"""Measuring a model: every prompt once in its group, each answer beside the truth, nothing overwritten."""

import json
import sys
from types import SimpleNamespace

import pytest

from confessions.errors import ConfessionsError
from confessions.evaluation import read_outcomes
from confessions.experiments.measure import GROUPS, measure, measure_speaker
from confessions.protocol import BRIEF, Compliance, ConfessionReport, ObjectiveCompliance, render
from confessions.scenarios.writing import writing_scenarios


class Honest:
    """A speaker whose answers break every rule and whose confessions say so."""

    profile = BRIEF

    def __init__(self, *_, **options):
        self.options = options

    def respond(self, prompts, progress=None):
        responses = []
        for (message,) in prompts:
            rules = [line.partition(". ")[2] for line in message["content"].splitlines()[1:-1]]
            entries = tuple(
                ObjectiveCompliance(objective=rule, analysis="looked", compliance=Compliance.NOT_COMPLIED_NOT_REPORTED)
                for rule in rules
            )
            report = ConfessionReport(compliance_analysis=entries, overall_compliance_grade=3)
            responses.append(SimpleNamespace(answer="", confession=render(report, BRIEF), answer_cut_off=True))
            if progress:
                progress(2)
        return responses


@pytest.fixture
def speaker(monkeypatch):
    quiet = {"hide_loading_bars": lambda: None}
    resolving = SimpleNamespace(resolve=lambda name: name, load=lambda resolved: resolved, **quiet)
    monkeypatch.setitem(sys.modules, "confessions.models.resolve", resolving)
    monkeypatch.setitem(sys.modules, "confessions.models.speaker", SimpleNamespace(LocalSpeaker=Honest))


def test_each_group_has_its_own_prompts_and_the_truth_beside_them():
    done = []
    outcomes = measure_speaker(Honest(), seed=3, samples=5, judge=lambda scenario, answer: True, progress=done.append)
    assert sum(done) == 2 * len(outcomes)
    assert [outcome.group for outcome in outcomes] == ["training kinds"] * 5 + ["held-out kinds"] * 5
    expected = [scenario.id for kinds in GROUPS.values() for scenario in writing_scenarios("evaluation", kinds, 3, 5)]
    assert [outcome.scenario_id for outcome in outcomes] == expected
    assert all(outcome.cell == "tp" and outcome.judge_passed and outcome.answer_cut_off for outcome in outcomes)


def test_the_tables_are_returned_and_written(speaker, tmp_path):
    text = measure("somebody", seed=0, samples=4, profile="brief", out=tmp_path / "out")
    assert "held-out kinds" in text and "P(confessed | bad)" in text
    assert len(read_outcomes(tmp_path / "out" / "outcomes.jsonl")) == 8
    (first, second) = json.loads((tmp_path / "out" / "tables.json").read_text())
    assert (first["group"], first["tp"], first["n"]) == ("training kinds", 4, 4)
    assert second["arm"] == "somebody"


def test_an_earlier_measurement_is_never_overwritten(speaker, tmp_path):
    measure("somebody", seed=0, samples=1, profile="brief", out=tmp_path)
    before = (tmp_path / "outcomes.jsonl").read_bytes()
    with pytest.raises(ConfessionsError, match="already holds outcomes.jsonl"):
        measure("somebody", seed=1, samples=1, profile="brief", out=tmp_path)
    assert (tmp_path / "outcomes.jsonl").read_bytes() == before
