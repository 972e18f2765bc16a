"""Files made to exhaust a reader: each must end in a refusal, within CPU time and memory that a server can spare.

Each file is read by :func:`novamind.records.import_file` in a process of its own, beside a large file that is real.

    python benchmarks/hostile_files.py --megabytes 90
"""

import argparse
import gzip
import io
import json
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tables import fill, markdown

RESULTS = Path(__file__).resolve().parent / "results" / "hostile_files.json"
PAGE = RESULTS.parents[2] / "docs" / "wearables.md"
_START = datetime(2024, 1, 1, tzinfo=UTC)


def zipped(*members: tuple[str, bytes]) -> bytes:
    """Return an archive whose bytes do not depend on the time."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def deep_xml(size: int) -> bytes:
    """Return elements inside each other."""
    return b"<HealthData>" + b"<Record>" * (size // 8)


def long_token(size: int) -> bytes:
    """Return one attribute that never ends."""
    return b'<HealthData><Record type="' + b"x" * size


def nested_zip(size: int) -> bytes:
    """Return an archive in an archive, and so on, with zeros at last."""
    content = ("0.csv", bytes(size))
    for depth in range(5):
        content = (f"{depth}.zip", zipped(content))
    return content[1]


def tiny_fit_records(size: int) -> bytes:
    """Return a FIT file of records of one byte."""
    body = bytes([0x40, 0, 0, 20, 0, 1, 3, 1, 2]) + bytes([0, 60]) * (size // 2)
    return struct.pack("<BBHI4s", 12, 16, 100, len(body), b".FIT") + body + b"\0\0"


def deep_json(size: int) -> bytes:
    """Return lists inside each other."""
    return b'[{"dateTime":' + b"[" * size


def huge_numbers(size: int) -> bytes:
    """Return numbers of thousands of digits."""
    entry = b'{"dateTime":"07/01/23 06:00:00","value":' + b"7" * 4_000 + b"},"
    return b"[" + entry * (size // len(entry)) + b"{}]"


def empty_entries(size: int) -> bytes:
    """Return entries that hold nothing."""
    return b"[" + b"{}," * (size // 3) + b"{}]"


def parquet_bomb(size: int) -> bytes:
    """Return a column of one value, which packs to nothing."""
    import polars as pl

    packed = io.BytesIO()
    rows = size // 2
    frame = pl.select(
        timestamp=pl.lit("2024-01-01"), value=pl.repeat(1.0, rows, dtype=pl.Float64), signal=pl.lit("s" * 40)
    )
    frame.write_parquet(packed, compression="zstd")
    return packed.getvalue()


def spreadsheet_bomb(size: int) -> bytes:
    """Return a sheet that packs to a thousandth."""
    rows = b'<row><c t="n"><v>1</v></c></row>' * (size * 8 // 32)
    sheet = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>' + rows
    return zipped(
        ("[Content_Types].xml", b"<Types/>"), ("xl/worksheets/sheet1.xml", sheet + b"</sheetData></worksheet>")
    )


def gzip_bomb(size: int) -> bytes:
    """Return zeros that pack to a thousandth."""
    return gzip.compress(bytes(size * 8), mtime=0)


def one_long_line(size: int) -> bytes:
    """Return a table whose first row never ends."""
    return b"timestamp,value\n2024-01-01," + b"7" * size


#: Name of the file to what makes its content from a size in bytes.
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "deep.xml": deep_xml,
    "export.xml": long_token,
    "nested.zip": nested_zip,
    "tiny.fit": tiny_fit_records,
    "heart_rate-2023-07-01.json": deep_json,
    "steps-2023-07-01.json": huge_numbers,
    "empty.json": empty_entries,
    "rows.parquet": parquet_bomb,
    "sheet.xlsx": spreadsheet_bomb,
    "table.csv.gz": gzip_bomb,
    "line.csv": one_long_line,
}


def heart_rates(size: int) -> str:
    """Return a Fitbit archive's document of heart rates every few seconds."""
    rng, moment, entries, length = random.Random(1), _START, [], 0  # noqa: S311
    while length < size:
        moment += timedelta(seconds=rng.randint(2, 15))
        value = {"bpm": rng.randint(50, 120), "confidence": 2}
        entries.append(json.dumps({"dateTime": f"{moment:%m/%d/%y %H:%M:%S}", "value": value}, indent=2))
        length += len(entries[-1]) + 2
    return "[" + ", ".join(entries) + "]"


def read(path: str) -> None:
    """In a process of its own: print how a file ended, and what it took."""
    from novamind.errors import NovamindError
    from novamind.records.intake import import_file

    cpu = time.process_time()
    try:
        imported = import_file(path, timezone="Europe/Berlin")
        end = f"{imported.rows:,} rows read"
    except NovamindError as error:
        end = str(error)
    seconds = time.process_time() - cpu
    # The peak since this program began; that of getrusage may be of the one that started it.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    print(json.dumps({"end": end, "cpu_seconds": round(seconds, 2), "peak_mib": round(int(peak) / 1024)}))


def tables(results: dict[str, list[dict[str, float | str]]]) -> dict[str, str]:
    """Return the table of the page."""
    rows = [
        (f"`{one['file']}`", f"{one['megabytes']:.1f} MiB", f"{one['cpu_seconds']:.1f} s", f"{one['peak_mib']:.0f} MiB")
        for one in results["files"]
    ]
    return {"hostile-files": markdown(("file", "on the disk", "CPU", "peak memory"), rows)}


def main() -> None:
    """Make, read and measure every file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=int, default=90)
    options.add_argument("--read", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.read:
        read(given.read)
        return
    size = given.megabytes * 2**20
    files = HOSTILE | {"heart_rate-2024-01-01.json": lambda size: heart_rates(size).encode()}
    measured = []
    for name, content in files.items():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_bytes(content(20 * 2**20 if name.endswith(".fit") else size))
            megabytes = file.stat().st_size / 2**20
            run = subprocess.run(
                [sys.executable, __file__, "--read", str(file)], check=False, capture_output=True, text=True
            )
        took = json.loads(run.stdout) if run.returncode == 0 else {"end": run.stderr[-2000:]}
        measured.append({"file": name, "megabytes": round(megabytes, 3), **took})
        print(json.dumps(measured[-1]), flush=True)
    RESULTS.write_text(json.dumps({"files": measured}, indent=1) + "\n", encoding="utf-8")
    fill(PAGE, tables({"files": measured}))


if __name__ == "__main__":
    main()
