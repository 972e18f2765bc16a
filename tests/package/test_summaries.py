"""What results show of themselves: a short line, and a table in which outside text cannot act; no name of a person."""

import inspect
import typing
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl
import pytest

from novamind.summary import Summarised, Summary, clipped, counted
from tests.populations import by_hand

ROOMS = ("symptoms", "biometrics", "drugs", "pharmacogenomics", "neurochemistry", "twin", "populations", "records")
SCRIPT = "<script>x"
PERSON = "Ada Lovelace CANARY"
#: What functions return beside results: values of one thing, parts that people work with, and what they configure.
VALUES = {
    "AssumedEffect", "Chemistry", "Claims", "Diplotype", "DoseAdvice", "Exposure", "Fact", "FidelityRecord",
    "ForecastCheck", "GenotypeResults", "GroupEffect", "Interval", "MedicationCourse", "NeurotransmitterEffect",
    "Options", "PhenotypeReading", "Product", "ReceptorProfile", "Risk", "Scale", "Schedule", "Table",
    "TableProfile", "Tally", "TemporalNeurotransmitterMapping", "TemporalSequence", "TreatmentPrediction",
    "TrialPlan", "TwinGenerator",
}  # fmt: skip


@cache
def diary() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    days = pl.datetime_range(datetime(2026, 1, 1), datetime(2026, 2, 19), "1d", eager=True)  # noqa: DTZ001
    return pl.DataFrame({"timestamp": days, "value": rng.integers(2, 9, len(days)).astype(float)}).with_columns(
        patient_id=pl.lit(PERSON), symptom=pl.lit(SCRIPT)
    )


@cache
def forecasts() -> Any:
    from novamind.symptoms import forecast_many

    return forecast_many(diary(), horizon=20, scale=(0, 10))


@cache
def links() -> Any:
    from novamind.biometrics import correlate

    rng = np.random.default_rng(1)
    hours = pl.datetime_range(datetime(2026, 1, 1), datetime(2026, 2, 19), "1h", eager=True)  # noqa: DTZ001
    signals = pl.DataFrame({"timestamp": hours, "value": rng.normal(60, 8, len(hours))})
    found = correlate(signals.with_columns(patient_id=pl.lit(PERSON), signal=pl.lit(SCRIPT)), diary(), 24)
    confirmed = tuple(replace(link, detected=True) for link in found.person().links)
    return replace(found, persons=(replace(found.person(), links=confirmed),))


@cache
def review() -> Any:
    from novamind.pharmacogenomics import genotype, recommend

    return recommend(genotype({"CYP2D6": "*4/*4"}), ("venlafaxine", SCRIPT), ("paroxetine",))


@cache
def person() -> Any:
    from novamind.twin import PatientTwin

    return PatientTwin.from_frames(
        PERSON,
        symptoms=diary(),
        scales={SCRIPT: (0, 10)},
        medications=[SCRIPT],
        genotype={"CYP2D6": "*4/*4"},
        demographics={"name": PERSON},
    )


def insights() -> Any:
    from novamind.twin.domain import Evidence, Options, Priority, Recommendation
    from novamind.twin.results import Insights

    advice = Recommendation(Priority.TODAY, SCRIPT, SCRIPT, (Evidence("record", "", ""),), "low", "")
    return Insights(PERSON, date(2026, 3, 1), Options(), {}, (advice,))


def simulation() -> Any:
    from novamind.neurochemistry import simulate

    return simulate("sertraline", dose_mg=50, weeks=1, ensemble=4)


def regimen() -> Any:
    from novamind.neurochemistry import simulate

    return simulate([("phenelzine", 45, 24, 0, 7), ("sertraline", 50, 24, 10)], weeks=2)


def regimen_what_if() -> Any:
    return person().what_if_regimen([("sertraline", 50)], weeks=1)


def cross_taper() -> Any:
    return import_module("novamind.neurochemistry").cross_taper("escitalopram", "sertraline")


def level_update() -> Any:
    return import_module("novamind.neurochemistry").update([("lithium", 0.9, 20, 12)], [("lithium", 900)])


def sheet() -> Any:
    from novamind.drugs import facts

    lithium = facts("lithium")
    return replace(lithium, drug=replace(lithium.drug, name=SCRIPT))


