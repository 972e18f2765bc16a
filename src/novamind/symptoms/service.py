"""The use cases of symptom forecasting: check what came in, run the model, hand back what explains itself."""

import asyncio
import hashlib
import inspect
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import narwhals as nw
import numpy as np
from cachetools import TTLCache
from numpy.typing import NDArray

from novamind.errors import InsufficientDataError, ModelInferenceError, ValidationError
from novamind.records.tables.clocks import on_one_clock, utc_alone
from novamind.records.tables.frames import LongFrame, SeriesKey, signal_frame, symptom_frame
from novamind.settings import Settings
from novamind.symptoms.domain import LEVELS, MEDIAN, Days, Floats, Scale, week_ahead
from novamind.symptoms.forecaster.covariates import (
    BELIEF_IN_TREATMENT,
    TREATMENT_START,
    covariates_of,
    informed,
    signal_shifts,
)
from novamind.symptoms.forecaster.model import Prediction, SymptomModel
from novamind.symptoms.forecaster.preprocessing import LOOKBACK_DAYS, Histories, stack_right, unit_steps
from novamind.symptoms.instruments import Instrument, recognise, series_name
from novamind.symptoms.results import Forecast, Forecasts, Series
from novamind.timeline import daily_grid

SHIPPED = Path(__file__).parent / "weights"
MIN_REPORTS = 4
#: Above this mean number of reports a day the day's mean is forecast, which has other steps than a report, or none.
_SINGLE_REPORT = 1.3

#: The coarsest step, in units of a scale, that answers show by themselves.
_COARSEST = 1.001

Scales = Scale | tuple[float, float] | Mapping[str, Scale | tuple[float, float]] | None


