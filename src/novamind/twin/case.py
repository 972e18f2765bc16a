"""One patient as the services see it: the record, the genotype read gene by gene, what is taken now."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from novamind.errors import ValidationError
from novamind.pharmacogenomics import call_vcf
from novamind.pharmacogenomics import genotype as read_genes
from novamind.pharmacogenomics.domain import Diplotype
from novamind.pharmacogenomics.interactions import known_conditions
from novamind.pharmacogenomics.medications import normalise
from novamind.records import (
    Allergy,
    Condition,
    LongFrame,
    MedicationCourse,
    PatientRecord,
    signal_frame,
    symptom_frame,
)
from novamind.symptoms.instruments import recognise

if TYPE_CHECKING:
    from novamind.symptoms.instruments import Instrument

_FIELDS = (
    "symptoms",
    "biometrics",
    "genotype",
    "vcf",
    "outside_calls",
    "medications",
    "conditions",
    "allergies",
    "demographics",
    "timezone",
)
_YOUNG = 25


@dataclass(frozen=True)
class Case:
    """A record on one day, ready for the services.

    Attributes
    ----------
    called
        Genes called from a file (VCF, array); they go before the record's reported results.
    """

    record: PatientRecord
    today: date
    called: Mapping[str, Diplotype] = field(default_factory=dict)

    @cached_property
    def _genes(self) -> tuple[dict[str, Diplotype], tuple[str, ...]]:
        found, notes = {}, []
        for gene, result in self.record.genotype.items():
            try:
                found.update(read_genes({gene: result}))
            except ValidationError:
                notes.append(f"The result of {gene} is in no notation that we read; it was not used.")
        return found | dict(self.called), tuple(notes)

    @property
    def genotype(self) -> dict[str, Diplotype]:
        """Gene to diplotype; genes whose result cannot be read are in :attr:`notes`."""
        return self._genes[0]

    @cached_property
    def medications(self) -> dict[str, MedicationCourse]:
        """What is taken today, under the generic name where we know it."""
        return {normalise(c.medication) or c.medication: c for c in self.record.medications_on(self.today)}

    @cached_property
    def allergies(self) -> frozenset[str]:
        """Generic names of drugs with an active allergy."""
        named = (normalise(name) for a in self.record.allergies if a.active for name in (a.medication, a.name) if name)
        return frozenset(name for name in named if name)

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Active conditions in the words of the interaction rules; youth follows from the birth year."""
        words = [c.word for c in self.record.conditions if c.active and c.word in known_conditions()]
        born = self.record.demographics.get("birth_year")
        if isinstance(born, int) and self.today.year - born <= _YOUNG:
            words.append("age under 25")
        return tuple(dict.fromkeys(word for word in words if word))

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the record the services cannot use."""
        lines = list(self._genes[1])
        strangers = [c.name for c in self.record.conditions if c.active and c.word not in known_conditions()]
        if strangers:
            lines.append(f"{len(strangers)} active condition(s) have no rule and were not used.")
        lines += [f"{note.reason} ({note.source})." for note in self.record.not_understood]
        return tuple(lines)

    @cached_property
    def instruments(self) -> dict[str, "Instrument"]:
        """Symptoms whose scale is known; only these are forecast."""
        frame = self.record.symptoms
        names = () if frame is None else dict.fromkeys(key.name for key in frame.series)
        return {name: known for name in names if (known := recognise(name)) is not None}

    def reports(self, name: str) -> tuple[Any, Any, tuple[str, ...]]:
        """Local times, values and sources of one symptom; empty where there is none."""
        frame = self.record.symptoms
        rows = [
            i
            for i in range(0 if frame is None else len(frame))
            if frame is not None and frame.series[frame.series_index[i]].name == name
        ]
        if frame is None or not rows:
            return [], [], ()
        sources = self.record.symptom_sources
        return frame.timestamps[rows], frame.values[rows], tuple(sources[i] for i in rows) if sources else ()


def as_polars(frame: LongFrame, column: str, names: Sequence[str] | None = None) -> pl.DataFrame:
    """Rows of some series as a long frame in local time."""
    rows = [i for i in range(len(frame)) if names is None or frame.series[frame.series_index[i]].name in names]
    keys = [frame.series[i] for i in frame.series_index[rows]]
    columns: dict[str, Any] = {
        "patient_id": [key.patient_id for key in keys],
        "timestamp": frame.timestamps[rows],
        column: [key.name for key in keys],
        "value": frame.values[rows],
    }
    if column == "signal":
        columns["unit"] = pl.Series([frame.units[i] for i in frame.series_index[rows]], dtype=pl.String)
    return pl.DataFrame(columns)


def read_case(patient_id: str, patient_data: PatientRecord | Mapping[str, Any], today: date) -> Case:
    """A case from a record, or from a mapping as the services take it.

    Parameters
    ----------
    patient_data
        A :class:`PatientRecord`, or a mapping with any of ``symptoms`` and ``biometrics`` (long frames), ``genotype``
        (gene to result), ``vcf`` (path or bytes) with ``outside_calls``, ``medications`` and ``allergies`` (names, or
        mappings with the fields of the record's classes), ``conditions`` (words), ``demographics``, ``timezone``.

    Raises
    ------
    ValidationError
        A field is unknown or has the wrong form, or the record is another patient's.
    """
    if isinstance(patient_data, PatientRecord):
        if patient_data.patient_id != patient_id:
            raise ValidationError("the record belongs to another patient than patient_id")
        return Case(patient_data, today)
    if not isinstance(patient_data, Mapping):
        raise ValidationError("patient_data must be a PatientRecord or a mapping")
    unknown = set(patient_data) - set(_FIELDS)
    if unknown:
        raise ValidationError(f"patient_data has unknown entries; known are {', '.join(_FIELDS)}")
    zone = patient_data.get("timezone")
    genes = patient_data.get("genotype") or {}
    if not isinstance(genes, Mapping):
        raise ValidationError("'genotype' must map genes to results, e.g. {'CYP2D6': '*1/*4'}")
    vcf = patient_data.get("vcf")
    called = {} if vcf is None else call_vcf(vcf, patient_data.get("outside_calls"))
    called |= {gene: result for gene, result in genes.items() if isinstance(result, Diplotype)}
    record = PatientRecord(
        patient_id,
        timezone=zone,
        demographics=patient_data.get("demographics") or {},
        symptoms=_frame(patient_data.get("symptoms"), patient_id, symptom_frame, zone),
        signals=_frame(patient_data.get("biometrics"), patient_id, signal_frame, zone),
        medications=tuple(_each(patient_data, "medications", _course)),
        genotype={gene: result for gene, result in genes.items() if gene not in called},
        conditions=tuple(_each(patient_data, "conditions", lambda name: Condition(name, word=_word(name)))),
        allergies=tuple(_each(patient_data, "allergies", lambda name: Allergy(name, medication=normalise(name)))),
    )
    return Case(record, today, called)


def _word(name: str) -> str | None:
    plain = " ".join(re.sub(r"_", " ", name.casefold()).split())
    return plain if plain in known_conditions() else None


def _course(given: Any) -> MedicationCourse:
    if isinstance(given, str):
        return MedicationCourse(given, None)
    return MedicationCourse(**{"start": None, **given})


def _each(patient_data: Mapping[str, Any], name: str, make: Any) -> list[Any]:
    given = patient_data.get(name) or ()
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ValidationError(f"'{name}' must be a list")
    try:
        return [one if isinstance(one, MedicationCourse | Condition | Allergy) else make(one) for one in given]
    except (TypeError, AttributeError) as error:
        raise ValidationError(f"'{name}' holds an entry of the wrong form") from error


def _frame(given: Any, patient_id: str, check: Any, zone: str | None) -> LongFrame | None:
    if given is None:
        return None
    if isinstance(given, LongFrame):
        return given
    frame: LongFrame = check(given, timezone=zone)
    if {key.patient_id for key in frame.series} == {None}:
        import narwhals as nw

        named = nw.from_native(given, eager_only=True).with_columns(nw.lit(patient_id).alias("patient_id"))
        frame = check(named.to_native(), timezone=zone)
    return frame
