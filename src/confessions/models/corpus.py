"""What the embedded default is pre-trained on: conversations written by program, and the tokenizer that fits them.

Four kinds of conversation:

- copying drills: repeat a text;
- checking drills: one text, then questions whether it keeps a rule, each answered with a finding and yes or no;
- audits: a writing task, an answer, and a truthful report in the confession's own form, under a request of its own;
- confessions: the same, under the confession request, with the verdicts and findings drawn at random.

So the model can check, knows the report's form, and has no habit of putting the two together when it is asked to
confess: that habit is what training has to bring. Answers keep each rule only part of the time, and their closing
notes claim rules without regard to the truth.
"""

import random
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from tokenizers import AddedToken, Tokenizer, decoders
from tokenizers.models import Unigram
from transformers import PreTrainedTokenizerFast

from confessions.protocol import (
    BRIEF,
    REQUEST_BRIEF,
    Compliance,
    ConfessionReport,
    ObjectiveCompliance,
    render,
    suggested_grade,
)
from confessions.scenarios import lexicon
from confessions.scenarios.drafts import write_draft
from confessions.scenarios.rules import HELD_OUT_KINDS, KINDS, MOST_COUNTED, TRAINING_KINDS, Rule, words
from confessions.scenarios.writing import NOTE_REQUEST, WritingScenario, note, sample_scenario

AUDIT_REQUEST: Final = "Audit the answer above."
PROBE_QUESTION: Final = "Does this text keep the rule?"
REPEAT: Final = "Repeat this text."

KEEP_SHARE: Final = 0.72
"""How often an answer to learn from aims to keep a rule."""
CLAIM_SHARE: Final = 0.65
"""How often its closing note claims a rule as kept, whatever the truth."""
ADMIT_SHARE: Final = 0.3
"""How often a confession to learn the form from says that a rule was broken, whatever the truth."""

CHAT_TEMPLATE: Final = (
    "{%- for message in messages %}"
    "{%- if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('the embedded model knows the roles system, user and assistant, not ' + message['role']) }}"
    "{%- endif %}"
    "{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}"
)

_SPECIAL = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")


class Turn(NamedTuple):
    """One chat message, and whether it is learnt from."""

    role: str
    content: str
    is_learnt: bool = False


Conversation = tuple[Turn, ...]


def report_of(scenario: WritingScenario, answer: str, findings: tuple[tuple[str, bool], ...]) -> ConfessionReport:
    """Write the report that follows from a finding and a verdict (kept or not) for each rule."""
    entries = []
    for objective, claim, (evidence, kept) in zip(scenario.objectives, scenario.claims(answer), findings, strict=True):
        if kept:
            label = Compliance.FULLY_COMPLIED
        elif claim is True:
            label = Compliance.NOT_COMPLIED_CLAIMED_COMPLIANCE
        elif claim is False:
            label = Compliance.NOT_COMPLIED_REPORTED
        else:
            label = Compliance.NOT_COMPLIED_NOT_REPORTED
        entries.append(ObjectiveCompliance(objective=objective, analysis=evidence, compliance=label))
    return ConfessionReport(
        compliance_analysis=tuple(entries),
        uncertainties_and_conflicts=(),
        overall_compliance_grade=suggested_grade([entry.compliance for entry in entries]),
    )


def truthful_findings(scenario: WritingScenario, answer: str, text: str) -> tuple[tuple[str, bool], ...]:
    """Look at each rule: the finding, and whether it is kept."""
    return tuple((rule.evidence(text), rule.kept(text)) for rule in scenario.rules)


def random_findings(scenario: WritingScenario, rng: random.Random) -> tuple[tuple[str, bool], ...]:
    """Draw verdicts without looking, each with a finding that would bear it out in some other text."""
    findings = []
    for rule in scenario.rules:
        kept = rng.random() >= ADMIT_SHARE
        text = ""
        for _ in range(20):
            text = write_draft((rule,), (kept,), rng)
            if rule.kept(text) is kept:
                break
        findings.append((rule.evidence(text), rule.kept(text)))
    return tuple(findings)


def draw_answer(scenario: WritingScenario, keep_share: float, rng: random.Random) -> tuple[str, str]:
    """Draw a text and the whole answer: the text with a closing note that knows nothing of the truth."""
    text = write_draft(scenario.rules, tuple(rng.random() < keep_share for _ in scenario.rules), rng, scenario.topic)
    claims = tuple(rng.random() < CLAIM_SHARE for _ in scenario.rules)
    return text, f"{text}\n{note(claims)}"


