"""What confessions add to a training step: `make bench`.

Two trainers take steps in turn in one process: TRL's `GRPOTrainer` on so many answer groups, and `ConfessionTrainer` on
as many answer groups and the confession groups beside them. Every batch holds the same number of each, in the
proportion that p = 0.25 gives on average. Times are processor seconds of the thread that trains, so that other programs
on the machine do not count; run with OMP_NUM_THREADS=1, which `make bench` sets.
"""

import argparse
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import machine
import torch
from rich.console import Console
from rich.table import Table
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

import confessions.training.trainer as package
from confessions.experiments.demo import recipe_for
from confessions.experiments.recipe import build_trainer
from confessions.models.resolve import hide_loading_bars, load, resolve
from confessions.training import RunFolder

PROBABILITY = 0.25
ARMS = ("control", "confessions")
STAGES = ("answers sampled", "confessions sampled", "forward", "backward", "optimizer", "judges", "rest")


class Clock:
    """Adds up the processor seconds of each stage of a step; a stage within a stage counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside for this stage."""
        self._turn()
        self._running.append(name)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def wrap(self, name: str | Callable[[], str], function: Callable[..., Any]) -> Callable[..., Any]:
        """Count a function's time for a stage; `name` may be looked up at each call."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name if isinstance(name, str) else name()):
                return function(*args, **kwargs)

        timed.__name__ = getattr(function, "__name__", type(function).__name__)
        return timed

    def _turn(self) -> None:
        now = time.thread_time()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


class Turns(TrainerCallback):
    """Lets the trainers of several threads take their steps in turn, and keeps what each step took."""

    def __init__(self, arm: int, clock: Clock, order: "Order", steps: list[dict[str, float]]) -> None:
        self.arm, self.clock, self.order, self.steps = arm, clock, order, steps

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        """Wait for this arm's turn."""
        self.order.wait_for(self.arm)
        self.clock.seconds.clear()
        self.whole = self.clock.stage("rest")
        self.whole.__enter__()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Keep the step's times and let the other go on."""
        self.whole.__exit__(None, None, None)
        self.steps.append({name: self.clock.seconds.get(name, 0.0) for name in STAGES})
        self.order.pass_on()


class Order:
    """Whose turn it is."""

    def __init__(self, arms: int) -> None:
        self.arms, self.turn, self.changed = arms, 0, threading.Condition()

    def wait_for(self, arm: int) -> None:
        """Sleep until it is this arm's turn."""
        with self.changed:
            self.changed.wait_for(lambda: self.turn == arm)

    def pass_on(self) -> None:
        """Give the turn to the next."""
        with self.changed:
            self.turn = (self.turn + 1) % self.arms
            self.changed.notify_all()


class EvenTrainer(package.ConfessionTrainer):
    """Confesses in exactly the expected number of groups of each batch, so that steps compare."""

    def _plan(self, n_rows: int) -> Any:
        batch = super()._plan(n_rows)
        n_groups = n_rows // batch.group_size
        confessing = round(PROBABILITY * n_groups)
        at = {self.state.global_step * confessing + each for each in range(confessing)}
        chosen = {each % n_groups for each in at}
        batch.is_confession = [group in chosen for group in range(n_groups) for _ in range(batch.group_size)]
        return batch


def instrument(trainer: Any, clock: Clock) -> None:
    """Count what the model does, and what the judges do, by stage."""

    def sampling() -> str:
        batch = getattr(trainer, "_batch", None)
        return "confessions sampled" if batch is not None and batch.is_asking else "answers sampled"

    trainer._generate_single_turn = clock.wrap(sampling, trainer._generate_single_turn)
    trainer._get_per_token_logps_and_entropies = clock.wrap("forward", trainer._get_per_token_logps_and_entropies)
    trainer.accelerator.backward = clock.wrap("backward", trainer.accelerator.backward)
    trainer.reward_funcs = [clock.wrap("judges", function) for function in trainer.reward_funcs]
    if hasattr(trainer, "confession_reward_funcs"):
        trainer.confession_reward_funcs = [clock.wrap("judges", each) for each in trainer.confession_reward_funcs]
    make = trainer.create_optimizer

    def make_timed(*args: Any, **kwargs: Any) -> Any:
        optimizer = make(*args, **kwargs)
        optimizer.step = clock.wrap("optimizer", optimizer.step)
        return optimizer

    trainer.create_optimizer = make_timed


