"""JSON Patch (RFC 6902) on a resource as it is served; what comes of it goes the way of any correction."""

import json
from collections.abc import Mapping
from typing import Any, Final

import jsonpatch
from jsonpointer import JsonPointerException

from novamind.errors import ValidationError

#: The one format of PATCH that is taken.
JSON_PATCH: Final = "application/json-patch+json"
_MOST_OPERATIONS: Final = 100
#: An operation may copy the whole into itself, so that a hundred of them would make more than any memory holds.
_LARGEST: Final = 256 * 1024


def patched(resource: Mapping[str, Any], body: bytes) -> bytes:
    """Return a resource, as JSON, after all operations of a patch.

    Raises
    ------
    ValidationError
        If it is no JSON Patch, an operation cannot be carried out, or the result is too large.
    """
    try:
        operations = json.loads(body)
    except ValueError as error:
        raise ValidationError(f"the body is no JSON; send a list of operations as {JSON_PATCH}") from error
    if not isinstance(operations, list) or not 1 <= len(operations) <= _MOST_OPERATIONS:
        raise ValidationError(f"a JSON Patch is a list of 1 to {_MOST_OPERATIONS} operations (RFC 6902)")
    changed: Any = dict(resource)
    content = b""
    for number, operation in enumerate(operations, 1):
        try:
            changed = jsonpatch.apply_patch(changed, [operation])
        except jsonpatch.JsonPatchTestFailed as error:
            raise ValidationError(f"the test of operation {number} fails; nothing was changed") from error
        except (jsonpatch.JsonPatchException, JsonPointerException, TypeError, ValueError) as error:
            raise ValidationError(
                f"operation {number} of the patch cannot be carried out; nothing was changed: check its op, path and"
                " value against the resource as it is read"
            ) from error
        content = json.dumps(changed).encode()
        if len(content) > _LARGEST:
            raise ValidationError(f"operation {number} makes the resource larger than {_LARGEST} bytes")
    return content
