"""The recipes for larger models: each makes a configuration, fits its launch files, and trains a tiny Qwen3."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.commands.launch import launch_command_parser, prepare_multi_gpu_env
from accelerate.utils import FullyShardedDataParallelPlugin

TRAINING = Path(__file__).parents[1] / "training"
sys.path.insert(0, str(TRAINING))

import tiny_qwen3  # noqa: E402

from confessions.experiments.recipe import RecipeError  # noqa: E402
from confessions.experiments.scale import LAUNCHES, RECIPES, check, shipped  # noqa: E402
from confessions.training.launch import LaunchError, read_launch  # noqa: E402

SOURCE = Path(__file__).parents[2] / "src"
TINY = [
    "prompts=40",
    "lora.rank=4",
    "grpo.use_cpu=true",
    "grpo.bf16=false",
    "grpo.max_steps=2",
    "grpo.save_steps=2",
    "grpo.per_device_train_batch_size=4",
    "grpo.gradient_accumulation_steps=1",
    "grpo.num_generations=2",
    "grpo.max_completion_length=6",
    "grpo.max_confession_length=6",
    "grpo.confession_probability=0.5",
]


def overrides(name, *more):
    """What makes a recipe small; only an adapter's recipe has a rank."""
    return [each for each in [*TINY, *more] if "lora" in name or not each.startswith("lora")]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_qwen3.save(tmp_path_factory.mktemp("qwen3"))


def test_every_shipped_file_is_listed():
    assert {path.stem for path in RECIPES.glob("qwen3-*.toml")} == set(LAUNCHES)
    listed = {launch for launches in LAUNCHES.values() for launch in launches}
    assert {path.stem for path in (RECIPES / "launch").glob("*.yaml")} == listed


@pytest.mark.parametrize(("recipe", "launch"), shipped(), ids=lambda path: path.stem)
def test_a_recipe_goes_with_its_launch_files(recipe, launch):
    line = check(recipe, launch)
    assert f"{recipe.stem} with {launch.stem}: " in line and "Qwen/Qwen3-8B" in line


@pytest.mark.parametrize("path", sorted((RECIPES / "launch").glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerates_launcher_reads_a_launch_file(path, monkeypatch):
    launch = read_launch(path)
    assert launch.machines == (2 if path.stem.startswith("nodes") else 1)
    assert launch.processes == {"one-gpu": 1}.get(path.stem, 8 * launch.machines)
    assert launch.saves_whole_models
    if launch.backend != "fsdp2":
        return
    import yaml

    args = launch_command_parser().parse_args(
        ["--use_fsdp", "--num_processes", "2", "--num_machines", "1", "script.py"]
    )
    for key, value in yaml.safe_load(path.read_text())["fsdp_config"].items():
        assert hasattr(args, key), f"accelerate launch has no {key}"
        setattr(args, key, value)
    args.mixed_precision, args.dynamo_backend = "bf16", "no"
    for name, value in prepare_multi_gpu_env(args).items():
        if name.startswith("FSDP_"):
            monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2 and "FULL" in str(plugin.state_dict_type)


@pytest.mark.parametrize(
    ("recipe", "launch", "message"),
    [
        ("use_vllm = true\nvllm_tensor_parallel_size = 3", "node-ddp", "3 does not divide 8 processes"),
        ("channel_gradient_steps = 1", "node-fsdp2", "channel_gradient_steps needs whole weights"),
        ("per_device_train_batch_size = 4", "node-ddp", r"must be divisible by num_generations \(8\)"),
        ("use_vllm = true\ngeneration_kwargs = {seed = 1}", "node-ddp", 'may not hold "seed"'),
        ("max_step = 1", "node-ddp", "max_step is no setting"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, recipe, launch, message):
    path = tmp_path / "recipe.toml"
    path.write_text(f"[grpo]\n{recipe}\n")
    with pytest.raises(RecipeError, match=message):
        check(path, RECIPES / "launch" / f"{launch}.yaml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fsdp_version: 2", "fsdp_version: 1", "set fsdp_version: 2"),
        ("distributed_type: FSDP", "distributed_type: MEGATRON_LM", "is none of NO, MULTI_GPU"),
        ("machine_rank: 0", "machine_rnk: 0", "accelerate cannot read"),
    ],
)
def test_a_wrong_launch_file_is_named(tmp_path, old, new, message):
    path = tmp_path / "launch.yaml"
    path.write_text((RECIPES / "launch" / "node-fsdp2.yaml").read_text().replace(old, new))
    with pytest.raises(LaunchError, match=message):
        read_launch(path)


@pytest.mark.filterwarnings("ignore:`(is_)?gradient_checkpointing(_enable|_disable)?` is deprecated:FutureWarning")
@pytest.mark.parametrize("name", LAUNCHES)
def test_the_trainer_is_built_and_trains_with_vllm_at_trls_seam(tmp_path, tiny, monkeypatch, name):
    import trl.generation.vllm_generation as vllm_generation
    import trl.trainer.grpo_trainer as grpo_trainer
    from fake_vllm import FakeVLLMGeneration

    from confessions.experiments.recipe import build_trainer, load_recipe
    from confessions.models.resolve import load, resolve
    from confessions.training.runs import RunFolder

    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", FakeVLLMGeneration)
    monkeypatch.setattr(
        vllm_generation,
        "SamplingParams",
        lambda **asked: dataclasses.make_dataclass("S", asked)(**asked),
        raising=False,
    )
    monkeypatch.setattr(vllm_generation, "empty_cache", lambda: None)
    recipe = load_recipe(RECIPES / f"{name}.toml", overrides(name, f'model="{tiny}"', "grpo.max_steps=1"))
    trainer = build_trainer(recipe, load(resolve(str(tiny))), RunFolder(tmp_path / "run"))
    assert type(trainer.accelerator.unwrap_model(trainer.vllm_generation.engine.model)).__name__ == "Qwen3ForCausalLM"
    assert trainer.confession_request.role == "system"
    trainer.train()
    assert [limit for _, limit in trainer.vllm_generation.engine.calls] == [6, 6]
    assert trainer.state.log_history[0]["sampling/sampling_logp_difference/max"] < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen3-8b-lora", "qwen3-8b-full"])
def test_two_processes_train_a_recipe(tmp_path, tiny, name):
    settings = overrides(name, f'model="{tiny}"', "grpo.use_vllm=false", 'grpo.confession_profile="brief"')
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = ["-m", "confessions", "train", str(RECIPES / f"{name}.toml"), "--out", str(tmp_path / "run")]
    paths = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*launcher, *command, *(part for each in settings for part in ("--set", each))],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=280,
    )
    # Not by its exit code: gloo's threads may abort a process that has done all its work.
    assert (tmp_path / "run" / "finished.json").exists(), done.stderr[-3000:]
    assert '"world_size": 2' in (tmp_path / "run" / "config.json").read_text()
    assert (tmp_path / "run" / "model" / "config.json").exists() or "lora" in name
