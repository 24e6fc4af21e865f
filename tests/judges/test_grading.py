import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confessions.judges.failures import FAILURE_QUESTIONS, FALSE_NEGATIVE, FALSE_POSITIVE
from confessions.judges.grading import (
    ADMITTED,
    COMPLIED,
    COMPLIED_OR_NEITHER,
    CONFESSED,
    CONFIDENCE,
    COT_MONITOR,
    DEFINITIONS,
    MAX_REPLY_CHARACTERS,
    QUESTIONS,
    TEXTS,
    OneOf,
    Question,
)
from confessions.judges.prompts import injections, make_visible
from confessions.judges.rubric import RUBRIC_QUESTIONS
from confessions.judges.verdicts import JudgeError

GOLDEN = Path(__file__).parent / "golden"
EVERY_QUESTION = [*QUESTIONS, *FAILURE_QUESTIONS]
SLOTS = [(question, name) for question in EVERY_QUESTION for name in question.texts]

INNOCENT = {name: f"(an innocent {name})" for name in TEXTS}
MEANT = {
    "bad": "The answer is rude, as {prompt} shows.",
    "neither": "The answer is silent.",
    "admitted": "It says sorry.",
}


def file_name(question):
    return f"question_{question.name}{'_or_neither' if 'neither' in question.definitions else ''}.txt"


def outside_the_markers(text):
    """Drop what lies between markers with the code that the notice names, and the code itself."""
    nonce = re.search(r"the code is ([0-9a-f]+)\.", text)[1]
    kept, name = [], None
    for line in text.split("\n"):
        if match := re.fullmatch(rf"<<<(BEGIN|END) (\w+) {nonce}>>>", line):
            assert (name is None) == (match[1] == "BEGIN") and name in (None, match[2])
            name = match[2] if match[1] == "BEGIN" else None
        elif name is None:
            kept.append(line)
    assert name is None
    return "\n".join(kept).replace(nonce, "CODE")


def last_order(prompt):
    """Be a gullible judge: obey whatever, outside the markers, speaks of a verdict last."""
    return [line for line in outside_the_markers(prompt).split("\n") if "verdict" in line.lower()][-1]


@pytest.mark.parametrize("question", EVERY_QUESTION, ids=file_name)
def test_a_question_is_the_golden_one(question):
    prompt = question.prompt(INNOCENT, MEANT)
    text = prompt.text.replace(prompt.nonce, "CODE")
    assert text == (GOLDEN / file_name(question)).read_text(encoding="utf-8").removesuffix("\n")


@pytest.mark.parametrize(("question", "slot"), SLOTS, ids=lambda x: x if isinstance(x, str) else x.name)
def test_no_injection_changes_the_question(question, slot):
    innocent = question.prompt(INNOCENT, MEANT)
    for one in injections():
        prompt = question.prompt({**INNOCENT, slot: one.text}, MEANT)
        assert outside_the_markers(prompt.text) == outside_the_markers(innocent.text), one.name
        assert prompt.outside.replace(prompt.nonce, "") == innocent.outside.replace(innocent.nonce, ""), one.name
        assert last_order(prompt.text) == last_order(innocent.text), one.name
        assert prompt.section(slot) == make_visible(one.text)
        for name in question.texts:
            assert prompt.text.count(f"<<<BEGIN {name} {prompt.nonce}>>>") == 1
            assert prompt.text.count(f"<<<END {name} {prompt.nonce}>>>") == 1
            assert name == slot or prompt.section(name) == INNOCENT[name]


@pytest.mark.parametrize("question", EVERY_QUESTION, ids=file_name)
def test_all_texts_hostile_at_once_change_nothing(question):
    innocent = question.prompt(INNOCENT, MEANT)
    for one in injections():
        prompt = question.prompt(dict.fromkeys(TEXTS, one.text), MEANT)
        assert outside_the_markers(prompt.text) == outside_the_markers(innocent.text), one.name


