"""What a FHIR reference names: a server, a type and an id, never its last segment alone.

The rules of R4 (Bundle, "Resolving references in Bundles"; References, "Literal References"): a relative reference
starts at the server of the entry in which it stands, that is, at its ``fullUrl``; a version (``/_history/2``) names the
same resource; types and ids are case-sensitive.
"""

import re
from typing import Any, NamedTuple
from urllib.parse import unquote

from novamind.records.fhir.documents import Located

_LONGEST = 2048
_RESTFUL = re.compile(r"(?:(https?)://([^/?#]+)((?:/[^/?#]+)*?)/)?([A-Z][A-Za-z]+)/([^/?#|]+)(?:/_history/[^/?#]+)?/?")
_CONDITIONAL = re.compile(r"(?:(?:https?://[^?#]+/)?([A-Z][A-Za-z]+))\?identifier=([^&#]+)")


class Address(NamedTuple):
    """Where a resource lives; ``server`` is empty where the file does not say it."""

    server: str
    kind: str
    id: str

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


class Identifier(NamedTuple):
    """A business identifier, such as a medical record number; ``system`` is empty where there is none."""

    system: str
    value: str


#: The system of a search that names none; ``|value`` means an identifier without a system.
ANY_SYSTEM = "*"
#: What one resource is known by: its address, or a ``fullUrl`` that is none, such as ``urn:uuid:...``.
Key = Address | str


def address(text: str) -> Address | None:
    """Return the address that a reference or a ``fullUrl`` writes; ``None`` where it has another form."""
    match = _RESTFUL.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    scheme, host, path, kind, own = match.groups()
    return Address(f"{scheme}://{host.lower()}{path}" if scheme else "", kind, own)


def key_of(entry: Located) -> Key | None:
    """Return what a resource is known by; ``None`` where it has neither ``fullUrl`` nor id."""
    written = address(entry.full_url)
    if written is not None and written.kind == entry.kind:
        return written
    return entry.full_url or relative_key(entry)


def relative_key(entry: Located) -> Address | None:
    """Return the address by which relative references name a resource; ``None`` where it has no id."""
    written, own = address(entry.full_url), entry.resource.get("id")
    if written is not None and written.kind == entry.kind:
        return written
    return Address("", entry.kind, own.strip()) if isinstance(own, str) and own.strip() else None


def server_of(entry: Located) -> str:
    """Return the server at which the relative references of an entry start; empty where it is not known."""
    written = address(entry.full_url)
    return written.server if written is not None else ""


def conditional(text: str) -> tuple[str, Identifier] | None:
    """Return type and identifier of ``Patient?identifier=system|value``; ``None`` for any other search."""
    match = _CONDITIONAL.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    text = unquote(match[2])
    system, bar, value = text.rpartition("|")
    return match[1], Identifier(system if bar else ANY_SYSTEM, value)


def identifiers(value: Any) -> set[Identifier]:
    """Return the identifiers in an element; those without a value are none."""
    return {
        Identifier(item["system"].strip() if isinstance(item.get("system"), str) else "", item["value"].strip())
        for item in (value if isinstance(value, list) else [value])
        if isinstance(item, dict) and isinstance(item.get("value"), str) and item["value"].strip()
    }


def searched(identifier: Identifier) -> tuple[Identifier, Identifier]:
    """Return the two ways in which a search finds an identifier."""
    return identifier, Identifier(ANY_SYSTEM, identifier.value)


def container_place(entry: Located) -> str:
    """Return the place within which ``#id`` means something: the container's, or the resource's own."""
    return entry.place if entry.parent is None else entry.place.rpartition(".contained[")[0]
