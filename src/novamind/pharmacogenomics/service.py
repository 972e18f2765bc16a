"""The use cases: call a genotype, read a phenotype, recommend for a patient."""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from novamind.drugs.limits import Dosage, PatientFacts
from novamind.errors import DataProcessingError, ValidationError
from novamind.pharmacogenomics import alleles
from novamind.pharmacogenomics.domain import Diplotype, GenotypeResults, Phenotype
from novamind.pharmacogenomics.genome_build import known_places
from novamind.pharmacogenomics.notation import SCORED_GENES, parse_diplotype, parse_phenotype, parse_score
from novamind.pharmacogenomics.phenotypes import RULE_SOURCES, known_genes, phenotype
from novamind.pharmacogenomics.review import Review, recommend
from novamind.records.fhir.genomics import read_fhir_genomics
from novamind.records.genotypes.callers import ReportedResult, pypgx_results
from novamind.records.genotypes.consumer_arrays import ConsumerArray, is_consumer_array, read_consumer_array
from novamind.records.genotypes.files import read_start
from novamind.records.genotypes.recognition import is_vcf
from novamind.records.genotypes.star_alleles import read_star_alleles
from novamind.records.genotypes.vcf import read_vcf


def genotype(reported: Mapping[str, str]) -> dict[str, Diplotype]:
    """Return the genotype that laboratory results state.

    Parameters
    ----------
    reported
        gene -> result, for example ``{"CYP2D6": "*1/*4", "CYP2C19": "Poor Metabolizer", "HLA-B": "*15:02
        positive"}``; see :func:`novamind.pharmacogenomics.notation.parse_diplotype`.

    Raises
    ------
    ValidationError
        A result of a gene that we know is malformed, or a gene is given twice.
    """
    read = [_reported(gene, str(text)) for gene, text in reported.items()]
    if len({d.gene for d in read}) < len(read):
        raise ValidationError("one gene is given twice, in different spellings; keep one result")
    return {d.gene: d for d in read}


def _reported(gene: str, text: str) -> Diplotype:
    """Return one gene's result; of a gene outside our tables any text is passed over, and said."""
    symbol = gene.strip().upper()
    try:
        diplotype = parse_diplotype(symbol, text)
    except ValidationError:
        if symbol in known_genes():
            raise
        diplotype = Diplotype(symbol, origin="outside")
    if symbol in known_genes():
        return diplotype
    return replace(diplotype, warnings=(f"{symbol}: the gene is not in our tables; its result is not used.",))


def _from_table(gene: str, result: ReportedResult) -> Diplotype:
    """Return one line of a table; where its columns disagree, the result says so."""
    diplotype = _reported(gene, result.text)
    reading = phenotype(gene, diplotype)
    warnings = [*diplotype.warnings, *result.remarks]
    if gene in RULE_SOURCES and reading.alternatives and result.diplotype:
        status = parse_phenotype(result.phenotype)
        if status is not None and _plain(status) not in {_plain(r.phenotype) for r in reading.alternatives}:
            warnings.append(f"{gene}: the table's phenotype is not that of its diplotype; the diplotype is used.")
    if gene in SCORED_GENES and reading.alternatives and result.text != result.activity_score:
        score = parse_score(result.activity_score)
        if score is not None and score not in {r.activity_score for r in reading.alternatives}:
            column = "diplotype" if result.diplotype else "phenotype"
            warnings.append(f"{gene}: the table's activity score is not that of its {column}; the {column} is used.")
    return replace(diplotype, warnings=tuple(warnings))


def _plain(status: Phenotype | None) -> str:
    """Return a phenotype without its degree of certainty."""
    return re.sub("^(Likely|Possible) ", "", str(status))


def call_vcf_samples(
    source: str | Path | bytes, outside_calls: Mapping[str, str] | None = None, *, absent_is_reference: bool = False
) -> dict[str, dict[str, Diplotype]]:
    """Return the calls of a VCF: sample -> gene -> Diplotype. Outside calls, if any, go to all samples."""
    file = read_vcf(source, alleles.wanted_positions(), known_places())
    called = alleles.call_variants(file, absent_is_reference)
    outside = genotype(outside_calls or {})
    return {sample: {**of, **outside} for sample, of in called.items()}


