"""Tell whether a model can read a prompt at all: does it fit the context, and are its words known to the tokenizer?

A model that cannot read a prompt would still write something, and a score of that would look like conduct.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

SPARE_TOKENS = 16
"""A prompt has to leave at least so much of the context to its answer."""
MAX_UNKNOWN_SHARE = 0.05
"""The share of a prompt's words that may be unknown."""

_WORD = re.compile(r"[^\W\d_]{3,}")


class Reading(NamedTuple):
    """A prompt's tokens, and why the model cannot read them; None where it can."""

    ids: list[int]
    obstacle: str | None


class PromptReader:
    """Read prompts with one tokenizer into a context of `context_tokens`, None being one without end.

    A word is unknown if the tokenizer has no piece for it but single letters, though it has pieces for others: a model
    whose tokenizer spells only rare words has never learnt to spell. It is also unknown if it has the unknown token.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, context_tokens: int | None) -> None:
        """Look through the vocabulary once."""
        self.tokenizer = tokenizer
        self.context_tokens = context_tokens
        added = tokenizer.get_added_vocab()
        self._has_words = any(_WORD.search(piece) for piece in tokenizer.get_vocab() if piece not in added)

    def read(self, text: str, add_special_tokens: bool = False) -> Reading:
        """Turn a rendered prompt into tokens and say what keeps the model from reading it."""
        is_fast = self.tokenizer.is_fast
        encoded = self.tokenizer(
            text, add_special_tokens=add_special_tokens, return_offsets_mapping=is_fast, verbose=False
        )
        ids = list(encoded["input_ids"])
        if self.context_tokens is not None and len(ids) + SPARE_TOKENS > self.context_tokens:
            return Reading(
                ids,
                f"the prompt has {len(ids)} tokens and the model's context {self.context_tokens}, of which its text "
                f"needs at least {SPARE_TOKENS}",
            )
        return Reading(ids, self._strangeness(text, ids, encoded["offset_mapping"]) if is_fast else None)

    def _strangeness(self, text: str, ids: list[int], offsets: list[tuple[int, int]]) -> str | None:
        """Name the unknown words if there are too many of them."""
        starts = [start for start, _ in offsets]
        ends = [end for _, end in offsets]
        words = list(_WORD.finditer(text))
        unknown: list[str] = []
        for word in words:
            pieces = ids[bisect_right(ends, word.start()) : bisect_left(starts, word.end())]
            # Scripts without capitals are left out: a letter of theirs may well be a word.
            is_spelt = self._has_words and len(pieces) >= len(word[0]) and word[0].lower() != word[0].upper()
            if is_spelt or self.tokenizer.unk_token_id in pieces:
                unknown.append(word[0])
        if len(unknown) <= MAX_UNKNOWN_SHARE * len(words):
            return None
        examples = ", ".join(f'"{word}"' for word in dict.fromkeys(unknown[:3]))
        share = f"{len(unknown)} of the prompt's {len(words)} words"
        return f"{share} are unknown to the model's tokenizer, such as {examples}"
