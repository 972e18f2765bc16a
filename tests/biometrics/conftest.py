"""A person whose heart rate variability goes before anxiety by 9 hours, and whose steps go before nothing."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from scipy.signal import lfilter

from novamind.biometrics.domain import Floats, PersonSeries

MONDAY = np.datetime64("2024-01-01T00:00:00", "us")
LAG = 9


def inertia(rng: np.random.Generator, n: int, tau: float) -> Floats:
    """A unit-variance Ornstein-Uhlenbeck series by the hour."""
    phi = np.exp(-1 / tau)
    fresh = rng.standard_normal(n)
    fresh[0] /= np.sqrt(1 - phi**2)
    return np.asarray(lfilter([np.sqrt(1 - phi**2)], [1, -phi], fresh))


def person(seed: int = 0, days: int = 50, lag: int = LAG, effect: float = 0.8, shift: int = 0) -> PersonSeries:
    """Two signals and one symptom; ``shift`` moves the leading signal by so many hours."""
    rng = np.random.default_rng(seed)
    hours = 24 * days
    long = inertia(rng, hours + 400, 4.0)
    steps = inertia(rng, hours, 2.0)
    felt = effect * long[200 - lag : 200 - lag + hours] + np.sqrt(1 - effect**2) * inertia(rng, hours, 10.0)
    at = np.sort(rng.uniform(0, hours - 1, 4 * days))
    cell = at.astype(int)
    share = at - cell
    reports = (
        felt[cell] * (1 - share) + felt[np.minimum(cell + 1, hours - 1)] * share + 0.5 * rng.standard_normal(len(at))
    )
    lead = long[200 + shift : 200 + shift + hours]
    return PersonSeries(
        signals=("hrv", "steps"),
        symptoms=("anxiety",),
        start=MONDAY.astype("datetime64[h]"),
        hourly=np.column_stack([np.exp(3.5 + 0.3 * lead), np.exp(5 + steps)]),
        offset=np.zeros(2),
        report_hours=at,
        reports=np.round(2 * reports)[:, None],
    )


@dataclass(frozen=True)
class Frames:
    """The same as long frames."""

    biometrics: pl.DataFrame
    symptoms: pl.DataFrame


def frames(record: PersonSeries, patient: str | None = None) -> Frames:
    """Long frames of a person."""
    hours = MONDAY + np.arange(record.hours) * np.timedelta64(1, "h")
    signals = pl.concat(
        pl.DataFrame({"timestamp": hours, "value": record.hourly[:, b]}).with_columns(signal=pl.lit(name))
        for b, name in enumerate(record.signals)
    )
    at = MONDAY + (record.report_hours * 3_600_000_000).astype("timedelta64[us]")
    reports = pl.concat(
        pl.DataFrame({"timestamp": at, "value": record.reports[:, s]}).with_columns(symptom=pl.lit(name))
        for s, name in enumerate(record.symptoms)
    )
    if patient is not None:
        signals, reports = (frame.with_columns(patient_id=pl.lit(patient)) for frame in (signals, reports))
    return Frames(signals, reports)


@pytest.fixture(scope="session")
def record() -> PersonSeries:
    return person()


@pytest.fixture(scope="session")
def tables(record: PersonSeries) -> Frames:
    return frames(record)