def call_vcf(
    source: str | Path | bytes,
    outside_calls: Mapping[str, str] | None = None,
    sample: str | None = None,
    *,
    absent_is_reference: bool = False,
) -> dict[str, Diplotype]:
    """Return one person's genotype, called from a GRCh38 VCF.

    Parameters
    ----------
    source
        Path or content; plain, gzip, bgzip or a zip with one file.
    outside_calls
        Laboratory results that replace or add to what variants show (CYP2D6 with copy number, HLA), in the
        forms of :func:`genotype`.
    sample
        Whose genotype; needed only when the file has several samples.
    absent_is_reference
        Whether a position that the file does not list is reference. Say so only of a file with every variant of a
        whole genome; by default such a position is unknown.

    Returns
    -------
    dict
        gene -> Diplotype; what is not covered stays not called.

    Raises
    ------
    ValidationError
        Wrong build, no sample, several without saying which, malformed outside call.
    DataProcessingError
        Not a VCF, or damaged.
    """
    called = call_vcf_samples(source, outside_calls, absent_is_reference=absent_is_reference)
    return _one_person(called, sample)


_Result = TypeVar("_Result")


def _one_person(samples: Mapping[str, _Result], sample: str | None) -> _Result:
    if sample is not None:
        if sample not in samples:
            raise ValidationError("the file has no sample of that name")
        return samples[sample]
    if len(samples) != 1:
        raise ValidationError(f"the file has {len(samples)} samples; name one of them")
    return next(iter(samples.values()))


def read_genotype(
    source: str | Path | bytes, sample: str | None = None, *, absent_is_reference: bool = False
) -> GenotypeResults:
    """Return one person's genotype from any file we know, by its content.

    A VCF, the raw data of a consumer array, FHIR genomics observations (JSON), a table of reported star alleles, or the
    output of a caller (Cyrius, Aldy, StellarPGx, PyPGx). ``sample`` names the person in a file of several;
    ``absent_is_reference`` is that of :func:`call_vcf`.

    Raises
    ------
    ValidationError, DataProcessingError
        As the reader of that kind does, for several samples without saying which, and for ``absent_is_reference`` with
        a file that is no VCF.
    """
    rows = pypgx_results(source)
    head = b"" if rows is not None else read_start(source, "genotype file", _HEAD_BYTES)
    if is_vcf(head):
        return GenotypeResults(call_vcf(source, sample=sample, absent_is_reference=absent_is_reference))
    if absent_is_reference:
        raise ValidationError("absent positions can be taken as reference in a VCF only; leave the option out")
    if head.startswith(b"BCF"):
        raise DataProcessingError("the genotype file is a BCF; write it as VCF first (bcftools view)")
    if _JSON.match(head):
        return GenotypeResults(genotype(read_fhir_genomics(source)))
    if is_consumer_array(head.decode("utf-8-sig", "replace")):
        array = read_consumer_array(source)
        return GenotypeResults(alleles.call_rsids(array), _array_notes(array))
    table = _one_person(read_star_alleles(source), sample)
    if not known_genes() & table.keys() and not any("*" in result.text for result in table.values()):
        raise ValidationError(
            f"the table names no gene that we know; known are {', '.join(sorted(known_genes()))}, and raw data of an"
            " array need the columns rsid, chromosome, position and genotype"
        )
    return GenotypeResults({gene: _from_table(gene, result) for gene, result in table.items()})


