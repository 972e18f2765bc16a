import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from novamind.errors import NotFoundError
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

MAPPED = [name for name in Neurotransmitter if name in CLEARANCE_RATE]


def at(leaf, value=1.0):
    return np.where(np.array(LEAVES) == leaf, value, 0.0)


def taylor_exponential(matrix, time):
    """Scaling and squaring of the Taylor series: an exponential of its own."""
    small, result, term = matrix * time / 2**20, np.eye(len(matrix)), np.eye(len(matrix))
    for order in range(1, 12):
        term = term @ small / order
        result = result + term
    for _ in range(20):
        result = result @ result
    return result


@pytest.mark.parametrize("transmitter", MAPPED)
def test_the_cascade_is_the_matrix_exponential(transmitter):
    matrix = generator(transmitter)
    for start in ("raphe_nuclei", "prefrontal_cortex", "hypothalamus"):
        ours = cascade(matrix, at(start), np.array([0.0, 1.0, 7.5]))
        for row, time in zip(ours, (0.0, 1.0, 7.5), strict=True):
            np.testing.assert_allclose(row, taylor_exponential(matrix, time) @ at(start), atol=1e-8)


def test_the_cascade_solves_the_differential_equation():
    matrix, start = generator(Neurotransmitter.DOPAMINE), at("ventral_tegmental_area", -0.7)
    solved = solve_ivp(lambda _, x: matrix @ x, (0, 10), start, rtol=1e-11, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(cascade(matrix, start, np.array([10.0]))[0], solved, atol=1e-8)


def test_a_cut_connection_is_exactly_nothing():
    cuts = {(source, target) for source in LEAVES for target in LEAVES if target == "cerebellum"}
    spread = cascade(generator(Neurotransmitter.SEROTONIN, cuts), at("raphe_nuclei"), np.arange(20.0))
    assert (spread[:, LEAVES.index("cerebellum")] == 0.0).all()
    whole = cascade(generator(Neurotransmitter.SEROTONIN), at("raphe_nuclei"), np.arange(20.0))
    assert (whole[1:, LEAVES.index("cerebellum")] > 0.0).all()


@pytest.mark.parametrize("transmitter", MAPPED)
def test_what_is_not_there_has_been_cleared(transmitter):
    times = np.linspace(0, 12, 7)
    spread = cascade(generator(transmitter), at("hypothalamus", 2.0), times)
    np.testing.assert_allclose(spread.sum(axis=1), 2.0 * np.exp(-CLEARANCE_RATE[transmitter] * times), rtol=1e-9)


@given(st.sampled_from(MAPPED), st.sampled_from(LEAVES), st.floats(0.01, 100), st.floats(0.0, 48.0))
def test_a_rise_never_becomes_a_fall(transmitter, start, level, time):
    matrix = generator(transmitter)
    up = cascade(matrix, at(start, level), np.array([time]))[0]
    down = cascade(matrix, at(start, -level), np.array([time]))[0]
    assert (up >= -1e-12 * level).all()
    np.testing.assert_allclose(up, -down, atol=1e-12 * level)


def test_the_steady_state_is_where_a_long_run_ends():
    matrix, drive = generator(Neurotransmitter.NOREPINEPHRINE), at("locus_coeruleus", 0.3)
    final = steady_state(matrix, drive)
    run = solve_ivp(lambda _, x: matrix @ x + drive, (0, 200), 0 * drive, rtol=1e-10, atol=1e-12, method="LSODA")
    np.testing.assert_allclose(run.y[:, -1], final, atol=1e-6)


def test_transmitter_and_start_both_change_the_answer():
    answers = [
        cascade(generator(transmitter), at(start), np.array([3.0]))[0]
        for transmitter in MAPPED
        for start in ("raphe_nuclei", "thalamus", "amygdala")
    ]
    for i, one in enumerate(answers):
        for other in answers[i + 1 :]:
            assert np.abs(one - other).max() > 1e-6


def test_monoamine_projections_follow_terminal_density():
    serotonin = projection_weights(Neurotransmitter.SEROTONIN)
    raphe = LEAVES.index("raphe_nuclei")
    assert serotonin[:, raphe].sum() == serotonin.sum()
    assert serotonin[LEAVES.index("amygdala"), raphe] == 4 * serotonin[LEAVES.index("prefrontal_cortex"), raphe]
    dopamine = projection_weights(Neurotransmitter.DOPAMINE)
    assert dopamine[LEAVES.index("caudate"), LEAVES.index("ventral_tegmental_area")] == 0
    assert dopamine[LEAVES.index("caudate"), LEAVES.index("substantia_nigra")] == 1


def test_transmitters_without_projections_are_refused():
    for name in (Neurotransmitter.GLYCINE, Neurotransmitter.ADENOSINE):
        with pytest.raises(NotFoundError, match="cannot be given"):
            generator(name)


def test_reachable_follows_arrows_only_forward():
    matrix = np.array([[-1.0, 0, 0], [1, -1, 0], [0, 0, -1]])
    assert reachable(matrix, 0) == [0, 1]
    assert reachable(matrix, 1) == [1]
