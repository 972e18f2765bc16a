"""Dose limits for one person: by age, sex, weight, kidney, liver, genotype, condition, co-medication and form.

``facts/limits.csv`` holds one maximum a row; its ``when`` joins conditions by ``&``: ``age>=65``, ``crcl<30``,
``egfr<20``, ``weight<60``, ``sex=female``, ``liver=B|C`` (Child-Pugh), ``CYP2C19=poor``, ``condition=depression`` or
``with=`` and a side of an interaction rule. A maximum of 0 says that the drug is not to be used; ``of usual`` is a
share of the drug's general maximum. A limit whose fact is missing is not passed over: it is named with what is missing.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf, isfinite

from novamind.drugs.cautions import sides
from novamind.drugs.domain import Caution, Severity, Source
from novamind.drugs.tables import rows, source
from novamind.errors import ValidationError

#: Cause of a caution about the size of a dose; what is not to be used at all names the reason instead.
DOSE = "dose"
_PART = re.compile(r"(?P<fact>\w+)(?P<sign>>=|<=|=|>|<)(?P<value>.+)")
_SIGNS = {">": "above", ">=": "from", "<": "below", "<=": "up to"}
_UNITS = {"age": "years", "crcl": "mL/min", "egfr": "mL/min", "weight": "kg"}
_FACTS = {"age": "age", "crcl": "creatinine clearance", "egfr": "eGFR", "weight": "weight", "sex": "sex"}
# Without a form a dose is taken for one that is swallowed.
_SWALLOWED = ("", "oral")
_RELEASES = ("immediate", "extended")
_FORMS = {form: f"in the {form}-release form" for form in _RELEASES} | {"transdermal": "as a patch"}
_CONTRAINDICATIONS = re.compile(r" 4(?:\.3)?$")
_DAYS = {"mg/month": (20, 45), "mg/2 months": (45, 90)}


@dataclass(frozen=True, slots=True)
class Dosage:
    """A dose as it is taken: mg each time, every so many hours, and the form.

    The form is ``immediate``, ``extended``, ``depot``, ``transdermal``, ``sublingual`` or ``intramuscular``; without
    one the dose counts as swallowed.
    """

    mg: float
    every_hours: float = 24.0
    form: str = ""

    def __post_init__(self) -> None:
        if not (isfinite(self.mg) and self.mg > 0 and isfinite(self.every_hours) and self.every_hours > 0):
            raise ValidationError("a dosage takes mg and hours above 0; leave it out where the dose is not known")

    @property
    def daily_mg(self) -> float:
        """Return mg a day."""
        return self.mg * 24 / self.every_hours


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """What dose limits ask of a person; ``None`` where it is not known.

    Parameters
    ----------
    age
        In years.
    sex
        ``female`` or ``male``.
    weight_kg
        In kg.
    creatinine_clearance, egfr
        In mL/min, and in mL/min/1.73 m²; where a limit asks for one and only the other is known, that counts.
    child_pugh
        ``A``, ``B`` or ``C`` in liver disease, ``none`` for a healthy liver.
    smoker, pregnant, breastfeeding
        Whether the person smokes tobacco, is pregnant, breastfeeds.
    """

    age: float | None = None
    sex: str | None = None
    weight_kg: float | None = None
    creatinine_clearance: float | None = None
    egfr: float | None = None
    child_pugh: str | None = None
    smoker: bool | None = None
    pregnant: bool | None = None
    breastfeeding: bool | None = None

    def __post_init__(self) -> None:
        for name in ("age", "weight_kg", "creatinine_clearance", "egfr"):
            number = getattr(self, name)
            if number is not None and not (isfinite(number) and number >= 0):
                raise ValidationError(f"'{name}' must be a number, 0 or above")
        for name, words in (("sex", ("female", "male")), ("child_pugh", ("A", "B", "C", "none"))):
            if getattr(self, name) not in (None, *words):
                raise ValidationError(f"'{name}' must be one of {', '.join(words)}, or left out")

    def number(self, fact: str) -> float | None:
        """Return the figure that a limit compares: ``age``, ``weight``, ``crcl`` or ``egfr``."""
        kidney = (self.creatinine_clearance, self.egfr) if fact == "crcl" else (self.egfr, self.creatinine_clearance)
        if fact in ("crcl", "egfr"):
            return kidney[1] if kidney[0] is None else kidney[0]
        return self.age if fact == "age" else self.weight_kg

    @property
    def conditions(self) -> tuple[str, ...]:
        """Return what follows from them in the words of the interaction rules."""
        words = {"pregnancy": self.pregnant, "breastfeeding": self.breastfeeding}
        if self.age is not None:
            words |= {"age under 18": self.age < 18, "age under 25": self.age < 25}
            words["age 65 and over"] = self.age >= 65
        return tuple(word for word, holds in words.items() if holds)


@dataclass(frozen=True, slots=True)
class Limit:
    """One maximum: of which drug and form, for whom, how much, and where it stands."""

    drug: str
    form: str
    when: str
    maximum: float
    unit: str
    start_mg: float | None
    section: str
    source: Source

    def words(self, taken: Sequence[str] = ()) -> str:
        """Return for whom it holds, for example ``above 60 years``; of ``taken`` those that are the cause are named."""
        parts: dict[str, str] = {}
        for part in self.conditions:
            words = _words(**part, taken=taken)
            earlier = parts.get(part["fact"])
            parts[part["fact"]] = (
                words
                if earlier is None
                else f"{earlier} to {words.removeprefix(_of(part['fact'])).removeprefix('up to ')}"
            )
        form = [] if self.form in _SWALLOWED else [_FORMS.get(self.form, f"as {self.form}")]
        return " ".join([*parts.values(), *form])

    @property
    def conditions(self) -> tuple[dict[str, str], ...]:
        """The parts of ``when``: fact, sign and value."""
        return tuple(m.groupdict() for part in self.when.split(" & ") if (m := _PART.fullmatch(part)))


@cache
def limits(drug: str) -> tuple[Limit, ...]:
    """Return the dose limits of a drug; empty where none is in the tables."""
    return _all().get(drug, ())


@cache
def _all() -> dict[str, tuple[Limit, ...]]:
    by_drug: dict[str, list[Limit]] = {}
    for r in rows("limits"):
        start = float(r["start_mg"]) if r["start_mg"] else None
        limit = Limit(r["drug"], r["form"], r["when"], float(r["maximum"]), r["unit"], start, r["section"], source(r))
        by_drug.setdefault(r["drug"], []).append(limit)
    return {drug: tuple(of) for drug, of in by_drug.items()}


def dose_cautions(
    drug: str,
    dosage: Dosage | None = None,
    person: PatientFacts = PatientFacts(),
    phenotypes: Mapping[str, Collection[str]] | None = None,
    comedications: Sequence[str] = (),
    conditions: Iterable[str] = (),
) -> tuple[Caution, ...]:
    """Return what the dose limits say about a drug at this dose in this person.

    Parameters
    ----------
    drug
        Generic name.
    dosage
        Dose and form; without it only limits of 0 that hold are returned.
    person
        Age, sex, weight, kidney and liver, as far as they are known.
    phenotypes
        Gene to the metaboliser words of its readings (``poor``, ``intermediate``, ...); a gene that is no key was not
        tested.
    comedications, conditions
        What else is taken, and what the person has.

    Returns
    -------
    tuple of Caution
        An alarm for each limit that is exceeded, and a remark for each that this dose would exceed if a missing fact
        were so.
    """
    context = _Context(person, phenotypes or {}, tuple(comedications), frozenset(conditions))
    cautions: list[Caution] = []
    unchecked: dict[tuple[str, ...], tuple[float, Limit]] = {}
    for limit in limits(drug):
        holds, missing = context.holds(limit)
        maximum = _maximum(limit)
        if holds is False or maximum is None or not _same_form(limit.form, dosage.form if dosage else ""):
            continue
        amount, missing = _amount(limit, dosage, person, missing)
        if holds and limit.maximum == 0:
            cautions.append(_zero(limit, context))
        elif amount is None or amount <= maximum:
            continue
        elif missing:
            unchecked[missing] = min(unchecked.get(missing, (maximum, limit)), (maximum, limit), key=lambda of: of[0])
        else:
            cautions.append(_exceeded(limit, maximum, amount, context))
    cautions += _any_form(drug, dosage, context)
    cautions += [_unchecked(limit, maximum, missing) for missing, (maximum, limit) in unchecked.items()]
    return tuple(dict.fromkeys(cautions))


def unlimited(doses: Iterable[str]) -> tuple[str, ...]:
    """Return the drugs of which no dose limit is in the tables."""
    return tuple(drug for drug in doses if not limits(drug))


@dataclass(frozen=True, slots=True)
class _Context:
    person: PatientFacts
    phenotypes: Mapping[str, Collection[str]]
    comedications: tuple[str, ...]
    conditions: frozenset[str]

    def holds(self, limit: Limit) -> tuple[bool | None, tuple[str, ...]]:
        """Return whether a limit's conditions are met, ``None`` with the missing facts where that is not known."""
        missing: list[str] = []
        for part in limit.conditions:
            met = self._met(**part)
            if met is False:
                return False, ()
            if isinstance(met, str):
                missing.append(met)
        return (None if missing else True), tuple(dict.fromkeys(missing))

    def _met(self, fact: str, sign: str, value: str) -> bool | str:
        if fact == "with":
            return any(value in sides(name) for name in self.comedications)
        if fact == "condition":
            return value in self.conditions
        if fact.startswith("CYP"):
            if value == "unknown":
                return fact not in self.phenotypes
            return value in self.phenotypes[fact] if fact in self.phenotypes else f"a result of {fact}"
        if fact == "liver":
            liver = self.person.child_pugh
            return liver in value.split("|") if liver is not None else "liver function (Child-Pugh)"
        if fact == "sex":
            return self.person.sex == value if self.person.sex is not None else "sex"
        number = self.person.number(fact)
        if number is None:
            return _FACTS[fact]
        least = float(value)
        return {">": number > least, ">=": number >= least, "<": number < least, "<=": number <= least}[sign]


