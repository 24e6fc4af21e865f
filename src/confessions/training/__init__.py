"""What is learned: GRPO with a second channel for confessions, and the runs that train with it."""

from confessions.training.config import ConfessionConfig
from confessions.training.probe import PeriodicProbe
from confessions.training.runs import RunFolder, train
from confessions.training.trainer import ConfessionTrainer

__all__ = ["ConfessionConfig", "ConfessionTrainer", "PeriodicProbe", "RunFolder", "train"]
