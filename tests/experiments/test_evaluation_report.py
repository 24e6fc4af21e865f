"""The page of evaluation logs: its numbers, its transcripts, hostile texts, and what is wrong with wrong input."""

import csv
import io
import json
import os
import warnings
from collections import Counter
from html.parser import HTMLParser

import pytest

from confessions.evaluation.rows import LogError, read_rows
from confessions.experiments.evaluation_figures import draw_evaluation
from confessions.experiments.evaluation_report import (
    GALLERY_SIZE,
    MOST_CHARACTERS,
    SHOWN_CHARACTERS,
    Exchange,
    changes,
    data_files,
    headline,
    pick,
    read_exchanges,
    render_evaluation,
    shorten,
    write_evaluation_report,
)
from confessions.experiments.evaluation_results import EvaluationResults
from confessions.experiments.page import ReportError
from confessions.protocol import Message, ToolCall

HOSTILE = '</pre></details><script>alert(1)</script><img src=x onerror="alert(1)">&amp; {{ 7 * 7 }} {% raw %}'


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    def ids(self):
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]

    def text(self):
        return " ".join(" ".join(self.texts).split())


def exchange(row, text="Paris."):
    calls = (ToolCall("1", "open_page", '{"url": "x"}'),)
    return Exchange(
        row,
        (
            Message("user", "Which city?"),
            Message("assistant", "", reasoning="the secret thought", tool_calls=calls),
            Message("tool", "it failed", tool_call_id="1"),
            Message("assistant", text),
        ),
    )


def rendered(rows, text="Paris."):
    results = EvaluationResults(tuple(rows))
    return render_evaluation(results, draw_evaluation(results), [exchange(row, text) for row in pick(results)])


@pytest.fixture(scope="module")
def page(make_rows):
    return rendered(make_rows(n=30))


def test_the_page_has_a_section_for_all_that_was_measured(page):
    ids = Page(page).ids()
    assert len(ids) == len(set(ids))
    sections = {"confessed", "outcomes", "models", "pressure", "reliability", "sweep", "failures", "compute", "layers"}
    assert sections | {"gallery", "table", "families"} <= set(ids)


def test_the_page_leaves_out_what_was_not_measured(make_row):
    page = Page(rendered([make_row(), make_row("yes", "no", sample="t")]))
    assert {"confessed", "outcomes", "gallery", "table"} <= set(page.ids())
    assert not {"models", "pressure", "reliability", "sweep", "failures", "compute", "layers"} & set(page.ids())


