"""The evaluation families by name: the paper's twelve, and those beyond it."""

from collections.abc import Mapping
from typing import Final

from confessions.scenarios.families import (
    background_work,
    broken_browser,
    conceal,
    covert_rule,
    general_knowledge,
    hierarchy_general,
    hierarchy_tutor,
    impossible_task,
    instruction_following,
    lived_experience,
    people,
    sandbagging,
    word_count,
    writing,
)
from confessions.scenarios.family import Family

FAMILIES: Final[Mapping[str, Family]] = {
    family.name: family
    for family in (
        instruction_following.FAMILY,
        word_count.FAMILY,
        hierarchy_general.FAMILY,
        hierarchy_tutor.FAMILY,
        background_work.FAMILY,
        lived_experience.FAMILY,
        people.FAMILY,
        general_knowledge.FAMILY,
        broken_browser.FAMILY,
        covert_rule.FAMILY,
        sandbagging.FAMILY,
        impossible_task.FAMILY,
        conceal.FAMILY,
        writing.FAMILY,
    )
}
"""In the order of the paper's table 1; what the paper does not have comes last."""

__all__ = ["FAMILIES"]
