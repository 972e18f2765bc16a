import numpy as np
import pytest

from novamind.neurochemistry.amino_acids import (
    AMINO_ACID_PRIOR,
    AMINO_ACIDS,
    Balance,
    amino_acid_levels,
    drawn_balances,
)
from novamind.neurochemistry.domain import Neurotransmitter
from novamind.neurochemistry.dynamics import ensemble, simulate_chemistry, typical
from novamind.neurochemistry.reference import LEAVES

GLUTAMATE, GABA = AMINO_ACIDS
BALANCE = Balance(*(np.array([[value]]) for value in (0.6, 0.5, 1.5, 0.7)))


def levels(**occupied: float) -> tuple[float, float]:
    targets = {name.replace("_", "-"): np.full((1, 1), share) for name, share in occupied.items()}
    answer = amino_acid_levels(targets, {}, BALANCE)
    return float(answer[GLUTAMATE][0, 0]), float(answer[GABA][0, 0])


def test_without_drug_nothing_moves() -> None:
    assert levels() == (1.0, 1.0)
    assert levels(GABA_A=0.0, NMDA=0.0) == (1.0, 1.0)


def test_levels_solve_both_equations() -> None:
    targets = {"GABA-A": np.array([[0.3, 0.8]]), "NMDA": np.array([[0.5, 0.1]])}
    release = {GABA: np.array([[1.4, 0.7]]), GLUTAMATE: np.array([[0.8, 2.0]])}
    answer = amino_acid_levels(targets, release, BALANCE)
    excited, gaba = np.log(answer[GLUTAMATE]), np.log(answer[GABA])
    inhibition = gaba + np.log(1 + 1.5 * targets["GABA-A"])
    excitation = excited + np.log(1 - 0.7 * targets["NMDA"])
    np.testing.assert_allclose(excited, np.log(release[GLUTAMATE]) - 0.6 * inhibition)
    np.testing.assert_allclose(gaba, np.log(release[GABA]) + 0.5 * excitation)


def test_a_benzodiazepine_lowers_glutamate_and_ketamine_disinhibits_it() -> None:
    glutamate, gaba = levels(GABA_A=0.6)
    assert glutamate < 1.0
    assert gaba < 1.0  # interneurons are driven less
    glutamate, gaba = levels(NMDA=0.5)
    assert glutamate > 1.0  # Moghaddam 1997
    assert gaba < 1.0
    more, _ = levels(NMDA=0.8)
    assert more > glutamate


def test_one_balance_a_patient_over_the_ranges() -> None:
    drawn = drawn_balances(300)
    assert list(drawn) == list(AMINO_ACID_PRIOR)
    for name, (low, high, _) in AMINO_ACID_PRIOR.items():
        assert low <= drawn[name].min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < drawn[name].max() <= high
        np.testing.assert_array_equal(drawn_balances(300)[name], drawn[name])
        assert getattr(typical(), name)[0, 0] == pytest.approx((low + high) / 2)
        assert getattr(ensemble(), name).shape == (200, 1)


def test_the_twin_gives_amino_acids_where_something_acts_on_them() -> None:
    held = np.full((1, 4), 0.4)
    quiet = simulate_chemistry({"SERT": held}, {}, typical(), 12.0)
    assert not {GABA, GLUTAMATE} & set(quiet.levels)
    for target in ("GABA-A", "NMDA"):
        chemistry = simulate_chemistry({target: held}, {}, ensemble(), 12.0)
        assert set(chemistry.levels[GABA]) == set(LEAVES)
        assert chemistry.levels[GLUTAMATE]["insula"].shape == (200, 4)
        assert chemistry.levels[Neurotransmitter.SEROTONIN]["insula"] == pytest.approx(1.0)
    changed = simulate_chemistry({}, {}, typical(), 12.0, {GABA: np.full((1, 2), 1.5)})
    assert (changed.levels[GLUTAMATE]["thalamus"] < 1).all()
