"""Shell command: review medications for a genotype file."""

import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from novamind.errors import DataProcessingError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from novamind.pharmacogenomics.domain import Diplotype
    from novamind.pharmacogenomics.drug_review import DrugReview
    from novamind.pharmacogenomics.review import Review


_Number = TypeVar("_Number", int, float)
_MOST_OF_A_WARNING = 260  # characters; the report has all


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    app.command("medications")(medications)


def medications(
    file: Annotated[
        Path,
        typer.Argument(help="VCF (GRCh38), raw data of a consumer array, FHIR JSON, table of star alleles."),
    ],
    with_: Annotated[
        list[str] | None, typer.Option("--with", help="A drug the patient takes; repeat for more.")
    ] = None,
    condition: Annotated[list[str] | None, typer.Option(help="A condition such as 'long qt'; repeat for more.")] = None,
    allergy: Annotated[
        list[str] | None, typer.Option(help="A drug to which there is an allergy; repeat for more.")
    ] = None,
    dose: Annotated[
        list[str] | None, typer.Option(help="A daily dose, DRUG=MG, checked against its limits; repeat for more.")
    ] = None,
    stopped: Annotated[
        list[str] | None, typer.Option(help="A drug that was stopped, DRUG=DAYS since then; repeat for more.")
    ] = None,
    age: Annotated[float | None, typer.Option(help="Age in years, for dose limits.")] = None,
    sex: Annotated[str | None, typer.Option(help="female or male, for dose limits.")] = None,
    weight: Annotated[float | None, typer.Option(help="Weight in kg, for dose limits.")] = None,
    creatinine_clearance: Annotated[float | None, typer.Option(help="In mL/min, for dose limits.")] = None,
    egfr: Annotated[float | None, typer.Option(help="In mL/min/1.73 m², for dose limits.")] = None,
    child_pugh: Annotated[str | None, typer.Option(help="A, B, C or none, for dose limits.")] = None,
    smoker: Annotated[bool | None, typer.Option("--smoker/--no-smoker", help="Smokes tobacco.")] = None,
    pregnant: Annotated[bool | None, typer.Option("--pregnant/--not-pregnant", help="Is pregnant.")] = None,
    breastfeeding: Annotated[
        bool | None, typer.Option("--breastfeeding/--no-breastfeeding", help="Breastfeeds.")
    ] = None,
    drug: Annotated[
        list[str] | None,
        typer.Option(help="Only this drug; repeat for more. Default: all psychiatric drugs."),
    ] = None,
    outside: Annotated[
        list[str] | None,
        typer.Option(help="A laboratory result, GENE=RESULT, which replaces what the file shows."),
    ] = None,
    sample: Annotated[str | None, typer.Option(help="Whose genotype, when the file has several samples.")] = None,
    absent_is_reference: Annotated[
        bool,
        typer.Option("--absent-is-reference", help="The VCF lists every variant: what is absent is reference."),
    ] = False,
    report: Annotated[Path, typer.Option(help="Where the printable report goes.")] = Path("medications.html"),
    json_: Annotated[bool, typer.Option("--json", help="Print the whole review as JSON; no table, no report.")] = False,
) -> None:
    """Show what a genotype and the co-medication mean for each psychiatric drug.

    Example: novamind medications sample.vcf --with paroxetine --outside "CYP2D6=*1/*4"
    """
    from novamind.drugs.limits import PatientFacts
    from novamind.pharmacogenomics.review import recommend
    from novamind.pharmacogenomics.service import genotype, read_genotype

    if sys.stderr.isatty():
        typer.echo("Reading the genotype ...", err=True)
    replaced = dict(_split(text) for text in outside or ())
    called = read_genotype(file, sample, absent_is_reference=absent_is_reference)
    called.update(genotype(replaced))
    review = recommend(
        called,
        drug or None,
        tuple(with_ or ()),
        tuple(condition or ()),
        tuple(allergy or ()),
        doses=_by_drug("--dose", dose or (), float),
        stopped=_by_drug("--stopped", stopped or (), int),
        person=PatientFacts(
            age=age,
            sex=sex,
            weight_kg=weight,
            creatinine_clearance=creatinine_clearance,
            egfr=egfr,
            child_pugh=child_pugh,
            smoker=smoker,
            pregnant=pregnant,
            breastfeeding=breastfeeding,
        ),
    )
    if json_:
        typer.echo(json.dumps(review.to_dict(), ensure_ascii=False))
        return
    typer.echo(table(review))
    try:
        report.write_text(review.report_html(), encoding="utf-8")
    except OSError as error:
        raise DataProcessingError(f"cannot write the report: {error.strerror}") from error
    typer.echo(f"\nReport with sources: {report}")


