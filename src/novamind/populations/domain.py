"""What population twins are made of: types, configurations, results. No framework, no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

import numpy as np

from novamind.errors import ValidationError
from novamind.populations import wall
from novamind.summary import Summarised, Summary, counted


class TwinType(StrEnum):
    """Who is twinned."""

    HCP = "hcp"
    PATIENT = "patient"
    TERRITORY = "territory"


class Brand(StrEnum):
    """Brands known by name; ``TwinGenerator`` takes any other brand as a plain string."""

    REMIBRUTINIB = "remibrutinib"
    FABHALTA = "fabhalta"
    KISQALI = "kisqali"


class InterventionType(StrEnum):
    """Campaigns with a prior mean effect (``evidence.PRIOR_MEAN_EFFECTS``)."""

    EMAIL_CAMPAIGN = "email_campaign"
    CALL_FREQUENCY_INCREASE = "call_frequency_increase"
    SPEAKER_PROGRAM_INVITATION = "speaker_program_invitation"
    EDUCATIONAL_CONTENT_SHARE = "educational_content_share"
    PEER_TO_PEER_REFERRAL = "peer_to_peer_referral"


class SimulationRecommendation(StrEnum):
    """What a simulation advises."""

    DEPLOY = "deploy"
    TEST_FURTHER = "test_further"
    DO_NOT_DEPLOY = "do_not_deploy"


class EffectSource(StrEnum):
    """Where an effect comes from; a reader must never have to guess."""

    ESTIMATED = "estimated"
    TRANSPORTED = "transported"
    ASSUMED = "assumed"


def checked_seed(seed: Any) -> int:
    """Give a seed back if it is one.

    Raises
    ------
    ValidationError
        If it is no whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValidationError("the seed must be a whole number of at least 0")
    return int(seed)


DEFAULT_TARGET = {
    TwinType.HCP: "prescribing_change",
    TwinType.PATIENT: "journey_progression_days",
    TwinType.TERRITORY: "market_share_change",
}


@dataclass(frozen=True)
class InterventionConfig:
    """One campaign to try.

    Parameters
    ----------
    intervention_type
        One of `InterventionType`, or any other name where the effect is estimated from data.
    channel
        Channel it goes through, for the record.
    frequency
        Contacts per week, for the record.
    duration_weeks
        Length in weeks, 1 to 104.
    intensity
        Dose relative to the one that the evidence is about; effects are scaled linearly, 0 < intensity <= 2.

    Raises
    ------
    ValidationError
        If a value is outside its range, or the intervention is a medical one.
    """

    intervention_type: InterventionType | str
    channel: str | None = None
    frequency: float | None = None
    duration_weeks: int = 8
    intensity: float = 1.0

    def __post_init__(self) -> None:
        if not str(self.intervention_type).strip():
            raise ValidationError("name the intervention_type, for example 'email_campaign'")
        wall.inspect_intervention(str(self.intervention_type))
        if not 1 <= self.duration_weeks <= 104:
            raise ValidationError("duration_weeks must be between 1 and 104")
        if not (np.isfinite(self.intensity) and 0 < self.intensity <= 2):
            raise ValidationError(
                "intensity must be above 0 and at most 2; effects further out are not supported by any evidence"
            )
        if self.frequency is not None and not (np.isfinite(self.frequency) and 0 < self.frequency <= 50):
            raise ValidationError("frequency must be above 0 and at most 50 contacts a week")


@dataclass(frozen=True)
class PopulationFilter:
    """Which twins are meant.

    Parameters
    ----------
    specialty, tier, region
        One value or several.
    min_decile
        Smallest ``decile`` to keep.
    where
        Any other column: a value, a list of values, or a ``(low, high)`` tuple (closed range; ``None`` is
        open).
    """

    specialty: str | Sequence[str] | None = None
    tier: int | Sequence[int] | None = None
    region: str | Sequence[str] | None = None
    min_decile: int | None = None
    where: Mapping[str, Any] = field(default_factory=dict)

    def conditions(self) -> dict[str, Any]:
        """Return column -> condition, as ``TwinGenerator.generate`` takes them."""
        named = {"specialty": self.specialty, "priority_tier": self.tier, "region": self.region}
        conditions: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        if self.min_decile is not None:
            conditions["decile"] = (self.min_decile, None)
        return {**conditions, **self.where}


@dataclass(frozen=True, repr=False)
class DigitalTwin(Summarised):
    """One twin: its features, its drawn outcome without any intervention, and that outcome's mean."""

    twin_id: UUID
    features: Mapping[str, Any]
    baseline_behavior: float
    expected_outcome: float
    model_id: UUID | None = None

    def _summary(self) -> Summary:
        features = counted(len(self.features), "feature")
        text = f"one synthetic twin, {features}, expected outcome {self.expected_outcome:.3g}"
        return Summary(text, ("feature", "value"), self.features.items())


@dataclass(frozen=True)
class GroupEffect:
    """Average effect in one level of one grouping column, with its 95 % interval."""

    group: str
    level: str
    twins: int
    effect: float
    low: float
    high: float
