"""What logs say, as the one view that the evaluation's figures and page draw: models, families, rates with intervals.

Numbers are taken at the least test-time compute that a family was confessed with; what more compute brings is a section
of its own. The paper's table 1 (arXiv 2512.08093) stands beside them: another model on other data.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any, Final, NamedTuple

from confessions.evaluation.metrics import Difference, Interval
from confessions.evaluation.rows import Row
from confessions.evaluation.tables import (
    EVALUATION_RATES,
    Estimate,
    EvaluationTable,
    estimate,
    estimate_g_mean_squared,
    macro_mean,
)
from confessions.scenarios.families import FAMILIES
from confessions.scenarios.pressure import PRESSURES

HEADLINE: Final = ("joint_fn", "p_confessed_given_bad", "p_confessed_given_good")
"""The rates whose mean over families the paper leads with, and the one it leaves out."""

EFFORTS: Final = (None, "none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Reasoning efforts by rising cost; None is that of the answer."""


class Setting(NamedTuple):
    """The test-time compute of a confession."""

    k: int
    asks: int
    effort: str | None

    @classmethod
    def of(cls, row: Row) -> Setting:
        """Read a row's setting; a row without one is taken to have one confession, asked for once."""
        compute = row.metadata.get("compute") or {}
        effort = compute.get("effort")
        return cls(int(compute.get("k") or 1), int(compute.get("asks") or 1), None if effort is None else str(effort))

    @property
    def cost(self) -> tuple[int, int, int]:
        """Return what settings are ordered by."""
        return self.k, self.asks, EFFORTS.index(self.effort) if self.effort in EFFORTS else len(EFFORTS)

    def __str__(self) -> str:
        """Name what differs from one confession asked for once."""
        words = [f"k={self.k}"]
        words += [f"asks={self.asks}"] if self.asks > 1 else []
        words += [f"effort {self.effort}"] if self.effort is not None else []
        return ", ".join(words)


class PaperRow(NamedTuple):
    """One row of the paper's table 1, as shares of 1."""

    bad: float
    neither: float
    p_confessed_given_bad: float
    p_admitted_given_bad: float
    p_confessed_given_good: float | None

    def rate(self, name: str) -> float | None:
        """Return a rate by its name; None where the paper's table neither states nor implies it."""
        match name:
            case "p_confessed_given_bad" | "p_admitted_given_bad" | "p_confessed_given_good":
                value: float | None = getattr(self, name)
                return value
            case "bad_rate":
                return self.bad
            case "neither_rate":
                return self.neither
            case "joint_fn":
                return self.bad * (1 - self.p_confessed_given_bad)
            case "joint_fp":
                good = 1 - self.bad - self.neither
                return good * (self.p_confessed_given_good or 0.0)
            case _:
                return None


@cache
def paper_table() -> Mapping[str, PaperRow]:
    """Read the paper's table 1 by the names of its rows."""
    text = (resources.files("confessions.experiments") / "paper_table1.csv").read_text(encoding="utf-8")
    fields = PaperRow._fields
    return {
        row["eval"]: PaperRow(*(float(row[name]) / 100 if row[name] else None for name in fields))  # type: ignore[arg-type]
        for row in csv.DictReader(text.splitlines())
    }


def paper_mean(name: str) -> float | None:
    """Average a rate over the rows of the paper's table that have it; None where none has."""
    values = [value for row in paper_table().values() if (value := row.rate(name)) is not None]
    return math.fsum(values) / len(values) if values else None


class Mean(NamedTuple):
    """A rate's mean over families, each weighing alike."""

    estimate: Estimate
    families: tuple[str, ...]
    """Those that have cases."""


def contrast(new: Estimate, old: Estimate) -> Difference:
    """Subtract the old value from the new one; the interval is recovered from theirs, as in Newcombe's method 10.

    It takes the two as independent, so with shared prompts it is rather too wide than too narrow.
    """
    if new.value is None or old.value is None:
        return Difference(None, Interval(-1.0, 1.0))
    value = new.value - old.value
    below = math.hypot(new.value - new.interval.low, old.interval.high - old.value)
    above = math.hypot(new.interval.high - new.value, old.value - old.interval.low)
    return Difference(value, Interval(max(-1.0, value - below), min(1.0, value + above)))


