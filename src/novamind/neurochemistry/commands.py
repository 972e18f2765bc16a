"""The room's shell commands: simulate a regimen, make the shipped figures again."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from novamind.errors import DataProcessingError

if TYPE_CHECKING:
    from novamind.neurochemistry.simulation import Simulation

_SIMULATE_EXAMPLES = """\b
Examples:
  novamind simulate escitalopram --dose-mg 10 --weeks 12 --cyp2c19 "Poor Metabolizer"
  novamind simulate lithium --dose-mg 450 --every 12 --creatinine-clearance 60 --json
"""
Phenotype = Annotated[str | None, typer.Option(help="CPIC term, or activity score (2 = two normal alleles).")]


def register(app: typer.Typer, train: typer.Typer) -> None:
    """Add this room's commands to the shell and its training to ``novamind train``."""
    app.command(epilog=_SIMULATE_EXAMPLES)(simulate)
    train.command(name="neurochemistry", epilog="Example: novamind train neurochemistry --seed 0")(train_room)


def simulate(
    drug: Annotated[str, typer.Argument(help="Name of the drug, e.g. escitalopram.")],
    dose_mg: Annotated[float, typer.Option(help="Each dose, in mg.")],
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
    from novamind.neurochemistry.simulation import simulate as run

    if not as_json and ensemble:
        print(f"simulating {ensemble} members ...", file=sys.stderr)
    phenotypes = {"CYP2C19": cyp2c19, "CYP2D6": cyp2d6, "CYP2B6": cyp2b6, "CYP3A4": cyp3a4}
    course = run(
        drug,
        dose_mg,
        every,
        weeks,
        phenotypes={enzyme: _number_or_term(value) for enzyme, value in phenotypes.items() if value is not None},
        creatinine_clearance=creatinine_clearance,
        ensemble=ensemble,
        seed=seed,
    )
    if out is not None:
        try:
            course.plot().save(str(out), scale_factor=2)
        except (OSError, ValueError) as error:
            raise DataProcessingError("the picture cannot be written: give --out a .png or .svg path") from error
    if as_json:
        print(json.dumps(course.to_dict(), allow_nan=False))
        return
    print(_summary(course))
    if out is not None:
        print(f"Picture       {out}")


def train_room(
    seed: Annotated[int, typer.Option(help="Of every random draw.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for reference/; the installed room when not given.")] = None,
) -> None:
    """Draw the ensemble of parameter sets; minutes on one core."""
    from novamind.neurochemistry.training import train

    def progress(message: str) -> None:
        print(message, file=sys.stderr)

    print(json.dumps(train(out or Path(__file__).parent, seed, progress)))


def _number_or_term(value: str) -> str | float:
    try:
        return float(value)
    except ValueError:
        return value


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
    return "\n".join([*lines, course.symptom_note])
