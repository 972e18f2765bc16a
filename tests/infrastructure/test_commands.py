"""What an operator types and reads: new keys, rotation, the audit, purges; numbers on one line, progress beside it."""

import base64
import json
import os
import re
from typing import Any

import pytest
import sqlalchemy as sa
import typer
from typer.testing import CliRunner

from novamind import cli
from novamind.infrastructure.commands import register
from novamind.infrastructure.patient_store import Kind
from novamind.infrastructure.tables import AuditEntry, IdempotencyKey, Patient, PatientKey, Record
from tests.golden import check_golden
from tests.infrastructure.clinic import SHELL, Clinic, Clock


@pytest.fixture
def shell(clinic: Clinic, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The commands, on the clinic's database."""
    del clock
    monkeypatch.setenv("NOVAMIND_DATABASE_URL", clinic.settings.database_url.get_secret_value())
    monkeypatch.setenv("NOVAMIND_KEY_FILE", str(clinic.settings.key_file))
    monkeypatch.setenv("NOVAMIND_AUDIT_WITNESS", str(clinic.settings.audit_witness))

    def said(*words: object, code: int = 0) -> dict[str, Any]:
        done = CliRunner().invoke(cli.app, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return {"out": re.sub(r"local:[0-9a-f]{16}", "local:...", done.stdout), "err": done.stderr}

    return said


def filled(clinic: Clinic, patients: int) -> list[Any]:
    here, store = clinic.organisation(), clinic.foundation.store
    made = [clinic.patient(here, mrn=str(n)) for n in range(patients)]
    for one in made:
        clinic.run(store.append(one, Kind.NOTE, [{"n": 1}, {"n": 2}], SHELL, idempotency_key=str(one)))
    return made


def test_these_are_the_commands() -> None:
    app = typer.Typer()
    register(app)
    for words, named in (
        ([], ["keys", "Keys that protect", "audit", "Who saw or changed what", "purge"]),
        (["keys"], ["generate", "rotate", "retire"]),
        (["audit"], ["verify"]),
    ):
        said = CliRunner().invoke(app, [*words, "--help"])
        assert said.exit_code == 0
        assert [one for one in named if one not in said.output] == []
    for group in ("keys", "audit"):  # alone they say what there is
        assert "Usage" in CliRunner().invoke(app, [group]).output


def test_new_keys_are_four_of_32_bytes(shell: Any) -> None:
    lines = [line.split("=", 1) for line in shell("keys", "generate")["out"].splitlines()]
    assert [name for name, _ in lines] == [
        "NOVAMIND_ENCRYPTION_KEY",
        "NOVAMIND_INDEX_KEY",
        "NOVAMIND_AUDIT_SIGNING_KEY",
        "NOVAMIND_JWT_SECRET",
    ]
    assert {len(base64.b64decode(key)) for _, key in lines} == {32}
    assert len({key for _, key in lines}) == 4


def test_what_the_shell_says(clinic: Clinic, clock: Clock, shell: Any) -> None:
    first, *_ = filled(clinic, 3)
    said = {
        "rotate": shell("keys", "rotate"),
        "rotate json": shell("keys", "rotate", "--json"),
        "retire": shell("keys", "retire"),
        "retire json": json.loads(shell("keys", "retire", "--json")["out"])["retired"] == ["local:..."] * 2,
        "verify": shell("audit", "verify"),
        "verify json": shell("audit", "verify", "--json"),
        "purge": shell("purge"),
        "purge json": shell("purge", "--json"),
        "purge patient": shell("purge", "--patient", first),
        "purge patient json": shell("purge", "--patient", first, "--json"),
    }
    clock.move(days=2)
    said["purge noted"] = shell("purge", "--execute")
    said["purge patient executed"] = shell("purge", "--patient", first, "--execute")
    clock.move(days=4000)
    said["purge old"] = shell("purge", "--execute", "--json")
    clock.move(hours=-1)
    clinic.organisation("Late")
    said["clock"] = shell("audit", "verify")
    said["clock json"] = shell("audit", "verify", "--json")
    check_golden(__file__, "shell", said)


def test_a_broken_audit_is_named_and_ends_with_1(clinic: Clinic, shell: Any) -> None:
    filled(clinic, 1)
    clinic.execute(
        sa.text("DROP TRIGGER audit_entries_update"),
        sa.update(AuditEntry).where(AuditEntry.sequence == 2).values(digest=bytes(32)),
    )
    text = "broken at entry 2: it was changed, or put in another's place\n"
    assert shell("audit", "verify", code=1)["out"] == text
    found = json.loads(shell("audit", "verify", "--json", code=1)["out"])
    assert (found["intact"], found["broken_at"], found["entries"]) == (False, 2, 1)


@pytest.mark.parametrize(("days", "renewed"), [(0, 2), (9, 2), (10, 0), (11, 0)])
def test_data_keys_older_than_so_many_days_are_replaced(
    clinic: Clinic, clock: Clock, shell: Any, days: int, renewed: int
) -> None:
    filled(clinic, 2)
    clock.move(days=10)
    done = json.loads(shell("keys", "rotate", "--data-keys", "--older-than-days", days, "--json")["out"])
    assert done == {"rewrapped": 2, "renewed": renewed}
    assert {row.generation for row in clinic.rows(PatientKey)} == {2 if renewed else 1}


def test_a_rotation_that_was_interrupted_goes_on_with_the_key_that_it_made(clinic: Clinic, shell: Any) -> None:
    filled(clinic, 2)
    keys: Any = clinic.foundation.keys.encryption
    keys.add()  # and then it was interrupted
    assert shell("keys", "rotate")["out"] == "2 data keys wrapped again, 0 patients given a new data key\n"
    assert len(json.loads(clinic.settings.key_file.read_text())["encryption"]) == 2
    shell("keys", "retire")
    assert len(json.loads(clinic.settings.key_file.read_text())["encryption"]) == 1


def test_what_is_done_is_done_in_the_operators_name(clinic: Clinic, clock: Clock, shell: Any) -> None:
    first, *_ = filled(clinic, 2)
    clock.move(1)
    shell("keys", "rotate", "--data-keys")
    shell("keys", "retire")
    shell("purge", "--patient", first, "--execute")
    clock.move(days=4000)
    shell("purge", "--execute")
    told = [one for one in clinic.entries() if one["actor"] == f"shell:{os.getuid()}"]
    assert {one["role"] for one in told} == {"admin"}
    assert {len(one["correlation_id"]) for one in told} == {36}
    assert [(one["action"], one["purpose"], one["what"]) for one in told] == [
        ("rewrapped", "key_rotation", "data_key"),
        ("destroyed", "key_rotation", "data_key"),
        ("destroyed", "key_rotation", "data_key"),
        ("retired", "key_rotation", "encryption_key"),
        ("purge", "erasure", "patient"),
        ("purge", "retention", "patient"),
    ]
    assert clinic.rows(Patient) == clinic.rows(Record) == clinic.rows(IdempotencyKey) == []
