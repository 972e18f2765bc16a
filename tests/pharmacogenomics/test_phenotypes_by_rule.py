"""phenotypes.py from its rules: each pair of functions, each score on both sides of its limit, each form of result."""

import itertools

import pytest

from novamind.pharmacogenomics.domain import (
    ActivityScore,
    AlleleCopy,
    Diplotype,
    DiplotypeCall,
    Function,
    GeneResult,
    Phenotype,
)
from novamind.pharmacogenomics.phenotypes import (
    RULE_SOURCES,
    allele_function,
    call_phenotype,
    known_genes,
    phenotype,
    phenotype_result,
    results,
    score_phenotype,
    score_result,
    unknown_alleles,
)
from tests.golden import check_golden

P = Phenotype

# An allele of each function, with which the rules of pairs are read.
ALLELES = {
    "CYP2C19": {"no": "*2", "decreased": "*9", "normal": "*1", "increased": "*17"},
    "CYP2B6": {"no": "*18", "decreased": "*6", "normal": "*1", "increased": "*4"},
    "CYP3A4": {"no": "*20", "decreased": "*22", "normal": "*1"},
    "CYP3A5": {"no": "*3", "normal": "*1", "unknown": "*8"},
    "UGT1A1": {"decreased": "*28", "normal": "*1", "increased": "*36"},
}
# CPIC's translation tables, pair by pair in alphabetical order of the functions; a dash is indeterminate.
PAIRS = """
CYP2C19 decreased decreased LIM | decreased increased LIM | decreased no LPM | decreased normal LIM
CYP2C19 increased increased UM | increased no IM | increased normal RM | no no PM | no normal IM | normal normal NM
CYP2B6 decreased decreased PM | decreased increased IM | decreased no PM | decreased normal IM | increased increased UM
CYP2B6 increased no IM | increased normal RM | no no PM | no normal IM | normal normal NM
CYP3A4 decreased decreased PM | decreased no PM | decreased normal IM | no no PM | no normal IM | normal normal NM
CYP3A5 no no PM | no normal IM | normal normal NM | normal unknown PIM | no unknown - | unknown unknown -
UGT1A1 decreased decreased PM | decreased increased IM | decreased normal IM | increased increased NM
UGT1A1 increased normal NM | normal normal NM
"""
NAMES = {
    "PM": P.POOR, "LPM": P.LIKELY_POOR, "IM": P.INTERMEDIATE, "LIM": P.LIKELY_INTERMEDIATE, "NM": P.NORMAL,
    "RM": P.RAPID, "UM": P.ULTRARAPID, "PIM": P.POSSIBLE_INTERMEDIATE, "-": P.INDETERMINATE,
}  # fmt: skip
RULES = [
    (line.split()[0], *rule.split())
    for line in PAIRS.strip().splitlines()
    for rule in line.partition(" ")[2].split("|")
]


@pytest.mark.parametrize(("gene", "first", "second", "name"), RULES)
def test_a_pair_of_functions_has_its_phenotype(gene: str, first: str, second: str, name: str) -> None:
    for a, b in ((first, second), (second, first)):
        assert call_phenotype(gene, DiplotypeCall(ALLELES[gene][a], ALLELES[gene][b])).phenotype is NAMES[name]


def test_every_pair_is_in_the_list_above() -> None:
    for gene, alleles in ALLELES.items():
        expected = {frozenset(pair) for pair in itertools.combinations_with_replacement(alleles, 2)}
        assert {frozenset(rule[1:3]) for rule in RULES if rule[0] == gene} == expected


# Share of a normal allele's activity: none, half, one; *17 1.3 (fitted), CYP3A4*22 0.6 (Wang 2011).
SHARES = {
    "CYP2C19": {"no": 0.0, "decreased": 0.5, "normal": 1.0, "increased": 1.3},
    "CYP2B6": {"no": 0.0, "decreased": 0.3, "normal": 1.0, "increased": 1.3},
    "CYP3A4": {"no": 0.0, "decreased": 0.6, "normal": 1.0},
}


