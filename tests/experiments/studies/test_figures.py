"""The panels of the studies: what they show is what was estimated, and it can be read in gray, and with long names."""

import csv
import io
import random
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from confessions.experiments.figures import PALETTE
from confessions.experiments.studies.catalogue import STUDIES
from confessions.experiments.studies.figures import (
    count_words,
    draw_curves,
    draw_dots,
    draw_study,
    estimate_words,
    interval_words,
    line_looks,
    number_words,
    quantity_words,
)
from confessions.experiments.studies.study import UNKNOWN, Curves, Dots, Estimate, Measurement, Measurements


@pytest.fixture(scope="module")
def figures(made_up, make_measurements):
    return draw_study(made_up.name, made_up.plots, make_measurements(), made_up.quantities)


def table(figure):
    return list(csv.DictReader(io.StringIO(figure.csv())))


def test_every_plot_is_a_panel_with_its_estimates(figures, made_up, make_measurements):
    assert [figure.name for figure in figures] == ["made-up-1", "made-up-2", "made-up-3", "made-up-4"]
    assert [figure.title for figure in figures] == [plot.title for plot in made_up.plots]
    for row in (row for figure in figures for row in table(figure)):
        step = int(row["step"]) if row.get("step") else None
        one = make_measurements().estimate(row["quantity"], row["arm"], row["group"], step)
        assert [float(row[name]) for name in ("value", "low", "high")] == pytest.approx(one[:3], rel=1e-3)
        assert [row["seeds"], row["k"], row["n"]] == ["" if x is None else str(x) for x in (5, one.k, one.n)]
    assert [len(table(figure)) for figure in figures] == [16, 24, 12, 4]


def test_panels_are_described_in_words(figures):
    dots, curves, plain, numbers = (figure.description for figure in figures)
    assert "training kinds, confessions: P(confessed | bad) 94% [91, 96] (936/1,000)." in dots
    assert "control: P(confessed | bad): from 57 percent at step 0 to 62 percent at step 50." in curves
    assert "95 percent interval over 5 seeds" in curves
    assert "confessions: from 0.00 at step 0 to 0.50 at step 50." in plain
    assert "before: tokens 140 [" in numbers


def test_panels_are_coloured_by_the_page(figures):
    for figure in figures:
        text = figure.inline_svg()
        assert not [role for role, colour in PALETTE.items() if colour.light in text]
        assert "var(--confessions)" in text
        assert "http" not in text


def test_shares_are_in_percent_and_numbers_are_not(figures):
    dots, curves, plain, numbers = (figure.inline_svg() for figure in figures)
    for text in (dots, curves):
        assert ">100 %<" in text
    for text, label in ((plain, "passed minus complied"), (numbers, "tokens a confession")):
        assert f">{label}<" in text
        assert "%<" not in text
    assert figures[1].readout["lines"][2]["values"][0] == "55 % (46\u201364 %)"


@pytest.mark.parametrize("arms", [("control",), ("before", "control", "confessions", "two words", "b", "c")])
@pytest.mark.parametrize("quantities", [("p_confessed_given_bad",), ("p_confessed_given_bad", "bad_rate", "x", "y")])
@pytest.mark.parametrize("groups", [("one",), ("one", "other")])
def test_lines_can_be_told_apart_without_colour(arms, quantities, groups):
    lines = [(quantity, arm, group) for quantity in quantities for arm in arms for group in groups]
    looks = line_looks(lines, {})
    assert list(looks) == lines or set(looks) == set(lines)
    shapes = {(look.marker, look.dash) for look in looks.values()}
    labels = {look.label for look in looks.values()}
    # Beyond four kinds of measurements the dashes start again.
    assert len(shapes) == len(arms) * min(4, len(quantities) * len(groups)) if len(arms) > 1 else len(lines)
    assert len(labels) == len(lines)
    assert all(label for label in labels)


def test_arms_and_quantities_have_colours_of_their_own():
    looks = line_looks([("q", arm, "g") for arm in ("other", "confessions", "control", "third")], {})
    roles = {arm: look.role for (_, arm, _), look in looks.items()}
    assert (roles["confessions"], roles["control"]) == ("confessions", "control")
    assert len(set(roles.values())) == 4
    looks = line_looks([(quantity, "a", "g") for quantity in ("x", "p_confessed_given_bad", "bad_rate")], {"x": "ex"})
    assert [(look.label, look.role) for look in looks.values()] == [
        ("ex", "judge"),
        ("P(confessed | bad)", "tp"),
        ("bad rate", "fn"),
    ]


LONG = "confessions, asked by a system prompt to deny every fault that it has"


def many(seeds=3):
    rows = []
    for seed in range(seeds):
        for at, arm in enumerate(("before", LONG, "x")):
            for group in ("training kinds", "held-out kinds"):
                counts = {"p_confessed_given_bad": 200, "p_confessed_given_good": 2, "a_quantity_of_a_long_name": 100}
                for quantity, k in counts.items():
                    rows.append(Measurement(seed, arm, group, quantity, max(0, k - 80 * at), 200))
                    rows.append(Measurement(seed, arm, group, quantity, k, 200, step=at))
                rows.append(Measurement(seed, arm, group, "number", value=1e4 + seed))
    return Measurements(rows)


QUANTITIES = ("p_confessed_given_bad", "p_confessed_given_good", "a_quantity_of_a_long_name")
ARMS = ("before", LONG, "x")
PLOTS = [
    Dots("A title that is far too long for one line, or for the width of two", QUANTITIES, ARMS, ("training kinds",)),
    Dots("Groups", QUANTITIES[:1], ARMS, ("training kinds", "held-out kinds")),
    Dots("Numbers", ("number",), ARMS, ("held-out kinds",), label="tokens"),
    Curves("Lines", tuple((quantity, arm, "training kinds") for arm in ARMS for quantity in QUANTITIES)),
    Curves("One", tuple((quantity, "before", "training kinds") for quantity in QUANTITIES), label="rate"),
]


