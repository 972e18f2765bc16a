"""Cached values are sealed, go with the revision, and survive a Redis that does not."""

import asyncio
import signal
import time
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
import redis
from cachetools import TTLCache

from novamind.infrastructure import cache as module
from novamind.infrastructure.bootstrap import Foundation
from novamind.infrastructure.cache import MemoryShelf, RedisShelf, SealedCache, Shelf
from novamind.infrastructure.patient_store import Identity, Kind
from novamind.infrastructure.vault import Place
from tests.conftest import Redis
from tests.infrastructure.clinic import Clinic
from tests.infrastructure.conftest import CLINICIAN, Run

CANARY = b"CANARY-forecast-of-Ada"


@pytest.fixture
def database_url(tmp_path: object) -> str:
    return f"sqlite:///{tmp_path}/novamind.db"  # what is tested here knows no database


async def patient(here: Foundation) -> UUID:
    organisation = await here.store.add_organisation("Clinic", CLINICIAN)
    return await here.store.register(organisation, Identity({}, {}), CLINICIAN)


def shelves(server: Redis) -> dict[str, Shelf]:
    return {"memory": MemoryShelf(10, 60), "redis": RedisShelf(server.url, 60, MemoryShelf(10, 60))}


def test_a_value_comes_back_for_its_patient_revision_and_question_alone(run: Run[None], redis_server: Redis) -> None:
    async def work(here: Foundation) -> None:
        mine, other = await patient(here), await patient(here)
        for shelf in shelves(redis_server).values():
            cache = SealedCache(shelf, here.vault, here.index)
            await cache.put(mine, 3, "forecast", "v1", value=CANARY)
            assert await cache.get(mine, 3, "forecast", "v1") == CANARY
            for question in ((other, 3, "forecast", "v1"), (mine, 4, "forecast", "v1"), (mine, 3, "forecast", "v2")):
                assert await cache.get(*question) is None
            await here.vault.renew(mine)
            assert await cache.get(mine, 3, "forecast", "v1") == CANARY
        await here.retention.forget(mine, CLINICIAN)
        assert await cache.get(mine, 3, "forecast", "v1") is None
        await shelf.close()

    run(work)


def test_redis_holds_ciphertext_under_keys_that_tell_nothing(run: Run[None], redis_server: Redis) -> None:
    async def work(here: Foundation) -> None:
        mine = await patient(here)
        cache = SealedCache(shelves(redis_server)["redis"], here.vault, here.index)
        await cache.put(mine, 1, "forecast", value=CANARY)
        with redis.Redis(unix_socket_path=f"{redis_server.folder}/redis.sock") as client:
            client.save()
            (key,) = client.keys()
            assert client.ttl(key) > 50
            for held in (key, client.get(key), (redis_server.folder / "dump.rdb").read_bytes()):
                assert CANARY not in held
                assert str(mine).encode() not in held
                assert mine.hex.encode() not in held
            value = client.get(key)
            for altered in (b"", value[:20], value[:-1] + bytes([value[-1] ^ 1]), b"\0" * 16 + value[16:]):
                client.set(key, altered)
                assert await cache.get(mine, 1, "forecast") is None
        await cache._shelf.close()

    run(work)


