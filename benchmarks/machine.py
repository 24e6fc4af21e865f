"""What the benchmarks have in common: the machine's facts, intervals, and one JSON file for each benchmark."""

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch

RESULTS = Path(__file__).parents[1] / "results" / "bench"
PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft")
RESAMPLES = 2000


class Estimate(NamedTuple):
    """A median with its 95 % bootstrap interval over steps."""

    median: float
    low: float
    high: float
    n: int


def facts() -> dict[str, Any]:
    """Name the machine: cores, threads, load and versions."""
    return {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def estimate(values: Sequence[float], seed: int = 0) -> Estimate:
    """Give the median of values, resampled one by one for the interval."""
    drawn = np.random.default_rng(seed).choice(np.asarray(values), (RESAMPLES, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return Estimate(median(values), float(low), float(high), len(values))


def estimate_ratio(over: Sequence[float], under: Sequence[float], seed: int = 0) -> Estimate:
    """Give the median of `over` divided by the median of `under`; pairs are resampled together."""
    pairs = np.random.default_rng(seed).integers(len(over), size=(RESAMPLES, len(over)))
    drawn = np.median(np.asarray(over)[pairs], axis=1) / np.median(np.asarray(under)[pairs], axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(median(over) / median(under), float(low), float(high), len(over))


def write(name: str, command: str, found: dict[str, Any]) -> Path:
    """Write what a benchmark found, with the machine's facts, to `results/bench/NAME.json`."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"command": command, "machine": facts(), **found}, indent=1) + "\n", encoding="utf-8")
    return path


def read(name: str) -> dict[str, Any]:
    """Read what a benchmark found; empty where it has not been run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
