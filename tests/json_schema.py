"""What JSON schemas leave open or unexplained: places at which a caller knows neither type nor meaning."""

from collections.abc import Callable, Iterator
from typing import Any

_TYPED = {"type", "anyOf", "allOf", "oneOf", "$ref", "const", "enum"}
_NAMED = ("properties", "patternProperties", "$defs")
_LISTED = ("anyOf", "allOf", "oneOf", "prefixItems")


def parts(schema: dict[str, Any], place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a schema and every schema within it, each with its place; a property's place ends with its name."""
    yield place, schema
    for keyword in _NAMED:
        for name, part in schema.get(keyword, {}).items():
            yield from parts(part, f"{place}.{name}")
    for keyword in _LISTED:
        for number, part in enumerate(schema.get(keyword, ())):
            yield from parts(part, f"{place}|{number}")
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(keyword), dict):
            yield from parts(schema[keyword], place + mark)


def free(schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """Yield the places at which anything may stand."""
    for at, part in parts(schema, place):
        entries = part.get("additionalProperties")
        if not _TYPED & part.keys() or entries is True:
            yield at
        elif part.get("type") == "object" and not any(part.get(k) for k in ("properties", "patternProperties")):
            if not isinstance(entries, dict):
                yield at
        elif part.get("type") == "array" and not {"items", "prefixItems"} & part.keys():
            yield at


def unexplained(schema: dict[str, Any], resolve: Callable[[str], dict[str, Any]], place: str = "") -> Iterator[str]:
    """Yield the properties that have no description, neither of their own nor that of the form they refer to."""
    for at, part in parts(schema, place):
        for name, one in part.get("properties", {}).items():
            if not (one.get("description") or ("$ref" in one and resolve(one["$ref"]).get("description"))):
                yield f"{at}.{name}"
