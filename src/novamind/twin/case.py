"""One patient as the services see it: the record, the genotype read gene by gene, what is taken now."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from novamind.drugs.catalogue import catalogue, psychiatric
from novamind.drugs.conditions import condition_word
from novamind.drugs.limits import Dosage, PatientFacts
from novamind.drugs.names import drugs_of
from novamind.errors import ValidationError
from novamind.pharmacogenomics import call_vcf
from novamind.pharmacogenomics import genotype as read_genes
from novamind.pharmacogenomics.allergies import allergens_of
from novamind.pharmacogenomics.domain import Diplotype, GenotypeResults
from novamind.records import (
    Allergy,
    Condition,
    LongFrame,
    MedicationCourse,
    PatientRecord,
    signal_frame,
    symptom_frame,
)
from novamind.records.tables.clocks import in_zone, on_one_clock
from novamind.summary import sentence
from novamind.symptoms.domain import Scale
from novamind.symptoms.forecaster.covariates import TREATMENT_START
from novamind.symptoms.instruments import recognise, series_name
from novamind.timeline import parse_timezone

_FIELDS = (
    "symptoms",
    "scales",
    "biometrics",
    "genotype",
    "vcf",
    "outside_calls",
    "absent_is_reference",
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
    own_scales
        Series to scale, of symptoms that are no known instrument.
    """

    record: PatientRecord
    today: date
    called: Mapping[str, Diplotype] = field(default_factory=dict)
    own_scales: Mapping[str, Scale] = field(default_factory=dict)

    @cached_property
    def _clocked(self) -> tuple[LongFrame | None, LongFrame | None, tuple[str, ...]]:
        """Return signals and reports on one clock, and notes on it."""
        record = self.record
        signals, reports = record.signals, record.symptoms
        if record.timezone is not None:
            signals = None if signals is None else in_zone(signals, record.timezone)
            reports = None if reports is None else in_zone(reports, record.timezone)
            return signals, reports, ()
        if signals is None or reports is None:
            return signals, reports, ()
        try:
            signals, reports, notes = on_one_clock(signals, reports)
        except ValidationError as error:
            return None, reports, (f"Signals were not used: {error}.",)
        return signals, reports, tuple(map(sentence, dict.fromkeys(notes.values())))

    @cached_property
    def _genes(self) -> tuple[dict[str, Diplotype], tuple[str, ...]]:
        diplotypes: dict[str, Diplotype] = {}
        notes = list(self.called.notes) if isinstance(self.called, GenotypeResults) else []
        for gene, result in self.record.genotype.items():
            try:
                diplotypes.update(read_genes({gene: result}))
            except ValidationError:
                notes.append(f"The result of {gene} is in an unknown notation and was not used.")
        return diplotypes | dict(self.called), tuple(notes)

    @property
    def genotype(self) -> dict[str, Diplotype]:
        """Return gene to diplotype. Genes whose result cannot be read are in :attr:`notes`."""
        return self._genes[0]

    @property
    def unread_genes(self) -> tuple[str, ...]:
        """Return a sentence for each gene and each part of a genotype file that cannot be read."""
        return self._genes[1]

    @cached_property
    def medications(self) -> dict[str, MedicationCourse]:
        """Return what is taken today, by its generic name where it has one; a combination under each of its drugs."""
        courses = self.record.medications_on(self.today)
        return {drug: c for c in courses for drug in drugs_of(c.medication) or (c.medication,)}

    @cached_property
    def doses(self) -> dict[str, Dosage]:
        """Return the dosage of what is taken today, where the record has the daily dose of one drug.

        Of several courses of one drug the sum, which :attr:`notes` name.
        """
        return {name: Dosage(sum(of)) for name, of in self._doses.items()}

    @cached_property
    def _doses(self) -> dict[str, list[float]]:
        doses: dict[str, list[float]] = {}
        for course in self.record.medications_on(self.today):
            drugs = drugs_of(course.medication) or (course.medication,)
            if len(drugs) == 1 and course.dose_mg is not None:
                doses.setdefault(drugs[0], []).append(course.dose_mg)
        return doses

    @cached_property
    def stopped(self) -> dict[str, int | None]:
        """Return what is no longer taken, to the days since the last day; ``None`` where that is not known."""
        ended: dict[str, int | None] = {}
        for course in self.record.medications:
            for drug in () if course.taken_on(self.today) else drugs_of(course.medication):
                if drug in self.medications:
                    continue
                if course.end is None and course.stopped:
                    ended.setdefault(drug, None)
                elif course.end is not None and course.end < self.today:
                    days, earlier = (self.today - course.end).days, ended.get(drug)
                    ended[drug] = days if earlier is None else min(days, earlier)
        return ended

    @cached_property
    def person(self) -> PatientFacts:
        """Return what dose limits ask of a person, from the demographics; of a birth year the oldest age it allows."""
        about = self.record.demographics
        born, gender, liver, smoker = map(about.get, ("birth_year", "gender", "child_pugh", "smoker"))
        return PatientFacts(
            age=_number(self.today.year - born) if isinstance(born, int) else None,
            sex=gender if isinstance(gender, str) and gender in ("female", "male") else None,
            weight_kg=_number(about.get("weight_kg")),
            creatinine_clearance=_number(about.get("creatinine_clearance")),
            egfr=_number(about.get("egfr")),
            child_pugh=liver if isinstance(liver, str) and liver in ("A", "B", "C", "none") else None,
            smoker=smoker if isinstance(smoker, bool) else None,
        )

    @cached_property
    def allergens(self) -> tuple[str, ...]:
        """Return what the active allergies are to: generic names of drugs, and other names as recorded."""
        allergens = []
        for allergy in self.record.allergies:
            if allergy.active:
                names = [name for name in (allergy.medication, allergy.name) if name]
                drugs = [drug for name in names for drug in allergens_of(name)]
                allergens += drugs or names[:1]
        return tuple(dict.fromkeys(allergens))

    @property
    def allergies(self) -> frozenset[str]:
        """Return the generic names of drugs with an active allergy."""
        return frozenset(name for name in self.allergens if name in catalogue())

    def taking(self, drugs: Iterable[str]) -> "Case":
        """Return the case with more drugs, taken from today on."""
        more = (MedicationCourse(drug, self.today) for drug in drugs if drug not in self.medications)
        return replace(self, record=replace(self.record, medications=(*self.record.medications, *more)))

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Return the active conditions in the words of the interaction rules; youth follows from the birth year."""
        words = [_rule_word(c) for c in self.record.conditions if c.active]
        born = self.record.demographics.get("birth_year")
        if isinstance(born, int) and self.today.year - born <= _YOUNG:
            words.append("age under 25")
        return tuple(dict.fromkeys(word for word in words if word))

    @property
    def notes(self) -> tuple[str, ...]:
        """Return a sentence for each part of the record that the services cannot use."""
        lines = [*self._genes[1], *self._clocked[2]]
        strangers = [c.name for c in self.record.conditions if c.active and _rule_word(c) is None]
        if strangers:
            lines.append(f"{len(strangers)} active condition(s) have no rule and were not used.")
        if self._reports[1]:
            lines.append(f"{self._reports[1]} report(s) are off the scale of their instrument and were not used.")
        lines += [
            f"{drug} is taken in several courses: their doses were added."
            for drug, of in self._doses.items()
            if len(of) > 1
        ]
        lines += [f"{name} is not forecast: its range is not known; give it once." for name in self.unscaled]
        lines += [f"{note.reason} ({note.source})." for note in self.record.not_understood]
        return tuple(lines)

    @cached_property
    def scales(self) -> dict[str, Scale]:
        """Return series to scale, published or the record's own, for the series that can be forecast."""
        frame = self.record.symptoms
        names = () if frame is None else dict.fromkeys(series_name(key.name) for key in frame.series)
        scales = {
            name: instrument.scale if (instrument := recognise(name)) else self.own_scales.get(name) for name in names
        }
        return {name: scale for name, scale in scales.items() if scale is not None}

    @cached_property
    def unscaled(self) -> tuple[str, ...]:
        """Return the series that cannot be forecast because their range is not known."""
        frame = self.record.symptoms
        names = () if frame is None else dict.fromkeys(series_name(key.name) for key in frame.series)
        return tuple(name for name in names if name not in self.scales)

    @cached_property
    def _reports(self) -> tuple[pl.DataFrame | None, int]:
        """Return the reports that count, each series under one name, and the number of reports off a known scale."""
        frame = self._clocked[1]
        if frame is None:
            return None, 0
        reports = as_polars(frame, "symptom")
        named = {name: series_name(name) for name in reports["symptom"].unique()}
        reports = reports.with_columns(pl.col("symptom").replace_strict(named, return_dtype=pl.String)).unique(
            ("symptom", "timestamp"), keep="last", maintain_order=True
        )
        ends = {name: (scale.low, scale.high) for name, scale in self.scales.items()}
        low, high = np.array([ends.get(name, (-np.inf, np.inf)) for name in reports["symptom"]]).reshape(-1, 2).T
        values = reports["value"].to_numpy()
        off = (values < low) | (values > high)
        return (None if off.all() else reports.filter(~off)), int(off.sum())

    @property
    def observed(self) -> pl.DataFrame | None:
        """Return the reports that count (``patient_id, timestamp, symptom, value``) on any scale, or ``None``."""
        return self._reports[0]

    @cached_property
    def symptoms(self) -> pl.DataFrame | None:
        """Return the reports that can be forecast because their scale is known; ``None`` without any."""
        if self.observed is None:
            return None
        forecast = self.observed.filter(pl.col("symptom").is_in(list(self.scales)))
        return forecast if len(forecast) else None

    @cached_property
    def signals(self) -> pl.DataFrame | None:
        """Return samples (``patient_id, timestamp, signal, value, unit``), the last of two at one time, or ``None``."""
        frame = self._clocked[0]
        if frame is None:
            return None
        return as_polars(frame, "signal").unique(("signal", "timestamp"), keep="last", maintain_order=True)

    @property
    def unused_signals(self) -> str | None:
        """Return why the record's signals cannot be used; ``None`` where they are used or there are none."""
        return self._clocked[2][0] if self.record.signals is not None and self._clocked[0] is None else None

    @property
    def last_day(self) -> date:
        """Return the last local day on which something can be observed: today, or a later day of the record."""
        return max(self.today, self.record.last_day or self.today)

    @cached_property
    def covariates(self) -> pl.DataFrame | None:
        """Return signals and starts of the current psychiatric medication, for the forecast; ``None`` without any."""
        parts = []
        if self.signals is not None:
            parts.append(self.signals.select("patient_id", "timestamp", "signal", "value"))
        begun = [c.start for name, c in self.medications.items() if c.start is not None and _treats(name)]
        if begun:
            parts.append(
                pl.DataFrame(
                    {
                        "patient_id": [self.record.patient_id] * len(begun),
                        "timestamp": pl.Series(begun, dtype=pl.Date).cast(pl.Datetime("us")),
                        "signal": [TREATMENT_START] * len(begun),
                        "value": [1.0] * len(begun),
                    }
                )
            )
        return pl.concat(parts).unique(("signal", "timestamp"), maintain_order=True) if parts else None

    def until(self, end: date) -> "Case":
        """Return the case as it stood at the end of a day, without what was observed later."""
        record = self.record
        symptoms, signals = _until(record.symptoms, end), _until(record.signals, end)
        return replace(
            self,
            record=replace(record, symptoms=symptoms, signals=signals, symptom_sources=(), signal_sources=()),
            today=end,
        )

    def reports(self, name: str) -> tuple[Any, Any, tuple[str, ...]]:
        """Return local times, values and sources of one series in order of time; empty without reports.

        Of several spellings with a value at one time the last in the record counts, as in :attr:`symptoms`.
        """
        frame = self.record.symptoms
        wanted = [] if frame is None else [series_name(key.name) == name for key in frame.series]
        if frame is None or not any(wanted):
            return [], [], ()
        latest = {frame.timestamps[i]: i for i in range(len(frame)) if wanted[frame.series_index[i]]}
        rows = [latest[time] for time in sorted(latest)]
        sources = self.record.symptom_sources
        return frame.timestamps[rows], frame.values[rows], tuple(sources[i] for i in rows) if sources else ()


