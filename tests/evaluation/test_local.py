"""The provider of local models, on the embedded model and on a tiny random one with a byte tokenizer."""

import asyncio
import subprocess
import sys

import pytest
import torch
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    ContentImage,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    ResponseSchema,
    get_model,
)
from inspect_ai.tool import ToolCall, ToolInfo, ToolParam, ToolParams
from inspect_ai.util import JSONSchema
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import confessions.evaluation.local as local_module
from confessions.evaluation.local import LocalModelError
from confessions.models.resolve import ModelError
from confessions.protocol import BRIEF, FULL, ParsedReport, confession_request, json_schema, parse_report

TURN = "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
REPLY = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
CHATML = "{% for message in messages %}" + TURN + "{% endfor %}" + REPLY
WITH_TOOLS = "{% if tools %}{{ tools | tojson }}{% endif %}" + CHATML
NO_LATE_SYSTEM = (
    "{% for message in messages %}{% if message['role'] == 'system' and not loop.first %}"
    "{{ raise_exception('a system message comes first') }}{% endif %}" + TURN + "{% endfor %}" + REPLY
)
QUESTION = [ChatMessageUser(content="Write about the river.\nUse the word garden.")]
ANSWERED = [*QUESTION, ChatMessageAssistant(content="The river sleeps.\nKept: 1.")]
LOOK_UP = ToolInfo(
    name="look_up",
    description="Look a word up.",
    parameters=ToolParams(properties={"word": ToolParam(type="string", description="The word.")}, required=["word"]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny random Llama with a context of 4,096 bytes, saved."""
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate([*special, *alphabet])}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<|pad|>", eos_token="<|im_end|>")
    fast.chat_template = CHATML
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=259,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=4096,
            bos_token_id=None,
            eos_token_id=2,
            pad_token_id=0,
        )
    )
    path = tmp_path_factory.mktemp("tiny")
    model.save_pretrained(path)
    fast.save_pretrained(path)
    return path


@pytest.fixture
def tiny(folder):
    """Return the maker of the tiny model as Inspect has it."""
    return lambda **args: get_model(f"local/{folder}", memoize=False, device="cpu", **args)


@pytest.fixture
def embedded():
    return get_model("local/embedded", memoize=False, device="cpu")


def asked(profile, messages=ANSWERED):
    return [*messages, ChatMessageSystem(content=confession_request(profile).content)]


def report_config(profile, **settings):
    schema = JSONSchema.model_validate(json_schema(profile))
    return GenerateConfig(response_schema=ResponseSchema(name="confession_report", json_schema=schema), **settings)


def outputs(model, requests, tools=(), tool_choice="auto"):
    """Send requests, each messages and settings, all at once."""

    async def send():
        return await asyncio.gather(
            *(
                model.generate(list(messages), tools=list(tools), tool_choice=tool_choice, config=config)
                for messages, config in requests
            )
        )

    return asyncio.run(send())


def output(model, messages, config=None, **tools):
    return outputs(model, [(messages, config or GenerateConfig(max_tokens=8, seed=1))], **tools)[0]


@pytest.mark.parametrize("profile", [BRIEF, FULL], ids=["brief", "full"])
def test_every_confession_of_a_random_model_parses(tiny, profile):
    requests = [(asked(profile), report_config(profile, max_tokens=300, seed=seed)) for seed in range(20)]
    for each in outputs(tiny(), requests):
        assert each.stop_reason == "stop"
        assert isinstance(parse_report(each.completion, profile), ParsedReport)
        assert each.usage.output_tokens <= 300


def test_the_schema_changes_nothing_for_a_model_that_keeps_it_by_itself(embedded):
    answers = outputs(embedded, [(QUESTION, GenerateConfig(seed=seed)) for seed in range(20)])
    assert all(answer.stop_reason == "stop" and answer.completion for answer in answers)
    contexts = [asked(BRIEF, [*QUESTION, answer.message]) for answer in answers]
    settings = [{"seed": seed, "max_tokens": 256} for seed in range(20)]
    held = outputs(embedded, [(m, report_config(BRIEF, **s)) for m, s in zip(contexts, settings, strict=True)])
    free = outputs(embedded, [(m, GenerateConfig(**s)) for m, s in zip(contexts, settings, strict=True)])
    assert all(isinstance(parse_report(each.completion, BRIEF), ParsedReport) for each in held)
    assert [each.metadata for each in held] == [None] * 20
    assert sum(one.completion == other.completion for one, other in zip(held, free, strict=True)) >= 18


def test_requests_with_different_schemas_and_without_one_are_told_apart(tiny):
    verdict = JSONSchema(type="object", properties={"verdict": JSONSchema(enum=["yes", "no"])}, required=["verdict"])
    judged = GenerateConfig(response_schema=ResponseSchema(name="v", json_schema=verdict), max_tokens=40, seed=1)
    requests = [(QUESTION, judged), (asked(FULL), report_config(FULL, max_tokens=250, seed=1))]
    requests += [(QUESTION, GenerateConfig(max_tokens=9, seed=1))]
    first, second, third = outputs(tiny(), requests)
    assert first.completion.replace(" ", "") in ('{"verdict":"yes"}', '{"verdict":"no"}')
    assert isinstance(parse_report(second.completion), ParsedReport)
    assert third.usage.output_tokens == 9


def test_an_empty_report_is_no_report_though_inspects_schema_has_no_least_number(tiny):
    model = tiny(max_items=1, max_length=5)
    requests = [(asked(BRIEF), report_config(BRIEF, max_tokens=300, seed=seed)) for seed in range(8)]
    for each in outputs(model, requests):
        (entry,) = parse_report(each.completion, BRIEF).report.compliance_analysis
        assert len(entry.analysis) <= 5


def test_what_is_cut_off_says_so_and_what_was_closed_early_too(tiny):
    cut = output(tiny(), QUESTION, GenerateConfig(max_tokens=5, seed=1))
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 5)
    closed = output(tiny(max_length=400), asked(FULL), report_config(FULL, max_tokens=260, seed=1))
    assert (closed.stop_reason, closed.metadata) == ("stop", {"closed_early": True})


def test_the_end_of_the_context_is_told_from_the_end_of_the_limit(tiny):
    long = [ChatMessageUser(content="x" * 4000)]
    full = output(tiny(), long, GenerateConfig(max_tokens=2000, seed=1))
    assert full.stop_reason == "model_length"
    assert 0 < full.usage.total_tokens <= 4096


def test_equal_seeds_give_equal_texts_whatever_shares_the_batch(tiny):
    config = GenerateConfig(max_tokens=12, seed=5)
    alone = output(tiny(), QUESTION, config).completion
    others = [(QUESTION, GenerateConfig(max_tokens=12, seed=seed)) for seed in (1, 2, 5, 3)]
    texts = [each.completion for each in outputs(tiny(), others)]
    assert texts[2] == alone
    assert len(set(texts)) == 4
    unseeded = [(QUESTION, GenerateConfig(max_tokens=12))] * 3
    assert len({each.completion for each in outputs(tiny(), unseeded)}) == 3


def test_temperature_zero_is_greedy(tiny):
    requests = [(QUESTION, GenerateConfig(max_tokens=12, temperature=0, seed=seed)) for seed in range(3)]
    assert len({each.completion for each in outputs(tiny(), requests)}) == 1


def test_usage_counts_no_padding(tiny):
    prompts = [[ChatMessageUser(content="x" * n)] for n in (1, 50, 200)]
    used = [each.usage for each in outputs(tiny(), [(p, GenerateConfig(max_tokens=4, seed=1)) for p in prompts])]
    around = (
        len("<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n") - len("<|im_start|>") * 2 - len("<|im_end|>") + 3
    )
    assert [usage.input_tokens for usage in used] == [n + around for n in (1, 50, 200)]
    assert all(usage.output_tokens == 4 and usage.total_tokens == usage.input_tokens + 4 for usage in used)


def test_a_stop_sequence_ends_the_text(tiny):
    whole = output(tiny(), QUESTION, GenerateConfig(max_tokens=30, temperature=0))
    stop = whole.completion[4:6]
    part = output(tiny(), QUESTION, GenerateConfig(max_tokens=30, temperature=0, stop_seqs=["never", stop]))
    assert part.completion == whole.completion[: whole.completion.find(stop)]
    assert part.stop_reason == "stop"


def not_attempted(each):
    assert each.completion == ""
    assert each.usage.output_tokens == 0
    return each.metadata["not_attempted"]


def test_a_prompt_that_does_not_fit_is_not_attempted(tiny):
    reason = not_attempted(output(tiny(), [ChatMessageUser(content="x" * 4090)]))
    assert "the model's context 4096" in reason
    fits = [ChatMessageUser(content="x" * 3000)]
    assert output(tiny(), fits).completion
    assert "the model's context 4096" in not_attempted(output(tiny(), asked(FULL, [*fits, ANSWERED[-1]])))


def test_a_prompt_in_unknown_words_is_not_attempted(embedded):
    reason = not_attempted(output(embedded, [ChatMessageUser(content="Explain photosynthesis to a child.")]))
    assert "unknown to the model's tokenizer" in reason


def test_tools_that_the_template_does_not_show_are_not_attempted_unless_they_are_not_to_be_used(tiny):
    reason = not_attempted(output(tiny(), QUESTION, tools=[LOOK_UP]))
    assert "tools" in reason
    assert output(tiny(), QUESTION, tools=[LOOK_UP], tool_choice="none").completion
    assert output(tiny(chat_template=WITH_TOOLS), QUESTION, tools=[LOOK_UP]).completion


def test_a_conversation_that_the_template_refuses_is_not_attempted(tiny, embedded):
    reason = not_attempted(output(tiny(chat_template=NO_LATE_SYSTEM), asked(BRIEF)))
    assert "a system message comes first" in reason
    used = [
        *QUESTION,
        ChatMessageAssistant(content="", tool_calls=[ToolCall(id="1", function="look_up", arguments={})]),
    ]
    used += [ChatMessageTool(content="the river", tool_call_id="1")]
    assert "knows the roles" in not_attempted(output(embedded, used))
    picture = [ChatMessageUser(content=[ContentImage(image="data:image/png;base64,AAAA")])]
    assert "multimodal" in not_attempted(output(tiny(), picture))


def test_tool_calls_and_reasoning_stand_in_what_the_model_reads(tiny):
    call = ToolCall(id="1", function="look_up", arguments={"word": "river"})
    model = tiny()
    thought = [ContentReasoning(reasoning="a thought"), ContentText(text="I look.")]
    for content in ("I look.", thought):
        messages = [*QUESTION, ChatMessageAssistant(content=content, tool_calls=[call])]
        text = model.api.tokenizer.decode(model.api._prompt(messages, [], "none"))
        assert 'I look.\n<tool_call>\n{"name": "look_up", "arguments": {"word": "river"}}\n</tool_call>' in text
        assert ("a thought" in text) == (content is thought)
        assert messages[-1].tool_calls == [call]


def test_a_written_tool_call_is_read_as_one(tiny):
    api = tiny(chat_template=WITH_TOOLS).api
    from confessions.models.serving import ServedText

    text = '<tool_call>\n{"name": "look_up", "arguments": {"word": "river"}}\n</tool_call>'
    served = ServedText(text, 9, False, False, 0.1)
    made = api._output(served, 5, "max_tokens", [LOOK_UP], [])
    assert made.stop_reason == "tool_calls"
    assert made.message.tool_calls[0].arguments == {"word": "river"}
    unused = api._output(served, 5, "max_tokens", [], [])
    assert (unused.stop_reason, unused.message.tool_calls) == ("stop", None)


def test_late_system_messages_are_probed(tiny, embedded):
    assert not tiny().api.refuses_late_system()
    assert not embedded.api.refuses_late_system()
    assert tiny(chat_template=NO_LATE_SYSTEM).api.refuses_late_system()


def test_what_cannot_be_had_is_named(tiny):
    with pytest.raises(LocalModelError, match="the setting logprobs, num_choices"):
        output(tiny(), QUESTION, GenerateConfig(logprobs=True, num_choices=2))
    with pytest.raises(LocalModelError, match="not quantize"):
        tiny(quantize=True)
    with pytest.raises(ModelError, match='did you mean "embedded"'):
        get_model("local/embeded", memoize=False)
    model = tiny()
    model.api.close()
    with pytest.raises(LocalModelError, match="closed"):
        output(model, QUESTION)


def test_missing_libraries_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "confessions.evaluation.local_hf", None)
    with pytest.raises(LocalModelError, match=r"pip install 'confessions\[local\]'"):
        get_model("local/embedded", memoize=False)


def test_registering_the_provider_loads_no_torch():
    code = f"import sys, {local_module.__name__}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers"} & set(loaded)
