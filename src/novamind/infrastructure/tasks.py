"""Ending tasks that run for ever."""

import asyncio
from collections.abc import Collection
from typing import Any, Final

_AGAIN_SECONDS: Final = 1.0


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended; their exceptions stay with them.

    Once is not enough: a cancellation that arrives together with an answer or an error is lost
    (https://github.com/python/cpython/issues/86296), and a task that takes errors in its stride goes on.
    """
    going: Collection[asyncio.Task[Any]] = tasks
    while going:
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=_AGAIN_SECONDS)
