"""Run a family's item on Inspect AI: its prompt as a sample, its tools, its sandbox, and what the model did."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageSystem, ChatMessageUser
from inspect_ai.solver import Generate, Solver, TaskState, solver, use_tools
from inspect_ai.tool import Tool as InspectTool
from inspect_ai.tool import ToolDef, ToolError, ToolParam, ToolParams, bash
from inspect_ai.util import sandbox, store

from confessions.errors import ConfessionsError
from confessions.evaluation.transcripts import to_transcript
from confessions.scenarios.families import FAMILIES
from confessions.scenarios.family import FILES, Conduct, Family, Item, Tool, ToolFault, initial_state

logger = logging.getLogger(__name__)

ITEM: Final = "confessions_item"
"""The key under which a sample's metadata and store hold its item."""
STATE: Final = "confessions_state"
"""The key under which the store, and later the score's metadata, hold what the model left behind."""
SandboxChoice = Literal["auto", "docker", "local"]
COMPOSE: Final = Path(__file__).parent / "sandbox" / "compose.yaml"


class SandboxError(ConfessionsError):
    """Say that the sandbox that was asked for is not to be had."""


def chat_messages(item: Item) -> list[ChatMessage]:
    """Write an item's prompt as Inspect's messages."""
    made: list[ChatMessage] = []
    for message in item.messages:
        match message["role"]:
            case "system":
                made.append(ChatMessageSystem(content=message["content"]))
            case "assistant":
                made.append(ChatMessageAssistant(content=message["content"]))
            case _:
                made.append(ChatMessageUser(content=message["content"]))
    return made


def sample_of(item: Item, family: Family, variant: str) -> Sample:
    """Write an item as a sample; the item goes along in the metadata, for the truth is found by it."""
    return Sample(
        id=item.id,
        input=chat_messages(item),
        metadata={
            "family": family.name,
            "variant": variant,
            "cluster": item.shared_prompt,
            ITEM: item.model_dump(mode="json"),
        },
        files=dict(item.files) if family.sandbox is not None else None,
    )


def is_ours(metadata: Mapping[str, Any] | None) -> bool:
    """Tell whether this package wrote a sample's metadata, so that its `family` means what it does here."""
    return any(key.startswith("confessions_") for key in metadata or {})


def item_of(metadata: dict[str, Any] | None) -> Item | None:
    """Read the item back out of a sample's metadata; None where the sample is of no family of ours."""
    raw = (metadata or {}).get(ITEM)
    return None if raw is None else Item.model_validate(raw)


@solver
def begin() -> Solver:
    """Lay out an item's state and give the model the family's tools."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        item = item_of(state.metadata)
        if item is None:
            return state
        family = FAMILIES[item.family]
        store().set(ITEM, item.model_dump(mode="json"))
        store().set(STATE, initial_state(item) if family.sandbox is None else {})
        tools = tools_of_family(family)
        return await use_tools(*tools)(state, generate) if tools else state

    return solve


def tools_of_family(family: Family) -> list[InspectTool]:
    """Make the family's tools callable: on the sample's shared state, or in its sandbox."""
    if family.sandbox is not None:
        return [bash(timeout=family.sandbox.timeout_seconds)]
    return [_in_memory(tool) for tool in family.tools]


def _in_memory(tool: Tool) -> InspectTool:
    async def execute(**arguments: str) -> str:
        missing = [name for name in tool.parameters if not isinstance(arguments.get(name), str)]
        if missing:
            raise ToolError(f"{tool.name} needs the text parameter {missing[0]}")
        state = store().get(STATE)
        try:
            return tool.run(state, arguments)
        except ToolFault as fault:
            raise ToolError(str(fault)) from None
        finally:
            # The store tells changes by comparing values, so the changed state is put back whole.
            store().set(STATE, dict(state))

    parameters = ToolParams(
        properties={name: ToolParam(type="string", description=text) for name, text in tool.parameters.items()},
        required=list(tool.parameters),
    )
    return ToolDef(execute, name=tool.name, description=tool.description, parameters=parameters).as_tool()


async def observed_state(item: Item, family: Family) -> dict[str, Any]:
    """Give what the model left behind; in a sandbox, look now, for it is gone after scoring."""
    if family.sandbox is None:
        return dict(store().get(STATE) or initial_state(item))
    seen = store().get(STATE)
    if seen and FILES in seen:
        return dict(seen)
    state: dict[str, Any] = {FILES: {}}
    for name, command in family.sandbox.observe(item).items():
        try:
            ran = await sandbox().exec(["bash", "-c", command], timeout=family.sandbox.timeout_seconds)
            state[name] = {"returncode": ran.returncode, "stdout": ran.stdout, "stderr": ran.stderr}
        except TimeoutError:
            state[name] = {"returncode": 124, "stdout": "", "stderr": "timed out"}
    store().set(STATE, state)
    return state


def conduct_of(item: Item, messages: Sequence[ChatMessage], state: dict[str, Any]) -> Conduct:
    """Take what came after an item's prompt as what the model did."""
    return Conduct(tuple(to_transcript(messages[len(item.messages) :])), state)


def resolve_sandbox(choice: SandboxChoice) -> tuple[str, str | None]:
    """Choose the sandbox: Docker where there is one, else this machine, unprotected.

    Raises: SandboxError if Docker is asked for and does not answer.
    """
    has_docker = shutil.which("docker") is not None and _docker_answers()
    if choice == "docker" and not has_docker:
        raise SandboxError(
            "sandbox=docker needs a running Docker engine, and none answers `docker info`: start it, or use "
            "sandbox=local, which runs the model's commands on this machine without protection"
        )
    if choice != "local" and has_docker:
        return "docker", str(COMPOSE)
    logger.warning(
        "sandbox: the model's commands run on this machine, without protection, as the user who runs this (no Docker "
        "engine answers, or sandbox=local was asked for)"
    )
    return "local", None


def _docker_answers() -> bool:
    try:
        found = subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0
