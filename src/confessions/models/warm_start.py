"""Teach a pretrained model by example, before it is trained by reward.

The demo gives it conversations whose confessions carry labels drawn at random: the model learns how a report is
written, not the habit of writing a true one. What is learnt is a LoRA adapter, merged into a folder of its own in the
end; the adapter itself is kept there too, in `adapter`. Loss is taken on the learnt turns alone, and logits are
computed for those tokens alone: with a vocabulary of 49,152 they would else cost more than the rest of a small model.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerBase

from confessions.models.adapters import ADAPTER_DTYPE, lora_config
from confessions.models.chat import ChatTemplateError
from confessions.models.resolve import LoadedModel
from confessions.models.weights import ModelError, write_folder, writing_to

__all__ = ["ADAPTER_FOLDER", "RECORD_FILE", "Lesson", "WarmStartConfig", "encode_lesson", "warm_start"]

Lesson = Sequence[Mapping[str, Any]]
"""A chat in the OpenAI shape. An assistant turn is learnt from unless its key `is_learnt` is false."""

RECORD_FILE = "warm_start.json"
ADAPTER_FOLDER = "adapter"
_NOT_LEARNT = -100


@dataclass(frozen=True)
class WarmStartConfig:
    """How much is taught, and how fast."""

    steps: int = 60
    lessons_per_step: int = 8
    learning_rate: float = 1e-3
    """Rises over the first tenth of the steps and falls linearly to a tenth of itself."""
    lora_rank: int = 16
    max_tokens: int = 640
    """Lessons longer than this are passed over, and counted."""
    tokens_per_forward: int = 2400
    """Padded tokens in one forward pass: bounds the memory, changes nothing else."""
    save_every: int = 10
    """Steps between two checkpoints."""
    seed: int = 0


class EncodedLesson(NamedTuple):
    """A lesson's ids, and for each whether it is learnt."""

    ids: list[int]
    is_learnt: list[bool]


def warm_start(
    loaded: LoadedModel,
    lessons: Iterable[Lesson],
    out: Path,
    config: WarmStartConfig | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Path:
    """Teach the lessons and save the model, merged, as the folder `out`; return that folder.

    An interrupted run goes on from its last checkpoint to the same result, given the same lessons in the same order; a
    finished one is returned as it is. `loaded.model` itself is changed. `progress` receives step, steps and loss.
    Raises: ModelError if `out` was taught otherwise, the lessons run out, or the loss is no number.
    """
    config = config or WarmStartConfig()
    identity = {"config": asdict(config), "weights_sha256": loaded.resolved.sha256}
    if out.exists():
        return _finished(out, identity)
    model = _with_adapter(loaded, config)
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=config.learning_rate, weight_decay=0.0, betas=(0.9, 0.99))
    checkpoint = out.with_name(f"{out.name}.unfinished.pt")
    step, losses = _resume(checkpoint, identity, trained, optimizer)
    stream = _Stream(lessons, loaded.tokenizer, config.max_tokens)
    stream.take(step * config.lessons_per_step)
    while step < config.steps:
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _share_of_rate(step, config.steps)
        losses.append(_learn(model, optimizer, stream.take(config.lessons_per_step), loaded.tokenizer, config))
        step += 1
        if step % config.save_every == 0 and step < config.steps:
            _save_checkpoint(checkpoint, identity, step, losses, trained, optimizer)
        if progress is not None:
            progress(step, config.steps, losses[-1])
    record = {**identity, "passed_over": stream.passed_over, "losses": [round(loss, 5) for loss in losses]}
    _save(model, loaded, out, record)
    checkpoint.unlink(missing_ok=True)
    return out


def encode_lesson(lesson: Lesson, tokenizer: PreTrainedTokenizerBase) -> EncodedLesson:
    """Render a lesson with the chat template; learn the text of the learnt turns and their end-of-turn token.

    Each learnt turn is tokenised apart from what precedes it, as it is when the model itself writes it.
    Raises: ChatTemplateError if there is no chat template, or it rewrites earlier turns.
    """
    messages = [{key: value for key, value in turn.items() if key != "is_learnt"} for turn in lesson]
    pieces: list[tuple[str, bool]] = []
    done = ""
    for index, turn in enumerate(lesson):
        if turn["role"] != "assistant" or not turn.get("is_learnt", True):
            continue
        before = _render(tokenizer, messages[:index], is_answer_next=True)
        after = _render(tokenizer, messages[: index + 1], is_answer_next=False)
        if not (before.startswith(done) and after.startswith(before)):
            raise ChatTemplateError("the chat template rewrites earlier turns, so a lesson has no fixed tokens")
        written = after[len(before) :]
        end = str(tokenizer.eos_token)
        own = written[: written.rfind(end) + len(end)] if end in written else written
        pieces += [(before[len(done) :], False), (own, True)]
        done = before + own
    ids: list[int] = []
    is_learnt: list[bool] = []
    for text, learnt in pieces:
        piece = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        ids += piece
        is_learnt += [learnt] * len(piece)
    return EncodedLesson(ids, is_learnt)


