"""CYP2D6 copy number: from read depth to copies, and from copies to what a diplotype can be.

Depth says how many gene copies there are, not which allele is duplicated. So a gain gives both possibilities
and a loss replaces one of two equal alleles by ``*5``; hybrids need an outside call.
"""

import math
from dataclasses import replace

from novamind.errors import ValidationError
from novamind.pharmacogenomics.domain import Diplotype, DiplotypeCall
from novamind.pharmacogenomics.matching import natural_order, order_pair


def copies_from_depth(gene_depth: float, control_depth: float, relative_sd: float = 0.1) -> int | None:
    """Return gene copies from mean read depth over CYP2D6 and over a two-copy control region.

    Parameters
    ----------
    gene_depth, control_depth
        Mean depths of unique reads, above zero for the control.
    relative_sd
        Standard deviation of the depth ratio, as a share of it.

    Returns
    -------
    int or None
        The nearest whole number of copies; None when it is not within two standard deviations, or the next one is.

    Raises
    ------
    ValidationError
        A depth is negative, not finite, or the control is zero.
    """
    if not (math.isfinite(gene_depth) and math.isfinite(control_depth)) or gene_depth < 0 or control_depth <= 0:
        raise ValidationError("read depths must be finite, the gene's not negative and the control's above zero")
    copies = 2 * gene_depth / control_depth
    nearest = round(copies)
    off = abs(copies - nearest)
    return nearest if off <= 2 * relative_sd * max(copies, 1.0) < 1 - off else None


def apply_copies(diplotype: Diplotype, copies: int) -> Diplotype:
    """Return the diplotypes that fit both the variants and the number of gene copies.

    Raises
    ------
    ValidationError
        The copies are outside 0 to 20, or contradict heterozygous variants (one copy, two alleles).
    """
    if not 0 <= copies <= 20:
        raise ValidationError("the number of CYP2D6 copies must lie between 0 and 20")
    if copies == 0:
        pairs = {("*5", "*5")}
    elif copies == 1:
        pairs = {(c.first, "*5") for c in diplotype.calls if c.first == c.second}
        if diplotype.calls and not pairs:
            raise ValidationError("one CYP2D6 copy contradicts heterozygous variants; check sample and depth")
    elif copies == 2:
        return diplotype
    else:
        extra = f"x{copies - 1}"
        pairs = {(c.first + extra, c.second) for c in diplotype.calls} | {
            (c.first, c.second + extra) for c in diplotype.calls
        }
    unique = {order_pair(*pair) for pair in pairs}
    calls = tuple(
        DiplotypeCall(a, b) for a, b in sorted(unique, key=lambda p: (natural_order(p[0]), natural_order(p[1])))
    )
    remark = f"CYP2D6: {copies} gene copies from depth; depth cannot show which allele is duplicated, nor hybrids."
    return replace(diplotype, calls=calls, warnings=(*diplotype.warnings, remark))
