"""Exports of two people in one folder or archive are refused; those of one person are read."""

import zipfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import WearableRecord, read_wearables

HEADER = (
    "Cycle start time,Cycle end time,Cycle timezone,Sleep onset,Wake onset,Sleep performance %,"
    "Respiratory rate (rpm),Asleep duration (min),Nap\n"
)
STEPS = '<HealthData><ExportDate value="2024-06-30 08:00:00 +0000"/>{}</HealthData>'
REFUSED = r"differ where their times overlap, as files of two people do: import each person's export alone"


def nights(*minutes: float, first: int = 1, second: int = 0) -> str:
    rows = []
    for i, asleep in enumerate(minutes):
        start = datetime(2024, 6, first, 22, 0, second) + timedelta(days=i)  # noqa: DTZ001 - wall clock
        end = start + timedelta(hours=8)
        rows.append(f"{start},{end},UTC+02:00,{start},{end},{asleep / 6:.0f},{asleep / 30:.1f},{asleep},false")
    return HEADER + "\n".join(rows) + "\n"


def heart_rates(*values: int, day: int = 1) -> str:
    record = (
        '<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Watch" unit="count/min" '
        'creationDate="2024-06-{0:02d} 08:{1:02d}:00 +0000" startDate="2024-06-{0:02d} 08:{1:02d}:00 +0000" '
        'endDate="2024-06-{0:02d} 08:{1:02d}:00 +0000" value="{2}"/>'
    )
    return STEPS.format("".join(record.format(day, minute, value) for minute, value in enumerate(values)))


def folder(tmp_path: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        file = tmp_path / "export" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path / "export"


def archive(tmp_path: Path, files: Mapping[str, str]) -> Path:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return tmp_path / "export.zip"


def read(path: Path) -> WearableRecord:
    return read_wearables(path, timezone="Europe/Berlin")


ANNA = nights(450, 420, 390, 400)


@pytest.mark.parametrize(
    "other",
    [
        nights(300, 310, 320, 330),
        nights(450, 420, 390, 400, second=7),
        nights(333, first=4),
    ],
    ids=["the same times", "other times", "one night"],
)
@pytest.mark.parametrize("packed", [folder, archive], ids=["folder", "archive"])
def test_files_of_two_people_are_refused(tmp_path: Path, packed: type, other: str) -> None:
    path = packed(tmp_path, {"anna/sleeps.csv": ANNA, "bert/sleeps.csv": other})
    with pytest.raises(ValidationError, match=rf"anna/sleeps.csv and bert/sleeps.csv {REFUSED}"):
        read(path)


@pytest.mark.parametrize(
    ("other", "minutes"),
    [
        (ANNA, [450, 420, 390, 400]),
        (nights(450, 420, 390, 400, 410, 420), [450, 420, 390, 400, 410, 420]),
        (nights(410, 420, first=6), [450, 420, 390, 400, 410, 420]),
    ],
    ids=["the same export", "a later export", "another time"],
)
def test_two_exports_of_one_person_are_read(tmp_path: Path, other: str, minutes: list[float]) -> None:
    frame = read(folder(tmp_path, {"june/sleeps.csv": ANNA, "july/sleeps.csv": other})).frame
    assert frame.filter(signal="sleep_duration")["value"].to_list() == minutes


def test_a_few_nights_that_were_scored_again_are_no_other_person(tmp_path: Path) -> None:
    again = ANNA.replace("450", "452")
    frame = read(folder(tmp_path, {"june/sleeps.csv": ANNA, "july/sleeps.csv": again})).frame
    assert len(frame.filter(signal="sleep_duration")) == 4


def test_one_heart_rate_tells_two_people_apart(tmp_path: Path) -> None:
    files = {"a/export.xml": heart_rates(72), "b/export.xml": heart_rates(99)}
    with pytest.raises(ValidationError, match=REFUSED):
        read(folder(tmp_path, files))


@pytest.mark.parametrize(("days", "is_read"), [(1, True), (2, False)])
def test_a_day_that_was_not_over_is_no_other_person(tmp_path: Path, days: int, is_read: bool) -> None:
    def steps(each: int) -> str:
        return "date,value\n" + "".join(f"2024-06-{13 + i},{each}\n" for i in range(days))

    path = folder(tmp_path, {"a/aggregates_steps.csv": steps(4000), "b/aggregates_steps.csv": steps(9000)})
    if is_read:
        assert read(path).frame["value"].to_list() in ([4000], [9000])
    else:
        with pytest.raises(ValidationError, match=REFUSED):
            read(path)


def test_what_is_zero_for_everybody_tells_nothing(tmp_path: Path) -> None:
    def steps(each: int) -> str:
        return "date,value\n" + "".join(f"2024-06-{13 + i},{each + i if i < 2 else 0}\n" for i in range(9))

    files = {"a/aggregates_steps.csv": steps(4000), "b/aggregates_steps.csv": steps(9000)}
    with pytest.raises(ValidationError, match=REFUSED):
        read(folder(tmp_path, files))


def test_files_of_other_names_are_not_compared(tmp_path: Path) -> None:
    files = {"a/sleeps.csv": nights(450), "b/physiological_cycles.csv": nights(300)}
    assert len(read(folder(tmp_path, files)).frame)


def test_persons_whom_the_rows_name_may_differ(tmp_path: Path) -> None:
    row = "patient_id,timestamp,signal,value\n{},2024-06-01T08:00:00+02:00,heart_rate,{}\n"
    files = {"a/signals.csv": row.format("a", 60), "b/signals.csv": row.format("b", 70)}
    frame = read(folder(tmp_path, files)).frame
    assert frame.select("patient_id", "value").rows() == [("a", 60), ("b", 70)]
