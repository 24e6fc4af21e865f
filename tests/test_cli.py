"""The command line: messages, exit codes and output; the rooms behind it are stood in for."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from confessions.cli import main, reference
from confessions.errors import ConfessionsError
from confessions.protocol import BRIEF, Compliance, ConfessionReport, ObjectiveCompliance, Transcript, render

ROOT = Path(__file__).parent.parent

REPORT = ConfessionReport(
    compliance_analysis=(
        ObjectiveCompliance(
            objective="Use the word [bold]river[/bold].",
            analysis="no river",
            compliance=Compliance.NOT_COMPLIED_CLAIMED_COMPLIANCE,
        ),
        ObjectiveCompliance(objective="Write two sentences.", analysis="two", compliance=Compliance.FULLY_COMPLIED),
    ),
    uncertainties_and_conflicts=("What counts as a sentence.",),
    overall_compliance_grade=1,
)

MESSAGES = [
    {"role": "user", "content": "Write two sentences. Use the word [bold]river[/bold]."},
    {"role": "assistant", "content": "It flows. It ends.\nKept: 1, 2."},
]


def run(*arguments, stdin=None):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def commands(group=main, path=()):
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


COMMANDS = dict(commands())


@pytest.fixture
def confessing(monkeypatch):
    """Stand in for the models room: a speaker that confesses with the given text, and what it was asked."""

    def install(text):
        asked = SimpleNamespace(transcripts=[], options={}, name=None)

        class Speaker:
            def __init__(self, loaded, **options):
                asked.options = options

            def confess(self, transcripts):
                asked.transcripts += transcripts
                return [text for _ in transcripts]

        def resolve(name):
            asked.name = name
            return name

        resolving = SimpleNamespace(resolve=resolve, load=lambda resolved: resolved, hide_loading_bars=lambda: None)
        monkeypatch.setitem(sys.modules, "confessions.models.resolve", resolving)
        monkeypatch.setitem(sys.modules, "confessions.models.speaker", SimpleNamespace(LocalSpeaker=Speaker))
        return asked

    return install


@pytest.fixture
def transcript(tmp_path):
    path = tmp_path / "transcript.json"
    path.write_text(json.dumps(MESSAGES))
    return path


def test_the_commands_are_the_documented_ones():
    assert set(main.commands) == {"demo", "train", "evaluate", "report", "confess", "model", "study", "judge"}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_command_has_help_and_at_most_five_options(path):
    command = COMMANDS[path]
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert command.help and command.help.splitlines()[0].endswith(".")
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert len(options) <= 5
    assert all(option.help for option in options)


def test_the_reference_is_the_commands_help():
    assert (ROOT / "docs" / "reference.md").read_text() == reference(), "`make docs` writes docs/reference.md anew"


def test_a_users_error_is_one_message_and_exit_code_2(monkeypatch):
    def run_demo(**_):
        raise ConfessionsError("the folder runs/x holds another run: choose another --out")

    monkeypatch.setitem(sys.modules, "confessions.experiments.demo", SimpleNamespace(run_demo=run_demo))
    result = run("demo")
    assert result.exit_code == 2
    assert result.stderr == "Error: the folder runs/x holds another run: choose another --out\n"


def test_a_full_disk_is_one_message(monkeypatch):
    def run_demo(**_):
        raise OSError(28, "No space left on device", "runs/x/model.safetensors")

    monkeypatch.setitem(sys.modules, "confessions.experiments.demo", SimpleNamespace(run_demo=run_demo))
    result = run("demo")
    assert result.exit_code == 2
    assert "No space left on device: 'runs/x/model.safetensors'" in result.stderr


def test_an_interrupt_says_how_to_go_on_and_exits_130(monkeypatch):
    def run_demo(**_):
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "confessions.experiments.demo", SimpleNamespace(run_demo=run_demo))
    result = run("demo")
    assert result.exit_code == 130
    assert "the same command goes on from there" in result.stderr


def test_an_interrupted_run_says_where_it_goes_on_and_exits_130(monkeypatch):
    class Stopped(ConfessionsError):
        exit_code = 130

    def run_demo(**_):
        raise Stopped("stopped at step 3 of 9 and saved; the same command goes on")

    monkeypatch.setitem(sys.modules, "confessions.experiments.demo", SimpleNamespace(run_demo=run_demo))
    result = run("demo")
    assert result.exit_code == 130
    assert result.stderr == "Interrupted: stopped at step 3 of 9 and saved; the same command goes on\n"


def test_our_own_fault_is_no_message_but_a_traceback(monkeypatch):
    def run_demo(**_):
        raise ZeroDivisionError

    monkeypatch.setitem(sys.modules, "confessions.experiments.demo", SimpleNamespace(run_demo=run_demo))
    assert isinstance(run("demo").exception, ZeroDivisionError)


def test_a_missing_library_names_the_extra(monkeypatch):
    def run_demo(**_):
        raise ModuleNotFoundError("No module named 'trl'", name="trl.trainer")

    monkeypatch.setitem(sys.modules, "confessions.experiments.demo", SimpleNamespace(run_demo=run_demo))
    result = run("demo")
    assert result.exit_code == 2
    assert "pip install 'confessions[train]'" in result.stderr


def test_demo_passes_its_options_on(monkeypatch):
    seen = {}
    monkeypatch.setitem(sys.modules, "confessions.experiments.demo", SimpleNamespace(run_demo=seen.update))
    assert run("demo", "--model", "org/name", "--seed", 3).exit_code == 0
    assert seen == {"model": "org/name", "seed": 3, "out": Path("runs/demo-org--name-3")}


def test_pretrain_seeds_and_shows_progress(monkeypatch, tmp_path):
    def pretrain(out, config, progress):
        progress(1, 2, 0.5)
        seen.append((out, config))

    seen = []
    stand_in = SimpleNamespace(pretrain=pretrain, PretrainConfig=lambda seed: {"seed": seed})
    monkeypatch.setitem(sys.modules, "confessions.models.pretrain", stand_in)
    assert run("model", "pretrain", "--out", tmp_path, "--seed", 4).exit_code == 0
    assert seen == [(tmp_path, {"seed": 4})]


def test_model_shows_one_by_name(monkeypatch, tmp_path):
    found = SimpleNamespace(
        name="here",
        kind="folder",
        path=tmp_path,
        parameters=1234567,
        sha256="ab" * 32,
        license="apache-2.0",
        card="# The card",
    )
    monkeypatch.setitem(sys.modules, "confessions.models.resolve", SimpleNamespace(resolve=lambda name: found))
    output = run("model", "here").output
    for text in ("folder", str(tmp_path), "1,234,567", "ab" * 32, "apache-2.0", "# The card"):
        assert text in output


def test_confess_prints_a_table_and_takes_no_markup_from_the_model(confessing, transcript):
    asked = confessing(render(REPORT, BRIEF))
    result = run("confess", transcript, "--model", "somebody")
    assert result.exit_code == 0, result.output
    assert asked.name == "somebody"
    assert asked.transcripts == [Transcript.from_openai(MESSAGES)]
    assert asked.options["profile"] is BRIEF
    for text in ("[bold]river[/bold]", "not complied claimed", "What counts as a sentence.", "grade: 1 of 7"):
        assert text in result.output


def test_confess_prints_json(confessing, transcript):
    text = render(REPORT, BRIEF)
    confessing(text)
    found = json.loads(run("confess", transcript, "--json").stdout)
    assert ConfessionReport.model_validate(found["report"]) == REPORT
    assert found["failure"] is None and found["text"] == text and found["repairs"] == []


def test_confess_shows_what_cannot_be_read(confessing, transcript):
    confessing("I did [red]nothing[/red] wrong.")
    result = run("confess", transcript)
    assert result.exit_code == 0
    assert "no_json" in result.output and "I did [red]nothing[/red] wrong." in result.output
    found = json.loads(run("confess", transcript, "--json").stdout)
    assert found["report"] is None and found["failure"]["reason"] == "no_json"


def test_confess_reads_standard_input(confessing):
    asked = confessing(render(REPORT, BRIEF))
    assert run("confess", "-", stdin=json.dumps({"messages": MESSAGES})).exit_code == 0
    assert len(asked.transcripts) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"role": "user", "content": "hi"}, {"role": "robot", "content": "hi"}]', 'messages[1]: role "robot"'),
        (b"{", "the transcript is not JSON"),
        (b"\xff\xfe\x00", "cannot read"),
    ],
)
def test_confess_names_what_is_wrong_with_a_transcript(confessing, tmp_path, content, message):
    confessing("unused")
    path = tmp_path / "transcript.json"
    path.write_bytes(content)
    result = run("confess", path)
    assert result.exit_code == 2
    assert message in result.stderr


def test_the_entry_point_loads_no_torch():
    code = (
        "import sys; from confessions.cli import main; main(['--version'], standalone_mode=False); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("confessions, version")
    assert "torch" not in done.stdout.split()
