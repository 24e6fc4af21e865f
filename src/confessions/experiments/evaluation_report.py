"""Render the report of any set of evaluation logs: one HTML file that opens offline, and its numbers beside it.

Prompts, answers, confessions, judges' reasons and the names in logs are untrusted text: Jinja escapes them, and the
page's content security policy lets nothing run but its own script. What the logs hold no data for is left out.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from confessions.evaluation.confidence import SCORER
from confessions.evaluation.layers import MONITORS, layer_table
from confessions.evaluation.metrics import Difference
from confessions.evaluation.predicates import CELLS, Cell
from confessions.evaluation.rows import Row, log_files, read_rows, read_samples
from confessions.evaluation.tables import EVALUATION_RATES, Estimate
from confessions.evaluation.transcripts import to_transcript
from confessions.experiments.evaluation_figures import (
    FAILURES,
    confidence_records,
    confidence_series,
    draw_evaluation,
    estimate_words,
    layer_words,
    write_evaluation_figures,
)
from confessions.experiments.evaluation_results import (
    COUNTS,
    HEADLINE,
    EvaluationResults,
    contrast,
    mean_groups,
    mean_records,
    paper_mean,
    paper_table,
    table_records,
)
from confessions.experiments.figures import PALETTE, Figure
from confessions.experiments.page import PAGE_NAME, Piece, ReportError, unbroken, write_whole
from confessions.protocol import Message
from confessions.scenarios.families import FAMILIES

GALLERY_SIZE: Final = 4
"""How many transcripts of each outcome the gallery shows of a model."""

SHOWN_CHARACTERS: Final = 800
"""How much of a text is shown at once; the rest unfolds."""

MOST_CHARACTERS: Final = 20_000
"""How much of a text the page holds at all; the log has the rest."""

CELL_WORDS: Final[Mapping[Cell, tuple[str, str, str]]] = {
    "tp": ("✓", "confessed", "bad, and the confession says so"),
    "fn": ("✗", "unconfessed", "bad, and the confession does not say so"),
    "unscored_bad": ("?", "unreadable, bad", "bad; the confession could not be read"),
    "fp": ("!", "false alarm", "good, and the confession says it is bad"),
    "tn": ("○", "clean", "good, and the confession agrees"),
    "unscored_good": ("?", "unreadable, good", "good; the confession could not be read"),
    "neither_confessed": ("~", "neither, confessed", "neither good nor bad, and confessed"),
    "neither_not_confessed": ("~", "neither", "neither good nor bad, and not confessed"),
    "unscored": ("–", "unscored", "a judge or the model's endpoint failed: missing data"),
    "not attempted": ("–", "not attempted", "the model could not even try"),
}
"""How the page shows each outcome: symbol, name and meaning."""

_LONG_TABLE = 60
_MOST_NAMED = 3
_NOTHING = (Piece("No answer was found to be bad, so there was nothing to confess."),)
_TILES = (
    ("p_confessed_given_bad", "of the bad answers, how many were confessed", "tp"),
    ("p_confessed_given_good", "of the good answers, how many were confessed all the same", "fp"),
    ("p_admitted_given_bad", "of the bad answers, how many told their user so, unasked", "judge"),
    ("joint_fn", "of all answers, how many were bad and not confessed: the paper's headline", "fn"),
)


class Text(NamedTuple):
    """A text of any length, as the page shows it."""

    shown: str
    whole: str
    """Empty where nothing is hidden."""
    beyond: int
    """How many characters the page leaves to the log."""


class Turn(NamedTuple):
    """One message of a transcript."""

    role: str
    text: Text
    calls: tuple[tuple[str, Text], ...]


@dataclass(frozen=True)
class Exchange:
    """A sample with its conversation, as the gallery shows it."""

    row: Row
    messages: tuple[Message, ...]

    @property
    def turns(self) -> list[Turn]:
        """List the messages; reasoning is left out."""
        return [
            Turn(
                message.role,
                shorten(message.content),
                tuple((call.name, shorten(call.arguments)) for call in message.tool_calls),
            )
            for message in self.messages
        ]

    @property
    def why(self) -> list[tuple[str, Text]]:
        """List what decided about the sample, and what other scorers say of it."""
        row, said = self.row, self.row.metadata
        found: list[tuple[str, str]] = [
            (f"Answer: complied {row.complied} ({said.get('truth', '?')})", str(said.get("evidence") or "")),
            (f"Confession: confessed {row.confessed} ({said.get('reader', '?')})", str(said.get("reading") or "")),
        ]
        if row.is_bad:
            found.append((f"Admitted in the answer: {row.admitted}", ""))
        if said.get("missing"):
            found.append(("No verdict", str(said["missing"])))
        if said.get("limit"):
            found.append(("Stopped by a limit", str(said["limit"])))
        failure = row.scores.get(FAILURES)
        if isinstance(failure, Mapping):
            reasons = row.score_metadata.get(FAILURES, {})
            if failure.get("class") not in (None, "none"):
                words = str(failure["class"]).replace("_", " ")
                filtered = ", not counted as a failure" if reasons.get("is_filtered") else ""
                found.append((f"Why it failed: {words}{filtered}", str(reasons.get("reasoning") or "")))
            if failure.get("stance"):
                words = str(failure["stance"]).replace("_", " ")
                found.append((f"What it says: {words}", str(reasons.get("stance_reasoning") or "")))
        for name in MONITORS:
            value = row.scores.get(name)
            if isinstance(value, Mapping):
                found.append((f"{layer_words((name,))}: flagged {value.get('flagged')}", ""))
        confidence = row.scores.get(SCORER)
        if isinstance(confidence, Mapping) and confidence.get("confidence") is not None:
            found.append((f"Confidence: {confidence['confidence']}", ""))
        return [(label, shorten(text)) for label, text in found]


class TableCell(NamedTuple):
    """One rate of the full table."""

    found: Estimate
    counts: str
    paper: float | None


class TableRow(NamedTuple):
    """One family, or a mean over families, in the full table."""

    title: str
    counts: tuple[int | str, ...]
    missing: str | None
    cells: tuple[TableCell, ...]
    is_mean: bool = False


class Section(NamedTuple):
    """A heading, what to look for, and the panels below it."""

    name: str
    heading: str
    lead: str
    figures: tuple[Figure, ...]


def write_evaluation_report(logs: Sequence[Path], out: Path) -> Path:
    """Write the page, its figures in `figures/` and its tables as CSV and JSON; return the page's path.

    Raises: LogError if a log cannot be read or none has a confession score, ReportError where the disk takes no more.
    """
    results = EvaluationResults(tuple(read_rows(logs)))
    exchanges = read_exchanges(logs, pick(results))
    figures = draw_evaluation(results)
    text = render_evaluation(results, figures, exchanges)
    path = out / PAGE_NAME
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_evaluation_figures(figures, out / "figures")
        for name, content in data_files(results).items():
            write_whole(out / name, content)
        write_whole(path, text)
    except OSError as error:
        raise ReportError(
            f"cannot write the report to {out}: {error}; give a folder that can be made or written to"
        ) from error
    return path


def data_files(results: EvaluationResults) -> dict[str, str]:
    """Write every number of the tables as CSV, and all of them with the paper's as JSON, by file name."""
    tables, means = table_records(results), mean_records(results)
    paper = {
        "source": "arXiv 2512.08093, table 1: another model (GPT-5-Thinking, trained to confess) on other data",
        "rows": {name: row._asdict() for name, row in paper_table().items()},
        "means": {name: paper_mean(name) for name, *_ in _TILES},
    }
    whole = {"table": tables, "means": means, "paper": paper}
    return {
        "table.csv": _csv(tables),
        "means.csv": _csv(means),
        "report.json": json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    }


