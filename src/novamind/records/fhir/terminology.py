"""What codes mean: signals, medications and conditions; those of questionnaires stand in the room of instruments.

LOINC (Regenstrief Institute, loinc.org) codes of the vital signs profile of FHIR R4. The tables in ``codes/`` name
their own sources.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
#: Our own names, for what has no code elsewhere; an import of our own export reads them first.
OWN = "urn:novamind"


@dataclass(frozen=True, slots=True)
class SignalCode:
    """A signal: our name, its LOINC code, its unit, and other units with the factor to ours."""

    name: str
    loinc: str
    unit: str
    factors: tuple[tuple[str, float], ...] = ()


SIGNALS = (
    SignalCode("heart_rate", "8867-4", "/min", (("{beats}/min", 1.0), ("1/min", 1.0), ("beats/min", 1.0))),
    SignalCode("resting_heart_rate", "40443-4", "/min", (("{beats}/min", 1.0), ("1/min", 1.0), ("beats/min", 1.0))),
    SignalCode("heart_rate_variability_sdnn", "80404-7", "ms", (("s", 1000.0),)),
    SignalCode("respiratory_rate", "9279-1", "/min", (("{breaths}/min", 1.0), ("1/min", 1.0))),
    SignalCode("oxygen_saturation", "59408-5", "%"),
    SignalCode("arterial_oxygen_saturation", "2708-6", "%"),
    SignalCode("body_temperature", "8310-5", "Cel"),
    SignalCode("systolic_blood_pressure", "8480-6", "mm[Hg]"),
    SignalCode("diastolic_blood_pressure", "8462-4", "mm[Hg]"),
    SignalCode("body_weight", "29463-7", "kg", (("g", 0.001), ("[lb_av]", 0.45359237))),
    SignalCode("body_height", "8302-2", "cm", (("m", 100.0), ("[in_i]", 2.54))),
    SignalCode("body_mass_index", "39156-5", "kg/m2"),
    SignalCode("sleep_duration", "93832-4", "h", (("min", 1 / 60), ("hours", 1.0))),
    SignalCode("steps", "55423-8", "{steps}", (("1", 1.0), ("steps", 1.0), ("{#}", 1.0), ("/{tot}", 1.0))),
    SignalCode("steps_per_day", "41950-7", "/d", (("{steps}/d", 1.0), ("{#}/d", 1.0), ("1/(24.h)", 1.0))),
    SignalCode("energy_burned", "41981-2", "kcal", (("Cal", 1.0), ("kJ", 1 / 4.184))),
)
SIGNAL_OF = {signal.loinc: signal for signal in SIGNALS}
SIGNAL_NAMED = {signal.name: signal for signal in SIGNALS}


def _rows(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(files(__package__).joinpath("codes", f"{table}.csv").read_text("utf-8").splitlines()))


@cache
def _medication_codes() -> dict[str, dict[str, str]]:
    codes: dict[str, dict[str, str]] = {RXNORM: {}, ATC: {}}
    for row in _rows("medications"):
        for system, column in ((RXNORM, "rxnorm"), (ATC, "atc")):
            codes[system].update(dict.fromkeys(row[column].split(), row["medication"]))
    return codes


@cache
def medication_names() -> frozenset[str]:
    """Return the medication names of our table."""
    return frozenset(row["medication"] for row in _rows("medications"))


def medication_of(system: str, code: str) -> str | None:
    """Return the medication behind an RxNorm ingredient or ATC code; ``None`` for any other code."""
    return _medication_codes().get(_ATC_SYSTEMS.get(system, system), {}).get(code)


@cache
def rxnorm_codes() -> dict[str, str]:
    """Return medication to its RxNorm ingredient, of those in our table that have one."""
    return {row["medication"]: row["rxnorm"].split()[0] for row in _rows("medications") if row["rxnorm"].split()}


_ATC_SYSTEMS = {
    "http://www.whocc.no/atc": ATC,
    "http://fhir.de/CodeSystem/bfarm/atc": ATC,
    "urn:oid:2.16.840.1.113883.6.73": ATC,
}
_ICD = re.compile(r"sid/icd-10|icd10|icd-10", re.IGNORECASE)


@cache
def _condition_codes() -> tuple[dict[str, str], dict[str, str]]:
    icd, snomed = {}, {}
    for row in _rows("conditions"):
        icd.update(dict.fromkeys(row["icd10"].split(), row["word"]))
        snomed.update(dict.fromkeys(row["snomed"].split(), row["word"]))
    return icd, snomed


def condition_words() -> frozenset[str]:
    """Return the condition words of our table."""
    return frozenset(row["word"] for row in _rows("conditions"))


def condition_of(system: str, code: str) -> str | None:
    """Return our word for an ICD-10 or SNOMED CT code; the longest ICD-10 category that begins it counts."""
    icd, snomed = _condition_codes()
    if system == SNOMED:
        return snomed.get(code)
    if _ICD.search(system):
        category = max((prefix for prefix in icd if code.startswith(prefix)), key=len, default="")
        return icd.get(category)
    return None


# Trailing words that say how a substance is bound or made up, not what it is.
_MAKE_UP = frozenset({
    "acetate", "anhydrous", "besylate", "bitartrate", "calcium", "capsule", "capsules", "carbonate",
    "chloride", "citrate", "delayed", "extended", "fumarate", "gel", "hcl", "hydrobromide", "hydrochloride",
    "injectable", "injection", "maleate", "mesylate", "oral", "oxalate", "phosphate", "pill", "potassium",
    "product", "release", "sodium", "solution", "succinate", "sulfate", "tablet", "tablets", "tartrate",
    "topical",
})  # fmt: skip


def ingredients(text: str) -> tuple[str, ...]:
    """Return the substances in a product's text: ``Fluoxetine 25 MG`` -> ``fluoxetine``.

    Of ``A 1 MG / B 2 MG Oral Tablet`` both; a brand in brackets, a leading ``24 HR``, everything from the
    first number on, and trailing words for salt and form are dropped. A text that leaves nothing is kept whole.
    """
    plain = re.sub(r"\[[^\]]*\]", " ", text.casefold())
    names = []
    for part in re.split(r"\s/\s", plain):
        words = re.sub(r"^\s*\d+\s*hr\s", " ", part).split()
        words = words[: next((i for i, word in enumerate(words) if word[0].isdigit()), len(words))]
        while len(words) > 1 and words[-1].strip(",.") in _MAKE_UP:
            words.pop()
        if words:
            names.append(" ".join(words).strip(",. "))
    return tuple(dict.fromkeys(name for name in names if name)) or (" ".join(text.split()).casefold(),)


def strength_mg(text: str) -> float | None:
    """Return mg of one substance in one unit of the product, where the text names exactly one."""
    amounts = re.findall(r"(?<![\d.])(\d{1,6}(?:\.\d{1,4})?)\s*MG\b(?!\s*/\s*\w)", text, re.IGNORECASE)
    return float(amounts[0]) if len(amounts) == 1 and float(amounts[0]) > 0 and " / " not in text else None
