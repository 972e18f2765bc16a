"""How many faults the tests notice: faults are put in one at a time, and the tests that reach them are run.

    python benchmarks/mutants.py --seed 0 1 2          # 120 faults a seed, every room alike
    python benchmarks/mutants.py --changed             # faults in the lines that differ from HEAD (or --changed REV)
    python benchmarks/mutants.py --rooms symptoms twin --count 60

Faults come from `faults.py`. Which tests reach a line is measured first: the tests run once with coverage, and what
each file of tests reaches is kept in `.mutants/` until that file changes. A fault in a function is tried on the tests
that run its statement; one in a constant, a cached function or a table on the tests that run what uses it. The nearest
tests come first, and a fault ends with the first test that fails. `--seconds` bounds the tests of one fault by the time
they took when they were measured, so a survivor may be one that a longer run would have noticed.

Faults that change no behaviour are named, each with its reason, in `equivalent_faults/<room>.toml`; they do not count.
"""

import argparse
import ast
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from faults import Fault, candidates, room_of
from tables import fill, markdown

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "mutants.json"
PAGE = ROOT / "docs" / "testing.md"
SLOW = ROOT / "tests" / "slow.txt"
KNOWN = ROOT / "benchmarks" / "equivalent_faults"
REACH = ROOT / ".mutants"

#: Share of the faults drawn from tables; the others are in code.
FACTS = 0.25
#: Tests folders beside ``tests/<room>`` whose main subject is a room.
ALSO: Mapping[str, tuple[str, ...]] = {
    "infrastructure": ("tests/security",),
    "server": ("tests/security", "tests/dashboard"),
    "package": ("tests",),
    "pages": ("tests/symptoms", "tests/twin"),
}
#: What tests mostly wait for is brought in once; the package itself is brought in anew for each fault.
PRELOADED = (
    "pytest", "hypothesis", "numpy", "scipy.stats", "scipy.optimize", "polars", "pandas", "narwhals", "sqlalchemy",
    "sqlalchemy.ext.asyncio", "alembic.command", "fastapi", "strawberry", "httpx", "altair",
    "typer.testing", "cryptography.fernet", "webauthn", "structlog", "redis.asyncio",
    "pytest_timeout", "pytest_cov.plugin",
)  # fmt: skip

#: How pytest runs the tests of one fault; what is brought in beforehand cannot have its assertions rewritten.
OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-cov"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


# -- which tests reach what --------------------------------------------------------------------------------------------


class Recorder:
    """A pytest plugin: seconds of every test that passed, and those that did not."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count one phase of one test."""
        self.seconds[report.nodeid] += report.duration
        if not report.passed:
            self.failed.add(report.nodeid)


@dataclass(frozen=True, slots=True)
class Reach:
    """What the tests of one file reach.

    Attributes
    ----------
    tests
        Node ids, and the seconds that each took.
    lines
        Lines of source files, and the tests (by position in ``tests``) that ran them.
    sources
        Digests of these source files as they were.
    """

    tests: dict[str, float]
    lines: dict[str, dict[str, list[int]]]
    sources: dict[str, str]


def slow_functions(seconds: float = 0.1) -> list[str]:
    """Return the test functions that took longer than this, with all their parameters."""
    total: Counter[str] = Counter()
    for reach in load():
        for test, took in reach.tests.items():
            total[test.partition("[")[0]] += took
    return sorted(test for test, took in total.items() if took > seconds)


def digest(path: Path) -> str:
    """Return a short digest of a file's content."""
    return sha256(path.read_bytes()).hexdigest()[:16]


def test_files() -> list[Path]:
    """Return the files of tests, in order."""
    return sorted((ROOT / "tests").rglob("test_*.py"))


def _stored(file: Path) -> Path:
    name = file.relative_to(ROOT).as_posix().replace("/", "-")
    return REACH / f"{name}-{digest(file)}.json"


