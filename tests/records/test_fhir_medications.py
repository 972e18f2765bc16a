"""Courses out of prescriptions, dispenses and administrations; statements that there is nothing; days of periods."""

from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from novamind.drugs.conditions import SNOMED
from novamind.drugs.names import RXNORM
from novamind.records import FhirImport, read_fhir, record_bundle
from novamind.records.fhir.medications import DEPOT_DAYS, GRACE_DAYS, SUPPLY_DAYS, TIMES_A_DAY
from novamind.records.fhir.models import Concept
from novamind.records.fhir.terminology import states_absence
from tests.records.fhir_input import bundle, medication, observation, patient

Json = dict[str, Any]
WHO = {"reference": "Patient/p-1"}


def read(*resources: Json) -> FhirImport:
    return read_fhir(bundle(patient(), *resources), today=date(2024, 12, 31))


def courses(*resources: Json) -> list[tuple[str, str, float | None, bool]]:
    return [(str(c.start), str(c.end), c.dose_mg, c.stopped) for c in read(*resources).record.medications]


def prescription(start: str | None, dose: float | None = 50, status: str = "active", **more: Any) -> Json:
    repeat = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
    dosage = [repeat | {"doseAndRate": [{"doseQuantity": {"value": dose, "code": "mg"}}]}] if dose else []
    return medication("Sertraline 50 MG", status=status, authoredOn=start, dosageInstruction=dosage) | more


def day(text: str, plus: int) -> str:
    return str(date.fromisoformat(text) + timedelta(days=plus))


# -- refills


def test_refills_are_one_course_in_any_order() -> None:
    refills = [
        prescription("2024-01-01", status="completed", id="a"),
        prescription("2024-02-01", id="b"),
        prescription("2024-03-01", id="c"),
    ]
    for seed in range(4):
        (course,) = read(*Random(seed).sample(refills, 3)).record.medications
        assert (course.start, course.end, course.stopped, course.dose_mg) == (date(2024, 1, 1), None, False, 50)
        assert course.source == "MedicationRequest/a, MedicationRequest/b, MedicationRequest/c"


def test_another_dose_is_another_course() -> None:
    titrated = [prescription("2024-01-01", 50), prescription("2024-02-01", 100), prescription("2024-03-01", 100)]
    back = prescription("2024-04-01", 50)
    assert courses(*titrated, back) == [
        ("2024-01-01", "None", 50, False), ("2024-02-01", "None", 100, False), ("2024-04-01", "None", 50, False),
    ]  # fmt: skip


def test_what_was_used_up_ended_when_another_dose_began() -> None:
    lower = [prescription(start, 50, "completed") for start in ("2024-01-01", "2024-01-30")]
    higher = prescription("2024-02-28", 100, "completed")
    first, second = courses(*lower, higher)
    assert first == ("2024-01-01", "2024-02-27", 50, False)
    assert second == ("2024-02-28", "None", 100, True)
    late = prescription(day("2024-01-30", SUPPLY_DAYS + GRACE_DAYS + 1), 100)
    assert courses(*lower, late)[0] == ("2024-01-01", "None", 50, True)
    assert courses(prescription("2024-01-01", 50, "stopped"), higher)[0][1:] == ("None", 50, True)
    assert courses(prescription("2024-02-28", 50, "completed"), higher)[0] == ("2024-02-28", "None", 50, True)


@pytest.mark.parametrize(("days", "number"), [(1, 1), (GRACE_DAYS, 1), (GRACE_DAYS + 1, 2)])
def test_a_course_goes_on_where_the_gap_is_short(days: int, number: int) -> None:
    first = prescription(None, status="completed", effectivePeriod={"start": "2024-01-01", "end": "2024-01-31"})
    assert len(courses(first, prescription(day("2024-01-31", days)))) == number


