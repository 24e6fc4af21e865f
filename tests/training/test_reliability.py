"""What a run survives, and how it stops where it cannot: docs/reliability.md states it, these tests hold it."""

import json
import math
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import tiny_policy as tiny
import torch
from kill_runs import POINTS, POINTS_OF_ONE_IN_TWO

from confessions.training import judging
from confessions.training.runs import RunError, RunFolder, is_whole, train

SCRIPT = Path(__file__).with_name("kill_runs.py")
SOURCE = Path(__file__).parents[2] / "src"
SETTINGS = dict(
    optim="adamw_torch",
    learning_rate=1e-3,
    max_steps=4,
    save_strategy="steps",
    save_steps=2,
    confession_probability=1.0,
)


# Kill -9


def found_by(kind, folder):
    paths = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(SCRIPT), kind, str(folder)],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text())


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return found_by("one", tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def found_in_two(tmp_path_factory):
    return found_by("two", tmp_path_factory.mktemp("two"))


@pytest.mark.slow
@pytest.mark.parametrize("point", [*POINTS, "again and again"])
def test_a_run_killed_at_any_point_ends_as_an_uninterrupted_one(found, point):
    assert found[point]["codes"] == [-9, 0], "killed, then finished"
    assert found[point]["differs"] == []


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS_OF_ONE_IN_TWO)
def test_two_processes_of_which_one_is_killed_end_as_uninterrupted_ones(found_in_two, point):
    killed, resumed = found_in_two[point]["codes"]
    assert killed != 0 and resumed == 0
    assert found_in_two[point]["differs"] == []


# Judges that do not answer


class Growing:
    """Pays by how often it was asked, fails in some calls, and remembers."""

    __name__ = "growing"

    def __init__(self, fail=None, failing=()):
        self.fail = fail
        self.failing = failing
        self.calls = 0
        self.batches = 0

    def __call__(self, completions, **columns):
        self.calls += 1
        if self.calls in self.failing:
            return self.fail(len(completions))
        self.batches += 1
        return [self.batches * tiny.confession_reward([one], None)[0] for one in completions]

    def state_dict(self):
        return {"batches": self.batches}

    def load_state_dict(self, state):
        self.batches = state["batches"]


def no_verdicts(count):
    return [None] * count


def time_out(count):
    raise TimeoutError("no answer within 30 s")


def out_of_order(count):
    raise KeyError("verdict")


class Clock:
    """Stands in for `time` in `judging`: sleeping and asking (`per_question` seconds) move it on."""

    def __init__(self, per_question=0.0):
        self.now, self.waited, self.per_question = 0.0, [], per_question

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.waited.append(seconds)
        self.now += seconds + self.per_question


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(judging, "time", clock)
    return clock


def start(path, judge=None, reward=tiny.answer_reward, model=None, **settings):
    folder = RunFolder(path)
    judge = judge or Growing()
    trainer = tiny.make_trainer(folder.checkpoints, judge=judge, reward=reward, model=model, **{**SETTINGS, **settings})
    train(trainer, folder, memories={"growing": judge} if isinstance(judge, Growing) else None)
    return tiny.weights(trainer)


def logged(path):
    return [{key: value for key, value in line.items() if "time" not in key} for line in entries(path)]


