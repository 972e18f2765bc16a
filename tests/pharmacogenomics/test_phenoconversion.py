"""Co-medication against the classes read at their sources, and what must always hold."""

import itertools

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from novamind.drugs.enzymes import all_modulators, modulators
from novamind.pharmacogenomics.domain import ActivityScore, DiplotypeCall, GeneResult, Phenotype
from novamind.pharmacogenomics.phenoconversion import convert
from novamind.pharmacogenomics.phenotypes import call_phenotype, phenotype_result, score_result

NM, IM, PM, UM, RM = (
    Phenotype.NORMAL, Phenotype.INTERMEDIATE, Phenotype.POOR, Phenotype.ULTRARAPID, Phenotype.RAPID,
)  # fmt: skip

# CPIC (PMID 33387367): score x 0 with a strong, x 0.5 with a moderate inhibitor. Classes: FDA, as printed in
# PMC7292748 and in PharMe's list. (drug, diplotype, score after, phenotype after)
CYP2D6_CASES = [
    *((drug, d, 0.0, PM) for drug in ("bupropion", "fluoxetine", "paroxetine", "quinidine", "terbinafine")
      for d in ("*1/*1", "*1/*4", "*1x2/*1", "*10/*41")),
    *((drug, d, s, p) for drug in ("duloxetine", "cinacalcet", "mirabegron", "fluvoxamine")
      for d, s, p in (("*1/*1", 1.0, IM), ("*1/*4", 0.5, IM), ("*4/*4", 0.0, PM), ("*1x3/*1", 2.0, NM))),
    *((drug, d, s, p) for drug in ("sertraline", "escitalopram", "celecoxib", "desvenlafaxine", "ritonavir")
      for d, s, p in (("*1/*1", 2.0, NM), ("*1/*4", 1.0, IM))),
]  # fmt: skip
# The same convention on other enzymes. (drug, enzyme, before, after)
OTHER_CASES = [
    ("fluvoxamine", "CYP2C19", NM, PM), ("fluvoxamine", "CYP2C19", UM, PM),
    ("fluvoxamine", "CYP2C19", IM, PM),
    ("clarithromycin", "CYP3A4", NM, PM), ("ketoconazole", "CYP3A4", IM, PM),
    ("verapamil", "CYP3A4", NM, IM), ("diltiazem", "CYP3A4", IM, PM), ("cimetidine", "CYP3A4", NM, NM),
    ("carbamazepine", "CYP3A4", NM, NM), ("carbamazepine", "CYP3A4", PM, PM),
]  # fmt: skip


def cyp2d6(diplotype: str) -> GeneResult:
    return call_phenotype("CYP2D6", DiplotypeCall(*diplotype.split("/")))


def test_there_are_more_than_forty_cases() -> None:
    assert len(CYP2D6_CASES) + len(OTHER_CASES) >= 40


@pytest.mark.parametrize(("drug", "diplotype", "score", "phenotype"), CYP2D6_CASES)
def test_cyp2d6(drug: str, diplotype: str, score: float, phenotype: Phenotype) -> None:
    change = convert(cyp2d6(diplotype), (drug,))
    assert float(change.after.activity_score or 0) == score
    assert change.after.phenotype is phenotype
    assert change.before == cyp2d6(diplotype)
    assert change.reasons
    assert change.sources


@pytest.mark.parametrize(("drug", "enzyme", "before", "after"), OTHER_CASES)
def test_other_enzymes(drug: str, enzyme: str, before: Phenotype, after: Phenotype) -> None:
    change = convert(phenotype_result(enzyme, before), (drug,))
    assert change.after.phenotype is after
    if before is not after:
        assert any("no guideline" in reason for reason in change.reasons)


def test_a_drug_does_not_convert_its_own_look_up() -> None:
    assert not convert(cyp2d6("*1/*1"), ("paroxetine",), but="paroxetine").converted
    assert convert(cyp2d6("*1/*1"), ("paroxetine", "duloxetine"), but="paroxetine").after.activity_score == 1.0


