"""Filters on columns: read, checked against what is known, and explained when they keep nothing."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations.domain import PopulationFilter
from novamind.populations.table import Column, Table

Condition = NDArray[Any] | tuple[float, float]

_ALIASES = {"region": ("geographic_region",), "tier": ("priority_tier",), "priority_tier": ("tier",)}


def resolve(filters: PopulationFilter | Mapping[str, Any] | None, columns: Sequence[Column]) -> dict[str, Condition]:
    """Turn a filter into codes, values and closed ranges per column.

    Raises
    ------
    ValidationError
        If a column or a level is unknown; the message names the nearest.
    """
    if filters is None:
        return {}
    if not isinstance(filters, PopulationFilter | Mapping):
        raise ValidationError("give filters as a PopulationFilter or as column -> condition")
    conditions = filters.conditions() if isinstance(filters, PopulationFilter) else filters
    by_name = {c.name: c for c in columns}
    resolved = {}
    for name, wanted in conditions.items():
        real = next((n for n in (name, *_ALIASES.get(name, ())) if n in by_name), None)
        if real is None:
            raise ValidationError(f"there is no column {name!r} to filter on.{_nearest(name, list(by_name))}")
        resolved[real] = _condition(by_name[real], wanted)
    return resolved


def _range(name: str, low: float, high: float) -> tuple[float, float]:
    if not low <= high:
        raise ValidationError(f"the range on {name!r} has its low end above its high end")
    return low, high


def _condition(column: Column, wanted: Any) -> Condition:
    if column.kind == "category":
        if isinstance(wanted, tuple) and len(wanted) == 2 and not all(isinstance(w, str) for w in wanted):
            raise ValidationError(
                f"column {column.name!r} holds categories; filter it by a list of levels, not by a range"
            )
        items = list(wanted) if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted]
        codes = []
        for item in items:
            level = item if isinstance(item, bool) or item is None else str(item)
            if level not in column.levels:
                raise ValidationError(
                    f"{column.name!r} has no level {str(item)!r}.{_nearest(str(item), [str(v) for v in column.levels])}"
                )
            codes.append(column.levels.index(level))
        if not codes:
            raise ValidationError(f"the filter on {column.name!r} is empty; list at least one level")
        return np.array(sorted(set(codes)), dtype=np.int32)
    if isinstance(wanted, tuple) and len(wanted) != 2:
        raise ValidationError(f"a range on {column.name!r} is a (low, high) pair")
    try:
        if isinstance(wanted, tuple):
            low = -np.inf if wanted[0] is None else float(wanted[0])
            high = np.inf if wanted[1] is None else float(wanted[1])
            return _range(column.name, low, high)
        values = np.unique(np.atleast_1d(np.asarray(wanted, dtype=float)))
    except ValidationError:
        raise
    except (TypeError, ValueError) as error:
        raise ValidationError(
            f"column {column.name!r} holds numbers; filter it by numbers or by a (low, high) range"
        ) from error
    if not values.size or np.isnan(values).any():
        raise ValidationError(f"the filter on {column.name!r} must list at least one number")
    return values


def _nearest(word: str, choices: Sequence[str]) -> str:
    close = get_close_matches(word.lower(), [c.lower() for c in choices], n=1, cutoff=0.5)
    if close:
        return f" Did you mean {next(c for c in choices if c.lower() == close[0])!r}?"
    return f" Known: {', '.join(choices[:12])}{' ...' if len(choices) > 12 else ''}."


def inside(values: NDArray[Any], condition: Condition) -> NDArray[np.bool_]:
    """Return the rows (mask) whose value the condition keeps; missing values never are."""
    if isinstance(condition, tuple):
        return np.asarray((values >= condition[0]) & (values <= condition[1]))
    return np.isin(values, condition)


def matching(table: Table, conditions: Mapping[str, Condition]) -> NDArray[np.bool_]:
    """Return the rows (mask) that all conditions keep.

    Raises
    ------
    InsufficientDataError
        If none is kept; the message names the condition whose removal keeps most rows.
    """
    masks = {name: inside(table.values[name], condition) for name, condition in conditions.items()}
    kept = np.logical_and.reduce([np.ones(len(table), dtype=bool), *masks.values()])
    if kept.any():
        return np.asarray(kept)
    freed = {
        name: int(
            np.logical_and.reduce([np.ones(len(table), dtype=bool), *(m for n, m in masks.items() if n != name)]).sum()
        )
        for name in masks
    }
    best = max(freed, key=lambda name: freed[name])
    if freed[best]:
        raise InsufficientDataError(
            f"no row matches all filters at once; relax the filter on {best!r} ({freed[best]:,} "
            f"of {len(table):,} rows match the others)"
        )
    raise InsufficientDataError("no row matches the filters, even with any one of them dropped; relax several")
