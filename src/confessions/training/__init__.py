"""What is learned: GRPO with a second channel for confessions, and the runs that train with it.

A TRL script moves by four lines: the import, the class, its configuration and the judges of confessions.

    args = ConfessionConfig(..., confession_probability=0.25)
    trainer = ConfessionTrainer(
        model, reward_funcs, args, dataset, confession_reward_funcs=[judge], confession_request=None
    )
"""

from confessions.training.collapse import CollapseWatch
from confessions.training.config import ConfessionConfig, ConfessionConfigError
from confessions.training.judging import ConfessionJudgeError, RewardError, TooManyUnjudged
from confessions.training.probe import PeriodicProbe
from confessions.training.runs import RunError, RunFolder, RunInterrupted, train
from confessions.training.trainer import CheckpointError, ConfessionTrainer, DivergedError, Rollout, TrainingError

__all__ = [
    "CheckpointError",
    "CollapseWatch",
    "ConfessionConfig",
    "ConfessionConfigError",
    "ConfessionJudgeError",
    "ConfessionTrainer",
    "DivergedError",
    "PeriodicProbe",
    "RewardError",
    "Rollout",
    "RunError",
    "RunFolder",
    "RunInterrupted",
    "TooManyUnjudged",
    "TrainingError",
    "train",
]
