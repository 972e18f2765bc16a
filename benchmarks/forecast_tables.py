"""The tables of docs/forecasting.md and docs/cards/symptoms.md, out of ``results/forecast.json``."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tables import markdown

OURS = "novamind"

_NAMES = {
    OURS: "**Novamind**",
    "naive": "naive",
    "snaive7": "seasonal naive",
    "mean_28": "mean of 28 days",
    "mean_all": "mean of the record",
    "theta": "Theta",
    "autoets": "AutoETS",
    "autoarima": "AutoARIMA",
    "shrink": "shrunk regression",
    "lgb": "LightGBM quantiles",
    "xgb": "XGBoost quantiles",
    "xgb_r": "XGBoost quantiles, rounded to steps",
    "nhits": "NHITS",
    "ens3": "mean of 28 days + shrunk regression + XGBoost",
    "ens3_r": "the same three, rounded to steps (`ens3_r`)",
}
_TRAINED = ("shrink", "lgb", "xgb", "xgb_r", "nhits", "ens3", "ens3_r")
_SPREAD = ("cov80", "cov95", "w80")
_SPREAD_HEADER = ("80 % covers", "95 % covers", "width of 80 %")

Tables = Iterator[tuple[str, str]]


def accuracy_tables(result: dict[str, Any]) -> Tables:
    about = (
        f"{result['origins']} origins of {result['persons']} persons; weights `{result['model_version']}`. Means over "
        "the types of series; CRPS and widths in % of the scale. *here*: run side by side in one run; *stored*: the "
        "same origins, run earlier."
    )
    means = {(row["group"], row["method"]): row for row in result["means"]}
    methods = sorted({method for _, method in means}, key=lambda m: -float(means["h7", m]["crps_pct"]))
    rows = []
    for method in methods:
        week, fortnight = means["h7", method], means["h14", method]
        fitted = "simulated cohorts" if method == OURS else "these populations" if method in _TRAINED else "the series"
        figures = [f"{part[measure]:.3f}" for measure in ("crps_pct", "mase") for part in (week, fortnight)]
        rows.append(
            [_NAMES[method], fitted, "here" if method in result["run_here"] else "stored", *figures, *_spread(week)]
        )
    header = ["method", "fitted on", "run", "CRPS 7 d", "CRPS 14 d", "MASE 7 d", "MASE 14 d", *_SPREAD_HEADER]
    yield "accuracy", f"{about}\n\n{markdown(header, rows)}"

    cells = {(row["group"], row["dataset"], row["series"], row["method"]): row for row in result["by_type"]}
    rivals = [m for m in ("mean_28", "autoets", "autoarima", "theta", "ens3_r") if ("h7", m) in means]
    rows = []
    for (group, dataset, series, method), row in sorted(cells.items(), key=lambda cell: (cell[0][0] != "h7", cell[0])):
        if method == OURS:
            size = f"{row['origins']:.0f} ({row['persons']:.0f})"
            others = [f"{cells[group, dataset, series, m]['crps_pct']:.2f}" for m in rivals]
            label = f"{dataset}: {series.replace('_', ' ')}"
            rows.append([label, group[1:], size, f"**{row['crps_pct']:.2f}**", *others, f"{row['mase']:.3f}"])
            rows[-1] += _spread(row)
    names = ["`ens3_r`" if m == "ens3_r" else _NAMES[m] for m in rivals]
    header = ["series", "days", "origins (persons)", "CRPS ours", *names, "MASE ours", *_SPREAD_HEADER]
    yield "accuracy-types", markdown(header, rows)

    rows = [
        [f"{row['dataset']}: {row['series'].replace('_', ' ')}", f"{row['worse']:.3f}", f"{row['better']:.3f}"]
        for row in result["misses"]
    ]
    yield "accuracy-misses", markdown(["series", "worse than the interval", "better than the interval"], rows)

    rows = [
        [
            f"`{rival}`",
            {"crps": "CRPS", "mae": "absolute error of the median"}[metric],
            _ratio(groups["h7"]),
            _ratio(groups["h14"]),
        ]
        for rival, metrics in result["paired"].items()
        for metric, groups in metrics.items()
    ]
    yield "accuracy-paired", markdown(["ours / rival", "measure", "7 days", "14 days"], rows)


def members_tables(result: dict[str, Any]) -> Tables:
    means = {(row["group"], row["method"]): row for row in result["means"]}
    rows = []
    for variant in (OURS, *result["paired"]):
        week, fortnight = means["h7", variant], means["h14", variant]
        cost = "" if variant == OURS else _ratio(result["paired"][variant]["h7"])
        figures = [f"{week['crps_pct']:.3f}", f"{fortnight['crps_pct']:.3f}", cost, f"{week['mase']:.3f}"]
        rows.append(["**as shipped**" if variant == OURS else variant, *figures, *_spread(week)])
    header = ["variant", "CRPS 7 d", "CRPS 14 d", "CRPS 7 d / shipped", "MASE 7 d", *_SPREAD_HEADER]
    yield "members", f"Weights `{result['model_version']}`.\n\n{markdown(header, rows)}"


def simulator_tables(result: dict[str, Any]) -> Tables:
    means = {(row["group"], row["method"]): row for row in result["means"]}
    rows = []
    for name, method in (("**as shipped**", OURS), ("level + autoregression + noise", "plain")):
        figures = [f"{means[group, method]['crps_pct']:.3f}" for group in ("h7", "h14")]
        costs = ["", ""] if method == OURS else [_ratio(result["paired"][group]) for group in ("h7", "h14")]
        rows.append([name, *figures, *costs, f"{means['h7', method]['mase']:.3f}", *_spread(means["h7", method])])
    header = ["raised on", "CRPS 7 d", "CRPS 14 d", "/ shipped, 7 d", "/ shipped, 14 d", "MASE 7 d", *_SPREAD_HEADER]
    yield "simulator", f"Weights `{result['model_version']}`.\n\n{markdown(header, rows)}"


def fitted_tables(result: dict[str, Any]) -> Tables:
    about = (
        f"Fitted on {result['series_fitted_on']} series of other persons of the same studies in {result['minutes']:g} "
        f"minutes; weights `{result['model_version']}`."
    )
    means = {(row["group"], row["method"]): row for row in result["means"]}
    rows = []
    for name, method in (("ens3_r", "ens3_r"), ("**shipped, zero-shot**", OURS), ("**fitted**", "fitted")):
        week, fortnight = means["h7", method], means["h14", method]
        figures = [f"{part[measure]:.3f}" for measure in ("crps_pct", "mase") for part in (week, fortnight)]
        against = result["paired"].get(method)
        ratios = [_ratio(against[group]) if against else "" for group in ("h7", "h14")]
        rows.append([name, *figures, *_spread(week), *ratios])
    header = ["model", "CRPS 7 d", "CRPS 14 d", "MASE 7 d", "MASE 14 d", *_SPREAD_HEADER]
    yield "fitted", f"{about}\n\n{markdown([*header, 'fitted / it, 7 d', 'fitted / it, 14 d'], rows)}"


def formats_tables(result: dict[str, Any]) -> Tables:
    rows = []
    for row in result["rows"]:
        name = f"**{row['format']}** (shipped)" if row["format"] == result["shipped"] else row["format"]
        if "refused" in row:
            rows.append([name, "", "", f"not run: {row['refused']}", ""])
            continue
        lost = f"{row['mean_difference_pct']:g} ({row['largest_difference_pct']:g})"
        rows.append([name, f"{row['megabytes']:g}", f"{row['cpu_ms_per_series']:g}", f"{row['crps_pct']:.3f}", lost])
    header = ["format", "MB", "CPU ms a series", "CRPS", "mean (largest) difference, % of the scale"]
    yield "formats", markdown(header, rows)


def oracle_tables(result: dict[str, Any]) -> Tables:
    rows = [
        [
            row["reported_days"],
            f"{row['persons']:,}",
            f"{row['crps_pct']:.2f}",
            f"{row['oracle_crps_pct']:.2f}",
            f"{row['ratio']:.3f} ({row['ratio_low']:.3f} to {row['ratio_high']:.3f})",
        ]
        for row in result["rows"]
    ]
    header = ["days reported", "persons", "CRPS ours", "CRPS oracle", "ours / oracle"]
    yield "oracle", f"Weights `{result['model_version']}`.\n\n{markdown(header, rows)}"


def covariates_tables(result: dict[str, Any]) -> Tables:
    rows = [
        [
            row["covariate"],
            f"{row['persons']:,}",
            f"{row['crps_pct_without']:.2f}",
            f"{row['ratio']:.3f} ({row['ratio_low']:.3f} to {row['ratio_high']:.3f})",
        ]
        for row in result["rows"]
    ]
    yield "covariates", markdown(["what is told", "persons", "CRPS without", "CRPS with / without"], rows)


def explanation_tables(result: dict[str, Any]) -> Tables:
    names = {
        "whole": "**Shapley values of the whole forecast**",
        "members": "each member without each part, weighted",
        "trees": "Shapley values of the boosted trees alone",
    }
    rows = [
        [
            names[row["design"]],
            f"{row['error_pct']:.2f}",
            f"{row['error_pct'] / result['change_pct']:.2f}",
            str(row["model_rows"]),
            "" if row["cpu_ms"] is None else f"{row['cpu_ms']:g}",
        ]
        for row in result["rows"]
    ]
    header = ["design", "error, % of the scale", "error / change", "rows forecast", "CPU ms a series"]
    about = (
        f"{result['persons']} simulated persons; weights `{result['model_version']}`; the mean change is "
        f"{result['change_pct']:.2f} % of the scale, the mean weight of the boosted trees "
        f"{100 * result['weight_of_trees']:.0f} %."
    )
    yield "explanation", f"{about}\n\n{markdown(header, rows)}"


def speed_tables(result: dict[str, Any]) -> Tables:
    threads = f"OMP_NUM_THREADS {result['threads'] or 'not set'}"
    machine = f"{result['cores']} cores, {threads}, load average {result['load_average']:g}"
    about = (
        f"Weights `{result['model_version']}`; {machine} while it ran: read the ratios, which are of one run; the "
        "absolute times are those of a busy machine."
    )
    wall, cpu, each = result["single_call_ms"], result["single_call_cpu_ms"], result["cpu_ms_per_series"]
    rows = [
        ["1,000 series × 14 days, one call", f"{result['seconds_1000_series']:g} s"],
        ["the same, CPU time of all threads", f"{result['cpu_seconds_1000_series']:g} s"],
        ["10,000 series, one call", f"{result['series_per_second_of_10000']:,.0f} series/s"],
        ["the same, per second of CPU time", f"{result['series_per_cpu_second_of_10000']:,.0f} series"],
        ["one series, warm call: median (95th percentile)", f"{wall['p50']:g} ms ({wall['p95']:g} ms)"],
        ["the same, CPU time", f"{cpu['p50']:g} ms ({cpu['p95']:g} ms)"],
        ["first forecast of a fresh process, imports included", f"{result['cold_start_seconds']:g} s"],
        ["the same with AutoETS (compiles)", f"{result['cold_start_seconds_autoets']:g} s"],
        ["memory of a process that forecast 1 series", f"{result['rss_mb_one_series']} MB"],
        ["memory of a process that forecast 10,000", f"{result['rss_mb_10000_series']} MB"],
        ["CPU time per series in a batch of 1,000", f"{each[OURS]:g} ms"],
        ["CPU time per series, AutoETS", f"{each['autoets']:g} ms"],
        ["CPU time per series, seasonal naive", f"{each['seasonal_naive']:g} ms"],
        *(
            [
                ["CPU time per series, NHITS (neuralforecast)", f"{each['nhits']:g} ms"],
                ["the same network learning these series first, per series", f"{each['nhits_training']:g} ms"],
            ]
            if "nhits" in each
            else []
        ),
        ["**AutoETS / ours, CPU time**", f"**{result['autoets_over_ours']:g}**"],
        ["ours / seasonal naive, CPU time", f"{result['ours_over_seasonal_naive']:g}"],
    ]
    yield "speed", f"{about}\n\n{markdown(['what', 'measured'], rows)}"


def calibration_tables(result: dict[str, Any]) -> Tables:
    about = f"{result['persons']:,} simulated persons; weights `{result['model_version']}`."
    rows = [
        [f"{row['by']}: {row['group']}", f"{row['persons']:,}", f"{row['crps_pct']:.2f}", *_spread(row)]
        for row in result["rows"]
    ]
    header = ["subgroup", "persons", "CRPS", *_SPREAD_HEADER]
    yield "calibration", f"{about}\n\n{markdown(header, rows)}"

    rows = [
        [str(row["days_since"]), f"{row['median']:g}", f"{row['low']:g} to {row['high']:g}", f"{row['mean_28']:g}"]
        for row in result["sudden_change"]
    ]
    header = ["days since the change", "median", "80 % interval", "median of the last 28 days"]
    yield "sudden-change", markdown(header, rows)

    rows = [[str(row["weeks"]), f"{row['weekend']:g}", f"{row['carried']:g}"] for row in result["weekly_rhythm"]]
    header = ["weeks of record", "weekends worse by, % of the scale", "forecast weekend worse by"]
    yield "weekly-rhythm", markdown(header, rows)


def _spread(row: dict[str, Any]) -> list[str]:
    return [f"{row['cov80']:.3f}", f"{row['cov95']:.3f}", f"{100 * row['w80']:.1f}"]


def _ratio(values: Sequence[float]) -> str:
    ratio, low, high, _types = values
    return f"{ratio:.3f} ({low:.3f} to {high:.3f})"


TABLES: dict[str, Callable[[dict[str, Any]], Tables]] = {
    "accuracy": accuracy_tables,
    "members": members_tables,
    "simulator": simulator_tables,
    "fitted": fitted_tables,
    "speed": speed_tables,
    "formats": formats_tables,
    "calibration": calibration_tables,
    "oracle": oracle_tables,
    "covariates": covariates_tables,
    "explanation": explanation_tables,
}
