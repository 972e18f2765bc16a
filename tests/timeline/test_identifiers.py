"""An id is a UUID or a text, the same before and after a trip through JSON."""

from uuid import UUID

import pytest

from novamind.errors import ValidationError
from novamind.timeline.identifiers import parse_identifier

NUMBER = UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("value", "identifier"),
    [(NUMBER, NUMBER), (str(NUMBER), NUMBER), (NUMBER.hex, NUMBER), ("p-17", "p-17"), (" a ", " a ")],
)
def test_the_text_of_a_uuid_is_that_uuid_and_other_text_stays(value: object, identifier: object) -> None:
    assert parse_identifier(value, "id") == identifier
    assert type(parse_identifier(value, "id")) is type(identifier)


@pytest.mark.parametrize("value", [None, 5, "", "  ", b"p-17", [NUMBER]])
def test_anything_else_is_refused_by_name(value: object) -> None:
    with pytest.raises(ValidationError, match="patient_id must be a UUID or a non-empty text"):
        parse_identifier(value, "patient_id")
