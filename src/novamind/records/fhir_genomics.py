"""FHIR genomics observations: genotype and metaboliser status of one gene.

Reads Observations of the Genomics Reporting guide (HL7, LOINC codes below), alone or in a Bundle; everything
else in the Bundle is passed over. A genotype goes before a phenotype of the same gene.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from novamind.errors import DataProcessingError, ValidationError
from novamind.records.consumer_arrays import read_text

_GENE = "48018-6"
_GENOTYPE = "84413-4"
_METABOLISM = "53040-2"
_FINISHED = {"final", "amended", "corrected", "preliminary", "registered"}


def read_fhir_genomics(source: str | Path | bytes) -> dict[str, str]:
    """Read gene results from a FHIR R4 Bundle or Observation in JSON.

    Returns
    -------
    dict
        gene -> genotype or phenotype as written.

    Raises
    ------
    DataProcessingError
        The file is not FHIR JSON, or holds no gene result.
    ValidationError
        Two observations disagree on a gene.
    """
    try:
        resource = json.loads(read_text(source, "FHIR file"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataProcessingError("The FHIR file is not valid JSON.") from error
    if not isinstance(resource, dict) or "resourceType" not in resource:
        raise DataProcessingError("The file is JSON but no FHIR resource.")
    genotypes: dict[str, str] = {}
    phenotypes: dict[str, str] = {}
    for observation in _observations(resource):
        parts = [observation, *(c for c in observation.get("component") or () if isinstance(c, dict))]
        values = {code: _text(part) for part in parts for code in _codes(part.get("code"))}
        genotype, phenotype = values.get(_GENOTYPE, ""), values.get(_METABOLISM, "")
        gene = values.get(_GENE, "")
        if not gene and "*" in genotype:
            gene = genotype.partition("*")[0].strip()
        if not gene:
            continue
        for result, known in ((genotype, genotypes), (phenotype, phenotypes)):
            if result and known.setdefault(gene, result) != result:
                raise ValidationError(f"The FHIR file gives two different results for {gene}; keep one.")
    if not genotypes and not phenotypes:
        raise DataProcessingError("The FHIR file holds no genotype or metaboliser observation.")
    return phenotypes | genotypes


def _observations(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    entries = resource.get("entry") or ()
    for item in [resource, *(e.get("resource") for e in entries if isinstance(e, dict))]:
        if not isinstance(item, dict) or item.get("resourceType") != "Observation":
            continue
        if item.get("status", "final") in _FINISHED:
            yield item


def _codes(concept: Any) -> Iterator[str]:
    for coding in (concept.get("coding") or ()) if isinstance(concept, dict) else ():
        if isinstance(coding, dict):
            yield str(coding.get("code", ""))


def _text(part: dict[str, Any]) -> str:
    if isinstance(part.get("valueString"), str):
        return str(part["valueString"]).strip()
    concept = part.get("valueCodeableConcept")
    if not isinstance(concept, dict):
        return ""
    shown = [str(c.get("display", "")) for c in concept.get("coding") or () if isinstance(c, dict)]
    return next((t.strip() for t in [str(concept.get("text") or ""), *shown] if t.strip()), "")
