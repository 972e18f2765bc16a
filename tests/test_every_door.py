"""Every door, one patient, the same answers.

Library, shell, REST, GraphQL, live connection, CDS Hooks, FHIR and the pages are asked about the same people
(:mod:`tests.every_door`). What they say is held against what the twin's service says of the record as it is written
down there: the same numbers, cautions, verdicts, ranking, alternatives and links. Each door is shown to fail once it
leaves out allergies, treatments and signals, or scales.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import httpx
import pytest

from novamind.biometrics.codec import PersonLinksBody
from novamind.biometrics.results import Correlations
from novamind.clinic.service import Clinic
from novamind.errors import InsufficientDataError
from novamind.infrastructure.cache import SealedCache
from novamind.pharmacogenomics import DrugReview, Review
from novamind.pharmacogenomics.codec import ReviewBody
from novamind.records import PatientRecord
from novamind.symptoms.codec import ForecastsBody
from novamind.symptoms.results import Forecasts
from novamind.twin import DigitalTwinIntegrationService, PatientTwin, commands, report
from novamind.twin import patient as twin_patient
from novamind.twin.case import Case
from novamind.twin.cds import answers as cds_answers
from novamind.twin.codec import InsightsBody
from novamind.twin.fhir_export import to_fhir
from novamind.twin.results import Insights
from tests import every_door as doors
from tests.every_door import BY_NAME, LOOKBACK, OPTIONS, PEOPLE, Container, Person, same, small_clinic
from tests.server.graph import as_graphql
from tests.twin.conftest import patient_guards  # noqa: F401  # a busy machine gets patience here too
from tests.weak import must_fail


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A server with one clinician."""
    folder = tmp_path_factory.mktemp("every-door")
    (folder / "files").mkdir()
    with small_clinic(folder) as world:
        yield Container(world, folder / "files")


# --- what is right ---


@dataclass(frozen=True)
class Answers:
    """What the twin's service says of one person; of what cannot be said the reason."""

    case: Case
    forecasts: Forecasts | str
    review: Review
    links: Correlations | str
    insights: Insights

    @cached_property
    def forecasts_form(self) -> ForecastsBody | str:
        return self.forecasts if isinstance(self.forecasts, str) else ForecastsBody.of(self.forecasts)

    @cached_property
    def review_form(self) -> ReviewBody:
        return ReviewBody.of(self.review)

    @cached_property
    def links_form(self) -> PersonLinksBody | str:
        return self.links if isinstance(self.links, str) else PersonLinksBody.of(self.links.person())

    @cached_property
    def insights_form(self) -> InsightsBody:
        return InsightsBody.of(self.insights)


def right(container: Container, person: Person) -> Answers:
    """What every door must say."""
    if person.name not in container.right:
        case, service = person.case(container.patient(person)), DigitalTwinIntegrationService()

        async def asked() -> Answers:
            try:
                forecasts: Forecasts | str = await service.forecast(case)
            except InsufficientDataError as error:
                forecasts = str(error)
            try:
                links: Correlations | str = await service.correlate(case, LOOKBACK)
            except InsufficientDataError as error:
                links = str(error)
            return Answers(case, forecasts, await service.advice(case), links, await service.insights(case, OPTIONS))

        container.right[person.name] = asyncio.run(asked())
    answers: Answers = container.right[person.name]
    return answers


def plain(value: Any) -> Any:
    """As JSON has it."""
    if hasattr(value, "model_dump_json"):
        return json.loads(value.model_dump_json())
    return json.loads(json.dumps(value, allow_nan=False))


def same_insights(person: Person, expected: dict[str, Any], found: dict[str, Any], *, stored: bool) -> None:
    """Results, recommendations, what is missing and why, notes; what is stored and unreadable is named beside them."""
    assert [one for one in expected["notes"] if one not in found["notes"]] == []
    assert len(found["notes"]) - len(expected["notes"]) == (len(person.poison) + (not person.genomics) if stored else 0)
    same(expected, found | {"notes": expected["notes"]})


