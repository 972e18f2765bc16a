"""Whoop: nights on the wall clock of their cycle, empty cells, the journal."""

import unicodedata
from pathlib import Path

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import read_wearables, whoop
from novamind.records.wearables.samples import NO_VALUE
from tests.records.maker_input import read, utc
from tests.records.wearable_input import export_file

CYCLES = """Cycle start time,Cycle end time,Cycle timezone,Recovery score %,Resting heart rate (bpm),\
Heart rate variability (ms),Skin temp (celsius),Blood oxygen %,Day Strain,Sleep onset,Wake onset,Asleep duration (min)
2024-06-24 22:24:26,,UTC-04:00,65,57,46,34.30,96.57,,2024-06-24 22:30:00,2024-06-25 05:44:09,400
2024-06-23 23:00:22,2024-06-24 22:24:26,UTC-04:00,,,,,,4.0,,,
2024-06-20 22:00:00,2024-06-21 22:00:00,UTC+01:00,50,58,40,34.1,95,7,2024-06-20 22:00:00,2024-06-21 06:00:00,420
"""
SLEEPS = """Cycle start time,Cycle end time,Cycle timezone,Sleep onset,Wake onset,Sleep performance %,\
Respiratory rate (rpm),Asleep duration (min),Light sleep duration (min),Deep (SWS) duration (min),REM duration (min),\
Awake duration (min),Sleep efficiency %,Nap
2024-06-24 22:24:26,,UTC-04:00,2024-06-24 22:30:00,2024-06-25 05:44:09,88,15.9,400,200,80,120,34,92,false
2024-06-24 22:24:26,,UTC-04:00,2024-06-25 14:00:00,2024-06-25 14:40:00,,,30,30,0,0,10,75,true
2024-06-23 23:00:22,,UTC-04:00,2024-06-23 23:00:22,2024-06-24 07:00:22,,,,,,,,,false
"""


def test_a_night_lasts_from_falling_asleep_to_waking_on_its_own_clock() -> None:
    found = read(whoop, "physiological_cycles.csv", CYCLES)
    assert found.clocks == {"offset"}
    night = {"start": utc(2024, 6, 25, 2, 30), "end": utc(2024, 6, 25, 9, 44, 9), "offset": -14_400}
    assert found.values(**night) == {
        "readiness_score": 65, "resting_heart_rate": 57, "daily_hrv_rmssd": 46, "daily_skin_temperature": 34.3,
        "daily_oxygen_saturation": 96.57, "sleep_duration": 400, "sleep_in_bed": 0,
    }  # fmt: skip
    assert found.rows("start", "offset", signal="sleep_duration")[1] == (utc(2024, 6, 20, 21), 3_600)


def test_empty_cells_are_no_zeros() -> None:
    found = read(whoop, "physiological_cycles.csv", CYCLES)
    assert (found.samples["value"] == 0).sum() == 2  # the two times in bed, which last as long as they last
    assert found.left_out() == dict.fromkeys(
        ("readiness_score", "resting_heart_rate", "daily_hrv_rmssd", "daily_skin_temperature",
         "daily_oxygen_saturation", "sleep_duration"), 1
    )  # fmt: skip
    assert found.tally.left_out_rows()[0]["reason"] == NO_VALUE
    assert found.tally.unread == {"Whoop Day Strain": 2}


def test_sleeps_and_naps() -> None:
    found = read(whoop, "sleeps.csv", SLEEPS)
    assert found.values(row=1) == {
        "sleep_duration": 400, "sleep_light_duration": 200, "sleep_deep_duration": 80, "sleep_rem_duration": 120,
        "sleep_awake_duration": 34, "sleep_efficiency": 92, "sleep_score": 88, "daily_respiratory_rate": 15.9,
        "sleep_in_bed": 0,
    }  # fmt: skip
    assert found.rows("start", "end", signal="sleep_in_bed", row=2) == [
        (utc(2024, 6, 25, 18), utc(2024, 6, 25, 18, 40))
    ]


def test_a_night_that_stands_in_two_files_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "sleeps.csv").write_text(SLEEPS)
    (tmp_path / "physiological_cycles.csv").write_text(CYCLES)
    frame = read_wearables(tmp_path).frame
    assert frame.filter(signal="sleep_duration")["value"].to_list() == [420.0, 400.0, 30.0]
    assert frame.filter(signal="sleep_in_bed")["value"].sum() == pytest.approx(480 + 434.15 + 40)


