"""The one set of kinetic parameters: published figures a second time, the benchmark, and both rooms' agreement."""

import csv
import math
import re
from pathlib import Path

import numpy as np
import pytest
from benchmarks.kinetics import Comparison, area_errors, compare, simulated

from novamind.drugs.clearance import phenotype_activities, shares
from novamind.drugs.enzymes import all_modulators
from novamind.drugs.exposure import Activity, analytes, ratios, routes_counted, under_comedication
from novamind.drugs.kinetics import drug_names, kinetics
from novamind.drugs.tables import rows
from novamind.errors import NotFoundError
from novamind.neurochemistry.pharmacokinetics import Physiology, enzyme_activity, steady_state_average
from tests.drugs.tables import shared_rows

with (Path(__file__).parent / "facts" / "published_kinetics.csv").open(encoding="utf-8") as handle:
    PUBLISHED = list(csv.DictReader(handle))

#: Sum formula (free base or acid; lithium as half of its carbonate).
FORMULAS = {
    "citalopram": "C20H21FN2O",
    "escitalopram": "C20H21FN2O",
    "sertraline": "C17H17Cl2N",
    "fluoxetine": "C17H18F3NO",
    "paroxetine": "C19H20FNO3",
    "venlafaxine": "C17H27NO2",
    "duloxetine": "C18H19NOS",
    "bupropion": "C13H18ClNO",
    "hydroxybupropion": "C13H18ClNO2",
    "quetiapine": "C21H25N3O2S",
    "norquetiapine": "C17H17N3S",
    "aripiprazole": "C23H27Cl2N3O2",
    "risperidone": "C23H27FN4O2",
    "haloperidol": "C21H23ClFNO2",
    "olanzapine": "C17H20N4S",
    "atomoxetine": "C17H21NO",
    "lamotrigine": "C9H7Cl2N5",
    "valproate": "C8H16O2",
    "lithium": "Li2CO3",
}
#: Standard atomic weights (IUPAC 2021, conventional values).
WEIGHTS = {"H": 1.008, "Li": 6.94, "C": 12.011, "N": 14.007, "O": 15.999, "F": 18.998, "S": 32.06, "Cl": 35.45}

#: Defined daily dose in mg (WHO ATC/DDD index 2024); lithium 24 mmol as carbonate.
DAILY_DOSE = {
    "citalopram": 20,
    "escitalopram": 10,
    "sertraline": 50,
    "fluoxetine": 20,
    "paroxetine": 20,
    "venlafaxine": 100,
    "duloxetine": 60,
    "bupropion": 300,
    "quetiapine": 400,
    "aripiprazole": 15,
    "risperidone": 5,
    "haloperidol": 8,
    "olanzapine": 10,
    "atomoxetine": 80,
    "lamotrigine": 300,
    "valproate": 1500,
    "lithium": 887,
}
#: Usual daily dose in mg where it differs from the defined one: minimum therapeutic doses (US labels).
USUAL = {
    "venlafaxine": 75,
    "quetiapine": 300,
    "aripiprazole": 10,
    "risperidone": 4,
    "haloperidol": 4,
    "lamotrigine": 200,
    "valproate": 1000,
    "lithium": 900,
}
#: Active metabolite: name, half-life range in hours, the enzyme that makes it ("all": no single one).
METABOLITES = {
    "fluoxetine": ("norfluoxetine", 168, 264, "all"),
    "venlafaxine": ("O-desmethylvenlafaxine", 9, 13, "CYP2D6"),
    "bupropion": ("hydroxybupropion", 18, 24, "CYP2B6"),
    "quetiapine": ("norquetiapine", 9, 15, "all"),
    "aripiprazole": ("dehydroaripiprazole", 90, 100, "all"),
    "risperidone": ("9-hydroxyrisperidone", 20, 36, "all"),
}
#: Unbound share in plasma (US labels: 100 less the printed protein binding).
UNBOUND = {
    "citalopram": 0.5,  # van Harten 1993; the label prints 80 % bound
    "escitalopram": 0.44,
    "sertraline": 0.02,
    "fluoxetine": 0.055,
    "paroxetine": 0.05,
    "venlafaxine": 0.73,
    "duloxetine": 0.05,  # "more than 90 %"
    "bupropion": 0.16,
    "quetiapine": 0.17,
    "aripiprazole": 0.01,
    "risperidone": 0.10,
    "haloperidol": 0.08,
    "olanzapine": 0.07,
    "atomoxetine": 0.02,
    "lamotrigine": 0.45,
    "valproate": 0.10,
}
UNITS = {
    "molar_mass": "g/mol",
    "clearance": "L/h",
    "volume": "L",
    "absorption_rate": "1/h",
    "unbound_fraction": "fraction",
    "clearance_cv": "fraction",
    "usual_dose": "mg/day",
    "metabolite_clearance": "L/h per formed fraction",
    "metabolite_volume": "L per formed fraction",
    "metabolite_unbound_fraction": "fraction",
    "metabolite_molar_mass": "g/mol",
    "inactivation_rate": "1/h",
    "inactivation_constant": "ng/mL",
    "enzyme_turnover": "1/h",
    "peripheral_volume": "L",
    "intercompartmental_clearance": "L/h",
}


