"""Reading each context once gives TRL's own scores and gradients."""

import pytest
import tiny_policy as tiny
import torch
from peft import LoraConfig
from transformers import GPT2Config, GPT2LMHeadModel
from trl import GRPOTrainer

from confessions.training.reading import score_completions

BATCH = dict(per_device_train_batch_size=16, gradient_accumulation_steps=1, max_steps=1)
LORA = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)


def trainer_and_batch(folder, **settings):
    """A trainer with a scored batch of both kinds; its matrices are large enough for all that is read to matter."""
    torch.manual_seed(4)
    model = tiny.make_model()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(10)
    trainer = tiny.make_trainer(folder, model=model, **{**BATCH, **settings})
    trainer.current_gradient_accumulation_steps = 1
    torch.manual_seed(11)
    batch = trainer._generate_and_score_completions(tiny.first_batch(trainer))
    assert 0 < batch["is_confession"].sum() < 16
    return trainer, batch


def gradients(trainer, batch, *, once):
    trainer.scores_contexts_once = once
    trainer.model.zero_grad()
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    return loss.item(), {
        name: each.grad.clone() for name, each in trainer.model.named_parameters() if each.requires_grad
    }


def embedded_tokens(trainer, call):
    counted = []
    embeddings = trainer.accelerator.unwrap_model(trainer.model).get_input_embeddings()
    hook = embeddings.register_forward_hook(lambda _, given, __: counted.append(given[0].numel()))
    try:
        call()
    finally:
        hook.remove()
    return sum(counted)


CASES = {
    "plain": dict(),
    "lora": dict(peft_config=LORA),
    "temperature": dict(temperature=0.7),
    "rows": dict(loss_type="grpo"),
    "truncated masked": dict(mask_truncated_completions=True),
}


@pytest.mark.parametrize("settings", CASES.values(), ids=list(CASES))
def test_losses_and_gradients_are_those_of_reading_every_row(tmp_path, settings):
    trainer, batch = trainer_and_batch(tmp_path, **settings)
    assert trainer.scores_contexts_once
    loss, ours = gradients(trainer, batch, once=True)
    expected, theirs = gradients(trainer, batch, once=False)
    assert loss == pytest.approx(expected, rel=1e-4, abs=1e-6)
    size = sum((each**2).sum() for each in theirs.values()).sqrt()
    apart = sum(((ours[name] - theirs[name]) ** 2).sum() for name in theirs).sqrt()
    assert size > 0
    assert apart <= 2e-5 * size


def test_scores_are_trls_token_by_token(tmp_path):
    trainer, batch = trainer_and_batch(tmp_path)
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    given = (trainer.model, ids, mask, batch["completion_ids"].size(1))
    trainer._confession_rows = batch["is_confession"]
    logps, entropies, _ = trainer._get_per_token_logps_and_entropies(*given, compute_entropy=True)
    expected, expected_entropies, _ = GRPOTrainer._get_per_token_logps_and_entropies(
        trainer, *given, compute_entropy=True
    )
    assert torch.allclose(logps, expected, atol=2e-5, rtol=1e-4)
    assert torch.allclose(entropies, expected_entropies, atol=2e-5, rtol=1e-4)
    assert (logps[batch["completion_mask"] == 0] == 0).all()
    in_chunks, _, _ = trainer._get_per_token_logps_and_entropies(*given, batch_size=3)
    assert torch.allclose(in_chunks, expected, atol=2e-5, rtol=1e-4)


def test_fewer_tokens_are_read(tmp_path):
    trainer, batch = trainer_and_batch(tmp_path)
    read = {}
    for once in (True, False):
        trainer.scores_contexts_once = once
        read[once] = embedded_tokens(trainer, lambda: trainer.compute_loss(trainer.model, batch))
    width = batch["prompt_ids"].size(1) + batch["completion_ids"].size(1)
    assert read[False] == 16 * width
    assert read[True] < read[False] / 2


@pytest.mark.parametrize("channel", ["answers", "confessions"])
def test_a_channels_rewards_do_not_reach_what_the_other_reads(tmp_path, channel):
    """To the bit, at the last hidden states of the other channel's context and completions."""
    trainer, batch = trainer_and_batch(tmp_path)
    found = []
    for factor in (1.0, 3.0):
        rows = batch["is_confession"] if channel == "confessions" else ~batch["is_confession"]
        changed = {**batch, "advantages": torch.where(rows, factor * batch["advantages"], batch["advantages"])}
        kept = []
        hook = trainer.model.model.register_forward_hook(lambda _, __, output, kept=kept: kept.append(output[0]))
        loss = trainer.compute_loss(trainer.model, changed)
        hook.remove()
        assert len(kept) == 4, "contexts and completions of answers, then of confessions"
        found.append(torch.autograd.grad(loss, [kept[1], kept[3]]))
    own, other = (1, 0) if channel == "confessions" else (0, 1)
    assert torch.equal(found[0][other], found[1][other])
    assert not torch.equal(found[0][own], found[1][own])


@pytest.mark.parametrize(
    "settings", [dict(gradient_checkpointing=True), dict(confession_probability=0.0, judge=None)], ids=str
)
def test_what_cannot_be_shared_or_must_be_trls_is_left_to_trl(tmp_path, settings):
    assert not tiny.make_trainer(tmp_path, **{**BATCH, **settings}).scores_contexts_once


def test_the_reference_is_scored_by_its_own_weights(tmp_path):
    folder = tmp_path / "policy"
    tiny.make_model().save_pretrained(folder)
    settings = dict(BATCH, model=str(folder), beta=0.1, max_steps=2)
    logged = []
    for once in (True, False):
        trainer = tiny.make_trainer(tmp_path / str(once), **settings)
        trainer.scores_contexts_once = once
        trainer.train()
        logged.append(trainer.state.log_history[1]["kl"])
    assert logged[0] > 0
    assert logged[0] == pytest.approx(logged[1], rel=1e-2)


def test_a_context_of_one_token_is_read_with_its_completion():
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=31, n_embd=16, n_layer=2, n_head=2, n_positions=32)).eval()
    from trl.trainer.utils import add_fused_lm_head

    add_fused_lm_head(model)
    ids = torch.tensor([[3, 5, 7], [3, 6, 0]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    scores = score_completions(model, model, ids, mask, 2)
    expected = model(input_ids=ids).logits.log_softmax(-1)[:, :-1].gather(2, ids[:, 1:, None])[..., 0] * mask[:, 1:]
    assert torch.allclose(scores.log_probs, expected, atol=1e-5)
