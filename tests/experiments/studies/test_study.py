"""What is said of measurements: pooled, paired, with intervals that cover, and claims not decided by chance."""

import math
import random
from functools import cache

import pytest
from scipy.stats import binom

from confessions.evaluation.metrics import ConfusionTable, difference, wilson
from confessions.experiments.studies.study import (
    UNKNOWN,
    Estimate,
    Finding,
    Measurement,
    Measurements,
    StudyError,
    all_of,
    decided,
    equivalent,
    rates_of,
    t_interval,
    untestable,
)

HEADER = "seed,arm,group,step,quantity,k,n,value\n"
STUDIES, SEEDS = 400, 5


def rate(seed, arm, k, n, quantity="q", step=None):
    return Measurement(seed, arm, "g", quantity, k, n, step=step)


def number(seed, arm, value, quantity="q", step=None):
    return Measurement(seed, arm, "g", quantity, value=value, step=step)


# Reading and writing


def test_rows_survive_the_csv(make_measurements):
    rows = Measurements([rate(0, 'an "arm", odd', 3, 7), rate(1, "b", 0, 0, step=0), number(0, "b", -1 / 3, step=10)])
    read = Measurements.from_csv(rows.to_csv())
    assert read.rows == (*rows.rows[:2], rows.rows[2]._replace(value=-0.333333))
    text = make_measurements().to_csv()
    assert Measurements.from_csv(text).to_csv() == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed,arm\n0,a\n", "f.csv has the columns .*; they should be seed, arm, group, step, quantity, k, n, value"),
        (HEADER + "0,a,g,,q,1,2,\nzero,a,g,,q,1,2,\n", "f.csv, line 3: invalid literal"),
        (HEADER + "0,a,g,,q,1,,\n", "line 2: a row should have either k and n, or a value"),
        (HEADER + "0,a,g,,q,1,2,0.5\n", "either k and n, or a value"),
        (HEADER + "0,a,g,,q,,,\n", "either k and n, or a value"),
        (HEADER + "0,a,g,,q,3,2,\n", "line 2: a rate of 3 out of 2"),
        (HEADER + "0,a,g,,q,,,nan\n", "line 2: the value nan is no number"),
        (HEADER + "0,a,g,,q,1,2,\n0,a,g,,q,1,3,\n", r"line 3: q of \(0, 'a', 'g', None\) stands twice"),
    ],
)
def test_a_row_that_does_not_fit_is_named(text, message):
    with pytest.raises(StudyError, match=message):
        Measurements.from_csv(text, "f.csv")


def test_arms_groups_and_steps_are_listed():
    rows = Measurements([rate(1, "b", 1, 2, step=10), rate(0, "a", 1, 2), rate(1, "b", 1, 2, step=0)])
    assert (rows.seeds, rows.arms, rows.groups) == ((0, 1), ("b", "a"), ("g",))
    assert rows.steps("q", "b", "g") == (0, 10)
    assert rows.steps("q", "a", "g") == ()
    assert rows.select("q", "b", "g") == ()
    assert len(rows.select("q", "b", "g", 10)) == 1


def test_a_judges_rates_are_measured_only_where_it_decided():
    table = ConfusionTable(tp=3, fn=1, fp=2, tn=4)
    rows = {row.quantity: row for row in rates_of(table, 0, "a", "g", step=5)}
    assert (rows["p_confessed_given_bad"].k, rows["p_confessed_given_bad"].n) == (3, 4)
    assert "judge_pass_rate" not in rows
    judged = ConfusionTable(tp=3, fn=1, tn=4, judge_scored_bad=4, judge_right_bad=1, judge_passed=6)
    rows = {row.quantity: row for row in rates_of(judged, 0, "a", "g")}
    assert rows["judge_pass_rate"].number == 6 / 8
    assert rows["judge_accuracy_given_bad"].number == 1 / 4


# Estimates


