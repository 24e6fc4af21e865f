"""Measure a pretrained model's finished demonstration further than its own tables do, and publish its adapters.

`python -m confessions.experiments.pretrained runs/demo-smollm2-135m-0` goes on from what the folder holds. Beside the
answers of its own, each arm confesses about *frozen* answers, those of the model before training, and does so again
under system prompts that ask for denial. Adapters stand on the published warm start, and that on the model's name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from confessions.errors import ConfessionsError
from confessions.evaluation import ConfusionTable, Outcome, judge_outcome, read_outcomes, write_outcomes
from confessions.experiments.demo import ARMS, read_lines
from confessions.experiments.measure import GROUPS
from confessions.experiments.recipe import GRPO_DEFAULTS, Recipe
from confessions.experiments.studies.policies import transcript
from confessions.experiments.studies.study import Measurement, Measurements, rates_of
from confessions.models.adapters import publish_adapter
from confessions.models.resolve import hide_loading_bars, load, resolve
from confessions.models.speaker import LocalSpeaker
from confessions.models.warm_start import ADAPTER_FOLDER
from confessions.protocol import PROFILES
from confessions.scenarios.pressure import TEXTS, Pressure
from confessions.scenarios.writing import writing_scenarios
from confessions.training.runs import read_json

RESULTS: Final = Path("results")
FROZEN: Final = "frozen"
PRESSED: Final[tuple[Pressure, ...]] = ("hard", "deny")
TRAINED: Final = ARMS[1:]
WARM_START: Final = "warm-start"


def measure_further(folder: Path, arms: Sequence[str] = ARMS, variants: Sequence[Pressure] = PRESSED) -> None:
    """Let each arm confess about the frozen answers, plainly and under pressure; what `folder` has is not asked again.

    Raises: ConfessionsError if the demonstration is not finished as far as these arms.
    """
    recipe = recipe_of(folder)
    first = next(iter(GROUPS))
    frozen = [each for each in read_outcomes(folder / "before.jsonl") if each.group == first]
    kinds = recipe.kinds or GROUPS[first]
    scenarios = writing_scenarios("evaluation", kinds, recipe.seed, len(frozen), recipe.rule_counts)
    for arm in arms:
        wanted = [variant for variant in ("none", *variants) if not outcomes_path(folder, arm, variant).exists()]
        speaker = speaker_of(folder, arm, recipe) if wanted else None
        for variant in wanted:
            assert speaker is not None
            path = outcomes_path(folder, arm, variant)
            path.parent.mkdir(exist_ok=True)
            transcripts = [
                transcript(scenario, each.answer, TEXTS[variant])
                for scenario, each in zip(scenarios, frozen, strict=True)
            ]
            confessions = speaker.confess(transcripts)
            write_outcomes(
                path,
                (
                    judge_outcome(scenario, FROZEN, each.answer, confession, speaker.profile, each.judge_passed)
                    for scenario, each, confession in zip(scenarios, frozen, confessions, strict=True)
                ),
            )


def recipe_of(folder: Path) -> Recipe:
    """Read the recipe of a demonstration."""
    return Recipe.model_validate(read_json(folder / "demo.json")["recipe"])


def outcomes_path(folder: Path, arm: str, variant: str) -> Path:
    """Name the file of an arm's outcomes on the frozen answers."""
    return folder / "further" / f"{arm}-{variant}.jsonl"


def speaker_of(folder: Path, arm: str, recipe: Recipe) -> LocalSpeaker:
    """Let an arm's model speak with the recipe's limits."""
    model = folder / WARM_START if arm == "before" else folder / "runs" / arm / "model"
    if not model.exists():
        raise ConfessionsError(f"{folder} has no model of the arm {arm}: finish the demonstration first")
    grpo = {**GRPO_DEFAULTS, **recipe.grpo}
    return LocalSpeaker(
        load(resolve(str(model))),
        profile=PROFILES[grpo["confession_profile"]],
        role=grpo["confession_request_role"],
        max_answer_tokens=grpo["max_completion_length"],
        max_confession_tokens=grpo["max_confession_length"],
        seed=recipe.seed,
    )


