"""The values themselves: scores, names, labels, and their plain form."""

import pytest

from novamind.drugs.domain import Evidence, Severity, Source
from novamind.pharmacogenomics.codec import DiplotypeBody, GeneResultBody
from novamind.pharmacogenomics.domain import (
    Action,
    ActivityScore,
    Advice,
    AlleleCopy,
    Diplotype,
    DiplotypeCall,
    GeneResult,
    Phenotype,
    PhenotypeChange,
)

SOURCE = Source("somewhere-2020", 2020, Evidence.READ, "Somewhere", "https://example.org")


@pytest.mark.parametrize(
    ("value", "at_least", "text"),
    [(0.0, False, "0.0"), (1.25, False, "1.25"), (3.0, True, "≥3.0"), (0.0, True, "0.0"), (0.25, True, "≥0.25")],
)
def test_a_score_shows_its_bound_and_zero_copies_of_nothing_have_none(value: float, at_least: bool, text: str) -> None:
    score = ActivityScore(value, at_least)
    assert str(score) == repr(score) == text
    assert score.at_least is (at_least and value > 0)


def test_a_score_and_a_lower_bound_of_the_same_number_differ() -> None:
    assert ActivityScore(2.0) == ActivityScore(2.0) == 2.0
    assert ActivityScore(2.0) != ActivityScore(2.0, at_least=True)
    assert ActivityScore(2.0) != ActivityScore(1.0)
    assert ActivityScore(2.0) != 1.0
    assert hash(ActivityScore(2.0)) == hash(ActivityScore(2.0))
    assert len({ActivityScore(2.0), ActivityScore(2.0), ActivityScore(2.0, at_least=True), ActivityScore(3.0)}) == 3
    assert ActivityScore(1.0).at_least is False


@pytest.mark.parametrize(
    ("parts", "at_least", "text"),
    [
        ((("*4", 1),), False, "*4"),
        ((("*1", 2),), False, "*1x2"),
        ((("*1", 3),), True, "*1x≥3"),
        ((("*36", 1), ("*10", 1)), False, "*36+*10"),
        ((("*68", 2), ("*4", 1)), True, "*68x≥2+*4"),
    ],
)
def test_a_copy_is_written_as_laboratories_do(parts: tuple[tuple[str, int], ...], at_least: bool, text: str) -> None:
    assert str(AlleleCopy(parts, at_least)) == text
    assert AlleleCopy(parts).at_least is False


@pytest.mark.parametrize(
    ("diplotype", "provisional", "ambiguous", "name"),
    [
        (Diplotype("CYP2C19", (DiplotypeCall("*1", "*2"),)), False, False, "*1/*2"),
        (Diplotype("CYP2C19", (DiplotypeCall("*1", "*2"),), not_excluded=("*3",)), True, False, "*1/*2"),
        (Diplotype("CYP2C19", (DiplotypeCall("*1", "*2"),), doubtful=(94781859,)), True, False, "*1/*2"),
        (Diplotype("CYP2C19", (DiplotypeCall("*1", "*2"),), missing=(94781859,)), False, False, "*1/*2"),
        (Diplotype("CYP2C19", not_excluded=("*3",)), False, False, "not called"),
        (Diplotype("CYP2D6", (DiplotypeCall("*1", "*4"),)), True, False, "*1/*4"),
        (Diplotype("CYP2D6", (DiplotypeCall("*1", "*4"),), origin="outside"), False, False, "*1/*4"),
        (Diplotype("CYP2D6"), False, False, "not called"),
        (Diplotype("CYP2C9", (DiplotypeCall("*1", "*2"), DiplotypeCall("*1", "*3"))), False, True, "*1/*2 or *1/*3"),
        (Diplotype("CYP2D6", origin="phenotype", reported="0.5"), False, False, "reported: 0.5"),
        (Diplotype("HLA-B", markers={"*15:11": False, "*15:02": True}), False, False,
         "*15:02 positive, *15:11 negative"),
    ],
)  # fmt: skip
def test_what_a_diplotype_rests_on(diplotype: Diplotype, provisional: bool, ambiguous: bool, name: str) -> None:
    assert diplotype.provisional is provisional
    assert diplotype.ambiguous is ambiguous
    assert diplotype.name == name
    assert str(diplotype) == f"{diplotype.gene} {name}"


