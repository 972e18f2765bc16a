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
    """One drug: generic name, class, tags such as ``serotonergic`` or ``qt``."""

    name: str
    drug_class: str
    tags: frozenset[str]
