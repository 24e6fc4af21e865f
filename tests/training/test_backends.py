"""vLLM, FSDP 2 and ZeRO-3: the answers train as in the control arm, and every process samples as often as the others.

vLLM itself is made up (`fake_vllm`), the rest is real, on the CPU with two processes. ZeRO-3 runs where DeepSpeed is.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_policy as tiny
import torch
import trl.generation.vllm_generation as vllm_generation
import trl.trainer.grpo_trainer as grpo_trainer
from fake_vllm import FakeVLLMGeneration
from hypothesis import given
from hypothesis import strategies as st
from trl.generation.vllm_generation import VLLMGeneration

from confessions.training.generation import own_share
from confessions.training.trainer import TrainingError
from confessions.training.trl_surface import SAMPLER_ATTRIBUTES, VLLM_GENERATE, changed_attributes

SCRIPT = Path(__file__).with_name("train_on_backends.py")
SOURCE = Path(__file__).parents[2] / "src"
NEEDS_DEEPSPEED = pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed")


@pytest.fixture
def vllm(monkeypatch):
    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", FakeVLLMGeneration)
    monkeypatch.setattr(vllm_generation, "SamplingParams", lambda **settings: _Settings(settings), raising=False)
    monkeypatch.setattr(vllm_generation, "empty_cache", lambda: None)


class _Settings:
    def __init__(self, settings):
        self.__dict__.update(settings)


@given(st.lists(st.integers(), max_size=30), st.integers(1, 8))
def test_shares_are_equally_long_and_lose_nothing(rows, processes):
    shares = [own_share(rows, processes, index) for index in range(processes)]
    assert len({len(share) for share in shares}) == 1
    dealt = [row for share in shares for row in share]
    assert dealt[: len(rows)] == rows
    assert set(dealt) == set(rows) and len(dealt) - len(rows) < processes


@pytest.mark.parametrize("mode", ["colocate", "server"])
def test_both_channels_are_sampled_with_their_own_limits_and_corrected_by_their_own_probabilities(tmp_path, vllm, mode):
    trainer = tiny.make_trainer(tmp_path, use_vllm=True, vllm_mode=mode, max_completion_length=5)
    output = trainer._generate_and_score_completions(tiny.first_batch(trainer))
    engine = trainer.vllm_generation.engine
    assert [limit for _, limit in engine.calls] == [5, 9]
    (answered, _), (asked, _) = engine.calls
    suffix = tuple(trainer._request_ids)
    assert not any(context[-len(suffix) :] == suffix for context in answered)
    assert all(context[-len(suffix) :] == suffix for context in asked)
    assert output["is_confession"].any()
    ratio = output["importance_sampling_ratio"]
    assert torch.allclose(ratio, torch.ones_like(ratio), atol=1e-4)
    difference = (output["old_per_token_logps"] - output["sampling_per_token_logps"]) * output["completion_mask"]
    assert difference.abs().max() < 1e-4
    assert trainer.vllm_generation.max_completion_length == 5


@pytest.mark.parametrize("mode", ["colocate", "server"])
def test_weights_are_sent_once_a_step_and_confessions_move_no_answers(tmp_path, vllm, mode):
    def trained(**settings):
        trainer = tiny.make_trainer(
            tmp_path, use_vllm=True, vllm_mode=mode, per_device_train_batch_size=8, learning_rate=0.5, **settings
        )
        start = tiny.weights(trainer)
        trainer.train()
        return trainer, start

    ours, start = trained(judge=lambda completions, **columns: [1.0] * len(completions))
    control, _ = trained(train_confessions=False)
    assert tiny.relative_difference(tiny.weights(control), tiny.weights(ours), start) < 2e-5
    assert ours.vllm_generation.engine.weight_updates == 3
    engine_weights = dict(ours.vllm_generation.engine.model.named_parameters())
    moved = [(engine_weights[name] - value).abs().max().item() for name, value in start.items()]
    assert max(moved) > 1e-3, "the engine must have been sent trained weights"


def test_asleep_the_engine_is_sent_its_weights_before_each_channel(tmp_path, vllm):
    trainer = tiny.make_trainer(tmp_path, use_vllm=True, vllm_enable_sleep_mode=True, max_steps=1)
    trainer.train()
    assert trainer.vllm_generation.llm.sleeps == len(trainer.vllm_generation.engine.calls) == 2


def test_too_little_room_for_a_confession_is_named(tmp_path, vllm):
    with pytest.raises(TrainingError, match=r"vllm_max_model_length is 40, but a confession may need \d+ tokens"):
        tiny.make_trainer(tmp_path, use_vllm=True, vllm_max_model_length=40)
    tiny.make_trainer(tmp_path, use_vllm=True, vllm_max_model_length=400)


def test_the_sampler_is_as_known(tmp_path, vllm):
    assert changed_attributes(tiny.make_trainer(tmp_path, use_vllm=True)) == []
    parameters = VLLMGeneration.generate.__code__.co_varnames[1 : VLLMGeneration.generate.__code__.co_argcount]
    assert parameters == VLLM_GENERATE
    assert set(SAMPLER_ATTRIBUTES) == {True, False}


@pytest.mark.parametrize("name", ["request_learning_rate", "channel_gradient_steps"])
def test_what_needs_whole_weights_is_refused_where_they_are_sharded(tmp_path, monkeypatch, name):
    trainer = tiny.make_trainer(tmp_path)
    trainer._dist.zero_stage = 3
    setattr(trainer.args, name, 1)
    with pytest.raises(TrainingError, match=f"{name} needs whole weights in each process"):
        trainer._check_backend()


def test_fsdp_1_is_refused(tmp_path):
    trainer = tiny.make_trainer(tmp_path)
    trainer._dist.fsdp_version = 1
    with pytest.raises(TrainingError, match="set fsdp_version: 2"):
        trainer._check_backend()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("ddp", ["colocate"]),
        ("ddp", ["server", "spanning"]),
        ("fsdp2", []),
        ("fsdp2", ["lora"]),
        ("fsdp2", ["colocate", "checkpointing"]),
        pytest.param("zero3", ["server"], marks=NEEDS_DEEPSPEED),
        pytest.param("zero3", ["lora"], marks=NEEDS_DEEPSPEED),
    ],
    ids=lambda each: each if isinstance(each, str) else "+".join(each) or "plain",
)
def test_two_processes_train_answers_as_in_the_control_arm(tmp_path, backend, options):
    paths = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    use_cpu = {} if backend == "zero3" else {"ACCELERATE_USE_CPU": "true"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*launcher, str(SCRIPT), str(tmp_path), backend, *options],
        env={**os.environ, **use_cpu, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["is_sharded"] is (backend != "ddp")
    assert any(found["row_fractions"])
    first, second = found["rows"]
    assert first == second, "each process must sample as often, and as many rows"
    assert found["silent"] < 2e-5
    assert found["loud"] > 0.05
    if {"colocate", "server"} & set(options):
        assert max(found["sampling_difference"]) < 1e-3
    assert (tmp_path / "model").is_dir()
