"""What a FHIR reference names: a server, a type and an id, never its last segment alone.

The rules of R4 (Bundle, "Resolving references in Bundles"; References, "Literal References"): a relative reference
starts at the server of the entry in which it stands, that is, at its ``fullUrl``; a version (``/_history/2``) names the
same resource; types and ids are case-sensitive.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

_LONGEST = 2048
_RESTFUL = re.compile(r"(?:(https?)://([^/?#]+)((?:/[^/?#]+)*?)/)?([A-Z][A-Za-z]+)/([^/?#|]+)(?:/_history/[^/?#]+)?/?")
_CONDITIONAL = re.compile(r"(?:(?:https?://[^?#]+/)?([A-Z][A-Za-z]+))\?identifier=([^&#]+)")
#: The element that names the person, where it is not ``subject``.
_SUBJECT = {"AllergyIntolerance": "patient", "Consent": "patient"}


class Address(NamedTuple):
    """Where a resource lives; ``server`` is empty where the file does not say it."""

    server: str
    kind: str
    id: str


class Identifier(NamedTuple):
    """A business identifier, such as a medical record number; ``system`` is empty where there is none."""

    system: str
    value: str


#: The system of a search that names none; ``|value`` means an identifier without a system.
ANY_SYSTEM = "*"
#: What one resource is known by: its address, or a ``fullUrl`` that is none, such as ``urn:uuid:...``.
Key = Address | str


class Names(NamedTuple):
    """What a resource is known by.

    Attributes
    ----------
    key
        Its address or ``fullUrl``; ``None`` where it has neither ``fullUrl`` nor id.
    relative
        The address by which relative references name it; ``None`` where it has no id.
    server
        Where its own relative references start; empty where it is not known.
    """

    key: Key | None
    relative: Address | None
    server: str
    identifiers: frozenset[Identifier]


class Target(NamedTuple):
    """What a ``Reference`` writes; ``address`` and ``search`` are two ways to understand its ``text``."""

    text: str
    kind: str
    identifier: Identifier | None
    address: Address | None
    search: tuple[str, Identifier] | None


def address(text: str) -> Address | None:
    """Return the address that a reference or a ``fullUrl`` writes; ``None`` where it has another form."""
    match = _RESTFUL.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    scheme, host, path, kind, own = match.groups()
    return Address(f"{scheme}://{host.lower()}{path}" if scheme else "", kind, own)


def names_of(kind: str, full_url: str, resource: Mapping[str, Any]) -> Names:
    """Return what a resource is known by."""
    written, own = address(full_url), resource.get("id")
    server = written.server if written is not None else ""
    marks = identifiers(resource.get("identifier"))
    if written is not None and written.kind == kind:
        return Names(written, written, server, marks)
    relative = Address("", kind, own.strip()) if isinstance(own, str) and own.strip() else None
    return Names(full_url or relative, relative, server, marks)


def identifiers(value: Any) -> frozenset[Identifier]:
    """Return the identifiers in an element; those without a value are none."""
    return frozenset(
        Identifier(item["system"].strip() if isinstance(item.get("system"), str) else "", item["value"].strip())
        for item in (value if isinstance(value, list) else [value])
        if isinstance(item, dict) and isinstance(item.get("value"), str) and item["value"].strip()
    )


def searched(identifier: Identifier) -> tuple[Identifier, Identifier]:
    """Return the two ways in which a search finds an identifier."""
    return identifier, Identifier(ANY_SYSTEM, identifier.value)


def conditional(text: str) -> tuple[str, Identifier] | None:
    """Return type and identifier of ``Patient?identifier=system|value``; ``None`` for any other search."""
    match = _CONDITIONAL.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    text = unquote(match[2])
    system, bar, value = text.rpartition("|")
    return match[1], Identifier(system if bar else ANY_SYSTEM, value)


def target(reference: Any) -> Target:
    """Return what a ``Reference`` writes; nothing where it has another form."""
    element: Mapping[str, Any] = reference if isinstance(reference, Mapping) else {}
    text, kind = element.get("reference"), element.get("type")
    text = text.strip() if isinstance(text, str) else ""
    search = conditional(text) if "?" in text else None
    identifier = next(iter(identifiers(element.get("identifier"))), None)
    return Target(text, kind if isinstance(kind, str) else "", identifier, address(text), search)


def subject(resource: Mapping[str, Any], container: Mapping[str, Any] | None) -> Target | None:
    """Return whom a resource names as its subject; a contained one without any its container's. ``None``: nobody."""
    for part in (resource, container):
        element = None if part is None else part.get(_SUBJECT.get(str(part.get("resourceType")), "subject"))
        if element is not None:
            return target(element)
    return None
