"""FHIR R4 comes in as it is meant, or the outcome says what does not and why."""

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from novamind.drugs.names import RXNORM
from novamind.errors import NotFoundError, ValidationError
from novamind.records import FhirImportError, PatientRecord, read_fhir
from novamind.records.instruments.domain import find
from tests.records.fhir_input import INTEROP, bundle, medication, needs_interop, observation, patient, response, values

PHQ, GAD = ([item.loinc for item in find(name).items] for name in ("PHQ-9", "GAD-7"))


def issues(resource: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(i.severity, i.code, i.diagnostics) for i in read_fhir(resource).outcome.issues]


def test_a_record_says_what_where_and_when() -> None:
    record = read_fhir(
        bundle(
            patient(),
            observation("44261-6", 12, id="o1"),
            observation("8867-4", 61, "2024-03-01T07:00:00+01:00", valueQuantity={"value": 61, "code": "/min"}),
            {
                "resourceType": "Condition",
                "id": "c1",
                "subject": {"reference": "Patient/p-1"},
                "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I45.81"}], "text": "LQTS"},
                "onsetDateTime": "2016",
            },
            {
                "resourceType": "AllergyIntolerance",
                "patient": {"reference": "Patient/p-1"},
                "code": {"text": "Aspirin 81 MG"},
            },
        )
    ).record
    assert record.demographics == {"gender": "female", "birth_year": 1990}
    assert values(record, "PHQ-9") == [12]
    assert record.symptom_sources == ("Observation/o1",)
    assert record.signals is not None
    assert record.signals.units == ("bpm",)
    assert [(c.name, c.word, c.onset, c.source) for c in record.conditions] == [
        ("LQTS", "long qt", "2016", "Condition/c1")
    ]
    assert record.allergies[0].medication == "aspirin"


def test_no_name_address_or_narrative_gets_in() -> None:
    canary = "CANARY"
    told = patient(
        name=[{"family": canary}],
        address=[{"city": canary}],
        text={"status": "generated", "div": f"<script>{canary}</script>"},
    )
    wrong = observation("44261-6", 99, note=[{"text": canary}], valueQuantity={"value": 99, "unit": canary})
    found = read_fhir(bundle(told, wrong))
    shown = repr(asdict(found.records[0])) + json.dumps(found.outcome.to_fhir())
    assert canary not in shown
    assert "99" not in json.dumps(found.outcome.to_fhir())


@pytest.mark.parametrize(("form", "position"), [(0, 8), (1, 6)])
def test_items_become_their_series_and_add_up_to_the_total(form: int, position: int) -> None:
    codes = [PHQ, GAD][form]
    name = ("PHQ-9", "GAD-7")[form]
    record = read_fhir(bundle(patient(), response([2] * (len(codes) - 1) + [3], codes))).record
    assert values(record, name) == [2 * (len(codes) - 1) + 3]
    assert values(record, f"{name} item {position + 1}") == [3]
    assert set(record.symptom_sources) == {"QuestionnaireResponse/q1"}


def test_a_total_that_is_not_the_sum_is_left_out_and_listed() -> None:
    record = read_fhir(bundle(patient(), response([1] * 9, PHQ, total=12))).record
    assert values(record, "PHQ-9") == [9]
    assert any("differs from the sum" in note.reason for note in record.not_understood)
    for total, used in ((11, [11]), (12, [])):
        incomplete = read_fhir(bundle(patient(), response([1] * 8 + [None], PHQ, total=total))).record
        assert values(incomplete, "PHQ-9") == used
    assert values(read_fhir(bundle(patient(), response([1] * 8 + [None], PHQ))).record, "PHQ-9 item 1") == [1]


