"""The schema: types that show what REST gives, and resolvers that ask the clinic in the caller's name.

Results are handed over as REST's own forms, and their types are made of these (:mod:`.types`). What a list asks of each
patient is gathered by a loader for each use case, so that a page costs as many queries as one patient.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final, TypeVar, dataclass_transform
from uuid import UUID

import strawberry
from graphql import GraphQLError
from strawberry.dataloader import DataLoader
from strawberry.extensions import SchemaExtension
from strawberry.federation.schema import FederationAny
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, Info

from novamind.biometrics.codec import PersonLinksBody
from novamind.clinic import Answers, Clinic, PatientSummary
from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.identity.domain import Principal
from novamind.infrastructure.patient_store import StoredRecord
from novamind.pharmacogenomics.codec import ReviewBody
from novamind.server.graphql.limits import LONGEST_LIST, parsed
from novamind.server.graphql.types import part, type_of
from novamind.server.patients import AuditEntryBody, AuditTrail, stored_reports
from novamind.symptoms.codec import ForecastsBody
from novamind.twin.case import Case
from novamind.twin.codec import InsightsBody
from novamind.twin.domain import Options

T = TypeVar("T")
_PAGE: Final = 20
_MOST_REPORTS: Final = 500


class Asking:
    """Who asks, and what this one request has read already."""

    def __init__(self, clinic: Clinic, caller: Principal) -> None:
        self.clinic, self.caller = clinic, caller
        self.summaries: DataLoader[UUID, PatientSummary] = DataLoader(self._each(clinic.summaries))
        self.cases: DataLoader[UUID, Case] = DataLoader(self._each(clinic.cases))
        self.histories: DataLoader[tuple[UUID, int | None], list[StoredRecord]] = DataLoader(self._histories)

    def _each(self, use_case: Callable[[Principal, Collection[UUID]], Awaitable[Answers[Any]]]) -> Callable[..., Any]:
        async def load(patient_ids: list[UUID]) -> list[Any]:
            answers = await use_case(self.caller, patient_ids)
            return [answers[patient_id] for patient_id in patient_ids]

        return load

    async def _histories(self, keys: list[tuple[UUID, int | None]]) -> list[Any]:
        wanted = sorted({newest for _, newest in keys}, key=lambda newest: (newest is None, newest))
        histories = {
            newest: await self.clinic.histories(
                self.caller, [patient_id for patient_id, n in keys if n == newest], newest
            )
            for newest in wanted
        }
        return [histories[newest][patient_id] for patient_id, newest in keys]


Asked = Info[Asking, None]


@dataclass_transform()
def _type(described: type[T]) -> type[T]:
    """Return a type whose description is its docstring."""
    return strawberry.type(described, description=inspect.getdoc(described))


def _field(of: object = None) -> Callable[[Callable[..., Any]], Any]:
    """Return a field described by its docstring; ``of`` is its type where the resolver gives REST's own body."""

    def made(resolver: Callable[..., Any]) -> Any:
        return strawberry.field(resolver, graphql_type=of, description=inspect.getdoc(resolver))

    return made


@_type
class SymptomReport:
    """One report of one symptom, as it was stored."""

    id: UUID
    recorded_at: datetime
    symptom: str
    timestamp: datetime
    value: float


@_type
class Course:
    """A medication taken from one day to another."""

    medication: str
    start: date | None
    end: date | None
    dose_mg: float | None
    stopped: bool


