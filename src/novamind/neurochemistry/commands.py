"""The room's shell commands: simulate a regimen, make the shipped figures again."""

import csv
import json
import re
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from novamind.errors import DataProcessingError, ValidationError

if TYPE_CHECKING:
    from novamind.neurochemistry.course import RegimenSimulation
    from novamind.neurochemistry.simulation import Simulation
    from novamind.neurochemistry.switching import CrossTaper

_SIMULATE_EXAMPLES = """\b
Examples:
  novamind simulate escitalopram --dose-mg 10 --weeks 12 --cyp2c19 "Poor Metabolizer"
  novamind simulate lithium --dose-mg 450 --every 12 --creatinine-clearance 60 --json
  novamind simulate --take "risperidone 4" --take "paroxetine 20 from 28 until 56" --take "smoking until 30"
  novamind simulate --regimen regimen.csv --weeks 16 --out regimen.png
  novamind switch sertraline mirtazapine --out switch.png
"""
_SWITCH_EXAMPLE = "Example: novamind switch sertraline mirtazapine --new-dose-mg 30 --out switch.png"
_LEVELS_EXAMPLES = """\b
Example:
  novamind levels clozapine --take "clozapine 300" --level "650 on 28 after 12" --low 350 --high 600
"""
_DAILY = 24.0
_NUMBER = r"\d+(?:\.\d+)?"
_STEP = re.compile(
    rf"(?P<drug>.+?)(?:\s+(?P<dose>{_NUMBER})(?:\s*mg)?)?(?:\s+every\s+(?P<every>{_NUMBER})(?:\s*h)?)?"
    rf"(?:\s+from\s+(?P<from>{_NUMBER}))?(?:\s+until\s+(?P<until>{_NUMBER}))?(?:\s+as\s+(?P<form>[a-z0-9 -]+))?",
    re.IGNORECASE,
)
_LEVEL = re.compile(
    rf"(?P<value>{_NUMBER})\s+on\s+(?P<day>{_NUMBER})(?:\s+after\s+(?P<hours>{_NUMBER})(?:\s*h)?)?", re.IGNORECASE
)
Takes = Annotated[
    list[str] | None,
    typer.Option("--take", help='A step: "DRUG MG every HOURS from DAY until DAY as FORM"; repeat for more.'),
]
Phenotype = Annotated[str | None, typer.Option(help="CPIC term, or activity score (2 = two normal alleles).")]


def register(app: typer.Typer, train: typer.Typer) -> None:
    """Add this room's commands to the shell and its training to ``novamind train``."""
    app.command(epilog=_SIMULATE_EXAMPLES)(simulate)
    app.command(epilog=_SWITCH_EXAMPLE)(switch)
    app.command(epilog=_LEVELS_EXAMPLES)(levels)
    train.command(name="neurochemistry", epilog="Example: novamind train neurochemistry --seed 0")(train_room)


