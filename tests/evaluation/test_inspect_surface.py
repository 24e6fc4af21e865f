"""What is used of Inspect AI besides its public names: a release that changes one of these fails here, by name."""

import ast
import inspect
from pathlib import Path

from inspect_ai._eval.loader import load_tasks
from inspect_ai.model import GenerateConfig
from inspect_ai.model._generate_config import active_generate_config
from inspect_ai.model._providers.hf import HuggingFaceAPI
from inspect_ai.model._providers.util import HFHandler

import confessions

PRIVATE = {
    "inspect_ai._eval.loader.load_tasks",
    "inspect_ai.model._generate_config.active_generate_config",
    "inspect_ai.model._providers.hf.HuggingFaceAPI",
    "inspect_ai.model._providers.util.HFHandler",
}


def private_names():
    found = set()
    for path in Path(confessions.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("inspect_ai"):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {name for name in names if any(part.startswith("_") for part in name.split("."))}
    return found


def test_these_are_all_private_names_in_use():
    assert private_names() == PRIVATE


def test_tasks_are_loaded_by_a_list_of_names_and_arguments():
    assert list(inspect.signature(load_tasks).parameters)[:2] == ["task_specs", "task_args"]
    assert load_tasks(["confessions/word_count"], {"samples": 2})[0].dataset[0].metadata["family"] == "word_count"


def test_the_settings_of_the_run_can_be_read():
    assert isinstance(active_generate_config(), GenerateConfig)


def test_the_hugging_face_provider_renders_and_reads_tools():
    assert list(inspect.signature(HuggingFaceAPI.hf_chat).parameters) == ["self", "messages", "tools"]
    assert list(inspect.signature(HFHandler.parse_assistant_response).parameters)[:3] == ["self", "response", "tools"]
