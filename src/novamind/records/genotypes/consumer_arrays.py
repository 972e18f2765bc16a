"""Raw genotype files of consumer arrays: text, one line a variant, named by rs number.

23andMe, AncestryDNA, MyHeritage, FamilyTreeDNA, Living DNA, CircleDNA and others write columns for the name, the
chromosome, the position and the call, in one column or in two; laboratories write Illumina's report with many more.
Their coordinates are of any build; we go by rs number alone, so nothing needs lifting. A no-call (``--``, ``0``, ``-``)
stays missing, and so does a variant that the file gives different letters.

The vendors report the plus strand. Illumina's report has a column for each strand; ``Forward`` is dbSNP's direction,
which is the plus strand for most variants only, so the answer says so.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from novamind.errors import DataProcessingError
from novamind.records.genotypes.files import read_text

_CALLS = frozenset("ACGTID")
_RSID = re.compile(r"rs\d+", re.IGNORECASE)
# The makers' own names; what stands before the number says whose.
_OWN_ID = re.compile(r"(i|kgp|Affx|AX|VGXS|exm|GSA|JHU|ilmnseq|seq)[\w-]*\d", re.IGNORECASE)
_CHROMOSOME = re.compile(r"(chr)?(\d{1,2}|X|Y|XY|PAR|MT?)|--|", re.IGNORECASE)

_NAMES = ("irsid", "rsid", "snpname", "markername", "snp", "marker", "name")
_ONE_COLUMN = ("genotype", "result", "gt", "call")
# The plus strand first; "allele1" alone is a vendor's file, on the plus strand.
_TWO_COLUMNS = (("allele1plus", "allele2plus"), ("allele1", "allele2"), ("allele1forward", "allele2forward"))


@dataclass(frozen=True)
class ConsumerArray:
    """What a raw data file says.

    Parameters
    ----------
    calls
        rs number -> the two called letters: a base, or ``I`` and ``D`` for insertion and deletion. No-calls and
        variants on one copy only are left out.
    contradicting
        rs numbers that the file gives different letters; they are not in ``calls``.
    passed_over
        Kind of name -> number of lines whose name is no rs number.
    on_plus_strand
        Whether the letters are of the plus strand; otherwise of dbSNP's forward strand, which may be either.
    """

    calls: Mapping[str, tuple[str, str]]
    contradicting: frozenset[str] = frozenset()
    passed_over: Mapping[str, int] = field(default_factory=dict)
    on_plus_strand: bool = True


@dataclass(frozen=True)
class _Layout:
    """Where the name, the chromosome and the letters stand in a line."""

    name: int
    chromosome: int
    letters: tuple[int, ...]
    columns: int
    on_plus_strand: bool = True


def _plain_layout(cells: Sequence[str]) -> _Layout | None:
    """Return the layout of a line without a header: name, chromosome, position, call in one column or two."""
    if len(cells) not in {4, 5} or not (_RSID.fullmatch(cells[0]) or _OWN_ID.fullmatch(cells[0])):
        return None
    if not _CHROMOSOME.fullmatch(cells[1]) or not re.fullmatch(r"\d*|--", cells[2]):
        return None
    return _Layout(0, 1, tuple(range(3, len(cells))), len(cells))


def _header_layout(cells: Sequence[str]) -> _Layout | None:
    """Return the layout that a header names; ``None`` for a line that is no header of an array.

    Raises
    ------
    DataProcessingError
        The header names variants and alleles, but only of strands that cannot be compared.
    """
    titles = [re.sub(r"[^a-z0-9]", "", cell.lower()) for cell in cells]
    name = next((titles.index(title) for title in _NAMES if title in titles), None)
    chromosome = next((titles.index(title) for title in ("chromosome", "chrom", "chr") if title in titles), None)
    if name is None or chromosome is None:
        return None
    for title in _ONE_COLUMN:
        if title in titles:
            return _Layout(name, chromosome, (titles.index(title),), len(titles))
    for pair in _TWO_COLUMNS:
        if set(pair) <= set(titles):
            letters = tuple(titles.index(title) for title in pair)
            return _Layout(name, chromosome, letters, len(titles), not pair[0].endswith("forward"))
    if any(title.startswith("allele1") for title in titles):
        raise DataProcessingError(
            "the genotype report names no alleles of the plus or forward strand; export it with Allele1 - Plus"
        )
    return None


def _cells(line: str) -> list[str]:
    text = line.lstrip("#").strip() if line.startswith("#") else line.strip("\r\n ")
    parts = re.split(r"[\t,;]", text) if re.search(r"[\t,;]", text) else text.split()
    return [part.strip('" ') for part in parts]


def is_consumer_array(text: str) -> bool:
    """Return whether a text begins as a consumer array's file."""
    return any(
        _header_layout(cells) or (not line.startswith("#") and _plain_layout(cells))
        for line in text.splitlines()[:200]
        for cells in [_cells(line)]
    )


def read_consumer_array(source: str | Path | bytes) -> ConsumerArray:
    """Return the genotypes of a raw data file.

    Parameters
    ----------
    source
        Path of the text file, or its content; gzip and a zip with one file are unpacked.

    Raises
    ------
    DataProcessingError
        The file cannot be read or is no array's text.
    ValidationError
        The file is larger than ``NOVAMIND_MAX_FILE_BYTES``.
    """
    header: _Layout | None = None
    calls: dict[str, tuple[str, str]] = {}
    contradicting: set[str] = set()
    passed_over: Counter[str] = Counter()
    begun = False
    for number, line in enumerate(read_text(source, "genotype file").splitlines(), 1):
        cells = _cells(line)
        if not begun and (layout := _header_layout(cells)):
            header, begun = layout, True
            continue
        if line.startswith("#") or not line.strip():
            continue
        layout = header or _plain_layout(cells)
        if layout is None and not begun:
            continue  # what stands above the first variant
        if layout is None or len(cells) != layout.columns:
            raise DataProcessingError(
                f"line {number} is not a line of a consumer array (rsid, chromosome, position, genotype)"
            )
        begun = True
        name, letters = cells[layout.name], _letters(cells, layout)
        if not _RSID.fullmatch(name):
            passed_over[_kind(name)] += 1
        elif letters is not None and sorted(calls.setdefault(name.lower(), letters)) != sorted(letters):
            contradicting.add(name.lower())
    if not begun or not (calls or contradicting):
        raise DataProcessingError(
            "the genotype file holds no called variant; is it raw data of a consumer array (rsid, chromosome, position,"
            " genotype)?"
        )
    return ConsumerArray(
        {name: letters for name, letters in calls.items() if name not in contradicting},
        frozenset(contradicting),
        dict(passed_over),
        header is None or header.on_plus_strand,
    )


def _letters(cells: Sequence[str], layout: _Layout) -> tuple[str, str] | None:
    """Return the two called letters; ``None`` for a no-call, a call on one copy, or none of these letters."""
    letters = re.sub(r"[/|]", "", "".join(cells[i] for i in layout.letters)).upper()
    return (letters[0], letters[1]) if len(letters) == 2 and set(letters) <= _CALLS else None


def _kind(name: str) -> str:
    match = _OWN_ID.fullmatch(name)
    return match[1].lower().replace("affx", "Affx") if match else "other"
