"""A small reward model: it reads a prompt and an answer, and says of each numbered rule how likely the answer keeps it.

A pretrained model reads the transcript and then, in one pass, one question about each rule. A linear head on the state
at the end of a question gives the probability. The model stays frozen, and only its first layers are used; the head
alone is fitted, to labelled answers, by logistic regression with an L2 penalty. That is a convex problem without
randomness, solved in seconds. So nothing is kept of a fit that was broken off: the same call gives the same head.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from scipy.optimize import minimize

from confessions.models.chat import prompt_ids, request_suffix_ids
from confessions.models.corpus import PROBE_QUESTION
from confessions.models.resolve import LoadedModel, load, resolve
from confessions.models.sampling import end_of_turn_ids
from confessions.models.weights import SUMS, ModelError, file_sha256, write_folder
from confessions.protocol import Message

__all__ = [
    "HEAD_FILE",
    "RECORD_FILE",
    "Head",
    "LabelledAnswer",
    "RewardModel",
    "fit_head",
    "head_sha256",
    "load_reward_model",
    "rules_of",
    "save_reward_model",
]

HEAD_FILE: Final = "head.safetensors"
RECORD_FILE: Final = "reward_model.json"
BATCH_SIZE: Final = 64

Prompt = Sequence[Mapping[str, Any]]

_NUMBERED = re.compile(r"^[ \t]*\d+\.[ \t]+(.+?)[ \t]*$", re.MULTILINE)


class LabelledAnswer(NamedTuple):
    """An answer, and for each numbered rule of its prompt whether it keeps it."""

    prompt: Prompt
    answer: str
    kept: tuple[bool, ...]


@dataclass(frozen=True)
class Head:
    """A linear reading of a hidden state."""

    weight: np.ndarray
    """(D,)"""
    bias: float
    layers: int
    """How many layers of the model the state has been through."""

    def beliefs(self, states: np.ndarray) -> tuple[float, ...]:
        """Turn states (R, D) into the probabilities of R rules being kept."""
        logits = states.astype(np.float64) @ self.weight + self.bias
        return tuple(float(belief) for belief in 1.0 / (1.0 + np.exp(-logits)))


class RewardModel:
    """A frozen model with a head, ready to read answers. Reading draws on no random state."""

    def __init__(self, loaded: LoadedModel, head: Head, record: Mapping[str, Any]) -> None:
        """Put the parts together; `record` says where they come from."""
        self.head, self.record = head, dict(record)
        self._reader = _Reader(loaded, head.layers)

    def beliefs(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[tuple[float, ...]]:
        """Give for each answer the probability that it keeps each numbered rule of its prompt; () without rules."""
        return [self.head.beliefs(states) for states in self._reader.states(prompts, answers)]

    def passes(self, prompt: Prompt, answer: str) -> bool:
        """Say whether the answer is taken to keep every rule.

        Raises: ModelError if the prompt has no numbered rules.
        """
        beliefs = self.beliefs([prompt], [answer])[0]
        if not beliefs:
            raise ModelError("the prompt has no numbered rules (lines such as 1. Use the word river.) to be judged by")
        return all(belief > 0.5 for belief in beliefs)


def rules_of(prompt: Prompt) -> tuple[str, ...]:
    """List the numbered lines of the last user message."""
    asked = [str(message["content"]) for message in prompt if message["role"] == "user"]
    return tuple(_NUMBERED.findall(asked[-1])) if asked else ()


class _Reader:
    """Read answers with the first layers of a model."""

    def __init__(self, loaded: LoadedModel, layers: int) -> None:
        decoder: Any = loaded.model.get_decoder()
        if not 1 <= layers <= len(decoder.layers):
            raise ModelError(f"layers is {layers}; {loaded.resolved.name} has 1 to {len(decoder.layers)}")
        decoder.layers = decoder.layers[:layers]
        self.decoder = decoder.eval().requires_grad_(False)
        self.tokenizer = loaded.tokenizer
        self.pad_id = loaded.tokenizer.pad_token_id
        self.eos_ids = end_of_turn_ids(loaded.model, loaded.tokenizer)
        self.question_ids: Callable[[str], list[int]] = lru_cache(maxsize=4096)(self._question_ids)

    def _question_ids(self, rule: str) -> list[int]:
        """Give the ids that end the turn before, ask about a rule, and open the next answer."""
        return request_suffix_ids(self.tokenizer, Message(role="user", content=f"{PROBE_QUESTION} {rule}"))

    def encode(self, prompt: Prompt, answer: str) -> tuple[list[int], list[int]]:
        """Give the ids of a transcript with its questions, and the position at which each question ends."""
        ids = prompt_ids(self.tokenizer, prompt)
        # An answer that spells the end of a turn must not end it.
        ids += self.tokenizer(answer, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        ends = []
        for rule in rules_of(prompt):
            ids += self.question_ids(rule)
            ends.append(len(ids) - 1)
        return ids, ends

    def states(
        self, prompts: Sequence[Prompt], answers: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> list[np.ndarray]:
        """Give for each answer the states (R, D) at the ends of its R questions."""
        encoded = [self.encode(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
        found: list[np.ndarray] = [np.empty((0, self.decoder.config.hidden_size))] * len(encoded)
        # A transcript without rules has nothing to be read.
        order = sorted((index for index, (_, ends) in enumerate(encoded) if ends), key=lambda i: len(encoded[i][0]))
        for start in range(0, len(order), BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            hidden = self._hidden([encoded[index][0] for index in batch])
            for row, index in enumerate(batch):
                found[index] = hidden[row, encoded[index][1]]
            if progress is not None:
                progress(len(batch))
        return found

    def _hidden(self, rows: list[list[int]]) -> np.ndarray:
        """Give the states (B, T, D) of rows padded on the right."""
        width = max(len(ids) for ids in rows)
        device = self.decoder.device
        ids = torch.tensor([row + [self.pad_id] * (width - len(row)) for row in rows], device=device)  # (B, T)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device)  # (B, T)
        with torch.no_grad():
            hidden = self.decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return np.asarray(hidden.float().cpu().numpy())


def fit_head(
    base: LoadedModel,
    labelled: Sequence[LabelledAnswer],
    *,
    layers: int,
    penalty: float = 10.0,
    progress: Callable[[int], None] | None = None,
) -> Head:
    """Fit a head to labelled answers; `base` loses its layers above `layers`.

    `penalty` is the L2 penalty on the weights of standardised states; `progress` gets the number of answers just read.
    Raises: ModelError if an answer has not one label for each rule, or all labels are the same.
    """
    for number, item in enumerate(labelled):
        if len(item.kept) != len(rules_of(item.prompt)):
            raise ModelError(
                f"labelled answer {number} has {len(item.kept)} labels for {len(rules_of(item.prompt))} numbered rules"
            )
    labels = np.array([flag for item in labelled for flag in item.kept], dtype=np.float64)  # (N,)
    if len(set(labels)) < 2:
        raise ModelError(f"the {len(labels)} labels are all the same: a head needs both kept and broken rules")
    reader = _Reader(base, layers)
    read = reader.states([item.prompt for item in labelled], [item.answer for item in labelled], progress)
    states = np.concatenate(read).astype(np.float64)  # (N, D)
    mean, spread = states.mean(axis=0), states.std(axis=0) + 1e-6
    weight, bias = _logistic((states - mean) / spread, labels, penalty)
    scaled = weight / spread
    return Head(scaled.astype(np.float32), float(bias - mean @ scaled), layers)


def _logistic(states: np.ndarray, labels: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Solve a logistic regression with an L2 penalty on the weights, not on the bias."""

    def loss(solution: np.ndarray) -> tuple[float, np.ndarray]:
        weight, logits = solution[:-1], states @ solution[:-1] + solution[-1]
        error = 1.0 / (1.0 + np.exp(-logits)) - labels
        value = float(np.sum(np.logaddexp(0.0, logits) - labels * logits) + 0.5 * penalty * weight @ weight)
        return value, np.append(states.T @ error + penalty * weight, error.sum())

    found = minimize(loss, np.zeros(states.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    return found[:-1], float(found[-1])


def save_reward_model(folder: Path, base: LoadedModel, head: Head, facts: Mapping[str, Any]) -> None:
    """Write a head with a record of its base and `facts`, all or nothing; the base itself is named, not copied."""
    record = {
        "base": base.resolved.name,
        "base_sha256": base.resolved.sha256,
        "layers": head.layers,
        "question": PROBE_QUESTION,
        **facts,
    }

    def fill(staging: Path) -> None:
        save_file({"weight": head.weight, "bias": np.array([head.bias], dtype=np.float64)}, staging / HEAD_FILE)
        (staging / RECORD_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    write_folder(folder, fill)


def head_sha256(folder: Path) -> str:
    """Hash the head of a folder, by which one fit is told from another."""
    return file_sha256(folder / HEAD_FILE)


def load_reward_model(folder: Path) -> RewardModel:
    """Load a reward model, checking its files and that its base is the one it was fitted on.

    Raises: ModelError naming the file, or the base that differs.
    """
    remedy = f"remove {folder} and fit it again"
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no reward model: {error}; {remedy}") from error
    for name in (HEAD_FILE, RECORD_FILE):
        if not (folder / name).is_file() or f"{file_sha256(folder / name)}  {name}" not in lines:
            raise ModelError(f"{folder / name} is not the file that was saved there; {remedy}")
    resolved = resolve(record["base"])
    if resolved.sha256 != record["base_sha256"]:
        raise ModelError(
            f"{folder} was fitted on {record['base']} with weights {record['base_sha256'][:12]}, and those found are "
            f"{resolved.sha256[:12]}; {remedy}"
        )
    tensors = load_file(folder / HEAD_FILE)
    head = Head(tensors["weight"], float(tensors["bias"][0]), record["layers"])
    return RewardModel(load(resolved, torch.float32), head, record)
