"""What CPIC, DPWG and the FDA say for a drug and a set of gene results.

``knowledge/guidelines.csv`` holds one row per rule. Its ``when`` reads: conditions joined by ``&``, each
``GENE=alternatives`` joined by ``|``; an alternative is a score or a range (``0.25..1``, ``2.5..``), a
phenotype (``PM LPM IM LIM NM RM UM``), a diplotype, ``?`` for a called gene without a known phenotype, or
``none`` for a gene that was not tested. HLA conditions name the allele: ``HLA-B*15:02=pos``.

DPWG starts ultrarapid above a CYP2D6 score of 2.5 and counts CYP2C19 rapid as normal; its rows say so.
"""

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from novamind.drugs.domain import Source
from novamind.drugs.tables import source
from novamind.pharmacogenomics.domain import Action, Advice, GeneResult, Phenotype
from novamind.pharmacogenomics.knowledge import rows

_PHENOTYPES = {
    "PM": Phenotype.POOR,
    "LPM": Phenotype.LIKELY_POOR,
    "IM": Phenotype.INTERMEDIATE,
    "LIM": Phenotype.LIKELY_INTERMEDIATE,
    "NM": Phenotype.NORMAL,
    "RM": Phenotype.RAPID,
    "UM": Phenotype.ULTRARAPID,
}
# Our own words for each action; {dose} and {limit} are filled from the rule.
_SENTENCES = {
    Action.AVOID: "Do not use it.",
    Action.AVOID_USE_ALTERNATIVE: "Choose another drug.",
    Action.AVOID_OR_ADJUST_DOSE: "Preferably choose another drug; otherwise {dose}.",
    Action.AVOID_OR_TDM: "Preferably choose another drug; otherwise steer the dose by plasma levels.",
    Action.AVOID_AS_ALTERNATIVE_TO_CBZ: "Do not use it to replace carbamazepine.",
    Action.CONTRAINDICATED: "Contraindicated.",
    Action.WEIGH_RISK_BENEFIT: "Weigh benefit against the higher risk of a severe skin reaction.",
    Action.CONSIDER_ALTERNATIVE: "Consider another drug.",
    Action.ALTERNATIVE_OR_ADJUST_DOSE: "Choose another drug, or keep to the metabolite's maximum: {limit}.",
    Action.ALTERNATIVE_OR_INCREASE_IF_NO_RESPONSE: (
        "Consider another drug; if it works too little at the standard dose, go higher."
    ),
    Action.ADJUST_DOSE: "Change the dose: {dose}.",
    Action.ADJUST_DOSE_OR_ALTERNATIVE: "Change the dose ({dose}) or choose another drug.",
    Action.ADJUST_DOSE_OR_AVOID: "If the standard dose is too little, {dose}, or choose another drug.",
    Action.ADJUST_DOSE_PER_LABEL: "Adjust the dose as the product label says.",
    Action.REDUCE_DOSE: "Reduce the dose by {limit}.",
    Action.CONSIDER_REDUCTION: "Consider a lower dose.",
    Action.REDUCE_IF_SIDE_EFFECTS: "Start as usual; reduce the dose when side effects appear.",
    Action.LIMIT_MAX_DOSE: "Maximum dose: {limit}.",
    Action.LOWEST_START: "Start at the lowest recommended dose.",
    Action.LOWER_START_OR_ALTERNATIVE: "Start lower or choose another drug.",
    Action.LOWER_START_SLOW_TITRATION: "Start lower and titrate more slowly.",
    Action.START_LOW_THEN_TDM: "Start low; raise the dose only after checking response and plasma level.",
    Action.STANDARD_START_SLOW_TITRATION_LOWER_MAINTENANCE: (
        "Start as usual, titrate more slowly, aim for a lower maintenance dose."
    ),
    Action.STANDARD_START_THEN_INCREASE_OR_SWITCH: (
        "Start as usual; if the maintenance dose does too little, raise it or switch."
    ),
    Action.LABEL_DOSE_THEN_TDM: "Dose by the label; without response, let a plasma level guide an increase.",
    Action.CAUTION_TITRATE: "Use with caution and titrate by tolerance.",
    Action.CAUTIOUS_USE: "Treatment may continue with caution after months without a skin reaction.",
    Action.MONITOR: "Watch for side effects.",
    Action.INFORMATION_ONLY: "Concentrations may differ; the source asks for no action.",
    Action.STANDARD_DOSE: "Standard dose.",
    Action.NO_ACTION: "A gene-drug effect is known, but no change is needed.",
    Action.NO_RECOMMENDATION: "No recommendation for this result.",
}
# CPIC asks for caution in two groups: who has taken it for months, and who begins it for want of anything else.
_WITHOUT_ALTERNATIVE = "Treatment may start with caution where nothing else can be used."
_MONITORING = {
    "levels": "Plasma levels are advised.",
    "levels essential": "Plasma levels are strongly advised.",
    "clinical": "Watch the patient more closely.",
}


