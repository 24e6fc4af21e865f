"""Serve single requests for text with a model in memory: those that arrive together are sampled together.

A request's text depends on its own seed and prompt, not on the requests that happen to share its batch, but for what
the rounding of a batched product changes.
"""

from __future__ import annotations

import json
import queue
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from weakref import WeakValueDictionary

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from confessions.errors import ConfessionsError
from confessions.models.constrained import SEPARATORS, RowTracker, json_schema_processor
from confessions.models.resolve import LoadedModel, load, resolve
from confessions.models.sampling import end_of_turn_ids, sample

WINDOW_SECONDS = 0.1
"""A batch is closed when no request has arrived for so long."""

IDLE_SECONDS = 5.0
"""The thread ends after so long without a request, and holds the model no longer."""

_servers: WeakValueDictionary[tuple[object, ...], Server] = WeakValueDictionary()
_opening = threading.Lock()


class ServingError(ConfessionsError):
    """Say what about a device or a type of number cannot be had."""


@dataclass(frozen=True)
class TextRequest:
    """A prompt and how to go on from it."""

    prompt: tuple[int, ...]
    max_new_tokens: int
    """At least 1, and the prompt with it no longer than the model's context."""
    temperature: float = 1.0
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    """Equal seeds give equal texts for equal prompts; without one every request differs."""
    schema: str | None = None
    """A JSON Schema, as JSON, that the text keeps."""
    separators: tuple[str, str] = SEPARATORS
    """What stands between the items, and between key and value, of a text under a schema."""

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Return what requests of one batch have in common."""
        return self.max_new_tokens, self.temperature, self.top_p, self.top_k, self.schema, self.separators


@dataclass(frozen=True)
class ServedText:
    """The tokens that followed a prompt, as text and counted."""

    text: str
    tokens: int
    """How many were sampled, the end of the turn included."""
    is_cut_off: bool
    is_closed_early: bool
    """Whether a text under a schema was brought to its end because its length limit was near."""
    seconds: float
    """How long its batch took."""


class TokenPicker(LogitsProcessor):
    """Draw each row's token from the row's own random stream, and leave greedy decoding only that one to take."""

    def __init__(self, streams: Sequence[random.Random]) -> None:
        """Take one random stream a row."""
        self._streams = streams
        self._tracker = RowTracker()

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Set all scores (B, V) but those of the drawn tokens to minus infinity."""
        numbers, _ = self._tracker.follow(input_ids)
        cumulative = torch.softmax(scores.double(), dim=-1).cumsum(dim=-1)  # (B, V)
        drawn = torch.tensor([self._streams[number].random() for number in numbers], dtype=torch.float64)
        # Just below the total, so that rounding never picks a token behind the last possible one.
        targets = drawn.to(scores.device) * cumulative[:, -1] * (1 - 1e-12)
        chosen = torch.searchsorted(cumulative, targets[:, None], right=True)  # (B, 1)
        self._tracker.expect(chosen[:, 0].tolist())
        return torch.full_like(scores, float("-inf")).scatter(1, chosen, 0.0)  # type: ignore[return-value]


def serve(loaded: LoadedModel, requests: Sequence[TextRequest]) -> list[ServedText]:
    """Answer requests with one `batch_key` as one batch."""
    first = requests[0]
    order = sorted(range(len(requests)), key=lambda index: (len(requests[index].prompt), index))
    ordered = [requests[index] for index in order]
    ends = end_of_turn_ids(loaded.model, loaded.tokenizer)
    limit = first.max_new_tokens
    processors = LogitsProcessorList()
    constraint = None
    if first.schema is not None:
        schema = json.loads(first.schema)
        (constraint,) = json_schema_processor(
            schema, loaded.tokenizer, eos_ids=ends, max_new_tokens=limit, separators=first.separators
        )
        processors.append(constraint)
    if first.temperature > 0:
        processors += _warpers(first)
        processors.append(TokenPicker([_stream(request) for request in ordered]))
    started = time.monotonic()
    sampled = sample(
        loaded.model,
        loaded.tokenizer,
        [request.prompt for request in ordered],
        max_new_tokens=limit,
        temperature=0,  # the picker has drawn already
        batch_size=len(ordered),
        eos_ids=ends,
        logits_processor=processors,
    )
    seconds = time.monotonic() - started
    texts: dict[int, ServedText] = {}
    for position, (index, ids) in enumerate(zip(order, sampled, strict=True)):
        is_ended = ids[-1] in ends
        text = str(loaded.tokenizer.decode(ids[:-1] if is_ended else ids, skip_special_tokens=True))
        is_closed_early = constraint is not None and constraint.is_closed_early(position)
        texts[index] = ServedText(text, len(ids), not is_ended, is_closed_early, seconds)
    return [texts[index] for index in range(len(requests))]


