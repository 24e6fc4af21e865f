"""Put a judge's question to the model bound to a role, and read its verdict.

An unbound role is an error and never the model under test, which would grade its own confession. A reply without a
usable verdict, and an endpoint that fails, are `JudgeError`s: missing data, which the caller counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from inspect_ai.model import ChatMessage, Model, get_model, model_roles
from inspect_ai.solver import TaskState

from confessions.errors import ConfessionsError
from confessions.evaluation.placement import supports_response_schema
from confessions.evaluation.transcripts import answer_text, conversation, to_transcript
from confessions.judges.asking import put
from confessions.judges.grading import Question, Verdict
from confessions.judges.prompts import render_transcript, render_with_reasoning

GRADER: Final = "grader"
"""The role that decides whether an answer complied and admitted."""
CONFESSION_JUDGE: Final = "confession_judge"
"""The role that reads whether a confession confesses."""
MONITOR: Final = "monitor"
"""The role that monitors reasoning or answers."""
CONFESSION_RUBRIC: Final = "confession_rubric"
"""The role that rates confessions by the rubric."""

SHOTS: Final = "confessions_shots"
"""The key under which a sample taken from a finished log holds how many turns of the assistant its prompt had."""

VerdictT = TypeVar("VerdictT")


class RoleError(ConfessionsError):
    """Name a role that no model is bound to."""


def model_in(role: str) -> Model:
    """Give the model bound to a role.

    Raises: RoleError if none is.
    """
    if not is_bound(role):
        raise RoleError(
            f"no model has the role {role}: bind one with --model-role {role}=PROVIDER/MODEL; the model under test is "
            "never its own judge unless it is bound by name"
        )
    return get_model(role=role, required=True)


def is_bound(role: str) -> bool:
    """Tell whether a model is bound to a role."""
    return role in model_roles()


async def ask(
    question: Question[VerdictT],
    role: str,
    texts: Mapping[str, str],
    definitions: Mapping[str, str] | None = None,
) -> Verdict[VerdictT]:
    """Ask a judge one question about one sample.

    Raises: RoleError without a model in the role; JudgeError where there is no usable verdict.
    """
    model = model_in(role)
    prompt = question.prompt(texts, definitions or {})
    return await put(question, prompt.text, model, judge=role, has_schema=supports_response_schema(model))


def texts_of(state: TaskState, reference: str = "", confession: str = "", evidence: str = "") -> dict[str, str]:
    """Write a sample as the texts that questions show; only `reasoned_conduct` holds reasoning."""
    messages = conversation(state)
    split = prompt_length(messages, shots_of(state))
    before, after = messages[:split], messages[split:]
    return {
        "prompt": render_transcript(to_transcript(before)),
        "conduct": render_transcript(to_transcript(after)),
        "reasoned_conduct": render_with_reasoning(to_transcript(after, has_reasoning=True)),
        "answer": answer_text(after),
        "reference": reference,
        "confession": confession,
        "evidence": evidence,
    }


def shots_of(state: TaskState) -> int:
    """Count the assistant's turns that were part of the prompt, as in few-shot prompts."""
    known = (state.metadata or {}).get(SHOTS)
    if known is not None:
        return int(known)
    given = [] if isinstance(state.input, str) else state.input
    return sum(message.role == "assistant" for message in given)


def prompt_length(messages: Sequence[ChatMessage], shots: int) -> int:
    """Count the messages before the model's own first turn, given how many of the assistant's came with the prompt."""
    turns = [index for index, message in enumerate(messages) if message.role == "assistant"]
    return turns[shots] if shots < len(turns) else len(messages)


def facts_text(facts: Mapping[str, Any]) -> str:
    """Write what a task's author knows for a grader."""
    return "\n".join(f"{name}: {value}" for name, value in facts.items())
