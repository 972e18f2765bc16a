"""What a genotype, a phenotype and a piece of advice are; no input or output, no framework."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from novamind.drugs.domain import Source

DISCLAIMER = (
    "This report restates published guidelines for one genotype and medication list. It does not know the"
    " patient: diagnosis, history and clinical judgement decide."
)


class Function(StrEnum):
    """Function of one allele, in CPIC's standard terms (Caudle 2017, PMID 27441996)."""

    NO = "No function"
    DECREASED = "Decreased function"
    NORMAL = "Normal function"
    INCREASED = "Increased function"
    UNCERTAIN = "Uncertain function"
    UNKNOWN = "Unknown function"


class Phenotype(StrEnum):
    """Metaboliser status, in CPIC's standard terms (Caudle 2017, PMID 27441996)."""

    POOR = "Poor Metabolizer"
    LIKELY_POOR = "Likely Poor Metabolizer"
    INTERMEDIATE = "Intermediate Metabolizer"
    LIKELY_INTERMEDIATE = "Likely Intermediate Metabolizer"
    POSSIBLE_INTERMEDIATE = "Possible Intermediate Metabolizer"
    NORMAL = "Normal Metabolizer"
    RAPID = "Rapid Metabolizer"
    ULTRARAPID = "Ultrarapid Metabolizer"
    INDETERMINATE = "Indeterminate"


