"""FHIR genomics observations: genotype and metaboliser status of one gene.

Reads Observations of the Genomics Reporting guide (HL7, LOINC codes below), alone or in a Bundle; everything
else in the Bundle is passed over. A genotype goes before a phenotype of the same gene.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from novamind.errors import DataProcessingError, ValidationError
from novamind.records.fhir.documents import load
from novamind.records.fhir.identity import People, Person, Problem
from novamind.records.fhir.outcome import FhirImportError
from novamind.records.fhir.versions import current
from novamind.settings import Settings

GENE = "48018-6"
GENOTYPE = "84413-4"
METABOLISM = "53040-2"
#: What a genomics result may be coded as, whether or not it gives one gene's result.
GENOMIC_CODES = {GENE, GENOTYPE, METABOLISM, "53041-0", "69548-6", "84414-2", "therapeutic-implication"}
_SYMBOL = r"[A-Z][A-Z0-9-]{1,14}"
# One reported HLA allele; the other copy may carry it too.
_SINGLE_HLA_ALLELE = re.compile(r"HLA-[A-Z0-9]+\*\d{2,3}:\d{2,3}")
_FINISHED = {"final", "amended", "corrected", "preliminary", "registered"}


def read_fhir_genomics(source: str | Path | bytes) -> dict[str, str]:
    """Return gene results of a FHIR R4 Bundle or Observation in JSON.

    Returns
    -------
    dict
        gene -> genotype or phenotype as written.

    Raises
    ------
    DataProcessingError
        The file is not FHIR JSON, or holds no gene result.
    ValidationError
        Two observations disagree on a gene, or they are not of one person.
    """
    try:
        entries, deleted, disputed, _ = current(load(source, Settings()))
    except FhirImportError as error:
        raise DataProcessingError(f"the FHIR file cannot be read: {error}") from error
    genotypes: dict[str, str] = {}
    phenotypes: dict[str, str] = {}
    people: set[Person] = set()
    for entry, person in zip(entries, People(entries, deleted, disputed).subjects, strict=True):
        observation = gene_result(entry.resource)
        if observation is None:
            continue
        if isinstance(person, Problem):
            raise ValidationError(f"whose a gene result of the FHIR file is cannot be known: {person.text}")
        people.add(person)
        if len(people) > 1:
            raise ValidationError("the FHIR file holds gene results of several people; give one person's")
        for result, results in ((observation.genotype, genotypes), (observation.phenotype, phenotypes)):
            if result and results.setdefault(observation.gene, result) != result:
                raise ValidationError(f"the FHIR file gives two different results for {observation.gene}; keep one")
    if not genotypes and not phenotypes:
        raise DataProcessingError("the FHIR file holds no genotype or metaboliser observation")
    return phenotypes | genotypes


class GeneObservation(NamedTuple):
    """What one Observation says of one gene; an empty text where it says nothing."""

    gene: str
    genotype: str
    phenotype: str


def gene_result(resource: Mapping[str, Any]) -> GeneObservation | None:
    """Return genotype and metaboliser status of one gene; ``None`` for other resources and withdrawn results."""
    if resource.get("resourceType") != "Observation" or resource.get("status", "final") not in _FINISHED:
        return None
    components = resource.get("component")
    parts = [resource, *(c for c in (components if isinstance(components, list) else ()) if isinstance(c, Mapping))]
    values = {code: _text(part) for part in parts for code in _codes(part.get("code"))}
    genotype, phenotype = values.get(GENOTYPE, ""), values.get(METABOLISM, "")
    gene = values.get(GENE, "")
    named = genotype.partition("*")[0].strip() if "*" in genotype else ""
    if gene and re.fullmatch(_SYMBOL, named) and named != gene:  # the gene studied is not the gene of the genotype
        return None
    gene = gene or named
    if _SINGLE_HLA_ALLELE.fullmatch(genotype):
        genotype = f"*{genotype.partition('*')[2]} positive"
    return GeneObservation(gene, genotype, phenotype) if gene and (genotype or phenotype) else None


def _codes(concept: Any) -> Iterator[str]:
    for coding in _codings(concept):
        if isinstance(coding, dict):
            yield str(coding.get("code", ""))


def _codings(concept: Any) -> list[Any]:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return codings if isinstance(codings, list) else []


def _text(part: Mapping[str, Any]) -> str:
    if isinstance(part.get("valueString"), str):
        return str(part["valueString"]).strip()
    concept = part.get("valueCodeableConcept")
    if not isinstance(concept, dict):
        return ""
    shown = [str(c.get("display", "")) for c in _codings(concept) if isinstance(c, dict)]
    return next((t.strip() for t in [str(concept.get("text") or ""), *shown] if t.strip()), "")
