"""One change of the sequence written in one way, however a VCF spells it.

A record's allele is trimmed and its indels are shifted to the left (Tan 2015, doi:10.1093/bioinformatics/btv112), so
that ``CAT>CATAT``, ``C>CAT`` and ``TAT>TATAT`` one repeat later are the same insertion. Shifting needs the bases to the
left; the definitions and the file's own REF columns know those that matter, and no reference genome is read.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Edit(NamedTuple):
    """The reference bases ``ref`` from ``start`` on are replaced by ``alt``; an insertion stands before ``start``."""

    start: int
    ref: str
    alt: str

    @property
    def end(self) -> int:
        """Return the position after the last replaced base."""
        return self.start + len(self.ref)

    @property
    def is_indel(self) -> bool:
        """Whether bases are only taken away, or only put in."""
        return not (self.ref and self.alt)


def edits(position: int, ref: str, alt: str, bases: Mapping[int, str]) -> tuple[Edit, ...]:
    """Return the changes that an allele makes, in their shortest form and as far left as the known bases allow.

    Parameters
    ----------
    position, ref, alt
        One allele of a VCF record. ``-`` stands for no base, as some exports write a deletion.
    bases
        Known reference bases by position.

    Returns
    -------
    tuple of Edit
        One for each changed base where ``ref`` and ``alt`` have one length, else one; empty where nothing changes.
    """
    ref, alt = ref.strip("-"), alt.strip("-")
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    start = position
    while ref and alt and ref[0] == alt[0]:
        ref, alt, start = ref[1:], alt[1:], start + 1
    if len(ref) == len(alt):
        return tuple(Edit(start + i, r, a) for i, (r, a) in enumerate(zip(ref, alt, strict=True)) if r != a)
    edit = Edit(start, ref, alt)
    while edit.is_indel and bases.get(edit.start - 1) == (edit.ref or edit.alt)[-1]:
        edit = _shifted(edit, 1)
    return (edit,)


def _shifted(edit: Edit, by: int) -> Edit:
    """Return an indel written ``by`` bases further left; both are one change only if the bases between repeat it."""
    turn = by % len(edit.ref or edit.alt)
    ref, alt = (text[-turn:] + text[:-turn] if turn else text for text in (edit.ref, edit.alt))
    return Edit(edit.start - by, ref, alt)


def may_equal(edit: Edit, other: Edit, bases: Mapping[int, str]) -> bool:
    """Return whether an indel is ``other`` further right, as far as the known bases between them can say."""
    by = edit.start - other.start
    if by <= 0 or not edit.is_indel or _shifted(edit, by) != other:
        return False
    unit = other.ref or other.alt
    return all(bases.get(other.start + i, unit[i % len(unit)]) == unit[i % len(unit)] for i in range(by))
