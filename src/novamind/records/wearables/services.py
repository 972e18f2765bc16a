"""The makers whose services give data to an application that is registered with them, and that application.

An operator registers Novamind with a maker and lists what the maker gave in a file of JSON::

    {"oura": {"client_id": "...", "client_secret": "..."}, "fitbit": {"client_id": "...", "client_secret": "..."}}

``url`` beside them is a stand-in of the maker on this machine, for tests and demonstrations.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from novamind.errors import DataProcessingError, NotFoundError, ValidationError
from novamind.records.wearables.connectors import (
    FitbitConnector,
    OuraConnector,
    WearableConnector,
    WithingsConnector,
)
from novamind.records.wearables.oauth import FITBIT, OURA, WITHINGS, Application, OAuthClient, Service
from novamind.records.wearables.service_client import TokenSource

_MAKERS: Final[Mapping[str, tuple[Service, Callable[..., WearableConnector]]]] = {
    "oura": (OURA, OuraConnector),
    "fitbit": (FITBIT, FitbitConnector),
    "withings": (WITHINGS, WithingsConnector),
}
#: Names of the makers whose services can be connected.
CONNECTED: Final = tuple(_MAKERS)
#: What people with devices of other makers give instead.
INSTEAD: Final = {
    "garmin": "Garmin opens its service to companies by contract only: request the account's export at "
    "garmin.com/account/datamanagement, and import that archive",
    "apple": "Apple Health has no service: export all health data from the Health app, and import that archive",
    "google": "Google Fit has no service any more: request Fit at takeout.google.com, and import that archive",
    "samsung": "Samsung Health has no open service: download personal data in the app, and import that folder",
    "whoop": "Whoop is not connected: export the data in the app, and import that archive",
    "polar": "Polar is not connected: download the data at account.polar.com, and import that archive",
}


@dataclass(frozen=True, slots=True)
class MakerService:
    """A maker's service as this application may use it.

    Attributes
    ----------
    key
        As commands and addresses name it, such as ``oura``.
    """

    key: str
    service: Service
    application: Application
    base_url: str | None = None

    @property
    def name(self) -> str:
        """Return the maker as people call it."""
        return self.service.name

    def oauth(self) -> OAuthClient:
        """Return what gets and renews tokens."""
        return OAuthClient(self.service, self.application)

    def connector(self, tokens: str | TokenSource, **options: Any) -> WearableConnector:
        """Return what fetches documents in one person's name; options as of its class."""
        return _MAKERS[self.key][1](tokens, base_url=self.base_url, **options)


def maker_services(path: Path | None, redirect_uri: str) -> dict[str, MakerService]:
    """Return the services that a file of registrations lists; none without a file.

    Raises
    ------
    ValidationError, DataProcessingError
        The file has another form, or cannot be read.
    """
    if path is None:
        return {}
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataProcessingError(f"{path.name} (NOVAMIND_DEVICE_SERVICES) cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValidationError(
            f"{path.name} (NOVAMIND_DEVICE_SERVICES) is no JSON: list makers and client_id"
        ) from error
    if not isinstance(listed, dict) or not listed.keys() <= _MAKERS.keys():
        raise ValidationError(f"NOVAMIND_DEVICE_SERVICES lists makers, of {', '.join(CONNECTED)}, and nothing else")
    return {key: _maker(key, entry, redirect_uri) for key, entry in listed.items()}


def _maker(key: str, entry: object, redirect_uri: str) -> MakerService:
    fields = entry if isinstance(entry, dict) else {}
    if not fields.keys() <= {"client_id", "client_secret", "url"} or not all(
        isinstance(v, str) for v in fields.values()
    ):
        raise ValidationError(f"NOVAMIND_DEVICE_SERVICES: {key} has client_id, client_secret and url, which are texts")
    if not fields.get("client_id"):
        raise ValidationError(
            f"NOVAMIND_DEVICE_SERVICES: {key} has no client_id: give that of the maker's registration"
        )
    service, url = _MAKERS[key][0], fields.get("url")
    if url is not None:
        if not is_loopback(url):
            raise ValidationError(f"NOVAMIND_DEVICE_SERVICES: the url of {key} is a stand-in on this machine alone")
        service = replace(service, authorize_url=f"{url}/authorize", token_url=f"{url}/token")
    application = Application(fields["client_id"], redirect_uri, fields.get("client_secret"))
    return MakerService(key, service, application, url)


def is_loopback(url: str) -> bool:
    """Return whether an address is one of this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def maker_of_name(services: Mapping[str, MakerService], name: str) -> MakerService:
    """Return a service by its name.

    Raises
    ------
    NotFoundError, ValidationError
        There is none of this name, or it is not registered; the message says what to do instead.
    """
    key = name.strip().lower()
    if key in services:
        return services[key]
    if key in _MAKERS:
        raise ValidationError(
            f"{_MAKERS[key][0].name} does not know this application: register it with the maker, and list its "
            "client_id in the file of NOVAMIND_DEVICE_SERVICES"
        )
    if key in INSTEAD:
        raise ValidationError(INSTEAD[key])
    raise NotFoundError(f"no such service can be connected; these can: {', '.join(CONNECTED)}")
