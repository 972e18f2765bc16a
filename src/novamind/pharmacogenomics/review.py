"""The answer to one patient's question: every drug with its advice, exposure, cautions and evidence."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from novamind.errors import NotFoundError, ValidationError
from novamind.pharmacogenomics import exposure as exposures
from novamind.pharmacogenomics import guidelines, interactions, outcomes
from novamind.pharmacogenomics import medications as formulary
from novamind.pharmacogenomics.domain import (
    DISCLAIMER,
    Action,
    Advice,
    Caution,
    Diplotype,
    Efficacy,
    Exposure,
    GeneResult,
    Phenotype,
    PhenotypeChange,
    Severity,
    SideEffect,
    Source,
    to_dict,
)
from novamind.pharmacogenomics.exposure import TherapeuticRange
from novamind.pharmacogenomics.knowledge import sources
from novamind.pharmacogenomics.phenoconversion import convert
from novamind.pharmacogenomics.phenotypes import known_genes, results, unknown_alleles

if TYPE_CHECKING:
    import altair as alt

# How much an action speaks against the plain use of a drug.
_CONCERN = {
    **dict.fromkeys((Action.AVOID, Action.AVOID_USE_ALTERNATIVE, Action.CONTRAINDICATED), 4),
    **dict.fromkeys(
        (Action.AVOID_OR_ADJUST_DOSE, Action.AVOID_OR_TDM, Action.AVOID_AS_ALTERNATIVE_TO_CBZ,
         Action.CONSIDER_ALTERNATIVE, Action.WEIGH_RISK_BENEFIT, Action.ALTERNATIVE_OR_ADJUST_DOSE,
         Action.ALTERNATIVE_OR_INCREASE_IF_NO_RESPONSE), 3),
    **dict.fromkeys((Action.INFORMATION_ONLY, Action.MONITOR), 1),
    **dict.fromkeys((Action.STANDARD_DOSE, Action.NO_ACTION, Action.NO_RECOMMENDATION), 0),
}  # fmt: skip
_ADJUSTMENT = 2  # every other action changes the dose or the titration
_CAUTION_CONCERN = {
    Severity.CONTRAINDICATED: 4,
    Severity.MAJOR: 3,
    Severity.MODERATE: 1,
    Severity.INFORMATION: 0,
}
CONCERN_NAMES = ("use as usual", "use with attention", "adjust the dose", "consider another drug", "avoid")
# CPIC's populations for patients who have already taken the drug for months.
_ALREADY_TAKING = "use >3"
_NO_RATES = "No side-effect rates for this drug are in our tables."


@dataclass(frozen=True)
class DrugReview:
    """Everything we can say about one drug for this patient.

    Attributes
    ----------
    drug, drug_class
        Generic name and class.
    guidelines
        Advice after co-medication per guideline, population and reading; conflicts stand side by side.
    guidelines_before
        The same without co-medication; empty when the co-medication changes nothing.
    standing
        What to tell the reader when no guideline has an action; empty otherwise.
    phenotypes
        The drug's genes before and after co-medication, one entry per reading.
    exposure
        Expected exposure of the first analyte; ``exposures`` holds all of them.
    therapeutic_range
        Plasma level range, None when unknown to us.
    interactions
        Cautions with other drugs and conditions.
    side_effects
        Published risks; ``side_effect_note`` says so when there are none in the tables.
    efficacy
        Published odds ratio of response, None when unknown to us; ``dropout`` likewise.
    caution
        All cautions: interactions and what is uncertain in the genotype.
    concern
        0 (use as usual) to 4 (avoid): the worst of all advice and cautions.
    evidence
        Every source the review rests on.
    """

    drug: str
    drug_class: str
    guidelines: tuple[Advice, ...]
    guidelines_before: tuple[Advice, ...]
    standing: str
    phenotypes: tuple[PhenotypeChange, ...]
    exposure: Exposure
    exposures: tuple[Exposure, ...]
    therapeutic_range: TherapeuticRange | None
    interactions: tuple[Caution, ...]
    side_effects: tuple[SideEffect, ...]
    side_effect_note: str
    efficacy: Efficacy | None
    dropout: Efficacy | None
    caution: tuple[Caution, ...]
    concern: int
    evidence: tuple[Source, ...]

    @property
    def verdict(self) -> str:
        """The concern in words; without any advice on the genotype, that is what it says."""
        return "no genotype advice" if self.concern == 0 and self.standing else CONCERN_NAMES[self.concern]

    @property
    def leading(self) -> Advice | None:
        """The guideline's advice that asks for most, the first of several; None when none asks for anything."""
        asking = [a for a in self.guidelines if _advised_concern(a) > 0]
        return max(asking, key=_advised_concern, default=None)


