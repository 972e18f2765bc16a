"""``novamind serve`` and ``novamind users``: start the server, and make the first accounts."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from novamind.errors import ValidationError

if TYPE_CHECKING:
    from novamind.server.demo import Login
    from novamind.settings import Settings

_SERVE_EXAMPLES = """\b
Examples:
  novamind serve
  novamind serve --only symptoms --port 8001
  NOVAMIND_ENVIRONMENT=production novamind serve --host 0.0.0.0 --workers 2
"""
_ROOMS_HELP = "Serve this room alone, without patients; may be given several times."


def register(app: typer.Typer) -> None:
    """Add the commands of this room."""
    app.command(epilog=_SERVE_EXAMPLES)(serve)
    users = typer.Typer(help="Accounts of people.", no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(users, name="users")
    users.command("add")(add_user)
    users.command("organisation")(add_organisation)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; the database keeps them in agreement.")] = 1,
    only: Annotated[list[str] | None, typer.Option(help=_ROOMS_HELP)] = None,
    demo: Annotated[
        bool, typer.Option(help="In development: a clinic with simulated patients if nobody is here.")
    ] = True,
    certificate: Annotated[Path | None, typer.Option(help="TLS certificate (PEM); with --private-key.")] = None,
    private_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
) -> None:
    """Start the server: REST, GraphQL, live forecasts, OAuth and CDS Hooks on one address.

    In development keys and an SQLite database are made in the present folder, with a clinic of simulated patients.
    In production it refuses to start without keys of its own ('novamind keys generate').
    """
    import asyncio

    import uvicorn

    from novamind.server.app import checked_rooms
    from novamind.server.connections import options
    from novamind.settings import Settings

    if host in ("127.0.0.1", "localhost"):
        os.environ.setdefault("NOVAMIND_PUBLIC_URL", f"http://{host}:{port}")
    settings = Settings()
    rooms = checked_rooms(only or settings.serve_only)
    os.environ["NOVAMIND_SERVE_ONLY"] = json.dumps(rooms)  # for the worker processes
    if (certificate is None) != (private_key is None):
        raise ValidationError("TLS needs both --certificate and --private-key")
    if certificate is not None and not certificate.is_file():
        raise ValidationError("the file of --certificate does not exist")
    logins = asyncio.run(_prepare(settings, demo=demo and not rooms and settings.environment == "development"))
    _say(settings.public_url, logins)
    uvicorn.run(
        "novamind.server.app:from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        **options(certificate, private_key),
    )


def add_user(
    name: Annotated[str, typer.Argument(help="By which the person logs in.")],
    role: Annotated[str, typer.Option(help="clinician, patient, researcher, analyst, admin or auditor.")],
    organisation: Annotated[UUID | None, typer.Option(help="Where they work.")] = None,
    patient: Annotated[UUID | None, typer.Option(help="Whose record is their own, for patients.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Make an account; the password is read from standard input, or asked for.

    Example: novamind users add alex --role admin
    """
    import asyncio

    from novamind.infrastructure.identity.domain import Role

    if role not in list(Role):
        raise ValidationError(f"there is no such role; choose one of {', '.join(sorted(set(Role) - {Role.SERVICE}))}")
    password = (
        typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        if sys.stdin.isatty()
        else sys.stdin.readline().rstrip("\n")
    )
    user_id = asyncio.run(_add_user(name, password, role, organisation, patient))
    print(json.dumps({"user_id": str(user_id)}) if as_json else f"account made: {user_id}")


def add_organisation(
    name: Annotated[str, typer.Argument(help="Of the clinic.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Make a clinic, to which accounts and patients belong.

    Example: novamind users organisation "North clinic"
    """
    import asyncio

    organisation_id = asyncio.run(_add_organisation(name))
    print(json.dumps({"organisation_id": str(organisation_id)}) if as_json else f"organisation made: {organisation_id}")


async def _prepare(settings: "Settings", *, demo: bool) -> "tuple[Login, ...]":
    """Make or check everything once, before any worker starts, so that what is missing is one clear line."""
    from novamind.server.container import open_container
    from novamind.server.demo import seed

    async with open_container(settings) as container:
        return await seed(container) if demo else ()


async def _add_user(name: str, password: str, role: str, organisation: UUID | None, patient: UUID | None) -> UUID:
    from novamind.infrastructure.identity.domain import Role
    from novamind.server.container import open_container
    from novamind.settings import Settings

    async with open_container(Settings()) as container:
        return await container.identity.accounts.add_user(
            name, password, Role(role), container.operator("users"), organisation_id=organisation, patient_id=patient
        )


async def _add_organisation(name: str) -> UUID:
    from novamind.server.container import open_container
    from novamind.settings import Settings

    async with open_container(Settings()) as container:
        return await container.foundation.store.add_organisation(name, container.operator("users"))


def _say(address: str, logins: "tuple[Login, ...]") -> None:
    print(f"Novamind answers at {address}", flush=True)
    if logins:
        print("A demo clinic with simulated patients was made; its logins are shown this once:")
        for login in logins:
            print(f"  {login.name:<14}{login.password}", flush=True)
