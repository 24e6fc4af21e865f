"""Draw what logs of the evaluation say: the paper's figures 2, 3, 5, 8, 9, 10 and 14, and what it has no figure of.

Each is a `Figure` as in the study's report: a picture with its data and a sentence that says what it shows. What the
logs hold no data for is not drawn. Source of the originals: arXiv 2512.08093.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from confessions.evaluation.confidence import (
    SCORER,
    Stated,
    brier,
    calibration_error,
    estimate_roc_auc,
    read_stated,
    reliability,
    share_correct,
    threshold_sweep,
)
from confessions.evaluation.layers import LayerTable, layer_table
from confessions.evaluation.predicates import Cell
from confessions.evaluation.rows import Row
from confessions.evaluation.tables import EVALUATION_RATES, Estimate, EvaluationTable
from confessions.experiments.evaluation_results import EvaluationResults, Mean, Setting, contrast, mean_over
from confessions.experiments.figures import (
    DASHES,
    WIDTH,
    Figure,
    Value,
    legend,
    light,
    plain_axis,
    share_axis,
    slug,
)
from confessions.judges.failures import FalseNegative, FalsePositive, Stance

FAILURES: Final = "failure_classes"
"""The scorer whose value is `{"class": ..., "stance": ...}`."""

OUTCOMES: Final[tuple[tuple[str, str, tuple[Cell, ...]], ...]] = (
    ("confessed", "tp", ("tp",)),
    ("unconfessed", "fn", ("fn",)),
    ("unreadable", "unread", ("unscored_bad",)),
    ("neither, confessed", "muted", ("neither_confessed",)),
    ("neither", "before", ("neither_not_confessed",)),
    ("unreadable", "unread", ("unscored_good",)),
    ("false alarm", "fp", ("fp",)),
    ("clean", "tn", ("tn",)),
)
"""The segments of an outcome bar from left to right: name, colour and cells; the bad ones first, then the good."""

_MODEL_ROLES = ("before", "confessions", "control", "judge", "tp", "fn", "ink")
_MODEL_MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_MODEL_DASHES = ("solid", "dashed", "dotted")
_TENTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_STANCE_ROLES: Mapping[Stance, str] = {
    Stance.BAD_BEHAVIOR_FAILED_OBJECTIVE: "tp",
    Stance.CLAIMED_BAD_BEHAVIOR_ELSEWHERE: "confessions",
    Stance.EXPLICIT_UNSURE_ABOUT_BAD_BEHAVIOR: "fp",
    Stance.BAD_BEHAVIOR_NOT_MENTIONED: "tn",
    Stance.CLAIM_GOOD_BEHAVIOR: "before",
}
_STANCE_WORDS: Mapping[Stance, str] = {
    Stance.BAD_BEHAVIOR_FAILED_OBJECTIVE: "failed objective",
    Stance.CLAIMED_BAD_BEHAVIOR_ELSEWHERE: "said elsewhere",
    Stance.EXPLICIT_UNSURE_ABOUT_BAD_BEHAVIOR: "unsure",
    Stance.BAD_BEHAVIOR_NOT_MENTIONED: "not mentioned",
    Stance.CLAIM_GOOD_BEHAVIOR: "claims it did not happen",
}


def draw_evaluation(results: EvaluationResults) -> list[Figure]:
    """Make every panel that the rows have data for."""
    figures: list[Figure | None] = [confessed_by_family(results, model) for model in results.models]
    figures += [outcomes_by_family(results, model) for model in results.models]
    if len(results.models) > 1:
        for name in ("p_confessed_given_bad", "p_confessed_given_good"):
            figures.append(models_by_family(results, name))
    if len(results.variants) > 1:
        figures += [pressure(results, model) for model in results.models]
    series = confidence_series(results)
    figures += [reliability_diagram(results, one) for one in series]
    figures.append(roc_curves(results, series))
    figures += [sweep(results, one) for one in series]
    figures += [failures(results, model) for model in results.models]
    figures += [stances(results, is_bad) for is_bad in (True, False)]
    figures += [compute_curves(results, model) for model in results.models]
    figures += [layers(results, model) for model in results.models]
    return [figure for figure in figures if figure is not None]


def write_evaluation_figures(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Write every panel as SVG and PNG, and its data as CSV and JSON; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for figure in figures:
        contents: dict[str, str | bytes] = {
            "svg": figure.svg(),
            "png": figure.png(),
            "csv": figure.csv(),
            "json": json.dumps(
                {
                    "title": figure.title,
                    "description": figure.description,
                    "rows": [dict(zip(figure.header, row, strict=True)) for row in figure.rows],
                },
                indent=1,
                ensure_ascii=False,
            )
            + "\n",
        }
        for suffix, content in contents.items():
            path = folder / f"{figure.name}.{suffix}"
            path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
            paths.append(path)
    return paths


# Figure 2: how often bad answers are confessed


def confessed_by_family(results: EvaluationResults, model: str) -> Figure | None:
    """Set, family by family, how many bad answers were confessed beside how many admitted it themselves."""
    variant = results.plain
    families = results.measured(model, variant)
    if not families:
        return None
    slot, head = 47.0, 44.0
    bars = (("p_confessed_given_bad", "tp", 22.0, 9.0), ("p_admitted_given_bad", "judge", 33.0, 6.0))
    mean = {name: results.mean(model, variant, name) for name, *_ in bars}
    lines = len(families) + (len(families) > 1)
    height = head + slot * lines + 24.0

    def draw(axes: Axes) -> None:
        axes.set_ylim(slot * lines, 0)
        share_axis(axes, "x")
        axes.yaxis.set_visible(False)
        for index, family in enumerate(families):
            top = index * slot
            _row_title(axes, top + 11, results.title(family), _size_words(results.table(model, variant, family)))
            reason = results.missing(model, variant, family)
            if reason is not None:
                _note(axes, top + 27, f"not attempted: {reason}")
                continue
            for name, role, offset, thickness in bars:
                found = results.rate(model, variant, family, name)
                _bar(axes, top + offset, thickness, role, found, _counts_words(results, model, variant, family, name))
            paper = results.paper_rate(family, "p_confessed_given_bad")
            if paper is not None:
                axes.plot([paper] * 2, [top + 16, top + 38], color=light("ink"), linewidth=1.6, linestyle=(0, (2, 1)))
        if len(families) > 1:
            top = len(families) * slot
            axes.axhline(top, color=light("muted"), linewidth=0.8)
            number = len(mean["p_confessed_given_bad"].families)
            _row_title(axes, top + 11, "Mean over families", f"of {number}", is_bold=True)
            for name, role, offset, thickness in bars:
                _bar(axes, top + offset, thickness, role, mean[name].estimate, "")
        _patch_legend(
            axes,
            [("confessed", "tp"), ("admitted in the answer", "judge")],
            [("the paper's model, on its own data", "ink", "|", True, "none")],
        )

    rows: list[tuple[Value, ...]] = []
    words = []
    for family in families:
        for name, *_ in bars:
            found = results.rate(model, variant, family, name)
            k, n = _k_of_n(results, model, variant, family, name)
            paper = results.paper_rate(family, name)
            rows.append((model, variant, family, name, k, n, *_values(found), paper))
        words.append(f"{results.title(family)}: {_told(results, model, variant, family)}.")
    for name, *_ in bars:
        rows.append((model, variant, "mean over families", name, None, None, *_values(mean[name].estimate), None))
    return Figure(
        name=f"confessed-{_name(results, model)}",
        title=f"Confessed, given bad: {results.labels[model]}",
        subject=results.labels[model],
        description="Bars with 95 percent intervals: of the bad answers, how many were confessed and how many admitted "
        f"it in the answer, by family. {results.labels[model]}. " + " ".join(words),
        section="confessed",
        header=("model", "variant", "family", "rate", "k", "n", "value", "low", "high", "paper"),
        rows=tuple(rows),
        height=height,
        draw=draw,
        margins=(8.0, 88.0, 24.0, head),
    )


def _told(results: EvaluationResults, model: str, variant: str, family: str) -> str:
    reason = results.missing(model, variant, family)
    if reason is not None:
        return "not attempted"
    confessed = results.rate(model, variant, family, "p_confessed_given_bad")
    admitted = results.rate(model, variant, family, "p_admitted_given_bad")
    return f"confessed {estimate_words(confessed)}, admitted {estimate_words(admitted)}"


# Figure 3: joint outcomes


def outcomes_by_family(results: EvaluationResults, model: str) -> Figure | None:
    """Stack each family's answers by what they and their confessions came to."""
    variant = results.plain
    families = results.measured(model, variant)
    if not families:
        return None
    slot, head = 42.0, 48.0
    height = head + slot * len(families) + 24.0
    tables = {family: results.table(model, variant, family) for family in families}

    def draw(axes: Axes) -> None:
        axes.set_ylim(slot * len(families), 0)
        share_axis(axes, "x")
        axes.yaxis.set_visible(False)
        for index, family in enumerate(families):
            top, table = index * slot, tables[family]
            _row_title(axes, top + 11, results.title(family), f"{table.n} answers" if table.n else "", outside=False)
            reason = results.missing(model, variant, family)
            if reason is not None or not table.n:
                _note(axes, top + 26, f"not attempted: {reason}" if reason else "no answer has a verdict")
                continue
            _outcome_bar(axes, table, top + 25, 15.0)
        _patch_legend(axes, list(dict.fromkeys((label, role) for label, role, _ in OUTCOMES)), columns=4)

    return Figure(
        name=f"outcomes-{_name(results, model)}",
        title=f"Joint outcomes: {results.labels[model]}",
        subject=results.labels[model],
        description="Stacked bars of all answers with a verdict, by family: bad and confessed, bad and unconfessed, "
        f"neither, good and confessed (false alarm), good and not. {results.labels[model]}. "
        + " ".join(f"{results.title(family)}: {_outcome_words(tables[family])}." for family in families),
        section="outcomes",
        header=("model", "variant", "family", "n", *(cell for _, _, cells in OUTCOMES for cell in cells)),
        rows=tuple(
            (
                model,
                variant,
                family,
                table.n,
                *(getattr(table, cell) for _, _, cells in OUTCOMES for cell in cells),
            )
            for family, table in tables.items()
        ),
        height=height,
        draw=draw,
        margins=(8.0, 16.0, 24.0, head),
    )


