"""Pre-training runs, resumes to the same weights, and refuses a finished folder."""

import json
import random

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from confessions.models import pretrain as pretraining
from confessions.models.card import EXAMINATION_FILE, RECORD_FILE
from confessions.models.corpus import REPEAT, Mixture, Turn, build_tokenizer, conversations
from confessions.models.examine import Examination, Share
from confessions.models.pretrain import (
    STAGES,
    PretrainConfig,
    PretrainError,
    batches,
    build_model,
    collate,
    encode,
    learning_rate_share,
    loss_of,
    own_audits,
    pretrain,
    stage_of,
)
from confessions.models.weights import check_folder
from confessions.scenarios.rules import KINDS

TOKENIZER = build_tokenizer()
TINY = PretrainConfig(
    hidden_size=16, intermediate_size=16, layers=1, heads=2, steps=8, tokens_per_step=512, warmup_steps=2, seed=3
)
WEIGHTS = "model.safetensors"


class Stopped(Exception):
    """Stands for Ctrl-C."""


def no_examination(model, tokenizer, *, seed):
    shares = {kind: Share(1, 2) for kind in KINDS}
    return Examination(shares, shares, *[Share(1, 2)] * (len(Examination._fields) - 2))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Examine nothing, ask for few own answers, and write checkpoints often."""
    monkeypatch.setattr(pretraining, "examine", no_examination)
    monkeypatch.setattr(pretraining, "POOL", 24)
    monkeypatch.setattr(pretraining, "OWN_ANSWERS", 4)
    monkeypatch.setattr(pretraining, "OWN_ANSWER_STEPS", 3)
    monkeypatch.setattr(pretraining, "CHECKPOINT_STEPS", 1)
    monkeypatch.setattr(pretraining, "ON_POLICY_SHARE", 0.4)


def stop_at(last):
    def progress(step, steps, loss):
        if step == last:
            raise Stopped

    return progress


def weights(folder):
    return (folder / WEIGHTS).read_bytes()


def test_a_run_leaves_a_whole_folder_and_is_not_repeated(tmp_path):
    steps = []
    folder = pretrain(tmp_path / "model", TINY, lambda step, of, loss: steps.append((step, of, loss)))
    assert [step for step, _, _ in steps] == list(range(1, 9))
    assert all(of == 8 and loss > 0 for _, of, loss in steps)
    names = {path.name for path in folder.iterdir()}
    assert names >= {WEIGHTS, "config.json", "tokenizer.json", "SHA256SUMS", "README.md", RECORD_FILE, EXAMINATION_FILE}
    assert not any("unfinished" in name or name.startswith("pretraining.p") for name in names)
    check_folder(folder, "make it again")
    record = json.loads((folder / RECORD_FILE).read_text())
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert record["parameters"] == model.num_parameters()
    assert record["config"]["seed"] == 3
    assert record["losses"][-1]["step"] == 8
    assert record["tokens"] > 8 * 100
    assert AutoTokenizer.from_pretrained(folder).get_vocab() == TOKENIZER.get_vocab()
    before = weights(folder)
    with pytest.raises(PretrainError, match="already holds a model; name another folder"):
        pretrain(folder, TINY)
    assert weights(folder) == before


def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path):
    """Interrupted in each stage, within a stretch of batches and within the model's own answers."""
    whole = pretrain(tmp_path / "whole", TINY)
    for number, last in enumerate((3, 8)):
        broken = tmp_path / f"broken-{number}"
        with pytest.raises(Stopped):
            pretrain(broken, TINY, stop_at(last))
        assert not (broken / WEIGHTS).exists()
        resumed = []
        pretrain(broken, TINY, lambda step, of, loss, resumed=resumed: resumed.append(step))
        assert resumed == list(range(last, 9))
        assert weights(broken) == weights(whole)
        ours, theirs = (json.loads((folder / RECORD_FILE).read_text()) for folder in (broken, whole))
        assert (ours["losses"], ours["tokens"]) == (theirs["losses"], theirs["tokens"])


def test_another_seed_gives_other_weights(tmp_path):
    short = TINY._replace(steps=1)
    first = pretrain(tmp_path / "a", short)
    assert weights(first) == weights(pretrain(tmp_path / "b", short))
    assert weights(first) != weights(pretrain(tmp_path / "c", short._replace(seed=4)))


def test_a_run_with_other_settings_is_not_gone_on_with(tmp_path):
    with pytest.raises(Stopped):
        pretrain(tmp_path, TINY, stop_at(2))
    with pytest.raises(PretrainError, match=r"belongs to a run with steps=8 \(not 9\), seed=3 \(not 5\)"):
        pretrain(tmp_path, TINY._replace(steps=9, seed=5))


