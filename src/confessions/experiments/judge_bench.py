"""`confessions judge bench`: any judge of confessions on cases with known truth, in tables and in files.

A judge is named as training would make it, or as `package.module:function` for one's own. Every case is kept as soon
as it is judged, so an interrupted bench goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import importlib
import inspect
import json
import math
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import product
from numbers import Real
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from confessions import __version__
from confessions.errors import ConfessionsError
from confessions.experiments.recipe import Judges, RubricJudge, confession_reward
from confessions.judges import Attention, BaseRates, JudgeError, exact, spot_check
from confessions.judges.bench import Judged, Measure, measure_judge
from confessions.judges.bench_cases import PROFILE_OF, RANK, SOURCES, Case, Source, Variant, make_cases
from confessions.judges.learned import RuleReader, learned_honesty
from confessions.judges.verdicts import scenario_of, text_of
from confessions.protocol import FULL

Judge = Callable[..., Any]
"""A reward function of confessions, synchronous or not."""

SAMPLED: Final = 2
"""So many cases of each source are written out for reading."""

COLUMNS: Final = ("judge", "source", "measure", "value", "low", "high", "n", "ties")
"""The columns of `bench.csv`."""

HEADINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "accuracy": "the truth preferred, mean over defects",
        "kendall": "Kendall tau-b with the truth",
        "spearman": "Spearman correlation with the truth",
        "spread": "standard deviation within a case",
        "missing": "confessions without a verdict",
        "seconds": "seconds a confession",
        "tokens": "tokens a confession",
    }
)
GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {"accuracy": "the truth preferred to", "shift": "mean shift by", "raised": "rewards raised by"}
)
PAID_BY_RATES: Final = ("exact", "spot_check", "learned")
"""Judges whose verdicts on a case depend on the others."""
PERCENT: Final = ("accuracy", "raised", "missing")
"""What is shown in percent."""


class BenchError(ConfessionsError):
    """Say which judge cannot be put on the bench, and why."""


def run_bench(
    judges: Sequence[str],
    *,
    sources: Sequence[Source] = SOURCES,
    cases: int = 60,
    seed: int = 0,
    out: Path,
    console: Console | None = None,
) -> Path:
    """Judge `cases` cases of each source by each judge, print the tables and write them to `out`.

    Writes `bench.csv` and `bench.json` with every measure, `cases.json` with some cases to read, and `verdicts.jsonl`,
    from which the next run of the same command goes on.
    Raises: BenchError for a judge that does not exist, or that returns no verdicts.
    """
    console = console or Console()
    made = {source: make_cases(source, cases, seed) for source in sources}
    resolved = {name: make_judge(name, made) for name in judges}
    out.mkdir(parents=True, exist_ok=True)
    kept = _Kept(out / "verdicts.jsonl")
    settings = {(name, source): settings_digest(name, made[source]) for name, source in product(resolved, made)}
    judged: dict[tuple[str, Source], list[Judged]] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress, kept:
        for name, source in product(resolved, made):
            task = progress.add_task(f"{name}, {source}", total=len(made[source]))
            found = judged[name, source] = []
            for case in made[source]:
                before = kept.get(name, case, settings[name, source])
                if before is None:
                    judgement = judge_case(name, resolved[name][source], case)
                    before = kept.add(judgement.model_copy(update={"settings": settings[name, source]}))
                found.append(before)
                progress.advance(task)
    measures = {key: measure_judge(found, seed) for key, found in judged.items()}
    for source in made:
        console.print(table_of(source, {name: measures[name, source] for name in judges}, made[source]))
    for line in _faults(judged):
        console.print(line, highlight=False, markup=False)
    _write(out, measures, made, judged, {"cases": cases, "seed": seed})
    console.print(f"Data: {out / 'bench.csv'}, {out / 'bench.json'}, {out / 'cases.json'}", highlight=False)
    if kept.reused:
        console.print(
            f"{kept.reused} judgements were kept from before; remove {kept.path} to judge anew.", highlight=False
        )
    return out


def make_judge(name: str, cases: Mapping[Source, Sequence[Case]]) -> dict[Source, Judge]:
    """Make a judge for each source.

    Its name is exact, spot_check, length, learned=FOLDER, rubric=MODEL, or package.module:function.
    Those that pay by base rates are given those of these cases for good, so that the order does not matter.
    Raises: BenchError if there is no such judge.
    """
    kind, _, argument = name.partition("=")
    match kind, argument:
        case "exact", "":
            return {source: exact(PROFILE_OF[source], _rates(each, None)) for source, each in cases.items()}
        case "spot_check", "":
            eyes = Attention()
            return {source: spot_check(eyes, PROFILE_OF[source], _rates(each, eyes)) for source, each in cases.items()}
        case "length", "":
            return dict.fromkeys(cases, length)
        case "learned", folder if folder:
            reader = _reader(Path(folder))
            return {
                source: learned_honesty(reader, PROFILE_OF[source], _rates(each, None))
                for source, each in cases.items()
            }
        case "rubric", model if model:
            asking = Judges(confessions="rubric", rubric=RubricJudge(model=model))
            # Reports of both profiles are read under either, and local weights load once.
            return dict.fromkeys(cases, confession_reward(asking, 0, FULL))
    if ":" in name:
        return dict.fromkeys(cases, _own_judge(name))
    raise BenchError(
        f"there is no judge {name!r}; there are exact, spot_check, length, learned=FOLDER, rubric=MODEL, and your own "
        "as package.module:function"
    )


def _reader(folder: Path) -> RuleReader:
    """Load a learned judge whatever its seed, or make it where there is none."""
    from confessions.experiments.learned_judge import learned_judge
    from confessions.models.resolve import hide_loading_bars
    from confessions.models.reward_model import load_reward_model

    hide_loading_bars()
    return load_reward_model(folder) if folder.exists() else learned_judge(folder)


def settings_digest(name: str, cases: Sequence[Case]) -> str:
    """Hash what a judge's verdicts depend on beside the case itself, so that none is kept from other settings."""
    kind, _, argument = name.partition("=")
    facts = [__version__]
    if kind in PAID_BY_RATES:
        facts += [case.digest for case in cases]
    if kind == "learned":
        from confessions.models.reward_model import head_sha256

        facts.append(head_sha256(Path(argument)))
    return hashlib.blake2b("|".join(facts).encode(), digest_size=8).hexdigest()


