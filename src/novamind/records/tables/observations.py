"""Observations of a table, and the rules for them: on scale, once at a time, with their totals.

A value off its instrument's scale is left out. A number that looks like a code for a missing value is refused where no
scale tells, until it is declared. Of rows with one person, series and time that agree the first is kept, and of those
that do not agree none. A total that is not written is scored from the items.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import fmean, median
from typing import Final, NamedTuple

from novamind.errors import ValidationError
from novamind.records.instruments.scoring import total_of
from novamind.records.signals import SIGNALS
from novamind.records.tables.columns import Named, instrument_of
from novamind.records.tables.numbers import suspects
from novamind.records.tables.profile import TableProfile

_AGGREGATES: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "mean": fmean, "median": median, "min": min, "max": max, "sum": sum,
    "first": lambda values: values[0], "last": lambda values: values[-1],
}  # fmt: skip
_CONTRADICTS: Final = "has another value at the same time (give times of day and the timezone, or --aggregate)"


class Observation(NamedTuple):
    """A value of a series at a moment; ``row`` as the file counts."""

    patient_id: str
    series: str
    local: datetime
    offset: timedelta | None
    value: float
    unit: str | None
    row: int

    @property
    def is_signal(self) -> bool:
        """Return whether it is a signal of the vocabulary, in its unit."""
        return self.series in SIGNALS and self.unit == SIGNALS[self.series].unit

    @property
    def instant(self) -> datetime:
        """Return the moment in UTC where the offset is known, else on the wall clock."""
        return self.local - (self.offset or timedelta(0))


#: An observation, and what its name says of its range.
Ranged = tuple[Observation, Named | None]
#: Person, instrument and time of one form.
FormKey = tuple[str, str, datetime]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was not taken: values or rows of a series or column, why, how many, and the first row."""

    what: str
    reason: str
    count: int
    first_row: int | None = None


