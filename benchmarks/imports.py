"""What it costs to start, in CPU seconds of fresh processes with compiled files: writes ``results/imports.json``.

Each program runs several times and its least time counts. Beside ours stand the libraries that a program like it cannot
do without, in the same run; ``bare`` is the interpreter alone.

    python benchmarks/imports.py --runs 7
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from tables import fill, markdown

RESULTS = Path(__file__).parent / "results" / "imports.json"
PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
SHELL = ("-c", "from novamind.cli import main; main()")
#: Program to what it is called, what Python is asked to do, and what it cannot do without.
PROGRAMS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "bare": ("Python alone", ("-c", "pass"), "bare"),
    "novamind": ("`import novamind`", ("-c", "import novamind"), "bare"),
    "typer": ("`import typer`", ("-c", "import typer"), "typer"),
    "help": ("`novamind --help`", (*SHELL, "--help"), "typer"),
    "libraries": (
        "`import fastapi, strawberry, sqlalchemy`",
        ("-c", "import fastapi, strawberry, sqlalchemy"),
        "libraries",
    ),
    "app": ("`import novamind.server.app`", ("-c", "import novamind.server.app"), "libraries"),
    "one_room": (
        "the application of one room, built",
        ("-c", "from novamind.server.app import create_app; create_app(only=('symptoms',))"),
        "libraries",
    ),
    "whole": (
        "the whole application, built",
        ("-c", "from novamind.server.app import create_app; create_app()"),
        "libraries",
    ),
}


def cpu_seconds(arguments: tuple[str, ...]) -> float:
    """Return user and system time of one Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(runs: int) -> dict[str, Any]:
    """Return the least time of each program; the programs take turns, so that a busy minute meets all of them."""
    least: dict[str, float] = {}
    for _ in range(runs + 1):  # the first compiles
        for name, (_, arguments, _) in PROGRAMS.items():
            least[name] = min(least.get(name, float("inf")), cpu_seconds(arguments))
    return {"runs": runs, "cpu_seconds": {name: round(seconds, 3) for name, seconds in least.items()}}


def tables(found: dict[str, Any]) -> dict[str, str]:
    """What the page on architecture shows."""
    seconds = found["cpu_seconds"]
    rows = [
        [title, f"{seconds[name]:.2f}", f"{seconds[name] / seconds[floor]:.1f}"]
        for name, (title, _, floor) in PROGRAMS.items()
    ]
    return {"imports": markdown(["program", "CPU seconds", "against what it cannot do without"], rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    found = run(parser.parse_args().runs)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    fill(PAGE, tables(found))


if __name__ == "__main__":
    main()
