"""How a person agrees, and how tokens are renewed: against a service on loopback."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from novamind.errors import AuthenticationError, DataProcessingError, ServiceUnavailableError
from novamind.records.wearables.connectors import FitbitConnector
from novamind.records.wearables.oauth import (
    FITBIT,
    OURA,
    WITHINGS,
    Application,
    OAuthClient,
    RenewingTokens,
    Service,
    Tokens,
)
from tests.records.maker_server import MakerServer, maker_server

APPLICATION = Application("client-7", "https://novamind.test/back", "secret-7")
CALLBACK = "https://novamind.test/back?code=code-7&state="


@pytest.fixture
def server() -> Iterator[MakerServer]:
    with maker_server() as running:
        yield running


def client(server: MakerServer, service: Service = OURA, application: Application = APPLICATION) -> OAuthClient:
    return OAuthClient(replace(service, token_url=f"{server.url}/token"), application)


@pytest.mark.parametrize(("service", "separator"), [(OURA, " "), (FITBIT, " "), (WITHINGS, ",")])
def test_the_browser_is_sent_with_a_challenge_and_not_with_the_verifier(service: Service, separator: str) -> None:
    agreement = OAuthClient(service, APPLICATION).begin()
    address = urlsplit(agreement.url)
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert agreement.url.startswith(service.authorize_url + "?")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(agreement.verifier.encode()).digest()).decode().rstrip("=")
    assert query == {
        "response_type": "code", "client_id": "client-7", "redirect_uri": "https://novamind.test/back",
        "scope": separator.join(service.scopes), "state": agreement.state, "code_challenge": challenge,
        "code_challenge_method": "S256",
    }  # fmt: skip
    assert agreement.verifier not in agreement.url
    assert 43 <= len(agreement.verifier) <= 128  # RFC 7636, section 4.1
    again = OAuthClient(service, APPLICATION).begin()
    assert (again.state, again.verifier) != (agreement.state, agreement.verifier)


def test_a_code_is_exchanged_with_the_verifier(server: MakerServer) -> None:
    asking = client(server)
    agreement = asking.begin()
    tokens = asking.finish(agreement, CALLBACK + agreement.state)
    assert (tokens.access_token, tokens.refresh_token) == ("access-2", "refresh-2")
    assert tokens.expires_at is not None
    assert timedelta(minutes=59) < tokens.expires_at - datetime.now(UTC) <= timedelta(hours=1)
    assert server.forms == [(
        {"client_id": "client-7", "client_secret": "secret-7", "grant_type": "authorization_code", "code": "code-7",
         "redirect_uri": "https://novamind.test/back", "code_verifier": agreement.verifier}, None)]  # fmt: skip


def test_fitbit_takes_the_secret_in_the_header_and_a_public_application_has_none(server: MakerServer) -> None:
    client(server, FITBIT).renewed(Tokens("a", "refresh-1"))
    client(server, FITBIT, Application("client-7", "https://novamind.test/back")).renewed(Tokens("a", "refresh-1"))
    basic = "Basic " + base64.b64encode(b"client-7:secret-7").decode()
    form = {"client_id": "client-7", "grant_type": "refresh_token", "refresh_token": "refresh-1"}
    assert server.forms == [(form, basic), (form, None)]


def test_withings_wraps_its_answer(server: MakerServer) -> None:
    server.token = lambda form: (200, {"status": 0, "body": {"access_token": form["action"], "refresh_token": "r"}})
    assert client(server, WITHINGS).renewed(Tokens("a", "refresh-1")) == Tokens("requesttoken", "r")
    server.token = lambda _form: (200, {"status": 503, "body": {}, "error": "private"})
    with pytest.raises(AuthenticationError, match=r"^Withings refuses the code or the tokens: begin again$"):
        client(server, WITHINGS).renewed(Tokens("a", "refresh-1"))


@pytest.mark.parametrize("callback", [CALLBACK + "another", "https://novamind.test/back?code=x", CALLBACK + "ä"])
def test_an_answer_to_another_request_is_refused_before_anything_is_sent(server: MakerServer, callback: str) -> None:
    asking = client(server)
    with pytest.raises(AuthenticationError, match="belongs to another request: begin again"):
        asking.finish(asking.begin(), callback)
    assert server.forms == []


def test_a_person_who_does_not_agree(server: MakerServer) -> None:
    asking = client(server)
    agreement = asking.begin()
    with pytest.raises(AuthenticationError, match="Oura was not allowed to share data"):
        asking.finish(agreement, f"https://novamind.test/back?error=access_denied&state={agreement.state}")


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((400, {"error": "invalid_grant"}), AuthenticationError, "Oura refuses the code or the tokens: begin again"),
        ((401, {}), AuthenticationError, "begin again"),
        ((500, {}), ServiceUnavailableError, "Oura answers 500: try again later"),
        ((200, b"<html>"), DataProcessingError, "another form than OAuth's"),
        ((200, []), DataProcessingError, "another form than OAuth's"),
        ((200, {"access_token": 7}), DataProcessingError, "another form than OAuth's"),
        ((200, {"access_token": ""}), DataProcessingError, "another form than OAuth's"),
    ],
)
def test_answers_that_hold_no_tokens(
    server: MakerServer, answer: tuple[int, object], error: type[Exception], message: str
) -> None:
    server.token = lambda _form: answer
    with pytest.raises(error, match=message) as caught:
        client(server).renewed(Tokens("a", "refresh-1"))
    assert "refresh-1" not in str(caught.value)


def test_nobody_there() -> None:
    away = replace(OURA, token_url="http://127.0.0.1:9/token")  # noqa: S106 - an address
    with pytest.raises(ServiceUnavailableError, match="Oura cannot be reached: try again later"):
        OAuthClient(away, APPLICATION).renewed(Tokens("a", "refresh-1"))


def test_nothing_secret_is_shown() -> None:
    agreement = OAuthClient(OURA, APPLICATION).begin()
    shown = repr((APPLICATION, Tokens("access-1", "refresh-1"), agreement))
    assert not any(secret in shown for secret in ("secret-7", "access-1", "refresh-1", agreement.verifier))


class TestRenewal:
    def renewing(self, server: MakerServer, tokens: Tokens) -> tuple[RenewingTokens, list[Tokens]]:
        stored: list[Tokens] = []
        return RenewingTokens(client(server), tokens, stored.append), stored

    @pytest.mark.parametrize(("minutes", "renewals"), [(1, 1), (-1, 1), (3, 0), (None, 0)])
    def test_tokens_are_renewed_shortly_before_they_end(
        self, server: MakerServer, minutes: float | None, renewals: int
    ) -> None:
        ends = None if minutes is None else datetime.now(UTC) + timedelta(minutes=minutes)
        tokens, stored = self.renewing(server, Tokens("access-1", "refresh-1", ends))
        assert tokens.access_token() == ("access-2" if renewals else "access-1")
        assert tokens.access_token() == ("access-2" if renewals else "access-1")
        assert [entry.refresh_token for entry in stored] == ["refresh-2"] * renewals

    def test_a_token_that_the_service_refuses_is_renewed_once(self, server: MakerServer) -> None:
        server.valid = {"access-2"}
        tokens, stored = self.renewing(server, Tokens("access-1", "refresh-1"))
        server.documents = lambda _path, _query: (200, {"sleep": [], "hrv": [], "br": [], "spo2": [], "tempSkin": [],
            **{f"activities-{name}": [] for name in ("heart", "steps", "distance", "calories")}})  # fmt: skip
        with FitbitConnector(tokens, base_url=server.url, first_wait_seconds=0.01) as connector:
            connector.documents(datetime(2024, 5, 1).date(), datetime(2024, 5, 1).date())  # noqa: DTZ001
        assert (len(stored), len(server.forms)) == (1, 1)

    def test_a_renewal_that_does_not_help_ends(self, server: MakerServer) -> None:
        server.valid = set()
        tokens, stored = self.renewing(server, Tokens("access-1", "refresh-1"))
        day = datetime(2024, 5, 1).date()  # noqa: DTZ001
        with (
            FitbitConnector(tokens, base_url=server.url, first_wait_seconds=0.01) as connector,
            pytest.raises(AuthenticationError, match="refuses the access token"),
        ):
            connector.documents(day, day)
        assert len(stored) == 1

    def test_the_new_tokens_are_stored_before_they_are_used(self, server: MakerServer) -> None:
        def fail(_: Tokens) -> None:
            raise OSError("the store is full")

        tokens = RenewingTokens(client(server), Tokens("access-1", "refresh-1"), fail)
        with pytest.raises(OSError, match="full"):
            tokens.renew()
        assert tokens.access_token() == "access-1"

    def test_a_renewal_without_a_new_renewal_token_keeps_the_old_one(self, server: MakerServer) -> None:
        server.token = lambda _form: (200, {"access_token": "access-2"})
        assert client(server).renewed(Tokens("access-1", "refresh-1")) == Tokens("access-2", "refresh-1")

    def test_tokens_that_cannot_be_renewed(self, server: MakerServer) -> None:
        tokens, _ = self.renewing(server, Tokens("access-1"))
        assert not tokens.renew()
        with pytest.raises(AuthenticationError, match="cannot be renewed: begin again"):
            client(server).renewed(Tokens("access-1"))