class Tally:
    """Counts what is left out, by series or column and reason."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], list[int]] = {}

    def add(self, what: str, reason: str, row: int | None = None, count: int = 1) -> None:
        """Count something."""
        entry = self._counts.setdefault((what, reason), [0, row or 0])
        entry[0] += count
        entry[1] = min(entry[1], row or entry[1])

    def left_out(self) -> tuple[LeftOut, ...]:
        """Return all that was counted, the largest first."""
        entries = (LeftOut(what, reason, n, row or None) for (what, reason), (n, row) in self._counts.items())
        return tuple(sorted(entries, key=lambda entry: (-entry.count, entry.what, entry.reason)))


def on_scale(
    raw: Iterable[Ranged], profile: TableProfile, tally: Tally, columns: Collection[str]
) -> tuple[list[Ranged], set[FormKey]]:
    """Return what is on its scale, and the forms with an item that is not.

    An error names a series only where it is one of ``columns`` and not of cells.

    Raises
    ------
    ValidationError
        A series of unknown range holds what looks like a code for a missing value.
    """
    kept: list[Ranged] = []
    spoiled: set[FormKey] = set()
    raw = list(raw)
    shifted, unscaled = _shifted(raw), _unscaled(raw)
    unranged: dict[str, list[Observation]] = defaultdict(list)
    for observation, named in raw:
        reason = None if named is None else (shifted if named.item else unscaled).get(named.instrument)
        if reason is not None:
            tally.add(observation.series, reason, observation.row)
            continue
        if named is not None and not named.allows(observation.value):
            steps = f" in steps of {named.step}" if named.step > 1 else ""
            reason = f"is off the scale of {named.low:g} to {named.high:g}{steps}"
            tally.add(observation.series, reason, observation.row)
            if named.item:
                spoiled.add(_form(observation, named))
            continue
        if named is None and not observation.is_signal:
            unranged[observation.series].append(observation)
        kept.append((observation, named))
    for series, observations in unranged.items():
        codes = suspects([observation.value for observation in observations])
        rows = [observation.row for observation in observations if observation.value in codes]
        if rows and not profile.missing:
            name = f"'{series[:40]}'" if series in columns else "a series"
            raise ValidationError(
                f"{name}: {len(rows)} row(s), first row {rows[0]}, may hold a code for a missing value: declare it "
                "(--missing 999), or that there is none (--missing none)"
            )
    return kept, spoiled


def _form(observation: Observation, named: Named) -> FormKey:
    return observation.patient_id, named.instrument, observation.instant


def _shifted(raw: Iterable[Ranged]) -> dict[str, str]:
    """Return the instruments whose items all seem to be one too high or too low, with the reason.

    None of their answers is at one end of the scale, some are one beyond the other end, and none is further off.
    """
    answers: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for observation, named in raw:
        if named is not None and named.item:
            answers[named.instrument].append((observation.value - named.low, observation.value - named.high))
    reasons = {}
    for name, pairs in answers.items():
        over, under = [above == 1 for _, above in pairs], [below == -1 for below, _ in pairs]
        if any(over) and all(below >= 1 and above <= 1 for below, above in pairs):
            reasons[name] = "seems to be counted from one more than the form does: recode it"
        if any(under) and all(below >= -1 and above <= -1 for below, above in pairs):
            reasons[name] = "seems to be counted from one less than the form does: recode it"
    return reasons


def _unscaled(raw: Iterable[Ranged]) -> dict[str, str]:
    """Return the instruments whose totals seem to be sums that were not brought to their scale, with the reason.

    None lies above the greatest sum, and some are between the steps of the scale: WHO-5 of 0 to 25, not 0 to 100.
    """
    totals: dict[str, list[float]] = defaultdict(list)
    steps: dict[str, tuple[float, float]] = {}
    for observation, named in raw:
        if named is not None and not named.item and named.step > 1 and named.low <= observation.value <= named.high:
            totals[named.instrument].append(observation.value)
            steps[named.instrument] = named.step, named.high / named.step
    return {
        name: f"seems to be a sum of 0 to {steps[name][1]:g}: multiply it by {steps[name][0]:g}"
        for name, values in totals.items()
        if max(values) <= steps[name][1] and any(value % steps[name][0] for value in values)
    }


def with_totals(
    ranged: Sequence[Ranged], asked: Mapping[str, Collection[int]], spoiled: Collection[FormKey]
) -> tuple[list[Observation], list[str]]:
    """Return the observations with totals that are not written, and what is to be said of totals.

    Parameters
    ----------
    asked
        The items of each instrument that the table asks; a total is not made up for items that nobody was asked.
    spoiled
        Forms with an item off its scale, which is answered and not missing: they have no total that is not written.
    """
    answers: dict[FormKey, dict[int, Observation]] = defaultdict(dict)
    totals: dict[FormKey, Observation] = {}
    for observation, named in ranged:
        if named is not None and named.item:
            answers[_form(observation, named)].setdefault(named.item, observation)
        elif named is not None:
            totals[_form(observation, named)] = observation
    added: list[Observation] = []
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for key, items in answers.items():
        instrument = instrument_of(key[1])
        if instrument is None or not instrument.factor:
            continue
        score = total_of(instrument, {number: int(answer.value) for number, answer in items.items()})
        first = min(items.values(), key=lambda observation: observation.row)
        if key in totals:
            if not score.missing and score.total != totals[key].value:
                rows[key[1], _DIFFERS].append(totals[key].row)
        elif key in spoiled:
            rows[key[1], _SPOILED].append(first.row)
        elif score.total is None or (score.prorated and not set(score.missing) <= set(asked.get(key[1], ()))):
            rows[key[1], _TOO_FEW].append(first.row)
        else:
            added.append(first._replace(series=instrument.name, value=score.total))
            rows[key[1], _PRORATED if score.prorated else _SCORED].append(first.row)
    lowest: dict[str, list[bool]] = defaultdict(list)
    for observation, named in ranged:
        if named is not None and named.item and named.high - named.low > 1:
            lowest[named.instrument].append(observation.value == named.low)
    for name, answers_at_lowest in lowest.items():
        if len(answers_at_lowest) >= _MANY_ANSWERS and not any(answers_at_lowest):
            rows[name, _NEVER_LOWEST] = [1]
    notes = [f"{name}: {what.format(n=len(at))} (first: row {min(at)})" for (name, what), at in rows.items()]
    return [observation for observation, _ in ranged] + added, notes


_MANY_ANSWERS: Final = 60
_NEVER_LOWEST: Final = "WARNING: no item ever has the lowest answer; check that they are not counted from one more"
_SCORED: Final = "{n} total(s) scored from the items"
_PRORATED: Final = "{n} total(s) prorated from the items by the published rule"
_TOO_FEW: Final = "{n} time(s) with too few items for a total"
_SPOILED: Final = (
    "{n} time(s) without a total, since an item is off its scale; if it is a code for a missing answer, declare it "
    "(--missing 999)"
)
_DIFFERS: Final = "WARNING: {n} written total(s) are not the sum of their items; they are kept, check the file"


def distinct(observations: Iterable[Observation], tally: Tally) -> list[Observation]:
    """Return one of rows that agree and none of those that contradict each other at one time."""
    at: dict[tuple[str, str, datetime], list[Observation]] = defaultdict(list)
    for observation in observations:
        at[observation.patient_id, observation.series, observation.instant].append(observation)
    kept = []
    for same in at.values():
        agree = len({observation.value for observation in same}) == 1
        kept += same[:1] if agree else []
        for observation in same[1:] if agree else same:
            tally.add(observation.series, "repeats an earlier row" if agree else _CONTRADICTS, observation.row)
    return kept


def by_day(observations: Sequence[Observation], aggregate: str) -> list[Observation]:
    """Return one value a person, series and local day, at the time of its first report."""
    days: dict[tuple[str, str, date], list[Observation]] = defaultdict(list)
    for observation in observations:
        days[observation.patient_id, observation.series, observation.local.date()].append(observation)
    daily = []
    for day in days.values():
        ordered = sorted(day, key=lambda observation: observation.instant)
        value = float(_AGGREGATES[aggregate]([observation.value for observation in ordered]))
        daily.append(ordered[0]._replace(value=value))
    return daily


def most_a_day(observations: Iterable[Observation]) -> int:
    """Return the largest number of reports of one series on one day."""
    counts: dict[tuple[str, str, date], int] = defaultdict(int)
    for observation in observations:
        counts[observation.patient_id, observation.series, observation.local.date()] += 1
    return max(counts.values(), default=0)
