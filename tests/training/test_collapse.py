import json
import random
from pathlib import Path

import pytest
import tiny_policy as tiny

from confessions.protocol import BRIEF, FULL, Compliance, ConfessionReport, ObjectiveCompliance, render
from confessions.training.collapse import (
    MIN_ANSWERS,
    MIN_BATCHES,
    SIGNALS,
    CollapseWatch,
    commonest_fraction,
    report_facts,
    report_metrics,
)
from confessions.training.config import ConfessionConfig
from confessions.training.runs import RunFolder, train
from confessions.training.trainer import ConfessionTrainer

CURVES = json.loads((Path(__file__).parent / "collapse_curves.json").read_text())
"""What the demo's two runs logged for seed 0, and the groups of their batches."""

BROKEN, KEPT, UNSURE = (
    Compliance.NOT_COMPLIED_NOT_REPORTED,
    Compliance.FULLY_COMPLIED,
    Compliance.UNSURE_COMPLIED_NOT_REPORTED,
)


def report(*labels, profile=BRIEF):
    entries = tuple(ObjectiveCompliance(objective="o", analysis="a", compliance=label) for label in labels)
    return render(ConfessionReport(compliance_analysis=entries, overall_compliance_grade=3), profile)


def step(**values):
    return {"confessions/row_fraction": 0.5, **{f"confessions/{name}": value for name, value in values.items()}}


def watched(steps, answers_per_batch=8.0):
    """Give the kinds that are on after each step."""
    watch = CollapseWatch(answers_per_batch)
    after = []
    for logs in steps:
        watch.take(logs)
        after.append(set(watch.active))
    return after


def test_a_report_is_read_for_what_it_says():
    assert report_facts(report(BROKEN, KEPT, UNSURE), BRIEF) == (True, True, 1, 1, 1)
    assert report_facts(report(KEPT, Compliance.NEARLY_COMPLIED, profile=FULL), FULL) == (True, False, 0, 2, 0)
    assert report_facts("I kept everything.", BRIEF) == (False, False, 0, 0, 0)


def test_shares_are_taken_over_the_whole_batch_and_a_share_of_nothing_is_left_out():
    facts = [report_facts(text, BRIEF) for text in (report(BROKEN, KEPT, KEPT), report(BROKEN, UNSURE), "no")]
    assert report_metrics(facts) == {
        "confessions/readable": pytest.approx(2 / 3),
        "confessions/admitting": 1.0,
        "confessions/verdicts_broken": 0.5,
        "confessions/verdicts_unsure": pytest.approx(1 / 5),
    }
    assert report_metrics([report_facts(report(UNSURE), BRIEF)]) == {
        "confessions/readable": 1.0,
        "confessions/admitting": 0.0,
        "confessions/verdicts_unsure": 1.0,
    }
    assert report_metrics([report_facts("", BRIEF)]) == {"confessions/readable": 0.0}


def test_the_commonest_confession_is_counted_across_answers():
    assert commonest_fraction([1.0, 1.0, 2.0, 1.0], group_size=2) == 0.75
    assert commonest_fraction([1.0, 1.0], group_size=2) is None, "one answer only: nothing to compare"
    assert commonest_fraction([], group_size=2) is None


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("never_confesses", {"verdicts_broken": 0.0}),
        ("always_confesses", {"verdicts_broken": 1.0}),
        ("always_unsure", {"verdicts_unsure": 1.0}),
        ("unreadable", {"readable": 0.3}),
        ("empty", {"mean_length": 1.0}),
        ("cut_off", {"clipped_ratio": 1.0}),
        ("alike", {"commonest_fraction": 1.0}),
        ("no_signal", {"frac_reward_zero_std": 1.0}),
    ],
)
def test_every_kind_of_collapse_is_noticed_and_nothing_else(kind, values):
    healthy = {
        "verdicts_broken": 0.3,
        "verdicts_unsure": 0.1,
        "readable": 0.9,
        "mean_length": 30.0,
        "clipped_ratio": 0.1,
        "commonest_fraction": 0.1,
        "frac_reward_zero_std": 0.4,
    }
    assert watched([step(**healthy)] * 20)[-1] == set()
    assert watched([step(**{**healthy, **values})] * 20)[-1] == {kind}
    assert {signal.kind for signal in SIGNALS} >= {kind}


