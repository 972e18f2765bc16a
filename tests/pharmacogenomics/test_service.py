"""The doors: files by their content, the service's fields, the packaged tables, REST."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from novamind.errors import DataProcessingError, ValidationError
from novamind.pharmacogenomics import knowledge
from novamind.pharmacogenomics.endpoints import ReviewBody, router
from novamind.pharmacogenomics.review import recommend
from novamind.pharmacogenomics.service import (
    PharmacogenomicsService,
    _head,
    call_vcf,
    call_vcf_samples,
    genotype,
    read_genotype,
)
from tests.golden import check_golden

from .vcf_text import vcf

STAR = b"sample,gene,diplotype\nann,CYP2D6,*1/*4\nben,CYP2D6,*4/*4\n"
ONE_STAR = b"gene,diplotype\nCYP2D6,*1/*4\n"
ARRAY = b"# rsid\tchromosome\tposition\tgenotype\nrs4244285\t10\t96541616\tGA\nrs3758581\t10\t96602623\tGG\n"
ANCESTRY = b'"rs4244285","10","96541616","G","A"\n'
FHIR = json.dumps(
    {
        "resourceType": "Observation", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "84413-4"}]},
        "component": [{"code": {"coding": [{"system": "http://loinc.org", "code": "48018-6"}]},
                       "valueCodeableConcept": {"coding": [{"display": "CYP2D6"}], "text": "CYP2D6"}}],
        "valueCodeableConcept": {"text": "*1/*4", "coding": [{"display": "*1/*4"}]},
    }
).encode()  # fmt: skip


def two_samples() -> bytes:
    lines = vcf("CYP2C19", {94842866: "1/1"}).decode().splitlines()
    more = {"##": "", "#C": "\tother"}
    return "".join(f"{line}{more.get(line[:2], chr(9) + '0/0')}\n" for line in lines).encode()


@pytest.mark.parametrize(
    ("content", "gene", "name"),
    [
        (vcf("CYP2C19", {94842866: "1/1"}), "CYP2C19", "*1/*1"),
        (gzip.compress(vcf("CYP2C19", {94842866: "1/1"})), "CYP2C19", "*1/*1"),
        (b"\xef\xbb\xbf" + vcf("CYP2C19", {94842866: "1/1"}), "CYP2C19", "*1/*1"),
        (ONE_STAR, "CYP2D6", "*1/*4"),
        (FHIR, "CYP2D6", "*1/*4"),
        (b"  \n" + FHIR, "CYP2D6", "*1/*4"),
    ],
    ids=["vcf", "gzip", "bom", "star", "fhir", "fhir-blank"],
)
def test_a_file_is_known_by_its_content(content: bytes, gene: str, name: str, tmp_path: Path) -> None:
    assert read_genotype(content)[gene].name == name
    path = tmp_path / "whatever.dat"
    path.write_bytes(content)
    assert read_genotype(path)[gene].name == name


@pytest.mark.parametrize("content", [ARRAY, ANCESTRY])
def test_an_array_is_known_by_its_lines(content: bytes) -> None:
    found = read_genotype(content)["CYP2C19"]
    assert found.origin == "variants"
    assert len(found.missing) < 35


def test_a_person_is_named_where_the_file_has_several() -> None:
    both = two_samples()
    assert set(call_vcf_samples(both)) == {"patient", "other"}
    assert call_vcf(both, sample="patient")["CYP2C19"].name == "*1/*1"
    assert call_vcf(both, sample="other")["CYP2C19"].name == "*38/*38"
    assert read_genotype(both, "other")["CYP2C19"].name == "*38/*38"
    assert read_genotype(STAR, "ben")["CYP2D6"].name == "*4/*4"
    for source in (both, STAR):
        with pytest.raises(ValidationError, match="no sample of that name"):
            read_genotype(source, "carl")
        with pytest.raises(ValidationError, match="has 2 samples; name one"):
            read_genotype(source)


def test_a_laboratorys_result_replaces_what_variants_show() -> None:
    found = call_vcf_samples(two_samples(), {"cyp2c19": "*2/*2", "HLA-B": "*15:02 positive"})
    for of in found.values():
        assert (of["CYP2C19"].name, of["CYP2C19"].origin) == ("*2/*2", "outside")
        assert of["HLA-B"].markers == {"*15:02": True}
        assert of["CYP2D6"].name == "not called"
    assert call_vcf(vcf("CYP2C19"), {"CYP2D6": "*4/*4"})["CYP2D6"].name == "*4/*4"


def test_one_gene_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="given twice"):
        genotype({"CYP2D6": "*1/*4", "cyp2d6": "*1/*4"})
    assert genotype({}) == {}


def test_the_head_of_a_file_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert _head(b"x" * 70000) == b"x" * 65536
    path = tmp_path / "long"
    path.write_bytes(b"y" * 70000)
    assert _head(path) == b"y" * 65536
    with pytest.raises(DataProcessingError, match="cannot open the genotype file: No such file"):
        read_genotype(tmp_path / "nowhere")


def ask(data: dict[str, object], name: str | None = None):  # type: ignore[no-untyped-def]
    return asyncio.run(PharmacogenomicsService().predict_medication_response(data, name))


def test_the_services_fields_come_together() -> None:
    found = ask(
        {
            "vcf": vcf("CYP2C19", {94842866: "1/1"}), "outside_calls": {"CYP2D6": "*4/*4"},
            "genotype": {"CYP2B6": "*6/*6", "CYP2C9": genotype({"CYP2C9": "*3/*3"})["CYP2C9"], "CYP2D6": "*1/*4"},
            "comedications": ["Prozac"], "conditions": ["long qt"],
        },
        "Lexapro",
    )  # fmt: skip
    names = {g: d.name for g, d in found.genotype.items() if d.name != "not called"}
    assert names == {"CYP2C19": "*1/*1", "CYP2D6": "*1/*4", "CYP2B6": "*6/*6", "CYP2C9": "*3/*3"}
    assert (found.comedications, found.conditions, list(found)) == (("fluoxetine",), ("long qt",), ["escitalopram"])
    everything = ask({"genotype": None, "comedications": None, "conditions": None, "allergies": None, "vcf": None})
    assert len(everything) == 51
    assert everything.comedications == ()
    assert ask({}).genotype == {}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"genotype": ["*1/*4"]}, "'genotype' must map"), ({"genotype": "*1/*4"}, "'genotype' must map"),
        ({"comedications": "paroxetine"}, "'comedications' must be a list"),
        ({"comedications": ["paroxetine", 3]}, "'comedications' must be a list"),
        ({"conditions": "long qt"}, "'conditions' must be a list"),
        ({"conditions": [None]}, "'conditions' must be a list"),
        ({"allergies": "citalopram"}, "'allergies' must be a list"), ({"allergies": [3]}, "'allergies' must be a list"),
        ({"genetic_data": ["*1/*4"]}, "'genotype' must map"), ({"genetic_markers": "*1/*4"}, "'genotype' must map"),
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_form_is_refused(data: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ask(data)


@pytest.mark.parametrize("field", ["genotype", "genetic_data", "genetic_markers"])
def test_a_genotype_is_read_under_each_of_its_names(field: str) -> None:
    found = ask({field: {"CYP2D6": "*4/*4", "CYP2C9": genotype({"CYP2C9": "*3/*3"})["CYP2C9"]}}, "codeine")
    assert {gene: d.name for gene, d in found.genotype.items()} == {"CYP2D6": "*4/*4", "CYP2C9": "*3/*3"}
    assert [change.after.label for change in found.phenotypes if change.gene == "CYP2D6"] == [
        "Poor Metabolizer (activity score 0.0)"
    ]


def test_a_genotype_under_two_names_is_refused_and_an_empty_one_is_none() -> None:
    for pair in (("genotype", "genetic_data"), ("genotype", "genetic_markers"), ("genetic_data", "genetic_markers")):
        with pytest.raises(ValidationError, match="the genotype is given twice; keep one of genotype, genetic_data"):
            ask({key: {"CYP2D6": "*1/*4"} for key in pair})
    found = ask({"genotype": {}, "genetic_data": {"CYP2D6": "*1/*4"}, "genetic_markers": None})
    assert set(found.genotype) == {"CYP2D6"}


@pytest.mark.parametrize("field", ["comedication", "Genotype", "medications", "medication", "symptoms", "age", ""])
def test_an_unknown_field_is_refused_without_its_name_or_value(field: str) -> None:
    """A misspelt list must not read as "nothing is taken"; what stands in the data is never in the message."""
    with pytest.raises(ValidationError) as refusal:
        ask({"genotype": {"CYP2D6": "*1/*4"}, field: ["fluoxetine"]})
    assert str(refusal.value) == (
        "patient_data has unknown entries; known are allergies, comedications, conditions, genetic_data,"
        " genetic_markers, genotype, outside_calls, patient_id, vcf"
    )


def test_a_patient_id_changes_nothing() -> None:
    data: dict[str, object] = {"genotype": {"CYP2D6": "*1/*4"}, "allergies": ["citalopram"]}
    assert ask({"patient_id": "p", **data}) == ask(data)


def test_allergies_of_the_data_are_in_the_review() -> None:
    found = ask({"allergies": ["Celexa", "pollen"]}, "escitalopram")
    assert found.allergies == ("citalopram",)
    assert found["escitalopram"].verdict == "avoid"
    assert found == recommend({}, ("escitalopram",), allergies=("Celexa", "pollen"))


# -- the packaged tables -----------------------------------------------------------------------------------------------


def test_a_row_of_another_year_is_a_broken_install() -> None:
    assert knowledge.source({"source": "braten-2019", "year": "2019"}).title.startswith("Braten")
    for row in ({"source": "braten-2019", "year": "2018"}, {"source": "nowhere-2019", "year": "2019"}):
        with pytest.raises(DataProcessingError, match=row["source"]):
            knowledge.source(row)


def test_a_table_is_read_in_the_order_of_its_file() -> None:
    assert next(knowledge.rows("drugs"))["drug"] == "sertraline"
    first = knowledge.sources()["pharmvar-2025"]
    assert (first.id, first.year, first.evidence, first.url) == (
        "pharmvar-2025", 2025, "copy", "https://www.pharmvar.org/genes",
    )  # fmt: skip
    assert next(iter(knowledge.sources())) == "pharmvar-2025"


# -- REST --------------------------------------------------------------------------------------------------------------


def serve(method: str, path: str, body: object = None) -> Response:
    app = FastAPI()
    app.include_router(router(PharmacogenomicsService()))

    async def once() -> Response:
        async with AsyncClient(transport=ASGITransport(app), base_url="http://here") as client:
            return await client.request(method, path, json=body)

    return asyncio.run(once())


def test_rest_answers_as_the_library_does() -> None:
    question: dict[str, object] = {
        "genotype": {"CYP2D6": "*1/*4"},
        "comedications": ["paroxetine"],
        "conditions": ["long qt"],
        "allergies": ["Pristiq"],
        "medication": "Effexor",
    }
    answer = serve("POST", "/pharmacogenomics/review", question)
    assert answer.status_code == 200
    review = recommend(genotype({"CYP2D6": "*1/*4"}), ("Effexor",), ("paroxetine",), ("long qt",), ("Pristiq",))
    assert review["venlafaxine"].against == "The label rules it out after an allergy to desvenlafaxine."
    assert answer.json() == json.loads(json.dumps(review.to_dict()))
    assert ReviewBody.of(review).ranking == ["venlafaxine"]
    everything = serve("POST", "/pharmacogenomics/review", {}).json()
    assert len(everything["drugs"]) == 51
    assert everything["genotype"] == {}


@pytest.mark.parametrize(
    "question",
    [
        {"genotype": {"cyp2d6": "*1/*4"}}, {"genotype": {"C": "*1/*4"}}, {"genotype": {"C" * 21: "*1/*4"}},
        {"genotype": {"CYP2D6": ""}}, {"genotype": {"CYP2D6": "x" * 101}}, {"comedications": [""]},
        {"comedications": ["x"] * 51}, {"conditions": ["x"] * 51}, {"conditions": ["x" * 101]}, {"medication": ""},
        {"allergies": ["x"] * 51}, {"allergies": [""]}, {"allergies": ["x" * 101]}, {"genetic_data": {}},
        {"unheard": 1}, {"genotype": {f"G{i}": "*1/*1" for i in range(201)}},
    ],
)  # fmt: skip
def test_rest_refuses_beyond_its_limits(question: dict[str, object]) -> None:
    assert serve("POST", "/pharmacogenomics/review", question).status_code == 422


@pytest.mark.parametrize(
    "question",
    [
        {"genotype": {"CY": "*1/*1"}}, {"genotype": {"C" * 20: "*1/*1"}}, {"comedications": ["x"] * 50},
        {"conditions": ["x" * 100] * 50}, {"allergies": ["x" * 100] * 50},
        {"genotype": {f"G{i}": "*1/*1" for i in range(200)}},
        {"genotype": {"HLA-B": "?"}},
    ],
)  # fmt: skip
def test_rest_takes_what_is_just_within_them(question: dict[str, object]) -> None:
    assert serve("POST", "/pharmacogenomics/review", question | {"medication": "lithium"}).status_code == 200


def test_the_contract() -> None:
    contract = serve("GET", "/openapi.json").json()
    check_golden(__file__, "contract", {"paths": contract["paths"], "schemas": contract["components"]["schemas"]})
