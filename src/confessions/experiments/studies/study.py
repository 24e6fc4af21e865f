"""What a study is: a question, arms that are trained or asked, what is measured, and the claims that this decides.

A study measures one seed at a time and gives `Measurement`s: counts of cases, or numbers. Everything that is said of it
afterwards (figures, tables, whether a claim holds) is computed from these rows, which are stored as CSV. A claim names
beforehand the quantity, the direction and the bound by which it is decided.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self

from scipy.stats import t

from confessions.errors import ConfessionsError
from confessions.evaluation.metrics import ConfusionTable, Interval, Rate, difference, wilson

if TYPE_CHECKING:
    from confessions.experiments.studies.policies import Workshop

Decision = Literal["holds", "does not hold", "undecided", "cannot be tested"]

Unit = Literal["share", "points", "number", "change"]
"""What an estimate is: a rate, a difference of two rates, a number, or a difference of two numbers."""

COLUMNS: Final = ("seed", "arm", "group", "step", "quantity", "k", "n", "value")


class StudyError(ConfessionsError):
    """Say what of a study cannot be run or read."""


class Measurement(NamedTuple):
    """One thing measured of one arm: k of n cases, or a number."""

    seed: int
    arm: str
    group: str
    """What it was measured on, such as "training kinds"."""
    quantity: str
    k: int | None = None
    n: int | None = None
    value: float | None = None
    step: int | None = None
    """The optimizer step of a curve's point; None for what was measured in the end."""

    @property
    def number(self) -> float | None:
        """Return the number, or k / n; None where there were no cases."""
        if self.value is not None:
            return self.value
        return self.k / self.n if self.n and self.k is not None else None


class Estimate(NamedTuple):
    """A mean over seeds with an interval; the value is None where nothing was measured."""

    value: float | None
    low: float
    high: float
    seeds: int
    k: int | None = None
    n: int | None = None
    unit: Unit = "number"

    @property
    def is_known(self) -> bool:
        """Tell whether there is a value with an interval."""
        return self.value is not None and math.isfinite(self.low) and math.isfinite(self.high)


UNKNOWN: Final = Estimate(None, -math.inf, math.inf, 0)