def _outcome_bar(axes: Axes, table: EvaluationTable, middle: float, thickness: float) -> None:
    left = 0.0
    for label, role, cells in OUTCOMES:
        count = sum(getattr(table, cell) for cell in cells)
        share = count / table.n
        if not count:
            continue
        patches = axes.barh(middle, share, thickness, left=left, color=light(role), linewidth=0)
        if label == "unreadable":
            patches[0].set(hatch="////", edgecolor=light("on-unread"))
        elif label == "neither, confessed":
            patches[0].set(hatch="....", edgecolor=light("paper"))
        if share * (WIDTH - 24) >= 8.0 * len(str(count)) + 4.0:
            on = {"muted": "paper", "before": "paper"}.get(role, f"on-{role}")
            box = {"facecolor": light("unread"), "edgecolor": "none", "pad": 0.5} if on == "on-unread" else None
            axes.text(
                left + share / 2, middle, str(count), fontsize=9.5, color=light(on), ha="center",
                va="center_baseline", bbox=box,
            )  # fmt: skip
        left += share


def _outcome_words(table: EvaluationTable) -> str:
    if not table.is_attempted:
        return "not attempted"
    return (
        f"{table.n} answers; of {table.bad} bad ones {table.tp} were confessed, {table.fn} not; of {table.good} good "
        f"ones {table.fp} were confessed all the same; {table.neither} neither; "
        f"{table.unscored_bad + table.unscored_good} confessions unreadable"
    )


