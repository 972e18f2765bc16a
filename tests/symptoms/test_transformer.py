"""The file that forecasts is the network that was raised."""

import numpy as np
import torch

from novamind.cohorts import simulate
from novamind.infrastructure.onnx_file import open_network
from novamind.symptoms.forecaster import network
from novamind.symptoms.forecaster.daily_tokens import tokenise
from novamind.symptoms.forecaster.model import NETWORK_FILE, TRANSFORMER_FILE
from novamind.symptoms.forecaster.preprocessing import Histories
from novamind.symptoms.service import SHIPPED

RAISED = network.load(SHIPPED / NETWORK_FILE)


def channels(days: int) -> np.ndarray:
    cohort = simulate(20, days, seed=31)
    return tokenise(Histories.untreated(cohort.reports, cohort.step, cohort.weekday)).channels


def test_the_shipped_file_answers_as_the_network_does_on_every_day() -> None:
    """The network answers for all days at once; the file reads its last layer for the days that are asked for only."""
    session = open_network(SHIPPED / TRANSFORMER_FILE)
    for days, asked in ((7, [6]), (60, [59, 3, 45, 3]), (96, [0, 40, 95])):
        told = channels(days)
        with torch.no_grad():
            expected = RAISED(torch.from_numpy(told)).numpy()[:, asked]
        said = session.run(None, {"channels": told, "positions": np.array(asked)})[0]
        np.testing.assert_allclose(said, expected, atol=1e-4)


def test_no_day_sees_what_comes_after_it() -> None:
    told = channels(60)
    later = told.copy()
    later[:, 41:] = np.random.default_rng(0).normal(size=later[:, 41:].shape)
    with torch.no_grad():
        before, after = (RAISED.encode(torch.from_numpy(x), torch.tensor([40, 50])).numpy() for x in (told, later))
    np.testing.assert_allclose(after[:, 0], before[:, 0], atol=1e-5)
    assert np.abs(after[:, 1] - before[:, 1]).max() > 0.1
