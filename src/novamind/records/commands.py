"""The room's shell command: a wearable's export in, one long table out."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from novamind.records.wearables import WearableSummary

_EXAMPLES = """\b
Examples:
  novamind wearables export.zip --out signals.parquet
  novamind wearables Takeout/ --timezone Europe/Berlin --patient p-17 --json
"""
_LINES_OF_LEFT_OUT = 12


def register(app: typer.Typer) -> None:
    """Add this room's command to the shell."""
    app.command(epilog=_EXAMPLES)(wearables)


def wearables(
    file: Annotated[
        Path,
        typer.Argument(help="Apple Health .xml/.zip, Fitbit or Oura .json/.zip/folder, Garmin .fit, a long table."),
    ],
    out: Annotated[Path, typer.Option(help="Path of the long table (Parquet).")] = Path("signals.parquet"),
    patient: Annotated[str, typer.Option(help="Id of the person.")] = "1",
    timezone: Annotated[
        str | None, typer.Option(help="Time zone in which the person lives, e.g. Europe/Berlin.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Turn a wearable's export into one long table of signals; print its coverage and what was left out.

    Each signal gets one unit. Devices that overlap are counted once. Times keep the wall clock and its offset.
    """
    from novamind.records.wearables import convert_wearables

    shown = _Progress(sys.stderr.isatty() and not as_json)
    summary = convert_wearables(file, out, patient_id=patient, timezone=timezone, progress=shown)
    shown.done()
    if as_json:
        print(json.dumps(summary.to_dict(), allow_nan=False))
        return
    print(_text(summary))
    print(f"Written       {out}")


class _Progress:
    """Bytes read, on one line of a terminal, twice a second."""

    def __init__(self, shown: bool) -> None:
        self._shown, self._last = shown, 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._shown and now - self._last > 0.5:
            self._last = now
            share = f"{100 * done / total:3.0f} %" if total else ""
            print(
                f"\rread {done / 2**20:,.0f} of {total / 2**20:,.0f} MiB  {share}", end="", file=sys.stderr, flush=True
            )

    def done(self) -> None:
        if self._shown and self._last:
            print("\r\033[K", end="", file=sys.stderr)


def _text(summary: "WearableSummary") -> str:
    lines = [
        f"{summary.format}: {summary.rows_kept:,} of {summary.rows_read:,} samples kept",
        f"{'signal':<28}{'unit':>12}{'rows':>12}{'days':>14}{'hours':>8}  first day to last",
    ]
    lines += [
        f"{entry.signal:<28}{entry.unit:>12}{entry.rows:>12,}{entry.days_with_values:>7} of {entry.days:<4}"
        f"{100 * entry.hours_share:>5.0f} %  {entry.first_day} to {entry.last_day}"
        for entry in summary.coverage
    ]
    if summary.left_out:
        lines.append("Left out")
        lines += [
            f"{entry['rows']:>12,}  {entry['signal']}: {entry['reason']} (first: row {entry['first_row']})"
            for entry in summary.left_out[:_LINES_OF_LEFT_OUT]
        ]
        if len(summary.left_out) > _LINES_OF_LEFT_OUT:
            lines.append(f"              and {len(summary.left_out) - _LINES_OF_LEFT_OUT} more kinds: see --json")
    if summary.shortened:
        lines.append(f"Shortened     {summary.shortened:,} rows, by the time that another row already counted")
    if summary.non_wear_hours:
        lines.append(f"Not worn      {summary.non_wear_hours:,.1f} h without heart rate (pauses of 90 min or more)")
    if summary.unread:
        lines.append(
            f"Not read      {sum(summary.unread.values()):,} records of {len(summary.unread)} other kinds: see --json"
        )
    return "\n".join(lines)
