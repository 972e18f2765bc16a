"""One failing service never takes the others down; what is missing is said with its reason."""

import asyncio
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

import novamind as nm
from novamind.errors import InsufficientDataError, ModelInferenceError, ServiceUnavailableError, ValidationError
from novamind.records import MedicationCourse, PatientRecord, symptom_frame
from novamind.twin import DigitalTwinIntegrationService, Insights, Options
from novamind.twin import service as service_module
from novamind.twin.analyses import BIOMETRICS, COURSES, MEDICATIONS, SYMPTOMS, BiometricLinks, MedicationReviews
from novamind.twin.breaker import CircuitBreaker, State
from novamind.twin.case import Case
from novamind.twin.domain import Priority, Recommendation, Status
from novamind.twin.execution import Bulkhead, Guard
from novamind.twin.service import MemoryStore
from novamind.twin.tracking import Snapshot, forecast_made
from tests.biometrics.conftest import frames, person
from tests.patience import patient
from tests.twin.people import TODAY, Scripted, case, diary, fails, forecast, record


def guard(limit: float = patient(5), attempts: int = 1, failures: int = 3, rest: float = 60.0) -> Guard:
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
    service = joined(
        Scripted("slow", lambda _: hanging.wait(patient(30))), Scripted("b", lambda _: 1), slow=guard(limit=0.2)
    )
    started = time.monotonic()
    found = ask(service)
    assert time.monotonic() - started < patient(10), "the limit, not the hanging service, decides"
    hanging.set()
    assert (found.results["slow"].status, found.results["b"].status) == (Status.TIMED_OUT, Status.AVAILABLE)
    assert "0.2 s" in found.missing["slow"]


def test_services_run_side_by_side() -> None:
    together = threading.Barrier(3, timeout=patient(10))  # breaks unless all three are inside at once
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
    service = joined(analysis, a=Guard(breaker, Bulkhead(), patient(5), attempts=1))
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


# -- one service at a time, for one case


class Noted(Scripted):
    """An analysis that keeps with what it was asked."""

    def __init__(self, name: str, script: Any = lambda _: "found") -> None:
        super().__init__(name, script)
        self.asked: list[tuple[Case, Options]] = []

    async def run(self, *asked: Any) -> Any:
        self.asked.append(asked)
        return await super().run(*asked)


USE_CASES = {
    SYMPTOMS: lambda service, known: service.forecast(known, 9),
    BIOMETRICS: lambda service, known: service.correlate(known, 60),
    MEDICATIONS: lambda service, known: service.advice(known),
    COURSES: lambda service, known: service.simulate(known),
}


@pytest.mark.parametrize("name", USE_CASES)
def test_each_use_case_asks_its_service_alone_with_its_options(name: str) -> None:
    every = {one: Noted(one) for one in USE_CASES}
    known = case(symptoms=diary([9.0] * 5))
    assert asyncio.run(USE_CASES[name](joined(*every.values()), known)) == "found"
    ((asked_case, options),) = every[name].asked
    assert asked_case is known
    assert (options.forecast_days, options.biometric_lookback_days) == {SYMPTOMS: (9, 30), BIOMETRICS: (14, 60)}.get(
        name, (14, 30)
    )
    assert [one for one, noted in every.items() if noted.asked] == [name]


@pytest.mark.parametrize("name", USE_CASES)
@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (InsufficientDataError("at least 4 days are needed"), InsufficientDataError, "at least 4 days are needed"),
        (ModelInferenceError("the model is damaged"), ServiceUnavailableError, "the model is damaged"),
        (KeyError(CANARY), ServiceUnavailableError, r"^an error inside the service \(KeyError\)$"),
    ],
)
def test_how_a_service_ends_is_raised_where_it_is_asked_alone(
    name: str, error: Exception, raised: type[Exception], words: str
) -> None:
    with pytest.raises(raised, match=words):
        asyncio.run(USE_CASES[name](joined(Scripted(name, fails(error))), case()))