def test_two_values_at_one_time_are_both_left_out() -> None:
    found = read_fhir(
        bundle(patient(), observation("44261-6", 12), observation("44261-6", 13), observation("70274-6", 4))
    )
    assert [key.name for key in found.record.symptoms.series] == ["GAD-7"]  # type: ignore[union-attr]
    assert [i.code for i in found.outcome.issues] == ["conflict"]
    assert found.outcome.issues[0].expression == ("Bundle.entry[1].resource", "Bundle.entry[2].resource")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"valueQuantity": {"value": 28}}, "value"),
        ({"valueQuantity": {"value": 7.5}}, "value"),
        ({"valueQuantity": {"value": -1}}, "value"),
        ({"valueQuantity": {"value": "7"}}, "value"),
        ({"valueQuantity": {"value": True}}, "value"),
        ({"valueQuantity": {"value": 7, "comparator": ">"}}, "value"),
        ({"effectiveDateTime": "2024-02-30"}, "value"),
        ({"effectiveDateTime": "2024"}, "value"),
        ({"effectiveDateTime": "99999-01-01"}, "value"),
        ({"effectiveDateTime": "2024-01-01T08:00:00"}, "value"),
        ({"effectiveDateTime": "2024-01-01T23:59:60Z"}, "value"),
        ({"effectiveDateTime": "2024-01-01T08:00:00+99:99"}, "value"),
        ({"effectiveDateTime": "2" * 1_000_000}, "value"),
        ({"effectiveDateTime": "2999-01-01"}, "value"),
        ({"effectiveDateTime": "1899-12-31"}, "value"),
        ({"effectiveDateTime": None}, "required"),
        ({"code": None}, "value"),
        ({"subject": {"reference": "urn:uuid:nobody"}}, "not-found"),
        ({"status": "entered-in-error"}, "informational"),
        ({"status": "cancelled"}, "informational"),
        ({"category": {"text": "STU3"}}, "not-supported"),
    ],
)
def test_what_cannot_be_used_is_left_out_with_a_reason(change: dict[str, Any], code: str) -> None:
    found = read_fhir(bundle(patient(), observation("44261-6", 12) | change))
    assert found.record.symptoms is None
    assert [i.code for i in found.outcome.issues] == [code]
    assert found.outcome.issues[0].expression[0].startswith("Bundle.entry[1].resource")


def test_days_beside_times_become_midnights_of_the_nearest_clock() -> None:
    timed = observation("44261-6", 12, "2024-03-01T08:00:00-05:00")
    record = read_fhir(bundle(patient(), timed, observation("44261-6", 9, "2024-02-28"))).record
    assert record.symptoms is not None
    assert [str(t) for t in record.symptoms.timestamps.astype("datetime64[h]")] == ["2024-02-28T00", "2024-03-01T08"]
    assert record.symptoms.utc_offset is not None
    assert {o.astype("timedelta64[h]").astype(int) for o in record.symptoms.utc_offset} == {-5}


def course(resource: dict[str, Any]) -> Any:
    (one,) = read_fhir(bundle(patient(), resource)).record.medications
    return one


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        ("", (RXNORM, "36437"), "sertraline"),
        ("", ("http://www.whocc.no/atc", "N06AB10"), "escitalopram"),
        ("Fluoxetine 25MG", (RXNORM, "406022"), "fluoxetine"),
        ("24 HR Venlafaxine 75 MG Extended Release Oral Tablet [Effexor]", None, "venlafaxine"),
        ("Lithium Carbonate 300 MG Oral Capsule", None, "lithium"),
        ("Zoloft", None, "sertraline"),
        ("Obscurol forte", (RXNORM, "999999999"), "obscurol forte"),
        ("", (RXNORM, "999999999"), f"{RXNORM}|999999999"),
        ("Paroxetine 20 MG", (RXNORM, "36437"), "paroxetine"),
    ],
)
def test_a_medication_gets_our_name_or_keeps_its_own(text: str, code: tuple[str, str] | None, name: str) -> None:
    assert course(medication(text, code)).medication == name


def test_what_a_medication_code_leaves_open_is_listed() -> None:
    assert ("warning", "code-invalid", "a medication is not in our tables: kept under the name in its text") in issues(
        bundle(patient(), medication("Obscurol forte"))
    )
    disagree = issues(bundle(patient(), medication("Paroxetine 20 MG", (RXNORM, "36437"))))
    assert "name different drugs" in disagree[0][2]


def test_both_substances_of_a_combination_are_taken() -> None:
    record = read_fhir(bundle(patient(), medication("Fluoxetine 25 MG / Olanzapine 6 MG Oral Capsule"))).record
    assert [c.medication for c in record.medications] == ["fluoxetine", "olanzapine"]
    assert {c.dose_mg for c in record.medications} == {None}


