import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from confessions.training.channels import (
    ROW_LOSSES,
    TOKEN_LOSSES,
    ChannelSize,
    channel_scales,
    comparable_rewards,
    confession_groups,
    confession_seed,
    fraction_without_signal,
    group_advantages,
    total_rewards,
    unit_draw,
)

steps = st.integers(0, 10_000)
seeds = st.integers(0, 2**31)
rewards_of_three_groups = arrays("float64", (12,), elements=st.floats(-10, 10, width=16)).map(torch.from_numpy)
some_missing = arrays("bool", (12,), elements=st.booleans()).map(torch.from_numpy)


def test_a_row_that_one_judge_has_missed_is_not_summed_with_less_than_its_group():
    nan = math.nan
    missed_once = torch.tensor([[1.0, 2.0], [1.0, nan], [nan, nan], [3.0, 4.0]])
    judged_by_one = torch.tensor([[1.0, nan], [2.0, nan], [nan, nan], [3.0, nan]])
    found = total_rewards(comparable_rewards(torch.cat([missed_once, judged_by_one]), 4), torch.ones(2))
    assert found.nan_to_num(nan=-1).tolist() == [3, -1, -1, 7, 1, 2, -1, 3]


@given(seeds, steps, st.integers(0, 100))
def test_a_draw_depends_on_its_key_alone_and_lies_in_the_unit_interval(seed, step, group):
    draw = unit_draw(seed, step, group)
    assert 0 <= draw < 1
    assert draw == unit_draw(seed, step, group)


def test_draws_of_neighbouring_keys_are_unrelated():
    draws = [unit_draw("group", 0, step, group) for step in range(200) for group in range(10)]
    assert len(set(draws)) == len(draws)
    # Mean of 2000 uniform numbers: 5 standard errors are 0.032, so the false-alarm rate is below 1e-6.
    assert abs(sum(draws) / len(draws) - 0.5) < 5 / math.sqrt(12 * len(draws))


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.25, 0.5, 1.0])
def test_groups_confess_as_often_as_asked(probability):
    chosen = [confesses for step in range(1000) for confesses in confession_groups(probability, 7, step, 10)]
    error = math.sqrt(probability * (1 - probability) / len(chosen))
    assert abs(sum(chosen) / len(chosen) - probability) <= 5 * error


@given(seeds, steps, st.floats(0, 1), st.floats(0, 1), st.integers(1, 20), st.integers(1, 20))
def test_a_group_keeps_its_kind_whatever_else_is_in_the_batch(seed, step, low, high, few, many):
    low, high = sorted((low, high))
    chosen = confession_groups(high, seed, step, max(few, many))
    assert confession_groups(high, seed, step, few) == chosen[:few]
    assert all(more or not less for less, more in zip(confession_groups(low, seed, step, few), chosen, strict=False))


def test_processes_and_steps_sample_confessions_with_seeds_of_their_own():
    assert len({confession_seed(1, step, process) for step in range(50) for process in range(8)}) == 400


@given(rewards_of_three_groups, st.floats(-5, 5))
def test_a_constant_added_to_a_group_changes_nothing(rewards, constant):
    shifted = rewards.clone()
    shifted[:4] += constant
    assert torch.allclose(group_advantages(rewards, 4, "none"), group_advantages(shifted, 4, "none"), atol=1e-9)


@given(rewards_of_three_groups, rewards_of_three_groups)
def test_a_group_knows_nothing_of_the_others(rewards, others):
    others = torch.cat([rewards[:4], others[4:]])
    assert torch.equal(group_advantages(rewards, 4)[:4], group_advantages(others, 4)[:4])


@given(rewards_of_three_groups, some_missing, st.sampled_from(["group", "batch", "none"]))
def test_an_unjudged_row_earns_nothing_and_leaves_the_baseline(rewards, missing, scale):
    rewards = rewards.masked_fill(missing, torch.nan)
    advantages = group_advantages(rewards, 4, scale)
    assert advantages.isfinite().all()
    assert (advantages[missing] == 0).all()
    if scale == "none":
        for group in range(3):
            judged = ~missing[4 * group : 4 * group + 4]
            kept = rewards[4 * group : 4 * group + 4][judged]
            if len(kept):
                assert torch.allclose(advantages[4 * group : 4 * group + 4][judged], kept - kept.mean(), atol=1e-9)


def test_advantages_are_scaled_by_the_deviation_that_was_asked_for():
    rewards = torch.tensor([0.0, 2.0, 10.0, 30.0])
    assert torch.allclose(group_advantages(rewards, 2, "none"), torch.tensor([-1.0, 1.0, -10.0, 10.0]))
    assert torch.allclose(group_advantages(rewards, 2, "group").abs(), torch.full((4,), 0.7071), atol=1e-3)
    assert torch.allclose(group_advantages(rewards, 2, "batch"), torch.tensor([-1.0, 1, -10, 10]) / rewards.std())


def test_judges_are_added_up_by_weight_and_a_row_without_any_stays_missing():
    rewards = torch.tensor([[1.0, 2.0], [torch.nan, 2.0], [torch.nan, torch.nan]])
    total = total_rewards(rewards, torch.tensor([1.0, 0.5]))
    assert total[:2].tolist() == [2.0, 1.0]
    assert total[2].isnan()


def test_groups_without_signal_are_those_with_equal_or_too_few_rewards():
    nan = torch.nan
    assert fraction_without_signal(torch.tensor([1.0, 1.0, 1.0, 2.0, nan, 3.0, nan, nan]), 2) == 0.75


sizes = st.builds(ChannelSize, st.integers(1, 64), st.integers(1, 10_000))


@given(st.sampled_from(TOKEN_LOSSES), sizes, sizes, st.floats(0, 4))
def test_a_token_loss_divides_each_channel_by_its_own_tokens(loss, answers, confessions, weight):
    scales = channel_scales(loss, answers, confessions, weight=weight)
    assert scales.answers / scales.divisor_tokens == pytest.approx(1 / answers.tokens)
    assert scales.confessions / scales.divisor_tokens == pytest.approx(weight / confessions.tokens)
    assert scales.divisor_tokens == answers.tokens, "so that the answers' KL term keeps the control's weight too"


@given(st.sampled_from(ROW_LOSSES), sizes, sizes, st.floats(0, 4), st.integers(1, 99), st.integers(1, 99))
def test_a_row_loss_divides_each_channel_by_its_own_rows(loss, answers, confessions, weight, limit, other_limit):
    scales = channel_scales(loss, answers, confessions, weight=weight, answer_limit=limit, confession_limit=other_limit)
    rows = answers.rows + confessions.rows
    own_limit = limit / other_limit if loss == "dr_grpo" else 1
    assert scales.answers / rows == pytest.approx(1 / answers.rows)
    assert scales.confessions / rows == pytest.approx(weight * own_limit / confessions.rows)


@pytest.mark.parametrize("loss", TOKEN_LOSSES + ROW_LOSSES)
def test_a_channel_alone_in_the_batch_is_left_as_it_is(loss):
    alone, nobody = ChannelSize(4, 40), ChannelSize(0, 0)
    assert channel_scales(loss, alone, nobody)[::2] == (1.0, 40)
    assert channel_scales(loss, nobody, alone, weight=0.5)[1:] == (0.5, 40)


def test_a_loss_of_unknown_divisor_is_refused_by_name():
    with pytest.raises(ValueError, match='"bnpo" has no known divisor; supported: dapo, cispo, grpo, dr_grpo'):
        channel_scales("bnpo", ChannelSize(1, 1), ChannelSize(1, 1))
