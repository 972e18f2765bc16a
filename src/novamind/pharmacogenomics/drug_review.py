"""One drug's review for one patient, and the one rule of what speaks against a drug."""

from dataclasses import dataclass

from novamind.drugs.domain import Caution, Severity, Source
from novamind.drugs.exposure import TherapeuticRange
from novamind.drugs.limits import DOSE
from novamind.pharmacogenomics.domain import Action, Advice, Efficacy, Exposure, PhenotypeChange, SideEffect
from novamind.summary import Summarised, Summary, clipped, counted

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
#: From this concern on guidelines or cautions ask for another drug, or against this one.
SPEAKS_AGAINST = 3
_SEVERE = (Severity.CONTRAINDICATED, Severity.MAJOR)
CONCERN_NAMES = ("use as usual", "use with attention", "adjust the dose", "consider another drug", "avoid")
# CPIC's populations for patients who have already taken the drug for months.
_ALREADY_TAKING = "use >3"


def advised_concern(advice: Advice) -> int:
    """Return how much a guideline's advice speaks against the plain use of the drug for somebody who begins it."""
    return 0 if _ALREADY_TAKING in advice.population else _CONCERN.get(advice.action, _ADJUSTMENT)


def caution_concern(caution: Caution) -> int:
    """Return how much a caution speaks against the drug; a dose that is too high asks for another dose."""
    concern = _CAUTION_CONCERN[caution.severity]
    return min(concern, _ADJUSTMENT) if caution.cause == DOSE else concern


@dataclass(frozen=True, repr=False)
class DrugReview(Summarised):
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
        A sentence for the case that no guideline has an action; empty otherwise.
    phenotypes
        The drug's genes before and after co-medication, one entry per reading.
    exposure
        Expected exposure of the first analyte; ``exposures`` holds all of them.
    therapeutic_range
        Plasma level range, None when unknown to us.
    interactions
        Cautions with other drugs (taken or stopped), conditions, recorded allergies and the dose.
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
        """The concern in words; ``no genotype advice`` where no guideline has any."""
        return "no genotype advice" if self.concern == 0 and self.standing else CONCERN_NAMES[self.concern]

    def _summary(self) -> Summary:
        rows: list[tuple[object, ...]] = [(advice.source, advice.action, advice.text) for advice in self.guidelines]
        rows += [("caution", caution.severity, caution.text) for caution in self.caution]
        text = f"{clipped(self.drug)}: {self.verdict}; {counted(len(self.caution), 'caution')}"
        return Summary(text, ("source", "asks for", "text"), rows)

    @property
    def severe(self) -> tuple[Caution, ...]:
        """Contraindications and major cautions, the gravest first."""
        return tuple(
            sorted((c for c in self.caution if c.severity in _SEVERE), key=lambda c: _SEVERE.index(c.severity))
        )

    @property
    def against(self) -> str | None:
        """Why the drug is not put forward, the gravest reason; ``None`` where it may be.

        An allergy or another severe caution, a guideline that asks for another drug, no published response. This is the
        one place of the rule: rankings, alternatives, cards and recommendations ask here.
        """
        if self.severe:
            return self.severe[0].text
        if self.concern >= SPEAKS_AGAINST:
            return self.verdict
        return None if self.efficacy is not None else "no published response is in the tables"

    @property
    def leading(self) -> Advice | None:
        """The guideline's advice that asks for most, the first of several; None when none asks for anything."""
        asking = [a for a in self.guidelines if advised_concern(a) > 0]
        return max(asking, key=advised_concern, default=None)
