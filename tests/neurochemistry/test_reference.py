import numpy as np
import pytest

from novamind import neurochemistry
from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry import reference
from novamind.neurochemistry.domain import BrainRegion, Neurotransmitter
from novamind.neurochemistry.reference import (
    LEAVES,
    MAPPED_REGIONS,
    as_region,
    as_transmitter,
    innervation,
    receptor_profiles,
    region_weights,
    transporter_density,
)
from tests.golden import check_golden


def by_leaf(values: np.ndarray) -> dict[str, float]:
    return {leaf: float(value) for leaf, value in zip(LEAVES, values, strict=True) if value}


def test_maps_as_they_are_today() -> None:
    answer = {
        "leaves": LEAVES,
        "mapped": MAPPED_REGIONS,
        "weights": {region.value: by_leaf(region_weights(region)) for region in MAPPED_REGIONS},
        "density": {name: by_leaf(transporter_density(name)) for name in ("SERT", "NET", "DAT")},
        "innervation": {name.value: innervation(name) for name in Neurotransmitter},
    }
    check_golden(__file__, "maps", answer)


def test_receptors_as_they_are_today() -> None:
    profiles = [
        [p.brain_region, p.neurotransmitter, p.receptor_type, p.receptor_subtype, p.density, p.unit]
        for p in receptor_profiles()
    ]
    check_golden(__file__, "receptors", profiles)
    assert all(p.source.startswith("Zilles") and p.licence.startswith("CC BY") for p in receptor_profiles())


@pytest.mark.parametrize("region", MAPPED_REGIONS)
def test_weights_of_a_region_are_those_of_volumes_and_sum_to_one(region: BrainRegion) -> None:
    weights = region_weights(region)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    if region.value in LEAVES:
        assert by_leaf(weights) == {region.value: 1.0}


def test_basal_ganglia_are_weighted_by_volume() -> None:
    volumes = {"caudate": 3.6, "putamen": 5.0, "nucleus_accumbens": 0.55, "pallidum": 1.7, "substantia_nigra": 0.5}
    expected = {name: volume / sum(volumes.values()) for name, volume in volumes.items()}
    assert by_leaf(region_weights(BrainRegion.BASAL_GANGLIA)) == pytest.approx(expected)


@pytest.mark.parametrize(("grade", "density"), [(0, 0.0), (1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0)])
def test_a_grade_more_is_twice_the_density(grade: int, density: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple({"transporter": name, "region": leaf, "grade": str(grade)} for name in ("X", "Y") for leaf in LEAVES)
    monkeypatch.setattr(reference, "table", lambda _: rows)
    np.testing.assert_array_equal(transporter_density.__wrapped__("X"), np.full(len(LEAVES), density))


def test_terminals_belong_to_one_nucleus_and_the_nigra_comes_first() -> None:
    dopamine = innervation(Neurotransmitter.DOPAMINE)
    assert dopamine["substantia_nigra"] == ("substantia_nigra", 4.0)  # grade 3, DAT alone
    assert dopamine["ventral_tegmental_area"] == ("ventral_tegmental_area", 6.0)  # with NET of grade 2
    assert dopamine["nucleus_accumbens"] == ("ventral_tegmental_area", 9.0)
    assert "occipital_cortex" not in dopamine
    assert "raphe_nuclei" not in dopamine
    assert len(innervation(Neurotransmitter.SEROTONIN)) == 20
    assert len(innervation(Neurotransmitter.NOREPINEPHRINE)) == 18


def test_names_are_read_as_they_are_written() -> None:
    assert as_region("thalamus") is BrainRegion.THALAMUS
    assert as_region(BrainRegion.THALAMUS) is BrainRegion.THALAMUS
    assert as_transmitter("gaba") is Neurotransmitter.GABA
    for wrong in ("Thalamus ", "", None):
        with pytest.raises(ValidationError, match="pituitary"):
            as_region(wrong)  # type: ignore[arg-type]
        with pytest.raises(ValidationError, match="adenosine"):
            as_transmitter(wrong)  # type: ignore[arg-type]


def test_an_unmapped_region_says_why() -> None:
    with pytest.raises(NotFoundError, match=r"pituitary has no map here .outside the blood-brain barrier"):
        region_weights(BrainRegion.PITUITARY)


# -- the front door ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", neurochemistry.__all__)
def test_every_name_at_the_front_door_is_the_thing_of_that_name(name: str) -> None:
    thing = getattr(neurochemistry, name)
    assert thing.__name__ == name
    assert thing.__module__.startswith(("novamind.neurochemistry.", "novamind.drugs."))


def test_the_front_door_knows_no_other_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'serotonin'"):
        neurochemistry.serotonin  # noqa: B018
