"""Conversations in and out of Inspect AI: mended for the model that confesses, told plainly to those who judge.

A finished run can end anywhere: in a tool call without a result, in a user's message, in silence. Endpoints refuse
much of that, so a copy is mended and every change is named. Judges get the protocol's messages, without reasoning.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from inspect_ai.event import Event, ModelEvent
from inspect_ai.log import EvalSample, transcript
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageTool,
    ChatMessageUser,
    Content,
    ContentReasoning,
    ContentText,
    ContentToolUse,
)
from inspect_ai.solver import TaskState
from inspect_ai.tool import ToolCall, ToolDef, ToolInfo

from confessions.protocol import Message
from confessions.protocol import ToolCall as ProtocolCall
from confessions.protocol.reasoning import split_reasoning

STOPPED: Final = "[the run stopped here]"
"""The result that is given to a tool call that has none."""
NO_CONTENT: Final = "(no content)"
"""The text that is given to an empty turn of the model; Inspect's providers write the same where they know the need."""


class Repaired(NamedTuple):
    """A conversation that endpoints accept, and what was changed in it."""

    messages: list[ChatMessage]
    repairs: tuple[str, ...]


def repair(messages: Sequence[ChatMessage]) -> Repaired:
    """Copy a conversation so that endpoints accept it before a request; name every repair and whatever is unusual.

    Tool calls without a result get one that says that the run stopped, results are put beside their calls, results
    without a call become text, and empty turns of the model get a text.
    """
    results = _results_by_caller(messages)
    owned = {index for indices in results.values() for index in indices if index is not None}
    mended: list[ChatMessage] = []
    repairs: list[str] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if isinstance(message, ChatMessageTool):
            if index in owned:
                continue
            repairs.append(f"{where}: the result of a tool call that is not there is given as text")
            mended.append(ChatMessageUser(content=_result_text(message)))
        elif isinstance(message, ChatMessageAssistant):
            if _is_empty(message):
                repairs.append(f'{where}: the empty turn is given the text "{NO_CONTENT}"')
            mended.append(_filled(message))
            indices = results.get(index, [])
            present = sorted(i for i in indices if i is not None)
            if present and present != list(range(index + 1, index + 1 + len(present))):
                repairs.append(f"{where}: the results of its tool calls are put beside them")
            mended += [_matched(messages[i], message, indices.index(i)) for i in present]
            for call, found in zip(message.tool_calls or [], indices, strict=True):
                if found is None:
                    repairs.append(f'{where}: the call of {call.function} without a result is given "{STOPPED}"')
                    mended.append(ChatMessageTool(content=STOPPED, tool_call_id=call.id, function=call.function))
        else:
            mended.append(message.model_copy(deep=True))
    if messages and not isinstance(messages[-1], ChatMessageAssistant):
        repairs.append(f"the conversation ends in a {messages[-1].role} message, not in an answer")
    return Repaired(mended, tuple(repairs))


