"""A chain of events is a tree at every moment."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

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


EVENT = {
    "id": "12345678-1234-5678-1234-567812345678",
    "event_type": "alert",
    "correlation_id": "case-7",
    "parent_event_id": None,
    "timestamp": "2024-03-01T12:00:00+00:00",
    "metadata": {"score": 3},
}


def test_an_event_as_plain_values() -> None:
    event = CorrelatedEvent.from_dict(EVENT)
    assert event.to_dict() == EVENT
    child = CorrelatedEvent("x", correlation_id="case-7", parent_event_id=event.id, timestamp=NOON, id="c")
    assert child.to_dict()["parent_event_id"] == EVENT["id"]
    assert EventChain.from_dict({"correlation_id": "case-7", "events": [EVENT]}).to_dict() == {
        "correlation_id": "case-7",
        "events": [EVENT],
    }


@pytest.mark.parametrize("name", ["id", "event_type", "correlation_id", "timestamp"])
def test_an_event_lacks_what_it_lacks(name: str) -> None:
    with pytest.raises(ValidationError, match=f"the event lacks {name}$"):
        CorrelatedEvent.from_dict({key: value for key, value in EVENT.items() if key != name})


def test_metadata_and_parent_may_be_left_out() -> None:
    bare = {key: value for key, value in EVENT.items() if key not in ("metadata", "parent_event_id")}
    event = CorrelatedEvent.from_dict(bare)
    assert (event.metadata, event.parent_event_id) == ({}, None)


def test_events_without_ids_and_times_get_their_own_in_utc_and_now() -> None:
    before = datetime.now(UTC)
    one, other = CorrelatedEvent("x"), CorrelatedEvent("x")
    assert len({one.id, other.id, one.correlation_id, other.correlation_id}) == 4
    assert all(isinstance(event.id, UUID) and isinstance(event.correlation_id, UUID) for event in (one, other))
    assert before <= one.timestamp <= datetime.now(UTC)
    assert one.timestamp.tzinfo is UTC


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"event_type": 5}, "event_type must be a non-empty text"),
        ({"event_type": ""}, "event_type must be a non-empty text"),
        ({"event_type": "x", "metadata": [1]}, "metadata must be a mapping"),
        ({"event_type": "x", "correlation_id": ""}, "correlation_id must be"),
        ({"event_type": "x", "id": 7}, "^id must be"),
        ({"event_type": "x", "parent_event_id": 7}, "parent_event_id must be"),
        ({"event_type": "x", "timestamp": 0}, "timestamp must be a datetime"),
        ({"event_type": "x", "id": "a", "parent_event_id": "a"}, "its own parent"),
    ],
)
def test_each_part_is_refused_by_its_name(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CorrelatedEvent(**arguments)


def test_ids_are_the_same_however_they_are_written() -> None:
    event = CorrelatedEvent(
        "x", id=EVENT["id"], correlation_id=EVENT["id"].upper(), parent_event_id=EVENT["id"][:-1] + "9"
    )
    assert event.id == event.correlation_id == UUID(EVENT["id"])
    assert isinstance(event.parent_event_id, UUID)
    assert EventChain(EVENT["id"]).correlation_id == UUID(EVENT["id"])


def test_chains_are_equal_by_id_and_events_and_are_no_keys() -> None:
    one, other = (EventChain.from_dict({"correlation_id": "case-7", "events": [EVENT]}) for _ in range(2))
    assert one == other
    assert one != EventChain("case-7")
    assert EventChain("a") != EventChain("b")
    assert one != "case-7"
    with pytest.raises(TypeError):
        hash(one)


def test_a_tree_names_parents_alone_and_children_in_order() -> None:
    chain = chain_of([0, 0, 2, 0])
    ids = [event.id for event in chain.events]
    assert chain.build_event_tree() == {ids[0]: [ids[1], ids[2], ids[4]], ids[2]: [ids[3]]}
    assert (
        chain_of([]).build_event_tree() == {chain_of([]).events[0].id: []} or len(chain_of([]).build_event_tree()) == 1
    )
    assert chain.get_child_events(ids[3]) == []


@pytest.mark.parametrize("stored", [{"events": []}, {"correlation_id": "a"}, {"correlation_id": "a", "events": 5}])
def test_a_chain_needs_its_id_and_its_events(stored: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="needs a correlation_id and a list of events"):
        EventChain.from_dict(stored)


def test_a_stored_cycle_and_a_stray_parent_are_told_apart() -> None:
    one, other = ({**EVENT, "id": name, "parent_event_id": parent} for name, parent in (("a", "b"), ("b", "a")))
    with pytest.raises(ValidationError, match="in a cycle"):
        EventChain.from_dict({"correlation_id": "case-7", "events": [EVENT, one, other]})
    with pytest.raises(ValidationError, match="include it among the events"):
        EventChain.from_dict({"correlation_id": "case-7", "events": [EVENT, {**one, "parent_event_id": "z"}]})


@pytest.mark.parametrize("strange", ["", " ", None, 7.5])
def test_a_chain_names_what_is_wrong_with_its_id(strange: Any) -> None:
    with pytest.raises(ValidationError, match=r"correlation_id\b(?!~)"):
        EventChain(strange)
