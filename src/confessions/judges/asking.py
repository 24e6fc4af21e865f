"""Put a judge's question to a model of Inspect AI's, of any provider, and read its verdict."""

from __future__ import annotations

from typing import Final, TypeVar

from inspect_ai.model import ChatMessageUser, GenerateConfig, Model, ResponseSchema
from inspect_ai.util import JSONSchema, LimitExceededError

from confessions.judges.grading import Question, Verdict
from confessions.judges.verdicts import JudgeError

MAX_TOKENS: Final = 2048
"""The length limit of a verdict with its reasons."""

VerdictT = TypeVar("VerdictT")


class UnreachedError(JudgeError):
    """A judge that could not be asked, or said nothing: an endpoint's failure and not a bad reply."""


async def put(
    question: Question[VerdictT],
    text: str,
    model: Model,
    *,
    judge: str,
    has_schema: bool,
    config: GenerateConfig | None = None,
) -> Verdict[VerdictT]:
    """Ask a model one question, whose prompt is `text`; `judge` names it in errors.

    `has_schema` says that the provider holds a model to a response schema.
    Raises: UnreachedError if the call fails after the provider's own retries; JudgeError if the reply has no usable
        verdict.
    """
    settings = GenerateConfig(max_tokens=MAX_TOKENS).merge(config or GenerateConfig())
    if has_schema:
        schema = JSONSchema.model_validate(question.response_schema())
        settings.response_schema = ResponseSchema(name=question.name, json_schema=schema, strict=False)
    try:
        output = await model.generate([ChatMessageUser(content=text)], config=settings)
    except LimitExceededError:
        raise
    except Exception as error:  # whatever the provider raises
        raise UnreachedError(
            f'the {judge} could not be asked "{question.name}": {type(error).__name__}: {error}'
        ) from error
    if not output.choices:
        raise UnreachedError(f'the {judge} gave no reply to "{question.name}"')
    return question.parse(output.completion, is_cut_off=output.stop_reason in ("max_tokens", "model_length"))
