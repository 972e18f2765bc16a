"""Whoever follows an analysis through the files does not go to and fro between them."""

import novamind.biometrics.notebook as biometrics
from tests.biometrics.conftest import Frames
from tests.walks import walk


def test_an_analysis_reads_in_few_steps(tables: Frames) -> None:
    files = walk(lambda: biometrics.correlate(tables.biometrics, tables.symptoms, max_lag_hours=24))
    assert files[0] == "biometrics/notebook.py"
    assert len(files) - 1 <= 46 // 2, files