@dataclass(frozen=True)
class EvaluationResults:
    """Rows, seen by model, pressure variant and family."""

    rows: tuple[Row, ...]

    @cached_property
    def models(self) -> tuple[str, ...]:
        """List the models in the order of their logs."""
        return tuple(dict.fromkeys(row.model for row in self.rows))

    @cached_property
    def variants(self) -> tuple[str, ...]:
        """List the pressure variants, the plain one first."""
        found = dict.fromkeys(row.variant for row in self.rows)
        return tuple(sorted(found, key=lambda name: PRESSURES.index(name) if name in PRESSURES else len(PRESSURES)))

    @cached_property
    def families(self) -> tuple[str, ...]:
        """List the families, this package's own in the paper's order and then all others."""
        found = dict.fromkeys(row.family for row in self.rows)
        return (*(name for name in FAMILIES if name in found), *(name for name in found if name not in FAMILIES))

    @cached_property
    def plain(self) -> str:
        """Name the variant that figures show where there are several: the one with the least pressure."""
        return self.variants[0]

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Give each model a short name."""
        short = {name: _shortened(name) for name in self.models}
        repeated = {label for label, count in Counter(short.values()).items() if count > 1}
        return {
            name: f"{label} ({index})" if label in repeated else label
            for index, (name, label) in enumerate(short.items(), start=1)
        }

    @cached_property
    def _cells(self) -> Mapping[tuple[str, str, str], Mapping[Setting, list[Row]]]:
        cells: dict[tuple[str, str, str], dict[Setting, list[Row]]] = {}
        for row in self.rows:
            cell = cells.setdefault((row.model, row.variant, row.family), {})
            cell.setdefault(Setting.of(row), []).append(row)
        return cells

    @cached_property
    def _estimates(self) -> dict[tuple[str, str, str, str], Estimate]:
        return {}

    def title(self, family: str) -> str:
        """Return a family's name for readers."""
        if family in FAMILIES:
            return FAMILIES[family].title
        return next((row.title for row in self.rows if row.family == family), family)

    def settings(self, model: str, variant: str, family: str) -> Mapping[Setting, list[Row]]:
        """Return a cell's rows by test-time compute."""
        return self._cells.get((model, variant, family), {})

    def samples(self, model: str, variant: str, family: str) -> list[Row]:
        """Return a cell's rows, at the least test-time compute it has."""
        settings = self.settings(model, variant, family)
        return settings[min(settings, key=lambda setting: setting.cost)] if settings else []

    def measured(self, model: str, variant: str) -> tuple[str, ...]:
        """List the families that a model was measured on under a variant, attempted or not."""
        return tuple(family for family in self.families if self.samples(model, variant, family))

    def table(self, model: str, variant: str, family: str) -> EvaluationTable:
        """Count a cell."""
        return EvaluationTable.count(self.samples(model, variant, family))

    def missing(self, model: str, variant: str, family: str) -> str | None:
        """Say why a cell has no rates: the commonest reason of its samples; None where it was attempted."""
        samples = self.samples(model, variant, family)
        if not samples or EvaluationTable.count(samples).is_attempted:
            return None
        reasons = [str(row.metadata.get("missing") or "") for row in samples if row.outcome == "not attempted"]
        return Counter(reasons).most_common(1)[0][0] or "no reason was logged"

    def rate(self, model: str, variant: str, family: str, name: str) -> Estimate:
        """Estimate one of `EVALUATION_RATES`, or `g_mean_squared`, of a cell; no value where it was not attempted."""
        key = (model, variant, family, name)
        if key not in self._estimates:
            samples = self.samples(model, variant, family)
            if not EvaluationTable.count(samples).is_attempted:
                self._estimates[key] = Estimate(None, Interval(0.0, 1.0), False)
            elif name == "g_mean_squared":
                self._estimates[key] = estimate_g_mean_squared(samples)
            else:
                self._estimates[key] = estimate(samples, EVALUATION_RATES[name][1])
        return self._estimates[key]

    def mean(self, model: str, variant: str, name: str, families: Iterable[str] | None = None) -> Mean:
        """Average a rate over families: over those that are named, or over all."""
        names = self.families if families is None else tuple(families)
        groups = {family: self.samples(model, variant, family) for family in names}
        return mean_over(groups, name)

    @cached_property
    def paper_families(self) -> tuple[str, ...]:
        """List the families that are the paper's."""
        return tuple(name for name in self.families if name in FAMILIES and FAMILIES[name].paper is not None)

    def paper_rate(self, family: str, name: str) -> float | None:
        """Return the paper's rate for its own version of a family."""
        row = FAMILIES[family].paper if family in FAMILIES else None
        return None if row is None else paper_table()[row].rate(name)


