"""What the page says is read is read here: every row of its table is one example with its values."""

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records import import_file

PAGE = Path(__file__).parents[2] / "docs/records.md"
_TABLE = re.compile(r"(<!-- imports -->\n)(.*?)(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A table as people have it, what has to be declared, and the first value of a series."""

    title: str
    content: str | bytes
    first: tuple[str, str, float]
    declared: Mapping[str, Any] = field(default_factory=dict)
    name: str = "table.csv"

    def data(self) -> bytes:
        return self.content.encode() if isinstance(self.content, str) else self.content


def workbook() -> bytes:
    book = openpyxl.Workbook()
    book.create_sheet("Diary").append(["Date", "PHQ-9"])
    book["Diary"].append([date(2025, 1, 13), 7])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def parquet() -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"timestamp": [date(2025, 1, 13)], "PHQ-9": [7]}).write_parquet(out)
    return out.getvalue()


ITEMS = ",".join(f"phq9_{i}" for i in range(1, 10))
EXAMPLES = (
    Example(
        "long, a row a report: `timestamp, value, symptom`",
        "timestamp,value,symptom\n2025-01-13,7,PHQ-9\n",
        ("PHQ-9", "2025-01-13 00:00", 7),
    ),
    Example(
        "long, generic names: `date, score`, `ds, y`",
        "date,score\n2025-01-13,7\n",
        ("PHQ-9", "2025-01-13 00:00", 7),
        {"instrument": "PHQ-9"},
    ),
    Example(
        "wide, a column a questionnaire: `Datum;PHQ-9`", "Datum;PHQ-9\n13.01.2025;7\n", ("PHQ-9", "2025-01-13 00:00", 7)
    ),
    Example(
        "wide, a column a rating: `id, day, beep, date, mood`",
        "id,day,beep,date,mood\np,1,1,2025-01-13 09:00,3\n",
        ("mood", "2025-01-13 09:00", 3),
    ),
    Example(
        "days and beeps only",
        "id,day,beep,mood\np,1,2,3\n",
        ("mood", "2025-01-13 21:00", 3),
        {"start": "2025-01-13", "beeps": ("09:00", "21:00")},
    ),
    Example(
        "items: `phq9_1` to `phq9_9`, scored",
        f"date,{ITEMS}\n2025-01-13,1,1,1,1,1,1,1,1,2\n",
        ("PHQ-9", "2025-01-13 00:00", 10),
    ),
    Example(
        "items a row: `time, id, answer`",
        "time,id,answer\n" + "".join(f"1736766000,GAD2_{i},1\n" for i in (1, 2)),
        ("GAD-2", "2025-01-13 11:00", 2),
    ),
    Example(
        "an instrument and its item in two columns",
        "date,instrument,item,value\n2025-01-13,GAD-2,1,1\n2025-01-13,GAD-2,2,3\n",
        ("GAD-2", "2025-01-13 00:00", 4),
    ),
    Example(
        "questions as names of columns (Google Forms), answers in words",
        "Timestamp,Feeling nervous or anxious or on edge,Not being able to stop or control worrying,"
        "Worrying too much about different things,Trouble relaxing,Being so restless that it is hard to sit still,"
        "Becoming easily annoyed or irritable,Feeling afraid as if something awful might happen\n"
        "1/13/2025 8:30:00" + ",Several days" * 7 + "\n",
        ("GAD-7", "2025-01-13 08:30", 7),
    ),
    Example(
        "columns of any name",
        "when;Q7\n2025-01-13;4\n",
        ("mood", "2025-01-13 00:00", 4),
        {"mapping": {"timestamp": "when", "mood": "Q7"}},
    ),
    Example("days as 31.12.2025", "date,PHQ-9\n01.02.2025,7\n", ("PHQ-9", "2025-02-01 00:00", 7), {"dates": "de"}),
    Example("days as 31/12/2025", "date,PHQ-9\n01/02/2025,7\n", ("PHQ-9", "2025-02-01 00:00", 7), {"dates": "uk"}),
    Example("days as 12/31/2025", "date,PHQ-9\n02/01/2025,7\n", ("PHQ-9", "2025-02-01 00:00", 7), {"dates": "us"}),
    Example("days with a name of a month", "date,PHQ-9\n1. Februar 2025,7\n", ("PHQ-9", "2025-02-01 00:00", 7)),
    Example(
        "a day and a time of day in two columns",
        "Datum;Uhrzeit;PHQ-9\n13.01.2025;08:30;7\n",
        ("PHQ-9", "2025-01-13 08:30", 7),
    ),
    Example(
        "seconds or milliseconds since 1970",
        "time,PHQ-9\n1736753400000,7\n",
        ("PHQ-9", "2025-01-13 08:30", 7),
        {"timezone": "Europe/Berlin"},
    ),
    Example("day numbers of Excel", "date,PHQ-9\n45670,7\n", ("PHQ-9", "2025-01-13 00:00", 7), {"dates": "excel"}),
    Example(
        "times in UTC, local days",
        "date,PHQ-9\n2025-01-13T05:30:00Z,7\n",
        ("PHQ-9", "2025-01-12 21:30", 7),
        {"timezone": "America/Los_Angeles"},
    ),
    Example("decimal comma", "Datum;Stimmung\n2025-01-13;7,5\n", ("Stimmung", "2025-01-13 00:00", 7.5)),
    Example(
        "codes for a missing value, of a known scale",
        "date,PHQ-9\n2025-01-12,999\n2025-01-13,7\n",
        ("PHQ-9", "2025-01-13 00:00", 7),
    ),
    Example(
        "codes for a missing value, of an unknown scale",
        "date,mood\n2025-01-12,999\n2025-01-13,7\n",
        ("mood", "2025-01-13 00:00", 7),
        {"missing": ("999",)},
    ),
    Example(
        "several reports a day as one",
        "date,mood\n2025-01-13 09:00,3\n2025-01-13 21:00,7\n",
        ("mood", "2025-01-13 09:00", 5),
        {"aggregate": "mean"},
    ),
    Example(
        "signals of a device beside reports: `weight (lb)`, `sleep_hours`, `Puls`",
        "date,PHQ-9,sleep_hours\n2025-01-13,7,7.5\n",
        ("sleep_duration", "2025-01-13 00:00", 450),
    ),
    Example(
        "byte order mark, UTF-16, `sep=;`, lines above the header, an index",
        ("# x\n" + "Datum;PHQ-9\n13.01.2025;7\n").encode("utf-16"),
        ("PHQ-9", "2025-01-13 00:00", 7),
    ),
    Example(
        "another encoding",
        "Datum;PHQ-9;Schläfrig\n13.01.2025;7;\n".encode("latin-1"),
        ("PHQ-9", "2025-01-13 00:00", 7),
        {"encoding": "latin-1"},
    ),
    Example("Excel (`.xlsx`)", workbook(), ("PHQ-9", "2025-01-13 00:00", 7), {}, "table.xlsx"),
    Example("Parquet", parquet(), ("PHQ-9", "2025-01-13 00:00", 7), {}, "table.parquet"),
    Example(
        "REDCap: events, repeated forms, items and labels",
        "record_id,redcap_event_name,mood_date,mood,mood_complete\n1,a,2025-01-13,4,2\n",
        ("mood", "2025-01-13 00:00", 4),
    ),
    Example(
        "REDCap: events without a date",
        "record_id,redcap_event_name,start,start_complete,gad7_total,gad_complete\n1,a,2025-01-01,2,,\n1,b,,,4,2\n",
        ("GAD-7", "2025-01-13 00:00", 4),
        {"event_days": {"b": 12}},
    ),
    Example(
        "m-Path", "connectionId;timeStampStart;mood_sliderNegPos\n1;1736757060;40\n", ("mood", "2025-01-13 08:31", 40)
    ),
    Example(
        "LimeSurvey: codes, or codes and questions",
        "id,submitdate,token,GAD2[SQ001],GAD2[SQ002]\n1,2025-01-13 08:30:00,abc,1,2\n",
        ("GAD-2", "2025-01-13 08:30", 3),
    ),
    Example(
        "Qualtrics: two or three header rows",
        "StartDate,EndDate,RecordedDate,ResponseId,Q1\nStart,End,Recorded,ID,How?\n"
        '"{""ImportId"":""s""}",,,,\n2025-01-13 08:28:09,,,R_1,2\n',
        ("Q1", "2025-01-13 08:28", 2),
    ),
)


