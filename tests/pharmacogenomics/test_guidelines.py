"""Recommendations against CPIC, DPWG and the FDA table, row by row."""

import re
from collections.abc import Callable, Iterator

import pytest

from novamind.pharmacogenomics import guidelines
from novamind.pharmacogenomics.domain import Action, ActivityScore, DiplotypeCall, GeneResult, Phenotype
from novamind.pharmacogenomics.notation import parse_diplotype, parse_score
from novamind.pharmacogenomics.phenotypes import (
    SCORED_GENES,
    call_phenotype,
    phenotype_result,
    results,
    score_result,
)

Rows = Callable[..., Iterator[dict[str, str]]]

# Rows where we differ on purpose; docs/pharmacogenomics.md argues each.
ARGUED = {("DPWG", "carbamazepine", "1511 and 1502"), ("DPWG", "imipramine", "≥4.0")}


def reading(gene: str, text: str) -> GeneResult | None:
    """A reference table's result as a gene result."""
    if text == "No Result":
        return None
    if gene.startswith("HLA"):
        markers = re.findall(r"(\*[\d:]+) (positive|negative)", text)
        return GeneResult(gene, None, markers=tuple((a, state == "positive") for a, state in markers))
    if gene in SCORED_GENES and text == "n/a":
        return score_result(gene, None)
    if gene in SCORED_GENES and (score := parse_score(text)) is not None:
        return score_result(gene, score)
    if text.startswith("*"):
        return call_phenotype(gene, DiplotypeCall(*text.split("/")))
    return phenotype_result(gene, Phenotype(text))


def test_every_cpic_and_dpwg_row(table: Rows) -> None:
    differing = set()
    rows = 0
    for row in table("recommendations_cpic_dpwg.csv"):
        rows += 1
        if (row["source"], row["drug"], row["result1"]) in ARGUED:
            differing.add((row["source"], row["drug"], row["result1"]))
            continue
        tested = {
            g: r
            for g, t in ((row["gene1"], row["result1"]), (row["gene2"], row["result2"]))
            if g and (r := reading(g, t))
        }
        genes = {row["gene1"], row["gene2"]} - {""}
        advice = [
            a for a in guidelines.lookup(row["drug"], tested)
            if (a.source, a.population, set(a.genes)) == (row["source"], row["population"], genes)
        ]  # fmt: skip
        assert len(advice) == 1, row
        said = advice[0]
        assert (said.action, said.dose_factor, said.strength) == (
            row["action"],
            row["dose_factor"],
            row["strength"],
        ), row
        assert (said.dose_basis, said.guideline_id) == (row["dose_basis"], row["guideline_id"]), row
        assert bool(said.dose_limit) == bool(row["max_dose"]), row
        assert ("levels" in said.monitoring, "essential" in said.monitoring) == (
            row["tdm"] != "",
            row["tdm"] == "strong",
        )
        assert ("clinical" in said.monitoring) == (row["clinical_monitoring"] == "yes")
    assert rows == 1683
    assert differing == ARGUED


def test_every_fda_row(table: Rows) -> None:
    for row in table("recommendations_fda_table.csv"):
        group = row["affected_subgroup"]
        if "allele" in group:
            subjects = [GeneResult(row["gene"], None, markers=((group.split()[0], True),))]
        else:
            named = [p for p in ("ultrarapid", "intermediate", "poor") if p in group]
            subjects = [results(parse_diplotype(row["gene"], p))[0] for p in named]
        for subject in subjects:
            said = [a for a in guidelines.lookup(row["drug"], {row["gene"]: subject}) if a.source == "FDA"]
            # The reference reads severe skin reactions as information; the FDA's text and the label ask to weigh them.
            argued = (row["drug"], row["gene"]) == ("oxcarbazepine", "HLA-B")
            assert [a.action for a in said] == ["WEIGH_RISK_BENEFIT" if argued else row["action"]], row


@pytest.mark.parametrize("drug", ["fluoxetine", "duloxetine", "bupropion", "lithium", "valproate"])
def test_without_a_guideline_the_answer_says_so(drug: str) -> None:
    poor = {g: reading(g, t) for g, t in (("CYP2D6", "0.0"), ("CYP2C19", "Poor Metabolizer"))}
    advice = guidelines.lookup(drug, {g: r for g, r in poor.items() if r})
    assert advice == ()
    assert guidelines.standing(drug, advice, poor).startswith("No row of CPIC, DPWG or the FDA table")
    assert "does not say that none exists" in guidelines.standing(drug, advice, poor)


