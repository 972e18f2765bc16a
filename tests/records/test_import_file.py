"""One door for any file: what it was understood to hold, saved profiles, and the command that writes a patient."""

import gzip
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import novamind as nm
from novamind.cli import app
from novamind.errors import InsufficientDataError, NotFoundError, ValidationError
from novamind.records import TableProfile, import_file, load_profile, read_patient_directory, write_patient_directory
from novamind.settings import Settings

TODAY = date(2026, 1, 1)
DAYS = [f"{day:02d}.01.2025" for day in range(1, 29)]
GERMAN = "\ufeffDatum;PHQ-9;Stimmung\r\n" + "".join(f"{d};{i % 20},0;{i % 7},5\r\n" for i, d in enumerate(DAYS))
TABLE = b"date,PHQ-9\n2025-01-13,7\n2025-01-14,99\n2025-01-15,8\n"
FHIR = json.dumps(
    {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": "urn:uuid:a", "resource": {"resourceType": "Patient", "id": "a", "gender": "female"}},
            {
                "resource": {
                    "resourceType": "Observation",
                    "id": "o",
                    "status": "final",
                    "subject": {"reference": "urn:uuid:a"},
                    "effectiveDateTime": "2025-01-13T08:00:00+01:00",
                    "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
                    "valueInteger": 7,
                }
            },
        ],
    }
).encode()


def table(content: bytes = TABLE, name: str = "diary.csv", **declared: Any) -> Any:
    return import_file(name, content=content, today=TODAY, **declared)


def run(*arguments: str, stdin: bytes | None = None) -> Any:
    return CliRunner().invoke(app, ["import", *map(str, arguments)], input=stdin)


def test_what_was_understood_in_one_form() -> None:
    imported = table(timezone="Europe/Berlin")
    assert (imported.rows, imported.persons, imported.zone) == (3, ("1",), "Europe/Berlin")
    assert repr(imported) == "<FileImport: wide table: a column a series, 3 rows; 1 person; 1 series; 1 left out>"
    assert "PHQ-9" in imported._repr_html_()
    assert imported.to_dict() == {
        "kind": "wide table: a column a series",
        "rows": 3,
        "persons": ["1"],
        "zone": "Europe/Berlin",
        "series": [
            {"name": "PHQ-9", "kind": "symptom", "unit": None, "persons": 1, "rows": 2, "first_day": "2025-01-13",
             "last_day": "2025-01-15"},
        ],
        "genes": [],
        "guesses": [
            "column 'date' is read as timestamp", "no column names a person: all rows are read as one person's",
            "times of 'date': ISO 8601 (2025-12-31)",
        ],
        "left_out": [
            {"what": "PHQ-9", "reason": "is off the scale of 0 to 27", "count": 1, "first_row": 2},
        ],
    }  # fmt: skip
    assert imported.frame.columns == ["patient_id", "timestamp", "series", "value", "unit", "kind"]


def test_a_person_is_chosen_in_any_kind_of_file(tmp_path: Path) -> None:
    assert table(FHIR, "bundle.json", patient_id="a").persons == ("a",)
    with pytest.raises(NotFoundError, match="no such person"):
        table(FHIR, "bundle.json", patient_id="b")
    write_patient_directory(table().record, tmp_path / "patient")
    assert import_file(tmp_path / "patient", today=TODAY, patient_id="1").persons == ("1",)
    with pytest.raises(NotFoundError, match="no such person"):
        import_file(tmp_path / "patient", today=TODAY, patient_id="2")


def test_what_is_declared_about_tables_is_not_ignored_in_silence() -> None:
    note = "what was declared about tables is not used: the file is none"
    assert note in table(FHIR, "bundle.json", dates="de").guesses
    assert note not in table(FHIR, "bundle.json", timezone="Europe/Berlin").guesses
    assert note not in table(GERMAN.encode(), dates="de").guesses


