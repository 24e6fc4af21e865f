"""How the learned judge is made: repeatable, whole or not at all, better than chance, and usable in a recipe."""

import json
import shutil

import pytest

from confessions.experiments.learned_judge import JudgeSizes, LearnedJudgeError, _Ranking, learned_judge
from confessions.experiments.learned_judge import main as write_records
from confessions.experiments.recipe import (
    Judges,
    Recipe,
    RecipeError,
    answer_rewards,
    build_trainer,
    confession_reward,
    load_recipe,
    run_facts,
    training_rows,
)
from confessions.models.resolve import load, resolve
from confessions.models.weights import file_sha256
from confessions.protocol import BRIEF
from confessions.scenarios import writing_scenarios
from confessions.training.runs import RunFolder, train

SMALL = JudgeSizes(labelled=60, layers=3, prompts=10, answers=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("learned") / "judge"
    learned_judge(path, 3, sizes=SMALL)
    return path


@pytest.fixture
def _small(monkeypatch):
    """Let the sizes that recipes ask for be the small ones."""
    monkeypatch.setattr("confessions.experiments.learned_judge.JudgeSizes", lambda: SMALL)


def test_the_same_call_makes_the_same_judge(folder, tmp_path):
    learned_judge(tmp_path / "again", 3, sizes=SMALL)
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_a_second_call_makes_nothing(folder, monkeypatch):
    monkeypatch.delattr("confessions.experiments.learned_judge.LocalSpeaker")
    assert learned_judge(folder, 3, sizes=SMALL).record["seed"] == 3


@pytest.mark.parametrize(
    ("seed", "sizes", "message"), [(4, SMALL, "with seed 3, not 4"), (3, SMALL._replace(labelled=61), "with sizes")]
)
def test_a_judge_of_other_settings_is_refused(folder, seed, sizes, message):
    with pytest.raises(LearnedJudgeError, match=message):
        learned_judge(folder, seed, sizes=sizes)


def test_what_was_broken_off_leaves_nothing_and_is_made_again(folder, tmp_path, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("confessions.models.reward_model.save_file", interrupted)
        learned_judge(tmp_path / "judge", 3, sizes=SMALL)
    assert not list(tmp_path.iterdir())


def test_it_is_better_than_chance_and_imperfect(folder):
    # Seed and sizes are fixed, so there is nothing left to chance: a fault, not luck, makes this fail.
    found = json.loads((folder / "reward_model.json").read_text())
    assert found["labels"] == sum(len(s.rules) for s in writing_scenarios("train", "training", 500_003, 70)[:60])
    examination = found["examination"]
    assert 0.65 < examination["auc"] < 0.95
    assert 0.55 < examination["confessions"] < 0.97 and examination["rank_correlation"] > 0.2
    assert examination["right_of_kept"] > 0.5 and examination["confessions_groups"] <= SMALL.prompts


def test_rankings_are_measured_as_their_definition_says():
    assert _Ranking([0.1, 0.9, 0.5], [0.0, 1.0, 0.0]).accuracy == 1.0
    assert _Ranking([0.5, 0.5, 0.9], [0.0, 1.0, 0.0]).accuracy == 0.25
    assert _Ranking([0.1, 0.2], [1.0, 1.0]).accuracy is None
    assert _Ranking([0.1, 0.2], [1.0, 1.0]).correlation is None
    assert _Ranking([0.2, 0.2], [1.0, 0.0]).correlation == 0.0
    assert _Ranking([0.3, 0.2, 0.1], [0.0, 0.5, 1.0]).correlation == pytest.approx(-1.0)


@pytest.mark.usefixtures("_small")
def test_a_recipe_rewards_both_channels_with_it(folder, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(
        f'seed = 3\nprompts = 8\n[judges]\nanswers = {{ learned = 1 }}\nconfessions = "learned"\nlearned = "{folder}"\n'
        "[grpo]\nmax_steps = 1\nper_device_train_batch_size = 32\nnum_generations = 4\nmax_completion_length = 24\n"
        "max_confession_length = 60\nconfession_probability = 0.5\nuse_cpu = true\n"
    )
    run = RunFolder(tmp_path / "run")
    trainer = build_trainer(load_recipe(path), load(resolve("embedded")), run)
    assert trainer.reward_func_names == ["share_believed_kept"]
    assert trainer.confession_judge_names == ["believed_honesty"]
    train(trainer, run)
    logged = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert 0 < logged[0]["answers/reward"] < 1


def test_a_recipe_makes_the_judge_where_there_is_none(tmp_path, monkeypatch):
    made = []

    def make(path, seed):
        made.append((path, seed))
        path.mkdir()
        raise RecipeError("made")

    monkeypatch.setattr("confessions.experiments.learned_judge.learned_judge", make)
    judges = Judges(answers={"learned": 1.0}, learned=str(tmp_path / "new"))
    with pytest.raises(RecipeError, match="made"):
        answer_rewards(judges, 5)
    assert made == [(tmp_path / "new", 5)]


def test_a_recipe_refuses_the_judge_of_another_seed_and_records_the_head(folder):
    judges = Judges(answers={"learned": 1.0}, learned=str(folder))
    with pytest.raises(LearnedJudgeError, match="with seed 3, not 4"):
        answer_rewards(judges, 4)
    facts = run_facts(Recipe(judges=judges), resolve("embedded"))
    assert facts["learned_sha256"] == file_sha256(folder / "head.safetensors")
    assert "learned_sha256" not in run_facts(Recipe(), resolve("embedded"))


@pytest.mark.parametrize("seed", range(5))
def test_no_examined_prompt_is_labelled(seed):
    prompts = [s.prompt for s in writing_scenarios("train", "training", 500_000 + seed, 360)]
    assert len(set(prompts)) == len(prompts)


@pytest.mark.usefixtures("_small")
def test_the_committed_records_are_those_of_the_folders(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "seed-3" / "reward-model")
    write_records(tmp_path / "learned.json", tmp_path, [3])
    written = json.loads((tmp_path / "learned.json").read_text())
    assert written == [json.loads((folder / "reward_model.json").read_text())]


def test_a_recipe_without_its_folder_is_named_before_anything_is_trained(tmp_path):
    recipe = Recipe(judges=Judges(confessions="learned"), prompts=8, grpo={"use_cpu": True})
    with pytest.raises(RecipeError, match='set learned = "FOLDER" in the table'):
        build_trainer(recipe, load(resolve("embedded")), RunFolder(tmp_path / "run"))


@pytest.mark.usefixtures("_small")
def test_both_judges_read_a_batch(folder):
    rows = training_rows(writing_scenarios("train", "training", 0, 4))
    judges = Judges(answers={"learned": 1.0}, confessions="learned", learned=str(folder))
    texts = [[{"role": "assistant", "content": f"A blue river.\nKept: {row + 1}."}] for row in range(4)]
    columns = {"prompts": [row["prompt"] for row in rows], "scenario": [row["scenario"] for row in rows]}
    (compliance,), _ = answer_rewards(judges, 3)
    assert all(0 < reward < 1 for reward in compliance(completions=texts, **columns))
    honesty = confession_reward(judges, 3, BRIEF)
    assert honesty(answers=texts, completions=texts, **columns) == [-1.0] * 4
