"""Apple Health's export: ``export.xml``, alone or in ``export.zip``.

Streamed: memory does not grow with the file. What real exports hold, and how it is read:

- Records inside a ``Correlation`` stand a second time at the top level (the export's own note) and are read there.
- Dates carry the offset of the phone's timezone at the time of the export, also for days spent elsewhere;
  where a record's ``HKTimeZone`` names another timezone, that one counts.
- Percentages are written as fractions of 1 with the unit ``%``.
- The ``device`` text names the maker's product; the source's own name often holds the owner's and is used, without
  it, only where there is no device.
- A sample that starts more than a day after it was stored, or after the export, was stamped by a wrong clock.
- Some versions of iOS write a document type that is not well-formed, and control characters in attributes. The
  document type is not needed and is cut off, control characters become spaces. A document type that declares an
  entity is refused, so no entity can be expanded or fetched.
- The file's name inside the archive is in the phone's language: the largest ``.xml`` that is not the
  clinical document (``export_cda.xml``) is the one.
"""

import xml.parsers.expat as expat
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import IO

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.samples import Batch, Tally, frame_of
from novamind.timeline import local_from_utc, parse_timezone

_CHUNK_BYTES = 1 << 20
_BATCH_ROWS = 100_000
_CONTROL = bytes(32 if code < 32 and code not in (9, 10, 13) else code for code in range(256))
_ROOT = b"<HealthData"

MAKER = "Apple Health"