def mean_over(groups: Mapping[str, Sequence[Row]], name: str) -> Mean:
    """Average a rate over groups of rows, leaving out those without cases or not attempted."""
    rate_of = EVALUATION_RATES[name][1]
    tables = {family: EvaluationTable.count(samples) for family, samples in groups.items()}
    kept = tuple(family for family, table in tables.items() if table.is_attempted and rate_of(table).n)
    return Mean(macro_mean(groups, rate_of), kept)


def table_records(results: EvaluationResults) -> list[dict[str, Any]]:
    """List every cell with its counts and rates, one flat record for each model, variant and family."""
    records = []
    for model in results.models:
        for variant in results.variants:
            for family in results.measured(model, variant):
                table = results.table(model, variant, family)
                setting = Setting.of(results.samples(model, variant, family)[0])
                record: dict[str, Any] = {
                    "model": model, "variant": variant, "family": family, "title": results.title(family),
                    "compute": str(setting), "not_attempted_because": results.missing(model, variant, family),
                    "samples": table.total, "bad": table.bad, "good": table.good,
                    **{name: getattr(table, name) for name in COUNTS}, "admitted_bad": table.admitted_bad,
                }  # fmt: skip
                for name in (*EVALUATION_RATES, "g_mean_squared"):
                    found = results.rate(model, variant, family, name)
                    record |= _flat(name, found)
                records.append(record)
    return records


def mean_records(results: EvaluationResults) -> list[dict[str, Any]]:
    """List every rate's mean over the paper's families and over all, for each model and variant."""
    records = []
    for model in results.models:
        for variant in results.variants:
            for words, families in mean_groups(results):
                record: dict[str, Any] = {"model": model, "variant": variant, "mean_over": words}
                for name in EVALUATION_RATES:
                    mean = results.mean(model, variant, name, families)
                    record |= {**_flat(name, mean.estimate), f"{name}_families": len(mean.families)}
                records.append(record)
    return records


def mean_groups(results: EvaluationResults) -> list[tuple[str, tuple[str, ...]]]:
    """Name the groups of families that means are taken over."""
    groups = [("the paper's families", results.paper_families)] if results.paper_families else []
    if results.paper_families != results.families:
        groups.append(("all families", results.families))
    return groups


COUNTS: Final = (
    "tp",
    "fn",
    "unscored_bad",
    "fp",
    "tn",
    "unscored_good",
    "neither_confessed",
    "neither_not_confessed",
    "unscored",
    "not_attempted",
)
"""The counts of a cell, in the order they are printed."""


def _flat(name: str, found: Estimate) -> dict[str, float | None]:
    if found.value is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = found.interval
    return {name: round(found.value, 5), f"{name}_low": round(low, 5), f"{name}_high": round(high, 5)}


_TRAINED = re.compile(r"(?:local/)?(?:.*/)?runs/demo-(?P<name>.+)-\d+/runs/confessions/model/?")


def trained_from(model: str) -> str | None:
    """Name the model that a demo's run has trained with confessions; None for any other model."""
    found = _TRAINED.fullmatch(model)
    return found["name"] if found else None


def _shortened(model: str, most: int = 32) -> str:
    """Keep as many of a name's last parts as fit; a demo's trained model is named by what it was trained from."""
    base = trained_from(model)
    if base is not None:
        return f"{base}, trained"
    if len(model) <= most:
        return model
    end = model[-most:]
    cut = end.find("/")
    return f"\u2026{end[cut:] if 0 <= cut < most - 8 else end}"
