"""Check a folder of weights before anything is loaded from it, and write such a folder all or nothing.

A folder is whole when its configuration, tokenizer and every weight file are there, no safetensors file is shorter than
its own header says, and every file named in its SHA256SUMS (if it has one) has the hash written there.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from confessions.errors import ConfessionsError

SUMS = "SHA256SUMS"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")


class ModelError(ConfessionsError):
    """A model that is unknown, cannot be had, or whose files are damaged."""


class Weights(NamedTuple):
    """What a whole folder holds; `parameters` is None where the weights only amend another model's."""

    sha256: str
    parameters: int | None


def check_folder(folder: Path, remedy: str) -> Weights:
    """Check a model folder and tell its weights' hash and size.

    The hash is the weight file's own; of several files it is that of their list in the form of SHA256SUMS.
    Raises: ModelError naming the file, what was expected and what was found, and `remedy`.
    """
    is_adapter = (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file()
    if not is_adapter:
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder} has no config.json: it is no model in Hugging Face format; {remedy}")
        if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
            raise ModelError(
                f"{folder} has no tokenizer ({' or '.join(_TOKENIZER_FILES[:3])}); save the tokenizer beside the "
                f"weights with tokenizer.save_pretrained, or {remedy}"
            )
    files = [folder / "adapter_model.safetensors"] if is_adapter else _weight_files(folder, remedy)
    sums = _read_sums(folder, remedy)
    for name in sums:
        if not (folder / name).is_file():
            raise ModelError(f"{folder / name} is missing, though {SUMS} lists it; {remedy}")
    parameters = sum(_safetensors_parameters(file, remedy) for file in files)
    hashes = {file.name: file_sha256(file) for file in files}
    for name, expected in sums.items():
        found = hashes.get(name) or file_sha256(folder / name)
        if found != expected:
            raise ModelError(f"{folder / name} has the wrong hash: expected sha256 {expected}, found {found}; {remedy}")
    return Weights(_joint_hash(hashes), None if is_adapter else parameters)


def file_sha256(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path, names: Iterable[str] | None = None) -> None:
    """Write the SHA256SUMS of a folder's files, or of those named."""
    chosen = sorted(names if names is not None else (path.name for path in folder.iterdir() if path.is_file()))
    lines = [f"{file_sha256(folder / name)}  {name}\n" for name in chosen if name != SUMS]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def cache_folder() -> Path:
    """Name the folder for what has been fetched: CONFESSIONS_CACHE, else the user's cache folder."""
    chosen = os.environ.get("CONFESSIONS_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "confessions"


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a folder beside `folder`, add its SHA256SUMS, and only then give it its name.

    Whatever goes wrong leaves nothing behind. Where another process was faster its folder stays.
    Raises: ModelError where the disk is full or the folder cannot be written.
    """
    with writing_to(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            fill(staging)
            write_sums(staging)
            staging.chmod(0o755)
            try:
                staging.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def writing_to(folder: Path | str) -> Iterator[None]:
    """Turn a full disk or a folder that refuses writing into an error that says what to do."""
    try:
        yield
    except Exception as error:
        advice = "make room, or set CONFESSIONS_CACHE to a folder on another disk"
        if _is_disk_full(error):
            raise ModelError(
                f"the disk is full: {folder} cannot be written; {advice}. Nothing was left behind"
            ) from error
        if isinstance(error, PermissionError):
            raise ModelError(f"{folder} cannot be written ({error.strerror}); {advice}") from error
        raise


def _is_disk_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        # safetensors and torch report the operating system's errors as text.
        if any(sign in str(error) for sign in ("os error 28", "No space left on device", "PytorchStreamWriter failed")):
            return True
        error = error.__cause__ or error.__context__
    return False


def _weight_files(folder: Path, remedy: str) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        weight_map = _read_json(index, remedy).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise ModelError(f"{index} has no weight_map; {remedy}")
        files = [folder / name for name in sorted(set(weight_map.values()))]
    else:
        files = [folder / "model.safetensors"]
    for file in files:
        if not file.is_file():
            others = sorted(path.name for path in folder.glob("*.bin"))
            hint = f" ({others[0]} is not read: save the model as safetensors)" if others else ""
            raise ModelError(f"the weight file {file} is missing{hint}; {remedy}")
    return files


def _safetensors_parameters(path: Path, remedy: str) -> int:
    """Count the numbers in a safetensors file from its header, and check that the file is as long as it says."""
    if not path.is_file():
        raise ModelError(f"the weight file {path} is missing; {remedy}")
    found = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if found < 8 or length > found - 8:
            raise ModelError(
                f"{path} is truncated: expected a header of {length} bytes, found {max(found - 8, 0)}; {remedy}"
            )
        try:
            header = json.loads(file.read(length))
            tensors = [entry for name, entry in header.items() if name != "__metadata__"]
            expected = 8 + length + max((int(entry["data_offsets"][1]) for entry in tensors), default=0)
            parameters = sum(_product(entry["shape"]) for entry in tensors)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise ModelError(f"{path} is no safetensors file: its header cannot be read; {remedy}") from error
    if found != expected:
        kind = "truncated" if found < expected else "too long"
        raise ModelError(f"{path} is {kind}: expected {expected} bytes, found {found}; {remedy}")
    return parameters


def _product(shape: list[int]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


def _read_sums(folder: Path, remedy: str) -> dict[str, str]:
    path = folder / SUMS
    if not path.is_file():
        return {}
    sums = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        expected, _, name = line.partition("  ")
        # A listed name is a file of this folder, never a path out of it.
        if len(expected) != 64 or not name or Path(name).name != name:
            raise ModelError(f'{path} line {number} is not "<sha256>  <file>"; {remedy}')
        sums[name] = expected.lower()
    return sums


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}; {remedy}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} is no JSON object; {remedy}")
    return value


def _joint_hash(hashes: dict[str, str]) -> str:
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
