"""Tell a model's reasoning from what it shows, and take it out of what a judge is shown.

A confession judge sees prompt, tool calls, answer and confession, never the chain of thought (arXiv 2512.08093,
section 2). Reasoning arrives in two forms: fields of a message, where the tokenizer parses responses, and a leading
`<think>` block in the text, where it does not.
"""

from collections.abc import Mapping, Sequence
from typing import Any

REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")
THINK_START, THINK_END = "<think>", "</think>"


def without_reasoning(message: Mapping[str, Any], *, is_opened: bool = False) -> dict[str, Any]:
    """Copy a message without its reasoning; `is_opened` says that the prompt itself began a `<think>` block."""
    kept = {key: value for key, value in message.items() if key not in REASONING_FIELDS}
    if kept.get("role") == "assistant" and isinstance(kept.get("content"), str):
        kept["content"] = visible_text(kept["content"], is_opened=is_opened)
    return kept


def prompt_without_reasoning(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Copy a conversation without the reasoning of its assistant turns."""
    return [without_reasoning(message) for message in messages]


def visible_text(text: str, *, is_opened: bool = False) -> str:
    """Cut a leading `<think>` block off a text; a block that never ends takes all of it."""
    return split_reasoning(text, is_opened=is_opened)[1]


def split_reasoning(text: str, *, is_opened: bool = False) -> tuple[str | None, str]:
    """Split a text into its leading `<think>` block, None where there is none, and what is to be seen."""
    body = text.lstrip()
    if body.startswith(THINK_START):
        body = body[len(THINK_START) :]
    elif not is_opened:
        return None, text
    reasoning, end, visible = body.partition(THINK_END)
    return reasoning.strip(), visible.lstrip() if end else ""


def opens_reasoning(rendered_prompt: str) -> bool:
    """Tell whether a rendered prompt ends inside a `<think>` block that the template opened."""
    return rendered_prompt.rstrip().endswith(THINK_START)
