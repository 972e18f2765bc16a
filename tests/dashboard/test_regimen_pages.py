"""What-if with several steps, and proposed changes of drugs, on the pages."""

import os
import re
from typing import Any

import pytest

from novamind.drugs.kinetics import kinetics
from tests.dashboard.test_browser import LOADED, Walk, walk  # noqa: F401 - a fixture
from tests.server.world import World


def steps(*rows: dict[str, str], weeks: str = "4") -> dict[str, Any]:
    """A form's fields, one row for each step; four rows as the page has them."""
    names = ("drug", "dose_mg", "interval_hours", "start", "stop")
    filled = [*rows, *[{}] * (4 - len(rows))]
    return {name: [row.get(name, "24" if name == "interval_hours" else "") for row in filled] for name in names} | {
        "weeks": weeks
    }


def test_the_form_opens_at_the_usual_dose_of_its_drug(person: Any, world: World) -> None:
    page = person("C11").get(f"/patients/{world.patients['P1']}").text
    first = re.search(
        r'<select name="drug" required data-usual-dose><option value="([^"]+)" data-usual="([^"]+)"', page
    )
    assert first is not None
    usual = kinetics(first[1]).usual_dose
    assert float(first[2]) == pytest.approx(usual, abs=0.001)
    assert f'name="dose_mg" type="number" min="0.001" max="10000" step="any" value="{usual:g}"' in page
    assert page.count(f'<option value="{first[1]}"') == 5  # one drug, and four rows of steps


def test_steps_are_simulated_with_their_cautions(person: Any, world: World) -> None:
    at = f"/patients/{world.patients['P1']}"
    asked = steps({"drug": "phenelzine", "dose_mg": "45"}, {"drug": "sertraline", "start": "7"})
    shown = person("C11").post(f"{at}/regimen", data=asked)
    assert shown.status_code == 200
    text = shown.text.replace("\xa0", " ")
    assert "phenelzine 45 mg every 24 h" in text
    assert "sertraline 50 mg every 24 h" in text  # an empty dose is the usual one
    assert "<strong>Contraindicated</strong>, day 8 to 28" in text
    assert "<svg" in text
    assert "Not known:" in text


def test_a_change_of_drugs_is_proposed_to_judge(person: Any, world: World) -> None:
    made = world.call("POST", "/api/v1/patients", "C11", json={"name": "New Person"})
    at = f"/patients/{made.json()['ids'][0]}"
    course = {"medication": "paroxetine", "start": "2026-01-01", "dose_mg": 20}
    assert world.call("POST", f"/api/v1{at}/medications", "C11", json=course).status_code == 201
    shown = person("C11").post(f"{at}/switch", data={"old": "paroxetine", "new": "mirtazapine"}).text
    assert "while mirtazapine comes up" in shown
    assert "To judge, not to follow." in shown
    for old, new, why in (
        ("paroxetine", "lithium", "No rule in our tables"),
        ("sertraline", "mirtazapine", "The record does not say that sertraline is taken"),
        ("paroxetine", "paroxetine", "the same drug"),
    ):
        refused = person("C11").post(f"{at}/switch", data={"old": old, "new": new})
        assert refused.status_code == 422
        assert why in refused.text


@pytest.mark.parametrize(
    ("field", "value"),
    [("dose_mg", "-3"), ("dose_mg", "many"), ("interval_hours", "0"), ("start", "-1"), ("weeks", "99")],
)
def test_a_figure_out_of_range_is_refused_by_its_field(person: Any, world: World, field: str, value: str) -> None:
    row = {"drug": "sertraline"} | ({} if field == "weeks" else {field: value})
    asked = steps(row, weeks=value if field == "weeks" else "4")
    refused = person("C11").post(f"/patients/{world.patients['P1']}/regimen", data=asked)
    assert refused.status_code == 422
    assert field in refused.text


@pytest.mark.parametrize("path", ["regimen", "switch"])
def test_anothers_patient_is_not_simulated(person: Any, world: World, path: str) -> None:
    data = steps({"drug": "sertraline"}) | {"old": "sertraline", "new": "mirtazapine"}
    assert person("C21").post(f"/patients/{world.patients['P1']}/{path}", data=data).status_code in (403, 404)


def test_a_clinician_sees_the_picture_of_a_change(walk: Any) -> None:  # noqa: F811
    seen: Walk = walk()
    page = seen.page
    seen.log_in("demo")
    page.wait_for_selector(LOADED)
    page.get_by_label("Name or identifier").fill("person 7")
    seen.go("button", "Search")
    seen.go("link", "Simulated Person 7")
    page.wait_for_selector(LOADED)
    drug = page.get_by_role("combobox", name="Drug")
    drug.select_option("lithium")
    assert page.get_by_role("spinbutton", name="Dose in mg").input_value() == "900"
    page.get_by_text("Several steps: titrate").click()
    page.get_by_role("combobox", name="From").select_option("paroxetine")
    page.get_by_role("combobox", name="To").select_option("mirtazapine")
    seen.accessible()
    page.get_by_role("button", name="Propose").click()
    page.wait_for_selector("#whatif-answer .picture svg")
    seen.accessible()
    if folder := os.environ.get("NOVAMIND_SCREENSHOTS"):
        page.emulate_media(color_scheme="light")
        for name, width in (("phone", 390), ("desktop", 1280)):
            page.set_viewport_size({"width": width, "height": 900})
            page.locator("section[aria-labelledby=whatif]").screenshot(path=f"{folder}/switch-{name}.png")
    seen.page.set_viewport_size({"width": 390, "height": 844})
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
