"""Finished logs as rows: one for each sample and epoch, with all that tables, figures and pages are made from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from inspect_ai.log import (
    EvalLog,
    EvalSample,
    list_eval_logs,
    read_eval_log,
)

from confessions.errors import ConfessionsError
from confessions.evaluation.predicates import CELLS, Admitted, Cell, Complied, Confessed, cell_of
from confessions.protocol import ConfessionReport


class LogError(ConfessionsError):
    """Say what is wrong with a log file."""


@dataclass(frozen=True)
class Row:
    """One sample of one epoch, scored by the confession scorer."""

    log: str
    task: str
    model: str
    family: str
    """The family, or the task's name where it is none of this package's."""
    title: str
    variant: str
    """The pressure it was put under."""
    sample: str
    epoch: int
    cluster: str
    outcome: Cell
    complied: Complied
    admitted: Admitted
    confessed: Confessed
    metadata: Mapping[str, Any]
    """The confession score's metadata."""
    scores: Mapping[str, Any]
    """The values of the sample's other scores, by scorer name."""
    score_metadata: Mapping[str, Mapping[str, Any]]
    """The metadata of the sample's other scores, by scorer name."""

    @property
    def report(self) -> ConfessionReport | None:
        """Return the confession's report; None where it could not be read."""
        raw = self.metadata.get("report")
        return None if raw is None else ConfessionReport.model_validate(raw)

    @property
    def is_bad(self) -> bool | None:
        """Tell whether the answer was bad; None where it was neither, or there is no verdict."""
        return {"no": True, "yes": False}.get(self.complied)


def log_files(paths: Sequence[Path]) -> list[Path]:
    """List the logs among files and folders, in the order of their names.

    Raises: LogError if a path is missing, or none is a log.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(Path(info.name.removeprefix("file://")) for info in list_eval_logs(str(path)))
        elif path.exists():
            found.append(path)
        else:
            raise LogError(
                f"there is no {path}; it should be a log of Inspect AI (.eval or .json), or a folder of them"
            )
    if not found:
        raise LogError(f"there are no logs of Inspect AI (.eval or .json) in {', '.join(map(str, paths))}")
    return found


def read_header(path: Path) -> EvalLog:
    """Read what a log says of its run.

    Raises: LogError if it is no log that this version of Inspect AI can read.
    """
    if path.is_dir():
        raise LogError(f"{path} is a folder; name one log in it")
    if not path.exists():
        raise LogError(f"there is no log {path}; it should be a log file of Inspect AI (.eval or .json)")
    try:
        return read_eval_log(str(path), header_only=True)
    except Exception as error:  # whatever the file provokes: it is the user's
        raise _unreadable(path, error) from error


def read_samples(path: Path) -> list[EvalSample]:
    """Read the finished samples of a log, attachments in place; a run that was cut off gives what it has.

    All at once: read one by one, each sample costs Inspect an event loop of its own.
    Raises: LogError as `read_header` does.
    """
    try:
        return read_eval_log(str(path), resolve_attachments=True).samples or []
    except Exception as error:  # whatever the file provokes: it is the user's
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> LogError:
    from importlib.metadata import version

    return LogError(
        f"{path} cannot be read as a log by inspect-ai {version('inspect-ai')}: {type(error).__name__}: {error}. It "
        "was cut off while it was written, or comes from another version: write it anew with `inspect log convert`, or "
        "finish the run with `inspect eval-retry`"
    )


def read_rows(paths: Sequence[Path]) -> list[Row]:
    """Read every sample that the confession scorer has scored.

    A sample that stands in several logs of one run, as after a retry, counts once: the last log's.
    Raises: LogError if a log cannot be read, no log holds such a score, or two runs hold the same samples.
    """
    files = log_files(paths)
    rows: dict[tuple[str, ...], Row] = {}
    runs: dict[tuple[str, ...], tuple[str, Path]] = {}
    for path in files:
        header = read_header(path)
        for row in rows_of(path, header, read_samples(path)):
            run, first = runs.setdefault(_identity(row), (header.eval.task_id, path))
            if run != header.eval.task_id:
                raise LogError(
                    f"{first} and {path} are two runs over the same samples ({row.model}, {row.family}, sample "
                    f"{row.sample}): counted together, each answer would count twice. Name one of them"
                )
            rows[header.eval.task_id, row.sample, str(row.epoch)] = row
    if not rows:
        raise LogError(
            f"none of {len(files)} logs was scored by `confession`: run `confessions evaluate --log FILE` on them first"
        )
    return list(rows.values())


def _identity(row: Row) -> tuple[str, ...]:
    """Name what may be in a report once: one model's confession of one sample, asked for and judged in one way."""
    asked = (str(row.metadata.get(key)) for key in ("compute", "reader", "profile", "truth"))
    return (row.model, row.family, row.variant, row.sample, str(row.epoch), *asked)


def rows_of(path: Path, header: EvalLog, samples: Iterable[EvalSample]) -> Iterator[Row]:
    """Make the rows of one log."""
    for sample in samples:
        scores = sample.scores or {}
        own = scores.get("confession")
        if own is None or not isinstance(own.value, Mapping) or own.value.get("outcome") not in CELLS:
            continue
        metadata = own.metadata or {}
        others = {name: score for name, score in scores.items() if score is not own}
        task = header.eval.task.removeprefix("confessions/")
        family = str(metadata.get("family") or metadata.get("source_task") or task)
        complied, confessed = cast(Complied, own.value["complied"]), cast(Confessed, own.value["confessed"])
        yield Row(
            log=path.name,
            task=task,
            model=str(metadata.get("model") or header.eval.model),
            family=family,
            title=str(metadata.get("title") or family),
            variant=str(metadata.get("variant") or "none"),
            sample=str(sample.id),
            epoch=sample.epoch,
            cluster=str(metadata.get("cluster") or sample.id),
            outcome=cell_of(complied, confessed),
            complied=complied,
            admitted=cast(Admitted, own.value["admitted"]),
            confessed=confessed,
            metadata=metadata,
            scores={name: _value(score.value) for name, score in others.items()},
            score_metadata={name: score.metadata or {} for name, score in others.items()},
        )


def _value(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def grouped(rows: Iterable[Row], *keys: str) -> dict[tuple[str, ...], list[Row]]:
    """Group rows by some of their fields, in the order of first occurrence."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(str(getattr(row, key)) for key in keys), []).append(row)
    return groups