def test_a_picture_has_a_strip_for_each_series_and_no_person() -> None:
    imported = table(b"id,date,PHQ-9,Puls\nAda,2025-01-13,7,61\nAda,2025-01-14,8,\n")
    picture = imported.plot().to_dict()
    assert [strip["encoding"]["y"]["title"] for strip in picture["vconcat"]] == [["PHQ-9"], ["heart_rate", "bpm"]]
    points = sorted(picture["datasets"].values(), key=len)
    assert [[point["value"] for point in strip] for strip in points] == [[61.0], [7.0, 8.0]]
    assert points[1][0]["timestamp"] == "2025-01-13T00:00:00"
    assert "Ada" not in json.dumps(picture)
    times = ((i // 3600, i // 60 % 60, i % 60) for i in range(4500))
    long = table(b"date,x\n" + b"".join(b"2025-01-01T%02d:%02d:%02d,1\n" % time for time in times))
    assert [len(points) for points in long.plot().to_dict()["datasets"].values()] == [1500]


def test_it_stands_at_the_front_door() -> None:
    assert nm.records.import_file is import_file
    with pytest.raises(NotFoundError, match=r"nothing\.csv does not exist"):
        import_file("nothing.csv")
    with pytest.raises(ValidationError, match="option of that name"):
        table(datum="de")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (TABLE, "diary.csv", "wide table"),
        (TABLE, "diary", "wide table"),
        (FHIR, "bundle.json", "FHIR R4"),
        (b"\xef\xbb\xbf" + FHIR, "bundle.json", "FHIR R4"),
        (
            b"timestamp,signal,value\n2025-01-13T08:00:00+01:00,heart_rate,61\n",
            "signals.csv",
            "wearable export: long table",
        ),
    ],
)
def test_a_file_is_recognised_by_its_content(content: bytes, name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    for imported in (table(content, name), import_file(tmp_path / name, today=TODAY)):
        assert imported.kind.startswith(kind)
        assert len(imported.series) == 1


def packed(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


def test_a_zip_of_one_table_is_that_table() -> None:
    assert table(packed("folder/diary.csv", TABLE), "diary.zip").series == table().series
    assert table(gzip.compress(TABLE), "diary.csv.gz").series == table().series
    with pytest.raises(ValidationError, match="damaged"):
        table(gzip.compress(TABLE)[:20], "diary.csv.gz")
    with pytest.raises(ValidationError, match="more than the limit"):
        table(gzip.compress(b"x" * 2000), "diary.csv.gz", settings=Settings(max_file_bytes=1000))


@dataclass
class Call:
    name: str
    reported: str | None = None
    provisional: bool = False
    ambiguous: bool = False
    warnings: tuple[str, ...] = ()


def called(source: bytes, _sample: str | None = None, /, *, absent_is_reference: bool = False) -> Mapping[str, Call]:
    assert not absent_is_reference
    assert b"rs4244285" in source or gzip.decompress(source)
    return {
        "CYP2C19": Call("*1/*2"), "CYP2D6": Call("*1/*1", provisional=True), "UGT1A1": Call("not called"),
        "CYP2B6": Call("*1/*6 or *4/*9", ambiguous=True), "CYP2C9": Call("reported: PM", "Poor Metabolizer"),
    }  # fmt: skip


ARRAY = b"# rsid\tchromosome\tposition\tgenotype\nrs4244285\t10\t96541616\tAG\n"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (ARRAY, "genome.txt"),
        (packed("genome.txt", ARRAY), "genome.zip"),
        (b"##fileformat=VCF rs4244285", "a.vcf"),
        (gzip.compress(b"##fileformat=VCF rs4244285", mtime=0), "a.vcf.gz"),
        (b"gene\tdiplotype\nCYP2C19\trs4244285\n", "panel.tsv"),
    ],
)
def test_genes_are_kept_where_their_call_is_certain(content: bytes, name: str) -> None:
    imported = table(content, name, call_genes=called, patient_id="p")
    assert imported.record.genotype == {"CYP2C19": "*1/*2", "CYP2C9": "Poor Metabolizer"}
    assert {entry.what for entry in imported.left_out} == {"CYP2D6", "UGT1A1", "CYP2B6"}
    with pytest.raises(ValidationError, match="read_genotype"):
        table(content, name)
    with pytest.raises(InsufficientDataError, match=r"no gene is called with certainty: positions .*--absent-is-ref"):
        table(content, name, call_genes=lambda *_, **_asked: {"CYP2D6": Call("*1/*1", provisional=True)})
    with pytest.raises(InsufficientDataError, match="certainty: import a panel with star alleles"):
        table(content, name, call_genes=lambda *_, **_asked: {"CYP2D6": Call("not called")})


