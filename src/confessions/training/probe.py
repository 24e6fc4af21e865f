"""Measure the policy while it trains: at the start, every so many steps, and at the end."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

Probe = Callable[[Any, Any, int], dict[str, Any]]


class PeriodicProbe(TrainerCallback):
    """Call `probe(model, tokenizer, step)` and append what it gives to a JSON-lines file.

    The model is in evaluation mode meanwhile, and the random state is put back: a run with a probe trains exactly as
    one without. A step that the file already holds is not measured again.
    """

    def __init__(
        self, probe: Probe, path: str | Path, every: int, on_measured: Callable[..., None] | None = None
    ) -> None:
        if every < 1:
            raise ValueError(f"a probe every {every} steps is impossible; give at least 1")
        self.probe = probe
        self.path = Path(path)
        self.every = every
        self.on_measured = on_measured

    def measured_steps(self) -> set[int]:
        """Give the steps that the file already holds."""
        if not self.path.exists():
            return set()
        return {int(json.loads(line)["step"]) for line in self.path.read_text(encoding="utf-8").splitlines()}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure the model that training starts from; a resumed run has done so."""
        if state.global_step == 0:
            self._measure(args, state, **kwargs)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Measure every `every` steps."""
        if state.global_step % self.every == 0:
            self._measure(args, state, **kwargs)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure the model that training ends with, unless it was stopped halfway."""
        if state.global_step >= state.max_steps:
            self._measure(args, state, **kwargs)

    def _measure(self, args: TrainingArguments, state: TrainerState, **kwargs: Any) -> None:
        if state.is_world_process_zero and state.global_step not in self.measured_steps():
            model, tokenizer = kwargs["model"], kwargs["processing_class"]
            with undisturbed(model):
                measured = self.probe(model, tokenizer, state.global_step)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **measured}) + "\n")
            if self.on_measured is not None:
                self.on_measured(state.global_step, measured)
        if args.world_size > 1:
            torch.distributed.barrier()


@contextmanager
def undisturbed(model: torch.nn.Module) -> Iterator[None]:
    """Switch a model to evaluation without gradients, and afterwards put its mode and the random state back."""
    was_training = model.training
    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        model.eval()
        try:
            yield
        finally:
            model.train(was_training)
