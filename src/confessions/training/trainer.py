"""Train a policy with GRPO to answer and to confess, each rewarded apart from the other.

With probability p a group of G rows is a confession group: one answer is sampled for its prompt, the request for a
confession is appended as token ids, and the group's G completions are confessions about that one answer. Every other
group is ordinary GRPO. A row belongs to one channel only, so neither reward reaches the other's tokens.

What differs from the textbook, and why:
- the single answers are sampled in the same call as the answer groups' answers, and confessions afterwards from a
  random stream of their own, so the answers are those of a control run with the same weights;
- each channel's advantages come from its own groups, and `channel_scales` undoes the divisor that the loss shares, so
  the answers' step is the control's;
- the confession judge sees neither the answer's nor the confession's reasoning.
Source: arXiv 2512.08093, section 2, on TRL's `GRPOTrainer`; the private names used are in `trl_surface`.
"""

import itertools
import math
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import torch
from accelerate.utils import gather, gather_object, is_peft_model
from peft import PeftModel
from torch import Tensor
from trl import GRPOTrainer
from trl.chat_template_utils import parse_response
from trl.models.utils import unwrap_model_for_generation

from confessions.errors import ConfessionsError
from confessions.judges.verdicts import text_of
from confessions.models.chat import confession_context, request_role, request_suffix_ids
from confessions.models.chat import prompt_ids as ids_of_prompt
from confessions.models.sampling import can_read_once, sample_copies
from confessions.protocol import PROFILES, Message, confession_request
from confessions.protocol.reasoning import opens_reasoning, prompt_without_reasoning, without_reasoning
from confessions.training.channels import (
    TOKEN_LOSSES,
    ChannelSize,
    channel_scales,
    comparable_rewards,
    confession_groups,
    confession_seed,
    fraction_without_signal,
    group_advantages,
    total_rewards,
    unit_draw,
)
from confessions.training.collapse import commonest_fraction, report_facts, report_metrics
from confessions.training.config import ConfessionConfig
from confessions.training.generation import Completion, own_share
from confessions.training.gradients import ChannelGradients
from confessions.training.judging import (
    RewardError,
    RewardFunction,
    TooManyUnjudged,
    callable_name,
    judge_confessions,
    on_rows_only,
    pauses,
    spread,
    wait_for_judges,
)
from confessions.training.reading import score_completions
from confessions.training.trl_surface import changed_attributes, changed_methods, require_known_surface

PROMPTS_LOOKED_THROUGH = 1000
"""How many prompts are searched for tokens of the request, where those have a learning rate of their own."""

MOST_SKIPPED_STEPS = 3
"""How many steps in a row may have a gradient that is not finite before the run stops."""

RESERVED_COLUMNS = ("answers", "completions", "completion_ids", "prompts")


class TrainingError(ConfessionsError):
    """Say what keeps a run from starting or going on."""


class CheckpointError(TrainingError):
    """Say that a checkpoint could not be written; earlier ones are untouched."""


class DivergedError(TrainingError):
    """Say that the gradient is not finite again and again; every process raises it alike."""


@dataclass(frozen=True)
class Rollout:
    """One row of a training batch, for looking at."""

    step: int
    """The first optimizer step that it trains."""
    kind: Literal["answer", "confession"]
    prompt: list[dict[str, Any]]
    answer: str
    confession: str | None
    rewards: dict[str, float | None]
    advantage: float
    is_cut_off: bool


@dataclass
class _Batch:
    """What is known of the generation batch in the making; `is_confession` covers the rows of all processes."""

    step: str
    is_confession: list[bool]
    first_row: int
    n_rows: int
    group_size: int
    is_asking: bool = False
    """Whether what is sampled are confessions."""
    answers: dict[int, list[int]] = field(default_factory=dict)
    """Answer ids by group, for confession groups."""
    messages: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The same answers as a judge sees them."""
    lengths: list[int] = field(default_factory=list)
    cut_off: list[bool] = field(default_factory=list)
    texts: list[int] = field(default_factory=list)
    """A hash of each completion's ids, to count the distinct ones."""
    rewards: Tensor | None = None
    """The answers' rewards (N, K), NaN on confession rows."""
    verdicts: Tensor | None = None
    """The confessions' rewards (N, K'), NaN on answer rows."""
    reports: list[list[float]] = field(default_factory=list)
    """`ReportFacts` of this process's confessions, where they were asked for in the profile's own format."""
    completions: list[Any] = field(default_factory=list)

    def group(self, row: int) -> int:
        return (self.first_row + row) // self.group_size

    def is_head(self, row: int) -> bool:
        return (self.first_row + row) % self.group_size == 0

    def confesses(self, row: int) -> bool:
        return self.is_confession[self.first_row + row]

    def rows(self, *, confessing: bool) -> list[int]:
        return [row for row in range(self.n_rows) if self.confesses(row) is confessing]

    @property
    def spans_processes(self) -> bool:
        return self.n_rows % self.group_size != 0


