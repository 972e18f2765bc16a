"""Cached values are sealed, go with the revision, and survive a Redis that does not."""

import signal
import time
from uuid import UUID

import pytest
import redis

from novamind.infrastructure import cache as module
from novamind.infrastructure.bootstrap import Foundation
from novamind.infrastructure.cache import MemoryShelf, RedisShelf, SealedCache, Shelf
from novamind.infrastructure.patient_store import Identity
from tests.conftest import Redis
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
    monkeypatch.setattr(module, "_REDIS_AGAIN_SECONDS", 0.1)

    async def work(here: Foundation) -> None:
        mine = await patient(here)
        cache = SealedCache(shelves(redis_server)["redis"], here.vault, here.index)
        await cache.put(mine, 1, "a", value=b"1")
        redis_server.stop()
        assert await cache.get(mine, 1, "a") is None
        await cache.put(mine, 1, "b", value=b"2")
        assert await cache.get(mine, 1, "b") == b"2"
        redis_server.start()
        time.sleep(0.15)
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


def test_memory_keeps_the_latest_for_a_while(run: Run[None]) -> None:
    async def work(_here: Foundation) -> None:
        shelf = MemoryShelf(2, 0.05)
        for key in ("a", "b"):
            await shelf.put(key, key.encode())
        assert await shelf.get("a") == b"a"
        await shelf.put("c", b"c")
        assert [await shelf.get(key) for key in ("a", "b", "c")] == [b"a", None, b"c"]
        time.sleep(0.06)
        assert await shelf.get("a") is None

    run(work)
