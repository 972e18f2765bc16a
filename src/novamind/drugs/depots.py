"""How injected depots release their drug: half-lives, peaks, strengths and the days by mouth at the start.

A release is a sum of parts, each a share of the dose that comes at a constant rate (``zero``) or with a half-life
(``first``) after a lag (``facts/depots.csv``). Paliperidone is labelled in mg of its palmitate in the US and of
paliperidone in Europe; no strength stands in both lists, so a strength says which one it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from novamind.drugs.domain import Source
from novamind.drugs.tables import rows, source
from novamind.errors import NotFoundError, ValidationError

#: A dose up to this multiple of the largest strength is taken for meant.
_LARGEST_MULTIPLE = 2.0


@dataclass(frozen=True, slots=True)
class Part:
    """A share of the dose, released after ``lag_days``: over ``days`` at one rate, or with that half-life."""

    share: float
    order: str
    lag_days: float
    days: float

    def released(self, days: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of the whole dose released until each time."""
        since = np.maximum(days - self.lag_days, 0.0)
        until = np.minimum(since / self.days, 1.0) if self.order == "zero" else 1.0 - 0.5 ** (since / self.days)
        return np.asarray(self.share * until)


@dataclass(frozen=True, slots=True)
class Depot:
    """An injected form of a drug.

    ``oral_equivalent`` is the dose by mouth that gives the same average level as 1 mg; ``oral_overlap_days`` how long
    the drug is still taken by mouth after the first injection.
    """

    drug: str
    form: str
    product: str
    parts: tuple[Part, ...]
    oral_equivalent: float
    strengths: tuple[float, ...]
    salt_strengths: tuple[float, ...]
    salt_factor: float
    oral_overlap_days: int
    source: Source

    def base_mg(self, dose_mg: float) -> float:
        """Return the dose in mg of the drug itself, of a dose in mg of the drug or of its salt.

        Raises
        ------
        ValidationError
            The dose is no strength where it matters, or far above the largest one.
        """
        if dose_mg in self.salt_strengths:
            return dose_mg * self.salt_factor
        if self.salt_strengths and dose_mg > 0 and dose_mg not in self.strengths:
            raise ValidationError(
                f"a dose of {self.product} is one of {_listed(self.strengths)} mg of {self.drug},"
                f" or of {_listed(self.salt_strengths)} mg of the salt"
            )
        if dose_mg > _LARGEST_MULTIPLE * max(self.strengths):
            raise ValidationError(
                f"an injection of {self.product} above {_LARGEST_MULTIPLE * max(self.strengths):g} mg is refused;"
                " give the amount in mg"
            )
        return dose_mg

    def labelled_mg(self, dose_mg: float) -> float:
        """Return the dose in the mg in which the US label counts."""
        return self.base_mg(dose_mg) / self.salt_factor if self.salt_strengths else dose_mg

    def released(self, days: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of a dose released until each time, in days since the injection."""
        return np.asarray(sum(part.released(days) for part in self.parts))


@cache
def depots() -> Mapping[tuple[str, str], Depot]:
    """Return depots by drug and form (``depot``, ``depot 3-month``)."""
    parts: dict[tuple[str, str], list[Part]] = {}
    first: dict[tuple[str, str], dict[str, str]] = {}
    for r in rows("depots"):
        key = (r["drug"], r["form"])
        part = Part(float(r["share"]), r["order"], float(r["lag_days"]), float(r["days"]))
        parts.setdefault(key, []).append(part)
        first.setdefault(key, r)
    return {
        key: Depot(
            *key,
            r["product"],
            tuple(parts[key]),
            float(r["oral_equivalent"]),
            _numbers(r["strengths"]),
            _numbers(r["salt_strengths"]),
            float(r["salt_factor"] or 1.0),
            int(r["oral_overlap_days"]),
            source(r),
        )
        for key, r in first.items()
    }


def depot(drug: str, form: str) -> Depot:
    """Return a depot.

    Raises
    ------
    NotFoundError
        No release of this drug in this form is tabled.
    """
    entry = depots().get((drug, form))
    if entry is None:
        listed = ", ".join(f"{name} ({named})" for name, named in depots())
        raise NotFoundError(f"no release of this depot is in our tables; choose one of {listed}")
    return entry


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(number) for number in text.split("|") if number)


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
