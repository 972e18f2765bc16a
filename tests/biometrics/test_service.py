"""The use cases: each rule of the decision by itself, options at their limits, many persons in order."""

import asyncio
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
import threadpoolctl

import novamind as nm
from novamind.biometrics import decision, notebook, service
from novamind.biometrics.decision import Candidates, candidates
from novamind.biometrics.detector import SHIPPED
from novamind.biometrics.domain import PairInputs
from novamind.biometrics.engine import PersonProfile
from novamind.biometrics.features import lag_posterior, pair_inputs
from novamind.biometrics.service import BiometricCorrelationService, default_service
from novamind.biometrics.spurious_links import plain_correlations
from novamind.errors import InsufficientDataError, ValidationError
from tests.biometrics.conftest import Frames, frames, person, rich
from tests.golden import check_golden


class Told:
    """A detector that says what it is told."""

    version = "told"

    def __init__(self, odds: float = 5.0) -> None:
        self.odds = odds
        self.asked = 0

    def log_odds(self, pairs: PairInputs) -> np.ndarray:
        self.asked += 1
        return np.full(len(pairs.signal), self.odds)


@pytest.fixture(scope="module")
def answer(analysed: PersonProfile) -> Candidates:
    return candidates("a", analysed, pair_inputs(analysed), 4)


def first(answer: Candidates, **changes: Any) -> Candidates:
    """The same with one pair only, of which something is other."""
    sure = {"effect": 0.4, "effect_low": 0.2, "effect_high": 0.6, "p_value": 0.01}
    figures = [{**answer.figures[0], **sure, **changes}]
    return replace(answer, figures=figures, explained=["trend"], unconfirmable={})


def decide(answer: Candidates, fdr: float = 0.1, odds: float = 5.0, min_effect: float = 0.0) -> Any:
    return BiometricCorrelationService(Told(odds), min_effect)._decided(answer, fdr, ()).links[0]


@pytest.mark.parametrize(
    ("changes", "detected"),
    [
        ({}, True),
        ({"p_value": 0.05}, True),
        ({"p_value": 0.0501}, False),
        ({"effect_low": 0.0}, False),
        ({"effect_low": -0.01}, False),
        ({"effect": -0.4, "effect_low": -0.6, "effect_high": -0.2}, True),
        ({"effect": -0.4, "effect_low": -0.6, "effect_high": 0.2}, False),
    ],
)
def test_a_link_is_beyond_chance_and_its_effect_beyond_0(
    answer: Candidates, changes: dict[str, float], detected: bool
) -> None:
    link = decide(first(answer, **changes))
    assert link.detected is detected
    assert link.explained_by == (None if detected else "trend")
    assert link.patient_id == "a"
    assert link.score == 5.0
    assert link.q_value == pytest.approx(1 / (1 + np.exp(5)))


def test_a_link_is_within_the_rate_and_as_large_as_asked(answer: Candidates) -> None:
    odds = float(np.log(9))
    assert decide(first(answer), fdr=0.1 + 1e-12, odds=odds).detected
    assert not decide(first(answer), fdr=0.0999, odds=odds).detected
    assert decide(first(answer), fdr=0.5, odds=0.0).detected  # as likely as not is within one half
    assert decide(first(answer), min_effect=0.4).detected
    assert not decide(first(answer), min_effect=0.401).detected
    assert decide(first(answer, effect=-0.4, effect_low=-0.6, effect_high=-0.2), min_effect=0.4).detected
    assert not decide(replace(first(answer), unconfirmable={"anxiety": "too few"})).detected
    assert decide(replace(first(answer), unconfirmable={"mood": "too few"})).detected