def test_full_inhibition_settles_an_unknown_genotype_partial_does_not() -> None:
    unknown = score_result("CYP2D6", None)
    assert convert(unknown, ("paroxetine",)).after.phenotype is PM
    assert convert(unknown, ("duloxetine",)).after.phenotype is Phenotype.INDETERMINATE


def test_unchecked_classes_change_nothing() -> None:
    unchecked = [m for of in all_modulators().values() for m in of if not m.checked]
    assert unchecked
    for m in unchecked:
        alone = [other for other in modulators(m.drug) if other.enzyme == m.enzyme]
        if not any(other.checked for other in alone):
            assert not convert(phenotype_result(m.enzyme, NM), (m.drug,)).converted


def test_intervals_hold_the_point_and_widen_with_a_modulator() -> None:
    for drug in ("paroxetine", "duloxetine", "sertraline"):
        after = convert(cyp2d6("*1/*1"), (drug,)).after
        assert after.activity is not None
        assert after.activity_low is not None
        assert after.activity_high is not None
        assert after.activity_low <= after.activity <= after.activity_high
        assert after.activity_low < after.activity_high


def test_the_look_up_takes_the_guidelines_factor_and_exposure_what_was_measured() -> None:
    change = convert(cyp2d6("*1/*4"), ("paroxetine",))
    assert change.after.activity_score == 0
    assert change.after.genetic_activity == 0.5
    assert 0 < (change.after.activity or 0.0) < 0.5 * 0.05
    assert "storelli-2019" in {source.id for source in change.sources}
    # Without a published ratio of its own a strong inhibitor leaves a twentieth.
    assert convert(cyp2d6("*1/*4"), ("quinidine",)).after.activity == pytest.approx(0.5 * 0.05)


GENES = ("CYP2D6", "CYP2C19", "CYP3A4", "CYP1A2")
ACTING = {
    g: sorted(d for d, of in all_modulators().items() if any(m.enzyme == g and m.applied for m in of)) for g in GENES
}
INHIBITING = {
    g: [d for d in ACTING[g] if any(m.enzyme == g and m.effect == "inhibitor" for m in modulators(d))] for g in GENES
}


@st.composite
def lists(draw: st.DrawFn) -> tuple[str, list[str], str, int]:
    """What acts on one gene, one more of its inhibitors, and how good the genotype is."""
    gene = draw(st.sampled_from(GENES))
    return (
        gene,
        draw(st.lists(st.sampled_from(ACTING[gene]), max_size=2)),
        draw(st.sampled_from(INHIBITING[gene])),
        draw(st.sampled_from([3, 2, 1, 4, 0])),
    )


@given(lists())
@settings(max_examples=100, deadline=None)
def test_adding_an_inhibitor_never_raises_activity(drawn: tuple[str, list[str], str, int]) -> None:
    gene, taken, more, good = drawn
    reading = (
        score_result(gene, ActivityScore([0.0, 0.25, 1.0, 2.0, 3.0][good]))
        if gene == "CYP2D6"
        else GeneResult(gene, [PM, IM, NM, RM, UM][good], activity=[0.0, 0.5, 1.0, 1.15, 1.3][good])
    )
    before, after = (convert(reading, tuple(of)).after for of in (taken, [*taken, more]))
    assert before.activity is not None
    assert after.activity is not None
    event("lower" if after.activity < before.activity else "as low as it was")
    assert after.activity <= before.activity
    assert (after.activity_score or 0) <= (before.activity_score or 0)


def test_worse_genotypes_stay_worse_under_inhibition() -> None:
    for drug in ("paroxetine", "duloxetine", "sertraline"):
        scores = [ActivityScore(s / 4) for s in range(13)]
        after = [convert(score_result("CYP2D6", s), (drug,)).after.activity or 0.0 for s in scores]
        assert all(a <= b for a, b in itertools.pairwise(after))
