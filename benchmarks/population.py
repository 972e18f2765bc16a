"""Population twins against references of the same run, in nine parts.

    python benchmarks/population.py quality --shared ../shared

Each part is written into ``benchmarks/results/population.json`` under its own name, and into the docs page.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from novamind.populations import (
    DifferentialPrivacy,
    EstimatedEffect,
    FidelityTracker,
    InterventionConfig,
    SimulationEngine,
    TwinGenerator,
    scale,
)
from novamind.populations.fidelity.drift import SequentialDriftTest
from novamind.populations.generation.privacy import report
from novamind.populations.interventions.effects import EffectModel
from novamind.populations.storage.store import TwinRepository
from novamind.populations.table import read
from tables import fill, markdown

RESULTS = Path(__file__).with_name("results") / "population.json"
PAGE = Path(__file__).parents[1] / "docs" / "populations.md"
SCALED = 10_000_000
SPLITS = 3
HALVINGS = 12
PILOTS, FURTHER, MANY = 60, 140, 1_000
_KINDS = ("", "_row_bootstrap", "_column_bootstrap")
EMAIL = InterventionConfig("email_campaign")


def quality(_: Path) -> dict[str, Any]:
    """Measure the simulated account world, three seeds, beside the reference generators."""
    import hcp_world as world
    import quality as metrics

    rows: dict[str, list[dict[str, float]]] = {"novamind": [], "sequential CART": [], "Gaussian copula": []}
    for seed in (1, 11, 21):
        train, hold = world.make_hcps(10_000, seed), world.make_hcps(5_000, seed + 1)
        generator = TwinGenerator("hcp", "benchmark")
        generator.train(train, world.TARGET)
        on_real = metrics.report(train, hold, None, outcome_synth=train[world.TARGET])
        for name, twins in (
            ("novamind", generator.generate(10_000, seed=seed).frame),
            ("sequential CART", metrics.ref_sequential_cart(train, 10_000, seed)),
            ("Gaussian copula", metrics.ref_gaussian_copula(train, 10_000, seed)),
        ):
            rows[name].append(_beside_real(twins, train, hold, on_real))
    return {name: _mean(found) for name, found in rows.items()}


def private(_: Path) -> dict[str, Any]:
    """Measure twins of models trained with differential privacy in the simulated account world, as `quality` does."""
    import hcp_world as world
    import quality as metrics

    volume = (0, *(2**i for i in range(3, 15)))
    domain = {
        "specialty": world.SPECIALTIES,
        "years_experience": (0, 50),
        "practice_type": ("academic", "community", "private"),
        "practice_size": ("solo", "small", "medium", "large"),
        "region": ("northeast", "south", "midwest", "west"),
        "decile": (1, 10),
        "priority_tier": (1, 5),
        "total_patient_volume": volume,
        "target_patient_volume": volume,
        "digital_engagement_score": (0.0, 1.0),
        "preferred_channel": ("email", "digital", "in_person", "phone"),
        "last_interaction_days": (0, 3, 7, 14, 21, 30, 45, 60, 90, 120, 180, 365),
        "interaction_frequency": (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 24.0),
        "adoption_stage": world.STAGES,
        "peer_influence_score": (0.0, 1.0),
        world.TARGET: (-0.3, 0.4),
    }
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in (1, 11, 21):
        train, hold = world.make_hcps(10_000, seed), world.make_hcps(5_000, seed + 1)
        on_real = metrics.report(train, hold, None, outcome_synth=train[world.TARGET])
        for epsilon in (1.0, 3.0, 10.0):
            promise = DifferentialPrivacy(epsilon, domain)
            rule = "target_patient_volume <= total_patient_volume"
            generator = TwinGenerator("hcp", "benchmark", rules=[rule], privacy=promise)
            generator.train(train, world.TARGET)
            twins = generator.generate(10_000, seed=seed).frame
            rows.setdefault(f"epsilon {epsilon:g}", []).append(_beside_real(twins, train, hold, on_real))
    return {name: _mean(found) for name, found in rows.items()}


def _beside_real(twins: Any, train: Any, hold: Any, on_real: dict[str, Any]) -> dict[str, float]:
    import hcp_world as world
    import quality as metrics

    keep = (
        "mean_abs_association_diff_all_105_pairs",
        "mean_abs_diff_on_strong_pairs",
        "detection_auc_rf",
        "frac_target_gt_total",
        "frac_noninteger_in_integer_columns",
        "ks_mean",
        "frac_exact_copies_of_training_rows",
        "frac_tier_decile_conflict",
    )
    found = metrics.report(twins, hold, train, outcome_synth=twins[world.TARGET])
    outcome, r2 = found["baseline_outcome"], "train_on_twins_test_on_real_r2"
    return {
        **{k: float(found[k]) for k in keep},
        "outcome_sd_ratio": outcome["twin_sd"] / float(train[world.TARGET].std()),
        "tstr_over_trtr": outcome[r2] / on_real["baseline_outcome"][r2],
    }


def effects(_: Path) -> dict[str, Any]:
    """Measure simulated worlds: individual effects, coverage over fresh pilots, advice.

    All worlds have the same pilots, so that their coverages rise and fall together; 60 pilots tell it to 2.8 points
    only, hence the further pilots, which only the effect model sees (more of them: `coverage`).
    """
    import hcp_world as world

    generator = TwinGenerator("hcp", "benchmark")
    generator.train(world.make_hcps(10_000, 1), world.TARGET)
    few, many = generator.generate(2_000, seed=1), generator.generate(100_000, seed=1)
    test = world.make_hcps(20_000, 900)
    out = {}
    for name in world.WORLDS:
        truth = world.tau(test, name)
        errors, fits, covered, advice, ratio = [], [], [], [], []
        for seed in range(PILOTS):
            pilot = world.make_trial(4_000, name, 100 + seed)[[*world.HCP_FEATURES, "treated", "y"]]
            evidence = EstimatedEffect(pilot, randomised=True, seed=seed)
            result = SimulationEngine(few, evidence).simulate(EMAIL)
            if seed < 5:
                own = evidence.individual(read(test[world.HCP_FEATURES]))
                errors.append(float(np.sqrt(np.mean((own - truth) ** 2))))
                fits.append(float(np.corrcoef(own, truth)[0, 1]) if truth.std() > 0 else 0.0)
                ratio.append(SimulationEngine(many, evidence).simulate(EMAIL).standard_error / result.standard_error)
            covered.append(_covers(evidence.model, truth.mean()))
            advice.append(str(result.recommendation))
        covered += [_covers(_of_pilot(name, seed), truth.mean()) for seed in range(PILOTS, PILOTS + FURTHER)]
        out[name] = {
            "cate_rmse": float(np.mean(errors)),
            "cate_correlation": float(np.mean(fits)),
            "coverage_95": float(np.mean(covered)),
            "coverage_95_first_60": float(np.mean(covered[:PILOTS])),
            "pilots": PILOTS,
            "pilots_for_coverage": len(covered),
            "deploy": advice.count("deploy"),
            "do_not_deploy": advice.count("do_not_deploy"),
            "width_100k_over_2k": float(np.mean(ratio)),
        }
    return out


def coverage(_: Path) -> dict[str, Any]:
    """Count how often 95 % intervals cover the average where the pilots of `effects` leave it open.

    A standard deviation of the standardised errors below 1 says that intervals are too wide, and how much so.
    """
    import hcp_world as world

    test = world.make_hcps(20_000, 900)
    out = {}
    for name in ("null", "harmful"):
        truth = world.tau(test, name).mean()
        models = (_of_pilot(name, seed) for seed in range(MANY))
        z = np.array([(model.average_effect - truth) / model.standard_error for model in models])
        share = float(np.mean(np.abs(z) < 1.96))
        out[name] = {
            "pilots_for_coverage": MANY,
            "coverage_95": share,
            "standard_error": float(np.sqrt(share * (1 - share) / MANY)),
            "mean_of_standardised_errors": float(z.mean()),
            "sd_of_standardised_errors": float(z.std(ddof=1)),
        }
    return out


def _of_pilot(name: str, seed: int) -> EffectModel:
    import hcp_world as world
    from quality import encode

    pilot = world.make_trial(4_000, name, 100 + seed)
    return EffectModel(seed).fit(
        encode(pilot).to_numpy(), pilot["treated"].to_numpy(), pilot["y"].to_numpy(), randomised=True
    )


def _covers(model: EffectModel, truth: float) -> bool:
    return bool(abs(model.average_effect - truth) < 1.96 * model.standard_error)


def real(shared: Path) -> dict[str, Any]:
    """Measure twins of two real tables over several splits, beside rows and columns that are resampled."""
    import polars as pl

    folder = shared / "data" / "population"
    out: dict[str, Any] = {}
    for name, file, target in (
        ("Part D profiles", "hcp_partd_profile", "total_claims"),
        ("Hillstrom", "hillstrom_email_rct", "visit"),
    ):
        frame = pl.read_parquet(folder / f"{file}.parquet").drop("hcp_id", strict=False)
        found = []
        for split in range(SPLITS):
            rows = np.random.default_rng(split).permutation(len(frame))
            train, hold = frame[rows[:20_000]], frame[rows[20_000:40_000]]
            generator = TwinGenerator("hcp", "benchmark")
            start = time.process_time()
            generator.train(train, target)
            spent = time.process_time() - start
            population = generator.generate(20_000, seed=split)
            twins = population.frame.select(train.columns)
            names = tuple(c.name for c in population.features.columns)
            private = report(population.features, read(train).only(names), read(hold).only(names))
            again = train.sample(20_000, with_replacement=True, seed=split)
            alone = train.select(
                pl.col(c).sample(20_000, with_replacement=True, seed=split + 100 * i)
                for i, c in enumerate(train.columns)
            )
            figures = {
                "detection_auc_20000": _detection(twins, hold, 20_000),
                "share_closer_to_train": private.share_closer_to_train,
                "membership_auc": private.membership_auc,
                "copies_of_unique_records": private.exact_copies,
                "train_cpu_seconds": spent,
                "rules": len(generator.metrics.rules) if generator.metrics else 0,
            }
            for kind, table in (("", twins), ("_row_bootstrap", again), ("_column_bootstrap", alone)):
                figures[f"shapes{kind}"] = _shapes(table, hold)
                figures |= {f"{key}{kind}": v for key, v in _pairs(table, hold).items()}
            for kind, table in (("", twins), ("_row_bootstrap", again)):
                quarters = [slice(5_000 * i, 5_000 * (i + 1)) for i in range(4)]
                figures[f"detection_auc_5000{kind}"] = float(
                    np.mean([_detection(table[part], hold[part], 5_000) for part in quarters])
                )
            if "brand_claims" in twins.columns:
                broken = (twins["brand_claims"] + twins["generic_claims"] > twins["total_claims"]).fill_null(False)
                figures["sum_rule_violations"] = float(np.mean(broken.to_numpy()))
            else:
                for arm in ("Womens E-Mail", "Mens E-Mail"):
                    figures[f"uplift_points {arm}"] = _uplift(twins, arm)
                    figures[f"uplift_points_lost {arm}"] = abs(_uplift(twins, arm) - _uplift(train, arm))
            found.append(figures)
        lost = {k: max(f[k] for f in found) for k in found[0] if k.startswith("uplift_points_lost")}
        out[name] = {"splits": SPLITS, **_mean(found), **lost}
    return out


def trials(shared: Path) -> dict[str, Any]:
    """Estimate effects where the answer is known or held out, and on the prescriber panel."""
    import effect_data as data

    out: dict[str, Any] = {"Hillstrom effects": {}}
    for arm in ("Womens E-Mail", "Mens E-Mail"):
        found = []
        for seed in range(HALVINGS):
            X, t, y = data.hillstrom(arm)
            rows = np.random.default_rng(seed).permutation(len(y))
            a, b = rows[: len(y) // 2], rows[len(y) // 2 :]
            model = EffectModel().fit(X[a], t[a], y[a], randomised=True)
            own = model.effect(X[b])
            other = y[b][t[b] == 1].mean() - y[b][t[b] == 0].mean()
            inside = abs(other - model.average_effect) < 1.96 * np.sqrt(2) * model.standard_error
            peer = _linear_double_ml(X[a], t[a], y[a], X[b])
            again = (np.random.default_rng([seed, k]).integers(0, len(b), len(b)) for k in range(200))
            lead = [data.qini(y[b][i], t[b][i], own[i]) - data.qini(y[b][i], t[b][i], peer[i]) for i in again]
            found.append(
                {
                    "qini": data.qini(y[b], t[b], own),
                    "qini_linear_double_ml": data.qini(y[b], t[b], peer),
                    "noise_of_difference": float(np.std(lead, ddof=1)),
                    "noise_of_qini": float(
                        np.std(
                            [
                                data.qini(y[b][i], t[b][i], own[i])
                                for i in np.random.default_rng(seed).integers(0, len(b), (200, len(b)))
                            ],
                            ddof=1,
                        )
                    ),
                    "calibration": data.calibration(y[b], t[b], own),
                    "calibration_linear_double_ml": data.calibration(y[b], t[b], peer),
                    "other_half_inside": float(inside),
                }
            )
        lead = [f["qini"] - f["qini_linear_double_ml"] for f in found]
        out["Hillstrom effects"][arm] = _mean(found) | {
            "halvings": HALVINGS,
            "sd_of_difference_over_halvings": float(np.std(lead, ddof=1)),
            "first_three_halvings": _mean(found[:3]),
        }
    found = []
    for k in range(1, 26):
        X, t, y, mu0, mu1 = data.ihdp(k)
        rows = np.random.default_rng(k).permutation(len(y))
        a, b = rows[:672], rows[672:]
        model = EffectModel().fit(X[a], t[a], y[a])
        own, spread, truth = model.effect(X[b]), model.spread(X[b]), (mu1 - mu0)[b]
        found.append(
            {
                "pehe": float(np.sqrt(np.mean((own - truth) ** 2))),
                "ate_error": float(abs(own.mean() - truth.mean())),
                "coverage": float(np.mean(np.abs(own - truth) < 1.96 * spread)),
            }
        )
    out["IHDP, 25 realisations, held-out tenth"] = _mean(found)
    found = []
    for seed in range(3):
        X, t, y, truth, _ = data.prescribers(100_000, seed)
        start = time.process_time()
        model = EffectModel().fit(X, t, y)
        own = model.effect(X)
        found.append(
            {
                "pehe": float(np.sqrt(np.mean((own - truth) ** 2))),
                "correlation": float(np.corrcoef(own, truth)[0, 1]),
                "cpu_seconds": time.process_time() - start,
            }
        )
    out["semi-synthetic prescribers, 100,000"] = _mean(found)
    return out | _panel(shared / "data" / "population")


def _linear_double_ml(X: Any, treated: Any, y: Any, at: Any) -> Any:
    """Linear effect by residual on residual (Chernozhukov et al. 2018), the best method stored for this trial."""
    from sklearn.linear_model import LassoCV, LinearRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(X)
    left = y - cross_val_predict(LassoCV(cv=3), scaler.transform(X), y, cv=3)
    design = np.column_stack([np.ones(len(X)), scaler.transform(X)]) * (treated - treated.mean())[:, None]
    slope = LinearRegression(fit_intercept=False).fit(design, left).coef_
    return np.column_stack([np.ones(len(at)), scaler.transform(at)]) @ slope


def _panel(folder: Path) -> dict[str, Any]:
    """Conformal coverage on fresh prescribers, and the first sponsored meal with its checks."""
    import polars as pl

    frame = pl.read_parquet(folder / "hcp_partd_panel_2013_2014.parquet")
    known = [
        "drug_class",
        "specialty",
        "gender",
        "region",
        "grad_year",
        "group_size",
        "bene_count",
        "total_claims",
        "total_cost",
        "class_claims",
        "class_cost",
        "target_claims",
        "target_cost",
        "in_open_payments",
    ]
    rows = np.random.default_rng(0).permutation(len(frame))
    generator = TwinGenerator("hcp", "benchmark")
    shown = frame.select([*known, "target_share_2014"])
    generator.train(shown[rows[:20_000]], "target_share_2014")
    test = shown[rows[20_000:50_000]].filter(
        pl.col("specialty").is_in(shown[rows[:20_000]]["specialty"].unique().implode())
    )
    _, low, high = generator.predict(test)
    y = test["target_share_2014"].to_numpy()
    hit = (y >= low) & (y <= high)
    by = (
        test.with_columns(hit=pl.Series(hit))
        .group_by("specialty")
        .agg(pl.len(), pl.col("hit").mean())
        .filter(pl.col("len") >= 100)
    )
    some = frame.filter((pl.col("target_meal_count") == 0) & (pl.col("target_claims") == 0))[:40_000]
    meal = EstimatedEffect(
        some.select(
            [k for k in known if k not in ("target_claims", "target_cost")]
            + ["new_meal_2014", "target_share_2014", "class_day_supply"]
        ),
        treatment="new_meal_2014",
        outcome="target_share_2014",
        covariates=[k for k in known if k not in ("target_claims", "target_cost")],
        placebo_outcome="class_day_supply",
        randomised=False,
    )
    return {
        "panel intervals": {
            "coverage_95": float(hit.mean()),
            "worst_specialty": float(np.min(by["hit"].to_numpy())),
            "specialties": len(by),
        },
        "first sponsored meal": {
            "average_effect": meal.model.average_effect,
            "standard_error": meal.model.standard_error,
            "checks": list(meal.checks),
            "failures": list(meal.failures),
        },
    }


def drift(_: Path) -> dict[str, Any]:
    """Count false alarms in 52 quiet weeks, and weeks until errors times 1.2 are found; from 2,000 errors.

    The change begins in the first week or after ten quiet weeks (where no false alarm came before).
    """
    laws: dict[str, Callable[[np.random.Generator, int], Any]] = {
        "Student t, 6 degrees": lambda rng, n: rng.standard_t(6, n),
        "normal": lambda rng, n: rng.normal(size=n),
        "skewed": lambda rng, n: np.exp(0.6 * rng.normal(size=n)) - np.exp(0.18),
    }
    out: dict[str, Any] = {}
    for n, years in ((30, 1_500), (100, 300), (500, 100)):
        for law, draw in laws.items():
            false, found, late = 0, [], []
            for seed in range(years):
                rng = np.random.default_rng([seed, n, 2026])
                reference = draw(rng, 2_000)
                quiet = SequentialDriftTest(reference, seed=seed)
                false += any(quiet.update(draw(rng, n)) for _ in range(52))
                if seed < 100:
                    found.append(_weeks_to_alarm(reference, draw, n, 0, rng))
                    late.append(_weeks_to_alarm(reference, draw, n, 10, rng))
            out.setdefault(f"{n} a week", {})[law] = {
                "years": years,
                "false_alarms_a_year": false / years,
                "median_weeks": float(np.median(found)),
                "median_weeks_after_ten_quiet": float(np.median([w for w in late if w > 0])),
            }
    return out


def _weeks_to_alarm(reference: Any, draw: Callable[..., Any], n: int, quiet: int, rng: np.random.Generator) -> int:
    test = SequentialDriftTest(reference)
    while test.week < 52 and not test.update(draw(rng, n) * (1.2 if test.week >= quiet else 1.0)):
        pass
    return (test.alarm_week or 99) - quiet


def speed(_: Path) -> dict[str, Any]:
    """Wall seconds on this machine beside the reference generator's fit and draw of 10,000."""
    import hcp_world as world
    import quality as metrics

    train = world.make_hcps(10_000, 1)
    generator = TwinGenerator("hcp", "benchmark")
    out: dict[str, Any] = {
        "reference: sequential CART, fit and 10k": _timed(lambda: metrics.ref_sequential_cart(train, 10_000))[1]
    }
    out["train 10k"] = _timed(lambda: generator.train(train, world.TARGET))[1]
    population, out["generate 10k"] = _timed(lambda: generator.generate(10_000, seed=1))
    tracker = FidelityTracker()
    tracker.register(population)
    out["track 10k"] = _timed(
        lambda: tracker.calculate_fidelity(population.population_id, population.baseline_behavior)
    )[1]
    many, out["generate 1M"] = _timed(lambda: generator.generate(1_000_000, seed=1))
    pilot = world.make_trial(4_000, "moderate", 1)[[*world.HCP_FEATURES, "treated", "y"]]
    evidence = EstimatedEffect(pilot, randomised=True)
    out["simulate 1M"] = _timed(lambda: SimulationEngine(many, evidence).simulate(EMAIL))[1]
    with tempfile.TemporaryDirectory() as folder:
        repository = TwinRepository(f"sqlite:///{folder}/t.db", folder)
        out["save and load 1M"] = _timed(lambda: repository.load_population(repository.save_population(many)))[1]
        repository.close()
    out["peak GB"] = _peak_gb()
    return out


