"""Ids of events, sequences and persons: a UUID, or whatever text the caller's system uses."""

from uuid import UUID

from novamind.errors import ValidationError

Identifier = UUID | str


def parse_identifier(value: object, name: str) -> Identifier:
    """Return one id, checked.

    The text of a UUID becomes that UUID, so that an id is the same before and after a trip through JSON;
    other text stays as it is.
    """
    if isinstance(value, UUID):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValidationError(f"{name} must be a UUID or a non-empty text")
    try:
        return UUID(value)
    except ValueError:
        return value
