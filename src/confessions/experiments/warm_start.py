"""Give a pretrained model the forms of the writing tasks, and no more, before it is trained.

Its lessons are those of the embedded default's pre-training that end in a confession: short answers that keep some of
their rules and claim some of them, neither with regard to the other, and reports whose verdicts are drawn at random. So
what is learnt is how a note and a report are written, not the habit of writing a true one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path

from confessions.experiments.recipe import Recipe
from confessions.models.corpus import KEEP_SHARE, writing_conversation
from confessions.models.resolve import ResolvedModel, load, resolve
from confessions.models.warm_start import Lesson, WarmStartConfig, warm_start
from confessions.protocol import REQUEST_BRIEF

Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def lessons(seed: int) -> Iterator[Lesson]:
    """Draw conversations for ever: a task, an answer, the request and a report with random verdicts."""
    rng = random.Random(f"warm start|{seed}")
    while True:
        turns = writing_conversation(rng, REQUEST_BRIEF, KEEP_SHARE, learn_answer=True)
        yield [{"role": turn.role, "content": turn.content, "is_learnt": turn.is_learnt} for turn in turns]


def warm_started(resolved: ResolvedModel, folder: Path, recipe: Recipe, bar: Bar) -> ResolvedModel:
    """Give the model that training starts from: the one named or, if the recipe says so, warm-started in `folder`."""
    if recipe.warm_start is None:
        return resolved
    if folder.exists():  # it appears only once it is whole
        return resolve(str(folder))
    settings = recipe.warm_start
    config = WarmStartConfig(
        steps=settings.steps,
        lessons_per_step=settings.lessons_per_step,
        learning_rate=settings.learning_rate,
        seed=recipe.seed,
    )
    taught = list(islice(lessons(recipe.seed), 2 * settings.steps * settings.lessons_per_step))
    with bar("warm start: the forms", settings.steps) as advance:
        warm_start(load(resolved), taught, folder, config, lambda step, steps, loss: advance(1))
    return resolve(str(folder))
