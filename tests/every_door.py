"""Patients of every kind, and the doors by which a twin is asked about them.

Each person is written down once, apart from any door; a door gets the person in its own way and gives back what it
says in the twin's own terms.
"""

import json
import math
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import polars as pl
import pytest
from typer.testing import CliRunner

import novamind
from novamind.biometrics import plots as biometrics_plots
from novamind.cli import app
from novamind.drugs.conditions import condition_word
from novamind.infrastructure.identity.domain import Role
from novamind.infrastructure.patient_store import Kind
from novamind.records import (
    Allergy,
    Condition,
    MedicationCourse,
    PatientRecord,
    signal_frame,
    symptom_frame,
    write_patient_directory,
)
from novamind.server import middleware
from novamind.symptoms.domain import Scale
from novamind.symptoms.presentation import plots as symptom_plots
from novamind.twin import PatientTwin
from novamind.twin import plots as twin_plots
from novamind.twin.case import Case, today_in
from novamind.twin.domain import Options
from novamind.twin.fhir_export import to_fhir
from novamind.twin.simulated import simulated_record
from tests.server.graph import whole
from tests.server.world import Socket, World

BERLIN = "Europe/Berlin"
LOOKBACK = 120
OPTIONS = Options(biometric_lookback_days=LOOKBACK)
MOOD = Scale(0, 10)
Report = tuple[str, datetime, float]
Stretch = tuple[str, str, list[datetime], list[float]]


@dataclass(frozen=True)
class Person:
    """Somebody, as every door should know them.

    Attributes
    ----------
    reports, stretches, courses, conditions, allergies, genes
        What counts, in the order in which it is stored.
    withdrawn, corrected
        Reports that were entered in error: taken back; with another value at first.
    imported, unreadable_genes
        What a file brought: stored without the door's rules, and part of the record.
    poison
        Stored under rules of old that nobody could store today; it is named, and part of nothing.
    genomics
        Whether the patient lets genes be used.
    """

    name: str
    reports: Sequence[Report] = ()
    scales: Mapping[str, Scale] = field(default_factory=dict)
    stretches: Sequence[Stretch] = ()
    courses: Sequence[MedicationCourse] = ()
    conditions: Sequence[Condition] = ()
    allergies: Sequence[Allergy] = ()
    genes: Mapping[str, str] = field(default_factory=dict)
    born: str | None = "1980-05-17"
    timezone: str | None = BERLIN
    withdrawn: Sequence[Report] = ()
    corrected: Sequence[tuple[Report, float]] = ()
    imported: Sequence[Report] = ()
    unreadable_genes: Mapping[str, str] = field(default_factory=dict)
    poison: Sequence[tuple[Kind, Any]] = ()
    genomics: bool = True

    def record(self, patient_id: str) -> PatientRecord:
        """The record that the services should see."""
        genes = {**self.genes, **self.unreadable_genes} if self.genomics else {}
        return PatientRecord(
            patient_id,
            timezone=self.timezone,
            demographics={} if self.born is None else {"birth_year": int(self.born[:4])},
            symptoms=self._symptoms(patient_id),
            signals=self._signals(patient_id),
            medications=tuple(self.courses),
            genotype=genes,
            conditions=tuple(self.conditions),
            allergies=tuple(self.allergies),
        )

    def case(self, patient_id: str) -> Case:
        """What every door should ask the twin about."""
        return Case(self.record(patient_id), today_in(self.timezone), own_scales=self.scales)

    def frames(self) -> dict[str, Any]:
        """The person as notebooks have them: frames and lists."""
        genes = {**self.genes, **self.unreadable_genes}
        found: dict[str, Any] = {
            "symptoms": self.table(),
            "scales": {name: (scale.low, scale.high, scale.step, scale.worse) for name, scale in self.scales.items()},
            "biometrics": self.signal_table(),
            "genotype": genes if self.genomics else {},
            "medications": list(self.courses),
            "conditions": list(self.conditions),
            "allergies": list(self.allergies),
            "demographics": {} if self.born is None else {"birth_year": int(self.born[:4])},
            "timezone": self.timezone,
        }
        return {name: value for name, value in found.items() if value is not None}

    def table(self) -> pl.DataFrame | None:
        rows = [*self.reports, *(report for report, _ in self.corrected), *self.imported]
        if not rows:
            return None
        return pl.DataFrame(
            {
                "symptom": [name for name, _, _ in rows],
                "timestamp": [when.isoformat() for _, when, _ in rows],
                "value": [float(value) for _, _, value in rows],
            }
        )

    def signal_table(self) -> pl.DataFrame | None:
        rows = [
            (signal, unit, when, value)
            for signal, unit, times, values in self.stretches
            for when, value in zip(times, values, strict=True)
        ]
        if not rows:
            return None
        return pl.DataFrame(
            {
                "signal": [one[0] for one in rows],
                "unit": [one[1] for one in rows],
                "timestamp": [one[2].isoformat() for one in rows],
                "value": [float(one[3]) for one in rows],
            }
        )

    def _symptoms(self, patient_id: str) -> Any:
        table = self.table()
        if table is None:
            return None
        return symptom_frame(table.with_columns(patient_id=pl.lit(patient_id)), timezone=self.timezone)

    def _signals(self, patient_id: str) -> Any:
        table = self.signal_table()
        if table is None:
            return None
        return signal_frame(table.with_columns(patient_id=pl.lit(patient_id)), timezone=self.timezone)


