"""exposure.py and outcomes.py from their closed forms."""

import math
from dataclasses import replace

import pytest

from novamind.drugs.facts import sources
from novamind.pharmacogenomics import exposure
from novamind.pharmacogenomics.domain import ActivityScore, Exposure, GeneResult, Phenotype
from novamind.pharmacogenomics.exposure import (
    Pathway,
    expected,
    fraction_metabolised,
    held_out_log_errors,
    model_log_sd,
    pathways,
    span,
    therapeutic_ranges,
)
from novamind.pharmacogenomics.knowledge import rows
from novamind.pharmacogenomics.outcomes import efficacy, side_effects
from novamind.pharmacogenomics.phenotypes import phenotype_result, score_result
from tests.golden import check_golden

SOURCE = sources()["feng-2008"]
HALF = Pathway("x", "x", "CYP2D6", 0.8, 0.7, 0.9, SOURCE)
ALL = Pathway("x", "x", "CYP2D6", 1.0, 1.0, 1.0, SOURCE)


@pytest.mark.parametrize(
    ("ratio", "activity", "fraction"),
    [(5.0, 0.0, 0.8), (2.0, 0.0, 0.5), (2.0, 0.5, 1.0), (1.36, 0.25, (1 - 1 / 1.36) / 0.75), (4.0, 0.5, 1.0),
     (0.5, 0.0, 0.0),
     (0.5, 2.0, 1.0), (0.8, 1.5, 0.5)],
)  # fmt: skip
def test_the_fraction_solves_the_ratio_and_stays_a_fraction(ratio: float, activity: float, fraction: float) -> None:
    """1 / (1 - f + f a) = ratio; what would be below 0 or above 1 is 0 or 1."""
    assert fraction_metabolised(ratio, activity) == pytest.approx(fraction)


@pytest.mark.parametrize(("activity", "ratio"), [(1, 1), (0, 5), (0.5, 1 / 0.6), (2, 1 / 1.8)])
def test_exposure_is_the_reciprocal_of_clearance(activity: float, ratio: float) -> None:
    assert HALF.ratio(activity) == pytest.approx(ratio)
    assert HALF.activity_at(ratio) == pytest.approx(min(activity, 1))


def test_nothing_else_to_clear_it_is_infinite() -> None:
    assert ALL.ratio(0) == math.inf
    assert ALL.ratio(0.5) == 2
    assert ALL.activity_at(1e9) == pytest.approx(1e-9)
    assert HALF.activity_at(100) == 0  # more than the whole enzyme is not left out
    assert HALF.activity_at(0.5) == 1


def test_a_bent_scale_bends_the_genetic_part_only() -> None:
    bent = Pathway("x", "x", "CYP2D6", 0.8, 0.8, 0.8, SOURCE, power=2.0)
    assert bent.ratio(0.5) == pytest.approx(1 / (0.2 + 0.8 * 0.25))
    assert bent.ratio(0.1, 0.5) == pytest.approx(1 / (0.2 + 0.8 * 0.1 * 0.5))  # the inhibitor's fifth of a bent half
    assert bent.ratio(0.0) == pytest.approx(5)
    assert bent.ratio(0.0, 0.0) == pytest.approx(5)
    assert HALF.ratio(0.1, 0.5) == HALF.ratio(0.1)


def test_a_pathway_is_solved_from_its_row_with_the_bounds_of_its_interval() -> None:
    for row in rows("exposure"):
        path = next(p for p in pathways()[row["drug"]] if p.analyte == row["analyte"])
        activity = float(row["activity"])
        assert path.ratio(activity) == pytest.approx(float(row["ratio"]), rel=1e-9)
        for bound, of in ((row["low"], path.fraction_low), (row["high"], path.fraction_high)):
            wanted = float(bound or row["ratio"])
            assert 1 / (1 - of + of * activity) == pytest.approx(wanted, rel=1e-9)
        assert path.source.id == row["source"]
        assert path.gene == row["gene"]
    # tolterodine: 30-fold without a functional allele, 4.4-fold with one (Brynne 1999)
    fraction = 1 - 1 / 30
    share = (1 / 4.4 - 1 / 30) / fraction
    assert pathways()["tolterodine"][0].power == pytest.approx(math.log(share) / math.log(0.5))


def test_the_spread_of_the_model_is_that_of_the_ratios_left_out() -> None:
    errors = []
    for row in rows("exposure_checks"):
        of = pathways()[row["drug"]]
        path = next((p for p in of if p.analyte == row["analyte"]), of[0])
        errors.append(
            math.log(1 / (1 - path.fraction + path.fraction * float(row["activity"]))) - math.log(float(row["ratio"]))
        )
    assert held_out_log_errors() == pytest.approx(errors)
    assert model_log_sd() == pytest.approx(math.sqrt(sum(e**2 for e in errors) / len(errors)))
    assert pytest.approx(1.959964) == exposure._Z95