@pytest.mark.parametrize(("gene", "first", "second", "_name"), RULES)
def test_activity_is_the_mean_of_two_alleles(gene: str, first: str, second: str, _name: str) -> None:
    found = call_phenotype(gene, DiplotypeCall(ALLELES[gene][first], ALLELES[gene][second]))
    shares = SHARES.get(gene)
    assert found.activity == (None if shares is None else pytest.approx((shares[first] + shares[second]) / 2))
    assert found.activity_score is None
    assert found.diplotype == f"{ALLELES[gene][first]}/{ALLELES[gene][second]}"


@pytest.mark.parametrize(
    ("gene", "score", "expected"),
    [
        ("CYP2D6", 0, P.POOR), ("CYP2D6", 0.01, P.INTERMEDIATE), ("CYP2D6", 1.24, P.INTERMEDIATE),
        ("CYP2D6", 1.25, P.NORMAL), ("CYP2D6", 2.25, P.NORMAL), ("CYP2D6", 2.26, P.ULTRARAPID),
        ("CYP2D6", 9.0, P.ULTRARAPID), ("CYP2D6", float("inf"), P.ULTRARAPID),
        ("CYP2C9", 0, P.POOR), ("CYP2C9", 0.99, P.POOR), ("CYP2C9", 1, P.INTERMEDIATE),
        ("CYP2C9", 1.99, P.INTERMEDIATE),
        ("CYP2C9", 2, P.NORMAL), ("CYP2C9", 3, P.NORMAL), ("CYP2C9", float("inf"), P.NORMAL),
    ],
)  # fmt: skip
def test_a_score_on_both_sides_of_its_limit(gene: str, score: float, expected: P) -> None:
    assert score_phenotype(gene, ActivityScore(score)) is expected
    bound = score_phenotype(gene, ActivityScore(score, at_least=True))
    top = {"CYP2D6": P.ULTRARAPID, "CYP2C9": P.NORMAL}[gene]
    assert bound is (expected if score == 0 or expected is top else P.INDETERMINATE)


def test_without_a_score_nothing_is_known() -> None:
    assert score_phenotype("CYP2D6", None) is P.INDETERMINATE
    assert score_result("CYP2D6", None) == GeneResult("CYP2D6", P.INDETERMINATE, None, None, None)
    assert score_result("CYP2D6", ActivityScore(0.5), "*4/*17") == GeneResult(
        "CYP2D6", P.INTERMEDIATE, ActivityScore(0.5), "*4/*17", 0.25
    )


@pytest.mark.parametrize(
    ("gene", "allele", "function", "value"),
    [
        ("CYP2D6", "*1", Function.NORMAL, 1.0), ("CYP2D6", "*4", Function.NO, 0.0),
        ("CYP2D6", "*41", Function.DECREASED, 0.25),
        ("CYP2D6", "*1x2", Function.INCREASED, 2.0), ("CYP2D6", "*17x2", Function.NORMAL, 1.0),
        ("CYP2D6", "*10x3", Function.DECREASED, 0.75), ("CYP2D6", "*17x3", Function.INCREASED, 1.5),
        ("CYP2D6", "*4x2", Function.NO, 0.0), ("CYP2D6", "*36+*10", Function.DECREASED, 0.25),
        ("CYP2D6", "*22", Function.UNCERTAIN, None), ("CYP2D6", "*22x2", Function.UNCERTAIN, None),
        ("CYP2D6", "*22+*4", Function.UNKNOWN, None), ("CYP2D6", "*999", Function.UNKNOWN, None),
        ("CYP2D6", "*1+*999", Function.UNKNOWN, None), ("CYP2D6", "unknown", Function.UNKNOWN, None),
        ("CYP2C19", "*17", Function.INCREASED, None), ("CYP2C19", "*2x2", Function.NO, None),
        ("CYP9Z9", "*1", Function.UNKNOWN, None),
    ],
)  # fmt: skip
def test_copies_multiply_and_tandems_add_up(gene: str, allele: str, function: Function, value: float | None) -> None:
    assert allele_function(gene, allele) == (function, value)


