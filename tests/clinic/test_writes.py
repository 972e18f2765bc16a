"""Whatever a clinic writes in whatever order: every page still answers, and every write can be taken back.

A machine writes, corrects, withdraws, imports and decides at random over REST. After each step every list is read, and
in turn everything that is computed. What was taken back leaves every answer as it was before it, and in the end the
record is that of another patient in whom the same pieces were written once, in the same order.

In the suite it takes few steps; ``NOVAMIND_TEST_PROFILE=long`` takes ten thousand.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import hypothesis
import polars as pl
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from novamind.infrastructure.identity.domain import Permission
from novamind.records import Allergy, Condition, MedicationCourse, PatientRecord, symptom_frame
from novamind.symptoms.instruments import recognise, series_name
from novamind.twin.fhir_export import to_fhir
from tests.every_door import same, small_clinic
from tests.golden import plain
from tests.server.world import World

LONG = not hypothesis.settings.default.derandomize  # the profile ``long`` (tests/conftest.py)
SETTINGS = hypothesis.settings(
    max_examples=200 if LONG else 4,
    stateful_step_count=50 if LONG else 16,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)

_world: list[World] = []


@pytest.fixture(scope="module", autouse=True)
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server with one clinician."""
    with small_clinic(tmp_path_factory.mktemp("writes")) as made:
        _world.append(made)
        yield made
        _world.clear()


# --- a patient over REST ---


class Patient:
    """A patient as one clinician reaches them."""

    def __init__(self, zone: str | None) -> None:
        self.zone = zone
        made = _world[0].call("POST", "/api/v1/patients", "C11", json={"name": "x", "timezone": zone})
        self.id = str(made.json()["ids"][0])
        self.at = f"/api/v1/patients/{self.id}"

    def ask(self, method: str, path: str, **options: Any) -> Any:
        return _world[0].call(method, f"{self.at}/{path}", "C11", **options)

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def lists(self) -> dict[str, Any]:
        """Every list of what is stored, without ids and versions."""
        return {name: _bare(self.get(name)) for name in LISTS}

    def case(self) -> dict[str, Any]:
        """What the twin is asked about."""
        world = _world[0]
        caller = world.run(world.house.identity.sessions.authenticate(world.tokens["C11"], UUID(self.id)))
        case = world.run(world.house.clinic.case(caller, UUID(self.id), Permission.RESULTS_READ))
        record = case.record
        return {
            "symptoms": [] if case.observed is None else _rows(case.observed),
            "signals": [] if case.signals is None else _rows(case.signals),
            "medications": plain(record.medications),
            "genotype": dict(record.genotype),
            "problems": plain((record.conditions, record.allergies)),
            "scales": plain(case.scales),
            "notes": case.notes,
        }


LISTS = (
    "reports?newest=5000",
    "biometrics",
    "scales",
    "genotype",
    "genotype/results",
    "medications",
    "problems",
    "imports",
    "consents",
)


def _bare(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: _bare(inner) for name, inner in answer.items() if name not in ("id", "version", "recorded_at")}
    return [_bare(inner) for inner in answer] if isinstance(answer, list) else answer


def _rows(frame: pl.DataFrame) -> list[Any]:
    """Rows with what can be said of no patient in particular."""
    return [[str(cell) for cell in row] for row in frame.drop("patient_id").rows()]


