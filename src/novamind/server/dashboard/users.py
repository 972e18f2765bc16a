"""Pages of administrators: who has an account in the clinic, registering somebody, shutting an account."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from novamind.server.administration import NewUser, add_user, disable_user, list_users, remove_second_factor
from novamind.server.caller import AtHome, Caller
from novamind.server.dashboard.rendering import page
from novamind.server.patients import After

_PAGE = 50

routes = APIRouter(prefix="/users", include_in_schema=False)


@routes.get("")
async def accounts(request: Request, house: AtHome, caller: Caller, after: After = None) -> Response:
    """All accounts of the organisation, some at a time."""
    found = await list_users(house, caller, after, _PAGE)
    return page(request, "users.html", {"accounts": found.items, "following": found.next, "caller": caller})


@routes.post("")
async def register(house: AtHome, caller: Caller, new: Annotated[NewUser, Form()]) -> Response:
    """Make an account."""
    await add_user(house, caller, new)
    return RedirectResponse("/users", 303)


@routes.post("/{user_id}/disable")
async def disable(house: AtHome, caller: Caller, user_id: UUID) -> Response:
    """Shut an account."""
    await disable_user(house, caller, user_id)
    return RedirectResponse("/users", 303)


@routes.post("/{user_id}/second-factor/remove")
async def forget_second_factor(house: AtHome, caller: Caller, user_id: UUID) -> Response:
    """Take codes and passkeys of somebody away."""
    await remove_second_factor(house, caller, user_id)
    return RedirectResponse("/users", 303)
