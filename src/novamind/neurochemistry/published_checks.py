"""The published findings that the twin is compared with, each with its source, tolerance and role.

Role ``input``: the figure, or one it follows from, is a parameter; passing shows that the wiring is right.
Role ``calibration``: parameter sets were kept because they meet it (``training.draw_ensemble``), or a value was
chosen after seeing it. Role ``structure``: the form of an equation was changed once after the first form missed it.
Role ``prediction``: not used for anything; passing is evidence.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from novamind.drugs.binding import affinities
from novamind.neurochemistry.domain import Floats, Neurotransmitter
from novamind.neurochemistry.dynamics import Chemistry, Parameters, ensemble, simulate_chemistry, typical
from novamind.neurochemistry.occupancy import bindings, occupancy, occupancy_at
from novamind.neurochemistry.pharmacokinetics import Schedule, concentrations, kinetics
from novamind.neurochemistry.symptom_effect import d2_outcomes, depression_effect

Role = Literal["input", "calibration", "structure", "prediction"]

#: Occupancy that sustained high doses of an SSRI are taken to hold in the rat studies below.
RAT_OCCUPANCY = 0.85
#: Occupancy by a full dose of a 5-HT1A ligand (WAY-100635, 8-OH-DPAT).
LIGAND_OCCUPANCY = 0.90
#: Extracellular fluoxetine in the frontal cortex of rats at doses that raise noradrenaline and dopamine (Bymaster 2002
#: Psychopharmacology 160:353, taken second-hand).
FREE_FLUOXETINE_NM = 242.0
_MINIMUM_DOSES = {"citalopram": 20, "fluoxetine": 20, "sertraline": 50, "paroxetine": 20, "venlafaxine": 75}
_HIGH_DOSES = {"citalopram": 60, "sertraline": 200, "venlafaxine": 300}
_STEP_HOURS = 12.0
Flags = np.typing.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One finding beside the twin's value.

    ``ensemble_share`` is the share of shipped parameter sets that pass, where the finding depends on them.
    """

    number: int
    name: str
    published: str
    source: str
    role: Role
    passed: bool
    model: Mapping[str, float]
    ensemble_share: float | None = None
    note: str = ""


# --- occupancy of drugs in people -----------------------------------------------------------------------------


def _occupied(drug: str, dose_mg: float, target: str, hours: Floats, doses: int) -> Floats:
    parameters = kinetics(drug)
    schedule = Schedule.regular(dose_mg, 24.0, 24.0 * doses)
    levels = concentrations(parameters, schedule, hours)
    return np.asarray(occupancy({parameters.name: levels}).occupied[target][0])


def _steady_occupancy(drug: str, dose_mg: float, target: str = "SERT") -> float:
    """Return the mean occupancy over the last day of twelve weeks of daily doses."""
    return float(_occupied(drug, dose_mg, target, np.arange(83 * 24.0, 84 * 24.0), 84).mean())


def minimum_dose_occupancy() -> CheckResult:
    """Check striatal SERT occupancy at the minimum therapeutic dose."""
    model = {f"{drug} {dose} mg": _steady_occupancy(drug, dose) for drug, dose in _MINIMUM_DOSES.items()}
    return CheckResult(
        1,
        "SERT occupancy at the minimum therapeutic dose",
        "76-85 %, each drug 73-88 %",
        "Meyer 2004 Am J Psychiatry 161:826",
        "input",
        all(0.73 <= value <= 0.88 for value in model.values()),
        model,
        note="EC50s are in mg/day from the same study; the plasma levels between are the twin's",
    )


def high_dose_occupancy() -> CheckResult:
    """Check occupancy at high doses."""
    model = {f"{drug} {dose} mg": _steady_occupancy(drug, dose) for drug, dose in _HIGH_DOSES.items()}
    above = all(
        value > _steady_occupancy(drug, _MINIMUM_DOSES[drug])
        for drug, value in zip(_HIGH_DOSES, model.values(), strict=True)
    )
    return CheckResult(
        2,
        "SERT occupancy at high doses",
        "about 85 %, 81-89 %, above the minimum dose",
        "Voineskos 2007 Psychopharmacology 193:539",
        "input",
        above and all(0.81 <= value <= 0.89 for value in model.values()),
        model,
        note="the plateau of 90 % rests on this study",
    )


