"""Output of star-allele callers: Cyrius, Aldy, StellarPGx and PyPGx.

Each is read by the words that its own documentation gives the file (Cyrius 1.1 and Aldy 4 README, StellarPGx 1.2
``.alleles``, PyPGx 0.25 ``SampleTable[Results]``).
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from novamind.errors import DataProcessingError
from novamind.records.tables.damages import DAMAGES
from novamind.settings import Settings


@dataclass(frozen=True)
class ReportedResult:
    """One gene's result as a table writes it; "" for a column that is empty or not there.

    ``remarks`` holds what the caller itself says against the result.
    """

    diplotype: str = ""
    phenotype: str = ""
    activity_score: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the result: the diplotype, else the phenotype, else the activity score."""
        return self.diplotype or self.phenotype or self.activity_score


Row = tuple[str, str, ReportedResult]
_CYRIUS, _ALDY = "Sample\tGenotype\tFilter", "#Sample\tGene\tSolutionID\tMajor"
_STELLARPGX = "Star Allele Calling with StellarPGx"
#: What the output of a caller holds near its beginning.
CALLER_MARKS = (_CYRIUS, _ALDY, _STELLARPGX)


def caller_results(text: str) -> list[Row] | None:
    """Return sample, gene and result of each line of a caller's output; ``None`` for any other text."""
    for read in (_cyrius, _aldy, _stellarpgx):
        rows = read(text)
        if rows is not None:
            return rows
    return None


def _cyrius(text: str) -> list[Row] | None:
    if not text.startswith(_CYRIUS):
        return None
    rows = list(csv.reader(text.splitlines(), delimiter="\t"))
    results = []
    for row in rows[1:]:
        sample, genotype, verdict = [*row, "", "", ""][:3]
        if copies := re.fullmatch(r"(\*\w+)x(\d)", genotype):  # copies of one allele, not assigned to chromosomes
            genotype = "_".join([copies[1]] * int(copies[2]))
        remarks = () if verdict in {"PASS", "", "None"} else (f"CYP2D6: Cyrius marks the call {verdict}.",)
        results.append((sample, "CYP2D6", ReportedResult(genotype, remarks=remarks)))
    return results


def _aldy(text: str) -> list[Row] | None:
    if not text.startswith(_ALDY):
        return None
    lines = text.splitlines()
    solutions: dict[tuple[str, str], dict[str, None]] = {}
    for line in lines[1:]:
        cells = line.split("\t")
        if not line.startswith("#") and len(cells) >= 4:
            solutions.setdefault((cells[0], cells[1].upper()), {})[cells[3]] = None
    return [(sample, gene, ReportedResult(" or ".join(majors))) for (sample, gene), majors in solutions.items()]


def _stellarpgx(text: str) -> list[Row] | None:
    title = re.search(rf"^(\w+) {_STELLARPGX}", text, re.MULTILINE)
    if title is None:
        return None

    def below(words: str) -> str:
        match = re.search(rf"^{words}:[ \t]*\n?[ \t]*(\S[^\n]*)?", text, re.MULTILINE | re.IGNORECASE)
        return (match[1] or "").strip() if match else ""

    result = ReportedResult(below("Result"), below("Metaboli[sz]er status"), below("Activity score"))
    return [("", title[1].upper(), result)]


def pypgx_results(source: str | Path | bytes) -> list[Row] | None:
    """Return the rows of PyPGx's results archive; ``None`` for any other file.

    Raises
    ------
    DataProcessingError
        The archive is damaged, too large or names no gene.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source)
    except (OSError, zipfile.BadZipFile):
        return None
    with archive:
        members = {name.rpartition("/")[2]: name for name in archive.namelist()}
        if set(members) - {""} != {"metadata.txt", "data.tsv"}:
            return None
        try:
            metadata, data = (_member(archive, members[name]) for name in ("metadata.txt", "data.tsv"))
        except (*DAMAGES, UnicodeDecodeError) as error:
            raise DataProcessingError("the PyPGx archive is damaged; write it again") from error
    gene = re.search(r"^Gene=(\w+)", metadata, re.MULTILINE)
    table = list(csv.reader(data.splitlines(), delimiter="\t"))
    if gene is None or not table or "Genotype" not in table[0]:
        raise DataProcessingError("the PyPGx archive holds no results of a gene; give its results.zip")
    return list(_pypgx_rows(gene[1].upper(), table))


def _pypgx_rows(gene: str, table: list[list[str]]) -> Iterator[Row]:
    genotype, phenotype = table[0].index("Genotype"), table[0].index("Phenotype") if "Phenotype" in table[0] else None
    for row in table[1:]:
        if len(row) > genotype:
            status = row[phenotype] if phenotype is not None and phenotype < len(row) else ""
            diplotype = "" if row[genotype] == "Indeterminate" else row[genotype]
            yield row[0], gene, ReportedResult(diplotype, status)


def _member(archive: zipfile.ZipFile, name: str) -> str:
    limit = Settings().max_file_bytes
    with archive.open(name) as handle:
        content = handle.read(limit + 1)
    if len(content) > limit:
        raise DataProcessingError(f"the PyPGx archive unpacks to more than {limit} bytes; give one gene at a time")
    return content.decode("utf-8")
