import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confessions.protocol import (
    BRIEF,
    FULL,
    PROFILES,
    REQUEST_BRIEF,
    REQUEST_FULL,
    Compliance,
    ConfessionReport,
    ObjectiveCompliance,
    ParsedReport,
    ParseFailure,
    parse_report,
    render,
)
from confessions.protocol.parsing import MAX_CHARACTERS

# Text that could mislead a reader of JSON is made likely.
PIECES = st.sampled_from(
    ['"', "\\", "}", "{", "]", "[", ",", ":", "'", "```", "\n", '"}', '{"grade":3}', "{'report':", '","compliance":"x']
)
TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=6) | PIECES, max_size=4).map("".join)


def reports(profile):
    entries = st.builds(
        ObjectiveCompliance,
        objective=TEXTS.filter(bool),
        analysis=TEXTS,
        compliance=st.sampled_from(list(profile.labels)),
    )
    return st.builds(
        ConfessionReport,
        compliance_analysis=st.lists(entries, min_size=1, max_size=3).map(tuple),
        uncertainties_and_conflicts=st.lists(TEXTS, max_size=2).map(tuple),
        overall_compliance_grade=st.integers(1, 7),
    )


PROFILE_AND_REPORT = st.sampled_from(list(PROFILES.values())).flatmap(lambda p: st.tuples(st.just(p), reports(p)))
REPORT = ConfessionReport(
    compliance_analysis=(
        ObjectiveCompliance(objective="Use it.", analysis="there", compliance=Compliance.FULLY_COMPLIED),
        ObjectiveCompliance(objective="End so.", analysis="no", compliance=Compliance.NOT_COMPLIED_NOT_REPORTED),
    ),
    uncertainties_and_conflicts=("which it?",),
    overall_compliance_grade=3,
)
BRIEF_TEXT = render(REPORT, BRIEF)


def parsed(text, profile=BRIEF):
    found = parse_report(text, profile)
    assert isinstance(found, ParsedReport), found
    return found


def failed(text, profile=BRIEF):
    found = parse_report(text, profile)
    assert isinstance(found, ParseFailure), found
    assert found.text == text
    assert found.detail
    return found


@settings(max_examples=300)
@given(PROFILE_AND_REPORT)
def test_parsing_what_was_rendered_gives_the_report(case):
    profile, report = case
    assert parse_report(render(report, profile), profile) == ParsedReport(report, ())


@given(PROFILE_AND_REPORT, st.sampled_from(list(PROFILES.values())))
def test_either_profile_is_read_whichever_was_asked_for(case, asked):
    profile, report = case
    found = parsed(render(report, profile), asked)
    assert found.report == report
    assert found.repairs == (() if asked is profile else ("labels", "profile"))


@settings(max_examples=150)
@given(PROFILE_AND_REPORT)
def test_a_report_cut_off_anywhere_keeps_its_complete_entries_and_no_other(case):
    profile, report = case
    text = render(report, profile)
    entries, uncertainties = report.compliance_analysis, report.uncertainties_and_conflicts
    most = 0
    for length in range(len(text)):
        found = parse_report(text[:length], profile)
        if isinstance(found, ParseFailure):
            assert most == 0, "a longer text reads worse"
            continue
        read = found.report
        assert "truncated" in found.repairs
        assert read.compliance_analysis == entries[: len(read.compliance_analysis)]
        assert read.uncertainties_and_conflicts == uncertainties[: len(read.uncertainties_and_conflicts)]
        assert read.overall_compliance_grade in (None, report.overall_compliance_grade)
        assert len(read.compliance_analysis) >= most
        most = len(read.compliance_analysis)
    assert most == len(entries)


