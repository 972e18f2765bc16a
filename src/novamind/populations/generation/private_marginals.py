"""A table with differential privacy: noisy marginals on a tree of columns, and rows drawn from them.

The mechanism is MST (McKenna, Miklau and Sheldon 2021, "Winning the NIST contest"): a third of the budget
measures every column's counts, a third chooses the pairs that a spanning tree of columns is made of (exponential
mechanism), a third measures those pairs. Noise is Gaussian and accounted for in zero-concentrated differential
privacy (Bun and Steinke 2016; the exponential mechanism: Cesar and Rogers 2021). Two tables are neighbours if one
has one row more: one person, one row. Whatever is computed from the drawn rows alone costs nothing more, so a whole
twin model is private if it is trained on them instead of on the table.

Counts are held in cells that the caller declares, because levels or ranges taken from the data would leak. Noisy
counts are rounded, since the low bits of floating-point noise give hints (Mironov 2012).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations.generation.rules import SumRule
from novamind.populations.table import MAX_LEVELS, Arrays, Column, Table, concatenate

CELLS: Final = 16
"""Cells of equal width for a number of which only the bounds are declared."""
_RAKING: Final = 50
_ATTEMPTS: Final = 30

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DifferentialPrivacy:
    """A promise about one training: (epsilon, delta), and the public domain that counts are held in.

    Parameters
    ----------
    epsilon, delta
        The promise. ``delta`` should be far below one in the number of rows.
    domain
        For every column either its levels (text or true/false) or, for a number, ``(low, high)`` or ascending edges
        of cells; whole numbers only: so are the twins. ``None`` among them allows gaps. From public knowledge, never
        from the table itself.

    Raises
    ------
    ValidationError
        If the promise is none, or the domain cannot be read.

    Examples
    --------
    >>> privacy = DifferentialPrivacy(3.0, {"decile": (1, 10), "region": ("north", "south"), "y": (-0.5, 0.5)})
    >>> round(privacy.rho, 4)
    0.1473
    """

    epsilon: float
    domain: Mapping[str, Sequence[Any]]
    delta: float = 1e-6

    def __post_init__(self) -> None:
        if not (isinstance(self.epsilon, int | float) and 0 < self.epsilon < np.inf):
            raise ValidationError("epsilon must be a number above 0; 1 to 10 are usual")
        if not (isinstance(self.delta, float) and 0 < self.delta <= 1e-3):
            raise ValidationError("delta must be above 0 and at most 0.001, far below one in the number of rows")
        if not isinstance(self.domain, Mapping) or len(self.domain) < 2:
            raise ValidationError("declare the domain of every column: its levels, or the bounds of a number")
        for name, declared in self.domain.items():
            _cells(name, declared)

    @property
    def rho(self) -> float:
        """Budget in zero-concentrated privacy: ``epsilon = rho + 2 sqrt(rho log(1 / delta))`` (Bun and Steinke)."""
        room = np.log(1 / self.delta)
        return float((np.sqrt(self.epsilon + room) - np.sqrt(room)) ** 2)

    def noise(self, measured: int) -> float:
        """Return the standard deviation of each count, where a third of the budget measures so many marginals."""
        return float(np.sqrt(measured * 3 / (2 * self.rho)))

    def choice(self, rounds: int) -> float:
        """Epsilon of each of so many choices by the exponential mechanism, which a third of the budget pays."""
        return float(np.sqrt(8 * self.rho / (3 * rounds)))

    def table(
        self, real: Table, complete: str, rules: Sequence[str] = (), *, rng: np.random.Generator | None = None
    ) -> Table:
        """Draw a private table in the place of ``real``; about as many rows.

        Parameters
        ----------
        real
            The table. What lies beyond the declared bounds counts as on them, an undeclared level as a gap; rows
            with a gap where none is declared are left out.
        complete
            Column without gaps, whatever is declared.
        rules
            Declared rules; rows that break one are drawn again.
        rng
            For measurements of the mechanism only: whoever knows the seed can take the noise off. The operating
            system's randomness when omitted, so that no two trainings are the same.

        Raises
        ------
        ValidationError
            If the domain does not fit the table's columns.
        InsufficientDataError
            If hardly a row of the noisy table keeps the rules.
        """
        rng = rng or np.random.default_rng()
        names = [c.name for c in real.columns]
        absent = next((name for name in names if name not in self.domain), None)
        if absent is not None:
            raise ValidationError(f"declare the domain of {absent!r}: its levels, or the bounds of a number")
        codes, cells, columns = {}, {}, []
        for column in real.columns:
            codes[column.name], cells[column.name], described = _coded(column, real.values[column.name], self.domain)
            columns.append(described)
        size = {name: len(cells[name]) + (None in self.domain[name] and name != complete) for name in names}
        keep = np.all([codes[name] < size[name] for name in names], axis=0)
        codes = {name: code[keep] for name, code in codes.items()}

        sigma = self.noise(len(names))
        counts = {n: np.round(np.bincount(codes[n], minlength=size[n]) + rng.normal(0, sigma, size[n])) for n in names}
        total = np.average([count.sum() for count in counts.values()], weights=[1 / size[n] for n in names])
        rows = max(round(float(total)), 1)
        alone = {name: _on_simplex(count, rows) for name, count in counts.items()}
        pairs: dict[tuple[str, str], Floats] = {}
        sigma = self.noise(len(names) - 1)
        for a, b in self._tree(codes, alone, sigma, rng):
            exact = _joint(codes, alone, a, b)
            noisy = np.round(exact + rng.normal(0, sigma, exact.shape))
            pairs[a, b] = _raked(_on_simplex(noisy.ravel(), rows).reshape(exact.shape), alone[a], alone[b])
        return _drawn(Table(tuple(columns), {}, real.backend), rows, alone, pairs, cells, rules, rng)

    def _tree(
        self, codes: Arrays, alone: Mapping[str, Floats], sigma: float, rng: np.random.Generator
    ) -> list[tuple[str, str]]:
        """Return the pairs of columns that depend on each other most and form a tree."""
        score = {(a, b): _beyond_independence(codes, alone, a, b, sigma) for a, b in combinations(alone, 2)}
        part = {name: i for i, name in enumerate(alone)}
        epsilon = self.choice(len(alone) - 1)
        edges: list[tuple[str, str]] = []
        while len(edges) < len(alone) - 1:
            open_ = [pair for pair in score if part[pair[0]] != part[pair[1]]]
            a, b = open_[int(np.argmax([epsilon / 2 * score[pair] + rng.gumbel() for pair in open_]))]
            edges.append((a, b))
            part = {name: part[a] if p == part[b] else p for name, p in part.items()}
        return edges


def _cells(name: str, declared: Sequence[Any]) -> tuple[Floats | None, bool]:
    """Return a number's cell edges, the last one excluded, and whether it is whole; no edges for levels."""
    levels = [v for v in declared if v is not None] if isinstance(declared, list | tuple) else []
    if 2 <= len(levels) <= MAX_LEVELS and len(set(map(str, levels))) == len(levels):
        if all(isinstance(v, str | bool) for v in levels):
            return None, False
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in levels)
        if numbers and levels == sorted(levels):
            whole = all(isinstance(v, int) for v in levels)
            low, high = float(levels[0]), float(levels[-1]) + whole
            if len(levels) > 2:
                return np.array([*levels[:-1], high], dtype=float), whole
            edges = np.linspace(low, high, 1 + (min(CELLS, int(high - low)) if whole else CELLS))
            return np.unique(np.round(edges)) if whole else edges, whole
    raise ValidationError(
        f"the domain of {name!r} cannot be read; give at least two different levels, or a number's (low, high) or "
        "ascending edges"
    )


