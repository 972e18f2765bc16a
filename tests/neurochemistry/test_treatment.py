import numpy as np
import pytest

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry import Outcome, Treatment, interaction
from novamind.neurochemistry.domain import Neurotransmitter
from novamind.neurochemistry.dynamics import ensemble
from novamind.neurochemistry.treatment import as_modelled, check_effect
from tests.golden import check_golden

SEROTONIN = Outcome("serotonin", "hippocampus", days=0.5)
SSRI = Treatment(occupied={"SERT": 0.8})
ANTAGONIST_1A = Treatment(occupied={"5-HT1A": 0.9})


def test_treatments_that_do_not_meet_do_not_interact():
    for other in ({"H1": 0.9}, {"M1": 0.7}, {"D2": 0.8}, {"NET": 0.8}):
        value = interaction(SSRI, Treatment(occupied=other), SEROTONIN, ensemble().take(np.arange(0, 200, 8)))
        assert np.abs(value).max() < 1e-6


def test_an_ssri_and_a_5ht1a_antagonist_help_each_other():
    assert (interaction(SSRI, ANTAGONIST_1A, SEROTONIN, ensemble()) > 0.1).all()


def test_antagonists_take_away():
    agonist = Treatment(occupied={"D2": 0.6}, intrinsic_activity={"D2": 1.0})
    blocker = Treatment(occupied={"D2": 0.8})
    signal = Outcome("dopamine", "dorsal_striatum", days=0.5, receptor="D2")
    assert (interaction(agonist, blocker, signal, ensemble()) < 0).all()
    post = Outcome("serotonin", "prefrontal_cortex", receptor="5-HT2A")
    assert interaction(SSRI, Treatment(occupied={"5-HT2A": 0.7}), post)[0] < 0


def test_an_interaction_is_symmetric():
    one = interaction(SSRI, ANTAGONIST_1A, SEROTONIN)[0]
    assert interaction(ANTAGONIST_1A, SSRI, SEROTONIN)[0] == pytest.approx(one, abs=1e-12)


def test_ligands_compete_and_changes_of_release_multiply():
    both = SSRI + Treatment(occupied={"SERT": 0.5})
    assert both.occupied["SERT"] == pytest.approx(5 / 6)
    half = Treatment(occupied={"5-HT1A": 0.5}, intrinsic_activity={"5-HT1A": 1.0}) + Treatment(occupied={"5-HT1A": 0.5})
    assert half.intrinsic_activity["5-HT1A"] == pytest.approx(0.5)
    release = Treatment({"serotonin": 0.5}) + Treatment({"serotonin": -0.2})
    assert release.release["serotonin"] == pytest.approx(0.2)


def test_bad_treatments_are_refused():
    for arguments in ({"occupied": {"SERT": 1.0}}, {"occupied": {"D9": 0.5}}, {"release": {"serotonin": 99.0}}):
        with pytest.raises(ValidationError):
            Treatment(**arguments)
    with pytest.raises(NotFoundError, match="no dynamic model"):
        Treatment(release={"oxytocin": 0.5})
    with pytest.raises(ValidationError):
        Outcome("serotonin", "hippocampus", receptor="D2")
    with pytest.raises(NotFoundError, match="terminals"):
        Outcome("serotonin", "cerebellum").value(SSRI)


# -- rules -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("effect", "right"), [(-0.9, True), (5, True), (-0.9001, False), (5.001, False), ("1", False)])
def test_a_change_of_release_has_limits(effect: float, right: bool) -> None:
    if right:
        assert check_effect(effect) == effect
        assert type(check_effect(effect)) is float
    else:
        with pytest.raises(ValidationError, match=r"between -0\.9 and 5"):
            check_effect(effect)
        with pytest.raises(ValidationError):
            Treatment(release={Neurotransmitter.DOPAMINE: effect})