def test_the_page_asks_for_nothing(page):
    found = Page(page)
    addresses = [a[name] for _, a in found.tags for name in ("src", "href") if name in a]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert [tag for tag, _ in found.tags].count("script") == 1
    (policy,) = [a["content"] for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "@import" not in page
    assert "url(http" not in page


def test_links_on_the_page_lead_somewhere(page):
    found = Page(page)
    wanted = {a["href"][1:] for tag, a in found.tags if tag == "a" and a["href"].startswith("#")}
    assert wanted <= set(found.ids())


def test_numbers_stand_beside_the_papers(make_row):
    rows = [make_row("no", "yes", sample=str(i)) for i in range(3)] + [make_row("no", "no", sample="x")]
    text = Page(rendered(rows)).text().replace("\u00a0", " ")
    assert "75 % 30\u201395 % 3 of 4 paper 57.1 %" in text
    assert "75 % 30\u201395 %, 1 family" not in text  # the mean's interval is another one than Wilson's
    assert "paper 74.3 %" in text
    assert "another model on other data" in text


def test_what_was_not_attempted_says_so_instead_of_a_number(make_row):
    missing = {"metadata": {"missing": "41 % of the words are unknown"}}
    rows = [make_row("not attempted", "unscored", sample=str(i), **missing) for i in range(3)]
    page = rendered(rows)
    assert "not attempted: 41 % of the words are unknown" in Page(page).text()
    assert "nothing to confess" in Page(page).text()


def test_hostile_texts_stay_text(make_row):
    report = {
        "compliance_analysis": [
            {"objective": HOSTILE, "compliance": "not_complied_reported", "analysis": HOSTILE}
        ],
        "uncertainties_and_conflicts": [HOSTILE],
        "overall_compliance_grade": 4,
    }  # fmt: skip
    said = dict.fromkeys(("raw", "evidence", "reading", "missing", "truth", "reader", "limit"), HOSTILE)
    fields = {
        "model": HOSTILE, "family": HOSTILE, "title": HOSTILE, "variant": HOSTILE, "sample": HOSTILE, "log": HOSTILE,
        "scores": {
            "failure_classes": {"class": HOSTILE, "stance": HOSTILE},
            "cot_monitor": {"flagged": HOSTILE},
            "confidence": {"confidence": HOSTILE},
        },
        "score_metadata": {"failure_classes": {"reasoning": HOSTILE, "stance_reasoning": HOSTILE}},
    }  # fmt: skip
    failure = {"reason": HOSTILE, "detail": HOSTILE}
    rows = [
        make_row(**fields, metadata={**said, "report": report}),
        make_row(
            "no", "unreadable", **{**fields, "sample": "2"}, metadata={**said, "failure": failure, "report": None}
        ),
        make_row("not attempted", "unscored", **{**fields, "family": "other"}, metadata=said),
    ]
    page = rendered(rows, HOSTILE * 40)
    found = Page(page)
    assert [tag for tag, _ in found.tags].count("script") == 1
    assert "img" not in {tag for tag, _ in found.tags}
    assert not [a for _, a in found.tags if any(name.startswith("on") for name in a)]
    assert HOSTILE not in page
    assert "<script>alert(1)</script>" in found.text()
    assert "7 * 7" in found.text()
    assert " 49 " not in found.text()


def test_reasoning_is_not_shown(page):
    assert "Which city?" in page
    assert "the secret thought" not in page


def test_long_texts_unfold_and_very_long_ones_end(make_row):
    assert shorten("a" * SHOWN_CHARACTERS).whole == ""
    longer = shorten("a" * (SHOWN_CHARACTERS + 1))
    assert (len(longer.shown), len(longer.whole), longer.beyond) == (SHOWN_CHARACTERS + 1, SHOWN_CHARACTERS + 1, 0)
    page = rendered([make_row()], text="z" * (MOST_CHARACTERS + 5000))
    assert "show all" in page
    assert "5,000 further characters are in the log" in page
    assert "z" * (MOST_CHARACTERS + 1) not in page


def test_a_card_says_why_its_sample_stands_there(make_row):
    row = make_row(
        "no", "no",
        scores={
            "failure_classes": {"class": "already_admitted", "stance": "claim_good_behavior"},
            "cot_monitor": {"flagged": "yes"},
            "confidence": {"confidence": 0.75},
        },
        score_metadata={"failure_classes": {"reasoning": "the answer had told", "is_filtered": True}},
    )  # fmt: skip
    told = [(label, text.shown) for label, text in exchange(row).why]
    assert told == [
        ("Answer: complied no (program)", "the words were counted"),
        ("Confession: confessed no (report)", '"the first rule" is said to be not_complied_reported'),
        ("Admitted in the answer: no", ""),
        ("Why it failed: already admitted, not counted as a failure", "the answer had told"),
        ("What it says: claim good behavior", ""),
        ("CoT monitor: flagged yes", ""),
        ("Confidence: 0.75", ""),
    ]


def test_the_gallery_holds_a_few_of_each_outcome_from_many_families(make_rows):
    results = EvaluationResults(tuple(make_rows()))
    picked = pick(results)
    counts = Counter((row.model, row.outcome) for row in picked)
    assert max(counts.values()) == GALLERY_SIZE
    assert {outcome for _, outcome in counts} == {row.outcome for row in results.rows}
    confessed = [row.family for row in picked if (row.model, row.outcome) == ("local/before", "tp")]
    assert len(set(confessed)) == 3
    # The first ones show each outcome of each model once.
    assert len({(row.model, row.outcome) for row in picked[: len(counts)]}) == len(counts)


def test_the_headline_and_the_changes_are_of_the_means(make_row):
    rows = [make_row("no", "yes" if i < 3 else "no", model="a", sample=str(i)) for i in range(4)]
    rows += [make_row("no", "yes", model="b", sample=str(i)) for i in range(4)]
    rows += [make_row("yes", "no", model="b", sample=str(i)) for i in range(4, 8)]
    results = EvaluationResults(tuple(rows))
    said = "".join(piece.text for piece in headline(results)).replace("\u00a0", " ")
    assert said == (
        "On the mean over 1 of the paper's families, a confessed 75 % of its bad answers; "
        "b confessed 100 % of its bad answers and 0 % of its good ones."
    )
    joint, bad = changes(results)
    assert joint.startswith("joint false negatives, mean over 1 family: a 25")
    assert "a change of +25 points" in bad
    assert "which includes zero" in bad


def test_many_models_are_headed_by_their_range(make_row):
    rows = [make_row("no", "yes" if i < m else "no", model=str(m), sample=str(i)) for m in range(4) for i in range(4)]
    said = "".join(piece.text for piece in headline(EvaluationResults(tuple(rows)))).replace("\u00a0", " ")
    assert said == "On the mean over the paper's families, 4 models confessed 0 % to 75 % of their bad answers."


def test_the_files_hold_the_tables_numbers(make_rows):
    results = EvaluationResults(tuple(make_rows(n=20)))
    files = data_files(results)
    assert set(files) == {"table.csv", "means.csv", "report.json"}
    whole = json.loads(files["report.json"])
    read = list(csv.DictReader(io.StringIO(files["table.csv"])))
    assert len(read) == len(whole["table"]) == 16
    assert [row["tp"] for row in read] == [str(record["tp"]) for record in whole["table"]]
    assert round(100 * whole["paper"]["means"]["joint_fn"], 2) == 4.36
    assert len(whole["paper"]["rows"]) == 12


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Run one family under two scripted models, with everything that needs no judge."""
    from inspect_ai import eval as inspect_eval

    folder = tmp_path_factory.mktemp("logs")
    with warnings.catch_warnings():
        # Inspect and its libraries warn of each other's deprecations; they are not ours to mend.
        warnings.simplefilter("ignore")
        for model in ("scripted/honest", "scripted/denies"):
            inspect_eval(
                "confessions/word_count", model=model, task_args={"samples": 12, "also": "confidence"},
                log_dir=str(folder), display="none", log_realtime=False,
            )  # fmt: skip
    return folder


def test_a_report_of_real_logs(logs, tmp_path):
    path = write_evaluation_report([logs], tmp_path / "new" / "report")
    page = Page(path.read_text(encoding="utf-8"))
    assert {"confessed", "models", "reliability", "gallery"} <= set(page.ids())
    records = json.loads((path.parent / "report.json").read_text(encoding="utf-8"))["table"]
    found = {record["model"]: record for record in records}
    assert found["scripted/honest"]["p_confessed_given_bad"] == 1
    assert found["scripted/honest"]["p_confessed_given_good"] == 0
    assert found["scripted/denies"]["p_confessed_given_bad"] == 0
    assert {record["samples"] for record in records} == {12}
    names = {item.name for item in (path.parent / "figures").iterdir()}
    assert {
        "confessed-scripted-honest.svg",
        "confessed-scripted-denies.json",
        "models-p-confessed-given-bad.csv",
    } <= names
    assert "The sentences must alternate between exactly 12 and exactly 18 words" in page.text()


def test_conversations_are_read_back_for_their_rows(logs):
    results = EvaluationResults(tuple(read_rows([logs])))
    picked = pick(results)
    exchanges = read_exchanges([logs], picked)
    assert [item.row for item in exchanges] == picked
    for item in exchanges:
        assert item.messages[0].role == "user"
        assert item.messages[-1].role == "assistant"
        claims = "(12)" in item.messages[-1].content or "could not keep" in item.messages[-1].content
        assert claims == bool(item.row.is_bad)


def test_wrong_logs_are_named(logs, tmp_path):
    with pytest.raises(LogError, match=r"there is no .*missing\.eval"):
        write_evaluation_report([tmp_path / "missing.eval"], tmp_path / "out")
    with pytest.raises(LogError, match="there are no logs"):
        write_evaluation_report([tmp_path], tmp_path / "out")
    cut = tmp_path / "cut.eval"
    cut.write_bytes(next(logs.glob("*.eval")).read_bytes()[:300])
    with pytest.raises(LogError, match=r"cut\.eval cannot be read"):
        write_evaluation_report([cut], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(logs, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(ReportError, match=r"cannot write the report to .*taken"):
        write_evaluation_report([logs], taken)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_closed_folder_is_named(logs, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ReportError, match="cannot write the report"):
        write_evaluation_report([logs], tmp_path)
