"""What was sent with a request: whose it is, whether it is whole, and what is missing."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from novamind.errors import ValidationError
from novamind.twin.cds.request import HookRequest, Resource
from novamind.twin.cds.services import CONTENTS, GENE_RESULTS, PREFETCH

_FAILURES = ("error", "fatal")
_BESIDE = ("include", "outcome")
#: What may stand beside the matches of a search.
_WITH_ANY = (
    "Patient",
    "Medication",
    "OperationOutcome",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Encounter",
)
_LONGEST_KIND = 40


class PrefetchError(ValidationError):
    """Prefetch that a service needs is missing, not whole, or another patient's; ``faults`` has key to reason."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        listed = "; ".join(f"prefetch '{key}' {reason}" for key, reason in faults.items())
        super().__init__(f"{listed}: send it whole, for this patient")
        self.faults = dict(faults)


def faults(request: HookRequest) -> dict[str, str]:
    """Return prefetch key to what makes it of no use; empty where all that was sent can be used."""
    wrong = {}
    for key, sent in request.prefetch.items():
        reason = _fault(sent, request) if sent is not None else None
        if reason is not None:
            wrong[_shown(key)] = reason
    if "patient" not in wrong and not any(_is_patient(r, request.patient_id) for r in resources(request)):
        absent = "is null" if "patient" in request.prefetch else "is missing"
        wrong["patient"] = f"{absent}: a request needs the Patient of context.patientId"
    return wrong


def gaps(request: HookRequest) -> tuple[str, ...]:
    """Return a line for the parts of the record that were not sent, and for those that were sent as null."""
    needed = [key for key in PREFETCH if key not in ("patient", "laboratory") and not is_brought(key, request)]
    absent = [CONTENTS[key] for key in needed if key not in request.prefetch]
    null = [CONTENTS[key] for key in (*needed, "laboratory") if request.prefetch.get(key, key) is None]
    lines = ((absent, "not sent with the request"), (null, "sent as null, which counts as none on record"))
    return tuple(f"{', '.join(names)}: {reason}." for names, reason in lines if names)


def is_brought(key: str, request: HookRequest) -> bool:
    """Return whether a request brings what a key asks for, under this key or another."""
    in_place = request.prefetch.get(key) is not None
    return in_place or any(key in _keys_of(resource) for resource in resources(request))


def strangers(request: HookRequest) -> tuple[str, ...]:
    """Return a line for what lies under a key of ours and is not what its query asks for, so that it is not read."""
    counts: Counter[tuple[str, str]] = Counter()
    for key, query in PREFETCH.items():
        for _, resource in _entries(request.prefetch.get(key)):
            kind = str(resource.get("resourceType"))
            is_other = kind != re.split("[/?]", query)[0] and kind not in _WITH_ANY
            if is_other or (key == "genomics" and kind == "Observation" and key not in _keys_of(resource)):
                counts[key, kind if kind.isalpha() and len(kind) < _LONGEST_KIND else "resource"] += 1
    return tuple(
        f"{CONTENTS[key]}: {count} {kind} of a kind that is not read here." for (key, kind), count in counts.items()
    )


def resources(request: HookRequest) -> tuple[Resource, ...]:
    """Return the resources that were sent, out of their Bundles, with the patient named relative to the server."""
    entries = [entry for sent in request.prefetch.values() for entry in _entries(sent)]
    own = _addresses(entries, request)
    return tuple(_at_home(resource, own, request.patient_id) for _, resource in entries)


def names_patient(reference: str, request: HookRequest) -> bool:
    """Return whether a reference is to the patient of the request, on the server that asks."""
    return reference.partition("/_history/")[0] in _addresses((), request)


def _addresses(entries: Iterable[tuple[str, Resource]], request: HookRequest) -> frozenset[str]:
    """Return the references that name the patient: on the server that asks, and by the address in a Bundle."""
    own = f"Patient/{request.patient_id}"
    beside = [address for address, resource in entries if address and _is_patient(resource, request.patient_id)]
    return frozenset([own, *([f"{request.server}/{own}"] if request.server else []), *beside])


