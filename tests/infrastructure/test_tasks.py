"""Work that goes on for ever ends when it is told to, whatever it is doing then."""

import asyncio
from contextlib import suppress

from novamind.infrastructure.tasks import end


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