@pytest.mark.parametrize(
    ("status", "days", "number"),
    [
        ("completed", SUPPLY_DAYS + GRACE_DAYS, 1),
        ("completed", SUPPLY_DAYS + GRACE_DAYS + 1, 2),
        ("active", 300, 1),
        ("stopped", 1, 2),
        ("stopped", 0, 1),
        ("on-hold", 10, 2),
    ],
)
def test_what_ended_on_an_unknown_day_goes_on_for_a_supply(status: str, days: int, number: int) -> None:
    assert len(courses(prescription("2024-01-01", status=status), prescription(day("2024-01-01", days)))) == number


@pytest.mark.parametrize(
    ("first", "second", "end", "stopped"),
    [
        (("active", None), ("active", None), "None", False),
        (("active", None), ("completed", "2024-02-15"), "None", False),
        (("completed", "2024-03-31"), ("completed", "2024-02-28"), "2024-03-31", False),
        (("completed", "2024-01-31"), ("completed", "2024-02-28"), "2024-02-28", False),
        (("completed", "2024-01-31"), ("stopped", None), "None", True),
        (("completed", None), ("completed", "2024-02-28"), "2024-02-28", False),
        (("completed", "2024-01-31"), ("active", None), "None", False),
    ],
)
def test_the_end_of_a_joined_course(first: Any, second: Any, end: str, stopped: bool) -> None:
    both = [
        prescription(start, status=status, effectivePeriod={"start": start, **({"end": until} if until else {})})
        for start, (status, until) in (("2024-01-01", first), ("2024-02-01", second))
    ]
    assert courses(*both) == [("2024-01-01", end, 50, stopped)]


def some_day(random: Random) -> str:
    return day("2023-01-01", random.randint(0, 400))


def test_joined_courses_stay_as_they_are_when_they_come_back() -> None:
    statuses = ("active", "completed", "stopped", "on-hold")
    for seed in range(60):
        random = Random(seed)
        resources = [
            prescription(some_day(random), random.choice([None, 25, 50]), random.choice(statuses))
            for _ in range(random.randint(1, 8))
        ]
        resources += [dispense(some_day(random), random.choice([None, 30])) for _ in range(2)]
        record = read(*resources).record
        assert read_fhir(record_bundle(record)).record.medications == record.medications


# -- dispenses and administrations


def dispense(handed: str | None, days: float | None, status: str = "completed", **more: Any) -> Json:
    return {
        "resourceType": "MedicationDispense",
        "status": status,
        "subject": WHO,
        "medicationCodeableConcept": {"text": "Sertraline 50 MG"},
        **({"whenHandedOver": handed} if handed else {}),
        **({"daysSupply": {"value": days, "unit": "days", "code": "d"}} if days else {}),
    } | more


def administration(text: str, when: str, status: str = "completed", **more: Any) -> Json:
    return {
        "resourceType": "MedicationAdministration",
        "status": status,
        "subject": WHO,
        "medicationCodeableConcept": {"text": text},
        "effectiveDateTime": when,
        "dosage": {"dose": {"value": 100, "code": "mg"}},
    } | more


@pytest.mark.parametrize(
    ("resource", "course"),
    [
        (dispense("2024-01-01T10:00:00+01:00", 30), ("2024-01-01", "2024-01-30")),
        (dispense("2024-01-01", 1), ("2024-01-01", "2024-01-01")),
        (dispense("2024-01-01", None, daysSupply={"value": 4, "code": "wk"}), ("2024-01-01", "2024-01-28")),
        (dispense(None, 30, whenPrepared="2024-01-01"), ("2024-01-01", "2024-01-30")),
        (dispense("2024-01-01", None), ("2024-01-01", "None")),
        (dispense("2024-01-01", None, daysSupply={"value": 4, "code": "mo"}), ("2024-01-01", "None")),
        (dispense(None, 30), ("None", "None")),
    ],
)
def test_a_dispense_lasts_for_its_supply(resource: Json, course: tuple[str, str]) -> None:
    result = read(resource)
    assert [(str(c.start), str(c.end), c.stopped) for c in result.record.medications] == [(*course, False)]
    assert ("None" in course) == any("left open" in issue.diagnostics for issue in result.outcome.issues)