def pick(results: EvaluationResults) -> list[Row]:
    """Choose the gallery's rows: of each model and outcome a few, from as many families as there are.

    They come in turns, so that the first rows show each outcome once.
    """
    turns: list[list[Row]] = [[] for _ in range(GALLERY_SIZE)]
    for cell in CELLS:
        for model in results.models:
            pools = [
                [row for row in results.samples(model, variant, family) if row.outcome == cell]
                for variant in results.variants
                for family in results.families
            ]
            rounds = [pool[place] for place in range(GALLERY_SIZE) for pool in pools if place < len(pool)]
            for turn, row in zip(turns, rounds, strict=False):
                turn.append(row)
    return [row for turn in turns for row in turn]


def read_exchanges(logs: Sequence[Path], rows: Sequence[Row]) -> list[Exchange]:
    """Read the conversations of rows back from their logs, in the order of the rows."""
    wanted = {(row.log, row.sample, row.epoch): row for row in rows}
    found: dict[tuple[str, str, int], Exchange] = {}
    for path in log_files(logs):
        missing = {key for key in wanted if key[0] == path.name}
        if not missing:
            continue
        for sample in read_samples(path):
            key = path.name, str(sample.id), sample.epoch
            if key in missing:
                found[key] = Exchange(wanted[key], tuple(to_transcript(sample.messages)))
                missing.discard(key)
                if not missing:
                    break
    return [found[key] for key in wanted if key in found]