def test_absent_positions_are_reference_where_that_is_declared() -> None:
    asked = []

    def call(*_: object, absent_is_reference: bool) -> Mapping[str, Call]:
        asked.append(absent_is_reference)
        return {"CYP2C19": Call("*1/*2")}

    imported = table(ARRAY, "genome.txt", call_genes=call, absent_is_reference=True)
    assert (asked, imported.guesses[0].startswith("positions that the file does not list")) == ([True], True)
    assert table(ARRAY, "genome.txt", call_genes=call).guesses == ()
    for declared in ({"absent_is_reference": True}, {"sample": "S"}):
        with pytest.raises(ValidationError, match="are of a genotype file, which this is not"):
            table(b"timestamp,PHQ-9\n2025-01-01,3\n", "a.csv", **declared)


def test_what_a_genotype_file_leaves_open_is_listed() -> None:
    class Results(dict[str, Call]):
        notes = ("Names that are no rs numbers were passed over: 2 i.",)

    genes = Results(A=Call("*1/*4", warnings=("A: columns disagree.",)), B=Call("not called", warnings=("B: why.",)))
    imported = table(ARRAY, "genome.txt", call_genes=lambda *_, **_asked: genes, patient_id="p")
    assert imported.record.genotype == {"A": "*1/*4"}
    assert [(entry.what, entry.reason) for entry in imported.left_out] == [
        ("A, which is kept", "columns disagree."), ("B", "is not called: why."), ("genotype file", *Results.notes),
    ]  # fmt: skip


def test_a_profile_is_saved_without_data_of_a_person_and_read_again(tmp_path: Path) -> None:
    imported = table(
        GERMAN.encode(),
        mapping={"timestamp": "Datum", "mood": "Stimmung"},
        dates="de",
        missing=("99",),
        event_days={"a": 3},
    )
    imported.profile.save(tmp_path / "study.json")
    assert json.loads((tmp_path / "study.json").read_text()) == {
        "mapping": {"timestamp": "Datum", "mood": "Stimmung"}, "dates": "de", "missing": ["99"], "event_days": {"a": 3},
    }  # fmt: skip
    assert load_profile(tmp_path / "study.json") == imported.profile
    again = table(GERMAN.encode(), profile=tmp_path / "study.json", mapping={"timestamp": "Datum", "x": "Stimmung"})
    assert [entry.name for entry in again.series] == ["x"]  # what is given goes before the profile
    assert again.profile.dates == "de"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"columns": {}}', "it may hold mapping, dates"),
        ("[]", "it may hold"),
        ("{", "one JSON object"),
        ('{"dates": "german"}', "choose from iso, de"),
        ('{"decimal": ","}', "point or comma"),
        ('{"mapping": ["Datum"]}', "mapping must map"),
        ('{"mapping": {"timestamp": 3}}', "names of columns"),
        ('{"aggregate": "mode"}', "mean, median"),
        ('{"missing": "999"}', "list of texts"),
    ],
)
def test_what_is_no_profile(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(ValidationError, match=message):
        load_profile(tmp_path / "p.json")


def test_from_a_german_table_to_a_forecast(tmp_path: Path) -> None:
    (tmp_path / "tagebuch.csv").write_text(GERMAN, "utf-8")
    shown = run(tmp_path / "tagebuch.csv", "--into", tmp_path / "patient", "--timezone", "Europe/Berlin")
    assert shown.exit_code == 0, shown.output
    assert "decimal comma" in shown.stdout
    assert "Clock         Europe/Berlin" in shown.stdout
    record = read_patient_directory(tmp_path / "patient")
    assert record.symptoms is not None
    assert {key.name for key in record.symptoms.series} == {"PHQ-9", "Stimmung"}
    forecast = CliRunner().invoke(app, ["forecast", str(tmp_path / "patient"), "--symptom", "PHQ-9", "--json"])
    assert json.loads(forecast.stdout)["history_until"] == "2025-01-28"


def test_nothing_is_written_before_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "diary.csv").write_bytes(TABLE)
    shown = run(tmp_path / "diary.csv")
    assert "        1  PHQ-9: is off the scale of 0 to 27 (first: row 2)" in shown.stdout
    assert "Nothing was written: give --into DIRECTORY" in shown.stdout
    dry = run(tmp_path / "diary.csv", "--into", tmp_path / "patient", "--dry-run")
    assert "Nothing was written (--dry-run)" in dry.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["diary.csv"]