@pytest.mark.parametrize(
    "status",
    ["preparation", "in-progress", "cancelled", "on-hold", "stopped", "entered-in-error", "declined", "unknown"],
)
def test_what_was_not_handed_over_is_not_taken(status: str) -> None:
    assert courses(dispense("2024-01-01", 30, status)) == []


@pytest.mark.parametrize(
    ("status", "taken"),
    [
        ("completed", 1), ("in-progress", 1), ("stopped", 1), ("on-hold", 1), ("not-done", 0), ("entered-in-error", 0),
        ("unknown", 0),
    ],
)  # fmt: skip
def test_status_of_an_administration(status: str, taken: int) -> None:
    assert len(courses(administration("Haloperidol 5 MG", "2024-01-01", status))) == taken


#: Second entry: weeks between injections on the US labels, a month as 31 days.
LASTS = {
    "Haloperidol decanoate": 6 * 7, "Fluphenazine decanoate": 6 * 7, "Fluphenazine enanthate": 6 * 7,
    "Paliperidone palmitate": 31, "Olanzapine pamoate": 4 * 7, "Aripiprazole lauroxil": 8 * 7,
    "Risperidone microspheres": 2 * 7, "Aripiprazole Extended Release Suspension": 31, "Risperidon Depot": 31,
    "Aripiprazole extended-release suspension": 31, "Long-acting risperidone": 31, "Long acting risperidone": 31,
    "Invega Sustenna": 31, "Xeplion 150 mg": 31, "Invega Trinza": 92, "TREVICTA": 92, "Invega Hafyera": 183,
    "Byannli": 183, "Abilify Maintena 400 MG": 31, "Abilify Asimtufii": 62, "Aristada": 56, "Zyprexa Relprevv": 28,
    "ZypAdhera": 28, "Risperdal Consta": 14, "Rykindo": 14, "Perseris": 31, "Okedi": 28, "Vivitrol": 31,
    "Sublocade": 31, "Lorazepam 1 MG": 1,
}  # fmt: skip


@pytest.mark.parametrize(("text", "days"), LASTS.items())
def test_an_administration_lasts_a_day_and_a_depot_until_the_next(text: str, days: int) -> None:
    assert courses(administration(text, "2024-01-01")) == [("2024-01-01", day("2024-01-01", days - 1), None, False)]


def test_every_kind_of_depot_is_tried() -> None:
    assert all(any(words in text.casefold() for text in LASTS) for words in DEPOT_DAYS)


def test_monthly_depots_are_one_course_and_a_missed_one_ends_it() -> None:
    monthly = [administration("Paliperidone palmitate", when) for when in ("2024-01-01", "2024-01-29", "2024-02-28")]
    assert courses(*monthly) == [("2024-01-01", "2024-03-29", None, False)]
    assert len(courses(*monthly, administration("Paliperidone palmitate", "2024-06-01"))) == 2


def test_a_dispense_of_a_prescription_is_no_course_of_its_own() -> None:
    period = {"start": "2024-01-01", "end": "2024-03-31"}
    ordered = prescription("2024-01-01", 100, status="completed", effectivePeriod=period)
    both = dispense("2024-01-02", 30), dispense("2024-04-10", 30)
    assert courses(ordered, *both) == [("2024-01-01", "2024-03-31", 100, False)]
    late = dispense("2024-06-01", 30)
    assert courses(ordered, late)[1] == ("2024-06-01", "2024-06-30", None, False)
    assert courses(late, prescription("2024-06-02", 100))[0] == ("2024-06-01", "2024-06-30", None, False)


# -- periods of prescriptions, doses of solutions


def valid(**period: str) -> Json:
    return {"dispenseRequest": {"validityPeriod": period}}


@pytest.mark.parametrize(
    ("more", "course"),
    [
        (valid(start="2020-01-01", end="2020-02-01"), ("2020-01-01", "2020-02-01")),
        (valid(end="2024-02-01"), ("2024-01-01", "2024-02-01")),
        ({"dispenseRequest": {}}, ("2024-01-01", "None")),
        (valid(end="2024-02-01") | {"effectivePeriod": {"start": "2024-01-05"}}, ("2024-01-05", "None")),
    ],
)  # fmt: skip
def test_a_prescription_is_taken_while_it_is_valid(more: Json, course: tuple[str, str]) -> None:
    assert [entry[:2] for entry in courses(prescription("2024-01-01", **more))] == [course]


