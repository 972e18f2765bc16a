import numpy as np
import pytest
from scipy.integrate import solve_ivp

from novamind.neurochemistry import dynamics
from novamind.neurochemistry.domain import Neurotransmitter
from novamind.neurochemistry.dynamics import (
    MONOAMINES,
    PRIOR,
    Parameters,
    ensemble,
    firing_rate,
    relax,
    simulate_chemistry,
    typical,
)
from novamind.neurochemistry.reference import innervation
from tests.golden import check_golden

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


# -- parts by hand -----------------------------------------------------------------------------------------------------

SETS = ensemble().take(np.array([0, 57, 123]))
NORADRENALINE, DOPAMINE = Neurotransmitter.NOREPINEPHRINE, Neurotransmitter.DOPAMINE


def middle_set(**values: float) -> Parameters:
    middle = {name: (low + high) / 2 for name, (low, high, _) in PRIOR.items()} | values
    return Parameters.from_columns({name: np.array([value]) for name, value in middle.items()})


def row(*values: float) -> np.ndarray:
    return np.array([values])


def test_ranges_and_constants_are_those_of_the_page() -> None:
    constants = {
        name: getattr(dynamics, name) for name in ("FULL_AGONIST", "SIGNAL_FLOOR", "MONOAMINES", "HOURS_PER_DAY")
    }
    check_golden(__file__, "prior", {"prior": PRIOR, **constants})


def test_parameters_are_taken_by_patient_and_repeated() -> None:
    taken = ensemble().take(np.array([5, 5, 2]))
    assert taken.count == 3
    for name in PRIOR:
        every = getattr(ensemble(), name)
        assert every.shape == (200, 1)
        np.testing.assert_array_equal(getattr(taken, name), every[[5, 5, 2]])


def test_the_typical_set_is_the_nearest_to_the_median_in_standard_deviations() -> None:
    values = np.column_stack([getattr(ensemble(), name)[:, 0] for name in PRIOR])
    distances = np.linalg.norm((values - np.median(values, axis=0)) / values.std(axis=0), axis=1)
    nearest = values[distances.argmin()]
    np.testing.assert_array_equal([getattr(typical(), name)[0, 0] for name in PRIOR], nearest)
    assert typical().count == 1


def test_relaxation_starts_at_its_start_and_halves_in_time() -> None:
    level = relax(np.full((1, 3), 4.0), 2.0, np.array([[1 / np.log(2)]]), 24.0)
    np.testing.assert_allclose(level, [[2.0, 3.0, 3.5]])


def test_patients_relax_each_with_their_own_time() -> None:
    days = np.array([[2.0], [5.0], [2.0]])
    target = np.array([[1.0, 3.0, 0.0, 2.0], [1.0, 3.0, 0.0, 2.0], [0.0, 1.0, 1.0, 5.0]])
    ours = relax(target, 0.5, days, 6.0)
    for patient in range(3):
        level = 0.5
        for time in range(4):
            assert ours[patient, time] == pytest.approx(level)
            level = target[patient, time] + (level - target[patient, time]) * np.exp(-0.25 / days[patient, 0])


def test_uptake_left_sets_the_level() -> None:
    free = {"DAT": row(0.25, 1.0), "NET": row(0.5, 1.0)}
    ratio = dynamics._clearance_ratio(free, {"DAT": 8.0, "NET": 2.0}, row(0.3))
    np.testing.assert_allclose(ratio, [[10.3 / (8 * 0.25 + 2 * 0.5 + 0.3), 1.0]])


def test_sensitivity_falls_by_the_compensated_share_of_stimulation() -> None:
    parameters = middle_set(desensitisation_days=2.0, desensitisation_extent=0.5)
    ours = dynamics._adapted(np.full((1, 3), 4.0), parameters, 48.0)
    target = -0.5 * np.log(4)
    np.testing.assert_allclose(np.log(ours), target * (1 - np.exp([[0.0, -1.0, -2.0]])))


def test_a_terminal_holds_the_level_that_its_release_and_its_autoreceptors_agree_on() -> None:
    parameters = middle_set(terminal_inhibition=0.25, desensitisation_extent=0.8, desensitisation_days=3.0)
    ratio, pull, released, blocked, agonism = row(3.0, 3.0), row(1.4, 1.4), row(0.7, 0.9), row(0.3, 0.3), row(0.5, 0.5)
    level = dynamics._terminal_level(ratio, pull, released, blocked, agonism, parameters, 24.0)
    adapted = dynamics._adapted(ratio * (1 - blocked) * pull + agonism, parameters, 24.0)
    # level = uptake ratio x release / (1 + inhibition), normalised to 1 at rest
    inhibition = 0.25 * adapted * ((1 - blocked) * level + agonism)
    np.testing.assert_allclose(level, ratio * released * 1.25 / (1 + inhibition), rtol=1e-12)


