"""Drugs: one knowledge of names, codes and facts, each fact with its source."""

from typing import TYPE_CHECKING

from novamind.lazy import public_names

if TYPE_CHECKING:
    from novamind.drugs.regimen import Interactions, interactions
else:
    __getattr__, __dir__ = public_names(__name__, {"regimen": ("Interactions", "interactions")})

__all__ = ["Interactions", "interactions"]
