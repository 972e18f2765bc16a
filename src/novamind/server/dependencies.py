"""What routes depend on: the container of the server, and who calls."""

from typing import Annotated, cast

from fastapi import Depends, Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.security import HTTPBearer

from novamind.errors import AuthenticationError, ValidationError
from novamind.infrastructure.identity.domain import Permission, Principal
from novamind.server.container import Container

_scheme = HTTPBearer(
    auto_error=False, scheme_name="bearer", description="An access token of /oauth/token, or an API key."
)


async def _container(request: Request) -> Container:
    return cast("Container", request.app.state.container)


async def _principal(request: Request, _documented: Annotated[object, Depends(_scheme)]) -> Principal:
    """Return who calls, as the guard found out."""
    principal = getattr(request.state, "principal", None)
    if not isinstance(principal, Principal):
        raise AuthenticationError("send an access token or an API key")
    if request.query_params:
        _refuse_unknown(request)
    return principal


def _refuse_unknown(request: Request) -> None:
    """Refuse parameters that no route reads: a filter or threshold would be ignored in silence."""
    fields = get_flat_params(request.scope["route"].dependant)
    elsewhere = (params.Path, params.Header, params.Cookie)
    names = sorted(field.alias for field in fields if not isinstance(field.field_info, elsewhere))
    if set(request.query_params) - set(names):
        offered = f"it takes {', '.join(names)}" if names else "it takes none"
        raise ValidationError(f"a query parameter of this request is unknown; {offered}")


ContainerDep = Annotated[Container, Depends(_container)]
Caller = Annotated[Principal, Depends(_principal)]


async def may_use_populations(request: Request, container: ContainerDep, caller: Caller) -> None:
    """Admit who may use population twins; the audit notes the route."""
    route = request.scope["route"]
    operation = getattr(route, "operation_id", None) or route.name
    await container.identity.access.admit(caller, Permission.POPULATIONS_USE, operation)
