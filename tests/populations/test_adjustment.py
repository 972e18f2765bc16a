"""Adjustment sets: textbook graphs, and every small graph against a search over all sets and all paths."""

import sys
from itertools import combinations, pairwise, permutations

import numpy as np
import pytest

from novamind.errors import ServiceUnavailableError, ValidationError
from novamind.populations import adjustment_set


@pytest.mark.parametrize(
    ("arrows", "expected"),
    [
        ("t>y", ()),
        ("z>t z>y t>y", ("z",)),
        ("t>m m>y z>t z>y", ("z",)),  # the mediator stays out
        ("t>y t>c y>c", ()),  # so does a common effect
        ("a>t a>m b>y b>m t>y", ("a", "b")),  # and the middle of an M, while its ends do no harm
        ("z>w w>t z>y t>y", ("w", "z")),
        ("i>t t>y z>t z>y", ("i", "z")),
    ],
)
def test_textbook_graphs(arrows, expected):
    assert adjustment_set([tuple(a.split(">")) for a in arrows.split()], "t", "y") == expected


def paths(arrows, start, end):
    near = {a: {b for pair in arrows for b in pair if a in pair and b != a} for a in {n for p in arrows for n in p}}
    found, ahead = [], [[start]]
    while ahead:
        path = ahead.pop()
        for step in near[path[-1]] - set(path):
            (found if step == end else ahead).append([*path, step])
    return found


def below(arrows, node):
    return {node}.union(*(below(arrows, b) for a, b in arrows if a == node))


def valid(arrows, given):
    """The criterion in its own words: no forbidden node, and every path that is not causal is blocked."""
    every = paths(arrows, "t", "y")
    causal = [p for p in every if all(arrow in arrows for arrow in pairwise(p))]
    if given & set().union(*(below(arrows, node) for p in causal for node in p[1:])):
        return False
    for path in every:
        if path in causal:
            continue
        blocked = False
        for a, b, c in zip(path, path[1:], path[2:], strict=False):
            collider = (a, b) in arrows and (c, b) in arrows
            blocked |= not (below(arrows, b) & given) if collider else b in given
        if not blocked:
            return False
    return True


def test_a_set_is_found_exactly_where_one_exists():
    rng, none, some = np.random.default_rng(0), 0, 0
    for _ in range(1_500):
        order = [str(n) for n in rng.permutation(["t", "y", "a", "b", "c", "d"])]
        arrows = {(p, q) for p, q in combinations(order, 2) if rng.random() < 0.5}
        nodes = {n for arrow in arrows for n in arrow}
        if "t" not in nodes or "y" not in below(arrows, "t"):
            continue
        hidden = {n for n in nodes - {"t", "y"} if rng.random() < 0.4}
        seen = sorted(nodes - hidden - {"t", "y"})
        exists = any(valid(arrows, set(s)) for k in range(len(seen) + 1) for s in combinations(seen, k))
        if exists:
            some += 1
            chosen = adjustment_set(arrows, "t", "y", hidden)
            assert valid(arrows, set(chosen))
            assert not set(chosen) & hidden
        else:
            none += 1
            with pytest.raises(ValidationError, match="measure one of"):
                adjustment_set(arrows, "t", "y", hidden)
    assert min(none, some) > 20


def test_dowhy_confirms_every_set_and_finds_none_where_none_is_given():
    pytest.importorskip("dowhy", reason="DoWhy is not installed (extra 'causal').")
    import networkx
    from dowhy.causal_identifier import BackdoorAdjustment, EstimandType, identify_effect_auto

    rng, refused = np.random.default_rng(2), 0
    for _ in range(150):
        order = [str(n) for n in rng.permutation(["a", "b", "c", "d"])]
        order = [*order[:2], "t", *order[2:], "y"]
        arrows = {(p, q) for p, q in combinations(order, 2) if rng.random() < 0.5} | {("t", "y")}
        hidden = {n for arrow in arrows for n in arrow if n not in ("t", "y") and rng.random() < 0.4}
        try:
            adjustment_set(arrows, "t", "y", hidden, confirm=True)
        except ValidationError:
            graph, seen = networkx.DiGraph(arrows), sorted({n for arrow in arrows for n in arrow} - hidden)
            way, ask = BackdoorAdjustment.BACKDOOR_EXHAUSTIVE, EstimandType.NONPARAMETRIC_ATE
            found = identify_effect_auto(graph, ["t"], ["y"], seen, ask, backdoor_adjustment=way)
            assert not found.backdoor_variables
            refused += 1
    assert 10 < refused < 140


def test_to_confirm_needs_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "dowhy.graph", None)
    with pytest.raises(ServiceUnavailableError, match="extra 'causal'"):
        adjustment_set([("t", "y")], "t", "y", confirm=True)


def test_adjusting_for_the_set_removes_the_bias_and_adjusting_for_all_does_not():
    rng = np.random.default_rng(1)
    z, noise = rng.normal(size=(2, 20_000))
    t = (z + rng.normal(size=20_000) > 0).astype(float)
    m = t + 0.5 * rng.normal(size=20_000)
    y = m + 2 * z + noise
    columns = {"z": z, "m": m}
    arrows = [("z", "t"), ("z", "y"), ("t", "m"), ("m", "y")]

    def slope(names):
        design = np.column_stack([np.ones_like(t), t, *(columns[n] for n in names)])
        return np.linalg.lstsq(design, y, rcond=None)[0][1]

    assert slope(adjustment_set(arrows, "t", "y")) == pytest.approx(1.0, abs=0.08)
    assert slope(["z", "m"]) == pytest.approx(0.0, abs=0.08)
    assert slope([]) > 2


@pytest.mark.parametrize(
    ("arrows", "hidden", "message"),
    [
        ([("t", "y")], ["u"], "no node 'u'"),
        ([("a", "y")], [], "no node 't'"),
        ([("y", "t"), ("t", "a")], [], "does not cause"),
        ([("t", "y"), ("y", "a"), ("a", "t")], [], "cycle"),
        ([("t", "y"), ("t", "t")], [], "cycle"),
        ([("u", "t"), ("u", "y"), ("t", "y")], ["u"], "measure one of u"),
    ],
)
def test_graphs_without_an_answer_are_refused(arrows, hidden, message):
    for some in permutations(arrows):
        with pytest.raises(ValidationError, match=message):
            adjustment_set(some, "t", "y", hidden)
