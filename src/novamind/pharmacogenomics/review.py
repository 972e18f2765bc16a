"""The answer to one patient's question: every drug with its advice, exposure, cautions and evidence."""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from novamind.drugs import cautions as interactions
from novamind.drugs.catalogue import catalogue, psychiatric
from novamind.drugs.clearance import shares
from novamind.drugs.conditions import ICD10, SNOMED, condition_of, condition_word
from novamind.drugs.domain import Caution, Severity
from novamind.drugs.exposure import therapeutic_ranges
from novamind.drugs.limits import Dosage, PatientFacts, dose_cautions, unlimited
from novamind.drugs.names import drugs_of, normalise
from novamind.drugs.organs import organ_effect
from novamind.drugs.regimen import since_stop
from novamind.drugs.tables import sources
from novamind.errors import NotFoundError, ValidationError
from novamind.pharmacogenomics import exposure as exposures
from novamind.pharmacogenomics import guidelines, outcomes
from novamind.pharmacogenomics.allergies import allergens_of
from novamind.pharmacogenomics.allergies import cautions as allergy_cautions
from novamind.pharmacogenomics.domain import (
    Diplotype,
    Exposure,
    GeneResult,
    GenotypeResults,
    Phenotype,
    PhenotypeChange,
)
from novamind.pharmacogenomics.drug_review import DrugReview, advised_concern, caution_concern
from novamind.pharmacogenomics.phenoconversion import convert
from novamind.pharmacogenomics.phenotypes import known_genes, results, unknown_alleles
from novamind.summary import Summarised, Summary, counted

if TYPE_CHECKING:
    import altair as alt

_GROUPS = ("antidepressant", "antipsychotic")
_NO_RATES = "No side-effect rates for this drug are in our tables."


@dataclass(frozen=True, repr=False)
class Alternative(Summarised):
    """A drug that could take another's place.

    Attributes
    ----------
    review
        The drug as it would be once the other is stopped.
    overlap
        Cautions for as long as both act, contraindications first: they bear on the switch, not on the choice.
    """

    review: DrugReview
    overlap: tuple[Caution, ...]

    def _summary(self) -> Summary:
        rows = [(caution.severity, caution.text) for caution in self.overlap]
        text = f"{self.review.drug}: {self.review.verdict}; {counted(len(rows), 'caution')} while both act"
        return Summary(text, ("caution", "text"), rows)


