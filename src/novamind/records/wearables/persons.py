"""Whether files of one name in several folders are one person's: two exports of one person hold the same rows.

Most makers write no name of a person into their files, so ``anna/sleeps.csv`` and ``bert/sleeps.csv`` would become one
record. Where such files overlap in time, those of one person repeat each other; of two people little agrees.
Files whose rows name their persons are not looked at.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from itertools import combinations
from pathlib import PurePosixPath
from typing import Final

import polars as pl

from novamind.errors import ValidationError

#: Rows of a signal that are compared, from the beginning of a file. Files of one person start alike.
_MOST_ROWS: Final = 5_000
#: Two people may share some values; of two exports of one person a maker may have scored some nights again.
_GREATEST_SHARE: Final = 0.5
_EXPORTED_AT: Final = re.compile(r"\.\d{12,}(?=\.)|\.gz$")
_COLUMNS: Final = ("signal", "start", "value")


class Persons:
    """Compares the files of one name.

    Parameters
    ----------
    paths
        Of all files of the export.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._folders: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for path in paths:
            parts = PurePosixPath(path)
            self._folders[_EXPORTED_AT.sub("", parts.name)][str(parts.parent)].append(path)
        several = (paths for folders in self._folders.values() if len(folders) > 1 for paths in folders.values())
        self._rows: dict[str, pl.DataFrame] = {
            path: pl.DataFrame(schema={"signal": pl.String, "start": pl.Datetime("us"), "value": pl.Float64})
            for paths in several
            for path in paths
        }

    def take(self, path: str, rows: pl.DataFrame) -> None:
        """Take rows of a file that may be somebody else's."""
        if path in self._rows:
            is_telling = pl.col("patient_id").is_null() & (pl.col("value") != 0)  # most people sleep at four
            new = rows.filter(is_telling).select(_COLUMNS)
            self._rows[path] = (
                pl.concat([self._rows[path], new]).group_by("signal", maintain_order=True).head(_MOST_ROWS)
            )

    def refuse_two(self) -> None:
        """Refuse an export of two people.

        Raises
        ------
        ValidationError
            Two files of one name overlap and differ.
        """
        for folders in self._folders.values():
            frames = [
                (paths[0], pl.concat([self._rows[path] for path in paths]))
                for paths in folders.values()
                if len(folders) > 1
            ]
            for (path, rows), (second_path, second_rows) in combinations(frames, 2):
                if _differ(rows, second_rows):
                    raise ValidationError(
                        f"{path} and {second_path} differ where their times overlap, as files of two people do: import "
                        "each person's export alone"
                    )


def _differ(first: pl.DataFrame, second: pl.DataFrame) -> bool:
    """Return whether two files overlap in time and agree in little."""
    spans = (
        _spans(first)
        .join(_spans(second), on="signal")
        .select(
            "signal",
            low=pl.max_horizontal("low", "low_right"),
            high=pl.min_horizontal("high", "high_right"),
        )
    )
    # The day on which the earlier export was made was not over: its sums are smaller.
    is_sum_of_day = pl.col("signal").str.starts_with("daily_")
    spans = spans.filter(
        pl.col("high") - pl.col("low") >= pl.when(is_sum_of_day).then(timedelta(days=1)).otherwise(timedelta())
    )
    mine, others = (
        rows.join(spans, on="signal").filter(pl.col("start").is_between("low", "high")).select(_COLUMNS).unique()
        for rows in (first, second)
    )
    count = min(len(mine), len(others))
    return count > 0 and len(mine.join(others, on=_COLUMNS, how="semi")) <= _GREATEST_SHARE * count


def _spans(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by("signal").agg(low=pl.col("start").min(), high=pl.col("start").max())