def simulate(
    drug: Annotated[str | None, typer.Argument(help="Name of the drug, e.g. escitalopram.")] = None,
    dose_mg: Annotated[float | None, typer.Option(help="Each dose, in mg.")] = None,
    take: Takes = None,
    regimen: Annotated[
        Path | None, typer.Option(help="A regimen as CSV or JSON: drug, dose_mg, interval_hours, start, stop, form.")
    ] = None,
    every: Annotated[float, typer.Option(help="Hours between doses.")] = 24.0,
    weeks: Annotated[int, typer.Option(help="Length of the course, 1 to 104.")] = 12,
    cyp2c19: Phenotype = None,
    cyp2d6: Phenotype = None,
    cyp2b6: Phenotype = None,
    cyp3a4: Phenotype = None,
    creatinine_clearance: Annotated[float, typer.Option(help="mL/min; matters for lithium.")] = 100.0,
    ensemble: Annotated[int, typer.Option(help="Members that the 90 % band is drawn from; 0 for none.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the ensemble.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Where to write the picture (PNG or SVG).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Simulate what a regimen does: plasma, occupancy, transmitters and symptom effect over weeks."""
    from novamind.neurochemistry.notebook import simulate as run

    if not as_json and ensemble:
        print(f"simulating {ensemble} members ...", file=sys.stderr)
    phenotypes = {"CYP2C19": cyp2c19, "CYP2D6": cyp2d6, "CYP2B6": cyp2b6, "CYP3A4": cyp3a4}
    states = {enzyme: _number_or_term(value) for enzyme, value in phenotypes.items() if value is not None}
    steps = [*_regimen_file(regimen), *map(_step, take or ())]
    if bool(steps) == (drug is not None):
        raise ValidationError('give one DRUG with --dose-mg, or a regimen by --take "DRUG MG" or --regimen FILE')
    shared: dict[str, Any] = {"weeks": weeks, "phenotypes": states, "creatinine_clearance": creatinine_clearance}
    shared |= {"ensemble": ensemble, "seed": seed}
    if drug is not None:
        course = run(drug, dose_mg, every, **shared)
        _show(course, _summary(course), out, as_json=as_json)
        return
    if dose_mg is not None or every != _DAILY:
        raise ValidationError("--dose-mg and --every belong to one DRUG; a step of a regimen has its own")
    regimen_course = run(steps, **shared)
    _show(regimen_course, _regimen_summary(regimen_course), out, as_json=as_json)


def switch(
    old: Annotated[str, typer.Argument(help="Drug that is taken.")],
    new: Annotated[str, typer.Argument(help="Drug to change to.")],
    old_dose_mg: Annotated[float | None, typer.Option(help="Daily dose, in mg; the usual one when not given.")] = None,
    new_dose_mg: Annotated[float | None, typer.Option(help="Daily dose, in mg; the usual one when not given.")] = None,
    taper_days: Annotated[int | None, typer.Option(help="In place of the rule's own.")] = None,
    ensemble: Annotated[int, typer.Option(help="Members that the 90 % band is drawn from; 0 for none.")] = 50,
    out: Annotated[Path | None, typer.Option(help="Where to write the picture (PNG or SVG).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Propose a schedule from one drug to another, to judge."""
    from novamind.neurochemistry.switching import cross_taper

    proposal = cross_taper(old, new, old_dose_mg, new_dose_mg, taper_days=taper_days, ensemble=ensemble)
    _show(proposal, f"{proposal.sentence}\n{_regimen_summary(proposal.simulation)}", out, as_json=as_json)


def levels(
    drug: Annotated[str, typer.Argument(help="Drug whose level was measured.")],
    level: Annotated[list[str], typer.Option(help='Level, e.g. "650 on 28 after 12" (day, hours since the dose).')],
    take: Takes = None,
    regimen: Annotated[Path | None, typer.Option(help="A regimen as CSV or JSON.")] = None,
    analyte: Annotated[str, typer.Option(help="parent, metabolite or sum; as the reference range when empty.")] = "",
    unit: Annotated[str, typer.Option(help="As the reference range when empty.")] = "",
    creatinine_clearance: Annotated[float, typer.Option(help="mL/min; matters for lithium.")] = 100.0,
    low: Annotated[float | None, typer.Option(help="Range to reach; the reference range when not given.")] = None,
    high: Annotated[float | None, typer.Option(help="Upper end of the range.")] = None,
    probability: Annotated[float, typer.Option(help="Of reaching the range, that is wanted.")] = 0.5,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Say what measured levels mean for a person's clearance, and the dose that reaches a range."""
    from novamind.neurochemistry.codec import LevelAnswerBody
    from novamind.neurochemistry.measured_levels import MeasuredLevel, update

    measured = []
    for text in level:
        match = _LEVEL.fullmatch(text.strip())
        if match is None:
            raise ValidationError('a level is a value, a day and hours since the dose: --level "650 on 28 after 12"')
        value, day, hours = (float(match[part]) if match[part] else _DAILY for part in ("value", "day", "hours"))
        measured.append(MeasuredLevel(drug, value, day, hours, analyte, unit))
    steps = [*_regimen_file(regimen), *map(_step, take or ())]
    result = update(measured, steps, creatinine_clearance=creatinine_clearance)
    advice = result.dose_for(low, high, probability=probability)
    if as_json:
        print(LevelAnswerBody.with_dose(result, advice).model_dump_json())
        return
    factor, own = result.clearance_factor, result.clearance
    print(f"Clearance   {own.value:.3g} L/h (90 % {own.low:.3g} to {own.high:.3g})")
    print(f"            {factor.value:.2f} times the typical ({factor.low:.2f} to {factor.high:.2f})")
    for row in result.predicted.iter_rows(named=True):
        print(
            f"Sample      day {row['time_hours'] / 24:.1f}: {row['measured']:g} {result.unit} measured,"
            f" {row['before']:.3g} expected before, {row['after']:.3g} after"
        )
    print(f"Dose        {advice.sentence}")
    for note in result.notes:
        print(f"Note        {note}")


def train_room(
    seed: Annotated[int, typer.Option(help="Of every random draw.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for reference/; the installed room when not given.")] = None,
) -> None:
    """Draw the ensemble of parameter sets; minutes on one core."""
    from novamind.neurochemistry.training import train

    def progress(message: str) -> None:
        print(message, file=sys.stderr)

    print(json.dumps(train(out or Path(__file__).parent, seed, progress)))


def _show(
    result: "Simulation | RegimenSimulation | CrossTaper", summary: str, out: Path | None, *, as_json: bool
) -> None:
    if out is not None:
        try:
            result.plot().save(str(out), scale_factor=2)
        except (OSError, ValueError) as error:
            raise DataProcessingError("the picture cannot be written: give --out a .png or .svg path") from error
    if as_json:
        print(json.dumps(result.to_dict(), allow_nan=False))
        return
    print(summary)
    if out is not None:
        print(f"Picture       {out}")


def _step(text: str) -> dict[str, object]:
    """Return a step of words: ``DRUG [MG] [every HOURS] [from DAY] [until DAY] [as FORM]``."""
    match = _STEP.fullmatch(text.strip())
    if match is None:
        raise ValidationError(
            'a step reads "DRUG MG every HOURS from DAY until DAY as FORM", e.g. --take "sertraline 50 from 14"'
        )
    step: dict[str, object] = {"drug": match["drug"]}
    named = {"dose_mg": "dose", "interval_hours": "every", "start": "from", "stop": "until"}
    step |= {name: float(match[part]) for name, part in named.items() if match[part]}
    return step | ({"form": match["form"]} if match["form"] else {})


def _regimen_file(path: Path | None) -> list[dict[str, object]]:
    """Return the steps of a CSV or JSON file; days or dates."""
    if path is None:
        return []
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataProcessingError(f"{path.name} cannot be read; give --regimen a CSV or JSON file in UTF-8") from error
    try:
        rows = json.loads(text) if text.lstrip()[:1] in ("[", "{") else list(csv.DictReader(text.splitlines()))
    except ValueError as error:
        raise DataProcessingError(f"{path.name} is no valid JSON; give a list of steps") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or not rows:
        raise DataProcessingError(f"{path.name} holds no steps; give rows with drug, dose_mg, start and stop")
    return [{name: _cell(name, value) for name, value in row.items() if value not in ("", None)} for row in rows]


def _cell(name: str | None, value: object) -> object:
    if name in ("start", "stop") and isinstance(value, str) and "-" in value.strip()[1:]:
        try:
            return date.fromisoformat(value.strip())
        except ValueError as error:
            raise ValidationError(f"{name} is a day number or a date such as 2026-03-01") from error
    if name in ("dose_mg", "interval_hours", "start", "stop") and isinstance(value, str):
        try:
            return float(value)
        except ValueError as error:
            raise ValidationError(f"{name} must be a number") from error
    return value


def _number_or_term(value: str) -> str | float:
    try:
        return float(value)
    except ValueError:
        return value


def _regimen_summary(course: "RegimenSimulation") -> str:
    """Return steps, cautions by day, and the figures of the last day."""
    import polars as pl

    lines = []
    for step in course.steps:
        until = "to the end" if step.stop is None else f"until day {step.stop_day:g}"
        lines.append(f"  {step.words}, from day {step.start_day:g} {until}")
    last = course.weeks * 7
    lines.append(f"Day {last}: mean over the last day")
    for row in course.concentration.filter(pl.col("day") == last).iter_rows(named=True):
        band = "" if row["low"] is None else f"   90 % {row['low']:.2f} to {row['high']:.2f}"
        lines.append(f"  {row['compound']:<28}{row['value']:>9.2f} {row['unit']}{band}")
    together = course.occupancy.filter((pl.col("day") == last) & (pl.col("drug") == "all") & (pl.col("value") >= 0.01))
    figures = [(f"{r['target']} occupancy", r["value"]) for r in together.sort("value", descending=True).to_dicts()]
    figures += [(r["outcome"], r["value"]) for r in course.symptom_effect.filter(pl.col("day") == last).to_dicts()]
    lines += [f"  {name:<28}{value:>9.2f}" for name, value in figures]
    lines += [f"Alarm       {alarm.sentence}" for alarm in course.alarms]
    lines += [f"Caution     [{of.severity}] {of.sentence}" for of in course.overlaps]
    lines += [f"Dose        {of.step.words}: {of.caution.text}" for of in course.dose_cautions]
    lines += [f"Note        {note}" for note in course.notes]
    return "\n".join([*lines, course.symptom_note])


def _summary(course: "Simulation") -> str:
    """Return the figures of the last day, and what they are worth."""
    import polars as pl

    def line(name: str, row: dict[str, float], unit: str) -> str:
        band = "" if row["low"] is None else f"   90 % {row['low']:.2f} to {row['high']:.2f}"
        return f"  {name:<28}{row['value']:>9.2f} {unit}{band}"

    last = course.weeks * 7
    lines = [f"{course.drug}, day {last}: mean over the last day"]
    final = pl.col("time_hours") >= (last - 1) * 24
    figures = pl.col("value", "low", "high").mean()
    plasma = course.concentration.filter(final).group_by("compound", "unit", maintain_order=True).agg(figures)
    lines += [line(row["compound"], row, row["unit"]) for row in plasma.iter_rows(named=True)]
    occupancies = course.occupancy.filter(final).group_by("target", "basis").agg(figures).sort("value", descending=True)
    lines += [
        line(f"{row['target']} occupancy", row, f"({row['basis'].replace('_', ' ')})")
        for row in occupancies.filter(pl.col("value") >= 0.01).iter_rows(named=True)
    ]
    levels = course.transmitters.filter((pl.col("day") == last) & (pl.col("region") == "prefrontal_cortex"))
    lines += [
        line(f"frontal {row['transmitter']}", row, "times baseline")
        for row in levels.rename({"level": "value"}).iter_rows(named=True)
    ]
    for row in course.symptom_effect.filter(pl.col("day") == last).iter_rows(named=True):
        unit = {"depression": "standardised difference", "prolactin change": "of baseline"}.get(row["outcome"])
        lines.append(line(row["outcome"], row, unit or "of its range"))
    lines += [f"Alarm         {alarm.sentence}" for alarm in course.alarms]
    return "\n".join([*lines, course.symptom_note])
