"""Every packaged fact a second time: a checksum of what was checked, and second entries typed from the publications.

Tables: alleles, cross_allergies, efficacy, guidelines, positions, side_effects, clozapine.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from novamind.drugs.names import normalise
from novamind.pharmacogenomics.knowledge import rows

Rows = Callable[..., Iterator[dict[str, str]]]

PACKAGED = {
    f.name: f for f in files("novamind.pharmacogenomics.knowledge").iterdir() if f.name.endswith(("csv", "json"))
}
with (Path(__file__).parent / "facts" / "manifest.csv").open(encoding="utf-8") as handle:
    MANIFEST = {row["table"]: row for row in csv.DictReader(handle)}


@pytest.mark.parametrize("table", sorted(MANIFEST))
def test_a_table_is_the_one_that_was_checked(table: str) -> None:
    content = PACKAGED[table].read_bytes()
    checked = MANIFEST[table]
    assert sha256(content).hexdigest() == checked["sha256"], (
        f"{table}: facts changed: check them again at their source and renew the manifest"
    )
    if table.endswith("csv"):
        assert sum(1 for _ in rows(table.removesuffix(".csv"))) == int(checked["rows"])
    assert checked["checked_on"]
    assert checked["checked_against"]


def test_no_table_is_missing_from_the_manifest() -> None:
    assert set(MANIFEST) == set(PACKAGED)


# -- alleles and positions ---------------------------------------------------------------------------------------------

# dbSNP: star allele, rs number, GRCh38 position, reference and variant on the plus strand.
VARIANTS = """
CYP2D6  *3     rs35742686 42128241 CT      C
CYP2D6  *4     rs3892097  42128945 C       T
CYP2D6  *6     rs5030655  42129083 CA      C
CYP2D6  *9     rs5030656  42128173 CCTT    C
CYP2D6  *10    rs1065852  42130692 G       A
CYP2D6  *17    rs28371706 42129770 G       A
CYP2D6  *29    rs59421388 42127608 C       T
CYP2D6  *41    rs28371725 42127803 C       T
CYP2C19 *2     rs4244285  94781859 G       A
CYP2C19 *3     rs4986893  94780653 G       A
CYP2C19 *17    rs12248560 94761900 C       T
CYP2C9  *2     rs1799853  94942290 C       T
CYP2C9  *3     rs1057910  94981296 A       C
CYP2C9  *5     rs28371686 94981301 C       G
CYP2C9  *8     rs7900194  94942309 G       A
CYP2C9  *11    rs28371685 94981224 C       T
CYP2B6  *6     rs3745274  41006936 G       T
CYP2B6  *4     rs2279343  41009358 A       G
CYP2B6  *18    rs28399499 41012316 T       C
CYP3A4  *22    rs35599367 99768693 G       A
CYP3A5  *3     rs776746   99672916 T       C
CYP3A5  *6     rs10264272 99665212 C       T
UGT1A1  *6     rs4148323  233760498 G      A
"""
CHROMOSOMES = {
    "CYP2D6": "chr22", "CYP2C19": "chr10", "CYP2C9": "chr10", "CYP2B6": "chr19", "CYP3A4": "chr7", "CYP3A5": "chr7",
    "UGT1A1": "chr2", "CYP1A2": "chr15", "SLC6A4": "chr17", "HTR2A": "chr13",
}  # fmt: skip


@pytest.mark.parametrize("line", VARIANTS.strip().splitlines())
def test_the_variant_behind_a_star_allele(line: str) -> None:
    """positions.csv and alleles.csv against dbSNP's numbers."""
    gene, allele, rsid, position, ref, alt = line.split()
    place = next(r for r in rows("positions") if r["rsid"] == rsid)
    assert (place["gene"], place["position"], place["ref"]) == (gene, position, ref)
    assert alt in place["alts"].split()
    definition = next(r for r in rows("alleles") if (r["gene"], r["allele"]) == (gene, allele))
    assert f"{position}:{alt}" in definition["bases"].split()


def test_a_gene_lies_on_its_chromosome() -> None:
    assert {r["gene"]: r["chrom"] for r in rows("positions")} == CHROMOSOMES


# CPIC's allele functionality tables (2024 for CYP2D6: *9, *10 and *41 at 0.25), from the published lists.
VALUES = {
    "CYP2D6": {1.0: "*1 *2 *27 *33 *35 *39", 0.5: "*14 *17 *29 *49", 0.25: "*9 *10 *41",
               0.0: "*3 *4 *5 *6 *7 *8 *11 *12 *15 *18 *19 *20 *21 *31 *36 *38 *40 *42 *44"},
    "CYP2C9": {1.0: "*1 *9", 0.5: "*2 *5 *8 *11 *12", 0.0: "*3 *6 *13 *15 *25"},
}  # fmt: skip
FUNCTIONS = {
    "CYP2C19": {"No": "*2 *3 *4 *5 *6 *7 *8 *35 *36 *37", "Decreased": "*9 *10 *16 *19 *25 *26", "Normal": "*1 *38",
                "Increased": "*17"},
    "CYP2B6": {"No": "*18 *38", "Decreased": "*6 *7 *9 *19 *20", "Normal": "*1 *2 *5 *17", "Increased": "*4"},
    "CYP3A5": {"No": "*3 *6 *7", "Normal": "*1"},
    "CYP3A4": {"No": "*6 *20", "Decreased": "*22", "Normal": "*1"},
    "UGT1A1": {"Decreased": "*6 *27 *28 *37 *80+*28", "Normal": "*1", "Increased": "*36"},
}  # fmt: skip


