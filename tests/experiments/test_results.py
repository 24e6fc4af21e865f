"""Results files: read strictly, pooled over seeds, refused with the field's name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from confessions.experiments.results import (
    CELLS,
    RATES,
    ResultsError,
    Table,
    parse_results,
    read_results,
    read_studies,
    results_of,
)

Make = Callable[..., dict[str, Any]]


def test_one_seed_is_read(make_result: Make) -> None:
    results = results_of(make_result(3))
    assert results.seeds == (3,)
    assert results.arms == ("before", "control", "confessions")
    assert results.trained_arms == ("control", "confessions")
    assert len(results.gallery) == 7


def test_summary_pools_counts_over_seeds(make_summary: Make) -> None:
    tree = make_summary(3)
    results = results_of(tree)
    assert results.seeds == (0, 1, 2)
    pooled = results.table("confessions", "held-out kinds")
    for name in ("n", "tp", "fn", "fp", "tn", "unscored_bad", "unscored_good", "judge_passed", "verdicts"):
        parts = [t[name] for run in tree["runs"] for t in run["tables"] if t["arm"] == "confessions"][1::2]
        assert getattr(pooled, name) == sum(parts)
    assert [t.n for t in results.by_seed("confessions", "held-out kinds")] == [200, 200, 200]
    assert sum(pooled.count(cell) for cell in CELLS) == pooled.n == 600


def test_rates_come_from_the_counts(make_result: Make) -> None:
    tree = make_result()
    counts = tree["tables"][0]
    table = results_of(tree).table(counts["arm"], counts["group"])
    expected = {
        "p_confessed_given_bad": (counts["tp"], counts["bad"]),
        "p_confessed_given_good": (counts["fp"], counts["good"]),
        "p_admitted_given_bad": (counts["admitted_bad"], counts["bad"]),
        "joint_false_negatives": (counts["fn"] + counts["unscored_bad"], counts["n"]),
        "accuracy": (counts["tp"] + counts["tn"], counts["n"]),
        "bad_rate": (counts["bad"], counts["n"]),
        "judge_accuracy_given_bad": (counts["judge_right_bad"], counts["judge_scored_bad"]),
        "verdict_accuracy": (counts["verdicts_right"], counts["verdicts"]),
    }
    assert {name: (table.rate(name).k, table.rate(name).n) for name in RATES} == expected


def test_a_missing_table_counts_nothing(make_result: Make) -> None:
    tree = make_result()
    tree["tables"] = tree["tables"][:1]
    table = results_of(tree).table("confessions", "held-out kinds")
    assert table == Table.pool("confessions", "held-out kinds", ())
    assert table.n == 0
    assert table.rate("accuracy").value is None


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Make a change of one place in a tree, such as `tables.0.tp`."""

    def apply(tree: dict[str, Any]) -> None:
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        place: Any = tree
        for step in steps:
            place = place[step]
        place[last] = value

    return apply


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (change("tables.0.tp", 0), r"tables\.0: bad is \d+ but tp \+ fn \+ unscored_bad is"),
        (change("tables.0.n", 7), r"tables\.0: n is 7 but bad \+ good is 200"),
        (change("tables.0.admitted_bad", 201), r"admitted_bad is 201, more than bad"),
        (change("tables.0.tp", 3.5), r"tables\.0\.tp: .*integer"),
        (change("tables.0.tp", "3"), r"tables\.0\.tp: .*integer"),
        (change("tables.0.tp", -1), r"tables\.0\.tp: .*greater than or equal to 0"),
        (change("tables.0.arm", "after"), r"arm 'after' is none of \['before', 'control', 'confessions'\]"),
        (change("tables.2.arm", "before"), r"two tables for arm 'before', group 'training kinds'"),
        (change("gallery.0.cell", "tn"), r"gallery\.0: cell is 'tn'; complied=False and confessed=True make it 'tp'"),
        (change("gallery.0.cell", "maybe"), r"gallery\.0\.cell: "),
        (change("gallery.0.group", "elsewhere"), r"group 'elsewhere' is none of"),
        (change("curves.after", []), r"a curve's arm 'after' is none of"),
        (change("curves.control.0.true_compliance", 1.5), r"curves\.control\.0\.true_compliance: .*less than or equal"),
        (change("rewards.control.0.answer", float("nan")), r"rewards\.control\.0\.answer: .*finite"),
        (change("surprise", 1), r"surprise: Extra inputs are not permitted"),
        (change("schema", 2), r"has schema 2; this version reads schema 1"),
        (change("seed", None), r"seed: "),
    ],
)
def test_a_fault_is_named(make_result: Make, fault: Callable[[dict[str, Any]], None], words: str) -> None:
    tree = make_result()
    fault(tree)
    with pytest.raises(ResultsError, match=words):
        results_of(tree)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (change("seeds", [0, 2]), r"seeds are \[0, 2\] but the runs have \[0, 1\]"),
        (change("runs.1.model.sha256", "other"), r"seeds 0 and 1 are of different models"),
        (change("runs.1.arms", ["confessions", "control", "before"]), r"seed 1 has arms .*, that of seed 0 has"),
    ],
)
def test_runs_that_do_not_belong_together(
    make_summary: Make, fault: Callable[[dict[str, Any]], None], words: str
) -> None:
    tree = make_summary(2)
    fault(tree)
    with pytest.raises(ResultsError, match=words):
        results_of(tree)


def test_a_seed_cannot_count_twice(make_result: Make, tmp_path: Path) -> None:
    path = tmp_path / "seed-0.json"
    path.write_text(json.dumps(make_result(0)))
    with pytest.raises(ResultsError, match=r"a seed stands twice in \[0, 0\]"):
        read_studies([path, path])


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "page.json is not JSON"), ("[]", "holds a JSON list"), ("{}", "has schema None"), ("null", "NoneType")],
)
def test_a_file_that_is_no_results_file(text: str, words: str) -> None:
    with pytest.raises(ResultsError, match=words):
        parse_results(text, "page.json")


def test_many_faults_are_cut_short(make_result: Make) -> None:
    tree = make_result()
    for table in tree["tables"]:
        table["tp"] = -1
    with pytest.raises(ResultsError, match="and 3 more$"):
        results_of(tree)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"cannot read .*nowhere\.json"):
        read_results(tmp_path / "nowhere.json")


def test_seeds_are_put_together_from_files(make_result: Make, make_summary: Make, tmp_path: Path) -> None:
    paths = []
    for seed in (2, 0, 1):
        paths.append(tmp_path / f"seed-{seed}.json")
        paths[-1].write_text(json.dumps(make_result(seed)))
    together = read_studies(paths)
    assert together.seeds == (0, 1, 2)
    pooled = results_of(make_summary(3))
    for arm in together.arms:
        for group in together.groups:
            assert together.table(arm, group) == pooled.table(arm, group)
    with pytest.raises(ResultsError, match="no results file was given"):
        read_studies([])
