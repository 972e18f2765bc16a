"""How the shipped detector was made: simulated persons through the engine, fit, calibration, export, manifest.

Early stopping and calibration look at another population than the fit, so that nothing rests on the first being right.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from novamind.biometrics.detector import MANIFEST, NETWORK
from novamind.biometrics.domain import Floats, PairInputs, PersonSeries
from novamind.biometrics.engine import analyse
from novamind.biometrics.features import FEATURES, pair_inputs
from novamind.cohorts.wearables import OTHER_WEARABLES, WearablePatient, WearableSettings, simulate_wearables
from novamind.errors import ServiceUnavailableError
from novamind.infrastructure.manifest import digest

Progress = Callable[[str], None]
_Labelled = tuple[PairInputs, NDArray[np.float32]]
_MONDAY = np.datetime64("2024-01-01T00", "h")


@dataclass(frozen=True)
class Preset:
    """Sizes of a fit.

    Attributes
    ----------
    persons, other
        Persons to learn from, and persons of another population to stop and calibrate on.
    members, epochs
        Networks of the detector, and epochs of each.
    lstm_hidden, lstm_layers
        Sizes of the specification's network.
    """

    persons: int
    other: int
    members: int
    epochs: int
    lstm_hidden: int
    lstm_layers: int


PRESETS = {
    "compact": Preset(1_500, 450, members=5, epochs=12, lstm_hidden=24, lstm_layers=1),
    "full": Preset(20_000, 2_000, members=5, epochs=30, lstm_hidden=256, lstm_layers=3),
    "smoke": Preset(3, 2, members=2, epochs=1, lstm_hidden=4, lstm_layers=1),
}


def series_of(patient: WearablePatient) -> PersonSeries:
    """Return a simulated person as the engine reads one."""
    confounders = {"medication": patient.medication} if patient.medication.any() else {}
    if patient.illness is not None:
        confounders["illness"] = patient.illness
    return PersonSeries(
        signals=patient.signals,
        symptoms=patient.symptoms,
        start=_MONDAY + 24 * patient.weekday,
        hourly=patient.hourly,
        offset=np.zeros(len(patient.signals)),
        report_hours=patient.report_hours,
        reports=patient.reports,
        measured=np.isfinite(patient.hourly),
        confounders=confounders,
    )


def labels(patient: WearablePatient, pairs: PairInputs) -> NDArray[np.float32]:
    """Return each pair's label, ``(pairs,)``: 1 for a direct link, 0 for none, ``NaN`` where others join the two."""
    truth = {(p.signal, p.symptom): p.kind for p in patient.pairs}
    kinds = [truth[int(b), int(s)] for b, s in zip(pairs.signal, pairs.symptom, strict=True)]
    return np.array([{"direct": 1.0, "mediated": np.nan}.get(kind, 0.0) for kind in kinds], np.float32)


def _lesson(settings: WearableSettings, seed: int, index: int) -> _Labelled | None:
    (patient,) = simulate_wearables(1, seed, settings, first=index)
    analysis = analyse(series_of(patient), seed=index)
    if not analysis.symptoms:
        return None
    pairs = pair_inputs(analysis)
    # Half precision halves the memory of a cohort; the network is fed single precision again.
    pairs = replace(pairs, profiles=pairs.profiles.astype(np.float16))
    return pairs, labels(patient, pairs)


def lessons(
    settings: WearableSettings, seed: int, persons: int, workers: int, progress: Progress
) -> Iterator[_Labelled]:
    """Yield simulated persons' pairs and labels from the engine, in order, whatever the number of workers."""
    if workers == 1:
        yield from _counted((_lesson(settings, seed, i) for i in range(persons)), persons, progress)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        answers = pool.map(_lesson, [settings] * persons, [seed] * persons, range(persons), chunksize=8)
        yield from _counted(answers, persons, progress)