class SymptomForecastingService:
    """Forecasts of symptoms from irregular reports.

    Parameters
    ----------
    model
        The fitted model.
    max_horizon
        Longest forecast in days.
    cache_entries, cache_seconds
        How many series' forecasts are remembered, least recently used out first, and for how long; larger batches are
        not. Nothing of a person but the arrays of the forecast is kept, under a digest of records and model version.
    """

    def __init__(
        self, model: SymptomModel, max_horizon: int = 30, cache_entries: int = 1024, cache_seconds: float = 900
    ) -> None:
        self.model = model
        self.max_horizon = max_horizon
        self._predictions: TTLCache[bytes, Prediction] = TTLCache(
            cache_entries, cache_seconds, getsizeof=lambda prediction: len(prediction.quantiles)
        )
        self._lock = Lock()

    def forecast(
        self,
        data: Any,
        horizon: int = 14,
        *,
        quantile_levels: tuple[float, ...] | Floats | None = None,
        scale: Scales = None,
        step: float | None = None,
        worse: str = "high",
        seed: int = 0,
        dated: bool = True,
        covariates: Any = None,
        today: date | None = None,
        timezone: str | None = None,
    ) -> Forecasts:
        """Forecast every series of a long frame in one batch; see :func:`novamind.symptoms.forecast_many`.

        Parameters
        ----------
        today
            The last local day that may occur; the present day here where not given.
        timezone
            As for :func:`novamind.symptoms.forecast`.
        """
        levels = _checked_levels(quantile_levels)
        if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer):
            raise ValidationError(f"horizon must be a whole number of days, 1 to {self.max_horizon}")
        if not 1 <= horizon <= self.max_horizon:
            raise ValidationError(f"horizon must be 1 to {self.max_horizon} days")
        frame = symptom_frame(_one_name_each(data), today=today, timezone=timezone)
        signals = None if covariates is None else signal_frame(covariates, today=today, timezone=timezone)
        clocks: Mapping[str | None, str] = {}
        if timezone is None:
            if signals is not None and signals.utc_offset is not None and frame.utc_offset is not None:
                signals, frame, _ = on_one_clock(signals, frame)
            clocks = utc_alone(frame)
        series, skipped = prepare(frame, scales_of(frame, scale, step, worse))
        if not series:
            reasons = sorted(set(skipped.values()))
            raise InsufficientDataError(f"nothing to forecast: {'; '.join(reasons)}")
        values = stack_right([s.scale.to_unit(s.values).astype(np.float32) for s in series])
        scale_steps = np.array([s.scale.unit_step for s in series], np.float32)
        steps = unit_steps(values, scale_steps)
        ranges = np.array([s.scale.range for s in series], np.float32)
        # Answers in tens on a scale from 0 to 100 are a habit of the person, not steps of the scale.
        steps = np.where(steps * ranges > _COARSEST, scale_steps, steps)
        for i in np.flatnonzero(steps != scale_steps):
            series[i] = replace(series[i], scale=series[i].scale.in_steps(round(1 / steps[i])))
        records = Histories.untreated(
            values=values,
            step=steps,
            weekday=weekday_of(np.array([s.days[-1] for s in series]) + 1) if dated else np.full(len(series), -1),
        )
        if signals is None:
            prediction = self._predict(records, int(horizon))
        else:
            series, prediction = self._informed(series, records, signals, int(horizon))
        return Forecasts(
            series=tuple(replace(s, note=clocks.get(s.key.patient_id, "")) for s in series),
            skipped=skipped,
            prediction=prediction,
            model=self.model,
            quantile_levels=levels,
            seed=seed,
            backend=frame.backend,
        )

    def _informed(
        self, series: list[Series], records: Histories, covariates: LongFrame, horizon: int
    ) -> tuple[list[Series], Prediction]:
        """Return the series with each covariate's shift of the median a week ahead, and the forecast that uses them."""
        series_covariates = [covariates_of(covariates, s.key.patient_id, s.days) for s in series]
        treated = np.array([c.treated for c in series_covariates], np.float32)
        plain = self._predict(records, horizon)
        aware = self._predict(replace(records, treated=treated), horizon) if np.isfinite(treated).any() else plain
        a_week = week_ahead(horizon)
        by_treatment = BELIEF_IN_TREATMENT * (aware.quantiles - plain.quantiles)[:, a_week, MEDIAN]
        informed_series = []
        for i, (s, c) in enumerate(zip(series, series_covariates, strict=True)):
            shifts = signal_shifts(s.scale.to_unit(s.values), c.signals, horizon)
            moved = dict(zip(c.names, shifts[:, a_week].tolist(), strict=True))
            if np.isfinite(c.treated):
                moved[TREATMENT_START] = float(by_treatment[i])
            sign = s.scale.range if s.scale.worse == "high" else -s.scale.range
            shares = {name: sign * shift for name, shift in moved.items()}
            informed_series.append(replace(s, covariates=shares, signal_shift=shifts.sum(0)))
        shift = np.array([s.signal_shift for s in informed_series])
        return informed_series, replace(aware, quantiles=informed(plain.quantiles, aware.quantiles, shift))

    def _predict(self, records: Histories, horizon: int) -> Prediction:
        """Return the model's prediction, from the cache where the same records were predicted a short while ago."""
        digest = hashlib.sha256(f"{self.model.version} {horizon} {records.values.shape}".encode())
        for part in (records.values, records.step, records.weekday, records.treated):
            digest.update(part.tobytes())
        key = digest.digest()
        with self._lock:
            prediction = self._predictions.get(key)
        if prediction is None:
            prediction = self.model.predict(records, horizon)
            if not np.isfinite(prediction.quantiles).all():
                raise ModelInferenceError("the model gave no number; nothing is made up in its place")
            if len(records) <= self._predictions.maxsize:
                with self._lock:
                    self._predictions[key] = prediction
        return prediction

    async def forecast_symptoms(
        self,
        patient_id: str,
        data: Any,
        horizon: int = 14,
        **options: Any,
    ) -> Forecasts:
        """Forecast every symptom of one patient; any option of :meth:`forecast`; rows of other patients are refused."""
        forecasts = await asyncio.to_thread(self.forecast, data, horizon, **options)
        others = {s.key.patient_id for s in forecasts.series} | {k.patient_id for k in forecasts.skipped}
        if others - {patient_id, None}:
            raise ValidationError("data holds rows of another patient than patient_id; filter it first")
        return forecasts

    async def generate_forecast(self, patient_data: Mapping[str, Any]) -> Forecasts:
        """Forecast from one mapping: ``patient_id``, ``symptoms`` (frame) and any option of :meth:`forecast`."""
        options = dict(patient_data)
        try:
            patient_id, data = options.pop("patient_id"), options.pop("symptoms")
        except KeyError as error:
            raise ValidationError("patient_data needs 'patient_id' and 'symptoms', a long frame") from error
        unknown = set(options) - _OPTIONS
        if unknown:
            raise ValidationError(f"patient_data has unknown entries: {', '.join(sorted(unknown))}")
        return await self.forecast_symptoms(patient_id, data, **options)

    async def preprocess_patient_data(self, patient_data: Mapping[str, Any]) -> LongFrame:
        """Check and sort the reports as :meth:`generate_forecast` would, without forecasting."""
        if "symptoms" not in patient_data:
            raise ValidationError("patient_data needs 'symptoms', a long frame")
        return await asyncio.to_thread(symptom_frame, patient_data["symptoms"])

    async def extract_insights(self, forecast: Forecast | Forecasts) -> list[str]:
        """Return the sentences of a forecast."""
        forecasts = [forecast] if isinstance(forecast, Forecast) else list(forecast)
        return [sentence for series_forecast in forecasts for sentence in series_forecast.insights]


_OPTIONS = frozenset(inspect.signature(SymptomForecastingService.forecast).parameters) - {"self", "data"}


@lru_cache(maxsize=1)
def default_service() -> SymptomForecastingService:
    """Return the service with the configured model, loaded once per process."""
    settings = Settings()
    return SymptomForecastingService(
        SymptomModel.load(settings.symptom_model_path or SHIPPED),
        settings.max_forecast_horizon,
        settings.cache_entries,
        settings.cache_ttl,
    )