def _treats(drug: str) -> bool:
    """Return whether a drug is given for a psychiatric symptom. MAO inhibitors count, though no first choice."""
    return drug in psychiatric() or (drug in catalogue() and "antidepressant" in catalogue()[drug].tags)


def _until(frame: LongFrame | None, end: date) -> LongFrame | None:
    if frame is None:
        return None
    keep = frame.timestamps.astype("datetime64[D]") <= np.datetime64(end)
    present = np.unique(frame.series_index[keep])
    if not len(present):
        return None
    return replace(
        frame,
        series=tuple(frame.series[i] for i in present),
        units=tuple(frame.units[i] for i in present),
        series_index=np.searchsorted(present, frame.series_index[keep]),
        timestamps=frame.timestamps[keep],
        utc_offset=None if frame.utc_offset is None else frame.utc_offset[keep],
        values=frame.values[keep],
    )


def as_polars(frame: LongFrame, column: str, names: Sequence[str] | None = None) -> pl.DataFrame:
    """Return the rows of some series as a long frame in local time."""
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


def today_in(timezone: str | None) -> date:
    """Return the present day by a person's clock; by UTC where that is not known."""
    return datetime.now(UTC if timezone is None else parse_timezone(timezone)).date()


def read_case(patient_id: str, patient_data: PatientRecord | Mapping[str, Any], today: date) -> Case:
    """Return a case from a record, or from a mapping with the fields below.

    Parameters
    ----------
    patient_data
        A :class:`PatientRecord`, or a mapping with any of ``symptoms`` and ``biometrics`` (long frames), ``scales`` (of
        symptoms that are no known instrument: name to ``(low, high)``), ``genotype``
        (gene to result), ``vcf`` (path or bytes) with ``outside_calls`` and ``absent_is_reference``, ``medications``,
        ``conditions`` and ``allergies`` (names, or mappings with the fields of the record's classes), ``demographics``,
        ``timezone``.

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
    genes = _mapping(patient_data, "genotype", "genes to results, e.g. {'CYP2D6': '*1/*4'}")
    vcf = patient_data.get("vcf")
    absent = patient_data.get("absent_is_reference", False)
    if not isinstance(absent, bool) or (absent and vcf is None):
        raise ValidationError("absent_is_reference is true or false, and belongs to a vcf: give both, or leave it out")
    outside = patient_data.get("outside_calls")
    called = {} if vcf is None else call_vcf(vcf, outside, absent_is_reference=absent)
    called |= {gene: result for gene, result in genes.items() if isinstance(result, Diplotype)}
    record = PatientRecord(
        patient_id,
        timezone=zone,
        demographics=_mapping(patient_data, "demographics", "names to values, e.g. {'birth_year': 1984}"),
        symptoms=_frame(patient_data.get("symptoms"), patient_id, symptom_frame, zone),
        signals=_frame(patient_data.get("biometrics"), patient_id, signal_frame, zone),
        medications=tuple(_each(patient_data, "medications", MedicationCourse, _course)),
        genotype={gene: result for gene, result in genes.items() if gene not in called},
        conditions=tuple(_each(patient_data, "conditions", Condition, _condition)),
        allergies=tuple(_each(patient_data, "allergies", Allergy, _allergy)),
    )
    return Case(record, today, called, _scales(patient_data))


def _mapping(patient_data: Mapping[str, Any], name: str, form: str) -> Mapping[str, Any]:
    """Return an entry that maps something; an empty mapping only where it is absent or ``None``."""
    entry = patient_data.get(name)
    if entry is None:
        return {}
    if not isinstance(entry, Mapping):
        raise ValidationError(f"'{name}' must map {form}")
    return entry


def _scales(patient_data: Mapping[str, Any]) -> dict[str, Scale]:
    ranges = _mapping(patient_data, "scales", "symptoms to ranges, e.g. {'mood': (0, 10)}")
    scales = {}
    for name, scale in ranges.items():
        if recognise(name) is not None:
            raise ValidationError(f"{series_name(name)} is a known instrument: its scale is published, leave it out")
        try:
            scales[series_name(name)] = scale if isinstance(scale, Scale) else Scale(*scale)
        except TypeError as error:
            raise ValidationError("each of 'scales' must be (low, high), e.g. (0, 10)") from error
    return scales


def _rule_word(condition: Condition) -> str | None:
    """Return the word by which interaction rules know a recorded condition, or ``None``."""
    return condition_word(condition.word or "") or condition_word(condition.name)


def _number(value: object) -> float | None:
    """Return what may be a measurement: a number from 0 on that no body exceeds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1000:
        return None
    return float(value)


