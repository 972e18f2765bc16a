"""From a name or a code as records write it to the drug, its strength and its form.

A name is read when every word of it is a drug of the tables or a word of :mod:`novamind.drugs.words`, and the drugs are
one, or the parts of one combination product. Nothing is guessed: a name with any other word, a near miss and two drugs
that are no product are not read. RxNorm and ATC codes of the tables are read by their system.
"""

import re
import unicodedata
from difflib import get_close_matches
from functools import cache
from typing import NamedTuple

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Product
from novamind.drugs.strengths import Amounts, take_amounts
from novamind.drugs.tables import rows
from novamind.drugs.words import ADDITIONS, DEPOT_SALTS, FILLERS, FORMS, RELEASES, ROUTES, salts

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
# In small letters.
_SYSTEMS = {
    "rxnorm": RXNORM,
    RXNORM: RXNORM,
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "atc": ATC,
    ATC: ATC,
    "http://fhir.de/codesystem/bfarm/atc": ATC,
    "http://fhir.de/codesystem/dimdi/atc": ATC,
    "urn:oid:2.16.840.1.113883.6.73": ATC,
}
_LONGEST = 300
_LONGEST_NAME = 5  # words
_LONG_ABBREVIATION = 4  # letters: hctz is no word, ass is one
# Their names are everyday words, so that they count only where they are the whole text.
_EVERYDAY = frozenset({"habit", "food", "dietary"})
# Forms that a later word makes plain: film-coated tablet, suspension for injection.
_UNDECIDED = frozenset({"", "film", "powder", "solution", "suspension"})
_BREAK = re.compile(r"[\s\-/,;:()\[\]{}+&|*®™]+")
_NUMBER = re.compile(r"#?\d+([.,]\d+)?x?%?|x\d+|\d+\.")


class _Name(NamedTuple):
    drugs: tuple[str, ...]
    in_capitals: bool = False  # an abbreviation, which counts only in capitals
    alone: bool = False


def find(text: str, system: str = "") -> Product | None:
    """Return what a name or a code of a medication says; None where it is not in the tables or not read without doubt.

    Parameters
    ----------
    text
        A name, such as ``citalopram (CELEXA) 20 mg tablet`` or ``Sertralin 50 mg Filmtabletten``.
        With ``system``, a code.
    system
        ``rxnorm``, ``atc``, or the address of either code system.

    Returns
    -------
    Product or None
        Drugs, strengths, form, release and route, as far as the text says them.
    """
    if system:
        return _coded(text.strip(), _SYSTEMS.get(system.casefold(), ""))
    plain = unicodedata.normalize("NFKC", text)
    if not plain.strip() or len(plain) > _LONGEST:
        return None
    whole = _names().get(_words(plain.casefold()))
    if whole is not None and (not whole.in_capitals or plain.isupper() or len(plain) >= _LONG_ABBREVIATION):
        return Product(text, whole.drugs)
    amounts, rest = take_amounts(plain)
    return _read(text, amounts, _BREAK.split(rest))


def normalise(name: str) -> str | None:
    """Return the generic name where a text names one drug without doubt; None otherwise."""
    product = find(name)
    return product.drug if product is not None else None


def drugs_of(name: str) -> tuple[str, ...]:
    """Return the generic names in a text: the one drug, all of a combination product, or none."""
    product = find(name)
    return product.drugs if product is not None else ()


def nearest(text: str, most: int = 3) -> tuple[str, ...]:
    """Return the generic names whose names are most like a text, for a message; never for a choice."""
    spelled = {" ".join(words): name.drugs for words, name in _names().items()}
    close = get_close_matches(" ".join(_words(text.casefold()[:_LONGEST])), spelled, most * 2, 0.7)
    return tuple(dict.fromkeys(drug for name in close for drug in spelled[name]))[:most]


@cache
def codes(system: str) -> dict[str, str]:
    """Return code to generic name, of RxNorm ingredients or ATC."""
    return {row["code"]: row["drug"] for row in rows("codes") if _SYSTEMS[row["system"]] == _SYSTEMS[system.casefold()]}


@cache
def products() -> dict[str, str]:
    """Return RxNorm clinical drug to its name in RxNorm."""
    return {row["code"]: row["name"] for row in rows("products")}


def _coded(code: str, system: str) -> Product | None:
    if not system:
        return None
    drug = codes(system).get(code)
    if drug is not None:
        return Product(code, (drug,))
    name = products().get(code) if system == RXNORM else None
    return find(name) if name is not None else None


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip(".") for word in _BREAK.split(text.replace("'", "").replace("’", "")) if word.strip("."))


