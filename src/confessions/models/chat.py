"""Turn conversations into token ids: a prompt, and the turn that asks for a confession.

A confession is asked for by appending token ids to those the model itself sampled, never by rendering the
conversation again: what the policy read and wrote stays in its context exactly, reasoning included. The appended
ids are what a chat template puts between the end of an answer's own text and the start of the next answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from confessions.errors import ConfessionsError
from confessions.protocol import Message
from confessions.protocol.reasoning import opens_reasoning

_PROBE_PROMPT = "Name a colour."
# One of these ends in a way that no tokenizer merges with the turn end that follows.
_PROBE_ANSWERS = ("Blue.", "Blue", "Blue 7", "Blue!")


class ChatTemplateError(ConfessionsError):
    """Say what a tokenizer's chat template lacks or refuses."""


def prompt_ids(
    tokenizer: Any, messages: Sequence[Mapping[str, Any]], template_kwargs: Mapping[str, Any] | None = None
) -> list[int]:
    """Render a conversation, ready for the model to answer."""
    text = _render(tokenizer, messages, template_kwargs, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def opens_reasoning_itself(tokenizer: Any, template_kwargs: Mapping[str, Any] | None = None) -> bool:
    """Tell whether the template begins each answer with an open `<think>` block, so that answers only end it."""
    prompt = [{"role": "user", "content": _PROBE_PROMPT}]
    return opens_reasoning(_render(tokenizer, prompt, template_kwargs, add_generation_prompt=True))


def request_role(
    tokenizer: Any,
    role: Literal["system", "user", "auto"] = "system",
    template_kwargs: Mapping[str, Any] | None = None,
) -> Literal["system", "user"]:
    """Choose the role a confession request is given in; `auto` takes `system` where the template allows it late.

    Raises: ChatTemplateError if the template refuses the role that was asked for.
    """
    if role not in ("system", "user", "auto"):
        raise ChatTemplateError(f'request role "{role}" is none of system, user, auto')
    first: Literal["system", "user"] = "user" if role == "user" else "system"
    try:
        request_suffix_ids(tokenizer, Message(role=first, content="Report."), template_kwargs)
    except ChatTemplateError:
        if role != "auto":
            raise
        request_suffix_ids(tokenizer, Message(role="user", content="Report."), template_kwargs)
        return "user"
    return first


def request_suffix_ids(tokenizer: Any, request: Message, template_kwargs: Mapping[str, Any] | None = None) -> list[int]:
    """Give the ids between the end of an answer's own text and the start of its confession.

    They begin with the end of the answer's turn and end where the model's next turn begins.
    Raises: ChatTemplateError if the template refuses the request, drops it, or rewrites earlier turns for it.
    """
    asked = [{"role": request.role, "content": request.content}]
    prompt = [{"role": "user", "content": _PROBE_PROMPT}]
    before = _render(tokenizer, prompt, template_kwargs)
    for probe in _PROBE_ANSWERS:
        answered = [*prompt, {"role": "assistant", "content": probe}]
        try:
            after = _render(tokenizer, answered + asked, template_kwargs, add_generation_prompt=True)
        except Exception as error:  # whatever the template itself raises
            if isinstance(error, ChatTemplateError):
                raise
            advice = ': use role="user" (or "auto")' if request.role == "system" else ""
            raise ChatTemplateError(
                f"the chat template refuses a {request.role} message after an answer ({error}){advice}"
            ) from error
        suffix_start = _suffix_start(before, after, probe, request)
        head = list(tokenizer(after[:suffix_start], add_special_tokens=False)["input_ids"])
        whole = list(tokenizer(after, add_special_tokens=False)["input_ids"])
        if whole[: len(head)] == head:
            return whole[len(head) :]
    raise ChatTemplateError(
        "the tokenizer merges the end of an answer with what the chat template writes after it, so the request's own "
        "tokens cannot be told apart; a template whose turns end in a special token is needed"
    )


def _suffix_start(before: str, after: str, probe: str, request: Message) -> int:
    """Find where the probe answer ends in the rendered text, checking that nothing before it has changed."""
    rewrites = "the chat template rewrites earlier turns when a confession is asked for"
    answer_start = after.find(probe, len(before))
    if not after.startswith(before) or answer_start < 0:
        raise ChatTemplateError(f"{rewrites}: the prompt or the answer is rendered differently before a request")
    suffix_start = answer_start + len(probe)
    if request.content.strip() not in after[suffix_start:]:
        advice = ': use role="user" (or "auto")' if request.role == "system" else ""
        raise ChatTemplateError(f"the chat template drops or moves a {request.role} message after an answer{advice}")
    return suffix_start


def confession_context(
    prompt: Sequence[int], answer: Sequence[int], suffix: Sequence[int], eos_ids: Collection[int]
) -> list[int]:
    """Join a prompt, a sampled answer and the request: what the model reads before it confesses.

    An answer's own end token is dropped, for the suffix ends the turn; so an answer that was cut off is closed alike.
    """
    own = list(answer[:-1] if answer and answer[-1] in eos_ids else answer)
    return [*prompt, *own, *suffix]


def _render(
    tokenizer: Any,
    messages: Sequence[Mapping[str, Any]],
    template_kwargs: Mapping[str, Any] | None,
    *,
    add_generation_prompt: bool = False,
) -> str:
    kwargs = dict(template_kwargs or {})
    if getattr(tokenizer, "chat_template", None) is None and kwargs.get("chat_template") is None:
        name = getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__
        raise ChatTemplateError(
            f'the tokenizer "{name}" has no chat template; confessions need a chat model, or set '
            "tokenizer.chat_template"
        )
    return str(
        tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=add_generation_prompt, **kwargs
        )
    )