def test_a_lower_bound_of_copies_stays_one() -> None:
    _, value = allele_function("CYP2D6", "*1x≥3")
    assert str(value) == "≥3.0"
    assert allele_function("CYP2D6", AlleleCopy((("*1", 2),), at_least=True))[1] == ActivityScore(2.0, at_least=True)
    for a, b in (("*1xN", "*4"), ("*4", "*1xN")):
        assert str(call_phenotype("CYP2D6", DiplotypeCall(a, b)).activity_score) == "≥2.0"
    assert str(call_phenotype("CYP2D6", DiplotypeCall("*1x3", "*4")).activity_score) == "3.0"


@pytest.mark.parametrize(
    ("gene", "calls", "unknown"),
    [
        ("CYP2D6", [("*1", "*4")], ()), ("CYP2D6", [("*1", "*999")], ("*999",)),
        ("CYP2D6", [("*999", "*999"), ("*998", "*1")], ("*999", "*998")),
        ("CYP2D6", [("*1x2", "unknown")], ("unknown",)),
        ("CYP2D6", [("*36+*10", "*4+*999")], ("*4+*999",)), ("UGT1A1", [("*80+*28", "*1")], ()),
        ("SLC6A4", [("Reference", "rs25531")], ()), ("CYP9Z9", [("*1", "*1")], ("*1",)),
    ],
)  # fmt: skip
def test_alleles_that_no_table_lists(gene: str, calls: list[tuple[str, str]], unknown: tuple[str, ...]) -> None:
    assert unknown_alleles(Diplotype(gene, tuple(DiplotypeCall(*c) for c in calls))) == unknown


def test_an_unlisted_allele_is_indeterminate_even_where_unknown_function_has_a_rule() -> None:
    assert call_phenotype("CYP3A5", DiplotypeCall("*1", "*8")).phenotype is P.POSSIBLE_INTERMEDIATE
    assert call_phenotype("CYP3A5", DiplotypeCall("*1", "*999")).phenotype is P.INDETERMINATE


@pytest.mark.parametrize("gene", ["CYP1A2", "SLC6A4", "HTR2A", "CYP9Z9"])
def test_a_gene_without_rules_has_no_phenotype(gene: str) -> None:
    found = call_phenotype(gene, DiplotypeCall("*1", "*1"))
    assert found == GeneResult(gene, None, diplotype="*1/*1")
    assert phenotype(gene, "*1/*1" if gene != "SLC6A4" else "Reference/Reference").source is None


def test_known_genes() -> None:
    assert known_genes() == {
        "CYP2D6", "CYP2C19", "CYP2C9", "CYP2B6", "CYP3A4", "CYP3A5", "UGT1A1", "CYP1A2", "SLC6A4", "HTR2A",
        "HLA-A", "HLA-B",
    }  # fmt: skip
    assert set(RULE_SOURCES) == {"CYP2D6", "CYP2C9", *ALLELES}


# Scores that a reported phenotype can stand for: all sums of CPIC's allele values within its limits.
@pytest.mark.parametrize(
    ("gene", "name", "scores"),
    [
        ("CYP2D6", "poor", [0]), ("CYP2D6", "intermediate", [0.25, 0.5, 0.75, 1]),
        ("CYP2D6", "normal", [1.25, 1.5, 1.75, 2, 2.25]), ("CYP2D6", "ultrarapid", [2.5, 2.75, 3, 4]),
        ("CYP2C9", "poor", [0, 0.5]), ("CYP2C9", "intermediate", [1, 1.5]), ("CYP2C9", "normal", [2]),
    ],
)  # fmt: skip
def test_a_reported_phenotype_stands_for_its_scores(gene: str, name: str, scores: list[float]) -> None:
    read = phenotype(gene, name).alternatives
    assert [r.activity_score for r in read] == scores
    assert [r.activity for r in read] == [s / 2 for s in scores]
    assert {str(r.phenotype) for r in read} == {f"{name.capitalize()} Metabolizer"}


