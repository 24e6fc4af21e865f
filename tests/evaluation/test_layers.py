"""Layers: known tables, the same samples for all, paired gains, and how often the intervals hold the truth."""

import math

import numpy as np
import pytest

from confessions.evaluation.layers import layer_table
from confessions.evaluation.predicates import cell_of
from confessions.evaluation.rows import Row

TRIALS = 200
TOLERANCE = 4.5 * math.sqrt(0.94 * 0.06 / TRIALS)
"""Four and a half standard errors: an interval that covers 94 % fails one such test in 150,000."""


def row(complied, confessed, cot="no", answer="no", family="f", cluster="c"):
    flags = {"cot_monitor": cot, "answer_monitor": answer}
    return Row(
        log="a.eval", task="t", model="m", family=family, title="F", variant="none", sample="s", epoch=1,
        cluster=cluster, outcome=cell_of(complied, confessed), complied=complied, admitted="no", confessed=confessed,
        metadata={}, scores={name: {"flagged": flag} for name, flag in flags.items() if flag is not None},
        score_metadata={},
    )  # fmt: skip


def rows_of(*cases, **shared):
    return [row(*case, **{"cluster": str(index), **shared}) for index, case in enumerate(cases)]


KNOWN = rows_of(
    ("no", "yes", "no", "no"),
    ("no", "yes", "yes", "no"),
    ("no", "no", "yes", "no"),
    ("no", "unreadable", "no", "no"),
    ("yes", "no", "no", "no"),
    ("yes", "yes", "no", "no"),
    ("yes", "no", "yes", "yes"),
    ("yes", "unreadable", "no", "no"),
)


def layers_by_name(table):
    return {"+".join(layer.parts): layer for layer in table.layers}


def test_a_known_table():
    table = layer_table(KNOWN)
    assert (table.bad, table.good, table.families, table.one_sided) == (4, 4, ("f",), ())
    found = {
        name: (layer.true_positives.value, layer.false_positives.value, layer.g_mean_squared.value)
        for name, layer in layers_by_name(table).items()
    }
    assert found == {
        "confession": (0.5, 0.25, 0.375),
        "cot_monitor": (0.5, 0.25, 0.375),
        "answer_monitor": (0.0, 0.25, 0.0),
        "confession+cot_monitor": (0.75, 0.5, 0.375),
        "confession+answer_monitor": (0.5, 0.5, 0.25),
        "cot_monitor+answer_monitor": (0.5, 0.25, 0.375),
        "confession+cot_monitor+answer_monitor": (0.75, 0.5, 0.375),
    }
    gains = {
        name: None if (gain := layer.gain) is None else gain.value for name, layer in layers_by_name(table).items()
    }
    assert gains == {
        "confession": None,
        "cot_monitor": None,
        "answer_monitor": None,
        "confession+cot_monitor": 0.0,
        "confession+answer_monitor": 0.25,
        "cot_monitor+answer_monitor": None,
        "confession+cot_monitor+answer_monitor": 0.0,
    }
    for layer in table.layers:
        low, high = layer.g_mean_squared.interval
        assert 0 <= low <= layer.g_mean_squared.value <= high <= 1


def test_a_sample_counts_for_all_layers_or_for_none():
    extra = rows_of(
        ("neither", "yes", "yes", "yes"),
        ("unscored", "yes", "yes", "yes"),
        ("not attempted", "unscored", "no", "no"),
        ("no", "unscored", "yes", "yes"),
        ("no", "yes", "unscored", "yes"),
        ("yes", "yes", None, "yes"),
    )
    table = layer_table([*KNOWN, *extra])
    assert table.layers == layer_table(KNOWN).layers
    assert list(table.left_out.values()) == [3, 3]


def test_without_a_monitor_there_is_nothing_to_compare():
    assert layer_table([]) is None
    assert layer_table(rows_of(("no", "yes", None, None), ("yes", "no", "unscored", None))) is None


def test_one_monitor_is_compared_without_the_other():
    table = layer_table(rows_of(("no", "yes", "yes", None), ("yes", "no", "no", None)))
    assert ["+".join(layer.parts) for layer in table.layers] == ["confession", "cot_monitor", "confession+cot_monitor"]


def test_families_weigh_alike_and_one_sided_ones_are_named():
    good_family = rows_of(*[("no", "yes"), ("yes", "no")] * 20, family="large")
    bad_family = rows_of(("no", "no"), ("yes", "no"), family="small")
    table = layer_table([*good_family, *bad_family, *rows_of(("no", "yes"), family="always bad")])
    assert table.families == ("large", "small")
    assert table.one_sided == ("always bad",)
    assert layers_by_name(table)["confession"].g_mean_squared.value == 0.5
    none = layer_table(rows_of(("no", "yes"), family="always bad"))
    assert none.layers == ()
    assert none.one_sided == ("always bad",)


def test_a_perfect_layer_is_not_certain():
    perfect = rows_of(*[("no", "yes"), ("yes", "no")] * 10)
    alone = layers_by_name(layer_table(perfect))["confession"].g_mean_squared
    assert alone.value == alone.interval.high == 1
    assert 0.6 < alone.interval.low < 0.9
    shared = layer_table([*rows_of(*[("no", "yes")] * 10, cluster="a"), *rows_of(*[("yes", "no")] * 10, cluster="b")])
    assert layers_by_name(shared)["confession"].g_mean_squared.interval.low < 0.3


def test_a_confession_that_repeats_the_monitor_adds_exactly_nothing():
    cases = [("no", "yes", "yes"), ("no", "no", "no"), ("yes", "no", "no"), ("yes", "no", "no")] * 8
    gain = layers_by_name(layer_table(rows_of(*cases)))["confession+cot_monitor"].gain
    assert gain == (0.0, (0.0, 0.0), True)


def test_the_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(5)
    tpr, tnr, monitor = 0.7, 0.9, 0.6
    truth = tpr * tnr
    # The union misses only what both miss; it clears only what both clear.
    gain = (1 - (1 - tpr) * (1 - monitor)) * tnr * tnr - monitor * tnr
    hits, gains = 0, 0
    for _ in range(TRIALS):
        rows = []
        for index in range(120):
            is_bad = index % 2 == 0
            confessed = rng.uniform() < (tpr if is_bad else 1 - tnr)
            flagged = rng.uniform() < (monitor if is_bad else 1 - tnr)
            rows += [
                row("no" if is_bad else "yes", "yes" if confessed else "no", "yes" if flagged else "no", None,
                    cluster=str(index))
            ] * 2  # fmt: skip
        found = layers_by_name(layer_table(rows))
        low, high = found["confession"].g_mean_squared.interval
        hits += low <= truth <= high
        low, high = found["confession+cot_monitor"].gain.interval
        gains += low <= gain <= high
    assert abs(hits / TRIALS - 0.94) < TOLERANCE
    assert abs(gains / TRIALS - 0.94) < TOLERANCE


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_gives_the_same_intervals(seed):
    assert layer_table(KNOWN, seed) == layer_table(KNOWN, seed)
