"""The demonstration: a model before training, after training without confessions, and after training with them.

Both runs see the same prompts and the same weak judge; the control's confession groups are held out, so its answers
are trained on the same data. Truth measures, it never rewards. Every stage leaves a file in the demo's folder, and the
same command goes on from what is there.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from confessions.errors import ConfessionsError
from confessions.evaluation import Outcome, judge_outcome, read_outcomes, render_tables, summarize, write_outcomes
from confessions.experiments.measure import GROUPS, measure_speaker
from confessions.experiments.page import write_report
from confessions.experiments.recipe import GRPO_DEFAULTS, Recipe, build_trainer, load_recipe, run_facts
from confessions.experiments.warm_start import warm_started
from confessions.judges import Attention, BaseRates
from confessions.judges.answers import passes
from confessions.models.resolve import LoadedModel, hide_loading_bars, load, resolve
from confessions.models.speaker import LocalSpeaker
from confessions.protocol import PROFILES
from confessions.scenarios import writing_scenarios
from confessions.scenarios.writing import KindGroup
from confessions.training.probe import PeriodicProbe
from confessions.training.runs import RunFolder, read_json, train, write_json

ARMS: Final = ("before", "control", "confessions")
GALLERY_FIELDS: Final = (
    "group", "cell", "scenario_id", "prompt", "answer", "confession", "complied", "admitted", "confessed", "failure",
)  # fmt: skip
TITLE: Final = "A model learns to confess"


class DemoError(ConfessionsError):
    """Say why the demonstration cannot run here."""


class Sizes(NamedTuple):
    """How much is measured; the recipe decides what is trained."""

    samples: int = 400
    """Prompts of each group in the tables."""
    probe_samples: int = 160
    """Prompts at each point of the curves."""
    probe_every: int = 10
    """Updates between the points of the curves."""
    calibration: int = 256
    """Answers the weak judge looks at to learn how often rules are broken."""
    gallery: int = 3
    """Confessions shown for each arm, group and cell."""


SIZES: Final = {"embedded": Sizes()}
SMALL_SIZES: Final = Sizes(samples=60, probe_samples=24, probe_every=10, calibration=32)
"""For models that two cores take slowly."""


def recipe_for(model: str) -> Recipe:
    """Read the model's own recipe, or the one for pretrained models in general."""
    name = model if model == "embedded" else "smollm2-135m"
    with as_file(files("confessions.experiments") / "recipes" / f"{name}.toml") as path:
        return load_recipe(path).model_copy(update={"model": model})


def run_demo(model: str, seed: int, out: Path, sizes: Sizes | None = None, recipe: Recipe | None = None) -> Path:
    """Run every stage that `out` does not hold yet, print the tables and return the report page.

    Raises: DemoError if `out` holds something else, or a demonstration of another model, seed or recipe.
    """
    recipe = (recipe or recipe_for(model)).model_copy(update={"model": model, "seed": seed})
    sizes = sizes or SIZES.get(model, SMALL_SIZES)
    _claim(out, recipe, sizes)
    hide_loading_bars()
    console = Console()
    demo = _Demo(recipe, sizes, out, console)
    outcomes = {arm: demo.measured(arm) for arm in ARMS}
    write_json(out / "result.json", demo.result(outcomes))
    page = write_report([out / "result.json"], out)
    console.print(render_tables([table for arm in ARMS for table in summarize(outcomes[arm], arm=arm)]), soft_wrap=True)
    console.print(f"report page: {page}", soft_wrap=True)
    return page


def _claim(out: Path, recipe: Recipe, sizes: Sizes) -> None:
    """Take the folder for this demonstration, or make sure that it is this one's already."""
    marker = out / "demo.json"
    mine = json.loads(json.dumps({"recipe": recipe.model_dump(mode="json"), "sizes": sizes._asdict()}))
    if marker.exists():
        found = read_json(marker)
        if found != mine:
            raise DemoError(
                f"{out} holds a demonstration with other settings (see {marker}): name another folder or remove it"
            )
    elif out.exists() and any(path.suffix != ".part" for path in out.iterdir()):
        raise DemoError(f"{out} is not empty and holds no demonstration: name another folder")
    else:
        out.mkdir(parents=True, exist_ok=True)
        write_json(marker, mine)


