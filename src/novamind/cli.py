"""The shell's front door: gathers each room's commands and turns our errors into one clear line."""

import sys

import click
import typer

from novamind.errors import NovamindError

app = typer.Typer(
    name="novamind",
    help="Digital twins for psychiatry.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """Digital twins for psychiatry."""


def main() -> None:
    """Run the command line; exit code 2 and one line on stderr for anything the user can put right."""
    try:
        code = app(standalone_mode=False)
    except NovamindError as error:
        print(f"novamind: {error}", file=sys.stderr)
        sys.exit(2)
    except click.ClickException as error:
        print(f"novamind: {error.format_message()}", file=sys.stderr)
        sys.exit(2)
    except click.exceptions.Abort:
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