@dataclass(frozen=True)
class Review(Collection[str]):
    """Reviews by generic or brand name, with the genotype they rest on.

    Iterates over drugs in the order that was asked for; ``ranking`` has them by concern and efficacy.
    """

    genotype: Mapping[str, Diplotype]
    phenotypes: tuple[PhenotypeChange, ...]
    comedications: tuple[str, ...]
    conditions: tuple[str, ...]
    notes: tuple[str, ...]
    drugs: Mapping[str, DrugReview]

    def __getitem__(self, name: str) -> DrugReview:
        known = formulary.normalise(name) or name
        if known not in self.drugs:
            raise NotFoundError("The drug is not part of this review; name it in 'medications' and ask again.")
        return self.drugs[known]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (formulary.normalise(name) or name) in self.drugs

    def __iter__(self) -> Iterator[str]:
        return iter(self.drugs)

    def __len__(self) -> int:
        return len(self.drugs)

    def values(self) -> tuple[DrugReview, ...]:
        """Return the reviews in the order that was asked for."""
        return tuple(self.drugs.values())

    @property
    def ranking(self) -> tuple[DrugReview, ...]:
        """Least concern first, then drugs with genotype advice, then the higher odds ratio of response.

        No weights are invented.
        """
        return tuple(sorted(self.drugs.values(), key=_order))

    def comparison(self, drugs: Sequence[str] | None = None) -> dict[str, str]:
        """Which option leads on what; a missing entry means that no published figure allows the comparison.

        Returns
        -------
        dict
            ``highest efficacy`` by odds ratio of response, ``fewest dropouts`` by odds ratio of dropout
            (known for few drugs) and ``best balance``: the least concern, among those the highest efficacy.
        """
        chosen = [self[d] for d in drugs] if drugs is not None else list(self.ranking)
        found: dict[str, str] = {}
        if rated := [d for d in chosen if d.efficacy]:
            found["highest efficacy"] = max(rated, key=lambda d: d.efficacy.odds_ratio if d.efficacy else 0).drug
            found["best balance"] = min(rated, key=_order).drug
        if rated := [d for d in chosen if d.dropout]:
            found["fewest dropouts"] = min(rated, key=lambda d: d.dropout.odds_ratio if d.dropout else 0).drug
        return found

    def plot(self) -> "alt.LayerChart | alt.FacetChart":
        """Draw the expected exposure of every drug that has a published ratio."""
        from novamind.pharmacogenomics.plots import exposure_chart

        return exposure_chart(self)

    def report_html(self) -> str:
        """Printable report for the record."""
        from novamind.pharmacogenomics.report import render

        return render(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "genotype": {gene: to_dict(d) | {"name": d.name} for gene, d in self.genotype.items()},
            "phenotypes": to_dict(self.phenotypes),
            "comedications": list(self.comedications),
            "conditions": list(self.conditions),
            "notes": list(self.notes),
            "ranking": [d.drug for d in self.ranking],
            "comparison": self.comparison(),
            "drugs": {name: to_dict(d) for name, d in self.drugs.items()},
            "disclaimer": DISCLAIMER,
        }


