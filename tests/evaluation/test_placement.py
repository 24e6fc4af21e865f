"""The confession request is the last turn on every provider's wire, and nothing is hoisted."""

import asyncio
import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import jinja2
import pytest
from inspect_ai._util.registry import registry_info
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    GenerateConfig,
    ResponseSchema,
    get_model,
)
from inspect_ai.model._providers import providers
from inspect_ai.tool import ToolCall, ToolInfo, ToolParams
from inspect_ai.util import JSONSchema

from confessions.evaluation import placement
from confessions.evaluation.placement import (
    PROVIDERS,
    USER_TURN,
    PlacementError,
    place,
    provider_of,
    supports_response_schema,
)
from confessions.evaluation.transcripts import repair
from confessions.protocol import FULL, REQUEST_FULL, json_schema

sys.path.insert(0, str(Path(__file__).parent))
from wire import REPLY, Wire  # noqa: E402

PLAIN = [
    ChatMessageSystem(content="Be terse."),
    ChatMessageUser(content="Name a colour."),
    ChatMessageAssistant(content="Blue."),
]
AGENTIC = [
    ChatMessageSystem(content="Be terse."),
    ChatMessageUser(content="Look up x."),
    ChatMessageAssistant(content="", tool_calls=[ToolCall(id="call_1", function="look", arguments={"q": "x"})]),
    ChatMessageTool(content="found", tool_call_id="call_1", function="look"),
    ChatMessageAssistant(content="It is x."),
]
STOPPED = AGENTIC[:3]
LOOK = ToolInfo(name="look", description="Look something up.", parameters=ToolParams())


def chat(body):
    """Give the turns of an OpenAI-compatible body."""
    return [(message["role"], message["content"]) for message in body["messages"]]


def responses(body):
    return [(item["role"], item["content"][0]["text"]) for item in body["input"] if item["type"] == "message"]


def claude(body):
    turns = []
    for message in body["messages"]:
        parts = message["content"]
        text = parts if isinstance(parts, str) else "".join(part.get("text", "") for part in parts)
        turns.append((message["role"], text))
    return turns


def gemini(body):
    return [(turn["role"], "".join(part.get("text", "") for part in turn["parts"])) for turn in body["contents"]]


def mistral(body):
    texts = [(entry["role"], entry["content"]) for entry in body["inputs"] if "role" in entry]
    return [(role, text if isinstance(text, str) else text[0]["text"]) for role, text in texts]


class Case(NamedTuple):
    model: str
    role: str
    wire_role: str
    turns: object
    sdk: str = "openai"
    base: str = "/v1"
    args: dict = {}


CASES = [
    Case("openai-api/fake/m", "system", "system", chat),
    Case("vllm/org/m", "system", "system", chat),
    Case("ollama/m", "system", "system", chat),
    Case("together/org/m", "system", "system", chat),
    Case("openai/gpt-4o", "system", "system", chat, args={"responses_api": False}),
    Case("openai/gpt-5", "system", "developer", responses, args={"responses_api": True}),
    Case("openai-api/fake/gemma-3-27b-it", "user", "user", chat),
    Case("vllm/Qwen/Qwen3.5-27B", "user", "user", chat),
    Case("openrouter/org/m", "user", "user", chat),
    Case("anthropic/claude-3-7-sonnet-latest", "user", "user", claude, "anthropic", ""),
    Case("anthropic/claude-sonnet-4-5", "user", "user", claude, "anthropic", ""),
    Case("anthropic/claude-opus-4-8", "user+system", "system", claude, "anthropic", ""),
    Case("google/gemini-2.5-pro", "user", "user", gemini, "google.genai", ""),
    Case("mistral/mistral-large-latest", "user", "user", mistral, "mistralai", ""),
    Case("mistral/mistral-large-2411", "user", "user", chat, "mistralai", "", {"conversation_api": False}),
]
IDS = [f"{case.model}{'+'.join(map(str, case.args.values()))}" for case in CASES]


@pytest.fixture(scope="module")
def wire():
    with Wire() as server:
        yield server


