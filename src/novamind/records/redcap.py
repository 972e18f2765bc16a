"""Records of a REDCap project by its API: one request, the same CSV that the project's export writes.

The token opens the whole project. It comes from ``NOVAMIND_REDCAP_TOKEN`` alone, goes nowhere but into the body of a
request over TLS (or to this machine), and redirects are not followed. Source: REDCap API, "Export Records", in the
help of the application.
"""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import httpx

from novamind.errors import (
    AuthorizationError,
    DataProcessingError,
    NotFoundError,
    ServiceUnavailableError,
    ValidationError,
)
from novamind.settings import Settings

_TIMEOUT_SECONDS: Final = 120
_WANTED: Final = {
    "content": "record", "format": "csv", "type": "flat", "rawOrLabel": "raw", "rawOrLabelHeaders": "raw",
    "exportCheckboxLabel": "false", "exportSurveyFields": "true", "exportDataAccessGroups": "false",
    "returnFormat": "json",
}  # fmt: skip


def fetch_records(url: str, *, report: str | None = None, settings: Settings | None = None) -> bytes:
    """Return the records of a project, or of one of its reports, as CSV.

    Parameters
    ----------
    url
        Address of the API, e.g. ``https://redcap.example.org/api/``.
    report
        Number of a report, where not all records are wanted.
    settings
        Where the token and the limit on the size come from.

    Raises
    ------
    ValidationError
        There is no token, the address is not one of https, or the answer is larger than the limit.
    AuthorizationError, NotFoundError, ServiceUnavailableError, DataProcessingError
        REDCap refuses the token, has no API there, does not answer, or answers something else than CSV.
    """
    settings = settings or Settings()
    if settings.redcap_token is None:
        raise ValidationError("no token of a REDCap project: set NOVAMIND_REDCAP_TOKEN")
    _check_address(url)
    fields = {"token": settings.redcap_token.get_secret_value(), **_WANTED}
    if report is not None:
        fields |= {"content": "report", "report_id": report}
    content = bytearray()
    try:
        with httpx.stream("POST", url, data=fields, timeout=_TIMEOUT_SECONDS, follow_redirects=False) as answer:
            _check_status(answer.status_code)
            for part in answer.iter_bytes():
                content += part
                if len(content) > settings.max_file_bytes:
                    raise ValidationError("REDCap's answer is larger than the limit: give a report, or raise "
                                          "NOVAMIND_MAX_FILE_BYTES")  # fmt: skip
    except httpx.HTTPError as error:
        raise ServiceUnavailableError("REDCap does not answer: check --url and try again later") from error
    if bytes(content.lstrip()[:1]) in (b"{", b"[", b"<", b""):
        raise DataProcessingError("REDCap's answer is no table: check that --url ends in /api/")
    return bytes(content)


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname and not parts.username:
        return
    if parts.scheme != "http" or not _is_here(parts.hostname or ""):
        raise ValidationError("--url must be the address of REDCap's API, e.g. https://redcap.example.org/api/")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _check_status(status: int) -> None:
    match status:
        case 200:
            return
        case 400 | 401 | 403:
            raise AuthorizationError(
                "REDCap refuses the token or the request: check NOVAMIND_REDCAP_TOKEN, its rights, and --report"
            )
        case 404:
            raise NotFoundError("REDCap has no API at that address: check that --url ends in /api/")
        case 301 | 302 | 307 | 308:
            raise ValidationError("REDCap's API is at another address: give that as --url")
        case _:
            raise ServiceUnavailableError("REDCap cannot answer now: try again later")
