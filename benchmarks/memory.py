"""The most memory that a step on the pretrained model takes: `make bench`.

Each way trains one step of the recipe for SmolLM2-135M with groups of eight in a process of its own, whose largest
resident set the kernel keeps.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import machine
from rich.console import Console
from rich.table import Table

from confessions.experiments.demo import recipe_for
from confessions.experiments.recipe import build_trainer
from confessions.models.resolve import hide_loading_bars, load, resolve
from confessions.training import RunFolder

WAYS = ("each context read once", "every row read")
GROUP_SIZE = 8
LIMIT_GIB = 8.0


def train_one_step(once: bool, batch: int) -> dict[str, Any]:
    """Train a step here; gives this process's peak and the widths of the batch."""
    recipe = recipe_for("smollm2-135m")
    own = {"max_steps": 1, "num_generations": GROUP_SIZE, "per_device_train_batch_size": batch, "save_strategy": "no"}
    recipe = recipe.model_copy(update={"grpo": {**recipe.grpo, **own}})
    widths: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(recipe, load(resolve("smollm2-135m")), RunFolder(Path(folder)))
        trainer.scores_contexts_once = once and trainer.scores_contexts_once
        compute = trainer.compute_loss

        def keep_widths(model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
            widths.update(context=inputs["prompt_ids"].size(1), completion=inputs["completion_ids"].size(1))
            return compute(model, inputs, *rest, **named)

        trainer.compute_loss = keep_widths
        trainer.train()
    return {"peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "once": once, **widths}


def main() -> None:
    """Measure each way in a process of its own, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--way", choices=WAYS, help="train one step in this process and print what it took")
    asked = parser.parse_args()
    if asked.way:
        hide_loading_bars()
        print(json.dumps(train_one_step(asked.way == WAYS[0], asked.batch)))
        return
    found = {}
    for way in WAYS:
        command = [sys.executable, __file__, "--batch", str(asked.batch), "--way", way]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[way] = json.loads(done.stdout.splitlines()[-1])
    whole = f"python benchmarks/memory.py --batch {asked.batch}"
    machine.write("memory", whole, {"group_size": GROUP_SIZE, "limit_gib": LIMIT_GIB, "ways": found})
    table = Table("way", "peak GiB", "width of context", "width of completion")
    for way, each in found.items():
        table.add_row(way, f"{each['peak_gib']:.2f}", str(each["context"]), str(each["completion"]))
    Console().print(table)


if __name__ == "__main__":
    main()
