from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from novamind.errors import InsufficientDataError, NotFoundError, ValidationError
from novamind.neurochemistry import (
    BrainRegion,
    ClinicalSignificance,
    Neurotransmitter,
    NeurotransmitterEffect,
    NeurotransmitterMapping,
    ReceptorProfile,
    ReceptorSubtype,
    ReceptorType,
    Schedule,
    TemporalNeurotransmitterMapping,
    extend_neurotransmitter_mapping,
    temporal_mapping,
)
from novamind.neurochemistry.graph import generator
from novamind.neurochemistry.reference import receptor_profiles, region_weights
from novamind.timeline.interrupted_series import InterruptedSeries
from tests.golden import check_golden

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
    response = MAPPING.simulate_treatment_response("hypothalamus", "histamine", 0.3, days(0, 1 / 24, 5))
    assert set(response) == {Neurotransmitter.HISTAMINE}
    values = response[Neurotransmitter.HISTAMINE].values[:, 0]
    assert values[0] == pytest.approx(1.0)
    assert 1.0 < values[1] < values[2] == pytest.approx(1.3, abs=1e-3)


def test_glutamate_and_gaba_approach_along_the_graph_what_their_balance_gives():
    glutamate, gaba = Neurotransmitter.GLUTAMATE, Neurotransmitter.GABA
    response = MAPPING.simulate_treatment_response("thalamus", "glutamate", 0.3, days(0, 1 / 24, 5), ensemble=10)
    assert set(response) == {glutamate, gaba}
    # restraint 0.6, drive 0.6 in the middle of their ranges
    plain = MAPPING.simulate_treatment_response("thalamus", "glutamate", 0.3, days(0, 1 / 24, 5))
    own = plain[glutamate].values[:, 0]
    assert own[0] == pytest.approx(1.0)
    assert 1.0 < own[1] < own[2] == pytest.approx(1.3 ** (1 / 1.36), abs=1e-3)
    assert plain[gaba].values[2, 0] == pytest.approx(1.3 ** (0.6 / 1.36), abs=1e-3)
    assert (response[glutamate].values[2, 1] < response[glutamate].values[2, 2]).all()
    fall = MAPPING.simulate_treatment_response("thalamus", "gaba", -0.5, days(0, 5))
    assert fall[gaba].values[-1, 0] < 1 < fall[glutamate].values[-1, 0]


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
    at_once = MAPPING.analyze_temporal_response("p1", "hippocampus", "dopamine", series(3.0), period, onset_days=0.0)
    assert MAPPING.analyze_temporal_response("p1", "hippocampus", "dopamine", series(3.0), period) == at_once != effect


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


# -- rules -------------------------------------------------------------------------------------------------------------


def test_production_and_profiles_are_those_of_the_tables() -> None:
    mapping = NeurotransmitterMapping()
    assert mapping.patient_id is None
    assert mapping.receptor_profiles == receptor_profiles()
    sources = {name.value: [region.value for region in regions] for name, regions in mapping.production_map.items()}
    check_golden(__file__, "production", sources)
    profiles = mapping.profiles("temporal_cortex", "serotonin")
    assert {profile.receptor_subtype for profile in profiles} == {"5-HT1A", "5-HT2A"}
    assert all(profile.brain_region is BrainRegion.TEMPORAL_CORTEX for profile in profiles)
    (muscarinic,) = mapping.profiles("temporal_cortex", "acetylcholine")
    assert muscarinic.density == 753


def test_adding_a_profile_leaves_the_mapping_as_it_was() -> None:
    base = NeurotransmitterMapping(patient_id="p1", receptor_profiles=())
    more = base.add_receptor_profile(receptor_profiles()[0]).add_receptor_profile(receptor_profiles()[1])
    assert base.receptor_profiles == ()
    assert more.receptor_profiles == receptor_profiles()[:2]
    assert (more.patient_id, more.production_map) == ("p1", base.production_map)
    extended = extend_neurotransmitter_mapping(more)
    assert (extended.schedules, extended.cut) == ({}, frozenset())


def test_a_cut_between_composites_cuts_all_their_parts_one_way() -> None:
    once = MAPPING.without_connection("dorsal_striatum", "ventral_striatum")
    assert once.cut == {("caudate", "nucleus_accumbens"), ("putamen", "nucleus_accumbens")}
    twice = once.without_connection("thalamus", "insula")
    assert twice.cut == once.cut | {("thalamus", "insula")}
    assert MAPPING.cut == frozenset()


