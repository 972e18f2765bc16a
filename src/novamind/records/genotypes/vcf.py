"""Variant Call Format: stream the genotypes at the wanted positions.

Plain text, gzip, bgzip (which is gzip in many members) and zip, one sample or thousands. Only lines that lie
over wanted positions are decoded, so memory does not grow with the file. Coordinates are GRCh38; a file that says it is
on another build is refused, because the same number means another base there.

Format: VCF 4.x specification, GA4GH (samtools/hts-specs); gVCF blocks by INFO END.
"""

import re
from bisect import bisect_left
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from novamind.errors import DataProcessingError, ValidationError
from novamind.records.genotypes.contigs import chromosome, on_another_build
from novamind.records.genotypes.files import open_genotype_file
from novamind.records.tables.damages import DAMAGES

#: Why a half of a call is absent: not called; the sample has one copy; no read or filter supports the call.
MISSING, ONE_COPY, UNSUPPORTED = -1, -2, -3
_MAX_LINE_BYTES = 64 * 1024 * 1024
_MOST_ALLELES = 1000
_MOST_DIGITS = 12

_OTHER_BUILD = re.compile(r"grch37|hg19|hs37|\bb37\b|g1k_v37|hg18|ncbi36|\bb36\b|t2t|chm13", re.IGNORECASE)


class Genotype(NamedTuple):
    """One sample at one record: two indexes into (REF, ALT ...) and the phase block they belong to.

    ``first`` or ``second`` is ``MISSING`` when that half of the call is absent. Of a call that is not diploid, or
    that nothing supports, only the highest index is kept, as ``second``; ``first`` is ``ONE_COPY`` for a haploid call,
    ``UNSUPPORTED`` where depth or genotype quality is 0 or the sample's own filter failed, else ``MISSING``.
    ``block`` is empty for an unphased genotype; equal blocks mean that ``first`` lies on the same chromosome copy in
    both records.
    """

    first: int
    second: int
    block: str


@dataclass(frozen=True, slots=True)
class VariantRecord:
    """One line of the file over a wanted position; ``genotypes`` follows the order of the samples.

    ``block_end`` is the last position of a gVCF block or of a structural variant, where the line states one.
    """

    chrom: str
    position: int
    ref: str
    alts: tuple[str, ...]
    genotypes: tuple[Genotype, ...]
    passed: bool
    block_end: int | None = None

    @property
    def end(self) -> int:
        """Return the last position that the record speaks of."""
        return max(self.position + len(self.ref) - 1, self.block_end or 0)

    def base(self, index: int) -> str | None:
        """Return the sequence behind an allele index; ``None`` where the call is missing or points outside ALT."""
        if index == 0:
            return self.ref
        return self.alts[index - 1] if 0 < index <= len(self.alts) else None


@dataclass(frozen=True)
class VariantFile:
    """What a VCF says over the wanted positions, in file order, repeated lines included.

    ``places`` says where the file puts the wanted rs numbers, ``chromosomes`` on which it has any line.
    """

    samples: tuple[str, ...]
    records: tuple[VariantRecord, ...]
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    chromosomes: frozenset[str] = frozenset()


def read_vcf(
    source: str | Path | bytes, positions: Mapping[str, frozenset[int]], rsids: Container[str] = frozenset()
) -> VariantFile:
    """Return the records that lie over wanted positions.

    Parameters
    ----------
    source
        Path of a file, or its content as bytes; gzip, bgzip and zip are recognised by their first bytes.
    positions
        Wanted 1-based GRCh38 positions by chromosome, for example ``{"chr10": frozenset({94781859})}``.
    rsids
        Variants whose place in the file is wanted, wherever it is.

    Returns
    -------
    VariantFile
        Samples and records; chromosomes are named with ``chr``.

    Raises
    ------
    ValidationError
        The file names another genome build or no chromosome that we know, there is no sample or two of one name, or
        the file is larger than ``NOVAMIND_MAX_FILE_BYTES``.
    DataProcessingError
        The file is not a VCF, is cut off, or a line breaks the format.
    """
    with open_genotype_file(source, "VCF") as handle:
        lines = _lines(handle)
        body = _Body(_read_header(lines), positions, rsids)
        records = tuple(body.records(lines))
    if body.contigs and not body.chromosomes:
        raise ValidationError(
            "no line of the VCF lies on a chromosome that we know; name them like chr10, 10 or NC_000010.11"
        )
    return VariantFile(body.samples, records, body.places, frozenset(body.chromosomes))


