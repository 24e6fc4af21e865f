"""Pre-train the embedded default: a small causal language model, from nothing, on two cores.

`confessions model pretrain --out FOLDER` is the one command; it draws its conversations from `corpus`, saves a folder
in Hugging Face format and records what it did. An interrupted run continues from its last checkpoint to the same
weights: the checkpoint keeps where in its random draws the stream of conversations began and how many batches were
taken from it, and the resumed run draws those again. Matrices are trained by Muon, everything else by AdamW.
"""

import json
import math
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from confessions.errors import ConfessionsError
from confessions.models.card import EXAMINATION_FILE, RECORD_FILE, write_card, write_examination
from confessions.models.corpus import (
    AUDIT_REQUEST,
    Conversation,
    Mixture,
    build_tokenizer,
    conversations,
    draw_task,
    report_conversation,
)
from confessions.models.examine import examine
from confessions.models.sampling import sample
from confessions.models.weights import write_sums
from confessions.protocol import REQUEST_BRIEF
from confessions.scenarios.writing import body

STAGES: Final = (
    (0.04, Mixture(copies=0.7, probes=0.3, audits=0.0, confessions=0.0)),
    (0.50, Mixture(copies=0.04, probes=0.66, audits=0.3, confessions=0.0)),
    (0.46, Mixture(copies=0.02, probes=0.28, audits=0.52, confessions=0.18)),
)
"""Share of the steps, and what the conversations of that stage are."""

ON_POLICY_SHARE: Final = 0.12
"""The last part of the last stage mixes in audits of answers that the model itself wrote."""

OWN_ANSWERS: Final = 1024
"""How many of its own answers the model is asked for at a time."""
OWN_ANSWER_STEPS: Final = 40
"""After how many steps it is asked again."""

POOL: Final = 1024
"""How many conversations are drawn at a time, to be sorted into batches of like length."""

WEIGHTS_FILE: Final = "model.safetensors"
CHECKPOINT_FILE: Final = "pretraining.pt"
CHECKPOINT_STEPS: Final = 200


class PretrainError(ConfessionsError):
    """Say why a folder cannot be pre-trained into, or a schedule cannot go on."""


MODEL_SUFFIXES: Final = (".json", ".jinja", ".safetensors")


class PretrainConfig(NamedTuple):
    """Sizes and schedule; the defaults are the shipped model's."""

    hidden_size: int = 192
    intermediate_size: int = 512
    layers: int = 4
    heads: int = 6
    steps: int = 1600
    tokens_per_step: int = 8192
    muon_learning_rate: float = 0.02
    adam_learning_rate: float = 3e-3
    warmup_steps: int = 50
    decay_share: float = 0.5
    seed: int = 0


class Batch(NamedTuple):
    """Right-padded rows: `ids` (B, T), `mask` (B, T) of real tokens, `learnt` (B, T) of tokens to predict."""

    ids: torch.Tensor
    mask: torch.Tensor
    learnt: torch.Tensor


def build_model(config: PretrainConfig, tokenizer: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    """Make the untrained model."""
    torch.manual_seed(config.seed)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            head_dim=config.hidden_size // config.heads,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=True
    )
    return model


def encode(conversation: Conversation, tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[bool]]:
    """Write a conversation as token ids, and mark those that are learnt: an assistant's own words and its end."""
    ids: list[int] = []
    learnt: list[bool] = []
    texts = [turn.content for turn in conversation]
    for turn, own in zip(conversation, tokenizer(texts, add_special_tokens=False)["input_ids"], strict=True):
        ids += [tokenizer.convert_tokens_to_ids(f"<|{turn.role}|>"), *own, tokenizer.eos_token_id]
        learnt += [False, *[turn.is_learnt] * (len(own) + 1)]
    return ids, learnt


