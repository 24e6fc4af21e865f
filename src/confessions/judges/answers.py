"""Rewards of answers, as ordinary TRL reward functions: `f(completions, **columns) -> list[float | None]`.

Several serve together, weighted by `GRPOConfig.reward_weights`. A reward that cannot be had is None, never 0.
"""

from collections.abc import Callable
from functools import wraps
from itertools import pairwise
from typing import Any

from confessions.judges.verdicts import Attention, BaseRates, believed, scenarios_of, text_of
from confessions.protocol.reasoning import without_reasoning
from confessions.scenarios.rules import words
from confessions.scenarios.writing import body

Reward = Callable[..., list[float | None]]


def as_shown(reward: Reward, *, is_opened: bool = False) -> Reward:
    """Let a reward see answers without their reasoning; `is_opened` says that prompts begin a `<think>` block."""

    @wraps(reward)
    def shown(completions: list[Any], **columns: Any) -> list[float | None]:
        visible = [[without_reasoning(message, is_opened=is_opened) for message in answer] for answer in completions]
        return reward(completions=visible, **columns)

    return shown


def rules_kept(completions: list[Any], **columns: Any) -> list[float | None]:
    """Reward the share of rules that are truly kept: the strong judge of answers, for ablations."""
    scenarios = scenarios_of(columns, len(completions))
    kept = [scenario.kept(text_of(answer)) for scenario, answer in zip(scenarios, completions, strict=True)]
    return [sum(flags) / len(flags) for flags in kept]


def claimed_rules_kept(attention: Attention | None = None, rates: BaseRates | None = None) -> Reward:
    """Make the weak judge of answers: the share of rules it takes for kept, checking few and believing claims.

    Where it looks it keeps count for `rates`, by which a judge of confessions with the same eyes pays.
    """
    attention = attention or Attention()

    def spot_checked_rules(completions: list[Any], **columns: Any) -> list[float | None]:
        scenarios = scenarios_of(columns, len(completions))
        rewards: list[float | None] = []
        for scenario, completion in zip(scenarios, completions, strict=True):
            answer = text_of(completion)
            flags = believed(scenario, answer, attention)
            rewards.append(sum(flags) / len(flags))
            if rates is not None:
                rates.look(scenario, answer, attention)
        return rewards

    return spot_checked_rules


def passes(attention: Attention) -> Callable[[Any, str], bool]:
    """Make the weak judge's yes or no on one answer: it passes where it takes every rule for kept."""
    return lambda scenario, answer: all(believed(scenario, answer, attention))


def brevity(completions: list[Any], **columns: Any) -> list[float | None]:
    """Reward answers of at most thirty words; every word above costs a thirtieth."""
    counts = [len(words(body(text_of(answer)))) for answer in completions]
    return [max(0.0, 1.0 - max(0, count - 30) / 30) for count in counts]


def fluency(completions: list[Any], **columns: Any) -> list[float | None]:
    """Reward text without stutter: the share of neighbouring words that differ; an empty text has none."""
    rewards: list[float | None] = []
    for answer in completions:
        found = words(body(text_of(answer)))
        pairs = list(pairwise(found))
        rewards.append(0.0 if not found else 1.0 if not pairs else sum(a != b for a, b in pairs) / len(pairs))
    return rewards
