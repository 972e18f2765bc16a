"""Forecasts as people use them: the domain's forecast with frames and a picture, and many of them as one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from novamind.errors import NotFoundError
from novamind.records.tables.frames import SeriesKey, native_frame
from novamind.summary import Summarised, Summary, counted, sentence
from novamind.symptoms.domain import Days, Explanation, Floats, Member, Scale, SymptomForecast, at_levels, snapped
from novamind.symptoms.forecaster.explanation import explain
from novamind.symptoms.forecaster.model import Prediction, SymptomModel
from novamind.symptoms.forecaster.reliability import reliability
from novamind.symptoms.forecaster.trend import trend
from novamind.symptoms.instruments import Instrument
from novamind.symptoms.presentation.insights import insights

if TYPE_CHECKING:
    import altair
    import narwhals as nw


@dataclass(frozen=True, repr=False)
class Forecast(SymptomForecast):
    """One series' forecast, with its frame (of the kind that came in) and its picture."""

    backend: Any = field(default=None, kw_only=True)

    @property
    def frame(self) -> Any:
        """One row a day: ``patient_id, symptom, timestamp, days_ahead, median`` and a column per quantile level."""
        columns = _columns(
            [SeriesKey(self.patient_id, self.symptom)],
            self.days[None],
            self.quantiles[None],
            self.median[None],
            self.quantile_levels,
        )
        return native_frame(columns, self.backend)

    def plot(self, threshold: float | None = None) -> "altair.LayerChart":
        """Return the fan chart; ``threshold`` in the instrument's units adds its line."""
        from novamind.symptoms.presentation.plots import fan_chart

        return fan_chart(self, threshold=threshold)

    def to_dict(self, threshold: float | None = None, *, explain: bool = False) -> dict[str, Any]:
        """Plain JSON types, with the risk of ``threshold`` in the instrument's units, and the explanation."""
        from novamind.symptoms.codec import ForecastBody

        return ForecastBody.of(self, threshold, explain=explain).model_dump(mode="json")


@dataclass(frozen=True)
class Series:
    """What stays beside the arrays for each series of a batch."""

    key: SeriesKey
    scale: Scale
    instrument: Instrument | None
    days: Days
    values: Floats
    reports_per_day: float
    covariates: Mapping[str, float] = field(default_factory=dict)
    signal_shift: Floats = field(default_factory=lambda: np.zeros(1))
    note: str = ""


