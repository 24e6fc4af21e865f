"""Inspect's Hugging Face provider over this package's own models: structured output, seeds, cut-off texts, true usage.

Rendering a conversation and reading tool calls are Inspect's; finding, loading and sampling are `confessions.models`'.
A prompt that the model cannot read is not answered: the output is empty, and its metadata say why (`not_attempted`).
"""

from __future__ import annotations

import json
from typing import Any

import anyio
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    ResponseSchema,
    StopReason,
)
from inspect_ai.model._providers.hf import HuggingFaceAPI
from inspect_ai.model._providers.util import HFHandler
from inspect_ai.tool import ToolChoice, ToolInfo

from confessions.evaluation.local import LocalModelError
from confessions.models.attempts import PromptReader
from confessions.models.chat import ChatTemplateError, request_role
from confessions.models.constrained import bounded_schema
from confessions.models.resolve import hide_loading_bars
from confessions.models.serving import ServedText, Server, TextRequest, open_server
from confessions.protocol import PROFILES, confession_request, json_schema
from confessions.protocol.reasoning import THINK_END, THINK_START, split_reasoning

POLL_SECONDS = 0.02
SMALL_PARAMETERS = 1_000_000_000
"""A model with fewer has its confessions bounded, for it seldom comes to an end by itself."""
SMALL_MAX_ITEMS = 6
SMALL_MAX_LENGTH = 200
_LIMIT_STEP = 64
_NOT_HAD = (
    "logprobs",
    "top_logprobs",
    "prompt_logprobs",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
)
_ONE_AT_MOST = ("num_choices", "best_of")
_REQUESTS = frozenset(confession_request(profile).content for profile in PROFILES.values())


class NotAttempted(Exception):
    """Carry up why the model cannot read a prompt."""


