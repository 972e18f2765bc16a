"""A client that is generated from docs/openapi.json: every operation is in it, and what it reads is what was sent."""

import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType

from tests.patience import patient
from tests.server.world import BASE, FHIR_JSON, World

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
NAME = "generated_client"
#: Content that the generator does not know: a table goes as a file, FHIR is JSON.
CONTENT = {"text/csv": "application/octet-stream", FHIR_JSON: "application/json"}
#: What is read of one patient.
READS = (
    "read_patient", "read_reports", "read_biometrics", "read_scales", "read_genotype", "read_genotype_results",
    "read_medications", "read_problems", "read_imports", "read_consents", "forecast_patient", "read_correlations",
    "read_insights", "export_fhir",
)  # fmt: skip


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The client as a package; nothing of the document was left out."""
    folder = tmp_path_factory.mktemp("client") / NAME
    file = ConfigFile(post_hooks=[], content_type_overrides=CONTENT)
    config = Config.from_sources(file, MetaType.NONE, DOCUMENT, "utf-8", overwrite=True, output_path=folder)
    assert [f"{fault.header}: {fault.detail}" for fault in generate(config=config)] == []
    spec = spec_from_file_location(NAME, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None
    assert spec.loader is not None
    package = sys.modules[NAME] = module_from_spec(spec)
    spec.loader.exec_module(package)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def logged_in(generated: ModuleType, world: World, who: str) -> Any:
    transport = httpx.ASGITransport(world.apps[0], raise_app_exceptions=False)
    timeout = httpx.Timeout(patient(30))
    client = generated.AuthenticatedClient
    return client(base_url=BASE, token=world.tokens[who], timeout=timeout, httpx_args={"transport": transport})


def operation(name: str, tag: str = "patients") -> ModuleType:
    return import_module(f"{NAME}.api.{tag}.{name}")


def plain(text: bytes) -> Any:
    """JSON with UTC as the standard library writes it."""
    return json.loads(re.sub(rb'(\d)Z"', rb'\1+00:00"', text))


@pytest.mark.usefixtures("generated")
def test_every_operation_is_a_function() -> None:
    for methods in json.loads(DOCUMENT.read_text("utf-8"))["paths"].values():
        for one in methods.values():
            name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", one["operationId"]).lower()
            (tag,) = one["tags"]
            found = operation(name, {"GraphQL": "graph_ql", "CDS Hooks": "cds_hooks"}.get(tag, tag))
            assert found.asyncio_detailed, name


class Caller:
    """A clinician with the generated client."""

    def __init__(self, generated: ModuleType, world: World) -> None:
        self.world, self.models = world, import_module(f"{NAME}.models")
        self.client = logged_in(generated, world, "C11")

    def __call__(self, name: str, *given: Any, **named: Any) -> Any:
        """What an operation gives, as an object of its type."""
        return self.answer(name, *given, **named).parsed

    def answer(self, name: str, *given: Any, **named: Any) -> Any:
        return self.world.run(operation(name).asyncio_detailed(*given, client=self.client, **named))


@pytest.fixture(scope="module")
def call(generated: ModuleType, sqlite_world: World) -> Caller:
    return Caller(generated, sqlite_world)


#: The morning of each of the last forty days.
MORNINGS = [
    datetime.now(UTC).replace(hour=5, minute=30, second=0, microsecond=0) - timedelta(days=day)
    for day in range(40, 0, -1)
]
SCORES = [9.0 + day % 5 for day in range(40)]


@pytest.fixture(scope="module")
def patient_id(call: Caller) -> UUID:
    """A patient who is registered, with a piece of every kind, by objects of the client's types."""
    models = call.models
    (made,) = call("register_patient", body=models.NewPatient(name="Simulated Person", timezone="Europe/Berlin")).ids
    reports = [
        models.Report(symptom="phq9", timestamp=morning, value=score)
        for morning, score in zip(MORNINGS, SCORES, strict=True)
    ]
    stretch = models.Stretch(
        signal="sleep_duration", unit="h", timestamps=MORNINGS, values=[6.0 + day % 7 / 3 for day in range(40)]
    )
    genes = models.GenotypeBodyGenes.from_dict({"CYP2D6": "*4/*4", "CYP2C19": "*1/*2"})
    begun = MORNINGS[20].date()
    for name, body, count in (
        ("add_reports", models.NewReports(reports=reports), 40),
        ("add_biometrics", models.NewSamples(stretches=[stretch]), 1),
        ("add_genotype", models.GenotypeBody(genes=genes), 1),
        ("add_medication", models.Course(medication="sertraline", start=begun, dose_mg=50), 1),
        ("add_condition", models.ConditionBody(name="Depression", onset="2025-11"), 1),
        ("add_allergy", models.AllergyBody(name="Allergy to citalopram", medication="citalopram"), 1),
    ):
        assert len(set(call(name, made, body=body).ids)) == count, name
    return made  # type: ignore[no-any-return]


def test_a_patient_is_followed_and_forecast(call: Caller, patient_id: UUID) -> None:
    listed = call("read_reports", patient_id).items
    assert [(one.symptom, one.timestamp, one.value) for one in listed] == [
        ("PHQ-9", *report) for report in zip(MORNINGS, SCORES, strict=True)
    ]
    (forecast,) = call("forecast_patient", patient_id, horizon=7, threshold=15).forecasts
    assert (forecast.symptom, len(forecast.days), len(forecast.risk.probability)) == ("PHQ-9", 7, 7)
    insights = call("read_insights", patient_id, horizon=7)
    (of_insights,) = insights.results.symptoms.value.forecasts
    assert of_insights.quantiles == forecast.quantiles
    assert [insights.complete, insights.missing.to_dict()] == [True, {}]
    assert insights.results.pharmacogenomics.value.genotype["CYP2D6"]


def test_a_problem_is_an_object_too(call: Caller, patient_id: UUID) -> None:
    wrong = call("forecast_patient", patient_id, horizon=31)
    assert (wrong.status, wrong.errors[0].location) == (422, "query.horizon")
    assert call("read_patient", uuid4()).status == 404


@pytest.mark.parametrize("name", READS)
def test_what_is_read_is_what_was_sent(call: Caller, patient_id: UUID, name: str) -> None:
    answer = call.answer(name, patient_id)
    assert answer.status_code == 200, answer.content
    assert answer.parsed.to_dict() == plain(answer.content)


def test_nobody_is_let_in_without_a_token(generated: ModuleType, sqlite_world: World) -> None:
    client = generated.Client(base_url=BASE, httpx_args={"transport": httpx.ASGITransport(sqlite_world.apps[0])})
    answer = sqlite_world.run(operation("list_patients").asyncio_detailed(client=client))
    assert (answer.status_code, answer.parsed.status) == (401, 401)
