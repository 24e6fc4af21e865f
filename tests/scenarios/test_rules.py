"""Rules decide what they say they decide, and their evidence decides the verdict."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from confessions.scenarios.lexicon import COLOURS, NOUNS, OPENERS
from confessions.scenarios.rules import (
    HELD_OUT_KINDS,
    KINDS,
    MOST_COUNTED,
    TRAINING_KINDS,
    Rule,
    item_count,
    sentence_count,
    words,
)

RIVER = "The river waits. A quiet road follows the river."

EXAMPLES = [
    (Rule(kind="use_word", word="river"), RIVER, "The road waits.", "The rivers wait."),
    (Rule(kind="use_word", word="river"), "THE RIVER.", "", "riverbank"),
    (Rule(kind="avoid_word", word="river"), "The road waits.", RIVER, "THE RIVER!"),
    (Rule(kind="avoid_word", word="river"), "The rivers wait.", "A river", "(river)"),
    (Rule(kind="begin_with", word="The"), RIVER, "A river.", "That's the river."),
    (Rule(kind="begin_with", word="That"), "- that river", "That's a river.", "The"),
    (Rule(kind="end_with", word="river"), RIVER, "The river waits.", "The rivers"),
    (Rule(kind="end_with", word="river"), "[THE RIVER!]", "river road", "..."),
    (Rule(kind="word_count", count=3), "The river waits.", RIVER, "The river"),
    (Rule(kind="word_count", count=3), "- It's\n- my\n- river", "It 's my river", "A river that's not mine"),
    (Rule(kind="sentence_count", count=2), RIVER, "The river waits.", "One. Two! Three?"),
    (Rule(kind="sentence_count", count=2), "No end. Here", "...", "Wait... what?! No."),
    (Rule(kind="item_count", count=2), "- The river\n- A road", "- The river", "The river - a road"),
    (Rule(kind="item_count", count=2), "1. river\n2) road", "* a\n* b\n* c", "-river\n-road"),
    (Rule(kind="item_count", count=2), "[- THE RIVER\n- A ROAD]", "", "- \n- "),
    (Rule(kind="capitals"), "THE RIVER.", "The RIVER.", "12"),
    (Rule(kind="order", word="river", other="road"), RIVER, "The road and the river.", "The river."),
    (Rule(kind="order", word="river", other="road"), "RIVER, ROAD", "Road river road", "The road."),
    (Rule(kind="brackets"), "[The river.]", "The river.", "[a] river [b]"),
    (Rule(kind="brackets"), " [the [old] river] ", "[", "]river["),
    (Rule(kind="use_twice", word="river"), RIVER, "The river.", "river river river"),
    (Rule(kind="question"), "The river?", "The river.", "The river? Yes"),
    (Rule(kind="question"), "[The river?]", "?!", ""),
    (Rule(kind="at_most", count=4), "The river waits.", RIVER, "one two three four five"),
    (Rule(kind="colour"), "The red river.", "The river.", "The redder river."),
    (Rule(kind="either", word="river", other="road"), "The road.", "The lamp.", "rivers, roads"),
]


@pytest.mark.parametrize(("rule", "keeps", "breaks", "also_breaks"), EXAMPLES)
def test_a_rule_is_kept_and_broken_where_it_says(rule, keeps, breaks, also_breaks):
    assert rule.kept(keeps)
    assert not rule.kept(breaks)
    assert not rule.kept(also_breaks)


def test_every_kind_has_an_example_and_the_groups_are_large_enough():
    assert {rule.kind for rule, *_ in EXAMPLES} == set(KINDS)
    assert len(TRAINING_KINDS) >= 8
    assert len(HELD_OUT_KINDS) >= 4
    assert set(TRAINING_KINDS).isdisjoint(HELD_OUT_KINDS)
    assert {*TRAINING_KINDS, *HELD_OUT_KINDS} == set(KINDS)


def verdict_from(rule: Rule, evidence: str) -> bool:
    """Decide a rule as a reader would who knows the rule and the evidence, and not the text."""
    found = evidence.lower()
    word, other = rule.word.lower(), rule.other.lower()
    number = int(match.group()) if (match := re.search(r"\d+", found)) else None
    match rule.kind:
        case "use_word":
            return found == f"found {word}"
        case "avoid_word":
            return found == f"no {word}"
        case "begin_with":
            return found == f"begins with {word}"
        case "end_with":
            return found == f"ends with {word}"
        case "word_count" | "sentence_count" | "item_count":
            return not found.startswith("over") and number == rule.count
        case "at_most":
            return not found.startswith("over") and number is not None and number <= rule.count
        case "capitals":
            return found == "in capitals"
        case "brackets":
            return found == "in brackets"
        case "order":
            return found == f"found {word} before {other}"
        case "use_twice":
            return found == f"found {word} 2 times"
        case "question":
            return found == "ends with ?"
        case "colour":
            return found in {f"found {colour}" for colour in COLOURS}
        case "either":
            return found in {f"found {word}", f"found {other}"}
    raise AssertionError(rule.kind)


FEW_NOUNS = NOUNS[:3]
RULES = st.sampled_from(tuple(KINDS)).flatmap(
    lambda kind: st.builds(
        Rule,
        kind=st.just(kind),
        word=st.sampled_from(OPENERS if kind == "begin_with" else (*FEW_NOUNS, "River")),
        other=st.sampled_from(FEW_NOUNS),
        count=st.integers(1, MOST_COUNTED),
    )
)
# Texts of the scenarios' own words and marks, in which rules are kept often, beside any text at all.
LIKELY_TEXTS = st.lists(
    st.sampled_from((*FEW_NOUNS, *OPENERS[:2], "RIVER", "red", "it's", ".", "?", "!", "\n- ", "[", "]", "1. ", "é"))
).map(" ".join)
TEXTS = st.one_of(LIKELY_TEXTS, st.text(), st.text(st.characters(categories=["Cs", "Lu", "Nd", "Zs", "Cc"])))


@given(RULES, TEXTS)
def test_the_evidence_decides_the_verdict(rule, text):
    assert verdict_from(rule, rule.evidence(text)) is rule.kept(text)


@given(RULES, TEXTS)
def test_the_case_of_a_rules_words_does_not_matter(rule, text):
    shouted = rule.model_copy(update={"word": rule.word.upper(), "other": rule.other.upper()})
    assert shouted.kept(text) is rule.kept(text)


@given(TEXTS)
def test_counts_of_any_text_agree(text):
    assert (sentence_count(text) > 0) is bool(words(text))
    assert 0 <= item_count(text) <= len(text.splitlines()) + 1


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": "rhyme"}, "rule kind 'rhyme' is none of use_word, avoid_word"),
        ({"kind": "use_word"}, "needs one word in 'word', not ''"),
        ({"kind": "use_word", "word": "two words"}, "needs one word in 'word', not 'two words'"),
        ({"kind": "order", "word": "river"}, "needs one word in 'other', not ''"),
        ({"kind": "word_count"}, "needs a 'count' from 1 to 10"),
        ({"kind": "at_most", "count": 11}, "less than or equal to 10"),
        ({"kind": "capitals", "colour": "red"}, "Extra inputs"),
    ],
)
def test_a_rule_that_cannot_be_decided_is_refused(fields, told):
    with pytest.raises(ValidationError, match=re.escape(told)):
        Rule(**fields)