def test_activity_values_are_cpics() -> None:
    ours = {(r["gene"], r["allele"]): r["activity_value"] for r in rows("alleles")}
    for gene, values in VALUES.items():
        for value, alleles in values.items():
            for allele in alleles.split():
                assert float(ours[gene, allele]) == value, (gene, allele)


def test_functions_are_cpics() -> None:
    ours = {(r["gene"], r["allele"]): r["function"] for r in rows("alleles")}
    for gene, functions in FUNCTIONS.items():
        for function, alleles in functions.items():
            for allele in alleles.split():
                assert ours[gene, allele] == f"{function} function", (gene, allele)


def test_a_value_and_a_function_agree() -> None:
    """CPIC: 0 is no function, below 1 decreased, 1 normal; no value, no known function."""
    named = {"0.0": "No function", "1.0": "Normal function", "0.25": "Decreased function", "0.5": "Decreased function"}
    for row in rows("alleles"):
        if row["gene"] in VALUES and row["activity_value"]:
            assert row["function"] == named[row["activity_value"]], row
        elif row["gene"] in VALUES:
            assert row["function"] in {"Uncertain function", "Unknown function"}, row


def test_positions_are_the_reference_tables(table: Rows) -> None:
    ours = {(r["gene"], r["position"]): (r["chrom"], r["ref"], r["alts"].split(), r["rsid"]) for r in rows("positions")}
    for row in table("allele_positions_grch38.csv"):
        expected = (row["chrom"], row["ref"], row["alts"].split(","), row["rsid"])
        assert ours[row["gene"], row["pos"]] == expected, row


def test_definitions_are_the_reference_tables(table: Rows) -> None:
    ours = {(r["gene"], r["allele"]): r for r in rows("alleles")}
    places = defaultdict(int)
    for row in rows("positions"):
        places[row["gene"]] += 1
    for row in table("allele_definitions.csv"):
        mine = ours[row["gene"], row["allele"]]
        bases = [b for b in row["defining_positions (pos:base, IUPAC allowed)"].split("|") if b]
        assert mine["bases"].split() == bases, row
        assert (mine["scoring"] != "") == (int(row["scored_positions"]) == places[row["gene"]] != len(bases)), row


# US labels, contraindications ("hypersensitivity to ... or to") and warnings of hypersensitivity: drug<allergen.
CROSS = {
    "contraindicated": """
        escitalopram<citalopram citalopram<escitalopram risperidone<paliperidone paliperidone<risperidone
        venlafaxine<desvenlafaxine desvenlafaxine<venlafaxine levomilnacipran<milnacipran
        aripiprazole_lauroxil<aripiprazole fosphenytoin<phenytoin phenytoin<fosphenytoin
        carbamazepine<tag:tca clomipramine<tag:tca""",
    "major": """
        oxcarbazepine<carbamazepine carbamazepine<oxcarbazepine phenytoin<carbamazepine carbamazepine<phenytoin
        fosphenytoin<carbamazepine carbamazepine<fosphenytoin tag:tca<tag:tca""",
}


def test_cross_allergies_have_the_labels_weight_and_direction() -> None:
    """cross_allergies.csv"""
    ours: dict[str, set[str]] = defaultdict(set)
    for row in rows("cross_allergies"):
        ours[row["severity"]].add(f"{row['drug']}<{row['allergen']}".replace(" ", "_"))
        assert (row["source"], row["year"]) == ("labels-2024", "2024")
    assert ours == {severity: set(pairs.split()) for severity, pairs in CROSS.items()}
    sides = {side for row in rows("cross_allergies") for side in (row["drug"], row["allergen"])} - {"tag:tca"}
    assert all(normalise(side) == side for side in sides), "a drug that is in no table can't be met"


# -- what a drug does --------------------------------------------------------------------------------------------------

# Cipriani 2018 (Lancet 391:1357), figure 3: odds ratio of response as published. Ours are a re-analysis of the arms.
PUBLISHED = {
    "agomelatine": 1.65, "amitriptyline": 2.13, "bupropion": 1.58, "citalopram": 1.52, "clomipramine": 1.49,
    "desvenlafaxine": 1.49, "duloxetine": 1.85, "escitalopram": 1.68, "fluoxetine": 1.52, "fluvoxamine": 1.69,
    "levomilnacipran": 1.59, "milnacipran": 1.74, "mirtazapine": 1.89, "nefazodone": 1.67, "paroxetine": 1.75,
    "reboxetine": 1.37, "sertraline": 1.67, "trazodone": 1.51, "venlafaxine": 1.78, "vilazodone": 1.60,
    "vortioxetine": 1.66,
}  # fmt: skip
DROPOUT = {"agomelatine": (0.84, 0.72, 0.97), "fluoxetine": (0.88, 0.80, 0.96), "clomipramine": (1.30, 1.01, 1.68)}


