"""The README's results and picture, made from the committed results by `make docs`.

Every number is computed here from the counts under `results/`, so none can be typed or grow stale.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import NamedTuple

from confessions.errors import ConfessionsError
from confessions.evaluation.metrics import Rate, across_seeds
from confessions.experiments.figures import Figure, outcomes
from confessions.experiments.publish import KINDS_FILE
from confessions.experiments.results import RATES, Results, read_results

PICTURE = Path("docs/img/outcomes.png")
"""The README's picture, relative to the README: the first study's 2x2 tables as bars."""

SHOWN_RATES = (
    "bad_rate",
    "p_confessed_given_bad",
    "p_confessed_given_good",
    "p_admitted_given_bad",
    "joint_false_negatives",
    "judge_accuracy_given_bad",
)
"""The rates that the block shows, by their names in `RATES`."""


class Study(NamedTuple):
    """One study's committed results."""

    path: Path
    """Relative to the README."""
    results: Results
    kinds: Path
    """Its verdicts by kind of rule, where there are any."""


class ReadmeError(ConfessionsError):
    """Say why the block cannot be written."""


def studies(results_folder: Path) -> list[Study]:
    """Read every study under `demo/`: its summary or, where it has none, its first seed."""
    found = []
    for folder in sorted(results_folder.glob("demo/*")):
        files = [path for path in (folder / "summary.json", *sorted(folder.glob("seed-*.json"))) if path.is_file()]
        if files:
            path = files[0].relative_to(results_folder.parent)
            found.append(Study(path, read_results(files[0]), folder / KINDS_FILE))
    return found


def results_block(found: list[Study]) -> str:
    """Write the text of the block, a section for each study."""
    if not found:
        return "No results are committed; `make results` makes them.\n"
    return "\n".join(map(_section, found))


def picture_block(found: list[Study]) -> str:
    """Write the line that shows the picture, described in words; nothing where there are no results."""
    if not found:
        return ""
    path, results, _ = found[0]
    description = " ".join(_picture(results).description.split())
    source = f"*`{results.command}`; data: {_link(path)}.*"
    return f"![{description}]({PICTURE.as_posix()})\n\n{source}\n"


def with_block(readme: str, name: str, block: str) -> str:
    """Put a block between its two markers, `<!-- name:begin -->` and `<!-- name:end -->`.

    Raises: ReadmeError where a marker is missing or stands twice.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    for marker in (begin, end):
        if readme.count(marker) != 1:
            raise ReadmeError(f"the README needs {marker} exactly once; it has it {readme.count(marker)} times")
    before, _, rest = readme.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{block}{end}{after}"


def with_results(readme: str, found: list[Study]) -> str:
    """Write the README anew with the picture and the results of these studies."""
    return with_block(with_block(readme, "picture", picture_block(found)), "results", f"\n{results_block(found)}\n")


def _picture(results: Results) -> Figure:
    return outcomes(results, results.groups[0])


def _section(study: Study) -> str:
    path, results, kinds = study
    model = results.model
    size = "" if model.parameters is None else f", {_millions(model.parameters)} parameters"
    seeds = f"seed{'s' * (len(results.seeds) > 1)} {', '.join(map(str, results.seeds))}"
    lines = [f"### `{model.name}`{size}", "", f"`{results.command}`, {seeds}; data: {_link(path)}.", ""]
    for group in results.groups:
        lines += [f"**{group[0].upper()}{group[1:]}**", "", *_table(results, group), ""]
    return "\n".join([*lines, *_by_seed(results), *_by_kind(kinds, results.arms[-1])])


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
    arm = results.arms[-1]
    lines = [f"Seed by seed, arm `{arm}`, with the mean of the seeds and its 95 % t interval:", ""]
    for group in results.groups:
        for name in ("p_confessed_given_bad", "p_confessed_given_good"):
            values = [table.rate(name).value for table in results.by_seed(arm, group)]
            listed = ", ".join("-" if value is None else f"{value:.0%}" for value in values)
            lines.append(f"- {group}, {RATES[name].label}: {listed}{_mean([v for v in values if v is not None])}")
    return [*lines, ""]


def _mean(values: list[float]) -> str:
    if not values:
        return ""
    mean = across_seeds(values)
    if mean.interval is None:
        return ""
    low, high = mean.interval
    return f"; mean {mean.mean:.0%} [{low * 100:.0f}, {high * 100:.0f}]"


def _by_kind(path: Path, arm: str) -> list[str]:
    """Tell for each held-out kind of rule how often the arm's verdicts are right."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        every = list(csv.DictReader(file))
    rows = [row for row in every if row["arm"] == arm and row["is_held_out"] == "True"]
    shares = {(row["kind"], row["rule"]): Rate(int(row["right"]), int(row["verdicts"])) for row in rows}
    none = Rate(0, 0)
    kinds = list(dict.fromkeys(kind for kind, _ in shares))
    table = [
        _row([f"`{kind}`", percent(shares.get((kind, "broken"), none)), percent(shares.get((kind, "kept"), none))])
        for kind in kinds
    ]
    header = ["held-out kind", "right of a broken rule", "right of a kept rule"]
    title = f"Verdicts of arm `{arm}` on the single rules of the held-out kinds, pooled over seeds:"
    return [*_said_broken(every), title, "", _row(header), _row(["---", "---:", "---:"]), *table, ""]


def _said_broken(rows: list[dict[str, str]]) -> list[str]:
    """Tell of the untrained model how often a verdict does not say "kept", of broken and of kept rules.

    Whole answers would mislead here: those with three rules are bad more often and are confessed more often.
    """
    counts = dict.fromkeys(("broken", "kept"), Rate(0, 0))
    for row in rows:
        if row["arm"] == "before":
            right, verdicts = int(row["right"]), int(row["verdicts"])
            said = right if row["rule"] == "broken" else verdicts - right
            before = counts[row["rule"]]
            counts[row["rule"]] = Rate(before.k + said, before.n + verdicts)
    broken, kept = percent(counts["broken"]), percent(counts["kept"])
    return [f'Before training, a single verdict is not "kept" for {broken} of broken and {kept} of kept rules.', ""]


def _link(path: Path) -> str:
    return f"[`{path.as_posix()}`]({path.as_posix()})"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} million" if count < 1e8 else f"{count / 1e6:.0f} million"


def main(arguments: list[str]) -> int:
    """Rewrite the block in the README at the given path, and its picture, from the `results/` folder beside it."""
    if len(arguments) != 1:
        print("usage: python -m confessions.experiments.readme README.md", file=sys.stderr)
        return 2
    readme = Path(arguments[0])
    try:
        found = studies(readme.parent / "results")
        text = with_results(readme.read_text(encoding="utf-8"), found)
    except (ConfessionsError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    readme.write_text(text, encoding="utf-8")
    if found:
        picture = readme.parent / PICTURE
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(_picture(found[0].results).png())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