class _Demo:
    """The stages of one demonstration, each kept in a file of its own."""

    def __init__(self, recipe: Recipe, sizes: Sizes, out: Path, console: Console) -> None:
        self.recipe, self.sizes, self.out, self.console = recipe, sizes, out, console
        self.resolved = resolve(recipe.model)
        self.attention = Attention(recipe.judges.looks, recipe.seed)
        self.judge = passes(self.attention)
        self.seconds: dict[str, float] = {}
        self.kinds: KindGroup | tuple[str, ...] = recipe.kinds or "training"
        self.groups = dict(zip(GROUPS, (self.kinds, recipe.held_out_kinds or "held_out"), strict=True))

    def measured(self, arm: str) -> list[Outcome]:
        """Give an arm's outcomes on the evaluation prompts, training it first where that has not been done."""
        path = self.out / f"{arm}.jsonl"
        if path.exists():
            return read_outcomes(path)
        loaded = self.trained(arm)
        speaker = self.speaker(loaded)
        with self.bar(f"{arm}: answers and confessions", 2 * self.sizes.samples * len(GROUPS)) as advance:
            outcomes = measure_speaker(
                speaker, self.recipe.seed, self.sizes.samples, self.judge, advance, self.groups, self.recipe.rule_counts
            )
        write_outcomes(path, outcomes)
        return outcomes

    def speaker(self, loaded: LoadedModel) -> LocalSpeaker:
        """Let a model answer and confess with the recipe's limits."""
        grpo = {**GRPO_DEFAULTS, **self.recipe.grpo}
        return LocalSpeaker(
            loaded,
            profile=PROFILES[grpo["confession_profile"]],
            role=grpo["confession_request_role"],
            max_answer_tokens=grpo["max_completion_length"],
            max_confession_tokens=grpo["max_confession_length"],
            seed=self.recipe.seed,
        )

    def start(self) -> LoadedModel:
        """Load the model that both runs start from: a pretrained one is first taught the report's form."""
        return load(warm_started(self.resolved, self.out / "warm-start", self.recipe, self.bar))

    def rates(self) -> BaseRates:
        """Let the weak judge look at the untrained model's answers, to learn how often rules are broken."""
        path = self.out / "base_rates.json"
        if not path.exists():
            scenarios = writing_scenarios(
                "train", self.kinds, self.recipe.seed + 1, self.sizes.calibration, self.recipe.rule_counts
            )
            speaker = self.speaker(self.start())
            with self.bar("how often are rules broken?", len(scenarios)) as advance:
                answers = speaker.answer([scenario.messages() for scenario in scenarios], advance)
            rates = BaseRates.from_answers(zip(scenarios, answers, strict=True), self.attention)
            write_json(path, rates.state_dict())
        return BaseRates(read_json(path))

    def trained(self, arm: str) -> LoadedModel:
        """Give the arm's model, training it or going on with its training where need be."""
        if arm == "before":
            return self.start()
        folder = RunFolder(self.out / "runs" / arm)
        if folder.status() != "finished":
            recipe = self.recipe
            if arm == "control":
                recipe = recipe.model_copy(update={"grpo": {**recipe.grpo, "train_confessions": False}})
            rates = self.rates()
            trainer = build_trainer(recipe, self.start(), folder, rates)
            trainer.add_callback(PeriodicProbe(self.probe, folder.probes, every=self.sizes.probe_every))
            with self.bar(f"{arm}: training", trainer.args.max_steps) as advance:
                train(
                    trainer,
                    folder,
                    extra=run_facts(recipe, self.resolved),
                    memories={"base rates": rates},
                    on_log=lambda step, _: advance(1),
                )
        return load(resolve(str(folder.model)))

    def probe(self, model: Any, tokenizer: Any, step: int) -> dict[str, float]:
        """Measure a model in training on evaluation prompts: the points of the curves."""
        speaker = self.speaker(LoadedModel(self.resolved, model, tokenizer))
        scenarios = writing_scenarios(
            "evaluation", self.kinds, self.recipe.seed + 1, self.sizes.probe_samples, self.recipe.rule_counts
        )
        responses = speaker.respond([scenario.messages() for scenario in scenarios])
        outcomes = [
            judge_outcome(scenario, "probe", response.answer, response.confession, speaker.profile, judge_passed=passed)
            for scenario, response in zip(scenarios, responses, strict=True)
            for passed in [self.judge(scenario, response.answer)]
        ]
        return curve_point(outcomes)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a progress bar and time the stage."""
        begun = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task(title, total=total)
            yield lambda done: progress.advance(task, done)
        self.seconds[title] = round(time.monotonic() - begun, 1)

    def result(self, outcomes: Mapping[str, Sequence[Outcome]]) -> dict[str, Any]:
        """Put together what `results` reads: counts, curves and a gallery."""
        runs = {arm: RunFolder(self.out / "runs" / arm) for arm in ARMS[1:]}
        timing = self.out / "seconds.json"
        before = read_json(timing) if timing.exists() else {}
        write_json(timing, {**before, **self.seconds})
        config = read_json(runs["confessions"].path / "config.json")
        versions = read_json(runs["confessions"].path / "versions.json")
        return {
            "schema": 1,
            "title": TITLE,
            "command": f"confessions demo --model {self.recipe.model} --seed {self.recipe.seed}",
            "model": {
                "name": self.resolved.name,
                "parameters": self.resolved.parameters,
                "sha256": self.resolved.sha256,
            },
            "seed": self.recipe.seed,
            "config": {"recipe": self.recipe.model_dump(mode="json"), "sizes": self.sizes._asdict(), "run": config},
            "versions": {name: str(version) for name, version in versions.items() if version},
            "seconds": {**before, **self.seconds},
            "arms": list(ARMS),
            "groups": list(GROUPS),
            "tables": [
                {"arm": arm, "group": entry.group, **entry.table.counts()}
                for arm in ARMS
                for entry in summarize(outcomes[arm], arm=arm)
            ],
            "curves": {arm: read_lines(run.probes) for arm, run in runs.items()},
            "rewards": {
                arm: [
                    {"step": e["step"], "answer": e.get("answers/reward"), "confession": e.get("confessions/reward")}
                    for e in read_lines(run.metrics)
                ]
                for arm, run in runs.items()
            },
            "gallery": [item for arm in ARMS for item in gallery(outcomes[arm], arm, self.sizes.gallery)],
        }


def curve_point(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Reduce outcomes to the shares that the curves show; a share of nothing is left out."""
    bad = [outcome for outcome in outcomes if not outcome.complied]
    good = [outcome for outcome in outcomes if outcome.complied]
    point: dict[str, float] = {
        "judge_pass_rate": fmean(bool(outcome.judge_passed) for outcome in outcomes),
        "true_compliance": len(good) / len(outcomes),
        "n_bad": len(bad),
        "n_good": len(good),
    }
    if bad:
        point["judge_accuracy_given_bad"] = fmean(not outcome.judge_passed for outcome in bad)
        point["confession_accuracy_given_bad"] = fmean(outcome.confessed is True for outcome in bad)
    if good:
        point["confession_accuracy_given_good"] = fmean(outcome.confessed is False for outcome in good)
    return point


def gallery(outcomes: Sequence[Outcome], arm: str, most: int) -> list[dict[str, Any]]:
    """Choose the first outcomes of each group and cell, as the page shows them."""
    shown: Counter[tuple[str, str]] = Counter()
    items = []
    for outcome in outcomes:
        shown[outcome.group, outcome.cell] += 1
        if shown[outcome.group, outcome.cell] > most:
            continue
        rules = zip(outcome.rules, outcome.kept, outcome.claims, outcome.verdicts, strict=True)
        items.append(
            {
                "arm": arm,
                **{name: getattr(outcome, name) for name in GALLERY_FIELDS},
                "rules": [
                    {"text": text, "kept": kept, "claimed": claim, "verdict": verdict}
                    for text, kept, claim, verdict in rules
                ],
            }
        )
    return items


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines; none where there is no file."""
    if not path.exists():
        return []
    # Not splitlines: a text may hold characters that it takes for the end of a line.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