def test_a_rate_is_pooled_and_its_interval_spans_both():
    counts = [(10, 100), (30, 100), (20, 40)]
    found = Measurements(rate(seed, "a", k, n) for seed, (k, n) in enumerate(counts)).estimate("q", "a", "g")
    assert (found.k, found.n, found.value, found.seeds, found.unit) == (60, 240, 0.25, 3, "share")
    over_seeds = t_interval([0.1, 0.3, 0.5])
    assert over_seeds is not None
    # The seeds differ so much that Student's interval is the wider one, and it is cut at 0.
    assert (found.low, found.high) == (0.0, over_seeds.high)
    alike = Measurements(rate(seed, "a", 25, 100) for seed in range(3)).estimate("q", "a", "g")
    assert (alike.low, alike.high) == wilson(75, 300)


def test_student_s_interval_of_known_numbers():
    found = Measurements(number(seed, "a", value) for seed, value in enumerate((1, 2, 3))).estimate("q", "a", "g")
    # t(0.975; 2) = 4.3027, divided by the root of 3.
    assert found.value == 2
    assert found.high - 2 == 2 - found.low == pytest.approx(2.4841, abs=1e-4)
    assert found.unit == "number"


def test_what_one_seed_or_none_can_tell():
    rows = Measurements([rate(0, "a", 3, 10), number(0, "b", 0.5), rate(0, "c", 0, 0)])
    assert rows.estimate("q", "a", "g")[1:3] == wilson(3, 10)
    alone = rows.estimate("q", "b", "g")
    assert alone.value == 0.5
    assert not alone.is_known
    assert rows.estimate("q", "c", "g") == UNKNOWN
    assert rows.estimate("q", "nobody", "g") == UNKNOWN
    assert rows.by_seed("q", "c", "g") == {}


def test_a_contrast_is_paired_by_seed():
    shift = (5.0, -3.0, 11.0)
    rows = [number(seed, "a", value + 2) for seed, value in enumerate(shift)]
    rows += [number(seed, "b", value) for seed, value in enumerate(shift)] + [number(9, "b", 100.0)]
    found = Measurements(rows).contrast("q", ("a", "g"), ("b", "g"))
    assert (found.value, found.low, found.high, found.seeds, found.unit) == (2, 2, 2, 3, "change")
    assert Measurements(rows).contrast("q", ("a", "g"), ("nobody", "g")) == UNKNOWN


def test_a_contrast_of_rates_spans_newcombe_s_interval():
    rows = [rate(seed, "a", 30, 40) for seed in range(4)] + [rate(seed, "b", 20, 40) for seed in range(4)]
    found = Measurements(rows).contrast("q", ("a", "g"), ("b", "g"))
    pooled = difference(Measurements(rows)._pooled("q", ("a", "g"), None, range(4)), wilson_rate(80, 160))
    assert (found.value, found.low, found.high) == (0.25, *pooled.interval)
    assert found.unit == "points"
    two = Measurements([rate(0, "a", 1, 1), rate(1, "a", 0, 1), rate(0, "b", 0, 1), rate(1, "b", 1, 1)])
    assert two.contrast("q", ("a", "g"), ("b", "g"))[1:3] == (-1, 1)


def wilson_rate(k, n):
    return Measurements([rate(0, "x", k, n)])._pooled("q", ("x", "g"), None, [0])


def test_a_contrast_of_steps():
    rows = [rate(seed, "a", k, 10, step=step) for seed in range(2) for step, k in ((0, 2), (50, 9))]
    found = Measurements(rows).contrast("q", ("a", "g"), ("a", "g"), steps=(50, 0))
    assert found.value == pytest.approx(0.7)


def test_one_quantity_against_another():
    rows = [rate(seed, "a", 9, 10, "one") for seed in range(3)] + [rate(seed, "a", 4, 10, "two") for seed in range(3)]
    found = Measurements(rows).between("one", "two", "a", "g")
    assert found.value == pytest.approx(0.5)
    assert found.unit == "points"
    mixed = [*rows, *(number(seed, "a", 0.25, "three") for seed in range(3))]
    assert Measurements(mixed).between("one", "three", "a", "g").unit == "change"
    assert Measurements(rows).between("one", "nothing", "a", "g") == UNKNOWN


