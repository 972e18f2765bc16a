"""A sequence checks what it is given, and describes it correctly."""

import json
import statistics
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from novamind.errors import InsufficientDataError, ValidationError
from novamind.timeline import TemporalSequence

START = datetime(2024, 3, 1, 12, tzinfo=UTC)


def days(count: int) -> list[datetime]:
    return [START + timedelta(days=day) for day in range(count)]


def tables(elements: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=elements)


numbers = st.floats(-1e6, 1e6)
numbers_or_missing = st.one_of(numbers, st.just(float("nan")))


@given(tables(numbers_or_missing), st.integers(-12, 14))
def test_survives_json(values: np.ndarray, offset_hours: int) -> None:
    zone = timezone(timedelta(hours=offset_hours))
    moments = [moment.astimezone(zone) for moment in days(len(values))]
    sequence = TemporalSequence.create(["mood", "sleep"], moments, values, "p-1", {"device": "x"}, missing="keep")
    again = TemporalSequence.from_dict(json.loads(json.dumps(sequence.to_dict(), allow_nan=False)))
    assert again == sequence
    np.testing.assert_array_equal(again.values, values)
    assert [moment.isoformat() for moment in again.timestamps] == [moment.isoformat() for moment in moments]


@given(tables(numbers_or_missing))
def test_statistics_equal_the_textbook(values: np.ndarray) -> None:
    sequence = TemporalSequence.create(["a", "b"], days(len(values)), values, missing="keep")
    for name, column in zip(sequence.feature_names, values.T, strict=True):
        present = [value for value in column.tolist() if value == value]
        found = sequence.get_feature_statistics()[name]
        assert found["n"] == len(present)
        if not present:
            assert found["mean"] is found["std"] is found["min"] is found["max"] is None
            continue
        assert (found["min"], found["max"]) == (min(present), max(present))
        assert found["mean"] == pytest.approx(statistics.fmean(present), rel=1e-9, abs=1e-6)
        assert found["std"] == pytest.approx(statistics.pstdev(present), rel=1e-9, abs=1e-6)


@given(numbers, st.integers(1, 50))
def test_constant_has_no_spread_at_all(value: float, steps: int) -> None:
    sequence = TemporalSequence.create(["a"], days(steps), np.full((steps, 1), value))
    assert sequence.get_feature_statistics()["a"] == {"mean": value, "std": 0.0, "min": value, "max": value, "n": steps}


@given(tables(numbers_or_missing), st.integers(1, 20))
def test_padding_keeps_the_most_recent_steps(values: np.ndarray, max_length: int) -> None:
    padded = TemporalSequence.create(["a", "b"], days(len(values)), values, missing="keep").to_padded_tensor(max_length)
    kept = values[-max_length:]
    assert padded["values"].shape == padded["observed"].shape == (max_length, 2)
    assert padded["seq_len"] == len(kept) == padded["mask"].sum()
    assert padded["mask"][: len(kept)].all()
    np.testing.assert_array_equal(padded["values"][: len(kept)], np.where(np.isnan(kept), 0, kept))
    np.testing.assert_array_equal(padded["observed"][: len(kept)], ~np.isnan(kept))
    assert not padded["values"][len(kept) :].any()
    assert not padded["observed"][len(kept) :].any()


def test_pairs_one_step_ahead_and_subsequence() -> None:
    sequence = TemporalSequence("s-1", ["a"], days(4), [[1], [2], [3], [4]], "p-1")
    assert (sequence.sequence_length, sequence.feature_dimension) == (4, 1)
    inputs, targets = sequence.to_numpy_arrays()
    assert inputs.tolist() == [[1], [2], [3]]
    assert targets.tolist() == [[2], [3], [4]]
    middle = sequence.extract_subsequence(1, 3)
    assert middle.values.tolist() == [[2], [3]]
    assert middle.timestamps == sequence.timestamps[1:3]
    assert (middle.patient_id, middle.sequence_id != "s-1") == ("p-1", True)
    for bounds in ((-1, 2), (2, 2), (3, 1), (0, 5)):
        with pytest.raises(ValidationError, match="subsequence"):
            sequence.extract_subsequence(*bounds)


