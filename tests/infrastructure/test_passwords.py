"""Passwords at the edges of their rules, and as many at once as there are places."""

import asyncio
import threading
from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.infrastructure.identity.passwords import Passwords
from tests.infrastructure.clinic import CHEAP
from tests.patience import patient

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("password", "good"),
    [
        (LETTERS[:11], False),
        (LETTERS[:12], True),
        ((LETTERS * 10)[:256], True),
        ((LETTERS * 10)[:257], False),
        ("abc" * 5, False),  # three characters over and over
        ("abcd" * 3, True),
        ("", False),
    ],
)
def test_a_password_has_12_to_256_characters_of_4_kinds_or_more(password: str, good: bool) -> None:
    if good:
        assert asyncio.run(CHEAP.hash(password)).startswith("$argon2id$")
        return
    with pytest.raises(ValidationError, match="12 to 256"):
        asyncio.run(CHEAP.hash(password))


def test_a_hash_is_made_as_owasp_recommends() -> None:
    """Password Storage Cheat Sheet: Argon2id with 19 MiB of memory, 2 iterations and 1 degree of parallelism."""
    assert Passwords()._nobody.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_the_right_password_matches_and_nothing_else_does() -> None:
    async def work() -> list[bool]:
        right = await CHEAP.hash("correct horse")
        longest = await CHEAP.hash((LETTERS * 10)[:256])
        return [
            await CHEAP.matches("correct horse", right),
            await CHEAP.matches("correct horse ", right),
            await CHEAP.matches("correct horse", None),
            await CHEAP.matches("nobody has this password", None),  # what is compared then is nobody's
            await CHEAP.matches("correct horse", "no hash at all"),
            await CHEAP.matches((LETTERS * 10)[:256], longest),
            await CHEAP.matches((LETTERS * 10)[:255], longest),
            await CHEAP.matches("x" * 10_000_000, right),
        ]

    assert asyncio.run(work()) == [True, False, False, False, False, True, False, False]


def test_no_more_than_256_characters_are_ever_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    passwords = Passwords(1, 8)
    monkeypatch.setattr(passwords, "_verify", lambda password, _hash: bool(lengths.append(len(password))))
    asyncio.run(passwords.matches("x" * 257, None))
    assert lengths == [256]


@pytest.mark.parametrize("how", ["hash", "match"])
def test_four_are_hashed_at_once_and_the_fifth_waits(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        passwords = Passwords(1, 8)
        inside, go_on = threading.Semaphore(0), threading.Event()

        def slow(*_: object) -> Any:
            inside.release()
            go_on.wait(patient(60))
            return "hash" if how == "hash" else True

        if how == "hash":
            monkeypatch.setattr(type(passwords._hasher), "hash", slow)
            tasks = [asyncio.create_task(passwords.hash("correct horse")) for _ in range(6)]
        else:
            monkeypatch.setattr(passwords, "_verify", slow)
            tasks = [asyncio.create_task(passwords.matches("correct horse", "hash")) for _ in range(6)]
        for _ in range(4):
            assert await asyncio.to_thread(inside.acquire, timeout=patient(60))
        assert not inside.acquire(timeout=0.05)
        go_on.set()
        assert len(await asyncio.gather(*tasks)) == 6

    asyncio.run(work())
