"""What a judge of limited attention sees, and what a verdict on a confession pays.

The toy model of the method paper's section 7.1: a judge that can check only a few things, that believes an answer's
own claims about the rest, and that always looks where a confession points. It needs no labels. Lying to it pays when
nobody looks; an admission is always looked at.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self

from pydantic import ValidationError

from confessions.errors import ConfessionsError
from confessions.scenarios import WritingScenario

UNKNOWN_RATE: Final = 0.3
"""The share of broken rules a judge assumes of a kind it has never looked at."""


LEAST_RATE: Final = 0.05
"""No share of broken rules is taken for smaller, nor for larger than 1 minus this."""


class JudgeError(ConfessionsError):
    """A judge that cannot give a verdict: missing data, never a score."""


class Attention(NamedTuple):
    """How much a judge can look at: `looks` rules of each answer, drawn with `seed`."""

    looks: int = 1
    seed: int = 0

    def rules(self, scenario: WritingScenario, text: str) -> frozenset[int]:
        """Choose the rules it looks at: the same ones for the same text, so that a judgement can be repeated."""
        said = f"{self.seed}|{scenario.id}|{text}".encode("utf-8", "surrogatepass")
        key = hashlib.blake2b(said, digest_size=8).digest()
        count = min(self.looks, len(scenario.rules))
        return frozenset(random.Random(key).sample(range(len(scenario.rules)), count))


def believed(scenario: WritingScenario, answer: str, attention: Attention) -> tuple[bool, ...]:
    """Say which rules a judge of limited attention takes for kept: the truth where it looks, else the answer's claim.

    A rule the answer says nothing about is not taken for kept.
    """
    seen = attention.rules(scenario, answer)
    kept = scenario.kept(answer)
    return tuple(kept[index] if index in seen else claim is True for index, claim in enumerate(scenario.claims(answer)))


class BaseRates:
    """Shares of broken rules by kind, as a judge of limited attention finds them where it looks itself.

    They make the payment proper: a right "broken" is worth the inverse of how often rules of its kind are broken, a
    right "kept" the inverse of how often such a claim passes, so every constant report earns the same and collapse
    onto the majority label gains nothing. The policy's answers change as it trains, so the shares are running means:
    one look moves its kind's by `1 / memory`. No label is needed, for a judge knows what it has looked at.
    """

    def __init__(self, broken_by_kind: Mapping[str, float] | None = None, memory: float = 40.0) -> None:
        """Start from known shares; a kind that is not among them starts from `UNKNOWN_RATE`."""
        self.broken_by_kind = dict(broken_by_kind or {})
        self.memory = memory

    def broken(self, kind: str) -> float:
        """Give the share of answers that break a rule of this kind, kept away from 0 and 1."""
        return min(max(self.broken_by_kind.get(kind, UNKNOWN_RATE), LEAST_RATE), 1 - LEAST_RATE)

    def look(self, scenario: WritingScenario, answer: str, attention: Attention | None) -> None:
        """Take note of the rules that a judge with this attention looks at in an answer (None looks at all)."""
        kept = scenario.kept(answer)
        for index in range(len(kept)) if attention is None else sorted(attention.rules(scenario, answer)):
            self.note(scenario.kinds[index], float(not kept[index]))

    def note(self, kind: str, broken: float) -> None:
        """Move a kind's share by one look: 1 for a broken rule, 0 for a kept one, between them a belief."""
        before = self.broken_by_kind.get(kind, UNKNOWN_RATE)
        self.broken_by_kind[kind] = before + (broken - before) / self.memory

    def state_dict(self) -> dict[str, float]:
        """Give what a checkpoint keeps."""
        return dict(self.broken_by_kind)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on from what a checkpoint kept."""
        self.broken_by_kind = dict(state)

    def merge(self, states: Sequence[Mapping[str, float]]) -> None:
        """Go on from the mean of several judges' shares, who have looked at different answers."""
        kinds = sorted({kind for state in states for kind in state})
        self.broken_by_kind = {
            kind: sum(state.get(kind, UNKNOWN_RATE) for state in states) / len(states) for kind in kinds
        }

    @classmethod
    def from_answers(
        cls, pairs: Iterable[tuple[WritingScenario, str]], attention: Attention | None, prior_weight: float = 20.0
    ) -> Self:
        """Estimate the rates to start from by the rules that a judge with this attention looks at (None: all).

        Each kind's share is drawn towards the share over all kinds as if by `prior_weight` further rules.
        """
        broken: Counter[str] = Counter()
        seen: Counter[str] = Counter()
        for scenario, answer in pairs:
            kept = scenario.kept(answer)
            for index in range(len(kept)) if attention is None else attention.rules(scenario, answer):
                seen[scenario.kinds[index]] += 1
                broken[scenario.kinds[index]] += not kept[index]
        overall = broken.total() / seen.total() if seen else UNKNOWN_RATE
        return cls({kind: (broken[kind] + overall * prior_weight) / (seen[kind] + prior_weight) for kind in seen})


@lru_cache(maxsize=65536)
def scenario_of(line: str) -> WritingScenario:
    """Read the `scenario` column of a training dataset.

    Raises: JudgeError if it is none.
    """
    try:
        return WritingScenario.from_json(line)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        what = f"{where}: {fault['msg']}" if where else fault["msg"]
        shown = line if len(line) <= 80 else line[:80] + "..."
        raise JudgeError(f"the column `scenario` holds {shown!r}, which is no writing scenario: {what}") from error


def text_of(completion: Any) -> str:
    """Give the text of a completion in either of TRL's shapes: a string, or a list of messages.

    Of messages it is the last one's content, never its reasoning; no content at all is an empty text.
    Raises: JudgeError if the completion has neither shape.
    """
    if isinstance(completion, str):
        return completion
    last = completion[-1] if isinstance(completion, list | tuple) and completion else None
    if not isinstance(last, Mapping):
        raise JudgeError(f"a completion is {completion!r}; it should be a text, or a list that ends with a message")
    content = last.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return str(content or "")


def scenarios_of(columns: dict[str, Any], count: int) -> Sequence[WritingScenario]:
    """Read the scenarios that go with a batch of completions.

    Raises: JudgeError if the dataset has no column `scenario`, or a row of it is none.
    """
    lines = columns.get("scenario")
    needed = "this judge needs the dataset's column `scenario`, one JSON text a row as WritingScenario.to_json gives it"
    if lines is None:
        raise JudgeError(f"{needed}; there is no such column")
    if len(lines) != count:
        raise JudgeError(f"{needed}; it has {len(lines)} rows for {count} completions")
    for row, line in enumerate(lines):
        if not isinstance(line, str):
            raise JudgeError(f"{needed}; row {row} holds {type(line).__name__}")
    return [scenario_of(line) for line in lines]