def test_a_fresh_diplotype_claims_nothing() -> None:
    assert DiplotypeBody.model_validate(Diplotype("CYP2D6")).model_dump() == {
        "gene": "CYP2D6", "name": "not called", "calls": [], "origin": "variants", "reported": None, "markers": {},
        "missing": [], "not_excluded": [], "doubtful": [], "warnings": [],
    }  # fmt: skip
    assert DiplotypeCall("*1", "*4").score is None


@pytest.mark.parametrize(
    ("result", "label"),
    [
        (GeneResult("CYP2D6", Phenotype.POOR, ActivityScore(0.0)), "Poor Metabolizer (activity score 0.0)"),
        (GeneResult("CYP2D6", Phenotype.POOR, provisional=True), "Poor Metabolizer, provisional"),
        (GeneResult("CYP1A2", None), "no guideline phenotype"),
        (GeneResult("HLA-B", None, markers=(("*15:02", True), ("*15:11", False))),
         "*15:02 positive, *15:11 negative"),
    ],
)  # fmt: skip
def test_a_result_reads_as_a_short_text(result: GeneResult, label: str) -> None:
    assert result.label == label
    assert GeneResultBody.model_validate(GeneResult("CYP2D6", None)).model_dump() == {
        "gene": "CYP2D6", "phenotype": None, "activity_score": None, "diplotype": None, "activity": None,
        "activity_low": None, "activity_high": None, "genetic_activity": None, "markers": {}, "provisional": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("population", "audience"),
    [
        ("general", ""), ("", ""), ("adults", "adults"), ("pediatrics", "children"),
        ("CBZ naive", "not taken before"), ("CBZ use >3mos", "taken for over 3 months"),
        ("CBZ-no alternatives", "no alternative"),
    ],
)  # fmt: skip
def test_whom_advice_is_for(population: str, audience: str) -> None:
    advice = Advice(
        "CPIC", "sertraline", population, (), Action.AVOID, "", "", "", "", "Strong", "Do not use it.", "PA1", SOURCE
    )
    assert advice.audience == audience
    assert advice.url == "https://example.org"
    assert advice.when == ()


def test_evidence_is_given_in_plain_words() -> None:
    assert {e: e.meaning for e in Evidence} == {
        "read": "read at the source",
        "copy": "read in a redistributed copy of the source (PharmCAT 3.1.1, PyPGx)",
        "abstract": "only the abstract was read",
        "secondary": "read where somebody else quotes or compiles it",
        "own analysis": "our own analysis of released data",
        "unverified": "general knowledge, not confirmed at the source",
    }
    assert str(SOURCE) == "Somewhere (2020)"


def test_severities_stand_from_the_worst_to_the_least() -> None:
    assert list(Severity) == ["contraindicated", "major", "moderate", "information"]


def test_standard_terms_are_cpics() -> None:
    assert [str(p) for p in Phenotype] == [
        "Poor Metabolizer", "Likely Poor Metabolizer", "Intermediate Metabolizer", "Likely Intermediate Metabolizer",
        "Possible Intermediate Metabolizer", "Normal Metabolizer", "Rapid Metabolizer", "Ultrarapid Metabolizer",
        "Indeterminate",
    ]  # fmt: skip
    assert all(action == action.name for action in Action)


NM, IM = (
    GeneResult("CYP2D6", p, ActivityScore(s)) for p, s in ((Phenotype.NORMAL, 2.0), (Phenotype.INTERMEDIATE, 1.0))
)


@pytest.mark.parametrize(
    ("before", "after", "reasons", "converted"),
    [
        (NM, IM, ("x",), True),
        (NM, NM, ("x",), False),  # a weak inhibitor gives a reason and changes nothing
        (NM, IM, (), False),
        (NM, GeneResult("CYP2D6", Phenotype.NORMAL, ActivityScore(1.5)), ("x",), True),
        (NM, GeneResult("CYP2D6", Phenotype.INTERMEDIATE, ActivityScore(2.0)), ("x",), True),
    ],
)
def test_a_gene_is_converted_when_something_acts_and_phenotype_or_score_moves(
    before: GeneResult, after: GeneResult, reasons: tuple[str, ...], converted: bool
) -> None:
    assert PhenotypeChange("CYP2D6", before, after, reasons, ()).converted is converted
