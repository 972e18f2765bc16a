"""A patient as a clinician reaches them over the wire, and everything that can be asked about them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import polars as pl

from novamind.infrastructure.identity.domain import Permission
from tests.golden import plain
from tests.server.world import World


class Patient:
    """A patient as one clinician reaches them."""

    def __init__(self, world: World, zone: str | None) -> None:
        self.world, self.zone = world, zone
        made = world.call("POST", "/api/v1/patients", "C11", json={"name": "x", "timezone": zone})
        self.id = str(made.json()["ids"][0])
        self.at = f"/api/v1/patients/{self.id}"

    def ask(self, method: str, path: str, **options: Any) -> Any:
        return self.world.call(method, f"{self.at}/{path}", "C11", **options)

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def lists(self) -> dict[str, Any]:
        """Every list of what is stored, without ids and versions."""
        return {name: _bare(self.get(name)) for name in LISTS}

    def case(self) -> dict[str, Any]:
        """What the twin is asked about."""
        world = self.world
        caller = world.run(world.container.identity.sessions.authenticate(world.tokens["C11"], UUID(self.id)))
        case = world.run(world.container.clinic.case(caller, UUID(self.id), Permission.RESULTS_READ))
        record = case.record
        return {
            "symptoms": [] if case.observed is None else _rows(case.observed),
            "signals": [] if case.signals is None else _rows(case.signals),
            "medications": _placeless(record.medications),
            "genotype": dict(record.genotype),
            "conditions": _placeless(record.conditions),
            "allergies": _placeless(record.allergies),
            "scales": plain(case.scales),
            "notes": case.notes,
        }


LISTS = (
    "reports?newest=5000",
    "biometrics",
    "scales",
    "genotype",
    "genotype/results",
    "medications",
    "problems",
    "imports",
    "consents",
)


def _bare(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: _bare(inner) for name, inner in answer.items() if name not in ("id", "version", "recorded_at")}
    return [_bare(inner) for inner in answer] if isinstance(answer, list) else answer


def _placeless(pieces: Sequence[Any]) -> list[Any]:
    """Pieces, wherever in its file each was read."""
    return [plain(replace(one, source="")) for one in pieces]


def _rows(frame: pl.DataFrame) -> list[Any]:
    """Rows with what can be said of no patient in particular."""
    return [[str(cell) for cell in row] for row in frame.drop("patient_id").rows()]


#: What is computed of a patient, and what it may say where it cannot be.
COMPUTED: dict[str, tuple[str, str, Any]] = {
    "forecast": ("GET", "forecast", None),
    "forecast of a threshold": ("GET", "forecast?horizon=3&threshold=10", None),
    "insights": ("GET", "insights?lookback_days=120", None),
    "links": ("GET", "correlations?lookback_days=120", None),
    "record": ("GET", "fhir", None),
    "record with results": ("GET", "fhir?with_insights=true", None),
    "advice": ("POST", "medication-advice", {}),
    "advice on a drug": ("POST", "medication-advice", {"medication": "paroxetine"}),
    "what if": ("POST", "what-if", {"drug": "sertraline", "dose_mg": 50, "weeks": 1, "ensemble": 2}),
    "audit": ("GET", "audit", None),
}
PAGES = ("", "/changes", "/insights", "/tracking", "/consents", "/audit", "/upload")
PARTIAL = re.compile(
    r"the record holds no |no symptom of the record has a known range|nothing to forecast: at least 4 days"
    r"|the last \d+ days of the record do not hold|no pair could be analysed"
)
QUESTION = """query ($id: UUID!) { patient(id: $id) { name symptoms(newest: 500) { symptom value }
  medications { medication } genotype forecasts { skipped { reason } } medicationAdvice { ranking }
  leadingSignals { links { signal } }
  insights { missing { name value } notes } } }"""


def answered(patient: Patient, name: str) -> None:
    """Ask for one of the things that are computed: it is there, or the reason is one that a clinician can mend."""
    method, path, body = COMPUTED[name]
    answer = patient.ask(method, path, **({} if body is None else {"json": body}))
    said = answer.json()
    if answer.status_code == 422:
        assert said["type"].endswith("insufficient-data"), (name, said)
        assert PARTIAL.search(said["detail"]), (name, said)
    else:
        assert answer.status_code == 200, (name, answer.text)
    if name == "insights":
        for reason in said["missing"].values():
            assert reason.startswith("no data: "), reason


def shown(patient: Patient, part: str) -> str:
    """Open a page of the patient; its text."""
    answer = patient.world.call("GET", f"/patients/{patient.id}{part}", "C11", headers={"Accept": "text/html"})
    assert answer.status_code == 200, (part, answer.text[:500])
    return str(answer.text)


def asked(patient: Patient) -> None:
    """Everything in one question of GraphQL."""
    body = {"query": QUESTION, "variables": {"id": patient.id}}
    answer = patient.world.call("POST", "/graphql", "C11", json=body).json()
    for error in answer.get("errors", ()):
        assert error["extensions"]["code"] == "insufficient-data", error
        assert PARTIAL.search(error["message"]), error
    assert answer["data"]["patient"]["insights"] is not None


QUESTIONS: tuple[Callable[[Patient], Any], ...] = (
    *(lambda patient, name=name: answered(patient, name) for name in COMPUTED),
    *(lambda patient, part=part: shown(patient, part) for part in PAGES),
    asked,
)  # fmt: skip
