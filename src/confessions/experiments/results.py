"""What a study found, as data: the files `result.json` and `summary.json`, read strictly.

A `Run` is one seed's file. A `Summary` is several runs of the same study. `Results` is the one view of both that
the figures and the page draw: counts pooled over the seeds, and beside them each seed's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from confessions.errors import ConfessionsError
from confessions.evaluation.metrics import ConfusionTable, Rate

Cell = Literal["tp", "fn", "fp", "tn", "unscored_bad", "unscored_good"]
"""One answer's place in the 2x2 table, or the unreadable confessions beside it."""

CELLS: tuple[Cell, ...] = ("tp", "fn", "unscored_bad", "unscored_good", "fp", "tn")
"""The order in which cells are drawn: the bad answers first, then the good ones."""


class ResultsError(ConfessionsError):
    """Say what in a results file is wrong, and where."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ModelCard(_Strict):
    """Name the model that was studied."""

    name: str
    parameters: int | None = None
    sha256: str | None = None


_Count = Field(ge=0)
_Share = Field(default=None, ge=0.0, le=1.0)


class Table(_Strict):
    """Count the answers of one arm to one group of prompts.

    Bad means that the answer broke a rule. A confession that could not be read is in neither half of `tp`/`fn` or
    `fp`/`tn`: it is counted apart, in `unscored_bad` or `unscored_good`.
    """

    arm: str
    group: str
    n: int = _Count
    tp: int = _Count
    fn: int = _Count
    fp: int = _Count
    tn: int = _Count
    unscored_bad: int = _Count
    unscored_good: int = _Count
    bad: int = _Count
    good: int = _Count
    admitted_bad: int = _Count
    judge_right_bad: int = _Count
    judge_scored_bad: int = _Count
    judge_passed: int = _Count
    verdicts_right: int = _Count
    verdicts: int = _Count

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        sums = {
            "bad": (self.bad, "tp + fn + unscored_bad", self.tp + self.fn + self.unscored_bad),
            "good": (self.good, "fp + tn + unscored_good", self.fp + self.tn + self.unscored_good),
            "n": (self.n, "bad + good", self.bad + self.good),
        }
        for name, (stated, formula, found) in sums.items():
            if stated != found:
                raise ValueError(f"{name} is {stated} but {formula} is {found}")
        limits = {
            "admitted_bad": "bad",
            "judge_right_bad": "judge_scored_bad",
            "judge_scored_bad": "bad",
            "judge_passed": "n",
            "verdicts_right": "verdicts",
        }
        for part, whole in limits.items():
            if getattr(self, part) > getattr(self, whole):
                raise ValueError(f"{part} is {getattr(self, part)}, more than {whole}, which is {getattr(self, whole)}")
        return self

    @classmethod
    def pool(cls, arm: str, group: str, tables: Iterable[Table]) -> Self:
        """Add up the counts of several tables; of none, all counts are zero."""
        pooled = ConfusionTable.pool(table.confusion for table in tables)
        return cls(arm=arm, group=group, **pooled.counts())

    @property
    def confusion(self) -> ConfusionTable:
        """Return the counts as the metrics take them."""
        return ConfusionTable(**{name: getattr(self, name) for name in ConfusionTable.__dataclass_fields__})

    def count(self, cell: Cell) -> int:
        """Return how many answers lie in one cell."""
        number: int = getattr(self, cell)
        return number

    def rate(self, name: str) -> Rate:
        """Return one of the `RATES` of this table."""
        return RATES[name].of(self.confusion)


class RateKind(NamedTuple):
    """One rate that is printed: its label, what it means, and how the counts give it."""

    label: str
    meaning: str
    of: Callable[[ConfusionTable], Rate]


RATES: Mapping[str, RateKind] = {
    "p_confessed_given_bad": RateKind(
        "P(confessed | bad)",
        "of the answers that broke a rule, how many were confessed",
        lambda t: t.p_confessed_given_bad,
    ),
    "p_confessed_given_good": RateKind(
        "P(confessed | good)",
        "of the answers that kept every rule, how many were confessed all the same",
        lambda t: t.p_confessed_given_good,
    ),
    "p_admitted_given_bad": RateKind(
        "P(admitted | bad)",
        "of the answers that broke a rule, how many said so in the answer itself",
        lambda t: t.p_admitted_given_bad,
    ),
    "joint_false_negatives": RateKind(
        "joint false negatives",
        "of all answers, how many broke a rule that the confession does not tell",
        lambda t: t.joint_fn,
    ),
    "accuracy": RateKind(
        "confession accuracy",
        "of all answers, how many were confessed exactly when they should be",
        lambda t: t.accuracy,
    ),
    "bad_rate": RateKind(
        "bad rate",
        "of all answers, how many broke a rule",
        lambda t: t.bad_rate,
    ),
    "judge_accuracy_given_bad": RateKind(
        "judge accuracy | bad",
        "of the answers that broke a rule, how many the weak judge did not pass",
        lambda t: t.judge_accuracy_given_bad,
    ),
    "verdict_accuracy": RateKind(
        "verdict accuracy",
        "of the single rules a confession gives a verdict on, how many verdicts are right",
        lambda t: t.verdict_accuracy,
    ),
}
"""The rates of a table, in the order they are printed."""


class CurvePoint(_Strict):
    """Measure one checkpoint during training, against the truth."""

    step: int = Field(ge=0)
    judge_pass_rate: float | None = _Share
    true_compliance: float | None = _Share
    judge_accuracy_given_bad: float | None = _Share
    confession_accuracy_given_bad: float | None = _Share
    confession_accuracy_given_good: float | None = _Share
    n_bad: int | None = Field(default=None, ge=0)
    n_good: int | None = Field(default=None, ge=0)


class RewardPoint(_Strict):
    """Give both channels' mean reward at one step; None where the step had no group of that kind."""

    step: int = Field(ge=0)
    answer: float | None = None
    confession: float | None = None


