"""What of a record reaches the services: names, conditions, genes, reports, and notes on what does not."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from novamind.drugs.conditions import condition_word
from novamind.drugs.limits import PatientFacts
from novamind.errors import ValidationError
from novamind.pharmacogenomics import genotype
from novamind.records import (
    Allergy,
    Condition,
    MedicationCourse,
    NotUnderstood,
    PatientRecord,
    signal_frame,
    symptom_frame,
)
from novamind.symptoms.domain import Scale
from novamind.symptoms.forecaster.covariates import TREATMENT_START
from novamind.twin import case as module
from novamind.twin.analyses import MedicationReviews, review_of
from novamind.twin.case import Case, as_polars, read_case, today_in
from novamind.twin.domain import Options
from tests.twin.people import PHQ9, TODAY, WHO5, case, diary, record

DAY = timedelta(days=1)


def of(**known: Any) -> Case:
    return Case(PatientRecord("p", **known), TODAY)


# -- what is taken, what is not tolerated, what the person has


def test_what_is_taken_today_stands_under_its_generic_name_or_its_own() -> None:
    courses = (
        MedicationCourse("Zoloft", TODAY, dose_mg=50),
        MedicationCourse("Obscurol", None),
        MedicationCourse("lithium", TODAY + DAY),
        MedicationCourse("bupropion", None, TODAY - DAY),
        MedicationCourse("paroxetine", None, TODAY),
        MedicationCourse("citalopram", None, stopped=True),
    )
    taken = of(medications=courses).medications
    assert set(taken) == {"sertraline", "Obscurol", "paroxetine"}
    assert taken["sertraline"].dose_mg == 50


def test_doses_of_several_courses_of_one_drug_are_added_and_said() -> None:
    twice = of(
        medications=(MedicationCourse("Zoloft", TODAY, dose_mg=150), MedicationCourse("sertraline", TODAY, dose_mg=100))
    )
    assert twice.doses["sertraline"].daily_mg == 250
    assert "sertraline is taken in several courses: their doses were added." in twice.notes
    assert not any(
        "several courses" in note for note in of(medications=(MedicationCourse("Zoloft", TODAY, dose_mg=50),)).notes
    )


def test_a_combination_is_taken_and_was_stopped_as_its_drugs() -> None:
    taken = of(
        medications=(MedicationCourse("Symbyax 6/25 mg", TODAY, dose_mg=31), MedicationCourse("Lithium 300 mg", TODAY))
    )
    assert set(taken.medications) == {"olanzapine", "fluoxetine", "lithium"}
    assert "olanzapine" not in taken.doses
    ended = of(medications=(MedicationCourse("Symbyax", TODAY - timedelta(20), TODAY - timedelta(5)),))
    assert ended.stopped == {"olanzapine": 5, "fluoxetine": 5}
    assert ended.medications == {}


@pytest.mark.parametrize(
    ("allergy", "drugs"),
    [
        (Allergy("rash", medication="sertraline"), {"sertraline"}),
        (Allergy("Zoloft"), {"sertraline"}),
        (Allergy("Allergy to sertraline (finding)"), {"sertraline"}),
        (Allergy("Paxil", medication="sertraline"), {"sertraline", "paroxetine"}),
        (Allergy("peanuts"), set()),
        (Allergy("sertraline", active=False), set()),
    ],
)
def test_an_active_allergy_counts_under_either_of_its_names(allergy: Allergy, drugs: set[str]) -> None:
    assert of(allergies=(allergy,)).allergies == drugs


@pytest.mark.parametrize(
    ("allergies", "names"),
    [
        ((Allergy("rash", medication="Zoloft"),), ("sertraline",)),
        ((Allergy("Paxil", medication="sertraline"),), ("sertraline", "paroxetine")),
        ((Allergy("peanuts"), Allergy("Zoloft"), Allergy("sertraline")), ("peanuts", "sertraline")),
        ((Allergy("peanuts", medication="Obscurol"),), ("Obscurol",)),
        ((Allergy("Allergy to Zoloft"), Allergy("Allergy to peanuts")), ("sertraline", "Allergy to peanuts")),
        ((Allergy("peanuts", active=False), Allergy("sertraline", active=False)), ()),
    ],
)
def test_what_an_active_allergy_is_to_stands_once_known_or_not(
    allergies: tuple[Allergy, ...], names: tuple[str, ...]
) -> None:
    assert of(allergies=allergies).allergens == names


def test_more_drugs_are_taken_from_today_on_and_the_record_stays_as_it_is() -> None:
    before = case(medications=("sertraline",), dose_mg=50)
    after = before.taking(("lithium", "sertraline"))
    assert set(after.medications) == {"sertraline", "lithium"}
    assert after.medications["sertraline"].dose_mg == 50, "what is taken already is not begun again"
    assert after.medications["lithium"] == MedicationCourse("lithium", TODAY)
    assert set(before.medications) == {"sertraline"}
    assert (after.record.patient_id, after.today, after.record.conditions) == ("p", TODAY, before.record.conditions)
    assert before.taking(()).medications == before.medications


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("long qt", "long qt"),
        (" Long_QT ", "long qt"),
        ("LONG  qt", "long qt"),
        ("long-qt", None),
        ("gout", None),
        ("", None),
    ],
)
def test_the_word_by_which_rules_know_a_condition(name: str, word: str | None) -> None:
    assert condition_word(name) == word


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        (None, date(2025, 6, 1)),
        ("UTC", date(2025, 6, 1)),
        ("Pacific/Auckland", date(2025, 6, 2)),
        ("Europe/Berlin", date(2025, 6, 2)),
        ("Europe/London", date(2025, 6, 2)),  # summer: an hour ahead
        ("America/New_York", date(2025, 6, 1)),
    ],
)
def test_today_is_that_of_the_persons_clock(zone: str | None, day: date, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return cls(2025, 6, 1, 23, 30, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(module, "datetime", Clock)
    assert today_in(zone) == day


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ((Condition("QT", word="long qt"),), ("long qt",)),
        ((Condition("QT", word="long qt", active=False),), ()),
        ((Condition("gout", word="gout"),), ()),
        ((Condition("gout"),), ()),
        ((Condition("a", word="long qt"), Condition("b", word="long qt")), ("long qt",)),
    ],
)
def test_active_conditions_that_a_rule_knows_count_once(conditions: Any, words: tuple[str, ...]) -> None:
    assert of(conditions=conditions).conditions == words


@pytest.mark.parametrize(
    ("born", "young"),
    [
        (TODAY.year - 24, True),
        (TODAY.year - 25, True),  # 24 or 25: the birthday is not known
        (TODAY.year - 26, False),
        (str(TODAY.year - 20), False),
        (None, False),
    ],
)
def test_youth_follows_from_the_birth_year(born: Any, young: bool) -> None:
    assert ("age under 25" in of(demographics={"birth_year": born}).conditions) is young


# -- genes


def test_genes_are_read_one_by_one_and_what_cannot_be_read_is_named() -> None:
    patient = case(genotype={"CYP2D6": "*4/*4", "CYP2C9": "nonsense", "CYP2C19": "*1/*2"})
    assert {gene: found.name for gene, found in patient.genotype.items()} == {"CYP2D6": "*4/*4", "CYP2C19": "*1/*2"}
    assert patient.notes == ("The result of CYP2C9 is in an unknown notation and was not used.",)


def test_a_called_gene_goes_before_a_reported_one() -> None:
    called = genotype({"CYP2D6": "*1/*1"})
    patient = Case(record(genotype={"CYP2D6": "*4/*4", "CYP2C19": "*2/*2"}), TODAY, called)
    assert {gene: found.name for gene, found in patient.genotype.items()} == {"CYP2D6": "*1/*1", "CYP2C19": "*2/*2"}


def test_notes_count_conditions_without_a_rule_and_repeat_what_was_not_understood() -> None:
    conditions = (
        Condition("gout"),
        Condition("x", word="y"),
        Condition("old", active=False),
        Condition("QT", word="long qt"),
    )
    patient = of(conditions=conditions, not_understood=(NotUnderstood("Observation/7", "no value"),))
    assert patient.notes == ("2 active condition(s) have no rule and were not used.", "no value (Observation/7).")
    assert of(conditions=conditions[3:]).notes == ()


# -- reports


TWO = pl.concat([diary([1.0, 2, 3]), diary([4.0, 5], "mood")])


def scaled(symptoms: pl.DataFrame, **scales: Scale) -> Case:
    return Case(record(symptoms=symptoms), TODAY, own_scales=scales)


def reported(patient: Case) -> list[tuple[str, str, float]]:
    """Series, month and day, value of each report that can be forecast."""
    assert patient.symptoms is not None
    return [
        (name, f"{when:%m-%d}", value)
        for name, when, value in patient.symptoms.select("symptom", "timestamp", "value").rows()
    ]


def test_a_known_instrument_has_its_published_scale_and_others_their_own_or_none() -> None:
    reports = pl.concat([TWO, diary([2.0], "sleep"), diary([52.0], "WHO-5")])
    patient = scaled(reports, mood=Scale(0, 10), calm=Scale(0, 5))
    assert patient.scales == {"PHQ-9": PHQ9, "WHO-5": WHO5, "mood": Scale(0, 10)}
    assert patient.unscaled == ("sleep",)
    assert {name for name, _, _ in reported(patient)} == {"PHQ-9", "WHO-5", "mood"}
    assert patient.notes == ("sleep is not forecast: its range is not known; give it once.",)


def test_without_a_range_there_is_nothing_to_forecast() -> None:
    assert (case().scales, case().unscaled, case().symptoms) == ({}, (), None)
    unknown = case(symptoms=diary([4.0, 5], "mood"))
    assert (unknown.scales, unknown.unscaled, unknown.symptoms) == ({}, ("mood",), None)


def test_a_published_scale_is_not_to_be_changed() -> None:
    assert scaled(TWO, **{"PHQ-9": Scale(0, 1e6, worse="low")}).scales["PHQ-9"] == PHQ9


SPELLINGS = pl.concat([diary([1.0, 2, 3], "PHQ-9"), diary([4.0, 5], "PHQ_9"), diary([6.0], "phq9")])


def test_all_spellings_of_an_instrument_are_one_series_and_the_last_counts_at_one_time() -> None:
    patient = case(symptoms=SPELLINGS)
    assert patient.scales == {"PHQ-9": PHQ9}
    assert sorted(reported(patient)) == [("PHQ-9", "05-30", 1.0), ("PHQ-9", "05-31", 4.0), ("PHQ-9", "06-01", 6.0)]
    times, values, _ = patient.reports("PHQ-9")
    assert ([f"{time}"[:10] for time in times], list(values)) == (["2025-05-30", "2025-05-31", "2025-06-01"], [1, 4, 6])
    assert patient.notes == ()
    apart = diary([7.0], "phq9").with_columns(timestamp=pl.lit(datetime.combine(TODAY, time(9))))
    both = case(symptoms=pl.concat([diary([1.0]).with_columns(pl.col("timestamp").cast(pl.Datetime("us"))), apart]))
    assert [value for _, _, value in reported(both)] == [1.0, 7.0], "another time of the day is another report"


def test_own_scales_are_of_the_series_whatever_its_blanks() -> None:
    patient = read(symptoms=diary([4.0, 5], "my  mood"), scales={" my mood ": (0, 10)})
    assert patient.scales == {"my mood": Scale(0, 10)}
    assert [name for name, _, _ in reported(patient)] == ["my mood"] * 2
    assert len(patient.reports("my mood")[1]) == 2


@pytest.mark.parametrize(
    ("values", "used", "note"),
    [
        ([0.0, 27], [0.0, 27.0], ()),
        ([-1.0, 5, 28], [5.0], ("2 report(s) are off the scale of their instrument and were not used.",)),
        ([5.0, 27.5], [5.0], ("1 report(s) are off the scale of their instrument and were not used.",)),
        ([99.0], None, ("1 report(s) are off the scale of their instrument and were not used.",)),
    ],
)
def test_a_report_off_its_scale_is_left_out_and_counted_and_the_rest_stays(
    values: list[float], used: list[float] | None, note: tuple[str, ...]
) -> None:
    patient = case(symptoms=diary(values))
    assert (None if patient.symptoms is None else [value for _, _, value in reported(patient)]) == used
    assert patient.notes == note


def test_each_series_is_held_against_its_own_scale() -> None:
    reports = pl.concat([diary([27.0, 30]), diary([9.0, 11], "mood"), diary([100.0, 101], "WHO-5")])
    patient = scaled(reports, mood=Scale(-5, 10))
    assert [value for _, _, value in reported(patient)] == [27.0, 100.0, 9.0]
    assert patient.notes == ("3 report(s) are off the scale of their instrument and were not used.",)


@pytest.mark.parametrize(
    "spelling", ["PHQ-9 item 9", "phq9 item 9", "PHQ_9_item_9", "PHQ-9 Item 09", "PHQ9-item-9", "PHQ 9  item 9 "]
)
def test_an_item_of_an_instrument_is_one_series_too(spelling: str) -> None:
    patient = case(symptoms=diary([1.0], spelling))
    assert list(patient.reports("PHQ-9 item 9")[1]) == [1.0]
    assert patient.unscaled == ("PHQ-9 item 9",), "an item has another scale than the whole"


@pytest.mark.parametrize("other", ["PHQ-9 item 90", "PHQ-9 item 9a", "item 9", "mood item 9", "PHQ-8 item 9", "PHQ-9"])
def test_what_is_no_such_item(other: str) -> None:
    assert case(symptoms=diary([1.0], other)).reports("PHQ-9 item 9") == ([], [], ())


# -- what else a forecast knows


def begun(*courses: MedicationCourse) -> list[str]:
    """Days on which treatments that count were begun."""
    known = of(medications=courses).covariates
    return [] if known is None else [f"{when:%Y-%m-%d}" for when in known["timestamp"]]


@pytest.mark.parametrize(
    ("course", "counts"),
    [
        (MedicationCourse("sertraline", TODAY - DAY), True),
        (MedicationCourse("Zoloft", TODAY - DAY), True),
        (MedicationCourse("sertraline", TODAY - DAY, TODAY), True),  # the last day
        (MedicationCourse("phenelzine", TODAY - DAY), True),
        (MedicationCourse("haloperidol", TODAY - DAY), True),
        (MedicationCourse("sertraline", None), False),  # nobody knows when
        (MedicationCourse("sertraline", TODAY + DAY), False),  # planned
        (MedicationCourse("sertraline", TODAY - 9 * DAY, TODAY - DAY), False),  # ended
        (MedicationCourse("sertraline", TODAY - DAY, stopped=True), False),
        (MedicationCourse("ibuprofen", TODAY - DAY), False),
        (MedicationCourse("linezolid", TODAY - DAY), False),  # an antibiotic that inhibits MAO
        (MedicationCourse("Obscurol", TODAY - DAY), False),
    ],
)
def test_the_start_of_a_psychiatric_drug_that_is_taken_counts(course: MedicationCourse, counts: bool) -> None:
    assert bool(begun(course)) is counts


def test_starts_and_signals_are_told_together() -> None:
    signals = pl.DataFrame({"timestamp": [TODAY - DAY, TODAY], "value": [7.5, 8], "signal": "sleep", "patient_id": "p"})
    courses = (
        MedicationCourse("sertraline", TODAY - 9 * DAY),
        MedicationCourse("quetiapine", TODAY - 9 * DAY),
        MedicationCourse("lithium", TODAY - DAY),
    )
    known = replace(record(signals=signals), medications=courses)
    covariates = Case(known, TODAY).covariates
    assert covariates is not None
    assert covariates.rows() == [
        ("p", datetime.combine(day, time()), name, value)
        for day, name, value in [
            (TODAY - DAY, "sleep", 7.5),
            (TODAY, "sleep", 8.0),
            (TODAY - 9 * DAY, TREATMENT_START, 1.0),  # two on one day are one
            (TODAY - DAY, TREATMENT_START, 1.0),
        ]
    ]
    assert case().covariates is None
    only = case(signals=signals).covariates
    assert only is not None
    assert only["signal"].to_list() == ["sleep"] * 2


# -- as it stood on a day


def test_what_was_observed_later_is_cut_off() -> None:
    late = diary([4.0, 5], "mood")
    hours = [datetime.combine(TODAY - DAY, time(23, 59)), datetime.combine(TODAY, time())]
    signals = pl.DataFrame({"timestamp": hours, "value": [1.0, 2], "signal": ["sleep", "steps"], "patient_id": "p"})
    courses = (MedicationCourse("lithium", TODAY), MedicationCourse("sertraline", None, TODAY - DAY))
    whole = Case(
        replace(
            record(symptoms=pl.concat([diary([1.0, 2, 3]), late]), signals=signals),
            medications=courses,
            symptom_sources=("a",) * 5,
        ),
        TODAY,
        own_scales={"mood": Scale(0, 10)},
    )
    before = whole.until(TODAY - DAY)
    assert before.today == TODAY - DAY
    assert sorted(reported(before)) == [("PHQ-9", "05-30", 1.0), ("PHQ-9", "05-31", 2.0), ("mood", "05-31", 4.0)]
    assert before.record.signals is not None
    assert as_polars(before.record.signals, "signal").select("signal", "value").rows() == [("sleep", 1.0)]
    assert set(before.medications) == {"sertraline"}
    assert before.reports("mood")[2] == ()
    assert set(whole.until(TODAY).medications) == {"lithium"}
    assert sorted(reported(whole.until(TODAY))) == sorted(reported(whole))
    first = whole.until(TODAY - 2 * DAY)
    assert first.scales == {"PHQ-9": PHQ9}, "a series that had not begun is not there"
    nothing = whole.until(TODAY - 3 * DAY)
    assert (nothing.symptoms, nothing.covariates, nothing.record.signals) == (None, None, None)
    assert whole.symptoms is not None
    assert len(whole.symptoms) == 5, "the case itself stays as it is"


def test_a_cut_keeps_offsets_and_units_with_their_rows() -> None:
    stamps = ["2025-05-31T08:00:00+02:00", "2025-06-01T08:00:00+02:00", "2025-05-31T09:00:00+02:00"]
    signals = pl.DataFrame(
        {
            "timestamp": stamps,
            "value": [1.0, 2, 3],
            "signal": ["a", "a", "b"],
            "unit": ["x", "x", "y"],
            "patient_id": "p",
        }
    )
    cut = case(signals=signals).until(TODAY - DAY).record.signals
    assert cut is not None
    assert [key.name for key in cut.series] == ["a", "b"]
    assert (cut.units, list(cut.values), list(cut.series_index)) == (("x", "y"), [1.0, 3.0], [0, 1])
    assert cut.utc_offset is not None
    assert list(cut.utc_offset) == [np.timedelta64(7200, "s")] * 2


def test_reports_of_one_symptom_come_with_their_sources() -> None:
    known = PatientRecord("p", symptoms=symptom_frame(TWO), symptom_sources=("a", "b", "c", "d", "e"))
    times, values, sources = Case(known, TODAY).reports("mood")
    assert [str(time)[:10] for time in times] == ["2025-05-31", "2025-06-01"]
    assert (list(values), sources) == ([4.0, 5.0], ("d", "e"))
    assert case(symptoms=TWO).reports("PHQ-9")[2] == ()
    assert case(symptoms=TWO).reports("sleep") == ([], [], ())
    assert case().reports("PHQ-9") == ([], [], ())


def test_a_long_frame_becomes_a_table_of_the_wanted_series() -> None:
    symptoms = case(symptoms=TWO).record.symptoms
    assert symptoms is not None
    assert as_polars(symptoms, "symptom").rows() == [
        ("p", datetime.combine(TODAY - back * DAY, time()), name, value)
        for back, name, value in [(2, "PHQ-9", 1.0), (1, "PHQ-9", 2), (0, "PHQ-9", 3), (1, "mood", 4), (0, "mood", 5)]
    ]
    assert as_polars(symptoms, "symptom", ("mood",))["value"].to_list() == [4.0, 5.0]
    signals = pl.DataFrame({"timestamp": [TODAY] * 2, "value": [7.5, 50], "signal": ["sleep_duration", "steps"]})
    table = as_polars(
        case(signals=signals.with_columns(unit=pl.Series(["h", None]), patient_id=pl.lit("p"))).record.signals,  # type: ignore[arg-type]
        "signal",
    )
    assert table.select("signal", "value", "unit").rows() == [("sleep_duration", 7.5, "h"), ("steps", 50.0, None)]


# -- reading


def read(**data: Any) -> Case:
    return read_case("p", data, TODAY)


def test_everything_of_a_mapping_is_read() -> None:
    found = read(
        timezone="Europe/Berlin",
        demographics={"birth_year": 1980},
        symptoms=diary([1.0, 2]).drop("patient_id"),
        biometrics=pl.DataFrame({"timestamp": [TODAY], "value": [7.5], "signal": ["sleep_duration"], "unit": ["h"]}),
        medications=["sertraline", {"medication": "lithium", "dose_mg": 900.0}, MedicationCourse("codeine", TODAY)],
        conditions=["Long_QT ", "gout", Condition("x", word="y")],
        allergies=["Zoloft", "peanuts", Allergy("z"), "allergic to Paxil"],
        genotype={"CYP2D6": "*1/*1", "CYP2C19": genotype({"CYP2C19": "*2/*2"})["CYP2C19"]},
    )
    kept = found.record
    assert (kept.patient_id, kept.timezone, kept.demographics) == ("p", "Europe/Berlin", {"birth_year": 1980})
    assert kept.symptoms is not None
    assert kept.signals is not None
    assert {key.patient_id for frame in (kept.symptoms, kept.signals) for key in frame.series} == {"p"}
    assert list(kept.symptoms.values) == [1.0, 2.0]
    assert kept.medications == (
        MedicationCourse("sertraline", None),
        MedicationCourse("lithium", None, dose_mg=900.0),
        MedicationCourse("codeine", TODAY),
    )
    assert [(c.name, c.word) for c in kept.conditions] == [("Long_QT ", "long qt"), ("gout", None), ("x", "y")]
    assert [(a.name, a.medication) for a in kept.allergies] == [
        ("Zoloft", "sertraline"),
        ("peanuts", None),
        ("z", None),
        ("allergic to Paxil", "paroxetine"),
    ]
    assert kept.genotype == {"CYP2D6": "*1/*1"}
    assert {gene: one.name for gene, one in found.genotype.items()} == {"CYP2D6": "*1/*1", "CYP2C19": "*2/*2"}
    assert found.today == TODAY


def test_an_empty_mapping_is_a_person_of_whom_nothing_is_known() -> None:
    nobody = read().record
    assert (nobody.symptoms, nobody.signals, nobody.medications, nobody.genotype) == (None, None, (), {})
    assert read(genotype=None, medications=None, demographics=None).record.medications == ()


def test_frames_of_pandas_and_frames_that_are_read_already_do_as_well() -> None:
    table = pd.DataFrame({"timestamp": ["2025-05-31", "2025-06-01"], "value": [1.0, 2.0], "symptom": "PHQ-9"})
    ready = symptom_frame(diary([1.0, 2.0]))
    for given in (table, ready):
        symptoms = read(symptoms=given).record.symptoms
        assert symptoms is not None
        assert list(symptoms.values) == [1.0, 2.0]
        assert symptoms.series[0].patient_id == "p"


def test_local_times_are_those_of_the_stated_zone() -> None:
    table = pl.DataFrame({"timestamp": ["2025-06-01T23:30:00+00:00"], "value": [1.0], "symptom": ["PHQ-9"]})
    symptoms = read(symptoms=table, timezone="Europe/Berlin").record.symptoms
    assert symptoms is not None
    assert symptoms.timestamps[0] == np.datetime64("2025-06-02T01:30:00")


def test_a_vcf_is_called_and_an_outside_result_goes_with_it() -> None:
    header = "##fileformat=VCFv4.2\n##contig=<ID=chr10>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS\n"
    vcf = (header + "chr10\t94781859\t.\tG\tA\t.\tPASS\t.\tGT\t1/1\n").encode()
    found = read(vcf=vcf, outside_calls={"CYP2D6": "*4/*4"}, genotype={"CYP2C19": "*1/*1"})
    assert found.genotype["CYP2D6"].name == "*4/*4"
    assert "*2/*2" in found.genotype["CYP2C19"].name, "what was called goes before what was reported"
    assert found.record.genotype == {}
    assert found.genotype["CYP2C19"].missing
    assert read(vcf=vcf, absent_is_reference=True).genotype["CYP2C19"].missing == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1], "patient_data must be a PatientRecord or a mapping"),
        (
            {"drugs": []},
            "patient_data has unknown entries; known are symptoms, scales, biometrics, genotype, vcf, outside_calls",
        ),
        ({"genotype": ["*1/*1"]}, "'genotype' must map genes to results"),
        ({"absent_is_reference": True}, "belongs to a vcf"),
        ({"vcf": b"", "absent_is_reference": "yes"}, "absent_is_reference is true or false"),
        ({"medications": "sertraline"}, "'medications' must be a list"),
        ({"medications": {"sertraline"}}, "'medications' must be a list"),
        ({"medications": [{"drug": "x"}]}, "'medications' holds an entry of the wrong form"),
        ({"medications": [3]}, "'medications' holds an entry of the wrong form"),
        ({"conditions": [3]}, "'conditions' holds an entry of the wrong form"),
        ({"allergies": [None]}, "'allergies' holds an entry of the wrong form"),
        ({"allergies": [Condition("nuts")]}, "'allergies' holds an entry of the wrong form"),
        ({"allergies": [{"medication": "x"}]}, "'allergies' holds an entry of the wrong form"),
        ({"conditions": [{"name": "gout", "since": 3}]}, "'conditions' holds an entry of the wrong form"),
        ({"conditions": 3}, "'conditions' must be a list"),
        ({"conditions": 0}, "'conditions' must be a list"),
        ({"medications": {}}, "'medications' must be a list"),
        ({"allergies": ""}, "'allergies' must be a list"),
        ({"genotype": []}, "'genotype' must map genes to results"),
        ({"scales": 0}, "'scales' must map symptoms to ranges"),
        ({"demographics": ""}, "'demographics' must map names to values"),
        ({"scales": [("mood", 0, 10)]}, "'scales' must map symptoms to ranges"),
        ({"scales": {"mood": 10}}, r"each of 'scales' must be \(low, high\), e.g. \(0, 10\)"),
        ({"scales": {"mood": (0, 1, 2, 3, 4)}}, r"each of 'scales' must be \(low, high\)"),
        ({"scales": {"mood": (10, 0)}}, "low"),
        ({"scales": {"phq_9": (0, 27)}}, "PHQ-9 is a known instrument: its scale is published, leave it out"),
    ],
)
def test_what_has_the_wrong_form_is_refused_by_name(data: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read_case("p", data, TODAY)


def test_scales_of_a_mapping_are_pairs_or_scales() -> None:
    data = {"symptoms": pl.concat([TWO, diary([2.0], "calm")]), "scales": {"mood": (0, 10), "calm": Scale(1, 5, 1)}}
    assert read(**data).scales == {"PHQ-9": PHQ9, "mood": Scale(0, 10), "calm": Scale(1, 5, 1)}
    assert read(symptoms=TWO, scales=None).own_scales == {}


def test_a_record_is_taken_as_it_is_if_it_is_this_patients() -> None:
    known = record(("sertraline",))
    assert read_case("p", known, date(2025, 1, 1)) == Case(known, date(2025, 1, 1))
    with pytest.raises(ValidationError, match="another patient"):
        read_case("q", known, TODAY)


def test_what_is_observed_counts_under_one_name_and_on_its_scale_for_every_service() -> None:
    reports = pl.concat([diary([6.0, 99.0], "GAD_7"), diary([7.0], "gad7", TODAY - DAY * 5), diary([3.0], "pain")])
    patient = case(symptoms=reports)
    assert patient.observed is not None
    assert patient.symptoms is not None
    assert sorted(zip(patient.observed["symptom"], patient.observed["value"], strict=True)) == [
        ("GAD-7", 6.0), ("GAD-7", 7.0), ("pain", 3.0),
    ]  # fmt: skip
    assert set(patient.symptoms["symptom"]) == {"GAD-7"}, "a range that is not known is not forecast"
    assert case(symptoms=diary([99.0])).observed is None
    assert case().observed is None


def test_of_the_hour_that_autumn_repeats_the_last_sample_counts() -> None:
    samples = pl.DataFrame(
        {"timestamp": ["2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z"], "value": [60.0, 70.0], "signal": "heart_rate",
         "unit": "bpm", "patient_id": "p"}
    )  # fmt: skip
    known = PatientRecord("p", "Europe/Berlin", signals=signal_frame(samples, timezone="Europe/Berlin"))
    found = Case(known, TODAY).signals
    assert found is not None
    assert found["value"].to_list() == [70.0]
    assert [str(when) for when in found["timestamp"]] == ["2024-10-27 02:30:00"]
    assert case().signals is None


@pytest.mark.parametrize(("ahead", "last"), [(None, TODAY), (-3, TODAY), (1, TODAY + DAY)])
def test_a_record_may_run_a_day_ahead_of_here(ahead: int | None, last: date) -> None:
    known = case() if ahead is None else case(symptoms=diary([5.0], end=TODAY + ahead * DAY))
    assert known.last_day == last


def test_conditions_and_allergies_are_names_or_mappings() -> None:
    case = read_case(
        "p",
        {
            "conditions": ["long QT", {"name": "Long QT", "active": False}, {"name": "x", "word": "long qt"}],
            "allergies": ["citalopram", {"name": "Citalopram", "criticality": "high"}, {"name": "nuts"}],
            "medications": [{"medication": "lithium", "dose_mg": 900}],
        },
        date(2026, 3, 1),
    )
    words = [(one.name, one.word, one.active) for one in case.record.conditions]
    assert words == [("long QT", "long qt", True), ("Long QT", "long qt", False), ("x", "long qt", True)]
    drugs = [(one.name, one.medication, one.criticality) for one in case.record.allergies]
    assert drugs == [("citalopram", "citalopram", None), ("Citalopram", "citalopram", "high"), ("nuts", None, None)]
    assert case.record.medications == (MedicationCourse("lithium", None, dose_mg=900),)


# -- what a review and dose limits ask of a record


def test_doses_what_was_stopped_and_the_person_reach_the_review() -> None:
    patient = of(
        demographics={"birth_year": TODAY.year - 70, "gender": "female", "egfr": 25.0, "smoker": True},
        medications=(
            MedicationCourse("Celexa", TODAY - 30 * DAY, dose_mg=40),
            MedicationCourse("lithium", TODAY, dose_mg=900),
            MedicationCourse("Nardil", TODAY - 90 * DAY, TODAY - 5 * DAY),
            MedicationCourse("fluoxetine", None, stopped=True),
        ),
        conditions=(Condition("Epilepsy"), Condition("gout")),
    )
    assert {drug: dosage.daily_mg for drug, dosage in patient.doses.items()} == {"citalopram": 40, "lithium": 900}
    assert patient.stopped == {"phenelzine": 5, "fluoxetine": None}
    assert (patient.person.age, patient.person.sex, patient.person.egfr) == (70, "female", 25.0)
    assert patient.conditions == ("seizure disorder",)
    review = review_of(patient)
    texts = {
        drug: [c.text for c in review[drug].severe] for drug in ("citalopram", "lithium", "bupropion", "olanzapine")
    }
    assert "40 mg/day is above 20 mg/day, the maximum above 60 years." in texts["citalopram"]
    assert any("Phenelzine was stopped 5 days ago" in text for text in texts["citalopram"])
    assert "Not to be used at creatinine clearance below 30 mL/min." in texts["lithium"]
    assert any("seizures" in text for text in texts["bupropion"])
    assert "tobacco smoking" in {c.cause for c in review["olanzapine"].interactions}


@pytest.mark.parametrize(
    "about",
    [{"birth_year": "1950"}, {"gender": "other"}, {"egfr": True}, {"egfr": -3}, {"child_pugh": "D"}, {"smoker": 1}],
)
def test_a_fact_of_the_person_that_cannot_be_read_is_not_known(about: dict[str, Any]) -> None:
    assert of(demographics=about).person == PatientFacts()


@pytest.mark.parametrize(
    "more",
    [
        {"medications": (MedicationCourse("citalopram", None, dose_mg=20),)},
        {"medications": (MedicationCourse("phenelzine", None, TODAY - DAY),)},
        {"demographics": {"birth_year": 1950}},
    ],
    ids=["dose", "stopped", "age"],
)
def test_a_review_is_made_again_when_one_of_them_changes(more: dict[str, Any]) -> None:
    options = Options()
    assert MedicationReviews().inputs(of(**more), options) != MedicationReviews().inputs(of(), options)
