"""Shell command: what the tables say of a drug."""

import json
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from novamind.drugs.results import DrugFacts


def register(app: typer.Typer) -> None:
    """Add this room's command."""
    app.command("drugs")(drugs)


def drugs(
    name: Annotated[str, typer.Argument(help="A drug: generic or brand name, or as a record writes it.")],
    json_: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show what is known of a drug, from which source, and how it was checked there.

    Example: novamind drugs sertraline
    """
    from novamind.drugs.results import facts

    sheet = facts(name)
    typer.echo(json.dumps(sheet.to_dict(), ensure_ascii=False) if json_ else text(sheet))


def text(sheet: "DrugFacts") -> str:
    """Return the facts of a drug as text, 100 columns wide, with the sources below."""
    drug = sheet.drug
    lines = [f"{drug.name.upper()}  {drug.drug_class or 'class not in our tables'}, {drug.group}"]
    lines.append(", ".join(f"{number} facts {evidence.meaning}" for evidence, number in sheet.evidence.items()))
    for table, of in groupby(sheet.facts, key=lambda fact: fact.table):
        lines.append(f"\n{table.replace('_', ' ').upper()}")
        for fact in of:
            origin = f"[{fact.source.id}]"
            lines += textwrap.wrap(f"{fact.text} {origin}", 98, initial_indent="  ", subsequent_indent="      ")
    lines.append("\nSOURCES")
    for source in dict.fromkeys(fact.source for fact in sheet.facts):
        entry = f"[{source.id}] {source} ({source.evidence.meaning})"
        lines += textwrap.wrap(entry, 98, initial_indent="  ", subsequent_indent="      ")
    return "\n".join(lines)
