"""Which item of which instrument an answer belongs to.

In this order: by what the caller declared; by the LOINC code that the Questionnaire gives the item, at the end of its
``definition``, or of its ``linkId``; by another code of the Questionnaire that names the item; by a complete set of
texts or of numbers, one for each item, where names and texts agree. A code that is none of ours settles that the item
is none.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from novamind.records.fhir.documents import Located
from novamind.records.fhir.forms import Form, FormItem, Forms, elements, form_names, links_of, loinc_at_end
from novamind.records.instruments.columns import item_columns, item_of
from novamind.records.instruments.domain import (
    INSTRUMENTS,
    Instrument,
    Item,
    Measure,
    answer_by_code,
    answer_by_text,
    find,
    items_asked,
    measures,
    worded_as,
)


@dataclass(frozen=True, slots=True)
class Node:
    """An item of a response: its link, its LOINC codes, its text, its answers, and its item in the form.

    ``panels`` are the LOINC codes of the groups around it, the nearest first.
    """

    link: str
    codes: tuple[str, ...]
    text: str
    answers: tuple[Any, ...]
    place: str
    form_item: FormItem
    panels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recognition:
    """What the items of a response are, by their places.

    ``numbered`` are the instruments whose items were recognised by a complete set, ``declared`` those that the form
    names itself, and ``refusals`` say which instruments it only seems to be.
    """

    nodes: tuple[Node, ...]
    by_place: Mapping[str, Measure]
    numbered: frozenset[str]
    declared: frozenset[str]
    refusals: tuple[str, ...]


def recognise(entry: Located, forms: Forms) -> Recognition:
    """Return what the items of a response are."""
    form = forms.of(entry) or Form()
    nodes = tuple(_nodes(entry, form))
    names = (*form_names(entry.resource), *form.names)
    codes = (*form.codes, *(code for name in names for code in loinc_at_end(name.partition("|")[0])))
    declared = {match.instrument.name for code in codes for match in measures(code)[:1]}
    declared |= {match.instrument.name for node in nodes for match in _of_codes(node.codes)[:1] if match.number is None}
    links = forms.declared(entry)
    by_place = {
        node.place: Measure(find(item[0]), item[1])
        for node in nodes
        if not node.codes and (item := next(filter(None, map(item_of, node.form_item.other_codes)), None))
    }
    by_place |= {node.place: links[node.link] for node in nodes if node.link in links}
    by_code = _by_code([node for node in nodes if node.place not in by_place], declared | set(_named(names)))
    by_number, refusals = _by_number(
        [node for node in nodes if not node.codes and node.place not in by_place], names, declared
    )
    return Recognition(
        nodes,
        {**by_number, **by_code, **by_place},
        frozenset(measure.instrument.name for measure in by_number.values()),
        frozenset(declared | set(_named(names))),
        tuple(refusals),
    )


def _nodes(entry: Located, form: Form) -> Iterator[Node]:
    for element, place, around in elements(entry.resource, entry.place):
        links = links_of((*around, element))
        form_item = form.item(links)
        answers = element.get("answer")
        yield Node(
            links[-1],
            form_item.codes or loinc_at_end(element.get("definition")) or loinc_at_end(links[-1]),
            _text(element.get("text")) or form_item.text,
            tuple(answers) if isinstance(answers, list) else (),
            place,
            form_item,
            tuple(code for depth in range(len(around), 0, -1) for code in _codes_of(links[:depth], form)),
        )


def _codes_of(links: tuple[str, ...], form: Form) -> tuple[str, ...]:
    return form.item(links).codes or loinc_at_end(links[-1])


# -- by code


def _of_codes(codes: Sequence[str]) -> tuple[Measure, ...]:
    """Return what the codes of an item stand for; nothing where they name different items."""
    matches = [match for code in codes if (match := measures(code))]
    return matches[0] if len({match[0].name for match in matches}) == 1 else ()


def _by_code(nodes: Sequence[Node], declared: set[str]) -> dict[str, Measure]:
    """Return the measures of coded items; items that instruments share go to the one that has all that are there."""
    candidates = {node.place: _of_codes(node.codes) for node in nodes}
    numbers: dict[str, set[int]] = defaultdict(set)
    for matches in candidates.values():
        if matches and matches[0].number is not None:
            numbers[matches[0].instrument.name].add(matches[0].number)
    by_place = {}
    for node in nodes:
        if matches := candidates[node.place]:
            panels = {measure.instrument.name for code in node.panels[:1] for measure in measures(code)}
            fitting = [
                match
                for match in matches
                if match.number is None or max(numbers[matches[0].instrument.name]) <= len(match.instrument.items)
            ]
            by_place[node.place] = next(
                (match for match in matches if match.instrument.name in panels),
                next((match for match in fitting if match.instrument.name in declared), fitting[0]),
            )
    return by_place


# -- by number and by text


_Numbered = list[tuple[int, Node]]


def _by_number(nodes: Sequence[Node], names: Sequence[str], declared: set[str]) -> tuple[dict[str, Measure], list[str]]:
    """Return the measures of items that are counted completely, and what only seems to be an instrument."""
    by_place: dict[str, Measure] = {}
    accepted, refusals = [], []
    for form, numbered in _candidates(nodes, names, declared):
        reason = _doubt(form, numbered, names, declared)
        if reason:
            refusals.append(f"looks like {form.name}, but {reason}; {_GIVE}")
        else:
            accepted.append(form)
            by_place |= {node.place: Measure(form, n) for n, node in numbered if n <= len(form.items)}
    for form in accepted:
        totals = (node for node in nodes if _is_total(node.link, form, alone=len(accepted) == 1))
        by_place |= {node.place: Measure(form, None) for node in totals}
    return by_place, refusals


_GIVE = "give the Questionnaire with its codes, or a mapping of the items"


def _candidates(
    nodes: Sequence[Node], names: Sequence[str], declared: set[str]
) -> Iterator[tuple[Instrument, _Numbered]]:
    """Return items with their numbers, by instrument: of that which the links name, else which the form names.

    Of the latter the texts count the items, where they read like them all; else the numbers at the end of the links.
    """
    by_link: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        by_link[re.split(r"[/#]", node.link)[-1]].append(node)
    of_links = item_columns(by_link)
    for instrument, pairs in of_links.items():
        yield find(instrument), [(number, node) for number, link in pairs for node in by_link[link]]
    taken = {link for pairs in of_links.values() for _, link in pairs}
    rest = [node for link, same in by_link.items() if link not in taken for node in same]
    named = declared or set(_named(names))
    by_text: dict[str, _Numbered] = defaultdict(list)
    for node in rest:
        for instrument, number in items_asked(node.text):
            by_text[instrument].append((number, node))
    if len(named - of_links.keys()) == 1:
        form = find(*(named - of_links.keys()))
        numbered = by_text[form.name] if _complete(form, by_text[form.name]) else _by_last_number(form, rest)
        if numbered:
            yield form, numbered
    elif not named:
        yield from _unnamed(by_text)


def _unnamed(by_text: Mapping[str, _Numbered]) -> Iterator[tuple[Instrument, _Numbered]]:
    """Return the instrument that is asked in its order and answered in its words, where nothing names it."""
    for form in sorted(map(find, by_text), key=lambda form: -len(form.items)):
        numbered = by_text[form.name]
        in_order = [number for number, _ in numbered] == [item.number for item in form.items]
        if len(numbered) >= _ENOUGH_TEXTS and in_order and _complete(form, numbered) and _all_published(form, numbered):
            yield form, numbered
            return


#: Two or three questions are asked in many forms, seven in their order are an instrument's.
_ENOUGH_TEXTS = 7


def _by_last_number(form: Instrument, nodes: Sequence[Node]) -> _Numbered:
    """Return the items whose links differ in the number at their end: the one set that is long enough, else all."""
    by_prefix: dict[str, _Numbered] = defaultdict(list)
    for node in nodes:
        if match := re.fullmatch(r"(.*?)0*([1-9]\d?)", node.link[-80:], re.DOTALL):
            by_prefix[match[1]].append((int(match[2]), node))
    long_enough = [numbered for numbered in by_prefix.values() if len(numbered) >= len(form.items)]
    return long_enough[0] if len(long_enough) == 1 else [pair for pairs in by_prefix.values() for pair in pairs]


def _complete(form: Instrument, numbered: _Numbered) -> bool:
    """Return whether there is one item of each number, and no item of two."""
    count = len(form.items)
    own = [(n, node.place) for n, node in numbered if n <= count]
    return sorted(n for n, _ in own) == [*range(1, count + 1)] and len({place for _, place in own}) == count


def _doubt(form: Instrument, numbered: _Numbered, names: Sequence[str], declared: set[str]) -> str:
    """Return why numbered items are not taken for those of an instrument; empty where they are."""
    if not _complete(form, numbered):
        return f"its links do not number items 1 to {len(form.items)} once each"
    own = [(n, node) for n, node in numbered if n <= len(form.items)]
    texts = [worded_as(form, n, node.text) for n, node in own]
    if False in texts:
        return "the text of an item is not the instrument's in English, German or Spanish"
    if all(texts):
        return ""
    # Where links or answers are the instrument's own, a publisher's name and a tenth question are no reason for doubt.
    own_words = all(item_of(node.link) for _, node in own) or _all_published(form, own)
    if not own_words and len(numbered) > len(own):
        return "its links number more items, and neither texts nor answers say which are its"
    named = [name for name in names if _named([name])] if form.name not in declared else []
    if any(form.name not in _named([name]) or not _says_nothing_else(name, own_words) for name in named):
        return "its name says something else as well"
    return ""


def _all_published(form: Instrument, numbered: _Numbered) -> bool:
    return all(_is_published(form.item(n), answer) for n, node in numbered for answer in node.answers)


def _is_published(item: Item, answer: Any) -> bool:
    """Return whether an answer has a code or a text of the instrument's own."""
    coding = answer.get("valueCoding") if isinstance(answer, Mapping) else None
    coding = coding if isinstance(coding, Mapping) else {}
    text = _text(coding.get("display")) or _text(answer.get("valueString") if isinstance(answer, Mapping) else "")
    return answer_by_code(item, _text(coding.get("code"))) is not None or answer_by_text(item, text) is not None


