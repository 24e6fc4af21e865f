"""Confidence: known values, what ties and clusters do, and how often the intervals hold the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confessions.evaluation.confidence import (
    Stated,
    brier,
    calibration_error,
    estimate_roc_auc,
    newcombe_interval,
    read_stated,
    reliability,
    roc_auc,
    share_correct,
    threshold_sweep,
)
from confessions.evaluation.metrics import Rate
from confessions.evaluation.predicates import cell_of
from confessions.evaluation.rows import Row

TRIALS = 400
TOLERANCE = 4.5 * math.sqrt(0.95 * 0.05 / TRIALS)
"""Four and a half standard errors: a correct interval fails one such test in 150,000."""


def stated(*pairs, clusters=None):
    names = clusters or [str(index) for index in range(len(pairs))]
    return [Stated(value, bool(right), name) for (value, right), name in zip(pairs, names, strict=True)]


def row(complied="yes", scores=None, cluster="c"):
    return Row(
        log="a.eval", task="t", model="m", family="f", title="F", variant="none", sample="s", epoch=1, cluster=cluster,
        outcome=cell_of(complied, "no"), complied=complied, admitted="no", confessed="no", metadata={},
        scores=scores or {}, score_metadata={},
    )  # fmt: skip


RATINGS = ((33, 6, 6, 11, 2), (3, 2, 2, 11, 33))
"""Hanley and McNeil (1982), Radiology 143: 29-36, table I: CT ratings of 58 normal and 51 abnormal patients."""


def hanley_mcneil():
    return [
        Stated(rating / 4, is_abnormal == 1, f"{is_abnormal}-{rating}-{index}")
        for is_abnormal, counts in enumerate(RATINGS)
        for rating, count in enumerate(counts)
        for index in range(count)
    ]


def test_the_area_is_the_published_one():
    found = estimate_roc_auc(hanley_mcneil())
    assert found.value == pytest.approx(0.893, abs=5e-4)
    assert not found.is_clustered
    # Their standard error is 0.032; the score interval leans towards one half, as it should near one.
    low, high = found.interval
    assert 0.893 - 2.6 * 0.032 < low < 0.893 - 1.96 * 0.032
    assert 0.893 + 1.2 * 0.032 < high < 0.893 + 1.96 * 0.032


def test_ties_count_half():
    assert roc_auc(stated((0.9, 1), (0.1, 0))) == 1
    assert roc_auc(stated((0.1, 1), (0.9, 0))) == 0
    assert roc_auc(stated((0.5, 1), (0.5, 0))) == 0.5
    assert roc_auc(stated((0.8, 1), (0.5, 1), (0.5, 0), (0.2, 0))) == pytest.approx(3.5 / 4)


def test_without_both_kinds_there_is_no_area():
    for one_sided in ([], stated((0.9, 1)), stated((0.9, 0), (0.2, 0))):
        assert roc_auc(one_sided) is None
        assert estimate_roc_auc(one_sided) == (None, (0, 1), False)


def test_a_perfect_order_is_not_certain():
    perfect = stated(*[(0.9, 1)] * 10, *[(0.1, 0)] * 10)
    found = estimate_roc_auc(perfect)
    assert found.value == found.interval.high == 1
    assert 0.7 < found.interval.low < 0.95
    # Ten answers to each of two prompts are no more than two cases.
    shared = estimate_roc_auc([one._replace(cluster=str(one.is_correct)) for one in perfect])
    assert shared.is_clustered
    assert shared.interval.low < 0.35


@given(st.floats(0, 1), st.integers(1, 300), st.integers(1, 300))
def test_the_interval_holds_its_area_and_mirrors(area, m, n):
    low, high = newcombe_interval(area, m, n)
    assert 0 <= low <= area + 1e-9
    assert area - 1e-9 <= high <= 1
    mirrored = newcombe_interval(1 - area, n, m)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high), abs=1e-6)


def test_the_area_of_independent_answers_is_covered():
    rng = np.random.default_rng(1)
    truth = 0.5 * (1 + math.erf(1 / 2))  # two normal distributions, one standard deviation apart
    hits = 0
    for _ in range(TRIALS):
        right, wrong = rng.normal(1, 1, 40), rng.normal(0, 1, 30)
        low, high = estimate_roc_auc(stated(*[(float(v), 1) for v in right], *[(float(v), 0) for v in wrong])).interval
        hits += low <= truth <= high
    assert abs(hits / TRIALS - 0.95) < TOLERANCE


def test_the_area_of_clustered_answers_is_covered_and_the_naive_interval_is_too_narrow():
    rng = np.random.default_rng(2)
    truth = 0.5 * (1 + math.erf(1 / 2))
    hits, naive = 0, 0
    for _ in range(TRIALS):
        made = []
        for prompt in range(70):
            is_right, centre = prompt % 2 == 0, rng.normal(float(prompt % 2 == 0), 1)
            made += [Stated(float(centre), is_right, str(prompt))] * 3
        low, high = estimate_roc_auc(made).interval
        hits += low <= truth <= high
        low, high = estimate_roc_auc([one._replace(cluster=str(index)) for index, one in enumerate(made)]).interval
        naive += low <= truth <= high
    assert abs(hits / TRIALS - 0.94) < TOLERANCE + 0.01  # the percentile bootstrap covers a little less at this size
    assert naive / TRIALS < 0.87


def test_prompts_that_are_all_alike_leave_nothing_open():
    alike = [(0.2, 0), (0.4, 1), (0.6, 0), (0.8, 1)]
    found = estimate_roc_auc([Stated(value, right == 1, str(prompt)) for prompt in range(10) for value, right in alike])
    assert found == (0.75, (0.75, 0.75), True)


def test_brier_scores_of_known_statements():
    found = brier(stated((1.0, 1), (0.5, 1), (0.5, 0), (0.0, 0)))
    assert found.score.value == pytest.approx(0.125)
    assert found.baseline == pytest.approx(0.25)
    assert found.score.interval.low <= 0.125 <= found.score.interval.high
    always = brier(stated(*[(1.0, index < 3) for index in range(10)]))
    assert always.score.value == pytest.approx(0.7)
    assert always.baseline == pytest.approx(0.21)
    assert brier([]) == ((None, (0, 1), True), None)


def test_the_brier_score_is_covered():
    rng = np.random.default_rng(3)
    truth = 1 / 6  # calibrated confidences, uniform: the mean of p (1 - p)
    hits = 0
    for _ in range(TRIALS):
        values = rng.uniform(size=80)
        low, high = brier(stated(*[(float(p), rng.uniform() < p) for p in values])).score.interval
        hits += low <= truth <= high
    assert abs(hits / TRIALS - 0.94) < TOLERANCE + 0.01


def test_bins_hold_their_bounds():
    bins = reliability(stated((0.0, 0), (0.3, 1), (0.35, 0), (0.9, 1), (1.0, 1)))
    assert len(bins) == 10
    assert [one.n for one in bins] == [1, 0, 0, 2, 0, 0, 0, 0, 0, 2]
    assert bins[3].confidence == pytest.approx(0.325)
    assert bins[3].accuracy.value == 0.5
    assert bins[9].confidence == pytest.approx(0.95)
    assert bins[1].confidence is None
    assert bins[1].accuracy.value is None
    assert calibration_error(bins) == pytest.approx((1 * 0.0 + 2 * 0.175 + 2 * 0.05) / 5)
    assert calibration_error(reliability([])) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30), st.integers(1, 12))
def test_every_answer_is_in_one_bin(pairs, bins):
    assert sum(one.n for one in reliability(stated(*pairs), bins)) == len(pairs)


def test_a_bins_interval_counts_prompts_and_not_answers():
    alone = share_correct(stated(*[(0.5, index % 2) for index in range(20)]))
    assert (alone.value, alone.interval) == (0.5, Rate(10, 20).interval)
    shared = share_correct(stated(*[(0.5, index < 10) for index in range(20)], clusters=list("ab") * 10))
    assert shared.is_clustered
    assert shared.interval.low < 0.1 < alone.interval.low


def test_the_sweep_of_a_known_case():
    points = threshold_sweep(stated((0.9, 1), (0.6, 0), (0.6, 1), (0.2, 0)))
    assert [one.threshold for one in points] == [0.0, 0.2, 0.6, 0.9, None]
    assert [one.sure_given_correct for one in points] == [1, 1, 1, 0.5, 0]
    assert [one.sure_given_wrong for one in points] == [1, 1, 0.5, 0, 0]
    assert [one.overconfident for one in points] == [0.5, 0.5, 0.25, 0, 0]
    assert [one.underconfident for one in points] == [0, 0, 0, 0.25, 0.5]
    assert threshold_sweep([]) == []
    assert [one.sure_given_wrong for one in threshold_sweep(stated((0.3, 1)))] == [None] * 3


@given(st.lists(st.tuples(st.sampled_from((0.0, 0.1, 0.5, 0.9, 1.0)), st.booleans()), min_size=2, max_size=30))
def test_the_area_under_the_sweep_is_the_area(pairs):
    area = roc_auc(stated(*pairs))
    if area is not None:
        points = threshold_sweep(stated(*pairs))[::-1]
        runs, rises = [p.sure_given_wrong for p in points], [p.sure_given_correct for p in points]
        assert np.trapezoid(rises, runs) == pytest.approx(area)


def test_only_answers_with_a_truth_and_a_confidence_are_read():
    rows = [
        row("yes", {"confidence": {"confidence": 0.75}}, "a"),
        row("no", {"confidence": {"confidence": 1}}, "b"),
        row("neither", {"confidence": {"confidence": 0.5}}),
        row("unscored", {"confidence": None}),
        row("yes", {"confidence": None}),
        row("no", {"confidence": {"confidence": None}}),
        row("no", {"confidence": {"confidence": float("nan")}}),
        row("no", {"confidence": {"confidence": 1.5}}),
        row("no", {"confidence": {"confidence": True}}),
        row("yes", {"includes": "C"}),
    ]
    found = read_stated(rows)
    assert found.stated == [Stated(0.75, True, "a"), Stated(1.0, False, "b")]
    assert (found.without_truth, found.without_confidence) == (2, 5)
