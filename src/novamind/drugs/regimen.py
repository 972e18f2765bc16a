"""What a list of drugs does to each other."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novamind.drugs.cautions import cautions, not_checked, sum_rules
from novamind.drugs.codec import InteractionsBody
from novamind.drugs.domain import Caution, Severity
from novamind.drugs.names import drugs_of
from novamind.errors import ValidationError
from novamind.summary import Summarised, Summary, clipped, counted

if TYPE_CHECKING:
    import polars as pl

_ORDER = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two drugs and every reason for care between them, the most serious first."""

    a: str
    b: str
    cautions: tuple[Caution, ...]

    @property
    def severity(self) -> Severity:
        """The worst of the cautions."""
        return self.cautions[0].severity


@dataclass(frozen=True, repr=False)
class Interactions(Summarised):
    """Pairs with a caution, what several drugs reach together, and what was not checked.

    Attributes
    ----------
    drugs
        What is taken, generic names.
    stopped
        What was stopped, to days since the last dose.
    pairs
        Pairs with a caution, the most serious first; of a stopped drug what it still does.
    together
        Cautions that hold from a sum over the list on.
    not_checked
        A sentence for everything that the tables cannot answer; empty where every pair was checked.
    """

    drugs: tuple[str, ...]
    stopped: Mapping[str, int | None]
    pairs: tuple[Pair, ...]
    together: tuple[Caution, ...]
    not_checked: tuple[str, ...]

    @property
    def frame(self) -> "pl.DataFrame":
        """One row a caution: ``a, b, severity, text, section, source``."""
        import polars as pl

        rows = [(p.a, p.b, str(c.severity), c.text, c.section, str(c.source)) for p in self.pairs for c in p.cautions]
        rows += [("", "", str(c.severity), c.text, c.section, str(c.source)) for c in self.together]
        return pl.DataFrame(
            rows, dict.fromkeys(("a", "b", "severity", "text", "section", "source"), pl.String), orient="row"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return InteractionsBody.model_validate(self).model_dump(mode="json")

    def _summary(self) -> Summary:
        rows: list[tuple[object, ...]] = [(p.a, p.b, p.severity, p.cautions[0].text) for p in self.pairs]
        rows += [("", "", caution.severity, caution.text) for caution in self.together]
        rows += [("", "", "not checked", sentence) for sentence in self.not_checked]
        severe = sum(p.severity in (Severity.CONTRAINDICATED, Severity.MAJOR) for p in self.pairs)
        text = (
            f"{counted(len(self.drugs), 'drug')}, {counted(len(self.pairs), 'pair')} with a caution, {severe} severe;"
            f" {len(self.not_checked)} not checked"
        )
        return Summary(text, ("drug", "with", "severity", "text"), rows)


def interactions(medications: Sequence[str], stopped: Mapping[str, int | None] | None = None) -> Interactions:
    """Return what drugs do to each other.

    Parameters
    ----------
    medications
        Names as records write them, generic or brand; the order does not matter. A name that is not in the tables is
        named in ``not_checked``.
    stopped
        Names of drugs that were stopped, to the days since the last dose; ``None`` where that is not known.

    Raises
    ------
    ValidationError
        One text is given instead of a list, or a number of days is below 0.
    """
    if isinstance(medications, str):
        raise ValidationError("'medications' takes a list of names, not one text")
    ended, strangers = since_stop(stopped or {})
    generic = {name: drugs_of(name) for name in medications} | dict.fromkeys(strangers, ())
    drugs = tuple(sorted({drug for of in generic.values() for drug in of}))
    since = {drug: days for drug, days in ended.items() if drug not in drugs}
    pairs = [Pair(a, b, of) for a, b in itertools.combinations(drugs, 2) if (of := _between(a, b))]
    pairs += [
        Pair(drug, other, of)
        for drug in drugs
        for other, days in since.items()
        if (of := cautions(drug, (), stopped={other: days}))
    ]
    sums = {rule.caution for rule in sum_rules()}
    together = dict.fromkeys(c for drug in drugs for c in cautions(drug, drugs) if c in sums)
    unread = [
        f"{clipped(name) or 'An empty name'} is not in our tables: nothing of it was checked."
        for name, of in generic.items()
        if not of
    ]
    return Interactions(
        drugs,
        since,
        tuple(sorted(pairs, key=lambda p: (_ORDER.index(p.severity), p.a, p.b))),
        tuple(sorted(together, key=lambda c: (_ORDER.index(c.severity), c.text))),
        (*unread, *not_checked(drugs, since)),
    )


def since_stop(stopped: Mapping[str, int | None]) -> tuple[dict[str, int | None], list[str]]:
    """Return drug to days since its last dose, and the names that are no drug.

    Of several names of one drug the latest stop counts, and an unknown day before all.

    Raises
    ------
    ValidationError
        A number of days is no whole number from 0 on.
    """
    if not all(days is None or (isinstance(days, int) and days >= 0) for days in stopped.values()):
        raise ValidationError("'stopped' takes whole days since the last dose, 0 or above, or None")
    ended: dict[str, int | None] = {}
    for name, days in stopped.items():
        for drug in drugs_of(name):
            other = ended.get(drug, days)
            ended[drug] = None if days is None or other is None else min(days, other)
    return ended, [name for name in stopped if not drugs_of(name)]


def _between(a: str, b: str) -> tuple[Caution, ...]:
    """Return the cautions of a pair; what two drugs reach as a sum is told of the whole list."""
    return tuple(c for c in cautions(a, (b,)) if c.cause == b)
