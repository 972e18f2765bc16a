"""SMART scopes (SMART App Launch 2.2) limit a token to types of FHIR resources, and to one patient.

``system/Observation.rs`` reads and searches observations; ``system/*.c`` creates whatever can be imported. Machines
have ``system/``, people's apps ``user/`` (whom the person may see) and ``patient/`` (the one patient of the launch).
The syntax of version 1 is read too: ``patient/*.read`` is ``patient/*.rs``. Scopes let a token create (``c``), read
(``r``) and search (``s``), the last two together; they let it update and delete nothing.
"""

import re
from collections.abc import Iterable
from typing import Final

from novamind.infrastructure.identity.domain import Permission

#: How one is written.
FORM: Final = r"(?:patient|user|system)/(\*|[A-Z][A-Za-z]{1,63})\.(cr?u?d?s?|ru?d?s?|ud?s?|ds?|s|read|write|\*)"
MACHINE: Final = "system"
PERSON: Final = ("patient", "user")
PATIENT: Final = "patient"
LAUNCH: Final = "launch"
LAUNCH_PATIENT: Final = "launch/patient"
OPENID: Final = "openid"
FHIR_USER: Final = "fhirUser"
#: Scopes that stay valid with a refresh token.
LASTING: Final = frozenset({"offline_access", "online_access"})
#: What an app of a person may ask beside data.
CONTEXT: Final = frozenset({LAUNCH, LAUNCH_PATIENT, OPENID, FHIR_USER, "profile"}) | LASTING
_VERSION_1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
_ANY: Final = "*"
_NEEDS: Final = {Permission.FHIR_READ: frozenset("rs"), Permission.FHIR_WRITE: frozenset("c")}

#: Level and type of resource to what may be done.
Types = dict[tuple[str, str], frozenset[str]]


def is_smart(scope: str, levels: Iterable[str] = (MACHINE,)) -> bool:
    """Return whether a scope is a SMART scope of one of these levels."""
    return re.fullmatch(FORM, scope) is not None and scope.partition("/")[0] in levels


def granted(scopes: Iterable[str]) -> tuple[frozenset[Permission], dict[Permission, frozenset[str]]]:
    """Return the permissions that scopes give, and the types to which they limit a permission."""
    plain, smart = _sorted(scopes)
    limited = {}
    for permission, letters in _NEEDS.items():
        types = {kind for (_, kind), rights in smart.items() if letters <= rights}
        if types and permission not in plain and _ANY not in types:
            limited[permission] = frozenset(types)
        if types:
            plain |= {permission}
    return frozenset(plain), limited


def narrowed(asked: Iterable[str], registered: Iterable[str], levels: Iterable[str] = (MACHINE,)) -> frozenset[str]:
    """Return those of the requested scopes that a client may have.

    Parameters
    ----------
    levels
        Those of the client: a machine's, or a person's app's, which may ask for a context of the launch too.
    """
    asked, levels = set(asked), set(levels)
    wanted, smart_wanted = _sorted(asked)
    allowed, smart_allowed = _sorted(registered)
    for permission in allowed & _NEEDS.keys():
        for level in levels:
            everything = smart_allowed.get((level, _ANY), frozenset())
            smart_allowed[level, _ANY] = everything | _NEEDS[permission]
    both: Types = {}
    for (level, kind), letters in smart_wanted.items():
        for (other_level, other), others in smart_allowed.items():
            if level == other_level and level in levels and (kind == other or _ANY in (kind, other)):
                narrower = other if kind == _ANY else kind
                both[level, narrower] = both.get((level, narrower), frozenset()) | (letters & others)
    written = {
        (level, kind): rights
        for (level, kind), rights in both.items()
        if rights and (kind == _ANY or not rights <= both.get((level, _ANY), frozenset()))
    }
    context = frozenset(asked & CONTEXT) if MACHINE not in levels else frozenset()
    smart = {f"{level}/{kind}.{_letters(rights)}" for (level, kind), rights in written.items()}
    return frozenset(wanted & allowed) | smart | context


def within_launch(scopes: Iterable[str], *, has_patient: bool) -> frozenset[str]:
    """Return the scopes of a launch: with a patient those of the patient, without one those of the user.

    A token speaks of one patient or of all whom the person may see, never of both.
    """
    scopes = frozenset(scopes)
    if has_patient and not any(scope.startswith("patient/") for scope in scopes):
        return scopes
    dropped = "user/" if has_patient else "patient/"
    return frozenset(scope for scope in scopes if not scope.startswith(dropped))


def _sorted(scopes: Iterable[str]) -> tuple[set[Permission], Types]:
    """Return permissions, and SMART scopes by level and type; other scopes are ignored."""
    plain, smart = set(), Types()
    for scope in scopes:
        if match := re.fullmatch(FORM, scope):
            key = (scope.partition("/")[0], match[1])
            smart[key] = smart.get(key, frozenset()) | frozenset(_VERSION_1.get(match[2], match[2]))
        elif scope in list(Permission):
            plain.add(Permission(scope))
    return plain, smart


def _letters(rights: frozenset[str]) -> str:
    return "".join(letter for letter in "cruds" if letter in rights)
