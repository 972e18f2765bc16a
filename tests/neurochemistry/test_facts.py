"""The room's tables, entered or checked a second time: affinities, densities, ensemble, enzymes, nuclei, occupancy,
pharmacokinetics, projections, regions, transporters.

Second entries were typed from memory of the publications named beside them, not copied from the tables. Reference
collections outside the repository are compared where they lie beside the checkout.
"""

import csv
import hashlib
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from novamind.neurochemistry import reference
from novamind.neurochemistry.dynamics import PRIOR
from novamind.neurochemistry.reference import LEAVES, table

REFERENCE = Path(reference.__file__).parent / "reference"
TABLES = sorted(REFERENCE.glob("*.csv"))
KEPT = Path(__file__).parents[3] / "shared" / "data"


def manifest() -> dict[str, dict[str, str]]:
    with (Path(__file__).parent / "facts" / "manifest.csv").open(encoding="utf-8") as stream:
        return {row["table"]: row for row in csv.DictReader(stream)}


def kept(name: str) -> list[dict[str, str]]:
    path = KEPT / name
    if not path.exists():
        pytest.skip(f"the reference collection {name} does not lie beside this checkout")
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_table_is_the_one_that_was_checked(path: Path) -> None:
    row = manifest()[path.name]
    message = f"facts changed in {path.name}: check them again at their source and renew the manifest"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"], message
    assert len(path.read_text("utf-8").splitlines()) - 1 == int(row["rows"]), message
    assert row["checked_against"].strip()


def test_no_table_is_missing_from_the_manifest() -> None:
    assert sorted(manifest()) == [path.name for path in TABLES]


def test_every_row_has_every_column_and_no_fact_stands_twice() -> None:
    keys = {
        "affinities": ("compound", "target"),
        "densities": ("region", "receptor"),
        "enzymes": ("enzyme", "kind", "term"),
        "nuclei": ("transmitter", "nucleus"),
        "occupancy": ("drug", "target", "quantity"),
        "pharmacokinetics": ("drug", "parameter"),
        "projections": ("transmitter", "source_region", "target_region"),
        "regions": ("region",),
        "transporters": ("transporter", "region"),
    }
    for name, columns in keys.items():
        rows = [tuple(row[column] for column in columns) for row in table(name)]
        assert len(set(rows)) == len(rows), name
        assert all(None not in row.values() and None not in row for row in table(name)), name


# -- affinities --------------------------------------------------------------------------------------------------------

