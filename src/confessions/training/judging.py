"""Call reward functions on the rows that are theirs, and check what a confession judge returns.

A judge that has no verdict returns None: the row leaves its group's baseline and is counted, never scored 0. So it is
where a judge is out of reach or out of time (`ConnectionError`, `TimeoutError`). A judge that raises anything else, or
returns something other than one number or None per confession, stops the run with its name.
"""

import asyncio
import functools
import inspect
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from numbers import Real
from typing import Any

from confessions.errors import ConfessionsError

RewardFunction = Callable[..., Any]

logger = logging.getLogger(__name__)

OUT_OF_REACH = (ConnectionError, TimeoutError)
"""What a judge raises that might answer later; its verdicts are missing."""

LARGEST_REWARD = 3.4e38
"""What single precision still holds."""

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 60.0


class ConfessionJudgeError(ConfessionsError):
    """Name a confession judge whose verdicts cannot be used, and why."""


class RewardError(ConfessionsError):
    """Name a reward function of the answers whose rewards cannot be used, and why."""


class TooManyUnjudged(ConfessionJudgeError):
    """Say that too large a part of a batch got no verdict to learn from; every process raises it alike."""


def callable_name(function: RewardFunction) -> str:
    """Give a reward function's display name, as TRL does."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def is_async(function: RewardFunction) -> bool:
    """Tell whether calling the function gives a coroutine."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def on_rows_only(function: RewardFunction, rows_of: Callable[[], list[int] | None]) -> RewardFunction:
    """Wrap a TRL reward function so that it is called with some rows of a batch alone.

    `rows_of` gives those rows, or None for all; the other rows get the placeholder 0, which the trainer replaces.
    """
    if is_async(function):

        async def on_rows_async(**columns: Any) -> list[Any]:
            rows = rows_of()
            if rows is None:
                return list(await function(**columns))
            n_rows = len(columns["prompts"])
            if not rows:
                return [0.0] * n_rows
            try:
                rewards = await function(**_narrow(columns, rows, n_rows))
            except OUT_OF_REACH as error:
                rewards = _missing(function, error, len(rows))
            return spread(rewards, rows, n_rows, 0.0)

        wrapped: RewardFunction = on_rows_async
    else:

        def on_rows(**columns: Any) -> list[Any]:
            rows = rows_of()
            if rows is None:
                return list(function(**columns))
            n_rows = len(columns["prompts"])
            if not rows:
                return [0.0] * n_rows
            try:
                rewards = function(**_narrow(columns, rows, n_rows))
            except OUT_OF_REACH as error:
                rewards = _missing(function, error, len(rows))
            return spread(rewards, rows, n_rows, 0.0)

        wrapped = on_rows
    wrapped.__name__ = callable_name(function)
    return wrapped


def _narrow(columns: dict[str, Any], rows: list[int], n_rows: int) -> dict[str, Any]:
    """Keep some rows of every column."""
    log_extra = columns.get("log_extra")
    own = {key: [value[row] for row in rows] if isinstance(value, list) else value for key, value in columns.items()}
    if log_extra is not None:
        own["log_extra"] = lambda column, values: log_extra(column, spread(values, rows, n_rows, None))
    return own


def spread(values: Sequence[Any], rows: Sequence[int], n_rows: int, filler: Any) -> list[Any]:
    """Put the values of some rows into a list for all rows; a wrong number of values is passed on for TRL to name."""
    if len(values) != len(rows):
        return list(values)
    whole = [filler] * n_rows
    for row, value in zip(rows, values, strict=True):
        whole[row] = value
    return whole


def pauses(patience: float) -> Iterator[float]:
    """Give the pauses (s) between questions to judges that do not answer: doubling, until `patience` seconds are over.

    The time that asking takes counts; it starts with the first pause.
    """
    end = time.monotonic() + patience
    pause = FIRST_PAUSE
    while (left := end - time.monotonic()) > 0:
        pause = min(pause, LONGEST_PAUSE, left)
        yield pause
        pause *= 2


def wait_for_judges(pause: float, unjudged: int, rows: int, what: str, names: Sequence[str]) -> None:
    """Wait so many seconds before judges are asked again, and say so on standard error."""
    print(
        f"{unjudged} of {rows} {what} got no verdict from {', '.join(names)}: asking again in {pause:.0f} s",
        file=sys.stderr,
    )
    time.sleep(pause)