#: What is computed of a patient, and what it may say where it cannot be.
COMPUTED: dict[str, tuple[str, str, Any]] = {
    "forecast": ("GET", "forecast", None),
    "forecast of a threshold": ("GET", "forecast?horizon=3&threshold=10", None),
    "insights": ("GET", "insights?lookback_days=120", None),
    "links": ("GET", "correlations?lookback_days=120", None),
    "record": ("GET", "fhir", None),
    "record with results": ("GET", "fhir?with_insights=true", None),
    "advice": ("POST", "medication-advice", {}),
    "advice on a drug": ("POST", "medication-advice", {"medication": "paroxetine"}),
    "what if": ("POST", "what-if", {"drug": "sertraline", "dose_mg": 50, "weeks": 1, "ensemble": 2}),
    "audit": ("GET", "audit", None),
}
PAGES = ("", "/changes", "/insights", "/tracking", "/consents", "/audit", "/upload")
PARTIAL = re.compile(
    r"the record holds no |no symptom of the record has a known range|nothing to forecast: at least 4 days"
    r"|the last \d+ days of the record do not hold|no pair could be analysed"
)
QUESTION = """query ($id: UUID!) { patient(id: $id) { name symptoms(newest: 500) { symptom value }
  medications { medication } genotype forecasts { skipped { reason } } medicationAdvice { ranking }
  leadingSignals { links { signal } }
  insights { missing notes } } }"""


def answered(patient: Patient, name: str) -> None:
    """Ask for one of the things that are computed: it is there, or the reason is one that a clinician can mend."""
    method, path, body = COMPUTED[name]
    answer = patient.ask(method, path, **({} if body is None else {"json": body}))
    said = answer.json()
    if answer.status_code == 422:
        assert said["type"].endswith("insufficient-data"), (name, said)
        assert PARTIAL.search(said["detail"]), (name, said)
    else:
        assert answer.status_code == 200, (name, answer.text)
    if name == "insights":
        for reason in said["missing"].values():
            assert reason.startswith("no data: "), reason


def shown(patient: Patient, part: str) -> None:
    answer = _world[0].call("GET", f"/patients/{patient.id}{part}", "C11", headers={"Accept": "text/html"})
    assert answer.status_code == 200, (part, answer.text[:500])


def asked(patient: Patient) -> None:
    """Everything in one question of GraphQL."""
    body = {"query": QUESTION, "variables": {"id": patient.id}}
    answer = _world[0].call("POST", "/graphql", "C11", json=body).json()
    for error in answer.get("errors", ()):
        assert error["extensions"]["code"] == "insufficient-data", error
        assert PARTIAL.search(error["message"]), error
    assert answer["data"]["patient"]["insights"] is not None


QUESTIONS: tuple[Callable[[Patient], None], ...] = (
    *(lambda patient, name=name: answered(patient, name) for name in COMPUTED),
    *(lambda patient, part=part: shown(patient, part) for part in PAGES),
    asked,
)  # fmt: skip


# --- what is written ---


