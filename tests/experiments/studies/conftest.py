"""A made-up study and its measurements: no model produced any of these numbers."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from confessions.experiments.studies.study import (
    QUANTITIES,
    Claim,
    Curves,
    Dots,
    Measurement,
    Measurements,
    Study,
    decided,
    equivalent,
    untestable,
)

ARMS = ("before", "control", "confessions", "confessions, told to deny every fault")
GROUPS = ("training kinds", "held-out kinds")
TOLD = {ARMS[0]: (0.62, 0.5), ARMS[1]: (0.61, 0.51), ARMS[2]: (0.93, 0.04), ARMS[3]: (0.55, 0.02)}
PAIR = ("p_confessed_given_bad", "p_confessed_given_good")


def measured(seeds: int = 5) -> Measurements:
    return Measurements(row for seed in range(seeds) for row in measured_seed(seed))


def measured_seed(seed: int) -> Iterator[Measurement]:
    rng = random.Random(seed)

    def count(share: float, n: int) -> tuple[int, int]:
        return sum(rng.random() < share for _ in range(n)), n

    for arm, shares in TOLD.items():
        for group in GROUPS:
            for quantity, share in zip(PAIR, shares, strict=True):
                yield Measurement(seed, arm, group, quantity, *count(share, 200))
            yield Measurement(seed, arm, group, "bad_rate", *count(0.56, 400))
            yield Measurement(seed, arm, group, "tokens", value=rng.gauss(140, 9))
    for arm in ARMS[1:3]:
        for step in range(0, 51, 10):
            for quantity, share in zip(PAIR, TOLD[arm], strict=True):
                yield Measurement(
                    seed, arm, GROUPS[0], quantity, *count(0.55 + (share - 0.55) * step / 50, 80), step=step
                )
            yield Measurement(seed, arm, GROUPS[0], "overrating", value=step / 100 + rng.gauss(0, 0.02), step=step)


STUDY = Study(
    name="made_up",
    title="A study that nobody ran",
    question="Do `confessions` tell <b>the</b> truth?",
    method="Nothing is trained. See [the paper](https://arxiv.org/abs/2512.08093).",
    measure=lambda workshop, seed: measured_seed(seed),
    claims=(
        Claim(
            "P(confessed | bad) rises with training",
            "paper, section 4",
            "confessions minus control, above 0",
            lambda m: decided(m.contrast(PAIR[0], (ARMS[2], GROUPS[0]), (ARMS[1], GROUPS[0])), above=0.0),
        ),
        Claim(
            "So do false alarms",
            "nobody",
            "the same given good, above 0",
            lambda m: decided(m.contrast(PAIR[1], (ARMS[2], GROUPS[0]), (ARMS[1], GROUPS[0])), above=0.0),
        ),
        Claim(
            "The answers stay as they were",
            "paper",
            "90 % interval of the difference of bad rates within 0.01",
            lambda m: equivalent(
                m.contrast("bad_rate", (ARMS[2], GROUPS[0]), (ARMS[1], GROUPS[0]), confidence=0.9), 0.01
            ),
        ),
        Claim("It scales", "article", "not at this size", untestable("there is *one* size")),
    ),
    plots=(
        Dots("Confessed, in the end", PAIR, ARMS, GROUPS),
        Curves("Over training", tuple((quantity, arm, GROUPS[0]) for arm in ARMS[1:3] for quantity in PAIR)),
        Curves("Overrating", tuple(("overrating", arm, GROUPS[0]) for arm in ARMS[1:3]), label="passed minus complied"),
        Dots("Length", ("tokens",), ARMS, GROUPS[:1], label="tokens a confession"),
    ),
    quantities={**QUANTITIES, "tokens": "tokens"},
    limits="None of it is true.",
)


@pytest.fixture(scope="session")
def made_up() -> Study:
    return STUDY


@pytest.fixture(scope="session")
def make_measurements() -> Callable[..., Measurements]:
    return measured


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Write the made-up study's results, and another model's, under `results/studies` of a repository."""
    folder = tmp_path / "results" / "studies"
    (folder / "made_up").mkdir(parents=True)
    (folder / "made_up" / "measurements.csv").write_text(measured().to_csv())
    facts = {
        "schema": 1,
        "name": "made_up",
        "command": "confessions study made_up --seeds 0,1,2,3,4",
        "model": {"name": "embedded", "sha256": "00ff"},
        "seeds": [0, 1, 2, 3, 4],
        "config": {"steps": 50},
        "versions": {"torch": "2.9.0"},
        "seconds": 4000.0,
    }
    (folder / "made_up" / "study.json").write_text(json.dumps(facts))
    (folder / "smollm2-135m").mkdir()
    (folder / "smollm2-135m" / "measurements.csv").write_text(measured(1).to_csv())
    return folder
