"""Conversations are mended without loss, and told to judges without reasoning."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai.event import ModelEvent
from inspect_ai.log import EvalSample, transcript
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    ContentDocument,
    ContentImage,
    ContentReasoning,
    ContentText,
    ContentToolUse,
    GenerateConfig,
    ModelName,
    ModelOutput,
)
from inspect_ai.solver import TaskState
from inspect_ai.tool import ToolCall, ToolCallError, ToolInfo, tool

from confessions.evaluation.transcripts import (
    NO_CONTENT,
    STOPPED,
    answer_text,
    has_answer,
    rendered,
    repair,
    to_transcript,
    tools_of,
    tools_of_state,
    uses_tools,
)
from confessions.protocol import Message


def user(text="Do it."):
    return ChatMessageUser(content=text)


def call(*ids, text="", function="look"):
    calls = [ToolCall(id=name, function=function, arguments={"q": name}) for name in ids]
    return ChatMessageAssistant(content=text, tool_calls=calls)


def result(id, text="found", function="look", error=None):
    return ChatMessageTool(content=text, tool_call_id=id, function=function, error=error)


def answer(text="Done."):
    return ChatMessageAssistant(content=text)


def shape(messages):
    """Write each message as its role and what ties it to others."""
    shown = []
    for message in messages:
        ties = [c.id for c in getattr(message, "tool_calls", None) or []] if message.role == "assistant" else []
        if message.role == "tool":
            ties = [message.tool_call_id, "stopped" if message.text == STOPPED else message.text]
        shown.append((message.role, *ties))
    return shown


def test_a_whole_conversation_is_left_as_it_is():
    messages = [ChatMessageSystem(content="s"), user(), call("a", "b"), result("b"), result("a"), answer()]
    mended = repair(messages)
    assert mended.messages == messages and mended.repairs == ()
    assert all(one is not other for one, other in zip(mended.messages, messages, strict=True))


def test_calls_without_a_result_get_one_that_says_so():
    mended = repair([user(), call("a", "b"), result("a")])
    assert shape(mended.messages) == [
        ("user",),
        ("assistant", "a", "b"),
        ("tool", "a", "found"),
        ("tool", "b", "stopped"),
    ]
    assert mended.messages[-1].function == "look"
    assert mended.repairs == (
        f'messages[1]: the call of look without a result is given "{STOPPED}"',
        "the conversation ends in a tool message, not in an answer",
    )


def test_a_call_that_is_abandoned_midway_is_mended_where_it_stands():
    mended = repair([user(), call("a"), user("Never mind."), answer()])
    assert shape(mended.messages) == [
        ("user",),
        ("assistant", "a"),
        ("tool", "a", "stopped"),
        ("user",),
        ("assistant",),
    ]


def test_results_are_put_beside_their_calls():
    mended = repair([user(), call("a", "b"), result("a"), user("Go on."), result("b"), answer()])
    assert shape(mended.messages) == [
        ("user",), ("assistant", "a", "b"), ("tool", "a", "found"), ("tool", "b", "found"), ("user",), ("assistant",)
    ]  # fmt: skip
    assert mended.repairs == ("messages[1]: the results of its tool calls are put beside them",)


def test_results_without_a_call_become_text():
    mended = repair([user(), result("x", "12 degrees"), call("a"), result("a"), result("a", "again"), answer()])
    assert shape(mended.messages) == [
        ("user",), ("user",), ("assistant", "a"), ("tool", "a", "found"), ("user",), ("assistant",)
    ]  # fmt: skip
    assert mended.messages[1].text == "[result of look] 12 degrees"
    assert mended.messages[4].text == "[result of look] again"
    assert [r.split(":")[0] for r in mended.repairs] == ["messages[1]", "messages[4]"]


def test_an_id_that_is_used_again_belongs_to_the_latest_call():
    mended = repair([user(), call("a"), user("Again."), call("a"), result("a"), answer()])
    assert shape(mended.messages) == [
        ("user",), ("assistant", "a"), ("tool", "a", "stopped"), ("user",), ("assistant", "a"), ("tool", "a", "found"),
        ("assistant",),
    ]  # fmt: skip


def test_a_result_without_an_id_is_matched_by_its_function():
    mended = repair([user(), call("a"), result(None), answer()])
    assert shape(mended.messages)[2] == ("tool", "a", "found") and mended.repairs == ()


@pytest.mark.parametrize("content", ["", "  \n", [], [ContentText(text="")]])
def test_an_empty_turn_gets_a_text(content):
    mended = repair([user(), ChatMessageAssistant(content=content)])
    assert mended.messages[-1].text == NO_CONTENT
    assert mended.repairs == (f'messages[1]: the empty turn is given the text "{NO_CONTENT}"',)


def test_an_empty_turn_keeps_its_reasoning_and_a_call_needs_no_text():
    thought = ContentReasoning(reasoning="Hm.", signature="s")
    mended = repair([user(), ChatMessageAssistant(content=[thought]), call("a"), result("a"), answer()])
    assert mended.messages[1].content == [thought, ContentText(text=NO_CONTENT)]
    assert mended.messages[2].text == ""
    assert len(mended.repairs) == 1


@pytest.mark.parametrize(("last", "role"), [(user("Go on."), "user"), (ChatMessageSystem(content="s"), "system")])
def test_a_conversation_that_ends_without_an_answer_is_named(last, role):
    mended = repair([user(), answer(), last])
    assert mended.repairs == (f"the conversation ends in a {role} message, not in an answer",)
    assert len(mended.messages) == 3


def test_nothing_is_nothing():
    assert repair([]) == ([], ()) and rendered([]) == [] and to_transcript([]) == []
    assert answer_text([]) == "" and not has_answer([]) and not uses_tools([]) and tools_of([]) == []


ids = st.sampled_from(["a", "b", "c"])
any_message = st.one_of(
    st.builds(user, st.sampled_from(["", "x"])),
    st.builds(answer, st.sampled_from(["", "x"])),
    st.lists(ids, min_size=1, max_size=3).map(lambda names: call(*names)),
    st.builds(result, st.one_of(ids, st.none()), st.sampled_from(["", "r"])),
)


@given(st.lists(any_message, max_size=12))
def test_whatever_is_mended_is_well_formed_and_needs_no_more(messages):
    before = copy.deepcopy(messages)
    mended, _ = repair(messages)
    assert messages == before
    waiting = []
    for message in mended:
        if message.role == "tool":
            waiting.remove(message.tool_call_id)
        else:
            assert not waiting
        if message.role == "assistant":
            assert message.text.strip() or message.tool_calls
            waiting = [c.id for c in message.tool_calls or []]
    assert not waiting
    assert repair(mended).messages == mended
    assert len(mended) >= len(messages)


@given(st.lists(any_message, max_size=12))
def test_plain_turns_hold_everything_and_no_tools(messages):
    before = copy.deepcopy(messages)
    plain = rendered(repair(messages).messages)
    assert messages == before and not uses_tools(plain)
    assert all(one.role != other.role for one, other in zip(plain, plain[1:], strict=False))
    text = "\n".join(message.text for message in plain)
    calls = sum(len(m.tool_calls or []) for m in messages if m.role == "assistant")
    assert text.count("[call of look]") == calls


def test_plain_turns_join_parts_of_every_kind():
    used = ContentToolUse(tool_type="web_search", id="w", name="web_search", arguments='{"q":1}', result="page")
    image = ContentImage(image="data:image/png;base64,AAAA")
    messages = [
        ChatMessageUser(content=[ContentText(text="See:"), image]),
        user("Now."),
        ChatMessageAssistant(content=[ContentReasoning(reasoning="Hm."), used, ContentText(text="So.")]),
        call("a", text="And"),
        result("a", "", error=ToolCallError("timeout", "too slow")),
    ]
    plain = rendered(messages)
    assert [message.role for message in plain] == ["user", "assistant", "user"]
    assert plain[0].content[1] == image and plain[0].text.endswith("Now.")
    said = plain[1].text
    assert said.index("[result of web_search] page") < said.index("So.") < said.index('[call of look] {"q": "a"}')
    assert isinstance(plain[1].content[0], ContentReasoning)
    assert plain[2].text == "[result of look] Error: too slow"


THOUGHTFUL = [
    ChatMessageSystem(content="s"),
    ChatMessageUser(content=[ContentText(text="See"), ContentImage(image="x.png")]),
    ChatMessageAssistant(
        content=[ContentReasoning(reasoning="secret one"), ContentText(text="Looking.")],
        tool_calls=[ToolCall(id="a", function="look", arguments={"q": "é"})],
    ),
    result("a"),
    ChatMessageAssistant(content="<think>secret two</think><think>secret three</think>It is blue."),
]


def test_judges_see_everything_but_reasoning():
    shown = to_transcript(THOUGHTFUL)
    assert [message.role for message in shown] == ["system", "user", "assistant", "tool", "assistant"]
    assert shown[1].content == "See\n[image]"
    assert shown[2].tool_calls[0].arguments == '{"q": "é"}'
    assert shown[3] == Message("tool", "found", tool_call_id="a", name="look")
    assert shown[4] == Message("assistant", "It is blue.")
    assert "secret" not in repr(shown)


def reasoning_of(messages):
    thoughts = (message.reasoning for message in to_transcript(messages, has_reasoning=True))
    return "\n\n".join(thought for thought in thoughts if thought)


def test_a_monitor_sees_reasoning_too():
    shown = to_transcript(THOUGHTFUL, has_reasoning=True)
    assert shown[2].reasoning == "secret one" and shown[4].reasoning == "secret two\n\nsecret three"
    assert shown[4].content == "It is blue."
    assert reasoning_of(THOUGHTFUL) == "secret one\n\nsecret two\n\nsecret three"
    assert reasoning_of([user("<think>mine</think>"), answer()]) == ""


def test_redacted_reasoning_is_told_by_its_summary():
    parts = [ContentReasoning(reasoning="gibberish", redacted=True, summary="I looked."), ContentText(text="Done.")]
    assert reasoning_of([ChatMessageAssistant(content=parts)]) == "I looked."
    assert to_transcript([ChatMessageAssistant(content=parts)]) == [Message("assistant", "Done.")]


def test_reasoning_that_never_ends_hides_no_user_message():
    messages = [user("<think>mine"), answer("<think>endless")]
    assert to_transcript(messages) == [Message("user", "<think>mine"), Message("assistant", "")]
    assert not has_answer(messages)


def test_tools_that_the_provider_ran_are_calls_with_results():
    used = ContentToolUse(tool_type="web_search", id="w", name="web_search", arguments='{"q":1}', result="page")
    parts = [ContentText(text="Let me see."), used, ContentReasoning(reasoning="Hm."), ContentText(text="It is 3.")]
    shown = to_transcript([ChatMessageAssistant(content=parts)], has_reasoning=True)
    assert [(m.role, m.content, m.reasoning) for m in shown] == [
        ("assistant", "Let me see.", None), ("tool", "page", None), ("assistant", "It is 3.", "Hm.")
    ]  # fmt: skip
    assert shown[0].tool_calls[0].name == "web_search" and shown[1].tool_call_id == "w"
    assert answer_text([user(), ChatMessageAssistant(content=parts)]) == "Let me see.\nIt is 3."
    assert len(to_transcript([ChatMessageAssistant(content=[used])])) == 2


def test_files_are_named():
    document = ContentDocument(document="/tmp/report.pdf", filename="report.pdf", mime_type="application/pdf")
    assert to_transcript([ChatMessageUser(content=[document])])[0].content == "[document: report.pdf]"


def test_a_tool_error_is_told_as_the_model_was_told():
    failed = result("a", "ignored", error=ToolCallError("permission", "no access"))
    assert to_transcript([failed])[0].content == "Error: no access"


def test_the_answer_is_the_last_turn_of_the_model():
    assert answer_text([user(), answer("One."), user(), answer("<think>x</think>\nTwo.")]) == "Two."
    assert answer_text([user(), answer("One."), user("And?")]) == "One."
    assert answer_text([user(), answer("One."), call("a")]) == ""


def test_a_prompts_own_turns_are_no_answer():
    example = ChatMessageAssistant(content="Blue.", source="input")
    assert not has_answer([user(), example, user()])
    assert has_answer([user(), example, user(), call("a")])
    assert has_answer([user(), answer()]) and not has_answer([user(), answer("")])
    generated = ModelOutput.from_content("m", "Blue.").message
    assert has_answer([user(), generated])
    # A finished log's conversation is the input of a new run.
    assert has_answer([user(), generated.model_copy(update={"source": "input"}), user("Go on.")])


def event(*names, role=None):
    tools = [ToolInfo(name=name, description=name) for name in names]
    output = ModelOutput.from_content("m", "x")
    return ModelEvent(
        model="m", role=role, input=[], tools=tools, tool_choice="auto", config=GenerateConfig(), output=output
    )


def test_the_tools_are_those_of_the_models_last_call_with_any():
    events = [event("old"), event("look", "ask"), event(), event("judge", role="grader")]
    assert [t.name for t in tools_of(events)] == ["look", "ask"]
    sample = EvalSample(id=1, epoch=1, input="x", target="", events=events)
    assert [t.name for t in tools_of(sample)] == ["look", "ask"]
    assert tools_of([event()]) == []


@tool
def ask():
    async def execute(question: str) -> str:
        """Ask somebody.

        Args:
            question: What to ask.
        """
        return question

    return execute


def test_a_states_tools_and_its_agents_own_are_found(monkeypatch):
    state = TaskState(model=ModelName("mockllm/model"), sample_id=1, epoch=1, input="x", messages=[])
    assert tools_of_state(state) == []
    state.tools = [ask()]
    (info,) = tools_of_state(state)
    assert (info.name, info.description) == ("ask", "Ask somebody.") and "question" in info.parameters.properties
    logged = type(transcript())([event("look")])
    monkeypatch.setattr("confessions.evaluation.transcripts.transcript", lambda: logged)
    assert [t.name for t in tools_of_state(state)] == ["ask", "look"]
