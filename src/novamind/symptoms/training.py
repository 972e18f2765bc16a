"""How the shipped weights were made, and how users fit their own: one seeded command.

``novamind train symptoms`` trains the transformer on a stream of simulated persons, none seen twice, tunes and fits
the boosted trees on a cohort, and fits the experts. Three further cohorts of *another* population
(:data:`novamind.cohorts.OTHER_POPULATION`) then fit the stack's weights, calibrate and measure the errors, so that
nothing is judged by what it was made from. With ``--data`` the user's own series join: their earlier part trains the
trees, their later part weighs, calibrates and measures.
"""

import subprocess
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novamind.cohorts import OTHER_POPULATION, CohortSettings, simulate
from novamind.errors import InsufficientDataError, ServiceUnavailableError, ValidationError
from novamind.records.tables.frames import LongFrame
from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster import conformal
from novamind.symptoms.forecaster.boosting import KNOTS, BoostedQuantiles, fit_booster
from novamind.symptoms.forecaster.conformal import Calibration
from novamind.symptoms.forecaster.ensemble import Stack, combine, crps, fit_weights, share_evenly
from novamind.symptoms.forecaster.experts import EXPERTS, GROUPS, fit_expert
from novamind.symptoms.forecaster.features import summarise
from novamind.symptoms.forecaster.model import NETWORK_FILE, TRANSFORMER_FILE, Prediction, SymptomModel
from novamind.symptoms.forecaster.origins import Origins
from novamind.symptoms.forecaster.ports import Forecaster
from novamind.symptoms.forecaster.preprocessing import Array, Diary, Histories, days_since_treatment, windows
from novamind.symptoms.forecaster.transformer import TransformerQuantiles
from novamind.symptoms.interpolation import on_steps
from novamind.symptoms.service import SHIPPED, Scales, prepare, scales_of, weekday_of

MAX_HORIZON = 30
#: Days of history at the origins that a simulated cohort is cut at: short records are the normal case.
_ORIGINS = (14, 17, 21, 28, 36, 50, 75, 120, 200)
_MIN_REPORTS = 4
#: The network's schooling on the user's own diaries: persons shown, half of them simulated, and the learning rate.
_SCHOOLING, _SCHOOLING_RATE = 60_000, 5e-4
_MIN_WINDOWS = 200  # of the user's own series, in each part

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Preset:
    """How much work a training run does.

    Attributes
    ----------
    persons
        Simulated persons that train the trees; a third as many validate, calibrate and measure each.
    rounds, trials
        Boosting rounds, and Optuna trials; without trials :data:`PARAMETERS` are used.
    width, layers, heads, feed_forward, dropout
        Sizes of the transformer.
    trajectories
        Simulated persons that train the transformer.
    """

    persons: int
    rounds: int
    trials: int
    width: int
    layers: int
    heads: int
    feed_forward: int
    dropout: float
    trajectories: int


PRESETS = {
    "compact": Preset(45_000, 100, 8, width=64, layers=3, heads=4, feed_forward=192, dropout=0.0, trajectories=500_000),
    # For a GPU. An encoder and a decoder of 6 layers each become 12 causal ones: every day is an origin of its own.
    "full": Preset(
        300_000, 300, 30, width=512, layers=12, heads=8, feed_forward=2048, dropout=0.1, trajectories=20_000_000
    ),
    "smoke": Preset(3_000, 15, 1, width=16, layers=1, heads=2, feed_forward=32, dropout=0.0, trajectories=4_096),
}

#: Where every search begins, and what is used without one.
PARAMETERS: dict[str, float | int] = {
    "eta": 0.1,
    "max_depth": 5,
    "min_child_weight": 200,
    "subsample": 0.7,
    "colsample_bytree": 0.6,
    "reg_lambda": 5.0,
}


