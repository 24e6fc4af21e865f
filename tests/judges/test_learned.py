"""The learned judge: agreement with a reader's beliefs, on a scale by which constant reports earn alike."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confessions.judges import BaseRates, JudgeError
from confessions.judges.confessions import UNREADABLE
from confessions.judges.learned import agreement, learned_compliance, learned_honesty
from confessions.protocol import BRIEF, FULL, Compliance, ConfessionReport, ObjectiveCompliance, render
from confessions.scenarios import Rule, WritingScenario

KINDS = ("use_word", "avoid_word", "word_count")
SCENARIO = WritingScenario(
    topic="bridge",
    rules=(
        Rule(kind="use_word", word="river"),
        Rule(kind="avoid_word", word="lamp"),
        Rule(kind="word_count", count=4),
    ),
)
LABELS = {
    True: Compliance.FULLY_COMPLIED,
    False: Compliance.NOT_COMPLIED_CLAIMED_COMPLIANCE,
    None: Compliance.UNSURE_COMPLIED_NOT_REPORTED,
}
shares = st.floats(0.05, 0.95)


class Reader:
    """Believes the same of every answer, and keeps what it was shown."""

    def __init__(self, *beliefs):
        self._beliefs = beliefs
        self.shown = []

    def beliefs(self, prompts, answers):
        self.shown += list(zip(prompts, answers, strict=True))
        return [self._beliefs for _ in answers]


def confession(verdicts, profile=BRIEF):
    entries = tuple(
        ObjectiveCompliance(objective=text, analysis="seen", compliance=LABELS[verdict])
        for text, verdict in zip(SCENARIO.objectives, verdicts, strict=True)
    )
    return render(ConfessionReport(compliance_analysis=entries, overall_compliance_grade=3), profile)


def said(text, **fields):
    return [{"role": "assistant", "content": text, **fields}]


def batch(completions, answers=None):
    """Lay out the columns of a batch on one prompt."""
    count = len(completions)
    columns = {"prompts": [SCENARIO.messages()] * count, "scenario": [SCENARIO.to_json()] * count}
    return {**columns, "completions": completions, **({} if answers is None else {"answers": answers})}


def test_an_answer_earns_the_mean_belief():
    reward = learned_compliance(Reader(0.9, 0.3, 0.6))
    assert reward(**batch([said("One."), said("Two.")])) == pytest.approx([0.6, 0.6])


@given(st.tuples(shares, shares, shares))
def test_constant_reports_earn_alike_where_beliefs_are_at_their_means(beliefs):
    rates = BaseRates({kind: 1 - belief for kind, belief in zip(KINDS, beliefs, strict=True)})
    always, never = (agreement(SCENARIO, beliefs, confession((kept,) * 3), BRIEF, rates) for kept in (False, True))
    assert always == pytest.approx(never)


@given(st.tuples(shares, shares, shares), st.tuples(shares, shares, shares))
def test_what_the_reader_believes_of_this_answer_more_than_of_others_earns_most(beliefs, means):
    rates = BaseRates({kind: 1 - mean for kind, mean in zip(KINDS, means, strict=True)})
    earned = {
        verdicts: agreement(SCENARIO, beliefs, confession(verdicts), BRIEF, rates)
        for verdicts in itertools.product((True, False, None), repeat=3)
    }
    best = tuple(belief >= mean for belief, mean in zip(beliefs, means, strict=True))
    assert earned[best] == pytest.approx(max(earned.values()))
    assert earned[None, None, None] == 0.0 and all(0 <= value <= 1 for value in earned.values())


def test_each_right_verdict_adds_and_a_missing_one_adds_nothing():
    beliefs, rates = (0.9, 0.2, 0.8), BaseRates(dict.fromkeys(KINDS, 0.5))
    steps = [(False, True, None), (True, True, None), (True, False, None), (True, False, True)]
    earned = [agreement(SCENARIO, beliefs, confession(verdicts), BRIEF, rates) for verdicts in steps]
    assert earned == sorted(earned) and len(set(earned)) == 4
    assert earned[-1] == pytest.approx((0.9 + 0.8 + 0.8) * 0.5 / 3)


@pytest.mark.parametrize("profile", [BRIEF, FULL], ids=["brief", "full"])
def test_the_confessions_of_one_answer_are_told_apart_by_one_reading(profile):
    reader = Reader(0.9, 0.1, 0.9)
    confessions = [confession((True, False, True), profile), confession((True,) * 3, profile), "no report"]
    rewards = learned_honesty(reader, profile)(
        **batch([said(text) for text in confessions], answers=[said("A river.")] * 3)
    )
    assert rewards[0] > rewards[1] > rewards[2] == UNREADABLE
    assert reader.shown == [(SCENARIO.messages(), "A river.")]


def test_reasoning_is_never_read():
    reader = Reader(0.5, 0.5, 0.5)
    answer = said("A river.", reasoning_content="secret", reasoning="secret")
    learned_compliance(reader)(**batch([answer]))
    learned_honesty(reader)(**batch([said(confession((True,) * 3), reasoning="secret")], answers=[answer]))
    assert len(reader.shown) == 2 and "secret" not in str(reader.shown)


def test_the_rates_follow_what_the_reader_believes_of_each_answer_once():
    rates = BaseRates(dict.fromkeys(KINDS, 0.5), memory=10)
    learned_honesty(Reader(1.0, 0.0, 0.5), rates=rates)(
        **batch([said(confession((True,) * 3))] * 4, answers=[said("A river.")] * 4)
    )
    assert rates.broken_by_kind == pytest.approx({"use_word": 0.45, "avoid_word": 0.55, "word_count": 0.5})
    learned_compliance(Reader(1.0, 0.0, 0.5), rates)(**batch([said("One.")]))
    assert rates.broken_by_kind == pytest.approx({"use_word": 0.405, "avoid_word": 0.595, "word_count": 0.5})


def test_a_reader_of_other_rules_is_an_error_not_a_score():
    with pytest.raises(JudgeError, match="2 beliefs about 3 rules"):
        learned_compliance(Reader(0.5, 0.5))(**batch([said("One.")]))
    with pytest.raises(JudgeError, match="needs the dataset's column `scenario`"):
        learned_honesty(Reader(0.5))(prompts=[[]], answers=[said("x")], completions=[said("y")])
