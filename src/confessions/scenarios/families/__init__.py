"""The evaluation families by name: the paper's twelve, and those beyond it."""

from collections.abc import Mapping
from typing import Final

from confessions.scenarios.families import broken_browser, word_count
from confessions.scenarios.family import Family

FAMILIES: Final[Mapping[str, Family]] = {
    family.name: family
    for family in (
        word_count.FAMILY,
        broken_browser.FAMILY,
    )
}
"""In the order of the paper's table 1; what the paper does not have comes last."""

__all__ = ["FAMILIES"]
