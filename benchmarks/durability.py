"""What sealing and auditing cost, and whether anything acknowledged is lost: writes ``results/durability.json``.

``one_caller``, ``eight_callers``: ingest of symptom reports through the store (sealed, audited, idempotent, with an
outbox event) beside bare SQLAlchemy inserts of the same report into the same database with the same durability, in the
same run; and audited reading of a patient's 30 newest reports beside a bare query.
``kills``: a process is killed with SIGKILL while it stores reports, and while it rotates keys, many times over.
``served_kills``: ``novamind serve`` is killed with SIGKILL, many times over, while machines send reports over HTTP;
what was not acknowledged is sent again under its idempotency key when the server is back.
``audit``: CPU time to append an entry, and to verify a long chain.

    python benchmarks/durability.py one_caller eight_callers kills audit --kills 50
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import sqlalchemy as sa

from novamind.infrastructure.audit import Access, Event
from novamind.infrastructure.bootstrap import Foundation, open_foundation
from novamind.infrastructure.patient_store import Identity, Kind
from novamind.infrastructure.tables import PatientKey
from novamind.settings import Settings
from tables import fill, markdown

RESULTS = Path(__file__).parent / "results" / "durability.json"
PAGE = Path(__file__).parents[1] / "docs" / "security.md"
ACCESS = Access(actor="benchmark", role="service", purpose="benchmark", correlation_id="1")
REPORT = {"symptom": "PHQ-9", "value": 17, "timestamp": "2026-03-01T08:00:00+01:00", "note": "slept badly"}
TOMORROW = timedelta(days=1)
SECTIONS = ("one_caller", "eight_callers", "kills", "served_kills", "audit")
MACHINES = 16

bare = sa.Table(
    "bare_reports",
    sa.MetaData(),
    sa.Column("report_id", sa.Uuid, primary_key=True),
    sa.Column("patient_id", sa.Uuid),
    sa.Column("content", sa.JSON),
    sa.Column("recorded_at", sa.DateTime(timezone=True)),
)


async def patient(here: Foundation, number: int = 0) -> UUID:
    organisation = await here.store.add_organisation("Clinic", ACCESS)
    return await here.store.register(organisation, Identity({"mrn": str(number)}, {}), ACCESS)


async def rate(work: Callable[[int], Awaitable[object]], seconds: float, workers: int) -> float:
    """Calls a second, so many at a time."""
    end, done = time.monotonic() + seconds, 0

    async def one() -> None:
        nonlocal done
        while time.monotonic() < end:
            done += 1
            await work(done)

    await asyncio.gather(*(one() for _ in range(workers)))
    return done / seconds


async def rates(settings: Settings, rounds: int, seconds: float, callers: int) -> dict[str, Any]:
    """Sealed and bare in turn, so that both see the same machine."""
    found: dict[str, list[float]] = {"bare": [], "sealed": [], "bare_read": [], "sealed_read": []}
    async with open_foundation(settings) as here:
        async with here.database.transaction() as session:
            await (await session.connection()).run_sync(bare.metadata.create_all)
        patients = [await patient(here, n) for n in range(20)]

        async def store_bare(n: int) -> None:
            async with here.database.transaction() as session:
                row = {"report_id": uuid4(), "patient_id": patients[n % 20], "content": REPORT}
                await session.execute(sa.insert(bare).values(row | {"recorded_at": datetime.now(UTC)}))

        async def store_sealed(n: int) -> None:
            key = f"{n}-{len(found['sealed'])}"
            await here.store.append(patients[n % 20], Kind.SYMPTOM_REPORT, [REPORT], ACCESS, idempotency_key=key)

        async def read_bare(n: int) -> None:
            query = sa.select(bare).where(bare.c.patient_id == patients[n % 20]).limit(30)
            async with here.database.snapshot() as session:
                (await session.execute(query)).all()

        async def read_sealed(n: int) -> None:
            await here.store.read(patients[n % 20], Kind.SYMPTOM_REPORT, ACCESS, newest=30)

        for _ in range(rounds):  # a round is shorter than the machine's moods
            found["bare"].append(await rate(store_bare, seconds, callers))
            found["sealed"].append(await rate(store_sealed, seconds, callers))
            found["bare_read"].append(await rate(read_bare, seconds, callers))
            found["sealed_read"].append(await rate(read_sealed, seconds, callers))
    median = {name: sorted(values)[len(values) // 2] for name, values in found.items()}
    return {
        "per_second": {name: round(value, 1) for name, value in median.items()},
        "ingest_ratio": round(median["sealed"] / median["bare"], 3),
        "audited_read_ratio": round(median["sealed_read"] / median["bare_read"], 3),
    }


async def ingest(patient_id: UUID, first: int) -> None:
    """Store pairs of reports for ever, saying so when each is stored."""
    async with open_foundation(Settings()) as here:

        async def one(n: int) -> None:
            while True:
                content = [{"n": n}, {"n": n}]
                ids = await here.store.append(patient_id, Kind.SYMPTOM_REPORT, content, ACCESS, idempotency_key=str(n))
                print(n, *ids, flush=True)
                n += 4

        await asyncio.gather(*(one(first + worker) for worker in range(4)))


async def rotate() -> None:
    """Replace all keys for ever."""
    async with open_foundation(Settings()) as here:
        rotation = here.rotation(ACCESS)
        print("ready", flush=True)
        while True:
            here.keys.encryption.add()  # type: ignore[attr-defined]
            await rotation.rewrap()
            await rotation.renew_data_keys(datetime.now(UTC) + TOMORROW)


def killed(settings: Settings, words: list[str], chance: random.Random) -> list[str]:
    """Run this script as another process, kill it after it got going, and give what it said in whole lines."""
    environment = os.environ | {
        "NOVAMIND_DATABASE_URL": settings.database_url.get_secret_value(),
        "NOVAMIND_KEY_FILE": str(settings.key_file),
    }
    process = subprocess.Popen([sys.executable, __file__, *words], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    time.sleep(chance.uniform(0.0, 0.4))
    process.send_signal(signal.SIGKILL)
    lines += process.communicate()[0].splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n")]


async def kills(settings: Settings, count: int) -> dict[str, Any]:
    """After each kill: what was acknowledged is there, whole; what was there before opens; the audit is intact."""
    chance, lost, halves, unreadable, broken = random.Random(0), 0, 0, 0, 0  # noqa: S311
    async with open_foundation(settings) as here:
        one = await patient(here)
        many = [await patient(here, n) for n in range(12)]
        for patient_id in many:
            await here.store.append(patient_id, Kind.NOTE, [{"n": n} for n in range(20)], ACCESS)
    acknowledged: dict[str, set[str]] = {}
    for start in range(count):
        for line in killed(settings, ["ingest", str(one), str(start * 1_000_000)], chance):
            n, *ids = line.split()
            acknowledged[n] = set(ids)
    for _ in range(count):
        killed(settings, ["rotate"], chance)
        async with open_foundation(settings) as here:
            for patient_id in many:
                unreadable += 20 - len(await here.store.read(patient_id, Kind.NOTE, ACCESS))
            broken += not (await here.audit.verify()).intact
    async with open_foundation(settings) as here:
        await here.rotation(ACCESS).rewrap()
        await here.rotation(ACCESS).renew_data_keys(datetime.now(UTC) + TOMORROW)
        stored: dict[str, set[str]] = {}
        for record in await here.store.read(one, Kind.SYMPTOM_REPORT, ACCESS):
            stored.setdefault(str(record.content["n"]), set()).add(str(record.record_id))  # type: ignore[index]
        entries = await here.audit.entries(one, 10_000_000)
        written = [entry for entry in entries if entry["what"] == "symptom_report" and entry["action"] == "write"]
        told = {record_id for entry in written for record_id in entry["references"]}
        differing = len(told ^ {record_id for ids in stored.values() for record_id in ids})
        lost = sum(stored.get(n) != ids for n, ids in acknowledged.items())
        halves = sum(len(ids) != 2 for ids in stored.values())
        async with here.database.snapshot() as session:
            keys = await session.scalar(sa.select(sa.func.count()).select_from(PatientKey))
        broken += not (await here.audit.verify()).intact
    return {
        "kills_during_ingest": count,
        "kills_during_rotation": count,
        "acknowledged": len(acknowledged),
        "acknowledged_and_lost": lost,
        "stored_by_halves": halves,
        "unreadable_after_a_kill": unreadable,
        "audits_broken": broken,
        "changes_without_entry_or_entries_without_change": differing,
        "keys_left_over": (keys or 0) - len(many) - 1,
    }


async def served_kills(settings: Settings, count: int) -> dict[str, Any]:
    """In the end every report that was sent is there exactly once, and whatever was acknowledged is there."""
    from load import free_port, served
    from novamind.infrastructure.identity.domain import Role
    from novamind.infrastructure.identity.sessions import ClientProof
    from novamind.server.container import open_container

    chance, port = random.Random(0), free_port()  # noqa: S311
    settings = settings.model_copy(update={"public_url": f"http://127.0.0.1:{port}", "access_token_seconds": 3600})
    async with open_container(settings) as container:
        shell = container.operator("benchmark")
        organisation = await container.foundation.store.add_organisation("Clinic", shell)
        patient_id = await container.foundation.store.register(organisation, Identity({}, {}), shell)
        tokens = []
        for number in range(MACHINES):  # each may send 1200 requests a minute
            client = await container.identity.accounts.add_client(
                f"gateway {number}", shell, role=Role.SERVICE, organisation_id=organisation
            )
            proof = ClientProof(client.client_id, str(client.secret), "", "127.0.0.1")
            tokens.append((await container.identity.sessions.client_credentials(proof, None)).access_token)
    environment = {
        "NOVAMIND_DATABASE_URL": settings.database_url.get_secret_value(),
        "NOVAMIND_KEY_FILE": str(settings.key_file),
        "NOVAMIND_PUBLIC_URL": settings.public_url,
        "NOVAMIND_ACCESS_TOKEN_SECONDS": "3600",
        "NOVAMIND_LOG_LEVEL": "ERROR",
    }
    words = [str(Path(sys.executable).with_name("novamind")), "serve", "--port", str(port), "--no-demo"]
    acknowledged: dict[int, set[str]] = {}
    again, rates = 0, []
    ended = asyncio.Event()

    async def machine(number: int) -> None:
        nonlocal again
        headers, n = {"Authorization": f"Bearer {tokens[number]}"}, number
        async with httpx.AsyncClient(headers=headers, timeout=60) as client:
            while not ended.is_set():
                when = (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=n)).isoformat()
                body = {"reports": [{"symptom": one, "timestamp": when, "value": 9} for one in ("PHQ-9", "GAD-7")]}
                try:
                    answer = await client.post(
                        f"{settings.public_url}/api/v1/patients/{patient_id}/reports",
                        headers={"Idempotency-Key": f"request-{n}"},
                        json=body,
                    )
                except httpx.TransportError:
                    again += 1
                    await asyncio.sleep(0.1)
                    continue
                if answer.status_code == 201:
                    acknowledged[n] = set(answer.json()["ids"])
                    n += MACHINES
                else:
                    await asyncio.sleep(0.1)

    machines = [asyncio.create_task(machine(number)) for number in range(MACHINES)]
    for life in range(count + 1):
        with served(words, port, environment) as process:
            before, began = len(acknowledged), time.monotonic()
            while len(acknowledged) < before + 20:
                await asyncio.sleep(0.01)
            await asyncio.sleep(chance.uniform(0.0, 1.5))
            rates.append((len(acknowledged) - before) / (time.monotonic() - began))
            if life < count:
                process.send_signal(signal.SIGKILL)
                print("killed", life + 1, len(acknowledged), flush=True)
            else:
                ended.set()
                await asyncio.gather(*machines)
    async with open_foundation(settings) as here:
        stored: dict[str, set[str]] = {}
        for record in await here.store.read(patient_id, Kind.SYMPTOM_REPORT, ACCESS):
            stored.setdefault(record.content["timestamp"], set()).add(str(record.record_id))  # type: ignore[index]
        intact = (await here.audit.verify()).intact
    kept = {one for ids in stored.values() for one in ids}
    return {
        "kills": count,
        "acknowledged_requests": len(acknowledged),
        "per_second_median": round(sorted(rates)[len(rates) // 2], 1),
        "sent_again": again,
        "acknowledged_and_lost": sum(not ids <= kept for ids in acknowledged.values()),
        "stored_twice_or_by_halves": sum(len(ids) != 2 for ids in stored.values()),
        "stored_and_not_acknowledged": len(stored) - len(acknowledged),
        "audit_intact": intact,
    }


async def audit(settings: Settings, entries: int) -> dict[str, Any]:
    """CPU seconds to verify a chain, and to append one entry."""
    event = Event(access=ACCESS, action="read", what="note", patient_id=uuid4())
    async with open_foundation(settings) as here:
        before = time.process_time()
        for _ in range(entries // 1000):
            await here.audit.append(*[event] * 1000)
        appended, before = time.process_time() - before, time.process_time()
        found = await here.audit.verify()
        verified = time.process_time() - before
    assert found.intact
    return {
        "entries": found.entries,
        "append_cpu_ms": round(1000 * appended / entries, 3),
        "verify_cpu_s_per_million": round(1e6 * verified / entries, 1),
    }


def tables(results: dict[str, Any]) -> dict[str, str]:
    """What the page on security shows."""
    rows = []
    for database, its in results.items():
        for section, callers in (("one_caller", "one caller"), ("eight_callers", "eight callers")):
            rate = its[section]["per_second"]
            ratio = f"{100 * its[section]['ingest_ratio']:.0f} %"
            rows.append([f"{database}: ingest, {callers}", f"{rate['sealed']:.0f} a second ({ratio} of bare)"])
            ratio = f"{100 * its[section]['audited_read_ratio']:.0f} %"
            rows.append(
                [f"{database}: audited read, {callers}", f"{rate['sealed_read']:.0f} a second ({ratio} of bare)"]
            )
        audit = its["audit"]
        rows.append([f"{database}: appending an entry to the audit", f"{audit['append_cpu_ms']:g} ms of CPU"])
        rows.append([f"{database}: verifying a million", f"{audit['verify_cpu_s_per_million']:g} s of CPU"])
        if "kills" in its:
            kill = its["kills"]
            rows.append(
                [
                    f"{database}: killed {kill['kills_during_ingest']} times while storing,"
                    f" {kill['kills_during_rotation']} times while rotating keys",
                    f"of {kill['acknowledged']:,} acknowledged reports {kill['acknowledged_and_lost']} lost,"
                    f" {kill['stored_by_halves']} by halves, {kill['unreadable_after_a_kill']} unreadable",
                ]
            )
        if "served_kills" in its:
            kill = its["served_kills"]
            rows.append(
                [
                    f"{database}: the server killed {kill['kills']} times"
                    f" under {kill['per_second_median']:.0f} requests of two reports a second",
                    f"of {kill['acknowledged_requests']:,} acknowledged requests {kill['acknowledged_and_lost']} lost,"
                    f" {kill['stored_twice_or_by_halves']} stored twice or by halves",
                ]
            )
    return {"durability": markdown(["what", "measured"], rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="+", choices=SECTIONS)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--postgres", help="URL of an empty PostgreSQL database, to be measured instead of SQLite.")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    databases = {"postgresql": options.postgres} if options.postgres else {"sqlite": ""}
    for name, url in databases.items():
        for section in options.sections:
            with tempfile.TemporaryDirectory() as folder:
                settings = Settings(
                    database_url=url or f"sqlite:///{folder}/novamind.db", key_file=Path(folder) / "keys.json"
                )
                work = {
                    "one_caller": lambda settings=settings: rates(settings, options.rounds, options.seconds, 1),
                    "eight_callers": lambda settings=settings: rates(settings, options.rounds, options.seconds, 8),
                    "kills": lambda settings=settings: kills(settings, options.kills),
                    "served_kills": lambda settings=settings: served_kills(settings, options.kills),
                    "audit": lambda settings=settings: audit(settings, 100_000),
                }[section]
                results.setdefault(name, {})[section] = asyncio.run(work())
                print(name, section, results[name][section], flush=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    fill(PAGE, tables(results))


if __name__ == "__main__":
    if sys.argv[1] == "ingest":
        asyncio.run(ingest(UUID(sys.argv[2]), int(sys.argv[3])))
    elif sys.argv[1] == "rotate":
        asyncio.run(rotate())
    else:
        main()
