"""A simulated person with everything a record can hold: for demonstrations and tests, never for conclusions."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from novamind.records import Condition, MedicationCourse, PatientRecord, signal_frame, symptom_frame
from novamind.symptoms.instruments import find
from novamind.symptoms.presentation.demonstration import simulated_diary

_DIPLOTYPES = {"CYP2D6": ("*1/*1", "*1/*4", "*4/*4", "*1/*41"), "CYP2C19": ("*1/*1", "*1/*2", "*1/*17", "*2/*2")}
_MEDICATIONS = (("sertraline", 100.0), ("escitalopram", 10.0), ("venlafaxine", 150.0), ("paroxetine", 20.0))


def simulated_record(seed: int) -> PatientRecord:
    """Return a PHQ-9 diary of the cohort simulator, signals that follow it, and a genotype and a medication by lot.

    Sleep falls a day after severity rises and heart-rate variability falls a day before, each with noise; both are
    in the record so that an analysis has something true to find.
    """
    diary = simulated_diary(find("PHQ-9"), seed)
    patient = str(diary["patient_id"][0])
    symptoms = symptom_frame(diary)
    rng = np.random.default_rng(seed)
    days = np.arange(
        symptoms.timestamps[0].astype("datetime64[D]"), symptoms.timestamps[-1].astype("datetime64[D]") + 1
    )
    severity = np.interp(days.astype(float), symptoms.timestamps.astype("datetime64[D]").astype(float), symptoms.values)
    noise = rng.standard_normal((2, len(days)))
    sleep = 7.2 - 0.06 * np.roll(severity, 1) + 0.5 * noise[0]
    variability = np.exp(3.8 - 0.025 * np.roll(severity, -1) + 0.12 * noise[1])
    inner = slice(1, -1)  # the ends have no neighbour to follow
    signals = pl.DataFrame(
        {
            "timestamp": np.concatenate([days[inner], days[inner]]),
            "value": np.round(np.concatenate([sleep[inner], variability[inner]]), 2),
            "signal": ["sleep_duration"] * len(days[inner]) + ["hrv_sdnn"] * len(days[inner]),
            "unit": ["h"] * len(days[inner]) + ["ms"] * len(days[inner]),
            "patient_id": [patient] * 2 * len(days[inner]),
        }
    )
    name, dose = _MEDICATIONS[rng.integers(len(_MEDICATIONS))]
    start: date = days[0].item() + timedelta(days=int(rng.integers(1, 30)))
    return PatientRecord(
        patient,
        demographics={"birth_year": int(rng.integers(1955, 2004))},
        symptoms=symptoms,
        signals=signal_frame(signals),
        medications=(MedicationCourse(name, start, dose_mg=dose),),
        genotype={gene: str(rng.choice(options)) for gene, options in _DIPLOTYPES.items()},
        conditions=(Condition("Depression", word="depression"),),
    )