def _coded(
    column: Column, values: NDArray[Any], domain: Mapping[str, Sequence[Any]]
) -> tuple[NDArray[np.int64], Floats, Column]:
    """Cell of each row (one beyond the last: a gap), the cells' lower edges and widths, the column without its data."""
    edges, whole = _cells(column.name, domain[column.name])
    if (edges is None) != (column.kind == "category"):
        raise ValidationError(f"declare {column.name!r} as what it is: bounds for a number, levels for anything else")
    if edges is None:
        levels = tuple(level for level in domain[column.name] if level is not None)
        place = {level: i for i, level in enumerate(levels)}
        code = np.array([place.get(level, len(levels)) for level in column.levels], dtype=np.int64)[values]
        gap = (None,) if None in domain[column.name] else ()
        return code, np.zeros((len(levels), 2)), Column(column.name, "category", (*levels, *gap))
    if whole and column.decimals != 0:
        raise ValidationError(f"{column.name!r} holds fractions; declare its bounds with a point, such as (0.0, 1.0)")
    gap = np.isnan(values)
    code = np.searchsorted(edges, np.where(gap, edges[0], values), "right") - 1
    code = np.where(gap, len(edges) - 1, code.clip(0, len(edges) - 2))
    decimals = 0 if whole else None
    return code, np.column_stack([edges[:-1], np.diff(edges)]), Column(column.name, "number", decimals=decimals)