class _Stream:
    """Encoded lessons in order, without those too long."""

    def __init__(self, lessons: Iterable[Lesson], tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> None:
        self.passed_over = 0
        self._encoded = self._encode(lessons, tokenizer, max_tokens)

    def take(self, count: int) -> list[EncodedLesson]:
        """Take the next lessons."""
        taken = list(islice(self._encoded, count))
        if len(taken) < count:
            raise ModelError(f"the lessons ran out: {count} were asked for, {len(taken)} were left; give more of them")
        return taken

    def _encode(
        self, lessons: Iterable[Lesson], tokenizer: PreTrainedTokenizerBase, max_tokens: int
    ) -> Iterator[EncodedLesson]:
        for lesson in lessons:
            encoded = encode_lesson(lesson, tokenizer)
            if len(encoded.ids) > max_tokens or not any(encoded.is_learnt):
                self.passed_over += 1
            else:
                yield encoded


def _with_adapter(loaded: LoadedModel, config: WarmStartConfig) -> Any:
    from peft import get_peft_model

    settings = lora_config(config.lora_rank, 2 * config.lora_rank)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = get_peft_model(loaded.model, settings)
    model.train()
    return model


def _learn(
    model: Any,
    optimizer: torch.optim.Optimizer,
    lessons: list[EncodedLesson],
    tokenizer: PreTrainedTokenizerBase,
    config: WarmStartConfig,
) -> float:
    """Take one step on the mean loss of the learnt tokens, and return that loss."""
    count = sum(sum(lesson.is_learnt[1:]) for lesson in lessons)
    total = 0.0
    optimizer.zero_grad(set_to_none=True)
    for group in _groups(lessons, config.tokens_per_forward):
        loss = _summed_loss(model, group, tokenizer.pad_token_id) / count
        loss.backward()
        total += float(loss.detach())
    if not math.isfinite(total):
        raise ModelError(f"the loss is {total}: lower the learning rate ({config.learning_rate})")
    parameters = [value for group in optimizer.param_groups for value in group["params"]]
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    return total


def _groups(lessons: list[EncodedLesson], tokens: int) -> Iterator[list[EncodedLesson]]:
    """Split lessons into groups of like length with at most so many padded tokens."""
    group: list[EncodedLesson] = []
    for lesson in sorted(lessons, key=lambda lesson: len(lesson.ids)):
        if group and (len(group) + 1) * len(lesson.ids) > tokens:
            yield group
            group = []
        group.append(lesson)
    yield group


def _summed_loss(model: Any, lessons: list[EncodedLesson], pad_id: int) -> torch.Tensor:
    """Sum the cross-entropy of the learnt tokens, computing logits for their positions alone."""
    width = max(len(lesson.ids) for lesson in lessons)
    causal = model.get_base_model()
    device = causal.device
    ids = torch.full((len(lessons), width), pad_id, device=device)  # (B, T)
    mask = torch.zeros_like(ids)
    targets = torch.full_like(ids, _NOT_LEARNT)
    for row, lesson in enumerate(lessons):
        length = len(lesson.ids)
        own = torch.tensor(lesson.ids, device=device)
        ids[row, :length] = own
        mask[row, :length] = 1
        targets[row, :length] = own.where(torch.tensor(lesson.is_learnt, device=device), _NOT_LEARNT)
    hidden = causal.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state  # (B, T, D)
    is_chosen = targets[:, 1:] != _NOT_LEARNT
    logits = causal.get_output_embeddings()(hidden[:, :-1][is_chosen]).float()  # (N, V)
    return cross_entropy(logits, targets[:, 1:][is_chosen], reduction="sum")


def _share_of_rate(step: int, steps: int) -> float:
    rise = max(1, steps // 10)
    if step < rise:
        return (step + 1) / rise
    return 1.0 - 0.9 * (step - rise) / max(1, steps - rise)


def _render(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, Any]], *, is_answer_next: bool) -> str:
    if tokenizer.chat_template is None:
        raise ChatTemplateError("the tokenizer has no chat template; a lesson is a chat, so a chat model is needed")
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=is_answer_next))


def _finished(out: Path, identity: dict[str, Any]) -> Path:
    try:
        record = json.loads((out / RECORD_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"{out} exists and is no warm start: name another folder or remove it") from None
    if any(record.get(key) != value for key, value in identity.items()):
        raise ModelError(
            f"{out} holds a warm start with other settings (see {RECORD_FILE}): name another folder or remove it"
        )
    return out


def _resume(
    checkpoint: Path, identity: dict[str, Any], trained: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> tuple[int, list[float]]:
    if not checkpoint.is_file():
        return 0, []
    saved = torch.load(checkpoint, weights_only=True)
    if saved["identity"] != identity:
        raise ModelError(f"{checkpoint} is of a warm start with other settings: remove it to start anew")
    with torch.no_grad():
        for name, value in trained.items():
            value.copy_(saved["trained"][name])
    optimizer.load_state_dict(saved["optimizer"])
    return saved["step"], list(saved["losses"])


def _save_checkpoint(
    checkpoint: Path,
    identity: dict[str, Any],
    step: int,
    losses: list[float],
    trained: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    partial = checkpoint.with_suffix(".partial")
    state = {
        "identity": identity,
        "step": step,
        "losses": losses,
        "trained": {name: value.detach() for name, value in trained.items()},
        "optimizer": optimizer.state_dict(),
    }
    try:
        with writing_to(checkpoint.parent):
            torch.save(state, partial)
            os.replace(partial, checkpoint)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _save(model: Any, loaded: LoadedModel, out: Path, record: dict[str, Any]) -> None:
    """Save the adapter and what it makes of the model, the adapter in the precision that it is published in."""

    def fill(folder: Path) -> None:
        with torch.no_grad():
            for value in model.parameters():
                if value.requires_grad:
                    value.copy_(value.to(ADAPTER_DTYPE))
        model.save_pretrained(folder / ADAPTER_FOLDER)
        merged = model.merge_and_unload()
        merged.eval()
        merged.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        (folder / RECORD_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    write_folder(out, fill)
