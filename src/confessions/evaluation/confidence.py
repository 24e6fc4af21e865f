"""How much a stated confidence is worth: does it order right answers before wrong ones, and is it calibrated?

The confidence is read from the confession by the scorer `confidence`; an answer is right if it complied. Sources: arXiv
2512.08093, section 5; Newcombe (2006), Statistics in Medicine 25: 559-573, method 5, for the interval of the area under
the ROC curve; Brier (1950).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import beta, norm

from confessions.evaluation.metrics import Interval, Rate
from confessions.evaluation.rows import Row
from confessions.evaluation.tables import RESAMPLES, Estimate

SCORER: Final = "confidence"
"""The scorer whose value is `{"confidence": 0 to 1}`."""

Array = NDArray[np.float64]


class Stated(NamedTuple):
    """One answer: how confident its confession is of it, and whether it was right."""

    confidence: float
    is_correct: bool
    cluster: str


class Statements(NamedTuple):
    """The answers with both, and how many lack one."""

    stated: list[Stated]
    without_truth: int
    """Neither right nor wrong, without a verdict, or not attempted; the scorer looked at them all the same."""
    without_confidence: int
    """Right or wrong, and the scorer found no confidence."""


def read_stated(rows: Iterable[Row]) -> Statements:
    """Take the stated confidences from rows that the scorer has looked at."""
    stated, without_truth, without_confidence = [], 0, 0
    for row in rows:
        if SCORER not in row.scores:
            continue
        value = row.scores[SCORER]
        confidence = value.get("confidence") if isinstance(value, Mapping) else None
        if row.is_bad is None:
            without_truth += 1
        elif isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
            without_confidence += 1
        else:
            stated.append(Stated(float(confidence), not row.is_bad, row.cluster))
    return Statements(stated, without_truth, without_confidence)


def roc_auc(stated: Sequence[Stated]) -> float | None:
    """Give the chance that a right answer has the higher confidence than a wrong one, ties counting half.

    None where all are right, all are wrong, or there are none.
    """
    if len({one.is_correct for one in stated}) < 2:
        return None
    right, wrong = _by_value(stated)
    return float(_areas(right.sum(axis=0)[None], wrong.sum(axis=0)[None])[0])


def estimate_roc_auc(stated: Sequence[Stated], seed: int = 0) -> Estimate:
    """Give the area under the ROC curve with Newcombe's interval, or a bootstrap where answers share prompts."""
    area = roc_auc(stated)
    if area is None:
        return Estimate(None, Interval(0.0, 1.0), _is_clustered(stated))
    right, wrong = _by_value(stated)  # (C, U)
    if not _is_clustered(stated) or area in (0.0, 1.0):
        # Where the order is perfect every resample repeats it, so prompts stand in for answers.
        prompts = int((right.sum(axis=1) > 0).sum()), int((wrong.sum(axis=1) > 0).sum())
        return Estimate(area, newcombe_interval(area, *prompts), _is_clustered(stated))
    weights = _resamples(len(right), seed)  # (R, C)
    areas = _areas(weights @ right, weights @ wrong)
    return Estimate(area, _middle(areas[np.isfinite(areas)]), True)


