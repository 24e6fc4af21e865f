"""Recipes: precedence, refusals that name the key, and one real run in a run folder."""

import json

import pytest

from confessions.errors import ConfessionsError
from confessions.experiments.recipe import (
    Judges,
    Recipe,
    RecipeError,
    answer_rewards,
    grpo_settings,
    load_recipe,
    train_recipe,
    training_rows,
)
from confessions.judges.confessions import UNREADABLE
from confessions.scenarios import WritingScenario, writing_scenarios


@pytest.fixture
def recipe_file(tmp_path):
    def write(text):
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        return path

    return write


def test_an_empty_recipe_is_the_default(recipe_file):
    assert load_recipe(recipe_file("")) == Recipe()


def test_the_command_line_outweighs_the_file(recipe_file):
    path = recipe_file("seed = 3\n[grpo]\nmax_steps = 5\n[judges]\nlooks = 2\n")
    recipe = load_recipe(
        path, ["grpo.max_steps=9", "grpo.loss_type=dr_grpo", "judges.answers.fluency=0.5", "lora.rank=4"]
    )
    assert recipe.seed == 3 and recipe.judges.looks == 2
    assert recipe.grpo == {"max_steps": 9, "loss_type": "dr_grpo"}
    assert recipe.judges.answers == {"fluency": 0.5}
    assert recipe.lora is not None and recipe.lora.rank == 4


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("sead = 1", [], "recipe.toml does not fit: sead: Extra inputs"),
        ("prompts = 0", [], "prompts: Input should be greater"),
        ("[judges]\nconfessions = 'kind'", [], "judges.confessions: Input should be 'spot_check', 'exact'"),
        ("[judges]\nconfessions = 'rubric'", [], 'judges: Value error, confessions = "rubric" and a table'),
        ("[judges.rubric]\nmodel = 'openai/gpt-5'", [], 'judges: Value error, confessions = "rubric" and a table'),
        ("seed =", [], "recipe.toml is not TOML"),
        ("", ["seed"], 'takes KEY=VALUE, such as grpo.max_steps=20, not "seed"'),
        ("seed = 1", ["seed.a=1"], '"seed" is a value, not a table'),
    ],
)
def test_a_wrong_recipe_is_named(recipe_file, text, overrides, message):
    with pytest.raises(RecipeError, match=message.replace(".", r"\.")):
        load_recipe(recipe_file(text), overrides)


@pytest.mark.parametrize(
    ("grpo", "message"),
    [
        ({"max_step": 5}, r"grpo\.max_step is no setting of ConfessionConfig \(did you mean \"max_steps\"\?\)"),
        ({"output_dir": "x"}, r"grpo\.output_dir is set by --out"),
        ({"reward_weights": [1.0]}, r"grpo\.reward_weights is set by judges\.answers"),
    ],
)
def test_a_wrong_grpo_key_is_named(tmp_path, grpo, message):
    with pytest.raises(RecipeError, match=message):
        grpo_settings(Recipe(grpo=grpo), tmp_path)


def test_the_grpo_table_outweighs_the_defaults(tmp_path):
    settings = grpo_settings(Recipe(seed=7, grpo={"learning_rate": 1.0}), tmp_path)
    assert settings["seed"] == 7 and settings["learning_rate"] == 1.0 and settings["output_dir"] == str(tmp_path)


def test_answer_rewards_keep_the_order_of_their_weights():
    functions, weights = answer_rewards(Judges(answers={"brevity": 0.2, "rules_kept": 1.0}), seed=0)
    assert [function.__name__ for function in functions] == ["brevity", "rules_kept"]
    assert weights == [0.2, 1.0]


def test_the_judges_read_the_rows():
    scenarios = writing_scenarios("train", "training", 0, 3)
    rows = training_rows(scenarios)
    assert [WritingScenario.from_json(row["scenario"]) for row in rows] == scenarios
    answers = [[{"role": "assistant", "content": "A text.\nKept: 1, 2, 3."}]] * 3
    for function in answer_rewards(Judges(answers={"claimed_rules_kept": 1.0, "fluency": 1.0}), seed=0)[0]:
        rewards = function(completions=answers, prompts=rows, scenario=[row["scenario"] for row in rows])
        assert all(0 <= reward <= 1 for reward in rewards)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    from confessions.models.corpus import build_tokenizer
    from confessions.models.pretrain import PretrainConfig, build_model, save

    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = build_tokenizer()
    shape = PretrainConfig(hidden_size=16, intermediate_size=32, layers=1, heads=2)
    save(build_model(shape, tokenizer), tokenizer, folder)
    return folder


SETTINGS = """
prompts = 8
[lora]
rank = 2
[grpo]
max_steps = 2
save_steps = 1
per_device_train_batch_size = 4
num_generations = 2
max_completion_length = 4
max_confession_length = 6
confession_probability = 0.5
use_cpu = true
disable_tqdm = true
"""


def test_a_recipe_trains_in_a_run_folder_that_is_never_overwritten(recipe_file, tiny_model, tmp_path):
    path = recipe_file(f"model = '{tiny_model}'\n{SETTINGS}")
    out = tmp_path / "run"
    trained = train_recipe(path, out=out)
    assert trained == out / "model" and (trained / "adapter_config.json").is_file()
    config = json.loads((out / "config.json").read_text())
    assert config["recipe"]["prompts"] == 8 and config["max_steps"] == 2 and len(config["weights_sha256"]) == 64
    assert (out / "metrics.jsonl").read_text().count("\n") >= 2
    with pytest.raises(ConfessionsError, match="finished run"):
        train_recipe(path, out=out)


def test_a_recipe_may_have_a_model_rate_confessions(recipe_file, tiny_model, tmp_path):
    path = recipe_file(f"model = '{tiny_model}'\n{SETTINGS}\n[judges]\nconfessions = 'rubric'\n")
    judge = ["judges.rubric.model=mockllm/model", f"judges.rubric.calibration={tiny_model}"]
    train_recipe(path, out=tmp_path / "run", overrides=judge)
    rewards = [
        entry["confessions/rewards/rubric_honesty/mean"]
        for entry in map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
        if "confessions/rewards/rubric_honesty/mean" in entry
    ]
    # What so small a model writes cannot be read.
    assert rewards and set(rewards) == {UNREADABLE}
    with pytest.raises(ConfessionsError, match="the rubric judge nowhere/model cannot be opened"):
        train_recipe(path, out=tmp_path / "other", overrides=["judges.rubric.model=nowhere/model"])


def test_settings_that_do_not_go_together_are_named(recipe_file, tiny_model, tmp_path):
    path = recipe_file(f"model = '{tiny_model}'\n{SETTINGS}")
    with pytest.raises(ConfessionsError, match=r"confession_probability is 2; it should lie in \[0, 1\]"):
        train_recipe(path, out=tmp_path / "run", overrides=["grpo.confession_probability=2"])
    with pytest.raises(ConfessionsError, match='no model is called "nobody"'):
        train_recipe(path, out=tmp_path / "run", overrides=["model=nobody"])
    assert not list((tmp_path / "run").rglob("*.json"))
