"""One damaged entry of a document does not stop the others; measures that nobody asks for are counted."""

from typing import Any

import pytest

from novamind.records.wearables import garmin_connect, health_auto_export, oura, oura_v1, polar
from novamind.records.wearables.entries import Entries
from novamind.records.wearables.formats import Maker
from novamind.records.wearables.samples import Tally
from tests.records.maker_input import read

IDENTIFIER = "893fd6db-18ac-476f-926f-b14580234d91"
NIGHT = {"bedtime_start": "2024-05-01T23:00:00+02:00", "bedtime_end": "2024-05-02T07:00:00+02:00"}
DAY = {"calendarDate": "2024-05-02", "wellnessStartTimeGmt": "2024-05-01T22:00:00.0", "totalSteps": 4_000}
POINT = {"date": "2024-05-02 07:12:30 +0200", "Avg": 61}


@pytest.mark.parametrize("damage", [7, None, "x", [1]])
@pytest.mark.parametrize(
    ("maker", "path", "entry", "wrap"),
    [
        (oura, "sleep.json", NIGHT, lambda entries: {"data": entries}),
        (oura_v1, "oura.json", NIGHT | {"summary_date": "2024-05-01"}, lambda entries: {"sleep": entries}),
        (garmin_connect, "DI_CONNECT/UDSFile_1.json", DAY, list),
        (garmin_connect, "DI_CONNECT/1_sleepData.json",
         {"sleepStartTimestampGMT": "2024-05-01T22:00:00.0", "lightSleepSeconds": 60}, list),
        (polar, f"sleep_score_7-{IDENTIFIER}.json", {"night": "2024-05-01", "sleepScoreResult": {"sleepScore": 7}},
         list),
        (health_auto_export, "h.json", POINT,
         lambda entries: {"data": {"metrics": [{"name": "heart_rate", "units": "bpm", "data": entries}]}}),
    ],
)  # fmt: skip
def test_the_others_are_read(maker: Maker, path: str, entry: Any, wrap: Any, damage: Any) -> None:
    alone = read(maker, path, wrap([entry]))
    found = read(maker, path, wrap([entry, damage, entry]))
    assert len(found.samples) == 2 * len(alone.samples) > 0
    assert set(found.samples["row"]) == {1, 3}
    assert sum(found.tally.unread.values()) == 1


def test_measures_that_are_not_asked_for_are_counted_by_their_names() -> None:
    entries = [
        {"id": 1, "userId": 2, "profilePK": 3, "uuid": 4, "version": 5, "at": "2024-05-01", "name": "x", "on": True,
         "steps": 9, "floors": 2, "goal": 7, "parts": [1], "none": None, "empty": []},
        {"steps": 8, "floors": 0.5, "kind": "other", "parts": {"a": 1}},
        {"steps": 7, "kind": "strange", "speed": 1.5},
    ]  # fmt: skip
    tally = Tally()
    samples = Entries("Maker", "f.json", tally)

    def reader(entry: dict[str, Any]) -> None:
        if entry.get("kind") == "strange":
            samples.not_read("entry of another kind")
        elif entry["steps"] < 9:
            entry.get("parts")

    samples.read(entries, reader, ("goal",))
    assert tally.unread == {"Maker entry of another kind": 1, "Maker floors": 2}
    samples.read(entries[:1], lambda entry: entry["steps"])
    assert tally.unread == {"Maker entry of another kind": 1, "Maker floors": 3, "Maker goal": 1, "Maker parts": 1}


def test_names_of_measures_are_bounded() -> None:
    tally = Tally()
    Entries("Maker", "f.json", tally).read([{f"m{n}{'x' * 80}": n for n in range(1_000)}], lambda _: None)
    assert (len(tally.unread), tally.unread["Maker measures of more names"]) == (101, 900)
    assert max(len(name) for name in tally.unread) == len("Maker ") + 60
