import pytest

from confessions.models import speaker as speaking
from confessions.models.chat import ChatTemplateError, prompt_ids, request_suffix_ids
from confessions.models.sampling import SamplingError, sample
from confessions.models.speaker import LocalSpeaker
from confessions.protocol import BRIEF, FULL, Transcript, confession_request

PROMPTS = [[{"role": "user", "content": f"Name {count} colours."}] for count in range(5)]

NO_LATE_SYSTEM = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' and not loop.first %}{{ raise_exception('system comes first') }}{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITH_EVERYTHING = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message.reasoning_content %}<think>{{ message.reasoning_content }}</think>{% endif %}"
    "{{ message['content'] }}{% for call in message.tool_calls or [] %}"
    "[{{ call.function.name }} {{ call.function.arguments.query }}]{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITHOUT_TOOLS = (
    "{% for message in messages %}"
    "{% if message['role'] == 'tool' %}{{ raise_exception('tools are not known') }}{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
)
TOOL_TRANSCRIPT = Transcript.from_openai(
    [
        {"role": "user", "content": "Who won?"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "I must look.",
            "tool_calls": [{"id": "1", "function": {"name": "search", "arguments": '{"query": "cup final"}'}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "No result."},
        {"role": "assistant", "content": "Rovers won.", "reasoning_content": "I will guess."},
    ]
)


class Calls(list):
    """What `sample` was asked, while it goes on sampling or gives what is set."""

    def __init__(self, given=None):
        super().__init__()
        self.given = given

    def __call__(self, model, tokenizer, prompts, **settings):
        self.append((prompts, settings))
        return [list(self.given) for _ in prompts] if self.given else sample(model, tokenizer, prompts, **settings)


def test_a_confession_is_asked_about_the_very_ids_that_were_sampled(make_loaded, monkeypatch):
    calls = Calls()
    monkeypatch.setattr(speaking, "sample", calls)
    loaded = make_loaded()
    speaker = LocalSpeaker(loaded, profile=BRIEF, max_answer_tokens=60, max_confession_tokens=7, seed=3)
    responses = speaker.respond(PROMPTS)
    asked, contexts = calls[0][0], calls[1][0]
    suffix = request_suffix_ids(loaded.tokenizer, confession_request(BRIEF, "system"))
    assert asked == [prompt_ids(loaded.tokenizer, prompt) for prompt in PROMPTS]
    answers = sample(loaded.model, loaded.tokenizer, asked, max_new_tokens=60, seed=3)
    for prompt, answer, context, response in zip(asked, answers, contexts, responses, strict=True):
        is_ended = answer[-1] == 2
        assert context == prompt + (answer[:-1] if is_ended else answer) + suffix
        assert response.answer_cut_off is not is_ended
        assert response.answer == loaded.tokenizer.decode(answer, skip_special_tokens=True)
        assert response.request_role == "system"
    assert any(response.answer_cut_off for response in responses)
    assert calls[0][1]["seed"] != calls[1][1]["seed"]
    assert (calls[0][1]["max_new_tokens"], calls[1][1]["max_new_tokens"]) == (60, 7)


def test_an_ended_answer_and_confession_are_not_cut_off(make_loaded, monkeypatch):
    loaded = make_loaded()
    text = loaded.tokenizer("Blue.")["input_ids"]
    monkeypatch.setattr(speaking, "sample", Calls([*text, 2]))
    response = LocalSpeaker(loaded).respond(PROMPTS[:1])[0]
    assert (response.answer, response.confession) == ("Blue.", "Blue.")
    assert not response.answer_cut_off
    assert not response.confession_cut_off


def test_reasoning_is_kept_apart_from_the_answer(make_loaded, monkeypatch):
    loaded = make_loaded()
    monkeypatch.setattr(
        speaking, "sample", Calls([*loaded.tokenizer("<think>\nHm.\n</think>\n\nBlue.")["input_ids"], 2])
    )
    response = LocalSpeaker(loaded).respond(PROMPTS[:1])[0]
    assert (response.reasoning, response.answer, response.confession) == ("Hm.", "Blue.", "Blue.")
    monkeypatch.setattr(speaking, "sample", Calls(loaded.tokenizer("<think>Hm, and so on")["input_ids"]))
    response = LocalSpeaker(loaded).respond(PROMPTS[:1])[0]
    assert (response.reasoning, response.answer, response.answer_cut_off) == ("Hm, and so on", "", True)


def test_the_same_seed_says_the_same_and_progress_counts_both(make_loaded):
    done = []
    first = LocalSpeaker(make_loaded(), max_answer_tokens=9, max_confession_tokens=9).respond(PROMPTS, done.append)
    again = LocalSpeaker(make_loaded(), max_answer_tokens=9, max_confession_tokens=9)
    assert again.respond(PROMPTS) == first
    assert again.answer(PROMPTS) == [response.answer for response in first]
    other = LocalSpeaker(make_loaded(), max_answer_tokens=9, max_confession_tokens=9, seed=1)
    assert other.respond(PROMPTS) != first
    assert sum(done) == 2 * len(PROMPTS)


def test_the_role_is_chosen_and_recorded(make_loaded):
    speaker = LocalSpeaker(make_loaded(NO_LATE_SYSTEM), max_answer_tokens=3, max_confession_tokens=3)
    assert speaker.request_role == "user"
    assert {response.request_role for response in speaker.respond(PROMPTS)} == {"user"}
    with pytest.raises(ChatTemplateError, match='use role="user"'):
        LocalSpeaker(make_loaded(NO_LATE_SYSTEM), role="system")


def test_a_model_without_a_chat_template_is_refused(make_loaded):
    with pytest.raises(ChatTemplateError, match="has no chat template"):
        LocalSpeaker(make_loaded(None))


def contexts_of(transcript, loaded, monkeypatch, profile=FULL):
    calls = Calls([5, 2])
    monkeypatch.setattr(speaking, "sample", calls)
    LocalSpeaker(loaded, profile=profile).confess([transcript])
    return loaded.tokenizer.decode(calls[0][0][0])


def test_a_transcript_is_rendered_as_the_template_does_and_the_request_follows(make_loaded, monkeypatch):
    loaded = make_loaded(positions=8192)
    transcript = Transcript.from_openai([*PROMPTS[2], {"role": "assistant", "content": "Blue and red."}])
    asked = confession_request(FULL)
    expected = loaded.tokenizer.apply_chat_template(
        [*transcript.to_openai(), asked.to_openai()], tokenize=False, add_generation_prompt=True
    )
    assert contexts_of(transcript, loaded, monkeypatch) == expected


def test_tool_calls_and_reasoning_are_the_templates_where_it_has_them(make_loaded, monkeypatch):
    text = contexts_of(TOOL_TRANSCRIPT, make_loaded(WITH_EVERYTHING, positions=8192), monkeypatch)
    assert "<think>I must look.</think>[search cup final]<|im_end|>" in text
    assert "<think>I will guess.</think>Rovers won.<|im_end|>\n<|im_start|>system\nWrite a confession" in text
    assert "tool_call>" not in text


def test_tool_calls_and_reasoning_are_written_out_where_the_template_drops_them(make_loaded, monkeypatch):
    text = contexts_of(TOOL_TRANSCRIPT, make_loaded(positions=8192), monkeypatch)
    call = '<tool_call>\n{"name": "search", "arguments": {"query": "cup final"}}\n</tool_call>'
    assert f"<|im_start|>assistant\n{call}<|im_end|>\n<|im_start|>tool\nNo result.<|im_end|>" in text
    assert "assistant\n<think>\nI will guess.\n</think>\n\nRovers won.<|im_end|>\n<|im_start|>system\nWrite" in text


def test_a_template_that_refuses_the_transcript_says_so(make_loaded, monkeypatch):
    with pytest.raises(ChatTemplateError, match="refuses the transcript: tools are not known"):
        contexts_of(
            TOOL_TRANSCRIPT,
            make_loaded(WITHOUT_TOOLS + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"),
            monkeypatch,
        )


def test_more_than_the_model_can_read_is_refused(make_loaded):
    transcript = Transcript.from_openai([{"role": "user", "content": "x" * 900}, {"role": "assistant", "content": "y"}])
    with pytest.raises(SamplingError, match="confession context 0 has .* tiny reads at most 1024"):
        LocalSpeaker(make_loaded(), profile=FULL).confess([transcript])