def _is_total(link: str, form: Instrument, *, alone: bool) -> bool:
    """Return whether a link names the total and nothing else: ``phq9-score``, ``PHQ.Score``; ``total`` of one alone."""
    words = set(_words(link))
    own = {word for spelling in (form.name, *form.aliases) for word in _words(spelling)}
    return bool(words & _TOTAL) and words - _TOTAL <= own and (alone or bool(words - _TOTAL))


_TOTAL = frozenset({"total", "score", "sum"})
#: Words in the name of a form that do not change which instrument it is.
_NEUTRAL = frozenset({
    "v", "version", "example", "questionnaire", "form", "survey", "panel", "assessment", "screening", "screener",
    "screen", "scale", "instrument", "measure", "depression", "anxiety", "severity", "quick", "self", "report",
    "reported", "patient", "health", "item", "items", "r", "de", "en", "es", "us", "uk", "german", "english", "spanish",
    "deutsch", "espanol", "español", "fragebogen", "cuestionario", "adult", "adults", "standard",
})  # fmt: skip
_OTHER = frozenset({
    "satisfaction", "feedback", "usability", "evaluation", "acceptability", "knowledge", "zufriedenheit",
})  # fmt: skip


def _words(text: str) -> list[str]:
    """Return the words and numbers of a name in lower case: ``PHQ9Example`` is phq, 9, example."""
    return [word.casefold() for word in re.findall(r"[A-Z]+(?![a-zß-ÿ])|[A-Z]?[a-zß-ÿ]+|\d+", text)]


