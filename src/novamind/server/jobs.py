"""REST of jobs: how one's own work in the background stands."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from novamind.infrastructure.identity.domain import Permission
from novamind.infrastructure.jobs import State
from novamind.server.dependencies import Caller, ContainerDep

routes = APIRouter(prefix="/api/v1/populations/jobs", tags=["populations"])


class JobBody(BaseModel):
    """How a job stands."""

    job_id: UUID
    state: State
    result: dict[str, Any] | None
    problem: str | None


@routes.get("/{job_id}", operation_id="readJob")
async def read_job(container: ContainerDep, caller: Caller, job_id: UUID) -> JobBody:
    """Read how your job stands."""
    await container.identity.access.permit(caller, Permission.POPULATIONS_USE)
    status = await container.jobs.status(job_id, caller.subject)
    return JobBody(job_id=job_id, state=status.state, result=status.result, problem=status.problem)
