"""Answers as they are today, stored beside the tests of a room: a change of any of them is seen and must be meant.

A golden answer states no rule. It holds what many rules together give on a varied input, so that moving code can't move
an answer unseen. After a change that is meant, run the test with ``NOVAMIND_GOLDEN=write`` and read the difference.
"""

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return a result as JSON knows it: dataclasses, arrays, enums and times become dictionaries, lists and texts."""
    match value:
        case Enum():
            return value.name
        case bool() | None | str() | int():
            return value
        case float() | np.floating():
            number = float(value)
            return float(f"{number:.9g}") if math.isfinite(number) else str(number)
        case np.integer() | np.bool_():
            return value.item()
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case np.ndarray():
            return plain(value.tolist())
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case set() | frozenset():
            return sorted((plain(inner) for inner in value), key=str)
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        case _ if hasattr(value, "to_dicts"):  # a Polars frame
            return plain(value.to_dicts())
        case _:
            raise TypeError(f"golden answers hold no {type(value).__name__}; give its parts")


def check_golden(test_file: str, name: str, answer: Any, relative: float = 1e-6, absolute: float = 1e-9) -> None:
    """Compare an answer with the stored one of this name, in ``golden/`` beside the test file.

    Parameters
    ----------
    test_file
        ``__file__`` of the test.
    name
        What the answer is called: the name of its file.
    answer
        Anything that `plain` can turn into JSON.
    relative, absolute
        How far numbers may differ (other processors sum in another order).
    """
    stored = Path(test_file).parent / "golden" / f"{name}.json"
    found = plain(answer)
    if os.environ.get("NOVAMIND_GOLDEN") == "write":
        stored.parent.mkdir(exist_ok=True)
        stored.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    differences = list(_differences(json.loads(stored.read_text("utf-8")), found, name, relative, absolute))
    assert not differences, "\n".join(differences[:20])


def _differences(old: Any, new: Any, place: str, relative: float, absolute: float) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        if list(old) != list(new):
            yield f"{place}: keys {list(old)} became {list(new)}"
            return
        for key in old:
            yield from _differences(old[key], new[key], f"{place}.{key}", relative, absolute)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{place}: {len(old)} entries became {len(new)}"
            return
        for i, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, after, f"{place}[{i}]", relative, absolute)
    elif _number(old) and _number(new):
        if not math.isclose(old, new, rel_tol=relative, abs_tol=absolute):
            yield f"{place}: {old} became {new}"
    elif old != new or type(old) is not type(new):
        yield f"{place}: {old!r} became {new!r}"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
