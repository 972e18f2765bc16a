"""What a request of CDS Hooks left out, read from the FHIR server that it names: from listed origins alone.

An origin is on the list of the operator (``NOVAMIND_CDS_FHIR_SERVERS``) or is never connected to, so no private address
is reached that is not on it: a name needs TLS, whose certificate says who answers, and only an address itself may
be reached without. Redirects are not followed, and pages are followed within the server alone.
"""

import asyncio
import ipaddress
import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from novamind.errors import ValidationError
from novamind.server import strict_json
from novamind.twin.cds import PREFETCH, HookRequest, faults

#: For all keys of one request together.
SECONDS: Final = 5.0
MOST_BYTES: Final = 8 * 1024 * 1024
MOST_PAGES: Final = 20
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")


async def completed(
    request: HookRequest, origins: Collection[str], transport: httpx.AsyncBaseTransport | None = None
) -> HookRequest:
    """Return a request with what its server gave for keys that are missing or of no use.

    A key that cannot be read stays as it was sent, and the answer to the request says so.

    Parameters
    ----------
    origins
        Scheme, host and port of the servers that may be read.
    transport
        What carries requests; the network where it is not given.
    """
    wrong = faults(request)
    wanted = [key for key in PREFETCH if key not in request.prefetch or key in wrong]
    if not (
        wanted and request.authorization and may_read(request.server, origins) and _ID.fullmatch(request.patient_id)
    ):
        return request
    reader = _Reader(request.server)
    headers = {"Authorization": f"Bearer {request.authorization}", "Accept": "application/fhir+json"}
    async with httpx.AsyncClient(
        transport=transport, headers=headers, timeout=SECONDS, follow_redirects=False, trust_env=False
    ) as client:
        reads = {
            key: asyncio.create_task(
                reader.read(client, PREFETCH[key].replace("{{context.patientId}}", request.patient_id))
            )
            for key in wanted
        }
        done, late = await asyncio.wait(reads.values(), timeout=SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    fetched = {key: task.result() for key, task in reads.items() if task in done and task.result() is not None}
    return request.with_prefetch(fetched)


def may_read(server: str, origins: Collection[str]) -> bool:
    """Return whether the address of a FHIR server is of a listed origin, and sure to be it."""
    try:
        parts = urlsplit(server)
        host = parts.hostname or ""
    except ValueError:
        return False
    if f"{parts.scheme}://{parts.netloc}" not in {origin.rstrip("/") for origin in origins} or parts.query:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Reader:
    """Reads from one server, all in all no more than the limit."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._left = MOST_BYTES

    async def read(self, client: httpx.AsyncClient, query: str) -> Mapping[str, Any] | None:
        """Return a resource, or a Bundle with the entries of all pages; ``None`` where it is not given whole."""
        url: str | None = f"{self._server}/{query}"
        entries: list[Any] = []
        for _ in range(MOST_PAGES):
            answer = await self._page(client, str(url))
            if answer is None or answer.get("resourceType") != "Bundle":
                return answer
            page, links = answer.get("entry", []), answer.get("link", [])
            if not isinstance(page, list) or not isinstance(links, list):
                return None
            entries += page
            url = next((link.get("url") for link in links if _is_next(link)), None)
            if url is None:
                return {"resourceType": "Bundle", "type": "searchset", "entry": entries}
            if not isinstance(url, str) or not url.startswith((f"{self._server}/", f"{self._server}?")):
                return None
        return None

    async def _page(self, client: httpx.AsyncClient, url: str) -> Mapping[str, Any] | None:
        body = bytearray()
        try:
            async with client.stream("GET", url) as response:
                if response.status_code != httpx.codes.OK:
                    return None
                async for part in response.aiter_bytes():
                    self._left -= len(part)
                    if self._left < 0:
                        return None
                    body += part
            answer = await asyncio.to_thread(_parsed, bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL, ValidationError, ValueError):
            return None
        return answer if isinstance(answer, Mapping) else None


def _parsed(body: bytes) -> Any:
    strict_json.check(body)
    return json.loads(body)


def _is_next(link: Any) -> bool:
    return isinstance(link, Mapping) and link.get("relation") == "next"
