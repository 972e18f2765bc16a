"""ActiGraph and the dates of actigraphs: the device's clock, and an order of day and month that is never guessed."""

from datetime import date, datetime, timedelta

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import actigraph
from novamind.records.wearables.device_dates import day_first, parse_clock, parse_day
from tests.records.maker_input import read, utc
from tests.records.wearable_input import export_file


def header(
    *, day: str = "8/26/2013", download: str = "9/3/2013", form: str = "M/d/yyyy", epoch: str = "00:00:15",
    mode: str = "13", kind: str = "Data File", start: str = "09:00:00",
) -> str:  # fmt: skip
    return (
        f"------------ {kind} Created By ActiGraph wGT3XPlus ActiLife v6.10.2 Firmware v2.2.1 date format {form} Filter"
        f" Normal -----------,,,\nSerial Number: X,,,\nStart Time {start},,,\nStart Date {day},,,\n"
        f"Epoch Period (hh:mm:ss) {epoch},,,\nDownload Time 12:54:04,,,\nDownload Date {download},,,\n"
        f"Current Memory Address: 0,,,\nCurrent Battery Voltage: 4.03     Mode = {mode},,,\n"
        "--------------------------------------------------,,,\n"
    )


def test_epochs_follow_each_other_from_the_start() -> None:
    found = read(actigraph, "s1.csv", header() + "0,0,0,0\n36,2,85,1\n")
    assert found.clocks == {"local"}
    start = utc(2013, 8, 26, 9, 0, 15)
    assert found.values(row=2) == {
        "activity_counts": 36, "activity_counts_axis2": 2, "activity_counts_axis3": 85, "steps": 1,
    }  # fmt: skip
    assert found.rows("start", "end", row=2)[0] == (start, start + timedelta(seconds=15))


@pytest.mark.parametrize(
    ("mode", "row", "names"),
    [
        ("0", "1", "activity_counts"), ("1", "1,2", "activity_counts steps"),
        ("12", "1,2,3", "activity_counts activity_counts_axis2 activity_counts_axis3"),
        ("13", "1,2,3,4", "activity_counts activity_counts_axis2 activity_counts_axis3 steps"),
        ("61", "1,2,3,4,5,0,0,15,0", "activity_counts activity_counts_axis2 activity_counts_axis3 steps illuminance"),
        ("13", "1,2,3,4,,", "activity_counts activity_counts_axis2 activity_counts_axis3 steps"),
    ],
)  # fmt: skip
def test_columns_without_headings_follow_the_mode(mode: str, row: str, names: str) -> None:
    found = read(actigraph, "s1.csv", header(mode=mode) + row + "\n")
    assert found.values() == {name: float(place) for place, name in enumerate(names.split(), start=1)}
    assert sum(found.tally.unread.values()) == (4 if mode == "61" else 0)


@pytest.mark.parametrize(("mode", "row"), [("15", "1,2,3,4,60"), ("61", "1,2,3"), ("", "1,2,3")])
def test_columns_that_cannot_be_told_are_refused(mode: str, row: str) -> None:
    with pytest.raises(ValidationError, match="export it from ActiLife with headings"):
        read(actigraph, "s1.csv", header(mode=mode) + row + "\n")


def test_a_timestamp_is_the_devices_clock_though_it_ends_in_z() -> None:
    text = header(day="09-12-2017", download="09-19-2017", form="dd/MM/yyyy", epoch="00:00:01", start="15:00:00",
                  kind="Data Table File")  # fmt: skip
    rows = "TimeStamp,axis1,axis2,axis3,steps,vm\n2017-09-12T15:00:00Z,0,0,0,0,0\n2017-09-12T15:00:01Z,44,9,0,0,45\n"
    found = read(actigraph, "s1.csv", text + rows)
    assert found.clocks == {"local"}
    assert found.rows("start", "value", signal="activity_counts")[1] == (utc(2017, 9, 12, 15, 0, 1), 44.0)
    assert found.tally.unread == {"ActiGraph vm": 2}


def test_the_form_that_the_first_line_states_need_not_be_that_of_the_dates() -> None:
    text = header(day="09-12-2017", download="09-19-2017", form="dd/MM/yyyy", mode="0")
    assert read(actigraph, "s1.csv", text + "1\n").rows("start") == [(utc(2017, 9, 12, 9),)]


def test_rows_with_date_and_time() -> None:
    rows = "Date,Time,Axis1,Axis2,Axis3,Steps,Lux\n3/1/2025,00:00:00,10,20,3,0,7\n3/1/2025,00:01:00,11,0,0,2,8\n"
    found = read(actigraph, "s1.csv", header(day="3/1/2025", download="3/8/2025", epoch="00:01:00") + rows)
    assert found.rows("start", "value", signal="illuminance") == [
        (utc(2025, 3, 1), 7.0), (utc(2025, 3, 1, 0, 1), 8.0),
    ]  # fmt: skip


