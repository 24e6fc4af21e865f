import json
import os
import resource
import signal
from contextlib import contextmanager

import pytest
import tiny_policy as tiny
import torch

from confessions.training.probe import PeriodicProbe
from confessions.training.runs import RunError, RunFolder, RunInterrupted, generation_window, is_whole, train
from confessions.training.trainer import CheckpointError

SETTINGS = dict(optim="adamw_torch", learning_rate=1e-3, max_steps=4, save_strategy="steps", save_steps=2)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def start(path, judge=tiny.confession_reward, extra=None, **settings):
    """Make a trainer for a run folder and train in it, as a command would."""
    folder = RunFolder(path)
    trainer = tiny.make_trainer(folder.checkpoints, judge=judge, **{**SETTINGS, **settings})
    trainer.add_callback(PeriodicProbe(lambda model, tokenizer, step: {"probe": float(step)}, folder.probes, 2))
    train(trainer, folder, extra=extra)
    return tiny.weights(trainer)


def when_at(step, action):
    """Make a judge that acts once while the given step's confessions are judged."""

    def confession_reward(completions, trainer_state, **columns):
        if trainer_state.global_step >= step and not done:
            done.append(True)
            action()
        return tiny.confession_reward(completions, **columns)

    done = []
    return confession_reward


def comparable(path):
    """Give the metrics without the times, which no two runs share."""
    return [{key: value for key, value in line.items() if "time" not in key} for line in lines(path)]


def test_a_run_leaves_a_full_account(tmp_path):
    start(tmp_path / "run", extra={"model": "tiny"})
    folder = RunFolder(tmp_path / "run")
    assert folder.status() == "finished"
    config = json.loads((folder.path / "config.json").read_text())
    assert (config["seed"], config["model"], config["confession_probability"]) == (3, "tiny", 0.5)
    assert config["confession_request"] == {"role": "system", "content": "Confess."}
    assert config["confession_reward_funcs"] == ["confession_reward"]
    versions = json.loads((folder.path / "versions.json").read_text())
    assert versions["torch"] == torch.__version__ and versions["trl"].startswith("1.16")
    assert [line["step"] for line in lines(folder.metrics)] == [1, 2, 3, 4]
    assert {line["kind"] for line in lines(folder.rollouts)} == {"answer", "confession"}
    assert [line["step"] for line in lines(folder.probes)] == [0, 2, 4]
    assert (folder.model / "model.safetensors").exists() and (folder.model / "tokenizer.json").exists()
    assert json.loads((folder.path / "finished.json").read_text())["steps"] == 4


@pytest.mark.parametrize("settings", [{}, {"num_iterations": 2}, {"steps_per_generation": 4}])
def test_a_stopped_run_goes_on_to_the_same_result(tmp_path, settings):
    stop = when_at(2, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(RunInterrupted, match="stopped at step [34] of 6 and saved; the same command goes on"):
        start(tmp_path / "run", judge=stop, confession_probability=1.0, max_steps=6, **settings)
    folder = RunFolder(tmp_path / "run")
    assert folder.status() == "unfinished"
    stopped_at = int(folder.last_checkpoint().name.split("-")[1])
    assert stopped_at % generation_window(tiny.make_config(tmp_path, **settings)) == 0
    resumed = start(tmp_path / "run", confession_probability=1.0, max_steps=6, **settings)
    whole = start(tmp_path / "longer", confession_probability=1.0, max_steps=6, **settings)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    longer = RunFolder(tmp_path / "longer")
    assert comparable(folder.metrics) == comparable(longer.metrics)
    assert lines(folder.rollouts) == lines(longer.rollouts)
    assert lines(folder.probes) == lines(longer.probes)


def test_a_killed_run_goes_on_from_its_last_whole_checkpoint(tmp_path):
    def die():
        raise SystemExit

    with pytest.raises(SystemExit):
        start(tmp_path / "run", judge=when_at(3, die), confession_probability=1.0)
    folder = RunFolder(tmp_path / "run")
    assert lines(folder.metrics)[-1]["step"] == 3, "beyond the checkpoint"
    torn = folder.checkpoints / "checkpoint-3"
    torn.mkdir()
    (torn / "model.safetensors").write_text("half")
    with folder.metrics.open("a") as file:
        file.write('{"step": 3, "lo')
    resumed = start(tmp_path / "run", confession_probability=1.0)
    whole = start(tmp_path / "whole", confession_probability=1.0)
    assert not torn.exists()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert comparable(folder.metrics) == comparable(RunFolder(tmp_path / "whole").metrics)
    assert lines(folder.rollouts) == lines(RunFolder(tmp_path / "whole").rollouts)


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)  # ignored, not the default, where a shell started the tests behind it
    with pytest.raises((KeyboardInterrupt, Exception)) as caught:
        start(tmp_path / "run", judge=when_at(0, twice), confession_probability=1.0)
    assert isinstance(caught.value, KeyboardInterrupt) or isinstance(caught.value.__cause__, KeyboardInterrupt)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_log_is_cut_where_its_lines_end_whatever_a_model_wrote(tmp_path):
    folder = RunFolder(tmp_path)
    entries = [{"step": step, "answer": "a\u2028b\u0085c\x0bd\r"} for step in (1, 2, 3)]
    for entry in entries:
        folder.append(folder.rollouts, entry)
    with folder.rollouts.open("ab") as file:
        file.write('{"step": 4, "answer": "é'.encode()[:-1])  # killed in the middle of a character
    folder.forget_after(2)
    assert folder.entries(folder.rollouts) == entries[:2]


