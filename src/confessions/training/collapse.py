"""Notice a confession channel that has collapsed, while it trains, from the metrics that the trainer logs.

A collapsed policy writes one kind of confession whatever its answer did. What is read here needs no truth and no task
of this package: how reports that follow the request's own format divide their verdicts, and, whatever the format, how
long the confessions are and how much they differ. A report is never called wrong, only uniform.
"""

import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from confessions.protocol import ParseFailure, Profile, parse_report

MIN_BATCHES: Final = 8
"""Fewest logged steps with confessions that a mean is taken over."""

MIN_ANSWERS: Final = 24
"""Fewest answers confessed about in them: were 30 % of answers admitted to, 24 without one would come by chance once in
5,000 windows."""

METRIC: Final = "confessions/collapse"


class ReportFacts(NamedTuple):
    """What one confession says, apart from whether it is true."""

    is_readable: bool
    admits: bool
    """Whether it says of any objective that it was not met."""
    broken: int
    """Verdicts that an objective was not met."""
    kept: int
    unsure: int


def report_facts(text: str, profile: Profile) -> ReportFacts:
    """Read a confession's verdicts; one that cannot be read has none."""
    parsed = parse_report(text, profile)
    if isinstance(parsed, ParseFailure):
        return ReportFacts(False, False, 0, 0, 0)
    labels = [entry.compliance for entry in parsed.report.compliance_analysis]
    broken = sum(label.is_violation for label in labels)
    unsure = sum(label.is_unsure for label in labels)
    return ReportFacts(True, parsed.report.admits, broken, len(labels) - broken - unsure, unsure)


def report_metrics(facts: Sequence[Sequence[float]]) -> dict[str, float]:
    """Give the shares that are logged about a batch's confessions; a share of nothing is left out."""
    readable, admitting, broken, kept, unsure = (sum(column) for column in zip(*facts, strict=True))
    metrics = {"readable": readable / len(facts)}
    if readable:
        metrics["admitting"] = admitting / readable
    if broken + kept:
        metrics["verdicts_broken"] = broken / (broken + kept)
    if broken + kept + unsure:
        metrics["verdicts_unsure"] = unsure / (broken + kept + unsure)
    return {f"confessions/{name}": value for name, value in metrics.items()}


def commonest_fraction(texts: Sequence[float], group_size: int) -> float | None:
    """Give the share of a batch's confessions that are its commonest one; None where all are about one answer.

    `texts` holds something equal for equal texts.
    """
    if len(texts) <= group_size:
        return None
    return max(texts.count(text) for text in set(texts)) / len(texts)


class Signal(NamedTuple):
    """One kind of collapse: a metric whose mean over the window reaches a limit."""

    kind: str
    metric: str
    is_above: bool
    limit: float
    """The mean at which the alarm is raised."""
    recovered: float
    """The mean at which it is over: farther in, so that it does not flicker."""
    what: str
    advice: str

    def is_reached(self, mean: float, limit: float) -> bool:
        """Tell whether a mean lies at the limit or beyond."""
        return mean >= limit if self.is_above else mean <= limit


SIGNALS: Final = (
    Signal(
        "never_confesses",
        "confessions/verdicts_broken",
        False,
        0.02,
        0.04,
        "hardly any verdict says that something was not met",
        "right only if the answers keep nearly all that was asked of them",
    ),
    Signal(
        "always_confesses",
        "confessions/verdicts_broken",
        True,
        0.98,
        0.96,
        "nearly every verdict says that something was not met",
        "right only if the answers keep hardly anything that was asked of them",
    ),
    Signal(
        "always_unsure",
        "confessions/verdicts_unsure",
        True,
        0.98,
        0.96,
        "nearly every verdict is unsure",
        "a hedge that commits to nothing",
    ),
    Signal(
        "unreadable",
        "confessions/readable",
        False,
        0.5,
        0.6,
        "half of the reports or more cannot be read",
        "show the model the format first, or raise max_confession_length if they are cut off",
    ),
    Signal(
        "empty",
        "confessions/mean_length",
        False,
        2.0,
        3.0,
        "the confessions are empty",
        "compare what an empty one earns with what the others do",
    ),
    Signal(
        "cut_off",
        "confessions/clipped_ratio",
        True,
        0.95,
        0.9,
        "nearly all confessions are cut off",
        "raise max_confession_length",
    ),
    Signal(
        "alike",
        "confessions/commonest_fraction",
        True,
        0.98,
        0.95,
        "the confessions about different answers are all the same text",
        "what they say does not depend on the answer",
    ),
    Signal(
        "no_signal",
        "confessions/frac_reward_zero_std",
        True,
        0.95,
        0.9,
        "the confessions about an answer nearly always earn the same",
        "nothing more is learned from them, whether all are right or all are alike",
    ),
)


class CollapseWatch(TrainerCallback):
    """Add `confessions/collapse` (0 or 1) to the logs, and `confessions/collapse/KIND` of each kind that is on.

    Each kind is announced on standard error once, and once more when it is over. Only callbacks added after it see what
    it writes: those that a trainer makes when it is constructed (`report_to`: W&B, TensorBoard) do not. `alike` cannot
    begin where every batch has a single confession group. A metric that is not logged raises no alarm, so a request
    with a format of its own is watched for lengths, distinctness and rewards alone.
    """

    def __init__(self, answers_per_batch: float = 1.0, signals: Sequence[Signal] = SIGNALS) -> None:
        """Watch batches of so many groups, answers and confessions together."""
        self.answers_per_batch = answers_per_batch
        self.signals = signals
        self.active: set[str] = set()
        self._windows: dict[str, deque[tuple[float, float]]] = {signal.metric: deque() for signal in signals}

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Judge the window that ends with these logs, and write the outcome into them."""
        if logs and "confessions/row_fraction" in logs:
            changed = self.take(logs)
            logs[METRIC] = float(bool(self.active))
            logs |= {f"{METRIC}/{kind}": 1.0 for kind in sorted(self.active)}
            if state.is_world_process_zero:
                for line in changed:
                    print(f"step {state.global_step}: {line}", file=sys.stderr)

    def take(self, logs: Mapping[str, float | None]) -> list[str]:
        """Take note of one logged step; gives a line for each kind that begins or is over."""
        answers = (logs.get("confessions/row_fraction") or 0.0) * self.answers_per_batch
        for metric, window in self._windows.items():
            if (value := logs.get(metric)) is not None:
                window.append((value, answers))
                while len(window) > MIN_BATCHES and _answers(window) - window[0][1] >= MIN_ANSWERS:
                    window.popleft()
        return [line for signal in self.signals if (line := self._change(signal)) is not None]

    def _change(self, signal: Signal) -> str | None:
        window = self._windows[signal.metric]
        if len(window) < MIN_BATCHES or _answers(window) < MIN_ANSWERS:
            return None
        mean = sum(value for value, _ in window) / len(window)
        name = signal.kind.replace("_", " ")
        where = f"{signal.metric} {mean:.2f} over {len(window)} logged steps"
        if signal.kind in self.active:
            if signal.is_reached(mean, signal.recovered):
                return None
            self.active.remove(signal.kind)
            return f"confessions no longer collapsed ({name}): {where}"
        if not signal.is_reached(mean, signal.limit):
            return None
        self.active.add(signal.kind)
        return f"confessions collapse ({name}): {signal.what}; {signal.advice} ({where})"


def _answers(window: Iterable[tuple[float, float]]) -> float:
    return sum(answers for _, answers in window)
