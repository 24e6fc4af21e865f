"""The arithmetic of two channels: which groups confess, what advantage a confession earns, how the channels are scaled.

A batch of N rows holds groups of G rows. A group is all answers or all confessions, so TRL's loss never mixes the
two within a row; what couples them is the divisor that the loss shares among rows. `channel_scales` undoes that, so
each channel's loss is what it would be had the batch held its rows alone.
Source: arXiv 2512.08093, section 2 (the split); advantages as in TRL's GRPO, NaN meaning not judged.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal, NamedTuple

import torch
from torch import Tensor

TOKEN_LOSSES = ("dapo", "cispo")
"""Losses divided by the number of tokens in the whole generation batch."""

ROW_LOSSES = ("grpo", "dr_grpo")
"""Losses divided by the number of rows."""

STD_EPSILON = 1e-4
"""Added to a standard deviation before dividing by it, as in TRL."""


def unit_draw(*key: int | str) -> float:
    """Give a number in [0, 1) that depends on the key alone: no random state, the same on every process."""
    digest = blake2b("|".join(map(str, key)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def confession_groups(probability: float, seed: int, step: int | str, n_groups: int) -> list[bool]:
    """Decide which groups of a generation step confess, each with the given probability."""
    return [unit_draw("group", seed, step, group) < probability for group in range(n_groups)]


def confession_seed(seed: int, step: int | str, process: int) -> int:
    """Give the seed that a process samples its confessions with at a generation step."""
    return int(unit_draw("confessions", seed, step, process) * 2**53)


def total_rewards(rewards: Tensor, weights: Tensor) -> Tensor:
    """Add up the judges' weighted rewards (N, K) to (N,); a row that no judge could judge stays NaN."""
    total = (rewards * weights).nansum(dim=1)  # (N,)
    return total.masked_fill(rewards.isnan().all(dim=1), torch.nan)


def comparable_rewards(rewards: Tensor, group_size: int) -> Tensor:
    """Make a row (N, K) NaN that one judge has missed but not all of its group, so that sums are of like terms."""
    missing = rewards.isnan().view(-1, group_size, rewards.shape[1])  # (N / G, G, K)
    is_partly = (missing & ~missing.all(dim=1, keepdim=True)).any(dim=2).view(-1, 1)  # (N, 1)
    return rewards.masked_fill(is_partly, torch.nan)


def group_advantages(rewards: Tensor, group_size: int, scale: Literal["group", "batch", "none"] = "group") -> Tensor:
    """Give each row (N,) its reward's distance from its group's mean; a NaN row is outside the mean and gets 0."""
    grouped = rewards.view(-1, group_size)  # (N / G, G)
    advantages = grouped - grouped.nanmean(dim=1, keepdim=True)
    if scale == "group":
        advantages = advantages / (nan_std(grouped, dim=1) + STD_EPSILON)
    elif scale == "batch":
        advantages = advantages / (nan_std(rewards.view(1, -1), dim=1) + STD_EPSILON)
    return advantages.reshape(-1).nan_to_num(nan=0.0)


def nan_std(values: Tensor, dim: int) -> Tensor:
    """Give the sample standard deviation along a dimension (kept), ignoring NaN; NaN where fewer than two remain."""
    count = (~values.isnan()).sum(dim=dim, keepdim=True)
    variance = ((values - values.nanmean(dim=dim, keepdim=True)) ** 2).nanmean(dim=dim, keepdim=True)
    return (variance * count / (count - 1)).sqrt().where(count > 1, torch.nan)


def fraction_without_signal(rewards: Tensor, group_size: int) -> float:
    """Give the fraction of groups whose judged rewards (N,) are all alike, or that have fewer than two."""
    spread = nan_std(rewards.view(-1, group_size), dim=1).nan_to_num(nan=0.0)
    return torch.isclose(spread, torch.zeros_like(spread)).float().mean().item()


class ChannelSize(NamedTuple):
    """How much of a generation batch belongs to one channel, over all processes."""

    rows: int
    tokens: int


class ChannelScales(NamedTuple):
    """What each channel's advantages are multiplied by, and the token count that replaces the loss's own divisor."""

    answers: float
    confessions: float
    divisor_tokens: int


def channel_scales(
    loss_type: str,
    answers: ChannelSize,
    confessions: ChannelSize,
    *,
    weight: float = 1.0,
    answer_limit: int = 1,
    confession_limit: int = 1,
) -> ChannelScales:
    """Scale the channels so that each is normalised by its own size, confessions times `weight`.

    The limits are the longest completion of each channel, by which `dr_grpo` divides.
    Raises: ValueError for a loss whose divisor cannot be undone.
    """
    if loss_type in TOKEN_LOSSES:
        if not answers.tokens:
            return ChannelScales(1.0, weight, confessions.tokens)
        ratio = answers.tokens / confessions.tokens if confessions.tokens else 1.0
        return ChannelScales(1.0, weight * ratio, answers.tokens)
    if loss_type in ROW_LOSSES:
        rows = answers.rows + confessions.rows
        tokens = answers.tokens + confessions.tokens
        limit_ratio = answer_limit / confession_limit if loss_type == "dr_grpo" else 1.0
        return ChannelScales(
            rows / answers.rows if answers.rows else 1.0,
            weight * limit_ratio * (rows / confessions.rows if confessions.rows else 1.0),
            tokens,
        )
    raise ValueError(f'loss type "{loss_type}" has no known divisor; supported: {", ".join(TOKEN_LOSSES + ROW_LOSSES)}')
