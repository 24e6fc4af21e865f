"""Draw what a study measured, as panels in the style of the other reports: curves over training, and final quantities.

Lines differ by marker and dash as well as by colour, so that they can be told apart in gray. Bands and whiskers are the
95 % intervals of `Measurements.estimate`.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from matplotlib.axes import Axes

from confessions.experiments.figures import (
    WIDTH,
    Figure,
    Series,
    Value,
    curve_readout,
    draw_series,
    legend,
    light,
    limit_steps,
    plain_axis,
    series_words,
    share_axis,
    slug,
)
from confessions.experiments.studies.study import QUANTITIES, Curves, Dots, Estimate, Measurements, Plot

QUANTITY_ROLES: Final[Mapping[str, str]] = {
    "p_confessed_given_bad": "tp",
    "p_confessed_given_good": "fp",
    "judge_accuracy_given_bad": "judge",
    "judge_pass_rate": "control",
    "bad_rate": "fn",
    "accuracy": "confessions",
}
"""The colours of the quantities that every study has."""

ARM_ROLES: Final[Mapping[str, str]] = {"before": "before", "control": "control", "confessions": "confessions"}
"""The colours of the arms that every study has."""

_ROLES = ("tp", "judge", "fn", "ink", "fp", "confessions", "control", "before", "unread")
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_LINE_DASHES = ("solid", "dashed", "dotted", "dashdot")
_LABEL_CHARACTERS = 44
_HALF_LABEL = 17
_ARM_CHARACTERS = 15
_VALUES_WIDTH = 54.0
_DOT_SLOT, _ARM_PAD, _GROUP_SLOT = 21.0, 12.0, 18.0


class Look(NamedTuple):
    """How one line or dot is told from the others of its panel."""

    label: str
    role: str
    marker: str
    dash: str = "none"


def draw_study(
    name: str, plots: Sequence[Plot], measurements: Measurements, words: Mapping[str, str]
) -> tuple[Figure, ...]:
    """Make the panels that there are measurements for; the words name quantities beyond the usual ones."""
    drawn = []
    for index, plot in enumerate(plots, 1):
        panel = f"{slug(name, 0)}-{index}"
        figure = (
            draw_curves(panel, plot, measurements, words)
            if isinstance(plot, Curves)
            else draw_dots(panel, plot, measurements, words)
        )
        if figure is not None:
            drawn.append(figure)
    return tuple(drawn)


def quantity_words(quantity: str, words: Mapping[str, str]) -> str:
    """Name a quantity for readers."""
    return words.get(quantity) or QUANTITIES.get(quantity) or quantity.replace("_", " ")


# Curves over training


def draw_curves(name: str, plot: Curves, measurements: Measurements, words: Mapping[str, str]) -> Figure | None:
    """Draw a line with its band for each (quantity, arm, group) that was measured over training."""
    points = {line: _points(measurements, line) for line in plot.lines}
    points = {line: found for line, found in points.items() if found}
    if not points:
        return None
    looks = line_looks(list(points), words)
    series = {line: _series(found) for line, found in points.items()}
    is_share = plot.label == "share" or all(one.k is not None for found in points.values() for one in found.values())
    columns = _columns(looks.values())
    head = 17.0 * math.ceil(_legend_lines(looks.values()) / columns) + 16.0
    margins = (42.0 if plot.label == "share" else 58.0, 12.0, 38.0, head)
    height = 222.0 + head

    def draw(axes: Axes) -> None:
        if is_share:
            share_axis(axes, "y")
        else:
            plain_axis(axes)
        axes.set_xlabel("training step", color=light("muted"), fontsize=10)
        if plot.label != "share":
            axes.set_ylabel(plot.label, color=light("muted"), fontsize=10)
        for line, look in looks.items():
            draw_series(axes, series[line], look.role, look.marker, look.dash)
        limit_steps(axes, list(series.values()))
        _draw_legend(axes, looks.values(), columns)

    rows = tuple((*line, step, *_estimate_row(one)) for line, found in points.items() for step, one in found.items())
    spoken = [(look.label, look.role, series[line]) for line, look in looks.items()]
    return Figure(
        name=name,
        title=plot.title,
        subject=plot.title,
        description=f"Curves over training; band: 95 percent interval over {_seeds_words(points.values())}. "
        + " ".join(f"{label}: {series_words(one, percent=is_share)}." for label, _, one in spoken),
        section="curves",
        header=("quantity", "arm", "group", "step", "seeds", "k", "n", "value", "low", "high"),
        rows=rows,
        height=height,
        draw=draw,
        margins=margins,
        readout=curve_readout(spoken, margins, height, "%" if is_share else ""),
    )


def line_looks(lines: Sequence[tuple[str, str, str]], words: Mapping[str, str]) -> dict[tuple[str, str, str], Look]:
    """Give each line of a panel a label of what sets it apart, and a look of its own even without colour.

    Arms have colours where there are several, and what is measured of them has dashes; else both go together.
    """
    arms = list(dict.fromkeys(arm for _, arm, _ in lines))
    measured = list(dict.fromkeys((quantity, group) for quantity, _, group in lines))
    names = dict(zip(measured, _measured_words(measured, words, alone=len(arms) == 1), strict=True))
    if len(arms) == 1:
        roles = _roles([quantity if _is_single(measured, 1) else "" for quantity, _ in measured], QUANTITY_ROLES)
        return {
            (quantity, arms[0], group): Look(
                names[quantity, group], role, _cycle(_MARKERS, at), _cycle(_LINE_DASHES, at)
            )
            for at, ((quantity, group), role) in enumerate(zip(measured, roles, strict=True))
        }
    colours = dict(zip(arms, _roles(arms, ARM_ROLES), strict=True))
    looks = {}
    for line in lines:
        quantity, arm, group = line
        what = names[quantity, group]
        at = arms.index(arm)
        dash = at if len(measured) == 1 else measured.index((quantity, group))
        label = f"{arm}: {what}" if what else arm
        looks[line] = Look(label, colours[arm], _cycle(_MARKERS, at), _cycle(_LINE_DASHES, dash))
    return looks


def _measured_words(measured: Sequence[tuple[str, str]], words: Mapping[str, str], alone: bool) -> list[str]:
    several_quantities = not _is_single(measured, 0)
    several_groups = not _is_single(measured, 1)
    named = []
    for quantity, group in measured:
        parts = [quantity_words(quantity, words)] if several_quantities else []
        parts += [group] if several_groups else []
        named.append(", ".join(parts) or (quantity_words(quantity, words) if alone else ""))
    return named


def _is_single(measured: Sequence[tuple[str, str]], place: int) -> bool:
    return len({one[place] for one in measured}) == 1


def _roles(names: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """Give the known names their colours and the others what is left."""
    taken = {known[name] for name in names if name in known}
    free = [role for role in _ROLES if role not in taken] or list(_ROLES)
    others = [name for name in range(len(names)) if names[name] not in known]
    left = {at: _cycle(free, place) for place, at in enumerate(others)}
    return [known[name] if name in known else left[at] for at, name in enumerate(names)]


def _cycle(looks: Sequence[str], at: int) -> str:
    return looks[at % len(looks)]


def _points(measurements: Measurements, line: tuple[str, str, str]) -> dict[int, Estimate]:
    found = {step: measurements.estimate(*line, step) for step in measurements.steps(*line)}
    return {step: one for step, one in found.items() if one.value is not None}


def _series(points: Mapping[int, Estimate]) -> Series:
    series = Series([], [], [], [])
    for step, one in points.items():
        assert one.value is not None
        series.steps.append(step)
        series.mean.append(one.value)
        series.low.append(one.low if one.is_known else one.value)
        series.high.append(one.high if one.is_known else one.value)
    return series


def _seeds_words(points: Iterable[Mapping[int, Estimate]]) -> str:
    seeds = max(one.seeds for found in points for one in found.values())
    return f"{seeds} seed{'s' * (seeds != 1)}"


# Final quantities


def draw_dots(name: str, plot: Dots, measurements: Measurements, words: Mapping[str, str]) -> Figure | None:
    """Draw a row for each arm of each group, a dot with whiskers for each quantity, and small dots for the seeds."""
    found = {
        (group, arm, quantity): measurements.estimate(quantity, arm, group)
        for group in plot.groups
        for arm in plot.arms
        for quantity in plot.quantities
        if measurements.select(quantity, arm, group)
    }
    known = [one for one in found.values() if one.value is not None]
    if not known:
        return None
    quantities = [one for one in plot.quantities if any(one == place[2] for place in found)]
    looks = {
        quantity: Look(quantity_words(quantity, words), role, _cycle(_MARKERS, at))
        for at, (quantity, role) in enumerate(zip(quantities, _roles(quantities, QUANTITY_ROLES), strict=True))
    }
    is_share = plot.label == "share" or all(one.unit == "share" for one in known)
    groups = [group for group in plot.groups if any(place[0] == group for place in found)]
    rows = _dot_rows(plot, groups, found)
    columns = _columns(looks.values())
    head = 17.0 * math.ceil(_legend_lines(looks.values()) / columns) + 10.0
    foot = 24.0 if plot.label == "share" else 38.0
    depth = rows[-1].top + rows[-1].depth
    names = [textwrap.wrap(row.arm, _ARM_CHARACTERS) for row in rows]
    left = 14.0 + 6.9 * max(len(line) for lines in names for line in lines)

    def draw(axes: Axes) -> None:
        axes.set_ylim(depth, 0)
        if is_share:
            share_axis(axes, "x")
        else:
            plain_axis(axes, grid="x")
            axes.set_xlim(*_limits(measurements, found))
        axes.yaxis.set_visible(False)
        if plot.label != "share":
            axes.set_xlabel(plot.label, color=light("muted"), fontsize=10)
        edge = axes.get_yaxis_transform()
        start = (4.0 - left) / (WIDTH - left - _VALUES_WIDTH)
        for at, row in enumerate(rows):
            if at:
                axes.axhline(row.top, color=light("rule"), linewidth=0.8)
            if row.heading:
                axes.text(
                    start, row.top + 15, row.heading, fontsize=10, style="italic", color=light("muted"),
                    transform=edge, va="baseline",
                )  # fmt: skip
            middle = row.first + _DOT_SLOT * (len(row.quantities) - 1) / 2
            axes.text(
                -0.03, middle, "\n".join(names[at]), fontsize=10.5, fontweight="bold", ha="right", va="center",
                color=light(ARM_ROLES.get(row.arm, "ink")), transform=edge,
            )  # fmt: skip
            for place, quantity in enumerate(row.quantities):
                one = found[row.group, row.arm, quantity]
                seeds = measurements.by_seed(quantity, row.arm, row.group)
                _draw_dot(axes, row.first + place * _DOT_SLOT, one, looks[quantity], list(seeds.values()), is_share)
        _draw_legend(axes, looks.values(), columns)

    return Figure(
        name=name,
        title=plot.title,
        subject=plot.title,
        description="Points with 95 percent intervals. "
        + " ".join(
            f"{group}, {arm}: {looks[quantity].label} {estimate_words(one)}."
            for (group, arm, quantity), one in found.items()
        ),
        section="dots",
        header=("group", "arm", "quantity", "seeds", "k", "n", "value", "low", "high"),
        rows=tuple((*place, *_estimate_row(one)) for place, one in found.items()),
        height=head + depth + foot,
        draw=draw,
        margins=(left, _VALUES_WIDTH, foot, head),
    )


class _DotRow(NamedTuple):
    group: str
    arm: str
    quantities: tuple[str, ...]
    heading: str
    """The group, above the first of its arms."""
    top: float
    depth: float

    @property
    def first(self) -> float:
        head = _GROUP_SLOT if self.heading else 0.0
        return self.top + head + (self.depth - head - _DOT_SLOT * (len(self.quantities) - 1)) / 2 - 2.0


def _dot_rows(plot: Dots, groups: Sequence[str], found: Mapping[tuple[str, str, str], Estimate]) -> list[_DotRow]:
    rows: list[_DotRow] = []
    top = 0.0
    for group in groups:
        heading = group if len(groups) > 1 else ""
        for arm in plot.arms:
            quantities = tuple(one for one in plot.quantities if (group, arm, one) in found)
            if not quantities:
                continue
            lines = len(textwrap.wrap(arm, _ARM_CHARACTERS))
            depth = max(_DOT_SLOT * len(quantities), 14.0 * lines) + _ARM_PAD + (_GROUP_SLOT if heading else 0.0)
            rows.append(_DotRow(group, arm, quantities, heading, top, depth))
            top += depth
            heading = ""
    return rows


def _draw_dot(axes: Axes, y: float, one: Estimate, look: Look, seeds: Sequence[float], is_share: bool) -> None:
    edge = axes.get_yaxis_transform()
    if one.value is None:
        axes.text(0.02, y, "no cases", fontsize=10, style="italic", color=light("muted"), va="center", transform=edge)
        return
    colour = light(look.role)
    if len(seeds) > 1:
        axes.plot(seeds, [y + 7.5] * len(seeds), "o", ms=3.2, mfc=colour, mec="none", alpha=0.5, clip_on=False)
    low, high = (one.low, one.high) if one.is_known else (one.value, one.value)
    # The caps are taller than the mark, so that they show even where the interval is narrower.
    axes.errorbar(
        one.value, y, xerr=[[one.value - low], [high - one.value]], fmt=look.marker, ms=5.6, mfc=colour, mec=colour,
        ecolor=colour, elinewidth=1.8, capsize=5.0 if one.is_known else 0.0, capthick=1.4, zorder=4, clip_on=False,
    )  # fmt: skip
    words = f"{100 * one.value:.0f} %" if is_share else number_words(one.value)
    axes.text(1.05, y, words, fontsize=10.5, color=light("ink"), va="center_baseline", transform=edge)


def _limits(measurements: Measurements, found: Mapping[tuple[str, str, str], Estimate]) -> tuple[float, float]:
    ends = [end for one in found.values() for end in (one.value, one.low, one.high)]
    for group, arm, quantity in found:
        ends += measurements.by_seed(quantity, arm, group).values()
    finite = [end for end in ends if end is not None and math.isfinite(end)]
    pad = 0.08 * (max(finite) - min(finite)) or max(abs(finite[0]), 1.0) * 0.1
    return min(finite) - pad, max(finite) + pad


def _columns(looks: Iterable[Look]) -> int:
    labels = [look.label for look in looks]
    return 2 if len(labels) > 1 and max(map(len, labels)) <= _HALF_LABEL else 1


def _legend_lines(looks: Iterable[Look]) -> int:
    return sum(len(textwrap.wrap(look.label, _LABEL_CHARACTERS)) for look in looks)


def _draw_legend(axes: Axes, looks: Iterable[Look], columns: int) -> None:
    entries = [
        (textwrap.fill(look.label, _LABEL_CHARACTERS), look.role, look.marker, True, look.dash) for look in looks
    ]
    legend(axes, entries, columns)


# Words and rows


def number_words(value: float, sign: bool = False) -> str:
    """Write a number to three significant digits, without exponents."""
    decimals = 2 - math.floor(math.log10(abs(value))) if value else 0
    decimals = min(max(decimals, 0), 6)
    text = f"{value:{'+' if sign else ''},.{decimals}f}"
    return text if float(text.replace(",", "")) else "0"


def interval_words(estimate: Estimate) -> str:
    """Write an estimate with its interval: `94% [92, 95]`, `-2 points [-5, +1]`, `1.33 [1.31, 1.36]`."""
    if estimate.value is None:
        return "-"
    numbers = [estimate.value, *((estimate.low, estimate.high) if estimate.is_known else ())]
    match estimate.unit:
        case "share":
            value, *ends = (f"{100 * number:.0f}" for number in numbers)
            value += "%"
        case "points":
            value, *ends = _points_words(numbers)
            value += " points"
        case _:
            value, *ends = (number_words(number, sign=estimate.unit == "change") for number in numbers)
    return f"{value} [{', '.join(ends)}]" if ends else value


def _points_words(numbers: Sequence[float]) -> list[str]:
    """Write differences of shares in points, with decimals where one would be rounded to a zero that it is not."""
    decimals = int(any(number and abs(number) < 0.005 for number in numbers))
    words = [f"{100 * number:+.{decimals}f}" for number in numbers]
    return [word if float(word) else "0" for word in words]


def count_words(estimate: Estimate) -> str:
    """Write what an estimate is of: its counts, or its seeds."""
    if estimate.value is None:
        return "no cases"
    if estimate.n is not None:
        return f"{estimate.k:,}/{estimate.n:,}"
    return f"{estimate.seeds} seed{'s' * (estimate.seeds != 1)}"


def estimate_words(estimate: Estimate) -> str:
    """Write an estimate with its interval and what it is of: `94% [92, 95] (412/438)`."""
    return "no cases" if estimate.value is None else f"{interval_words(estimate)} ({count_words(estimate)})"


def _estimate_row(one: Estimate) -> tuple[Value, ...]:
    ends = (one.low, one.high) if one.is_known else (None, None)
    rounded = (None if value is None else float(f"{value:.4g}") for value in (one.value, *ends))
    return (one.seeds, one.k, one.n, *rounded)
