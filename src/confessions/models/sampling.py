"""Sample token ids from a causal language model, fast enough for two cores.

Everything that speaks (answers, confessions, the demo's measurements) goes through `sample`, and the confessions that
are trained through `sample_copies`. Both are Hugging Face's own `generate` with savings that matter for small models
on a CPU: prompts of like length share a batch, equal prompts of a batch are read once, the key/value cache is allocated
once instead of being copied for every token, and rows that have finished leave the batch.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerBase
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from confessions.errors import ConfessionsError

STRETCH_TOKENS = 16
"""Finished rows leave the batch after every so many tokens."""


class SamplingError(ConfessionsError):
    """A prompt or a setting that cannot be sampled from."""


class RoomyLayer(DynamicLayer):
    """A cache layer that writes each token into room set aside at the start.

    `DynamicLayer` copies all it holds for every new token, which costs a small model about a third of its time.
    """

    # Cropping would shorten the view and leave `filled` behind; generate then never asks for it.
    is_croppable = False

    def __init__(self, room: int) -> None:
        """Set aside `room` positions once the first keys show their shape."""
        super().__init__()
        self.room = room
        self.filled = 0
        self.key_room = torch.empty(0)
        self.value_room = torch.empty(0)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new states behind the old ones and return views of all, each (B, H, T, D)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.filled + key_states.shape[-2]
        if self.filled == 0 or end > self.room:
            self.room = max(self.room, end)
            self._move_to_new_room(key_states, value_states)
        self.key_room[:, :, self.filled : end] = key_states
        self.value_room[:, :, self.filled : end] = value_states
        self.filled = end
        self._show()
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep the rows `indices`; an index that is named twice gives two rows."""
        self.key_room = self.key_room[indices]
        self.value_room = self.value_room[indices]
        self._show()

    def _move_to_new_room(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        key_room = key_states.new_empty((*key_states.shape[:2], self.room, key_states.shape[3]))
        value_room = value_states.new_empty((*value_states.shape[:2], self.room, value_states.shape[3]))
        if self.filled:
            key_room[:, :, : self.filled] = self.keys
            value_room[:, :, : self.filled] = self.values
        self.key_room, self.value_room = key_room, value_room

    def _show(self) -> None:
        self.keys = self.key_room[:, :, : self.filled]
        self.values = self.value_room[:, :, : self.filled]


def roomy_cache(model: PreTrainedModel, room: int) -> DynamicCache:
    """Make an empty cache for `model` whose full-attention layers hold `room` positions without copying."""
    cache = DynamicCache(config=model.config)
    # Sliding-window and recurrent layers keep their own kind: they hold little.
    cache.layers = [RoomyLayer(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def can_read_once(model: PreTrainedModel) -> bool:
    """Tell whether `sample_copies` works: whether all the model's layers keep keys and values, row by row."""
    plain = (DynamicLayer, DynamicSlidingWindowLayer)
    return all(type(layer) in plain for layer in DynamicCache(config=model.config).layers)


def end_of_turn_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """List the ids that end a turn: the model's own, else the tokenizer's."""
    ids = getattr(model.generation_config, "eos_token_id", None)
    if ids is None:
        ids = tokenizer.eos_token_id
    if ids is None:
        raise SamplingError("the model names no end-of-turn token: pass eos_ids")
    return [ids] if isinstance(ids, int) else list(ids)


def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    seed: int = 0,
    batch_size: int = 128,
    eos_ids: Sequence[int] | None = None,
    progress: Callable[[int], None] | None = None,
    logits_processor: LogitsProcessorList | None = None,
) -> list[list[int]]:
    """Continue each prompt until an end-of-turn token, which is kept, or until `max_new_tokens`.

    The same arguments give the same tokens, and no other random state is touched. `temperature` 0 takes the likeliest
    token. `progress` is called with the number of prompts that have just been finished.
    """
    if max_new_tokens < 1:
        raise SamplingError(f"max_new_tokens is {max_new_tokens}: it must be at least 1")
    if temperature < 0:
        raise SamplingError(f"temperature is {temperature}: it must be 0 (greedy) or more")
    if batch_size < 1:
        raise SamplingError(f"batch_size is {batch_size}: it must be at least 1")
    empty = [index for index, prompt in enumerate(prompts) if len(prompt) == 0]
    if empty:
        raise SamplingError(f"prompt {empty[0]} has no tokens: there is nothing to continue")
    ends = list(eos_ids) if eos_ids is not None else end_of_turn_ids(model, tokenizer)
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else ends[0]
    settings = _generation_config(temperature, ends, pad_id)
    order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), index))
    completions: list[list[int]] = [[] for _ in prompts]
    with _seeded(model.device, seed), _evaluating(model), torch.no_grad():
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            sampled = _sample_batch(
                model, [prompts[index] for index in batch], settings, max_new_tokens, logits_processor, progress
            )
            for index, completion in zip(batch, sampled, strict=True):
                completions[index] = completion
    return completions


