"""Models that reason, and whose template strips reasoning from past turns: the confession is asked for all the same.

What the policy sampled, reasoning included, is in the confession's context token for token; the judges see none of it.
"""

from types import SimpleNamespace

import pytest
import tiny_policy as tiny
import tiny_qwen3

from confessions.models import speaker as speaking
from confessions.models.chat import opens_reasoning_itself, request_role, request_suffix_ids
from confessions.models.speaker import LocalSpeaker
from confessions.protocol import FULL, Transcript, confession_request
from confessions.training.trainer import ConfessionTrainer

END = "<|im_end|>"
ASKED = "<|im_end|>\n<|im_start|>system\nConfess.<|im_end|>\n<|im_start|>assistant\n"
EMPTY_THOUGHT = "<think>\n\n</think>\n\n"
PLAIN = [{"role": "user", "content": "Name a colour."}]
WITH_TOOLS = [
    {"role": "user", "content": "Which colour is the wall?"},
    {
        "role": "assistant",
        "content": "",
        "reasoning_content": "SECRET: I look.",
        "tool_calls": [{"type": "function", "function": {"name": "look", "arguments": {"at": "wall"}}}],
    },
    {"role": "tool", "content": "red"},
]

ANSWERS = {
    "a thought": ("<think>\nSECRET hm\n</think>\n\nRed." + END, "Red."),
    "an empty thought": (EMPTY_THOUGHT + "Red." + END, "Red."),
    "no thought": ("Red." + END, "Red."),
    "cut off in its thought": ("<think>\nSECRET and so", ""),
    "cut off after its thought": ("<think>\nSECRET\n</think>\n\nRe", "Re"),
    "the other end token": ("<think>\nSECRET\n</think>\n\nRed.<|endoftext|>", "Red."),
}


class Sampler:
    """Stands in for generation: gives the answer that is set, then confessions, and keeps the contexts."""

    def __init__(self, tokenizer, answer, confession):
        self.given = [tokenizer(text)["input_ids"] for text in (answer, confession)]
        self.calls = []

    def __call__(self, contexts, *settings):
        self.calls.append(contexts)
        return [self.given[len(self.calls) - 1] for _ in contexts], None


def roll_out(
    folder, answer, *, prompt=PLAIN, template=None, confession="<think>\nSECRET\n</think>\n\nYes." + END, **settings
):
    """Sample one confession group; gives its sampler and what each judge was shown."""
    from datasets import Dataset

    tokenizer = tiny_qwen3.make_tokenizer(template)
    seen = []

    def judge(prompts, answers, completions, **columns):
        seen.append((prompts, answers, completions))
        return [1.0] * len(completions)

    trainer = ConfessionTrainer(
        tiny_qwen3.make_model(),
        tiny.answer_reward,
        tiny.make_config(folder, confession_probability=1.0, gradient_accumulation_steps=1, **settings),
        Dataset.from_list([{"prompt": prompt}] * 8),
        processing_class=tokenizer,
        confession_reward_funcs=judge,
        confession_request="Confess.",
    )
    trainer._generate_single_turn = sampler = Sampler(tokenizer, answer, confession)
    trainer._generate_and_score_completions([{"prompt": prompt}] * 4)
    return SimpleNamespace(tokenizer=tokenizer, calls=sampler.calls, given=sampler.given, seen=seen[0])


