"""The tables; read through :mod:`novamind.drugs.tables`."""

from novamind.drugs.tables import rows, source, sources

__all__ = ["rows", "source", "sources"]
