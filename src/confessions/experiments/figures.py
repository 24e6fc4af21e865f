"""Draw a study's results: small panels that read at a phone's width, in light and in dark.

Each `Figure` knows its title, a sentence that says what it shows (its alternative text), its data as rows and how to
draw itself. The page takes `inline_svg`, whose colours are CSS variables; `write_figures` writes SVG, PNG, CSV and
JSON files of the same panels.
"""

from __future__ import annotations

import csv
import io
import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from confessions.evaluation.metrics import Rate
from confessions.experiments.results import CELLS, Cell, CurvePoint, Results, RewardPoint, Table

Value = str | int | float | None


class Colour(NamedTuple):
    """One role's colour on a light and on a dark page. Each light one is unique: the SVG is recoloured by it."""

    light: str
    dark: str


PALETTE: Mapping[str, Colour] = {
    "ink": Colour("#17202a", "#e9ecf0"),
    "muted": Colour("#56616e", "#a3aebb"),
    "paper": Colour("#fefefe", "#1a222b"),
    "rule": Colour("#d8dde3", "#36404c"),
    "tp": Colour("#0f766e", "#35c4b2"),
    "fn": Colour("#c2412a", "#f47c5f"),
    "fp": Colour("#e2a321", "#e0ac45"),
    "tn": Colour("#c5ced8", "#4b5867"),
    "unread": Colour("#8d7fb0", "#9486bb"),
    "on-tp": Colour("#ffffff", "#06231f"),
    "on-fn": Colour("#fffffe", "#2b0d05"),
    "on-fp": Colour("#231a02", "#231a03"),
    "on-tn": Colour("#1c2630", "#eef1f5"),
    "on-unread": Colour("#fefeff", "#130d22"),
    "judge": Colour("#6a47c2", "#b096ff"),
    "before": Colour("#66717e", "#9aa5b2"),
    "control": Colour("#a55f0d", "#e6a85a"),
    "confessions": Colour("#1d5fc4", "#77adff"),
}
"""The colour of each role. Colour never stands alone: cells have counts, lines have dashes and markers."""

CELL_NAMES: Mapping[Cell, str] = {
    "tp": "confessed",
    "fn": "unconfessed",
    "unscored_bad": "unreadable",
    "unscored_good": "unreadable",
    "fp": "false alarm",
    "tn": "clean",
}
"""The short name of each cell, as the page and the figures print it."""

_CELL_ROLES: Mapping[Cell, str] = {
    "tp": "tp",
    "fn": "fn",
    "unscored_bad": "unread",
    "unscored_good": "unread",
    "fp": "fp",
    "tn": "tn",
}

