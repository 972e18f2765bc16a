"""Reading what laboratories write: star alleles, copy numbers, tandems, suballeles, HLA types."""

import re

from novamind.errors import ValidationError
from novamind.pharmacogenomics.domain import ActivityScore, AlleleCopy, Diplotype, DiplotypeCall, Phenotype
from novamind.pharmacogenomics.matching import order_pair

HLA_GENES = ("HLA-A", "HLA-B")
SCORED_GENES = ("CYP2D6", "CYP2C9")
_STAR = re.compile(r"(\*\d+[A-WYZ]?)(?:\.\d+)?(?:\s*[x×]\s*(>=|≥)?\s*(\d+|N))?", re.IGNORECASE)
_HLA = re.compile(r"\*?(\d{2,3}:\d{2,3})(?::\d{2,3})*[A-Z]?")
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
        A diplotype (``*1/*4``, or ``*1/?`` with one allele unknown), several joined by `` or ``; a phenotype
        (``Poor Metabolizer``); an activity score (``0.5`` or ``>=3``); for HLA genes ``*15:02 positive`` or
        a typing ``*15:02/*40:01``.
        An empty text, ``?`` or ``unknown`` leaves the gene not called.

    Raises
    ------
    ValidationError
        The text follows none of these forms.
    """
    gene, text = gene.strip().upper(), text.strip()
    if text.lower() in _UNKNOWN or all(half.strip().lower() in _UNKNOWN for half in text.split("/")):
        return Diplotype(gene, origin="outside", warnings=(f"{gene}: no result was reported; nothing is assumed.",))
    if gene in HLA_GENES:
        return _hla(gene, text)
    if phenotype := parse_phenotype(text):
        return Diplotype(gene, origin="phenotype", reported=str(phenotype))
    if gene in SCORED_GENES and (score := parse_score(text)) is not None:
        return Diplotype(gene, origin="phenotype", reported=str(score))
    text = re.sub(rf"{re.escape(gene)}\s*(?=[*r])", "", text)
    calls = tuple(_pair(gene, option) for option in re.split(r"\s+or\s+", text, flags=re.IGNORECASE))
    return Diplotype(gene, calls, origin="outside")


def parse_phenotype(text: str) -> Phenotype | None:
    """Return a metaboliser status from CPIC's terms, British or American spelling; None when it is none."""
    wanted = text.strip().lower().replace("metaboliser", "metabolizer")
    return next((p for p in Phenotype if wanted in {p.lower(), p.lower().removesuffix(" metabolizer")}), None)


def parse_score(text: str) -> ActivityScore | None:
    """Return an activity score from ``0.5``, ``>=3`` or ``activity score 1.25``; None when it is none."""
    match = re.fullmatch(r"(?:activity score|AS)?\s*(>=|≥)?\s*(\d{1,2}(?:\.\d{1,2})?)", text.strip(), re.IGNORECASE)
    return None if match is None else ActivityScore(float(match[2]), match[1] is not None)


def _pair(gene: str, text: str) -> DiplotypeCall:
    halves = text.split("/")
    if len(halves) != 2:
        raise ValidationError(f"{gene}: a diplotype names two chromosome copies joined by '/', for example *1/*4")
    return DiplotypeCall(*order_pair(*(_half(gene, half.strip()) for half in halves)))


def _half(gene: str, text: str) -> str:
    if text in _NAMED.get(gene, ()):
        return text
    return UNKNOWN_ALLELE if text.lower() in _UNKNOWN else str(parse_copy(text))


# Genes whose alleles are named by rs number instead of a star.
_NAMED = {
    "SLC6A4": ("Reference", "rs25531"),
    "HTR2A": ("Reference", "rs7997012", "rs6311"),
}


def _hla(gene: str, text: str) -> Diplotype:
    markers: dict[str, bool] = {}
    allele_states = re.findall(r"(\*?\d{2,3}:\d{2,3})(?::\d+)*\s+(positive|negative)", text, re.IGNORECASE)
    if allele_states:
        for allele, state in allele_states:
            name, carried = f"*{allele.lstrip('*')}", state.lower() == "positive"
            if markers.setdefault(name, carried) != carried:
                raise ValidationError(f"{gene}: one allele is given as positive and as negative; keep one")
    else:
        halves = [_HLA.fullmatch(h.strip().removeprefix(gene).strip()) for h in text.split("/")]
        if len(halves) != 2 or None in halves:
            raise ValidationError(f"{gene}: write '*15:02 positive', '*15:02 negative' or a typing like *15:02/*40:01")
        typed = {f"*{h[1]}" for h in halves if h is not None}
        # A full typing answers for every allele that a guideline asks about.
        markers = {a: a in typed for a in _HLA_ALLELES[gene]} | dict.fromkeys(typed, True)
    return Diplotype(gene, origin="outside", markers=markers)


# Alleles that CPIC, DPWG or FDA advice refers to.
_HLA_ALLELES = {"HLA-A": ("*31:01",), "HLA-B": ("*15:02", "*15:11")}
