"""What goes in comes out, only there, only for the audit to see; a thief of all files learns nothing."""

import asyncio
import base64
import json
import zlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
import sqlalchemy as sa

from novamind.errors import NotFoundError, ServiceUnavailableError, ValidationError
from novamind.infrastructure.audit import Access
from novamind.infrastructure.bootstrap import Foundation
from novamind.infrastructure.patient_store import (
    RESULTS,
    Identity,
    Kind,
    Samples,
    StoredRecord,
    _pack,
    _unpack,
    place,
)
from novamind.infrastructure.tables import IdempotencyKey, OutboxEvent, Patient, Record, Relationship
from novamind.infrastructure.vault import PatientCipher, Place, TamperedError
from novamind.settings import Settings
from tests.infrastructure.clinic import Clinic, Clock
from tests.infrastructure.conftest import CLINICIAN, Run
from tests.weak import must_fail

CANARY = "CANARY-Ada-Lovelace-7f3a9c"
REPORT = {"symptom": "PHQ-9", "value": 17, "timestamp": "2026-03-01T08:00:00+01:00", "note": CANARY}


async def patient(here: Foundation, name: str = CANARY) -> UUID:
    organisation = await here.store.add_organisation("Clinic", CLINICIAN)
    who = Identity({"mrn": f"MRN {name}", "email": f"{name}@example.org"}, {"family_name": name})
    return await here.store.register(organisation, who, CLINICIAN)


