"""Genotype and co-medication reach exposure, occupancy and effect; what is not known is said."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry import drug_names
from novamind.neurochemistry.pharmacokinetics import kinetics
from novamind.twin.case import Case
from novamind.twin.report import what_if_section
from novamind.twin.results import WhatIf
from novamind.twin.what_if import what_if
from tests.golden import check_golden
from tests.twin.people import TODAY, case, record, spec


def asked(drug: str = "sertraline", dose: float = 50, **known: object) -> WhatIf:
    return what_if(case(**known), drug, dose, weeks=6, ensemble=0)


@pytest.mark.parametrize(
    ("drug", "poor"),
    [
        ("sertraline", {"CYP2C19": "*2/*2"}),
        ("escitalopram", {"CYP2C19": "*2/*2"}),
        ("citalopram", {"CYP2C19": "*2/*2"}),
        ("paroxetine", {"CYP2D6": "*4/*4"}),
        ("aripiprazole", {"CYP2D6": "*4/*4"}),
        ("atomoxetine", {"CYP2D6": "*4/*4"}),
    ],
)
def test_a_poor_metaboliser_reaches_higher_levels(drug: str, poor: dict[str, str]) -> None:
    gene = next(iter(poor))
    one = asked(drug, 10, genotype=poor)
    assert one.activity[gene] in (0.0, "Poor Metabolizer")
    assert one.exposure_ratio > 1.2
    assert asked(drug, 10, genotype={gene: "*1/*1"}).exposure_ratio == pytest.approx(1)


def test_higher_levels_mean_higher_occupancy() -> None:
    poor, normal = asked(genotype={"CYP2C19": "*2/*2"}), asked(genotype={"CYP2C19": "*1/*1"})
    assert poor.occupancy["SERT"].value > normal.occupancy["SERT"].value


def test_an_ultrarapid_metaboliser_reaches_lower_levels() -> None:
    assert asked("atomoxetine", genotype={"CYP2D6": "*1x2/*2"}).exposure_ratio < 1


def test_comedication_makes_a_poor_metaboliser_of_a_normal_one() -> None:
    typed = asked("atomoxetine", genotype={"CYP2D6": "*1/*1"}, medications=("fluoxetine",))
    born = asked("atomoxetine", genotype={"CYP2D6": "*4/*4"})
    assert typed.activity["CYP2D6"] == pytest.approx(0.05, abs=1e-3)  # the 2.5 % of two alleles that fluoxetine leaves
    assert typed.exposure_ratio > born.exposure_ratio  # fluoxetine takes CYP2C19 too, a twentieth of the clearance


def test_an_inhibitor_counts_where_nobody_was_typed() -> None:
    one = asked("atomoxetine", medications=("fluoxetine",))
    assert one.inhibitors["CYP2D6"] == pytest.approx(0.025, abs=1e-3)
    assert one.exposure_ratio > 2
    assert any("No result of CYP2D6" in line for line in one.unknown)


def test_an_inhibitor_never_lowers_the_level() -> None:
    for drug in ("atomoxetine", "aripiprazole", "venlafaxine"):
        levels = [asked(drug, medications=taken).level.value for taken in ((), ("duloxetine",), ("fluoxetine",))]
        assert levels == sorted(levels)


def test_what_is_not_known_is_said() -> None:
    genes = {"CYP2C19": "*1/*999", "CYP2D6": "*1/*1"}
    one = asked("sertraline", genotype=genes, medications=("carbamazepine", "sertraline"))
    said = " ".join(one.unknown)
    assert "CYP2C19: the genotype leaves the activity open" in said
    assert one.inhibitors["CYP2B6"] == 5  # carbamazepine: a fall in exposure by four fifths
    assert one.exposure_ratio < 0.6
    assert "taken already" in said
    assert "not a forecast for one person" in said


def test_bands_and_cautions_come_along() -> None:
    one = what_if(case(conditions=("long qt",)), "citalopram", 20, weeks=2, ensemble=10, seed=3)
    assert one.level.low is not None
    assert one.level.high is not None
    assert one.level.low < one.level.value < one.level.high
    assert one.review.concern == 4
    again = what_if(case(conditions=("long qt",)), "citalopram", 20, weeks=2, ensemble=10, seed=3)
    assert again.to_dict() == one.to_dict(), "same seed, same figures"


def test_brand_names_and_strangers() -> None:
    assert asked("Zoloft").drug == "sertraline"
    for stranger in ("ibuprofen", "obscurol"):
        with pytest.raises(NotFoundError, match="no kinetics"):
            asked(stranger)
    with pytest.raises(ValidationError):
        asked(dose=-1)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(drug_names()), st.floats(0.2, 3))
def test_any_drug_at_any_usual_dose_gives_finite_figures(drug: str, multiple: float) -> None:
    dose = multiple * kinetics(drug).usual_dose
    document = what_if(case(genotype={"CYP2D6": "*4/*4"}), drug, dose, weeks=1, ensemble=0).to_dict()
    assert document["level"]["value"] > 0
    assert document["exposure_ratio"] >= 0.99
    assert document["unknown"]


# -- the case that is put into the simulation


@pytest.mark.parametrize(
    ("genes", "taken", "activity"),
    [
        ({"CYP2D6": "*1/*4"}, (), {"CYP2D6": 1.0}),
        ({"CYP2D6": "*1/*41"}, (), {"CYP2D6": 1.25}),
        ({"CYP2D6": "*1/*1"}, ("quinidine",), {"CYP2D6": 0.1}),
        ({"CYP2C19": "*1/*17"}, (), {"CYP2C19": "Rapid Metabolizer"}),
        (
            {"CYP2C19": "*1/*2", "CYP2B6": "*6/*6"},
            (),
            {"CYP2C19": "Intermediate Metabolizer", "CYP2B6": "Poor Metabolizer"},
        ),
        ({"CYP2C9": "*3/*3"}, (), {"CYP2C9": 0.0}),
        ({"UGT1A1": "*28/*28"}, (), {}),  # no share of any drug
        ({}, ("fluoxetine",), {}),
    ],
)
def test_what_the_simulation_is_told_of_each_typed_enzyme(
    genes: dict[str, str], taken: tuple[str, ...], activity: dict[str, object]
) -> None:
    assert asked(genotype=genes, medications=taken).activity == activity


@pytest.mark.parametrize("result", ["*1/*999", "Indeterminate"])
def test_a_genotype_that_leaves_the_activity_open_is_said_and_not_simulated(result: str) -> None:
    one = asked(genotype={"CYP2C19": result})
    assert one.activity == {}
    assert one.unknown[0] == "CYP2C19: the genotype leaves the activity open, so normal activity was simulated."


@pytest.mark.parametrize(
    ("taken", "inhibitors"),
    [
        (("duloxetine",), {"CYP2D6": 0.5}),
        (("duloxetine", "quinidine"), {"CYP2D6": 0.05}),  # of several the strongest decides
        (("quinidine", "duloxetine"), {"CYP2D6": 0.05}),
        ((), {}),
        (("carbamazepine",), {}),  # an inducer is none
    ],
)
def test_the_strongest_inhibitor_of_an_enzyme_decides(taken: tuple[str, ...], inhibitors: dict[str, float]) -> None:
    found = asked("atomoxetine", medications=taken).inhibitors
    assert {enzyme: found.get(enzyme) for enzyme in ("CYP2D6",)} == {"CYP2D6": inhibitors.get("CYP2D6")}


def test_an_inhibitor_of_a_typed_enzyme_is_in_its_activity_already() -> None:
    typed = asked("atomoxetine", medications=("fluoxetine",), genotype={"CYP2D6": "*1/*1"})
    assert "CYP2D6" not in typed.inhibitors


def test_a_drug_does_not_inhibit_itself() -> None:
    assert asked("paroxetine", medications=("paroxetine",)).inhibitors == asked("paroxetine").inhibitors == {}


def test_several_drugs_multiply_and_the_reference_stays_as_it_is() -> None:
    free, slow = asked("atomoxetine"), asked("atomoxetine", medications=("fluoxetine",))
    assert free.exposure_ratio == pytest.approx(1)
    assert slow.reference.concentration.equals(free.course.concentration)
    assert slow.exposure_ratio == pytest.approx(slow.level.value / free.level.value)


# -- the figures that are given


@pytest.fixture(scope="module")
def weekly() -> WhatIf:
    return what_if(case(genotype={"CYP2D6": "*4/*4"}), "atomoxetine", 40, weeks=2, ensemble=6, seed=4)


def test_a_level_is_the_mean_over_the_last_week(weekly: WhatIf) -> None:
    table = weekly.course.concentration
    parent = table.filter(pl.col("compound") == "atomoxetine")
    last = parent.filter(pl.col("time_hours") >= 7 * 24)
    assert len(last) == len(parent) // 2 + len(parent) % 2
    span = weekly.level
    for name, value in (("value", span.value), ("low", span.low), ("high", span.high)):
        assert value == pytest.approx(last[name].mean())
    assert weekly.unit == table["unit"][0] == "ng/mL"


def test_occupancy_is_the_mean_over_the_last_day_of_what_holds_one_percent(weekly: WhatIf) -> None:
    last = weekly.course.occupancy.filter(pl.col("time_hours") >= 13 * 24)
    means = dict(last.group_by("target").agg(pl.col("value").mean()).iter_rows())
    assert {target: span.value for target, span in weekly.occupancy.items()} == pytest.approx(
        {target: value for target, value in means.items() if value >= 0.01}
    )
    values = [span.value for span in weekly.occupancy.values()]
    assert values == sorted(values, reverse=True)
    assert all(span.low <= span.value <= span.high for span in weekly.occupancy.values() if span.low and span.high)


def test_effects_are_those_of_the_last_day() -> None:
    one = what_if(case(), "sertraline", 50, weeks=2, ensemble=4)
    table = one.course.symptom_effect
    last = table.filter(pl.col("day") == table["day"].max())
    assert {name: (s.value, s.low, s.high) for name, s in one.symptom_effects.items()} == {
        row["outcome"]: (row["value"], row["low"], row["high"]) for row in last.iter_rows(named=True)
    }
    assert set(one.symptom_effects) == {"depression"}


def test_eight_weeks_a_hundred_members_once_a_day_where_nobody_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    from novamind.twin import what_if as module

    regimens: list[tuple[object, ...]] = []
    right = module.simulate

    def noted(drug: str, dose: float, **how: object) -> object:
        regimens.append((drug, dose, how))
        return right(drug, dose, **how | {"weeks": 1, "ensemble": 0})  # type: ignore[arg-type]

    monkeypatch.setattr(module, "simulate", noted)
    found = what_if(case(genotype={"CYP2D6": "*4/*4"}, medications=("itraconazole",)), "risperidone", 2)
    shared = {"interval_hours": 24.0, "weeks": 8, "ensemble": 100, "seed": 0}
    person = {"phenotypes": {"CYP2D6": 0.0}, "inhibitors": {"CYP3A4": 0.05}}
    assert regimens == [("risperidone", 2, person | shared), ("risperidone", 2, shared)]
    assert (found.weeks, found.interval_hours, found.dose_mg) == (8, 24.0, 2)
    regimens.clear()
    what_if(case(), "risperidone", 2, interval_hours=12, weeks=3, ensemble=7, seed=9)
    assert [how for _, _, how in regimens][1] == {"interval_hours": 12, "weeks": 3, "ensemble": 7, "seed": 9}  # type: ignore[comparison-overlap]


def test_an_allergy_is_in_what_is_said_of_the_drug() -> None:
    """Whether the record names the drug, its brand or its other half."""
    for allergy in ("escitalopram", "citalopram"):
        found = asked("escitalopram", 10, allergies=(allergy,))
        assert found.review.verdict == "avoid"
        assert [str(caution["cause"]) for caution in found.to_dict()["cautions"]] == [f"allergy to {allergy}"]
    assert asked("escitalopram", 10, allergies=("sertraline",)).review.caution == ()


def test_an_unknown_drug_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(NotFoundError) as caught:
        asked("ibuprofen")
    assert str(caught.value) == f"no kinetics for this drug; choose one of {', '.join(drug_names())}"


def test_what_is_asked_and_answered_of_varied_patients() -> None:
    """All figures and sentences, without and with an ensemble; only the course by the hour is left out."""
    people = {
        "untyped": (case(), "sertraline", 50.0),
        "poor": (case(genotype={"CYP2D6": "*4/*4", "CYP2C19": "*1/*17"}), "risperidone", 4.0),
        "with others": (case(medications=("carbamazepine", "fluoxetine", "aripiprazole")), "aripiprazole", 15.0),
        "with a condition": (
            case(conditions=("long qt",), genotype={"CYP2C19": "*2/*2", "CYP2D6": "*1/*1"}),
            "citalopram",
            20.0,
        ),
    }
    answers = {
        name: what_if(who, drug, dose, weeks=2, ensemble=5, seed=2).to_dict()
        for name, (who, drug, dose) in people.items()
    }
    answers["twice a day"] = what_if(case(), "venlafaxine", 75, weeks=1, interval_hours=12, ensemble=0).to_dict()
    check_golden(__file__, "what_if", answers)


def test_the_picture_holds_daily_means_of_both_with_their_bands(weekly: WhatIf) -> None:
    check_golden(__file__, "what_if_chart", spec(weekly.plot()))
    usual = spec(what_if(case(), "sertraline", 50, weeks=1, ensemble=0).plot())
    rules = [one["data"]["values"] for one in usual["layer"] if one["mark"]["type"] == "rule"]
    assert rules == [[{"end": 10.0}, {"end": 150.0}]]
    metabolite = spec(what_if(case(), "venlafaxine", 75, weeks=1, ensemble=0).plot())
    assert [one["mark"]["type"] for one in metabolite["layer"]] == ["area", "line"], (
        "a range of a sum is not the parent's"
    )


# -- the person


def of_person(drug: str, dose: float, about: dict[str, object]) -> WhatIf:
    return what_if(Case(replace(record(), demographics=about), TODAY), drug, dose, weeks=12, ensemble=0)


def test_kidney_age_and_liver_reach_the_simulation_as_they_reach_the_review() -> None:
    about = {"creatinine_clearance": 30, "birth_year": 1940, "child_pugh": "B"}
    for drug, dose in (("lithium", 900), ("escitalopram", 10), ("lurasidone", 40)):
        one = of_person(drug, dose, about)
        assert one.review.exposure.ratio is not None
        assert one.exposure_ratio == pytest.approx(one.review.exposure.ratio, rel=0.02), drug
        assert one.exposure_ratio > 1.4
    lithium = of_person("lithium", 900, about)
    assert any(c.cause == "dose" and c.severity in ("contraindicated", "major") for c in lithium.review.caution)


def test_a_smoker_clears_olanzapine_faster() -> None:
    smoker = of_person("olanzapine", 10, {"smoker": True})
    assert smoker.exposure_ratio == pytest.approx(0.7, abs=0.02)
    assert smoker.review.exposure.ratio == pytest.approx(smoker.exposure_ratio, rel=0.02)


@pytest.mark.parametrize(
    ("drug", "genes", "taken"),
    [
        ("escitalopram", {"CYP2C19": "*2/*2"}, ()),
        ("sertraline", {"CYP2C19": "*1/*2", "CYP2B6": "*6/*6"}, ()),
        ("citalopram", {"CYP2C19": "*1/*1"}, ("fluconazole",)),
        ("aripiprazole", {"CYP2D6": "*4/*4"}, ("carbamazepine",)),
        ("amitriptyline", {"CYP2D6": "*1/*4", "CYP2C19": "*1/*17"}, ("fluvoxamine",)),
    ],
)
def test_one_person_has_one_exposure(drug: str, genes: dict[str, str], taken: tuple[str, ...]) -> None:
    one = what_if(case(genotype=genes, medications=taken), drug, 10, weeks=12, ensemble=0)
    assert one.review.exposures[-1].ratio == pytest.approx(one.exposure_ratio, rel=0.02)


@pytest.mark.parametrize(
    ("drug", "compounds"),
    [
        ("venlafaxine", 2),
        ("risperidone", 2),
        ("sertraline", 1),
        ("clozapine", 1),
        ("atomoxetine", 0),
        ("agomelatine", 0),
    ],
)
def test_a_level_stands_beside_a_range_of_the_same_analyte(drug: str, compounds: int) -> None:
    """The sum beside a range of the sum, the parent beside one of the parent, nothing beside a peak or no range."""
    one = what_if(case(), drug, 20, weeks=2, ensemble=4, seed=1)
    level = one.level_in_range
    if compounds == 0:
        assert level is None
        return
    last = one.course.concentration.filter(pl.col("time_hours") >= 7 * 24)
    if compounds == 1:
        assert level == one.level
    else:
        assert level is not None
        assert level.low is not None
        assert level.high is not None
        assert one.level.value < level.value
        assert level.low < level.value < level.high
        assert level.value == pytest.approx(
            last.group_by("compound").agg(pl.col("value").mean())["value"].sum(), rel=0.1
        )


def test_a_level_above_its_range_is_an_alarm() -> None:
    high = what_if(case(), "lithium", 10_000, interval_hours=8, weeks=1, ensemble=0)
    assert high.alarms[0].bound == "alert level"
    assert high.to_dict()["alarms"][0]["sentence"] == high.alarms[0].sentence
    assert high.alarms[0].sentence in what_if_section(high)["alarms"]
    assert what_if(case(), "lithium", 600, weeks=1, ensemble=0).alarms == ()
