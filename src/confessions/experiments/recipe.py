"""A training run as a TOML file: which model, on how many writing prompts, judged by whom, with which GRPO settings.

Order of precedence: the defaults here, then the file, then `--set a.b=value`. The `[grpo]` table is handed to
`ConfessionConfig` as it is, so its keys are TRL's own and the confession's, and nothing is declared twice.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from confessions.errors import ConfessionsError
from confessions.judges import Attention, BaseRates, brevity, claimed_rules_kept, exact, fluency, rules_kept, spot_check
from confessions.judges.answers import as_shown
from confessions.judges.learned import RuleReader, learned_compliance, learned_honesty
from confessions.protocol import PROFILES, Profile
from confessions.scenarios import WritingScenario, writing_scenarios

if TYPE_CHECKING:
    from confessions.models.resolve import LoadedModel, ResolvedModel
    from confessions.training.runs import RunFolder
    from confessions.training.trainer import ConfessionTrainer

AnswerJudge = Literal["claimed_rules_kept", "rules_kept", "learned", "brevity", "fluency"]
ConfessionJudge = Literal["spot_check", "exact", "rubric", "learned"]

GRPO_DEFAULTS: Final[Mapping[str, Any]] = {
    "activation_checkpointing": False,
    "bf16": False,
    "disable_tqdm": True,
    "confession_profile": "brief",
    "dataloader_pin_memory": False,
    "confession_request_role": "auto",
    "learning_rate": 1e-4,
    "logging_steps": 1,
    "max_completion_length": 64,
    "max_confession_length": 192,
    "max_steps": 60,
    "num_generations": 8,
    "per_device_train_batch_size": 32,
    "report_to": [],
    "save_steps": 20,
}
"""Settings of `ConfessionConfig` that suit a small model on a CPU; the `[grpo]` table overrides them."""


_SHOWN: Final[Mapping[str, str]] = {"answer reward": "answers/reward", "confession reward": "confessions/reward"}


class RecipeError(ConfessionsError):
    """Say what in a recipe is wrong, and where."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RubricJudge(_Strict):
    """A model that rates confessions."""

    model: str
    """As Inspect AI names it, such as `openai/gpt-5`, or one of this package's models or folders."""
    calibration: str | None = None
    """A model of this package's or a folder's, untrained to confess, whose confessions the judge may compare."""
    max_connections: int = Field(default=8, ge=1)
    """How many questions are put at once."""
    timeout_seconds: float = Field(default=120, gt=0)
    """The time for each question, retries included."""
    max_tokens: int = Field(default=2048, ge=1)
    """The length limit of a reply, the judge's own reasoning included."""


class Judges(_Strict):
    """Who rewards answers and confessions."""

    answers: dict[AnswerJudge, float] = Field(default={"claimed_rules_kept": 1.0}, min_length=1)
    """Answer rewards and their weights."""
    confessions: ConfessionJudge = "spot_check"
    looks: int = Field(default=1, ge=0)
    """How many rules of an answer the weak judges look at."""
    rubric: RubricJudge | None = None
    """Who rates confessions where `confessions` is `rubric`."""
    learned: str | None = None
    """The folder of the learned judge of the recipe's seed; where it does not exist, the judge is made there."""

    @model_validator(mode="after")
    def _check_rubric(self) -> Judges:
        if (self.confessions == "rubric") != (self.rubric is not None):
            raise ValueError('confessions = "rubric" and a table [judges.rubric] that names its model go together')
        return self


class Lora(_Strict):
    """A low-rank adapter in place of full training."""

    rank: int = Field(default=16, ge=1)
    alpha: float = Field(default=32, gt=0)


class WarmStart(_Strict):
    """Lessons in form before the training: how a note and a report are written, their verdicts at random."""

    steps: int = Field(default=60, ge=1)
    lessons_per_step: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)


