"""Neither channel's reward reaches the other's tokens, and the answers train as in the control run.

A token's logits have one input, the final hidden state at its position, so the loss's gradient there is what the
token is trained with. Weights are shared by all tokens, so "to the bit" is meant at the hidden states; where one
channel is silent, the step of the weights themselves is compared.
"""

import pytest
import tiny_policy as tiny
import torch

from confessions.training.channels import group_advantages, total_rewards

LOSSES = [("dapo", 0.0), ("dapo", 0.1), ("cispo", 0.0), ("cispo", 0.1), ("grpo", 0.0), ("dr_grpo", 0.0)]

# Four groups a batch, and a seed under which two of them confess.
BATCH = dict(per_device_train_batch_size=16, gradient_accumulation_steps=1, learning_rate=0.05)


@pytest.fixture(scope="module")
def policy_folder(tmp_path_factory):
    """A saved policy: TRL loads the reference of the KL term from where the policy came from."""
    folder = tmp_path_factory.mktemp("policy")
    tiny.make_model().save_pretrained(folder)
    return str(folder)


def scored_batch(trainer):
    """Sample and score the trainer's first generation batch; its rows are not shuffled yet."""
    torch.manual_seed(11)
    rows = tiny.first_batch(trainer)
    return trainer._generate_and_score_completions(rows)


def hidden_gradients(trainer, inputs):
    """Give the gradient of TRL's loss at the final hidden states of the completion tokens (B, T, D)."""
    trainer.scores_contexts_once = False  # all rows in one pass, so that one hidden state holds them all
    trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
    kept = []
    hook = trainer.model.model.register_forward_hook(lambda module, given, output: kept.append(output[0]))
    try:
        with torch.enable_grad():
            loss = trainer.compute_loss(trainer.model, inputs)
            (gradient,) = torch.autograd.grad(loss, kept[-1])
    finally:
        hook.remove()
    # The hidden state one position earlier predicts a token.
    width = inputs["completion_ids"].size(1)
    return gradient[:, -width - 1 : -1]


def perturb(trainer):
    """Move the policy away from the reference, without which the KL term's gradient is zero."""
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))


def is_confession(trainer, batch):
    """Tell the confession rows of an unshuffled batch by their prompts, which hold the request."""
    request = torch.tensor(trainer._request_ids)
    return torch.tensor([torch.equal(ids[-len(request) :], request) for ids in batch["prompt_ids"]])


def both_kinds(trainer):
    batch = scored_batch(trainer)
    confession = is_confession(trainer, batch)
    assert confession.sum() in (4, 8, 12), "the seed must give groups of both kinds"
    return batch, confession


def other_answer_reward(completions, **columns):
    return [float(sum(map(ord, completion[0]["content"])) % 5) for completion in completions]


def other_confession_reward(completions, **columns):
    return [float(sum(map(ord, completion[0]["content"])) % 3) for completion in completions]


@pytest.mark.parametrize(("loss_type", "beta"), LOSSES)
@pytest.mark.parametrize("changed", ["answers", "confessions"])
def test_a_channels_rewards_change_nothing_on_the_others_tokens(tmp_path, policy_folder, loss_type, beta, changed):
    settings = dict(model=policy_folder, loss_type=loss_type, beta=beta, **BATCH)
    first = tiny.make_trainer(tmp_path, **settings)
    second = tiny.make_trainer(
        tmp_path,
        reward=other_answer_reward if changed == "answers" else tiny.answer_reward,
        judge=other_confession_reward if changed == "confessions" else tiny.confession_reward,
        **settings,
    )
    gradients = []
    for trainer in (first, second):
        batch, confession = both_kinds(trainer)
        perturb(trainer)
        gradients.append(hidden_gradients(trainer, batch))
    moved = confession if changed == "confessions" else ~confession
    assert torch.equal(gradients[0][~moved], gradients[1][~moved])
    assert not torch.equal(gradients[0][moved], gradients[1][moved])
    assert gradients[0][~moved].abs().sum() > 0


@pytest.mark.parametrize(("loss_type", "beta"), LOSSES)
def test_answers_have_the_gradient_of_the_control_arm(tmp_path, policy_folder, loss_type, beta):
    settings = dict(model=policy_folder, loss_type=loss_type, beta=beta, **BATCH)
    gradients, ids = [], []
    for trains in (True, False):
        trainer = tiny.make_trainer(tmp_path, train_confessions=trains, **settings)
        batch = scored_batch(trainer)
        if trains:
            confession = is_confession(trainer, batch)
            assert 0 < confession.sum() < 16
        perturb(trainer)
        # Answers come first in width: the arms pad to different lengths on the right.
        gradients.append(hidden_gradients(trainer, batch)[~confession][:, :6])
        ids.append(batch["completion_ids"][~confession][:, :6])
        if not trains:
            inert = hidden_gradients(trainer, batch)[confession]
    assert torch.equal(*ids), "both arms draw the same answers"
    scale = gradients[1].abs().max()
    assert scale > 0
    assert (gradients[0] - gradients[1]).abs().max() <= 2e-6 * scale
    assert (gradients[0] - gradients[1]).mean().abs() <= 2e-7 * scale, "no drift"
    assert (inert == 0).all()


