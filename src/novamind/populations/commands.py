"""``novamind twins``: train, generate, simulate, fidelity."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from novamind.errors import DataProcessingError, ValidationError

JsonFlag = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Filters = Annotated[
    list[str] | None,
    typer.Option("--filter", help="column=a,b for levels, column=low..high for a range; may be repeated."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this room."""
    twins = typer.Typer(help="Population twins for commercial planning.", no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(twins, name="twins")

    @twins.command()
    def train(
        table: Annotated[Path, typer.Argument(help="CSV or Parquet, at least 1,000 rows.")],
        target: Annotated[str, typer.Option(help="Outcome column.")],
        out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("twins.model"),
        twin_type: Annotated[str, typer.Option(help="hcp, patient or territory.")] = "hcp",
        brand: Annotated[str, typer.Option(help="Brand.")] = "unbranded",
        rule: Annotated[list[str] | None, typer.Option(help="Hard rule such as 'a + b <= c'.")] = None,
        seed: Annotated[int, typer.Option(help="Seed.")] = 0,
        epsilon: Annotated[float | None, typer.Option(help="Train with differential privacy.")] = None,
        delta: Annotated[float, typer.Option(help="Chance that the promise of epsilon fails.")] = 1e-6,
        domain: Annotated[Path | None, typer.Option(help="JSON: column -> levels, or a number's bounds.")] = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Learn a table.

        Example: novamind twins train accounts.parquet --target prescribing_change --brand kisqali

        With privacy: novamind twins train accounts.parquet --target y --epsilon 3 --domain domain.json
        """
        from novamind.populations.generation.generator import TwinGenerator
        from novamind.populations.generation.private_marginals import DifferentialPrivacy

        if (epsilon is None) != (domain is None):
            raise ValidationError("give --epsilon and --domain together: bounds taken from the table would leak")
        private = DifferentialPrivacy(epsilon, _json(domain), delta) if epsilon is not None and domain else None
        frame = _read(table)
        _progress(f"training on {len(frame):,} rows")
        generator = TwinGenerator(twin_type, brand, rules=rule or (), seed=seed, privacy=private)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # They are shown below, once.
            metrics = generator.train(frame, target)
        generator.save(out)
        text = [
            f"{metrics.model_type}: cross-validated R2 {metrics.cv_r2_mean:.3f}, coverage {metrics.coverage_95:.3f}"
        ]
        text += [*(f"warning: {w}" for w in metrics.warnings), f"model written to {out}"]
        _show(metrics.to_dict() | {"model": str(out)}, text, as_json)

    @twins.command()
    def generate(
        model: Annotated[Path, typer.Argument(help="Model file of 'twins train'.")],
        n: Annotated[int, typer.Option("-n", help="Number of twins.")] = 10_000,
        out: Annotated[Path, typer.Option(help="CSV or Parquet to write.")] = Path("twins.parquet"),
        filters: Filters = None,
        seed: Annotated[int, typer.Option(help="Seed.")] = 0,
        as_json: JsonFlag = False,
    ) -> None:
        """Draw twins.

        Example: novamind twins generate twins.model -n 10000 --filter specialty=oncology --filter decile=1..3
        """
        from novamind.infrastructure.spreadsheet import without_formulas
        from novamind.populations.codec import PopulationBody
        from novamind.populations.generation.generator import TwinGenerator

        _progress(f"drawing {n:,} twins")
        population = TwinGenerator.load(model).generate(n, _filters(filters), seed)
        frame = replace(population, features=replace(population.features, backend="polars")).frame
        if out.suffix == ".csv":
            without_formulas(frame).write_csv(out)
        else:
            frame.write_parquet(out)
        _show(
            PopulationBody.of(population).model_dump(mode="json") | {"out": str(out)},
            [f"{len(population):,} twins written to {out}"],
            as_json,
        )

    @twins.command()
    def simulate(
        model: Annotated[Path, typer.Argument(help="Model file of 'twins train'.")],
        intervention: Annotated[str, typer.Option(help="Campaign, such as email_campaign.")],
        pilot: Annotated[Path | None, typer.Option(help="Pilot data with columns treated and y.")] = None,
        observational: Annotated[bool, typer.Option(help="The pilot was not randomised.")] = False,
        n: Annotated[int, typer.Option("-n", help="Number of twins.")] = 10_000,
        filters: Filters = None,
        minimum_effect: Annotated[float, typer.Option(help="Smallest effect worth deploying for.")] = 0.05,
        accept_assumptions: Annotated[bool, typer.Option(help="Let an assumption alone advise to deploy.")] = False,
        report: Annotated[Path | None, typer.Option(help="HTML page to write.")] = None,
        seed: Annotated[int, typer.Option(help="Seed.")] = 0,
        as_json: JsonFlag = False,
    ) -> None:
        """Try a campaign; without a pilot its effect is an assumption and labelled so.

        Example: novamind twins simulate twins.model --intervention email_campaign --pilot pilot.csv
        """
        from novamind.populations.domain import InterventionConfig
        from novamind.populations.generation.generator import TwinGenerator
        from novamind.populations.interventions.evidence import EstimatedEffect
        from novamind.populations.interventions.simulation_engine import SimulationEngine
        from novamind.populations.presentation import report as page

        generator = TwinGenerator.load(model)
        _progress(f"drawing {n:,} twins")
        population = generator.generate(n, _filters(filters), seed)
        evidence = None
        if pilot is not None:
            _progress("estimating the effect from the pilot")
            evidence = EstimatedEffect(_read(pilot), randomised=not observational, seed=seed)
        engine = SimulationEngine(
            population, evidence, minimum_effect=minimum_effect, accept_assumptions=accept_assumptions
        )
        result = engine.simulate(InterventionConfig(intervention))
        if report is not None:
            page.write(report, population, metrics=generator.metrics, result=result)
        _show(result.to_dict(), [f"{result.recommendation}: {result.reason}", *result.checks], as_json)

    @twins.command()
    def fidelity(
        model: Annotated[Path, typer.Argument(help="Model file of 'twins train'.")],
        outcomes: Annotated[Path, typer.Argument(help="Features and what came of them, one row each.")],
        as_json: JsonFlag = False,
    ) -> None:
        """Grade a model against real outcomes.

        Example: novamind twins fidelity twins.model outcomes.parquet
        """
        import numpy as np

        from novamind.populations.fidelity.fidelity_tracker import grade
        from novamind.populations.generation.generator import TwinGenerator

        generator, frame = TwinGenerator.load(model), _read(outcomes)
        target = str(generator.target)
        if target not in frame.columns:
            raise ValidationError(f"the outcomes lack the column {target!r} that the model predicts")
        actual = np.array([np.nan if v is None else float(v) for v in frame[target].to_list()])
        mean, low, high = generator.predict(frame)
        report = grade(mean, actual, low, high)
        text = [
            f"{report.grade}: MAE {report.mae:.4g}, correlation {report.correlation:.3f}, "
            f"coverage {report.coverage_95:.3f} "
            f"({report.sample_size:,} outcomes, {report.missing:,} missing)",
            *report.warnings,
        ]
        _show(report.to_dict(), text, as_json)


def _read(path: Path) -> Any:
    import polars as pl

    try:
        return pl.read_csv(path, infer_schema_length=None) if path.suffix == ".csv" else pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataProcessingError(f"{path.name} cannot be read; give a CSV or Parquet table") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        columns = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataProcessingError(f"{path.name} cannot be read; give a JSON object") from error
    if not isinstance(columns, dict) or not all(isinstance(v, list) for v in columns.values()):
        raise ValidationError(f"{path.name} must be a JSON object that gives every column a list")
    return columns


def _filters(texts: list[str] | None) -> dict[str, Any] | None:
    conditions: dict[str, Any] = {}
    for text in texts or ():
        name, mark, wanted = text.partition("=")
        if not mark or not wanted:
            raise ValidationError(f"the filter {text!r} cannot be read; write column=a,b or column=low..high")
        if ".." in wanted:
            low, _, high = wanted.partition("..")
            conditions[name] = (_number(low), _number(high))
        else:
            items = [_number(w) for w in wanted.split(",")]
            conditions[name] = items if all(isinstance(i, float) for i in items) else wanted.split(",")
    return conditions or None


def _number(text: str) -> float | str | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _progress(text: str) -> None:
    typer.echo(f"novamind: {text} ...", err=True)


def _show(figures: dict[str, Any], text: list[str], as_json: bool) -> None:
    typer.echo(json.dumps(figures, indent=2) if as_json else "\n".join(text))
