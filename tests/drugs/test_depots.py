"""Depots: tables entered a second time (PMC8316655, table 2: half-life and peak in days, weeks by mouth)."""

import numpy as np
import pytest

from novamind.drugs.depots import depot, depots
from novamind.errors import NotFoundError, ValidationError

# Half-life of the slow part, day of the peak, days by mouth after the first injection.
REVIEW = {
    ("risperidone", "depot"): (None, (28, 35), 21),
    ("olanzapine", "depot"): ((30, 30), (6, 8), 0),
    ("paliperidone", "depot"): ((24, 49), (12, 14), 0),
    ("paliperidone", "depot 3-month"): ((84, 95), (30, 33), 0),
    ("aripiprazole", "depot"): ((29.9, 46.5), (6, 8), 14),
    ("haloperidol", "depot"): ((21, 21), (1, 6), 21),
}


def test_half_lives_and_overlaps_are_those_of_the_review() -> None:
    assert set(depots()) == set(REVIEW)
    for key, (half_life, _, overlap) in REVIEW.items():
        entry = depots()[key]
        slow = [part.days for part in entry.parts if part.order == "first"]
        assert entry.oral_overlap_days == overlap
        assert (half_life is None) == (slow == [])
        if half_life is not None:
            assert half_life[0] <= slow[0] <= half_life[1]


@pytest.mark.parametrize("key", sorted(REVIEW))
def test_all_of_a_dose_is_released_and_never_taken_back(key: tuple[str, str]) -> None:
    released = depots()[key].released(np.arange(0.0, 3000.0))
    assert released[0] == 0.0
    assert (np.diff(released) >= 0).all()
    assert released[-1] == pytest.approx(1.0, abs=1e-6)


def test_a_part_releases_half_in_its_half_life_and_a_constant_one_in_half_its_days() -> None:
    haloperidol = depot("haloperidol", "depot")
    assert haloperidol.released(np.array([21.0, 42.0])) == pytest.approx([0.5, 0.75])
    microspheres = depot("risperidone", "depot").parts[1]
    assert microspheres.released(np.array([24.0, 29.5, 35.0, 60.0])) == pytest.approx([0.0, 0.3, 0.6, 0.6])


def test_a_strength_says_in_which_salt_it_counts() -> None:
    monthly = depot("paliperidone", "depot")
    # Invega Sustenna label: 39, 78, 117, 156, 234 mg of the palmitate are 25, 50, 75, 100, 150 mg of paliperidone
    assert [round(monthly.base_mg(mg)) for mg in (39, 78, 117, 156, 234)] == [25, 50, 75, 100, 150]
    assert monthly.base_mg(100) == 100
    assert monthly.labelled_mg(150) == pytest.approx(234, abs=0.1)
    assert depot("paliperidone", "depot 3-month").base_mg(546) == pytest.approx(350, abs=0.1)


@pytest.mark.parametrize(("drug", "dose"), [("paliperidone", 120.0), ("haloperidol", 901.0), ("aripiprazole", 801.0)])
def test_a_dose_that_is_no_strength_or_far_above_it_is_refused(drug: str, dose: float) -> None:
    with pytest.raises(ValidationError):
        depot(drug, "depot").base_mg(dose)


def test_a_depot_outside_the_tables_is_named_as_such() -> None:
    with pytest.raises(NotFoundError, match="choose one of"):
        depot("quetiapine", "depot")