def model_of(case, wire):
    pytest.importorskip(case.sdk)
    return get_model(case.model, base_url=wire.url + case.base, api_key="none", memoize=False, **case.args)


def send(model, messages, wire, tools=(), config=None):
    config = config or GenerateConfig(max_tokens=2048)
    config.max_retries = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the vendors' libraries leave sockets to the collector
        output = asyncio.run(model.generate(messages, tools=list(tools), tool_choice="none", config=config))
    assert output.completion == REPLY
    return wire.body


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_request_arrives_as_the_last_turn(case, wire):
    model = model_of(case, wire)
    placed = place(PLAIN, REQUEST_FULL, model)
    body = send(model, placed.messages, wire)
    turns = case.turns(body)
    assert placed.role == case.role
    assert turns[-1] == (case.wire_role, REQUEST_FULL)
    assert json.dumps(body).count(json.dumps(REQUEST_FULL[:200])[1:-1]) == 1
    before = turns[-3:-1] if case.role == "user+system" else turns[-2:-1]
    assert before[0][1] == "Blue."
    if case.role == "user+system":
        assert before[1] == ("user", USER_TURN)
    assert str(model) in placed.reason and not placed.reason.endswith(".")


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_tools_that_were_used_go_along_and_may_not_be_called(case, wire):
    model = model_of(case, wire)
    body = send(model, place(repair(AGENTIC).messages, REQUEST_FULL, model).messages, wire, [LOOK])
    assert case.turns(body)[-1] == (case.wire_role, REQUEST_FULL)
    text = json.dumps(body)
    assert "call_1" in text and "found" in text
    if case.sdk == "anthropic":
        assert body["tool_choice"] == {"type": "none"}
        assert [tool["name"] for tool in body["tools"]] == ["look"]
    else:
        assert not body.get("tools")  # Inspect leaves them out under "none", which these endpoints accept


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_run_that_stopped_in_a_tool_call_can_be_asked(case, wire):
    model = model_of(case, wire)
    body = send(model, place(repair(STOPPED).messages, REQUEST_FULL, model).messages, wire, [LOOK])
    assert "[the run stopped here]" in json.dumps(body)
    role, text = case.turns(body)[-1]
    assert text.endswith(REQUEST_FULL) and role == case.wire_role


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_schema_of_a_report_is_sent(case, wire):
    model = model_of(case, wire)
    schema = ResponseSchema(
        name="confession_report", json_schema=JSONSchema.model_validate(json_schema(FULL)), strict=False
    )
    if not supports_response_schema(model):
        assert case.model == "anthropic/claude-3-7-sonnet-latest"
        return
    body = send(
        model,
        place(PLAIN, REQUEST_FULL, model).messages,
        wire,
        config=GenerateConfig(max_tokens=2048, response_schema=schema),
    )
    sent = {
        chat: lambda: body["response_format"]["json_schema"].get("schema"),
        responses: lambda: body["text"]["format"]["schema"],
        claude: lambda: body["output_format"]["schema"],
        gemini: lambda: body["generationConfig"]["responseJsonSchema"],
        mistral: lambda: body["completion_args"]["response_format"]["json_schema"]["schema"],
    }[case.turns]()
    assert set(sent["properties"]) == set(FULL.keys)


def test_a_late_system_message_would_be_hoisted_from_new_claudes(wire):
    """Keeps the reason for `user+system` true: without the user's turn, the answer is the last turn."""
    model = model_of(Case("anthropic/claude-opus-4-8", "", "", claude, "anthropic", ""), wire)
    body = send(model, [*PLAIN, ChatMessageSystem(content="CONFESS")], wire)
    assert claude(body)[-1] == ("assistant", "Blue.")
    assert "CONFESS" in json.dumps(body["system"])


def test_azure_has_no_system_messages_amid_a_conversation(wire):
    model = model_of(Case("anthropic/azure/claude-opus-4-8", "", "", claude, "anthropic", ""), wire)
    placed = place(PLAIN, "CONFESS", model)
    assert placed.role == "user"
    assert claude(send(model, placed.messages, wire))[-1] == ("user", "CONFESS")