class RuleOutcome(_Strict):
    """Set what was true of one rule beside what the answer and the confession say of it."""

    text: str
    kept: bool
    claimed: bool | None = None
    verdict: bool | None = None


class GalleryItem(_Strict):
    """One real answer and its confession."""

    arm: str
    group: str
    cell: Cell
    scenario_id: str
    prompt: str
    rules: tuple[RuleOutcome, ...]
    answer: str
    confession: str
    complied: bool
    admitted: bool
    confessed: bool | None
    failure: str | None = None

    @model_validator(mode="after")
    def _cell_fits(self) -> Self:
        cells: dict[tuple[bool, bool | None], Cell] = {
            (False, True): "tp",
            (False, False): "fn",
            (False, None): "unscored_bad",
            (True, True): "fp",
            (True, False): "tn",
            (True, None): "unscored_good",
        }
        expected = cells[self.complied, self.confessed]
        if self.cell != expected:
            raise ValueError(
                f"cell is {self.cell!r}; complied={self.complied} and confessed={self.confessed} make it {expected!r}"
            )
        return self


class Run(_Strict):
    """One seed of a study: the file `result.json`."""

    schema_version: Literal[1] = Field(alias="schema")
    title: str
    command: str
    model: ModelCard
    seed: int
    config: dict[str, JsonValue] = {}
    versions: dict[str, str] = {}
    seconds: dict[str, float] = {}
    arms: tuple[str, ...] = Field(min_length=1)
    groups: tuple[str, ...] = Field(min_length=1)
    tables: tuple[Table, ...]
    curves: dict[str, tuple[CurvePoint, ...]] = {}
    rewards: dict[str, tuple[RewardPoint, ...]] = {}
    gallery: tuple[GalleryItem, ...] = ()

    @model_validator(mode="after")
    def _names_known(self) -> Self:
        seen: set[tuple[str, str]] = set()
        for table in self.tables:
            if (table.arm, table.group) in seen:
                raise ValueError(f"two tables for arm {table.arm!r}, group {table.group!r}")
            seen.add((table.arm, table.group))
        places: list[tuple[str, str]] = [(item.arm, item.group) for item in self.gallery]
        for arm, group in [*seen, *places]:
            if arm not in self.arms:
                raise ValueError(f"arm {arm!r} is none of {list(self.arms)}")
            if group not in self.groups:
                raise ValueError(f"group {group!r} is none of {list(self.groups)}")
        for arm in [*self.curves, *self.rewards]:
            if arm not in self.arms:
                raise ValueError(f"a curve's arm {arm!r} is none of {list(self.arms)}")
        return self

    def table(self, arm: str, group: str) -> Table:
        """Return the counts of one arm and group, all zero where there are none."""
        for table in self.tables:
            if (table.arm, table.group) == (arm, group):
                return table
        return Table.pool(arm, group, ())


