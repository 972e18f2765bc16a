"""The total of an instrument from its items, by the rule that was published for it, missing items included."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, isnan
from numbers import Integral, Real
from operator import index

from novamind.errors import ValidationError
from novamind.records.instruments.columns import items_of
from novamind.records.instruments.domain import Instrument, find
from novamind.summary import Summarised, Summary, counted

Items = Sequence[float | None] | Mapping[int, float | None] | Mapping[str, float | None]


@dataclass(frozen=True, eq=False, repr=False)
class Score(Summarised):
    """A scored form.

    Parameters
    ----------
    total
        By the published rule; ``None`` where that gives none, with the ``reason``.
    prorated
        Whether missing items were made up for, by the published rule.
    missing
        Numbers of the items that were not answered, but for those that the form leaves out.
    remarks
        What the reader of the total has to know: prorating, items that the form left out.
    subscales
        Sums of the published subscales whose items are all there.
    flags
        What single answers mean whatever the total is: thoughts of self-harm, say.
    source
        Where the rule was published.
    """

    instrument: str
    total: float | None
    reason: str
    prorated: bool
    items: Mapping[int, int]
    missing: tuple[int, ...]
    remarks: tuple[str, ...]
    subscales: Mapping[str, int]
    flags: tuple[str, ...]
    source: str

    def _summary(self) -> Summary:
        result = f"no total: {self.reason}" if self.total is None else f"total {self.total:g}"
        text = "; ".join((f"{self.instrument}, {result}", *self.remarks, *self.flags))
        return Summary(text, ("item", "score"), tuple(self.items.items()))


def score(instrument: str, items: Items) -> Score:
    """Return the score of a form.

    Parameters
    ----------
    instrument
        A name, as ``PHQ-9`` or ``phq9``.
    items
        The scores of the items in their order, or by item: its number, or a name such as ``phq9_1``. ``None`` and
        NaN mean that an item was not answered. An item that counts backwards (EPDS) has its published score here.

    Raises
    ------
    NotFoundError
        The items of this instrument are not known.
    ValidationError
        Too few or too many items, an item that the instrument does not have, or a score off its scale.
    """
    form = find(instrument)
    answered = {
        number: _checked(form, number, value)
        for number, value in _by_number(form, items)
        if value is not None and not (isinstance(value, Real) and isnan(value))
    }
    return total_of(form, answered)


def total_of(form: Instrument, answered: Mapping[int, int]) -> Score:
    """Return the score of a form from the items that were answered, whose scores are on their scales."""
    scores, remarks = dict(answered), []
    for skip in form.skips:
        left_out = {i for i in skip.left_out if i not in scores}
        if left_out and sum(scores.get(i, skip.total + 1) for i in skip.asked) == skip.total:
            scores |= {i: form.item(i).lowest for i in left_out}
            remarks.append(_LEFT_OUT)
    needed = {item.number for item in form.items} - scores.keys() - _not_needed(form, scores)
    total, reason = _total(form, scores, needed)
    prorated = total is not None and bool(needed) and form.prorated > 0
    if total is not None and needed:
        remarks.append(_PRORATED if prorated else _DECIDED)
    if total is not None and any(len(group) == 1 and group[0] not in scores for group in form.optional):
        remarks.append(_NOT_ASKED)
    return Score(
        form.name,
        total,
        reason,
        prorated,
        dict(sorted(answered.items())),
        tuple(sorted(needed)),
        tuple(dict.fromkeys(remarks)),
        {
            name: sum(scores[i] for i in numbers)
            for name, numbers in form.subscales.items()
            if set(numbers) <= scores.keys()
        },
        tuple(meaning for i, meaning in form.flags.items() if i in scores and scores[i] > form.item(i).lowest),
        form.source,
    )


_LEFT_OUT = "items that the form leaves out after a screening answer have their lowest score"
_NOT_ASKED = "an item that the form does not ask of everybody counts as 0"
_PRORATED = "missing items are prorated"
_DECIDED = "the total is the same whatever the missing items are"


def _not_needed(form: Instrument, scores: Mapping[int, int]) -> set[int]:
    """Return the items that need no answer: not asked of everybody, or the other side of a pair that has one."""
    return {i for group in form.optional if len(group) == 1 or scores.keys() & set(group) for i in group}


def _total(form: Instrument, scores: Mapping[int, int], missing: set[int]) -> tuple[float | None, str]:
    if not form.factor:
        return None, "no total was published for this instrument"
    if not scores:
        return None, "no item was answered"
    if 0 < len(missing) <= form.prorated:
        return float(floor(sum(scores.values()) * len(form.items) / len(scores) + 0.5)), ""
    if all(
        missing.isdisjoint(domain) or _highest(scores, domain) == form.item(domain[0]).highest
        for domain in form.domains
    ):
        return float(form.factor * sum(_highest(scores, domain) for domain in form.domains)), ""
    rule = f"at most {form.prorated} may be" if form.prorated else "no rule for missing items was published"
    return None, f"{counted(len(missing), 'item')} of {len(form.items)} missing; {rule}"


def _highest(scores: Mapping[int, int], domain: Iterable[int]) -> int:
    return max((scores[i] for i in domain if i in scores), default=0)


def _by_number(form: Instrument, items: Items) -> list[tuple[int, float | None]]:
    count = len(form.items)
    if isinstance(items, Mapping):
        names = items_of(form.name, (key for key in items if isinstance(key, str)))
        by_name = {name: number for number, name in names.items()}
        numbers = [by_name.get(str(key), _number(form, key)) for key in items]
        if None in numbers:
            raise ValidationError(f"an item that {form.name} does not have; number them 1 to {count}")
        if len(set(numbers)) < len(numbers):
            raise ValidationError(f"an item of {form.name} is there twice; give each once")
        return [(number, value) for number, value in zip(numbers, items.values(), strict=True) if number]
    if isinstance(items, str | bytes):
        raise ValidationError(f"items of {form.name} as text; give a list of numbers")
    if not count - ((count,) in form.optional) <= len(items) <= count:
        raise ValidationError(f"{form.name} has {count} items, not {len(items)}; give None for a missing one")
    return list(enumerate(items, 1))


def _number(form: Instrument, key: int | str) -> int | None:
    if isinstance(key, str):
        number = int(key) if key.isdecimal() else 0
    else:
        number = index(key) if isinstance(key, Integral) and not isinstance(key, bool) else 0
    return number if 1 <= number <= len(form.items) else None


def _checked(form: Instrument, number: int, value: float) -> int:
    item = form.item(number)
    yes_or_no = item.scores == (0, 1)
    if not isinstance(value, Real) or (isinstance(value, bool) and not yes_or_no) or value not in item.scores:
        scale = ", ".join(map(str, item.scores)) if len(item.scores) < 5 else f"{item.lowest} to {item.highest}"
        raise ValidationError(f"item {number} of {form.name} is off its scale; allowed are {scale}")
    return int(value)
