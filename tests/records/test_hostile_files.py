"""Files made to exhaust a reader end in a refusal, soon and in one sentence; the benchmark reads large ones."""

import sys
import time
from pathlib import Path

import pytest

from novamind.errors import NovamindError
from novamind.records import import_file
from novamind.settings import Settings
from tests.patience import patient

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from hostile_files import HOSTILE, heart_rates

SIZES = {"export.xml": 12 << 20, "table.csv.gz": 3 << 20, "rows.parquet": 1 << 21}
REASONS = {
    "deep.xml": "is nested too deeply to be an export",
    "export.xml": "holds a longer element than any export has",
    "nested.zip": "archive inside archives, too deep: unpack it",
    "tiny.fit": "more than a device writes: give shorter recordings",
    "heart_rate-2023-07-01.json": "is nested too deeply to be an export",
    "steps-2023-07-01.json": "holds no sample that can be used",
    "empty.json": "is of no kind that is read here",
    "rows.parquet": "larger than the limit",
    "sheet.xlsx": "unpacks to more than a table of reports would",
    "table.csv.gz": "unpacks to more than the limit",
    "line.csv": "a cell is longer than any report",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_each_ends_in_a_refusal(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(HOSTILE[name](SIZES.get(name, 2 << 20)))
    cpu = time.process_time()
    with pytest.raises(NovamindError, match=REASONS[name]):
        import_file(file, timezone="Europe/Berlin", settings=Settings(max_file_bytes=16 << 20))
    assert time.process_time() - cpu < patient(10)


def test_entries_that_hold_nothing_are_refused_before_the_end(tmp_path: Path) -> None:
    file = tmp_path / "empty.json"
    file.write_bytes(HOSTILE["empty.json"](9 << 20))
    with pytest.raises(NovamindError, match="its entries are too short to hold measurements"):
        import_file(file)


def test_a_real_file_of_that_form_is_read(tmp_path: Path) -> None:
    file = tmp_path / "heart_rate-2024-01-01.json"
    file.write_text(heart_rates(100_000))
    assert import_file(file, timezone="Europe/Berlin").rows > 1_000
