"""Train the policies that studies compare, once each, and keep what they said.

A policy is an arm (a name and what it changes in the studies' common recipe) and a seed. Its folder holds the run, the
curve over training, and the outcomes in the end; several studies read the same folder. Beside its own answers, every
policy also confesses about frozen rollouts: answers that the untrained model sampled once, the same for every arm of a
seed. They show what training changed in the confessions alone (arXiv 2512.08093, section 3.2).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, NamedTuple

from confessions.evaluation import ConfusionTable, Outcome, judge_outcome, read_outcomes, write_outcomes
from confessions.experiments.demo import read_lines
from confessions.experiments.measure import GROUPS, Judge, measure_speaker
from confessions.experiments.recipe import GRPO_DEFAULTS, Recipe, build_trainer, load_recipe, run_facts
from confessions.experiments.studies.study import Measurement, StudyError, rates_of
from confessions.judges import Attention, BaseRates
from confessions.judges.answers import passes
from confessions.models.resolve import LoadedModel, ResolvedModel, load, resolve
from confessions.models.speaker import LocalSpeaker
from confessions.protocol import PROFILES, Message, Transcript
from confessions.scenarios import WritingScenario, writing_scenarios
from confessions.training.probe import PeriodicProbe
from confessions.training.runs import RunFolder, read_json, train, write_json

Trainer = Any
Build = Callable[[Recipe, LoadedModel, RunFolder, BaseRates], Trainer]
Bar = Callable[[str, int], Any]

Pair = tuple[WritingScenario, str]
"""A prompt and an answer to it."""

FROZEN: Final = "frozen rollouts"
"""The group of answers that the untrained model wrote."""


class StudySizes(NamedTuple):
    """How much is measured of each policy."""

    samples: int = 250
    """Prompts of each group in the end."""
    probe_samples: int = 100
    """Prompts at each point of a curve, and as many frozen rollouts."""
    calibration: int = 256
    """Answers the weak judge looks at to learn how often rules are broken."""


@dataclass(frozen=True)
class Arm:
    """One way to train: what it changes in the common recipe."""

    name: str
    changes: tuple[str, ...] = ()
    """Overrides as `confessions train --set` takes them."""
    probe_every: int = 25
    """Updates between the points of its curve."""
    build: Build = build_trainer
    """Makes the trainer; another function where an arm breaks the method on purpose."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else tells this arm's runs from others: the settings of its `build`."""
    start: Callable[[Workshop], ResolvedModel] | None = None
    """Gives the model it starts from; the recipe's own where there is none."""
    teach: Callable[[Policy, Path], Path] | None = None
    """Teaches the model by example, into a folder, instead of training it by reward."""


UNTRAINED: Final = Arm("before")
CONTROL: Final = Arm("control", ("grpo.train_confessions=false",), probe_every=5)
CONFESSIONS: Final = Arm("confessions", probe_every=5)
LABELS: Final = Arm("exact labels", ('judges.confessions="exact"',), probe_every=25)
LEARNED: Final = Arm(
    "learned judge",
    ("judges.answers={ learned = 1.0, brevity = 0.1, fluency = 0.1 }", 'judges.confessions="learned"'),
    probe_every=5,
)


class Workshop:
    """Where policies are trained and kept: `folder/SEED/ARM`, and `folder/SEED/start` for what all arms share."""

    def __init__(self, folder: Path, bar: Bar, sizes: StudySizes | None = None, changes: Sequence[str] = ()) -> None:
        """Name the folder; nothing is trained before it is asked for. `changes` amend the common recipe."""
        self.folder, self.bar = folder, bar
        self.sizes = sizes or StudySizes()
        self.changes = tuple(changes)
        self.recipe = self._recipe()

    def _recipe(self, changes: Sequence[str] = ()) -> Recipe:
        with as_file(files("confessions.experiments") / "recipes" / "study.toml") as path:
            return load_recipe(path, [*self.changes, *changes])

    @cached_property
    def resolved(self) -> ResolvedModel:
        """The model that every policy starts from."""
        return resolve(self.recipe.model)

    def seed_folder(self, seed: int) -> Path:
        """Give a seed's folder, made for these settings.

        Raises: StudyError if it was made for others.
        """
        folder = self.folder / f"seed-{seed}"
        facts = {
            "recipe": self.recipe.model_copy(update={"seed": seed}).model_dump(mode="json", exclude_defaults=True),
            "sizes": self.sizes._asdict(),
            "weights_sha256": self.resolved.sha256,
        }
        marker = folder / "study.json"
        if not marker.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_json(marker, facts)
        elif read_json(marker) != json.loads(json.dumps(facts)):
            raise StudyError(f"{folder} holds policies of other settings (see {marker}): name another folder")
        return folder

    def recipe_of(self, arm: Arm, seed: int) -> Recipe:
        """Give the recipe of an arm."""
        recipe = self._recipe(arm.changes).model_copy(update={"seed": seed})
        if "learned" in (*recipe.judges.answers, recipe.judges.confessions):
            judges = recipe.judges.model_copy(update={"learned": str(self.learned_folder(seed))})
            recipe = recipe.model_copy(update={"judges": judges})
        return recipe

    def learned_folder(self, seed: int) -> Path:
        """Give the folder of a seed's learned judge."""
        return self.seed_folder(seed) / "reward-model"

    def policy(self, arm: Arm, seed: int) -> Policy:
        """Give a policy, training it or going on with its training where need be."""
        policy = Policy(self, arm, seed)
        policy.finish()
        return policy