@dataclass(frozen=True, repr=False)
class Review(Summarised, Collection[str]):
    """Reviews by generic or brand name, with the genotype they rest on.

    Iterates over drugs in the order that was asked for; ``ranking`` has them by concern and efficacy.
    """

    genotype: Mapping[str, Diplotype]
    phenotypes: tuple[PhenotypeChange, ...]
    comedications: tuple[str, ...]
    conditions: tuple[str, ...]
    notes: tuple[str, ...]
    drugs: Mapping[str, DrugReview]
    allergies: tuple[str, ...] = ()
    stopped: Mapping[str, int | None] = field(default_factory=dict)
    doses: Mapping[str, Dosage] = field(default_factory=dict)
    person: PatientFacts = field(default_factory=PatientFacts)

    def __getitem__(self, name: str) -> DrugReview:
        drug = normalise(name) or name
        if drug not in self.drugs:
            raise NotFoundError("the drug is not part of this review; name it in 'medications' and ask again")
        return self.drugs[drug]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (normalise(name) or name) in self.drugs

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
        """Return which option leads on what; a missing entry means that no published figure allows the comparison.

        Returns
        -------
        dict
            ``highest efficacy`` by odds ratio of response, ``fewest dropouts`` by odds ratio of dropout
            (known for few drugs) and ``best balance``: of the drugs that may be put forward the one of least concern,
            among those the highest efficacy.
        """
        chosen = [self[d] for d in drugs] if drugs is not None else list(self.ranking)
        leaders: dict[str, str] = {}
        if rated := [d for d in chosen if d.efficacy]:
            leaders["highest efficacy"] = max(rated, key=lambda d: d.efficacy.odds_ratio if d.efficacy else 0).drug
        if fitting := [d for d in chosen if d.against is None]:
            leaders["best balance"] = min(fitting, key=_order).drug
        if rated := [d for d in chosen if d.dropout]:
            leaders["fewest dropouts"] = min(rated, key=lambda d: d.dropout.odds_ratio if d.dropout else 0).drug
        return leaders

    def without(self, drug: str, asked: Sequence[str] | None = None) -> "Review":
        """Return the review of drugs, every psychiatric one if not named, as if one that is taken now were stopped."""
        stopped = normalise(drug) or drug
        kept = tuple(name for name in self.comedications if name != stopped)
        return recommend(
            self.genotype,
            asked,
            kept,
            self.conditions,
            self.allergies,
            stopped=self.stopped,
            doses=self.doses,
            person=self.person,
        )

    def alternatives(self, drug: str, most: int = 3) -> tuple[Alternative, ...]:
        """Return the drugs that could take another's place, the best first.

        They are reviewed as after the switch, without the drug that they replace; what both together would do is in
        ``overlap``. Only drugs of the same group that nothing speaks against, with no more than a mild concern.
        """
        drug, drugs = normalise(drug) or drug, catalogue()
        group = next((g for g in _GROUPS if drug in drugs and g in drugs[drug].tags), None)
        if group is None:
            return ()
        asked = [
            name for name in psychiatric() if group in drugs[name].tags and name not in (drug, *self.comedications)
        ]
        fitting = [r for r in self.without(drug, asked).ranking if r.against is None and r.concern <= 1]
        return tuple(Alternative(review, interactions.cautions(review.drug, (drug,), ())) for review in fitting[:most])

    def plot(self) -> "alt.LayerChart | alt.FacetChart":
        """Draw the expected exposure of every drug that has a published ratio."""
        from novamind.pharmacogenomics.plots import exposure_chart

        return exposure_chart(self)

    def report_html(self) -> str:
        """Return the printable report for the record."""
        from novamind.pharmacogenomics.report import render

        return render(self)

    def _summary(self) -> Summary:
        rows = ((review.drug, review.verdict, review.against) for review in self.ranking)
        text = (
            f"{counted(len(self), 'drug')} for {counted(len(self.genotype), 'gene')} and "
            f"{counted(len(self.comedications), 'co-medication')}; {counted(len(self.notes), 'note')}"
        )
        return Summary(text, ("drug", "verdict", "not put forward because"), rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        from novamind.pharmacogenomics.codec import ReviewBody

        return ReviewBody.of(self).model_dump(mode="json")


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
    allergies: Sequence[str] = (),
    *,
    stopped: Mapping[str, int | None] | None = None,
    doses: Mapping[str, Dosage | float] | None = None,
    person: PatientFacts | None = None,
) -> Review:
    """Return the review of drugs for one genotype, medication list and set of conditions.

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
        In the words of the rules, a synonym, or a code of ICD-10 or SNOMED CT; others are listed in ``notes`` as not
        checked.
    allergies
        Drugs to which an allergy is recorded as active; other names are listed in ``notes`` as not checked.
    stopped
        Drugs no longer taken, to the days since the last dose; ``None`` where that is not known.
    doses
        Drug to its dosage, or to its mg a day: checked against the limits that hold for this person.
    person
        Age, sex, weight, kidney, liver, smoking, pregnancy; a limit whose fact is missing says so.

    Raises
    ------
    ValidationError
        A list of names is given as one text, or a dose or a number of days is no number above 0.
    """
    for argument, names in (
        ("medications", medications),
        ("comedications", comedications),
        ("conditions", conditions),
        ("allergies", allergies),
    ):
        if isinstance(names, str):
            raise ValidationError(f"'{argument}' takes a list of names, not one text")
    facts = person or PatientFacts()
    taken, strangers = _recognise((*comedications, *(("tobacco smoking",) if facts.smoker else ())))
    words = {name: _condition(name) for name in conditions}
    condition_names = tuple(dict.fromkeys((*(word or name for name, word in words.items()), *facts.conditions)))
    unheard = [name for name, word in words.items() if word is None]
    ended, ended_strangers = since_stop(stopped or {})
    dosages, dose_strangers = _dosages(doses or {})
    strangers += [name for name in (*ended_strangers, *dose_strangers) if name not in strangers]
    notes = list(genotype.notes) if isinstance(genotype, GenotypeResults) else []
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
        notes.append(f"Interactions were not checked for drugs outside the medication tables: {', '.join(strangers)}.")
    allergens, unmatched = _recognise(allergies, allergens_of)
    if unmatched:
        notes.append(f"Allergies to drugs outside the medication tables were not checked: {', '.join(unmatched)}.")
    if unheard:
        notes.append(f"Conditions that no rule refers to were not used: {', '.join(unheard)}.")
    if unlimited_drugs := unlimited(dosages):
        notes.append(f"No dose limit is in our tables, so the dose was not checked: {', '.join(unlimited_drugs)}.")
    asked = [drug for name in medications or () for drug in drugs_of(name)]
    notes += interactions.not_checked((*taken, *asked), ended)
    readings = {gene: results(d) for gene, d in genotype.items()}
    changes = tuple(convert(r, taken) for of in readings.values() for r in of)
    wanted = psychiatric() if medications is None else medications
    drugs: dict[str, DrugReview] = {}
    for name in wanted:
        for drug in drugs_of(name):
            drugs[drug] = _review(
                drug, genotype, readings, taken, condition_names, allergens, ended, dosages.get(drug), facts
            )
        if not drugs_of(name):
            drugs[name] = _unknown(name)
    return Review(genotype, changes, taken, condition_names, tuple(notes), drugs, allergens, ended, dosages, facts)