# --- people ---


def days(count: int, zone: str = BERLIN, hour: int = 8, until: int = 1) -> list[datetime]:
    """Local times of consecutive days, the last of them ``until`` days ago."""
    today = datetime.now(UTC).date()
    return [
        datetime.combine(today - timedelta(days=until + n), time(hour), ZoneInfo(zone))
        for n in range(count - 1, -1, -1)
    ]


def diary(values: Sequence[float], symptom: str = "PHQ-9", **when: Any) -> list[Report]:
    """One report a day, up to yesterday."""
    return [(symptom, day, value) for day, value in zip(days(len(values), **when), values, strict=True)]


def course(name: str, ago: int | None = 400, dose_mg: float | None = None, **more: Any) -> MedicationCourse:
    """A course that began so many days ago."""
    start = None if ago is None else datetime.now(UTC).date() - timedelta(days=ago)
    return MedicationCourse(name, start, dose_mg=dose_mg, **more)


def condition(name: str, **more: Any) -> Condition:
    return Condition(name, word=condition_word(name), **more)


def allergy(name: str, medication: str | None = None, **more: Any) -> Allergy:
    return Allergy(name, medication=medication, **more)


_WAVE = [12, 14, 13, 15, 16, 14, 12, 11, 13, 15, 17, 16, 14, 13, 12, 14, 15, 13, 12, 11, 13, 14]
_FALL = [21, 20, 21, 19, 20, 18, 18, 17, 16, 16, 14, 15, 13, 12, 12, 11, 10, 11, 9, 8, 9, 8]
_LOW = [3, 4, 2, 3, 4, 3, 2, 3, 4, 5, 3, 2]
_TODAY = datetime.now(UTC).date()


def _simulated(seed: int, last_days: int = 70) -> dict[str, Any]:
    """A simulated person's last days, moved to end yesterday."""
    record = simulated_record(seed)
    assert record.symptoms is not None
    assert record.signals is not None
    assert record.last_day is not None
    move = _TODAY - timedelta(days=1) - record.last_day

    def moved(moment: Any) -> datetime:
        return (moment.item() + move).replace(tzinfo=ZoneInfo(BERLIN), hour=9)

    begin = (record.last_day - timedelta(days=last_days)).isoformat()
    symptoms, signals = record.symptoms, record.signals
    stretches: list[Stretch] = []
    for i, key in enumerate(signals.series):
        rows = [n for n in range(*signals.part(i).indices(len(signals))) if str(signals.timestamps[n]) >= begin]
        times = [moved(signals.timestamps[n]) for n in rows]
        stretches.append((key.name, signals.units[i] or "", times, [float(signals.values[n]) for n in rows]))
    return {
        "reports": [
            ("PHQ-9", moved(symptoms.timestamps[n]), float(symptoms.values[n]))
            for n in range(len(symptoms))
            if str(symptoms.timestamps[n]) >= begin
        ],
        "stretches": stretches,
        "courses": [replace(one, start=one.start and one.start + move) for one in record.medications],
        "conditions": record.conditions,
        "genes": dict(sorted(record.genotype.items())),
        "born": f"{record.demographics['birth_year']}-01-01",
    }


def _stamped(symptom: str, value: float, when: str) -> tuple[Kind, Any]:
    return Kind.SYMPTOM_REPORT, {"symptom": symptom, "timestamp": when, "value": value}


