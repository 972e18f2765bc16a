"""What the README promises runs as it stands there."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from novamind.cli import main
from novamind.settings import Settings

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text()


@pytest.fixture
def diary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the files that the README speaks of."""
    rows = [f"2025-01-{day:02d},{8 + day * day % 7}" for day in range(1, 29) if day % 6]
    (tmp_path / "diary.csv").write_text("timestamp,value\n" + "\n".join(rows) + "\n")
    hours = [f"2025-01-{1 + h // 24:02d}T{h % 24:02d}:00" for h in range(24 * 28)]
    signal = [f"{hour},hrv,{40 + h * h % 17}" for h, hour in enumerate(hours)]
    (tmp_path / "signals.csv").write_text("timestamp,signal,value\n" + "\n".join(signal) + "\n")
    reports = [f"{hour},{h * 7 % 5}" for h, hour in enumerate(hours) if h % 11 == 0]
    (tmp_path / "reports.csv").write_text("timestamp,value\n" + "\n".join(reports) + "\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", TEXT, re.S))
@pytest.mark.usefixtures("diary")
def test_python_runs(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - our own text


@pytest.mark.parametrize("line", re.findall(r"^\$ (novamind .*?)(?: +#.*)?$", TEXT, re.M))
@pytest.mark.usefixtures("diary")
def test_shell_runs(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code


def test_links_lead_somewhere() -> None:
    pages = [README, *sorted((README.parent / "docs").glob("*.md"))]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_settings_page_lists_every_setting() -> None:
    """Prints the table as it should stand in docs/settings.md when it does not."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        shown = "" if default in (None, ()) else f"`{json.dumps(default, default=str)}`".replace('"', "")
        rows.append(f"| `NOVAMIND_{name.upper()}` | {shown} | {field.description} |")
    assert "\n".join(rows) in (README.parent / "docs" / "settings.md").read_text(), "\n".join(rows)