def test_every_kind_of_record_comes_back_as_it_went_in(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        patient_id = await patient(here)
        hours = np.arange(0, 3_600_000 * 500, 3_600_000, dtype=np.int64)
        samples = Samples("heart_rate", "1/min", hours, np.random.default_rng(0).normal(70, 9, 500))
        contents = {
            Kind.SYMPTOM_REPORT: REPORT,
            Kind.GENOTYPE: {"CYP2D6": "*1/*4"},
            Kind.MEDICATION: {"drug": "sertraline", "dose_mg": 50, "until": None},
            Kind.CONDITION: {"code": "F32.1"},
            Kind.NOTE: {"text": "Grüße, 微笑 🙂"},
            Kind.FORECAST: {"model_version": "symptoms-compact-12345678", "quantiles": [[1.5, 2.25]]},
            Kind.INSIGHT: {"model_version": "twin-12345678", "text": "better"},
        }
        for kind, content in contents.items():
            (record_id,) = await here.store.append(patient_id, kind, [content], CLINICIAN)
            (back,) = await here.store.read(patient_id, kind, CLINICIAN)
            assert (back.record_id, back.version, back.kind, back.content) == (record_id, 1, kind, content)
        await here.store.append(patient_id, Kind.BIOMETRIC_SAMPLES, [samples], CLINICIAN)
        (back,) = await here.store.read(patient_id, Kind.BIOMETRIC_SAMPLES, CLINICIAN)
        assert isinstance(back.content, Samples)
        assert (back.content.signal, back.content.unit) == ("heart_rate", "1/min")
        np.testing.assert_array_equal(back.content.timestamps, samples.timestamps)
        np.testing.assert_array_equal(back.content.values, samples.values)
        (identity,) = await here.store.read(patient_id, Kind.IDENTITY, CLINICIAN)
        assert identity.content["details"] == {"family_name": CANARY}

    run(work)


def test_the_newest_come_last_and_can_be_had_alone(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        patient_id = await patient(here)
        for value in range(5):
            await here.store.append(patient_id, Kind.NOTE, [{"n": value}], CLINICIAN)
        assert [r.content["n"] for r in await here.store.read(patient_id, Kind.NOTE, CLINICIAN)] == [0, 1, 2, 3, 4]
        newest = await here.store.read(patient_id, Kind.NOTE, CLINICIAN, newest=2)
        assert [record.content["n"] for record in newest] == [3, 4]

    run(work)


def test_a_patient_is_found_by_identifier_in_their_own_organisation_only(run: Run[None]) -> None:
    """D07 of the attack plan."""

    async def work(here: Foundation) -> None:
        ours, theirs = [await here.store.add_organisation(name, CLINICIAN) for name in ("ours", "theirs")]
        mine = await here.store.register(ours, Identity({"mrn": "Ab  123", "name": "Zoë"}, {}), CLINICIAN)
        other = await here.store.register(theirs, Identity({"mrn": "Ab 123"}, {}), CLINICIAN)
        find = here.store.find
        assert await find(ours, "mrn", " aB 123 ", CLINICIAN) == [mine]
        assert await find(ours, "name", "ZOE\u0308", CLINICIAN) == [mine]
        assert await find(theirs, "mrn", "ab 123", CLINICIAN) == [other]
        assert await find(ours, "name", "ab 123", CLINICIAN) == []
        assert here.index.digest("mrn", ours, "ab 123") != here.index.digest("mrn", theirs, "ab 123")

    run(work)


def test_a_record_is_amended_by_one_and_not_by_two(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        patient_id = await patient(here)
        await here.store.append(patient_id, Kind.MEDICATION, [{"dose_mg": 50}], CLINICIAN)
        (first,) = await here.store.read(patient_id, Kind.MEDICATION, CLINICIAN)
        await here.store.amend(patient_id, first, {"dose_mg": 100}, CLINICIAN)
        with pytest.raises(ValidationError, match="somebody else"):
            await here.store.amend(patient_id, first, {"dose_mg": 75}, CLINICIAN)
        (second,) = await here.store.read(patient_id, Kind.MEDICATION, CLINICIAN)
        assert (second.content, second.version, second.record_id) == ({"dose_mg": 100}, 2, first.record_id)
        await here.store.amend(patient_id, second, None, CLINICIAN)
        assert await here.store.read(patient_id, Kind.MEDICATION, CLINICIAN) == []

    run(work)


def test_a_repeated_request_stores_once(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        patient_id = await patient(here)

        async def send(value: int, who: Access = CLINICIAN, key: str = "key-1") -> list[UUID]:
            report = REPORT | {"value": value}
            return await here.store.append(patient_id, Kind.SYMPTOM_REPORT, [report], who, idempotency_key=key)

        answers = await asyncio.gather(*(send(3) for _ in range(8)))
        assert all(answer == answers[0] for answer in answers)
        with pytest.raises(ValidationError, match="another request"):
            await send(4)
        other = Access(actor="clinician-2", role="clinician", purpose="treatment", correlation_id="request-2")
        assert await send(3, other) != answers[0]
        assert len(await here.store.read(patient_id, Kind.SYMPTOM_REPORT, CLINICIAN)) == 2
        async with here.database.snapshot() as session:
            assert await session.scalar(sa.select(sa.func.count()).select_from(IdempotencyKey)) == 2
            events = await session.scalar(sa.select(sa.func.count()).select_from(OutboxEvent))
        assert events == 2

    run(work)


def test_each_change_raises_the_revision(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        patient_id, clinician = await patient(here), uuid4()
        seen = [await here.store.revision(patient_id)]
        await here.store.append(patient_id, Kind.NOTE, [{}], CLINICIAN)
        seen.append(await here.store.revision(patient_id))
        await here.store.decide(patient_id, "genomics", True, CLINICIAN)
        await here.store.decide(patient_id, "genomics", False, CLINICIAN)
        seen.append(await here.store.revision(patient_id))
        assert await here.store.consents(patient_id) == {"genomics": False}
        await here.store.relate(clinician, patient_id, CLINICIAN)
        assert await here.store.treated_by(clinician) == [patient_id]
        await here.store.unrelate(clinician, patient_id, CLINICIAN)
        assert await here.store.treated_by(clinician) == []
        seen.append(await here.store.revision(patient_id))
        assert seen == [0, 1, 3, 5]
        other = await patient(here, "other")
        both = [(patient_id, Kind.INSIGHT), (other, Kind.NOTE), (patient_id, Kind.FORECAST)]
        await asyncio.gather(*(here.store.append(of, kind, [{"model_version": "m"}], CLINICIAN) for of, kind in both))
        revisions = [await here.store.revision(one) for one in (patient_id, other)]
        assert revisions == [5, 1], "what is computed from a record changes nothing of it"

    run(work)


def test_nobody_reads_unseen_and_nobody_reads_when_the_audit_cannot_be_written(
    run: Run[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(here: Foundation) -> None:
        patient_id = await patient(here)
        await here.store.append(patient_id, Kind.SYMPTOM_REPORT, [REPORT, REPORT], CLINICIAN)
        await here.store.read(patient_id, Kind.SYMPTOM_REPORT, CLINICIAN)
        with pytest.raises(NotFoundError):
            await here.store.read(uuid4(), Kind.SYMPTOM_REPORT, CLINICIAN)
        newest, *_, first = await here.audit.entries(patient_id)
        assert (newest["action"], newest["what"], newest["count"]) == ("read", "symptom_report", 2)
        assert (newest["actor"], newest["purpose"], newest["correlation_id"]) == (
            "clinician-1",
            "treatment",
            "request-1",
        )
        assert (first["action"], first["what"]) == ("write", "identity")
        assert CANARY not in json.dumps(await here.audit.entries(patient_id))
        assert str(patient_id) not in json.dumps(newest)

        async def fail(*_events: object) -> None:
            raise ServiceUnavailableError("no audit")

        monkeypatch.setattr(here.audit, "append_within", fail)
        with pytest.raises(ServiceUnavailableError):
            await here.store.read(patient_id, Kind.SYMPTOM_REPORT, CLINICIAN)
        with pytest.raises(ServiceUnavailableError):
            await here.store.append(patient_id, Kind.SYMPTOM_REPORT, [REPORT], CLINICIAN)
        monkeypatch.undo()
        assert len(await here.store.read(patient_id, Kind.SYMPTOM_REPORT, CLINICIAN)) == 2

    run(work)


def test_swapped_and_altered_rows_do_not_open_and_the_audit_is_told(run: Run[None]) -> None:
    """D03 of the attack plan."""

    async def work(here: Foundation) -> None:
        patient_id, other_id = await patient(here), await patient(here, "Other")
        ids = await here.store.append(patient_id, Kind.NOTE, [{"n": 1}, {"n": 2}], CLINICIAN)
        foreign = await here.store.append(other_id, Kind.NOTE, [{"n": 3}], CLINICIAN)

        async def refused(change: dict[str, object], record_id: UUID) -> None:
            one = sa.select(Record).where(Record.record_id == record_id)
            async with here.database.snapshot() as session:
                before = (await session.scalars(one)).one()
            kept = {name: getattr(before, name) for name in change}
            row = sa.update(Record).where(Record.record_id == record_id)
            async with here.database.transaction() as session:
                await session.execute(row.values(change))
            with pytest.raises(TamperedError):
                await here.store.read(patient_id, Kind.NOTE, CLINICIAN)
            assert (await here.audit.entries(patient_id, 1))[0]["outcome"] == "tampered"
            async with here.database.transaction() as session:
                await session.execute(row.values(kept))

        async with here.database.snapshot() as session:
            payloads = {
                row.record_id: (row.payload, row.key_id)
                for row in await session.scalars(sa.select(Record).where(Record.kind == Kind.NOTE))
            }
        first, second = ids
        await refused({"payload": payloads[second][0]}, first)  # another row's
        payload, key_id = payloads[foreign[0]]
        await refused({"payload": payload, "key_id": key_id}, first)  # another patient's, with the key
        await refused({"version": 2}, first)  # an old version as a new one
        for at in (0, 1, 20, -1):
            flipped = bytearray(payloads[first][0])
            flipped[at] ^= 1
            await refused({"payload": bytes(flipped)}, first)
        await refused({"payload": b""}, first)
        assert len(await here.store.read(patient_id, Kind.NOTE, CLINICIAN)) == 2
        async with here.database.transaction() as session:  # a record of one kind passed off as one of another
            await session.execute(sa.update(Record).where(Record.record_id == first).values(kind=Kind.CONDITION))
        with pytest.raises(TamperedError):
            await here.store.read(patient_id, Kind.CONDITION, CLINICIAN)

    run(work)


def forms(text: str) -> dict[str, bytes]:
    """What a thief would look for."""
    raw = text.encode()
    inner = base64.b64encode(raw)[4:-4]
    return {"utf-8": raw, "utf-16": text.encode("utf-16-le"), "base64": inner, "hex": raw.hex().encode()}


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_thief_of_the_database_finds_no_canary(
    run: Run[None], settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """D01 of the attack plan."""

    canary = f"{CANARY}-{uuid4().hex}"  # of this call: the server's files keep what other tests have left
    is_sqlite = "sqlite" in settings.database_url.get_secret_value()
    folder = tmp_path if is_sqlite else Path(request.getfixturevalue("postgres").server.pgdata)
    found: list[str] = []

    async def work(here: Foundation) -> None:
        patient_id = await patient(here, canary)
        report = REPORT | {"note": canary}
        for kind in (Kind.SYMPTOM_REPORT, Kind.NOTE, Kind.MEDICATION):
            await here.store.append(patient_id, kind, [report], CLINICIAN, idempotency_key=f"{canary} {kind}")
        await here.store.find(await here.store.add_organisation("x", CLINICIAN), "mrn", canary, CLINICIAN)
        await here.store.read(patient_id, Kind.NOTE, CLINICIAN)
        if not is_sqlite:
            async with here.database.transaction() as session:
                await session.execute(sa.text("CHECKPOINT"))
        stolen = everything_in(folder)  # with the write-ahead log, while it is in use
        assert b"clinician-1" in stolen  # the search does find what is there in the open
        found.extend(form for form, needle in forms(canary).items() if needle in stolen)

    run(work)
    assert found == []


@pytest.mark.weak("nothing is sealed", "D01")
def test_a_thief_is_seen_to_find_what_is_not_sealed(
    run: Run[None],
    settings: Settings,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PatientCipher, "seal", lambda _self, plain, _place: plain)
    monkeypatch.setattr(PatientCipher, "open", lambda _self, sealed, *_: sealed)
    must_fail(test_a_thief_of_the_database_finds_no_canary, run, settings, tmp_path, request)


@pytest.mark.parametrize(
    ("kind", "content", "complaint"),
    [
        (Kind.NOTE, {"value": float("nan")}, "JSON"),
        (Kind.NOTE, {"value": object()}, "JSON"),
        (Kind.FORECAST, {"quantiles": []}, "model_version"),
        (Kind.BIOMETRIC_SAMPLES, {"signal": "x"}, "Samples"),
    ],
)
def test_what_cannot_be_kept_is_refused(run: Run[None], kind: Kind, content: dict[str, object], complaint: str) -> None:
    async def work(here: Foundation) -> None:
        patient_id = await patient(here)
        with pytest.raises(ValidationError, match=complaint):
            await here.store.append(patient_id, kind, [content], CLINICIAN)

    run(work)


def test_ids_of_nobody_are_refused(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        for attempt in (
            here.store.append(uuid4(), Kind.NOTE, [{}], CLINICIAN),
            here.store.revision(uuid4()),
            here.store.decide(uuid4(), "genomics", True, CLINICIAN),
        ):
            with pytest.raises(NotFoundError):
                await attempt
        with pytest.raises(ValidationError, match="organisation"):
            await here.store.register(uuid4(), Identity({}, {}), CLINICIAN)

    run(work)


# --- on SQLite, with a clock that stands still ---


def appended(clinic: Clinic, who: UUID, kind: Kind, *contents: Any, **more: Any) -> list[UUID]:
    return list(clinic.run(clinic.foundation.store.append(who, kind, contents, CLINICIAN, **more)))


def found(clinic: Clinic, who: UUID, kind: Kind, newest: int | None = None) -> list[StoredRecord]:
    return list(clinic.run(clinic.foundation.store.read(who, kind, CLINICIAN, newest=newest)))


@pytest.fixture
def mine(clinic: Clinic, clock: Clock) -> UUID:
    del clock
    return clinic.patient(clinic.organisation(), mrn="1")


def test_kinds_have_the_names_that_are_stored() -> None:
    assert [str(kind) for kind in Kind] == [
        "identity",
        "symptom_report",
        "scale",
        "biometric_samples",
        "genotype",
        "medication",
        "condition",
        "note",
        "import",
        "forecast",
        "insight",
    ]
    assert {Kind.FORECAST, Kind.INSIGHT} == RESULTS


def test_records_come_in_the_order_of_their_storage_and_the_newest_alone(
    clinic: Clinic, clock: Clock, mine: UUID
) -> None:
    ids = []
    for n in range(4):
        clock.move(10)
        ids += appended(clinic, mine, Kind.NOTE, {"n": n})
    stored = found(clinic, mine, Kind.NOTE)
    assert [(one.record_id, one.version, one.kind) for one in stored] == [(one, 1, Kind.NOTE) for one in ids]
    assert [one.recorded_at for one in stored] == [clock.at - timedelta(seconds=10 * (3 - n)) for n in range(4)]
    assert [one.content["n"] for one in found(clinic, mine, Kind.NOTE, 3)] == [1, 2, 3]  # type: ignore[index]
    assert clinic.last() == [("read", "note", "success", 3)]
    assert found(clinic, mine, Kind.CONDITION) == []
    assert clinic.last() == [("read", "condition", "success", 0)]
    same = appended(clinic, mine, Kind.CONDITION, *({"n": n} for n in range(5)))
    together = found(clinic, mine, Kind.CONDITION)
    assert [one.record_id for one in together] == sorted(same, reverse=True) == same
    assert [one.content for one in together] == [{"n": n} for n in range(5)]
    assert [one.record_id for one in found(clinic, mine, Kind.CONDITION, 2)] == sorted(same)[1::-1]


def test_a_change_is_told_with_twenty_of_its_records(clinic: Clinic, mine: UUID) -> None:
    ids = appended(clinic, mine, Kind.NOTE, *({"n": n} for n in range(25)))
    told = clinic.entries()[-1]
    assert (told["action"], told["what"], told["outcome"], told["count"]) == ("write", "note", "success", 25)
    assert told["references"] == [str(one) for one in ids[:20]]
    (event,) = clinic.rows(OutboxEvent)
    assert (event.kind, event.patient_id, event.record_ids) == ("note.added", mine, [str(one) for one in ids])
    before = len(clinic.entries())
    assert appended(clinic, mine, Kind.NOTE) == []
    assert len(clinic.entries()) == before


def test_several_patients_are_read_at_once_each_for_themselves(clinic: Clinic, mine: UUID) -> None:
    other, nobody = clinic.patient(clinic.organisation("Other")), uuid4()
    appended(clinic, mine, Kind.NOTE, {"n": 1})
    (altered,) = appended(clinic, other, Kind.NOTE, {"n": 2})
    clinic.execute(sa.update(Record).where(Record.record_id == altered).values(payload=b"x"))
    store = clinic.foundation.store
    by = Access(actor="b", role="clinician", purpose="treatment", correlation_id="r-2")
    answers = clinic.run(store.read_each({mine: CLINICIAN, other: CLINICIAN, nobody: by}, Kind.NOTE))
    assert [one.content for one in answers[mine]] == [{"n": 1}]
    assert isinstance(answers[other], TamperedError)
    assert isinstance(answers[nobody], NotFoundError)
    told = {one["patient"]: (one["outcome"], one["count"], one["actor"]) for one in clinic.entries()[-3:]}
    pseudonym = clinic.foundation.audit.pseudonym
    assert told == {
        pseudonym(mine): ("success", 1, "clinician-1"),
        pseudonym(other): ("tampered", 0, "clinician-1"),
        pseudonym(nobody): ("not_found", 0, "b"),
    }
    assert clinic.run(store.read_each({}, Kind.NOTE)) == {}


def test_an_amendment_supersedes_one_version_and_tells(clinic: Clinic, clock: Clock, mine: UUID) -> None:
    store = clinic.foundation.store
    appended(clinic, mine, Kind.MEDICATION, {"mg": 50})
    (first,) = found(clinic, mine, Kind.MEDICATION)
    clock.move(60)
    clinic.run(store.amend(mine, first, {"mg": 75}, CLINICIAN))
    assert clinic.last() == [("amended", "medication", "success", 1)]
    assert clinic.entries()[-1]["references"] == [str(first.record_id)]
    versions = {
        row.version: (row.recorded_at, row.superseded_at) for row in clinic.rows(Record) if row.kind == "medication"
    }
    assert versions == {1: (first.recorded_at, clock.at), 2: (first.recorded_at, None)}
    assert clinic.run(store.revision(mine)) == 2
    (second,) = found(clinic, mine, Kind.MEDICATION)
    for who, record in ((mine, first), (uuid4(), second), (mine, replace(second, record_id=uuid4()))):
        with pytest.raises((ValidationError, NotFoundError)):
            clinic.run(store.amend(who, record, {"mg": 1}, CLINICIAN))
    other = clinic.patient(clinic.organisation("Other"))
    with pytest.raises(ValidationError, match="changed by somebody else; read it again"):
        clinic.run(store.amend(other, second, None, CLINICIAN))
    clinic.run(store.amend(mine, second, None, CLINICIAN))
    assert clinic.last() == [("withdrawn", "medication", "success", 1)]
    assert [row.kind for row in clinic.rows(OutboxEvent)] == [
        "medication.added",
        "medication.amended",
        "medication.withdrawn",
    ]
    with pytest.raises(ValidationError, match="Samples"):
        clinic.run(store.amend(mine, second, Samples("x", "y", np.arange(1), np.ones(1)), CLINICIAN))


def test_samples_are_columns_of_one_length_and_finite() -> None:
    good = Samples("x", "y", np.arange(2), np.ones(2))
    assert good.unit == "y"
    for times, values in ((np.arange(2), np.ones(3)), (np.zeros((1, 2)), np.zeros((1, 2)))):
        with pytest.raises(ValidationError, match="two columns of one length"):
            Samples("x", "y", times, values)  # type: ignore[arg-type]
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValidationError, match="finite numbers"):
            Samples("x", "y", np.arange(2), np.array([1.0, wrong]))


def test_a_record_is_packed_as_a_length_json_and_columns() -> None:
    plain = b'{"a": "\\u00fc", "b": 1}'
    assert _pack({"b": 1, "a": "ü"}) == len(plain).to_bytes(4, "big") + plain
    samples = Samples("hr", "1/min", np.array([5, 9, 7], dtype=np.int64), np.array([1.5, 2.5, 3.5]))
    packed = _pack(samples)
    text = b'{"count": 3, "signal": "hr", "unit": "1/min"}'
    assert packed[: 4 + len(text)] == len(text).to_bytes(4, "big") + text
    columns = zlib.decompress(packed[4 + len(text) :])
    assert np.frombuffer(columns[:24], "<i8").tolist() == [5, 4, -2]
    assert np.frombuffer(columns[24:], "<f8").tolist() == [1.5, 2.5, 3.5]
    back = _unpack(packed)
    assert isinstance(back, Samples)
    assert (back.signal, back.unit, back.timestamps.tolist()) == ("hr", "1/min", [5, 9, 7])
    assert back.export == ""
    grown = _unpack(_pack(Samples("hr", "1/min", np.arange(1), np.ones(1), "an export")))
    assert isinstance(grown, Samples)
    assert grown.export == "an export"
    assert _unpack(_pack({"b": 1})) == {"b": 1}


@pytest.mark.parametrize(
    ("kind", "content", "complaint"),
    [
        (Kind.FORECAST, {"model_version": ""}, "with its model_version"),
        (Kind.INSIGHT, {}, "with its model_version"),
        (Kind.NOTE, {"n": float("inf")}, "must be JSON"),
        (Kind.NOTE, {1.5: object()}, "must be JSON"),
        (Kind.NOTE, Samples("x", "y", np.arange(1), np.ones(1)), "stored as Samples"),
        (Kind.BIOMETRIC_SAMPLES, {}, "stored as Samples"),
    ],
)
def test_what_does_not_fit_its_kind_is_refused(
    clinic: Clinic, mine: UUID, kind: Kind, content: Any, complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        appended(clinic, mine, kind, content)


def test_a_request_is_the_same_for_its_actor_patient_kind_and_content(clinic: Clinic, mine: UUID) -> None:
    other = clinic.patient(clinic.organisation("Other"))
    first = appended(clinic, mine, Kind.NOTE, {"n": 1}, {"n": 2}, idempotency_key="k")
    assert appended(clinic, mine, Kind.NOTE, {"n": 1}, {"n": 2}, idempotency_key="k") == first
    used = "this idempotency key was used for another request; take a new one"
    for who, kind, contents in (
        (other, Kind.NOTE, [{"n": 1}, {"n": 2}]),
        (mine, Kind.CONDITION, [{"n": 1}, {"n": 2}]),
        (mine, Kind.NOTE, [{"n": 2}, {"n": 1}]),
        (mine, Kind.NOTE, [{"n": 1}]),
    ):
        with pytest.raises(ValidationError, match=used):
            appended(clinic, who, kind, *contents, idempotency_key="k")
    assert len(found(clinic, mine, Kind.NOTE)) == 2
    assert found(clinic, mine, Kind.CONDITION) == found(clinic, other, Kind.NOTE) == []
    assert appended(clinic, mine, Kind.NOTE, {"n": 1}, {"n": 2}, idempotency_key="other") != first
    assert appended(clinic, mine, Kind.NOTE, {"n": 1}, {"n": 2}) != first
    assert clinic.run(clinic.foundation.store.revision(mine)) == 3
    row = next(row for row in clinic.rows(IdempotencyKey) if row.answer == [str(one) for one in first])
    assert row.digest == clinic.foundation.index.keyed("idempotency", "clinician-1", "k")


def test_of_those_who_come_together_each_gets_their_own_answer(clinic: Clinic, mine: UUID) -> None:
    other, nobody, store = clinic.patient(clinic.organisation("Other")), uuid4(), clinic.foundation.store
    appended(clinic, mine, Kind.NOTE, {"n": 0}, idempotency_key="old")

    async def additions() -> list[Any]:
        made = []
        for who, contents, key in (
            (mine, [{"n": 1}], "same"),
            (other, [{"n": 2}, {"n": 3}], None),
            (mine, [{"n": 1}], "same"),
            (mine, [{"n": 4}], "same"),
            (mine, [{"n": 0}], "old"),
        ):
            packed = [_pack(one) for one in contents]
            once = store._once(key, who, Kind.NOTE, packed, CLINICIAN) if key else None
            made.append(await store._addition(who, Kind.NOTE, packed, CLINICIAN, once))
        made.append(replace(made[0], patient_id=nobody, once=None))
        return [made, await store._add(made)]

    made, answers = clinic.run(additions())
    assert answers[0] == answers[2] == made[0].record_ids
    assert answers[1] == made[1].record_ids
    assert isinstance(answers[3], ValidationError)
    assert answers[4] == [one.record_id for one in found(clinic, mine, Kind.NOTE) if one.content == {"n": 0}]
    assert isinstance(answers[5], NotFoundError)
    assert str(answers[5]) == "there is no patient of this id"
    revisions = [clinic.run(store.revision(one)) for one in (mine, other)]
    assert revisions == [2, 1]
    assert len(found(clinic, other, Kind.NOTE)) == 2


def test_a_large_batch_has_as_much_more_time(clinic: Clinic, mine: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    database = clinic.foundation.database
    transaction = database.transaction

    def noted(patience: float = 3.0) -> Any:
        given.append(patience)
        return transaction(patience)

    monkeypatch.setattr(database, "transaction", noted)
    clinic.run(clinic.foundation.vault.cipher(mine, messages=1000))
    given.clear()
    appended(clinic, mine, Kind.NOTE, *({"n": n} for n in range(1000)))
    assert given == [3.0 + 2.0]


def test_decisions_count_from_the_last_one_and_treatments_until_they_end(
    clinic: Clinic, clock: Clock, mine: UUID
) -> None:
    store, other, ada, bob = clinic.foundation.store, clinic.patient(clinic.organisation("B")), uuid4(), uuid4()
    for category, granted in (("genomics", True), ("sharing", True), ("genomics", False)):
        clock.move(1)
        clinic.run(store.decide(mine, category, granted, CLINICIAN))
        assert clinic.last() == [("granted" if granted else "withdrawn", "consent", "success", 1)]
    assert clinic.run(store.consents(mine)) == {"genomics": False, "sharing": True}
    assert clinic.run(store.consents_each([mine, other])) == {mine: {"genomics": False, "sharing": True}, other: {}}
    assert [(row.kind, row.patient_id) for row in clinic.rows(OutboxEvent)] == [("consent.decided", mine)] * 3
    for clinician, who in ((ada, other), (ada, mine), (ada, mine), (bob, mine)):
        relationship = clinic.run(store.relate(clinician, who, CLINICIAN))
        assert clinic.last() == [("began", "relationship", "success", 1)]
        assert clinic.entries()[-1]["references"] == [str(relationship)]
    assert clinic.run(store.treated_by(ada)) == sorted([mine, other])
    clock.move(60)
    clinic.run(store.unrelate(ada, mine, CLINICIAN))
    assert clinic.last() == [("ended", "relationship", "success", 1)]
    assert clinic.run(store.treated_by(ada)) == [other]
    assert clinic.run(store.treated_by(bob)) == [mine]
    ends = [row.ends_at for row in clinic.rows(Relationship) if row.clinician_id == ada and row.patient_id == mine]
    assert ends == [clock.at, clock.at]
    clock.move(60)
    clinic.run(store.unrelate(ada, mine, CLINICIAN))
    assert {row.ends_at for row in clinic.rows(Relationship)} == {None, clock.at - timedelta(seconds=60)}
    for work in (store.relate(ada, uuid4(), CLINICIAN), store.unrelate(ada, uuid4(), CLINICIAN)):
        with pytest.raises(NotFoundError, match="there is no patient of this id"):
            clinic.run(work)


def test_whoever_is_looked_for_is_told_found_or_not(clinic: Clinic, mine: UUID) -> None:
    here = clinic.rows(Patient)[0].organisation_id
    with pytest.raises(ValidationError, match="a patient with this medical record number is registered already"):
        clinic.patient(here, mrn=" 1")
    elsewhere = clinic.patient(clinic.organisation("Other"), mrn="1")
    one, other = clinic.patient(here, email="a@b.example"), clinic.patient(here, email="A@b.example ")
    store = clinic.foundation.store
    assert clinic.run(store.find(here, "mrn", "1", CLINICIAN)) == [mine]
    assert elsewhere not in clinic.run(store.find(here, "mrn", "1", CLINICIAN))
    assert set(clinic.run(store.find(here, "email", "a@b.example", CLINICIAN))) == {one, other}
    assert clinic.last(2) == [("find", "patient", "success", 1)] * 2
    told = {entry["patient"] for entry in clinic.entries()[-2:]}
    assert told == {clinic.foundation.audit.pseudonym(found) for found in (one, other)}
    assert clinic.run(store.find(here, "email", "1", CLINICIAN)) == []
    assert clinic.last() == [("find", "patient", "not_found", 0)]
    (identity,) = found(clinic, mine, Kind.IDENTITY)
    assert identity.content == {"identifiers": {"mrn": "1"}, "details": {}}
    assert place(mine, "note", 2) == Place("patient_records", "payload:note", mine.hex, 2)


def test_a_record_under_a_key_that_came_meanwhile_is_read_with_it(clinic: Clinic, mine: UUID) -> None:
    appended(clinic, mine, Kind.NOTE, {"n": 1})
    stale = clinic.run(clinic.foundation.vault.cipher(mine))
    clinic.run(clinic.foundation.vault.renew(mine))
    clinic.run(clinic.foundation.rotation(CLINICIAN).renew_data_keys(clinic.rows(Patient)[0].created_at + timedelta(1)))
    clinic.foundation.vault._ciphers[mine] = stale
    assert [one.content for one in found(clinic, mine, Kind.NOTE)] == [{"n": 1}]
    clinic.foundation.vault._ciphers[mine] = stale  # a process that has not heard of it stores all the same
    appended(clinic, mine, Kind.NOTE, {"n": 2})
    assert len(found(clinic, mine, Kind.NOTE)) == 2
