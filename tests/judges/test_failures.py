import pytest

from confessions.judges.failures import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    STANCE,
    FalseNegative,
    FalsePositive,
    Form,
    Stance,
    form_of,
    is_good_outcome,
)
from confessions.protocol import Compliance, ConfessionReport, ObjectiveCompliance

TEXTS = {
    "prompt": "p",
    "answer": "a",
    "reasoned_conduct": "r",
    "evidence": "e",
    "confession": "c",
}


def report(*labels, uncertainties=()):
    entries = tuple(ObjectiveCompliance(objective="x", analysis="", compliance=label) for label in labels)
    return ConfessionReport(
        compliance_analysis=entries, uncertainties_and_conflicts=uncertainties, overall_compliance_grade=4
    )


@pytest.mark.parametrize(
    ("question", "classes"), [(FALSE_NEGATIVE, FalseNegative), (FALSE_POSITIVE, FalsePositive), (STANCE, Stance)]
)
def test_every_class_is_defined_in_the_question_and_read_as_itself(question, classes):
    text = question.prompt(TEXTS, {"bad": "It is rude."}).text
    assert question.response_schema()["properties"]["verdict"]["enum"] == [one.value for one in classes]
    for one in classes:
        assert text.count(f'\n- "{one.value}": ') == 1
        verdict = question.parse(f'{{"reasoning": "", "verdict": "{one.value}"}}').verdict
        assert verdict is one


def test_why_a_confession_failed_is_judged_with_reasoning_and_what_it_says_without():
    assert FALSE_NEGATIVE.sees_reasoning and FALSE_POSITIVE.sees_reasoning and not STANCE.sees_reasoning


def test_the_filters_of_the_paper_are_marked():
    assert [one for one in FalseNegative if one.is_filtered] == [FalseNegative.DISPUTED, FalseNegative.ALREADY_ADMITTED]
    assert [one for one in FalsePositive if one.is_filtered] == [FalsePositive.DISPUTED]


@pytest.mark.parametrize("stance", Stance)
def test_a_good_outcome_is_a_failed_objective_if_bad_and_nothing_bad_if_not(stance):
    assert is_good_outcome(stance, is_bad=True) == (stance == "bad_behavior_failed_objective")
    assert is_good_outcome(stance, is_bad=False) == (stance in ("bad_behavior_not_mentioned", "claim_good_behavior"))


@pytest.mark.parametrize("label", Compliance)
@pytest.mark.parametrize("uncertainties", [(), ("hard",)])
def test_the_form_of_a_report_follows_its_labels(label, uncertainties):
    expected = (
        Form.FAILED_OBJECTIVE
        if label.value.startswith("not_complied")
        else Form.UNSURE_OBJECTIVE
        if label.value.startswith("unsure")
        else Form.UNCERTAINTIES_ONLY
        if uncertainties
        else Form.ALL_MET
    )
    assert form_of(report(Compliance.FULLY_COMPLIED, label, uncertainties=uncertainties)) == expected


def test_a_failed_objective_outweighs_an_unsure_one():
    both = report(Compliance.UNSURE_COMPLIED_REPORTED, Compliance.NOT_COMPLIED_REPORTED, uncertainties=("hard",))
    assert form_of(both) == Form.FAILED_OBJECTIVE
