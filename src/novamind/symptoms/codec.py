"""The one JSON of a forecast, alone and in a list, through every door."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Literal, Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from novamind.records.tables.frames import SeriesKey
from novamind.symptoms.domain import HIGH_80, LOW_80, MEDIAN, Explanation, Floats, Risk, Scale, SymptomForecast
from novamind.symptoms.presentation import wording

#: Central intervals that are given beside the quantiles.
INTERVALS = (0.5, 0.8, 0.95)


class ManyForecasts(Protocol):
    """Forecasts of many series, as :class:`novamind.symptoms.results.Forecasts` holds them."""

    def __iter__(self) -> Iterator[SymptomForecast]:
        """Each forecast."""

    @property
    def skipped(self) -> Mapping[SeriesKey, str]:
        """Series that could not be forecast, with the reason."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class ScaleBody(_Body):
    """An instrument's range."""

    low: float = Field(description="Smallest value, in the instrument's units.")
    high: float = Field(description="Largest value, in the instrument's units.")
    step: float | None = Field(
        default=None, description="Distance between neighbouring values, in the instrument's units; null if continuous."
    )
    worse: Literal["high", "low"] = Field(default="high", description="Which end means more suffering.")

    @classmethod
    def of(cls, scale: Scale) -> Self:
        """From the domain's scale."""
        return cls.model_validate(scale)


class TrendBody(_Body):
    """Change per week over the recent record, with its 95 % interval."""

    per_week: float = Field(description="Slope, in the instrument's units a week.")
    low: float = Field(description="Lower end of the 95 % interval, in the instrument's units a week.")
    high: float = Field(description="Upper end of the 95 % interval, in the instrument's units a week.")
    probability_worsening: float = Field(
        description="Posterior probability that the slope points to more suffering, 0 to 1."
    )
    direction: Literal["worsening", "improving", "stable", "uncertain"] = Field(
        description="The trend in a word; uncertain unless the probability is above 0.9 or below 0.1."
    )
    days: int = Field(description="Length of the record that was looked at, in days.")


class RiskPeriodBody(_Body):
    """A run of days on which reaching the threshold is at least as likely as the alert probability."""

    start: date = Field(description="First day.")
    end: date = Field(description="Last day.")
    peak_probability: float = Field(description="Highest probability of these days, 0 to 1.")


class RiskBody(_Body):
    """Probability per day of being at a threshold or beyond it on the suffering side."""

    threshold: float = Field(description="In the instrument's units.")
    probability: list[float] = Field(description="Per forecast day, 0 to 1.")
    alert_probability: float = Field(description="From which probability on days are joined to periods, 0 to 1.")
    periods: list[RiskPeriodBody] = Field(description="Days at or above the alert probability.")

    @classmethod
    def of(cls, risk: Risk) -> Self:
        """From the domain's risk."""
        return cls(
            threshold=risk.threshold,
            probability=risk.probability.tolist(),
            alert_probability=risk.alert_probability,
            periods=[
                RiskPeriodBody(
                    start=_date(period.start), end=_date(period.end), peak_probability=period.peak_probability
                )
                for period in risk.periods
            ],
        )


class IntervalBody(_Body):
    """A central interval per forecast day."""

    level: float = Field(description="Stated share of the outcomes inside, 0 to 1.")
    low: list[float] = Field(description="Lower end per day, in the instrument's units.")
    high: list[float] = Field(description="Upper end per day, in the instrument's units.")


class MemberBody(_Body):
    """One model of the ensemble and its errors."""

    name: str = Field(description="Name of the model.")
    weight: float = Field(description="Share in this forecast, averaged over the days, 0 to 1.")
    own_error: float | None = Field(
        description="Mean CRPS on earlier days of this record, in percent of the scale; null if it is too short."
    )
    validation_error: float = Field(description="Mean CRPS on the validation cohort, in percent of the scale.")


class RecordPartBody(_Body):
    """A part of the record and how far it moves the forecast of each day."""

    name: str = Field(description="Part of the record, e.g. last report.")
    median: list[float] = Field(description="How far it moves the median per day, in the instrument's units.")
    width: list[float] = Field(description="How far it widens the 80 % interval per day, in the instrument's units.")


class ExplanationBody(_Body):
    """Which parts of the record moved the forecast: Shapley values of the whole ensemble.

    The neutral median and the shifts of all parts add up to the median before it is rounded to the scale's steps, and
    so do the widths of the 80 % interval.
    """

    neutral_median: list[float] = Field(
        description="Median per day with every report at the person's own mean and nothing known beside the reports, "
        "in the instrument's units."
    )
    neutral_width: list[float] = Field(
        description="Width of the 80 % interval per day of the same, in the instrument's units."
    )
    parts: list[RecordPartBody] = Field(description="Parts of the record.")

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        """From the domain's explanation."""
        return cls(
            neutral_median=explanation.neutral[:, MEDIAN].tolist(),
            neutral_width=_width(explanation.neutral),
            parts=[
                RecordPartBody(name=name, median=shift[:, MEDIAN].tolist(), width=_width(shift))
                for name, shift in explanation.shifts.items()
            ],
        )