#: Dissociation constants at the human transporters, nM: SERT, NET, DAT (Tatsumi 1997 Eur J Pharmacol 340:249, table 1).
TATSUMI = {
    "citalopram": (1.16, 4070, 28100),
    "fluoxetine": (0.81, 240, 3600),
    "paroxetine": (0.13, 40, 490),
    "sertraline": (0.29, 420, 25),
    "venlafaxine": (8.9, 1060, 9300),
    "bupropion": (9100, 52000, 520),
}
#: Other constants that decide what a drug holds, nM, each from its own publication.
DECISIVE = {
    ("duloxetine", "SERT"): (0.8, "Bymaster 2001 Neuropsychopharmacology 25:871"),
    ("duloxetine", "NET"): (7.5, "Bymaster 2001 Neuropsychopharmacology 25:871"),
    ("atomoxetine", "NET"): (5, "Bymaster 2002 Neuropsychopharmacology 27:699"),
    ("atomoxetine", "SERT"): (77, "Bymaster 2002 Neuropsychopharmacology 27:699"),
    ("atomoxetine", "DAT"): (1451, "Bymaster 2002 Neuropsychopharmacology 27:699"),
    ("O-desmethylvenlafaxine", "SERT"): (40.2, "Deecher 2006 J Pharmacol Exp Ther 318:657"),
    ("O-desmethylvenlafaxine", "NET"): (558.4, "Deecher 2006 J Pharmacol Exp Ther 318:657"),
    ("norquetiapine", "NET"): (58, "Jensen 2008 Neuropsychopharmacology 33:2303"),
    ("norquetiapine", "H1"): (3.4, "Jensen 2008 Neuropsychopharmacology 33:2303"),
    ("olanzapine", "D2"): (11, "Bymaster 1996 Neuropsychopharmacology 14:87"),
    ("olanzapine", "5-HT2A"): (4, "Bymaster 1996 Neuropsychopharmacology 14:87"),
    ("olanzapine", "5-HT2C"): (11, "Bymaster 1996 Neuropsychopharmacology 14:87"),
    ("olanzapine", "H1"): (7, "Bymaster 1996 Neuropsychopharmacology 14:87"),
    ("olanzapine", "M1"): (1.9, "Bymaster 1996 Neuropsychopharmacology 14:87"),
    ("olanzapine", "alpha1"): (19, "Bymaster 1996 Neuropsychopharmacology 14:87"),
    ("haloperidol", "D2"): (2.6, "Richelson & Souder 2000 Life Sci 68:29"),
    ("haloperidol", "5-HT2A"): (61, "Richelson & Souder 2000 Life Sci 68:29"),
    ("haloperidol", "alpha1"): (17, "Richelson & Souder 2000 Life Sci 68:29"),
    ("haloperidol", "H1"): (260, "Richelson & Souder 2000 Life Sci 68:29"),
    ("risperidone", "5-HT2A"): (0.15, "Richelson & Souder 2000 Life Sci 68:29"),
    ("risperidone", "5-HT2C"): (32, "Richelson & Souder 2000 Life Sci 68:29"),
    ("quetiapine", "D2"): (770, "Richelson & Souder 2000 Life Sci 68:29"),
    ("quetiapine", "5-HT2A"): (31, "Richelson & Souder 2000 Life Sci 68:29"),
    ("quetiapine", "alpha1"): (8.1, "Richelson & Souder 2000 Life Sci 68:29"),
    ("quetiapine", "H1"): (19, "Richelson & Souder 2000 Life Sci 68:29"),
    ("fluoxetine", "5-HT2C"): (55.4, "Palvimaki 1996 Psychopharmacology 126:234"),
    ("citalopram", "5-HT2C"): (298, "Palvimaki 1996 Psychopharmacology 126:234"),
    ("sertraline", "alpha1"): (370, "Cusack 1994 Psychopharmacology 114:559"),
    ("sertraline", "H1"): (24000, "Cusack 1994 Psychopharmacology 114:559"),
    ("fluoxetine", "alpha1"): (5900, "Cusack 1994 Psychopharmacology 114:559"),
    ("fluoxetine", "H1"): (6200, "Cusack 1994 Psychopharmacology 114:559"),
    ("paroxetine", "H1"): (22000, "Cusack 1994 Psychopharmacology 114:559"),
    ("bupropion", "H1"): (6700, "Cusack 1994 Psychopharmacology 114:559"),
    ("bupropion", "alpha1"): (4600, "Cusack 1994 Psychopharmacology 114:559"),
}
#: Maximal effect relative to the full agonist, where a partial agonist is marketed for it.
PARTIAL = {
    ("aripiprazole", "D2"): 0.25,  # Burris 2002 J Pharmacol Exp Ther 302:381, cells without spare receptors
    ("dehydroaripiprazole", "D2"): 0.25,  # US label: as the parent
    ("aripiprazole", "5-HT1A"): 0.7,  # Jordan 2002 Eur J Pharmacol 441:137
    ("quetiapine", "5-HT1A"): 0.3,
    ("norquetiapine", "5-HT1A"): 0.3,  # Jensen 2008
}


def affinities() -> dict[tuple[str, str], dict[str, str]]:
    return {(row["compound"], row["target"]): row for row in table("affinities")}


@pytest.mark.parametrize("drug", TATSUMI)
def test_affinities_to_the_transporters_are_those_of_tatsumi(drug: str) -> None:
    for target, value in zip(("SERT", "NET", "DAT"), TATSUMI[drug], strict=True):
        row = affinities()[drug, target]
        assert (row["relation"], row["unit"]) == ("=", "nM")
        # the table holds two figures where the paper prints three
        assert float(row["affinity"]) == pytest.approx(value, rel=0.04)


@pytest.mark.parametrize(("compound", "target"), DECISIVE)
def test_decisive_affinities_agree_with_their_publication(compound: str, target: str) -> None:
    row = affinities()[compound, target]
    assert (row["relation"], row["unit"]) == ("=", "nM")
    assert float(row["affinity"]) == pytest.approx(DECISIVE[compound, target][0], rel=0.02)


def test_only_partial_agonists_have_an_intrinsic_activity() -> None:
    assert {pair: float(row["intrinsic_activity"]) for pair, row in affinities().items()} == {
        pair: PARTIAL.get(pair, 0.0) for pair in affinities()
    }


