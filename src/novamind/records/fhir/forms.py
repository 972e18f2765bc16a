"""The Questionnaires of a file: what codes their items carry, what they ask, and how their options score.

A contained Questionnaire belongs to the response that contains it. Another is found by its canonical address (and
version), by its ``fullUrl``, or by ``Questionnaire/id`` where the file has one of that id; never by an id alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from novamind.errors import NotFoundError, ValidationError
from novamind.records.fhir.documents import Located, Resource
from novamind.records.fhir.terminology import LOINC_SYSTEMS
from novamind.records.instruments.columns import measure_of
from novamind.records.instruments.domain import Measure

#: Ends of the addresses of extensions that hold the score of an answer.
SCORES = ("ordinalValue", "itemWeight", "iso21090-CO-value")
#: Canonical address of a Questionnaire -> linkId -> series, such as ``PHQ-9 item 1``.
ItemMapping = Mapping[str, Mapping[str, str]]
_LOINC_AT_END = re.compile(r"(?<!\d)(\d{4,6}-\d)$")


@dataclass(frozen=True, slots=True)
class Option:
    """One answer that a form offers: its code, its text, and its score where the form states one."""

    code: str
    text: str
    score: float | None


@dataclass(frozen=True, slots=True)
class FormItem:
    """An item of a form: its LOINC codes, its other codes, its text, its options."""

    codes: tuple[str, ...] = ()
    other_codes: tuple[str, ...] = ()
    text: str = ""
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A Questionnaire: its LOINC codes, its names, and its items by their links from the outermost group inwards."""

    codes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    items: Mapping[tuple[str, ...], FormItem] = field(default_factory=dict)
    by_link: Mapping[str, FormItem] = field(default_factory=dict)

    def item(self, links: tuple[str, ...]) -> FormItem:
        """Return the item at a place of a response, else the only one of its ``linkId``."""
        return self.items.get(links) or self.by_link.get(links[-1], FormItem())


class Forms:
    """The Questionnaires of a file, and what the caller declared about others."""

    def __init__(self, located: Sequence[Located] = (), mapping: ItemMapping | None = None) -> None:
        self._by_name: dict[str, list[Located]] = {}
        self._read: dict[int, Form] = {}
        self._terms: dict[str, Resource] = {}
        for entry in located:
            url = entry.resource.get("url")
            if entry.kind in ("ValueSet", "CodeSystem") and isinstance(url, str):
                # Of several that differ none is meant.
                self._terms[url] = entry.resource if self._terms.get(url, entry.resource) == entry.resource else {}
            if entry.kind == "Questionnaire" and entry.parent is None:
                own = entry.resource.get("id")
                names = {entry.resource.get("url"), entry.full_url, f"Questionnaire/{own}" if own else ""}
                for name in names:
                    if isinstance(name, str) and name:
                        self._by_name.setdefault(name, []).append(entry)
        self._declared = {
            form: {link: _declared(series) for link, series in items.items()} for form, items in (mapping or {}).items()
        }

    def declared(self, entry: Located) -> Mapping[str, Measure]:
        """Return what the caller declared about the links of a response."""
        return self._declared.get(_address(entry.resource).partition("|")[0], {})

    def of(self, entry: Located) -> Form | None:
        """Return the form that a response answers; ``None`` where the file has none, or several that differ."""
        name, _, version = _address(entry.resource).partition("|")
        contained = [
            resource
            for own, resource in entry.contained.items()
            if resource.get("resourceType") == "Questionnaire" and name in (f"#{own}", resource.get("url"))
        ]
        candidates: list[Resource] = contained or [match.resource for match in self._by_name.get(name, ())]
        if version:
            candidates = [form for form in candidates if form.get("version") in (version, None)]
        forms = [self._form(candidate) for candidate in candidates]
        return forms[0] if forms and all(form == forms[0] for form in forms) else None

    def _form(self, questionnaire: Resource) -> Form:
        """Return a Questionnaire as a form; each is read once, however many responses name it."""
        if id(questionnaire) not in self._read:
            self._read[id(questionnaire)] = _form(questionnaire, self._terms)
        return self._read[id(questionnaire)]


def questionnaires(located: Sequence[Located], mapping: ItemMapping | None = None) -> Forms:
    """Return the forms of a file."""
    return Forms(located, mapping)


def form_names(resource: Resource) -> tuple[str, ...]:
    """Return how a response names its form: a canonical address (R4), or the reference and its text (STU3)."""
    questionnaire = resource.get("questionnaire")
    if isinstance(questionnaire, Mapping):
        names = (questionnaire.get("reference"), questionnaire.get("display"))
    else:
        names = (questionnaire, None)
    return tuple(name for name in names if isinstance(name, str) and name)


def _address(resource: Resource) -> str:
    return next(iter(form_names(resource)), "")