def single_dose_occupancy() -> CheckResult:
    """Check occupancy 4 and 48 hours after one dose."""
    published = {
        "escitalopram 10 mg": (0.691, 0.779, 0.528, 0.578),
        "escitalopram 20 mg": (0.691, 0.779, 0.528, 0.578),
        "sertraline 50 mg": (0.691, 0.779, 0.528, 0.578),
        "paroxetine 20 mg": (0.446, 0.446, 0.103, 0.103),
    }
    model: dict[str, float] = {}
    passed = True
    for name, (low_4, high_4, low_48, high_48) in published.items():
        drug, dose, _ = name.split()
        early, late = _occupied(drug, float(dose), "SERT", np.array([4.0, 48.0]), 1)
        model |= {f"{name}, 4 h": float(early), f"{name}, 48 h": float(late)}
        passed &= low_4 - 0.08 <= early <= high_4 + 0.08 and low_48 - 0.08 <= late <= high_48 + 0.08
    return CheckResult(
        3,
        "SERT occupancy 4 h and 48 h after one dose",
        "escitalopram, sertraline 69-78 / 53-58 %; paroxetine 44.6 / 10.3 %; within 8 points",
        "Arakawa 2016 Psychiatry Res Neuroimaging",
        "prediction",
        bool(passed),
        model,
    )


def dose_plateau() -> CheckResult:
    """Check the gain on doubling the minimum dose."""
    model = {
        f"{drug} {dose} to {2 * dose} mg": _steady_occupancy(drug, 2 * dose) - _steady_occupancy(drug, dose)
        for drug, dose in _MINIMUM_DOSES.items()
    }
    return CheckResult(
        4,
        "doubling the minimum dose adds little SERT occupancy",
        "hyperbola with plateau about 80 %; gain at most 8 points",
        "Sorensen 2022 Mol Psychiatry",
        "input",
        all(0 < gain <= 0.08 for gain in model.values()),
        model,
        note="follows from the EC50s in mg/day and the plateau, both of the table",
    )


def noradrenaline_transporter() -> CheckResult:
    """Check which doses reach the noradrenaline transporter."""
    model = {
        "venlafaxine 75 mg, SERT": _steady_occupancy("venlafaxine", 75),
        "venlafaxine 75 mg, NET": _steady_occupancy("venlafaxine", 75, "NET"),
        "venlafaxine 225 mg, NET": _steady_occupancy("venlafaxine", 225, "NET"),
        "paroxetine 50 mg, NET": _steady_occupancy("paroxetine", 50, "NET"),
    }
    first, low, high, paroxetine = model.values()
    return CheckResult(
        15,
        "venlafaxine: SERT from 75 mg, NET from 225 mg; paroxetine 50 mg no NET",
        "NET below 30 % at venlafaxine 75 mg and paroxetine 50 mg, above it at venlafaxine 225 mg",
        "PMC9017767 (peripheral test)",
        "prediction",
        first >= 0.73 and low < 0.30 and paroxetine < 0.30 and high >= 0.30,
        model,
        note="with the affinities of Tatsumi 1997, as for every reuptake inhibitor here; with those of Bymaster 2001 "
        "(82 and 2,480 nM) venlafaxine 75 mg holds 46 % of NET and the check is missed",
    )


# --- D2 ------------------------------------------------------------------------------------------------------


def d2_thresholds() -> CheckResult:
    """Check the occupancy at which antagonists reach half of each outcome."""
    grid = np.linspace(0.5, 1.0, 5001)
    outcomes = d2_outcomes(grid, np.zeros_like(grid))
    model = {name: float(grid[np.searchsorted(curve, 0.5)]) for name, curve in outcomes.items()}
    published = {"response": 0.65, "raised prolactin": 0.72, "extrapyramidal effects": 0.78}
    return CheckResult(
        13,
        "D2 occupancy thresholds of antagonists",
        "response 65 %, prolactin 72 %, extrapyramidal 78 %, within 3 points",
        "Kapur 2000 Am J Psychiatry 157:514",
        "input",
        all(abs(model[name] - value) <= 0.03 for name, value in published.items()),
        model,
    )


