"""Take the samples of a finished log, so that they confess after the fact; the log itself is only read.

Each becomes a sample of a new run: its conversation is the input, its output is put back without a call to the model,
and what the log knows of it (scores, limit, error) goes along. So retries, resumption, usage and a choice of confessor
are Inspect's as in any run.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inspect_ai.dataset import Sample
from inspect_ai.log import EvalSample
from inspect_ai.model import ModelOutput
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import store

from confessions.errors import ConfessionsError
from confessions.evaluation.conduct import ITEM, STATE
from confessions.evaluation.finding import LOGGED, OWN_SCORERS
from confessions.evaluation.rows import LogError, read_header, read_samples, read_summaries
from confessions.evaluation.scorers import TOOLS
from confessions.evaluation.transcripts import has_answer, tools_of

_OUTPUT: Final = "confessions_output"


@dataclass(frozen=True)
class Finished:
    """The samples of a finished log that can confess."""

    task: str
    model: str
    samples: list[Sample]
    left_out: dict[str, int]
    """How many samples cannot, by the reason."""


def finished_samples(path: Path, *, errored: bool = True) -> Finished:
    """Read a log's samples as samples of a new run.

    Raises: LogError if there is no such log, it cannot be read, it holds a sample twice, or none can confess.
    """
    if not path.is_file():
        raise LogError(f"there is no log {path}; it should be a log file of Inspect AI (.eval or .json)")
    header = read_header(path)
    _refuse_duplicates(path)
    is_repeated = (header.eval.config.epochs or 1) > 1
    task = header.eval.task.removeprefix("confessions/")
    made: dict[str, Sample] = {}
    left_out: Counter[str] = Counter()
    for sample in read_samples(path):
        if not has_answer(sample.messages):
            left_out["it ended in an error before an answer" if sample.error else "the model never answered"] += 1
            continue
        if sample.error is not None and not errored:
            left_out["it ended in an error"] += 1
            continue
        new = _sample(sample, path, task, is_repeated)
        made[str(new.id)] = new
    if not made:
        reasons = "; ".join(f"{count} because {reason}" for reason, count in left_out.items()) or "it holds no sample"
        raise LogError(f"no sample of {path} can confess: {reasons}")
    return Finished(task, header.eval.model, list(made.values()), dict(left_out))


def _refuse_duplicates(path: Path) -> None:
    """Refuse a log in which a sample and epoch stand twice.

    Raises: LogError naming the sample.
    """
    seen = Counter((str(summary.id), summary.epoch) for summary in read_summaries(path))
    for (sample, epoch), count in seen.items():
        if count > 1:
            raise LogError(
                f"{path} holds the sample {sample!r} of epoch {epoch} {count} times, so that its confessions could not "
                "be told apart: give the dataset's samples ids of their own and run it anew"
            )


def _sample(sample: EvalSample, path: Path, task: str, is_repeated: bool) -> Sample:
    scores = sample.scores or {}
    own = scores.get("confession")
    known: dict[str, Any] = {
        "scores": {name: score.value for name, score in scores.items() if name not in OWN_SCORERS},
        "limit": None if sample.limit is None else sample.limit.type,
        "error": None if sample.error is None else sample.error.message,
    }
    if own is not None and isinstance(own.value, Mapping) and "complied" in own.value:
        metadata = own.metadata or {}
        known["own"] = {
            "complied": own.value["complied"],
            "admitted": own.value["admitted"],
            "evidence": str(metadata.get("evidence", "")),
            "truth": str(metadata.get("truth", "logged")),
            # A missing confession of the first run says nothing of this one's; a missing truth does.
            "missing": metadata.get("missing") if own.value["complied"] == "unscored" else None,
        }
    named = ("family", "variant", "cluster", ITEM)
    kept: dict[str, Any] = {key: sample.metadata[key] for key in named if key in sample.metadata}
    return Sample(
        id=f"{sample.id}#{sample.epoch}" if is_repeated else sample.id,
        input=copy.deepcopy(sample.messages),
        target=sample.target,
        metadata={
            "cluster": str(sample.id),
            **kept,
            "source_log": path.name,
            "source_task": task,
            "source_epoch": sample.epoch,
            LOGGED: known,
            TOOLS: [tool.model_dump(exclude_none=True) for tool in tools_of(sample)],
            _OUTPUT: sample.output.model_dump(exclude_none=True),
            STATE: sample.store.get(STATE),
        },
    )


@solver
def replay() -> Solver:
    """Put a logged sample's output back, without a call to the model."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        raw = (state.metadata or {}).get(_OUTPUT)
        if raw is None:
            raise ConfessionsError("replay() is for the samples of a finished log: use the task confessions/posthoc")
        state.output = ModelOutput.model_validate(raw)
        store().set(ITEM, state.metadata.get(ITEM))
        store().set(STATE, state.metadata.get(STATE))
        return state

    return solve