def elements(resource: Resource, place: str) -> Iterator[tuple[Mapping[str, Any], str, tuple[Mapping[str, Any], ...]]]:
    """Return the items of a form or response in their order: each with its place and the items around it."""
    pending: list[tuple[Mapping[str, Any], str, tuple[Mapping[str, Any], ...], bool]] = [(resource, place, (), False)]
    while pending:
        element, here, around, is_item = pending.pop()
        if is_item:
            yield element, here, around
        inner = (*around, element) if is_item else around
        pending.extend(
            (child, f"{here}.{key}[{i}]", inner, key == "item")
            for key in ("answer", "item")
            for i, child in reversed(list(enumerate(objects(element.get(key)))))
        )


def loinc_codes(codings: Any) -> tuple[str, ...]:
    """Return the LOINC codes of a list of ``Coding``."""
    codes = (coding.get("code") for coding in objects(codings) if coding.get("system") in LOINC_SYSTEMS)
    return tuple(code for code in codes if isinstance(code, str))


def loinc_at_end(text: Any) -> tuple[str, ...]:
    """Return the LOINC code at the end of a ``linkId`` or ``definition``: ``/44249-1/44250-9``."""
    match = _LOINC_AT_END.search(text.rstrip()[-64:]) if isinstance(text, str) else None
    return (match[1],) if match else ()


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list; nothing where it is no list."""
    return [part for part in value if isinstance(part, Mapping)] if isinstance(value, list) else []


def _declared(series: str) -> Measure:
    try:
        return measure_of(series)
    except NotFoundError as error:
        raise ValidationError("a mapping names no item of an instrument; write one such as PHQ-9 item 1") from error


def _form(questionnaire: Resource, terms: Mapping[str, Resource]) -> Form:
    contained = {f"#{resource.get('id')}": resource for resource in objects(questionnaire.get("contained"))}
    items: dict[tuple[str, ...], FormItem] = {}
    for element, _, around in elements(questionnaire, ""):
        codes = loinc_codes(element.get("code")) or loinc_at_end(element.get("definition"))
        other_codes = tuple(_text(coding.get("code")) for coding in objects(element.get("code")))
        options = tuple(_option(option) for option in objects(element.get("answerOption")))
        options += _options(_text(element.get("answerValueSet")).partition("|")[0], {**terms, **contained})
        items[links_of((*around, element))] = FormItem(codes, other_codes, _text(element.get("text")), options)
    by_link: dict[str, FormItem] = {}
    for (*_, link), item in items.items():
        # Of different items of one link none is meant where a response does not keep to the groups.
        by_link[link] = item if by_link.get(link, item) == item else FormItem()
    names = tuple(_text(questionnaire.get(key)) for key in ("url", "name", "title"))
    return Form(loinc_codes(questionnaire.get("code")), tuple(filter(None, names)), items, by_link)


def links_of(path: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the links of items from the outermost inwards."""
    return tuple(_text(element.get("linkId")) for element in path)


def _option(option: Mapping[str, Any]) -> Option:
    coding = option.get("valueCoding")
    if isinstance(coding, Mapping):
        score = _stated(option.get("extension"), coding.get("extension"))
        return Option(_text(coding.get("code")), _text(coding.get("display")), score)
    value = option.get("valueInteger", option.get("valueString"))
    score = _stated(option.get("extension"))
    if isinstance(value, int) and not isinstance(value, bool):
        return Option(str(value), "", float(value) if score is None else score)
    return Option("", _text(value), score)


def _options(address: str, terms: Mapping[str, Resource]) -> tuple[Option, ...]:
    """Return the options of a ValueSet: its expansion, its list of concepts, or the CodeSystem that it includes."""
    value_set = terms.get(address, {})
    expansion, compose = value_set.get("expansion"), value_set.get("compose")
    included = objects(compose.get("include")) if isinstance(compose, Mapping) else []
    systems = [objects(terms.get(_text(part.get("system")), {}).get("concept")) for part in included]
    scores = {_text(concept.get("code")): _stated(concept.get("extension")) for system in systems for concept in system}
    concepts = objects(expansion.get("contains")) if isinstance(expansion, Mapping) else []
    if not concepts:
        pairs = zip(included, systems, strict=True)
        concepts = [c for part, system in pairs for c in objects(part.get("concept")) or system]
    options = []
    for concept in concepts:
        code, score = _text(concept.get("code")), _stated(concept.get("extension"))
        options.append(Option(code, _text(concept.get("display")), scores.get(code) if score is None else score))
    return tuple(options)


def _stated(*extensions: Any) -> float | None:
    for extension in (part for parts in extensions for part in objects(parts)):
        value = extension.get("valueDecimal", extension.get("valueInteger"))
        if _text(extension.get("url")).endswith(SCORES) and isinstance(value, int | float):
            return float(value)
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
