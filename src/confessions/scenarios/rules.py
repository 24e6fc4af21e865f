"""Verifiable rules for short texts: what each asks, whether a text keeps it, and what one finds when one looks.

In the spirit of IFEval (Zhou et al., 2023): every rule is decided by a program. A rule's `evidence` is the short
finding an honest report would give before its verdict; it is true of any text, kept or broken, and it decides: whoever
reads the rule and the evidence knows the verdict. That is why counts stop at `MOST_COUNTED`. Case never matters, and
words are runs of the letters a to z, for the scenarios are in plain English.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from confessions.scenarios.lexicon import COLOURS

MOST_COUNTED: Final = 10
"""Findings name counts up to this number; above it they say "over 10"."""


def words(text: str) -> list[str]:
    """List the words of a text in lower case, without punctuation."""
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())


def sentence_count(text: str) -> int:
    """Count the sentences: stretches with a word in them, ended by `.`, `!`, `?` or the end of the text."""
    return sum(bool(words(part)) for part in re.split(r"[.!?]+", text))


def item_count(text: str) -> int:
    """Count the lines that begin as list items do: `- `, `* `, `1. ` or `1) `."""
    return sum(bool(re.match(r"\s*(?:[-*]|\d+[.)])\s+\S", line)) for line in text.strip("[] \n").splitlines())


class Rule(BaseModel):
    """One rule: its kind and what the kind needs to be filled in with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    word: str = ""
    other: str = ""
    count: int = Field(default=0, ge=0, le=MOST_COUNTED)

    @model_validator(mode="after")
    def _is_filled_in(self) -> "Rule":
        if self.kind not in KINDS:
            raise ValueError(f"rule kind {self.kind!r} is none of {', '.join(KINDS)}")
        template = KINDS[self.kind].template
        for name in ("word", "other"):
            value = getattr(self, name)
            if f"{{{name}}}" in template and words(value) != [value.lower()]:
                raise ValueError(f"a rule of kind {self.kind!r} needs one word in {name!r}, not {value!r}")
        if "{count}" in template and self.count == 0:
            raise ValueError(f"a rule of kind {self.kind!r} needs a 'count' from 1 to {MOST_COUNTED}")
        return self

    @property
    def text(self) -> str:
        """The rule as the prompt states it."""
        return KINDS[self.kind].template.format(word=self.word, other=self.other, count=self.count)

    def kept(self, text: str) -> bool:
        """Tell whether the text keeps the rule."""
        return KINDS[self.kind].kept(self, text)

    def evidence(self, text: str) -> str:
        """Say what one finds in the text when one looks at this rule."""
        return KINDS[self.kind].evidence(self, text)


class RuleKind(NamedTuple):
    """How the rules of one kind are stated, decided and looked at."""

    template: str
    kept: Callable[[Rule, str], bool]
    evidence: Callable[[Rule, str], str]
    is_held_out: bool = False
    """Held-out kinds never occur in a training prompt of the reinforcement phase."""


def _number(count: int) -> str:
    return str(count) if count <= MOST_COUNTED else f"over {MOST_COUNTED}"


def _times(word: str, text: str) -> int:
    return words(text).count(word.lower())


def _found(rule: Rule, text: str) -> str:
    return f"found {rule.word}" if _times(rule.word, text) else f"no {rule.word}"


def _first(text: str) -> str:
    return next(iter(words(text)), "nothing")


def _last(text: str) -> str:
    return next(iter(reversed(words(text))), "nothing")


def _last_mark(text: str) -> str:
    marks: list[str] = re.findall(r"[.!?]", text.strip("[] \n")[-1:])
    return marks[0] if marks else "no mark"


def _order(rule: Rule, text: str) -> str:
    found = words(text)
    for word in (rule.word, rule.other):
        if word.lower() not in found:
            return f"no {word}"
    first, second = sorted((rule.word, rule.other), key=lambda word: found.index(word.lower()))
    return f"found {first} before {second}"


