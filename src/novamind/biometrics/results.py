"""The result as people use it: links as a frame, graph, profiles and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from novamind.biometrics.domain import CausalGraph, Edge, LagProfile, Link, Reliability
from novamind.errors import NotFoundError, ValidationError
from novamind.records.frames import native_frame

if TYPE_CHECKING:
    import altair

_COLUMNS = tuple(f.name for f in fields(Link))


@dataclass(frozen=True)
class PersonLinks:
    """One person's decided links.

    Attributes
    ----------
    links
        One a pair that could be analysed.
    profiles
        By signal and symptom.
    skipped
        Signals and symptoms that could not be analysed, with the reason.
    """

    patient_id: str | None
    links: tuple[Link, ...]
    profiles: Mapping[tuple[str, str], LagProfile] = field(repr=False)
    skipped: Mapping[str, str]
    reliability: Reliability

    @property
    def graph(self) -> CausalGraph:
        """Confirmed leads, and what explains the apparent ones."""
        signals = tuple(dict.fromkeys(link.signal for link in self.links))
        symptoms = tuple(dict.fromkeys(link.symptom for link in self.links))
        edges = []
        for link in self.links:
            if link.detected:
                forward = link.lag_hours >= 0
                ends = (link.signal, link.symptom) if forward else (link.symptom, link.signal)
                unsure = link.lag_low <= 0 <= link.lag_high
                edges.append(Edge(*ends, "together" if unsure else "leads", abs(link.lag_hours), link.effect))
            elif link.explained_by and link.explained_by != "inertia":
                edges.append(Edge(link.explained_by, link.symptom, "explains"))
        return CausalGraph(self.patient_id, signals, symptoms, tuple(dict.fromkeys(edges)))

    @property
    def insights(self) -> tuple[str, ...]:
        """The confirmed links in sentences; none where reliability is low."""
        if self.reliability.level == "low":
            return ()
        return tuple(_sentence(link) for link in sorted(self.links, key=lambda k: -k.score) if link.detected)


@dataclass(frozen=True)
class Correlations:
    """What :func:`novamind.biometrics.correlate` gives back.

    Attributes
    ----------
    persons
        One entry a person.
    fdr
        The requested share of false ones among the detected links.
    model_version, seed
        What decided, and the seed of the draws.
    """

    persons: tuple[PersonLinks, ...]
    fdr: float
    max_lag_hours: int
    model_version: str
    seed: int
    backend: Any = field(default=None, repr=False)

    @property
    def links(self) -> Any:
        """One row a pair, a frame of the kind that came in; ``patient_id`` only where the input had it."""
        rows = [link for person in self.persons for link in person.links]
        named = any(person.patient_id is not None for person in self.persons)
        columns = [c for c in _COLUMNS if named or c != "patient_id"]
        return native_frame({column: [getattr(link, column) for link in rows] for column in columns}, self.backend)

    @property
    def graph(self) -> CausalGraph:
        """The graph of the one person; for several ask ``persons[i].graph``."""
        return self._one().graph

    @property
    def reliability(self) -> Reliability:
        """Of the one person."""
        return self._one().reliability

    @property
    def insights(self) -> tuple[str, ...]:
        """Of all persons."""
        return tuple(sentence for person in self.persons for sentence in person.insights)

    def profile(self, signal: str, symptom: str, patient_id: str | None = None) -> LagProfile:
        """How the evidence of a pair lies over the lags."""
        return self.person(patient_id).profiles[signal, symptom]

    def person(self, patient_id: str | None = None) -> PersonLinks:
        """One person's part; the only one where ``patient_id`` is not given."""
        if patient_id is None:
            return self._one()
        for person in self.persons:
            if person.patient_id == patient_id:
                return person
        raise NotFoundError("no such patient in the result: check patient_id")

    def plot(
        self, signal: str | None = None, symptom: str | None = None, patient_id: str | None = None
    ) -> "altair.LayerChart":
        """The heat map of links, or one pair's lag profile."""
        from novamind.biometrics.plots import lag_profile, link_map

        person = self.person(patient_id)
        if signal is None and symptom is None:
            return link_map(person, self.max_lag_hours)
        pair = (signal, symptom)
        link = next((k for k in person.links if (k.signal, k.symptom) == pair), None)
        if link is None:
            raise NotFoundError("no such pair in the result: give signal and symptom by their names")
        return lag_profile(link, person.profiles[link.signal, link.symptom])

    def plot_graph(self, patient_id: str | None = None) -> "altair.LayerChart":
        """The graph as a picture."""
        from novamind.biometrics.plots import graph_chart

        return graph_chart(self.person(patient_id).graph)

    def _one(self) -> PersonLinks:
        if len(self.persons) != 1:
            raise ValidationError(f"the result holds {len(self.persons)} persons: give patient_id")
        return self.persons[0]


def reliability(days: float, reports: int, coverage: Sequence[float]) -> Reliability:
    """How far links of a record of this size can be relied on.

    The bounds are those at which the measured power changes; see docs/biometrics.md.
    """
    seen = float(np.median(coverage)) if len(coverage) else 0.0
    reasons = [f"{days:.0f} days", f"{reports} reports", f"signals measured {100 * seen:.0f} % of the time"]
    if days < 28 or reports < 40 or seen < 0.4:
        return Reliability("low", (*reasons, "too little to find any but large effects"))
    if days < 90 or reports < 200 or seen < 0.7:
        return Reliability("medium", (*reasons, "small effects stay unseen"))
    return Reliability("high", tuple(reasons))


def _sentence(link: Link) -> str:
    signal, symptom = link.signal.replace("_", " "), link.symptom.replace("_", " ")
    more, direction = ("More" if link.sign > 0 else "Less"), ("more" if link.effect > 0 else "less")
    span = f"{abs(link.lag_hours):.0f} h (90 %: {link.lag_low:.0f} to {link.lag_high:.0f})"
    size = f"standardised effect {link.effect:+.2f}"
    if link.lag_low <= 0 <= link.lag_high:
        return (
            f"{more} {signal} goes with more {symptom} at about the same time ({span.split(' (')[1][:-1]} h; {size})."
        )
    if link.lag_hours > 0:
        return f"{more} {signal} goes before more {symptom} by {span}, {size}: watch {signal}."
    return f"More {symptom} goes before {direction} {signal} by {span}, {size}: {signal} follows, it gives no warning."
