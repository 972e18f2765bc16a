"""A picture shows exactly what the forecast says: its values, its bands, its gaps, the instrument's whole range."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pytest

from novamind.errors import ValidationError
from novamind.symptoms.domain import Scale, SymptomForecast
from novamind.symptoms.presentation.plots import (
    BANDS,
    SHOWN_DAYS,
    _day_axis,
    _days_back,
    _end_labels,
    _stretches,
    _ticks,
    fan_chart,
    risk_chart,
    save,
    to_svg,
)
from tests.golden import check_golden

DAY_MS = 86_400_000
GAP = "no reports"


def marks(spec: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    return (layer for layer in spec["layer"] if layer["mark"]["type"] == kind)


def rows(spec: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    return list(spec["datasets"][layer["data"]["name"]])


def only_rows(spec: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    (layer,) = marks(spec, kind)
    return rows(spec, layer)


def day_of(milliseconds: int) -> np.datetime64:
    return np.datetime64(milliseconds, "ms").astype("datetime64[D]")


def texts(spec: dict[str, Any]) -> list[str]:
    return [row["label"] for layer in marks(spec, "text") for row in rows(spec, layer)]


@pytest.mark.parametrize("scale", [Scale(0, 27, 1), Scale(0, 100, 4, "low"), Scale(-3, 3), Scale(20, 80, 1)], ids=str)
def test_bands_are_the_forecasts_intervals_nested_and_on_the_scale(make_forecast: Any, scale: Scale) -> None:
    forecast = make_forecast(scale=scale)
    corners = only_rows(fan_chart(forecast).to_dict(), "area")
    bands = {
        level: [(r["low"], r["high"]) for r in corners if r["band"] == meaning] for level, (_, meaning) in BANDS.items()
    }
    for level, drawn in bands.items():
        interval = forecast.interval(level)
        days = list(zip(interval.low.tolist(), interval.high.tolist(), strict=True))
        assert drawn == [*days, days[-1]]  # a plateau a day; the last corner closes the last day
    for (low95, high95), (low80, high80), (low50, high50) in zip(bands[0.95], bands[0.8], bands[0.5], strict=True):
        assert scale.low <= low95 <= low80 <= low50 <= high50 <= high80 <= high95 <= scale.high


def test_wider_bands_are_drawn_first(phq9: SymptomForecast) -> None:
    drawn = list(dict.fromkeys(row["band"] for row in only_rows(fan_chart(phq9).to_dict(), "area")))
    assert drawn == [meaning for _, meaning in BANDS.values()]
    assert list(BANDS) == sorted(BANDS, reverse=True)


def test_axes_hold_the_whole_range_and_every_day(phq9: SymptomForecast) -> None:
    spec = fan_chart(phq9, threshold=15).to_dict()
    for layer in spec["layer"]:
        y = layer["encoding"].get("y", {})
        if "scale" in y:
            assert y["scale"] == {"domain": [0, 27], "nice": False, "zero": False}
            assert (y["axis"]["values"][0], y["axis"]["values"][-1]) == (0, 27)
        x = layer["encoding"].get("x")
        if x:
            first, last = x["scale"]["domain"]
            assert x["scale"]["type"] == "utc"
            assert last - first == (SHOWN_DAYS + phq9.horizon) * DAY_MS


def test_every_report_of_the_window_is_one_dot(phq9: SymptomForecast) -> None:
    dots = only_rows(fan_chart(phq9).to_dict(), "point")
    days, values = phq9.history_days[-SHOWN_DAYS:], phq9.history[-SHOWN_DAYS:]
    seen = np.isfinite(values)
    assert [day_of(dot["day"]) for dot in dots] == list(days[seen])
    assert [dot["value"] for dot in dots] == values[seen].tolist()


def test_gaps_are_shaded_and_never_bridged_by_a_line(make_forecast: Any) -> None:
    forecast = make_forecast(days=60)
    forecast.history[:] = 10.0
    forecast.history[20:30] = np.nan  # ten days: shaded
    forecast.history[40] = np.nan  # one day: the line breaks, no shade
    spec = fan_chart(forecast).to_dict()
    ((start, end),) = [(r["day"], r["end"]) for r in only_rows(spec, "rect")]
    assert (end - start) / DAY_MS == 10
    assert day_of(start) == forecast.history_days[19]
    (joined,) = (layer for layer in marks(spec, "line") if "detail" in layer["encoding"])
    stretches: dict[int, list[np.datetime64]] = {}
    for row in rows(spec, joined):
        stretches.setdefault(row["stretch"], []).append(day_of(row["day"]))
    assert [len(stretch) for stretch in stretches.values()] == [20, 10, 19]
    assert all((np.diff(stretch).astype(int) == 1).all() for stretch in stretches.values())


def test_a_weekly_report_is_no_gap(make_forecast: Any) -> None:
    forecast = make_forecast(days=85)
    forecast.history[:] = np.where(np.arange(85) % 7 == 0, 10.0, np.nan)
    spec = fan_chart(forecast).to_dict()
    assert not only_rows(spec, "rect")
    assert GAP not in str(spec["layer"][1]["encoding"]["fill"])
    assert {row["stretch"] for row in only_rows(spec, "point")} == {0}


def test_silence_up_to_the_origin_is_shaded_and_the_last_report_stays_in_view(make_forecast: Any) -> None:
    forecast = make_forecast(days=300)
    forecast.history[50:] = np.nan
    spec = fan_chart(forecast).to_dict()
    shade = only_rows(spec, "rect")[-1]
    assert day_of(shade["day"]) == forecast.history_days[49]
    assert day_of(shade["end"]) == forecast.history_days[-1]
    assert day_of(only_rows(spec, "point")[-1]["day"]) == forecast.history_days[49]


def test_rare_reports_widen_the_window(make_forecast: Any) -> None:
    forecast = make_forecast(days=365)
    forecast.history[:] = np.where(np.arange(365) % 14 == 0, 10.0, np.nan)
    assert len(only_rows(fan_chart(forecast).to_dict(), "point")) == 8


def test_lines_are_named_beside_their_ends_and_the_names_keep_apart(make_forecast: Any) -> None:
    forecast = make_forecast(centre=0.5, horizon=7)
    middle = float(forecast.median[-1])
    spec = fan_chart(forecast, threshold=middle).to_dict()
    assert {f"median {middle:g}", f"threshold {middle:g}", "forecast →"} <= set(texts(spec))
    places = [r["value"] for layer in marks(spec, "text") for r in rows(spec, layer) if "value" in r]
    assert abs(places[0] - places[1]) >= 27 * 12 / 330  # a line of text of 12 px
    assert not [text for text in texts(fan_chart(forecast).to_dict()) if text.startswith("threshold")]


def test_origin_is_marked_between_record_and_forecast(phq9: SymptomForecast) -> None:
    (row,) = only_rows(fan_chart(phq9).to_dict(), "rule")
    middle = phq9.days[0].astype("datetime64[h]") - np.timedelta64(12, "h")
    assert np.datetime64(row["day"], "ms") == middle


def test_no_picture_names_the_patient(make_forecast: Any) -> None:
    forecast = make_forecast(patient_id="CANARY-7")
    assert "CANARY" not in to_svg(fan_chart(forecast, 15)) + to_svg(risk_chart(forecast, 15))


@pytest.mark.parametrize("draw", [fan_chart, risk_chart])
def test_a_threshold_off_the_scale_is_refused(phq9: SymptomForecast, draw: Any) -> None:
    with pytest.raises(ValidationError, match="0 to 27"):
        draw(phq9, 28)


@pytest.mark.parametrize("scale", [Scale(0, 27, 1), Scale(0, 100, 4, "low")], ids=str)
def test_risk_chart_shows_the_risk_per_day(make_forecast: Any, scale: Scale) -> None:
    forecast = make_forecast(scale=scale, centre=0.6)
    threshold = 15.0 if scale.worse == "high" else 52.0
    spec = risk_chart(forecast, threshold, alert_probability=0.7).to_dict()
    risk = forecast.risk(threshold, 0.7)
    bars = only_rows(spec, "rect")
    assert [bar["value"] for bar in bars] == risk.probability.tolist()
    dark = [bar["colour"] == BANDS[0.5][0] for bar in bars]
    assert dark == (risk.probability >= 0.7).tolist()
    assert "alert from 70%" in texts(spec)
    assert f"{'or higher' if scale.worse == 'high' else 'or lower'}" in spec["title"]["text"]


@pytest.mark.parametrize("horizon", [1, 30])
@pytest.mark.parametrize("days", [1, 5, 400])
def test_any_length_is_drawn(make_forecast: Any, horizon: int, days: int) -> None:
    forecast = make_forecast(days=days, horizon=horizon)
    assert to_svg(fan_chart(forecast, 15)).count("<path") > 5


def test_png_is_sharp_enough_for_print_and_svg_is_described(phq9: SymptomForecast, tmp_path: Path) -> None:
    for name in ("fan.png", "fan.svg"):
        save(fan_chart(phq9, threshold=15), tmp_path / name)
    header = (tmp_path / "fan.png").read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", header[16:])
    assert width > 1500
    assert height > 800
    svg = (tmp_path / "fan.svg").read_text()
    assert "PHQ-9: the next 14 days" in svg
    assert "http" not in svg.replace("http://www.w3.org/", "")


def test_dates_do_not_move_with_the_machines_time_zone(make_forecast: Any) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from conftest import build_forecast;"
        "from novamind.symptoms.presentation.plots import fan_chart, to_svg; print(to_svg(fan_chart(build_forecast())))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent)],
        env={**os.environ, "TZ": "Pacific/Kiritimati"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert elsewhere.stdout.strip() == to_svg(fan_chart(make_forecast())).strip()
    assert ">15 Mar<" in elsewhere.stdout


def sparse(make_forecast: Any) -> SymptomForecast:
    """A monthly questionnaire, silent for the last seven weeks."""
    forecast = make_forecast(scale=Scale(0, 100, 4, "low"), days=400, horizon=30)
    forecast.history[np.arange(400) % 30 != 20] = np.nan
    forecast.history[-50:] = np.nan
    return forecast


@pytest.mark.parametrize("which", ["phq9", "short", "sparse"])
def test_pictures_are_what_they_were(make_forecast: Any, which: str) -> None:
    """Every colour, place and word of the specification; of the rows every third."""
    forecast, threshold = {
        "phq9": lambda: (make_forecast(horizon=3, days=40), 15.0),
        "short": lambda: (make_forecast(scale=Scale(-3, 3), horizon=1, days=9), None),
        "sparse": lambda: (sparse(make_forecast), 50.0),
    }[which]()
    for name, chart in {
        "fan": fan_chart(forecast, threshold),
        "risk": risk_chart(forecast, 0.0 if threshold is None else threshold, 0.4),
    }.items():
        spec = chart.to_dict()
        tables = [layer.pop("data")["name"] for layer in spec["layer"]]
        spec["datasets"] = [spec["datasets"][table][::3] for table in tables]
        check_golden(__file__, f"{name}_{which}", spec)


def test_a_title_of_one_s_own_stands_above_the_picture(phq9: SymptomForecast) -> None:
    spec = fan_chart(phq9, title="Mood, by hand").to_dict()
    assert spec["title"]["text"] == "Mood, by hand"
    assert spec["description"].startswith("Mood, by hand. Reports ")


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 27, [0, 5, 10, 15, 20, 25, 27]),
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (-3, 3, [-3, -2, -1, 0, 1, 2, 3]),
        (20, 80, [20, 30, 40, 50, 60, 70, 80]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 21, [0, 5, 10, 15, 21]),
        (0, 4, [0, 1, 2, 3, 4]),
        (1, 5.1, [1, 2, 3, 4, 5.1]),
    ],
)
def test_ticks_are_both_ends_and_round_values_clear_of_them(low: float, high: float, ticks: list[float]) -> None:
    assert _ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("pattern", "back"),
    [
        ([0] * 100, 90),  # daily reports: three months
        ([i % 30 for i in range(400)], 180),  # monthly: not more than twice as long
        ([i % 14 for i in range(400)], 106),  # every fortnight: as long as eight reports take
        ([0] * 50 + [1] * 150, 158),  # silent for long: a week before the last report
        ([0, 0, 0], 90),
    ],
)
def test_the_window_holds_enough_reports(pattern: list[int], back: int) -> None:
    values = np.array([np.nan if missing else 1.0 for missing in reversed(pattern)][::-1])
    assert _days_back(values) == back


def test_stretches_end_at_one_and_a_half_and_gaps_begin_at_two_and_a_half_usual_distances() -> None:
    days = np.datetime64("2025-01-01") + np.arange(40)
    reports = np.full(40, np.nan)
    reports[[0, 2, 4, 6, 9, 13, 18, 20, 22, 24, 26, 33]] = 1
    stretch, gaps = _stretches(days, reports)
    # Usually two days; three do not break, four do; five make no gap, seven do, and the silence of seven at the end.
    seen = np.isfinite(reports)
    assert stretch[seen].tolist() == [0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 3]
    noon = np.timedelta64(12, "h")
    assert gaps == [(days[26] + noon, days[32] + noon), (days[33] + noon, days[39] + noon)]
    alone, none = _stretches(days[:3], np.array([np.nan, 2.0, np.nan]))
    assert (alone.tolist(), none) == ([0, 0, 0], [])


@pytest.mark.parametrize(
    ("span", "step"), [(1, 1), (7, 1), (13, 1), (14, 2), (21, 3), (22, 7), (104, 7), (106, 14), (210, 21)]
)
def test_ticks_of_days_count_from_the_origin_in_whole_weeks_where_there_are_many(span: int, step: int) -> None:
    first = np.datetime64("2025-01-01")
    last, origin = first + span - 1, first + span // 2
    axis = _day_axis(first, last, origin).to_dict()
    values = [day_of(value) for value in axis["axis"]["values"]]
    expected = [first + k for k in range(span) if (k - span // 2) % step == 0]
    assert values == expected


def test_names_beside_lines_keep_apart_around_their_middle() -> None:
    x, y = alt.X("day:T"), alt.Y("value:Q")
    last = np.datetime64("2025-01-01")

    def places(values: list[float], apart: float) -> list[float]:
        charts = _end_labels(x, y, last, [(value, "name", "#000000") for value in values], apart)
        return [chart.data.values[0]["value"] for chart in charts]

    assert places([5, 5], 2) == [4, 6]
    assert places([6, 5], 2) == [6.5, 4.5]
    assert places([5, 7], 2) == [5, 7]
    assert places([5], 2) == [5]
