"""What routes ask of a request: who calls, and the house."""

from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from novamind.errors import AuthenticationError
from novamind.infrastructure.identity.domain import Permission, Principal
from novamind.server.house import House

_scheme = HTTPBearer(
    auto_error=False, scheme_name="bearer", description="An access token of /oauth/token, or an API key."
)


async def _house(request: Request) -> House:
    return cast("House", request.app.state.house)


async def _principal(request: Request, _documented: Annotated[object, Depends(_scheme)]) -> Principal:
    """Whom the door let in."""
    principal = getattr(request.state, "principal", None)
    if not isinstance(principal, Principal):
        raise AuthenticationError("say who you are")
    return principal


AtHome = Annotated[House, Depends(_house)]
Caller = Annotated[Principal, Depends(_principal)]


async def may_use_populations(request: Request, house: AtHome, caller: Caller) -> None:
    """For routes of population twins: who may, and the audit is told which route it was."""
    route = request.scope["route"]
    operation = getattr(route, "operation_id", None) or route.name
    await house.identity.access.admit(caller, Permission.POPULATIONS_USE, operation)