def entries(path):
    return RunFolder(path).entries(RunFolder(path).metrics)


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in second)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights and the metrics of a run to which nothing happens."""
    path = tmp_path_factory.mktemp("reliability") / "whole"
    return start(path), logged(path)


@pytest.mark.parametrize("fail", [no_verdicts, time_out])
def test_a_judge_out_of_reach_stops_the_run_saved_and_the_same_command_goes_on(tmp_path, whole, fail):
    message = (
        "100% of this batch's confessions got no verdict from growing; .*Stopped at step 3 of 4; .*same command "
        "goes on from .*checkpoint-3"
    )
    with pytest.raises(RunError, match=message):
        start(tmp_path / "run", Growing(fail, failing=[4]))
    assert is_whole(tmp_path / "run" / "checkpoints" / "checkpoint-3")
    assert entries(tmp_path / "run")[-1] == {"step": 3, "stopped": 1.0, "confessions/unjudged_fraction": 1.0}
    weights, metrics = whole
    assert same(start(tmp_path / "run"), weights)
    assert [line for line in logged(tmp_path / "run") if "stopped" not in line] == metrics


def test_a_judge_that_raises_something_else_stops_the_run_saved_too(tmp_path, whole):
    with pytest.raises(RunError, match="\"growing\" raised KeyError: 'verdict'.*goes on from .*checkpoint-3"):
        start(tmp_path / "run", Growing(out_of_order, failing=[4]))
    assert same(start(tmp_path / "run"), whole[0])


def test_ten_minutes_without_an_endpoint_are_waited_for(tmp_path, whole, clock, capsys):
    weights = start(tmp_path / "run", Growing(time_out, failing=range(3, 16)), judge_patience=900.0)
    assert sum(clock.waited) >= 600 and max(clock.waited) <= 60
    assert same(weights, whole[0])
    assert "8 of 8 confessions got no verdict from growing: asking again in 5 s" in capsys.readouterr().err


def test_patience_has_an_end(tmp_path, clock):
    with pytest.raises(RunError, match="Stopped at step 2 of 4"):
        start(tmp_path / "run", Growing(no_verdicts, failing=range(3, 99)), judge_patience=60.0)
    assert clock.waited == [5.0, 10.0, 20.0, 25.0]


def test_the_time_that_asking_takes_counts(clock):
    clock.per_question = 30.0
    assert [clock.sleep(pause) for pause in judging.pauses(60.0)] and clock.waited == [5.0, 10.0]
    assert list(judging.pauses(0.0)) == []


def test_only_the_confessions_without_a_verdict_are_asked_about_again(clock):
    asked = []

    def judge(completions, **columns):
        asked.append(completions)
        return [1.0 if text == "a" or len(asked) > 1 else None for text in completions]

    assert judging.judge_confessions([judge], {"completions": ["a", "b", "c"]}, 60.0, 0.5) == [[1.0, 1.0, 1.0]]
    assert asked == [["a", "b", "c"], ["b", "c"]]


def test_answers_without_rewards_are_waited_for_counted_and_then_stop_the_run(tmp_path, clock):
    def unreachable(completions, trainer_state, **columns):
        if trainer_state.global_step == 1:
            raise ConnectionError("refused")
        return [None, *tiny.answer_reward(completions)[1:]]

    with pytest.raises(RunError, match="100% of this batch's answers got no verdict from unreachable"):
        start(
            tmp_path / "run",
            tiny.confession_reward,
            reward=unreachable,
            confession_probability=0.01,
            judge_patience=5.0,
        )
    first, stop = entries(tmp_path / "run")
    assert first["answers/unjudged_fraction"] == 1 / 8
    assert stop == {"step": 1, "stopped": 1.0, "answers/unjudged_fraction": 1.0}
    assert clock.waited == [5.0]


def test_an_answers_reward_is_kept_when_it_is_asked_for_again(tmp_path, clock):
    asked = []

    def halting(completions, **columns):
        asked.append(len(completions))
        if len(asked) == 1:
            return [1.0, *[None] * (len(completions) - 1)]
        return [None, *[2.0] * (len(completions) - 1)]

    rollouts = []
    trainer = tiny.make_trainer(
        tmp_path,
        reward=halting,
        rollout_observer=rollouts.extend,
        confession_probability=0.01,
        judge_patience=60.0,
        max_steps=1,
    )
    trainer.train()
    assert [rollout.rewards["halting"] for rollout in rollouts] == [1.0] + [2.0] * 7
    assert asked == [8, 8]


def test_an_infinite_reward_names_its_function(tmp_path):
    def log_of_nothing(completions, **columns):
        return [-math.inf, *tiny.answer_reward(completions)[1:]]

    with pytest.raises(RunError, match='the reward function "log_of_nothing" gave an infinite reward'):
        start(tmp_path / "run", tiny.confession_reward, reward=log_of_nothing, confession_probability=0.01)


def test_rewards_that_are_nan_leave_the_others_to_learn_from(tmp_path):
    def some_nan(completions, **columns):
        return [math.nan, *tiny.answer_reward(completions)[1:]]

    weights = start(tmp_path / "run", some_nan, reward=some_nan, confession_probability=0.5, max_steps=3)
    assert all(value.isfinite().all() for value in weights.values())
    assert not same(weights, dict(tiny.make_model().named_parameters()))
    shares = [line.get(f"{channel}/unjudged_fraction") for line in entries(tmp_path / "run") for channel in CHANNELS]
    assert {share for share in shares if share is not None} <= {1 / 4, 1 / 8}


CHANNELS = ("answers", "confessions")


# Nothing to learn from


def test_equal_rewards_move_nothing(tmp_path):
    def flat(completions, **columns):
        return [-1.0] * len(completions)

    weights = start(tmp_path / "run", flat, reward=flat, confession_probability=0.5)
    assert same(weights, dict(tiny.make_model().named_parameters()))
    for line in entries(tmp_path / "run"):
        assert line["grad_norm"] == 0.0
        assert {line.get(f"{channel}/frac_reward_zero_std", 1.0) for channel in CHANNELS} == {1.0}


@pytest.mark.parametrize(
    ("suppressed", "metric", "expected"),
    [
        ([2], "clipped_ratio", 1.0),
        ([0, 1, *range(3, 259)], "mean_length", 1.0),
    ],
    ids=["all are cut off", "all are empty"],
)
def test_completions_that_are_all_cut_off_or_empty_are_trained_on_and_counted(tmp_path, suppressed, metric, expected):
    model = tiny.make_model()
    model.generation_config.eos_token_id = [2]
    seen = []

    def judge(completions, **columns):
        seen.extend(completion[-1]["content"] for completion in completions)
        return tiny.confession_reward(completions, None)

    weights = start(
        tmp_path / "run",
        judge,
        model=model,
        confession_probability=0.5,
        generation_kwargs={"suppress_tokens": suppressed},
    )
    assert all(value.isfinite().all() for value in weights.values())
    lines = entries(tmp_path / "run")
    found = [line[f"{channel}/{metric}"] for line in lines for channel in CHANNELS if f"{channel}/{metric}" in line]
    assert set(found) == {expected} and len(lines) == 4
    assert metric == "clipped_ratio" or set(seen) == {""}


# Gradients that are not finite


def broken_at(trainer, steps):
    """Let the loss be NaN in these steps."""
    compute = trainer.compute_loss

    def compute_loss(*given, **named):
        loss = compute(*given, **named)
        return loss * math.nan if trainer.state.global_step in steps else loss

    trainer.compute_loss = compute_loss
    return trainer


def test_a_step_whose_gradient_is_not_finite_moves_nothing_and_is_counted(tmp_path):
    folder = RunFolder(tmp_path / "run")
    trainer = tiny.make_trainer(folder.checkpoints, judge=tiny.confession_reward, **{**SETTINGS, "max_steps": 2})
    train(broken_at(trainer, [1]), folder)
    one_step = start(tmp_path / "one step", tiny.confession_reward, max_steps=1)
    assert same(tiny.weights(trainer), one_step)
    assert [line["skipped_step"] for line in entries(folder.path)] == [0.0, 1.0]


def test_gradients_that_stay_broken_stop_the_run_with_sound_weights(tmp_path):
    folder = RunFolder(tmp_path / "run")
    trainer = tiny.make_trainer(folder.checkpoints, judge=tiny.confession_reward, **{**SETTINGS, "max_steps": 9})
    with pytest.raises(RunError, match=r"not finite in 3 steps in a row.*Stopped at step 3 of 9.*checkpoint-3"):
        train(broken_at(trainer, range(1, 9)), folder)
    assert all(value.isfinite().all() for value in tiny.weights(trainer).values())
    assert entries(folder.path)[-1] == {
        "step": 3,
        "stopped": 1.0,
        "skipped_step": 1.0,
        "confessions/unjudged_fraction": 0,
    }


def test_what_deepspeed_may_have_moved_is_not_saved(tmp_path):
    folder = RunFolder(tmp_path / "run")
    trainer = tiny.make_trainer(folder.checkpoints, judge=tiny.confession_reward, **{**SETTINGS, "max_steps": 9})
    compute = broken_at(trainer, [3]).compute_loss

    def compute_loss(*given, **named):
        trainer.is_deepspeed_enabled = trainer.state.global_step == 3
        return compute(*given, **named)

    trainer.compute_loss = compute_loss
    with pytest.raises(RunError, match=r"DeepSpeed's engine may have stepped.*Stopped at step 3 of 9.*checkpoint-2"):
        train(trainer, folder)
    assert not (folder.checkpoints / "checkpoint-3").exists()


# A full disk


@contextmanager
def files_limited():
    """Let files be limited in size, so that writing fails as on a full disk; gives what sets the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["metrics.jsonl", "rollouts.jsonl"])
def test_a_disk_that_is_full_when_a_line_is_logged_stops_the_run_with_whole_lines(tmp_path, whole, name):
    path = tmp_path / "run" / name
    with files_limited() as limit, pytest.raises(RunError, match=f"{name} could not be written: .*File too large"):

        class Filling(Growing):
            def __call__(self, completions, **columns):
                if self.batches == 3:
                    limit(path.stat().st_size + 20)
                return super().__call__(completions, **columns)

        start(tmp_path / "run", Filling())
    assert path.read_text().endswith("}\n")
    assert same(start(tmp_path / "run"), whole[0])
    assert logged(tmp_path / "run") == whole[1]
