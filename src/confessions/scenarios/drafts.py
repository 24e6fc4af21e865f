"""Drafts by program: short texts that aim to keep a chosen subset of a scenario's rules.

They are what the embedded default is pre-trained on. A draft's truth is always read off the finished text by the
rules themselves, so an aim that could not be met costs balance, never correctness.
"""

import random
from dataclasses import dataclass, field

from confessions.scenarios.lexicon import (
    ADJECTIVES,
    COLOURS,
    INTRANSITIVE_VERBS,
    NOUNS,
    OPENERS,
    PREPOSITIONS,
    TRANSITIVE_VERBS,
)
from confessions.scenarios.rules import Rule

# Sentences by their number of words; the last word is a noun wherever the pattern allows one.
_PATTERNS = {
    3: ("O N i",),
    4: ("O A N i", "O N v N"),
    5: ("O N v the N", "O N i P N"),
    6: ("O A N v the N", "O N v the A N", "O N i P the N"),
    7: ("O A N v the A N", "O N v the N P N"),
    8: ("O N v the N P the N", "O A N i P the A N"),
    9: ("O A N v the N P the N", "O N v the A N P the N"),
    10: ("O A N v the A N P the N",),
}
_ITEMS = {2: ("O N",), 3: ("O A N",), 4: ("O N P N",), 5: ("O A N P N",)}


@dataclass
class _Plan:
    opener: str | None = None
    last: str | None = None
    inside: list[str] = field(default_factory=list)
    """Nouns to place, in this order."""
    words: int | None = None
    sentences: int | None = None
    items: int | None = None
    capitals: bool = False
    brackets: bool = False
    question: bool = False
    colour: bool | None = None


def write_draft(rules: tuple[Rule, ...], aims: tuple[bool, ...], rng: random.Random, topic: str | None = None) -> str:
    """Write a text that aims to keep exactly the rules whose aim is True."""
    plan = _Plan()
    avoid = {word for rule in rules for word in (rule.word, rule.other)}
    nouns = [noun for noun in NOUNS if noun not in avoid]
    if topic is not None and rng.random() < 0.4:
        plan.inside.append(topic)
    for rule, aim in zip(rules, aims, strict=True):
        _aim_at(plan, rule, aim, rng, nouns)
    text = _list(plan, rng, nouns) if plan.items is not None else _sentences(plan, rng, nouns)
    if plan.capitals:
        text = text.upper()
    return f"[{text}]" if plan.brackets else text


def _aim_at(plan: _Plan, rule: Rule, aim: bool, rng: random.Random, nouns: list[str]) -> None:
    """Change the plan so that its text keeps (or breaks) one rule; broken ones are near misses where there are any."""
    match rule.kind:
        case "use_word" if aim:
            plan.inside.append(rule.word)
        case "avoid_word" if not aim:
            plan.inside.append(rule.word)
        case "begin_with":
            plan.opener = rule.word if aim else rng.choice([opener for opener in OPENERS if opener != rule.word])
        case "end_with":
            plan.last = rule.word if aim else rng.choice(nouns)
            if not aim and rng.random() < 0.4:
                plan.inside.append(rule.word)
        case "word_count":
            plan.words = rule.count if aim else max(3, rule.count + rng.choice((-2, -1, -1, 1, 1, 2)))
            if plan.words == rule.count and not aim:
                plan.words += 1
        case "at_most":
            fewest = min(max(3, rule.count - 3), rule.count)
            plan.words = rng.randint(fewest, rule.count) if aim else rule.count + rng.randint(1, 3)
        case "sentence_count":
            plan.sentences = rule.count if aim else max(1, rule.count + rng.choice((-1, 1)))
        case "item_count":
            plan.items = rule.count if aim else max(1, rule.count + rng.choice((-1, 1)))
            if not aim and rng.random() < 0.15:
                plan.items = None
        case "capitals":
            plan.capitals = aim
        case "brackets":
            plan.brackets = aim
        case "order":
            pair = [rule.word, rule.other]
            if not aim:
                pair = rng.choice(([rule.other, rule.word], [rule.other, rule.word], [rule.word], [rule.other], []))
            plan.inside.extend(pair)
        case "use_twice":
            plan.inside.extend([rule.word] * (2 if aim else rng.choice((0, 1, 1, 3))))
        case "question":
            plan.question = aim
        case "colour":
            plan.colour = aim
        case "either":
            chosen = rng.choice(([rule.word], [rule.other], [rule.word, rule.other]))
            plan.inside.extend(chosen if aim else [])


