"""C15 and D15 of the attack plan, over real connections: requests that crawl, contradict themselves or pile up; TLS."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from uvicorn.protocols.http.h11_impl import H11Protocol

from novamind.errors import ServiceUnavailableError, ValidationError
from novamind.infrastructure.database import Database
from novamind.infrastructure.keys import new_key
from novamind.server import connections
from novamind.settings import Settings
from tests.patience import patient
from tests.server.world import BASE, World

HOST = b"Host: 127.0.0.1:8000\r\n"
HEALTH = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
LAST = b"GET /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
HIDDEN = b"GET /ready HTTP/1.1\r\n" + HOST + b"\r\n"


@asynccontextmanager
async def served(world: World, **other: Any) -> AsyncIterator[int]:
    """The world's first worker as 'novamind serve' serves it; gives the port."""
    config = uvicorn.Config(world.apps[0], port=0, lifespan="off", **connections.options() | other)
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server._serve())
    async with asyncio.timeout(patient(20)):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def said(port: int, sent: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = await reader.read()
    writer.close()
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(one.split(b" ", 1)[0]) for one in answer.split(b"HTTP/1.1 ")[1:]]


def healthy(world: World, work: Any, **other: Any) -> Any:
    """Do it, and see that somebody else is served afterwards."""

    async def run() -> Any:
        async with served(world, **other) as port:
            done = await work(port)
            assert statuses(await said(port, LAST)) == [200]
            return done

    return world.run(run())


def post(*headers: bytes, body: bytes) -> bytes:
    return b"POST /oauth/token HTTP/1.1\r\n" + HOST + b"".join(one + b"\r\n" for one in headers) + b"\r\n" + body


CHUNKED = b"0\r\n\r\n" + HIDDEN
LONG = b"Content-Length: %d" % len(CHUNKED)
ONE_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
SMUGGLED = {
    "CL.TE": post(LONG, b"Transfer-Encoding: chunked", body=CHUNKED),
    "TE.CL": post(
        b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
    ),
    "TE.TE": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=CHUNKED),
    "TE twice": post(b"Transfer-Encoding: chunked, chunked", body=CHUNKED),
    "TE x": post(b"Transfer-Encoding: xchunked", body=CHUNKED),
    "TE space": post(LONG, b"Transfer-Encoding : chunked", body=CHUNKED),
    "TE tab": post(LONG, b"Transfer-Encoding:\tchunked", body=CHUNKED),
    "TE folded": post(LONG, b"X: y\r\n Transfer-Encoding: chunked", body=CHUNKED),
    "TE 1.0": post(LONG, b"Transfer-Encoding: chunked", body=CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "CL.CL": post(b"Content-Length: 0", LONG, body=CHUNKED),
    "CL list": post(b"Content-Length: 0, 44", body=CHUNKED),
    "CL plus": post(b"Content-Length: +0", body=CHUNKED),
    "CL minus": post(b"Content-Length: -1", body=CHUNKED),
    "CL hex": post(b"Content-Length: 0x10", body=CHUNKED),
    "CL long": post(b"Content-Length: " + b"9" * 40, body=CHUNKED),
    "chunk minus": post(b"Transfer-Encoding: chunked", body=b"-1\r\n\r\n" + CHUNKED),
    "bare CR": post(b"X: y\rTransfer-Encoding: chunked", LONG, body=CHUNKED),
    "NUL": post(b"X: y\0", LONG, body=CHUNKED),
    "no host": b"GET /health HTTP/1.1\r\n\r\n" + HIDDEN,
    "two hosts": b"GET /health HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n" + HIDDEN,
    "space in front": b"GET /health HTTP/1.1\r\n " + HOST + b"\r\n" + HIDDEN,
}


def test_c15_requests_that_two_readers_would_read_differently_are_refused(small_world: World) -> None:
    """The hidden request is never answered: what hides it is refused and the connection closed, or it is a body."""

    async def ask(port: int) -> dict[str, list[int]]:
        plain = post(
            b"Transfer-Encoding: chunked", body=CHUNKED
        )  # nothing wrong with it: two requests, and both answered
        return {name: statuses(await said(port, sent + LAST)) for name, sent in (SMUGGLED | {"plain": plain}).items()}

    told = healthy(small_world, ask)
    assert told.pop("plain") == [422, 200, 200]
    assert told.pop("TE folded") == [422, 200]  # RFC 9112, 5.2: the fold is a space, so the length counts
    assert {name for name, found in told.items() if found != [400]} == set()


