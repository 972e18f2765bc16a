"""Star-allele tables: results of a laboratory or a caller, one line a gene.

Two layouts are read. With a header that names ``gene`` and ``diplotype`` (or ``result``, ``phenotype``), and
optionally ``sample``; comma or tab. Without a header the outside-call layout of PharmCAT: gene, diplotype,
phenotype, activity score, tab-separated, trailing columns optional.
"""

import csv
from pathlib import Path

from novamind.errors import DataProcessingError, ValidationError
from novamind.records.genotypes.consumer_arrays import read_text

_RESULT_COLUMNS = ("diplotype", "result", "genotype", "phenotype", "activity_score")


def read_star_alleles(source: str | Path | bytes) -> dict[str, dict[str, str]]:
    """Return the results of a table of reported star alleles.

    Returns
    -------
    dict
        sample -> gene -> result as written; the sample is "" when the table names none.

    Raises
    ------
    DataProcessingError
        The file cannot be read or has no line of results.
    ValidationError
        A line lacks its gene, or a gene has two different results.
    """
    lines = [line for line in read_text(source, "star-allele table").splitlines() if line.strip() and line[0] != "#"]
    if not lines:
        raise DataProcessingError("the star-allele table is empty")
    delimiter = "\t" if "\t" in lines[0] else ","
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    header = [cell.lower() for cell in rows[0]]
    if "gene" in header:
        columns = [header.index(name) for name in _RESULT_COLUMNS if name in header]
        if not columns:
            raise DataProcessingError(f"the star-allele table needs a column among {', '.join(_RESULT_COLUMNS)}")
        at_gene, at_sample = header.index("gene"), header.index("sample") if "sample" in header else None
        rows = rows[1:]
    else:
        at_gene, at_sample, columns = 0, None, [1, 2, 3]
    results: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, 1):
        gene = row[at_gene] if at_gene < len(row) else ""
        result = next((row[c] for c in columns if c < len(row) and row[c]), "")
        if not gene:
            raise ValidationError(f"result line {number} of the star-allele table names no gene")
        of_sample = results.setdefault(row[at_sample] if at_sample is not None and at_sample < len(row) else "", {})
        if of_sample.setdefault(gene, result) != result:
            raise ValidationError(f"the star-allele table gives two different results for {gene}; keep one")
    return results