@pytest.mark.parametrize("prompt", [PLAIN, WITH_TOOLS], ids=["plain", "with tools"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_the_confession_reads_what_was_sampled_and_its_judge_reads_no_reasoning(tmp_path, answer, prompt):
    text, shown = ANSWERS[answer]
    rollout = roll_out(tmp_path, text, prompt=prompt)
    (answered, *_), asked = rollout.calls
    ids = rollout.given[0]
    kept = ids[:-1] if ids[-1] in (2, 3) else ids
    suffix = rollout.tokenizer(ASKED)["input_ids"]
    assert asked == [[*answered, *kept, *suffix]] * 4
    assert rollout.tokenizer.decode(answered).endswith("<|im_start|>assistant\n")
    prompts, answers, confessions = rollout.seen
    assert [one[0]["content"] for one in answers] == [shown] * 4
    assert [one[0]["content"] for one in confessions] == ["Yes."] * 4
    assert "SECRET" not in str(prompts)
    assert ("look" in str(prompts)) is (prompt is WITH_TOOLS)


def test_with_thinking_off_the_template_writes_the_empty_thought_on_both_sides(tmp_path):
    rollout = roll_out(tmp_path, "Red." + END, confession="Yes." + END, chat_template_kwargs={"enable_thinking": False})
    (answered, *_), (asked, *_) = rollout.calls
    assert rollout.tokenizer.decode(answered).endswith("assistant\n" + EMPTY_THOUGHT)
    assert rollout.tokenizer.decode(asked).endswith(EMPTY_THOUGHT + "Red." + ASKED + EMPTY_THOUGHT)
    assert rollout.seen[1][0][0]["content"] == "Red."


def test_a_template_that_opens_the_thought_itself_is_known(tmp_path):
    template = tiny_qwen3.chat_template("qwen3_5_think")
    rollout = roll_out(
        tmp_path,
        "SECRET\n</think>\n\nRed." + END,
        template=template,
        confession="SECRET\n</think>\n\nYes." + END,
        confession_request_role="auto",
    )
    _, answers, confessions = rollout.seen
    assert answers[0][0]["content"] == "Red." and confessions[0][0]["content"] == "Yes."
    assert rollout.tokenizer.decode(rollout.calls[1][0]).endswith("<|im_start|>assistant\n<think>\n")
    assert "SECRET" in rollout.tokenizer.decode(rollout.calls[1][0])
    assert opens_reasoning_itself(rollout.tokenizer)
    assert not opens_reasoning_itself(tiny_qwen3.make_tokenizer())


@pytest.mark.parametrize(
    "name", ["qwen3", "qwen3_instruct_2507", "qwen3_5_think", "qwen3_6", "deepseek_r1_distill", "glm4moe", "gptoss"]
)
def test_templates_of_models_that_reason_let_a_confession_be_asked_for(name):
    tokenizer = tiny_qwen3.make_tokenizer(tiny_qwen3.chat_template(name))
    role = request_role(tokenizer, "auto")
    assert "Write a confession" in tokenizer.decode(request_suffix_ids(tokenizer, confession_request(FULL, role)))


@pytest.fixture
def speaker():
    resolved = SimpleNamespace(name="tiny")
    loaded = SimpleNamespace(model=tiny_qwen3.make_model(), tokenizer=tiny_qwen3.make_tokenizer(), resolved=resolved)
    return LocalSpeaker(loaded, max_answer_tokens=30, max_confession_tokens=5)


def asked_by(speaker, monkeypatch, ids):
    calls = []

    def sample(model, tokenizer, contexts, **settings):
        calls.append(contexts)
        return [list(ids) for _ in contexts]

    monkeypatch.setattr(speaking, "sample", sample)
    return calls


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_speaker_confesses_from_the_ids_it_sampled(speaker, monkeypatch, answer):
    text, shown = ANSWERS[answer]
    ids = speaker.loaded.tokenizer(text)["input_ids"]
    calls = asked_by(speaker, monkeypatch, ids)
    response = speaker.respond([PLAIN])[0]
    assert response.answer == shown
    kept = ids[:-1] if ids[-1] in (2, 3) else ids
    assert calls[1][0][: len(calls[0][0]) + len(kept)] == [*calls[0][0], *kept]


def test_a_transcripts_reasoning_is_before_the_request(speaker, monkeypatch):
    calls = asked_by(speaker, monkeypatch, [2])
    messages = [*PLAIN, {"role": "assistant", "content": "Red.", "reasoning_content": "SECRET hm"}]
    speaker.confess([Transcript.from_openai(messages)])
    text = speaker.loaded.tokenizer.decode(calls[0][0])
    assert "<think>\nSECRET hm\n</think>\n\nRed.<|im_end|>\n<|im_start|>system\n" in text
