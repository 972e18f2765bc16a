"""Units of measurement: what one unit is worth in another, by UCUM and by the spellings of makers.

UCUM (Schadow 1999, ucum.org) is the code system of units in FHIR. Pint with ucumvert reads it, so every commensurable
unit is converted and no list of them is kept. A spelling that is no UCUM code (``bpm``, ``lbs``) stands for one.
"""

import math
import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache, lru_cache
from threading import Lock
from typing import NamedTuple

import numpy as np

# A registry of Pint is built while it is used, and two threads would find it half built.
_ONE_AT_A_TIME = Lock()
# No unit that measures a person is longer, or has a larger power; a parser must not be kept busy by one.
_LONGEST = 40
_LARGE_POWER = re.compile(r"\d{5,}|[*^][+-]?\d{3,}|[A-Za-z\]]-?\d{2,}")

#: What makers and people write, in lower case, and the UCUM code that it means; also as a part of ``beats/minute``.
SPELLINGS = {
    "bpm": "/min", "brpm": "/min", "hz": "Hz",
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "mins": "min", "minute": "min", "minutes": "min",
    "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "msec": "ms", "milliseconds": "ms", "day": "d", "days": "d",
    "percent": "%", "fraction": "1", "ratio": "1",
    "degc": "Cel", "°c": "Cel", "c": "Cel", "celsius": "Cel", "degf": "[degF]", "°f": "[degF]", "f": "[degF]",
    "fahrenheit": "[degF]", "deg c": "Cel", "degrees c": "Cel", "deg f": "[degF]", "degrees f": "[degF]", "k": "K",
    "beat": "1", "beats": "1", "breath": "1", "breaths": "1", "count": "1", "counts": "1", "step": "1", "steps": "1",
    "floors": "1", "score": "1", "points": "1",
    "meter": "m", "meters": "m", "metres": "m", "mi": "[mi_i]", "mile": "[mi_i]", "miles": "[mi_i]", "ft": "[ft_i]",
    "feet": "[ft_i]", "yd": "[yd_i]", "in": "[in_i]", "inch": "[in_i]", "inches": "[in_i]",
    "calories": "kcal", "kilocalories": "kcal", "kj": "kJ", "j": "J",
    "lb": "[lb_av]", "lbs": "[lb_av]", "pound": "[lb_av]", "pounds": "[lb_av]", "kgs": "kg", "oz": "[oz_av]",
    "st": "[stone_av]", "stone": "[stone_av]",
    "mmhg": "mm[Hg]", "mm hg": "mm[Hg]", "kpa": "kPa", "kg/m²": "kg/m2", "kg/m^2": "kg/m2",
    "ml/min·kg": "mL/min/kg", "ml/(kg*min)": "mL/kg/min",
    "dba": "dB", "dbaspl": "dB", "db(a)": "dB", "db[spl]": "dB", "db": "dB", "µs": "uS", "microsiemens": "uS",
    "lux": "lx",
}  # fmt: skip
# A food calorie is a kilocalorie (UCUM [Cal]); "Cal" is no code.
_CODES = {"[Cal]": "kcal", "Cal": "kcal", "[CAL]": "kcal"}


class Conversion(NamedTuple):
    """A value in one unit times ``factor`` plus ``shift`` is the value in the other."""

    factor: float
    shift: float = 0.0


@lru_cache(maxsize=4096)
def conversion(unit: str, target: str, molar_mass: float | None = None) -> Conversion | None:
    """Return how a value in one unit is brought to another; ``None`` where the two do not measure the same.

    Parameters
    ----------
    unit
        A UCUM code, or a spelling of :data:`SPELLINGS` in any case.
    target
        A UCUM code.
    molar_mass
        Grams in a mole of what is measured, where an amount of substance may stand for a mass.
    """
    text = re.sub(r"<[\d.]*>", "", unit.strip())  # Apple writes the molar mass into the unit
    if not text or len(text) > _LONGEST or _LARGE_POWER.search(text):
        return None
    codes = [_plain(code) for code in (_CODES.get(text, text), _spelled(text)) if code]
    if _plain(target) in codes:
        return Conversion(1.0)
    with _ONE_AT_A_TIME:
        ways = (_registry()(code, _plain(target), molar_mass) for code in codes)
        return next((way for way in ways if way is not None), None)


def ucum_code(unit: str) -> str:
    """Return the UCUM code that a written unit means; the text itself where it is no known spelling."""
    return _spelled(unit) or _CODES.get(unit, unit)


@lru_cache(256)  # it is asked for each value of a record that goes out
def _spelled(unit: str) -> str:
    """Return the code that a spelling, or each part of a quotient of spellings, means; "" where there is none."""
    words = " ".join(unit.lower().split())
    parts = re.split(r" ?/ ?| per ", words)
    if words in SPELLINGS or len(parts) == 1:
        return SPELLINGS.get(words, "")
    return "/".join(SPELLINGS.get(part, part) for part in parts)


def _plain(code: str) -> str:
    """Return a code without its annotations, which say what is counted and change nothing."""
    return re.sub(r"^1(?=/)", "", re.sub(r"\{[^{}]*\}", "", code).strip().rstrip("/")) or "1"


@cache
def _registry() -> Callable[[str, str, float | None], Conversion | None]:
    """Return the conversion by Pint, which takes half a second to load and is not needed for the common units."""
    from lark.exceptions import LarkError
    from pint.errors import PintError
    from ucumvert import PintUcumRegistry

    registry = PintUcumRegistry()

    def convert(unit: str, target: str, molar_mass: float | None) -> Conversion | None:
        try:
            source, goal = registry.from_ucum(unit), registry.from_ucum(target)
            at = [registry.Quantity(float(n * source.magnitude), source.units) for n in range(3)]
            if "[substance]" in source.dimensionality and molar_mass is not None:
                at = [quantity * registry.Quantity(molar_mass, "g/mol") for quantity in at]
            with np.errstate(divide="ignore", invalid="ignore"):  # of a logarithmic unit, which is refused below
                zero, once, twice = (float(q.to(goal.units).magnitude / goal.magnitude) for q in at)
        except (LarkError, PintError, OverflowError, ZeroDivisionError):
            return None
        finite = all(map(math.isfinite, (zero, once - zero, twice)))
        linear = finite and math.isclose(twice - zero, 2 * (once - zero), rel_tol=1e-9)
        return Conversion(_unrounded(once - zero), _unrounded(zero)) if linear else None

    return convert


def _unrounded(value: float) -> float:
    """Return what a value is but for rounding: a short decimal, or a small fraction as 5/9; else the value itself."""
    decimal, fraction = float(f"{value:.9g}"), float(Fraction(value).limit_denominator(1000))
    return next((exact for exact in (decimal, fraction) if math.isclose(exact, value, rel_tol=1e-12)), value)
