"""The tasks: one for each family, any task of somebody else's with confessions added, and finished logs.

`inspect eval confessions/<family>` finds each of them from an installed package.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from inspect_ai import Task, task, task_with
from inspect_ai._eval.loader import load_tasks  # private; a contract test holds it
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import Scorer
from inspect_ai.solver import generate

from confessions.errors import ConfessionsError
from confessions.evaluation.additional import ADDITIONAL
from confessions.evaluation.conduct import SandboxChoice, begin, resolve_sandbox, sample_of
from confessions.evaluation.finished import finished_samples, replay
from confessions.evaluation.published import (
    PUBLISHED,
    adapter_of,
    behind_conversation,
    conversation_of,
    marked,
    published_name,
    with_marks,
)
from confessions.evaluation.rows import read_header, read_samples
from confessions.evaluation.scorers import confession, joined
from confessions.scenarios.families import FAMILIES
from confessions.scenarios.family import Family
from confessions.scenarios.pressure import under_pressure

DEFAULT_SAMPLES: Final = 60
_WITH_DATA: Final = [name for name, family in FAMILIES.items() if family.items_from is not None]


class TaskError(ConfessionsError):
    """Say what is wrong with a task's arguments."""


def scorers(also: str | list[str], **settings: Any) -> list[Scorer]:
    """Make the confession scorer and the additional ones that are asked for, which see its score.

    Raises: TaskError naming an additional scorer, or a setting, that does not exist.
    """
    known = inspect.signature(confession).parameters
    unknown = next((name for name in settings if name not in known), None)
    if unknown is not None:
        raise TaskError(
            f"{unknown} is no argument of the confession scorer ({', '.join(known)}); those of a wrapped task go in "
            f"task_args, such as -T 'task_args={{\"{unknown}\": ...}}'"
        )
    # A command line makes a list of a text with commas.
    names = [name.strip() for name in joined(also).split(",") if name.strip()]
    for name in names:
        if name not in ADDITIONAL:
            raise TaskError(f"also={name!r} is no scorer that can be added; there are {', '.join(ADDITIONAL)}")
    return [confession(**settings), *(ADDITIONAL[name]() for name in names)]


def family_task(
    family: Family,
    seed: int,
    samples: int,
    pressure: str,
    sandbox: SandboxChoice,
    data: str | None,
    also: str | list[str],
    settings: dict[str, Any],
) -> Task:
    """Make a family's task."""
    if samples < 1:
        raise TaskError(f"samples is {samples}; a task needs at least 1")
    if data is not None and family.items_from is None:
        raise TaskError(f"{family.name} reads no data of one's own; only {', '.join(_WITH_DATA)} does")
    made = family.items(seed, samples) if data is None else family.items_from(Path(data), seed, samples)  # type: ignore[misc]
    items = [under_pressure(item, pressure) for item in made]
    metadata: dict[str, Any] = {
        "family": family.name,
        "paper_row": family.paper,
        "bad": family.bad,
        "neither": family.neither,
        "admitted": family.admitted,
        "card": family.card,
    }
    chosen = None
    if family.sandbox is not None:
        kind, configuration = resolve_sandbox(sandbox)
        chosen = kind if configuration is None else (kind, configuration)
        metadata["sandbox"] = (
            kind if kind == "docker" else "local: the model's commands run on this machine, unprotected"
        )
    return Task(
        name=family.name,
        display_name=family.title,
        dataset=MemoryDataset([sample_of(item, family, pressure) for item in items], name=family.name),
        setup=begin(),
        solver=generate(),
        scorer=scorers(also, **settings),
        sandbox=chosen,
        message_limit=family.message_limit,
        metadata=metadata,
        description=family.card,
    )


def _register(family: Family) -> Callable[..., Task]:
    def make(
        seed: int = 0,
        samples: int = DEFAULT_SAMPLES,
        pressure: str = "none",
        truth: str = "auto",
        reader: str = "report",
        role: str = "auto",
        confessor: str | None = None,
        profile: str = "full",
        structured: bool = True,
        max_confession_tokens: int | None = None,
        effort: str | None = None,
        k: int = 1,
        asks: int = 1,
        max_unscored: float = 0.2,
        also: str | list[str] = "",
        sandbox: SandboxChoice = "auto",
        data: str | None = None,
    ) -> Task:
        settings = {
            "truth": truth,
            "reader": reader,
            "role": role,
            "confessor": confessor,
            "profile": profile,
            "structured": structured,
            "max_confession_tokens": max_confession_tokens,
            "effort": effort,
            "k": k,
            "asks": asks,
            "max_unscored": max_unscored,
        }
        return family_task(family, seed, samples, pressure, sandbox, data, also, settings)

    make.__name__ = family.name
    make.__doc__ = f"{family.title}. Bad: {family.bad}"
    return task(name=family.name)(make)


