"""Whoop's export: ``physiological_cycles.csv``, ``sleeps.csv``, ``workouts.csv``, ``journal_entries.csv``.

- Times are on the wall clock of ``Cycle timezone``: nights of one file start between 20 and 23 h in every zone.
- What is measured in a cycle's night lasts from falling asleep to waking: it is known in the morning.
- Empty cells were not scored; they are no zeros.
- A night stands in two files, with the same numbers: it is counted once, since equal rows of one source are.
- Headings are in the account's language; questions of the journal are read in English.
- ``Energy burned (cal)`` counts kilocalories of a cycle, from one sleep to the next, which is no day: it is not read.
"""

from collections.abc import Iterator

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, table_of, text_of, timed
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.samples import Batch
from novamind.records.wearables.whoop_headings import english

MAKER = "Whoop"

_CYCLE = "Cycle start time"
_NEEDED = {_CYCLE, "Cycle timezone"}
_TIMES = (
    _CYCLE, "Cycle end time", "Cycle timezone", "Sleep onset", "Wake onset", "Nap", "Notes",
    "Workout start time", "Workout end time", "Activity name", "GPS enabled", "Question text",
)  # fmt: skip
_NIGHT = {
    "Asleep duration (min)": ("sleep_duration", "min"),
    "Light sleep duration (min)": ("sleep_light_duration", "min"),
    "Deep (SWS) duration (min)": ("sleep_deep_duration", "min"),
    "REM duration (min)": ("sleep_rem_duration", "min"),
    "Awake duration (min)": ("sleep_awake_duration", "min"),
    "Sleep efficiency %": ("sleep_efficiency", "%"),
    "Sleep performance %": ("sleep_score", "score"),
    "Respiratory rate (rpm)": ("daily_respiratory_rate", "breaths/min"),
}
_CYCLES = {
    **_NIGHT,
    "Recovery score %": ("readiness_score", "score"),
    "Resting heart rate (bpm)": ("resting_heart_rate", "bpm"),
    "Heart rate variability (ms)": ("daily_hrv_rmssd", "ms"),
    "Skin temp (celsius)": ("daily_skin_temperature", "°C"),
    "Blood oxygen %": ("daily_oxygen_saturation", "%"),
}
_QUESTIONS = {
    "have any alcoholic drinks?": "journal_alcohol",
    "have any caffeine?": "journal_caffeine",
    "have any cannabis?": "journal_cannabis",
    "use marijuana?": "journal_cannabis",
    "viewed a screen device in bed?": "journal_screen_in_bed",
}


def recognised(file: ExportFile) -> bool:
    """Return whether a file is one of Whoop's tables."""
    return file.suffix == ".csv" and (_headings(file) >= _NEEDED or file.name == "physiological_cycles.csv")


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one table."""
    table = table_of(text_of(file.read()), file.path, context.tally)
    table.columns = [english(name) for name in table.columns]
    if not set(table.columns) >= _NEEDED:
        raise ValidationError(f"{file.path}: has headings of no language known here: set Whoop's app to English")
    columns = Columns(file.path, MAKER, context.tally)
    zone = pl.col("Cycle timezone").str.strip_chars()
    table = table.with_columns(
        pl.when(zone.is_in(["UTC", "UTCZ"]))
        .then(pl.lit("+00:00"))
        .otherwise(zone.str.extract(r"^UTC([+-]\d{2}:?\d{2})$"))
        .alias("zone")
    )
    if "Question text" in table.columns:
        _journal(table, columns)
    elif "Workout start time" in table.columns:
        workouts = timed(table, _local(table, "Workout start time"), _local(table, "Workout end time"))
        columns.add(workouts, "Duration (min)", "workout", "min")
    else:
        _nights(table, columns)
    columns.name_the_rest(table.drop("zone"), _TIMES)
    yield from columns.batches("local")


def _headings(file: ExportFile) -> set[str]:
    return {english(heading.strip(' "')) for heading in file.head_text.partition("\n")[0].split(",")}


def _local(table: pl.DataFrame, column: str, instead: str = _CYCLE) -> pl.Series:
    """Return times with their zone, as ISO 8601; a time that is empty is that of ``instead``.

    A row whose zone cannot be read has no time, and is left out as such.
    """
    written = pl.col(column if column in table.columns else instead).str.strip_chars()
    return table.select(pl.when(written == "").then(pl.col(instead)).otherwise(written) + pl.col("zone")).to_series()


def _nights(table: pl.DataFrame, columns: Columns) -> None:
    onset = "Sleep onset" if "Sleep onset" in table.columns else _CYCLE
    nights = timed(table, _local(table, onset), _local(table, "Wake onset", onset))
    columns.add_all(nights, _CYCLES)
    slept = "Asleep duration (min)"
    if slept in table.columns:
        measured = pl.col(slept).str.strip_chars() != ""
        columns.add_spans(nights.filter(measured & (pl.col("end") > pl.col("start"))), "sleep_in_bed")


def _journal(table: pl.DataFrame, columns: Columns) -> None:
    answers = timed(table, _local(table, _CYCLE))
    question = pl.col("Question text").str.strip_chars().str.to_lowercase()
    answer = pl.col("Answered yes").str.strip_chars().str.to_lowercase()
    value = pl.when(answer == "true").then(1.0).when(answer == "false").then(0.0)
    for text, signal in _QUESTIONS.items():
        asked = answers.filter(question == text)
        if len(asked):
            columns.add_values(asked, value, signal, "0/1")
    others = int((~table.select(question.is_in(list(_QUESTIONS))).to_series()).sum())
    if others:
        columns.tally.not_read(f"{MAKER} journal question of another kind", others)
    columns.ignore("Answered yes")
