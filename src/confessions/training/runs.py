"""A training run on disk: what was asked, with which versions, what came of it, and where to go on from.

A run folder holds `config.json` (resolved), `versions.json`, `metrics.jsonl`, `rollouts.jsonl` (a sample),
`probes.jsonl`, `checkpoints/`, and once it is done `model/` and `finished.json`. A folder is never overwritten: the
same run goes on from its last whole checkpoint, anything else is refused.
"""

import importlib.metadata
import json
import math
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy
import torch
from accelerate.utils import gather_object
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from confessions.errors import ConfessionsError
from confessions.training.collapse import CollapseWatch
from confessions.training.judging import TooManyUnjudged
from confessions.training.trainer import CheckpointError, ConfessionTrainer, DivergedError, Rollout

RunStatus = Literal["new", "unfinished", "finished"]

REPORTED_PACKAGES = ("confessions", "torch", "transformers", "trl", "accelerate", "peft", "datasets", "tokenizers")
STATE_FILE = "trainer_state.json"
STEP_LOGS = ("metrics.jsonl", "rollouts.jsonl", "probes.jsonl")

# What may differ between a run and its resumption: where things are, not what is computed.
_PLACE_SETTINGS = ("output_dir", "logging_dir", "run_name", "disable_tqdm", "resume_from_checkpoint", "local_rank")

STOP_METRICS = ("answers/unjudged_fraction", "confessions/unjudged_fraction", "skipped_step")
"""What is known of the batch that stopped a run, written with `stopped` as a line of its own."""


class Memory(Protocol):
    """What a judge remembers from batch to batch; JSON can hold its state."""

    def state_dict(self) -> Mapping[str, Any]:
        """Give the state."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        ...

    def merge(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from the states of all processes, each of which has judged rows of its own."""
        ...


class RunError(ConfessionsError):
    """Say why a run cannot start, go on or be saved here."""


class RunInterrupted(RunError):
    """Say that a run was stopped on request, and where it goes on from."""

    exit_code = 130


class _TrainedAlready(Exception):
    """Leave the training loop before its first step: the checkpoint that it resumed from was the last."""


