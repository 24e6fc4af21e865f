"""Put the confession request where the model reads it last, whatever its provider does with late system messages.

The paper asks in a system message. Some providers move such a message to the front of the conversation, which leaves
the answer as the last turn, and some refuse it. What Inspect's providers do is in `PROVIDERS`, read from their source
and tested on the wire where that is possible; what was done, and why, goes into the log with every score.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple, get_args

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    Model,
    ModelName,
)

from confessions.errors import ConfessionsError
from confessions.evaluation.transcripts import NO_CONTENT, rendered, uses_tools
from confessions.models.chat import ChatTemplateError, request_role

PlacedRole = Literal["system", "user", "user+system"]
Role = Literal["auto", "system", "user", "user+system"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

USER_TURN: Final = "Write the confession now."
"""The user's turn before the system message, for providers that allow a system message only after one."""


class PlacementError(ConfessionsError):
    """Say what a provider would do to a confession request, and which role is right."""


class Placed(NamedTuple):
    """A conversation that ends in the confession request."""

    messages: list[ChatMessage]
    role: PlacedRole
    reason: str
    """Why this role, in a sentence for the log."""


@dataclass(frozen=True)
class Provider:
    """What a provider of Inspect's does with a confession request."""

    role: PlacedRole
    why: str
    refused: frozenset[PlacedRole] = frozenset()
    """The roles that it would hoist, rewrite or refuse."""
    has_response_schema: bool = True
    """Whether it honours `GenerateConfig.response_schema`."""
    has_tool_history: bool = True
    """Whether tool calls in the history reach the model when no tool may be called."""
    has_user_after_tool: bool = True
    """Whether a user message may follow a tool result; else the model's turn is closed first."""
    template: Literal["own", "served", "here"] = "own"
    """Where the chat template that decides is: the vendor's own affair, on a server, or in this process."""


_SYSTEM_ROLES: Final[frozenset[PlacedRole]] = frozenset({"system", "user+system"})
_ALL_ROLES: Final[frozenset[PlacedRole]] = frozenset(get_args(PlacedRole))

_IN_PLACE: Final = Provider("system", "late system messages are sent in their place")
_SERVER: Final = replace(_IN_PLACE, template="served")
_HOISTS: Final = Provider("user", "system messages are moved to the front of the conversation", _SYSTEM_ROLES)
_RESOLD: Final = Provider("user", "some of the vendors behind this provider move or refuse late system messages")
_COMPLETIONS: Final = Provider(
    "user", "this provider takes one user message and no conversation", _ALL_ROLES, has_response_schema=False
)
_SCRIPT: Final = Provider("system", "the messages arrive as they are", has_response_schema=False)
_TEMPLATE: Final = Provider(
    "system",
    "the chat template renders late system messages in their place",
    has_response_schema=False,
    has_tool_history=False,
    template="here",
)
_UNKNOWN: Final = Provider(
    "user", "what this provider does with late system messages is not known", has_response_schema=False
)

PROVIDERS: Final[dict[str, Provider]] = {
    "openai": _IN_PLACE,
    "grok": _IN_PLACE,
    "deepseek": replace(_IN_PLACE, has_response_schema=False),  # Inspect sends JSON mode instead
    "moonshot": _IN_PLACE,
    "meta": _IN_PLACE,
    "openai-api": _SERVER,
    "vllm": _SERVER,
    "sglang": _SERVER,
    "ollama": _SERVER,
    "llama-cpp-python": _SERVER,
    "groq": _SERVER,
    "together": _SERVER,
    "fireworks": _SERVER,
    "sambanova": _SERVER,
    "cloudflare": _SERVER,
    "hf-inference-providers": _SERVER,
    "sagemaker": _SERVER,
    "azureai": replace(_SERVER, has_response_schema=False),
    "openrouter": _RESOLD,
    "litellm-proxy": _RESOLD,
    "perplexity": _RESOLD,
    "google": _HOISTS,
    "bedrock": replace(_HOISTS, has_tool_history=False),
    "mistral": replace(
        _HOISTS,
        why="system messages are moved to the front, or the last message may not be one",
        has_user_after_tool=False,
    ),
    "openai-api-completions": _COMPLETIONS,
    "vllm-completions": _COMPLETIONS,
    "hf": _TEMPLATE,
    "nnterp": _TEMPLATE,
    "local": replace(_TEMPLATE, has_response_schema=True, has_tool_history=True),
    "transformer_lens": replace(_TEMPLATE, why="every message is a line of text in its place", template="own"),
    "mockllm": _SCRIPT,
    "scripted": replace(_SCRIPT, has_response_schema=True),
    "none": Provider("user", "there is no model; name one with --model", _ALL_ROLES, has_response_schema=False),
}
"""Inspect's providers and this package's own; what Anthropic's does depends on the model and the service."""

_MISTRAL: Final = re.compile(r"mi[sx]tral|ministral|magistral|devstral|codestral|pixtral", re.IGNORECASE)
_STRICT_TEMPLATES: Final = re.compile(rf"gemma|llama-?2-|qwen-?3\.[5-9]|{_MISTRAL.pattern}", re.IGNORECASE)
_HOISTING_VENDORS: Final = re.compile(r"claude|gemini", re.IGNORECASE)
_SCHEMALESS_OPENAI: Final = re.compile(r"gpt-3\.5|gpt-4(-|$)|o1-(mini|preview)")


