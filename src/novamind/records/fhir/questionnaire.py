"""PHQ-9 and GAD-7 out of a ``QuestionnaireResponse``: which item an answer belongs to, and what it scores.

An item is recognised, in this order, by the LOINC code that its Questionnaire gives it (where the Questionnaire
came along), by a LOINC code at the end of its ``definition`` or ``linkId``, or by the number at the end of its
``linkId`` where the questionnaire's name says which form it is. An answer scores by an explicit score
(``ordinalValue``, ``itemWeight``, ``iso21090-CO-value``), by a plain number, or by its LOINC answer code.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

from novamind.records.fhir.documents import Located, Resource
from novamind.records.fhir.models import Answer
from novamind.records.fhir.terminology import ANSWERS, ITEMS, LOINC, QUESTIONNAIRES, TOTALS, ScoredQuestionnaire

_LOINC_AT_END = re.compile(r"(\d{4,5}-\d)$")
_NUMBER_AT_END = re.compile(r"(?:^|\D)(\d{1,2})$")
_SCORES = ("ordinalValue", "itemWeight", "iso21090-CO-value")
_MAX_ITEMS = 500

#: linkId -> LOINC code, by every name a response may use for the questionnaire.
Questionnaires = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer: its form, the item's position (``None`` for the total), its score, and a remark."""

    form: ScoredQuestionnaire
    position: int | None
    score: float
    place: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Unscored:
    """An answer that gives no score, and why."""

    place: str
    reason: str


def questionnaires(located: list[Located]) -> dict[str, dict[str, str]]:
    """Return the item codes of every Questionnaire in the file, contained ones included, by each of its names."""
    codes_by_name: dict[str, dict[str, str]] = {}
    for entry in located:
        if entry.kind == "Questionnaire":
            codes = {
                item["linkId"]: coding["code"]
                for item, _ in _items(entry.resource, "")
                if isinstance(item.get("linkId"), str)
                for coding in _list(item.get("code"))
                if isinstance(coding, Mapping) and coding.get("system") == LOINC and isinstance(coding.get("code"), str)
            }
            own = entry.resource.get("id")
            names = [entry.resource.get("url"), *((f"Questionnaire/{own}", f"#{own}") if own else ())]
            codes_by_name.update({name: codes for name in names if isinstance(name, str)})
    return codes_by_name


def scores(entry: Located, codes_by_name: Questionnaires) -> Iterator[Scored | Unscored]:
    """Return the scores of a response to a known form; nothing for any other questionnaire."""
    named = _questionnaire_name(entry.resource)
    codes = codes_by_name.get(named.partition("|")[0], {})
    plain = re.sub(r"[^a-z0-9]", "", named.casefold())
    form_by_name = next((f for f in QUESTIONNAIRES if f.name.replace("-", "").casefold() in plain), None)
    for item, place in _items(entry.resource, entry.place):
        answers = item.get("answer")
        link_id = item.get("linkId")
        link = link_id if isinstance(link_id, str) else ""
        belongs = _belongs(link, item.get("definition"), codes, form_by_name)
        if belongs is None or not isinstance(answers, list) or not answers:
            continue
        form, position, by_number = belongs
        if len(answers) > 1:
            yield Unscored(f"{place}.answer", f"an item of {form.name} has several answers")
            continue
        yield _score(form, position, answers[0], f"{place}.answer[0]", by_number)


def _questionnaire_name(resource: Resource) -> str:
    """Return the canonical address (R4), or the text of a reference of STU3, which serves as a name only."""
    questionnaire = resource.get("questionnaire")
    if isinstance(questionnaire, Mapping):
        questionnaire = questionnaire.get("display") or questionnaire.get("reference")
    return questionnaire if isinstance(questionnaire, str) else ""


def _items(resource: Resource, start: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    pending = [(resource, start)]
    count = 0
    while pending:
        parent, place = pending.pop()
        for key in ("item", "answer"):
            for i, child in enumerate(_list(parent.get(key))):
                if isinstance(child, Mapping):
                    count += 1
                    if count > _MAX_ITEMS:
                        return
                    if key == "item":
                        yield child, f"{place}.item[{i}]"
                    pending.append((child, f"{place}.{key}[{i}]"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _belongs(
    link: str, definition: Any, codes: Mapping[str, str], form: ScoredQuestionnaire | None
) -> tuple[ScoredQuestionnaire, int | None, bool] | None:
    texts = [codes.get(link, ""), definition if isinstance(definition, str) else "", link]
    for text in texts:
        if (loinc := _LOINC_AT_END.search(text[-64:])) and loinc[1] in TOTALS:
            return TOTALS[loinc[1]], None, False
        if loinc and loinc[1] in ITEMS:
            return *ITEMS[loinc[1]], False
    if form is None or link in codes:
        return None
    if re.search(r"score|total", link, re.IGNORECASE):
        return form, None, True
    number = _NUMBER_AT_END.search(link[-64:])
    return (form, int(number[1]) - 1, True) if number and 1 <= int(number[1]) <= len(form.items) else None


def _score(form: ScoredQuestionnaire, position: int | None, raw: Any, place: str, by_number: bool) -> Scored | Unscored:
    highest = form.highest if position is None else 3
    what = f"the total of {form.name}" if position is None else f"an item of {form.name}"
    try:
        answer = Answer.model_validate(raw)
    except pydantic.ValidationError:
        return Unscored(place, f"{what} has no readable answer")
    coding = answer.valueCoding
    explicit = next((e.valueDecimal for e in (coding.extension if coding else ()) if e.url.endswith(_SCORES)), None)
    by_code = ANSWERS.get(coding.code or "") if coding else None
    quantity = answer.valueQuantity.value if answer.valueQuantity else None
    score = next(
        (s for s in (explicit, by_code, answer.valueInteger, answer.valueDecimal, quantity) if s is not None), None
    )
    if score is None:
        return Unscored(place, f"{what} has an answer without a score")
    if not (float(score).is_integer() and 0 <= score <= highest):
        return Unscored(place, f"{what} is off its scale, 0 to {highest}")
    remark = ""
    if explicit is not None and by_code is not None and explicit != by_code:
        remark = "an answer's code and its explicit score differ: the score was used"
    elif by_number:
        remark = f"items of {form.name} were recognised by their number, since the file lacks the Questionnaire"
    return Scored(form, position, float(score), place, remark)