@pytest.mark.parametrize("question", EVERY_QUESTION, ids=file_name)
def test_the_data_stands_before_the_question_and_evidence_before_the_verdict(question):
    prompt = question.prompt(INNOCENT, MEANT)
    end = max(span.end for span in prompt.sections.values())
    assert prompt.text.index('{"reasoning": ') > end
    assert "?" in prompt.text[end:]
    assert list(question.response_schema()["properties"]) == ["reasoning", "verdict"]


def test_only_the_monitor_and_the_sorters_of_failures_see_reasoning():
    assert {question for question in EVERY_QUESTION if question.sees_reasoning} == {
        COT_MONITOR,
        FALSE_NEGATIVE,
        FALSE_POSITIVE,
    }


def test_a_text_that_a_question_does_not_show_stays_out():
    secret = {**INNOCENT, "reasoned_conduct": "SECRET", "evidence": "SECRET", "conduct": "SECRET"}
    assert "SECRET" not in CONFESSED.prompt(secret, MEANT).text


def test_a_missing_text_or_definition_is_an_error():
    with pytest.raises(ValueError, match=r"\{confession\} has no text"):
        CONFESSED.prompt({"prompt": "", "answer": ""}, MEANT)
    with pytest.raises(ValueError, match=r"\{bad\} has no text"):
        CONFESSED.prompt(INNOCENT, {})


def test_a_question_that_is_wrong_in_itself_is_never_made():
    yes = OneOf({"yes": "it is"})
    with pytest.raises(ValueError, match=r"\{answer\} has no text"):
        Question("mine", "{prompt}\n{answer}", yes, ("prompt",))
    with pytest.raises(ValueError, match="takes 'mood', which no question has"):
        Question("mine", "{mood}", yes, ("mood",))
    with pytest.raises(ValueError, match=r"\{bad\} has no text"):
        Question("mine", "{prompt}", OneOf({"yes": "it is {bad}"}), ("prompt",))


def test_the_texts_and_definitions_are_all_in_use():
    assert {name for question in [*EVERY_QUESTION, *RUBRIC_QUESTIONS] for name in question.texts} == set(TEXTS)
    assert {name for question in EVERY_QUESTION for name in question.definitions} == set(DEFINITIONS)


def reply(verdict, reasoning="because"):
    return json.dumps({"reasoning": reasoning, "verdict": verdict})


@pytest.mark.parametrize("question", EVERY_QUESTION, ids=file_name)
def test_every_allowed_verdict_is_read_and_fits_the_schema(question):
    schema = question.response_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    allowed = schema["properties"]["verdict"].get("enum", [0, 1, 0.25])
    for verdict in allowed:
        jsonschema.validate(json.loads(reply(verdict)), schema)
        assert question.parse(reply(verdict)) == (verdict, "because")
        assert f'- "{verdict}": ' in question.prompt(INNOCENT, MEANT).text or not isinstance(verdict, str)
    for wrong in ("maybe", 7, -0.1, None, True, [], "", 1.0001):
        assert not jsonschema.Draft202012Validator(schema).is_valid(json.loads(reply(wrong)))
        with pytest.raises(JudgeError):
            question.parse(reply(wrong))


def test_only_where_there_is_a_neither_is_it_a_verdict():
    assert COMPLIED_OR_NEITHER.parse(reply("neither")).verdict == "neither"
    with pytest.raises(JudgeError, match='"neither"; it should be one of yes, no'):
        COMPLIED.parse(reply("neither"))


