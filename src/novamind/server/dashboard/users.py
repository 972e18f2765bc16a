"""Pages of administrators: who has an account in the clinic, registering somebody, shutting an account, treatments."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict

from novamind.server.administration import (
    NewUser,
    add_user,
    begin_treatment,
    disable_user,
    end_treatment,
    list_users,
    remove_second_factor,
)
from novamind.server.dashboard.rendering import page
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.patients import After

_PAGE = 50


class _Treatment(BaseModel):
    """Who begins or ends to treat whom."""

    model_config = ConfigDict(extra="forbid")
    user_id: UUID
    patient_id: UUID
    treatment: Literal["begun", "ended"]


routes = APIRouter(prefix="/users", include_in_schema=False)


@routes.get("")
async def accounts(
    request: Request,
    container: ContainerDep,
    caller: Caller,
    after: After = None,
    treatment: Literal["begun", "ended"] | None = None,
) -> Response:
    """Show the accounts of the organisation, a page at a time, and what was done last."""
    listed = await list_users(container, caller, after, _PAGE)
    shown = {"accounts": listed.items, "following": listed.next, "caller": caller, "treatment": treatment}
    return page(request, "users.html", shown)


@routes.post("")
async def register(container: ContainerDep, caller: Caller, new: Annotated[NewUser, Form()]) -> Response:
    """Make an account."""
    await add_user(container, caller, new)
    return RedirectResponse("/users", 303)


@routes.post("/treatments")
async def treat(container: ContainerDep, caller: Caller, asked: Annotated[_Treatment, Form()]) -> Response:
    """Let a clinician treat a patient, or end that."""
    change = begin_treatment if asked.treatment == "begun" else end_treatment
    await change(container, caller, asked.user_id, asked.patient_id)
    return RedirectResponse(f"/users?treatment={asked.treatment}", 303)


@routes.post("/{user_id}/disable")
async def disable(container: ContainerDep, caller: Caller, user_id: UUID) -> Response:
    """Shut an account."""
    await disable_user(container, caller, user_id)
    return RedirectResponse("/users", 303)


@routes.post("/{user_id}/second-factor/remove")
async def forget_second_factor(container: ContainerDep, caller: Caller, user_id: UUID) -> Response:
    """Take codes and passkeys of an account away."""
    await remove_second_factor(container, caller, user_id)
    return RedirectResponse("/users", 303)