def test_asking_again_keeps_every_request_in_place(wire):
    model = model_of(Case("anthropic/claude-opus-4-8", "", "", claude, "anthropic", ""), wire)
    first = place(PLAIN, "CONFESS", model)
    second = place([*first.messages, ChatMessageAssistant(content="Nothing.")], "CONFESS", model)
    turns = claude(send(model, second.messages, wire))
    assert [role for role, _ in turns] == ["user", "assistant", "user", "system", "assistant", "user", "system"]


@pytest.mark.parametrize(
    ("name", "role", "right"),
    [
        ("anthropic/claude-opus-4-8", "system", "user+system"),
        ("anthropic/claude-sonnet-4-5", "system", "user"),
        ("anthropic/claude-sonnet-4-5", "user+system", "user"),
    ],
)
def test_a_role_that_would_be_hoisted_is_refused_before_any_call(name, role, right, wire):
    model = model_of(Case(name, "", "", claude, "anthropic", ""), wire)
    calls = len(wire.calls)
    with pytest.raises(
        PlacementError, match=f'{name} cannot .* role="{role}": .*use role="{right}" or "auto"'.replace("+", r"\+")
    ):
        place(PLAIN, "CONFESS", model, role)
    assert len(wire.calls) == calls
    assert place(PLAIN, "CONFESS", model, "user").role == "user"


def test_a_role_that_was_asked_for_is_told_from_one_that_was_chosen():
    model = get_model("mockllm/model", memoize=False)
    assert place(PLAIN, "CONFESS", model).reason == "mockllm/model: the messages arrive as they are"
    placed = place(PLAIN, "CONFESS", model, "user+system")
    assert placed.reason.startswith('role="user+system" was asked for, where "auto" is "system"')
    assert [(m.role, m.text) for m in placed.messages[-2:]] == [("user", USER_TURN), ("system", "CONFESS")]


def test_a_role_that_is_none_is_named():
    with pytest.raises(PlacementError, match='"assistant"; it should be one of auto, system'):
        place(PLAIN, "CONFESS", get_model("mockllm/model", memoize=False), "assistant")


def test_the_messages_given_stay_as_they_are(wire):
    before = [message.model_dump_json() for message in AGENTIC]
    given = list(AGENTIC)
    for case in CASES[:1] + CASES[9:12]:
        model = model_of(case, wire)
        send(model, place(given, "CONFESS", model).messages, wire, [LOOK])
    assert given == AGENTIC and [message.model_dump_json() for message in AGENTIC] == before


def test_every_provider_of_inspect_is_known():
    registered = {
        registry_info(value).name.removeprefix("inspect_ai/")
        for value in vars(providers).values()
        if hasattr(value, "__registry_info__")
    }
    assert "openai" in registered
    assert registered - {"anthropic"} <= set(PROVIDERS), "a new provider: read what it does with late system messages"


def stub(monkeypatch, name, **api):
    """Make what `place` needs of a model whose provider's libraries are not installed."""
    provider, model_name = name.split("/", 1)
    monkeypatch.setattr(placement, "ModelName", lambda model: SimpleNamespace(api=provider, name=model_name))
    made = SimpleNamespace(tools_required=lambda: False, **api)
    return type("Stub", (SimpleNamespace,), {"__str__": lambda self: name})(api=made)


