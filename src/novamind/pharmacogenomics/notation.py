"""Reading what laboratories and callers write: star alleles, copy numbers, tandems, suballeles, ties, phenotypes.

The callers' own notations are those of Cyrius 1.1 (``*1_*2_*68``, ``*1/*46;*43/*45``), Aldy 4 (``*4.021.ALDY``,
``*68:2``, ``*41+rs368858603``, ``*1-like``), StellarPGx, PyPGx and PharmCAT 3 (``[*36 + *10]/*1``).
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator

from novamind.errors import ValidationError
from novamind.pharmacogenomics.domain import ActivityScore, AlleleCopy, Diplotype, DiplotypeCall, Phenotype
from novamind.pharmacogenomics.hla import GUIDELINE_ALLELES, parse_hla
from novamind.pharmacogenomics.matching import natural_order, order_pair

HLA_GENES = tuple(GUIDELINE_ALLELES)
SCORED_GENES = ("CYP2D6", "CYP2C9")
_STAR = re.compile(
    r"(\*\d{1,4}[A-WYZ]?)(?:\.\d+)?(?:\.ALDY(?:_\d+)?)?(?::\d+)?(?:\s*[x×]\s*(>=|≥)?\s*(\d{1,3}|N))?", re.IGNORECASE
)
# A change beside the allele's own, which may take its function: *1-like, *41+rs368858603, *1 +42525810:SNP.TC.
_NOVEL = re.compile(r"-like\b|[+-]\s*(?:rs)?\d{4,}", re.IGNORECASE)
# (*1/*4)xN, *1/*4 DUP: the gene is duplicated on a copy that the laboratory does not know.
_DUPLICATED = re.compile(
    r"(?:\((?P<pair>[^()]+)\)\s*(?:x\s*(?P<copies>N|\d{1,3})|N)|(?P<bare>[^()]+?)\s+\(?dup(?:lication|licated)?\)?)",
    re.IGNORECASE,
)
# Name of a chromosome copy whose allele the laboratory does not know.
UNKNOWN_ALLELE = "unknown"
_UNKNOWN = {"", "?", "unknown", "no call", "not called", "n/a", "na", "none", ".", "no result"}


def parse_copy(text: str) -> AlleleCopy:
    """Return one chromosome copy from ``*1x2``, ``*1x>=3``, ``*36+*10`` or ``*4.024`` (the suballele is dropped).

    ``xN`` means two copies or more. Raises ValidationError on anything else.
    """
    parts: list[tuple[str, int]] = []
    at_least = False
    for piece in text.strip().strip("[]()").split("+"):
        star = _STAR.fullmatch(piece.strip())
        if star is None:
            raise ValidationError(
                "a star allele is malformed; write it like *4, *1x2, *1x>=3 or *36+*10, two joined by '/'"
            )
        name, bound, copies = star.groups()
        at_least |= bound is not None or (copies or "").upper() == "N"
        count = 2 if (copies or "").upper() == "N" else int(copies or 1)
        if not 1 <= count <= 20:
            raise ValidationError("a star allele has an impossible number of copies; between 1 and 20 can be read")
        parts.append((name, count))
    return AlleleCopy(tuple(parts), at_least)


def parse_diplotype(gene: str, text: str) -> Diplotype:
    """Return one gene's result from the text that a laboratory reports.

    Parameters
    ----------
    gene
        HGNC symbol.
    text
        A diplotype (``*1/*4``, or ``*1/?`` with one allele unknown), several joined by ``or`` or a semicolon; copies
        that are not assigned to chromosomes (``*1_*2_*68``) or duplicated on an unknown one (``(*1/*4)xN``); a
        phenotype (``Poor Metabolizer``, ``PM``); an activity score (``0.5`` or ``>=3``); for HLA genes see
        :func:`novamind.pharmacogenomics.hla.parse_hla`.
        An empty text, ``?`` or ``unknown`` leaves the gene not called.

    Raises
    ------
    ValidationError
        The text follows none of these forms.
    """
    gene = gene.strip().upper()
    text = re.sub(rf"{re.escape(gene)}[\s:]+", "", text.strip(), count=1, flags=re.IGNORECASE)
    if text.lower() in _UNKNOWN or all(half.strip().lower() in _UNKNOWN for half in text.split("/")):
        return Diplotype(gene, origin="outside", warnings=(f"{gene}: no result was reported; nothing is assumed.",))
    if gene in HLA_GENES:
        return parse_hla(gene, text)
    if phenotype := parse_phenotype(text):
        return Diplotype(gene, origin="phenotype", reported=str(phenotype))
    if gene in SCORED_GENES and (score := parse_score(text)) is not None:
        return Diplotype(gene, origin="phenotype", reported=str(score))
    text = re.sub(rf"{re.escape(gene)}\s*(?=[*r])", "", text, flags=re.IGNORECASE)
    options = re.split(r"\s+or\s+|\s*;\s*|\s*,\s*(?=[^,]*/)", text, flags=re.IGNORECASE)
    pairs = dict.fromkeys(pair for option in options for pair in _pairs(gene, option))
    warnings = []
    if any(UNKNOWN_ALLELE in pair for pair in pairs) and _NOVEL.search(text):
        warnings.append(f"{gene}: an allele has a variant beside its own, so its function is not known.")
    return Diplotype(gene, tuple(DiplotypeCall(*pair) for pair in pairs), origin="outside", warnings=tuple(warnings))


