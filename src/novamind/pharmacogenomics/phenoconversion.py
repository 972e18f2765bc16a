"""What co-medication does to a genotype: inhibitors and inducers shift enzyme activity.

- CYP2D6: a strong inhibitor multiplies the activity score by 0, a moderate one by 0.5; a weak one leaves it
  (CPIC opioid guideline 2021, PMID 33387367).
- Other enzymes have no guideline rule. A strong inhibitor makes a poor metaboliser, a moderate one halves the
  activity (Shah and Smith 2015, doi:10.1111/bcp.12441, by analogy); the result says that it is a convention.
- Induction has no look-up rule in any guideline: the phenotype stays, the expected exposure falls.

Each class spans a range, because the FDA defines it by one: strong is at least a 5-fold exposure, moderate 2-
to 5-fold, weak 1.25- to 2-fold. The range goes with the point value into the exposure interval. Where a drug's own
ratio has been published (``knowledge/inhibition.csv``), expected exposure counts with the share of the enzyme that
this ratio leaves (inhibition ratio of Ohno 2007, Clin Pharmacokinet 46:681); the look-up keeps the guideline's factor.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from novamind.drugs.domain import Evidence, Source
from novamind.drugs.facts import source, sources
from novamind.pharmacogenomics.domain import ActivityScore, GeneResult, Phenotype, PhenotypeChange
from novamind.pharmacogenomics.exposure import pathways
from novamind.pharmacogenomics.knowledge import rows
from novamind.pharmacogenomics.phenotypes import score_phenotype

# Remaining share of the activity: point, low, high. The moderate range is widened to what was observed with
# duloxetine (1.8- and 2.4-fold, PMC6709421): 0.2 would be a 5-fold, 0.8 a 1.25-fold exposure.
_INHIBITED = {"strong": (0.0, 0.0, 0.2), "moderate": (0.5, 0.2, 0.8), "weak": (1.0, 0.5, 1.0)}
# Multiple of the activity under induction: the FDA's classes by fall in exposure (80 %, 50-80 %, 20-50 %).
_INDUCED = {"strong": (5.0, 5.0, 10.0), "moderate": (3.0, 2.0, 5.0), "weak": (1.5, 1.25, 2.0)}


@dataclass(frozen=True, slots=True)
class Modulator:
    """One drug acting on one enzyme."""

    drug: str
    enzyme: str
    effect: str
    strength: str
    source: Source

    @property
    def checked(self) -> bool:
        """Whether its class was read somewhere, and so may change a phenotype."""
        return self.source.evidence is not Evidence.UNVERIFIED

    @property
    def applied(self) -> bool:
        """Whether it changes phenotype or expected exposure: a class that was read somewhere."""
        return self.checked and self.strength in (_INHIBITED if self.effect == "inhibitor" else _INDUCED)

    @property
    def sentence(self) -> str:
        """For example ``paroxetine is a strong CYP2D6 inhibitor``."""
        return f"{self.drug} is a {self.strength} {self.enzyme} {self.effect}"


@cache
def modulators() -> dict[str, tuple[Modulator, ...]]:
    """Return all modulators by drug."""
    by_drug: dict[str, list[Modulator]] = {}
    for r in rows("modulators"):
        by_drug.setdefault(r["drug"], []).append(
            Modulator(r["drug"], r["enzyme"], r["effect"], r["strength"], source(r))
        )
    return {drug: tuple(of) for drug, of in by_drug.items()}


@dataclass(frozen=True, slots=True)
class Residual:
    """Share of an enzyme that an inhibitor leaves: point and range."""

    share: float
    low: float
    high: float
    source: Source


@cache
def residuals() -> dict[tuple[str, str], Residual]:
    """Return what named inhibitors leave, by drug and enzyme, solved from one published exposure ratio each.

    Without a published interval the range is that of the class of strong inhibitors.
    """
    by_inhibitor = {}
    for r in rows("inhibition"):
        path = next(p for p in pathways()[r["substrate"]] if p.gene == r["enzyme"])
        share, least, most = (
            path.activity_at(float(r[k])) if r[k] else bound
            for k, bound in (("ratio", 0.0), ("high", _INHIBITED["strong"][1]), ("low", _INHIBITED["strong"][2]))
        )
        by_inhibitor[r["drug"], r["enzyme"]] = Residual(share, least, most, source(r))
    return by_inhibitor


def _remaining(m: Modulator) -> tuple[float, float, float]:
    """Return the share of the enzyme under an inhibitor, as measured or by its class: point, low, high."""
    residual = residuals().get((m.drug, m.enzyme))
    return (residual.share, residual.low, residual.high) if residual else _INHIBITED[m.strength]


def acting_on(enzyme: str, comedications: Iterable[str], but: str | None = None) -> tuple[Modulator, ...]:
    """Return the modulators of an enzyme in a co-medication list; the drug that is looked up itself is left out.

    A drug's own inhibition is already in its guideline and its measured levels, so it never converts its own
    look-up.
    """
    return tuple(
        m
        for name in dict.fromkeys(comedications)
        if name != but
        for m in modulators().get(name, ())
        if m.enzyme == enzyme
    )


@lru_cache(maxsize=16384)
def convert(reading: GeneResult, comedications: tuple[str, ...], but: str | None = None) -> PhenotypeChange:
    """Return a gene's result before and after co-medication.

    Parameters
    ----------
    reading
        The genotype's own result.
    comedications
        Generic names of what the patient takes.
    but
        The drug being looked up, which does not act on its own result.

    Returns
    -------
    PhenotypeChange
        Before and after with the reasons. Only classes that were read at a source change anything. The
        strongest inhibitor decides, so adding one never raises the activity.
    """
    acting = [m for m in acting_on(reading.gene, comedications, but) if m.applied]
    inhibitors = [m for m in acting if m.effect == "inhibitor"]
    inducers = [m for m in acting if m.effect == "inducer"]
    if not inhibitors and not inducers:
        return PhenotypeChange(reading.gene, reading, reading, (), ())
    factor = min((_INHIBITED[m.strength][0] for m in inhibitors), default=1.0)
    left = [_remaining(m) for m in inhibitors]
    point, low, high = (min((of[k] for of in left), default=1.0) for k in range(3))
    least = point
    after = _inhibited(reading, factor) if factor < 1 else reading
    if factor == 0:  # full inhibition leaves nothing for an unseen allele to change
        after = replace(after, provisional=False)
    if inducers:
        more = max(_INDUCED[m.strength] for m in inducers)
        point, low, high = point * more[0], low * more[1], high * more[2]
    if reading.activity is not None:
        after = replace(
            after,
            activity=reading.activity * point,
            activity_low=reading.activity * low,
            activity_high=reading.activity * high,
            genetic_activity=reading.activity,
        )
    reasons = [m.sentence for m in (*inhibitors, *inducers)]
    cited = [m.source for m in (*inhibitors, *inducers)]
    for m in inhibitors:
        residual = residuals().get((m.drug, m.enzyme))
        if residual and residual.share == least:
            reasons.append(f"expected exposure counts with the {residual.share:.0%} of {m.enzyme} that {m.drug} leaves")
            cited.append(residual.source)
    if after.phenotype is not reading.phenotype or after.activity_score != reading.activity_score:
        rule = "cpic-opioids-2021" if reading.gene == "CYP2D6" else "shah-smith-2015"
        cited.append(sources()[rule])
        if rule == "shah-smith-2015":
            reasons.append(f"no guideline converts {reading.gene}; this follows the CYP2D6 convention")
    if inducers:
        reasons.append("induction lowers exposure; guidelines give no look-up for it, so the phenotype stays")
    return PhenotypeChange(reading.gene, reading, after, tuple(reasons), tuple(dict.fromkeys(cited)))


def _inhibited(reading: GeneResult, factor: float) -> GeneResult:
    """Return the look-up result at a share of the activity."""
    if reading.activity_score is not None:
        score = ActivityScore(float(reading.activity_score) * factor, reading.activity_score.at_least)
        # The diplotype no longer speaks for the enzyme, so rules about diplotypes must not meet it.
        return replace(reading, activity_score=score, phenotype=score_phenotype(reading.gene, score), diplotype=None)
    if reading.phenotype in {None, Phenotype.INDETERMINATE, Phenotype.POSSIBLE_INTERMEDIATE}:
        # Full inhibition makes the genotype irrelevant; with less the result stays unknown.
        fully_inhibited = factor == 0 and reading.phenotype is not None
        score_zero = ActivityScore(0.0) if fully_inhibited and reading.gene == "CYP2D6" else None
        return replace(
            reading,
            phenotype=Phenotype.POOR if fully_inhibited else reading.phenotype,
            activity_score=score_zero,
            activity=0.0 if fully_inhibited else reading.activity,
        )
    if factor == 0 or reading.phenotype in {Phenotype.POOR, Phenotype.LIKELY_POOR, Phenotype.INTERMEDIATE}:
        return replace(reading, phenotype=Phenotype.POOR, diplotype=None)
    return replace(reading, phenotype=Phenotype.INTERMEDIATE, diplotype=None)
