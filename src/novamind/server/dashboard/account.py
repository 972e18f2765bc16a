"""The page of oneself: who one is here, and setting up a second factor, without which production opens nothing."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from novamind.infrastructure.identity.domain import Permission
from novamind.server.administration import Code, begin_second_factor, confirm_second_factor
from novamind.server.caller import AtHome, Caller
from novamind.server.dashboard.rendering import page

routes = APIRouter(prefix="/account", include_in_schema=False)


@routes.get("")
async def account(request: Request, caller: Caller) -> Response:
    """Who one is and what one may do."""
    may = sorted(permission for permission in Permission if caller.may(permission))
    return page(request, "account.html", {"caller": caller, "may": may, "begun": None, "confirmed": False})


@routes.post("/second-factor")
async def begin(request: Request, house: AtHome, caller: Caller) -> Response:
    """Draw a secret for an authenticator app."""
    begun = await begin_second_factor(house, caller)
    return page(request, "account.html", {"caller": caller, "may": (), "begun": begun, "confirmed": False})


@routes.post("/second-factor/confirm")
async def confirm(request: Request, house: AtHome, caller: Caller, code: Annotated[Code, Form()]) -> Response:
    """Begin to use it."""
    await confirm_second_factor(house, caller, code)
    return page(request, "account.html", {"caller": caller, "may": (), "begun": None, "confirmed": True})
