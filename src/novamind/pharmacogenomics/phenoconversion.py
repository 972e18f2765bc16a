"""What co-medication does to a genotype: inhibitors and inducers shift enzyme activity.

- CYP2D6: a strong inhibitor multiplies the activity score by 0, a moderate one by 0.5; a weak one leaves it
  (CPIC opioid guideline 2021, PMID 33387367).
- Other enzymes have no guideline rule. A strong inhibitor makes a poor metaboliser, a moderate one halves the
  activity (Shah and Smith 2015, doi:10.1111/bcp.12441, by analogy); the result says that it is a convention.
- Induction has no look-up rule in any guideline: the phenotype stays, the expected exposure falls.

Expected exposure counts with the activity of :mod:`novamind.drugs.clearance`, by class or by a drug's own published
ratio; the look-up keeps the guideline's factor.
"""

from dataclasses import replace
from functools import lru_cache

from novamind.drugs.clearance import effect, measured
from novamind.drugs.tables import sources
from novamind.pharmacogenomics.domain import ActivityScore, GeneResult, Phenotype, PhenotypeChange
from novamind.pharmacogenomics.phenotypes import score_phenotype

# What an inhibitor of a class leaves of the activity score.
_FACTOR = {"strong": 0.0, "moderate": 0.5, "weak": 1.0}


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
        Before and after with the reasons. Only classes that were read at a source change the phenotype; one that
        nobody read changes the expected exposure, with a wide range. The strongest inhibitor decides, so adding one
        never raises the activity.
    """
    under = effect(reading.gene, comedications, but)
    if under is None:
        return PhenotypeChange(reading.gene, reading, reading, (), ())
    acting = under.modulators
    factor = min((_FACTOR[m.strength] for m in acting if m.effect == "inhibitor" and m.checked), default=1.0)
    after = _inhibited(reading, factor) if factor < 1 else reading
    if factor == 0:  # full inhibition leaves nothing for an unseen allele to change
        after = replace(after, provisional=False)
    if reading.activity is not None:
        after = replace(
            after,
            activity=reading.activity * under.share,
            activity_low=reading.activity * under.low,
            activity_high=reading.activity * under.high,
            genetic_activity=reading.activity,
        )
    elif after.activity is not None:  # whatever the genotype, at most this is left
        after = replace(after, activity_low=0.0, activity_high=under.high)
    reasons = [m.sentence if m.checked else f"{m.sentence}, a class that was not confirmed" for m in acting]
    cited = [m.source for m in acting]
    for drug in under.measured:
        own = measured()[drug, reading.gene]
        reasons.append(f"expected exposure counts with the {own.share:.0%} of {reading.gene} that {drug} leaves")
        cited.append(own.source)
    if after.phenotype is not reading.phenotype or after.activity_score != reading.activity_score:
        rule = "cpic-opioids-2021" if reading.gene == "CYP2D6" else "shah-smith-2015"
        cited.append(sources()[rule])
        if rule == "shah-smith-2015":
            reasons.append(f"no guideline converts {reading.gene}; this follows the CYP2D6 convention")
    if any(m.effect == "inducer" for m in acting):
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
