"""Draw twins column by column from trees whose leaves hold donors.

Each column is drawn given the columns before it: a regression or classification tree sends the row to a
leaf, and the leaf's training rows are the donors. (Sequential classification and regression trees for
synthetic data: Reiter 2005, "Using CART to generate partially synthetic public use microdata"; Drechsler
and Reiter 2011.) What is ours:

* donors are held as ranks, and a twin's value lies between neighbouring donors in the rank space of the
  whole column: marginals, whole numbers and heaped values survive, yet values are not plain copies (but
  for a number that many rows share: it is nobody's own, and may be as good as a name);
* within a leaf the draws are stratified, so a population of n twins has less sampling noise than n
  independent draws;
* hard rules and filters cut the donors before the draw, so nothing is rejected afterwards; a filter weighs
  each candidate by the share of donors left to it and resamples (sequential importance resampling);
* each column has several trees, one picked at random per row, which blurs the leaves' edges.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novamind.errors import ModelInferenceError
from novamind.populations.filters import Condition, inside
from novamind.populations.generation.rules import Rules
from novamind.populations.table import DISCRETE_LEVELS, MAX_LEVELS, Arrays, Column, Table

HINT = "\0predicted"
"""No column of a table can have this name: names are printable."""
TREES = 4
LEAF = 10
COMMON = 10
"""A number that so many training rows share is donated as it is: the size of one group says which group it is."""
LEAF_PRICE = 2.0
"""What a leaf costs in pruning, in residual variances."""
NOISE_LEAF = 200
"""Donors of residuals: many, because what the mean leaves over is mostly noise that must not be learned."""
FEATURE_SHARE = 0.9
AXES = 2
"""Numbers that stand for a category with many levels."""
_MAX_CANDIDATES = 20
_ATTEMPTS = 20
_MISSING = "\0missing "

Hint = Callable[[Arrays], NDArray[np.float64]]
"""Computes one more predictor of the last column (the predicted outcome) from the columns drawn."""
Allowed = Mapping[str, Condition]


@dataclass(frozen=True)
class Tree:
    """One fitted tree: where a row falls, and who the donors are there.

    Parameters
    ----------
    nodes
        (left, right, feature, threshold, missing_go_left), each of shape (nodes,).
    encoders
        Per predictor the numbers that stand for each category level, shape (axes, levels); ``None`` for numbers.
    leaf_of_node
        Dense index of each leaf, -1 for inner nodes.
    keys
        ``leaf * len(support) + rank`` of every donor, ascending.
    """

    nodes: tuple[NDArray[Any], ...]
    encoders: tuple[NDArray[np.float32] | None, ...]
    leaf_of_node: NDArray[np.int64]
    keys: NDArray[np.int64]

    def leaves(self, columns: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        """Send rows down the tree, all rows one level at a time."""
        left, right, feature, threshold, missing_left = self.nodes
        n = len(columns[0])
        X = _matrix(columns, self.encoders)
        children = np.column_stack([right, left]).ravel()
        flat, at, active = X.ravel(), np.zeros(n, dtype=np.int64), np.arange(n)
        node = at
        gaps = np.isnan(X).any()
        while active.size:
            value = flat.take(feature.take(node) * n + active)
            go_left = value <= threshold.take(node)
            if gaps:
                go_left |= np.isnan(value) & missing_left.take(node)
            node = children.take(2 * node + go_left)
            inner = left.take(node) >= 0
            at[active] = node
            if not inner.all():
                active, node = active[inner], node[inner]
        return self.leaf_of_node.take(at)


@dataclass(frozen=True)
class Step:
    """How one column is drawn.

    Parameters
    ----------
    name, kind, decimals
        The column. A step may also draw a missing-value pattern (a category of two levels).
    predictors
        Columns drawn before that its trees look at.
    rooms
        Sum rules (indices) whose remaining room its trees look at as well: a tree cannot subtract.
    scale
        Sum rule (index) whose remaining room the column is a share of: donors then give shares, so that
        a part follows its total closely. ``None`` where donors give values.
    support
        The column's training values (or shares), ascending, missing ones left out.
    grid
        For a share of a whole number: the values seen, to which a twin's value is moved.
    hinted
        Whether its trees look at a hint as well, after the predictors and rooms.
    line
        Intercept and slope of the column on its hint; donors then give residuals around it. For a
        continuous outcome: its mean is then as sharp as the hint, and its noise that of real rows alike.
    trees
        Its trees; none for the first column.
    pattern
        Name of the missing-value pattern that blanks this column, or ``None``.
    """

    name: str
    kind: str
    decimals: int | None
    predictors: tuple[str, ...]
    rooms: tuple[int, ...]
    scale: int | None
    support: NDArray[np.float64]
    trees: tuple[Tree, ...]
    pattern: str | None
    grid: NDArray[np.float64] | None = None
    hinted: bool = False
    line: tuple[float, float] | None = None

    @cached_property
    def common(self) -> NDArray[np.bool_]:
        """Whether the value at each rank belongs to so many that it is nobody's own, and may mean something."""
        _, inverse, count = np.unique(self.support, return_inverse=True, return_counts=True)
        return np.asarray(count[inverse] >= COMMON)

    @cached_property
    def continuous(self) -> bool:
        """Whether most training values occur once, so that a twin may lie between two of them."""
        return (
            self.kind == "number"
            and (self.decimals != 0 or self.scale is not None)
            and len(np.unique(self.support)) > len(self.support) / 2
        )


