"""What GraphQL makes of a form that REST gives, and questions for the whole of a type."""

from datetime import date
from functools import cache
from typing import Any

from graphql import GraphQLObjectType, get_named_type
from pydantic import BaseModel

from novamind.server.graphql.schema import schema

#: A number or text is text there.
_TEXT = dict[str, str | float]


def as_graphql(value: Any) -> Any:
    """A form as the answer to a question for the whole of it: other names of fields, and lists in place of maps."""
    if isinstance(value, BaseModel):
        fields = {name: (field.annotation, getattr(value, name)) for name, field in type(value).model_fields.items()}
        return {
            _camel(name): as_graphql({key: str(one) for key, one in inner.items()} if kind == _TEXT else inner)
            for name, (kind, inner) in fields.items()
        }
    if isinstance(value, dict):
        return [{"name": key, "value": as_graphql(inner)} for key, inner in value.items()]
    if isinstance(value, list):
        return [as_graphql(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def whole(name: str) -> str:
    """The selection of every field of a type, to the leaves."""
    selected = _selection(name)
    assert selected
    return selected


@cache
def _selection(name: str) -> str:
    kind = schema(introspection=True)._schema.type_map[name]
    if not isinstance(kind, GraphQLObjectType):
        return ""
    fields = (f"{field} {_selection(get_named_type(of.type).name)}" for field, of in kind.fields.items())
    return "{ " + " ".join(fields) + " }"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
