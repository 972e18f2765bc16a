"""Links to further pages: the search is sealed in them, so that no address tells anything of a person."""

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from novamind.errors import ValidationError
from novamind.infrastructure.identity.secrets import derived_key

PAGE: Final = "_page"
_NONCE_BYTES: Final = 12
_LONGEST: Final = 8000

Pairs = tuple[tuple[str, str], ...]


class PageSeal:
    """Seals and opens the tokens of page links, each for one caller and one type of resource.

    Parameters
    ----------
    key
        The system's key of which that of the pages is derived.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(derived_key(key, "fhir pages"))

    def seal(self, resource_type: str, caller: UUID, pairs: Pairs, offset: int) -> str:
        """Return the token of the page that begins at a match."""
        nonce = os.urandom(_NONCE_BYTES)
        plain = json.dumps([pairs, offset]).encode()
        return urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, plain, _bound(resource_type, caller))).decode()

    def open(self, resource_type: str, caller: UUID, token: str) -> tuple[Pairs, int]:
        """Return the parameters of a search and the number of matches before the page.

        Raises
        ------
        ValidationError
            If the token is not one of ours for this caller and type.
        """
        try:
            sealed = urlsafe_b64decode(token[:_LONGEST].encode("ascii"))
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(resource_type, caller))
        except (InvalidTag, ValueError) as error:
            raise ValidationError("the link of this page is not valid; search again") from error
        pairs, offset = json.loads(plain)
        return tuple((name, value) for name, value in pairs), offset


def _bound(resource_type: str, caller: UUID) -> bytes:
    return f"{resource_type}:{caller.hex}".encode()