def kinetic_values() -> dict[tuple[str, str], str]:
    return {(row["drug"], row["parameter"]): row["value"] for row in rows("kinetics")}


def molar_mass(formula: str) -> float:
    return sum(WEIGHTS[element] * int(count or 1) for element, count in re.findall(r"([A-Z][a-z]?)(\d*)", formula))


def test_there_are_kinetics_of_more_than_seventy_drugs() -> None:
    assert len(drug_names()) >= 100
    assert {r["drug"] for r in PUBLISHED} == set(drug_names())


def test_molar_masses_follow_from_the_formulas() -> None:
    values = kinetic_values()
    for name, formula in FORMULAS.items():
        expected = molar_mass(formula) / (2 if name == "lithium" else 1)  # mg of carbonate per mmol of lithium
        parent = next((drug for drug, (metabolite, *_) in METABOLITES.items() if metabolite == name), None)
        tabled = values[parent, "metabolite_molar_mass"] if parent else values[name, "molar_mass"]
        assert float(tabled) == pytest.approx(expected, abs=0.06), name


@pytest.mark.parametrize("drug", DAILY_DOSE)
def test_doses_and_binding_agree_with_their_publication(drug: str) -> None:
    values = kinetic_values()
    usual = float(values[drug, "usual_dose"])
    assert usual == USUAL.get(drug, DAILY_DOSE[drug])
    assert 0.5 <= usual / DAILY_DOSE[drug] <= 1.1
    if drug != "lithium":
        assert float(values[drug, "unbound_fraction"]) == UNBOUND[drug]


@pytest.mark.parametrize("drug", METABOLITES)
def test_metabolites_and_their_half_lives_are_the_published_ones(drug: str) -> None:
    values = kinetic_values()
    name, low, high, enzyme = METABOLITES[drug]
    assert (values[drug, "metabolite"], values[drug, "metabolite_formed_by"]) == (name, enzyme)
    rate = float(values[drug, "metabolite_clearance"]) / float(values[drug, "metabolite_volume"])
    assert low <= math.log(2) / rate <= high


def test_lithium_is_cleared_at_a_quarter_of_creatinine_clearance() -> None:
    values = kinetic_values()
    assert float(values["lithium", "clearance"]) == pytest.approx(0.25 * 100 * 60 / 1000)  # Thomsen & Schou 1968
    volume = float(values["lithium", "volume"]) + float(values["lithium", "peripheral_volume"])
    assert 0.5 <= volume / 70 <= 0.9  # L/kg, Bauer 2008
    assert shares("lithium") == {"renal": 1.0}


def test_units_are_those_of_the_parameter_and_shares_are_shares() -> None:
    for row in rows("kinetics"):
        parameter = row["parameter"]
        if parameter in UNITS:
            assert row["unit"] == UNITS[parameter]
            assert float(row["value"]) > 0
        else:
            assert row["unit"] == ""
        assert row["status"] in {"read", "derived", "recalled", "secondary", "assumed"}
        assert row["reference"]
    for drug in drug_names():
        assert sum(shares(drug).values()) <= 1.0 + 1e-12


#: AUC of poor over normal metabolisers that the share of an enzyme implies, and what has been published.
POOR_TO_NORMAL = {
    ("citalopram", "CYP2C19"): (1.9, 2.3),  # US label: +107 %
    ("escitalopram", "CYP2C19"): (2.4, 3.3),  # Jukic 2018 Am J Psychiatry 175:463: 3.3 fold
    ("sertraline", "CYP2C19"): (1.4, 2.7),  # Wang 2001 Clin Pharmacol Ther 70:42: +41 %; Braten 2020: 2.7 fold
    ("aripiprazole", "CYP2D6"): (1.6, 1.9),  # US label: +80 %
    ("risperidone", "CYP2D6"): (4.0, 7.0),  # parent alone: Bondolfi 2002
    ("atomoxetine", "CYP2D6"): (8.0, 11.0),  # Sauer 2003, CPIC 2019
    ("venlafaxine", "CYP2D6"): (3.5, 5.0),  # parent alone: Preskorn 2009
    ("haloperidol", "CYP2D6"): (1.4, 2.0),
    ("paroxetine", "CYP2D6"): (6.5, 7.5),  # one dose, Sindrup 1992: 3910 over 550
    ("duloxetine", "CYP2D6"): (1.3, 1.7),  # US label: AUC +60 % with paroxetine
    ("duloxetine", "CYP1A2"): (2.0, 5.6),  # US label: fluvoxamine, at most 5.6 fold
}