class Server:
    """Collect requests for one model and serve those that arrive together as one batch, in a thread of its own."""

    def __init__(self, loaded: LoadedModel, window_seconds: float = WINDOW_SECONDS) -> None:
        """Start no thread yet; the first request does."""
        self.loaded = loaded
        self.window_seconds = window_seconds
        self._waiting: queue.Queue[_Waiting] = queue.Queue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, request: TextRequest, batch_size: int) -> Future[ServedText]:
        """Have a request served, with at most `batch_size` others, and give its text to come."""
        future: Future[ServedText] = Future()
        self._waiting.put(_Waiting(request, batch_size, future))
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="confessions-server", daemon=True)
                self._thread.start()
        return future

    def _run(self) -> None:
        """Serve batch after batch until nothing has waited for a while; the next request starts a new thread."""
        while True:
            batches: dict[object, list[_Waiting]] = {}
            try:
                first = self._waiting.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._waiting.empty():
                        self._thread = None
                        return
                continue
            for waiting in [first, *self._arriving(first.batch_size)]:
                batches.setdefault(waiting.request.batch_key, []).append(waiting)
            for batch in batches.values():
                self._serve(batch)

    def _arriving(self, batch_size: int) -> list[_Waiting]:
        found: list[_Waiting] = []
        while len(found) + 1 < batch_size:
            try:
                found.append(self._waiting.get(timeout=self.window_seconds))
            except queue.Empty:
                break
        return found

    def _serve(self, batch: list[_Waiting]) -> None:
        open_ = [waiting for waiting in batch if waiting.future.set_running_or_notify_cancel()]
        if not open_:
            return
        try:
            texts = serve(self.loaded, [waiting.request for waiting in open_])
        except BaseException as error:  # whoever waits is told; the thread serves on
            for waiting in open_:
                waiting.future.set_exception(error)
            return
        for waiting, text in zip(open_, texts, strict=True):
            waiting.future.set_result(text)


@dataclass(frozen=True)
class _Waiting:
    """A request in the queue."""

    request: TextRequest
    batch_size: int
    future: Future[ServedText]


def open_server(name: str, device: str | None = None, dtype: str | None = None) -> Server:
    """Load a model by name, ready to serve; one that is served already is shared.

    `device` None takes a GPU where there is one; `dtype` None keeps the one the weights are saved in.
    Raises: ModelError if there is no such model; ServingError for a device or dtype that does not exist.
    """
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    resolved = resolve(name)
    key = (resolved.path, resolved.sha256, place, dtype)
    with _opening:
        server = _servers.get(key)
        if server is None:
            loaded = load(resolved, _dtype(dtype))
            try:
                loaded.model.to(place)
            except (RuntimeError, AssertionError) as error:
                raise ServingError(f'the device "{place}" cannot hold {name}: {error}') from error
            server = _servers[key] = Server(loaded)
        return server


def _dtype(name: str | None) -> torch.dtype | None:
    found = None if name is None else getattr(torch, name, None)
    if name is not None and not (isinstance(found, torch.dtype) and found.is_floating_point):
        raise ServingError(f'"{name}" is no floating-point type; there are float32, bfloat16 and float16')
    return found


def _warpers(request: TextRequest) -> LogitsProcessorList:
    warpers = LogitsProcessorList([TemperatureLogitsWarper(float(request.temperature))])
    if request.top_k:
        warpers.append(TopKLogitsWarper(request.top_k))
    if request.top_p is not None and request.top_p < 1:
        warpers.append(TopPLogitsWarper(request.top_p))
    return warpers


def _stream(request: TextRequest) -> random.Random:
    """Make the request's random stream; with equal seeds, different prompts still draw differently."""
    return random.Random() if request.seed is None else random.Random(repr((request.seed, request.prompt)))
