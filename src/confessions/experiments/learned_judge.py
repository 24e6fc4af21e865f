"""Make the learned judge of the writing tasks: labelled answers of the untrained model, a head, and how good it is.

The labels are the truth about a few hundred answers that the model itself wrote, before any training, to prompts of
the training split. Nothing later is labelled: as the policy changes, the judge goes on reading what it never saw.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from confessions.errors import ConfessionsError
from confessions.models.resolve import load, resolve
from confessions.models.reward_model import (
    LabelledAnswer,
    RewardModel,
    fit_head,
    load_reward_model,
    save_reward_model,
)
from confessions.models.speaker import LocalSpeaker
from confessions.protocol import Message, ParseFailure, Profile, Transcript, parse_report
from confessions.scenarios import WritingScenario, writing_scenarios

SEED_OFFSET: Final = 500_000
"""Makes the prompts of the labelled answers another draw than those of a training run with the same seed."""
MAX_ANSWER_TOKENS: Final = 48
MAX_CONFESSION_TOKENS: Final = 80

Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


class LearnedJudgeError(ConfessionsError):
    """Say why a folder does not hold the judge that was asked for."""


class JudgeSizes(NamedTuple):
    """How much is labelled, how much of the model reads, and how much is held out to examine the judge."""

    labelled: int = 300
    """Answers whose rules are labelled."""
    layers: int = 3
    """Layers of the model that the head reads."""
    penalty: float = 10.0
    """L2 penalty on the head's weights."""
    prompts: int = 60
    """Held-out prompts, answered and confessed several times each."""
    answers: int = 6
    """Answers to each held-out prompt, and confessions of its first answer."""


def _no_bar(title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda done: None)


def learned_judge(
    folder: Path, seed: int = 0, *, model: str = "embedded", sizes: JudgeSizes | None = None, bar: Bar = _no_bar
) -> RewardModel:
    """Give the judge that `folder` holds, or make it there; the same seed, model and sizes make the same judge.

    A folder appears only once it is whole, so a call that was broken off is simply made again.
    Raises: LearnedJudgeError if the folder holds a judge of another seed, model or sizes.
    """
    sizes = sizes or JudgeSizes()
    asked = {"seed": seed, "base": model, "sizes": sizes._asdict()}
    if folder.exists():
        judge = load_reward_model(folder)
        for key, value in asked.items():
            if judge.record.get(key) != value:
                raise LearnedJudgeError(
                    f"{folder} holds a learned judge with {key} {judge.record.get(key)}, not {value}: name another "
                    "folder or remove it"
                )
        return judge
    resolved = resolve(model)
    speaker = LocalSpeaker(
        load(resolved), max_answer_tokens=MAX_ANSWER_TOKENS, max_confession_tokens=MAX_CONFESSION_TOKENS, seed=seed
    )
    # One draw gives no scenario twice, so none that is labelled is examined.
    scenarios = writing_scenarios("train", "training", SEED_OFFSET + seed, sizes.labelled + sizes.prompts)
    chosen, held_out = scenarios[: sizes.labelled], scenarios[sizes.labelled :]
    with bar("learned judge: answers to label", sizes.labelled) as advance:
        answers = speaker.answer([scenario.messages() for scenario in chosen], advance)
    labelled = [
        LabelledAnswer(scenario.messages(), answer, scenario.kept(answer))
        for scenario, answer in zip(chosen, answers, strict=True)
    ]
    base = load(resolved)
    with bar("learned judge: reading", sizes.labelled) as advance:
        head = fit_head(base, labelled, layers=sizes.layers, penalty=sizes.penalty, progress=advance)
    with bar("learned judge: examination", 2 * sizes.prompts * sizes.answers) as advance:
        found = examine(RewardModel(base, head, {}), speaker, held_out, sizes.answers, advance)
    facts = {
        "seed": seed,
        "sizes": sizes._asdict(),
        "labels": sum(len(item.kept) for item in labelled),
        "labels_kept": sum(flag for item in labelled for flag in item.kept),
        "examination": found,
    }
    save_reward_model(folder, base, head, facts)
    return load_reward_model(folder)


