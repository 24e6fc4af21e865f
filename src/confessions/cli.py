"""The command line, `confessions`: one subcommand per thing a person does, each importing its room when called.

The help texts are the reference; `docs/reference.md` is written from them by `make docs`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from confessions import __version__
from confessions.errors import ConfessionsError

if TYPE_CHECKING:
    from confessions.judges.bench_cases import Source
    from confessions.protocol import ParsedReport, ParseFailure

USER_ERROR = 2
INTERRUPTED = 130

_EXTRA_OF_MODULE = {
    "accelerate": "train",
    "datasets": "train",
    "gguf": "train",
    "peft": "train",
    "safetensors": "train",
    "tokenizers": "train",
    "torch": "train",
    "transformers": "train",
    "trl": "train",
    "inspect_ai": "evaluate",
    "llguidance": "local",
    "numpy": "evaluate",
    "scipy": "evaluate",
    "jinja2": "report",
    "markdown_it": "report",
    "matplotlib": "report",
}


class _Commands(click.Group):
    """A group that turns a user's errors, and the machine's, into one message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; exit 2 on a user's error or a full disk, and 130 on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except ConfessionsError as error:
            click.echo(f"Interrupted: {error}" if error.exit_code == INTERRUPTED else f"Error: {error}", err=True)
            ctx.exit(error.exit_code)
        except ModuleNotFoundError as error:
            extra = _EXTRA_OF_MODULE.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            click.echo(
                f"Error: this command needs {error.name}, which is not installed: "
                f"pip install 'confessions[{extra}]' brings it.",
                err=True,
            )
            ctx.exit(USER_ERROR)
        except BrokenPipeError:
            raise
        except OSError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(USER_ERROR)
        except KeyboardInterrupt:
            click.echo("\nInterrupted. What was finished is kept: the same command goes on from there.", err=True)
            ctx.exit(INTERRUPTED)


class _NameOrCommand(click.Group):
    """A group whose first argument may also be a model's name, which means `show NAME`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `show` before an argument that names no subcommand."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="confessions")
def main() -> None:
    """Train language models to confess, measure whether they do, and look at what they say.

    A confession is a second output, asked for after the answer: a report of every instruction the answer
    should have kept and whether it did. It is rewarded for honesty alone.

    Exit codes: 0 done, 2 something in the input is wrong (the message says what), 130 interrupted.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


@main.command()
@click.option(
    "--model", default="embedded", show_default=True, help="A model's name, as `confessions model` lists them."
)
@click.option("--seed", default=0, show_default=True, help="Seeds the prompts, the sampling and the training.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the run and its report page.  [default: runs/demo-MODEL-SEED]",
)
def demo(model: str, seed: int, out: Path | None) -> None:
    """Teach a model to confess and show the difference.

    Trains a model twice on the same writing prompts, once with confessions and once without, against a judge
    that believes what answers claim; measures both, and the model before training, on prompts of its own;
    prints the tables and writes OUT/report.html. Ten minutes on two cores with the embedded model.

    The same command goes on where an interrupted one stopped.
    """
    from confessions.experiments.demo import run_demo

    run_demo(model=model, seed=seed, out=out or Path("runs") / f"demo-{model.replace('/', '--')}-{seed}")