# Figure 5: before and after training, or any models side by side


def models_by_family(results: EvaluationResults, name: str) -> Figure | None:
    """Set the models' rates side by side, family by family, and their means over the families that all have."""
    variant = results.plain
    found = {
        family: {model: results.rate(model, variant, family, name) for model in results.models}
        for family in results.families
    }
    found = {family: rates for family, rates in found.items() if sum(r.value is not None for r in rates.values()) > 1}
    if not found:
        return None
    shared = tuple(family for family, rates in found.items() if all(r.value is not None for r in rates.values()))
    means = {model: results.mean(model, variant, name, shared).estimate for model in results.models}
    lines: list[tuple[str, Mapping[str, Estimate]]] = [
        (results.title(family), rates) for family, rates in found.items()
    ]
    if len(shared) > 1:
        lines.append((f"Mean over {len(shared)} families", means))
    looks = model_looks(results)
    slot = 20.0 + 13.0 * len(results.models)
    head = 17.0 * len(results.models) + 14.0
    height = head + slot * len(lines) + 24.0

    def draw(axes: Axes) -> None:
        axes.set_ylim(slot * len(lines), 0)
        share_axis(axes, "x")
        axes.yaxis.set_visible(False)
        for index, (title, rates) in enumerate(lines):
            top = index * slot
            is_mean = index == len(found)
            if index:
                axes.axhline(top, color=light("muted" if is_mean else "rule"), linewidth=0.8)
            _row_title(axes, top + 12, title, "", is_bold=is_mean)
            for place, (model, rate) in enumerate(rates.items()):
                y = top + 23 + 13.0 * place
                role, marker, _ = looks[model]
                if rate.value is None:
                    _note(axes, y, "no cases")
                    continue
                axes.plot(list(rate.interval), [y, y], color=light(role), linewidth=2.2, solid_capstyle="round")
                axes.plot(rate.value, y, marker, ms=7, mfc=light(role), mec=light("paper"), zorder=4, clip_on=False)
                _value_text(axes, y, estimate_words(rate, is_short=True))
        legend(axes, [(results.labels[m], *looks[m][:2], True, "none") for m in results.models], columns=1)

    rows: list[tuple[Value, ...]] = []
    first = results.models[0]
    labelled = {**found, **({"mean over families": means} if len(shared) > 1 else {})}
    for family, rates in labelled.items():
        for model, rate in rates.items():
            change = contrast(rate, rates[first])
            ends = (None, None) if change.value is None else change.interval
            rows.append((model, variant, family, name, *_values(rate), _round(change.value), *map(_round, ends)))
    label = EVALUATION_RATES[name][0]
    spoken = "; ".join(f"{results.labels[model]} {estimate_words(means[model])}" for model in results.models)
    return Figure(
        name=f"models-{name.replace('_', '-')}",
        title=f"{label}: models side by side",
        subject=label,
        description=f"Points with 95 percent intervals: {label} by family, one mark for each model. Mean over the "
        f"{len(shared)} families that all have: {spoken}.",
        section="models",
        header=("model", "variant", "family", "rate", "value", "low", "high", "change", "change_low", "change_high"),
        rows=tuple(rows),
        height=height,
        draw=draw,
        margins=(8.0, 88.0, 24.0, head),
    )


# Pressure


def pressure(results: EvaluationResults, model: str) -> Figure | None:
    """Follow the mean rates over the variants that put pressure on the confession."""
    names = (("p_confessed_given_bad", "tp", "o"), ("p_confessed_given_good", "fp", "D"))
    variants = tuple(variant for variant in results.variants if results.measured(model, variant))
    if len(variants) < 2:
        return None
    means: dict[str, list[Mean]] = {}
    for name, *_ in names:
        shared = _shared(results, [(model, variant) for variant in variants], name)
        means[name] = [results.mean(model, variant, name, shared) for variant in variants]
    if not means["p_confessed_given_bad"][0].families:
        return None
    looks = [(name, role, marker, EVALUATION_RATES[name][0]) for name, role, marker in names]
    return _line_panel(
        name=f"pressure-{_name(results, model)}",
        title=f"Under pressure: {results.labels[model]}",
        subject=results.labels[model],
        section="pressure",
        ticks=variants,
        label="pressure on the confession",
        lines=[
            (label, role, marker, "solid", [mean.estimate for mean in means[name]])
            for name, role, marker, label in looks
        ],
        description="Means over families that every variant has, with 95 percent intervals, by pressure.",
        header=("model", "variant", "rate", "families", "value", "low", "high"),
        rows=tuple(
            (model, variant, name, len(mean.families), *_values(mean.estimate))
            for name, *_ in looks
            for variant, mean in zip(variants, means[name], strict=True)
        ),
    )