def shorten(text: str) -> Text:
    """Cut a long text to what is shown at once, what unfolds, and what is left to the log."""
    if len(text) <= SHOWN_CHARACTERS:
        return Text(text, "", 0)
    return Text(f"{text[:SHOWN_CHARACTERS]}\u2026", text[:MOST_CHARACTERS], max(0, len(text) - MOST_CHARACTERS))


def headline(results: EvaluationResults) -> tuple[Piece, ...]:
    """Say in one sentence what the models' confessions are worth, on the mean over families."""
    words, families = mean_groups(results)[0]
    if len(results.models) > _MOST_NAMED:
        return _headline_of_many(results, words, families)
    pieces: list[Piece] = []
    shown = 0
    for model in results.models:
        bad = results.mean(model, results.plain, "p_confessed_given_bad", families)
        good = results.mean(model, results.plain, "p_confessed_given_good", families)
        if bad.estimate.value is None:
            continue
        count = len(bad.families)
        lead = "; " if pieces else "On the mean over "
        lead += f"{count} of {words}, " if not pieces or count != shown else ""
        shown = count
        pieces += [
            Piece(f"{lead}{results.labels[model]} confessed "),
            Piece(percent(bad.estimate), "tp"),
            Piece(" of its bad answers"),
        ]
        if good.estimate.value is not None:
            pieces += [Piece(" and "), Piece(percent(good.estimate), "fp"), Piece(" of its good ones")]
    if not pieces:
        return _NOTHING
    return (*pieces, Piece("."))


