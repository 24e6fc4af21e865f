"""The committed results about judges as text: the tables in `docs/judges.md`, written by `make docs`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from confessions.experiments.judge_bench import COLUMNS, label_of, rows_of, shown
from confessions.experiments.readme import with_block
from confessions.judges.bench import Measure


def _percent(share: float) -> str:
    return f"{share * 100:.0f}%"


EXAMINATION: Final[Mapping[str, tuple[str, Callable[[float], str]]]] = MappingProxyType(
    {
        "auc": ("AUC over rules", "{:.2f}".format),
        "right_of_kept": ("right of kept", _percent),
        "right_of_broken": ("right of broken", _percent),
        "answers": ("better of two answers", _percent),
        "confessions": ("better of two confessions", _percent),
        "rank_correlation": ("rank correlation", "{:.2f}".format),
    }
)
"""The columns of the learned judge's table, and how their numbers are written."""


def page_with_results(page: str, folder: Path) -> str:
    """Put the tables of a folder's `bench.json` and `learned.json` into a page, in its blocks `bench` and `learned`.

    A judge that has no verdict on a source is not in that source's table.
    """
    facts = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    by_source: dict[str, dict[str, list[Measure]]] = {}
    for record in facts["measures"]:
        measure = Measure(record["measure"], *(record[name] for name in COLUMNS[3:]))
        by_source.setdefault(record["source"], {}).setdefault(record["judge"], []).append(measure)
    lines: list[str] = []
    for source, measures in by_source.items():
        telling = {name: found for name, found in measures.items() if any(m.name == "kendall" and m.n for m in found)}
        if not telling:
            continue
        lines += ["", f"**`{source}`**, {facts['cases']} cases, seed {facts['seed']}", ""]
        lines += [_row(["", *(f"`{name}`" for name in telling)]), _row(["---", *["---:"] * len(telling)])]
        lines += [_row([label_of(row[0].name), *map(shown, row)]) for row in rows_of(telling)]
    page = with_block(page, "bench", "".join(f"{line}\n" for line in lines))
    return with_block(page, "learned", _learned_table(json.loads((folder / "learned.json").read_text("utf-8"))))


def _learned_table(records: list[dict[str, Any]]) -> str:
    lines = [_row(["seed", *(heading for heading, _ in EXAMINATION.values())])]
    lines.append(_row(["---:"] * (len(EXAMINATION) + 1)))
    for record in records:
        found = record["examination"]
        lines.append(_row([str(record["seed"]), *(write(found[key]) for key, (_, write) in EXAMINATION.items())]))
    return "".join(f"{line}\n" for line in ["", *lines])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(page: Path) -> None:
    """Write the committed results into the page `docs/judges.md`."""
    folder = page.resolve().parent.parent / "results" / "judges"
    page.write_text(page_with_results(page.read_text(encoding="utf-8"), folder), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
