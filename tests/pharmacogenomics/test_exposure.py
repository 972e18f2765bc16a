"""Expected exposure against published ratios that were not used as parameters."""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.drugs.clearance import fraction_metabolised, routes
from novamind.drugs.enzymes import all_substrates
from novamind.drugs.exposure import held_out_log_errors, therapeutic_ranges
from novamind.drugs.tables import rows
from novamind.errors import InsufficientDataError, ValidationError
from novamind.pharmacogenomics import clozapine
from novamind.pharmacogenomics.domain import ActivityScore, GeneResult, Phenotype
from novamind.pharmacogenomics.exposure import expected, span
from novamind.pharmacogenomics.phenoconversion import convert
from novamind.pharmacogenomics.phenotypes import phenotype_result, score_result

Rows = Callable[..., Iterator[dict[str, str]]]


def published(text: str) -> float:
    """A ratio, or the geometric middle of a range."""
    low, _, high = text.partition("-")
    return math.sqrt(float(low) * float(high or low))


def test_held_out_exposure_ratios_are_predicted() -> None:
    errors = np.abs(held_out_log_errors())
    assert len(errors) == 20
    assert np.median(errors) <= 0.15


def test_every_reference_ratio_is_a_parameter_or_a_check_or_named_here(table: Rows) -> None:
    """No row is dropped in silence: what is neither used nor checked is listed with its reason."""
    not_modelled = {
        ("atomoxetine", "CYP2C19"),  # two people
        ("fluvoxamine", "CYP1A2"),  # smoking: larger than the enzyme's gain explains
        ("escitalopram", "UM (*17/*17)"),  # these two set the activity of *17
        ("sertraline", "UM"),
    }
    ours = {(r["drug"], round(float(r["ratio"]), 2)) for name in ("exposure", "exposure_checks") for r in rows(name)}
    for row in table("exposure_by_phenotype.csv"):
        drug = row["drug"].partition(" ")[0].replace("N-desmethyl", "")
        if {(drug, row["gene_or_factor"]), (row["drug"], row["group"])} & not_modelled:
            continue
        assert (drug, round(published(row["ratio"]), 2)) in ours, row


def under(inhibitor: str, substrate: str, score: float) -> float:
    """Predicted exposure with the inhibitor over that without it, at a CYP2D6 score."""
    change = convert(score_result("CYP2D6", ActivityScore(score)), (inhibitor,))
    (before, after) = (change.before, change.after)
    path = next(r for r in routes(substrate) if r.route == "CYP2D6")
    assert before.activity is not None
    assert after.activity is not None
    return path.ratio(after.activity, after.genetic_activity) / path.ratio(before.activity)


def test_interaction_ratios_by_genotype_are_in_the_observed_order(table: Rows) -> None:
    """All nine rows, across substrates and inhibitors; the published intervals hold what is predicted."""
    scores = {"AS0": 0.0, "AS1": 1.0, "AS2": 2.0, "PM": 0.0, "EM": 2.0}
    pairs = []
    for row in table("ddi_auc_by_genotype.csv"):
        ratio = under(row["inhibitor"], row["substrate"], scores[row["cyp2d6_group"]])
        pairs.append((float(row["aucr_observed"]), ratio))
        if row["ci"]:
            low, _, high = row["ci"].partition("-")
            assert float(low) <= ratio <= float(high)
    ours = [ratio for _, ratio in sorted(pairs)]
    assert len(ours) == 9
    assert ours == sorted(ours)
    # Without the enzyme there is nothing to inhibit: the two groups of poor metabolisers share a ratio of 1.
    assert len(set(ours)) == 8


def test_what_an_inhibitor_leaves_is_solved_from_its_own_ratio_and_carries_over() -> None:
    assert under("paroxetine", "dextromethorphan", 2.0) == pytest.approx(14.6)
    assert under("fluoxetine", "tolterodine", 2.0) == pytest.approx(17.4)
    # US label of atomoxetine: 6- to 8-fold with paroxetine in extensive metabolizers; nobody's parameter.
    atomoxetine = convert(score_result("CYP2D6", ActivityScore(2.0)), ("paroxetine",)).after
    predicted = expected("atomoxetine", {"CYP2D6": atomoxetine})[0]
    assert predicted.ratio is not None
    assert predicted.low is not None
    assert predicted.low < 6
    assert 8 < predicted.ratio < 10
    # Hua 2004: duloxetine raised tolterodine 1.71-fold (1.31 to 2.23).
    assert 1.31 < under("duloxetine", "tolterodine", 2.0) < 2.23


