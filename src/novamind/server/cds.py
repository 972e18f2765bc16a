"""CDS Hooks 2.0 on the wire: which services there are, and cards for a request that brings everything with it.

The forms below describe the JSON of the specification; :mod:`novamind.twin.cds` checks a request itself, because
the specification asks for 400 where it is wrong.
"""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from fastapi import APIRouter, Body, Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, SkipValidation
from typing_extensions import TypedDict

from novamind.errors import ValidationError
from novamind.infrastructure.identity.domain import Permission
from novamind.server.cds_fetch import completed
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.fhir.outcomes import outcome
from novamind.server.middleware import HOOKS
from novamind.server.problems import FHIR_JSON, problem
from novamind.twin.cds import PrefetchError, answer, discovery, read_request

routes = APIRouter(prefix=HOOKS, tags=["CDS Hooks"])

_UNMET = "Prefetch is missing, not whole or of another patient: an OperationOutcome with an issue for each key."

Hook = Literal["patient-view", "order-select", "order-sign"]


class Service(TypedDict):
    """A service that is offered."""

    hook: Annotated[Hook, Field(description="When it is called.")]
    id: Annotated[str, Field(description="Last part of its address.")]
    title: Annotated[str, Field(description="Name to show.")]
    description: Annotated[str, Field(description="What it does.")]
    prefetch: Annotated[dict[str, str], Field(description="Key to the FHIR query whose answer a request should bring.")]
    usageRequirements: Annotated[str, Field(description="What a caller has to send.")]


class Services(TypedDict):
    """The services that are offered."""

    services: Annotated[list[Service], Field(description="One for each hook.")]


class Coding(TypedDict):
    """A code of a terminology."""

    system: Annotated[str, Field(description="URI of the terminology.")]
    code: Annotated[str, Field(description="Code.")]
    display: Annotated[str, Field(description="The code in words.")]


class CardSource(TypedDict):
    """Where a card comes from."""

    label: Annotated[str, Field(description="Name to show.")]
    url: NotRequired[Annotated[str, Field(description="Address of the source that leads.")]]
    topic: Annotated[Coding, Field(description="What the card is about.")]


class FhirResource(TypedDict):
    """A FHIR R4 resource or Bundle; its other elements are those of FHIR."""

    resourceType: Annotated[str, Field(description="Kind of resource.", examples=["Bundle"])]


class DrugConcept(TypedDict):
    """A drug by its name and codes."""

    coding: NotRequired[Annotated[list[Coding], Field(description="Codes of RxNorm and ATC.")]]
    text: Annotated[str, Field(description="Generic name.")]


class Subject(TypedDict):
    """Whom an order is for."""

    reference: Annotated[str, Field(description="Reference to the Patient.")]


class DoseQuantity(TypedDict):
    """An amount."""

    value: Annotated[float, Field(description="Amount.")]
    unit: Annotated[Literal["mg"], Field(description="Unit in words.")]
    system: Annotated[str, Field(description="URI of UCUM.")]
    code: Annotated[Literal["mg"], Field(description="Unit.")]


class DoseAndRate(TypedDict):
    """How much at a time."""

    doseQuantity: Annotated[DoseQuantity, Field(description="Amount of one dose.")]


class Repeat(TypedDict):
    """How often."""

    frequency: Annotated[int, Field(description="Doses in a period.")]
    period: Annotated[float, Field(description="Length of the period.")]
    periodUnit: Annotated[Literal["d"], Field(description="Its unit: days.")]


class DoseTiming(TypedDict):
    """When it is taken."""

    repeat: Annotated[Repeat, Field(description="How often.")]


class DraftDosage(TypedDict):
    """A dosage of FHIR R4."""

    text: Annotated[str, Field(description="The dosage in words.")]
    timing: Annotated[DoseTiming, Field(description="When.")]
    doseAndRate: Annotated[list[DoseAndRate], Field(description="How much.")]


