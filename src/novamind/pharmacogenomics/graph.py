"""The medication graph: drugs, genes, conditions and how they act on each other, each edge sourced."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from novamind.drugs.catalogue import catalogue
from novamind.drugs.cautions import rules, sides
from novamind.drugs.clearance import routes
from novamind.drugs.domain import Source
from novamind.drugs.enzymes import all_modulators, all_substrates
from novamind.errors import NotFoundError
from novamind.pharmacogenomics import guidelines


@dataclass(frozen=True, slots=True)
class Edge:
    """``start`` acts on ``end`` in the way that ``relation`` names."""

    start: str
    relation: str
    end: str
    detail: str
    source: Source


class MedicationGraph:
    """Directed graph over names; edges can be walked both ways."""

    def __init__(self, edges: Iterator[Edge]) -> None:
        self._at: dict[str, list[Edge]] = {}
        for edge in dict.fromkeys(edges):
            self._at.setdefault(edge.start, []).append(edge)
            self._at.setdefault(edge.end, []).append(edge)

    @property
    def nodes(self) -> tuple[str, ...]:
        """All names."""
        return tuple(self._at)

    def edges(self, name: str, relation: str | None = None) -> tuple[Edge, ...]:
        """Return the edges at a node, of one relation if given. Raises NotFoundError for an unknown name."""
        if name not in self._at:
            raise NotFoundError("the medication graph has no such node; 'nodes' lists all of them")
        return tuple(e for e in self._at[name] if relation is None or e.relation == relation)

    def path(self, start: str, end: str, longest: int = 4) -> tuple[Edge, ...]:
        """Return the shortest chain of edges between two nodes, empty when there is none up to the length."""
        self.edges(end)
        queue: deque[tuple[str, tuple[Edge, ...]]] = deque([(start, ())])
        seen = {start}
        while queue:
            node, walked = queue.popleft()
            if node == end:
                return walked
            if len(walked) == longest:
                continue
            for edge in self.edges(node):
                other = edge.end if edge.start == node else edge.start
                if other not in seen:
                    seen.add(other)
                    queue.append((other, (*walked, edge)))
        return ()


@cache
def medication_graph() -> MedicationGraph:
    """Return the graph over all packaged tables."""
    return MedicationGraph(_edges())


def _edges() -> Iterator[Edge]:
    for drug in guidelines.covered_drugs():
        for rule in guidelines.rules(drug):
            for gene in rule.advice.genes:
                yield Edge(gene, "guides", drug, rule.advice.source, rule.advice.reference)
    for drug in all_substrates():
        for route in routes(drug):
            yield Edge(route.route, "clears", drug, f"{route.share:.0%}", route.source)
    for acting in all_modulators().values():
        for m in acting:
            yield Edge(m.drug, "inhibits" if m.effect == "inhibitor" else "induces", m.enzyme, m.strength, m.source)
    members: dict[str, list[str]] = {}
    for drug in catalogue():
        for side in sides(drug):
            members.setdefault(side, []).append(drug)
    for pair in rules():
        for a in members.get(pair.a, ()):
            for b in members.get(pair.b, [pair.b.removeprefix("condition:")]):
                if a != b:
                    yield Edge(a, "interacts", b, f"{pair.severity}: {pair.text}", pair.source)