def partial_agonist() -> CheckResult:
    """Check that aripiprazole fills D2 without the extrapyramidal effects of an antagonist."""
    concentration = 100.0
    antagonist = d2_outcomes(np.array(0.65), np.array(0.0))["extrapyramidal effects"]
    activity = next(binding.intrinsic_activity for binding in bindings("aripiprazole") if binding.target == "D2")
    agonist = d2_outcomes(np.array(0.95), np.array(0.95 * activity))["extrapyramidal effects"]
    model = {
        "D2 occupancy at 5 ng/mL": occupancy_at("D2", "aripiprazole", 5.0),
        "D2 occupancy at 10 ng/mL": occupancy_at("D2", "aripiprazole", 10.0),
        "D2 occupancy at 100 ng/mL": occupancy_at("D2", "aripiprazole", concentration),
        "extrapyramidal, aripiprazole at 95 %": float(agonist),
        "extrapyramidal, antagonist at 65 %": float(antagonist),
    }
    low, high, full, *_ = model.values()
    return CheckResult(
        14,
        "aripiprazole: EC50 5-10 ng/mL, above 90 % occupancy without extrapyramidal effects",
        "risk at 95 % occupancy at most that of an antagonist at 65 %",
        "Grunder 2008; Yokoi 2002; PMC9020768",
        "prediction",
        bool(low <= 0.5 <= high and full > 0.9 and agonist <= antagonist),
        model,
        note="the EC50 is an input; the intrinsic activity is that of cells without spare receptors (Burris 2002), "
        "whatever this check says; from 0.32 upwards the check would be met",
    )


# --- raphe, terminals, symptoms: functions of the parameter sets ------------------------------------------------


def _sustained(parameters: Parameters, days: int, sert: float = RAT_OCCUPANCY, **other: float) -> Chemistry:
    times = int(days * 24 / _STEP_HOURS) + 1
    occupied = {"SERT": np.full((1, times), sert)} if sert else {}
    occupied |= {name.replace("_", "-"): np.full((1, times), value) for name, value in other.items()}
    return simulate_chemistry(occupied, {}, parameters, _STEP_HOURS)


def _on_day(values: Floats, day: float) -> Floats:
    return values[:, round(day * 24 / _STEP_HOURS)]


def _firing(parameters: Parameters) -> tuple[dict[str, Floats], Flags]:
    rate = _sustained(parameters, 21).firing["raphe_nuclei"]
    day_2, day_7, day_14 = (_on_day(rate, day) for day in (2, 7, 14))
    passed = (day_2 <= 0.6) & (day_7 >= 0.5) & (day_7 <= 0.9) & (day_14 >= 0.9)
    return {"day 2": day_2, "day 7": day_7, "day 14": day_14}, passed


def _recovery(parameters: Parameters) -> tuple[dict[str, Floats], Flags]:
    # A hyperbola through 85 % at 10 mg/kg gives the occupancies of half and twice the dose.
    half = 10 * (1 - RAT_OCCUPANCY) / RAT_OCCUPANCY
    values = {}
    for dose in (5, 10, 20):
        rate = _sustained(parameters, 40, dose / (dose + half)).firing["raphe_nuclei"]
        low = rate < 0.9
        last = rate.shape[1] - 1 - np.argmax(low[:, ::-1], axis=1)
        values[f"{dose} mg/kg, days to 90 %"] = (last + 1) * _STEP_HOURS / 24
    days = np.stack(list(values.values()))
    return values, days.max(axis=0) - days.min(axis=0) <= 3.0


def _desensitised(parameters: Parameters) -> tuple[dict[str, Floats], Flags]:
    lost = 1.0 - _sustained(parameters, 21).sensitivity["raphe_nuclei"]
    day_3, day_21 = _on_day(lost, 3), _on_day(lost, 21)
    passed = (day_3 >= 0.3) & (day_3 <= 0.5) & (day_21 >= 0.5) & (day_21 <= 0.9)
    return {"day 3": day_3, "day 21": day_21}, passed


def _frontal_serotonin(parameters: Parameters) -> tuple[dict[str, Floats], Flags]:
    level = _sustained(parameters, 21).levels[Neurotransmitter.SEROTONIN]["prefrontal_cortex"]
    day_21 = _on_day(level, 21)
    return {"day 21, multiple of baseline": day_21}, (day_21 >= 2.8) & (day_21 <= 4.2)


