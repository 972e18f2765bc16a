"""Simulated patients with known truth: they train and test the patient services."""

from novamind.cohorts.trajectories import (
    OTHER_POPULATION,
    PLAIN_AUTOREGRESSION,
    CohortSettings,
    Trajectories,
    simulate,
)

__all__ = ["OTHER_POPULATION", "PLAIN_AUTOREGRESSION", "CohortSettings", "Trajectories", "simulate"]
