"""Links to further pages: the search is sealed in them, so that no address tells anything of a person."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from uuid import UUID

from novamind.errors import DataProcessingError, ValidationError
from novamind.infrastructure.identity.secrets import Seal, derived_key

PAGE: Final = "_page"
_LONGEST: Final = 8000
_NOT_VALID: Final = "the link of this page is not valid; search again"

Pairs = tuple[tuple[str, str], ...]


class PageSeal:
    """Seals and opens the tokens of page links, each for one caller and one type of resource.

    Parameters
    ----------
    key
        The system's key of which that of the pages is derived.
    """

    def __init__(self, key: bytes) -> None:
        self._seal = Seal(derived_key(key, "fhir pages"))

    def seal(self, resource_type: str, caller: UUID, pairs: Pairs, offset: int) -> str:
        """Return the token of the page that begins at a match."""
        plain = json.dumps([pairs, offset]).encode()
        return urlsafe_b64encode(self._seal.seal(plain, _bound(resource_type, caller))).decode()

    def open(self, resource_type: str, caller: UUID, token: str) -> tuple[Pairs, int]:
        """Return the parameters of a search and the number of matches before the page.

        Raises
        ------
        ValidationError
            If the token is not one of ours for this caller and type.
        """
        try:
            sealed = urlsafe_b64decode(token[:_LONGEST].encode("ascii"))
            plain = self._seal.open(sealed, _bound(resource_type, caller), _NOT_VALID)
        except (DataProcessingError, ValueError) as error:
            raise ValidationError(_NOT_VALID) from error
        pairs, offset = json.loads(plain)
        return tuple((name, value) for name, value in pairs), offset


def _bound(resource_type: str, caller: UUID) -> str:
    return f"{resource_type}:{caller.hex}"