def measure(files: Sequence[Path], jobs: int) -> None:
    """Run these files of tests with coverage and keep what each reaches."""
    print(f"measuring what {len(files)} files of tests reach", file=sys.stderr)
    REACH.mkdir(exist_ok=True)
    code = f"import mutants; mutants.record({[str(f.relative_to(ROOT)) for f in files]!r}, {jobs})"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "benchmarks"), str(ROOT / "src")]),
        "COVERAGE_FILE": str(REACH / f"coverage-{os.getpid()}"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    for left in REACH.glob(f"coverage-{os.getpid()}*"):
        left.unlink()


def record(files: Sequence[str], jobs: int) -> None:
    """Run the tests in this process and write what they reach."""
    import pytest
    from coverage import CoverageData

    recorder = Recorder()
    workers = ["-n", str(jobs), "--dist", "loadfile", "--no-loadscope-reorder"] if jobs > 1 and len(files) > 1 else []
    pytest.main(
        [*files, *workers, "-q", "--cov", "--cov-context=test", "--cov-report=", "--cov-fail-under=0"],
        plugins=[recorder],
    )
    covered = CoverageData(os.environ["COVERAGE_FILE"])
    covered.read()
    tests: dict[str, dict[str, float]] = defaultdict(dict)
    for test, seconds in recorder.seconds.items():
        if test not in recorder.failed:
            tests[test.partition("::")[0]][test] = round(seconds, 3)
    numbers = {test: i for kept in tests.values() for i, test in enumerate(kept)}
    lines: dict[str, dict[str, dict[str, set[int]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(set)))
    for source in covered.measured_files():
        path = Path(source).resolve().relative_to(ROOT.resolve()).as_posix()
        for line, contexts in covered.contexts_by_lineno(source).items():
            for context in contexts:
                test, _, phase = context.rpartition("|")
                file = test.partition("::")[0]
                if test in numbers:
                    lines[file][path][str(line)].add(numbers[test])
                # what a fixture of a wider scope does is measured in the first test that asks for it
                if phase == "setup":
                    lines[file][path][str(line)].update(range(len(tests[file])))
    for file, kept in tests.items():
        reached = {path: {n: sorted(which) for n, which in at.items()} for path, at in lines[file].items()}
        sources = {path: digest(ROOT / path) for path in reached}
        for old in REACH.glob(_stored(ROOT / file).name.rpartition("-")[0] + "-*.json"):
            old.unlink()
        _stored(ROOT / file).write_text(json.dumps({"tests": kept, "lines": reached, "sources": sources}))


def load() -> list[Reach]:
    """Return what is known of every file of tests as it stands now."""
    return [Reach(**json.loads(path.read_text())) for path in map(_stored, test_files()) if path.exists()]


def own_folders(rooms: Iterable[str]) -> list[str]:
    """Return the folders of tests whose subject is one of these rooms."""
    return [folder for room in rooms for folder in (f"tests/{room}", *ALSO.get(room, ())) if (ROOT / folder).exists()]


def bring_up_to_date(rooms: Sequence[str], everything: bool, jobs: int) -> None:
    """Measure the files of tests that are new, have changed, or reach sources that have."""
    now = {path: digest(ROOT / path) for path in _sources()}
    stale = []
    for file in test_files():
        stored = _stored(file)
        name = file.relative_to(ROOT).as_posix()
        near = everything or any(name.startswith(folder + "/") for folder in own_folders(rooms))
        if not near:
            continue
        if stored.exists():
            reach = Reach(**json.loads(stored.read_text()))
            if all(now.get(path) == old for path, old in reach.sources.items() if room_of(path) in rooms):
                continue
        stale.append(file)
    if stale:
        measure(stale, jobs)


@cache
def _sources() -> tuple[str, ...]:
    return tuple(p.relative_to(ROOT).as_posix() for p in sorted((ROOT / "src").rglob("*.py")))


class Uses:
    """Which functions of the package speak of a name that a module binds."""

    def __init__(self) -> None:
        self._functions: list[tuple[str, int, int, frozenset[str]]] = []
        self._constants: dict[str, list[tuple[str, frozenset[str]]]] = defaultdict(list)
        self._cached: set[tuple[str, int]] = set()
        self._names: dict[tuple[str, int], str] = {}
        self._texts = {path: (ROOT / path).read_text("utf-8") for path in _sources()}
        for path, text in self._texts.items():
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    names = _names(node)
                    self._functions.append((path, node.lineno, node.end_lineno or node.lineno, names))
                    self._names[path, node.lineno] = node.name
                    if any("cache" in ast.unparse(d) for d in node.decorator_list):
                        self._cached.add((path, node.lineno))
                elif isinstance(node, ast.Assign | ast.AnnAssign):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    for target in targets:
                        if isinstance(target, ast.Name):
                            self._constants[path].append((target.id, _names(node)))

    def of(self, fault: Fault) -> list[tuple[str, int, int]]:
        """Return file and lines of every function through which a fault outside running code is seen."""
        name = fault.name or self._names.get((fault.path, fault.function), "")
        names = {name}
        for _ in range(3):
            names |= {bound for bound, used in self._constants[fault.path] if used & names}
        module = Path(fault.path).stem if Path(fault.path).stem != "__init__" else Path(fault.path).parent.name
        return [
            (path, first, last)
            for path, first, last, used in self._functions
            if used & names and (path == fault.path or module in self._texts[path])
        ]

    def last_line(self, fault: Fault) -> int:
        """Return where the function of a fault ends."""
        return next(last for path, first, last, _ in self._functions if (path, first) == (fault.path, fault.function))

    def cached(self, fault: Fault) -> bool:
        """Return whether the fault is in a function that runs once and is remembered."""
        return (fault.path, fault.function) in self._cached


def _names(node: ast.AST) -> frozenset[str]:
    return frozenset(
        part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else str(part.arg)
        for part in ast.walk(node)
        if isinstance(part, ast.Name | ast.Attribute | ast.keyword)
    )


class Tests:
    """The tests that can notice a fault, the nearest first."""

    def __init__(self) -> None:
        self._reaches = load()
        self._seconds = {test: seconds for reach in self._reaches for test, seconds in reach.tests.items()}
        self._now = {path: digest(ROOT / path) for path in _sources()}
        self._uses = Uses()

    def _running(self, path: str, first: int, last: int) -> set[str]:
        found: set[str] = set()
        for reach in self._reaches:
            at = reach.lines.get(path)
            if at is None:
                continue
            moved = reach.sources[path] != self._now.get(path)  # lines may have other numbers now
            ids = list(reach.tests)
            for line, which in at.items():
                if moved or first <= int(line) <= last:
                    found.update(ids[i] for i in which if i < len(ids))
        return found

    def of(self, fault: Fault, seconds: float) -> list[list[str]]:
        """Return node ids in two parts: a few near and quick ones, then the others, within ``seconds``."""
        if fault.kind == "fact":
            folders = tuple(f"{folder}/" for folder in own_folders([fault.room]))
            reached = {test for test in self._seconds if test.startswith(folders)}
        else:
            reached = set()
            if fault.function:
                # A default is read where the function is defined and matters where it runs.
                in_signature = fault.statement_line == fault.function
                last = self._uses.last_line(fault) if in_signature else fault.line
                reached = self._running(fault.path, fault.statement_line, last)
            if not fault.function or not reached or self._uses.cached(fault):
                for path, first, last in self._uses.of(fault):
                    reached |= self._running(path, first, last)
            if not fault.function:
                dotted = ".".join(Path(fault.path).with_suffix("").parts[1:]).removesuffix(".__init__")
                speaking = [
                    test
                    for test in self._seconds
                    if dotted in (text := _text(test.partition("::")[0]))
                    and (not fault.name or fault.name in text or f"/test_{Path(fault.path).stem}.py::" in test)
                ]
                reached |= set(speaking) or self._running(fault.path, 1, 1_000_000)
        stem = Path(fault.path).stem.strip("_")

        def distance(test: str) -> tuple[int, float]:
            file = test.partition("::")[0]
            named = stem in Path(file).stem or (fault.kind == "fact" and stem in _text(file))
            near = file.startswith(tuple(own_folders([fault.room])))
            checks_facts = fault.kind == "fact" and "facts" in Path(file).stem
            return (-1 if checks_facts else 0 if near and named else 1 if near else 2), self._seconds[test]

        ordered = sorted(reached, key=distance)
        parts: list[list[str]] = [[], []]
        left, near = seconds, 6.0
        for test in ordered:
            cost = self._seconds[test] + 0.01
            if cost > left:
                continue
            left -= cost
            if cost <= near and len(parts[0]) < 60:
                near -= cost
                parts[0].append(test)
            else:
                parts[1].append(test)
        parts[1].sort(key=self._seconds.__getitem__)
        return [part for part in parts if part]

    def seconds(self, tests: Iterable[str]) -> float:
        """Return how long these tests took."""
        return sum(self._seconds[test] for test in tests)


@cache
def _text(file: str) -> str:
    return (ROOT / file).read_text("utf-8")


# -- one fault at a time -----------------------------------------------------------------------------------------------


def copy_of_the_tree(folder: Path) -> Path:
    """Copy what git tracks or would track, with what the tests of the docs read beside it."""
    root = folder / "tree"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout.decode()  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, root / name)
    if (ROOT.parent / "shared").exists():
        (folder / "shared").symlink_to(ROOT.parent / "shared")
    # compiled once, and by content: a fault of the same size in the same second is seen
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "src", "tests"],
        cwd=root, check=True,
    )  # fmt: skip
    return root


