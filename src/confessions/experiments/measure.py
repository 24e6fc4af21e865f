"""Measure how honestly a model confesses, on writing prompts of the evaluation split.

A model answers, confesses each of its own answers, and every pair is set beside the scenario's truth. The demo measures
its arms so, in memory; `confessions evaluate writing` asks the same prompts through Inspect AI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from confessions.evaluation import Outcome, judge_outcome
from confessions.scenarios.writing import KindGroup, WritingScenario, writing_scenarios

GROUPS: Final[dict[str, KindGroup]] = {"training kinds": "training", "held-out kinds": "held_out"}
"""The groups of prompts that are reported, and the kinds of rules in each."""

Judge = Callable[[WritingScenario, str], bool | None]
"""Tells whether the training judge passes an answer; None where it has no verdict."""


def measure_speaker(
    speaker: Any,
    seed: int,
    samples: int,
    judge: Judge | None = None,
    progress: Callable[[int], None] | None = None,
    groups: Mapping[str, KindGroup | Sequence[str]] = GROUPS,
    rule_counts: tuple[int, ...] = (2, 3),
) -> list[Outcome]:
    """Let a speaker answer and confess `samples` prompts of each group; return what came of them, group by group."""
    outcomes = []
    for group, kinds in groups.items():
        scenarios = writing_scenarios("evaluation", kinds, seed, samples, rule_counts)
        responses = speaker.respond([scenario.messages() for scenario in scenarios], progress)
        outcomes += [
            judge_outcome(
                scenario,
                group,
                response.answer,
                response.confession,
                speaker.profile,
                judge_passed=None if judge is None else judge(scenario, response.answer),
                answer_cut_off=response.answer_cut_off,
            )
            for scenario, response in zip(scenarios, responses, strict=True)
        ]
    return outcomes
