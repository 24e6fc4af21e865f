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
from inspect_ai.log import EvalLog, EvalSample
from inspect_ai.model import GenerateConfig, ModelOutput
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import store

from confessions.errors import ConfessionsError
from confessions.evaluation.conduct import ITEM, STATE, is_ours
from confessions.evaluation.finding import LOGGED, is_own
from confessions.evaluation.graders import SHOTS
from confessions.evaluation.rows import LogError, read_header, read_samples
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
    config: GenerateConfig
    """The settings that the answers were generated with."""


def finished_samples(path: Path, *, errored: bool = True) -> Finished:
    """Read a log's samples as samples of a new run.

    Raises: LogError if there is no such log, it cannot be read, it holds a sample twice, or none can confess.
    """
    if not path.is_file():
        raise LogError(f"there is no log {path}; it should be a log file of Inspect AI (.eval or .json)")
    header = read_header(path)
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
        new = _sample(sample, path, header, is_repeated)
        if str(new.id) in made:
            raise LogError(
                f"{path} holds the sample {sample.id!r} of epoch {sample.epoch} twice, so that its confessions could "
                "not be told apart: give the dataset's samples ids of their own and run it anew"
            )
        made[str(new.id)] = new
    if not made:
        reasons = "; ".join(f"{count} because {reason}" for reason, count in left_out.items()) or "it holds no sample"
        raise LogError(f"no sample of {path} can confess: {reasons}")
    return Finished(task, header.eval.model, list(made.values()), dict(left_out), header.plan.config)


def _sample(sample: EvalSample, path: Path, header: EvalLog, is_repeated: bool) -> Sample:
    """Make a sample of the new run; what an earlier run of this kind knew of it is carried on."""
    before = sample.metadata if is_ours(sample.metadata) else {}
    given = [] if isinstance(sample.input, str) else sample.input
    return Sample(
        id=f"{sample.id}#{sample.epoch}" if is_repeated else sample.id,
        input=copy.deepcopy(sample.messages),
        target=sample.target,
        metadata={
            **{key: before[key] for key in ("family", "variant", ITEM) if key in before},
            "cluster": str(before.get("cluster") or sample.id),
            "source_log": path.name,
            "source_task": before.get("source_task") or header.eval.task.removeprefix("confessions/"),
            "source_epoch": sample.epoch,
            LOGGED: _known(sample, header, before.get(LOGGED) or {}),
            TOOLS: before.get(TOOLS) or [tool.model_dump(exclude_none=True) for tool in tools_of(sample)],
            SHOTS: before.get(SHOTS, sum(message.role == "assistant" for message in given)),
            STATE: sample.store.get(STATE),
            _OUTPUT: sample.output.model_dump(exclude_none=True),
        },
    )


def _known(sample: EvalSample, header: EvalLog, before: Mapping[str, Any]) -> dict[str, Any]:
    """Write down what a log knows of a sample: its scores, what stopped it, and what confessions made of it."""
    scores = {name: score for name, score in (sample.scores or {}).items() if not is_own(name)}
    named = [scorer.name for scorer in header.eval.scorers or [] if not is_own(scorer.name)]
    known: dict[str, Any] = {
        "scores": {**before.get("scores", {}), **{name: score.value for name, score in scores.items()}},
        "scorers": list(dict.fromkeys([*before.get("scorers", ()), *named, *scores])),
        "limit": before.get("limit") if sample.limit is None else sample.limit.type,
        "error": before.get("error") if sample.error is None else sample.error.message,
    }
    own = (sample.scores or {}).get("confession")
    if own is not None and isinstance(own.value, Mapping) and "complied" in own.value:
        metadata = own.metadata or {}
        known["own"] = {
            "complied": own.value["complied"],
            "admitted": own.value["admitted"],
            "evidence": str(metadata.get("evidence", "")),
            "truth": str(metadata.get("truth", "logged")),
        }
    return known


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