@pytest.mark.parametrize(
    ("text", "unit", "dose"),
    [
        ("Nizatidine 15 MG/ML Oral Solution", "mL", 150),
        ("Nizatidine 15 mg/mL", "ml", 150),
        ("Nizatidine 15 MG", "mL", None),
        ("A 15 MG/ML / B 2 MG/ML", "mL", None),
        ("Nizatidine 15 MG/ML Oral Solution", "drop", None),
        ("Sertraline 15 MG", "TAB", 150),
    ],
)
def test_the_dose_of_a_solution(text: str, unit: str, dose: float | None) -> None:
    repeat = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
    dosage = [repeat | {"doseAndRate": [{"doseQuantity": {"value": 10, "unit": unit}}]}]
    assert {c.dose_mg for c in read(medication(text, dosageInstruction=dosage)).record.medications} == {dose}


def test_days_of_a_prescription_are_of_the_persons_timezone() -> None:
    zone = {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "America/Los_Angeles"}
    evening = prescription("2024-01-02T03:30:00Z")
    (course,) = read_fhir(bundle(evening, patient(extension=[zone]))).record.medications
    assert course.start == date(2024, 1, 1)
    (course,) = read_fhir(bundle(patient(), evening), timezone="Europe/Berlin").record.medications
    assert course.start == date(2024, 1, 2)


@pytest.mark.parametrize(("end", "open_ended"), [("9999-12-31", True), ("2199-12-31", False), ("1899-12-31", True)])
def test_a_date_that_cannot_be_is_no_end(end: str, open_ended: bool) -> None:
    result = read(prescription(None, effectivePeriod={"start": "2024-01-01", "end": end}))
    assert [course.end is None for course in result.record.medications] == [open_ended]
    assert [i.diagnostics for i in result.outcome.issues] == [
        "MedicationRequest with a date that is not a full day; left open"
    ] * open_ended


# -- nothing known

#: Second entry: SNOMED CT international edition and US extension, as terminology servers show them.
NONE_KNOWN = {
    "716186003": "No known allergy", "409137002": "No known history of drug allergy",
    "428607008": "No known environmental allergy", "429625007": "No known food allergy",
    "716184000": "No known latex allergy", "160244002": "No known allergies",
    "160245001": "No current problems or disability",
    "787481004": "No known medications",
}  # fmt: skip


@pytest.mark.parametrize("code", NONE_KNOWN)
def test_a_code_that_says_that_nothing_is_known(code: str) -> None:
    concept = {"coding": [{"system": SNOMED, "code": code}]}
    result = read(
        {"resourceType": "AllergyIntolerance", "patient": WHO, "code": concept},
        {"resourceType": "Condition", "subject": WHO, "code": concept},
        medication(medicationCodeableConcept=concept, resourceType="MedicationStatement"),
    )
    record = result.record
    assert (record.allergies, record.conditions, record.medications, record.not_understood) == ((), (), (), ())
    assert [i.diagnostics for i in result.outcome.issues] == [
        f"{kind} that states that there is none or none is known; no entry"
        for kind in ("AllergyIntolerance", "Condition", "MedicationStatement")
    ]


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("No known allergies", True), ("no known medications", True), ("No Known Drug Allergies.", True),
        ("NKDA", True), ("nka", True), ("none", True), ("None known", True), ("Nil known", True), ("N/A", True),
        ("No current medications", True), ("Not on any medication", True), ("Denies drug allergies", True),
        ("No allergies", True), ("Keine bekannten Allergien", True), ("Keine Medikamente", True), ("", False),
        ("Patient takes no medications", True), ("Pt. has no known allergies", True), ("On no medication", True),
        ("No known problems", True), ("No significant past medical history", True),
        ("No-Spa 40 MG", False), ("Nomifensine", False), ("Norfluoxetine", False), ("Peanut, no known reaction", False),
        ("No response to sertraline", False), ("Known allergy", False), ("None of the above drugs helped", False),
        ("Nothing but aspirin", False), ("Nilotinib", False), ("Keinerlei", False), ("Nonallergic rhinitis", False),
    ],
)  # fmt: skip
def test_a_text_that_says_that_nothing_is_known(text: str, absent: bool) -> None:
    assert states_absence(Concept(text=text)) is absent


