"""Run by `test_reliability.py`: kills runs at chosen points, lets each go on, and writes what became of them.

Every run is a process, or two that train together, forked from this one, so that the libraries are imported once.
"""

import json
import os
import random
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import tiny_policy as tiny
import torch
import trl.trainer.grpo_trainer  # noqa: F401  imported before the forks
from transformers import TrainerCallback, TrainerState

from confessions.judges import Attention, BaseRates
from confessions.judges.verdicts import scenarios_of, text_of
from confessions.scenarios import writing_scenarios
from confessions.training import runs
from confessions.training.runs import RunFolder, train

STEPS = 6


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_when(owner, name, is_it, first=lambda *given: None):
    """Die in place of the call that `is_it` tells by its arguments, after doing `first`."""
    original = getattr(owner, name)

    def or_die(*given, **named):
        if is_it(*given):
            first(*given)
            die()
        return original(*given, **named)

    setattr(owner, name, or_die)


class KillAt(TrainerCallback):
    def __init__(self, event, step):
        setattr(self, event, lambda args, state, control, **kwargs: die() if state.global_step == step else None)


def half_of_a_file(path, *_):
    Path(path).write_bytes(b"half")


def half_of_the_state(state, path):
    state_text = json.dumps({"global_step": state.global_step, "max_steps": state.max_steps})
    Path(path).write_text(state_text[: len(state_text) // 2])


def one_file_less(folder, *_):
    next(Path(folder).iterdir()).unlink()


def ends(name, position=0):
    return lambda *given: str(given[position]).endswith(name)


def half_an_entry(folder, path, entry):
    with path.open("a") as file:
        file.write(json.dumps(entry)[:20])


POINTS = {
    "config half written": lambda trainer: kill_when(
        runs, "write_json", ends("config.json"), lambda path, _: half_of_a_file(f"{path}.part")
    ),
    "after the config": lambda trainer: kill_when(runs, "write_json", ends("versions.json")),
    "before the first step": lambda trainer: trainer.add_callback(KillAt("on_step_begin", 0)),
    "between steps": lambda trainer: trainer.add_callback(KillAt("on_step_end", 3)),
    "before the optimizer moves": lambda trainer: trainer.add_callback(KillAt("on_pre_optimizer_step", 4)),
    "after the optimizer has moved": lambda trainer: trainer.add_callback(KillAt("on_optimizer_step", 4)),
    "in the middle of a line of metrics": lambda trainer: kill_when(
        RunFolder, "append", lambda folder, path, entry: "loss" in entry and entry["step"] == 4, half_an_entry
    ),
    "while a checkpoint's optimizer is saved": lambda trainer: kill_when(
        torch, "save", ends("checkpoint-4/optimizer.pt", 1), lambda _, path: half_of_a_file(path)
    ),
    "while a checkpoint's state is saved": lambda trainer: kill_when(
        TrainerState, "save_to_json", ends("checkpoint-4/trainer_state.json", 1), half_of_the_state
    ),
    "while the older checkpoint is removed": lambda trainer: kill_when(
        shutil, "rmtree", ends("checkpoint-2"), one_file_less
    ),
    "while the model is saved": lambda trainer: kill_when(
        trainer, "save_model", ends("model.part"), lambda path: (Path(path).mkdir(), half_of_a_file(f"{path}/junk"))
    ),
    "before the model has its name": lambda trainer: kill_when(Path, "replace", ends("model", 1)),
    "before the run is called finished": lambda trainer: kill_when(runs, "write_json", ends("finished.json")),
}
POINTS_OF_ONE_IN_TWO = {
    "between steps": POINTS["between steps"],
    "before the optimizer moves": POINTS["before the optimizer moves"],
    # The other process writes what makes the checkpoint whole, if it does not wait.
    "while its random state is saved": lambda trainer: kill_when(
        torch, "save", ends("rng_state_1.pth", 1), lambda *given: time.sleep(2)
    ),
}


def rate_paying_judge(rates):
    """Pay by what a judge of the package remembers, so that a memory that is off shows in the weights."""

    def judge(completions, answers, **columns):
        scenarios = scenarios_of(columns, len(completions))
        for scenario, answer in zip(scenarios, answers, strict=True):
            rates.look(scenario, text_of(answer), Attention(1, 0))
        return [
            rates.broken(scenario.kinds[0]) * (len(text_of(completion)) % 3)
            for scenario, completion in zip(scenarios, completions, strict=True)
        ]

    return judge


def run(path, point=None, *, remembers=True):
    folder, rates = RunFolder(path), BaseRates()
    scenarios = writing_scenarios("train", "training", 0, 64)
    dataset = tiny.Dataset.from_list([{"prompt": one.messages(), "scenario": one.to_json()} for one in scenarios])
    trainer = tiny.make_trainer(
        folder.checkpoints,
        judge=rate_paying_judge(rates) if remembers else tiny.confession_reward,
        dataset=dataset,
        optim="adamw_torch",
        learning_rate=1e-3,
        max_steps=STEPS,
        save_strategy="steps",
        save_steps=2,
        save_total_limit=1,
        scale_rewards="none",
    )
    if not remembers:
        assert trainer.accelerator.num_processes == 2
    if point is not None:
        point(trainer)
    train(trainer, folder, memories={"base rates": rates} if remembers else None)


def forked(action, environment=()):
    """Start a process that does this and nothing else; gives its id."""
    child = os.fork()
    if child:
        return child
    try:
        os.environ.update(environment)
        action()
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def one(path, point=None, kill_after=None):
    """Run in one process; gives its exit code."""
    child = forked(lambda: run(path, point))
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return ended(child)


def two(path, point=None):
    """Run in two processes of which the second is killed, and the first once the second is gone; gives its code."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    children = [
        forked(
            lambda rank=rank: run(path, point if rank else None, remembers=False),
            {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in (0, 1)
    ]
    code = ended(children[1])
    if code:
        os.kill(children[0], signal.SIGKILL)
    return ended(children[0]) or code


def account(path):
    """Give what must be equal in a killed and an uninterrupted run."""
    metrics = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return {
        "weights": (path / "model" / "model.safetensors").read_bytes().hex(),
        "metrics": [{key: value for key, value in line.items() if "time" not in key} for line in metrics],
        "rollouts": (path / "rollouts.jsonl").read_text(),
        "files": sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()),
    }


def tried(start, folder, points):
    """Kill a run at each point and let it go on; gives, by point, the exit codes and what differs in the end."""
    assert start(folder / "whole") == 0
    whole = account(folder / "whole")
    found = {}
    for index, (name, point) in enumerate(points.items()):
        path = folder / f"{index}"
        codes = [start(path, point), start(path)]
        own = account(path) if codes[-1] == 0 else {}
        found[name] = {"codes": codes, "differs": [key for key in whole if own.get(key) != whole[key]]}
    return found


def killed_again_and_again(path, whole):
    """Kill a run at five random times, each within what a whole run takes, before it may end."""
    seconds, draw = json.loads((whole / "finished.json").read_text())["seconds"], random.Random(0)
    codes = []
    for _ in range(5):
        codes.append(one(path, kill_after=draw.uniform(0.2, 0.9) * seconds))
        if codes[-1] == 0:
            break
    if codes[-1]:
        codes.append(one(path))
    expected, own = account(whole), account(path)
    return {"codes": [codes[0], codes[-1]], "differs": [key for key in expected if own[key] != expected[key]]}


def main(kind, folder):
    if kind == "two":
        found = tried(two, folder, POINTS_OF_ONE_IN_TWO)
    else:
        found = tried(one, folder, POINTS)
        found["again and again"] = killed_again_and_again(folder / "again and again", folder / "whole")
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
