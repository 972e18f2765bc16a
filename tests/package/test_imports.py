"""What an import brings along, and what it leaves until it is used; how long each takes is a benchmark's."""

import json
import subprocess
import sys

import pytest

#: Libraries that take a tenth of a second or more, or that only some of the work needs.
HEAVY = {
    "alembic", "altair", "fastapi", "httpx", "jinja2", "joserfc", "narwhals", "numpy", "onnxruntime", "pandas",
    "polars", "pydantic", "scipy", "sklearn", "sqlalchemy", "strawberry", "structlog", "uvicorn", "vl_convert",
    "webauthn", "xgboost",
}  # fmt: skip
SHELL = """
import contextlib, io, sys
from novamind import cli
sys.argv = ["novamind", "--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    cli.main()
"""
ROOMS = (
    "biometrics",
    "clinic",
    "drugs",
    "neurochemistry",
    "pharmacogenomics",
    "populations",
    "records",
    "symptoms",
    "twin",
)


def libraries_of(program: str) -> set[str]:
    """Return which libraries a fresh process has imported at the end of a program."""
    shown = "\nimport json, sys\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", program + shown], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_front_door_imports_no_library() -> None:
    imports = "\n".join(f"import novamind.{room}; dir(novamind.{room})" for room in ROOMS)
    assert libraries_of(f"import novamind; dir(novamind)\n{imports}") & HEAVY == set()


def test_the_shell_s_help_imports_no_library() -> None:
    libraries = libraries_of(SHELL)
    assert libraries & HEAVY == set()
    assert "asyncio" not in libraries
    assert "typer" in libraries


def test_the_application_is_imported_with_what_starts_it() -> None:
    libraries = libraries_of("import novamind.server.app")
    assert libraries & HEAVY == {"fastapi", "jinja2", "pydantic", "sqlalchemy", "structlog"}


def test_a_room_served_alone_leaves_what_only_the_whole_needs() -> None:
    libraries = libraries_of("from novamind.server.app import create_app\ncreate_app(only=('pharmacogenomics',))")
    assert libraries & {"alembic", "onnxruntime", "scipy", "strawberry", "webauthn"} == set()


@pytest.mark.parametrize(
    ("name", "brings", "leaves"),
    [
        ("pharmacogenomics.recommend", {"numpy"}, {"altair", "fastapi", "polars", "scipy", "sqlalchemy"}),
        ("symptoms.forecast", {"numpy", "polars"}, {"altair", "fastapi", "pandas", "sqlalchemy"}),
        ("biometrics.correlate", {"numpy", "scipy"}, {"altair", "fastapi", "pandas", "sqlalchemy"}),
        ("populations.TwinGenerator", {"numpy"}, {"altair", "fastapi", "pandas", "sqlalchemy"}),
    ],
)
def test_a_function_brings_its_own_libraries_and_no_others(name: str, brings: set[str], leaves: set[str]) -> None:
    libraries = libraries_of(f"import novamind as nm\nnm.{name}")
    assert brings <= libraries
    assert libraries & leaves == set()
