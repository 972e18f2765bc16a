"""How far a reader walks through the files to follow one call: functions in the order in which they are first called.

At commit 76e9b70 the analysis of the fixture ``tables`` of tests/biometrics went from file to file 46 times, the import
of the bundle of tests/records/test_fhir_walk.py 32 times (35 with comprehensions).
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import novamind

_ROOT = str(Path(novamind.__file__).parent)


def walk(call: Callable[[], object], *, comprehensions: bool = True) -> list[str]:
    """Return the files of our functions that a call runs, in the order of first calls, repeats beside each other once.

    The call runs twice: what is loaded once only is no part of the walk. ``comprehensions`` says whether comprehensions
    and lambdas count as functions.
    """
    call()
    seen: set[tuple[str, str]] = set()
    files: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        place = (code.co_filename, code.co_qualname)
        if event != "call" or not code.co_filename.startswith(_ROOT) or place in seen:
            return
        if code.co_name.startswith("<") and not comprehensions:
            return
        seen.add(place)
        file = str(Path(code.co_filename).relative_to(_ROOT))
        if files[-1:] != [file]:
            files.append(file)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    return files