def test_a_service_that_hangs_or_rests_or_is_not_there_is_unavailable() -> None:
    hanging = threading.Event()
    slow = joined(Scripted(SYMPTOMS, lambda _: hanging.wait(patient(30))), **{SYMPTOMS: guard(limit=0.2, failures=1)})
    for words in ("no answer within 0.2 s", "left alone for 60 s after repeated failures"):
        with pytest.raises(ServiceUnavailableError, match=words):
            asyncio.run(slow.forecast(case()))
    hanging.set()
    for name, ask_for in USE_CASES.items():
        with pytest.raises(ServiceUnavailableError, match=f"the service '{name}' is not installed"):
            asyncio.run(ask_for(joined(), case()))


def test_a_service_says_which_model_it_answers_from() -> None:
    service = joined(*(Scripted(name, lambda _: 1, version=f"{name}-7") for name in USE_CASES))
    assert [service.model_version(name) for name in USE_CASES] == [f"{name}-7" for name in USE_CASES]
    with pytest.raises(ServiceUnavailableError, match="the service 'symptoms' is not installed"):
        joined().model_version(SYMPTOMS)


def test_a_horizon_and_a_lookback_have_the_limits_of_the_options() -> None:
    service = joined(*(Scripted(name, lambda _: 1) for name in USE_CASES))
    for days in (0, 31, True):
        with pytest.raises(ValidationError, match="option 'forecast_days'"):
            asyncio.run(service.forecast(case(), days))
    for days in (6, 3651):
        with pytest.raises(ValidationError, match="option 'biometric_lookback_days'"):
            asyncio.run(service.correlate(case(), days))


def test_a_use_case_and_the_insights_share_their_results() -> None:
    analysis = Scripted(MEDICATIONS, lambda n: n)
    service = joined(analysis)
    assert asyncio.run(service.advice(case())) == 1
    found = asyncio.run(service.insights(Case(record(), date(2025, 1, 1))))
    assert (found.results[MEDICATIONS].value, found.results[MEDICATIONS].reused, analysis.calls) == (1, True, 1)
    assert found.made_on == date(2025, 1, 1), "the case's day, not the service's"
    assert found.patient_id == "p"


def test_one_drug_is_reviewed_without_the_others_and_simulated_with_its_options() -> None:
    service = joined()
    known = case(medications=("paroxetine",), genotype={"CYP2D6": "*1/*1"}, allergies=("citalopram",))
    review = asyncio.run(service.advice(known, "Lexapro"))
    assert list(review) == ["escitalopram"]
    assert review["escitalopram"].verdict == "avoid"
    course = asyncio.run(service.what_if(known, "sertraline", 50, weeks=1, ensemble=0))
    assert (course.drug, course.dose_mg, course.weeks) == ("sertraline", 50, 1)


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
    assert not again.results[SYMPTOMS].reused, "a forecast knows when treatment began"
    assert not again.results[MEDICATIONS].reused


CALM = [8.0, 9, 10, 9, 11, 12] * 10


def weekly(known: Case, service: DigitalTwinIntegrationService) -> Any:
    (found,) = asyncio.run(service.forecast(known, 7))
    return found


def test_a_treatment_that_has_begun_is_in_the_forecast_and_an_old_or_a_stopped_one_is_not(
    whole: DigitalTwinIntegrationService,
) -> None:
    def taking(**course: Any) -> Any:
        known = record(symptoms=diary(CALM))
        return weekly(Case(replace(known, medications=(MedicationCourse("Zoloft", **course),)), TODAY), whole)

    def ago(days: int) -> date:
        return TODAY - timedelta(days=days)

    plain = weekly(case(symptoms=diary(CALM)), whole)
    assert plain.covariates == {}
    begun = taking(start=ago(10))
    assert list(begun.covariates) == ["treatment_start"]
    assert begun.covariates["treatment_start"] != 0
    assert not np.array_equal(begun.continuous_quantiles, plain.continuous_quantiles)
    assert list(taking(start=ago(363)).covariates) == ["treatment_start"]
    for nothing in (
        taking(start=ago(364)),
        taking(start=ago(5 * 365)),
        taking(start=ago(20 * 365)),
        taking(start=ago(10), stopped=True),
        taking(start=ago(10), end=ago(1)),
        taking(start=TODAY + timedelta(days=3)),
        taking(start=None),
    ):
        assert nothing.covariates == {}
        np.testing.assert_array_equal(nothing.continuous_quantiles, plain.continuous_quantiles)