def _sentences(plan: _Plan, rng: random.Random, nouns: list[str]) -> str:
    if plan.words is not None:
        lengths = _split_words(plan.words, plan.sentences, rng)
    else:
        count = plan.sentences or rng.choice((1, 1, 2))
        lengths = [rng.choice((3, 4, 5) if count > 1 else (4, 5, 6, 7)) for _ in range(count)]
        # Room for every noun that has to stand somewhere.
        while sum(_slots(length) for length in lengths) < len(plan.inside) + (plan.last is not None):
            shortest = min(range(len(lengths)), key=lengths.__getitem__)
            if lengths[shortest] >= 10:
                break
            lengths[shortest] += 1
    patterns = [rng.choice(_PATTERNS[length]) for length in lengths]
    if plan.last is not None:
        endings = [pattern for pattern in _PATTERNS[lengths[-1]] if pattern.endswith("N")]
        patterns[-1] = rng.choice(endings or ["O N " + ("A " * (lengths[-1] - 3)) + "N"])
    marks = ["."] * len(patterns)
    if plan.question or (rng.random() < 0.08):
        marks[-1] = "?" if plan.question else "!"
    texts = _fill(patterns, plan, rng, nouns)
    return " ".join(text + mark for text, mark in zip(texts, marks, strict=True))


def _slots(length: int) -> int:
    return min(pattern.count("N") for pattern in _PATTERNS[length])


def _split_words(total: int, sentences: int | None, rng: random.Random) -> list[int]:
    """Split a number of words into sentences of three to ten."""
    count = sentences or (2 if total > 10 or (total >= 7 and rng.random() < 0.3) else 1)
    while count > 1 and total < 3 * count:
        count -= 1
    lengths = [3] * count
    lengths[0] = min(3, total) if count > 1 else total
    for _ in range(total - sum(lengths)):
        lengths[rng.randrange(count)] += 1
    return [min(max(length, 3), 10) for length in lengths]


def _list(plan: _Plan, rng: random.Random, nouns: list[str]) -> str:
    count = plan.items or 1
    lengths = [rng.choice((2, 2, 3, 4)) for _ in range(count)]
    needed = len(plan.inside) + (plan.last is not None)
    while needed > sum(pattern.count("N") for length in lengths for pattern in _ITEMS[length][:1]) and 2 in lengths:
        lengths[lengths.index(2)] = 4
    return "\n".join("- " + text for text in _fill([_ITEMS[length][0] for length in lengths], plan, rng, nouns))


def _fill(patterns: list[str], plan: _Plan, rng: random.Random, nouns: list[str]) -> list[str]:
    """Put words into the patterns: the wanted nouns in their order at random places, others around them."""
    slots = [(row, column) for row, p in enumerate(patterns) for column, part in enumerate(p.split()) if part == "N"]
    fixed: dict[tuple[int, int], str] = {}
    if plan.last is not None and slots:
        fixed[slots.pop()] = plan.last
    wanted = plan.inside[: len(slots)]
    for slot, word in zip(sorted(rng.sample(slots, len(wanted))), wanted, strict=True):
        fixed[slot] = word
    adjectives = [*ADJECTIVES, *COLOURS] if plan.colour is None else list(ADJECTIVES)
    texts = []
    for row, pattern in enumerate(patterns):
        parts = []
        for column, part in enumerate(pattern.split()):
            match part:
                case "O":
                    parts.append(plan.opener if row == 0 and plan.opener else rng.choice(OPENERS))
                case "N":
                    parts.append(fixed.get((row, column)) or rng.choice(nouns))
                case "A":
                    parts.append(rng.choice(COLOURS if plan.colour and rng.random() < 0.6 else adjectives))
                case "v":
                    parts.append(rng.choice(TRANSITIVE_VERBS))
                case "i":
                    parts.append(rng.choice(INTRANSITIVE_VERBS))
                case "P":
                    parts.append(rng.choice(PREPOSITIONS))
                case _:
                    parts.append(part)
        texts.append(" ".join(parts))
    if plan.colour and not any(colour in text.split() for text in texts for colour in COLOURS):
        # No adjective slot came up: the opener's place takes the colour after it where the length is free.
        if plan.words is None:
            first = texts[0].split(" ")
            texts[0] = " ".join([first[0], rng.choice(COLOURS), *first[1:]])
        else:
            texts[0] = " ".join([*texts[0].split(" ")[:-2], rng.choice(COLOURS), texts[0].split(" ")[-1]])
    return texts