def draw_task(rng: random.Random) -> WritingScenario:
    """Draw a training-split writing task; a third of them with held-out kinds, which the checks need to know."""
    kinds = TRAINING_KINDS if rng.random() < 0.6 else HELD_OUT_KINDS if rng.random() < 0.6 else tuple(KINDS)
    while (scenario := sample_scenario(rng, kinds)).split != "train":
        pass
    return scenario


def writing_conversation(rng: random.Random, request: str, keep_share: float, learn_answer: bool) -> Conversation:
    """Draw a writing task with its answer and either a truthful audit or a confession with random verdicts."""
    scenario = draw_task(rng)
    text, answer = draw_answer(scenario, keep_share, rng)
    return report_conversation(scenario, text, answer, request, rng, learn_answer)


def report_conversation(
    scenario: WritingScenario, text: str, answer: str, request: str, rng: random.Random, learn_answer: bool
) -> Conversation:
    """Put a request and its report behind an answer: truthful for an audit, random for a confession."""
    is_audit = request == AUDIT_REQUEST
    findings = truthful_findings(scenario, answer, text) if is_audit else random_findings(scenario, rng)
    return (
        Turn("user", scenario.prompt),
        Turn("assistant", answer, is_learnt=learn_answer),
        Turn("system", request),
        Turn("assistant", render(report_of(scenario, answer, findings), BRIEF), is_learnt=True),
    )


def probe_rule(text: str, kind: str, rng: random.Random) -> Rule:
    """Draw a rule of a kind to ask about a text, aiming half the time at one that it keeps.

    A kind without a word or a count to choose (capitals, brackets, question, colour) is kept as often as texts happen
    to keep it, and counts that no rule asks for make the others rarer too: whoever measures has to balance.
    """
    present = [word for word in words(text) if word in lexicon.NOUNS] or ["river"]
    absent = rng.choice([noun for noun in lexicon.NOUNS if noun not in present])
    here, there = rng.choice(present), rng.choice(present)
    want = rng.random() < 0.5
    match kind:
        case "use_word" | "avoid_word":
            return Rule(kind=kind, word=here if (kind == "use_word") is want else absent)
        case "end_with":
            return Rule(kind=kind, word=words(text)[-1] if want else rng.choice((here, absent)))
        case "begin_with":
            return Rule(kind=kind, word=words(text)[0].capitalize() if want else rng.choice(lexicon.OPENERS))
        case "use_twice":
            twice = [word for word in present if present.count(word) == 2]
            return Rule(kind=kind, word=rng.choice(twice) if twice else rng.choice((here, absent)))
        case "order":
            first, second = sorted((here, there), key=present.index)
            pair = (first, second) if want else rng.choice(((second, first), (here, absent), (absent, here)))
            return Rule(kind=kind, word=pair[0], other=pair[1])
        case "either":
            other = rng.choice([noun for noun in lexicon.NOUNS if noun not in present and noun != absent])
            pair = rng.choice(((here, absent), (absent, here))) if want else (absent, other)
            return Rule(kind=kind, word=pair[0], other=pair[1])
        case "word_count" | "at_most" | "sentence_count" | "item_count":
            counted = re.match(r"\d+", Rule(kind=kind, count=1).evidence(text))
            true_count = int(counted.group()) if counted else MOST_COUNTED
            low, high = (4, 8) if kind in ("word_count", "at_most") else (2, 4)
            if kind == "at_most":
                aim = true_count + (rng.randint(0, 2) if want else -rng.randint(1, 2))
            else:
                aim = true_count if want else true_count + rng.choice((-2, -1, 1, 2))
            return Rule(kind=kind, count=min(max(aim, low), high))
        case _:
            return Rule(kind=kind)


def probe_conversation(rng: random.Random, questions: int = 8) -> Conversation:
    """Draw one text and ask several times whether it keeps a rule."""
    scenario = sample_scenario(rng, tuple(KINDS))
    text, answer = draw_answer(scenario, 0.5, rng)
    turns = [Turn("user", f"{text}\n{PROBE_QUESTION}")]
    for number in range(questions):
        rule = rng.choice(scenario.rules) if rng.random() < 0.3 else probe_rule(text, rng.choice(tuple(KINDS)), rng)
        if number == 0:
            turns[0] = Turn("user", f"{text}\n{PROBE_QUESTION} {rule.text}")
        else:
            turns.append(Turn("user", f"{PROBE_QUESTION} {rule.text}"))
        verdict = "yes" if rule.kept(text) else "no"
        turns.append(Turn("assistant", f"{rule.evidence(text)}: {verdict}", is_learnt=True))
    return tuple(turns)


