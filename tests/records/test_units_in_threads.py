"""Units that are asked for at once by several threads, in a process that has not used any yet."""

import subprocess
import sys

from tests.patience import patient

_ASK = """
import sys, threading
import novamind.records.units as units

sys.setswitchinterval(1e-5)
factors = {}

def ask(unit):
    factors[unit] = units.conversion(unit, "min")

threads = [threading.Thread(target=ask, args=(unit,)) for unit in ("h", "d", "wk", "s", "ms", "us")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert factors["h"] == (60, 0) and factors["d"] == (1440, 0) and factors["wk"] == (10080, 0), factors
assert factors["s"] is not None and factors["ms"] is not None and factors["us"] is not None, factors
"""


def test_units_are_the_same_for_threads_that_begin_together() -> None:
    """A registry that is used half built says that an hour is no time, in every answer of the process."""
    command = [sys.executable, "-c", _ASK]
    answer = subprocess.run(command, capture_output=True, check=False, timeout=patient(60))
    assert answer.returncode == 0, answer.stderr