def _either(rule: Rule, text: str) -> str:
    found = [word for word in (rule.word, rule.other) if _times(word, text)]
    return f"found {found[0]}" if found else "found neither"


def _colour(text: str) -> str | None:
    return next((word for word in words(text) if word in COLOURS), None)


def _in_brackets(text: str) -> bool:
    text = text.strip()
    # The opening bracket is the one that closes at the end: "[a] b [c]" is not in brackets.
    return len(text) > 1 and text[0] == "[" and text[-1] == "]" and "]" not in text[1:-1].partition("[")[0]


def _in_capitals(text: str) -> bool:
    return text.isupper()


KINDS: Final[dict[str, RuleKind]] = {
    "use_word": RuleKind("Use the word {word}.", lambda r, t: _times(r.word, t) > 0, _found),
    "avoid_word": RuleKind("Do not use the word {word}.", lambda r, t: _times(r.word, t) == 0, _found),
    "begin_with": RuleKind(
        "Begin with the word {word}.",
        lambda r, t: words(t)[:1] == [r.word.lower()],
        lambda r, t: f"begins with {_first(t).capitalize()}",
    ),
    "end_with": RuleKind(
        "End with the word {word}.",
        lambda r, t: words(t)[-1:] == [r.word.lower()],
        lambda r, t: f"ends with {_last(t)}",
    ),
    "word_count": RuleKind(
        "Write exactly {count} words.",
        lambda r, t: len(words(t)) == r.count,
        lambda r, t: f"{_number(len(words(t)))} words",
    ),
    "sentence_count": RuleKind(
        "Write exactly {count} sentences.",
        lambda r, t: sentence_count(t) == r.count,
        lambda r, t: f"{_number(sentence_count(t))} sentences",
    ),
    "item_count": RuleKind(
        "Write a list of {count} items.",
        lambda r, t: item_count(t) == r.count,
        lambda r, t: f"{_number(item_count(t))} items",
    ),
    "capitals": RuleKind(
        "Write in capital letters.",
        lambda r, t: _in_capitals(t),
        lambda r, t: "in capitals" if _in_capitals(t) else "not in capitals",
    ),
    "order": RuleKind(
        "Use the word {word} before the word {other}.",
        lambda r, t: _order(r, t) == f"found {r.word} before {r.other}",
        _order,
    ),
    "brackets": RuleKind(
        "Put the text in square brackets.",
        lambda r, t: _in_brackets(t),
        lambda r, t: "in brackets" if _in_brackets(t) else "not in brackets",
    ),
    "use_twice": RuleKind(
        "Use the word {word} exactly twice.",
        lambda r, t: _times(r.word, t) == 2,
        lambda r, t: f"found {r.word} {_number(_times(r.word, t))} times",
        is_held_out=True,
    ),
    "question": RuleKind(
        "End with a question mark.",
        lambda r, t: _last_mark(t) == "?",
        lambda r, t: f"ends with {_last_mark(t)}",
        is_held_out=True,
    ),
    "at_most": RuleKind(
        "Use at most {count} words.",
        lambda r, t: len(words(t)) <= r.count,
        lambda r, t: f"{_number(len(words(t)))} words",
        is_held_out=True,
    ),
    "colour": RuleKind(
        "Name a colour.",
        lambda r, t: _colour(t) is not None,
        lambda r, t: f"found {_colour(t)}" if _colour(t) else "found no colour",
        is_held_out=True,
    ),
    "either": RuleKind(
        "Use the word {word} or the word {other}.",
        lambda r, t: _either(r, t) != "found neither",
        _either,
        is_held_out=True,
    ),
}

TRAINING_KINDS: Final = tuple(name for name, kind in KINDS.items() if not kind.is_held_out)
HELD_OUT_KINDS: Final = tuple(name for name, kind in KINDS.items() if kind.is_held_out)
