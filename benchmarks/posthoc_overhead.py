"""Time what confessing a finished log costs beside the model's own time: `make bench`.

A model that answers at once takes the place of the model, so all the time is Inspect's and ours. `bare` is a run of the
same size in which Inspect asks that model once a sample and scores the answer; `confess` is the run in which each
sample of the finished log confesses instead. `read` is the reading of the log before it, `rows` that of the new log for
a report. Ours are `read`, `rows` and what `confess` takes more than `bare`. On a busy machine, compare within one call.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("INSPECT_DISPLAY", "none")

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalLog
from inspect_ai.model import get_model
from inspect_ai.scorer import includes
from rich.console import Console
from rich.table import Table

from confessions.evaluation.finished import finished_samples
from confessions.evaluation.rows import read_rows
from confessions.evaluation.tasks import posthoc

ANSWER = "Rome was not built in a day, and neither was Paris. " * 20


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Do some work and return the seconds it took with its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def run(task: Task, folder: Path) -> EvalLog:
    """Run a task with the model that answers at once."""
    model = get_model("scripted/honest", answer=ANSWER, memoize=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        [log] = eval(task, model=model, log_dir=str(folder), display="none", log_realtime=False)
    assert log.status == "success", log.error
    return log


def milliseconds_per_sample(samples: int) -> dict[str, float]:
    """Answer, confess and read so many samples; return what each stage took."""
    dataset = [Sample(id=i, input=f"What is the capital of France? ({i})", target="Paris") for i in range(samples)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare, log = timed(lambda: run(Task(dataset=dataset, scorer=includes()), folder / "answers"))
        path = Path(log.location.removeprefix("file://"))
        read, _ = timed(lambda: finished_samples(path))
        whole, _ = timed(lambda: run(posthoc(str(path)), folder / "confessions"))
        rows, found = timed(lambda: read_rows([folder / "confessions"]))
        assert len(found) == samples
    seconds = {"bare": bare, "read": read, "confess": whole - read, "rows": rows}
    return {stage: 1000 * took / samples for stage, took in seconds.items()}


def main() -> None:
    """Print one row for each size of log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[500, 5000])
    arguments = parser.parse_args()
    table = Table(
        "samples", "bare", "confess", "read", "rows", "ours", title="milliseconds a sample", title_justify="left"
    )
    milliseconds_per_sample(20)  # imports and caches
    for samples in arguments.samples:
        took = milliseconds_per_sample(samples)
        ours = took["confess"] - took["bare"] + took["read"] + took["rows"]
        shown = (took["bare"], took["confess"], took["read"], took["rows"], ours)
        table.add_row(f"{samples:,}", *(f"{milliseconds:.1f}" for milliseconds in shown))
    Console().print(table)


if __name__ == "__main__":
    main()