def test_candidates_have_each_pair_as_it_was_analysed(answer: Candidates, analysed: PersonProfile) -> None:
    told = {(row["signal"], row["symptom"]): row for row in answer.figures}
    assert list(told) == [(b, s) for s in analysed.person.symptoms for b in analysed.person.signals]
    for symptom in analysed.symptoms:
        name = analysed.person.symptoms[symptom.symptom]
        posterior = decision._from_samples(analysed, symptom, lag_posterior(symptom.conditional))
        middle, low, high = decision.lag_interval(posterior)
        effect, effect_low, effect_high, information = decision.effects(symptom.conditional)
        for i, signal in enumerate(analysed.person.signals):
            row = told[signal, name]
            assert (row["lag_low"], row["lag_hours"], row["lag_high"]) == (low[i], middle[i], high[i])
            assert (row["effect_low"], row["effect"], row["effect_high"]) == (effect_low[i], effect[i], effect_high[i])
            assert row["sign"] == (1 if effect[i] >= 0 else -1)
            assert row["p_value"] == max(symptom.p_value[i], 1e-6)
            assert row["n_effective"] == pytest.approx(
                min(information[i] * symptom.regression.scale**2, symptom.reports)
            )
            assert (row["pearson"], row["spearman"]) == plain_correlations(
                analysed.person, symptom.symptom, i, float(middle[i])
            )
            profile = answer.profiles[signal, name]
            assert profile.posterior == pytest.approx(posterior[i], abs=1e-6)
            assert profile.z == pytest.approx(decision.strongest(symptom.conditional)[i], abs=1e-5)
            assert profile.z.dtype == profile.posterior.dtype == np.float32
    assert min(symptom.p_value.min() for symptom in analysed.symptoms) < 1  # something is surer than chance
    assert answer.reliability.reasons[:2] == ("31 days", "128 reports")  # from the first report to the last


def test_a_tiny_p_value_is_told_as_one_in_a_million(analysed: PersonProfile) -> None:
    sure = replace(analysed.symptoms[0], p_value=np.full(5, 1e-9))
    told = candidates(None, replace(analysed, symptoms=(sure,)), None, 0).figures
    assert {row["p_value"] for row in told} == {1e-6}


def test_effective_reports_are_never_more_than_reports(analysed: PersonProfile) -> None:
    few = replace(analysed.symptoms[0], reports=3)
    told = candidates(None, replace(analysed, symptoms=(few,)), None, 0).figures
    assert {row["n_effective"] for row in told} == {3.0}


def test_a_person_without_a_symptom_has_no_pairs(analysed: PersonProfile) -> None:
    none = candidates("a", replace(analysed, symptoms=()), None, 0)
    detector = Told()
    found = BiometricCorrelationService(detector)._decided(none, 0.1, ())
    assert (found.links, detector.asked) == ((), 0)


