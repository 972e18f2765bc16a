"""The shell's front door: gathers each room's commands and turns every error of use into one clear line."""

import sys

import typer
from typer.exceptions import TyperException

from novamind.biometrics import commands as biometrics
from novamind.drugs import commands as drugs
from novamind.errors import NovamindError, ValidationError
from novamind.infrastructure import commands as infrastructure
from novamind.neurochemistry import commands as neurochemistry
from novamind.pharmacogenomics import commands as pharmacogenomics
from novamind.populations import commands as populations
from novamind.records import commands as records
from novamind.server import commands as server
from novamind.symptoms import commands as symptoms
from novamind.twin import commands as twin

app = typer.Typer(
    name="novamind",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Digital twins for psychiatry."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        return
    import pydantic

    from novamind.infrastructure.logs import configure
    from novamind.settings import Settings

    try:
        configure(Settings())
    except pydantic.ValidationError as error:
        wrong = "; ".join(f"NOVAMIND_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise ValidationError(f"the configuration cannot be used: {wrong}") from error


train = typer.Typer(help="Make a room's models again, or fit them on your own data.")
app.add_typer(train, name="train")
symptoms.register(app, train)
biometrics.register(app, train)
drugs.register(app)
pharmacogenomics.register(app)
neurochemistry.register(app, train)
populations.register(app)
records.register(app, pharmacogenomics.gene_caller)
twin.register(app)
infrastructure.register(app)
server.register(app)


def main() -> None:
    """Run the command line; exit code 2 and one line on stderr for anything the user can put right."""
    try:
        code = app(standalone_mode=False)
    except NovamindError as error:
        print(f"novamind: {error}", file=sys.stderr)
        sys.exit(2)
    except TyperException as error:
        print(f"novamind: {error.format_message()}", file=sys.stderr)
        sys.exit(error.exit_code)
    sys.exit(code)