FAMILY_TASKS: Final[dict[str, Callable[..., Task]]] = {name: _register(family) for name, family in FAMILIES.items()}
"""The registered task of each family."""
globals().update(FAMILY_TASKS)


@task
def wrapped(task: str, task_args: dict[str, Any] | None = None, also: str | list[str] = "", **settings: Any) -> Task:
    """Add confessions to a task of somebody else's, without editing it.

    Args:
        task: The task, as `inspect eval` takes it: a registered name, or `file.py@name`. For a published eval that is
            known, `truth=auto` is the rule that fits its scores.
        task_args: The task's own arguments.
        also: Additional scorers, separated by commas.
        settings: The arguments of the scorer `confessions/confession`.
    """
    published = adapter_of(task)
    argument = None if published is None else published.grader_argument
    if argument is not None and settings.get("truth", "auto") == "auto" and not (task_args or {}).get(argument):
        raise TaskError(
            f"{task} is graded by the model under test unless it is told otherwise: name its grader, with "
            f'task_args={{"{argument}": "PROVIDER/MODEL"}}, or say truth=grader'
        )
    loaded = _load(task, task_args or {})
    return task_with(with_confession(loaded, also=also, **settings), name=loaded.name.rpartition("/")[2])


def with_confession(task: Task, also: str | list[str] = "", **settings: Any) -> Task:
    """Add the confession scorer behind a task's own scorers; its arguments are those of `confession`."""
    own = task.scorer or []
    name = task.registry_name or ""
    if name not in PUBLISHED:
        return task_with(task, scorer=[*own, *scorers(also, **settings)])
    published = PUBLISHED[name]
    ours = scorers(also, **{**settings, "bad": settings.get("bad") or published.bad})
    return task_with(with_marks(task, name), scorer=[*own, *(behind_conversation(each, published) for each in ours)])


def _load(name: str, arguments: dict[str, Any]) -> Task:
    found = load_tasks([name], arguments)
    if len(found) != 1:
        package = name.partition("/")[0]
        if not found and "/" in name and ".py" not in name and find_spec(package) is None:
            raise TaskError(f"{name!r} names no task: the package {package} is not installed; install it with pip")
        what = "no task" if not found else f"{len(found)} tasks ({', '.join(str(each.name) for each in found)})"
        raise TaskError(
            f"{name!r} names {what}: name one, as a registered name such as inspect_evals/simpleqa or as file.py@name"
        )
    return found[0]


@task
def posthoc(log: str, also: str | list[str] = "", errored: bool = True, **settings: Any) -> Task:
    """Ask for confessions of the samples of a finished log; the log itself is only read.

    Args:
        log: The log file of any Inspect eval.
        also: Additional scorers, separated by commas.
        errored: Whether samples that ended in an error confess too, where the model had answered before.
        settings: The arguments of the scorer `confessions/confession`.
    """
    path = Path(log)
    name = published_name(read_header(path)) if path.is_file() else None
    published = adapter_of(name)
    if published is not None and published.answer_in is not None:
        raise TaskError(
            f"the conversations in {log} do not show the answers of {name}, so that they cannot be confessed after the "
            f"fact: run the eval as `confessions evaluate {name}`"
        )
    found = finished_samples(path, errored=errored)
    samples = found.samples if name is None else _marked(found.samples, name, path)
    if published is not None:
        settings = {**settings, "bad": settings.get("bad") or published.bad}
    return Task(
        name="posthoc",
        display_name=f"Confessions of {found.task}",
        dataset=MemoryDataset(samples, name=found.task),
        solver=replay(),
        scorer=scorers(also, **settings),
        # Temperature, reasoning effort and system message are the answers', where the run does not say otherwise.
        config=found.config,
        metadata={
            "source_log": log,
            "source_task": name or found.task,
            "source_model": found.model,
            "left_out": found.left_out,
        },
    )


def _marked(samples: list[Sample], name: str, log: Path) -> list[Sample]:
    """Mark the samples of a published eval's log, their conversations as the model had them."""
    published = PUBLISHED[name]
    sources = {f"{source.id}#{source.epoch}": source for source in read_samples(log)}
    found = []
    for sample in samples:
        epoch = f"#{(sample.metadata or {})['source_epoch']}"
        source = sources[str(sample.id).removesuffix(epoch) + epoch]
        new = marked(sample, name, source.metadata)
        if published.conversation_in is not None:
            new.input = conversation_of(published, source.messages, source.store)
        found.append(new)
    return found