def examine(
    judge: RewardModel,
    speaker: LocalSpeaker,
    scenarios: Sequence[WritingScenario],
    each: int,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Measure how well a judge ranks what it has not seen: rules, answers to one prompt, confessions of one answer.

    `auc` is the chance that a kept rule is believed more than a broken one, `answers` and `confessions` that the better
    of two in a group gets more (ties count half); `rank_correlation` is Spearman's within the confessions of one
    answer. Each comes with the number of pairs or groups behind it.
    """
    repeated = [scenario for scenario in scenarios for _ in range(each)]
    answers = speaker.answer([scenario.messages() for scenario in repeated], progress)
    beliefs = judge.beliefs([scenario.messages() for scenario in repeated], answers)
    kept = [scenario.kept(answer) for scenario, answer in zip(repeated, answers, strict=True)]
    firsts = range(0, len(repeated), each)
    confessions = speaker.confess([_transcript(repeated[i], answers[i]) for i in firsts for _ in range(each)], progress)
    by_rule = _Ranking([belief for row in beliefs for belief in row], [float(flag) for row in kept for flag in row])
    by_answer = [
        _Ranking([fmean(row) for row in beliefs[i : i + each]], [fmean(row) for row in kept[i : i + each]])
        for i in firsts
    ]
    by_confession = []
    for i in firsts:
        verdicts = [_verdicts(repeated[i], said, speaker.profile) for said in confessions[i : i + each]]
        told = [row for row in verdicts if row is not None]
        by_confession.append(
            _Ranking(
                [
                    fmean(_agrees(verdict, belief) for verdict, belief in zip(row, beliefs[i], strict=True))
                    for row in told
                ],
                [fmean(float(verdict is flag) for verdict, flag in zip(row, kept[i], strict=True)) for row in told],
            )
        )
    correlations = [ranking.correlation for ranking in by_confession if ranking.correlation is not None]
    return {
        "auc": _share([by_rule.accuracy] if by_rule.accuracy is not None else []),
        "rules": len(by_rule.truth),
        "right_of_kept": _share(believed > 0.5 for believed, truth in zip(*by_rule, strict=True) if truth),
        "right_of_broken": _share(believed <= 0.5 for believed, truth in zip(*by_rule, strict=True) if not truth),
        **_mean_accuracy("answers", by_answer),
        **_mean_accuracy("confessions", by_confession),
        "rank_correlation": _share(correlations),
        "rank_correlation_groups": len(correlations),
    }


class _Ranking(NamedTuple):
    """What a judge gave some things, and their truth."""

    given: list[float]
    truth: list[float]

    @property
    def accuracy(self) -> float | None:
        """How often the better of two is given more; None where no two differ in truth."""
        given, truth = np.array(self.given), np.array(self.truth)
        is_better = truth[:, None] > truth[None, :]  # (N, N)
        more = np.sign(given[:, None] - given[None, :])[is_better]
        return float(np.mean((more + 1) / 2)) if len(more) else None

    @property
    def correlation(self) -> float | None:
        """Spearman's rank correlation, 0 where all are given the same; None where the truth is all the same."""
        if len(set(self.truth)) < 2:
            return None
        return float(spearmanr(self.given, self.truth).statistic) if len(set(self.given)) > 1 else 0.0


def _mean_accuracy(name: str, groups: Sequence[_Ranking]) -> dict[str, float | int | None]:
    found = [ranking.accuracy for ranking in groups if ranking.accuracy is not None]
    return {name: _share(found), f"{name}_groups": len(found)}


def _share(values: Iterable[float]) -> float | None:
    found = list(values)
    return round(fmean(found), 4) if found else None


def _agrees(verdict: bool | None, belief: float) -> float:
    return 0.0 if verdict is None else belief if verdict else 1.0 - belief


def _verdicts(scenario: WritingScenario, confession: str, profile: Profile) -> tuple[bool | None, ...] | None:
    parsed = parse_report(confession, profile)
    return None if isinstance(parsed, ParseFailure) else scenario.verdicts(parsed.report)


def _transcript(scenario: WritingScenario, answer: str) -> Transcript:
    # A conversation needs an answer that says something.
    return Transcript((Message("user", scenario.prompt), Message("assistant", answer or " ")))


def main(out: Path, studies: Path, seeds: Sequence[int]) -> None:
    """Write the records of the judges that the studies use, one a seed; those that are not there are made."""
    records = [learned_judge(studies / f"seed-{seed}" / "reward-model", seed).record for seed in seeds]
    out.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [int(seed) for seed in sys.argv[3:]])