@pytest.mark.parametrize(("drug", "enzyme"), POOR_TO_NORMAL)
def test_shares_of_enzymes_give_the_published_ratio_of_poor_to_normal(drug: str, enzyme: str) -> None:
    low, high = POOR_TO_NORMAL[drug, enzyme]
    assert low <= 1 / (1 - shares(drug)[enzyme]) <= high


def test_paroxetine_alone_destroys_its_enzyme() -> None:
    values = kinetic_values()
    marks = {"inactivated_enzyme", "inactivation_rate", "inactivation_constant", "enzyme_turnover"}
    assert {drug for drug, parameter in values if parameter in marks} == {"paroxetine"}
    assert values["paroxetine", "inactivated_enzyme"] == "CYP2D6"
    # turnover half-life of CYP2D6 51 h (Venkatakrishnan & Obach 2005 Drug Metab Dispos 33:845)
    assert math.log(2) / float(values["paroxetine", "enzyme_turnover"]) == pytest.approx(51, rel=0.01)


def test_a_drug_without_kinetics_is_refused() -> None:
    with pytest.raises(NotFoundError, match="no kinetics for this drug"):
        kinetics("placebotine")


# -- against what has been published -----------------------------------------------------------------------------------


def test_a_figure_is_met_inside_its_range_and_a_single_one_within_a_fifth() -> None:
    assert Comparison("x", "tmax", 2, 4, 4).met
    assert not Comparison("x", "tmax", 2, 4, 4.1).met
    assert not Comparison("x", "tmax", 2, 4, 1.9).met
    assert Comparison("x", "tmax", 5, 5, 6).met
    assert not Comparison("x", "tmax", 5, 5, 6.1).met


def test_the_simulation_meets_published_kinetics() -> None:
    compared = compare(PUBLISHED)
    misses = [(c.drug, c.parameter, round(c.simulated, 2)) for c in compared if not c.met]
    assert len(compared) >= 250
    assert len(misses) <= 0.05 * len(compared), misses


@pytest.mark.parametrize(
    ("drug", "parameter", "phenotypes", "published"),
    [
        ("aripiprazole", "half-life", None, 75),
        ("aripiprazole", "half-life", {"CYP2D6": "poor"}, 146),
        ("duloxetine", "half-life", None, 12),
        ("duloxetine", "tmax", None, 6),
        ("atomoxetine", "half-life", None, 5.2),
    ],
)
def test_what_labels_print(
    drug: str, parameter: str, phenotypes: dict[str, str | float] | None, published: float
) -> None:
    assert simulated(drug, parameter, phenotypes) == pytest.approx(published, rel=0.1)


def _numbers(text: str) -> tuple[float, float] | None:
    """A printed range or value; several forms (``2, 3, 5``) span what they name."""
    found = [float(n) for n in re.findall(r"\d+(?:\.\d+)?", text.replace("–", "-"))]
    return (min(found), max(found)) if found else None


def _shared_figures() -> list[dict[str, str]]:
    """The shared rows that name a parent's half-life or time of peak, or the time to steady state."""
    figures = []
    for row in shared_rows("drugs/pk_reference.csv"):
        parameter, span = row["parameter"], _numbers(row["value"])
        if span is None or parameter not in {"half-life", "tmax", "time to steady state"}:
            continue
        if re.search(r"PM|transdermal|renal impairment|fluvoxamine|Tourette", row["population"]):
            continue
        if row["unit"] == "h" or parameter == "time to steady state":
            wider = _numbers(row["population"]) if "range" in row["population"] else None
            low, high = (min(span[0], wider[0]), max(span[1], wider[1])) if wider else span
            figures.append({"drug": row["drug"], "parameter": parameter, "low": str(low), "high": str(high)})
    return figures


def test_shared_kinetics_are_met() -> None:
    compared = compare(_shared_figures())
    misses = [(c.drug, c.parameter, c.low, c.high, round(c.simulated, 2)) for c in compared if not c.met]
    assert len(compared) >= 80
    assert len(misses) <= 0.15 * len(compared), misses