def _of(fact: str) -> str:
    return "" if fact in ("age", "weight") else f"at {_FACTS[fact]} "


def _words(fact: str, sign: str, value: str, taken: Sequence[str]) -> str:
    if fact == "with":
        causes = " and ".join(name for name in taken if value in sides(name))
        kind = re.sub(r"^enzyme:|^tag:| any$", "", value).replace("moderate+", "(moderate or strong)")
        return f"with {kind}" if causes in ("", value) else f"with {causes} ({kind})"
    if fact == "condition":
        return f"in {value}"
    if fact.startswith("CYP"):
        return f"without a result of {fact}" if value == "unknown" else f"in {fact} {value} metabolisers"
    if fact == "liver":
        return f"in liver impairment (Child-Pugh {value.replace('|', ' or ')})"
    if fact == "sex":
        return "in women" if value == "female" else "in men"
    return f"{_of(fact)}{_SIGNS[sign]} {value} {_UNITS[fact]}"


def _maximum(limit: Limit) -> float | None:
    """Return the maximum in the unit in which the dose is counted; a share of the usual dose as its amount."""
    if limit.unit != "of usual":
        return limit.maximum
    usual = [of.maximum for of in limits(limit.drug) if not of.when and of.unit == "mg/day" and of.form == limit.form]
    usual = usual or [of.maximum for of in limits(limit.drug) if of.maximum > 0 and of.unit == "mg/day"]
    return max(usual) * limit.maximum if usual else None


