"""A chain of events is a tree at every moment."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.timeline import CorrelatedEvent, EventChain

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def chain_of(parents: list[int]) -> EventChain:
    """Event 0 is the root; event ``i + 1`` is a child of the event at ``parents[i]``."""
    root = CorrelatedEvent("start", timestamp=NOON)
    events = [root]
    chain = EventChain(root.correlation_id)
    chain.add_event(root)
    for number, parent in enumerate(parents, 1):
        event = CorrelatedEvent.create_child_event(events[parent], f"type-{number % 3}", number=number)
        events.append(event)
        chain.add_event(event)
    return chain


parent_lists = st.lists(st.integers(0, 10**6), max_size=20).map(
    lambda numbers: [number % position for position, number in enumerate(numbers, 1)]
)


def test_child_shares_correlation_and_names_its_parent() -> None:
    parent = CorrelatedEvent("medication_change", {"drug": "sertraline"}, correlation_id="case-7")
    child = CorrelatedEvent.create_child_event(parent, "symptom_report", score=12)
    assert (child.correlation_id, child.parent_event_id) == ("case-7", parent.id)
    assert child.metadata == {"score": 12}
    assert child.id != parent.id
    assert child.timestamp.utcoffset() is not None


def test_chain_answers_by_id_type_and_parent() -> None:
    chain = chain_of([0, 0, 1])
    root, first, second, grandchild = chain.events
    assert chain.get_root_event() == root
    assert chain.get_child_events(root.id) == [first, second]
    assert chain.get_child_events(str(first.id)) == [grandchild]
    assert chain.get_event_by_id(second.id) == second
    assert chain.get_event_by_id(uuid4()) is None
    assert chain.get_events_by_type("type-0") == [grandchild]
    assert chain.build_event_tree() == {root.id: [first.id, second.id], first.id: [grandchild.id]}


def test_empty_chain() -> None:
    chain = EventChain("case-7")
    assert chain.get_root_event() is None
    assert chain.build_event_tree() == {}
    assert EventChain.from_dict(chain.to_dict()) == chain


@given(parent_lists, st.randoms())
def test_chain_survives_json_in_any_order(parents: list[int], random) -> None:
    chain = chain_of(parents)
    stored = json.loads(json.dumps(chain.to_dict()))
    again = EventChain.from_dict(stored)
    assert again == chain
    assert again.events == chain.events
    random.shuffle(stored["events"])
    assert EventChain.from_dict(stored) == chain


@given(parent_lists)
def test_every_event_but_the_root_stands_once_in_the_tree(parents: list[int]) -> None:
    chain = chain_of(parents)
    children = [child for ids in chain.build_event_tree().values() for child in ids]
    assert len(children) == len(set(children)) == len(chain) - 1


def test_chain_refuses_what_would_break_the_tree() -> None:
    chain = chain_of([0])
    root, child = chain.events
    mine = {"correlation_id": chain.correlation_id}
    with pytest.raises(ValidationError, match="not the chain's"):
        chain.add_event(CorrelatedEvent("x", parent_event_id=root.id))
    with pytest.raises(ValidationError, match="already has a root"):
        chain.add_event(CorrelatedEvent("x", **mine))
    with pytest.raises(ValidationError, match="add the parent first"):
        chain.add_event(CorrelatedEvent("x", parent_event_id=uuid4(), **mine))
    with pytest.raises(ValidationError, match="already holds"):
        chain.add_event(child)
    # Giving the root's id to an event below its own child would close a circle.
    with pytest.raises(ValidationError, match="already holds"):
        chain.add_event(CorrelatedEvent("x", parent_event_id=child.id, id=root.id, **mine))
    assert len(chain) == 2


def test_chain_from_dict_refuses_cycle_stray_parent_and_gaps() -> None:
    stored = chain_of([0, 1]).to_dict()
    root, first, second = stored["events"]
    with pytest.raises(ValidationError, match="cycle"):
        EventChain.from_dict({**stored, "events": [root, {**first, "parent_event_id": second["id"]}, second]})
    with pytest.raises(ValidationError, match="include it"):
        EventChain.from_dict({**stored, "events": [root, second]})
    with pytest.raises(ValidationError, match="list of events"):
        EventChain.from_dict({"correlation_id": "case-7"})
    with pytest.raises(ValidationError, match="lacks timestamp"):
        CorrelatedEvent.from_dict({name: root[name] for name in ("id", "event_type", "correlation_id")})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"event_type": " "}, "event_type"),
        ({"event_type": "x", "timestamp": datetime(2024, 3, 1)}, "timezone"),  # noqa: DTZ001
        ({"event_type": "x", "timestamp": "1 March"}, "ISO 8601"),
        ({"event_type": "x", "timestamp": 0}, "datetime"),
        ({"event_type": "x", "correlation_id": ""}, "correlation_id"),
        ({"event_type": "x", "id": 7}, "id must be"),
        ({"event_type": "x", "id": "a", "parent_event_id": "a"}, "own parent"),
        ({"event_type": "x", "metadata": [1]}, "mapping"),
    ],
)
def test_event_refuses(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CorrelatedEvent(**arguments)


def test_event_copies_its_metadata_and_keeps_local_time() -> None:
    facts = {"a": 1}
    event = CorrelatedEvent("x", facts, timestamp="2024-03-01T08:30:00+05:30")
    facts["a"] = 2
    assert event.metadata == {"a": 1}
    assert event.timestamp.utcoffset() == timedelta(hours=5, minutes=30)
    assert CorrelatedEvent.from_dict(event.to_dict()) == event
    assert len({event, CorrelatedEvent.from_dict(event.to_dict())}) == 1