@pytest.mark.parametrize(
    ("drug", "score", "actions"),
    [
        ("codeine", "0.0", {"CPIC": "AVOID", "DPWG": "AVOID_USE_ALTERNATIVE", "FDA": "INFORMATION_ONLY"}),
        ("codeine", "1.0", {"CPIC": "STANDARD_DOSE", "DPWG": "MONITOR"}),
        ("codeine", "2.0", {"CPIC": "STANDARD_DOSE"}),
        ("codeine", "3.0", {"CPIC": "AVOID", "DPWG": "CONTRAINDICATED", "FDA": "AVOID"}),
        ("tramadol", "0.0", {"CPIC": "AVOID", "DPWG": "MONITOR", "FDA": "INFORMATION_ONLY"}),
        ("tramadol", "3.0", {"CPIC": "AVOID", "DPWG": "AVOID_OR_ADJUST_DOSE", "FDA": "AVOID"}),
        ("metoprolol", "0.0", {"CPIC": "LOWEST_START", "DPWG": "ADJUST_DOSE", "FDA": "INFORMATION_ONLY"}),
        ("tamoxifen", "0.0", {"CPIC": "AVOID_USE_ALTERNATIVE"}),
        ("tamoxifen", "0.5", {"CPIC": "CONSIDER_ALTERNATIVE"}),
        ("ondansetron", "3.0", {"CPIC": "AVOID_USE_ALTERNATIVE"}),
    ],
)
def test_guidelines_of_drugs_beside_psychiatry(drug: str, score: str, actions: dict[str, str]) -> None:
    """Rows that were typed from general knowledge, entered a second time."""
    said = guidelines.lookup(drug, {"CYP2D6": results(parse_diplotype("CYP2D6", score))[0]})
    assert {a.source: str(a.action) for a in said} == actions
    assert {a.reference.evidence for a in said} == {"unverified"}


def test_an_untested_gene_is_named() -> None:
    assert "HLA-B" in guidelines.standing("lamotrigine", (), ())


def test_conflicts_stand_side_by_side() -> None:
    advice = guidelines.lookup("paroxetine", {"CYP2D6": score_result("CYP2D6", ActivityScore(0))})
    assert {(a.source, a.action) for a in advice} == {
        ("CPIC", Action.ADJUST_DOSE), ("DPWG", Action.NO_ACTION), ("FDA", Action.INFORMATION_ONLY),
    }  # fmt: skip


def test_dpwg_keeps_its_own_cut_off() -> None:
    at = {"CYP2D6": score_result("CYP2D6", ActivityScore(2.5))}
    actions = {a.source: a.action for a in guidelines.lookup("nortriptyline", at)}
    assert actions["CPIC"] is Action.AVOID_OR_ADJUST_DOSE
    assert actions["DPWG"] is Action.NO_RECOMMENDATION


@pytest.mark.parametrize(("score", "factor"), [(0.125, "-25%"), (0.625, "-25%"), (1.125, "-25%"), (0.0, "-50%")])
def test_halved_scores_find_their_rule(score: float, factor: str) -> None:
    advice = guidelines.lookup("nortriptyline", {"CYP2D6": score_result("CYP2D6", ActivityScore(score))})
    assert advice[0].dose_factor == factor


def test_equal_advice_over_ambiguous_readings_is_given_once() -> None:
    readings = [score_result("CYP2D6", ActivityScore(s)) for s in (0.25, 0.5, 2.0)]
    cpic = [a for a in guidelines.advise("paroxetine", {"CYP2D6": readings}) if a.source == "CPIC"]
    assert [a.action for a in cpic] == [Action.LOWER_START_SLOW_TITRATION, Action.STANDARD_DOSE]
    assert len(cpic[0].when) == 2


def test_every_sentence_has_a_source_and_no_hole() -> None:
    for drug in guidelines.covered_drugs():
        for rule in guidelines.rules(drug):
            assert rule.advice.url.startswith("https://")
            assert "{" not in rule.advice.text
            assert rule.advice.text.endswith(".")