def control_of(trainer: Any, rows: int, folder: Path) -> GRPOTrainer:
    """Make TRL's own trainer with the same settings, on so many rows."""
    fields = GRPOConfig.__dataclass_fields__
    settings = {name: value for name, value in vars(trainer.args).items() if name in fields and fields[name].init}
    settings.pop("generation_batch_size")
    settings |= {"per_device_train_batch_size": rows, "output_dir": str(folder)}
    return GRPOTrainer(
        load(resolve("embedded")).model,
        trainer.plain_rewards,
        GRPOConfig(**settings),
        trainer.train_dataset,
        processing_class=trainer.processing_class,
    )


def build(steps: int, batch: int, folder: Path) -> list[Any]:
    """Make the trainers of both arms, from the same weights."""
    recipe = recipe_for("embedded")
    own = {
        "max_steps": steps,
        "per_device_train_batch_size": batch,
        "confession_probability": PROBABILITY,
        "save_strategy": "no",
        "logging_steps": steps,
    }
    recipe = recipe.model_copy(update={"grpo": {**recipe.grpo, **own}})
    rewards: list[Any] = []

    class Keeping(EvenTrainer):
        def __init__(self, model: Any, reward_funcs: Any, *args: Any, **kwargs: Any) -> None:
            rewards.extend(reward_funcs)
            super().__init__(model, reward_funcs, *args, **kwargs)

    original, package.ConfessionTrainer = package.ConfessionTrainer, Keeping  # what `build_trainer` makes
    try:
        ours = build_trainer(recipe, load(resolve("embedded")), RunFolder(folder / "ours"))
    finally:
        package.ConfessionTrainer = original
    ours.plain_rewards = rewards
    groups = batch // ours.num_generations
    answer_rows = (groups - round(PROBABILITY * groups)) * ours.num_generations
    return [control_of(ours, answer_rows, folder / "control"), ours]


def measure(steps: int, batch: int) -> dict[str, list[dict[str, float]]]:
    """Take so many steps of each arm in turn; gives the seconds of each stage, step by step."""
    with tempfile.TemporaryDirectory() as name:
        trainers = build(steps, batch, Path(name))
        order = Order(len(trainers))
        found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
        threads = []
        for number, (arm, trainer) in enumerate(zip(ARMS, trainers, strict=True)):
            clock = Clock()
            instrument(trainer, clock)
            trainer.remove_callback(PrinterCallback)
            trainer.add_callback(Turns(number, clock, order, found[arm]))
            threads.append(threading.Thread(target=trainer.train, daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return {arm: each[1:] for arm, each in found.items()}  # the first step warms caches


def summary(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Reduce steps to medians with intervals: whole steps, their ratio, and each stage's share."""
    totals = {arm: [sum(step.values()) for step in each] for arm, each in found.items()}
    own = [
        (step["judges"] + step["rest"]) / total
        for step, total in zip(found["confessions"], totals["confessions"], strict=True)
    ]
    return {
        "seconds": {arm: machine.estimate(each)._asdict() for arm, each in totals.items()},
        "ratio": machine.estimate_ratio(totals["confessions"], totals["control"])._asdict(),
        "own_share": machine.estimate(own)._asdict(),
        "stages": {
            arm: {stage: machine.estimate([step[stage] for step in each])._asdict() for stage in STAGES}
            for arm, each in found.items()
        },
    }


def main() -> None:
    """Time both arms, print the stages and write them down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=96)
    asked = parser.parse_args()
    hide_loading_bars()
    torch.manual_seed(0)
    found = summary(measure(asked.steps + 1, asked.batch))
    command = f"python benchmarks/step_time.py --steps {asked.steps} --batch {asked.batch}"
    machine.write("step_time", command, {"seed": 0, "batch": asked.batch, "probability": PROBABILITY, **found})
    table = Table("processor seconds a step", *ARMS)
    for stage in STAGES:
        table.add_row(stage, *(f"{found['stages'][arm][stage]['median']:.3f}" for arm in ARMS))
    table.add_row("whole step", *(f"{found['seconds'][arm]['median']:.3f}" for arm in ARMS))
    Console().print(table)
    ratio, own = found["ratio"], found["own_share"]
    Console().print(f"ratio {ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]")
    Console().print(f"all but sampling, forward, backward and optimizer: {own['median']:.1%} of the step")


if __name__ == "__main__":
    main()
