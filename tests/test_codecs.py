"""Each result has one typed form: frozen, every field described, nothing in it of which a caller knows no type."""

from importlib import import_module
from typing import Any, Literal

import pytest
from pydantic import BaseModel, TypeAdapter

from tests.json_schema import free

CODECS = (
    "novamind.symptoms.codec",
    "novamind.biometrics.codec",
    "novamind.drugs.codec",
    "novamind.pharmacogenomics.codec",
    "novamind.neurochemistry.codec",
    "novamind.twin.codec",
    "novamind.populations.codec",
)
FORMS = [
    form
    for codec in CODECS
    for form in vars(import_module(codec)).values()
    if isinstance(form, type) and issubclass(form, BaseModel) and form.__module__ == codec
    if not form.__name__.startswith("_") and form.model_fields  # not the base of a room's forms
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


@pytest.mark.parametrize(
    "kind",
    [dict[str, Any], list[Any], dict, list, dict[str, dict[str, Any]]],
    ids=["map", "list", "dict", "any", "deep"],
)
def test_a_free_object_is_noticed(kind: Any) -> None:
    class Loose(BaseModel):
        value: kind

    assert list(free(Loose.model_json_schema()))


@pytest.mark.parametrize("kind", [Any, Any | None, list[Any], dict[str, Any]], ids=["one", "null", "list", "map"])
def test_anything_is_noticed(kind: Any) -> None:
    class Loose(BaseModel):
        value: kind

    assert len(list(free(Loose.model_json_schema()))) == 1


def test_what_has_a_type_is_not_free() -> None:
    class Typed(BaseModel):
        text: str
        maps: dict[str, dict[str, int | None]]
        pair: tuple[int, str]
        nothing: None
        others: list[Literal["a", "b"]] | bool

    assert list(free(Typed.model_json_schema())) == []
