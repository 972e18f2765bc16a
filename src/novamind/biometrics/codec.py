"""The one JSON of links between signals and symptoms, through every door."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from novamind.biometrics.anomalies import Anomaly, ChangePoint
from novamind.biometrics.domain import CausalGraph, Level, Link, PersonSeries, Reliability
from novamind.biometrics.early_warning import EarlyWarning
from novamind.biometrics.monitoring import Insight, MonitoringItem


class AnalysedPerson(Protocol):
    """One person's links, as :class:`novamind.biometrics.results.PersonLinks` holds them."""

    @property
    def patient_id(self) -> str | None:
        """Whose."""

    @property
    def links(self) -> tuple[Link, ...]:
        """One a pair that could be analysed."""

    @property
    def graph(self) -> CausalGraph:
        """Confirmed leads, and what explains the apparent ones."""

    @property
    def skipped(self) -> Mapping[str, str]:
        """What could not be analysed or confirmed, with the reason."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the input was left out, and by which clock it was read."""

    @property
    def reliability(self) -> Reliability:
        """How far the links can be relied on."""

    @property
    def insights(self) -> tuple[Insight, ...]:
        """The confirmed links in words."""

    @property
    def anomalies(self) -> Mapping[str, tuple[Anomaly, ...]]:
        """By signal."""

    @property
    def change_points(self) -> Mapping[str, tuple[ChangePoint, ...]]:
        """By signal."""

    @property
    def early_warning(self) -> tuple[EarlyWarning, ...]:
        """What leading signals foretell."""

    @property
    def monitoring_plan(self) -> tuple[MonitoringItem, ...]:
        """What is worth watching."""

    @property
    def series(self) -> PersonSeries:
        """What all of it rests on."""

    @property
    def model_version(self) -> str:
        """What decided."""

    @property
    def seed(self) -> int:
        """Of the draws."""


class ManyPersons(Protocol):
    """Links of several persons, as :class:`novamind.biometrics.results.Correlations` holds them."""

    @property
    def persons(self) -> Sequence[AnalysedPerson]:
        """One entry a person."""

    @property
    def fdr(self) -> float:
        """The requested share of false ones."""

    @property
    def max_lag_hours(self) -> int:
        """The longest lag."""

    @property
    def model_version(self) -> str:
        """What decided."""

    @property
    def seed(self) -> int:
        """Of the draws."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class LinkBody(_Body):
    """One signal and one symptom of one person; with positive lags the signal leads."""

    patient_id: str | None = Field(description="Whose; null if the record does not say.")
    signal: str = Field(description="Name of the signal.")
    symptom: str = Field(description="Name of the symptom.")
    detected: bool = Field(description="Whether the link is confirmed.")
    score: float = Field(description="Log odds of a direct link; larger is surer.")
    p_value: float = Field(description="How often chance alone gives such evidence at any lag, 0 to 1.")
    q_value: float = Field(description="Expected share of false ones among this link and all surer ones, 0 to 1.")
    lag_hours: float = Field(description="Median lag, in hours.")
    lag_low: float = Field(description="Lower end of the 90 % interval of the lag, in hours.")
    lag_high: float = Field(description="Upper end of the 90 % interval of the lag, in hours.")
    sign: int = Field(description="1 if the symptom rises with the signal, -1 if it falls.")
    effect: float = Field(description="Standardised effect, in SD of the symptom for one SD of the signal.")
    effect_low: float = Field(description="Lower end of the 90 % interval of the effect.")
    effect_high: float = Field(description="Upper end of the 90 % interval of the effect.")
    explained_by: str | None = Field(
        description="What an apparent link comes from: a confounder, inertia or another signal; null if none is seen."
    )
    n_effective: float = Field(description="Number of independent reports that say as much.")
    pearson: float = Field(description="Pearson's correlation at the same lag, -1 to 1; no decision rests on it.")
    spearman: float = Field(description="Spearman's correlation at the same lag, -1 to 1; no decision rests on it.")


class EdgeBody(_Body):
    """One arrow of the graph."""

    source: str = Field(description="Signal, symptom or confounder where the arrow begins.")
    target: str = Field(description="Signal or symptom where it ends.")
    kind: Literal["leads", "together", "explains"] = Field(
        description="A confirmed lead, a link without a sure order, or a shared cause that explains a link away."
    )
    lag_hours: float | None = Field(description="Median lag, in hours; null for a cause.")
    effect: float | None = Field(description="Standardised effect, in SD for one SD; null for a cause.")


class LinkReliabilityBody(_Body):
    """How far the links of a record can be relied on."""

    level: Level = Field(description="In a word.")
    reasons: list[str] = Field(description="Why.")


class LinkInsightBody(_Body):
    """One confirmed link in words."""

    signal: str = Field(description="Name of the signal.")
    symptom: str = Field(description="Name of the symptom.")
    text: str = Field(description="The link in a sentence.")
    action: str | None = Field(description="Something to consider; null where the signal gives no warning.")
    reliability: Level = Field(description="Of the link.")


class AnomalyBody(_Body):
    """A departure of one signal from the person's own baseline."""

    signal: str = Field(description="Name of the signal.")
    start: str = Field(description="When it most likely began: local time, ISO 8601.")
    alarm: str = Field(description="When the test was sure: local time, ISO 8601.")
    start_hour: int = Field(description="The same as `start`, in hours since the first hour of the record.")
    alarm_hour: int = Field(description="The same as `alarm`, in hours since the first hour of the record.")
    direction: int = Field(description="1 above the baseline, -1 below.")
    mean_deviation: float = Field(description="Mean deviation in between, in SD of the baseline.")
    evidence: float = Field(description="The statistic over its threshold, at least 1.")