def test_genes_are_shown_by_their_results() -> None:
    shown = run("-", stdin=b"gene\tdiplotype\nCYP2C19\t*1/*2\n")
    assert "Genes\n  CYP2C19     *1/*2" in shown.stdout


def test_a_table_on_standard_input(tmp_path: Path) -> None:
    shown = run(
        "-", "--map", "PHQ-9=PHQ-9", "--missing", "99", "--save-profile", tmp_path / "p.json", "--json", stdin=TABLE
    )
    document = json.loads(shown.stdout)
    assert (document["rows"], document["written"]) == (3, [])
    assert load_profile(tmp_path / "p.json") == TableProfile(mapping={"PHQ-9": "PHQ-9"}, missing=("99",))


def test_several_persons_have_a_directory_each(tmp_path: Path) -> None:
    lines = b"id,date,PHQ-9\n../b,2025-01-13,7\na,2025-01-13,8\n"
    shown = run("-", "--into", tmp_path / "all", stdin=lines)
    assert shown.exit_code == 0
    written = [read_patient_directory(tmp_path / "all" / name).patient_id for name in ("001", "002")]
    assert written == ["../b", "a"]  # ids are no names of files


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--map", "Datum"], "--map must be written as timestamp=Datum"),
        (["--map", "a=b", "--map", "a=c"], "each name once"),
        (["--event-day", "a=b"], "whole number of days"),
        (["--dates", "german"], "choose from iso"),
        (["--timezone", "Berlin"], "zone"),
        (["--instrument", "nothing"], "no such instrument"),
    ],
)
def test_options_that_say_nothing(arguments: list[str], message: str) -> None:
    shown = run("-", *arguments, stdin=TABLE)
    assert message in str(shown.exception)


@pytest.mark.parametrize(
    ("time", "zone"),
    [
        ("2025-01-13T08:00:00+01:00", "own offset of each time"),
        ("2025-01-13T08:00:00", "local time"),
    ],
)
def test_the_clock_of_a_wearable_is_said(time: str, zone: str) -> None:
    content = f"timestamp,signal,value\n{time},heart_rate,61\n".encode()
    assert table(content, "signals.csv").zone.startswith(zone)
    assert table(content, "signals.csv", timezone="Europe/Berlin").zone == "Europe/Berlin"


def test_a_patient_directory_is_shown_too(tmp_path: Path) -> None:
    write_patient_directory(table().record, tmp_path / "patient")
    imported = import_file(tmp_path / "patient", today=TODAY)
    assert (imported.kind, [entry.rows for entry in imported.series]) == ("patient directory", [2])


def test_a_zip_whose_only_table_is_damaged_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("diary.csv", "timestamp,value\n" + "2026-01-01,5\n" * 400)
    content = bytearray(stream.getvalue())
    begin = 30 + len("diary.csv")  # of the packed rows, behind the local header
    content[begin : begin + 6] = b"\xff" * 6
    (tmp_path / "diary.zip").write_bytes(content)
    with pytest.raises((ValidationError, InsufficientDataError), match="it is damaged or locked"):
        import_file(tmp_path / "diary.zip")