def test_a_drugs_own_ratio_with_one_functional_allele_bends_its_scale() -> None:
    (tolterodine,) = routes("tolterodine")
    assert tolterodine.ratio(0.5) == pytest.approx(4.4)
    assert tolterodine.ratio(0.0) == pytest.approx(30)
    assert tolterodine.ratio(1.0) == pytest.approx(1)
    assert all(r.power == 1 for drug in all_substrates() for r in routes(drug) if drug != "tolterodine")


@given(st.floats(1.01, 30), st.floats(0, 0.9))
def test_the_fraction_gives_back_its_ratio(ratio: float, activity: float) -> None:
    f = fraction_metabolised(ratio, activity)
    if f < 1:
        assert 1 / (1 - f + f * activity) == pytest.approx(ratio)


@pytest.mark.parametrize("drug", ["tolterodine", "sertraline", "lithium", "olanzapine"])
def test_worse_function_never_clears_more(drug: str) -> None:
    for path in routes(drug):
        ratios = [path.ratio(a) for a in np.linspace(0, 2, 21)]
        assert all(a >= b for a, b in itertools.pairwise(ratios))
        assert path.ratio(1.0) == pytest.approx(1.0)


def test_intervals_hold_the_ratio_and_unknown_stays_unknown() -> None:
    known = expected("escitalopram", {"CYP2C19": phenotype_result("CYP2C19", Phenotype.POOR)})[0]
    assert known.low is not None
    assert known.high is not None
    assert known.ratio is not None
    assert known.low < known.ratio < known.high
    assert expected("lithium", {})[0].ratio is None
    assert "not tested" in expected("escitalopram", {})[0].basis
    unknown = GeneResult("CYP2C19", Phenotype.INDETERMINATE)
    assert expected("escitalopram", {"CYP2C19": unknown})[0].ratio is None


def test_an_ambiguous_genotype_gives_a_range_without_a_ratio() -> None:
    both = [expected("atomoxetine", {"CYP2D6": score_result("CYP2D6", ActivityScore(s))})[0] for s in (0.0, 2.0)]
    joined = span(both)
    assert joined.ratio is None
    assert joined.high == both[0].high
    assert joined.low == both[1].low


def test_risperidone_reports_the_active_moiety_first() -> None:
    analytes = [e.analyte for e in expected("risperidone", {"CYP2D6": score_result("CYP2D6", ActivityScore(0))})]
    assert analytes == ["risperidone and 9-hydroxyrisperidone", "risperidone alone"]


def test_therapeutic_ranges_are_ordered() -> None:
    assert all(r.low < r.high for r in therapeutic_ranges().values())


def clozapine_data(table: Rows) -> tuple[np.ndarray, np.ndarray]:
    rows = [
        {k.lower(): float(v) for k, v in row.items()}
        for part in ("train", "test")
        for row in table(f"clozapine_tdm/{part}.csv")
    ]
    column = {k: np.array([r[k] for r in rows]) for k in rows[0]}
    induced = np.minimum(column["inducers_1a2"], 1)
    x = clozapine.design(column["dose"], column["male"], column["age"], column["crp"], induced)
    return x, column["clozapine"]


def test_clozapine_levels_leave_one_out(table: Rows) -> None:
    x, level = clozapine_data(table)
    errors = clozapine.leave_one_out_log_errors(x, level)
    assert len(errors) == 142
    assert np.sqrt((errors**2).mean()) < 0.548
    fitted = clozapine.fit(x, level)
    assert np.allclose(fitted.coefficients, clozapine.shipped().coefficients, atol=1e-5)


def test_leave_one_out_closed_form_equals_refitting() -> None:
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(12), rng.normal(size=(12, 2))])
    level = np.exp(x @ [5, 0.5, -0.2] + rng.normal(scale=0.3, size=12))
    refitted = [
        np.log(level[i]) - x[i] @ np.linalg.lstsq(np.delete(x, i, 0), np.log(np.delete(level, i)), rcond=None)[0]
        for i in range(12)
    ]
    assert np.allclose(clozapine.leave_one_out_log_errors(x, level), refitted)


def test_clozapine_prediction_and_its_limits() -> None:
    smoker, other = (
        clozapine.predict_clozapine_level(400, male=True, age=40, cyp1a2_induced=s).ratio or 0.0 for s in (True, False)
    )
    assert smoker < other
    for bad in ({"dose_mg": 0}, {"dose_mg": 5000}, {"age": 3}, {"crp_mg_l": -1}, {"dose_mg": math.nan}):
        with pytest.raises(ValidationError):
            clozapine.predict_clozapine_level(**({"dose_mg": 400, "male": True, "age": 40} | bad))  # type: ignore[arg-type]
    with pytest.raises(InsufficientDataError):
        clozapine.fit(np.ones((3, 6)), np.ones(3))
