"""Clozapine plasma level from dose and the covariates that move it.

Log-linear regression on 142 measured levels with sex, age, C-reactive protein and CYP1A2 induction (smoking
or an inducing drug) as covariates: those that pharmacology names, chosen before fitting. The levels are those
released with CloToP (doi:10.1192/bjp.2023.27); only the fitted coefficients are shipped. Nobody in those data
took a CYP1A2 inhibitor, so the model must not be used with one.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from novamind.drugs.tables import sources
from novamind.errors import InsufficientDataError, ValidationError
from novamind.pharmacogenomics.domain import Exposure

TERMS = ("intercept", "log dose_mg", "male", "age_decades - 4", "log(1 + crp_mg_l)", "cyp1a2_induced")
_Z95 = 1.959964


@dataclass(frozen=True)
class LevelModel:
    """Fitted regression: coefficients and their covariance in the order of TERMS, log scale."""

    coefficients: np.ndarray
    covariance: np.ndarray
    residual_sd: float
    n: int
    mean_log_crp: float


def design(
    dose_mg: np.ndarray, male: np.ndarray, age: np.ndarray, crp_mg_l: np.ndarray, cyp1a2_induced: np.ndarray
) -> np.ndarray:
    """Return the design matrix, shape (n, 6), columns as in TERMS."""
    return np.column_stack(
        [np.ones_like(dose_mg), np.log(dose_mg), male, age / 10 - 4, np.log1p(crp_mg_l), cyp1a2_induced]
    )


def fit(x: np.ndarray, level_ng_ml: np.ndarray) -> LevelModel:
    """Return the model fitted to log levels by ordinary least squares.

    Raises
    ------
    InsufficientDataError
        There are not more levels than terms.
    """
    y = np.log(level_ng_ml)
    n, p = x.shape
    if n <= p:
        raise InsufficientDataError(f"a clozapine level model needs more than {p} measured levels")
    inverse = np.linalg.inv(x.T @ x)
    coefficients = inverse @ x.T @ y
    variance = float(((y - x @ coefficients) ** 2).sum() / (n - p))
    return LevelModel(coefficients, inverse * variance, math.sqrt(variance), n, float(x[:, 4].mean()))


def leave_one_out_log_errors(x: np.ndarray, level_ng_ml: np.ndarray) -> np.ndarray:
    """Return the log error of each level predicted from all others, shape (n,); the closed form of least squares."""
    y = np.log(level_ng_ml)
    hat = x @ np.linalg.inv(x.T @ x) @ x.T
    return np.asarray((y - hat @ y) / (1 - np.diag(hat)))


@cache
def shipped() -> LevelModel:
    """Return the packaged fit."""
    stored = json.loads(files("novamind.pharmacogenomics.knowledge").joinpath("clozapine.json").read_text("utf-8"))
    return LevelModel(
        np.array(stored["coefficients"]),
        np.array(stored["covariance"]),
        stored["residual_sd"],
        stored["n"],
        stored["mean_log_crp"],
    )


def predict_clozapine_level(
    dose_mg: float, *, male: bool, age: float, crp_mg_l: float | None = None, cyp1a2_induced: bool = False
) -> Exposure:
    """Return the predicted trough level in ng/mL with its 95 % prediction interval.

    Parameters
    ----------
    dose_mg
        Daily dose, 12.5 to 900.
    male, age
        Sex, and age in years, 18 to 100.
    crp_mg_l
        C-reactive protein; the data's mean where it is not known.
    cyp1a2_induced
        Smoking, or a CYP1A2 inducer.

    Raises
    ------
    ValidationError
        A value is outside its range.
    """
    if not 12.5 <= dose_mg <= 900:
        raise ValidationError("the clozapine dose must lie between 12.5 and 900 mg a day")
    if not 18 <= age <= 100:
        raise ValidationError("the clozapine level model holds for ages from 18 to 100")
    if crp_mg_l is not None and not 0 <= crp_mg_l <= 500:
        raise ValidationError("C-reactive protein must lie between 0 and 500 mg/L")
    model = shipped()
    crp = math.expm1(model.mean_log_crp) if crp_mg_l is None else crp_mg_l
    x = design(*(np.array([float(v)]) for v in (dose_mg, male, age, crp, cyp1a2_induced)))[0]
    centre = float(x @ model.coefficients)
    spread = _Z95 * math.sqrt(model.residual_sd**2 + float(x @ model.covariance @ x))
    basis = f"ng/mL from dose, sex, age, CRP and CYP1A2 induction; {model.n} measured levels"
    return Exposure(
        "clozapine",
        math.exp(centre),
        math.exp(centre - spread),
        math.exp(centre + spread),
        basis,
        sources()["clotop-levels-2023"],
    )
