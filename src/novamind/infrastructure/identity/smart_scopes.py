"""SMART system scopes (SMART App Launch 2.2) limit a machine's token to types of FHIR resources.

``system/Observation.rs`` reads and searches observations; ``system/*.c`` creates whatever can be imported. This server
creates (``c``), reads (``r``) and searches (``s``), the last two together; it updates and deletes nothing.
"""

import re
from collections.abc import Iterable
from typing import Final

from novamind.infrastructure.identity.domain import Permission

#: How one is written.
FORM: Final = r"system/(\*|[A-Z][A-Za-z]{1,63})\.(cr?u?d?s?|ru?d?s?|ud?s?|ds?|s)"
_ANY: Final = "*"
_NEEDS: Final = {Permission.FHIR_READ: frozenset("rs"), Permission.FHIR_WRITE: frozenset("c")}

Types = dict[str, frozenset[str]]


def is_smart(scope: str) -> bool:
    """Return whether a scope is a SMART system scope."""
    return re.fullmatch(FORM, scope) is not None


def granted(scopes: Iterable[str]) -> tuple[frozenset[Permission], dict[Permission, frozenset[str]]]:
    """Return the permissions that scopes give, and the types to which they limit a permission."""
    plain, smart = _sorted(scopes)
    limited = {}
    for permission, letters in _NEEDS.items():
        types = {kind for kind, rights in smart.items() if letters <= rights}
        if types and permission not in plain and _ANY not in types:
            limited[permission] = frozenset(types)
        if types:
            plain |= {permission}
    return frozenset(plain), limited


def narrowed(asked: Iterable[str], registered: Iterable[str]) -> frozenset[str]:
    """Return those of the requested scopes that a client may have."""
    wanted, smart_wanted = _sorted(asked)
    allowed, smart_allowed = _sorted(registered)
    for permission in allowed & _NEEDS.keys():
        smart_allowed[_ANY] = smart_allowed.get(_ANY, frozenset()) | _NEEDS[permission]
    both: Types = {}
    for kind, letters in smart_wanted.items():
        for other, others in smart_allowed.items():
            if kind == other or _ANY in (kind, other):
                narrower = other if kind == _ANY else kind
                both[narrower] = both.get(narrower, frozenset()) | (letters & others)
    everywhere = both.get(_ANY, frozenset())
    written = {kind: rights for kind, rights in both.items() if rights and (kind == _ANY or not rights <= everywhere)}
    return frozenset(wanted & allowed) | {f"system/{kind}.{_letters(rights)}" for kind, rights in written.items()}


def _sorted(scopes: Iterable[str]) -> tuple[set[Permission], Types]:
    """Return permissions, and system scopes by type; other scopes are ignored."""
    plain, smart = set(), Types()
    for scope in scopes:
        if match := re.fullmatch(FORM, scope):
            smart[match[1]] = smart.get(match[1], frozenset()) | frozenset(match[2])
        elif scope in list(Permission):
            plain.add(Permission(scope))
    return plain, smart


def _letters(rights: frozenset[str]) -> str:
    return "".join(letter for letter in "cruds" if letter in rights)
