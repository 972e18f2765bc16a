"""Age, kidney and liver: closed forms, limits of the classes, and the shared table."""

import pytest

from novamind.drugs.organs import organ_effect
from novamind.drugs.tables import rows
from tests.drugs.tables import shared_rows

_STATES = {
    "hepatic mild (Child-Pugh A)": "liver A", "hepatic moderate (Child-Pugh B)": "liver B",
    "hepatic severe (Child-Pugh C)": "liver C", "renal mild (60-89 mL/min)": "kidney 60-89",
    "renal moderate (30-59)": "kidney 30-59", "renal severe (15-29)": "kidney 15-29",
    "renal ESRD (<15 or dialysis)": "kidney below 15",
}  # fmt: skip


def test_the_kidney_clears_in_proportion_where_there_is_a_share() -> None:
    lithium = organ_effect("lithium", creatinine_clearance=30)
    assert (lithium.renal_activity, lithium.ratio, lithium.missing) == (0.3, 1.0, ())
    assert lithium.parts == ("creatinine clearance 30 mL/min",)


@pytest.mark.parametrize(("clearance", "activity"), [(0, 0.05), (4.9, 0.05), (5, 0.05), (250, 2.5), (400, 2.5)])
def test_beyond_the_range_of_the_kinetics_its_end_counts_and_is_named(clearance: float, activity: float) -> None:
    found = organ_effect("lithium", creatinine_clearance=clearance)
    assert found.renal_activity == activity
    assert ("counted as" in found.parts[0]) == (clearance not in (5, 250))


@pytest.mark.parametrize(
    ("clearance", "state"),
    [(14.9, "kidney below 15"), (15, "kidney 15-29"), (29.9, "kidney 15-29"), (30, "kidney 30-59"),
     (59.9, "kidney 30-59"), (60, "kidney 60-89"), (89.9, "kidney 60-89"), (90, None)],
)  # fmt: skip
def test_without_a_share_the_published_class_counts_or_is_missing(clearance: float, state: str | None) -> None:
    found = organ_effect("agomelatine", creatinine_clearance=clearance)
    assert found.missing == ((state,) if state else ())
    assert found.ratio == found.renal_activity == 1


def test_liver_and_age_multiply_and_widen() -> None:
    """Yeung 2015: lurasidone 1.57 times in Child-Pugh B; label of escitalopram: half as much again from 65."""
    liver = organ_effect("lurasidone", child_pugh="B")
    assert liver.ratio == pytest.approx(1.57, abs=0.01)
    assert (liver.low, liver.high) == pytest.approx((liver.ratio / 1.4, liver.ratio * 1.4))
    assert liver.parts[0].startswith("liver B: 1.57 times")
    assert [s.id for s in liver.sources] == ["yeung-2015"]
    old = organ_effect("escitalopram", age=65, child_pugh="A")
    assert old.ratio == pytest.approx(1.5 * organ_effect("escitalopram", child_pugh="A").ratio)
    assert old.high == pytest.approx(old.ratio * 1.4**2)
    assert organ_effect("escitalopram", age=64.9).ratio == 1
    assert organ_effect("lurasidone", child_pugh="none").parts == ()
    assert organ_effect("lurasidone", age=80).missing == ("age from 65",)


@pytest.mark.parametrize(
    ("drug", "state", "clearance"),
    [("citalopram", "liver A", -36.4), ("citalopram", "kidney 30-59", -15.2), ("diazepam", "liver A", -48.1),
     ("midazolam", "liver C", -66.1), ("valproate", "liver A", -39.8), ("ritonavir", "liver C", -64.2)],
)  # fmt: skip
def test_where_clearance_alone_was_measured_exposure_is_its_reciprocal(drug: str, state: str, clearance: float) -> None:
    """Yeung 2015, change of CL/F in percent."""
    (ratio,) = (float(r["ratio"]) for r in rows("organs") if (r["drug"], r["state"]) == (drug, state))
    assert ratio == pytest.approx(1 / (1 + clearance / 100), abs=0.01)


def test_the_shared_table_agrees() -> None:
    ours = {(r["drug"], r["state"]): float(r["ratio"]) for r in rows("organs")}
    compared = 0
    for row in shared_rows("drugs/organ_impairment.csv"):
        drug, state, what, change = list(row.values())[:4]
        if "AUC" in what and (drug, _STATES[state]) in ours:
            compared += ours[drug, _STATES[state]] == pytest.approx(1 + float(change) / 100, rel=0.3)
    assert compared >= 100
