"""Check the recipes for larger models before GPUs are taken: `python -m confessions.experiments.scale`.

Each recipe must make a configuration, each launch file must be one that accelerate reads, and the two must go together.
What needs GPUs to be known (memory, speed, vLLM itself) is not checked.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from confessions.experiments.recipe import RecipeError, grpo_settings, load_recipe

RECIPES: Final = Path(str(files("confessions.experiments") / "recipes"))

LAUNCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "qwen3-8b-lora": ("one-gpu", "node-ddp", "node-zero3"),
    "qwen3-8b-full": ("node-fsdp2", "node-zero3"),
    "qwen3-8b-full-server": ("node-fsdp2", "node-zero3", "nodes-fsdp2", "nodes-zero3"),
}
"""Which launch files each recipe is meant for."""


def shipped() -> list[tuple[Path, Path]]:
    """List the shipped recipes with the launch files that they are meant for."""
    return [
        (RECIPES / f"{recipe}.toml", RECIPES / "launch" / f"{launch}.yaml")
        for recipe, launches in LAUNCHES.items()
        for launch in launches
    ]


def check(recipe_path: Path, launch_path: Path) -> str:
    """Check a recipe with a launch file; gives a line that says what would be run.

    Raises: RecipeError or LaunchError that names what does not fit.
    """
    from confessions.training.config import ConfessionConfig
    from confessions.training.launch import misfits, read_launch

    recipe = load_recipe(recipe_path)
    launch = read_launch(launch_path)
    with TemporaryDirectory() as folder:
        settings = {**grpo_settings(recipe, Path(folder)), "bf16": False, "use_cpu": True}
        try:
            config = ConfessionConfig(**settings)
        except (TypeError, ValueError) as error:
            raise RecipeError(f"{recipe_path}: {error}") from error
    if faults := misfits(config, launch):
        raise RecipeError(f"{recipe_path} does not go with {launch_path}: {'; '.join(faults)}")
    rows = config.per_device_train_batch_size * config.gradient_accumulation_steps * launch.processes
    sampler = f"vLLM {config.vllm_mode}" if config.use_vllm else "transformers"
    weights = "all weights" if recipe.lora is None else f"an adapter of rank {recipe.lora.rank}"
    return (
        f"{recipe_path.stem} with {launch_path.stem}: {weights} of {recipe.model}, {launch.backend} on "
        f"{launch.processes} processes, {sampler}, {rows} rows a step in groups of {config.num_generations}"
    )


def main() -> None:
    """Check the recipe and launch file that are named, or all that are shipped."""
    pairs = [(Path(sys.argv[1]), Path(sys.argv[2]))] if len(sys.argv) == 3 else shipped()
    for recipe, launch in pairs:
        print(check(recipe, launch))


if __name__ == "__main__":
    main()
