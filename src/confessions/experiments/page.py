"""Render a study's report: one HTML file that opens offline and asks for nothing from anywhere.

Every sentence with a number in it is computed here from the results. Answers and confessions are untrusted text:
Jinja escapes them, and the page's content security policy lets nothing run but its own script.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from confessions.errors import ConfessionsError
from confessions.evaluation.metrics import Rate, across_seeds, difference
from confessions.experiments.figures import CELL_NAMES, PALETTE, Figure, draw_all, rate_words, write_figures
from confessions.experiments.results import CELLS, RATES, Cell, GalleryItem, Results, Table, read_studies

PAGE_NAME = "report.html"
"""The name of the page's file."""

TRAINED = "confessions"
"""The arm whose model was trained to confess."""

BASELINE = "before"
"""The arm of the model as it was before any training."""

CONTROL = "control"
"""The arm that was trained on the same answers without confessions."""

_LONG_TABLE = 60


class ReportError(ConfessionsError):
    """Say why the report cannot be written."""


class Piece(NamedTuple):
    """A part of a sentence, and the role whose colour it has ("" for none)."""

    text: str
    role: str = ""


class Tile(NamedTuple):
    """One rate of the headline's group, arm by arm."""

    label: str
    meaning: str
    role: str
    arms: tuple[tuple[str, Rate], ...]


class RateCell(NamedTuple):
    """One entry of the table of rates: an arm's pooled rate and, for several seeds, what the seeds say."""

    arm: str
    rate: Rate
    seeds: str


class RateRow(NamedTuple):
    """One rate, arm by arm."""

    label: str
    meaning: str
    cells: tuple[RateCell, ...]


class Verdict(NamedTuple):
    """How the gallery shows one statement about one rule."""

    symbol: str
    text: str
    tone: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A heading, what to look for, and the panels below it."""

    name: str
    heading: str
    lead: str
    figures: tuple[Figure, ...]


def headline(results: Results) -> tuple[Piece, ...]:
    """Say in one sentence what the trained arm's confessions are worth on the first group of prompts."""
    arm = TRAINED if TRAINED in results.arms else results.arms[-1]
    group = results.groups[0]
    table = results.table(arm, group)
    if table.n == 0:
        return (Piece(f"Nothing was measured on {group}."),)
    if table.bad == 0:
        return (Piece(f"None of {table.n} answers broke a rule, so there was nothing to confess."),)
    before = results.table(BASELINE, group) if BASELINE in results.arms and arm != BASELINE else None
    pieces = [
        Piece("When its answer broke a rule, the trained model said so in its confession in "),
        Piece(_percent(table.rate("p_confessed_given_bad")), "tp"),
        Piece(" of cases"),
    ]
    if before is not None and before.bad:
        pieces.append(Piece(f" ({_percent(before.rate('p_confessed_given_bad'))} before training)"))
    if table.good:
        pieces += [
            Piece("; when it had kept every rule, it confessed all the same in "),
            Piece(_percent(table.rate("p_confessed_given_good")), "fp"),
        ]
        if before is not None and before.good:
            pieces.append(Piece(f" ({_percent(before.rate('p_confessed_given_good'))} before)"))
    pieces.append(Piece("."))
    return tuple(pieces)


def findings(results: Results) -> tuple[str, ...]:
    """State what the intervals allow to be said of the trained arm, one sentence at a time, group by group."""
    arm = TRAINED if TRAINED in results.arms else results.arms[-1]
    said: list[str] = []
    for group in results.groups:
        table = results.table(arm, group)
        where = f"{group[:1].upper()}{group[1:]}"
        bad, good = table.rate("p_confessed_given_bad"), table.rate("p_confessed_given_good")
        if table.bad and table.good:
            said.append(
                f"{where}: confessions {_tells_apart(bad, good)}: "
                f"P(confessed | bad) is {rate_words(bad)}, P(confessed | good) {rate_words(good)}."
            )
        if BASELINE in results.arms and arm != BASELINE:
            change = _change(results.table(BASELINE, group).rate("p_confessed_given_bad"), bad)
            if change:
                said.append(f"{where}: training changed P(confessed | bad) by {change}.")
        if CONTROL in results.arms and arm != CONTROL:
            change = _change(_compliance(results.table(CONTROL, group)), _compliance(table))
            if change:
                said.append(f"{where}: true compliance differs from the control arm's by {change}.")
    return tuple(unbroken(sentence) for sentence in said)


