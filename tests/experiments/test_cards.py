"""The page of the families is what the families say."""

from pathlib import Path

from confessions.experiments.cards import cards
from confessions.scenarios.families import FAMILIES

PAGE = Path(__file__).parents[2] / "docs" / "families.md"


def test_the_page_is_the_families():
    assert PAGE.read_text(encoding="utf-8") == cards(), "`make docs` writes docs/families.md anew"


def test_every_family_has_its_card():
    page = cards()
    for family in FAMILIES.values():
        assert f"## {family.name}\n" in page
        assert family.bad in page and family.admitted in page