def scaled(_: Path) -> dict[str, Any]:
    """Draw many twins by two Ray workers: memory of the driver, and the same twins and answer from one process."""
    import hcp_world as world

    generator = TwinGenerator("hcp", "benchmark")
    generator.train(world.make_hcps(10_000, 1), world.TARGET)
    pilot = world.make_trial(4_000, "moderate", 1)[[*world.HCP_FEATURES, "treated", "y"]]
    engine_of = partial(SimulationEngine, evidence=EstimatedEffect(pilot, randomised=True))
    out: dict[str, Any] = {"twins": SCALED, "driver GB before": _peak_gb()}
    with tempfile.TemporaryDirectory() as folder:
        many, out["generate, 2 Ray workers"] = _timed(
            lambda: scale.generate(generator, SCALED, f"{folder}/many", seed=1, workers=2, engine="ray")
        )
        found, out["simulate, 2 Ray workers"] = _timed(
            lambda: scale.simulate(many, engine_of, EMAIL, workers=2, engine="ray")
        )
        out["driver GB after"] = _peak_gb()
        alone, out["simulate, one process"] = _timed(lambda: scale.simulate(many, engine_of, EMAIL))
        out["same answer"] = alone.to_dict() == found.to_dict()
        few, out["generate 500k, one process"] = _timed(
            lambda: scale.generate(generator, 500_000, f"{folder}/few", seed=1)
        )
        out["shards drawn again by one process"] = len(few.files)
        out["shards that are the same"] = sum(
            (few.folder / name).read_bytes() == (many.folder / name).read_bytes() for name in few.files
        )
    return out


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = call()
    return result, round(time.perf_counter() - start, 2)


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {k: float(np.mean([r[k] for r in rows])) for k in rows[0]}


