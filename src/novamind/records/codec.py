"""What a record holds, as it comes with a request; what a file holds, as it was understood."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Literal, Protocol, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


def _sane_year(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 2200:
        raise ValueError("lies outside 1900 to 2200")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_sane_year)]

#: A name in any language, as files bring them; no white space before it, no control character in it.
SymptomName = Annotated[
    str,
    Field(
        pattern=r"^[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]{0,199}$",
        examples=["PHQ-9"],
        description="Name or code of the instrument, or of the symptom.",
    ),
]


class Stretch(BaseModel):
    """A stretch of one signal."""

    model_config = ConfigDict(extra="forbid")
    signal: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$", examples=["sleep_duration"], description="Name of the signal.")
    ]
    unit: Annotated[str, Field(min_length=1, max_length=20, examples=["h"], description="Unit of the values.")]
    timestamps: Annotated[list[Moment], Field(min_length=1, max_length=20_000, description="With offset.")]
    values: Annotated[
        list[Annotated[float, Field(allow_inf_nan=False)]],
        Field(min_length=1, max_length=20_000, description="One a timestamp."),
    ]


class _Series(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def persons(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def first_day(self) -> date: ...
    @property
    def last_day(self) -> date: ...


class _LeftOut(Protocol):
    @property
    def what(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def first_row(self) -> int | None: ...


class _Record(Protocol):
    @property
    def genotype(self) -> Mapping[str, str]: ...


class ImportedContent(Protocol):
    """What a file holds, as :class:`novamind.records.results.FileImport` has it."""

    @property
    def kind(self) -> str:
        """In words."""

    @property
    def rows(self) -> int:
        """Rows, samples or resources."""

    @property
    def records(self) -> Mapping[str, _Record]:
        """Person to record."""

    @property
    def zone(self) -> str:
        """The clock that days are counted by."""

    @property
    def series(self) -> Sequence[_Series]:
        """Series of all persons."""

    @property
    def guesses(self) -> tuple[str, ...]:
        """How it was understood."""

    @property
    def left_out(self) -> Sequence[_LeftOut]:
        """What was not taken."""


class ImportedSeriesBody(BaseModel):
    """One series of a file."""

    model_config = ConfigDict(frozen=True)
    name: str = Field(description="Name of the symptom or signal.")
    kind: Literal["symptom", "signal"] = Field(description="Whether it is a report or a signal of a device.")
    unit: str | None = Field(description="Unit of the values, where the file has one.")
    persons: int = Field(description="Number of persons who have it.")
    rows: int = Field(description="Number of values.")
    first_day: date = Field(description="First local day with a value.")
    last_day: date = Field(description="Last local day with a value.")


class LeftOutBody(BaseModel):
    """What was not taken of a file."""

    model_config = ConfigDict(frozen=True)
    what: str = Field(description="The series, column, file or resource; 'row' for a whole row.")
    reason: str = Field(description="Why it was not taken.")
    count: int = Field(description="How many values, rows, files or resources.")
    first_row: int | None = Field(description="The first row, counted from 1 below the header.")


class FileImportBody(BaseModel):
    """What a file was understood to hold, before anything is kept; no value of a person is in it."""

    model_config = ConfigDict(frozen=True)
    kind: str = Field(description="What the file is, in words.")
    rows: int = Field(description="Rows, samples or resources that were looked at.")
    persons: list[str] = Field(description="Ids of the persons in the file.")
    zone: str = Field(description="The clock that days are counted by, or that none is named.")
    series: list[ImportedSeriesBody] = Field(description="The series of all persons.")
    genes: list[str] = Field(description="Genes with a result.")
    guesses: list[str] = Field(description="What was not declared, and how it was understood.")
    left_out: list[LeftOutBody] = Field(description="What was not taken, the largest first.")

    @classmethod
    def of(cls, content: ImportedContent) -> Self:
        """Return the form of a result."""
        return cls.model_validate(
            {
                "kind": content.kind,
                "rows": content.rows,
                "persons": list(content.records),
                "zone": content.zone,
                "series": content.series,
                "genes": sorted({gene for record in content.records.values() for gene in record.genotype}),
                "guesses": content.guesses,
                "left_out": content.left_out,
            },
            from_attributes=True,
        )
