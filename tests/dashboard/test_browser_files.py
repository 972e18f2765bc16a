"""Files and devices in Chromium: a German table to its forecast, a genotype with a word, a watch by its maker."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.infrastructure.identity.tables import User
from novamind.infrastructure.patient_store import Identity
from novamind.records.wearables.oauth import FITBIT, Application
from novamind.records.wearables.services import MakerService
from novamind.twin.breaker import CircuitBreaker
from tests.dashboard.conftest import Live
from tests.dashboard.test_browser import LOADED, Walk
from tests.records.maker_server import maker_server
from tests.server.test_devices import TOKENS, fitbit
from tests.server.test_files import VCF
from tests.test_file_to_forecast import DAYS, german_table

#: Where pictures of the pages go, for who looks at them.
PICTURES = os.environ.get("NOVAMIND_PICTURES")


@pytest.fixture
def seen(chromium: Any, live: Live) -> Iterator[Walk]:
    walk = Walk(chromium, live)
    yield walk
    walk.close()


@pytest.fixture
def patient_id(live: Live) -> str:
    container = live.app.state.container

    async def register() -> str:
        async with container.foundation.database.snapshot() as session:
            clinicians = sa.select(User).where(User.role == "clinician").order_by(User.created_at)
            user = (await session.scalars(clinicians.limit(1))).one()
        principal = Principal(user.user_id, uuid4(), Role.CLINICIAN, user.organisation_id, None, frozenset(Permission))
        identity = Identity({"mrn": uuid4().hex}, {"name": "Files", "timezone": "Europe/Berlin"})
        return str(await container.clinic.register(principal, identity))

    return str(live.run(register()))


def picture(seen: Walk, name: str) -> None:
    if PICTURES:
        seen.page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


def stored(seen: Walk, file: Path) -> str:
    """Drop a file, look at what it holds, store it; return what was shown."""
    page = seen.page
    page.locator("#file").set_input_files(file)
    page.get_by_role("button", name="Show what it holds").click()
    page.get_by_role("heading", name="Nothing is stored yet").wait_for()
    shown: str = page.inner_text("#upload-answer")
    picture(seen, file.stem)
    page.get_by_role("button", name="Store it").click()
    page.get_by_text("Stored:").wait_for()
    return shown


def test_files_become_a_forecast_and_genes(seen: Walk, patient_id: str, tmp_path: Path) -> None:
    page, at = seen.page, f"{seen.live.address}/patients/{patient_id}"
    seen.log_in("demo")
    (tmp_path / "Tagebuch.csv").write_bytes(german_table())
    (tmp_path / "genome.vcf").write_bytes(VCF)
    page.goto(f"{at}/upload")
    page.get_by_text("How a table is written").click()
    page.locator("#encoding").fill("cp1252")
    shown = stored(seen, tmp_path / "Tagebuch.csv")
    assert f"PHQ-9\t\t{DAYS}" in shown
    page.goto(f"{at}/upload")
    page.get_by_text("How a genotype is written").click()
    page.get_by_label("The VCF lists every variant").check()
    seen.accessible()
    shown = stored(seen, tmp_path / "genome.vcf")
    assert "CYP2C19 *1/*2" in shown
    assert "positions that the file does not list are taken as reference" in shown
    page.goto(f"{at}/insights")
    page.wait_for_selector(LOADED)
    assert "PHQ-9" in page.inner_text("#forecast, main")
    picture(seen, "insights")


def test_a_watch_is_connected_fetched_and_disconnected(seen: Walk, live: Live, patient_id: str) -> None:
    page, devices = seen.page, live.app.state.container.devices
    with maker_server() as maker:
        maker.token = lambda _form: (200, TOKENS)
        maker.documents = fitbit(lambda day: 6_000 + day.day)
        service = MakerService(
            "fitbit",
            replace(FITBIT, authorize_url=f"{maker.url}/authorize", token_url=f"{maker.url}/token"),
            Application("id", f"{live.address}/devices/callback", "secret"),
            maker.url,
        )
        devices.services["fitbit"], devices._breakers["fitbit"] = service, CircuitBreaker()
        seen.log_in("demo")
        page.goto(f"{live.address}/patients/{patient_id}#devices")
        page.locator("#devices-part input[name=name]").fill("watch")
        page.get_by_label("The patient agrees").check()
        page.get_by_role("button", name="Connect a device").click()
        page.get_by_role("link", name="continue at Fitbit").wait_for()
        seen.accessible()
        seen.go("link", "continue at Fitbit")
        page.get_by_role("button", name="Fetch watch").wait_for()
        assert page.url.startswith(f"{live.address}/patients/{patient_id}")
        page.get_by_role("textbox", name="From", exact=True).fill(str(date.today() - timedelta(days=9)))  # noqa: DTZ011 - the browser's day
        page.get_by_role("button", name="Fetch watch").click()
        page.get_by_text("Stored:").wait_for()
        picture(seen, "devices")
        seen.accessible()
        page.get_by_role("button", name="Disconnect watch").click()
        page.get_by_text("No device is connected.").wait_for()
        assert live.run(devices._connections.of_patient(UUID(patient_id))) == []
        seen.wrong = [what for what in seen.wrong if maker.url not in what]
    del devices.services["fitbit"]