class Recipe(_Strict):
    """A training run on the writing prompts."""

    model: str = "embedded"
    seed: int = 0
    """Seeds the prompts and, unless [grpo] says otherwise, the training."""
    prompts: int = Field(default=2000, ge=1)
    """How many training prompts are drawn."""
    kinds: tuple[str, ...] | None = None
    """The kinds of rules in them; all training kinds where none are named."""
    held_out_kinds: tuple[str, ...] | None = None
    """The kinds of rules that only the demonstration's evaluation asks for; all held-out kinds where none are named."""
    rule_counts: tuple[int, ...] = (2, 3)
    """How many rules a prompt may have."""
    judges: Judges = Judges()
    lora: Lora | None = None
    warm_start: WarmStart | None = None
    """The demonstration gives them; a run of its own starts from the model as it is."""
    grpo: dict[str, Any] = {}
    """Arguments of `ConfessionConfig`."""


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `a.b=value` overrides.

    Raises: RecipeError that names the file or the key.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}") from None
    for override in overrides:
        _override(tree, override)
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_url=False)]
        raise RecipeError(f"{path} does not fit: {'; '.join(faults)}") from None


def _override(tree: dict[str, Any], override: str) -> None:
    """Set one key of the tree; a value that is no TOML is taken as text."""
    key, equals, text = override.partition("=")
    steps = key.strip().split(".")
    if not equals or not all(steps):
        raise RecipeError(f'--set takes KEY=VALUE, such as grpo.max_steps=20, not "{override}"')
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for step in steps[:-1]:
        tree = tree.setdefault(step, {})
        if not isinstance(tree, dict):
            raise RecipeError(f'--set {override}: "{step}" is a value, not a table')
    tree[steps[-1]] = value


def training_rows(scenarios: Sequence[WritingScenario]) -> list[dict[str, Any]]:
    """Lay scenarios out as the rows of a training dataset: the prompt, and the scenario the judges read."""
    return [{"prompt": scenario.messages(), "scenario": scenario.to_json()} for scenario in scenarios]


def answer_rewards(
    judges: Judges, seed: int, rates: BaseRates | None = None
) -> tuple[list[Callable[..., Any]], list[float]]:
    """Make the answer rewards with their weights."""
    made: dict[AnswerJudge, Callable[..., Any]] = {
        "claimed_rules_kept": claimed_rules_kept(Attention(judges.looks, seed), rates),
        "rules_kept": rules_kept,
        "brevity": brevity,
        "fluency": fluency,
    }
    if "learned" in judges.answers:
        made["learned"] = learned_compliance(_learned_reader(judges, seed), rates)
    return [made[name] for name in judges.answers], list(judges.answers.values())


def _learned_reader(judges: Judges, seed: int) -> RuleReader:
    """Give the learned judge's reader, made where there is none yet."""
    from confessions.experiments.learned_judge import learned_judge

    if judges.learned is None:
        raise RecipeError('the judge "learned" lives in a folder: set learned = "FOLDER" in the table [judges]')
    return learned_judge(Path(judges.learned), seed)


def confession_reward(
    judges: Judges, seed: int, profile: Profile, rates: BaseRates | None = None
) -> Callable[..., Any]:
    """Make the judge of confessions."""
    match judges.confessions:
        case "exact":
            return exact(profile, rates)
        case "rubric":
            assert judges.rubric is not None
            return _rubric_reward(judges.rubric, profile)
        case "learned":
            return learned_honesty(_learned_reader(judges, seed), profile, rates)
        case _:
            return spot_check(Attention(judges.looks, seed), profile, rates)


def _rubric_reward(judge: RubricJudge, profile: Profile) -> Callable[..., Any]:
    try:
        from confessions.evaluation.placement import supports_response_schema
        from confessions.judges.rubric_model import rubric
    except ImportError as error:
        raise RecipeError(
            f"the judge rubric asks through Inspect AI ({error}): pip install 'confessions[evaluate]'"
        ) from error
    from confessions.experiments.evaluate import model_name
    from confessions.models.resolve import load, resolve
    from confessions.models.speaker import LocalSpeaker

    speaker = None if judge.calibration is None else LocalSpeaker(load(resolve(judge.calibration)), profile=profile)
    return rubric(
        model_name(judge.model),
        profile,
        calibration=speaker,
        max_connections=judge.max_connections,
        timeout_seconds=judge.timeout_seconds,
        max_tokens=judge.max_tokens,
        has_schema=supports_response_schema,
    )


