"""Rows on disk by person, signal and local month, so that memory holds one month of one signal and not the export.

What lies on the disk is sealed (AES-256-GCM) with a key that is never written and ends with the process, so that a
folder which a crash leaves behind tells nothing.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import polars as pl
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from novamind.errors import ValidationError
from novamind.records.wearables.samples import LONGEST

SPILL_ROWS = 250_000


class SealedFolder:
    """Frames in files that only this object can read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._written = 0

    def write(self, frame: pl.DataFrame, path: Path) -> None:
        """Seal a frame into a file; no two files share a nonce."""
        plain = BytesIO()
        frame.write_ipc(plain)
        self._written += 1
        nonce = self._written.to_bytes(12, "big")
        path.write_bytes(nonce + self._cipher.encrypt(nonce, plain.getvalue(), None))

    def read(self, path: Path) -> pl.DataFrame:
        """Return the frame of a file."""
        sealed = path.read_bytes()
        return pl.read_ipc(BytesIO(self._cipher.decrypt(sealed[:12], sealed[12:], None)))


class Spill:
    """Rows on disk by person, signal and local month.

    A month is given with the rows of a day on either side of it (``context``), longer than any row is, so that it does
    not matter where months meet.
    """

    def __init__(self, disk: SealedFolder, patient_id: str) -> None:
        self.rows: dict[tuple[str, str], dict[str, int]] = {}
        self._disk, self._patient_id = disk, patient_id
        self._samples: list[pl.DataFrame] = []
        self._number = 0
        self._folders: dict[tuple[str, str], Path] = {}
        self._offsets: set[bool] = set()

    def take(self, samples: pl.DataFrame) -> None:
        """Add rows that keep the rules.

        Raises
        ------
        ValidationError
            Some rows know how far their clock was ahead of UTC and some do not.
        """
        if not len(samples):
            return
        self._offsets |= set(samples["offset"].is_not_null().unique())
        if len(self._offsets) > 1:
            raise ValidationError(
                "some times of the export have a timezone and some have none: give the timezone the person lives by, "
                "e.g. Europe/Berlin"
            )
        self._samples.append(samples)
        if sum(map(len, self._samples)) >= SPILL_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory to the disk."""
        if not self._samples:
            return
        frame = pl.concat(self._samples).with_columns(pl.col("patient_id").fill_null(self._patient_id))
        self._samples = []
        for patient, signal, source, count in (
            frame.group_by("patient_id", "signal", "source").agg(pl.len()).iter_rows()
        ):
            sources = self.rows.setdefault((patient, signal), {})
            sources[source] = sources.get(source, 0) + count
        local = pl.duration(seconds=pl.col("offset").fill_null(0))
        start, end = pl.col("start") + local, pl.col("end") + local
        frame = frame.with_columns(_month(start).alias("month"), pl.lit(value=False).alias("context"))
        before = frame.with_columns(_month(start - LONGEST).alias("other"))
        after = frame.with_columns(_month(end + LONGEST).alias("other"))
        context = [
            side.filter(pl.col("other") != pl.col("month"))
            .with_columns(month="other", context=pl.lit(value=True))
            .drop("other")
            for side in (before, after)
        ]
        self._number += 1
        for (patient, signal, month), part in pl.concat([frame, *context]).group_by("patient_id", "signal", "month"):
            self._disk.write(part, self.folder(str(patient), str(signal)) / f"{month}-{self._number}.rows")

    def months(self, patient: str, signal: str) -> Iterator[tuple[int, pl.DataFrame]]:
        """Return each month that has rows (12 times the year and the month), with its rows."""
        folder = self.folder(patient, signal)
        files: dict[int, list[Path]] = {}
        for file in sorted(folder.glob("*.rows")):
            files.setdefault(int(file.name.split("-")[0]), []).append(file)
        for month in sorted(files):
            frame = pl.concat([self._disk.read(file) for file in files[month]])
            if not frame["context"].all():
                yield month, frame

    def folder(self, patient: str, signal: str) -> Path:
        """Return where the rows of a signal are."""
        key = (patient, signal)
        if key not in self._folders:
            self._folders[key] = self._disk.root / str(len(self._folders))
            self._folders[key].mkdir()
        return self._folders[key]


def _month(local: pl.Expr) -> pl.Expr:
    return local.dt.year().cast(pl.Int32) * 12 + local.dt.month()
