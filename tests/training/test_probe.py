import json

import pytest
import tiny_policy as tiny
import torch

from confessions.training.probe import PeriodicProbe, undisturbed


def steps_of(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def greedy_probe(model, tokenizer, step):
    assert not model.training and not torch.is_grad_enabled()
    torch.manual_seed(0)
    return {"draw": torch.rand(1).item(), "weight": next(model.parameters()).sum().item()}


def train_with(folder, *callbacks, **settings):
    trainer = tiny.make_trainer(folder, **settings)
    for callback in callbacks:
        trainer.add_callback(callback)
    trainer.train()
    return tiny.weights(trainer)


def test_the_policy_is_measured_at_the_start_at_intervals_and_at_the_end(tmp_path):
    path, told = tmp_path / "run" / "probes.jsonl", []
    probe = PeriodicProbe(greedy_probe, path, 2, on_measured=lambda step, values: told.append((step, set(values))))
    train_with(tmp_path, probe, max_steps=5)
    assert steps_of(path) == [0, 2, 4, 5]
    assert told == [(step, {"draw", "weight"}) for step in (0, 2, 4, 5)]
    values = [json.loads(line)["weight"] for line in path.read_text().splitlines()]
    assert len(set(values)) == 4, "it is the policy of that step"


def test_a_probe_changes_nothing_in_training(tmp_path):
    probe = PeriodicProbe(greedy_probe, tmp_path / "probes.jsonl", 1)
    with_probe, without = train_with(tmp_path, probe), train_with(tmp_path)
    assert all(torch.equal(with_probe[name], without[name]) for name in without)


def test_steps_already_measured_are_left_alone(tmp_path):
    path = tmp_path / "probes.jsonl"
    path.write_text('{"step": 0}\n{"step": 2}\n')
    train_with(tmp_path, PeriodicProbe(greedy_probe, path, 1))
    assert steps_of(path) == [0, 2, 1, 3]


def test_mode_and_random_state_come_back_after_an_error():
    model = tiny.make_model().train()
    state = torch.get_rng_state()
    with pytest.raises(KeyError), undisturbed(model):
        torch.rand(3)
        raise KeyError
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)


def test_an_impossible_interval_is_refused(tmp_path):
    with pytest.raises(ValueError, match="every 0 steps"):
        PeriodicProbe(greedy_probe, tmp_path / "x", 0)
