"""Whatever a clinic writes in whatever order: every page still answers, and every write can be taken back.

A machine writes, corrects, withdraws, imports and decides at random over REST. After each step every list is read, and
in turn everything that is computed. What was taken back leaves every answer as it was before it, and in the end the
record is that of another patient in whom the same pieces were written once, in the same order.

In the suite it takes few steps; ``NOVAMIND_TEST_PROFILE=long`` takes ten thousand.
"""

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

from novamind.infrastructure.patient_store import PatientStore
from novamind.records import Allergy, Condition, MedicationCourse, PatientRecord, symptom_frame
from novamind.symptoms.instruments import recognise, series_name
from novamind.twin.fhir_export import to_fhir
from tests.clinic.wire import QUESTIONS, Patient
from tests.every_door import same
from tests.patience import PATIENCE
from tests.server.world import World
from tests.uploads import store
from tests.weak import must_fail

#: Whether new examples are looked for (the profile ``long``, tests/conftest.py).
LONG = hypothesis.settings.default is not None and not hypothesis.settings.default.derandomize
SETTINGS = hypothesis.settings(
    max_examples=60 if LONG else 3,
    stateful_step_count=150 if LONG else 16,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
WANTED = 10_000 if LONG else 20

_world: list[World] = []


@pytest.fixture(scope="module", autouse=True)
def server(world: World) -> Iterator[None]:
    """Where the machine writes."""
    _world.append(world)
    yield
    _world.clear()


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
_scale = st.sampled_from((SCALES[0], *SCALES))
_own = st.sampled_from(("mood", "energy level"))
_of_instrument = st.fixed_dictionaries(
    {
        "symptom": st.sampled_from(("PHQ-9", "phq_9", "PHQ9", "GAD-7", "gad 7", "WHO-5", "EQ-VAS")),
        "timestamp": _times().map(datetime.isoformat),
        "value": st.sampled_from((0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 10, 12, 20, 27, -3)),
    }
)
_reports = st.one_of(
    _of_instrument,
    _of_instrument,
    st.builds(lambda report, name, scale: report | {"symptom": name, "scale": scale}, _of_instrument, _own, _scale),
    st.builds(lambda report, name: report | {"symptom": name}, _of_instrument, _own),
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
    {"medication": st.sampled_from(("sertraline", "Zoloft", "paroxetine", "lithium", "phenelzine", "Obscurol"))},
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
    st.sampled_from(("*1/*1", "*4/*4", "*1/*2", "*2/*2", "*1/*4", "*6/*6", "Poor Metabolizer", "nonsense")),
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

    @initialize(
        zone=st.sampled_from(("Europe/Berlin", "Pacific/Kiritimati", None)), turn=st.integers(0, len(QUESTIONS) - 1)
    )
    def register(self, zone: str | None, turn: int) -> None:
        self.turn = turn
        self.patient = Patient(_world[0], zone)
        self.items: list[Piece | Imported] = []
        self.scales: dict[str, dict[str, Any]] = {}
        self.decisions: dict[str, bool] = {}
        self.done: list[Done] = []
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
        """Of everything that is computed the next."""
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
        if data.draw(st.booleans()):  # most corrections change a part
            body = piece.body | {name: body[name] for name in list(body)[-1:]}
        path = f"{piece.route}/{piece.record_id}"
        answer = self.patient.ask("PUT", path, json=body)
        if answer.status_code != 200:
            self.refused(answer)
            return
        model, old = self.model(), piece.body
        begun = self.begin([body]) if piece.route == "reports" else []
        piece.body = body
        self.check_shown(piece)

        def back() -> None:
            given = dict(old)
            if piece.route == "reports" and recognise(old["symptom"]) is None:
                given["scale"] = model[1][series_name(old["symptom"])]  # it may have ended with the correction
            assert self.patient.ask("PUT", path, json=given).status_code == 200
            self.withdrawn([], begun)

        on_scale = piece.route != "reports" or self.fits(old, model[1])
        self.wrote(back if on_scale else _cannot, model)

    def check_shown(self, piece: Piece) -> None:
        """The list of its kind shows a piece as it was corrected."""
        listed = self.patient.get(SHOWN_IN.get(piece.route, piece.route))
        items = listed["items"] if "items" in listed else listed[piece.route]
        (item,) = (one for one in items if one["id"] == piece.record_id)
        for name in {"value", "signal", "unit", "medication", "start", "name", "genes"} & piece.body.keys():
            assert item[name] == piece.body[name]

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
        other = Patient(_world[0], self.patient.zone)
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


SHOWN_IN = {"reports": "reports?newest=5000", "conditions": "problems", "allergies": "problems",
            "genotype": "genotype/results"}  # fmt: skip
WIDE = {"low": -1000, "high": 1000}
WIDE_SERIES = {"mood", "energy level", "calm"}
#: How many writes each run of the machine made.
WRITTEN: list[int] = []


def _cannot() -> None:
    raise AssertionError("this cannot be taken back")


@pytest.mark.timeout(4 * 3600 if LONG else 600 * PATIENCE)
def test_whatever_is_written_every_page_answers_and_every_write_can_be_taken_back() -> None:
    WRITTEN.clear()
    while sum(WRITTEN) < WANTED:
        run_state_machine_as_test(Writes, settings=SETTINGS)
        assert LONG or sum(WRITTEN) >= WANTED  # the same examples would come again
    print(f"{sum(WRITTEN)} writes")


def test_the_machine_finds_a_write_that_cannot_be_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_self: PatientStore, _patient: UUID, record_ids: Any, *_: object) -> Any:
        return record_ids

    monkeypatch.setattr(PatientStore, "withdraw", nothing)
    settings = hypothesis.settings(SETTINGS, max_examples=10, phases=[hypothesis.Phase.generate])
    must_fail(lambda: run_state_machine_as_test(Writes, settings=settings))


# --- sequences that once went wrong ---


def stored(patient: Patient, route: str, body: dict[str, Any]) -> list[str]:
    answer = patient.ask("POST", route, json=body)
    assert answer.status_code == 201, answer.text
    return list(answer.json()["ids"])


def test_a_correction_of_an_earlier_result_leaves_the_later_one_in_force(world: World) -> None:
    patient = Patient(world, None)
    (first,) = stored(patient, "genotype", {"genes": {"CYP2D6": "*1/*1", "CYP2C19": "*1/*1"}})
    stored(patient, "genotype", {"genes": {"CYP2D6": "*4/*4"}})
    mended = {"genes": {"CYP2D6": "*1/*1", "CYP2C19": "*2/*2"}}
    assert patient.ask("PUT", f"genotype/{first}", json=mended).status_code == 200
    assert patient.get("genotype")["genes"] == {"CYP2C19": "*2/*2", "CYP2D6": "*4/*4"}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Honolulu", None])
def test_what_a_clock_a_little_ahead_has_stamped_hides_nothing(world: World, zone: str | None) -> None:
    patient, now, east = Patient(world, zone), datetime.now(UTC), timezone(timedelta(hours=14))
    times = [now - timedelta(days=n) for n in range(8)] + [now + timedelta(hours=23)]
    reports = [
        {"symptom": "PHQ-9", "timestamp": when.astimezone(east).isoformat(), "value": 9 + n % 4}
        for n, when in enumerate(times)
    ]
    stored(patient, "reports", {"reports": reports})
    samples = {"signal": "heart_rate", "unit": "bpm", "timestamps": [times[-1].isoformat()], "values": [70]}
    stored(patient, "biometrics", {"stretches": [samples]})
    assert len(patient.get("forecast")["forecasts"]) == 1
    assert len(patient.case()["symptoms"]) == 9
    assert len(patient.case()["signals"]) == 1


def test_what_a_file_brought_is_listed_however_it_is_called(world: World) -> None:
    patient = Patient(world, None)
    name = " ".join(["a tablet of everything"] * 20)
    record = PatientRecord(
        "p",
        timezone="UTC",
        medications=(MedicationCourse(name, None),),
        conditions=(Condition(name, onset="2020-02-29T08:00:00+00:00"),),
        allergies=(Allergy(name),),
        genotype={"CYP2D6": "*1/*4"},
    )
    assert patient.ask("POST", "fhir", json=to_fhir(record)).status_code == 201
    assert [one["medication"] for one in patient.get("medications")["items"]] == [name]
    problems = patient.get("problems")
    assert [one["name"] for one in (*problems["conditions"], *problems["allergies"])] == [name] * 2
    assert patient.get("genotype")["genes"] == {"CYP2D6": "*1/*4"}


def test_courses_of_one_file_keep_their_order(world: World) -> None:
    patient, names = Patient(world, None), ["sertraline", "lithium", "quetiapine", "bupropion", "aspirin", "codeine"]
    record = PatientRecord("p", timezone="UTC", medications=tuple(MedicationCourse(name, None) for name in names))
    assert patient.ask("POST", "fhir", json=to_fhir(record)).status_code == 201
    assert [one["medication"] for one in patient.get("medications")["items"]] == names
    assert patient.ask("POST", "medication-advice", json={}).json()["comedications"] == names


def test_an_import_is_taken_back_as_a_whole_and_is_no_piece(world: World) -> None:
    patient = Patient(world, None)
    record = PatientRecord("p", timezone="UTC", conditions=(Condition("asthma"),), allergies=(Allergy("nuts"),))
    assert patient.ask("POST", "fhir", json=to_fhir(record)).status_code == 201
    (one,) = patient.get("imports")["items"]
    for headers in ({}, {"If-Match": '"1"'}):
        assert patient.ask("DELETE", f"records/{one['id']}", headers=headers).status_code == 404
    assert patient.ask("DELETE", f"imports/{one['id']}").json() == {"records": 2}
    assert patient.get("problems") == {"conditions": [], "allergies": [], "not_read": []}
    assert patient.get("imports")["items"] == []


def test_a_file_that_was_taken_back_is_stored_when_it_comes_again(world: World) -> None:
    patient = Patient(world, None)
    table = b"timestamp,value,symptom\n2026-11-04T08:00:00,9,PHQ-9\n2026-11-05T08:00:00,999,PHQ-9\n"

    def uploaded() -> int:
        at, file = f"/patients/{patient.id}/upload", {"file": ("diary.csv", table)}
        headers = {"Accept": "text/html"}
        answer = store(lambda data: world.call("POST", at, "C11", files=file, data=data, headers=headers))
        assert answer.status_code == 201
        assert "1 symptom report" in answer.text
        assert "1 left out of PHQ-9" in answer.text
        return len(patient.get("reports")["items"])

    for _ in range(3):
        assert [uploaded(), uploaded()] == [1, 1]
        (one,) = patient.get("imports")["items"]
        assert (one["name"], one["counts"]["symptom_report"]) == ("diary.csv", 1)
        assert patient.ask("DELETE", f"imports/{one['id']}").json() == {"records": 1}
        assert patient.get("reports")["items"] == []


def test_a_file_does_not_bring_back_the_scale_of_a_series_that_had_ended(world: World) -> None:
    """The scale may have been entered in error with the report that was withdrawn."""
    patient, now = Patient(world, None), datetime.now(UTC).replace(microsecond=0)
    report = {"symptom": "mood", "timestamp": (now - timedelta(days=9)).isoformat(), "value": 5, "scale": SCALES[0]}
    (first,) = stored(patient, "reports", {"reports": [report]})
    assert [scale["symptom"] for scale in patient.get("scales")["items"]] == ["mood"]
    assert patient.ask("DELETE", f"records/{first}").status_code == 204
    days = [(now - timedelta(days=day)).isoformat() for day in range(6)]
    table = pl.DataFrame({"symptom": "mood", "timestamp": days, "value": [60.0, 70, 50, 60, 70, 80], "patient_id": "p"})
    record = PatientRecord("p", timezone="UTC", symptoms=symptom_frame(table))
    assert patient.ask("POST", "fhir", json=to_fhir(record)).status_code == 201
    assert patient.get("scales")["items"] == []
    assert len(patient.get("reports")["items"]) == 6
    assert "mood is not forecast: its range is not known; give it once." in patient.get("insights")["notes"]
    (one,) = patient.get("imports")["items"]
    assert patient.ask("DELETE", f"imports/{one['id']}").status_code == 200
    stored(patient, "reports", {"reports": [report]})
    assert [scale["scale"]["high"] for scale in patient.get("scales")["items"]] == [10]
    assert patient.ask("POST", "fhir", json=to_fhir(record)).status_code == 201
    assert [scale["scale"]["high"] for scale in patient.get("scales")["items"]] == [10]  # the series goes on
