"""Times are read by a declared form, or by the only form that fits; between day and month nothing is guessed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.records.tables.day_halves import in_english
from novamind.records.tables.times import Moment, on_clock, parse_clock, parse_column, utc_offset_text

HOUR = timedelta(hours=1)


def read(*cells: str | None, form: str | None = None) -> list[str | None]:
    """Moments as ISO text."""
    times = parse_column(cells, "when", form)
    return [
        None if m is None else m[0].isoformat() + ("" if m[1] is None else utc_offset_text(m[1])) for m in times.moments
    ]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2025-01-31", None], ["2025-01-31T00:00:00", None]),
        (["2025-01-31 08:30", "2025/01/31"], ["2025-01-31T08:30:00", "2025-01-31T00:00:00"]),
        (["2025-01-31T08:30:05.25Z"], ["2025-01-31T08:30:05.250000+00:00"]),
        (["2025-01-31T08:30+0530"], ["2025-01-31T08:30:00+05:30"]),
        (["2025-01-31 08:30 -08:00"], ["2025-01-31T08:30:00-08:00"]),
        (["20250131", "20250201"], ["2025-01-31T00:00:00", "2025-02-01T00:00:00"]),
        (["31.12.2025", "1.2.2025 8:05"], ["2025-12-31T00:00:00", "2025-02-01T08:05:00"]),
        (["02.03.2025 08:30 Uhr", "13.03.2025"], ["2025-03-02T08:30:00", "2025-03-13T00:00:00"]),
        (["12/31/2025 1:05 PM", "12/05/2025 12:00 AM"], ["2025-12-31T13:05:00", "2025-12-05T00:00:00"]),
        (["31/12/2025", "05/12/2025"], ["2025-12-31T00:00:00", "2025-12-05T00:00:00"]),
        (["12/31/2025 9:00\u202fPM", "12/30/2025 9:00\u00a0am"], ["2025-12-31T21:00:00", "2025-12-30T09:00:00"]),
        (["3. Oktober 2025", "5 März 2025"], ["2025-10-03T00:00:00", "2025-03-05T00:00:00"]),
        (["Oct 3, 2025 4:00 pm", "01-Sep-2025"], ["2025-10-03T16:00:00", "2025-09-01T00:00:00"]),
        (["1735689600", "1735689601.5"], ["2025-01-01T00:00:00+00:00", "2025-01-01T00:00:01.500000+00:00"]),
        (["1735689600000"], ["2025-01-01T00:00:00+00:00"]),
        (["13.01.2026 11:30 nachm.", "14.01.2026 12:05 vorm."], ["2026-01-13T23:30:00", "2026-01-14T00:05:00"]),
        (["2026/01/13 下午11:30", "2026/01/14 上午12:05"], ["2026-01-13T23:30:00", "2026-01-14T00:05:00"]),
        (["2026-01-13 오후 3:04", "2026-01-14 오전 3:04"], ["2026-01-13T15:04:00", "2026-01-14T03:04:00"]),
        (["13/01/2026 11:30 p. m.", "14/01/2026 9:05 μ.μ."], ["2026-01-13T23:30:00", "2026-01-14T21:05:00"]),
        (["1735689600000001"], ["2025-01-01T00:00:00.000001+00:00"]),
        (["1735689600500000000"], ["2025-01-01T00:00:00.500000+00:00"]),
    ],
)  # fmt: skip
def test_a_form_that_fits_alone_is_read(cells: list[str | None], expected: list[str | None]) -> None:
    assert read(*cells) == expected


@pytest.mark.parametrize(
    ("form", "cell", "expected"),
    [
        ("de", "01.02.2025", "2025-02-01T00:00:00"),
        ("uk", "01/02/2025", "2025-02-01T00:00:00"),
        ("us", "01/02/2025", "2025-01-02T00:00:00"),
        ("us", "01.02.2025", "2025-01-02T00:00:00"),
        ("de", "01.02.25", "2025-02-01T00:00:00"),
        ("de", "2025-02-01", "2025-02-01T00:00:00"),
        ("epoch", "100000", "1970-01-02T03:46:40+00:00"),
        ("epoch-ms", "100000000", "1970-01-02T03:46:40+00:00"),
        ("excel", "45658.5", "2025-01-01T12:00:00"),
        ("excel", "45658,0", "2025-01-01T00:00:00"),
        ("epoch", "100000,00", "1970-01-02T03:46:40+00:00"),
        ("excel", "61", "1900-03-01T00:00:00"),
    ],
)
def test_a_declared_form_is_read(form: str, cell: str, expected: str) -> None:
    assert read(cell, form=form) == [expected]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["01.02.2025", "03.04.2025"], "no row settles .* --dates de"),
        (["01/02/2025", "12/12/2025"], "no row settles"),
        (["31/12/2025", "12/31/2025"], "first in some rows and second in others"),
        (["12/04/2016 12:00 AM", "4/13/2016 12:00:00 AM"], "written in two ways"),
        (["12/04/2016 1:00 AM", "12/13/2016 1:00:00 AM"], "written in two ways"),
        (["13.04.16", "14.04.16"], "two digits"),
        (["45658", "45659"], "days or seconds"),
        (["soon", "later"], "no dates"),
        (["2025-01-01", "soon", "later"], "no dates"),
    ],
)
def test_what_could_be_two_things_is_refused(cells: list[str], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        read(*cells)
    assert "2025" not in str(caught.value).replace("31.12.2025", "").replace("31/12/2025", "").replace("12/31/2025", "")


def test_turned_days_are_refused_even_if_a_form_is_declared() -> None:
    with pytest.raises(ValidationError, match="written in two ways"):
        read("12/04/2016", "4/13/2016", form="us")
    assert read("1.2.2016", "01.12.2016", form="de") == ["2016-02-01T00:00:00", "2016-12-01T00:00:00"]  # dots stay


@pytest.mark.parametrize("cell", ["31.02.2025", "2025-13-01", "2025-01-01 24:00", "2025-01-01 13:00 PM", "32.12.2025"])
def test_a_day_that_does_not_exist_is_no_time(cell: str) -> None:
    form = "de" if "." in cell else "iso"
    good = "13.12.2025" if form == "de" else "2025-12-13"
    times = parse_column([good, good, cell], "when", form)
    assert times.unreadable == (2,)


@given(st.dates(date(1950, 1, 1), date(2024, 12, 31)))
def test_each_form_gives_the_day_back(day: date) -> None:
    forms = {"de": "%d.%m.%Y", "uk": "%d/%m/%Y", "us": "%m/%d/%Y", "iso": "%Y-%m-%d"}
    assert {read(day.strftime(pattern), form=form)[0] for form, pattern in forms.items()} == {f"{day}T00:00:00"}


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("08:30", 8.5),
        ("8:30 PM", 20.5),
        ("12:00 am", 0),
        ("8.30 Uhr", 8.5),
        ("24:00", None),
        ("noon", None),
        (None, None),
    ],
)
def test_times_of_day(text: str | None, hours: float | None) -> None:
    assert parse_clock(text) == (None if hours is None else timedelta(hours=hours))


def placed(*locals_: str, zone: str = "America/New_York", groups: list[object] | None = None) -> list[float | None]:
    """Hours that the clock was ahead of UTC."""
    moments: list[Moment | None] = [(datetime.fromisoformat(text), None) for text in locals_]
    out, _, _ = on_clock(moments, ZoneInfo(zone), groups or [None] * len(moments), date(2026, 1, 1))
    return [m and m[1] and m[1] / HOUR for m in out]


def test_both_passes_of_the_autumn_hour_are_kept_apart_by_order() -> None:
    night = ["2024-11-03 00:30", "2024-11-03 01:30", "2024-11-03 01:30", "2024-11-03 02:30"]
    assert placed(*night) == [-4, -4, -5, -5]
    assert placed(*night[::-1]) == [-5, -5, -4, -4]  # the newest row first
    assert placed("2024-11-03 01:00", "2024-11-03 01:30", "2024-11-03 01:00", "2024-11-03 01:30") == [-4, -4, -5, -5]


def test_series_do_not_share_their_passes() -> None:
    assert placed("2024-11-03 01:30", "2024-11-03 01:30", groups=["mood", "sleep"]) == [-4, -4]


def test_a_time_that_spring_skips_moves_forward_and_is_counted() -> None:
    moment: Moment = (datetime(2024, 3, 10, 2, 30), None)  # noqa: DTZ001
    out, wrong, skipped = on_clock([moment], ZoneInfo("America/New_York"), [1], date(2025, 1, 1))
    assert (out, wrong, skipped) == ([(datetime(2024, 3, 10, 3, 30), -4 * HOUR)], {}, 1)  # noqa: DTZ001


def test_an_instant_is_brought_to_the_clock() -> None:
    instant: Moment = (datetime(2024, 1, 2, 5, 30), timedelta(0))  # noqa: DTZ001
    assert on_clock([instant], ZoneInfo("America/Los_Angeles"), [1])[0] == [(datetime(2024, 1, 1, 21, 30), -8 * HOUR)]  # noqa: DTZ001


def test_the_last_day_and_the_first_year() -> None:
    today = date(2025, 6, 1)
    moments: list[Moment | None] = [
        (datetime(2025, 6, 1, 23, 59), None), (datetime(2025, 6, 2), None), (datetime(1900, 1, 1), None),  # noqa: DTZ001
        (datetime(1899, 12, 31), None),  # noqa: DTZ001
    ]  # fmt: skip
    out, wrong, _ = on_clock(moments, None, [1] * 4, today)
    assert [m is not None for m in out] == [True, False, True, False]
    assert wrong == {1: "its time lies in the future", 3: "its time lies before 1900"}
    tomorrow = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=2)
    assert on_clock([(tomorrow, timedelta(0))], None, [1])[1] == {0: "its time lies in the future"}


@pytest.mark.parametrize(
    "text", ["Sa 12:30", "12:30 Uhr", "5 März 2025 08:30", "2025-01-31T08:30+01:00", "de 11:30", "下午", "noon 12:30"]
)
def test_what_is_no_half_of_the_day_stays(text: str) -> None:
    assert in_english(text) == text
