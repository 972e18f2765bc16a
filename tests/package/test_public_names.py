"""Every room lists its public names and hands each on from the file that holds it, imported when it is first used."""

import ast
import sys
from importlib import import_module
from pathlib import Path

import pytest

from novamind.lazy import public_names

ROOMS = (
    "novamind", "novamind.biometrics", "novamind.clinic", "novamind.drugs", "novamind.neurochemistry",
    "novamind.pharmacogenomics", "novamind.populations", "novamind.records", "novamind.symptoms", "novamind.twin",
)  # fmt: skip


def homes(room: str) -> dict[str, str]:
    """Return the module of each public name, as the room's file writes it for the type checker."""
    path = import_module(room).__file__
    assert path is not None
    (block,) = (node for node in ast.parse(Path(path).read_text("utf-8")).body if isinstance(node, ast.If))
    return {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_lists_its_public_names_and_resolves_each(name: str) -> None:
    room = import_module(name)
    assert set(room.__all__) == set(homes(name))
    assert set(room.__all__) <= set(dir(room))
    assert dir(room) == sorted(set(dir(room)))
    for public, module in homes(name).items():
        home = import_module(module)
        expected = import_module(f"{name}.{public}") if home is room else getattr(home, public)
        assert room.__getattr__(public) is expected, public


@pytest.mark.parametrize("name", ROOMS)
def test_what_a_room_lacks_is_refused_with_what_it_has(name: str) -> None:
    room = import_module(name)
    with pytest.raises(AttributeError) as refusal:
        _ = room.dreams
    names = ", ".join(sorted(room.__all__))
    assert str(refusal.value) == f"module {name!r} has no attribute 'dreams'; choose from {names}"


def test_a_file_is_imported_when_a_name_of_it_is_first_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = tmp_path / "lazyhouse"
    house.mkdir()
    (house / "__init__.py").write_text(
        "from novamind.lazy import public_names\n"
        "__getattr__, __dir__ = public_names(__name__, {'kitchen': ('stove', 'sink')}, modules=('cellar',))\n"
    )
    (house / "kitchen.py").write_text("stove, sink = 'hot', 'cold'\n")
    (house / "cellar.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    room = import_module("lazyhouse")
    assert {"stove", "sink", "cellar", "__name__"} <= set(dir(room))
    assert {"lazyhouse.kitchen", "lazyhouse.cellar"}.isdisjoint(sys.modules)
    assert room.sink == "cold"
    assert "lazyhouse.cellar" not in sys.modules
    assert room.cellar is sys.modules["lazyhouse.cellar"]
    for module in ("lazyhouse", "lazyhouse.kitchen", "lazyhouse.cellar"):
        del sys.modules[module]


def test_names_come_from_the_files_that_they_are_listed_for() -> None:
    get, listing = public_names("novamind.symptoms", {"domain": ("Scale",)})
    assert get("Scale") is import_module("novamind.symptoms.domain").Scale
    assert "Scale" in listing()
    with pytest.raises(AttributeError, match=r"'SymptomForecast'; choose from Scale$"):
        get("SymptomForecast")