@pytest.mark.parametrize(
    ("name", "role", "has_schema"),
    [
        ("google/gemini-2.5-flash", "user", True),
        ("bedrock/anthropic.claude-sonnet-4-5", "user", True),
        ("bedrock/amazon.nova-pro", "user", False),
        ("mistral/mistral-large", "user", True),
        ("grok/grok-4", "system", True),
        ("groq/openai/gpt-oss-120b", "system", True),
        ("groq/gemma2-9b-it", "user", True),
        ("azureai/Llama-4-Scout", "system", False),
        ("azureai/mistral-large-2411", "user", False),
        ("perplexity/sonar", "user", True),
        ("deepseek/deepseek-chat", "system", False),
        ("openai/gpt-3.5-turbo", "system", False),
        ("openai/gpt-4-turbo", "system", False),
        ("openai/gpt-4.1", "system", True),
        ("litellm-proxy/anything", "user", True),
        ("openai-api/proxy/claude-sonnet-4-5", "user", True),
        ("vllm/mistralai/Mixtral-8x7B-Instruct-v0.1", "user", True),
        ("vllm/Qwen/Qwen2.5-7B-Instruct", "system", True),
        ("sglang/meta-llama/Llama-3.1-8B-Instruct", "system", True),
        ("made_up/model", "user", False),
    ],
)
def test_what_is_known_of_providers(name, role, has_schema, monkeypatch):
    model = stub(monkeypatch, name)
    placed = place(PLAIN, "CONFESS", model)
    assert placed.role == role
    assert supports_response_schema(model) is has_schema
    assert placed.messages[-1].role == role and placed.messages[-1].text == "CONFESS"


@pytest.mark.parametrize(
    "name", ["google/gemini-2.5-flash", "bedrock/amazon.nova-pro", "mistral/mistral-large", "vllm-completions/m"]
)
def test_system_roles_that_never_arrive_last_are_refused(name, monkeypatch):
    model = stub(monkeypatch, name)
    for role in ("system", "user+system"):
        with pytest.raises(PlacementError, match="cannot be asked"):
            place(PLAIN, "CONFESS", model, role)


@pytest.mark.parametrize("name", ["openai-api-completions/fake/m", "vllm-completions/m", "none/none"])
def test_providers_without_conversations_are_refused(name, monkeypatch):
    with pytest.raises(PlacementError, match="cannot be asked for a confession .*(one user message|no model)"):
        place(PLAIN, "CONFESS", stub(monkeypatch, name))


def test_a_provider_built_on_inspects_compatible_one_is_taken_for_such(monkeypatch):
    base = type("OpenAICompatibleAPI", (), {})
    model = stub(monkeypatch, "elsewhere/m")
    model.api = type("Elsewhere", (base,), {"tools_required": lambda self: False})()
    assert provider_of(model) is PROVIDERS["openai-api"]