@dataclass(frozen=True)
class Windows:
    """Histories and what came after.

    Attributes
    ----------
    future
        ``(windows, 30)`` with ``NaN`` where nothing was reported.
    series
        ``(windows,)``: which record each is cut from. Windows of one record are not independent.
    own
        ``(windows,)``: whether it is one of the user's own, not a simulated one.
    """

    histories: Histories
    future: Array
    series: NDArray[np.int64]
    own: NDArray[np.bool_]

    def rows(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> "Windows":
        """Return a subset."""
        return Windows(self.histories.rows(index), self.future[index], self.series[index], self.own[index])


def diaries(frame: LongFrame, scale: Scales, *, undated: Collection[str] = ()) -> list[Diary]:
    """Return the series of a long frame that are long enough to learn from.

    Parameters
    ----------
    scale
        As in ``forecast_many``.
    undated
        Symptoms whose timestamps only count days, so that their weekdays mean nothing.

    Raises
    ------
    ValidationError
        If a name in ``undated`` is that of no symptom in the frame.
    """
    unknown = set(undated) - {key.name for key in frame.series}
    if unknown:
        raise ValidationError(f"the diaries hold no symptom {', '.join(sorted(unknown))}: check --undated")
    series, _ = prepare(frame, scales_of(frame, scale, None, "high"))
    return [
        Diary(
            s.scale.to_unit(s.values).astype(np.float32),
            s.scale.unit_step,
            -1 if s.key.name in undated else int(weekday_of(s.days[0])),
        )
        for s in series
    ]


def simulated_windows(persons: int, seed: int, settings: CohortSettings | None = None, days: int = 230) -> Windows:
    """Cut a simulated cohort at origins of every age, each person at one of them."""
    cohort = simulate(persons, days, seed=seed, settings=settings)
    rng = np.random.default_rng([seed, 1])
    origin = rng.choice(_ORIGINS, persons)
    parts = []
    for day in _ORIGINS:
        rows = np.flatnonzero(origin == day)
        histories, future = windows(cohort.reports[rows], cohort.weekday[rows], cohort.step[rows], day, MAX_HORIZON)
        treated = days_since_treatment(cohort.treatment_day[rows], day, rng)
        parts.append(Windows(replace(histories, treated=treated), future, rows, np.zeros(len(rows), bool)))
    joined = _usable(_join(parts))
    # Some data sets carry day counts instead of dates.
    undated = rng.random(len(joined.histories)) < 0.15
    weekday = np.where(undated, -1, joined.histories.weekday)
    return replace(joined, histories=replace(joined.histories, weekday=weekday))


def own_windows(diaries: Sequence[Diary], seed: int, per_series: int = 30) -> tuple[Windows, Windows]:
    """Return windows of the user's own series, split by time: the origins of the earlier and of the later part.

    The outcomes of the earlier part end before the first origin of the later part begins.
    """
    rng = np.random.default_rng([seed, 2])
    early: list[Windows] = []
    late: list[Windows] = []
    for number, diary in enumerate(diaries):
        length = len(diary.values)
        cut = _cut(diary)
        for part, first, last, end in ((early, 10, cut - 1, cut), (late, cut, length - 1, length)):
            days = np.arange(first, last)
            for day in np.sort(rng.permutation(days)[:per_series]):
                histories, future = windows(
                    diary.values[None, :end], np.array([diary.weekday]), np.array([diary.step], np.float32),
                    int(day), MAX_HORIZON,
                )  # fmt: skip
                if diary.weekday < 0:
                    histories = replace(histories, weekday=np.array([-1]))
                part.append(Windows(histories, future, np.array([number]), np.array([True])))
    before, after = (_usable(_join(part)) if part else None for part in (early, late))
    if before is None or after is None or min(len(before.histories), len(after.histories)) < _MIN_WINDOWS:
        raise InsufficientDataError(
            "too few windows to fit on: at least about 20 series of 40 days are needed; with fewer, use the shipped "
            "model, which needs no fitting"
        )
    return before, after


def train(
    preset: Preset,
    *,
    seed: int,
    out: Path,
    name: str = "symptoms-compact",
    diaries: Sequence[Diary] = (),
    progress: Progress = lambda _: None,
) -> SymptomModel:
    """Fit everything and write it to ``out``; the same seed and data give the same model.

    Parameters
    ----------
    diaries
        The user's own series, if any.
    progress
        Called with a line of text before each stage.
    """
    progress("simulating cohorts")
    fit = simulated_windows(preset.persons, seed)
    later = preset.persons // 3
    weigh, calibrate, measure = (
        simulated_windows(later, seed + offset, OTHER_POPULATION) for offset in (1001, 1002, 1003)
    )
    if diaries:
        early, late = own_windows(diaries, seed)
        fit = _both(fit, early)
        third = np.random.default_rng([seed, 3]).permutation(len(late.histories)) % 3
        own = [late.rows(third == i) for i in range(3)]
        # Short diaries have no far horizons and no long records: simulated ones stay beside them.
        weigh, calibrate, measure = _both(own[0], weigh), _both(own[1], calibrate), own[2]

    progress("fitting the experts")
    summary = summarise(fit.histories)
    experts = tuple(fit_expert(*expert, summary, fit.future) for expert in EXPERTS)

    progress("preparing the trees' table")
    table = _table(fit, seed)
    parameters = _tuned(table, weigh, preset, seed, progress) if preset.trials else PARAMETERS
    progress("fitting the boosted trees")
    booster = BoostedQuantiles(fit_booster(*table, parameters=parameters, rounds=preset.rounds, seed=seed))

    members: tuple[Forecaster, ...] = (*experts, booster, _transformer(preset, seed, out, _earlier(diaries), progress))
    model = assembled(members, weigh, calibrate, measure, name, progress)
    model.save(
        out,
        {
            "name": name,
            "seed": seed,
            "preset": vars(preset),
            "parameters": parameters,
            "data": "user's own series and simulated cohorts" if diaries else "simulated cohorts only",
            "own_series": len(diaries),
            "git_revision": _revision(),
        },
    )
    # What was written is rounded; hand back the very model that others will load.
    return SymptomModel.load(out)


def assembled(
    members: tuple[Forecaster, ...],
    weigh: Windows,
    calibrate: Windows,
    measure: Windows,
    name: str,
    progress: Progress = lambda _: None,
) -> SymptomModel:
    """Weigh fitted members, calibrate their average, and measure the whole, each on windows of its own."""
    model = SymptomModel(
        members=members,
        stack=Stack(np.full((*GROUPS, len(members)), 1 / len(members), np.float32), 0.0),
        calibration=Calibration.of_own_errors(),
        version=name,
        validation_error={},
        coverage={},
    )
    progress("weighing the members")
    prediction = model.predict(weigh.histories, MAX_HORIZON)
    member_quantiles = _members(model, weigh, MAX_HORIZON)
    weights = share_evenly(fit_weights(member_quantiles, weigh.future, prediction.summary.reports))
    model = replace(model, stack=Stack(weights, _learning_rate(weights, member_quantiles, prediction, weigh)))
    progress("calibrating the intervals")
    prediction = model.predict(calibrate.histories, MAX_HORIZON)
    days = _own_days(prediction, calibrate.future)
    scaled = _scaled(prediction, days)
    model = replace(model, calibration=conformal.fit(scaled, calibrate.future, prediction.summary, days))
    progress("measuring on a cohort that nothing has seen")
    return _measured(model, measure)


def _members(model: SymptomModel, w: Windows, horizon: int) -> Array:
    """Return each member's own quantiles, ``(members, series, horizon, 21)``."""
    return np.stack([quantiles for (quantiles,) in model.member_quantiles(Origins.present(w.histories), [horizon])])


def _transformer(
    preset: Preset, seed: int, out: Path, diaries: Sequence[Diary], progress: Progress
) -> TransformerQuantiles:
    """Train the network, or go on where an interrupted run stopped, and write it as ONNX.

    With diaries the training starts from the shipped network where that has the preset's size.
    """
    try:
        from novamind.symptoms.forecaster import network
    except ImportError as error:
        raise ServiceUnavailableError("training needs PyTorch: pip install 'novamind[train]'") from error
    size = network.Architecture(preset.width, preset.layers, preset.heads, preset.feed_forward, preset.dropout)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "transformer.checkpoint"
    trained = network.load(SHIPPED / NETWORK_FILE) if diaries else None
    if trained is None or trained.size != size:
        schedule = network.Schedule(preset.trajectories)
        trained = network.train_network(size, schedule, seed=seed, checkpoint=checkpoint, progress=progress)
    if diaries:
        checkpoint.unlink(missing_ok=True)
        schedule = network.Schedule(min(preset.trajectories, _SCHOOLING), rate=_SCHOOLING_RATE, validate_every=6_000)
        trained = network.train_network(
            size, schedule, seed=seed, checkpoint=checkpoint, begin=trained, diaries=diaries, progress=progress
        )
    network.export(trained, out / TRANSFORMER_FILE)
    network.save(trained, out / NETWORK_FILE)
    checkpoint.unlink(missing_ok=True)
    return TransformerQuantiles.load(out / TRANSFORMER_FILE)


def _earlier(diaries: Sequence[Diary]) -> list[Diary]:
    """Return the part of each diary before everything that weighs, calibrates and measures."""
    return [replace(diary, values=diary.values[: _cut(diary)]) for diary in diaries]


def _cut(diary: Diary) -> int:
    return max(10, int(len(diary.values) * 0.7))


def _join(parts: Sequence[Windows]) -> Windows:
    """Return windows of the same records as one; the numbers of the series stay."""
    return Windows(
        Histories.join([p.histories for p in parts]),
        np.concatenate([p.future for p in parts]),
        np.concatenate([p.series for p in parts]),
        np.concatenate([p.own for p in parts]),
    )


def _both(first: Windows, second: Windows) -> Windows:
    """Return windows of different records as one; the second are numbered after the first."""
    return _join([first, replace(second, series=second.series + first.series.max() + 1)])


def _usable(w: Windows) -> Windows:
    seen = np.isfinite(w.histories.values)
    return w.rows((seen.sum(1) >= _MIN_REPORTS) & np.isfinite(w.future).any(1))


def _table(w: Windows, seed: int, days_each: int = 3) -> tuple[Array, Array, Array]:
    """Return rows for the trees: each window at some horizons.

    The user's own windows weigh no more than simulated ones: they are of few persons, whom the trees would learn by
    heart.
    """
    rng = np.random.default_rng([seed, 4])
    summary = summarise(w.histories)
    rows = np.repeat(np.arange(len(w.histories)), days_each)
    horizon = rng.choice(KNOTS, len(rows))
    outcome = w.future[rows, horizon - 1]
    reported = np.isfinite(outcome)
    rows, horizon, outcome = rows[reported], horizon[reported], outcome[reported]
    features = np.empty((len(rows), summary.table.shape[1] + 3), np.float32)
    for day in KNOTS:
        at = horizon == day
        features[at] = summary.per_day(np.array([day]))[rows[at], 0]
    spread = summary.spread[rows]
    return features, (outcome - summary.level[rows]) / spread, spread / spread.mean()


def _tuned(
    table: tuple[Array, Array, Array], validation: Windows, preset: Preset, seed: int, progress: Progress
) -> dict[str, float | int]:
    """Return the trees' parameters with the least CRPS on another population (tree-structured Parzen estimator)."""
    try:
        import optuna
    except ImportError as error:
        raise ServiceUnavailableError("tuning needs Optuna: pip install 'novamind[train]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    subset = np.random.default_rng([seed, 5]).permutation(len(table[0]))[: len(table[0]) // 4]
    small: tuple[Array, Array, Array] = (table[0][subset], table[1][subset], table[2][subset])
    origins = Origins.present(validation.histories)
    future = validation.future[:, KNOTS - 1]

    def loss(trial: Any) -> float:
        parameters: dict[str, float | int] = {
            "eta": trial.suggest_float("eta", 0.05, 0.2, log=True),
            "max_depth": trial.suggest_int("max_depth", 3, 7),
            "min_child_weight": trial.suggest_float("min_child_weight", 20, 1000, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 0.5, 50, log=True),
        }
        progress(f"tuning the trees, trial {trial.number + 1} of {preset.trials}")
        member = BoostedQuantiles(fit_booster(*small, parameters=parameters, rounds=preset.rounds // 2, seed=seed))
        (quantiles,) = member.quantiles(origins, [MAX_HORIZON])
        return float(np.nanmean(crps(quantiles[:, KNOTS - 1], future)))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(PARAMETERS)
    study.optimize(loss, n_trials=preset.trials)
    best: dict[str, float | int] = study.best_params
    return best


def _learning_rate(weights: Array, members: Array, prediction: Prediction, outcomes: Windows) -> float:
    """Return the rate at which a person's own record moves the weights.

    The fastest rate whose loss is within one standard error of the least (Breiman et al. 1984, Classification and
    Regression Trees, 3.4.3): real persons differ more from each other than simulated ones. For the same reason the
    user's own windows alone decide where there are any.
    """
    summary, backtest = prediction.summary, prediction.backtest
    relative = backtest.loss / summary.spread[:, None]
    judges = outcomes.own | ~outcomes.own.any()
    quantiles, future, series = members[:, judges], outcomes.future[judges], outcomes.series[judges]
    record = summary.reports[judges], MAX_HORIZON, relative[judges], backtest.days[judges]

    def loss(rate: float) -> Array:
        own = Stack(weights, rate).member_weights(*record)
        return np.asarray(np.nanmean(crps(combine(quantiles, own), future), axis=1))

    rates = (0.0, 0.1, 0.3, 1.0, 2.0, 4.0)
    losses = [loss(rate) for rate in rates]
    least = min(losses, key=np.mean)

    def within(more: Array) -> bool:
        of_series = np.bincount(series, more - more.mean())
        return bool(more.mean() <= np.sqrt(np.sum(of_series**2)) / len(more))

    return max(rate for rate, each in zip(rates, losses, strict=True) if within(each - least))


def _scaled(prediction: Prediction, days: float) -> Array:
    """Return the uncalibrated quantiles, their width scaled by each person's own errors."""
    backtest = prediction.backtest
    own = Calibration.of_own_errors(days)
    return own.apply(prediction.quantiles, prediction.summary, backtest.ratio, backtest.days)


def _own_days(prediction: Prediction, future: Array) -> float:
    """Return the number of own days that weigh as much as the cohort, by the least loss."""
    return min((50.0, 100.0, 200.0, 400.0), key=lambda days: float(np.nanmean(crps(_scaled(prediction, days), future))))


def _measured(model: SymptomModel, w: Windows) -> SymptomModel:
    """Return the model with its errors and its coverage on ``w``, days 1 to 14."""
    horizon = 14
    prediction = model.predict(w.histories, horizon)
    outcome = w.future[:, :horizon]
    step = w.histories.step[:, None, None]
    snapped = on_steps(prediction.quantiles, step)
    answers = [*(on_steps(q, step) for q in _members(model, w, horizon)), snapped]
    names = [*(m.name for m in model.members), "ensemble"]
    error = {n: round(100 * float(np.nanmean(crps(q, outcome))), 3) for n, q in zip(names, answers, strict=True)}
    reported = np.isfinite(outcome)
    coverage = {}
    for level in (0.5, 0.8, 0.95):
        low, high = (int(np.argmin(np.abs(LEVELS - q))) for q in ((1 - level) / 2, (1 + level) / 2))
        inside = (outcome >= snapped[..., low] - 1e-6) & (outcome <= snapped[..., high] + 1e-6)
        coverage[level] = round(float(inside[reported].mean()), 3)
    return replace(model, validation_error=error, coverage=coverage)


def _revision() -> str:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - wherever git is
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parent,
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
