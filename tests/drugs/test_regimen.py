"""What a list of drugs does to each other, told once for all pairs."""

import itertools

import pytest

import novamind as nm
from novamind.drugs.cautions import cautions, sum_rules
from novamind.drugs.domain import Severity
from novamind.drugs.regimen import interactions, since_stop
from novamind.errors import ValidationError


def test_pairs_are_those_of_each_drugs_own_cautions_whatever_the_order_and_the_spelling() -> None:
    found = interactions(["Zoloft", "phenelzine", "lithium", "Advil"])
    assert found.drugs == ("ibuprofen", "lithium", "phenelzine", "sertraline")
    assert found.to_dict() == interactions(["lithium", "ibuprofen", "sertraline", "phenelzine"]).to_dict()
    pairs = {(p.a, p.b): set(p.cautions) for p in found.pairs}
    sums = {rule.caution for rule in sum_rules()}
    for a, b in itertools.combinations(found.drugs, 2):
        assert pairs.get((a, b), set()) == set(cautions(a, (b,))) - sums
    assert (found.pairs[0].a, found.pairs[0].b, found.pairs[0].severity) == (
        "phenelzine", "sertraline", Severity.CONTRAINDICATED,
    )  # fmt: skip


def test_a_stopped_drug_stands_in_its_pairs_and_not_among_the_drugs() -> None:
    found = interactions(["sertraline"], {"Nardil": 5})
    assert (found.drugs, dict(found.stopped)) == (("sertraline",), {"phenelzine": 5})
    assert [(p.a, p.b, p.severity) for p in found.pairs] == [("sertraline", "phenelzine", Severity.CONTRAINDICATED)]
    assert interactions(["sertraline"], {"Nardil": 14}).pairs == ()
    assert interactions(["sertraline", "phenelzine"], {"phenelzine": 3}).stopped == {}


def test_of_several_stops_of_one_drug_the_latest_counts_and_an_unknown_day_before_all() -> None:
    assert since_stop({"Nardil": 20, "phenelzine": 5}) == ({"phenelzine": 5}, [])
    assert since_stop({"phenelzine": 5, "Nardil": 20}) == ({"phenelzine": 5}, [])
    assert since_stop({"phenelzine": 5, "Nardil": None}) == since_stop({"Nardil": None, "phenelzine": 5})
    assert since_stop({"phenelzine": 5, "Nardil": None})[0] == {"phenelzine": None}
    assert since_stop({"Symbyax": 3, "unheardofine": 1}) == ({"olanzapine": 3, "fluoxetine": 3}, ["unheardofine"])


def test_what_is_not_in_the_tables_is_named() -> None:
    found = interactions(["sertraline", "unheardofine"])
    assert found.not_checked == ("unheardofine is not in our tables: nothing of it was checked.",)
    assert interactions(["sertraline", "lithium"]).not_checked == ()
    assert interactions([" "]).not_checked == ("An empty name is not in our tables: nothing of it was checked.",)
    assert all(len(sentence) < 200 for sentence in interactions(["x" * 5000]).not_checked)
    assert interactions(["sertraline"], {"paracetamol": 1}).not_checked[-1].startswith("How long paracetamol acts")


def test_sums_are_told_once_for_the_list() -> None:
    found = interactions(["amitriptyline", "olanzapine", "carbamazepine"])
    texts = [c.text for c in found.together]
    assert len(texts) == len(set(texts))
    assert any("6 points" in text for text in texts)
    assert not [c for p in found.pairs for c in p.cautions if "points" in c.text]


def test_a_result_shows_itself() -> None:
    found = interactions(["pimozide", "clarithromycin", "unheardofine"])
    assert repr(found).startswith("<Interactions: 2 drugs, 1 pair with a caution, 1 severe; ")
    assert "Orap US label 4" in found.frame["section"].to_list()
    assert found.frame.columns == ["a", "b", "severity", "text", "section", "source"]
    assert len(found.frame) == sum(len(p.cautions) for p in found.pairs) + len(found.together)
    assert "unheardofine" in found._repr_html_()
    body = found.to_dict()
    assert body["pairs"][0]["severity"] == "contraindicated"
    assert body["pairs"][0]["cautions"][0]["source"]["evidence"] in ("secondary", "unverified")
    assert nm.drugs.interactions(["pimozide", "clarithromycin"]).drugs == ("clarithromycin", "pimozide")


@pytest.mark.parametrize(
    ("medications", "stopped"),
    [("sertraline", None), (["sertraline"], {"phenelzine": -1}), (["sertraline"], {"phenelzine": "3"})],
)
def test_a_text_for_a_list_and_days_below_zero_are_refused(medications: list[str], stopped: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        interactions(medications, stopped)
