import numpy as np
import pytest

from novamind.errors import NotFoundError
from novamind.neurochemistry import graph
from novamind.neurochemistry.domain import Neurotransmitter
from novamind.neurochemistry.graph import (
    CLEARANCE_RATE,
    cascade,
    generator,
    projection_weights,
    reachable,
    steady_state,
)
from novamind.neurochemistry.reference import LEAVES
from tests.golden import check_golden

GLUTAMATE, SEROTONIN = Neurotransmitter.GLUTAMATE, Neurotransmitter.SEROTONIN


def place(leaf: str) -> int:
    return LEAVES.index(leaf)


def test_weights_and_rates_of_every_transmitter() -> None:
    answer = {
        name.value: {
            "clearance": CLEARANCE_RATE[name],
            "weights": [
                f"{LEAVES[j]} > {LEAVES[i]}: {projection_weights(name)[i, j]:.6g}"
                for i, j in np.argwhere(projection_weights(name))
            ],
        }
        for name in CLEARANCE_RATE
    }
    check_golden(__file__, "projection_weights", answer)
    assert (graph.RELAY_RATE, graph.TRANSSYNAPTIC_SHARE) == (0.25, 0.3)


def test_weights_are_shared_and_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        projection_weights(GLUTAMATE)[0, 0] = 1.0
    assert projection_weights(GLUTAMATE) is projection_weights(GLUTAMATE)


def test_a_graded_projection_has_a_third_of_its_grade() -> None:
    weights = projection_weights(GLUTAMATE)
    assert weights[place("thalamus"), place("cerebellum")] == 1.0
    assert weights[place("cerebellum"), place("thalamus")] == 0.0
    assert weights[place("raphe_nuclei"), place("anterior_cingulate_cortex")] == pytest.approx(2 / 3)


def test_a_nucleus_reaches_its_densest_leaf_with_one() -> None:
    dopamine = projection_weights(Neurotransmitter.DOPAMINE)
    midbrain, nigra = place("ventral_tegmental_area"), place("substantia_nigra")
    # DAT and NET together: accumbens 8 + 1, amygdala 1 + 2; the nucleus itself counts as a place of terminals
    assert dopamine[place("nucleus_accumbens"), midbrain] == 1.0
    assert dopamine[place("amygdala"), midbrain] == pytest.approx(3 / 9)
    assert dopamine[place("pallidum"), nigra] == pytest.approx(1 / 8)
    assert (np.diag(dopamine) == 0).all()
    # the raphe carries the most SERT itself (8), so no leaf of its reaches 1
    assert projection_weights(SEROTONIN).max() == pytest.approx(0.5)


def test_flow_follows_the_weights_and_what_leaves_a_region_is_taken_from_it() -> None:
    matrix = generator(SEROTONIN)
    flow = 0.25 * (projection_weights(SEROTONIN) + 0.3 * projection_weights(GLUTAMATE))
    np.testing.assert_allclose(matrix - np.diag(np.diag(matrix)), flow)
    np.testing.assert_allclose(np.diag(matrix), -(flow.sum(axis=0) + 0.30))
    own = generator(GLUTAMATE)
    np.testing.assert_allclose(own - np.diag(np.diag(own)), 0.25 * projection_weights(GLUTAMATE))


def test_a_cut_takes_one_direction_and_its_share_of_the_outflow() -> None:
    whole, cut = generator(GLUTAMATE), generator(GLUTAMATE, [("thalamus", "insula")])
    thalamus, insula = place("thalamus"), place("insula")
    assert cut[insula, thalamus] == 0.0
    assert cut[thalamus, insula] == whole[thalamus, insula] > 0
    assert cut[thalamus, thalamus] == pytest.approx(whole[thalamus, thalamus] + 0.25 * 2 / 3)
    changed = np.argwhere(cut != whole)
    assert {tuple(index) for index in changed} == {(insula, thalamus), (thalamus, thalamus)}
    np.testing.assert_array_equal(generator(GLUTAMATE), whole)  # and the shared weights are as they were


@pytest.mark.parametrize("name", [Neurotransmitter.GLYCINE, Neurotransmitter.ADENOSINE])
def test_what_is_not_tabled_is_not_given(name: Neurotransmitter) -> None:
    with pytest.raises(NotFoundError, match=name.value):
        projection_weights(name)


def test_reach_goes_through_many_steps_and_cycles() -> None:
    matrix = np.zeros((5, 5))
    for source, target in ((0, 3), (3, 1), (1, 0), (2, 4)):
        matrix[target, source] = 0.5
    np.fill_diagonal(matrix, -1.0)
    assert reachable(matrix, 0) == [0, 1, 3]
    assert reachable(matrix, 2) == [2, 4]
    assert reachable(matrix, 4) == [4]


def test_a_cascade_in_two_compartments_by_hand() -> None:
    matrix = np.array([[-1.0, 0.0, 0.0], [0.6, -0.4, 0.0], [0.0, 0.0, -2.0]])
    times = np.array([0.0, 0.5, 3.0])
    ours = cascade(matrix, np.array([2.0, 0.0, 0.0]), times)
    np.testing.assert_allclose(ours[:, 0], 2 * np.exp(-times))
    np.testing.assert_allclose(ours[:, 1], 2 * (np.exp(-0.4 * times) - np.exp(-times)), atol=1e-12)
    assert (ours[:, 2] == 0.0).all()
    assert (cascade(matrix, np.zeros(3), times) == np.zeros((3, 3))).all()
    two = cascade(matrix, np.array([2.0, 0.0, -1.0]), times)
    np.testing.assert_allclose(two[:, 2], -np.exp(-2 * times))
    np.testing.assert_allclose(steady_state(matrix, np.array([1.0, 0.0, 4.0])), [1.0, 1.5, 2.0])


def test_cascades_as_they_are_today() -> None:
    answer = {}
    for name in CLEARANCE_RATE:
        start = np.zeros(len(LEAVES))
        start[[place("hypothalamus"), place("raphe_nuclei")]] = 1.0, -0.5
        answer[name.value] = cascade(generator(name), start, np.array([1.0, 6.0]))
    check_golden(__file__, "cascades", answer)