def test_a_code_of_the_patient_summary_says_that_nothing_is_known() -> None:
    system = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
    coding = {"system": system, "code": "no-medication-info", "display": "Information about medications"}
    assert courses(medication(medicationCodeableConcept={"coding": [coding]})) == []
    assert len(courses(medication(medicationCodeableConcept={"coding": [coding | {"system": "urn:x"}]}))) == 1


# -- where a period counts


@pytest.mark.parametrize(
    ("start", "end", "day_and_clock"),
    [
        ("2024-05-01T00:00:00+02:00", "2024-05-02T00:00:00+02:00", "2024-05-01T00:00"),
        ("2024-05-01T22:00:00+02:00", "2024-05-02T06:00:00+02:00", "2024-05-02T06:00"),
        ("2024-05-01T18:00:00+02:00", "2024-05-02T00:00:00+02:00", "2024-05-01T18:00"),
        ("2024-04-25T00:00:00+02:00", "2024-05-02T00:00:00+02:00", "2024-05-01T00:00"),
        ("2024-05-01T00:00:00+02:00", "2024-05-01T23:59:59+02:00", "2024-05-01T23:59"),
        ("2024-05-02T00:00:00+02:00", "2024-05-02T00:00:00+02:00", "2024-05-02T00:00"),
        ("2024-05-01T23:30:00+02:00", "2024-05-02T00:00:01+02:00", "2024-05-02T00:00"),
        (None, "2024-05-02T00:00:00+02:00", "2024-05-01T00:00"),
        ("2024-05-01", "2024-05-02T00:00:00+02:00", "2024-05-01T00:00"),
        ("2024-05-01", "2024-05-02", "2024-05-02T00:00"),
        ("2024-05-01", "2024-05-01", "2024-05-01T00:00"),
        ("2024-05-01T08:00:00+02:00", None, "2024-05-01T08:00"),
        ("2024-05-02T06:00:00+02:00", "2024-05-01T22:00:00+02:00", None),
        ("2024-05-02", "2024-05-01", None),
        ("2024-05-02", "2024-05-01T22:00:00+02:00", None),
    ],
)  # fmt: skip
def test_where_a_period_counts(start: str | None, end: str | None, day_and_clock: str | None) -> None:
    period = {name: text for name, text in (("start", start), ("end", end)) if text}
    steps = observation("55423-8", 0, None, effectivePeriod=period, valueQuantity={"value": 8000, "code": "{steps}"})
    result = read(steps)
    frame = result.record.signals
    assert (None if frame is None else str(frame.timestamps[0])[:16]) == day_and_clock
    assert (frame is None) == any("ends before it starts" in issue.diagnostics for issue in result.outcome.issues)


