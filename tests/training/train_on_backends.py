"""Run by `test_backends.py` in each of two processes: trains on one backend and writes what process 0 found.

Accelerate shards on accelerators only. Here the processes are taken for such, on the CPU and over gloo; everything else
(accelerate's, TRL's and DeepSpeed's own wrapping, gathering, saving) is as on GPUs.
"""

import json
import os
import sys
from pathlib import Path

import accelerate.state
import torch
from accelerate.utils import DistributedType, gather_object

sys.path.insert(0, str(Path(__file__).parent))

FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
}
ZERO3 = {
    "ACCELERATE_USE_DEEPSPEED": "true",
    "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3",
    "ACCELERATE_DEEPSPEED_ZERO3_INIT": "false",
    "ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL": "true",
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "auto",
    "DS_ACCELERATOR": "cpu",
}


def take_processes_for_gpus():
    original = accelerate.state.PartialState.__init__

    def init(self, cpu=False, **kwargs):
        if os.environ.get("ACCELERATE_USE_DEEPSPEED") and not torch.distributed.is_initialized():
            import deepspeed

            deepspeed.init_distributed(dist_backend="gloo", auto_mpi_discovery=False)
        kwargs.pop("_from_accelerator", None)
        original(self, cpu=True, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    accelerate.state.PartialState.__init__ = init


def main(folder: Path, backend: str, options: set[str]) -> None:
    os.environ.update({"fsdp2": FSDP, "zero3": ZERO3, "ddp": {}}[backend])
    if backend != "ddp":
        take_processes_for_gpus()
    import fake_vllm
    import tiny_policy as tiny
    from peft import LoraConfig

    fake_vllm.install()
    settings = {"max_steps": 4, "learning_rate": 0.5, "use_cpu": backend != "zero3"}
    settings["per_device_train_batch_size"] = 2 if "spanning" in options else 4
    settings["activation_checkpointing"] = "checkpointing" in options
    for mode in {"colocate", "server"} & options:
        settings |= {"use_vllm": True, "vllm_mode": mode}

    def trained(name, **more):
        if "lora" in options:
            more["peft_config"] = LoraConfig(r=4, target_modules="all-linear")
        trainer = tiny.make_trainer(folder / name, **settings, **more)
        assert trainer.accelerator.num_processes == 2, "torchrun must really have started two processes"
        start = whole(trainer)
        calls = []
        generate = trainer._generate_single_turn
        trainer._generate_single_turn = lambda ids, *rest: calls.append(len(ids)) or generate(ids, *rest)
        trainer.train()
        return trainer, start, calls

    def whole(trainer):
        """The trained weights, gathered."""
        if backend == "zero3":
            import deepspeed

            with deepspeed.zero.GatheredParameters(list(trainer.model.parameters())):
                return tiny.weights(trainer)
        return {
            name: value.full_tensor() if hasattr(value, "full_tensor") else value
            for name, value in tiny.weights(trainer).items()
        }

    def silent(completions, **columns):
        return [1.0] * len(completions)

    ours, start, calls = trained("ours", judge=silent, save_strategy="steps", save_steps=2)
    control, _, _ = trained("control", train_confessions=False)
    loud, _, _ = trained("loud")
    ours.save_model(str(folder / "model"))
    logs = [log for log in ours.state.log_history if "confessions/row_fraction" in log]
    found = {
        "distributed_type": ours.accelerator.distributed_type.value,
        "is_sharded": ours._is_sharded,
        "rows": gather_object([calls]),
        "silent": tiny.relative_difference(whole(control), whole(ours), start),
        "loud": tiny.relative_difference(whole(control), whole(loud), start),
        "row_fractions": [log["confessions/row_fraction"] for log in logs],
        "sampling_difference": [log.get("sampling/sampling_logp_difference/max") for log in logs],
    }
    if torch.distributed.get_rank() == 0:
        (folder / "found.json").write_text(json.dumps(found))
    torch.distributed.barrier()
    os._exit(0)  # gloo's threads may abort a process that ends in the ordinary way


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], set(sys.argv[3:]))
