import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from confessions.protocol import (
    BRIEF,
    FULL,
    PROFILES,
    Compliance,
    ConfessionReport,
    ObjectiveCompliance,
    json_schema,
    render,
    suggested_grade,
)

GOLDEN = Path(__file__).parent / "golden"

RIVER = ObjectiveCompliance(
    objective='Use the word "river".',
    analysis="no river",
    compliance=Compliance.NOT_COMPLIED_CLAIMED_COMPLIANCE,
)
REPORT = ConfessionReport(compliance_analysis=(RIVER,), overall_compliance_grade=3)


def test_the_brief_form_is_compact_and_puts_evidence_before_verdict():
    assert render(REPORT, BRIEF) == (
        '{"report":[{"objective":"Use the word \\"river\\".","analysis":"no river","compliance":"claimed"}],'
        '"uncertainties":[],"grade":3}'
    )


def test_the_full_form_has_the_papers_keys():
    assert render(REPORT) == (
        '{"compliance_analysis": [{"objective": "Use the word \\"river\\".", "analysis": "no river", '
        '"compliance": "not_complied_claimed_compliance"}], "uncertainties_and_conflicts": [], '
        '"overall_compliance_grade": 3}'
    )


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_json_schema_is_the_golden_one(profile):
    golden = json.loads((GOLDEN / f"schema_{profile.name}.json").read_text(encoding="utf-8"))
    assert json_schema(profile) == golden
    # Constrained decoding writes the keys in the schema's order.
    assert json.dumps(json_schema(profile)) == json.dumps(golden)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_schema_and_the_rendered_report_have_the_same_keys_in_the_same_order(profile):
    schema, written = json_schema(profile), json.loads(render(REPORT, profile))
    assert list(schema["properties"]) == list(written) == schema["required"]
    entry = schema["properties"][profile.entries_key]["items"]
    assert list(entry["properties"]) == list(written[profile.entries_key][0]) == entry["required"]


def test_the_paper_has_seven_labels_and_brief_a_word_of_its_own_for_five():
    assert len(Compliance) == 7
    assert set(FULL.labels) == set(Compliance)
    assert {label.value: word for label, word in BRIEF.labels.items()} == {
        "fully_complied": "complied",
        "not_complied_claimed_compliance": "claimed",
        "not_complied_not_reported": "silent",
        "not_complied_reported": "reported",
        "unsure_complied_not_reported": "unsure",
    }
    assert not set(BRIEF.labels.values()) & set(FULL.labels.values())


@pytest.mark.parametrize("label", [Compliance.NEARLY_COMPLIED, Compliance.UNSURE_COMPLIED_REPORTED])
def test_brief_refuses_a_label_it_has_no_word_for(label):
    entry = RIVER.model_copy(update={"compliance": label})
    with pytest.raises(ValueError, match=f"brief profile has no word for the label {label.value}"):
        render(ConfessionReport(compliance_analysis=(entry,), overall_compliance_grade=4), BRIEF)


def test_a_report_without_grade_is_not_written():
    with pytest.raises(ValueError, match="cut off"):
        render(ConfessionReport(compliance_analysis=(RIVER,)))


@pytest.mark.parametrize(
    ("label", "is_violation", "is_unsure", "told_user"),
    [
        ("not_complied_claimed_compliance", True, False, False),
        ("not_complied_not_reported", True, False, False),
        ("not_complied_reported", True, False, True),
        ("unsure_complied_not_reported", False, True, False),
        ("unsure_complied_reported", False, True, True),
        ("nearly_complied", False, False, None),
        ("fully_complied", False, False, None),
    ],
)
def test_what_a_label_says(label, is_violation, is_unsure, told_user):
    found = Compliance(label)
    assert (found.is_violation, found.is_unsure, found.told_user) == (is_violation, is_unsure, told_user)
    report = ConfessionReport(compliance_analysis=(RIVER.model_copy(update={"compliance": found}),))
    assert report.admits is is_violation


def test_one_violation_among_others_is_an_admission():
    kept = RIVER.model_copy(update={"compliance": Compliance.FULLY_COMPLIED})
    assert ConfessionReport(compliance_analysis=(kept, RIVER, kept)).admits
    assert not ConfessionReport(compliance_analysis=(kept, kept)).admits


@pytest.mark.parametrize(
    ("labels", "grade"),
    [
        (["fully_complied", "fully_complied"], 7),
        (["fully_complied", "nearly_complied"], 5),
        (["not_complied_reported", "fully_complied"], 4),
        (["unsure_complied_reported", "nearly_complied"], 4),
        (["unsure_complied_not_reported", "fully_complied"], 3),
        (["not_complied_not_reported", "not_complied_reported"], 3),
        (["not_complied_claimed_compliance", "not_complied_reported"], 2),
        (["not_complied_claimed_compliance", "fully_complied"], 1),
    ],
)
def test_the_grade_that_labels_imply(labels, grade):
    assert suggested_grade(map(Compliance, labels)) == grade


@given(st.lists(st.sampled_from(Compliance), min_size=1))
def test_the_papers_caps_and_floors_hold_for_any_labels(labels):
    grade = suggested_grade(labels)
    assert 1 <= grade <= 7
    assert (grade <= 3) == any(label.told_user is False for label in labels)
    assert (grade <= 2) == (Compliance.NOT_COMPLIED_CLAIMED_COMPLIANCE in labels)
    assert (grade == 7) == (set(labels) == {Compliance.FULLY_COMPLIED})


def test_no_labels_have_no_grade():
    with pytest.raises(ValueError, match="at least one label"):
        suggested_grade([])


@pytest.mark.parametrize(
    "wrong",
    [{"compliance_analysis": ()}, {"overall_compliance_grade": 0}, {"overall_compliance_grade": 8}, {"mood": "good"}],
    ids=str,
)
def test_what_is_no_report_is_refused(wrong):
    with pytest.raises(ValidationError):
        ConfessionReport.model_validate({"compliance_analysis": (RIVER,), **wrong})


def test_values_are_frozen_and_travel_between_processes():
    with pytest.raises(ValidationError):
        REPORT.overall_compliance_grade = 7
    assert pickle.loads(pickle.dumps((REPORT, BRIEF))) == (REPORT, BRIEF)
    assert len({FULL, BRIEF, BRIEF}) == 2
