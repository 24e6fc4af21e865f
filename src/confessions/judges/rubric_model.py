"""The rubric judge of confessions: a model of Inspect AI's, of any provider, as a reward function for training.

`rubric("openai/gpt-5")` gives an asynchronous `f(prompts, answers, completions, **columns) -> list[float | None]` for
`confession_reward_funcs`. It needs no labels. What it pays is `rubric.reward_of`; a verdict that cannot be had is None.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import anyio
from inspect_ai.model import GenerateConfig, Model, get_model

from confessions.judges.asking import MAX_TOKENS, UnreachedError, put
from confessions.judges.confessions import UNREADABLE
from confessions.judges.grading import Question
from confessions.judges.rubric import DIMENSIONS, Ratings, judged_messages, question_of, reward_of
from confessions.judges.verdicts import JudgeError
from confessions.protocol import BRIEF, ConfessionReport, Message, ParsedReport, Profile, Transcript, parse_report

logger = logging.getLogger(__name__)

RubricReward = Callable[..., Coroutine[Any, Any, list[float | None]]]

CALIBRATION_COLUMN: Final = "calibration_confession"
"""The column of a dataset that holds confessions by a model that was not trained to confess, about fixed answers."""
MAX_RETRIES: Final = 2
"""How often Inspect puts a call again that failed for a transient reason."""


class CalibrationSpeaker(Protocol):
    """A model that was not trained to confess, such as `models.speaker.LocalSpeaker`."""

    profile: Profile

    def confess(self, transcripts: Sequence[Transcript]) -> list[str]:
        """Confess about the final answer of each transcript."""
        ...


@dataclass
class _Asking:
    """A batch's questions on their way to one model, and what came of them."""

    model: Model
    has_schema: bool
    at_once: int
    timeout_seconds: float
    max_tokens: int
    found: dict[str, Ratings] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    unreached_in_a_row: int = 0

    async def put_all(self, questions: Mapping[str, Question[Ratings]]) -> None:
        """Ask every question, so many at once."""
        limiter = anyio.CapacityLimiter(self.at_once)
        async with anyio.create_task_group() as group:
            for text, question in questions.items():
                group.start_soon(self._put, text, question, limiter)

    async def _put(self, text: str, question: Question[Ratings], limiter: anyio.CapacityLimiter) -> None:
        config = GenerateConfig(max_connections=self.at_once, max_retries=MAX_RETRIES, max_tokens=self.max_tokens)
        async with limiter:
            # Where nobody answers, waiting for every question's own time-out would stop a training run for hours.
            if self.unreached_in_a_row >= self.at_once:
                self.failures.append("the questions before it were not answered, so it was not asked")
                return
            try:
                with anyio.fail_after(self.timeout_seconds):
                    verdict = await put(
                        question, text, self.model, judge="rubric judge", has_schema=self.has_schema, config=config
                    )
            except TimeoutError:
                self._failed(f"no verdict within {self.timeout_seconds:g} seconds", is_unreached=True)
            except JudgeError as error:
                self._failed(str(error), is_unreached=isinstance(error, UnreachedError))
            else:
                self.unreached_in_a_row = 0
                self.found[text] = verdict.verdict

    def _failed(self, reason: str, *, is_unreached: bool) -> None:
        self.failures.append(reason)
        self.unreached_in_a_row = self.unreached_in_a_row + 1 if is_unreached else 0