def _run(root: Path, tests: Sequence[str], limit: float, log: Path) -> str:
    """Run tests in a child of this process; ``passed``, ``failed``, or ``too long``."""
    child = os.fork()
    if not child:
        try:
            os.setsid()
            os.chdir(root)
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            os.environ["PYTHONPATH"] = str(root / "src")
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            sys.dont_write_bytecode = True
            sys.path[:] = [str(root / "src"), *(p for p in sys.path if not p.startswith(str(ROOT / "src")))]
            sys.argv = ["pytest"]
            import pytest

            code = int(pytest.main([*tests, *OPTIONS]))
        except BaseException:  # noqa: BLE001  # whatever the fault does, this child ends here
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "passed" if os.waitstatus_to_exitcode(status) in (0, 5) else "failed"
        time.sleep(0.02)
    for strength, patience in ((signal.SIGINT, 10.0), (signal.SIGKILL, 600.0)):
        os.killpg(child, strength)
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if os.waitpid(child, os.WNOHANG)[0]:
                return "too long"
            time.sleep(0.05)
    return "too long"


def _worker(tasks: Any, answers: Any, folder: str) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    for name in PRELOADED:
        __import__(name)
    root = copy_of_the_tree(Path(folder))
    healthy = False
    while (task := tasks.get()) is not None:
        index, fault, parts, limits = task
        if not healthy and parts:
            healthy = _run(root, parts[0], limits[0], Path(folder) / "log") == "passed"
            if not healthy:
                shutil.copyfile(Path(folder) / "log", REACH / "log")
                answers.put((index, "the tests fail without a fault: see .mutants/log"))
                return
        original = (ROOT / fault.path).read_bytes()
        outcome = "survived" if parts else "not reached"
        fault.put_in(root)
        for part, limit in zip(parts, limits, strict=True):
            result = _run(root, part, limit, Path(folder) / "log")
            if result != "passed":
                outcome = "killed"
                break
        (root / fault.path).write_bytes(original)
        answers.put((index, outcome))


