"""CYP2D6 copies from depth, and what they leave of a diplotype."""

import math

import pytest

from novamind.errors import ValidationError
from novamind.pharmacogenomics.copy_number import apply_copies, copies_from_depth
from novamind.pharmacogenomics.domain import Diplotype, DiplotypeCall


@pytest.mark.parametrize(
    ("copies", "relative_sd", "called"),
    [
        (0.0, 0.1, 0), (1.0, 0.1, 1), (2.0, 0.1, 2), (3.0, 0.1, 3), (4.0, 0.1, 4), (4.9, 0.1, None), (5.0, 0.1, None),
        (0.2, 0.1, 0), (0.21, 0.1, None), (0.79, 0.1, None), (0.81, 0.1, 1),  # below one copy as at one
        (2.08, 0.02, 2), (2.07, 0.02, 2), (2.11, 0.02, None), (1.93, 0.02, 2), (1.9, 0.02, None),
        (2.5, 0.05, None), (2.5, 0.1, None), (2.6, 0.15, None), (2.6, 0.11, 3), (2.2, 0.5, None), (2.0, 0.0, 2),
        (2.01, 0.0, None), (9.0, 0.05, 9), (10.0, 0.05, None),
    ],
)  # fmt: skip
def test_copies_are_called_where_one_whole_number_fits(copies: float, relative_sd: float, called: int | None) -> None:
    """Two standard deviations of the observed ratio hold the nearest number and not the next."""
    assert copies_from_depth(copies * 15, 30, relative_sd) == called
    spread = 2 * relative_sd * max(copies, 1)
    inside = [n for n in range(12) if abs(copies - n) <= spread + 1e-12]
    assert (inside == [called]) == (called is not None)


def test_a_tenth_is_the_usual_deviation() -> None:
    for copies in (2.3, 4.8, 5.0):
        assert copies_from_depth(copies, 2) == copies_from_depth(copies, 2, 0.1)
    assert copies_from_depth(2.3, 2) == 2
    assert copies_from_depth(0.75, 0.5) == 3, "a depth below one is a depth"
    assert copies_from_depth(5.0, 2) is None


@pytest.mark.parametrize(("gene", "control"), [(-0.1, 30), (30, 0), (30, -1), (math.nan, 30), (30, math.inf)])
def test_impossible_depths_are_refused(gene: float, control: float) -> None:
    with pytest.raises(ValidationError, match="read depths"):
        copies_from_depth(gene, control)
    assert copies_from_depth(0, 30) == 0


HET = Diplotype("CYP2D6", (DiplotypeCall("*1", "*4"),), warnings=("first",))
HOM = Diplotype("CYP2D6", (DiplotypeCall("*4", "*4"),))
TIED = Diplotype("CYP2D6", (DiplotypeCall("*1", "*4"), DiplotypeCall("*2", "*2")))


@pytest.mark.parametrize(
    ("diplotype", "copies", "names"),
    [
        (HET, 0, ["*5/*5"]),
        (HOM, 1, ["*4/*5"]),
        (TIED, 1, ["*2/*5"]),
        (Diplotype("CYP2D6"), 1, []),
        (Diplotype("CYP2D6", (DiplotypeCall("*10", "*10"),)), 1, ["*5/*10"]),
        (HET, 3, ["*1/*4x2", "*1x2/*4"]),
        (HET, 4, ["*1/*4x3", "*1x3/*4"]),
        (HOM, 3, ["*4/*4x2"]),
        (HET, 20, ["*1/*4x19", "*1x19/*4"]),
        (TIED, 3, ["*1/*4x2", "*1x2/*4", "*2/*2x2"]),
    ],
)
def test_what_copies_leave(diplotype: Diplotype, copies: int, names: list[str]) -> None:
    left = apply_copies(diplotype, copies)
    assert [c.name for c in left.calls] == names
    assert left.warnings == (
        *diplotype.warnings,
        f"CYP2D6: {copies} gene copies from depth; depth cannot show which allele is duplicated, nor hybrids.",
    )


def test_two_copies_change_nothing() -> None:
    assert apply_copies(HET, 2) is HET


@pytest.mark.parametrize("copies", [-1, 21])
def test_impossible_copies_are_refused(copies: int) -> None:
    with pytest.raises(ValidationError, match="between 0 and 20"):
        apply_copies(HET, copies)


def test_one_copy_contradicts_two_alleles() -> None:
    with pytest.raises(ValidationError, match="contradicts"):
        apply_copies(HET, 1)
