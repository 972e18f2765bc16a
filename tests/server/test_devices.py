"""Devices over REST, against makers on loopback: agreement, fetch, faults, renewal, disconnection; nothing leaks."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
import sqlalchemy as sa

from novamind.clinic import devices
from novamind.infrastructure.tables import DeviceConnection
from novamind.records.wearables.services import CONNECTED
from novamind.twin.breaker import CircuitBreaker
from tests.records.maker_server import MakerServer, maker_server
from tests.security.test_audit_attacks import refusing
from tests.server.world import BASE, World

BACK = f"{BASE}/devices/callback"
TOKENS = {"access_token": "access-1", "refresh_token": "refresh-1", "expires_in": 3_600}


@pytest.fixture(scope="module")
def maker() -> Iterator[MakerServer]:
    with maker_server() as running:
        yield running


@pytest.fixture(scope="module")
def clinic(maker: MakerServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("devices")
    listed = {key: {"client_id": f"id-{key}", "client_secret": "secret", "url": maker.url} for key in CONNECTED[:2]}
    (folder / "services.json").write_text(json.dumps(listed))
    options = {"device_services": folder / "services.json"}
    with World(f"sqlite:///{folder}/novamind.db", folder, workers=1, **options) as world:
        yield world.populate()


@pytest.fixture(autouse=True)
def fresh(maker: MakerServer, clinic: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_RETRIES", {"attempts": 1})
    maker.valid, maker.forms[:], maker.asked[:] = {"access-1"}, [], []
    maker.token = lambda _form: (200, TOKENS)
    maker.documents = fitbit(lambda _day: 8_000)
    clinic.container.devices._breakers = {key: CircuitBreaker() for key in CONNECTED}


def fitbit(steps: Any) -> Any:
    """Answer Fitbit's questions: steps of each day, and nothing else."""

    def answer(path: str, _query: dict[str, str]) -> tuple[int, Any]:
        kind, _, span = path.removesuffix(".json").partition("/date/")
        first, last = (date.fromisoformat(day) for day in span.split("/"))
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        if kind.endswith("/steps"):
            return 200, {"activities-steps": [{"dateTime": str(day), "value": str(steps(day))} for day in days]}
        keys = {"heart": "activities-heart", "distance": "activities-distance", "calories": "activities-calories"}
        name = kind.rsplit("/", 1)[1]
        return 200, [] if name == "spo2" else {{"skin": "tempSkin"}.get(name, keys.get(name, name)): []}

    return answer


def at(world: World, patient: str = "P1") -> str:
    return f"/api/v1/patients/{world.patients[patient]}/devices"


def begun(world: World, who: str = "C11", patient: str = "P1", **more: Any) -> httpx.Response:
    body = {"maker": "fitbit", "name": "watch", "patient_agrees": True} | more
    return world.call("POST", at(world, patient), who, json=body)


def back(world: World, begun_: httpx.Response, who: str = "C11", patient: str = "P1", **query: str) -> httpx.Response:
    state = parse_qs(urlsplit(begun_.json()["authorize_url"]).query)["state"][0]
    url = httpx.URL(BACK, params={"code": "code-1", "state": state} | query)
    return world.call("POST", f"{at(world, patient)}/callback", who, json={"callback_url": str(url)})


@pytest.fixture
def connected(clinic: World) -> Iterator[str]:
    answer = back(clinic, begun(clinic))
    assert answer.status_code == 200, answer.text
    yield answer.json()["id"]
    clinic.call("DELETE", f"{at(clinic)}/{answer.json()['id']}", "C11")


def fetched(world: World, device: str, **body: str) -> httpx.Response:
    return world.call("POST", f"{at(world)}/{device}/fetch", "C11", json=body)


def today() -> date:
    return datetime.now(ZoneInfo("Europe/Berlin")).date()


def steps_of(world: World) -> dict[str, float]:
    """Day to stored steps, as the record has them."""

    async def read() -> Any:
        principal = await world.container.identity.sessions.authenticate(world.tokens["C11"])
        return await world.container.clinic.case(principal, UUID(world.patients["P1"]))

    frame = world.run(read()).record.signals
    rows = frame.part([key.name for key in frame.series].index("daily_steps"))
    return {
        str(day)[:10]: float(value)
        for day, value in zip(frame.timestamps[rows].astype(str), frame.values[rows], strict=True)
    }