@dataclass(frozen=True)
class Rule:
    """One row of the table, ready to be matched."""

    conditions: tuple[tuple[str, tuple[str, ...]], ...]
    advice: Advice

    @property
    def about(self) -> tuple[str, ...]:
        """What distinguishes one guideline's rules for a drug from another's: body, population and tested genes."""
        return (self.advice.source, self.advice.population, *(gene for gene, _ in self.conditions))

    def holds(self, readings: Mapping[str, GeneResult]) -> bool:
        """Return whether one reading of each gene meets every condition."""
        return all(_meets(gene, wanted, readings) for gene, wanted in self.conditions)


def _meets(gene: str, wanted: tuple[str, ...], readings: Mapping[str, GeneResult]) -> bool:
    name, star, allele = gene.partition("*")
    reading = readings.get(name)
    if star:
        carried = None if reading is None else dict(reading.markers).get(f"*{allele}")
        return ("none" if carried is None else "pos" if carried else "neg") in wanted
    if reading is None:
        return "none" in wanted
    if reading.phenotype in {None, Phenotype.INDETERMINATE, Phenotype.POSSIBLE_INTERMEDIATE}:
        return "?" in wanted
    return any(
        w == reading.diplotype or _PHENOTYPES.get(w) is reading.phenotype or _in_range(w, reading) for w in wanted
    )


def _in_range(wanted: str, reading: GeneResult) -> bool:
    score = reading.activity_score
    if score is None or not wanted[0].isdigit():
        return False
    low, dots, high = wanted.partition("..")
    # Guidelines list scores in quarters; phenoconversion halves them. The next lower quarter answers, but a
    # score above zero is never taken for zero.
    quarter = max(math.floor(4 * score) / 4, 0.25) if score > 0 else 0.0
    if dots and not high:  # a lower bound ("at least 3 copies") can only meet a range without an end
        return quarter >= float(low)
    return not score.at_least and float(low) <= quarter <= float(high or low)


@cache
def rules(drug: str) -> tuple[Rule, ...]:
    """Return all rules for a drug, more exact ones first within a guideline."""
    return _all_rules().get(drug, ())


@cache
def _all_rules() -> dict[str, tuple[Rule, ...]]:
    by_drug: dict[str, list[Rule]] = {}
    for row in rows("guidelines"):
        conditions = tuple(
            (gene, tuple(wanted.split("|")))
            for gene, _, wanted in (part.partition("=") for part in row["when"].split(" & "))
        )
        drugs, ids = row["drugs"].split("|"), row["guideline_id"].split("|")
        for k, drug in enumerate(drugs):
            identifier = ids[k] if len(ids) == len(drugs) else ids[0]
            by_drug.setdefault(drug, []).append(
                Rule(conditions, _advice(row, drug, identifier, conditions, source(row)))
            )
    return {drug: tuple(of) for drug, of in by_drug.items()}


def _advice(
    row: Mapping[str, str],
    drug: str,
    identifier: str,
    conditions: Sequence[tuple[str, object]],
    reference: Source,
) -> Advice:
    action = Action(row["action"])
    return Advice(
        source=row["body"],
        drug=drug,
        population=row["population"],
        genes=tuple(gene.partition("*")[0] for gene, _ in conditions),
        action=action,
        dose_factor=row["dose_factor"],
        dose_basis=row["dose_basis"],
        dose_limit=row["dose_limit"],
        monitoring=row["monitoring"],
        strength=row["strength"],
        text=_text(action, row),
        guideline_id=identifier,
        reference=reference,
    )


