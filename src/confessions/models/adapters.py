"""Low-rank adapters: training a pretrained model by a small number of added weights, and publishing those alone."""

import json
from pathlib import Path
from typing import Final

import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from confessions.models.weights import ModelError, write_folder

ADAPTER_DTYPE: Final = torch.bfloat16
"""What adapters are published in: half the size, and no finer than the weights that they are added to."""

_CONFIG = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"


def lora_config(rank: int, alpha: float) -> LoraConfig:
    """Describe an adapter on every linear layer but the output's."""
    return LoraConfig(
        r=rank,
        lora_alpha=int(alpha) if float(alpha).is_integer() else alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def publish_adapter(trained: Path, out: Path, base: str, card: str) -> Path:
    """Write a trained adapter as a folder that loads on any machine; return that folder.

    `base` is the model it stands on: a name that `resolve` knows, or a path that begins with `./` or `../`, seen from
    `out`. A folder that is there already is replaced.
    Raises: ModelError if `trained` holds no adapter, or `base` is a path of this machine.
    """
    if not (trained / _CONFIG).is_file() or not (trained / _WEIGHTS).is_file():
        raise ModelError(f"{trained} holds no adapter: it should have {_CONFIG} and {_WEIGHTS}")
    if Path(base).is_absolute():
        raise ModelError(f"the base {base} is a path of this machine: give a model's name, or a path seen from {out}")
    config = json.loads((trained / _CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    config["target_modules"] = sorted(config["target_modules"])
    weights = {name: value.to(ADAPTER_DTYPE) for name, value in load_file(trained / _WEIGHTS).items()}

    def fill(folder: Path) -> None:
        save_file(weights, folder / _WEIGHTS, metadata={"format": "pt"})
        (folder / _CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(card, encoding="utf-8")

    for path in sorted(out.glob("*")):
        path.unlink()
    if out.is_dir():
        out.rmdir()
    write_folder(out, fill)
    return out
