"""How a package hands on the public names of its files: each file is imported when one of its names is first used."""

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def public_names(
    package: str, files: Mapping[str, Collection[str]], modules: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and the ``__dir__`` of a package (PEP 562).

    Parameters
    ----------
    package
        Dotted name of the package.
    files
        Public names in each file; a file by its dotted name inside the package.
    modules
        Modules of the package that are public themselves.
    """
    homes = {name: file for file, names in files.items() for name in names}
    public = sorted({*homes, *modules})

    def attribute(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name in homes:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}; choose from {', '.join(public)}")

    def listing() -> list[str]:
        return sorted({*vars(sys.modules[package]), *public})

    return attribute, listing
