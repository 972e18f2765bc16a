"""Values that the clinic's use cases take and return."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from novamind.errors import NovamindError, ValidationError
from novamind.records import Allergy, Condition, MedicationCourse, OperationOutcome
from novamind.symptoms.domain import Scale
from novamind.symptoms.instruments import recognise, series_name
from novamind.twin.case import Case
from novamind.twin.domain import Snapshot
from novamind.twin.results import Insights

#: Categories of data about which a patient decides.
CONSENTS: Final = ("genomics", "research", "sharing")
T = TypeVar("T")
#: To each patient what was asked for, or why there is none.
Answers = dict[UUID, T | NovamindError]


@dataclass(frozen=True)
class PatientSummary:
    """A patient as a list shows them."""

    patient_id: UUID
    identifiers: Mapping[str, str]
    details: Mapping[str, Any]


@dataclass(frozen=True)
class SymptomReport:
    """One report of one symptom.

    Attributes
    ----------
    symptom
        Any spelling of an instrument, or the name of a series of the clinic's own.
    timestamp
        With offset; the local day counts.
    scale
        Of a series that is no known instrument, with its first report.
    """

    symptom: str
    timestamp: datetime
    value: float
    scale: Scale | None = None

    @property
    def series(self) -> str:
        """Return the one name of the series under all its spellings."""
        return series_name(self.symptom)


@dataclass(frozen=True)
class SignalSamples:
    """A stretch of one signal as it was measured."""

    signal: str
    unit: str
    timestamps: Sequence[datetime]
    values: Sequence[float]


#: What can be stored of a patient, corrected and withdrawn piece by piece; a mapping is gene to result.
Piece = SymptomReport | SignalSamples | MedicationCourse | Condition | Allergy | Mapping[str, str]


@dataclass(frozen=True)
class FhirStored:
    """How many pieces of each kind were stored, what was not read, and the import where anything was stored."""

    counts: Mapping[str, int]
    outcome: OperationOutcome
    import_id: UUID | None = None


@dataclass(frozen=True)
class Import:
    """A file or bundle that was stored as a whole.

    Attributes
    ----------
    records
        Every record that it brought.
    counts
        How many of each kind.
    """

    import_id: UUID
    name: str
    recorded_at: datetime
    records: tuple[UUID, ...]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Overview:
    """A record on one day, the services' insights into it, and their earlier insights, oldest first."""

    case: Case
    insights: Insights
    earlier: Sequence[Snapshot] = ()


@dataclass(frozen=True)
class Regimen:
    """One drug at one dose, and how it is simulated."""

    drug: str
    dose_mg: float
    interval_hours: float
    weeks: int
    ensemble: int
    seed: int


def checked_scale(report: SymptomReport, own: Mapping[str, Scale]) -> Scale:
    """Return the scale on which a report counts.

    Parameters
    ----------
    own
        Series to scale, of the patient's series that are no known instrument.

    Raises
    ------
    ValidationError
        The scale is not known, differs from the series' own, or cannot give the value.
    """
    instrument = recognise(report.symptom)
    scale = instrument.scale if instrument else own.get(report.series, report.scale)
    if scale is None:
        raise ValidationError("the symptom is no known instrument: give its scale with the first report")
    if report.scale is not None and report.scale != scale:
        raise ValidationError(
            "the scale of a known instrument is published and can't be changed by a report: leave it out"
            if instrument
            else "the series has another scale already: leave it out, or change that of the whole series"
        )
    if not scale.low <= report.value <= scale.high:
        raise ValidationError(f"a value is off its scale, which runs from {scale.low:g} to {scale.high:g}")
    return scale