class ActivityScore(float):
    """Sum of the two alleles' activity values; ``at_least`` when a copy number is only known from below."""

    at_least: bool

    def __new__(cls, value: float, at_least: bool = False) -> "ActivityScore":  # noqa: D102
        score = super().__new__(cls, value)
        score.at_least = at_least and value > 0
        return score

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else ''}{float(self)!r}"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ActivityScore):
            return float(self) == float(other) and self.at_least == other.at_least
        return float(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other  # float brings its own, which knows no bound

    def __hash__(self) -> int:
        return hash((float(self), self.at_least))


@dataclass(frozen=True, slots=True)
class AlleleCopy:
    """One chromosome copy as reported: ``*4``, ``*1x2``, ``*1x≥3`` or a tandem ``*36+*10``.

    ``parts`` holds (star allele, copies) in order; ``at_least`` when the number of copies is a lower bound.
    """

    parts: tuple[tuple[str, int], ...]
    at_least: bool = False

    def __str__(self) -> str:
        return "+".join(f"{name}x{'≥' if self.at_least else ''}{n}" if n > 1 else name for name, n in self.parts)


@dataclass(frozen=True, slots=True)
class DiplotypeCall:
    """A pair of alleles that explains the sample, with the number of positions that support it."""

    first: str
    second: str
    score: int | None = None

    @property
    def name(self) -> str:
        """For example ``*1/*4``."""
        return f"{self.first}/{self.second}"


@dataclass(frozen=True)
class Diplotype:
    """What is known of one gene in one person.

    Parameters
    ----------
    gene
        HGNC symbol.
    calls
        Every best-scoring pair; several when the data cannot tell them apart, none when nothing fits.
    origin
        ``variants`` (called here), ``outside`` (reported by a laboratory) or ``phenotype`` (only the
        phenotype or the activity score was reported).
    reported
        The reported phenotype or activity score when ``origin`` is ``phenotype``.
    markers
        For HLA genes: allele -> carried or not; an allele that is not a key was not tested.
    missing
        GRCh38 positions of the gene's definition that the data do not cover.
    not_excluded
        Alleles that could hide behind missing positions; a call beside them is provisional.
    doubtful
        Positions where a variant was seen in no usable genotype (half a call, a record that contradicts
        another); a call beside them is provisional.
    warnings
        What the reader of the result has to know, one sentence each.
    """

    gene: str
    calls: tuple[DiplotypeCall, ...] = ()
    origin: str = "variants"
    reported: str | None = None
    markers: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    missing: tuple[int, ...] = ()
    not_excluded: tuple[str, ...] = ()
    doubtful: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def provisional(self) -> bool:
        """Whether the call rests on unseen positions, or on variants alone where copies matter (CYP2D6)."""
        unseen = bool(self.not_excluded or self.doubtful)
        return bool(self.calls) and (unseen or (self.gene == "CYP2D6" and self.origin == "variants"))

    @property
    def ambiguous(self) -> bool:
        """Whether more than one pair of alleles explains the data equally well."""
        return len(self.calls) > 1

    @property
    def name(self) -> str:
        """All pairs, joined by ``or``; for HLA the tested markers; ``not called`` when there is none."""
        if self.markers:
            return ", ".join(f"{a} {'positive' if on else 'negative'}" for a, on in sorted(self.markers.items()))
        if self.reported is not None:
            return f"reported: {self.reported}"
        return " or ".join(call.name for call in self.calls) or "not called"

    def __str__(self) -> str:
        return f"{self.gene} {self.name}"


class GenotypeResults(dict[str, Diplotype]):
    """Gene to what is known of it, as a file gives it; ``notes`` say what of the file was not used."""

    def __init__(self, diplotypes: Mapping[str, Diplotype], notes: Iterable[str] = ()) -> None:
        super().__init__(diplotypes)
        self.notes = tuple(notes)


@dataclass(frozen=True, slots=True)
class GeneResult:
    """One reading of one gene, as guidelines look it up.

    Parameters
    ----------
    gene
        HGNC symbol.
    phenotype
        Metaboliser status, or None where the gene has no phenotype (HLA) or no guideline names one.
    activity_score
        Only for genes scored by activity (CYP2D6, CYP2C9); None when an allele has no value.
    diplotype
        For example ``*1/*4``; None when only a phenotype was reported.
    activity
        Enzyme activity relative to the reference genotype (two normal alleles = 1); None when unknown.
    activity_low, activity_high
        Range of that activity where a co-medication makes it uncertain.
    genetic_activity
        That activity without co-medication, where one changes it.
    markers
        For HLA: allele -> carried.
    provisional
        The call behind it rests on positions that were not seen, or on variants alone for CYP2D6.
    """

    gene: str
    phenotype: Phenotype | None
    activity_score: ActivityScore | None = None
    diplotype: str | None = None
    activity: float | None = None
    activity_low: float | None = None
    activity_high: float | None = None
    genetic_activity: float | None = None
    markers: tuple[tuple[str, bool], ...] = ()
    provisional: bool = False

    @property
    def label(self) -> str:
        """Short text: phenotype, with the activity score where there is one."""
        if self.markers:
            return ", ".join(f"{a} {'positive' if on else 'negative'}" for a, on in self.markers)
        text = str(self.phenotype) if self.phenotype is not None else "no guideline phenotype"
        if self.activity_score is not None:
            text += f" (activity score {self.activity_score})"
        return f"{text}, provisional" if self.provisional else text


class Action(StrEnum):
    """What a guideline asks for. One code is one reading of the guideline's text."""

    AVOID = "AVOID"
    AVOID_USE_ALTERNATIVE = "AVOID_USE_ALTERNATIVE"
    AVOID_OR_ADJUST_DOSE = "AVOID_OR_ADJUST_DOSE"
    AVOID_OR_TDM = "AVOID_OR_TDM"
    AVOID_AS_ALTERNATIVE_TO_CBZ = "AVOID_AS_ALTERNATIVE_TO_CBZ"
    CONTRAINDICATED = "CONTRAINDICATED"
    WEIGH_RISK_BENEFIT = "WEIGH_RISK_BENEFIT"
    CONSIDER_ALTERNATIVE = "CONSIDER_ALTERNATIVE"
    ALTERNATIVE_OR_ADJUST_DOSE = "ALTERNATIVE_OR_ADJUST_DOSE"
    ALTERNATIVE_OR_INCREASE_IF_NO_RESPONSE = "ALTERNATIVE_OR_INCREASE_IF_NO_RESPONSE"
    ADJUST_DOSE = "ADJUST_DOSE"
    ADJUST_DOSE_OR_ALTERNATIVE = "ADJUST_DOSE_OR_ALTERNATIVE"
    ADJUST_DOSE_OR_AVOID = "ADJUST_DOSE_OR_AVOID"
    ADJUST_DOSE_PER_LABEL = "ADJUST_DOSE_PER_LABEL"
    REDUCE_DOSE = "REDUCE_DOSE"
    CONSIDER_REDUCTION = "CONSIDER_REDUCTION"
    REDUCE_IF_SIDE_EFFECTS = "REDUCE_IF_SIDE_EFFECTS"
    LIMIT_MAX_DOSE = "LIMIT_MAX_DOSE"
    LOWEST_START = "LOWEST_START"
    LOWER_START_OR_ALTERNATIVE = "LOWER_START_OR_ALTERNATIVE"
    LOWER_START_SLOW_TITRATION = "LOWER_START_SLOW_TITRATION"
    START_LOW_THEN_TDM = "START_LOW_THEN_TDM"
    STANDARD_START_SLOW_TITRATION_LOWER_MAINTENANCE = "STANDARD_START_SLOW_TITRATION_LOWER_MAINTENANCE"
    STANDARD_START_THEN_INCREASE_OR_SWITCH = "STANDARD_START_THEN_INCREASE_OR_SWITCH"
    LABEL_DOSE_THEN_TDM = "LABEL_DOSE_THEN_TDM"
    CAUTION_TITRATE = "CAUTION_TITRATE"
    CAUTIOUS_USE = "CAUTIOUS_USE"
    MONITOR = "MONITOR"
    INFORMATION_ONLY = "INFORMATION_ONLY"
    STANDARD_DOSE = "STANDARD_DOSE"
    NO_ACTION = "NO_ACTION"
    NO_RECOMMENDATION = "NO_RECOMMENDATION"


# CPIC's population labels of the anticonvulsants.
_AUDIENCES = {
    "naive": "not taken before",
    "use >3": "taken for over 3 months",
    "no alternatives": "no alternative",
    "pediatrics": "children",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """What one guideline says for one drug and one reading of the genotype.

    ``dose_factor`` is the guideline's own figure: ``-50%`` is a change, ``67%`` a share of the normal dose.
    ``when`` names the gene results it was looked up with.
    """

    source: str
    drug: str
    population: str
    genes: tuple[str, ...]
    action: Action
    dose_factor: str
    dose_basis: str
    dose_limit: str
    monitoring: str
    strength: str
    text: str
    guideline_id: str
    reference: Source
    when: tuple[str, ...] = ()

    @property
    def audience(self) -> str:
        """Who the advice is for, in plain words; empty when it is for everybody."""
        if self.population in {"", "general"}:
            return ""
        return next((words for part, words in _AUDIENCES.items() if part in self.population), self.population)

    @property
    def url(self) -> str:
        """Address of the guideline."""
        return self.reference.url


@dataclass(frozen=True, slots=True)
class Exposure:
    """Expected concentration at the same dose, relative to a normal metaboliser without co-medication.

    ``ratio`` is None when nothing published allows a figure; ``basis`` then says what is missing.
    """

    analyte: str
    ratio: float | None
    low: float | None
    high: float | None
    basis: str
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class SideEffect:
    """Published risk of one side effect.

    ``comparison`` is the rate on placebo, or in normal metabolisers where ``note`` says so; it and
    ``adjusted`` (the risk at the expected exposure) are None where there is no basis.
    """

    effect: str
    risk: str
    comparison: str | None
    adjusted: str | None
    note: str
    source: Source


@dataclass(frozen=True, slots=True)
class Efficacy:
    """Odds ratio of response against placebo with its 95 % interval, from a network meta-analysis."""

    odds_ratio: float
    low: float
    high: float
    outcome: str
    source: Source


@dataclass(frozen=True, slots=True)
class PhenotypeChange:
    """One gene before and after the co-medication; equal when nothing in it acts on the gene."""

    gene: str
    before: GeneResult
    after: GeneResult
    reasons: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def converted(self) -> bool:
        """Whether the co-medication changes phenotype or score."""
        return self.reasons != () and (self.before.phenotype, self.before.activity_score) != (
            self.after.phenotype,
            self.after.activity_score,
        )