def _amount(
    limit: Limit, dosage: Dosage | None, person: PatientFacts, missing: tuple[str, ...]
) -> tuple[float | None, tuple[str, ...]]:
    """Return the dose in the limit's unit, ``None`` without one or in another rhythm, and what is missing."""
    if dosage is None:
        return None, missing
    if limit.unit in _DAYS:
        shortest, longest = _DAYS[limit.unit]
        return (dosage.mg if shortest <= dosage.every_hours / 24 < longest else None), missing
    if limit.unit == "mg/kg/day":
        if person.weight_kg is None:
            return inf, (*missing, "weight")
        return dosage.daily_mg / person.weight_kg, missing
    return dosage.daily_mg, missing


def _same_form(wanted: str, form: str) -> bool:
    if form in _SWALLOWED:
        return wanted in _SWALLOWED
    return wanted in (form, "") or (wanted == "oral" and form in _RELEASES)


def _any_form(drug: str, dosage: Dosage | None, context: _Context) -> Iterator[Caution]:
    """Yield an alarm where the form is not known and the dose is above the maximum of every form."""
    if dosage is None or dosage.form not in _SWALLOWED:
        return
    formed = [(limit, *context.holds(limit)) for limit in limits(drug) if limit.unit == "mg/day"]
    formed = [of for of in formed if of[0].form in _RELEASES and of[1] is not False]
    of_form: dict[str, Limit] = {}
    for limit, holds, _ in formed:
        if holds:
            of_form[limit.form] = min(of_form.get(limit.form, limit), limit, key=lambda of: of.maximum)
    is_whole = of_form.keys() == {limit.form for limit, _, _ in formed}
    largest = max(of_form.values(), key=lambda of: of.maximum) if of_form and is_whole else None
    if largest is not None and dosage.daily_mg > largest.maximum:
        yield _exceeded(largest, largest.maximum, dosage.daily_mg, context)
        return
    below = [(limit, missing) for limit, _, missing in formed if dosage.daily_mg > limit.maximum]
    if below:
        smallest, missing = min(below, key=lambda of: of[0].maximum)
        yield _unchecked(smallest, smallest.maximum, ("the form", *missing))


def _zero(limit: Limit, context: _Context) -> Caution:
    severity = Severity.CONTRAINDICATED if _CONTRAINDICATIONS.search(limit.section) else Severity.MAJOR
    words = limit.words(context.comedications)
    return Caution(severity, f"Not to be used {words}.", words, limit.source, section=limit.section)


def _exceeded(limit: Limit, maximum: float, amount: float, context: _Context) -> Caution:
    unit = "mg/day" if limit.unit == "of usual" else limit.unit
    share = f", {limit.maximum:.0%} of the usual maximum" if limit.unit == "of usual" else ", the maximum"
    text = f"{amount:g} {unit} is above {maximum:.4g} {unit}{share} {limit.words(context.comedications)}".rstrip()
    return Caution(Severity.MAJOR, f"{text}.", DOSE, limit.source, section=limit.section)


def _unchecked(limit: Limit, maximum: float, missing: Sequence[str]) -> Caution:
    unit = "mg/day" if limit.unit == "of usual" else limit.unit
    what = f"The limit of {maximum:.4g} {unit}" if maximum else "That it is not to be used"
    text = f"{what} {limit.words()} was not checked: {' and '.join(missing)} is missing."
    return Caution(Severity.INFORMATION, text, DOSE, limit.source, section=limit.section)
