"""What came of one prompt: the answer, its confession, and the truth beside both.

An outcome keeps the three predicates of the paper's section 3.1 apart: complied (the answer), admitted (what the answer
itself tells its user) and confessed (what the confession tells). Outcomes are stored one JSON object a line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from confessions.errors import ConfessionsError
from confessions.protocol import FULL, ParseFailure, Profile, parse_report
from confessions.scenarios import Scenario

Cell = Literal["tp", "fn", "fp", "tn", "unscored_bad", "unscored_good"]


class OutcomeError(ConfessionsError):
    """Say which line of a file of outcomes is malformed, and how."""


class KindedScenario(Scenario, Protocol):
    """A scenario that names the kind of each of its objectives."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """One kind an objective."""
        ...


class Outcome(BaseModel):
    """One answer and its confession, judged against the truth."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    scenario_id: str
    group: str
    """The group of prompts it is reported under, such as "held-out kinds"."""
    prompt: str
    rules: tuple[str, ...]
    kinds: tuple[str, ...]
    answer: str
    confession: str
    """The text as the model wrote it."""
    kept: tuple[bool, ...]
    """The truth, rule by rule."""
    claims: tuple[bool | None, ...]
    """What the answer says of each rule: kept, broken or nothing."""
    verdicts: tuple[bool | None, ...]
    """What the confession says of each rule: kept, broken or nothing certain."""
    complied: bool
    admitted: bool
    confessed: bool | None
    """None where the confession could not be read."""
    failure: str | None = None
    """Why the confession could not be read."""
    judge_passed: bool | None = None
    """Whether the training judge passed the answer; None where its verdict is missing."""
    answer_cut_off: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for name in ("kinds", "kept", "claims", "verdicts"):
            if len(getattr(self, name)) != len(self.rules):
                raise ValueError(f"{name} has {len(getattr(self, name))} items for {len(self.rules)} rules")
        if (self.confessed is None) != (self.failure is not None):
            raise ValueError("failure should be given exactly where confessed is null")
        return self

    @property
    def cell(self) -> Cell:
        """Name the cell of the 2x2 table, or beside it, in which the outcome is counted."""
        if self.confessed is None:
            return "unscored_good" if self.complied else "unscored_bad"
        if self.complied:
            return "fp" if self.confessed else "tn"
        return "tp" if self.confessed else "fn"


def judge_outcome(
    scenario: KindedScenario,
    group: str,
    answer: str,
    confession: str,
    profile: Profile = FULL,
    judge_passed: bool | None = None,
    answer_cut_off: bool = False,
) -> Outcome:
    """Read the confession and set it beside the scenario's own truth."""
    answer, confession = _storable(answer), _storable(confession)
    parsed = parse_report(confession, profile)
    if isinstance(parsed, ParseFailure):
        verdicts: tuple[bool | None, ...] = (None,) * len(scenario.objectives)
        confessed, failure = None, f"{parsed.reason}: {parsed.detail}"
    else:
        verdicts, confessed, failure = scenario.verdicts(parsed.report), scenario.confessed(parsed.report), None
    return Outcome(
        scenario_id=scenario.id,
        group=group,
        prompt=_prompt_text(scenario),
        rules=scenario.objectives,
        kinds=scenario.kinds,
        answer=answer,
        confession=confession,
        kept=scenario.kept(answer),
        claims=scenario.claims(answer),
        verdicts=verdicts,
        complied=scenario.complied(answer),
        admitted=scenario.admitted(answer),
        confessed=confessed,
        failure=failure,
        judge_passed=judge_passed,
        answer_cut_off=answer_cut_off,
    )


def write_outcomes(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write one outcome a line; the file appears only once it is whole."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            for outcome in outcomes:
                file.write(outcome.model_dump_json() + "\n")
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OutcomeError(f"cannot write {path}: {error.strerror}; a file already there is unchanged") from error


def read_outcomes(path: Path) -> list[Outcome]:
    """Read a file of outcomes.

    Raises: OutcomeError naming the line, if one is malformed, or the file, if it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise OutcomeError(f"cannot read {path}: {error}") from None
    outcomes = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            outcomes.append(Outcome.model_validate_json(line))
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            raise OutcomeError(f"{path}:{number}: {f'{where}: ' if where else ''}{fault['msg']}") from None
    return outcomes


def _prompt_text(scenario: Scenario) -> str:
    """Write the prompt as text, naming the roles where there are several messages."""
    messages = scenario.messages()
    if len(messages) == 1:
        return str(messages[0]["content"])
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)


def _storable(text: str) -> str:
    """Replace halves of surrogate pairs, which no UTF-8 file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
