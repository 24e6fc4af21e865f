"""Score completions with each distinct context read once: TRL's per-token log-probabilities at less cost.

The G rows of a group share their context, which is most of what they hold. So the context is read once, its keys and
values are copied to the rows, and the rows go on from there; gradients flow back through the copies and add up. Nothing
but completions goes through the head of the vocabulary, and columns that are padding in every row are left out.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache


class Scores(NamedTuple):
    """What a model gives to completions, token by token, both (B, T)."""

    log_probs: Tensor
    entropy: Tensor | None


def score_completions(
    model: Any, own: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, width: int
) -> Scores:
    """Score the last `width` tokens of each row; padding gets 0.

    `model` is called as TRL calls it, with its fused head; `own` is the unwrapped model without an adapter's shell.
    Shapes: `input_ids` and `attention_mask` (B, T), contexts padded on the left and completions on the right.
    """
    context = input_ids.size(1) - width
    attended = attention_mask.any(dim=0).nonzero()
    first, end = int(attended[0]), max(int(attended[-1]), context) + 1
    ids, mask = input_ids[:, first:end], attention_mask[:, first:end]
    cache, read = _read_contexts(own, ids, mask, context - first - 1)
    labels = ids.masked_fill(mask == 0, -100)[:, read:]
    labels[:, : context - first - read] = -100
    outputs = model(
        input_ids=ids[:, read:], attention_mask=mask, labels=labels, fused_lm_head=True, past_key_values=cache
    )
    scored = end - context
    missing = (0, width - scored)
    entropy = None if outputs.entropy is None else pad(outputs.entropy[:, -scored:], missing)
    return Scores(pad(outputs.log_probs[:, -scored:], missing), entropy)


def _read_contexts(own: PreTrainedModel, ids: Tensor, mask: Tensor, length: int) -> tuple[DynamicCache | None, int]:
    """Read the first `length` columns of the distinct rows; give what all rows remember of them, and how many."""
    if length < 1:
        return None, 0
    distinct, owners = torch.cat([ids[:, :length], mask[:, :length]], dim=1).unique(dim=0, return_inverse=True)
    if len(distinct) == len(ids):
        return None, 0
    cache = DynamicCache(config=own.config)
    own.base_model(
        input_ids=distinct[:, :length], attention_mask=distinct[:, length:], past_key_values=cache, use_cache=True
    )
    # By index_select, whose gradient is summed in a fixed order on a CPU.
    cache.reorder_cache(owners)
    return cache, length
