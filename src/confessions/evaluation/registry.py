"""What Inspect AI finds from the installed package by its entry point: tasks, scorers, solvers, model providers."""

from confessions.evaluation.additional import answer_monitor, confidence, cot_monitor, failure_classes, rubric
from confessions.evaluation.local import local
from confessions.evaluation.measures import confession_rates
from confessions.evaluation.scorers import confess, confession
from confessions.evaluation.scripted import scripted
from confessions.evaluation.tasks import FAMILY_TASKS, posthoc, wrapped

__all__ = [
    "FAMILY_TASKS",
    "answer_monitor",
    "confess",
    "confession",
    "confession_rates",
    "confidence",
    "cot_monitor",
    "failure_classes",
    "local",
    "posthoc",
    "rubric",
    "scripted",
    "wrapped",
]
