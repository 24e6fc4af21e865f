import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confessions.errors import ConfessionsError
from confessions.protocol import Message, ToolCall, Transcript, TranscriptError

USER = {"role": "user", "content": "Write about the river."}
ANSWER = {"role": "assistant", "content": "It flows."}


def test_a_conversation_with_tools_and_reasoning_is_read_and_written_back():
    raw = [
        {"role": "system", "content": "Be brief."},
        USER,
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "I should look.",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}}],
        },
        {"role": "tool", "content": "wet", "tool_call_id": "c1", "name": "look"},
        {"role": "assistant", "content": "It is wet.", "reasoning_content": "Say it."},
    ]
    transcript = Transcript.from_openai(raw)
    assert transcript.answer == "It is wet."
    assert [message.role for message in transcript.prompt] == ["system", "user", "assistant", "tool"]
    assert transcript.messages[2].tool_calls == (ToolCall("c1", "look", '{"at": "it"}'),)
    assert transcript.messages[2].reasoning == "I should look."
    assert transcript.to_openai() == raw
    assert Transcript.from_json(json.dumps(raw)) == transcript
    assert Transcript.from_json(json.dumps({"model": "m", "messages": raw})) == transcript


def test_without_reasoning_only_the_reasoning_is_gone():
    thinking = [{**USER}, {**ANSWER, "reasoning": "secret"}]
    bare = Transcript.from_openai(thinking).without_reasoning()
    assert bare == Transcript.from_openai([USER, ANSWER])
    assert "secret" not in json.dumps(bare.to_openai())


def test_text_parts_are_joined_and_null_content_beside_tool_calls_is_empty():
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    call = {"function": {"name": "f", "arguments": {"a": "é"}}}
    transcript = Transcript.from_openai(
        [{"role": "user", "content": parts}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    )
    assert transcript.messages[0].content == "one two"
    assert transcript.answer == ""
    assert transcript.messages[1].tool_calls[0] == ToolCall("", "f", '{"a": "é"}')
    assert "id" not in transcript.messages[1].tool_calls[0].to_openai()


def test_a_refusal_is_the_answer_where_there_is_no_other():
    transcript = Transcript.from_openai([USER, {"role": "assistant", "content": None, "refusal": "I will not."}])
    assert transcript.answer == "I will not."


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([USER, USER, {"role": "robot", "content": "x"}], 'messages[2]: role "robot" is none of system, developer'),
        ([USER, {"content": "x"}], "messages[1]: role (missing) is none of"),
        ([USER, {"role": ["x"], "content": "x"}], "messages[1]: role"),
        ([USER, "hello"], "messages[1] is text; it should be an object"),
        ([{"role": "user"}, ANSWER], "messages[0]: content is missing"),
        ([{"role": "user", "content": 3}, ANSWER], "messages[0]: content is a number"),
        ([{"role": "user", "content": ["x"]}, ANSWER], "messages[0].content[0] is text"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, ANSWER],
            'messages[0].content[0]: part type "image_url" is not read',
        ),
        ([{"role": "user", "content": [{"type": "text"}]}, ANSWER], "messages[0].content[0].text is null"),
        ([{"role": "user", "content": "\ud800"}, ANSWER], "messages[0].content has half a surrogate pair"),
        ([USER, {**ANSWER, "reasoning": 1}], "messages[1].reasoning is a number"),
        ([USER, {**ANSWER, "tool_calls": "x"}], "messages[1]: tool_calls is text"),
        ([USER, {**ANSWER, "tool_calls": [{}]}], "messages[1].tool_calls[0].function is null"),
        (
            [USER, {**ANSWER, "tool_calls": [{"function": {"name": 1}}]}],
            "messages[1].tool_calls[0].function.name is a number",
        ),
        ([{**USER, "tool_calls": [{}]}, ANSWER], 'messages[0]: role "user" has tool_calls'),
        ([], "messages is empty"),
        ([USER], 'messages[0]: the last message has role "user"'),
        ([USER, {"role": "assistant", "content": ""}], "messages[1]: the answer has neither content nor tool_calls"),
        ([ANSWER, ANSWER], "no message before the answer is from anyone but the assistant"),
        ("hello", "messages is text; it should be a list"),
        ({"a": 1}, "messages is an object; it should be a list"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_malformed_transcript_names_the_message(messages, complaint):
    with pytest.raises(TranscriptError) as caught:
        Transcript.from_openai(messages)
    assert complaint in str(caught.value)
    assert isinstance(caught.value, ConfessionsError)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not JSON"),
        ('[{"role": "user"', "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"turns": []}', 'without the key "messages"'),
        ("7", "messages is a number"),
        ("null", "messages is null"),
    ],
)
def test_a_text_that_is_no_transcript_says_so(text, complaint):
    with pytest.raises(TranscriptError, match=complaint):
        Transcript.from_json(text)


def test_a_message_of_an_unknown_role_cannot_be_made():
    with pytest.raises(TranscriptError, match='role "robot" is none of'):
        Message("robot", "x")


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
CALLS = st.builds(ToolCall, id=TEXTS, name=TEXTS, arguments=TEXTS)
OTHERS = st.builds(
    Message,
    role=st.sampled_from(["system", "developer", "user", "tool"]),
    content=TEXTS,
    tool_call_id=st.none() | TEXTS,
    name=st.none() | TEXTS,
)
ASSISTANTS = st.builds(
    Message,
    role=st.just("assistant"),
    content=TEXTS.filter(bool),
    reasoning=st.none() | TEXTS.filter(bool),
    tool_calls=st.lists(CALLS, max_size=2).map(tuple),
)


@given(OTHERS, st.lists(OTHERS | ASSISTANTS, max_size=3), ASSISTANTS)
def test_writing_and_reading_gives_the_same_transcript(first, middle, answer):
    transcript = Transcript((first, *middle, answer))
    assert Transcript.from_json(json.dumps(transcript.to_openai())) == transcript


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "tool_calls", "function", "name", "arguments", "type", "text", "id"]),
            inner | st.sampled_from(["user", "assistant", "tool", "text"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_a_transcript_or_a_transcript_error(value):
    try:
        Transcript.from_json(json.dumps(value))
    except TranscriptError as error:
        assert str(error)


@given(st.text())
def test_any_text_is_a_transcript_or_a_transcript_error(text):
    try:
        Transcript.from_json(text)
    except TranscriptError as error:
        assert str(error)
