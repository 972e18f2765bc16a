"""GraphQL types of the forms that REST gives: the same fields, the same descriptions."""

import inspect
from collections.abc import Mapping
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import strawberry
from pydantic import BaseModel


@cache
def type_of(form: type[BaseModel]) -> Any:
    """Return the GraphQL type of a form.

    Its name is the form's without ``Body``. GraphQL has no maps: a map becomes a list of entries with ``name`` and
    ``value``. Enumerations, and text that may be a number, become text.
    """
    fields = {name: strawberry.field(description=field.description) for name, field in form.model_fields.items()}
    annotations = {name: _annotation(field.annotation) for name, field in form.model_fields.items()}
    return _made(form.__name__.removesuffix("Body"), inspect.getdoc(form), annotations, fields)


def part(source: Any, name: str) -> Any:
    """Return one field of what a resolver gave: a form, a mapping or any object."""
    value = source[name] if isinstance(source, Mapping) else getattr(source, name)
    if isinstance(source, BaseModel) and isinstance(value, Mapping):
        return [{"name": key, "value": inner} for key, inner in value.items()]
    return value


def _annotation(annotation: Any) -> Any:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        some = [_annotation(option) for option in inner if option is not NoneType]
        joined = some[0] if len(some) == 1 else str
        return joined | None if NoneType in inner else joined
    if origin is list:
        return list[_annotation(inner[0])]  # type: ignore[misc]
    if origin is dict:
        return list[_entry(_annotation(inner[1]))]  # type: ignore[misc]
    if origin is Literal or (inspect.isclass(annotation) and issubclass(annotation, Enum)):
        return str
    return type_of(annotation) if inspect.isclass(annotation) and issubclass(annotation, BaseModel) else annotation


@cache
def _entry(value: Any) -> Any:
    name = {str: "String", bool: "Boolean", float: "Float"}.get(value) or value.__name__
    return _made(f"Named{name}", "One entry of a map.", {"name": str, "value": value}, {})


def _made(name: str, description: str | None, annotations: dict[str, Any], fields: dict[str, Any]) -> Any:
    described = type(name, (), {"__annotations__": annotations, "__module__": __name__, **fields})
    return strawberry.type(described, description=description)
