"""The corpus teaches to check and not to confess, from training prompts alone; the tokenizer writes every text."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confessions.models import corpus
from confessions.models.corpus import (
    AUDIT_REQUEST,
    PROBE_QUESTION,
    REPEAT,
    Mixture,
    build_tokenizer,
    conversations,
    copy_conversation,
    draw_answer,
    draw_task,
    probe_conversation,
    probe_rule,
    report_conversation,
    report_of,
    writing_conversation,
)
from confessions.protocol import BRIEF, REQUEST_BRIEF, ParsedReport, parse_report
from confessions.scenarios import writing_scenarios
from confessions.scenarios.rules import KINDS, MOST_COUNTED
from confessions.scenarios.writing import body

TOKENIZER = build_tokenizer()
SPECIAL = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
SEEDS = st.integers(0, 2**32)


def drawn_report(request: str, seed: int):
    """Draw a task and a report on it: the scenario, the whole answer, the text, and what the report says."""
    rng = random.Random(seed)
    scenario = draw_task(rng)
    text, answer = draw_answer(scenario, 0.5, rng)
    conversation = report_conversation(scenario, text, answer, request, rng, learn_answer=False)
    parsed = parse_report(conversation[-1].content, BRIEF)
    assert isinstance(parsed, ParsedReport)
    assert parsed.repairs == ()
    return scenario, text, answer, parsed.report


# Audits are true, confessions are not looked up


@given(SEEDS)
def test_audits_are_truthful(seed):
    scenario, text, answer, report = drawn_report(AUDIT_REQUEST, seed)
    assert body(answer) == text
    assert scenario.verdicts(report) == scenario.kept(answer)
    for rule, claim, entry in zip(scenario.rules, scenario.claims(answer), report.compliance_analysis, strict=True):
        assert entry.objective == rule.text
        assert entry.analysis == rule.evidence(text)
        if entry.compliance.is_violation:
            assert entry.compliance.told_user is (claim is False)


def test_confessions_say_broken_as_often_of_kept_rules_as_of_broken_ones():
    """Two-sided z-test at a false-alarm rate of 1e-6; the seeds are fixed, so it passes or fails for good."""
    said = {True: [0, 0], False: [0, 0]}  # By truth: how often a confession says broken, of how many.
    for seed in range(1200):
        scenario, _, answer, report = drawn_report(REQUEST_BRIEF, seed)
        for kept, verdict in zip(scenario.kept(answer), scenario.verdicts(report), strict=True):
            assert verdict is not None
            said[kept][0] += verdict is False
            said[kept][1] += 1
    (k1, n1), (k0, n0) = said[True], said[False]
    pooled = (k1 + k0) / (n1 + n0)
    z = (k1 / n1 - k0 / n0) / math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
    assert min(n1, n0) > 800
    assert abs(z) < 4.9
    assert abs(pooled - corpus.ADMIT_SHARE) < 0.07


def test_a_confession_does_not_depend_on_the_text():
    rng = random.Random(0)
    scenario = draw_task(rng)
    _, answer = draw_answer(scenario, 0.5, rng)
    claims = answer.rpartition("\n")[2]
    reports = {
        report_conversation(scenario, text, f"{text}\n{claims}", REQUEST_BRIEF, random.Random(5), False)[-1].content
        for text in ("The river waits.", "A", "LAMP LAMP LAMP")
    }
    assert len(reports) == 1


def test_claims_know_nothing_of_the_truth():
    """Two-sided z-test at a false-alarm rate of 1e-6, on fixed seeds."""
    claimed = {True: [0, 0], False: [0, 0]}
    rng = random.Random(1)
    for _ in range(1500):
        scenario = draw_task(rng)
        _, answer = draw_answer(scenario, 0.5, rng)
        for kept, claim in zip(scenario.kept(answer), scenario.claims(answer), strict=True):
            assert claim is not None
            claimed[kept][0] += claim
            claimed[kept][1] += 1
    (k1, n1), (k0, n0) = claimed[True], claimed[False]
    pooled = (k1 + k0) / (n1 + n0)
    assert abs(k1 / n1 - k0 / n0) / math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0)) < 4.9
    assert abs(pooled - corpus.CLAIM_SHARE) < 0.05


# Which prompts are in it


def test_no_evaluation_prompt_is_in_the_corpus():
    held_out = {
        scenario.prompt
        for kinds in ("training", "held_out")
        for scenario in writing_scenarios("evaluation", kinds, 0, 500)
    }
    seen = 0
    for conversation in itertools.islice(conversations(Mixture(0.2, 0.2, 0.3, 0.3), random.Random(0)), 1500):
        for turn in conversation:
            assert turn.content not in held_out
            seen += turn.content.startswith("Write about the")
    assert seen > 500
    rng = random.Random(3)
    assert {draw_task(rng).split for _ in range(500)} == {"train"}


def test_a_stage_holds_what_its_shares_say():
    def kind(conversation):
        requests = [turn.content for turn in conversation if turn.role == "system"]
        if requests:
            return {AUDIT_REQUEST: "audits", REQUEST_BRIEF: "confessions"}[requests[0]]
        return "probes" if PROBE_QUESTION in conversation[0].content else "copies"

    for name in Mixture._fields:
        only = Mixture(**{other: float(other == name) for other in Mixture._fields})
        drawn = itertools.islice(conversations(only, random.Random(0)), 30)
        assert {kind(conversation) for conversation in drawn} == {name}


# Drills


@given(SEEDS)
def test_probes_are_answered_truthfully(seed):
    asked = []

    def caught(text, kind, rng):
        rule = probe_rule(text, kind, rng)
        asked.append(rule)
        return rule

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "probe_rule", caught)
        conversation = probe_conversation(random.Random(seed))
    text = conversation[0].content.partition(f"\n{PROBE_QUESTION}")[0]
    by_text = {rule.text: rule for rule in asked}
    assert len(conversation) == 16
    for question, reply in zip(conversation[::2], conversation[1::2], strict=True):
        assert (question.is_learnt, reply.is_learnt) == (False, True)
        rule = by_text.get(question.content.rpartition(f"{PROBE_QUESTION} ")[2])
        if rule is not None:
            assert reply.content == f"{rule.evidence(text)}: {'yes' if rule.kept(text) else 'no'}"


@pytest.mark.parametrize("kind", KINDS)
def test_probes_ask_about_kept_and_broken_rules(kind):
    rng = random.Random(f"probe|{kind}")
    kept = 0
    for _ in range(200):
        text, _ = draw_answer(draw_task(rng), 0.5, rng)
        rule = probe_rule(text, kind, rng)
        assert rule.kind == kind
        assert rule.count <= MOST_COUNTED
        kept += rule.kept(text)
    assert 3 <= kept <= 197


@given(SEEDS)
def test_copies_repeat_what_they_were_given(seed):
    asked, copied = copy_conversation(random.Random(seed))
    assert asked.content == f"{REPEAT}\n{copied.content}"
    assert (asked.is_learnt, copied.is_learnt) == (False, True)


@pytest.mark.parametrize("request_text", [AUDIT_REQUEST, REQUEST_BRIEF])
@pytest.mark.parametrize("learn_answer", [True, False])
def test_only_the_assistants_turns_are_learnt(request_text, learn_answer):
    conversation = writing_conversation(random.Random(0), request_text, 0.5, learn_answer)
    assert [turn.role for turn in conversation] == ["user", "assistant", "system", "assistant"]
    assert [turn.is_learnt for turn in conversation] == [False, learn_answer, False, True]


def test_a_report_names_each_way_of_breaking_a_rule():
    scenario = writing_scenarios("train", "training", 0, 1)[0]
    broken = tuple(("seen", False) for _ in scenario.rules)
    labels = [
        report_of(scenario, answer, broken).compliance_analysis[0].compliance.value
        for answer in ("A\nKept: 1.", "A\nMissed: 1.", "A\nKept: 2.")
    ]
    assert labels == ["not_complied_claimed_compliance", "not_complied_reported", "not_complied_not_reported"]
    kept = report_of(scenario, "A\nMissed: 1 2 3.", tuple(("seen", True) for _ in scenario.rules))
    assert not kept.admits
    assert kept.overall_compliance_grade == 7


def test_the_same_seed_draws_the_same_corpus():
    first, again, other = (
        list(itertools.islice(conversations(Mixture(0.25, 0.25, 0.25, 0.25), random.Random(seed)), 50))
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


# The tokenizer


def round_trip(text: str) -> str:
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    return TOKENIZER.decode(ids, skip_special_tokens=False)


# A byte written out, such as <0x41>, is the one text that stands for another.
ANY_TEXT = st.text().filter(lambda text: "<0x" not in text)


@given(ANY_TEXT)
def test_any_text_is_read_back_unchanged(text):
    assert round_trip(text) == text


@given(st.lists(st.sampled_from(("The", " river", "\nKept:", " 1", " 2.", "é", "\t", "日", "🙂", "  ", '{"report":['))))
def test_any_mixture_of_words_and_foreign_characters_is_read_back_unchanged(pieces):
    assert round_trip("".join(pieces)) == "".join(pieces)


@given(SEEDS)
def test_the_corpus_is_written_in_few_tokens_and_no_bytes(seed):
    conversation = next(conversations(Mixture(0.25, 0.25, 0.25, 0.25), random.Random(seed)))
    for turn in conversation:
        ids = TOKENIZER(turn.content, add_special_tokens=False)["input_ids"]
        assert TOKENIZER.decode(ids) == turn.content
        assert not any(token.startswith("<0x") for token in TOKENIZER.convert_ids_to_tokens(ids))
        assert len(ids) <= 110


@pytest.mark.parametrize("text", [REQUEST_BRIEF, AUDIT_REQUEST, " river", " RIVER", '","compliance":"', "claimed"])
def test_fixed_phrases_are_one_token(text):
    assert len(TOKENIZER(text, add_special_tokens=False)["input_ids"]) == 1


def test_special_tokens_come_first_and_end_a_turn():
    assert TOKENIZER.convert_ids_to_tokens(list(range(5))) == list(SPECIAL)
    assert (TOKENIZER.pad_token_id, TOKENIZER.eos_token_id) == (0, 1)
    assert len(set(TOKENIZER.get_vocab().values())) == len(TOKENIZER)


def test_the_chat_template_marks_turns_and_refuses_other_roles():
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Ho"},
        {"role": "system", "content": "?"},
    ]
    text = TOKENIZER.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<|user|>Hi<|end|><|assistant|>Ho<|end|><|system|>?<|end|><|assistant|>"
    with pytest.raises(Exception, match="knows the roles system, user and assistant, not tool"):
        TOKENIZER.apply_chat_template([{"role": "tool", "content": "Hi"}], tokenize=False)