@strawberry.federation.type(keys=["id"], description="A patient whom the caller may see.")
class Patient:
    """A patient whom the caller may see."""

    id: UUID
    identifiers: JSON
    name: str | None
    birth_date: date | None
    gender: str | None
    timezone: str | None

    @classmethod
    def of(cls, summary: PatientSummary) -> "Patient":
        """Return the GraphQL form of the clinic's summary."""
        details = summary.details
        born = details.get("birth_date")
        return cls(
            id=summary.patient_id,
            identifiers=JSON(dict(summary.identifiers)),
            name=details.get("name"),
            birth_date=date.fromisoformat(born) if born else None,
            gender=details.get("gender"),
            timezone=details.get("timezone"),
        )

    @_field(list[SymptomReport] | None)
    async def symptoms(self, info: Asked, newest: int = 100) -> Any:
        """The newest reports, the first stored first."""
        _check("newest", newest, _MOST_REPORTS)
        return stored_reports(await info.context.histories.load((self.id, newest)))

    @_field(list[Course] | None)
    async def medications(self, info: Asked) -> Any:
        """Courses of medication, the first stored first."""
        return (await info.context.cases.load(self.id)).record.medications

    @_field(JSON | None)
    async def genotype(self, info: Asked) -> Any:
        """Gene to result; none where consent was withdrawn."""
        return dict((await info.context.cases.load(self.id)).record.genotype)

    @_field(type_of(ForecastsBody) | None)
    async def forecasts(
        self, info: Asked, horizon: int = 14, threshold: float | None = None, *, explain: bool = False
    ) -> Any:
        """The forecast of each symptom, with intervals, and where asked for with what moved it."""
        _check("horizon", horizon, 30)
        case = await info.context.cases.load(self.id)
        forecasts = await info.context.clinic.forecast_of(case, horizon)
        return await asyncio.to_thread(ForecastsBody.of, forecasts, threshold, explain=explain)

    @_field(type_of(PersonLinksBody) | None)
    async def leading_signals(self, info: Asked, lookback_days: int = 30) -> Any:
        """Which signals lead which symptoms."""
        _check("lookbackDays", lookback_days, 3650, least=7)
        case = await info.context.cases.load(self.id)
        correlations = await info.context.clinic.twin.correlate(case, lookback_days)
        return await asyncio.to_thread(PersonLinksBody.of, correlations.person())

    @_field(type_of(ReviewBody) | None)
    async def medication_advice(self, info: Asked, medication: str | None = None) -> Any:
        """A review of one drug, or of all psychiatric ones."""
        if medication is not None and not 1 <= len(medication) <= 100:
            raise ValidationError("medication must have 1 to 100 characters")
        case = await info.context.cases.load(self.id)
        review = await info.context.clinic.twin.advice(case, medication)
        return await asyncio.to_thread(ReviewBody.of, review)

    @_field(type_of(InsightsBody) | None)
    async def insights(self, info: Asked, horizon: int = 14, lookback_days: int = 30) -> Any:
        """What all services say together."""
        _check("horizon", horizon, 30)
        _check("lookbackDays", lookback_days, 3650, least=7)
        case = await info.context.cases.load(self.id)
        options = Options(forecast_days=horizon, biometric_lookback_days=lookback_days)
        insights = (await info.context.clinic.overview_of(info.context.caller, case, options)).insights
        return await asyncio.to_thread(InsightsBody.of, insights)


@strawberry.type
class Query:
    """What can be asked."""

    @_field()
    async def patients(self, info: Asked, limit: int = _PAGE, after: UUID | None = None) -> list[Patient] | None:
        """Patients whom the caller may see, in the order of their ids; `after` the last one."""
        _check("limit", limit, LONGEST_LIST)
        summaries = await info.context.clinic.patients(info.context.caller, after, limit)
        for summary in summaries:
            info.context.summaries.prime(summary.patient_id, summary)
        return [Patient.of(summary) for summary in summaries]

    @_field()
    async def patient(self, info: Asked, id: UUID) -> Patient | None:  # noqa: A002 - the name of the key
        """One patient."""
        return Patient.of(await info.context.summaries.load(id))

    @_field(list[type_of(AuditEntryBody)] | None)  # type: ignore[misc]
    async def audit_trail(self, info: Asked, patient_id: UUID, newest: int = 100) -> Any:
        """Who looked at or changed the record of one patient, the newest first."""
        _check("newest", newest, 1000)
        entries = await info.context.clinic.audit_trail(info.context.caller, patient_id, newest)
        return AuditTrail.model_validate({"entries": entries}).entries


class Schema(strawberry.federation.Schema):
    """The schema; the endpoint logs what goes wrong."""

    def entities_resolver(self, info: Asked, representations: list[FederationAny]) -> list[FederationAny]:
        """Resolve what a gateway refers to."""
        return [_entity(info, representation) for representation in representations]  # type: ignore[misc]

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Leave it to the endpoint."""


def schema(*, introspection: bool) -> Schema:
    """Return the schema.

    Parameters
    ----------
    introspection
        Whether its form may be asked for.
    """

    class Bounded(SchemaExtension):
        def on_parse(self) -> Iterator[None]:
            asked = self.execution_context
            asked.graphql_document = parsed(
                asked.query or "", asked.variables or {}, asked.operation_name, introspection=introspection
            )
            yield

    return Schema(Query, extensions=[Bounded], config=StrawberryConfig(default_resolver=part))


async def _entity(info: Asked, representation: Any) -> Patient:
    fields = representation if isinstance(representation, Mapping) else {}
    if fields.get("__typename") != "Patient":
        raise NotFoundError("there is no entity of this type here")
    try:
        patient_id = UUID(str(fields.get("id")))
    except ValueError as error:
        raise ValidationError("the id of an entity is no UUID") from error
    return Patient.of(await info.context.summaries.load(patient_id))


def _check(name: str, value: int, most: int, least: int = 1) -> None:
    if not least <= value <= most:
        raise ValidationError(f"{name} must be {least} to {most}")
