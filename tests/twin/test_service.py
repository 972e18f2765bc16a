"""One failing service never takes the others down; what is missing is said with its reason."""

import asyncio
import json
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from novamind.errors import InsufficientDataError, ModelInferenceError, ServiceUnavailableError, ValidationError
from novamind.records import MedicationCourse
from novamind.twin import DigitalTwinIntegrationService, Insights, Options
from novamind.twin.analyses import BIOMETRICS, COURSES, MEDICATIONS, SYMPTOMS, BiometricLinks
from novamind.twin.breaker import CircuitBreaker, State
from novamind.twin.domain import Status
from novamind.twin.execution import Bulkhead, Guard
from tests.twin.people import TODAY, Scripted, diary, fails, record


def guard(limit: float = 5.0, attempts: int = 1, failures: int = 3, rest: float = 60.0) -> Guard:
    return Guard(CircuitBreaker(failures, rest), Bulkhead(), limit, attempts, first_wait=0.001)


def ask(service: DigitalTwinIntegrationService, patient: Any = None, options: Any = None) -> Insights:
    patient = record() if patient is None else patient
    return asyncio.run(service.generate_comprehensive_patient_insights("p", patient, options))


def joined(*analyses: Scripted, **guards: Guard) -> DigitalTwinIntegrationService:
    return DigitalTwinIntegrationService(analyses, {a.name: guard() for a in analyses} | guards, today=lambda: TODAY)


CANARY = "CANARY-4711"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (InsufficientDataError("at least 4 days are needed"), Status.NO_DATA, "at least 4 days"),
        (ModelInferenceError("the model is damaged"), Status.FAILED, "damaged"),
        (ServiceUnavailableError("not answering"), Status.FAILED, "not answering"),
        (KeyError(CANARY), Status.FAILED, "an error inside the service (KeyError)"),
        (MemoryError(CANARY), Status.FAILED, "MemoryError"),
    ],
)
def test_a_failure_stays_with_its_service(error: Exception, status: Status, reason: str) -> None:
    found = ask(joined(Scripted("a", fails(error)), Scripted("b", lambda _: "fine")))
    assert (found.results["a"].status, found.results["b"].value) == (status, "fine")
    assert reason in found.missing["a"]
    assert CANARY not in json.dumps(found.to_dict()), "an accident's message may hold a person's values"
    assert not found.complete


def test_the_time_limit_is_kept_and_the_others_answer() -> None:
    hanging = threading.Event()
    service = joined(Scripted("slow", lambda _: hanging.wait(30)), Scripted("b", lambda _: 1), slow=guard(limit=0.2))
    started = time.monotonic()
    found = ask(service)
    assert time.monotonic() - started < 10, "the limit, not the hanging service, decides"
    hanging.set()
    assert (found.results["slow"].status, found.results["b"].status) == (Status.TIMED_OUT, Status.AVAILABLE)
    assert "0.2 s" in found.missing["slow"]


def test_services_run_side_by_side() -> None:
    together = threading.Barrier(3, timeout=10)  # breaks unless all three are inside at once
    found = ask(joined(*(Scripted(name, lambda _: together.wait() >= 0) for name in "abc")))
    assert found.complete


def test_the_circuit_opens_and_closes_again() -> None:
    broken = True

    def script(_: int) -> str:
        if broken:
            raise ModelInferenceError("damaged")
        return "well"

    analysis = Scripted("a", script)
    breaker = CircuitBreaker(failures=2, rest_seconds=0.05)
    service = joined(analysis, a=Guard(breaker, Bulkhead(), 5, attempts=1))
    for _ in range(2):
        assert ask(service).results["a"].status is Status.FAILED
    breaker.rest_seconds = 60
    assert ask(service).results["a"].status is Status.UNAVAILABLE
    assert analysis.calls == 2, "an open circuit leaves the service alone"
    broken, breaker.rest_seconds = False, 0.0
    assert ask(service).results["a"].value == "well"
    assert breaker.state is State.CLOSED


