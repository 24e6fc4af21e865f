"""Hold a model's text to a JSON Schema while it is sampled, with the optional library llguidance.

A grammar made from the schema tells before each token which ones may follow. After a complete document only an
end-of-turn token may. Where a length limit is given, the document is closed in time: strings and arrays end, no new
entry begins, and what the schema leaves open (a label, a number) stays the model's choice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedTokenizerBase

from confessions.errors import ConfessionsError

SEPARATORS = (", ", ": ")
"""Between items, and between key and value, as Python's json writes them; no other white space is allowed.

A free choice of white space would split the tokens in which a model has learnt to write the fixed parts.
"""
_FORBIDDEN = float("-inf")

_guides: WeakKeyDictionary[PreTrainedTokenizerBase, dict[tuple[int, ...], Any]] = WeakKeyDictionary()


class ConstraintError(ConfessionsError):
    """Say why a text cannot be held to a schema."""


def bounded_schema(schema: Mapping[str, Any], max_items: int | None, max_length: int | None) -> dict[str, Any]:
    """Cap every array's `maxItems` and every free string's `maxLength`, so that a small model comes to an end.

    Lower caps stay, and so do minima above the new caps; None caps nothing.
    Whatever keeps the result keeps the schema given.
    """
    bounded = dict(schema)
    for name in ("properties", "$defs"):
        if name in schema:
            bounded[name] = {key: bounded_schema(value, max_items, max_length) for key, value in schema[name].items()}
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if name in schema:
            bounded[name] = [bounded_schema(value, max_items, max_length) for value in schema[name]]
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), Mapping):
            bounded[name] = bounded_schema(schema[name], max_items, max_length)
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    is_free = not {"enum", "const", "pattern", "format"} & set(schema)
    if "array" in kinds and max_items is not None:
        bounded["maxItems"] = max(min(schema.get("maxItems", max_items), max_items), schema.get("minItems", 0))
    if "string" in kinds and is_free and max_length is not None:
        bounded["maxLength"] = max(min(schema.get("maxLength", max_length), max_length), schema.get("minLength", 0))
    return bounded


class RowTracker:
    """Know the rows of a batch again from one call of a logits processor to the next.

    `sample` drops rows that have finished and goes on with other prompts. The rows are found by their tokens.
    """

    def __init__(self) -> None:
        """Have seen nothing."""
        self.width = 0
        """The number of tokens before the first sampled one, padding included."""
        self._seen: torch.Tensor | None = None
        self._rows: list[int] = []
        self._chosen: list[int] | None = None

    def follow(self, input_ids: torch.Tensor) -> tuple[list[int], bool]:
        """Give each row's number in the batch it began in, and whether a new batch begins; `input_ids` is (B, T)."""
        rows = self._known(input_ids)
        is_new = rows is None
        self._rows = list(range(input_ids.shape[0])) if rows is None else rows
        if is_new:
            self.width = input_ids.shape[1]
        self._seen, self._chosen = input_ids, None
        return self._rows, is_new

    def expect(self, chosen: list[int]) -> None:
        """Note the tokens that follow, where they are known: they tell rows apart that have been alike so far."""
        self._chosen = chosen

    def _known(self, input_ids: torch.Tensor) -> list[int] | None:
        if self._seen is None or input_ids.shape[1] != self._seen.shape[1] + 1:
            return None
        before = input_ids[:, :-1]
        if before.shape == self._seen.shape and torch.equal(before, self._seen):
            return self._rows
        candidates = [tuple(row) for row in self._seen.tolist()]
        found: list[int] = []
        for *start, last in input_ids.tolist():
            position = next(
                (
                    position
                    for position in range(found[-1] + 1 if found else 0, len(candidates))
                    if candidates[position] == tuple(start) and (self._chosen is None or self._chosen[position] == last)
                ),
                None,
            )
            if position is None:
                return None
            found.append(position)
        return [self._rows[position] for position in found]


