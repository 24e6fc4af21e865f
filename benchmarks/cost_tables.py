"""Write the tables of docs/cost.md from results/bench/: `python benchmarks/cost_tables.py docs/cost.md`."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import machine

from confessions.evaluation.metrics import Rate
from confessions.experiments.readme import with_block

NAMES = ("step_time", "rollout", "memory", "learning")
SHOWN_STEPS = 5
"""Updates whose rewards are averaged for one point of a learning curve."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a Markdown table; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(each: Mapping[str, float], digits: int = 2) -> str:
    """Write a median with its interval."""
    return f"{each['median']:.{digits}f} [{each['low']:.{digits}f}, {each['high']:.{digits}f}]"


def source(found: Mapping[str, Any]) -> str:
    """Say where a table comes from: the command and the machine."""
    here = found["machine"]
    return (
        f"`{found['command']}`; {here['cores']} cores ({here['processor']}), {here['threads']} thread, load "
        f"{here['load_average'][0]}; torch {here['torch']}, transformers {here['transformers']}, TRL {here['trl']}."
    )


def step_time(found: Mapping[str, Any]) -> str:
    """Lay out what a step takes in both arms, stage by stage."""
    stages = found["stages"]
    rows = [[stage, *(shown(stages[arm][stage], 3) for arm in stages)] for stage in stages["control"]]
    whole = ["**whole step**", *(shown(found["seconds"][arm], 3) for arm in stages)]
    return (
        table(["processor seconds a step", *stages], [*rows, whole])
        + f"\n\nRatio {shown(found['ratio'])} over {found['ratio']['n']} steps of each arm. Judges and rest are "
        f"{found['own_share']['median']:.1%} of the step with confessions. {source(found)}"
    )


def rollout(found: Mapping[str, Any]) -> str:
    """Lay out what sampling and scoring take against the plain ways and the bare loops."""
    parts = []
    for part in ("sampling", "training"):
        bare = list(found[part].values())[-1]["median"]
        rows = [[name, shown(each, 3), f"{bare / each['median']:.2f}"] for name, each in found[part].items()]
        parts.append(table([part, "processor seconds", "times the bare loop's speed"], rows))
    what = f"{found['confessions']} confessions of {found['distinct_contexts']} distinct contexts, {found['rows']} rows"
    return "\n\n".join([*parts, f"{what}. {source(found)}"])


def memory(found: Mapping[str, Any]) -> str:
    """Lay out the peak of each way."""
    rows = [
        [way, f"{each['peak_gib']:.2f}", str(each["context"]), str(each["completion"])]
        for way, each in found["ways"].items()
    ]
    head = ["SmolLM2-135M, one step", "peak GiB", "width of context", "width of completion"]
    return table(head, rows) + f"\n\nGroups of {found['group_size']}. {source(found)}"


def learning(found: Mapping[str, Any]) -> str:
    """Lay out what each arm's confessions come to, against its tokens, and how fast their reward rises."""
    by_arm: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in found["runs"]:
        by_arm[run["arm"]].append(run)
    rows = []
    for arm, runs in by_arm.items():
        counts: dict[str, int] = defaultdict(int)
        for entry in (entry for run in runs for entry in run["tables"] if entry["group"] == "training kinds"):
            for name in ("tp", "fn", "fp", "tn", "unscored_bad", "unscored_good"):
                counts[name] += entry[name]
        bad = Rate(counts["tp"], counts["tp"] + counts["fn"] + counts["unscored_bad"])
        good = Rate(counts["fp"], counts["fp"] + counts["tn"] + counts["unscored_good"])
        last = [run["curve"][-1] for run in runs]
        tokens = [f"{fmean(each[f'tokens/{name}'] for each in last):,.0f}" for name in ("sampled", "read_in_training")]
        rows.append([arm, str(len(runs)), percent(bad), percent(good), *tokens])
    head = [
        "arm",
        "seeds",
        "P(confessed \\| bad)",
        "P(confessed \\| good)",
        "tokens sampled",
        "tokens read in training",
    ]
    updates = max(run["updates"] for run in found["runs"])
    ends = range(SHOWN_STEPS, updates + 1, SHOWN_STEPS)
    curves = [[arm, *(f"{reward(runs, end):.3f}" for end in ends)] for arm, runs in by_arm.items()]
    return "\n\n".join(
        [
            table(head, rows),
            f"Confession reward, means of {SHOWN_STEPS} updates and all seeds, by the last update:",
            table(["arm", *map(str, ends)], curves),
            source(found),
        ]
    )


def reward(runs: Sequence[Mapping[str, Any]], end: int) -> float:
    """Average the confession reward of the updates up to `end`; a batch without confessions has none."""
    window = range(end - SHOWN_STEPS + 1, end + 1)
    key = "confessions/reward"
    return fmean(each[key] for run in runs for each in run["curve"] if each["step"] in window and key in each)


def percent(rate: Rate) -> str:
    """Write a rate in percent with its interval; a dash where there are no cases."""
    if not rate.n:
        return "-"
    low, high = rate.interval
    return f"{rate.k / rate.n:.0%} [{100 * low:.0f}, {100 * high:.0f}]"


def with_tables(text: str) -> str:
    """Put every table into its block."""
    layouts = {"step_time": step_time, "rollout": rollout, "memory": memory, "learning": learning}
    for name in NAMES:
        found = machine.read(name)
        text = with_block(text, name, layouts[name](found) + "\n" if found else "Not measured yet.\n")
    return text


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
