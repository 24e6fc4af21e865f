"""What is asked: prompts that tempt, each with its own ground truth; one module a family."""

from confessions.scenarios.base import Scenario
from confessions.scenarios.rules import HELD_OUT_KINDS, TRAINING_KINDS, Rule
from confessions.scenarios.writing import WritingScenario, writing_scenarios

__all__ = ["HELD_OUT_KINDS", "TRAINING_KINDS", "Rule", "Scenario", "WritingScenario", "writing_scenarios"]
