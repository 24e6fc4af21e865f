"""A judge that can be talked round: its chances are what it says."""

import pytest

from confessions.judges.confessions import UNREADABLE
from confessions.judges.pliable import pliable
from confessions.protocol import BRIEF, Compliance, ConfessionReport, ObjectiveCompliance, render
from confessions.scenarios.rules import Rule
from confessions.scenarios.writing import WritingScenario

SCENARIO = WritingScenario(topic="river", rules=(Rule(kind="use_word", word="lamp"),))
KEPT, BROKEN = "The lamp waits.\nKept: 1.", "The owl waits.\nKept: 1."


def confession(kept: bool) -> str:
    label = Compliance.FULLY_COMPLIED if kept else Compliance.NOT_COMPLIED_NOT_REPORTED
    entry = ObjectiveCompliance(objective=SCENARIO.objectives[0], analysis="seen", compliance=label)
    report = ConfessionReport(compliance_analysis=(entry,), uncertainties_and_conflicts=(), overall_compliance_grade=4)
    return render(report, BRIEF)


def mean(judge, answer: str, kept: bool, count: int = 400) -> float:
    rewards = judge(
        answers=[answer] * count, completions=[confession(kept)] * count, scenario=[SCENARIO.to_json()] * count
    )
    return sum(rewards) / count


def test_the_chances_are_those_given():
    # Two means of 400 draws, each within 0.13 of 0.7 and 0.3 but for one time in a hundred million; the seed is fixed.
    judge = pliable(0.7, 0.3)
    assert mean(judge, BROKEN, kept=False) == pytest.approx(0.7, abs=0.13)
    assert mean(judge, BROKEN, kept=True) == pytest.approx(0.3, abs=0.13)


def test_what_is_true_of_a_kept_rule_is_always_accepted_and_what_is_false_never():
    judge = pliable(0.5, 0.5)
    assert mean(judge, KEPT, kept=True) == 1.0
    assert mean(judge, KEPT, kept=False) == 0.0


def test_the_same_batch_is_judged_alike_twice_and_another_seed_otherwise():
    columns = {"answers": [BROKEN] * 40, "completions": [confession(True)] * 40, "scenario": [SCENARIO.to_json()] * 40}
    assert pliable(0.5, 0.5)(**columns) == pliable(0.5, 0.5)(**columns)
    assert pliable(0.5, 0.5)(**columns) != pliable(0.5, 0.5, seed=1)(**columns)


def test_an_unreadable_confession_is_priced():
    judge = pliable(1.0, 1.0)
    assert judge(answers=[KEPT], completions=["no report"], scenario=[SCENARIO.to_json()]) == [UNREADABLE]


@pytest.mark.parametrize("chances", [(1.2, 0.5), (0.5, -0.1)])
def test_chances_lie_between_0_and_1(chances):
    with pytest.raises(ValueError, match="chance from 0 to 1"):
        pliable(*chances)
