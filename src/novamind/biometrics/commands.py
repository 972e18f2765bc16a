"""The room's shell commands: read signals and reports, correlate, say it, write pictures."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from novamind.errors import DataProcessingError, ValidationError
from novamind.infrastructure.logs import message

if TYPE_CHECKING:
    from novamind.biometrics.results import Correlations, PersonLinks

LINKS_FOUND = message("links found")
_EXAMPLES = """\b
Examples:
  novamind correlate signals.csv reports.csv
  novamind correlate signals.parquet reports.csv --illness illness.csv --fdr 0.2 --json
"""
_TRAIN_EXAMPLES = """\b
Examples:
  novamind train biometrics --seed 0 --out model
  novamind train biometrics --network lstm --preset smoke --out lstm
  NOVAMIND_BIOMETRIC_MODEL_PATH=model novamind correlate signals.csv reports.csv
"""
_WARNINGS_SHOWN = 5
#: Persons whose alarms are computed in the time that further processes take to start.
_WORTH_PROCESSES = 10
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def register(app: typer.Typer, train: typer.Typer) -> None:
    """Add this room's commands to the shell, and its models to ``novamind train``."""
    train.command("biometrics", epilog=_TRAIN_EXAMPLES)(train_biometrics)
    app.command(epilog=_EXAMPLES)(correlate)


def correlate(
    biometrics: Annotated[Path, typer.Argument(help="CSV or Parquet: timestamp, signal, value [, patient_id, unit].")],
    symptoms: Annotated[Path, typer.Argument(help="CSV or Parquet: timestamp, value [, symptom, patient_id].")],
    max_lag_hours: Annotated[int, typer.Option(help="Longest lag, both ways, 1 to 168.")] = 168,
    fdr: Annotated[float, typer.Option(help="Allowed share of false links among the confirmed ones.")] = 0.1,
    calendar: Annotated[Path | None, typer.Option(help="Days that differ: start, end.")] = None,
    medication: Annotated[Path | None, typer.Option(help="Courses of medication: start, end.")] = None,
    illness: Annotated[Path | None, typer.Option(help="Illness log: start, end.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone in which the person lives, e.g. Europe/Berlin.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed and input, same result.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes for several patients; default all cores.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for pictures (of a single patient).")] = None,
    as_json: AsJson = False,
) -> None:
    """Find which signals go before which symptoms, by how many hours, and which only seem to."""
    started = time.perf_counter()
    import structlog

    from novamind.biometrics.service import default_service
    from novamind.records import read_table

    processes = workers or os.cpu_count() or 1
    spans = [None if path is None else read_table(path) for path in (calendar, medication, illness)]
    correlations = default_service().correlate(
        read_table(biometrics),
        read_table(symptoms),
        max_lag_hours,
        fdr,
        calendar=spans[0],
        medication=spans[1],
        illness=spans[2],
        timezone=timezone,
        seed=seed,
        workers=processes,
        progress=partial(_bar, "analysed"),
    )
    structlog.get_logger().info(
        LINKS_FOUND,
        duration_ms=round(1000 * (time.perf_counter() - started)),
        count=sum(link.detected for person in correlations.persons for link in person.links),
        model_version=correlations.model_version,
        seed=seed,
    )
    files = {} if out is None else _write(correlations, out)
    if as_json:
        from novamind.biometrics.codec import CorrelationsBody, PersonLinksBody

        persons = _of_every_person(PersonLinksBody.of, correlations, processes)
        document = CorrelationsBody.of(correlations, persons).model_dump(mode="json")
        written = {what.lower(): str(path) for what, path in files.items()}
        print(json.dumps(document | {"files": written}, allow_nan=False))
        return
    for summary in _of_every_person(_summary, correlations, processes):
        print(summary)
    for what, path in files.items():
        print(f"{what:<12}{path}")


