"""A joint distribution as arrays: whatever it holds comes back, and nothing else is read."""

import io
import json
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
import pytest

from novamind.errors import ModelInferenceError
from novamind.populations.generation import model_archive
from novamind.populations.generation.sequential_trees import SequentialTrees, Step, Tree
from tests.populations.test_sequential_trees import RULES, hint, world


@pytest.fixture(scope="module")
def fitted() -> SequentialTrees:
    table = world(150)
    return SequentialTrees.fit(table, RULES, last="y", hint=hint(table.values), seed=2)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other, equal_nan=True)) and one.dtype == other.dtype
    if isinstance(one, Tree | Step):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and type(one) is type(other)


def test_everything_comes_back_through_json(fitted: SequentialTrees) -> None:
    manifest, arrays = model_archive.pack(fitted)
    again = model_archive.unpack(json.loads(json.dumps(manifest)), arrays)
    assert len(again.steps) == len(fitted.steps)
    for one, other in zip(fitted.steps, again.steps, strict=True):
        assert same(one, other), one.name
    assert again.rules == fitted.rules
    assert again.columns == fitted.columns
    drawn = [made.draw(40, np.random.default_rng(1), None, hint) for made in (fitted, again)]
    for name, values in drawn[0].items():
        np.testing.assert_array_equal(values, drawn[1][name])


def test_the_format_of_the_manifest(fitted: SequentialTrees) -> None:
    manifest, arrays = model_archive.pack(fitted)
    assert model_archive.FORMAT == 2
    assert list(manifest) == ["format", "columns", "steps", "rules"]
    assert manifest["format"] == 2
    assert list(manifest["columns"][0]) == ["name", "kind", "levels", "decimals"]
    assert set(manifest["steps"][0]) == {
        *("name", "kind", "decimals", "predictors", "rooms", "scale", "pattern", "hinted", "line", "trees", "encoders"),
    }
    assert set(manifest["rules"]) == {"sums", "ranges", "determined", "ratios", "minimum"}
    assert manifest["rules"]["sums"] == [{"parts": ("part",), "total": "total", "equal": False}]
    at = [s["name"] for s in manifest["steps"]].index("part")
    assert {f"{at}/support", f"{at}/grid"} <= set(arrays)
    nodes = ("left", "right", "feature", "threshold", "missing_left", "leaf_of_node", "keys")
    assert {f"{at}/0/{name}" for name in nodes} <= set(arrays)
    assert any(name.startswith(f"{at}/3/encoder") for name in arrays)


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def manifest_bytes(**content: Any) -> np.ndarray:
    return np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)


def test_an_archive_is_read() -> None:
    manifest, arrays = model_archive.read_archive(archive(manifest=manifest_bytes(format=2, x=1), a=np.arange(3)))
    assert manifest == {"format": 2, "x": 1}
    assert list(arrays) == ["a"]
    assert arrays["a"].tolist() == [0, 1, 2]


class Runs:
    """What runs when it is unpickled."""

    ran: ClassVar[list[int]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return (Runs.ran.append, (1,))


def test_nothing_runs_when_an_archive_is_read() -> None:
    content = archive(manifest=manifest_bytes(format=2), a=np.array([Runs()], dtype=object))
    with pytest.raises(ModelInferenceError, match="damaged"):
        model_archive.read_archive(content)
    assert Runs.ran == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged; train it again"),
        (b"PK\x03\x04broken", "damaged"),
        (archive(a=np.arange(3)), "damaged"),
        (archive(manifest=np.frombuffer(b"{no json", dtype=np.uint8)), "damaged"),
        (archive(manifest=np.array([{"pickled": 1}], dtype=object)), "damaged"),
        (archive(manifest=manifest_bytes(format=2))[:-30], "damaged"),
        (archive(manifest=manifest_bytes(format=1)), "has a format that this version cannot read"),
        (archive(manifest=manifest_bytes()), "has a format"),
    ],
)
def test_what_is_no_archive_of_this_format_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ModelInferenceError, match=message):
        model_archive.read_archive(content)