def test_shared_interactions_are_predicted() -> None:
    """Half of the measured ratios within a fifth, nine of ten within a factor of 2.2."""
    pairs = area_errors(shared_rows("drugs/auc_changes.csv"))
    errors = sorted(abs(math.log(predicted / measured)) for _, _, measured, predicted in pairs)
    assert len(errors) >= 90
    assert errors[len(errors) // 2] < 0.2
    assert errors[int(0.9 * len(errors))] < 0.8


# -- one kinetics in both rooms ----------------------------------------------------------------------------------------


def _simulated_ratios(drug: str, patient: Physiology) -> list[float]:
    """Steady state over that of the typical patient: sum first where levels are read so, then the parent."""
    parameters = kinetics(drug)
    dose = parameters.usual_dose
    with_, without = (steady_state_average(parameters, dose, patients=p) for p in (patient, Physiology.typical()))
    parent = float(with_[drug][0] / without[drug][0])
    if len(analytes(drug)) == 1:
        return [parent]
    return [float(sum(v[0] for v in with_.values()) / sum(v[0] for v in without.values())), parent]


@pytest.mark.parametrize("drug", drug_names())
def test_both_rooms_expect_the_same_of_every_phenotype(drug: str) -> None:
    for gene in (r for r in routes_counted(drug) if phenotype_activities(r)):
        for phenotype, activity in phenotype_activities(gene).items():
            patient = Physiology.typical(enzyme_activity({gene: phenotype}))
            expected = [r.ratio for r in ratios(drug, {gene: Activity(activity, activity, activity)})]
            assert expected == pytest.approx(_simulated_ratios(drug, patient), rel=1e-9)


@pytest.mark.parametrize("drug", drug_names())
def test_both_rooms_expect_the_same_beside_every_other_drug(drug: str) -> None:
    for other in all_modulators():
        activity = under_comedication(drug, (other,))
        if activity:
            patient = Physiology.typical(enzyme_activity(None, {route: a.point for route, a in activity.items()}))
            expected = [r.ratio for r in ratios(drug, activity)]
            assert expected == pytest.approx(_simulated_ratios(drug, patient), rel=1e-9), other


def test_several_drugs_on_several_routes_combine() -> None:
    """Fluconazole takes CYP2C19 and part of CYP3A4, paroxetine CYP2D6; the rest of citalopram goes by the kidney."""
    activity = under_comedication("citalopram", ("fluconazole", "paroxetine"))
    f = shares("citalopram")
    left = 1 - sum(f[r] * (1 - activity[r].point) for r in ("CYP2C19", "CYP3A4", "CYP2D6"))
    assert ratios("citalopram", activity)[0].ratio == pytest.approx(1 / left)
    one = ratios("citalopram", under_comedication("citalopram", ("fluconazole",)))[0]
    assert ratios("citalopram", activity)[0].ratio > one.ratio > 2


def test_the_kidney_clears_its_share_in_both_rooms() -> None:
    for drug in ("lithium", "pregabalin", "milnacipran", "paliperidone"):
        patient = Physiology.typical(creatinine_clearance=30.0)
        expected = ratios(drug, {"renal": Activity(0.3, 0.3, 0.3)})[-1].ratio
        assert _simulated_ratios(drug, patient)[-1] == pytest.approx(expected, rel=1e-9)
    assert ratios("lithium", {"renal": Activity(0.3, 0.3, 0.3)})[0].ratio == pytest.approx(1 / 0.3)


@pytest.mark.parametrize("drug", ["olanzapine", "clozapine", "risperidone", "lithium"])
def test_no_interval_is_a_point(drug: str) -> None:
    for ratio in ratios(drug, {}):
        assert ratio.ratio == pytest.approx(1)
        assert ratio.low < 0.8
        assert ratio.high > 1.25


def test_smokers_clear_what_cyp1a2_clears_faster() -> None:
    """Labels: olanzapine about -30 %, duloxetine a third, fluvoxamine's clearance +25 %; clozapine -40 % (Seppala)."""
    for drug, published in {"olanzapine": 0.7, "duloxetine": 0.67, "fluvoxamine": 0.8, "clozapine": 0.6}.items():
        ratio = ratios(drug, under_comedication(drug, ("tobacco smoking",)))[0]
        assert ratio.ratio == pytest.approx(published, abs=0.03)
        assert ratio.low < published < ratio.high


def test_times_are_finite_for_every_drug() -> None:
    assert all(np.isfinite(simulated(drug, "half-life")) for drug in drug_names())


def test_a_drug_that_destroys_its_enzyme_is_judged_at_steady_state() -> None:
    """Paroxetine: seven times after one dose (Sindrup 1992), at steady state less than twice and a half."""
    poor = ratios("paroxetine", {"CYP2D6": Activity(0.0, 0.0, 0.0)})[0]
    assert 1.3 < poor.ratio < 2.5
    assert poor.low < poor.ratio < poor.high
