"""Every study end to end on the embedded model, at a size that takes seconds: names, arms and claims fit together."""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from confessions.experiments.learned_judge import learned_judge
from confessions.experiments.studies import lessons
from confessions.experiments.studies.catalogue import STUDIES
from confessions.experiments.studies.policies import StudySizes, Workshop
from confessions.experiments.studies.study import Curves, Dots, Measurements

TINY = ("grpo.max_steps=1", "grpo.save_steps=1", "grpo.per_device_train_batch_size=16", "prompts=60")
SIZES = StudySizes(samples=6, probe_samples=4, calibration=12)


@contextmanager
def no_bar(title, total):
    yield lambda done: None


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    taught = lessons.FORMS, lessons.SELF_REPORTS
    lessons.FORMS = replace(lessons.FORMS, steps=1, lessons_per_step=2)
    lessons.SELF_REPORTS = replace(lessons.SELF_REPORTS, steps=1, lessons_per_step=2)
    made = Workshop(tmp_path_factory.mktemp("studies"), no_bar, SIZES, TINY)
    learned_judge(made.learned_folder(0), 0)
    yield made
    lessons.FORMS, lessons.SELF_REPORTS = taught


@pytest.fixture(scope="module")
def measured(workshop):
    return {name: Measurements(study.measure(workshop, 0)) for name, study in STUDIES.items()}


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", STUDIES)
def test_every_claim_is_about_something_that_was_measured(name, measured):
    rows = measured[name].rows
    two_seeds = Measurements([*rows, *(row._replace(seed=1) for row in rows)])
    for claim in STUDIES[name].claims:
        finding = claim.decide(two_seeds)
        # Of so few answers, none may be bad, or none good: then a rate has no cases, but its rows are there.
        if finding.decision != "cannot be tested" and finding.estimate.value is None:
            assert any(row.n == 0 for row in rows), f"{claim.statement}: nothing was measured under these names"


@pytest.mark.parametrize("name", STUDIES)
def test_every_plot_has_its_rows(name, measured):
    found = {(row.quantity, row.arm, row.group) for row in measured[name].rows}
    curves = {(row.quantity, row.arm, row.group) for row in measured[name].rows if row.step is not None}
    for plot in STUDIES[name].plots:
        match plot:
            case Curves(lines=lines):
                assert set(lines) <= curves
            case Dots(quantities=quantities, arms=arms, groups=groups):
                wanted = {(quantity, arm, group) for quantity in quantities for arm in arms for group in groups}
                assert wanted <= found


@pytest.mark.parametrize("name", STUDIES)
def test_every_quantity_of_the_table_is_measured_and_every_final_one_is_in_it(name, measured):
    final = {row.quantity for row in measured[name].rows if row.step is None}
    assert final <= set(STUDIES[name].quantities)


@pytest.mark.parametrize("name", STUDIES)
def test_its_measurements_survive_the_csv(name, measured):
    text = measured[name].to_csv()
    assert Measurements.from_csv(text).to_csv() == text


def test_all_arms_of_a_seed_confess_about_the_same_frozen_rollouts(measured):
    rows = [row for row in measured["intervention"].rows if row.group == "frozen rollouts" and row.step is None]
    bad = {row.arm: (row.k, row.n) for row in rows if row.quantity == "bad_rate"}
    assert len(bad) == 3 and len(set(bad.values())) == 1


def test_a_policy_that_was_trained_is_not_trained_again(workshop, measured):
    before = {path: path.stat().st_mtime_ns for path in workshop.folder.rglob("*.safetensors")}
    again = Measurements(STUDIES["intervention"].measure(workshop, 0))
    assert {path: path.stat().st_mtime_ns for path in workshop.folder.rglob("*.safetensors")} == before
    assert again.to_csv() == measured["intervention"].to_csv()
