"""Imports point one way, and the heavy libraries stay in the rooms that are for them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import confessions

PACKAGE = Path(confessions.__file__).parent

ROOMS_BELOW = {
    "errors": set(),
    "protocol": {"errors"},
    "scenarios": {"errors", "protocol"},
    "judges": {"errors", "protocol", "scenarios"},
    "models": {"errors", "protocol", "scenarios"},
    "training": {"errors", "protocol", "scenarios", "judges", "models"},
    "evaluation": {"errors", "protocol", "scenarios", "judges", "models"},
    "monitor": {"errors", "protocol", "judges", "models"},
    "experiments": {"errors", "protocol", "scenarios", "judges", "models", "training", "evaluation", "monitor"},
}
ROOMS_BELOW["cli"] = set(ROOMS_BELOW)
ROOMS_BELOW["__main__"] = {"cli"}

ROOMS_OF_LIBRARY = {
    "torch": {"models", "training"},
    "transformers": {"models", "training"},
    "tokenizers": {"models", "training"},
    "safetensors": {"models", "training"},
    "trl": {"models", "training"},
    "peft": {"models", "training"},
    "accelerate": {"models", "training"},
    "gguf": {"models"},
    "huggingface_hub": {"models"},
    "matplotlib": {"experiments"},
    "jinja2": {"experiments"},
    "json_repair": {"protocol"},
    "click": {"cli"},
    "inspect_ai": {"evaluation", "judges"},
    "llguidance": {"models"},
    "fastapi": {"monitor"},
    "starlette": {"monitor"},
    "uvicorn": {"monitor"},
    "flask": {"monitor"},
    "aiohttp": {"monitor"},
}

LIBRARIES_OF_ROOM = {"errors": set(), "protocol": {"pydantic", "json_repair"}, "scenarios": {"pydantic"}}
"""All that these rooms may import besides the standard library: they are installed without any extra."""

NAMES_OF_NO_ROOM = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "base_utils"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    """List the dotted names a module imports, wherever in the file it does so."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            folder = path.parent
            for _ in range(node.level - 1):
                folder = folder.parent
            base = ".".join(folder.relative_to(PACKAGE.parent).parts) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            names += [f"{module}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_import_only_rooms_below(path):
    room = room_of(path)
    if room == "__init__":
        assert not [name for name in imports(path) if name.startswith("confessions")]
        return
    assert room in ROOMS_BELOW, f"{room} is no room: name it in architecture and here, or put the file into one"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "confessions" and len(parts) > 1 and parts[1] != "__version__":
            assert parts[1] in ROOMS_BELOW[room] | {room}, f"{room} imports {parts[1]}, which is not below it"
        allowed = ROOMS_OF_LIBRARY.get(parts[0])
        assert allowed is None or room in allowed, f"{room} imports {parts[0]}, which belongs to {sorted(allowed)}"
        known = LIBRARIES_OF_ROOM.get(room, {parts[0]}) | sys.stdlib_module_names | {"confessions"}
        assert parts[0] in known, f"{room} imports {parts[0]}, but should need no library of its own for it"


def test_no_room_imports_one_that_imports_it():
    for room, below in ROOMS_BELOW.items():
        for other in below:
            assert other == room or room not in ROOMS_BELOW[other], f"{room} and {other} may import each other"
    beside = {"training", "evaluation", "monitor"}
    assert not any(ROOMS_BELOW[room] & beside for room in beside)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_named_for_what_it_holds(path):
    names = {part.removesuffix(".py").strip("_") for part in path.relative_to(PACKAGE).parts}
    assert not names & NAMES_OF_NO_ROOM, "a thing lives in the room whose noun it is"


def test_the_check_sees_a_wrong_import(tmp_path, monkeypatch):
    package = tmp_path / "confessions"
    (package / "judges").mkdir(parents=True)
    module = package / "judges" / "made_up.py"
    module.write_text("def late():\n    from ..cli import main\n    import torch.nn\n    return main, torch\n")
    monkeypatch.setitem(globals(), "PACKAGE", package)
    assert imports(module) == ["confessions.cli.main", "torch.nn"]
    with pytest.raises(AssertionError, match="judges imports cli"):
        test_rooms_import_only_rooms_below(module)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("confessions.cli", {"torch", "transformers", "trl", "matplotlib", "scipy", "numpy"}),
        ("confessions.protocol", {"torch", "transformers", "trl", "matplotlib", "scipy", "numpy", "click"}),
        ("confessions.scenarios", {"torch", "transformers", "trl", "matplotlib"}),
        ("confessions.judges", {"torch", "transformers", "trl", "matplotlib"}),
        ("confessions.evaluation", {"torch", "transformers", "trl", "matplotlib", "inspect_ai"}),
        ("confessions.evaluation.registry", {"torch", "transformers", "trl", "matplotlib"}),
    ],
)
def test_light_rooms_load_nothing_heavy(module, heavy):
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not heavy & set(loaded)