@pytest.mark.parametrize(
    ("changed", "right"),
    [
        ({"initial_level": 1e6}, True),
        ({"initial_level": -1e6}, True),
        ({"initial_level": 1.0001e6}, False),
        ({"initial_level": -1.0001e6}, False),
        ({"initial_level": "1"}, False),
        ({"time_steps": 1}, True),
        ({"time_steps": 0}, False),
        ({"time_steps": 10_001}, False),
        ({"step_hours": 168}, True),
        ({"step_hours": 168.01}, False),
        ({"step_hours": 0}, False),
        ({"step_hours": 1e-9}, True),
        ({"step_hours": -1.0}, False),
    ],
)
def test_limits_of_a_cascade(changed: dict[str, Any], right: bool) -> None:
    arguments = {"initial_level": 1.0, "time_steps": 2, "step_hours": 1.0} | changed
    if right:
        spread = MAPPING.predict_cascade_effect("amygdala", "oxytocin", **arguments)
        assert spread[BrainRegion.AMYGDALA].shape == (arguments["time_steps"],)
        assert spread[BrainRegion.AMYGDALA][0] == arguments["initial_level"]
    else:
        with pytest.raises(ValidationError, match=next(iter(changed))):
            MAPPING.predict_cascade_effect("amygdala", "oxytocin", **arguments)


def test_ten_thousand_steps_are_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporal_mapping, "cascade", lambda matrix, _, times: np.zeros((times.size, matrix.shape[0])))
    spread = MAPPING.predict_cascade_effect("amygdala", "oxytocin", 1.0, 10_000)
    assert spread[BrainRegion.AMYGDALA].size == 10_000


def test_steps_are_hours_and_a_composite_is_the_mean_of_its_parts() -> None:
    hourly = MAPPING.predict_cascade_effect("hypothalamus", "histamine", 0.5, 7)
    coarse = MAPPING.predict_cascade_effect("hypothalamus", "histamine", 0.5, 3, step_hours=3.0)
    for region in (BrainRegion.HYPOTHALAMUS, BrainRegion.STRIATUM, BrainRegion.AMYGDALA):
        np.testing.assert_allclose(coarse[region], hourly[region][::3], atol=1e-12)
    striatum = 8.6 * hourly[BrainRegion.DORSAL_STRIATUM] + 0.55 * hourly[BrainRegion.VENTRAL_STRIATUM]
    np.testing.assert_allclose(hourly[BrainRegion.STRIATUM], striatum / 9.15)
    assert len(hourly) == 22


def test_a_level_between_two_hours_is_interpolated() -> None:
    mapping = TemporalNeurotransmitterMapping(schedules={"duloxetine": Schedule.regular(60, 24, 96)})
    hour = timedelta(hours=1)
    at = mapping.generate_temporal_sequence(
        "amygdala", "norepinephrine", [START, START + 30 * hour, START + 30.25 * hour, START + 31 * hour]
    ).values[:, 0]
    assert at[2] == pytest.approx(0.75 * at[1] + 0.25 * at[3], rel=1e-9)
    assert at[0] == pytest.approx(1.0, abs=1e-6)
    late = mapping.generate_temporal_sequence("amygdala", "norepinephrine", [START, START + 31 * hour]).values[:, 0]
    assert late[-1] == pytest.approx(at[3], rel=1e-9)


def test_a_sequence_names_region_unit_and_patient() -> None:
    sequence = TemporalNeurotransmitterMapping("p7").generate_temporal_sequence("insula", "gaba", days(0, 1))
    assert sequence.patient_id == "p7"
    assert sequence.feature_names == ("gaba",)
    assert dict(sequence.metadata) == {"brain_region": "insula", "unit": "relative to drug-free baseline"}
    with pytest.raises(NotFoundError):
        MAPPING.generate_temporal_sequence("pituitary", "gaba", days(0, 1))
    treated = TemporalNeurotransmitterMapping(schedules={"duloxetine": Schedule.regular(60, 24, 96)})
    with pytest.raises(NotFoundError, match="no published model"):
        treated.generate_temporal_sequence("insula", "gaba", days(0, 1))


@pytest.mark.parametrize(("weeks", "right"), [(104, True), (104.001, False)])
def test_moments_span_two_years_at_most(weeks: float, right: bool) -> None:
    stamps = [START, START + timedelta(weeks=weeks)]
    if right:
        assert MAPPING.generate_temporal_sequence("insula", "gaba", stamps).sequence_length == 2
    else:
        with pytest.raises(ValidationError, match="104 weeks"):
            MAPPING.generate_temporal_sequence("insula", "gaba", stamps)


def test_moments_that_do_not_increase_are_refused_before_anything_is_simulated() -> None:
    for stamps, message in (([], "at least one"), (days(1, 1), "must increase"), (days(1, 0), "must increase")):
        with pytest.raises(ValidationError, match=message):
            MAPPING.generate_temporal_sequence("insula", "gaba", stamps)


def test_the_graph_approaches_its_final_value_from_nothing() -> None:
    hours = np.array([0.0, 1.0, 5.0, 400.0])
    share = MAPPING._graph_approach(Neurotransmitter.GLUTAMATE, BrainRegion.STRIATUM, hours)
    assert share[0] == pytest.approx(0.0, abs=1e-12)
    assert (np.diff(share) > 0).all()
    assert share[-1] == pytest.approx(1.0)
    # and on the way it is where small steps of the differential equation lead
    matrix = generator(Neurotransmitter.GLUTAMATE)
    drive = (region_weights(BrainRegion.STRIATUM) > 0).astype(float)
    step, level = 0.0005, np.zeros(len(drive))
    for _ in range(2000):
        level = level + step * (matrix @ level + drive)
    final = np.linalg.solve(-matrix, drive)
    weights = region_weights(BrainRegion.STRIATUM)
    assert share[1] == pytest.approx(float(level @ weights / (final @ weights)), rel=1e-3)


