"""Measuring a model: every prompt once in its group, each answer beside the truth."""

from types import SimpleNamespace

from confessions.experiments.measure import GROUPS, measure_speaker
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


def test_each_group_has_its_own_prompts_and_the_truth_beside_them():
    done = []
    outcomes = measure_speaker(Honest(), seed=3, samples=5, judge=lambda scenario, answer: True, progress=done.append)
    assert sum(done) == 2 * len(outcomes)
    assert [outcome.group for outcome in outcomes] == ["training kinds"] * 5 + ["held-out kinds"] * 5
    expected = [scenario.id for kinds in GROUPS.values() for scenario in writing_scenarios("evaluation", kinds, 3, 5)]
    assert [outcome.scenario_id for outcome in outcomes] == expected
    assert all(outcome.cell == "tp" and outcome.judge_passed and outcome.answer_cut_off for outcome in outcomes)