def issues() -> Any:
    from novamind.records.fhir.outcome import Issue, OperationOutcome

    return OperationOutcome((Issue("warning", "x", SCRIPT, count=3),))


def fhir() -> Any:
    from novamind.records.fhir.reader import FhirImport

    return FhirImport((person().record,), issues(), frozenset({"Patient"}))


def file_import() -> Any:
    from novamind.records import FileImport, LeftOut

    return FileImport(SCRIPT, 5, {PERSON: person().record}, SCRIPT, (SCRIPT,), (LeftOut(SCRIPT, SCRIPT, 2, 1),))


def wearables() -> Any:
    from novamind.records.wearables import SignalCoverage, WearableSummary

    coverage = SignalCoverage(PERSON, SCRIPT, "ms", 3, "2026-01-01", "2026-01-02", 2, 2, 3, 0.1, (PERSON,))
    return WearableSummary(SCRIPT, 5, 3, (coverage,), (), 0, {}, 0.0)


def wearable_record() -> Any:
    from novamind.records.wearables import WearableRecord

    return WearableRecord(pl.DataFrame(), pl.DataFrame(), wearables())


def campaign() -> Any:
    from novamind.populations import InterventionConfig, SimulationEngine

    population = by_hand.population(200)
    result = SimulationEngine(population, accept_assumptions=True).simulate(InterventionConfig("email_campaign"))
    return replace(result, intervention=InterventionConfig(SCRIPT))


def drift() -> Any:
    from novamind.populations.fidelity.fidelity_tracker import DriftReport

    return DriftReport(False, 0.25, 0.05, None, (SCRIPT,))


def design() -> Any:
    from novamind.populations.interventions.experiment_designer import ExperimentDesign, TrialPlan

    return ExperimentDesign(0.1, TrialPlan(), 80, 40, 40, 1.0, 0.9, (4, 4), (SCRIPT,), SCRIPT)


def clusters() -> Any:
    from novamind.populations.interventions.clusters import Clusters

    return Clusters(0.05, 0.01, 0.2, 20, 10.0, 0.3)


#: An example of each result, with a script in every name that comes from outside.
RESULTS: dict[str, Callable[[], Any]] = {
    "Forecast": lambda: forecasts()[0],
    "Forecasts": forecasts,
    "Correlations": links,
    "PersonLinks": lambda: links().person(),
    "LagProfile": lambda: links().profile(SCRIPT, SCRIPT),
    "DrugFacts": sheet,
    "Interactions": lambda: import_module("novamind.drugs").interactions(("fluoxetine", "pimozide", SCRIPT)),
    "Review": review,
    "DrugReview": lambda: review()[SCRIPT],
    "Alternative": lambda: import_module("novamind.pharmacogenomics.review").Alternative(
        replace(review()["venlafaxine"], drug=SCRIPT), review()["venlafaxine"].caution
    ),
    "Simulation": lambda: replace(simulation(), model_version=SCRIPT),
    "Insights": insights,
    "WhatIf": lambda: replace(person().what_if("sertraline", 50, weeks=1, ensemble=2), unknown=(SCRIPT,)),
    "PatientTwin": person,
    "TwinPopulation": lambda: by_hand.population(brand=SCRIPT),
    "DigitalTwin": lambda: replace(by_hand.population().twin(0), features={SCRIPT: SCRIPT}),
    "TwinModelMetrics": lambda: by_hand.metrics(feature_importance={SCRIPT: 0.5}),
    "SimulationResult": campaign,
    "FidelityReport": lambda: by_hand.graded(grade=SCRIPT),
    "DriftReport": drift,
    "ExperimentDesign": design,
    "Clusters": clusters,
    "PatientRecord": lambda: person().record,
    "LongFrame": lambda: person().record.symptoms,
    "FhirImport": fhir,
    "FileImport": file_import,
    "OperationOutcome": issues,
    "Score": lambda: replace(import_module("novamind.records").score("PHQ-9", [1] * 9), flags=(SCRIPT,)),
    "WearableSummary": wearables,
    "RegimenSimulation": regimen,
    "CrossTaper": cross_taper,
    "RegimenWhatIf": regimen_what_if,
    "LevelUpdate": level_update,
    "WearableRecord": wearable_record,
}
#: Whose picture holds no text from outside.
PLAIN = {
    "LagProfile", "WhatIf", "PatientTwin", "PatientRecord", "ExperimentDesign", "Clusters", "RegimenSimulation",
    "CrossTaper", "LevelUpdate", "RegimenWhatIf",
}  # fmt: skip