@cache
def simulated():
    """Estimate a rate of 0.7, and a difference of nothing, in studies whose seeds differ by more than chance."""
    rng = random.Random(20251208)

    def count(share, n=60):
        return sum(rng.random() < share for _ in range(n)), n

    found = []
    for _ in range(STUDIES):
        rows = []
        for seed in range(SEEDS):
            share = 0.7 + rng.gauss(0, 0.05)
            rows += [rate(seed, arm, *count(share + rng.gauss(0, 0.03))) for arm in ("a", "b")]
        measured = Measurements(rows)
        found.append((measured.estimate("q", "a", "g"), measured.contrast("q", ("a", "g"), ("b", "g"))))
    return found


def most(chance, false_alarm=0.001):
    """Give the number of 400 studies that is exceeded with the stated chance at most."""
    return int(binom.isf(false_alarm, STUDIES, chance))


def test_intervals_cover():
    # An interval that covers 95 % fails this by chance with a probability of 0.001.
    misses = sum(not one.low <= 0.7 <= one.high for one, _ in simulated())
    assert misses <= most(0.05) == 35
    missed = sum(not both.low <= 0 <= both.high for _, both in simulated())
    assert missed <= most(0.05)
    # No interval is so wide that it always covers, and the means do not drift: 0.01 is five standard errors.
    assert misses + missed > 0
    assert sum(one.value for one, _ in simulated()) / STUDIES == pytest.approx(0.7, abs=0.01)
    assert sum(both.value for _, both in simulated()) / STUDIES == pytest.approx(0.0, abs=0.01)


def test_a_claim_that_lies_on_its_bound_seldom_holds():
    # Of claims on their bound one in forty may hold; this fails by chance with a probability of 0.001 each.
    findings = [decided(both, above=0.0).decision for _, both in simulated()]
    assert findings.count("holds") <= most(0.025)
    assert findings.count("does not hold") <= most(0.025)
    assert [decided(both, below=0.0).decision for _, both in simulated()].count("holds") <= most(0.025)


# Claims


@pytest.mark.parametrize(
    ("low", "high", "above", "below"),
    [
        (0.1, 0.3, "holds", "does not hold"),
        (-0.3, -0.1, "does not hold", "holds"),
        (-0.1, 0.1, "undecided", "undecided"),
        (0.0, 0.3, "undecided", "does not hold"),
        (-0.3, 0.0, "does not hold", "undecided"),
    ],
)
def test_the_whole_interval_decides(low, high, above, below):
    estimate = Estimate((low + high) / 2, low, high, 5)
    assert decided(estimate, above=0.0) == Finding(above, estimate)
    assert decided(estimate, below=0.0) == Finding(below, estimate)
    with pytest.raises(ValueError, match="give above or below"):
        decided(estimate)


@pytest.mark.parametrize(
    ("low", "high", "decision"),
    [
        (-0.04, 0.04, "holds"),
        (-0.06, 0.04, "undecided"),
        (-0.04, 0.05, "undecided"),
        (0.05, 0.2, "does not hold"),
        (-0.2, -0.05, "does not hold"),
    ],
)
def test_equivalence_needs_the_interval_within_the_margin(low, high, decision):
    assert equivalent(Estimate(0.0, low, high, 5), 0.05).decision == decision


def test_what_was_not_measured_decides_nothing():
    for estimate in (UNKNOWN, Estimate(0.9, -math.inf, math.inf, 1)):
        for finding in (decided(estimate, above=0.0), equivalent(estimate, 0.05)):
            assert (finding.decision, finding.explanation) == ("undecided", "not measured on two seeds")
    assert untestable("too small")(Measurements([])) == Finding("cannot be tested", UNKNOWN, "too small")


def test_a_claim_of_several_parts_is_as_good_as_its_worst():
    good, open_, bad = (Finding(decision) for decision in ("holds", "undecided", "does not hold"))
    cannot = Finding("cannot be tested")
    assert all_of(good, Finding("holds", UNKNOWN, "second")) is good
    assert all_of(good, open_) is open_
    assert all_of(open_, cannot, good) is cannot
    assert all_of(cannot, bad) is bad