class LocalAPI(HuggingFaceAPI):
    """A model in memory as an Inspect model.

    Where a setting is not given, the model's plain distribution is sampled from (temperature 1), not what its
    generation_config names. With `seed`, equal prompts get equal texts. `max_connections` is the size of a batch.
    A confession's schema is bounded to `max_items` entries and `max_length` characters a text; by default small models
    get 6 and 200 and others the schema as it is.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        device: str | None = None,
        dtype: str | None = None,
        chat_template: str | None = None,
        enable_thinking: bool | None = None,
        max_items: int | None = None,
        max_length: int | None = None,
        **model_args: Any,
    ) -> None:
        """Load the model, or share it with others that serve the same."""
        # HuggingFaceAPI's own constructor would load the weights unchecked, and knows no adapters.
        ModelAPI.__init__(self, model_name, base_url, api_key, [], config or GenerateConfig())
        if model_args:
            raise LocalModelError(
                "local models take device, dtype, chat_template, enable_thinking, max_items and max_length, not "
                + ", ".join(model_args)
            )
        hide_loading_bars()
        self._server: Server | None = open_server(model_name, device, dtype)
        self.model = self._server.loaded.model
        self.tokenizer = self._server.loaded.tokenizer
        self.chat_template = chat_template
        self.use_chat_template = None
        self.enable_thinking = enable_thinking
        is_small = self.model.num_parameters() < SMALL_PARAMETERS
        self._max_items = max_items or (SMALL_MAX_ITEMS if is_small else None)
        self._max_length = max_length or (SMALL_MAX_LENGTH if is_small else None)
        self._context_tokens: int | None = getattr(self.model.config, "max_position_embeddings", None)
        self._reader = PromptReader(self.tokenizer, self._context_tokens)

    def close(self) -> None:
        """Let go of the model."""
        self._server = None
        super().close()

    def refuses_late_system(self) -> bool:
        """Tell whether the chat template refuses, drops or moves a system message after an answer."""
        template = self.chat_template or self.tokenizer.chat_template
        if template is None:
            return False
        try:
            return request_role(self.tokenizer, "auto", {"chat_template": template}) != "system"
        except ChatTemplateError:
            return True

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """Answer a conversation, or say that the model cannot read it."""
        if self._server is None:
            raise LocalModelError(f"local/{self.model_name} is closed: get the model anew")
        refused = [name for name in _NOT_HAD if getattr(config, name)]
        refused += [name for name in _ONE_AT_MOST if (getattr(config, name) or 1) > 1]
        if refused:
            raise LocalModelError(f"local models do not have the setting {', '.join(refused)}: leave it out")
        try:
            prompt = self._prompt(input, tools, tool_choice)
        except NotAttempted as reason:
            return self._not_attempted(str(reason))
        asked = config.max_tokens or self.max_tokens() or _LIMIT_STEP
        room = asked if self._context_tokens is None else self._context_tokens - len(prompt)
        request = TextRequest(
            prompt=tuple(prompt),
            max_new_tokens=asked if asked <= room else _stepped(room),
            temperature=1.0 if config.temperature is None else config.temperature,
            top_p=config.top_p,
            top_k=config.top_k,
            seed=config.seed,
            **self._constraint(config.response_schema),
        )
        future = self._server.submit(request, config.max_connections or self.max_connections())
        try:
            while not future.done():
                await anyio.sleep(POLL_SECONDS)
        finally:
            future.cancel()
        served = future.result()
        cut: StopReason = "max_tokens" if asked <= room else "model_length"
        return self._output(served, len(prompt), cut, tools if tool_choice != "none" else [], config.stop_seqs or [])

    def _prompt(self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice) -> list[int]:
        """Render a conversation into tokens.

        Raises: NotAttempted if the template refuses it or hides the tools, or the model cannot read it.
        """
        messages = [_with_written_calls(message) for message in input]
        text = self._rendered_with_reasoning(messages, tools)
        if tools and tool_choice != "none" and text == self._rendered_with_reasoning(messages, []):
            raise NotAttempted("the chat template shows the model nothing of the tools that the task is about")
        has_template = (self.chat_template or self.tokenizer.chat_template) is not None
        reading = self._reader.read(text, add_special_tokens=not has_template)
        if reading.obstacle is not None:
            raise NotAttempted(reading.obstacle)
        return reading.ids

    def _rendered_with_reasoning(self, messages: list[ChatMessage], tools: list[ToolInfo]) -> str:
        """Render a conversation; where a confession is asked for, with the reasoning of the turn it is about.

        Many templates leave out the reasoning of past turns, which the answer's is once more is asked. So a mark is
        rendered in place of each text with reasoning, and the mark then replaced by the text as it was written.
        """
        marked = list(messages)
        texts: dict[str, str] = {}
        for index in _turn_before_request(messages):
            text = _with_reasoning(messages[index])
            if split_reasoning(text)[0]:
                mark = f"[the turn {index} of {len(messages)}]"
                marked[index], texts[mark] = messages[index].model_copy(update={"content": mark}), text
        rendered = self._rendered(marked, tools)
        for mark, text in texts.items():
            rendered = rendered.replace(mark, text, 1)
        return rendered

    def _rendered(self, messages: list[ChatMessage], tools: list[ToolInfo]) -> str:
        try:
            return self.hf_chat(messages, tools)
        except Exception as error:  # whatever the template itself raises
            raise NotAttempted(f"the chat template refuses the conversation: {error}") from error

    def _constraint(self, response_schema: ResponseSchema | None) -> dict[str, Any]:
        """Give the request's schema; a confession's is that of its profile, bounded, and written as the profile is."""
        if response_schema is None:
            return {}
        schema = response_schema.json_schema.model_dump(exclude_none=True)
        for profile in PROFILES.values():
            # Inspect's JSONSchema drops minItems, so a confession's schema is taken from its source.
            if set(schema.get("properties", {})) == set(profile.keys):
                bounded = bounded_schema(json_schema(profile), self._max_items, self._max_length)
                return {"schema": json.dumps(bounded), "separators": profile.separators}
        return {"schema": json.dumps(schema)}

    def _output(
        self, served: ServedText, prompt_tokens: int, cut: StopReason, tools: list[ToolInfo], stop_seqs: list[str]
    ) -> ModelOutput:
        text, stop_reason = served.text, cut if served.is_cut_off else "stop"
        stops = [position for position in map(text.find, stop_seqs) if position >= 0]
        if stops:
            text, stop_reason = text[: min(stops)], "stop"
        if tools:
            message = HFHandler(self.model_name, self.model_family()).parse_assistant_response(text, tools)
            stop_reason = "tool_calls" if message.tool_calls else stop_reason
        else:
            message = ChatMessageAssistant(content=text, model=self.model_name, source="generate")
        return ModelOutput(
            model=self.model_name,
            choices=[ChatCompletionChoice(message=message, stop_reason=stop_reason)],
            usage=ModelUsage(
                input_tokens=prompt_tokens, output_tokens=served.tokens, total_tokens=prompt_tokens + served.tokens
            ),
            time=served.seconds,
            metadata={"closed_early": True} if served.is_closed_early else None,
        )

    def _not_attempted(self, reason: str) -> ModelOutput:
        message = ChatMessageAssistant(content="", model=self.model_name, source="generate")
        return ModelOutput(
            model=self.model_name,
            choices=[ChatCompletionChoice(message=message, stop_reason="stop")],
            usage=ModelUsage(),
            metadata={"not_attempted": reason},
        )


def _turn_before_request(messages: list[ChatMessage]) -> list[int]:
    """Find the assistant's messages of the turn that a confession is asked about; none where none is asked for."""
    requests = [index for index, message in enumerate(messages) if message.text in _REQUESTS]
    if not requests:
        return []
    asked_before = [index for index in range(requests[0]) if messages[index].role == "user"]
    start = asked_before[-1] if asked_before else 0
    return [index for index in range(start, requests[0]) if messages[index].role == "assistant"]


def _with_reasoning(message: ChatMessage) -> str:
    """Give a message's text with its reasoning, in the form in which models write it."""
    if isinstance(message.content, str):
        return message.content
    thoughts = [part.reasoning for part in message.content if isinstance(part, ContentReasoning)]
    return "".join(f"{THINK_START}\n{thought.strip()}\n{THINK_END}\n\n" for thought in thoughts) + message.text


def _stepped(room: int) -> int:
    """Round what the context leaves down to a step, so that prompts of like length share a batch."""
    return room - room % _LIMIT_STEP if room > _LIMIT_STEP else room


def _with_written_calls(message: ChatMessage) -> ChatMessage:
    """Write a message's tool calls into its text, in the form in which Inspect reads them: many templates drop them."""
    if not isinstance(message, ChatMessageAssistant) or not message.tool_calls:
        return message
    calls = [
        json.dumps({"name": call.function, "arguments": call.arguments}, ensure_ascii=False)
        for call in message.tool_calls
    ]
    written = "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in calls)
    own = message.content
    content = "\n".join(filter(None, [own, written])) if isinstance(own, str) else [*own, ContentText(text=written)]
    return message.model_copy(update={"content": content, "tool_calls": None})