class DraftOrder(TypedDict):
    """A MedicationRequest of FHIR R4 as a proposal, with the labelled starting dose where there is one."""

    resourceType: Annotated[Literal["MedicationRequest"], Field(description="Kind of resource.")]
    status: Annotated[Literal["draft"], Field(description="It is no order yet.")]
    intent: Annotated[Literal["proposal"], Field(description="It is not authorised.")]
    medicationCodeableConcept: Annotated[DrugConcept, Field(description="Drug.")]
    subject: Annotated[Subject, Field(description="Patient.")]
    dosageInstruction: NotRequired[Annotated[list[DraftDosage], Field(description="Labelled starting dose.")]]


class CardAction(TypedDict):
    """A change that a suggestion makes."""

    type: Annotated[Literal["create", "delete"], Field(description="Kind of change.")]
    description: Annotated[str, Field(description="The change in words.")]
    resource: NotRequired[Annotated[DraftOrder, Field(description="What to create.")]]
    resourceId: NotRequired[Annotated[str, Field(description="Reference to the draft order to delete.")]]


class Suggestion(TypedDict):
    """A way to follow a card; its actions belong together."""

    uuid: Annotated[str, Field(description="Identifier, the same for the same suggestion.")]
    label: Annotated[str, Field(description="Name to show.")]
    actions: Annotated[list[CardAction], Field(description="What it changes.")]


class CardLink(TypedDict):
    """A page to read."""

    label: Annotated[str, Field(description="Name to show.")]
    url: Annotated[str, Field(description="Address.")]
    type: Annotated[Literal["absolute"], Field(description="It is opened as it stands.")]


class Card(TypedDict):
    """One piece of advice."""

    uuid: Annotated[str, Field(description="Identifier, the same for the same advice.")]
    summary: Annotated[str, Field(max_length=139, description="Advice in one line.")]
    detail: Annotated[str, Field(description="Advice with its sources, in Markdown.")]
    indicator: Annotated[Literal["info", "warning", "critical"], Field(description="How urgent it is.")]
    source: Annotated[CardSource, Field(description="Where it comes from.")]
    suggestions: NotRequired[Annotated[list[Suggestion], Field(description="Ways to follow it.")]]
    selectionBehavior: NotRequired[Annotated[Literal["at-most-one"], Field(description="How many may be accepted.")]]
    overrideReasons: NotRequired[Annotated[list[Coding], Field(description="Reasons not to follow it.")]]
    links: NotRequired[Annotated[list[CardLink], Field(description="Pages to read.")]]


class Cards(TypedDict):
    """Cards to show."""

    cards: Annotated[list[Card], Field(description="The most urgent first.")]


class HookContext(TypedDict):
    """Where the user stands in the EHR."""

    userId: Annotated[str, Field(description="Reference to the user.")]
    patientId: Annotated[str, Field(description="FHIR id of the patient.")]
    encounterId: NotRequired[Annotated[str, Field(description="FHIR id of the encounter; not used.")]]
    selections: NotRequired[
        Annotated[list[str], Field(description="References to the draft orders just chosen; order-select needs them.")]
    ]
    draftOrders: NotRequired[
        Annotated[FhirResource, Field(description="Bundle of draft orders; the hooks of orders need it.")]
    ]


class FhirAuthorization(TypedDict):
    """Access to the FHIR server for this call."""

    access_token: Annotated[str, Field(description="Token.")]
    token_type: Annotated[Literal["Bearer"], Field(description="Kind of token.")]
    expires_in: Annotated[int, Field(description="Seconds that are left.")]
    scope: Annotated[str, Field(description="What it opens.")]
    subject: Annotated[str, Field(description="Client id of this service at that server.")]


class HookRequest(TypedDict):
    """A call of a service (CDS Hooks 2.0)."""

    hook: Annotated[Hook, Field(description="Hook of the service that is called.")]
    hookInstance: Annotated[str, Field(description="UUID of this call.")]
    context: Annotated[HookContext, Field(description="Where the user stands in the EHR.")]
    prefetch: NotRequired[
        Annotated[
            dict[str, FhirResource | None],
            Field(description="Key of the service's queries to the answer, whole and of this patient."),
        ]
    ]
    fhirServer: NotRequired[
        Annotated[str, Field(description="Address of the FHIR server; read for what is left out where it is listed.")]
    ]
    fhirAuthorization: NotRequired[
        Annotated[FhirAuthorization, Field(description="Access to that server; used for this call alone.")]
    ]


