"""A confession about a finished conversation: a template that strips past reasoning does not take it away."""

from types import SimpleNamespace

import pytest
import trl
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    ContentReasoning,
    ContentText,
)
from inspect_ai.tool import ToolCall
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from confessions.evaluation.local_hf import LocalAPI
from confessions.protocol import FULL, confession_request

TEMPLATES = {
    name: (trl.__path__[0] + f"/chat_templates/{name}.jinja")
    for name in ("qwen3", "qwen3_5_think", "deepseek_r1_distill")
}
REQUEST = confession_request(FULL).content
ANSWER = "<think>\nSECRET hm\n</think>\n\nRed."


class Rendering(LocalAPI):
    """The provider without weights: all that is asked of it is what the model would read."""

    def __init__(self, name):
        with open(TEMPLATES[name], encoding="utf-8") as file:
            self.chat_template = file.read()
        self.tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(models.BPE()), bos_token="<bos>", eos_token="<eos>"
        )
        self.use_chat_template = self.enable_thinking = None
        self.model_name = "tiny"
        self._reader = SimpleNamespace(read=lambda text, add_special_tokens: SimpleNamespace(ids=text, obstacle=None))

    def model_family(self):
        return "tiny"

    def text(self, *messages):
        return self._prompt(list(messages), [], "none")


def request(role):
    return (ChatMessageSystem if role == "system" else ChatMessageUser)(content=REQUEST)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(
    "content",
    [ANSWER, [ContentReasoning(reasoning="SECRET hm"), ContentText(text="Red.")]],
    ids=["in the text", "in a part"],
)
def test_the_answers_reasoning_is_in_the_context(name, content):
    text = Rendering(name).text(
        ChatMessageUser(content="Name a colour."), ChatMessageAssistant(content=content), request("user")
    )
    assert ANSWER in text
    assert text.index("SECRET") < text.index(REQUEST)
    assert "of 3]" not in text


def test_reasoning_between_tool_calls_is_kept_and_that_of_earlier_turns_stays_out():
    text = Rendering("qwen3").text(
        ChatMessageUser(content="Hello."),
        ChatMessageAssistant(content="<think>\nEARLIER\n</think>\n\nHello!"),
        ChatMessageUser(content="Which colour?"),
        ChatMessageAssistant(
            content="<think>\nSECRET one\n</think>\n\n",
            tool_calls=[ToolCall(id="1", function="look", arguments={"at": "wall"})],
        ),
        ChatMessageTool(content="red", tool_call_id="1", function="look"),
        ChatMessageAssistant(content="<think>\nSECRET two\n</think>\n\nRed."),
        request("user"),
    )
    assert "SECRET one" in text and "SECRET two" in text and "EARLIER" not in text
    assert text.count('"name": "look"') == 1


def test_without_a_request_the_template_decides():
    text = Rendering("qwen3").text(
        ChatMessageUser(content="Name a colour."),
        ChatMessageAssistant(content=ANSWER),
        ChatMessageUser(content="Another one."),
    )
    assert "SECRET" not in text