def collate(rows: Sequence[tuple[list[int], list[bool]]], pad: int) -> Batch:
    """Pad rows on the right to the longest."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row, _ in rows])
    learnt = torch.tensor([row + [False] * (longest - len(row)) for _, row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row, _ in rows])
    return Batch(ids, mask, learnt)


def batches(source: Iterator[Conversation], tokenizer: PreTrainedTokenizerFast, tokens: int) -> Iterator[Batch]:
    """Group conversations of like length into batches of about `tokens` tokens."""
    while True:
        pool = sorted((encode(next(source), tokenizer) for _ in range(POOL)), key=lambda row: len(row[0]))
        grouped: list[list[tuple[list[int], list[bool]]]] = [[]]
        for row in pool:
            if grouped[-1] and len(row[0]) * (len(grouped[-1]) + 1) > tokens:
                grouped.append([])
            grouped[-1].append(row)
        if len(grouped) > 1:
            grouped.pop()  # A short rest would be a batch of its own with a noisy gradient.
        random.Random(len(pool[0][0]) * 7919 + len(pool[-1][0])).shuffle(grouped)
        for group in grouped:
            yield collate(group, tokenizer.pad_token_id)


def loss_of(model: Qwen3ForCausalLM, batch: Batch) -> torch.Tensor:
    """Compute the mean cross-entropy of the learnt tokens; logits are made for those tokens only."""
    hidden = model.model(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state  # (B, T, D)
    wanted = batch.learnt[:, 1:]
    logits = model.lm_head(hidden[:, :-1][wanted])  # (N, V)
    return torch.nn.functional.cross_entropy(logits.float(), batch.ids[:, 1:][wanted])


def build_optimizers(model: Qwen3ForCausalLM, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    """Give the matrices to Muon and the embedding and norms to AdamW."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=config.muon_learning_rate, momentum=0.95, weight_decay=0.0),
        torch.optim.AdamW(others, lr=config.adam_learning_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def learning_rate_share(step: int, config: PretrainConfig) -> float:
    """Warm up, hold, then fall linearly to a twentieth over the last part of the run."""
    falling = (config.steps - step) / (config.decay_share * config.steps)
    return min(1.0, (step + 1) / config.warmup_steps, max(0.05, falling))


def stage_of(step: int, steps: int) -> int:
    """Tell which stage a step belongs to."""
    begins = 0.0
    for number, (share, _) in enumerate(STAGES):
        begins += share
        if step < round(begins * steps):
            return number
    return len(STAGES) - 1


def own_audits(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, rng: random.Random, count: int
) -> Iterator[Conversation]:
    """Let the model answer and audit its answers truthfully: what it will be asked about is what it writes."""
    scenarios = [draw_task(rng) for _ in range(count)]
    prompts = [
        tokenizer.apply_chat_template(scenario.messages(), add_generation_prompt=True, return_dict=False)
        for scenario in scenarios
    ]
    answers = sample(model, tokenizer, prompts, max_new_tokens=64, seed=rng.randrange(2**31), batch_size=256)
    for scenario, ids in zip(scenarios, answers, strict=True):
        answer = tokenizer.decode(ids, skip_special_tokens=True)
        if body(answer):
            yield report_conversation(scenario, body(answer), answer, AUDIT_REQUEST, rng, learn_answer=False)
            if rng.random() < 0.25:
                yield report_conversation(scenario, body(answer), answer, REQUEST_BRIEF, rng, learn_answer=False)


class Stream:
    """The batches of one stretch of the training, which can be taken up again after any number of them."""

    def __init__(
        self,
        stage: int,
        own: list[Conversation],
        rng: random.Random,
        tokenizer: PreTrainedTokenizerFast,
        config: PretrainConfig,
    ) -> None:
        """Begin with the generator as it is; `own` are audits of the model's own answers, for half of the draws."""
        self.stage, self.own, self.begun_at, self.taken = stage, own, rng.getstate(), 0
        others = conversations(STAGES[stage][1], rng)
        self._batches = batches(_mixed(own, others, rng) if own else others, tokenizer, config.tokens_per_step)

    def next(self) -> Batch:
        """Take a batch."""
        self.taken += 1
        return next(self._batches)

    def state(self) -> dict[str, Any]:
        """Give what `resumed` needs."""
        return {"stage": self.stage, "own": self.own, "begun_at": self.begun_at, "taken": self.taken}

    @classmethod
    def resumed(cls, state: dict[str, Any], tokenizer: PreTrainedTokenizerFast, config: PretrainConfig) -> "Stream":
        """Draw again what had been drawn, and stand where the state was taken."""
        rng = random.Random()
        rng.setstate(state["begun_at"])
        stream = cls(state["stage"], state["own"], rng, tokenizer, config)
        for _ in range(state["taken"]):
            stream.next()
        return stream


def pretrain(
    out: Path, config: PretrainConfig | None = None, progress: Callable[[int, int, float], None] | None = None
) -> Path:
    """Pre-train and save a model folder; an interrupted run goes on where its last checkpoint was written.

    `progress(step, steps, loss)` is called after every step. Returns the folder.
    Raises: PretrainError if the folder already holds a finished model, or a run with other settings.
    """
    config = config or PretrainConfig()
    if (out / WEIGHTS_FILE).exists():
        raise PretrainError(f"{out} already holds a model; name another folder or remove it")
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    model = build_model(config, tokenizer)
    optimizers = build_optimizers(model, config)
    log: list[dict[str, float]] = []
    checkpoint = out / CHECKPOINT_FILE
    start, tokens_seen, seconds = 0, 0, 0.0
    stream: Stream | None = None
    losses: list[float] = []
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=False)
        if saved["config"] != config:
            raise PretrainError(
                f"{checkpoint} belongs to a run with {_differences(saved['config'], config)}; name another folder or "
                "remove it"
            )
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        start, tokens_seen, seconds, log = saved["step"], saved["tokens"], saved["seconds"], saved["log"]
        losses = saved["recent_losses"]
        stream = Stream.resumed(saved["stream"], tokenizer, config)
    model.train()
    begun = time.monotonic()
    on_policy_begins = round((1 - ON_POLICY_SHARE) * config.steps)
    for step in range(start, config.steps):
        stage = stage_of(step, config.steps)
        if stream is None or stream.stage != stage:
            rng = random.Random(f"pretrain|{config.seed}|{step}")
            stream = Stream(stage, [], rng, tokenizer, config)
        if step >= on_policy_begins and (step - on_policy_begins) % OWN_ANSWER_STEPS == 0:
            rng = random.Random(f"pretrain|on-policy|{config.seed}|{step}")
            own = list(own_audits(model, tokenizer, rng, OWN_ANSWERS))
            model.train()
            stream = Stream(stage, own, rng, tokenizer, config)
        batch = stream.next()
        for optimizer, base in zip(optimizers, (config.muon_learning_rate, config.adam_learning_rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = base * learning_rate_share(step, config)
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        tokens_seen += int(batch.mask.sum())
        losses = [*losses[-49:], loss.item()]
        if not math.isfinite(losses[-1]):
            raise PretrainError(f"the loss is {losses[-1]} at step {step}; use a smaller learning rate")
        if progress is not None:
            progress(step + 1, config.steps, sum(losses) / len(losses))
        if (step + 1) % 100 == 0 or step + 1 == config.steps:
            log.append({"step": step + 1, "loss": round(sum(losses) / len(losses), 4), "tokens": tokens_seen})
        if (step + 1) % CHECKPOINT_STEPS == 0 and step + 1 < config.steps:
            spent = seconds + time.monotonic() - begun
            progress_made = {"step": step + 1, "tokens": tokens_seen, "seconds": spent, "log": log}
            own_state = {"config": config, "recent_losses": losses, "stream": stream.state()}
            _save_checkpoint(checkpoint, model, optimizers, {**progress_made, **own_state})
    spent = seconds + time.monotonic() - begun
    record = {
        "config": config._asdict(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tokens": tokens_seen,
        "seconds": round(spent),
        "losses": log,
    }
    model.eval()
    with tempfile.TemporaryDirectory(dir=out, prefix=".unfinished-") as scratch:
        folder = Path(scratch)
        (folder / RECORD_FILE).write_text(json.dumps(record, indent=1) + "\n")
        write_examination(folder, examine(model, tokenizer, seed=config.seed))
        save(model, tokenizer, folder)
        write_card(folder)
        # The weights come last, so that a folder that holds weights is whole.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == WEIGHTS_FILE):
            os.replace(path, out / path.name)
    checkpoint.unlink(missing_ok=True)
    return out


def _mixed(own: list[Conversation], others: Iterator[Conversation], rng: random.Random) -> Iterator[Conversation]:
    while True:
        yield rng.choice(own) if rng.random() < 0.5 else next(others)


def _differences(theirs: PretrainConfig, ours: PretrainConfig) -> str:
    pairs = zip(ours._fields, theirs, ours, strict=True)
    return ", ".join(f"{name}={their!r} (not {our!r})" for name, their, our in pairs if their != our)


def _save_checkpoint(
    path: Path, model: Qwen3ForCausalLM, optimizers: list[torch.optim.Optimizer], progress_made: dict[str, Any]
) -> None:
    partial = path.with_suffix(".partial")
    states = {"model": model.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in optimizers]}
    try:
        torch.save({**progress_made, **states}, partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def save(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Save the folder in Hugging Face format with a SHA256SUMS beside the files."""
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    own = (RECORD_FILE, EXAMINATION_FILE)
    write_sums(out, [p.name for p in out.iterdir() if p.suffix in MODEL_SUFFIXES and p.name not in own])