def prepare(
    frame: LongFrame, scales: Mapping[str, tuple[Scale, Instrument | None]]
) -> tuple[list[Series], dict[SeriesKey, str]]:
    """Return daily series per patient and symptom, and the reason for each that cannot be forecast."""
    days = frame.timestamps.astype("datetime64[D]")
    grid = daily_grid(frame.series_index, days, frame.values, len(frame.series))
    reported, reports = (
        np.diff(np.concatenate([[0], np.cumsum(each)])[grid.offsets]) for each in (grid.mask, grid.counts)
    )
    per_day = reports / np.maximum(reported, 1)
    # A row without a value on a later day says that the record runs on to that day.
    starts = np.searchsorted(frame.series_index, np.arange(len(frame.series)))
    silent = np.maximum.reduceat(days, starts) - (grid.first_day + np.diff(grid.offsets) - 1)
    series: list[Series] = []
    skipped: dict[SeriesKey, str] = {}
    for i, key in enumerate(frame.series):
        if reported[i] < MIN_REPORTS:
            skipped[key] = f"at least {MIN_REPORTS} days with reports are needed for a forecast, here are {reported[i]}"
            continue
        quiet = int(silent[i].astype(int))
        if quiet >= LOOKBACK_DAYS:
            skipped[key] = f"no report in the last {LOOKBACK_DAYS} days of the record"
            continue
        scale, instrument = scales[key.name]
        if per_day[i] > _SINGLE_REPORT:
            scale = replace(scale, step=None)
        values = np.concatenate([grid.values[grid.part(i)], np.full(quiet, np.nan)])
        calendar = grid.first_day[i] + np.arange(len(values))
        series.append(Series(key, scale, instrument, calendar, values, float(per_day[i])))
    return series, skipped


def _one_name_each(data: Any) -> Any:
    """Return a frame in which the spellings of one instrument are one series; a single spelling stays as it is."""
    frame = nw.from_native(data, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame) or frame.columns.count("symptom") != 1:
        return data
    names = {str(name): series_name(str(name)) for name in frame["symptom"].unique().to_list() if name is not None}
    often = Counter(names.values())
    series = {name: common if often[common] > 1 else name for name, common in names.items()}
    if all(name == common for name, common in series.items()):
        return data
    texts = frame["symptom"].cast(nw.String)
    return frame.with_columns(symptom=texts.replace_strict(list(series), list(series.values()))).to_native()


def weekday_of(days: Days) -> NDArray[np.int64]:
    """Return the weekday of each day, Monday 0."""
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday


def _checked_levels(levels: tuple[float, ...] | Floats | None) -> Floats:
    if levels is None:
        return LEVELS
    try:
        checked = np.asarray(levels, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValidationError("quantile_levels must be numbers, e.g. (0.1, 0.5, 0.9)") from error
    if checked.ndim != 1 or not len(checked) or not np.all(np.diff(checked) > 0):
        raise ValidationError("quantile_levels must be rising numbers, e.g. (0.1, 0.5, 0.9)")
    if not (checked[0] >= LEVELS[0] and checked[-1] <= LEVELS[-1]):
        raise ValidationError(
            f"quantile_levels must lie in {LEVELS[0]} to {LEVELS[-1]}: beyond them no coverage has been measured"
        )
    return checked


def scales_of(
    frame: LongFrame, scale: Scales, step: float | None, worse: str
) -> dict[str, tuple[Scale, Instrument | None]]:
    """Return the scale of every symptom in the frame, given or of a known instrument, checked against the values."""
    scales: dict[str, tuple[Scale, Instrument | None]] = {}
    for name in dict.fromkeys(key.name for key in frame.series):
        series_scale = scale.get(name) if isinstance(scale, Mapping) else scale
        instrument = recognise(name)
        if series_scale is None:
            if instrument is None:
                raise ValidationError(
                    f"'{name}' is not a known instrument: give its range, e.g. scale=(0, 10), and step=1 if only whole "
                    "steps can occur"
                )
            scales[name] = (instrument.scale, instrument)
            continue
        if not isinstance(series_scale, Scale):
            try:
                low, high = (float(x) for x in series_scale)
            except (TypeError, ValueError) as error:
                raise ValidationError("scale must be (low, high) with two numbers, e.g. (0, 27)") from error
            series_scale = Scale(low, high, step, worse)  # type: ignore[arg-type]
        span = series_scale.low, series_scale.high
        same = instrument is not None and (instrument.scale.low, instrument.scale.high) == span
        scales[name] = (series_scale, instrument if same else None)
    ends = np.array([(scales[key.name][0].low, scales[key.name][0].high) for key in frame.series])
    low, high = ends[frame.series_index].T
    off = frame.series_index[(frame.values < low) | (frame.values > high)]
    if len(off):
        name, (least, most) = frame.series[off[0]].name, ends[off[0]]
        raise ValidationError(
            f"{(off == off[0]).sum()} values of '{name}' are off its scale, which runs from {least:g} to {most:g}; "
            "correct them or give the right scale"
        )
    return scales