def _advised_concern(advice: Advice) -> int:
    """How much a guideline's advice speaks against the plain use of the drug for somebody who is to begin it."""
    return 0 if _ALREADY_TAKING in advice.population else _CONCERN.get(advice.action, _ADJUSTMENT)


def _order(review: DrugReview) -> tuple[int, bool, float, str]:
    return (
        review.concern,
        bool(review.standing),
        -(review.efficacy.odds_ratio if review.efficacy else 0),
        review.drug,
    )


def recommend(
    genotype: Mapping[str, Diplotype],
    medications: Sequence[str] | None = None,
    comedications: Sequence[str] = (),
    conditions: Sequence[str] = (),
) -> Review:
    """Review drugs for one genotype, medication list and set of conditions.

    Parameters
    ----------
    genotype
        gene -> Diplotype, from ``call_vcf`` or ``genotype``. May be empty.
    medications
        Drugs to look at, generic or brand; all psychiatric drugs when None. One that we do not know gets an
        entry that says so.
    comedications
        What the patient takes; unknown names are listed in ``notes`` as not checked.
    conditions
        Words of ``interactions.known_conditions()``; others are listed in ``notes`` as not checked.

    Raises
    ------
    ValidationError
        A list of names is given as one text.
    """
    for argument, names in (
        ("medications", medications),
        ("comedications", comedications),
        ("conditions", conditions),
    ):
        if isinstance(names, str):
            raise ValidationError(f"'{argument}' takes a list of names, not one text.")
    taken, strangers = _known(comedications)
    stated = tuple(dict.fromkeys(" ".join(c.lower().replace("_", " ").split()) for c in conditions))
    unheard = [c for c in stated if c not in interactions.known_conditions()]
    notes = []
    if not any(results(d) for d in genotype.values()):
        notes.append("No gene result is known: guidelines that need one are not applied, other cautions are.")
    for d in genotype.values():
        if d.gene not in known_genes():
            notes.append(f"{d.gene} is not in our gene tables; its result was not used.")
        elif strange := unknown_alleles(d):
            notes.append(
                f"{d.gene}: no function is known for allele {', '.join(strange)}, so the genotype gives no phenotype."
            )
    if strangers:
        notes.append(f"Not in the medication tables, interactions not checked: {', '.join(strangers)}.")
    if unheard:
        notes.append(f"No rule refers to these conditions, they were not used: {', '.join(unheard)}.")
    readings = {gene: results(d) for gene, d in genotype.items()}
    changes = tuple(convert(r, taken) for of in readings.values() for r in of)
    wanted = formulary.psychiatric() if medications is None else medications
    drugs: dict[str, DrugReview] = {}
    for name in wanted:
        known = formulary.normalise(name)
        drugs[known or name] = _review(known, genotype, readings, taken, stated) if known else _unknown(name)
    return Review(genotype, changes, taken, stated, tuple(notes), drugs)


