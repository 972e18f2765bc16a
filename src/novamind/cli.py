"""The shell's front door: gathers each room's commands and turns our errors into one clear line."""

import sys

import typer

from novamind.errors import NovamindError
from novamind.populations import commands as populations

app = typer.Typer(
    name="novamind",
    help="Digital twins for psychiatry.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def root() -> None:
    """Digital twins for psychiatry."""


populations.register(app)


def main() -> None:
    """Run the command line; exit code 2 and one line on stderr for anything the user can put right."""
    try:
        app()
    except NovamindError as error:
        print(f"novamind: {error}", file=sys.stderr)
        sys.exit(2)