def test_what_each_cut_keeps():
    whole = [i for i in range(len(BRIEF_TEXT)) if BRIEF_TEXT[i] == "}"]
    assert failed(BRIEF_TEXT[: whole[0]]).reason == "no_objectives"
    assert len(parsed(BRIEF_TEXT[: whole[0] + 1]).report.compliance_analysis) == 1
    assert len(parsed(BRIEF_TEXT[: whole[1]]).report.compliance_analysis) == 1
    assert len(parsed(BRIEF_TEXT[: whole[1] + 1]).report.compliance_analysis) == 2
    assert parsed(BRIEF_TEXT[: BRIEF_TEXT.index("it?")]).report.uncertainties_and_conflicts == ()
    almost = parsed(BRIEF_TEXT[:-1])
    assert almost.report == REPORT.model_copy(update={"overall_compliance_grade": None})
    assert almost.repairs == ("truncated",)


def test_a_half_analysis_after_its_verdict_drops_the_entry():
    text = (
        '{"report":[{"objective":"a","compliance":"silent","analysis":"x"},{"objective":"b","compliance":"silent","an'
    )
    assert [entry.objective for entry in parsed(text).report.compliance_analysis] == ["a"]
    assert failed(text[: text.index('"x"') + 2]).reason == "no_objectives"


@settings(max_examples=300)
@given(st.text(st.characters()))
def test_parsing_never_raises_on_any_text(text):
    assert isinstance(parse_report(text), ParsedReport | ParseFailure)


CONFUSING = st.sampled_from(
    [
        '{"report":',
        '{"report":[',
        '{"objective":"a",',
        '"analysis":"b",',
        '"compliance":"silent"',
        "}",
        "]",
        ",",
        "{",
        "[",
        '"',
        "'",
        "\\",
        "```json\n",
        "```",
        '"uncertainties":[',
        '"grade":',
        "3",
        "1e999",
        "NaN",
        "null",
        "true",
        "9" * 5000,
        '{"compliance_analysis":[',
        '{"overall_compliance_grade":',
        "\ud800",
        "\x00",
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        "{'report':[",
        "{report:",
        "//",
        "/*",
        "\u201c",
        "...",
        "[[[[[[[[[[[[[[[[[[[[",
    ]
)


@settings(max_examples=500)
@given(st.lists(CONFUSING | st.text(st.characters(), max_size=4), max_size=25).map("".join))
def test_parsing_never_raises_on_pieces_of_reports(text):
    found = parse_report(text, BRIEF)
    if isinstance(found, ParsedReport):
        found.report.model_dump_json()


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{" * 100_000,
        '"' * 100_000,
        "{'report':" * 10_000,
        '{"report":' * 15_000,
        '{"report":1 ' * 15_000,
        '{"report":[}' * 15_000,
        '{"report":"' * 15_000,
        '{"report":[' + "[" * 100_000,
        '{"report":[' + '{"objective":"a' * 10_000,
        '{"report":[' + '{"objective":"a" "b" ' * 9_000,
        '{"report":[{"objective":"' + "\\" * 150_000,
        BRIEF_TEXT[:-2] + "9" * 100_000,
        BRIEF_TEXT[:-2] + "9" * 5000 + "}",
        "\ud800" * 1000 + "{'report':['\udfff']}",
    ],
    ids=lambda text: text[:30].encode("ascii", "backslashreplace").decode(),
)
def test_hostile_texts_are_read_soon_and_never_raise(text):
    begin = time.process_time()
    assert isinstance(parse_report(text, BRIEF), ParsedReport | ParseFailure)
    assert time.process_time() - begin < 5, "each is read in about 0.1 s of processor time"


def test_a_text_beyond_the_limit_is_refused_unread():
    assert failed(" " * MAX_CHARACTERS + BRIEF_TEXT).reason == "too_long"


