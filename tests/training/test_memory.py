"""What a judge remembers from batch to batch is kept in every checkpoint, so a resumed run repeats the whole one."""

import json
import os
import signal

import pytest
import tiny_policy as tiny
import torch

from confessions.training.runs import STATE_FILE, RunError, RunFolder, RunInterrupted, train

SETTINGS = dict(
    optim="adamw_torch",
    learning_rate=1e-3,
    max_steps=4,
    save_strategy="steps",
    save_steps=2,
    confession_probability=1.0,
)


class Growing:
    """Pays longer confessions by a rate that grows with every batch."""

    __name__ = "growing"

    def __init__(self, stop_at=None):
        self.batches = 0
        self.stop_at = stop_at

    def __call__(self, completions, trainer_state, **columns):
        self.batches += 1
        if self.stop_at is not None and trainer_state.global_step >= self.stop_at:
            self.stop_at = None
            os.kill(os.getpid(), signal.SIGINT)
        return [self.batches**2 * (len(completion[-1]["content"]) % 3) for completion in completions]

    def state_dict(self):
        return {"batches": self.batches}

    def load_state_dict(self, state):
        self.batches = state["batches"]


def run(path, judge, memories=None):
    folder = RunFolder(path)
    trainer = tiny.make_trainer(folder.checkpoints, judge=judge, **SETTINGS, scale_rewards="none")
    train(trainer, folder, memories={"growing": judge} if memories is None else memories)
    return tiny.weights(trainer)


def test_a_judge_that_remembers_goes_on_where_it_was(tmp_path):
    with pytest.raises(RunInterrupted):
        run(tmp_path / "run", Growing(stop_at=1))
    judge = Growing()
    resumed = run(tmp_path / "run", judge)
    whole = run(tmp_path / "whole", Growing())
    assert judge.batches == 4
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_every_checkpoint_holds_the_memory(tmp_path):
    run(tmp_path / "run", Growing())
    states = [json.loads((path / STATE_FILE).read_text()) for path in sorted((tmp_path / "run").rglob("checkpoint-*"))]
    kept = [state["stateful_callbacks"]["JudgeMemories"]["attributes"] for state in states]
    assert kept == [{"growing": {"batches": 2}}, {"growing": {"batches": 4}}]


def test_a_checkpoint_without_the_memory_is_named(tmp_path):
    with pytest.raises(RunInterrupted):
        run(tmp_path / "run", Growing(stop_at=1), memories={})
    with pytest.raises(RunError, match='does not hold what "growing" remembers'):
        run(tmp_path / "run", Growing())