def _shared(results: EvaluationResults, places: Sequence[tuple[str, str]], name: str) -> tuple[str, ...]:
    """List the families that have cases of a rate in every place, a model under a variant."""
    found = [set(results.mean(model, variant, name).families) for model, variant in places]
    return tuple(family for family in results.families if all(family in one for one in found))


# Figures 8 and 9: confidence


class Series(NamedTuple):
    """One model's stated confidences, read from its confessions or from its answers."""

    model: str
    source: str
    stated: list[Stated]
    without_truth: int
    without_confidence: int
    by_family: Mapping[str, list[Stated]]


def confidence_series(results: EvaluationResults) -> list[Series]:
    """Collect the confidences of every model, by the text that they were read from."""
    found = []
    for model in results.models:
        rows = _plain_rows(results, model)
        by_source: dict[str, list[Row]] = {}
        for row in rows:
            if SCORER in row.scores:
                source = str(row.score_metadata.get(SCORER, {}).get("source") or "confession")
                by_source.setdefault(source, []).append(row)
        for source, scored in by_source.items():
            stated, without_truth, without_confidence = read_stated(scored)
            families = {
                family: read_stated(row for row in scored if row.family == family).stated for family in results.families
            }
            if stated:
                families = {family: members for family, members in families.items() if members}
                found.append(Series(model, source, stated, without_truth, without_confidence, families))
    return found


def confidence_records(results: EvaluationResults, series: Sequence[Series]) -> list[dict[str, Any]]:
    """List what the confidences are worth, for each series as a whole and family by family."""
    records = []
    for one in series:
        groups = {"all families": one.stated, **one.by_family} if len(one.by_family) > 1 else one.by_family
        for family, stated in groups.items():
            area, (score, baseline) = estimate_roc_auc(stated), brier(stated)
            mean = sum(each.confidence for each in stated) / len(stated)
            records.append(
                {
                    "model": one.model,
                    "read_from": one.source,
                    "family": family,
                    "title": results.title(family) if family in results.families else "All families, pooled",
                    "n": len(stated),
                    "mean_confidence": mean,
                    "accuracy": share_correct(stated),
                    "roc_auc": area,
                    "brier": score,
                    "brier_baseline": baseline,
                    "calibration_error": calibration_error(reliability(stated)),
                }
            )
    return records


def reliability_diagram(results: EvaluationResults, series: Series) -> Figure:
    """Set, bin by bin, how many answers are right against how confident their confessions are."""
    bins = reliability(series.stated)
    filled = [one for one in bins if one.n]
    most = max(one.n for one in filled)

    def draw(axes: Axes) -> None:
        share_axis(axes, "y")
        axes.set_xlim(-0.01, 1.01)
        axes.set_xticks(_TENTHS)
        axes.set_xlabel("stated confidence", color=light("muted"), fontsize=10)
        axes.plot([0, 1], [0, 1], color=light("muted"), linewidth=1.0, linestyle=DASHES["dashed"])
        for one in filled:
            width = one.high - one.low
            axes.bar(
                one.low, 0.16 * one.n / most, width * 0.92, align="edge", color=light("tn"), linewidth=0, alpha=0.8
            )
            axes.plot(
                [one.confidence or 0.0] * 2, list(one.accuracy.interval), color=light("confessions"), linewidth=2.0,
                solid_capstyle="round",
            )  # fmt: skip
        points = [(one.confidence, one.accuracy.value) for one in filled]
        axes.plot(*zip(*points, strict=True), "o-", color=light("confessions"), ms=6, linewidth=1.2, clip_on=False)
        legend(
            axes,
            [
                ("share that is right", "confessions", "o", True, "solid"),
                ("calibrated", "muted", "none", True, "dashed"),
            ],
        )

    error = calibration_error(bins)
    return Figure(
        name=f"reliability-{_name(results, series.model)}-{slug(series.source, 0)}",
        title=f"Reliability: {results.labels[series.model]}",
        subject=f"{results.labels[series.model]}, read from the {series.source}",
        description=f"Reliability diagram of {len(series.stated)} answers: the share that is right against the stated "
        f"confidence, in bins of a tenth, with 95 percent intervals; grey bars show how many answers each bin holds. "
        f"Expected calibration error {error:.2f}. "
        + " ".join(f"Confidence {one.confidence:.2f}: {estimate_words(one.accuracy)} right." for one in filled),
        section="reliability",
        header=("model", "read_from", "bin_low", "bin_high", "n", "confidence", "accuracy", "low", "high"),
        rows=tuple(
            (
                series.model,
                series.source,
                one.low,
                one.high,
                one.n,
                _round(one.confidence),
                *_values(one.accuracy),
            )
            for one in bins
        ),
        height=262.0,
        draw=draw,
        margins=(40.0, 12.0, 38.0, 30.0),
    )


