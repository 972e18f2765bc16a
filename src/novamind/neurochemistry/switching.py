"""From one drug to another: a schedule to judge, by rules that stand in tables.

What the label forbids to overlap waits as long as ``drugs/facts/washouts.csv`` says. Everything else follows the
first rule of ``drugs/facts/switching.csv`` that names the two drugs or their classes: ``direct`` (one day to the
next), ``wait``, ``cross-taper`` (one goes down while the other comes up) and ``plateau`` (the new drug first reaches
its dose). It is a proposal: no rule knows why this person changes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novamind.drugs.cautions import cautions, sides, washouts
from novamind.drugs.domain import Severity, Source
from novamind.drugs.kinetics import kinetics
from novamind.drugs.tables import rows, source
from novamind.errors import ValidationError
from novamind.neurochemistry.course import RegimenSimulation, simulate_regimen
from novamind.neurochemistry.domain import is_number, is_whole
from novamind.neurochemistry.regimen import RegimenStep, read_regimen
from novamind.neurochemistry.simulation import MAXIMUM_WEEKS
from novamind.summary import Summarised, Summary, counted

if TYPE_CHECKING:
    import altair as alt

#: Days on the old drug that the picture begins with at least and at most, and days on the new one that it ends with.
_BEFORE, _LONGEST_BEFORE, _AFTER = 14, 84, 28
#: Shares of the old dose on the way down.
_DOWN = (0.75, 0.5, 0.25)
#: A drug is gone after this many half-lives.
_HALF_LIVES = 5.0
_SENTENCES = {
    "direct": "Stop {old}, begin {new} on the next day",
    "wait": "Stop {old}, wait {wait}, then begin {new}",
    "cross-taper": "Over {taper} lower {old} step by step while {new} comes up",
    "plateau": "Bring {new} to its dose over the first half of {taper}, then lower {old} over the second",
}


@dataclass(frozen=True, slots=True)
class SwitchRule:
    """How to go from one drug to another: a strategy, its days, why, and where it stands."""

    strategy: str
    wait_days: int
    taper_days: int
    start_share: float
    note: str
    source: Source


@dataclass(frozen=True, repr=False)
class CrossTaper(Summarised):
    """A proposed change from one drug to another, with what it does.

    Attributes
    ----------
    old, new
        Generic names.
    rule, sentence
        Strategy with its source, also in words.
    steps
        The schedule: the old dose until it is steady, the change, and four weeks on the new dose.
    simulation
        Levels, occupancies and cautions by day.
    """

    old: str
    new: str
    rule: SwitchRule
    sentence: str
    steps: tuple[RegimenStep, ...]
    simulation: RegimenSimulation

    @property
    def strategy(self) -> str:
        """``direct``, ``wait``, ``cross-taper`` or ``plateau``."""
        return self.rule.strategy

    def plot(self) -> "alt.VConcatChart":
        """Draw doses, levels and occupancies of both, with days of cautions shaded."""
        return self.simulation.plot()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        from novamind.neurochemistry.codec import CrossTaperBody

        return CrossTaperBody.of(self).model_dump(mode="json")

    def _summary(self) -> Summary:
        lines: list[tuple[object, ...]] = [
            (step.words, f"day {step.start_day:g}", "on" if step.stop is None else f"day {step.stop_day:g}")
            for step in self.steps
        ]
        return Summary(self.sentence, ("step", "from", "until"), lines)


def cross_taper(
    old: str,
    new: str,
    old_dose_mg: float | None = None,
    new_dose_mg: float | None = None,
    *,
    taper_days: int | None = None,
    **options: Any,
) -> CrossTaper:
    """Return a proposed change from one drug to another, to judge.

    Parameters
    ----------
    old, new
        Names of drugs by mouth, with kinetics.
    old_dose_mg, new_dose_mg
        Daily doses; the usual ones where they are left out.
    taper_days
        In place of the rule's own.
    **options
        As of :func:`novamind.neurochemistry.course.simulate_regimen`, without ``weeks``.

    Raises
    ------
    NotFoundError
        A drug is not in the tables.
    ValidationError
        Twice the same drug, two without a rule, or a figure out of range.
    """
    rule, sentence, _, steps = proposed_steps(old, new, old_dose_mg, new_dose_mg, taper_days=taper_days)
    weeks = math.ceil((max(step.start_day for step in steps) + _AFTER) / 7)
    simulation = simulate_regimen(steps, weeks=min(weeks, MAXIMUM_WEEKS), **options)
    return CrossTaper(steps[0].drug, steps[-1].drug, rule, sentence, simulation.steps, simulation)


def proposed_steps(
    old: str,
    new: str,
    old_dose_mg: float | None = None,
    new_dose_mg: float | None = None,
    *,
    taper_days: int | None = None,
) -> tuple[SwitchRule, str, int, tuple[RegimenStep, ...]]:
    """Return the rule, its sentence, the days on the old drug before the change, and the steps, as of `cross_taper`."""
    names = [read_regimen([(name, 0.0)])[0].drug for name in (old, new)]
    if names[0] == names[1]:
        raise ValidationError("old and new are the same drug; a titration is a regimen of steps")
    doses = [
        kinetics(name).usual_dose if dose is None else dose
        for name, dose in zip(names, (old_dose_mg, new_dose_mg), strict=True)
    ]
    if not all(is_number(dose, 0) and dose > 0 for dose in doses):
        raise ValidationError("doses must be numbers above 0")
    rule = switch_rule(names[0], names[1])
    if taper_days is not None:
        if rule.strategy not in ("cross-taper", "plateau"):
            raise ValidationError(f"the rule for these drugs is '{rule.strategy}', which has no taper")
        if not is_whole(taper_days, 4, 180):
            raise ValidationError("taper_days must be a whole number from 4 to 180")
        rule = SwitchRule(rule.strategy, rule.wait_days, taper_days, rule.start_share, rule.note, rule.source)
    before = min(max(_BEFORE, 7 * math.ceil(_days_of_half_lives(names[0]) / 7)), _LONGEST_BEFORE)
    words = _SENTENCES[rule.strategy].format(
        old=names[0], new=names[1], wait=counted(rule.wait_days, "day"), taper=counted(rule.taper_days, "day")
    )
    sentence = f"{words}: {rule.note} ({rule.source}, {rule.source.evidence.meaning})."
    return rule, sentence, before, _steps(rule, before, names[0], names[1], doses[0], doses[1])


def switch_rule(old: str, new: str) -> SwitchRule:
    """Return the rule for two generic names: the label's washout where they must not meet, else the table's.

    Raises
    ------
    ValidationError
        No rule covers the two.
    """
    forbidden = [c for c in cautions(new, (old,)) if c.cause == old and c.severity is Severity.CONTRAINDICATED]
    washout = max(
        (w for w in washouts() if w.drug in sides(old) and (not w.before or w.before in sides(new))),
        key=lambda w: w.days,
        default=None,
    )
    if forbidden and washout is not None:
        note = f"the two must not meet; {counted(washout.days, 'day')} after the last dose of {old}"
        return SwitchRule("wait", washout.days, 0, 0.5, note, washout.source)
    if forbidden:
        days = _days_of_half_lives(old)
        note = f"the two must not meet; no washout is tabled, so five half-lives of {old}"
        return SwitchRule("wait", days, 0, 0.5, note, forbidden[0].source)
    for row in rows("switching"):
        if row["old"] in sides(old) and row["new"] in sides(new):
            return _rule(row)
    raise ValidationError(f"no rule in our tables says how to change from {old} to {new}; give a regimen of steps")


def _days_of_half_lives(name: str) -> int:
    """Return in how many days a drug, with its active metabolite, is gone or has come to its steady state."""
    drug = kinetics(name)
    times = [drug.volume / drug.clearance]
    if drug.metabolite:
        times.append(drug.metabolite_volume / drug.metabolite_clearance)
    return max(math.ceil(_HALF_LIVES * math.log(2) * max(times) / 24), 1)


def _rule(row: Mapping[str, str]) -> SwitchRule:
    return SwitchRule(
        row["strategy"],
        int(row["wait_days"]),
        int(row["taper_days"]),
        float(row["start_share"]),
        row["note"],
        source(dict(row)),
    )


def _steps(rule: SwitchRule, before: int, old: str, new: str, old_mg: float, new_mg: float) -> tuple[RegimenStep, ...]:
    low = _rounded(new_mg * rule.start_share)
    if rule.strategy in ("direct", "wait"):
        begin = before + rule.wait_days
        return (
            RegimenStep(old, old_mg, 24.0, 0, before),
            RegimenStep(new, low, 24.0, begin, begin + 7),
            RegimenStep(new, new_mg, 24.0, begin + 7),
        )
    middle = before + rule.taper_days // 2
    first = middle if rule.strategy == "plateau" else before
    edges = [round(first + k * (before + rule.taper_days - first) / len(_DOWN)) for k in range(len(_DOWN) + 1)]
    down = [
        RegimenStep(old, _rounded(old_mg * share), 24.0, start, stop)
        for share, start, stop in zip(_DOWN, edges[:-1], edges[1:], strict=True)
    ]
    return (
        RegimenStep(old, old_mg, 24.0, 0, first),
        *down,
        RegimenStep(new, low, 24.0, before, middle),
        RegimenStep(new, new_mg, 24.0, middle),
    )


def _rounded(dose_mg: float) -> float:
    """Return a dose in two figures, as tablets and their halves allow."""
    return float(f"{dose_mg:.2g}")
