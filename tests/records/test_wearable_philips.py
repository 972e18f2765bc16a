"""Philips actigraphs: sections in several languages, a decimal comma, watches off the wrist."""

from datetime import timedelta

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import philips
from novamind.records.wearables.samples import NO_VALUE
from tests.records.maker_input import read, utc
from tests.records.wearable_input import export_file

ENGLISH = """Actiware Export File (version 05.00),,,,,,,,,,
-------------------- Statistics --------------------,,,,,,,,,,

Interval Type,Interval#,Start Date,Start Day,Start Time,End Date,End Day,End Time,Duration,Onset Latency,Efficiency,\
Sleep Time
,,,,,,,,(minutes),(minutes),(%),(minutes)

REST,1,11/23/2019,Sat,8:42:15 PM,11/24/2019,Sun,8:05:30 AM,683.25,NaN,NaN,629.50
Rest Summary,n,NaN,NaN,NaN,NaN,NaN,NaN,1,NaN,NaN,1
ACTIVE,1,11/23/2019,Sat,6:00:00 AM,11/23/2019,Sat,8:42:15 PM,882.25,NaN,NaN,29.75
SLEEP,1,11/23/2019,Sat,8:59:45 PM,11/24/2019,Sun,8:05:15 AM,665.50,17.50,89.72,613.00
NAPPING,1,11/24/2019,Sun,1:00:00 PM,11/24/2019,Sun,1:30:00 PM,30,NaN,NaN,20

-------------------- Epoch-by-Epoch Data -------------------,,,,,,,,,,

Column Title,Remarks
------------------,---------
Line:,the number

Line,Date,Time,Off-Wrist Status,Activity,Marker,White Light,Sleep/Wake,Interval Status

1,11/23/2019,6:00:00 AM,1,NaN,NaN,NaN,NaN,EXCLUDED
2,11/23/2019,6:00:30 AM,0,105,0,12.5,1,ACTIVE
3,11/23/2019,6:01:00 AM,0,0,1,13,1,ACTIVE
"""


def test_a_rest_is_time_in_bed_and_sums_are_no_nights() -> None:
    found = read(philips, "x.csv", ENGLISH)
    assert found.clocks == {"local"}
    rest = {"start": utc(2019, 11, 23, 20, 42, 15), "end": utc(2019, 11, 24, 8, 5, 30)}
    sleep = {"start": utc(2019, 11, 23, 20, 59, 45), "end": utc(2019, 11, 24, 8, 5, 15)}
    assert found.values(**rest) == {"sleep_in_bed": 0, "sleep_duration": 629.5}
    assert found.values(**sleep) == {"sleep_efficiency": 89.72, "sleep_latency": 17.5}
    assert found.tally.unread == {
        "Philips row that sums intervals up": 2, "Philips interval Active": 1, "Philips interval of an unknown kind": 1,
        "Philips Interval Status": 2, "Philips Sleep/Wake": 2,
    }  # fmt: skip


def test_epochs_off_the_wrist_are_no_measurement() -> None:
    found = read(philips, "x.csv", ENGLISH)
    at = utc(2019, 11, 23, 6, 0, 30)
    assert found.rows("start", "end", "value", signal="activity_counts") == [
        (at, at + timedelta(seconds=30), 105.0), (at + timedelta(seconds=30), at + timedelta(seconds=60), 0.0),
    ]  # fmt: skip
    assert found.rows("value", signal="illuminance") == [(12.5,), (13.0,)]
    assert found.rows("start", "value", signal="event_mark") == [(utc(2019, 11, 23, 6, 1), 1.0)]
    assert {e["signal"]: e["rows"] for e in found.tally.left_out_rows() if e["reason"] == NO_VALUE} == {
        "activity_counts": 1, "illuminance": 1,
    }  # fmt: skip


def translated(*pairs: tuple[str, str]) -> str:
    text = ENGLISH.replace("11/23/2019", "23/11/2019").replace("11/24/2019", "24/11/2019")
    for english, other in pairs:
        text = text.replace(english, other)
    return text