def _text(action: Action, row: Mapping[str, str]) -> str:
    factor, basis, limit = row["dose_factor"], row["dose_basis"], row["dose_limit"]
    if factor.startswith(("-", "+")):
        direction = "lower" if factor[0] == "-" else "raise"
        dose = f"{direction} the {basis} by {factor[1:].replace('-', ' to ')}"
    elif factor == "increase":
        dose = f"aim for a higher {basis}"
    else:
        dose = f"give {factor.replace('-', ' to ')} {basis}"
    text = _SENTENCES[action].format(dose=dose, limit=limit)
    if action is Action.CAUTIOUS_USE and "no alternatives" in row["population"]:
        text = _WITHOUT_ALTERNATIVE
    if limit and "{limit}" not in _SENTENCES[action]:
        text += f" Limit: {limit}."
    return " ".join([text, *(_MONITORING[m] for m in row["monitoring"].split("+") if m)])


def lookup(drug: str, readings: Mapping[str, GeneResult]) -> tuple[Advice, ...]:
    """Return what each guideline says for one reading of each tested gene.

    Parameters
    ----------
    drug
        Generic name, lower case.
    readings
        Tested genes; a gene that is not a key was not tested.

    Returns
    -------
    tuple of Advice
        One per guideline, population and set of genes; empty when no guideline covers the drug or none of
        its genes was tested. Conflicting guidelines stand side by side.
    """
    return _lookup(drug, tuple(readings.values()))


@lru_cache(maxsize=65536)
def _lookup(drug: str, tested: tuple[GeneResult, ...]) -> tuple[Advice, ...]:
    readings = {reading.gene: reading for reading in tested}
    advice: dict[tuple[str, ...], Advice] = {}
    for rule in rules(drug):
        if rule.about not in advice and rule.holds(readings):
            labels = tuple(
                f"{g}: {readings[g].label}" if g in readings else f"{g}: not tested" for g in rule.advice.genes
            )
            advice[rule.about] = replace(rule.advice, when=labels)
    return tuple(advice.values())


def advise(drug: str, readings: Mapping[str, Sequence[GeneResult]]) -> tuple[Advice, ...]:
    """Return advice over every reading of an ambiguous genotype; equal advice once, with all its reasons."""
    genes = [g for g in dict.fromkeys(g for rule in rules(drug) for g in rule.advice.genes) if readings.get(g)]
    merged: dict[Advice, list[str]] = {}
    for combination in itertools.product(*(readings[g] for g in genes)):
        for advice in lookup(drug, dict(zip(genes, combination, strict=True))):
            reasons = merged.setdefault(replace(advice, when=()), [])
            text = " + ".join(advice.when)
            if text not in reasons:
                reasons.append(text)
    return tuple(replace(advice, when=tuple(reasons)) for advice, reasons in merged.items())


def guideline_genes(drug: str) -> tuple[str, ...]:
    """Return the genes that any guideline looks at for a drug."""
    return tuple(dict.fromkeys(gene for rule in rules(drug) for gene in rule.advice.genes))


def covered_drugs() -> tuple[str, ...]:
    """Return the drugs with at least one rule."""
    return tuple(_all_rules())


def standing(drug: str, advice: Iterable[Advice], tested: Collection[str]) -> str:
    """Return a sentence on what the guidelines look at for a drug; empty where they offer an action.

    ``tested`` names the genes with a result.
    """
    if any(a.action is not Action.NO_RECOMMENDATION for a in advice):
        return ""
    genes = guideline_genes(drug)
    if not genes:
        return (
            f"No row of CPIC, DPWG or the FDA table of pharmacogenetic associations for {drug} is in our tables; that"
            " does not say that none exists."
        )
    missing = [gene for gene in genes if gene not in tested]
    if missing:
        return f"Guidelines for {drug} look at {' and '.join(missing)}; they ask for no action without a result."
    return f"No guideline action for {drug} with these results of {' and '.join(genes)}."