class Measurements:
    """The rows of a study, and what can be asked of them."""

    def __init__(self, rows: Iterable[Measurement]) -> None:
        """Keep the rows."""
        self.rows = tuple(rows)
        self._lines: dict[tuple[str, str, str], list[Measurement]] = {}
        for row in self.rows:
            self._lines.setdefault((row.quantity, row.arm, row.group), []).append(row)

    @property
    def seeds(self) -> tuple[int, ...]:
        """List the seeds, in order."""
        return tuple(sorted({row.seed for row in self.rows}))

    @property
    def arms(self) -> tuple[str, ...]:
        """List the arms in the order in which they occur."""
        return tuple(dict.fromkeys(row.arm for row in self.rows))

    @property
    def groups(self) -> tuple[str, ...]:
        """List the groups in the order in which they occur."""
        return tuple(dict.fromkeys(row.group for row in self.rows))

    def steps(self, quantity: str, arm: str, group: str) -> tuple[int, ...]:
        """List the steps at which a curve was measured."""
        found = self.select(quantity, arm, group, every_step=True)
        return tuple(sorted({row.step for row in found if row.step is not None}))

    def select(
        self, quantity: str, arm: str, group: str, step: int | None = None, *, every_step: bool = False
    ) -> tuple[Measurement, ...]:
        """Give the rows of a quantity, one a seed."""
        found = self._lines.get((quantity, arm, group), ())
        return tuple(row for row in found if every_step or row.step == step)

    def by_seed(self, quantity: str, arm: str, group: str, step: int | None = None) -> dict[int, float]:
        """Give a quantity seed by seed, without the seeds that had no cases."""
        found = {row.seed: row.number for row in self.select(quantity, arm, group, step)}
        return {seed: number for seed, number in found.items() if number is not None}

    def estimate(
        self, quantity: str, arm: str, group: str, step: int | None = None, confidence: float = 0.95
    ) -> Estimate:
        """Estimate a quantity over the seeds.

        A rate is pooled over all cases. Its interval spans Wilson's of the pooled counts and Student's over the seeds,
        so that neither few cases nor seeds that differ can make it look surer than it is.
        """
        rows = [row for row in self.select(quantity, arm, group, step) if row.number is not None]
        numbers = [row.number for row in rows if row.number is not None]
        if not numbers:
            return UNKNOWN
        over_seeds = t_interval(numbers, confidence)
        if any(row.k is None for row in rows):
            low, high = over_seeds or (-math.inf, math.inf)
            unit: Unit = "points" if quantity in POINTS else "number"
            return Estimate(fmean(numbers), low, high, len(numbers), unit=unit)
        k, n = sum(row.k or 0 for row in rows), sum(row.n or 0 for row in rows)
        pooled = wilson(k, n, confidence)
        ends = over_seeds or pooled
        return Estimate(
            k / n, max(0.0, min(pooled.low, ends.low)), min(1.0, max(pooled.high, ends.high)), len(rows), k, n, "share"
        )

    def contrast(
        self,
        quantity: str,
        first: tuple[str, str],
        second: tuple[str, str],
        *,
        steps: tuple[int | None, int | None] = (None, None),
        confidence: float = 0.95,
    ) -> Estimate:
        """Estimate by how much a quantity is larger in the first (arm, group) than in the second, paired by seed.

        The interval spans Student's over the seeds' differences and, for rates, Newcombe's of the pooled counts.
        """
        ones = self.by_seed(quantity, *first, steps[0])
        others = self.by_seed(quantity, *second, steps[1])
        shared = sorted(set(ones) & set(others))
        if not shared:
            return UNKNOWN
        differences = [ones[seed] - others[seed] for seed in shared]
        over_seeds = t_interval(differences, confidence)
        rates = [self._pooled(quantity, one, step, shared) for one, step in zip((first, second), steps, strict=True)]
        if rates[0] is None or rates[1] is None:
            low, high = over_seeds or (-math.inf, math.inf)
            unit: Unit = "points" if quantity in POINTS else "change"
            return Estimate(fmean(differences), low, high, len(shared), unit=unit)
        pooled = difference(rates[0], rates[1], confidence)
        ends = over_seeds or pooled.interval
        value = fmean(differences) if pooled.value is None else pooled.value
        low, high = min(pooled.interval.low, ends.low), max(pooled.interval.high, ends.high)
        return Estimate(value, max(-1.0, low), min(1.0, high), len(shared), unit="points")

    def between(self, quantity: str, other: str, arm: str, group: str, confidence: float = 0.95) -> Estimate:
        """Estimate by how much one quantity of an arm is larger than another, as `contrast` does for two arms."""
        ones, others = self.by_seed(quantity, arm, group), self.by_seed(other, arm, group)
        shared = sorted(set(ones) & set(others))
        if not shared:
            return UNKNOWN
        differences = [ones[seed] - others[seed] for seed in shared]
        low, high = t_interval(differences, confidence) or (-math.inf, math.inf)
        first, second = (self._pooled(one, (arm, group), None, shared) for one in (quantity, other))
        if first is None or second is None:
            return Estimate(fmean(differences), low, high, len(shared), unit="change")
        pooled = difference(first, second, confidence)
        if not math.isfinite(low):
            low, high = pooled.interval
        low, high = max(-1.0, min(low, pooled.interval.low)), min(1.0, max(high, pooled.interval.high))
        value = fmean(differences) if pooled.value is None else pooled.value
        return Estimate(value, low, high, len(shared), unit="points")

    def _pooled(self, quantity: str, one: tuple[str, str], step: int | None, seeds: Sequence[int]) -> Rate | None:
        rows = [row for row in self.select(quantity, *one, step) if row.seed in seeds]
        if any(row.k is None or row.n is None for row in rows):
            return None
        return Rate(sum(row.k or 0 for row in rows), sum(row.n or 0 for row in rows))

    def to_csv(self) -> str:
        """Write the rows as CSV, numbers to six significant digits."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in self.rows:
            value = "" if row.value is None else f"{row.value:.6g}"
            writer.writerow(
                ["" if cell is None else cell for cell in (row.seed, row.arm, row.group, row.step, row.quantity)]
                + ["" if row.k is None else row.k, "" if row.n is None else row.n, value]
            )
        return out.getvalue()

    @classmethod
    def from_csv(cls, text: str, name: str = "measurements") -> Self:
        """Read what `to_csv` wrote.

        Raises: StudyError that names the line.
        """
        reader = csv.DictReader(io.StringIO(text))
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise StudyError(f"{name} has the columns {reader.fieldnames}; they should be {', '.join(COLUMNS)}")
        rows: dict[tuple[object, ...], Measurement] = {}
        for entry in reader:
            try:
                row = _read_row(entry)
            except (KeyError, TypeError, ValueError) as error:
                raise StudyError(f"{name}, line {reader.line_num}: {error}") from None
            place = (row.seed, row.arm, row.group, row.step, row.quantity)
            if place in rows:
                raise StudyError(f"{name}, line {reader.line_num}: {row.quantity} of {place[:4]} stands twice")
            rows[place] = row
        return cls(rows.values())


def _read_row(entry: Mapping[str, Any]) -> Measurement:
    k, n, value = entry["k"], entry["n"], entry["value"]
    if (k == "") != (n == "") or (k == "") == (value == ""):
        raise ValueError("a row should have either k and n, or a value")
    row = Measurement(
        seed=int(entry["seed"]),
        arm=entry["arm"],
        group=entry["group"],
        quantity=entry["quantity"],
        k=int(k) if k else None,
        n=int(n) if n else None,
        value=float(value) if value else None,
        step=int(entry["step"]) if entry["step"] else None,
    )
    if row.k is not None and row.n is not None:
        Rate(row.k, row.n)
    if row.value is not None and not math.isfinite(row.value):
        raise ValueError(f"the value {value} is no number; what was not measured has no row")
    return row


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Give Student's interval of the mean; None where one value leaves the spread unknown."""
    if len(values) < 2:
        return None
    half = float(t.ppf((1 + confidence) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return Interval(fmean(values) - half, fmean(values) + half)


def rates_of(
    table: ConfusionTable, seed: int, arm: str, group: str, step: int | None = None
) -> tuple[Measurement, ...]:
    """Give the rates of a 2x2 table as measurements; a judge's rates only where a judge decided."""
    rates = {
        "bad_rate": table.bad_rate,
        "p_confessed_given_bad": table.p_confessed_given_bad,
        "p_confessed_given_good": table.p_confessed_given_good,
        "p_admitted_given_bad": table.p_admitted_given_bad,
        "joint_false_negatives": table.joint_fn,
        "accuracy": table.accuracy,
        "verdict_accuracy": table.verdict_accuracy,
        "unreadable": table.unreadable,
    }
    if table.judge_scored_bad:
        rates["judge_accuracy_given_bad"] = table.judge_accuracy_given_bad
        rates["judge_pass_rate"] = Rate(table.judge_passed, table.n)
    rows = [Measurement(seed, arm, group, name, rate.k, rate.n, step=step) for name, rate in rates.items()]
    bad, good = table.p_confessed_given_bad.value, table.p_confessed_given_good.value
    if bad is not None and good is not None:
        rows.append(Measurement(seed, arm, group, "selectivity", value=bad - good, step=step))
    return tuple(rows)


POINTS: Final = ("selectivity", "overrating", "gain")
"""Numbers that are differences of two shares."""

QUANTITIES: Final[Mapping[str, str]] = {
    "bad_rate": "bad rate",
    "p_confessed_given_bad": "P(confessed | bad)",
    "p_confessed_given_good": "P(confessed | good)",
    "selectivity": "P(confessed | bad) - P(confessed | good)",
    "p_admitted_given_bad": "P(admitted | bad)",
    "joint_false_negatives": "joint false negatives",
    "accuracy": "confession accuracy",
    "verdict_accuracy": "right verdicts on single rules",
    "unreadable": "unreadable confessions",
    "judge_accuracy_given_bad": "judge's accuracy given bad",
    "judge_pass_rate": "passed by the answers' judge",
}
"""The quantities that every study has, by the words they are shown under; a study adds its own."""


class Finding(NamedTuple):
    """What the measurements say of a claim."""

    decision: Decision
    estimate: Estimate = UNKNOWN
    explanation: str = ""


@dataclass(frozen=True)
class Claim:
    """A statement of the paper or the article, and how it is decided here."""

    statement: str
    source: str
    """Where it is made, such as "paper, section 4"."""
    criterion: str
    """By what it is decided, in words."""
    decide: Callable[[Measurements], Finding]


def decided(estimate: Estimate, *, above: float | None = None, below: float | None = None) -> Finding:
    """Compare an interval with a bound: it holds or not where the whole interval says so, else it is undecided."""
    if not estimate.is_known or estimate.seeds < 2:
        return Finding("undecided", estimate, "not measured on two seeds")
    if above is not None:
        decision: Decision = (
            "holds" if estimate.low > above else "does not hold" if estimate.high <= above else "undecided"
        )
    elif below is not None:
        decision = "holds" if estimate.high < below else "does not hold" if estimate.low >= below else "undecided"
    else:
        raise ValueError("a claim is decided by a bound: give above or below")
    return Finding(decision, estimate)


def equivalent(estimate: Estimate, margin: float) -> Finding:
    """Decide equivalence by two one-sided tests: the interval (90 % for a level of 5 %) lies within the margin."""
    if not estimate.is_known or estimate.seeds < 2:
        return Finding("undecided", estimate, "not measured on two seeds")
    if -margin < estimate.low and estimate.high < margin:
        return Finding("holds", estimate)
    apart = estimate.low >= margin or estimate.high <= -margin
    return Finding("does not hold" if apart else "undecided", estimate)


def all_of(*findings: Finding) -> Finding:
    """Join findings that a claim needs all of; the estimate shown is that of the first one that fails, or the first."""
    for decision in ("does not hold", "cannot be tested", "undecided"):
        for finding in findings:
            if finding.decision == decision:
                return finding
    return findings[0]


def untestable(reason: str) -> Callable[[Measurements], Finding]:
    """Decide nothing, and say why a claim cannot be tested at this size."""
    return lambda measurements: Finding("cannot be tested", UNKNOWN, reason)


@dataclass(frozen=True)
class Curves:
    """A plot of quantities over the optimizer steps: a line for each (quantity, arm, group), its band over seeds."""

    title: str
    lines: tuple[tuple[str, str, str], ...]
    """(quantity, arm, group) of each line."""
    label: str = "share"


@dataclass(frozen=True)
class Dots:
    """A plot of final quantities: a row for each arm (and group), a dot with its interval for each quantity."""

    title: str
    quantities: tuple[str, ...]
    arms: tuple[str, ...]
    groups: tuple[str, ...]
    label: str = "share"


Plot = Curves | Dots


@dataclass(frozen=True)
class Study:
    """A named study."""

    name: str
    title: str
    question: str
    method: str
    """What is trained, asked and measured, in a paragraph of Markdown."""
    measure: Callable[[Workshop, int], Iterable[Measurement]]
    """Measure one seed, training whatever has not been trained."""
    claims: tuple[Claim, ...]
    plots: tuple[Plot, ...]
    quantities: Mapping[str, str]
    """The quantities shown in its table, by the words they are shown under."""
    limits: str = ""
    """What the study cannot say."""