def test_c15_a_thousand_requests_in_one_heap_are_answered_one_after_the_other(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAP_SECONDS", 0.0)

    async def ask(port: int) -> list[int]:
        return statuses(await said(port, HEALTH * 999 + LAST))

    assert healthy(small_world, ask) == [200] * 1000


async def crawl(port: int, begun: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begun)
    return reader, writer


@pytest.mark.parametrize("begun", [b"", b"GET /hea", HEALTH[:-2]])
def test_c15_a_head_that_does_not_come_is_not_waited_for(
    small_world: World, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 1.0)

    async def ask(port: int) -> set[bytes]:
        held = [await crawl(port, begun) for _ in range(20)]
        answers = {(await reader.read())[-80:] for reader, _ in held}
        for _, writer in held:
            writer.close()
        return answers

    (last,) = healthy(small_world, ask)
    assert last.endswith(connections._LATE[-80:])


@pytest.mark.weak("uvicorn as it is waits for ever", "C15")
def test_c15_a_byte_now_and_then_does_not_put_it_off(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 1.0)

    async def closed(port: int, seconds: float) -> bool:
        """Whether the server gives up on a head of which a line comes now and then, within so many seconds."""
        reader, writer = await crawl(port, HEALTH[:-2])
        ended = asyncio.ensure_future(reader.read())
        last = time.monotonic() + seconds
        while not ended.done() and time.monotonic() < last:
            await asyncio.wait([ended], timeout=0.02)
            writer.write(b"X: y\r\n")
        writer.close()
        ended.cancel()
        return ended.done()

    assert healthy(small_world, lambda port: closed(port, patient(20)))
    assert not healthy(small_world, lambda port: closed(port, 1.0), http=H11Protocol)  # plain uvicorn waits for ever


def test_c15_an_open_socket_is_not_taken_for_a_head_that_is_late(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 1.0)

    async def ask(port: int) -> str:
        at = f"ws://127.0.0.1:{port}/api/v1/live"
        async with websockets.connect(at, origin=websockets.Origin(BASE)) as live:
            body = {"patient_id": small_world.patients["P1"]}
            ticket = (await small_world.acall("POST", "/api/v1/live/tickets", "C11", json=body)).json()["ticket"]
            await live.send(json.dumps({"ticket": ticket}))
            told = json.loads(await live.recv())["type"]
            late, writer = await crawl(port, b"GET /hea")  # it began after the socket, so its time is up later
            assert b"408" in await late.read()
            writer.close()
            await (await live.ping())
            return str(told)

    assert healthy(small_world, ask) == "forecast"


def test_c15_hundreds_that_stay_half_open_keep_nobody_out_and_too_many_are_told(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(port: int) -> list[list[int]]:
        held = [await crawl(port, b"GET /hea") for _ in range(300)]
        free = statuses(await said(port, LAST))
        for _, writer in held:
            writer.close()
        return [free]

    assert healthy(small_world, ask) == [[200]]
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 50)

    async def crowd(port: int) -> list[int]:
        held = [await crawl(port, b"GET /hea") for _ in range(60)]
        full = statuses(await said(port, LAST))
        for _, writer in held:
            writer.close()
        async with asyncio.timeout(patient(20)):
            while statuses(await said(port, LAST)) != [200]:
                await asyncio.sleep(0.01)
        return full

    assert healthy(small_world, crowd) == [503]


# --- D15: TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, key, now = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    return folder / "certificate.pem", folder / "key.pem"


def other_certificate() -> str:
    """Of an authority that has nothing to do with the server's."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def shaken(server: ssl.SSLContext, low: ssl.TLSVersion, high: ssl.TLSVersion, ciphers: str) -> str | None:
    """The cipher on which a client of these versions and ciphers agrees with the server; none if they do not."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_ciphers(ciphers)
    client.minimum_version, client.maximum_version = low, high
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = server.wrap_bio(there, back, server_side=True), client.wrap_bio(back, there)
    for _ in range(4):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                return None
    agreed = theirs.cipher()
    return agreed[0] if agreed else None


OLD = "ALL:@SECLEVEL=0"
VERSION = ssl.TLSVersion


@pytest.mark.weak("a context that takes every version and cipher", "D15")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_d15_tls_is_of_today(certificate: tuple[Path, Path]) -> None:
    config = uvicorn.Config(World, **connections.options(*certificate))  # the application plays no part
    config.load()
    server = config.ssl
    assert server is not None
    refused = [
        (VERSION.TLSv1, VERSION.TLSv1, OLD),
        (VERSION.TLSv1_1, VERSION.TLSv1_1, OLD),
        (VERSION.TLSv1_2, VERSION.TLSv1_2, "ECDHE+AES:!AESGCM:!AESCCM:@SECLEVEL=0"),  # CBC
        (VERSION.TLSv1_2, VERSION.TLSv1_2, "kRSA:@SECLEVEL=0"),  # no forward secrecy
    ]
    assert [shaken(server, *one) for one in refused] == [None] * 4
    assert "GCM" in str(shaken(server, VERSION.TLSv1_2, VERSION.TLSv1_2, "DEFAULT"))
    assert str(shaken(server, VERSION.TLSv1_3, VERSION.TLSv1_3, "DEFAULT")).startswith("TLS_")
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    careless.load_cert_chain(*certificate)
    careless.set_ciphers(OLD)
    careless.minimum_version = VERSION.TLSv1
    assert all(shaken(careless, *one) for one in refused[:3])


SAFE = {
    "sqlite:///novamind.db": None,
    "postgresql://u:CANARY@/n?host=/run/postgresql": None,
    "postgresql://u:CANARY@%2Frun%2Fpostgresql/n": "unix:///run/redis.sock",
    "postgresql://u:CANARY@db.example/n?ssl=verify-full": "rediss://:CANARY@cache.example/0",
    "postgresql://u:CANARY@localhost/n": "redis://:CANARY@127.0.0.1/0",
}
UNSAFE = [
    ("postgresql://u:CANARY@db.example/n", None),
    ("postgresql://u:CANARY@db.example/n?ssl=require", None),
    ("postgresql://u:CANARY@db.example/n?ssl=verify-full&ssl=disable", None),
    ("postgresql://u:CANARY@localhost/n?host=db.example", None),
    ("postgresql://u:CANARY@/n?host=/run&host=db.example", None),
    ("postgresql://u:CANARY@localhost.evil.example/n", None),
    ("sqlite:///novamind.db", "redis://:CANARY@cache.example/0"),
    ("sqlite:///novamind.db", "rediss://:CANARY@cache.example/0?ssl_cert_reqs=none"),
    ("sqlite:///novamind.db", "rediss://:CANARY@cache.example/0?ssl_check_hostname=false"),
]


def in_production(database: str, redis: str | None) -> Settings:
    keys = {f"{name}_key": new_key() for name in ("encryption", "index", "audit_signing")}
    where = {"database_url": database, "redis_url": redis, "key_provider": "environment"}
    return Settings(environment="production", **keys, **where)  # type: ignore[arg-type]


def test_d15_production_speaks_to_other_machines_over_checked_tls_or_not_at_all() -> None:
    for database, redis in SAFE.items():
        assert in_production(database, redis).environment == "production"
    for database, redis in UNSAFE:
        with pytest.raises(ValidationError, match=r"NOVAMIND_(DATABASE|REDIS)_URL") as caught:
            in_production(database, redis)
        assert "CANARY" not in str(caught.value)
        assert Settings(database_url=database, redis_url=redis)  # type: ignore[arg-type]


def test_d15_a_database_that_shows_somebody_elses_certificate_gets_no_password(
    certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener that speaks PostgreSQL's beginning: what of a client's start does it see?"""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    authority = tmp_path / "authority.pem"
    authority.write_text(other_certificate())
    monkeypatch.setenv("PGSSLROOTCERT", str(authority))

    async def seen(mode: str) -> bytes:
        read: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(8)  # SSLRequest
            writer.write(b"S")
            await writer.drain()
            try:
                await writer.start_tls(tls)
                read.set_result(await reader.read(1000))
            except (OSError, ssl.SSLError):
                read.set_result(b"")
            writer.close()

        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        database = Database(f"postgresql://novamind:CANARY@127.0.0.1:{port}/novamind?ssl={mode}")
        with pytest.raises(ServiceUnavailableError):
            async with database.snapshot():
                pass
        server.close()
        await database.close()
        return await read

    assert asyncio.run(seen("verify-full")) == b""
    monkeypatch.delenv("PGSSLROOTCERT")
    assert b"novamind" in asyncio.run(seen("require"))