@dataclass
class _Row:
    """A row's state in the grammar."""

    matcher: Any
    is_ended: bool = False
    is_closed_early: bool = False


class JsonSchemaProcessor(LogitsProcessor):
    """Forbid every token that would leave the schema; made anew for each batch by `json_schema_processor`."""

    def __init__(
        self,
        guide: Any,
        schema: Mapping[str, Any],
        eos_ids: Sequence[int],
        max_new_tokens: int | None,
        separators: tuple[str, str],
    ) -> None:
        """Check the schema once; see `json_schema_processor` for what the arguments mean."""
        self._guide = guide
        self._start = _matcher(guide, schema, separators)
        self._eos_ids = list(eos_ids)
        self._max_new_tokens = max_new_tokens
        self._tracker = RowTracker()
        self._rows: list[_Row] = []
        # Missing single-character tokens are -1: the text is then closed as far as the vocabulary can.
        self._quote, self._bracket, self._brace, self._comma, self._letter = (
            _single_token(guide, character) for character in ('"', "]", "}", ",", "a")
        )
        self.reserve_tokens = 0 if max_new_tokens is None else self._closing_length() + _longest_choice(schema)
        """How many tokens before its limit a text begins to close."""

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Set the scores (B, V) of forbidden tokens to minus infinity."""
        numbers, is_new = self._tracker.follow(input_ids)
        if is_new:
            self._rows = [_Row(self._start.deep_copy()) for _ in numbers]
        generated = input_ids.shape[1] - self._tracker.width
        is_late = self._max_new_tokens is not None and generated >= self._max_new_tokens - self.reserve_tokens
        allowed = torch.zeros(scores.shape, dtype=torch.bool)
        for position, number in enumerate(numbers):
            row = self._rows[number]
            if not is_new:
                self._consume(row, int(input_ids[position, -1]))
            mask = self._mask(row, is_late, scores.shape[1])
            allowed[position, : mask.shape[0]] = mask
        return scores.masked_fill(~allowed.to(scores.device), _FORBIDDEN)  # type: ignore[return-value]

    def is_closed_early(self, number: int) -> bool:
        """Tell whether a row of the last batch was closed for want of room."""
        return self._rows[number].is_closed_early

    def _consume(self, row: _Row, token: int) -> None:
        if row.is_ended:
            return
        if token in self._eos_ids:
            row.is_ended = True
        elif not row.matcher.consume_token(token):
            raise ConstraintError(f"the text has left its JSON Schema: {row.matcher.get_error()}")

    def _mask(self, row: _Row, is_late: bool, vocabulary: int) -> torch.Tensor:
        """Give the tokens that may follow, (V,)."""
        if row.is_ended or row.matcher.is_stopped():
            return self._only(self._eos_ids, vocabulary)
        mask = self._allowed(row.matcher)
        if is_late:
            row.is_closed_early = True
            closing = self._closing(row.matcher, mask)
            if closing:
                return self._only(closing, vocabulary)
        return mask[:vocabulary]

    def _allowed(self, matcher: Any) -> torch.Tensor:
        mask = torch.frombuffer(bytearray(matcher.compute_logit_bias()), dtype=torch.uint8) != 0
        if matcher.is_error():
            raise ConstraintError(f"the JSON Schema's grammar has failed: {matcher.get_error()}")
        return mask

    def _closing(self, matcher: Any, mask: torch.Tensor) -> list[int]:
        """Choose the tokens that bring the document's end nearer; none where the model has to choose."""
        if matcher.is_accepting():
            return self._eos_ids
        forced = matcher.compute_ff_tokens()
        if forced:
            return [forced[0]]
        # Within a string brackets are letters like others, and the letter a may stand there too.
        is_within_string = self._may(self._letter, mask)
        closing = [self._quote] if is_within_string else [self._bracket, self._brace, self._quote, self._comma]
        return next(([token] for token in closing if self._may(token, mask)), [])

    @staticmethod
    def _may(token: int, mask: torch.Tensor) -> bool:
        return token >= 0 and bool(mask[token])

    @staticmethod
    def _only(tokens: Sequence[int], vocabulary: int) -> torch.Tensor:
        mask = torch.zeros(vocabulary, dtype=torch.bool)
        mask[list(tokens)] = True
        return mask

    def _closing_length(self) -> int:
        """Count the tokens of the shortest document, written as wastefully as a model could."""
        matcher = self._start.deep_copy()
        lengths = torch.tensor([len(self._guide.decode_bytes([token])) for token in range(self._guide.vocab_size)])
        for count in range(4096):
            if matcher.is_stopped() or matcher.is_accepting():
                return count + 1
            mask = self._allowed(matcher)
            mask[self._eos_ids] = False
            closing = self._closing(matcher, mask)
            token = closing[0] if closing else int(torch.where(mask, lengths, lengths.max() + 1).argmin())
            if not matcher.consume_token(token):
                raise ConstraintError(f"the JSON Schema's grammar has failed: {matcher.get_error()}")
        raise ConstraintError("the JSON Schema has no document of less than 4096 tokens: it cannot be closed in time")


