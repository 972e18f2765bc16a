"""Results agree with themselves: frame, arrays, members, importance and what was said."""

import numpy as np
import polars as pl
import pytest

import novamind as nm
from novamind.errors import NotFoundError
from novamind.symptoms import forecast_many
from novamind.symptoms.domain import LEVELS, Scale
from novamind.symptoms.forecaster.explanation import RECORD_PARTS
from tests.golden import check_golden
from tests.symptoms.diaries import START, ahead, cohort, long_frame, names, usual


def test_the_frame_holds_every_series_and_day() -> None:
    frame = usual().frame
    assert frame.columns == [
        *("patient_id", "symptom", "timestamp", "days_ahead", "median"),
        *(f"q{level:g}" for level in LEVELS),
    ]
    assert frame["patient_id"].to_list() == [name for name in names(60) for _ in range(14)]
    assert frame["days_ahead"].to_list() == [*range(1, 15)] * 60
    assert (frame["timestamp"].to_numpy() == START + 79 + np.tile(np.arange(1, 15), 60)).all()


@pytest.mark.parametrize("i", [0, 17, 59])
def test_one_of_many_agrees_with_the_frame(i: int) -> None:
    forecast = usual()[i]
    rows = usual().frame.filter(pl.col("patient_id") == forecast.patient_id)
    assert forecast.frame.equals(rows)
    np.testing.assert_array_equal(rows.select(pl.col("^q.*$")).to_numpy(), forecast.quantiles)
    np.testing.assert_array_equal(rows["median"], forecast.median)
    np.testing.assert_array_equal(forecast.continuous_quantiles, usual().continuous_quantiles[i])


def test_series_of_every_kind_are_forecast_together_as_alone() -> None:
    record, days = cohort()[3], (START + np.arange(80)).astype("datetime64[us]")
    quiet = np.append(record[:60], np.full(20, np.nan))

    def rows(patient: str, symptom: str, times: np.ndarray, values: np.ndarray) -> pl.DataFrame:
        return pl.DataFrame({"patient_id": patient, "symptom": symptom, "timestamp": times, "value": values})

    series = [
        rows("a", "PHQ-9", days, record),
        rows("a", "pain", days + np.timedelta64(3, "D"), record / 4 + 1),
        rows("b", "energy", days, 50 - record),
        rows("b", "PHQ-9", days, quiet),
        # Two reports a day: their mean has no whole steps.
        rows("c", "PHQ-9", np.append(days, days + np.timedelta64(9, "h")), np.append(record, record + 1)),
        rows("c", "pain", days[:3], np.array([2.0, 1, 2])),
        rows("d", "PHQ-9", np.append(days, days[-1] + np.timedelta64(400, "D")), np.append(record, np.nan)),
    ]
    scales = {"pain": (1, 5), "energy": nm.symptoms.Scale(0, 50, worse="low")}
    together = nm.symptoms.forecast_many(pl.concat(series), scale=scales)
    assert [len(together), together["b", "energy"].scale.worse, together["c", "PHQ-9"].scale.step] == [5, "low", None]
    assert list(together.skipped.values()) == [
        "at least 4 days with reports are needed for a forecast, here are 3",
        "no report in the last 364 days of the record",
    ]
    for forecast in together:
        alone = next(
            s for s in series if (s["patient_id"][0], s["symptom"][0]) == (forecast.patient_id, forecast.symptom)
        )
        said = nm.symptoms.forecast(alone, scale=scales)
        np.testing.assert_allclose(forecast.continuous_quantiles, said.continuous_quantiles, rtol=0, atol=1e-4)
        np.testing.assert_array_equal(forecast.days, said.days)
        own = together.frame.filter(patient_id=forecast.patient_id, symptom=forecast.symptom)
        np.testing.assert_array_equal(own.select(pl.col("^q.*$")).to_numpy(), forecast.quantiles)


def test_series_are_found_by_patient_and_symptom() -> None:
    assert usual()["p00007", "symptom"].patient_id == usual()[7].patient_id == "p00007"
    assert len(usual()) == 60
    for key in (("p-none", "symptom"), ("p00007", "sleep")):
        with pytest.raises(NotFoundError):
            usual()[key]


def test_patient_ids_that_sort_otherwise_change_no_forecast() -> None:
    ids = [f"x{(37 * i) % 60:02d}" for i in range(60)]
    renamed = nm.symptoms.forecast_many(long_frame(cohort(), ids=ids), scale=(0, 16), step=1)
    for i in range(0, 60, 9):
        np.testing.assert_allclose(
            renamed[ids[i], "symptom"].continuous_quantiles, usual().continuous_quantiles[i], atol=1e-4
        )


