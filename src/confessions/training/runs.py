"""A training run on disk: what was asked, with which versions, what came of it, and where to go on from.

A run folder holds `config.json` (resolved), `versions.json`, `metrics.jsonl`, `rollouts.jsonl` (a sample),
`probes.jsonl`, `checkpoints/`, and once it is done `model/` and `finished.json`. A folder is never overwritten: the
same run goes on from its last whole checkpoint, anything else is refused.
"""

import importlib.metadata
import json
import math
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from confessions.errors import ConfessionsError
from confessions.training.trainer import ConfessionTrainer, Rollout

RunStatus = Literal["new", "unfinished", "finished"]

REPORTED_PACKAGES = ("confessions", "torch", "transformers", "trl", "accelerate", "peft", "datasets", "tokenizers")
STEP_LOGS = ("metrics.jsonl", "rollouts.jsonl", "probes.jsonl")

# What may differ between a run and its resumption: where things are, not what is computed.
_PLACE_SETTINGS = ("output_dir", "logging_dir", "run_name", "disable_tqdm", "resume_from_checkpoint", "local_rank")


MEMORY_FILE = "judges.json"


class Memory(Protocol):
    """What a judge remembers from batch to batch; JSON can hold its state."""

    def state_dict(self) -> Mapping[str, Any]:
        """Give the state."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        ...


class RunError(ConfessionsError):
    """Say why a run cannot start, go on or be saved here."""


class RunInterrupted(RunError):
    """Say that a run was stopped on request, and where it goes on from."""

    exit_code = 130


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
        # A trainer makes its empty output folder when it is constructed.
        if not self.path.is_file() and not any(path.is_file() for path in self.path.rglob("*")):
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
            return status
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / "versions.json", versions())
        write_json(self.path / "config.json", settled)
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
                lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
                kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
                write_whole(path, "".join(kept))

    def append(self, path: Path, entry: Mapping[str, Any]) -> None:
        """Add one JSON line to one of the logs."""
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_without_nan(entry), ensure_ascii=False) + "\n")


def is_whole(checkpoint: Path) -> bool:
    """Tell whether a checkpoint was written to its end: the trainer's state is written last."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
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
    first `rollouts_per_batch` answers and confessions are kept. Ctrl-C saves and stops.
    Raises: RunInterrupted after Ctrl-C; RunError or CheckpointError where the run cannot start or be saved.
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

    keeper = _MemoryKeeper(memories or {})
    if memories and args.world_size > 1:
        raise RunError("judges that remember see one process's rows each: train in a single process, or without them")
    if checkpoint is not None:
        keeper.load(checkpoint)
    trainer.add_callback(keeper)
    recorder = _Recorder(folder, rollouts_per_batch, on_log)
    stopper = _Stopper(generation_window(args))
    trainer.remove_callback(PrinterCallback)  # the metrics are in the folder
    trainer.add_callback(recorder)
    trainer.add_callback(stopper)
    observers = trainer.rollout_observer
    if is_main:
        trainer.rollout_observer = recorder.keep_rollouts
    started = time.monotonic()
    try:
        with stopper.listening():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        trainer.rollout_observer = observers
        for callback in (keeper, recorder, stopper):
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


def _save_model(trainer: ConfessionTrainer, folder: RunFolder) -> None:
    draft = folder.path / "model.part"
    try:
        trainer.save_model(str(draft))
        if trainer.accelerator.is_main_process:
            draft.replace(folder.model)
    except Exception as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise RunError(
            f"the trained model could not be saved in {folder.model} ({type(error).__name__}: {error}); the "
            "checkpoints are untouched. Mend that (on a full disk: free some space) and run again"
        ) from error


class _MemoryKeeper(TrainerCallback):
    """Keep what judges remember in every checkpoint."""

    def __init__(self, memories: Mapping[str, Memory]) -> None:
        self.memories = memories

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self.memories and state.is_world_process_zero:
            kept = {name: memory.state_dict() for name, memory in self.memories.items()}
            write_json(Path(args.output_dir) / f"checkpoint-{state.global_step}" / MEMORY_FILE, kept)

    def load(self, checkpoint: Path) -> None:
        if not self.memories:
            return
        path = checkpoint / MEMORY_FILE
        if not path.exists():
            raise RunError(f"{path} is missing, so the judges cannot go on where they were: remove {checkpoint}")
        kept = json.loads(path.read_text(encoding="utf-8"))
        for name, memory in self.memories.items():
            memory.load_state_dict(kept[name])


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