def json_schema_processor(
    schema: Mapping[str, Any],
    tokenizer: PreTrainedTokenizerBase,
    *,
    eos_ids: Sequence[int] | None = None,
    max_new_tokens: int | None = None,
    separators: tuple[str, str] = SEPARATORS,
) -> LogitsProcessorList:
    """Make what holds a batch's rows to the schema, for one call of `sample` or `generate`.

    `eos_ids` are the tokens that end a turn, by default the tokenizer's. With `max_new_tokens` a document
    that runs out of room is closed in time.
    Raises: ConstraintError if llguidance is missing, the tokenizer is of a kind it cannot read, or the schema is wrong.
    """
    ends = list(eos_ids) if eos_ids is not None else [tokenizer.eos_token_id]
    return LogitsProcessorList([JsonSchemaProcessor(_guide(tokenizer, ends), schema, ends, max_new_tokens, separators)])


def _library() -> Any:
    try:
        import llguidance
    except ImportError as error:
        raise ConstraintError(
            "structured output of a local model needs llguidance: pip install 'confessions[local]'"
        ) from error
    return llguidance


def _guide(tokenizer: PreTrainedTokenizerBase, eos_ids: Sequence[int]) -> Any:
    """Read the tokenizer's vocabulary, once for each tokenizer."""
    of_tokenizer = _guides.setdefault(tokenizer, {})
    key = tuple(eos_ids)
    if key not in of_tokenizer:
        _library()
        from llguidance.hf import from_tokenizer

        try:
            of_tokenizer[key] = from_tokenizer(tokenizer, eos_token=list(eos_ids))
        except ValueError as error:
            raise ConstraintError(
                f"llguidance cannot read this tokenizer ({error}); structured output needs a fast one (tokenizer.json)"
            ) from error
    return of_tokenizer[key]


def _matcher(guide: Any, schema: Mapping[str, Any], separators: tuple[str, str]) -> Any:
    library = _library()
    item, key = separators
    options = {"whitespace_flexible": False, "item_separator": item, "key_separator": key}
    grammar = library.LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=options)
    matcher = library.LLMatcher(guide, grammar, log_level=0)
    if matcher.is_error():
        raise ConstraintError(f"llguidance cannot hold a text to this JSON Schema: {matcher.get_error()}")
    return matcher


def _single_token(guide: Any, character: str) -> int:
    tokens = guide.greedy_tokenize(character)
    return int(tokens[0]) if len(tokens) == 1 else -1


def _longest_choice(schema: Any) -> int:
    """Give the length of the longest text among which a schema lets the model choose."""
    if isinstance(schema, Mapping):
        choices = [len(json.dumps(choice)) for choice in schema.get("enum", [])]
        return max([*choices, *map(_longest_choice, schema.values())], default=0)
    return max(map(_longest_choice, schema), default=0) if isinstance(schema, list) else 0
