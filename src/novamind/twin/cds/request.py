"""A request of CDS Hooks 2.0 by its form; anything else is refused with what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from novamind.errors import ValidationError
from novamind.twin.cds.services import HOOKS

#: More orders than any prescriber signs at once.
MOST_DRAFTS = 100
_LONGEST_TEXT = 1024

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry of the Bundle of drafts: its resource, and the references that may name it."""

    resource: Resource
    names: frozenset[str]

    @property
    def reference(self) -> str:
        """Return ``Type/id``; empty where the resource has no id."""
        name = self.resource.get("id")
        return f"{self.resource.get('resourceType')}/{name}" if is_text(name) else ""


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One call of a service.

    Attributes
    ----------
    hook
        Hook of the service.
    patient_id
        FHIR id of the patient.
    drafts
        Entries of the draft Bundle, in its order.
    selections
        References to the drafts just chosen.
    prefetch
        Key to what the caller sent under it; ``None`` where it sent null.
    server, authorization
        Address of the caller's FHIR server, and the access token for it; empty where they are not sent.
    """

    hook: str
    patient_id: str
    drafts: tuple[Draft, ...]
    selections: tuple[str, ...]
    prefetch: Mapping[str, Any]
    server: str
    authorization: str

    def with_prefetch(self, fetched: Mapping[str, Any]) -> "HookRequest":
        """Return the request as if more had been sent with it."""
        return replace(self, prefetch={**self.prefetch, **fetched})


def read_request(hook: str, body: Any) -> HookRequest:
    """Return a request by its form.

    Raises
    ------
    ValidationError
        The body is no CDS Hooks 2.0 request for this hook; the message says what is wrong.
    """
    if hook not in HOOKS:
        raise ValidationError(f"no service for this hook; there are {', '.join(HOOKS)}")
    if not isinstance(body, Mapping):
        raise ValidationError("a CDS Hooks request is a JSON object")
    if body.get("hook") != hook:
        raise ValidationError(f"'hook' must be {hook}, the hook of this service")
    if not is_text(body.get("hookInstance")):
        raise ValidationError("'hookInstance' is required: a UUID of this call")
    context = body.get("context")
    if not isinstance(context, Mapping):
        raise ValidationError("'context' is required and must be an object")
    # Drafts of the specification had the user beside the context; we only need to know that there is one.
    if not any(map(is_text, (context.get("userId"), body.get("userId"), body.get("user")))):
        raise ValidationError("'context.userId' is required by CDS Hooks 2.0")
    patient_id = context.get("patientId")
    if not is_text(patient_id):
        raise ValidationError("'context.patientId' is required by CDS Hooks 2.0")
    drafts = () if hook == "patient-view" else _drafts(context.get("draftOrders"))
    selections = context.get("selections") if hook == "order-select" else []
    if not isinstance(selections, list) or not all(map(is_text, selections)):
        raise ValidationError("'context.selections' is required and must be a list of references")
    prefetch = body.get("prefetch")
    if not isinstance(prefetch, Mapping | None):
        raise ValidationError("'prefetch' must be an object")
    server, authorization = body.get("fhirServer"), body.get("fhirAuthorization")
    if server is not None and not is_text(server):
        raise ValidationError("'fhirServer' must be the address of a FHIR server")
    if not isinstance(authorization, Mapping | None):
        raise ValidationError("'fhirAuthorization' must be an object")
    token = (authorization or {}).get("access_token")
    return HookRequest(
        hook,
        str(patient_id).strip().rpartition("/")[2],
        drafts,
        tuple(selections),
        prefetch or {},
        (server or "").strip().rstrip("/"),
        str(token) if is_token(token) else "",
    )


def is_text(value: Any) -> bool:
    """Return whether a value is a text that says something and is not beyond measure."""
    return isinstance(value, str) and bool(value.strip()) and len(value) < _LONGEST_TEXT


def is_token(value: Any) -> bool:
    """Return whether a value can stand in a header of HTTP: printable ASCII, no blank."""
    return isinstance(value, str) and 0 < len(value) < 16384 and all("!" <= sign <= "~" for sign in value)


def _drafts(bundle: Any) -> tuple[Draft, ...]:
    if not isinstance(bundle, Mapping) or bundle.get("resourceType") != "Bundle":
        raise ValidationError("'context.draftOrders' is required and must be a Bundle")
    entries = bundle.get("entry")
    if not isinstance(entries, list | None):
        raise ValidationError("'context.draftOrders.entry' must be a list")
    if len(entries or ()) > MOST_DRAFTS:
        raise ValidationError(f"'context.draftOrders' must hold at most {MOST_DRAFTS} entries; send fewer at once")
    drafts = []
    for entry in entries or ():
        resource = entry.get("resource") if isinstance(entry, Mapping) else None
        if not isinstance(resource, Mapping) or not is_text(resource.get("resourceType")):
            raise ValidationError("each entry of 'context.draftOrders' must hold a 'resource' with its 'resourceType'")
        draft = Draft(resource, frozenset())
        names = {name for name in (draft.reference, entry.get("fullUrl")) if is_text(name)}
        drafts.append(Draft(resource, frozenset(names)))
    return tuple(drafts)
