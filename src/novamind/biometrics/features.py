"""What the amortised detector sees of a person: the engine's profiles of every pair, and what stands around them."""

import numpy as np

from novamind.biometrics import lag_scan
from novamind.biometrics.domain import Floats, PairInputs
from novamind.biometrics.engine import PersonProfile, SymptomProfile
from novamind.biometrics.lag_scan import Scan
from novamind.biometrics.rhythm import KERNELS

#: Longest lag of the profiles in hours; records scanned less far are filled with zeros.
REACH = 168
CHANNELS = len(KERNELS) + 3
FEATURES = (
    "evidence",
    "conditional evidence",
    "log p-value",
    "largest z",
    "forward share",
    "spread of the lag",
    "log reports",
    "log days",
    "log information",
    "noise of the reports",
    "slow share of the reports",
    "log inertia of the reports",
    "noise of the signal",
    "slow share of the signal",
    "log inertia of the signal",
    "other signals with this symptom",
    "this signal with other symptoms",
    "signals held",
    "illness found",
    "clock shifts",
    "rank in the person",
)


def z_values(profile: Scan) -> Floats:
    """Return the score in standard errors; 0 where there is no information."""
    informative = profile.information > lag_scan.MIN_INFORMATION
    return np.where(informative, profile.score / np.sqrt(np.where(informative, profile.information, 1.0)), 0.0)


def signed(profile: Scan, quantity: Floats) -> Floats:
    """Return one row a kernel over signed lags, ``(..., kernels + 1, 2 * lags - 1)``, of a quantity by kernel and lag.

    The backward kernel fills the negative lags, the forward kernels the others.
    """
    lags = profile.score.shape[-1]
    out = np.zeros((*quantity.shape[:-1], 2 * lags - 1))
    out[..., :-1, lags - 1 :] = quantity[..., :-1, :]
    out[..., -1, :lags] = quantity[..., -1, ::-1]
    return out


def lag_posterior(profile: Scan) -> Floats:
    """Return the posterior of the signed lag if there is a link, ``(signals, 2 * lags - 1)``."""
    lags = profile.score.shape[-1]
    each = lag_scan.log_bayes_factor(profile) + lag_scan.log_prior(len(KERNELS), lags)
    weight = signed(profile, np.exp(each - each.max((-2, -1), keepdims=True))).sum(-2)
    return np.asarray(weight / weight.sum(-1, keepdims=True))


def pair_inputs(analysis: PersonProfile) -> PairInputs:
    """Return the engine's answer as the detector reads it."""
    signals = len(analysis.signals)
    profiles = [_profile(symptom) for symptom in analysis.symptoms]
    scalars = [_scalars(analysis, symptom) for symptom in analysis.symptoms]
    evidence = np.stack([symptom.evidence for symptom in analysis.symptoms])
    for k, table in enumerate(scalars):
        table[:, FEATURES.index("this signal with other symptoms")] = _largest_other(evidence, k)
        table[:, FEATURES.index("rank in the person")] = (evidence[k][:, None] < evidence.ravel()).sum(
            1
        ) / evidence.size
    return PairInputs(
        profiles=np.concatenate(profiles).astype(np.float32),
        scalars=np.concatenate(scalars).astype(np.float32),
        signal=np.tile(analysis.signals, len(analysis.symptoms)),
        symptom=np.repeat([s.symptom for s in analysis.symptoms], signals),
    )


def _largest_other(evidence: Floats, k: int) -> Floats:
    others = np.delete(evidence, k, axis=0)
    return np.asarray(others.max(0)) if len(others) else np.full(evidence.shape[1], -1.0)


def _profile(symptom: SymptomProfile) -> Floats:
    z = signed(symptom.marginal, z_values(symptom.marginal))
    alone, beside_others = (
        signed(profile, lag_scan.log_bayes_factor(profile)).max(-2, keepdims=True)
        for profile in (symptom.marginal, symptom.conditional)
    )
    stacked = np.concatenate([z, alone, beside_others], axis=1)
    missing = REACH + 1 - symptom.marginal.score.shape[-1]
    return np.pad(stacked, ((0, 0), (0, 0), (missing, missing)))


def _scalars(analysis: PersonProfile, symptom: SymptomProfile) -> Floats:
    posterior, z = lag_posterior(symptom.marginal), z_values(symptom.marginal)
    lags = symptom.marginal.score.shape[-1]
    centre = np.arange(-lags + 1, lags)
    mean = posterior @ centre
    spread = np.sqrt(np.maximum(posterior @ centre**2 - mean**2, 0))
    own = symptom.regression.inertia
    total = own.variances.sum() + own.noise
    others = np.array([np.delete(symptom.evidence, b).max(initial=-1.0) for b in range(len(analysis.signals))])
    rows = np.empty((len(analysis.signals), len(FEATURES)))
    for i, process in enumerate(analysis.prepared.processes):
        inertia = process.inertia
        power = inertia.variances.sum() + inertia.noise
        rows[i] = (
            symptom.evidence[i],
            symptom.conditional_evidence[i],
            np.log(symptom.p_value[i]),
            np.abs(z[i]).max(),
            posterior[i, lags:].sum(),
            np.log1p(spread[i]),
            np.log(symptom.reports),
            np.log(len(analysis.person.hourly) / 24),
            np.log1p(np.median(symptom.marginal.information[i])),
            own.noise / total,
            own.variances[1] / total,
            np.log(own.time_constants[0]),
            inertia.noise / power,
            inertia.variances[1] / power,
            np.log(inertia.time_constants[0]),
            others[i],
            0.0,
            len(symptom.selected),
            float(analysis.prepared.illness.any()),
            analysis.prepared.jitter.std(),
            0.0,
        )
    return rows
