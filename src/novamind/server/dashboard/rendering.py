"""From a template to an answer: a whole page, or a part of one for the script that asked for it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse

from novamind import twin
from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.pages import environment

#: What the script sends when it wants a part and not a page.
FRAGMENT: Final = "x-fragment"
#: Forms state their origin, which the guard checks, only where the page has a referrer of its own.
HEADERS: Final = {"Referrer-Policy": "same-origin", "Vary": FRAGMENT}

_HERE: Final = Path(__file__).parent
_ENVIRONMENT: Final = environment(_HERE / "templates", Path(twin.__file__).parent)
_PLACES: Final = (
    ("/patients", "Patients", Permission.PATIENTS_READ),
    ("/populations", "Populations", Permission.POPULATIONS_USE),
    ("/users", "Accounts", Permission.USERS_MANAGE),
)


def page(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Return a page; to the script only what is inside of it."""
    fragment = FRAGMENT in request.headers
    principal = getattr(request.state, "principal", None)
    shared = {
        "layout": "fragment.html" if fragment else "page.html",
        "fragment": fragment,
        "role": str(principal.role) if principal else None,
        "places": [(path, name) for path, name, needed in _PLACES if principal and principal.may(needed)],
        "path": request.url.path,
    }
    text = _ENVIRONMENT.get_template(template).render(shared | dict(context))
    return HTMLResponse(text, status, HEADERS | dict(headers or {}))


def home_of(principal: Principal) -> str:
    """Return the address of somebody's first page."""
    if principal.role is Role.PATIENT and principal.patient_id is not None:
        return f"/patients/{principal.patient_id}"
    return next((path for path, _, needed in _PLACES if principal.may(needed)), "/account")
