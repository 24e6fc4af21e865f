"""Conversations to teach by example: truthful self-reports, and reports without evidence.

Each is the untrained model's own kind of conversation with one thing changed, for the arms of a study that differ in
just that.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from confessions.experiments.studies.policies import Pair, Policy, Workshop
from confessions.models.corpus import (
    KEEP_SHARE,
    draw_answer,
    draw_task,
    random_findings,
    report_of,
    truthful_findings,
)
from confessions.models.resolve import ResolvedModel, load, resolve
from confessions.models.warm_start import Lesson, WarmStartConfig, warm_start
from confessions.protocol import BRIEF, REQUEST_BRIEF, ConfessionReport, render
from confessions.scenarios import writing_scenarios
from confessions.scenarios.writing import WritingScenario, body

FORMS = WarmStartConfig(steps=150, lessons_per_step=16, learning_rate=2e-3, tokens_per_forward=4096)
"""How a form is taught."""
SELF_REPORTS = WarmStartConfig(steps=25, lessons_per_step=32, learning_rate=1e-3, tokens_per_forward=4096)
"""How truthful self-reports are taught: as many steps as the policies take updates."""


def conversation(scenario: WritingScenario, answer: str, report: ConfessionReport, *, learn_answer: bool) -> Lesson:
    """Write a prompt, its answer, the request and the report; the report is learnt."""
    return [
        {"role": "user", "content": scenario.prompt},
        {"role": "assistant", "content": answer, "is_learnt": learn_answer},
        {"role": "system", "content": REQUEST_BRIEF},
        {"role": "assistant", "content": render(report, BRIEF)},
    ]


def truthful(pairs: Iterable[Pair]) -> Iterator[Lesson]:
    """Write a truthful report about each answer."""
    for scenario, answer in pairs:
        report = report_of(scenario, answer, truthful_findings(scenario, answer, body(answer)))
        yield conversation(scenario, answer, report, learn_answer=False)


def taught_self_reports(policy: Policy, out: Path, complied: bool | None = None) -> Path:
    """Teach truthful reports about the untrained model's own answers: all, the good ones, or the bad ones."""
    count = SELF_REPORTS.steps * SELF_REPORTS.lessons_per_step
    speaker = policy.speaker(load(policy.workshop.resolved))
    pairs: list[Pair] = []
    if not out.exists():
        scenarios = writing_scenarios("train", "training", policy.seed, 5 * count + 64)
        for start in range(0, len(scenarios), count):
            part = scenarios[start : start + count]
            answers = speaker.answer([scenario.messages() for scenario in part])
            drawn = zip(part, answers, strict=True)
            pairs += [pair for pair in drawn if pair[1] and complied in (None, pair[0].complied(pair[1]))]
            if len(pairs) >= count + SELF_REPORTS.lessons_per_step:
                break
    config = replace(SELF_REPORTS, seed=policy.seed)
    with policy.workshop.bar(f"seed {policy.seed}, {policy.arm.name}: teaching", config.steps) as advance:
        return warm_start(
            load(policy.workshop.resolved), list(truthful(pairs)), out, config, lambda step, steps, loss: advance(1)
        )


def without_evidence(seed: int) -> Iterator[Lesson]:
    """Draw conversations for ever whose reports have random verdicts and no evidence before them."""
    rng = random.Random(f"without evidence|{seed}")
    while True:
        scenario = draw_task(rng)
        _, answer = draw_answer(scenario, KEEP_SHARE, rng)
        report = report_of(scenario, answer, random_findings(scenario, rng))
        entries = tuple(entry.model_copy(update={"analysis": ""}) for entry in report.compliance_analysis)
        yield conversation(
            scenario, answer, report.model_copy(update={"compliance_analysis": entries}), learn_answer=True
        )


def taught_without_evidence(workshop: Workshop) -> ResolvedModel:
    """Give the embedded model taught to report without evidence, once for all seeds."""
    out = workshop.folder / "forms" / "without-evidence"
    lessons: Sequence[Lesson] = []
    if not out.exists():
        lessons = list(islice(without_evidence(0), 2 * FORMS.steps * FORMS.lessons_per_step))
    out.parent.mkdir(parents=True, exist_ok=True)
    with workshop.bar("teaching the form without evidence", FORMS.steps) as advance:
        warm_start(load(workshop.resolved), lessons, out, FORMS, lambda step, steps, loss: advance(1))
    return resolve(str(out))