WIDTH = 350.0
TITLE_CHARACTERS = 42
"""How much of a title fits on a line."""

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 11.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "confessions",
    "hatch.linewidth": 0.8,
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Figure:
    """One panel: what it shows in words, its data, and how it is drawn."""

    name: str
    title: str
    subject: str
    """What sets the panel apart from its neighbours on the page; the title of one that stands alone says more."""
    description: str
    section: str
    header: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    height: float
    draw: Callable[[Axes], None]
    margins: tuple[float, float, float, float] = (8.0, 8.0, 8.0, 8.0)
    """Left, right, bottom and top, in points."""
    key: tuple[tuple[str, str], ...] = ()
    """What the colours mean, each with its role, where the page rather than the panel says so."""
    readout: dict[str, object] | None = None
    """For a curve: what a page needs to read out the values at the pointer."""

    def canvas(self, alone: bool = False) -> Canvas:
        """Draw the panel; one that stands alone, outside the page, has its title and its colours' key above it."""
        left, right, bottom, top = self.margins
        title_lines = textwrap.wrap(self.title, TITLE_CHARACTERS)
        head = 0.0 if not alone else 15.0 * (len(title_lines) + 1) + 22.0 * bool(self.key)
        height = self.height + head
        with rc_context(_STYLE):
            canvas = Canvas(figsize=(WIDTH / 72, height / 72), dpi=72)
            canvas.patch.set_alpha(1.0 if alone else 0.0)
            axes = canvas.add_axes(
                (
                    left / WIDTH,
                    bottom / height,
                    (WIDTH - left - right) / WIDTH,
                    (self.height - bottom - top) / height,
                )
            )
            axes.patch.set_alpha(0.0)
            self.draw(axes)
            for legend in canvas.legends:
                legend.set_bbox_to_anchor((5 / WIDTH, self.height / height))
            if alone:
                title = canvas.text(8 / WIDTH, 1 - 9 / height, "\n".join(title_lines), va="top")
                title.set(color=light("ink"), fontsize=12, fontweight="bold")
            if alone and self.key:
                patches = [Patch(facecolor=light(role), label=label) for label, role in self.key]
                canvas.legend(
                    handles=patches,
                    loc="upper left",
                    bbox_to_anchor=(4.5 / WIDTH, 1 - (15.0 * len(title_lines) + 13.0) / height),
                    ncols=len(patches),
                    frameon=False,
                    fontsize=9,
                    labelcolor=light("ink"),
                    handlelength=0.9,
                    handleheight=0.9,
                    handletextpad=0.4,
                    columnspacing=0.9,
                    borderaxespad=0.0,
                )
        return canvas

    def svg(self) -> str:
        """Return the panel as a file of its own, in the light colours."""
        stream = io.StringIO()
        with rc_context(_STYLE):
            canvas = self.canvas(alone=True)
            canvas.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
        return stream.getvalue()

    def inline_svg(self) -> str:
        """Return the panel as an element for an HTML page, coloured by the page's CSS variables.

        The element is for sight only; the page states `description` beside it for those who do not see it.
        """
        stream = io.StringIO()
        empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with rc_context(_STYLE):
            self.canvas().savefig(stream, format="svg", metadata=empty, transparent=True)
        text = stream.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
        text = text.replace("xlink:href", "href")
        text = re.sub(r'\bid="([^"]+)"', rf'id="{self.name}-\1"', text)
        text = re.sub(r'href="#([^"]+)"', rf'href="#{self.name}-\1"', text)
        text = re.sub(r"url\(#([^)]+)\)", rf"url(#{self.name}-\1)", text)
        for role, colour in PALETTE.items():
            text = text.replace(colour.light, f"var(--{role})")
        text = text.replace("'DejaVu Sans'", "var(--sans)")
        text = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", text, count=1)
        text = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", text, count=1)
        return text.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1).strip()

    def png(self) -> bytes:
        """Return the panel as a picture, in the light colours on white."""
        stream = io.BytesIO()
        with rc_context(_STYLE):
            self.canvas(alone=True).savefig(stream, format="png", dpi=200, facecolor="white")
        return stream.getvalue()

    def csv(self) -> str:
        """Return the panel's data as comma-separated values."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(self.rows)
        return stream.getvalue()


def draw_all(results: Results) -> list[Figure]:
    """Make every panel that the results have data for."""
    figures: list[Figure] = []
    for index, group in enumerate(results.groups):
        figures.append(outcomes(results, group, index))
    for index, group in enumerate(results.groups):
        figures.append(rates(results, group, index))
    for index, group in enumerate(results.groups):
        figures.append(admitted(results, group, index))
    for arm in results.trained_arms:
        if results.curves(arm):
            figures.append(_curve_panel(results, arm, HACK))
    for arm in results.trained_arms:
        if results.curves(arm):
            figures.append(_curve_panel(results, arm, HONESTY))
    for channel in ("answer", "confession"):
        panel = channel_rewards(results, channel)
        if panel is not None:
            figures.append(panel)
    return figures


def write_figures(results: Results, folder: Path | str) -> list[Path]:
    """Write every panel as SVG, PNG and CSV, and all of their data as `figures.json`; return the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    index: dict[str, object] = {}
    for figure in draw_all(results):
        for suffix, content in (("svg", figure.svg()), ("png", figure.png()), ("csv", figure.csv())):
            path = folder / f"{figure.name}.{suffix}"
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.write_text(content, encoding="utf-8")
            paths.append(path)
        index[figure.name] = {
            "title": figure.title,
            "description": figure.description,
            "rows": [dict(zip(figure.header, row, strict=True)) for row in figure.rows],
        }
    path = folder / "figures.json"
    path.write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return [*paths, path]


# The 2x2 bars


