"""CDS Hooks 2.0 on the wire: which services there are, and cards for a request that brings everything with it."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Body
from pydantic import BaseModel

from novamind.errors import ValidationError
from novamind.infrastructure.identity.domain import Permission
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.middleware import HOOKS
from novamind.server.problems import problem
from novamind.twin.cds_hooks import answer, discovery

routes = APIRouter(prefix=HOOKS, tags=["CDS Hooks"])

Hook = Literal["patient-view", "order-select", "order-sign"]


class Services(BaseModel):
    """The services that are offered."""

    services: list[dict[str, Any]]


class Cards(BaseModel):
    """Cards to show."""

    cards: list[dict[str, Any]]


@routes.get("", operation_id="cdsServices")
async def services() -> Services:
    """List the services (CDS Hooks discovery)."""
    return Services.model_validate(discovery())


@routes.post("/novamind-{hook}", operation_id="cdsCards")
async def cards(container: ContainerDep, caller: Caller, hook: Hook, request: dict[str, Any] = Body()) -> Cards:  # noqa: B008
    """Give cards for a request; nothing of it is kept and nothing is fetched."""
    await container.identity.access.permit(caller, Permission.CALCULATE)
    today = datetime.now(UTC).date()
    try:
        return Cards.model_validate(await asyncio.to_thread(answer, hook, request, today, container.settings))
    except ValidationError as error:  # the specification asks for 400
        return problem(400, "cds-request", str(error))  # type: ignore[return-value]