def train_biometrics(
    out: Annotated[Path, typer.Option(help="Folder for the model.")],
    preset: Annotated[str, typer.Option(help="compact (2 cores), full, or smoke (seconds, a test).")] = "compact",
    network: Annotated[str, typer.Option(help="detector, or lstm: the network that is only measured.")] = "detector",
    seed: Annotated[int, typer.Option(help="Same seed, same model.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; default all cores.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fit the link detector on simulated persons.

    Needs the extra: pip install 'novamind[train]'.
    """
    from novamind.biometrics.training import PRESETS, train

    if preset not in PRESETS:
        raise ValidationError(f"no preset of that name: choose {', '.join(PRESETS)}")
    if network not in ("detector", "lstm"):
        raise ValidationError("no network of that name: choose detector or lstm")
    started = time.perf_counter()

    def progress(stage: str) -> None:
        print(f"{time.perf_counter() - started:7.0f} s  {stage}", file=sys.stderr, flush=True)

    figures = train(
        PRESETS[preset], network, seed=seed, out=out, workers=workers or os.cpu_count() or 1, progress=progress
    )
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<32}{value}")


def _of_every_person(describe: Callable[["PersonLinks"], Any], correlations: "Correlations", workers: int) -> list[Any]:
    """Return a description of every person, in their order; baselines and alarms are computed only now."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from novamind.biometrics.service import one_thread

    persons, progress = correlations.persons, partial(_bar, "described", of=len(correlations.persons))
    described = []
    with ExitStack() as stack:
        answers: Iterator[Any] = map(describe, persons)
        if len(persons) > _WORTH_PROCESSES and workers > 1:
            pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=one_thread)
            answers = stack.enter_context(pool).map(describe, persons)
        for done, answer in enumerate(answers, start=1):
            described.append(answer)
            progress(done)
    return described


def _bar(what: str, done: int, of: int) -> None:
    """Print progress on standard error: a bar that redraws itself on a terminal, a line every tenth elsewhere."""
    if of < 2:
        return
    if sys.stderr.isatty():
        filled = 40 * done // of
        bar = f"[{'#' * filled}{'.' * (40 - filled)}]"
        print(f"\r{bar} {done} of {of} patients {what}", end="", file=sys.stderr, flush=True)
        if done == of:
            print(file=sys.stderr)
    elif done == of or done % max(of // 10, 1) == 0:
        print(f"{done} of {of} patients {what}", file=sys.stderr, flush=True)


def _write(correlations: "Correlations", out: Path) -> dict[str, Path]:
    from novamind.biometrics.plots import save

    if len(correlations.persons) != 1:
        raise ValidationError("pictures are drawn of a single patient: filter the tables, or leave out --out")
    files = {"Map": out / "links.png", "Graph": out / "graph.png", "Timeline": out / "timeline.png"}
    try:
        out.mkdir(parents=True, exist_ok=True)
        save(correlations.plot(), files["Map"])
        save(correlations.plot_graph(), files["Graph"])
        save(correlations.plot_timeline(), files["Timeline"])
        surest = max(correlations.persons[0].links, key=lambda link: link.score)
        files["Profile"] = out / "profile.png"
        save(correlations.plot(surest.signal, surest.symptom), files["Profile"])
    except OSError as error:
        raise DataProcessingError(f"{out} cannot be written: {error.strerror}; give another --out") from error
    return files


def _summary(person: "PersonLinks") -> str:
    confirmed = sorted((link for link in person.links if link.detected), key=lambda link: -link.score)
    name = "" if person.patient_id is None else f"Patient {person.patient_id}: "
    lines = [f"{name}{len(confirmed)} of {len(person.links)} pairs confirmed", ""]
    if confirmed:
        lines.append(f"{'signal':<20}{'symptom':<20}{'lag h':>7}  {'90 %':<14}{'effect':>7}{'q':>8}")
    for link in confirmed:
        span = f"{link.lag_low:.0f} to {link.lag_high:.0f}"
        lines.append(
            f"{link.signal[:19]:<20}{link.symptom[:19]:<20}{link.lag_hours:>+7.0f}  {span:<14}{link.effect:>+7.2f}"
            f"{link.q_value:>8.3f}"
        )
    apparent: dict[str, int] = {}
    for link in person.links:
        if link.explained_by:
            apparent[link.explained_by] = apparent.get(link.explained_by, 0) + 1
    if apparent:
        causes = ", ".join(f"{cause} ({n})" for cause, n in sorted(apparent.items(), key=lambda item: -item[1]))
        lines.append(f"{'Only apparent':<14}{sum(apparent.values())} pairs; they come from {causes}")
    for what, reason in person.skipped.items():
        lines.append(f"{'Left out':<14}{what}: {reason}")
    lines += [f"{'Note':<14}{note}" for note in person.notes]
    for insight in person.insights:
        lines += ["", insight.text, *([insight.action] if insight.action else [])]
    lines.append("")
    for warning in person.early_warning[-_WARNINGS_SHOWN:]:
        when = str(person.series.at(warning.hour).astype("datetime64[m]")).replace("T", " ")
        lines.append(f"{'Warning':<14}{when}: {warning.symptom} to {'rise' if warning.direction > 0 else 'fall'} in "
                     f"{warning.horizon_low:.0f} to {warning.horizon_high:.0f} h; {warning.evidence}")  # fmt: skip
    for item in person.monitoring_plan:
        lines.append(f"{'Watch':<14}{item.signal}: {item.reason}")
    lines.append(f"{'Reliability':<14}{person.reliability.level}: {'; '.join(person.reliability.reasons)}")
    return "\n".join([*lines, ""])