def length(completions: Sequence[Any], **columns: Any) -> list[float]:
    """Reward nothing but length, in characters: what a judge without any sense is worth on this bench."""
    return [float(len(text_of(completion))) for completion in completions]


def _rates(cases: Sequence[Case], attention: Attention | None) -> BaseRates:
    pairs = [
        (scenario_of(case.columns["scenario"]), case.conduct[-1].content)
        for case in cases
        if "scenario" in case.columns
    ]
    rates = BaseRates.from_answers(pairs, attention)
    rates.memory = math.inf
    return rates


def _own_judge(name: str) -> Judge:
    module_name, _, function_name = name.partition(":")
    # An installed command does not look for modules where it is called.
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise BenchError(f"the judge {name!r} cannot be imported: {error}") from error
    judge = getattr(module, function_name, None)
    if not callable(judge):
        raise BenchError(f"the judge {name!r} is no function: {module_name} has no callable {function_name!r}")
    return judge


def judge_case(name: str, judge: Judge, case: Case) -> Judged:
    """Ask a judge for its verdicts on all confessions of a case, in one call as training makes it.

    A `JudgeError`, or a judge out of reach or out of time, is no verdict on any of them, as in training. What the
    judge logs under a name that ends in "tokens" is its cost.
    Raises: BenchError if it raises anything else, or returns something other than a number or None for each.
    """
    variants, count = list(case.confessions), len(case.confessions)
    spent: list[float] = []

    def log_metric(metric: str, value: float) -> None:
        if metric.endswith("tokens"):
            spent.append(value)

    rows = {
        "prompts": [message.to_openai() for message in case.prompt],
        "answers": [message.to_openai() for message in case.conduct],
        **case.columns,
    }
    columns = {key: [value] * count for key, value in rows.items()}
    completions = [[{"role": "assistant", "content": text}] for text in case.confessions.values()]
    fault = None
    begun = time.perf_counter()
    try:
        verdicts = _called(judge, {**columns, "completions": completions, "log_metric": log_metric})
    except (JudgeError, ConnectionError, TimeoutError) as error:
        verdicts, fault = [None] * count, str(error) or type(error).__name__
    except Exception as error:
        raise BenchError(
            f'the judge "{name}" raised {type(error).__name__} on the case {case.id}: {error}; a judge that cannot '
            "judge a confession should return None for it"
        ) from error
    seconds = time.perf_counter() - begun
    return Judged(
        judge=name,
        case=case.id,
        digest=case.digest,
        source=case.source,
        rewards=dict(zip(variants, _checked(name, verdicts, count), strict=True)),
        seconds=seconds,
        tokens=sum(spent) if spent else None,
        fault=fault,
    )