@pytest.mark.parametrize("days", [5, 12, 30])
def test_a_horizon_longer_than_the_record_is_forecast_with_signals_too(
    days: int, whole: DigitalTwinIntegrationService
) -> None:
    sleep = diary([420.0 + day for day in range(days)], "sleep").rename({"symptom": "signal"})
    (found,) = asyncio.run(whole.forecast(case(symptoms=diary(CALM[:days]), signals=sleep), 30))
    assert len(found.days) == 30
    assert np.isfinite(found.continuous_quantiles).all()
    assert list(found.covariates) == ["sleep"]


def test_a_replay_knows_what_was_taken_then(whole: DigitalTwinIntegrationService) -> None:
    courses = (MedicationCourse("sertraline", TODAY - timedelta(days=5)),)
    known = Case(replace(record(symptoms=diary(CALM)), medications=courses), TODAY)
    before = Case(record(symptoms=diary(CALM)), TODAY)
    assert asyncio.run(whole.replayed(known, 14)) == asyncio.run(whole.replayed(before, 14))
    assert asyncio.run(whole.replayed(known, 3)) != asyncio.run(whole.replayed(before, 3))


def test_a_patient_is_not_refused_for_one_report_off_its_scale(whole: DigitalTwinIntegrationService) -> None:
    found = asyncio.run(whole.insights(case(symptoms=diary([*CALM, 270.0, 9]))))
    assert found.results[SYMPTOMS].status is Status.AVAILABLE
    assert found.notes == ("1 report(s) are off the scale of their instrument and were not used.",)
    (forecast_found,) = found.results[SYMPTOMS].value
    assert np.nanmax(forecast_found.history) == 12


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


DAYS = 100
BIOMETRIC_RULES = {"biometric_lookback_days": 3650}


def wearer(**known: Any) -> PatientRecord:
    """A person whose heart rate variability goes before anxiety by 30 hours, the record ending today."""
    tables = frames(person(days=DAYS, lag=30), "p")
    later = timedelta(days=(TODAY - date(2024, 1, 1)).days - DAYS + 1)
    moved = [frame.with_columns(pl.col("timestamp") + later) for frame in (tables.symptoms, tables.biometrics)]
    return record(symptoms=moved[0], signals=moved[1], **known)


def test_the_biometrics_room_is_asked_by_its_real_entry() -> None:
    service = DigitalTwinIntegrationService([BiometricLinks()], today=lambda: TODAY)
    found = ask(service, wearer(), BIOMETRIC_RULES)
    result = found.results[BIOMETRICS]
    assert result.status is Status.AVAILABLE
    assert result.model_version == BiometricLinks().version
    assert result.model_version.startswith("biometrics-detector")
    (lead,) = [link for link in result.value.person().links if link.detected]
    assert (lead.signal, lead.symptom) == ("hrv", "anxiety")
    assert lead.lag_low <= 30 <= lead.lag_high
    (watch,) = [one for one in found.recommendations if one.topic == "hrv before anxiety"]
    assert "when it rises, anxiety rises some 30 hours later" in watch.text
    assert watch.priority is Priority.WHEN_CONVENIENT
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))["results"][BIOMETRICS]["value"]
    assert {"links", "insights", "anomalies", "early_warning", "monitoring_plan"} <= set(plain)
    assert plain["links"][0]["lag_hours"] == lead.lag_hours
    again = ask(service, wearer(), BIOMETRIC_RULES)
    assert again.results[BIOMETRICS].reused


