# ruff: noqa: DTZ001 - instants in UTC without saying so
"""Dates of Apple Health in the languages, clocks and calendars of phones."""

from datetime import datetime

import polars as pl
import pytest

from novamind.records.wearables.apple_dates import instants

NARROW = "\u202f"
#: Before and after noon as phones write it (Unicode CLDR), entered apart from the source.
HALVES = [
    ("AM", "PM"), ("am", "pm"), ("a.m.", "p.m."), (f"a.{NARROW}m.", f"p.{NARROW}m."), ("上午", "下午"),
    ("午前", "午後"), ("오전", "오후"), ("ص", "م"), ("ق.ظ.", "ب.ظ."), ("לפנה״צ", "אחה״צ"), ("π.μ.", "μ.μ."),
    ("ÖÖ", "ÖS"), ("SA", "CH"),
    ("ก่อนเที่ยง", "หลังเที่ยง"), ("de.", "du."), ("ap.", "ip."), ("fm", "em"), ("дп", "пп"), ("пр.об.", "сл.об."),
    ("dop.", "odp."), ("dop.", "pop."), ("vm.", "nm."), ("PG", "PTG"), ("priešpiet", "popiet"), ("priekšp.", "pēcp."),
    ("f.h.", "e.h."), ("e paradites", "e pasdites"), ("r.n.", "i.n."), ("yb", "yh"), ("претпл.", "попл."),
    ("пре подне", "по подне"), ("pre podne", "po podne"), ("կա", "կհ"), ("முற்பகல்", "பிற்பகல்"),
    ("ಪೂರ್ವಾಹ್ನ", "ಅಪರಾಹ್ನ"), ("पूर्वाह्न", "अपराह्न"),
]  # fmt: skip


def read(*texts: str | None) -> list[tuple[datetime | None, int | None]]:
    return instants(pl.Series(texts, dtype=pl.String)).rows()


@pytest.mark.parametrize("number", range(len(HALVES)))
def test_the_half_of_the_day_in_the_phones_language(number: int) -> None:
    morning, evening = HALVES[number]
    for text, hour in (
        (f"2024-09-21 7:57:05{NARROW}{morning} +0000", 7), (f"2024-09-21 11:57:05 {evening} +0000", 23),
        (f"2024-09-21 12:57:05{NARROW}{morning} +0000", 0), (f"2024-09-21 12:57:05 {evening} +0000", 12),
        (f"2024-09-21 {evening}1:57:05 +0000", 13), (f"2024-09-21 {evening} 1:57:05 +0000", 13),
    ):  # fmt: skip
        assert read(text) == [(datetime(2024, 9, 21, hour, 57, 5), 0)]


@pytest.mark.parametrize(
    ("text", "instant", "offset"),
    [
        ("2024-09-21 07:57:00 +1000", datetime(2024, 9, 20, 21, 57), 36_000),
        ("2024-09-21 23:57:00 -0330", datetime(2024, 9, 22, 3, 27), -12_600),
        ("2024-09-21 07:57:00.123 +1000", datetime(2024, 9, 20, 21, 57, 0, 123_000), 36_000),
        ("2024-09-21 07:57:00,5 +1000", datetime(2024, 9, 20, 21, 57, 0, 500_000), 36_000),
        ("2024-09-21 07:57:00.1234567 +10:00", datetime(2024, 9, 20, 21, 57, 0, 123_456), 36_000),
        ("2024-09-21 7:57:00 +1000", datetime(2024, 9, 20, 21, 57), 36_000),
        ("٢٠٢٤-٠٩-٢١ ٧:٥٧:٠٠ م +٠٣٠٠", datetime(2024, 9, 21, 16, 57), 10_800),
        ("२०२४-०९-२१ ०७:५७:०० +०५३०", datetime(2024, 9, 21, 2, 27), 19_800),
        ("2567-09-21 07:57:00 +0700", datetime(2024, 9, 21, 0, 57), 25_200),
        ("2567-02-29 7:57:00 หลังเที่ยง +0700", datetime(2024, 2, 29, 12, 57), 25_200),
        ("2024-09-21 07:57:00", None, None),
        ("2024-09-21 07:57 +1000", None, None),
        ("2024-09-21 7:57:00 soon +1000", None, None),
        ("2024-09-21 13:57:00 pm +1000", None, None),
        ("2024-09-21 0:57:00 am +1000", None, None),
        ("2024-02-30 07:57:00 +1000", None, None),
        ("2024-13-01 7:57:00 am +1000", None, None),
        ("yesterday", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_each_form(text: str | None, instant: datetime | None, offset: int | None) -> None:
    assert read(text) == [(instant, offset)]
    assert read("2024-01-01 00:00:00 +0000", text, text) == [(datetime(2024, 1, 1), 0), *[(instant, offset)] * 2]