@pytest.mark.parametrize(
    ("zone", "start", "end", "local_day"),
    [
        ("Europe/Berlin", "2024-04-30T22:00:00Z", "2024-05-01T22:00:00Z", "2024-05-01"),
        ("Europe/Berlin", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z", "2024-03-31"),
        ("Europe/Berlin", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z", "2024-10-27"),
        ("America/Los_Angeles", "2024-05-01T07:00:00Z", "2024-05-02T07:00:00Z", "2024-05-01"),
        ("Europe/Berlin", "2024-05-01T00:00:00Z", "2024-05-02T00:00:00Z", "2024-05-02"),
    ],
)
def test_a_day_is_one_of_the_persons_clock(zone: str, start: str, end: str, local_day: str) -> None:
    period = {"start": start, "end": end}
    steps = observation("55423-8", 0, None, effectivePeriod=period, valueQuantity={"value": 8000, "code": "{steps}"})
    frame = read_fhir(bundle(patient(), steps), timezone=zone).record.signals
    assert frame is not None
    assert str(frame.timestamps[0])[:10] == local_day


UTC_DAYS = "times are in UTC and the Patient has no timezone, so that days are days of UTC: give the timezone"


@pytest.mark.parametrize(
    ("when", "zone", "shown", "warned"),
    [
        ("2024-05-02T03:30:00Z", None, "2024-05-02T03:30", True),
        ("2024-05-02T03:30:00+00:00", None, "2024-05-02T03:30", True),
        ("2024-05-02T03:30:00Z", "America/Los_Angeles", "2024-05-01T20:30", False),
        ("2024-05-01T20:30:00-07:00", None, "2024-05-01T20:30", False),
        ("2024-05-01T20:30:00-07:00", "Europe/Berlin", "2024-05-02T05:30", False),
        ("2024-05-02", None, "2024-05-02T00:00", False),
        ("2024-05-02", "America/Los_Angeles", "2024-05-02T00:00", False),
    ],
)
def test_utc_is_no_place(when: str, zone: str | None, shown: str, warned: bool) -> None:
    result = read_fhir(bundle(patient(), observation("44261-6", 3, when)), timezone=zone)
    frame = result.record.symptoms
    assert frame is not None
    assert str(frame.timestamps[0])[:16] == shown
    assert [i.diagnostics for i in result.outcome.issues] == [UTC_DAYS] * warned
    assert [note.reason for note in result.record.not_understood] == [UTC_DAYS] * warned


def test_a_timezone_of_the_patient_goes_before_that_of_the_caller() -> None:
    zone = {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "America/Los_Angeles"}
    later = bundle(observation("44261-6", 3, "2024-05-02T03:30:00Z"), patient(extension=[zone]))
    record = read_fhir(later, timezone="Europe/Berlin").record
    assert (record.timezone, record.last_day) == ("America/Los_Angeles", date(2024, 5, 1))


def test_a_signal_in_several_units_is_none_of_them() -> None:
    own = {"coding": [{"system": "urn:novamind:signal", "code": "x"}], "text": "x"}
    both = [
        observation("x", 1, when) | {"code": own, "valueQuantity": {"value": 1, "unit": unit}}
        for unit, when in (("a", "2024-03-01"), ("b", "2024-03-02"))
    ]
    result = read(*both)
    assert result.record.signals is None
    assert [i.diagnostics for i in result.outcome.issues] == ["x in different units: none of its values is used"]


# -- names and codes as they are written


def named(concept: Json, **more: Any) -> list[tuple[str, float | None]]:
    once = {"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}}
    dosage = [once | {"doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}]}]
    use = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": WHO,
           "medicationCodeableConcept": concept, "dosageInstruction": dosage} | more  # fmt: skip
    return [(c.medication, c.dose_mg) for c in read({k: v for k, v in use.items() if v is not None}).record.medications]


@pytest.mark.parametrize(
    ("concept", "courses_read"),
    [
        ({"text": "citalopram (CELEXA) 20 mg tablet"}, [("citalopram", 40)]),
        ({"text": "Sertralin-ratiopharm 50 mg Filmtabletten"}, [("sertraline", 100)]),
        ({"coding": [{"system": RXNORM, "code": "312941"}]}, [("sertraline", 100)]),
        ({"coding": [{"system": "urn:local", "code": "77", "display": "Zoloft 50 mg"}]}, [("sertraline", 100)]),
        ({"coding": [{"code": "77"}, {"code": "78", "display": "Zoloft 50 mg"}]}, [("sertraline", 100)]),
        ({"text": "house pack 9", "coding": [{"system": RXNORM, "code": "312941"}]}, [("sertraline", 100)]),
        ({"text": "fluoxetine 25 MG / olanzapine 6 MG Oral Capsule"}, [("fluoxetine", None), ("olanzapine", None)]),
        ({"text": "sertraline 50 mg", "coding": [{"system": RXNORM, "code": "312938"}]}, [("sertraline", None)]),
        ({"text": "lithium battery changed"}, [("lithium battery changed", None)]),
    ],
)
def test_a_medication_is_read_by_any_of_its_names_and_codes(
    concept: Json, courses_read: list[tuple[str, float | None]]
) -> None:
    assert sorted(named(concept)) == courses_read
    reference = {"medicationReference": {"reference": "#m"}, "medicationCodeableConcept": None}
    contained = {"contained": [{"resourceType": "Medication", "id": "m", "code": concept}]}
    assert sorted(named(concept, **reference, **contained)) == courses_read


def substance(words: str, mg: float | None = None, **more: Any) -> Json:
    strength = {"numerator": {"value": mg, "code": "mg"}, "denominator": {"value": 1, "unit": "tablet"}}
    return {"itemCodeableConcept": {"text": words}, **({} if mg is None else {"strength": strength}), **more}


@pytest.mark.parametrize(
    ("product", "courses_read"),
    [
        ({"ingredient": [substance("Sertraline", 50)]}, [("sertraline", 100)]),
        ({"ingredient": [substance("sertraline hydrochloride")]}, [("sertraline", None)]),
        (
            {"ingredient": [{"itemCodeableConcept": {"coding": [{"system": RXNORM, "code": "36437"}]}}]},
            [("sertraline", None)],
        ),
        ({"ingredient": [{"itemReference": {"display": "Sertralin"}}]}, [("sertraline", None)]),
        (
            {"ingredient": [substance("olanzapine", 6), substance("fluoxetine", 25)]},
            [("fluoxetine", None), ("olanzapine", None)],
        ),
        (
            {"ingredient": [substance("sertraline", 50), substance("lactose", isActive=False)]},
            [("sertraline", 100)],
        ),
        ({"code": {"text": "house pack 9"}, "ingredient": [substance("Sertraline", 50)]}, [("sertraline", 100)]),
        ({"code": {"text": "Zoloft 100 mg"}, "ingredient": [substance("sertraline", 50)]}, [("sertraline", 200)]),
        ({"code": {"text": "house pack 9"}, "ingredient": [{"isActive": True}]}, [("house pack", None)]),
    ],
)
def test_a_product_without_a_name_is_read_by_its_ingredients(
    product: Json, courses_read: list[tuple[str, float | None]]
) -> None:
    use = {
        "medicationReference": {"reference": "#m"},
        "medicationCodeableConcept": None,
        "contained": [{"resourceType": "Medication", "id": "m", **product}],
    }
    assert sorted(named({"text": ""}, **use)) == courses_read


def test_texts_that_name_two_drugs_are_remarked() -> None:
    concept = {"text": "Sertraline 50 MG", "coding": [{"code": "1", "display": "Citalopram 20 MG"}]}
    use = medication("", status="active", medicationCodeableConcept=concept)
    imported = read(use)
    assert [c.medication for c in imported.record.medications] == ["sertraline"]
    assert "a medication's texts name different drugs: the first is used" in {
        issue.diagnostics for issue in imported.outcome.issues
    }


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("No penicillin allergy", True), ("No known allergy to codeine.", True), ("Denies any codeine allergy", True),
        ("Not allergic to sertraline", True), ("No longer allergic to eggs", True),
        ("Keine Penicillinallergie", True),
        ("Keine Allergie gegen Codein", True), ("Penicillin allergy", False),
        ("Allergy to codeine, no allergy to morphine", False), ("Noscapine allergy", False),
        ("No reaction but rash; codeine allergy is known", False),
    ],
)  # fmt: skip
def test_an_allergy_that_a_text_denies_is_none(text: str, denied: bool) -> None:
    allergy = {"resourceType": "AllergyIntolerance", "patient": WHO, "code": {"text": text}}
    imported = read(allergy)
    assert len(imported.record.allergies) == (not denied)
    reason = "AllergyIntolerance that the person does not have, by its text; no entry"
    assert [issue.diagnostics for issue in imported.outcome.issues] == [reason] * denied


# -- daily doses: of one regular amount alone, and never guessed


def dosage(mg: float = 50, code: str = "", **repeat: Any) -> Json:
    timing: Json = {"repeat": repeat} if repeat else {}
    timing |= {"code": {"coding": [{"code": code}]}} if code else {}
    return {"timing": timing, "doseAndRate": [{"doseQuantity": {"value": mg, "code": "mg"}}]}


DAILY = {"frequency": 1, "period": 1, "periodUnit": "d"}
WEEKLY = {"frequency": 1, "period": 1, "periodUnit": "wk"}


@pytest.mark.parametrize(
    ("given", "mg"),
    [
        (dosage(70, **DAILY), 70),
        (dosage(70, **DAILY, dayOfWeek=["mon"]), 10),
        (dosage(70, **DAILY, dayOfWeek=["mon", "thu", "mon"]), 20),
        (dosage(70, **WEEKLY, dayOfWeek=["mon"]), 10),
        (dosage(70, **WEEKLY, dayOfWeek=["mon", "thu"]), None),
        (dosage(70, **DAILY | {"period": 2}, dayOfWeek=["mon"]), None),
        (dosage(50, **DAILY, frequencyMax=2), None),
        (dosage(50, frequency=1, period=4, periodUnit="h", periodMax=6), None),
        (dosage(50, code="BID"), 100),
        (dosage(50, code="QOD"), 25),
        (dosage(70, code="WK"), 10),
        (dosage(50, code="MO"), None),
        (dosage(50, code="BID", dayOfWeek=["mon"]), None),
        (dosage(50, code="BID", **DAILY), 50),
        (dosage(50, **DAILY) | {"asNeededBoolean": True}, None),
        (dosage(50, **DAILY) | {"asNeededBoolean": False}, 50),
        (dosage(50, **DAILY) | {"asNeededCodeableConcept": {"text": "anxiety"}}, None),
        ({"text": "half a tablet at night"}, None),
        (dosage(50), None),
    ],
    ids=str,
)
def test_a_daily_dose_is_a_regular_one(given: Json, mg: float | None) -> None:
    imported = read(prescription("2024-01-01", dosageInstruction=[given]))
    assert imported.record.medications[0].dose_mg == (None if mg is None else pytest.approx(mg))
    # What is left open is told.
    assert [issue.code for issue in imported.outcome.issues] == ([] if mg is not None else ["incomplete"])


def test_codes_of_timing_are_those_of_the_standard() -> None:
    # Second entry, from the names in HL7's TimingAbbreviation: hours between two doses.
    hours = {
        "AM": 24, "PM": 24, "BED": 24, "QD": 24, "QOD": 48, "BID": 12, "TID": 8, "QID": 6, "Q1H": 1, "Q2H": 2, "Q3H": 3,
        "Q4H": 4, "Q6H": 6, "Q8H": 8, "WK": 168,
    }  # fmt: skip
    assert {code: pytest.approx(24 / each) for code, each in hours.items()} == TIMES_A_DAY


def step(mg: float, start: str | None, end: str | None) -> Json:
    bounds = {name: day for name, day in (("start", start), ("end", end)) if day}
    return dosage(mg, **DAILY, **({"boundsPeriod": bounds} if bounds else {}))


@pytest.mark.parametrize(
    ("steps", "start", "end"),
    [
        ([step(25, "2024-02-01", "2024-02-07"), step(50, "2024-02-08", "2024-03-01")], "2024-02-01", "2024-03-01"),
        ([step(50, "2024-02-08", "2024-03-01"), step(25, "2024-02-01", "2024-02-07")], "2024-02-01", "2024-03-01"),
        ([step(25, "2024-02-01", "2024-02-07"), step(50, "2024-02-08", None)], "2024-02-01", None),
        ([step(25, "2024-02-01", "2024-02-07"), step(50, None, None)], "2024-02-01", None),
    ],
)
def test_a_titration_lasts_from_its_first_step_to_its_last(steps: list[Json], start: str, end: str | None) -> None:
    assert courses(prescription("2024-01-01", dosageInstruction=steps)) == [(start, str(end), None, False)]
