"""TRL's private surface that `ConfessionTrainer` stands on, named in this one place.

TRL promises nothing about these names between releases. `changed_surface` compares them with the installed TRL, so
that a release which moves one is met by an error that names it, not by a run that trains something else.
"""

import inspect

from trl import GRPOTrainer

from confessions.errors import ConfessionsError

OVERRIDDEN = {
    "_generate_and_score_completions": ("inputs",),
    "_calculate_rewards": ("inputs", "prompts", "completions", "completion_ids_list"),
    "_save_checkpoint": ("model", "trial"),
}
"""Methods that `ConfessionTrainer` overrides and calls through `super()`, with their parameters after `self`."""

CALLED = {
    "_compute_loss": ("model", "inputs"),
    "_tokenize_prompts": ("prompts",),
    "_generate_single_turn": ("prompt_ids", "images", "multimodal_fields", "num_generations", "has_tool_images"),
    "_log_completion_extra": ("column", "values"),
    "_log_metric": ("name", "value"),
}
"""Methods that `ConfessionTrainer` calls, with their parameters after `self`."""

ATTRIBUTES = (
    "_metrics",
    "_tokenizer",
    "aux_loss_enabled",
    "chat_template",
    "chat_template_kwargs",
    "eos_token_ids",
    "generation_config",
    "generation_kwargs",
    "max_completion_length",
    "num_generations",
    "reward_func_names",
    "reward_weights",
    "rollout_func",
)
"""Attributes of a constructed trainer that are read; `rollout_func` and the generation limits are also set."""

OUTPUT_KEYS = ("completion_mask", "advantages", "num_items_in_batch")
"""Entries of what `_generate_and_score_completions` returns that are read or replaced."""


class TrlSurfaceError(ConfessionsError):
    """Name the part of TRL that is not as `ConfessionTrainer` knows it."""


def changed_methods(trainer_class: type = GRPOTrainer) -> list[str]:
    """Describe each method of the surface whose signature differs from the one known."""
    changes = []
    for name, known in {**OVERRIDDEN, **CALLED}.items():
        method = getattr(trainer_class, name, None)
        if method is None:
            changes.append(f"{name} is gone")
            continue
        found = tuple(inspect.signature(method).parameters)[1:]
        if found != known:
            changes.append(f"{name} takes ({', '.join(found)}), known is ({', '.join(known)})")
    return changes


def changed_attributes(trainer: object) -> list[str]:
    """Describe each attribute of the surface that a constructed trainer lacks."""
    return [f"attribute {name} is gone" for name in ATTRIBUTES if not hasattr(trainer, name)]


def require_known_surface(changes: list[str]) -> None:
    """Raise a `TrlSurfaceError` that lists the changes, if there are any."""
    if changes:
        import trl

        raise TrlSurfaceError(
            f"TRL {trl.__version__} differs from the release this package is written for (1.16): {'; '.join(changes)}"
        )
