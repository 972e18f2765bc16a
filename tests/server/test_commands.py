"""``novamind serve`` and ``novamind users``, without a server that stays."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from typer.testing import CliRunner

from novamind import cli
from novamind.errors import ValidationError
from novamind.infrastructure.identity.domain import Role
from novamind.server import commands, container
from novamind.server.app import ROOMS
from novamind.server.connections import options
from novamind.server.demo import Login
from novamind.settings import Settings


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("NOVAMIND_DATABASE_URL", f"sqlite:///{tmp_path}/novamind.db")
    monkeypatch.setenv("NOVAMIND_KEY_FILE", str(tmp_path / "keys.json"))
    for name in ("NOVAMIND_PUBLIC_URL", "NOVAMIND_SERVE_ONLY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def run(*words: object, given: str = "") -> Any:
        return CliRunner().invoke(cli.app, [str(word) for word in words], input=given, catch_exceptions=False)

    return run


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What uvicorn was told, and before it what was prepared."""
    told: list[Any] = []

    async def prepare(settings: Settings, *, demo: bool) -> tuple[Login, ...]:
        told.append((settings.public_url, demo))
        return (Login("demo", "secret"),) if demo else ()

    monkeypatch.setattr(commands, "_prepare", prepare)
    monkeypatch.setattr(uvicorn, "run", lambda *given, **named: told.append((given, named)))
    return told


def test_a_server_is_started_on_loopback_with_a_demo(shell: Any, served: Any) -> None:
    out = shell("serve").stdout
    assert out.split("\n") == [
        "Novamind answers at http://127.0.0.1:8000",
        "A demo clinic with simulated patients was made; its logins are shown this once:",
        "  demo          secret",
        "",
    ]
    (prepared, (given, named)) = served
    assert prepared == ("http://127.0.0.1:8000", True)
    assert given == ("novamind.server.app:from_environment",)
    assert named == {"factory": True, "host": "127.0.0.1", "port": 8000, "workers": 1} | options()
    assert json.loads(os.environ["NOVAMIND_SERVE_ONLY"]) == []


@pytest.mark.parametrize(
    ("words", "url", "demo"),
    [
        (("--host", "localhost", "--port", "9000"), "http://localhost:9000", True),
        (("--host", "0.0.0.0", "--port", "9000"), "http://127.0.0.1:8000", True),  # noqa: S104
        (("--no-demo",), "http://127.0.0.1:8000", False),
        (("--only", "symptoms"), "http://127.0.0.1:8000", False),
    ],
)
def test_where_it_says_it_is_and_whether_there_is_a_demo(
    words: Any, url: str, demo: bool, shell: Any, served: Any
) -> None:
    out = shell("serve", *words).stdout
    assert served[0] == (url, demo)
    assert ("demo clinic" in out) is demo