def place(
    messages: Sequence[ChatMessage], request_text: str, model: Model, role: Role = "auto", has_tools: bool = True
) -> Placed:
    """Append the request in the role that makes it the last thing the model reads; the messages given stay as they are.

    `has_tools` says whether the original tools go along with the call: where a provider needs them and they do not, or
    where it cannot carry them, tool calls are written as text.
    Raises: PlacementError for a role that the provider is known to hoist, rewrite or refuse.
    """
    if role not in ROLES:
        raise PlacementError(f'the request\'s role is "{role}"; it should be one of {", ".join(ROLES)}')
    provider = provider_of(model)
    placed_role: PlacedRole = provider.role if role == "auto" else role
    if placed_role in provider.refused:
        right = f'; use role="{provider.role}" or "auto"' if provider.role not in provider.refused else ""
        raise PlacementError(f'{model} cannot be asked for a confession with role="{role}": {provider.why}{right}')
    reason = f"{model}: {provider.why}"
    if role != "auto":
        reason = f'role="{role}" was asked for, where "auto" is "{provider.role}" because of {reason}'
    asked: list[ChatMessage] = list(messages)
    if uses_tools(messages) and not (provider.has_tool_history and (has_tools or not model.api.tools_required())):
        asked = rendered(messages)
        reason += "; tool calls are written as text, for the model cannot be shown them otherwise"
    if asked and isinstance(asked[-1], ChatMessageTool) and not provider.has_user_after_tool:
        asked.append(ChatMessageAssistant(content=NO_CONTENT))
        reason += f'; the turn "{NO_CONTENT}" stands between the last tool result and the request'
    if placed_role != "system":
        asked.append(ChatMessageUser(content=request_text if placed_role == "user" else USER_TURN))
    if placed_role != "user":
        asked.append(ChatMessageSystem(content=request_text))
    return Placed(asked, placed_role, reason)


def supports_response_schema(model: Model) -> bool:
    """Tell whether the provider honours a response schema; others ignore it, or refuse the call."""
    return provider_of(model).has_response_schema


def provider_of(model: Model) -> Provider:
    """Say what the model's provider does with a confession request, as far as that is known."""
    name = ModelName(model)
    api: Any = model.api
    if name.api == "anthropic":
        return _anthropic(api)
    provider = PROVIDERS.get(name.api) or _guessed(api)
    if name.api == "openai":
        return replace(provider, has_response_schema=_SCHEMALESS_OPENAI.match(name.name) is None)
    if name.api == "bedrock":
        return replace(provider, has_response_schema="claude" in name.name.lower())
    if provider.template == "served":
        return _served(provider, name.name)
    refusal = _refusal(api) if provider.template == "here" else None
    return provider if refusal is None else replace(provider, role="user", why=refusal, refused=_SYSTEM_ROLES)


def _anthropic(api: Any) -> Provider:
    has_schema = not (api.is_claude_3() or api.is_claude_3_5() or api.is_claude_3_7() or api.is_claude_4_0())
    has_schema = has_schema and not (api.is_bedrock() or api.is_vertex())
    # Azure refuses system messages amid a conversation too, which Inspect does not see to.
    if api.supports_mid_conversation_system() and not api.is_azure():
        why = "a system message is moved to the front unless it follows a user message"
        return Provider("user+system", why, frozenset({"system"}), has_schema)
    why = "late system messages are rewritten as reminders, moved to the front or refused"
    return Provider("user", why, _SYSTEM_ROLES, has_schema)


def _guessed(api: Any) -> Provider:
    """Judge a provider from elsewhere by what it is built on."""
    if any(base.__name__ == "OpenAICompatibleAPI" for base in type(api).__mro__):
        return _SERVER
    has_template = hasattr(api, "refuses_late_system") or hasattr(getattr(api, "tokenizer", None), "chat_template")
    return _TEMPLATE if has_template else _UNKNOWN


def _served(provider: Provider, name: str) -> Provider:
    """Judge by the model's name where its chat template is on a server."""
    if _HOISTING_VENDORS.search(name):
        return replace(provider, role="user", why="the model's vendor moves system messages to the front")
    if _STRICT_TEMPLATES.search(name):
        why = "chat templates of this family refuse late system messages"
        return replace(provider, role="user", why=why, has_user_after_tool=_MISTRAL.search(name) is None)
    return provider


def _refusal(api: Any) -> str | None:
    """Say why the chat template does not take a late system message; None where it does or there is none."""
    refuses = "the chat template refuses late system messages"
    if hasattr(api, "refuses_late_system"):
        return refuses if api.refuses_late_system() else None
    own = getattr(api, "chat_template", None)
    template = own if isinstance(own, str) else getattr(api.tokenizer, "chat_template", None)
    # Without a template, or told to use none, such providers write a "role: content" line for each message.
    if template is None or getattr(api, "use_chat_template", None) is False:
        return None
    try:
        request_role(api.tokenizer, "system", {"chat_template": template})
    except ChatTemplateError as error:
        return f"{refuses} ({error.__cause__})" if error.__cause__ else refuses
    return None