def test_tool_calls_become_text_where_they_could_not_be_shown(monkeypatch):
    placed = place(AGENTIC, "CONFESS", stub(monkeypatch, "bedrock/amazon.nova-pro"))
    assert [message.role for message in placed.messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert '[call of look] {"q": "x"}' in placed.messages[2].text
    assert "[result of look] found" in placed.messages[3].text
    assert "written as text" in placed.reason
    assert "written as text" not in place(PLAIN, "CONFESS", stub(monkeypatch, "bedrock/amazon.nova-pro")).reason


def test_tool_calls_become_text_where_their_tools_are_needed_and_gone(wire):
    model = model_of(Case("anthropic/claude-sonnet-4-5", "", "", claude, "anthropic", ""), wire)
    body = send(model, place(AGENTIC, "CONFESS", model, has_tools=False).messages, wire)
    assert "tool_use" not in json.dumps(body) and "[call of look]" in json.dumps(body)


@pytest.mark.parametrize("name", ["mistral/mistral-large", "vllm/mistralai/Ministral-8B", "azureai/mistral-large"])
def test_the_request_never_becomes_part_of_a_tool_result(name, monkeypatch):
    placed = place(AGENTIC[:4], "CONFESS", stub(monkeypatch, name))
    assert [message.role for message in placed.messages[-3:]] == ["tool", "assistant", "user"]
    assert "stands between the last tool result and the request" in placed.reason
    assert [m.role for m in place(AGENTIC[:4], "CONFESS", stub(monkeypatch, "ollama/m")).messages[-2:]] == [
        "tool",
        "system",
    ]


CHATML = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ALTERNATING = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}<|{{ m.role }}|>{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
DROPPING = CHATML.replace("<|{{ m.role }}|>", "{% if m.role == 'system' %}{% continue %}{% endif %}<|{{ m.role }}|>")


class Tokenizer:
    """Just enough of a tokenizer: a chat template, and a token for each character."""

    name_or_path = "stub"

    def __init__(self, chat_template):
        self.chat_template = chat_template

    def apply_chat_template(self, messages, tokenize, chat_template=None, add_generation_prompt=False, **_):
        def refuse(reason):
            raise jinja2.TemplateError(reason)

        environment = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"])
        environment.globals["raise_exception"] = refuse
        template = environment.from_string(chat_template or self.chat_template)
        return template.render(messages=messages, add_generation_prompt=add_generation_prompt)

    def __call__(self, text, add_special_tokens):
        return {"input_ids": [ord(character) for character in text]}


@pytest.mark.parametrize(
    ("template", "role"), [(CHATML, "system"), (ALTERNATING, "user"), (DROPPING, "user"), (None, "system")]
)
def test_a_chat_template_at_hand_is_asked(template, role, monkeypatch):
    model = stub(monkeypatch, "hf/some/model", tokenizer=Tokenizer(template))
    placed = place(PLAIN, "CONFESS", model)
    assert placed.role == role
    if template is ALTERNATING:
        assert "roles must alternate" in placed.reason
    if role == "user":
        with pytest.raises(PlacementError, match='refuses late system messages.*; use role="user"'):
            place(PLAIN, "CONFESS", model, "system")


def test_a_template_given_to_the_provider_counts_and_none_at_all_too(monkeypatch):
    own = stub(monkeypatch, "hf/some/model", tokenizer=Tokenizer(CHATML), chat_template=ALTERNATING)
    assert place(PLAIN, "CONFESS", own).role == "user"
    none = stub(monkeypatch, "hf/some/model", tokenizer=Tokenizer(ALTERNATING), use_chat_template=False)
    assert place(PLAIN, "CONFESS", none).role == "system"


@pytest.mark.parametrize("name", ["local/embedded", "elsewhere/model"])
def test_a_provider_that_knows_its_template_is_asked(name, monkeypatch):
    assert place(PLAIN, "CONFESS", stub(monkeypatch, name, refuses_late_system=lambda: True)).role == "user"
    assert place(PLAIN, "CONFESS", stub(monkeypatch, name, refuses_late_system=lambda: False)).role == "system"


def test_local_models_have_structured_output_and_write_tool_calls_themselves(monkeypatch):
    model = stub(monkeypatch, "local/embedded", refuses_late_system=lambda: False)
    assert supports_response_schema(model)
    assert place(AGENTIC, "CONFESS", model).messages[:-1] == AGENTIC


def test_inspects_hf_provider_renders_what_is_placed(monkeypatch):
    """The provider's own rendering drops tool calls when no tool may be called; as text they arrive."""
    hf = pytest.importorskip("inspect_ai.model._providers.hf")
    api = object.__new__(hf.HuggingFaceAPI)
    vars(api).update(
        model_name="tiny", tokenizer=Tokenizer(CHATML), chat_template=None, use_chat_template=None, enable_thinking=None
    )
    model = stub(monkeypatch, "hf/tiny")
    model.api = api
    assert '"q": "x"' not in api.hf_chat([*AGENTIC], [])
    rendered = api.hf_chat(place(AGENTIC, "CONFESS", model).messages, [])
    assert '"q": "x"' in rendered and "found" in rendered
    assert rendered.endswith("It is x.<|end|>\n<|system|>CONFESS<|end|>\n<|assistant|>")


def test_the_docs_say_what_the_table_does():
    text = (Path(__file__).parents[2] / "docs" / "evaluation-providers.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    said = {row[0].strip("`"): (row[1].strip("`"), row[2]) for row in rows if "anthropic" not in row[0]}
    for name, provider in PROVIDERS.items():
        form = "refused" if len(provider.refused) == 3 else provider.role
        schema = "Claude only" if name == "bedrock" else "yes" if provider.has_response_schema else "no"
        assert said.pop(name) == (form, schema), name
    assert not said
