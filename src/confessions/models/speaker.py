"""A language model in memory that answers prompts and confesses, by token ids.

About its own answers (`respond`) the model confesses from the very ids that it sampled, as in training. A transcript
from elsewhere (`confess`) is rendered with the chat template, tool calls and the final answer's reasoning included:
where a template leaves those out, they are written into the text, for a confession is about all that was done.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from confessions.models.chat import (
    ChatTemplateError,
    confession_context,
    prompt_ids,
    request_role,
    request_suffix_ids,
)
from confessions.models.resolve import LoadedModel
from confessions.models.sampling import SamplingError, end_of_turn_ids, sample
from confessions.models.speech import Progress, Prompt, Response, Speaker
from confessions.protocol import BRIEF, Message, Profile, RequestRole, Transcript, confession_request
from confessions.protocol.reasoning import THINK_END, THINK_START, opens_reasoning, split_reasoning

__all__ = ["LocalSpeaker", "Response", "Speaker"]

# Answers and confessions draw from different random streams of one seed.
_CONFESSION_SEED_OFFSET = 1_000_003


class _Turn(NamedTuple):
    """A sampled turn as ids and as text."""

    ids: list[int]
    text: str
    reasoning: str | None
    is_cut_off: bool


class LocalSpeaker:
    """Answer and confess with a loaded model.

    `request` replaces the words of the profile's own request.
    `role` is that of the confession request; `auto` takes `system` unless the chat template refuses it so late. What
    was chosen stands in `request_role` and in every `Response`. Equal seeds and equal questions give equal texts.
    Raises: ChatTemplateError if there is no chat template or it refuses the role.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        profile: Profile = BRIEF,
        role: Literal["system", "user", "auto"] = "auto",
        request: str | None = None,
        max_answer_tokens: int = 128,
        max_confession_tokens: int = 256,
        temperature: float = 1.0,
        seed: int = 0,
        batch_size: int = 128,
    ) -> None:
        """Choose the request's role and compute the request's ids once."""
        self.loaded = loaded
        self.profile = profile
        self.max_answer_tokens = max_answer_tokens
        self.max_confession_tokens = max_confession_tokens
        self.temperature = temperature
        self.seed = seed
        self.batch_size = batch_size
        self.request_role: RequestRole = request_role(loaded.tokenizer, role)
        asked = confession_request(profile, self.request_role)
        if request is not None:
            asked = Message(role=self.request_role, content=request)
        self._suffix = request_suffix_ids(loaded.tokenizer, asked)
        self._eos_ids = end_of_turn_ids(loaded.model, loaded.tokenizer)

    def answer(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> list[str]:
        """Answer each prompt."""
        return [turn.text for turn in self._answers(self._prompt_ids(prompts), progress)]

    def confess(self, transcripts: Sequence[Transcript], progress: Progress | None = None) -> list[str]:
        """Confess about the final answer of each transcript, whoever wrote it."""
        contexts = [self._rendered(transcript) + self._suffix for transcript in transcripts]
        return [turn.text for turn in self._confessions(contexts, progress)]

    def respond(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> list[Response]:
        """Answer each prompt, then confess about that answer from its own ids."""
        asked = self._prompt_ids(prompts)
        answers = self._answers(asked, progress)
        contexts = [
            confession_context(prompt, answer.ids, self._suffix, self._eos_ids)
            for prompt, answer in zip(asked, answers, strict=True)
        ]
        confessions = self._confessions(contexts, progress)
        return [
            Response(
                answer=answer.text,
                confession=confession.text,
                answer_cut_off=answer.is_cut_off,
                confession_cut_off=confession.is_cut_off,
                request_role=self.request_role,
                reasoning=answer.reasoning,
            )
            for answer, confession in zip(answers, confessions, strict=True)
        ]

    def _prompt_ids(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        return [prompt_ids(self.loaded.tokenizer, prompt) for prompt in prompts]

    def _answers(self, prompts: list[list[int]], progress: Progress | None) -> list[_Turn]:
        return self._sample(prompts, self.max_answer_tokens, self.seed, progress, "prompt")

    def _confessions(self, contexts: list[list[int]], progress: Progress | None) -> list[_Turn]:
        seed = self.seed + _CONFESSION_SEED_OFFSET
        return self._sample(contexts, self.max_confession_tokens, seed, progress, "confession context")

    def _sample(
        self, contexts: list[list[int]], max_new_tokens: int, seed: int, progress: Progress | None, what: str
    ) -> list[_Turn]:
        room = getattr(self.loaded.model.config, "max_position_embeddings", None)
        for index, context in enumerate(contexts):
            if room is not None and len(context) >= room:
                raise SamplingError(
                    f"{what} {index} has {len(context)} tokens, and the model {self.loaded.resolved.name} reads at "
                    f"most {room}: shorten it, or take a model with a longer context"
                )
        sampled = sample(
            self.loaded.model,
            self.loaded.tokenizer,
            contexts,
            max_new_tokens=max_new_tokens,
            temperature=self.temperature,
            seed=seed,
            batch_size=self.batch_size,
            eos_ids=self._eos_ids,
            progress=progress,
        )
        return [self._turn(context, ids) for context, ids in zip(contexts, sampled, strict=True)]

    def _turn(self, context: list[int], ids: list[int]) -> _Turn:
        is_ended = bool(ids) and ids[-1] in self._eos_ids
        tokenizer = self.loaded.tokenizer
        text = str(tokenizer.decode(ids[:-1] if is_ended else ids, skip_special_tokens=True))
        # Some templates open the reasoning themselves, at the end of the prompt.
        is_opened = opens_reasoning(str(tokenizer.decode(context[-8:])))
        reasoning, visible = split_reasoning(text, is_opened=is_opened)
        return _Turn(ids, visible, reasoning, not is_ended)

    def _rendered(self, transcript: Transcript) -> list[int]:
        """Give the ids of a conversation up to the end of its answer's own text."""
        tokenizer = self.loaded.tokenizer
        text = self._render(self._nothing_left_out(transcript.messages))
        ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        ends = [position for position, token in enumerate(ids) if token in self._eos_ids]
        if not ends or str(tokenizer.decode(ids[ends[-1] + 1 :])).strip():
            raise ChatTemplateError("the chat template does not end the answer's turn with an end-of-turn token")
        return ids[: ends[-1]]

    def _nothing_left_out(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """Write tool calls and the answer's reasoning into the text where the template leaves them out."""
        without_calls = tuple(replace(message, tool_calls=()) for message in messages)
        if without_calls != messages and self._leaves_out(messages, without_calls):
            messages = tuple(_with_written_calls(message) for message in messages)
        answer = messages[-1]
        if answer.reasoning and self._leaves_out(messages, (*messages[:-1], replace(answer, reasoning=None))):
            thought = f"{THINK_START}\n{answer.reasoning.strip()}\n{THINK_END}\n\n{answer.content}"
            messages = (*messages[:-1], replace(answer, reasoning=None, content=thought))
        return messages

    def _leaves_out(self, whole: Sequence[Message], part: Sequence[Message]) -> bool:
        try:
            rendered = self._render(part)
        except ChatTemplateError:
            return False  # a template that misses the part reads it
        return self._render(whole) == rendered

    def _render(self, messages: Sequence[Message]) -> str:
        shown = [_for_template(message) for message in messages]
        try:
            return str(self.loaded.tokenizer.apply_chat_template(shown, tokenize=False))
        except Exception as error:  # whatever the template itself raises
            raise ChatTemplateError(f"the chat template refuses the transcript: {error}") from error


def _for_template(message: Message) -> dict[str, Any]:
    """Write a message the way chat templates read it: a tool call's arguments as an object."""
    written = message.to_openai()
    for call in written.get("tool_calls", []):
        call["function"]["arguments"] = _arguments(call["function"]["arguments"])
    return written


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _with_written_calls(message: Message) -> Message:
    """Write a message's tool calls into its text."""
    written = [
        json.dumps({"name": call.name, "arguments": _arguments(call.arguments)}, ensure_ascii=False)
        for call in message.tool_calls
    ]
    parts = [message.content, *(f"<tool_call>\n{call}\n</tool_call>" for call in written)]
    return replace(message, content="\n".join(part for part in parts if part), tool_calls=())
