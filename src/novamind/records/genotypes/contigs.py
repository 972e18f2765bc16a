"""Chromosomes by the names that files give them, and the genome build that a name or a length stands for.

Accessions and lengths: Genome Reference Consortium, GRCh38.p14 (GCF_000001405.40, GCA_000001405.29).
"""

import re
from functools import lru_cache

# RefSeq version of each chromosome in GRCh38: NC_000001.11 and so on. GRCh37 has the version before.
_REFSEQ_VERSIONS = dict(zip(
    [*map(str, range(1, 23)), "X", "Y"],
    (11, 12, 12, 12, 10, 12, 14, 11, 12, 11, 10, 12, 11, 9, 10, 10, 11, 10, 10, 11, 9, 11, 11, 10),
    strict=True,
))  # fmt: skip

_LENGTHS = dict(zip(
    _REFSEQ_VERSIONS,
    (
        248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636, 138394717, 133797422,
        135086622, 133275309, 114364328, 107043718, 101991189, 90338345, 83257441, 80373285, 58617616, 64444167,
        46709983, 50818468, 156040895, 57227415,
    ),
    strict=True,
))  # fmt: skip

_PLAIN = re.compile(r"(?:chr)?(\d{1,2}|[XY]|MT?)", re.IGNORECASE)
_REFSEQ = re.compile(r"(?:NC_0000)(\d\d)(?:\.(\d+))?")
# GenBank: CM000663.2 is chromosome 1 of GRCh38, CM000663.1 of GRCh37.
_GENBANK = re.compile(r"CM000(6[6-8]\d)(?:\.(\d+))?")
_T2T = re.compile(r"NC_0609\d\d\.\d+|CP0682\d\d\.\d+")


@lru_cache(maxsize=4096)
def chromosome(name: str) -> str | None:
    """Return a chromosome as ``chr10``; ``None`` for a contig that is no chromosome.

    ``10``, ``chr10``, ``Chr10``, ``NC_000010.11`` and ``CM000672.2`` are one chromosome.
    """
    if plain := _PLAIN.fullmatch(name):
        number = plain[1].upper().lstrip("0")
        return "chrM" if number in {"M", "MT"} else f"chr{number}" if number in _LENGTHS else None
    if (accession := _accession(name)) is not None:
        return f"chr{accession[0]}"
    return None


def _accession(name: str) -> tuple[str, int | None, int] | None:
    """Return chromosome, version of the accession and GRCh38's version of it."""
    if match := _REFSEQ.fullmatch(name):
        index = int(match[1])
    elif match := _GENBANK.fullmatch(name):
        index = int(match[1]) - 662
    else:
        return None
    numbers = list(_REFSEQ_VERSIONS)
    if not 1 <= index <= len(numbers):
        return None
    number = numbers[index - 1]
    return number, int(match[2]) if match[2] else None, 2 if name.startswith("CM") else _REFSEQ_VERSIONS[number]


@lru_cache(maxsize=4096)
def on_another_build(name: str, length: int | None = None) -> bool:
    """Return whether a contig's accession or its length is not GRCh38's."""
    if _T2T.fullmatch(name):
        return True
    accession = _accession(name)
    if accession is not None and accession[1] not in {None, accession[2]}:
        return True
    number = (chromosome(name) or "").removeprefix("chr")
    return length is not None and number in _LENGTHS and length != _LENGTHS[number]
