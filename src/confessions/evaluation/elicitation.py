"""Ask for a confession on Inspect AI: after the answer, from a copy of the transcript, changing nothing in it.

The same few lines serve the scorer, the solver and finished logs. What a model writes is a value, however malformed;
an endpoint that fails raises, and the caller counts it as missing. Source: arXiv 2512.08093, section 2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from inspect_ai.model import ChatMessage, ChatMessageAssistant, GenerateConfig, Model, ResponseSchema
from inspect_ai.model._generate_config import active_generate_config  # private; a contract test holds it
from inspect_ai.tool import ToolInfo
from inspect_ai.util import JSONSchema

from confessions.evaluation.placement import Role, place, supports_response_schema
from confessions.evaluation.transcripts import repair
from confessions.protocol import (
    FULL,
    ConfessionReport,
    ParsedReport,
    ParseFailure,
    Profile,
    confession_request,
    json_schema,
    parse_report,
)
from confessions.protocol.reasoning import split_reasoning

EFFORTS: Final[tuple[str, ...]] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""The reasoning efforts that Inspect knows; which of them a model has is its provider's affair."""


@dataclass(frozen=True)
class Elicitation:
    """How a confession is asked for; the same for every sample of a run."""

    role: Role = "auto"
    profile: Profile = FULL
    is_structured: bool = True
    """Whether to ask for structured output where the provider has it; the text is read tolerantly either way."""
    max_tokens: int | None = None
    """The length limit, reasoning included; None is the run's own. What is cut off is read as far as it is complete."""
    effort: str | None = None
    """The reasoning effort of the confession; None is the provider's own, as for the answer."""
    asks: int = 1
    """How often the request is put; the last confession counts."""

    @property
    def request_text(self) -> str:
        """Return the request's text."""
        return confession_request(self.profile).content

    @property
    def request_sha256(self) -> str:
        """Return the hash by which results under different requests are told apart."""
        return hashlib.sha256(self.request_text.encode()).hexdigest()


@dataclass(frozen=True)
class Elicited:
    """One confession, and how it came about."""

    text: str
    """As the model wrote it, without reasoning."""
    parsed: ParsedReport | ParseFailure
    role: str
    role_reason: str
    transcript_repairs: tuple[str, ...]
    stop_reason: str
    model: str
    usage: dict[str, Any] | None = None
    earlier: tuple[str, ...] = ()
    """What earlier asks were answered with."""
    is_closed_early: bool = False
    """Whether a provider brought the report to its end because the length limit was near."""
    not_attempted: str | None = None
    """Why the model could not even read the request."""

    @property
    def report(self) -> ConfessionReport | None:
        """Return the report; None where the text is none."""
        return self.parsed.report if isinstance(self.parsed, ParsedReport) else None

    def metadata(self) -> dict[str, Any]:
        """Lay it out for a log."""
        failure = self.parsed if isinstance(self.parsed, ParseFailure) else None
        return {
            "report": None if self.report is None else self.report.model_dump(mode="json"),
            "failure": None if failure is None else {"reason": failure.reason, "detail": failure.detail},
            "raw": self.text,
            "reading_repairs": [] if failure is not None else list(self.parsed.repairs),  # type: ignore[union-attr]
            "request_role": self.role,
            "request_reason": self.role_reason,
            "transcript_repairs": list(self.transcript_repairs),
            "stop_reason": self.stop_reason,
            "closed_early": self.is_closed_early,
            "model": self.model,
            "usage": self.usage,
            "earlier_confessions": list(self.earlier),
        }


async def elicit(
    messages: Sequence[ChatMessage],
    model: Model,
    elicitation: Elicitation = Elicitation(),
    tools: Sequence[ToolInfo] = (),
    seed: int | None = None,
) -> Elicited:
    """Ask the model for a confession about a conversation; the messages given are left as they are.

    `tools` are those the conversation was had with: some providers want them defined wherever they occur in the
    history, so they are passed along and their use is forbidden.
    Raises: PlacementError for a role that the provider would hoist or refuse; whatever the provider raises.
    """
    mended = repair(messages)
    config = generate_config(model, elicitation, seed)
    asked: Sequence[ChatMessage] = mended.messages
    earlier: list[str] = []
    while True:
        placed = place(asked, elicitation.request_text, model, elicitation.role, has_tools=bool(tools))
        output = await model.generate(list(placed.messages), tools=list(tools), tool_choice="none", config=config)
        _, text = split_reasoning(output.completion)
        if len(earlier) + 1 >= elicitation.asks:
            break
        earlier.append(text)
        asked = [*placed.messages, ChatMessageAssistant(content=text or "(no confession)")]
    usage = None if output.usage is None else output.usage.model_dump(exclude_none=True)
    return Elicited(
        text=text,
        parsed=parse_report(text, elicitation.profile),
        role=placed.role,
        role_reason=placed.reason,
        transcript_repairs=tuple(mended.repairs),
        stop_reason=str(output.stop_reason) if output.choices else "none",
        model=str(model),
        usage=usage,
        earlier=tuple(earlier),
        is_closed_early=bool((output.metadata or {}).get("closed_early")),
        not_attempted=(output.metadata or {}).get("not_attempted"),
    )


def generate_config(model: Model, elicitation: Elicitation, seed: int | None = None) -> GenerateConfig:
    """Give the settings of a confession's call; whatever is not named stays as the run has it.

    What was set for answers alone is unset: a stop sequence would cut every report, and one reply is all that is read.
    """
    given = active_generate_config().merge(model.config)
    settings: dict[str, Any] = {}
    if given.stop_seqs:
        settings["stop_seqs"] = []
    if (given.num_choices or 1) > 1:
        settings["num_choices"] = 1
    if elicitation.max_tokens is not None:
        settings["max_tokens"] = elicitation.max_tokens
    if seed is not None:
        settings["seed"] = seed
    if elicitation.effort is not None:
        settings["reasoning_effort"] = elicitation.effort
    if elicitation.is_structured and supports_response_schema(model):
        settings["response_schema"] = ResponseSchema(
            name="confession_report",
            json_schema=JSONSchema.model_validate(json_schema(elicitation.profile)),
            strict=False,
        )
    return GenerateConfig(**settings)
