"""The printable report: one HTML file without outside resources, every statement with its source's number."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import vl_convert
from markupsafe import Markup

from novamind.drugs.domain import Evidence, Source
from novamind.drugs.tables import sources
from novamind.pages import environment
from novamind.pharmacogenomics.domain import DISCLAIMER, Diplotype, PhenotypeChange
from novamind.pharmacogenomics.drug_review import DrugReview
from novamind.pharmacogenomics.phenotypes import RULE_SOURCES
from novamind.pharmacogenomics.plots import ReviewedDrugs, exposure_chart

_ENVIRONMENT = environment(Path(__file__).parent / "templates")


class PrintedReview(ReviewedDrugs, Protocol):
    """A review as the page shows it."""

    @property
    def genotype(self) -> Mapping[str, Diplotype]:
        """Gene to diplotype."""

    @property
    def phenotypes(self) -> Sequence[PhenotypeChange]:
        """Phenotypes before and after co-medication."""

    @property
    def comedications(self) -> Sequence[str]:
        """What is taken."""

    @property
    def conditions(self) -> Sequence[str]:
        """What the person has."""

    @property
    def notes(self) -> Sequence[str]:
        """What was not used, and why."""

    @property
    def ranking(self) -> Sequence[DrugReview]:
        """The drugs, least concern first."""


class _Citations:
    """Numbers sources in the order of their first use; a question mark goes with what was not confirmed."""

    def __init__(self) -> None:
        self.used: dict[Source, int] = {}

    def __call__(self, source: Source | None) -> Markup:
        if source is None:
            return Markup("")
        number = self.used.setdefault(source, len(self.used) + 1)
        doubt = "?" if source.evidence is Evidence.UNVERIFIED else ""
        return Markup('<sup><a href="#s{0}">[{0}{1}]</a></sup>').format(number, doubt)


def render(review: PrintedReview) -> str:
    """Return the report of a review as one HTML page."""
    drawn = any(e.low is not None for d in review.drugs.values() for e in d.exposures)
    picture = Markup(vl_convert.vegalite_to_svg(exposure_chart(review).to_json())) if drawn else None  # noqa: S704
    return _ENVIRONMENT.get_template("report.html").render(
        review=review,
        rule_source={gene: sources()[name] for gene, name in RULE_SOURCES.items()},
        definitions=sources()["pharmvar-2025"],
        picture=picture,
        disclaimer=DISCLAIMER,
        cite=_Citations(),
    )
