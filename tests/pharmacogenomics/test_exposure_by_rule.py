"""exposure.py and outcomes.py from their closed forms; the figures themselves are tested in tests/drugs."""

import math
from dataclasses import replace

import pytest

from novamind.drugs.clearance import routes, shares
from novamind.drugs.exposure import model_log_sd
from novamind.drugs.tables import sources
from novamind.pharmacogenomics.domain import ActivityScore, Exposure, GeneResult, Phenotype
from novamind.pharmacogenomics.exposure import expected, genes_of, span
from novamind.pharmacogenomics.outcomes import efficacy, side_effects
from novamind.pharmacogenomics.phenotypes import phenotype_result, score_result
from tests.golden import check_golden

SOURCE = sources()["feng-2008"]


def test_the_interval_holds_share_activity_and_model() -> None:
    share = routes("haloperidol")[0]
    spread = math.exp(1.959964 * model_log_sd())
    known = expected("haloperidol", {"CYP2D6": score_result("CYP2D6", ActivityScore(0.5))})[0]
    ratios = [1 / (1 - f + f * 0.25) for f in (share.low, share.share, share.high)]
    assert known.ratio == pytest.approx(ratios[1])
    assert known.low == pytest.approx(min(ratios) / spread)
    assert known.high == pytest.approx(max(ratios) * spread)
    assert known.basis == (
        "40% of clearance through CYP2D6, activity 25% of two normal alleles; not tested and counted as normal: CYP3A4"
    )
    assert known.source == share.source
    under = GeneResult(
        "CYP2D6", Phenotype.INTERMEDIATE, activity=0.5, activity_low=0.2, activity_high=0.8, genetic_activity=1.0
    )
    moved = expected("haloperidol", {"CYP2D6": under})[0]
    ends = [1 / (1 - f + f * a) for f in (share.low, share.high) for a in (0.2, 0.8)]
    assert moved.low == pytest.approx(min(ends) / spread)
    assert moved.high == pytest.approx(max(ends) * spread)
    fast = expected("haloperidol", {"CYP2D6": score_result("CYP2D6", ActivityScore(4.0))})[0]
    assert fast.low is not None
    assert fast.low < 1 / (1 + share.high) < (fast.ratio or 0) < 1


def test_the_reference_is_one_and_never_exactly_one() -> None:
    """People with two normal alleles differ from each other, so no figure is a point."""
    one = expected("haloperidol", {"CYP2D6": score_result("CYP2D6", ActivityScore(2.0))})[0]
    spread = math.exp(1.959964 * model_log_sd())
    assert (one.ratio, one.low, one.high) == pytest.approx((1, 1 / spread, spread))
    assert spread > 1.2


@pytest.mark.parametrize(
    ("drug", "readings", "basis"),
    [
        ("lithium", {}, "No published exposure ratio by genotype in our tables."),
        ("haloperidol", {}, "CYP2D6 was not tested."),
        ("haloperidol", {"CYP9Z9": score_result("CYP2D6", ActivityScore(0))}, "CYP2D6 was not tested."),
        ("haloperidol", {"CYP2D6": score_result("CYP2D6", None)}, "The activity of this CYP2D6 result is not known."),
    ],
)
def test_without_a_figure_the_answer_says_why(drug: str, readings: dict[str, GeneResult], basis: str) -> None:
    (found,) = expected(drug, readings)
    assert (found.ratio, found.low, found.high, found.basis) == (None, None, None, basis)
    assert found.analyte == drug
    assert (found.source is None) == (drug == "lithium")


def test_several_genes_and_drugs_count_together() -> None:
    """Sertraline: CYP2C19 62.7 % and CYP2B6 35.5 % of clearance; nothing else is left to speak of."""
    f = shares("sertraline")
    poor = {
        "CYP2C19": phenotype_result("CYP2C19", Phenotype.POOR),
        "CYP2B6": phenotype_result("CYP2B6", Phenotype.POOR),
    }
    both = expected("sertraline", poor)[0]
    assert both.ratio == pytest.approx(1 / (1 - f["CYP2C19"] - f["CYP2B6"] * 0.7))
    assert "not tested" not in both.basis
    beside = expected("citalopram", {}, ("fluconazole",))[0]
    assert beside.basis.startswith("52% through CYP2C19, activity 1% beside fluconazole; about 15% through CYP3A4")
    assert beside.basis.endswith("not tested and counted as normal: CYP2C19, CYP2D6, CYP3A4")
    doubtful = expected("alprazolam", {}, ("bosentan", "fluoxetine"))[0]
    assert "beside fluoxetine and bosentan (class not confirmed)" in doubtful.basis


def test_a_gene_that_is_typed_already_holds_its_comedication() -> None:
    typed = {"CYP2C19": phenotype_result("CYP2C19", Phenotype.NORMAL)}
    alone = expected("escitalopram", typed)[0]
    assert expected("escitalopram", typed, ("ticlopidine",))[0].ratio == alone.ratio == 1


def test_a_provisional_genotype_is_named_in_the_basis() -> None:
    reading = GeneResult("CYP2D6", Phenotype.POOR, ActivityScore(0), activity=0.0, provisional=True)
    assert "; provisional genotype; not tested" in expected("haloperidol", {"CYP2D6": reading})[0].basis


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


def test_every_figure_as_it_is() -> None:
    scores = {s: score_result("CYP2D6", ActivityScore(s)) for s in (0, 0.25, 1, 2, 3)}
    readings = [*scores.values(), *(phenotype_result(g, p) for g in ("CYP2C19", "CYP3A4") for p in Phenotype)]
    check_golden(
        __file__,
        "exposures",
        {
            f"{drug} {r.gene} {r.label}": [[e.analyte, e.ratio, e.low, e.high] for e in expected(drug, {r.gene: r})]
            for drug in ("sertraline", "citalopram", "risperidone", "clomipramine", "quetiapine", "bupropion")
            for r in readings
            if r.gene in genes_of(drug)[:1]
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
