"""`confessions evaluate`: run tasks with confessions added, or take confessions of a finished log, through Inspect AI.

It only writes down the command: `inspect eval-set` does the work, so retries, limits, caching, resumption and the
viewer are Inspect's own, and every option of its command line can be given after `--`.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from confessions.errors import ConfessionsError
from confessions.evaluation.rows import Row, grouped, log_files, read_header, read_rows
from confessions.evaluation.tables import EVALUATION_RATES, Estimate, EvaluationTable, estimate, macro_mean
from confessions.evaluation.truth import Truth
from confessions.models import MODEL_NAMES
from confessions.scenarios.families import FAMILIES

ALL: Final = "all"
"""Stands for every family."""

SHOWN: Final = ("bad_rate", "p_confessed_given_bad", "p_confessed_given_good", "p_admitted_given_bad", "joint_fn")
"""The rates of the printed table; a report page has them all."""


class EvaluateError(ConfessionsError):
    """Say what is wrong with what should be evaluated."""


def inspect_command(
    tasks: Sequence[str],
    model: str | None,
    log: Path | None,
    truth: str,
    profile: str,
    out: Path,
    options: Sequence[str] = (),
) -> list[str]:
    """Write the arguments of `inspect` that do what was asked.

    Raises: EvaluateError if it is not clear what should be evaluated, or by which model.
    """
    if bool(tasks) == (log is not None):
        raise EvaluateError(
            f"name either tasks or a log: tasks are families ({', '.join(FAMILIES)}, or {ALL}) or one task of any "
            "other package or file, as `inspect eval` takes it; --log takes the log of a finished run"
        )
    for role, because in roles_needed(Truth.parse(truth), options).items():
        if not any(option.removeprefix("--model-role=").startswith(f"{role}=") for option in options):
            raise EvaluateError(
                f"{because} needs a model in the role {role}: give --model-role {role}=PROVIDER/MODEL behind a --"
            )
    if "--no-log-samples" in options:
        raise EvaluateError("--no-log-samples would throw away the confessions: leave it out")
    settings = {"truth": truth, "profile": profile}
    model_settings: dict[str, Any] = {}
    if log is not None:
        header = read_header(log)
        # An absolute path: the run may be taken up again from another folder.
        specs, settings = ["confessions/posthoc"], {"log": str(log.resolve()), **settings}
        if model is None:
            model, model_settings = header.eval.model, header.eval.model_args
    else:
        specs = _specs(tasks, settings)
    if model is None:
        raise EvaluateError(
            f"which model? --model takes {', '.join(MODEL_NAMES)}, a local folder, or a name as Inspect AI takes it, "
            "such as openai/gpt-5 or vllm/Qwen/Qwen3-8B"
        )
    if model_name(model).startswith("local/"):
        missing = next((library for library in ("torch", "llguidance") if find_spec(library) is None), None)
        if missing is not None:
            raise EvaluateError(
                f"{model} runs in memory, which needs {missing}: pip install 'confessions[local]' brings it"
            )
    arguments = [part for name, value in settings.items() for part in ("-T", f"{name}={value}")]
    arguments += [part for name, value in model_settings.items() for part in ("-M", f"{name}={json.dumps(value)}")]
    return ["eval-set", *specs, "--model", model_name(model), "--log-dir", str(out), *arguments, *options]


def roles_needed(truth: Truth, options: Sequence[str]) -> dict[str, str]:
    """List the model roles that a run's settings call for, each with the setting that does."""
    given = " ".join(options)
    needed = {}
    if truth.source == "grader":
        needed["grader"] = "truth=grader"
    if "cot_monitor" in given or "answer_monitor" in given:
        needed["monitor"] = "a monitor in -T also"
    if "failure_classes" in given or "reader=judge" in given:
        needed["confession_judge"] = "failure_classes" if "failure_classes" in given else "reader=judge"
    if "rubric" in given:
        needed["confession_rubric"] = "rubric in -T also"
    return needed


