"""What the design buys in learning: `make bench-learning`.

Trains the embedded model for some updates in each arm from the same weights, prompts and judges, and measures its
confessions on prompts of the evaluation split. Arms: the package's branched groups; answer and confession in one
sequence (shared); one confession for each answer and a loss divided by the tokens of the whole batch (naive). What has
been run already is kept, so a run that was stopped goes on.
"""

import argparse
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import machine
from rich.console import Console
from variants import CountingTrainer, NaiveTrainer, SharedTrainer

import confessions.training.trainer as package
from confessions.evaluation import summarize
from confessions.experiments.demo import recipe_for
from confessions.experiments.measure import measure_speaker
from confessions.experiments.recipe import build_trainer
from confessions.judges import Attention, BaseRates
from confessions.models.resolve import LoadedModel, hide_loading_bars, load, resolve
from confessions.models.speaker import LocalSpeaker
from confessions.protocol import PROFILES
from confessions.scenarios import writing_scenarios
from confessions.training import RunFolder

ARMS = {"branched": CountingTrainer, "shared": SharedTrainer, "naive": NaiveTrainer}
CALIBRATION = 256
KEPT = ("answers/reward", "confessions/reward", "tokens/sampled", "tokens/read_in_training", "tokens/in_the_loss")


def speaker_of(loaded: LoadedModel, seed: int, grpo: dict[str, Any]) -> LocalSpeaker:
    """Let a model answer and confess with the recipe's limits."""
    return LocalSpeaker(
        loaded,
        profile=PROFILES["brief"],
        role="auto",
        max_answer_tokens=grpo["max_completion_length"],
        max_confession_tokens=grpo["max_confession_length"],
        seed=seed,
    )


@cache
def calibrated(seed: int) -> dict[str, Any]:
    """Let the weak judge look at the untrained model's answers, as the demo does."""
    recipe = recipe_for("embedded")
    scenarios = writing_scenarios("train", "training", seed + 1, CALIBRATION, recipe.rule_counts)
    speaker = speaker_of(load(resolve("embedded")), seed, recipe.grpo)
    answers = speaker.answer([scenario.messages() for scenario in scenarios])
    attention = Attention(recipe.judges.looks, seed)
    return BaseRates.from_answers(zip(scenarios, answers, strict=True), attention).state_dict()


def train_and_measure(arm: str, seed: int, updates: int, batch: int, samples: int) -> dict[str, Any]:
    """Train one arm from one seed and count what its confessions come to."""
    recipe = recipe_for("embedded")
    own = {"max_steps": updates, "per_device_train_batch_size": batch, "save_strategy": "no"}
    recipe = recipe.model_copy(update={"seed": seed, "grpo": {**recipe.grpo, **own}})
    resolved = resolve("embedded")
    rates = BaseRates(calibrated(seed))
    original, package.ConfessionTrainer = package.ConfessionTrainer, ARMS[arm]  # what `build_trainer` makes
    try:
        with tempfile.TemporaryDirectory() as folder:
            trainer = build_trainer(recipe, load(resolved), RunFolder(Path(folder)), rates)
            begun = time.process_time()
            trainer.train()
            seconds = time.process_time() - begun
    finally:
        package.ConfessionTrainer = original
    trainer.model.eval()
    speaker = speaker_of(LoadedModel(resolved, trainer.model, trainer.processing_class), seed, recipe.grpo)
    outcomes = measure_speaker(speaker, seed, samples)
    return {
        "arm": arm,
        "seed": seed,
        "updates": updates,
        "processor_seconds": round(seconds, 1),
        "curve": [
            {"step": log["step"], **{key: round(log[key], 4) for key in KEPT if key in log}}
            for log in trainer.state.log_history
            if "loss" in log
        ],
        "tables": [{"group": each.group, **each.table.counts()} for each in summarize(outcomes, arm=arm)],
    }


def main() -> None:
    """Run every arm for every seed, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=30)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=200)
    asked = parser.parse_args()
    hide_loading_bars()
    command = f"python benchmarks/learning.py --updates {asked.updates} --batch {asked.batch} --samples {asked.samples}"
    before = machine.read("learning")
    runs = before["runs"] if before.get("command") == command else []
    for seed in asked.seeds:
        for arm in ARMS:
            if not any(run["arm"] == arm and run["seed"] == seed for run in runs):
                runs.append(train_and_measure(arm, seed, asked.updates, asked.batch, asked.samples))
                machine.write("learning", command, {"runs": runs})
                Console().print(f"{arm}, seed {seed}: {runs[-1]['processor_seconds']} s of training")


if __name__ == "__main__":
    main()
