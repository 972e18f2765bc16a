import re
import warnings
from pathlib import Path

import polars as pl

from tests.populations.conftest import accounts, pilot

PAGE = Path(__file__).parents[2] / "docs" / "populations.md"


def test_the_documented_workflows_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {
        "table": accounts(1_500)
        .drop("payments")
        .with_columns(territory=pl.Series([f"T{i % 30}" for i in range(1_500)])),
        "pilot": pilot(1_700, lambda f: 0.09 + 0 * f["decile"].to_numpy(), 4),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
            exec(block, names)  # noqa: S102
    names["repository"].close()
    assert names["covariates"] == ("decile", "specialty")
    assert "deploy" in capsys.readouterr().out
    assert not names["drift"].retrain
    assert names["report"].grade
