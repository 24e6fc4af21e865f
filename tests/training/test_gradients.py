import pytest
import tiny_policy as tiny
import torch

from confessions.training.config import ConfessionConfigError
from confessions.training.gradients import ChannelGradients

SETTINGS = dict(gradient_accumulation_steps=4, max_steps=2, learning_rate=0.05)


def logs(folder, **settings):
    trainer = tiny.make_trainer(folder, **{**SETTINGS, **settings})
    trainer.train()
    return [log for log in trainer.state.log_history if "grad_norm" in log], tiny.weights(trainer)


@pytest.mark.parametrize("loss_type", ["dapo", "grpo"])
def test_the_answers_norm_is_the_control_runs(tmp_path, loss_type):
    ours, _ = logs(tmp_path, channel_gradient_steps=1, loss_type=loss_type)
    control, _ = logs(tmp_path, train_confessions=False, loss_type=loss_type)
    assert ours[0]["answers/grad_norm"] == pytest.approx(control[0]["grad_norm"], rel=1e-4)
    assert ours[0]["confessions/grad_norm"] > 0
    assert ours[0]["grad_norm"] <= ours[0]["answers/grad_norm"] + ours[0]["confessions/grad_norm"] + 1e-6


def test_a_silent_channel_has_no_gradient(tmp_path):
    ours, _ = logs(tmp_path, channel_gradient_steps=1, judge=lambda completions, **columns: [0.0] * len(completions))
    assert ours[0]["confessions/grad_norm"] == 0
    assert ours[0]["answers/grad_norm"] == pytest.approx(ours[0]["grad_norm"], rel=1e-4)


def test_measuring_changes_nothing_and_happens_when_asked(tmp_path):
    measured, weights = logs(tmp_path, channel_gradient_steps=2)
    unmeasured, same_weights = logs(tmp_path)
    assert ["answers/grad_norm" in log for log in measured] == [True, False]
    assert not any("answers/grad_norm" in log for log in unmeasured)
    assert all(torch.equal(weights[name], same_weights[name]) for name in weights)
    assert measured[0]["entropy"] == unmeasured[0]["entropy"]


def test_gradients_add_up_over_micro_batches():
    weight = torch.nn.Parameter(torch.zeros(2))
    unused = torch.nn.Parameter(torch.zeros(3))
    gradients = ChannelGradients()
    rows = torch.tensor([True, False])
    for sign in (1.0, 2.0):
        gradients.add(lambda shown, sign=sign: (sign * weight * shown).sum(), rows, [weight, unused])
    assert gradients.take_norms(lambda each: each) == {"answers": 3.0, "confessions": 3.0}
    assert gradients.take_norms(lambda each: each) == {}


def test_a_negative_interval_is_refused(tmp_path):
    with pytest.raises(ConfessionConfigError, match="channel_gradient_steps is -1"):
        tiny.make_config(tmp_path, channel_gradient_steps=-1)
