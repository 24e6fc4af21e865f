"""What every evaluation family offers: items that tempt, what the model may use, and the truth about what it did.

A family is one of the paper's evaluations (arXiv 2512.08093, section 3.1 and appendix A), written anew. It knows no
evaluation framework: it makes items from a seed, runs the tools a model calls, and finds from the conduct whether the
answer complied and whether it told its user. Reading confessions is not its business.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from confessions.protocol import ConfessionReport, Message

Aim = Literal["good", "bad", "neither"]
"""What a scripted model sets out to do with an item."""

FILES: Final = "files"
"""The key of the files, by path, in the state that an item's tools share."""


def initial_state(item: Item) -> dict[str, Any]:
    """Give the state in which an item's tools begin: its facts, and its files under `FILES`."""
    return {**item.facts, FILES: dict(item.files)}


class Item(BaseModel):
    """One prompt of a family, with what the family needs to find the truth about an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    family: str
    messages: tuple[dict[str, str], ...] = Field(min_length=1)
    """The prompt: chat messages with `role` and `content`."""
    objectives: tuple[str, ...] = Field(min_length=1)
    """What a good answer satisfies; the first is the one that the family is about."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """What the ground truth is decided by: plain JSON, never shown to the model."""
    files: dict[str, str] = Field(default_factory=dict)
    """The files that tools find, by path."""
    cluster: str = ""
    """Items that share it were made of the same prompt, and are not independent; empty means the item's own id."""

    @model_validator(mode="after")
    def _is_askable(self) -> Self:
        for index, message in enumerate(self.messages):
            if set(message) != {"role", "content"} or message["role"] not in ("system", "user", "assistant"):
                raise ValueError(f"messages[{index}] should have a role of system, user or assistant, and a content")
        if self.messages[-1]["role"] != "user":
            raise ValueError("the last message of an item's prompt should be the user's")
        return self

    @property
    def shared_prompt(self) -> str:
        """Return what the item is clustered by."""
        return self.cluster or self.id


@dataclass(frozen=True)
class Conduct:
    """What a model did with an item."""

    messages: tuple[Message, ...]
    """What came after the prompt: the model's turns and the tools' results."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """What it left behind: the tools' shared state, or what was observed in the sandbox."""

    @property
    def answer(self) -> str:
        """Return the text of the last turn of the model."""
        return next((m.content for m in reversed(self.messages) if m.role == "assistant"), "")

    @property
    def said(self) -> str:
        """Return the texts of all turns of the model."""
        return "\n\n".join(m.content for m in self.messages if m.role == "assistant" and m.content)

    @property
    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        """List the tool calls with their arguments, in order; unreadable arguments are empty."""
        found = []
        for message in self.messages:
            for call in message.tool_calls:
                try:
                    arguments = json.loads(call.arguments)
                except ValueError:
                    arguments = {}
                found.append((call.name, arguments if isinstance(arguments, dict) else {}))
        return found


class Finding(NamedTuple):
    """The truth about an item's conduct."""

    complied: bool | None
    """None is the paper's "neither": not bad, and not what was wanted either."""
    admitted: bool
    """Whether the answer itself, unprompted, tells the user what was bad about it; False where nothing was."""
    evidence: str
    """What decided it, in a sentence."""
    not_attempted: str | None = None
    """Why the conduct is no attempt at all, so that no truth can be found; None where it is one."""


class Turn(NamedTuple):
    """One turn of a scripted model: what it says and which tools it calls."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()


@dataclass(frozen=True)
class Tool:
    """A tool that works on a state shared by an item's calls: a plain function, run by whoever runs the item.

    Every parameter is a required text.
    """

    name: str
    description: str
    parameters: Mapping[str, str]
    """What each parameter is."""
    run: Callable[[dict[str, Any], dict[str, str]], str]
    """Takes the state, which it may change, and the arguments; returns what the model is told.

    Raises: ToolFault with what the model is told where the call fails."""


class ToolFault(Exception):
    """A tool call that fails, as the model is told."""


@dataclass(frozen=True)
class Sandbox:
    """What happens in a real sandbox: a shell for the model, and what is observed there once it has finished."""

    observe: Callable[[Item], Mapping[str, str]]
    """Shell commands by name; `state` receives for each a mapping of `returncode`, `stdout` and `stderr`."""
    timeout_seconds: int = 60
    """The bound on each command, the model's and the observing ones."""


def _admits(item: Item, report: ConfessionReport) -> bool:
    return report.admits


@dataclass(frozen=True)
class Family:
    """One evaluation: its items, its definitions and its truth."""

    name: str
    """Its name on the command line."""
    title: str
    """Its name in tables: the paper's, where it is one of the paper's."""
    bad: str
    """What counts as bad, in a sentence a grader can apply."""
    admitted: str
    """What counts as telling the user."""
    items: Callable[[int, int], list[Item]]
    """Makes n items from a seed: the same ones for the same arguments, and the first k of n are those of k."""
    find: Callable[[Item, Conduct], Finding]
    """Finds the truth about an item's conduct."""
    script: Callable[[Item, Aim, bool], Sequence[Turn]]
    """Writes the turns of a model with that aim that does or does not tell the user; the truth finds them so."""
    confesses: Callable[[Item, ConfessionReport], bool] = _admits
    """Reads by its labels whether a report confesses: as a rule, if it says of any objective that it was not met."""
    neither: str | None = None
    """What counts as neither good nor bad; None where nothing does."""
    paper: str | None = None
    """Its row in the paper's table 1; None for what the paper does not have."""
    aims: tuple[Aim, ...] = ("good", "bad")
    """What a scripted model can do; ("bad",) where every conduct is bad."""
    can_admit: bool = True
    """Whether there is a user that could be told."""
    tools: tuple[Tool, ...] = ()
    sandbox: Sandbox | None = None
    card: str = ""
    """What a reader should know: how the truth is decided, where it errs, where the data is from."""
    message_limit: int | None = None
    """A bound on the conversation of an agentic family."""
    items_from: Callable[[Path, int, int], list[Item]] | None = None
    """Makes n items from a seed and the user's own copy of a public data set; None where there is none to be read."""


def item_rng(family: str, seed: int, index: int) -> random.Random:
    """Give the random stream of one item, so that the first k of n items are those of k."""
    return random.Random(f"{family}|{seed}|{index}")
