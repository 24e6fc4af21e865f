"""What sampling and scoring cost, against reading every context again and against a bare loop: `make bench`.

On one batch of the embedded model's recipe: the confessions sampled with each context read once, and by a plain
generate call that reads it for every confession; the loss's forward and backward with each context read once, and over
whole rows; and bare loops of the same shapes, without trainer, sampling settings or metrics. Times are processor
seconds of one thread, the ways taken in turn.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import torch
from rich.console import Console
from rich.table import Table
from torch.nn.functional import cross_entropy
from transformers.cache_utils import DynamicCache

from confessions.experiments.demo import recipe_for
from confessions.experiments.recipe import build_trainer
from confessions.models.resolve import hide_loading_bars, load, resolve
from confessions.models.sampling import RoomyLayer
from confessions.training import ConfessionTrainer, RunFolder


def seconds(work: Callable[[], Any]) -> float:
    """Give the processor seconds that some work takes."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def padded(rows: list[list[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad rows on the left; gives ids and mask, both (B, T)."""
    width = max(map(len, rows))
    ids = [[pad_id] * (width - len(row)) + row for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)


@torch.no_grad()
def bare_decode(model: Any, ids: torch.Tensor, mask: torch.Tensor, tokens: int) -> None:
    """Read (B, T) and take the likeliest token so many times: what no sampler can do without."""
    cache = DynamicCache(config=model.config)
    cache.layers = [RoomyLayer(ids.shape[1] + tokens) for _ in cache.layers]
    for _ in range(tokens):
        output = model(ids, attention_mask=mask, past_key_values=cache, use_cache=True, logits_to_keep=1)
        ids = output.logits[:, -1].argmax(-1, keepdim=True)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)


def bare_training(model: Any, ids: torch.Tensor, mask: torch.Tensor, tokens: int) -> None:
    """Read (B, T), score the last tokens and go back through the model."""
    logits = model(ids, attention_mask=mask, use_cache=False, logits_to_keep=tokens + 1).logits[:, :-1]
    cross_entropy(logits.flatten(0, 1), ids[:, -tokens:].flatten()).backward()
    model.zero_grad()


def compare(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Take the ways in turn, after one round that warms caches."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, work in ways.items():
            spent = seconds(work)
            if repeat:
                found[name].append(spent)
    return found


def measure(repeats: int, batch: int, probability: float) -> dict[str, Any]:
    """Compare on one batch; gives the estimates and what they are of."""
    torch.manual_seed(0)
    recipe = recipe_for("embedded")
    own = {"per_device_train_batch_size": batch, "confession_probability": probability, "max_steps": 1}
    recipe = recipe.model_copy(update={"grpo": {**recipe.grpo, **own, "save_strategy": "no"}})
    with tempfile.TemporaryDirectory() as name:
        trainer = build_trainer(recipe, load(resolve("embedded")), RunFolder(Path(name)))
    trainer.current_gradient_accumulation_steps = 1
    model = trainer.model.train()
    asked: list[list[list[int]]] = []
    generate = trainer._generate_single_turn

    def keep(prompt_ids: list[list[int]], *rest: Any) -> Any:
        asked.append(prompt_ids)
        return generate(prompt_ids, *rest)

    trainer._generate_single_turn = keep
    rows = next(iter(trainer.get_train_dataloader()))
    scored = trainer._generate_and_score_completions(rows)
    trainer._generate_single_turn = generate
    contexts, limit = asked[-1], trainer.args.max_confession_length
    drawn: dict[str, int] = {}

    def sample(reads_once: bool) -> Callable[[], None]:
        def work() -> None:
            whole = ConfessionTrainer._reads_contexts_once
            ConfessionTrainer._reads_contexts_once = reads_once  # type: ignore[assignment]
            trainer._batch = trainer._plan(len(rows))
            trainer._batch.is_asking = True
            torch.manual_seed(1)
            try:
                completions = trainer._sample(contexts, limit)
            finally:
                ConfessionTrainer._reads_contexts_once = whole  # type: ignore[method-assign]
                trainer._batch = None
            drawn[str(reads_once)] = max(len(completion.ids) for completion in completions)

        return work

    sample(True)()
    ids, mask = padded(contexts, trainer._tokenizer.pad_token_id)
    sampling = {
        "each context read once": sample(True),
        "every row read": sample(False),
        "bare decode loop": lambda: bare_decode(model, ids, mask, drawn["True"]),
    }

    def train(once: bool) -> Callable[[], None]:
        def work() -> None:
            trainer.scores_contexts_once = once
            trainer.compute_loss(model, scored).backward()
            model.zero_grad()

        return work

    whole = torch.cat([scored["prompt_ids"], scored["completion_ids"]], dim=1)
    shown = torch.cat([scored["prompt_mask"], scored["completion_mask"]], dim=1)
    training = {
        "each context read once": train(True),
        "every row read": train(False),
        "bare forward and backward": lambda: bare_training(model, whole, shown, scored["completion_ids"].size(1)),
    }
    return {
        "rows": len(rows),
        "confessions": len(contexts),
        "distinct_contexts": len(set(map(tuple, contexts))),
        "sampling": {name: machine.estimate(each)._asdict() for name, each in compare(sampling, repeats).items()},
        "training": {name: machine.estimate(each)._asdict() for name, each in compare(training, repeats).items()},
    }


def main() -> None:
    """Compare, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--probability", type=float, default=0.25)
    asked = parser.parse_args()
    hide_loading_bars()
    found = measure(asked.repeats, asked.batch, asked.probability)
    command = f"python benchmarks/rollout.py --repeats {asked.repeats} --batch {asked.batch}"
    machine.write("rollout", command, {"seed": 0, "probability": asked.probability, **found})
    for part in ("sampling", "training"):
        table = Table(part, "processor seconds", "times the bare loop's speed")
        bare = list(found[part].values())[-1]["median"]
        for name, each in found[part].items():
            table.add_row(name, f"{each['median']:.3f}", f"{bare / each['median']:.2f}")
        Console().print(table)


if __name__ == "__main__":
    main()
