"""Records of Apple Health's export, collected as columns while the parser walks through the file."""

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.apple_xml import DEEPEST
from novamind.records.wearables.samples import Tally

WORKOUT, STATE_OF_MIND = "Workout", "StateOfMind"
DAY, MOMENT = f"{STATE_OF_MIND} of a day", f"{STATE_OF_MIND} of a moment"
#: ``HKStateOfMindKind``: 1 is a momentary emotion, 2 a daily mood.
_KINDS_OF_MIND = {"momentaryemotion": MOMENT, "1": MOMENT, "": MOMENT, "dailymood": DAY, "2": DAY}
_COLUMNS = {
    "row": pl.Int64, "kind": pl.String, "text": pl.String, "unit": pl.String, "start_text": pl.String,
    "end_text": pl.String, "stored_text": pl.String, "source_name": pl.String, "device_text": pl.String,
}  # fmt: skip
#: Elements that carry no measurement of their own.
_FRAME = ("HealthData", "MetadataEntry", "HeartRateVariabilityMetadataList")


class Records:
    """The records that are read, and the count of the others.

    Parameters
    ----------
    file
        What messages call the file.
    kinds
        Types of records that are read; others are counted.
    """

    def __init__(self, file: str, tally: Tally, kinds: set[str]) -> None:
        self.open_names: list[str] = []
        self.moved = False
        self.exported: str | None = None
        self.zones: dict[int, str] = {}
        self._file, self._tally, self._kinds = file, tally, kinds
        self._row = 0
        self._inside_record = False
        self._rows: list[tuple[int | str | None, ...]] = []
        self._typed_in: set[int] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take an element that opens."""
        self.moved = True
        depth = len(self.open_names)
        if depth >= DEEPEST:
            raise ValidationError(f"{self._file}: is nested too deeply to be an export")
        if name == "Record":
            if "Correlation" not in self.open_names:
                self._row += 1
                self._add(attributes.get("type") or name, attributes, attributes.get("value"), attributes.get("unit"))
        elif name == "MetadataEntry":
            if self._inside_record:
                self._describe(attributes.get("key"), attributes.get("value", ""))
        elif name == WORKOUT:
            self._add(name, attributes, attributes.get("duration"), attributes.get("durationUnit", "min"))
        elif name == STATE_OF_MIND:
            self._add(_state_of_mind(attributes), attributes, attributes.get("valence"), "score")
        elif name == "ExportDate":
            self.exported = attributes.get("value")
        elif (depth == 1 and name != "Correlation") or name == "InstantaneousBeatsPerMinute":
            self._tally.not_read(name)
        self.open_names.append(name)

    def end(self, name: str) -> None:
        """Take an element that closes."""
        self.moved = True
        self.open_names.pop()
        if name in ("Record", WORKOUT, STATE_OF_MIND):
            self._inside_record = False

    def taken(self) -> pl.DataFrame:
        """Return the records since the last call, with ``typed_in``."""
        rows, typed_in = self._rows, self._typed_in
        self._rows, self._typed_in, self.zones = [], set(), {}
        frame = pl.DataFrame(rows, schema=_COLUMNS, orient="row")
        return frame.with_columns(typed_in=pl.Series([row in typed_in for row in range(len(rows))], dtype=pl.Boolean))

    def _add(self, kind: str, attributes: dict[str, str], value: str | None, unit: str | None) -> None:
        if "StateOfMindType" in kind or kind.endswith("TypeStateOfMind"):
            kind, unit = _state_of_mind({}), "score"
        if kind not in self._kinds or "startDate" not in attributes:
            self._tally.not_read(kind)
            return
        get = attributes.get
        self._inside_record = True
        self._rows.append(
            (self._row, kind, value, unit, get("startDate"), get("endDate"), get("creationDate"), get("sourceName"),
             get("device"))
        )  # fmt: skip
        if kind.startswith(STATE_OF_MIND):
            self._typed_in.add(len(self._rows) - 1)

    def _describe(self, key: str | None, value: str) -> None:
        if key == "HKWasUserEntered":
            if value == "1":
                self._typed_in.add(len(self._rows) - 1)
        elif key == "HKTimeZone":
            self.zones[len(self._rows) - 1] = value


def _state_of_mind(attributes: dict[str, str]) -> str:
    """Return whether a state of mind is that of a day; without a kind it is that of a moment."""
    kind = attributes.get("kind", "")
    return _KINDS_OF_MIND.get(kind.replace(" ", "").lower(), f"{STATE_OF_MIND} {kind}")