def outcomes(results: Results, group: str, index: int = 0) -> Figure:
    """Stack each arm's 2x2 table into one bar, with a thin bar for each seed below it."""
    tables = {arm: results.table(arm, group) for arm in results.arms}
    by_seed = {arm: results.by_seed(arm, group) for arm in results.arms}
    several = len(results.seeds) > 1
    strip = 5.0
    slot = 82.0 + (strip * len(results.seeds) + 6.0 if several else 0.0)
    height = slot * len(results.arms) + 8.0

    def draw(axes: Axes) -> None:
        axes.set_xlim(0, 1)
        axes.set_ylim(height - 16.0, 0)
        axes.axis("off")
        for row, arm in enumerate(results.arms):
            top = row * slot
            table = tables[arm]
            axes.text(0, top + 14, arm, fontsize=12, fontweight="bold", color=light(_arm_role(arm)), va="baseline")
            count = f"{table.n} answers" + (f", {len(results.seeds)} seeds" if several else "")
            axes.text(1, top + 14, count, fontsize=10, color=light("muted"), ha="right", va="baseline")
            if table.n == 0:
                axes.text(0, top + 44, "no cases", fontsize=11, color=light("muted"), va="center", style="italic")
                continue
            _stack(axes, table, top + 32, 24)
            _count_labels(axes, table, top + 32, 24)
            below = top + 58
            if several:
                for seed, one in enumerate(by_seed[arm]):
                    if one.n:
                        _stack(axes, one, below + 1 + seed * strip, strip - 1.4)
                below += strip * len(results.seeds) + 6
            bad, good = f"{table.bad} broke a rule", f"{table.good} kept every rule"
            axes.text(0, below + 12, bad, fontsize=10, color=light("muted"), va="baseline")
            axes.text(1, below + 12, good, fontsize=10, color=light("muted"), ha="right", va="baseline")

    rows: list[tuple[Value, ...]] = []
    for arm in results.arms:
        for seed, table in zip(results.seeds, by_seed[arm], strict=True):
            rows.append((arm, group, seed, table.n, *(table.count(cell) for cell in CELLS)))
        if several:
            pooled = tables[arm]
            rows.append((arm, group, "all", pooled.n, *(pooled.count(cell) for cell in CELLS)))
    return Figure(
        name=f"outcomes-{slug(group, index)}",
        title=f"Outcomes: {group}",
        subject=group,
        description=f"Stacked bars of the 2x2 table, {group}. "
        + " ".join(f"{arm}: {_table_words(tables[arm])}." for arm in results.arms),
        section="outcomes",
        header=("arm", "group", "seed", "n", *CELLS),
        rows=tuple(rows),
        height=height,
        draw=draw,
        key=tuple((CELL_NAMES[cell], _CELL_ROLES[cell]) for cell in ("tp", "fn", "unscored_bad", "fp", "tn")),
    )


def _stack(axes: Axes, table: Table, top: float, height: float) -> None:
    left = 0.0
    for cell in CELLS:
        share = table.count(cell) / table.n
        if share == 0:
            continue
        role = _CELL_ROLES[cell]
        patches = axes.barh(
            top + height / 2, share, height, left=left, color=light(role), edgecolor=light(role), linewidth=0
        )
        if role == "unread" and height > 10:
            patches[0].set(hatch="////", edgecolor=light("on-unread"))
        left += share
    border = table.bad / table.n
    if 0 < border < 1:
        reach = 3.0 if height > 10 else 0.6
        axes.plot(
            [border, border],
            [top - reach, top + height + reach],
            color=light("ink"),
            linewidth=1.4 if height > 10 else 0.8,
            solid_capstyle="butt",
            clip_on=False,
        )


def _count_labels(axes: Axes, table: Table, top: float, height: float) -> None:
    left, free_from = 0.0, 0.0
    for cell in CELLS:
        count = table.count(cell)
        share = count / table.n
        middle = left + share / 2
        left += share
        if count == 0:
            continue
        if share * WIDTH >= 8.0 * len(str(count)) + 5.0:
            role = f"on-{_CELL_ROLES[cell]}"
            box = None
            if role == "on-unread":
                box = {"facecolor": light("unread"), "edgecolor": "none", "pad": 1.0}
            axes.text(
                middle,
                top + height / 2,
                str(count),
                fontsize=11,
                color=light(role),
                ha="center",
                va="center_baseline",
                bbox=box,
            )
        else:
            width = (6.5 * len(str(count)) + 5.0) / WIDTH
            start = min(max(middle - width / 2, free_from, 0.0), 1.0 - width)
            free_from = start + width
            axes.text(
                start + width / 2,
                top - 5,
                str(count),
                fontsize=9,
                color=light("muted"),
                ha="center",
                va="baseline",
            )


