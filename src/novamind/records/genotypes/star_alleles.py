"""Star-allele tables: results of a laboratory or a caller, one line a gene.

Read are tables with a header that names ``gene`` and ``diplotype`` (or ``result``, ``phenotype``), and optionally
``sample``; without a header the outside-call layout of PharmCAT: gene, diplotype, phenotype, activity score, trailing
columns optional; and the output of callers (``callers.py``). Columns are separated by tab, semicolon or comma; two
columns may be separated by blanks.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from novamind.errors import DataProcessingError, ValidationError
from novamind.records.genotypes.callers import CALLER_MARKS, ReportedResult, Row, caller_results, pypgx_results
from novamind.records.genotypes.files import read_text

_TITLES = {
    "gene": ("gene", "genesymbol", "symbol", "gen"),
    "sample": ("sample", "sampleid", "samplename", "patient", "patientid", "probe"),
    "diplotype": ("diplotype", "result", "genotype", "call", "staralleles", "diplotyp", "genotyp", "ergebnis"),
    "phenotype": ("phenotype", "metabolizerstatus", "metaboliserstatus", "predictedphenotype", "phnotyp"),
    "activity_score": ("activityscore", "score"),
}
_RESULTS = ("diplotype", "phenotype", "activity_score")
# A gene and a star allele, where no header names them.
_RESULT_LINE = re.compile(r'"?[A-Z][A-Z0-9]+(-[A-Z0-9]+)*(\*[\d:]+[A-Z]?)?"?[\t;, ]\s*"?([A-Z0-9-]+)?[(\[]*\*\d')
# HLA alleles are often reported a line each: HLA-B*15:02, negative.
_GENE = re.compile(r"([A-Z][A-Z0-9]+(?:-[A-Z0-9]+)*)(\*[\d:]+[A-Z]?)?", re.IGNORECASE)


def read_star_alleles(source: str | Path | bytes) -> dict[str, dict[str, ReportedResult]]:
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
    results: dict[str, dict[str, ReportedResult]] = {}
    for sample, gene, result in pypgx_results(source) or _rows(read_text(source, "star-allele table")):
        of_sample = results.setdefault(sample, {})
        if of_sample.setdefault(gene, result) != result:
            raise ValidationError(f"the star-allele table gives two different results for {gene}; keep one")
    if not results:
        raise DataProcessingError("the star-allele table holds no result")
    return results


def is_star_alleles(text: str) -> bool:
    """Return whether a text begins as a table of star alleles or a caller's output."""
    line = next((line for line in text.splitlines() if line.strip() and line[0] != "#"), "")
    columns = _columns(re.split("[\t;,]", line))
    named = "gene" in columns and bool(columns.keys() & set(_RESULTS))
    return named or bool(_RESULT_LINE.match(line)) or any(mark in text for mark in CALLER_MARKS)


def _rows(text: str) -> Iterable[Row]:
    """Return sample, gene and result of each line of a table or a caller's output."""
    rows = caller_results(text)
    return _table(text) if rows is None else rows


def _table(text: str) -> Iterable[Row]:
    lines = [line for line in text.splitlines() if line.strip() and line[0] != "#"]
    if not lines:
        raise DataProcessingError("the star-allele table is empty")
    delimiter = _delimiter(lines[0])
    if delimiter:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    else:
        rows = [line.split(maxsplit=1) for line in lines]
    header = _columns(rows[0])
    columns = header or {"gene": [0], "diplotype": [1], "phenotype": [2], "activity_score": [3]}
    if not columns.keys() & set(_RESULTS):
        raise DataProcessingError(f"the star-allele table needs a column among {', '.join(_RESULTS)}")
    body = rows[1:] if header else rows
    if not delimiter and not any("*" in cell for row in body for cell in row[1:]):
        raise DataProcessingError(
            "the file is no genotype that we read; a table needs gene and result, separated by tab, semicolon or comma"
        )
    return _merged(_row(row, columns, number) for number, row in enumerate(body, 1))


def _delimiter(line: str) -> str:
    """Return what separates the columns, "" for blanks; what follows the first word decides."""
    first = re.match(r'"?[\w*:-]+"?\s*?([\t;,])', line)
    return first[1] if first else max("\t;,", key=line.count) if re.search("[\t;,]", line) else ""


def _columns(row: Sequence[str]) -> dict[str, list[int]]:
    """Return the columns by what a header calls them, the preferred spelling first; empty without a header."""
    titles = [re.sub(r"[^a-z]", "", cell.lower()) for cell in row]
    columns = {
        column: [titles.index(title) for title in spellings if title in titles]
        for column, spellings in _TITLES.items()
        if set(spellings) & set(titles)
    }
    return columns if "gene" in columns else {}


def _row(row: Sequence[str], columns: dict[str, list[int]], number: int) -> Row:
    def cell(column: str) -> str:
        return next((row[at] for at in columns.get(column, ()) if at < len(row) and row[at]), "")

    name = cell("gene")
    gene = _GENE.fullmatch(name)
    if not name:
        raise ValidationError(f"result line {number} of the star-allele table names no gene")
    if gene is None:
        raise ValidationError(
            f"result line {number} of the star-allele table begins with no gene symbol; separate gene and result by"
            " tab, semicolon or comma"
        )
    result = ReportedResult(cell("diplotype"), cell("phenotype"), cell("activity_score"))
    if gene[2]:
        result = ReportedResult(f"{gene[2]} {result.text}")
    return cell("sample"), gene[1].upper(), result


def _merged(rows: Iterable[Row]) -> Iterable[Row]:
    """Yield the rows, with the lines of single HLA alleles joined to one result of the gene."""
    single: dict[tuple[str, str], list[str]] = {}
    for sample, gene, result in rows:
        if gene.startswith("HLA-") and re.match(r"\*[\d:]+[A-Z]? [a-z]", result.diplotype, re.IGNORECASE):
            single.setdefault((sample, gene), []).append(result.diplotype)
        else:
            yield sample, gene, result
    for (sample, gene), texts in single.items():
        yield sample, gene, ReportedResult(", ".join(dict.fromkeys(texts)))
