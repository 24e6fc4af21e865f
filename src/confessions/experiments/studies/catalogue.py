"""The studies by name: each tests claims of the paper and the article on the embedded default."""

from __future__ import annotations

from typing import Final

from confessions.experiments.studies import (
    base_performance,
    baselines,
    fraction,
    generalisation,
    intervention,
    interventions,
    labels,
    pressure,
    reasoning,
    seal,
    test_time,
    weak_judge,
)
from confessions.experiments.studies.study import Study

STUDIES: Final[dict[str, Study]] = {
    module.STUDY.name: module.STUDY
    for module in (
        weak_judge,
        intervention,
        labels,
        fraction,
        reasoning,
        test_time,
        base_performance,
        generalisation,
        seal,
        pressure,
        baselines,
        interventions,
    )
}
"""In the order in which the pages show them."""
