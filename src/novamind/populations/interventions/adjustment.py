"""Which columns an observational effect must be adjusted for, given what causes what.

The adjustment criterion of Shpitser, VanderWeele and Robins (2010): if any set of observed columns removes
confounding, then the observed ancestors of treatment and outcome do, less whatever the treatment changes on its way
to the outcome (van der Zander, Liskiewicz and Textor 2014). Separation is read from the moral graph of the ancestors
(Lauritzen et al. 1990). DoWhy (Sharma and Kiciman 2020) may confirm the set by its own identification.
"""

import importlib
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

from novamind.errors import ModelInferenceError, ServiceUnavailableError, ValidationError

Graph = Mapping[str, set[str]]


def adjustment_set(
    causes: Iterable[tuple[str, str]],
    treatment: str,
    outcome: str,
    unobserved: Iterable[str] = (),
    *,
    confirm: bool = False,
) -> tuple[str, ...]:
    """Return the columns to give to `EstimatedEffect` as covariates.

    Parameters
    ----------
    causes
        Pairs (cause, effect): the arrows of a directed graph without cycles.
    treatment, outcome
        Nodes of the graph.
    unobserved
        Nodes that no column measures.
    confirm
        Have DoWhy (extra ``causal``) find by itself that the set meets the back-door criterion.

    Returns
    -------
    tuple of str
        Sorted names; empty where nothing confounds.

    Raises
    ------
    ValidationError
        If a node is not in the graph, the arrows form a cycle, the treatment does not cause the outcome, or no set
        of observed columns removes the confounding.
    ServiceUnavailableError
        If DoWhy is to confirm and is not installed.
    """
    arrows, hidden = set(causes), set(unobserved)
    nodes = {node for arrow in arrows for node in arrow}
    for name in (treatment, outcome, *sorted(hidden)):
        if name not in nodes:
            raise ValidationError(f"the graph has no node {name!r}")
    children: dict[str, set[str]] = {node: set() for node in nodes}
    parents: dict[str, set[str]] = {node: set() for node in nodes}
    for cause, effect in arrows:
        children[cause].add(effect)
        parents[effect].add(cause)
    if any(node in _reached(children, children[node]) for node in nodes):
        raise ValidationError("the arrows form a cycle; a cause cannot be an effect of its own effect")
    on_the_way = _reached(children, {treatment}) & _reached(parents, {outcome}) - {treatment}
    if outcome not in on_the_way:
        raise ValidationError(f"in this graph {treatment!r} does not cause {outcome!r}; there is no effect to estimate")
    chosen = _reached(parents, {treatment, outcome}) - _reached(children, on_the_way) - hidden - {treatment}
    # Without the arrows by which the effect leaves the treatment, only confounding can still connect the two.
    closed = {node: above - ({treatment} if node in on_the_way else set()) for node, above in parents.items()}
    if not _separated(closed, treatment, outcome, chosen):
        raise ValidationError(
            f"no set of observed columns removes the confounding of {treatment!r} and {outcome!r}; measure one of "
            f"{', '.join(sorted(hidden))}, or run an experiment"
        )
    if confirm:
        _confirm(arrows, treatment, outcome, chosen)
    return tuple(sorted(chosen))


def _confirm(arrows: set[tuple[str, str]], treatment: str, outcome: str, chosen: set[str]) -> None:
    try:
        networkx: Any = importlib.import_module("networkx")
        dowhy: Any = importlib.import_module("dowhy.graph")
    except ModuleNotFoundError as error:
        raise ServiceUnavailableError("to confirm needs the extra 'causal': pip install 'novamind[causal]'") from error
    graph = networkx.DiGraph(sorted(arrows))
    if not dowhy.check_valid_backdoor_set(graph, [treatment], [outcome], sorted(chosen))["is_dseparated"]:
        raise ModelInferenceError("DoWhy does not confirm the adjustment set; report this graph as a fault")


def _reached(graph: Graph, start: set[str]) -> set[str]:
    """Return the nodes that can be reached, the start among them."""
    seen, ahead = set(start), list(start)
    while ahead:
        fresh = graph[ahead.pop()] - seen
        seen |= fresh
        ahead += fresh
    return seen


def _separated(parents: Graph, first: str, second: str, conditioning: set[str]) -> bool:
    """Return whether two nodes are d-separated: apart in their ancestors' moral graph without ``conditioning``."""
    kept = _reached(parents, {first, second, *conditioning})
    near: dict[str, set[str]] = {node: set() for node in kept}
    for node in kept:
        for a, b in [*((node, parent) for parent in parents[node]), *combinations(sorted(parents[node]), 2)]:
            near[a].add(b)
            near[b].add(a)
    return second not in _reached({node: beside - conditioning for node, beside in near.items()}, {first})
