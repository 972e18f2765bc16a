"""What encryption, audit and access control cost a caller: writes ``results/load.json``, tables of docs/server.md.

``novamind serve`` beside a bare FastAPI + SQLAlchemy server in the same run, each one process on SQLite with the same
durability, asked in turn over loopback by the same connections: ingest of symptom reports (ours: encrypted, audited,
access-controlled; bare: one row, one commit) and reading a forecast that was made before (ours: access-controlled,
audited, out of the sealed cache; bare: a stored row). Then comprehensive insights, cold.

    python benchmarks/load.py run docs
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from tables import fill, markdown

RESULTS = Path(__file__).parent / "results" / "load.json"
PAGE = Path(__file__).parent.parent / "docs" / "server.md"
PATIENTS, CLIENTS = 40, 120  # each client may send 1200 requests a minute


def bare_app() -> Any:
    """The baseline: no callers, no secrets, no audit."""
    import sqlalchemy as sa
    from fastapi import FastAPI, Response
    from sqlalchemy.ext.asyncio import create_async_engine

    from novamind.server.patients import Created, NewReports

    tables = sa.MetaData()
    reports = sa.Table(
        "reports",
        tables,
        sa.Column("report_id", sa.Uuid, primary_key=True),
        sa.Column("patient_id", sa.Uuid, index=True),
        sa.Column("content", sa.JSON),
        sa.Column("recorded_at", sa.DateTime(timezone=True)),
    )
    forecasts = sa.Table(
        "forecasts", tables, sa.Column("patient_id", sa.Uuid, primary_key=True), sa.Column("body", sa.Text)
    )
    engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['BARE_DATABASE']}")

    @sa.event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    app = FastAPI()

    @app.post("/patients/{patient_id}/reports", status_code=201)
    async def add_reports(patient_id: UUID, new: NewReports) -> Created:
        rows = [
            {
                "report_id": uuid4(),
                "patient_id": patient_id,
                "content": report.model_dump(mode="json"),
                "recorded_at": datetime.now(UTC),
            }
            for report in new.reports
        ]
        async with engine.begin() as connection:
            await connection.execute(sa.insert(reports), rows)
        return Created(ids=[row["report_id"] for row in rows])

    @app.put("/patients/{patient_id}/forecast", status_code=204)
    async def keep(patient_id: UUID, body: dict[str, Any]) -> None:
        async with engine.begin() as connection:
            await connection.run_sync(tables.create_all)
            await connection.execute(sa.insert(forecasts).values(patient_id=patient_id, body=json.dumps(body)))

    @app.get("/patients/{patient_id}/forecast")
    async def read(patient_id: UUID) -> Response:
        async with engine.connect() as connection:
            body = await connection.scalar(sa.select(forecasts.c.body).where(forecasts.c.patient_id == patient_id))
        return Response(body, media_type="application/json")

    return app


# --- a caller that costs little itself ---


class Connection:
    """One kept-alive HTTP/1.1 connection."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> "Connection":
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def ask(self, method: str, path: str, token: str = "", body: Any = None) -> tuple[int, bytes]:
        """Status and body of the answer."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Length: {len(content)}\r\n"
        head += "Content-Type: application/json\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "")
        self._writer.write(head.encode() + b"\r\n" + content)
        answered = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(answered[9:12])
        at = answered.find(b"content-length: ")
        length = int(answered[at + 16 : answered.index(b"\r\n", at)]) if at >= 0 else 0
        return status, await self._reader.readexactly(length)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def measure(connections: list[Connection], requests: Any, seconds: float) -> tuple[float, list[float]]:
    """Answers a second and the time that each took."""
    end, took = time.perf_counter() + seconds, []

    async def one(number: int) -> None:
        asked = 0
        while time.perf_counter() < end:
            asked += 1
            began = time.perf_counter()
            status, answer = await connections[number].ask(*requests(number, asked))
            took.append(time.perf_counter() - began)
            if status not in (200, 201):
                raise SystemExit(f"answered {status}: {answer[:300]!r}")

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(len(connections))))
    return len(took) / (time.perf_counter() - began), took


# --- the two servers ---


@contextmanager
def served(words: list[str], port: int, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(words, env=os.environ | environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit("a server did not start")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def prepared(settings: Any) -> dict[str, Any]:
    """A clinic with patients, simulated people for the insights, and machines with tokens."""
    from novamind.infrastructure.identity.domain import Role
    from novamind.infrastructure.identity.sessions import ClientProof, access_of
    from novamind.infrastructure.patient_store import Identity, Kind
    from novamind.server.container import open_container
    from novamind.twin.simulated import simulated_record

    async with open_container(settings) as container:
        access = container.operator("benchmark")
        organisation = await container.foundation.store.add_organisation("Clinic", access)
        tokens = []
        for number in range(CLIENTS):
            client = await container.identity.accounts.add_client(
                f"gateway {number}", access, role=Role.SERVICE, organisation_id=organisation
            )
            given = await container.identity.sessions.client_credentials(
                ClientProof(client.client_id, str(client.secret), "", "127.0.0.1"), None
            )
            tokens.append(given.access_token)
        principal = await container.identity.sessions.authenticate(tokens[0])
        patients = []
        for number in range(PATIENTS):
            patient_id = await container.clinic.register(
                principal, Identity({"mrn": str(number)}, {"name": f"P {number}"})
            )
            contents = [report(day) for day in range(60)]
            await container.foundation.store.append(
                patient_id, Kind.SYMPTOM_REPORT, contents, access_of(principal, "benchmark")
            )
            patients.append(str(patient_id))
        full = []
        for seed in (7, 11, 23, 31):
            patient_id = await container.clinic.register(principal, Identity({}, {"name": f"Simulated {seed}"}))
            await container.clinic.import_record(principal, patient_id, simulated_record(seed))
            full.append(str(patient_id))
    return {"tokens": tokens, "patients": patients, "full": full}


def report(day: int) -> dict[str, Any]:
    when = datetime(2026, 1, 1, 8, tzinfo=UTC) + timedelta(days=day)
    return {"symptom": "PHQ-9", "timestamp": when.isoformat(), "value": float((day * 7) % 20)}


async def clinic(folder: str, port: int) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """A new clinic with records: what is in it, and the command and environment that serve it on ``port``."""
    from novamind.settings import Settings

    settings = Settings(
        database_url=f"sqlite:///{folder}/novamind.db",
        key_file=Path(folder) / "keys.json",
        public_url=f"http://127.0.0.1:{port}",
        access_token_seconds=3600,
    )
    environment = {
        "NOVAMIND_DATABASE_URL": settings.database_url.get_secret_value(),
        "NOVAMIND_KEY_FILE": str(settings.key_file),
        "NOVAMIND_ACCESS_TOKEN_SECONDS": "3600",
        "OMP_NUM_THREADS": "1",
    }
    command = [str(Path(sys.executable).with_name("novamind")), "serve", "--port", str(port), "--no-demo"]
    return await prepared(settings), command, environment


async def run(rounds: int, seconds: float, callers: int) -> dict[str, Any]:
    port, bare_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        world, ours, environment = await clinic(folder, port)
        environment |= {
            "NOVAMIND_POPULATION_DATABASE_URL": f"sqlite:///{folder}/populations.db",
            "NOVAMIND_POPULATION_DIR": f"{folder}/populations",
            "BARE_DATABASE": f"{folder}/bare.db",
        }
        with (
            served(ours, port, environment),
            served([sys.executable, __file__, "bare", str(bare_port)], bare_port, environment),
        ):
            return await compared(world, port, bare_port, rounds, seconds, callers)


async def compared(
    world: dict[str, Any], port: int, bare_port: int, rounds: int, seconds: float, callers: int
) -> dict[str, Any]:
    patients, tokens = world["patients"], world["tokens"]
    ours = [await Connection(port).open() for _ in range(callers)]
    bare = [await Connection(bare_port).open() for _ in range(callers)]
    insights = await cold_insights(ours[0], world)
    for patient in patients:  # make the forecasts that are read below
        _, forecast = await ours[0].ask("GET", f"/api/v1/patients/{patient}/forecast", tokens[0])
        await bare[0].ask("PUT", f"/patients/{patient}/forecast", body=json.loads(forecast))

    def token(number: int, asked: int) -> str:
        return str(tokens[(number + asked * callers) % len(tokens)])

    def patient(number: int, asked: int) -> str:
        return str(patients[(number + asked * 7) % len(patients)])

    kinds = {
        "ingest": (
            lambda n, i: ("POST", f"/patients/{patient(n, i)}/reports", "", {"reports": [report(i % 60)]}),
            lambda n, i: (
                "POST",
                f"/api/v1/patients/{patient(n, i)}/reports",
                token(n, i),
                {"reports": [report(i % 60)]},
            ),
        ),
        "cached_forecast": (
            lambda n, i: ("GET", f"/patients/{patient(n, i)}/forecast"),
            lambda n, i: ("GET", f"/api/v1/patients/{patient(n, i)}/forecast", token(n, i)),
        ),
    }
    found: dict[str, Any] = {"callers": callers, "rounds": rounds, "seconds_a_round": seconds, "insights": insights}
    for kind in ("cached_forecast", "ingest"):  # ingest last, since it makes the forecasts old
        rates: dict[str, list[float]] = {"bare": [], "novamind": []}
        took: dict[str, list[float]] = {"bare": [], "novamind": []}
        for _ in range(rounds):  # in turn, so that both see the same machine
            for name, connections, requests in (("bare", bare, kinds[kind][0]), ("novamind", ours, kinds[kind][1])):
                rate, times = await measure(connections, requests, seconds)
                rates[name].append(rate)
                took[name] += times
        ratios = [mine / theirs for mine, theirs in zip(rates["novamind"], rates["bare"], strict=True)]
        found[kind] = {
            "ratio": round(statistics.median(ratios), 3),
            "ratio_lowest": round(min(ratios), 3),
            "ratio_highest": round(max(ratios), 3),
            **{f"{name}_per_second": round(statistics.median(rates[name]), 1) for name in rates},
            **{f"{name}_ms": percentiles(took[name]) for name in took},
        }
        print(kind, found[kind], flush=True)
    for connection in (*ours, *bare):
        connection.close()
    return found


async def cold_insights(connection: Connection, world: dict[str, Any]) -> dict[str, Any]:
    """Seconds until the first answer about a patient of whom nothing was computed before."""
    seconds, missing = [], {}
    for patient in world["full"]:
        began = time.perf_counter()
        status, answer = await connection.ask("GET", f"/api/v1/patients/{patient}/insights", world["tokens"][0])
        seconds.append(round(time.perf_counter() - began, 3))
        if status != 200:
            raise SystemExit(f"insights answered {status}")
        missing = json.loads(answer)["missing"]
    found = {"first_of_the_process_s": seconds[0], "cold_s": seconds[1:], "missing": sorted(missing)}
    print("insights", found, flush=True)
    return found


def percentiles(took: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(took, n=1000)
    return {
        "p50": round(1000 * cuts[499], 2),
        "p99": round(1000 * cuts[989], 2),
        "p99_to_p50": round(cuts[989] / cuts[499], 2),
    }


def docs(found: dict[str, Any]) -> None:
    names = {"ingest": "ingest of a symptom report", "cached_forecast": "reading a forecast made before"}
    rows = [
        [
            names[kind],
            f"{found[kind]['novamind_per_second']:.0f}",
            f"{found[kind]['bare_per_second']:.0f}",
            f"{100 * found[kind]['ratio']:.0f} % ({100 * found[kind]['ratio_lowest']:.0f} to "
            f"{100 * found[kind]['ratio_highest']:.0f})",
            f"{found[kind]['novamind_ms']['p50']:.1f} ms",
            f"{found[kind]['novamind_ms']['p99_to_p50']:.1f}",
        ]
        for kind in names
    ]
    insights = found["insights"]
    cold = ", ".join(f"{seconds:.2f}" for seconds in insights["cold_s"])
    tables = {
        "load": markdown(["", "a second", "bare, a second", "ratio", "median", "p99 / p50"], rows),
        "insights": markdown(
            ["insights of a patient", "seconds"],
            [
                ["first request of the process, models unread", f"{insights['first_of_the_process_s']:.2f}"],
                ["others, nothing of them computed before", cold],
                ["services that were missing then", ", ".join(insights["missing"]) or "none"],
            ],
        ),
    }
    for name in fill(PAGE, tables):
        print(f"no table for the place '{name}' of {PAGE.name}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="+", choices=["run", "docs"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--callers", type=int, default=16)
    options = parser.parse_args()
    if "run" in options.sections:
        found = asyncio.run(run(options.rounds, options.seconds, options.callers))
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    if "docs" in options.sections:
        docs(json.loads(RESULTS.read_text()))


if __name__ == "__main__":
    if sys.argv[1] == "bare":
        import uvicorn

        uvicorn.run(bare_app(), port=int(sys.argv[2]), log_config=None, access_log=False)
    else:
        main()