def test_values_are_a_read_only_copy() -> None:
    values = np.ones((2, 1))
    sequence = TemporalSequence.create(["a"], days(2), values)
    values[0] = 7
    assert sequence.values[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        sequence.values[0] = 7


def test_order_is_that_of_instants_when_clocks_go_back() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first, second = (datetime(2024, 10, 27, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1))
    sequence = TemporalSequence.create(["a"], [first, second], [[1], [2]])
    assert TemporalSequence.from_dict(sequence.to_dict()) == sequence
    with pytest.raises(ValidationError, match="timestamp 2"):
        TemporalSequence.create(["a"], [second, first], [[1], [2]])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"timestamps": [START, START]}, ValidationError, "timestamp 2 is not later"),
        ({"timestamps": [START, datetime(2024, 3, 2)]}, ValidationError, "timestamp 2 has no timezone"),  # noqa: DTZ001
        ({"timestamps": [START]}, ValidationError, "shape"),
        ({"values": [[1, 2], [3]]}, ValidationError, "numbers"),
        ({"values": [[1, 2], [3, "x"]]}, ValidationError, "numbers"),
        ({"values": [[1, 2], [3, float("nan")]]}, ValidationError, "'b' at step 2 .* missing='keep'"),
        ({"values": [[1, 2], [3, float("inf")]], "missing": "keep"}, ValidationError, "'b' at step 2"),
        ({"feature_names": ["a", "a"]}, ValidationError, "distinct"),
        ({"feature_names": "ab"}, ValidationError, "list"),
        ({"missing": "fill"}, ValidationError, "'refuse' or 'keep'"),
        ({"sequence_id": None}, ValidationError, "sequence_id"),
        ({"timestamps": [], "values": []}, InsufficientDataError, "one step"),
        ({"feature_names": [], "values": [[], []]}, InsufficientDataError, "one feature"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], message: str) -> None:
    good = {"sequence_id": "s", "feature_names": ["a", "b"], "timestamps": days(2), "values": [[1, 2], [3, 4]]}
    TemporalSequence(**good)
    with pytest.raises(error, match=message):
        TemporalSequence(**{**good, **change})


def test_refuses_incomplete_dict_and_bad_length() -> None:
    sequence = TemporalSequence.create(["a"], days(2), [[1], [2]])
    with pytest.raises(ValidationError, match="lacks values"):
        TemporalSequence.from_dict({name: value for name, value in sequence.to_dict().items() if name != "values"})
    for length in (0, -1, 2.0, True):
        with pytest.raises(ValidationError, match="max_length"):
            sequence.to_padded_tensor(length)
    assert sequence != "sequence"
    assert len({sequence, TemporalSequence.from_dict(sequence.to_dict())}) == 1


def test_plain_values_of_a_sequence() -> None:
    sequence = TemporalSequence(
        "s-1", ["mood", "sleep"], days(2), [[1, float("nan")], [2, 7.5]], "p-1", {"device": "x"}, "keep"
    )
    plain = {
        "sequence_id": "s-1",
        "patient_id": "p-1",
        "feature_names": ["mood", "sleep"],
        "timestamps": ["2024-03-01T12:00:00+00:00", "2024-03-02T12:00:00+00:00"],
        "values": [[1.0, None], [2.0, 7.5]],
        "sequence_length": 2,
        "feature_dimension": 2,
        "metadata": {"device": "x"},
        "missing": "keep",
    }
    assert sequence.to_dict() == plain
    again = TemporalSequence.from_dict(plain)
    assert again == sequence
    assert (again.patient_id, again.metadata, again.missing) == ("p-1", {"device": "x"}, "keep")
    part = again.extract_subsequence(0, 1)
    assert (part.metadata, part.missing, part.feature_names) == ({"device": "x"}, "keep", ("mood", "sleep"))
    assert part.sequence_id != again.sequence_id


def test_what_may_be_left_out_is_nobody_s_nothing_and_refusing() -> None:
    bare = TemporalSequence("s", ["a"], days(1), [[1]])
    assert (bare.patient_id, bare.metadata, bare.missing) == (None, {}, "refuse")
    assert bare.to_dict()["patient_id"] is None
    stored = {name: bare.to_dict()[name] for name in ("sequence_id", "feature_names", "timestamps", "values")}
    assert TemporalSequence.from_dict(stored) == bare
    made = TemporalSequence.create(["a"], days(1), [[1]])
    assert (made.patient_id, made.metadata, made.missing) == (None, {}, "refuse")
    assert isinstance(made.sequence_id, UUID)