def _times(last_hours: int = 40 * 24) -> st.SearchStrategy[datetime]:
    """Moments of the last weeks, few enough to meet again, by various clocks; some lie a little ahead of ours."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = st.integers(-40, 40).map(lambda n: n * last_hours // 40)
    zone = st.sampled_from(
        (timezone(timedelta(hours=1)), UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=14)))
    )
    past = hours.filter(lambda n: n >= 0).map(lambda n: now - timedelta(hours=n))
    return st.builds(datetime.astimezone, st.one_of(past, st.just(now + timedelta(hours=20))), zone)


SCALES = ({"low": 0, "high": 10}, {"low": 0, "high": 100, "step": 10, "worse": "low"}, {"low": -5, "high": 5})
_known = st.sampled_from(("PHQ-9", "phq_9", "PHQ9", "GAD-7", "gad 7", "WHO-5", "EQ-VAS"))
_own = st.sampled_from(("mood", "energy level", "mood "))
_reports = st.fixed_dictionaries(
    {
        "symptom": st.one_of(_known, _own.map(str.strip)),
        "timestamp": _times().map(datetime.isoformat),
        "value": st.sampled_from((0, 1, 2, 3, 4, 5, 7, 8, 10, 12, 20, 27, 40, 99, -3)),
    },
    optional={"scale": st.sampled_from(SCALES)},
)
_units = st.sampled_from(
    (
        ("heart_rate", "bpm"), ("heart_rate", "/min"), ("heart_rate", "Hz"), ("sleep_duration", "h"),
        ("sleep_duration", "min"), ("daily_steps", "count"), ("daily_steps", "{count}"), ("body_temperature", "Cel"),
        ("body_temperature", "[degF]"), ("body_temperature", "h"), ("ward_score", "points"), ("ward_score", "marks"),
    )
)  # fmt: skip


@st.composite
def _stretches(draw: st.DrawFn) -> dict[str, Any]:
    signal, unit = draw(_units)
    first = draw(_times())
    count = draw(st.integers(1, 40))
    values = draw(
        st.lists(st.sampled_from((-1, 0, 1, 1.2, 7, 8, 36.6, 60, 72, 98, 255, 420, 9000)), min_size=1, max_size=5)
    )
    step = draw(st.sampled_from((timedelta(hours=1), timedelta(days=-1))))
    times = [first + n * step for n in range(count)]
    return {
        "signal": signal,
        "unit": unit,
        "timestamps": [when.isoformat() for when in times],
        "values": [values[n % len(values)] for n in range(count)],
    }


_days = st.integers(-10, 500).map(lambda n: (datetime.now(UTC).date() - timedelta(days=n)).isoformat())
_courses = st.fixed_dictionaries(
    {"medication": st.sampled_from(("sertraline", "Zoloft", "paroxetine", "lithium", "phenelzine", "Obscurol", " "))},
    optional={
        "start": _days,
        "end": _days,
        "dose_mg": st.sampled_from((10, 50)),
        "stopped": st.booleans(),
    },
)
_conditions = st.fixed_dictionaries(
    {"name": st.sampled_from(("long QT", "Depression", "gout", "pregnancy"))},
    optional={"active": st.booleans(), "onset": st.sampled_from(("2020", "2020-02", "2020-02-29"))},
)
_allergies = st.fixed_dictionaries(
    {"name": st.sampled_from(("sertraline", "Allergy to citalopram", "nuts", "rash"))},
    optional={"medication": st.sampled_from(("citalopram", "paroxetine", "Obscurol")), "active": st.booleans()},
)
_genes = st.dictionaries(
    st.sampled_from(("CYP2D6", "CYP2C19", "CYP2B6")),
    st.sampled_from(("*1/*1", "*4/*4", "*1/*2", "Poor Metabolizer", "nonsense")),
    min_size=1,
    max_size=2,
).map(lambda genes: {"genes": genes})

#: Route to what is written there; reports and stretches come in lists.
PIECES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "reports": _reports,
    "biometrics": _stretches(),
    "medications": _courses,
    "conditions": _conditions,
    "allergies": _allergies,
    "genotype": _genes,
}
_WRAPPED = {"reports": "reports", "biometrics": "stretches"}
_piece = st.sampled_from(tuple(PIECES)).flatmap(lambda route: st.tuples(st.just(route), PIECES[route]))


@st.composite
def _imports(draw: st.DrawFn) -> PatientRecord:
    """A file with a few reports, one of them of a series that nobody gave a scale, a course and a problem."""
    names = draw(st.lists(st.sampled_from(("PHQ-9", "mood", "calm")), min_size=1, max_size=3, unique=True))
    when = [one.astimezone(UTC) for one in draw(st.lists(_times(), min_size=1, max_size=3, unique_by=_instant))]
    rows = [(name, one) for name in names for one in when]
    table = pl.DataFrame(
        {
            "symptom": [name for name, _ in rows],
            "timestamp": [one.isoformat() for _, one in rows],
            "value": [float(n % 9) for n in range(len(rows))],
            "patient_id": "p",
        }
    )
    return PatientRecord(
        "p",
        symptoms=symptom_frame(table, today=datetime.now(UTC).date() + timedelta(days=2)),
        medications=(MedicationCourse(draw(st.sampled_from(("citalopram", "lithium"))), date(2024, 1, 1)),),
        genotype={"CYP2C9": "*1/*3"} if draw(st.booleans()) else {},
        conditions=(Condition("asthma"),),
        allergies=(Allergy("penicillin"),),
    )


def _instant(when: datetime) -> datetime:
    return when.astimezone(UTC)


@dataclass
class Piece:
    """Something that was written and counts."""

    route: str
    body: dict[str, Any]
    record_id: str


@dataclass
class Imported:
    """A file that was taken in as a whole; ``record`` is what of it still counts."""

    record: PatientRecord
    import_id: str
    course_id: str


@dataclass
class Done:
    """A write that can be taken back, and what every answer was before it."""

    take_back: Callable[[], None]
    before: dict[str, Any]
    model: Any = field(repr=False, default=None)


class Writes(RuleBasedStateMachine):
    """One patient and whatever is written about them."""

    @initialize(zone=st.sampled_from(("Europe/Berlin", "Pacific/Kiritimati", None)))
    def register(self, zone: str | None) -> None:
        self.patient = Patient(zone)
        self.items: list[Piece | Imported] = []
        self.scales: dict[str, dict[str, Any]] = {}
        self.decisions: dict[str, bool] = {}
        self.done: list[Done] = []
        self.turn = 0
        self.writes = 0
        self.now = self.snapshot()

    def snapshot(self) -> dict[str, Any]:
        """All that the cheap answers say."""
        lists = self.patient.lists()
        decisions = lists["consents"]["decisions"]
        lists["consents"] = {name: decisions.get(name, True) for name in ("genomics", "research", "sharing")}
        return {"lists": lists, "case": self.patient.case()}

    def model(self) -> Any:
        """What counts, to go back to."""
        return [replace(one) for one in self.items], dict(self.scales), dict(self.decisions)

    def wrote(self, take_back: Callable[[], None], model: Any) -> None:
        """A write was accepted: everything answers, and it is noted how to take it back."""
        self.writes += 1
        hypothesis.event("a write was accepted")
        before, self.now = self.now, self.snapshot()
        self.done.append(Done(take_back, before, model))
        self.forget_scales()
        self.ask_in_turn()

    def refused(self, answer: Any) -> None:
        """A write was refused with its reason, and nothing is changed by it."""
        hypothesis.event("a write was refused")
        assert answer.status_code in (404, 422), answer.text
        assert answer.json()["detail"]
        same(self.now, self.snapshot())

    def ask_in_turn(self) -> None:
        """Of everything that is computed the next two."""
        for _ in range(2):
            QUESTIONS[self.turn % len(QUESTIONS)](self.patient)
            self.turn += 1

    def series(self) -> set[str]:
        """Series of which a report counts."""
        found = {series_name(one.body["symptom"]) for one in self.pieces("reports")}
        for one in self.items:
            if isinstance(one, Imported) and one.record.symptoms is not None:
                found |= {key.name for key in one.record.symptoms.series}
        return found

    def forget_scales(self) -> None:
        """A scale ends with the last report of its series."""
        self.scales = {name: scale for name, scale in self.scales.items() if name in self.series()}

    def pieces(self, *routes: str) -> list[Piece]:
        return [one for one in self.items if isinstance(one, Piece) and (not routes or one.route in routes)]

    # --- rules ---

    @rule(piece=_piece, more=st.integers(0, 3), data=st.data())
    def write(self, piece: tuple[str, dict[str, Any]], more: int, data: st.DataObject) -> None:
        """Write one piece, or several reports or stretches at once."""
        route, body = piece
        bodies = [body]
        if route in _WRAPPED:
            bodies += data.draw(st.lists(PIECES[route], min_size=more, max_size=more))
        sent = {_WRAPPED[route]: bodies} if route in _WRAPPED else body
        answer = self.patient.ask("POST", route, json=sent)
        if answer.status_code != 201:
            self.refused(answer)
            return
        model, ids = self.model(), answer.json()["ids"]
        begun = self.begin(bodies) if route == "reports" else []
        self.items += [Piece(route, one, record_id) for one, record_id in zip(bodies, ids, strict=True)]
        self.wrote(lambda: self.withdrawn(ids, begun), model)

    def begin(self, reports: list[dict[str, Any]]) -> list[str]:
        """Series that are given their scale by these reports."""
        begun = []
        for one in reports:
            name = series_name(one["symptom"])
            if recognise(name) is None and name not in self.scales:
                self.scales[name] = one["scale"]
                begun.append(name)
        return begun

    def withdrawn(self, ids: list[str], begun: list[str]) -> None:
        for record_id in ids:
            assert self.patient.ask("DELETE", f"records/{record_id}").status_code == 204
        for one in self.patient.get("scales")["items"]:  # of series that a file had begun without a scale
            if one["symptom"] in begun:
                assert self.patient.ask("DELETE", f"records/{one['id']}").status_code == 204

    @precondition(lambda self: self.pieces())
    @rule(data=st.data())
    def correct(self, data: st.DataObject) -> None:
        """Put another piece of the same kind in the place of one."""
        piece = data.draw(st.sampled_from(self.pieces()))
        body = data.draw(PIECES[piece.route])
        path = f"{piece.route}/{piece.record_id}"
        answer = self.patient.ask("PUT", path, json=body)
        if answer.status_code != 200:
            self.refused(answer)
            return
        model, old = self.model(), piece.body
        begun = self.begin([body]) if piece.route == "reports" else []
        piece.body = body

        def back() -> None:
            given = dict(old)
            if piece.route == "reports" and recognise(old["symptom"]) is None:
                given["scale"] = model[1][series_name(old["symptom"])]  # it may have ended with the correction
            assert self.patient.ask("PUT", path, json=given).status_code == 200
            self.withdrawn([], begun)

        on_scale = piece.route != "reports" or self.fits(old, model[1])
        self.wrote(back if on_scale else _cannot, model)

    @staticmethod
    def fits(report: Mapping[str, Any], scales: Mapping[str, Any]) -> bool:
        """Whether a report could be written today: the scale of its series may have changed since."""
        scale = scales.get(series_name(report["symptom"]))
        return scale is None or scale["low"] <= report["value"] <= scale["high"]

    @precondition(lambda self: self.pieces())
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        """Take a piece back that was entered in error, whenever that was."""
        piece = data.draw(st.sampled_from(self.pieces()))
        assert self.patient.ask("DELETE", f"records/{piece.record_id}").status_code == 204
        self.items.remove(piece)
        self.once_for_all()

    def once_for_all(self) -> None:
        """A write after which what was before it cannot be had again piece by piece."""
        self.wrote(_cannot, None)
        self.done.clear()

    @rule(record=_imports())
    def take_in(self, record: PatientRecord) -> None:
        """Import a FHIR bundle."""
        known = {one["id"] for one in self.patient.get("medications")["items"]}
        answer = self.patient.ask("POST", "fhir", json=to_fhir(replace(record, timezone="UTC")))
        if answer.status_code != 201:
            self.refused(answer)
            return
        model = self.model()
        import_id = self.patient.get("imports")["items"][-1]["id"]
        (course,) = {one["id"] for one in self.patient.get("medications")["items"]} - known
        self.items.append(Imported(record, import_id, course))
        self.wrote(lambda: self.taken_back(import_id), model)

    def taken_back(self, import_id: str) -> None:
        assert self.patient.ask("DELETE", f"imports/{import_id}").status_code == 200

    @precondition(lambda self: any(isinstance(one, Imported) for one in self.items))
    @rule(data=st.data(), whole=st.booleans())
    def give_back(self, data: st.DataObject, whole: bool) -> None:
        """Take an import back, or withdraw one piece of it."""
        one = data.draw(st.sampled_from([item for item in self.items if isinstance(item, Imported)]))
        if whole or not one.record.medications:
            self.taken_back(one.import_id)
            self.items.remove(one)
        else:
            assert self.patient.ask("DELETE", f"records/{one.course_id}").status_code == 204
            one.record = replace(one.record, medications=())
        self.once_for_all()

    @rule(name=st.sampled_from(("mood", "energy level", "calm", "PHQ-9")), scale=st.sampled_from(SCALES))
    def change_scale(self, name: str, scale: dict[str, Any]) -> None:
        """Give a whole series another scale."""
        answer = self.patient.ask("PUT", "scales", json={"symptom": name, "scale": scale})
        if answer.status_code != 204:
            assert name not in self.series() or recognise(name)
            self.refused(answer)
            return
        model, old = self.model(), self.scales.get(name)
        self.scales[name] = scale

        def back() -> None:
            if old is None:
                self.withdrawn([], [name])
            else:
                put = self.patient.ask("PUT", "scales", json={"symptom": name, "scale": old})
                assert put.status_code == 204

        self.wrote(back, model)

    @rule(category=st.sampled_from(("genomics", "research", "sharing")), granted=st.booleans())
    def decide(self, category: str, granted: bool) -> None:
        """Note what the patient decided."""
        model, path = self.model(), f"consents/{category}"
        assert self.patient.ask("PUT", path, json={"granted": granted}).status_code == 204
        old = self.decisions.get(category, True)
        self.decisions[category] = granted

        def back() -> None:
            assert self.patient.ask("PUT", path, json={"granted": old}).status_code == 204

        self.wrote(back, model)

    @precondition(lambda self: self.done and self.done[-1].take_back is not _cannot)
    @rule()
    def take_the_last_back(self) -> None:
        """Take the last write back: every answer is as before it."""
        last = self.done.pop()
        last.take_back()
        self.items, self.scales, self.decisions = last.model
        self.now = self.snapshot()
        hypothesis.event("a write was taken back")
        same(last.before, self.now)

    def teardown(self) -> None:
        """Everything answers, and the record is that of whom the same was written about once."""
        if not hasattr(self, "patient"):
            return
        for question in QUESTIONS if LONG else ():
            question(self.patient)
        other = Patient(self.patient.zone)
        for one in self.items:
            self.written_again(other, one)
        for name, scale in self.scales.items():
            assert other.ask("PUT", "scales", json={"symptom": name, "scale": scale}).status_code == 204
        for name in WIDE_SERIES - self.scales.keys():
            assert name not in {one["symptom"] for one in other.get("scales")["items"]}
        for category, granted in self.decisions.items():
            other.ask("PUT", f"consents/{category}", json={"granted": granted})
        same(other.case(), self.patient.case())
        WRITTEN.append(self.writes)

    def written_again(self, other: Patient, one: Piece | Imported) -> None:
        if isinstance(one, Imported):
            made = other.ask("POST", "fhir", json=to_fhir(replace(one.record, timezone="UTC")))
        else:
            body = dict(one.body)
            if one.route == "reports" and recognise(body["symptom"]) is None:
                body["scale"] = WIDE
            made = other.ask("POST", one.route, json={_WRAPPED[one.route]: [body]} if one.route in _WRAPPED else body)
        assert made.status_code == 201, made.text


WIDE = {"low": -1000, "high": 1000}
WIDE_SERIES = {"mood", "energy level", "calm"}
#: How many writes each run of the machine made.
WRITTEN: list[int] = []


def _cannot() -> None:
    raise AssertionError("this cannot be taken back")


def test_whatever_is_written_every_page_answers_and_every_write_can_be_taken_back() -> None:
    run_state_machine_as_test(Writes, settings=SETTINGS)
    print(f"{sum(WRITTEN)} writes")
    assert sum(WRITTEN) >= (8000 if LONG else 20)
