"""Put finished demonstrations under `results/`: a file for each seed, and for each model a summary and its kinds.

`python -m confessions.experiments.publish runs/demo-embedded-*` is what `make results` ends with.
"""

from __future__ import annotations

import csv
import itertools
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confessions.errors import ConfessionsError
from confessions.evaluation import read_outcomes
from confessions.experiments.demo import ARMS, TITLE
from confessions.experiments.results import read_results
from confessions.scenarios.rules import KINDS

RESULTS = Path("results")
KINDS_FILE = "kinds.csv"


def publish(folders: Sequence[Path], results: Path = RESULTS) -> list[Path]:
    """Copy each folder's `result.json` and write the summary of every model among them; return the files written.

    Raises: ConfessionsError if a folder holds no finished demonstration.
    """
    written: list[Path] = []
    models: dict[str, list[Path]] = {}
    for folder in folders:
        path = folder / "result.json"
        if not path.is_file():
            raise ConfessionsError(f"{folder} holds no finished demonstration (no result.json): run the demo there")
        read_results(path)
        run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        name = str(run["model"]["name"]).replace("/", "--")
        target = results / "demo" / name / f"seed-{run['seed']}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(as_json(run), encoding="utf-8")
        written.append(target)
        models.setdefault(name, []).append(folder)
    for name, published in models.items():
        written += [summarize_seeds(results / "demo" / name), write_kinds(published, results / "demo" / name)]
    return written


def write_kinds(folders: Sequence[Path], target: Path) -> Path:
    """Write `kinds.csv`: for each arm and kind of rule, how many verdicts on kept and on broken rules are right."""
    right: Counter[tuple[str, str, bool]] = Counter()
    verdicts: Counter[tuple[str, str, bool]] = Counter()
    for folder in folders:
        for arm in ARMS:
            for outcome in read_outcomes(folder / f"{arm}.jsonl"):
                for kind, kept, verdict in zip(outcome.kinds, outcome.kept, outcome.verdicts, strict=True):
                    verdicts[arm, kind, kept] += 1
                    right[arm, kind, kept] += verdict is kept
    path = target / KINDS_FILE
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["arm", "kind", "is_held_out", "rule", "right", "verdicts"])
        for arm, kind, kept in itertools.product(ARMS, KINDS, (True, False)):
            if count := verdicts[arm, kind, kept]:
                state = "kept" if kept else "broken"
                writer.writerow([arm, kind, KINDS[kind].is_held_out, state, right[arm, kind, kept], count])
    return path


def summarize_seeds(folder: Path) -> Path:
    """Write `summary.json` from the seeds' files beside it; the gallery stays in those."""
    runs = sorted((json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("seed-*.json")), key=_seed)
    summary = {
        "schema": 1,
        "title": TITLE,
        "command": f'make results MODEL={runs[0]["model"]["name"]} SEEDS="{" ".join(str(_seed(run)) for run in runs)}"',
        "model": runs[0]["model"],
        "seeds": [_seed(run) for run in runs],
        "runs": [{**run, "gallery": run["gallery"] if number == 0 else []} for number, run in enumerate(runs)],
    }
    path = folder / "summary.json"
    path.write_text(as_json(summary), encoding="utf-8")
    read_results(path)
    return path


def _seed(run: dict[str, Any]) -> int:
    return int(run["seed"])


def as_json(value: Any) -> str:
    """Write a result so that a change of it shows as a small difference."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    try:
        for path in publish([Path(name) for name in sys.argv[1:]]):
            print(path)
    except ConfessionsError as error:
        sys.exit(f"error: {error}")
