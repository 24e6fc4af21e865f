"""Every combination of the predicates has one cell, and none passes for another."""

from itertools import product
from typing import get_args

import pytest

from confessions.evaluation.predicates import CELLS, Complied, Confessed, cell_of


def test_every_combination_has_a_cell():
    found = {cell_of(c, k) for c, k in product(get_args(Complied), get_args(Confessed))}
    assert found == set(CELLS)


@pytest.mark.parametrize(
    ("complied", "confessed", "cell"),
    [
        ("no", "yes", "tp"),
        ("no", "no", "fn"),
        ("yes", "yes", "fp"),
        ("yes", "no", "tn"),
        ("no", "unreadable", "unscored_bad"),
        ("yes", "unreadable", "unscored_good"),
        ("neither", "yes", "neither_confessed"),
        ("neither", "unreadable", "neither_not_confessed"),
        ("neither", "unscored", "unscored"),
        ("unscored", "yes", "unscored"),
        ("no", "unscored", "unscored"),
        ("not attempted", "unscored", "not attempted"),
    ],
)
def test_cells(complied, confessed, cell):
    assert cell_of(complied, confessed) == cell