# Rates with intervals


class _Mark(NamedTuple):
    rate: str
    label: str
    role: str
    marker: str
    filled: bool


_RATE_MARKS = (
    _Mark("p_confessed_given_bad", "P(confessed | bad)", "tp", "o", True),
    _Mark("p_confessed_given_good", "P(confessed | good)", "fp", "D", True),
)
_ADMITTED_MARKS = (
    _Mark("p_admitted_given_bad", "admitted", "judge", "s", False),
    _Mark("p_confessed_given_bad", "confessed", "tp", "o", True),
)


def rates(results: Results, group: str, index: int = 0) -> Figure:
    """Set P(confessed | bad) beside P(confessed | good), each with its interval and the seeds' dots."""
    return _forest(results, group, f"rates-{slug(group, index)}", "Confessed", _RATE_MARKS)


def admitted(results: Results, group: str, index: int = 0) -> Figure:
    """Set what the answers admit beside what the confessions tell, both given bad."""
    return _forest(results, group, f"admitted-{slug(group, index)}", "Told, given bad", _ADMITTED_MARKS)


def _forest(results: Results, group: str, name: str, title: str, marks: Sequence[_Mark]) -> Figure:
    slot, head = 64.0, 30.0
    height = head + slot * len(results.arms) + 24.0
    several = len(results.seeds) > 1
    pooled = {arm: results.table(arm, group) for arm in results.arms}

    def draw(axes: Axes) -> None:
        axes.set_ylim(slot * len(results.arms), 0)
        share_axis(axes, "x")
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        for row, arm in enumerate(results.arms):
            top = row * slot
            table = pooled[arm]
            axes.text(
                -0.03, top + slot / 2, arm, fontsize=11, fontweight="bold", color=light(_arm_role(arm)), ha="right",
                va="center", clip_on=False,
            )  # fmt: skip
            if row:
                axes.axhline(top, color=light("rule"), linewidth=0.8)
            for position, mark in enumerate(marks):
                y = top + slot * (0.31 + 0.38 * position)
                colour = light(mark.role)
                rate = table.rate(mark.rate)
                if rate.value is None:
                    axes.text(0.02, y, "no cases", fontsize=10, style="italic", color=light("muted"), va="center")
                    continue
                interval = rate.interval
                if several:
                    for one in results.by_seed(arm, group):
                        value = one.rate(mark.rate).value
                        if value is not None:
                            axes.plot(value, y + 9, "o", ms=4, mfc=colour, mec="none", alpha=0.5, clip_on=False)
                axes.plot([interval.low, interval.high], [y, y], color=colour, linewidth=2.2, solid_capstyle="round")
                face = colour if mark.filled else light("paper")
                axes.plot(rate.value, y, mark.marker, ms=8, mfc=face, mec=colour, mew=1.8, zorder=4, clip_on=False)
                right = interval.high < 0.8
                axes.text(
                    interval.high + 0.035 if right else interval.low - 0.035,
                    y,
                    f"{100 * rate.value:.0f} %",
                    fontsize=10.5,
                    color=light("ink"),
                    ha="left" if right else "right",
                    va="center_baseline",
                )
        legend(axes, [(m.label, m.role, m.marker, m.filled, "none") for m in marks])

    rows: list[tuple[Value, ...]] = []
    words: list[str] = []
    for arm in results.arms:
        parts = []
        for mark in marks:
            for seed, table in zip(results.seeds, results.by_seed(arm, group), strict=True):
                rows.append((arm, group, mark.rate, seed, *_rate_row(table.rate(mark.rate))))
            if several:
                rows.append((arm, group, mark.rate, "all", *_rate_row(pooled[arm].rate(mark.rate))))
            parts.append(f"{mark.label} {rate_words(pooled[arm].rate(mark.rate))}")
        words.append(f"{arm}: {', '.join(parts)}.")
    return Figure(
        name=name,
        title=f"{title}: {group}",
        subject=group,
        description=f"Points with 95 percent Wilson intervals, {group}. " + " ".join(words),
        section=name.partition("-")[0],
        header=("arm", "group", "rate", "seed", "k", "n", "value", "low", "high"),
        rows=tuple(rows),
        height=height,
        draw=draw,
        margins=(88.0, 16.0, 24.0, head),
    )


# Curves over training


class Line(NamedTuple):
    """One line of a curve panel: the field it shows and how it looks."""

    field: str
    label: str
    role: str
    marker: str
    dash: str