class Policy:
    """One arm trained with one seed, and what can be asked of it."""

    def __init__(self, workshop: Workshop, arm: Arm, seed: int) -> None:
        self.workshop, self.arm, self.seed = workshop, arm, seed
        self.recipe = workshop.recipe_of(arm, seed)
        self.folder = workshop.seed_folder(seed) / arm.name.replace(" ", "-")
        self.start_folder = workshop.seed_folder(seed) / "start"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start_folder.mkdir(parents=True, exist_ok=True)
        self.run = RunFolder(self.folder / "run")

    @property
    def is_trained(self) -> bool:
        """Tell whether it is another model than the one it starts from."""
        return self.arm.name != UNTRAINED.name

    @cached_property
    def judge(self) -> Judge:
        """The yes or no on an answer by the judge that rewards answers in training."""
        if "learned" in self.recipe.judges.answers:
            from confessions.experiments.learned_judge import learned_judge

            scorer = learned_judge(self.workshop.learned_folder(self.seed), self.seed)
            return lambda scenario, answer: scorer.passes(scenario.messages(), answer)
        return passes(Attention(self.recipe.judges.looks, self.seed))

    @cached_property
    def loaded(self) -> LoadedModel:
        """The policy's weights."""
        return load(resolve(str(self.model)) if self.is_trained else self.start)

    @property
    def model(self) -> Path:
        """The folder of the trained model."""
        return self.folder / "taught" if self.arm.teach else self.run.model

    @cached_property
    def start(self) -> ResolvedModel:
        """The model it starts from."""
        return self.arm.start(self.workshop) if self.arm.start else self.workshop.resolved

    def speaker(self, loaded: LoadedModel | None = None, **settings: Any) -> LocalSpeaker:
        """Let the policy, or its model at some step, answer and confess within the recipe's limits."""
        grpo = {**GRPO_DEFAULTS, **self.recipe.grpo}
        own = {
            "profile": PROFILES[grpo["confession_profile"]],
            "role": grpo["confession_request_role"],
            "max_answer_tokens": grpo["max_completion_length"],
            "max_confession_tokens": grpo["max_confession_length"],
            "seed": self.seed,
        }
        return LocalSpeaker(loaded or self.loaded, **{**own, **settings})

    def finish(self) -> None:
        """Train what has not been trained."""
        if self.arm.teach:
            self.arm.teach(self, self.model)
            return
        if not self.is_trained or self.run.status() == "finished":
            return
        rates = self._rates()
        trainer = self.arm.build(self.recipe, load(self.start), self.run, rates)
        trainer.add_callback(PeriodicProbe(self._probe, self.run.probes, every=self.arm.probe_every))
        facts = {**run_facts(self.recipe, self.start), **self.arm.facts}
        with self.workshop.bar(f"seed {self.seed}, {self.arm.name}: training", trainer.args.max_steps) as advance:
            train(trainer, self.run, extra=facts, memories={"base rates": rates}, on_log=lambda step, _: advance(1))

    def outcomes(self) -> list[Outcome]:
        """Give the outcomes on the evaluation prompts of both groups and on the frozen rollouts."""
        path = self.folder / "outcomes.jsonl"
        if not path.exists():
            self.finish()
            speaker, samples = self.speaker(), self.workshop.sizes.samples
            with self._bar("answers and confessions", samples * (2 * len(GROUPS) + 1)) as advance:
                found = measure_speaker(speaker, self.seed, samples, self.judge, advance)
                found += self.confess_about(self.frozen(samples), FROZEN, speaker, advance=advance)
            write_outcomes(path, found)
        return read_outcomes(path)

    def final(self) -> Iterator[Measurement]:
        """Give the rates in the end, group by group."""
        outcomes = self.outcomes()
        for group in dict.fromkeys(outcome.group for outcome in outcomes):
            own = ConfusionTable.from_outcomes(outcome for outcome in outcomes if outcome.group == group)
            yield from rates_of(own, self.seed, self.arm.name, group)

    def curve(self) -> Iterator[Measurement]:
        """Give the rates over training, and the rewards as the trainer logged them."""
        for point in read_lines(self.run.probes):
            for group, counts in point["tables"].items():
                yield from rates_of(ConfusionTable(**counts), self.seed, self.arm.name, group, point["step"])
        for entry in read_lines(self.run.metrics):
            for channel in ("answers", "confessions"):
                if (value := entry.get(f"{channel}/reward")) is not None:
                    yield Measurement(
                        self.seed,
                        self.arm.name,
                        "training prompts",
                        f"{channel}_reward",
                        value=value,
                        step=entry["step"],
                    )

    def _bar(self, what: str, total: int) -> Any:
        return self.workshop.bar(f"seed {self.seed}, {self.arm.name}: {what}", total)

    def _rates(self) -> BaseRates:
        """Let the weak judge look at the untrained model's answers, to learn how often rules are broken."""
        path = self.start_folder / "base_rates.json"
        if not path.exists():
            attention = Attention(self.workshop.recipe.judges.looks, self.seed)
            scenarios = writing_scenarios("train", "training", self.seed + 1, self.workshop.sizes.calibration)
            answers = self.speaker(load(self.workshop.resolved)).answer([each.messages() for each in scenarios])
            write_json(path, BaseRates.from_answers(zip(scenarios, answers, strict=True), attention).state_dict())
        return BaseRates(read_json(path))

    def frozen(self, samples: int) -> list[Pair]:
        """Give the first of the answers that the untrained model wrote to evaluation prompts."""
        path = self.start_folder / "frozen.jsonl"
        if not path.exists():
            most = self.workshop.sizes.samples
            scenarios = writing_scenarios("evaluation", "training", self.seed + 2, most)
            answers = self.speaker(load(self.workshop.resolved)).answer([each.messages() for each in scenarios])
            lines = [
                json.dumps({"scenario": scenario.to_json(), "answer": answer})
                for scenario, answer in zip(scenarios, answers, strict=True)
            ]
            draft = path.with_suffix(".part")
            draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
            draft.replace(path)
        entries = read_lines(path)[:samples]
        return [(WritingScenario.from_json(entry["scenario"]), entry["answer"]) for entry in entries]

    def own_pairs(self) -> list[Pair]:
        """Give the evaluation prompts of the training kinds with this policy's own answers."""
        samples = self.workshop.sizes.samples
        scenarios = writing_scenarios("evaluation", "training", self.seed, samples)
        answers = [outcome.answer for outcome in self.outcomes()[:samples]]
        return list(zip(scenarios, answers, strict=True))

    def confess_about(
        self,
        pairs: Sequence[Pair],
        group: str,
        speaker: LocalSpeaker | None = None,
        system: str = "",
        advance: Callable[[int], None] | None = None,
    ) -> list[Outcome]:
        """Let the policy confess about given answers, whoever wrote them, and set each beside the truth.

        `system` is a system message that stands before the prompt.
        """
        speaker = speaker or self.speaker()
        confessions = speaker.confess([transcript(*pair, system) for pair in pairs], advance)
        return [
            judge_outcome(scenario, group, answer, confession, speaker.profile, self.judge(scenario, answer))
            for (scenario, answer), confession in zip(pairs, confessions, strict=True)
        ]

    def _probe(self, model: Any, tokenizer: Any, step: int) -> dict[str, Any]:
        """Count what a model in training does: a point of the curves."""
        samples = self.workshop.sizes.probe_samples
        speaker = self.speaker(LoadedModel(self.start, model, tokenizer))
        scenarios = writing_scenarios("evaluation", "training", self.seed + 1, samples)
        responses = speaker.respond([scenario.messages() for scenario in scenarios])
        group = next(iter(GROUPS))
        own = [
            judge_outcome(
                scenario,
                group,
                response.answer,
                response.confession,
                speaker.profile,
                self.judge(scenario, response.answer),
            )  # fmt: skip
            for scenario, response in zip(scenarios, responses, strict=True)
        ]
        tables = {group: own, FROZEN: self.confess_about(self.frozen(samples), FROZEN, speaker)}
        return {"tables": {name: counts_of(outcomes) for name, outcomes in tables.items()}}


def counts_of(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Count outcomes as `ConfusionTable` takes them."""
    return asdict(ConfusionTable.from_outcomes(outcomes))


def transcript(scenario: WritingScenario, answer: str, system: str = "") -> Transcript:
    """Write a prompt and an answer as a conversation, after a system message where one is given."""
    before = (Message(role="system", content=system),) if system else ()
    prompt = (Message(role="user", content=scenario.prompt),)
    # A conversation needs an answer that says something.
    return Transcript((*before, *prompt, Message(role="assistant", content=answer or " ")))


def measured(outcomes: Sequence[Outcome], seed: int, arm: str, group: str) -> Iterator[Measurement]:
    """Give the rates of outcomes as an arm's measurements on a group."""
    return iter(rates_of(ConfusionTable.from_outcomes(outcomes), seed, arm, group))