def test_the_interval_holds_fraction_activity_and_model() -> None:
    path = pathways()["haloperidol"][0]
    spread = math.exp(1.959964 * model_log_sd())
    known = expected("haloperidol", {"CYP2D6": score_result("CYP2D6", ActivityScore(0.5))})[0]
    ratios = [1 / (1 - f + f * 0.25) for f in (path.fraction_low, path.fraction, path.fraction_high)]
    assert known.ratio == pytest.approx(ratios[1])
    assert known.low == pytest.approx(min(ratios) / spread)
    assert known.high == pytest.approx(max(ratios) * spread)
    assert known.basis == "40% of clearance through CYP2D6, activity 25% of two normal alleles"
    assert known.source == path.source
    under = GeneResult(
        "CYP2D6", Phenotype.INTERMEDIATE, activity=0.5, activity_low=0.2, activity_high=0.8, genetic_activity=1.0
    )
    moved = expected("haloperidol", {"CYP2D6": under})[0]
    ends = [1 / (1 - f + f * a) for f in (path.fraction_low, path.fraction_high) for a in (0.2, 0.8)]
    assert moved.low == pytest.approx(min(ends) / spread)
    assert moved.high == pytest.approx(max(ends) * spread)
    fast = expected("haloperidol", {"CYP2D6": score_result("CYP2D6", ActivityScore(4.0))})[0]
    assert fast.low is not None
    assert fast.low < 1 / (1 + path.fraction_high) < (fast.ratio or 0) < 1


def test_the_reference_is_one_without_a_spread_and_a_range_of_activity_gives_it_width() -> None:
    one = expected("haloperidol", {"CYP2D6": score_result("CYP2D6", ActivityScore(2.0))})[0]
    assert (one.ratio, one.low, one.high) == pytest.approx((1, 1, 1))
    weak = GeneResult(
        "CYP2D6", Phenotype.NORMAL, activity=1.0, activity_low=0.5, activity_high=1.0, genetic_activity=1.0
    )
    wide = expected("haloperidol", {"CYP2D6": weak})[0]
    assert (wide.ratio, wide.low) == pytest.approx((1, 1))
    assert wide.high == pytest.approx(1 / (1 - pathways()["haloperidol"][0].fraction_high * 0.5))


@pytest.mark.parametrize(
    ("drug", "readings", "basis"),
    [
        ("fluoxetine", {}, "No published exposure ratio by genotype in our tables."),
        ("haloperidol", {}, "CYP2D6 was not tested."),
        ("escitalopram", {"CYP2D6": score_result("CYP2D6", ActivityScore(0))}, "CYP2C19 was not tested."),
        ("haloperidol", {"CYP2D6": score_result("CYP2D6", None)}, "The activity of this CYP2D6 result is not known."),
    ],
)
def test_without_a_figure_the_answer_says_why(drug: str, readings: dict[str, GeneResult], basis: str) -> None:
    (found,) = expected(drug, readings)
    assert (found.ratio, found.low, found.high, found.basis) == (None, None, None, basis)
    assert found.analyte == drug
    assert (found.source is None) == (drug == "fluoxetine")


def test_a_provisional_genotype_is_named_in_the_basis() -> None:
    reading = GeneResult("CYP2D6", Phenotype.POOR, ActivityScore(0), activity=0.0, provisional=True)
    assert expected("haloperidol", {"CYP2D6": reading})[0].basis.endswith("; provisional genotype")


def of(ratio: float | None, low: float | None, high: float | None, basis: str = "b") -> Exposure:
    return Exposure("x", ratio, low, high, basis, SOURCE)


@pytest.mark.parametrize(
    ("readings", "joined"),
    [
        ([of(2, 1, 3)], of(2, 1, 3)),
        ([of(2, 1, 3), of(2, 1.5, 4, "c")], of(2, 1, 3)),
        ([of(2, 1, 3), of(None, None, None, "not tested")], of(None, None, None, "not tested")),
        ([of(None, None, None, "n"), of(2, 1, 3)], of(None, None, None, "n")),
        ([of(2, 1, 3), of(1, 0.5, 1.5), of(4, 3, 5)],
         of(None, 0.5, 5, "Ambiguous genotype: 1.00 to 4.00 over its readings.")),
    ],
)  # fmt: skip
def test_readings_that_differ_give_their_range(readings: list[Exposure], joined: Exposure) -> None:
    assert span(readings) == joined


def test_a_range_names_the_source_of_its_first_reading() -> None:
    first, second = list(sources().values())[:2]
    readings = [replace(of(ratio, ratio, ratio), source=source) for ratio, source in ((1, first), (2, second))]
    assert span(readings).source == first != second