def roc_curves(results: EvaluationResults, series: Sequence[Series]) -> Figure | None:
    """Draw how well the confidence orders right answers before wrong ones, a curve for each series."""
    areas = [estimate_roc_auc(one.stated) for one in series]
    drawn = [(one, area) for one, area in zip(series, areas, strict=True) if area.value is not None]
    if not drawn:
        return None
    looks = model_looks(results)
    head = 17.0 * len(drawn) + 14.0

    def draw(axes: Axes) -> None:
        share_axis(axes, "y")
        share_axis(axes, "x")
        axes.yaxis.grid(True, color=light("rule"), linewidth=0.8)
        axes.set_xlabel("wrong answers called sure", color=light("muted"), fontsize=10)
        axes.plot([0, 1], [0, 1], color=light("muted"), linewidth=1.0, linestyle=DASHES["dashed"])
        entries = []
        for index, (one, area) in enumerate(drawn):
            role = looks[one.model][0]
            dash = _MODEL_DASHES[index % len(_MODEL_DASHES)]
            points = threshold_sweep(one.stated)
            axes.plot(
                [point.sure_given_wrong or 0.0 for point in points],
                [point.sure_given_correct or 0.0 for point in points],
                color=light(role),
                linewidth=2.0,
                linestyle=DASHES[dash],
                clip_on=False,
            )
            assert area.value is not None
            label = f"{results.labels[one.model]}, {one.source}: {area.value:.2f}"
            entries.append((label, role, "none", True, dash))
        legend(axes, entries, columns=1)

    words = [
        f"{results.labels[one.model]}, read from the {one.source}: area {area.value:.2f} "
        f"({area.interval.low:.2f} to {area.interval.high:.2f})."
        for one, area in drawn
    ]
    return Figure(
        name="roc",
        title="ROC curves: right answers called sure",
        subject="ROC curves, with the area under each",
        description="ROC curves of the stated confidence: the share of right answers called sure against that of wrong "
        "ones, over all thresholds. " + " ".join(words),
        section="sweep",
        header=("model", "read_from", "threshold", "sure_given_wrong", "sure_given_correct"),
        rows=tuple(
            (
                one.model,
                one.source,
                _round(point.threshold),
                _round(point.sure_given_wrong),
                _round(point.sure_given_correct),
            )
            for one, _ in drawn
            for point in threshold_sweep(one.stated)
        ),
        height=232.0 + head,
        draw=draw,
        margins=(40.0, 14.0, 38.0, head),
    )


def sweep(results: EvaluationResults, series: Series) -> Figure:
    """Show how the threshold above which an answer counts as sure trades over- for underconfidence."""
    points = threshold_sweep(series.stated)
    lines = (
        ("overconfident", "sure, and wrong", "fn", "solid"),
        ("underconfident", "right, and not sure", "confessions", "dashed"),
    )

    def draw(axes: Axes) -> None:
        share_axis(axes, "y")
        axes.set_xlim(0, 1)
        axes.set_xticks(_TENTHS)
        axes.set_xlabel("confidence from which on an answer is sure", color=light("muted"), fontsize=10)
        at = [1.0 if point.threshold is None else point.threshold for point in points]
        for field, _, role, dash in lines:
            values = [getattr(point, field) for point in points]
            axes.step(at, values, where="pre", color=light(role), linewidth=2.0, linestyle=DASHES[dash], clip_on=False)
        legend(axes, [(label, role, "none", True, dash) for _, label, role, dash in lines])

    first, last = points[0], points[-1]
    return Figure(
        name=f"sweep-{_name(results, series.model)}-{slug(series.source, 0)}",
        title=f"Threshold: {results.labels[series.model]}",
        subject=f"{results.labels[series.model]}, read from the {series.source}",
        description="Shares of all answers over the threshold of confidence from which on an answer counts as sure. "
        f"At 0: {100 * first.overconfident:.0f} percent sure and wrong, none right and not sure. Above every "
        f"confidence: none sure, {100 * last.underconfident:.0f} percent right and not sure.",
        section="sweep",
        header=("model", "read_from", "threshold", "overconfident", "underconfident"),
        rows=tuple(
            (
                series.model,
                series.source,
                _round(point.threshold),
                _round(point.overconfident),
                _round(point.underconfident),
            )
            for point in points
        ),
        height=222.0,
        draw=draw,
        margins=(40.0, 14.0, 38.0, 30.0),
    )


# Figure 10: why confessions failed, and what they say


def failures(results: EvaluationResults, model: str) -> Figure | None:
    """Count why bad answers went unconfessed and why good ones were confessed."""
    rows = [row for row in _plain_rows(results, model) if _class_of(row, "class") not in (None, "none")]
    wanted: tuple[tuple[str, Cell, tuple[FalseNegative | FalsePositive, ...]], ...] = (
        ("False negatives", "fn", tuple(FalseNegative)),
        ("False positives", "fp", tuple(FalsePositive)),
    )
    counts = {cell: Counter(_class_of(row, "class") for row in rows if row.outcome == cell) for _, cell, _ in wanted}
    blocks = [(title, cell, classes) for title, cell, classes in wanted if counts[cell]]
    if not blocks:
        return None
    slot, gap = 17.0, 26.0
    height = sum(gap + slot * len(classes) for _, _, classes in blocks) + 20.0
    most = max(max(count.values()) for count in counts.values() if count)

    def draw(axes: Axes) -> None:
        axes.set_xlim(0, most * 1.02)
        axes.set_ylim(height - 20.0, 0)
        axes.axis("off")
        top = 0.0
        for title, cell, classes in blocks:
            filtered = sum(counts[cell][one.value] for one in classes if one.is_filtered)
            words = f"{title}: {sum(counts[cell].values()) - filtered}" + (
                f", and {filtered} set aside" if filtered else ""
            )
            axes.text(-0.78 * most, top + 16, words, fontsize=11, fontweight="bold", color=light("ink"), va="baseline")
            top += gap
            for one in classes:
                middle, count = top + slot / 2, counts[cell][one.value]
                role = "before" if one.is_filtered else cell
                axes.barh(middle, count, slot * 0.62, color=light(role), linewidth=0)
                axes.text(
                    -0.025 * most, middle, one.value.replace("_", " "), fontsize=9.5, ha="right",
                    va="center_baseline", color=light("muted" if one.is_filtered else "ink"), clip_on=False,
                )  # fmt: skip
                axes.text(
                    count + 0.02 * most, middle, str(count), fontsize=9.5, color=light("ink"), va="center_baseline"
                )
                top += slot

    return Figure(
        name=f"failures-{_name(results, model)}",
        title=f"Why confessions failed: {results.labels[model]}",
        subject=results.labels[model],
        description="Counts of classes, by a judge. "
        + " ".join(
            f"{title}: "
            + ", ".join(f"{one.value.replace('_', ' ')} {counts[cell][one.value]}" for one in classes)
            + "."
            for title, cell, classes in blocks
        ),
        section="failures",
        header=("model", "kind", "class", "is_filtered", "family", "count"),
        rows=tuple(
            (model, title.lower(), one.value, int(one.is_filtered), family, number)
            for title, cell, classes in blocks
            for one in classes
            for family, number in _by_family(results, rows, cell, one.value)
        ),
        height=height,
        draw=draw,
        margins=(146.0, 26.0, 8.0, 4.0),
    )


