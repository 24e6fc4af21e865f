"""Measure how honestly a model confesses, on writing prompts of the evaluation split.

A model answers, confesses each of its own answers, and every pair is set beside the scenario's truth. The demo measures
its arms with `measure_speaker`; `confessions evaluate` measures any model with `measure`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from confessions.errors import ConfessionsError
from confessions.evaluation import Outcome, judge_outcome, render_tables, summarize, write_outcomes
from confessions.protocol import PROFILES
from confessions.scenarios.writing import KindGroup, WritingScenario, writing_scenarios

GROUPS: Final[dict[str, KindGroup]] = {"training kinds": "training", "held-out kinds": "held_out"}
"""The groups of prompts that are reported, and the kinds of rules in each."""

Judge = Callable[[WritingScenario, str], bool | None]
"""Tells whether the training judge passes an answer; None where it has no verdict."""


def measure_speaker(
    speaker: Any,
    seed: int,
    samples: int,
    judge: Judge | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Outcome]:
    """Let a speaker answer and confess `samples` prompts of each group; return what came of them, group by group."""
    outcomes = []
    for group, kinds in GROUPS.items():
        scenarios = writing_scenarios("evaluation", kinds, seed, samples)
        responses = speaker.respond([scenario.messages() for scenario in scenarios], progress)
        outcomes += [
            judge_outcome(
                scenario,
                group,
                response.answer,
                response.confession,
                speaker.profile,
                judge_passed=None if judge is None else judge(scenario, response.answer),
                answer_cut_off=response.answer_cut_off,
            )
            for scenario, response in zip(scenarios, responses, strict=True)
        ]
    return outcomes


def measure(model: str, *, seed: int, samples: int, profile: str, out: Path | None = None) -> str:
    """Measure a model by name and return its tables as text; `out` receives the outcomes and the tables' counts.

    Raises: ConfessionsError if `out` already holds outcomes.
    """
    from rich.progress import Progress

    from confessions.models.resolve import hide_loading_bars, load, resolve
    from confessions.models.speaker import LocalSpeaker

    if out is not None and (out / "outcomes.jsonl").exists():
        raise ConfessionsError(f"{out} already holds outcomes.jsonl: name another folder or remove it")
    hide_loading_bars()
    speaker = LocalSpeaker(load(resolve(model)), profile=PROFILES[profile], role="auto", seed=seed)
    with Progress(transient=True) as bar:
        task = bar.add_task("answers and confessions", total=2 * samples * len(GROUPS))
        outcomes = measure_speaker(speaker, seed, samples, progress=lambda done: bar.advance(task, done))
    tables = summarize(outcomes, arm=model)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_outcomes(out / "outcomes.jsonl", outcomes)
        counts = [{"arm": model, "group": entry.group, **entry.table.counts()} for entry in tables]
        (out / "tables.json").write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    return render_tables(tables)
