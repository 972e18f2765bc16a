"""Worlds without a link: p-values are those of chance, whatever the two sides share.

The full size (2,000 pairs a world) is in benchmarks/lag.py.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from novamind.biometrics.engine import analyse

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from lag_worlds import WORLDS, world


@pytest.mark.parametrize("name", WORLDS)
def test_false_alarms_at_the_stated_rate(name: str) -> None:
    p = np.concatenate(
        [s.p_value for i in range(12) for s in analyse(world(name, i, days=60), max_lag=72, draws=60).symptoms]
    )
    alarms = int((p < 0.05).sum())
    # Pairs of one person are not independent: an effective third of them is allowed for.
    assert alarms <= 3 * binom.ppf(0.995, len(p) // 3, 0.05), f"{alarms} of {len(p)}"