@dataclass(frozen=True, repr=False)
class Forecasts(Summarised):
    """Forecasts of many series, computed in one batch; the details of one are worked out when it is asked for.

    Attributes
    ----------
    series
        One entry a forecast, in the order of patient and symptom.
    skipped
        Series that could not be forecast, with the reason.
    """

    series: tuple[Series, ...]
    skipped: Mapping[SeriesKey, str]
    prediction: Prediction
    model: SymptomModel
    quantile_levels: Floats
    seed: int
    backend: "nw.Implementation"

    def __len__(self) -> int:
        return len(self.series)

    def __iter__(self) -> Iterator[Forecast]:
        return (self._assemble(i) for i in range(len(self)))

    def __getitem__(self, key: int | tuple[str | None, str]) -> Forecast:
        if isinstance(key, int):
            return self._assemble(range(len(self))[key])
        for i, series in enumerate(self.series):
            if series.key == key:
                return self._assemble(i)
        raise NotFoundError("no forecast of that patient and symptom; see .series and .skipped")

    @property
    def model_version(self) -> str:
        """Identifies the weights that were used."""
        return self.model.version

    @cached_property
    def continuous_quantiles(self) -> NDArray[np.float64]:
        """``(series, horizon, 21)`` at :data:`LEVELS` in each instrument's units, not rounded to steps."""
        out: NDArray[np.float64] = self.prediction.quantiles.astype(np.float64)
        mirrored = np.array([s.scale.worse == "low" for s in self.series])
        out[mirrored] = 1 - out[mirrored][..., ::-1]
        # In place: of ten thousand series each copy is tens of megabytes.
        out *= np.array([s.scale.range for s in self.series])[:, None, None]
        out += np.array([s.scale.low for s in self.series])[:, None, None]
        return out

    @property
    def quantiles(self) -> Any:
        """The frame: one row a series and day."""
        return self.frame

    @cached_property
    def frame(self) -> Any:
        """As :attr:`Forecast.frame`, for all series."""
        levels = np.append(self.quantile_levels, 0.5)
        values = at_levels(self.continuous_quantiles, levels)
        scales = [(s.scale.low, s.scale.high, s.scale.step or 0.0) for s in self.series]
        values = snapped(values, *np.array(scales).T[..., None, None])
        days = _ahead(np.array([s.days[-1] for s in self.series]), values.shape[1])
        columns = _columns([s.key for s in self.series], days, values[..., :-1], values[..., -1], self.quantile_levels)
        return native_frame(columns, self.backend)

    def to_dict(self, threshold: float | None = None, *, explain: bool = False) -> dict[str, Any]:
        """As :meth:`Forecast.to_dict`, with the risk of ``threshold`` for the symptoms on whose scale it lies."""
        from novamind.symptoms.codec import ForecastsBody

        return ForecastsBody.of(self, threshold, explain=explain).model_dump(mode="json")

    def _summary(self) -> Summary:
        last = self.continuous_quantiles.shape[1]
        text = f"{counted(len(self), 'series', 'series')}, {counted(last, 'day')} ahead; {len(self.skipped)} skipped; "
        final = zip(self.series, at_levels(self.continuous_quantiles[:, -1], np.array([0.1, 0.5, 0.9])), strict=True)
        rows = ((series.key.name, series.days[-1], *series.scale.snap(values).tolist()) for series, values in final)
        return Summary(text + self.model_version, ("series", "last report", "80 % from", "median", "to"), rows)

    def _assemble(self, i: int) -> Forecast:
        series, backtest = self.series[i], self.prediction.backtest
        scale, continuous = series.scale, self.continuous_quantiles[i]
        own = backtest.loss[i] if backtest.days[i] > 0 else None
        weights = self.prediction.weights[i].mean(0)
        members = tuple(
            Member(
                m.name,
                float(weights[k]),
                None if own is None else 100 * float(own[k]),
                self.model.validation_error[m.name],
            )
            for k, m in enumerate(self.model.members)
        )
        forecast = Forecast(
            symptom=series.key.name,
            patient_id=series.key.patient_id,
            scale=scale,
            history_days=series.days,
            history=series.values,
            days=_ahead(series.days[-1], len(continuous)),
            quantile_levels=self.quantile_levels,
            quantiles=scale.snap(at_levels(continuous, self.quantile_levels)),
            continuous_quantiles=continuous,
            trend=trend(series.values, scale),
            reliability=reliability(
                series.values, float(backtest.ratio[i]), int(backtest.days[i]), series.reports_per_day
            ),
            members=members,
            explain=partial(self._explain, i),
            coverage=self.model.coverage,
            covariates=series.covariates,
            model_version=self.model.version,
            seed=self.seed,
            backend=self.backend,
        )
        notes = (sentence(series.note),) if series.note else ()
        return replace(forecast, insights=insights(forecast, series.instrument) + notes)

    def _explain(self, i: int) -> Explanation:
        series, summary = self.series[i], self.prediction.summary.row(i)
        on_unit_scale = explain(self.model, summary, self.prediction.quantiles[i], series.signal_shift)
        return on_unit_scale.in_units_of(series.scale)


def _ahead(last: Days | np.datetime64, horizon: int) -> Days:
    """Return the days that follow each of ``last``: ``(...)`` to ``(..., horizon)``."""
    return np.asarray(last)[..., None] + np.arange(1, horizon + 1)


def _columns(
    keys: list[SeriesKey],
    days: Days,
    quantiles: NDArray[np.float64],
    median: NDArray[np.float64],
    levels: Floats,
) -> dict[str, Any]:
    horizon = days.shape[1]
    return {
        "patient_id": [key.patient_id for key in keys for _ in range(horizon)],
        "symptom": [key.name for key in keys for _ in range(horizon)],
        "timestamp": days.ravel().astype("datetime64[us]"),
        "days_ahead": np.tile(np.arange(1, horizon + 1), len(keys)),
        "median": median.ravel(),
        **{f"q{level:g}": quantiles[..., i].ravel() for i, level in enumerate(levels)},
    }
