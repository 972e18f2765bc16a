"""Each result has one typed form: frozen, every field described, nothing in it of which a caller knows no type."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

ROOMS = ("symptoms", "biometrics", "pharmacogenomics", "neurochemistry", "twin", "populations")
FORMS = [
    form
    for room in ROOMS
    for form in vars(import_module(f"novamind.{room}.codec")).values()
    if isinstance(form, type) and issubclass(form, BaseModel) and form.__module__ == f"novamind.{room}.codec"
    if not form.__name__.startswith("_")
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.__module__.split('.')[1]}-{form.__name__}")
def test_a_form_is_frozen_described_and_typed(form: type[BaseModel]) -> None:
    assert form.model_config.get("frozen")
    assert form.__doc__
    assert [name for name, field in form.model_fields.items() if not field.description] == []
    assert [name for name, field in form.model_fields.items() if not field.description.endswith(".")] == []
    assert list(free(TypeAdapter(form).json_schema())) == []


def test_a_form_has_a_name_of_its_own() -> None:
    """GraphQL and OpenAPI have one space of names for all rooms."""
    assert len({form.__name__ for form in FORMS}) == len(FORMS) > 50


def free(schema: Any, place: str = "") -> Iterator[str]:
    """Places at which anything may stand."""
    if isinstance(schema, list):
        for number, one in enumerate(schema):
            yield from free(one, f"{place}[{number}]")
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and "properties" not in schema:
        entries = schema.get("additionalProperties")
        if "patternProperties" not in schema and (not isinstance(entries, dict) or not entries):
            yield place
    if schema.get("type") == "array" and not schema.get("items"):
        yield place
    for name, one in schema.get("properties", {}).items():
        if not {"type", "anyOf", "$ref", "const", "enum"} & set(one):
            yield f"{place}.{name}"
    for name, one in schema.items():
        yield from free(one, f"{place}.{name}")


@pytest.mark.parametrize(
    "kind",
    [dict[str, Any], list[Any], dict, list, dict[str, dict[str, Any]]],
    ids=["map", "list", "dict", "any", "deep"],
)
def test_a_free_object_is_noticed(kind: Any) -> None:
    class Loose(BaseModel):
        value: kind

    assert list(free(Loose.model_json_schema()))


def test_anything_is_noticed() -> None:
    class Loose(BaseModel):
        value: Any

    assert list(free(Loose.model_json_schema())) == [".value"]
