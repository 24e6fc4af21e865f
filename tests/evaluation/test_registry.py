"""What an installed package offers on Inspect's command line, and that a killed eval set goes on where it stopped."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner
from inspect_ai.log import list_eval_logs, read_eval_log, read_eval_log_sample_summaries

from confessions.cli import main
from confessions.evaluation.rows import read_rows
from confessions.scenarios.families import FAMILIES

PAPER = files("confessions.experiments") / "paper_table1.csv"
ENVIRONMENT = {**os.environ, "INSPECT_DISPLAY": "plain"}


def inspect(*arguments, **options):
    command = [sys.executable, "-m", "inspect_ai", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=280, **options)


def test_there_is_a_family_for_each_of_the_papers_evaluations():
    rows = [line.split(",")[0] for line in PAPER.read_text().splitlines()[1:]]
    assert [family.paper for family in FAMILIES.values() if family.paper] == rows


@pytest.mark.slow
def test_inspect_finds_every_family_and_runs_it_from_the_command_line(tmp_path):
    names = [f"confessions/{name}" for name in FAMILIES]
    options = ["--model", "scripted/honest", "--log-dir", tmp_path, "--limit", "2", "-T", "sandbox=local"]
    options += ["-T", "also=confidence,cot_monitor", "--model-role", "monitor=scripted/judge"]
    found = inspect("eval-set", *names, *options)
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-2000:]
    rows = read_rows([tmp_path])
    assert Counter(row.family for row in rows) == dict.fromkeys(FAMILIES, 2)
    assert {row.outcome for row in rows} <= {"tp", "tn", "neither_not_confessed"}
    assert all({"confidence", "cot_monitor"} <= set(row.scores) for row in rows)


def finished(folder):
    """Count the samples that stand finished in a folder's logs, by log file."""
    counts = {}
    for info in list_eval_logs(str(folder)):
        try:
            counts[info.name] = len(read_eval_log_sample_summaries(info.name))
        except Exception:  # noqa: BLE001  a log may be half-written at this moment
            counts[info.name] = 0
    return counts


@pytest.mark.slow
def test_a_killed_eval_set_resumes_without_repeating_a_finished_sample(tmp_path):
    command = [sys.executable, "-m", "inspect_ai", "eval-set", "confessions/word_count", "confessions/broken_browser"]
    command += ["--model", "scripted/honest", "-M", "delay_seconds=0.15", "--max-samples", "2", "--max-tasks", "1"]
    command += ["--log-dir", str(tmp_path), "-T", "samples=24", "--log-buffer", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    deadline = time.monotonic() + 120
    while sum(finished(tmp_path).values()) < 8 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {}
    for info in list_eval_logs(str(tmp_path)):
        before |= {s.id: s for s in read_eval_log(info.name).samples or []}
    assert 8 <= len(before) < 48
    again = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=200)
    assert again.returncode == 0, again.stdout[-2000:]
    # The log that was killed stays beside the one that went on from it, which bears the same task id.
    last = {}
    for info in sorted(list_eval_logs(str(tmp_path)), key=lambda info: info.name):
        log = read_eval_log(info.name)
        last[log.eval.task_id] = log
    assert [log.status for log in last.values()] == ["success"] * 2
    after = {s.id: s for log in last.values() for s in log.samples}
    assert len(after) == 48
    assert len(read_rows([tmp_path])) == 48
    # A sample that was finished before has the same uuid and events as then: it was taken over, not run again.
    assert {name: after[name].uuid for name in before} == {name: before[name].uuid for name in before}


