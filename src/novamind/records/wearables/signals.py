"""The vocabulary of signals stands in ``novamind.records.signals``; add a signal there."""

from novamind.records.signals import DAILY_HOURS, SIGNALS, Signal, daily_names, signal_named

__all__ = ["DAILY_HOURS", "SIGNALS", "Signal", "daily_names", "signal_named"]
