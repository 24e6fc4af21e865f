"""Register the provider of local models: `local/embedded`, `local/smollm2-135m`, `local/FOLDER`, `local/owner/name`."""

from __future__ import annotations

from inspect_ai.model import ModelAPI, modelapi

from confessions.errors import ConfessionsError


class LocalModelError(ConfessionsError):
    """Say what a local model lacks, or what of it cannot be had."""


@modelapi(name="local")
def local() -> type[ModelAPI]:
    """Import the provider when one of its models is first asked for: it needs torch.

    Raises: LocalModelError if the libraries it runs on are missing.
    """
    try:
        from confessions.evaluation.local_hf import LocalAPI
    except ImportError as error:
        raise LocalModelError(
            f"local models need more libraries ({error}): pip install 'confessions[local]'"
        ) from error
    return LocalAPI