def _condition(name: str) -> str | None:
    """Return the rules' word for a condition by name or code."""
    code = name.strip()
    return condition_word(name) or condition_of(ICD10, code.upper()) or condition_of(SNOMED, code)


def _dosages(named: Mapping[str, Dosage | float]) -> tuple[dict[str, Dosage], list[str]]:
    drugs = {name: normalise(name) for name in named}
    generic = [drug for drug in drugs.values() if drug]
    if len(generic) > len(set(generic)):
        raise ValidationError("two of 'doses' are of one drug; add them up and give each drug once")
    if not all(isinstance(dose, Dosage | int | float) for dose in named.values()):
        raise ValidationError("each of 'doses' is mg a day, or a Dosage")
    dosages = {name: dose if isinstance(dose, Dosage) else Dosage(dose) for name, dose in named.items()}
    return {drug: dosages[name] for name, drug in drugs.items() if drug}, [n for n, drug in drugs.items() if not drug]


def _recognise(
    names: Sequence[str], read: Callable[[str], tuple[str, ...]] = drugs_of
) -> tuple[tuple[str, ...], list[str]]:
    """Return the drugs of all names, each once, and the names that are none."""
    pairs = {name: read(name) for name in names}
    strangers = [name.strip() or "an empty name" for name, of in pairs.items() if not of]
    return tuple(dict.fromkeys(d for of in pairs.values() for d in of)), strangers


