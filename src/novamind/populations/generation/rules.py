"""Hard rules of a table: learned from it or declared, and turned into bounds while a twin is drawn.

A twin with more target patients than patients is not a twin. Four kinds of rule cover what tables
of accounts and territories obey; each is learned only where every training row keeps it and where it
could have been broken by chance (so that it is a rule and not a coincidence of scale).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novamind.errors import ValidationError
from novamind.populations.table import DISCRETE_LEVELS, Arrays, Column, Table

_TOLERANCE = 1e-6
_SCREEN_ROWS = 20_000
_CHANCE = 1e-6
_BROKEN_BY_CHANCE = 5e-3


@dataclass(frozen=True)
class SumRule:
    """``parts[0] + parts[1] + ... <= total`` in every row where none is missing; ``equal``: exactly."""

    parts: tuple[str, ...]
    total: str
    equal: bool = False

    def __str__(self) -> str:
        return f"{' + '.join(self.parts)} {'==' if self.equal else '<='} {self.total}"

    @classmethod
    def read(cls, text: str, columns: Sequence[Column]) -> "SumRule":
        """Read ``"a + b <= c"`` or ``"a + b == c"``.

        Raises
        ------
        ValidationError
            If it cannot be read or names what is no number column.
        """
        sides = re.split(r"(<=|==)", text)
        if len(sides) != 3:
            raise ValidationError(
                f"the rule {text!r} cannot be read; write it as 'a <= b', 'a + b <= c' or 'a + b == c'"
            )
        parts, total = tuple(p.strip() for p in sides[0].split("+")), sides[2].strip()
        numbers = {c.name for c in columns if c.kind == "number"}
        for name in (*parts, total):
            if name not in numbers:
                raise ValidationError(f"the rule {text!r} names {name!r}, which is no number column of the table")
        return cls(parts, total, equal=sides[1] == "==")

    def rest(self, name: str, values: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Compute what the others leave for ``name``: total less other parts, or the parts' sum."""
        others = [np.nan_to_num(values[p]) for p in self.parts if p != name]
        parts = np.sum(others, axis=0) if others else 0.0
        return np.asarray(parts if name == self.total else values[self.total] - parts)

    def broken(self, values: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Return the rows (mask) that break the rule."""
        excess = sum(values[p] for p in self.parts) - values[self.total]
        with np.errstate(invalid="ignore"):
            slack = _TOLERANCE * np.maximum(1.0, np.abs(values[self.total]))
            return np.asarray(np.abs(excess) > slack if self.equal else excess > slack)


@dataclass(frozen=True)
class RangeRule:
    """``column`` stays within a range for each level of ``given`` (tier follows decile)."""

    column: str
    given: str
    levels: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __str__(self) -> str:
        return f"range of {self.column} given {self.given}"

    def bounds(self, by: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the limits of each row for its level in ``by``; unlisted levels have none."""
        levels = np.asarray(self.levels)
        at = np.minimum(np.searchsorted(levels, by), len(levels) - 1)
        hit = levels[at] == by
        return np.where(hit, np.asarray(self.low)[at], -np.inf), np.where(hit, np.asarray(self.high)[at], np.inf)

    def broken(self, values: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Return the rows (mask) that break the rule."""
        low, high = self.bounds(values[self.given])
        with np.errstate(invalid="ignore"):
            return np.asarray((values[self.column] < low) | (values[self.column] > high))


@dataclass(frozen=True)
class DeterminedRule:
    """Category ``column`` is a function of category ``by``: ``mapping[code of by] = code of column``."""

    column: str
    by: str
    mapping: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.column} follows from {self.by}"

    def broken(self, values: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Return the rows (mask) that break the rule."""
        return np.asarray(np.asarray(self.mapping)[values[self.by]] != values[self.column])


@dataclass(frozen=True)
class RatioRule:
    """``column = numerator / denominator``, rounded as the column is."""

    column: str
    numerator: str
    denominator: str

    def __str__(self) -> str:
        return f"{self.column} == {self.numerator} / {self.denominator}"

    def value(self, values: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Compute the ratio; missing where the denominator is zero or missing."""
        below: NDArray[Any] = values[self.denominator]
        return np.asarray(np.divide(values[self.numerator], below, out=np.full(len(below), np.nan), where=below != 0))


@dataclass(frozen=True)
class Rules:
    """Everything a twin of this table must keep."""

    sums: tuple[SumRule, ...] = ()
    ranges: tuple[RangeRule, ...] = ()
    determined: tuple[DeterminedRule, ...] = ()
    ratios: tuple[RatioRule, ...] = ()
    minimum: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return "; ".join(map(str, (*self.sums, *self.determined, *self.ratios, *self.ranges)))

    @property
    def derived(self) -> frozenset[str]:
        """Columns that are computed, never drawn."""
        return frozenset({r.column for r in self.determined} | {r.column for r in self.ratios})

    def broken(self, values: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Rows (mask) that break any rule."""
        rows = np.zeros(len(next(iter(values.values()))), dtype=bool)
        rules: tuple[SumRule | RangeRule | DeterminedRule, ...] = (
            *self.sums,
            *self.ranges,
            *self.determined,
        )
        for rule in rules:
            rows |= rule.broken(values)
        return rows

    def bounds(self, name: str, values: Arrays, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the limits of each row for column ``name``, given the columns already drawn.

        A part leaves room for the least that the parts still to come can be.
        """
        low, high = np.full(n, -np.inf), np.full(n, np.inf)
        for rule in self.sums:
            if name == rule.total:
                drawn = [p for p in rule.parts if p in values]
                if drawn:
                    least = sum(self.minimum[p] for p in rule.parts if p not in values)
                    floor = np.sum([values[p] for p in drawn], axis=0) + least
                    low = np.fmax(low, floor)
                    if rule.equal and len(drawn) == len(rule.parts):
                        high = np.fmin(high, floor)
            elif name in rule.parts and rule.total in values:
                others = [p for p in rule.parts if p != name]
                rest = sum((values[p] if p in values else np.full(n, self.minimum[p]) for p in others), np.zeros(n))
                room = values[rule.total] - rest
                high = np.fmin(high, room)
                if rule.equal and all(p in values for p in others):
                    low = np.fmax(low, room)
        for span in self.ranges:
            if span.column == name and span.given in values:
                below, above = span.bounds(values[span.given])
                low, high = np.maximum(low, below), np.minimum(high, above)
        return low, high


def declared(texts: Sequence[str], table: Table) -> tuple[SumRule, ...]:
    """Read rules written as ``"a + b <= c"`` or ``"a + b == c"`` and require that the table keeps them.

    Raises
    ------
    ValidationError
        If a rule cannot be read, names an unknown column or is broken by training rows.
    """
    rules = []
    for text in texts:
        rule = SumRule.read(text, table.columns)
        count = int(rule.broken(table.values).sum())
        if count:
            raise ValidationError(
                f"the rule {text!r} is broken by {count} training rows; correct them or drop the rule"
            )
        rules.append(rule)
    return tuple(rules)


def learn(table: Table, declared_rules: Sequence[SumRule] = (), seed: int = 0) -> Rules:
    """Find the rules that every row keeps."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(table))[:_SCREEN_ROWS]
    numbers = [c.name for c in table.columns if c.kind == "number"]
    minimum = {name: float(np.nanmin(table.values[name])) for name in numbers}
    ratios = _ratios(table, numbers, rows)
    drawn = [name for name in numbers if name not in {r.column for r in ratios}]
    sums = {(rule.parts, rule.total): rule for rule in _sums(table, drawn, rows, rng)}
    sums |= {(tuple(sorted(rule.parts)), rule.total): rule for rule in declared_rules}
    return Rules(tuple(sums.values()), _ranges(table, drawn), _determined(table), ratios, minimum)


def _informative(parts: Sequence[NDArray[Any]], total: NDArray[Any], rng: np.random.Generator) -> bool:
    """Return whether chance would break the rule: values shuffled, or for a sum their shares of the total."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if len(parts) == 1:
            return bool(np.mean(rng.permutation(parts[0]) > total) > _BROKEN_BY_CHANCE)
        shares = sum(rng.permutation(part / total) for part in parts)
        return bool(np.mean(shares > 1) > _BROKEN_BY_CHANCE)


def _sums(table: Table, names: list[str], rows: NDArray[Any], rng: np.random.Generator) -> list[SumRule]:
    screen = {name: table.values[name][rows] for name in names}
    rules: list[SumRule] = []
    for total in names:
        below = [n for n in names if n != total and not SumRule((n,), total).broken(screen).any()]
        kept = []
        for name in below:
            rule = SumRule((name,), total)
            if not rule.broken(table.values).any():
                kept.append(name)
                if _informative([screen[name]], screen[total], rng):
                    rules.append(rule)
        for pair in combinations(kept, 2):
            rule = SumRule(tuple(sorted(pair)), total)
            if rule.broken(screen).any() or rule.broken(table.values).any():
                continue
            if _informative([screen[p] for p in pair], screen[total], rng):
                exact = SumRule(rule.parts, total, equal=True)
                rules.append(exact if not exact.broken(table.values).any() else rule)
    return rules


def _ratios(table: Table, names: list[str], rows: NDArray[Any]) -> tuple[RatioRule, ...]:
    rules: dict[str, RatioRule] = {}
    screen = {name: table.values[name][rows] for name in names}
    for column in names:
        decimals = table[column].decimals
        if decimals == 0 or len(np.unique(screen[column])) <= DISCRETE_LEVELS:
            continue
        half_step = 0.5 * 10.0**-decimals if decimals is not None else 0.0
        for above in names:
            for below in names:
                if len({column, above, below} - set(rules)) < 3:
                    continue
                rule = RatioRule(column, above, below)
                if _same(rule.value({k: v[:50] for k, v in screen.items()}), screen[column][:50], half_step) and _same(
                    rule.value(table.values), table.values[column], half_step
                ):
                    rules[column] = rule
    return tuple(rules.values())


def _same(first: NDArray[Any], second: NDArray[Any], step: float) -> bool:
    return bool(np.allclose(first, second, rtol=1e-9, atol=step * 1.0001 + 1e-12, equal_nan=True))


def _ranges(table: Table, names: list[str]) -> tuple[RangeRule, ...]:
    rules = []
    for by in table.columns:
        codes = table.values[by.name]
        levels, counts = np.unique(codes[~np.isnan(codes)], return_counts=True)
        if not 2 <= len(levels) <= DISCRETE_LEVELS:
            continue
        for name in names:
            if name == by.name:
                continue
            values = table.values[name]
            ordered = np.sort(values[~np.isnan(values)])
            kept = []
            for level in levels[counts >= 20]:
                here = values[(codes == level) & ~np.isnan(values)]
                if not here.size:
                    continue
                low, high = here.min(), here.max()
                share = (np.searchsorted(ordered, high, "right") - np.searchsorted(ordered, low)) / len(ordered)
                # Had the column not cared about the level, all of its rows would fall so close this rarely.
                if share < 1 and here.size * np.log(share) < np.log(_CHANCE):
                    kept.append((float(level), float(low), float(high)))
            if kept:
                level_values, lows, highs = zip(*kept, strict=True)
                rules.append(RangeRule(name, by.name, level_values, lows, highs))
    return tuple(rules)


def _determined(table: Table) -> tuple[DeterminedRule, ...]:
    categories = sorted((c for c in table.columns if c.kind == "category"), key=lambda c: len(c.levels))
    rules: dict[str, DeterminedRule] = {}
    for column in categories:
        for by in reversed(categories):
            if (
                by.name == column.name
                or by.name in rules
                or len(by.levels) < len(column.levels)
                or len(column.levels) < 2
            ):
                continue
            pairs = np.zeros((len(by.levels), len(column.levels)), dtype=np.int64)
            np.add.at(pairs, (table.values[by.name], table.values[column.name]), 1)
            if ((pairs > 0).sum(axis=1) <= 1).all() and pairs.sum() >= 10 * len(by.levels):
                rules[column.name] = DeterminedRule(column.name, by.name, tuple(map(int, pairs.argmax(axis=1))))
                break
    return tuple(rules.values())
