"""Events that caused one another: a medication change, the report that followed, the alert that came of it."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from uuid import uuid4

from novamind.errors import ValidationError
from novamind.timeline.clock import parse_instant
from novamind.timeline.identifiers import Identifier, parse_identifier


@dataclass(frozen=True, slots=True)
class CorrelatedEvent:
    """Something that happened, with the event that caused it.

    Parameters
    ----------
    event_type
        What happened, e.g. ``"medication_change"``.
    metadata
        Further facts; copied.
    correlation_id
        Shared by all events of one chain; a new one where none is given.
    parent_event_id
        The event that caused this one; ``None`` for the root of a chain.
    timestamp
        When it happened, timezone-aware; now, in UTC, where none is given.
    id
        A new one where none is given.

    Raises
    ------
    ValidationError
        For an empty type, an id that is neither UUID nor text, a timestamp without a timezone, or an event
        that names itself as its parent.
    """

    event_type: str
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    correlation_id: Identifier = field(default_factory=uuid4)
    parent_event_id: Identifier | None = None
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: Identifier = field(default_factory=uuid4)

    def __post_init__(self) -> None:
        if not isinstance(self.event_type, str) or not self.event_type.strip():
            raise ValidationError("event_type must be a non-empty text, e.g. 'medication_change'")
        if not isinstance(self.metadata, Mapping):
            raise ValidationError("metadata must be a mapping of names to values")
        object.__setattr__(self, "metadata", dict(self.metadata))
        object.__setattr__(self, "correlation_id", parse_identifier(self.correlation_id, "correlation_id"))
        object.__setattr__(self, "id", parse_identifier(self.id, "id"))
        if self.parent_event_id is not None:
            object.__setattr__(self, "parent_event_id", parse_identifier(self.parent_event_id, "parent_event_id"))
        object.__setattr__(self, "timestamp", parse_instant(self.timestamp, "timestamp"))
        if self.parent_event_id == self.id:
            raise ValidationError("an event cannot be its own parent: give the id of the event that caused it")

    @classmethod
    def create_child_event(cls, parent_event: "CorrelatedEvent", event_type: str, **metadata: Any) -> Self:
        """Return a new event of the same chain that ``parent_event`` caused, happening now."""
        return cls(
            event_type,
            metadata,
            correlation_id=parent_event.correlation_id,
            parent_event_id=parent_event.id,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain values; JSON-ready where the metadata are."""
        return {
            "id": str(self.id),
            "event_type": self.event_type,
            "correlation_id": str(self.correlation_id),
            "parent_event_id": None if self.parent_event_id is None else str(self.parent_event_id),
            "timestamp": self.timestamp.isoformat(),
            "metadata": dict(self.metadata),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the event that :meth:`to_dict` wrote; ids and timestamp must be present."""
        missing = [name for name in ("id", "event_type", "correlation_id", "timestamp") if name not in data]
        if missing:
            raise ValidationError(f"the event lacks {', '.join(missing)}")
        return cls(
            data["event_type"],
            data.get("metadata", {}),
            correlation_id=data["correlation_id"],
            parent_event_id=data.get("parent_event_id"),
            timestamp=data["timestamp"],
            id=data["id"],
        )


class EventChain:
    """Events of one correlation id, each caused by an earlier one: a tree with one root.

    The chain is a tree at every moment: :meth:`add_event` refuses whatever would break that.
    """

    def __init__(self, correlation_id: Identifier) -> None:
        self.correlation_id = parse_identifier(correlation_id, "correlation_id")
        self._events: dict[Identifier, CorrelatedEvent] = {}
        self._children: dict[Identifier, list[CorrelatedEvent]] = {}

    def __len__(self) -> int:
        return len(self._events)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EventChain):
            return NotImplemented
        return self.correlation_id == other.correlation_id and self._events == other._events

    __hash__ = None  # type: ignore[assignment]  # a chain grows, so it cannot be a key

    @property
    def events(self) -> tuple[CorrelatedEvent, ...]:
        """All events in the order in which they were added; a parent always stands before its children."""
        return tuple(self._events.values())

    def add_event(self, event: CorrelatedEvent) -> None:
        """Append one event.

        Raises
        ------
        ValidationError
            For another chain's correlation id, an id that is already there, a second root, or a parent that
            is not in the chain.
        """
        if event.correlation_id != self.correlation_id:
            raise ValidationError(
                "the event's correlation_id is not the chain's: add it to its own chain, or create it with "
                "CorrelatedEvent.create_child_event"
            )
        if event.id in self._events:
            raise ValidationError("the chain already holds an event with this id: give each event its own")
        if event.parent_event_id is None:
            if self._events:
                raise ValidationError(
                    "the chain already has a root: give the event a parent_event_id, or start another chain"
                )
        elif event.parent_event_id not in self._events:
            raise ValidationError("the event's parent is not in the chain: add the parent first")
        else:
            self._children.setdefault(event.parent_event_id, []).append(event)
        self._events[event.id] = event

    def get_root_event(self) -> CorrelatedEvent | None:
        """Return the event without a parent; ``None`` in an empty chain."""
        return next(iter(self._events.values()), None)

    def get_child_events(self, parent_id: Identifier) -> list[CorrelatedEvent]:
        """Return the direct children of an event in the order in which they were added."""
        return list(self._children.get(parse_identifier(parent_id, "parent_id"), ()))

    def get_event_by_id(self, event_id: Identifier) -> CorrelatedEvent | None:
        """Return one event; ``None`` where the chain has no such id."""
        return self._events.get(parse_identifier(event_id, "event_id"))

    def get_events_by_type(self, event_type: str) -> list[CorrelatedEvent]:
        """Return all events of a type in the order in which they were added."""
        return [event for event in self._events.values() if event.event_type == event_type]

    def build_event_tree(self) -> dict[Identifier, list[Identifier]]:
        """Return the root, and every other event that has children, with the ids of its children."""
        return {
            event.id: [child.id for child in self._children.get(event.id, ())]
            for event in self._events.values()
            if event.parent_event_id is None or event.id in self._children
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the chain as plain values."""
        return {
            "correlation_id": str(self.correlation_id),
            "events": [event.to_dict() for event in self._events.values()],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the chain that :meth:`to_dict` wrote; the events may stand in any order."""
        if "correlation_id" not in data or not isinstance(data.get("events"), Iterable):
            raise ValidationError("an event chain needs a correlation_id and a list of events")
        chain = cls(data["correlation_id"])
        events = [CorrelatedEvent.from_dict(event) for event in data["events"]]
        children: dict[Identifier | None, list[int]] = {}
        for position, event in enumerate(events):
            children.setdefault(event.parent_event_id, []).append(position)
        # Always the earliest event whose parent is in: a list that is already in order keeps its order.
        ready = children.pop(None, [])
        while ready:
            event = events[heapq.heappop(ready)]
            chain.add_event(event)
            for position in children.pop(event.id, ()):
                heapq.heappush(ready, position)
        if children:
            if children.keys() <= {event.id for event in events}:
                raise ValidationError("the events cause one another in a cycle: one of them must have no parent")
            raise ValidationError("an event's parent is not in the chain: include it among the events")
        return chain