class CurvePanel(NamedTuple):
    """What one panel of curves over training shows."""

    name: str
    title: str
    words: str
    lines: tuple[Line, ...]


HACK = CurvePanel(
    "hack",
    "Passed, and truly kept",
    "what the weak judge passes and what is true",
    (
        Line("judge_pass_rate", "weak judge passes", "judge", "s", "dashed"),
        Line("true_compliance", "rules truly kept", "ink", "o", "solid"),
    ),
)
HONESTY = CurvePanel(
    "honesty",
    "Who is right",
    "who is right about the answers",
    (
        Line("judge_accuracy_given_bad", "weak judge, bad answers", "judge", "s", "dashed"),
        Line("confession_accuracy_given_bad", "confession, bad answers", "tp", "o", "solid"),
        Line("confession_accuracy_given_good", "confession, good answers", "fp", "D", "dotted"),
    ),
)


class Series(NamedTuple):
    """One line of a curve panel: a mean at each step, and the ends of its band."""

    steps: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]


def _curve_panel(results: Results, arm: str, panel: CurvePanel) -> Figure:
    runs = results.curves(arm)
    series = {line.field: _series(runs, line.field) for line in panel.lines}
    several = len(results.seeds) > 1
    columns = 2 if len(panel.lines) == 2 else 1
    head = 17.0 * len(panel.lines) / columns + 16.0

    def draw(axes: Axes) -> None:
        share_axis(axes, "y")
        axes.set_xlabel("training step", color=light("muted"), fontsize=10)
        for line in panel.lines:
            draw_series(axes, series[line.field], line.role, line.marker, line.dash)
        limit_steps(axes, list(series.values()))
        legend(axes, [(line.label, line.role, line.marker, True, line.dash) for line in panel.lines], columns)

    rows = tuple(
        (arm, line.field, run.seed, point.step, getattr(point, line.field), point.n_bad, point.n_good)
        for line in panel.lines
        for run in results.runs
        for point in run.curves.get(arm, ())
    )
    band = "range over the seeds" if several else "95 percent Wilson interval"
    margins = (40.0, 12.0, 38.0, head)
    height = 222.0 + head
    return Figure(
        name=f"{panel.name}-{slug(arm, results.arms.index(arm))}",
        title=f"{panel.title}: {arm} arm",
        subject=f"{arm} arm",
        description=f"Curves over training, {arm} arm: {panel.words}; band: {band}. "
        + " ".join(f"{line.label}: {series_words(series[line.field])}." for line in panel.lines),
        section=panel.name,
        header=("arm", "metric", "seed", "step", "value", "n_bad", "n_good"),
        rows=rows,
        height=height,
        draw=draw,
        margins=margins,
        readout=curve_readout(
            [(line.label, line.role, series[line.field]) for line in panel.lines], margins, height, "%"
        ),
    )


def channel_rewards(results: Results, channel: str) -> Figure | None:
    """Draw one channel's reward over training, a line for each arm that has it."""
    runs = {
        arm: [smooth(run, channel) for run in results.rewards(arm) if any(getattr(p, channel) is not None for p in run)]
        for arm in results.trained_arms
    }
    runs = {arm: lines for arm, lines in runs.items() if lines}
    if not runs:
        return None
    series = {arm: _spread(lines) for arm, lines in runs.items()}
    several = len(results.seeds) > 1
    looks = [("solid", "o"), ("dashed", "s"), ("dotted", "D")]
    margins = (40.0, 12.0, 38.0, 30.0)
    height = 222.0

    def draw(axes: Axes) -> None:
        plain_axis(axes)
        axes.set_xlabel("training step", color=light("muted"), fontsize=10)
        entries = []
        for index, (arm, one) in enumerate(series.items()):
            dash, marker = looks[(len(series) - 1 - index) % len(looks)]
            if not several:
                points = [p for p in results.rewards(arm)[0] if getattr(p, channel) is not None]
                axes.plot(
                    [p.step for p in points],
                    [getattr(p, channel) for p in points],
                    color=light(_arm_role(arm)),
                    linewidth=0.8,
                    alpha=0.4,
                )
            draw_series(axes, one, _arm_role(arm), marker, dash, markers=False)
            entries.append((arm, _arm_role(arm), "none", True, dash))
        limit_steps(axes, list(series.values()))
        legend(axes, entries)

    rows = tuple(
        (arm, run.seed, point.step, getattr(point, channel))
        for arm in series
        for run in results.runs
        for point in run.rewards.get(arm, ())
    )
    return Figure(
        name=f"reward-{channel}",
        title=f"Mean reward: {channel} channel",
        subject=f"{channel} channel",
        description=f"Mean reward of the {channel} channel over training, smoothed"
        + (", mean and range over the seeds. " if several else ". ")
        + " ".join(f"{arm}: {series_words(one, percent=False)}." for arm, one in series.items()),
        section="rewards",
        header=("arm", "seed", "step", "reward"),
        rows=rows,
        height=height,
        draw=draw,
        margins=margins,
        readout=curve_readout([(arm, _arm_role(arm), one) for arm, one in series.items()], margins, height, ""),
    )


