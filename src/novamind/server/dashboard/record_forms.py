"""Forms in which a piece of a record is written: from texts that people type to a piece, and back."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, TypeVar

import pydantic

from novamind.clinic import Piece, SymptomReport
from novamind.drugs.catalogue import catalogue
from novamind.drugs.cautions import known_conditions
from novamind.errors import ValidationError
from novamind.records import Allergy, Condition, MedicationCourse
from novamind.symptoms.endpoints import Report
from novamind.symptoms.instruments import INSTRUMENTS
from novamind.twin.endpoints import AllergyBody, ConditionBody, Course

#: What a form holds, by field.
Texts = Mapping[str, str]
#: What is wrong with it, by field.
Reasons = Mapping[str, str]
_Body = TypeVar("_Body", bound=pydantic.BaseModel)
_COLUMN: Final = re.compile(r"column '(\w+)': (.*)")
#: Words of the clinic's refusals, and the field beside which each belongs.
_BESIDE: Final = (("off its scale", "value"), ("scale", "low"), ("lies", "timestamp"))
#: What is wrong with a text, by the beginning of pydantic's name for it.
_REASONS: Final = (
    ("missing", "is needed"),
    ("string_too_short", "is needed"),
    ("string_pattern_mismatch", "is not in the form described here"),
    ("datetime", "give day and time, such as 2026-03-01 08:30"),
    ("date", "give a day, such as 2026-03-01"),
    ("float", "give a number"),
    ("literal_error", "choose from the list"),
)


class FormError(ValidationError):
    """Texts of a form cannot be used; ``reasons`` says why, by field."""

    def __init__(self, reasons: Reasons) -> None:
        super().__init__("some fields cannot be used as they are")
        self.reasons = reasons


@dataclass(frozen=True)
class Field:
    """One field of a form.

    Attributes
    ----------
    type
        That of HTML's ``input``, or ``select``.
    hint
        In which form it is written.
    choices
        Value and words of each choice of a ``select``.
    suggestions
        What may be typed, among others.
    folded
        Whether it is seldom needed.
    """

    name: str
    label: str
    type: str = "text"
    hint: str = ""
    required: bool = False
    choices: Sequence[tuple[str, str]] = ()
    suggestions: Callable[[], Sequence[str]] = tuple
    folded: bool = False


@dataclass(frozen=True)
class Form:
    """The fields of one kind of piece.

    Attributes
    ----------
    texts
        Returns a piece as texts; the clock is that of its times.
    piece
        Returns the piece that texts say. Of the stored report whose place it takes, or ``None``, it keeps a name
        that forms refuse and a moment that nobody changed.
    """

    fields: tuple[Field, ...]
    texts: Callable[[Any, tzinfo], dict[str, str]]
    piece: Callable[[Texts, tzinfo, Any], Piece]

    def reasons(self, error: ValidationError) -> Reasons:
        """Return what is wrong by field; under no name what belongs to none."""
        if isinstance(error, FormError):
            return error.reasons
        text = str(error).removeprefix("report 1 of 1: ")
        labels = {field.name: field.label.lower() for field in self.fields}
        if column := _COLUMN.fullmatch(text):
            return {column[1]: re.sub(r"'(\w+)'", lambda name: f"the {labels.get(name[1], name[1])}", column[2])}
        beside = next((name for words, name in _BESIDE if words in text), "")
        return {beside if beside in labels else "": text}


def local_text(moment: datetime, clock: tzinfo) -> str:
    """Return a moment as a form's field for day and time has it; one without an offset is local already."""
    local = moment if moment.tzinfo is None else moment.astimezone(clock)
    exact = "milliseconds" if local.microsecond else "seconds" if local.second else "minutes"
    return local.replace(tzinfo=None).isoformat(timespec=exact)


def _checked(body: type[_Body], texts: Mapping[str, Any]) -> _Body:
    """Return texts as the API's body has them; what is left empty is not given."""
    try:
        return body.model_validate({name: text for name, text in texts.items() if text not in ("", None)})
    except pydantic.ValidationError as error:
        raise FormError({str(fault["loc"][-1]): _reason(fault) for fault in error.errors()}) from None


def _reason(error: Mapping[str, Any]) -> str:
    words = next((words for kind, words in _REASONS if error["type"].startswith(kind)), None)
    return words or re.sub(r"^(Input|String|Value error,) ", "", error["msg"])


def _number(value: float | None) -> str:
    return "" if value is None else str(value).removesuffix(".0")


def _tick(ticked: bool) -> str:
    return "on" if ticked else ""


def _report_texts(report: SymptomReport, clock: tzinfo) -> dict[str, str]:
    when = local_text(report.timestamp, clock)
    return {"symptom": report.symptom, "timestamp": when, "value": _number(report.value)}