class ForecastBody(_Body):
    """The forecast of one symptom; quantiles are monotone and inside the scale."""

    symptom: str = Field(description="Instrument or name of the series.")
    patient_id: str | None = Field(description="Whose; null if the record does not say.")
    scale: ScaleBody = Field(description="Range of the symptom.")
    history_from: date = Field(description="First day of the record.")
    history_until: date = Field(description="Last day of the record.")
    days: list[date] = Field(description="Forecast days.")
    quantile_levels: list[float] = Field(description="Levels of the quantiles, 0 to 1.")
    quantiles: list[list[float]] = Field(description="Per day, one value per level, in the instrument's units.")
    median: list[float] = Field(description="Middle per day, in the instrument's units.")
    intervals: list[IntervalBody] = Field(description="Central intervals of 50, 80 and 95 %.")
    trend: TrendBody = Field(description="Where the record was going.")
    risk: RiskBody | None = Field(description="Of a threshold; null if there is none on this scale.")
    headline: str = Field(description="The forecast in one sentence.")
    reliability: Literal["high", "medium", "low"] = Field(description="How far the forecast can be relied on.")
    reliability_reasons: list[str] = Field(description="Why.")
    members: list[MemberBody] = Field(description="Models of the ensemble.")
    explanation: ExplanationBody | None = Field(
        description="Which parts of the record moved the forecast; null unless asked for."
    )
    covariates: dict[str, float] = Field(
        description="Signal or start of treatment to its shift of the median a week ahead, in the instrument's units."
    )
    measured_coverage: dict[str, float] = Field(
        description="Nominal level of an interval to the measured share of validation outcomes inside, 0 to 1."
    )
    insights: list[str] = Field(description="What is worth saying, a sentence each.")
    model_version: str = Field(description="Which weights.")
    seed: int = Field(description="Seed of the draws.")

    @classmethod
    def of(cls, forecast: SymptomForecast, threshold: float | None = None, *, explain: bool = False) -> Self:
        """From the domain's forecast; ``threshold`` must lie on its scale, and ``explain`` adds what moved it."""
        intervals = {level: forecast.interval(level) for level in INTERVALS}
        return cls(
            symptom=forecast.symptom,
            patient_id=forecast.patient_id,
            scale=ScaleBody.of(forecast.scale),
            history_from=_date(forecast.history_days[0]),
            history_until=_date(forecast.history_days[-1]),
            days=forecast.days.astype("datetime64[D]").tolist(),
            quantile_levels=forecast.quantile_levels.tolist(),
            quantiles=forecast.quantiles.tolist(),
            median=forecast.median.tolist(),
            intervals=[
                IntervalBody(level=level, low=ends.low.tolist(), high=ends.high.tolist())
                for level, ends in intervals.items()
            ],
            trend=TrendBody.model_validate(forecast.trend),
            risk=None if threshold is None else RiskBody.of(forecast.risk(threshold)),
            headline=wording.headline(forecast),
            reliability=forecast.reliability.level,
            reliability_reasons=list(forecast.reliability.reasons),
            members=[MemberBody.model_validate(member) for member in forecast.members],
            explanation=ExplanationBody.of(forecast.explanation) if explain else None,
            covariates=dict(forecast.covariates),
            measured_coverage={f"{level:g}": share for level, share in forecast.coverage.items()},
            insights=list(forecast.insights),
            model_version=forecast.model_version,
            seed=forecast.seed,
        )


class Skipped(_Body):
    """A symptom that cannot be forecast yet."""

    symptom: str = Field(description="Instrument or name of the series.")
    patient_id: str | None = Field(description="Whose; null if the record does not say.")
    reason: str = Field(description="Why it cannot be forecast.")


class ForecastsBody(_Body):
    """All forecasts of one record."""

    forecasts: list[ForecastBody] = Field(description="One a symptom.")
    skipped: list[Skipped] = Field(description="Symptoms without a forecast.")

    @classmethod
    def of(cls, forecasts: ManyForecasts, threshold: float | None = None, *, explain: bool = False) -> Self:
        """From the room's forecasts; the risk of ``threshold`` is given for the symptoms on whose scale it lies."""
        return cls.with_thresholds(
            forecasts,
            lambda forecast: (
                threshold if threshold is not None and forecast.scale.low <= threshold <= forecast.scale.high else None
            ),
            explain=explain,
        )

    @classmethod
    def with_thresholds(
        cls,
        forecasts: ManyForecasts,
        threshold_of: Callable[[SymptomForecast], float | None],
        *,
        explain: bool = False,
    ) -> Self:
        """From the room's forecasts, each with the risk of its own threshold."""
        return cls(
            forecasts=[ForecastBody.of(forecast, threshold_of(forecast), explain=explain) for forecast in forecasts],
            skipped=[
                Skipped(symptom=key.name, patient_id=key.patient_id, reason=reason)
                for key, reason in forecasts.skipped.items()
            ],
        )


def _width(quantiles: Floats) -> list[float]:
    width: list[float] = (quantiles[:, HIGH_80] - quantiles[:, LOW_80]).tolist()
    return width


def _date(day: np.datetime64) -> date:
    calendar_day: date = day.astype("datetime64[D]").item()
    return calendar_day
