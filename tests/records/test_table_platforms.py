"""Exports of study platforms, rebuilt small: forms and events, clocks, header rows, kinds of question."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from novamind.errors import InsufficientDataError, ValidationError
from novamind.records import FileImport, import_file

TODAY = date(2026, 1, 1)


def read(*lines: str, **declared: Any) -> FileImport:
    return import_file("export.csv", content=("\n".join(lines) + "\n").encode(), today=TODAY, **declared)


def rows(imported: FileImport, series: str) -> list[tuple[str, str, float]]:
    frame = imported.frame.filter(pl.col("series") == series).sort("patient_id", "timestamp")
    when = pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M")
    return [tuple(row) for row in frame.select("patient_id", when, "value").iter_rows()]  # type: ignore[misc]


def reasons(imported: FileImport) -> dict[str, int]:
    return {f"{entry.what}: {entry.reason}": entry.count for entry in imported.left_out}


PHQ = ",".join(f"phq9_{i}" for i in range(1, 10))
REDCAP = (
    f"record_id,redcap_event_name,dob,visit_date,demo_complete,phq9_date,{PHQ},phq9_difficulty,phq9_complete,"
    "gad7_total,meds___1,gad_complete",
    "1,baseline_arm_1,1980-01-13,2025-01-10,2,2025-01-13,1,1,1,1,1,1,1,1,2,3,2,,,",
    "1,week_4_arm_1,,2025-02-09,2,2025-02-10,0,0,0,0,0,0,0,0,0,0,0,5,1,2",
    "2,baseline_arm_1,1990-01-13,2025-03-01,2,,1,1,1,1,1,1,1,1,1,0,2,,,",
)


def test_redcap_forms_have_their_own_dates() -> None:
    imported = read(*REDCAP)
    assert imported.kind == "REDCap export"
    assert rows(imported, "PHQ-9") == [("1", "2025-01-13 00:00", 10), ("1", "2025-02-10 00:00", 0)]
    assert len([entry for entry in imported.series if entry.name.startswith("PHQ-9 item")]) == 9
    assert "'phq9_date' is its date" in " ".join(imported.guesses)
    assert any("1 form(s) are marked incomplete" in guess for guess in imported.guesses)
    left = reasons(imported)
    assert left["column 'meds___1': is a checkbox"] == 1
    assert left["column 'dob': describes the person or the row"] == 2
    assert (
        left["row: has no time (a date of its event can be declared: --event-day EVENT=DAY)"] == 2
    )  # phq9, gad7_total
    assert "GAD-7" not in {entry.name for entry in imported.series}  # its form has no date of its own


def test_redcap_days_of_events_are_declared() -> None:
    imported = read(*REDCAP, event_days={"baseline_arm_1": 0, "week_4_arm_1": 30})
    assert rows(imported, "GAD-7") == [("1", "2025-02-09 00:00", 5)]  # 30 days after the person's first date
    assert rows(imported, "PHQ-9")[-1] == ("2", "2025-03-01 00:00", 9)


def test_redcap_of_a_single_date_uses_it_for_all_forms() -> None:
    imported = read("study_id,visit_date,visit_complete,mood,mood_complete", "7,2025-01-13,2,4,2")
    assert rows(imported, "mood") == [("7", "2025-01-13 00:00", 4)]


def test_redcap_repeated_forms_of_one_day_stay_apart() -> None:
    lines = ("1,,,,,2025-01-01,2", "1,bp,2,2025-01-13,111,,", "1,bp,1,2025-01-13,110,,", "1,bp,3,2025-01-14,115,,")
    imported = read("record_id,redcap_repeat_instrument,redcap_repeat_instance,date_bp,bp,enrolled,x_complete", *lines)
    assert [row[2] for row in rows(imported, "bp")] == [110, 111, 115]
    assert any("kept apart by a second" in guess for guess in imported.guesses)


def test_redcap_survey_timestamps_and_labels() -> None:
    words = "Not at all,Several days,More than half the days,Nearly every day,Not at all,Not at all,Several days"
    items = ",".join(f"gad7_{i}" for i in range(1, 8))
    imported = read(
        f"record_id,redcap_survey_identifier,gad7_timestamp,{items},gad7_complete",
        f"1,,2025-01-13 08:30:00,{words},Complete",
        f"2,,[not completed],{words},Incomplete",
    )
    assert rows(imported, "GAD-7") == [("1", "2025-01-13 08:30", 7)]
    assert reasons(imported) == {"row: has no time": 1}


def test_redcap_without_any_date_is_refused() -> None:
    with pytest.raises(InsufficientDataError, match="has no time"):
        read("record_id,phq9_total,phq9_complete", "1,7,2", "2,9,2")


MPATH = (
    "\ufeffconnectionId;alias;questionListName;timeStampScheduled;timeStampStart;timeStampStop;timeZoneOffset;deltaUTC;"
    "mood_sliderNeutralPos;stress_sliderNegPos;place_multipleChoice_index;place_multipleChoice_string;note_open;"
    "calm_multipleChoice_likert;alone_yesno;end_basic",
    '17;"a";main;1736757000;1736757060;1736757100;7200;0;50;20;1;"""Home""";"""x; y""";3;1;1',
    '17;"a";main;1736800200;0;0;7200;0',
    '18;"b";main;1736757000;1736843460;1736757100;-18000;0;90',
)


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_mpath_seconds_are_wall_clock(zone: str | None) -> None:
    imported = read(*MPATH, timezone=zone)
    assert rows(imported, "mood") == [("17", "2025-01-13 08:31", 50), ("18", "2025-01-14 08:31", 90)]
    assert {entry.name for entry in imported.series} == {"mood", "stress", "calm", "alone"}
    left = reasons(imported)
    assert left["row: the beep was not answered"] == 1
    assert left["column 'place_multipleChoice_index': counts the choice"] == 1
    assert left["column 'note_open': holds text"] == 1
    assert any("own clock (m-Path)" in guess for guess in imported.guesses)


QUALTRICS = (
    "StartDate,EndDate,Status,Finished,RecordedDate,ResponseId,ExternalReference,Q1,PHQ-9,Q2",
    "Start Date,End Date,Response Type,Finished,Recorded Date,Response ID,External Data Reference,How?,Sum,Why?",
    '"{""ImportId"":""startDate""}","{""ImportId"":""endDate""}",,,,,,"{""ImportId"":""QID1""}",,',
    "2025-01-13 08:28:09,2025-01-13 08:28:48,0,1,2025-01-13 08:28:49,R_1,p1,2,7,because",
    "2025-01-14 08:28:09,2025-01-14 08:28:48,1,1,2025-01-14 08:28:49,R_2,p1,3,8,test",
    "2025-01-15 08:28:09,2025-01-15 08:28:48,0,1,2025-01-15 08:28:49,R_3,p2,4,9,because",
)


def test_qualtrics_of_three_header_rows() -> None:
    imported = read(*QUALTRICS)
    assert (imported.kind, imported.rows) == ("Qualtrics export", 3)
    assert rows(imported, "PHQ-9") == [("p1", "2025-01-13 08:28", 7), ("p2", "2025-01-15 08:28", 9)]
    assert reasons(imported) == {"row: a preview of the survey": 1, "column 'Q2': holds text": 3}
    assert imported.left_out[-1].first_row == 4  # as the file counts, header rows included


@pytest.mark.parametrize("questions", [True, False])
def test_limesurvey_by_codes_or_by_codes_and_questions(questions: bool) -> None:
    codes = ["id", "submitdate", "lastpage", "token", *(f"GAD7[SQ00{i}]" for i in range(1, 8)), "mood"]
    header = ",".join(f'"{code}. A question?"' if questions else code for code in codes)
    lines = (
        "1,2025-01-13 08:30:00,2,abc,1,1,1,1,1,1,1,5",
        "2,,1,abc,1,,,,,,,",
        "3,2025-01-14 08:30:00,2,xyz,0,0,0,0,0,0,0,6",
    )
    imported = read(header, *lines)
    assert imported.kind == "LimeSurvey export"
    assert rows(imported, "GAD-7") == [("abc", "2025-01-13 08:30", 7), ("xyz", "2025-01-14 08:30", 0)]
    assert reasons(imported) == {"row: has no time": 1}
    with pytest.raises(ValidationError, match="whose they are"):
        read(header, *(line.replace("abc", "").replace("xyz", "") for line in lines))


def test_qualtrics_of_two_header_rows_and_another_date() -> None:
    imported = read(QUALTRICS[0], QUALTRICS[1], *QUALTRICS[3:4], mapping={"timestamp": "EndDate", "pain": "Q1"})
    assert rows(imported, "pain") == [("p1", "2025-01-13 08:28", 2)]


def test_qualtrics_names_the_clock_of_the_account() -> None:
    zone = '"{""ImportId"":""startDate"",""timeZone"":""America/Denver""}",,,,,,,,,'
    lines = (*QUALTRICS[:2], zone, *QUALTRICS[3:])
    assert rows(read(*lines, timezone="Europe/Berlin"), "PHQ-9")[0] == ("p1", "2025-01-13 16:28", 7)
    imported = read(*lines)
    assert rows(imported, "PHQ-9")[0] == ("p1", "2025-01-13 08:28", 7)
    assert any("that of America/Denver" in guess for guess in imported.guesses)
    assert imported.of("p1").symptoms.utc_offset[0] == -7 * 3600  # type: ignore[union-attr,index]


def test_qualtrics_of_numbered_columns() -> None:
    lines = (
        "V1,V2,V3,V4,Q1",
        "ResponseID,StartDate,EndDate,ExternalDataReference,How do you feel?",
        "R_1,2025-01-13 08:28:09,,p1,2",
    )
    assert rows(read(*lines), "Q1") == [("p1", "2025-01-13 08:28", 2)]


def test_qualtrics_of_unnamed_persons_is_refused_until_they_are_named() -> None:
    lines = [line.replace(",p1,", ",,").replace(",p2,", ",,") for line in QUALTRICS]
    with pytest.raises(ValidationError, match="whose they are"):
        read(*lines)
    assert read(*lines, patient_id="p-17").persons == ("p-17",)
    assert read(*lines[:4]).persons == ("1",)  # a single response