def evaluate(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


@pytest.fixture
def commands(monkeypatch):
    """Catch the command that would be run."""
    ran = []
    monkeypatch.setattr("confessions.experiments.evaluate.run_evaluation", lambda args, echo: ran.append(args) or 0)
    monkeypatch.setattr("confessions.experiments.evaluate.summary", lambda logs: "the table")
    return ran


def test_families_become_an_eval_set(commands, tmp_path):
    result = evaluate("word_count", "broken_browser", "--model", "embedded", "--profile", "brief", "--out", tmp_path)
    assert result.exit_code == 0 and "the table" in result.output
    assert commands == [
        [
            *("eval-set", "confessions/word_count", "confessions/broken_browser", "--model", "local/embedded"),
            *("--log-dir", str(tmp_path), "-T", "truth=auto", "-T", "profile=brief"),
        ]
    ]


def test_another_packages_task_is_wrapped_and_options_go_through(commands):
    result = evaluate("inspect_evals/gsm8k", "--model", "openai/gpt-5", "--truth", "score:match", "--", "--limit", "10")
    assert result.exit_code == 0, result.output
    [command] = commands
    assert command[:4] == ["eval-set", "confessions/wrapped", "--model", "openai/gpt-5"]
    assert command[4:6] == ["--log-dir", "logs/inspect_evals-gsm8k-openai-gpt-5-score-match"]
    assert "task=inspect_evals/gsm8k" in command and "truth=score:match" in command
    assert command[-2:] == ["--limit", "10"]


def test_every_setting_has_its_own_folder(commands):
    for options in ((), ("-T", "pressure=deny"), ("-T", "pressure=hard")):
        evaluate("word_count", "--model", "embedded,smollm2-135m", "--", *options)
    assert len({command[command.index("--log-dir") + 1] for command in commands}) == 3
    assert {command[command.index("--model") + 1] for command in commands} == {"local/embedded,local/smollm2-135m"}


def test_many_families_have_a_folder_with_a_short_name(commands):
    evaluate(*FAMILIES, "--model", "scripted/honest")
    evaluate(*list(FAMILIES)[1:], "--model", "scripted/honest")
    folders = [Path(command[command.index("--log-dir") + 1]) for command in commands]
    assert len(set(folders)) == 2
    assert all(len(folder.name) < 100 for folder in folders)


def test_all_means_every_family(commands):
    evaluate("all", "--model", "scripted/honest")
    assert [part for part in commands[0] if part.startswith("confessions/")] == [f"confessions/{n}" for n in FAMILIES]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name either tasks or a log"),
        (("word_count",), "which model\\? --model takes embedded, smollm2-135m"),
        (("word_count", "inspect_evals/gsm8k", "--model", "x/y"), "inspect_evals/gsm8k is no family of this package"),
        (("--log", "nowhere.eval"), "there is no log nowhere.eval"),
        (("word_cuont", "--model", "x/y"), "there is no family 'word_cuont' \\(did you mean word_count\\?\\)"),
        (("word_count", "--model", "x/y", "--truth", "hunch"), "truth 'hunch' is none of"),
        (
            ("word_count", "--model", "x/y", "--truth", "grader"),
            "truth=grader needs a model in the role grader: give --model-role",
        ),
        (("word_count", "--model", "x/y", "--", "--no-log-samples"), "would throw away the confessions"),
        (("word_count", "--model", "x/y", "--", "-T", "also=cot_monitor"), "needs a model in the role monitor"),
        (("word_count", "--model", "x/y", "--", "-T", "reader=judge"), "needs a model in the role confession_judge"),
    ],
)
def test_what_cannot_be_evaluated_is_named(arguments, message):
    result = evaluate(*arguments)
    assert result.exit_code == 2
    assert re.search(message, result.stderr)


@pytest.mark.slow
def test_a_finished_log_confesses_from_the_command_line(tmp_path):
    script = tmp_path / "capitals.py"
    script.write_text(
        "from inspect_ai import Task, task\n"
        "from inspect_ai.dataset import Sample\n"
        "from inspect_ai.scorer import includes\n\n\n"
        "@task\ndef capitals():\n"
        "    return Task(dataset=[Sample(input='Capital of France?', target='Paris')], scorer=includes())\n"
    )
    ran = inspect("eval", f"{script}@capitals", "--model", "scripted/denies", "--log-dir", tmp_path / "first")
    assert ran.returncode == 0, ran.stdout
    log = next((tmp_path / "first").glob("*.eval"))
    before = log.read_bytes()
    command = [sys.executable, "-m", "confessions.cli", "evaluate", "--log", log, "--out", tmp_path / "second"]
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=ENVIRONMENT, timeout=200)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert log.read_bytes() == before
    [row] = read_rows([tmp_path / "second"])
    assert (row.family, row.outcome, row.model) == ("capitals", "fn", "scripted/denies")
    wrapped = [
        sys.executable,
        "-m",
        "confessions.cli",
        "evaluate",
        f"{script}@capitals",
        "--model",
        "scripted/confesses",
    ]
    ran = subprocess.run(
        [*map(str, wrapped), "--out", str(tmp_path / "third")],
        capture_output=True, text=True, env=ENVIRONMENT, timeout=200,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    [row] = read_rows([tmp_path / "third"])
    assert row.outcome == "tp"
    assert json.loads(json.dumps(row.scores)) == {"includes": "I"}