def _report(texts: Texts, clock: tzinfo, stored: SymptomReport | None) -> SymptomReport:
    """The stored name and moment stay as they are where nobody changed them: files bring names that forms refuse."""
    kept = stored is not None and texts.get("symptom") == stored.symptom
    scale = {name: texts[name] for name in ("low", "high", "step") if texts.get(name)}
    body = _checked(
        Report,
        {
            "symptom": "kept" if kept else texts.get("symptom"),
            "timestamp": _moment(texts.get("timestamp", ""), clock, stored),
            "value": texts.get("value"),
            "scale": (scale and scale | {"worse": texts.get("worse") or "high"}) or None,
        },
    )
    try:
        own = body.own_scale()
    except ValidationError as error:
        raise FormError({"step" if "step" in str(error) else "low": str(error)}) from error
    return SymptomReport(stored.symptom if stored and kept else body.symptom, body.timestamp, body.value, own)


def _moment(text: str, clock: tzinfo, stored: SymptomReport | None) -> datetime | str:
    """Return the moment that a text names by a clock, or the text where it names none."""
    if stored and stored.timestamp.tzinfo and text == local_text(stored.timestamp, clock):
        return stored.timestamp
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=clock)


def _course_texts(course: MedicationCourse, _clock: tzinfo) -> dict[str, str]:
    days = {
        name: "" if day is None else day.isoformat() for name, day in (("start", course.start), ("end", course.end))
    }
    return {
        "medication": course.medication,
        "dose_mg": _number(course.dose_mg),
        **days,
        "stopped": _tick(course.stopped),
    }


def _course(texts: Texts, _clock: tzinfo, _stored: MedicationCourse | None) -> MedicationCourse:
    names = ("medication", "dose_mg", "start", "end")
    body = _checked(Course, {name: texts.get(name) for name in names} | {"stopped": bool(texts.get("stopped"))})
    return MedicationCourse(**body.model_dump())


def _condition_texts(condition: Condition, _clock: tzinfo) -> dict[str, str]:
    return {
        "name": condition.name,
        "onset": condition.onset or "",
        "abatement": condition.abatement or "",
        "active": _tick(condition.active),
    }


def _condition(texts: Texts, _clock: tzinfo, _stored: Condition | None) -> Condition:
    names = ("name", "onset", "abatement")
    body = _checked(ConditionBody, {name: texts.get(name) for name in names} | {"active": bool(texts.get("active"))})
    return body.condition()


def _allergy_texts(allergy: Allergy, _clock: tzinfo) -> dict[str, str]:
    return {
        "name": allergy.name,
        "medication": allergy.medication or "",
        "criticality": allergy.criticality or "",
        "active": _tick(allergy.active),
    }


def _allergy(texts: Texts, _clock: tzinfo, _stored: Allergy | None) -> Allergy:
    names = ("name", "medication", "criticality")
    body = _checked(AllergyBody, {name: texts.get(name) for name in names} | {"active": bool(texts.get("active"))})
    return body.allergy()


_DAY_HINT: Final = "a year, month or day: 2024, 2024-05 or 2024-05-17"
REPORT: Final = Form(
    (
        Field(
            "symptom",
            "Symptom",
            hint="an instrument such as PHQ-9, or the name of a series of your own",
            required=True,
            suggestions=lambda: [instrument.name for instrument in INSTRUMENTS],
        ),
        Field("timestamp", "Day and time", "datetime-local", required=True),
        Field("value", "Value", "number", required=True),
        Field("low", "Lowest value of the scale", "number", folded=True),
        Field("high", "Highest value of the scale", "number", folded=True),
        Field("step", "Step of the scale", "number", folded=True),
        Field(
            "worse",
            "Which end is worse",
            "select",
            choices=(("high", "the highest value"), ("low", "the lowest value")),
            folded=True,
        ),
    ),
    _report_texts,
    _report,
)
COURSE: Final = Form(
    (
        Field("medication", "Medication", required=True, suggestions=lambda: sorted(catalogue())),
        Field("dose_mg", "Dose a day in mg", "number"),
        Field("start", "First day", "date"),
        Field("end", "Last day", "date", "empty while it is taken"),
        Field("stopped", "No longer taken, though the last day is not known", "checkbox"),
    ),
    _course_texts,
    _course,
)
CONDITION: Final = Form(
    (
        Field(
            "name",
            "Condition",
            hint="one from the list is checked against each drug",
            required=True,
            suggestions=lambda: sorted(known_conditions()),
        ),
        Field("onset", "Began", hint=_DAY_HINT),
        Field("abatement", "Ended", hint=_DAY_HINT),
        Field("active", "Active", "checkbox"),
    ),
    _condition_texts,
    _condition,
)
ALLERGY: Final = Form(
    (
        Field("name", "Allergy or intolerance", required=True),
        Field(
            "medication",
            "Drug",
            hint="if it is to one: advice then leaves that drug out",
            suggestions=lambda: sorted(catalogue()),
        ),
        Field(
            "criticality",
            "Criticality",
            "select",
            choices=(("", "not stated"), ("low", "low"), ("high", "high"), ("unable-to-assess", "cannot be assessed")),
        ),
        Field("active", "Active", "checkbox"),
    ),
    _allergy_texts,
    _allergy,
)
#: What a new form shows.
EMPTY: Final[Texts] = {"active": "on"}


def clock_of(zone: tzinfo | None, report: object = None) -> tzinfo:
    """Return the clock of a form: the patient's, else that of the stored report, else UTC."""
    if zone is None and isinstance(report, SymptomReport) and report.timestamp.tzinfo is not None:
        return report.timestamp.tzinfo
    return zone or UTC