def system(nucleus: str) -> dynamics._System:
    return next(system for system in dynamics._SYSTEMS if system.nucleus == nucleus)


def test_the_four_systems_have_their_own_transporters_and_autoreceptors() -> None:
    check_golden(__file__, "systems", dynamics._SYSTEMS)


@pytest.mark.parametrize("nucleus", ["raphe_nuclei", "substantia_nigra"])
def test_serotonin_leaves_its_own_nucleus_and_the_nigra_alone(nucleus: str) -> None:
    assert dynamics._coupling(system(nucleus), {}, {}, middle_set()) == 0.0


@pytest.mark.parametrize(
    ("serotonin", "blocked", "excess", "tone"),
    [
        (2.0, {}, np.log(2.0), np.log(2.0)),
        (0.5, {}, 0.0, np.log(0.5)),
        (2.0, {"5-HT2C": 0.5}, np.log(2.0), 0.0),
        (3.0, {"5-HT2A": 0.5}, np.log(1.5), np.log(3.0)),
        (3.0, {"5-HT2A": 0.9}, 0.0, np.log(3.0)),
        (1.0, {"5-HT2C": 0.99}, 0.0, np.log(0.05)),
    ],
)
def test_serotonin_restrains_the_catecholamines_log_linearly(
    serotonin: float, blocked: dict[str, float], excess: float, tone: float
) -> None:
    levels = {"locus_coeruleus": row(serotonin), "ventral_tegmental_area": row(serotonin)}
    share = {name: row(value) for name, value in blocked.items()}
    parameters = middle_set(serotonin_to_dopamine=0.2, serotonin_to_norepinephrine=0.5)
    midbrain = dynamics._coupling(system("ventral_tegmental_area"), levels, share, parameters)
    np.testing.assert_allclose(midbrain, -0.2 * tone, atol=1e-12)
    coeruleus = dynamics._coupling(system("locus_coeruleus"), levels, share, parameters)
    np.testing.assert_allclose(coeruleus, -0.2 * tone - 0.3 * excess, atol=1e-12)
    weak = middle_set(serotonin_to_dopamine=0.4, serotonin_to_norepinephrine=0.3)
    alone = dynamics._coupling(system("locus_coeruleus"), levels, share, weak)
    np.testing.assert_allclose(alone, -0.3 * tone, atol=1e-12)


def test_firing_stays_between_full_inhibition_and_none() -> None:
    sets = ensemble()
    rest = 1 - sets.autoreceptor_inhibition / (1 + sets.autoreceptor_threshold**sets.autoreceptor_hill)
    silent = firing_rate(np.full((sets.count, 1), 1e-9), np.zeros((sets.count, 1)), sets)
    np.testing.assert_allclose(silent, 1 / rest, rtol=1e-6)
    flooded = firing_rate(np.ones((sets.count, 1)), np.full((sets.count, 1), 1e6), sets)
    np.testing.assert_allclose(flooded, (1 - sets.autoreceptor_inhibition) / rest, rtol=1e-4, atol=1e-4)
    normal = firing_rate(np.ones((sets.count, 1)), np.zeros((sets.count, 1)), sets)
    np.testing.assert_allclose(normal, 1.0, atol=1e-9)


def test_a_stand_still_of_stimulation_is_no_error() -> None:
    steep = middle_set(autoreceptor_hill=5.0, autoreceptor_inhibition=0.9)
    rate = firing_rate(np.zeros((1, 1)), np.zeros((1, 1)), steep)
    assert rate[0, 0] == pytest.approx(1 / (1 - 0.9 / (1 + 2.75**5)))