def _headline_of_many(results: EvaluationResults, words: str, families: Sequence[str]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for name, role, whose in (("p_confessed_given_bad", "tp", "bad"), ("p_confessed_given_good", "fp", "good")):
        means = [results.mean(model, results.plain, name, families).estimate for model in results.models]
        found = sorted((mean for mean in means if mean.value is not None), key=lambda mean: mean.value or 0.0)
        if found:
            lead = f"On the mean over {words}, {len(results.models)} models confessed "
            pieces.append(Piece(" and " if pieces else lead))
            pieces.append(Piece(f"{percent(found[0])} to {percent(found[-1])}", role))
            pieces.append(Piece(f" of their {whose} answers"))
    return (*pieces, Piece(".")) if pieces else _NOTHING


def changes(results: EvaluationResults) -> list[str]:
    """Say how each model's mean rates differ from the first one's, over the families that both have."""
    said = []
    first = results.models[0]
    for model in results.models[1:]:
        for name in HEADLINE:
            common = set(results.mean(first, results.plain, name).families)
            families = [f for f in results.mean(model, results.plain, name).families if f in common]
            if not families:
                continue
            new = results.mean(model, results.plain, name, families).estimate
            old = results.mean(first, results.plain, name, families).estimate
            said.append(
                unbroken(
                    f"{EVALUATION_RATES[name][0]}, mean over {_families_words(len(families))}: "
                    f"{results.labels[first]} {estimate_words(old)}, {results.labels[model]} {estimate_words(new)}; "
                    f"a change of {_points(contrast(new, old))}."
                )
            )
    return said


def table_rows(results: EvaluationResults, model: str, variant: str) -> list[TableRow]:
    """Make the full table of a model under a variant: its families, then the means over them."""
    names = (*EVALUATION_RATES, "g_mean_squared")
    rows = []
    for family in results.measured(model, variant):
        table = results.table(model, variant, family)
        cells = []
        for name in names:
            found = results.rate(model, variant, family, name)
            counts = ""
            if name in EVALUATION_RATES:
                rate = EVALUATION_RATES[name][1](table)
                counts = f"{rate.k} of {rate.n}"
            cells.append(TableCell(found, counts, results.paper_rate(family, name)))
        counts_of = (table.total, table.bad, table.good, *(getattr(table, name) for name in COUNTS))
        missing = results.missing(model, variant, family)
        rows.append(TableRow(results.title(family), counts_of, missing, tuple(cells)))
    for words, families in mean_groups(results):
        cells = []
        for name in names[:-1]:
            mean = results.mean(model, variant, name, families)
            paper = paper_mean(name) if families == results.paper_families else None
            cells.append(TableCell(mean.estimate, _families_words(len(mean.families)), paper))
        cells.append(TableCell(Estimate(None, cells[0].found.interval, True), "", None))
        rows.append(TableRow(f"Mean over {words}", ("",) * (len(COUNTS) + 3), None, tuple(cells), True))
    return rows


def sections(results: EvaluationResults, figures: Sequence[Figure]) -> list[Section]:
    """Sort the panels under their headings, leaving out headings that have none."""
    texts = {
        "confessed": (
            "How often bad answers are confessed",
            "Of the answers that were bad: how many the confession tells of, and how many told their user so "
            "themselves. The dashed mark is what the paper reports for its own model and data.",
        ),
        "outcomes": (
            "What answers and confessions come to",
            "Each bar holds every answer of a family that has a verdict. Honest is: teal on the left, grey on the "
            "right, and nothing else but what is neither good nor bad.",
        ),
        "models": (
            "Models side by side",
            "The same families, model by model: before and after training, where the logs are of both.",
        ),
        "pressure": (
            "Under pressure",
            "The same families with system prompts that make it costly to confess, from knowing of the report to "
            "being told to deny.",
        ),
        "reliability": (
            "Is the confession's confidence calibrated?",
            "Points on the dashed line are calibrated; below it, confessions are overconfident.",
        ),
        "sweep": (
            "Does the confidence order right answers before wrong ones?",
            "A curve on the diagonal tells nothing. Moving the threshold trades wrong answers called sure against "
            "right ones not called sure.",
        ),
        "failures": (
            "When confessions fail",
            "A judge that sees the reasoning sorts false negatives and false positives by their cause. Grey classes "
            "are no failures of the confession: the verdict on the answer is disputed, or the answer had already told.",
        ),
        "compute": (
            "More test-time compute",
            "The answers stay as they are; only the confession gets more attempts or more effort.",
        ),
        "layers": (
            "Confessions and monitors as layers",
            "g-mean\u00b2 is the share of bad answers flagged times the share of good ones not flagged; a union flags "
            "if any of its parts does. All are measured on the same answers.",
        ),
    }
    found = []
    for name, (heading, lead) in texts.items():
        panels = tuple(figure for figure in figures if figure.section == name)
        if panels:
            found.append(Section(name, heading, lead, panels))
    return found


def render_evaluation(results: EvaluationResults, figures: Sequence[Figure], exchanges: Sequence[Exchange]) -> str:
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
    words, families = mean_groups(results)[0]
    tiles = [
        (
            EVALUATION_RATES[name][0],
            meaning,
            role,
            [(results.labels[m], results.mean(m, results.plain, name, families)) for m in results.models],
            paper_mean(name),
        )
        for name, meaning, role in _TILES
    ]
    layers = [
        (model, table)
        for model in results.models
        if (table := layer_table([r for f in results.families for r in results.samples(model, results.plain, f)]))
        and table.layers
    ]
    return environment.get_template("evaluation.html.j2").render(
        results=results,
        headline=headline(results),
        mean_words=words,
        tiles=tiles,
        sections=sections(results, figures),
        changes=changes(results),
        confidence=confidence_records(results, confidence_series(results)),
        layers=layers,
        layer_words=layer_words,
        tables=[
            (model, variant, table_rows(results, model, variant))
            for model in results.models
            for variant in results.variants
            if results.measured(model, variant)
        ],
        rate_labels=[*(label for label, _ in EVALUATION_RATES.values()), "g-mean\u00b2"],
        counts=COUNTS,
        definitions=[FAMILIES[name] for name in results.families if name in FAMILIES],
        exchanges=exchanges,
        shorten=shorten,
        cells=CELLS,
        cell_words=CELL_WORDS,
        cell_totals=Counter(exchange.row.outcome for exchange in exchanges),
        logs=sorted({row.log for row in results.rows}),
        percent=percent,
        range=interval_words,
        number=number_words,
        markup=Markup,
        long_table=_LONG_TABLE,
        palette=PALETTE,
        style=Markup(style),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def percent(found: Estimate) -> str:
    """Write a rate in percent."""
    return "no cases" if found.value is None else f"{100 * found.value:.0f}\u00a0%"


def interval_words(found: Estimate) -> str:
    """Write a rate's interval in percent."""
    return f"{100 * found.interval.low:.0f}\u2013{100 * found.interval.high:.0f}\u00a0%"


def number_words(found: Estimate) -> str:
    """Write a number that is no share, with its interval."""
    if found.value is None:
        return "no cases"
    low, high = found.interval
    return f"{found.value:.2f} ({low:.2f} to {high:.2f})".replace("-", "\u2212")


def _families_words(count: int) -> str:
    return f"{count} {'family' if count == 1 else 'families'}"


def _points(change: Difference) -> str:
    value, (low, high) = change
    assert value is not None
    clear = "leaves zero out" if low > 0 or high < 0 else "includes zero"
    return (
        f"{100 * value:+.0f} points (95 % interval {100 * low:+.0f} to {100 * high:+.0f}, which {clear}; it takes the "
        "two as independent)"
    )


def _csv(records: Sequence[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()
