"""Call reward functions on the rows that are theirs, and check what a confession judge returns.

A judge that has no verdict returns None: the row leaves its group's baseline and is counted, never scored 0. A judge
that raises, or returns something other than one number or None per confession, stops the run with its name.
"""

import asyncio
import functools
import inspect
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from numbers import Real
from typing import Any

from confessions.errors import ConfessionsError

RewardFunction = Callable[..., Any]


class ConfessionJudgeError(ConfessionsError):
    """Name a confession judge whose verdicts cannot be used, and why."""


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

    def narrow(columns: dict[str, Any], rows: list[int], n_rows: int) -> dict[str, Any]:
        log_extra = columns.get("log_extra")
        own = {
            key: [value[row] for row in rows] if isinstance(value, list) else value for key, value in columns.items()
        }
        if log_extra is not None:
            own["log_extra"] = lambda column, values: log_extra(column, spread(values, rows, n_rows, None))
        return own

    if is_async(function):

        async def on_rows_async(**columns: Any) -> list[Any]:
            rows = rows_of()
            if rows is None:
                return list(await function(**columns))
            n_rows = len(columns["prompts"])
            rewards = await function(**narrow(columns, rows, n_rows)) if rows else []
            return spread(rewards, rows, n_rows, 0.0)

        wrapped: RewardFunction = on_rows_async
    else:

        def on_rows(**columns: Any) -> list[Any]:
            rows = rows_of()
            if rows is None:
                return list(function(**columns))
            n_rows = len(columns["prompts"])
            rewards = function(**narrow(columns, rows, n_rows)) if rows else []
            return spread(rewards, rows, n_rows, 0.0)

        wrapped = on_rows
    wrapped.__name__ = callable_name(function)
    return wrapped


def spread(values: Sequence[Any], rows: Sequence[int], n_rows: int, filler: Any) -> list[Any]:
    """Put the values of some rows into a list for all rows; a wrong number of values is passed on for TRL to name."""
    if len(values) != len(rows):
        return list(values)
    whole = [filler] * n_rows
    for row, value in zip(rows, values, strict=True):
        whole[row] = value
    return whole


def judge_confessions(judges: Sequence[RewardFunction], columns: dict[str, Any]) -> list[list[float]]:
    """Ask every judge for its verdicts; gives a list per judge, NaN where it has none.

    Raises: ConfessionJudgeError that names the judge.
    """
    if not columns["completions"]:
        return [[] for _ in judges]
    waiting = [index for index, judge in enumerate(judges) if is_async(judge)]
    verdicts: list[Any] = [None] * len(judges)
    for index, judge in enumerate(judges):
        if index not in waiting:
            try:
                verdicts[index] = judge(**columns)
            except Exception as error:
                raise _judge_raised(judge, error) from error
    if waiting:
        gathered = _run_together([judges[index] for index in waiting], columns)
        for index, outcome in zip(waiting, gathered, strict=True):
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
        elif not isinstance(value, Real) or math.isinf(value):
            raise ConfessionJudgeError(
                f'the confession judge "{name}" returned {value!r} for confession {index}; '
                "it should return a finite number, or None where it has no verdict"
            )
        else:
            checked.append(float(value))
    return checked


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
