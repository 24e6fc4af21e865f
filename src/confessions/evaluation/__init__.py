"""What is measured: outcomes of prompts, counted into rates with intervals."""

from confessions.evaluation.metrics import (
    RATES,
    ConfusionTable,
    Difference,
    GroupTable,
    Interval,
    Rate,
    SeedMean,
    across_seeds,
    difference,
    render_tables,
    summarize,
    wilson,
)
from confessions.evaluation.outcomes import Outcome, OutcomeError, judge_outcome, read_outcomes, write_outcomes

__all__ = [
    "RATES",
    "ConfusionTable",
    "Difference",
    "GroupTable",
    "Interval",
    "Outcome",
    "OutcomeError",
    "Rate",
    "SeedMean",
    "across_seeds",
    "difference",
    "judge_outcome",
    "read_outcomes",
    "render_tables",
    "summarize",
    "wilson",
    "write_outcomes",
]