def dosage(quantity: dict[str, Any], frequency: float = 1, period: float = 1, unit: str = "d") -> dict[str, Any]:
    repeat = {"frequency": frequency, "period": period, "periodUnit": unit}
    return {"dosageInstruction": [{"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": quantity}]}]}


@pytest.mark.parametrize(
    ("instruction", "dose"),
    [
        (dosage({"value": 50, "code": "mg"}), 50),
        (dosage({"value": 0.5, "unit": "g"}, 2), 1000),
        (dosage({"value": 2}), 50),
        (dosage({"value": 1, "unit": "tablet"}, 1, 12, "h"), 50),
        (dosage({"value": 5, "unit": "mL"}), None),
        (dosage({"value": 50, "code": "mg"}, unit="a"), None),
        ({"dosageInstruction": [{"asNeededBoolean": True, "doseAndRate": [{"doseQuantity": {"value": 1}}]}]}, None),
        ({}, None),
    ],
)
def test_the_daily_dose_is_computed_or_left_open(instruction: dict[str, Any], dose: float | None) -> None:
    assert course(medication("Sertraline 25 MG Oral Tablet", **instruction)).dose_mg == dose


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({}, True),
        ({"status": "stopped"}, False),
        ({"status": "completed"}, False),
        ({"authoredOn": "2024-02-02"}, False),
        ({"authoredOn": None}, True),
        (
            {"resourceType": "MedicationStatement", "effectivePeriod": {"start": "2023-01-01", "end": "2024-01-31"}},
            False,
        ),
        (
            {"resourceType": "MedicationStatement", "effectivePeriod": {"start": "2023-01-01", "end": "2024-02-01"}},
            True,
        ),
    ],
)
def test_who_takes_what_when(change: dict[str, Any], taken: bool) -> None:
    assert course(medication("Sertraline 50 MG") | change).taken_on(date(2024, 2, 1)) is taken


@pytest.mark.parametrize(
    "change",
    [{"status": "draft"}, {"status": "cancelled"}, {"intent": "plan"}, {"doNotPerform": True}, {"medication": {}}],
)
def test_what_was_never_taken_is_no_medication(change: dict[str, Any]) -> None:
    found = read_fhir(bundle(patient(), medication("Sertraline 50 MG") | change))
    assert found.record.medications == ()
    assert len(found.outcome.issues) == 1


