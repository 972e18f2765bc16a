"""Cards: what speaks about one drug, what is worth knowing, and what was not checked."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from novamind.drugs.domain import Caution, Evidence, Severity, Source
from novamind.pharmacogenomics import DrugReview
from novamind.pharmacogenomics.domain import Advice
from novamind.pharmacogenomics.drug_review import advised_concern
from novamind.records.fhir.terminology import OWN
from novamind.twin.domain import CLINICAL_JUDGEMENT

INDICATORS = ("critical", "warning", "info")
_LABEL = "Novamind: drug labels and guidelines of CPIC, DPWG and FDA"
_SUMMARY_LIMIT = 140
#: Concern of a review from which its indicator is at least so.
_CONCERNS = ((4, "critical"), (3, "warning"), (2, "info"))
_SEVERITIES = {Severity.CONTRAINDICATED: "critical", Severity.MAJOR: "warning", Severity.MODERATE: "info"}
_SILENT = ("NO_RECOMMENDATION", "STANDARD_DOSE", "NO_ACTION")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#!|~])")
_OVERRIDES = (
    ("known-and-tolerated", "The patient takes it already and tolerates it"),
    ("levels-monitored", "Levels or effects are being monitored"),
    ("benefit-outweighs", "The benefit outweighs the risk"),
    ("does-not-apply", "It does not apply to this patient"),
)

Card = dict[str, Any]


def indicator_of(review: DrugReview, cautions: Sequence[Caution]) -> str | None:
    """Return how urgent the card of a drug is; ``None`` where nothing asks for one.

    What the genotype alone advises counts too, so that a drug beside the order never lowers a card.
    """
    concern = max([review.concern, *map(advised_concern, review.guidelines_before)])
    reasons = {indicator for least, indicator in _CONCERNS if concern >= least}
    reasons |= {_SEVERITIES[caution.severity] for caution in cautions if caution.severity in _SEVERITIES}
    return min(reasons, key=INDICATORS.index, default=None)


def drug_card(
    review: DrugReview, cautions: Sequence[Caution], indicator: str, suggestions: Sequence[Mapping[str, Any]]
) -> Card:
    """Return the card of one drug: its cautions and advice, the gravest first."""
    advice = asking(review)
    severe = sorted(
        (c for c in cautions if c.severity in (Severity.CONTRAINDICATED, Severity.MAJOR)),
        # What names its place in a label leads, and of limits those of this person.
        key=lambda c: (tuple(Severity).index(c.severity), not c.section, c.text.endswith("the maximum.")),
    )
    first = _headline(severe[0]) if severe else advice[0].text if advice else _headline(cautions[0]) if cautions else ""
    lines = [
        *(f"- {a.source}: {a.text} {_cited(a.reference)}" for a in review.guidelines if a in advice),
        *(f"- {a.source}, by the genotype alone: {a.text} {_cited(a.reference)}" for a in advice[len(_now(review)) :]),
        *(f"- **{c.severity}**, {c.cause}: {c.text} {_cited(c.source, c.section)}" for c in cautions),
        *(f"- {p.gene}: {p.after.label}" for p in review.phenotypes),
    ]
    verdict = review.verdict if review.concern >= 2 else "see the cautions"
    card = _card(f"{review.drug}: {verdict}. {first}".strip(), lines, indicator, _sources(advice, cautions))
    if suggestions:
        card |= {"suggestions": list(suggestions), "selectionBehavior": "at-most-one"}
    card["overrideReasons"] = [
        {"system": f"{OWN}:override", "code": code, "display": words} for code, words in _OVERRIDES
    ]
    return card


def remarks_card(remarks: Sequence[tuple[str, Caution]]) -> Card:
    """Return the card of what is worth knowing about drugs that need no card of their own."""
    drugs = ", ".join(dict.fromkeys(drug for drug, _ in remarks))
    lines = [f"- {drug}, {c.cause}: {c.text} {_cited(c.source, c.section)}" for drug, c in remarks]
    return _card(f"For information: {drugs}", lines, "info", _sources((), [c for _, c in remarks]))


def unchecked_card(unknown: Sequence[str], reasons: Sequence[str]) -> Card:
    """Return the card of what was not checked: orders outside our tables first, then what else is missing."""
    parts = [f"{name} is not in our tables" for name in unknown]
    first = "; ".join(parts) if parts else reasons[0]
    lines = [f"- {escaped(part)}: nothing of it was checked." for part in parts]
    lines += [f"- {escaped(reason)}" for reason in reasons]
    return _card(f"Not checked: {first}", lines, "warning" if unknown else "info", ())


def asking(review: DrugReview) -> list[Advice]:
    """Return the advice that asks for something: with all that is taken, then what the genotype alone adds."""
    now = _now(review)
    alone = [a for a in review.guidelines_before if a.action not in _SILENT]
    return [*now, *(a for a in alone if (a.source, a.text) not in {(b.source, b.text) for b in now})]


def stable(*content: Any) -> str:
    """Return a UUID that depends on the content alone, so that the same advice is recognised when it comes again."""
    return str(uuid5(NAMESPACE_URL, f"{OWN}:card:{json.dumps(content, sort_keys=True, ensure_ascii=False)}"))


def escaped(text: str) -> str:
    """Return words of the caller's record so that Markdown shows them as they are."""
    return _MARKDOWN.sub(r"\\\1", text)


def short(text: str) -> str:
    """Return at most 139 characters of a text, cut at a word."""
    if len(text) < _SUMMARY_LIMIT:
        return text
    return f"{text[: _SUMMARY_LIMIT - 2].rsplit(' ', 1)[0]}…"


def _headline(caution: Caution) -> str:
    """Return a caution's text; of a drug that was stopped, since when and how long to wait comes first."""
    before, since, after = caution.text.partition(f"{caution.cause[:1].upper()}{caution.cause[1:]} was stopped")
    return f"{since}{after} {before}".strip() if since else caution.text


def _now(review: DrugReview) -> list[Advice]:
    return [a for a in review.guidelines if a.action not in _SILENT]


def _card(summary: str, lines: Sequence[str], indicator: str, sources: Sequence[Source]) -> Card:
    links = list(dict.fromkeys((s.title, s.url) for s in sources if s.url.startswith("https://")))
    source: dict[str, Any] = {"label": _LABEL}
    if links:
        source["url"] = links[0][1]
    source["topic"] = {"system": f"{OWN}:topic", "code": "pharmacogenomics", "display": "Pharmacogenomics"}
    card: Card = {
        "summary": short(summary),
        "detail": "\n".join([*dict.fromkeys(lines), "", CLINICAL_JUDGEMENT]),
        "indicator": indicator,
        "source": source,
    }
    if links:
        card["links"] = [{"label": title, "url": url, "type": "absolute"} for title, url in links]
    return card


def _sources(advice: Sequence[Advice], cautions: Sequence[Caution]) -> list[Source]:
    return [*(a.reference for a in advice), *(c.source for c in cautions)]


def _cited(source: Source, section: str = "") -> str:
    doubt = "; not confirmed at the source" if source.evidence is Evidence.UNVERIFIED else ""
    place = f"{section}; " if section else ""
    return f"({place}{source}{doubt})"