@pytest.mark.parametrize("name", ["acetylcholine", "histamine", "oxytocin"])
def test_only_monoamines_and_amino_acids_have_a_model(name: str) -> None:
    with pytest.raises(NotFoundError, match="serotonin, norepinephrine, dopamine"):
        as_modelled(name)
    with pytest.raises(ValidationError):
        as_modelled("ether")
    assert as_modelled("dopamine") is Neurotransmitter.DOPAMINE


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        ({"occupied": {"SERT": 0}}, True),
        ({"occupied": {"alpha1": 0.999}}, True),
        ({"occupied": {"SERT": 1}}, False),
        ({"occupied": {"SERT": 1.0}}, False),
        ({"occupied": {"SERT": -0.01}}, False),
        ({"occupied": {"SERT": "half"}}, False),
        ({"occupied": {"NMDA": 0.5, "GABA-A": 0.2, "MAO-A": 0.9}}, True),
        ({"occupied": {"AMPA": 0.5}}, False),
        ({"intrinsic_activity": {"D2": 0}}, True),
        ({"intrinsic_activity": {"D2": 1}}, True),
        ({"intrinsic_activity": {"D2": 1.01}}, False),
        ({"intrinsic_activity": {"D2": -0.01}}, False),
        ({"intrinsic_activity": {"SERT": 0.5}}, False),
    ],
)
def test_shares_and_activities_have_limits(arguments: dict, right: bool) -> None:
    if right:
        Treatment(**arguments)
    else:
        with pytest.raises(ValidationError):
            Treatment(**arguments)


def test_nothing_added_changes_nothing() -> None:
    first = Treatment({Neurotransmitter.SEROTONIN: 0.4}, {"D2": 0.6, "SERT": 0.3}, {"D2": 0.25})
    for both in (first + Treatment(), Treatment() + first):
        assert both.release == pytest.approx(first.release)
        assert both.occupied == pytest.approx(first.occupied)
        assert both.intrinsic_activity == pytest.approx(first.intrinsic_activity)
    assert first.occupied == {"D2": 0.6, "SERT": 0.3}  # and is left as it was


def test_two_ligands_hold_and_activate_by_their_pressure() -> None:
    agonist = Treatment(occupied={"D2": 0.75, "SERT": 0.2}, intrinsic_activity={"D2": 0.8})
    blocker = Treatment(occupied={"D2": 0.5, "NET": 0.4, "H1": 0.0})
    both = agonist + blocker
    # 3 + 1 = 4 parts of pressure: 4/5 held, three quarters of it by the agonist
    assert both.occupied == pytest.approx({"D2": 0.8, "SERT": 0.2, "NET": 0.4, "H1": 0.0})
    assert both.intrinsic_activity == pytest.approx({"D2": 0.8 * 0.75})
    back = blocker + agonist
    assert back.occupied == pytest.approx(both.occupied)
    assert back.intrinsic_activity["D2"] == pytest.approx(0.6)
    # blocking a transporter is no activity
    assert "SERT" not in (agonist + Treatment(occupied={"SERT": 0.5})).intrinsic_activity


def test_changes_of_release_multiply() -> None:
    serotonin, dopamine = Neurotransmitter.SEROTONIN, Neurotransmitter.DOPAMINE
    both = Treatment({serotonin: 1.0}) + Treatment({serotonin: 0.5, dopamine: -0.2})
    assert both.release == pytest.approx({serotonin: 2.0, dopamine: -0.2})


def test_a_course_begins_at_day_0_and_ends_on_its_last_day() -> None:
    chemistry = Treatment({Neurotransmitter.SEROTONIN: 0.5}).chemistry(3.0)
    assert chemistry.firing["raphe_nuclei"].shape == (1, 7)
    assert Treatment().chemistry(1.0, step_hours=1.0).firing["raphe_nuclei"].shape == (1, 25)
    assert Treatment().chemistry(1.0, ensemble()).firing["raphe_nuclei"].shape == (200, 3)
    for rate in Treatment().chemistry(2.0).firing.values():
        np.testing.assert_allclose(rate, 1.0, atol=1e-9)


@pytest.mark.parametrize("days", [0.49, 731, None, float("nan")])
def test_an_outcome_lies_within_two_years(days: float) -> None:
    with pytest.raises(ValidationError, match="days"):
        Outcome("serotonin", "hippocampus", days=days)


@pytest.mark.parametrize("days", [0.5, 730])
def test_the_limits_of_an_outcome_are_allowed(days: float) -> None:
    assert Outcome("serotonin", "hippocampus", days=days).days == days
    assert Outcome("serotonin", "hippocampus").days == 42.0