@lru_cache(1024)
def _spelled(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return which words of a name spell instruments: first, behind the last, instrument; the longest wins."""
    words = _words(name)
    spelled: list[tuple[int, int, str]] = []
    for parts, instrument in _spellings():
        for start in range(len(words) - len(parts) + 1):
            end = start + len(parts)
            free = all(end <= first or start >= last for first, last, _ in spelled)
            if free and words[start:end] == parts:
                spelled.append((start, end, instrument))
    return tuple(sorted(spelled))


@cache
def _spellings() -> tuple[tuple[list[str], str], ...]:
    spellings = [(_words(spelling), form.name) for form in INSTRUMENTS for spelling in (form.name, *form.aliases)]
    return tuple(sorted(spellings, key=lambda spelling: -len(spelling[0])))


def _last_part(name: str) -> str:
    return re.split(r"[/#:]", name.partition("|")[0].rstrip("/"))[-1][-200:]


def _named(names: Sequence[str]) -> list[str]:
    """Return the instruments that the names of a form spell."""
    return list(dict.fromkeys(instrument for name in names for _, _, instrument in _spelled(_last_part(name))))


def _says_nothing_else(name: str, own_words: bool) -> bool:
    """Return whether the words beside an instrument's name are neutral.

    Those before it need not be (``clinic-phq9``), where links or answers are the instrument's own.
    """
    words, spelled = _words(_last_part(name)), _spelled(_last_part(name))
    inside = {i for first, last, _ in spelled for i in range(first, last)}
    outside = {
        word
        for i, word in enumerate(words)
        if i not in inside and (i > spelled[0][0] or not own_words or word in _OTHER)
    }
    return all(word in _NEUTRAL or word.isdigit() for word in outside)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