def test_the_lookback_and_the_medications_reach_the_biometrics_room() -> None:
    short = ask(DigitalTwinIntegrationService([BiometricLinks()], today=lambda: TODAY), wearer(), Options())
    series = short.results[BIOMETRICS].value.person().series
    assert series.hours <= 31 * 24
    assert series.confounders == {}
    taken = replace(
        wearer(),
        medications=(
            MedicationCourse("sertraline", TODAY - timedelta(days=20)),
            MedicationCourse("bupropion", TODAY - timedelta(days=25), stopped=True),
            MedicationCourse("lithium", None),
        ),
    )
    drugged = ask(DigitalTwinIntegrationService([BiometricLinks()], today=lambda: TODAY), taken, Options())
    course = drugged.results[BIOMETRICS].value.person().series.confounders["medication"]
    assert course[0] == 0
    assert course[-1] == 1


def test_a_warning_is_said_until_its_time_has_passed() -> None:
    patient = wearer()
    assert patient.signals is not None
    values = patient.signals.values.copy()
    rows = patient.signals.part(0)
    values[rows][-24:] *= 4.0
    moved = replace(patient, signals=replace(patient.signals, values=values))

    def warned(today: date) -> list[Recommendation]:
        service = DigitalTwinIntegrationService([BiometricLinks()], today=lambda: today)
        return [one for one in ask(service, moved, BIOMETRIC_RULES).recommendations if "may rise" in one.topic]

    (warning,) = warned(TODAY)
    assert warning.topic == "anxiety may rise"
    assert warning.priority is Priority.SOON
    assert "led anxiety by" in warning.evidence[0].statement
    assert warned(TODAY + timedelta(days=7)) == []


def test_little_data_gives_no_words_and_none_at_all_a_reason() -> None:
    service = DigitalTwinIntegrationService([BiometricLinks()], today=lambda: TODAY)
    poor = ask(service, wearer(), Options(biometric_lookback_days=15))
    assert poor.results[BIOMETRICS].value.reliability.level == "low"
    assert poor.recommendations == ()
    apart = wearer()
    old = replace(apart, symptoms=symptom_frame(diary([3.0, 5.0] * 20, "anxiety", TODAY - timedelta(days=400))))
    assert "look further back" in ask(service, old).missing[BIOMETRICS]


def test_a_twin_of_frames_hands_its_wearables_on() -> None:
    tables = frames(person(days=DAYS, lag=30))
    twin = nm.PatientTwin.from_frames("p", symptoms=tables.symptoms, biometrics=tables.biometrics)
    found = twin.insights({"biometric_lookback_days": 3650, "include_medication_predictions": False})
    links = found.results[BIOMETRICS].value.links
    assert links.filter(pl.col("detected"))["signal"].to_list() == ["hrv"]


# -- the rules of joining


def test_results_stand_under_their_names_with_version_and_tries() -> None:
    found = ask(joined(Scripted("a", lambda _: 1, version="a-7"), Scripted("b", lambda _: 2)))
    assert list(found.results) == ["a", "b"]
    a = found.results["a"]
    assert (a.service, a.value, a.reason, a.model_version, a.reused, a.attempts) == ("a", 1, "", "a-7", False, 1)
    assert (found.patient_id, found.made_on, found.options) == ("p", TODAY, Options())


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("include_symptom_forecast", {SYMPTOMS}),
        ("include_biometric_correlations", {BIOMETRICS}),
        ("include_medication_predictions", {MEDICATIONS, COURSES}),
    ],
)
def test_each_option_leaves_out_its_own_service(option: str, names: set[str]) -> None:
    every = (SYMPTOMS, BIOMETRICS, MEDICATIONS, COURSES)
    service = joined(*(Scripted(name, fails(KeyError("x"))) for name in every))
    found = ask(service, options={option: False}).results
    assert {name for name, one in found.items() if one.status is Status.NOT_ASKED} == names
    assert {found[name].reason for name in names} == {f"option '{option}' is off"}
    assert {found[name].status for name in set(every) - names} == {Status.FAILED}


def test_what_a_service_lacks_is_said_and_its_breaker_stays_closed() -> None:
    class Lacking(Scripted):
        def lacking(self, *_: object) -> str | None:
            return "there is nothing to look at"

    analysis = Lacking("a", lambda n: n)
    service = joined(analysis, a=guard(failures=1))
    found = ask(service).results["a"]
    assert (found.status, found.reason, found.attempts) == (Status.NO_DATA, "there is nothing to look at", 0)
    assert analysis.calls == 0
    assert service.guards["a"].breaker.state is State.CLOSED