@pytest.mark.parametrize(("loss_type", "beta"), [case for case in LOSSES if case[1] == 0])
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_each_channel_is_trls_loss_on_its_rows_alone(tmp_path, loss_type, beta, weight):
    trainer = tiny.make_trainer(tmp_path, loss_type=loss_type, confession_weight=weight, **BATCH)
    seen = {}
    join = trainer._join_channels
    trainer._join_channels = lambda output, batch: (
        seen.update(advantages=output["advantages"], verdicts=batch.verdicts),
        join(output, batch),
    )
    batch, confession = both_kinds(trainer)
    both = hidden_gradients(trainer, batch)
    for rows, limit in ((~confession, 6), (confession, 9)):
        alone = {key: value[rows] if value.ndim else value for key, value in batch.items()}
        alone["num_items_in_batch"] = alone["completion_mask"].sum()
        alone["advantages"] = (
            group_advantages(total_rewards(seen["verdicts"], torch.ones(1)), 4)[rows]
            if rows is confession
            else seen["advantages"][rows]
        )
        trainer.max_completion_length = limit
        expected = hidden_gradients(trainer, alone) * (weight if rows is confession else 1)
        assert torch.allclose(both[rows], expected, rtol=1e-5, atol=1e-9)
        assert expected.abs().sum() > 0


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_answers_are_centred_and_scaled_among_answers_alone(tmp_path, scale):
    trainer = tiny.make_trainer(tmp_path, scale_rewards=scale, **BATCH)
    seen = []
    join = trainer._join_channels
    trainer._join_channels = lambda output, batch: (seen.append(batch.rewards), join(output, batch))
    batch, confession = both_kinds(trainer)
    alone = total_rewards(seen[0][~confession], torch.ones(1))
    assert torch.allclose(batch["advantages"][~confession], group_advantages(alone, 4, scale), atol=1e-6)


STEPS = {
    "one batch a step": dict(),
    "accumulation": dict(gradient_accumulation_steps=4, per_device_train_batch_size=4),
    "several iterations": dict(num_iterations=2, max_steps=4),
    "reuse over steps": dict(gradient_accumulation_steps=2, per_device_train_batch_size=4, steps_per_generation=4),
    "generation within a step": dict(
        gradient_accumulation_steps=2, per_device_train_batch_size=16, steps_per_generation=1
    ),
    "truncated completions masked": dict(mask_truncated_completions=True),
    "rewards scaled by the batch": dict(scale_rewards="batch"),
    "rewards not scaled": dict(scale_rewards="none"),
    "sequence-level importance": dict(importance_sampling_level="sequence", num_iterations=2, max_steps=4),
    "two-sided clipping": dict(delta=1.05, num_iterations=2, max_steps=4),
}


def trained(folder, **settings):
    trainer = tiny.make_trainer(folder, **{**BATCH, "max_steps": 3, **settings})
    start = tiny.weights(trainer)
    trainer.train()
    return tiny.weights(trainer), start, trainer


def silent(completions, **columns):
    return [1.0] * len(completions)


@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize("loss_type", ["dapo", "grpo"])
def test_steps_are_the_controls_where_confessions_earn_nothing(tmp_path, loss_type, case):
    settings = dict(loss_type=loss_type, **STEPS[case])
    ours, start, trainer = trained(tmp_path, judge=silent, **settings)
    control, _, _ = trained(tmp_path, train_confessions=False, **settings)
    assert any(log.get("confessions/row_fraction") for log in trainer.state.log_history)
    assert tiny.relative_difference(control, ours, start) < 2e-5


@pytest.mark.parametrize("loss_type", ["cispo", "dr_grpo"])
def test_the_other_losses_step_alike_too(tmp_path, loss_type):
    ours, start, _ = trained(tmp_path, judge=silent, loss_type=loss_type)
    control, _, _ = trained(tmp_path, train_confessions=False, loss_type=loss_type)
    assert tiny.relative_difference(control, ours, start) < 2e-5


def test_steps_are_the_controls_with_lora(tmp_path):
    from peft import LoraConfig

    lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    ours, start, _ = trained(tmp_path, judge=silent, peft_config=lora)
    control, _, _ = trained(tmp_path, train_confessions=False, peft_config=lora)
    assert tiny.relative_difference(control, ours, start) < 2e-5
    loud, _, _ = trained(tmp_path, peft_config=lora)
    assert tiny.relative_difference(control, loud, start) > 0.05


def test_the_comparison_with_the_control_can_fail(tmp_path):
    """Confessions that earn something move the shared weights, and an unscaled loss would shrink the answers' step."""
    control, start, _ = trained(tmp_path, train_confessions=False)
    loud, _, _ = trained(tmp_path)
    assert tiny.relative_difference(control, loud, start) > 0.05
    weightless, _, _ = trained(tmp_path, confession_weight=0.0)
    assert tiny.relative_difference(control, weightless, start) < 2e-5
