"""Whether twins give away the people they were learned from.

No twin may equal a training record that only one person has; the report measures how near twins come to
training rows against rows that were never used (distance to closest record) and how well an attacker who
holds the twins tells members from non-members (membership inference by nearest-twin distance; Yeom et al.
2018 describe the attack family, Zhao et al. 2021 the distance to closest record).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novamind.errors import InsufficientDataError
from novamind.populations.filters import inside
from novamind.populations.generation.sequential_trees import SequentialTrees
from novamind.populations.table import Arrays, Column, Table

_ROUNDS = 8
_SAMPLE = 4_000
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class PrivacyReport:
    """Figures of a population against its training table and a holdout of the same source.

    Parameters
    ----------
    exact_copies
        Share of twins equal to a training row that is unique in training.
    share_closer_to_train
        Share of twins nearer to a training row than to a holdout row (equal sizes; 0.5: no memory).
    membership_auc
        AUC of telling training rows from holdout rows by the distance to the nearest twin (0.5: no leak).
    """

    exact_copies: float
    share_closer_to_train: float
    membership_auc: float
    rows: int


def hashes(values: Arrays, columns: tuple[Column, ...]) -> NDArray[np.uint64]:
    """Return one 64-bit hash per row."""
    out = np.zeros(len(next(iter(values.values()))), dtype=np.uint64)
    for column in columns:
        bits = np.ascontiguousarray(values[column.name] + 0.0, dtype=np.float64).view(np.uint64)
        out = (out ^ bits) * _MIX
        out ^= out >> np.uint64(29)
    return out


def row_hashes(table: Table) -> NDArray[np.uint64]:
    """Return the hashes, ascending, of the rows that occur once in the table."""
    unique, count = np.unique(hashes(table.values, table.columns), return_counts=True)
    return np.asarray(unique[count == 1])


def _members(rows: NDArray[np.uint64], training_hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    if not training_hashes.size:
        return np.zeros(len(rows), dtype=bool)
    return np.asarray(training_hashes[np.searchsorted(training_hashes, rows).clip(0, len(training_hashes) - 1)] == rows)


def nudge_copies(
    values: Arrays,
    columns: tuple[Column, ...],
    training_hashes: NDArray[np.uint64],
    trees: SequentialTrees,
    conditions: Any,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Move every twin that equals a unique training record off it; where that is impossible, draw another.

    The column with the most values takes a neighbouring one, within rules and filters. Works in place;
    returns the rows that changed.
    """
    steps = [s for s in trees.steps if s.name in {c.name for c in columns} and s.kind == "number"]
    copies = np.flatnonzero(_members(hashes(values, columns), training_hashes))
    if not steps or not copies.size:
        return copies
    finest = max(steps, key=lambda s: len(np.unique(s.support)))
    changed = copies
    if finest.scale is None:
        grid = np.unique(finest.support)
        for reach in range(1, _ROUNDS + 1):
            part = {name: v[copies] for name, v in values.items()}
            at = np.searchsorted(grid, part[finest.name]) + rng.choice((-reach, reach), len(copies))
            part[finest.name] = np.where(np.isnan(part[finest.name]), np.nan, grid[at.clip(0, len(grid) - 1)])
            good = ~trees.rules.broken(part) & ~_members(hashes(part, columns), training_hashes)
            for name, condition in (conditions or {}).items():
                good &= inside(part[name], condition)
            values[finest.name][copies[good]] = part[finest.name][good]
            copies = copies[~good]
            if not copies.size:
                return changed
    spare = np.flatnonzero(~_members(hashes(values, columns), training_hashes))
    if spare.size:
        stand_in = rng.choice(spare, len(copies))
        for v in values.values():
            v[copies] = v[stand_in]
    return changed


def report(twins: Table, training: Table, holdout: Table, seed: int = 0) -> PrivacyReport:
    """Measure what twins give away; a holdout of rows never trained on is required.

    Raises
    ------
    InsufficientDataError
        With fewer than 200 rows in any of the tables.
    """
    from sklearn.neighbors import NearestNeighbors

    n = min(len(training), len(holdout))
    if min(n, len(twins)) < 200:
        raise InsufficientDataError("a privacy report needs at least 200 twins, training rows and holdout rows each")
    twins, training, holdout = _aligned((twins, training, holdout))
    rng = np.random.default_rng(seed)
    copies = _members(hashes(twins.values, twins.columns), row_hashes(training)).mean()
    train, unseen = (
        training.take(rng.permutation(len(training))[:n]),
        holdout.take(rng.permutation(len(holdout))[:n]),
    )
    scales = {
        c.name: np.sort(np.nan_to_num(training.values[c.name], nan=-1.0))
        for c in training.columns
        if c.kind == "number"
    }
    points = [_points(t, scales) for t in (twins.take(rng.permutation(len(twins))[: max(n, _SAMPLE)]), train, unseen)]
    sample = points[0][:_SAMPLE]
    near = [NearestNeighbors(n_neighbors=1).fit(p).kneighbors(sample)[0][:, 0] for p in points[1:]]
    closer = np.mean(near[0] < near[1]) + 0.5 * np.mean(near[0] == near[1])
    to_twin = NearestNeighbors(n_neighbors=1).fit(points[0])
    member, stranger = (to_twin.kneighbors(p[:_SAMPLE])[0][:, 0] for p in points[1:])
    ordered = np.sort(stranger)
    wins = len(ordered) - np.searchsorted(ordered, member, "right")
    ties = np.searchsorted(ordered, member, "right") - np.searchsorted(ordered, member, "left")
    return PrivacyReport(float(copies), float(closer), float(np.mean(wins + 0.5 * ties) / len(ordered)), n)


def _aligned(tables: tuple[Table, Table, Table]) -> list[Table]:
    """Give all tables one list of levels per category, so that codes mean the same everywhere."""
    out = list(tables)
    for column in tables[0].columns:
        if column.kind == "category":
            levels = tuple(dict.fromkeys(level for t in tables for level in t[column.name].levels))
            for i, table in enumerate(out):
                place = np.array([levels.index(v) for v in table[column.name].levels], dtype=np.int32)
                codes = {**table.values, column.name: place[table.values[column.name]]}
                columns = tuple(replace(c, levels=levels) if c.name == column.name else c for c in table.columns)
                out[i] = Table(columns, codes, table.backend)
    return out


def _points(table: Table, scales: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return rows as points: numbers by their rank in training, categories by a unit step per different level."""
    parts = []
    for column in table.columns:
        values = table.values[column.name]
        if column.kind == "number":
            order = scales[column.name]
            parts.append((np.searchsorted(order, np.nan_to_num(values, nan=-1.0)) / len(order))[:, None])
        else:
            parts.append(np.eye(len(column.levels))[values] / np.sqrt(2.0))
    return np.hstack(parts)
