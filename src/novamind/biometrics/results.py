"""The result as people use it: links as a frame, graph, profiles and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from novamind.biometrics import watching
from novamind.biometrics.anomalies import Anomaly, ChangePoint
from novamind.biometrics.domain import CausalGraph, Edge, Floats, LagProfile, Link, PersonSeries, Reliability
from novamind.biometrics.early_warning import EarlyWarning, early_warnings
from novamind.biometrics.monitoring import Insight, MonitoringItem, insights, monitoring_plan
from novamind.errors import NotFoundError, ValidationError
from novamind.records.tables.frames import native_frame
from novamind.summary import Summarised, Summary, counted

if TYPE_CHECKING:
    import altair

_COLUMNS = tuple(f.name for f in fields(Link))
_TIME = "datetime64[us]"
_LINK_HEADER = ("signal", "symptom", "lag, h", "effect, SD", "q")
_NO_PAIR = "no such pair in the result: give signal and symptom by their names"


@dataclass(frozen=True, repr=False)
class PersonLinks(Summarised):
    """One person's decided links.

    Attributes
    ----------
    links
        One a pair that could be analysed.
    profiles
        By signal and symptom.
    skipped
        Signals and symptoms that could not be analysed, or of which no link could be confirmed, with the reason.
    series
        What all of it rests on; alarms are computed from it when they are first asked for.
    seed
        Of the draws.
    model_version
        What decided.
    notes
        What of the input was left out, and by which clock it was read where that is not the person's.
    """

    patient_id: str | None
    links: tuple[Link, ...]
    profiles: Mapping[tuple[str, str], LagProfile]
    skipped: Mapping[str, str]
    reliability: Reliability
    series: PersonSeries
    seed: int
    model_version: str
    notes: tuple[str, ...] = ()

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
                unsure = not link.leads and link.lag_high >= 0
                edges.append(Edge(*ends, "together" if unsure else "leads", abs(link.lag_hours), link.effect))
            elif link.explained_by and link.explained_by != "inertia":
                edges.append(Edge(link.explained_by, link.symptom, "explains"))
        return CausalGraph(self.patient_id, signals, symptoms, tuple(dict.fromkeys(edges)))

    @cached_property
    def deviations(self) -> Mapping[str, Floats]:
        """Every usable signal against the person's own baseline, by the hour, in SD."""
        return watching.deviations(self.series)

    @cached_property
    def anomalies(self) -> Mapping[str, tuple[Anomaly, ...]]:
        """Departures of each signal from its baseline; at most one false alarm a quarter is aimed at."""
        return watching.anomalies(self.series, dict(self.deviations), self.seed)

    @cached_property
    def change_points(self) -> Mapping[str, tuple[ChangePoint, ...]]:
        """Days on which a signal's level changed for good."""
        return watching.lasting_changes(self.series)

    @cached_property
    def early_warning(self) -> tuple[EarlyWarning, ...]:
        """Moves of confirmed leading signals and what they foretell; none where reliability is low."""
        return early_warnings(self.deviations, self._reliable) if self._reliable else ()

    @property
    def monitoring_plan(self) -> tuple[MonitoringItem, ...]:
        """What is worth watching, most information for the least burden first; empty where reliability is low."""
        return monitoring_plan(self._reliable)

    @property
    def insights(self) -> tuple[Insight, ...]:
        """The confirmed links in words, with something to consider; none where reliability is low."""
        return insights(self._reliable)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the hourly series, as JSON writes it."""
        from novamind.biometrics.codec import PersonLinksBody

        return PersonLinksBody.of(self).model_dump(mode="json")

    def _summary(self) -> Summary:
        text, rows = _links_summary(self.links)
        return Summary(f"{text}; reliability {self.reliability.level}; {self.model_version}", _LINK_HEADER, rows)

    @property
    def _reliable(self) -> tuple[Link, ...]:
        return () if self.reliability.level == "low" else self.links


@dataclass(frozen=True, repr=False)
class Correlations(Summarised):
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
    backend: Any = None

    @property
    def links(self) -> Any:
        """One row a pair, a frame of the kind that came in; ``patient_id`` only where the input had it."""
        rows = [link for person in self.persons for link in person.links]
        columns = [c for c in _COLUMNS if self._named or c != "patient_id"]
        return native_frame({column: [getattr(link, column) for link in rows] for column in columns}, self.backend)

    @property
    def graph(self) -> CausalGraph:
        """The graph of the one person; for several ask ``persons[i].graph``."""
        return self._only_person().graph

    @property
    def reliability(self) -> Reliability:
        """Of the one person."""
        return self._only_person().reliability

    @property
    def insights(self) -> tuple[Insight, ...]:
        """Of all persons."""
        return tuple(insight for person in self.persons for insight in person.insights)

    @property
    def anomalies(self) -> Any:
        """Departures from the own baselines as a frame: signal, start, alarm (when the test was sure), how far."""
        rows = [(p, name, anomaly) for p in self.persons for name, of in p.anomalies.items() for anomaly in of]
        return self._frame(
            [person for person, _, _ in rows],
            {
                "signal": ([name for _, name, _ in rows], str),
                "start": ([p.series.at(anomaly.start_hour) for p, _, anomaly in rows], _TIME),
                "alarm": ([p.series.at(anomaly.alarm_hour) for p, _, anomaly in rows], _TIME),
                "direction": ([anomaly.direction for _, _, anomaly in rows], int),
                "mean_deviation": ([anomaly.mean_deviation for _, _, anomaly in rows], float),
                "evidence": ([anomaly.evidence for _, _, anomaly in rows], float),
            },
        )

    @property
    def change_points(self) -> Any:
        """Lasting changes of a signal's level as a frame: first day of the new level with its 90 % interval."""
        rows = [(p, name, change) for p in self.persons for name, of in p.change_points.items() for change in of]
        return self._frame(
            [person for person, _, _ in rows],
            {
                "signal": ([name for _, name, _ in rows], str),
                "day": ([p.series.at(24 * change.day) for p, _, change in rows], _TIME),
                "day_low": ([p.series.at(24 * change.day_low) for p, _, change in rows], _TIME),
                "day_high": ([p.series.at(24 * change.day_high) for p, _, change in rows], _TIME),
                "before": ([change.before for _, _, change in rows], float),
                "after": ([change.after for _, _, change in rows], float),
            },
        )

    @property
    def early_warning(self) -> Any:
        """Warnings of confirmed leading signals as a frame: when, which symptom, which way, in how many hours."""
        rows = [(person, warning) for person in self.persons for warning in person.early_warning]
        times = {"time": ([person.series.at(warning.hour) for person, warning in rows], _TIME)}
        return self._frame(
            [person for person, _ in rows], times | _columns(EarlyWarning, [warning for _, warning in rows])
        )

    @property
    def monitoring_plan(self) -> Any:
        """What is worth watching as a frame, each person's best first."""
        rows = [(person, item) for person in self.persons for item in person.monitoring_plan]
        return self._frame([person for person, _ in rows], _columns(MonitoringItem, [item for _, item in rows]))

    def profile(self, signal: str, symptom: str, patient_id: str | None = None) -> LagProfile:
        """Return how the evidence of a pair lies over the lags."""
        profiles = self.person(patient_id).profiles
        if (signal, symptom) not in profiles:
            raise NotFoundError(_NO_PAIR)
        return profiles[signal, symptom]

    def person(self, patient_id: str | None = None) -> PersonLinks:
        """Return one person's part; the only one where ``patient_id`` is not given."""
        if patient_id is None:
            return self._only_person()
        for person in self.persons:
            if person.patient_id == patient_id:
                return person
        raise NotFoundError("no such patient in the result: check patient_id")

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the hourly series, as JSON writes it."""
        from novamind.biometrics.codec import CorrelationsBody

        return CorrelationsBody.of(self).model_dump(mode="json")

    def plot(
        self, signal: str | None = None, symptom: str | None = None, patient_id: str | None = None
    ) -> "altair.LayerChart":
        """Return the heat map of links, or one pair's lag profile."""
        from novamind.biometrics.plots import lag_profile, link_map

        person = self.person(patient_id)
        if signal is None and symptom is None:
            return link_map(person, self.max_lag_hours)
        pair = (signal, symptom)
        link = next((k for k in person.links if (k.signal, k.symptom) == pair), None)
        if link is None:
            raise NotFoundError(_NO_PAIR)
        return lag_profile(link, person.profiles[link.signal, link.symptom])

    def plot_graph(self, patient_id: str | None = None) -> "altair.LayerChart":
        """Return the graph as a picture."""
        from novamind.biometrics.plots import graph_chart

        return graph_chart(self.person(patient_id).graph)

    def plot_timeline(self, patient_id: str | None = None) -> "altair.LayerChart":
        """Return the picture of signals against their baselines, with anomalies, warnings and symptoms."""
        from novamind.biometrics.plots import timeline

        return timeline(self.person(patient_id))

    def _summary(self) -> Summary:
        text, rows = _links_summary([link for person in self.persons for link in person.links])
        return Summary(f"{counted(len(self.persons), 'person')}, {text}; {self.model_version}", _LINK_HEADER, rows)

    @property
    def _named(self) -> bool:
        return any(person.patient_id is not None for person in self.persons)

    def _frame(self, owners: Sequence[PersonLinks], columns: Mapping[str, tuple[list[Any], Any]]) -> Any:
        named = {"patient_id": ([person.patient_id for person in owners], str)} if self._named else {}
        return native_frame(
            {name: np.array(values, kind) for name, (values, kind) in (named | dict(columns)).items()}, self.backend
        )

    def _only_person(self) -> PersonLinks:
        if len(self.persons) != 1:
            raise ValidationError(f"the result holds {len(self.persons)} persons: give patient_id")
        return self.persons[0]


def _links_summary(links: Sequence[Link]) -> tuple[str, list[tuple[object, ...]]]:
    """Return how many links are confirmed, and a row for each, the surest first."""
    confirmed = sorted((link for link in links if link.detected), key=lambda link: -link.score)
    rows: list[tuple[object, ...]] = [
        (link.signal, link.symptom, link.lag_hours, link.effect, link.q_value) for link in confirmed
    ]
    return f"{counted(len(confirmed), 'confirmed link')} of {counted(len(links), 'pair')}", rows


def _columns(kind: type, rows: Sequence[Any]) -> dict[str, tuple[list[Any], Any]]:
    """Return fields of dataclasses as columns with their types; tuples are joined, hours since the start left out."""
    out: dict[str, tuple[list[Any], Any]] = {}
    for of in fields(kind):
        if of.name == "hour":
            continue
        values = [getattr(row, of.name) for row in rows]
        numeric = of.type in (int, float)
        out[of.name] = (values, of.type) if numeric else ([_text(value) for value in values], str)
    return out


def _text(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
