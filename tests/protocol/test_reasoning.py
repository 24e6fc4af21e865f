import pytest

from confessions.protocol.reasoning import (
    opens_reasoning,
    prompt_without_reasoning,
    visible_text,
    without_reasoning,
)


@pytest.mark.parametrize(
    ("text", "is_opened", "visible"),
    [
        ("plain", False, "plain"),
        ("<think>secret</think>\n\nplain", False, "plain"),
        ("\n<think>\nsecret\n</think>plain", False, "plain"),
        ("<think>cut off", False, ""),
        ("secret</think>plain", True, "plain"),
        ("<think>secret</think>plain", True, "plain"),
        ("cut off", True, ""),
        ("I write <think> in the middle</think>", False, "I write <think> in the middle</think>"),
    ],
)
def test_a_leading_think_block_is_cut_off(text, is_opened, visible):
    assert visible_text(text, is_opened=is_opened) == visible


def test_reasoning_fields_are_dropped_and_the_message_is_not_changed():
    message = {"role": "assistant", "content": "plain", "reasoning_content": "secret", "thinking": "secret"}
    assert without_reasoning(message) == {"role": "assistant", "content": "plain"}
    assert message["reasoning_content"] == "secret"


def test_a_user_may_write_about_think_blocks():
    prompt = [{"role": "user", "content": "<think>mine</think>"}, {"role": "assistant", "content": "<think>s</think>a"}]
    assert prompt_without_reasoning(prompt) == [prompt[0], {"role": "assistant", "content": "a"}]


def test_a_prompt_that_ends_in_an_open_block_is_noticed():
    assert opens_reasoning("<|im_start|>assistant\n<think>\n")
    assert not opens_reasoning("<|im_start|>assistant\n<think>\n\n</think>\n\n")
