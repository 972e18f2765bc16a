"""The plan of the house as its files keep it: what a file imports never leads back to that file.

Imports inside functions and those for the type checker alone count as the others do: whoever reads a file has to follow
them too. A package's ``__init__`` is a file like any other, with the names that it loads when they are first asked for.
What Python does unasked is left out: importing ``a.b`` runs ``a/__init__`` first, which would put every package that
hands on names of its own files in a circle with each of them.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

_SOURCE = Path(__file__).parents[1] / "src"


def modules(source: Path) -> dict[str, Path]:
    """Return every module below a folder by its dotted name; a package by its ``__init__``."""
    found = {".".join(file.relative_to(source).with_suffix("").parts): file for file in source.rglob("*.py")}
    return {name.removesuffix(".__init__"): file for name, file in found.items()}


def graph(source: Path) -> dict[str, set[str]]:
    """Return which modules each module imports; a name that is no module counts for the package that holds it."""
    known = modules(source)
    return {name: imported(name, file, known) - {name} for name, file in known.items()}


def imported(name: str, file: Path, known: dict[str, Path]) -> set[str]:
    """Return the modules of ``known`` that a module imports anywhere in its text."""
    text = file.read_text(encoding="utf-8")
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    loads_by_name = "import_module" in text
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=base, names=names, level=level):
                above = package.rsplit(".", level - 1)[0] if level else None
                origin = ".".join(filter(None, (above, base)))
                parts = [f"{origin}.{alias.name}" for alias in names]
                found |= {part if part in known else origin for part in parts}
            case ast.Constant(value=str(word)) if loads_by_name:
                found |= {word, f"{package}.{word}"}
    return found & known.keys()


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Return one circle of modules, each imported by the next; empty where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_file_leads_back_to_itself() -> None:
    imports = graph(_SOURCE)
    assert len(imports) > 200
    assert sum(map(len, imports.values())) > 800
    assert circle(imports) == []


@pytest.mark.parametrize(
    "back",
    [
        "from house.a import A",
        "import house.a",
        "from house import a",
        "from . import a",
        "from .a import A",
        "def late():\n    from house.a import A",
        "class B:\n    def late(self):\n        import house.a as other",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.a import A",
        "from importlib import import_module\nimport_module('house.a')",
        "from importlib import import_module\n_HOMES = {'A': 'a'}\ndef __getattr__(name): ...",
        "from house import A",  # through the package, which loads it by name
        "from house.inner import A",  # through a package that hands it on
        "from house.inner.deep import D",
    ],
)
def test_a_circle_is_found_whichever_way_it_is_closed(tmp_path: Path, back: str) -> None:
    files = {
        "__init__": "import importlib\n_HOMES = {'A': 'a'}\n"
        "def __getattr__(name): return importlib.import_module(f'house.{_HOMES[name]}')",
        "a": "from house.b import B",
        "b": back,
        "inner/__init__": "from house.a import A",
        "inner/deep": "from ..a import A",
    }
    for name, text in files.items():
        file = tmp_path / "house" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert {"house.a", "house.b"} <= set(circle(graph(tmp_path)))
    (tmp_path / "house" / "b.py").write_text("import json\nfrom pathlib import Path\n")
    assert circle(graph(tmp_path)) == []