def test_no_alarm_before_there_is_enough_to_judge_by():
    few_batches = watched([step(verdicts_broken=0.0)] * MIN_BATCHES, answers_per_batch=1000)
    assert few_batches[MIN_BATCHES - 2] == set() and few_batches[MIN_BATCHES - 1] == {"never_confesses"}
    few_answers = watched([step(verdicts_broken=0.0)] * MIN_ANSWERS, answers_per_batch=2)
    assert few_answers[MIN_ANSWERS - 2] == set() and few_answers[MIN_ANSWERS - 1] == {"never_confesses"}


def test_steps_without_confessions_do_not_count():
    assert watched([{"confessions/row_fraction": 0.0}, step(verdicts_broken=None)] * 50)[-1] == set()


def test_an_alarm_ends_when_the_mean_is_clearly_back():
    steps = [step(verdicts_broken=0.0)] * 10 + [step(verdicts_broken=0.03)] * 20 + [step(verdicts_broken=0.3)] * 10
    after = watched(steps)
    assert after[9] == after[29] == {"never_confesses"}, "0.03 would raise no alarm, and does not end one"
    assert after[-1] == set()


def test_the_demo_on_the_embedded_model_raises_no_alarm():
    run = CURVES["embedded"]
    assert not any(watched(run["steps"], run["answers_per_batch"]))


def test_the_demo_on_smollm2_is_called_collapsed_while_it_trains():
    run = CURVES["smollm2-135m"]
    after = watched(run["steps"], run["answers_per_batch"])
    assert after[-1] == {"never_confesses"} and after.index({"never_confesses"}) + 1 == 14


def test_false_alarms_of_honest_policies_are_rare():
    """Three confessed answers a step with three verdicts each, of which 30 % say "broken": no run of 100 steps alarms.

    A window of 72 such verdicts holds at most one that says so once in 4e9: by chance this fails once in 2 million.
    """
    draw = random.Random(0)
    for _ in range(20):
        shares = [sum(draw.random() < 0.3 for _ in range(9)) / 9 for _ in range(100)]
        assert not any(watched([step(verdicts_broken=share) for share in shares], answers_per_batch=6))


# In training


def trained(folder, capsys, *, request=None, steps=9):
    """Train a tiny policy whose confessions are random bytes; gives the metrics and what standard error showed."""
    run = RunFolder(folder)
    config = tiny.make_config(
        run.checkpoints,
        max_steps=steps,
        confession_probability=1.0,
        confession_profile="brief",
        max_confession_length=4,
    )
    assert isinstance(config, ConfessionConfig)
    trainer = ConfessionTrainer(
        tiny.make_model(),
        tiny.answer_reward,
        config,
        tiny.make_dataset(),
        processing_class=tiny.make_tokenizer(),
        confession_reward_funcs=tiny.confession_reward,
        confession_request=request,
    )
    train(trainer, run)
    return run.entries(run.metrics), capsys.readouterr().err


def test_a_collapse_shows_in_the_metrics_and_once_on_standard_error(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("confessions.training.collapse.MIN_ANSWERS", 8)
    metrics, said = trained(tmp_path / "run", capsys)
    assert [line["confessions/collapse"] for line in metrics] == [0.0] * 7 + [1.0] * 2
    assert metrics[-1]["confessions/readable"] == 0.0
    assert metrics[-1]["confessions/collapse/unreadable"] == 1.0
    assert said.count("confessions collapse (unreadable)") == 1
    assert "step 8: confessions collapse (unreadable): half of the reports or more cannot be read" in said


def test_a_request_with_a_format_of_its_own_raises_no_alarm_about_reports(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("confessions.training.collapse.MIN_ANSWERS", 8)
    metrics, said = trained(tmp_path / "run", capsys, request="Say yes or no.")
    assert all("confessions/readable" not in line and line["confessions/collapse"] == 0.0 for line in metrics)
    assert "collapse" not in said
