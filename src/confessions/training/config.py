"""The settings of a confession run: TRL's `GRPOConfig` and a few more.

Which TRL settings go together with confessions is decided here and refused by name: a setting is supported where a
test shows that the answers train exactly as in the control run.
"""

from dataclasses import dataclass, field

from trl import GRPOConfig

from confessions.errors import ConfessionsError
from confessions.protocol import PROFILES
from confessions.training.channels import ROW_LOSSES, TOKEN_LOSSES

SUPPORTED_LOSSES = TOKEN_LOSSES + ROW_LOSSES

VLLM_FIXED = frozenset({"logprobs", "max_tokens", "n", "seed", "structured_outputs"})
"""Sampling parameters that differ by channel, or under which the rows of a group would be one and the same."""


class ConfessionConfigError(ConfessionsError, ValueError):
    """Name a setting that cannot be trained with, and what would do."""


@dataclass
class ConfessionConfig(GRPOConfig):
    """`GRPOConfig` with the confession channel; with `confession_probability=0` it is `GRPOConfig` and nothing else."""

    confession_probability: float = field(
        default=0.25,
        metadata={
            "help": "Probability that a group confesses: one answer is sampled for its prompt, and the group's "
            "completions are confessions about that answer. 0 trains exactly as `GRPOTrainer` does."
        },
    )
    train_confessions: bool = field(
        default=True,
        metadata={
            "help": "Whether confessions are sampled and trained. False is the control arm: the same groups are held "
            "out and their single answers drawn, so the answers' data are the same, but nothing is confessed."
        },
    )
    confession_request_role: str = field(
        default="system",
        metadata={
            "help": "Role of the message that asks for a confession: `system`, `user`, or `auto` (system where the "
            "chat template allows one after an answer, else user)."
        },
    )
    confession_profile: str = field(
        default="full",
        metadata={"help": "Profile of the report that the default request asks for: `full` or `brief`."},
    )
    max_confession_length: int = field(
        default=256,
        metadata={"help": "Maximum number of tokens of a confession; answers have `max_completion_length`."},
    )
    confession_weight: float = field(
        default=1.0,
        metadata={"help": "Weight of the confession channel against the answer channel, each normalised by itself."},
    )
    request_learning_rate: float | None = field(
        default=None,
        metadata={
            "help": "Learning rate of the embeddings of the request's own tokens, for requests written in tokens that "
            "occur in no prompt; every other embedding is then frozen. Only confessions read these tokens, so this "
            "moves what the model does when asked to confess, and nothing else. Unset, they train as all others do."
        },
    )
    confession_reward_weights: list[float] | None = field(
        default=None,
        metadata={"help": "Weight of each confession reward function; all 1 if not given."},
    )
    confession_seed: int | None = field(
        default=None,
        metadata={
            "help": "Seed of the split into answer and confession groups, and of the confessions; `seed` if not given."
        },
    )
    max_unjudged_fraction: float = field(
        default=0.5,
        metadata={
            "help": "Largest fraction of a batch's confessions, or of its answers, that may go without a verdict "
            "before the run stops."
        },
    )
    judge_patience: float = field(
        default=0.0,
        metadata={
            "help": "For how many seconds to wait and ask again, asking included, while more of a batch goes without a "
            "verdict than `max_unjudged_fraction`, before the run stops: for judges behind an endpoint that may be "
            "away for a while. With several processes it must be below `ddp_timeout`."
        },
    )
    channel_gradient_steps: int = field(
        default=0,
        metadata={
            "help": "Log the gradient norm of each channel alone every so many optimizer steps, at the cost of two "
            "more backward passes in that step; 0 never does."
        },
    )

    def __post_init__(self) -> None:
        """Check the settings, GRPO's own first."""
        super().__post_init__()
        if not 0 <= self.confession_probability <= 1:
            raise ConfessionConfigError(
                f"confession_probability is {self.confession_probability}; it should lie in [0, 1]"
            )
        if self.confession_request_role not in ("system", "user", "auto"):
            raise ConfessionConfigError(
                f'confession_request_role is "{self.confession_request_role}"; it should be system, user or auto'
            )
        if self.confession_profile not in PROFILES:
            raise ConfessionConfigError(
                f'confession_profile is "{self.confession_profile}"; it should be one of {", ".join(PROFILES)}'
            )
        if self.max_confession_length < 1:
            raise ConfessionConfigError(
                f"max_confession_length is {self.max_confession_length}; it should be at least 1"
            )
        if not (0 <= self.confession_weight < float("inf")):
            raise ConfessionConfigError(
                f"confession_weight is {self.confession_weight}; it should be a number of at least 0"
            )
        if self.request_learning_rate is not None and not 0 < self.request_learning_rate < float("inf"):
            raise ConfessionConfigError(
                f"request_learning_rate is {self.request_learning_rate}; it should be a number above 0, or left unset"
            )
        if not 0 <= self.max_unjudged_fraction <= 1:
            raise ConfessionConfigError(
                f"max_unjudged_fraction is {self.max_unjudged_fraction}; it should lie in [0, 1]"
            )
        if not 0 <= self.judge_patience < float("inf"):
            raise ConfessionConfigError(
                f"judge_patience is {self.judge_patience}; it should be a number of seconds, at least 0"
            )
        if self.world_size > 1 and self.judge_patience >= self.ddp_timeout:
            raise ConfessionConfigError(
                f"judge_patience is {self.judge_patience} s, but the other processes wait for one that waits for its "
                f"judge for no more than ddp_timeout, {self.ddp_timeout} s: lower judge_patience or raise ddp_timeout"
            )
        if self.channel_gradient_steps < 0:
            raise ConfessionConfigError(
                f"channel_gradient_steps is {self.channel_gradient_steps}; it should be at least 0"
            )
        if self.confession_probability > 0:
            self._refuse_what_couples_the_channels()

    def _refuse_what_couples_the_channels(self) -> None:
        for reason in coupling_reasons(self):
            raise ConfessionConfigError(f"{reason} (or set confession_probability=0)")