def test_a_table_without_the_onset_of_sleep_uses_the_cycles() -> None:
    table = (
        "Cycle start time,Cycle end time,Cycle timezone,Recovery score %,Asleep duration (min)\n"
        "2024-03-01 23:10:00,2024-03-02 23:20:00,UTC-05:00,66,420\n"
    )
    found = read(whoop, "physiological_cycles.csv", table)
    assert found.rows("signal", "start", "end") == [
        ("sleep_duration", utc(2024, 3, 2, 4, 10), utc(2024, 3, 2, 4, 10)),
        ("readiness_score", utc(2024, 3, 2, 4, 10), utc(2024, 3, 2, 4, 10)),
    ]


@pytest.mark.parametrize(
    ("zone", "offset"),
    [
        ("UTC-04:00", -14_400),
        ("UTC+05:30", 19_800),
        ("UTC+0100", 3_600),
        ("UTC", 0),
        ("UTCZ", 0),
        (" UTC+01:00 ", 3_600),
    ],
)
def test_zones(zone: str, offset: int) -> None:
    found = read(whoop, "sleeps.csv", SLEEPS.replace("UTC-04:00", zone))
    assert set(found.samples["offset"]) == {offset}


@pytest.mark.parametrize("zone", ["", "EST", "UTC+1", "Europe/Berlin"])
def test_a_row_without_a_zone_has_no_time(zone: str) -> None:
    found = read(whoop, "sleeps.csv", SLEEPS.replace("UTC-04:00", zone))
    assert set(found.samples["start"]) == {None}  # left out, and counted, by the common rules


def test_workouts_last_what_whoop_says() -> None:
    table = (
        "Cycle start time,Cycle end time,Cycle timezone,Workout start time,Workout end time,Duration (min),"
        "Activity name,Average HR (bpm)\n"
        "2024-06-24 20:24:26,,UTC-04:00,2024-06-25 08:08:18,2024-06-25 08:29:36,21,Running,161\n"
    )
    found = read(whoop, "workouts.csv", table)
    assert found.rows("signal", "start", "end", "value", "unit") == [
        ("workout", utc(2024, 6, 25, 12, 8, 18), utc(2024, 6, 25, 12, 29, 36), 21.0, "min")
    ]
    assert found.tally.unread == {"Whoop Average HR (bpm)": 1}


def test_the_journals_yes_and_no() -> None:
    table = (
        "Cycle start time,Cycle end time,Cycle timezone,Question text,Answered yes,Notes\n"
        "2024-06-24 20:24:26,2024-06-29 20:00:00,UTC-04:00,Have any alcoholic drinks?,true,private\n"
        "2024-06-24 20:24:26,,UTC-04:00,Have any caffeine? ,false,\n"
        "2024-06-24 20:24:26,,UTC-04:00,Viewed a screen device in bed?,,\n"
        "2024-06-24 20:24:26,,UTC-04:00,Take creatine?,true,\n"
    )
    found = read(whoop, "journal_entries.csv", table)
    at = utc(2024, 6, 25, 0, 24, 26)
    assert found.rows("signal", "start", "end", "value", "unit") == [
        ("journal_alcohol", at, at, 1.0, "0/1"), ("journal_caffeine", at, at, 0.0, "0/1"),
    ]  # fmt: skip
    assert found.left_out() == {"journal_screen_in_bed": 1}
    assert found.tally.unread == {"Whoop journal question of another kind": 1}


@pytest.mark.parametrize("heading", ["Sleep onset,Wake onset", "Cycle start time,Wake onset", "start,duration,value"])
def test_other_tables_are_not_whoops(heading: str) -> None:
    assert not whoop.recognised(export_file("sleeps.csv", heading + "\n1,2,3\n"))


NIGHT = {
    "readiness_score": 66, "resting_heart_rate": 52, "daily_hrv_rmssd": 80, "daily_skin_temperature": 33.5,
    "daily_oxygen_saturation": 97, "sleep_score": 90, "daily_respiratory_rate": 14.5, "sleep_duration": 430,
    "sleep_light_duration": 200, "sleep_deep_duration": 100, "sleep_rem_duration": 130, "sleep_awake_duration": 40,
    "sleep_efficiency": 91, "sleep_in_bed": 0,
}  # fmt: skip
CELLS = (
    "2024-06-02 23:10:00,UTC+02:00,66,52,80,33.5,97,2024-06-02 23:15:00,2024-06-03 07:00:00,90,14.5,"
    "430,200,100,130,40,91"
)