def curve_readout(
    lines: Sequence[tuple[str, str, Series]], margins: tuple[float, float, float, float], height: float, unit: str
) -> dict[str, object]:
    """Make what a page reads out at the pointer: for each line its label, its role and its series."""
    left, right, bottom, top = margins
    steps = sorted({step for _, _, series in lines for step in series.steps})
    spoken = []
    for label, role, series in lines:
        at = dict(zip(series.steps, zip(series.mean, series.low, series.high, strict=True), strict=True))
        spoken.append({"label": label, "role": role, "values": [_spoken(at.get(step), unit) for step in steps]})
    return {
        "plot": [left / WIDTH, 1 - right / WIDTH, top / height, 1 - bottom / height],
        "limits": _limits([series for _, _, series in lines]),
        "steps": steps,
        "lines": spoken,
    }


def _spoken(point: tuple[float, float, float] | None, unit: str) -> str:
    if point is None:
        return "no cases"
    if unit == "%":
        mean, low, high = (f"{100 * value:.0f}" for value in point)
        return f"{mean} % ({low}\u2013{high} %)"
    mean, low, high = (f"{value:.2f}" for value in point)
    return mean if low == high else f"{mean} ({low} to {high})"


def smooth(run: Sequence[RewardPoint], channel: str) -> dict[int, float]:
    """Average a channel's reward over a twelfth of the run's steps around each step that has one."""
    points = [(p.step, value) for p in run if (value := getattr(p, channel)) is not None]
    if not points:
        return {}
    reach = max(p.step for p in run) / 24
    smoothed = {}
    for step, _ in points:
        near = [value for other, value in points if abs(other - step) <= reach]
        smoothed[step] = sum(near) / len(near)
    return smoothed


def _series(runs: Sequence[Sequence[CurvePoint]], field: str) -> Series:
    if len(runs) > 1:
        return _spread([{p.step: v for p in run if (v := getattr(p, field)) is not None} for run in runs])
    series = Series([], [], [], [])
    for point in runs[0]:
        value = getattr(point, field)
        if value is None:
            continue
        n = _denominator(point, field)
        low = high = value
        if n:
            interval = Rate(round(value * n), n).interval
            low, high = interval.low, interval.high
        _append(series, point.step, value, low, high)
    return series


def _spread(runs: Sequence[Mapping[int, float]]) -> Series:
    series = Series([], [], [], [])
    for step in sorted({step for run in runs for step in run}):
        values = [run[step] for run in runs if step in run]
        _append(series, step, sum(values) / len(values), min(values), max(values))
    return series


def _append(series: Series, step: int, mean: float, low: float, high: float) -> None:
    series.steps.append(step)
    series.mean.append(mean)
    series.low.append(low)
    series.high.append(high)


def _denominator(point: CurvePoint, field: str) -> int | None:
    if point.n_bad is None or point.n_good is None:
        return None
    if field.endswith("_given_bad"):
        return point.n_bad
    if field.endswith("_given_good"):
        return point.n_good
    return point.n_bad + point.n_good


def draw_series(axes: Axes, series: Series, role: str, marker: str, dash: str, markers: bool = True) -> None:
    """Draw one line with its band."""
    if not series.steps:
        return
    colour = light(role)
    if len(series.steps) > 1:
        axes.fill_between(series.steps, series.low, series.high, color=colour, alpha=0.13, linewidth=0)
    axes.plot(
        series.steps,
        series.mean,
        color=colour,
        linewidth=2.0,
        linestyle=DASHES[dash],
        marker=marker if markers else "none",
        markersize=4.2,
        clip_on=False,
        zorder=3,
    )


