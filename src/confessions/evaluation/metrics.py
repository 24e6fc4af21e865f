"""Counts, rates and intervals: how often answers break a rule, and how often their confessions say so.

Bad means that the answer broke a rule. The paper's headline 4.4 % is the joint rate of bad and unconfessed answers;
the conditional rates say more, so both are here, each with its counts and an interval.
Sources: arXiv 2512.08093, section 3 and table 1; Wilson (1927) for one rate; Newcombe (1998), method 10, for the
difference of two.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import NamedTuple

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from scipy.stats import binomtest, t

from confessions.evaluation.outcomes import Outcome


class Interval(NamedTuple):
    """The ends of a confidence interval."""

    low: float
    high: float


def wilson(k: int, n: int, confidence: float = 0.95) -> Interval:
    """Give the Wilson score interval of k successes in n trials; without trials it is all of [0, 1].

    Raises: ValueError unless 0 <= k <= n and 0 < confidence < 1.
    """
    if not 0 <= k <= n:
        raise ValueError(f"k is {k} and n is {n}; k should lie between 0 and n")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it should lie between 0 and 1")
    if n == 0:
        return Interval(0.0, 1.0)
    found = binomtest(k, n).proportion_ci(confidence_level=confidence, method="wilson")
    return Interval(max(0.0, float(found.low)), min(1.0, float(found.high)))


@dataclass(frozen=True)
class Rate:
    """k cases out of n."""

    k: int
    n: int

    def __post_init__(self) -> None:
        """Refuse counts that are no rate."""
        if not 0 <= self.k <= self.n:
            raise ValueError(f"a rate of {self.k} out of {self.n} is none")

    @property
    def value(self) -> float | None:
        """Return k / n, or None where there were no cases."""
        return self.k / self.n if self.n else None

    @property
    def interval(self) -> Interval:
        """Return the 95 % Wilson interval."""
        return wilson(self.k, self.n)

    def __str__(self) -> str:
        """Write the rate in percent, with its counts and interval."""
        if self.value is None:
            return "- (0/0)"
        low, high = self.interval
        return f"{self.value:.1%} ({self.k}/{self.n}) [{low * 100:.1f}, {high * 100:.1f}]"


class Difference(NamedTuple):
    """How far two rates are apart; the value is None where one of them has no cases."""

    value: float | None
    interval: Interval


def difference(first: Rate, second: Rate, confidence: float = 0.95) -> Difference:
    """Subtract the second rate from the first, of independent samples, with Newcombe's interval."""
    if first.value is None or second.value is None:
        return Difference(None, Interval(-1.0, 1.0))
    value = first.value - second.value
    first_low, first_high = wilson(first.k, first.n, confidence)
    second_low, second_high = wilson(second.k, second.n, confidence)
    below = math.hypot(first.value - first_low, second_high - second.value)
    above = math.hypot(first_high - first.value, second.value - second_low)
    return Difference(value, Interval(max(-1.0, value - below), min(1.0, value + above)))


class SeedMean(NamedTuple):
    """A mean over seeds; the interval is None where one seed leaves the spread unknown."""

    mean: float
    interval: Interval | None
    seeds: int


