"""Reading HLA results: one allele with positive or negative, and typings of both chromosome copies.

Names of alleles: HLA Nomenclature (Marsh 2010, doi:10.1111/j.1399-0039.2010.01466.x): ``HLA-B*15:02:01:01N`` is gene,
allele group, protein, two fields without meaning here, and a letter for an altered expression. ``N`` is not expressed;
``L``, ``S``, ``C``, ``A`` and ``Q`` are low, secreted, cytoplasmic, aberrant and questionable. ``G`` and ``P`` name
groups of alleles with one binding site.
"""

import re
from dataclasses import dataclass

from novamind.errors import ValidationError
from novamind.pharmacogenomics.domain import Diplotype

#: Alleles that CPIC, DPWG or FDA advice refers to.
GUIDELINE_ALLELES = {"HLA-A": ("*31:01",), "HLA-B": ("*15:02", "*15:11")}

_NAME = (
    r"(?:(?:HLA-)?(?P<gene>[AB])(?=\s*\*))?\s*\*?(?P<group>\d{2,3})"
    r"(?::?(?P<protein>\d{2,3}|XX)(?::\d{2,3}){0,2}(?P<letter>[NLSCAQGP]?))?"
)
_ALLELE = re.compile(_NAME, re.IGNORECASE)
_TESTED = re.compile(
    _NAME + r"[\s:=-]*\b(?P<state>positive|pos|detected|present|carrier"
    r"|negative|neg|not\s+detected|not\s+present|absent|non-?\s?carrier)",
    re.IGNORECASE,
)
_POSITIVE = {"positive", "pos", "detected", "present", "carrier"}
_ALTERED = {"L", "S", "C", "A", "Q"}
_UNKNOWN = {"?", "-", ".", "unknown", "na", "n/a"}


@dataclass(frozen=True)
class _Allele:
    """One typed copy: group and protein, ``None`` where the result leaves them open."""

    group: str | None
    protein: str | None
    letter: str = ""

    @property
    def name(self) -> str:
        return f"*{self.group}:{self.protein}"

    def is_allele(self, name: str) -> bool | None:
        """Return whether this copy makes the protein of an allele; ``None`` where that is open."""
        group, protein = name.lstrip("*").split(":")
        if self.group is None:
            return None
        if self.group != group or (self.protein not in {None, protein}):
            return False
        return None if self.protein is None or self.letter in _ALTERED else self.letter != "N"


def parse_hla(gene: str, text: str) -> Diplotype:
    """Return the markers of an HLA gene from ``*15:02 positive`` or a typing such as ``*15:02/*40:01``.

    Parameters
    ----------
    gene
        ``HLA-A`` or ``HLA-B``.
    text
        Alleles with a state, joined by commas or ``and``; or a typing, several of them joined by ``or``.

    Returns
    -------
    Diplotype
        ``markers`` holds what the result decides. A full typing answers for every allele that a guideline asks about.
        A null allele does not count as the allele whose number it has.

    Raises
    ------
    ValidationError
        The text follows none of these forms, or an allele is positive and negative.
    """
    tested = [_TESTED.fullmatch(part.strip()) for part in re.split(r"[,;]|\band\b", text) if part.strip()]
    if tested and all(tested):
        return _tested(gene, [t for t in tested if t is not None])
    typings = [_typing(gene, option) for option in re.split(r"\bor\b|;", text, flags=re.IGNORECASE)]
    asked = dict.fromkeys([*GUIDELINE_ALLELES[gene], *(a.name for t in typings for a in t if a.protein)])
    markers: dict[str, bool] = {}
    open_alleles = []
    for name in asked:
        carried = {_carried(name, typing) for typing in typings}
        if len(carried) == 1 and None not in carried:
            markers[name] = True in carried
        elif name in GUIDELINE_ALLELES[gene]:
            open_alleles.append(name)
    markers = {name: carried for name, carried in markers.items() if carried or name in GUIDELINE_ALLELES[gene]}
    warnings = [_null(gene)] if any(a.letter == "N" for t in typings for a in t) else []
    if open_alleles:
        warnings.append(f"{gene}: the typing does not decide {', '.join(open_alleles)}; nothing is assumed.")
    return Diplotype(gene, origin="outside", markers=markers, warnings=tuple(warnings))


def _tested(gene: str, results: list[re.Match[str]]) -> Diplotype:
    markers: dict[str, bool] = {}
    warnings = []
    for result in results:
        allele = _allele(gene, result)
        carried = " ".join(result["state"].lower().split()) in _POSITIVE
        if allele.protein is None:
            raise _malformed(gene)
        if allele.letter == "N":
            warnings.append(_null(gene))
        elif allele.letter in _ALTERED:
            warnings.append(f"{gene}: an allele has an altered expression, so the result does not decide it.")
        elif markers.setdefault(allele.name, carried) != carried:
            raise ValidationError(f"{gene}: one allele is given as positive and as negative; keep one")
    return Diplotype(gene, origin="outside", markers=markers, warnings=tuple(warnings))


def _null(gene: str) -> str:
    return f"{gene}: a null allele (N) is not expressed; it does not count as the allele of its number."


def _typing(gene: str, text: str) -> tuple[_Allele, _Allele]:
    halves = [half.strip() for half in text.split("/")]
    if len(halves) != 2 or all(half.lower() in _UNKNOWN for half in halves):
        raise _malformed(gene)
    first, second = (_half(gene, half) for half in halves)
    return first, second


def _half(gene: str, text: str) -> _Allele:
    if text.lower() in _UNKNOWN:
        return _Allele(None, None)
    match = _ALLELE.fullmatch(text)
    if match is None:
        raise _malformed(gene)
    return _allele(gene, match)


def _allele(gene: str, match: re.Match[str]) -> _Allele:
    if match["gene"] and match["gene"].upper() != gene[-1]:
        raise ValidationError(f"{gene}: the result names an allele of another gene; give each gene its own result")
    protein = match["protein"]
    decided = protein is not None and protein.upper() != "XX"
    return _Allele(match["group"], protein if decided else None, (match["letter"] or "").upper())


def _carried(name: str, typing: tuple[_Allele, _Allele]) -> bool | None:
    halves = {allele.is_allele(name) for allele in typing}
    return True if True in halves else None if None in halves else False


def _malformed(gene: str) -> ValidationError:
    return ValidationError(f"{gene}: write '*15:02 positive', '*15:02 negative' or a typing like *15:02/*40:01")
