"""The room's tables, entered or checked a second time: densities, ensemble, enzymes, nuclei,
pharmacokinetics, projections, regions, transporters.

Second entries were typed from memory of the publications named beside them, not copied from the tables. Reference
collections outside the repository are compared where they lie beside the checkout.
"""

import csv
import hashlib
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
        "densities": ("region", "receptor"),
        "nuclei": ("transmitter", "nucleus"),
        "projections": ("transmitter", "source_region", "target_region"),
        "regions": ("region",),
        "transporters": ("transporter", "region"),
    }
    for name, columns in keys.items():
        rows = [tuple(row[column] for column in columns) for row in table(name)]
        assert len(set(rows)) == len(rows), name
        assert all(None not in row.values() and None not in row for row in table(name)), name


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