class AcceptedSuggestion(BaseModel):
    """A suggestion that was followed."""

    id: Annotated[UUID, Field(description="Its uuid.")]


class GivenReason(BaseModel):
    """A coded reason not to follow a card."""

    code: Annotated[str, Field(max_length=200, description="Code.")]
    system: Annotated[str | None, Field(max_length=500, description="URI of the terminology.")] = None
    display: Annotated[str | None, Field(max_length=500, description="The code in words.")] = None


class Override(BaseModel):
    """Why a card was not followed."""

    reason: Annotated[GivenReason | None, Field(description="Reason of the card's list.")] = None
    userComment: Annotated[  # noqa: N815 - the specification's spelling
        str | None, Field(max_length=4000, description="Words of the clinician; sealed.")
    ] = None


class CardOutcome(BaseModel):
    """What became of a card."""

    card: Annotated[UUID, Field(description="Its uuid.")]
    outcome: Annotated[Literal["accepted", "overridden"], Field(description="Followed or not.")]
    acceptedSuggestions: Annotated[  # noqa: N815
        list[AcceptedSuggestion], Field(max_length=100, description="Suggestions that were followed.")
    ] = []
    overrideReason: Annotated[Override | None, Field(description="Why it was not followed.")] = None  # noqa: N815
    outcomeTimestamp: Annotated[datetime, Field(description="When.")]  # noqa: N815


class Feedback(BaseModel):
    """Feedback on cards (CDS Hooks 2.0)."""

    feedback: Annotated[list[CardOutcome], Field(min_length=1, max_length=100, description="One for each card.")]


class Kept(BaseModel):
    """How much was kept."""

    kept: Annotated[int, Field(description="Number of cards.")]


@routes.get("", operation_id="cdsServices", response_model=Services)
async def services() -> dict[str, Any]:
    """List the services (CDS Hooks discovery)."""
    return discovery()


@routes.post(
    "/novamind-{hook}",
    operation_id="cdsCards",
    response_model=Cards,
    responses={
        412: {"description": _UNMET, "content": {FHIR_JSON: {"schema": {"$ref": "#/components/schemas/OutcomeBody"}}}}
    },
)
async def cards(
    container: ContainerDep,
    caller: Caller,
    hook: Annotated[Hook, Path(description="Hook of the service.")],
    request: Annotated[HookRequest, SkipValidation, Body(title="HookRequest")],
) -> Any:
    """Give cards for a request; nothing of it is kept. What it left out is read from a listed server."""
    await container.identity.access.permit(caller, Permission.CALCULATE)
    today = datetime.now(UTC).date()
    try:
        asked = await completed(read_request(hook, request), container.settings.cds_fhir_servers)
        return await asyncio.to_thread(answer, asked, today, container.settings)
    except PrefetchError as error:  # the specification asks for 412
        texts = [f"prefetch '{key}' {reason}" for key, reason in error.faults.items()]
        return JSONResponse(outcome("error", "required", *texts), 412, media_type=FHIR_JSON)
    except ValidationError as error:  # the specification asks for 400
        return problem(400, "cds-request", str(error))


@routes.post("/novamind-{hook}/feedback", operation_id="cdsFeedback")
async def feedback(
    container: ContainerDep,
    caller: Caller,
    hook: Annotated[Hook, Path(description="Hook of the service.")],
    outcomes: Feedback,
) -> Kept:
    """Keep what clinicians did with cards, sealed and for a year."""
    access = await container.identity.access.permit(caller, Permission.CALCULATE)
    entries = [
        {"hook": hook, **outcome.model_dump(mode="json", exclude_defaults=True)} for outcome in outcomes.feedback
    ]
    await container.card_feedback.keep(caller.subject, access, entries)
    return Kept(kept=len(entries))
