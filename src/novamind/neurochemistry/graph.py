"""How a change of one transmitter in one region reaches others: a compartment model on the projection graph.

The deviation ``x`` from baseline obeys ``dx/dt = M x``. A region passes a share of its deviation along the
transmitter's own axons (raphe for serotonin, locus coeruleus for noradrenaline, midbrain for dopamine, weighted
by terminal transporter density), and along its glutamatergic efferents, by which any local change is relayed;
every region clears its share. Columns of ``M`` sum to minus the clearance, so what is not in a region has been
cleared (mass balance); off-diagonal entries are not negative, so a rise never becomes a fall elsewhere. Sizes
are relative: published data fix the order of weights, not the fraction of a change that is relayed.
"""

from collections.abc import Collection
from functools import cache

import numpy as np
from scipy.linalg import expm

from novamind.errors import NotFoundError
from novamind.neurochemistry.domain import Floats, Neurotransmitter
from novamind.neurochemistry.reference import LEAVES, innervation, table

#: Rate at which a region hands on its deviation at a total efferent weight of 1, per hour. A modelling choice.
RELAY_RATE = 0.25
#: Weight of a strong glutamatergic relay relative to a strong own projection. A modelling choice.
TRANSSYNAPTIC_SHARE = 0.3
#: Rates at which a local deviation vanishes, per hour: half-lives of tissue recovery after a step, modelling
#: choices ordered as published turnover (amino acids fastest, peptides slowest).
CLEARANCE_RATE = {
    Neurotransmitter.SEROTONIN: 0.30,
    Neurotransmitter.DOPAMINE: 0.55,
    Neurotransmitter.NOREPINEPHRINE: 0.40,
    Neurotransmitter.GABA: 1.2,
    Neurotransmitter.GLUTAMATE: 1.5,
    Neurotransmitter.ACETYLCHOLINE: 1.0,
    Neurotransmitter.ENDORPHINS: 0.12,
    Neurotransmitter.SUBSTANCE_P: 0.18,
    Neurotransmitter.OXYTOCIN: 0.15,
    Neurotransmitter.HISTAMINE: 0.50,
}


@cache
def projection_weights(neurotransmitter: Neurotransmitter) -> Floats:
    """Return own projections: entry ``[i, j]`` is the weight from leaf ``j`` to leaf ``i``, at most 1.

    Raises
    ------
    NotFoundError
        No projections of this transmitter are tabled.
    """
    weights = np.zeros((len(LEAVES), len(LEAVES)))
    supplied = innervation(neurotransmitter)
    if supplied:
        densest: dict[str, float] = {}
        for nucleus, density in supplied.values():
            densest[nucleus] = max(density, densest.get(nucleus, 0.0))
        for leaf, (nucleus, density) in supplied.items():
            if leaf != nucleus:
                weights[LEAVES.index(leaf), LEAVES.index(nucleus)] = density / densest[nucleus]
    else:
        for row in table("projections"):
            if row["transmitter"] == neurotransmitter:
                target, source = LEAVES.index(row["target_region"]), LEAVES.index(row["source_region"])
                weights[target, source] = int(row["grade"]) / 3.0
    if not weights.any():
        raise NotFoundError(f"no projections of {neurotransmitter.value} are tabled, so its spread cannot be given")
    weights.setflags(write=False)
    return weights


def generator(neurotransmitter: Neurotransmitter, without: Collection[tuple[str, str]] = ()) -> Floats:
    """Return the rate matrix ``M`` over ``LEAVES``, per hour.

    Parameters
    ----------
    without
        Cut connections, as (source leaf, target leaf): neither own nor relayed signals pass.
    """
    weights = projection_weights(neurotransmitter).copy()
    if neurotransmitter is not Neurotransmitter.GLUTAMATE:
        weights += TRANSSYNAPTIC_SHARE * projection_weights(Neurotransmitter.GLUTAMATE)
    for source, target in without:
        weights[LEAVES.index(target), LEAVES.index(source)] = 0.0
    flow = RELAY_RATE * weights
    return flow - np.diag(flow.sum(axis=0) + CLEARANCE_RATE[neurotransmitter])


def reachable(matrix: Floats, start: int) -> list[int]:
    """Return the leaves that a change in ``start`` can reach, ``start`` included."""
    reached, frontier = {start}, [start]
    while frontier:
        source = frontier.pop()
        new = [int(i) for i in np.flatnonzero(matrix[:, source] > 0) if int(i) not in reached]
        reached.update(new)
        frontier.extend(new)
    return sorted(reached)


def cascade(matrix: Floats, initial: Floats, times_hours: Floats) -> Floats:
    """Return the deviation at every time, shape ``(times, leaves)``: ``expm(M t) x0``.

    Leaves without a path from where ``initial`` is not 0 are exactly 0: the exponential is taken on the reachable
    part alone.
    """
    result = np.zeros((len(times_hours), matrix.shape[0]))
    nodes = sorted({node for start in np.flatnonzero(initial) for node in reachable(matrix, int(start))})
    if nodes:
        part = matrix[np.ix_(nodes, nodes)]
        for index, time in enumerate(times_hours):
            result[index, nodes] = expm(part * time) @ initial[nodes]
    return result


def steady_state(matrix: Floats, drive: Floats) -> Floats:
    """Return the deviation to which a constant ``drive`` (per hour, per leaf) takes the system: ``-M^-1 drive``."""
    return np.asarray(np.linalg.solve(-matrix, drive), dtype=np.float64)
