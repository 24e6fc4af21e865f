"""The committed results of the judges' bench as text: the tables in `docs/judges.md`, written by `make docs`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from confessions.experiments.judge_bench import COLUMNS, label_of, rows_of, shown
from confessions.experiments.readme import with_block
from confessions.judges.bench import Measure


def page_with_results(page: str, folder: Path) -> str:
    """Put the tables of a folder's `bench.json` into a page, in its block `bench`.

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
    return with_block(page, "bench", "".join(f"{line}\n" for line in lines))


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(page: Path) -> None:
    """Write the committed results into the page `docs/judges.md`."""
    folder = page.resolve().parent.parent / "results" / "judges"
    page.write_text(page_with_results(page.read_text(encoding="utf-8"), folder), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
