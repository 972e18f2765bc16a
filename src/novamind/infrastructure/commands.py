"""``novamind keys``, ``audit``, ``feedback``, ``purge``: what an operator does with keys, audit and retention."""

import json
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID, uuid4

import typer

if TYPE_CHECKING:
    from novamind.infrastructure.audit import Access
    from novamind.infrastructure.bootstrap import Foundation

T = TypeVar("T")
JsonFlag = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this room."""
    keys = typer.Typer(help="Keys that protect the patients' records.", no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(keys, name="keys")
    keys.command()(generate)
    keys.command()(rotate)
    keys.command()(retire)
    audit = typer.Typer(help="Who saw or changed what.", no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(audit, name="audit")
    audit.command()(verify)
    app.command()(feedback)
    app.command()(purge)


def generate() -> None:
    """Print new keys, as lines for the environment of a production system; they are stored nowhere.

    Example: novamind keys generate > /run/secrets/novamind.env
    """
    from novamind.infrastructure.keys import new_key

    for name in ("ENCRYPTION_KEY", "INDEX_KEY", "AUDIT_SIGNING_KEY", "JWT_SECRET"):
        print(f"NOVAMIND_{name}={new_key()}")


def rotate(
    data_keys: Annotated[
        bool, typer.Option("--data-keys", help="Also give patients new data keys and seal everything again.")
    ] = False,
    older_than_days: Annotated[int, typer.Option(min=0, help="With --data-keys: only keys that are older.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Wrap all data keys with the current encryption key. After an interruption, run it again.

    With keys in a file a new one is made first. Otherwise set the new one as NOVAMIND_ENCRYPTION_KEY and the old one
    as NOVAMIND_PREVIOUS_ENCRYPTION_KEYS, on every server, before.

    Example: novamind keys rotate --data-keys --older-than-days 365
    """
    from novamind.infrastructure.keys import KeyFile

    async def work(here: "Foundation") -> dict[str, int]:
        rotation = here.rotation(_operator("key_rotation"), lambda done: _progress(f"{done:,} keys"))
        if isinstance(here.keys.encryption, KeyFile) and not await rotation.pending():
            here.keys.encryption.add()
        done = {"rewrapped": await rotation.rewrap(), "renewed": 0}
        if data_keys:
            done["renewed"] = await rotation.renew_data_keys(datetime.now(UTC) - timedelta(days=older_than_days))
        return done

    done = _with_foundation(work)
    text = f"{done['rewrapped']:,} data keys wrapped again, {done['renewed']:,} patients given a new data key"
    _show(done, text, as_json)


def retire(as_json: JsonFlag = False) -> None:
    """Retire earlier encryption keys that wrap nothing any more; in a key file they are destroyed.

    Backups from before cannot be read afterwards.

    Example: novamind keys retire
    """
    from novamind.infrastructure.keys import KeyFile

    async def work(here: "Foundation") -> list[str]:
        names = await here.rotation(_operator("key_rotation")).retire()
        if isinstance(here.keys.encryption, KeyFile):
            here.keys.encryption.drop(names)
        return sorted(names)

    names = _with_foundation(work)
    _show({"retired": names}, f"retired so far: {', '.join(names) or 'none'}", as_json)


def verify(as_json: JsonFlag = False) -> None:
    """Check the whole audit. If an entry was altered, print its number and exit with code 1.

    Example: novamind audit verify --json
    """

    async def work(here: "Foundation") -> dict[str, Any]:
        verification = await here.audit.verify(lambda done: _progress(f"{done:,} entries"))
        return {"intact": verification.intact} | vars(verification)

    report = _with_foundation(work)
    if report["intact"]:
        text = f"intact: {report['entries']:,} entries, {report['checkpoints']:,} checkpoints agree; "
        text += f"the last {report['unsigned']:,} are not signed yet"
    else:
        text = f"broken at entry {report['broken_at']}: {report['reason']}"
    for sequence in report["clock_set_back"]:
        text += f"\nthe clock was set back before entry {sequence}"
    _show(report, text, as_json)
    if not report["intact"]:
        raise typer.Exit(1)


def feedback() -> None:
    """Print what clinicians did with cards of CDS Hooks, a JSON line for each, in the order in which it came.

    Example: novamind feedback | jq .overrideReason
    """
    from novamind.infrastructure.card_feedback import CardFeedbackStore

    async def work(here: "Foundation") -> list[dict[str, Any]]:
        store = CardFeedbackStore(here.database, here.audit, here.keys.index)
        return await store.read(_operator("feedback"))

    for outcome in _with_foundation(work):
        print(json.dumps(outcome))


def purge(
    patient: Annotated[str | None, typer.Option(help="Id of a patient to forget now, whatever the age.")] = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="Delete. Without it, only print what would be deleted.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete what is older than NOVAMIND_RETENTION_DAYS, or all that is known about one patient.

    Example: novamind purge            (says what would be deleted)
    Example: novamind purge --execute
    """
    from novamind.errors import ValidationError
    from novamind.infrastructure.retention import PurgePlan

    try:
        patient_id = None if patient is None else UUID(patient)
    except ValueError as error:
        raise ValidationError("--patient takes the id of a patient, which is a UUID") from error

    async def work(here: "Foundation") -> PurgePlan:
        if patient_id is not None:
            await here.store.revision(patient_id)  # raises if there is no such patient
            plan = PurgePlan(datetime.now(UTC), (patient_id,), 0, 0)
            if execute:
                await here.retention.forget(patient_id, _operator("erasure"))
            return plan
        plan = await here.retention.plan()
        if execute:
            await here.retention.carry_out(plan, _operator("retention"))
        return plan

    plan = _with_foundation(work)
    numbers = {
        "executed": execute,
        "patients": len(plan.patients),
        "records": plan.records,
        "idempotency_keys": plan.idempotency_keys,
    }
    text = f"{'deleted' if execute else 'to be deleted with --execute'}: {len(plan.patients):,} patients, "
    text += f"{plan.records:,} records of others, {plan.idempotency_keys:,} noted requests"
    if execute and plan.patients:
        text += "\nto make earlier backups unreadable too: novamind keys rotate, then novamind keys retire"
    _show(numbers, text, as_json)


def _operator(purpose: str) -> "Access":
    from novamind.infrastructure.audit import Access

    return Access(actor=f"shell:{os.getuid()}", role="admin", purpose=purpose, correlation_id=str(uuid4()))


def _with_foundation(work: "Callable[[Foundation], Awaitable[T]]") -> T:
    import asyncio

    from novamind.infrastructure.bootstrap import open_foundation
    from novamind.settings import Settings

    async def main() -> T:
        async with open_foundation(Settings()) as foundation:
            return await work(foundation)

    return asyncio.run(main())


def _progress(text: str) -> None:
    print(text, file=sys.stderr)


def _show(result: dict[str, Any], text: str, as_json: bool) -> None:
    print(json.dumps(result) if as_json else text)