def _review(
    drug: str,
    genotype: Mapping[str, Diplotype],
    readings: Mapping[str, Sequence[GeneResult]],
    comedications: tuple[str, ...],
    conditions: tuple[str, ...],
    allergens: tuple[str, ...],
    stopped: Mapping[str, int | None],
    dosage: Dosage | None,
    person: PatientFacts,
) -> DrugReview:
    relevant = [g for g in _genes(drug) if readings.get(g)]
    changes = {g: [convert(r, comedications, but=drug) for r in readings[g]] for g in relevant}
    after = {g: tuple(dict.fromkeys(c.after for c in of)) for g, of in changes.items()}
    flat = tuple(c for of in changes.values() for c in of)
    advice = guidelines.advise(drug, after)
    before = guidelines.advise(drug, readings) if any(c.converted for c in flat) else ()
    asking = {g for a in advice if advised_concern(a) for g in a.genes}
    altered = [g for g, of in after.items() if g in asking and any(r.phenotype is not Phenotype.NORMAL for r in of)]
    analytes = _exposures(drug, after, altered, comedications, conditions, person)
    side_effects = outcomes.side_effects(drug, [r for of in after.values() for r in of], analytes[0])
    published = {e.outcome: e for e in outcomes.efficacy().get(drug, ())}
    phenotypes = {gene: words for gene, of in readings.items() if (words := _metaboliser_words(of))}
    applicable = (
        *allergy_cautions(drug, allergens),
        *interactions.cautions(drug, comedications, conditions, stopped),
        *dose_cautions(drug, dosage, person, phenotypes, comedications, conditions),
    )
    with_others = tuple(sorted(applicable, key=lambda c: tuple(Severity).index(c.severity)))
    uncertain = tuple(
        Caution(Severity.INFORMATION, warning, gene, sources()["pharmvar-2025"])
        for gene in _genes(drug)
        if gene in genotype
        for warning in genotype[gene].warnings
    )
    concern = max([0] + [advised_concern(a) for a in advice] + [caution_concern(c) for c in with_others])
    level = therapeutic_ranges().get(drug)
    cited = [
        *(a.reference for a in advice), *(s for c in flat for s in c.sources),
        *(e.source for e in analytes if e.source), *(c.source for c in with_others),
        *(s.source for s in side_effects), *(e.source for e in published.values()),
        *([level.source] if level else []),
    ]  # fmt: skip
    return DrugReview(
        drug=drug,
        drug_class=catalogue()[drug].drug_class,
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


def _metaboliser_words(readings: Sequence[GeneResult]) -> tuple[str, ...]:
    """Return ``poor``, ``intermediate``, ... of each reading; none where a reading is unknown and no other is poor."""
    words = tuple(
        str(r.phenotype).removesuffix(" Metabolizer").rpartition(" ")[2].lower()
        for r in readings
        if r.phenotype not in (None, Phenotype.INDETERMINATE)
    )
    return words if len(words) == len(readings) or "poor" in words else ()


def _genes(drug: str) -> tuple[str, ...]:
    """Return the genes that matter for a drug: those its guidelines look at, then those that clear it."""
    return tuple(dict.fromkeys((*guidelines.guideline_genes(drug), *exposures.genes_of(drug))))


def _exposures(
    drug: str,
    after: Mapping[str, Sequence[GeneResult]],
    altered: Sequence[str],
    comedications: tuple[str, ...],
    conditions: tuple[str, ...],
    person: PatientFacts,
) -> tuple[Exposure, ...]:
    """Return exposures analyte by analyte; over several readings their range.

    ``altered`` are the genes that are not normal and for which a guideline asks for something: one that the figure does
    not count with changes the exposure by an amount that is not in the tables.
    """
    genes = [gene for gene in exposures.genes_of(drug) if after.get(gene)]
    organs = organ_effect(drug, person.age, person.number("crcl"), person.child_pugh)
    per_reading = [
        exposures.expected(drug, dict(zip(genes, readings, strict=True)), comedications, organs)
        for readings in itertools.product(*(after[gene] for gene in genes))
    ]
    counted = shares(drug)
    causes = (
        *interactions.without_size(drug, comedications, conditions, counted),
        *(g for g in altered if g.startswith("CYP") and g not in counted),
    )
    return tuple(_with_causes(exposures.span(analyte), causes) for analyte in zip(*per_reading, strict=True))


def _with_causes(exposure: Exposure, causes: Sequence[str]) -> Exposure:
    """Return the exposure with what its figure does not include."""
    if not causes:
        return exposure
    if exposure.low is None:
        unsized = f"{' and '.join(causes)} can change it; our tables do not say by how much."
        return replace(exposure, basis=f"{exposure.basis} {unsized[:1].upper()}{unsized[1:]}")
    return replace(exposure, basis=f"{exposure.basis.removesuffix('.')}; not counted: {', '.join(causes)}.")


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
