"""The room's shell commands: read a record, forecast, say it, write picture and report."""

import difflib
import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from novamind.errors import DataProcessingError, NotFoundError, ValidationError
from novamind.infrastructure.logs import message

if TYPE_CHECKING:
    import polars as pl

    from novamind.records import LongFrame, SeriesKey
    from novamind.symptoms.domain import Scale, SymptomForecast
    from novamind.symptoms.instruments import Instrument
    from novamind.symptoms.results import Forecast

FORECAST_MADE = message("forecast made")
_LISTED_SYMPTOMS = 20
_FORECAST_EXAMPLES = """\b
Examples:
  novamind forecast diary.csv --instrument PHQ-9 --threshold 15
  novamind forecast diary.csv --symptom mood --scale 0,10 --step 1 --worse low --json
"""
_TRAIN_EXAMPLES = """\b
Examples:
  novamind train symptoms --preset compact --seed 0 --out model
  novamind train symptoms --data diaries.parquet --scales scales.json --out ours
  NOVAMIND_SYMPTOM_MODEL_PATH=ours novamind forecast diary.csv --scale 0,10
"""

Horizon = Annotated[int, typer.Option(help="Days ahead, 1 to 30.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def register(app: typer.Typer, train: typer.Typer) -> None:
    """Add this room's commands to the shell, and its models to ``novamind train``."""
    train.command("symptoms", epilog=_TRAIN_EXAMPLES)(train_symptoms)
    app.command(epilog=_FORECAST_EXAMPLES)(forecast)
    app.command(epilog="Example: novamind demo --out demo --seed 7")(demo)


def forecast(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet file in long format, or a patient's directory.")],
    symptom: Annotated[str | None, typer.Option(help="Which symptom, where the file holds several.")] = None,
    patient: Annotated[str | None, typer.Option(help="Which patient, where the file holds several.")] = None,
    horizon: Horizon = 14,
    instrument: Annotated[str | None, typer.Option(help="A known questionnaire, e.g. PHQ-9.")] = None,
    scale: Annotated[str | None, typer.Option(help="The range of any other, e.g. 0,10.")] = None,
    step: Annotated[float | None, typer.Option(help="With --scale: 1 if only whole values occur.")] = None,
    worse: Annotated[str, typer.Option(help="With --scale: which end is worse, high or low.")] = "high",
    covariates: Annotated[
        Path | None, typer.Option(help="Signals of a wearable and rows treatment_start: timestamp, signal, value.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone in which the person lives, e.g. Europe/Berlin.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="A score whose risk is wanted, e.g. 15.")] = None,
    levels: Annotated[str | None, typer.Option(help="Quantile levels of --json, e.g. 0.1,0.5,0.9.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for picture and report; default forecast, none with --json.")
    ] = None,
    undated: Annotated[
        bool, typer.Option("--undated", help="Timestamps only count days: their weekday means nothing.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Kept with the result.")] = 0,
    explain: Annotated[
        bool, typer.Option("--explain", help="With --json: which parts of the record moved it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Forecast a symptom from a record: summary here, picture and report as files.

    FILE has the columns timestamp and value, and patient_id and symptom where it holds several series. Days
    without a report are fine.
    """
    started = time.perf_counter()
    from novamind.records import read_table
    from novamind.symptoms.domain import LEVELS
    from novamind.symptoms.notebook import forecast_many

    frame = _read(file, timezone)
    key = _choose(frame, patient, symptom)
    series_name, series_scale, series_instrument = _measured_with(key.name, instrument, scale, step, worse)
    result = forecast_many(
        _rows_of(frame, key, series_name),
        horizon,
        quantile_levels=LEVELS if levels is None else _numbers(levels, "--levels", "0.1,0.5,0.9"),
        scale=series_scale,
        covariates=None if covariates is None else read_table(covariates),
        seed=seed,
        dated=not undated,
        timezone=timezone,
    )[0]
    _log(result, started)
    _present(result, threshold, series_instrument, out if out or as_json else Path("forecast"), as_json, explain)


def demo(
    out: Annotated[
        Path | None, typer.Option(help="Folder for picture and report; default demo, none with --json.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another patient.")] = 7,
    horizon: Horizon = 14,
    as_json: AsJson = False,
) -> None:
    """Forecast a simulated patient's PHQ-9: no data needed, nothing leaves the machine."""
    started = time.perf_counter()
    from novamind.symptoms.instruments import find
    from novamind.symptoms.notebook import forecast_many
    from novamind.symptoms.presentation.demonstration import simulated_diary

    instrument = find("PHQ-9")
    result = forecast_many(simulated_diary(instrument, seed), horizon, scale=instrument.scale, seed=seed)[0]
    _log(result, started)
    _present(result, 15, instrument, out if out or as_json else Path("demo"), as_json)


def train_symptoms(
    out: Annotated[Path, typer.Option(help="Folder for the model; an interrupted run goes on from there.")],
    preset: Annotated[
        str, typer.Option(help="compact (2 cores), full (a GPU) or smoke (seconds, a test).")
    ] = "compact",
    seed: Annotated[int, typer.Option(help="Same seed and data, same model.")] = 0,
    data: Annotated[
        Path | None, typer.Option(help="Your own diaries, long format with patient_id and symptom, to fit on as well.")
    ] = None,
    scales: Annotated[
        Path | None,
        typer.Option(help='With --data: JSON of symptom to {"low": 0, "high": 10, "step": 1, "worse": "high"}.'),
    ] = None,
    undated: Annotated[
        list[str] | None, typer.Option(help="With --data: a symptom whose weekdays mean nothing; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fit the symptom model on simulated persons, and on your own diaries if you give them.

    Needs the extra: pip install 'novamind[train]'.
    """
    from novamind.symptoms.training import PRESETS, diaries, train

    if preset not in PRESETS:
        raise ValidationError(f"no preset of that name: choose {', '.join(PRESETS)}")
    own = [] if data is None else diaries(_read(data), _scales(scales), undated=undated or ())
    started = time.perf_counter()

    def progress(stage: str) -> None:
        print(f"{time.perf_counter() - started:7.0f} s  {stage}", file=sys.stderr, flush=True)

    name = f"symptoms-{preset}" if data is None else f"symptoms-{preset}-own"
    model = train(PRESETS[preset], seed=seed, out=out, name=name, diaries=own, progress=progress)
    if as_json:
        print(json.dumps({"version": model.version, "error": model.validation_error, "coverage": model.coverage}))
        return
    print(f"Model       {model.version} in {out}")
    print("CRPS        " + ", ".join(f"{member} {error:.2f} %" for member, error in model.validation_error.items()))
    print("Coverage    " + ", ".join(f"{100 * level:g} %: {share:.3f}" for level, share in model.coverage.items()))


def _scales(path: Path | None) -> dict[str, "Scale"] | None:
    from novamind.symptoms.domain import Scale

    if path is None:
        return None
    try:
        return {symptom: Scale(**scale) for symptom, scale in json.loads(path.read_text()).items()}
    except OSError as error:
        raise DataProcessingError(f"{path} cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, TypeError, AttributeError) as error:
        raise ValidationError(
            '--scales must be JSON such as {"mood": {"low": 0, "high": 10, "step": 1, "worse": "low"}}'
        ) from error


def _read(path: Path, timezone: str | None = None) -> "LongFrame":
    from novamind.records import read_patient_directory, read_table, symptom_frame

    if not path.is_dir():
        try:
            return symptom_frame(read_table(path), timezone=timezone)
        except ValidationError as error:
            raise type(error)(f"{error} (a table in another form: novamind import)") from error
    record = read_patient_directory(path)
    if record.symptoms is None:
        raise NotFoundError("the patient's directory has no symptoms.csv or symptoms.parquet: add one")
    return record.symptoms


def _choose(frame: "LongFrame", patient: str | None, symptom: str | None) -> "SeriesKey":
    """Return the one series that is meant; errors name symptoms, and only count patients."""
    from novamind.symptoms.instruments import plain

    patients = {key.patient_id for key in frame.series}
    if patient is None and len(patients) > 1:
        raise ValidationError(f"the file holds {len(patients)} patients: choose one with --patient")
    if patient is not None and patient not in patients:
        raise NotFoundError(f"no such patient in the file, which holds {len(patients)}: check --patient")
    keys = [key for key in frame.series if patient is None or key.patient_id == patient]
    there = [key.name for key in keys]
    listed = ", ".join(there[:_LISTED_SYMPTOMS])
    if len(there) > _LISTED_SYMPTOMS:
        listed += f" and {len(there) - _LISTED_SYMPTOMS} more"
    if symptom is None:
        if len(keys) > 1:
            raise ValidationError(f"the file holds {len(keys)} symptoms: choose one with --symptom: {listed}")
        return keys[0]
    exact = [key for key in keys if key.name == symptom]
    meant = exact or [key for key in keys if plain(key.name) == plain(symptom)]
    if len(meant) == 1:
        return meant[0]
    near = difflib.get_close_matches(symptom.casefold(), [name.casefold() for name in there], n=1, cutoff=0.5)
    hint = f"; did you mean {next(n for n in there if n.casefold() == near[0])}?" if near else ""
    raise NotFoundError(f"no such symptom in the file, which holds {listed}{hint}")


def _measured_with(
    name: str, instrument: str | None, scale: str | None, step: float | None, worse: str
) -> tuple[str, "Scale", "Instrument | None"]:
    """Return the name of the series, its scale, and its instrument where that is a known one."""
    from novamind.records.tables.frames import UNNAMED_SYMPTOM
    from novamind.symptoms.domain import Scale
    from novamind.symptoms.instruments import find, recognise

    if scale is None:
        if step is not None or worse != "high":
            raise ValidationError("--step and --worse describe a --scale: give it too, e.g. --scale 0,10")
        series_instrument = recognise(name) if instrument is None else find(instrument)
        if series_instrument is None:
            raise ValidationError(
                f"'{name}' is not a known instrument: give --instrument, or its range, e.g. --scale 0,10 --step 1"
            )
        return (series_instrument.name if name == UNNAMED_SYMPTOM else name), series_instrument.scale, series_instrument
    if instrument is not None:
        raise ValidationError("give --instrument or --scale, not both")
    ends = _numbers(scale, "--scale", "0,10")
    if len(ends) != 2:
        raise ValidationError("--scale must be two numbers, e.g. --scale 0,10")
    return name, Scale(*ends, step, cast(Literal["high", "low"], worse)), None


def _numbers(text: str, option: str, example: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ValidationError(f"{option} must be numbers with commas between, e.g. {option} {example}") from error


def _rows_of(frame: "LongFrame", key: "SeriesKey", name: str) -> "pl.DataFrame":
    import polars as pl

    rows = frame.part(frame.series.index(key))
    times: Any = frame.timestamps[rows]
    if frame.utc_offset is not None:
        minutes = frame.utc_offset[rows].astype("timedelta64[m]").astype(int).tolist()
        offsets = (f"{'-' if n < 0 else '+'}{abs(n) // 60:02d}:{abs(n) % 60:02d}" for n in minutes)
        times = [f"{when}{offset}" for when, offset in zip(times, offsets, strict=True)]
    columns: dict[str, Any] = {"timestamp": times, "value": frame.values[rows]}
    whose = {"symptom": name} if key.patient_id is None else {"symptom": name, "patient_id": key.patient_id}
    return pl.DataFrame(columns).with_columns(**{column: pl.lit(text) for column, text in whose.items()})


def _log(forecast: "SymptomForecast", started: float) -> None:
    import structlog

    structlog.get_logger().info(
        FORECAST_MADE,
        duration_ms=round(1000 * (time.perf_counter() - started)),
        horizon=forecast.horizon,
        model_version=forecast.model_version,
        seed=forecast.seed,
    )


def _present(
    forecast: "Forecast",
    threshold: float | None,
    instrument: "Instrument | None",
    out: Path | None,
    as_json: bool,
    explain: bool = False,
) -> None:
    files = {} if out is None else _write(forecast, threshold, instrument, out)
    if as_json:
        beside = {
            "instrument": instrument.name if instrument else None,
            "files": {what.lower(): str(path) for what, path in files.items()},
        }
        print(json.dumps(forecast.to_dict(threshold, explain=explain) | beside, allow_nan=False))
    else:
        print(_summary(forecast, threshold))
        for what, path in files.items():
            print(f"{what:<12}{path}")


def _write(
    forecast: "SymptomForecast", threshold: float | None, instrument: "Instrument | None", out: Path
) -> dict[str, Path]:
    """Write picture and report; files are named after the symptom, never after the patient."""
    from novamind.symptoms.presentation.plots import fan_chart, save
    from novamind.symptoms.presentation.report import render

    name = "-".join(re.findall(r"[a-z0-9]+", forecast.symptom.lower()))[:60] or "symptom"
    files = {"Picture": out / f"{name}.png", "Report": out / f"{name}.html"}
    picture, text = fan_chart(forecast, threshold), render(forecast, threshold, instrument)
    try:
        out.mkdir(parents=True, exist_ok=True)
        save(picture, files["Picture"])
        files["Report"].write_text(text, "utf-8")
    except OSError as error:
        raise DataProcessingError(f"{out} cannot be written: {error.strerror}; give another --out") from error
    return files


def _summary(forecast: "SymptomForecast", threshold: float | None) -> str:
    from novamind.symptoms.presentation import wording

    scale = forecast.scale
    middle, wide = forecast.interval(0.8), forecast.interval(0.95)
    risk = None if threshold is None else forecast.risk(threshold)
    table = [["", "median", "80 %", "95 %", *([wording.beyond(scale, risk.threshold)] if risk else [])]]
    for i, day in enumerate(forecast.days):
        bounds = [wording.span(scale, low[i], high[i]) for low, high in (middle, wide)]
        chance = [wording.percent(risk.probability[i])] if risk else []
        table.append([wording.date(day), wording.number(scale, forecast.median[i]), *bounds, *chance])
    widths = [max(map(len, column)) + 2 for column in zip(*table, strict=True)]
    facts = {"Trend": wording.trend(scale, forecast.trend)}
    if risk:
        facts["Risk"] = wording.risk(forecast, risk)
    if forecast.covariates:
        facts["Covariates"] = wording.covariates(scale, forecast.covariates)
    facts["Moved by"] = wording.importance(forecast)
    facts["Reliability"] = f"{forecast.reliability.level}: {'; '.join(forecast.reliability.reasons)}."
    facts["Models"] = ", ".join(wording.member(scale, member) for member in forecast.members)
    return "\n".join(
        [
            wording.headline(forecast),
            "",
            *("".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in table),
            "",
            *(f"{name:<12}{text}" for name, text in facts.items()),
        ]
    )
