"""The request's own tokens can have a learning rate of their own; other embeddings then stay as they are."""

import pytest
import tiny_policy as tiny
import torch
from peft import LoraConfig

from confessions.training.config import ConfessionConfigError
from confessions.training.trainer import ConfessionTrainer, TrainingError

REQUEST = "<|confess|>"


def trainer_for(tmp_path, request=REQUEST, peft_config=None, is_tied=False, **settings):
    tokenizer = tiny.make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": [REQUEST]})
    model = tiny.make_model()
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    if is_tied:
        model.config.tie_word_embeddings = True
        model.lm_head.weight = model.model.embed_tokens.weight
    return ConfessionTrainer(
        model,
        tiny.answer_reward,
        tiny.make_config(tmp_path, **{"request_learning_rate": 0.05, **settings}),
        tiny.make_dataset(),
        processing_class=tokenizer,
        confession_reward_funcs=tiny.confession_reward,
        confession_request=request,
        peft_config=peft_config,
    )


def moved_rows(trainer):
    embeddings = trainer.model.get_input_embeddings().weight
    before = embeddings.detach().clone()
    trainer.train()
    return (embeddings.detach() != before).any(dim=1).nonzero().flatten().tolist(), trainer


@pytest.mark.parametrize("optim", ["sgd", "adamw_torch"])
def test_only_the_requests_embeddings_move(tmp_path, optim):
    rows, trainer = moved_rows(trainer_for(tmp_path, optim=optim))
    assert rows == [trainer.processing_class.convert_tokens_to_ids(REQUEST)]


def test_they_move_at_their_own_rate(tmp_path):
    trainer = trainer_for(tmp_path)
    rates = {group["lr"] for group in trainer.create_optimizer().param_groups}
    assert rates == {1e-2, 0.05}
    counted = [parameter for group in trainer.optimizer.param_groups for parameter in group["params"]]
    assert len(counted) == len(set(map(id, counted))) == len(list(trainer.model.parameters()))


@pytest.mark.parametrize("is_tied", [False, True])
def test_the_control_arm_leaves_them_alone(tmp_path, is_tied):
    """Tied weights reach the request's row through the output; Adam would make a full step of that little."""
    rows, _ = moved_rows(trainer_for(tmp_path, train_confessions=False, optim="adamw_torch", is_tied=is_tied))
    assert rows == []


def test_other_weights_still_train(tmp_path):
    trainer = trainer_for(tmp_path)
    before = tiny.weights(trainer)
    trainer.train()
    after = tiny.weights(trainer)
    assert any(not torch.equal(before[name], after[name]) for name in before if "embed" not in name)


def test_a_request_in_a_prompts_tokens_is_refused(tmp_path):
    with pytest.raises(TrainingError, match='shares the token "[a-z.]" with a prompt'):
        trainer_for(tmp_path, request="words.")


def test_frozen_embeddings_are_refused(tmp_path):
    adapter = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    with pytest.raises(TrainingError, match="embeddings are frozen"):
        trainer_for(tmp_path, peft_config=adapter)


def test_a_rate_of_nothing_is_refused(tmp_path):
    with pytest.raises(ConfessionConfigError, match="request_learning_rate is 0"):
        tiny.make_config(tmp_path, request_learning_rate=0)
