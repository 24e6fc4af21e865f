import asyncio
import functools
import math

import pytest

from confessions.training.judging import (
    ConfessionJudgeError,
    callable_name,
    checked_verdicts,
    judge_confessions,
    on_rows_only,
)

CONFESSIONS = {"completions": ["a", "b", "c"], "answers": ["x", "y", "z"]}


def lengths(completions, **columns):
    return [len(text) for text in completions]


async def later(completions, answers, **columns):
    await asyncio.sleep(0)
    return [2.0 if answer == "y" else None for answer in answers]


class Strict:
    def __call__(self, **columns):
        return [0, True, float("nan")]


def test_judges_sync_and_async_are_asked_with_every_column():
    given = judge_confessions([lengths, later, Strict()], CONFESSIONS)
    assert given[0] == [1.0, 1.0, 1.0]
    assert math.isnan(given[1][0]) and given[1][1] == 2.0 and math.isnan(given[1][2])
    assert given[2][:2] == [0.0, 1.0] and math.isnan(given[2][2])


def test_a_judge_is_not_asked_about_nothing():
    def never(**columns):
        raise AssertionError

    assert judge_confessions([never], {"completions": []}) == [[]]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_judge_that_raises_is_named(is_async):
    def hasty(**columns):
        raise KeyError("scenario")

    async def hasty_later(**columns):
        raise KeyError("scenario")

    judge = hasty_later if is_async else hasty
    with pytest.raises(ConfessionJudgeError, match=f"\"{judge.__name__}\" raised KeyError: 'scenario'"):
        judge_confessions([judge], CONFESSIONS)


@pytest.mark.parametrize(
    ("verdicts", "message"),
    [
        ([1.0], "returned 1 verdicts for 3 confessions"),
        (0.5, "returned float; it should return a list"),
        ("yes", "returned str; it should return a list"),
        (None, "returned NoneType; it should return a list"),
        ([1, 2, float("inf")], "returned inf for confession 2"),
        ([1, "yes", 1], "returned 'yes' for confession 1"),
    ],
)
def test_verdicts_of_the_wrong_form_name_the_judge(verdicts, message):
    with pytest.raises(ConfessionJudgeError, match=f'the confession judge "spot" {message}'):
        checked_verdicts("spot", verdicts, 3)


def test_a_reward_function_sees_only_its_rows():
    seen = {}

    def reward(prompts, completions, number, log_extra, trainer_state, **columns):
        seen.update(prompts=prompts, completions=completions, number=number, state=trainer_state)
        log_extra("doubled", [2 * value for value in number])
        return [float(value) for value in number]

    logged = {}
    wrapped = on_rows_only(reward, lambda: [0, 2])
    rewards = wrapped(
        prompts=["p", "q", "r"],
        completions=["a", "b", "c"],
        number=[1, 2, 3],
        trainer_state="state",
        log_extra=lambda column, values: logged.update({column: values}),
    )
    assert seen == {"prompts": ["p", "r"], "completions": ["a", "c"], "number": [1, 3], "state": "state"}
    assert rewards == [1.0, 0.0, 3.0]
    assert logged == {"doubled": [2, None, 6]}
    assert wrapped.__name__ == "reward"


def test_a_reward_function_without_rows_is_not_called():
    def never(**columns):
        raise AssertionError

    assert on_rows_only(never, lambda: [])(prompts=["p", "q"]) == [0.0, 0.0]


def test_an_async_reward_function_stays_async():
    wrapped = on_rows_only(later, lambda: [1])
    assert asyncio.run(wrapped(prompts=["p", "q"], completions=["a", "b"], answers=["x", "y"])) == [0.0, 2.0]


def test_names_of_partials_and_objects_are_those_of_trl():
    assert [callable_name(one) for one in (lengths, functools.partial(lengths, a=1), Strict())] == [
        "lengths",
        "lengths",
        "Strict",
    ]
