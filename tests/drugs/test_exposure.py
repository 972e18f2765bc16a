"""Ratios of parent and sum, the spread of the model, and ranges by analyte."""

import math

import pytest

from novamind.drugs.exposure import (
    Activity,
    analytes,
    held_out_log_errors,
    model_log_sd,
    ratios,
    routes_counted,
    therapeutic_ranges,
    under_comedication,
)
from novamind.drugs.kinetics import drug_names, kinetics, metabolite_share
from novamind.drugs.tables import rows
from tests.drugs.tables import shared_rows


def at(value: float, route: str) -> dict[str, Activity]:
    return {route: Activity(value, value, value)}


def test_the_spread_of_the_model_is_that_of_the_ratios_left_out() -> None:
    errors = []
    for row in rows("exposure_checks"):
        figures = {r.analyte: r.ratio for r in ratios(row["drug"], at(float(row["activity"]), row["gene"]))}
        names = analytes(row["drug"])
        predicted = figures.get(row["analyte"], figures[names[-1]])
        errors.append(math.log(predicted / float(row["ratio"])))
    assert held_out_log_errors() == pytest.approx(errors)
    assert model_log_sd() == pytest.approx(math.sqrt(sum(e**2 for e in errors) / len(errors)))
    assert 0.1 < model_log_sd() < 0.3


def test_the_sum_weighs_parent_and_metabolite() -> None:
    """Risperidone: five times the parent, the same 9-hydroxyrisperidone; the sum lies between."""
    whole, parent = ratios("risperidone", at(0.0, "CYP2D6"))
    weight = metabolite_share(kinetics("risperidone"))
    assert (whole.analyte, parent.analyte) == ("risperidone and 9-hydroxyrisperidone", "risperidone alone")
    assert parent.ratio == pytest.approx(5.07)
    assert whole.ratio == pytest.approx((5.07 + weight) / (1 + weight))


def test_a_metabolite_is_cleared_by_its_own_routes() -> None:
    """Desmethylclomipramine goes by CYP2D6 too, so the sum rises more than the parent."""
    whole, parent = ratios("clomipramine", at(0.0, "CYP2D6"))
    assert whole.ratio > parent.ratio > 1.9
    assert "CYP3A4" in routes_counted("aripiprazole")


def test_a_drug_without_shares_has_no_ratio() -> None:
    assert ratios("tranylcypromine", {}) == ()
    assert ratios("a drug of no table", {}) == ()


def test_intervals_hold_their_point() -> None:
    for drug in drug_names():
        for other in ("rifampin", "ketoconazole", "paroxetine", "fluvoxamine"):
            for r in ratios(drug, under_comedication(drug, (other,))):
                assert 0 < r.low < r.ratio < r.high < 1000, (drug, other)


# AGNP consensus 2017 (Hiemke 2018): range, ng/mL (lamotrigine and valproate mg/L), and whose level it is.
AGNP = {
    "sertraline": (10, 150, "parent"), "duloxetine": (30, 120, "parent"), "bupropion": (850, 1500, "sum"),
    "lurasidone": (15, 40, "parent"), "lamotrigine": (3, 15, "parent"), "nortriptyline": (70, 170, "parent"),
    "imipramine": (175, 300, "sum"), "doxepin": (50, 150, "sum"), "clomipramine": (230, 450, "sum"),
    "clozapine": (350, 600, "parent"), "venlafaxine": (100, 400, "sum"), "desipramine": (100, 300, "parent"),
    "atomoxetine": (200, 1000, "parent"), "citalopram": (50, 110, "parent"), "escitalopram": (15, 80, "parent"),
    "fluoxetine": (120, 500, "sum"), "fluvoxamine": (60, 230, "parent"), "paroxetine": (20, 65, "parent"),
    "mirtazapine": (30, 80, "parent"), "risperidone": (20, 60, "sum"), "paliperidone": (20, 60, "parent"),
    "aripiprazole": (150, 500, "sum"), "olanzapine": (20, 80, "parent"), "quetiapine": (100, 500, "parent"),
    "haloperidol": (1, 10, "parent"), "amisulpride": (100, 320, "parent"), "ziprasidone": (50, 200, "parent"),
    "valproate": (50, 100, "parent"), "lithium": (0.5, 1.2, "parent"), "melperone": (30, 100, "parent"),
    "pipamperone": (100, 400, "parent"), "perazine": (100, 230, "parent"), "chlorprothixene": (20, 300, "parent"),
    "levomepromazine": (30, 160, "parent"), "benperidol": (1, 10, "parent"), "zotepine": (10, 150, "parent"),
    "mianserin": (15, 70, "parent"), "opipramol": (50, 500, "parent"), "zolpidem": (80, 160, "parent"),
    "zopiclone": (10, 50, "parent"), "oxazepam": (200, 500, "parent"), "methylphenidate": (6, 26, "parent"),
    "acamprosate": (250, 700, "parent"), "varenicline": (4, 10, "parent"), "ethosuximide": (40, 100, "parent"),
    "primidone": (5, 10, "parent"), "zonisamide": (10, 40, "parent"),
}  # fmt: skip
_UNITS = {"lithium": "mmol/L"} | dict.fromkeys(
    ("lamotrigine", "valproate", "ethosuximide", "primidone", "zonisamide"), "mg/L"
)
# The product keeps another source for these: DPWG, ACNP, Veefkind 2000, the clozapine consensus of 2023.
_OTHER = {
    "lamotrigine",
    "nortriptyline",
    "imipramine",
    "doxepin",
    "clomipramine",
    "clozapine",
    "venlafaxine",
    "desipramine",
}


def test_ranges_are_the_consensus_or_near_it() -> None:
    for drug, (low, high, basis) in AGNP.items():
        ours = therapeutic_ranges()[drug]
        assert ours.basis == basis, drug
        if drug not in _OTHER:
            assert (ours.low, ours.high) == (low, high), drug
        assert all(a / 2 <= b <= a * 2 for a, b in ((low, ours.low), (high, ours.high))), drug
        assert ours.unit == _UNITS.get(drug, "ng/mL")


def test_a_range_names_all_that_it_measures() -> None:
    for drug, of in therapeutic_ranges().items():
        assert of.low < of.high <= (of.alert or math.inf), drug
        assert (of.basis == "sum") == (" and " in of.analyte), drug
        if of.basis == "sum" and drug in drug_names():
            assert kinetics(drug).metabolite in of.analyte, drug
        if drug in drug_names():
            assert of.unit == kinetics(drug).concentration_unit, drug


def test_shared_ranges_agree() -> None:
    seen = 0
    for row in shared_rows("drugs/therapeutic_ranges.csv"):
        ours = therapeutic_ranges().get(row["drug"])
        if ours and row["low"] and row["high"] and row["unit"] == ours.unit:
            seen += (ours.low, ours.high) == (float(row["low"]), float(row["high"]))
    assert seen >= 45


def test_alerts_are_those_of_the_consensus() -> None:
    alerts = {"lurasidone": 120, "duloxetine": 240, "bupropion": 2000, "desipramine": 300, "amitriptyline": 300,
              "zolpidem": 320, "ethosuximide": 120, "pipamperone": 500, "levomethadone": 500}  # fmt: skip
    assert {drug: therapeutic_ranges()[drug].alert for drug in alerts} == alerts
