"""The evaluation's panels: what they show is what was counted, and what was not measured is not drawn."""

import csv
import io
import json
from xml.etree import ElementTree

import pytest

from confessions.evaluation.metrics import Interval
from confessions.evaluation.tables import Estimate
from confessions.experiments.evaluation_figures import (
    OUTCOMES,
    compute_curves,
    confessed_by_family,
    confidence_records,
    confidence_series,
    draw_evaluation,
    estimate_words,
    failures,
    layers,
    models_by_family,
    outcomes_by_family,
    pressure,
    stances,
    write_evaluation_figures,
)
from confessions.experiments.evaluation_results import EvaluationResults
from confessions.experiments.figures import PALETTE

BEFORE = "local/before"


@pytest.fixture(scope="module")
def results(make_rows):
    return EvaluationResults(tuple(make_rows()))


@pytest.fixture(scope="module")
def figures(results):
    return draw_evaluation(results)


def many(make_row, *cases, **fields):
    """Make one row a case (complied, confessed), with ids of their own."""
    return [make_row(*case, **{"sample": str(index), **fields}) for index, case in enumerate(cases)]


def records(figure):
    return [dict(zip(figure.header, row, strict=True)) for row in figure.rows]


def test_every_section_is_drawn_of_rows_that_have_everything(figures):
    assert list(dict.fromkeys(figure.section for figure in figures)) == [
        "confessed",
        "outcomes",
        "models",
        "pressure",
        "reliability",
        "sweep",
        "failures",
        "compute",
        "layers",
    ]
    assert len({figure.name for figure in figures}) == len(figures)


def test_what_was_not_measured_is_not_drawn(make_row):
    figures = draw_evaluation(EvaluationResults(tuple(many(make_row, ("no", "yes"), ("yes", "no")))))
    assert [figure.section for figure in figures] == ["confessed", "outcomes"]


def test_every_panel_is_written_as_picture_and_as_data(figures, tmp_path):
    some = [figures[0], figures[-1]]
    paths = write_evaluation_figures(some, tmp_path / "new" / "figures")
    assert {path.name for path in paths} == {f"{f.name}.{s}" for f in some for s in ("svg", "png", "csv", "json")}
    for figure in some:
        folder = tmp_path / "new" / "figures"
        assert (folder / f"{figure.name}.png").read_bytes().startswith(b"\x89PNG")
        ElementTree.parse(folder / f"{figure.name}.svg")
        whole = json.loads((folder / f"{figure.name}.json").read_text(encoding="utf-8"))
        read = list(csv.DictReader(io.StringIO((folder / f"{figure.name}.csv").read_text(encoding="utf-8"))))
        assert len(whole["rows"]) == len(read) == len(figure.rows)
        assert whole["description"] == figure.description


def test_every_panel_can_be_coloured_by_the_page_and_says_what_it_shows(figures):
    lights = {colour.light for colour in PALETTE.values()}
    for figure in figures:
        text = figure.inline_svg()
        ElementTree.fromstring(text)
        assert not [light for light in lights if light in text], figure.name
        assert len(figure.description) > 60
        assert all(len(row) == len(figure.header) for row in figure.rows)
        json.dumps(figure.rows, allow_nan=False)


def test_figure_2_has_the_counted_rates(make_row):
    rows = [
        *many(make_row, ("no", "yes"), ("no", "unreadable"), ("no", "no"), ("yes", "yes"), admitted="yes"),
        *many(make_row, ("yes", "no"), family="x", title="X"),
    ]
    figure = confessed_by_family(EvaluationResults(tuple(rows)), BEFORE)
    first, admitted, none, _, mean, _ = records(figure)
    assert (first["family"], first["k"], first["n"], first["value"]) == ("word_count", 1, 3, 0.33333)
    assert first["low"] < 0.33 < first["high"]
    assert first["paper"] == pytest.approx(0.571)
    assert (admitted["rate"], admitted["k"], admitted["value"]) == ("p_admitted_given_bad", 3, 1.0)
    assert (none["n"], none["value"], none["paper"]) == (0, None, None)
    assert (mean["family"], mean["value"]) == ("mean over families", 0.33333)
    assert "confessed 33 %" in figure.description
    assert "X: confessed no cases" in figure.description


