import numpy as np
import pytest
from scipy.integrate import solve_ivp

from novamind.neurochemistry.domain import Neurotransmitter
from novamind.neurochemistry.dynamics import (
    MONOAMINES,
    PRIOR,
    ensemble,
    firing_rate,
    relax,
    simulate_chemistry,
    typical,
)

SEROTONIN = Neurotransmitter.SEROTONIN


def held(target, share, times):
    return {target: np.full((1, times), share)}


def test_without_drugs_nothing_moves():
    chemistry = simulate_chemistry(held("SERT", 0.0, 200), {}, ensemble(), 12.0)
    for levels in chemistry.levels.values():
        for level in levels.values():
            assert np.abs(level - 1.0).max() < 1e-9
    for rate in chemistry.firing.values():
        assert np.abs(rate - 1.0).max() < 1e-9


def test_relaxation_is_exact_for_steps_of_any_size():
    days, target = np.array([[3.0], [7.0]]), np.array([[2.0] * 9, [0.5] * 9])
    coarse = relax(target, 1.0, days, 48.0)
    fine = relax(np.repeat(target, 48, axis=1), 1.0, days, 1.0)
    np.testing.assert_allclose(coarse, fine[:, ::48], rtol=1e-12)
    exact = target + (1.0 - target) * np.exp(-np.arange(9) * 2.0 / days)
    np.testing.assert_allclose(coarse, exact, rtol=1e-12)


def test_relaxation_matches_the_differential_equation_for_a_stepwise_target():
    steps = np.array([[1.0, 3.0, 0.0, 2.0, 2.0]])
    ours = relax(steps, 1.0, np.array([[2.0]]), 24.0)[0]

    def slope(t, x):
        return (steps[0, min(int(t), 4)] - x) / 2.0

    state, exact = 1.0, [1.0]
    for day in range(4):
        state = solve_ivp(slope, (day, day + 1 - 1e-9), [state], rtol=1e-10, atol=1e-12).y[0, -1]
        exact.append(state)
    np.testing.assert_allclose(ours, exact, atol=1e-6)


def test_firing_is_the_level_at_which_it_inhibits_itself():
    sets = ensemble()
    for drive in (0.2, 1.0, 4.0, 12.0):
        for agonism in (0.0, 3.0):
            rate = firing_rate(np.full((sets.count, 1), drive), np.full((sets.count, 1), agonism), sets)
            level = drive * (sets.tonic_release + (1 - sets.tonic_release) * rate) + agonism
            inhibition = level**sets.autoreceptor_hill / (
                sets.autoreceptor_threshold**sets.autoreceptor_hill + level**sets.autoreceptor_hill
            )
            rest = 1 - sets.autoreceptor_inhibition / (1 + sets.autoreceptor_threshold**sets.autoreceptor_hill)
            np.testing.assert_allclose(rate, (1 - sets.autoreceptor_inhibition * inhibition) / rest, atol=1e-9)


def test_more_blockade_means_more_transmitter_at_rest_and_less_firing_at_first():
    previous = 1.0
    for share in (0.3, 0.6, 0.8, 0.95):
        chemistry = simulate_chemistry(held("SERT", share, 100), {}, typical(), 12.0)
        level = chemistry.levels[SEROTONIN]["prefrontal_cortex"][0]
        assert level[-1] > previous
        assert chemistry.firing["raphe_nuclei"][0, 0] < chemistry.firing["raphe_nuclei"][0, -1]
        previous = level[-1]


def test_uptake_at_full_firing_gives_the_clearance_ratio():
    # Six months on, with firing back and terminals adapted, the level nears uptake at rest over uptake left.
    sets = typical()
    chemistry = simulate_chemistry(held("SERT", 0.8, 400), {}, sets, 12.0)
    other = sets.serotonin_other_clearance[0, 0]
    left = 0.2 * (1 - sets.transporter_loss[0, 0] * 0.8)
    ratio = (1 + other) / (left + other)
    assert chemistry.levels[SEROTONIN]["prefrontal_cortex"][0, -1] == pytest.approx(ratio, rel=0.1)


def test_levels_are_positive_under_anything():
    for target in ("SERT", "NET", "DAT", "5-HT1A", "D2", "5-HT2C"):
        for activity in (0.0, 1.0):
            active = {target: np.full((1, 20), 0.99 * activity)}
            chemistry = simulate_chemistry(held(target, 0.99, 20), active, ensemble(), 24.0)
            for levels in chemistry.levels.values():
                assert all((level > 0).all() and np.isfinite(level).all() for level in levels.values())


def test_resting_serotonin_restrains_frontal_catecholamines_through_5ht2c_and_not_5ht2a():
    # Gobert 2000: a 5-HT2C antagonist raises both and leaves serotonin alone; a 5-HT2A antagonist changes none.
    def frontal(target):
        levels = simulate_chemistry(held(target, 0.9, 2), {}, ensemble(), 12.0).levels
        return {name: levels[name]["prefrontal_cortex"][:, 1] for name in MONOAMINES}

    blocked_2c, blocked_2a = frontal("5-HT2C"), frontal("5-HT2A")
    for name in MONOAMINES:
        np.testing.assert_allclose(blocked_2a[name], 1.0, atol=1e-9)
        if name is not SEROTONIN:
            assert (blocked_2c[name] > 1.05).all()
    np.testing.assert_allclose(blocked_2c[SEROTONIN], 1.0, atol=1e-9)


def test_under_an_ssri_a_5ht2a_antagonist_frees_frontal_noradrenaline():
    # Quesseveur 2013: escitalopram alone does not raise it, with a 5-HT2A antagonist it does.
    noradrenaline = Neurotransmitter.NOREPINEPHRINE
    alone, both = (
        simulate_chemistry(held("SERT", 0.8, 2) | extra, {}, ensemble(), 12.0).levels[noradrenaline]
        for extra in ({}, held("5-HT2A", 0.9, 2))
    )
    assert (alone["prefrontal_cortex"][:, 1] < 1.0).all()
    freed = both["prefrontal_cortex"][:, 1] - alone["prefrontal_cortex"][:, 1]
    # Sets whose 5-HT2C gain covers the whole published fall leave nothing to 5-HT2A.
    left_over = (ensemble().serotonin_to_norepinephrine > ensemble().serotonin_to_dopamine)[:, 0]
    assert (freed[left_over] > 0).all()
    assert np.abs(freed[~left_over]).max() < 1e-9
    assert left_over.mean() > 0.5


def test_a_batch_is_the_same_as_its_patients_one_by_one():
    sets = ensemble().take(np.array([3, 17, 40]))
    shares = np.linspace(0.2, 0.9, 3)[:, None] * np.ones((3, 60))
    batch = simulate_chemistry({"SERT": shares}, {}, sets, 12.0)
    for row in range(3):
        one = simulate_chemistry({"SERT": shares[row : row + 1]}, {}, sets.take(np.array([row])), 12.0)
        for name in MONOAMINES:
            for leaf, level in one.levels[name].items():
                np.testing.assert_allclose(level[0], batch.levels[name][leaf][row], atol=1e-6)


def test_the_ensemble_stays_inside_its_ranges():
    sets = ensemble()
    assert sets.count == 200
    for name, (low, high, _) in PRIOR.items():
        values = getattr(sets, name)
        assert low <= values.min()
        assert values.max() <= high
