"""Time what confessions add to a training step: `make bench`.

Trains the embedded model for a few steps in each mode, from the same weights and prompts, and prints seconds a step.
The first step is left out, since it warms caches. On a busy machine, compare the modes of one call only.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from confessions.experiments.recipe import build_trainer, load_recipe
from confessions.models.resolve import load, resolve
from confessions.training import RunFolder, train

MODES: dict[str, dict[str, Any]] = {
    "answers alone (p = 0)": {"confession_probability": 0.0},
    "control (p = 0.25, none sampled)": {"confession_probability": 0.25, "train_confessions": False},
    "confessions, p = 0.25": {"confession_probability": 0.25},
    "confessions, p = 1": {"confession_probability": 1.0},
}


def seconds_per_step(mode: dict[str, Any], model: str, steps: int, batch: int) -> float:
    """Train for `steps` steps after a first one and return the mean of their times."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "recipe.toml"
        empty.write_text("")
        recipe = load_recipe(empty, [f"grpo.max_steps={steps + 1}", f"grpo.per_device_train_batch_size={batch}"])
        recipe = recipe.model_copy(update={"model": model, "grpo": {**recipe.grpo, "save_strategy": "no", **mode}})
        run = RunFolder(Path(folder) / "run")
        ends: list[float] = []
        trainer = build_trainer(recipe, load(resolve(model)), run)
        train(trainer, run, on_log=lambda step, metrics: ends.append(time.perf_counter()))
    return (ends[steps] - ends[0]) / steps


def main() -> None:
    """Print one row for each mode."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    table = Table("mode", "seconds a step", "relative")
    first = None
    for name, mode in MODES.items():
        seconds = seconds_per_step(mode, arguments.model, arguments.steps, arguments.batch)
        first = first or seconds
        table.add_row(name, f"{seconds:.2f}", f"{seconds / first:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
