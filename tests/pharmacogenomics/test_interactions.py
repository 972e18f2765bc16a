"""Cautions: who meets whom, in which direction, in which order."""

from hashlib import sha256

import pytest

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Severity
from novamind.pharmacogenomics import interactions
from novamind.pharmacogenomics.interactions import cautions, known_conditions, substrate_of, without_size
from tests.golden import check_golden


def texts(drug: str, *taken: str, conditions: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    return [(str(c.severity), c.cause, c.text) for c in cautions(drug, taken, conditions)]


def test_a_rule_holds_from_both_sides_and_names_the_other() -> None:
    for drug, other in (("lamotrigine", "valproate"), ("valproate", "lamotrigine")):
        assert [(s, c) for s, c, _ in texts(drug, other)] == [("major", other)]


def test_a_pair_of_one_property_is_told_once() -> None:
    said = texts("sertraline", "tramadol")
    assert [c for c in said if c[2].startswith("Two serotonergic")] == [
        ("moderate", "tramadol",
         "Two serotonergic drugs: watch for serotonin syndrome, most of all at start and dose changes.")
    ]  # fmt: skip


def test_a_drug_is_no_interaction_with_itself_and_a_repetition_adds_nothing() -> None:
    assert texts("sertraline", "sertraline") == []
    assert texts("sertraline", "tramadol", "tramadol", "sertraline") == texts("sertraline", "tramadol")


def test_the_most_serious_comes_first_then_by_name() -> None:
    said = texts(
        "citalopram", "tramadol", "pimozide", "haloperidol", "cimetidine", "ibuprofen", conditions=("long qt",)
    )
    order = [("contraindicated", "major", "moderate", "information").index(s) for s, _, _ in said]
    assert order == sorted(order)
    assert said == sorted(said, key=lambda c: (tuple(Severity).index(Severity(c[0])), c[1], c[2]))
    assert [c for s, c, _ in said if s == "contraindicated"] == ["long qt", "pimozide"]


def test_a_condition_is_only_the_patients() -> None:
    assert texts("valproate", "pregnancy") == []
    assert [c for _, c, _ in texts("valproate", conditions=("pregnancy",))] == ["pregnancy"]
    assert "pregnancy" in known_conditions()
    assert list(known_conditions()) == sorted(known_conditions())
    assert not any(":" in c for c in known_conditions())


@pytest.mark.parametrize(
    ("drug", "other", "severity", "text"),
    [
        ("nortriptyline", "paroxetine", "moderate",
         "Paroxetine is a strong CYP2D6 inhibitor and can raise nortriptyline levels."),
        ("nortriptyline", "duloxetine", "moderate",
         "Duloxetine is a moderate CYP2D6 inhibitor and can raise nortriptyline levels."),
        ("nortriptyline", "celecoxib", "information",
         "Celecoxib is a weak CYP2D6 inhibitor and can raise nortriptyline levels."),
        ("quetiapine", "rifampin", "moderate", "Rifampin is a strong CYP3A4 inducer and can lower quetiapine levels."),
        ("quetiapine", "modafinil", "information",
         "Modafinil is a weak CYP3A4 inducer and can lower quetiapine levels."),
        ("escitalopram", "ticlopidine", "information",
         "Ticlopidine is listed as a CYP2C19 inhibitor and may raise escitalopram levels; its class could not be"
         " confirmed, so it does not change the phenotype here."),
        ("quetiapine", "bosentan", "information",
         "Bosentan is listed as a CYP3A4 inducer and may lower quetiapine levels; its class could not be"
         " confirmed, so it does not change the phenotype here."),
        ("escitalopram", "esomeprazole", "information",
         "Esomeprazole is listed as a CYP2C19 inhibitor and may raise escitalopram levels; its class could not be"
         " confirmed, so it does not change the phenotype here."),
    ],
)  # fmt: skip
def test_an_enzyme_is_named_with_its_direction_from_both_sides(drug: str, other: str, severity: str, text: str) -> None:
    assert (severity, other, text) in texts(drug, other)
    assert (severity, drug, text) in texts(other, drug)


def test_an_enzyme_that_does_not_matter_for_the_drug_is_not_named() -> None:
    assert not any("CYP2D6" in text for _, _, text in texts("escitalopram", "terbinafine"))
    assert substrate_of("escitalopram") == {"CYP2C19"}
    assert substrate_of("sertraline") == {"CYP2C19", "CYP2B6"}
    assert substrate_of("quetiapine") == {"CYP3A4"}  # from its exposure ratio and its guideline
    assert substrate_of("phenytoin") == {"CYP2C9"}  # HLA-B is no enzyme
    assert substrate_of("lithium") == frozenset()


@pytest.mark.parametrize(
    ("drug", "taken", "conditions", "enzyme", "causes"),
    [
        ("aripiprazole", ("carbamazepine",), (), "CYP2D6", ("carbamazepine",)),
        ("carbamazepine", ("aripiprazole",), (), "CYP2D6", ()),  # the other side's level changes
        ("aripiprazole", ("paroxetine",), (), "CYP2D6", ()),  # in the figure already
        ("clomipramine", ("fluvoxamine",), (), "CYP2D6", ("fluvoxamine",)),  # on CYP2C19 too
        ("clomipramine", ("fluvoxamine",), (), "CYP2C19", ("fluvoxamine",)),
        ("citalopram", ("fluvoxamine",), (), "CYP2C19", ()),  # a rule and an enzyme, and the enzyme is counted
        ("citalopram", ("omeprazole", "cimetidine", "ibuprofen"), (), "CYP2C19", ("cimetidine", "omeprazole")),
        ("lithium", ("ibuprofen",), ("dehydration", "pregnancy"), "CYP2D6", ("dehydration", "ibuprofen")),
        ("citalopram", ("citalopram",), ("long qt",), "CYP2C19", ()),
    ],
)
def test_what_changes_a_level_without_a_size(
    drug: str, taken: tuple[str, ...], conditions: tuple[str, ...], enzyme: str, causes: tuple[str, ...]
) -> None:
    assert without_size(drug, taken, conditions, enzyme) == causes


def test_every_caution_of_every_pair() -> None:
    """How many of each weight a drug has with all others, and a digest of what they say."""
    everything = sorted(catalogue())
    found = {}
    for drug in everything:
        said = texts(drug, *everything, conditions=known_conditions())
        if said:
            weights = [sum(s == severity for s, _, _ in said) for severity in Severity]
            found[drug] = f"{weights} {sha256(repr(said).encode()).hexdigest()[:12]}"
    check_golden(__file__, "cautions", found)


def test_rules_are_read_with_both_sides_and_a_source() -> None:
    rules = interactions.rules()
    assert len(rules) == 81
    changed = [r for r in rules if r.changed]
    assert all(r.changed in {r.a, r.b} for r in changed)
    assert len(changed) == 35
    assert {r.source.id for r in rules} == {"labels-2024"}
