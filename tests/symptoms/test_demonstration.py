"""The demonstration shows the same simulated person for the same seed, on the instrument's own steps."""

import numpy as np
import polars as pl
import pytest

from novamind.symptoms.instruments import find
from novamind.symptoms.presentation.demonstration import simulated_diary
from tests.golden import check_golden


@pytest.mark.parametrize("name", ["PHQ-9", "WHO-5"])
@pytest.mark.parametrize("seed", [7, 8])
def test_demonstrations_are_what_they_were(name: str, seed: int) -> None:
    diary = simulated_diary(find(name), seed)
    assert diary.columns == ["timestamp", "value", "symptom", "patient_id"]
    assert set(diary["patient_id"]) == {f"simulated-{seed}"}
    assert set(diary["symptom"]) == {name}
    answer = diary.select(pl.col("timestamp").cast(pl.Date).cast(pl.String), "value")[::4].to_dict(as_series=False)
    check_golden(__file__, f"demonstration_{name}_{seed}", answer)


def test_the_weekdays_of_the_person_are_kept() -> None:
    """120 days, the first of them in the week from Monday 6 January 2025 on, more than six in ten reported."""
    for seed in range(4):
        days = simulated_diary(find("PHQ-9"), seed)["timestamp"].to_numpy().astype("datetime64[D]")
        assert np.datetime64("2025-01-06") <= days[0]
        assert days[-1] < np.datetime64("2025-01-13") + 120
        assert len(days) > 0.6 * 120 - 1
