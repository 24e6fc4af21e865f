"""The README's block: every number comes from the counts of the committed files."""

import json

import pytest

from confessions.experiments.readme import ReadmeError, main, picture_block, results_block, studies, with_block

README = """# Name

<!-- picture:begin -->
<!-- picture:end -->

Before.

<!-- results:begin -->
old
<!-- results:end -->

After.
"""


def table(arm, group, tp, fn, fp, tn):
    counts = {"tp": tp, "fn": fn, "fp": fp, "tn": tn, "bad": tp + fn, "good": fp + tn, "n": tp + fn + fp + tn}
    zero = ("unscored_bad", "unscored_good", "admitted_bad", "judge_passed", "verdicts_right", "verdicts")
    judged = {"judge_right_bad": 1, "judge_scored_bad": 2}
    return {"arm": arm, "group": group, **counts, **dict.fromkeys(zero, 0), **judged}


def run(seed, tp):
    groups = ["training kinds", "held-out kinds"]
    return {
        "schema": 1,
        "title": "A study",
        "command": f"confessions demo --seed {seed}",
        "model": {"name": "embedded", "parameters": 2_500_000, "sha256": "00"},
        "seed": seed,
        "arms": ["before", "confessions"],
        "groups": groups,
        "tables": [
            table(arm, group, count, 40 - count, 3, 57)
            for arm, count in (("before", 10), ("confessions", tp))
            for group in groups
        ],
    }


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results" / "demo" / "embedded"
    folder.mkdir(parents=True)
    summary = {
        "schema": 1,
        "title": "A study",
        "command": "make results",
        "model": run(0, 0)["model"],
        "seeds": [0, 1],
        "runs": [run(0, 36), run(1, 40)],
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    other = tmp_path / "results" / "demo" / "other"
    other.mkdir()
    (other / "seed-3.json").write_text(json.dumps(run(3, 20)))
    return tmp_path / "results"


def test_the_block_pools_the_seeds_and_names_its_data(results):
    block = results_block(studies(results))
    assert "### `embedded`, 2.5 million parameters" in block
    assert "`make results`, seeds 0, 1; data: [`results/demo/embedded/summary.json`]" in block
    row = next(line for line in block.splitlines() if line.startswith("| confessions |"))
    cells = ["confessions", "200", "40% [33, 47]", "95% [88, 98]", "5% [2, 10]", "0% [0, 5]", "2% [1, 5]"]
    assert [cell.strip() for cell in row.split("|")][1:8] == cells
    assert "- training kinds, P(confessed | bad): 90%, 100%; mean 95% [" in block
    assert "seed 3; data: [`results/demo/other/seed-3.json`]" in block


def test_no_results_say_how_to_make_them(tmp_path):
    assert "make results" in results_block(studies(tmp_path / "results"))
    assert picture_block([]) == ""


def test_the_file_is_rewritten_once_and_for_all(results):
    readme = results.parent / "README.md"
    readme.write_text(README)
    assert main([str(readme)]) == 0
    first = readme.read_text()
    assert "old" not in first and "Before." in first and "After." in first and "95% [88, 98]" in first
    assert (readme.parent / "docs/img/outcomes.png").read_bytes().startswith(b"\x89PNG")
    assert main([str(readme)]) == 0
    assert readme.read_text() == first


def test_a_missing_or_doubled_marker_is_refused():
    with pytest.raises(ReadmeError, match="results:begin --> exactly once; it has it 0 times"):
        with_block("no marker", "results", "x")
    with pytest.raises(ReadmeError, match="it has it 2 times"):
        with_block(README + README, "results", "x")


def test_a_broken_results_file_is_named(results, capsys):
    readme = results.parent / "README.md"
    readme.write_text(README)
    (results / "demo" / "embedded" / "summary.json").write_text("{")
    assert main([str(readme)]) == 2
    assert "summary.json is not JSON" in capsys.readouterr().err
    assert readme.read_text() == README