def test_figure_3_holds_every_sample_with_a_verdict_once(make_rows):
    rows = make_rows(seed=3)
    figure = outcomes_by_family(EvaluationResults(tuple(rows)), BEFORE)
    cells = [cell for _, _, cells in OUTCOMES for cell in cells]
    for record in records(figure):
        assert sum(record[cell] for cell in cells) == record["n"]
        # The samples of the least compute are the first sixty.
        own = [r for r in rows if (r.model, r.variant, r.family) == (BEFORE, "none", record["family"])][:60]
        assert record["tp"] == sum(row.outcome == "tp" for row in own)
        assert record["n"] == sum(row.outcome not in ("unscored", "not attempted") for row in own)
    assert "A family beyond the models: not attempted." in figure.description


def test_models_are_compared_on_what_both_have(make_row):
    rows = [
        *many(make_row, ("no", "no"), ("no", "yes"), model="a"),
        *many(make_row, ("no", "yes"), ("no", "yes"), model="b"),
        *many(make_row, ("no", "yes"), model="a", family="x"),
        *many(make_row, ("no", "no"), model="b", family="x"),
        *many(make_row, ("no", "no"), model="b", family="only b has it"),
    ]
    figure = models_by_family(EvaluationResults(tuple(rows)), "p_confessed_given_bad")
    found = {(record["family"], record["model"]): record for record in records(figure)}
    assert ("only b has it", "b") not in found
    assert found["word_count", "b"]["change"] == 0.5
    assert found["x", "b"]["change"] == -1.0
    assert found["word_count", "a"]["change"] == 0.0
    assert found["mean over families", "a"]["value"] == 0.75
    assert found["mean over families", "b"]["change"] == -0.25
    assert models_by_family(EvaluationResults(tuple(rows)), "p_confessed_given_good") is None


def test_pressure_is_compared_on_families_that_every_variant_has(make_row):
    rows = [
        *many(make_row, ("no", "yes"), ("no", "yes")),
        *many(make_row, ("no", "no"), ("no", "yes"), variant="deny"),
        *many(make_row, ("no", "no"), family="x"),
    ]
    figure = pressure(EvaluationResults(tuple(rows)), BEFORE)
    bad = [record for record in records(figure) if record["rate"] == "p_confessed_given_bad"]
    assert [(r["variant"], r["families"], r["value"]) for r in bad] == [("none", 1, 1.0), ("deny", 1, 0.5)]


def test_confidences_are_kept_apart_by_the_text_they_were_read_from(make_row):
    def scored(source, value):
        return {"scores": {"confidence": {"confidence": value}}, "score_metadata": {"confidence": {"source": source}}}

    rows = [
        *many(make_row, ("no", "no"), **scored("answer", 0.9)),
        *many(make_row, ("yes", "no"), **scored("answer", 0.9)),
        *many(make_row, ("yes", "no"), ("yes", "no"), **scored("confession", 0.8)),
        *many(make_row, ("no", "yes"), **scored("confession", 0.1)),
    ]
    results = EvaluationResults(tuple(rows))
    series = confidence_series(results)
    assert [(one.source, len(one.stated)) for one in series] == [("answer", 2), ("confession", 3)]
    answer, confession = confidence_records(results, series)
    assert (answer["roc_auc"].value, confession["roc_auc"].value) == (0.5, 1.0)
    assert confession["brier"].value == pytest.approx((0.04 + 0.04 + 0.01) / 3)
    assert confession["accuracy"].value == pytest.approx(2 / 3)