def test_the_patient_agrees_at_the_makers_with_a_challenge(clinic: World, maker: MakerServer) -> None:
    answer = begun(clinic)
    assert answer.status_code == 201, answer.text
    url = urlsplit(answer.json()["authorize_url"])
    query = {name: value[0] for name, value in parse_qs(url.query).items()}
    assert answer.json()["authorize_url"].startswith(f"{maker.url}/authorize?")
    assert (query["client_id"], query["redirect_uri"]) == ("id-fitbit", BACK)
    assert query["code_challenge_method"] == "S256"
    listed = clinic.call("GET", at(clinic), "C11").json()
    assert [(one["maker"], one["name"], one["connected"]) for one in listed["items"]] == [("Fitbit", "watch", False)]
    assert listed["makers"] == ["oura", "fitbit"]
    done = back(clinic, answer)
    assert (done.status_code, done.json()["connected"], done.json()["error"]) == (200, True, None)
    ((form, authorization),) = maker.forms
    assert (form["code"], form["redirect_uri"], form["grant_type"]) == ("code-1", BACK, "authorization_code")
    assert authorization is not None
    assert back(clinic, answer).status_code == 404  # an answer counts once
    assert begun(clinic).status_code == 422  # one device of a maker and name
    assert clinic.call("DELETE", f"{at(clinic)}/{done.json()['id']}", "C11").status_code == 204
    assert clinic.call("GET", at(clinic), "C11").json()["items"] == []


def test_a_fetch_is_stored_and_a_later_one_replaces_what_overlaps(
    clinic: World, maker: MakerServer, connected: str
) -> None:
    first = today() - timedelta(days=6)
    answer = fetched(clinic, connected, first_day=str(first))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["device"]["error"], body["stored"]) == (None, {"biometric_samples": 1})
    assert body["device"]["complete_until"] == str(today() - timedelta(days=1))
    stored = steps_of(clinic)
    assert {str(first + timedelta(days=n)) for n in range(7)} <= stored.keys()
    assert set(stored.values()) == {8_000.0}
    maker.asked.clear()
    maker.documents = fitbit(lambda _day: 9_000)
    assert fetched(clinic, connected).json()["device"]["error"] is None
    spans = {path.rsplit("/date/")[1] for path, _ in maker.asked}
    assert spans == {f"{today() - timedelta(days=3)}/{today()}.json"}
    again = steps_of(clinic)
    assert again.keys() == stored.keys()
    assert [again[str(today() - timedelta(days=n))] for n in range(5)] == [9_000] * 4 + [8_000]
    imports = clinic.call("GET", f"/api/v1/patients/{clinic.patients['P1']}/imports", "C11").json()["items"]
    assert [one["name"] for one in imports][-2:] == ["Fitbit: watch"] * 2


def test_a_maker_without_anything_new_is_no_error(clinic: World, maker: MakerServer, connected: str) -> None:
    empty = {f"activities-{kind}": [] for kind in ("heart", "steps", "distance", "calories")}
    empty |= {key: [] for key in ("sleep", "hrv", "br", "tempSkin")}
    maker.documents = lambda path, _query: (200, [] if "/spo2/" in path else empty)
    body = fetched(clinic, connected).json()
    assert (body["device"]["error"], body["stored"]) == (None, {})
    assert body["device"]["complete_until"] == str(today() - timedelta(days=1))


