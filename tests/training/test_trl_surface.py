"""The contract with TRL: each private name that the trainer stands on is there, as known, and is really used."""

import pytest
import tiny_policy as tiny
from trl import GRPOTrainer

from confessions.training.trainer import ConfessionTrainer
from confessions.training.trl_surface import (
    ATTRIBUTES,
    CALLED,
    OUTPUT_KEYS,
    OVERRIDDEN,
    TrlSurfaceError,
    changed_attributes,
    changed_methods,
    require_known_surface,
)


def test_the_installed_trl_is_as_known(tmp_path):
    assert changed_methods() == []
    assert changed_attributes(tiny.make_trainer(tmp_path)) == []


def test_what_is_overridden_and_nothing_else_is_listed():
    private = {name for name in vars(ConfessionTrainer) if name.startswith("_") and not name.startswith("__")}
    assert {name for name in private if hasattr(GRPOTrainer, name)} == set(OVERRIDDEN)


@pytest.mark.parametrize("name", [*OVERRIDDEN, *CALLED])
def test_a_change_of_a_method_is_named(name):
    changed = type("Changed", (GRPOTrainer,), {name: lambda self, something: None})
    assert changed_methods(changed) == [
        f"{name} takes (something), known is ({', '.join({**OVERRIDDEN, **CALLED}[name])})"
    ]


def test_a_changed_trl_stops_the_trainer_by_name():
    with pytest.raises(TrlSurfaceError, match="TRL 1.16.* differs .*_tokenize_prompts is gone"):
        require_known_surface(["_tokenize_prompts is gone"])


def test_every_method_is_called_in_training(tmp_path, monkeypatch):
    called = set()

    def spy_on(name):
        original = getattr(GRPOTrainer, name)

        def spy(self, *args, **kwargs):
            called.add(name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(GRPOTrainer, name, spy)

    for name in {**OVERRIDDEN, **CALLED}:
        spy_on(name)
    monkeypatch.setattr("confessions.training.trainer.changed_methods", list)

    def judge(completions, log_metric, log_extra, **columns):
        log_metric("one", 1.0)
        log_extra("two", [2] * len(completions))
        return tiny.confession_reward(completions, **columns)

    trainer = tiny.make_trainer(
        tmp_path, judge=judge, confession_probability=1.0, max_steps=1, save_strategy="steps", save_steps=1
    )
    trainer.scores_contexts_once = False  # else TRL's own scoring has nothing to do
    trainer.train()
    assert called == set(OVERRIDDEN) | set(CALLED)


def test_the_output_of_a_generation_batch_holds_what_is_read(tmp_path):
    trainer = tiny.make_trainer(tmp_path, confession_probability=0.0, judge=None)
    output = trainer._generate_and_score_completions(tiny.first_batch(trainer))
    assert set(OUTPUT_KEYS) <= set(output)
    assert output["advantages"].shape == (len(output["completion_mask"]),)
    assert output["num_items_in_batch"].ndim == 0


def test_trls_metrics_that_are_restated_exist(tmp_path):
    trainer = tiny.make_trainer(tmp_path, confession_probability=0.0, judge=None, max_steps=1)
    trainer.train()
    log = trainer.state.log_history[0]
    lengths = {f"completions/{name}_{kind}length" for name in ("mean", "min", "max") for kind in ("", "terminated_")}
    assert lengths | {"completions/clipped_ratio", "frac_reward_zero_std"} <= set(log)


def test_the_surface_lists_each_attribute_once():
    assert len(set(ATTRIBUTES)) == len(ATTRIBUTES)
