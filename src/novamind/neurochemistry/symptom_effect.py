"""Chemistry to symptoms: what has been published about onset and thresholds, and nothing beyond it.

*Depression, serotonergic antidepressants.* The drug-placebo difference follows the logarithm of forebrain serotonin
through a low-pass filter whose time constant is fixed by the published onset (about a third of the six-week
difference at week 1: Taylor 2006 Arch Gen Psychiatry 63:1217). Its size is anchored to the average antidepressant:
a standardised mean difference of 0.30 at the end of acute treatment (Cipriani 2018 Lancet 391:1357). How much
any one person gains is not known and not given.

*Psychosis, D2 drugs.* Chances of response, raised prolactin and extrapyramidal effects rise around 65, 72 and
78 % of striatal D2 blockade (Kapur 2000 Am J Psychiatry 157:514). A partial agonist blocks less than it
occupies, and in the pituitary, whose receptors have a reserve, it does more than the dopamine that it displaces:
prolactin falls.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from novamind.drugs.binding import TRANSPORTERS, affinities
from novamind.drugs.catalogue import catalogue
from novamind.neurochemistry.domain import Floats, Neurotransmitter
from novamind.neurochemistry.dynamics import Chemistry, Parameters, relax, simulate_chemistry
from novamind.neurochemistry.occupancy import bindings

#: Standardised mean difference of antidepressants against placebo (Cipriani 2018; 95 % interval 0.26 to 0.34).
AVERAGE_DRUG_PLACEBO_DIFFERENCE = 0.30
#: SERT occupancy of an average antidepressant at its minimum therapeutic dose (Meyer 2004).
AVERAGE_OCCUPANCY = 0.80
#: Leaves whose serotonin drives the depression map: the limbic forebrain (Mayberg 1997 NeuroReport 8:1057).
LIMBIC_FOREBRAIN = (
    "prefrontal_cortex",
    "orbitofrontal_cortex",
    "anterior_cingulate_cortex",
    "insula",
    "hippocampus",
    "amygdala",
    "nucleus_accumbens",
)
#: Striatal D2 occupancy at half of the range of response: antagonists (Kapur 2000), partial agonists (PMC9020768).
RESPONSE_THRESHOLD = {"antagonist": 0.65, "partial agonist": 0.90}
#: Unwanted effect to striatal D2 blockade at half of its range (Kapur 2000).
BLOCKADE_THRESHOLDS = {"raised prolactin": 0.72, "extrapyramidal effects": 0.78}
#: Drugs that work below the thresholds: clozapine at 38-63 % (Farde 1992 Arch Gen Psychiatry 49:538), quetiapine at a
#: transient peak (Kapur 2000 Arch Gen Psychiatry 57:553). Their response has no published threshold.
RESPONSE_BELOW_THRESHOLD = frozenset({"clozapine", "quetiapine"})
#: Width of the logistic around each threshold: Kapur's groups separate within about 5 points.
D2_THRESHOLD_WIDTH = 0.02
#: How far the receptor reserve of the pituitary amplifies a stimulus (operational model, Black & Leff 1983): the value
#: at which aripiprazole's activity is 0.25 without a reserve and 0.9 with one (Burris 2002 J Pharmacol Exp Ther
#: 302:381).
PITUITARY_AMPLIFICATION = 26.0
#: Share of prolactin's release that resting dopamine holds back (Gibbs & Neill 1978 Endocrinology 102:1895).
RESTING_INHIBITION = 0.7
_SIX_WEEKS_HOURS = 42 * 24


def symptom_domain(drug: str) -> Literal["depression", "psychosis"] | None:
    """Return which published link leads from the drug's targets to symptoms; none for most drugs.

    Depression: antidepressants that hold MAO-A, or the serotonin transporter before the other two. Psychosis:
    antipsychotics that hold D2.
    """
    entry = catalogue().get(drug)
    tags = entry.tags if entry else frozenset[str]()
    targets = {binding.target for binding in bindings(drug)}
    if "antipsychotic" in tags and "D2" in targets:
        return "psychosis"
    tight = {name: row.nanomolar for name, row in affinities(drug).items() if name in TRANSPORTERS and row.nanomolar}
    first = min(tight, key=lambda name: tight[name], default=None)
    if "antidepressant" in tags and ("MAO-A" in targets or (first == "SERT" and "SERT" in targets)):
        return "depression"
    return None


def limbic_serotonin(chemistry: Chemistry) -> Floats:
    """Return the mean log level over the limbic forebrain, shape ``(patients, times)``; 0 at baseline."""
    levels = chemistry.levels[Neurotransmitter.SEROTONIN]
    return np.asarray(np.mean([np.log(levels[leaf]) for leaf in LIMBIC_FOREBRAIN], axis=0))


def depression_effect(chemistry: Chemistry, parameters: Parameters, step_hours: float) -> Floats:
    """Return the share of the average antidepressant's six-week drug-placebo difference, ``(patients, times)``.

    1 is the average antidepressant at week 6; multiply by ``AVERAGE_DRUG_PLACEBO_DIFFERENCE`` for a standardised
    mean difference.
    """
    drive = relax(limbic_serotonin(chemistry), 0.0, parameters.symptom_days, step_hours)
    return drive / six_week_reference(parameters)


def six_week_reference(parameters: Parameters) -> Floats:
    """Return the filtered drive after six weeks at the average occupancy, shape ``(patients, 1)``."""
    times = _SIX_WEEKS_HOURS // 12 + 1
    chemistry = simulate_chemistry({"SERT": np.full((1, times), AVERAGE_OCCUPANCY)}, {}, parameters, 12.0)
    return relax(limbic_serotonin(chemistry), 0.0, parameters.symptom_days, 12.0)[:, -1:]


def d2_outcomes(occupied: Floats, activated: Floats) -> Mapping[str, Floats]:
    """Return each outcome's place in its range (0 to 1) at a striatal D2 occupancy, and the change of prolactin.

    Unwanted effects follow blockade: what is occupied less what the bound drug itself activates. Response to a partial
    agonist has its own published threshold. ``prolactin change`` is relative to baseline (-0.5 is half of it); that it
    is raised is judged by the antagonist's blockade that would do the same in the pituitary.
    """
    threshold = np.where(activated > 0, RESPONSE_THRESHOLD["partial agonist"], RESPONSE_THRESHOLD["antagonist"])
    resting = RESTING_INHIBITION / (1.0 + PITUITARY_AMPLIFICATION * (1.0 - RESTING_INHIBITION))
    stimulus = activated + (1.0 - occupied) * resting
    inhibition = stimulus * (1.0 + PITUITARY_AMPLIFICATION) / (1.0 + PITUITARY_AMPLIFICATION * stimulus)
    return {
        "response": _place(occupied, threshold),
        "raised prolactin": _place(np.maximum(1.0 - stimulus / resting, 0.0), BLOCKADE_THRESHOLDS["raised prolactin"]),
        "extrapyramidal effects": _place(occupied - activated, BLOCKADE_THRESHOLDS["extrapyramidal effects"]),
        "prolactin change": (1.0 - inhibition) / (1.0 - RESTING_INHIBITION) - 1.0,
    }


def _place(blockade: Floats, threshold: Floats | float) -> Floats:
    """Return the place on a logistic around the threshold, exactly 0 without blockade."""
    at_rest = 1.0 / (1.0 + np.exp(threshold / D2_THRESHOLD_WIDTH))
    place = 1.0 / (1.0 + np.exp((threshold - blockade) / D2_THRESHOLD_WIDTH))
    return np.asarray((place - at_rest) / (1.0 - at_rest))