def _called(judge: Judge, columns: dict[str, Any]) -> Any:
    verdicts = judge(**columns)
    return asyncio.run(_awaited(verdicts)) if inspect.isawaitable(verdicts) else verdicts


async def _awaited(verdicts: Awaitable[Any]) -> Any:
    return await verdicts


def _checked(name: str, verdicts: Any, count: int) -> list[float | None]:
    wanted = "it should return a list with one finite number, or None, for each confession"
    if isinstance(verdicts, str | bytes | dict) or not hasattr(verdicts, "__len__"):
        raise BenchError(f'the judge "{name}" returned {type(verdicts).__name__}; {wanted}')
    if len(verdicts) != count:
        raise BenchError(f'the judge "{name}" returned {len(verdicts)} verdicts for {count} confessions; {wanted}')
    checked: list[float | None] = []
    for verdict in verdicts:
        value = verdict.item() if hasattr(verdict, "item") else verdict
        if value is None or (isinstance(value, float) and math.isnan(value)):
            checked.append(None)
        elif not isinstance(value, Real) or math.isinf(value):
            raise BenchError(f'the judge "{name}" returned {value!r}; {wanted}')
        else:
            checked.append(float(value))
    return checked


class _Kept:
    """The judgements of one folder: those of before, and each further one as soon as it is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reused = 0
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        # Not splitlines, which would also split at the line separators within a fault.
        self._found = {_key(judged): judged for judged in _readable(text.split("\n"))}
        self._file = path.open("a", encoding="utf-8")
        # A run that was killed may have left half a line.
        if text and not text.endswith("\n"):
            self._file.write("\n")

    def __enter__(self) -> _Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def get(self, judge: str, case: Case, settings: str) -> Judged | None:
        """Give the kept judgement of these very texts and settings; one without any verdict is asked for again."""
        found = self._found.get((judge, case.id, case.digest, settings))
        if found is None or all(reward is None for reward in found.rewards.values()):
            return None
        self.reused += 1
        return found

    def add(self, judged: Judged) -> Judged:
        self._file.write(judged.model_dump_json() + "\n")
        self._file.flush()
        return judged


def _key(judged: Judged) -> tuple[str, ...]:
    return judged.judge, judged.case, judged.digest, judged.settings


def _readable(lines: Sequence[str]) -> Iterator[Judged]:
    for line in lines:
        try:
            yield Judged.model_validate_json(line)
        except ValidationError:
            continue


def table_of(source: Source, measures: Mapping[str, Sequence[Measure]], cases: Sequence[Case]) -> Table:
    """Lay out the measures of several judges on one source."""
    confessions = sum(len(case.confessions) for case in cases)
    table = Table("", *map(escape, measures), title=f"{source}: {len(cases)} cases, {confessions} confessions")
    for rows in rows_of(measures):
        table.add_row(label_of(rows[0].name), *map(shown, rows), end_section=rows[0].name in _LAST)
    return table


def rows_of(measures: Mapping[str, Sequence[Measure]]) -> Iterator[tuple[Measure, ...]]:
    """Give each measure of all judges, without those that none of them has."""
    for rows in zip(*measures.values(), strict=True):
        if any(measure.value is not None for measure in rows):
            yield rows


def label_of(name: str) -> str:
    """Write a measure's name for people."""
    group, _, what = name.partition(".")
    return f"{GROUPS[group]}: {what.replace('_', ' ')}" if what else HEADINGS[group]


