"""What an answer of a form, or the value of an Observation, scores.

In this order: an explicit score of the answer (``ordinalValue``, ``itemWeight``, ``iso21090-CO-value``), the score that
the form gives the option, the LOINC code of the answer, a plain number, a published text in English, German or
Spanish, and a local code that is a number. A form whose options are scored on another scale is not followed.
"""

import re
from typing import Any, NamedTuple

import pydantic

from novamind.records.fhir.forms import SCORES, FormItem
from novamind.records.fhir.models import Answer, Component
from novamind.records.instruments.domain import Item, Measure, answer_by_code, answer_by_text


class Reading(NamedTuple):
    """The score of an answer.

    ``score`` is ``None`` with the reason where there is none. ``relative`` says that the score is a bare number, which
    counts on the scale of the instrument only if all of the form's numbers do; ``local`` that it is a local code.
    """

    score: float | None
    reason: str = ""
    remark: str = ""
    relative: bool = False
    local: bool = False


def read_answer(raw: Any, measure: Measure, form_item: FormItem) -> Reading:
    """Return the score of one answer to an item, or to the line of a total."""
    try:
        answer = Answer.model_validate(raw)
    except pydantic.ValidationError:
        return Reading(None, "has no readable answer")
    return _on_scale(_item_score(answer, measure.item, form_item) if measure.item else _total(answer), measure)


def read_value(part: Component, measure: Measure) -> Reading:
    """Return the score of an Observation or of one of its components.

    All its codings must agree; a local code says nothing here, since no form shows where it starts.
    """
    concept = part.valueCodeableConcept
    answers = [Answer(valueCoding=coding) for coding in (concept.coding if concept else ())] or [
        Answer(
            valueQuantity=part.valueQuantity,
            valueInteger=part.valueInteger,
            valueDecimal=part.valueDecimal,
            valueBoolean=part.valueBoolean,
            valueString=part.valueString,
        )
    ]
    if concept and concept.text:
        answers.append(Answer(valueString=concept.text))
    readings = [_item_score(answer, measure.item, FormItem()) if measure.item else _total(answer) for answer in answers]
    readings = [reading for reading in readings if reading.score is not None and not reading.local]
    if len({reading.score for reading in readings}) != 1:
        return Reading(None, "has values that differ" if readings else "without an exact number")
    return _on_scale(readings[0], measure)


def _on_scale(reading: Reading, measure: Measure) -> Reading:
    if reading.score is not None and not measure.allows(reading.score):
        return reading._replace(score=None, reason=f"is off its scale, {measure.scale}")
    return reading


def _total(answer: Answer) -> Reading:
    explicit, number = _explicit(answer), _number(answer)
    score = number if explicit is None else explicit
    return Reading(score, "" if score is not None else _UNKNOWN)


def _item_score(answer: Answer, item: Item, form_item: FormItem) -> Reading:
    coding = answer.valueCoding
    code, display = (coding.code or "", coding.display or "") if coding else ("", "")
    text = display or answer.valueString or ""
    yes = answer.valueBoolean if item.scores == (0, 1) else None
    number = _number(answer) if yes is None else float(yes)
    option = next((o for o in form_item.options if o.code and o.code == (code or _whole(number))), None)
    option = option or next((o for o in form_item.options if text and o.text == text), None)
    explicit = _explicit(answer)
    if explicit is None and option is not None:
        explicit = option.score
    other_scale = _other_scale(form_item, item)
    if other_scale:
        explicit = number = None
    coded = answer_by_code(item, code)
    texts = (text, option.text if option else "", code.replace("-", " ").replace("_", " "))
    worded = next((match for words in texts if (match := answer_by_text(item, words)) is not None), None)
    disputed = (coded, number, worded) if explicit is None else (explicit, worded)
    if len({score for score in disputed if score is not None}) > 1:
        return Reading(None, "has an answer whose code, text and score differ")
    sure = [score for score in (explicit, coded, worded) if score is not None]
    if sure:
        remark = "an answer's code and its explicit score differ: the score was used" if len(set(sure)) > 1 else ""
        return Reading(float(sure[0]), remark=remark)
    if number is not None:
        return Reading(number + 0.0, relative=True)
    digits = code or answer.valueString or ""
    if re.fullmatch(r"\d{1,2}", digits) and not other_scale:
        return Reading(float(digits), relative=True, local=not form_item.options)
    return Reading(None, "has an answer that its form scores on another scale" if other_scale else _UNKNOWN)


_UNKNOWN = "has an answer without a score"


def _other_scale(form_item: FormItem, item: Item) -> bool:
    """Return whether the form's options, where they carry numbers, are on another scale than the item."""
    scores = {option.score for option in form_item.options if option.score is not None}
    if not scores:
        scores = {float(o.code) for o in form_item.options if re.fullmatch(r"\d{1,2}", o.code)}
    return bool(scores) and not (scores <= set(item.scores) and min(scores) == item.lowest)


def _explicit(answer: Answer) -> float | None:
    extensions = (*(answer.valueCoding.extension if answer.valueCoding else ()), *answer.extension)
    return next((e.valueDecimal for e in extensions if e.url.endswith(SCORES)), None)


def _number(answer: Answer) -> float | None:
    quantity = answer.valueQuantity
    numbers = (
        answer.valueInteger,
        answer.valueDecimal,
        quantity.value if quantity and not quantity.comparator else None,
    )
    return next((number for number in numbers if number is not None), None)


def _whole(number: float | None) -> str:
    return f"{number:g}" if number is not None else ""
