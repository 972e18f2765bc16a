"""The clozapine level model: the closed form of least squares, the interval it says, and its limits."""

import json
import math
from importlib.resources import files

import numpy as np
import pytest

from novamind.errors import InsufficientDataError, ValidationError
from novamind.pharmacogenomics import clozapine

STORED = json.loads(files("novamind.pharmacogenomics.knowledge").joinpath("clozapine.json").read_text("utf-8"))


def test_the_columns_of_the_design_are_its_terms() -> None:
    x = clozapine.design(*(np.array([v]) for v in (300.0, 1.0, 55.0, 9.0, 1.0)))
    assert tuple(STORED["terms"]) == clozapine.TERMS
    assert x[0] == pytest.approx([1, math.log(300), 1, 1.5, math.log(10), 1])


@pytest.mark.parametrize("male", [True, False])
@pytest.mark.parametrize("induced", [True, False])
def test_the_prediction_is_the_stored_regression(male: bool, induced: bool) -> None:
    terms = np.array([1, math.log(350), male, 0.7, math.log1p(12), induced])
    centre = float(terms @ STORED["coefficients"])
    variance = STORED["residual_sd"] ** 2 + float(terms @ np.array(STORED["covariance"]) @ terms)
    level = clozapine.predict_clozapine_level(350, male=male, age=47, crp_mg_l=12, cyp1a2_induced=induced)
    assert level.ratio == pytest.approx(math.exp(centre))
    assert level.low == pytest.approx(math.exp(centre - 1.959964 * math.sqrt(variance)))
    assert level.high == pytest.approx(math.exp(centre + 1.959964 * math.sqrt(variance)))
    assert level.analyte == "clozapine"
    assert level.basis == "ng/mL from dose, sex, age, CRP and CYP1A2 induction; 142 measured levels"
    assert level.source is not None
    assert level.source.id == "clotop-levels-2023"


def test_an_unknown_crp_is_the_mean_of_the_data_and_no_induction_is_assumed() -> None:
    assumed = clozapine.predict_clozapine_level(350, male=True, age=47)
    named = clozapine.predict_clozapine_level(
        350, male=True, age=47, crp_mg_l=math.expm1(STORED["mean_log_crp"]), cyp1a2_induced=False
    )
    assert assumed == named
    assert clozapine.predict_clozapine_level(350, male=True, age=47, crp_mg_l=0) != assumed


@pytest.mark.parametrize(
    ("edge", "beyond"),
    [
        ({"dose_mg": 12.5}, {"dose_mg": 12.4}), ({"dose_mg": 900}, {"dose_mg": 900.1}),
        ({"age": 18}, {"age": 17.9}), ({"age": 100}, {"age": 100.1}),
        ({"crp_mg_l": 0}, {"crp_mg_l": -0.1}), ({"crp_mg_l": 500}, {"crp_mg_l": 500.1}),
    ],
)  # fmt: skip
def test_the_edge_of_a_range_is_inside(edge: dict[str, float], beyond: dict[str, float]) -> None:
    asked = {"dose_mg": 300, "male": False, "age": 40}
    assert clozapine.predict_clozapine_level(**(asked | edge)).ratio  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=r"must lie|holds for"):
        clozapine.predict_clozapine_level(**(asked | beyond))  # type: ignore[arg-type]


def cohort(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = clozapine.design(
        rng.uniform(50, 800, n), rng.integers(0, 2, n).astype(float), rng.uniform(18, 80, n), rng.exponential(5, n),
        rng.integers(0, 2, n).astype(float),
    )  # fmt: skip
    truth = np.array([1.4, 0.8, -0.3, 0.05, 0.1, -0.3])
    return x, np.exp(x @ truth + rng.normal(scale=0.5, size=n))


def test_the_fit_is_least_squares_with_its_covariance() -> None:
    x, level = cohort(60, 1)
    fitted = clozapine.fit(x, level)
    expected, squares, _, _ = np.linalg.lstsq(x, np.log(level), rcond=None)
    assert fitted.coefficients == pytest.approx(expected)
    assert fitted.residual_sd == pytest.approx(math.sqrt(squares[0] / (60 - 6)))
    assert fitted.covariance == pytest.approx(np.linalg.inv(x.T @ x) * squares[0] / 54)
    assert (fitted.n, fitted.mean_log_crp) == (60, pytest.approx(x[:, 4].mean()))


def test_as_many_levels_as_terms_are_too_few() -> None:
    x, level = cohort(7, 2)
    assert clozapine.fit(x, level).n == 7
    with pytest.raises(InsufficientDataError, match="more than 6"):
        clozapine.fit(x[:6], level[:6])


def test_95_of_100_levels_lie_in_the_interval() -> None:
    x, level = cohort(4000, 3)
    model = clozapine.fit(x[:2000], level[:2000])
    spread = 1.959964 * np.sqrt(model.residual_sd**2 + np.einsum("ij,jk,ik->i", x, model.covariance, x))
    inside = np.abs(np.log(level) - x @ model.coefficients)[2000:] <= spread[2000:]
    assert 0.93 < inside.mean() < 0.97
    assert pytest.approx(1.959964) == clozapine._Z95


def test_the_shipped_fit_is_the_file() -> None:
    model = clozapine.shipped()
    assert (model.n, model.residual_sd, model.mean_log_crp) == (
        STORED["n"],
        STORED["residual_sd"],
        STORED["mean_log_crp"],
    )
    assert model.coefficients.tolist() == STORED["coefficients"]
    assert model.covariance.tolist() == STORED["covariance"]
