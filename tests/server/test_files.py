"""Files over REST: a genotype, a German table; a dry run stores nothing, a repetition nothing more."""

import io
import zipfile
from typing import Any

import httpx
import pytest

from tests.server.world import World

HEADER = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS\n"
#: The variants of CYP2C19*2; GRCh38 itself has no *1.
VARIANTS = ((94775367, "A", "G", "0/1"), (94781859, "G", "A", "0/1"), (94842866, "A", "G", "1/1"))
VCF = (
    HEADER + "".join(f"chr10\t{at}\t.\t{ref}\t{alt}\t.\tPASS\t.\tGT\t{gt}\n" for at, ref, alt, gt in VARIANTS).encode()
)
GERMAN = "Datum;PHQ-9\n01.10.2025;12\n14.10.2025;9\n".encode("cp1252")


def zipped(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


@pytest.fixture
def patient_id(sqlite_world: World) -> str:
    return sqlite_world.add_patient("F1", "C11")


def sent(world: World, patient_id: str, content: bytes, who: str = "C11", **query: Any) -> httpx.Response:
    headers = {"Content-Type": "application/octet-stream"}
    path = f"/api/v1/patients/{patient_id}/files"
    return world.call("POST", path, who, params=query, content=content, headers=headers)


def imports(world: World, patient_id: str) -> list[str]:
    return [one["name"] for one in world.call("GET", f"/api/v1/patients/{patient_id}/imports", "C11").json()["items"]]


def test_a_genotype_needs_no_word_or_one_word(sqlite_world: World, patient_id: str) -> None:
    refused = sent(sqlite_world, patient_id, VCF, name="genome.vcf")
    assert (refused.status_code, "--absent-is-reference" in refused.json()["detail"]) == (422, True)
    for content, name in ((VCF, "genome.vcf"), (zipped("genome.vcf", VCF), "genome.zip")):
        dry = sent(sqlite_world, patient_id, content, name=name, absent_is_reference=True, dry_run=True)
        assert dry.status_code == 201, dry.text
        assert (dry.json()["genes"]["CYP2C19"], dry.json()["stored"]) == ("*1/*2", None)
        assert "positions that the file does not list are taken as reference" in dry.json()["guesses"][0]
    assert imports(sqlite_world, patient_id) == []
    done = sent(sqlite_world, patient_id, VCF, name="genome.vcf", absent_is_reference=True)
    assert done.json()["stored"] == {"genotype": 1}
    sent(sqlite_world, patient_id, VCF, name="genome.vcf", absent_is_reference=True)
    assert imports(sqlite_world, patient_id) == ["genome.vcf"]
    genes = sqlite_world.call("GET", f"/api/v1/patients/{patient_id}/genotype", "C11").json()["genes"]
    assert genes["CYP2C19"] == "*1/*2"
    other = sent(sqlite_world, patient_id, GERMAN, name="scores.csv", absent_is_reference=True)
    assert (other.status_code, "this is not" in other.json()["detail"]) == (422, True)


def test_a_table_says_how_it_was_understood(sqlite_world: World, patient_id: str) -> None:
    answer = sent(sqlite_world, patient_id, GERMAN, name="scores.csv")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    (series,) = body["series"]
    assert series == {
        "name": "PHQ-9", "kind": "symptom", "unit": None, "rows": 2, "first_day": "2025-10-01",
        "last_day": "2025-10-14",
    }  # fmt: skip
    assert (body["stored"], body["rows"], body["zone"]) == ({"symptom_report": 2}, 2, "Europe/Berlin")


@pytest.mark.parametrize(
    ("content", "query", "status", "words"),
    [
        (b"x", {"name": "x.doc"}, 422, "this kind of file is not read"),
        (GERMAN, {"name": "s.csv", "dates": "mars"}, 422, ""),
        (GERMAN, {"name": "s.csv", "colour": "red"}, 422, "a query parameter of this request is unknown"),
        (b"date,PHQ-9\n01/02/2025,3\n", {"name": "s.csv"}, 422, "--dates"),
    ],
)
def test_what_cannot_be_read(
    sqlite_world: World, patient_id: str, content: bytes, query: dict[str, str], status: int, words: str
) -> None:
    answer = sent(sqlite_world, patient_id, content, **query)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert imports(sqlite_world, patient_id) == []


@pytest.mark.parametrize("who", ["C12", "C21", "auditor", "P1-self"])
def test_strangers_store_nothing(sqlite_world: World, patient_id: str, who: str) -> None:
    assert sent(sqlite_world, patient_id, GERMAN, who, name="scores.csv").status_code in (403, 404)
    assert imports(sqlite_world, patient_id) == []