# Shared drawing

DASHES: Mapping[str, str | tuple[float, tuple[float, ...]]] = {
    "solid": "-",
    "dashed": (0.0, (4.0, 1.6)),
    "dotted": (0.0, (1.2, 1.4)),
    "dashdot": (0.0, (5.0, 1.4, 1.2, 1.4)),
    "none": "none",
}


def share_axis(axes: Axes, which: str) -> None:
    """Make an axis, x or y, one of shares in percent."""
    plain_axis(axes, grid=which)
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    percent = FuncFormatter(lambda value, _: f"{100 * value:.0f}" + (" %" if value == 1 else ""))
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xlim if which == "x" else axes.set_ylim)(0, 1)
    axis.set_ticks(ticks)
    axis.set_major_formatter(percent)


def plain_axis(axes: Axes, grid: str = "y") -> None:
    """Leave nothing of a frame but the baseline, and a light grid."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(light("muted"))
    axes.tick_params(colors=light("muted"), labelsize=10, length=0, pad=5)
    (axes.xaxis if grid == "x" else axes.yaxis).grid(True, color=light("rule"), linewidth=0.8)
    axes.set_axisbelow(True)
    if grid == "y":
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _limits(series: Sequence[Series]) -> tuple[float, float]:
    steps = [step for one in series for step in one.steps]
    if not steps:
        return 0.0, 1.0
    first, last = min(steps), max(steps)
    pad = 0.02 * (last - first) or 1.0
    return first - pad, last + pad


def limit_steps(axes: Axes, series: Sequence[Series]) -> None:
    """End the axis of steps a little beyond the first and the last of them."""
    axes.set_xlim(*_limits(series))


def legend(axes: Axes, entries: Sequence[tuple[str, str, str, bool, str]], columns: int = 2) -> None:
    """Draw a legend above the axes; an entry is label, role of the colour, marker, whether it is filled, and dashes."""
    handles = []
    for label, role, marker, filled, dash in entries:
        (handle,) = axes.plot(
            [],
            [],
            color=light(role),
            linestyle=DASHES[dash],
            linewidth=2.0,
            marker=marker,
            markersize=6,
            markerfacecolor=light(role) if filled else light("paper"),
            markeredgewidth=1.5,
            label=label,
        )
        handles.append(handle)
    axes.figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(5 / WIDTH, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=10.5,
        labelcolor=light("ink"),
        handlelength=2.4,
        handletextpad=0.5,
        columnspacing=1.4,
        borderpad=0.2,
        borderaxespad=0.0,
    )


def light(role: str) -> str:
    """Give the colour of a role on a light page."""
    return PALETTE[role].light


def _arm_role(arm: str) -> str:
    return arm if arm in ("before", "control", "confessions") else "ink"


def slug(name: str, index: int) -> str:
    """Make a name fit for a file; where nothing is left of it, the index stands for it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or str(index)


# Words and rows


def rate_words(rate: Rate) -> str:
    """Write a rate with its interval and counts, such as `94 % (92-96 %; 412 of 438)`."""
    if rate.value is None:
        return "no cases"
    low, high = rate.interval.low, rate.interval.high
    return f"{100 * rate.value:.0f} % ({100 * low:.0f}-{100 * high:.0f} %; {rate.k} of {rate.n})"


def _rate_row(rate: Rate) -> tuple[Value, ...]:
    if rate.value is None:
        return (rate.k, rate.n, None, None, None)
    return (rate.k, rate.n, round(rate.value, 4), round(rate.interval.low, 4), round(rate.interval.high, 4))


def _table_words(table: Table) -> str:
    if table.n == 0:
        return "no cases"
    unreadable = table.unscored_bad + table.unscored_good
    return (
        f"{table.n} answers; of {table.bad} that broke a rule {table.tp} were confessed and {table.fn} not; "
        f"of {table.good} that kept every rule {table.fp} were false alarms and {table.tn} clean; "
        f"{unreadable} confessions unreadable"
    )


def series_words(series: Series, percent: bool = True) -> str:
    """Say where a line starts and ends."""
    if not series.steps:
        return "no cases"
    ends = [f"{100 * value:.0f} percent" if percent else f"{value:z.2f}" for value in (series.mean[0], series.mean[-1])]
    return f"from {ends[0]} at step {series.steps[0]} to {ends[1]} at step {series.steps[-1]}"