def option(name: str, value: Any) -> list[str]:
    """What has to be declared, as the shell takes it."""
    match name, value:
        case "mapping", dict():
            return [f"--map {role}={column}" for role, column in value.items()]
        case "event_days", dict():
            return [f"--event-day {event}={day}" for event, day in value.items()]
        case "missing", tuple():
            return [f"--missing {code}" for code in value]
        case "beeps", tuple():
            return [f"--beeps {','.join(value)}"]
        case _:
            return [f"--{name} {value}"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_an_example_is_read_and_what_it_needs_is_needed(example: Example) -> None:
    def read(**declared: Any) -> list[tuple[str, str, float]]:
        imported = import_file(example.name, content=example.data(), today=date(2026, 1, 1), **declared)
        when = pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M")
        return [tuple(row) for row in imported.frame.select("series", when, "value").iter_rows()]  # type: ignore[misc]

    assert example.first in read(**example.declared)
    for name in example.declared:
        try:
            without = read(**{other: value for other, value in example.declared.items() if other != name})
        except ValidationError:
            continue  # refused until it is declared
        assert example.first not in without, name


def table() -> str:
    lines = ["| table | what has to be declared |", "| --- | --- |"]
    for example in EXAMPLES:
        needed = ", ".join(f"`{text}`" for name, value in example.declared.items() for text in option(name, value))
        lines.append(f"| {example.title.replace('|', chr(92) + '|')} | {needed} |")
    return "\n".join(lines) + "\n"


def test_the_page_has_every_example() -> None:
    page = PAGE.read_text("utf-8")
    if os.environ.get("NOVAMIND_GOLDEN") == "write":
        PAGE.write_text(_TABLE.sub(lambda place: place[1] + table() + place[3], page), "utf-8")
    ((_, rows, _),) = _TABLE.findall(PAGE.read_text("utf-8"))
    assert rows == table(), "renew the page: NOVAMIND_GOLDEN=write"