class ConfessionTrainer(GRPOTrainer):
    """A drop-in `GRPOTrainer` that also trains confessions.

    `reward_funcs` score answers exactly as in TRL, and are called with answers alone. `confession_reward_funcs` are
    called as `f(prompts=, answers=, completions=, completion_ids=, **columns)` with confessions alone: `completions`
    are the confessions and `answers` the answers they are about, both in TRL's conversational shape, free of reasoning.
    `confession_request` replaces the default request: a text, or a `Message` that brings its own role.
    """

    rollout_func: Any
    _metrics: Any

    def __init__(
        self,
        model: Any,
        reward_funcs: Any = None,
        args: ConfessionConfig | None = None,
        train_dataset: Any = None,
        *positional: Any,
        confession_reward_funcs: RewardFunction | Sequence[RewardFunction] | None = None,
        confession_request: str | Message | None = None,
        rollout_observer: Callable[[list[Rollout]], None] | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(args, ConfessionConfig):
            raise TrainingError(
                f"args is {type(args).__name__}; ConfessionTrainer takes a ConfessionConfig: a GRPOConfig with the "
                "settings of the confession channel"
            )
        if callable(confession_reward_funcs):
            confession_reward_funcs = [confession_reward_funcs]
        self.confession_reward_funcs: list[RewardFunction] = list(confession_reward_funcs or [])
        self.confession_judge_names = [callable_name(judge) for judge in self.confession_reward_funcs]
        self.confession_request: Message | None = None
        self.rollout_observer = rollout_observer
        self._batch: _Batch | None = None
        self._generations_at_step = (-1, 0)
        self._channel_gradients = ChannelGradients()
        self._confession_rows: Tensor | None = None
        self.scores_contexts_once = False
        self._skipped_in_a_row = 0
        self._asks_for_profile = confession_request is None
        self._confesses = args.confession_probability > 0
        _require_prompts(train_dataset, conversational=self._confesses)
        if self._confesses:
            if not reward_funcs:
                raise TrainingError("there are no reward_funcs for the answers: pass at least one")
            require_known_surface(changed_methods())
            self._check_judges(args, train_dataset)
            for name in ("tools", "environment_factory", "rollout_func"):
                if kwargs.get(name):
                    raise TrainingError(f"{name} cannot be used together with confessions yet: leave it out")
            reward_funcs = [
                function if isinstance(function, str | torch.nn.Module) else on_rows_only(function, self._answer_rows)
                for function in (reward_funcs if isinstance(reward_funcs, list) else [reward_funcs])
            ]
        super().__init__(model, reward_funcs, args, train_dataset, *positional, **kwargs)
        if self._confesses:
            require_known_surface(changed_attributes(self))
            self._check_backend()
            self.scores_contexts_once = self._can_score_contexts_once()
            self._prepare_request(args, confession_request)

    def _answer_rows(self) -> list[int] | None:
        return None if self._batch is None else self._batch.rows(confessing=False)

    def _check_judges(self, args: ConfessionConfig, dataset: Any) -> None:
        if args.train_confessions and not self.confession_reward_funcs:
            raise TrainingError(
                f"confession_probability is {args.confession_probability} but there are no confession_reward_funcs: "
                "pass at least one, or set confession_probability=0 or train_confessions=False"
            )
        for judge in self.confession_reward_funcs:
            if isinstance(judge, torch.nn.Module) or not callable(judge):
                raise TrainingError(
                    f"the confession judge {type(judge).__name__} cannot be called as "
                    "f(prompts=, answers=, completions=, completion_ids=, **columns): wrap it in a function"
                )
        weights = args.confession_reward_weights
        if weights is not None and len(weights) != len(self.confession_reward_funcs):
            raise TrainingError(
                f"there are {len(weights)} confession_reward_weights for {len(self.confession_reward_funcs)} "
                "confession_reward_funcs: give one for each"
            )
        self.confession_reward_weights = torch.tensor(weights or [1.0] * len(self.confession_reward_funcs))
        for column in getattr(dataset, "column_names", None) or []:
            if column in RESERVED_COLUMNS:
                raise TrainingError(
                    f'the dataset has a column "{column}", a name under which judges get something else: rename it'
                )

    def _check_backend(self) -> None:
        if self._is_vlm:
            raise TrainingError(
                "confessions are for text models: pass a tokenizer as processing_class, not a processor"
            )
        if self.aux_loss_enabled:
            raise TrainingError(
                "the router's auxiliary loss averages over answers and confessions together: set router_aux_loss_coef=0"
            )
        self._check_dropout()
        if self._is_sharded:
            self._check_sharding()

    def _check_dropout(self) -> None:
        """Refuse dropout: confessions would draw masks from the random stream that the answers are drawn from."""
        dropouts = {
            name: module.p for name, module in self.model.named_modules() if isinstance(module, torch.nn.Dropout)
        }
        if found := next((name for name, p in dropouts.items() if p > 0), None):
            raise TrainingError(
                f"the module {found} drops out with p={dropouts[found]}, and confessions would change which of the "
                "answers' values are dropped: set disable_dropout=True (for an adapter also: lora_dropout=0)"
            )
        # TRL's disable_dropout reaches modules alone.
        if (share := getattr(self.model.config, "attention_dropout", None) or 0.0) > 0:
            raise TrainingError(
                f"the model's attention_dropout is {share}, which disable_dropout=True does not reach, and confessions "
                "would change which of the answers' values are dropped: load the model with attention_dropout=0"
            )

    @property
    def _is_sharded(self) -> bool:
        """Whether no process holds all weights."""
        return bool(self._dist.is_fsdp or self._dist.is_zero3)

    def _check_sharding(self) -> None:
        if self._dist.fsdp_version == 1:
            raise TrainingError("confessions are untested with FSDP 1: set fsdp_version: 2 in the accelerate config")
        if self._dist.is_fsdp and "FULL" not in str(self.accelerator.state.fsdp_plugin.state_dict_type):
            raise TrainingError(
                "FSDP would save no model under this fsdp_state_dict_type: set it to FULL_STATE_DICT in the accelerate "
                "config"
            )
        for name in ("request_learning_rate", "channel_gradient_steps"):
            if getattr(self.args, name):
                raise TrainingError(
                    f"{name} needs whole weights in each process, and FSDP and ZeRO-3 shard them: leave it unset, or "
                    "use DDP or ZeRO-1/2"
                )
        if self._dist.is_fsdp and not self.use_vllm:
            # Transformers keeps processes in step while they sample only where it takes the model for sharded.
            sampled = self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model
            sampled._is_fsdp_managed_module = True

    def _prepare_request(self, args: ConfessionConfig, request: str | Message | None) -> None:
        template_kwargs = self._template_kwargs()
        if isinstance(request, Message):
            self.confession_request = request
        else:
            role = request_role(self._tokenizer, cast(Any, args.confession_request_role), template_kwargs)
            default = confession_request(PROFILES[args.confession_profile], role=role)
            self.confession_request = default if request is None else Message(role=role, content=request)
        self._request_ids = request_suffix_ids(self._tokenizer, self.confession_request, template_kwargs)
        self._check_room(args, template_kwargs)
        if args.request_learning_rate is not None:
            self._own_request_ids = self._tokens_of_the_request_alone()

    def _check_room(self, args: ConfessionConfig, template_kwargs: dict[str, Any]) -> None:
        """Check that vLLM is given room for prompt, answer, request and confession."""
        if not args.use_vllm or args.vllm_max_model_length is None:
            return
        prompts = (row["prompt"] for row in itertools.islice(self.train_dataset, PROMPTS_LOOKED_THROUGH))
        longest = max((len(ids_of_prompt(self._tokenizer, prompt, template_kwargs)) for prompt in prompts), default=0)
        needed = longest + args.max_completion_length + len(self._request_ids) + args.max_confession_length
        if needed > args.vllm_max_model_length:
            raise TrainingError(
                f"vllm_max_model_length is {args.vllm_max_model_length}, but a confession may need {needed} tokens "
                f"(prompt {longest}, answer {args.max_completion_length}, request {len(self._request_ids)}, "
                f"confession {args.max_confession_length}): raise it, or lower one of these"
            )

    def _tokens_of_the_request_alone(self) -> list[int]:
        """Give the ids of the request's text, which must occur in no prompt.

        Raises: TrainingError if a prompt of the dataset has one of them, or an adapter freezes the embeddings.
        """
        assert self.confession_request is not None
        own = set(self._tokenizer(self.confession_request.content, add_special_tokens=False)["input_ids"])
        for row in itertools.islice(self.train_dataset, PROMPTS_LOOKED_THROUGH):
            if shared := own.intersection(ids_of_prompt(self._tokenizer, row["prompt"], self._template_kwargs())):
                token = self._tokenizer.decode(shared.pop())
                raise TrainingError(
                    f'request_learning_rate is set, but the request shares the token "{token}" with a prompt: write '
                    "the request in tokens of its own, or leave request_learning_rate unset"
                )
        if not self._embeddings().requires_grad:
            raise TrainingError(
                "request_learning_rate is set, but the embeddings are frozen (an adapter does that): leave it unset"
            )
        return sorted(own)

    def _embeddings(self) -> Tensor:
        return cast(Tensor, self.accelerator.unwrap_model(self.model).get_input_embeddings().weight)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """Make the optimizer, with a learning rate of its own for the request's embeddings where one is set."""
        is_new = self.optimizer is None
        optimizer: torch.optim.Optimizer = super().create_optimizer(*args, **kwargs)
        if is_new and self._confesses and self.args.request_learning_rate is not None:
            self._set_request_apart(optimizer, self.args.request_learning_rate)
        return optimizer

    def _set_request_apart(self, optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
        embeddings = self._embeddings()
        kept = torch.zeros(len(embeddings), 1, device=embeddings.device, dtype=embeddings.dtype)
        # In the control arm nothing reads the request, and what little reaches tied weights is not to move it.
        if self.args.train_confessions:
            kept[self._own_request_ids] = 1
        embeddings.register_hook(lambda gradient: gradient * kept)
        settings = {key: value for key, value in optimizer.param_groups[0].items() if key != "params"}
        for group in optimizer.param_groups:
            group["params"] = [parameter for parameter in group["params"] if parameter is not embeddings]
        optimizer.add_param_group({**settings, "params": [embeddings], "lr": learning_rate, "weight_decay": 0.0})

    def _template_kwargs(self) -> dict[str, Any]:
        own = {} if self.chat_template is None else {"chat_template": self.chat_template}
        return {**self.chat_template_kwargs, **own}

    # The generation batch

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Sample and score a generation batch of both channels; evaluation and p = 0 are TRL's alone."""
        if not self._confesses or not self.model.training:
            return super()._generate_and_score_completions(inputs)
        self._batch = batch = self._plan(len(inputs))
        self.rollout_func = self._roll_out
        try:
            output = super()._generate_and_score_completions(inputs)
            self._join_channels(output, batch)
            self._show(inputs, output, batch)
        finally:
            self.rollout_func = None
            self._batch = None
        return output

    def _plan(self, n_rows: int) -> _Batch:
        """Decide which groups of the batch confess; every process decides alike, and a resumed run repeats it."""
        step, count = self._generations_at_step
        count = count + 1 if step == self.state.global_step else 0
        self._generations_at_step = (self.state.global_step, count)
        key = self.state.global_step if count == 0 else f"{self.state.global_step}.{count}"
        n_groups = n_rows * self.accelerator.num_processes // self.num_generations
        groups = confession_groups(self.args.confession_probability, self._split_seed, key, n_groups)
        return _Batch(
            step=str(key),
            is_confession=[confesses for confesses in groups for _ in range(self.num_generations)],
            first_row=self.accelerator.process_index * n_rows,
            n_rows=n_rows,
            group_size=self.num_generations,
        )

    @property
    def _split_seed(self) -> int:
        return int(self.args.seed if self.args.confession_seed is None else self.args.confession_seed)

    def _roll_out(self, prompts: list[Any], trainer: GRPOTrainer) -> dict[str, Any]:
        """Sample the batch's answers, then its confessions; this is TRL's `rollout_func`."""
        batch = self._batch
        assert batch is not None
        _require_conversation(prompts[0])
        prompt_ids, _, _ = self._tokenize_prompts(prompts)
        speaking = [row for row in range(batch.n_rows) if not batch.confesses(row) or batch.is_head(row)]
        answers = self._sample([prompt_ids[row] for row in speaking], self.max_completion_length)
        rows: dict[int, Completion] = {}
        for row, answer in zip(speaking, answers, strict=True):
            if batch.confesses(row):
                batch.answers[batch.group(row)] = answer.ids
            else:
                rows[row] = answer
        if batch.spans_processes:
            shared: list[dict[int, list[int]]] = gather_object([batch.answers])
            batch.answers = {group: ids for part in shared for group, ids in part.items()}

        confessing = batch.rows(confessing=True)
        if not self.args.train_confessions:
            # The control arm: rows of one masked token, in no loss and no divisor.
            rows |= {row: Completion([self.eos_token_ids[0]], [0.0]) for row in confessing}
            output = self._rolled_out(batch, prompt_ids, rows)
            output["env_mask"] = [
                [0 if batch.confesses(row) else 1] * len(ids) for row, ids in enumerate(output["completion_ids"])
            ]
            return output

        contexts = {}
        for row in confessing:
            answer_ids = batch.answers[batch.group(row)]
            if batch.group(row) not in batch.messages:
                batch.messages[batch.group(row)] = self._judged_message(prompt_ids[row], answer_ids)
            contexts[row] = confession_context(prompt_ids[row], answer_ids, self._request_ids, self.eos_token_ids)
        batch.is_asking = True
        with self._own_random_stream(batch):
            confessions = self._sample([contexts[row] for row in confessing], self.args.max_confession_length)
        rows |= dict(zip(confessing, confessions, strict=True))
        return self._rolled_out(batch, [contexts.get(row, ids) for row, ids in enumerate(prompt_ids)], rows)

    def _rolled_out(self, batch: _Batch, contexts: list[list[int]], rows: Mapping[int, Completion]) -> dict[str, Any]:
        completions = [rows[row] for row in range(batch.n_rows)]
        completion_ids = [completion.ids for completion in completions]
        self._note_lengths(batch, completion_ids)
        # The sampler's own probabilities, by which TRL corrects the loss where they are not the trained model's.
        logprobs = [completion.logprobs for completion in completions] if self.use_vllm else None
        return {"prompt_ids": contexts, "completion_ids": completion_ids, "logprobs": logprobs}

    def _sample(self, contexts: list[list[int]], limit: int) -> list[Completion]:
        if self.accelerator.num_processes == 1 or not (self.use_vllm or self._is_sharded):
            return self._complete(contexts, limit)
        processes, index = self.accelerator.num_processes, self.accelerator.process_index
        by_process: list[list[list[int]]] = gather_object([contexts])
        pooled = [context for contexts_of_one in by_process for context in contexts_of_one]
        sampled: list[Completion] = gather_object(self._complete(own_share(pooled, processes, index), limit))
        start = sum(len(contexts_of_one) for contexts_of_one in by_process[:index])
        return sampled[start : start + len(contexts)]

    def _complete(self, contexts: list[list[int]], limit: int) -> list[Completion]:
        if not contexts:
            return []
        with self._completion_limit(limit):
            # One row is one completion, also in server mode, where TRL takes every num_generations-th prompt.
            completion_ids, logprobs = self._generate_single_turn(contexts, None, {}, 1)
        return [
            Completion(list(ids), None if logprobs is None else list(logprobs[row]))
            for row, ids in enumerate(completion_ids)
        ]

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: Any,
        multimodal_fields: Any,
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], Any]:
        """Generate as TRL does, except that the confessions of an answer share one reading of their context."""
        if self._batch is None or not self._batch.is_asking or not self._reads_contexts_once:
            generated: tuple[list[list[int]], Any] = super()._generate_single_turn(
                prompt_ids, images, multimodal_fields, num_generations, has_tool_images
            )
            return generated
        with unwrap_model_for_generation(
            self.model_wrapped,
            self.accelerator,
            generation_kwargs=self.generation_kwargs,
            gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,
        ) as model:
            return sample_copies(cast(Any, model), prompt_ids, self.generation_config), None

    @property
    def _reads_contexts_once(self) -> bool:
        """Whether transformers samples here, from unsharded weights, under settings that hold token by token."""
        elsewhere = self.use_vllm or self.args.use_transformers_continuous_batching
        special = self.args.generation_kwargs or self.args.cache_implementation
        return not (elsewhere or self._is_sharded or special) and can_read_once(
            self.accelerator.unwrap_model(self.model)
        )

    def _can_score_contexts_once(self) -> bool:
        """Whether gradients may flow through a shared reading: in one process, with all that was read kept."""
        kept = not self.args.gradient_checkpointing and can_read_once(self.accelerator.unwrap_model(self.model))
        return kept and self.accelerator.num_processes == 1 and not self._is_sharded

    @contextmanager
    def _completion_limit(self, limit: int) -> Iterator[None]:
        """Let completions have this many tokens while it lasts."""
        if self.use_vllm:
            whole = self.vllm_generation.max_completion_length
            self.vllm_generation.max_completion_length = limit
            try:
                yield
            finally:
                self.vllm_generation.max_completion_length = whole
            return
        before = self.generation_config.max_new_tokens
        self.generation_config.max_new_tokens = self.generation_kwargs["max_new_tokens"] = limit
        try:
            yield
        finally:
            self.generation_config.max_new_tokens = self.generation_kwargs["max_new_tokens"] = before

    @contextmanager
    def _own_random_stream(self, batch: _Batch) -> Iterator[None]:
        """Sample without moving the random state that the answers are drawn from.

        vLLM's is left alone: the processes of one tensor-parallel group must draw alike.
        """
        if self.use_vllm:
            yield
            return
        device = self.accelerator.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(confession_seed(self._split_seed, batch.step, self.accelerator.process_index))
            yield

    def _note_lengths(self, batch: _Batch, completion_ids: list[list[int]]) -> None:
        batch.lengths = [len(ids) for ids in completion_ids]
        batch.cut_off = [ids[-1] not in self.eos_token_ids for ids in completion_ids]
        batch.texts = [int(unit_draw(*ids) * 2**53) for ids in completion_ids]

    def _judged_message(self, prompt: Sequence[int], answer: Sequence[int]) -> dict[str, Any]:
        """Decode an answer as TRL decodes completions, without its reasoning."""
        tokenizer = self._tokenizer
        if getattr(tokenizer, "response_template", None) or getattr(tokenizer, "response_schema", None):
            message: Mapping[str, Any] = parse_response(tokenizer, list(answer), prefix=list(prompt))
        else:
            message = {"role": "assistant", "content": tokenizer.decode(answer, skip_special_tokens=True)}
        return without_reasoning(message, is_opened=self._opens_reasoning(prompt))

    def _opens_reasoning(self, context: Sequence[int]) -> bool:
        return opens_reasoning(self._tokenizer.decode(list(context)[-8:]))

    # Rewards and the two channels

    def _calculate_rewards(
        self, inputs: list[dict[str, Any]], prompts: list[Any], completions: list[Any], completion_ids_list: list[Any]
    ) -> Tensor:
        """Let TRL score the answers, and the confession judges the confessions; gives the answers' (N, K)."""
        rewards: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        batch = self._batch
        if batch is None:
            return rewards
        confessions = torch.tensor(batch.is_confession, device=rewards.device)
        n_answers = int((~confessions).sum())
        for pause in self._pauses():
            unjudged = int(rewards[~confessions].isnan().all(dim=1).sum())
            if unjudged <= self.args.max_unjudged_fraction * n_answers:
                break
            wait_for_judges(pause, unjudged, n_answers, "answers", self.reward_func_names)
            again = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
            rewards = torch.where(rewards.isnan(), again, rewards)
        self._check_answer_rewards(rewards[~confessions])
        rewards[confessions] = torch.nan
        batch.rewards, batch.completions = rewards, completions
        if self.args.train_confessions:
            batch.verdicts = self._judge(batch, inputs, prompts, completions, completion_ids_list).to(rewards.device)
            self._check_judged("confessions", batch.verdicts[confessions], self.confession_judge_names)
        return rewards

    def _pauses(self) -> Iterator[float]:
        """Give the pauses between questions, alike in all processes, whose clocks differ."""
        own = pauses(self.args.judge_patience)
        while self.args.judge_patience and (pause := min(gather_object([next(own, 0.0)]))) > 0:
            yield pause

    def _check_answer_rewards(self, rewards: Tensor) -> None:
        """Refuse rewards (n, K) that are infinite, and too many that are missing."""
        for index, name in enumerate(self.reward_func_names):
            if rewards[:, index].isinf().any():
                raise RewardError(
                    f'the reward function "{name}" gave an infinite reward; it should return a finite number, or None '
                    "where it has none"
                )
        self._check_judged("answers", rewards, self.reward_func_names)

    def _judge(
        self,
        batch: _Batch,
        inputs: list[dict[str, Any]],
        prompts: list[Any],
        completions: list[Any],
        completion_ids: list[Any],
    ) -> Tensor:
        """Ask the judges about this process's confessions; gives the rewards of all processes (N, K')."""
        rows = batch.rows(confessing=True)
        names = [key for key in inputs[0] if key not in ("prompt", "completion", "completion_ids")]
        opened = self._opens_reasoning(self._request_ids)
        confessions = [[without_reasoning(message, is_opened=opened) for message in completions[row]] for row in rows]
        if self._asks_for_profile:
            profile = PROFILES[self.args.confession_profile]
            batch.reports = [
                [float(fact) for fact in report_facts(text_of(confession), profile)] for confession in confessions
            ]
        judged = judge_confessions(
            self.confession_reward_funcs,
            {
                **{name: [inputs[row][name] for row in rows] for name in names},
                "trainer_state": self.state,
                "log_metric": self._log_metric,
                "log_extra": lambda column, values: self._log_completion_extra(
                    column, spread(values, rows, batch.n_rows, None)
                ),
                "prompts": [prompt_without_reasoning(prompts[row]) for row in rows],
                "answers": [[batch.messages[batch.group(row)]] for row in rows],
                "completions": confessions,
                "completion_ids": [completion_ids[row] for row in rows],
            },
            self.args.judge_patience,
            self.args.max_unjudged_fraction,
        )
        verdicts = torch.full((batch.n_rows, len(judged)), torch.nan, device=self.accelerator.device)
        for index, values in enumerate(judged):
            verdicts[rows, index] = torch.tensor(values, dtype=torch.float32, device=verdicts.device)
        return gather(verdicts)

    def _check_judged(self, channel: str, rewards: Tensor, names: Sequence[str]) -> None:
        """Count the rows (n, K) that no judge has judged.

        Raises: TooManyUnjudged past `max_unjudged_fraction`.
        """
        if not len(rewards):
            return
        fraction = rewards.isnan().all(dim=1).float().mean().item()
        self._log(f"{channel}/unjudged_fraction", fraction)
        if fraction > self.args.max_unjudged_fraction:
            raise TooManyUnjudged(
                f"{fraction:.0%} of this batch's {channel} got no verdict from {', '.join(names)}; "
                f"max_unjudged_fraction is {self.args.max_unjudged_fraction:.0%} (judge_patience lets a run wait)"
            )

    def _join_channels(self, output: dict[str, Any], batch: _Batch) -> None:
        """Give the confessions their advantages and scale both channels so that neither changes the other's step."""
        advantages: Tensor = output["advantages"]  # (B,), 0 on confession rows
        local = torch.tensor(
            [batch.confesses(row) for row in range(batch.n_rows)], dtype=torch.bool, device=advantages.device
        )
        mask = output["completion_mask"]
        if output.get("tool_mask") is not None:
            mask = mask * output["tool_mask"]
        own_tokens = torch.stack([mask[~local].sum(), mask[local].sum()])
        tokens = self.accelerator.gather(own_tokens).view(-1, 2).sum(dim=0).tolist()
        n_confessions = sum(batch.is_confession)
        scales = channel_scales(
            self.args.loss_type,
            ChannelSize(len(batch.is_confession) - n_confessions, tokens[0]),
            ChannelSize(n_confessions, tokens[1]),
            weight=self.args.confession_weight,
            answer_limit=self.max_completion_length,
            confession_limit=self.args.max_confession_length,
        )
        confession_advantages = torch.zeros_like(advantages)
        if batch.verdicts is not None:
            usable = comparable_rewards(batch.verdicts, batch.group_size)
            rewards = total_rewards(usable, self.confession_reward_weights.to(usable.device))
            everywhere = group_advantages(rewards, batch.group_size, self.args.scale_rewards)
            confession_advantages = everywhere[batch.first_row : batch.first_row + batch.n_rows].to(advantages)
        output["advantages"] = torch.where(
            local, confession_advantages * scales.confessions, advantages * scales.answers
        )
        output["is_confession"] = local
        if self.args.loss_type in TOKEN_LOSSES:
            output["num_items_in_batch"] = torch.full_like(output["num_items_in_batch"], scales.divisor_tokens)
        self._log_channels(batch)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Give TRL's loss; on the steps that ask for it, measure each channel's gradient beforehand."""
        self._confession_rows = inputs.get("is_confession")
        every = self.args.channel_gradient_steps
        if every and "is_confession" in inputs and self.state.global_step % every == 0:
            self._measure_gradients(model, inputs)
        try:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        finally:
            self._confession_rows = None

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Score completions as TRL does; in training, each channel in its own width and each context once."""
        if not self.scores_contexts_once or not self.model.training:
            scores: tuple[Tensor, Tensor | None, Tensor | None] = super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size, *args, **kwargs
            )
            return scores
        apart = self._confession_rows
        apart = torch.zeros(len(input_ids), dtype=torch.bool) if apart is None else apart.cpu()
        channels = [channel.nonzero()[:, 0].to(input_ids.device) for channel in (~apart, apart)]
        parts = [part for channel in channels if len(channel) for part in channel.split(batch_size or len(channel))]
        own = cast(Any, self.accelerator.unwrap_model(model))
        own = own.get_base_model() if is_peft_model(own) else own
        with self.accelerator.autocast():
            scored = [
                score_completions(model, own, input_ids[rows], attention_mask[rows], logits_to_keep) for rows in parts
            ]
        in_place = torch.cat(parts).argsort()
        logps = torch.cat([score.log_probs for score in scored])[in_place]
        # The reference model's head gives none.
        entropies = [score.entropy for score in scored if score.entropy is not None]
        return logps, torch.cat(entropies)[in_place] if entropies else None, None

    def _measure_gradients(self, model: Any, inputs: dict[str, Any]) -> None:
        own = self.accelerator.unwrap_model(model)
        shown = inputs.get("tool_mask")
        shown = torch.ones_like(inputs["completion_mask"]) if shown is None else shown

        def loss_on(rows: Tensor) -> Tensor:
            loss: Tensor = self._compute_loss(own, {**inputs, "tool_mask": shown * rows.unsqueeze(1)})
            return loss

        metrics = self._metrics
        self._metrics = {mode: defaultdict(list) for mode in metrics}
        device = self.accelerator.device
        try:
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                self._channel_gradients.add(loss_on, inputs["is_confession"], own.parameters())
        finally:
            self._metrics = metrics
        if self.accelerator.sync_gradients:
            norms = self._channel_gradients.take_norms(lambda each: self.accelerator.reduce(each, reduction="mean"))
            for channel, norm in norms.items():
                self._log(f"{channel}/grad_norm", norm)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Give the gradient's norm; a step whose gradient is not finite moves nothing and is counted.

        Raises: DivergedError after `MOST_SKIPPED_STEPS` such steps in a row, the weights being as before them; under
        DeepSpeed, whose engine has stepped before the norm is known, after the first.
        """
        norm = super()._get_grad_norm(model, grad_norm)
        if not self._confesses or self.args.fp16:  # the loss scaler of fp16 skips such steps by itself
            return norm
        is_finite = norm is None or math.isfinite(float(norm))
        self._log("skipped_step", float(not is_finite))
        self._skipped_in_a_row = 0 if is_finite else self._skipped_in_a_row + 1
        if not is_finite and self.is_deepspeed_enabled:
            raise DivergedError(
                "the gradient was not finite, and DeepSpeed's engine may have stepped by it all the same, so the "
                "weights are not saved: lower learning_rate, or train in a wider number format"
            )
        if self._skipped_in_a_row >= MOST_SKIPPED_STEPS:
            raise DivergedError(
                f"the gradient was not finite in {self._skipped_in_a_row} steps in a row, and nothing was learned from "
                "them: lower learning_rate, or train in a wider number format"
            )
        if not is_finite:
            model.zero_grad()  # an optimizer leaves alone what has no gradient
        return norm

    # Metrics

    def metrics_of_this_step(self) -> dict[str, float]:
        """Give what has been logged since the last line of metrics, the newest value of each."""
        return {name: values[-1] for name, values in self._metrics["train"].items() if values}

    def _log(self, name: str, value: float) -> None:
        self._metrics["train"][name].append(value)

    def _log_channels(self, batch: _Batch) -> None:
        """Log each channel apart; TRL's own `completions/*` and `frac_reward_zero_std` are made the answers'."""
        device = self.accelerator.device
        facts = torch.tensor([batch.lengths, batch.cut_off, batch.texts], dtype=torch.float64, device=device)
        facts = self.accelerator.gather(facts.T.contiguous())  # (N, 3): length, cut off, hash of the tokens
        confession = torch.tensor(batch.is_confession, device=device)
        self._log("confessions/row_fraction", confession.float().mean().item())
        assert batch.rewards is not None
        self._restate_trl_metrics(facts[~confession], batch.rewards[~confession])
        self._log_channel(
            "answers", batch.rewards[~confession], facts[~confession], self.reward_func_names, self.reward_weights
        )
        if batch.verdicts is None:
            return
        verdicts = batch.verdicts[confession]
        usable = comparable_rewards(batch.verdicts, batch.group_size)[confession]
        if len(usable):
            dropped = usable.isnan().all(dim=1) & ~verdicts.isnan().all(dim=1)
            self._log("confessions/dropped_fraction", dropped.float().mean().item())
        self._log_channel(
            "confessions", usable, facts[confession], self.confession_judge_names, self.confession_reward_weights
        )
        self._log_reports(batch, facts[confession, 2].tolist())
        own_rows = range(batch.first_row, batch.first_row + batch.n_rows)
        heads = [ids for group, ids in batch.answers.items() if group * batch.group_size in own_rows]
        cut_off: list[float] = gather_object([float(ids[-1] not in self.eos_token_ids) for ids in heads])
        if cut_off:
            self._log("confessions/answer_clipped_ratio", sum(cut_off) / len(cut_off))

    def _log_channel(self, channel: str, rewards: Tensor, facts: Tensor, names: Sequence[str], weights: Tensor) -> None:
        if not len(rewards):
            return
        total = total_rewards(rewards, weights.to(rewards.device))
        judged = total[~total.isnan()]
        if judged.numel():
            self._log(f"{channel}/reward", judged.mean().item())
            self._log(f"{channel}/reward_std", judged.std(unbiased=judged.numel() > 1).item())
        self._log(f"{channel}/frac_reward_zero_std", fraction_without_signal(total, self.num_generations))
        for index, name in enumerate(names):
            self._log(f"{channel}/rewards/{name}/mean", rewards[:, index].nanmean().item())
        self._log(f"{channel}/mean_length", facts[:, 0].mean().item())
        self._log(f"{channel}/clipped_ratio", facts[:, 1].mean().item())
        groups = facts[:, 2].view(-1, self.num_generations).tolist()
        self._log(f"{channel}/distinct_fraction", sum(len(set(group)) for group in groups) / len(facts))

    def _log_reports(self, batch: _Batch, texts: list[float]) -> None:
        """Log what the confessions of all processes say, and how alike they are."""
        reports: list[list[float]] = gather_object(batch.reports)
        for name, value in (report_metrics(reports) if reports else {}).items():
            self._log(name, value)
        if (fraction := commonest_fraction(texts, self.num_generations)) is not None:
            self._log("confessions/commonest_fraction", fraction)

    def _restate_trl_metrics(self, answers: Tensor, rewards: Tensor) -> None:
        """Overwrite what TRL has just logged about all rows, so that its names mean what they mean in plain TRL."""
        metrics = self._metrics["train"]
        lengths, ended = answers[:, 0], answers[:, 0][answers[:, 1] == 0]
        for prefix, values in (("", lengths), ("terminated_", ended)):
            for name, pick in (("mean", torch.mean), ("min", torch.min), ("max", torch.max)):
                series = metrics[f"completions/{name}_{prefix}length"]
                del series[-1:]
                if len(answers):
                    series.append(pick(values).item() if len(values) else 0.0)
        total = total_rewards(rewards, self.reward_weights.to(rewards.device))
        del metrics["completions/clipped_ratio"][-1:], metrics["frac_reward_zero_std"][-1:]
        if len(answers):
            metrics["completions/clipped_ratio"].append(answers[:, 1].mean().item())
            metrics["frac_reward_zero_std"].append(fraction_without_signal(total, self.num_generations))

    def _show(self, inputs: list[dict[str, Any]], output: dict[str, Any], batch: _Batch) -> None:
        """Hand this process's rows to the observer, if there is one."""
        if self.rollout_observer is None:
            return
        names = self.confession_judge_names
        rollouts = []
        for row, completion in enumerate(batch.completions):
            confesses = batch.confesses(row)
            if confesses and not self.args.train_confessions:
                continue
            text = completion[0].get("content") or ""
            values = batch.verdicts if confesses else batch.rewards
            assert values is not None
            own = values[batch.first_row + row].tolist()
            rollouts.append(
                Rollout(
                    step=self.state.global_step + 1,
                    kind="confession" if confesses else "answer",
                    prompt=inputs[row]["prompt"],
                    answer=batch.messages[batch.group(row)].get("content") or "" if confesses else text,
                    confession=text if confesses else None,
                    rewards={
                        name: None if value != value else value
                        for name, value in zip(names if confesses else self.reward_func_names, own, strict=True)
                    },
                    advantage=output["advantages"][row].item(),
                    is_cut_off=batch.cut_off[row],
                )
            )
        self.rollout_observer(rollouts)

    # Checkpoints

    def _save_rng_state(self, output_dir: str) -> None:
        """Save this process's random state, and wait for the others': what is written next makes the folder whole."""
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save a checkpoint whole or not at all: what a failed save has written is removed, earlier ones stay."""
        folder = Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}"
        is_new = not folder.exists()
        try:
            super()._save_checkpoint(model, trial)
        except Exception as error:
            if is_new:
                shutil.rmtree(folder, ignore_errors=True)
            raise CheckpointError(
                f"checkpoint {folder} could not be saved ({type(error).__name__}: {error}); earlier checkpoints are "
                "untouched. Mend that (on a full disk: free some space) and run again to go on from the last one"
            ) from error


def _require_prompts(dataset: Any, *, conversational: bool) -> None:
    columns = getattr(dataset, "column_names", None)
    if columns is not None and "prompt" not in columns:
        raise TrainingError(f'the dataset has no column "prompt", only {", ".join(columns) or "none at all"}')
    if conversational and hasattr(dataset, "__getitem__") and len(dataset):
        _require_conversation(dataset[0]["prompt"])


def _require_conversation(prompt: Any) -> None:
    if not isinstance(prompt, list) or not prompt or not isinstance(prompt[0], Mapping) or "role" not in prompt[0]:
        raise TrainingError(
            f"the dataset's prompts are {type(prompt).__name__}; a confession is asked for in a chat, so each prompt "
            'should be a list of messages such as [{"role": "user", "content": "..."}]'
        )