def test_an_address_that_was_set_stays(shell: Any, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVAMIND_PUBLIC_URL", "https://clinic.example")
    assert shell("serve", "--workers", "3").stdout.startswith("Novamind answers at https://clinic.example\n")
    assert served[1][1]["workers"] == 3


def test_rooms_are_handed_to_the_workers(shell: Any, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shell("serve", "--only", "symptoms", "--only", "neurochemistry", "--only", "symptoms")
    assert json.loads(os.environ["NOVAMIND_SERVE_ONLY"]) == ["symptoms", "neurochemistry"]
    monkeypatch.setenv("NOVAMIND_SERVE_ONLY", '["pharmacogenomics"]')
    shell("serve")
    assert json.loads(os.environ["NOVAMIND_SERVE_ONLY"]) == ["pharmacogenomics"]
    assert [one for one in served if isinstance(one[1], bool)] == [("http://127.0.0.1:8000", False)] * 2
    with pytest.raises(ValidationError, match=f"no such room to serve alone; choose from {', '.join(ROOMS)}$"):
        shell("serve", "--only", "dreams")


def test_tls_needs_both_of_its_files(shell: Any, served: Any, tmp_path: Path) -> None:
    certificate = tmp_path / "c.pem"
    for half in (("--certificate", certificate), ("--private-key", certificate)):
        with pytest.raises(ValidationError, match="TLS needs both --certificate and --private-key"):
            shell("serve", *half)
    with pytest.raises(ValidationError, match="the file of --certificate does not exist"):
        shell("serve", "--certificate", certificate, "--private-key", "k.pem")
    assert served == []
    certificate.write_text("x")
    shell("serve", "--certificate", certificate, "--private-key", "k.pem")
    named = served[1][1]
    assert (named["ssl_certfile"], named["ssl_keyfile"]) == (certificate, Path("k.pem"))


MADE = UUID(int=5)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A container that makes what it is asked for, and notes it."""
    calls: list[Any] = []

    async def add_user(*given: Any, **named: Any) -> UUID:
        calls.append((*given, named))
        return MADE

    async def add_organisation(*given: Any) -> UUID:
        calls.append(given)
        return MADE

    @asynccontextmanager
    async def opened(_settings: Settings) -> AsyncIterator[Any]:
        yield SimpleNamespace(
            identity=SimpleNamespace(accounts=SimpleNamespace(add_user=add_user)),
            foundation=SimpleNamespace(store=SimpleNamespace(add_organisation=add_organisation)),
            operator=lambda purpose: f"operator for {purpose}",
        )

    monkeypatch.setattr(container, "open_container", opened)
    return calls


def test_an_organisation_is_made(shell: Any, asked: Any) -> None:
    assert shell("users", "organisation", "North").stdout == f"organisation made: {MADE}\n"
    assert json.loads(shell("users", "organisation", "North", "--json").stdout) == {"organisation_id": str(MADE)}
    assert asked == [("North", "operator for users")] * 2


def test_an_account_is_made_with_a_password_from_standard_input(shell: Any, asked: Any) -> None:
    words = ("users", "add", "alex", "--role", "clinician")
    assert shell(*words, given="a long password \nmore\n").stdout == f"account made: {MADE}\n"
    more = ("--organisation", UUID(int=1), "--patient", UUID(int=2), "--json")
    assert json.loads(shell(*words, *more, given="secret").stdout) == {"user_id": str(MADE)}
    operator = "operator for users"
    assert asked == [
        ("alex", "a long password ", Role.CLINICIAN, operator, {"organisation_id": None, "patient_id": None}),
        ("alex", "secret", Role.CLINICIAN, operator, {"organisation_id": UUID(int=1), "patient_id": UUID(int=2)}),
    ]


def test_at_a_terminal_the_password_is_asked_for_unseen_and_twice(
    shell: Any, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts: list[Any] = []

    def prompt(*given: Any, **named: Any) -> str:
        prompts.append((given, named))
        return "typed"

    monkeypatch.setattr(commands.typer, "prompt", prompt)
    monkeypatch.setattr(commands.sys, "stdin", SimpleNamespace(isatty=lambda: True))
    commands.add_user("alex", "admin")
    assert prompts == [(("Password",), {"hide_input": True, "confirmation_prompt": True})]
    assert asked[0][1] == "typed"
    del shell


def test_a_role_that_there_is_not_is_answered_with_those_that_there_are(shell: Any) -> None:
    says = "there is no such role; choose one of admin, analyst, auditor, clinician, patient, researcher$"
    with pytest.raises(ValidationError, match=says):
        shell("users", "add", "alex", "--role", "king")
    assert set(Role) - {"service"} == {"admin", "analyst", "auditor", "clinician", "patient", "researcher"}


def test_the_demo_is_made_where_it_is_wanted(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from novamind.server import demo

    async def seed(_container: Any) -> tuple[Login, ...]:
        return (Login("a", "b"),)

    monkeypatch.setattr(demo, "seed", seed)
    assert asyncio.run(commands._prepare(Settings(), demo=True)) == (Login("a", "b"),)
    assert asyncio.run(commands._prepare(Settings(), demo=False)) == ()
    assert asked == []
