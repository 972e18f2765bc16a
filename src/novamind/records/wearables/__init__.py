"""Wearable exports in: one long frame of signals with fixed names and units, every minute counted once."""

from novamind.records.signals import SIGNALS, Signal, signal_named
from novamind.records.wearables.coverage import SignalCoverage
from novamind.records.wearables.reader import COLUMNS, convert_wearables, read_wearables
from novamind.records.wearables.results import WearableRecord, WearableSummary

__all__ = [
    "COLUMNS",
    "SIGNALS",
    "Signal",
    "SignalCoverage",
    "WearableRecord",
    "WearableSummary",
    "convert_wearables",
    "read_wearables",
    "signal_named",
]
