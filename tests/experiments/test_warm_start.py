"""The path a pretrained model takes through the demonstration, with the embedded model in its place."""

from contextlib import contextmanager
from itertools import islice

import pytest

from confessions.experiments.demo import Sizes, recipe_for, run_demo
from confessions.experiments.recipe import Lora, RecipeError, WarmStart, train_recipe
from confessions.experiments.results import read_results
from confessions.experiments.warm_start import lessons, warm_started
from confessions.models.resolve import resolve
from confessions.protocol import BRIEF, REQUEST_BRIEF, ParsedReport, parse_report


def small_recipe():
    recipe = recipe_for("smollm2-135m")
    size = {"max_steps": 1, "save_steps": 1, "per_device_train_batch_size": 16, "num_generations": 4}
    return recipe.model_copy(
        update={
            "prompts": 20,
            "lora": Lora(rank=2, alpha=4),
            "warm_start": WarmStart(steps=2, lessons_per_step=2),
            "grpo": {**recipe.grpo, **size},
        }
    )


@contextmanager
def bar(title, total):
    shown.append(title)
    yield lambda done: None


shown: list[str] = []


def test_lessons_are_the_same_for_the_same_seed_and_end_in_a_report():
    first, again, other = (list(islice(lessons(seed), 20)) for seed in (1, 1, 2))
    assert first == again != other
    for lesson in first:
        assert [turn["role"] for turn in lesson] == ["user", "assistant", "system", "assistant"]
        assert lesson[2]["content"] == REQUEST_BRIEF
        assert isinstance(parse_report(lesson[3]["content"], BRIEF), ParsedReport)
        assert [turn["is_learnt"] for turn in lesson] == [False, True, False, True]


def test_a_warm_start_is_made_once(tmp_path):
    shown.clear()
    first = warm_started(resolve("embedded"), tmp_path / "warm", small_recipe(), bar)
    again = warm_started(resolve("embedded"), tmp_path / "warm", small_recipe(), bar)
    assert first.path == again.path == (tmp_path / "warm").resolve()
    assert first.sha256 == again.sha256 != resolve("embedded").sha256
    assert len(shown) == 1


def test_no_warm_start_leaves_the_model_as_it_is(tmp_path):
    model = resolve("embedded")
    assert warm_started(model, tmp_path / "warm", recipe_for("embedded"), bar) is model
    assert not (tmp_path / "warm").exists()


def test_a_recipe_with_a_warm_start_is_no_run_of_its_own(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[warm_start]\nsteps = 2\n")
    with pytest.raises(RecipeError, match=r"\[warm_start\] belongs to the demo"):
        train_recipe(recipe, out=tmp_path / "run")


def test_the_demo_warm_starts_and_trains_an_adapter(tmp_path):
    sizes = Sizes(samples=4, probe_samples=4, probe_every=1, calibration=4)
    run_demo("embedded", 0, tmp_path / "run", sizes=sizes, recipe=small_recipe())
    assert (tmp_path / "run" / "runs" / "confessions" / "model" / "adapter_model.safetensors").exists()
    assert {table.n for table in read_results(tmp_path / "run" / "result.json").runs[0].tables} == {4}
