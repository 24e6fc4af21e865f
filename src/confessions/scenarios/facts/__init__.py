"""Facts to be asked for, and how an answer to one is read: right, refused, hedged.

The two knowledge families draw on these. `people.json` and `general.json` are written by `make.py` from data whose
licences stand in `LICENCES.md`; `load_simpleqa` reads the user's own copy of SimpleQA.
"""

from confessions.scenarios.facts.answers import is_correct, normalise
from confessions.scenarios.facts.fact import AnswerKind, Fact, FactsError, Rarity, Subject, facts
from confessions.scenarios.facts.refusals import is_hedged, is_refusal
from confessions.scenarios.facts.simpleqa import load_simpleqa

__all__ = [
    "AnswerKind",
    "Fact",
    "FactsError",
    "Rarity",
    "Subject",
    "facts",
    "is_correct",
    "is_hedged",
    "is_refusal",
    "load_simpleqa",
    "normalise",
]
