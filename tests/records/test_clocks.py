"""Two tables of a person are read by one clock, or refused."""

from datetime import timedelta

import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records import signal_frame, symptom_frame
from novamind.records.tables.clocks import on_one_clock
from novamind.records.tables.interpretation import zone_words


def dated(times: list[str], name: str, patient: str = "a") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "timestamp": times,
            "value": [float(n) for n in range(len(times))],
            "signal": name,
            "symptom": name,
            "patient_id": patient,
        }
    )


def clocked(signals: pl.DataFrame, reports: pl.DataFrame) -> tuple[list[str], list[str], dict[str | None, str]]:
    """The local times of both after they are on one clock."""
    left, right, notes = on_one_clock(signal_frame(signals), symptom_frame(reports))
    return [str(when)[:16] for when in left.timestamps], [str(when)[:16] for when in right.timestamps], notes


def test_utc_takes_the_clock_of_the_table_that_names_a_place() -> None:
    here = ["2024-01-01T20:00-08:00", "2024-06-01T20:00-07:00"]
    utc = ["2024-01-02T04:30Z", "2024-06-02T03:30Z"]
    expected = ["2024-01-01T20:30", "2024-06-01T20:30"]
    assert clocked(dated(here, "steps"), dated(utc, "mood"))[1:] == (expected, {})
    assert clocked(dated(utc, "steps"), dated(here, "mood"))[::2] == (expected, {})


def test_of_two_places_that_of_the_signals_holds() -> None:
    signals, reports, notes = clocked(
        dated(["2024-01-01T20:00-08:00", "2024-01-03T20:00-05:00"], "steps"),
        dated(["2024-01-02T09:00+01:00", "2024-01-04T09:00+01:00"], "mood"),
    )
    assert signals == ["2024-01-01T20:00", "2024-01-03T20:00"]
    assert reports == ["2024-01-02T00:00", "2024-01-04T03:00"]  # by the offset in use nearest in time
    assert notes == {}


def test_each_person_has_a_clock_and_who_has_utc_alone_is_noted() -> None:
    signals = pl.concat([dated(["2024-01-01T20:00-08:00"], "steps"), dated(["2024-01-01T20:00Z"], "steps", "b")])
    reports = pl.concat([dated(["2024-01-02T05:00Z"], "mood"), dated(["2024-01-02T05:00Z"], "mood", "b")])
    left, right, notes = clocked(signals, reports)
    assert left == ["2024-01-01T20:00", "2024-01-01T20:00"]
    assert right == ["2024-01-01T21:00", "2024-01-02T05:00"]
    assert list(notes) == ["b"]
    assert notes["b"].startswith("times are UTC and name no place")


def test_local_times_stay_and_do_not_meet_instants() -> None:
    local, utc = dated(["2024-01-01T20:00"], "steps"), dated(["2024-01-01T20:00Z"], "mood")
    assert clocked(local, dated(["2024-01-01T21:00"], "mood")) == (["2024-01-01T20:00"], ["2024-01-01T21:00"], {})
    with pytest.raises(ValidationError, match="of the reports have an offset from UTC and those of the signals"):
        clocked(local, utc)
    with pytest.raises(ValidationError, match="of the signals have an offset from UTC and those of the reports"):
        clocked(utc, local)


@pytest.mark.parametrize(
    ("offsets", "zone", "words"),
    [
        ({None}, None, "local time, of no named zone"),
        ({timedelta(0)}, None, "UTC: days are UTC days"),
        ({None, timedelta(0)}, None, "own offset of each time"),
        ({timedelta(hours=1)}, None, "own offset of each time"),
        ({timedelta(0)}, "Europe/Berlin", "Europe/Berlin"),
    ],
    ids=["local", "UTC", "mixed", "offset", "zone"],
)
def test_by_which_clock_days_are_counted(offsets: set[timedelta | None], zone: str | None, words: str) -> None:
    assert zone_words(offsets, zone).startswith(words)