@cache
def _names() -> dict[tuple[str, ...], _Name]:
    names: dict[tuple[str, ...], _Name] = {}
    everyday = {name for name, drug in catalogue().items() if drug.drug_class in _EVERYDAY}
    for row in rows("names"):
        if row["kind"] != "salt":
            name = _Name((row["drug"],), row["kind"] == "abbreviation", row["drug"] in everyday)
            names[_words(row["name"].casefold())] = name
    for row in rows("combinations"):
        if row["name"]:
            names[_words(row["name"].casefold())] = _Name(tuple(row["drugs"].split(";")))
    for drug in catalogue():
        names[_words(drug.casefold())] = _Name((drug,), alone=drug in everyday)
        if drug.endswith("e"):  # sertraline: German Sertralin
            names.setdefault(_words(drug.casefold().removesuffix("e")), _Name((drug,), alone=drug in everyday))
    return names


@cache
def _parts() -> dict[tuple[str, ...], str]:
    """Return the substances that stand in the tables only as parts of combinations."""
    substances = {drug for row in rows("combinations") for drug in row["drugs"].split(";")}
    return {_words(drug): drug for drug in substances if _words(drug) not in _names()}


@cache
def _combinations() -> dict[frozenset[str], tuple[str, ...]]:
    return {frozenset(row["drugs"].split(";")): tuple(row["drugs"].split(";")) for row in rows("combinations")}


def _read(text: str, amounts: Amounts, pieces: list[str]) -> Product | None:
    """Return the product of a text whose amounts were taken out, when every word of it is understood."""
    written = [word for piece in pieces if (word := piece.replace("'", "").replace("’", "").strip("."))]
    words = [word.casefold() for word in written]
    mentions: list[tuple[str, ...]] = []
    form = release = route = ""
    depot = False
    position = 0
    while position < len(words):
        length, named = _longest(words, written, position)
        if length:
            mentions.append(named)
            own = words[position : position + length]
            position += length
        else:
            own = [words[position]]
            position += 1
            if own[0] not in _understood() and _NUMBER.fullmatch(own[0]) is None:
                return None
        for word in own:
            form = FORMS.get(word, form) if form in _UNDECIDED else form
            route = ROUTES.get(word, route)
            depot |= word in DEPOT_SALTS
            if word not in DEPOT_SALTS:
                release = release or RELEASES.get(word, "")
    drugs = _product(mentions)
    if drugs is None or (len(drugs) == 1 and not ADDITIONS.isdisjoint(words)):
        return None
    in_pieces = form in ("tablet", "capsule") or "pamoate" in words
    if (depot and not in_pieces) or (form == "injection" and (depot or release == "extended")):
        release = "depot"
    return Product(text, drugs, amounts.of(drugs, mentions), form, release, route)


def _longest(words: list[str], written: list[str], start: int) -> tuple[int, tuple[str, ...]]:
    """Return how many words from ``start`` on name drugs, and which; 0 where they name none."""
    for length in range(min(_LONGEST_NAME, len(words) - start), 0, -1):
        key = tuple(words[start : start + length])
        name = _names().get(key)
        if name is not None and not name.alone:
            if not name.in_capitals or "".join(written[start : start + length]).isupper():
                return length, name.drugs
        elif key in _parts():
            return length, (_parts()[key],)
    stem = _without_salt(words[start])
    return (1, stem) if stem else (0, ())


def _without_salt(word: str) -> tuple[str, ...]:
    """Return the drugs of a German compound of drug and salt, such as ``Quetiapinfumarat``."""
    for salt in salts():
        stem = word.removesuffix(salt)
        name = _names().get((stem,)) if stem != word else None
        if name is not None and not (name.alone or name.in_capitals):
            return name.drugs
    return ()


@cache
def _understood() -> frozenset[str]:
    return frozenset({*FILLERS, *ADDITIONS, *FORMS, *ROUTES, *RELEASES, *salts()})


def _product(mentions: list[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return the one drug that is mentioned, or the parts of the one combination; None otherwise."""
    drugs = tuple(dict.fromkeys(drug for mention in mentions for drug in mention))
    if len(drugs) == 1:
        return drugs if drugs[0] in catalogue() else None
    return drugs if frozenset(drugs) in _combinations() else None