def test_odds_ratios_are_near_the_published_ones() -> None:
    """efficacy.csv"""
    ours = {r["drug"]: r for r in rows("efficacy") if r["outcome"] == "response"}
    assert set(ours) == set(PUBLISHED)
    for drug, published in PUBLISHED.items():
        ratio, low, high = (float(ours[drug][k]) for k in ("odds_ratio", "low", "high"))
        assert published / 1.31 < ratio < published * 1.07, drug
        assert low * high == pytest.approx(ratio**2, rel=0.02), (
            drug
        )  # an interval on the log scale has its point in the middle


def test_odds_ratios_of_dropout_are_the_published_ones() -> None:
    ours = {
        r["drug"]: tuple(float(r[k]) for k in ("odds_ratio", "low", "high"))
        for r in rows("efficacy")
        if r["outcome"] == "dropout"
    }
    assert ours == DROPOUT


# Zoloft label 2003, table of pooled trials (sertraline against placebo), and DPWG's absolute risks.
RISKS = {
    ("sertraline", "nausea"): ("25 %", "11 %"), ("sertraline", "diarrhoea"): ("20 %", "10 %"),
    ("sertraline", "insomnia"): ("21 %", "11 %"), ("sertraline", "ejaculation failure (men)"): ("14 %", "1 %"),
    ("sertraline", "somnolence"): ("13 %", "7 %"), ("sertraline", "dry mouth"): ("14 %", "8 %"),
    ("sertraline", "sweating"): ("7 %", "2 %"), ("sertraline", "tremor"): ("8 %", "2 %"),
    ("escitalopram", "nausea"): ("15 %", ""), ("escitalopram", "insomnia"): ("9 %", ""),
    ("escitalopram", "somnolence"): ("6 %", ""), ("escitalopram", "ejaculation disorder (men)"): ("9 %", ""),
    ("risperidone", "CYP2D6 UM"): ("37 %", "16 %"), ("risperidone", "CYP2D6 PM"): ("26 %", "16 %"),
    ("carbamazepine", "HLA-A*31:01"): ("0.89 %", ""), ("carbamazepine", "HLA-B*15:02"): ("1.8-3.4 %", ""),
    ("lamotrigine", "HLA-B*15:02"): ("0.4 %", ""), ("oxcarbazepine", "HLA-B*15:02"): ("0.73 %", ""),
    ("phenytoin", "HLA-B*15:02"): ("0.65 %", ""),
}  # fmt: skip


def test_side_effect_rates_are_the_labels() -> None:
    """side_effects.csv"""
    ours = {(r["drug"], r["carrier"] or r["effect"]): (r["risk"], r["comparison"]) for r in rows("side_effects")}
    assert {key: ours[key] for key in RISKS} == RISKS
    # FDA 2012 and Lexapro label: 8.5 ms at 20 mg and 18.5 at 60; 4.5 ms at 10 mg and 10.7 at 30.
    slopes = {r["drug"]: (r["risk"], float(r["slope_ms"])) for r in rows("side_effects") if r["slope_ms"]}
    assert slopes == {"citalopram": ("8.5 ms", (18.5 - 8.5) / 2), "escitalopram": ("4.5 ms", 3.1)}
    assert pytest.approx(3.1) == (10.7 - 4.5) / 2


def test_hla_risks_are_the_reference_tables(table: Rows) -> None:
    ours = {(r["drug"], r["carrier"]): r["risk"].replace(" ", "") for r in rows("side_effects") if r["carrier"]}
    compared = 0
    for row in table("side_effect_risks_hla.csv"):
        if (row["drug"], row["allele"]) in ours and row["absolute_risk"][:1].isdigit():
            assert ours[row["drug"], row["allele"]] == row["absolute_risk"].partition(" vs ")[0].replace(" ", ""), row
            compared += 1
    assert compared >= 5


def test_the_clozapine_fit_has_the_signs_and_size_of_pharmacology() -> None:
    """clozapine.json: the level rises less than the dose, is lower in men and smokers and higher in inflammation."""
    stored = json.loads(PACKAGED["clozapine.json"].read_text("utf-8"))
    fitted = dict(zip(stored["terms"], stored["coefficients"], strict=True))
    assert 0.6 < fitted["log dose_mg"] < 1
    assert -0.6 < fitted["male"] < 0
    assert -0.6 < fitted["cyp1a2_induced"] < -0.2  # smokers need about 1.4 times the dose
    assert fitted["log(1 + crp_mg_l)"] > 0
    assert stored["n"] == 142
