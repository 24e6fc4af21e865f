"""Arms whose confession judge has a verdict on some confessions only, or a flaw: the method bent on purpose.

They wrap the judge that a recipe names; the trainer is the ordinary one. The truth decides what is left out, so these
arms are experiments and nothing to train with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confessions.experiments.recipe import Recipe, build_trainer
from confessions.judges import BaseRates
from confessions.judges.verdicts import scenarios_of, text_of
from confessions.models.resolve import LoadedModel
from confessions.training.runs import RunFolder

Reward = Callable[..., list[float | None]]


def with_confession_judge(wrap: Callable[[Reward, Any], Reward]) -> Callable[..., Any]:
    """Make a function that builds a recipe's trainer and wraps its confession judge; `wrap` gets the trainer, too."""

    def build(recipe: Recipe, loaded: LoadedModel, folder: RunFolder, rates: BaseRates) -> Any:
        trainer = build_trainer(recipe, loaded, folder, rates)
        trainer.confession_reward_funcs = [wrap(judge, trainer) for judge in trainer.confession_reward_funcs]
        return trainer

    return build


def only_about(complied: bool) -> Callable[..., Any]:
    """Judge confessions only about answers that complied, or only about those that did not; none about the others."""

    def wrap(judge: Reward, trainer: Any) -> Reward:
        def judge_some(answers: list[Any], completions: list[Any], **columns: Any) -> list[float | None]:
            rewards = judge(answers=answers, completions=completions, **columns)
            scenarios = scenarios_of(columns, len(completions))
            return [
                reward if scenario.complied(text_of(answer)) is complied else None
                for reward, scenario, answer in zip(rewards, scenarios, answers, strict=True)
            ]

        return judge_some

    return with_confession_judge(wrap)
