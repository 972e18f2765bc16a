"""Work that goes on for ever ends when it is told to, whatever it is doing then."""

import asyncio
from contextlib import suppress

import pytest

from novamind.infrastructure import tasks as module
from novamind.infrastructure.tasks import end
from tests.patience import patient


def test_a_task_that_loses_its_first_cancellation_is_ended_all_the_same() -> None:
    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):  # as when an error takes its place
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)

    async def run() -> list[bool]:
        tasks = [asyncio.create_task(stubborn()), asyncio.create_task(asyncio.sleep(3600))]
        await asyncio.sleep(0)
        await end(tasks)
        await end(tasks)  # those that have ended already
        return [task.cancelled() for task in tasks]

    assert asyncio.run(run()) == [True, True]


def test_tasks_are_cancelled_again_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module._AGAIN_SECONDS == 1.0
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.01)
    cancelled = 0

    async def stubborn() -> None:
        nonlocal cancelled
        while cancelled < 3:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cancelled += 1

    async def run() -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        async with asyncio.timeout(patient(10)):
            await end([task])
            await end([])
        assert task.done()

    asyncio.run(run())
    assert cancelled == 3