def _now(zone: str) -> datetime:
    return datetime.now(ZoneInfo(zone)).replace(microsecond=0)


def _hours(day: date, count: int) -> list[datetime]:
    """Instants an hour apart, from the midnight with which a day begins."""
    begin = datetime.combine(day, time(0), UTC)
    return [begin + timedelta(hours=n) for n in range(count)]


#: Where the day begins first.
EASTMOST = "Pacific/Kiritimati"
#: The last Sunday of an October: its hour from two to three comes twice in Berlin.
_AUTUMN = max(day for n in range(31) if (day := date(_TODAY.year - (_TODAY.month < 11), 10, 31 - n)).weekday() == 6)
_FUTURE = (datetime.now(UTC) + timedelta(days=30)).isoformat()
_PAST = (datetime.now(UTC) - timedelta(days=3)).isoformat()
POOR = {"CYP2C19": "*2/*2", "CYP2D6": "*4/*4"}

PEOPLE: tuple[Person, ...] = (
    Person("empty", born=None, timezone=None),
    Person("plain", diary(_WAVE), genes={"CYP2C19": "*1/*2", "CYP2D6": "*1/*4"}),
    Person("poor metaboliser", diary(_WAVE), courses=[course("paroxetine")], genes=POOR),
    Person(
        "allergic to what is taken", diary(_WAVE), courses=[course("sertraline")], allergies=[allergy("sertraline")]
    ),
    Person("allergic by cross-reaction", courses=[course("escitalopram")], allergies=[allergy("x", "citalopram")]),
    Person(
        "allergic in words",
        courses=[course("venlafaxine")],
        allergies=[allergy("Allergy to desvenlafaxine"), allergy("nuts")],
        genes={"CYP2D6": "*4/*4"},
    ),
    Person("no longer allergic", courses=[course("sertraline")], allergies=[allergy("sertraline", active=False)]),
    Person("minor", diary(_WAVE), courses=[course("paroxetine")], genes=POOR, born=f"{_TODAY.year - 15}-03-01"),
    Person("young adult", courses=[course("fluoxetine")], born=f"{_TODAY.year - 22}-03-01"),
    Person(
        "unreadable gene",
        courses=[course("citalopram")],
        genes={"CYP2C19": "*2/*2"},
        unreadable_genes={"CYP2C9": "nonsense"},
    ),
    Person("closed genes", courses=[course("citalopram")], genes=POOR, genomics=False),
    Person(
        "own scale",
        [*diary([6, 5, 7, 4, 5, 6, 6, 3, 5, 4, 6, 5, 7, 5], "mood"), *diary(_LOW, "GAD-7")],
        scales={"mood": MOOD},
    ),
    Person(
        "own scale, low is worse",
        diary([40, 60, 80, 40, 50, 70, 60, 40, 30, 60, 70], "energy"),
        scales={"energy": Scale(0, 100, step=10, worse="low")},
    ),
    Person("series without a scale", diary(_WAVE), imported=diary([3, 4, 5, 4, 3, 4, 5], "calm")),
    Person(
        "polypharmacy",
        diary(_WAVE),
        courses=[
            course("paroxetine", dose_mg=20),
            course("venlafaxine"),
            course("lithium", 90),
            course("phenelzine", 30),
            course("metoprolol"),
            course("Obscurol"),
        ],
        genes={"CYP2D6": "*1/*1"},
    ),
    Person("treatment started", diary(_FALL), courses=[course("escitalopram", 12)], genes={"CYP2C19": "*1/*1"}),
    Person("treatment begins today", diary(_WAVE), courses=[course("sertraline", 0)]),
    Person(
        "stopped and planned",
        diary(_WAVE),
        courses=[
            course("citalopram", 300, end=_TODAY - timedelta(days=30)),
            course("fluoxetine", 200, stopped=True),
            course("bupropion", -14),
            course("mirtazapine", None),
        ],
    ),
    Person("withdrawn reports", diary(_WAVE), withdrawn=diary([27, 27, 27], "PHQ-9", hour=20)),
    Person(
        "corrected reports",
        diary(_WAVE)[:-2],
        corrected=[(one, 27.0 - one[2]) for one in diary(_WAVE)[-2:]],
    ),
    Person(
        "several spellings",
        [(("PHQ-9", "phq_9", "PHQ9")[n % 3], when, value) for n, (_, when, value) in enumerate(diary(_WAVE))],
    ),
    Person(
        "spellings and signals",
        [(("GAD-7", "gad7")[n % 2], when, value) for n, (_, when, value) in enumerate(diary(_WAVE * 2))],
        stretches=[("sleep_duration", "h", days(40), [6 + (n * 7 % 5) / 2 for n in range(40)])],
    ),
    Person(
        "an hour that comes twice",
        [
            ("PHQ-9", datetime.combine(_AUTUMN - timedelta(days=n), time(20), ZoneInfo(BERLIN)), 8 + n % 5)
            for n in range(-3, 20)
        ],
        stretches=[("heart_rate", "bpm", _hours(_AUTUMN - timedelta(days=2), 120), [60 + n % 17 for n in range(120)])],
    ),
    Person("off the scale", diary(_WAVE), poison=[_stamped("PHQ-9", 99, _PAST)]),
    Person("from the future", diary(_WAVE), poison=[_stamped("PHQ-9", 9, _FUTURE)]),
    Person("too few reports", diary([9, 8, 10])),
    Person("two instruments", [*diary(_WAVE), *diary([40, 44, 36, 48, 40, 44, 32, 40, 44, 48, 52], "WHO-5")]),
    Person("thoughts of death", diary(_WAVE), imported=diary([0, 1, 2], "PHQ-9 item 9")),
    Person(
        "conditions",
        courses=[course("citalopram"), course("bupropion")],
        conditions=[
            condition("long QT"),
            condition("seizure disorder"),
            condition("gout"),
            condition("pregnancy", active=False),
        ],
        genes=POOR,
    ),
    Person("east of here", diary(_WAVE, zone="Pacific/Auckland"), timezone="Pacific/Auckland"),
    Person("west of here", diary(_WAVE, zone="Pacific/Honolulu", hour=22), timezone="Pacific/Honolulu"),
    Person(
        "ahead of the server's day",
        [*diary(_WAVE, zone=EASTMOST), ("PHQ-9", _now(EASTMOST), 12)],
        stretches=[("heart_rate", "bpm", [_now(EASTMOST)], [70])],
        courses=[MedicationCourse("sertraline", _now(EASTMOST).date())],
        timezone=EASTMOST,
    ),
    Person("clock of the server", diary(_WAVE, zone="UTC", hour=23)),
    Person("simulated", **_simulated(1)),
    Person("simulated without a zone", **_simulated(5) | {"timezone": None}),
)
BY_NAME = {person.name: person for person in PEOPLE}


