"""A person whose heart rate variability goes before anxiety by 9 hours, and whose steps go before nothing."""

from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from scipy.signal import lfilter

from novamind.biometrics.domain import Floats, LagProfile, Link, PersonSeries, Reliability
from novamind.biometrics.engine import PersonProfile, analyse
from novamind.biometrics.results import Correlations, PersonLinks

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
    hourly = np.column_stack([np.exp(3.5 + 0.3 * lead), np.exp(5 + steps)])
    return PersonSeries(
        signals=("hrv", "steps"),
        symptoms=("anxiety",),
        start=MONDAY.astype("datetime64[h]"),
        hourly=hourly,
        offset=np.zeros(2),
        report_hours=at,
        reports=np.round(2 * reports)[:, None],
        measured=np.isfinite(hourly),
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


def rich(seed: int = 0, days: int = 32) -> PersonSeries:
    """Five signals and three symptoms with all that is awkward: gaps, ties, an illness, a medication, late clocks.

    Variability goes before anxiety by 9 hours, mood before steps; heart rate and anxiety follow the clock; sleep is
    held through the day; the record begins on a Wednesday at 05:00.
    """
    rng = np.random.default_rng([seed, 7])
    hours = 24 * days
    hour = np.arange(hours)
    clock = 2 * np.pi * (hour + 5) / 24
    late = np.repeat(rng.normal(0, 1.5, days), 24) * np.pi / 12
    hidden = inertia(rng, hours + 60, 5.0)
    mood = inertia(rng, hours + 60, 12.0)
    ill = ((hour > 400) & (hour < 490)) * 2.0
    felt = 0.85 * hidden[21 : 21 + hours] + 0.5 * inertia(rng, hours, 10.0) + 0.5 * np.cos(clock - late)
    hourly = np.column_stack([
        np.exp(3.5 + 0.3 * (hidden[30 : 30 + hours] - ill)),
        60 + 8 * (np.cos(clock - late + 1) + 0.6 * inertia(rng, hours, 3.0) + ill),
        np.floor(np.maximum(np.exp(4 + 0.8 * mood[12 : 12 + hours] - ill) - 20, 0)),
        np.repeat(np.round(7 + rng.standard_normal(days), 1), 24),
        33 + 0.5 * np.cos(clock + 2) + 0.3 * inertia(rng, hours, 20.0) + 0.3 * ill,
    ])  # fmt: skip
    measured = np.ones(hourly.shape, bool)
    measured[:, 3] = hour % 24 == 2
    lost = rng.random(hourly.shape) < 0.1
    lost[:, 3] = False
    lost[200:260, 1] = lost[600:620, :3] = True
    hourly[lost], measured[lost] = np.nan, False
    at = np.sort(rng.uniform(0.2, hours - 1.2, 4 * days))
    cell = at.astype(int)
    reports = np.column_stack([
        np.round(2 * felt[cell] + rng.standard_normal(len(at))),
        np.round(mood[20 + cell] + rng.standard_normal(len(at))),
        (rng.random(len(at)) < 0.06).astype(float),
    ])  # fmt: skip
    reports[rng.random(reports.shape) < 0.05] = np.nan
    return PersonSeries(
        signals=("hrv", "heart_rate", "steps", "sleep_duration", "skin_temp"),
        symptoms=("anxiety", "low_mood", "panic"),
        start=np.datetime64("2024-01-03T05", "h"),
        hourly=hourly,
        offset=np.array([0.5, 0.0, 0.25, 0.0, 0.1]),
        report_hours=at,
        reports=reports,
        measured=measured,
        confounders={"medication": np.clip((hour - 300) / 336, 0, 1)},
    )


@pytest.fixture(scope="session")
def analysed() -> PersonProfile:
    """The engine's answer on the rich record."""
    return analyse(rich(), max_lag=36, seed=1, draws=40)


def pair(signal: str = "hrv", symptom: str = "anxiety", **changes: Any) -> Link:
    """A confirmed lead of 20 hours."""
    row: dict[str, Any] = {
        "patient_id": None, "detected": True, "score": 4.0, "p_value": 1e-4, "q_value": 0.005, "lag_hours": 20.0,
        "lag_low": 15.0, "lag_high": 25.0, "sign": 1, "effect": 0.4, "effect_low": 0.3, "effect_high": 0.5,
        "explained_by": None, "n_effective": 250.0, "pearson": 0.2, "spearman": 0.15, **changes,
    }  # fmt: skip
    return Link(signal=signal, symptom=symptom, **row)


def result(patient: str | None = None, level: Literal["high", "low"] = "high") -> PersonLinks:
    """A result with a link of every kind on the rich record, decided by hand."""
    series = rich(3, days=70)
    series.hourly[24 * 60 : 24 * 64, 0] *= 2.5  # moves that alarm and warn
    series.hourly[24 * 50 : 24 * 53, 1] -= 25
    links = (
        pair(patient_id=patient),
        pair("heart_rate", effect=-0.35, effect_low=-0.5, effect_high=-0.2, sign=-1, lag_hours=50.0, lag_low=30.0,
             lag_high=70.0, q_value=0.0004, patient_id=patient, n_effective=80.0),
        pair("steps", "low_mood", lag_hours=-12.0, lag_low=-20.0, lag_high=-2.0, effect=0.2, effect_low=0.1,
             effect_high=0.3, patient_id=patient),
        pair("steps", detected=False, explained_by="time of day", q_value=0.4, effect=0.1, patient_id=patient),
        pair("sleep_duration", "low_mood", lag_hours=-1.0, lag_low=-6.0, lag_high=4.0, effect=-0.6, effect_low=-0.7,
             effect_high=-0.5, patient_id=patient),
        pair("skin_temp", detected=False, explained_by="hrv", q_value=0.3, patient_id=patient),
        pair("skin_temp", "low_mood", detected=False, explained_by="inertia", q_value=0.6, patient_id=patient),
        pair("hrv", "low_mood", detected=False, q_value=0.8, patient_id=patient),
    )  # fmt: skip
    rng = np.random.default_rng(9)
    profiles = {
        (link.signal, link.symptom): LagProfile(rng.normal(0, 2, 9), rng.dirichlet(np.ones(9))) for link in links
    }
    skipped = {"weight": "fewer than 24 hours with a value of their own"}
    reasons = Reliability(level, ("70 days", "280 reports"))
    return PersonLinks(patient, links, profiles, skipped, reasons, series, 4, "detector-test")


def together(*persons: PersonLinks) -> Correlations:
    """These persons as one result."""
    return Correlations(persons, 0.1, 72, "by hand", 4, nw.Implementation.POLARS)