def test_a_reported_phenotype_that_has_no_score() -> None:
    assert phenotype("CYP2D6", "indeterminate").alternatives == (GeneResult("CYP2D6", P.INDETERMINATE),)
    expected = {
        "CYP2C19": {
            "poor": 0, "likely poor": 0.25, "intermediate": 0.5, "likely intermediate": 0.75, "normal": 1,
            "rapid": 1.15, "ultrarapid": 1.3,
        },
        "CYP2B6": {"poor": 0.3, "intermediate": 0.65, "normal": 1, "rapid": 1.15, "ultrarapid": 1.3},  # as with *6
        "CYP3A4": {"poor": 0.5, "intermediate": 0.8, "normal": 1},  # as with *22
    }  # fmt: skip
    for gene, of in expected.items():
        for name, activity in of.items():
            assert phenotype(gene, name).alternatives[0].activity == activity
    assert phenotype_result("CYP2C19", P.INDETERMINATE).activity is None
    assert phenotype_result("CYP3A5", P.POOR).activity is None


def test_readings_that_guidelines_cannot_tell_apart_are_one() -> None:
    assert len(phenotype("CYP2D6", "*1/*4 or *2/*4").alternatives) == 1
    assert [r.diplotype for r in phenotype("CYP2D6", "*1/*4 or *2/*4").alternatives] == ["*1/*4"]
    assert len(phenotype("CYP2D6", "*1/*4 or *17/*17").alternatives) == 1  # another way to a score of 1
    assert len(phenotype("CYP2D6", "*1/*4 or *1/*1").alternatives) == 2
    assert len(phenotype("CYP2C9", "*1/*2 or *1/*5").alternatives) == 2  # DPWG looks CYP2C9 up by its diplotype
    assert len(phenotype("CYP2C19", "*1/*17 or *38/*17").alternatives) == 1
    assert len(phenotype("CYP2C19", "*1/*2 or *2/*17").alternatives) == 2  # one phenotype, two activities


def test_agreement_is_needed_for_one_answer() -> None:
    same = phenotype("CYP2C19", "*1/*2 or *2/*17")
    assert (same.phenotype, same.activity_score) == (P.INTERMEDIATE, None)
    scores = phenotype("CYP2D6", "*1/*4 or *10/*10")
    assert (scores.phenotype, scores.activity_score) == (P.INTERMEDIATE, None)
    apart = phenotype("CYP2D6", "*1/*1 or *4/*4")
    assert (apart.phenotype, apart.activity_score) == (P.INDETERMINATE, None)
    assert phenotype("CYP2D6", "?").phenotype is P.INDETERMINATE
    assert repr(phenotype("CYP2D6", "*1/*4")) == "CYP2D6 *1/*4: Intermediate Metabolizer, activity score 1.0"
    assert repr(phenotype("CYP2C19", "*1/*1")) == "CYP2C19 *1/*1: Normal Metabolizer"
    assert phenotype("cyp2d6", "*1/*4").gene == "CYP2D6"
    source = phenotype("CYP2D6", "*1/*4").source
    assert source is not None
    assert source.id == "caudle-2020"


def test_what_a_call_rests_on_goes_with_every_reading() -> None:
    calls = (DiplotypeCall("*1", "*1"), DiplotypeCall("*1", "*4"))
    assert [r.provisional for r in results(Diplotype("CYP2D6", calls))] == [True, True]
    assert [r.provisional for r in results(Diplotype("CYP2D6", calls, origin="outside"))] == [False, False]
    markers = results(Diplotype("HLA-B", markers={"*15:11": True, "*15:02": False}))
    assert markers == (GeneResult("HLA-B", None, markers=(("*15:02", False), ("*15:11", True))),)
    assert results(Diplotype("CYP2D6")) == ()


def test_every_gene_and_function_as_it_is() -> None:
    """A picture of the whole table: one line a gene and pair of alleles that stand for the functions."""
    lines = []
    for gene, alleles in ALLELES.items():
        for a, b in itertools.combinations_with_replacement(alleles.values(), 2):
            r = call_phenotype(gene, DiplotypeCall(a, b))
            lines.append(f"{gene} {a}/{b} {r.phenotype} {r.activity}")
    for a, b in itertools.combinations_with_replacement(
        ("*1", "*4", "*10", "*17", "*22", "*1xN", "*2x2", "*36+*10"), 2
    ):
        r = call_phenotype("CYP2D6", DiplotypeCall(a, b))
        lines.append(f"CYP2D6 {a}/{b} {r.label} {r.activity}")
    check_golden(__file__, "pairs", lines)