_QUANTITIES = {
    "HeartRate": "heart_rate",
    "RestingHeartRate": "resting_heart_rate",
    "WalkingHeartRateAverage": "walking_heart_rate",
    "HeartRateVariabilitySDNN": "hrv_sdnn",
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
_SIGNAL_OF = {f"HKQuantityTypeIdentifier{name}": signal for name, signal in _QUANTITIES.items()}
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


def recognised(file: ExportFile) -> bool:
    """Return whether a file is the export, whatever its name in the phone's language is."""
    return file.suffix == ".xml" and _ROOT in file.head


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Read an export in pieces of 100,000 records.

    Raises
    ------
    ValidationError
        It is cut off or not well-formed (the message names the line), or declares entities.
    """
    with file.open() as stream:
        yield from _streamed(stream, file.path, file.size, context.tally, context.advance)


def _streamed(
    stream: IO[bytes], file: str, size: int, tally: Tally, progress: Callable[[int, int], None]
) -> Iterator[Batch]:
    head = _head(stream, file)
    records = _Records(tally)
    parser = expat.ParserCreate()
    parser.StartElementHandler = records.start
    parser.EndElementHandler = records.end
    done = len(head)
    chunk = head[head.index(_ROOT) :]
    try:
        while chunk:
            parser.Parse(chunk.translate(_CONTROL), False)
            if len(records) >= _BATCH_ROWS:
                yield Batch(records.samples(), "offset", file)
            progress(done, size)
            chunk = stream.read(_CHUNK_BYTES)
            done += len(chunk)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        lines = head[: head.index(_ROOT)].count(b"\n") + error.lineno
        raise ValidationError(
            f"{file}: line {lines} is not well-formed XML ({expat.ErrorString(error.code)}): export it again"
        ) from error
    yield Batch(records.samples(), "offset", file)
    progress(done, size)


def _head(stream: IO[bytes], file: str) -> bytes:
    """Return everything up to the root element, and the start of what follows."""
    head = stream.read(_CHUNK_BYTES)
    if _ROOT not in head:
        raise ValidationError(f"{file}: is not Apple Health's export.xml: it holds no HealthData")
    if b"<!ENTITY" in head[: head.index(_ROOT)].upper():
        raise ValidationError(f"{file}: its document type declares entities, which no export does: it is not read")
    return head


class _Records:
    """Collects records as columns while expat walks through the file."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._depth_of_correlation = 0
        self._row = 0
        self._exported: str | None = None
        self._open = False
        self._clear()

    def __len__(self) -> int:
        return len(self._rows)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Record":
            if self._depth_of_correlation:
                return
            self._row += 1
            kind = attributes.get("type", "")
            get = attributes.get
            if kind in _SIGNAL_OF or kind == _SLEEP:
                self._open = True
                self._rows.append(self._row)
                self._kinds.append(kind)
                self._values.append(get("value"))
                self._units.append(get("unit"))
                self._starts.append(get("startDate"))
                self._ends.append(get("endDate"))
                self._stored.append(get("creationDate"))
                self._sources.append(get("sourceName"))
                self._devices.append(get("device"))
            else:
                self._tally.not_read(kind or "Record")
        elif name == "MetadataEntry":
            if self._open:
                key = attributes.get("key")
                if key == "HKWasUserEntered":
                    if attributes.get("value") == "1":
                        self._typed_in.add(len(self._rows) - 1)
                elif key == "HKTimeZone":
                    self._zones[len(self._rows) - 1] = attributes.get("value", "")
        elif name == "Correlation":
            self._depth_of_correlation += 1
        elif name == "ExportDate":
            self._exported = attributes.get("value")
        elif name in ("Workout", "ActivitySummary", "ClinicalRecord", "Audiogram", "VisionPrescription"):
            self._tally.not_read(name)

    def end(self, name: str) -> None:
        if name == "Record":
            self._open = False
        elif name == "Correlation":
            self._depth_of_correlation -= 1

    def samples(self) -> pl.DataFrame:
        """Return what was collected since the last call."""
        frame = pl.DataFrame(
            {
                "row": pl.Series(self._rows, dtype=pl.Int64),
                "kind": pl.Series(self._kinds, dtype=pl.String),
                "text": pl.Series(self._values, dtype=pl.String),
                "unit": pl.Series(self._units, dtype=pl.String),
                "start_text": pl.Series(self._starts, dtype=pl.String),
                "end_text": pl.Series(self._ends, dtype=pl.String),
                "stored_text": pl.Series(self._stored, dtype=pl.String),
                "source_name": pl.Series(self._sources, dtype=pl.String),
                "device_text": pl.Series(self._devices, dtype=pl.String),
            }
        )
        typed_in = pl.Series([row in self._typed_in for row in range(len(self))], dtype=pl.Boolean)
        zones = dict(self._zones)
        self._clear()
        frame = frame.with_columns(
            typed_in.alias("typed_in"),
            *(_instant(f"{name}_text").alias(name) for name in ("start", "end", "stored")),
            _offset("start_text").alias("offset"),
            pl.col("device_text").str.extract(r"name:([^,>]*)").alias("product"),
            pl.col("device_text").str.extract(r"hardware:(.*?)(?:, \w+:|>|$)").alias("hardware"),
        )
        frame = _travelled(frame, zones)
        exported = None if self._exported is None else _parsed_date(self._exported)
        frame = self._without_wrong_clocks(frame, exported)
        product = pl.concat_str("product", "hardware", separator=" ", ignore_nulls=True)
        named = pl.col("product").fill_null(pl.col("source_name"))
        frame = frame.with_columns(
            pl.when(product != "").then(product).otherwise(_without_owner(pl.col("source_name"))).alias("source"),
            pl.when("typed_in")
            .then(pl.lit("manual"))
            .when(named.str.contains("(?i)watch|ring|band|fitbit|garmin|polar|whoop|oura|strap"))
            .then(pl.lit("wearable"))
            .when(named.str.contains("(?i)iphone|ipad|phone"))
            .then(pl.lit("phone"))
            .otherwise(pl.lit("other"))
            .alias("device"),
            pl.col("source_name").fill_null(""),
        ).with_columns(pl.col("source").fill_null("unknown"))
        return pl.concat([_quantities(frame), *_sleep(frame, self._tally)])

    def _without_wrong_clocks(self, frame: pl.DataFrame, exported: datetime | None) -> pl.DataFrame:
        ahead = (pl.col("start") > pl.col("stored") + pl.duration(days=1)).fill_null(value=False)
        if exported is not None:
            ahead |= (pl.col("start") > exported).fill_null(value=False)
        wrong = frame.select(ahead.alias("ahead")).to_series()
        if not wrong.any():
            return frame
        signal = pl.col("kind").replace(_SIGNAL_OF).replace(_SLEEP, "sleep")
        rows = frame.filter(wrong).with_columns(signal=signal)
        self._tally.rows_read += len(rows)
        self._tally.leave_out(rows, "starts after it was stored or exported: the clock ran ahead")
        return frame.filter(~wrong)

    def _clear(self) -> None:
        self._rows: list[int] = []
        self._kinds: list[str] = []
        self._values: list[str | None] = []
        self._units: list[str | None] = []
        self._starts: list[str | None] = []
        self._ends: list[str | None] = []
        self._stored: list[str | None] = []
        self._sources: list[str | None] = []
        self._devices: list[str | None] = []
        self._typed_in: set[int] = set()
        self._zones: dict[int, str] = {}


def _instant(name: str) -> pl.Expr:
    """Return ``2016-04-15 07:27:26 +0100`` as an instant in UTC."""
    local = pl.col(name).str.slice(0, 19).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    return local - pl.duration(seconds=_offset(name))


def _offset(name: str) -> pl.Expr:
    """Return seconds by which the wall clock is ahead of UTC; null where the text has another form."""
    digits = pl.col(name).str.slice(20)
    seconds = (
        digits.str.slice(1, 2).cast(pl.Int32, strict=False) * 3600
        + digits.str.slice(3, 2).cast(pl.Int32, strict=False) * 60
    )
    return pl.when(digits.str.starts_with("-")).then(-seconds).otherwise(seconds)


def _parsed_date(text: str) -> datetime | None:
    moment: datetime | None = pl.DataFrame({"t": [text]}).select(_instant("t")).item()
    return moment


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
    fraction = pl.col("unit") == "%"
    return frame_of(
        {
            "row": rows["row"],
            "signal": rows["kind"].replace_strict(_SIGNAL_OF, return_dtype=pl.String),
            "start": rows["start"],
            "end": rows["end"],
            "offset": rows["offset"],
            "value": rows["text"].cast(pl.Float64, strict=False),
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