@pytest.mark.parametrize(
    ("transmitter", "receptors"),
    [
        ("serotonin", {"5-HT1A", "5-HT2A", "5-HT2C"}),
        ("dopamine", {"D2"}),
        ("norepinephrine", {"alpha1"}),
    ],
)
def test_a_transmitter_acts_on_its_own_receptors(transmitter: str, receptors: set[str]) -> None:
    for receptor in ("5-HT1A", "5-HT2A", "5-HT2C", "D2", "alpha1", "H1", "M1", "SERT"):
        if receptor in receptors:
            assert Outcome(transmitter, "thalamus", receptor=receptor).receptor == receptor
        else:
            with pytest.raises(ValidationError, match=f"one that {transmitter} acts on"):
                Outcome(transmitter, "thalamus", receptor=receptor)


def test_a_signal_is_the_level_on_the_free_share_and_what_bound_agonists_give() -> None:
    treatment = Treatment({Neurotransmitter.DOPAMINE: 0.5}, {"D2": 0.6}, {"D2": 0.25})
    level = Outcome("dopamine", "dorsal_striatum", days=2.0).value(treatment)
    signal = Outcome("dopamine", "dorsal_striatum", days=2.0, receptor="D2").value(treatment)
    np.testing.assert_allclose(signal, level * 0.4 + 10.0 * 0.6 * 0.25)
    blocked = Treatment({Neurotransmitter.DOPAMINE: 0.5}, {"D2": 0.6})
    level = Outcome("dopamine", "dorsal_striatum", days=2.0).value(blocked)
    np.testing.assert_allclose(Outcome("dopamine", "dorsal_striatum", 2.0, "D2").value(blocked), level * 0.4)
    free = Outcome("dopamine", "dorsal_striatum", 2.0, "D2").value(Treatment())
    np.testing.assert_allclose(free, 1.0)


def test_an_interaction_is_what_both_do_beyond_the_sum() -> None:
    outcome = Outcome("serotonin", "hippocampus", days=1.0)
    whole = outcome.value(SSRI + ANTAGONIST_1A)[0]
    parts = outcome.value(SSRI)[0] + outcome.value(ANTAGONIST_1A)[0] - outcome.value(Treatment())[0]
    assert interaction(SSRI, ANTAGONIST_1A, outcome)[0] == pytest.approx(whole - parts)
    assert outcome.value(Treatment())[0] == pytest.approx(1.0)
    assert interaction(SSRI, Treatment(), outcome)[0] == pytest.approx(0.0, abs=1e-9)


def test_synergy_and_antagonism_cancel() -> None:
    """A 5-HT1A antagonist lets the SSRI do more, an agonist less; between them lies one that does neither."""
    outcome = Outcome("serotonin", "hippocampus", days=1.0)

    def with_activity(activity: float) -> float:
        ligand = Treatment(occupied={"5-HT1A": 0.9}, intrinsic_activity={"5-HT1A": activity})
        return float(interaction(SSRI, ligand, outcome)[0])

    assert with_activity(0.0) > 0.05
    assert with_activity(1.0) < -0.05
    low, high = 0.0, 1.0
    for _ in range(22):
        middle = (low + high) / 2
        low, high = (middle, high) if with_activity(middle) > 0 else (low, middle)
    assert with_activity(low) == pytest.approx(0.0, abs=1e-6)


def test_treatments_as_they_are_today() -> None:
    sets = ensemble().take(np.array([3, 90]))
    treatments = {
        "ssri": SSRI,
        "ssri and 5-HT1A": SSRI + ANTAGONIST_1A,
        "agonist": Treatment(occupied={"D2": 0.7, "NET": 0.3}, intrinsic_activity={"D2": 0.5}),
        "release": Treatment({Neurotransmitter.SEROTONIN: -0.6, Neurotransmitter.DOPAMINE: 1.5}),
    }
    outcomes = (
        Outcome("serotonin", "hippocampus", 1.0),
        Outcome("dopamine", "striatum", 3.5, "D2"),
        Outcome("norepinephrine", "prefrontal_cortex"),
        Outcome("serotonin", "amygdala", 14, "5-HT2C"),
    )
    answer = {name: [outcome.value(treatment, sets) for outcome in outcomes] for name, treatment in treatments.items()}
    check_golden(__file__, "treatments", answer)