def alternatives(review: Review) -> dict[str, list[str]]:
    """Drug that is taken, and should be another, to the drugs that could take its place."""
    return {
        drug: [one.review.drug for one in review.alternatives(drug)]
        for drug in review.comedications
        if drug in review and review[drug].concern >= 3
    }


# --- doors ---


def check_library(container: Container, person: Person) -> None:
    expected, twin = right(container, person), doors.from_twin(container, person)
    same(plain(expected.forecasts_form), _or_reason(lambda: twin.forecast().to_dict()))
    same(plain(expected.review_form), twin.advice().to_dict())
    assert alternatives(twin.advice()) == alternatives(expected.review)
    same(plain(expected.links_form), _or_reason(lambda: twin.correlate(LOOKBACK).person().to_dict()))
    same_insights(person, plain(expected.insights_form), twin.insights(OPTIONS).to_dict(), stored=False)


def _or_reason(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except InsufficientDataError as error:
        return str(error)


def check_shell(container: Container, person: Person) -> None:
    if not person.scales:  # a patient's directory has no place for them
        found = doors.from_cli(container, person)
        assert found.pop("what_if") == []
        same_insights(person, plain(right(container, person).insights_form), found, stored=False)


def check_shell_with_fhir(container: Container, person: Person) -> None:
    if not person.scales:
        found = doors.from_cli_fhir(container, person)
        assert found.pop("what_if") == []
        for evidence in (one for each in found["recommendations"] for one in each["evidence"]):
            evidence["source"] = re.sub(r"Bundle\.entry\[\d+\]\.resource", "record", evidence["source"])
        same_insights(person, plain(right(container, person).insights_form), found, stored=False)


def check_rest(container: Container, person: Person) -> None:
    expected, at = right(container, person), f"/api/v1/patients/{container.patient(person)}"

    def asked(path: str) -> Any:
        answer: httpx.Response = container.world.call("GET", f"{at}/{path}", "C11")
        assert answer.status_code in (200, 422), answer.text
        return answer.json() if answer.status_code == 200 else answer.json()["detail"]

    same(plain(expected.forecasts_form), asked("forecast"))
    same(plain(expected.links_form), asked(f"correlations?lookback_days={LOOKBACK}"))
    same(plain(expected.review_form), container.ask("POST", f"{at}/medication-advice", json={}).json())
    found = asked(f"insights?lookback_days={LOOKBACK}")
    same_insights(person, plain(expected.insights_form), found, stored=True)


def check_graphql(container: Container, person: Person) -> None:
    expected, found = right(container, person), doors.from_graphql(container, person)
    same(as_graphql(expected.forecasts_form), found["forecasts"])
    same(as_graphql(expected.links_form), found["leadingSignals"])
    same(as_graphql(expected.review_form), found["medicationAdvice"])
    same_insights(person, as_graphql(expected.insights_form), found["insights"], stored=True)


def check_live(container: Container, person: Person) -> None:
    said, expected = doors.from_socket(container, person), plain(right(container, person).forecasts_form)
    if isinstance(expected, str):
        assert said == {"type": "problem", "detail": expected}
    else:
        same(expected | {"type": "forecast"}, said)


def check_cds_hooks(container: Container, person: Person) -> None:
    review = right(container, person).review
    told = [review[drug] for drug in review.comedications if review[drug].concern >= 2]
    cards = {card["summary"].split(".")[0]: card["indicator"] for card in doors.from_cds(container, person)}
    assert {name: cards.get(name) for name, _ in map(_told, told)} == dict(map(_told, told))
    for drug, others in alternatives(review).items():
        card, *_ = [one for one in doors.from_cds(container, person, drug) if one["summary"].startswith(f"{drug}:")]
        offers = [one["label"].removeprefix("Replace by ") for one in card["suggestions"]]
        assert offers == [f"Remove the order of {drug}", *others]


def _told(found: DrugReview) -> tuple[str, str]:
    severe = "warning" if found.severe else "info"
    return f"{found.drug}: {found.verdict}", {4: "critical", 3: "warning"}.get(found.concern, severe)


def check_fhir(container: Container, person: Person) -> None:
    expected, patient_id = right(container, person), container.patient(person)
    bundle = container.ask("GET", f"/api/v1/patients/{patient_id}/fhir?with_insights=true").json()
    ours = plain(to_fhir(expected.case.record, expected.insights))
    same(_results(ours), _results(bundle))
    forecasts = [] if isinstance(expected.forecasts, str) else list(expected.forecasts)
    predicted = [one for one in _results(bundle) if one["resourceType"] == "Observation"]
    assert [one["valueQuantity"]["value"] for one in predicted] == [float(one.median[-1]) for one in forecasts]
    for one, forecast in zip(predicted, forecasts, strict=True):
        ends = [float(bound[-1]) for bound in forecast.interval(0.8)]
        assert [part["valueQuantity"]["value"] for part in one["component"]] == pytest.approx(ends)
    again = PatientTwin.from_fhir(container.ask("GET", f"/api/v1/patients/{patient_id}/fhir").json())
    same(plain(expected.review_form), again.advice().to_dict())


def _results(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    """What the services say, of all that a bundle holds."""
    resources = [entry["resource"] for entry in bundle["entry"]]
    return [one for one in resources if one.get("status") == "preliminary"]


def check_pages(container: Container, person: Person) -> None:
    expected, page = right(container, person), doors.from_pages(container, person)
    rows = [" | ".join(row) for row in page.rows]
    for one in expected.insights.recommendations:
        assert _words(one.text) in page.text
    forecasts = [] if isinstance(expected.forecasts, str) else list(expected.forecasts)
    for forecast in forecasts:
        section = report.forecast_section(forecast)
        assert _words(section["headline"]) in page.text
        assert [one for one in section["rows"] if " | ".join(one) not in rows] == []
    if isinstance(expected.forecasts, str):
        assert f"No forecast: {expected.forecasts}." in page.text
    _check_medication(expected, page)
    _check_links(expected, page)


def _check_medication(expected: Answers, page: doors.Page) -> None:
    review, known = expected.review, {name for name, _ in expected.case.medications.items()}
    options = [table[1:] for table in page.tables if table[0][:2] == ["Drug", "Verdict"]]
    ranked = [one for one in review.ranking if one.drug_class]
    by_drug = {one.drug: one for one in ranked}
    table = [row for part in options for row in part]
    shown = [next(drug for drug in sorted(by_drug, key=len, reverse=True) if row[0].startswith(drug)) for row in table]
    assert sorted(shown) == sorted(by_drug)
    order = {one.drug: place for place, one in enumerate(ranked)}
    falls = [i for i in range(1, len(shown)) if order[shown[i]] < order[shown[i - 1]]]
    assert len(falls) <= 1  # drugs of other groups stand apart
    for drug, row in zip(shown, table, strict=True):
        found = by_drug[drug]
        assert row[1].startswith(found.verdict)
        assert ("taken now" in row[0]) == (drug in known)
        assert all(_words(f"{c.severity.capitalize()}, {c.cause}: {c.text}") in row[4] for c in found.caution)
    best = review.comparison(shown[: falls[0] if falls else None]).get("best balance")
    assert best is None or f"Best balance: {best}." in page.text
    allergies = ", ".join(sorted(expected.case.allergies)) or "none recorded"
    assert f"Drug allergies{allergies}" in page.text


def _check_links(expected: Answers, page: doors.Page) -> None:
    if isinstance(expected.links, str):
        assert f"No leading signal can be named: {expected.links}." in page.text
        return
    for link in expected.links.person().links:
        q = "< 0.001" if link.q_value < 0.001 else f"{link.q_value:.3f}"
        effect = f"{link.effect:+.2f} ({link.effect_low:+.2f} to {link.effect_high:+.2f})"
        (row,) = (
            row
            for row in page.rows
            if row[:2] == [link.signal.replace("_", " "), link.symptom.replace("_", " ")] and effect in row
        )
        assert q in row
        assert ("not confirmed" in row) is not link.detected


def _words(text: str) -> str:
    return " ".join(text.split())


DOORS: dict[str, Callable[[Container, Person], None]] = {
    "library": check_library,
    "shell": check_shell,
    "shell with FHIR": check_shell_with_fhir,
    "REST": check_rest,
    "GraphQL": check_graphql,
    "live": check_live,
    "CDS Hooks": check_cds_hooks,
    "FHIR": check_fhir,
    "pages": check_pages,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.name)
def test_every_door_gives_the_same_answers(container: Container, person: Person, door: str) -> None:
    DOORS[door](container, person)


# --- each door is seen to fail ---


#: What a flaw leaves out of what a door asks the twin about.
FLAWS: dict[str, dict[str, Any]] = {
    "allergies": {"allergens": ()},
    "covariates": {"covariates": None},
    "scales": {"scales": {}},
}
#: A person whose answers each flaw changes.
HURT = {"allergies": "allergic by cross-reaction", "covariates": "treatment started", "scales": "own scale"}
#: Doors that forecast, and those that speak of medication; the shell and CDS Hooks take no scales.
FORECASTING = ("library", "REST", "GraphQL", "live", "FHIR", "pages")
ADVISING = ("library", "shell", "shell with FHIR", "REST", "GraphQL", "CDS Hooks", "pages")


def weakened(case: Case, flaw: str) -> Case:
    """The case as a door would have it that leaves something out."""
    poorer = replace(case)
    poorer.__dict__.update(FLAWS[flaw])
    return poorer


def weaken(door: str, flaw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one door ask the twin about less than it was told."""
    if door == "library":
        honest_init = PatientTwin.__init__

        def poorer_init(self: PatientTwin, *given: Any, **named: Any) -> None:
            honest_init(self, *given, **named)
            self.case = weakened(self.case, flaw)

        monkeypatch.setattr(twin_patient.PatientTwin, "__init__", poorer_init)
    elif door in ("shell", "shell with FHIR"):
        honest_read = commands._read

        def poorer_read(*given: Any) -> PatientTwin:
            twin = honest_read(*given)
            twin.case = weakened(twin.case, flaw)
            return twin

        monkeypatch.setattr(commands, "_read", poorer_read)
    elif door == "CDS Hooks":
        honest_record = cds_answers._record

        def poorer_record(*given: Any) -> tuple[PatientRecord, list[str]]:
            record, unread = honest_record(*given)
            return replace(record, allergies=()), unread

        monkeypatch.setattr(cds_answers, "_record", poorer_record)
    else:
        _weaken_server(flaw, monkeypatch)


def _weaken_server(flaw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Clinic.cases

    async def poorer(self: Clinic, *given: Any) -> Any:
        found = await honest(self, *given)
        return {one: weakened(case, flaw) if isinstance(case, Case) else case for one, case in found.items()}

    async def nothing(*_: object, **_named: object) -> None:
        return

    monkeypatch.setattr(Clinic, "cases", poorer)
    for name in ("get", "put"):  # what a poorer door says is not kept for the honest one
        monkeypatch.setattr(SealedCache, name, nothing)


@pytest.mark.parametrize(
    ("door", "flaw"),
    [
        *((door, flaw) for flaw in ("covariates", "scales") for door in FORECASTING),
        *((door, "covariates") for door in ("shell", "shell with FHIR")),
        *((door, "allergies") for door in ADVISING),
    ],
)
def test_a_door_that_leaves_something_out_is_noticed(
    container: Container, door: str, flaw: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = BY_NAME[HURT[flaw]]
    DOORS[door](container, person)
    weaken(door, flaw, monkeypatch)
    must_fail(DOORS[door], container, person)
