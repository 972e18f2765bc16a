"""Changes from one drug to another; waits typed again from the labels and Keks 2016."""

import pytest

from novamind.drugs.domain import Severity
from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.switching import cross_taper, switch_rule


@pytest.mark.parametrize(
    ("old", "new", "strategy", "days"),
    [
        ("phenelzine", "sertraline", "wait", 14),
        ("sertraline", "phenelzine", "wait", 14),
        ("fluoxetine", "tranylcypromine", "wait", 35),
        ("vortioxetine", "phenelzine", "wait", 21),
        ("tranylcypromine", "phenelzine", "wait", 14),
        ("moclobemide", "sertraline", "wait", 1),
        ("fluoxetine", "venlafaxine", "wait", 5),
        ("escitalopram", "sertraline", "direct", 0),
        ("escitalopram", "venlafaxine", "direct", 0),
        ("sertraline", "mirtazapine", "cross-taper", 14),
        ("sertraline", "nortriptyline", "cross-taper", 14),
        ("olanzapine", "risperidone", "cross-taper", 21),
        ("clozapine", "risperidone", "cross-taper", 28),
        ("olanzapine", "aripiprazole", "plateau", 28),
        ("olanzapine", "cariprazine", "plateau", 28),
        ("olanzapine", "brexpiprazole", "plateau", 28),
    ],
)
def test_the_rule_for_two_drugs(old: str, new: str, strategy: str, days: int) -> None:
    rule = switch_rule(old, new)
    assert rule.strategy == strategy
    assert max(rule.wait_days, rule.taper_days) == days
    assert rule.start_share == 0.5


@pytest.mark.parametrize(("old", "new"), [("phenelzine", "sertraline"), ("fluoxetine", "tranylcypromine"),
                                          ("citalopram", "pimozide")])  # fmt: skip
def test_what_must_not_meet_does_not_meet(old: str, new: str) -> None:
    proposal = cross_taper(old, new)
    severities = {of.severity for of in proposal.simulation.overlaps}
    assert Severity.CONTRAINDICATED not in severities
    assert "must not meet" in proposal.sentence


def test_a_cross_taper_goes_down_while_the_other_comes_up() -> None:
    proposal = cross_taper("sertraline", "mirtazapine", 100, 30, taper_days=12)
    doses = [(step.drug, step.dose_mg, step.start, step.stop) for step in proposal.steps]
    assert doses == [
        ("sertraline", 100, 0, 14),
        ("sertraline", 75, 14, 18),
        ("mirtazapine", 15, 14, 20),
        ("sertraline", 50, 18, 22),
        ("mirtazapine", 30, 20, None),
        ("sertraline", 25, 22, 26),
    ]
    assert "only the abstract was read" in proposal.sentence


def test_on_a_plateau_the_new_drug_reaches_its_dose_first() -> None:
    steps = cross_taper("olanzapine", "aripiprazole").steps
    full = next(step.start for step in steps if step.drug == "aripiprazole" and step.stop is None)
    first_cut = next(step.start for step in steps if step.drug == "olanzapine" and step.dose_mg == 7.5)
    assert full == first_cut


def test_a_slow_drug_is_steady_before_it_is_stopped() -> None:
    first = cross_taper("fluoxetine", "venlafaxine").steps[0]
    assert first.stop is not None
    assert first.stop_day >= 49


def test_the_picture_has_both_drugs_and_the_json_the_sentence() -> None:
    proposal = cross_taper("sertraline", "mirtazapine")
    titles = [part["title"] for part in proposal.plot().to_dict()["vconcat"]]
    assert [title.split()[0] for title in titles[1:3]] == ["sertraline", "mirtazapine"]
    assert proposal.to_dict()["sentence"] == proposal.sentence
    assert "mirtazapine" in proposal._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("sertraline", "Zoloft"), ValidationError),
        (("sertraline", "snake oil"), NotFoundError),
        (("lithium", "sertraline"), ValidationError),
        (("sertraline", "mirtazapine", 0), ValidationError),
        (("sertraline", "mirtazapine", -5), ValidationError),
    ],
    ids=str,
)
def test_a_change_without_a_rule_is_refused(arguments: tuple[object, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        cross_taper(*arguments)  # type: ignore[arg-type]


def test_a_taper_belongs_to_a_rule_that_has_one() -> None:
    with pytest.raises(ValidationError, match="has no taper"):
        cross_taper("escitalopram", "venlafaxine", taper_days=14)
    with pytest.raises(ValidationError, match="4 to 180"):
        cross_taper("sertraline", "mirtazapine", taper_days=2)
