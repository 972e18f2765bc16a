"""Alleles to phenotypes: the reference tables, the rules' closed forms, notation."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.pharmacogenomics.copy_number import apply_copies, copies_from_depth
from novamind.pharmacogenomics.domain import ActivityScore, Diplotype, DiplotypeCall, Function, Phenotype
from novamind.pharmacogenomics.notation import parse_copy, parse_diplotype
from novamind.pharmacogenomics.phenotypes import (
    allele_function,
    call_phenotype,
    phenotype,
    results,
    score_phenotype,
)
from novamind.pharmacogenomics.service import genotype

Rows = Callable[..., Iterator[dict[str, str]]]
RANK = [Function.NO, Function.DECREASED, Function.NORMAL, Function.INCREASED]


def test_every_reference_diplotype(table: Rows) -> None:
    rows = 0
    for row in table("diplotype_phenotype.csv.gz"):
        reading = phenotype(row["gene"], f"{row['allele1']}/{row['allele2']}")
        score = "" if reading.activity_score is None else str(reading.activity_score)
        assert (str(reading.phenotype), score) == (row["phenotype"], row["activity_score"]), row
        rows += 1
    assert rows == 9850


def test_every_reference_allele(table: Rows) -> None:
    for row in table("allele_function.csv"):
        if row["gene"] not in {
            "CYP2D6",
            "CYP2C19",
            "CYP2C9",
            "CYP2B6",
            "CYP3A4",
            "CYP3A5",
            "UGT1A1",
            "CYP1A2",
        }:
            continue
        if row["allele"] == "*68x2":  # two copies of an allele without function: the sum rule says 0
            continue
        function, value = allele_function(row["gene"], row["allele"])
        assert ("" if value is None else str(value)) == row["activity_value"], row
        if not row["function"].startswith("("):
            assert str(function).lower() == row["function"].lower(), row


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0, "Poor"),
        (0.25, "Intermediate"),
        (1, "Intermediate"),
        (1.25, "Normal"),
        (2.25, "Normal"),
        (2.5, "Ultrarapid"),
    ],
)
def test_cyp2d6_thresholds(score: float, expected: str) -> None:
    assert score_phenotype("CYP2D6", ActivityScore(score)) == f"{expected} Metabolizer"


def test_a_lower_bound_is_a_phenotype_only_when_all_above_agree() -> None:
    assert score_phenotype("CYP2D6", ActivityScore(3, at_least=True)) is Phenotype.ULTRARAPID
    assert score_phenotype("CYP2D6", ActivityScore(1.5, at_least=True)) is Phenotype.INDETERMINATE


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("*1x2", "*1x2"), ("*36+*10", "*36+*10"), ("[*36 + *10]", "*36+*10"), ("*4.024", "*4"),
        ("*1x>=3", "*1x≥3"),
        ("*1x≥3", "*1x≥3"), ("*2xN", "*2x≥2"), ("*13 + *68x2 + *4", "*13+*68x2+*4"), (" *41 ", "*41"),
    ],
)  # fmt: skip
def test_outside_notation(written: str, read: str) -> None:
    assert str(parse_copy(written)) == read


@pytest.mark.parametrize("text", ["4", "**4", "*4x", "*4x0", "*4x99", "*1/*4", "*1+", "", "drop table", "*1 *4"])
def test_malformed_alleles_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        parse_copy(text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    for gene in ("CYP2D6", "HLA-B", "UGT1A1"):
        try:
            read = parse_diplotype(gene, text)
        except ValidationError:
            continue
        assert read.gene == gene
        assert all(r.gene == gene for r in results(read))


@pytest.mark.parametrize("text", ["", "?", "unknown", "Unknown/Unknown", "?/?", "no call"])
def test_both_alleles_unknown_stays_unknown(text: str) -> None:
    diplotype = parse_diplotype("CYP2D6", text)
    assert diplotype.name == "not called"
    assert results(diplotype) == ()
    assert phenotype("CYP2D6", text).phenotype is Phenotype.INDETERMINATE


def test_an_unknown_allele_is_indeterminate_never_reference() -> None:
    reading = phenotype("CYP2D6", "*1/*999")
    assert reading.phenotype is Phenotype.INDETERMINATE
    assert reading.activity_score is None


def test_reported_phenotypes_scores_and_hla() -> None:
    assert phenotype("CYP2C19", "poor metaboliser").phenotype is Phenotype.POOR
    assert phenotype("CYP2D6", ">=3").phenotype is Phenotype.ULTRARAPID
    assert phenotype("CYP2D6", "0").phenotype is Phenotype.POOR
    assert len(phenotype("CYP2D6", "Intermediate Metabolizer").alternatives) == 4
    assert genotype({"HLA-B": "*15:02 positive"})["HLA-B"].markers == {"*15:02": True}
    assert genotype({"HLA-B": "HLA-B*15:02:01/*40:01"})["HLA-B"].markers == {
        "*15:02": True,
        "*40:01": True,
        "*15:11": False,
    }
    with pytest.raises(ValidationError):
        genotype({"HLA-B": "positive"})


def test_order_of_alleles_does_not_matter() -> None:
    for gene, a, b in [("CYP2D6", "*1x2", "*4"), ("CYP2D6", "*36+*10", "*41"), ("CYP2C19", "*17", "*2")]:
        one, other = phenotype(gene, f"{a}/{b}"), phenotype(gene, f"{b}/{a}")
        assert (one.phenotype, one.activity_score, one.diplotype) == (
            other.phenotype,
            other.activity_score,
            other.diplotype,
        )


@pytest.mark.parametrize("gene", ["CYP2C19", "CYP2B6", "CYP3A4"])
def test_a_better_allele_never_lowers_activity(gene: str) -> None:
    standing = {Function.NO: "*4", Function.DECREASED: "*9", Function.NORMAL: "*1", Function.INCREASED: "*17"}
    if gene == "CYP2B6":
        standing = {
            Function.NO: "*18",
            Function.DECREASED: "*6",
            Function.NORMAL: "*1",
            Function.INCREASED: "*4",
        }
    if gene == "CYP3A4":
        standing = {Function.NO: "*6", Function.DECREASED: "*22", Function.NORMAL: "*1"}
    ordered = [f for f in RANK if f in standing]
    for other in ordered:
        activity = [call_phenotype(gene, DiplotypeCall(standing[f], standing[other])).activity for f in ordered]
        assert all(a is not None for a in activity)
        assert all(a <= b for a, b in itertools.pairwise(activity))  # type: ignore[operator]


def test_ambiguity_is_carried() -> None:
    reading = phenotype("CYP2D6", "*1/*1 or *4/*4")
    assert reading.phenotype is Phenotype.INDETERMINATE
    assert {str(r.activity_score) for r in reading.alternatives} == {"2.0", "0.0"}


def test_copy_number_from_depth() -> None:
    assert copies_from_depth(30, 30, relative_sd=0.05) == 2
    assert copies_from_depth(45, 30, relative_sd=0.05) == 3
    assert copies_from_depth(15, 30, relative_sd=0.05) == 1
    assert copies_from_depth(37.5, 30, relative_sd=0.05) is None
    with pytest.raises(ValidationError):
        copies_from_depth(10, 0)


def test_copies_say_which_diplotypes_remain() -> None:
    het = Diplotype("CYP2D6", (DiplotypeCall("*1", "*4"),))
    assert [c.name for c in apply_copies(het, 3).calls] == ["*1/*4x2", "*1x2/*4"]
    assert {str(r.activity_score) for r in results(apply_copies(het, 3))} == {"1.0", "2.0"}
    hom = Diplotype("CYP2D6", (DiplotypeCall("*4", "*4"),))
    assert [c.name for c in apply_copies(hom, 1).calls] == ["*4/*5"]
    assert apply_copies(hom, 0).name == "*5/*5"
    with pytest.raises(ValidationError, match="contradicts"):
        apply_copies(het, 1)


@pytest.mark.parametrize(
    ("gene", "text", "expected", "score"),
    [
        ("CYP2D6", "*1x3/*4", "Ultrarapid Metabolizer", 3.0),
        ("CYP2D6", "*36+*10/*10", "Intermediate Metabolizer", 0.5),
        ("CYP2D6", "*10x>=3/*4", "Indeterminate", 0.75),
        ("CYP2D6", "*4x>=2/*4", "Poor Metabolizer", 0.0),
        ("CYP2C19", "*17/*17", "Ultrarapid Metabolizer", None),
        ("CYP2C19", "*2/*17", "Intermediate Metabolizer", None),
        ("CYP2C19", "*9/*9", "Likely Intermediate Metabolizer", None),
        ("CYP2C9", "*2/*3", "Poor Metabolizer", 0.5),
        ("CYP2C9", "*1/*3", "Intermediate Metabolizer", 1.0),
        ("CYP2B6", "*6/*18", "Poor Metabolizer", None),
        ("CYP2B6", "*4/*18", "Intermediate Metabolizer", None),
        ("cyp2d6", "*4/*4", "Poor Metabolizer", 0.0),
        ("CYP2D6", "*1/?", "Indeterminate", None),
        ("CYP2C19", "unknown/*1", "Indeterminate", None),
        ("CYP3A5", "*1/unknown", "Indeterminate", None),
        ("CYP3A5", "*1/*999", "Indeterminate", None),
    ],
)
def test_guideline_rules_by_hand(gene: str, text: str, expected: str, score: float | None) -> None:
    reading = phenotype(gene, text)
    assert str(reading.phenotype) == expected
    assert (None if reading.activity_score is None else float(reading.activity_score)) == score


def test_contradictory_results_are_refused() -> None:
    with pytest.raises(ValidationError, match="positive and as negative"):
        genotype({"HLA-B": "*15:02 positive, *15:02 negative"})
    with pytest.raises(ValidationError, match="given twice"):
        genotype({"CYP2D6": "*1/*1", "cyp2d6 ": "*4/*4"})