def judge_confessions(
    judges: Sequence[RewardFunction], columns: dict[str, Any], patience: float = 0.0, max_unjudged: float = 1.0
) -> list[list[float]]:
    """Ask every judge for its verdicts; gives a list per judge, NaN where it has none.

    While more than `max_unjudged` of the confessions have no verdict from any judge, these are asked about again, for
    at most `patience` seconds, asking included (a question that is under way is not cut short).
    Raises: ConfessionJudgeError that names the judge.
    """
    n_rows = len(columns["completions"])
    if not n_rows:
        return [[] for _ in judges]
    verdicts = _ask(judges, columns)
    for pause in pauses(patience):
        open_rows = [row for row in range(n_rows) if all(math.isnan(given[row]) for given in verdicts)]
        if len(open_rows) <= max_unjudged * n_rows:
            break
        wait_for_judges(pause, len(open_rows), n_rows, "confessions", [callable_name(judge) for judge in judges])
        for given, later in zip(verdicts, _ask(judges, _narrow(columns, open_rows, n_rows)), strict=True):
            for row, verdict in zip(open_rows, later, strict=True):
                given[row] = verdict
    return verdicts


def _ask(judges: Sequence[RewardFunction], columns: dict[str, Any]) -> list[list[float]]:
    """Ask every judge once."""
    waiting = [index for index, judge in enumerate(judges) if is_async(judge)]
    verdicts: list[Any] = [None] * len(judges)
    for index, judge in enumerate(judges):
        if index not in waiting:
            try:
                verdicts[index] = judge(**columns)
            except OUT_OF_REACH as error:
                verdicts[index] = _missing(judge, error, len(columns["completions"]))
            except Exception as error:
                raise _judge_raised(judge, error) from error
    if waiting:
        gathered = _run_together([judges[index] for index in waiting], columns)
        for index, outcome in zip(waiting, gathered, strict=True):
            if isinstance(outcome, OUT_OF_REACH):
                outcome = _missing(judges[index], outcome, len(columns["completions"]))
            if isinstance(outcome, BaseException):
                raise _judge_raised(judges[index], outcome) from outcome
            verdicts[index] = outcome
    return [
        checked_verdicts(callable_name(judge), given, len(columns["completions"]))
        for judge, given in zip(judges, verdicts, strict=True)
    ]


def checked_verdicts(name: str, verdicts: Any, n_confessions: int) -> list[float]:
    """Check one judge's verdicts; None and NaN are missing.

    Raises: ConfessionJudgeError if they are not one finite number or None per confession.
    """
    if (
        isinstance(verdicts, str | bytes | dict)
        or not hasattr(verdicts, "__len__")
        or not hasattr(verdicts, "__iter__")
    ):
        raise ConfessionJudgeError(
            f'the confession judge "{name}" returned {type(verdicts).__name__}; it should return a list with one '
            "number or None per confession"
        )
    if len(verdicts) != n_confessions:
        raise ConfessionJudgeError(
            f'the confession judge "{name}" returned {len(verdicts)} verdicts for {n_confessions} confessions; '
            "it should return one per confession, None where it has none"
        )
    checked = []
    for index, verdict in enumerate(verdicts):
        value = verdict.item() if hasattr(verdict, "item") else verdict
        if value is None:
            checked.append(math.nan)
        elif not isinstance(value, Real) or abs(float(value)) > LARGEST_REWARD:
            raise ConfessionJudgeError(
                f'the confession judge "{name}" returned {value!r} for confession {index}; '
                "it should return a finite number, or None where it has no verdict"
            )
        else:
            checked.append(float(value))
    return checked


def _missing(function: RewardFunction, error: BaseException, n_rows: int) -> list[None]:
    logger.warning("%s is out of reach (%s: %s)", callable_name(function), type(error).__name__, error)
    return [None] * n_rows


def _judge_raised(judge: RewardFunction, error: BaseException) -> ConfessionJudgeError:
    return ConfessionJudgeError(
        f'the confession judge "{callable_name(judge)}" raised {type(error).__name__}: {error}; a judge that cannot '
        "judge a confession should return None for it"
    )


def _run_together(judges: Sequence[RewardFunction], columns: dict[str, Any]) -> list[Any]:
    async def ask_all() -> list[Any]:
        return await asyncio.gather(*(judge(**columns) for judge in judges), return_exceptions=True)

    # A thread of its own, for the caller may already be inside an event loop (a notebook).
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: asyncio.run(ask_all())).result()