class SequentialTrees:
    """The joint distribution of a table, held as one step per column.

    Parameters
    ----------
    steps
        In drawing order.
    rules
        What every twin must keep.
    columns
        The table's columns, in the caller's order.
    """

    def __init__(self, steps: Sequence[Step], rules: Rules, columns: Sequence[Column]) -> None:
        self.steps, self.rules, self.columns = tuple(steps), rules, tuple(columns)

    @classmethod
    def fit(
        cls,
        table: Table,
        rules: Rules,
        *,
        last: str | None = None,
        hint: NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> "SequentialTrees":
        """Fit one step per column.

        The outcome ``last`` is drawn at the end, around its ``hint``, if it is continuous and in no sum rule.
        Otherwise it is drawn in its place among the others: a total must come before its parts, and donors
        keep weak effects on a yes/no outcome that a smoothed prediction would weaken.
        """
        if last is None or hint is None or np.ptp(hint) == 0 or not _stands_alone(table, rules, last):
            last = hint = None
        seeds = np.random.SeedSequence(seed)
        values = dict(table.values)
        order = _order(table, rules, last)
        patterns = _missing_patterns(table, order)
        steps: list[Step] = []
        drawn: list[str] = []
        made: set[str] = set()
        for name, child in zip(order, seeds.spawn(len(order)), strict=True):
            rng = np.random.default_rng(child)
            column, pattern = table[name], patterns.get(name)
            kinds = {c.name: c.kind for c in table.columns}
            if pattern is not None and pattern not in made:
                values[pattern] = np.isnan(values[name]).astype(np.int32)
                steps.append(_fit_step(Column(pattern, "category"), tuple(drawn), values, kinds, Rules(), None, rng))
                made.add(pattern)
            extra = hint if name == last else None
            steps.append(_fit_step(column, tuple(drawn), values, kinds, rules, pattern, rng, extra))
            drawn.append(name)
        return cls(steps, rules, table.columns)

    def draw(
        self, n: int, rng: np.random.Generator, allowed: Allowed | None = None, hint: Hint | None = None
    ) -> Arrays:
        """Draw ``n`` rows that keep every rule and every filter.

        Where the outcome is drawn around its hint, the hint's values come back as `HINT`.

        Raises
        ------
        ModelInferenceError
            If rows that keep all rules and filters at once cannot be found.
        """
        kept: list[Arrays] = []
        have = 0
        names = [
            *(c.name for c in self.columns),
            *([HINT] if any(step.hinted for step in self.steps) else []),
        ]
        for _ in range(_ATTEMPTS):
            part = self._attempt(max(n - have, min(n, 64)), rng, dict(allowed or {}), hint)
            good = ~self.rules.broken(part)
            for name, ok in (allowed or {}).items():
                good &= inside(part[name], ok)
            kept.append({name: part[name][good] for name in names})
            have += int(good.sum())
            if have >= n:
                return {name: np.concatenate([p[name] for p in kept])[:n] for name in names}
        raise ModelInferenceError(
            "no twins could be drawn that keep every rule and filter at once; relax a filter or a declared rule"
        )

    def _attempt(self, n: int, rng: np.random.Generator, allowed: dict[str, Any], hint: Hint | None) -> Arrays:
        allowed = self._through_derived(allowed)
        filtered = [i for i, step in enumerate(self.steps) if step.name in allowed]
        narrow = filtered[-1] if filtered else -1
        m = n * self._candidates(allowed) if filtered else n
        weight = np.ones(m)
        values: Arrays = {}
        for i, step in enumerate(self.steps):
            if step.hinted and hint is not None:
                self._derive(values)
                values[HINT] = hint(values)
            values[step.name], share = self._draw_step(step, values, m, rng, allowed.get(step.name))
            weight = weight * share
            if i == narrow:
                total = weight.sum()
                if total <= 0:
                    break
                ticks = (np.arange(n) + rng.random()) / n
                chosen = np.searchsorted(np.cumsum(weight) / total, ticks).clip(0, m - 1)
                values = {name: v[chosen] for name, v in values.items()}
                m, weight = n, np.ones(n)
        if len(values) < len(self.steps):
            return {
                **{c.name: np.zeros(0, dtype=np.int32 if c.kind == "category" else float) for c in self.columns},
                HINT: np.zeros(0),
            }
        self._derive(values)
        return values

    def _candidates(self, allowed: Mapping[str, Any]) -> int:
        share = 1.0
        for step in self.steps:
            if step.name in allowed:
                share *= max(float(inside(step.support, allowed[step.name]).mean()), 1e-9)
        return int(np.clip(np.ceil(1.5 / share), 2, _MAX_CANDIDATES))

    def _through_derived(self, allowed: dict[str, Any]) -> dict[str, Any]:
        """Turn a filter on a determined category into one on the category that determines it."""
        for rule in self.rules.determined:
            if rule.column in allowed:
                wanted = np.flatnonzero(np.isin(rule.mapping, allowed.pop(rule.column)))
                allowed[rule.by] = np.intersect1d(allowed[rule.by], wanted) if rule.by in allowed else wanted
        return allowed

    def _derive(self, values: Arrays) -> None:
        for rule in reversed(self.rules.determined):
            values[rule.column] = np.asarray(rule.mapping, dtype=np.int32)[values[rule.by]]
        decimals = {c.name: c.decimals for c in self.columns}
        for ratio in self.rules.ratios:
            exact, places = ratio.value(values), decimals[ratio.column]
            values[ratio.column] = exact if places is None else np.round(exact, places)

    def _draw_step(
        self, step: Step, values: Arrays, m: int, rng: np.random.Generator, ok: Any
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        low, high = (
            self.rules.bounds(step.name, values, m)
            if step.kind == "number"
            else (np.full(m, -np.inf), np.full(m, np.inf))
        )
        out = np.full(m, np.nan)
        share = np.ones(m)
        rows = np.arange(m)
        if step.pattern is not None:
            rows = np.flatnonzero(values[step.pattern] == 0)
            if ok is not None:
                share[values[step.pattern] == 1] = 0.0
        picked = rng.integers(0, max(len(step.trees), 1), len(rows))
        for t in range(max(len(step.trees), 1)):
            here = rows[picked == t]
            if not here.size:
                continue
            if step.trees:
                tree = step.trees[t]
                seen = [values[p][here] for p in step.predictors]
                seen += [self.rules.sums[r].rest(step.name, values)[here] for r in step.rooms]
                seen += [values[HINT][here]] if step.hinted else []
                leaf, keys = tree.leaves(seen), tree.keys
            else:
                leaf, keys = np.zeros(len(here), dtype=np.int64), np.arange(len(step.support), dtype=np.int64)
            whole = None if step.scale is None else self.rules.sums[step.scale].rest(step.name, values)[here]
            if step.line is None:
                out[here], share[here] = _donate(step, leaf, keys, low[here], high[here], whole, ok, rng)
            else:
                mean = step.line[0] + step.line[1] * values[HINT][here]
                noise, share[here] = _donate(step, leaf, keys, low[here] - mean, high[here] - mean, whole, ok, rng)
                out[here] = mean + noise
        return (out.astype(np.int32) if step.kind == "category" else out), share


def _donate(
    step: Step,
    leaf: NDArray[np.int64],
    keys: NDArray[np.int64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    whole: NDArray[np.float64] | None,
    ok: Any,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw a value for each row from its leaf's donors within its limits; also the share of donors left."""
    support, size = step.support, len(step.support)
    base = leaf * size
    first, last = _leaf_donors(keys, leaf, size)
    donors = last - first
    listed = ok is not None and not isinstance(ok, tuple)
    if listed and whole is None:
        keys = keys[inside(support, ok)[keys % size]]
        if not keys.size:
            return np.full(len(leaf), support[0]), np.zeros(len(leaf))
        first, last = _leaf_donors(keys, leaf, size)
    elif ok is not None:
        low, high = np.maximum(low, np.min(ok)), np.minimum(high, np.max(ok))
    begin, end = np.zeros(len(leaf), dtype=np.int64), np.full(len(leaf), size, dtype=np.int64)
    bounded = bool(np.isfinite(low).any() or np.isfinite(high).any())
    left = last - first
    if bounded:
        floor, ceiling = (low, high) if whole is None else (_share(low, whole), _share(high, whole))
        begin, end = np.searchsorted(support, floor, "left"), np.searchsorted(support, ceiling, "right")
        inner_first, inner_last = (
            np.searchsorted(keys, base + begin),
            np.searchsorted(keys, base + np.maximum(begin, end)),
        )
        left = inner_last - inner_first
        first, last = np.where(left > 0, inner_first, first), np.where(left > 0, inner_last, last)
    at = first + _stratified(leaf, rng) * (last - first)
    donor = np.clip(at.astype(np.int64), 0, np.maximum(last - 1, 0))
    rank = (keys[donor] - base).astype(float)
    if step.kind == "number" and not listed:
        # Move towards the neighbouring donor by up to half the way: each donor speaks for its cell.
        lean = at - donor - 0.5
        beside = np.clip(donor + np.where(lean < 0, -1, 1), first, np.maximum(last - 1, first)).clip(0, len(keys) - 1)
        rank += np.where(step.common[keys[donor] - base], 0.0, np.abs(lean) * (keys[beside] - base - rank))
    rank = np.clip(rank, begin, np.maximum(end - 1, begin)).clip(0, size - 1)
    if step.continuous:
        below = rank.astype(np.int64)
        above = np.minimum(below + 1, size - 1)
        value = support[below] + (rank - below) * (support[above] - support[below])
    else:
        value = support[np.rint(rank).astype(np.int64)]
    if whole is not None:
        value = value * whole
    if step.decimals is not None:
        value = np.round(value, step.decimals)
    if step.grid is not None:
        value = _nearest(step.grid, value)
    if bounded:
        value = _within(value, low, high, step.decimals)
    return value, left / donors if ok is not None else np.ones(len(leaf))


def _leaf_donors(
    keys: NDArray[np.int64], leaf: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last (exclusive) place among the keys of each row's donors: searched once a leaf, not once a row."""
    start = np.searchsorted(keys, np.arange(int(leaf.max(initial=0)) + 2) * size)
    return start[leaf], start[leaf + 1]


def _share(values: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """``values / whole``; an empty whole leaves room for nothing but itself, share one."""
    return np.divide(values, whole, out=np.where(np.isinf(values), values, 1.0), where=whole != 0)


def _nearest(grid: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.float64]:
    at = np.searchsorted(grid, value).clip(1, max(len(grid) - 1, 1))
    if len(grid) < 2:
        return np.full(len(value), grid[0])
    return np.asarray(np.where(value - grid[at - 1] <= grid[at] - value, grid[at - 1], grid[at]))


def _within(
    value: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], decimals: int | None
) -> NDArray[np.float64]:
    value = np.clip(value, low, np.maximum(low, high))
    if decimals is None:
        return value
    unit = 10.0**-decimals
    return np.where(value > high, value - unit, value)


def _stratified(leaf: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return uniform numbers, spread evenly over (0, 1) within each leaf."""
    order = np.argsort(leaf + rng.random(len(leaf)))
    grouped = leaf[order]
    start = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
    count = np.diff(np.r_[start, len(leaf)])
    within = np.arange(len(leaf)) - np.repeat(start, count)
    out = np.empty(len(leaf))
    out[order] = (within + rng.random(len(leaf))) / np.repeat(count, count)
    return out


def _stands_alone(table: Table, rules: Rules, name: str) -> bool:
    y = table.values[name]
    ruled = any(name in (*rule.parts, rule.total) for rule in rules.sums)
    return not ruled and table[name].decimals != 0 and len(np.unique(y)) > len(y) / 2


def _order(table: Table, rules: Rules, last: str | None) -> list[str]:
    """Categories first, then numbers of few values, then the rest.

    A total comes before its parts, and a small part before a large one: what is left for the last part bears the
    errors of those before it, and bears them best where it is large.
    """
    before: dict[str, set[str]] = {}
    for rule in rules.sums:
        parts = sorted(rule.parts, key=lambda p: float(np.nansum(table.values[p])))
        for i, part in enumerate(parts):
            before.setdefault(part, set()).update({rule.total, *parts[:i]})
    free = [c for c in table.columns if c.name not in rules.derived and c.name != last]
    size = {c.name: len(np.unique(table.values[c.name])) for c in free}

    def few_first(column: Column) -> tuple[bool, int]:
        discrete = column.kind == "category" or size[column.name] <= DISCRETE_LEVELS
        return column.kind == "number", size[column.name] if discrete else MAX_LEVELS

    ranked = sorted(free, key=few_first)
    order: list[str] = []

    def place(name: str, trail: frozenset[str]) -> None:
        for other in sorted(before.get(name, ())):
            if other in size and other not in order and other not in trail:
                place(other, trail | {name})
        if name not in order:
            order.append(name)

    for column in ranked:
        place(column.name, frozenset())
    return order if last is None else [*order, last]


def _missing_patterns(table: Table, order: Sequence[str]) -> dict[str, str]:
    """Return the pattern of each column with gaps; columns that are always missing together share one."""
    pattern_of_mask: dict[bytes, str] = {}
    patterns = {}
    for name in order:
        if table[name].kind == "number":
            mask = np.isnan(table.values[name])
            if mask.any():
                patterns[name] = pattern_of_mask.setdefault(np.packbits(mask).tobytes(), _MISSING + name)
    return patterns


def _fit_step(
    column: Column,
    predictors: tuple[str, ...],
    values: Arrays,
    kinds: Mapping[str, str],
    rules: Rules,
    pattern: str | None,
    rng: np.random.Generator,
    hint: NDArray[np.float64] | None = None,
) -> Step:
    y = np.asarray(values[column.name], dtype=float)
    rows = np.flatnonzero(~np.isnan(y))
    scale = _scale(column.name, predictors, values, rules)
    grid = None
    if scale is not None:
        grid = np.unique(y[rows]) if column.decimals == 0 else None
        y = _share(y, rules.sums[scale].rest(column.name, values))
    line = None
    if hint is not None:
        slope, intercept = np.polyfit(hint[rows], y[rows], 1)
        line = (float(intercept), float(slope))
        y = y - intercept - slope * hint
    y = y[rows]
    # Ties are ranked in random order, so that a heaped value keeps its share wherever donors are few.
    order = np.lexsort((rng.random(len(y)), y))
    rank = np.empty(len(y), dtype=np.int64)
    rank[order] = np.arange(len(y))
    support = y[order]
    trees: tuple[Tree, ...] = ()
    rooms: tuple[int, ...] = ()
    if predictors and len(np.unique(y)) > 1:
        rooms = tuple(i for i in _closing(column.name, predictors, rules) if len(rules.sums[i].parts) > 1)
        X = [values[p][rows] for p in predictors] + [rules.sums[r].rest(column.name, values)[rows] for r in rooms]
        X += [] if hint is None else [hint[rows]]
        numeric = [kinds[p] == "number" for p in predictors] + [True] * (len(X) - len(predictors))
        count = 1 if column.name.startswith(_MISSING) else TREES
        leaf = LEAF if line is None else NOISE_LEAF
        trees = tuple(_grow(X, numeric, y, rank, column.kind, leaf, rng) for _ in range(count))
    return Step(
        column.name,
        column.kind,
        column.decimals,
        predictors if trees else (),
        rooms,
        scale,
        support,
        trees,
        pattern,
        grid,
        hint is not None,
        line,
    )


def _closing(name: str, drawn: Sequence[str], rules: Rules) -> list[int]:
    """Sum rules (indices) in which ``name`` is the last member to be drawn."""
    return [
        i
        for i, rule in enumerate(rules.sums)
        if name in (*rule.parts, rule.total) and {*rule.parts, rule.total} - {name} <= set(drawn)
    ]


def _scale(name: str, drawn: Sequence[str], values: Arrays, rules: Rules) -> int | None:
    """Find the sum rule whose remaining room the column fills most closely."""
    best, fill = None, 0.0
    present = ~np.isnan(values[name])
    for i in _closing(name, drawn, rules):
        rule = rules.sums[i]
        if name == rule.total or np.isnan(values[rule.total][present]).any():
            continue
        share = float(np.nanmedian(_share(values[name], rule.rest(name, values))))
        if share > fill:
            best, fill = i, share
    return best


def _grow(
    X: Sequence[NDArray[Any]],
    numeric: Sequence[bool],
    y: NDArray[np.float64],
    rank: NDArray[np.int64],
    kind: str,
    leaf: int,
    rng: np.random.Generator,
) -> Tree:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    scores = _scores(y, kind)
    encoders = [None if plain else _level_scores(x, scores) for x, plain in zip(X, numeric, strict=True)]
    matrix = np.ascontiguousarray(_matrix(X, encoders).T)
    options: dict[str, Any] = {
        "min_samples_leaf": leaf,
        "max_features": FEATURE_SHARE,
        "random_state": int(rng.integers(2**31)),
    }
    if kind == "category":
        model = DecisionTreeClassifier(**options).fit(matrix, y.astype(int))
    else:
        model = DecisionTreeRegressor(**options).fit(matrix, scores)
    tree = model.tree_
    owner = _pruned(tree)
    kept = np.flatnonzero(owner == np.arange(tree.node_count))
    place = np.full(tree.node_count, -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    inner = (tree.children_left[kept] >= 0) & (owner[tree.children_left[kept]] != kept)
    left, right = (np.where(inner, place[c[kept]], -1) for c in (tree.children_left, tree.children_right))
    dense = np.full(len(kept), -1, dtype=np.int64)
    dense[~inner] = np.arange(np.sum(~inner))
    keys = np.sort(dense[place[owner[model.apply(matrix)]]] * len(y) + rank)
    nodes = (
        left,
        right,
        np.maximum(tree.feature[kept], 0).astype(np.int64),
        tree.threshold[kept].astype(np.float32),
        np.asarray(tree.missing_go_to_left[kept], dtype=bool),
    )
    return Tree(nodes, tuple(encoders), dense, keys)


def _pruned(tree: Any) -> NDArray[np.int64]:
    """Cut off branches that explain no more than noise; say which node every node has become a part of.

    Cost-complexity pruning (Breiman et al. 1984, chapter 3) at a cost of two residual variances a leaf, which is
    Akaike's criterion. A split on noise would only make donors fewer and twins more like them.
    """
    left, right = tree.children_left, tree.children_right
    loss = tree.impurity * tree.weighted_n_node_samples
    total, leaves = float(tree.weighted_n_node_samples[0]), int(np.sum(left < 0))
    price = LEAF_PRICE * float(loss[left < 0].sum()) / (total - leaves)
    best = loss + price
    cut = np.ones(tree.node_count, dtype=bool)
    for node in np.flatnonzero(left >= 0)[::-1]:
        below = best[left[node]] + best[right[node]]
        cut[node] = best[node] <= below
        best[node] = min(best[node], below)
    owner = np.arange(tree.node_count)
    for node in np.flatnonzero(left >= 0):
        if cut[node] or owner[node] != node:
            owner[left[node]] = owner[right[node]] = owner[node]
    return owner


def _scores(y: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Choose what the tree explains: mid-ranks of a number, the code of a category."""
    if kind == "category":
        return y
    _, inverse, count = np.unique(y, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2.0 - 1)[inverse] / len(y)


def _matrix(columns: Sequence[NDArray[Any]], encoders: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32]:
    """Return the features of a tree, shape (features, rows): one per number, and one per axis of each category."""
    parts = [
        x.astype(np.float32)[None] if encoder is None else encoder[:, x]
        for x, encoder in zip(columns, encoders, strict=True)
    ]
    return np.concatenate(parts)


def _level_scores(codes: NDArray[Any], scores: NDArray[np.float64]) -> NDArray[np.float32]:
    """Place a category's levels by what they say about the scores, shape (axes, levels).

    The first axes of their profiles (correspondence analysis: Greenacre 2017): a tree can tell levels apart that lie
    together on one axis.
    """
    size = int(codes.max()) + 1
    target = (
        np.minimum((np.argsort(np.argsort(scores)) * 20) // len(scores), 19)
        if len(np.unique(scores)) > 20
        else np.unique(scores, return_inverse=True)[1]
    )
    profile = np.zeros((size, int(target.max()) + 1))
    np.add.at(profile, (codes, target), 1)
    weight = profile.sum(axis=1) + 1.0
    share = (profile + profile.sum(axis=0) / profile.sum()) / weight[:, None]
    centred = (share - share.mean(axis=0)) * np.sqrt(weight)[:, None]
    axes = np.linalg.svd(centred, full_matrices=False)[2][: max(1, min(AXES, size - 1))]
    return np.asarray(axes @ (share - share.mean(axis=0)).T, dtype=np.float32)
