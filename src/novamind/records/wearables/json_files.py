"""JSON documents of wearable makers: read whole, within the limit on file size, with errors that name the place."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from novamind.errors import ValidationError

#: ISO 8601, or a 12-hour clock; some programs of Java name the place in brackets.
_MOMENT = (
    r"^(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:[Tt\s]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"(?:\s*(?P<half>[AaPp])\.?\s?[Mm]\.?)?"
    r"\s*(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?(?:\[[\w/+-]+\])?)?$"
)


def parsed(data: bytes, file: str) -> Any:
    """Return one JSON document, or a list of those in NDJSON, one a line."""
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=lambda _: None)
    except UnicodeDecodeError as error:
        raise ValidationError(f"{file}: is not UTF-8 text: export it again") from error
    except RecursionError as error:
        raise ValidationError(f"{file}: is nested too deeply to be an export") from error
    except json.JSONDecodeError as error:
        lines = data.splitlines()
        if error.msg == "Extra data" and len(lines) > 1:
            return [_line(line, number, file) for number, line in enumerate(lines, start=1) if line.strip()]
        raise ValidationError(f"{file}: line {error.lineno} is not JSON: the file is cut off or damaged") from error


def _line(line: bytes, number: int, file: str) -> Any:
    try:
        return json.loads(line, parse_constant=lambda _: None)
    except ValueError as error:
        raise ValidationError(f"{file}: line {number} is not JSON: the file is cut off or damaged") from error


def number(value: Any) -> float | None:
    """Return a number, or text as one. Anything else is ``None``, so that the row is left out and counted."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def moments(texts: Sequence[str | None] | pl.Series) -> pl.DataFrame:
    """Return ISO 8601 texts as ``instant`` and ``offset``; without an offset the instant is the wall clock's reading.

    The time may be on the 12-hour clock. Text that is not a time as a whole gives null in both.
    """
    part = pl.col("text").struct.field
    frame = pl.Series("text", texts, dtype=pl.String).str.strip_chars().str.extract_groups(_MOMENT).to_frame()
    frame = frame.select(
        part("day"),
        part("hour").cast(pl.Int32).fill_null(0).alias("hour"),
        part("minute").fill_null("00"),
        part("second").fill_null("00"),
        part("fraction").fill_null("0").str.slice(0, 6),
        part("half").str.to_lowercase(),
        part("zone").str.to_lowercase().str.replace(":", ""),
    )
    noon = pl.when(pl.col("half") == "p").then(12).otherwise(0)
    hour = (
        pl.when(pl.col("half").is_null()).then(pl.col("hour"))
        .when(pl.col("hour").is_between(0, 12)).then(pl.col("hour") % 12 + noon)
    )  # fmt: skip
    local = pl.format("{} {}:{}:{}.{}", "day", hour, "minute", "second", "fraction").str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us"
    )
    zone = pl.col("zone")
    ahead = zone.str.slice(1, 2).cast(pl.Int32, strict=False) * 3600 + (
        zone.str.slice(3, 2).cast(pl.Int32, strict=False).fill_null(0) * 60
    )
    offset = (
        pl.when(zone.is_in(["z", "utc", "gmt"])).then(pl.lit(0, dtype=pl.Int32))
        .when(zone.str.starts_with("-")).then(-ahead)
        .otherwise(ahead)
    )  # fmt: skip
    return frame.select(local.alias("local"), offset.alias("offset")).select(
        (pl.col("local") - pl.duration(seconds=pl.col("offset").fill_null(0))).alias("instant"), "offset"
    )
