"""Variant Call Format: stream the genotypes at the wanted positions.

Plain text, gzip and bgzip (which is gzip in many members), one sample or thousands. Only lines at wanted
positions are decoded, so memory does not grow with the file. Coordinates are GRCh38; a file that says it is
on another build is refused, because the same number means another base there.

Format: VCF 4.x specification, GA4GH (samtools/hts-specs).
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from novamind.errors import DataProcessingError, ValidationError
from novamind.settings import Settings

MISSING = -1
_GZIP = b"\x1f\x8b"
_MAX_LINE_BYTES = 64 * 1024 * 1024
_MOST_ALLELES = 1000

# Lengths that tell the builds apart (Genome Reference Consortium, GRCh37.p13 and GRCh38.p14).
_GRCH37_LENGTHS = {
    "chr2": 243199373, "chr4": 191154276, "chr6": 171115067, "chr7": 159138663, "chr10": 135534747,
    "chr13": 115169878, "chr15": 102531392, "chr17": 81195210, "chr19": 59128983, "chr22": 51304566,
}  # fmt: skip
_OTHER_BUILD = re.compile(r"grch37|hg19|hs37|\bb37\b|g1k_v37|hg18|ncbi36|\bb36\b|t2t|chm13", re.IGNORECASE)


class Genotype(NamedTuple):
    """One sample at one record: two indexes into (REF, ALT ...) and the phase block they belong to.

    ``first`` or ``second`` is ``MISSING`` when that half of the call is absent; of a call that is not diploid
    only the highest index is kept, as ``second``. ``block`` is empty for an unphased genotype; equal blocks
    mean that ``first`` lies on the same chromosome copy in both records.
    """

    first: int
    second: int
    block: str


@dataclass(frozen=True, slots=True)
class VariantRecord:
    """One line of the file at a wanted position; ``genotypes`` follows the order of the samples."""

    chrom: str
    position: int
    ref: str
    alts: tuple[str, ...]
    genotypes: tuple[Genotype, ...]
    passed: bool

    def base(self, index: int) -> str | None:
        """Return the sequence behind an allele index; ``None`` where the call is missing or points outside ALT."""
        if index == 0:
            return self.ref
        return self.alts[index - 1] if 0 < index <= len(self.alts) else None


@dataclass(frozen=True)
class VariantFile:
    """What a VCF says at the wanted positions, in file order, repeated lines included."""

    samples: tuple[str, ...]
    records: tuple[VariantRecord, ...]


def read_vcf(source: str | Path | bytes, positions: Mapping[str, frozenset[int]]) -> VariantFile:
    """Return the records at the wanted positions.

    Parameters
    ----------
    source
        Path of a file, or its content as bytes; gzip and bgzip are recognised by their first two bytes.
    positions
        Wanted 1-based GRCh38 positions by chromosome, for example ``{"chr10": frozenset({94781859})}``.

    Returns
    -------
    VariantFile
        Samples and records; chromosomes are named with ``chr``.

    Raises
    ------
    ValidationError
        The header names another genome build, there is no sample, or the file is larger than
        ``NOVAMIND_MAX_FILE_BYTES``.
    DataProcessingError
        The file is not a VCF, is cut off, or a line breaks the format.
    """
    with _open(source) as handle:
        lines = _lines(handle)
        samples = _read_header(lines)
        return VariantFile(samples, tuple(_records(lines, positions, len(samples))))


def _open(source: str | Path | bytes) -> BinaryIO:
    if isinstance(source, bytes):
        stream = io.BytesIO(source)
        return gzip.open(stream) if source[:2] == _GZIP else stream  # type: ignore[return-value]
    path = Path(source)
    limit = Settings().max_file_bytes
    try:
        if path.stat().st_size > limit:
            raise ValidationError(
                f"the VCF is larger than {limit} bytes; cut it to the pharmacogenes first"
                " or raise NOVAMIND_MAX_FILE_BYTES"
            )
        with path.open("rb") as start:
            compressed = start.read(2) == _GZIP
        return gzip.open(path) if compressed else path.open("rb")  # type: ignore[return-value]
    except OSError as error:
        raise DataProcessingError(f"cannot open the VCF: {error.strerror}") from error


def _lines(handle: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        while line := handle.readline(_MAX_LINE_BYTES):
            number += 1
            if len(line) == _MAX_LINE_BYTES:
                raise DataProcessingError(f"line {number} of the VCF is longer than {_MAX_LINE_BYTES} bytes")
            yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
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
            return tuple(columns[9:])
        elif not line.startswith(b"##"):
            raise DataProcessingError(f"line {number} of the VCF comes before the #CHROM header line")
    raise DataProcessingError("the VCF ends before its #CHROM header line; it is empty or cut off")


def _refuse_other_build(line: str) -> None:
    named = re.search(r"ID=(?:chr)?(\w+)", line)
    length = re.search(r"length=(\d+)", line)
    contig_of_37 = (
        line.startswith("##contig")
        and named is not None
        and length is not None
        and _GRCH37_LENGTHS.get(f"chr{named[1]}") == int(length[1])
    )
    if contig_of_37 or _OTHER_BUILD.search(line):
        raise ValidationError("the VCF is not on GRCh38 (its header names another build); lift it over to GRCh38 first")


def _records(
    lines: Iterator[tuple[int, bytes]], positions: Mapping[str, frozenset[int]], samples: int
) -> Iterator[VariantRecord]:
    # Both spellings of a chromosome lead to the same wanted positions.
    wanted = {name.encode(): (chrom, {str(p).encode() for p in at}) for chrom, at in positions.items()
              for name in (chrom, chrom.removeprefix("chr"))}  # fmt: skip
    genotypes: dict[str, Genotype] = {}
    for number, line in lines:
        chrom, _, rest = line.partition(b"\t")
        place, tab, _ = rest.partition(b"\t")
        if chrom not in wanted:
            if not tab and line.strip():
                raise DataProcessingError(f"line {number} of the VCF has no tab-separated columns")
            continue
        name, at = wanted[chrom]
        if place not in at:
            continue
        fields = line.decode("utf-8", "replace").rstrip("\r\n").split("\t")
        if len(fields) != 9 + samples:
            raise DataProcessingError(
                f"line {number} of the VCF has {len(fields)} columns, its header {9 + samples};"
                " the file is cut off or damaged"
            )
        if fields[4].count(",") >= _MOST_ALLELES:
            raise DataProcessingError(f"line {number} of the VCF names more than {_MOST_ALLELES} alleles")
        keys = fields[8].split(":")
        if "GT" not in keys:
            continue
        gt, ps = keys.index("GT"), keys.index("PS") if "PS" in keys else None
        yield VariantRecord(
            name,
            int(place),
            fields[3].upper(),
            () if fields[4] == "." else tuple(fields[4].upper().split(",")),
            tuple(_sample(text, len(keys), gt, ps, genotypes) for text in fields[9:]),
            fields[6] in {"PASS", "."},
        )


def _sample(text: str, keys: int, gt: int, ps: int | None, genotypes: dict[str, Genotype]) -> Genotype:
    if keys > 1:
        parts = text.split(":")
        block = parts[ps] if ps is not None and ps < len(parts) else ""
        text = parts[gt] if gt < len(parts) else "."
        if "|" in text and block not in {"", "."}:
            return _parse(text)._replace(block=block)
    genotype = genotypes.get(text)
    if genotype is None:
        genotype = genotypes[text] = _parse(text)
    return genotype


def _parse(text: str) -> Genotype:
    block = "|" if "|" in text else ""
    alleles = text.split("|") if block else text.split("/")
    indexes = [int(a) if a.isdecimal() else MISSING for a in alleles]
    if len(indexes) != 2:
        return Genotype(MISSING, max(indexes), "")
    return Genotype(indexes[0], indexes[1], block)