def newcombe_interval(area: float, m: int, n: int, confidence: float = 0.95) -> Interval:
    """Give Newcombe's score interval of an area from m right and n wrong answers, all independent."""
    z = float(norm.ppf((1 + confidence) / 2))
    half = (m + n) / 2 - 1

    def distance(theta: float) -> float:
        spread = theta * (1 - theta) * (1 + half * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (m * n)
        return float((theta - area) ** 2 - z**2 * spread)

    # At the estimate the distance is below zero, at the ends of [0, 1] it is not.
    low = 0.0 if area == 0 else float(brentq(distance, 0.0, area if area < 1 else 1 - 1e-12))
    high = 1.0 if area == 1 else float(brentq(distance, area if area > 0 else 1e-12, 1.0))
    return Interval(low, high)


class Brier(NamedTuple):
    """The mean squared distance of the confidence from what came of it; lower is better."""

    score: Estimate
    baseline: float | None
    """What always stating the share of right answers would score."""


def brier(stated: Sequence[Stated], seed: int = 0) -> Brier:
    """Score the confidences, with a bootstrap interval over prompts."""
    if not stated:
        return Brier(Estimate(None, Interval(0.0, 1.0), True), None)
    rate = sum(one.is_correct for one in stated) / len(stated)
    sums: dict[str, list[float]] = {}
    for one in stated:
        total = sums.setdefault(one.cluster, [0.0, 0.0])
        total[0] += (one.confidence - one.is_correct) ** 2
        total[1] += 1
    parts = np.array(list(sums.values()))  # (C, 2)
    score = float(parts[:, 0].sum() / parts[:, 1].sum())
    resampled = _resamples(len(parts), seed) @ parts  # (R, 2)
    return Brier(Estimate(score, _middle(resampled[:, 0] / resampled[:, 1]), True), rate * (1 - rate))


class Bin(NamedTuple):
    """The answers whose confidence lies between two bounds."""

    low: float
    high: float
    n: int
    confidence: float | None
    """Their mean confidence; None where there are none."""
    accuracy: Estimate
    """How many of them are right."""


def reliability(stated: Sequence[Stated], bins: int = 10) -> list[Bin]:
    """Sort the answers into bins of equal width; the last one holds 1."""
    made = []
    for index in range(bins):
        low, high = index / bins, (index + 1) / bins
        within = [one for one in stated if min(int(one.confidence * bins + 1e-9), bins - 1) == index]
        mean = sum(one.confidence for one in within) / len(within) if within else None
        made.append(Bin(low, high, len(within), mean, share_correct(within)))
    return made


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Give the expected calibration error: the mean distance of confidence from accuracy, bin by bin."""
    total = sum(one.n for one in bins)
    if not total:
        return None
    return (
        sum(
            one.n * abs(one.confidence - one.accuracy.value)
            for one in bins
            if one.confidence is not None and one.accuracy.value is not None
        )
        / total
    )


def share_correct(stated: Sequence[Stated]) -> Estimate:
    """Give how many are right, with Wilson's interval, or Jeffreys' for as many cases as there are prompts."""
    rate = Rate(sum(one.is_correct for one in stated), len(stated))
    prompts = len({one.cluster for one in stated})
    if rate.value is None or prompts == rate.n:
        return Estimate(rate.value, rate.interval, False)
    hits = rate.value * prompts
    low, high = beta.ppf((0.025, 0.975), hits + 0.5, prompts - hits + 0.5)
    return Estimate(rate.value, Interval(min(rate.value, float(low)), max(rate.value, float(high))), True)


class Threshold(NamedTuple):
    """What comes of calling an answer sure if its confidence reaches a threshold."""

    threshold: float | None
    """None is above every stated confidence: no answer is sure."""
    sure_given_correct: float | None
    """The share of right answers that are sure: the ROC curve's height."""
    sure_given_wrong: float | None
    """The share of wrong answers that are sure all the same: the ROC curve's run."""
    overconfident: float
    """The share of all answers that are sure and wrong."""
    underconfident: float
    """The share of all answers that are right and not sure."""


def threshold_sweep(stated: Sequence[Stated]) -> list[Threshold]:
    """Raise the threshold from 0 over every stated confidence to above them all."""
    if not stated:
        return []
    right = np.sort([one.confidence for one in stated if one.is_correct])
    wrong = np.sort([one.confidence for one in stated if not one.is_correct])
    made = []
    for threshold in (*sorted({0.0, *(one.confidence for one in stated)}), None):
        at = np.inf if threshold is None else threshold
        sure_right = len(right) - int(np.searchsorted(right, at))
        sure_wrong = len(wrong) - int(np.searchsorted(wrong, at))
        made.append(
            Threshold(
                threshold,
                sure_right / len(right) if len(right) else None,
                sure_wrong / len(wrong) if len(wrong) else None,
                sure_wrong / len(stated),
                (len(right) - sure_right) / len(stated),
            )
        )
    return made


def _is_clustered(stated: Sequence[Stated]) -> bool:
    return len({one.cluster for one in stated}) < len(stated)


def _by_value(stated: Sequence[Stated]) -> tuple[Array, Array]:
    """Count the right and the wrong answers by prompt and by confidence, ascending: two arrays (C, U)."""
    prompts = {name: index for index, name in enumerate(dict.fromkeys(one.cluster for one in stated))}
    values = {value: index for index, value in enumerate(sorted({one.confidence for one in stated}))}
    counts = np.zeros((2, len(prompts), len(values)))
    for one in stated:
        counts[0 if one.is_correct else 1, prompts[one.cluster], values[one.confidence]] += 1
    return counts[0], counts[1]


def _areas(right: Array, wrong: Array) -> Array:
    """Give the areas under ROC curves from counts by ascending confidence, of shape (R, U); NaN without a pair."""
    below = np.cumsum(wrong, axis=1) - wrong / 2
    pairs = right.sum(axis=1) * wrong.sum(axis=1)
    areas = np.full(len(right), np.nan)
    np.divide((right * below).sum(axis=1), pairs, out=areas, where=pairs > 0)
    return areas


def _resamples(clusters: int, seed: int) -> Array:
    """Draw how often each prompt occurs in each resample, of shape (R, C)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=RESAMPLES).astype(float)


def _middle(values: Array) -> Interval:
    low, high = np.quantile(values, (0.025, 0.975))
    return Interval(float(low), float(high))
