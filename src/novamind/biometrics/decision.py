"""One decision a pair: false discoveries, lag, sign and effect out of profile and odds."""

import numpy as np
from scipy.special import expit, ndtri

from novamind.biometrics import lag_scan
from novamind.biometrics.domain import INTERVAL, Floats
from novamind.biometrics.features import signed
from novamind.biometrics.lag_scan import KERNELS, Scan

_HALF_WIDTH = float(ndtri(0.5 + INTERVAL / 2))


def q_values(log_odds: Floats) -> Floats:
    """Return each pair's q-value, ``(pairs,)``: the mean probability of no link among this pair and all surer ones.

    Bayesian false discovery rate:
    Efron et al. 2001 (J Am Stat Assoc 96:1151), Storey 2003 (Ann Stat 31:2013). Unlike step-up procedures on
    p-values, this keeps its rate over many persons of whom each has few pairs, and needs no independence of pairs.
    """
    order = np.argsort(-log_odds, kind="stable")
    none = expit(-log_odds[order])
    q = np.empty(len(log_odds))
    q[order] = np.cumsum(none) / np.arange(1, len(none) + 1)
    return q


def lag_interval(posterior: Floats) -> tuple[Floats, Floats, Floats]:
    """Return median and ends of the central 90 % of the signed lag, each ``(signals,)``, in hours."""
    longest = posterior.shape[-1] // 2
    below = np.cumsum(posterior, axis=-1)
    levels = (0.5, (1 - INTERVAL) / 2, 1 - (1 - INTERVAL) / 2)
    middle, low, high = ((below < level).sum(-1).clip(0, 2 * longest) - longest for level in levels)
    return middle.astype(float), low.astype(float), high.astype(float)


def effects(profile: Scan) -> tuple[Floats, Floats, Floats, Floats]:
    """Return mean and 90 % interval of the standardised effect, and its information, each ``(signals,)``.

    Averaged over what lag and kernel may be; the interval holds the spread between them too.
    """
    each = lag_scan.log_bayes_factor(profile) + lag_scan.log_prior(len(KERNELS), profile.score.shape[-1])
    weight = np.exp(each - each.max((-2, -1), keepdims=True))
    weight /= weight.sum((-2, -1), keepdims=True)
    prior = 1 / max(lag_scan.EFFECTS) ** 2
    mean = profile.score / (profile.information + prior)
    variance = 1 / (profile.information + prior)
    # Which way an effect goes is decided by the heavier side, so that unsure lags do not cancel each other.
    average = (weight * mean).sum((-2, -1))
    spread = np.sqrt((weight * (variance + mean**2)).sum((-2, -1)) - average**2)
    information = (weight * profile.information).sum((-2, -1))
    return average, average - _HALF_WIDTH * spread, average + _HALF_WIDTH * spread, information


def strongest(profile: Scan) -> Floats:
    """Return the kernels' z-value furthest from 0 at each signed lag, ``(signals, 2 * lags - 1)``."""
    z = signed(profile, profile.z)
    return np.asarray(np.take_along_axis(z, np.abs(z).argmax(-2, keepdims=True), axis=-2)[..., 0, :])