def test_medication_references_are_followed_one_step() -> None:
    product = {"resourceType": "Medication", "id": "m", "code": {"text": "Sertraline 50 MG"}}
    by_reference = medication(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m"})
    assert (
        course(by_reference | {"contained": [product], "medicationReference": {"reference": "#m"}}).medication
        == "sertraline"
    )
    assert read_fhir(bundle(patient(), by_reference, product)).record.medications[0].medication == "sertraline"
    assert ("error", "required", "MedicationRequest names no medication; not read") in issues(
        bundle(patient(), by_reference)
    )


def test_one_file_several_people() -> None:
    second = observation("44261-6", 3) | {"subject": {"reference": "Patient/p-2"}}
    found = read_fhir(bundle(patient(), patient("p-2"), observation("44261-6", 12), second))
    assert [values(found.of(name), "PHQ-9") for name in ("p-1", "p-2")] == [[12], [3]]
    with pytest.raises(ValidationError, match="2 patients"):
        _ = found.record
    with pytest.raises(NotFoundError):
        found.of("p-3")
    nobody = observation("44261-6", 3)
    del nobody["subject"]
    assert any(code == "required" for _, code, _ in issues(bundle(patient(), patient("p-2"), nobody)))


def test_ndjson_and_folders(tmp_path: Path) -> None:
    lines = [json.dumps(r) for r in (patient(), observation("44261-6", 12), observation("70274-6", 3))]
    (tmp_path / "a.ndjson").write_text("\n".join([*lines, "{broken"]))
    (tmp_path / "b.json").write_text(json.dumps(medication("Sertraline 50 MG")))
    found = read_fhir(tmp_path)
    assert (values(found.record, "PHQ-9"), found.record.medications[0].medication) == ([12], "sertraline")
    assert [i.expression for i in found.outcome.issues] == [("file 1: line 4",)]
    with pytest.raises(NotFoundError):
        read_fhir(tmp_path / "none.json")


def test_genes_that_contradict_each_other_are_unknown() -> None:
    def gene(result: str, **more: Any) -> dict[str, Any]:
        parts = [{"code": {"coding": [{"code": "48018-6"}]}, "valueCodeableConcept": {"text": "CYP2D6"}}]
        return observation("84413-4", 0, component=parts, valueCodeableConcept={"text": result}) | more

    assert read_fhir(bundle(patient(), gene("*1/*4", id="g"))).record.genotype_sources == {"CYP2D6": "Observation/g"}
    assert read_fhir(bundle(patient(), gene("*1/*4"), gene("*1/*1"))).record.genotype == {}
    assert read_fhir(bundle(patient(), gene("CYP2C19 *1/*2"))).record.genotype == {}


# -- data that nobody here wrote


def interop(*parts: str) -> PatientRecord:
    return read_fhir(INTEROP.joinpath(*parts)).record


@needs_interop
def test_the_synthetic_hospital_record() -> None:
    record = interop("r4_bundles", "Milan_Beatty_e78d0ed2-1b54-4c30-90ae-f7405af1e402.json")
    fluoxetine = [c for c in record.medications if c.medication == "fluoxetine"]
    assert [(c.start, c.stopped, c.dose_mg) for c in fluoxetine] == [
        (date(1993, 1, 9), True, 25.0),
        (date(1993, 1, 17), False, 25.0),
    ]
    assert ("Major depression disorder", "depression") in [(c.name, c.word) for c in record.conditions]
    assert record.signals is not None
    assert {key.name for key in record.signals.series} >= {
        "blood_pressure_systolic",
        "blood_pressure_diastolic",
        "weight",
    }


@needs_interop
def test_forms_whose_total_is_not_their_sum() -> None:
    found = read_fhir(INTEROP / "ahrq_phq9_stu3" / "ahrq-depression-patient-phq9.json")
    assert sum(len(values(r, "PHQ-9")) for r in found.records if r.symptoms) == 45
    assert all(0 <= v <= 27 for r in found.records if r.symptoms for v in values(r, "PHQ-9"))
    reasons = ("sum", "off its scale", "none that its items allow")
    wrong = [i.count for i in found.outcome.issues if any(reason in i.diagnostics for reason in reasons)]
    assert sum(wrong) == 7


@needs_interop
def test_the_german_phq9_is_read_by_number_and_agrees_with_its_observation() -> None:
    assert values(interop("mii_phq9"), "PHQ-9") == [27]
    assert values(interop("mii_phq9", "QuestionnaireResponse-mii-exa-pro-phq-9-response.json"), "PHQ-9 item 9") == [3]


@needs_interop
def test_bulk_export() -> None:
    found = read_fhir(INTEROP / "bulk_ndjson")
    assert len(found.records) == 7
    assert any(a.medication == "aspirin" for r in found.records for a in r.allergies)


@needs_interop
@pytest.mark.parametrize(
    ("file", "genes"),
    [
        ("ops_find_subject_haplotypes_2.json", {"CYP2C19": "CYP2C19 *1/*17", "CYP2D6": "CYP2D6 *1/*41"}),
        ("Bundle-HLAB1502-pgx-example.json", {"HLA-B": "*15:02 positive"}),
        ("Bundle-diagnosticreport-cgexample.json", {}),  # says VKORC1, shows CYP2C9
    ],
)
def test_genomics(file: str, genes: dict[str, str]) -> None:
    assert interop("genomics", file).genotype == genes


@needs_interop
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("genomics/stu3_HaplotypesCYP2C19_2.json", "STU3"),
        ("genomics/Specimen-GenomicSpecimenExample01.json", "Specimen resources are not read"),
        ("mii_phq9/Questionnaire-mii-qst-pro-phq-9.json", "form without answers"),
        ("bulk_ndjson/log.ndjson", "no FHIR resource"),
    ],
)
def test_a_refusal_says_why(file: str, reason: str) -> None:
    with pytest.raises(FhirImportError, match=reason) as refusal:
        read_fhir(INTEROP / file)
    assert refusal.value.outcome.issues[0].severity == "fatal"
