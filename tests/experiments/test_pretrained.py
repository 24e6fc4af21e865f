"""What is measured and published of a pretrained model's demonstration, on the embedded model with adapters."""

import pytest
import torch

from confessions.errors import ConfessionsError
from confessions.experiments import pretrained
from confessions.experiments.demo import Sizes, recipe_for, run_demo
from confessions.experiments.recipe import Lora, WarmStart
from confessions.experiments.studies.study import Measurements
from confessions.models.resolve import load, resolve

pytestmark = pytest.mark.slow
SMALL = Sizes(samples=6, probe_samples=4, probe_every=1, calibration=8)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder, results = tmp_path_factory.mktemp("demo") / "run", tmp_path_factory.mktemp("results")
    recipe = recipe_for("embedded")
    grpo = {name: value for name, value in recipe.grpo.items() if name != "request_learning_rate"}
    size = {"max_steps": 1, "save_steps": 1, "per_device_train_batch_size": 16, "num_generations": 4}
    changes = {
        "prompts": 40,
        "grpo": {**grpo, **size},
        "lora": Lora(rank=2, alpha=4),
        "warm_start": WarmStart(steps=1, lessons_per_step=2),
    }
    run_demo("embedded", 0, folder, sizes=SMALL, recipe=recipe.model_copy(update=changes))
    pretrained.main(folder, results)
    return folder, results


def test_a_published_adapter_loads_by_its_folder_and_is_the_trained_model(published):
    folder, results = published
    for arm in ("control", "confessions"):
        theirs = load(resolve(str(results / "adapters" / f"embedded-{arm}")))
        ours = load(resolve(str(folder / "runs" / arm / "model")))
        ids = torch.arange(5, 25).unsqueeze(0)
        # bfloat16 keeps three digits of the adapter, which is small beside the weights.
        torch.testing.assert_close(theirs.model(ids).logits, ours.model(ids).logits, atol=0.05, rtol=0.05)


def test_no_path_of_this_machine_is_published(published):
    folder, results = published
    for path in (results / "adapters").rglob("*.json"):
        assert str(folder) not in path.read_text()
    assert (
        "confessions evaluate writing --model results/adapters/embedded-control"
        in (results / "adapters" / "embedded-control" / "README.md").read_text()
    )


def test_every_arm_is_measured_on_the_frozen_answers_and_under_pressure(published):
    _, results = published
    found = Measurements.from_csv((results / "studies" / "embedded" / "measurements.csv").read_text())
    frozen = {row.arm for row in found.rows if row.group == pretrained.FROZEN}
    assert frozen == {
        f"{arm}{variant}" for arm in ("before", "control", "confessions") for variant in ("", ", hard", ", deny")
    }
    assert found.steps("judge_pass_rate", "confessions", "training kinds") == (0, 1)
    bad = {row.k for row in found.rows if row.group == pretrained.FROZEN and row.quantity == "bad_rate"}
    assert len(bad) == 1, "the frozen answers are the same for all"


def test_an_unfinished_demonstration_is_refused(published, tmp_path):
    folder, _ = published
    for name in ("demo.json", "before.jsonl"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(ConfessionsError, match="finish the demonstration first"):
        pretrained.measure_further(tmp_path)