def test_tokens_are_renewed_and_kept_sealed(clinic: World, maker: MakerServer, connected: str) -> None:
    maker.valid = {"access-2"}
    maker.token = lambda _form: (200, {"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 60})
    assert fetched(clinic, connected).json()["device"]["error"] is None
    assert maker.forms[1][0].get("refresh_token") == "refresh-1"  # the first was the exchange of the code
    assert fetched(clinic, connected).json()["device"]["error"] is None
    assert maker.forms[-1][0].get("refresh_token") == "refresh-2"

    async def payloads() -> list[bytes]:
        async with clinic.container.foundation.database.snapshot() as session:
            return list(await session.scalars(sa.select(DeviceConnection.payload)))

    assert all(
        b"access-" not in one and b"refresh-" not in one and b"watch" not in one for one in clinic.run(payloads())
    )


def test_a_maker_that_refuses_asks_for_a_new_agreement(clinic: World, maker: MakerServer, connected: str) -> None:
    fetched(clinic, connected, first_day=str(today() - timedelta(days=2)))
    maker.valid, maker.token = set(), lambda _form: (400, {})
    device = fetched(clinic, connected).json()["device"]
    assert (device["error"], device["connected"]) == ("AuthenticationError", False)
    assert device["complete_until"] == str(today() - timedelta(days=1))
    assert fetched(clinic, connected).status_code == 422
    maker.valid, maker.token = {"access-1"}, lambda _form: (200, TOKENS)
    anew = back(clinic, begun(clinic)).json()
    assert (anew["connected"], anew["complete_until"]) == (True, device["complete_until"])
    assert [one["id"] for one in clinic.call("GET", at(clinic), "C11").json()["items"]] == [anew["id"]]
    clinic.call("DELETE", f"{at(clinic)}/{anew['id']}", "C11")


def test_a_maker_that_fails_is_left_alone_for_a_while(clinic: World, maker: MakerServer, connected: str) -> None:
    maker.documents = lambda _path, _query: (503, {})
    for _ in range(3):
        device = fetched(clinic, connected).json()["device"]
        assert (device["error"], device["connected"]) == ("ServiceUnavailableError", True)
    asked = len(maker.asked)
    refused = fetched(clinic, connected)
    assert (refused.status_code, len(maker.asked)) == (503, asked)
    assert "has failed several times" in refused.json()["detail"]


def test_one_persons_refusal_leaves_the_maker_to_others(clinic: World, maker: MakerServer, connected: str) -> None:
    breaker = clinic.container.devices._breakers["fitbit"]
    for _ in range(2):
        breaker.failed()
    maker.valid, maker.token = set(), lambda _form: (400, {})
    fetched(clinic, connected)
    assert breaker.allow()


def test_two_do_not_fetch_one_device_at_a_time(clinic: World, connected: str) -> None:
    connections = clinic.container.devices._connections
    stored = clinic.run(connections.read(UUID(clinic.patients["P1"]), UUID(connected)))
    clinic.run(connections.claim(stored))
    assert fetched(clinic, connected).status_code == 503
    clinic.run(connections.replace(stored, stored.content, done=True))
    assert fetched(clinic, connected).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"patient_agrees": False}, 422, "the patient has to agree"),
        ({"maker": "garmin"}, 422, "request the account's export at garmin.com"),
        ({"maker": "withings"}, 422, "list its client_id in the file of NOVAMIND_DEVICE_SERVICES"),
        ({"maker": "acme"}, 404, "these can: oura, fitbit, withings"),
        ({"name": "a\nb"}, 422, "one line of at most 60 characters"),
    ],
)
def test_what_cannot_be_connected(clinic: World, body: dict[str, Any], status: int, words: str) -> None:
    answer = begun(clinic, **body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert clinic.call("GET", at(clinic), "C11").json()["items"] == []


def test_an_answer_of_another_request_account_or_patient_counts_for_nothing(clinic: World, maker: MakerServer) -> None:
    answer = begun(clinic)
    assert back(clinic, answer, state="another").status_code == 404
    assert back(clinic, answer, who="service1").status_code == 403
    assert back(clinic, answer, patient="P2").status_code == 404
    assert back(clinic, answer, who="C12").status_code in (403, 404)
    assert maker.forms == []
    state = parse_qs(urlsplit(answer.json()["authorize_url"]).query)["state"][0]
    url = f"{BACK}?error=access_denied&state={state}"
    refused = clinic.call("POST", f"{at(clinic)}/callback", "C11", json={"callback_url": url})
    assert (refused.status_code, "was not allowed to share data" in refused.json()["detail"]) == (422, True)
    assert clinic.call("GET", at(clinic), "C11").json()["items"] == []


@pytest.mark.parametrize("who", ["C12", "C21", "auditor", "researcher", "service2"])
def test_strangers_see_and_do_nothing(clinic: World, connected: str, who: str) -> None:
    assert clinic.call("GET", at(clinic), who).status_code in (403, 404)
    assert begun(clinic, who).status_code in (403, 404)
    assert clinic.call("POST", f"{at(clinic)}/{connected}/fetch", who, json={}).status_code in (403, 404)
    assert clinic.call("DELETE", f"{at(clinic)}/{connected}", who).status_code in (403, 404)
    assert clinic.call("DELETE", f"{at(clinic, 'P2')}/{connected}", "C11").status_code == 404


def test_the_audit_says_who_connected_fetched_and_disconnected(clinic: World) -> None:
    device = back(clinic, begun(clinic)).json()["id"]
    fetched(clinic, device)
    clinic.call("DELETE", f"{at(clinic)}/{device}", "C11")
    entries = [one for one in clinic.audited() if one["action"].startswith("device.") and device in one["references"]]
    assert [one["action"] for one in entries] == [
        "device.begun", "device.connected", "device.fetched", "device.disconnected",
    ]  # fmt: skip
    assert {one["actor"] for one in entries} == {str(clinic.users["C11"])}


def test_whoever_is_forgotten_leaves_no_device(clinic: World) -> None:
    clinic.patients["P9"] = clinic.add_patient("P9", "C11")
    back(clinic, begun(clinic, patient="P9"), patient="P9")
    access = clinic.container.operator("test")
    clinic.run(clinic.container.foundation.retention.forget(UUID(clinic.patients["P9"]), access))

    async def left() -> int:
        async with clinic.container.foundation.database.snapshot() as session:
            owned = DeviceConnection.patient_id == UUID(clinic.patients["P9"])
            return len((await session.scalars(sa.select(DeviceConnection).where(owned))).all())

    assert clinic.run(left()) == 0


def test_while_the_audit_cannot_be_written_devices_stand_still(
    clinic: World, maker: MakerServer, connected: str
) -> None:
    maker.asked.clear()
    with refusing(clinic):
        assert clinic.call("GET", at(clinic), "C11").status_code == 503
        assert begun(clinic, name="other").status_code == 503
        assert fetched(clinic, connected).status_code == 503
        assert clinic.call("DELETE", f"{at(clinic)}/{connected}", "C11").status_code == 503
    assert [one["id"] for one in clinic.call("GET", at(clinic), "C11").json()["items"]] == [connected]
