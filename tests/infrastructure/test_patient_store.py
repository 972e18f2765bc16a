"""What goes in comes out, only there, only for the audit to see; a thief of all files learns nothing."""

import asyncio
import base64
import json
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import sqlalchemy as sa

from novamind.errors import NotFoundError, ServiceUnavailableError, ValidationError
from novamind.infrastructure.audit import Access
from novamind.infrastructure.bootstrap import Foundation
from novamind.infrastructure.patient_store import Identity, Kind, Samples
from novamind.infrastructure.tables import IdempotencyKey, OutboxEvent, Record
from novamind.infrastructure.vault import PatientCipher, TamperedError
from novamind.settings import Settings
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

    is_sqlite = "sqlite" in settings.database_url.get_secret_value()
    folder = tmp_path if is_sqlite else Path(request.getfixturevalue("postgres").server.pgdata)
    found: list[str] = []

    async def work(here: Foundation) -> None:
        patient_id = await patient(here)
        for kind in (Kind.SYMPTOM_REPORT, Kind.NOTE, Kind.MEDICATION):
            await here.store.append(patient_id, kind, [REPORT], CLINICIAN, idempotency_key=f"{CANARY} {kind}")
        await here.store.find(await here.store.add_organisation("x", CLINICIAN), "mrn", CANARY, CLINICIAN)
        await here.store.read(patient_id, Kind.NOTE, CLINICIAN)
        if not is_sqlite:
            async with here.database.transaction() as session:
                await session.execute(sa.text("CHECKPOINT"))
        stolen = everything_in(folder)  # with the write-ahead log, while it is in use
        assert b"clinician-1" in stolen  # the search does find what is there in the open
        found.extend(form for form, needle in forms(CANARY).items() if needle in stolen)

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
