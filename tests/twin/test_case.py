"""What of a record reaches the services: names, conditions, genes, reports, and notes on what does not."""

from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.pharmacogenomics import genotype
from novamind.records import Allergy, Condition, MedicationCourse, NotUnderstood, PatientRecord, symptom_frame
from novamind.twin.case import Case, as_polars, read_case
from tests.twin.people import TODAY, case, diary, record

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


@pytest.mark.parametrize(
    ("allergy", "drugs"),
    [
        (Allergy("rash", medication="sertraline"), {"sertraline"}),
        (Allergy("Zoloft"), {"sertraline"}),
        (Allergy("Paxil", medication="sertraline"), {"sertraline", "paroxetine"}),
        (Allergy("peanuts"), set()),
        (Allergy("sertraline", active=False), set()),
    ],
)
def test_an_active_allergy_counts_under_either_of_its_names(allergy: Allergy, drugs: set[str]) -> None:
    assert of(allergies=(allergy,)).allergies == drugs


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
    assert patient.notes == ("The result of CYP2C9 is in no notation that we read; it was not used.",)


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


def test_only_symptoms_on_known_instruments_have_one() -> None:
    assert {name: one.name for name, one in case(symptoms=TWO).instruments.items()} == {"PHQ-9": "PHQ-9"}
    assert case().instruments == {}


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
        allergies=["Zoloft", "peanuts", Allergy("z")],
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


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1], "patient_data must be a PatientRecord or a mapping"),
        (
            {"drugs": []},
            "patient_data has unknown entries; known are symptoms, biometrics, genotype, vcf, outside_calls",
        ),
        ({"genotype": ["*1/*1"]}, "'genotype' must map genes to results"),
        ({"medications": "sertraline"}, "'medications' must be a list"),
        ({"medications": {"sertraline"}}, "'medications' must be a list"),
        ({"medications": [{"drug": "x"}]}, "'medications' holds an entry of the wrong form"),
        ({"medications": [3]}, "'medications' holds an entry of the wrong form"),
        ({"conditions": [3]}, "'conditions' holds an entry of the wrong form"),
        ({"allergies": [None]}, "'allergies' holds an entry of the wrong form"),
        ({"conditions": 3}, "'conditions' must be a list"),
    ],
)
def test_what_has_the_wrong_form_is_refused_by_name(data: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read_case("p", data, TODAY)


def test_a_record_is_taken_as_it_is_if_it_is_this_patients() -> None:
    known = record(("sertraline",))
    assert read_case("p", known, date(2025, 1, 1)) == Case(known, date(2025, 1, 1))
    with pytest.raises(ValidationError, match="another patient"):
        read_case("q", known, TODAY)
