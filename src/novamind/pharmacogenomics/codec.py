"""The one JSON of a medication review, through every door."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol, Self

from pydantic import BeforeValidator, Field

from novamind.drugs.codec import Body, CautionBody, SourceBody
from novamind.pharmacogenomics.domain import DISCLAIMER, Action, Diplotype, Phenotype, PhenotypeChange
from novamind.pharmacogenomics.drug_review import DrugReview


class ReviewedPatient(Protocol):
    """A review, as :class:`novamind.pharmacogenomics.review.Review` holds it."""

    @property
    def genotype(self) -> Mapping[str, Diplotype]:
        """Gene to diplotype."""

    @property
    def phenotypes(self) -> Sequence[PhenotypeChange]:
        """Before and after co-medication."""

    @property
    def comedications(self) -> Sequence[str]:
        """What is taken."""

    @property
    def conditions(self) -> Sequence[str]:
        """What the person has."""

    @property
    def allergies(self) -> Sequence[str]:
        """Drugs to which an allergy is recorded."""

    @property
    def notes(self) -> Sequence[str]:
        """What was not used, and why."""

    @property
    def drugs(self) -> Mapping[str, DrugReview]:
        """Reviews by generic name."""

    @property
    def ranking(self) -> Sequence[DrugReview]:
        """The drugs, least concern first."""

    def comparison(self) -> dict[str, str]:
        """Return which drug leads on what."""


class DiplotypeCallBody(Body):
    """A pair of alleles that explains the sample."""

    first: str = Field(description="Star allele.")
    second: str = Field(description="Star allele.")
    score: int | None = Field(description="Number of positions that support the pair; null if it was reported.")


class DiplotypeBody(Body):
    """What is known of one gene in one person."""

    gene: str = Field(description="HGNC symbol.")
    name: str = Field(description="All pairs in words; for HLA the tested alleles.")
    calls: list[DiplotypeCallBody] = Field(description="Every best-scoring pair; none where nothing fits.")
    origin: str = Field(description="`variants` (called here), `outside` (a laboratory) or `phenotype` (reported).")
    reported: str | None = Field(description="The reported phenotype or activity score.")
    markers: dict[str, bool] = Field(description="HLA allele to whether it is carried; others were not tested.")
    missing: list[int] = Field(description="GRCh38 positions of the gene that the data do not cover.")
    not_excluded: list[str] = Field(description="Alleles that may hide behind missing positions.")
    doubtful: list[int] = Field(description="GRCh38 positions where a variant was seen in no usable genotype.")
    warnings: list[str] = Field(description="What the reader has to know, a sentence each.")


class GeneResultBody(Body):
    """One reading of one gene, as guidelines look it up."""

    gene: str = Field(description="HGNC symbol.")
    phenotype: Phenotype | None = Field(description="Metaboliser status; null where no guideline names one.")
    activity_score: Annotated[str | None, BeforeValidator(lambda score: None if score is None else str(score))] = Field(
        description="Sum of the alleles' activity values (2.0 = two normal alleles); ≥ where copies are a lower bound."
    )
    diplotype: str | None = Field(description="Pair of alleles; null when only a phenotype was reported.")
    activity: float | None = Field(description="Enzyme activity relative to two normal alleles (1); null if unknown.")
    activity_low: float | None = Field(description="Its lower end, where co-medication makes it uncertain.")
    activity_high: float | None = Field(description="Its upper end, where co-medication makes it uncertain.")
    genetic_activity: float | None = Field(description="That activity without co-medication, where one changes it.")
    markers: Annotated[dict[str, bool], BeforeValidator(dict)] = Field(
        description="HLA allele to whether it is carried."
    )
    provisional: bool = Field(description="Whether positions were not seen or, for CYP2D6, copies not counted.")


class PhenotypeChangeBody(Body):
    """One gene before and after the co-medication; equal when nothing in it acts on the gene."""

    gene: str = Field(description="HGNC symbol.")
    before: GeneResultBody = Field(description="From the genotype alone.")
    after: GeneResultBody = Field(description="With the co-medication.")
    reasons: list[str] = Field(description="What changes it, a sentence each.")
    sources: list[SourceBody] = Field(description="Where that is published.")


class AdviceBody(Body):
    """What one guideline says for one drug and one reading of the genotype."""

    source: str = Field(description="Who issued the guideline.")
    drug: str = Field(description="Generic name.")
    population: str = Field(description="For whom it is meant.")
    genes: list[str] = Field(description="HGNC symbols of the genes that it looks at.")
    action: Action = Field(description="What the guideline asks for.")
    dose_factor: str = Field(description="The guideline's figure: -50% is a change, 67% a share of the usual dose.")
    dose_basis: str = Field(description="What that share is of.")
    dose_limit: str = Field(description="Largest dose, with its unit.")
    monitoring: str = Field(description="What to watch.")
    strength: str = Field(description="Strength of the recommendation, in the guideline's words.")
    text: str = Field(description="The advice in words.")
    guideline_id: str = Field(description="Identifier of the guideline at its source.")
    reference: SourceBody = Field(description="Where it is published.")
    when: list[str] = Field(description="Gene results that it was looked up with.")


class ExposureBody(Body):
    """Expected concentration at the same dose, relative to a normal metaboliser without co-medication (1)."""

    analyte: str = Field(description="What is measured.")
    ratio: float | None = Field(description="Ratio; null where nothing published allows a figure.")
    low: float | None = Field(description="Lower end of the ratio.")
    high: float | None = Field(description="Upper end of the ratio.")
    basis: str = Field(description="What the figure rests on, or what is missing.")
    source: SourceBody | None = Field(description="Where it is published.")


class TherapeuticRangeBody(Body):
    """Reference range of a plasma level."""

    analyte: str = Field(description="What is measured.")
    low: float = Field(description="Lower end, in `unit`.")
    high: float = Field(description="Upper end, in `unit`.")
    unit: str = Field(description="Unit of the level.")
    alert: float | None = Field(description="Level to act on, in `unit`.")
    source: SourceBody = Field(description="Where it is published.")


class SideEffectBody(Body):
    """Published risk of one side effect."""

    effect: str = Field(description="The side effect.")
    risk: str = Field(description="Published rate, with its unit.")
    comparison: str | None = Field(description="Rate on placebo, or in normal metabolisers where `note` says so.")
    adjusted: str | None = Field(description="Risk at the expected exposure; null where there is no basis.")
    note: str = Field(description="What the figures are of.")
    source: SourceBody = Field(description="Where it is published.")


class EfficacyBody(Body):
    """Odds ratio against placebo (1) with its 95 % interval, from a network meta-analysis."""

    odds_ratio: float = Field(description="Above 1 where the outcome is more frequent than on placebo.")
    low: float = Field(description="Lower end of the 95 % interval.")
    high: float = Field(description="Upper end of the 95 % interval.")
    outcome: str = Field(description="Response or dropout.")
    source: SourceBody = Field(description="Where it is published.")


class DrugReviewBody(Body):
    """Everything that can be said about one drug for this patient."""

    drug: str = Field(description="Generic name.")
    drug_class: str = Field(description="Class; empty for a drug that is not in the tables.")
    verdict: str = Field(description="The concern in words.")
    against: str | None = Field(description="Why the drug is not put forward; null where it may be.")
    guidelines: list[AdviceBody] = Field(description="Advice with the co-medication; conflicts stand side by side.")
    guidelines_before: list[AdviceBody] = Field(description="Without it; empty when it changes nothing.")
    standing: str = Field(description="What holds where no guideline has an action.")
    phenotypes: list[PhenotypeChangeBody] = Field(description="The drug's genes, one entry per reading.")
    exposure: ExposureBody = Field(description="Expected exposure of the first analyte.")
    exposures: list[ExposureBody] = Field(description="Of all analytes.")
    therapeutic_range: TherapeuticRangeBody | None = Field(description="Of plasma levels; null if not in the tables.")
    interactions: list[CautionBody] = Field(description="Cautions with other drugs, conditions and recorded allergies.")
    side_effects: list[SideEffectBody] = Field(description="Published risks.")
    side_effect_note: str = Field(description="Says so when there are none in the tables.")
    efficacy: EfficacyBody | None = Field(description="Of response; null if not in the tables.")
    dropout: EfficacyBody | None = Field(description="Of dropout; null if not in the tables.")
    caution: list[CautionBody] = Field(description="All cautions: interactions and what is uncertain in the genotype.")
    concern: int = Field(description="The worst of all advice and cautions, 0 (use as usual) to 4 (avoid).")
    evidence: list[SourceBody] = Field(description="Every source that the review rests on.")


class ReviewBody(Body):
    """What genotype and co-medication mean for each drug, with guidelines, evidence and what is not known."""

    genotype: dict[str, DiplotypeBody] = Field(description="Gene to what is known of it.")
    phenotypes: list[PhenotypeChangeBody] = Field(description="Genes before and after the co-medication.")
    comedications: list[str] = Field(description="What is taken, generic names.")
    conditions: list[str] = Field(description="What the person has.")
    allergies: list[str] = Field(description="Drugs to which an allergy is recorded, generic names.")
    notes: list[str] = Field(description="What was not used, and why.")
    ranking: list[str] = Field(description="Drugs, the least concern first.")
    comparison: dict[str, str] = Field(description="What is compared to the drug that leads on it.")
    drugs: dict[str, DrugReviewBody] = Field(description="Generic name to review.")
    disclaimer: str = Field(description="What this is not.")

    @classmethod
    def of(cls, review: ReviewedPatient) -> Self:
        """Return the wire form of the room's review."""
        return cls.model_validate(
            {
                "genotype": review.genotype,
                "phenotypes": review.phenotypes,
                "comedications": review.comedications,
                "conditions": review.conditions,
                "allergies": review.allergies,
                "notes": review.notes,
                "ranking": [drug.drug for drug in review.ranking],
                "comparison": review.comparison(),
                "drugs": review.drugs,
                "disclaimer": DISCLAIMER,
            }
        )
