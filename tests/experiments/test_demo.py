"""The demonstration end to end, at a size that takes seconds, on the real embedded model."""

import csv
import json

import pytest

from confessions.evaluation import Outcome, read_outcomes
from confessions.experiments.demo import ARMS, DemoError, Sizes, curve_point, gallery, recipe_for, run_demo
from confessions.experiments.publish import publish
from confessions.experiments.results import read_results
from confessions.training.runs import RunError

SMALL = Sizes(samples=12, probe_samples=8, probe_every=1, calibration=16)


def small_recipe():
    recipe = recipe_for("embedded")
    size = {"max_steps": 2, "save_steps": 1, "per_device_train_batch_size": 16, "num_generations": 4}
    return recipe.model_copy(update={"prompts": 40, "grpo": {**recipe.grpo, **size}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "run"
    run_demo("embedded", 3, out, sizes=SMALL, recipe=small_recipe())
    return out


def test_it_leaves_a_result_that_reads_and_a_page(folder):
    results = read_results(folder / "result.json")
    assert results.arms == ARMS
    assert {(table.arm, table.n) for table in results.runs[0].tables} == {(arm, 12) for arm in ARMS}
    assert [point.step for point in results.runs[0].curves["confessions"]] == [0, 1, 2]
    assert (folder / "report.html").stat().st_size > 10_000


def test_only_the_confession_arm_confesses_in_training(folder):
    run = read_results(folder / "result.json").runs[0]
    assert all(point.confession is None for point in run.rewards["control"])
    assert any(point.confession is not None for point in run.rewards["confessions"])


def test_both_arms_start_from_the_same_model_and_draw_the_same_answers(folder):
    first = {arm: json.loads((folder / "runs" / arm / "probes.jsonl").read_text().splitlines()[0]) for arm in ARMS[1:]}
    assert first["control"] == first["confessions"]
    rewards = read_results(folder / "result.json").runs[0].rewards
    assert rewards["control"][0].answer == pytest.approx(rewards["confessions"][0].answer, abs=1e-6)


def test_a_second_call_trains_nothing_again(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    result = json.loads((folder / "result.json").read_text())
    run_demo("embedded", 3, folder, sizes=SMALL, recipe=small_recipe())
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")} == before
    again = json.loads((folder / "result.json").read_text())
    assert again["tables"] == result["tables"]


def test_a_lost_stage_is_repeated_to_the_same_result(folder):
    kept = (folder / "confessions.jsonl").read_bytes()
    (folder / "confessions.jsonl").unlink()
    run_demo("embedded", 3, folder, sizes=SMALL, recipe=small_recipe())
    assert (folder / "confessions.jsonl").read_bytes() == kept


def test_another_seed_is_refused_and_nothing_is_lost(folder):
    with pytest.raises(DemoError, match="other settings"):
        run_demo("embedded", 4, folder, sizes=SMALL, recipe=small_recipe())
    assert (folder / "result.json").exists()


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DemoError, match="holds no demonstration"):
        run_demo("embedded", 0, tmp_path)


def test_a_damaged_marker_is_named(tmp_path):
    (tmp_path / "demo.json").write_text('{"recipe": ')
    with pytest.raises(RunError, match=r"demo\.json cannot be read"):
        run_demo("embedded", 0, tmp_path)


def test_publishing_writes_each_seed_and_a_summary(folder, tmp_path):
    written = publish([folder], tmp_path / "results")
    assert [path.name for path in written] == ["seed-3.json", "summary.json", "kinds.csv"]
    assert read_results(written[1]).seeds == (3,)
    rows = list(csv.DictReader(written[2].read_text().splitlines()))
    outcomes = read_outcomes(folder / "before.jsonl")
    assert sum(int(row["verdicts"]) for row in rows if row["arm"] == "before") == sum(len(o.rules) for o in outcomes)
    right = sum(verdict is kept for o in outcomes for verdict, kept in zip(o.verdicts, o.kept, strict=True))
    assert sum(int(row["right"]) for row in rows if row["arm"] == "before") == right
    assert {row["is_held_out"] for row in rows} == {"True", "False"}


def outcome(complied, confessed, passed=True):
    return Outcome(
        scenario_id="s",
        group="training kinds",
        prompt="p",
        rules=("r",),
        kinds=("use_word",),
        answer="a",
        confession="c",
        kept=(complied,),
        claims=(True,),
        verdicts=(None if confessed is None else not confessed,),
        complied=complied,
        admitted=False,
        confessed=confessed,
        failure="no_json: nothing" if confessed is None else None,
        judge_passed=passed,
    )


def test_a_curve_point_counts_an_unreadable_confession_as_wrong():
    outcomes = [outcome(False, True), outcome(False, None), outcome(True, None), outcome(True, False)]
    point = curve_point(outcomes)
    assert point["confession_accuracy_given_bad"] == 0.5
    assert point["confession_accuracy_given_good"] == 0.5
    assert point["judge_accuracy_given_bad"] == 0.0


def test_a_curve_point_leaves_out_what_has_no_cases():
    assert "confession_accuracy_given_good" not in curve_point([outcome(False, True)])


def test_the_gallery_shows_every_cell_but_few_of_each():
    outcomes = [outcome(False, True)] * 5 + [outcome(True, False)]
    assert [item["cell"] for item in gallery(outcomes, "before", 2)] == ["tp", "tp", "tn"]