#: What draws a picture of a page.
DRAWN = (
    (symptom_plots, "to_svg"),
    (symptom_plots, "fan_chart"),
    (symptom_plots, "risk_chart"),
    (twin_plots, "level_chart"),
    (biometrics_plots, "link_map"),
)


@contextmanager
def small_clinic(folder: Path) -> Iterator[World]:
    """A server with one clinician, C11, who asks more than people do.

    The pictures of its pages are left out: they take most of a page's time and have no words.
    """
    for module in pkgutil.walk_packages(novamind.__path__, "novamind."):
        if not module.name.endswith((".training", ".network", ".env")) and "versions" not in module.name:
            import_module(module.name)  # now: what is first imported while a picture is replaced would never have it
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(middleware, "_REQUESTS_A_MINUTE", 10**9)
        for module, name in DRAWN:
            patched.setattr(module, name, lambda *_: "")
        with World(f"sqlite:///{folder}/novamind.db", folder, workers=1) as world:
            access = world.container.operator("test")
            world.organisations.append(world.run(world.container.foundation.store.add_organisation("Clinic", access)))
            world.add_user("C11", Role.CLINICIAN, world.organisations[0])
            world.log_in("C11")
            yield world


# --- how a person gets in ---


class Container:
    """One server with one clinician."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.patients: dict[str, str] = {}
        self.right: dict[str, Any] = {}

    def patient(self, person: Person) -> str:
        """The person's id; stored at the first question."""
        if person.name not in self.patients:
            self.patients[person.name] = self._store(person)
        return self.patients[person.name]

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer: httpx.Response = self.world.call(method, path, "C11", **options)
        assert answer.status_code < 300, (method, path, answer.status_code, answer.text)
        return answer

    def _store(self, person: Person) -> str:
        about = {"name": person.name} | {"birth_date": person.born, "timezone": person.timezone}
        patient_id: str = self.ask("POST", "/api/v1/patients", json=about).json()["ids"][0]
        at = f"/api/v1/patients/{patient_id}"
        for gene, result in person.unreadable_genes.items():
            self._append(patient_id, Kind.GENOTYPE, {"genes": {gene: result}})
        for body in ({"genes": dict(person.genes)},) if person.genes else ():
            self.ask("POST", f"{at}/genotype", json=body)
        self._reports(at, person, [*person.reports, *((n, t, first) for (n, t, _), first in person.corrected)])
        for report, first in person.corrected:
            stored = self.ask("GET", f"{at}/reports").json()["items"]
            (wrong,) = (one for one in stored if one["value"] == first and _when(one) == report[1])
            self.ask("PUT", f"{at}/reports/{wrong['id']}", json=_body(report, {}))
        for piece in self._reports(at, person, person.withdrawn):
            self.ask("DELETE", f"{at}/records/{piece}")
        for one in person.imported:
            self._append(patient_id, *_stamped(one[0], one[2], one[1].isoformat()))
        if person.stretches:
            self.ask("POST", f"{at}/biometrics", json={"stretches": [_stretch(one) for one in person.stretches]})
        for taken in person.courses:
            body = {"medication": taken.medication, "dose_mg": taken.dose_mg, "stopped": taken.stopped}
            body |= {"start": _iso(taken.start), "end": _iso(taken.end)}
            self.ask("POST", f"{at}/medications", json=body)
        for known in person.conditions:
            self.ask("POST", f"{at}/conditions", json={"name": known.name, "active": known.active})
        for known in person.allergies:
            body = {"name": known.name, "medication": known.medication, "active": known.active}
            self.ask("POST", f"{at}/allergies", json=body)
        for kind, content in person.poison:
            self._append(patient_id, kind, content)
        if not person.genomics:
            self.ask("PUT", f"{at}/consents/genomics", json={"granted": False})
        return patient_id

    def _reports(self, at: str, person: Person, reports: Sequence[Report]) -> list[str]:
        if not reports:
            return []
        body = {"reports": [_body(one, person.scales) for one in reports]}
        return list(self.ask("POST", f"{at}/reports", json=body).json()["ids"])

    def _append(self, patient_id: str, kind: Kind, content: Any) -> None:
        container = self.world.container
        self.world.run(container.foundation.store.append(UUID(patient_id), kind, [content], container.operator("test")))