def test_a_table_with_semicolons() -> None:
    assert read(actigraph, "s1.csv", header() + "1;2;3;4\n").values()["steps"] == 4


def test_the_recording_ends_before_it_is_downloaded() -> None:
    # 2 March to 3 May with the month first; 3 February to 5 March with the day first.
    ambiguous = header(day="03.02.2025", download="05.03.2025", mode="0")
    with pytest.raises(ValidationError, match="its dates can be read in two ways: export it with dates as yyyy-MM-dd"):
        read(actigraph, "s1.csv", ambiguous + "1\n")
    # 5 March to 3 May is a recording; 3 May (day first) would be after its download on 5 March.
    ordered = header(day="03.05.2025", download="05.03.2025", mode="0")
    assert read(actigraph, "s1.csv", ordered + "1\n").rows("start") == [(utc(2025, 3, 5, 9),)]


@pytest.mark.parametrize(("form", "start"), [("M/d/yyyy", utc(2025, 3, 2, 9)), ("d/M/yyyy", utc(2025, 2, 3, 9))])
def test_the_stated_form_counts_where_both_fit(form: str, start: datetime) -> None:
    text = header(day="3/2/2025", download="5/3/2025", form=form, mode="0")
    assert read(actigraph, "s1.csv", text + "1\n").rows("start") == [(start,)]


def test_raw_acceleration_and_other_files_of_actilife() -> None:
    with pytest.raises(ValidationError, match="raw acceleration: export epochs from ActiLife"):
        read(actigraph, "RAW.csv", header(epoch="00:00:00") + "Accelerometer X,Accelerometer Y\n0.1,0.2\n")
    for name in ("s1.agd", "s1.gt3x"):
        with pytest.raises(ValidationError, match="export its epochs from ActiLife"):
            read(actigraph, name, b"\x00\x01")
    with pytest.raises(ValidationError, match="cut off"):
        read(actigraph, "s1.csv", header()[:200])
    assert not actigraph.recognised(export_file("s1.csv", "Date,Time,Axis1\n"))


class TestDates:
    @pytest.mark.parametrize(
        ("texts", "leads"),
        [
            (["13/01/2024", "01/02/2024"], True), (["01/13/2024", "02/01/2024"], False),
            (["2024-01-13"], False), (["26-Aug-2013"], False), ([], False),
        ],
    )  # fmt: skip
    def test_a_part_above_twelve_is_a_day(self, texts: list[str], leads: bool) -> None:
        assert day_first(texts, "f.csv") is leads

    @pytest.mark.parametrize("texts", [["01/02/2024"], ["13/13/2024"], ["13/01/2024", "01/13/2024"]])
    def test_dates_that_can_be_read_in_two_ways(self, texts: list[str]) -> None:
        with pytest.raises(ValidationError, match=r"^f\.csv: its dates can be read in two ways"):
            day_first(texts, "f.csv")

    def test_the_stated_form_must_look_like_the_dates(self) -> None:
        assert day_first(["01/02/2024"], "f.csv", "dd/MM/yyyy")
        assert not day_first(["01/02/2024"], "f.csv", "M/d/yyyy")
        with pytest.raises(ValidationError):
            day_first(["01-02-2024"], "f.csv", "dd/MM/yyyy")

    @pytest.mark.parametrize(
        ("text", "leads", "day"),
        [
            ("03/02/2024", True, date(2024, 2, 3)), ("03/02/2024", False, date(2024, 3, 2)),
            ("2024-03-02", True, date(2024, 3, 2)), ("2.3.2024", True, date(2024, 3, 2)),
            ("01-Oct-2009", False, date(2009, 10, 1)), ("01-Oct-09", True, date(2009, 10, 1)),
            ("31/02/2024", True, None), ("", True, None), ("yesterday", False, None), ("2024-13-01", False, None),
        ],
    )  # fmt: skip
    def test_days(self, text: str, leads: bool, day: date | None) -> None:
        assert parse_day(text, day_leads=leads) == day

    @pytest.mark.parametrize(
        ("text", "clock"),
        [
            ("17:00", "17:00:00"),
            ("06:00:15", "06:00:15"),
            ("1:05:00 PM", "13:05:00"),
            ("12:10 AM", "00:10:00"),
            ("x", None),
        ],
    )
    def test_times_of_day(self, text: str, clock: str | None) -> None:
        moment = parse_clock(text)
        assert (None if moment is None else moment.time().isoformat()) == clock
