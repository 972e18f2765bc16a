"""How a table is to be read, saved as a small JSON file beside the study's notes: it holds no data of a person."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Final, Literal, TypedDict, get_args

from novamind.errors import DataProcessingError, NotFoundError, ValidationError
from novamind.records.tables.numbers import Decimal
from novamind.records.tables.times import DATE_FORMS

Aggregate = Literal["mean", "median", "min", "max", "sum", "first", "last"]
AGGREGATES: Final[tuple[Aggregate, ...]] = get_args(Aggregate)


@dataclass(frozen=True, slots=True)
class TableProfile:
    """What is declared about a table; what is not declared is guessed from names and cells, and said.

    Parameters
    ----------
    mapping
        Role (``timestamp``, ``value``, ``symptom``, ``patient_id``, ...) or name of a series to the column with it.
        Where a value or a series is mapped, no other column becomes one.
    dates
        One of ``iso``, ``de``, ``uk``, ``us``, ``epoch``, ``epoch-ms``, ``excel``.
    decimal
        ``point`` or ``comma``.
    missing
        Texts or numbers that stand for a missing value; ``none`` says that there is no such number.
    encoding, sheet
        Encoding of a text file; sheet of a spreadsheet.
    instrument
        Questionnaire whose scores or items the table holds.
    timezone
        IANA name of the clock that the person lives by.
    aggregate
        One value a day instead of each report: by mean, median, min, max, sum, first or last.
    start
        First day of a study whose rows only count days.
    beeps
        Times of day of the first, second ... beep, such as ``09:00``.
    event_days
        Event to its day after the person's first date.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    dates: str | None = None
    decimal: Decimal | None = None
    missing: tuple[str, ...] = ()
    encoding: str | None = None
    sheet: str | None = None
    instrument: str | None = None
    timezone: str | None = None
    aggregate: Aggregate | None = None
    start: str | None = None
    beeps: tuple[str, ...] = ()
    event_days: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dates is not None and self.dates not in DATE_FORMS:
            raise ValidationError(f"no form of dates of that name: choose from {', '.join(DATE_FORMS)}")
        if self.decimal not in (None, "point", "comma"):
            raise ValidationError("decimal must be point or comma")
        if self.aggregate is not None and self.aggregate not in AGGREGATES:
            raise ValidationError(f"aggregate must be one of {', '.join(AGGREGATES)}")
        for name in ("mapping", "event_days"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValidationError(f'{name} must map names to columns or days, e.g. {{"timestamp": "Datum"}}')
        if not all(isinstance(column, str) for column in self.mapping.values()):
            raise ValidationError('mapping must map roles to the names of columns, e.g. {"timestamp": "Datum"}')
        for name in ("missing", "beeps"):
            if isinstance(getattr(self, name), str):
                raise ValidationError(f"{name} must be a list of texts")
            object.__setattr__(self, name, tuple(map(str, getattr(self, name))))

    def save(self, path: str | Path) -> None:
        """Write what is declared as JSON."""
        declared = {name: value for name, value in asdict(self).items() if value not in (None, (), {})}
        try:
            Path(path).write_text(json.dumps(declared, ensure_ascii=False, indent=2) + "\n", "utf-8")
        except OSError as error:
            raise DataProcessingError(f"{Path(path).name} cannot be written: {error.strerror}") from error


class Declared(TypedDict, total=False):
    """Fields of :class:`TableProfile`, as options of a call."""

    dates: str | None
    decimal: Decimal | None
    missing: tuple[str, ...]
    encoding: str | None
    sheet: str | None
    aggregate: Aggregate | None
    start: str | None
    beeps: tuple[str, ...]
    event_days: Mapping[str, int]


def load_profile(path: str | Path) -> TableProfile:
    """Return a saved profile.

    Raises
    ------
    NotFoundError
        There is no such file.
    ValidationError
        The file is no profile; the message names the field.
    """
    file = Path(path)
    try:
        content = json.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise NotFoundError(f"{file.name} does not exist: check the path of the profile") from error
    except OSError as error:
        raise DataProcessingError(f"{file.name} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"{file.name} is no profile: it must hold one JSON object") from error
    names = [entry.name for entry in fields(TableProfile)]
    if not isinstance(content, dict) or set(content) - set(names):
        raise ValidationError(f"{file.name} is no profile: it may hold {', '.join(names)}, nothing else")
    return TableProfile(**content)
