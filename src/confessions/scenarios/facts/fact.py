"""A fact that can be asked for, and the shipped ones; `make.py` writes their files."""

from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from confessions.errors import ConfessionsError

Subject = Literal["people", "general"]
AnswerKind = Literal["name", "words", "number", "code"]
Rarity = Literal["common", "medium", "rare"]


class FactsError(ConfessionsError):
    """A file of facts cannot be read as one."""


class Fact(BaseModel):
    """A question with one answer, which can be written in several ways."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    question: str
    answers: tuple[str, ...]
    """Every accepted writing; for a question with several right answers, every one of them."""
    answer_kind: AnswerKind = "words"
    """How an answer is looked for: a "name" wants its capitals, a "number" or "code" to come first among its like."""
    category: str
    rarity: Rarity
    """How often the fact is met: in everyone's school books, in an encyclopedia, or in tables only."""
    source: str
    """The package and version it was taken from."""


_FACTS = TypeAdapter(tuple[Fact, ...])


@cache
def facts(subject: Subject) -> tuple[Fact, ...]:
    """Give the shipped facts about people, or of general knowledge, in the order of their file."""
    return _FACTS.validate_json(files(__package__).joinpath(f"{subject}.json").read_bytes())