@pytest.mark.parametrize(("effect", "right"), [(-0.9, True), (5.0, True), (-0.91, False), (5.01, False)])
def test_limits_of_an_effect(effect: float, right: bool) -> None:
    if right:
        for name in ("serotonin", "glutamate"):
            MAPPING.simulate_treatment_response("hippocampus", name, effect, days(0, 1))
    else:
        for name in ("serotonin", "glutamate"):
            with pytest.raises(ValidationError, match="treatment effect"):
                MAPPING.simulate_treatment_response("hippocampus", name, effect, days(0, 1))


def test_responses_as_they_are_today() -> None:
    stamps = days(0, 0.3, 2, 9.7, 30)
    answer = {}
    for region, name, effect, size in (
        ("prefrontal_cortex", "serotonin", 0.8, 0),
        ("hippocampus", "serotonin", -0.4, 3),
        ("nucleus_accumbens", "dopamine", 1.5, 2),
        ("thalamus", "norepinephrine", -0.9, 0),
        ("striatum", "glutamate", 0.3, 0),
        ("amygdala", "oxytocin", -0.5, 0),
    ):
        response = MAPPING.simulate_treatment_response(region, name, effect, stamps, ensemble=size, seed=2)
        answer[f"{region} {name}"] = {
            other.value: {"names": sequence.feature_names, "values": sequence.values}
            for other, sequence in response.items()
        }
    check_golden(__file__, "responses", answer)


# -- one person's series -----------------------------------------------------------------------------------------------


def analysed(
    points: Sequence[tuple[datetime, float]],
    period: tuple[datetime, ...] = (START, START + timedelta(days=19.5)),
    **more: Any,
) -> NeurotransmitterEffect:
    return MAPPING.analyze_temporal_response("p1", "hippocampus", "serotonin", points, period, **more)


def test_the_effect_of_a_series_is_that_of_the_interrupted_series() -> None:
    points = series(1.5)
    for trend, onset in ((False, 0.0), (True, 0.0), (False, 4.0)):
        effect = analysed(points, trend=trend, onset_days=onset)
        at = np.arange(40) - 19.5
        change = InterruptedSeries(at, 5e-324, trend, onset).fit(np.array([value for _, value in points]))
        assert effect.effect_size == pytest.approx(float(change.effect_size[0]))
        bounds = float(change.effect_low[0]), float(change.effect_high[0])
        assert effect.confidence_interval == pytest.approx(bounds)
        assert effect.p_value == pytest.approx(float(change.p_value[0]))
        assert effect.clinical_significance is ClinicalSignificance.from_effect_size(effect.effect_size)
        assert effect.neurotransmitter is SEROTONIN
        assert effect.sample_size == 40


def test_the_first_and_last_moment_belong_to_the_baseline() -> None:
    exact = (START + timedelta(days=5), START + timedelta(days=19))
    effect = analysed(series(1.5), exact)
    assert effect.sample_size == 35
    at = np.arange(5, 40) - 19.0
    values = np.array([value for _, value in series(1.5)])[5:]
    after = InterruptedSeries(at, 5e-324, False, 0.0).fit(values)  # day 19 itself is baseline
    assert effect.effect_size == pytest.approx(float(after.effect_size[0]))


@pytest.mark.parametrize(
    "period",
    [
        (START, START),
        (START + timedelta(days=2), START),
        (START,),
        (START, START + timedelta(days=9), START + timedelta(days=19)),
    ],
)
def test_a_baseline_period_has_a_first_and_a_later_last_moment(period: tuple[datetime, ...]) -> None:
    with pytest.raises(ValidationError, match="baseline_period"):
        analysed(series(1.0), period)


@pytest.mark.parametrize("point", [(START, float("nan")), (START, "5"), (START, True), (START,), (START, 1.0, 2.0)])
def test_a_point_is_a_moment_and_a_finite_number(point: Any) -> None:
    with pytest.raises(ValidationError, match="pairs of a moment and a finite number"):
        analysed([*series(1.0), point])


def test_a_mapping_without_a_patient_serves_any_and_with_one_only_its_own() -> None:
    own = TemporalNeurotransmitterMapping("p1")
    period = (START, START + timedelta(days=19.5))
    assert own.analyze_temporal_response("p1", "insula", "gaba", series(1.0), period).sample_size == 40
    with pytest.raises(NotFoundError):
        own.analyze_temporal_response("p1", "pituitary", "gaba", series(1.0), period)
    with pytest.raises(ValidationError, match="another patient"):
        own.analyze_temporal_response("p11", "insula", "gaba", series(1.0), period)


def test_a_fall_is_a_decrease() -> None:
    effect = analysed(series(-4.0))
    assert effect.direction == "decrease"
    assert effect.confidence_interval[1] < 0
