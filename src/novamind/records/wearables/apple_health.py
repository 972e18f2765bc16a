"""Apple Health's export: ``export.xml``, alone or in ``export.zip``.

Streamed: memory does not grow with the file. What real exports hold, and how it is read:

- Records inside a ``Correlation`` stand a second time at the top level (the export's own note) and are read there.
- Dates carry the offset of the phone's timezone at the time of the export, also for days spent elsewhere;
  where a record's ``HKTimeZone`` names another timezone, that one counts. Their form is the phone's
  (:mod:`novamind.records.wearables.apple_dates`).
- Percentages are written as fractions of 1 with the unit ``%``; some apps write the percentage itself.
- The ``device`` text names the maker's product; the source's own name often holds the owner's and is used, without
  it, only where there is no device. Watches and bands are known by product, manufacturer or app.
- A sample that starts more than a day after it was stored, or after the export, was stamped by a wrong clock.
- State of Mind is the valence that the person gave, from -1 to 1: of a day, or of a moment.
- The file's name is in the phone's language: it is known by what it holds. Lines that are no XML are left out and named
  (:mod:`novamind.records.wearables.apple_xml`).
"""

from collections.abc import Iterator

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.apple_dates import instants
from novamind.records.wearables.apple_records import DAY, MOMENT, WORKOUT, Records
from novamind.records.wearables.apple_xml import ROOT, Damage, walk
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.samples import Batch, Tally, frame_of
from novamind.timeline import local_from_utc, parse_timezone

MAKER = "Apple Health"

_BATCH_ROWS = 100_000
_QUANTITIES = {
    "HeartRate": "heart_rate",
    "RestingHeartRate": "resting_heart_rate",
    "WalkingHeartRateAverage": "walking_heart_rate",
    "HeartRateVariabilitySDNN": "hrv_sdnn",
    "HeartRateVariabilityRMSSD": "hrv_rmssd",
    "RespiratoryRate": "respiratory_rate",
    "OxygenSaturation": "oxygen_saturation",
    "AppleSleepingWristTemperature": "skin_temperature",
    "BodyTemperature": "body_temperature",
    "BasalBodyTemperature": "body_temperature",
    "ElectrodermalActivity": "electrodermal_activity",
    "VO2Max": "vo2_max",
    "StepCount": "steps",
    "DistanceWalkingRunning": "distance",
    "ActiveEnergyBurned": "active_energy",
    "BasalEnergyBurned": "basal_energy",
    "FlightsClimbed": "floors",
    "AppleExerciseTime": "exercise",
    "TimeInDaylight": "daylight",
    "EnvironmentalAudioExposure": "sound_level",
    "BodyMass": "weight",
    "BodyFatPercentage": "body_fat",
    "BloodPressureSystolic": "blood_pressure_systolic",
    "BloodPressureDiastolic": "blood_pressure_diastolic",
    "BloodGlucose": "blood_glucose",
}
_SIGNAL_OF = {f"HKQuantityTypeIdentifier{name}": signal for name, signal in _QUANTITIES.items()} | {
    WORKOUT: "workout",
    DAY: "daily_mood_valence",
    MOMENT: "mood_valence",
}
_SLEEP = "HKCategoryTypeIdentifierSleepAnalysis"
_STAGES = {
    "InBed": ("sleep_in_bed",),
    "Asleep": ("sleep_asleep",),
    "AsleepUnspecified": ("sleep_asleep",),
    "AsleepCore": ("sleep_asleep", "sleep_light"),
    "AsleepDeep": ("sleep_asleep", "sleep_deep"),
    "AsleepREM": ("sleep_asleep", "sleep_rem"),
    "Awake": ("sleep_awake",),
}
_STAGE_OF = {f"HKCategoryValueSleepAnalysis{name}": signals for name, signals in _STAGES.items()}
_PHONE = "(?i)iphone|ipad|ipod|phone"
_WORN = (
    r"(?i)watch|^connect$|\b(?:ring|band|strap|fitbit|garmin|polar|whoop|oura|forerunner|f[eē]nix|v[ií]vo\w*|venu|epix"
    r"|instinct|amazfit|zepp|suunto|coros|miband|mi fitness|xiaomi|huawei|honor|charge \d|versa|inspire|luxe|steel hr"
    r"|ultrahuman|ringconn|wahoo|tickr|h10|verity|fossil|mobvoi)\b"
)