class Summary(_Strict):
    """Several seeds of one study: the file `summary.json`."""

    schema_version: Literal[1] = Field(alias="schema")
    title: str
    command: str
    model: ModelCard
    seeds: tuple[int, ...] = Field(min_length=1)
    runs: tuple[Run, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _runs_agree(self) -> Self:
        found = tuple(run.seed for run in self.runs)
        if found != self.seeds:
            raise ValueError(f"seeds are {list(self.seeds)} but the runs have {list(found)}")
        if len(set(found)) != len(found):
            raise ValueError(f"a seed stands twice in {list(found)}")
        first = self.runs[0]
        for run in self.runs[1:]:
            for name in ("arms", "groups"):
                if getattr(run, name) != getattr(first, name):
                    raise ValueError(
                        f"the run of seed {run.seed} has {name} {list(getattr(run, name))}, "
                        f"that of seed {first.seed} has {list(getattr(first, name))}"
                    )
            if run.model != first.model:
                raise ValueError(f"the runs of seeds {first.seed} and {run.seed} are of different models")
        return self


@dataclass(frozen=True)
class Results:
    """One or several runs of a study, ready to be drawn."""

    title: str
    command: str
    model: ModelCard
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the runs' seeds."""
        return tuple(run.seed for run in self.runs)

    @property
    def arms(self) -> tuple[str, ...]:
        """Return the arms of the study, in the order they are shown."""
        return self.runs[0].arms

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the groups of prompts, in the order they are shown."""
        return self.runs[0].groups

    @property
    def trained_arms(self) -> tuple[str, ...]:
        """Return the arms that have a curve or rewards over training."""
        return tuple(a for a in self.arms if any(r.curves.get(a) or r.rewards.get(a) for r in self.runs))

    @property
    def gallery(self) -> tuple[GalleryItem, ...]:
        """Return the runs' real confessions, one run after the other."""
        return tuple(item for run in self.runs for item in run.gallery)

    def table(self, arm: str, group: str) -> Table:
        """Add up one arm's and group's counts over the seeds."""
        return Table.pool(arm, group, self.by_seed(arm, group))

    def by_seed(self, arm: str, group: str) -> tuple[Table, ...]:
        """Return one arm's and group's counts, seed by seed."""
        return tuple(run.table(arm, group) for run in self.runs)

    def curves(self, arm: str) -> tuple[tuple[CurvePoint, ...], ...]:
        """Return the arm's measured checkpoints, seed by seed, leaving out runs that have none."""
        return tuple(run.curves[arm] for run in self.runs if run.curves.get(arm))

    def rewards(self, arm: str) -> tuple[tuple[RewardPoint, ...], ...]:
        """Return the arm's logged rewards, seed by seed, leaving out runs that have none."""
        return tuple(run.rewards[arm] for run in self.runs if run.rewards.get(arm))


def parse_results(text: str, name: str = "results") -> Results:
    """Read the text of a `result.json` or a `summary.json`.

    Raises: ResultsError, naming the field, where the text is not JSON or does not fit.
    """
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise ResultsError(f"{name} is not JSON: {error}") from None
    if not isinstance(tree, dict):
        raise ResultsError(f"{name} holds a JSON {type(tree).__name__}; a results file is a JSON object")
    if tree.get("schema") != 1:
        raise ResultsError(f"{name} has schema {tree.get('schema')!r}; this version reads schema 1")
    try:
        if "runs" in tree:
            summary = Summary.model_validate_json(text)
            return Results(summary.title, summary.command, summary.model, summary.runs)
        run = Run.model_validate_json(text)
        return Results(run.title, run.command, run.model, (run,))
    except ValidationError as error:
        raise ResultsError(f"{name} does not fit: {_first_faults(error)}") from None


def results_of(tree: Mapping[str, Any]) -> Results:
    """Check a result or a summary that is still in memory, just as if it had been read from a file."""
    return parse_results(json.dumps(tree), "the result")


def read_results(path: Path | str) -> Results:
    """Read a `result.json` or a `summary.json`.

    Raises: ResultsError where the file is missing, is not JSON or does not fit.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"cannot read {path}: {error}") from None
    return parse_results(text, str(path))


def read_studies(paths: Sequence[Path | str]) -> Results:
    """Read the files of several seeds of one study, or its one summary, into one view.

    Raises: ResultsError where a file cannot be read or the files do not belong together.
    """
    if not paths:
        raise ResultsError("no results file was given")
    parts = [read_results(path) for path in paths]
    if len(parts) == 1:
        return parts[0]
    runs = tuple(sorted((run for part in parts for run in part.runs), key=lambda run: run.seed))
    first = parts[0]
    tree = {
        "schema": 1,
        "title": first.title,
        "command": first.command,
        "model": first.model.model_dump(),
        "seeds": [run.seed for run in runs],
        "runs": [run.model_dump(by_alias=True) for run in runs],
    }
    return parse_results(json.dumps(tree), " + ".join(str(path) for path in paths))


def _first_faults(error: ValidationError, limit: int = 3) -> str:
    faults = error.errors(include_url=False)
    parts = []
    for fault in faults[:limit]:
        where = ".".join(str(step) for step in fault["loc"]) or "the file"
        parts.append(f"{where}: {fault['msg'].removeprefix('Value error, ')}")
    if len(faults) > limit:
        parts.append(f"and {len(faults) - limit} more")
    return "; ".join(parts)
