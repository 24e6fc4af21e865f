"""The committed evaluation results as text: the page `docs/evaluation-results.md` and the README's block.

Both are made by `make docs` from `results/evaluation/`, which `confessions report` wrote, so no number is typed.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from confessions.errors import ConfessionsError
from confessions.experiments.evaluation_results import PaperRow, paper_mean, paper_table, trained_from
from confessions.experiments.readme import with_block
from confessions.scenarios.families import FAMILIES

COMMAND: Final = "make evaluation"
PAPER: Final = "paper (another model, other data)"

SHOWN: Final[Mapping[str, str]] = {
    "bad_rate": "bad rate",
    "p_confessed_given_bad": "P(confessed \\| bad)",
    "p_confessed_given_good": "P(confessed \\| good)",
    "p_admitted_given_bad": "P(admitted \\| bad)",
    "joint_fn": "joint false negatives",
}
"""The rates that the tables show, by their columns, with their labels."""

HEAD: Final = f"""\
# Evaluation results

Written from `results/evaluation/` by `make docs`. `{COMMAND}` ran it: every family on the embedded model and on
SmolLM2-135M, each as it comes and after the demo's training with confessions (`confessions demo`, seed 0), with the
brief request, 60 items of seed 0 per family (`writing` on the embedded model: 400). Answers and confessions are
sampled with seed 0: the embedded model's at temperature 1, SmolLM2's at 0.7, with at most 96 tokens an answer and 144 a
confession, whose JSON is closed before the limit. Rates are in percent, with 95 % intervals: Wilson's, or a bootstrap
over prompts where items share one. The truth is found by programs, and confessions are read by their labels.

The paper's rows are of GPT-5-Thinking on the paper's own data, which is not public: another model, and other data.
"""


class EvaluationTablesError(ConfessionsError):
    """Say why the tables cannot be written."""


def read_table(path: Path) -> list[dict[str, str]]:
    """Read one of the committed CSV files.

    Raises: EvaluationTablesError if it is missing.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise EvaluationTablesError(f"cannot read {path}: {error.strerror}; `{COMMAND}` writes it") from None
    # Each model as it comes, then trained.
    return sorted(rows, key=lambda row: (_base(row["model"]), trained_from(row["model"]) is not None))


def _base(name: str) -> str:
    return trained_from(name) or name.removeprefix("local/")


def model_label(name: str) -> str:
    """Name a model for readers: the demo's trained models by what they were trained from."""
    return f"`{_base(name)}`" + (", trained" if trained_from(name) else "")


def results_page(folder: Path) -> str:
    """Write the page: for each family all models and the paper's row, then the means."""
    table, means = read_table(folder / "table.csv"), read_table(folder / "means.csv")
    parts = [HEAD]
    seen = {row["family"] for row in table}
    for family in [*(name for name in FAMILIES if name in seen), *sorted(seen - set(FAMILIES))]:
        members = [row for row in table if row["family"] == family]
        parts.append(f"## {family}\n\n{members[0]['title']}.\n")
        lines = [_head("model", "n", "bad", "good", "neither", "unreadable", *SHOWN.values())]
        notes = []
        for row in members:
            if row["not_attempted_because"]:
                lines.append(_row(model_label(row["model"]), "-", *[""] * 4, "not attempted", *[""] * (len(SHOWN) - 1)))
                notes.append(f"- {model_label(row['model'])}: {row['not_attempted_because']}")
                continue
            neither = int(row["neither_confessed"]) + int(row["neither_not_confessed"])
            unreadable = int(row["unscored_bad"]) + int(row["unscored_good"])
            n = int(row["bad"]) + int(row["good"]) + neither
            counts = (n, row["bad"], row["good"], neither, unreadable)
            lines.append(_row(model_label(row["model"]), *map(str, counts), *(_rate(row, name) for name in SHOWN)))
        paper = paper_table().get(FAMILIES[family].paper or "") if family in FAMILIES else None
        lines += [] if paper is None else [_paper_row(paper)]
        parts.append("\n".join([*lines, *(["", *notes] if notes else []), ""]))
    parts.append(
        "## Mean over families\n\nEach family weighs alike; those without cases, or not attempted, are left out.\n"
    )
    parts.append("\n".join([*_means(means), _paper_mean(), ""]))
    return "\n".join(parts)


def readme_block(folder: Path) -> str:
    """Write the README's table: the training tasks and the means over families, model by model."""
    table, means = read_table(folder / "table.csv"), read_table(folder / "means.csv")
    lines = [_head("family `writing`", "n", *SHOWN.values())]
    for row in table:
        if row["family"] == "writing" and not row["not_attempted_because"]:
            n = int(row["bad"]) + int(row["good"])
            lines.append(_row(model_label(row["model"]), str(n), *(_rate(row, name) for name in SHOWN)))
    return "\n".join(
        [
            f"`{COMMAND}`, seed 0; data: [`results/evaluation/table.csv`](results/evaluation/table.csv); every family: "
            "[docs/evaluation-results.md](docs/evaluation-results.md).",
            "",
            *lines,
            "",
            *_means(means),
            _paper_mean(),
            "",
        ]
    )


def _means(means: Sequence[Mapping[str, str]]) -> list[str]:
    lines = [_head("mean over families", "families", *SHOWN.values())]
    for row in means:
        if row["mean_over"] == "the paper's families" and row["bad_rate"]:
            label = f"{model_label(row['model'])}, {row['mean_over']}"
            lines.append(_row(label, row["bad_rate_families"], *(_rate(row, name) for name in SHOWN)))
    return lines


def _rate(row: Mapping[str, str], name: str) -> str:
    if not row[name]:
        return "-"
    value, low, high = (100 * float(row[key]) for key in (name, f"{name}_low", f"{name}_high"))
    return f"{value:.0f} [{low:.0f}, {high:.0f}]"


def _paper_row(row: PaperRow) -> str:
    return _row(f"*{PAPER}*", *[""] * 5, *(_percent(row.rate(name)) for name in SHOWN))


def _paper_mean() -> str:
    return _row(f"*{PAPER}*", str(len(paper_table())), *(_percent(paper_mean(name)) for name in SHOWN))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _head(*cells: str) -> str:
    return f"{_row(*cells)}\n{_row('---', *['---:'] * (len(cells) - 1))}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main(readme: Path) -> None:
    """Write the page and the README's block."""
    root = readme.resolve().parent
    folder = root / "results" / "evaluation"
    (root / "docs" / "evaluation-results.md").write_text(results_page(folder), encoding="utf-8")
    text = with_block(readme.read_text(encoding="utf-8"), "evaluation", readme_block(folder))
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