@pytest.mark.parametrize(
    ("text", "repairs"),
    [
        (f"Here it is: {BRIEF_TEXT}", ("prose",)),
        (f"{BRIEF_TEXT}\nI hope this helps {{really}}.", ("prose",)),
        (f"```json\n{BRIEF_TEXT}\n```", ("fence",)),
        (f"  ```\n{BRIEF_TEXT}```\n", ("fence",)),
        (f"Sure!\n```json\n{BRIEF_TEXT}\n```\nDone.", ("fence", "prose")),
        (f"<think>it is {{odd}}</think>\n{json.dumps(json.loads(BRIEF_TEXT), indent=2)}", ("prose",)),
        (BRIEF_TEXT.replace('"}]', '"},]'), ("syntax",)),
        (BRIEF_TEXT.replace('"', "'"), ("syntax",)),
        (BRIEF_TEXT.replace("Use it.", "Use\nit.").replace("\n", " "), ()),
        (BRIEF_TEXT.replace('"silent"', '" Silent"'), ("labels",)),
        (BRIEF_TEXT.replace('"grade":3', '"grade":"3"'), ("types",)),
        (BRIEF_TEXT.replace('"grade":3', '"grade":3.0'), ("types",)),
        (BRIEF_TEXT.replace('["which it?"]', '"which it?"'), ("types",)),
        (BRIEF_TEXT.replace("silent", "not complied-not reported"), ("labels",)),
    ],
)
def test_what_models_really_write_is_read_and_noted(text, repairs):
    assert parsed(text) == ParsedReport(REPORT, repairs)


def test_a_stray_quote_loses_nothing():
    found = parsed(BRIEF_TEXT.replace("Use it.", 'Use a 5" nail.'))
    assert found.repairs == ("syntax",)
    assert [entry.objective for entry in found.report.compliance_analysis] == ['Use a 5" nail.', "End so."]
    assert found.report.overall_compliance_grade == 3


def test_a_fenced_report_may_be_cut_off_too():
    assert parsed(f"```json\n{BRIEF_TEXT[:-4]}").repairs == ("fence", "truncated")


def test_the_last_complete_report_counts():
    draft = BRIEF_TEXT.replace('"silent"', '"complied"')
    assert parsed(f"Draft: {draft}\nFinal: {BRIEF_TEXT}").report == REPORT
    assert parsed(f"{BRIEF_TEXT}{draft[:-8]}").report == REPORT
    assert failed(f"{draft}{BRIEF_TEXT.replace('silent', 'quiet')}").reason == "unknown_label"


@pytest.mark.parametrize("request_text", [REQUEST_BRIEF, REQUEST_FULL])
def test_repeating_the_request_is_no_report_and_hides_none(request_text):
    assert isinstance(parse_report(request_text), ParseFailure)
    assert parsed(f"{request_text}\n{BRIEF_TEXT}").report == REPORT
    assert len(parsed(f"{request_text}\n{BRIEF_TEXT[:-30]}").report.compliance_analysis) == 2


def test_halves_of_surrogate_pairs_are_replaced_and_noted():
    found = parsed(BRIEF_TEXT.replace("there", "\\ud800 x \\ud83d\\ude00"))
    assert found.report.compliance_analysis[0].analysis == "\ufffd x \U0001f600"
    assert found.repairs == ("characters",)


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        ("", "empty", "empty"),
        (" \n", "empty", "empty"),
        ("I kept every rule.", "no_json", 'no JSON object with the key "report" or "compliance_analysis"'),
        ("I kept {every} rule.", "no_json", "no JSON object"),
        ('{"rule": "kept"}', "wrong_shape", '"report" or "compliance_analysis"'),
        ("[1, 2]", "wrong_shape", "no object that begins with a report's keys"),
        ('{"report":[],"uncertainties":[],"grade":3}', "no_objectives", '"report" is empty'),
        ('{"report":[],"uncertain', "no_objectives", "cut off before"),
        ('{"report":{},"uncertainties":[],"grade":3}', "wrong_shape", '"report" should be a list'),
        ('{"report":["a"],"uncertainties":[],"grade":3}', "wrong_shape", "report[0] is not an object"),
        (BRIEF_TEXT.replace('"silent"', '"maybe"'), "unknown_label", 'report[1].compliance is "maybe", none of comp'),
        (BRIEF_TEXT.replace('"silent"', "null"), "wrong_shape", "report[1].compliance should be text"),
        (BRIEF_TEXT.replace(',"compliance":"silent"', ""), "wrong_shape", 'report[1] lacks the key "compliance"'),
        (BRIEF_TEXT.replace("End so.", ""), "wrong_shape", "report[1].objective is empty"),
        (BRIEF_TEXT.replace(',"grade":3', ""), "wrong_shape", 'lacks the key "grade"'),
        (BRIEF_TEXT.replace('"uncertainties":["which it?"],', ""), "wrong_shape", 'lacks the key "uncertainties"'),
        (BRIEF_TEXT.replace('"which it?"', "4"), "wrong_shape", '"uncertainties" should be a list of texts'),
        (BRIEF_TEXT.replace(":3}", ":8}"), "bad_grade", '"grade" should be a whole number from 1 to 7'),
        (BRIEF_TEXT.replace(":3}", ":true}"), "bad_grade", "not True"),
        (BRIEF_TEXT.replace(":3}", ":null}"), "bad_grade", "not None"),
        (BRIEF_TEXT.replace(":3}", ":3.5}"), "bad_grade", "not 3.5"),
        (BRIEF_TEXT.replace(":3}", ":NaN}"), "bad_grade", "not nan"),
        (BRIEF_TEXT.replace(":3}", ":1e999}"), "bad_grade", "not inf"),
    ],
)
def test_what_cannot_be_read_says_why(text, reason, detail):
    failure = failed(text)
    assert failure.reason == reason
    assert detail in failure.detail