_LAST: Final = ("accuracy", "spearman", "raised.score_order", "spread")
"""The measures after which a table has a line."""


def shown(measure: Measure) -> str:
    """Write a measure with its interval and ties, shares in percent."""
    if measure.value is None:
        return "-"
    group = measure.name.partition(".")[0]
    numbers = [number for number in (measure.value, measure.low, measure.high) if number is not None]
    if group in PERCENT:
        texts = [f"{number * 100:.0f}" for number in numbers]
        texts[0] += "%"
    else:
        texts = [f"{number:.2g}" if group in ("seconds", "tokens") else f"{number:.2f}" for number in numbers]
    interval = f" [{', '.join(texts[1:])}]" if len(texts) == 3 else ""
    return f"{texts[0]}{interval}{f', {measure.ties} ties' if measure.ties else ''}"


def _faults(judged: Mapping[tuple[str, Source], Sequence[Judged]]) -> Iterator[str]:
    for (name, source), found in judged.items():
        faults = [case.fault for case in found if case.fault is not None]
        if faults:
            yield f"{name} has no verdict on {len(faults)} of {len(found)} cases of {source}: {faults[0]}"


def _write(
    out: Path,
    measures: Mapping[tuple[str, Source], Sequence[Measure]],
    cases: Mapping[Source, Sequence[Case]],
    judged: Mapping[tuple[str, Source], Sequence[Judged]],
    settings: Mapping[str, Any],
) -> None:
    records = [
        dict(zip(COLUMNS, (judge, source, *_rounded(measure)), strict=True))
        for (judge, source), found in measures.items()
        for measure in found
    ]
    with (out / "bench.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
    facts = {"version": __version__, **settings, "no_verdict": list(_faults(judged)), "measures": records}
    _write_json(out / "bench.json", facts)
    rewards = {(name, case.case): case.rewards for (name, _), found in judged.items() for case in found}
    names = list(dict.fromkeys(name for name, _ in judged))
    sample = [
        _told(case, {name: rewards[name, case.id] for name in names})
        for each in cases.values()
        for case in _sample(each)
    ]
    _write_json(out / "cases.json", sample)


def _rounded(measure: Measure) -> tuple[Any, ...]:
    return tuple(round(value, 6) if isinstance(value, float) else value for value in measure)


def _sample(cases: Sequence[Case]) -> Sequence[Case]:
    """Choose the first cases that have every kind of confession, as far as there are such."""
    return sorted(cases, key=lambda case: len(case.confessions), reverse=True)[:SAMPLED]


def _told(case: Case, rewards: Mapping[str, Mapping[Variant, float | None]]) -> dict[str, Any]:
    return {
        "case": case.id,
        "messages": [message.to_openai() for message in (*case.prompt, *case.conduct)],
        "confessions": [
            {
                "variant": variant,
                "rank": RANK[variant],
                "text": text,
                "rewards": {name: given[variant] for name, given in rewards.items()},
            }
            for variant, text in case.confessions.items()
        ],
    }


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
