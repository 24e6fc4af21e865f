"""Run a study seed by seed, keep its measurements, and say what they decide.

What a seed has measured lies beside its policies, so the same command goes on where an interrupted one stopped. The
results are written once every seed asked for is there: measurements as CSV and the study's facts as JSON.
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from confessions.experiments.studies.catalogue import STUDIES
from confessions.experiments.studies.pages import FACTS_FILE, MEASUREMENTS_FILE, finding_words
from confessions.experiments.studies.policies import Workshop
from confessions.experiments.studies.study import Measurement, Measurements, Study, StudyError
from confessions.models.resolve import hide_loading_bars
from confessions.training.runs import read_json, versions, write_json, write_whole

WORKSHOP: Final = Path("runs/studies")
RESULTS: Final = Path("results/studies")


def chosen(names: Sequence[str]) -> list[Study]:
    """Give the studies of these names, in the pages' order; "all" is every one.

    Raises: StudyError for a name that no study has.
    """
    for name in names:
        if name != "all" and name not in STUDIES:
            close = difflib.get_close_matches(name, STUDIES, n=1)
            hint = f' (did you mean "{close[0]}"?)' if close else ""
            raise StudyError(f'there is no study "{name}"{hint}: `confessions study` lists them')
    return [study for name, study in STUDIES.items() if name in names or "all" in names]


def read_seeds(text: str) -> tuple[int, ...]:
    """Read seeds such as "0,1,2" or "0-4".

    Raises: StudyError if the text is neither.
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        if found is None:
            raise StudyError(f'--seeds is "{text}"; it should be numbers such as 0,1,2 or a range such as 0-4')
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise StudyError(f'--seeds is "{text}"; a range should rise, such as 0-4')
        seeds += range(first, last + 1)
    return tuple(dict.fromkeys(seeds))


def run_study(study: Study, seeds: Sequence[int], folder: Path = WORKSHOP, results: Path = RESULTS) -> Measurements:
    """Measure the seeds that have not been measured, write the results and return them.

    Raises: StudyError where there are no seeds, or the folder holds policies of other settings.
    """
    if not seeds:
        raise StudyError("a study needs at least one seed; five is what the published results have")
    hide_loading_bars()
    console = Console()
    workshop = Workshop(folder, lambda title, total: _bar(console, title, total))
    rows: list[Measurement] = []
    seconds = 0.0
    for seed in seeds:
        path = workshop.seed_folder(seed) / "measured" / f"{study.name}.csv"
        if not path.exists():
            begun = time.monotonic()
            measured = Measurements(study.measure(workshop, seed))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path.with_suffix(".json"), {"seconds": round(time.monotonic() - begun, 1)})
            write_whole(path, measured.to_csv())
        rows += Measurements.from_csv(path.read_text(encoding="utf-8"), str(path)).rows
        seconds += read_json(path.with_suffix(".json"))["seconds"]
    measurements = Measurements(rows)
    target = results / study.name
    target.mkdir(parents=True, exist_ok=True)
    write_whole(target / MEASUREMENTS_FILE, measurements.to_csv())
    write_json(target / FACTS_FILE, _facts(study, seeds, workshop, seconds))
    console.print(claims_table(study, measurements))
    return measurements


def _facts(study: Study, seeds: Sequence[int], workshop: Workshop, seconds: float) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": study.name,
        "command": f"confessions study {study.name} --seeds {','.join(map(str, seeds))}",
        "model": {"name": workshop.resolved.name, "sha256": workshop.resolved.sha256},
        "seeds": list(seeds),
        "config": {"recipe": workshop.recipe.model_dump(mode="json"), "sizes": workshop.sizes._asdict()},
        "versions": {name: str(version) for name, version in versions().items() if version},
        "seconds": round(seconds, 1),
    }


def claims_table(study: Study, measurements: Measurements) -> Table:
    """Lay a study's claims out with what was found."""
    table = Table("claim", "result", "decision", title=study.title, title_justify="left")
    for claim in study.claims:
        finding = claim.decide(measurements)
        table.add_row(claim.statement, finding_words(finding), finding.decision)
    return table


@contextmanager
def _bar(console: Console, title: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.advance(task, done)
