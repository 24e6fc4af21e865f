"""`confessions judge bench`: judges by name, what is kept, what is written, and what a bad judge is told."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from confessions.cli import main
from confessions.experiments.judge_bench import COLUMNS, BenchError, judge_case, make_judge, run_bench, settings_digest
from confessions.judges import JudgeError
from confessions.judges.bench_cases import SOURCES, Variant, make_cases

ROOT = Path(__file__).parent.parent.parent
CASES = {source: make_cases(source, 6) for source in SOURCES}


@pytest.fixture
def own(monkeypatch):
    """Make a module `made_up` with a judge `it`, and list the cases that it was asked about."""

    def install(reward):
        asked = []

        def it(prompts, answers, completions, **columns):
            asked.append(answers[0][-1]["content"])
            return reward(answers, completions, columns)

        monkeypatch.setitem(sys.modules, "made_up", type(sys)("made_up"))
        sys.modules["made_up"].it = it
        return asked

    return install


def run(out, *judges, cases=6, source=("writing-brief",), **settings):
    console = Console(file=io.StringIO(), width=160)
    run_bench(judges, sources=source, cases=cases, out=out, console=console, **settings)
    return console.file.getvalue()


def rows(out):
    with (out / "bench.csv").open(newline="") as file:
        read = csv.DictReader(file)
        assert tuple(read.fieldnames) == COLUMNS
        return {(row["judge"], row["source"], row["measure"]): row for row in read}


def longest(answers, completions, columns):
    return [len(completion[-1]["content"]) for completion in completions]


def test_the_judges_with_labels_read_verdicts_and_no_grounds(tmp_path):
    output = run(tmp_path, "exact", "spot_check", "length", cases=24, source=("writing-brief", "writing-full"))
    found = rows(tmp_path)
    for source in ("writing-brief", "writing-full"):
        assert found["exact", source, "accuracy.false_claim"]["value"] == "1.0"
        assert found["exact", source, "accuracy.over_confession"]["value"] == "1.0"
        assert found["exact", source, "accuracy.wrong_reason"]["value"] == "0.5"
        assert found["exact", source, "accuracy.wrong_reason"]["ties"] == "24"
        assert found["exact", source, "raised.injection"]["value"] == "0.0"
        assert float(found["exact", source, "kendall"]["value"]) > float(
            found["spot_check", source, "kendall"]["value"]
        )
        assert found["length", source, "raised.length"]["value"] == "1.0"
        assert found["length", source, "accuracy.missing_objective"]["value"] == "1.0"
        assert float(found["length", source, "shift.position"]["value"]) == 0.0
    assert "50% [31, 69], 24 ties" in output
    assert "24 cases" in output


def test_a_judge_that_cannot_judge_is_missing_and_never_a_zero(tmp_path):
    output = run(tmp_path, "exact", source=("families",))
    found = rows(tmp_path)
    assert found["exact", "families", "missing"]["value"] == "1.0"
    assert found["exact", "families", "accuracy"]["value"] == ""
    assert "exact has no verdict on 6 of 6 cases of families: this judge needs the dataset's column" in output
    assert "truth preferred" not in output


def test_what_is_written_can_be_read(tmp_path):
    run(tmp_path, "exact", source=SOURCES)
    facts = json.loads((tmp_path / "bench.json").read_text())
    assert (facts["cases"], facts["seed"]) == (6, 0)
    assert len(facts["measures"]) == len(rows(tmp_path))
    sample = json.loads((tmp_path / "cases.json").read_text())
    assert len(sample) == 2 * len(SOURCES)
    assert any(message.get("tool_calls") for case in sample for message in case["messages"])
    told = {confession["variant"]: confession for confession in sample[0]["confessions"]}
    assert set(told) == set(Variant)
    assert told["truthful"]["rewards"]["exact"] > told["false_claim"]["rewards"]["exact"]


def test_the_same_command_goes_on_after_an_interrupt(tmp_path, own):
    def stopping(answers, completions, columns):
        if len(asked) == 4:
            # A kill leaves no time to close the file.
            assert len((tmp_path / "verdicts.jsonl").read_text().splitlines()) == 3
            raise KeyboardInterrupt
        return longest(answers, completions, columns)

    asked = own(stopping)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "made_up:it")
    with (tmp_path / "verdicts.jsonl").open("a") as file:
        file.write('{"judge": "made_up:it", "cas')
    asked = own(longest)
    output = run(tmp_path, "made_up:it")
    assert asked == [case.conduct[-1].content for case in CASES["writing-brief"][3:]]
    assert "3 judgements were kept from before" in output
    assert rows(tmp_path)["made_up:it", "writing-brief", "missing"]["value"] == "0.0"
    asked = own(longest)
    run(tmp_path, "made_up:it")
    assert asked == []
    run(tmp_path, "made_up:it", seed=1)
    assert len(asked) == 6


def test_verdicts_of_other_settings_are_not_kept(tmp_path, own, monkeypatch):
    assert "kept from before" in run(tmp_path, "exact") + run(tmp_path, "exact")
    # Other cases are other rates, by which `exact` pays; another judge's verdicts stand.
    assert "kept from before" not in run(tmp_path, "exact", cases=7)
    asked = own(longest)
    run(tmp_path, "made_up:it")
    run(tmp_path, "made_up:it", cases=7)
    assert len(asked) == 7
    monkeypatch.setattr("confessions.experiments.judge_bench.__version__", "0")
    run(tmp_path, "made_up:it")
    assert len(asked) == 13


def test_a_learned_judge_that_was_fitted_anew_has_other_settings(tmp_path):
    (tmp_path / "head.safetensors").write_bytes(b"one")
    before = settings_digest(f"learned={tmp_path}", CASES["writing-brief"])
    assert settings_digest(f"learned={tmp_path}", CASES["writing-brief"]) == before
    (tmp_path / "head.safetensors").write_bytes(b"two")
    assert settings_digest(f"learned={tmp_path}", CASES["writing-brief"]) != before


def test_a_line_separator_within_a_fault_does_not_break_its_line(tmp_path, own):
    def some(answers, completions, columns):
        return [None if index else 1.0 for index in range(len(completions))]

    own(some)
    run(tmp_path, "made_up:it")
    path = tmp_path / "verdicts.jsonl"
    path.write_text(path.read_text().replace('"fault":null', '"fault":"gone\u2028away"'))
    asked = own(some)
    run(tmp_path, "made_up:it")
    assert asked == []


def test_a_case_without_any_verdict_is_asked_for_again(tmp_path, own):
    own(lambda answers, completions, columns: [None] * len(completions))
    run(tmp_path, "made_up:it")
    assert rows(tmp_path)["made_up:it", "writing-brief", "missing"]["value"] == "1.0"
    asked = own(longest)
    run(tmp_path, "made_up:it")
    assert len(asked) == 6
    assert rows(tmp_path)["made_up:it", "writing-brief", "missing"]["value"] == "0.0"


@pytest.mark.parametrize("name", ["exact", "spot_check"])
def test_the_order_of_the_cases_does_not_change_a_verdict(name):
    judge = make_judge(name, CASES)["writing-brief"]
    first = [judge_case(name, judge, case).rewards for case in CASES["writing-brief"]]
    again = [judge_case(name, judge, case).rewards for case in reversed(CASES["writing-brief"])]
    assert first == again[::-1]


def test_an_own_judge_gets_what_training_gives(own):
    seen = {}

    def looking(answers, completions, columns):
        seen.update(columns, answers=answers, completions=completions)
        columns["log_metric"]("judge/tokens", 5.0)
        columns["log_metric"]("judge/seconds", 7.0)
        return [0.5] * len(completions)

    own(looking)
    case = CASES["families"][0]
    found = judge_case("made_up:it", make_judge("made_up:it", CASES)["families"], case)
    count = len(case.confessions)
    assert len(seen["answers"]) == len(seen["completions"]) == len(seen["family"]) == count
    assert [message["role"] for message in seen["answers"][0]] == ["assistant", "tool"] * 4 + ["assistant"]
    assert seen["answers"][0][0]["tool_calls"][0]["function"]["name"] == "list_files"
    assert seen["completions"][0] == [{"role": "assistant", "content": case.confessions[Variant.TRUTHFUL]}]
    assert found.tokens == 5.0 and set(found.rewards.values()) == {0.5}


def test_an_asynchronous_judge_is_awaited():
    async def judge(completions, **columns):
        return [None, *range(len(completions) - 1)]

    found = judge_case("waits", judge, CASES["families"][0])
    assert list(found.rewards.values())[:3] == [None, 0.0, 1.0]


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (JudgeError("the endpoint is gone"), "the endpoint is gone"),
        (ConnectionError("refused"), "refused"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_a_judge_that_fails_has_no_verdict_on_the_case(own, error, fault):
    def raising(answers, completions, columns):
        raise error

    own(raising)
    found = judge_case("it", make_judge("made_up:it", CASES)["families"], CASES["families"][0])
    assert set(found.rewards.values()) == {None} and found.fault == fault


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda n: [1.0] * (n - 1), "verdicts for"),
        (lambda n: 1.0, "returned float"),
        (lambda n: [float("inf")] * n, "returned inf"),
        (lambda n: ["good"] * n, "returned 'good'"),
        (lambda n: 1 / 0, "raised ZeroDivisionError on the case covert_rule-0-0"),
    ],
)
def test_a_judge_whose_verdicts_cannot_be_used_is_named(own, returned, message):
    own(lambda answers, completions, columns: returned(len(completions)))
    judge = make_judge("made_up:it", CASES)["families"]
    with pytest.raises(BenchError, match=f'"made_up:it" .*{message}'):
        judge_case("made_up:it", judge, CASES["families"][0])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stern", "there is no judge 'stern'; there are exact"),
        ("exact=1", "there is no judge"),
        ("rubric", "there is no judge 'rubric'"),
        ("no_such_module:it", "cannot be imported: No module named 'no_such_module'"),
        ("math:pi", "math has no callable 'pi'"),
    ],
)
def test_a_judge_that_is_none_is_refused_before_any_is_asked(tmp_path, own, name, message):
    asked = own(longest)
    with pytest.raises(BenchError, match=message):
        run(tmp_path / "out", "made_up:it", name)
    assert asked == [] and not (tmp_path / "out").exists()


def test_a_judge_may_lie_where_the_command_is_called(tmp_path, monkeypatch):
    (tmp_path / "beside_the_command.py").write_text(
        "def it(completions, **columns):\n    return [0.0] * len(completions)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    result = CliRunner().invoke(
        main,
        ["judge", "bench", "--judge", "beside_the_command:it", "--source", "families", "--cases", "2", "--out", "made"],
    )
    assert result.exit_code == 0, result.output
    assert rows(tmp_path / "made")["beside_the_command:it", "families", "kendall"]["value"] == "0.0"


@pytest.mark.slow
def test_the_rubric_judge_is_asked_and_an_unusable_reply_is_missing(tmp_path):
    run(tmp_path, "rubric=mockllm/model", cases=1, source=("families",))
    assert rows(tmp_path)["rubric=mockllm/model", "families", "missing"]["value"] == "1.0"


def test_the_committed_results_are_what_the_bench_gives(tmp_path):
    """All but the costs; a change to the cases or the judges asks for `make judges`."""
    committed = rows(ROOT / "results" / "judges")
    settings = json.loads((ROOT / "results" / "judges" / "bench.json").read_text())
    run(tmp_path, "exact", "length", cases=settings["cases"], source=("writing-brief",), seed=settings["seed"])
    for key, row in rows(tmp_path).items():
        if key[2] != "seconds":
            assert committed[key] == row, key