def recognised(file: ExportFile) -> bool:
    """Return whether a file is the export, whatever its name in the phone's language is."""
    return file.suffix == ".xml" and ROOT in file.head


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Read an export in pieces of 100,000 records.

    Raises
    ------
    ValidationError
        It declares entities, nests deeper or has longer elements than any export, or more than 1,000 of its lines are
        no XML. A few such lines are left out and named.
    """
    records, damage = Records(file.path, context.tally, {*_SIGNAL_OF, _SLEEP}), Damage()
    with file.open() as stream:
        for done in walk(stream, file.path, records, damage):
            if len(records) >= _BATCH_ROWS:
                yield Batch(_samples(records, context.tally), "offset", file.path)
            context.advance(done, file.size)
    if len(records):
        yield Batch(_samples(records, context.tally), "offset", file.path)
    if sentence := damage.sentence():
        context.tally.skip_file(file.path, sentence)


def _samples(records: Records, tally: Tally) -> pl.DataFrame:
    """Return what was collected since the last call."""
    zones, frame = records.zones, records.taken()
    start, end, stored = (instants(frame[f"{name}_text"]) for name in ("start", "end", "stored"))
    frame = frame.with_columns(
        start["instant"].alias("start"),
        end["instant"].alias("end"),
        stored["instant"].alias("stored"),
        start["offset"],
        *(
            pl.col("device_text").str.extract(rf"{name}:(.*?)(?:, \w+:|>|$)").alias(name)
            for name in ("name", "manufacturer", "hardware")
        ),
    )
    frame = _travelled(frame, zones)
    frame = _without_wrong_clocks(frame, records.exported, tally)
    product = pl.concat_str("name", "hardware", separator=" ", ignore_nulls=True).str.strip_chars()
    makers = pl.concat_str("name", "manufacturer", "hardware", separator=" ", ignore_nulls=True)
    maker = pl.when(makers != "").then(makers).otherwise("source_name").fill_null("")
    frame = frame.with_columns(
        pl.when(product != "").then(product).otherwise(_without_owner(pl.col("source_name"))).alias("source"),
        pl.when("typed_in")
        .then(pl.lit("manual"))
        .when(pl.col("name").str.contains(_PHONE).fill_null(value=False))
        .then(pl.lit("phone"))
        .when(maker.str.contains(_WORN))
        .then(pl.lit("wearable"))
        .when(maker.str.contains(_PHONE))
        .then(pl.lit("phone"))
        .otherwise(pl.lit("other"))
        .alias("device"),
    ).with_columns(pl.col("source").fill_null("unknown"))
    return pl.concat([_quantities(frame), *_sleep(frame, tally)])


def _without_wrong_clocks(frame: pl.DataFrame, exported: str | None, tally: Tally) -> pl.DataFrame:
    ahead = (pl.col("start") > pl.col("stored") + pl.duration(days=1)).fill_null(value=False)
    export_date = instants(pl.Series([exported], dtype=pl.String))["instant"].item()
    if export_date is not None:
        ahead |= (pl.col("start") > export_date).fill_null(value=False)
    wrong = frame.select(ahead.alias("ahead")).to_series()
    if not wrong.any():
        return frame
    signal = pl.col("kind").replace(_SIGNAL_OF).replace(_SLEEP, "sleep")
    rows = frame.filter(wrong).with_columns(signal=signal)
    tally.rows_read += len(rows)
    tally.leave_out(rows, "starts after it was stored or exported: the clock ran ahead")
    return frame.filter(~wrong)


def _travelled(frame: pl.DataFrame, zones: dict[int, str]) -> pl.DataFrame:
    """Return the wall clocks of records that name their own timezone."""
    if not zones:
        return frame
    zone_of = pl.Series([zones.get(row) for row in range(len(frame))], dtype=pl.String)
    parts = []
    named = pl.when(pl.col("start").is_not_null()).then(zone_of).alias("zone")
    for (name,), part in frame.with_columns(named).group_by("zone"):
        if name is not None:
            try:
                _, offset = local_from_utc(part["start"].to_numpy(), parse_timezone(str(name)))
            except ValidationError:  # the phone's own spelling of a timezone: its date keeps the offset as written
                parts.append(part)
                continue
            part = part.with_columns(pl.Series("offset", offset.astype("int64"), dtype=pl.Int32))
        parts.append(part)
    return pl.concat(parts).drop("zone").sort("row")


def _without_owner(name: pl.Expr) -> pl.Expr:
    """Return a device without its owner: ``Anna's Apple Watch`` is ``Apple Watch``, where a name can be recognised."""
    return name.str.replace(r"^.*['’]s\s+", "").str.replace(r"\s+(?:von|de|di|van)\s+.*$", "")


def _quantities(frame: pl.DataFrame) -> pl.DataFrame:
    rows = frame.filter(pl.col("kind") != _SLEEP)
    value = pl.col("text").cast(pl.Float64, strict=False)
    fraction = (pl.col("unit") == "%") & (value <= 1)
    return frame_of(
        {
            "row": rows["row"],
            "signal": rows["kind"].replace_strict(_SIGNAL_OF, return_dtype=pl.String),
            "start": rows["start"],
            "end": rows["end"],
            "offset": rows["offset"],
            "value": rows.select(value).to_series(),
            "unit": rows.select(pl.when(fraction).then(pl.lit("fraction")).otherwise("unit")).to_series(),
            "source": rows["source"],
            "device": rows["device"],
        }
    )


def _sleep(frame: pl.DataFrame, tally: Tally) -> list[pl.DataFrame]:
    rows = frame.filter(pl.col("kind") == _SLEEP)
    unknown = rows.filter(~pl.col("text").is_in(list(_STAGE_OF)).fill_null(value=False))
    if len(unknown):
        tally.rows_read += len(unknown)
        tally.leave_out(unknown.with_columns(signal=pl.lit("sleep")), "sleep stage is not known")
    parts = []
    for stage, signals in _STAGE_OF.items():
        part = rows.filter(pl.col("text") == stage)
        for signal in signals if len(part) else ():
            columns = {name: part[name] for name in ("row", "start", "end", "offset", "source", "device")}
            parts.append(frame_of({**columns, "signal": [signal] * len(part), "unit": ["min"] * len(part)}))
    return parts