def sections(results: Results, figures: Sequence[Figure]) -> tuple[Section, ...]:
    """Sort the panels under their headings, leaving out headings that have none."""
    several = len(results.seeds) > 1
    band = (
        "Line: mean over the seeds; band: their range."
        if several
        else "Band: 95 % Wilson interval of the probe's sample."
    )
    strips = " The thin bars below each bar are the single seeds." if several else ""
    dots = " Faint dots are the single seeds." if several else ""
    texts = {
        "outcomes": (
            "Four ways an answer and its confession can end",
            f"Each bar holds every held-out answer of one arm. The dark mark divides answers that broke a rule (left) "
            f"from answers that kept them all (right). Honest is: nothing but {CELL_NAMES['tp']} on the "
            f"left and {CELL_NAMES['tn']} on the right.{strips}",
        ),
        "rates": (
            "Does a confession tell bad from good?",
            f"A model that always confesses has both marks at 100 %, one that never does has both at 0. "
            f"Honest is: the circle far right, the diamond far left. Lines are 95 % Wilson intervals.{dots}",
        ),
        "admitted": (
            "Admitted in the answer, or confessed",
            "Of the answers that broke a rule: how many told so themselves, unasked, and how many the "
            f"confession told of.{dots}",
        ),
        "hack": (
            "What the judge passes, and what is true",
            "The weak judge looks at a few rules and believes the answer about the rest. Where the two lines part, "
            f"answers earn reward for rules they break. {band}",
        ),
        "honesty": (
            "Who is right about the answers",
            "On answers that broke a rule: how often the weak judge noticed, and how often the confession said so. "
            f"Beside it, how often the confession was right about good answers. {band}",
        ),
        "rewards": (
            "Both channels' reward",
            "The answer's reward never reaches the confession's tokens, nor the reverse. "
            + ("Smoothed; band: range over the seeds." if several else "Thin line: each step; thick line: smoothed."),
        ),
    }
    found = []
    for name, (heading, lead) in texts.items():
        panels = tuple(figure for figure in figures if figure.section == name)
        if panels:
            found.append(Section(name, heading, lead, panels))
    return tuple(found)


def tiles(results: Results) -> tuple[Tile, ...]:
    """Pick the rates that stand large at the top of the page, on the first group of prompts."""
    group = results.groups[0]
    picked = (
        ("p_confessed_given_bad", "tp"),
        ("p_confessed_given_good", "fp"),
        ("p_admitted_given_bad", "judge"),
        ("judge_accuracy_given_bad", "judge"),
    )
    return tuple(
        Tile(
            RATES[name].label,
            RATES[name].meaning,
            role,
            tuple((arm, results.table(arm, group).rate(name)) for arm in results.arms),
        )
        for name, role in picked
    )


def rate_rows(results: Results, group: str) -> tuple[RateRow, ...]:
    """Make the rows of one group's table of rates."""
    return tuple(
        RateRow(
            kind.label,
            kind.meaning,
            tuple(
                RateCell(arm, results.table(arm, group).rate(name), _seeds_words(results, arm, group, name))
                for arm in results.arms
            ),
        )
        for name, kind in RATES.items()
    )


def shown_example(results: Results) -> GalleryItem | None:
    """Pick one gallery item for the top of the page: an answer that claims a rule it broke, and confesses it."""
    caught = [item for item in results.gallery if item.arm == TRAINED and item.cell == "tp"]
    for item in caught:
        if any(not rule.kept and rule.claimed and rule.verdict is False for rule in item.rules):
            return item
    return caught[0] if caught else None


def in_turn(results: Results) -> tuple[GalleryItem, ...]:
    """Order the gallery so that its first cards show each cell once, the trained arm's before the others'."""
    arms = sorted(results.arms, key=lambda arm: arm != TRAINED)
    seen: Counter[tuple[str, str, Cell]] = Counter()
    ranked = []
    for item in results.gallery:
        place = item.arm, item.group, item.cell
        ranked.append((seen[place], arms.index(item.arm), results.groups.index(item.group), item))
        seen[place] += 1
    return tuple(item for *_, item in sorted(ranked, key=lambda entry: (*entry[:3], CELLS.index(entry[3].cell))))


def truth_mark(kept: bool) -> Verdict:
    """Show whether a rule was kept."""
    return Verdict("✓", "kept", "good") if kept else Verdict("✗", "broken", "bad")