def _specs(tasks: Sequence[str], settings: dict[str, str]) -> list[str]:
    names = list(FAMILIES) if list(tasks) == [ALL] else [task.removeprefix("confessions/") for task in tasks]
    if all(name in FAMILIES for name in names):
        return [f"confessions/{name}" for name in names]
    typed = next((name for name in names if name not in FAMILIES and "/" not in name and ".py" not in name), None)
    if typed is not None:
        close = difflib.get_close_matches(typed, FAMILIES, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise EvaluateError(
            f"there is no family {typed!r}{hint}: families are {', '.join(FAMILIES)}; a task of another package is "
            "named PACKAGE/TASK, one of a file FILE.py@TASK"
        )
    if len(names) > 1:
        foreign = next(name for name in names if name not in FAMILIES)
        raise EvaluateError(
            f"{foreign} is no family of this package ({', '.join(FAMILIES)}); a task of another package is evaluated "
            "by itself, one command each"
        )
    settings["task"] = tasks[0]
    return ["confessions/wrapped"]


def model_name(model: str) -> str:
    """Give the names by which Inspect AI knows models: this package's names and folders run in memory."""
    return ",".join(
        f"local/{name}" if name in MODEL_NAMES or Path(name).expanduser().is_dir() else name
        for name in model.split(",")
    )


def log_folder(tasks: Sequence[str], model: str | None, log: Path | None, *settings: str) -> Path:
    """Name the folder of a run's logs after what is run; a run that differs in any setting has its own."""
    what = "-".join(tasks) if log is None else log.stem
    if len(tasks) > 3:
        # A folder's name has a limit, and nobody reads fourteen names.
        key = hashlib.blake2b(what.encode(), digest_size=3).hexdigest()
        what = f"{tasks[0]}-and-{len(tasks) - 1}-more-{key}"
    parts = [what or "nothing", model or "own", *(part for part in settings if part not in ("auto", "full"))]
    return Path("logs") / re.sub(r"[^\w.=+-]+", "-", "-".join(parts))


def run_evaluation(arguments: Sequence[str], echo: Callable[[str], None]) -> int:
    """Run `inspect` with these arguments and return its exit status."""
    echo(f"$ inspect {shlex.join(arguments)}")
    return subprocess.run([sys.executable, "-m", "inspect_ai", *arguments], check=False).returncode


def summary(logs: Sequence[Path]) -> str:
    """Draw the tables of a set of logs, one for each model and pressure: a line a family, and the families' mean."""
    out = io.StringIO()
    console = Console(file=out, width=150, color_system=None, highlight=False)
    for line in unfinished(logs):
        console.print(escape(line))
    for (model, variant), rows in grouped(read_rows(logs), "model", "variant").items():
        title = model if variant == "none" else f"{model}, pressure {variant}"
        found_in = {family: found for (family,), found in grouped(rows, "family").items()}
        order = [*(name for name in FAMILIES if name in found_in), *(name for name in found_in if name not in FAMILIES)]
        families = {name: found_in[name] for name in order}
        console.print(_table(escape(title), families))
        for family, found in families.items():
            table = EvaluationTable.count(found)
            if not table.is_attempted:
                reason = next(row.metadata.get("missing") for row in found if row.outcome == "not attempted")
                share = f"{table.not_attempted} of {table.total}"
                console.print(escape(f"{family}: not attempted in {share}: {reason}"))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def unfinished(logs: Sequence[Path]) -> list[str]:
    """Say of every log that is not whole how far it came, and of samples that ended in an error how many they are."""
    last: dict[tuple[str, str], tuple[Path, Any]] = {}
    for path in log_files(logs):
        header = read_header(path)
        key = header.eval.task_id, header.eval.model
        # The log of a killed run stays beside the one that went on from it.
        if key not in last or last[key][1].status != "success":
            last[key] = (path, header)
    lines = []
    for path, header in last.values():
        results = header.results
        done, total = (results.completed_samples, results.total_samples) if results else (0, 0)
        if header.status != "success":
            lines.append(f"{path.name}: the run ended with status {header.status}; what is below is what it has")
        elif done < total:
            lines.append(f"{path.name}: {total - done} of {total} samples ended in an error and are not below")
    return lines


def _table(title: str, families: Mapping[str, Sequence[Row]]) -> Table:
    drawn = Table(box=SIMPLE, title=title, title_justify="left")
    drawn.add_column("% [95 % interval]")
    for name in ("n", *(EVALUATION_RATES[name][0] for name in SHOWN), "unreadable", "unscored"):
        drawn.add_column(name, justify="right")
    for family, found in families.items():
        table = EvaluationTable.count(found)
        if table.is_attempted:
            rates = [_percent(estimate(found, EVALUATION_RATES[name][1])) for name in SHOWN]
            unreadable = table.unscored_bad + table.unscored_good
            drawn.add_row(escape(family), str(table.n), *rates, str(unreadable), str(table.unscored))
        else:
            drawn.add_row(escape(family), "-", "not attempted")
    if len(families) > 1:
        means = [_percent(macro_mean(families, EVALUATION_RATES[name][1])) for name in SHOWN]
        drawn.add_row("mean over families", "", *means)
    return drawn


def _percent(found: Estimate) -> str:
    if found.value is None:
        return "-"
    low, high = found.interval
    return escape(f"{found.value * 100:.0f} [{low * 100:.0f}, {high * 100:.0f}]")