@pytest.mark.parametrize(
    "pairs",
    [
        [("Line,", "Lijn,"), ("Date,", "Datum,"), ("Time,Off-Wrist Status", "Tijd,Status niet-om-pols"),
         ("Activity,", "Activiteit,"), ("Marker", "Markering")],
        [("Line,", "Zeile,"), ("Date,", "Datum,"), ("Time,Off-Wrist Status", "Zeit,Status „Nicht am Handgelenk“"),
         ("Activity,", "Aktivität,"), ("Marker", "Markierung"), ("White Light", "Weißes Licht")],
        [("Line,", "Ligne,"), ("Time,Off-Wrist Status", "Heure,Off-Wrist Status"), ("Activity,", "Activité,"),
         ("Marker", "Marqueur"), ("White Light", "Lumière blanche")],
    ],
)  # fmt: skip
def test_epochs_in_other_languages(pairs: list[tuple[str, str]]) -> None:
    found = read(philips, "x.csv", translated(*pairs))
    assert found.rows("start", "value", signal="activity_counts")[0] == (utc(2019, 11, 23, 6, 0, 30), 105.0)
    assert len(found.rows("value", signal="event_mark")) == 1


def test_a_decimal_comma_and_dutch_intervals() -> None:
    text = translated(
        ("Interval Type", "Intervaltype"), ("REST", "RUST"), ("SLEEP", "SLAAP"), ("Sleep Time", "Slaaptijd"),
        ("629.50", '"629,50"'), ("89.72", '"89,72"'), ("Efficiency", "Efficiëntie"),
    )  # fmt: skip
    found = read(philips, "x.csv", text)
    assert found.rows("value", signal="sleep_duration") == [(629.5,)]
    assert found.rows("value", signal="sleep_efficiency") == [(89.72,)]


def test_sleep_intervals_alone_give_all() -> None:
    found = read(philips, "x.csv", "\n".join(line for line in ENGLISH.splitlines() if not line.startswith("REST")))
    assert found.rows("value", signal="sleep_duration") == [(613.0,)]
    assert found.rows("value", signal="sleep_in_bed") == []


def test_headings_of_an_unknown_language_and_dates_of_two_readings_are_refused() -> None:
    with pytest.raises(ValidationError, match="in a language that is not known: export it in English"):
        read(philips, "x.csv", ENGLISH.replace("Interval Type", "Tipo").replace("Activity", "Actividad"))
    ambiguous = ENGLISH.replace("11/23/2019", "11/03/2019").replace("11/24/2019", "11/04/2019")
    with pytest.raises(ValidationError, match="can be read in two ways"):
        read(philips, "x.csv", ambiguous)


AWD = "subject\n01-Oct-2009\n17:00\n {epoch} \n0\nD012345\nM\n498 , 0,00\n0 , 0,00 M\n262\n"


@pytest.mark.parametrize(("epoch", "seconds"), [(1, 15), (2, 30), (4, 60), (8, 120), (20, 300)])
def test_awd(epoch: int, seconds: int) -> None:
    found = read(philips, "x.AWD", AWD.format(epoch=epoch))
    start, step = utc(2009, 10, 1, 17), timedelta(seconds=seconds)
    assert found.rows("start", "end", "value", signal="activity_counts") == [
        (start + place * step, start + (place + 1) * step, value) for place, value in enumerate((498.0, 0.0, 262.0))
    ]
    assert found.rows("start", signal="event_mark") == [(start + step,)]


@pytest.mark.parametrize("text", [AWD.format(epoch=81), AWD.format(epoch="x"), AWD.replace("17:00", "noon"), "a\nb\n"])
def test_an_awd_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValidationError, match="export it as a table from Actiware"):
        read(philips, "x.awd", text)


ACTICAL = """Actical Export File,,,,,
Identity:,7,,,,
------------------ Epoch-by-Epoch Data ----------------,,,,,
-----,,,,,
Epoch,Day,Elapsed,Date,Time,Activity,Steps
#,#,Seconds,,,Counts,
0,1,0,25-Aug-13,17:00,12,3
1,1,60,25-Aug-13,17:01,0,0
"""


@pytest.mark.parametrize("gap", ["", ",,,,,,\n", "\n\n"])
def test_actical_has_headings_in_two_lines(gap: str) -> None:
    found = read(philips, "x.csv", ACTICAL.replace("0,1,0,25", gap + "0,1,0,25"))
    assert found.rows("start", "end", "value", signal="activity_counts") == [
        (utc(2013, 8, 25, 17), utc(2013, 8, 25, 17, 1), 12.0), (utc(2013, 8, 25, 17, 1), utc(2013, 8, 25, 17, 2), 0.0),
    ]  # fmt: skip
    assert found.rows("value", signal="steps") == [(3.0,), (0.0,)]


def test_other_actigraphs() -> None:
    with pytest.raises(ValidationError, match="export its epochs from MotionWare"):
        read(philips, "x.mtn", "<xml/>")
    assert not philips.recognised(export_file("x.csv", "Line,Date,Time,Activity\n"))