def test_without_redis_this_process_keeps_its_own_and_redis_is_used_again_when_it_returns(
    run: Run[None], redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(module, "time", watch)
    now = 1000.0

    async def work(here: Foundation) -> None:
        nonlocal now
        mine = await patient(here)
        cache = SealedCache(shelves(redis_server)["redis"], here.vault, here.index)
        await cache.put(mine, 1, "a", value=b"1")
        redis_server.stop()
        assert await cache.get(mine, 1, "a") is None
        await cache.put(mine, 1, "b", value=b"2")
        assert await cache.get(mine, 1, "b") == b"2"
        redis_server.start()
        now += 1.99
        assert await cache.get(mine, 1, "b") == b"2"
        now += 0.02
        assert await cache.get(mine, 1, "b") is None
        await cache.put(mine, 1, "c", value=b"3")
        with redis.Redis(unix_socket_path=f"{redis_server.folder}/redis.sock") as client:
            assert len(client.keys()) == 1
        assert await cache.get(mine, 1, "c") == b"3"
        await cache._shelf.close()

    run(work)


def test_a_redis_that_hangs_holds_nobody_up_for_long(run: Run[None], redis_server: Redis) -> None:
    async def work(here: Foundation) -> None:
        mine = await patient(here)
        cache = SealedCache(shelves(redis_server)["redis"], here.vault, here.index)
        await cache.put(mine, 1, "a", value=b"1")
        redis_server.process.send_signal(signal.SIGSTOP)
        asked = 0

        def count(_error: Exception) -> None:
            nonlocal asked
            asked += 1
            fell_silent(_error)

        fell_silent = cache._shelf._fell_silent  # type: ignore[attr-defined]
        cache._shelf._fell_silent = count  # type: ignore[attr-defined]
        begun = time.monotonic()
        for _ in range(20):
            assert await cache.get(mine, 1, "a") is None
        # Once, and again only where the twenty took longer than the pause between two questions.
        assert 1 <= asked <= 1 + (time.monotonic() - begun) / module._REDIS_AGAIN_SECONDS
        redis_server.process.send_signal(signal.SIGCONT)
        await cache._shelf.close()

    run(work)


def test_memory_keeps_the_latest_for_a_while(run: Run[None], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(module, "TTLCache", lambda size, seconds: TTLCache(size, seconds, timer=lambda: now))

    async def work(_here: Foundation) -> None:
        nonlocal now
        shelf = MemoryShelf(2, 60)
        for key in ("a", "b"):
            await shelf.put(key, key.encode())
        assert await shelf.get("a") == b"a"
        await shelf.put("c", b"c")
        assert [await shelf.get(key) for key in ("a", "b", "c")] == [b"a", None, b"c"]
        now += 59
        assert await shelf.get("a") == b"a"
        now += 1
        assert await shelf.get("a") is None
        await shelf.put("d", b"d")
        await shelf.close()
        assert await shelf.get("d") is None

    run(work)


class Slow:
    """A shelf that notes what it is asked."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.closed = 0

    async def get(self, key: str) -> bytes | None:
        return self.kept.get(key)

    async def put(self, key: str, value: bytes) -> None:
        self.kept[key] = value

    async def close(self) -> None:
        self.closed += 1


def test_what_is_kept_is_the_keys_id_and_a_seal_of_this_place(clinic: Clinic) -> None:
    shelf, here = Slow(), clinic.foundation
    mine = clinic.patient(clinic.organisation())
    cache = SealedCache(shelf, here.vault, here.index)
    clinic.run(cache.put(mine, 3, "forecast", "v1", value=CANARY))
    ((key, value),) = shelf.kept.items()
    digest = here.index.keyed("cache", mine.hex, "3", "forecast", "v1").hex()
    assert key == f"novamind:1:{digest}"
    cipher = clinic.run(here.vault.cipher(mine))
    assert value[:16] == cipher.key_id.bytes
    assert cipher.open(value[16:], cipher.key_id, Place("cache", "value", key)) == CANARY
    clinic.run(here.store.append(mine, Kind.NOTE, [{}], CLINICIAN))
    assert clinic.run(cache.get(mine, 3, "forecast", "v1")) == CANARY
    assert clinic.run(cache.get(uuid4(), 3, "forecast", "v1")) is None
    clinic.run(here.retention.forget(mine, CLINICIAN))
    assert clinic.run(cache.get(mine, 3, "forecast", "v1")) is None


def test_an_altered_value_is_told_and_a_missing_one_is_not(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[tuple[str, list[str]]] = []
    log = SimpleNamespace(warning=lambda text, **fields: warned.append((text, sorted(fields))))
    monkeypatch.setattr(module, "log", log)
    shelf, here = Slow(), clinic.foundation
    mine = clinic.patient(clinic.organisation())
    cache = SealedCache(shelf, here.vault, here.index)
    assert clinic.run(cache.get(mine, 1, "a")) is None
    assert warned == []
    clinic.run(cache.put(mine, 1, "a", value=b"1"))
    ((key, value),) = shelf.kept.items()
    for altered in (value[:-1], b"", value[:10], bytes(16) + value[16:]):
        shelf.kept[key] = altered
        assert clinic.run(cache.get(mine, 1, "a")) is None
    assert warned == [("a cached value was altered; it is computed again", ["exc_info"])] * 4


def test_redis_is_asked_for_a_quarter_of_a_second_and_not_again_for_two(monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    now = 500.0
    monkeypatch.setattr(module, "log", SimpleNamespace(warning=lambda text, **_fields: warned.append(text)))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    meanwhile = Slow()
    shelf = RedisShelf("redis://127.0.0.1:1", 1.5, meanwhile)
    options = shelf._redis.connection_pool.connection_kwargs
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (0.25, 0.25)
    assert options["retry"]._retries == 0
    asked: list[tuple[object, ...]] = []
    there: dict[str, object] = {"a": b"1", "n": 7}
    down = False

    class Client:
        async def get(self, key: str) -> object:
            asked.append(("get", key))
            if down:
                raise TimeoutError
            return there.get(key)

        async def set(self, key: str, value: bytes, px: int) -> None:
            asked.append(("set", key, value, px))
            if down:
                raise OSError

        async def aclose(self) -> None:
            asked.append(("close",))

    shelf._redis = Client()  # type: ignore[assignment]

    async def work() -> None:
        nonlocal now, down
        assert [await shelf.get(key) for key in ("a", "b", "n")] == [b"1", None, None]
        await shelf.put("c", b"3")
        assert asked[-1] == ("set", "c", b"3", 1500)
        assert meanwhile.kept == {}
        down = True
        await shelf.put("d", b"4")
        assert meanwhile.kept == {"d": b"4"}
        count = len(asked)
        assert await shelf.get("d") == b"4"
        now += 1.999
        await shelf.put("e", b"5")
        assert len(asked) == count
        now += 0.001
        assert await shelf.get("e") == b"5"
        assert asked[-1] == ("get", "e")
        now += 1.0
        assert await shelf.get("a") is None
        assert asked[-1] == ("get", "e")
        now += 1.0
        down = False
        assert await shelf.get("a") == b"1"
        await shelf.close()
        assert (asked[-1], meanwhile.closed) == (("close",), 1)

    asyncio.run(work())
    assert warned == ["the shared cache does not answer; this process keeps its own"] * 2
