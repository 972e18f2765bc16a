"""The page: every figure in its place, and whatever comes from a table is text."""

import re
from pathlib import Path

import pytest

from novamind.populations import InterventionConfig, SimulationEngine
from novamind.populations.presentation import plots, report
from tests.golden import check_golden
from tests.populations import by_hand


def written(path: Path, **options: object) -> str:
    assert (
        report.write(path / "page.html", by_hand.population(1_200, brand="<kisqali>"), **options) == path / "page.html"
    )
    return (path / "page.html").read_text("utf-8")


def test_the_page_of_a_simulation(tmp_path: Path) -> None:
    result = SimulationEngine(by_hand.population()).simulate(InterventionConfig("email_campaign"))
    page = written(tmp_path, metrics=by_hand.metrics(epsilon=3.0, delta=1e-6), result=result)
    assert "Population twins: 1,200 hcp, &lt;kisqali&gt;" in page
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<(svg|style).*?</\1>", "", page, flags=re.DOTALL)))
    assert "0.457 ± 0.034" in text
    assert "95.1 %, worst group 92.3 %" in text
    assert "epsilon 3, delta 1e-06" in text
    check_golden(__file__, "page", [line.strip() for line in text.split(". ")])
    assert page.count("<svg") == 1
    assert "effect (assumed)" in page
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)


def test_a_page_of_a_population_alone(tmp_path: Path) -> None:
    page = written(tmp_path, metrics=by_hand.metrics())
    assert re.search(r"Differential privacy</th><td>none</td>", page)
    plain = written(tmp_path)
    assert "<svg" not in plain
    assert "Simulation" not in plain
    assert "Cross-validated" not in plain
    assert f"Model {by_hand.MODEL_ID}, seed 7, drawn {by_hand.DAY}" in re.sub(r"\s+", " ", plain).replace(" .", ".")


def test_the_picture_is_drawn_without_a_browser() -> None:
    assert report._svg(plots.fidelity([by_hand.graded()])).startswith("<svg")


@pytest.mark.parametrize("name", ["unsaved"])
def test_a_model_that_is_not_stored(tmp_path: Path, name: str) -> None:
    path = report.write(tmp_path / "p.html", by_hand.population(model_id=None))
    assert f"Model {name}, seed 7" in path.read_text("utf-8")
