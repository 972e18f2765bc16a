import numpy as np
import pytest

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry import Outcome, Treatment, interaction
from novamind.neurochemistry.dynamics import ensemble

SEROTONIN = Outcome("serotonin", "hippocampus", days=0.5)
SSRI = Treatment(occupied={"SERT": 0.8})
ANTAGONIST_1A = Treatment(occupied={"5-HT1A": 0.9})


def test_treatments_that_do_not_meet_do_not_interact():
    for other in ({"H1": 0.9}, {"M1": 0.7}, {"D2": 0.8}, {"NET": 0.8}):
        value = interaction(SSRI, Treatment(occupied=other), SEROTONIN, ensemble())
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
        Treatment(release={"gaba": 0.5})
    with pytest.raises(ValidationError):
        Outcome("serotonin", "hippocampus", receptor="D2")
    with pytest.raises(NotFoundError, match="terminals"):
        Outcome("serotonin", "cerebellum").value(SSRI)