def _shapes(twins: Any, hold: Any) -> float:
    """Mean of 1 - KS (numbers) and 1 - total variation distance (categories)."""
    from scipy import stats

    scores = []
    for name in hold.columns:
        a, b = twins[name].drop_nulls(), hold[name].drop_nulls()
        if hold[name].dtype.is_numeric() and hold[name].n_unique() > 2:
            scores.append(1 - stats.ks_2samp(a.to_numpy(), b.to_numpy(), method="asymp").statistic)
        else:
            x, y = (dict(s.cast(str).value_counts(normalize=True).iter_rows()) for s in (a, b))
            scores.append(1 - 0.5 * sum(abs(x.get(k, 0) - y.get(k, 0)) for k in {*x, *y}))
    return float(np.mean(scores))


def _pairs(twins: Any, hold: Any) -> dict[str, float]:
    """Column pair trends as SDMetrics 0.32 defines them, and the same idea by rank associations over all pairs.

    Trends: pairs of numbers that correlate above 0.5 score 1 - |difference of Pearson| / 2, other pairs with Cramer's
    V above 0.3 score 1 - total variation distance of their contingency tables (numbers in 10 bins of one width, the
    same bins for both tables). Associations: Spearman, Cramer's V or correlation ratio of ranks, 1 - |difference| / 2.
    """
    numeric = [c for c in hold.columns if hold[c].dtype.is_numeric() and hold[c].n_unique() > 2]
    value, rank = (
        [{c: _gaps_as_nan(make(table[c])) for c in numeric} for table in (twins, hold)]
        for make in (lambda column: column, lambda column: column.rank())
    )
    code = _codes(twins, hold, value, numeric)
    trends, associations = [], []
    for a, b in combinations(hold.columns, 2):
        if a in numeric and b in numeric:
            pearson, spearman = ([_correlation(t[a], t[b]) for t in tables] for tables in (value, rank))
            if abs(pearson[1]) > 0.5:
                trends.append(1 - abs(pearson[0] - pearson[1]) / 2)
            strength = spearman
        else:
            size = [1 + max(int(codes[name].max()) for codes in code) for name in (a, b)]
            own, real = (np.bincount(codes[a] * size[1] + codes[b], minlength=size[0] * size[1]) for codes in code)
            cramer = [_cramers_v(counts.reshape(size)) for counts in (own, real)]
            if cramer[1] > 0.3:
                trends.append(1 - 0.5 * float(np.abs(own / own.sum() - real / real.sum()).sum()))
            group, number = (b, a) if a in numeric else (a, b)
            strength = (
                [_correlation_ratio(codes[group], ranks[number]) for codes, ranks in zip(code, rank, strict=True)]
                if number in numeric
                else cramer
            )
        associations.append(1 - abs(strength[0] - strength[1]) / 2)
    return {"pair_trends": float(np.mean(trends)), "pair_associations": float(np.mean(associations))}


