"""From the records of a VCF to genotypes at the positions of one gene's definition.

A record speaks of a position by the change it lists there, not by the number in its POS column: split records of one
position are joined, indels are compared in one form, blocks of several bases are taken apart, and gVCF blocks are
reference over all their length. What cannot be read stays missing, and what was seen there is named.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from novamind.pharmacogenomics.matching import AlleleTable
from novamind.records.genotypes.edits import Edit, edits, may_equal
from novamind.records.genotypes.vcf import MISSING, ONE_COPY, UNSUPPORTED, Genotype, VariantRecord

# An allele at one position: its index in the definition, 0 for the reference, or a change outside the definition.
Allele = int | Edit
#: How far to the right of its place in the definition an indel may be written.
SHIFT = 60
# Any allele that is not listed, as gVCFs write it.
_ANY = frozenset({"<NON_REF>", "<*>", "<X>"})
# The reference after UGT1A1's repeat begins: A(TA)6TAA (Bosma 1995, doi:10.1056/NEJM199511023331802).
_KNOWN_BASES = {"UGT1A1": (233760233, "CATATATATATATATAAG")}


@dataclass(frozen=True)
class Doubts:
    """What one sample's data show at a gene's positions that its genotypes do not contain.

    Parameters
    ----------
    unread
        Positions where a variant was seen in no usable genotype.
    contradicting
        Positions that two records give different genotypes.
    one_copy, unsupported
        Positions with a call on one copy only, and with a call that nothing supports (depth or quality 0).
    """

    unread: tuple[int, ...] = ()
    contradicting: tuple[int, ...] = ()
    one_copy: tuple[int, ...] = ()
    unsupported: tuple[int, ...] = ()


@dataclass
class GeneColumns:
    """Genotypes by column of the definition with an entry a sample, doubts by sample, remarks on the file.

    ``spoken`` holds the columns that any record speaks of, readable or not.
    """

    genotypes: dict[int, list[Genotype | None]] = field(default_factory=dict)
    doubts: dict[int, Doubts] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    spoken: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Reading:
    """One record as one column reads it.

    ``alleles`` holds the allele of the definition behind each allele of the record, ``None`` where it cannot be
    read; ``shows`` those that the record would show. A record that ``covers`` the column says reference otherwise.
    """

    record: VariantRecord
    alleles: tuple[Allele | None, ...]
    shows: frozenset[Allele]
    covers: bool
    is_block: bool

    def read(self, index: int) -> Allele | None:
        return self.alleles[index] if 0 <= index < len(self.alleles) else None


class _Gene:
    """One gene's definition beside the reference bases that it and the file know."""

    def __init__(self, table: AlleleTable, records: Sequence[VariantRecord]) -> None:
        self.table = table
        self.other = table.accepts.shape[2] - 1
        defined = {
            position + i: base
            for position, bases in zip(table.positions, table.bases, strict=True)
            for i, base in enumerate(bases[0])
        }
        if table.gene in _KNOWN_BASES:
            start, text = _KNOWN_BASES[table.gene]
            defined |= {start + i: base for i, base in enumerate(text)}
        self.foreign = [r for r in records if not _has_reference(r, defined)]
        self.records = [r for r in records if r not in self.foreign]
        self.bases = dict(defined)
        for record in self.records:
            for i, base in enumerate(record.ref):
                if base != "N":
                    self.bases.setdefault(record.position + i, base)
        self.edits: dict[Edit, tuple[int, int]] = {}
        self.regions: dict[int, tuple[int, int]] = {}
        for j, (position, bases) in enumerate(zip(table.positions, table.bases, strict=True)):
            alts = [edits(position, bases[0], alt, self.bases)[0] for alt in bases[1:]]
            self.edits |= {edit: (j, k) for k, edit in enumerate(alts, 1)}
            if any(edit.is_indel for edit in alts):
                self.regions[j] = min(e.start for e in alts), max(self._repeat_end(e) for e in alts)

    def _repeat_end(self, edit: Edit) -> int:
        """Return the position after the last base that repeats an indel's own bases."""
        unit, at = edit.ref or edit.alt, edit.start
        while self.bases.get(at) == unit[(at - edit.start) % len(unit)]:
            at += 1
        return max(at, edit.end)

    def columns_over(self, start: int, end: int) -> list[int]:
        """Return the columns at the positions from ``start`` to ``end``, both included."""
        return [j for j, position in enumerate(self.table.positions) if start <= position <= end]

    def touched(self, record: VariantRecord, alt: str) -> dict[int, Allele | None]:
        """Return the columns that an allele changes: to one of the definition, another one, or it cannot be said."""
        if alt in _ANY or alt.startswith("<") or "[" in alt or "]" in alt:
            return dict.fromkeys(self.columns_over(record.position, record.end))
        if alt == "*":  # deleted by a record further left, which speaks for itself
            spanned = any(r.position < record.position <= r.end and not _is_block(r) for r in self.records)
            return {} if spanned else dict.fromkeys(self.columns_over(record.position, record.end))
        columns: dict[int, Allele | None] = {}
        for edit in edits(record.position, record.ref, alt, self.bases):
            if edit in self.edits:
                j, k = self.edits[edit]
                columns[j] = k
                continue
            for j in self.columns_over(edit.start - SHIFT, edit.end):
                if j in self.regions and edit.is_indel and self._may_be_defined(edit, j):
                    columns[j] = None
                elif self._changes(edit, j, record, alt):
                    columns[j] = edit
        return columns

    def _may_be_defined(self, edit: Edit, column: int) -> bool:
        return any(may_equal(edit, defined, self.bases) for defined, (j, _) in self.edits.items() if j == column)

    def _changes(self, edit: Edit, column: int, record: VariantRecord, alt: str) -> bool:
        """Return whether a change outside the definition touches what a column is about."""
        if column in self.regions:
            low, high = self.regions[column]
            if len(edit.ref) == len(edit.alt):
                return False
            return low <= edit.start <= high if low == high or not edit.ref else edit.start < high and edit.end > low
        position = self.table.positions[column]
        # An indel inside a repeat has several places; the base is gone only if all of them take it.
        pairs = zip(record.ref, alt, strict=False)
        written = record.position + next((i for i, (r, a) in enumerate(pairs) if r != a), len(alt))
        return edit.start <= position < edit.end and (not edit.is_indel or position >= written)


