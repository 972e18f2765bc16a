"""GraphQL types are made of the rooms' forms: names, maps, choices and what may be absent."""

from enum import StrEnum
from typing import Any, Literal

import strawberry
from pydantic import BaseModel, Field
from strawberry.schema.config import StrawberryConfig

from novamind.server.graphql.types import part, type_of
from tests.server.graph import as_graphql


class Colour(StrEnum):
    """A choice."""

    RED = "red"


class InnerBody(BaseModel):
    """Something inside."""

    long_name: float | None = Field(description="A figure.")


class OuterBody(BaseModel):
    """All kinds of fields."""

    colour: Colour = Field(description="A choice.")
    side: Literal["left", "right"]
    either: dict[str, str | float]
    inner: dict[str, InnerBody] | None
    grid: list[list[int]]


def test_the_type_of_a_form() -> None:
    form = OuterBody(
        colour=Colour.RED,
        side="left",
        either={"a": 1.5, "b": "x"},
        inner={"first": InnerBody(long_name=None)},
        grid=[[1]],
    )

    @strawberry.type
    class Query:
        @strawberry.field(graphql_type=type_of(OuterBody))
        def outer(self) -> Any:
            return form

        @strawberry.field(graphql_type=type_of(OuterBody))
        def empty(self) -> Any:
            return form.model_copy(update={"inner": None})

    schema = strawberry.Schema(Query, config=StrawberryConfig(default_resolver=part))
    assert schema.as_str().split("\n\n") == [
        '"""Something inside."""\ntype Inner {\n  """A figure."""\n  longName: Float\n}',
        '"""One entry of a map."""\ntype NamedInner {\n  name: String!\n  value: Inner!\n}',
        '"""One entry of a map."""\ntype NamedString {\n  name: String!\n  value: String!\n}',
        '"""All kinds of fields."""\ntype Outer {\n  """A choice."""\n  colour: String!\n  side: String!\n'
        "  either: [NamedString!]!\n  inner: [NamedInner!]\n  grid: [[Int!]!]!\n}",
        "type Query {\n  outer: Outer!\n  empty: Outer!\n}",
    ]
    fields = "{ colour side either { name value } inner { name value { longName } } grid }"
    answer = schema.execute_sync(f"{{ outer {fields} empty {{ inner {{ name }} }} }}")
    assert answer.errors is None
    assert answer.data == {
        "outer": {
            "colour": "red",
            "side": "left",
            "either": [{"name": "a", "value": "1.5"}, {"name": "b", "value": "x"}],
            "inner": [{"name": "first", "value": {"longName": None}}],
            "grid": [[1]],
        },
        "empty": {"inner": None},
    }
    assert answer.data["outer"] == as_graphql(form)


def test_a_form_has_one_type() -> None:
    assert type_of(InnerBody) is type_of(InnerBody)