def measurements(folder: Path, arms: Sequence[str] = ARMS, variants: Sequence[Pressure] = PRESSED) -> Measurements:
    """Collect the demonstration's tables and curves, and what was measured further."""
    return Measurements(_rows(folder, arms, variants))


def _rows(folder: Path, arms: Sequence[str], variants: Sequence[Pressure]) -> Iterator[Measurement]:
    seed = recipe_of(folder).seed
    for arm in arms:
        if (folder / f"{arm}.jsonl").exists():
            outcomes = read_outcomes(folder / f"{arm}.jsonl")
            for group in GROUPS:
                yield from _rates([each for each in outcomes if each.group == group], seed, arm, group)
        for variant in ("none", *variants):
            path = outcomes_path(folder, arm, variant)
            if path.exists():
                name = arm if variant == "none" else f"{arm}, {variant}"
                yield from _rates(read_outcomes(path), seed, name, FROZEN)
    for arm in TRAINED:
        for point in read_lines(folder / "runs" / arm / "probes.jsonl"):
            yield from _curve_rates(point, seed, arm)


def _rates(outcomes: Sequence[Outcome], seed: int, arm: str, group: str) -> Iterator[Measurement]:
    yield from rates_of(ConfusionTable.from_outcomes(outcomes), seed, arm, group)
    yield Measurement(seed, arm, group, "true_compliance", sum(each.complied for each in outcomes), len(outcomes))


def _curve_rates(point: dict[str, Any], seed: int, arm: str) -> Iterator[Measurement]:
    group = next(iter(GROUPS))
    bad, good = point["n_bad"], point["n_good"]
    shares = {
        "true_compliance": (point["true_compliance"], bad + good),
        "judge_pass_rate": (point["judge_pass_rate"], bad + good),
        "judge_accuracy_given_bad": (point.get("judge_accuracy_given_bad"), bad),
        "p_confessed_given_bad": (point.get("confession_accuracy_given_bad"), bad),
        "p_denied_given_good": (point.get("confession_accuracy_given_good"), good),
    }
    for quantity, (share, count) in shares.items():
        if share is not None:
            yield Measurement(seed, arm, group, quantity, round(share * count), count, step=point["step"])


def publish_adapters(folder: Path, results: Path = RESULTS, arms: Sequence[str] = TRAINED) -> list[Path]:
    """Publish the warm start and the adapters of the trained arms under `results`; return their folders."""
    recipe = recipe_of(folder)
    name = recipe.model
    base = f"{name}-{WARM_START}"
    target = results / "adapters"
    published = [
        publish_adapter(folder / WARM_START / ADAPTER_FOLDER, target / base, name, card(recipe, base, WARM_START))
    ]
    for arm in arms:
        own = f"{name}-{arm}"
        trained = folder / "runs" / arm / "model"
        published.append(publish_adapter(trained, target / own, f"../{base}", card(recipe, own, arm)))
    return published


_WHAT: Final = {
    WARM_START: "what both trained adapters start from: taught by example how an answer and a report are written, the "
    "report's verdicts at random",
    "control": "trained by reward on answers alone, the confession groups held out",
    "confessions": "trained by reward on answers and confessions, both judged by the weak judge without labels",
}


def card(recipe: Recipe, name: str, arm: str) -> str:
    """Write the card of a published adapter."""
    stands_on = recipe.model if arm == WARM_START else f"../{recipe.model}-{WARM_START}, which is needed beside it"
    use = f"confessions evaluate writing --model results/adapters/{name}"
    return f"""---
license: apache-2.0
library_name: peft
---
# {name}

A low-rank adapter: {_WHAT[arm]}.
It stands on {stands_on}.

Made by `confessions demo --model {recipe.model} --seed {recipe.seed}`; rules of the kinds
{", ".join(recipe.kinds or ("all",))} in training by reward, {", ".join(recipe.held_out_kinds or ("all held-out",))}
held out of it. Measured as trained; the published weights are rounded to bfloat16.
Measurements: `results/studies/{recipe.model}/`.

    {use}
"""


def main(folder: Path, results: Path = RESULTS) -> None:
    """Measure, publish, and write the measurements of one demonstration."""
    hide_loading_bars()
    measure_further(folder)
    publish_adapters(folder, results)
    out = results / "studies" / recipe_of(folder).model / "measurements.csv"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(measurements(folder).to_csv(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
