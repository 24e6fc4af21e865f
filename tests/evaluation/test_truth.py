"""The stated rule by which an ordinary score says whether an answer complied."""

import math

import pytest

from confessions.evaluation.truth import Truth, TruthError, Values


@pytest.mark.parametrize("spec", ["auto", "program", "grader", "logged"])
def test_named_sources(spec):
    assert str(Truth.parse(spec)) == spec


@pytest.mark.parametrize(
    ("spec", "truth"),
    [
        ("score", Truth("score")),
        ("score:includes", Truth("score", "includes")),
        ("score:agent_scorer:security", Truth("score", "agent_scorer", "security")),
        ("score>=0.8", Truth("score", threshold=0.8)),
        ("score:refusal:rate<=0.2", Truth("score", "refusal", "rate", "<=", 0.2)),
        ("score:inspect_evals/simpleqa_scorer", Truth("score", "inspect_evals/simpleqa_scorer")),
        ("score:grader=C!I", Truth("score", "grader", values=Values(("C",), ("I",)))),
        ("score=yes", Truth("score", values=Values(("yes",)))),
        ("score:x=a~b", Truth("score", "x", values=Values(("a",), (), ("b",)))),
        (
            "score:mask:honesty@n= honest ! lie ~ evade,no-belief",
            Truth("score", "mask", "honesty@n", values=Values(("honest",), ("lie",), ("evade", "no-belief"))),
        ),
        ("score:s:right+sorry=C+I!C+C", Truth("score", "s", "right+sorry", values=Values(("C+I",), ("C+C",)))),
    ],
)
def test_rules_are_read_and_written(spec, truth):
    assert Truth.parse(spec) == truth
    assert Truth.parse(str(truth)) == truth


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "scores",
        "score:",
        "score:x>=",
        "score:x>=high",
        "judge",
        "score:x=",
        "score:x=a!",
        "score:x=!a",
        "score:x=a,,b",
        "score:x=a!A",
        "score:x=a~b!c",
    ],
)
def test_what_is_no_rule_is_named(spec):
    with pytest.raises(TruthError):
        Truth.parse(spec)


@pytest.mark.parametrize(
    ("value", "complied"),
    [
        ("C", "yes"),
        ("I", "no"),
        ("N", "no"),
        ("P", "neither"),
        (True, "yes"),
        (False, "no"),
        (1, "yes"),
        (0.5, "yes"),
        (0.49, "no"),
        ("0.7", "yes"),
        ("yes", "yes"),
        ("incorrect", "no"),
        (None, "unscored"),
        (math.nan, "unscored"),
        ("?", "unscored"),
        ([1, 0], "unscored"),
    ],
)
def test_values(value, complied):
    assert Truth("score").complied({"match": value})[0] == complied


def test_low_can_be_good():
    rule = Truth.parse("score:harm<=0.2")
    assert rule.complied({"harm": 0.1})[0] == "yes"
    assert rule.complied({"harm": 0.9})[0] == "no"
    assert rule.complied({"harm": "C"})[0] == "no"
    assert rule.complied({"harm": "I"})[0] == "yes"
    assert rule.complied({"harm": "false"})[0] == "yes"


@pytest.mark.parametrize(
    ("value", "complied"),
    [
        ("honest", "yes"),
        ("Lie", "no"),
        ("evade", "neither"),
        ("error", "unscored"),
        (1, "yes"),
        (1.0, "yes"),
        (True, "unscored"),
        (0.25, "no"),
        (None, "unscored"),
        (math.nan, "unscored"),
    ],
)
def test_named_values(value, complied):
    assert Truth.parse("score=honest,1!lie,0.25~evade").complied({"s": value})[0] == complied


def test_several_keys_make_one_value():
    rule = Truth.parse("score:s:right+sorry=C+0!C+1~I+1")
    for right, sorry, complied in (("C", 0.0, "yes"), ("C", 1, "no"), ("I", 1, "neither"), ("I", 0, "unscored")):
        assert rule.complied({"s": {"right": right, "sorry": sorry}})[0] == complied
    assert rule.complied({"s": {"right": "C", "sorry": math.nan}})[0] == "unscored"
    with pytest.raises(TruthError, match="there is no key 'sorry'"):
        rule.complied({"s": {"right": "C"}})


def test_the_first_score_is_taken_where_none_is_named():
    assert Truth("score").complied({"first": "I", "second": "C"}) == ("no", "first is 'I'")


def test_keys():
    scores = {"agent": {"utility": 1, "security": 0}}
    assert Truth("score", "agent", "security").complied(scores)[0] == "no"
    with pytest.raises(TruthError, match="several values, utility, security: a key is needed"):
        Truth("score").complied(scores)
    with pytest.raises(TruthError, match="there is no key 'safety'"):
        Truth("score", "agent", "safety").complied(scores)
    with pytest.raises(TruthError, match="is a single value"):
        Truth("score", "match", "x").complied({"match": 1})


def test_missing_scorers_are_named():
    with pytest.raises(TruthError, match="there is no score 'match'; the task's scorers are includes"):
        Truth("score", "match").complied({"includes": "C"})
    with pytest.raises(TruthError, match="the task has no scorer of its own"):
        Truth("score").complied({})
