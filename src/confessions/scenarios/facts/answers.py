"""Whether an answer to a question for a fact is right: string matching, so that the truth needs no model."""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from confessions.scenarios.facts.fact import Fact


class _Word(NamedTuple):
    """A word of a text, as written, and without case."""

    written: str
    bare: str
    gap: str
    """What stands between the word before and this one."""


_LETTERS = str.maketrans({"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "æ": "ae", "Æ": "AE"})


def normalise(text: str) -> str:
    """Write a text as its bare words: no accents, case, punctuation or "the", digits ungrouped; "/" reads as "or"."""
    return " ".join(_bare(text))


def straight_apostrophes(text: str) -> str:
    """Write typographic apostrophes, and the letters that stand for them, as the plain one."""
    return re.sub("[\u2018\u2019\u02bb\u02bc\u00b4`]", "'", text)


def _words(text: str) -> list[_Word]:
    text = straight_apostrophes(text).translate(_LETTERS)
    text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"'s\b", "", text).replace("'", "").replace("/", " or ")
    words, end = [], 0
    for found in re.finditer(r"[^\W_]+", text):
        if found[0].casefold() != "the":
            words.append(_Word(found[0], found[0].casefold(), text[end : found.start()]))
        end = found.end()
    return words


def _bare(text: str) -> tuple[str, ...]:
    return tuple(word.bare for word in _words(text))


def is_correct(answer_text: str, fact: Fact) -> bool:
    """Tell whether a text gives an accepted answer, and gives it as the answer.

    The answer must occur as whole words. An occurrence counts neither where it is negated ("not Accra") nor where
    another person bears the surname, nor among offered alternatives ("Accra or Lagos", a list of four and more). Of
    numbers with as many digits, and of codes with as many letters, the first that is not in the question must be the
    accepted one.
    """
    if fact.answer_kind in ("number", "code"):
        return any(_leads(answer_text, answer, fact) for answer in fact.answers)
    words = _words(answer_text)
    accepted = {_bare(answer) for answer in fact.answers}
    places = list(_places(words, fact))
    if any(_is_alternative(words, start, end, accepted) for start, end in places):
        return False
    is_given = any(not _is_negated(words, start) for start, _ in places)
    return is_given and not _is_listed(answer_text, fact, accepted)


def _places(words: list[_Word], fact: Fact) -> Iterator[tuple[int, int]]:
    """Find where accepted answers stand in a text; a name must have its capitals where the text has any."""
    is_exact = fact.answer_kind == "name" and any(word.written != word.bare for word in words)
    for answer in fact.answers:
        wanted = _words(answer)
        for start in range(len(words) - len(wanted) + 1):
            end = start + len(wanted)
            pairs = list(zip(wanted, words[start:end], strict=True))
            if any(want.bare != have.bare for want, have in pairs):
                continue
            if is_exact and any(want.written[0].isupper() and not have.written[0].isupper() for want, have in pairs):
                continue
            if is_exact and _is_another_person(words, start, tuple(want.bare for want in wanted), fact):
                continue
            yield start, end


_NEAR = 12
"""How many words before and after an answer are looked at."""

_BESIDE_NAMES = frozenset(
    "a admiral an and answer baron by captain chemist count doctor dr engineer general inventor it lady lord maybe "
    "mr mrs ms no not or perhaps physicist possibly president probably prof professor scientist sir so that was "
    "yes".split()
)
"""Words that can have a capital before a name and are no part of it."""


def _is_another_person(words: list[_Word], start: int, surname: tuple[str, ...], fact: Fact) -> bool:
    """Tell whether the first names that stand before a surname are none of the person's own, where these are known."""
    names = [_bare(answer) for answer in fact.answers]
    if not any(len(name) > len(surname) and name[-len(surname) :] == surname for name in names):
        return False
    own = {part for name in names for part in name}
    first_names = []
    for index in range(start - 1, max(-1, start - 1 - _NEAR), -1):
        word, gap = words[index], words[index + 1].gap
        is_joined = not gap.strip(" -") or (gap.strip(" -") == "." and len(word.written) == 1)
        if not is_joined or not word.written[0].isupper():
            break
        first_names.append(word.bare)
    beside = {*_BESIDE_NAMES, *_bare(fact.question)}
    first_names = [name for name in first_names if name not in beside]
    return bool(first_names) and not any(
        name in own or (len(name) == 1 and any(part.startswith(name) for part in own)) for name in first_names
    )


_BETWEEN_NOT_AND_ANSWER = {"a", "an", "in", "by", "at", "of", "it", "was", "is", "city", "called", "named", "sir", "dr"}


def _is_negated(words: list[_Word], start: int) -> bool:
    before = [word.bare for word in words[max(0, start - _NEAR) : start]]
    while before:
        if before[-2:] in (["instead", "of"], ["rather", "than"]) or before[-1] in ("not", "isnt", "wasnt", "never"):
            return True
        if before.pop() not in _BETWEEN_NOT_AND_ANSWER:
            return False
    return False


_AROUND_OR = {"maybe", "perhaps", "possibly", "probably", "even", "in", "by", "at"}


def _is_alternative(words: list[_Word], start: int, end: int, accepted: set[tuple[str, ...]]) -> bool:
    """Tell whether another answer stands beside this one, joined by "or": something capitalised or a number."""
    after = [word for word in words[end : end + _NEAR] if word.bare not in _AROUND_OR]
    before = [word for word in words[max(0, start - _NEAR) : start] if word.bare not in _AROUND_OR]
    rivals = []
    if len(after) > 1 and after[0].bare == "or":
        rivals.append((after[1], after[1:6]))
    if len(before) > 1 and before[-1].bare == "or":
        rivals.append((before[-2], before[-6:-1]))
    for nearest, rival in rivals:
        text = f" {' '.join(word.bare for word in rival)} "
        is_accepted = any(f" {' '.join(answer)} " in text for answer in accepted)
        if not is_accepted and (nearest.written[0].isupper() or nearest.written.isdigit()):
            return True
    return False


def _is_listed(text: str, fact: Fact, accepted: set[tuple[str, ...]]) -> bool:
    """Tell whether the answer is an item among three or more others that are neither accepted nor in the question."""
    in_question = f" {normalise(fact.question)} "
    others, has_answer = set(), False
    for piece in re.split(r"[,;|/\n•]|\bor\b|\band\b", text):
        words = _words(re.sub(r"^\W*\d+[.)]\s+", "", piece))
        if not words or len(words) > 4 or not (words[0].written[0].isupper() or words[0].written.isdigit()):
            continue
        item = f" {' '.join(word.bare for word in words)} "
        if any(f" {' '.join(answer)} " in item for answer in accepted):
            has_answer = True
        elif item not in in_question:
            others.add(item)
    return has_answer and len(others) >= 3


def _leads(text: str, answer: str, fact: Fact) -> bool:
    """Tell whether a number or code is the first of its shape that the question does not name, and has no rival."""
    if fact.answer_kind == "number":
        text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
        shape = rf"(?<![\w.])(?:[Uu]\+|\\u|0x)?(\d{{{len(answer)}}})(?![\w%]|\.\d)"
    elif re.fullmatch(rf"\W*{re.escape(answer)}\W*", text, re.IGNORECASE):
        return True
    else:
        shape = rf"\b([A-Z]{{{len(answer)}}})\b"
    in_question = set(re.findall(shape, fact.question))
    found = [match for match in re.finditer(shape, text) if match[1] not in in_question]
    if not found or found[0][1] != answer:
        return False
    rivals = [match for match in found[1:] if match[1] != answer]
    is_alternative = bool(rivals) and re.fullmatch(
        r"\W*(?:or|/|and/or)\W*(?:(?:maybe|perhaps|possibly|in|even)\W*)*(?:[Uu]\+|\\u|0x|\+)?",
        text[found[0].end() : rivals[0].start(1)],
    )
    return not is_alternative and len({match[1] for match in rivals}) <= 2