@dataclass(frozen=True)
class RunFolder:
    """The files of one run; making this object touches nothing on disk."""

    path: Path

    def __init__(self, path: str | Path) -> None:
        """Name the folder."""
        object.__setattr__(self, "path", Path(path))

    @property
    def checkpoints(self) -> Path:
        """The folder to give as `output_dir`."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The folder of the trained model, with its tokenizer."""
        return self.path / "model"

    @property
    def metrics(self) -> Path:
        """The metrics, one JSON object a logged step."""
        return self.path / "metrics.jsonl"

    @property
    def rollouts(self) -> Path:
        """A sample of rollouts, one JSON object each."""
        return self.path / "rollouts.jsonl"

    @property
    def probes(self) -> Path:
        """What `PeriodicProbe` measured, one JSON object a step."""
        return self.path / "probes.jsonl"

    def status(self) -> RunStatus:
        """Tell what the folder holds.

        Raises: RunError if it holds something other than a run.
        """
        # A trainer makes its empty output folder when it is constructed, and a kill may leave a half-written file.
        files = (path for path in self.path.rglob("*") if path.is_file() and path.suffix != ".part")
        if not self.path.is_file() and not any(files):
            return "new"
        if (self.path / "finished.json").exists():
            return "finished"
        if (self.path / "config.json").exists():
            return "unfinished"
        raise RunError(f"{self.path} exists and is not a run folder: choose another")

    def open(self, config: Mapping[str, Any]) -> RunStatus:
        """Start the run, or check that it is the one to go on with.

        Raises: RunError if the folder holds a finished run, or one with other settings.
        """
        status = self.status()
        if status == "finished":
            raise RunError(f"{self.path} holds a finished run: choose another folder, or remove it first")
        settled: dict[str, Any] = json.loads(json.dumps(config, default=str))
        if status == "unfinished":
            self._require_same(settled)
        else:
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(self.path / "config.json", settled)  # first, for it makes the folder a run's
        if not (self.path / "versions.json").exists():
            write_json(self.path / "versions.json", versions())
        return status

    def _require_same(self, config: Mapping[str, Any]) -> None:
        before: dict[str, Any] = read_json(self.path / "config.json")
        changed = [
            f"{key} was {before.get(key)!r}, now {config.get(key)!r}"
            for key in sorted({*before, *config})
            if before.get(key) != config.get(key)
        ]
        if changed:
            raise RunError(
                f"{self.path} holds an unfinished run with other settings ({'; '.join(changed)}): use the same "
                "settings to go on with it, or choose another folder"
            )

    def last_checkpoint(self) -> Path | None:
        """Find the newest checkpoint that was written whole; remnants of others are removed."""
        whole = []
        for folder in self.checkpoints.glob("checkpoint-*"):
            if is_whole(folder):
                whole.append(folder)
            else:
                shutil.rmtree(folder)
        return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)

    def forget_after(self, step: int) -> None:
        """Drop logged lines of later steps, which a resumed run writes again."""
        for name in STEP_LOGS:
            path = self.path / name
            if path.exists():
                # By "\n" alone: what a model writes may hold other characters that end a line.
                *lines, _half = path.read_text(encoding="utf-8", errors="replace").split("\n")
                kept = [line + "\n" for line in lines if json.loads(line)["step"] <= step]
                write_whole(path, "".join(kept))

    def entries(self, path: Path) -> list[dict[str, Any]]:
        """Read one of the logs; none where there is no file."""
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]

    def append(self, path: Path, entry: Mapping[str, Any]) -> None:
        """Add one JSON line to one of the logs, whole or not at all.

        Raises: RunError where it cannot be written, as on a full disk.
        """
        line = json.dumps(_without_nan(entry), ensure_ascii=False) + "\n"
        size = path.stat().st_size if path.exists() else 0
        try:
            with path.open("ab", buffering=0) as file:
                data = line.encode("utf-8")
                while data:
                    data = data[file.write(data) :]
        except OSError as error:
            if path.exists():
                os.truncate(path, size)
            raise RunError(
                f"{path} could not be written: {error}. The checkpoints are untouched: mend that (on a full disk: free "
                "some space) and run again to go on from the last one"
            ) from error


def is_whole(checkpoint: Path) -> bool:
    """Tell whether a checkpoint was written to its end: the trainer's state is written last."""
    try:
        json.loads((checkpoint / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise RunError(f"{path} could not be written: {error}") from error


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_whole(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises: RunError naming the file, if it is not there or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}. Name another folder, or remove this one") from error


def versions() -> dict[str, str | None]:
    """Name what a run depends on: packages, Python, platform, and this package's commit where there is one."""
    found: dict[str, str | None] = {"python": platform.python_version(), "platform": platform.platform()}
    for package in REPORTED_PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10
        )
        found["commit"] = commit.stdout.strip() if commit.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired):
        found["commit"] = None
    return found


