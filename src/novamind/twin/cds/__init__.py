"""CDS Hooks 2.0: a request in, cards out. Pure functions; their server checks the caller, fetches and keeps the time.

Specification: HL7 CDS Hooks 2.0.1 (cds-hooks.hl7.org/2.0). A card never says more than the request allows, and what
the request does not allow to check is said in a card of its own: an empty list means that everything in the request
was checked and nothing is wrong.
"""

from novamind.twin.cds.answers import answer
from novamind.twin.cds.prefetch import PrefetchError, faults
from novamind.twin.cds.request import HookRequest, read_request
from novamind.twin.cds.services import HOOKS, PREFETCH, discovery

__all__ = ["HOOKS", "PREFETCH", "HookRequest", "PrefetchError", "answer", "discovery", "faults", "read_request"]