def _body(report: Report, scales: Mapping[str, Scale]) -> dict[str, Any]:
    name, when, value = report
    body: dict[str, Any] = {"symptom": name, "timestamp": when.isoformat(), "value": value}
    if (scale := scales.get(name)) is not None:
        body["scale"] = {"low": scale.low, "high": scale.high, "step": scale.step, "worse": scale.worse}
    return body


def _stretch(one: Stretch) -> dict[str, Any]:
    signal, unit, times, values = one
    return {"signal": signal, "unit": unit, "timestamps": [when.isoformat() for when in times], "values": values}


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _when(stored: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(stored["timestamp"])


# --- what a door says ---


class Page(HTMLParser):
    """The words of a page: the text of every cell by table and row, and of the whole."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._words: list[str] = []
        self._cell: list[str] | None = None
        self.feed(html)

    @property
    def rows(self) -> list[list[str]]:
        return [row for table in self.tables for row in table]

    @cached_property
    def text(self) -> str:
        return _plain(self._words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            self.tables[-1][-1].append(_plain(self._cell))
            self._cell = None

    def handle_data(self, data: str) -> None:
        self._words.append(data)
        if self._cell is not None:
            self._cell.append(data)


def _plain(words: Sequence[str]) -> str:
    return " ".join("".join(words).split())


#: What is asked over GraphQL: together they would cost more than one question may.
QUESTIONS = (
    f"forecasts {whole('Forecasts')} medicationAdvice {whole('Review')}"
    f" leadingSignals(lookbackDays: {LOOKBACK}) {whole('PersonLinks')}",
    f"insights(lookbackDays: {LOOKBACK}) {whole('Insights')}",
)


def from_cli(container: Container, person: Person) -> dict[str, Any]:
    """What the shell prints of a patient's directory."""
    folder = container.folder / f"{person.name} {len(list(container.folder.iterdir()))}"
    write_patient_directory(person.record(container.patient(person)), folder)
    return _shell(["insights", str(folder), "--json", "--lookback", str(LOOKBACK)])


def from_cli_fhir(container: Container, person: Person) -> dict[str, Any]:
    """What the shell prints of a FHIR bundle."""
    file = container.folder / f"{person.name}.json"
    patient_id = container.patient(person)
    file.write_text(json.dumps(to_fhir(person.record(patient_id))), "utf-8")
    return _shell(["insights", str(file), "--patient", patient_id, "--json", "--lookback", str(LOOKBACK)])


def _shell(arguments: list[str]) -> dict[str, Any]:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def from_twin(container: Container, person: Person) -> PatientTwin:
    """The twin that a notebook makes out of frames and lists."""
    return PatientTwin.from_frames(container.patient(person), **person.frames())


def from_socket(container: Container, person: Person) -> dict[str, Any]:
    """The first message of a live connection."""
    patient_id = container.patient(person)
    ticket = container.ask("POST", "/api/v1/live/tickets", json={"patient_id": patient_id}).json()["ticket"]

    async def heard() -> dict[str, Any]:
        socket = Socket(container.world)
        socket.say({"ticket": ticket})
        said = await socket.hear()
        socket.leave()
        await socket.hear()
        return said

    return dict(container.world.run(heard()))


def from_graphql(container: Container, person: Person) -> dict[str, Any]:
    """Everything to the last field; of a part that cannot be given there is the error's text."""
    found: dict[str, Any] = {}
    for part in QUESTIONS:
        query = f"query ($id: UUID!) {{ patient(id: $id) {{ {part} }} }}"
        answer = container.ask(
            "POST", "/graphql", json={"query": query, "variables": {"id": container.patient(person)}}
        ).json()
        found |= answer["data"]["patient"]
        found |= {error["path"][-1]: error["message"] for error in answer.get("errors", ())}
    return found


def from_cds(container: Container, person: Person, order: str | None = None) -> list[dict[str, Any]]:
    """Cards for the record's own FHIR resources, and for the draft of an order where one is named."""
    patient_id = container.patient(person)
    kept = ("Patient", "MedicationRequest", "MedicationStatement", "Condition", "AllergyIntolerance", "Observation")
    entries = to_fhir(person.record(patient_id))["entry"]
    wanted = [one for one in entries if one["resource"]["resourceType"] in kept]
    hook = "patient-view" if order is None else "order-sign"
    context: dict[str, Any] = {"userId": "Practitioner/1", "patientId": patient_id}
    if order is not None:
        draft = {"resourceType": "MedicationRequest", "id": "draft-1", "status": "draft", "intent": "order"}
        draft |= {"medicationCodeableConcept": {"text": order}, "subject": {"reference": f"Patient/{patient_id}"}}
        context["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": draft}]}
    body = {
        "hook": hook,
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": context,
        "prefetch": {"all": {"resourceType": "Bundle", "type": "collection", "entry": wanted}},
    }
    return list(container.ask("POST", f"/cds-services/novamind-{hook}", json=body).json()["cards"])