@main.command()
@click.argument("config", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Run folder; one that holds another run is refused.",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one setting: --set grpo.max_steps=20"
)
def train(config: Path, out: Path, overrides: tuple[str, ...]) -> None:
    """Train a model as CONFIG, a TOML file, says.

    Every setting has a default, so an empty file is a valid one. The [grpo] table holds the arguments of
    ConfessionConfig, which are those of TRL's GRPOConfig and the confession's own. OUT receives the resolved
    config, the versions, the metrics, a sample of rollouts, the checkpoints and the trained model.

    The same command goes on from the last checkpoint of an interrupted run.
    """
    from confessions.experiments.recipe import train_recipe

    click.echo(f"Trained model: {train_recipe(config, out=out, overrides=overrides)}")


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("tasks", nargs=-1, metavar="[TASK]... [-- INSPECT OPTIONS]")
@click.option("--model", help="Who answers; of a finished log, who confesses.  [default for a log: its own model]")
@click.option("--log", type=click.Path(path_type=Path), help="A finished log of any Inspect eval, instead of tasks.")
@click.option(
    "--truth",
    default="auto",
    show_default=True,
    metavar="RULE",
    help="Where compliance is known from: auto, program, grader, logged, or score[:SCORER[:KEY]] with >=NUMBER, "
    "<=NUMBER or =GOOD!BAD~NEITHER.",
)
@click.option(
    "--profile", default="full", show_default=True, type=click.Choice(["full", "brief"]), help="Form of the report."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the logs.  [default: logs/TASK-MODEL]"
)
def evaluate(
    tasks: tuple[str, ...], model: str | None, log: Path | None, truth: str, profile: str, out: Path | None
) -> None:
    """Measure how honestly a model confesses, on Inspect AI.

    TASK is one or more of this package's families, such as word_count or hierarchy_tutor; "all"; or one task of
    any other package, such as inspect_evals/gsm8k or file.py@name, which is run as it is and then confesses.
    With --log the samples of a finished run confess after the fact; the log itself is only read.

    MODEL is a name as `confessions model` lists them, a local folder, or a name as Inspect AI takes it. What
    follows a double dash goes to `inspect eval-set`: --limit 10, --epochs 3, --max-connections 20, --cache,
    --model-role grader=openai/gpt-5, -T pressure=deny, -T also=confidence,cot_monitor.

    Prints the table. `confessions report LOGS` draws the figures, `inspect view` shows the samples. The same
    command goes on where an interrupted one stopped, without repeating a finished sample.
    """
    from confessions.experiments.evaluate import inspect_command, log_folder, run_evaluation, summary

    split = next((index for index, task in enumerate(tasks) if task.startswith("-")), len(tasks))
    named, options = list(tasks[:split]), [part for part in tasks[split:] if part != "--"]
    of_its_own = ("-T", "--model-role", "--seed", "--temperature")
    varied = [value for name, value in zip(options, options[1:], strict=False) if name in of_its_own]
    folder = out or log_folder(named, model, log, truth, profile, *varied)
    status = run_evaluation(inspect_command(named, model, log, truth, profile, folder, options), click.echo)
    if status:
        raise click.exceptions.Exit(status)
    click.echo(summary([folder]))


@main.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("report"),
    show_default=True,
    help="Folder for report.html and its figures.",
)
def report(results: tuple[Path, ...], out: Path) -> None:
    """Write the report page of RESULTS: of a demo, of studies, or of evaluation logs.

    RESULTS are logs of Inspect AI that the confession scorer has scored, or folders of them, of one or several
    models; or folders that `confessions study` wrote; or the demo's result.json of one or several seeds, or its
    summary.json. The page is one file that opens offline; the figures lie beside it as SVG and PNG, with their
    numbers as CSV and JSON.
    """
    folders = [path for path in results if _is_study(path)]
    if folders and len(folders) < len(results):
        raise ConfessionsError(f"{folders[0]} holds studies and not all of RESULTS do: report them apart")
    if folders:
        from confessions.experiments.studies.catalogue import STUDIES
        from confessions.experiments.studies.pages import write_studies

        click.echo(f"Report: {write_studies(folders, out, STUDIES)}")
        return
    if all(_is_log(path) for path in results):
        from confessions.experiments.evaluate import unfinished
        from confessions.experiments.evaluation_report import write_evaluation_report

        for line in unfinished(results):
            click.echo(line, err=True)
        click.echo(f"Report: {write_evaluation_report(results, out)}")
        return
    from confessions.experiments.page import write_report

    logs = [path for path in results if _is_log(path)]
    if logs:
        raise ConfessionsError(f"{logs[0]} is an evaluation log and {results[0]} is not: report them one by one")
    click.echo(f"Report: {write_report(results, out)}")


def _is_study(path: Path) -> bool:
    """Tell a study's results, or a folder of several studies, from other folders."""
    patterns = ("study.json", "*/study.json", "measurements.csv", "*/measurements.csv")
    return path.is_dir() and any(found.is_file() for pattern in patterns for found in path.glob(pattern))


def _is_log(path: Path) -> bool:
    """Tell an evaluation log, or a folder of them, from the demo's results."""
    if path.is_dir() or path.suffix == ".eval":
        return True
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError):
        return False
    return isinstance(found, dict) and "eval" in found and "plan" in found


