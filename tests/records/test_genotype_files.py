"""Consumer arrays, star-allele tables and FHIR genomics observations."""

import json

import pytest

from novamind.errors import DataProcessingError, ValidationError
from novamind.pharmacogenomics import read_genotype
from novamind.records.fhir.genomics import read_fhir_genomics
from novamind.records.genotypes.callers import ReportedResult
from novamind.records.genotypes.consumer_arrays import read_consumer_array
from novamind.records.genotypes.recognition import is_genotype
from novamind.records.genotypes.star_alleles import read_star_alleles

TWENTYTHREE = (
    b"# rsid\tchromosome\tposition\tgenotype\n"
    b"rs4244285\t10\t96541616\tAG\nrs3758581\t10\t96602623\tGG\nrs1\t1\t1\t--\ni50\tMT\t2\tA\n"
)
ANCESTRY = b"rsid\tchromosome\tposition\tallele1\tallele2\nrs4244285\t10\t96541616\tG\tA\nrs2\t1\t5\t0\t0\n"


def test_both_vendors() -> None:
    assert read_consumer_array(TWENTYTHREE).calls == {"rs4244285": ("A", "G"), "rs3758581": ("G", "G")}
    assert read_consumer_array(ANCESTRY).calls == {"rs4244285": ("G", "A")}


@pytest.mark.parametrize("content", [b"", b"rs1\t1\t1\t--\n", b"name,age\nx,3\n", b"rs1 only\n", b"\xff\xfe"])
def test_other_text_is_refused(content: bytes) -> None:
    with pytest.raises(DataProcessingError):
        read_consumer_array(content)


def test_star_allele_layouts() -> None:
    assert read_star_alleles(b"gene\tdiplotype\nCYP2D6\t*1/*4\n") == {"": {"CYP2D6": ReportedResult("*1/*4")}}
    several = read_star_alleles(b"sample,gene,diplotype,phenotype\na,CYP2D6,*1/*4,\nb,CYP2C19,,Poor Metabolizer\n")
    assert several == {
        "a": {"CYP2D6": ReportedResult("*1/*4")},
        "b": {"CYP2C19": ReportedResult(phenotype="Poor Metabolizer")},
    }
    assert read_star_alleles(b"CYP2D6\t*1/*1x2\nHLA-B\t\t*15:02 positive\n")[""]["HLA-B"].text == "*15:02 positive"
    with pytest.raises(ValidationError, match="two different"):
        read_star_alleles(b"gene,diplotype\nCYP2D6,*1/*4\nCYP2D6,*1/*1\n")
    with pytest.raises(ValidationError, match="names no gene"):
        read_star_alleles(b"gene,diplotype\n,*1/*4\n")
    with pytest.raises(DataProcessingError):
        read_star_alleles(b"gene,colour\nCYP2D6,red\n")


def observation(gene: str, code: str, value: str, status: str = "final") -> dict[str, object]:
    def part(loinc: str, text: str) -> dict[str, object]:
        return {"code": {"coding": [{"code": loinc}]}, "valueCodeableConcept": {"text": text}}

    return {
        "resourceType": "Observation", "status": status, "code": {"coding": [{"code": "69548-6"}]},
        "component": [part("48018-6", gene), part(code, value)],
    }  # fmt: skip


def bundle(*resources: dict[str, object]) -> bytes:
    return json.dumps({"resourceType": "Bundle", "entry": [{"resource": r} for r in resources]}).encode()


def test_fhir_genotype_goes_before_phenotype_and_withdrawn_results_are_ignored() -> None:
    content = bundle(
        observation("CYP2C19", "84413-4", "*1/*2"),
        observation("CYP2C19", "53040-2", "Intermediate metabolizer"),
        observation("CYP2D6", "53040-2", "Poor metabolizer"),
        observation("CYP2D6", "84413-4", "*1/*1", status="entered-in-error"),
        {"resourceType": "Patient"},
    )
    assert read_fhir_genomics(content) == {"CYP2C19": "*1/*2", "CYP2D6": "Poor metabolizer"}


@pytest.mark.parametrize("content", [b"{", b"[1]", b"{}", b'{"resourceType": "Bundle", "entry": [null, 3]}'])
def test_other_json_is_refused(content: bytes) -> None:
    with pytest.raises(DataProcessingError):
        read_fhir_genomics(content)


def test_conflicting_observations_are_refused() -> None:
    with pytest.raises(ValidationError, match="two different"):
        read_fhir_genomics(bundle(observation("CYP2D6", "84413-4", "*1/*1"), observation("CYP2D6", "84413-4", "*4/*4")))


def test_the_kind_of_file_is_seen_from_its_content() -> None:
    assert "*2" in read_genotype(TWENTYTHREE)["CYP2C19"].name
    assert read_genotype(bundle(observation("CYP2C19", "84413-4", "*1/*2")))["CYP2C19"].name == "*1/*2"
    assert read_genotype(b"gene,diplotype\nCYP2D6,*1/*4\n")["CYP2D6"].name == "*1/*4"
    two = b"sample,gene,diplotype\na,CYP2D6,*1/*4\nb,CYP2D6,*1/*1\n"
    assert read_genotype(two, sample="b")["CYP2D6"].name == "*1/*1"
    with pytest.raises(ValidationError, match="2 samples"):
        read_genotype(two)
    with pytest.raises(ValidationError, match="no sample"):
        read_genotype(two, sample="c")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"##fileformat=VCFv4.2\n", True), (b"\xef\xbb\xbf##fileformat=VCFv4.2\n", True), (TWENTYTHREE, True),
        (ANCESTRY, True), (b"RSID,CHROMOSOME,POSITION,RESULT\n", True), (b"gene,diplotype\n", True),
        (b"Sample;Gene;Phenotype\n", True), (b"CYP2D6\t*1/*4\n", True), (b"CYP2D6 *4/*4\n", True),
        (b"CYP2D6\tCYP2D6*3/CYP2D6*4\n", True), (b"HLA-B*15:02,*15:02 negative\n", True),
        ("gene\tdiplotype\n".encode("utf-16"), True), (b"Sample\tGenotype\tFilter\nA\t*1/*1\tPASS\n", True),
        (b"#Sample\tGene\tSolutionID\tMajor\n", True), (b"--\nCYP2D6 Star Allele Calling with StellarPGx\n", True),
        (b"", False), (b"timestamp,value\n2024-01-01,3\n", False), (b"Datum;PHQ-9\n01.02.2024;4\n", False),
        (b"gene,colour\nCYP2D6,red\n", False), (b'{"resourceType": "Bundle"}', False), (b"hello world\n", False),
        (b"name,chromosome\nx,1\n", False), (b"\x00\x01\x02", False),
    ],
)  # fmt: skip
def test_a_genotype_is_recognised_by_how_it_begins(head: bytes, expected: bool) -> None:
    assert is_genotype(head) is expected
