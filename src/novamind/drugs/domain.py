"""What a drug is, and where a fact about it comes from; no input or output, no framework."""

from dataclasses import dataclass
from enum import StrEnum


class Evidence(StrEnum):
    """How a fact was checked against the source that is named for it."""

    READ = "read"
    COPY = "copy"
    ABSTRACT = "abstract"
    SECONDARY = "secondary"
    OWN = "own analysis"
    UNVERIFIED = "unverified"

    @property
    def meaning(self) -> str:
        """The same in plain words."""
        return _EVIDENCE[self]


_EVIDENCE = {
    Evidence.READ: "read at the source",
    Evidence.COPY: "read in a redistributed copy of the source (PharmCAT 3.1.1, PyPGx)",
    Evidence.ABSTRACT: "only the abstract was read",
    Evidence.SECONDARY: "read where somebody else quotes or compiles it",
    Evidence.OWN: "our own analysis of released data",
    Evidence.UNVERIFIED: "general knowledge, not confirmed at the source",
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact comes from, and how far we checked it there."""

    id: str
    year: int
    evidence: Evidence
    title: str
    url: str

    def __str__(self) -> str:
        return f"{self.title} ({self.year})"


class Severity(StrEnum):
    """How much weight a caution has."""

    CONTRAINDICATED = "contraindicated"
    MAJOR = "major"
    MODERATE = "moderate"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Caution:
    """One reason for care, with the place in its source; cautions are only ever added."""

    severity: Severity
    text: str
    cause: str
    source: Source
    section: str = ""


@dataclass(frozen=True, slots=True)
class Drug:
    """One drug of the catalogue.

    Parameters
    ----------
    name
        Generic name.
    group
        ``psychiatric`` or ``co-prescribed``.
    drug_class
        Class, such as ``SSRI``.
    ranked
        Whether a review ranks the drug when no drug is named.
    tags
        What groups and cross-allergies refer to, such as ``antidepressant``.
    """

    name: str
    group: str
    drug_class: str
    ranked: bool
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Strength:
    """How much of a drug is in a piece, or in ``per`` of a ``per_unit``: ``20 mg``, ``100 mg/5 ml``, ``0.25 mg/h``."""

    amount: float
    unit: str
    per: float = 1.0
    per_unit: str = ""

    @property
    def mg(self) -> float | None:
        """Return mg in one piece; None for a concentration, a rate, or a unit that is no mass."""
        factor = {"g": 1000.0, "mg": 1.0, "µg": 0.001}.get(self.unit)
        return None if self.per_unit or factor is None else self.amount * factor

    def __str__(self) -> str:
        per = f"{self.per:g} " if self.per != 1 else ""
        return f"{self.amount:g} {self.unit}" + (f"/{per}{self.per_unit}" if self.per_unit else "")


@dataclass(frozen=True, slots=True)
class Product:
    """What a name or a code of a medication says.

    Parameters
    ----------
    name
        The text or code that was read.
    drugs
        Generic names: one, or all of a combination product.
    strengths
        Strength of each of the drugs, in their order; empty where the text does not say it without doubt.
    form
        Dose form, such as ``tablet``; empty where it is not named.
    release
        ``extended``, ``delayed``, ``depot``, ``disintegrating`` or ``immediate``; empty where it is not named.
    route
        Such as ``oral``; empty where it is not named.
    """

    name: str
    drugs: tuple[str, ...]
    strengths: tuple[Strength, ...] = ()
    form: str = ""
    release: str = ""
    route: str = ""

    @property
    def drug(self) -> str | None:
        """Return the one drug; None for a combination."""
        return self.drugs[0] if len(self.drugs) == 1 else None

    @property
    def strength(self) -> Strength | None:
        """Return the strength of the one drug; None for a combination, or where it is not named."""
        return self.strengths[0] if len(self.drugs) == len(self.strengths) == 1 else None