def test_an_unknown_label_in_a_cut_off_report_is_named_too():
    text = BRIEF_TEXT.replace('"complied"', '"maybe"')[:-20]
    assert failed(text).reason == "unknown_label"
    assert '"maybe"' in failed(text).detail


def test_the_profile_asked_for_names_the_labels_that_are_right():
    text = render(REPORT).replace("fully_complied", "yes")
    assert "none of not_complied_claimed_compliance, " in failed(text, FULL).detail


def test_what_is_complete_in_a_cut_off_report_is_kept_wherever_it_stands():
    cut = parsed(BRIEF_TEXT[: BRIEF_TEXT.index('it?"') + 4])
    assert cut.report.uncertainties_and_conflicts == ("which it?",)
    grade_first = '{"grade":3,"report":[{"objective":"a","analysis":"b","compliance":"silent"},{"obj'
    assert parsed(grade_first).report.overall_compliance_grade == 3
    assert failed(grade_first[:30]).detail.startswith("the text is cut off")
    grade_second = BRIEF_TEXT[: BRIEF_TEXT.index('"uncertainties"')] + '"grade":3,"uncertainties":["wh'
    assert parsed(grade_second).report.overall_compliance_grade == 3
    grade_half_written = BRIEF_TEXT[: BRIEF_TEXT.index(',"uncertainties"')] + ',"grade":3'
    assert parsed(grade_half_written).report.overall_compliance_grade is None


def test_a_report_inside_a_report_is_part_of_it():
    inner = BRIEF_TEXT.replace('"silent"', '"complied"')
    assert parsed(f'{BRIEF_TEXT[:-1]},"draft":{inner}}}').report == REPORT
    quoted = inner.replace('"', "'")
    found = parsed(BRIEF_TEXT.replace("Use it.", f"Write {quoted}").replace('"}]', '"},]'))
    assert found.repairs == ("syntax",)
    assert found.report.compliance_analysis[1] == REPORT.compliance_analysis[1]


def test_a_lesser_object_quoted_in_a_cut_off_report_is_not_blamed():
    text = '{"report":[{"objective":"Write {\'grade\': 3}.","analysis":"it'
    assert failed(text).reason == "no_objectives"


def test_a_missing_bracket_is_mended():
    found = parsed(BRIEF_TEXT.replace('"silent"}]', '"silent"]'))
    assert found == ParsedReport(REPORT, ("syntax",))


def test_depth_beyond_any_report_is_named():
    assert "nested more than 16 deep" in failed("{'report':" * 20).detail


@pytest.mark.parametrize("error", [RuntimeError, IndexError, RecursionError, MemoryError])
def test_a_failing_repair_library_makes_the_text_unreadable(monkeypatch, error):
    def fail(*_args, **_options):
        raise error("broken")

    monkeypatch.setattr("json_repair.loads", fail)
    failure = failed(BRIEF_TEXT.replace('"', "'"))
    assert failure.reason == "wrong_shape"
    assert error.__name__ in failure.detail
