"""Put finished demonstrations under `results/`: a file for each seed, and a summary of all seeds of a model.

`python -m confessions.experiments.publish runs/demo-embedded-*` is what `make results` ends with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confessions.errors import ConfessionsError
from confessions.experiments.demo import TITLE
from confessions.experiments.results import read_results

RESULTS = Path("results")


def publish(folders: Sequence[Path], results: Path = RESULTS) -> list[Path]:
    """Copy each folder's `result.json` and write the summary of every model among them; return the files written.

    Raises: ConfessionsError if a folder holds no finished demonstration.
    """
    written: list[Path] = []
    models: set[str] = set()
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
        models.add(name)
    return written + [summarize_seeds(results / "demo" / name) for name in sorted(models)]


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