def from_pages(container: Container, person: Person, part: str = "insights") -> Page:
    """What a person reads in a browser."""
    answer = container.ask("GET", f"/patients/{container.patient(person)}/{part}", headers={"Accept": "text/html"})
    return Page(answer.text)


GuardMiddleware = Callable[[Container, Person], Any]


# --- whether two say the same ---

#: What differs from one asking to the next: whether a result was reused, and earlier forecasts of the same record.
PASSING = {"reused", "tracking"}


def differences(expected: Any, found: Any, place: str = "") -> list[str]:
    """Where two answers differ: keys, lengths, words, or numbers by more than rounding."""
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = (set(expected) | set(found)) - PASSING
        missing = [f"{place}.{key}: on one side alone" for key in keys if (key in expected) != (key in found)]
        both = sorted(key for key in keys if key in expected and key in found)
        return missing + [line for key in both for line in differences(expected[key], found[key], f"{place}.{key}")]
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return [f"{place}: {len(expected)} entries, {len(found)} found"]
        pairs = enumerate(zip(expected, found, strict=True))
        return [line for i, (one, other) in pairs for line in differences(one, other, f"{place}[{i}]")]
    if isinstance(expected, float) and isinstance(found, int | float):
        close = math.isclose(expected, found, rel_tol=1e-6, abs_tol=1e-9)
        return [] if close else [f"{place}: {expected}, {found} found"]
    return [] if expected == found else [f"{place}: {expected!r}, {found!r} found"]


def same(expected: Any, found: Any) -> None:
    lines = differences(expected, found)
    assert not lines, "\n".join(lines[:20])
