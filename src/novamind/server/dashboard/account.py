"""The page of the caller's account: role, permissions, and the second factor that production requires."""

import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import Json

from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.server.administration import (
    Code,
    NewPasskey,
    add_passkey,
    begin_second_factor,
    confirm_second_factor,
    remove_passkey,
)
from novamind.server.container import Container
from novamind.server.dashboard.rendering import page
from novamind.server.dependencies import Caller, ContainerDep

routes = APIRouter(prefix="/account", include_in_schema=False)


@routes.get("")
async def account(request: Request, container: ContainerDep, caller: Caller) -> Response:
    """Show who the caller is and what the caller may do."""
    return await _page(request, container, caller)


@routes.post("/second-factor")
async def begin(request: Request, container: ContainerDep, caller: Caller) -> Response:
    """Draw a secret for an authenticator app."""
    return await _page(request, container, caller, begun=await begin_second_factor(container, caller))


@routes.post("/second-factor/confirm")
async def confirm(request: Request, container: ContainerDep, caller: Caller, code: Annotated[Code, Form()]) -> Response:
    """Begin to use the second factor."""
    await confirm_second_factor(container, caller, code)
    return await _page(request, container, caller, confirmed=True)


@routes.post("/passkeys")
async def add(container: ContainerDep, caller: Caller, passkey: Annotated[Json[dict[str, Any]], Form()]) -> Response:
    """Keep a passkey that the browser has made."""
    await add_passkey(container, caller, NewPasskey.model_validate({"credential": passkey}))
    return RedirectResponse("/account", 303)


@routes.post("/passkeys/{passkey_id}/remove")
async def remove(container: ContainerDep, caller: Caller, passkey_id: UUID) -> Response:
    """Remove a passkey."""
    await remove_passkey(container, caller, passkey_id)
    return RedirectResponse("/account", 303)


async def _page(
    request: Request, container: Container, caller: Principal, *, begun: object = None, confirmed: bool = False
) -> Response:
    may = sorted(permission for permission in Permission if caller.may(permission)) if begun is None else ()
    passkeys, options = None, ""
    if container.identity.passkeys.offered and caller.role is not Role.SERVICE:
        passkeys = await container.identity.passkeys.list(caller.subject)
        options = json.dumps(await container.identity.passkeys.options_to_add(caller))
    shown = {"caller": caller, "may": may, "begun": begun, "confirmed": confirmed}
    return page(request, "account.html", shown | {"passkeys": passkeys, "options": options})
