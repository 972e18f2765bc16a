"""The printable report: one HTML file without outside resources, every statement with its source's number."""

from pathlib import Path
from typing import TYPE_CHECKING

import vl_convert
from markupsafe import Markup

from novamind.pages import environment
from novamind.pharmacogenomics.domain import DISCLAIMER, Evidence, Source
from novamind.pharmacogenomics.knowledge import sources
from novamind.pharmacogenomics.phenotypes import RULE_SOURCES

if TYPE_CHECKING:
    from novamind.pharmacogenomics.review import Review


_ENVIRONMENT = environment(Path(__file__).parent / "templates")


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


def render(review: "Review") -> str:
    """Report of a review as one HTML page."""
    drawn = any(e.low is not None for d in review.drugs.values() for e in d.exposures)
    picture = Markup(vl_convert.vegalite_to_svg(review.plot().to_json())) if drawn else None  # noqa: S704
    return _ENVIRONMENT.get_template("report.html").render(
        review=review,
        rule_source={gene: sources()[name] for gene, name in RULE_SOURCES.items()},
        definitions=sources()["pharmvar-2025"],
        picture=picture,
        disclaimer=DISCLAIMER,
        cite=_Citations(),
    )