def try_all(faults: Sequence[Fault], seconds: float, jobs: int) -> Iterator[tuple[Fault, str]]:
    """Put in each fault alone and run the tests that can notice it; ends when all are done."""
    tests = Tests()
    fork = multiprocessing.get_context("fork")
    tasks, answers = fork.Queue(), fork.Queue()
    for index, fault in enumerate(faults):
        parts = tests.of(fault, seconds)
        tasks.put((index, fault, parts, [60 + 10 * tests.seconds(part) for part in parts]))
    with tempfile.TemporaryDirectory(prefix="nm-mutants-", ignore_cleanup_errors=True) as folder:
        workers = []
        for number in range(jobs):
            own = Path(folder) / str(number)
            own.mkdir()
            tasks.put(None)
            workers.append(fork.Process(target=_worker, args=(tasks, answers, str(own)), daemon=True))
            workers[-1].start()
        Path(folder).chmod(0o755)  # a database server in the tests may run as another user
        for _ in faults:
            index, outcome = answers.get()
            if outcome.startswith("the tests fail"):
                sys.exit(outcome)
            yield faults[index], outcome
        for worker in workers:
            worker.join()


# -- what is drawn, and what is said of it -----------------------------------------------------------------------------


def draw(seed: int, count: int, rooms: Sequence[str]) -> list[Fault]:
    """Draw faults by seed: rooms alike, within a room every place alike, a quarter of all in tables."""
    rng = random.Random(seed)  # noqa: S311
    by_room: dict[tuple[str, str], list[Fault]] = defaultdict(list)
    for fault in candidates(ROOT, rng, lambda path: not rooms or room_of(path) in rooms):
        by_room[fault.kind, fault.room].append(fault)
    drawn = []
    for kind, share in (("code", 1 - FACTS), ("fact", FACTS)):
        lots = [rng.sample(faults, len(faults)) for (k, _), faults in sorted(by_room.items()) if k == kind]
        wanted, drawn_here = round(count * share), 0
        while lots and drawn_here < wanted:
            for lot in [lot for lot in lots if lot]:
                if drawn_here < wanted:
                    drawn.append(lot.pop())
                    drawn_here += 1
            lots = [lot for lot in lots if lot]
    return drawn