@main.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--seeds", default="0,1,2,3,4", show_default=True, help="Seeds, such as 0,1,2 or 0-4.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/studies"),
    show_default=True,
    help="Folder for the policies, which studies share.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/studies"),
    show_default=True,
    help="Folder for the measurements.",
)
def study(names: tuple[str, ...], seeds: str, out: Path, results: Path) -> None:
    """Run studies that test the method's claims, or list them.

    NAME is one or more studies, or "all". Each trains the policies that it compares on the embedded model, for
    every seed; a policy that another study has trained is used again. RESULTS/NAME receives the measurements as
    CSV, from which `confessions report RESULTS` makes the pages. Prints what the measurements decide of each claim.

    The same command goes on where an interrupted one stopped.
    """
    from confessions.experiments.studies.catalogue import STUDIES
    from confessions.experiments.studies.run import chosen, read_seeds, run_study

    if not names:
        for each in STUDIES.values():
            click.echo(f"{each.name:<18} {each.question}")
        return
    counted = read_seeds(seeds)
    for each in chosen(names):
        run_study(each, counted, out, results)


@main.command()
@click.argument("transcript", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--model", default="embedded", show_default=True, help="The model that is asked to confess.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--profile", default="brief", show_default=True, type=click.Choice(["brief", "full"]), help="Form of the report."
)
@click.option(
    "--role",
    default="auto",
    show_default=True,
    type=click.Choice(["system", "user", "auto"]),
    help="Role of the request; auto is system unless the chat template refuses it.",
)
@click.option(
    "--max-tokens", default=512, show_default=True, type=click.IntRange(1), help="Length limit of the confession."
)
def confess(
    transcript: Path, model: str, as_json: bool, profile: str, role: Literal["system", "user", "auto"], max_tokens: int
) -> None:
    """Ask a model for one confession of TRANSCRIPT and print it.

    TRANSCRIPT is a JSON file of chat messages in the OpenAI shape, ending in the assistant's answer: a list,
    or an object with a list under "messages". A dash reads standard input. A confession that cannot be read
    as a report is printed as it is, with the reason; that is no error.
    """
    from confessions.models.resolve import hide_loading_bars, load, resolve
    from confessions.models.speaker import LocalSpeaker
    from confessions.protocol import PROFILES, Transcript, parse_report

    asked = Transcript.from_json(_read_text(transcript))
    hide_loading_bars()
    speaker = LocalSpeaker(
        load(resolve(model)),
        profile=PROFILES[profile],
        role=role,
        max_confession_tokens=max_tokens,
        temperature=0.0,
    )
    confession = speaker.confess([asked])[0]
    parsed = parse_report(confession, PROFILES[profile])
    if as_json:
        click.echo(json.dumps(_as_json(model, confession, parsed), indent=2, ensure_ascii=False))
    else:
        _print_confession(confession, parsed)


@main.group(cls=_NameOrCommand, invoke_without_command=True, subcommand_metavar="[NAME | COMMAND [ARGS]...]")
@click.pass_context
def model(ctx: click.Context) -> None:
    """List the models by name, or show the one called NAME.

    Besides the names listed, a local folder in Hugging Face format and the id of a model on the Hugging Face
    hub are names, too.
    """
    if ctx.invoked_subcommand is None:
        from confessions.models import MODEL_NAMES

        for name, description in MODEL_NAMES.items():
            click.echo(f"{name:<14} {description}")


@model.command("show")
@click.argument("name")
def model_show(name: str) -> None:
    """Show the model NAME.

    Fetches it where it is not at hand, checks its hash, and prints where it lies, its size and its card.
    """
    from confessions.models.resolve import resolve

    found = resolve(name)
    click.echo(f"name        {found.name}\nkind        {found.kind}\nfolder      {found.path}")
    if found.parameters is not None:
        click.echo(f"parameters  {found.parameters:,}")
    click.echo(f"sha256      {found.sha256}")
    if found.license is not None:
        click.echo(f"license     {found.license}")
    if found.card is not None:
        click.echo(f"\n{found.card}")


@model.command("pretrain")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the weights and the card.",
)
@click.option("--seed", default=0, show_default=True, help="Seeds the text and the initial weights.")
def model_pretrain(out: Path, seed: int) -> None:
    """Pre-train the embedded model anew.

    It learns from generated text alone; OUT receives the weights, the tokenizer and the card.
    """
    from rich.progress import Progress

    from confessions.models.pretrain import PretrainConfig, pretrain

    with Progress() as progress:
        task = progress.add_task("pre-training")
        pretrain(
            out,
            PretrainConfig(seed=seed),
            lambda step, steps, loss: progress.update(
                task, completed=step, total=steps, description=f"pre-training, loss {loss:.3f}"
            ),
        )
    click.echo(f"Model: {out}")


