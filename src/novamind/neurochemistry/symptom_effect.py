"""Chemistry to symptoms: what has been published about onset and thresholds, and nothing beyond it.

*Depression, serotonergic antidepressants.* The drug-placebo difference follows the logarithm of forebrain serotonin
through a low-pass filter whose time constant is fixed by the published onset (about a third of the six-week
difference at week 1: Taylor 2006 Arch Gen Psychiatry 63:1217). Its size is anchored to the average antidepressant:
a standardised mean difference of 0.30 at the end of acute treatment (Cipriani 2018 Lancet 391:1357). How much
any one person gains is not known and not given.

*Psychosis, D2 drugs.* Chances of response, raised prolactin and extrapyramidal effects rise around 65, 72 and
78 % of striatal D2 blockade (Kapur 2000 Am J Psychiatry 157:514). A partial agonist blocks less than it
occupies.
"""

from collections.abc import Mapping

import numpy as np

from novamind.neurochemistry.domain import Floats, Neurotransmitter
from novamind.neurochemistry.dynamics import Chemistry, Parameters, relax, simulate_chemistry

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
#: Width of the logistic around each threshold: Kapur's groups separate within about 5 points.
D2_THRESHOLD_WIDTH = 0.02
_SIX_WEEKS_HOURS = 42 * 24


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
    """Return each outcome's place in its range (0 to 1) at the given striatal D2 occupancy.

    Unwanted effects follow blockade: what is occupied less what the bound drug itself activates. Response to a partial
    agonist has its own published threshold.
    """
    threshold = np.where(activated > 0, RESPONSE_THRESHOLD["partial agonist"], RESPONSE_THRESHOLD["antagonist"])
    distances = {"response": occupied - threshold} | {
        outcome: occupied - activated - limit for outcome, limit in BLOCKADE_THRESHOLDS.items()
    }
    return {outcome: 1.0 / (1.0 + np.exp(-distance / D2_THRESHOLD_WIDTH)) for outcome, distance in distances.items()}