def changed_lines(revision: str) -> dict[str, set[int]]:
    """Return the lines of the package that differ from a revision, by file; new files whole."""
    text = subprocess.run(
        ["git", "diff", "-U0", "--no-color", revision, "--", "src"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found: dict[str, set[int]] = defaultdict(set)
    path = ""
    for line in text.splitlines():
        if line.startswith("+++ "):
            path = line[6:]
        elif line.startswith("@@"):
            first, _, length = line.split("+")[1].split(" ")[0].partition(",")
            found[path].update(range(int(first), int(first) + int(length or 1)))
    new = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", "--", "src"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for path in new.splitlines():
        found[path].update(range(1, 1 + len((ROOT / path).read_bytes().splitlines())))
    return found


@cache
def equivalents() -> frozenset[tuple[str, str, str]]:
    """Faults that are known to change nothing: path, line before, line after."""
    rows = [row for file in sorted(KNOWN.glob("*.toml")) for row in tomllib.loads(file.read_text("utf-8"))["fault"]]
    return frozenset((row["path"], row["before"], row["after"]) for row in rows)


def judged(fault: Fault, outcome: str) -> str:
    """Return the outcome, or ``equivalent`` for a survivor that is known to change nothing."""
    known = (fault.path, fault.before, fault.after) in equivalents()
    return "equivalent" if known and outcome != "killed" else outcome


def summary(outcomes: Sequence[tuple[Fault, str]]) -> dict[str, Any]:
    """Count killed, survived and equivalent faults by room and kind, with the survivors by name."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for fault, outcome in outcomes:
        for key in (f"{fault.room} {fault.kind}", f"all {fault.kind}"):
            counts[key][outcome] += 1
    kept = ("path", "line", "operator", "before", "after")
    survivors = [
        {name: value for name, value in asdict(fault).items() if name in kept} | {"outcome": outcome}
        for fault, outcome in outcomes
        if outcome != "killed"
    ]
    return {"counts": {key: dict(value) for key, value in sorted(counts.items())}, "survivors": survivors}


def rate(count: Mapping[str, int]) -> float:
    """Return the share of faults noticed among those that change something."""
    noticed = count.get("killed", 0)
    total = noticed + count.get("survived", 0) + count.get("not reached", 0)
    return noticed / total if total else 1.0


def tables(results: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables of docs/testing.md."""
    total: dict[str, Counter[str]] = defaultdict(Counter)
    for seed in results["seeds"].values():
        for key, count in seed["counts"].items():
            total[key].update(count)
    rows = []
    for key in sorted(total, key=lambda key: (key.startswith("all"), key)):
        count = total[key]
        drawn = sum(count.values())
        rows.append([key, str(drawn), str(count["equivalent"]), f"{100 * rate(count):.0f} %"])
    return {"mutants": markdown(["room and kind", "faults", "of these without effect", "noticed"], rows)}


def report(outcomes: Sequence[tuple[Fault, str]]) -> None:
    """Print rates by room, and the survivors."""
    for key, count in summary(outcomes)["counts"].items():
        print(f"{key:24} {100 * rate(count):4.0f} %  {dict(count)}")
    for fault, outcome in outcomes:
        if outcome in {"survived", "not reached"}:
            print(f"{outcome}: {fault.path}:{fault.line} {fault.operator}\n  - {fault.before}\n  + {fault.after}")


def drawn_faults(
    asked: argparse.Namespace, seed: int, rooms: Sequence[str], lines: Mapping[str, set[int]]
) -> list[Fault]:
    """Draw the faults of one seed: from rooms alike, or from the changed lines or named files."""
    if not lines and not asked.paths:
        return draw(seed, asked.count, rooms)
    rng = random.Random(seed)  # noqa: S311
    pool = [
        fault
        for fault in candidates(ROOT, rng, lambda path: room_of(path) in rooms)
        if (fault.line in lines.get(fault.path, ()) if lines else any(part in fault.path for part in asked.paths))
    ]
    return rng.sample(pool, min(asked.count, len(pool)))


def main() -> None:
    """Read the command line, try the faults, keep and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, nargs="+", default=[0], help="each seed draws its own faults")
    parser.add_argument("--count", type=int, help="faults a seed (120; of changed lines 40)")
    parser.add_argument("--rooms", nargs="+", default=[], help="only these rooms; nothing is stored")
    parser.add_argument("--paths", nargs="+", default=[], help="only files whose path holds one of these")
    parser.add_argument("--changed", nargs="?", const="HEAD", help="only lines that differ from this revision")
    parser.add_argument("--seconds", type=float, default=60, help="of tests for one fault")
    parser.add_argument("--slow", action="store_true", help="only write down which tests take long, for make check")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    asked = parser.parse_args()
    asked.count = asked.count or (40 if asked.changed else 120)
    lines = changed_lines(asked.changed) if asked.changed else {}
    if asked.changed and not lines:
        print("nothing differs below src")
        return
    rooms = asked.rooms or sorted({room_of(path) for path in lines})
    if asked.paths:
        rooms = sorted({room_of(path) for path in _sources() if any(part in path for part in asked.paths)})
    bring_up_to_date(rooms or sorted({room_of(p) for p in _sources()}), not rooms, asked.jobs)
    if asked.slow:
        SLOW.write_text("\n".join(slow_functions()) + "\n", encoding="utf-8")
        return
    seeds: dict[str, Any] = {}
    every: list[tuple[Fault, str]] = []
    for seed in asked.seed:
        faults = drawn_faults(asked, seed, rooms, lines)
        outcomes = []
        for fault, outcome in try_all(faults, asked.seconds, asked.jobs):
            outcomes.append((fault, judged(fault, outcome)))
            print(f"\r{len(outcomes)} of {len(faults)}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        seeds[str(seed)] = summary(outcomes)
        every += outcomes
    report(every)
    if not rooms:
        RESULTS.write_text(json.dumps({"count": asked.count, "seeds": seeds}, indent=1, ensure_ascii=False) + "\n")
        fill(PAGE, tables({"seeds": seeds}))
    if asked.changed and rate(Counter(outcome for _, outcome in every)) < 0.9:
        sys.exit("fewer than nine of ten faults in this change are noticed")


if __name__ == "__main__":
    main()
