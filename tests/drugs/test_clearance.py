"""The one formula of clearance from its closed forms; what inhibitors leave and inducers add."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.drugs.clearance import (
    Route,
    comedicated,
    effect,
    exposure_ratio,
    fraction_metabolised,
    measured,
    phenotype_activities,
    relative_clearance,
    routes,
    share_left,
    shares,
)
from novamind.drugs.enzymes import all_modulators, all_substrates
from novamind.drugs.tables import rows, sources

SOURCE = sources()["feng-2008"]
MOST = Route("x", "CYP2D6", 0.8, 0.7, 0.9, SOURCE)
ALL = Route("x", "CYP2D6", 1.0, 1.0, 1.0, SOURCE)


@pytest.mark.parametrize(
    ("ratio", "activity", "fraction"),
    [(5.0, 0.0, 0.8), (2.0, 0.0, 0.5), (2.0, 0.5, 1.0), (1.36, 0.25, (1 - 1 / 1.36) / 0.75), (4.0, 0.5, 1.0),
     (0.5, 0.0, 0.0),
     (0.5, 2.0, 1.0), (0.8, 1.5, 0.5)],
)  # fmt: skip
def test_the_fraction_solves_the_ratio_and_stays_a_fraction(ratio: float, activity: float, fraction: float) -> None:
    """1 / (1 - f + f a) = ratio; what would be below 0 or above 1 is 0 or 1."""
    assert fraction_metabolised(ratio, activity) == pytest.approx(fraction)


@given(st.floats(1.01, 30), st.floats(0, 0.9))
def test_the_fraction_gives_back_its_ratio(ratio: float, activity: float) -> None:
    f = fraction_metabolised(ratio, activity)
    if f < 1:
        assert 1 / (1 - f + f * activity) == pytest.approx(ratio)


def test_clearance_is_a_sum_over_routes() -> None:
    two = {"CYP2D6": 0.5, "CYP3A4": 0.3}
    assert relative_clearance(two, {}) == pytest.approx(1)
    assert relative_clearance(two, {"CYP2D6": 0.0}) == pytest.approx(0.5)
    assert relative_clearance(two, {"CYP2D6": 0.5, "CYP3A4": 2.0, "UGT": 9.0}) == pytest.approx(0.2 + 0.25 + 0.6)
    assert exposure_ratio(two, {"CYP2D6": 0.0, "CYP3A4": 0.0}) == pytest.approx(5)
    several = relative_clearance(two, {"CYP2D6": np.array([0.0, 1.0, 2.0])})
    assert list(np.asarray(several)) == pytest.approx([0.5, 1.0, 1.5])
    assert exposure_ratio({"CYP2D6": 1.0}, {"CYP2D6": 0.0}) == math.inf


@pytest.mark.parametrize(("activity", "ratio"), [(1, 1), (0, 5), (0.5, 1 / 0.6), (2, 1 / 1.8)])
def test_exposure_is_the_reciprocal_of_clearance(activity: float, ratio: float) -> None:
    assert MOST.ratio(activity) == pytest.approx(ratio)
    assert MOST.activity_at(ratio) == pytest.approx(activity)


def test_nothing_else_to_clear_it_is_infinite() -> None:
    assert ALL.ratio(0) == math.inf
    assert ALL.ratio(0.5) == 2
    assert ALL.activity_at(1e9) == pytest.approx(1e-9)
    assert MOST.activity_at(100) == 0  # more than the whole enzyme is not left out


def test_a_bent_scale_bends_the_genetic_part_only() -> None:
    bent = Route("x", "CYP2D6", 0.8, 0.8, 0.8, SOURCE, power=2.0)
    assert bent.ratio(0.5) == pytest.approx(1 / (0.2 + 0.8 * 0.25))
    assert bent.ratio(0.1, 0.5) == pytest.approx(1 / (0.2 + 0.8 * 0.1 * 0.5))  # the inhibitor's fifth of a bent half
    assert bent.ratio(0.0) == pytest.approx(5)
    assert bent.ratio(0.0, 0.0) == pytest.approx(5)
    assert MOST.ratio(0.1, 0.5) == MOST.ratio(0.1)


# Published exposure ratios, entered from the papers' abstracts and the labels.
EXPOSURE = {
    ("aripiprazole", "CYP2D6", 0.0): 1.8, ("haloperidol", "CYP2D6", 0.0): 1.68, ("risperidone", "CYP2D6", 0.0): 5.07,
    ("escitalopram", "CYP2C19", 0.0): 2.63, ("citalopram", "CYP2C19", 0.0): 2.07, ("sertraline", "CYP2C19", 0.0): 2.68,
    ("sertraline", "CYP2B6", 0.3): 1.33, ("atomoxetine", "CYP2D6", 0.0): 10.0, ("clomipramine", "CYP2D6", 0.0): 2.0,
    ("quetiapine", "CYP3A4", 0.8): 1.2, ("fluvoxamine", "CYP2D6", 0.0): 1.5,
    ("dextromethorphan", "CYP2D6", 0.0): 18.9, ("tolterodine", "CYP2D6", 0.0): 30.0,
}  # fmt: skip


def test_shares_are_solved_from_the_published_ratios() -> None:
    tabled = {(r["drug"], r["gene"], float(r["activity"])): float(r["ratio"]) for r in rows("exposure")}
    assert tabled == EXPOSURE
    for (drug, gene, activity), ratio in EXPOSURE.items():
        route = next(r for r in routes(drug) if r.route == gene)
        assert route.solved
        assert route.ratio(activity) == pytest.approx(ratio)
    intervals = {(r["drug"], r["gene"]): (float(r["low"]), float(r["high"])) for r in rows("exposure") if r["low"]}
    # Milosavljevic 2021 and Braten 2019 print intervals.
    assert intervals == {
        ("haloperidol", "CYP2D6"): (1.40, 2.02), ("escitalopram", "CYP2C19"): (2.40, 2.89),
        ("sertraline", "CYP2C19"): (2.16, 3.32),
    }  # fmt: skip
    # tolterodine: 30-fold without a functional allele, 4.4-fold with one (Brynne 1999)
    share = (1 / 4.4 - 1 / 30) / (1 - 1 / 30)
    assert routes("tolterodine")[0].power == pytest.approx(math.log(share) / math.log(0.5))


def test_shares_stay_within_the_whole_and_estimates_have_a_range() -> None:
    for drug in all_substrates():
        assert sum(shares(drug).values()) <= 1 + 1e-12, drug
        for route in routes(drug):
            assert 0 < route.low <= route.share <= route.high <= 1
            if not route.solved and route.route != "renal":
                assert route.low == pytest.approx(0.7 * route.share)
    assert routes("a drug of no table") == ()
    (kidney,) = routes("lithium")
    assert (kidney.low, kidney.share, kidney.high) == (0.9, 1.0, 1.0)


# Storelli 2019 (PMC6709421), and ratios that DIKB and Yeung 2015 print: enzyme, substrate, ratio.
MEASURED = {
    ("paroxetine", "CYP2D6"): ("dextromethorphan", 14.6), ("fluoxetine", "CYP2D6"): ("tolterodine", 17.4),
    ("ketoconazole", "CYP3A4"): ("midazolam", 15.9), ("clarithromycin", "CYP3A4"): ("midazolam", 8.45),
    ("fluconazole", "CYP3A4"): ("midazolam", 3.55), ("diltiazem", "CYP3A4"): ("triazolam", 2.835),
    ("nefazodone", "CYP3A4"): ("triazolam", 4.0), ("fluconazole", "CYP2C19"): ("omeprazole", 6.293),
    ("fluvoxamine", "CYP2C19"): ("lansoprazole", 3.82), ("omeprazole", "CYP2C19"): ("escitalopram", 1.51),
    ("fluvoxamine", "CYP1A2"): ("caffeine", 13.715), ("ticlopidine", "CYP2B6"): ("bupropion", 1.85),
    ("clopidogrel", "CYP2B6"): ("bupropion", 1.6), ("bupropion", "CYP2D6"): ("desipramine", 5.0),
    ("citalopram", "CYP2D6"): ("desipramine", 1.47), ("venlafaxine", "CYP2D6"): ("desipramine", 1.4),
    ("diphenhydramine", "CYP2D6"): ("venlafaxine", 2.42), ("piperine", "CYP2C9"): ("phenytoin", 2.331),
    ("tobacco smoking", "CYP1A2"): ("clozapine", 0.6),
    # US label of lamotrigine: doubled by valproate, lowered by 40 to 50 % by inducers and oestrogens
    ("valproate", "UGT1A4"): ("lamotrigine", 2.0), ("carbamazepine", "UGT1A4"): ("lamotrigine", 0.6),
    ("phenytoin", "UGT1A4"): ("lamotrigine", 0.5), ("phenobarbital", "UGT1A4"): ("lamotrigine", 0.6),
    ("oral contraceptives", "UGT1A4"): ("lamotrigine", 0.5), ("rifampin", "UGT1A4"): ("lamotrigine", 0.56),
}  # fmt: skip


def test_what_was_measured_gives_its_own_ratio_back() -> None:
    assert set(measured()) == set(MEASURED)
    for (drug, enzyme), (substrate, ratio) in MEASURED.items():
        route = next(r for r in routes(substrate) if r.route == enzyme)
        left = measured()[drug, enzyme]
        assert route.ratio(left.share, 1.0) == pytest.approx(ratio)
        assert left.low <= left.share <= left.high


def test_the_strongest_decides_and_inhibition_times_induction() -> None:
    for taken in itertools.permutations(("verapamil", "cilostazol", "rifampin")):
        both = effect("CYP3A4", taken)
        assert both is not None
        assert (both.share, both.low, both.high) == pytest.approx((0.5 * 5, 0.2 * 5, 0.8 * 10))
        assert {m.drug for m in both.modulators} == set(taken)
    assert effect("CYP3A4", ("ibuprofen",)) is None
    assert effect("CYP3A4", ("verapamil",), but="verapamil") is None
    assert effect("CYP2C19", ("esomeprazole",)) is None  # listed without a class


def test_a_class_that_nobody_read_may_be_no_effect() -> None:
    for drug, of in all_modulators().items():
        for m in of:
            found = effect(m.enzyme, (drug,))
            if found is not None and not m.checked and (drug, m.enzyme) not in measured():
                assert found.low <= 1 <= found.high


def test_every_route_that_is_changed_is_returned() -> None:
    found = comedicated(shares("citalopram"), ("fluconazole", "quinidine"))
    assert set(found) == {"CYP2C19", "CYP3A4", "CYP2D6"}
    assert found["CYP2C19"].measured == ("fluconazole",)
    assert found["CYP2D6"].measured == ()
    assert found["CYP2D6"].share == 0.05


#: Activity score of the CPIC term over the two of two normal alleles (Caudle 2020), or the count of functional alleles.
ACTIVITY = {
    "CYP2D6": {"poor": 0.0, "intermediate": (0.25 + 1.25) / 2 / 2, "normal": 1.0, "ultrarapid": 4 / 2},
    "CYP2C9": {"poor": 0.25 / 2, "intermediate": 1.25 / 2, "normal": 1.0},
    "CYP2C19": {
        "poor": 0.0, "likely poor": 1 / 4, "intermediate": 1 / 2, "likely intermediate": 3 / 4, "normal": 1.0,
        "rapid": (1 + 1.3) / 2, "ultrarapid": 1.3,
    },
    "CYP2B6": {"poor": 0.3, "intermediate": (1 + 0.3) / 2, "normal": 1.0, "rapid": (1 + 1.3) / 2, "ultrarapid": 1.3},
    "CYP3A4": {"poor": 0.5, "intermediate": (1 + 0.6) / 2, "normal": 1.0},
}  # fmt: skip


def test_activities_of_phenotypes_follow_the_scores() -> None:
    assert {r["enzyme"] for r in rows("activities")} == set(ACTIVITY)
    for enzyme, of in ACTIVITY.items():
        assert phenotype_activities(enzyme) == pytest.approx({f"{k} metabolizer": v for k, v in of.items()})
    assert phenotype_activities("renal") == {}


def test_words_for_what_acts_on_an_enzyme() -> None:
    words = share_left("CYP1A2")
    assert words["strong inhibitor"] == 0.05
    assert words["moderate inducer"] == 3.0
    assert words["smoker"] == pytest.approx((1 / 0.6 - 0.15) / 0.85)
    assert "smoker" not in share_left("CYP2D6")