def rendered(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Write tool calls and their results as text in plain turns, for templates and endpoints without tools.

    Consecutive turns of one role become one, since such templates tend to want user and assistant in turn.
    """
    plain: list[ChatMessage] = []
    for message in messages:
        turn: ChatMessage
        if isinstance(message, ChatMessageTool):
            turn = ChatMessageUser(content=_result_text(message))
        elif isinstance(message, ChatMessageAssistant):
            calls = "\n".join(f"[call of {call.function}] {_arguments(call)}" for call in message.tool_calls or [])
            turn = message.model_copy(update={"content": _with_text(_plain(message), calls), "tool_calls": None})
        else:
            turn = message.model_copy(deep=True)
        if plain and turn.role == plain[-1].role and turn.role in ("user", "assistant"):
            turn = plain[-1].model_copy(update={"content": _joined(plain[-1].content, turn.content)})
            plain[-1] = turn
        else:
            plain.append(turn)
    return plain


def uses_tools(messages: Sequence[ChatMessage]) -> bool:
    """Tell whether tools are called anywhere in a conversation."""
    return any(
        isinstance(message, ChatMessageTool) or (isinstance(message, ChatMessageAssistant) and message.tool_calls)
        for message in messages
    )


def to_transcript(messages: Sequence[ChatMessage], has_reasoning: bool = False) -> list[Message]:
    """Write a conversation as the protocol's messages: what judges see, so without reasoning unless it is asked for.

    Images and the like are named and not shown. Tools that the provider itself ran become calls with results.
    """
    return [written for message in messages for written in _written(message, has_reasoning)]


def answer_text(messages: Sequence[ChatMessage]) -> str:
    """Give the text of the model's last turn without its reasoning; empty where there is none."""
    last = next((message for message in reversed(messages) if isinstance(message, ChatMessageAssistant)), None)
    if last is None:
        return ""
    return "\n".join(message.content for message in _written(last, False) if message.role == "assistant").strip()


def has_answer(messages: Sequence[ChatMessage]) -> bool:
    """Tell whether the model said or did anything; turns that a prompt puts into its mouth do not count."""
    return any(
        isinstance(message, ChatMessageAssistant)
        and (message.source != "input" or message.model is not None)
        and any(said.content or said.tool_calls for said in _written(message, False))
        for message in messages
    )


def conversation(state: TaskState) -> list[ChatMessage]:
    """Give a sample's messages, with the answer of a solver that set the output alone.

    The messages themselves are left as they are.
    """
    messages = list(state.messages)
    if not has_answer(messages) and state.output.choices and state.output.completion.strip():
        messages.append(state.output.message)
    return messages


def tools_of(source: EvalSample | Sequence[Event]) -> list[ToolInfo]:
    """Give the tools that the evaluated model last had, as its calls are logged."""
    events = source.events if isinstance(source, EvalSample) else source
    for event in reversed(events):
        if isinstance(event, ModelEvent) and event.role is None and event.tools:
            return list(event.tools)
    return []


def tools_of_state(state: TaskState) -> list[ToolInfo]:
    """Give the tools a sample's model has or had, agents' own and those of a log that is scored anew included."""
    tools = {tool.name: tool for tool in map(_info, state.tools)}
    tools |= {tool.name: tool for tool in tools_of(list(transcript().events))}
    return list(tools.values())


def _results_by_caller(messages: Sequence[ChatMessage]) -> dict[int, list[int | None]]:
    """Find, for each turn that calls tools, where each call's result is; a result belongs to the last such call."""
    results: dict[int, list[int | None]] = {}
    waiting: list[tuple[int, int, ToolCall]] = []
    for index, message in enumerate(messages):
        if isinstance(message, ChatMessageAssistant) and message.tool_calls:
            results[index] = [None] * len(message.tool_calls)
            waiting += [(index, place, call) for place, call in enumerate(message.tool_calls)]
        elif isinstance(message, ChatMessageTool):
            fitting = [entry for entry in waiting if _is_result_of(message, entry[2])]
            if fitting:
                latest = max(caller for caller, _, _ in fitting)
                entry = next(entry for entry in fitting if entry[0] == latest)
                results[latest][entry[1]] = index
                waiting.remove(entry)
    return results


def _is_result_of(message: ChatMessageTool, call: ToolCall) -> bool:
    if message.tool_call_id is None:
        return message.function in (None, call.function)
    return message.tool_call_id == call.id


def _matched(result: ChatMessage, caller: ChatMessageAssistant, place: int) -> ChatMessage:
    call = (caller.tool_calls or [])[place]
    return result.model_copy(update={"tool_call_id": call.id}, deep=True)


def _is_empty(message: ChatMessageAssistant) -> bool:
    shown = [part for part in message.content_list if not isinstance(part, ContentReasoning)]
    return not message.tool_calls and all(isinstance(part, ContentText) and not part.text.strip() for part in shown)


def _filled(message: ChatMessageAssistant) -> ChatMessageAssistant:
    """Copy a turn; an empty one gets a text, after its reasoning if it has any."""
    copy = message.model_copy(deep=True)
    if _is_empty(message):
        kept = [part for part in copy.content_list if isinstance(part, ContentReasoning)]
        copy.content = [*kept, ContentText(text=NO_CONTENT)] if kept else NO_CONTENT
    return copy


def _plain(message: ChatMessageAssistant) -> str | list[Content]:
    """Give a turn's content, with tools that the provider ran written as text."""
    if isinstance(message.content, str):
        return message.content
    return [
        ContentText(text=f"[call of {part.name}] {part.arguments}\n[result of {part.name}] {part.error or part.result}")
        if isinstance(part, ContentToolUse)
        else part.model_copy(deep=True)
        for part in message.content
    ]


def _with_text(content: str | list[Content], text: str) -> str | list[Content]:
    if not text:
        return content
    return _joined(content, text) if content else text


def _joined(first: str | list[Content], second: str | list[Content]) -> str | list[Content]:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    before: list[Content] = [ContentText(text=first)] if isinstance(first, str) else first
    after: list[Content] = [ContentText(text=second)] if isinstance(second, str) else second
    return [*before, *after]


def _result_text(message: ChatMessageTool) -> str:
    return f"[result of {message.function or 'a tool'}] {_tool_text(message)}"


def _tool_text(message: ChatMessageTool) -> str:
    """Give what the model was told; Inspect sends the error in place of the content."""
    if message.error is not None:
        return f"Error: {message.error.message}"
    return "\n".join(_part_text(part) for part in message.content_list)


def _arguments(call: ToolCall) -> str:
    return json.dumps(call.arguments, ensure_ascii=False, default=str)


def _part_text(part: Content) -> str:
    """Give a part's text, or its name in brackets."""
    if isinstance(part, ContentText):
        return part.text
    name = getattr(part, "filename", "")
    return f"[{part.type}: {name}]" if name else f"[{part.type}]"


def _written(message: ChatMessage, has_reasoning: bool) -> Iterator[Message]:
    if isinstance(message, ChatMessageTool):
        yield Message("tool", _tool_text(message), tool_call_id=message.tool_call_id, name=message.function)
    elif isinstance(message, ChatMessageAssistant):
        yield from _written_turn(message, has_reasoning)
    else:
        yield Message(message.role, "\n".join(_part_text(part) for part in message.content_list))


def _written_turn(message: ChatMessageAssistant, has_reasoning: bool) -> Iterator[Message]:
    """Write a turn of the model; where the provider ran a tool within it, the turn is told in several messages."""
    thoughts: list[str] = []
    texts: list[str] = []
    is_split = False
    for part in message.content_list:
        if isinstance(part, ContentReasoning):
            thoughts.append(part.summary or "" if part.redacted else part.reasoning)
        elif isinstance(part, ContentToolUse):
            call = ProtocolCall(part.id, part.name, part.arguments)
            yield _turn(thoughts, texts, has_reasoning, (call,))
            yield Message("tool", part.error or part.result, tool_call_id=part.id, name=part.name)
            thoughts, texts, is_split = [], [], True
        else:
            texts.append(_part_text(part))
    calls = tuple(ProtocolCall(call.id, call.function, _arguments(call)) for call in message.tool_calls or [])
    if thoughts or texts or calls or not is_split:
        yield _turn(thoughts, texts, has_reasoning, calls)


def _turn(thoughts: list[str], texts: list[str], has_reasoning: bool, calls: tuple[ProtocolCall, ...]) -> Message:
    thoughts = list(thoughts)
    block, text = split_reasoning("\n".join(texts))
    while block is not None:
        thoughts.append(block)
        block, text = split_reasoning(text)
    reasoning = "\n\n".join(thought for thought in thoughts if thought)
    return Message("assistant", text, reasoning=reasoning or None if has_reasoning else None, tool_calls=calls)


def _info(tool: object) -> ToolInfo:
    made = ToolDef(tool)  # type: ignore[arg-type]
    return ToolInfo(name=made.name, description=made.description, parameters=made.parameters, options=made.options)
