"""A simulated person's diary, to show what the room does where no record is at hand."""

import numpy as np
import polars as pl

from novamind.cohorts import simulate
from novamind.symptoms.instruments import Instrument


def simulated_diary(instrument: Instrument, seed: int) -> pl.DataFrame:
    """Return 120 days of a simulated person on an instrument's scale, away from its ends."""
    cohort = simulate(40, 120, seed=seed)
    daily = np.isfinite(cohort.reports).mean(1) > 0.6
    recently = np.clip(cohort.severity[:, -28:], 0, 1).mean(1)
    plain = np.abs(recently - 0.45) + np.abs(cohort.spread - 0.14)
    person = int(np.argmin(np.where(daily, plain, np.inf)))
    values = instrument.scale.snap(instrument.scale.from_unit(cohort.severity[person].astype(np.float64)))
    monday = np.datetime64("2025-01-06")
    days = monday + cohort.weekday[person] + np.arange(values.size)
    reported = np.isfinite(cohort.reports[person])
    return pl.DataFrame({"timestamp": days[reported], "value": values[reported]}).with_columns(
        symptom=pl.lit(instrument.name), patient_id=pl.lit(f"simulated-{seed}")
    )