def _gaps_as_nan(column: Any) -> Any:
    return column.cast(float).fill_null(float("nan")).to_numpy()


def _codes(twins: Any, hold: Any, value: Any, numeric: list[str]) -> list[dict[str, Any]]:
    """Levels of both tables as whole numbers; numbers by ten bins of the real table, gaps as an eleventh."""
    code: list[dict[str, Any]] = [{}, {}]
    for name in hold.columns:
        if name in numeric:
            real = value[1][name]
            edges = np.histogram_bin_edges(real[~np.isnan(real)], bins=10)[1:-1]
            for codes, values in zip(code, value, strict=True):
                codes[name] = np.where(np.isnan(values[name]), 10, np.digitize(values[name], edges))
        else:
            both = np.concatenate([table[name].cast(str).to_numpy() for table in (twins, hold)]).astype(str)
            codes = np.unique(both, return_inverse=True)[1]
            code[0][name], code[1][name] = codes[: len(twins)], codes[len(twins) :]
    return code


def _cramers_v(counts: Any) -> float:
    from scipy.stats.contingency import association

    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    return float(association(counts, method="cramer")) if min(counts.shape) > 1 else 0.0


def _correlation(a: Any, b: Any) -> float:
    known = ~(np.isnan(a) | np.isnan(b))
    return float(np.corrcoef(a[known], b[known])[0, 1])