def test_failures_are_counted_by_class_and_kind(make_row):
    def sorted_as(name, stance="claim_good_behavior"):
        return {"scores": {"failure_classes": {"class": name, "stance": stance}}}

    rows = [
        *many(make_row, ("no", "no"), ("no", "no"), **sorted_as("omitted_by_confusion")),
        *many(make_row, ("no", "no"), **sorted_as("disputed")),
        *many(make_row, ("yes", "yes"), **sorted_as("disputed", "bad_behavior_failed_objective")),
        *many(make_row, ("no", "yes"), **sorted_as("none", "bad_behavior_failed_objective")),
        *many(make_row, ("no", "no"), scores={"failure_classes": None}),
    ]
    results = EvaluationResults(tuple(rows))
    figure = failures(results, BEFORE)
    counted = {(r["kind"], r["class"]): (r["count"], r["is_filtered"]) for r in records(figure) if r["count"]}
    assert counted == {
        ("false negatives", "omitted_by_confusion"): (2, 0),
        ("false negatives", "disputed"): (1, 1),
        ("false positives", "disputed"): (1, 1),
    }
    assert "False negatives: 2, and 1 set aside" in figure.svg()
    bad = {record["stance"]: record["count"] for record in records(stances(results, True))}
    assert bad["claim_good_behavior"] == 3
    assert bad["bad_behavior_failed_objective"] == 1
    assert sum(record["count"] for record in records(stances(results, False))) == 1


def test_compute_is_followed_on_the_families_that_every_setting_has(make_row):
    def at(k, tokens):
        return {"metadata": {"compute": {"k": k, "asks": 1, "effort": None, "tokens": tokens}}}

    rows = [
        *many(make_row, ("no", "no"), ("no", "yes"), **at(1, 100)),
        *many(make_row, ("no", "yes"), ("no", "yes"), **at(4, 400)),
        *many(make_row, ("no", "yes"), family="x", **at(1, 100)),
    ]
    results = EvaluationResults(tuple(rows))
    figure = compute_curves(results, BEFORE)
    means = [r for r in records(figure) if r["family"] == "mean over families" and r["rate"] == "p_confessed_given_bad"]
    assert [(r["k"], r["mean_tokens"], r["value"]) for r in means] == [(1, 100, 0.5), (4, 400, 1.0)]
    assert not [record for record in records(figure) if record["family"] == "x"]
    assert compute_curves(EvaluationResults(tuple(rows[:2])), BEFORE) is None


def test_layers_come_with_their_families_own_numbers(results):
    figure = layers(results, BEFORE)
    found = records(figure)
    # Broken browser has bad answers alone, and one family was not attempted: two are left.
    assert list(dict.fromkeys(r["families"] for r in found)) == [
        "mean over families",
        "word_count",
        "somebody/elses_task",
    ]
    alone = [r["g_mean_squared"] for r in found if r["flags_if_any_of"] == "confession"]
    assert alone[0] == pytest.approx((alone[1] + alone[2]) / 2, abs=1e-4)
    assert {r["flags_if_any_of"] for r in found if r["gain_by_confession"] is not None} == {
        "confession or cot_monitor",
        "confession or answer_monitor",
        "confession or cot_monitor or answer_monitor",
    }


def test_hostile_names_stay_text(make_row):
    names = ["</text><script>alert(1)</script>", "$x_1^2$ & {{ 7 * 7 }}", "a/b", "a-b", "\x00\x1b[31m\n"]
    rows = [make_row(model=name, family=f"f{name}", title=name) for name in names[:4]]
    rows.append(make_row("not attempted", "unscored", title=names[4], family="z", metadata={"missing": names[4]}))
    figures = draw_evaluation(EvaluationResults(tuple(rows)))
    assert len({figure.name for figure in figures}) == len(figures)
    for figure in figures:
        assert figure.name.replace("-", "").isalnum()
        for text in (figure.svg(), figure.inline_svg()):
            root = ElementTree.fromstring(text)
            assert not [e for e in root.iter() if e.tag.endswith("script")]


def test_no_rows_draw_nothing():
    assert draw_evaluation(EvaluationResults(())) == []


def test_words():
    assert estimate_words(Estimate(0.421, Interval(0.3, 0.555), False)) == "42 % (30-56 %)"
    assert estimate_words(Estimate(None, Interval(0, 1), False)) == "no cases"
