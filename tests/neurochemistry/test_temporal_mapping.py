from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest

from novamind.errors import InsufficientDataError, NotFoundError, ValidationError
from novamind.neurochemistry import (
    BrainRegion,
    Neurotransmitter,
    NeurotransmitterEffect,
    NeurotransmitterMapping,
    ReceptorProfile,
    ReceptorSubtype,
    ReceptorType,
    Schedule,
    TemporalNeurotransmitterMapping,
    extend_neurotransmitter_mapping,
)

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
MAPPING = TemporalNeurotransmitterMapping()
SEROTONIN = Neurotransmitter.SEROTONIN


def days(*numbers):
    return [START + timedelta(days=number) for number in numbers]


def test_extending_keeps_profiles_sources_and_patient():
    profile = ReceptorProfile(
        BrainRegion.AMYGDALA,
        SEROTONIN,
        ReceptorType.INHIBITORY,
        ReceptorSubtype.SEROTONIN_5HT1A,
        300,
        "fmol/mg",
        "x",
        "y",
    )
    base = NeurotransmitterMapping(patient_id=uuid4()).add_receptor_profile(profile)
    extended = extend_neurotransmitter_mapping(base)
    assert extended.patient_id == base.patient_id
    assert extended.profiles("amygdala", "serotonin") == (profile,)
    assert extended.production_map[SEROTONIN] == (BrainRegion.RAPHE_NUCLEI,)
    with pytest.raises(NotFoundError, match="no receptor density"):
        MAPPING.profiles("amygdala", "serotonin")


def test_a_cascade_depends_on_sign_start_transmitter_and_connections():
    spread = MAPPING.predict_cascade_effect(BrainRegion.RAPHE_NUCLEI, SEROTONIN, 1.0, 10)
    fall = MAPPING.predict_cascade_effect(BrainRegion.RAPHE_NUCLEI, SEROTONIN, -1.0, 10)
    assert len(spread[BrainRegion.AMYGDALA]) == 10
    assert spread[BrainRegion.RAPHE_NUCLEI][0] == 1.0
    assert spread[BrainRegion.AMYGDALA][0] == 0.0
    assert spread[BrainRegion.AMYGDALA][3] > spread[BrainRegion.PREFRONTAL_CORTEX][3] > 0
    for region, values in spread.items():
        np.testing.assert_allclose(values, -fall[region])
    other = MAPPING.predict_cascade_effect(BrainRegion.RAPHE_NUCLEI, Neurotransmitter.DOPAMINE, 1.0, 10)
    assert not np.allclose(other[BrainRegion.AMYGDALA], spread[BrainRegion.AMYGDALA])
    assert BrainRegion.PITUITARY not in spread


def test_cutting_every_way_into_a_region_leaves_exactly_nothing():
    cut = MAPPING
    for region in BrainRegion:
        if region not in (BrainRegion.CEREBELLUM, BrainRegion.PITUITARY):
            cut = cut.without_connection(region, BrainRegion.CEREBELLUM)
    spread = cut.predict_cascade_effect(BrainRegion.RAPHE_NUCLEI, SEROTONIN, 1.0, 12)
    assert (spread[BrainRegion.CEREBELLUM] == 0.0).all()
    assert (spread[BrainRegion.THALAMUS][1:] > 0).all()


def test_a_cascade_from_a_composite_starts_in_all_its_parts():
    spread = MAPPING.predict_cascade_effect("striatum", "glutamate", 0.4, 2)
    assert spread[BrainRegion.STRIATUM][0] == pytest.approx(0.4)
    assert spread[BrainRegion.DORSAL_STRIATUM][0] == pytest.approx(0.4)


@pytest.mark.parametrize(
    "arguments",
    [
        ("raphe_nuclei", "serotonin", float("nan"), 5),
        ("raphe_nuclei", "serotonin", 1.0, 0),
        ("raphe_nuclei", "serotonin", 1.0, 2.5),
        ("elbow", "serotonin", 1.0, 5),
        ("raphe_nuclei", "ether", 1.0, 5),
    ],
)
def test_bad_cascades_are_refused(arguments):
    with pytest.raises(ValidationError):
        MAPPING.predict_cascade_effect(*arguments)


def test_unmapped_cascades_say_so():
    with pytest.raises(NotFoundError):
        MAPPING.predict_cascade_effect("pituitary", "serotonin", 1.0, 5)
    with pytest.raises(NotFoundError):
        MAPPING.predict_cascade_effect("thalamus", "glycine", 1.0, 5)


def test_sequences_are_baseline_without_drugs_and_the_twin_under_them():
    flat = MAPPING.generate_temporal_sequence("prefrontal_cortex", "serotonin", days(0, 3, 9))
    np.testing.assert_array_equal(flat.values, 1.0)
    treated = TemporalNeurotransmitterMapping(
        "p1", schedules={"sertraline": Schedule.regular(50, 24, 24 * 30)}
    ).generate_temporal_sequence("prefrontal_cortex", "serotonin", days(0, 3, 20))
    assert treated.patient_id == "p1"
    assert treated.values[0, 0] == pytest.approx(1.0, abs=0.05)
    assert treated.values[2, 0] > treated.values[1, 0] > 1.2


