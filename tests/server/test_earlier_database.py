"""A database that an earlier version wrote is opened, brought up to date, and every page of every patient answers.

``earlier_database.sql.gz`` was written through the API of commit 76e9b70 on SQLite. It has four patients: a whole
record; one with what that version took and today's would not (another scale for PHQ-9, two scales of one series, values
that no sensor gives, an unreadable course); one with the medical record number of another; one with nothing.
"""

import asyncio
import base64
import gzip
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from novamind.errors import ValidationError
from novamind.infrastructure.database import Database
from novamind.infrastructure.tables import Patient as Patient_
from tests.clinic.wire import COMPUTED, PAGES, Patient, answered, asked, shown
from tests.server.world import World

PASSWORD = "a password of the tests"  # noqa: S105
PATIENTS = {
    "a whole record": "4203883e-7e5b-42ef-a99f-20095158df9a",
    "what was taken before": "de7181a3-afa0-4d6f-b0d3-d216a18d7036",
    "the same number again": "b6216321-7886-409a-bb53-1aa55a443b33",
    "nothing yet": "7af93e71-096f-4846-9d11-9cc8280395db",
}


def _key(name: str) -> SecretStr:
    return SecretStr(base64.b64encode(hashlib.sha256(f"a test's {name}".encode()).digest()).decode())


def _options() -> dict[str, Any]:
    names = {"encryption_key": "encryption key", "index_key": "index key", "audit_signing_key": "signing key"}
    return {"key_provider": "environment"} | {option: _key(name) for option, name in names.items()}


def _restore(folder: Path) -> str:
    dump = gzip.decompress(Path(__file__).with_name("earlier_database.sql.gz").read_bytes()).decode()
    with sqlite3.connect(folder / "novamind.db") as connection:
        connection.executescript(dump)
    connection.close()
    return f"sqlite:///{folder}/novamind.db"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The earlier database, opened by today's server."""
    folder = tmp_path_factory.mktemp("earlier")
    with World(_restore(folder), folder, workers=1, **_options()) as world:
        world.passwords["C11"] = PASSWORD
        world.log_in("C11")
        yield world


def patient(world: World, name: str) -> Patient:
    here = Patient.__new__(Patient)
    here.world, here.zone, here.id = world, None, PATIENTS[name]
    here.at = f"/api/v1/patients/{here.id}"
    return here


@pytest.mark.parametrize("name", PATIENTS)
def test_every_list_answer_and_page_of_an_earlier_patient_is_there(earlier: World, name: str) -> None:
    here = patient(earlier, name)
    here.lists()
    for question in COMPUTED:
        answered(here, question)
    for page in PAGES:
        shown(here, page)
    asked(here)


def test_what_today_would_refuse_is_named_and_the_rest_counts(earlier: World) -> None:
    here = patient(earlier, "what was taken before")
    forecast = here.get("forecast")
    assert {one["symptom"]: one["scale"]["high"] for one in forecast["forecasts"]} == {"PHQ-9": 27, "mood": 10}
    assert all(value <= 27 for row in forecast["forecasts"][0]["quantiles"] for value in row)
    assert forecast["skipped"] == []
    notes = here.get("insights?lookback_days=120")["notes"]
    assert "20 report(s) are off the scale of their instrument and were not used." in notes
    assert "not used: the patient withdrew consent to genomics (genotype)." in notes
    assert sum(note.startswith("stored, but it cannot be read; correct it (symptom_report ") for note in notes) == 20
    assert (
        sum(note.startswith("3 value(s) of heart_rate are none that a living person's device") for note in notes) == 1
    )
    assert [one["name"] for one in here.get("problems")["allergies"]] == ["citalopram"]
    review = here.ask("POST", "medication-advice", json={}).json()
    assert "citalopram" not in review["ranking"][:3]
    assert review["comparison"]["best balance"] not in ("citalopram", "escitalopram"), "an allergy, and its sibling"


def test_what_was_stored_comes_back_as_it_was(earlier: World) -> None:
    here = patient(earlier, "a whole record")
    reports = here.get("reports?newest=5000")["items"]
    assert sorted(one["value"] for one in reports) == sorted(8 + i % 7 for i in range(60))
    assert here.get("genotype")["genes"] == {"CYP2D6": "*4/*4", "CYP2C19": "*1/*2"}
    assert {one["medication"] for one in here.get("medications")["items"]} == {"sertraline", "paroxetine"}


def test_a_number_that_two_patients_have_stays_and_cannot_be_given_again(earlier: World) -> None:
    found = earlier.run(
        earlier.container.foundation.store.find(
            UUID(int=_organisation(earlier)), "mrn", "2", earlier.container.operator("test")
        )
    )
    assert {str(one) for one in found} == {PATIENTS["what was taken before"], PATIENTS["the same number again"]}
    again = earlier.call("POST", "/api/v1/patients", "C11", json={"name": "x", "identifiers": {"mrn": "2"}})
    assert (again.status_code, "registered already" in again.text) == (422, True)


def _organisation(world: World) -> int:
    async def read() -> UUID:
        async with world.container.foundation.database.snapshot() as session:
            organisation: UUID = await session.scalar(sa.select(Patient_.organisation_id).limit(1))
            return organisation

    return int(world.run(read()).int)


def test_the_audit_of_the_earlier_version_still_proves_itself(earlier: World) -> None:
    found = earlier.run(earlier.container.foundation.audit.verify())
    assert found.intact, found


def test_a_database_of_a_later_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    url = _restore(tmp_path)
    with sqlite3.connect(tmp_path / "novamind.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    async def opened() -> None:
        database = Database(url)
        try:
            await database.migrate()
        finally:
            await database.close()

    with pytest.raises(ValidationError, match="a later version of novamind wrote this database; start that version"):
        asyncio.run(opened())