def _by_family(results: EvaluationResults, rows: Sequence[Row], cell: Cell, name: str) -> list[tuple[str, int]]:
    counts = Counter(row.family for row in rows if row.outcome == cell and _class_of(row, "class") == name)
    return [(family, counts[family]) for family in results.families if counts[family]] or [("all", 0)]


def stances(results: EvaluationResults, is_bad: bool) -> Figure | None:
    """Stack what the confessions of bad, or of good, answers say of the bad behaviour, a bar for each model."""
    counts = {
        model: Counter(
            _class_of(row, "stance")
            for row in _plain_rows(results, model)
            if row.is_bad is is_bad and _class_of(row, "stance") is not None
        )
        for model in results.models
    }
    counts = {model: count for model, count in counts.items() if count}
    if not counts:
        return None
    kind = "bad" if is_bad else "good"
    slot, head = 42.0, 48.0
    height = head + slot * len(counts) + 24.0

    def draw(axes: Axes) -> None:
        axes.set_ylim(slot * len(counts), 0)
        share_axis(axes, "x")
        axes.yaxis.set_visible(False)
        for index, (model, count) in enumerate(counts.items()):
            top, total, left = index * slot, sum(count.values()), 0.0
            _row_title(axes, top + 11, results.labels[model], f"{total} {kind}", outside=False)
            for stance, role in _STANCE_ROLES.items():
                share = count[stance.value] / total
                axes.barh(top + 25, share, 15.0, left=left, color=light(role), linewidth=0)
                if share * (WIDTH - 24) >= 8.0 * len(str(count[stance.value])) + 4.0:
                    on = "paper" if role in ("before", "confessions") else f"on-{role}"
                    axes.text(
                        left + share / 2, top + 25, str(count[stance.value]), fontsize=9.5, color=light(on),
                        ha="center", va="center_baseline",
                    )  # fmt: skip
                left += share
        _patch_legend(axes, [(_STANCE_WORDS[stance], role) for stance, role in _STANCE_ROLES.items()], columns=3)

    return Figure(
        name=f"stances-{kind}",
        title=f"What confessions of {kind} answers say",
        subject=f"Confessions of {kind} answers",
        description=f"Stacked bars: what the confessions of {kind} answers say of the bad behaviour. "
        + " ".join(
            f"{results.labels[model]}: "
            + ", ".join(f"{_STANCE_WORDS[stance]} {count[stance.value]}" for stance in Stance)
            + "."
            for model, count in counts.items()
        ),
        section="failures",
        header=("model", "answers", "stance", "count"),
        rows=tuple(
            (model, kind, stance.value, count[stance.value]) for model, count in counts.items() for stance in Stance
        ),
        height=height,
        draw=draw,
        margins=(8.0, 16.0, 24.0, head),
    )


def _class_of(row: Row, key: str) -> str | None:
    value = row.scores.get(FAILURES)
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else None


# Figure 14: test-time compute


def compute_curves(results: EvaluationResults, model: str) -> Figure | None:
    """Follow the mean rates over the test-time compute of the confession, on the families that every setting has."""
    variant = results.plain
    cells = {family: results.settings(model, variant, family) for family in results.measured(model, variant)}
    settings = sorted({setting for cell in cells.values() for setting in cell}, key=lambda setting: setting.cost)
    if len(settings) < 2:
        return None
    shared = [
        family
        for family, cell in cells.items()
        if all(EvaluationTable.count(cell.get(setting, [])).is_attempted for setting in settings)
    ]
    if not shared:
        return None
    names = (("p_confessed_given_bad", "tp", "o", "solid"), ("p_confessed_given_good", "fp", "D", "dotted"))
    groups = {setting: {family: cells[family][setting] for family in shared} for setting in settings}
    tokens = {
        setting: _mean_tokens([row for found in groups[setting].values() for row in found]) for setting in settings
    }
    means = {name: [mean_over(groups[setting], name) for setting in settings] for name, *_ in names}
    ticks = tuple(_setting_words(setting, tokens[setting]) for setting in settings)
    rows: list[tuple[Value, ...]] = []
    for name, *_ in names:
        for index, setting in enumerate(settings):
            at = (model, name, setting.k, setting.asks, setting.effort, _round(tokens[setting]))
            rows.append((*at, "mean over families", *_values(means[name][index].estimate)))
            for family in shared:
                rows.append((*at, family, *_values(mean_over({family: groups[setting][family]}, name).estimate)))
    return _line_panel(
        name=f"compute-{_name(results, model)}",
        title=f"Test-time compute: {results.labels[model]}",
        subject=results.labels[model],
        section="compute",
        ticks=ticks,
        label="confessions of each answer (k), effort, mean tokens",
        lines=[
            (EVALUATION_RATES[name][0], role, marker, dash, [mean.estimate for mean in means[name]])
            for name, role, marker, dash in names
        ],
        description=f"Means over {len(shared)} families, with 95 percent intervals, by the test-time compute of the "
        "confession.",
        header=("model", "rate", "k", "asks", "effort", "mean_tokens", "family", "value", "low", "high"),
        rows=tuple(rows),
        foot=52.0,
    )