def test_links_of_a_record_are_those_they_were(answer: Candidates) -> None:
    found = default_service()._decided(answer, 0.2, ())
    assert found.seed == 4
    assert found.skipped == answer.skipped | answer.unconfirmable
    check_golden(__file__, "links", [asdict(link) for link in found.links], 1e-3, 1e-4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_lag_hours": True}, "max_lag_hours must be a whole number of hours, 1 to 168"),
        ({"max_lag_hours": 24.0}, "max_lag_hours must be a whole number"),
        ({"max_lag_hours": 0}, "max_lag_hours must be 1 to 168"),
        ({"max_lag_hours": 169}, "max_lag_hours must be 1 to 168"),
        ({"fdr": 0.0}, "fdr must be above 0 and below 0.5"),
        ({"fdr": 0.5}, "fdr must be above 0 and below 0.5"),
        ({"fdr": True}, "fdr must be"),
        ({"fdr": "0.1"}, "fdr must be"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"seed": True}, "seed must be a whole number"),
        ({"workers": 0}, "workers must be 1 or more"),
        ({"workers": True}, "workers must be 1 or more"),
        ({"workers": 1.5}, "workers must be 1 or more"),
    ],
)
def test_options_out_of_range_are_refused_by_name(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        service._check(**{"max_lag_hours": 24, "fdr": 0.1, "seed": 0, "workers": 1, **options})


@pytest.mark.parametrize(
    "options",
    [
        {"max_lag_hours": 1}, {"max_lag_hours": 168}, {"max_lag_hours": np.int64(24)}, {"fdr": 1e-6}, {"fdr": 0.499},
        {"seed": 0}, {"seed": np.int64(3)}, {"workers": 64},
    ],
)  # fmt: skip
def test_options_at_their_limits_are_taken(options: dict[str, Any]) -> None:
    service._check(**{"max_lag_hours": 24, "fdr": 0.1, "seed": 0, "workers": 1, **options})
    with pytest.raises(ValidationError):
        BiometricCorrelationService(Told()).decide(person(days=20), max_lag_hours=0)


@pytest.fixture(scope="module")
def several() -> Frames:
    people = [frames(person(seed, days=20), name) for seed, name in ((2, "b"), (1, "a"), (3, "c"))]
    return Frames(pl.concat(p.biometrics for p in people), pl.concat(p.symptoms for p in people))


def test_persons_come_by_name_with_progress_and_all_that_was_asked(several: Frames) -> None:
    steps: list[tuple[int, int]] = []
    found = BiometricCorrelationService(Told()).correlate(
        several.biometrics, several.symptoms, 6, 0.2, seed=5, progress=lambda done, of: steps.append((done, of))
    )
    assert [one.patient_id for one in found.persons] == ["a", "b", "c"]
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert (found.fdr, found.max_lag_hours, found.model_version, found.seed) == (0.2, 6, "told", 5)
    assert {one.seed for one in found.persons} == {5}
    assert isinstance(found.links, pl.DataFrame)


def test_a_person_who_cannot_be_analysed_does_not_keep_the_others_from_it(several: Frames) -> None:
    few = pl.concat([several.symptoms.filter(pl.col("patient_id") != "b"),
                     several.symptoms.filter(pl.col("patient_id") == "b").head(6)])  # fmt: skip
    found = BiometricCorrelationService(Told()).correlate(several.biometrics, few, 6)
    assert [bool(one.links) for one in found.persons] == [True, False, True]
    assert "too few reports" in found.person("b").skipped["anxiety"]


class Pool:
    """Processes that are this one; what was asked of them is kept."""

    asked: ClassVar[list[Any]] = []

    def __init__(self, workers: int, **options: Any) -> None:
        Pool.asked.append((workers, options["initializer"]))

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def submit(self, of: Any, *what: Any) -> Any:
        done: service.Future[Any] = service.Future()
        done.set_result(of(*what))
        return done


def test_several_workers_give_what_one_gives(several: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = BiometricCorrelationService(Told()).correlate(several.biometrics, several.symptoms, 6)
    monkeypatch.setattr(service, "ProcessPoolExecutor", Pool)
    for workers, used in ((2, 2), (8, 3)):
        Pool.asked.clear()
        found = BiometricCorrelationService(Told()).correlate(several.biometrics, several.symptoms, 6, workers=workers)
        assert found.links.equals(alone.links)
        assert Pool.asked == [(used, service.one_thread)]  # no more than there are persons


def test_few_persons_at_a_time_are_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(service, "analysed_pairs", lambda name, *_: name)
    drawn: list[int] = []

    def people() -> Any:
        for i in range(40):
            drawn.append(i)
            yield i, None

    answers = service._spread(people(), 6, 0, 2)
    assert next(answers) is not None
    assert len(drawn) == 8
    assert len({0, *answers}) in (39, 40)
    assert len(drawn) == 40


def test_a_process_keeps_to_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []
    monkeypatch.setattr(threadpoolctl, "threadpool_limits", limits.append)
    service.one_thread()
    assert limits == [1]


def test_what_cannot_be_analysed_is_said_with_up_to_five_reasons(tables: Frames) -> None:
    with pytest.raises(InsufficientDataError, match="no pair could be analysed: too few reports to separate"):
        BiometricCorrelationService(Told()).correlate(tables.biometrics, tables.symptoms.head(6), 6)


def test_one_patient_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def correlate(_: Any, biometrics: Any, symptoms: Any, *rest: Any, **options: Any) -> Any:
        asked.append((biometrics, symptoms, rest, options))
        return nm.biometrics.Correlations((), 0.1, 6, "", 0)

    monkeypatch.setattr(BiometricCorrelationService, "correlate", correlate)
    ours = BiometricCorrelationService(Told())
    asyncio.run(ours.analyze_correlations({"symptoms": "s", "biometrics": "b", "fdr": 0.2, "seed": 3}))
    asyncio.run(ours.analyze_correlations({"symptoms": "s", "biometrics": "b"}, "other"))
    for days in (1, 7, np.int64(2)):
        asyncio.run(ours.analyze_lag_correlations("b", "s", days))
    asyncio.run(ours.analyze_lag_correlations("b", "s"))
    assert asked == [
        ("b", "s", (), {"fdr": 0.2, "seed": 3}),
        ("other", "s", (), {}),
        ("b", "s", (24,), {}),
        ("b", "s", (168,), {}),
        ("b", "s", (48,), {}),
        ("b", "s", (168,), {}),
    ]
    for days in (0, 8, 2.0, True):
        with pytest.raises(ValidationError, match="max_lag must be 1 to 7 days"):
            asyncio.run(ours.analyze_lag_correlations("b", "s", days))
    for data in ({"symptoms": "s"}, {"biometrics": "b"}):
        with pytest.raises(ValidationError, match="patient_data needs 'symptoms' and 'biometrics'"):
            asyncio.run(ours.analyze_correlations(data))
    with pytest.raises(ValidationError, match=r"unknown entries: colour, shape$"):
        asyncio.run(ours.analyze_correlations({"symptoms": "s", "biometrics": "b", "shape": 1, "colour": 2}))
    for name in ("max_lag_hours", "fdr", "calendar", "medication", "illness", "seed"):
        asyncio.run(ours.analyze_correlations({"symptoms": "s", "biometrics": "b", name: 1}))


def test_the_notebook_passes_everything_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Service:
        def correlate(self, *what: Any, **options: Any) -> None:
            asked.append((what, options))

    monkeypatch.setattr(notebook, "default_service", Service)
    notebook.correlate("b", "s")
    notebook.correlate("b", "s", 24, 0.2, "c", "m", "i", 7, "Europe/Berlin")
    assert asked == [
        (("b", "s", 168, 0.1), {"calendar": None, "medication": None, "illness": None, "timezone": None, "seed": 0}),
        (
            ("b", "s", 24, 0.2),
            {"calendar": "c", "medication": "m", "illness": "i", "timezone": "Europe/Berlin", "seed": 7},
        ),
    ]


def test_the_configured_detector_and_threshold_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Any] = []
    monkeypatch.setattr(service.AmortisedDetector, "load", lambda folder: loaded.append(folder) or Told())
    try:
        default_service.cache_clear()
        plain = default_service()
        default_service.cache_clear()
        monkeypatch.setenv("NOVAMIND_BIOMETRIC_MODEL_PATH", "/models/mine")
        monkeypatch.setenv("NOVAMIND_CORRELATION_THRESHOLD", "0.25")
        own = default_service()
        assert default_service() is own
    finally:
        default_service.cache_clear()
    assert [str(folder) for folder in loaded] == [str(SHIPPED), "/models/mine"]
    assert (own.min_effect, own.version) == (0.25, "told")
    assert plain.min_effect == 0


def test_courses_are_taken_out_by_name() -> None:
    record = rich(days=20)
    tables = frames(replace(record, signals=record.signals[:2], symptoms=record.symptoms[:1]))
    day = pl.DataFrame({"start": ["2024-01-05"], "end": ["2024-01-08"]})
    for name in ("calendar", "medication", "illness"):
        found = BiometricCorrelationService(Told()).correlate(tables.biometrics, tables.symptoms, 2, **{name: day})
        assert list(found.person().series.confounders) == [name]


def test_the_front_door_knows_its_rooms() -> None:
    assert nm.biometrics.BiometricCorrelationService is BiometricCorrelationService
    assert nm.biometrics.correlate is notebook.correlate
    with pytest.raises(AttributeError, match=r"module 'novamind.biometrics' has no attribute 'corelate'"):
        _ = nm.biometrics.corelate
