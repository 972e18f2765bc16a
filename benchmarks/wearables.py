"""Time and memory of reading a large export.xml, and whether memory stays flat while the file grows.

A simulated Apple Health export (watch and phone, heart rate with metadata, overlapping steps, energy; 11 years) of each
size is written, converted to Parquet in a process of its own, and compared with the floor: the same XML parser walking
over the same file with an empty handler.

    python benchmarks/wearables.py --megabytes 64 256 1024
"""

import argparse
import datetime
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import xml.parsers.expat
from collections.abc import Iterator
from pathlib import Path

from tables import fill, markdown

RESULTS = Path(__file__).resolve().parent / "results" / "wearables.json"
PAGE = RESULTS.parents[2] / "docs" / "wearables.md"
_DEVICE = (
    "&lt;&lt;HKDevice: 0x283f1a2b0&gt;, name:{0}, manufacturer:Apple Inc., model:{0}, hardware:{0}6,1, software:9&gt;"
)
# kind, unit, product, share of the file, mean seconds between records, longest record in seconds, values
_KINDS = (
    ("HeartRate", "count/min", "Watch", 0.4, 145, 0, (55, 110)),
    ("StepCount", "count", "Watch", 0.2, 120, 100, (1, 120)),
    ("StepCount", "count", "iPhone", 0.2, 150, 200, (1, 120)),
    ("ActiveEnergyBurned", "Cal", "Watch", 0.2, 60, 60, (0, 3)),
)
_FIRST, _LAST = (datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2015, 2026))


def records(size: int, seed: int) -> Iterator[str]:
    rng = random.Random(seed)  # noqa: S311
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<HealthData locale="en_GB">\n'
    for kind, unit, product, share, step, longest, values in _KINDS:
        written, at = 0, _FIRST
        while written < share * size:
            at += datetime.timedelta(seconds=step * rng.uniform(0.5, 1.5))
            if at > _LAST:  # a larger file is a denser one
                at = _FIRST + datetime.timedelta(seconds=rng.uniform(0, step))
            start, end = (
                f"{moment:%Y-%m-%d %H:%M:%S} +0100"
                for moment in (at, at + datetime.timedelta(seconds=longest * rng.random()))
            )
            inside = (
                '\n  <MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="1"/>\n ' if not longest else ""
            )
            line = (
                f' <Record type="HKQuantityTypeIdentifier{kind}" sourceName="{product}" sourceVersion="9.1" '
                f'device="{_DEVICE.format(product)}" unit="{unit}" creationDate="{end}" startDate="{start}" '
                f'endDate="{end}" value="{rng.randint(*values)}">{inside}</Record>\n'
            )
            written += len(line)
            yield line
    yield "</HealthData>\n"


def convert(path: str) -> None:
    """In a process of its own: print what it took."""
    from novamind.records.wearables import convert_wearables

    started, cpu = time.perf_counter(), time.process_time()
    summary = convert_wearables(path, f"{path}.parquet")
    print(
        json.dumps(
            {
                "rows": summary.rows_read,
                "rows_kept": summary.rows_kept,
                "wall_seconds": time.perf_counter() - started,
                "cpu_seconds": time.process_time() - cpu,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def floor(path: str) -> float:
    """CPU seconds of the bare parser."""
    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = lambda _name, _attributes: None
    cpu = time.process_time()
    with open(path, "rb") as file:
        parser.ParseFile(file)
    return time.process_time() - cpu


def tables(results: dict[str, list[dict[str, float]]]) -> dict[str, str]:
    header = ("export.xml", "samples", "CPU", "against the bare parser", "peak memory")
    return {
        "large-exports": markdown(
            header,
            [
                (
                    f"{one['megabytes']:,} MiB",
                    f"{one['rows']:,}",
                    f"{one['cpu_seconds']:.0f} s",
                    f"{one['cpu_seconds'] / one['floor_cpu_seconds']:.1f} times",
                    f"{one['peak_mib']:.0f} MiB",
                )
                for one in results["apple_health"]
            ],
        )
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=int, nargs="+", default=[64, 256, 1024])
    options.add_argument("--convert", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.convert:
        convert(given.convert)
        return
    measured = []
    for megabytes in given.megabytes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "export.xml"
            with file.open("w", encoding="utf-8") as out:
                out.writelines(records(megabytes * 2**20, seed=megabytes))
            run = subprocess.run(
                [sys.executable, __file__, "--convert", str(file)], check=True, capture_output=True, text=True
            )
            bare = floor(str(file))
            took = json.loads(run.stdout)
        measured.append({"megabytes": megabytes, "floor_cpu_seconds": bare, **took})
        print(json.dumps(measured[-1]), flush=True)
    results = {"apple_health": measured}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    fill(PAGE, tables(results))


if __name__ == "__main__":
    main()