def _counted(answers: Iterable[_Labelled | None], persons: int, progress: Progress) -> Iterator[_Labelled]:
    for count, lesson in enumerate(answers, start=1):
        if count % max(persons // 10, 1) == 0:
            progress(f"{count} of {persons} persons analysed")
        if lesson is not None:
            yield lesson


def calibrate(odds: Floats, label: NDArray[np.float32]) -> tuple[Floats, float]:
    """Return weights and intercept that calibrate sums of log odds (Platt 1999, with his correction for few positives).

    Parameters
    ----------
    odds
        ``(pairs, sources)``. Weights are not negative: no source may count against itself.
    """
    labelled = np.isfinite(label)
    x, y = odds[labelled], label[labelled].astype(float)
    positives, negatives = y.sum(), (1 - y).sum()
    target = np.where(y > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(theta: Floats) -> float:
        z = x @ theta[:-1] + theta[-1]
        return float((np.logaddexp(0, z) - target * z).mean())

    sources = x.shape[1]
    start = np.append(np.full(sources, 1 / sources), 0.0)
    theta = minimize(loss, start, method="L-BFGS-B", bounds=[(0, None)] * sources + [(None, None)]).x
    return theta[:-1], float(theta[-1])


def measured(odds: Floats, label: NDArray[np.float32]) -> dict[str, float]:
    """Return AUC, power at 5 % false positives and power at 10 % false discoveries over all pairs."""
    from sklearn.metrics import roc_auc_score

    labelled = np.isfinite(label)
    odds, linked = odds[labelled], label[labelled] > 0
    if not linked.any() or linked.all():
        return {"pairs": len(odds)}
    limit = np.quantile(odds[~linked], 0.95)
    order = np.argsort(-odds)
    false_share = np.cumsum(~linked[order]) / np.arange(1, len(order) + 1)
    last = np.flatnonzero(false_share <= 0.1)
    detected = linked[order][: last[-1] + 1].sum() if len(last) else 0
    return {
        "pairs": len(odds),
        "auc": round(float(roc_auc_score(linked, odds)), 4),
        "power_at_fpr_0.05": round(float((odds[linked] > limit).mean()), 4),
        "power_at_fdr_0.1": round(float(detected / linked.sum()), 4),
    }


def train(preset: Preset, network: str, *, seed: int, out: Path, workers: int, progress: Progress) -> dict[str, Any]:
    """Fit, export and describe one network; return its measured figures.

    Parameters
    ----------
    network
        ``detector``, or ``lstm``, which is fitted and measured but has no place in the package.
    out
        Folder for the files; made where it is not there.

    Returns
    -------
    dict
        Measured figures on the other population.

    Raises
    ------
    ServiceUnavailableError
        If torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ServiceUnavailableError("training needs torch: pip install 'novamind[train]'") from error
    torch.set_num_threads(workers)
    out.mkdir(parents=True, exist_ok=True)
    return (_train_detector if network == "detector" else _train_lstm)(preset, seed, out, workers, progress)


def _train_detector(preset: Preset, seed: int, out: Path, workers: int, progress: Progress) -> dict[str, Any]:
    from novamind.biometrics.network import Committee, Lesson, export, pair_log_odds, train_pairs

    learn = [Lesson(*k) for k in lessons(WearableSettings(), 2 * seed, preset.persons, workers, progress)]
    other = [Lesson(*k) for k in lessons(OTHER_WEARABLES, 2 * seed + 1, preset.other, workers, progress)]
    half = len(other) // 2
    seeds = range(seed, seed + preset.members)
    fitted = Committee([train_pairs(learn, other[:half], preset.epochs, each, progress) for each in seeds])
    evidence = np.concatenate([k.pairs.scalars[:, FEATURES.index("evidence")] for k in other]).astype(float)
    sources = np.column_stack([pair_log_odds(fitted, other), evidence])
    label = np.concatenate([k.label for k in other])
    weights, intercept = calibrate(sources, label)
    export(fitted, out / NETWORK)
    # The half that early stopping did not see.
    last = slice(sum(len(k.label) for k in other[:half]), None)
    figures = {
        "network": measured(sources[last, 0], label[last]),
        "evidence": measured(sources[last, 1], label[last]),
        "both": measured(sources[last] @ weights, label[last]),
    }
    manifest = {
        "name": "biometrics-detector",
        "seed": seed,
        "preset": asdict(preset),
        "data": "simulated cohorts only",
        "features": list(FEATURES),
        "weights": weights.tolist(),
        "intercept": intercept,
        "files": {NETWORK: digest(out / NETWORK)},
        "validation": figures,
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return figures


def _train_lstm(preset: Preset, seed: int, out: Path, workers: int, progress: Progress) -> dict[str, Any]:
    """Fit the specification's network and return its measured figures; ``workers`` is torch's number of threads."""
    import torch

    from novamind.biometrics.network import series_input, train_series

    def read(settings: WearableSettings, of: int, persons: int) -> list[Any]:
        out = []
        for i in range(persons):
            (patient,) = simulate_wearables(1, of, settings, first=i)
            table = np.zeros((len(patient.symptoms), len(patient.signals)), np.float32)
            for pair in patient.pairs:
                table[pair.symptom, pair.signal] = {"direct": 1.0, "mediated": np.nan}.get(pair.kind, 0.0)
            out.append((series_input(series_of(patient)), table))
        return out

    fitted = train_series(
        read(WearableSettings(), 2 * seed, preset.persons), preset.epochs, seed, progress,
        preset.lstm_hidden, preset.lstm_layers,
    )  # fmt: skip
    validation = read(OTHER_WEARABLES, 2 * seed + 1, preset.other)
    with torch.no_grad():
        odds = np.concatenate([fitted(series).ravel().double().numpy() for series, _ in validation])
    figures = {"lstm": measured(odds, np.concatenate([label.ravel() for _, label in validation])), "threads": workers}
    torch.save(fitted.state_dict(), out / "lstm.pt")
    (out / "lstm.json").write_text(
        json.dumps({"seed": seed, "preset": asdict(preset), "validation": figures}, indent=1)
    )
    return figures
