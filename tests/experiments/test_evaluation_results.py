"""The view of rows: which samples a number is made of, the paper's table, means and their differences."""

import pytest

from confessions.evaluation.metrics import Rate, difference
from confessions.evaluation.tables import Estimate
from confessions.experiments.evaluation_results import (
    EvaluationResults,
    Setting,
    contrast,
    mean_records,
    paper_mean,
    paper_table,
    table_records,
)
from confessions.scenarios.families import FAMILIES


def many(make_row, *cases, **fields):
    """Make one row a case (complied, confessed), with ids of their own."""
    return [make_row(*case, **{"sample": str(index), **fields}) for index, case in enumerate(cases)]


def test_the_papers_headline_numbers_come_out():
    assert len(paper_table()) == 12
    assert round(100 * paper_mean("joint_fn"), 2) == 4.36
    assert round(100 * paper_mean("p_confessed_given_bad"), 1) == 74.3
    assert round(100 * paper_mean("p_confessed_given_good"), 1) == 10.8
    assert round(100 * paper_mean("p_admitted_given_bad"), 1) == 17.6
    assert paper_mean("precision") is None


def test_the_families_name_rows_of_the_papers_table():
    named = [family.paper for family in FAMILIES.values() if family.paper is not None]
    assert set(named) <= set(paper_table())
    assert len(set(named)) == len(named)


def test_families_come_in_the_papers_order_and_variants_by_pressure(make_row):
    fields = [("x", "hard"), ("broken_browser", "deny"), ("word_count", "none"), ("x", "made_up")]
    results = EvaluationResults(tuple(make_row(family=family, variant=variant) for family, variant in fields))
    assert results.families == ("word_count", "broken_browser", "x")
    assert results.variants == ("none", "hard", "deny", "made_up")
    assert results.plain == "none"
    assert results.paper_families == ("word_count", "broken_browser")
    assert results.paper_rate("word_count", "p_confessed_given_bad") == pytest.approx(0.571)
    assert results.paper_rate("x", "p_confessed_given_bad") is None


def test_numbers_are_of_the_least_compute_and_of_nothing_else(make_row):
    more = {"metadata": {"compute": {"k": 8, "asks": 1, "effort": None, "tokens": 800}}}
    low = {"metadata": {"compute": {"k": 1, "asks": 1, "effort": "high", "tokens": 100}}}
    rows = [
        *many(make_row, ("no", "yes"), ("no", "no")),
        *many(make_row, *[("no", "yes")] * 5, **more),
        *many(make_row, *[("no", "yes")] * 3, **low),
        *many(make_row, *[("no", "no")] * 4, family="x", **more),
    ]
    results = EvaluationResults(tuple(rows))
    assert results.table("local/before", "none", "word_count").bad == 2
    assert results.table("local/before", "none", "x").bad == 4
    settings = sorted(results.settings("local/before", "none", "word_count"), key=lambda setting: setting.cost)
    assert [str(setting) for setting in settings] == ["k=1", "k=1, effort high", "k=8"]
    assert str(Setting(1, 2, None)) == "k=1, asks=2"


def test_what_was_not_attempted_has_no_rate_and_a_reason(make_row):
    missing = {"metadata": {"missing": "the prompt is too long"}}
    rows = [*many(make_row, *[("not attempted", "unscored")] * 3, **missing), *many(make_row, ("no", "yes"))]
    results = EvaluationResults(tuple(rows))
    assert results.missing("local/before", "none", "word_count") == "the prompt is too long"
    assert results.rate("local/before", "none", "word_count", "p_confessed_given_bad").value is None
    assert results.rate("local/before", "none", "word_count", "g_mean_squared").value is None
    assert results.mean("local/before", "none", "p_confessed_given_bad").families == ()
    (record,) = table_records(results)
    assert record["not_attempted_because"] == "the prompt is too long"
    assert record["p_confessed_given_bad"] is None
    assert (record["samples"], record["not_attempted"], record["tp"]) == (4, 3, 1)
    attempted = EvaluationResults(tuple(many(make_row, ("no", "yes"))))
    assert attempted.missing("local/before", "none", "word_count") is None


def test_means_are_taken_over_the_papers_families_and_over_all(make_row):
    rows = [
        *many(make_row, *[("no", "yes")] * 4),
        *many(make_row, *[("no", "no")] * 20, family="broken_browser"),
        *many(make_row, ("no", "yes"), ("yes", "no"), family="x"),
    ]
    results = EvaluationResults(tuple(rows))
    paper, whole = mean_records(results)
    assert (paper["mean_over"], whole["mean_over"]) == ("the paper's families", "all families")
    assert paper["p_confessed_given_bad"] == 0.5
    assert paper["p_confessed_given_bad_families"] == 2
    assert whole["p_confessed_given_bad"] == pytest.approx(2 / 3, abs=1e-5)
    assert paper["p_confessed_given_good"] is None
    assert whole["p_confessed_given_good_families"] == 1
    assert whole["joint_fn"] == pytest.approx(1 / 3, abs=1e-5)


def test_models_have_short_names_of_their_own(make_row):
    names = ["short", "a/very/long/path/to/some/run/of/ours/checkpoint-100", "b" * 50 + "/run", "c" + "b" * 49 + "/run"]
    results = EvaluationResults(tuple(make_row(model=name) for name in names))
    labels = list(results.labels.values())
    assert labels[:2] == ["short", "\u2026/some/run/of/ours/checkpoint-100"]
    assert len(set(labels)) == 4
    assert max(map(len, labels)) <= 38


def test_a_contrast_of_wilson_intervals_is_newcombes():
    new, old = Rate(56, 70), Rate(48, 80)
    found = contrast(*(Estimate(rate.value, rate.interval, False) for rate in (new, old)))
    assert found.value == pytest.approx(difference(new, old).value)
    assert found.interval == pytest.approx(difference(new, old).interval)
    nothing = Rate(0, 0)
    assert contrast(Estimate(nothing.value, nothing.interval, False), Estimate(0.5, old.interval, False)).value is None


def test_every_record_has_the_same_columns(make_rows):
    records = table_records(EvaluationResults(tuple(make_rows(n=12))))
    assert len({tuple(record) for record in records}) == 1
    assert len(records) == 2 * 2 * 4
    for record in records:
        assert record["bad"] == record["tp"] + record["fn"] + record["unscored_bad"]