def _known(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    pairs = {name: formulary.normalise(name) for name in names}
    return tuple(dict.fromkeys(k for k in pairs.values() if k)), [name for name, k in pairs.items() if not k]


def _review(
    drug: str,
    genotype: Mapping[str, Diplotype],
    readings: Mapping[str, Sequence[GeneResult]],
    comedications: tuple[str, ...],
    conditions: tuple[str, ...],
) -> DrugReview:
    relevant = [g for g in _genes(drug) if readings.get(g)]
    changes = {g: [convert(r, comedications, but=drug) for r in readings[g]] for g in relevant}
    after = {g: tuple(dict.fromkeys(c.after for c in of)) for g, of in changes.items()}
    flat = tuple(c for of in changes.values() for c in of)
    advice = guidelines.advise(drug, after)
    before = guidelines.advise(drug, readings) if any(c.converted for c in flat) else ()
    asking = {g for a in advice if _advised_concern(a) for g in a.genes}
    altered = [g for g, of in after.items() if g in asking and any(r.phenotype is not Phenotype.NORMAL for r in of)]
    analytes = _exposures(drug, after, altered, comedications, conditions)
    side_effects = outcomes.side_effects(drug, [r for of in after.values() for r in of], analytes[0])
    published = {e.outcome: e for e in outcomes.efficacy().get(drug, ())}
    with_others = interactions.cautions(drug, comedications, conditions)
    uncertain = tuple(
        Caution(Severity.INFORMATION, warning, gene, sources()["pharmvar-2025"])
        for gene in _genes(drug)
        if gene in genotype
        for warning in genotype[gene].warnings
    )
    concern = max([0] + [_advised_concern(a) for a in advice] + [_CAUTION_CONCERN[c.severity] for c in with_others])
    level = exposures.therapeutic_ranges().get(drug)
    cited = [
        *(a.reference for a in advice), *(s for c in flat for s in c.sources),
        *(e.source for e in analytes if e.source), *(c.source for c in with_others),
        *(s.source for s in side_effects), *(e.source for e in published.values()),
        *([level.source] if level else []),
    ]  # fmt: skip
    return DrugReview(
        drug=drug,
        drug_class=formulary.catalogue()[drug].drug_class,
        guidelines=advice,
        guidelines_before=before if before != advice else (),
        standing=guidelines.standing(drug, advice, relevant),
        phenotypes=flat,
        exposure=analytes[0],
        exposures=analytes,
        therapeutic_range=level,
        interactions=with_others,
        side_effects=side_effects,
        side_effect_note="" if side_effects else _NO_RATES,
        efficacy=published.get("response"),
        dropout=published.get("dropout"),
        caution=with_others + uncertain,
        concern=concern,
        evidence=tuple(dict.fromkeys(cited)),
    )


def _genes(drug: str) -> tuple[str, ...]:
    """Genes that matter for a drug: those its guidelines look at, then those of its exposure ratios."""
    return tuple(
        dict.fromkeys((*guidelines.guideline_genes(drug), *(p.gene for p in exposures.pathways().get(drug, ()))))
    )


def _exposures(
    drug: str,
    after: Mapping[str, Sequence[GeneResult]],
    altered: Sequence[str],
    comedications: tuple[str, ...],
    conditions: tuple[str, ...],
) -> tuple[Exposure, ...]:
    """Compute exposures analyte by analyte; over several readings their range.

    ``altered`` are the genes that are not normal and for which a guideline asks for something: one that the figure does
    not count with changes the exposure by an amount that is not in the tables.
    """
    by_gene = exposures.pathways().get(drug, ())
    if not by_gene or not after.get(by_gene[0].gene):
        return exposures.expected(drug, {})
    gene = by_gene[0].gene
    per_reading = [exposures.expected(drug, {gene: r}) for r in after[gene]]
    causes = (
        *interactions.without_size(drug, comedications, conditions, gene),
        *(g for g in altered if g.startswith("CYP") and g != gene),
    )
    return tuple(_with_causes(exposures.span(analyte), causes) for analyte in zip(*per_reading, strict=True))


def _with_causes(known: Exposure, causes: Sequence[str]) -> Exposure:
    """Name what the figure does not count with; a figure that claims to be exact is withdrawn then."""
    if not causes or known.low is None:
        return known
    if known.low == known.high:
        size = f"{' and '.join(causes)} can change it; by how much is not in our tables."
        return Exposure(known.analyte, None, None, None, size, known.source)
    return replace(known, basis=f"{known.basis.removesuffix('.')}; not counted: {', '.join(causes)}.")


def _unknown(name: str) -> DrugReview:
    nothing = Exposure(name, None, None, None, "The drug is not in our tables.")
    return DrugReview(
        drug=name,
        drug_class="",
        guidelines=(),
        guidelines_before=(),
        standing=f"{name} is not in the medication tables; nothing is known about it here.",
        phenotypes=(),
        exposure=nothing,
        exposures=(nothing,),
        therapeutic_range=None,
        interactions=(),
        side_effects=(),
        side_effect_note=_NO_RATES,
        efficacy=None,
        dropout=None,
        caution=(),
        concern=0,
        evidence=(),
    )