def test_bad_input_does_not_open_the_circuit() -> None:
    service = joined(Scripted("a", fails(ValidationError("no scale"))), a=guard(failures=1))
    for _ in range(3):
        assert ask(service).results["a"].status is Status.NO_DATA


def test_transient_errors_are_tried_again_lasting_ones_are_not() -> None:
    def recovers(call: int) -> str:
        if call < 3:
            raise ServiceUnavailableError("busy")
        return "well"

    flaky, bad = Scripted("flaky", recovers), Scripted("bad", fails(ValidationError("wrong")))
    found = ask(joined(flaky, bad, flaky=guard(attempts=3), bad=guard(attempts=3)))
    assert (found.results["flaky"].value, flaky.calls, found.results["flaky"].attempts) == ("well", 3, 3)
    assert bad.calls == 1


def test_a_retry_writes_nothing_of_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    ask(joined(Scripted("a", fails(ServiceUnavailableError(CANARY))), a=guard(attempts=2)))
    assert CANARY not in "".join(capsys.readouterr())


def test_only_what_changed_is_computed_again() -> None:
    a = Scripted("a", lambda n: n, inputs=lambda case: (sorted(case.medications),))
    b = Scripted("b", lambda n: n, inputs=lambda case: tuple(sorted(case.genotype)))
    service = joined(a, b)
    ask(service, record(("sertraline",)))
    again = ask(service, record(("sertraline",), {"CYP2D6": "*1/*4"}))
    assert (a.calls, b.calls) == (1, 2)
    assert (again.results["a"].reused, again.results["b"].reused) == (True, False)


def test_another_model_version_never_answers_from_an_old_result() -> None:
    a = Scripted("a", lambda n: n)
    service = joined(a)
    ask(service)
    a.version = "2"
    assert (ask(service).results["a"].value, a.calls) == (2, 2)
    assert ask(service).model_versions == {"a": "2"}


def test_failures_are_not_kept_as_results() -> None:
    a = Scripted("a", lambda n: fails(ModelInferenceError("x"))(n) if n == 1 else n)
    service = joined(a)
    assert [ask(service).results["a"].status for _ in range(2)] == [Status.FAILED, Status.AVAILABLE]


def test_options_leave_services_out() -> None:
    names = (SYMPTOMS, BIOMETRICS, MEDICATIONS, COURSES)
    service = joined(*(Scripted(name, lambda _: []) for name in names))
    none = {
        "include_symptom_forecast": False,
        "include_biometric_correlations": False,
        "include_medication_predictions": False,
    }
    assert {r.status for r in ask(service, options=none).results.values()} == {Status.NOT_ASKED}
    assert ask(service, options=none).complete