def shown_texts(canvas):
    (axes,) = canvas.axes
    unseen = set()
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, sorted(axes.get_ylim()))):
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        unseen |= {tick.label1 for tick in ticks if not axis.get_visible() or not low <= tick.get_loc() <= high}
    texts = canvas.findobj(Text)
    return [text for text in texts if text not in unseen and text.get_visible() and text.get_text().strip()]


def all_of(plot):
    """Measure all that a plot shows, of two seeds."""
    rng = random.Random(0)
    if isinstance(plot, Curves):
        places = [(*line, step) for line in plot.lines for step in (0, 25, 50)]
    else:
        places = [(q, arm, group, None) for q in plot.quantities for arm in plot.arms for group in plot.groups]
    return Measurements(
        Measurement(seed, arm, group, quantity, step=step, **measured)
        for quantity, arm, group, step in places
        for seed in (0, 1)
        for measured in [
            {"k": rng.choice((0, 150, 200)), "n": 200} if plot.label == "share" else {"value": rng.uniform(1, 9)}
        ]
    )


CASES = [("s", plot, {}, many()) for plot in PLOTS]
CASES += [(name, plot, study.quantities, all_of(plot)) for name, study in STUDIES.items() for plot in study.plots]


@pytest.mark.parametrize(("name", "plot", "words", "measurements"), CASES, ids=[f"{c[0]}-{c[1].title}" for c in CASES])
def test_no_text_is_cut_off_or_lies_upon_another(name, plot, words, measurements):
    (figure,) = draw_study(name, [plot], measurements, words)
    canvas = figure.canvas(alone=True)
    agg = FigureCanvasAgg(canvas)
    agg.draw()
    width, height = canvas.bbox.width, canvas.bbox.height
    boxes = [(text.get_text(), text.get_window_extent(agg.get_renderer())) for text in shown_texts(canvas)]
    assert len(boxes) > 6
    for text, box in boxes:
        assert box.x0 >= -0.5 and box.x1 <= width + 0.5 and box.y0 >= -0.5 and box.y1 <= height + 0.5, text
    for (one, first), (other, second) in combinations(boxes, 2):
        # Boxes of lines have room above and below their letters.
        apart = 2.5
        overlap = first.x0 < second.x1 and second.x0 < first.x1
        assert not (overlap and first.y0 + apart < second.y1 and second.y0 + apart < first.y1), (one, other)


def test_what_was_not_measured_is_not_drawn():
    rows = Measurements([Measurement(0, "a", "g", "q", 0, 0), Measurement(0, "b", "g", "q", 1, 2)])
    figure = draw_dots("n", Dots("t", ("q", "r"), ("a", "b", "c"), ("g", "h")), rows, {})
    assert figure is not None
    assert "no cases" in figure.inline_svg()
    assert [(row["arm"], row["quantity"], row["value"]) for row in table(figure)] == [("a", "q", ""), ("b", "q", "0.5")]
    assert draw_dots("n", Dots("t", ("q",), ("a",), ("g",)), rows, {}) is None
    assert draw_curves("n", Curves("t", (("q", "b", "g"),)), rows, {}) is None
    assert draw_study("s", [Curves("t", (("q", "b", "g"),))], rows, {}) == ()


def test_a_number_of_one_seed_has_no_interval():
    rows = Measurements([Measurement(0, "a", "g", "q", value=0.25, step=step) for step in (0, 1)])
    figure = draw_curves("n", Curves("t", (("q", "a", "g"),), label="x"), rows, {})
    assert figure is not None and figure.readout is not None
    assert table(figure)[0]["low"] == ""
    assert figure.readout["lines"][0]["values"] == ["0.25", "0.25"]
    rows = Measurements([Measurement(0, "a", "g", "q", value=0.25)])
    figure = draw_dots("n", Dots("t", ("q",), ("a",), ("g",), label="x"), rows, {})
    assert figure is not None and figure.png().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (Estimate(0.938, 0.921, 0.953, 5, 412, 438, "share"), "94% [92, 95] (412/438)"),
        (Estimate(-0.02, -0.051, 0.011, 5, unit="points"), "-2 points [-5, +1] (5 seeds)"),
        (Estimate(0.017, 0.003, 0.031, 5, unit="points"), "+1.7 points [+0.3, +3.1] (5 seeds)"),
        (Estimate(0.0, 0.0, 0.02, 1, unit="points"), "0 points [0, +2] (1 seed)"),
        (Estimate(1.333, 1.31, 1.357, 3), "1.33 [1.31, 1.36] (3 seeds)"),
        (Estimate(12345.6, 999.9, 23456.0, 3), "12,346 [1,000, 23,456] (3 seeds)"),
        (Estimate(-0.12, -0.2, 0.0123, 3, unit="change"), "-0.120 [-0.200, +0.0123] (3 seeds)"),
        (Estimate(0.5, float("-inf"), float("inf"), 1), "0.500 (1 seed)"),
        (UNKNOWN, "no cases"),
    ],
)
def test_estimates_in_words(estimate, words):
    assert estimate_words(estimate) == words


def test_words_of_nothing():
    assert (interval_words(UNKNOWN), count_words(UNKNOWN)) == ("-", "no cases")
    assert number_words(0) == number_words(-1e-9) == "0"


def test_quantities_are_named():
    assert quantity_words("bad_rate", {}) == "bad rate"
    assert quantity_words("bad_rate", {"bad_rate": "wrong"}) == "wrong"
    assert quantity_words("my_own", {}) == "my own"