@pytest.mark.parametrize("name", ["sequence_id", "feature_names", "timestamps", "values"])
def test_a_stored_sequence_lacks_what_it_lacks(name: str) -> None:
    stored = TemporalSequence("s", ["a"], days(1), [[1]]).to_dict()
    del stored[name]
    with pytest.raises(ValidationError, match=f"the sequence lacks {name}$"):
        TemporalSequence.from_dict(stored)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timestamps": [START, START - timedelta(days=1)]}, "timestamp 2 is not later than the one before"),
        ({"timestamps": ["yesterday", START]}, "timestamp 1 is not an ISO 8601 time"),
        ({"timestamps": [START, 5]}, "timestamp 2 must be a datetime"),
        ({"values": [[1, 2]]}, r"shape \(timestamps, features\) = \(2, 2\), not \(1, 2\)"),
        ({"values": [[1], [2]]}, r"= \(2, 2\), not \(2, 1\)"),
        (
            {"values": [[1, 2], [float("nan"), 4]]},
            "value of 'a' at step 2 is not a finite number; missing='keep' allows NaN$",
        ),
        ({"values": [[1, -float("inf")], [3, 4]]}, "value of 'b' at step 1 is not a finite number; missing"),
        ({"values": [[1, -float("inf")], [3, 4]], "missing": "keep"}, "'b' at step 1 is not a finite number$"),
        ({"feature_names": ["a", " "]}, "list of non-empty texts"),
        ({"feature_names": ["a", 5]}, "list of non-empty texts"),
        ({"feature_names": "ab"}, "list of non-empty texts"),
        ({"feature_names": ["a", "a"]}, "must be distinct"),
        ({"patient_id": ""}, "patient_id must be"),
        ({"sequence_id": 5}, "sequence_id must be"),
        ({"missing": None}, "missing must be 'refuse' or 'keep'"),
    ],
)
def test_what_is_refused_is_named_with_its_place(change: dict[str, object], message: str) -> None:
    good = {"sequence_id": "s", "feature_names": ["a", "b"], "timestamps": days(2), "values": [[1, 2], [3, 4]]}
    with pytest.raises(ValidationError, match=message):
        TemporalSequence(**{**good, **change})


def test_metadata_and_arrays_are_copies() -> None:
    facts = {"a": 1}
    sequence = TemporalSequence.create(["a"], days(3), [[1], [2], [3]], metadata=facts)
    facts["a"] = 2
    inputs, targets = sequence.to_numpy_arrays()
    inputs[:], targets[:] = 9, 9
    sequence.to_dict()["metadata"]["a"] = 3
    assert sequence.metadata == {"a": 1}
    assert sequence.values.ravel().tolist() == [1, 2, 3]


@pytest.mark.parametrize(("length", "seq_len"), [(1, 1), (3, 3), (4, 3), (np.int64(2), 2)])
def test_padding_at_its_limits(length: int, seq_len: int) -> None:
    padded = TemporalSequence.create(["a"], days(3), [[1], [2], [3]]).to_padded_tensor(length)
    assert padded["seq_len"] == seq_len
    assert padded["values"].ravel().tolist() == ([1, 2, 3][-seq_len:] + [0] * 9)[:length]
    assert padded["mask"].tolist() == [True] * seq_len + [False] * (int(length) - seq_len)


def test_equal_sequences_have_equal_hashes_and_others_mostly_do_not() -> None:
    one = TemporalSequence("s", ["a"], days(2), [[1], [2]])
    assert hash(one) == hash(TemporalSequence.from_dict(one.to_dict()))
    others = [
        TemporalSequence("t", ["a"], days(2), [[1], [2]]),
        TemporalSequence("s", ["b"], days(2), [[1], [2]]),
        TemporalSequence("s", ["a"], days(1), [[1]]),
    ]
    assert len({hash(each) for each in (one, *others)}) == 4
    assert one != TemporalSequence("s", ["a"], days(2), [[1], [3]])
    assert one.extract_subsequence(0, 2).values.tolist() == [[1], [2]]