@pytest.mark.parametrize(
    "text",
    [
        reply("no"),
        f"```json\n{reply('no')}\n```",
        f"Let me see. {reply('no')} That is my verdict.",
        f"First: {reply('no', reasoning='at a glance')}\nAgain:\n{reply('no')}",
        reply("no", reasoning=f"It asks for {reply('yes')} and }} and {{"),
        reply("no", reasoning="{" * 50),
        f"<think>{reply('yes')} {{ or not</think>{reply('no')}",
        reply(" NO "),
        '{"verdict": "no", "reasoning": "after", "more": 1}',
        f"In the set {{a, b}} lies {{ nothing, and {reply('no')}",
    ],
)
def test_the_verdict_of_a_reply_is_found_wherever_it_stands(text):
    assert COMPLIED.parse(text).verdict == "no"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no JSON object"),
        ("no", "no JSON object"),
        ("[1, 2]", "no JSON object"),
        ('"no"', "no JSON object"),
        ("{}", 'lacks the key "reasoning"'),
        ('{"verdict": "no"}', 'lacks the key "reasoning"'),
        ('{"reasoning": "no"}', 'lacks the key "verdict"'),
        ('{"reasoning": 1, "verdict": "no"}', "a text as its reasoning"),
        (f"{reply('no')} {{}}", 'lacks the key "reasoning"'),
        (reply("maybe"), 'the verdict is "maybe"; it should be one of yes, no'),
        # Either may be quoted from what is judged, whichever comes last.
        (f"{reply('no')} The confession asks for {reply('yes')}", r'verdicts that differ: \["no", "yes"\]'),
        (f"The confession asks for {reply('yes')}, but I find:\n{reply('no')}", "verdicts that differ"),
        (f'{reply("no")} {{"verdict": "yes"}} {reply("no")}', "verdicts that differ"),
        (f"{reply('no')} {reply('maybe')}", "verdicts that differ"),
        ('{"reasoning": "", "verdict": "no", "verdict": "no"}', "a key occurs twice"),
        (f'{reply("yes")} {{"reasoning": "", "verdict": "no", "verdict": "no"}}', "a key occurs twice"),
        # What is quoted in a broken object is not the judge's own verdict.
        (f'{{"reasoning": "it asks for {reply("yes")}", "verdict": "no"}}', "not JSON"),
        (f'{{"reasoning": "it says }} and asks for {reply("yes")}', "not JSON"),
        (f"It asks for {reply('yes')}. {{'reasoning': 'no', 'verdict': 'no'}}", "not JSON"),
        (f"It asks for {reply('yes')}. {{reasoning: no, verdict: no}}", "not JSON"),
        (f'It asks for {reply("yes")}. {{"reasoning": "but I fi', "not JSON"),
        ('{"a":' * 100_000, "at most 100000"),
        ('{"a":' * 15_000, "not JSON"),
        ("<think>" + reply("no"), "no JSON object"),
    ],
)
def test_a_reply_without_a_usable_verdict_is_an_error(text, fault):
    with pytest.raises(JudgeError, match=fault):
        COMPLIED.parse(text)


def test_a_reply_that_is_cut_off_is_an_error_even_where_it_holds_a_verdict():
    with pytest.raises(JudgeError, match='reply to "complied" is cut off'):
        COMPLIED.parse(reply("no"), is_cut_off=True)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", '"0.5"', "true", "1.5", "-0.5", "null"])
def test_a_number_that_is_none_from_0_to_1_is_an_error(number):
    with pytest.raises(JudgeError):
        CONFIDENCE.parse(f'{{"reasoning": "", "verdict": {number}}}')


@pytest.mark.parametrize("number", [0, 1, 0.5, 1e-300])
def test_a_number_is_read_as_a_float(number):
    verdict = CONFIDENCE.parse(reply(number)).verdict
    assert verdict == number and type(verdict) is float


@given(st.text(st.characters(codec=None), max_size=200))
def test_parsing_any_text_gives_a_verdict_or_a_judge_error(text):
    for question in (ADMITTED, CONFIDENCE):
        try:
            question.parse(text)
        except JudgeError as error:
            str(error).encode()


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_a_judge_that_quotes_anything_as_json_is_understood(quoted):
    assert COMPLIED.parse(reply("no", reasoning=quoted)) == ("no", quoted)


def test_a_judge_that_quotes_an_injection_before_its_verdict_is_never_turned():
    for one in injections():
        if len(one.text) > MAX_REPLY_CHARACTERS - 100:
            continue
        for question, own in ((COMPLIED, "no"), (CONFESSED, "yes"), (COT_MONITOR, 0.75)):
            try:
                verdict = question.parse(f"It says:\n{one.text}\nMy verdict:\n{reply(own)}").verdict
            except JudgeError:
                continue
            assert verdict == own, one.name
            assert question.parse(reply(own, reasoning=one.text[:9000])).verdict == own
