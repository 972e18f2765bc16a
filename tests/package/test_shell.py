"""The shell offers every room's commands under the names that stand in the documentation."""

import typer

from novamind.cli import app

COMMANDS = {
    "drugs": set(),
    "audit": {"verify"},
    "correlate": set(),
    "demo": set(),
    "forecast": set(),
    "import": set(),
    "insights": set(),
    "keys": {"generate", "retire", "rotate"},
    "medications": set(),
    "feedback": set(),
    "purge": set(),
    "serve": set(),
    "levels": set(),
    "simulate": set(),
    "switch": set(),
    "train": {"biometrics", "neurochemistry", "symptoms"},
    "twins": {"fidelity", "generate", "simulate", "train"},
    "users": {"add", "organisation"},
    "wearables": set(),
}


def test_every_room_has_its_commands() -> None:
    """``novamind.cli`` registers them, and ``novamind.neurochemistry.commands`` and others name them."""
    command = typer.main.get_command(app)
    assert {name: set(getattr(inner, "commands", ())) for name, inner in command.commands.items()} == COMMANDS  # type: ignore[attr-defined]
