"""Published adapters: what stands in their folder, and what is refused."""

import json

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

from confessions.models.adapters import publish_adapter
from confessions.models.resolve import load, resolve
from confessions.models.weights import ModelError


@pytest.fixture
def trained(tiny_folder, tmp_path):
    """Return the folder of an adapter as training leaves it."""
    base = load(resolve(str(tiny_folder))).model
    get_peft_model(base, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)).save_pretrained(
        tmp_path / "trained"
    )
    return tmp_path / "trained"


def test_a_published_adapter_names_no_place_of_this_machine(trained, tmp_path):
    out = publish_adapter(trained, tmp_path / "out", "smollm2-135m", "a card")
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "SHA256SUMS",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    config = (out / "adapter_config.json").read_text()
    assert json.loads(config)["base_model_name_or_path"] == "smollm2-135m"
    assert str(tmp_path) not in config
    assert {value.dtype for value in load_file(out / "adapter_model.safetensors").values()} == {torch.bfloat16}


def test_publishing_again_replaces_the_folder(trained, tmp_path):
    for card in ("one", "two"):
        out = publish_adapter(trained, tmp_path / "out", "smollm2-135m", card)
    assert (out / "README.md").read_text() == "two"


@pytest.mark.parametrize(
    ("source", "base", "message"),
    [("trained", "/models/base", "is a path of this machine"), ("tiny", "smollm2-135m", "holds no adapter")],
)
def test_what_cannot_be_published_is_refused(trained, tmp_path, source, base, message):
    with pytest.raises(ModelError, match=message):
        publish_adapter(tmp_path / source, tmp_path / "out", base, "a card")
    assert not (tmp_path / "out").exists()