def sample_copies(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], settings: GenerationConfig
) -> list[list[int]]:
    """Continue prompts of which many are equal, each distinct one read once, under generate's own settings.

    The model stays in the mode that it is in. `settings` must name `max_new_tokens`, `pad_token_id` and a list of
    `eos_token_id`, and nothing that counts new tokens from the start, such as `min_new_tokens`.
    """
    with torch.no_grad():
        return _sample_batch(model, list(prompts), copy.deepcopy(settings), settings.max_new_tokens, None, None)


def _sample_batch(
    model: PreTrainedModel,
    prompts: list[Sequence[int]],
    settings: GenerationConfig,
    max_new_tokens: int,
    logits_processor: LogitsProcessorList | None,
    progress: Callable[[int], None] | None,
) -> list[list[int]]:
    """Sample one batch in stretches, dropping the rows that have finished between two of them."""
    width = max(len(prompt) for prompt in prompts)
    pad_id = settings.pad_token_id
    ids = torch.tensor([[pad_id] * (width - len(p)) + list(p) for p in prompts], device=model.device)  # (B, T)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)  # (B, T)
    cache = roomy_cache(model, width + max_new_tokens)
    ends = set(settings.eos_token_id)
    _read_equal_prompts_once(model, cache, prompts, ids[:, :-1], mask[:, :-1], settings)
    completions: list[list[int]] = [[] for _ in prompts]
    rows = list(range(len(prompts)))
    while rows:
        before = ids.shape[1]
        settings.max_new_tokens = min(STRETCH_TOKENS, width + max_new_tokens - before)
        ids = model.generate(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            generation_config=settings,
            logits_processor=logits_processor,
        )
        mask = torch.cat([mask, mask.new_ones((len(rows), ids.shape[1] - before))], dim=1)
        for row, tokens in zip(rows, ids[:, before:].tolist(), strict=True):
            completions[row].extend(_until_end(tokens, ends))
        is_last = ids.shape[1] == width + max_new_tokens
        staying = [] if is_last else [p for p, row in enumerate(rows) if completions[row][-1] not in ends]
        if len(staying) < len(rows):
            if progress is not None:
                progress(len(rows) - len(staying))
            rows = [rows[position] for position in staying]
            kept = torch.tensor(staying, dtype=torch.long, device=ids.device)
            ids, mask = ids[kept], mask[kept]
            cache.batch_select_indices(kept)
    return completions


def _read_equal_prompts_once(
    model: PreTrainedModel,
    cache: DynamicCache,
    prompts: list[Sequence[int]],
    ids: torch.Tensor,
    mask: torch.Tensor,
    settings: GenerationConfig,
) -> None:
    """Where some prompts are equal, fill the cache with `ids` (B, T - 1): all of each prompt but its last token."""
    distinct = dict.fromkeys(map(tuple, prompts))
    if len(distinct) == len(prompts) or min(map(len, distinct)) == 1:
        return
    places = {prompt: place for place, prompt in enumerate(distinct)}
    owners = [places[tuple(prompt)] for prompt in prompts]
    first = torch.tensor([owners.index(place) for place in range(len(places))], device=ids.device)
    settings.max_new_tokens = 1
    # Of what is generated only the cache is wanted, which holds what was read and not the token that follows.
    model.generate(input_ids=ids[first], attention_mask=mask[first], past_key_values=cache, generation_config=settings)
    cache.batch_select_indices(torch.tensor(owners, device=ids.device))


def _until_end(tokens: list[int], ends: set[int]) -> list[int]:
    """Cut behind the first end-of-turn token."""
    for position, token in enumerate(tokens):
        if token in ends:
            return tokens[: position + 1]
    return tokens


def _generation_config(temperature: float, eos_ids: list[int], pad_id: int) -> GenerationConfig:
    """Spell out every setting that a model's own defaults could otherwise bend the distribution with."""
    plain = {
        "repetition_penalty": 1.0,
        "no_repeat_ngram_size": 0,
        "num_beams": 1,
        "num_return_sequences": 1,
        "min_length": 0,
        "eos_token_id": eos_ids,
        "pad_token_id": pad_id,
    }
    if temperature == 0:
        return GenerationConfig(do_sample=False, **plain)
    whole = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0}
    return GenerationConfig(do_sample=True, temperature=temperature, **whole, **plain)


@contextmanager
def _seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Draw from `seed` inside, and leave every other random state as it was."""
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Switch dropout and gradient checkpointing off inside."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