def test_reuptake_inhibitors_hold_first_what_they_are_named_for() -> None:
    """Selectivity for serotonin over noradrenaline as every text book orders it (Owens 1997, Tatsumi 1997)."""
    affinity = {pair: float(row["affinity"]) for pair, row in affinities().items()}
    for drug in ("citalopram", "escitalopram", "fluoxetine", "paroxetine", "sertraline", "venlafaxine", "duloxetine"):
        assert affinity[drug, "SERT"] < affinity[drug, "NET"]
        assert affinity[drug, "SERT"] < affinity[drug, "DAT"]
    assert affinity["atomoxetine", "NET"] < affinity["atomoxetine", "SERT"] < affinity["atomoxetine", "DAT"]
    assert affinity["bupropion", "DAT"] < affinity["bupropion", "SERT"]
    for drug in ("risperidone", "olanzapine", "quetiapine"):  # atypical: 5-HT2A before D2 (Meltzer 1989)
        assert affinity[drug, "5-HT2A"] < affinity[drug, "D2"]
    assert affinity["haloperidol", "D2"] < affinity["haloperidol", "5-HT2A"]
    assert affinity["aripiprazole", "D2"] < affinity["aripiprazole", "5-HT2A"]


def test_affinities_agree_with_the_kept_reference_table() -> None:
    names = {"paliperidone": "9-hydroxyrisperidone"}
    compared = 0
    values: dict[tuple[str, str], list[tuple[str, float, float]]] = {}
    for row in kept("neuro/drug_affinity.csv"):
        drug = re.split(r"\W*[(,]", row["drug"])[0].strip()
        figure = re.fullmatch(r"(>?)([\d.]+)", row["Ki_or_Kd"])
        if figure:
            tolerance = 1e-9 if row["source_read"] == "yes" else 0.05
            entry = (figure[1] or "=", float(figure[2]), tolerance)
            values.setdefault((names.get(drug, drug), row["target"]), []).append(entry)
    for pair, row in affinities().items():
        if pair in values:
            assert any(
                row["relation"] == relation and math.isclose(float(row["affinity"]), value, rel_tol=tolerance)
                for relation, value, tolerance in values[pair]
            ), pair
            compared += 1
    assert compared >= 100


# -- kinetics ----------------------------------------------------------------------------------------------------------

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

