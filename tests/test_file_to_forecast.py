"""From a file to a forecast by the shell alone: an Excel CSV from Germany, a REDCap export, a zip of Google Takeout."""

import io
import json
import zipfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from novamind.cli import app

FIRST = date(2025, 9, 1)
DAYS = 60


def shell(*words: str | Path) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, (done.exception, done.output)
    return done.stdout


def score(day: int) -> int:
    return 10 + (day * 7 % 5) - day // 20


def german_table() -> bytes:
    lines = ["Datum;PHQ-9;Gewicht (kg);Bemerkung"]
    for day in range(DAYS):
        weight = f"{70 + day / 10:.1f}".replace(".", ",")
        lines.append(f"{FIRST + timedelta(days=day):%d.%m.%Y};{score(day)};{weight};müde")
    return "\r\n".join(lines).encode("cp1252")


def redcap_export() -> bytes:
    items = [f"phq9_{number}" for number in range(1, 10)]
    lines = [",".join(("record_id", "redcap_event_name", "visit_date", *items, "phq9_complete"))]
    for day in range(DAYS):
        answers = [1 + (day + number) % 2 for number in range(9)]
        when = FIRST + timedelta(days=day)
        lines.append(",".join(("17", f"day_{day}_arm_1", str(when), *map(str, answers), "2")))
    return "\n".join(lines).encode()


def takeout_zip() -> bytes:
    folder = "Takeout/Fitbit/Global Export Data"
    packed = io.BytesIO()
    resting = [
        {
            "dateTime": f"{FIRST + timedelta(days=day):%m/%d/%y} 00:00:00",
            "value": {"date": f"{FIRST + timedelta(days=day):%m/%d/%y}", "value": 55.0 + day % 9, "error": 6.8},
        }
        for day in range(DAYS)
    ]
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in (
            ("resting_heart_rate-2025-09-01.json", json.dumps(resting)),
            ("heart_rate-2025-09-02.json", "[{"),  # cut off
        ):
            archive.writestr(zipfile.ZipInfo(f"{folder}/{name}"), content)
    return packed.getvalue()


def forecast(directory: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(shell("forecast", directory, "--symptom", "PHQ-9", "--json"))
    return document


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("Tagebuch.csv", german_table(), ("--timezone", "Europe/Berlin", "--encoding", "cp1252")),
        ("export.csv", redcap_export(), ("--timezone", "Europe/Berlin")),
    ],
    ids=["german", "redcap"],
)
def test_a_table_becomes_a_forecast(name: str, content: bytes, words: tuple[str, ...], tmp_path: Path) -> None:
    file, into = tmp_path / name, tmp_path / "patient.dir"
    file.write_bytes(content)
    assert "Nothing was written" in shell("import", file, *words)
    understood = json.loads(shell("import", file, *words, "--into", into, "--json"))
    by_name = {series["name"]: series for series in understood["series"]}
    assert (by_name["PHQ-9"]["rows"], by_name["PHQ-9"]["first_day"]) == (DAYS, str(FIRST))
    if name == "Tagebuch.csv":
        assert (by_name["weight"]["unit"], by_name["weight"]["rows"]) == ("kg", DAYS)
    else:
        assert any(f"{DAYS} total(s) scored from the items" in guess for guess in understood["guesses"])
    document = forecast(into)
    assert "PHQ-9" in json.dumps(document)
    assert str(FIRST + timedelta(days=DAYS)) in json.dumps(document)


def test_a_takeout_joins_the_reports_of_a_person(tmp_path: Path) -> None:
    table, takeout, into = tmp_path / "Tagebuch.csv", tmp_path / "Takeout.zip", tmp_path / "patient.dir"
    table.write_bytes(german_table())
    takeout.write_bytes(takeout_zip())
    shell("import", table, "--timezone", "Europe/Berlin", "--encoding", "cp1252", "--into", into)
    understood = json.loads(shell("import", takeout, "--into", into, "--json"))
    assert [(series["name"], series["rows"]) for series in understood["series"]] == [("resting_heart_rate", DAYS)]
    assert any("heart_rate-2025-09-02.json" in entry["what"] for entry in understood["left_out"])
    assert str(FIRST + timedelta(days=DAYS)) in json.dumps(forecast(into))
    insights = shell("insights", into, "--json")
    assert "PHQ-9" in insights
    assert "resting_heart_rate" in insights