_HEAD_BYTES = 65536
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{|\[\s*[\[{\]])")


def _array_notes(array: ConsumerArray) -> list[str]:
    notes = []
    if array.passed_over:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(array.passed_over.items()))
        notes.append(f"Names that are no rs numbers were passed over: {kinds}.")
    if array.contradicting:
        notes.append(f"rs numbers with two different calls, which were not used: {len(array.contradicting)}.")
    return notes


_GENOTYPES = ("genotype", "genetic_data", "genetic_markers")
_FIELDS = frozenset(
    {*_GENOTYPES, "vcf", "outside_calls", "comedications", "conditions", "allergies", "patient_id"}
    | {"doses", "stopped", "person"}
)


class PharmacogenomicsService:
    """What the API serves."""

    async def predict_medication_response(
        self, patient_data: Mapping[str, Any], medication_name: str | None = None
    ) -> Review:
        """Return the review of one drug, or of all psychiatric drugs, for a patient.

        Parameters
        ----------
        patient_data
            ``genotype`` (gene -> reported result, or gene -> Diplotype; also ``genetic_data`` or
            ``genetic_markers``) or ``vcf`` (path or bytes, with ``outside_calls``); optional ``comedications``,
            ``conditions`` and ``allergies``, lists of names; ``doses`` (drug to mg a day, or to a mapping with ``mg``,
            ``every_hours`` and ``form``), ``stopped`` (drug to days since, or ``None``), ``person`` (a mapping with the
            fields of :class:`novamind.drugs.limits.PatientFacts`); ``patient_id`` is not looked at. A patient without
            any genotype gets the review without gene advice.
        medication_name
            Generic or brand name; all psychiatric drugs when None.

        Raises
        ------
        ValidationError
            A field is unknown or has the wrong form.
        """
        unknown = set(patient_data) - _FIELDS
        if unknown:
            raise ValidationError(f"patient_data has unknown entries; known are {', '.join(sorted(_FIELDS))}")
        genotypes = [patient_data[name] for name in _GENOTYPES if patient_data.get(name)]
        if len(genotypes) > 1:
            raise ValidationError(f"the genotype is given twice; keep one of {', '.join(_GENOTYPES)}")
        reported = genotypes[0] if genotypes else {}
        if not isinstance(reported, Mapping):
            raise ValidationError("'genotype' must map genes to results, for example {'CYP2D6': '*1/*4'}")
        vcf = patient_data.get("vcf")
        called: dict[str, Diplotype] = {}
        if vcf is not None:
            called = await asyncio.to_thread(call_vcf, vcf, patient_data.get("outside_calls"))
        diplotypes = {gene: d for gene, d in reported.items() if isinstance(d, Diplotype)}
        called |= genotype({gene: text for gene, text in reported.items() if gene not in diplotypes}) | diplotypes
        return recommend(
            called,
            None if medication_name is None else (medication_name,),
            _names(patient_data, "comedications"),
            _names(patient_data, "conditions"),
            _names(patient_data, "allergies"),
            stopped=_mapping(patient_data, "stopped"),
            doses={drug: _dosage(dose) for drug, dose in _mapping(patient_data, "doses").items()},
            person=_person(_mapping(patient_data, "person")),
        )


def _names(patient_data: Mapping[str, Any], field: str) -> Sequence[str]:
    names = patient_data.get(field)
    if names is None:
        return ()
    if isinstance(names, str) or not isinstance(names, Collection) or not all(isinstance(n, str) for n in names):
        raise ValidationError(f"'{field}' must be a list of names")
    return tuple(names)


def _mapping(patient_data: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    entry = patient_data.get(field)
    if entry is None:
        return {}
    if not isinstance(entry, Mapping):
        raise ValidationError(f"'{field}' must be a mapping")
    return entry


def _dosage(dose: Any) -> Dosage:
    try:
        return dose if isinstance(dose, Dosage) else Dosage(**dose) if isinstance(dose, Mapping) else Dosage(dose)
    except TypeError as error:
        raise ValidationError("each of 'doses' is mg a day, or maps mg, every_hours and form") from error


def _person(facts: Mapping[str, Any]) -> PatientFacts:
    try:
        return PatientFacts(**facts)
    except TypeError as error:
        raise ValidationError(f"'person' takes {', '.join(PatientFacts.__dataclass_fields__)}") from error
