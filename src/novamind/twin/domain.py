"""The twin's findings on one patient: results of each service, recommendations, and how earlier ones turned out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum, StrEnum
from typing import Any, Literal

from novamind.errors import ValidationError
from novamind.symptoms.domain import Scale

CLINICAL_JUDGEMENT = (
    "Clinical judgement decides. This joins figures from data and published guidelines; it does not know the person,"
    " cannot rule out a crisis, and is no diagnosis and no medical device."
)
#: The services, by the names that people read.
SYMPTOMS, BIOMETRICS = "symptoms", "biometrics"
MEDICATIONS, COURSES = "pharmacogenomics", "neurochemistry"
#: Reliability from lowest to highest.
Level = Literal["low", "medium", "high"]


class Status(StrEnum):
    """Outcome of a service."""

    AVAILABLE = "available"
    NOT_ASKED = "not asked"
    NO_DATA = "no data"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed out"
    FAILED = "failed"


class Priority(IntEnum):
    """Urgency of a recommendation."""

    TODAY = 1
    SOON = 2
    NEXT_VISIT = 3
    WHEN_CONVENIENT = 4

    @property
    def words(self) -> str:
        """Return the priority in words."""
        return self.name.replace("_", " ").lower()


@dataclass(frozen=True, slots=True)
class Options:
    """What to include.

    Parameters
    ----------
    forecast_days
        Horizon of the symptom forecast, 1 to 30.
    biometric_lookback_days
        How much of the signals is looked at, at least 7.
    """

    include_symptom_forecast: bool = True
    include_biometric_correlations: bool = True
    include_medication_predictions: bool = True
    forecast_days: int = 14
    biometric_lookback_days: int = 30

    def __post_init__(self) -> None:
        for name in ("include_symptom_forecast", "include_biometric_correlations", "include_medication_predictions"):
            if not isinstance(getattr(self, name), bool):
                raise ValidationError(f"option '{name}' must be true or false")
        for name, low, high in (("forecast_days", 1, 30), ("biometric_lookback_days", 7, 3650)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ValidationError(f"option '{name}' must be a whole number from {low} to {high}")

    @classmethod
    def of(cls, options: "Options | Mapping[str, Any] | None") -> "Options":
        """Return options as they are, from a mapping, or the defaults."""
        if isinstance(options, Options):
            return options
        unknown = set(options or ()) - set(cls.__slots__)
        if unknown:
            raise ValidationError(f"unknown options; known are {', '.join(cls.__slots__)}")
        return cls(**(options or {}))


@dataclass(frozen=True, slots=True)
class ServiceResult:
    """Result of one service, or why there is none.

    Attributes
    ----------
    value
        The service's own result; ``None`` unless ``status`` is ``available``.
    reason
        Why there is none; empty otherwise.
    reused
        Taken from an earlier run with the very same inputs and model version.
    """

    service: str
    status: Status
    value: Any = None
    reason: str = ""
    model_version: str = ""
    reused: bool = False
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """A result or a source that a recommendation rests on."""

    service: str
    statement: str
    source: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One thing to consider, with everything it rests on.

    ``proposes`` names the drugs that it puts forward, ``instead_of`` the one that they would replace; drugs that it
    warns of are not in it.
    """

    priority: Priority
    topic: str
    text: str
    evidence: tuple[Evidence, ...]
    reliability: Level
    reliability_reason: str
    proposes: tuple[str, ...] = ()
    caveat: str = CLINICAL_JUDGEMENT
    instead_of: str = ""

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValidationError("a recommendation must name what it rests on")


