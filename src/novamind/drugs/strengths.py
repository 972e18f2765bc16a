"""Amounts in a medication's name: strengths of pieces and concentrations; volumes, counts, doses a day stay aside."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from novamind.drugs.domain import Strength
from novamind.drugs.words import TIMES

_UNITS = {
    "mg": "mg", "mgs": "mg", "milligram": "mg", "milligrams": "mg", "milligramm": "mg",
    "g": "g", "gm": "g", "gram": "g", "gramm": "g",
    "mcg": "µg", "ug": "µg", "μg": "µg", "microgram": "µg", "micrograms": "µg", "mikrogramm": "µg",
    "unt": "unit", "unit": "unit", "units": "unit", "iu": "unit", "ie": "unit", "i.e.": "unit", "i.e": "unit",
    "einheiten": "unit",
    "meq": "meq", "mmol": "mmol", "%": "%",
}  # fmt: skip
_PER = {
    "ml": "ml", "hr": "h", "h": "h", "hour": "h", "std": "h", "stunde": "h", "actuat": "actuation",
    "actuation": "actuation", "spray": "actuation", "puff": "actuation", "hub": "actuation", "sprühstoß": "actuation",
    "dose": "dose", "g": "g", "gm": "g", "sq-cm": "cm²", "cm2": "cm²",
    **dict.fromkeys(TIMES, "day"),
}  # fmt: skip
_DIGITS = r"\d{1,6}(?:[.,]\d{1,5})?"
_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_BASE = "|".join(sorted(map(re.escape, _PER), key=len, reverse=True))
# One space at most stands where there may be one, and no part repeats without a bound: a text is read in linear time.
_AMOUNT = re.compile(
    rf"(?<![\w.,])(?P<leads>(?:{_DIGITS}(?: ?-?(?:{_UNIT}))? ?[-/+] ?){{0,3}})"
    rf"(?P<number>{_DIGITS}) ?-?(?P<unit>{_UNIT})(?![a-zäöü0-9])"
    rf"(?: ?(?:/|\bper\b|\bpro\b|\bje\b) ?(?P<per>{_DIGITS})? ?(?P<base>{_BASE})(?![a-zäöü]))?",
    re.IGNORECASE,
)
_BESIDE = re.compile(
    rf"(?<![\w.,]){_DIGITS} ?-? ?(?:ml|milliliter|l|actuat|actuations|hr|hrs|hour|hours|std|stunden|h|day|days|tage|"
    r"hübe|sprühstöße|cm2)\b\.?|\b(?:sugar|gluten|dye|alcohol|preservative)[- ]free\b|\bextra[- ]strength\b",
    re.IGNORECASE,
)
# A thousand in one country, a decimal in another: 1,000 and 1.000; no decimal but 3.125 ends after three places.
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3}|\.\d{2}0)")


@dataclass(frozen=True, slots=True)
class Amounts:
    """The strengths of a name in their order; ``doubtful`` where a number can be read in two ways."""

    strengths: tuple[Strength, ...]
    doubtful: bool = False

    def of(self, drugs: Sequence[str], mentions: Sequence[Sequence[str]]) -> tuple[Strength, ...]:
        """Return the strength of each drug; none at all where they cannot be told apart."""
        different = tuple(dict.fromkeys(self.strengths))
        if self.doubtful:
            return ()
        if len(drugs) == 1:
            return different if len(different) == 1 else ()
        return self.strengths if len(self.strengths) == len(drugs) else self._summed(drugs, mentions)

    def _summed(self, drugs: Sequence[str], mentions: Sequence[Sequence[str]]) -> tuple[Strength, ...]:
        """Return the sum over the salts of each drug, where each salt has its strength (mixed amphetamine salts)."""
        salts = [mention[0] for mention in mentions if len(mention) == 1]
        units = {(strength.unit, strength.per, strength.per_unit) for strength in self.strengths}
        if len(salts) != len(self.strengths) or len(units) != 1:
            return ()
        (unit,) = units
        parts = list(zip(salts, self.strengths, strict=True))
        return tuple(Strength(sum(s.amount for salt, s in parts if salt == drug), *unit) for drug in drugs)


def take_amounts(text: str) -> tuple[Amounts, str]:
    """Return the amounts of a text, and the text without them."""
    strengths: list[Strength] = []
    doubtful = False

    def take(match: re.Match[str]) -> str:
        nonlocal doubtful
        unit, base = _UNITS[match["unit"].casefold()], _PER[match["base"].casefold()] if match["base"] else ""
        leads = re.findall(_DIGITS, match["leads"])
        doubtful |= any(_THOUSANDS.fullmatch(n) for n in (*leads, match["number"], match["per"] or ""))
        if base != "day":
            per = _number(match["per"] or "1")
            strengths.extend(Strength(_number(number), unit, per, base) for number in (*leads, match["number"]))
        return " "

    rest = _AMOUNT.sub(take, " ".join(text.split()))
    return Amounts(tuple(strengths), doubtful), _BESIDE.sub(" ", rest)


def _number(text: str) -> float:
    return float(text.replace(",", "."))