@pytest.mark.parametrize(
    ("occupied", "agonist", "release", "up", "down"),
    [
        ({"SERT": 0.8}, {}, {}, [(SEROTONIN, "hippocampus")], [(NORADRENALINE, "hippocampus")]),
        ({"NET": 0.8}, {}, {}, [(NORADRENALINE, "hippocampus"), (DOPAMINE, "prefrontal_cortex")], []),
        ({"DAT": 0.8}, {}, {}, [(DOPAMINE, "caudate"), (DOPAMINE, "nucleus_accumbens")], []),
        ({"5-HT1A": 0.9}, {"5-HT1A": 0.9}, {}, [(NORADRENALINE, "hippocampus")], [(SEROTONIN, "hippocampus")]),
        ({"D2": 0.9}, {"D2": 0.9}, {}, [], [(DOPAMINE, "caudate"), (DOPAMINE, "nucleus_accumbens")]),
        ({"D2": 0.9}, {}, {}, [(DOPAMINE, "caudate"), (DOPAMINE, "nucleus_accumbens")], []),
        ({"5-HT2C": 0.9}, {}, {}, [(NORADRENALINE, "amygdala"), (DOPAMINE, "prefrontal_cortex")], []),
        ({}, {}, {SEROTONIN: 2.0}, [(SEROTONIN, "amygdala")], [(DOPAMINE, "prefrontal_cortex")]),
        ({}, {}, {SEROTONIN: 0.3}, [(DOPAMINE, "prefrontal_cortex")], [(SEROTONIN, "amygdala")]),
        ({}, {}, {DOPAMINE: 2.0}, [(DOPAMINE, "putamen"), (DOPAMINE, "amygdala")], []),
        ({}, {}, {NORADRENALINE: 0.5}, [], [(NORADRENALINE, "thalamus")]),
    ],
)
def test_the_sign_of_every_pathway(occupied: dict, agonist: dict, release: dict, up: list, down: list) -> None:
    """First day, in every shipped set; what is named in neither list and has no path stays at baseline."""
    full = np.ones((1, 2))
    chemistry = simulate_chemistry(
        {"SERT": 0 * full} | {name: share * full for name, share in occupied.items()},
        {name: share * full for name, share in agonist.items()},
        ensemble(),
        12.0,
        {name: factor * full for name, factor in release.items()},
    )
    for name, leaf in up:
        assert (chemistry.levels[name][leaf][:, 1] > 1.001).all(), (name, leaf)
    for name, leaf in down:
        assert (chemistry.levels[name][leaf][:, 1] < 0.999).all(), (name, leaf)
    if not {"SERT", "5-HT1A"} & set(occupied) and SEROTONIN not in release:
        assert all(np.abs(level - 1).max() < 1e-9 for level in chemistry.levels[SEROTONIN].values())
    if not {"DAT", "NET", "D2"} & set(occupied) and DOPAMINE not in release:
        # the nigra has no input from serotonin here
        assert np.abs(chemistry.levels[DOPAMINE]["caudate"] - 1).max() < 1e-9


def test_transporters_are_lost_where_they_are_held() -> None:
    """Eight time constants on, what is free is what is not held of what is not lost."""
    sets = middle_set(transporter_loss=0.3, transporter_days=5.0, terminal_inhibition=0.0, desensitisation_extent=1.0)
    chemistry = simulate_chemistry(held("SERT", 0.8, 161), {}, sets, 12.0)
    other = (0.05 + 0.4) / 2
    # amygdala and cortex, of one nucleus, differ by their density alone
    levels = {leaf: chemistry.levels[SEROTONIN][leaf][0, -1] for leaf in ("amygdala", "prefrontal_cortex")}
    free = 0.2 * (1 - 0.3 * 0.8)
    ratio = {name: (density + other) / (density * free + other) for name, density in (("a", 4.0), ("p", 1.0))}
    assert levels["amygdala"] / levels["prefrontal_cortex"] == pytest.approx(ratio["a"] / ratio["p"], rel=1e-4)


