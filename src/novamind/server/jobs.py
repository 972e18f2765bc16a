"""REST of jobs: how one's own work in the background stands."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from novamind.infrastructure.identity.domain import Permission
from novamind.infrastructure.jobs import State
from novamind.populations.codec import TrainedBody
from novamind.server.dependencies import Caller, ContainerDep

routes = APIRouter(prefix="/api/v1/populations/jobs", tags=["populations"])

JobId = Annotated[UUID, Path(description="Identifier of the job.")]


class JobBody(BaseModel):
    """How a job stands."""

    job_id: UUID = Field(description="Identifier of the job.")
    state: State = Field(description="Where it stands.")
    result: TrainedBody | None = Field(description="What it gave; null before it is done and if it failed.")
    problem: str | None = Field(description="Why it failed; null if it did not.")


@routes.get("/{job_id}", operation_id="readJob")
async def read_job(container: ContainerDep, caller: Caller, job_id: JobId) -> JobBody:
    """Read how your job stands."""
    await container.identity.access.permit(caller, Permission.POPULATIONS_USE)
    status = await container.jobs.status(job_id, caller.subject)
    return JobBody.model_validate(status, from_attributes=True)