def _first_week(parameters: Parameters) -> tuple[dict[str, Floats], Flags]:
    levels = _sustained(parameters, 7).levels[Neurotransmitter.SEROTONIN]
    values = {
        leaf: _on_day(levels[leaf], 3)
        for leaf in ("prefrontal_cortex", "hippocampus", "nucleus_accumbens", "ventral_tegmental_area")
    }
    return values, values["prefrontal_cortex"] < 1.0


def _fluoxetine_frontal(parameters: Parameters) -> tuple[dict[str, Floats], Flags]:
    occupied = {
        target.replace("-", "_"): FREE_FLUOXETINE_NM
        / (FREE_FLUOXETINE_NM + (affinities("fluoxetine")[target].nanomolar or math.inf))
        for target in ("NET", "5-HT2C", "5-HT2A")
    }
    levels = _sustained(parameters, 1, RAT_OCCUPANCY, **occupied).levels
    values = {
        name.value: _on_day(levels[name]["prefrontal_cortex"], 0.5) for name in Neurotransmitter if name in levels
    }
    passed = (values["serotonin"] >= 1.7) & (values["serotonin"] <= 3.3)
    for name in ("dopamine", "norepinephrine"):
        passed &= (values[name] >= 1.2) & (values[name] <= 1.8)
    return values, passed


def _antagonist_alone(parameters: Parameters) -> tuple[dict[str, Floats], Flags]:
    level = _sustained(parameters, 1, 0.0, **{"5_HT1A": LIGAND_OCCUPANCY}).levels[Neurotransmitter.SEROTONIN]
    ratio = level["hippocampus"][:, 1]
    return {"antagonist alone": ratio}, np.abs(ratio - 1.0) <= 0.05


def _potentiation(parameters: Parameters) -> tuple[dict[str, Floats], Flags]:
    alone = _sustained(parameters, 1).levels[Neurotransmitter.SEROTONIN]["hippocampus"][:, 1]
    both = _sustained(parameters, 1, RAT_OCCUPANCY, **{"5_HT1A": LIGAND_OCCUPANCY})
    ratio = both.levels[Neurotransmitter.SEROTONIN]["hippocampus"][:, 1] / alone
    values, quiet = _antagonist_alone(parameters)
    return {"SSRI with antagonist over SSRI alone": ratio} | values, (ratio >= 1.2) & (ratio <= 2.0) & quiet


def _agonist(parameters: Parameters) -> tuple[dict[str, Floats], Flags]:
    occupied = {"5-HT1A": np.full((1, 2), LIGAND_OCCUPANCY)}
    level = simulate_chemistry(occupied, occupied, parameters, _STEP_HOURS).levels[Neurotransmitter.SEROTONIN]
    fall = 1.0 - level["prefrontal_cortex"][:, 1]
    return {"fall of forebrain serotonin": fall}, (fall >= 0.45) & (fall <= 0.70)


def _onset(parameters: Parameters) -> tuple[dict[str, Floats], Flags]:
    effect = depression_effect(_sustained(parameters, 42, 0.8), parameters, _STEP_HOURS)
    share = _on_day(effect, 7) / _on_day(effect, 42)
    steps = [_on_day(effect, 7 * week) - _on_day(effect, 7 * (week - 1)) for week in range(1, 7)]
    diminishing = np.all([after <= before for before, after in pairwise(steps)], axis=0)
    return {"share at week 1": share}, (share >= 0.25) & (share <= 0.42) & diminishing


@dataclass(frozen=True, slots=True)
class _SetCheck:
    number: int
    name: str
    published: str
    source: str
    role: Role
    evaluate: Callable[[Parameters], tuple[dict[str, Floats], Flags]]
    note: str = ""


