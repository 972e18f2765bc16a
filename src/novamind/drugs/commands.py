"""Shell command: what the tables say of a drug, or what several do to each other."""

import json
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from novamind.drugs.regimen import Interactions
    from novamind.drugs.results import DrugFacts


def register(app: typer.Typer) -> None:
    """Add this room's command."""
    app.command("drugs")(drugs)


def drugs(
    names: Annotated[
        list[str],
        typer.Argument(help="A drug: generic or brand name, or as a record writes it; several: what they do together."),
    ],
    json_: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show what is known of a drug, or what several drugs do to each other, from which source.

    Examples: novamind drugs sertraline; novamind drugs sertraline phenelzine
    """
    from novamind.drugs.regimen import interactions
    from novamind.drugs.results import facts

    if len(names) > 1:
        together = interactions(names)
        typer.echo(json.dumps(together.to_dict(), ensure_ascii=False) if json_ else pairs(together))
        return
    sheet = facts(names[0])
    typer.echo(json.dumps(sheet.to_dict(), ensure_ascii=False) if json_ else text(sheet))


def pairs(answer: "Interactions") -> str:
    """Return what drugs do to each other as text, 100 columns wide, the most serious first."""
    entries = [(f"{pair.a} + {pair.b}", caution) for pair in answer.pairs for caution in pair.cautions]
    entries += [("together", caution) for caution in answer.together]
    lines = [", ".join(answer.drugs).upper() or "NO DRUG OF THE TABLES"]
    for whose, caution in entries:
        origin = f"{caution.source} ({caution.source.evidence.meaning})"
        place = f"{caution.section}; {origin}" if caution.section else origin
        lines += textwrap.wrap(
            f"{caution.severity}, {whose}: {caution.text} [{place}]",
            98,
            initial_indent="  ",
            subsequent_indent="      ",
        )
    lines += textwrap.wrap("No caution is in our tables.", 98, initial_indent="  ") if not entries else []
    return "\n".join([*lines, *(textwrap.fill(f"Not checked: {sentence}", 100) for sentence in answer.not_checked)])


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
