"""The page about judges holds the committed results."""

import json
from pathlib import Path

from confessions.experiments.judge_tables import page_with_results

ROOT = Path(__file__).parent.parent.parent
BLOCK = "<!-- bench:begin -->\nold\n<!-- bench:end -->\n<!-- learned:begin -->\nold\n<!-- learned:end -->\n"
EXAMINED = {
    "auc": 0.8547,
    "right_of_kept": 0.86,
    "right_of_broken": 0.7132,
    "answers": 0.7557,
    "confessions": 0.8342,
    "rank_correlation": 0.6349,
}


def record(judge, measure, value, n, ties=None):
    row = {"judge": judge, "source": "families", "measure": measure, "value": value, "low": None, "high": None}
    return row | {"n": n, "ties": ties}


def test_the_page_holds_the_committed_results():
    text = (ROOT / "docs" / "judges.md").read_text()
    assert text == page_with_results(text, ROOT / "results" / "judges"), "`make docs` writes the tables anew"


def test_a_judge_without_a_verdict_is_not_in_the_table(tmp_path):
    measures = [
        record("sees", "accuracy.false_claim", 0.75, 4, 2),
        record("sees", "kendall", 0.5, 4),
        record("blind", "accuracy.false_claim", None, 0),
        record("blind", "kendall", None, 0),
    ]
    (tmp_path / "bench.json").write_text(json.dumps({"cases": 4, "seed": 0, "measures": measures}))
    (tmp_path / "learned.json").write_text(json.dumps([{"seed": 7, "examination": EXAMINED}]))
    page = page_with_results(f"before\n{BLOCK}after\n", tmp_path)
    assert page.startswith("before\n") and page.endswith("after\n")
    assert "| the truth preferred to: false claim | 75%, 2 ties |" in page
    assert "| 7 | 0.85 | 86% | 71% | 76% | 83% | 0.63 |" in page
    assert "blind" not in page and "old" not in page