_SET_CHECKS = (
    _SetCheck(
        5,
        "raphe firing on a sustained SSRI",
        "day 2 <= 0.6, day 7 0.5-0.9, day 14 >= 0.9 of baseline",
        "Chaput 1986",
        "calibration",
        _firing,
    ),
    _SetCheck(
        6,
        "recovery time of raphe firing does not depend on dose",
        "within 3 days between 5, 10, 20 mg/kg",
        "Czachura & Rasmussen 2000",
        "structure",
        _recovery,
        "sensitivity relaxes in its logarithm because relaxing linearly missed this; the dose range is taken to "
        "hold 74, 85 and 92 % of SERT",
    ),
    _SetCheck(
        7,
        "desensitised share of raphe neurons",
        "about 40 % on day 3, 60-80 % on day 21, within 10 points",
        "Le Poul 1995",
        "calibration",
        _desensitised,
    ),
    _SetCheck(
        8,
        "frontal serotonin after three weeks of an SSRI",
        "up to 350 %, 280-420 % of baseline",
        "Fritze 2017",
        "calibration",
        _frontal_serotonin,
    ),
    _SetCheck(
        9,
        "first week: frontal serotonin falls while other regions rise",
        "sign",
        "Fritze 2017 (contested)",
        "prediction",
        _first_week,
        "not reproduced: one raphe supplies every region, so the sign is the same everywhere",
    ),
    _SetCheck(
        10,
        "fluoxetine, frontal cortex: serotonin, dopamine, noradrenaline",
        "5-HT 170-330 %, dopamine and noradrenaline 120-180 % of baseline",
        "PMC4061036",
        "structure",
        _fluoxetine_frontal,
        "the locus coeruleus came under 5-HT2C control, as published, after the first form (5-HT2A only) had missed "
        "this; at the same time an assumed free concentration of 80 nM gave way to the measured 242 nM",
    ),
    _SetCheck(
        11,
        "5-HT1A antagonist potentiates an SSRI and does nothing alone",
        "ratio 1.2-2.0; alone 0.95-1.05",
        "Trillat 1998; Invernizzi 1996",
        "prediction",
        _potentiation,
        "that the antagonist alone does nothing was used for calibration, the potentiation was not",
    ),
    _SetCheck(
        12,
        "8-OH-DPAT lowers forebrain serotonin",
        "by 50-65 %, within 45-70 %",
        "Hjorth & Auerbach 1994 (contested)",
        "calibration",
        _agonist,
    ),
    _SetCheck(
        16,
        "share of the six-week drug-placebo difference at week 1",
        "about a third (25-42 %), diminishing increments",
        "Taylor 2006 Arch Gen Psychiatry 63:1217",
        "calibration",
        _onset,
    ),
)


def share_met(parameters: Parameters) -> dict[int, float]:
    """Return the share of sets that meet each finding that depends on sets; near 1 for any sets, it says little."""
    return {check.number: float(check.evaluate(parameters)[1].mean()) for check in _SET_CHECKS}


def fits_calibration(parameters: Parameters) -> Flags:
    """Return which parameter sets meet every calibration check, shape ``(sets,)``."""
    passed = _antagonist_alone(parameters)[1]
    for check in _SET_CHECKS:
        if check.role == "calibration":
            passed = passed & check.evaluate(parameters)[1]
    return passed


def _evaluate(check: _SetCheck) -> CheckResult:
    values, passed = check.evaluate(typical())
    share = float(check.evaluate(ensemble())[1].mean())
    return CheckResult(
        check.number,
        check.name,
        check.published,
        check.source,
        check.role,
        bool(passed[0]),
        {name: float(value[0]) for name, value in values.items()},
        share,
        check.note,
    )


def run_checks() -> list[CheckResult]:
    """Return all literature checks in order of their number."""
    plain = [
        minimum_dose_occupancy(),
        high_dose_occupancy(),
        single_dose_occupancy(),
        dose_plateau(),
        d2_thresholds(),
        partial_agonist(),
        noradrenaline_transporter(),
        absolute_level(),
    ]
    return sorted([*plain, *map(_evaluate, _SET_CHECKS)], key=lambda result: result.number)


def absolute_level() -> CheckResult:
    """Report the basal concentration of serotonin as not given: every level is relative to it."""
    return CheckResult(
        17,
        "basal extracellular serotonin of the hippocampus",
        "60 nM set point, within 3 nM",
        "port of Mena 2024",
        "prediction",
        False,
        {},
        note="not given: the twin's levels are relative to baseline and carry no concentration",
    )