def returned(room: str) -> Iterator[type]:
    """Classes of this package that the public functions and methods of a room are annotated to return."""
    package = import_module(f"novamind.{room}")
    known = {name: value for other in ROOMS for name, value in vars(import_module(f"novamind.{other}")).items()}
    known |= {"Forecasts": import_module("novamind.symptoms").Forecasts, "alt": import_module("altair")}
    known |= {"Correlations": import_module("novamind.biometrics").Correlations, "altair": import_module("altair")}
    known |= {"JsonValue": object, "IntoDataFrame": object, "Demographics": object}
    for thing in (getattr(package, name) for name in package.__all__):
        methods = vars(thing) if isinstance(thing, type) else ()
        for function in [thing, *(getattr(thing, name) for name in methods if not name.startswith("_"))]:
            if inspect.isfunction(function) or inspect.ismethod(function):
                yield from classes(typing.get_type_hints(function, localns=known).get("return"))


def classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and hint.__module__.startswith("novamind.") and not issubclass(hint, Enum):
        yield hint
    for part in typing.get_args(hint):
        yield from classes(part)


def test_every_result_of_a_public_function_has_an_example_here() -> None:
    found = {one.__name__: one for room in ROOMS for one in returned(room)}
    assert {name for name, one in found.items() if issubclass(one, Summarised)} <= RESULTS.keys()
    assert found.keys() - RESULTS.keys() == VALUES
    assert RESULTS.keys() - found.keys() == {"PatientTwin"}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_shown_in_a_line_and_a_small_table(name: str) -> None:
    result = RESULTS[name]()
    assert type(result).__name__ == name
    line, page = repr(result), result._repr_html_()
    assert line.startswith(f"<{name}: ")
    assert len(line) < 400
    assert "\n" not in line
    assert "array(" not in line
    assert len(page) < 12_000
    assert "<table>" in page
    assert "<script" not in page
    assert ("&lt;script&gt;" in page) is (name not in PLAIN)
    assert PERSON not in line
    assert PERSON not in page
    assert page.count("<tr>") <= 15


def test_a_long_name_is_cut_and_stays_on_its_line() -> None:
    assert clipped("  a\n b\t") == "a b"
    assert clipped("x" * 80) == "x" * 80
    assert clipped("x" * 81) == "x" * 79 + "…"
    assert (counted(1, "twin"), counted(0, "twin"), counted(1200, "twin")) == ("1 twin", "0 twins", "1,200 twins")
    assert (counted(1, "allergy", "allergies"), counted(2, "allergy", "allergies")) == ("1 allergy", "2 allergies")


class Shown(Summarised):
    """As many rows as one asks for."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def _summary(self) -> Summary:
        return Summary("a & b " + "y" * 400, ("n", "<h>"), ((i, None if i else 0.123456) for i in range(self.rows)))


class Untabled(Summarised):
    """A line alone."""

    def _summary(self) -> Summary:
        return Summary("a < b", (), ())


def test_without_columns_there_is_a_line_alone() -> None:
    assert repr(Untabled()) == "<Untabled: a < b>"
    assert Untabled()._repr_html_() == "<p><b>Untabled</b>: a &lt; b</p>"


def test_the_first_rows_are_shown_and_the_rest_is_marked() -> None:
    assert Shown(14)._repr_html_().count("<tr>") == 15
    assert "<p>…</p>" not in Shown(14)._repr_html_()
    assert Shown(15)._repr_html_().count("<tr>") == 15
    assert Shown(15)._repr_html_().endswith("</table><p>…</p>")
    page = Shown(2)._repr_html_()
    assert page.startswith("<p><b>Shown</b>: a &amp; b yyy")
    assert page.endswith(
        "…</p><table><tr><th>n</th><th>&lt;h&gt;</th></tr><tr><td>0</td><td>0.123</td></tr>"
        "<tr><td>1</td><td></td></tr></table>"
    )
    assert repr(Shown(2)) == "<Shown: a & b " + "y" * 293 + "…>"