def test_a_level_range_has_its_unit_and_alert() -> None:
    found = therapeutic_ranges()
    sertraline = found["sertraline"]
    assert (sertraline.analyte, sertraline.low, sertraline.high, sertraline.unit, sertraline.alert) == (
        "sertraline", 10, 150, "ng/mL", 300,
    )  # fmt: skip
    assert found["duloxetine"].alert is None
    assert found["lamotrigine"].unit == "mg/L"
    assert found["sertraline"].source.id == "agnp-2018"


def test_every_figure_as_it_is() -> None:
    scores = {s: score_result("CYP2D6", ActivityScore(s)) for s in (0, 0.25, 1, 2, 3)}
    readings = [*scores.values(), *(phenotype_result(g, p) for g in ("CYP2C19", "CYP3A4") for p in Phenotype)]
    check_golden(
        __file__,
        "exposures",
        {
            f"{drug} {r.gene} {r.label}": [[e.analyte, e.ratio, e.low, e.high] for e in expected(drug, {r.gene: r})]
            for drug, of in pathways().items()
            for r in readings
            if r.gene == of[0].gene
        },
    )  # fmt: skip


# -- outcomes ----------------------------------------------------------------------------------------------------------

NOTHING = of(None, None, None)


def test_a_qt_effect_is_read_off_the_line_through_two_doses() -> None:
    """Citalopram: 8.5 ms at 20 mg, 18.5 ms at 60 mg: 5 ms for each further 20 mg."""
    (qt,) = side_effects("citalopram", (), of(3.0, 1.0, 5.0))
    assert qt.adjusted == "18 ms, 8 to 28 ms at the same dose"
    assert (qt.risk, qt.comparison, qt.effect) == ("8.5 ms", None, "QTc prolongation, 20 mg/day")
    (lower,) = side_effects("citalopram", (), of(0.5, 0.1, 0.9))
    assert lower.adjusted == "6 ms, 4 to 8 ms at the same dose"
    (ambiguous,) = side_effects("citalopram", (), of(None, 1.0, 2.0))
    assert ambiguous.adjusted == "8 to 14 ms at the same dose"
    (unknown,) = side_effects("citalopram", (), NOTHING)
    assert unknown.adjusted is None


def test_a_trial_rate_is_not_scaled_and_keeps_its_comparison() -> None:
    found = {s.effect: s for s in side_effects("sertraline", (), of(2.0, 1.0, 3.0))}
    assert (found["nausea"].risk, found["nausea"].comparison, found["nausea"].adjusted) == ("25 %", "11 %", None)
    assert found["nausea"].source.id == "label-sertraline-2003"
    assert found["nausea"].note.startswith("% of patients")
    escitalopram = {s.effect: s for s in side_effects("escitalopram", (), NOTHING)}
    assert escitalopram["nausea"].comparison is None


@pytest.mark.parametrize(
    ("drug", "readings", "risks"),
    [
        ("carbamazepine", [("*15:02", True)], ["1.8-3.4 %"]),
        ("carbamazepine", [("*15:02", False)], []),
        ("carbamazepine", [("*15:02", True), ("*15:11", True)],
         ["1.8-3.4 %", "raised; the risk with *15:02 is 4.6-6.6 times higher"]),
        ("lithium", [("*15:02", True)], []),
    ],
)  # fmt: skip
def test_a_carriers_risk_is_for_carriers(drug: str, readings: list[tuple[str, bool]], risks: list[str]) -> None:
    found = side_effects(drug, [GeneResult("HLA-B", None, markers=tuple(readings))], NOTHING)
    assert [s.risk for s in found] == risks
    assert not side_effects(drug, [GeneResult("HLA-A", None, markers=tuple(readings))], NOTHING)


@pytest.mark.parametrize(
    ("phenotype", "risks"),
    [
        (Phenotype.POOR, ["26 %"]),
        (Phenotype.ULTRARAPID, ["37 %"]),
        (Phenotype.NORMAL, []),
        (Phenotype.INTERMEDIATE, []),
    ],
)
def test_therapy_failure_is_for_the_extremes(phenotype: Phenotype, risks: list[str]) -> None:
    assert [s.risk for s in side_effects("risperidone", [GeneResult("CYP2D6", phenotype)], NOTHING)] == risks
    assert side_effects("risperidone", [GeneResult("CYP2C19", phenotype)], NOTHING) == ()


def test_efficacy_is_response_first_and_dropout_where_known() -> None:
    found = efficacy()
    assert [e.outcome for e in found["agomelatine"]] == ["response", "dropout"]
    assert [e.outcome for e in found["sertraline"]] == ["response"]
    first = found["amitriptyline"][0]
    assert (first.odds_ratio, first.low, first.high, first.source.id) == (1.75, 1.48, 2.06, "cipriani-reanalysis-2018")
