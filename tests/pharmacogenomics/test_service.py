"""The doors: files by their content, the service's fields, the packaged tables, REST."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from novamind.errors import DataProcessingError, ValidationError
from novamind.pharmacogenomics.endpoints import ReviewBody, router
from novamind.pharmacogenomics.review import recommend
from novamind.pharmacogenomics.service import (
    PharmacogenomicsService,
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
        (gzip.compress(vcf("CYP2C19", {94842866: "1/1"}), mtime=0), "CYP2C19", "*1/*1"),
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


# -- what a file does not say plainly ----------------------------------------------------------------------------------


def said(content: bytes, gene: str) -> str:
    return " ".join(read_genotype(content)[gene].warnings)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("CYP2D6\t*1/*4\tNormal Metabolizer", "phenotype is not that of its diplotype"),
        ("CYP2D6\t*1/*4\tPM\t0", "the table's activity score is not that of its diplotype"),
        ("CYP2D6\t\tNM\t0.5", "the table's activity score is not that of its phenotype"),
        ("CYP2C19\t*2/*2\tEM", "the table's phenotype is not that of its diplotype; the diplotype is used."),
        ("CYP2D6\t*1/*4\tIntermediate Metabolizer\t1.0", ""), ("CYP2D6\t*1/*4\tIM", ""), ("CYP2D6\t*1/*4\t?\t?", ""),
        ("CYP2D6\t*1/*4 or *4/*4\tPM\t0", ""), ("CYP2C19\t*1/*9\tIM", ""), ("CYP2D6\t\tIM\t0.5", ""),
        ("CYP2D6\t*1/*4", ""),
    ],
)  # fmt: skip
def test_columns_that_disagree_are_named(row: str, words: str) -> None:
    warnings = said(row.encode(), row.partition("\t")[0])
    assert words in warnings
    assert bool(warnings) is bool(words)


def test_genes_that_we_do_not_know_are_named_and_passed_over() -> None:
    table = "CYP2D6\t*1/*4\nCOMT\tVal/Met\nVKORC1\trs9923231 C/T\nSLCO1B1\t*1/*5\nHLA-B\t*15:02/*40:01\n"
    read = read_genotype(table.encode())
    assert read["CYP2D6"].name == "*1/*4"
    assert read["HLA-B"].markers["*15:02"]
    for gene in ("COMT", "VKORC1", "SLCO1B1"):
        assert read[gene].warnings == (f"{gene}: the gene is not in our tables; its result is not used.",)
    notes = " ".join(recommend(read, ("citalopram",)).notes)
    assert all(f"{gene} is not in our gene tables; its result was not used." in notes for gene in ("COMT", "SLCO1B1"))
    with pytest.raises(ValidationError, match="chromosome copies"):
        read_genotype(b"CYP2D6\tVal/Met/Val\n")
    assert genotype({"comt": "Val/Met"})["COMT"].name == "not called"


def test_what_an_array_holds_beside_rs_numbers_is_counted() -> None:
    lines = ["i50\t1\t5\tAG", "i51\t1\t5\tAG", "kgp7\t1\t5\tAG", "rs4244285\t10\t5\tAA", "rs4244285\t10\t5\tGG"]
    read = read_genotype(("\n".join([*lines, "rs3758581\t10\t6\tGG"])).encode())
    assert read.notes == (
        "Names that are no rs numbers were passed over: 2 i, 1 kgp.",
        "rs numbers with two different calls, which were not used: 1.",
    )
    assert 94781859 in read["CYP2C19"].missing
    assert set(read.notes) <= set(recommend(read, ("citalopram",)).notes)


def test_a_callers_verdict_reaches_the_reader() -> None:
    cyrius = b"Sample\tGenotype\tFilter\nA\t*1_*2_*68\tNot_assigned_to_haplotypes\n"
    read = read_genotype(cyrius)["CYP2D6"]
    assert len(read.calls) == 3
    assert read.warnings == ("CYP2D6: Cyrius marks the call Not_assigned_to_haplotypes.",)


def test_absent_positions_are_reference_for_a_vcf_alone() -> None:
    content = vcf("CYP2C19", {94842866: "1/1"}, missing=frozenset({94781859}))
    assert read_genotype(content)["CYP2C19"].missing == (94781859,)
    assert read_genotype(content, absent_is_reference=True)["CYP2C19"].missing == ()
    with pytest.raises(ValidationError, match="in a VCF only"):
        read_genotype(ONE_STAR, absent_is_reference=True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(b"BCF\x02\x02", mtime=0), "is a BCF"),
        (b"[Header]\nx\n", "no genotype that we read"),
        (b"rsid\tgenotype\nrs4244285\tGA\n", "names no gene that we know"),
        (b"name,age\nbob,3\n", "names no gene"),
        (b"%PDF-1.7 \xff", "UTF-8"),
    ],
)
def test_other_files_are_refused_with_what_to_do(content: bytes, words: str) -> None:
    with pytest.raises((DataProcessingError, ValidationError), match=words):
        read_genotype(content)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
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
        "patient_data has unknown entries; known are allergies, comedications, conditions, doses, genetic_data,"
        " genetic_markers, genotype, outside_calls, patient_id, person, stopped, vcf"
    )


def test_doses_what_was_stopped_and_the_person_are_read() -> None:
    data = {
        "doses": {"citalopram": {"mg": 20, "every_hours": 12}, "sertraline": 300},
        "stopped": {"phenelzine": 3},
        "person": {"age": 70},
    }
    review = asyncio.run(PharmacogenomicsService().predict_medication_response(data))
    texts = {drug: [c.text for c in review[drug].severe] for drug in ("citalopram", "sertraline")}
    assert "40 mg/day is above 20 mg/day, the maximum above 60 years." in texts["citalopram"]
    assert "300 mg/day is above 200 mg/day, the maximum." in texts["sertraline"]
    assert any("Phenelzine was stopped 3 days ago" in text for text in texts["sertraline"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"doses": ["citalopram"]}, {"doses": {"citalopram": "20"}}, {"doses": {"citalopram": {"grams": 1}}},
        {"doses": {"citalopram": 0}}, {"stopped": "phenelzine"}, {"person": {"years": 70}}, {"person": {"age": -1}},
    ],
)  # fmt: skip
def test_a_dose_or_a_person_of_the_wrong_form_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        asyncio.run(PharmacogenomicsService().predict_medication_response(wrong))


def test_a_patient_id_changes_nothing() -> None:
    data: dict[str, object] = {"genotype": {"CYP2D6": "*1/*4"}, "allergies": ["citalopram"]}
    assert ask({"patient_id": "p", **data}) == ask(data)


def test_allergies_of_the_data_are_in_the_review() -> None:
    found = ask({"allergies": ["Celexa", "pollen"]}, "escitalopram")
    assert found.allergies == ("citalopram",)
    assert found["escitalopram"].verdict == "avoid"
    assert found == recommend({}, ("escitalopram",), allergies=("Celexa", "pollen"))


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


@pytest.mark.parametrize(
    ("field", "entry"),
    [("comedications", 0), ("comedications", ""), ("conditions", 5), ("doses", []), ("person", 0), ("stopped", "")],
)
def test_an_entry_of_another_form_is_refused_though_it_is_empty(field: str, entry: object) -> None:
    with pytest.raises(ValidationError, match=f"'{field}' must be a"):
        asyncio.run(PharmacogenomicsService().predict_medication_response({field: entry}, "lithium"))
    assert asyncio.run(PharmacogenomicsService().predict_medication_response({field: None}, "lithium")).drugs
