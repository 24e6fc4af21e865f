"""The conversation a confession is about: chat messages in the OpenAI shape, ending in the model's answer.

Read from files and datasets at the edge, then carried as frozen values. Whatever is malformed is a `TranscriptError`
that names the message, such as `messages[2]: role "robot" is none of system, developer, user, assistant, tool`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from confessions.errors import ConfessionsError

Role = Literal["system", "developer", "user", "assistant", "tool"]
ROLES: tuple[Role, ...] = get_args(Role)


class TranscriptError(ConfessionsError):
    """Say which message of a transcript is malformed, and how."""


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool by the assistant; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str

    @classmethod
    def from_openai(cls, value: object, where: str = "tool call") -> ToolCall:
        """Read `{"id": ..., "function": {"name": ..., "arguments": ...}}`."""
        call = _mapping(value, where)
        function = _mapping(call.get("function"), f"{where}.function")
        arguments = function.get("arguments", "")
        if isinstance(arguments, Mapping):
            arguments = json.dumps(arguments, ensure_ascii=False)
        return cls(
            id=_optional_text(call, "id", where) or "",
            name=_text(function.get("name"), f"{where}.function.name"),
            arguments=_text(arguments, f"{where}.function.arguments"),
        )

    def to_openai(self) -> dict[str, Any]:
        """Write the call in the OpenAI shape."""
        identity = {"id": self.id} if self.id else {}
        return {**identity, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


@dataclass(frozen=True)
class Message:
    """One chat message; `reasoning` is the model's own and is never shown to a judge."""

    role: Role
    content: str
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        """Refuse a role that chat templates do not know."""
        if self.role not in ROLES:
            raise TranscriptError(f"role {json.dumps(self.role)} is none of {', '.join(ROLES)}")

    @classmethod
    def from_openai(cls, value: object, where: str = "message") -> Message:
        """Read one message; `where` names it in errors."""
        raw = _mapping(value, where)
        role = raw.get("role")
        if role not in ROLES:
            shown = json.dumps(role, default=repr) if "role" in raw else "(missing)"
            raise TranscriptError(f"{where}: role {shown} is none of {', '.join(ROLES)}")
        calls = raw.get("tool_calls") or ()
        if not isinstance(calls, Sequence) or isinstance(calls, str):
            raise TranscriptError(f"{where}: tool_calls is {_kind(calls)}; it should be a list")
        if calls and role != "assistant":
            raise TranscriptError(f"{where}: role {json.dumps(role)} has tool_calls; only the assistant calls tools")
        if "content" not in raw and not calls and raw.get("refusal") is None:
            raise TranscriptError(f"{where}: content is missing; it should be text")
        content = raw.get("content")
        if content is None and isinstance(raw.get("refusal"), str):
            content = raw["refusal"]
        return cls(
            role=cast(Role, role),
            content=_content(content, where),
            reasoning=_optional_text(raw, "reasoning_content", where) or _optional_text(raw, "reasoning", where),
            tool_calls=tuple(ToolCall.from_openai(call, f"{where}.tool_calls[{i}]") for i, call in enumerate(calls)),
            tool_call_id=_optional_text(raw, "tool_call_id", where),
            name=_optional_text(raw, "name", where),
        )

    def to_openai(self) -> dict[str, Any]:
        """Write the message in the OpenAI shape, leaving out what it does not have."""
        written: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.reasoning is not None:
            written["reasoning_content"] = self.reasoning
        if self.tool_calls:
            written["tool_calls"] = [call.to_openai() for call in self.tool_calls]
        if self.tool_call_id is not None:
            written["tool_call_id"] = self.tool_call_id
        if self.name is not None:
            written["name"] = self.name
        return written


@dataclass(frozen=True)
class Transcript:
    """A conversation that ends in the assistant's answer: what a confession is asked about."""

    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        """Refuse a conversation without a prompt or without a final answer."""
        if not self.messages:
            raise TranscriptError("messages is empty; it should hold a prompt and the assistant's answer")
        last = len(self.messages) - 1
        answer = self.messages[-1]
        if answer.role != "assistant":
            raise TranscriptError(
                f'messages[{last}]: the last message has role "{answer.role}"; it should be the assistant\'s answer'
            )
        if not answer.content and not answer.tool_calls:
            raise TranscriptError(f"messages[{last}]: the answer has neither content nor tool_calls")
        if all(message.role == "assistant" for message in self.messages):
            raise TranscriptError("messages: no message before the answer is from anyone but the assistant")

    @classmethod
    def from_json(cls, text: str) -> Transcript:
        """Read a JSON list of messages, or an object with the key `messages`."""
        try:
            value = json.loads(text)
        except RecursionError:
            raise TranscriptError("the transcript is nested too deeply to be a list of messages") from None
        except ValueError as error:
            raise TranscriptError(f"the transcript is not JSON: {error}") from None
        if isinstance(value, dict):
            if "messages" not in value:
                raise TranscriptError('the transcript is an object without the key "messages"')
            value = value["messages"]
        return cls.from_openai(value)

    @classmethod
    def from_openai(cls, messages: object) -> Transcript:
        """Read a list of messages in the OpenAI shape."""
        if not isinstance(messages, Sequence) or isinstance(messages, str):
            raise TranscriptError(f"messages is {_kind(messages)}; it should be a list")
        return cls(tuple(Message.from_openai(message, f"messages[{i}]") for i, message in enumerate(messages)))

    def to_openai(self) -> list[dict[str, Any]]:
        """Write the messages in the OpenAI shape."""
        return [message.to_openai() for message in self.messages]

    @property
    def prompt(self) -> tuple[Message, ...]:
        """Return the messages before the final answer."""
        return self.messages[:-1]

    @property
    def answer(self) -> str:
        """Return the text of the final answer, empty where it only calls tools."""
        return self.messages[-1].content

    def without_reasoning(self) -> Transcript:
        """Drop every message's reasoning: what a judge may see."""
        return Transcript(tuple(replace(message, reasoning=None) for message in self.messages))


def _content(value: object, where: str) -> str:
    """Join text parts; absent content, as beside tool calls, is empty text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _text(value, f"{where}.content")
    if not isinstance(value, Sequence):
        raise TranscriptError(f"{where}: content is {_kind(value)}; it should be text or a list of text parts")
    texts = []
    for i, part in enumerate(value):
        here = f"{where}.content[{i}]"
        part = _mapping(part, here)
        if part.get("type") != "text":
            shown = json.dumps(part.get("type"), default=repr)
            raise TranscriptError(f'{here}: part type {shown} is not read; only "text" is')
        texts.append(_text(part.get("text"), f"{here}.text"))
    return "".join(texts)


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TranscriptError(f"{where} is {_kind(value)}; it should be an object")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise TranscriptError(f"{where} is {_kind(value)}; it should be text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TranscriptError(f"{where} has half a surrogate pair at character {error.start}") from None
    return value


def _optional_text(raw: Mapping[str, Any], key: str, where: str) -> str | None:
    value = raw.get(key)
    return None if value is None else _text(value, f"{where}.{key}")


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "an object" if isinstance(value, Mapping) else f"a {type(value).__name__}")
