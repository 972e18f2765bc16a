import numpy as np
import pytest

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.domain import BrainRegion, Neurotransmitter
from novamind.neurochemistry.reference import (
    LEAVES,
    MAPPED_REGIONS,
    as_region,
    as_transmitter,
    innervation,
    receptor_profiles,
    region_weights,
    table,
    transporter_density,
)

TABLES = (
    "densities",
    "nuclei",
    "projections",
    "regions",
    "transporters",
)


@pytest.mark.parametrize("name", TABLES)
def test_every_figure_names_its_source_and_licence(name):
    for row in table(name):
        if name == "regions" and not row["volume"]:
            continue
        assert row["licence"]
        assert row["status"] in {"read", "derived", "recalled", "secondary", "assumed"}
        assert row["source"]
        assert "NC" not in row["licence"]


def test_composites_are_weighted_means_of_leaves():
    for region in MAPPED_REGIONS:
        assert region_weights(region).sum() == pytest.approx(1.0)
    striatum = region_weights(BrainRegion.STRIATUM)
    parts = {leaf: weight for leaf, weight in zip(LEAVES, striatum, strict=True) if weight}
    assert parts == pytest.approx({"caudate": 3.6 / 9.15, "putamen": 5.0 / 9.15, "nucleus_accumbens": 0.55 / 9.15})
    ventral, accumbens = region_weights(BrainRegion.VENTRAL_STRIATUM), region_weights(BrainRegion.NUCLEUS_ACCUMBENS)
    np.testing.assert_array_equal(ventral, accumbens)


def test_what_has_no_map_says_so():
    assert BrainRegion.PITUITARY not in MAPPED_REGIONS
    with pytest.raises(NotFoundError, match="no map"):
        region_weights(BrainRegion.PITUITARY)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValidationError, match="prefrontal_cortex"):
        as_region("left elbow")
    with pytest.raises(ValidationError, match="serotonin"):
        as_transmitter("phlogiston")


def test_grades_double():
    density = dict(zip(LEAVES, transporter_density("SERT"), strict=True))
    assert density["raphe_nuclei"] == 8 * density["prefrontal_cortex"] == 8
    assert density["cerebellum"] == 0


def test_receptor_densities_are_positive_and_unique():
    profiles = receptor_profiles()
    assert all(profile.density > 0 for profile in profiles)
    assert len({(p.brain_region, p.receptor_subtype) for p in profiles}) == len(profiles)


def test_terminals_are_where_transporters_are():
    dopamine = innervation(Neurotransmitter.DOPAMINE)
    assert "cerebellum" not in innervation(Neurotransmitter.SEROTONIN)
    assert "caudate" not in innervation(Neurotransmitter.NOREPINEPHRINE)
    assert dopamine["caudate"] == ("substantia_nigra", 8.0)
    assert dopamine["prefrontal_cortex"] == ("ventral_tegmental_area", 1.0)
    assert not innervation(Neurotransmitter.GABA)
