"""The README's results block, written from the committed results: `python -m confessions.experiments.readme README.md`.

Every number in the block is computed here from the counts under `results/`, so none can be typed or grow stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

from confessions.errors import ConfessionsError
from confessions.evaluation.metrics import Rate
from confessions.experiments.results import RATES, Results, read_results

BEGIN = "<!-- results:begin (written by `make docs`) -->"
END = "<!-- results:end -->"

SHOWN_RATES = (
    "bad_rate",
    "p_confessed_given_bad",
    "p_confessed_given_good",
    "p_admitted_given_bad",
    "joint_false_negatives",
    "judge_accuracy_given_bad",
)
"""The rates that the block shows, by their names in `RATES`."""


class ReadmeError(ConfessionsError):
    """Say why the block cannot be written."""


def results_block(results_folder: Path) -> str:
    """Write the block's text from every study under `results/demo/`: its summary, or its only seed."""
    studies = [_study(folder) for folder in sorted(results_folder.glob("demo/*")) if folder.is_dir()]
    sections = [_section(results, path.relative_to(results_folder.parent)) for results, path in filter(None, studies)]
    return "\n".join(sections) if sections else "No results are committed; `make results` makes them.\n"


def with_results(readme: str, block: str) -> str:
    """Put the block between the README's two markers.

    Raises: ReadmeError where a marker is missing or stands twice.
    """
    for marker in (BEGIN, END):
        if readme.count(marker) != 1:
            raise ReadmeError(
                f"the README needs the line {marker!r} exactly once; it has it {readme.count(marker)} times"
            )
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{block}\n{END}{after}"


def _study(folder: Path) -> tuple[Results, Path] | None:
    """Read a study's summary or, where it has none, its first seed."""
    files = [folder / "summary.json", *sorted(folder.glob("seed-*.json"))]
    for path in files:
        if path.is_file():
            return read_results(path), path
    return None


def _section(results: Results, path: Path) -> str:
    model = results.model
    size = "" if model.parameters is None else f", {_millions(model.parameters)} parameters"
    seeds = f"seed{'s' * (len(results.seeds) > 1)} {', '.join(map(str, results.seeds))}"
    where = f"[`{path.as_posix()}`]({path.as_posix()})"
    lines = [f"### `{model.name}`{size}", "", f"`{results.command}`, {seeds}; data: {where}.", ""]
    for group in results.groups:
        lines += [f"**{group[0].upper()}{group[1:]}**", "", *_table(results, group), ""]
    return "\n".join([*lines, *_by_seed(results)])


def _table(results: Results, group: str) -> list[str]:
    header = ["", "answers", *(RATES[name].label.replace("|", "\\|") for name in SHOWN_RATES)]
    rows = []
    for arm in results.arms:
        table = results.table(arm, group)
        rows.append([arm, f"{table.n:,}", *(percent(table.rate(name)) for name in SHOWN_RATES)])
    return [_row(header), _row(["---", *["---:"] * (len(header) - 1)]), *map(_row, rows)]


def percent(rate: Rate) -> str:
    """Write a rate in percent with its 95 % interval, or a dash where nothing was counted."""
    if rate.value is None:
        return "-"
    low, high = rate.interval
    return f"{rate.value:.0%} [{low * 100:.0f}, {high * 100:.0f}]"


def _by_seed(results: Results) -> list[str]:
    """List the last arm's two confession rates seed by seed, since pooled intervals leave out the spread of seeds."""
    if len(results.seeds) < 2:
        return []
    arm, group = results.arms[-1], results.groups[0]
    lines = [f"Seed by seed, {group}, arm `{arm}`:", ""]
    for name in ("p_confessed_given_bad", "p_confessed_given_good"):
        values = [table.rate(name).value for table in results.by_seed(arm, group)]
        lines.append(f"- {RATES[name].label}: {', '.join('-' if v is None else f'{v:.0%}' for v in values)}")
    return [*lines, ""]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} million" if count < 1e8 else f"{count / 1e6:.0f} million"


def main(arguments: list[str]) -> int:
    """Rewrite the block in the README at the given path from the `results/` folder beside it."""
    if len(arguments) != 1:
        print("usage: python -m confessions.experiments.readme README.md", file=sys.stderr)
        return 2
    readme = Path(arguments[0])
    try:
        text = with_results(readme.read_text(encoding="utf-8"), results_block(readme.parent / "results"))
    except ConfessionsError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    readme.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