@dataclass(frozen=True, slots=True)
class ForecastCheck:
    """How an earlier forecast turned out.

    Attributes
    ----------
    reports
        Forecast days that have a report by now; all figures are over these.
    covered_80, covered_95
        Share of the reports inside the central intervals; ``None`` without reports.
    mean_error
        Mean absolute error of the median, in the instrument's units.
    warned
        Highest probability that was given for reaching ``threshold``; ``None`` where none was computed.
    reached
        Whether a report reached it; ``None`` without reports.
    replayed
        The forecast was not made at the time but made now from the record up to that day.
    """

    symptom: str
    made_on: date
    days: int
    reports: int
    covered_80: float | None
    covered_95: float | None
    mean_error: float | None
    threshold: float | None
    warned: float | None
    reached: bool | None
    model_version: str
    replayed: bool = False

    @property
    def sentence(self) -> str:
        """Return the check in words."""
        when = "replayed from" if self.replayed else "made on"
        start = f"{self.symptom}, {when} {self.made_on.isoformat()} for {self.days} days: "
        if not self.reports:
            return f"{start}no report since, so nothing can be said."
        text = (
            f"{start}{100 * (self.covered_80 or 0):.0f} % of {self.reports} reports inside the 80 % interval,"
            f" {100 * (self.covered_95 or 0):.0f} % inside the 95 % interval; mean error {self.mean_error:.2f} points."
        )
        if self.warned is not None and self.threshold is not None:
            came = "it was reached" if self.reached else "it was not reached"
            text += (
                f" The probability given for reaching {self.threshold:g} was up to {100 * self.warned:.0f} %: {came}."
            )
        return text


#: The levels of a forecast that are checked: the ends of its 95 and 80 % intervals, and its median.
CHECKED_LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


@dataclass(frozen=True, slots=True)
class ForecastMade:
    """The part of a forecast that can turn out right or wrong.

    Attributes
    ----------
    quantiles
        A row a day at :data:`CHECKED_LEVELS`, on the steps of the scale.
    threshold, warned
        The score that it warned of, and the highest probability given for reaching it.
    history_until
        The last day of the reports that it was made from.
    """

    symptom: str
    scale: Scale
    days: tuple[date, ...]
    quantiles: tuple[tuple[float, ...], ...]
    threshold: float | None
    warned: float | None
    model_version: str
    history_until: date


@dataclass(frozen=True, slots=True)
class RecommendationMade:
    """A recommendation as it was given, without its evidence."""

    priority: Priority
    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The part of some insights that is looked back at; equal insights have equal snapshots.

    Attributes
    ----------
    options
        What the insights were asked for; ``None`` for a forecast that was read by itself.
    model_versions
        Service to version, of the services that answered.
    """

    patient_id: str
    made_on: date
    forecasts: tuple[ForecastMade, ...]
    recommendations: tuple[RecommendationMade, ...] = ()
    options: Options | None = Options()
    model_versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """Recommendations that are new or more urgent than on an earlier day, and those that ended."""

    since: date
    begun: tuple[Recommendation, ...]
    ended: tuple[RecommendationMade, ...]


@dataclass(frozen=True)
class Findings:
    """Everything at one time: results, what is missing, recommendations, and how earlier forecasts did."""

    patient_id: str
    made_on: date
    options: Options
    results: Mapping[str, ServiceResult]
    recommendations: tuple[Recommendation, ...]
    tracking: tuple[ForecastCheck, ...] = ()
    notes: tuple[str, ...] = ()
    disclaimer: str = field(default=CLINICAL_JUDGEMENT, repr=False)

    @property
    def missing(self) -> dict[str, str]:
        """Return each service without a result, with the reason."""
        return {
            name: f"{result.status}: {result.reason}"
            for name, result in self.results.items()
            if result.status is not Status.AVAILABLE
        }

    @property
    def complete(self) -> bool:
        """Return whether every service that was asked gave a result."""
        return all(r.status in (Status.AVAILABLE, Status.NOT_ASKED) for r in self.results.values())

    @property
    def model_versions(self) -> dict[str, str]:
        """Return service to the version of the model that its result comes from."""
        return {name: r.model_version for name, r in self.results.items() if r.status is Status.AVAILABLE}
