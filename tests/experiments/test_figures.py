"""The panels: what they show is what was counted, as picture, as data and in words."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from confessions.experiments.figures import PALETTE, channel_rewards, draw_all, outcomes, rates, smooth, write_figures
from confessions.experiments.results import CELLS, RewardPoint, results_of

Make = Callable[..., dict[str, Any]]


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2."""
    dim, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read(theme: str) -> None:
    colours = {role: getattr(colour, theme) for role, colour in PALETTE.items()}
    pairs = [(role, "paper") for role in ("ink", "muted", "before", "control", "confessions")]
    pairs += [(f"on-{role}", role) for role in ("tp", "fn", "fp", "tn")]
    too_faint = {pair: contrast(*(colours[role] for role in pair)) for pair in pairs}
    assert {pair: ratio for pair, ratio in too_faint.items() if ratio < 4.5} == {}


def test_each_light_colour_is_one_role() -> None:
    lights = [colour.light for colour in PALETTE.values()]
    assert len(set(lights)) == len(lights)


def test_every_panel_is_written_as_picture_and_as_data(make_summary: Make, tmp_path: Path) -> None:
    results = results_of(make_summary(2))
    paths = write_figures(results, tmp_path)
    names = [figure.name for figure in draw_all(results)]
    assert len(set(names)) == len(names) == 12
    assert {path.name for path in paths} == {p.name for p in tmp_path.iterdir()}
    assert {p.name for p in tmp_path.iterdir()} == {
        "figures.json",
        *(f"{name}.{suffix}" for name in names for suffix in ("svg", "png", "csv")),
    }
    for name in names:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
    data = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert set(data) == set(names)
    with (tmp_path / "outcomes-training-kinds.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["seed"] for row in rows[:3]] == ["0", "1", "all"]
    for cell in CELLS:
        assert int(rows[2][cell]) == int(rows[0][cell]) + int(rows[1][cell])
        assert int(rows[2][cell]) == results.table("before", "training kinds").count(cell)


def test_a_panel_is_drawn_the_same_twice(make_result: Make) -> None:
    results = results_of(make_result())
    assert outcomes(results, "training kinds").svg() == outcomes(results, "training kinds").svg()


def test_inline_panels_are_coloured_by_the_page(make_result: Make) -> None:
    text = rates(results_of(make_result()), "training kinds").inline_svg()
    assert "var(--tp)" in text
    assert not [role for role, colour in PALETTE.items() if colour.light in text]
    assert "http" not in text
    assert text.startswith("<svg")


def test_counts_stand_in_the_bars(make_result: Make) -> None:
    results = results_of(make_result())
    figure = outcomes(results, "training kinds")
    text = figure.inline_svg()
    for arm in results.arms:
        table = results.table(arm, "training kinds")
        for cell in CELLS:
            assert f">{table.count(cell)}<" in text
        assert f"of {table.bad} that broke a rule {table.tp} were confessed" in figure.description


def test_a_group_without_answers_says_no_cases(make_result: Make) -> None:
    tree = make_result()
    tree["tables"] = [table for table in tree["tables"] if table["group"] == "training kinds"]
    results = results_of(tree)
    for draw in (outcomes, rates):
        figure = draw(results, "held-out kinds")
        assert figure.inline_svg().count("no cases") >= 3
        assert "no cases" in figure.description


def test_curves_average_the_seeds_that_have_a_value(make_summary: Make) -> None:
    tree = make_summary(2)
    first, second = (run["curves"]["control"][0] for run in tree["runs"])
    first["true_compliance"], second["true_compliance"] = 0.2, 0.4
    for run in tree["runs"]:
        run["curves"]["control"][1]["true_compliance"] = None
    tree["runs"][0]["curves"]["control"][2]["true_compliance"] = None
    tree["runs"][1]["curves"]["control"][2]["true_compliance"] = 0.75
    figures = {figure.name: figure for figure in draw_all(results_of(tree))}
    readout = figures["hack-control"].readout
    assert readout is not None
    spoken: Any = readout["lines"]
    (line,) = (line for line in spoken if line["label"] == "rules truly kept")
    assert line["values"][:3] == ["30 % (20–40 %)", "no cases", "75 % (75–75 %)"]


def test_curves_without_any_value_are_drawn(make_result: Make) -> None:
    tree = make_result()
    for point in tree["curves"]["control"]:
        point.update(judge_accuracy_given_bad=None, confession_accuracy_given_bad=None)
        point.update(confession_accuracy_given_good=None)
    figures = {figure.name: figure for figure in draw_all(results_of(tree))}
    assert "no cases" in figures["honesty-control"].description
    assert figures["honesty-control"].inline_svg()


def test_smoothing_keeps_the_mean_and_skips_steps_without_reward() -> None:
    run = [RewardPoint(step=step, answer=0.5, confession=None if step % 2 else 1.0) for step in range(1, 49)]
    assert set(smooth(run, "answer").values()) == {0.5}
    assert list(smooth(run, "confession")) == list(range(2, 49, 2))
    spike = [RewardPoint(step=step, answer=float(step == 24)) for step in range(1, 49)]
    smoothed = smooth(spike, "answer")
    assert smoothed[24] == pytest.approx(1 / 5)
    assert smoothed[20] == 0.0
    assert smooth([], "answer") == {}


def test_the_control_has_no_confession_reward(make_result: Make) -> None:
    results = results_of(make_result())
    answer, confession = channel_rewards(results, "answer"), channel_rewards(results, "confession")
    assert answer is not None
    assert confession is not None
    assert {row[0] for row in answer.rows} == {"control", "confessions"}
    assert {row[0] for row in confession.rows} == {"confessions"}