def _at_home(resource: Resource, own: frozenset[str], patient_id: str) -> Resource:
    """Return a resource whose patient is named relative to the server that asks."""
    home = dict(resource)
    for name in ("subject", "patient"):
        reference = home.get(name)
        text = reference.get("reference") if isinstance(reference, Mapping) else None
        if isinstance(text, str) and text.partition("/_history/")[0] in own:
            home[name] = {**reference, "reference": f"Patient/{patient_id}"}  # type: ignore[dict-item]
    return home


def _keys_of(resource: Resource) -> Iterator[str]:
    """Yield the key whose query a resource answers."""
    kind, code = resource.get("resourceType"), resource.get("code")
    codings = code.get("coding") if isinstance(code, Mapping) else None
    codes = {c.get("code") for c in _list(codings) if isinstance(c, Mapping) and isinstance(c.get("code"), str)}
    if kind == "Observation":
        if codes & set(GENE_RESULTS):
            yield "genomics"
    else:
        yield from (key for key, query in PREFETCH.items() if query.startswith(f"{kind}?"))


def _entries(sent: Any) -> Iterator[tuple[str, Resource]]:
    """Yield the address and the resource of each entry of a Bundle; of a lone resource without an address."""
    sent = _bare(sent)
    if not isinstance(sent, Mapping):
        return
    if sent.get("resourceType") != "Bundle":
        yield "", sent
        return
    for entry in _list(sent.get("entry")):
        resource = entry.get("resource") if isinstance(entry, Mapping) else None
        if isinstance(resource, Mapping):
            address = entry.get("fullUrl")
            yield (address if isinstance(address, str) else ""), resource


def _bare(sent: Any) -> Any:
    """Return a resource without the response in which drafts of the specification wrapped it."""
    is_wrapped = isinstance(sent, Mapping) and "resourceType" not in sent and isinstance(sent.get("resource"), Mapping)
    return sent["resource"] if is_wrapped else sent


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _fault(sent: Any, request: HookRequest) -> str | None:
    sent = _bare(sent)
    if not isinstance(sent, Mapping) or not isinstance(sent.get("resourceType"), str):
        return "is no FHIR resource"
    if sent["resourceType"] == "Bundle":
        if reason := _fault_of_bundle(sent):
            return reason
    elif sent["resourceType"] == "OperationOutcome":
        return "is an OperationOutcome in place of the data"
    entries = [*_entries(sent)]
    own = _addresses(entries, request)
    for _, resource in entries:
        if reason := _fault_of_resource(resource, own, request.patient_id):
            return reason
    return None


def _fault_of_bundle(bundle: Resource) -> str | None:
    entries = bundle.get("entry", [])
    links = bundle.get("link", [])
    if not isinstance(entries, list) or not isinstance(links, list):
        return "is a Bundle whose entries or links are no list"
    if any(isinstance(link, Mapping) and link.get("relation") == "next" for link in links):
        return "is one page of several"
    matches = 0
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("resource"), Mapping):
            return "is a Bundle with an entry that holds no resource"
        search = entry.get("search")
        matches += not (isinstance(search, Mapping) and search.get("mode") in _BESIDE)
    total = bundle.get("total")
    if isinstance(total, int) and total > matches:
        return "holds fewer entries than its total says"
    return None


def _fault_of_resource(resource: Resource, own: frozenset[str], patient_id: str) -> str | None:
    kind = resource.get("resourceType")
    if kind == "Bundle":
        return "holds a Bundle within a Bundle"
    if kind == "OperationOutcome":
        issues = [issue for issue in _list(resource.get("issue")) if isinstance(issue, Mapping)]
        return "holds an error in place of data" if any(i.get("severity") in _FAILURES for i in issues) else None
    if kind == "Patient":
        return None if _is_patient(resource, patient_id) else "is of another patient"
    for name in ("subject", "patient"):
        reference = resource.get(name)
        text = reference.get("reference") if isinstance(reference, Mapping) else None
        if isinstance(text, str) and text.partition("/_history/")[0] not in own:
            return "holds an entry of another patient"
    return None


def _is_patient(resource: Resource, patient_id: str) -> bool:
    return resource.get("resourceType") == "Patient" and resource.get("id") == patient_id


def _shown(key: str) -> str:
    """Return a key of ours; another may be anything, so it is not repeated."""
    return key if key in PREFETCH else "of another key"
