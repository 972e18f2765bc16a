"""GraphQL over HTTP: one question a request, by POST, behind the same guard as everything else.

An answer that could not be begun has status 400 and no ``data``; one that was begun has status 200, and what of it
could not be had is ``null`` with an error that has the same kind and text as REST's. Errors about the query say where
it is wrong and never what stood there, since a query may name anybody.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from graphql import GraphQLError
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.responses import Response
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from novamind.infrastructure.identity.domain import Permission
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.graphql.limits import RefusedError
from novamind.server.graphql.schema import Asking, schema
from novamind.server.problems import MEDIA_TYPE, kind_of

_LONGEST: Final = 50_000
_NOT_UNDERSTOOD: Final = "the query does not fit the schema here"
_NO_QUESTION: Final = "send one JSON object with 'query' and, if need be, 'variables' and 'operationName'"
_NO_OPERATION: Final = "name one of the query's own operations; there are only queries"


class GraphQuestion(BaseModel):
    """A query with its variables."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "{ patients(limit: 5) { id name } }"}]})
    query: Annotated[str, Field(min_length=1, max_length=_LONGEST, description="Query, in GraphQL.")]
    variables: Annotated[dict[str, Any] | None, Field(description="Values of the query's variables.")] = None
    operation_name: Annotated[
        str | None, Field(alias="operationName", max_length=100, description="Which of the query's operations to run.")
    ] = None


class GraphError(BaseModel):
    """What could not be answered, and where in the query."""

    message: str = Field(description="What is wrong, and what to do.")
    locations: list[dict[str, int]] = Field(default=[], description="Where in the query, by `line` and `column`.")
    path: list[str | int] = Field(default=[], description="Field of the answer that is missing, from the root.")
    extensions: dict[str, str | int] = Field(default={}, description="`code` and `status` of the problem as in REST.")


class Answer(BaseModel):
    """What was asked for; parts that could not be had are null, and an error says why."""

    data: dict[str, Any] | None = Field(default=None, description="As the query asks; absent if it was not begun.")
    errors: list[GraphError] = Field(default=[], description="Why parts are missing.")


class _Route(APIRoute):
    """What is no question at all is answered as GraphQL answers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_or_refuse(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError:
                return _answer(400, Answer(errors=[GraphError(message=_NO_QUESTION)]))

        return handle_or_refuse


def routes(*, introspection: bool) -> APIRouter:
    """Return the one route.

    Parameters
    ----------
    introspection
        Whether the form of the schema may be asked for.
    """
    router, asked_schema = APIRouter(tags=["GraphQL"], route_class=_Route), schema(introspection=introspection)

    @router.post(
        "/graphql",
        operation_id="graphql",
        response_model=Answer,
        responses={
            400: {"model": Answer, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
        },
    )
    async def graphql(container: ContainerDep, caller: Caller, question: GraphQuestion) -> Response:
        """Answer a GraphQL query about the patients whom you may see."""
        needed = Permission.AUDIT_READ if caller.may(Permission.AUDIT_READ) else Permission.PATIENTS_READ
        await container.identity.access.permit(caller, needed)
        try:
            result = await asked_schema.execute(
                question.query,
                question.variables,
                Asking(container.clinic, caller),
                operation_name=question.operation_name,
                allowed_operation_types=[OperationType.QUERY],
            )
        except (CannotGetOperationTypeError, InvalidOperationTypeError):
            return _answer(400, Answer(errors=[GraphError(message=_NO_OPERATION)]))
        errors = [_wrong(error) for error in result.errors or ()]
        begun = result.data is not None or any(error.path for error in errors)
        return _answer(200 if begun else 400, Answer(data=result.data, errors=errors))

    return router


def _answer(status: int, answer: Answer) -> Response:
    body = answer.model_dump(exclude_defaults=True)
    if status == 200:
        body["data"] = answer.data
    return Response(to_json(body, inf_nan_mode="null"), status, media_type="application/json")


def _wrong(error: GraphQLError) -> GraphError:
    locations = [{"line": at.line, "column": at.column} for at in error.locations or ()]
    if isinstance(error, RefusedError):
        return GraphError(message=error.message)
    if not error.path:
        return GraphError(message=_NOT_UNDERSTOOD, locations=locations)
    status, kind, text = kind_of(error.original_error or error)
    return GraphError(
        message=text, locations=locations, path=list(error.path), extensions={"code": kind, "status": status}
    )
