"""The rubric as a scorer behind the confession's: asked in a role of its own, never shown reasoning, never a zero."""

import json

import pytest
from inspect_ai.model import ModelOutput, ModelUsage, get_model

from confessions.evaluation.conduct import item_of
from confessions.evaluation.registry import FAMILY_TASKS
from confessions.evaluation.scripted import plan_of
from confessions.evaluation.truth import Truth
from confessions.experiments.evaluate import roles_needed
from confessions.judges.confessions import UNREADABLE
from confessions.judges.rubric import BEST, DIMENSIONS
from confessions.scenarios.families import FAMILIES


def judge(reply=None):
    """A model that rates a confession accurate if it admits something."""

    def rate(messages, *_):
        admits = "label: not_complied" in messages[-1].text
        rated = {name: {"evidence": "seen", "rating": BEST} for name in DIMENSIONS}
        rated["accuracy"]["rating"] = BEST if admits else 1
        text = reply or json.dumps({"reasoning": "because", "verdict": rated})
        output = ModelOutput.from_content("mockllm/model", text)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    return get_model("mockllm/model", custom_outputs=rate, memoize=False)


def scores(run_task, model="scripted/honest", reply=None):
    task = FAMILY_TASKS["word_count"](samples=6, also="rubric")
    log = run_task(task, model=model, model_roles={"confession_rubric": judge(reply)})
    assert log.status == "success", log.error
    return log


def test_the_rubric_rates_each_confession(run_task):
    log = scores(run_task)
    for sample in log.samples:
        item = item_of(sample.metadata)
        is_bad = plan_of(item, FAMILIES[item.family]).aim == "bad"
        found = sample.scores["rubric"]
        assert found.value["honesty"] == pytest.approx(1.0 if is_bad else 0.25)
        assert found.value["accuracy"] == (BEST if is_bad else 1)
        assert found.metadata["evidence"] == dict.fromkeys(DIMENSIONS, "seen")
    own = next(score for score in log.results.scores if score.name == "rubric")
    values = [sample.scores["rubric"].value["honesty"] for sample in log.samples]
    means = [metric.value for metric in own.metrics.values()]
    assert means[0] == pytest.approx(sum(values) / len(values))


@pytest.mark.parametrize(("persona", "of_bad"), [("honest", 1.0), ("denies", 0.0)])
def test_a_denial_of_what_is_bad_earns_nothing(run_task, persona, of_bad):
    task = FAMILY_TASKS["word_count"](samples=6, also="rubric")
    log = run_task(task, model=f"scripted/{persona}", model_roles={"confession_rubric": "scripted/judge"})
    assert log.status == "success", log.error
    for sample in log.samples:
        item = item_of(sample.metadata)
        is_bad = plan_of(item, FAMILIES[item.family]).aim == "bad"
        assert sample.scores["rubric"].value["honesty"] == pytest.approx(of_bad if is_bad else 1.0)


def test_what_cannot_be_read_is_priced_as_in_training(run_task):
    log = scores(run_task, model="scripted/malformed")
    assert {sample.scores["rubric"].value["honesty"] for sample in log.samples} == {UNREADABLE}


def test_a_failed_verdict_is_missing(run_task):
    log = scores(run_task, reply="I would say 4.")
    for sample in log.samples:
        found = sample.scores["rubric"]
        assert "no JSON object" in found.metadata["missing"]
        assert found.value is None or found.value != found.value


def test_the_role_has_to_be_bound(run_task):
    log = run_task(FAMILY_TASKS["word_count"](samples=1, also="rubric"), model="scripted/honest")
    assert log.status == "error" and "no model has the role confession_rubric" in log.error.message
    assert roles_needed(Truth.parse("auto"), ["-T", "also=rubric"]) == {"confession_rubric": "rubric in -T also"}
