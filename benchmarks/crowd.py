"""What honest callers notice of those who crawl and crowd: writes ``results/crowd.json``, a table of docs/security.md.

``novamind serve`` as one process on SQLite; four callers read forecasts that were made before, over connections of
their own. In turn with quiet rounds: 500 connections that send a line of a head each second and never its end
(slowloris), 500 that begin a head and are silent (both are opened again when the server shuts them), and 1000 requests
in one heap on one connection, again and again.

    python benchmarks/crowd.py --rounds 5
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from load import Connection, clinic, free_port, measure, served
from tables import fill, markdown

RESULTS = Path(__file__).parent / "results" / "crowd.json"
PAGE = Path(__file__).parent.parent / "docs" / "security.md"
CROWD, CALLERS, HEAP = 500, 4, 1000
BEGUN = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
NAMES = {
    "slowloris": f"{CROWD} heads of which a line comes each second",
    "half_open": f"{CROWD} heads that are begun and not ended",
    "pipelined": f"heaps of {HEAP} requests on one connection",
}


async def crawl(port: int, drip: bool) -> None:
    """One connection after another whose head never ends."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(BEGUN)
            ended = asyncio.ensure_future(reader.read())
            try:
                while not ended.done():
                    await asyncio.wait([ended], timeout=1.0)
                    if drip and not ended.done():
                        writer.write(b"X-Slow: 1\r\n")
            finally:
                ended.cancel()
                writer.close()


async def heap(port: int) -> None:
    """A thousand requests at once, and again when all were answered."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write((BEGUN + b"\r\n") * (HEAP - 1) + BEGUN + b"Connection: close\r\n\r\n")
        try:
            await reader.read()
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def crowding(kind: str, port: int) -> AsyncIterator[None]:
    works: dict[str, Callable[[], list[Awaitable[None]]]] = {
        "quiet": list,
        "slowloris": lambda: [crawl(port, True) for _ in range(CROWD)],
        "half_open": lambda: [crawl(port, False) for _ in range(CROWD)],
        "pipelined": lambda: [heap(port)],
    }
    tasks = [asyncio.ensure_future(work) for work in works[kind]()]
    await asyncio.sleep(1.0 if tasks else 0.0)  # until the crowd is there
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def run(rounds: int, seconds: float) -> dict[str, Any]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        world, command, environment = await clinic(folder, port)
        with served(command, port, environment):
            return await compared(world, port, rounds, seconds)


async def compared(world: dict[str, Any], port: int, rounds: int, seconds: float) -> dict[str, Any]:
    patients, tokens = world["patients"], world["tokens"]
    connections = [await Connection(port).open() for _ in range(CALLERS)]
    for patient in patients:
        await connections[0].ask("GET", f"/api/v1/patients/{patient}/forecast", tokens[0])

    def read(number: int, asked: int) -> tuple[str, str, str]:
        turn = number + asked * CALLERS
        return "GET", f"/api/v1/patients/{patients[turn % len(patients)]}/forecast", str(tokens[turn % len(tokens)])

    p95: dict[str, list[float]] = {kind: [] for kind in ("quiet", *NAMES)}
    for _ in range(rounds):
        for kind in p95:
            async with crowding(kind, port):
                _, took = await measure(connections, read, seconds)
            p95[kind].append(1000 * statistics.quantiles(took, n=20)[18])
            print(kind, round(p95[kind][-1], 2), len(took), flush=True)
    for connection in connections:
        connection.close()
    found: dict[str, Any] = {"rounds": rounds, "seconds_a_round": seconds, "callers": CALLERS}
    found["quiet_p95_ms"] = round(statistics.median(p95["quiet"]), 2)
    for kind in NAMES:
        ratios = [crowded / quiet for crowded, quiet in zip(p95[kind], p95["quiet"], strict=True)]
        found[kind] = {
            "p95_ms": round(statistics.median(p95[kind]), 2),
            "ratio": round(statistics.median(ratios), 2),
            "ratio_lowest": round(min(ratios), 2),
            "ratio_highest": round(max(ratios), 2),
        }
    return found


def tables(found: dict[str, Any]) -> dict[str, str]:
    """What the page on security shows."""
    rows = [["nobody crowds", f"{found['quiet_p95_ms']:.1f} ms", "1"]]
    for kind, name in NAMES.items():
        its = found[kind]
        ratio = f"{its['ratio']:.1f} ({its['ratio_lowest']:.1f} to {its['ratio_highest']:.1f})"
        rows.append([name, f"{its['p95_ms']:.1f} ms", ratio])
    return {"crowd": markdown(["beside honest callers", "their p95", "against quiet"], rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    found = asyncio.run(run(options.rounds, options.seconds))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    fill(PAGE, tables(found))


if __name__ == "__main__":
    main()