@pytest.mark.parametrize("options", [{"forecast_days": 0}, {"forecast_days": 31}, {"forecast_days": True}, {"days": 3}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="option"):
        ask(joined(), options=options)


@pytest.mark.parametrize(
    "data",
    [
        7,
        {"mood": 1},
        {"medications": "sertraline"},
        {"medications": [3]},
        {"genotype": ["*1/*4"]},
        {"conditions": [None]},
        {"symptoms": "diary.csv"},
    ],
)
def test_wrong_patient_data_are_refused(data: Any) -> None:
    with pytest.raises(ValidationError):
        ask(joined(), data)


def test_another_patients_record_is_refused() -> None:
    with pytest.raises(ValidationError, match="another patient"):
        asyncio.run(joined().generate_comprehensive_patient_insights("q", record()))


# -- the real rooms


@pytest.fixture(scope="module")
def whole() -> DigitalTwinIntegrationService:
    return DigitalTwinIntegrationService(today=lambda: TODAY)


def test_the_four_rooms_together(whole: DigitalTwinIntegrationService) -> None:
    patient = record(("escitalopram",), {"CYP2C19": "*2/*2"}, symptoms=diary([8.0, 9, 10, 9, 11, 12] * 10), dose_mg=10)
    found = ask(whole, patient)
    assert [found.results[n].status for n in (SYMPTOMS, MEDICATIONS, COURSES)] == [Status.AVAILABLE] * 3
    assert found.results[BIOMETRICS].status is Status.NO_DATA
    assert set(found.model_versions) == {SYMPTOMS, MEDICATIONS, COURSES}
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["patient_id"] == "p"
    assert all(one.evidence and "Clinical judgement decides" in one.caveat for one in found.recommendations)
    stopped = replace(patient, medications=())
    again = ask(whole, stopped)
    assert again.results[SYMPTOMS].reused
    assert not again.results[MEDICATIONS].reused


def test_a_mapping_does_as_well_as_a_record(whole: DigitalTwinIntegrationService) -> None:
    frame = diary([8.0, 9, 10, 9] * 5).drop("patient_id")
    data = {
        "symptoms": frame,
        "genotype": {"CYP2D6": "*4/*4", "CYP2C9": "nonsense"},
        "medications": ["Paxil", {"medication": "lithium", "dose_mg": 900}, MedicationCourse("codeine", None)],
        "conditions": ["long_qt", "gout"],
    }
    found = ask(whole, data)
    review = found.results[MEDICATIONS].value
    assert set(review.comedications) == {"paroxetine", "lithium", "codeine"}
    assert "codeine" in review
    assert review.conditions == ("long qt",)
    assert any("CYP2C9" in note for note in found.notes)


@pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("novamind.biometrics") is not None, reason="the biometrics room is here"
)
def test_a_room_that_is_not_installed_is_named_and_not_counted_as_a_failure() -> None:
    signals = diary([1.0] * 20).rename({"symptom": "signal"}).with_columns(unit=None)
    patient = record(symptoms=diary([3.0] * 20), signals=signals)
    analysis = BiometricLinks()
    breaker = CircuitBreaker(failures=1)
    service = DigitalTwinIntegrationService([analysis], {BIOMETRICS: Guard(breaker, Bulkhead())}, today=lambda: TODAY)
    for _ in range(2):
        assert "biometric analysis is not available" in ask(service, patient).missing[BIOMETRICS]
    assert breaker.state is State.CLOSED


class Correlations:
    """What the biometrics room promises."""

    def __init__(self) -> None:
        self.asked: Any = None

    async def analyze_correlations(self, patient_data: Any, biometric_data: Any = None) -> Any:
        import polars as pl

        self.asked = (patient_data, biometric_data)
        rows = {
            "signal": ["hrv", "sleep", "steps"],
            "symptom": ["PHQ-9"] * 3,
            "detected": [True, True, False],
            "lag_hours": [24.0, -12.0, 24.0],
            "lag_low": [12.0, -20.0, 0.0],
            "lag_high": [36.0, -4.0, 48.0],
            "sign": [-1, -1, 1],
            "q_value": [0.01, 0.02, 0.9],
            "effect": [-0.4, -0.3, 0.0],
            "effect_low": [-0.6, -0.5, -0.2],
            "effect_high": [-0.2, -0.1, 0.2],
            "explained_by": [None, None, None],
            "n_effective": [40.0, 40.0, 40.0],
        }
        return type("Links", (), {"links": pl.DataFrame(rows)})()


def test_the_biometrics_room_is_asked_as_agreed() -> None:
    room = Correlations()
    signals = diary([1.0] * 60).rename({"symptom": "signal"}).with_columns(unit=None)
    patient = record(symptoms=diary([3.0] * 60), signals=signals)
    service = DigitalTwinIntegrationService([BiometricLinks(room)], today=lambda: TODAY)
    found = ask(service, patient, Options(biometric_lookback_days=20))
    assert room.asked[0]["patient_id"] == "p"
    assert [len(room.asked[0]["symptoms"]), len(room.asked[1])] == [21, 21]
    (watch,) = found.recommendations
    assert watch.text == "Watch hrv: when it rises, PHQ-9 falls some 24 hours later."
    assert json.dumps(found.to_dict(), allow_nan=False)