def parse_phenotype(text: str) -> Phenotype | None:
    """Return a metaboliser status from CPIC's terms, British or American, or their initials; None when it is none.

    ``Extensive`` is the earlier word for normal (Caudle 2017, PMID 27441996).
    """
    words = re.sub(r"\([^()]*\)", " ", text.lower().replace("metaboliser", "metabolizer"))
    wanted = " ".join(re.sub(r"\bultra[\s-]+rapid", "ultrarapid", words).split())
    likely, initials = ("likely ", wanted.removeprefix("likely ")) if wanted.startswith("likely ") else ("", wanted)
    wanted = likely + _INITIALS.get(initials, initials)
    wanted = re.sub(r"\bextensive\b", "normal", wanted.removesuffix("s") if wanted.endswith("metabolizers") else wanted)
    return next((p for p in Phenotype if wanted in {p.lower(), p.lower().removesuffix(" metabolizer")}), None)


_INITIALS = {
    "pm": "poor", "im": "intermediate", "nm": "normal", "em": "normal", "rm": "rapid", "um": "ultrarapid",
    "urm": "ultrarapid",
}  # fmt: skip


def parse_score(text: str) -> ActivityScore | None:
    """Return an activity score from ``0.5``, ``>=3`` or ``activity score 1.25``; None when it is none."""
    match = re.fullmatch(
        r"(?:(?:activity score|AS)\s*[:=]?)?\s*(>=|≥)?\s*(\d{1,2}(?:\.\d{1,2})?)", text.strip(), re.IGNORECASE
    )
    return None if match is None else ActivityScore(float(match[2]), match[1] is not None)


def _pairs(gene: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of chromosome copies that one result stands for."""
    if duplicated := _DUPLICATED.fullmatch(text.strip()):
        first, second = _halves(gene, duplicated["pair"] or duplicated["bare"])
        copies = duplicated["copies"] or "N"
        more = f"x{int(copies) - 1}" if copies.isdecimal() else "xN"
        if copies.isdecimal() and int(copies) < 3:
            raise ValidationError(f"{gene}: a duplicated diplotype has three gene copies or more")
        for pair in ((first + more, second), (first, second + more)):
            yield order_pair(*(str(parse_copy(half)) for half in pair))
    elif "_" in text and "/" not in text:
        yield from _assignments(gene, text)
    else:
        yield order_pair(*_halves(gene, text))


def _halves(gene: str, text: str) -> tuple[str, str]:
    halves = re.split(r"[/|]", text)
    if len(halves) != 2:
        raise ValidationError(f"{gene}: a diplotype names two chromosome copies joined by '/', for example *1/*4")
    first, second = (_half(gene, half.strip()) for half in halves)
    return first, second


def _half(gene: str, text: str) -> str:
    if text in _NAMED.get(gene, ()):
        return text
    return UNKNOWN_ALLELE if text.lower() in _UNKNOWN or _NOVEL.search(text) else str(parse_copy(text))


def _assignments(gene: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield every way to lay gene copies that are not assigned on two chromosomes, at least one copy on each."""
    names = [name for part in text.split("_") for name, count in parse_copy(part).parts for _ in range(count)]
    if len(names) > _MOST_COPIES:
        raise ValidationError(f"{gene}: more than {_MOST_COPIES} gene copies are not assigned to chromosomes")
    whole = Counter(names)
    for size in range(1, len(names) // 2 + 1):
        for chosen in sorted(set(itertools.combinations(sorted(names, key=natural_order), size))):
            yield order_pair(*(_tandem(copies) for copies in (Counter(chosen), whole - Counter(chosen))))


_MOST_COPIES = 8


def _tandem(copies: Counter[str]) -> str:
    return str(AlleleCopy(tuple(sorted(copies.items(), key=lambda part: natural_order(part[0])))))


# Genes whose alleles are named by rs number instead of a star.
_NAMED = {
    "SLC6A4": ("Reference", "rs25531"),
    "HTR2A": ("Reference", "rs7997012", "rs6311"),
}
