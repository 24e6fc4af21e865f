"""Read how accelerate is told to launch, and say what of a run's settings would not go with it.

A mistake here shows itself on many GPUs only after minutes of loading, so it is looked for beforehand. The files are
those that `accelerate launch --config_file` takes, read by accelerate's own parser.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from accelerate.commands.config.config_args import load_config_from_file

from confessions.errors import ConfessionsError
from confessions.training.config import ConfessionConfig

Backend = Literal["one process", "ddp", "fsdp2", "zero"]


class LaunchError(ConfessionsError):
    """Name a launch configuration that cannot be read or is not supported."""


class Launch(NamedTuple):
    """What a launch configuration asks for."""

    processes: int
    """Over all machines."""
    machines: int
    backend: Backend
    is_sharded: bool
    """Whether no process holds all weights."""
    saves_whole_models: bool


def read_launch(path: Path) -> Launch:
    """Read an accelerate configuration.

    Raises: LaunchError if accelerate cannot read it, or for a backend that confessions are not trained on.
    """
    try:
        config = load_config_from_file(str(path))
    except (OSError, TypeError, ValueError) as error:
        raise LaunchError(f"accelerate cannot read {path}: {error}") from error
    kind = str(getattr(config.distributed_type, "value", config.distributed_type))
    if kind == "FSDP":
        fsdp = config.fsdp_config
        if fsdp.get("fsdp_version") != 2:
            raise LaunchError(f"{path}: confessions are trained under FSDP 2: set fsdp_version: 2")
        saves = fsdp.get("fsdp_state_dict_type") == "FULL_STATE_DICT"
        return Launch(config.num_processes, config.num_machines, "fsdp2", True, saves)
    if kind == "DEEPSPEED":
        zero = config.deepspeed_config
        if zero.get("deepspeed_config_file"):
            raise LaunchError(
                f"{path}: a deepspeed_config_file leaves the ZeRO stage unknown here: put its settings inline under "
                "deepspeed_config (zero_stage, zero3_save_16bit_model, ...)"
            )
        is_sharded = zero.get("zero_stage") == 3
        saves = not is_sharded or bool(zero.get("zero3_save_16bit_model"))
        return Launch(config.num_processes, config.num_machines, "zero", is_sharded, saves)
    if kind not in ("NO", "MULTI_GPU", "MULTI_CPU"):
        raise LaunchError(f"{path}: distributed_type {kind} is none of NO, MULTI_GPU, FSDP, DEEPSPEED")
    backend: Backend = "one process" if kind == "NO" else "ddp"
    return Launch(config.num_processes, config.num_machines, backend, False, True)


def misfits(config: ConfessionConfig, launch: Launch) -> list[str]:
    """List what of a configuration does not go with a launch; none where it fits."""
    found = []
    if launch.is_sharded:
        for name in ("request_learning_rate", "channel_gradient_steps"):
            if getattr(config, name):
                found.append(f"{name} needs whole weights in each process")
    if not launch.saves_whole_models:
        found.append(
            "no whole model would be saved: fsdp_state_dict_type: FULL_STATE_DICT, zero3_save_16bit_model: true"
        )
    if config.use_vllm and config.vllm_mode == "colocate" and launch.processes % config.vllm_tensor_parallel_size:
        found.append(
            f"vllm_tensor_parallel_size {config.vllm_tensor_parallel_size} does not divide {launch.processes} processes"
        )
    return found