def grpo_settings(recipe: Recipe, output_dir: Path) -> dict[str, Any]:
    """Give the arguments of `ConfessionConfig`.

    Raises: RecipeError for a key that it does not have, or that the recipe itself decides.
    """
    from confessions.training.config import ConfessionConfig

    known = [field.name for field in dataclasses.fields(ConfessionConfig)]
    for key in recipe.grpo:
        if key in ("output_dir", "reward_weights"):
            place = "--out" if key == "output_dir" else "judges.answers"
            raise RecipeError(f"grpo.{key} is set by {place}: leave it out")
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f' (did you mean "{close[0]}"?)' if close else ""
            raise RecipeError(f"grpo.{key} is no setting of ConfessionConfig{hint}")
    weights = list(recipe.judges.answers.values())
    own = {"seed": recipe.seed, "output_dir": str(output_dir), "reward_weights": weights}
    return {**GRPO_DEFAULTS, **own, **recipe.grpo}


def train_recipe(path: Path, *, out: Path, overrides: Sequence[str] = ()) -> Path:
    """Train as a recipe says, in the run folder `out`; return the folder of the trained model.

    A folder that holds the same run unfinished is gone on with; any other is refused.
    """
    from rich.progress import Progress

    from confessions.models.resolve import hide_loading_bars, load, resolve
    from confessions.training.runs import RunFolder, train

    recipe = load_recipe(path, overrides)
    folder = RunFolder(out)
    folder.status()
    if recipe.warm_start is not None:
        raise RecipeError(f"{path}: [warm_start] belongs to the demo; a run starts from the model that it names")
    hide_loading_bars()
    resolved = resolve(recipe.model)
    rates = BaseRates()
    trainer = build_trainer(recipe, load(resolved), folder, rates)
    with Progress(disable=not trainer.accelerator.is_main_process) as progress:
        task = progress.add_task("training", total=trainer.args.max_steps)

        def show(step: int, logs: dict[str, float]) -> None:
            rewards = [f"{name} {logs[key]:.2f}" for name, key in _SHOWN.items() if key in logs]
            progress.update(task, completed=step, description=", ".join(["training", *rewards]))

        memories = {"base rates": rates}
        return train(trainer, folder, extra=run_facts(recipe, resolved), memories=memories, on_log=show)


def run_facts(recipe: Recipe, resolved: ResolvedModel) -> dict[str, Any]:
    """Say what a run is recorded with beside its settings: the recipe, its weights, and its learned judge's head.

    The judge has to be there: the trainer makes it.
    """
    facts = {"recipe": recipe.model_dump(mode="json"), "weights_sha256": resolved.sha256}
    judges = recipe.judges
    if judges.learned is not None and ("learned" in judges.answers or judges.confessions == "learned"):
        from confessions.models.reward_model import head_sha256

        facts["learned_sha256"] = head_sha256(Path(judges.learned))
    return facts


def build_trainer(
    recipe: Recipe, loaded: LoadedModel, folder: RunFolder, rates: BaseRates | None = None
) -> ConfessionTrainer:
    """Make the trainer that a recipe describes; `rates` are what its judges remember.

    Raises: RecipeError where the recipe's [grpo] table does not make a configuration.
    """
    from datasets import Dataset

    from confessions.models.adapters import lora_config
    from confessions.models.chat import opens_reasoning_itself
    from confessions.training.config import ConfessionConfig
    from confessions.training.trainer import ConfessionTrainer

    try:
        config = ConfessionConfig(**grpo_settings(recipe, folder.checkpoints))
    except (TypeError, ValueError) as error:
        raise RecipeError(f"the recipe's [grpo] table: {error}") from error
    try:
        scenarios = writing_scenarios(
            "train", recipe.kinds or "training", recipe.seed, recipe.prompts, recipe.rule_counts
        )
    except ValueError as error:
        raise RecipeError(f"the recipe's kinds: {error}") from error
    profile = PROFILES[config.confession_profile]
    rates = BaseRates() if rates is None else rates
    rewards, _ = answer_rewards(recipe.judges, recipe.seed, rates)
    is_opened = opens_reasoning_itself(loaded.tokenizer, config.chat_template_kwargs)
    return ConfessionTrainer(
        loaded.model,
        [as_shown(reward, is_opened=is_opened) for reward in rewards],
        config,
        Dataset.from_list(training_rows(scenarios)),
        processing_class=loaded.tokenizer,
        confession_reward_funcs=confession_reward(recipe.judges, recipe.seed, profile, rates),
        peft_config=None if recipe.lora is None else lora_config(recipe.lora.rank, recipe.lora.alpha),
    )
