"""What devices and people really send: a stated rule or one clear error, and never a missing number in a result.

The rules of reading are tested one by one in test_alignment.py; here whole records go through the front door. Ten
million rows are in benchmarks/lag.py.
"""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import novamind as nm
from novamind.errors import InsufficientDataError, ValidationError
from tests.biometrics.conftest import LAG, MONDAY, Frames, frames, person

HOUR = np.timedelta64(1, "h")
DAYS = 60


@pytest.fixture(scope="module")
def good() -> Frames:
    return frames(person(days=DAYS))


def changed(of: Frames, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Frames:
    return replace(of, biometrics=change(of.biometrics))


def clock_jumped_years(signals: pl.DataFrame) -> pl.DataFrame:
    """A device that lost its clock: some rows in 1970, some in 2010."""
    lost = signals.filter(pl.col("signal") == "hrv").head(30)
    return pl.concat(
        [signals, *(lost.with_columns(pl.col("timestamp").dt.offset_by(back)) for back in ("-54y", "-14y"))]
    )


def clock_set_back(signals: pl.DataFrame) -> pl.DataFrame:
    """From the 30th day on the device runs two and a half hours late, so that some hours are told twice."""
    late = pl.col("timestamp") >= MONDAY + 30 * 24 * HOUR
    return signals.with_columns(
        pl.when(late & (pl.col("signal") == "steps"))
        .then(pl.col("timestamp") - pl.duration(minutes=150))
        .otherwise(pl.col("timestamp"))
    )


def nothing_for_weeks(signals: pl.DataFrame) -> pl.DataFrame:
    gone = pl.col("timestamp").is_between(MONDAY + 20 * 24 * HOUR, MONDAY + 41 * 24 * HOUR)
    return signals.filter(~gone | (pl.col("signal") != "steps"))


def values_missing(signals: pl.DataFrame) -> pl.DataFrame:
    rows = np.arange(len(signals))
    return signals.with_columns(
        value=pl.when(pl.Series(rows % 3 == 0)).then(None).when(pl.Series(rows % 3 == 1)).then(float("nan")).otherwise(
            pl.col("value")
        )
    )  # fmt: skip


def shuffled_and_repeated(signals: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([signals, signals.head(200)]).sample(fraction=1.0, shuffle=True, seed=1)


def one_wild_value(signals: pl.DataFrame) -> pl.DataFrame:
    rows = pl.Series(np.arange(len(signals)) == 400)
    return signals.with_columns(value=pl.when(rows).then(1e9).otherwise(pl.col("value")))


def a_third_signal(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Callable[[pl.DataFrame], pl.DataFrame]:
    at = MONDAY + np.arange(len(values)) * 24 * HOUR
    return lambda signals: pl.concat(
        [signals, pl.DataFrame({"timestamp": at, "value": values, "signal": "third"})], how="vertical"
    )


@pytest.mark.parametrize(
    "change",
    [
        clock_jumped_years,
        clock_set_back,
        nothing_for_weeks,
        values_missing,
        shuffled_and_repeated,
        one_wild_value,
        a_third_signal(np.array([1.0, 2.0, 3.0])),
        a_third_signal(np.full(60, 36.6)),
        a_third_signal(np.tile([0.0, 1.0], 30)),
    ],
)
def test_bad_records_give_numbers_or_are_left_out_with_the_reason(
    good: Frames, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    tables = changed(good, change)
    found = nm.biometrics.correlate(tables.biometrics, tables.symptoms)
    # Everything there is, as strict JSON: a NaN or an infinity anywhere is an error.
    json.dumps(found.person().to_dict(), allow_nan=False)
    assert "third" not in set(found.links["signal"])
    assert ("third" in found.person().skipped) == ("third" in set(tables.biometrics["signal"]))
    lead = found.links.row(by_predicate=pl.col("signal") == "hrv", named=True)
    assert lead["detected"]
    assert lead["lag_low"] <= LAG <= lead["lag_high"]
    assert not found.links.row(by_predicate=pl.col("signal") == "steps", named=True)["detected"]


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        (lambda s: pl.concat([s, s.head(50).with_columns(pl.col("value") + 1)]), "different values"),
        (lambda s: s.with_columns(value=-pl.col("value")), "cannot be"),
        (lambda s: s.with_columns(value=pl.lit(float("inf"))), "infinite"),
        (lambda s: s.with_columns(value=pl.lit("high")), "not a number"),
        (lambda s: s.drop("signal"), "'signal'"),
        (lambda s: s.with_columns(pl.col("timestamp").dt.offset_by("200y")), "in the future"),
        (lambda s: s.with_columns(value=pl.lit(1e300)), "cannot be"),
    ],
)
def test_what_cannot_be_right_is_refused_in_one_sentence(
    good: Frames, signals: Callable[[pl.DataFrame], pl.DataFrame], said: str
) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        nm.biometrics.correlate(signals(good.biometrics), good.symptoms)
    assert "\n" not in str(refused.value)


def test_signals_of_another_year_than_the_reports_are_no_data(good: Frames) -> None:
    with pytest.raises(InsufficientDataError, match="hours with a value"):
        nm.biometrics.correlate(
            good.biometrics.with_columns(pl.col("timestamp").dt.offset_by("-1095d")), good.symptoms
        )  # fmt: skip


@pytest.mark.parametrize("start", ["2024-03-01", "2024-10-01"])
def test_a_change_to_or_from_summer_time_keeps_the_lead(start: str) -> None:
    """Times are wall-clock times: one hour of a lag of nine is lost or gained once, on the night of the change."""
    tables = frames(person(days=DAYS))
    later = np.datetime64(start, "us") - MONDAY

    def local(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(
            (pl.col("timestamp") + later).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
        )

    found = nm.biometrics.correlate(local(tables.biometrics), local(tables.symptoms))
    json.dumps(found.person().to_dict(), allow_nan=False)
    lead = found.links.row(by_predicate=pl.col("signal") == "hrv", named=True)
    assert lead["detected"]
    assert lead["lag_low"] <= LAG <= lead["lag_high"]


def test_samples_by_the_minute_say_what_their_hourly_means_say(good: Frames) -> None:
    minutes = np.arange(60) - 29.5
    wave = np.cos(2 * np.pi * minutes / 60)
    fine = (
        good.biometrics.join(pl.DataFrame({"minute": np.arange(60), "wave": wave - wave.mean()}), how="cross")
        .with_columns(
            pl.col("timestamp") + pl.duration(minutes=pl.col("minute")), value=pl.col("value") * (1 + pl.col("wave"))
        )
        .select("timestamp", "value", "signal")
    )
    assert len(fine) == 60 * len(good.biometrics)
    coarse, again = (nm.biometrics.correlate(signals, good.symptoms).links for signals in (good.biometrics, fine))
    assert again["detected"].equals(coarse["detected"])
    lead, same = (table.row(by_predicate=pl.col("signal") == "hrv", named=True) for table in (coarse, again))
    # Samples stand half an hour after the full hour, so that the same course lies half an hour closer to the reports.
    assert abs(same["lag_hours"] - lead["lag_hours"]) <= 1


def test_answers_of_which_few_differ_confirm_nothing() -> None:
    """Nine panics in 240 reports, each on a high signal: too few to tell from chance, and said so."""
    record = person(days=DAYS)
    high = np.argsort(record.hourly[np.maximum(record.report_hours.astype(int) - LAG, 0), 0])[-9:]
    panics = np.zeros((len(record.report_hours), 1))
    panics[high] = 1.0
    tables = frames(replace(record, reports=panics))
    found = nm.biometrics.correlate(tables.biometrics, tables.symptoms)
    assert not found.links["detected"].any()
    assert "answers differ" in found.person().skipped["anxiety"]
    json.dumps(found.person().to_dict(), allow_nan=False)
