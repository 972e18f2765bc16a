"""Drugs: one knowledge of names, codes and facts, each fact with its source.

::

    import novamind as nm
    nm.drugs.find("citalopram (CELEXA) 20 mg tablet").drug
    nm.drugs.facts("sertraline").frame
    nm.drugs.interactions(["fluoxetine", "pimozide"])
"""

from typing import TYPE_CHECKING

from novamind.lazy import public_names

if TYPE_CHECKING:
    from novamind.drugs.domain import Product
    from novamind.drugs.names import find
    from novamind.drugs.regimen import Interactions, interactions
    from novamind.drugs.results import DrugFacts, facts
else:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "domain": ("Product",),
            "names": ("find",),
            "regimen": ("Interactions", "interactions"),
            "results": ("DrugFacts", "facts"),
        },
    )

__all__ = ["DrugFacts", "Interactions", "Product", "facts", "find", "interactions"]