def test_levels_are_those_of_the_leaves_that_a_nucleus_supplies() -> None:
    chemistry = simulate_chemistry(held("SERT", 0.5, 3), {}, typical(), 12.0)
    for name in MONOAMINES:
        assert set(chemistry.levels[name]) == set(innervation(name))
    assert set(chemistry.firing) == set(chemistry.sensitivity) == {s.nucleus for s in dynamics._SYSTEMS}
    assert chemistry.levels[SEROTONIN]["hippocampus"].shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "occupied", "agonist", "release"),
    [
        ("ssri", {"SERT": 0.8}, {}, {}),
        ("snri", {"SERT": 0.8, "NET": 0.5, "5-HT2C": 0.2}, {}, {}),
        ("bupropion", {"DAT": 0.3, "NET": 0.4}, {}, {}),
        ("aripiprazole", {"D2": 0.9, "5-HT1A": 0.6, "5-HT2A": 0.5}, {"D2": 0.225, "5-HT1A": 0.4}, {}),
        ("release", {}, {}, {"serotonin": 1.8, "norepinephrine": 0.4, "dopamine": 1.3}),
        ("everything", {"SERT": 0.7, "5-HT2A": 0.6, "5-HT2C": 0.96}, {"5-HT1A": 0.1}, {"dopamine": 0.2}),
    ],
)
def test_chemistry_over_weeks(name: str, occupied: dict, agonist: dict, release: dict) -> None:
    shape = np.where(np.arange(40) < 25, 1.0, 0.3)[None, :]  # a dose reduced on day 13
    chemistry = simulate_chemistry(
        {"SERT": 0 * shape} | {target: share * shape for target, share in occupied.items()},
        {target: share * shape for target, share in agonist.items()},
        SETS,
        12.0,
        {Neurotransmitter(target): 1 + (factor - 1) * shape for target, factor in release.items()},
    )
    times = [0, 1, 6, 24, 25, 39]
    leaves = ("prefrontal_cortex", "amygdala", "caudate", "nucleus_accumbens", "locus_coeruleus", "hypothalamus")
    answer = {
        "firing": {nucleus: rate[:, times] for nucleus, rate in chemistry.firing.items()},
        "sensitivity": {nucleus: value[:, times] for nucleus, value in chemistry.sensitivity.items()},
        "levels": {
            transmitter.value: {leaf: levels[leaf][:, times] for leaf in leaves if leaf in levels}
            for transmitter, levels in chemistry.levels.items()
        },
    }
    check_golden(__file__, f"chemistry_{name}", answer)


def corners() -> Parameters:
    """Every corner of the ranges that shape the firing curve."""
    names = ("autoreceptor_inhibition", "autoreceptor_threshold", "autoreceptor_hill", "tonic_release")
    grid = np.array(np.meshgrid(*(PRIOR[name][:2] for name in names))).reshape(len(names), -1)
    middle = {name: np.full(grid.shape[1], (low + high) / 2) for name, (low, high, _) in PRIOR.items()}
    return Parameters.from_columns(middle | dict(zip(names, grid, strict=True)))


@pytest.mark.parametrize("drive", [1e-6, 0.05, 1.7, 3.0, 12.0, 150.0, 1e4])
@pytest.mark.parametrize("agonism", [0.0, 0.5, 9.0])
def test_firing_is_found_in_every_corner_of_the_ranges(drive: float, agonism: float) -> None:
    sets = corners()
    ones = np.ones((sets.count, 1))
    rate = firing_rate(drive * ones, agonism * ones, sets)
    level = drive * (sets.tonic_release + (1 - sets.tonic_release) * rate) + agonism
    power = (level / sets.autoreceptor_threshold) ** sets.autoreceptor_hill
    rest = 1 - sets.autoreceptor_inhibition / (1 + sets.autoreceptor_threshold**sets.autoreceptor_hill)
    np.testing.assert_allclose(rate, (1 - sets.autoreceptor_inhibition * power / (1 + power)) / rest, atol=2e-9)


@pytest.mark.parametrize(
    ("target", "nucleus"), [("5-HT1A", "raphe_nuclei"), ("alpha2", "locus_coeruleus"), ("D2", "substantia_nigra")]
)
def test_a_blocked_autoreceptor_sensitises_as_if_a_twentieth_were_left_at_most(target: str, nucleus: str) -> None:
    sets = middle_set(desensitisation_days=4.0, desensitisation_extent=0.9)
    for share, left in ((0.99, 0.05), (0.9, 0.1)):
        chemistry = simulate_chemistry(held(target, share, 5), {}, sets, 24.0)
        logarithm = -0.9 * np.log(left) * (1 - np.exp(-np.arange(5) / 4))
        np.testing.assert_allclose(np.log(chemistry.sensitivity[nucleus][0]), logarithm, atol=1e-12)


def test_a_blocked_terminal_sensitises_likewise() -> None:
    sets = middle_set(desensitisation_days=4.0, desensitisation_extent=0.9, terminal_inhibition=0.3)
    pull = np.ones((1, 3))
    level = dynamics._terminal_level(pull, pull, pull, 0.99 * pull, 0 * pull, sets, 24.0)
    adapted = np.exp(-0.9 * np.log(0.05) * (1 - np.exp(-np.arange(3) / 4)))
    np.testing.assert_allclose(level[0], 1.3 / (1 + 0.3 * adapted * 0.01 * level[0]), rtol=1e-12)
