"""Forms and responses of the tests, and what is read of them."""

from typing import Any

from novamind.records.fhir.documents import Located
from novamind.records.fhir.forms import Forms
from novamind.records.fhir.questionnaire import Remark, Scored, Unscored, scores
from novamind.records.fhir.terminology import LOINC
from novamind.records.instruments.domain import find

PHQ, GAD = ([item.loinc for item in find(name).items] for name in ("PHQ-9", "GAD-7"))
PHQ_15 = [item.loinc for item in find("PHQ-15").items]
BY_NUMBER = "items of {} were recognised by the complete set of their numbers or texts: the file gives them no codes"
NEED = "give the Questionnaire with its codes, or a mapping of the items"
TEXTS = [
    "Little interest or pleasure in doing things", "Feeling down, depressed, or hopeless", "Trouble sleeping",
    "Feeling tired", "Poor appetite", "Feeling bad about yourself", "Trouble concentrating", "Moving slowly",
    "Thoughts that you would be better off dead",
]  # fmt: skip


def form(**more: Any) -> Located:
    return Located({"resourceType": "Questionnaire"} | more, "Q")


def response(*items: dict[str, Any], **more: Any) -> Located:
    contained = {part["id"]: part for part in more.get("contained", ())}
    return Located({"resourceType": "QuestionnaireResponse", "item": list(items)} | more, "R", "", contained)


def item(link: str, answer: dict[str, Any] | int | None = None, **more: Any) -> dict[str, Any]:
    if isinstance(answer, int):
        answer = {"valueInteger": answer}
    return {"linkId": link, "answer": [{"valueInteger": 2} if answer is None else answer]} | more


def items(links: list[str], *answers: Any) -> list[dict[str, Any]]:
    return [item(link, answers[i % len(answers)]) for i, link in enumerate(links)]


def coded(*codes: str, system: str = LOINC) -> dict[str, Any]:
    return {"code": [{"system": system, "code": code} for code in codes]}


def read(one: Located, forms: Forms | None = None) -> tuple[dict[str, float], list[str]]:
    """Scores by series, and everything that was said."""
    found = list(scores(one, forms or Forms()))
    series = [(one.measure.name, one.score) for one in found if isinstance(one, Scored)]
    assert len(dict(series)) == len(series)
    said = [getattr(one, {Scored: "remark", Unscored: "reason", Remark: "text"}[type(one)]) for one in found]
    return dict(series), list(dict.fromkeys(text for text in said if text))


def phq(*values: int) -> dict[str, float]:
    return {f"PHQ-9 item {i}": float(value) for i, value in enumerate(values, 1)}


def gad(*values: int) -> dict[str, float]:
    return {f"GAD-7 item {i}": float(value) for i, value in enumerate(values, 1)}


def ordinal(code: str | None, score: float, url: str = "http://x/ordinalValue") -> dict[str, Any]:
    return {"valueCoding": {"code": code, "extension": [{"url": "u"}, {"url": url, "valueDecimal": score}]}}