def resolved_config(trainer: ConfessionTrainer, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Give every setting that a run's result depends on: the trainer's, the request, the judges, and `extra`."""
    settings = {key: value for key, value in trainer.args.to_dict().items() if key not in _PLACE_SETTINGS}
    names = {
        "reward_funcs": trainer.reward_func_names,
        "confession_reward_funcs": trainer.confession_judge_names,
        "confession_request": trainer.confession_request.to_openai() if trainer.confession_request else None,
        "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
        "world_size": trainer.args.world_size,
    }
    return {**settings, **names, **(extra or {})}


def generation_window(args: Any) -> int:
    """Give the number of optimizer steps after which a generation batch and its reuse end together."""
    window: int = args.steps_per_generation * args.num_iterations
    return math.lcm(window, args.gradient_accumulation_steps) // args.gradient_accumulation_steps


def require_resumable(args: Any) -> None:
    """Refuse a saving interval at which a resumed run would not repeat the uninterrupted one.

    Raises: RunError that says which interval would do.
    """
    if args.restore_callback_states_from_checkpoint:
        raise RunError(
            "restore_callback_states_from_checkpoint=True would replace the run's own callbacks: leave it out"
        )
    if args.save_only_model:
        raise RunError("save_only_model=True leaves out the optimizer, so the run could not go on: set it to False")
    if args.save_strategy != "steps":
        return
    window = generation_window(args)
    if args.save_steps != int(args.save_steps) or args.save_steps < 1:
        raise RunError(f"save_steps is {args.save_steps}; give a whole number of steps, a multiple of {window}")
    if int(args.save_steps) % window:
        raise RunError(
            f"save_steps is {int(args.save_steps)}, but completions are used for {window} optimizer steps "
            f"(steps_per_generation {args.steps_per_generation} x num_iterations {args.num_iterations} / "
            f"gradient_accumulation_steps {args.gradient_accumulation_steps}), and a checkpoint in between cannot be "
            f"resumed to the same result: make save_steps a multiple of {window}"
        )


def train(
    trainer: ConfessionTrainer,
    folder: RunFolder,
    *,
    extra: Mapping[str, Any] | None = None,
    memories: Mapping[str, Memory] | None = None,
    rollouts_per_batch: int = 2,
    on_log: Callable[[int, dict[str, float]], None] | None = None,
) -> Path:
    """Train in a run folder, or go on with what it holds; gives the folder of the trained model.

    `extra` is recorded with the configuration (the model's name and hash, say) and must be the same to resume.
    `memories` are what judges remember from batch to batch: each checkpoint keeps them. Of each generation batch, the
    first `rollouts_per_batch` answers and confessions are kept. Ctrl-C saves and stops, and so does an error in a step
    that has not moved the weights yet: a judge that is out of reach, say. `CollapseWatch` looks on.
    Raises: RunInterrupted after Ctrl-C; RunError or CheckpointError where the run cannot start, go on or be saved.
    """
    args = trainer.args
    if Path(args.output_dir).resolve() != folder.checkpoints.resolve():
        raise RunError(f'output_dir is "{args.output_dir}"; this run\'s checkpoints go to "{folder.checkpoints}"')
    require_resumable(args)
    is_main = trainer.accelerator.is_main_process
    checkpoint = None
    if is_main:
        status = folder.open(resolved_config(trainer, extra))
        if status == "unfinished":
            checkpoint = folder.last_checkpoint()
            folder.forget_after(int(checkpoint.name.rpartition("-")[2]) if checkpoint else -1)
    trainer.accelerator.wait_for_everyone()
    if not is_main:
        checkpoint = folder.last_checkpoint()

    rows = args.per_device_train_batch_size * args.steps_per_generation
    if memories and args.world_size > 1 and rows % args.num_generations:
        raise RunError(
            f"each process judges {rows} rows at a time, so groups of {args.num_generations} lie across processes, "
            "whose judges remember different answers: make per_device_train_batch_size a multiple of num_generations"
        )
    remembered = JudgeMemories(memories or {})
    if checkpoint is not None:
        remembered.load(checkpoint)
    watch = CollapseWatch(args.generation_batch_size / args.num_generations)
    for entry in folder.entries(folder.metrics) if is_main else ():
        watch.take(entry)
    recorder = _Recorder(folder, rollouts_per_batch, on_log)
    window = generation_window(args)
    stopper = _Stopper(window)
    last_step = _LastStep(folder, window)
    callbacks = [*([remembered] if memories else []), watch, recorder, stopper, last_step]
    trainer.remove_callback(PrinterCallback)  # the metrics are in the folder
    for callback in callbacks:
        trainer.add_callback(callback)
    observers = trainer.rollout_observer
    if is_main:
        trainer.rollout_observer = recorder.keep_rollouts
    started = time.monotonic()
    try:
        with stopper.listening():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except _TrainedAlready:
        trainer.callback_handler.on_train_end(args, trainer.state, trainer.control)
    except (RunError, CheckpointError):
        raise
    except Exception as error:
        _stop(trainer, folder, last_step, error)
        raise
    finally:
        trainer.rollout_observer = observers
        for callback in callbacks:
            trainer.remove_callback(callback)
    if stopper.has_stopped and trainer.state.global_step < trainer.state.max_steps:
        raise RunInterrupted(
            f"stopped at step {trainer.state.global_step} of {trainer.state.max_steps} and saved; the same command "
            f"goes on from {folder.last_checkpoint()}"
        )
    _save_model(trainer, folder)
    if is_main:
        seconds = round(time.monotonic() - started, 3)
        write_json(folder.path / "finished.json", {"steps": trainer.state.global_step, "seconds": seconds})
    return folder.model


def _stop(trainer: ConfessionTrainer, folder: RunFolder, last_step: "_LastStep", error: Exception) -> None:
    """Save what the failed step has left alone, and say where the run goes on.

    Raises: RunError in place of an error that is the user's to mend; notes are added to any other.
    """
    if trainer.args.world_size > 1 and not isinstance(error, TooManyUnjudged | DivergedError):
        return  # the other processes know nothing of it and wait, so nothing can be saved together
    # DeepSpeed's engine steps before the gradient's norm is known.
    have_weights_moved = trainer.is_deepspeed_enabled and isinstance(error, DivergedError)
    checkpoint = folder.last_checkpoint() if have_weights_moved else last_step.save(trainer)
    step = trainer.state.global_step
    if trainer.accelerator.is_main_process:
        logged = trainer.metrics_of_this_step()
        known = {name: logged[name] for name in STOP_METRICS if name in logged}
        folder.append(folder.metrics, {"step": step, "stopped": 1.0, **known})
    start = f"goes on from {checkpoint}" if checkpoint else "starts from the beginning"
    where = f"Stopped at step {step} of {trainer.state.max_steps}; once that is mended, the same command {start}"
    if isinstance(error, ConfessionsError):
        raise RunError(f"{error}. {where}") from error
    error.add_note(where)


def _save_model(trainer: ConfessionTrainer, folder: RunFolder) -> None:
    draft = folder.path / "model.part"
    try:
        if trainer.accelerator.is_main_process:
            shutil.rmtree(draft, ignore_errors=True)  # what a kill has left
        trainer.accelerator.wait_for_everyone()
        trainer.save_model(str(draft))
        if trainer.accelerator.is_main_process:
            shutil.rmtree(folder.model, ignore_errors=True)
            draft.replace(folder.model)
    except Exception as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise RunError(
            f"the trained model could not be saved in {folder.model} ({type(error).__name__}: {error}); the "
            "checkpoints are untouched. Mend that (on a full disk: free some space) and run again"
        ) from error


class _AfterEachStep(TrainerCallback):
    """Take note of things where a checkpoint would be made: between two steps, evaluation done."""

    def note(self, state: TrainerState) -> None:
        raise NotImplementedError

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.note(state)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.note(state)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.note(state)


class JudgeMemories(_AfterEachStep, ExportableState):
    """Keep what judges remember in every checkpoint, in `trainer_state.json`: the file that makes it whole."""

    def __init__(self, memories: Mapping[str, Memory]) -> None:
        """Keep these, by name."""
        self.memories = memories
        self._noted: dict[str, Any] = {}
        self.note(TrainerState())

    def note(self, state: TrainerState) -> None:
        """Take note of what they remember; a step that fails later does not count."""
        own = {name: dict(memory.state_dict()) for name, memory in self.memories.items()}
        everywhere = gather_object([own])
        for name, memory in self.memories.items():
            if len(everywhere) > 1:
                memory.merge([states[name] for states in everywhere])
        self._noted = {name: dict(memory.state_dict()) for name, memory in self.memories.items()}

    def state(self) -> dict[str, Any]:
        """Give what a checkpoint keeps."""
        return {"args": {}, "attributes": self._noted}

    def load(self, checkpoint: Path) -> None:
        """Let the judges go on from a checkpoint.

        Raises: RunError naming what it lacks.
        """
        path = checkpoint / STATE_FILE
        kept = read_json(path)["stateful_callbacks"].get(type(self).__name__, {"attributes": {}})["attributes"]
        for name, memory in self.memories.items():
            if name not in kept:
                raise RunError(f'{path} does not hold what "{name}" remembers, so it cannot go on: remove {checkpoint}')
            memory.load_state_dict(kept[name])


class _LastStep(_AfterEachStep):
    """Save the last finished step after the next has failed: its weights are there until that step moves them."""

    def __init__(self, folder: RunFolder, window: int) -> None:
        self.folder = folder
        self.window = window
        self.are_weights_untouched = False

    def note(self, state: TrainerState) -> None:
        self.are_weights_untouched = True
        self.tokens_seen = state.num_input_tokens_seen
        self.random_states = (
            random.getstate(),
            numpy.random.get_state(),
            torch.random.get_rng_state(),
            torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        )

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.are_weights_untouched = False

    def save(self, trainer: ConfessionTrainer) -> Path | None:
        """Save a checkpoint as it would have been saved after the last step; gives the one to go on from."""
        step = trainer.state.global_step
        if self.are_weights_untouched and step and step % self.window == 0:
            if not is_whole(self.folder.checkpoints / f"checkpoint-{step}"):
                self._put_back(trainer.state)
                trainer._save_checkpoint(trainer.model, None)
            trainer.accelerator.wait_for_everyone()
        return self.folder.last_checkpoint()

    def _put_back(self, state: TrainerState) -> None:
        own, arrays, tensors, devices = self.random_states
        random.setstate(own)
        numpy.random.set_state(arrays)
        torch.random.set_rng_state(tensors)
        if devices:
            torch.cuda.set_rng_state_all(devices)
        state.num_input_tokens_seen = self.tokens_seen


class _Recorder(TrainerCallback):
    """Write metrics and a sample of rollouts as they come."""

    def __init__(
        self, folder: RunFolder, rollouts_per_batch: int, on_log: Callable[[int, dict[str, float]], None] | None
    ) -> None:
        self.folder = folder
        self.rollouts_per_batch = rollouts_per_batch
        self.notify = on_log

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        # TRL's closing summary is no step's metric, and an interrupted run has one too.
        if state.is_world_process_zero and logs and "train_runtime" not in logs:
            self.folder.append(self.folder.metrics, {"step": state.global_step, **logs})
            if self.notify is not None:
                self.notify(state.global_step, logs)

    def keep_rollouts(self, rollouts: list[Rollout]) -> None:
        for kind in ("answer", "confession"):
            for rollout in [one for one in rollouts if one.kind == kind][: self.rollouts_per_batch]:
                self.folder.append(self.folder.rollouts, asdict(rollout))


class _Stopper(TrainerCallback):
    """Turn the first Ctrl-C into a checkpoint and a stop, at a step from which the run can go on to the same result."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.is_asked = False
        self.has_stopped = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number: int, frame: Any) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
        print("Stopping: saving a checkpoint first. Press Ctrl-C again to stop at once.", file=sys.stderr)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # The trainer's loop looks whether the training is over only after a step.
        if state.global_step >= state.max_steps:
            raise _TrainedAlready

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if state.global_step % self.window == 0 and self._all_agree(args):
            self.has_stopped = True
            control.should_save = True
            control.should_training_stop = True
        return control

    def _all_agree(self, args: TrainingArguments) -> bool:
        """Tell whether any process was asked to stop; all give the same answer."""
        if args.world_size == 1:
            return self.is_asked
        asked = torch.tensor([float(self.is_asked)], device=args.device)
        torch.distributed.all_reduce(asked)
        return bool(asked.item() > 0)


def _without_nan(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in entry.items()
    }