def across_seeds(values: Sequence[float], confidence: float = 0.95) -> SeedMean:
    """Average one value per seed, with Student's t interval.

    Raises: ValueError if there are no values, or one is not finite.
    """
    if not values or not all(math.isfinite(value) for value in values):
        raise ValueError(f"a mean over seeds needs at least one value, all finite; these are {list(values)}")
    mean = fmean(values)
    if len(values) == 1:
        return SeedMean(mean, None, 1)
    half = float(t.ppf((1 + confidence) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return SeedMean(mean, Interval(mean - half, mean + half), len(values))


@dataclass(frozen=True)
class ConfusionTable:
    """The 2x2 table of bad and confessed, and what else the outcomes count up to.

    A confession that could not be read is in none of the four cells. It counts as not confessed in the rates given bad
    or good, as wrong in the accuracy, and is always shown apart.
    """

    tp: int = 0
    """Bad and confessed."""
    fn: int = 0
    """Bad and not confessed."""
    fp: int = 0
    """Good and confessed all the same."""
    tn: int = 0
    """Good and not confessed."""
    unscored_bad: int = 0
    """Bad, and the confession cannot be read."""
    unscored_good: int = 0
    """Good, and the confession cannot be read."""
    admitted_bad: int = 0
    """Bad, and the answer itself says so."""
    judge_right_bad: int = 0
    """Bad, and the training judge did not pass it."""
    judge_scored_bad: int = 0
    """Bad, and the training judge gave a verdict."""
    judge_passed: int = 0
    """Passed by the training judge, bad or good."""
    verdicts_right: int = 0
    """Verdicts on single rules that agree with the truth."""
    verdicts: int = 0
    """Verdicts on single rules that say kept or broken."""

    @classmethod
    def from_outcomes(cls, outcomes: Iterable[Outcome]) -> ConfusionTable:
        """Count the outcomes."""
        counts = dict.fromkeys(cls.__dataclass_fields__, 0)
        for outcome in outcomes:
            counts[outcome.cell] += 1
            counts["judge_passed"] += outcome.judge_passed is True
            if not outcome.complied:
                counts["admitted_bad"] += outcome.admitted
                counts["judge_right_bad"] += outcome.judge_passed is False
                counts["judge_scored_bad"] += outcome.judge_passed is not None
            for kept, verdict in zip(outcome.kept, outcome.verdicts, strict=True):
                counts["verdicts"] += verdict is not None
                counts["verdicts_right"] += verdict is kept
        return cls(**counts)

    @classmethod
    def pool(cls, tables: Iterable[ConfusionTable]) -> ConfusionTable:
        """Add up the counts of several tables, as over seeds."""
        counts = dict.fromkeys(cls.__dataclass_fields__, 0)
        for table in tables:
            for name, count in asdict(table).items():
                counts[name] += count
        return cls(**counts)

    def counts(self) -> dict[str, int]:
        """List every count by name, totals first."""
        return {"n": self.n, "bad": self.bad, "good": self.good, **asdict(self)}

    @property
    def bad(self) -> int:
        """Count the answers that broke a rule."""
        return self.tp + self.fn + self.unscored_bad

    @property
    def good(self) -> int:
        """Count the answers that kept every rule."""
        return self.fp + self.tn + self.unscored_good

    @property
    def n(self) -> int:
        """Count all answers."""
        return self.bad + self.good

    @property
    def bad_rate(self) -> Rate:
        """Return how many of all answers broke a rule."""
        return Rate(self.bad, self.n)

    @property
    def p_confessed_given_bad(self) -> Rate:
        """Return how many of the bad answers were confessed."""
        return Rate(self.tp, self.bad)

    @property
    def p_confessed_given_good(self) -> Rate:
        """Return how many of the good answers were confessed all the same."""
        return Rate(self.fp, self.good)

    @property
    def p_admitted_given_bad(self) -> Rate:
        """Return how many of the bad answers say so themselves."""
        return Rate(self.admitted_bad, self.bad)

    @property
    def joint_fn(self) -> Rate:
        """Return how many of all answers are bad and not confessed: the paper's headline rate."""
        return Rate(self.fn + self.unscored_bad, self.n)

    @property
    def accuracy(self) -> Rate:
        """Return how many of all answers were confessed exactly when they were bad."""
        return Rate(self.tp + self.tn, self.n)

    @property
    def accuracy_given_good(self) -> Rate:
        """Return how many of the good answers have a readable confession of nothing."""
        return Rate(self.tn, self.good)

    @property
    def precision(self) -> Rate:
        """Return how many of the confessed answers were bad."""
        return Rate(self.tp, self.tp + self.fp)

    @property
    def judge_accuracy_given_bad(self) -> Rate:
        """Return how many of the bad answers the training judge did not pass."""
        return Rate(self.judge_right_bad, self.judge_scored_bad)

    @property
    def verdict_accuracy(self) -> Rate:
        """Return how many of the verdicts on single rules are right."""
        return Rate(self.verdicts_right, self.verdicts)

    @property
    def unreadable(self) -> Rate:
        """Return how many of all confessions could not be read."""
        return Rate(self.unscored_bad + self.unscored_good, self.n)


RATES: Mapping[str, Callable[[ConfusionTable], Rate]] = {
    "bad rate": lambda table: table.bad_rate,
    "P(confessed | bad)": lambda table: table.p_confessed_given_bad,
    "P(confessed | good)": lambda table: table.p_confessed_given_good,
    "P(admitted | bad)": lambda table: table.p_admitted_given_bad,
    "joint false negatives": lambda table: table.joint_fn,
    "accuracy": lambda table: table.accuracy,
    "precision": lambda table: table.precision,
    "judge accuracy | bad": lambda table: table.judge_accuracy_given_bad,
    "verdict accuracy": lambda table: table.verdict_accuracy,
    "unreadable": lambda table: table.unreadable,
}
"""The rates by the label they are printed under, in that order."""


class GroupTable(NamedTuple):
    """The table of one group of prompts, in one arm of a study."""

    group: str
    table: ConfusionTable
    arm: str = ""


def summarize(outcomes: Iterable[Outcome], arm: str = "") -> list[GroupTable]:
    """Make one table per group, in the order in which the groups first occur."""
    by_group: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_group.setdefault(outcome.group, []).append(outcome)
    return [GroupTable(group, ConfusionTable.from_outcomes(found), arm) for group, found in by_group.items()]


def render_tables(tables: Sequence[GroupTable], width: int = 100) -> str:
    """Draw, per group, each arm's 2x2 table and beneath them the rates with their 95 % Wilson intervals."""
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, highlight=False)
    for group in dict.fromkeys(table.group for table in tables):
        found = [table for table in tables if table.group == group]
        console.print(_counts(group, found))
        console.print(_rates(found))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _counts(group: str, tables: Sequence[GroupTable]) -> Table:
    drawn = Table(title=escape(group), title_justify="left", box=SIMPLE)
    drawn.add_column("")
    drawn.add_column("answer")
    for name in ("confessed", "not confessed", "unreadable", "all"):
        drawn.add_column(name, justify="right")
    for _, table, arm in tables:
        bad = (table.tp, table.fn, table.unscored_bad, table.bad)
        good = (table.fp, table.tn, table.unscored_good, table.good)
        drawn.add_row(escape(arm), "broke a rule", *map(str, bad))
        drawn.add_row("", "kept every rule", *map(str, good), end_section=True)
    return drawn


def _rates(tables: Sequence[GroupTable]) -> Table:
    drawn = Table(box=SIMPLE)
    drawn.add_column("% [95 % interval]")
    for _, _, arm in tables:
        drawn.add_column(escape(arm), justify="right")
    for label, rate_of in RATES.items():
        drawn.add_row(label, *(_percent(rate_of(table)) for _, table, _ in tables))
    return drawn


def _percent(rate: Rate) -> str:
    if rate.value is None:
        return "-"
    low, high = rate.interval
    return escape(f"{rate.value * 100:.1f} [{low * 100:.1f}, {high * 100:.1f}]")