def _has_reference(record: VariantRecord, bases: Mapping[int, str]) -> bool:
    if _is_block(record) and record.ref == ".":
        return True
    return bool(record.ref) and all(
        base == "N" or (base in "ACGT" and bases.get(record.position + i, base) == base)
        for i, base in enumerate(record.ref)
    )


def _is_block(record: VariantRecord) -> bool:
    return record.block_end is not None or (bool(record.alts) and set(record.alts) <= _ANY)


def gene_columns(table: AlleleTable, records: Iterable[VariantRecord], samples: int) -> GeneColumns:
    """Return the genotypes of all samples at the positions of a gene.

    Parameters
    ----------
    table
        The gene's definition.
    records
        Records of the file, of any chromosome.
    samples
        Number of samples in each record.
    """
    near = [
        r for r in records
        if r.chrom == table.chrom and r.end >= table.positions[0] and r.position <= table.positions[-1] + SHIFT
    ]  # fmt: skip
    gene = _Gene(table, near)
    columns = GeneColumns()
    unread: dict[int, set[int]] = defaultdict(set)  # sample -> positions, here and below
    for record in gene.foreign:
        for j in gene.columns_over(record.position, record.end):
            place = f"{table.chrom}:{table.positions[j]}"
            columns.remarks.append(f"{table.gene}: a record at {place} does not have GRCh38's REF and was not used.")
            columns.spoken.add(j)
            for i in _carriers(record):
                unread[i].add(table.positions[j])
    readings: dict[int, list[_Reading]] = defaultdict(list)
    for record in gene.records:
        read = _readings(gene, record)
        for j, reading in read.items():
            readings[j].append(reading)
        if not read and record.position in table.positions:
            for i in _carriers(record):
                unread[i].add(record.position)
    flags: dict[str, dict[int, set[int]]] = {name: defaultdict(set) for name in Doubts.__dataclass_fields__}
    flags["unread"] = unread
    for j, of in sorted(readings.items()):
        position = table.positions[j]
        if any(r.covers or r.shows for r in of):
            columns.spoken.add(j)
        if any(r.covers and not r.record.passed for r in of):
            place = f"{table.chrom}:{position}"
            columns.remarks.append(f"{table.gene}: the record at {place} failed the file's own filter.")
        outcomes: dict[tuple[Genotype, ...], tuple[Genotype | None, frozenset[str]]] = {}
        genotypes: list[Genotype | None] = []
        for i, calls in enumerate(zip(*(r.record.genotypes for r in of), strict=True)):
            if calls not in outcomes:
                outcomes[calls] = _joined(of, calls, gene.other)
            genotype, doubts = outcomes[calls]
            genotypes.append(genotype)
            for doubt in doubts:
                flags[doubt][i].add(position)
                columns.spoken.add(j)
        if any(genotypes):
            columns.genotypes[j] = genotypes
    columns.remarks = list(dict.fromkeys(columns.remarks))
    for i in range(samples):
        doubted = Doubts(**{name: tuple(sorted(of[i])) for name, of in flags.items() if i in of})
        if doubted != Doubts():
            columns.doubts[i] = doubted
    return columns