def _lines(handle: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        while line := handle.readline(_MAX_LINE_BYTES):
            number += 1
            if len(line) == _MAX_LINE_BYTES:
                raise DataProcessingError(f"line {number} of the VCF is longer than {_MAX_LINE_BYTES} bytes")
            yield number, line
    except DAMAGES as error:
        raise DataProcessingError(
            f"the compressed VCF is cut off or damaged after line {number}; fetch it again"
        ) from error


def _read_header(lines: Iterator[tuple[int, bytes]]) -> tuple[str, ...]:
    first = True
    for number, line in lines:
        if first:
            if not line.lstrip(b"\xef\xbb\xbf").startswith(b"##fileformat=VCF"):
                raise DataProcessingError("this is not a VCF: its first line must start with ##fileformat=VCF")
            first = False
        elif line.startswith((b"##contig", b"##reference", b"##assembly")):
            _refuse_other_build(line.decode("utf-8", "replace").strip())
        elif line.startswith(b"#CHROM"):
            columns = line.decode("utf-8", "replace").rstrip("\r\n").split("\t")
            if len(columns) < 10:
                raise ValidationError("the VCF has no sample column: genotypes are needed after FORMAT")
            if len(set(columns[9:])) < len(columns[9:]):
                raise ValidationError("two columns of the VCF have one sample name; give each sample its own name")
            return tuple(columns[9:])
        elif not line.startswith(b"##"):
            raise DataProcessingError(f"line {number} of the VCF comes before the #CHROM header line")
    raise DataProcessingError("the VCF ends before its #CHROM header line; it is empty or cut off")


def _refuse_other_build(line: str) -> None:
    named = re.search(r"ID=([\w.]+)", line)
    length = re.search(r"length=(\d+)", line)
    of_another = (
        line.startswith("##contig")
        and named is not None
        and on_another_build(named[1], None if length is None else int(length[1]))
    )
    if of_another or _OTHER_BUILD.search(line):
        raise ValidationError("the VCF is not on GRCh38 (its header names another build); lift it over to GRCh38 first")


class _Body:
    """The lines below the header: what lies over wanted positions, and what else the file shows on the way."""

    def __init__(
        self, samples: tuple[str, ...], positions: Mapping[str, frozenset[int]], rsids: Container[str]
    ) -> None:
        self.samples = samples
        self.places: dict[str, tuple[str, int]] = {}
        self.contigs: dict[bytes, str | None] = {}
        self.chromosomes: set[str] = set()
        self._wanted = {chrom: sorted(at) for chrom, at in positions.items()}
        self._rsids = rsids

    def records(self, lines: Iterator[tuple[int, bytes]]) -> Iterator[VariantRecord]:
        genotypes: dict[str, Genotype] = {}
        for number, line in lines:
            contig = line.partition(b"\t")[0]
            if contig not in self.contigs:
                if not line.strip():
                    continue
                self.contigs[contig] = self._chromosome(number, line)
            chrom = self.contigs[contig]
            if chrom is None:
                continue
            fields = line.split(b"\t", 8)
            if len(fields) < 9 or not fields[1].isdigit() or len(fields[1]) > _MOST_DIGITS:
                raise self._damaged(number, line)
            position = int(fields[1])
            end = _block_end(position, fields[4], fields[7])
            self._note_place(chrom, position, fields[2])
            at = self._wanted.get(chrom, ())
            nearest = bisect_left(at, position)
            if nearest < len(at) and at[nearest] <= max(position + len(fields[3]) - 1, end or 0):
                record = self._record(number, line, chrom, position, end, genotypes)
                if record is not None:
                    yield record

    def _chromosome(self, number: int, line: bytes) -> str | None:
        name, tab, _ = line.partition(b"\t")
        text = name.decode("utf-8", "replace")
        if not tab:
            raise DataProcessingError(f"line {number} of the VCF has no tab-separated columns")
        if on_another_build(text):
            raise ValidationError(
                "the VCF is not on GRCh38 (its chromosomes are another build's); lift it over to GRCh38 first"
            )
        chrom = chromosome(text)
        if chrom is not None:
            self.chromosomes.add(chrom)
        return chrom

    def _note_place(self, chrom: str, position: int, ident: bytes) -> None:
        if ident[:2] == b"rs":
            for rsid in ident.decode("utf-8", "replace").split(";"):
                if rsid in self._rsids:
                    self.places[rsid] = (chrom, position)

    def _damaged(self, number: int, line: bytes) -> DataProcessingError:
        columns = line.count(b"\t") + 1
        if columns != 9 + len(self.samples):
            return DataProcessingError(
                f"line {number} of the VCF has {columns} columns, its header {9 + len(self.samples)};"
                " the file is cut off or damaged"
            )
        return DataProcessingError(f"line {number} of the VCF has no number as its position; the file is damaged")

    def _record(
        self, number: int, line: bytes, chrom: str, position: int, end: int | None, genotypes: dict[str, Genotype]
    ) -> VariantRecord | None:
        fields = line.decode("utf-8", "replace").rstrip("\r\n").split("\t")
        if len(fields) != 9 + len(self.samples):
            raise self._damaged(number, line)
        if fields[4].count(",") >= _MOST_ALLELES:
            raise DataProcessingError(f"line {number} of the VCF names more than {_MOST_ALLELES} alleles")
        keys = fields[8].split(":")
        if "GT" not in keys:
            return None
        columns = _Columns(
            keys.index("GT"),
            keys.index("PS") if "PS" in keys else None,
            tuple(i for i, key in enumerate(keys) if key in _SUPPORT),
            keys.index("FT") if "FT" in keys else None,
        )
        return VariantRecord(
            chrom,
            position,
            fields[3].upper(),
            () if fields[4] == "." else tuple(fields[4].upper().split(",")),
            tuple(_sample(text, len(keys), columns, genotypes) for text in fields[9:]),
            fields[6] in {"PASS", "."},
            end,
        )


# Depth and genotype quality: 0 in one of them says that the call rests on nothing.
_SUPPORT = {"DP", "MIN_DP", "GQ"}
_NOTHING = {"0", "0.0", "0.00"}


class _Columns(NamedTuple):
    genotype: int
    phase_set: int | None
    support: tuple[int, ...]
    filter: int | None


def _block_end(position: int, alts: bytes, info: bytes) -> int | None:
    """Return where a block or a structural variant ends: its END, or since VCF 4.4 its length."""
    if b"END=" in info and (match := re.search(rb"(?:^|;)END=(\d{1,12})(?:;|$)", info)):
        return int(match[1])
    if alts[:1] == b"<" and (match := re.search(rb"(?:^|;)SVLEN=(?:-?\d+,)*-?(\d{1,12})(?:;|$)", info)):
        return position + int(match[1])
    return None


def _sample(text: str, keys: int, columns: _Columns, genotypes: dict[str, Genotype]) -> Genotype:
    if keys > 1:
        parts = text.split(":")
        supported = not any(i < len(parts) and parts[i] in _NOTHING for i in columns.support)
        if columns.filter is not None and columns.filter < len(parts):
            supported &= parts[columns.filter] in {"PASS", ".", ""}
        block = parts[columns.phase_set] if columns.phase_set is not None and columns.phase_set < len(parts) else ""
        text = parts[columns.genotype] if columns.genotype < len(parts) else "."
        if not supported:
            return Genotype(UNSUPPORTED, max(_parse(text)[:2]), "")
        if "|" in text and block not in {"", "."}:
            return _parse(text)._replace(block=block)
    genotype = genotypes.get(text)
    if genotype is None:
        genotype = genotypes[text] = _parse(text)
    return genotype


def _parse(text: str) -> Genotype:
    block = "|" if "|" in text else ""
    alleles = text.split("|") if block else text.split("/")
    indexes = [int(a) if a.isdecimal() and len(a) <= _MOST_DIGITS else MISSING for a in alleles]
    if len(indexes) != 2:
        return Genotype(ONE_COPY if len(indexes) == 1 and indexes != [MISSING] else MISSING, max(indexes), "")
    return Genotype(indexes[0], indexes[1], block)
