"""Shell command: everything about one patient."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from novamind.errors import DataProcessingError, ValidationError

if TYPE_CHECKING:
    from novamind.twin.patient import PatientTwin
    from novamind.twin.results import Insights

_EXAMPLES = """\b
Examples:
  novamind insights bundle.json --out insights.html
  novamind insights patient/ --what-if "sertraline 50" --json
"""


def register(app: typer.Typer) -> None:
    """Add this room's command."""
    app.command("insights", epilog=_EXAMPLES)(insights)


def insights(
    file: Annotated[Path, typer.Argument(help="FHIR R4 (.json, .ndjson, folder of them) or a patient's directory.")],
    patient: Annotated[str | None, typer.Option(help="Id of the patient, if the file holds several.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone in which the person lives, where the file does not name it.")
    ] = None,
    days: Annotated[int, typer.Option(help="Horizon of the forecast in days, 1 to 30.")] = 14,
    lookback: Annotated[int, typer.Option(help="Days of signals to use.")] = 30,
    what_if: Annotated[
        list[str] | None, typer.Option("--what-if", help="A drug and its daily dose in mg; repeat for more.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Path of the HTML report.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Join forecast, biometric links, medication review and simulated treatment of one patient."""
    from novamind.twin.report import render

    if not as_json:
        print("reading the record, running the services ...", file=sys.stderr)
    twin = _read(file, patient, timezone)
    result = twin.insights({"forecast_days": days, "biometric_lookback_days": lookback})
    asked = tuple(twin.what_if(drug, dose) for drug, dose in map(_drug_and_dose, what_if or ()))
    if out is not None:
        try:
            out.write_text(render(result, twin.case, asked), "utf-8")
        except OSError as error:
            raise DataProcessingError(f"{out.name} cannot be written: {error.strerror}; give another --out") from error
    if as_json:
        document = result.to_dict() | {"what_if": [treatment.to_dict() for treatment in asked]}
        print(json.dumps(document, ensure_ascii=False, allow_nan=False))
        return
    print(_summary(result))
    for treatment in asked:
        span = treatment.level
        band = "" if span.low is None else f" (90 % {span.low:.3g} to {span.high:.3g})"
        print(
            f"What if {treatment.drug} {treatment.dose_mg:g} mg: {treatment.review.verdict};"
            f" level {span.value:.3g} {treatment.unit}{band},"
            f" {treatment.exposure_ratio:.2f} times a normal metaboliser's"
        )
    if out is not None:
        print(f"Report      {out}")


def _read(file: Path, patient: str | None, timezone: str | None) -> "PatientTwin":
    from novamind.twin.patient import PatientTwin

    if file.is_dir() and (file / "patient.json").exists():
        if patient is not None:
            raise ValidationError("--patient chooses within a FHIR file; a patient's directory holds one patient")
        return PatientTwin.from_directory(file, timezone)
    return PatientTwin.from_fhir(file, patient, timezone)


def _drug_and_dose(text: str) -> tuple[str, float]:
    drug, _, dose = text.strip().rpartition(" ")
    try:
        amount = float(dose.casefold().removesuffix("mg"))
    except ValueError as error:
        raise ValidationError('--what-if needs a drug and a dose in mg, e.g. --what-if "sertraline 50"') from error
    if not drug:
        raise ValidationError('--what-if needs a drug and a dose in mg, e.g. --what-if "sertraline 50"')
    return drug, amount


def _summary(result: "Insights") -> str:
    lines = []
    for recommendation in result.recommendations:
        lines.append(f"[{recommendation.priority.words}] {recommendation.text}")
        lines += [f"    {e.statement} [{e.source}]" for e in recommendation.evidence[:2]]
        lines.append(f"    reliability {recommendation.reliability}: {recommendation.reliability_reason}")
    if not lines:
        lines.append("Nothing in the results asks for action.")
    lines += ["", *(f"Earlier     {check.sentence}" for check in result.tracking)]
    lines += [f"Missing     {name}: {why}" for name, why in result.missing.items()]
    lines += [f"Model       {name}: {version}" for name, version in result.model_versions.items()]
    lines += [f"Note        {note}" for note in result.notes]
    return "\n".join([*lines, "", result.disclaimer])