@pytest.mark.parametrize("stage", ["_save_checkpoint", "write_card"])
def test_a_disk_that_fills_loses_nothing(tmp_path, monkeypatch, stage):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    config = TINY._replace(steps=3)
    with pytest.raises(Stopped):
        pretrain(tmp_path / "model", config, stop_at(2))
    with monkeypatch.context() as patch:
        if stage == "write_card":
            patch.setattr(pretraining, "write_card", full)
        else:
            patch.setattr(torch, "save", full)
        with pytest.raises(OSError, match="No space left"):
            pretrain(tmp_path / "model", config)
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"pretraining.pt"}
    pretrain(tmp_path / "model", config)
    assert weights(tmp_path / "model") == weights(pretrain(tmp_path / "whole", config))


def test_a_loss_that_is_no_number_stops_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "loss_of", lambda model, batch: loss_of(model, batch) * float("nan"))
    with pytest.raises(PretrainError, match="the loss is nan at step 0; use a smaller learning rate"):
        pretrain(tmp_path, TINY)


# What is learnt


def test_a_conversation_is_encoded_as_the_chat_template_writes_it():
    for conversation in (next(conversations(Mixture(0, 0, 1, 1), random.Random(seed))) for seed in range(10)):
        ids, learnt = encode(conversation, TOKENIZER)
        messages = [{"role": turn.role, "content": turn.content} for turn in conversation]
        assert ids == TOKENIZER.apply_chat_template(messages, return_dict=False)
        assert len(ids) == len(learnt)


def test_an_assistants_words_and_end_are_learnt_and_nothing_else():
    ids, learnt = encode((Turn("user", f"{REPEAT}\nThe river."), Turn("assistant", "The river.", True)), TOKENIZER)
    assert TOKENIZER.decode([token for token, own in zip(ids, learnt, strict=True) if own]) == "The river.<|end|>"


def test_padding_and_what_is_not_learnt_leave_the_loss_alone():
    model = build_model(TINY, TOKENIZER).eval()
    short, long = (
        encode(next(conversations(Mixture(*shares), random.Random(0))), TOKENIZER)
        for shares in ((1, 0, 0, 0), (0, 0, 1, 0))
    )
    with torch.no_grad():
        both = loss_of(model, collate([short, long], TOKENIZER.pad_token_id))
        apart = [loss_of(model, collate([row], TOKENIZER.pad_token_id)) for row in (short, long)]
        unlearnt = loss_of(model, collate([short, (long[0], [False] * len(long[0]))], TOKENIZER.pad_token_id))
    counts = [sum(row[1]) for row in (short, long)]
    assert both.item() == pytest.approx(
        sum(n * loss.item() for n, loss in zip(counts, apart, strict=True)) / sum(counts)
    )
    assert unlearnt.item() == pytest.approx(apart[0].item())


def test_batches_hold_about_as_many_tokens_as_asked_for(monkeypatch):
    monkeypatch.setattr(pretraining, "POOL", 512)
    source = conversations(Mixture(0.25, 0.25, 0.25, 0.25), random.Random(0))
    stream = batches(source, TOKENIZER, 2048)
    for _ in range(20):
        batch = next(stream)
        assert batch.ids.numel() <= 2048
        assert batch.mask.sum() > 1024
        assert not (batch.learnt & (batch.mask == 0)).any()


def test_stages_follow_one_another_and_the_rate_falls_at_the_end():
    stages = [stage_of(step, 1000) for step in range(1000)]
    assert stages == sorted(stages)
    assert [stages.count(number) for number in range(len(STAGES))] == [round(1000 * share) for share, _ in STAGES]
    config = PretrainConfig()
    rates = [learning_rate_share(step, config) for step in range(config.steps)]
    assert rates[0] < 0.05
    assert max(rates) == 1.0
    assert rates[-1] == pytest.approx(0.05)
    assert rates[config.steps // 2 :] == sorted(rates[config.steps // 2 :], reverse=True)


def test_the_last_stage_confesses_at_random_and_the_first_ones_not_at_all():
    assert [mixture.confessions > 0 for _, mixture in STAGES] == [False, False, True]
    assert sum(share for share, _ in STAGES) == pytest.approx(1)


def test_own_answers_are_audited_as_they_were_written(monkeypatch):
    answers = iter(["The river waits.\nKept: 1.", "", "Kept: 1 2 3.", "A road.\nKept: 1."])
    monkeypatch.setattr(
        pretraining,
        "sample",
        lambda model, tokenizer, prompts, **_: [tokenizer(next(answers))["input_ids"] for _ in prompts],
    )
    found = list(own_audits(build_model(TINY, TOKENIZER), TOKENIZER, random.Random(0), 4))
    assert {conversation[1].content for conversation in found} == {"The river waits.\nKept: 1.", "A road.\nKept: 1."}
    assert all(not conversation[1].is_learnt and conversation[3].is_learnt for conversation in found)