def _correlation_ratio(code: Any, number: Any) -> float:
    known = ~np.isnan(number)
    code, number = code[known], number[known] - number[known].mean()
    size = np.bincount(code)
    between = np.bincount(code, weights=number) ** 2 / np.maximum(size, 1)
    return float(np.sqrt(between.sum() / (number**2).sum()))


def _detection(twins: Any, hold: Any, n: int) -> float:
    """Cross-validated AUC of boosted trees that tell twins from real rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    parts = []
    for name in hold.columns:
        levels = {v: i for i, v in enumerate(sorted({str(v) for v in hold[name].unique()}))}
        numeric = hold[name].dtype.is_numeric()
        parts.append(
            np.concatenate(
                [
                    f[name][:n].cast(float).fill_null(float("nan")).to_numpy()
                    if numeric
                    else [levels.get(str(v), -1) for v in f[name][:n]]
                    for f in (twins, hold)
                ]
            ).astype(float)
        )
    y = np.r_[np.ones(n), np.zeros(n)]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    chance = cross_val_predict(
        HistGradientBoostingClassifier(random_state=0),
        np.column_stack(parts),
        y,
        cv=folds,
        method="predict_proba",
    )
    return float(roc_auc_score(y, chance[:, 1]))


def _uplift(frame: Any, arm: str) -> float:
    rate = {name[0]: float(group["visit"].mean()) for name, group in frame.group_by("segment")}
    return float(100 * (rate[arm] - rate["No E-Mail"]))


def tables(stored: dict[str, Any]) -> dict[str, str]:
    """Tables of the docs page, one for each part that was run."""
    makers = {
        "quality": _quality_table,
        "private": _quality_table,
        "effects": partial(_effects_table, many=stored.get("coverage", {})),
        "real": _real_table,
        "trials": _trials_table,
        "drift": _drift_table,
        "speed": _seconds_table,
        "scaled": _seconds_table,
    }
    made = {f"population-{part}": makers[part](stored[part]) for part in makers if part in stored}
    return made | ({"population-kept": _kept_table(stored["real"])} if "real" in stored else {})


def _quality_table(found: dict[str, Any]) -> str:
    rows = {
        "forest detection AUC": "detection_auc_rf",
        "mean association difference": "mean_abs_association_diff_all_105_pairs",
        "same, strong pairs": "mean_abs_diff_on_strong_pairs",
        "train on twins / train on real, R2": "tstr_over_trtr",
        "outcome SD, twins / real": "outcome_sd_ratio",
        "target volume > total volume": "frac_target_gt_total",
    }
    return markdown(
        ["", *found], [[label, *(f"{figures[key]:.3f}" for figures in found.values())] for label, key in rows.items()]
    )


def _effects_table(found: dict[str, Any], many: dict[str, Any]) -> str:
    header = ["world", "CATE error", "correlation", "average covered", "deploy advised", "width, 100,000 / 2,000 twins"]
    return markdown(
        header,
        [
            [
                world,
                f"{f['cate_rmse']:.4f}",
                f"{f['cate_correlation']:.3f}" if f["cate_correlation"] else "",
                _share_of_pilots(f | many.get(world, {})),
                f"{f['deploy']} of {f['pilots']}",
                f"{f['width_100k_over_2k']:.3f}",
            ]
            for world, f in found.items()
        ],
    )


def _share_of_pilots(f: dict[str, Any]) -> str:
    return f"{f['coverage_95']:.3f} of {f['pilots_for_coverage']}"


def _real_table(found: dict[str, Any]) -> str:
    three = {
        "shapes": "shapes",
        "pair trends": "pair_trends",
        "pair associations": "pair_associations",
        "detection AUC": "detection_auc_5000",
    }
    rows = []
    for name, f in found.items():
        rows += [
            [f"{name}: {label}", *(f"{f[k]:.4f}" if (k := key + end) in f else "" for end in _KINDS)]
            for label, key in three.items()
        ]
        rows += [
            [f"{name}: share closer to train", f"{f['share_closer_to_train']:.3f}", "", ""],
            [f"{name}: membership AUC", f"{f['membership_auc']:.3f}", "", ""],
            [f"{name}: copies of unique records", f"{f['copies_of_unique_records']:.0%}", "", ""],
        ]
    return markdown(["", "twins", "rows resampled", "columns resampled"], rows)


def _kept_table(found: dict[str, Any]) -> str:
    rows = []
    for name, f in found.items():
        for arm in ("Womens E-Mail", "Mens E-Mail"):
            if f"uplift_points {arm}" in f:
                rows.append([f"{name}, {arm}: uplift in twins, points", f"{f[f'uplift_points {arm}']:.2f}"])
                rows.append([f"{name}, {arm}: lost or gained, worst split", f"{f[f'uplift_points_lost {arm}']:.2f}"])
        rows += [[f"{name}, sum rules broken", f"{f['sum_rule_violations']:.0%}"]] if "sum_rule_violations" in f else []
    return markdown(["", "figure"], rows)


def _trials_table(found: dict[str, Any]) -> str:
    rows = []
    for arm, f in found["Hillstrom effects"].items():
        rows += [
            [
                f"{arm}: Qini, {f['halvings']} halvings (linear double ML; standard deviation of a difference)",
                f"{f['qini']:.2f} ({f['qini_linear_double_ml']:.2f}; {f['noise_of_difference']:.2f})",
            ],
            [
                f"{arm}: Qini, first three halvings alone",
                f"{f['first_three_halvings']['qini']:.2f} ({f['first_three_halvings']['qini_linear_double_ml']:.2f})",
            ],
            [
                f"{arm}: calibration error (linear double ML)",
                f"{f['calibration']:.4f} ({f['calibration_linear_double_ml']:.4f})",
            ],
        ]
    ihdp, semi = found["IHDP, 25 realisations, held-out tenth"], found["semi-synthetic prescribers, 100,000"]
    panel, meal = found["panel intervals"], found["first sponsored meal"]
    rows += [
        [
            "IHDP: PEHE / error of the average / coverage",
            f"{ihdp['pehe']:.2f} / {ihdp['ate_error']:.2f} / {ihdp['coverage']:.3f}",
        ],
        [
            "semi-synthetic prescribers, 100,000 rows: PEHE / correlation / CPU seconds",
            f"{semi['pehe']:.4f} / {semi['correlation']:.2f} / {semi['cpu_seconds']:.1f}",
        ],
        [
            f"prescriber panel: 95 % intervals cover / worst of {panel['specialties']} specialties",
            f"{panel['coverage_95']:.3f} / {panel['worst_specialty']:.3f}",
        ],
        ["first sponsored meal", "no claim: " + " ".join(meal["failures"]) if meal["failures"] else "claimed"],
    ]
    return markdown(["", "figure"], rows)


def _drift_table(found: dict[str, Any]) -> str:
    header = ["outcomes", "errors", "false alarms a year", "weeks, change at once", "weeks, change after ten"]
    rows = [
        [
            n,
            law,
            f"{f['false_alarms_a_year']:.1%} of {f['years']}",
            f"{f['median_weeks']:.0f}",
            f"{f['median_weeks_after_ten_quiet']:.0f}",
        ]
        for n, laws in found.items()
        for law, f in laws.items()
    ]
    return markdown(header, rows)


def _seconds_table(found: dict[str, Any]) -> str:
    return markdown(
        ["", "figure"], [[name, f"{v:,.2f}" if isinstance(v, float) else str(v)] for name, v in found.items()]
    )


def main() -> None:
    parts = {f.__name__: f for f in (quality, private, effects, coverage, real, trials, drift, speed, scaled)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=parts)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    chosen = parser.parse_args()
    shared = chosen.shared.resolve()
    if not (shared / "bench" / "population").is_dir():
        sys.exit("The reference scripts and data are absent; name their folder with --shared.")
    sys.path.insert(0, str(shared / "bench" / "population"))
    warnings.simplefilter("ignore", UserWarning)
    figures = parts[chosen.part](shared)
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    stored[chosen.part] = figures
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(stored, indent=2) + "\n")
    fill(PAGE, tables(stored))
    print(json.dumps(stored[chosen.part], indent=2))


if __name__ == "__main__":
    main()
