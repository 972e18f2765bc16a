"""A diary in any dress is the same diary: values and local times do not depend on how a program writes them."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.records import import_file

Diary = list[tuple[datetime, float]]
FORMS = {"iso": "%Y-%m-%d", "de": "%d.%m.%Y", "uk": "%d/%m/%Y", "us": "%m/%d/%Y"}
START = datetime(2023, 1, 1)  # noqa: DTZ001 - wall clock

minutes = st.lists(st.integers(0, 700 * 1440), min_size=1, max_size=8, unique=True)
diaries = minutes.flatmap(
    lambda times: st.lists(st.integers(0, 54), min_size=len(times), max_size=len(times)).map(
        lambda halves: [(START + timedelta(minutes=m), h / 2) for m, h in zip(times, halves, strict=True)]
    )
)


def read(content: bytes, **declared: object) -> Diary:
    imported = import_file("t.csv", content=content, today=date(2026, 1, 1), **declared)  # type: ignore[arg-type]
    assert imported.left_out == ()
    return sorted(imported.frame.select("timestamp", "value").iter_rows())


@settings(max_examples=60)
@given(
    diary=diaries,
    form=st.sampled_from(sorted(FORMS)),
    separator=st.sampled_from(",;\t|"),
    comma=st.booleans(),
    names=st.sampled_from(
        [("date", "PHQ-9"), ("Datum", "phq9_total"), ("when", "PHQ 9"), ("Zeitstempel", "Summe PHQ-9")]
    ),
    coding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    title=st.booleans(),
    split=st.booleans(),
    turned=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_how_a_diary_is_written_does_not_change_it(
    diary: Diary,
    form: str,
    separator: str,
    comma: bool,
    names: tuple[str, str],
    coding: str,
    title: bool,
    split: bool,
    turned: bool,
    end: str,
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=end)
    header = [names[0], *(["Uhrzeit"] if split else []), names[1], "Bemerkung é"]
    rows = [
        [f"{when:{FORMS[form]}} {when:%H:%M}"] if not split else [f"{when:{FORMS[form]}}", f"{when:%H:%M}"]
        for when, _ in diary
    ]
    numbers = [str(value).replace(".", "," if comma else ".") for _, value in diary]
    lines = [[*times, number, ""] for times, number in zip(rows, numbers, strict=True)]
    for line in (header, *lines):
        writer.writerow(line[::-1] if turned else line)
    text = f"Diary of one person{end}{end}{out.getvalue()}" if title else out.getvalue()
    declared = {"dates": form, "decimal": "comma" if comma else "point"}
    if coding == "cp1252":
        declared["encoding"] = coding
    assert read(text.encode(coding), **declared) == sorted(diary)


@settings(max_examples=40)
@given(
    diary=diaries, written=st.sampled_from(["Z", "own", "local", "epoch"]),
    zone=st.sampled_from(["Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe"]),
)  # fmt: skip
def test_instants_come_to_the_clock_of_the_person_however_they_are_written(
    diary: Diary, written: str, zone: str
) -> None:
    clock = ZoneInfo(zone)
    first_pass = [(when.replace(tzinfo=clock), value) for when, value in diary]
    lasting = [(w.astimezone(UTC).astimezone(clock), value) for w, value in first_pass]  # skipped times move on
    whole = sorted(dict(lasting).items())

    def text(when: datetime) -> str:
        match written:
            case "Z":
                return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            case "own":
                return when.isoformat()
            case "epoch":
                return str(int(when.timestamp()))
            case _:
                return f"{when:%Y-%m-%d %H:%M}"

    # Two minutes past: an instant of a report is no day's midnight.
    content = "timestamp,PHQ-9\n" + "".join(f"{text(w + timedelta(minutes=2))},{v}\n" for w, v in whole)
    expected = [((w + timedelta(minutes=2)).replace(tzinfo=None), v) for w, v in whole]
    assert read(content.encode(), timezone=zone) == sorted(expected)
