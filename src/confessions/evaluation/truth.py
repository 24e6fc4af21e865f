"""Where the truth about an answer comes from: the family's program, a grader model, or the task's own score.

For a task with an ordinary score the rule is stated and logged. By default an answer complied if its score is correct:
"C", True and numbers of at least the threshold (0.5) are yes; "I", "N" (no answer), False and smaller numbers are no;
"P" (partly correct) is neither; a score that is missing or not a number is unscored.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from confessions.errors import ConfessionsError
from confessions.evaluation.predicates import Complied

Source = Literal["auto", "program", "grader", "score", "logged"]

_OPERATORS: Final = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_SPEC = re.compile(
    r"score(?::(?P<name>[^:<>=]+?)(?::(?P<key>[^<>=]+?))?)?\s*(?:(?P<op>>=|<=|>|<)\s*(?P<threshold>\S+))?"
)


class TruthError(ConfessionsError):
    """Say what is wrong with where the truth should come from."""


@dataclass(frozen=True)
class Truth:
    """Where an answer's compliance is read from."""

    source: Source
    score: str | None = None
    """The scorer whose score decides; None is the task's first."""
    key: str | None = None
    """The key of its value, where that is a mapping."""
    comparison: str = ">="
    threshold: float = 0.5

    @classmethod
    def parse(cls, spec: str) -> Truth:
        """Read `auto`, `program`, `grader`, `logged`, or `score[:SCORER[:KEY]][>=NUMBER]`.

        Raises: TruthError if it is none of these.
        """
        if spec in ("auto", "program", "grader", "logged"):
            return cls(spec)  # type: ignore[arg-type]
        found = _SPEC.fullmatch(spec.strip())
        if found is None:
            raise TruthError(
                f"truth {spec!r} is none of auto, program, grader, logged and score[:SCORER[:KEY]][>=NUMBER], "
                'such as "score:includes" or "score:refusal:rate<=0.2"'
            )
        threshold = 0.5
        if found["threshold"] is not None:
            try:
                threshold = float(found["threshold"])
            except ValueError:
                raise TruthError(f"truth {spec!r} compares with {found['threshold']!r}, which is no number") from None
        return cls("score", found["name"], found["key"], found["op"] or ">=", threshold)

    def __str__(self) -> str:
        """Write it as it is read and logged."""
        if self.source != "score":
            return self.source
        name = "" if self.score is None else f":{self.score}"
        key = "" if self.key is None else f":{self.key}"
        return f"score{name}{key}{self.comparison}{self.threshold:g}"

    def complied(self, scores: Mapping[str, Any]) -> tuple[Complied, str]:
        """Derive compliance from a sample's score values by scorer name; also say in a sentence what decided it.

        Raises: TruthError if there is no such scorer or key: no sample could have a verdict.
        """
        if not scores:
            raise TruthError(
                "the task has no scorer of its own, so its score cannot say whether an answer complied: use a grader "
                "(truth=grader, with --model-role grader=PROVIDER/MODEL)"
            )
        name = next(iter(scores)) if self.score is None else self.score
        if name not in scores:
            raise TruthError(f"there is no score {name!r}; the task's scorers are {', '.join(scores)}")
        value = scores[name]
        if isinstance(value, Mapping):
            if self.key is None or self.key not in value:
                wanted = "a key is needed" if self.key is None else f"there is no key {self.key!r}"
                raise TruthError(f"the score {name!r} has several values, {', '.join(value)}: {wanted}")
            value = value[self.key]
        elif self.key is not None and not _is_missing(value):
            raise TruthError(f"the score {name!r} is a single value, without the key {self.key!r}")
        return self._of_value(value), f"{name} is {value!r}"

    def _of_value(self, value: Any) -> Complied:
        if _is_missing(value):
            return "unscored"
        if isinstance(value, str):
            letters: dict[str, Complied] = {"C": "yes", "I": "no", "N": "no", "P": "neither"}
            if value in letters:
                return letters[value]
            words = {"true": 1.0, "yes": 1.0, "correct": 1.0, "false": 0.0, "no": 0.0, "incorrect": 0.0}
            try:
                value = words[value.lower()] if value.lower() in words else float(value)
            except ValueError:
                return "unscored"
        if not isinstance(value, bool | int | float) or math.isnan(value):
            return "unscored"
        return "yes" if _OPERATORS[self.comparison](float(value), self.threshold) else "no"


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
