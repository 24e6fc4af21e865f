import pytest
import tiny_policy as tiny
from trl import GRPOConfig

from confessions.training.config import SUPPORTED_LOSSES, ConfessionConfig, ConfessionConfigError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"confession_probability": -0.1}, r"confession_probability is -0.1; it should lie in \[0, 1\]"),
        ({"confession_probability": 1.5}, r"confession_probability is 1.5; it should lie in \[0, 1\]"),
        ({"confession_probability": float("nan")}, "confession_probability is nan"),
        ({"confession_request_role": "robot"}, '"robot"; it should be system, user or auto'),
        ({"confession_profile": "tiny"}, '"tiny"; it should be one of full, brief'),
        ({"max_confession_length": 0}, "max_confession_length is 0"),
        ({"confession_weight": -1.0}, "confession_weight is -1.0"),
        ({"confession_weight": float("inf")}, "confession_weight is inf"),
        ({"max_unjudged_fraction": 2.0}, "max_unjudged_fraction is 2.0"),
        ({"loss_type": "grpo", "beta": 0.1}, r'loss_type "grpo" cannot be trained with beta=0.1'),
        ({"loss_type": "dr_grpo", "beta": 0.1}, r'loss_type "dr_grpo" cannot be trained with beta=0.1'),
        ({"top_entropy_quantile": 0.5}, "top_entropy_quantile"),
        ({"entropy_coef": 0.1}, "entropy bonus"),
        ({"off_policy_mask_threshold": 0.5}, "off_policy_mask_threshold"),
        ({"use_vllm": True, "vllm_structured_outputs_regex": "a+"}, "vllm_structured_outputs_regex would hold"),
        ({"use_vllm": True, "generation_kwargs": {"seed": 1}}, 'generation_kwargs may not hold "seed" with vLLM'),
        ({"use_transformers_continuous_batching": True}, "use_transformers_continuous_batching"),
    ],
)
def test_a_setting_that_cannot_be_trained_with_is_named(tmp_path, settings, message):
    with pytest.raises(ConfessionConfigError, match=message):
        tiny.make_config(tmp_path, **settings)


def test_patience_with_several_processes_ends_before_the_others_give_up(tmp_path, monkeypatch):
    assert tiny.make_config(tmp_path, judge_patience=900.0, ddp_timeout=600).judge_patience == 900.0
    monkeypatch.setattr(ConfessionConfig, "world_size", 2)
    with pytest.raises(ConfessionConfigError, match=r"judge_patience is 900.0 s.*ddp_timeout, 600 s: lower"):
        tiny.make_config(tmp_path, judge_patience=900.0, ddp_timeout=600)


@pytest.mark.parametrize("loss_type", ["bnpo", "sapo", "luspo", "vespo"])
def test_an_unsupported_loss_is_refused_by_name_unless_nothing_is_confessed(tmp_path, loss_type):
    with pytest.raises(ConfessionConfigError, match=f'"{loss_type}" cannot be trained with confessions.*dapo, cispo'):
        tiny.make_config(tmp_path, loss_type=loss_type)
    assert tiny.make_config(tmp_path, loss_type=loss_type, confession_probability=0.0).loss_type == loss_type


@pytest.mark.parametrize("loss_type", SUPPORTED_LOSSES)
def test_a_supported_loss_is_accepted(tmp_path, loss_type):
    assert tiny.make_config(tmp_path, loss_type=loss_type).loss_type == loss_type


def test_a_group_of_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 2 generations per prompt"):
        tiny.make_config(tmp_path, num_generations=1)


def test_the_defaults_are_those_of_trl_and_the_paper(tmp_path):
    ours, trl = (
        tiny.make_config(tmp_path, confession_probability=0.25),
        GRPOConfig(str(tmp_path), report_to=[], use_cpu=True),
    )
    assert ours.confession_probability == type(ours).confession_probability == 0.25
    assert (ours.loss_type, ours.beta, ours.scale_rewards) == (trl.loss_type, trl.beta, trl.scale_rewards)