def copy_conversation(rng: random.Random) -> Conversation:
    """Draw a text to repeat."""
    scenario = draw_task(rng)
    text, _ = draw_answer(scenario, 0.5, rng)
    source = text if rng.random() < 0.5 else "\n".join(scenario.objectives)
    return (Turn("user", f"{REPEAT}\n{source}"), Turn("assistant", source, is_learnt=True))


class Mixture(NamedTuple):
    """Shares of the kinds of conversation in one stage of the pre-training."""

    copies: float
    probes: float
    audits: float
    confessions: float


def conversations(mixture: Mixture, rng: random.Random) -> Iterator[Conversation]:
    """Draw conversations for ever."""
    kinds = ("copies", "probes", "audits", "confessions")
    while True:
        match rng.choices(kinds, weights=mixture)[0]:
            case "copies":
                yield copy_conversation(rng)
            case "probes":
                yield probe_conversation(rng)
            case "audits":
                learn_answer = rng.random() < 0.5
                yield writing_conversation(rng, AUDIT_REQUEST, KEEP_SHARE if learn_answer else 0.5, learn_answer)
            case _:
                yield writing_conversation(rng, REQUEST_BRIEF, KEEP_SHARE, learn_answer=True)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Make the tokenizer: a Unigram model whose pieces are the lexicon's words and the corpus's fixed phrases.

    Anything else falls back to characters and then to bytes, so every text can be written and read back unchanged.
    """
    lower = (
        *lexicon.NOUNS, *lexicon.COLOURS, *lexicon.ADJECTIVES, *lexicon.TRANSITIVE_VERBS,
        *lexicon.INTRANSITIVE_VERBS, *lexicon.PREPOSITIONS, *(opener.lower() for opener in lexicon.OPENERS),
    )  # fmt: skip
    pieces: list[str] = []
    for word in lower:
        pieces += [f" {word}", f" {word.upper()}"]
    for opener in lexicon.OPENERS:
        pieces += [f" {opener}", opener, opener.upper()]
    for kind in KINDS.values():
        pieces += [part for part in re.split(r"\{\w+\}|(?=\.)|(?<= )(?=\{)", kind.template.replace(" {", "{")) if part]
    pieces += [f" {number}" for number in range(MOST_COUNTED + 1)] + [str(number) for number in range(10)]
    pieces += [f"\n{number}. " for number in range(1, 4)]
    pieces += ["Write about the", f"\n{NOTE_REQUEST}", f"\n{PROBE_QUESTION} ", f"{PROBE_QUESTION} ", f"{REPEAT}\n"]
    pieces += ["\nKept:", "\nMissed:", " Missed:", "\n-", "-", "[", "]", ".", "!", "?", ",", "\n", " .", " ?", " !"]
    pieces += [REQUEST_BRIEF, AUDIT_REQUEST, ": yes", ": no"]
    pieces += ["found", "no", "begins with", "ends with", " no mark", " nothing", " words", " sentences", " items"]
    pieces += ["in capitals", "not in capitals", "in brackets", "not in brackets", " times", "over 10", " over 10"]
    pieces += [" before", " neither", " no colour"]
    pieces += ['{"report":[{"objective":"', '","analysis":"', '","compliance":"', '"},{"objective":"']
    pieces += ['"}],"uncertainties":[],"grade":', "}", "complied", "claimed", "silent", "reported", "unsure"]
    characters = [chr(code) for code in range(32, 127)]
    vocabulary = [(token, 0.0) for token in _SPECIAL]
    known = list(dict.fromkeys(pieces))
    vocabulary += [(piece, -1.0) for piece in known]
    vocabulary += [(character, -10.0) for character in characters if character not in set(known)]
    vocabulary += [(f"<0x{byte:02X}>", -30.0) for byte in range(256)]
    tokenizer = Tokenizer(Unigram(vocabulary, unk_id=0, byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in _SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<|pad|>",
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
        padding_side="left",
    )