def test_a_response_follows_time_not_position_in_the_list():
    coarse = MAPPING.simulate_treatment_response("prefrontal_cortex", "serotonin", 0.5, days(0, 7, 28))
    fine = MAPPING.simulate_treatment_response("prefrontal_cortex", "serotonin", 0.5, days(*range(29)))
    assert coarse[SEROTONIN].values[1, 0] == pytest.approx(fine[SEROTONIN].values[7, 0], rel=1e-6)
    assert coarse[SEROTONIN].values[2, 0] == pytest.approx(fine[SEROTONIN].values[28, 0], rel=1e-6)


def test_a_response_reaches_its_target_and_moves_the_coupled_transmitters():
    response = MAPPING.simulate_treatment_response("prefrontal_cortex", "serotonin", 0.5, days(0, 14, 84))
    assert response[SEROTONIN].values[-1, 0] == pytest.approx(1.5, abs=0.1)
    assert response[Neurotransmitter.NOREPINEPHRINE].values[-1, 0] < 1.0
    down = MAPPING.simulate_treatment_response("prefrontal_cortex", "serotonin", -0.5, days(0, 84))
    assert down[SEROTONIN].values[-1, 0] < 0.8
    assert down[Neurotransmitter.NOREPINEPHRINE].values[-1, 0] > 1.0
    alone = MAPPING.simulate_treatment_response("prefrontal_cortex", "norepinephrine", 0.5, days(0, 84))
    assert set(alone) == {Neurotransmitter.NOREPINEPHRINE}


def test_transmitters_without_a_model_approach_along_the_graph():
    response = MAPPING.simulate_treatment_response("thalamus", "glutamate", 0.3, days(0, 1 / 24, 5))
    values = response[Neurotransmitter.GLUTAMATE].values[:, 0]
    assert values[0] == pytest.approx(1.0)
    assert 1.0 < values[1] < values[2] == pytest.approx(1.3, abs=1e-3)


def test_bands_are_seeded():
    first, same, other = (
        MAPPING.simulate_treatment_response("hippocampus", "serotonin", 1.0, days(0, 10, 30), ensemble=20, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first[SEROTONIN].feature_names == ("serotonin", "serotonin_low", "serotonin_high")
    np.testing.assert_array_equal(first[SEROTONIN].values, same[SEROTONIN].values)
    assert not np.array_equal(first[SEROTONIN].values, other[SEROTONIN].values)
    middle, low, high = first[SEROTONIN].values[-1]
    assert low < middle < high


def test_bad_responses_are_refused():
    for effect, stamps, error in (
        (9.0, days(0, 1), ValidationError),
        (-1.0, days(0, 1), ValidationError),
        (0.5, days(3, 1), ValidationError),
        (0.5, days(0, 0), ValidationError),
        (0.5, [], ValidationError),
        (0.5, [datetime(2026, 1, 1)], ValidationError),  # noqa: DTZ001
        (0.5, days(0, 9999), ValidationError),
    ):
        with pytest.raises(error):
            MAPPING.simulate_treatment_response("hippocampus", "serotonin", effect, stamps)
    for region, transmitter in (("cerebellum", "serotonin"), ("thalamus", "adenosine"), ("pituitary", "dopamine")):
        with pytest.raises(NotFoundError):
            MAPPING.simulate_treatment_response(region, transmitter, 0.5, days(0, 1))


def series(step, count=40, seed=4):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(count) + step * (np.arange(count) >= count // 2)
    return [(START + timedelta(days=i), float(value)) for i, value in enumerate(values)]


def test_one_persons_series_is_analysed_with_its_autocorrelation():
    period = (START, START + timedelta(days=19.5))
    effect = MAPPING.analyze_temporal_response("p1", "prefrontal_cortex", "serotonin", series(4.0), period)
    assert isinstance(effect, NeurotransmitterEffect)
    assert effect.is_statistically_significant
    assert effect.direction == "increase"
    assert effect.sample_size == 40
    nothing = MAPPING.analyze_temporal_response("p1", "prefrontal_cortex", "serotonin", series(0.0), period)
    assert not nothing.is_statistically_significant


def test_values_before_the_baseline_period_are_left_out():
    period = (START + timedelta(days=4), START + timedelta(days=19.5))
    effect = MAPPING.analyze_temporal_response("p1", "hippocampus", "dopamine", series(3.0), period, onset_days=2.0)
    assert effect.sample_size == 36


def test_bad_series_are_refused():
    period = (START, START + timedelta(days=19.5))
    with pytest.raises(InsufficientDataError):
        MAPPING.analyze_temporal_response("p1", "hippocampus", "serotonin", series(1.0)[:25], period)
    with pytest.raises(ValidationError, match="increase"):
        MAPPING.analyze_temporal_response("p1", "hippocampus", "serotonin", series(1.0)[::-1], period)
    with pytest.raises(ValidationError, match="baseline_period"):
        MAPPING.analyze_temporal_response("p1", "hippocampus", "serotonin", series(1.0), period[::-1])
    with pytest.raises(ValidationError, match="another patient"):
        TemporalNeurotransmitterMapping("p2").analyze_temporal_response(
            "p1", "hippocampus", "serotonin", series(1.0), period
        )