@main.group()
def judge() -> None:
    """Look at the judges of confessions."""


@judge.command("bench")
@click.option(
    "--judge",
    "judges",
    multiple=True,
    default=("exact", "spot_check"),
    show_default=True,
    metavar="NAME",
    help="exact, spot_check, length, learned=FOLDER, rubric=MODEL, or your own as package.module:function; repeatable.",
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    type=click.Choice(["writing-brief", "writing-full", "families"]),
    help="Where the cases come from; repeatable.  [default: all]",
)
@click.option("--cases", default=60, show_default=True, type=click.IntRange(1), help="Cases of each source.")
@click.option("--seed", default=0, show_default=True, help="Seeds the cases and the intervals.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/judge-bench"),
    show_default=True,
    help="Folder for the tables and every verdict.",
)
def judge_bench(judges: tuple[str, ...], sources: tuple[Source, ...], cases: int, seed: int, out: Path) -> None:
    """Measure judges of confessions on cases with known truth.

    Each case is a transcript with truthful confessions and with such that have one defect: an objective left
    out, a false claim, a hedge, an accusation of what was kept, false grounds, forged evidence, praise of the
    judge, orders to it. Prints how often a judge prefers the truth, how its rewards correlate with it, what
    length, order, praise and orders are worth, and what a verdict costs.

    A judge of your own is a reward function f(prompts=, answers=, completions=, **columns), as for training.

    The same command goes on where an interrupted one stopped.
    """
    from confessions.experiments.judge_bench import run_bench
    from confessions.judges.bench_cases import SOURCES

    run_bench(judges, sources=sources or SOURCES, cases=cases, seed=seed, out=out)


def _read_text(path: Path) -> str:
    """Read a file or, for a dash, standard input."""
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfessionsError(f"cannot read {path}: {error}") from None


def reference() -> str:
    """Write the help of every command as one Markdown page."""
    head = "# Command reference\n\nWritten from the commands' own help by `make docs`; a test keeps the two equal.\n"
    return "\n".join([head, *_reference_of(main, "confessions", None)])


def _reference_of(command: click.Command, name: str, parent: click.Context | None) -> list[str]:
    settings = {**command.context_settings, "terminal_width": 100}
    ctx = click.Context(command, info_name=name, parent=parent, **settings)
    parts = [f"## {ctx.command_path}\n\n```text\n{command.get_help(ctx).rstrip()}\n```\n"]
    if isinstance(command, click.Group):
        for child in command.list_commands(ctx):
            parts += _reference_of(command.commands[child], child, ctx)
    return parts


def _as_json(model: str, confession: str, parsed: ParsedReport | ParseFailure) -> dict[str, Any]:
    """Lay out one confession for machines: the report in the full form or the failure, and the raw text."""
    from confessions.protocol import ParsedReport

    if isinstance(parsed, ParsedReport):
        report, repairs, failure = parsed.report.model_dump(mode="json"), list(parsed.repairs), None
    else:
        report, repairs, failure = None, [], {"reason": parsed.reason, "detail": parsed.detail}
    return {"model": model, "report": report, "repairs": repairs, "failure": failure, "text": confession}


def _print_confession(confession: str, parsed: ParsedReport | ParseFailure) -> None:
    """Print one confession for people; what the model wrote is never taken as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from confessions.protocol import ParsedReport

    console = Console(highlight=False)
    if not isinstance(parsed, ParsedReport):
        console.print(Text(f"This confession cannot be read as a report: {parsed.reason}, {parsed.detail}"))
        console.print(Text(confession))
        return
    table = Table("objective", "compliance", "analysis")
    for entry in parsed.report.compliance_analysis:
        label = entry.compliance
        style = "red" if label.is_violation else "yellow" if label.is_unsure else "green"
        table.add_row(Text(entry.objective), Text(label.value.replace("_", " "), style=style), Text(entry.analysis))
    console.print(table)
    for uncertainty in parsed.report.uncertainties_and_conflicts:
        console.print(Text(f"uncertain: {uncertainty}"))
    grade = parsed.report.overall_compliance_grade
    console.print(Text("grade: none (cut off)" if grade is None else f"grade: {grade} of 7"))
    if parsed.repairs:
        console.print(Text(f"repaired while reading: {', '.join(parsed.repairs)}"))


if __name__ == "__main__":
    main()
