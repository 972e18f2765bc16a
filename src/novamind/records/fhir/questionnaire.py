"""Scores out of a ``QuestionnaireResponse``.

:mod:`recognition` says which item of which instrument an answer belongs to, :mod:`answers` what it scores. Here bare
numbers are checked against each other, and totals are computed and checked by the published rules:

- A number that is off the scale of its instrument puts the other bare numbers of the form in doubt: none is used.
- Local codes that are numbers count only if they are seen to start where the instrument starts.
- Items that were recognised by number alone are not read beside an answer that is none of the instrument.
- Where items are missing, a total is computed only if the published rule gives one and the form is known to be the
  instrument's; a reported total is used if the items allow it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from novamind.records.fhir.answers import Reading, read_answer
from novamind.records.fhir.documents import Located
from novamind.records.fhir.forms import Forms
from novamind.records.fhir.recognition import Node, Recognition, recognise
from novamind.records.instruments.domain import Instrument, Measure, find, worded_as
from novamind.records.instruments.scoring import total_of
from novamind.summary import counted


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer, or a computed total: what it measures, its score, where it stands, and a remark."""

    measure: Measure
    score: float
    place: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Unscored:
    """An answer that gives no score, and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What was passed over in a form that is read."""

    place: str
    text: str


def scores(entry: Located, forms: Forms) -> Iterator[Scored | Unscored | Remark]:
    """Return the scores of a response to the form of a known instrument; nothing for any other questionnaire."""
    recognition = recognise(entry, forms)
    yield from (Unscored(entry.place, f"a form that {refusal}") for refusal in recognition.refusals)
    if not recognition.by_place:
        return
    answered = [node for node in recognition.nodes if node.answers]
    by_instrument: dict[str, list[tuple[Node, Measure]]] = defaultdict(list)
    for node in answered:
        if measure := recognition.by_place.get(node.place):
            by_instrument[measure.instrument.name].append((node, measure))
    for name, pairs in by_instrument.items():
        yield from _form_scores(find(name), pairs, recognition, entry.place)
    others = [node for node in answered if node.place not in recognition.by_place]
    if others:
        codes = ", ".join(dict.fromkeys(code for node in others for code in node.codes))
        instruments = ", ".join(by_instrument) or "an instrument"
        text = f"no item of {instruments}: {counted(len(others), 'answer')}"
        yield Remark(entry.place, f"{text} (LOINC {codes})" if codes else text)


def _form_scores(
    form: Instrument, pairs: Sequence[tuple[Node, Measure]], recognition: Recognition, place: str
) -> Iterator[Scored | Unscored]:
    readings = [
        Reading(None, "has several answers")
        if len(node.answers) > 1
        else read_answer(node.answers[0], measure, node.form_item)
        for node, measure in pairs
    ]
    doubt = _doubt(form, pairs, readings)
    unsettled = form.name in recognition.numbered and _unsettled(form, pairs, readings)
    items: dict[int, set[float]] = defaultdict(set)
    reported: list[tuple[float, str]] = []
    for (node, measure), reading in zip(pairs, readings, strict=True):
        where = f"{node.place}.answer" + ("[0]" if len(node.answers) == 1 else "")
        what = f"the total of {form.name}" if measure.number is None else f"an item of {form.name}"
        if reading.score is None:
            yield Unscored(where, f"{what} {reading.reason}")
        elif reading.relative and doubt and measure.number is not None:
            yield Unscored(where, f"{what} {doubt}")
        elif unsettled:
            yield Unscored(where, f"{what} is one by its number alone, beside an answer that is none of {form.name}")
        elif measure.number is None:
            reported.append((reading.score, where))
        else:
            items[measure.number].add(reading.score)
            remark = reading.remark or (_BY_NUMBER.format(form.name) if form.name in recognition.numbered else "")
            yield Scored(measure, reading.score, where, remark)
    agreed = {number: int(next(iter(values))) for number, values in items.items() if len(values) == 1}
    unread = {m.number for (_, m), r in zip(pairs, readings, strict=True) if m.number and m.number not in agreed}
    yield from _totals(form, agreed, unread, reported, recognition, place)


_BY_NUMBER = "items of {} were recognised by the complete set of their numbers or texts: the file gives them no codes"


def _doubt(form: Instrument, pairs: Sequence[tuple[Node, Measure]], readings: Sequence[Reading]) -> str:
    """Return why the bare numbers of a form are not used; empty where they are."""
    items = [(m.item, r) for (_, m), r in zip(pairs, readings, strict=True) if m.item is not None]
    if any(reading.relative and reading.score is None for _, reading in items):
        return "is a number beside one that is off the scale"
    local = [(item, reading.score) for item, reading in items if reading.local]
    start_seen = any(score == (item.lowest if item.lowest == 0 else item.highest) for item, score in local)
    if local and not start_seen:
        return "has a local code that may count from another start; give the form's options with their scores"
    numbers = [reading.score for _, reading in items if reading.relative and reading.score is not None]
    totals = {r.score for (_, m), r in zip(pairs, readings, strict=True) if m.number is None}
    if len(numbers) == len(form.items) and sum(numbers) - len(numbers) in totals:
        return "is a number that counts from one higher, as the total shows"
    return ""


def _unsettled(form: Instrument, pairs: Sequence[tuple[Node, Measure]], readings: Sequence[Reading]) -> bool:
    """Return whether an answer says that the numbers of the links may be another form's, and the texts do not."""
    items = [(node, m.number, r) for (node, m), r in zip(pairs, readings, strict=True) if m.number is not None]
    return any(reading.score is None for _, _, reading in items) and not all(
        worded_as(form, number, node.text) for node, number, _ in items
    )


def _totals(
    form: Instrument,
    items: Mapping[int, int],
    unread: Collection[int],
    reported: Sequence[tuple[float, str]],
    recognition: Recognition,
    place: str,
) -> Iterator[Scored | Unscored]:
    """Return the reported totals that the items allow, else the total that the published rule gives.

    A total of all items is not here: they are put together with those of other resources.
    """
    missing = [item for item in form.items if item.number not in items]
    least, most = form.lowest, form.highest
    if items and len(form.domains) == len(form.items):
        least = form.factor * (sum(items.values()) + sum(item.lowest for item in missing))
        most = form.factor * (sum(items.values()) + sum(item.highest for item in missing))
    for total, where in reported:
        if missing and not least <= total <= most:
            yield Unscored(where, f"the total of {form.name} is none that its items allow")
        else:
            partial = items and missing
            remark = f"the total of {form.name} is as reported, with {counted(len(missing), 'item')} missing"
            yield Scored(Measure(form, None), total, where, remark if partial else "")
    present = {m.number for m in recognition.by_place.values() if m.instrument.name == form.name}
    settled = form.name in recognition.declared or present >= {item.number for item in form.items}
    if items and missing and settled and not unread and not reported:
        result = total_of(form, items)
        if result.total is not None:
            yield Scored(Measure(form, None), result.total, place, f"{form.name}: {'; '.join(result.remarks)}")
