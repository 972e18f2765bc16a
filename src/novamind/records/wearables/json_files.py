"""JSON documents of wearable makers: read whole, within the limit on file size, with errors that name the place."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from novamind.errors import ValidationError


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

    Unreadable text gives null in both.
    """
    text = pl.Series("text", texts, dtype=pl.String).str.strip_chars()
    frame = text.to_frame().select(
        pl.col("text")
        .str.replace("T", " ")
        .str.extract(r"^(\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?)")
        .alias("clock"),
        pl.col("text").str.extract(r"\d{2}:\d{2}.*(Z|z|[+-]\d{2}:?\d{2})$").alias("zone"),
    )
    day, clock = pl.col("clock").str.slice(0, 10), pl.col("clock").str.slice(11)
    clock = (
        pl.when(clock == "")
        .then(pl.lit("00:00:00"))
        .when(clock.str.len_chars() == 5)
        .then(clock + ":00")
        .otherwise(clock)
    )
    local = (day + " " + clock.str.slice(0, 15)).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    digits = pl.col("zone").str.replace(":", "")
    ahead = (digits.str.slice(1, 2).cast(pl.Int32, strict=False) * 3600
             + digits.str.slice(3, 2).cast(pl.Int32, strict=False) * 60)  # fmt: skip
    offset = (
        pl.when(digits.str.to_lowercase() == "z").then(pl.lit(0, dtype=pl.Int32))
        .when(digits.str.starts_with("-")).then(-ahead)
        .otherwise(ahead)
    )  # fmt: skip
    return frame.select(local.alias("local"), offset.alias("offset")).select(
        (pl.col("local") - pl.duration(seconds=pl.col("offset").fill_null(0))).alias("instant"), "offset"
    )