def rubric(
    model: str | Model,
    profile: Profile = BRIEF,
    *,
    calibration: CalibrationSpeaker | None = None,
    max_connections: int = 8,
    timeout_seconds: float = 120.0,
    max_tokens: int = MAX_TOKENS,
    has_schema: Callable[[Model], bool] = lambda model: False,
) -> RubricReward:
    """Make the judge that has a model rate confessions.

    Args:
        model: A name as Inspect AI takes it, such as `openai/gpt-5`. It is opened anew for every batch, since clients
            do not outlive the event loop that they were used in. A model that is given is used as it is.
        profile: The form in which confessions are written.
        calibration: Who confesses each answer a second time, for the judge to compare; None takes the dataset's column
            `calibration_confession` where there is one.
        max_connections: How many questions are put at once.
        timeout_seconds: The time for each question, retries included.
        max_tokens: The length limit of a reply, the judge's own reasoning included.
        has_schema: Tells whether a model's provider holds replies to a JSON Schema, as
            `evaluation.placement.supports_response_schema` does; else the reply is read as it comes.

    Raises: JudgeError for a name that Inspect does not know or has no key for.
    """
    # Opened once here, so that a wrong name stops a run before it begins, and held, so that local weights load once.
    try:
        held = get_model(model, memoize=False) if isinstance(model, str) else model
    except Exception as error:  # whatever the provider's own constructor raises
        raise JudgeError(f"the rubric judge {model} cannot be opened: {type(error).__name__}: {error}") from error

    async def rubric_honesty(
        prompts: list[Any], answers: list[Any], completions: list[Any], **columns: Any
    ) -> list[float | None]:
        # The trainer has removed the blocks that its template opened, from all but the turns of the prompts.
        cases = [
            (
                judged_messages(prompt, "user", f"prompts[{row}]"),
                judged_messages(answer, "assistant", f"answers[{row}]", is_raw=False),
            )
            for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
        ]
        reports = [
            _report(_last_text(judged_messages(completion, "assistant", f"completions[{row}]", is_raw=False)), profile)
            for row, completion in enumerate(completions)
        ]
        compared = _calibrations(cases, profile, calibration, columns.get(CALIBRATION_COLUMN))
        asked: list[str | None] = []
        questions: dict[str, Question[Ratings]] = {}
        for (prompt, conduct), report, other in zip(cases, reports, compared, strict=True):
            if report is None:
                asked.append(None)
                continue
            question, texts = question_of(prompt, conduct, report, other)
            # Confessions that are alike are rated once, so that they earn alike.
            text = question.prompt(texts).text
            asked.append(text)
            questions[text] = question
        async with _opened(model) as opened:
            asking = _Asking(opened, has_schema(held), max_connections, timeout_seconds, max_tokens)
            await asking.put_all(questions)
        _tell(asking, len(questions), str(held), columns.get("log_metric"))
        return [
            UNREADABLE if text is None else reward_of(asking.found[text]) if text in asking.found else None
            for text in asked
        ]

    return rubric_honesty


@asynccontextmanager
async def _opened(model: str | Model) -> AsyncIterator[Model]:
    if isinstance(model, Model):
        yield model
    else:
        async with get_model(model, memoize=False) as own:
            yield own


def _last_text(messages: Sequence[Message]) -> str:
    return messages[-1].content if messages else ""


def _report(text: str, profile: Profile) -> ConfessionReport | None:
    parsed = parse_report(text, profile)
    return parsed.report if isinstance(parsed, ParsedReport) else None


def _calibrations(
    cases: Sequence[tuple[tuple[Message, ...], tuple[Message, ...]]],
    profile: Profile,
    speaker: CalibrationSpeaker | None,
    column: Sequence[str | None] | None,
) -> list[ConfessionReport | None]:
    """Give each case's second confession; None where there is none that can be read."""
    if speaker is None:
        texts = column or [None] * len(cases)
        return [None if text is None else _report(text, profile) for text in texts]
    # An empty answer is no transcript, and there is nothing to confess in it that a second reader would add.
    told = {case: Transcript((*case[0], *case[1])) for case in dict.fromkeys(cases) if _speaks(case[1])}
    confessed = dict(zip(told, speaker.confess(list(told.values())), strict=True))
    return [_report(confessed[case], speaker.profile) if case in confessed else None for case in cases]


def _speaks(conduct: Sequence[Message]) -> bool:
    return bool(conduct and (conduct[-1].content or conduct[-1].tool_calls))


def _tell(asking: _Asking, n_questions: int, judge: str, log_metric: Callable[[str, float], None] | None) -> None:
    """Log the mean ratings, and once for the batch why verdicts are missing."""
    if asking.failures:
        reason, count = Counter(asking.failures).most_common(1)[0]
        logger.warning(
            "the rubric judge %s gave no verdict on %d of %d questions; %d of these because: %s",
            judge, len(asking.failures), n_questions, count, reason,
        )  # fmt: skip
    if log_metric is not None and asking.found:
        for name in DIMENSIONS:
            values = [ratings.numbers[name] for ratings in asking.found.values()]
            log_metric(f"confessions/rubric_{name}", sum(values) / len(values))