def _course(entry: Any) -> MedicationCourse:
    return MedicationCourse(**{"start": None, **({"medication": entry} if isinstance(entry, str) else entry)})


def _condition(entry: Any) -> Condition:
    fields = {"name": entry} if isinstance(entry, str) else entry
    return Condition(**{"word": condition_word(fields["name"]), **fields})


def _allergy(entry: Any) -> Allergy:
    fields = {"name": entry} if isinstance(entry, str) else entry
    return Allergy(**{"medication": next(iter(allergens_of(fields["name"])), None), **fields})


def _each(patient_data: Mapping[str, Any], name: str, kind: type, make: Callable[[Any], Any]) -> list[Any]:
    entries = patient_data.get(name)
    if entries is None:
        return []
    if isinstance(entries, str) or not isinstance(entries, Sequence):
        raise ValidationError(f"'{name}' must be a list")
    try:
        return [entry if isinstance(entry, kind) else make(entry) for entry in entries]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValidationError(f"'{name}' holds an entry of the wrong form") from error


def _frame(table: Any, patient_id: str, check: Any, zone: str | None) -> LongFrame | None:
    if table is None:
        return None
    if isinstance(table, LongFrame):
        return table
    frame: LongFrame = check(table, timezone=zone)
    if {key.patient_id for key in frame.series} == {None}:
        import narwhals as nw

        named = nw.from_native(table, eager_only=True).with_columns(nw.lit(patient_id).alias("patient_id"))
        frame = check(named.to_native(), timezone=zone)
    return frame