def test_weights_of_the_members_add_up() -> None:
    for forecast in (usual()[i] for i in (0, 20, 40)):
        weights = np.array([m.weight for m in forecast.members])
        assert weights.sum() == pytest.approx(1, abs=1e-5)
        assert (weights >= 0).all()
        assert len({m.name for m in forecast.members}) == len(forecast.members) >= 4
        assert all(0 < m.validation_error < 20 for m in forecast.members)


def test_the_own_record_decides_whom_to_trust() -> None:
    """People with a strong week lean on the expert of weekdays, the same reports in any order do not."""
    rng = np.random.default_rng(0)
    rhythm = np.tile([3.0, 3, 3, 3, 3, 13, 13], (20, 12)) + rng.integers(-1, 2, (20, 84))
    members = [
        {m.name: m for m in ahead(reports)[i].members}
        for reports in (rhythm, rng.permuted(rhythm, axis=1))
        for i in range(20)
    ]
    week, other = ([m["last week"] for m in half] for half in (members[:20], members[20:]))
    assert np.mean([m.weight for m in week]) > np.mean([m.weight for m in other])
    better = [m["last week"].own_error < m["own mean"].own_error for m in members[:20]]  # type: ignore[operator]
    assert all(better)


def test_own_errors_need_an_own_record() -> None:
    long, short = ahead(cohort(4, 40)), ahead(cohort(4, 40)[:, -9:])
    assert [f.patient_id for f in long] == names(4)
    assert all(m.own_error is not None and 0 <= m.own_error < 100 for f in long for m in f.members)
    assert all(m.own_error is None for f in short for m in f.members)


@pytest.mark.parametrize("horizon", [3, 7, 14])
def test_importance_is_that_of_a_week_ahead_largest_first(horizon: int) -> None:
    forecast = ahead(cohort()[:3], horizon)[2]
    shifts = forecast.explanation.shifts
    assert forecast.importance == {name: shifts[name][min(7, horizon) - 1, 10] for name in RECORD_PARTS}
    assert (np.diff(np.abs(list(forecast.importance.values()))) <= 0).all()


def test_coverage_is_what_was_measured() -> None:
    coverage = usual()[0].coverage
    assert set(coverage) == {0.5, 0.8, 0.95}
    assert coverage[0.5] < coverage[0.8] < coverage[0.95] < 1


def test_a_forecast_draws_itself() -> None:
    spec = usual()[0].plot(threshold=12).to_dict()
    assert spec["layer"] or spec["vconcat"]


def test_the_last_forecast_counts_from_the_end() -> None:
    assert usual()[-1].patient_id == "p00059"


def test_forecasts_are_what_they_were() -> None:
    """The shipped model on a few diaries: every number, sentence and column."""
    scales = {"PHQ-9": Scale(0, 27, 1), "mood": Scale(-3, 3, worse="low"), "WHO-5": Scale(0, 100, 4, "low")}
    rows = long_frame(cohort()[:3])
    frame = pl.concat(
        rows.with_columns(symptom=pl.lit(name), value=scale.low + pl.col("value") / 16 * scale.range)
        for name, scale in scales.items()
    )
    frame = pl.concat([frame, rows[:2].with_columns(symptom=pl.lit("PHQ-9"), patient_id=pl.lit("short"))])
    starts = (
        rows.group_by("patient_id")
        .agg(pl.col("timestamp").sort().slice(5, 1).first())
        .with_columns(signal=pl.lit("treatment_start"), value=pl.lit(1.0))
    )
    loose = frame.with_columns(pl.col("value").round(3))
    forecasts = forecast_many(loose, 8, (0.1, 0.5, 0.9), scale={**scales, "PHQ-9": (0, 27)}, covariates=starts, seed=4)
    answer = {
        "frame": forecasts.frame.with_columns(pl.col("timestamp").cast(pl.String))[::5].to_dict(as_series=False),
        "skipped": [[key.patient_id, key.name, reason] for key, reason in forecasts.skipped.items()],
        "each": [
            {
                "patient": one.patient_id,
                "symptom": one.symptom,
                "scale": one.scale,
                "history": np.nan_to_num(one.history[-20:], nan=-1),
                "first": str(one.days[0]),
                "continuous": one.continuous_quantiles[::4, ::5],
                "trend": one.trend,
                "reliability": one.reliability,
                "members": one.members,
                "importance": dict(sorted(one.importance.items())),
                "covariates": one.covariates,
                "coverage": one.coverage,
                "seed": one.seed,
                "frame": one.frame.columns,
            }
            for one in list(forecasts)[::4]
        ],
    }
    check_golden(__file__, "forecasts", answer, relative=2e-4, absolute=2e-4)