def _carriers(record: VariantRecord) -> list[int]:
    return [i for i, g in enumerate(record.genotypes) if max(g.first, g.second) > 0]


def _readings(gene: _Gene, record: VariantRecord) -> dict[int, _Reading]:
    """Return by column how it reads the record."""
    touched = [gene.touched(record, alt) for alt in record.alts]
    covered = set(gene.columns_over(record.position, record.end)) if not record.alts or _ANY & {*record.alts} else set()
    readings = {}
    for j in covered.union(*touched):
        alleles = (0, *(of.get(j, 0) for of in touched))
        shows = frozenset(allele for allele in alleles if allele)
        readings[j] = _Reading(record, alleles, shows, bool(shows) or j in covered, _is_block(record))
    return readings


@dataclass(frozen=True)
class _Call:
    """One sample in one reading: its two alleles there, ``None`` where one cannot be read."""

    reading: _Reading
    genotype: Genotype

    @property
    def alleles(self) -> tuple[Allele | None, Allele | None]:
        return self.reading.read(self.genotype.first), self.reading.read(self.genotype.second)

    @property
    def carries(self) -> bool:
        return max(self.genotype.first, self.genotype.second) > 0

    @property
    def changed(self) -> Counter[Allele]:
        return Counter(allele for allele in self.alleles if allele)


def _joined(
    readings: Sequence[_Reading], genotypes: Sequence[Genotype], other: int
) -> tuple[Genotype | None, frozenset[str]]:
    """Return one sample's genotype from all records of a column, and the doubts (fields of ``Doubts``) about it."""
    calls = [_Call(reading, genotype) for reading, genotype in zip(readings, genotypes, strict=True)]
    whole = [c for c in calls if c.reading.covers and None not in c.alleles]
    copies: Counter[Allele] = Counter()
    for call in whole:
        for allele in call.reading.shows:
            if copies.setdefault(allele, call.changed[allele]) != call.changed[allele]:
                return None, frozenset({"contradicting"})
    # A call beats a missing call of the same alleles; half a call needs the other half from another record.
    parts = [
        c for c in calls
        if None in c.alleles and (c.carries or (c.reading.covers and not (whole and c.reading.shows <= copies.keys())))
    ]  # fmt: skip
    for call in parts:
        for allele in call.changed:
            copies[allele] = max(copies[allele], 1)
    total = copies.total()
    reference = any(not c.reading.shows and not c.reading.is_block for c in whole)
    if total > 2 or (reference and total):
        return None, frozenset({"contradicting"})
    if parts and not (total == 2 and all(_is_half(c) for c in parts)):
        doubts = {_REASONS[c.genotype.first] for c in parts if c.genotype.first in _REASONS}
        return None, frozenset(doubts | ({"unread"} if total or any(c.carries for c in parts) else set()))
    return _laid_out([*whole, *parts], +copies, other) if whole or parts else (None, frozenset())


_REASONS = {ONE_COPY: "one_copy", UNSUPPORTED: "unsupported"}


def _is_half(call: _Call) -> bool:
    """Return whether a call shows a change on one copy and leaves the other open."""
    return bool(call.changed) and MISSING in call.genotype[:2]


def _laid_out(calls: Sequence[_Call], copies: Counter[Allele], other: int) -> tuple[Genotype | None, frozenset[str]]:
    """Return the genotype that holds all changes, with its phase where a record gives one."""
    calls = sorted(calls, key=lambda c: not c.genotype.block)
    whole = next((c for c in calls if c.changed == copies and None not in c.alleles), None)
    if whole is not None:
        pair, block = whole.alleles, whole.genotype.block
    else:
        left, right = sorted(
            (next(c for c in calls if allele in c.changed) for allele in copies), key=lambda c: not c.genotype.block
        )
        beside = _beside(left, right)
        if beside is None:
            return None, frozenset({"contradicting"})
        pair, block = beside, left.genotype.block
    first, second = (other if isinstance(allele, Edit) else allele or 0 for allele in pair)
    return Genotype(first, second, block), frozenset()


def _beside(left: _Call, right: _Call) -> tuple[Allele | None, Allele | None] | None:
    """Return the changes of two calls on two copies, laid as ``left`` lies; ``None`` if both say the same copy."""
    on_first = bool(left.alleles[0])
    if right.genotype.block == left.genotype.block != "" and bool(right.alleles[0]) == on_first:
        return None
    (change,), (other_change,) = left.changed, right.changed
    return (change, other_change) if on_first else (other_change, change)