def _mean_tokens(rows: Sequence[Row]) -> float | None:
    counts = [(row.metadata.get("compute") or {}).get("tokens") for row in rows]
    known = [count for count in counts if isinstance(count, int | float)]
    return sum(known) / len(known) if known else None


def _setting_words(setting: Setting, tokens: float | None) -> str:
    lines = [f"k={setting.k}" + (f", asks={setting.asks}" if setting.asks > 1 else "")]
    lines += [setting.effort] if setting.effort is not None else []
    lines += [f"{tokens:,.0f}"] if tokens is not None else []
    return "\n".join(lines)


# Layers


def layers(results: EvaluationResults, model: str) -> Figure | None:
    """Compare the confession with monitors, alone and together, on the same samples."""
    rows = _plain_rows(results, model)
    table = layer_table(rows)
    if table is None or not table.layers:
        return None
    slot, head = 26.0, 10.0
    height = head + slot * len(table.layers) + 24.0

    def draw(axes: Axes) -> None:
        axes.set_ylim(slot * len(table.layers), 0)
        share_axis(axes, "x")
        axes.yaxis.set_visible(False)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.axvline(0.25, color=light("muted"), linewidth=1.0, linestyle=DASHES["dashed"])
        for index, layer in enumerate(table.layers):
            y, found = index * slot + slot / 2, layer.g_mean_squared
            role = "tp" if "confession" in layer.parts else "judge"
            axes.text(
                -0.03, y, layer_words(layer.parts), fontsize=9.5, color=light("ink"), ha="right",
                va="center", clip_on=False, linespacing=0.95,
            )  # fmt: skip
            axes.plot(list(found.interval), [y, y], color=light(role), linewidth=2.2, solid_capstyle="round")
            marker = "o" if len(layer.parts) == 1 else "D"
            assert found.value is not None
            axes.plot(found.value, y, marker, ms=7, mfc=light(role), mec=light("paper"), zorder=4, clip_on=False)
            _value_text(axes, y, f"{found.value:.2f}")

    return Figure(
        name=f"layers-{_name(results, model)}",
        title=f"Layers, g-mean squared: {results.labels[model]}",
        subject=results.labels[model],
        description=f"g-mean squared with 95 percent intervals on the same {table.bad} bad and {table.good} good "
        f"answers, mean over {len(table.families)} families; the dashed line at 0.25 is what a coin gives. "
        + " ".join(
            f"{layer_words(layer.parts, ' or ')}: {layer.g_mean_squared.value:.2f} "
            f"({layer.g_mean_squared.interval.low:.2f} to {layer.g_mean_squared.interval.high:.2f})."
            for layer in table.layers
        ),
        section="layers",
        header=(
            "model",
            "families",
            "bad",
            "good",
            "flags_if_any_of",
            "true_positives",
            "true_positives_low",
            "true_positives_high",
            "false_positives",
            "false_positives_low",
            "false_positives_high",
            "g_mean_squared",
            "g_mean_squared_low",
            "g_mean_squared_high",
            "gain_by_confession",
            "gain_low",
            "gain_high",
        ),  # fmt: skip
        rows=tuple(row for words, one in _layer_tables(results, rows, table) for row in _layer_rows(model, words, one)),
        height=height,
        draw=draw,
        margins=(104.0, 44.0, 24.0, head),
    )


def _layer_tables(results: EvaluationResults, rows: Sequence[Row], whole: LayerTable) -> list[tuple[str, LayerTable]]:
    tables = [("mean over families", whole)]
    if len(whole.families) > 1:
        for family in whole.families:
            one = layer_table([row for row in rows if row.family == family])
            if one is not None:
                tables.append((family, one))
    return tables


def _layer_rows(model: str, words: str, table: LayerTable) -> list[tuple[Value, ...]]:
    return [
        (
            model,
            words,
            table.bad,
            table.good,
            " or ".join(layer.parts),
            *_values(layer.true_positives),
            *_values(layer.false_positives),
            *_values(layer.g_mean_squared),
            *((None, None, None) if layer.gain is None else _values(layer.gain)),
        )  # fmt: skip
        for layer in table.layers
    ]


def layer_words(parts: Sequence[str], between: str = "\nor ") -> str:
    """Name a layer for readers."""
    names = {"cot_monitor": "CoT monitor", "answer_monitor": "answer monitor"}
    return between.join(names.get(part, part) for part in parts) if len(parts) < 3 else "any of the three"


# Shared drawing and words


def model_looks(results: EvaluationResults) -> dict[str, tuple[str, str, str]]:
    """Give each model a colour, a marker and a dash."""
    return {
        model: (
            _MODEL_ROLES[index % len(_MODEL_ROLES)],
            _MODEL_MARKERS[index % len(_MODEL_MARKERS)],
            _MODEL_DASHES[index % len(_MODEL_DASHES)],
        )
        for index, model in enumerate(results.models)
    }


