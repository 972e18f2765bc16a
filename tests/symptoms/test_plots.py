"""A picture shows exactly what the forecast says: its values, its bands, its gaps, the instrument's whole range."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from novamind.errors import ValidationError
from novamind.symptoms.domain import Scale, SymptomForecast
from novamind.symptoms.plots import BANDS, SHOWN_DAYS, fan_chart, risk_chart, save, to_svg

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
        "from novamind.symptoms.plots import fan_chart, to_svg; print(to_svg(fan_chart(build_forecast())))"
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