class ChangePointBody(_Body):
    """A lasting change of one signal's level."""

    signal: str = Field(description="Name of the signal.")
    date: str = Field(description="First day of the new level, ISO 8601.")
    day: int = Field(description="The same, in days since the first day of the record.")
    day_low: int = Field(description="Lower end of its 90 % interval, in days since the first day of the record.")
    day_high: int = Field(description="Upper end of its 90 % interval, in days since the first day of the record.")
    before: float = Field(description="Mean level before, in the signal's unit.")
    after: float = Field(description="Mean level after, in the signal's unit.")


class EarlyWarningBody(_Body):
    """A confirmed leading signal has moved."""

    time: str = Field(description="When the warning began: local time, ISO 8601.")
    signal: str = Field(description="Name of the signal.")
    symptom: str = Field(description="Name of the symptom.")
    hour: int = Field(description="The same as `time`, in hours since the first hour of the record.")
    deviation: float = Field(description="Recent mean of the signal, in SD of its own past.")
    expected_change: float = Field(description="Of the symptom, in its SD.")
    expected_low: float = Field(description="Lower end of its 90 % interval, in SD.")
    expected_high: float = Field(description="Upper end of its 90 % interval, in SD.")
    direction: int = Field(description="1 if the symptom is expected to rise, -1 to fall.")
    horizon_hours: float = Field(description="From then until the change is expected, in hours.")
    horizon_low: float = Field(description="Lower end of its 90 % interval, in hours.")
    horizon_high: float = Field(description="Upper end of its 90 % interval, in hours.")
    reliability: Level = Field(description="Of the link.")
    evidence: str = Field(description="What the warning rests on, in a sentence.")


class MonitoringItemBody(_Body):
    """One signal that is worth watching."""

    signal: str = Field(description="Name of the signal.")
    device: str = Field(description="What measures it.")
    symptoms: list[str] = Field(description="What it foretells, the most first.")
    information: float = Field(description="Expected reduction of the symptoms' variance, in variances of one symptom.")
    burden_minutes: float = Field(description="What it asks of the person, in minutes a day.")
    information_per_minute: float = Field(description="What the plan is ordered by.")
    reason: str = Field(description="The same in words.")


class PersonLinksBody(_Body):
    """Which of one person's signals go before which symptoms, and what follows; without the hourly series."""

    patient_id: str | None = Field(description="Whose; null if the record does not say.")
    links: list[LinkBody] = Field(description="One a pair that could be analysed.")
    graph: list[EdgeBody] = Field(description="Confirmed leads, and what explains the apparent ones.")
    skipped: dict[str, str] = Field(
        description="Signal or symptom that could not be analysed, or none of whose links confirmed, to the reason."
    )
    notes: list[str] = Field(
        description="What of the input was left out, and by which clock it was read where that is not the person's."
    )
    reliability: LinkReliabilityBody = Field(description="How far the links can be relied on.")
    insights: list[LinkInsightBody] = Field(description="The confirmed links in words.")
    anomalies: list[AnomalyBody] = Field(description="Departures from the baselines.")
    change_points: list[ChangePointBody] = Field(description="Lasting changes of level.")
    early_warning: list[EarlyWarningBody] = Field(description="What leading signals foretell, in order of time.")
    monitoring_plan: list[MonitoringItemBody] = Field(
        description="What is worth watching, most information for the least burden first."
    )
    model_version: str = Field(description="Which weights decided.")
    seed: int = Field(description="Seed of the draws.")

    @classmethod
    def of(cls, person: AnalysedPerson) -> Self:
        """Return the wire form of one person's part of the room's result."""

        def time(hour: int) -> str:
            return str(person.series.at(hour).astype("datetime64[s]"))

        return cls(
            patient_id=person.patient_id,
            links=[LinkBody.model_validate(link) for link in person.links],
            graph=[EdgeBody.model_validate(edge) for edge in person.graph.edges],
            skipped=dict(person.skipped),
            notes=list(person.notes),
            reliability=LinkReliabilityBody.model_validate(person.reliability),
            insights=[LinkInsightBody.model_validate(insight) for insight in person.insights],
            anomalies=[
                AnomalyBody(
                    signal=name, start=time(anomaly.start_hour), alarm=time(anomaly.alarm_hour), **asdict(anomaly)
                )
                for name, anomalies in person.anomalies.items()
                for anomaly in anomalies
            ],
            change_points=[
                ChangePointBody(signal=name, date=time(24 * change.day)[:10], **asdict(change))
                for name, changes in person.change_points.items()
                for change in changes
            ],
            early_warning=[
                EarlyWarningBody(time=time(warning.hour), **asdict(warning)) for warning in person.early_warning
            ],
            monitoring_plan=[MonitoringItemBody.model_validate(item) for item in person.monitoring_plan],
            model_version=person.model_version,
            seed=person.seed,
        )


class CorrelationsBody(_Body):
    """Links of several persons."""

    persons: list[PersonLinksBody] = Field(description="One entry a person.")
    fdr: float = Field(description="The requested share of false ones among the confirmed links, 0 to 1.")
    max_lag_hours: int = Field(description="The longest lag that was looked at, in hours.")
    model_version: str = Field(description="Which weights decided.")
    seed: int = Field(description="Seed of the draws.")

    @classmethod
    def of(cls, correlations: ManyPersons, persons: Iterable[PersonLinksBody] | None = None) -> Self:
        """Return the wire form of the room's result; ``persons`` are forms made already, as by several processes."""
        return cls(
            persons=list(map(PersonLinksBody.of, correlations.persons) if persons is None else persons),
            fdr=correlations.fdr,
            max_lag_hours=correlations.max_lag_hours,
            model_version=correlations.model_version,
            seed=correlations.seed,
        )