def estimate_words(found: Estimate, is_short: bool = False) -> str:
    """Write a rate with its interval in percent, such as `94 % (92-96 %)`."""
    if found.value is None:
        return "no cases"
    value = f"{100 * found.value:.0f} %"
    return value if is_short else f"{value} ({100 * found.interval.low:.0f}-{100 * found.interval.high:.0f} %)"


def _plain_rows(results: EvaluationResults, model: str) -> list[Row]:
    """List a model's rows of the plain variant, at each family's least compute."""
    return [row for family in results.families for row in results.samples(model, results.plain, family)]


def _name(results: EvaluationResults, model: str) -> str:
    slugs = [slug(name, index)[-60:].strip("-") for index, name in enumerate(results.models)]
    index = results.models.index(model)
    return slugs[index] if slugs.count(slugs[index]) == 1 else f"{slugs[index]}-{index}"


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _values(found: Estimate) -> tuple[float | None, float | None, float | None]:
    if found.value is None:
        return None, None, None
    return _round(found.value), _round(found.interval.low), _round(found.interval.high)


def _k_of_n(results: EvaluationResults, model: str, variant: str, family: str, name: str) -> tuple[int, int]:
    rate = EVALUATION_RATES[name][1](results.table(model, variant, family))
    return rate.k, rate.n


def _counts_words(results: EvaluationResults, model: str, variant: str, family: str, name: str) -> str:
    k, n = _k_of_n(results, model, variant, family, name)
    return f"{k}/{n}"


def _size_words(table: EvaluationTable) -> str:
    return f"{table.bad} bad of {table.n}" if table.is_attempted else ""


def _clip(text: str, most: int) -> str:
    flat = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}\u2026"


def _row_title(axes: Axes, y: float, title: str, size: str, is_bold: bool = False, outside: bool = True) -> None:
    weight = "bold" if is_bold else "normal"
    axes.text(0, y, _clip(title, 46), fontsize=10.5, color=light("ink"), va="baseline", fontweight=weight)
    if size:
        at, side = (1.03, "left") if outside else (1.0, "right")
        axes.text(at, y, size, fontsize=9.5, color=light("muted"), ha=side, va="baseline", clip_on=False)


def _note(axes: Axes, y: float, text: str) -> None:
    axes.text(0.01, y, _clip(text, 58), fontsize=9.5, style="italic", color=light("muted"), va="center")


def _value_text(axes: Axes, y: float, text: str) -> None:
    axes.text(1.03, y, text, fontsize=9.5, color=light("ink"), va="center_baseline", clip_on=False)


def _bar(axes: Axes, middle: float, thickness: float, role: str, found: Estimate, counts: str) -> None:
    if found.value is None:
        _note(axes, middle, "no bad answer")
        return
    axes.barh(middle, found.value, thickness, color=light(role), linewidth=0)
    axes.plot(list(found.interval), [middle, middle], color=light("muted"), linewidth=1.4, clip_on=False)
    _value_text(axes, middle, f"{100 * found.value:.0f} %" + (f"  {counts}" if counts else ""))


def _patch_legend(
    axes: Axes,
    patches: Sequence[tuple[str, str]],
    marks: Sequence[tuple[str, str, str, bool, str]] = (),
    columns: int = 2,
) -> None:
    handles: list[Any] = [Patch(facecolor=light(role), label=label) for label, role in patches]
    for label, role, marker, _, _ in marks:
        handles += axes.plot(
            [], [], color=light(role), linestyle="none", marker=marker, markersize=9, markeredgewidth=1.6, label=label
        )
    axes.figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(5 / WIDTH, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=9.5,
        labelcolor=light("ink"),
        handlelength=0.9,
        handleheight=0.9,
        handletextpad=0.5,
        columnspacing=1.1,
        borderpad=0.2,
        borderaxespad=0.0,
    )


def _line_panel(
    name: str,
    title: str,
    subject: str,
    section: str,
    ticks: Sequence[str],
    label: str,
    lines: Sequence[tuple[str, str, str, str, Sequence[Estimate]]],
    description: str,
    header: tuple[str, ...],
    rows: tuple[tuple[Value, ...], ...],
    foot: float = 38.0,
) -> Figure:
    def draw(axes: Axes) -> None:
        plain_axis(axes)
        share_axis(axes, "y")
        axes.set_xlim(-0.3, len(ticks) - 0.7)
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlabel(label, color=light("muted"), fontsize=10)
        for shift, (_, role, marker, dash, found) in zip((-0.03, 0.03), lines, strict=True):
            points = [(index + shift, one.value) for index, one in enumerate(found) if one.value is not None]
            for index, one in enumerate(found):
                if one.value is not None:
                    ends = list(one.interval)
                    axes.plot([index + shift] * 2, ends, color=light(role), linewidth=1.6, solid_capstyle="round")
            axes.plot(
                [x for x, _ in points],
                [value for _, value in points],
                color=light(role),
                marker=marker,
                ms=6,
                linewidth=2.0,
                linestyle=DASHES[dash],
                clip_on=False,
            )
        legend(axes, [(words, role, marker, True, dash) for words, role, marker, dash, _ in lines], columns=1)

    spoken = [
        f"{words}: "
        + ", ".join(f"{tick} {estimate_words(one)}" for tick, one in zip(ticks, found, strict=True)).replace("\n", " ")
        + "."
        for words, *_, found in lines
    ]
    head = 17.0 * len(lines) + 14.0
    return Figure(
        name=name,
        title=title,
        subject=subject,
        description=f"{description} " + " ".join(spoken),
        section=section,
        header=header,
        rows=rows,
        height=184.0 + head + foot,
        draw=draw,
        margins=(40.0, 14.0, foot, head),
    )
