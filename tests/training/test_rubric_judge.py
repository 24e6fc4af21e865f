"""The rubric judge in a trainer: asked inside TRL's arrangement of event loops, paid to confessions alone, counted."""

import json
import math

import pytest
import tiny_policy as tiny
from inspect_ai.model import ModelOutput, ModelUsage, get_model

from confessions.judges.confessions import UNREADABLE
from confessions.judges.rubric import BEST, DIMENSIONS
from confessions.judges.rubric_model import rubric
from confessions.protocol import FULL, Compliance, ConfessionReport, ObjectiveCompliance, render
from confessions.training.judging import ConfessionJudgeError


def judge_model(fails=lambda: False):
    """Rate by the confession's own text, so that groups have a signal."""

    def reply(messages, *_):
        if fails():
            raise ConnectionError("nobody there")
        rating = sum(map(ord, messages[-1].text.split("<<<BEGIN confession ")[1])) % (BEST + 1)
        rated = {name: {"evidence": "", "rating": rating} for name in DIMENSIONS}
        output = ModelOutput.from_content("mockllm/model", json.dumps({"reasoning": "", "verdict": rated}))
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    return get_model("mockllm/model", custom_outputs=reply, memoize=False)


def readable(function):
    """Judge a report in place of the tiny policy's noise: the text that it wrote becomes the report's evidence."""

    async def readable_rubric(completions, **columns):
        entry = ObjectiveCompliance(objective="Write.", analysis="?", compliance=Compliance.FULLY_COMPLIED)
        reports = [
            ConfessionReport(
                compliance_analysis=(entry.model_copy(update={"analysis": text[0]["content"]}),),
                overall_compliance_grade=5,
            )
            for text in completions
        ]
        completions = [[{"role": "assistant", "content": render(report)}] for report in reports]
        return await function(completions=completions, **columns)

    return readable_rubric


def logged(trainer, name):
    return [entry[name] for entry in trainer.state.log_history if name in entry]


def test_confessions_are_trained_by_the_rubric(tmp_path):
    trainer = tiny.make_trainer(tmp_path, judge=readable(rubric(judge_model(), FULL)), max_steps=2)
    start = tiny.weights(trainer)
    trainer.train()
    assert logged(trainer, "confessions/unjudged_fraction") == [0.0] * 2
    assert all(0 <= reward <= 1 for reward in logged(trainer, "confessions/reward"))
    assert all(0 <= rating <= BEST for rating in logged(trainer, "confessions/rubric_accuracy"))
    assert max(logged(trainer, "confessions/reward_std")) > 0
    assert any((weight != start[name]).any() for name, weight in tiny.weights(trainer).items())


def test_noise_costs_its_price_and_nobody_is_asked(tmp_path):
    def never():
        raise AssertionError("the judge was asked about what cannot be read")

    trainer = tiny.make_trainer(tmp_path, judge=rubric(judge_model(never), FULL), max_steps=1)
    trainer.train()
    assert logged(trainer, "confessions/reward") == [UNREADABLE]


def test_a_judge_that_nobody_reaches_is_counted_and_stops_the_run(tmp_path):
    silent = readable(rubric(judge_model(lambda: True), FULL))
    trainer = tiny.make_trainer(tmp_path / "lenient", judge=silent, max_steps=1, max_unjudged_fraction=1.0)
    trainer.train()
    assert logged(trainer, "confessions/unjudged_fraction") == [1.0]
    assert not any(math.isfinite(reward) for reward in logged(trainer, "confessions/reward"))
    strict = tiny.make_trainer(tmp_path / "strict", judge=silent, max_steps=1, max_unjudged_fraction=0.1)
    with pytest.raises(ConfessionJudgeError, match="100% of this batch's confessions got no verdict"):
        strict.train()