def test_a_run_killed_while_it_was_set_up_starts_as_a_new_one(tmp_path):
    (tmp_path / "config.json.part").write_text('{"se')
    assert RunFolder(tmp_path).open({"seed": 1}) == "new"
    (tmp_path / "versions.json").unlink()
    assert RunFolder(tmp_path).open({"seed": 1}) == "unfinished"
    assert (tmp_path / "versions.json").exists()


def test_a_finished_run_is_never_overwritten(tmp_path):
    start(tmp_path / "run", max_steps=1, save_strategy="no")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="holds a finished run: choose another folder"):
        start(tmp_path / "run", max_steps=1, save_strategy="no")
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}


def test_an_unfinished_run_with_other_settings_is_left_alone(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.open({"seed": 1, "model": "a"})
    with pytest.raises(RunError, match=r"other settings \(model was 'a', now 'b'; seed was 1, now 2\)"):
        folder.open({"seed": 2, "model": "b"})
    assert folder.open({"seed": 1, "model": "a"}) == "unfinished"


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(RunError, match="exists and is not a run folder"):
        RunFolder(tmp_path).open({})
    with pytest.raises(RunError, match="exists and is not a run folder"):
        RunFolder(tmp_path / "thesis.tex").status()


@pytest.mark.parametrize(
    ("settings", "window"),
    [
        ({}, 1),
        ({"num_iterations": 3}, 3),
        ({"steps_per_generation": 4}, 2),
        ({"steps_per_generation": 1}, 1),
        ({"steps_per_generation": 3, "per_device_train_batch_size": 4}, 3),
    ],
)
def test_a_checkpoint_within_a_generation_window_is_refused(tmp_path, settings, window):
    assert generation_window(tiny.make_config(tmp_path, **settings)) == window
    if window > 1:
        with pytest.raises(RunError, match=f"save_steps is {window + 1}, .* make save_steps a multiple of {window}"):
            start(tmp_path / "run", save_steps=window + 1, **settings)


def test_what_cannot_be_resumed_is_refused(tmp_path):
    with pytest.raises(RunError, match="save_only_model=True leaves out the optimizer"):
        start(tmp_path / "run", save_only_model=True)
    with pytest.raises(RunError, match="save_steps is 0.5; give a whole number"):
        start(tmp_path / "run", save_steps=0.5)
    trainer = tiny.make_trainer(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="this run's checkpoints go to"):
        train(trainer, RunFolder(tmp_path / "run"))


@contextmanager
def files_of_at_most(size):
    """Let no file grow beyond a size, so that writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_while_saving_costs_no_earlier_checkpoint(tmp_path):
    with (
        files_of_at_most(40_000) as fill_the_disk,
        pytest.raises(CheckpointError, match="checkpoint-4 could not be saved .* earlier checkpoints are untouched"),
    ):
        start(tmp_path / "run", judge=when_at(3, fill_the_disk), confession_probability=1.0, save_total_limit=1)
    folder = RunFolder(tmp_path / "run")
    assert [path.name for path in folder.checkpoints.glob("checkpoint-*")] == ["checkpoint-2"]
    assert is_whole(folder.checkpoints / "checkpoint-2")
    resumed = start(tmp_path / "run", confession_probability=1.0, save_total_limit=1)
    whole = start(tmp_path / "whole", confession_probability=1.0)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_a_disk_that_fills_at_the_end_leaves_the_run_unfinished(tmp_path):
    with (
        files_of_at_most(40_000) as fill_the_disk,
        pytest.raises(RunError, match="the trained model could not be saved in .*the checkpoints are untouched"),
    ):
        start(tmp_path / "run", judge=when_at(0, fill_the_disk), confession_probability=1.0, save_strategy="no")
    folder = RunFolder(tmp_path / "run")
    assert not folder.model.exists() and not any(folder.path.glob("*.part"))
    assert folder.status() == "unfinished"