def gene_caller() -> "Callable[..., dict[str, Diplotype]]":
    """Return what calls the genes of a genotype file, for commands of rooms that do not know this one."""
    from novamind.pharmacogenomics.service import read_genotype

    return read_genotype


def _by_drug(option: str, texts: "Iterable[str]", number: "Callable[[str], _Number]") -> dict[str, _Number]:
    """Return drug to number, each drug once."""
    numbers: dict[str, _Number] = {}
    for text in texts:
        drug, _, figure = text.rpartition("=")
        if drug in numbers:
            raise ValidationError(f"{option} names one drug twice: give one figure")
        try:
            numbers[drug] = number(figure)
        except ValueError as error:
            kind = "WHOLE NUMBER" if number is int else "NUMBER"
            raise ValidationError(f"{option} needs DRUG={kind}, for example citalopram=20") from error
    return numbers


def _split(text: str) -> tuple[str, str]:
    gene, equals, result = text.partition("=")
    if not equals or not gene:
        raise ValidationError('--outside needs GENE=RESULT, for example "CYP2D6=*1/*4"')
    return gene, result


def table(review: "Review") -> str:
    """Return genotype, phenotypes and drugs as text, 100 columns wide."""
    from novamind.pharmacogenomics.domain import DISCLAIMER

    lines = ["GENOTYPE"]
    for gene, diplotype in review.genotype.items():
        shown = diplotype.name if len(diplotype.calls) <= 4 else f"{len(diplotype.calls)} equally good pairs of alleles"
        if diplotype.missing:
            shown += f"  ({len(diplotype.missing)} positions missing)"
        lines.append(f"  {gene:<9}{shown}")
        absent = not diplotype.calls and diplotype.missing and len(diplotype.warnings) == 1
        for warning in () if absent else diplotype.warnings:  # the number of positions says it
            short = textwrap.shorten(warning.removeprefix(f"{gene}: "), _MOST_OF_A_WARNING)
            lines += textwrap.wrap(short, 100, initial_indent=" " * 11, subsequent_indent=" " * 11)
    lines.append("\nPHENOTYPE" + " " * 61 + "WITH " + (", ".join(review.comedications) or "no co-medication"))
    for change in review.phenotypes:
        after = change.after.label if change.converted else "unchanged"
        lines.append(f"  {change.gene:<9}{change.before.label:<59}{after}")
    if any(change.before.provisional for change in review.phenotypes):
        lines.append("  provisional: positions missing or unclear in the file, or CYP2D6 without its copy number")
    lines += [textwrap.fill(f"Note: {note}", 100) for note in review.notes]
    lines.append(f"\n{'DRUG':<22}{'EXPOSURE':<19}ADVICE")
    verdict = ""
    for drug_review in sorted(review.drugs.values(), key=lambda d: (-d.concern, d.verdict, d.drug)):
        if drug_review.verdict != verdict:
            verdict = drug_review.verdict
            lines.append(f"-- {verdict} " + "-" * (96 - len(verdict)))
        body = textwrap.wrap(_advice(drug_review), 58) or [""]
        lines.append(f"{drug_review.drug:<22}{_exposure(drug_review):<19}{body[0]}")
        lines += [" " * 41 + rest for rest in body[1:]]
    return "\n".join([*lines, "", textwrap.fill(DISCLAIMER, 100)])


def _exposure(drug_review: "DrugReview") -> str:
    exposure = drug_review.exposure
    if exposure.low is None or exposure.high is None:
        return "not known"
    span = f"{exposure.low:.1f}-{exposure.high:.1f}"
    return span if exposure.ratio is None else f"x{exposure.ratio:.1f} ({span})"


def _advice(drug_review: "DrugReview") -> str:
    sources_by_text: dict[str, list[str]] = {}
    for advice in drug_review.guidelines:
        if advice.action != "NO_RECOMMENDATION":
            sources_by_text.setdefault(advice.text, []).append(
                f"{advice.source}{f' ({advice.audience})' if advice.audience else ''}"
            )
    parts = [f"{', '.join(dict.fromkeys(sources))}: {text}" for text, sources in sources_by_text.items()]
    parts += [
        f"[{c.severity}{', unverified' if c.source.evidence == 'unverified' else ''}] {c.cause}: {c.text}"
        for c in drug_review.interactions
        if c.severity != "information"
    ]
    return " ".join(parts) if parts else drug_review.standing
