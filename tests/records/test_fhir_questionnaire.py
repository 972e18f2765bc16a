"""Which totals come of a response, and the forms of the shared cases."""

import json
from pathlib import Path

import pytest

from novamind.records import read_fhir
from novamind.records.fhir.documents import Located
from novamind.records.fhir.forms import questionnaires
from tests.records.fhir_forms import (
    PHQ,
    PHQ_15,
    item,
    items,
    phq,
    read,
    response,
)


@pytest.mark.parametrize(
    ("values", "total", "remarks"),
    [
        ([1, 2, 1, 2, 1, 1, 0, 1, None], 10.0, ["PHQ-9: missing items are prorated"]),
        ([1, 2, 1, 2, 1, 1, 0, None, None], 10.0, ["PHQ-9: missing items are prorated"]),
        ([1, 2, 1, 2, 1, 1, None, None, None], None, []),
        ([1] * 9, None, []),
    ],
)
def test_a_total_with_missing_items_is_given_by_the_published_rule(
    values: list[int | None], total: float | None, remarks: list[str]
) -> None:
    answered = [item(f"/{code}", value) for code, value in zip(PHQ, values, strict=True) if value is not None]
    for one in (
        response(*answered, questionnaire="urn:phq-9"),
        response(
            *answered, *({"linkId": f"/{code}"} for code, value in zip(PHQ, values, strict=True) if value is None)
        ),
    ):
        series, said = read(one)
        assert (series.get("PHQ-9"), said) == (total, remarks)
    if total is not None:
        assert "PHQ-9" not in read(response(*answered))[0]  # may as well be a PHQ-8, or part of a form


def test_an_answer_that_was_not_read_is_not_a_missing_one() -> None:
    answers = [1, 2, 1, 2, 1, 1, 0, 1, {"valueString": "rather not"}]
    series, said = read(response(*items([f"/{code}" for code in PHQ], *answers), questionnaire="urn:phq-9"))
    assert "PHQ-9" not in series
    assert said == ["an item of PHQ-9 has an answer without a score"]


@pytest.mark.parametrize(("reported", "kept"), [(8, False), (9, True), (12, True), (13, False)])
def test_a_reported_total_is_one_that_the_items_allow(reported: int, *, kept: bool) -> None:
    answered = items([f"/{code}" for code in (*PHQ[:8], "44261-6")], 1, 2, 1, 2, 1, 1, 0, 1, reported)
    series, said = read(response(*answered, questionnaire="urn:phq-9"))
    assert series.get("PHQ-9") == (reported if kept else None)
    kept_text = "the total of PHQ-9 is as reported, with 1 item missing"
    assert said == [kept_text if kept else "the total of PHQ-9 is none that its items allow"]


def test_a_total_alone_is_as_it_was_reported() -> None:
    assert read(response(item("/44261-6", 27))) == ({"PHQ-9": 27.0}, [])


def test_questions_that_the_form_leaves_out() -> None:
    series, said = read(response(item("/68518-0", {"valueCoding": {"code": "LA6270-8"}}), questionnaire="urn:audit-c"))
    assert series == {"AUDIT-C item 1": 0.0, "AUDIT-C": 0.0}
    assert said == ["AUDIT-C: items that the form leaves out after a screening answer have their lowest score"]
    men = [code for code in PHQ_15 if code != "69674-0"]
    series, _ = read(response(*items([f"/{code}" for code in men], 1), questionnaire="urn:phq-15"))
    assert series["PHQ-15"] == 14


# -- real forms, where they are


SHARED = Path(__file__).parents[3] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared cases and exports are not in this checkout")


@needs_shared
@pytest.mark.parametrize("with_form", [True, False])
def test_the_example_of_us_core(*, with_form: bool) -> None:
    names = ["QuestionnaireResponse-phq-9-example", *["Questionnaire-phq-9-example"][: int(with_form)]]
    files = [SHARED / "data/exports/fhir_us_core" / f"{name}.json" for name in names]
    one, *others = (Located(json.loads(file.read_text("utf-8")), file.stem) for file in files)
    series, said = read(one, questionnaires(others))
    assert series == phq(2, 2, 2, 2, 1, 1, 2, 0, 0) | {"PHQ-9": 12.0}
    assert said == ["no item of PHQ-9: 1 answer (LOINC 69722-7)"]


@needs_shared
@pytest.mark.parametrize(
    ("case", "totals"),
    [
        ("f01_difficulty", {"PHQ-9": 9}),
        ("f01b_difficulty", {"PHQ-9": 9}),
        ("f01d_number", {"PHQ-9": 9}),
        ("f02b_combined", {"GAD-7": 21}),
        ("f04_contained", {"PHQ-9": 9, "GAD-7": 21}),
        ("f05_phq15", {}),  # answered with codes of another list
        ("f05b_questionnaire", {}),
        ("f06_answers", {"PHQ-9": 9}),
        ("f06b_answers", {"PHQ-9": 9}),
        ("f07_inprogress", {}),
        ("f08_item9_missing", {"PHQ-9": 9}),
        ("f09_phq2total", {"PHQ-9": 9, "PHQ-2": 3}),
    ],
)
def test_the_totals_of_the_shared_cases(case: str, totals: dict[str, float]) -> None:
    record = read_fhir(SHARED / "cases/fhir" / f"{case}.json").record
    frame = record.symptoms
    series = (
        {}
        if frame is None
        else {frame.series[i].name: v for i, v in zip(frame.series_index, frame.values, strict=True)}
    )
    assert {name: value for name, value in series.items() if "item" not in name} == totals