def _joint(codes: Arrays, alone: Mapping[str, Floats], a: str, b: str) -> Floats:
    shape = len(alone[a]), len(alone[b])
    both = codes[a] * shape[1] + codes[b]
    return np.bincount(both, minlength=shape[0] * shape[1]).reshape(shape).astype(float)


def _beyond_independence(codes: Arrays, alone: Mapping[str, Floats], a: str, b: str, sigma: float) -> float:
    """Return the distance of a pair's counts from independence, less what noise would add.

    The latter is that of AIM (McKenna, Mullins, Sheldon and Miklau 2022). One row more changes it by one at most.
    """
    independent = np.outer(alone[a], alone[b]) / alone[a].sum()
    distance = np.abs(_joint(codes, alone, a, b) - independent).sum()
    return float(distance - np.sqrt(2 / np.pi) * sigma * independent.size)


def _on_simplex(noisy: Floats, total: float) -> Floats:
    """Return the nearest counts that are not negative and have this sum (Duchi et al. 2008)."""
    down = np.sort(noisy)[::-1]
    excess = (np.cumsum(down) - total) / np.arange(1, len(noisy) + 1)
    return np.asarray(np.maximum(noisy - excess[np.flatnonzero(down > excess)[-1]], 0.0))


def _raked(pair: Floats, rows: Floats, columns: Floats) -> Floats:
    """Fit a pair's counts to what is known of each column (iterative proportional fitting)."""
    pair = pair + 1e-9 * np.outer(rows, columns)
    for _ in range(_RAKING):
        pair = pair * (rows / np.maximum(pair.sum(axis=1), 1e-300))[:, None]
        pair = pair * (columns / np.maximum(pair.sum(axis=0), 1e-300))
    return pair


def _drawn(
    empty: Table,
    rows: int,
    alone: Mapping[str, Floats],
    pairs: Mapping[tuple[str, str], Floats],
    cells: Mapping[str, Floats],
    rules: Sequence[str],
    rng: np.random.Generator,
) -> Table:
    """Draw from the root of the tree outwards until so many rows keep the rules."""
    sum_rules = [SumRule.read(text, empty.columns) for text in rules]
    kept: list[Arrays] = []
    for _ in range(_ATTEMPTS):
        values = {name: np.zeros(0) for name in (c.name for c in empty.columns)}
        codes = _codes(rows, alone, pairs, rng)
        for column in empty.columns:
            code = codes[column.name]
            if column.kind == "category":
                values[column.name] = code.astype(np.int32)
            else:
                low, width = np.vstack([cells[column.name], [np.nan, 0.0]])[code].T
                value = low + width * rng.random(rows)
                values[column.name] = np.floor(value) if column.decimals == 0 else value
        good = ~np.any([np.zeros(rows, dtype=bool), *(rule.broken(values) for rule in sum_rules)], axis=0)
        kept.append({name: v[good] for name, v in values.items()})
        if sum(len(part[empty.columns[0].name]) for part in kept) >= rows:
            return Table(empty.columns, concatenate(kept), empty.backend).take(np.arange(rows))
    raise InsufficientDataError(
        "hardly a row of the private table keeps the declared rules; declare finer cells, a larger epsilon, or leave "
        "out a column that is the sum of others"
    )


def _codes(
    rows: int, alone: Mapping[str, Floats], pairs: Mapping[tuple[str, str], Floats], rng: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    root = next(iter(alone))
    codes = {root: _stratified(alone[root][None], np.zeros(rows, dtype=np.int64), rng)}
    left = dict(pairs)
    while left:
        a, b = next(pair for pair in left if (pair[0] in codes) != (pair[1] in codes))
        pair = left.pop((a, b))
        if a in codes:
            codes[b] = _stratified(pair, codes[a], rng)
        else:
            codes[a] = _stratified(pair.T, codes[b], rng)
    return codes


def _stratified(weights: Floats, parent: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a cell for each row from the weights of its parent's cell, evenly spread over the rows that share one."""
    out = np.zeros(len(parent), dtype=np.int64)
    for cell in np.unique(parent):
        here = np.flatnonzero(parent == cell)
        even = (rng.permutation(len(here)) + rng.random(len(here))) / len(here)
        chance = np.cumsum(weights[cell])
        out[here] = np.searchsorted(chance / chance[-1], even, "right").clip(0, weights.shape[1] - 1)
    return out
