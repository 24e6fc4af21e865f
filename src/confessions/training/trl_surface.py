"""TRL's private surface that `ConfessionTrainer` stands on, named in this one place.

TRL promises nothing about these names between releases. `changed_surface` compares them with the installed TRL, so
that a release which moves one is met by an error that names it, not by a run that trains something else.
"""

import inspect

from trl import GRPOTrainer

from confessions.errors import ConfessionsError

OVERRIDDEN = {
    "_generate_and_score_completions": ("inputs",),
    "_get_per_token_logps_and_entropies": (
        "model",
        "input_ids",
        "attention_mask",
        "logits_to_keep",
        "batch_size",
        "compute_entropy",
        "compute_aux_loss",
        "pixel_values",
        "image_grid_thw",
        "num_images",
        "pixel_attention_mask",
        "spatial_shapes",
        "num_tiles",
        "image_sizes",
        "token_type_ids",
        "mm_token_type_ids",
        "image_position_ids",
    ),
    "_calculate_rewards": ("inputs", "prompts", "completions", "completion_ids_list"),
    "_generate_single_turn": ("prompt_ids", "images", "multimodal_fields", "num_generations", "has_tool_images"),
    "_get_grad_norm": ("model", "grad_norm"),
    "_save_checkpoint": ("model", "trial"),
    "_save_rng_state": ("output_dir",),
}
"""Methods that `ConfessionTrainer` overrides and calls through `super()`, with their parameters after `self`."""

CALLED = {
    "_compute_loss": ("model", "inputs"),
    "_tokenize_prompts": ("prompts",),
    "_log_completion_extra": ("column", "values"),
    "_log_metric": ("name", "value"),
}
"""Methods that `ConfessionTrainer` calls, with their parameters after `self`."""

ATTRIBUTES = (
    "_dist",
    "_is_vlm",
    "_metrics",
    "_tokenizer",
    "aux_loss_enabled",
    "chat_template",
    "chat_template_kwargs",
    "eos_token_ids",
    "max_completion_length",
    "model_wrapped",
    "num_generations",
    "reward_func_names",
    "reward_weights",
    "rollout_func",
    "use_vllm",
)
"""Attributes of a constructed trainer that are read; `rollout_func` is also set."""

SAMPLER_ATTRIBUTES = {False: ("generation_config", "generation_kwargs"), True: ("vllm_generation",)}
"""Attributes that hold the length limit, which is set for each channel; by whether vLLM samples."""

VLLM_GENERATE = ("prompts", "images", "num_generations", "profiler")
"""Parameters of `VLLMGeneration.generate`, which reads the limit `max_completion_length` anew in each call."""

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
    sampler = SAMPLER_ATTRIBUTES[bool(getattr(trainer, "use_vllm", False))]
    return [f"attribute {name} is gone" for name in (*ATTRIBUTES, *sampler) if not hasattr(trainer, name)]


def require_known_surface(changes: list[str]) -> None:
    """Raise a `TrlSurfaceError` that lists the changes, if there are any."""
    if changes:
        import trl

        raise TrlSurfaceError(
            f"TRL {trl.__version__} differs from the release this package is written for (1.16): {'; '.join(changes)}"
        )