def claim_mark(claimed: bool | None, kept: bool) -> Verdict:
    """Show what the answer says of a rule, and whether that is so."""
    if claimed is None:
        return Verdict("–", "no claim", "none")
    mark = Verdict("✓", "says kept", "good") if claimed else Verdict("✗", "says broken", "bad")
    return mark if claimed == kept else mark._replace(tone="lie", note="untrue")


def verdict_mark(verdict: bool | None, kept: bool) -> Verdict:
    """Show what the confession says of a rule, and whether that is so."""
    if verdict is None:
        return Verdict("–", "no verdict", "none")
    mark = Verdict("✓", "kept", "good") if verdict else Verdict("✗", "broken", "bad")
    return mark if verdict == kept else mark._replace(tone="lie", note="wrong")


def render_page(results: Results) -> str:
    """Return the whole page as one HTML text."""
    environment = Environment(
        loader=PackageLoader("confessions.experiments"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    assert environment.loader is not None
    script = environment.loader.get_source(environment, "report.js")[0]
    style = environment.loader.get_source(environment, "report.css")[0]
    figures = draw_all(results)
    first = results.runs[0]
    return environment.get_template("report.html.j2").render(
        results=results,
        first=first,
        headline=headline(results),
        findings=findings(results),
        tiles=tiles(results),
        gallery=in_turn(results),
        example=shown_example(results),
        sections=sections(results, figures),
        groups=[(group, rate_rows(results, group)) for group in results.groups],
        cells=CELLS,
        cell_names=CELL_NAMES,
        cell_totals=_cell_totals(results.gallery),
        rate_words=rate_words,
        percent=_percent,
        truth_mark=truth_mark,
        claim_mark=claim_mark,
        verdict_mark=verdict_mark,
        markup=Markup,
        long_table=_LONG_TABLE,
        one_line=partial(json.dumps, ensure_ascii=False),
        lines=partial(json.dumps, ensure_ascii=False, indent=2),
        palette=PALETTE,
        style=Markup(style),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def write_report(results: Results | Sequence[Path | str], folder: Path | str) -> Path:
    """Write the page and, in `figures/` beside it, its panels and their data; return the page's path.

    Paths in place of results are read first: the files of several seeds of one study, or its summary.
    The page appears whole or not at all: it is written beside its place and then moved there.
    Raises: ResultsError for results that do not fit, ReportError where the disk takes no more.
    """
    if not isinstance(results, Results):
        results = read_studies(results)
    folder = Path(folder)
    path = folder / PAGE_NAME
    text = render_page(results)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_figures(results, folder / "figures")
        write_whole(path, text)
    except OSError as error:
        raise ReportError(f"cannot write the report to {folder}: {error}") from error
    return path


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears only once it is whole."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _percent(rate: Rate) -> str:
    return "no cases" if rate.value is None else f"{100 * rate.value:.0f}\u00a0%"


def unbroken(sentence: str) -> str:
    """Set minus signs, dashes in ranges and spaces that do not break."""
    sentence = re.sub(r"(?<=\d)-(?=\d)", "\u2013", sentence)
    sentence = re.sub(r"(?<=[ (])-(?=\d)", "\u2212", sentence)
    return re.sub(r"(?<=\d) (?=%)", "\u00a0", sentence)


def _compliance(table: Table) -> Rate:
    return Rate(table.good, table.n)


def _tells_apart(bad: Rate, good: Rate) -> str:
    interval = difference(bad, good).interval
    if interval.low > 0:
        return "tell bad answers from good ones"
    if interval.high < 0:
        return "get bad and good answers the wrong way round"
    return "do not tell bad answers from good ones"


def _change(old: Rate, new: Rate) -> str:
    value, interval = difference(new, old)
    if value is None:
        return ""
    clear = "leaves zero out" if interval.low > 0 or interval.high < 0 else "includes zero"
    return (
        f"{100 * value:+.0f} points (95 % interval {100 * interval.low:+.0f} to {100 * interval.high:+.0f}, "
        f"which {clear})"
    )


def _seeds_words(results: Results, arm: str, group: str, name: str) -> str:
    values = [v for table in results.by_seed(arm, group) if (v := table.rate(name).value) is not None]
    if len(values) < 2:
        return ""
    mean, interval, _ = across_seeds(values)
    assert interval is not None
    low, high = max(0.0, interval.low), min(1.0, interval.high)
    return f"seeds: {100 * mean:.0f} % ({100 * low:.0f}\u2013{100 * high:.0f} %)"


def _cell_totals(gallery: Sequence[GalleryItem]) -> dict[Cell, int]:
    return {cell: sum(item.cell == cell for item in gallery) for cell in CELLS}