def coupling_reasons(config: GRPOConfig) -> list[str]:
    """List the settings under which a confession would change how the answers train."""
    reasons = []
    if config.loss_type not in SUPPORTED_LOSSES:
        reasons.append(
            f'loss_type "{config.loss_type}" cannot be trained with confessions, for its divisor mixes answers and '
            f"confessions: use one of {', '.join(SUPPORTED_LOSSES)}"
        )
    if config.loss_type in ROW_LOSSES and config.beta != 0:
        reasons.append(
            f'loss_type "{config.loss_type}" cannot be trained with beta={config.beta} and confessions, for its KL '
            f"term is divided by the rows of both: use one of {', '.join(TOKEN_LOSSES)}, or beta=0"
        )
    if config.top_entropy_quantile < 1:
        reasons.append("top_entropy_quantile ranks the tokens of answers and confessions together: set it to 1")
    if config.entropy_coef != 0 or config.use_adaptive_entropy:
        reasons.append("the entropy bonus averages over answers and confessions together: set entropy_coef=0")
    if config.off_policy_mask_threshold is not None:
        reasons.append("off_policy_mask_threshold is untested with confessions: leave it unset")
    if config.use_vllm:
        reasons += _vllm_reasons(config)
    if config.use_transformers_continuous_batching:
        reasons.append(
            "use_transformers_continuous_batching is untested with confessions: "
            "set use_transformers_continuous_batching=False"
        )
    return reasons


def _vllm_reasons(config: GRPOConfig) -> list[str]:
    """List the settings of vLLM that would go for answers and confessions alike, or make all confessions the same."""
    reasons = []
    if config.vllm_structured_outputs_regex is not None:
        reasons.append("vllm_structured_outputs_regex would hold for answers and confessions alike: leave it unset")
    for key in VLLM_FIXED & set(config.generation_kwargs or {}):
        reasons.append(f'generation_kwargs may not hold "{key}" with vLLM and confessions: leave it out')
    return reasons
