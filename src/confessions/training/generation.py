"""Share out what is to be sampled, where processes can only sample together.

With vLLM and with sharded weights, each process must call the sampler as often as the others and bring as many rows:
TRL gathers the rows or the weights of all in every call. Confession groups bring one answer and then G confessions, so
the rows of the processes differ. They are pooled, dealt out evenly, and handed back to where they belong.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

Row = TypeVar("Row")


class Completion(NamedTuple):
    """What was sampled for one row."""

    ids: list[int]
    logprobs: list[float | None] | None = None
    """The sampler's own log-probability of each token; None where transformers samples, whose weights are trained."""


def own_share(rows: Sequence[Row], processes: int, index: int) -> list[Row]:
    """Give one process its share of the pooled rows: as many as any other, filled up with copies of the first row."""
    size = -(-len(rows) // processes)
    share = list(rows[index * size : (index + 1) * size])
    return share + list(rows[:1]) * (size - len(share))
