"""phenoconversion.py from its rules: who acts, what is left, which one decides."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from novamind.drugs.clearance import measured
from novamind.drugs.enzymes import acting_on, all_modulators, modulators
from novamind.pharmacogenomics.domain import ActivityScore, DiplotypeCall, GeneResult, Phenotype
from novamind.pharmacogenomics.phenoconversion import convert
from novamind.pharmacogenomics.phenotypes import call_phenotype, phenotype_result, score_result
from tests.golden import check_golden

P = Phenotype

# FDA: strong is at least a 5-fold exposure, moderate 2- to 5-fold, weak 1.25- to 2-fold. Share left = 1 / fold.
#             drug on CYP3A4: share or multiple of the activity (point, low, high)
ON_CYP3A4 = [
    ("itraconazole", (0.05, 0.0, 1 / 5)),
    ("verapamil", (0.5, 1 / 5, 1 / 1.25)),
    ("cilostazol", (0.65, 1 / 2, 1.0)),
    ("rifampin", (1 / 0.2, 1 / 0.2, 10.0)),  # a fall by 80 % or more
    ("modafinil", (1.5, 1 / 0.8, 1 / 0.5)),  # by 20 to 50 %
]
NORMAL = phenotype_result("CYP3A4", P.NORMAL)


@pytest.mark.parametrize(("drug", "left"), ON_CYP3A4)
@pytest.mark.parametrize("phenotype", [P.NORMAL, P.INTERMEDIATE, P.POOR])
def test_a_class_leaves_its_share(drug: str, left: tuple[float, float, float], phenotype: P) -> None:
    before = phenotype_result("CYP3A4", phenotype)
    after = convert(before, (drug,)).after
    genetic = {P.NORMAL: 1.0, P.INTERMEDIATE: 0.8, P.POOR: 0.5}[phenotype]  # *1/*1, *1/*22, between *22/*22 and none
    assert (after.activity, after.activity_low, after.activity_high) == pytest.approx(
        tuple(genetic * share for share in left)
    )
    assert after.genetic_activity == genetic


def test_a_moderate_inducer_multiplies_by_two_to_five() -> None:
    """A fall in exposure by 50 to 80 %."""
    after = convert(phenotype_result("CYP1A2", P.NORMAL), ("teriflunomide",)).after
    assert after.activity is None  # without a known activity there is nothing to multiply
    reading = GeneResult("CYP1A2", None, activity=0.5)
    change = convert(reading, ("teriflunomide",))
    assert (change.after.activity, change.after.activity_low, change.after.activity_high) == (1.5, 1.0, 2.5)
    assert change.after.genetic_activity == 0.5
    assert change.reasons == (
        "teriflunomide is a moderate CYP1A2 inducer",
        "induction lowers exposure; guidelines give no look-up for it, so the phenotype stays",
    )
    assert not change.converted


def test_smoking_counts_with_what_was_measured() -> None:
    """Seppala 1999: clozapine falls by 40 %, 85 % of it by CYP1A2; without an interval a quarter either way."""
    after = convert(GeneResult("CYP1A2", None, activity=1.0), ("tobacco smoking",)).after
    share = (1 / 0.6 - 0.15) / 0.85
    assert (after.activity, after.activity_low, after.activity_high) == pytest.approx(
        (share, share / 1.25, share * 1.25)
    )


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        (("verapamil", "cilostazol"), (0.5, 0.2, 0.8)),
        (("cilostazol", "verapamil", "imatinib"), (0.5, 0.2, 0.8)),
        (("verapamil", "itraconazole"), (0.05, 0.0, 0.2)),
        (("itraconazole", "verapamil", "cilostazol"), (0.05, 0.0, 0.2)),
        (("modafinil", "rifampin"), (5.0, 5.0, 10.0)),
        (("rifampin", "modafinil", "carbamazepine"), (5.0, 5.0, 10.0)),
        (("verapamil", "rifampin"), (2.5, 1.0, 8.0)),  # both act: share times multiple, end by end
        (("verapamil", "modafinil"), (0.75, 0.25, 1.6)),
        (("itraconazole", "rifampin"), (0.25, 0.0, 2.0)),
    ],
)
def test_of_several_the_strongest_decides(taken: tuple[str, ...], left: tuple[float, float, float]) -> None:
    for order in itertools.permutations(taken):
        after = convert(NORMAL, order).after
        assert (after.activity, after.activity_low, after.activity_high) == pytest.approx(left)


@pytest.mark.parametrize(
    ("taken", "score", "phenotype", "share"),
    [
        (("paroxetine",), 0.0, P.POOR, (1 / 14.6 - 1 + 0.947090) / 0.947090),
        (("fluoxetine",), 0.0, P.POOR, (1 / 17.4 - 1 + 29 / 30) / (29 / 30)),
        (("fluoxetine", "duloxetine"), 0.0, P.POOR, (1 / 17.4 - 1 + 29 / 30) / (29 / 30)),
        (("fluoxetine", "bupropion"), 0.0, P.POOR, (1 / 17.4 - 1 + 29 / 30) / (29 / 30)),
        (("quinidine",), 0.0, P.POOR, 0.05),
        (("fluoxetine", "paroxetine"), 0.0, P.POOR, (1 / 14.6 - 1 + 0.947090) / 0.947090),
        (("duloxetine",), 1.0, P.INTERMEDIATE, 0.5),
        (("duloxetine", "sertraline", "cinacalcet"), 1.0, P.INTERMEDIATE, 0.5),
        (("sertraline",), 2.0, P.NORMAL, 0.65),
    ],
)
def test_the_look_up_counts_with_the_class_and_exposure_with_what_was_measured(
    taken: tuple[str, ...], score: float, phenotype: P, share: float
) -> None:
    """f of dextromethorphan: 1 - 1/18.9 = 0.947; of tolterodine: 1 - 1/30 (exposure.csv)."""
    for order in itertools.permutations(taken):
        after = convert(score_result("CYP2D6", ActivityScore(2.0)), order).after
        assert (after.activity_score, after.phenotype) == (score, phenotype)
        assert after.activity == pytest.approx(share, abs=2e-6)


def test_what_was_measured_has_its_range() -> None:
    """The bounds of the published interval, or those of its class."""
    paroxetine, fluoxetine = measured()["paroxetine", "CYP2D6"], measured()["fluoxetine", "CYP2D6"]
    fraction = 1 - 1 / 18.9
    for share, ratio in ((paroxetine.share, 14.6), (paroxetine.low, 21.4), (paroxetine.high, 10.0)):
        assert share == pytest.approx(max((1 / ratio - 1 + fraction) / fraction, 0.0))
    assert (fluoxetine.low, fluoxetine.high) == (0.0, 0.2)
    assert paroxetine.source.id == fluoxetine.source.id == "storelli-2019"
    # label of fluconazole's class, 400 and 200 mg on midazolam: 95 % of it by CYP3A4
    fluconazole = measured()["fluconazole", "CYP3A4"]
    ends = [1 - (1 - 1 / ratio) / 0.95 for ratio in (3.55, 3.726, 2.59)]
    assert (fluconazole.share, fluconazole.low, fluconazole.high) == pytest.approx(ends)


def test_reasons_and_sources_name_who_acts_and_by_which_rule() -> None:
    change = convert(score_result("CYP2D6", ActivityScore(1.0)), ("duloxetine", "sertraline", "paroxetine"))
    assert change.reasons == (
        "duloxetine is a moderate CYP2D6 inhibitor",
        "sertraline is a weak CYP2D6 inhibitor",
        "paroxetine is a strong CYP2D6 inhibitor",
        "expected exposure counts with the 2% of CYP2D6 that paroxetine leaves",
    )
    assert [s.id for s in change.sources] == [
        "cyp2d6-inhibitor-review-2020", "pharme-2024", "storelli-2019", "cpic-opioids-2021",
    ]  # fmt: skip
    both = convert(score_result("CYP2D6", ActivityScore(1.0)), ("bupropion", "paroxetine"))
    assert [r for r in both.reasons if "counts with" in r] == [  # bupropion leaves more
        "expected exposure counts with the 2% of CYP2D6 that paroxetine leaves"
    ]
    weak = convert(score_result("CYP2D6", ActivityScore(1.0)), ("sertraline",))
    assert [s.id for s in weak.sources] == ["cyp2d6-inhibitor-review-2020"]
    other = convert(phenotype_result("CYP2C19", P.NORMAL), ("fluvoxamine",))
    assert other.reasons == (
        "fluvoxamine is a strong CYP2C19 inhibitor",
        "expected exposure counts with the 2% of CYP2C19 that fluvoxamine leaves",
        "no guideline converts CYP2C19; this follows the CYP2D6 convention",
    )
    assert [s.id for s in other.sources] == ["osp-fluvoxamine-2023", "dikb-2016", "shah-smith-2015"]
    poor = convert(phenotype_result("CYP2C19", P.POOR), ("fluvoxamine",))
    assert poor.reasons == other.reasons[:2]


@pytest.mark.parametrize(
    ("before", "strong", "moderate"),
    [
        (P.POOR, P.POOR, P.POOR), (P.LIKELY_POOR, P.POOR, P.POOR), (P.INTERMEDIATE, P.POOR, P.POOR),
        (P.LIKELY_INTERMEDIATE, P.POOR, P.INTERMEDIATE), (P.NORMAL, P.POOR, P.INTERMEDIATE),
        (P.RAPID, P.POOR, P.INTERMEDIATE),
        (P.ULTRARAPID, P.POOR, P.INTERMEDIATE), (P.INDETERMINATE, P.POOR, P.INDETERMINATE),
        (P.POSSIBLE_INTERMEDIATE, P.POOR, P.POSSIBLE_INTERMEDIATE), (None, None, None),
    ],
)  # fmt: skip
def test_a_phenotype_without_a_score(before: P | None, strong: P | None, moderate: P | None) -> None:
    reading = GeneResult("CYP3A4", before, diplotype="*1/*1")
    full, half = (convert(reading, (drug,)).after for drug in ("ketoconazole", "verapamil"))
    assert (full.phenotype, half.phenotype) == (strong, moderate)
    if before in {P.INDETERMINATE, P.POSSIBLE_INTERMEDIATE}:
        assert (full.activity, half.activity, full.activity_score) == (0.0, None, None)
    elif before is None:
        assert (full.activity, full.diplotype) == (None, "*1/*1")
    else:
        assert full.diplotype is half.diplotype is None


def test_an_unknown_score_is_settled_by_full_inhibition_alone() -> None:
    full = convert(score_result("CYP2D6", None), ("quinidine",)).after
    assert (full.phenotype, full.activity_score, full.activity) == (P.POOR, 0.0, 0.0)
    assert (full.activity_low, full.activity_high) == (0.0, 0.2)  # a strong inhibitor leaves up to a fifth
    half = convert(score_result("CYP2D6", None), ("duloxetine",)).after
    assert (half.phenotype, half.activity_score, half.activity) == (P.INDETERMINATE, None, None)


def test_a_diplotype_no_longer_speaks_for_an_inhibited_enzyme_and_unseen_alleles_no_longer_matter() -> None:
    reading = score_result("CYP2D6", ActivityScore(2.0), "*1/*1")
    unseen = replace(reading, provisional=True)
    full, half, weak = (convert(unseen, (d,)).after for d in ("quinidine", "duloxetine", "sertraline"))
    assert (full.diplotype, half.diplotype, weak.diplotype) == (None, None, "*1/*1")
    assert (full.provisional, half.provisional, weak.provisional) == (False, True, True)


def test_a_lower_bound_stays_a_lower_bound() -> None:
    reading = score_result("CYP2D6", ActivityScore(3.0, at_least=True))
    half = convert(reading, ("duloxetine",)).after
    assert str(half.activity_score) == "≥1.5"
    assert half.phenotype is P.INDETERMINATE
    assert str(convert(reading, ("quinidine",)).after.activity_score) == "0.0"


def test_who_acts_on_an_enzyme() -> None:
    taken = ("fluoxetine", "ibuprofen", "fluoxetine", "omeprazole")
    assert [(m.drug, m.strength) for m in acting_on("CYP2C19", taken)] == [
        ("fluoxetine", "strong"),
        ("omeprazole", "weak"),
    ]
    assert [m.drug for m in acting_on("CYP2C19", taken, but="fluoxetine")] == ["omeprazole"]
    assert acting_on("CYP9Z9", taken) == ()
    assert {(m.enzyme, m.effect, m.strength) for m in modulators("ritonavir")} >= {
        ("CYP2D6", "inhibitor", "weak"), ("CYP2B6", "inducer", "weak"), ("CYP1A2", "inducer", "moderate"),
        ("CYP3A4", "inhibitor", "strong"),
    }  # fmt: skip
    assert modulators("a drug that nobody has") == ()


@pytest.mark.parametrize(
    ("drug", "enzyme", "point"),
    [("felbamate", "CYP2C19", 0.5), ("voriconazole", "CYP2C19", 0.65), ("efavirenz", "CYP2C19", 3)],
)
def test_a_class_that_nobody_read_changes_no_phenotype_and_may_be_no_effect(
    drug: str, enzyme: str, point: float
) -> None:
    reading = phenotype_result(enzyme, P.NORMAL)
    change = convert(reading, (drug,))
    assert change.after.phenotype is reading.phenotype
    assert change.after.activity == pytest.approx(point)
    assert change.after.activity_low is not None
    assert change.after.activity_high is not None
    assert change.after.activity_low <= 1 <= change.after.activity_high
    assert change.reasons[0].endswith("a class that was not confirmed")
    assert not any(m.applied for m in modulators(drug) if m.enzyme == enzyme)


def test_a_drug_without_a_class_changes_nothing() -> None:
    reading = phenotype_result("CYP2C19", P.NORMAL)
    change = convert(reading, ("esomeprazole",))
    assert (change.after, change.reasons, change.sources) == (reading, (), ())


ENZYMES = ("CYP2D6", "CYP2C19", "CYP3A4", "CYP1A2")
BY_ENZYME = {
    e: sorted(d for d, of in all_modulators().items() if any(m.enzyme == e and m.applied for m in of)) for e in ENZYMES
}


@st.composite
def lists(draw: st.DrawFn) -> tuple[str, list[str], str]:
    """Drugs that act on one enzyme, so that the order and number of those that act varies."""
    enzyme = draw(st.sampled_from(ENZYMES))
    acting = st.sampled_from(BY_ENZYME[enzyme])
    return enzyme, draw(st.lists(acting, max_size=4)), draw(acting)


@given(lists())
@example(("CYP2D6", ["duloxetine", "sertraline"], "paroxetine"))
@settings(max_examples=60, deadline=None)
def test_one_more_inhibitor_never_raises_and_one_more_inducer_never_lowers(drawn: tuple[str, list[str], str]) -> None:
    enzyme, taken, more = drawn
    added = next(m for m in modulators(more) if m.enzyme == enzyme)
    event(f"{enzyme}, {added.strength} {added.effect}, {len(set(taken))} before")
    reading = GeneResult(enzyme, P.NORMAL, activity=1.0)
    before, after = (convert(reading, tuple(of)).after for of in (taken, [*taken, more]))
    for part in ("activity", "activity_low", "activity_high"):
        old, new = (getattr(of, part) if getattr(of, part) is not None else 1.0 for of in (before, after))
        assert new <= old if added.effect == "inhibitor" else new >= old
    assert convert(reading, tuple(reversed([*taken, more]))).after == after


def test_every_modulator_on_a_normal_genotype() -> None:
    found = {}
    for drug, of in all_modulators().items():
        for m in of:
            after = convert(call_phenotype(m.enzyme, DiplotypeCall("*1", "*1")), (drug,)).after
            found[f"{drug} {m.enzyme}"] = [after.label, after.activity, after.activity_low, after.activity_high]
    check_golden(__file__, "modulators", found)
