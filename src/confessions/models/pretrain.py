"""Pre-train the embedded default: a small causal language model, from nothing, on two cores.

`confessions model pretrain --out FOLDER` is the one command; it draws its conversations from `corpus`, saves a folder
in Hugging Face format and writes the model card from what it measured. An interrupted run continues from its last
checkpoint. Matrices are trained by Muon, everything else by AdamW.
"""

import hashlib
import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from confessions.models.corpus import (
    AUDIT_REQUEST,
    Conversation,
    Mixture,
    build_tokenizer,
    conversations,
    draw_task,
    report_conversation,
)
from confessions.models.sampling import sample
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

WEIGHTS_FILE: Final = "model.safetensors"
CHECKPOINT_STEPS: Final = 200


class PretrainConfig(NamedTuple):
    """Sizes and schedule; the defaults are the shipped model's."""

    hidden_size: int = 192
    intermediate_size: int = 512
    layers: int = 4
    heads: int = 6
    steps: int = 4000
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
        pool = sorted((encode(next(source), tokenizer) for _ in range(1024)), key=lambda row: len(row[0]))
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


def pretrain(
    out: Path, config: PretrainConfig | None = None, progress: Callable[[int, int, float], None] | None = None
) -> Path:
    """Pre-train and save a model folder; an interrupted run goes on where its last checkpoint was written.

    `progress(step, steps, loss)` is called after every step. Returns the folder.
    Raises: FileExistsError if the folder already holds a finished model.
    """
    config = config or PretrainConfig()
    if (out / WEIGHTS_FILE).exists():
        raise FileExistsError(f"{out} already holds a model; name another folder or remove it")
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    model = build_model(config, tokenizer)
    optimizers = build_optimizers(model, config)
    log: list[dict[str, float]] = []
    checkpoint = out / "pretraining.pt"
    start, tokens_seen, seconds = 0, 0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=False)
        if saved["config"] != config:
            raise ValueError(f"{checkpoint} was made with {saved['config']}, not with {config}")
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        start, tokens_seen, seconds, log = saved["step"], saved["tokens"], saved["seconds"], saved["log"]
    model.train()
    begun = time.monotonic()
    stream: Iterator[Batch] | None = None
    stage, losses = -1, []
    step_losses: list[float] = []
    on_policy_begins = round((1 - ON_POLICY_SHARE) * config.steps)
    for step in range(start, config.steps):
        if stream is None or stage_of(step, config.steps) != stage:
            stage = stage_of(step, config.steps)
            rng = random.Random(f"pretrain|{config.seed}|{step}")
            stream = batches(conversations(STAGES[stage][1], rng), tokenizer, config.tokens_per_step)
        if step >= on_policy_begins and (step - on_policy_begins) % 40 == 0:
            rng = random.Random(f"pretrain|on-policy|{config.seed}|{step}")
            own = list(own_audits(model, tokenizer, rng, 1024))
            model.train()
            stream = batches(_mixed(own, conversations(STAGES[stage][1], rng), rng), tokenizer, config.tokens_per_step)
        batch = next(stream)
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
        step_losses.append(loss.item())
        losses = step_losses[-50:]
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"the loss is {losses[-1]} at step {step}; use a smaller learning rate")
        if progress is not None:
            progress(step + 1, config.steps, sum(losses) / len(losses))
        if (step + 1) % 100 == 0 or step + 1 == config.steps:
            log.append({"step": step + 1, "loss": round(sum(losses) / len(losses), 4), "tokens": tokens_seen})
        if (step + 1) % CHECKPOINT_STEPS == 0 and step + 1 < config.steps:
            spent = seconds + time.monotonic() - begun
            _save_checkpoint(checkpoint, model, optimizers, config, step + 1, tokens_seen, spent, log)
    save(model, tokenizer, out)
    spent = seconds + time.monotonic() - begun
    record = {"config": config._asdict(), "tokens": tokens_seen, "seconds": round(spent), "losses": log}
    (out / "pretraining.json").write_text(json.dumps(record, indent=1) + "\n")
    checkpoint.unlink(missing_ok=True)
    return out


def _mixed(own: list[Conversation], others: Iterator[Conversation], rng: random.Random) -> Iterator[Conversation]:
    while True:
        yield rng.choice(own) if rng.random() < 0.5 else next(others)


def _save_checkpoint(
    path: Path,
    model: Qwen3ForCausalLM,
    optimizers: list[torch.optim.Optimizer],
    config: PretrainConfig,
    step: int,
    tokens: int,
    seconds: float,
    log: list[dict[str, float]],
) -> None:
    state: dict[str, Any] = {
        "config": config,
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "step": step,
        "tokens": tokens,
        "seconds": seconds,
        "log": log,
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def save(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Save the folder in Hugging Face format with a SHA256SUMS beside the files."""
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    names = sorted(path.name for path in out.iterdir() if path.suffix in {".json", ".jinja", ".safetensors"})
    sums = "".join(
        f"{hashlib.sha256((out / name).read_bytes()).hexdigest()}  {name}\n" for name in names if "pretraining" not in name
    )
    (out / "SHA256SUMS").write_text(sums)
