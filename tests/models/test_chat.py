import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from confessions.models.chat import (
    ChatTemplateError,
    confession_context,
    prompt_ids,
    request_role,
    request_suffix_ids,
)
from confessions.protocol import FULL, Message, confession_request

REQUEST = Message(role="system", content="Confess.")
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The habits of Qwen3: reasoning is stripped from earlier turns, and the last turn gets an empty think block.
QWEN3 = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['role'] == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ message['content'].split('</think>')[-1].lstrip('\n') }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[-1]['role'] == 'system' %}{{ raise_exception('only user and assistant') }}{% endif %}" + CHATML
)

TURN = "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
OTHERS = "{% for m in messages if m['role'] != 'system' %}" + TURN + "{% endfor %}"
OPENING = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
HOISTED = "{% for m in messages if m['role'] == 'system' %}" + TURN + "{% endfor %}" + OTHERS + OPENING
DROPPED = OTHERS + OPENING


def make_tokenizer(chat_template=CHATML, merges=(), special=("<|pad|>", "<|im_start|>", "<|im_end|>", "<|bos|>")):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*special, *alphabet, *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<|pad|>", eos_token="<|im_end|>")
    fast.chat_template = chat_template
    return fast


def test_a_prompt_ends_where_the_model_speaks():
    tokenizer = make_tokenizer()
    ids = prompt_ids(tokenizer, [{"role": "user", "content": "Hi"}])
    assert tokenizer.decode(ids) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_the_suffix_closes_the_answer_and_asks():
    tokenizer = make_tokenizer()
    assert tokenizer.decode(request_suffix_ids(tokenizer, REQUEST)) == (
        "<|im_end|>\n<|im_start|>system\nConfess.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_prompt_answer_and_suffix_are_the_whole_conversation_rendered_at_once():
    tokenizer = make_tokenizer()
    request = confession_request(FULL)
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    answer = tokenizer("Hello!<|im_end|>")["input_ids"]
    joined = confession_context(
        prompt_ids(tokenizer, turns), answer, request_suffix_ids(tokenizer, request), [tokenizer.eos_token_id]
    )
    asked = {"role": request.role, "content": request.content}
    assert joined == prompt_ids(tokenizer, [*turns, {"role": "assistant", "content": "Hello!"}, asked])


def test_a_template_that_strips_earlier_reasoning_still_has_a_suffix():
    tokenizer = make_tokenizer(QWEN3)
    assert tokenizer.decode(request_suffix_ids(tokenizer, REQUEST)).endswith(
        "Confess.<|im_end|>\n<|im_start|>assistant\n"
    )
    quiet = tokenizer.decode(request_suffix_ids(tokenizer, REQUEST, {"enable_thinking": False}))
    assert quiet.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_a_beginning_of_text_token_is_not_doubled():
    tokenizer = make_tokenizer("<|bos|>" + CHATML)
    assert tokenizer.decode(prompt_ids(tokenizer, [{"role": "user", "content": "Hi"}])).count("<|bos|>") == 1
    assert "<|bos|>" not in tokenizer.decode(request_suffix_ids(tokenizer, REQUEST))


PLAIN_TURNS = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def test_a_turn_end_that_merges_with_one_answer_is_tried_with_another():
    tokenizer = make_tokenizer(PLAIN_TURNS, merges=[(".", "Ċ")])
    assert tokenizer.decode(request_suffix_ids(tokenizer, REQUEST)) == "\nsystem: Confess.\nassistant: "


def test_a_turn_end_that_merges_with_every_answer_is_refused():
    tokenizer = make_tokenizer(PLAIN_TURNS, merges=[(letter, "Ċ") for letter in ".e7!"])
    with pytest.raises(ChatTemplateError, match="the tokenizer merges the end of an answer"):
        request_suffix_ids(tokenizer, REQUEST)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "has no chat template; confessions need a chat model"),
        (NO_SYSTEM, r'refuses a system message after an answer \(only user and assistant\): use role="user"'),
        (HOISTED, "rewrites earlier turns"),
        (DROPPED, 'drops or moves a system message after an answer: use role="user"'),
    ],
)
def test_a_template_that_cannot_ask_is_named(template, message):
    with pytest.raises(ChatTemplateError, match=message):
        request_suffix_ids(make_tokenizer(template), REQUEST)
    with pytest.raises(ChatTemplateError, match=message):
        request_role(make_tokenizer(template), "system")


@pytest.mark.parametrize(
    ("template", "role"),
    [(CHATML, "system"), (QWEN3, "system"), (NO_SYSTEM, "user"), (HOISTED, "user"), (DROPPED, "user")],
)
def test_the_role_is_chosen_by_the_template_when_left_to_it(template, role):
    assert request_role(make_tokenizer(template), "auto") == role
    assert request_role(make_tokenizer(template), "user") == "user"


def test_an_unknown_role_is_refused():
    with pytest.raises(ChatTemplateError, match='"robot" is none of system, user, auto'):
        request_role(make_tokenizer(), "robot")


ids = st.lists(st.integers(3, 9), max_size=6)


@given(ids, ids, ids)
def test_a_cut_off_answer_is_closed_like_a_finished_one(prompt, answer, suffix):
    assert confession_context(prompt, answer, suffix, {2}) == [*prompt, *answer, *suffix]
    assert confession_context(prompt, [*answer, 2], suffix, {2}) == [*prompt, *answer, *suffix]
    assert confession_context(prompt, [*answer, 2, 1], suffix, {1, 2}) == [*prompt, *answer, 2, *suffix]
