"""What the detector sees of a pair: each feature by its name, and whole inputs as they were."""

import numpy as np
import pytest

from novamind.biometrics import lag_scan
from novamind.biometrics.detector import AmortisedDetector
from novamind.biometrics.domain import PairInputs
from novamind.biometrics.engine import PersonProfile
from novamind.biometrics.features import (
    CHANNELS,
    FEATURES,
    REACH,
    _largest_other,
    lag_posterior,
    pair_inputs,
    signed,
    z_values,
)
from novamind.biometrics.lag_scan import Scan
from tests.cohorts.summary import summary
from tests.golden import check_golden


@pytest.fixture(scope="module")
def pairs(analysed: PersonProfile) -> PairInputs:
    return pair_inputs(analysed)


def test_signed_lags_run_from_the_symptom_s_lead_to_the_signal_s() -> None:
    table = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9], [-1, -2, -3]]], dtype=float)
    laid = signed(Scan(table, table), table)
    assert laid.tolist() == [[[0, 0, 1, 2, 3], [0, 0, 4, 5, 6], [0, 0, 7, 8, 9], [-3, -2, -1, 0, 0]]]


def test_the_posterior_of_the_lag_weighs_kernels_and_both_directions() -> None:
    rng = np.random.default_rng(0)
    profile = Scan(10 * rng.standard_normal((2, 4, 3)), rng.uniform(50, 90, (2, 4, 3)))
    weight = np.exp(lag_scan.log_bayes_factor(profile) + lag_scan.log_prior(3, 3))
    forward, backward = weight[:, :3].sum(1), weight[:, 3]
    both = np.column_stack(
        [backward[:, 2], backward[:, 1], backward[:, 0] + forward[:, 0], forward[:, 1], forward[:, 2]]
    )
    assert lag_posterior(profile) == pytest.approx(both / both.sum(1, keepdims=True))


def test_each_feature_is_what_it_is_called(pairs: PairInputs, analysed: PersonProfile) -> None:
    signals = len(analysed.signals)
    evidence = np.stack([s.evidence for s in analysed.symptoms])
    for k, symptom in enumerate(analysed.symptoms):
        posterior = lag_posterior(symptom.marginal)
        lags = np.arange(-36, 37)
        own = symptom.regression.inertia
        own_power = own.variances.sum() + own.noise
        for i in range(signals):
            process = analysed.prepared.processes[i].inertia
            power = process.variances.sum() + process.noise
            mean = posterior[i] @ lags
            expected = {
                "evidence": evidence[k, i],
                "conditional evidence": symptom.conditional_evidence[i],
                "log p-value": np.log(symptom.p_value[i]),
                "largest z": np.abs(z_values(symptom.marginal)[i]).max(),
                "forward share": posterior[i, lags > 0].sum(),
                "spread of the lag": np.log1p(np.sqrt(posterior[i] @ (lags - mean) ** 2)),
                "log reports": np.log(symptom.reports),
                "log days": np.log(32),
                "log information": np.log1p(np.median(symptom.marginal.information[i])),
                "noise of the reports": own.noise / own_power,
                "slow share of the reports": own.variances[1] / own_power,
                "log inertia of the reports": np.log(own.time_constants[0]),
                "noise of the signal": process.noise / power,
                "slow share of the signal": process.variances[1] / power,
                "log inertia of the signal": np.log(process.time_constants[0]),
                "other signals with this symptom": max(-1, *(evidence[k, b] for b in range(signals) if b != i)),
                "this signal with other symptoms": max(evidence[s, i] for s in range(3) if s != k),
                "signals held": len(symptom.selected),
                "illness found": float(analysed.prepared.illness.any()),
                "clock shifts": analysed.prepared.jitter.std(),
                "rank in the person": (evidence > evidence[k, i]).mean(),
            }
            assert list(expected) == list(FEATURES)
            row = pairs.scalars[signals * k + i]
            assert row == pytest.approx(np.array(list(expected.values())), rel=1e-5, abs=1e-6)
            assert (pairs.signal[signals * k + i], pairs.symptom[signals * k + i]) == (
                analysed.signals[i],
                symptom.symptom,
            )


def test_profiles_hold_z_and_bayes_factors_alone_and_beside_others(pairs: PairInputs, analysed: PersonProfile) -> None:
    signals = len(analysed.signals)
    assert pairs.profiles.shape == (3 * signals, CHANNELS, 2 * REACH + 1)
    middle = slice(REACH - 36, REACH + 37)
    outside = np.ones(2 * REACH + 1, bool)
    outside[middle] = False
    assert not pairs.profiles[:, :, outside].any()
    for k, symptom in enumerate(analysed.symptoms):
        here = pairs.profiles[signals * k : signals * (k + 1), :, middle]
        assert here[:, :4] == pytest.approx(signed(symptom.marginal, z_values(symptom.marginal)), rel=1e-5, abs=1e-5)
        for channel, profile in ((4, symptom.marginal), (5, symptom.conditional)):
            factors = lag_scan.log_bayes_factor(profile)
            assert here[:, channel, 37:] == pytest.approx(np.maximum(factors[:, :3, 1:].max(1), 0), rel=1e-5, abs=1e-5)
            assert here[:, channel, :36] == pytest.approx(np.maximum(factors[:, 3, :0:-1], 0), rel=1e-5, abs=1e-5)


def test_inputs_and_odds_are_those_they_were(pairs: PairInputs) -> None:
    profiles = [summary(channel) for channel in pairs.profiles.transpose(1, 0, 2)]
    check_golden(__file__, "inputs", {"profiles": profiles, "scalars": pairs.scalars}, 1e-3, 1e-4)
    odds = AmortisedDetector.load().log_odds(pairs)
    check_golden(__file__, "odds", odds, 1e-3, 1e-3)
    assert pairs.profiles.dtype == pairs.scalars.dtype == np.float32


def test_alone_there_is_no_other_symptom() -> None:
    assert _largest_other(np.array([[3.0, 4.0]]), 0).tolist() == [-1, -1]
    assert _largest_other(np.array([[3.0, 4.0], [-7.0, 9.0], [-8.0, 1.0]]), 0).tolist() == [-7, 9]
    assert REACH == 168
