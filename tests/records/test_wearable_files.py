"""The files of an export: folders, archives in archives, packed files, and what each kind of damage does."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest

from novamind.errors import DataProcessingError, InsufficientDataError, NotFoundError, ValidationError
from novamind.records.wearables import files, read_wearables
from novamind.records.wearables.files import Export
from novamind.records.wearables.samples import Tally
from novamind.settings import Settings

LIMIT = 1 << 20
HEART = "timestamp,signal,value\n2024-05-01T0{}:00:00,heart_rate,6{}\n"


def heart(hour: int) -> str:
    return HEART.format(hour, hour)


def packed(*members: tuple[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def listed(path: Path, limit: int = LIMIT) -> tuple[dict[str, bytes], Tally]:
    tally = Tally()
    with Export(path, limit, tally) as export:
        return {file.path: file.read() for file in export.files}, tally


def test_a_folder_an_archive_and_archives_inside_have_the_same_files(tmp_path: Path) -> None:
    content = {"a/1.csv": heart(1), "a/2.csv": heart(2), "b.csv": heart(3)}
    folder, archive = tmp_path / "x", tmp_path / "x.zip"
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    archive.write_bytes(packed(*content.items()))
    whole = read_wearables(folder)
    assert whole.frame["value"].to_list() == [61.0, 62.0, 63.0]
    assert read_wearables(archive).frame.equals(whole.frame)
    inner = packed(("a/1.csv", heart(1)), ("deep.zip", packed(("2.csv", heart(2)))))
    archive.write_bytes(packed(("inner.zip", inner), ("b.csv", heart(3))))
    assert read_wearables(archive).frame.equals(whole.frame)
    nested = tmp_path / "nested"
    nested.mkdir()
    (nested / "part.zip").write_bytes(inner)
    (nested / "b.csv").write_text(heart(3))
    assert read_wearables(nested).frame.equals(whole.frame)
    assert sorted(listed(archive)[0]) == ["b.csv", "inner.zip/a/1.csv", "inner.zip/deep.zip/2.csv"]


def test_archives_in_turn_are_read_from_wherever_they_lie(tmp_path: Path) -> None:
    inner = {name: packed(*((f"{n}.csv", f"{name}{n}") for n in range(3))) for name in ("p", "q")}
    (tmp_path / "x.zip").write_bytes(packed(*((f"{name}.zip", content) for name, content in inner.items())))
    with Export(tmp_path / "x.zip", LIMIT, Tally()) as export:
        turns = [export.files[n] for n in (0, 3, 1, 4, 2, 5)]
        assert [file.read().decode() for file in turns] == ["p0", "q0", "p1", "q1", "p2", "q2"]


def test_a_packed_file_is_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.CSV.gz"
    file.write_bytes(gzip.compress(heart(1).encode()))
    assert read_wearables(file).frame["value"].to_list() == [61.0]
    (tmp_path / "in.zip").write_bytes(packed(("x.csv.gz", file.read_bytes())))
    assert read_wearables(tmp_path / "in.zip").frame["value"].to_list() == [61.0]
    file.write_bytes(gzip.compress(b"x" * (LIMIT + 1)))
    with pytest.raises(ValidationError, match=r"x\.CSV\.gz: is larger than the limit: raise NOVAMIND_MAX_FILE_BYTES"):
        listed(file)
    file.write_bytes(gzip.compress(heart(1).encode())[:-9])
    with pytest.raises(DataProcessingError, match=r"x\.CSV\.gz: cannot be read: it is damaged or locked"):
        read_wearables(file)


@pytest.mark.parametrize("name", ["__MACOSX/a/._1.csv", ".DS_Store", "a/Thumbs.db", "a/._1.csv", "desktop.ini"])
def test_files_of_the_operating_system_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.zip").write_bytes(packed((name, "x"), ("1.csv", heart(1))))
    assert read_wearables(tmp_path / "x.zip").summary.files_left_out == {"file of the operating system": (name,)}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cut.json", '[{"dateTime": ', "line 1 is not JSON: the file is cut off or damaged"),
        ("steps-1.json", '[{"dateTime": "2024-05-01T00:00:00"}, {"dateTime"', "line 1 is not JSON"),
        ("sleep.json", '{"sleep": [{"dateOfSleep": 3, "levels": 7}]}', "has another layout than Fitbit gives it"),
        ("x.json", b"\xff\xfe", "is not UTF-8 text: export it again"),
        ("x.fit", "no", "is not a whole FIT file"),
        ("x.xml", "<HealthData><x", "it is cut off at line 1"),
        ("x.parquet", "no", "is not a readable Parquet file"),
        ("x.csv", "timestamp,signal,value\n2024-05-01,heart_rate\n", "row 1"),
        ("x.csv.gz", "no", "cannot be read: it is damaged or locked: unpack it with its password, or export it again"),
        ("x.zip", "no", "the archive is damaged or locked: unpack it with its password, or export it again"),
        ("x.pdf", "%PDF", "is of no kind that is read here"),
        ("d.csv", "date,PHQ-9\n2024-05-01,7\n", "is of no kind that is read here: import a table of reports by itself"),
        ("x.7z", "7z", "is an archive of a kind that is not opened here: unpack it"),
        ("x.tar.gz", gzip.compress(b"tar"), "is an archive of a kind that is not opened here: unpack it"),
        ("x.csv", "", "holds no data"),
        ("Glucose 202405.csv", "no data\n", "holds no data"),
        ("heart_rate_2024-05-01.csv", "timestamp,beats per minute\n", "holds no samples (Fitbit)"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_read(
    tmp_path: Path, name: str, content: str | bytes, reason: str
) -> None:
    (tmp_path / "a.csv").write_text(heart(1))
    (tmp_path / "z.csv").write_text(heart(2))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    record = read_wearables(tmp_path)
    assert record.frame["value"].to_list() == [61.0, 62.0]
    ((why, paths),) = record.summary.files_left_out.items()
    assert reason in why
    assert paths == (f"in/{name}",)
    assert record.summary.files_read == 2


def test_a_name_that_is_no_text_is_shown_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(heart(1))
    try:
        (tmp_path / "a\udcff.pdf").write_text("x")
    except OSError:
        pytest.skip("this system does not keep such names")
    ((_, (name,)),) = read_wearables(tmp_path).summary.files_left_out.items()
    assert name == "a?.pdf"


def test_a_folder_of_nothing_readable_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.pdf").write_text("x")
    message = r": holds no sample that can be used \(is of no kind that is read here; line 1 is not JSON"
    with pytest.raises(InsufficientDataError, match=message):
        read_wearables(tmp_path)
    with pytest.raises(NotFoundError, match=r"none\.zip does not exist: check the path"):
        read_wearables(tmp_path / "none.zip")


def test_a_locked_member_is_named(tmp_path: Path) -> None:
    content = bytearray(packed(("1.csv", heart(1)), ("2.csv", heart(2)), compression=zipfile.ZIP_STORED))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(header) + flags] |= 1  # the first member says that it is encrypted
    (tmp_path / "x.zip").write_bytes(content)
    record = read_wearables(tmp_path / "x.zip")
    assert record.frame["value"].to_list() == [62.0]
    assert record.summary.files_left_out == {
        "cannot be read: it is damaged or locked: unpack it with its password, or export it again": ("1.csv",)
    }


def test_archives_made_to_fill_a_disk_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (files.GREATEST_RATIO, files._SMALL_BYTES) == (300, 16 << 20)
    monkeypatch.setattr(files, "_SMALL_BYTES", 1_000)
    file = tmp_path / "x.zip"
    file.write_bytes(packed(("1.csv", heart(1) + "\n" * 500_000)))
    with pytest.raises(ValidationError, match=r"x\.zip: unpacks to far more than an export would"):
        read_wearables(file)
    bomb = packed(("1.csv", "\n" * 500_000))
    file.write_bytes(packed(("bomb.zip", bomb), ("1.csv", heart(1)), compression=zipfile.ZIP_STORED))
    record = read_wearables(file)
    assert record.summary.files_left_out == {"unpacks to far more than an export would": ("bomb.zip",)}
    random = bytes(range(256)) * 64  # one bomb among members that are none
    file.write_bytes(
        packed(("1.csv", heart(1)), *((f"{n}.bin", random + bytes([n])) for n in range(9)), ("b.csv", "\n" * 90_000))
    )
    assert "b.csv" in listed(file)[1].skipped["unpacks to far more than an export would"]


def test_archives_inside_archives_end_somewhere(tmp_path: Path) -> None:
    content = packed(("1.csv", heart(1)))
    for _ in range(3):
        content = packed(("x.zip", content))
    file = tmp_path / "x.zip"
    file.write_bytes(packed(("deep.zip", content), ("2.csv", heart(2))))
    record = read_wearables(file)
    assert record.frame["value"].to_list() == [62.0]
    ((reason, _),) = record.summary.files_left_out.items()
    assert reason == "archive inside archives, too deep: unpack it"


def test_more_files_than_an_export_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MOST_FILES", 3)
    file = tmp_path / "x.zip"
    file.write_bytes(packed(*((f"{n}.csv", heart(n)) for n in range(3))))
    assert read_wearables(file).summary.files_read == 3
    file.write_bytes(packed(*((f"{n}.csv", heart(n)) for n in range(4))))
    with pytest.raises(ValidationError, match=r"x\.zip: holds more than 3 files: give fewer at a time"):
        read_wearables(file)


def test_a_large_file_of_an_archive_is_named_and_an_archive_in_it_too(tmp_path: Path) -> None:
    large = json.dumps([{"dateTime": "2024-05-01T00:00:00", "value": number} for number in range(50)])
    inner = packed(("2.csv", heart(2) + "#" * 2_000), compression=zipfile.ZIP_STORED)
    (tmp_path / "x.zip").write_bytes(packed(("steps-1.json", large), ("inner.zip", inner), ("1.csv", heart(1))))
    record = read_wearables(tmp_path / "x.zip", settings=Settings(max_file_bytes=1_000))
    assert record.frame["value"].to_list() == [61.0]
    assert record.summary.files_left_out == {
        "is larger than the limit: raise NOVAMIND_MAX_FILE_BYTES": ("inner.zip", "steps-1.json")
    }


def test_no_archive_stays_open(tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    file.write_bytes(packed(("1.csv", heart(1))))
    with Export(file, LIMIT, Tally()) as export:
        (member,) = export.files
    with pytest.raises(ValueError, match="closed"):
        member.read()