def test_an_accident_before_the_service_begins_stays_inside_too() -> None:
    class Broken(Scripted):
        def inputs(self, *_: object) -> tuple[object, ...]:
            raise KeyError(CANARY)

    found = ask(joined(Broken("a", lambda n: n), Scripted("b", lambda _: 1)))
    assert (found.results["a"].status, found.results["b"].status) == (Status.FAILED, Status.AVAILABLE)


def test_a_service_without_a_guard_of_its_own_gets_the_usual_one() -> None:
    own = guard()
    service = DigitalTwinIntegrationService([Scripted("a", lambda _: 1), Scripted("b", lambda _: 1)], {"a": own})
    assert service.guards["a"] is own
    assert (service.guards["b"].breaker.failures, service.guards["b"].attempts) == (3, 3)
    assert service.guards["b"].breaker is not own.breaker
    assert DigitalTwinIntegrationService([]).analyses == ()
    assert len(DigitalTwinIntegrationService().analyses) == 4


def test_today_is_that_of_universal_time_where_no_other_is_given() -> None:
    before = datetime.now(UTC).date()
    assert before <= DigitalTwinIntegrationService([]).today() <= datetime.now(UTC).date()


def test_stores_that_are_given_are_used_even_while_they_are_empty() -> None:
    class Store(dict[str, Any]):
        def put(self, key: str, value: Any) -> None:
            self[key] = value

    class History(list[Any]):
        def earlier(self, _: str) -> tuple[Any, ...]:
            return tuple(self)

        def keep(self, snapshot: Any) -> None:
            self.append(snapshot)

    store, history = Store(), History()
    one = forecast([9.0] * 20, middle=9)
    service = DigitalTwinIntegrationService(
        [Scripted(SYMPTOMS, lambda _: (one,))], {SYMPTOMS: guard()}, store, history, lambda: TODAY
    )
    ask(service)
    assert list(store.values()) == [(one,)]
    assert [len(key) for key in store] == [64], "a digest, and nothing of the patient"
    assert [(kept.patient_id, kept.made_on) for kept in history] == [("p", TODAY)]
    ask(service)
    assert len(history) == 1, "what was reused is no other forecast"


@pytest.mark.parametrize(("last", "checks"), [(TODAY, 0), (TODAY + timedelta(days=1), 1)])
def test_a_forecast_is_checked_from_the_first_later_observation_on(last: date, checks: int) -> None:
    service = DigitalTwinIntegrationService([], today=lambda: TODAY)
    service.history.keep(Snapshot("p", TODAY, (forecast_made(forecast([9.0] * 20, middle=9)),)))
    assert len(ask(service, record(symptoms=diary([9.0] * 5, end=last))).tracking) == checks
    assert ask(service, record()).tracking == ()


def test_results_in_memory_are_few_and_grow_old() -> None:
    store = MemoryStore(2)
    for key in "abc":
        store.put(key, key)
    assert [store.get(key) for key in "abc"] == [None, "b", "c"]
    usual = MemoryStore()._results
    assert (usual.maxsize, usual.ttl) == (256, 3600)


def test_a_key_tells_name_version_and_inputs_apart() -> None:
    keys = {
        service_module._key(*parts)
        for parts in [
            ("a", "1", (1,)),
            ("b", "1", (1,)),
            ("a", "2", (1,)),
            ("a", "1", (2,)),
            ("a", "1", ("1",)),
            ("a", "1", ()),
        ]
    }
    assert len(keys) == 6
    assert service_module._key("a", "1", (1,)) == service_module._key("a", "1", (1,))


def test_recommendations_and_notes_come_along() -> None:
    given = record(("citalopram",), {"CYP2D6": "*4/*4", "CYP2C9": "nonsense"}, conditions=("long qt",))
    found = ask(DigitalTwinIntegrationService([MedicationReviews()], today=lambda: TODAY), given)
    assert found.recommendations[0].topic == "citalopram now taken"
    assert found.notes == ("The result of CYP2C9 is in an unknown notation and was not used.",)
