"""What the room speaks of: one person's series, links between signals and symptoms, and how sure they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from novamind.summary import Summarised, Summary

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Central probability of lag and effect intervals.
INTERVAL = 0.9
Level = Literal["high", "medium", "low"]


@dataclass(frozen=True)
class PersonSeries:
    """One person's signals by the hour and reports at their own times.

    Attributes
    ----------
    signals, symptoms
        Their names.
    start
        Local hour at which row 0 begins.
    hourly
        ``(hours, signals)``; ``NaN`` where nothing was measured.
    offset
        ``(signals,)`` hours after the full hour at which a cell's samples stand on average.
    report_hours
        ``(reports,)`` hours since ``start``, rising.
    reports
        ``(reports, symptoms)``; ``NaN`` where an item was skipped.
    measured
        ``(hours, signals)``: cells in which a sample stands, where others only carry an earlier one on.
    confounders
        Known common causes by the hour: name to ``(hours,)``. Where ``illness`` is not among them, episodes are looked
        for in the signals.
    """

    signals: tuple[str, ...]
    symptoms: tuple[str, ...]
    start: np.datetime64
    hourly: Floats
    offset: Floats
    report_hours: Floats
    reports: Floats
    measured: Mask
    confounders: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def hours(self) -> int:
        """Length of the record."""
        return len(self.hourly)

    def at(self, hour: int) -> np.datetime64:
        """Return the local time at which an hourly cell begins, in microseconds."""
        return self.start + np.timedelta64(hour * 3_600_000_000, "us")


@dataclass(frozen=True)
class Link:
    """One signal and one symptom of one person, decided once.

    Attributes
    ----------
    detected
        The decision: ``q_value`` within the requested rate of false discoveries, chance alone unlikely, and the
        interval of the effect, beside the other signals, without 0.
    score
        Log odds of a direct link; larger is surer.
    p_value
        How often chance alone gives such evidence anywhere in the scanned lags.
    q_value
        Expected share of false ones among this link and all surer ones of the person.
    lag_hours, lag_low, lag_high
        Median and central 90 % of the lag, + where the signal leads.
    sign, effect, effect_low, effect_high
        Standardised effect of the signal's (smoothed) course on the report, after all corrections, with its 90 %
        interval; +1 or -1.
    explained_by
        What an apparent link comes from, where the link was not confirmed: a confounder, ``inertia`` or another signal.
    n_effective
        How many independent reports would tell as much.
    pearson, spearman
        Plain correlations at the same lag, for those who ask; no decision rests on them.
    """

    patient_id: str | None
    signal: str
    symptom: str
    detected: bool
    score: float
    p_value: float
    q_value: float
    lag_hours: float
    lag_low: float
    lag_high: float
    sign: int
    effect: float
    effect_low: float
    effect_high: float
    explained_by: str | None
    n_effective: float
    pearson: float
    spearman: float

    @property
    def leads(self) -> bool:
        """Whether the signal is confirmed to come first: no lag of 0 or less lies in the interval."""
        return self.detected and self.lag_low > 0

    @property
    def reliability(self) -> Level:
        """High from 200 effective reports at q <= 0.01, medium from 60 at q <= 0.1, low below."""
        if self.n_effective >= 200 and self.q_value <= 0.01:
            return "high"
        return "medium" if self.n_effective >= 60 and self.q_value <= 0.1 else "low"


@dataclass(frozen=True, repr=False)
class LagProfile(Summarised):
    """How the evidence of one pair lies over the lags.

    Attributes
    ----------
    z
        ``(2 * max_lag + 1,)``: largest z-value over the kernels at each lag, with its sign.
    posterior
        Probability of each lag if there is a link, of the same shape.
    """

    z: Floats
    posterior: Floats

    @property
    def lags(self) -> Integers:
        """Signed hours, + where the signal leads."""
        longest = len(self.z) // 2
        return np.arange(-longest, longest + 1)

    def _summary(self) -> Summary:
        likely = np.argsort(-self.posterior, kind="stable")
        rows = ((int(self.lags[i]), float(self.posterior[i]), float(self.z[i])) for i in likely)
        text = f"most likely at {self.lags[likely[0]]:+d} h of {len(self.z) // 2} h either way"
        return Summary(text, ("lag, h", "probability", "z"), rows)


@dataclass(frozen=True)
class PairInputs:
    """What a detector sees of one person's pairs, symptom by symptom; :mod:`.features` computes it.

    Attributes
    ----------
    profiles
        ``(pairs, channels, 2 * reach + 1)``; negative lags (the symptom leads) first.
    scalars
        ``(pairs, features)``.
    signal, symptom
        ``(pairs,)`` indices in the person's series.
    """

    profiles: NDArray[np.floating]
    scalars: NDArray[np.float32]
    signal: Integers
    symptom: Integers


@dataclass(frozen=True)
class Edge:
    """One arrow of the graph: ``kind`` says whether it is a confirmed lead or a shared cause that explains it away."""

    source: str
    target: str
    kind: Literal["leads", "together", "explains"]
    lag_hours: float | None = None
    effect: float | None = None


@dataclass(frozen=True)
class CausalGraph:
    """Signals, symptoms and confounders of one person, and the arrows between them.

    An arrow ``leads`` from what is earlier; links whose lag interval holds 0 are ``together``; a confounder or signal
    ``explains`` a symptom's apparent link to another signal, which is left out. Leading is not yet causing: what was
    not measured is not corrected for.
    """

    patient_id: str | None
    signals: tuple[str, ...]
    symptoms: tuple[str, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class Reliability:
    """How far the result can be relied on, and why."""

    level: Level
    reasons: tuple[str, ...]