@pytest.mark.parametrize(
    "headings",
    [
        "Cycle start time,Cycle timezone,Recovery score %,Resting heart rate (bpm),Heart rate variability (ms),"
        "Skin temp (celsius),Blood oxygen %,Sleep onset,Wake onset,Sleep performance %,Respiratory rate (rpm),"
        "Asleep duration (min),Light sleep duration (min),Deep (SWS) duration (min),REM duration (min),"
        "Awake duration (min),Sleep efficiency %",
        "Startzeit des Zyklus,Zeitzone des Zyklus,Erholungswert %,Ruheherzfrequenz (Schläge pro Minute),"
        "Herzfrequenzvariabilität (ms),Hauttemperatur (Celsius),Blutsauerstoff %,Beginn des Schlafs,"
        "Beginn des Aufwachens,Schlafleistung %,Atemfrequenz (Atemzüge/Min.),Schlafdauer (Min.),"
        "Dauer des Leichtschlafs (Min.),Dauer des Tiefschlafs (Min.),Dauer des REM-Schlafs (Min.),"
        "Dauer des Aufwachens (Min.),Schlafeffizienz %",
        "Hora de inicio del ciclo,Zona horaria del ciclo,Puntuación de recuperación %,"
        "Frecuencia cardíaca en reposo (lpm),Variabilidad de la frecuencia cardíaca (ms),"
        "Temp. cutánea (grados centígrados),Oxígeno en sangre %,Inicio del sueño,Inicio de la vigilia,"
        "Calificación del sueño %,Frecuencia respiratoria (rpm),Duración del sueño (min),"
        "Duración de sueño ligero (min),Duración de sueño profundo (SWS) (min),Duración de sueño REM (min),"
        "Tempo despierto/a (min),Eficiencia del sueño %",
        "Heure de début du cycle,Fuseau horaire du cycle,Score de récupération\u00a0%,"
        "Fréquence cardiaque au repos (bpm),Variabilité de la fréquence cardiaque (ms),"
        "Température cutanée (celsius),Niveau d’oxygène %,Premiers signes de sommeil,Premiers signes de réveil,"
        "Performance sommeil %,Fréquence respiratoire (tr/min),Durée du sommeil (min),Durée du sommeil léger (min),"
        "Durée du sommeil profond (min),Durée du sommeil paradoxal (min),Temps d'éveil (min),"
        "Efficacité du sommeil %",
        "Hora de início do ciclo,Fuso horário do ciclo,Pontuação de recuperação %,"
        "Frequência cardíaca em repouso (bpm),Variabilidade da frequência cardíaca (ms),Temp. da pele (celsius),"
        "% de oxigênio no sangue,Início do sono,Início da vigília,Desempenho do sono %,"
        "Frequência respiratória (rpm),Duração do sono (min),Duração do sono leve (min),"
        "Duração profundo (Sono) (min),Duração REM (min),Duração de vigília (min),Eficácia do sono %",
    ],
    ids=["en", "de", "es", "fr", "pt"],
)
def test_headings_are_in_the_language_of_the_account(headings: str) -> None:
    for text in (headings, unicodedata.normalize("NFD", headings)):
        table = f"{text}\n{CELLS}\n"
        assert whoop.recognised(export_file("table.csv", table))
        found = read(whoop, "table.csv", table)
        assert found.values(start=utc(2024, 6, 2, 21, 15), end=utc(2024, 6, 3, 5), offset=7_200) == NIGHT
        assert found.tally.unread == {}


def test_workouts_in_german() -> None:
    found = read(
        whoop,
        "Trainings.csv",
        "Startzeit des Zyklus,Zeitzone des Zyklus,Startzeit des Trainings,Endzeit des Trainings,Dauer (Min.),"
        "Name der Aktivität\n2024-06-02 23:10:00,UTC+02:00,2024-06-03 18:00:00,2024-06-03 18:45:00,45,Laufen\n",
    )
    assert found.values(start=utc(2024, 6, 3, 16), end=utc(2024, 6, 3, 16, 45)) == {"workout": 45}


def test_a_language_that_is_not_known_is_refused_by_name() -> None:
    file = export_file("physiological_cycles.csv", "Syklin alkamisaika,Palautuminen %\n2024-06-02 23:10:00,66\n")
    assert whoop.recognised(file)
    with pytest.raises(ValidationError, match="no language known here: set Whoop's app to English"):
        read(whoop, "physiological_cycles.csv", "Syklin alkamisaika,Palautuminen %\n2024-06-02 23:10:00,66\n")