#: Therapeutic reference ranges (Hiemke 2018 Pharmacopsychiatry 51:9, table 4), and the unit they are printed in.
#: Lamotrigine from 2.5 (Patsalos 2008 Epilepsia 49:1239; Hiemke prints 3).
RANGES = {
    "citalopram": (50, 110, "ng/mL"),
    "escitalopram": (15, 80, "ng/mL"),
    "sertraline": (10, 150, "ng/mL"),
    "fluoxetine": (120, 500, "ng/mL"),
    "paroxetine": (20, 65, "ng/mL"),
    "venlafaxine": (100, 400, "ng/mL"),
    "duloxetine": (30, 120, "ng/mL"),
    "bupropion": (850, 1500, "ng/mL"),
    "quetiapine": (100, 500, "ng/mL"),
    "aripiprazole": (100, 350, "ng/mL"),
    "risperidone": (20, 60, "ng/mL"),
    "haloperidol": (1, 10, "ng/mL"),
    "olanzapine": (20, 80, "ng/mL"),
    "atomoxetine": (200, 1000, "ng/mL"),
    "lamotrigine": (2.5, 15, "mg/L"),
    "valproate": (50, 100, "mg/L"),
    "lithium": (0.5, 1.2, "mmol/L"),
}
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
#: Half-life of the parent in hours: what its label or review prints, widened to the range across studies.
HALF_LIFE = {
    "citalopram": (33, 37),
    "escitalopram": (27, 35),
    "sertraline": (24, 28),
    "fluoxetine": (84, 108),
    "paroxetine": (13, 16),  # after one dose, before it inactivates CYP2D6
    "venlafaxine": (3, 5),
    "duloxetine": (8, 19),
    "bupropion": (19, 23),
    "quetiapine": (5, 7),
    "aripiprazole": (40, 94),
    "risperidone": (3, 5),
    "haloperidol": (20, 26),
    "olanzapine": (29, 35),
    "atomoxetine": (3, 6),
    "lamotrigine": (20, 33),
    "valproate": (9, 16),
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
    return {(row["drug"], row["parameter"]): row["value"] for row in table("pharmacokinetics")}


def molar_mass(formula: str) -> float:
    return sum(WEIGHTS[element] * int(count or 1) for element, count in re.findall(r"([A-Z][a-z]?)(\d*)", formula))


def test_the_drugs_are_these_seventeen() -> None:
    assert {drug for drug, _ in kinetic_values()} == set(RANGES)


def test_molar_masses_follow_from_the_formulas() -> None:
    values = kinetic_values()
    for name, formula in FORMULAS.items():
        expected = molar_mass(formula) / (2 if name == "lithium" else 1)  # mg of carbonate per mmol of lithium
        parent = next((drug for drug, (metabolite, *_) in METABOLITES.items() if metabolite == name), None)
        tabled = values[parent, "metabolite_molar_mass"] if parent else values[name, "molar_mass"]
        assert float(tabled) == pytest.approx(expected, abs=0.06), name


@pytest.mark.parametrize("drug", RANGES)
def test_reference_ranges_doses_and_binding_agree_with_their_publication(drug: str) -> None:
    values = kinetic_values()
    low, high, unit = RANGES[drug]
    assert (float(values[drug, "range_low"]), float(values[drug, "range_high"])) == (low, high)
    assert values[drug, "concentration_unit"] == unit
    units = {row["parameter"]: row["unit"] for row in table("pharmacokinetics") if row["drug"] == drug}
    assert units["range_low"] == units["range_high"] == unit
    usual = float(values[drug, "usual_dose"])
    assert usual == USUAL.get(drug, DAILY_DOSE[drug])
    assert 0.5 <= usual / DAILY_DOSE[drug] <= 1.1
    if drug != "lithium":
        assert float(values[drug, "unbound_fraction"]) == UNBOUND[drug]


@pytest.mark.parametrize("drug", HALF_LIFE)
def test_half_lives_lie_where_they_are_published(drug: str) -> None:
    values = kinetic_values()
    low, high = HALF_LIFE[drug]
    assert low <= math.log(2) * float(values[drug, "volume"]) / float(values[drug, "clearance"]) <= high


@pytest.mark.parametrize("drug", METABOLITES)
def test_metabolites_and_their_half_lives_are_the_published_ones(drug: str) -> None:
    values = kinetic_values()
    name, low, high, enzyme = METABOLITES[drug]
    assert (values[drug, "metabolite"], values[drug, "metabolite_formed_by"]) == (name, enzyme)
    rate = float(values[drug, "metabolite_clearance"]) / float(values[drug, "metabolite_volume"])
    assert low <= math.log(2) / rate <= high
    assert {other for other, parameter in values if parameter == "metabolite"} == set(METABOLITES)


def test_lithium_is_cleared_at_a_quarter_of_creatinine_clearance() -> None:
    values = kinetic_values()
    assert float(values["lithium", "clearance"]) == pytest.approx(0.25 * 100 * 60 / 1000)  # Thomsen & Schou 1968
    volume = float(values["lithium", "volume"]) + float(values["lithium", "peripheral_volume"])
    assert 0.5 <= volume / 70 <= 0.9  # L/kg, Bauer 2008
    assert {parameter for drug, parameter in values if drug == "lithium" and "fraction_by" in parameter} == {
        "fraction_by_renal"
    }


def test_units_are_those_of_the_parameter_and_shares_are_shares() -> None:
    for row in table("pharmacokinetics"):
        parameter = row["parameter"]
        if parameter.startswith("fraction_by"):
            assert row["unit"] == "fraction"
            assert 0 < float(row["value"]) <= 1
        elif parameter in UNITS:
            assert row["unit"] == UNITS[parameter]
        elif not parameter.startswith("range"):
            assert row["unit"] == ""
    for drug in RANGES:
        shares = [float(v) for (name, p), v in kinetic_values().items() if name == drug and p.startswith("fraction_by")]
        assert sum(shares) <= 1.0 + 1e-12


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
    assert low <= 1 / (1 - float(kinetic_values()[drug, f"fraction_by_{enzyme}"])) <= high


def test_paroxetine_alone_destroys_its_enzyme() -> None:
    values = kinetic_values()
    marks = {"inactivated_enzyme", "inactivation_rate", "inactivation_constant", "enzyme_turnover"}
    assert {drug for drug, parameter in values if parameter in marks} == {"paroxetine"}
    assert values["paroxetine", "inactivated_enzyme"] == "CYP2D6"
    # turnover half-life of CYP2D6 51 h (Venkatakrishnan & Obach 2005 Drug Metab Dispos 33:845)
    assert math.log(2) / float(values["paroxetine", "enzyme_turnover"]) == pytest.approx(51, rel=0.01)


def test_symptoms_are_given_for_antidepressants_and_antipsychotics_only() -> None:
    domains = {drug: value for (drug, parameter), value in kinetic_values().items() if parameter == "symptom_domain"}
    antidepressants = [
        "citalopram",
        "escitalopram",
        "sertraline",
        "fluoxetine",
        "paroxetine",
        "venlafaxine",
        "duloxetine",
    ]
    antipsychotics = ["quetiapine", "aripiprazole", "risperidone", "haloperidol", "olanzapine"]
    assert domains == dict.fromkeys(antidepressants, "depression") | dict.fromkeys(antipsychotics, "psychosis")


def test_ranges_agree_with_the_kept_reference_table() -> None:
    values, compared = kinetic_values(), 0
    limits: dict[str, set[tuple[float, float]]] = {}
    for row in kept("drugs/therapeutic_ranges.csv"):
        if row["low"] and row["high"]:
            limits.setdefault(row["drug"], set()).add((float(row["low"]), float(row["high"])))
    for drug in RANGES:
        if drug in limits and drug not in {"aripiprazole", "lithium", "bupropion"}:  # other analyte or other edition
            assert (float(values[drug, "range_low"]), float(values[drug, "range_high"])) in limits[drug], drug
            compared += 1
    assert compared >= 9


# -- occupancy ---------------------------------------------------------------------------------------------------------

#: In-vivo anchors: EC50 and plateau as published.
ANCHORS = {
    ("citalopram", "SERT", "ec50_dose"): (3.4, "mg/day", "Meyer 2004 Am J Psychiatry 161:826"),
    ("fluoxetine", "SERT", "ec50_dose"): (2.7, "mg/day", "Meyer 2004 Am J Psychiatry 161:826"),
    ("sertraline", "SERT", "ec50_dose"): (9.1, "mg/day", "Meyer 2004 Am J Psychiatry 161:826"),
    ("paroxetine", "SERT", "ec50_dose"): (5.0, "mg/day", "Meyer 2004 Am J Psychiatry 161:826"),
    ("venlafaxine", "SERT", "ec50_dose"): (5.8, "mg/day", "Meyer 2004 Am J Psychiatry 161:826"),
    ("escitalopram", "SERT", "ec50_dose"): (3.4 / 2, "mg/day", "half of citalopram: one enantiomer binds"),
    ("paroxetine", "SERT", "maximum"): (0.85, "fraction", "Meyer 2001 Am J Psychiatry 158:1843"),
    ("duloxetine", "SERT", "ec50_plasma"): (3.7, "ng/mL", "Takano 2006 Psychopharmacology 185:395"),
    ("duloxetine", "NET", "ec50_plasma"): (58, "ng/mL", "Moriguchi 2017 Int J Neuropsychopharmacol 20:957"),
    ("duloxetine", "NET", "maximum"): (1.0, "fraction", "Moriguchi 2017"),
    ("aripiprazole", "D2", "ec50_plasma"): ((5 + 10) / 2, "ng/mL", "Grunder 2008 Am J Psychiatry 165:988"),
    ("aripiprazole", "D2", "maximum"): (1.0, "fraction", "Grunder 2008"),
    ("risperidone", "D2", "maximum"): (0.88, "fraction", "Kapur 1999 Am J Psychiatry 156:286"),
    ("olanzapine", "D2", "maximum"): (0.90, "fraction", "Kapur 1999 Am J Psychiatry 156:286"),
    ("haloperidol", "D2", "ec50_plasma"): (0.51, "ng/mL", "Fitzgerald 2000 Psychopharmacology 149:1"),
    ("haloperidol", "D2", "maximum"): (0.95, "fraction", "Fitzgerald 2000 Psychopharmacology 149:1"),
}


def test_occupancy_anchors_agree_with_their_publication() -> None:
    tabled = {(r["drug"], r["target"], r["quantity"]): (float(r["value"]), r["unit"]) for r in table("occupancy")}
    for key, (value, unit, _) in ANCHORS.items():
        assert tabled[key] == (pytest.approx(value), unit), key
    plateau = {key for key in tabled if key[1:] == ("SERT", "maximum") and key[0] != "paroxetine"}
    assert {tabled[key] for key in plateau} == {(0.9, "fraction")}  # Voineskos 2007
    assert set(tabled) == set(ANCHORS) | plateau | {
        ("risperidone", "D2", "ec50_plasma"),
        ("olanzapine", "D2", "ec50_plasma"),
    }


def test_d2_occupancy_by_dose_is_that_of_the_pet_studies() -> None:
    """Kapur 1999: risperidone 2, 4, 6 mg hold 66, 73, 79 %; olanzapine 10, 15, 20 mg 71, 76, 80 % after 12 h."""
    from novamind.neurochemistry.occupancy import occupancy
    from novamind.neurochemistry.pharmacokinetics import kinetics, steady_state_average

    for drug, by_dose in {"risperidone": {2: 66, 4: 73, 6: 79}, "olanzapine": {10: 71, 15: 76, 20: 80}}.items():
        for dose, percent in by_dose.items():
            share = occupancy({drug: steady_state_average(kinetics(drug), dose)}).occupied["D2"][0]
            assert 100 * share == pytest.approx(percent, abs=6), (drug, dose)


# -- enzymes -----------------------------------------------------------------------------------------------------------

#: Activity score of the CPIC term over the two of two normal alleles (Caudle 2020 Clin Transl Sci 13:116), or the
#: count of functional alleles; *17 and *4 add a fifth each. CYP2B6 and CYP3A4 are assumptions.
ACTIVITY = {
    "CYP2D6": {"Poor": 0.0, "Intermediate": (0.25 + 1.25) / 2 / 2, "Normal": 1.0, "Ultrarapid": 4 / 2},
    "CYP2C19": {"Poor": 0.0, "Intermediate": 1 / 2, "Normal": 1.0, "Rapid": 1 + 0.2, "Ultrarapid": 1 + 2 * 0.2},
    "CYP2B6": {"Poor": 0.3, "Intermediate": (1 + 0.3) / 2, "Normal": 1.0, "Rapid": 1 + 0.2, "Ultrarapid": 1 + 2 * 0.2},
    "CYP3A4": {"Poor": 0.5, "Intermediate": 0.8, "Normal": 1.0},
}
#: Fold increase of the AUC of a sensitive substrate (FDA 2020, Clinical Drug Interaction Studies).
INHIBITION = {"strong": (5.0, math.inf), "moderate": (2.0, 5.0), "weak": (1.25, 2.0)}


def test_activities_of_enzymes_follow_the_scores_and_the_classes_of_inhibitors() -> None:
    phenotypes: dict[str, dict[str, float]] = {}
    inhibitors: dict[str, dict[str, float]] = {}
    for row in table("enzymes"):
        if row["kind"] == "phenotype":
            word = row["term"].removesuffix(" Metabolizer")
            assert word != row["term"]
            phenotypes.setdefault(row["enzyme"], {})[word] = float(row["activity"])
        elif row["kind"] == "inhibitor":
            word = row["term"].removesuffix(" inhibitor")
            inhibitors.setdefault(row["enzyme"], {})[word] = float(row["activity"])
        else:
            assert (row["enzyme"], row["term"]) == ("CYP1A2", "smoker")
            assert float(row["activity"]) == 1.38  # Spigset 1995: smokers clear a third more fluvoxamine
    assert phenotypes == {enzyme: pytest.approx(terms) for enzyme, terms in ACTIVITY.items()}
    assert set(inhibitors) == {"CYP1A2", "CYP2B6", "CYP2C19", "CYP2D6", "CYP3A4"}
    for terms in inhibitors.values():
        assert set(terms) == set(INHIBITION)
        for word, (low, high) in INHIBITION.items():
            assert low <= 1 / terms[word] < high
        assert terms == {"strong": 0.05, "moderate": 0.35, "weak": 0.65}


# -- regions, nuclei, transporters, projections ------------------------------------------------------------------------


def test_nuclei_supply_what_anatomy_says() -> None:
    """Dahlstrom & Fuxe 1964 (B, A6, A9, A10); Bjorklund & Dunnett 2007."""
    rows = {row["nucleus"]: row for row in table("nuclei")}
    assert {name: row["transmitter"] for name, row in rows.items()} == {
        "raphe_nuclei": "serotonin",
        "locus_coeruleus": "norepinephrine",
        "substantia_nigra": "dopamine",
        "ventral_tegmental_area": "dopamine",
    }
    assert {name: row["weighted_by"] for name, row in rows.items()} == {
        "raphe_nuclei": "SERT",
        "locus_coeruleus": "NET",
        "substantia_nigra": "DAT",
        "ventral_tegmental_area": "DAT NET",  # NET clears dopamine where DAT is sparse: Moron 2002
    }
    assert rows["raphe_nuclei"]["targets"] == rows["locus_coeruleus"]["targets"] == "*"
    nigral = set(rows["substantia_nigra"]["targets"].split())
    limbic = set(rows["ventral_tegmental_area"]["targets"].split())
    assert nigral == {"caudate", "putamen", "pallidum"}
    cortex = ["prefrontal", "orbitofrontal", "anterior_cingulate", "parietal", "temporal"]
    assert limbic == {f"{name}_cortex" for name in cortex} | {
        "insula",
        "hippocampus",
        "amygdala",
        "nucleus_accumbens",
        "thalamus",
        "hypothalamus",
    }


def test_volumes_and_parts_of_the_basal_ganglia() -> None:
    """Volumes per hemisphere, mL, within a tenth of adult norms (Potvin 2016 NeuroImage 134:157)."""
    rows = {row["region"]: row for row in table("regions")}
    norms = {"nucleus_accumbens": 0.55, "caudate": 3.6, "putamen": 5.0, "pallidum": 1.7, "substantia_nigra": 0.5}
    assert {name: float(row["volume"]) for name, row in rows.items() if row["volume"]} == pytest.approx(norms, rel=0.05)
    assert all((row["unit"] == "mL") is bool(row["volume"]) for row in rows.values())
    parts = {name: set(row["parts"].split()) for name, row in rows.items() if row["kind"] == "composite"}
    assert parts == {
        "striatum": {"caudate", "putamen", "nucleus_accumbens"},
        "dorsal_striatum": {"caudate", "putamen"},
        "ventral_striatum": {"nucleus_accumbens"},
        "basal_ganglia": {"caudate", "putamen", "nucleus_accumbens", "pallidum", "substantia_nigra"},
    }
    assert [name for name, row in rows.items() if row["kind"] == "unmapped"] == ["pituitary"]
    assert len(LEAVES) == 21


def test_transporters_are_densest_where_autoradiography_finds_them() -> None:
    grades: dict[str, dict[str, int]] = {}
    for row in table("transporters"):
        grades.setdefault(row["transporter"], {})[row["region"]] = int(row["grade"])
    assert all(set(by) == set(LEAVES) for by in grades.values())
    assert {name: {leaf for leaf, grade in by.items() if grade == 4} for name, by in grades.items()} == {
        "SERT": {"raphe_nuclei"},  # Varnas 2004
        "NET": {"locus_coeruleus"},  # Charnay 1995
        "DAT": {"nucleus_accumbens", "caudate", "putamen"},  # Ciliax 1999
    }
    absent = {name: {leaf for leaf, grade in by.items() if grade == 0} for name, by in grades.items()}
    assert absent["SERT"] == {"cerebellum"}
    assert absent["NET"] == {"caudate", "putamen", "pallidum"}
    assert {"cerebellum", "hippocampus", "prefrontal_cortex", "occipital_cortex"} <= absent["DAT"]
    cortex = [leaf for leaf in LEAVES if leaf.endswith("cortex") or leaf == "insula"]
    for grade in (grades["SERT"][leaf] for leaf in ("thalamus", "amygdala", "putamen", "hypothalamus")):
        assert grade > max(grades["SERT"][leaf] for leaf in cortex)


def test_transporter_grades_follow_the_kept_pet_maps() -> None:
    rows = {row["region"].lower(): row for row in kept("neuro/region_receptor_density_raw.csv")}
    for transporter, least in (("SERT", 0.6), ("DAT", 0.6)):
        grades, values = [], []
        for row in table("transporters"):
            figure = rows.get(row["region"], {}).get(transporter, "")
            if row["transporter"] == transporter and figure:
                grades.append(int(row["grade"]))
                values.append(float(figure))
        assert len(grades) >= 12
        assert stats.spearmanr(grades, values).statistic > least


def test_densities_are_means_over_the_kept_autoradiography() -> None:
    names = {"5-HT1A": "5-HT1a", "5-HT2A": "5-HT2", "alpha1": "a1", "alpha2": "a2", "M1": "m1", "GABA-A": "GABAa"}
    areas = {row["area"]: row for row in kept("neuro/autoradiography_44areas_15receptors_fmol_per_mg.csv")}
    for row in table("densities"):
        members = row["source"].partition("over areas ")[2].split()
        column = names.get(row["receptor"], row["receptor"])
        mean = np.mean([float(areas[member][column]) for member in members])
        assert float(row["density"]) == pytest.approx(mean, abs=0.51), (row["region"], row["receptor"])


def test_densities_name_transmitter_effect_and_unit_of_their_receptor() -> None:
    """IUPHAR/BPS Guide to Pharmacology: Gi couples inhibit; Gs, Gq and cation channels excite; GABA-A inhibits."""
    coupling = {
        "5-HT1A": ("serotonin", "inhibitory"),
        "5-HT2A": ("serotonin", "excitatory"),
        "D1": ("dopamine", "excitatory"),
        "alpha1": ("norepinephrine", "excitatory"),
        "alpha2": ("norepinephrine", "inhibitory"),
        "M1": ("acetylcholine", "excitatory"),
        "GABA-A": ("gaba", "inhibitory"),
        "AMPA": ("glutamate", "excitatory"),
        "NMDA": ("glutamate", "excitatory"),
    }
    regions = {"prefrontal_cortex", "orbitofrontal_cortex", "anterior_cingulate_cortex", "parietal_cortex"}
    regions |= {"temporal_cortex", "occipital_cortex"}
    for receptor, meaning in coupling.items():
        rows = [row for row in table("densities") if row["receptor"] == receptor]
        assert {(row["transmitter"], row["receptor_type"]) for row in rows} == {meaning}
        assert {row["region"] for row in rows} == regions
        assert {row["unit"] for row in rows} == {"fmol/mg protein"}
    assert len(table("densities")) == 6 * len(coupling)


def test_cortico_cortical_and_thalamo_cortical_projections_are_reciprocal() -> None:
    """Sherman & Guillery 2006; Barbas 2000: cortex answers cortex and thalamus with like strength."""
    grades = {
        (row["source_region"], row["target_region"]): int(row["grade"])
        for row in table("projections")
        if row["transmitter"] == "glutamate"
    }
    cortical = {leaf for leaf in LEAVES if leaf.endswith("cortex")} | {"insula", "thalamus", "hippocampus", "amygdala"}
    for (source, target), grade in grades.items():
        if {source, target} <= cortical and (source, target) != ("hippocampus", "prefrontal_cortex"):
            assert grades[target, source] == grade, (source, target)
    assert ("prefrontal_cortex", "hippocampus") not in grades  # no direct way back: Aggleton 2012


def test_projections_of_the_other_transmitters_start_in_their_cells() -> None:
    """Cells of origin (Nieuwenhuys 1985, Chemoarchitecture of the Brain)."""
    origin: dict[str, set[str]] = {}
    for row in table("projections"):
        origin.setdefault(row["transmitter"], set()).add(row["source_region"])
        assert int(row["grade"]) in {1, 2, 3}
        assert row["source_region"] != row["target_region"]
        assert {row["source_region"], row["target_region"]} <= set(LEAVES)
    assert origin["histamine"] == origin["endorphins"] == origin["oxytocin"] == {"hypothalamus"}
    assert origin["acetylcholine"] == {"brain_stem"}
    assert origin["gaba"] == {"caudate", "putamen", "nucleus_accumbens", "pallidum", "substantia_nigra", "cerebellum"}
    assert origin["substance_p"] == {"caudate", "putamen", "nucleus_accumbens", "amygdala"}
    assert "substantia_nigra" not in origin["glutamate"]
    assert set(origin) == {"glutamate", "gaba", "acetylcholine", "histamine", "endorphins", "substance_p", "oxytocin"}


# -- ensemble ----------------------------------------------------------------------------------------------------------


def test_the_ensemble_has_200_different_sets_over_every_parameter() -> None:
    rows = table("ensemble")
    assert list(rows[0]) == list(PRIOR)
    values = np.array([[float(row[name]) for name in PRIOR] for row in rows])
    assert values.shape == (200, len(PRIOR))
    for column, (low, high, _) in zip(values.T, PRIOR.values(), strict=True):
        assert low <= column.min() < column.max() <= high
        assert len(np.unique(column)) > 195


def test_every_set_of_the_ensemble_was_drawn_from_seed_0_in_this_order() -> None:
    """The draws alone, without the checks that chose among them (see test_surrogate.py for these)."""
    rng = np.random.default_rng(0)
    rows = np.array([[float(row[name]) for name in PRIOR] for row in table("ensemble")])
    draws = []
    for _ in range(20):
        columns = [rng.uniform(low, high, 2000).round(5) for low, high, _ in PRIOR.values()]
        draws += list(map(tuple, np.column_stack(columns)))
    places = {draw: number for number, draw in enumerate(draws)}
    order = [places.get(tuple(row), -1) for row in rows]
    assert -1 not in order
    assert order == sorted(order)
