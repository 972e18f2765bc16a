"""What happened when: sequences, chains of events, and irregular observations on a grid."""

from novamind.timeline.clock import local_from_utc, parse_timezone, utc_from_local
from novamind.timeline.events import CorrelatedEvent, EventChain
from novamind.timeline.grid import DailyGrid, HourlyGrid, daily_grid, hourly_grid
from novamind.timeline.identifiers import Identifier
from novamind.timeline.sequence import FeatureStatistics, PaddedSequence, TemporalSequence

__all__ = [
    "CorrelatedEvent",
    "DailyGrid",
    "EventChain",
    "FeatureStatistics",
    "HourlyGrid",
    "Identifier",
    "PaddedSequence",
    "TemporalSequence",
    "daily_grid",
    "hourly_grid",
    "local_from_utc",
    "parse_timezone",
    "utc_from_local",
]
