"""review.py, medications.py and graph.py from their rules: concern, verdict, ranking, comparison, names, edges."""

from dataclasses import replace
from typing import Any

import pytest

from novamind.drugs.catalogue import catalogue, psychiatric
from novamind.drugs.domain import Caution, Severity
from novamind.drugs.names import normalise
from novamind.drugs.tables import sources
from novamind.errors import NotFoundError, ValidationError
from novamind.pharmacogenomics import genotype, recommend
from novamind.pharmacogenomics.domain import Action
from novamind.pharmacogenomics.drug_review import CONCERN_NAMES, DrugReview, advised_concern
from novamind.pharmacogenomics.graph import Edge, MedicationGraph, medication_graph
from novamind.pharmacogenomics.review import Review
from tests.golden import check_golden

EMPTY = recommend({}, ("sertraline",))
SERTRALINE = EMPTY["sertraline"]
ADVICE = recommend(genotype({"CYP2D6": "*4/*4"}), ("paroxetine",))["paroxetine"].guidelines[0]
ALREADY = replace(ADVICE, population="CBZ use >3mos")

# How much each action speaks against the plain use: 4 do not use, 3 prefer another, 2 change the dose, 1 attention.
CONCERN = {
    4: "AVOID AVOID_USE_ALTERNATIVE CONTRAINDICATED",
    3: "AVOID_OR_ADJUST_DOSE AVOID_OR_TDM AVOID_AS_ALTERNATIVE_TO_CBZ CONSIDER_ALTERNATIVE WEIGH_RISK_BENEFIT"
    " ALTERNATIVE_OR_ADJUST_DOSE ALTERNATIVE_OR_INCREASE_IF_NO_RESPONSE",
    2: "ADJUST_DOSE ADJUST_DOSE_OR_ALTERNATIVE ADJUST_DOSE_OR_AVOID ADJUST_DOSE_PER_LABEL REDUCE_DOSE"
    " CONSIDER_REDUCTION REDUCE_IF_SIDE_EFFECTS"
    " LIMIT_MAX_DOSE LOWEST_START LOWER_START_OR_ALTERNATIVE LOWER_START_SLOW_TITRATION"
    " START_LOW_THEN_TDM STANDARD_START_SLOW_TITRATION_LOWER_MAINTENANCE STANDARD_START_THEN_INCREASE_OR_SWITCH"
    " LABEL_DOSE_THEN_TDM CAUTION_TITRATE CAUTIOUS_USE",
    1: "INFORMATION_ONLY MONITOR",
    0: "STANDARD_DOSE NO_ACTION NO_RECOMMENDATION",
}


@pytest.mark.parametrize(("concern", "actions"), CONCERN.items())
def test_an_actions_concern(concern: int, actions: str) -> None:
    for action in actions.split():
        assert advised_concern(replace(ADVICE, action=Action(action))) == concern
        assert advised_concern(replace(ALREADY, action=Action(action))) == 0  # not for somebody who is to begin


def test_every_action_has_a_concern() -> None:
    assert {a for actions in CONCERN.values() for a in actions.split()} == set(Action)


@pytest.mark.parametrize(
    ("drug", "with_", "condition", "concern", "verdict"),
    [
        ("sertraline", "phenelzine", None, 4, "avoid"),
        ("citalopram", "haloperidol", None, 4, "avoid"),
        ("citalopram", "quetiapine", None, 3, "consider another drug"),
        ("escitalopram", "tramadol", None, 1, "use with attention"),
        ("sertraline", None, "age under 25", 1, "use with attention"),
        ("nortriptyline", "celecoxib", None, 0, "no genotype advice"),  # information
        ("sertraline", None, None, 0, "no genotype advice"),
    ],
)
def test_a_cautions_concern(drug: str, with_: str | None, condition: str | None, concern: int, verdict: str) -> None:
    found = recommend({}, (drug,), (with_,) if with_ else (), (condition,) if condition else ())[drug]
    assert (found.concern, found.verdict) == (concern, verdict)


@pytest.mark.parametrize(
    ("reported", "drug", "concern", "verdict"),
    [
        ({"CYP2D6": "*4/*4"}, "thioridazine", 4, "avoid"),
        ({"CYP2D6": "*4/*4"}, "nortriptyline", 3, "consider another drug"),
        ({"CYP2D6": "*4/*4"}, "paroxetine", 2, "adjust the dose"),
        ({"CYP2D6": "*4/*4"}, "perphenazine", 1, "use with attention"),
        ({"CYP2D6": "*1/*1"}, "paroxetine", 0, "use as usual"),
        ({"CYP2D6": "*1/*1"}, "perphenazine", 0, "no genotype advice"),
        ({"HLA-B": "*15:02 positive"}, "carbamazepine", 4, "avoid"),
        ({"HLA-B": "*15:02 negative"}, "carbamazepine", 0, "use as usual"),
    ],
)
def test_the_worst_advice_is_the_verdict(reported: dict[str, str], drug: str, concern: int, verdict: str) -> None:
    found = recommend(genotype(reported), (drug,))[drug]
    assert (found.concern, found.verdict) == (concern, verdict)
    worst = max([advised_concern(a) for a in found.guidelines], default=0)
    assert worst == concern


def test_advice_for_who_has_taken_it_for_months_does_not_decide() -> None:
    found = recommend(genotype({"HLA-B": "*15:02 positive"}), ("oxcarbazepine",))["oxcarbazepine"]
    assert Action.CAUTIOUS_USE in {a.action for a in found.guidelines}
    months = replace(found, guidelines=tuple(a for a in found.guidelines if "use >3" in a.population))
    assert months.guidelines
    assert months.leading is None
    assert found.leading is not None
    assert found.leading.action is Action.AVOID


def test_the_leading_advice_asks_for_most_and_the_first_of_equals() -> None:
    mild, strong = replace(ADVICE, action=Action.MONITOR), replace(ADVICE, action=Action.AVOID, source="A")
    other = replace(strong, source="B")
    standard = replace(ADVICE, action=Action.STANDARD_DOSE)
    assert replace(SERTRALINE, guidelines=(mild, strong, other)).leading == strong
    assert replace(SERTRALINE, guidelines=(mild, other, strong)).leading == other
    assert replace(SERTRALINE, guidelines=(standard,)).leading is None
    assert SERTRALINE.leading is None


def test_concerns_have_their_names() -> None:
    assert CONCERN_NAMES == (
        "use as usual", "use with attention", "adjust the dose", "consider another drug", "avoid",
    )  # fmt: skip
    for concern, name in enumerate(CONCERN_NAMES):
        assert replace(SERTRALINE, concern=concern, standing="").verdict == name
    assert replace(SERTRALINE, concern=0, standing="x").verdict == "no genotype advice"
    assert replace(SERTRALINE, concern=1, standing="x").verdict == "use with attention"


# -- ranking and comparison --------------------------------------------------------------------------------------------


def entry(
    drug: str, concern: int, odds: float | None, *, standing: str = "", dropout: float | None = None
) -> DrugReview:
    rated = SERTRALINE.efficacy
    assert rated is not None
    return replace(
        SERTRALINE, drug=drug, concern=concern, standing=standing,
        efficacy=None if odds is None else replace(rated, odds_ratio=odds),
        dropout=None if dropout is None else replace(rated, odds_ratio=dropout, outcome="dropout"),
    )  # fmt: skip


def review(*entries: DrugReview) -> Review:
    return replace(EMPTY, drugs={e.drug: e for e in entries})


def test_less_concern_then_advice_then_efficacy_then_name() -> None:
    drugs = review(
        entry("sertraline", 1, 3.0),
        entry("lithium", 0, None),
        entry("citalopram", 0, 1.2),
        entry("bupropion", 0, 1.5),
        entry("duloxetine", 0, 9.0, standing="no advice"),
        entry("agomelatine", 0, 1.5),
        entry("paroxetine", 4, 9.0),
    )
    assert [d.drug for d in drugs.ranking] == [
        "agomelatine", "bupropion", "citalopram", "lithium", "duloxetine", "sertraline", "paroxetine",
    ]  # fmt: skip


def test_what_leads_on_what() -> None:
    drugs = review(
        entry("sertraline", 1, 3.0, dropout=1.1),
        entry("lithium", 0, None, dropout=0.5),
        entry("citalopram", 0, 1.2, dropout=0.9),
    )
    assert drugs.comparison() == {
        "highest efficacy": "sertraline", "best balance": "citalopram", "fewest dropouts": "lithium",
    }  # fmt: skip
    assert drugs.comparison(("sertraline", "Celexa")) == {
        "highest efficacy": "sertraline", "best balance": "citalopram", "fewest dropouts": "citalopram",
    }  # fmt: skip
    assert drugs.comparison(("lithium",)) == {"fewest dropouts": "lithium"}
    assert drugs.comparison(()) == {}
    assert review(entry("lithium", 0, None)).comparison() == {}


def test_a_drug_of_concern_is_never_the_best_balance_while_another_has_none() -> None:
    found = recommend(genotype({"CYP2D6": "*4/*4", "CYP2C19": "*2/*2"}), None, ("pimozide", "tramadol"))
    best = found.comparison()["best balance"]
    rated = [d for d in found.values() if d.efficacy]
    assert found[best].concern == min(d.concern for d in rated)
    concerns = [d.concern for d in found.ranking]
    assert concerns == sorted(concerns)


def test_a_review_is_a_collection_by_any_name() -> None:
    drugs = recommend({}, ("Zoloft", "lithium"))
    assert list(drugs) == ["sertraline", "lithium"]
    assert len(drugs) == 2
    assert [d.drug for d in drugs.values()] == ["sertraline", "lithium"]
    assert "ZOLOFT" in drugs
    assert "sertraline" in drugs
    assert "paroxetine" not in drugs
    assert 3 not in drugs
    assert drugs["Lustral"].drug == "sertraline"
    strange = recommend({}, ("Unobtainium",))
    assert "Unobtainium" in strange
    assert strange["Unobtainium"].drug == "Unobtainium"
    with pytest.raises(NotFoundError, match="not part of this review"):
        strange["sertraline"]


def test_a_drug_that_nobody_knows_has_an_entry_that_says_so() -> None:
    found = recommend({}, ("Unobtainium",))["Unobtainium"]
    assert found.standing == "Unobtainium is not in the medication tables; nothing is known about it here."
    assert found.exposure.basis == "The drug is not in our tables."
    assert (found.exposure.ratio, found.exposure.low, found.exposure.high) == (None, None, None)
    assert found.exposures == (found.exposure,)
    assert (found.concern, found.verdict, found.drug_class) == (0, "no genotype advice", "")
    assert found.side_effect_note == "No side-effect rates for this drug are in our tables."
    assert found.evidence == found.guidelines == found.interactions == found.caution == found.side_effects == ()
    assert (found.efficacy, found.dropout, found.therapeutic_range) == (None, None, None)


# -- what is put forward -----------------------------------------------------------------------------------------------


def caution(severity: Severity, text: str = "x") -> Caution:
    return Caution(severity, text, "cause", sources()["labels-2024"])


MINOR = (caution(Severity.MODERATE), caution(Severity.INFORMATION))
GRAVE, FORBIDDEN = caution(Severity.MAJOR, "grave"), caution(Severity.CONTRAINDICATED, "forbidden")


@pytest.mark.parametrize(
    ("cautions", "concern", "odds", "reason"),
    [
        ((), 0, 1.5, None),
        ((), 2, 1.5, None),  # the dose is changed; the drug may be put forward
        (MINOR, 1, 1.5, None),
        (MINOR, 0, None, "no published response is in the tables"),
        ((), 2, None, "no published response is in the tables"),
        ((), 3, 1.5, "consider another drug"),
        (MINOR, 3, None, "consider another drug"),
        ((), 4, None, "avoid"),
        ((*MINOR, GRAVE), 3, 1.5, "grave"),
        ((GRAVE,), 4, None, "grave"),  # a caution says why; a verdict does not
        ((GRAVE,), 0, 1.5, "grave"),
        ((GRAVE, FORBIDDEN), 4, None, "forbidden"),  # the gravest, wherever it stands
        ((FORBIDDEN, GRAVE), 4, 1.5, "forbidden"),
        ((replace(FORBIDDEN, text="first"), FORBIDDEN), 4, 1.5, "first"),
    ],
)
def test_why_a_drug_is_not_put_forward_the_gravest_reason_first(
    cautions: tuple[Caution, ...], concern: int, odds: float | None, reason: str | None
) -> None:
    found = replace(entry("sertraline", concern, odds), caution=cautions)
    assert found.against == reason
    best = review(found).comparison().get("best balance")
    assert best == ("sertraline" if reason is None else None)


def test_severe_are_contraindications_then_major_cautions() -> None:
    found = replace(SERTRALINE, caution=(*MINOR, GRAVE, FORBIDDEN, replace(GRAVE, text="other")))
    assert [c.text for c in found.severe] == ["forbidden", "grave", "other"]
    assert replace(SERTRALINE, caution=MINOR).severe == ()


def test_what_may_not_be_put_forward_is_never_the_best_balance() -> None:
    drugs = review(
        replace(entry("sertraline", 0, 3.0), caution=(FORBIDDEN,)),
        entry("citalopram", 2, 1.2),
        entry("lithium", 0, None),
        entry("paroxetine", 3, 9.0),
    )
    assert drugs.comparison() == {"highest efficacy": "paroxetine", "best balance": "citalopram"}
    assert drugs.comparison(("sertraline", "paroxetine")) == {"highest efficacy": "paroxetine"}


# -- instead of a drug -------------------------------------------------------------------------------------------------


def offered(taken: tuple[str, ...], drug: str, reported: dict[str, str] | None = None, **known: Any) -> list[str]:
    found = recommend(genotype(reported or {}), None, taken, **known)
    return [alternative.review.drug for alternative in found.alternatives(drug)]


def overlaps(taken: str) -> dict[str, list[str]]:
    found = recommend({}, None, (taken,)).alternatives(taken)
    return {alternative.review.drug: [str(c.severity) for c in alternative.overlap] for alternative in found}


def test_a_drug_that_is_stopped_counts_for_no_alternative() -> None:
    """Beside venlafaxine two inhibitors of serotonin reuptake are ruled against; after the switch they are not."""
    with_it = recommend({}, None, ("venlafaxine",))
    assert [d.concern for d in (with_it["duloxetine"], with_it["amitriptyline"])] == [3, 1]
    after = recommend({})
    rated = [d.drug for d in after.ranking if d.against is None and d.drug != "venlafaxine"]
    assert offered(("venlafaxine",), "venlafaxine") == rated[:3] == ["duloxetine", "amitriptyline", "escitalopram"]
    for alternative in with_it.alternatives("venlafaxine"):
        assert alternative.review == after[alternative.review.drug]


def test_what_both_do_together_is_a_caution_of_the_switch() -> None:
    worst = {drug: severities[0] for drug, severities in overlaps("venlafaxine").items()}
    assert worst == {"duloxetine": "major", "amitriptyline": "moderate", "escitalopram": "major"}
    found = recommend({}, None, ("venlafaxine", "warfarin")).alternatives("venlafaxine", 9)
    sums = {"anticholinergic"}
    assert {c.cause for option in found for c in option.overlap} - sums == {"venlafaxine"}
    assert {c.cause for option in found for c in option.review.interactions} - sums == {"warfarin"}


def test_an_inhibitor_of_mao_is_replaced_by_what_it_forbids_now_with_the_wait_told() -> None:
    with_it = recommend({}, None, ("phenelzine",))
    assert with_it["duloxetine"].verdict == "avoid"
    assert {drug: severities[0] for drug, severities in overlaps("phenelzine").items()} == dict.fromkeys(
        ("duloxetine", "amitriptyline", "escitalopram"), "contraindicated"
    )
    for alternative in with_it.alternatives("phenelzine"):
        assert alternative.review.against is None
        assert any("14 days" in c.text for c in alternative.overlap if c.severity == "contraindicated")


def test_another_drug_that_stays_forbids_as_before() -> None:
    assert offered(("venlafaxine", "phenelzine"), "venlafaxine") == ["agomelatine"]
    assert offered(("venlafaxine", "duloxetine"), "venlafaxine")[0] != "duloxetine"


def test_alternatives_keep_the_genotype_conditions_and_allergies() -> None:
    assert offered(("venlafaxine",), "venlafaxine", {"CYP2D6": "*4/*4"}) == [
        "duloxetine",
        "escitalopram",
        "mirtazapine",
    ]
    assert "duloxetine" not in offered(("venlafaxine",), "venlafaxine", conditions=("liver disease",))
    assert offered(("venlafaxine",), "venlafaxine", allergies=("citalopram", "duloxetine"))[:2] == [
        "amitriptyline", "vortioxetine",
    ]  # fmt: skip
    assert "amitriptyline" not in offered(("venlafaxine",), "venlafaxine", allergies=("imipramine",))


def test_alternatives_are_of_the_group_and_so_many() -> None:
    found = recommend({}, None, ("venlafaxine",))
    assert [a.review.drug for a in found.alternatives("venlafaxine", 1)] == ["duloxetine"]
    assert found.alternatives("venlafaxine", 0) == ()
    everyone = found.alternatives("venlafaxine", 100)
    assert len(everyone) > 10
    assert all("antidepressant" in catalogue()[a.review.drug].tags for a in everyone)
    assert all(a.review.concern <= 1 and a.review.against is None for a in everyone)
    assert offered((), "risperidone") == []  # no published response of an antipsychotic is in the tables
    assert offered((), "lithium") == offered((), "unobtainium") == []


def test_a_brand_name_is_the_drug() -> None:
    found = recommend({}, None, ("venlafaxine", "ibuprofen"))
    assert found.alternatives("Effexor") == found.alternatives("venlafaxine") != ()
    assert found.without("Effexor") == found.without("venlafaxine")


def test_without_a_drug_everything_else_stays() -> None:
    found = recommend(
        genotype({"CYP2D6": "*1/*4"}), ("lithium",), ("paroxetine", "ibuprofen"), ("long qt",), ("citalopram",)
    )
    after = found.without("paroxetine")
    assert after == recommend(found.genotype, None, ("ibuprofen",), ("long qt",), ("citalopram",))
    assert set(after) == set(psychiatric())
    assert found.without("sertraline").comedications == ("paroxetine", "ibuprofen")


# -- what goes in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("argument", ["medications", "comedications", "conditions", "allergies"])
def test_one_text_is_no_list(argument: str) -> None:
    with pytest.raises(ValidationError, match=f"'{argument}' takes a list"):
        recommend({}, **{argument: "sertraline"})  # type: ignore[arg-type]


def test_names_are_read_in_any_spelling_and_once() -> None:
    found = recommend(
        {}, ("sertraline",), ("Nardil", "phenelzine", "x1"), ("Long_QT", "long  qt", "AGE under 25", "y1")
    )
    assert found.comedications == ("phenelzine",)
    assert found.conditions == ("long qt", "age under 25", "y1")
    assert found.notes == (
        "No gene result is known: guidelines that need one are not applied, other cautions are.",
        "Interactions were not checked for drugs outside the medication tables: x1.",
        "Conditions that no rule refers to were not used: y1.",
    )


def test_notes_name_genes_and_alleles_without_a_meaning() -> None:
    found = recommend(genotype({"CYP9Z9": "*1/*1", "CYP2C19": "*1/*999", "CYP2D6": "*1/*4"}), ("sertraline",))
    assert found.notes == (
        "CYP9Z9 is not in our gene tables; its result was not used.",
        "CYP2C19: no function is known for allele *999, so the genotype gives no phenotype.",
    )
    assert recommend(genotype({"CYP2D6": "?"}), ("sertraline",)).notes == (EMPTY.notes[0],)


def test_advice_without_the_comedication_is_shown_where_it_differs() -> None:
    reported = genotype({"CYP2D6": "*1/*1"})
    moved = recommend(reported, ("nortriptyline",), ("paroxetine",))["nortriptyline"]
    assert {a.action for a in moved.guidelines_before if a.source == "CPIC"} == {Action.STANDARD_DOSE}
    assert recommend(reported, ("nortriptyline",), ("sertraline",))["nortriptyline"].guidelines_before == ()
    assert recommend(reported, ("nortriptyline",))["nortriptyline"].guidelines_before == ()
    poor = recommend(genotype({"CYP2D6": "*4/*4"}), ("nortriptyline",), ("paroxetine",))["nortriptyline"]
    assert poor.guidelines_before == ()


def test_a_drugs_own_genes_alone_stand_in_its_review() -> None:
    found = recommend(genotype({"CYP2D6": "*1/*4", "CYP2C19": "*1/*2"}), ("escitalopram",))
    assert [c.gene for c in found["escitalopram"].phenotypes] == ["CYP2C19", "CYP2D6"]  # an eighth of its clearance
    assert [c.gene for c in found.phenotypes] == ["CYP2D6", "CYP2C19"]


def test_warnings_of_the_genotype_are_cautions_of_no_concern() -> None:
    called = {"CYP2C19": replace(genotype({"CYP2C19": "*1/*1"})["CYP2C19"], warnings=("seen from afar",))}
    found = recommend(called, ("escitalopram",))["escitalopram"]
    (caution,) = found.caution
    assert (caution.severity, caution.text, caution.cause, caution.source.id) == (
        Severity.INFORMATION, "seen from afar", "CYP2C19", "pharmvar-2025",
    )  # fmt: skip
    assert found.interactions == ()
    assert found.concern == 0
    assert recommend(called, ("lithium",))["lithium"].caution == ()


def test_every_source_of_a_statement_is_in_the_evidence() -> None:
    reported = genotype({"CYP2C19": "*1/*2", "CYP2D6": "*1/*4"})
    found = recommend(reported, ("sertraline",), ("fluvoxamine", "ibuprofen"))["sertraline"]
    cited = {s.id for s in found.evidence}
    parts = [
        *(a.reference for a in found.guidelines), *(s for c in found.phenotypes for s in c.sources),
        *(e.source for e in found.exposures if e.source), *(c.source for c in found.interactions),
        *(s.source for s in found.side_effects), *(e.source for e in (found.efficacy, found.dropout) if e),
        *([found.therapeutic_range.source] if found.therapeutic_range else []),
    ]  # fmt: skip
    assert cited == {s.id for s in parts}
    assert {"cpic-ssri-2023", "osp-fluvoxamine-2023", "braten-2019", "labels-2024", "label-sertraline-2003",
            "cipriani-reanalysis-2018", "agnp-2018"} <= cited  # fmt: skip
    assert len(found.evidence) == len(cited)


@pytest.mark.parametrize(
    ("reported", "drugs", "taken", "conditions"),
    [
        ({"CYP2D6": "*4/*4", "CYP2C19": "*1/*17", "HLA-B": "*15:02 positive"},
         ("clomipramine", "carbamazepine", "atomoxetine", "citalopram"), ("omeprazole", "paroxetine"), ("long qt",)),
        ({"CYP2D6": "*1/*1 or *4/*4", "CYP2C19": "*2/*2", "CYP2B6": "*6/*6", "CYP3A4": "*1/*22"},
         ("sertraline", "quetiapine", "risperidone", "lithium"), ("carbamazepine", "ibuprofen"), ("pregnancy",)),
        ({"CYP2D6": ">=3", "CYP2C9": "*2/*3", "HLA-B": "*15:02/*40:01"},
         ("phenytoin", "haloperidol", "nortriptyline", "unobtainium"), ("tobacco smoking",), ("dementia", "x")),
    ],
    ids=["poor", "ambiguous", "ultrarapid"],
)  # fmt: skip
def test_whole_answers(
    request: pytest.FixtureRequest,
    reported: dict[str, str],
    drugs: tuple[str, ...],
    taken: tuple[str, ...],
    conditions: tuple[str, ...],
) -> None:
    answer = recommend(genotype(reported), drugs, taken, conditions).to_dict()
    check_golden(__file__, f"review_{request.node.callspec.id}", by_id(answer))


def by_id(value: object) -> object:
    """A source by its id alone; the sources have a table of their own."""
    if isinstance(value, dict):
        return value["id"] if {"id", "evidence"} <= set(value) else {k: by_id(v) for k, v in value.items()}
    return [by_id(v) for v in value] if isinstance(value, list) else value


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "generic"),
    [("Zoloft", "sertraline"), (" St  John's   Wort ", "st john's wort"), ("METHYLENE BLUE", "methylene blue"),
     ("valproic acid", "valproate"), ("terbinafine", "terbinafine"), ("perphenazine", "perphenazine"), ("", None),
     ("valproic_acid", None), ("unobtainium", None)],
)  # fmt: skip
def test_names_of_drugs(name: str, generic: str | None) -> None:
    assert normalise(name) == generic


def test_a_drug_of_guidelines_or_modulators_alone_has_no_properties() -> None:
    assert (catalogue()["terbinafine"].drug_class, catalogue()["terbinafine"].tags) == ("antifungal", frozenset())
    citalopram = catalogue()["citalopram"]
    assert (citalopram.name, citalopram.drug_class) == ("citalopram", "SSRI")
    assert {"ssri", "serotonergic", "bleeding", "qt", "qt high", "antidepressant"} <= citalopram.tags


def test_what_a_psychiatrist_chooses_between() -> None:
    chosen = psychiatric()
    assert len(chosen) == len(set(chosen)) == 51
    assert {"sertraline", "lithium", "atomoxetine", "amphetamine", "clozapine", "valproate", "moclobemide"} - set(
        chosen
    ) == {"moclobemide"}
    assert not {"phenelzine", "diazepam", "phenytoin", "linezolid", "ibuprofen", "terbinafine"} & set(chosen)


# -- the graph ---------------------------------------------------------------------------------------------------------

SOURCE = sources()["labels-2024"]


def edge(start: str, end: str, relation: str = "acts") -> Edge:
    return Edge(start, relation, end, "", SOURCE)


CHAIN = MedicationGraph(
    iter([edge("a", "b"), edge("c", "b"), edge("c", "d", "guides"), edge("d", "e"), edge("a", "b")])
)


def test_the_shortest_chain_goes_both_ways_along_edges() -> None:
    assert CHAIN.nodes == ("a", "b", "c", "d", "e")
    assert CHAIN.path("a", "d") == (edge("a", "b"), edge("c", "b"), edge("c", "d", "guides"))
    assert CHAIN.path("a", "a") == ()
    assert CHAIN.path("a", "e") != ()
    assert len(CHAIN.path("a", "e", longest=4)) == 4
    assert CHAIN.path("a", "e", longest=3) == ()
    assert CHAIN.path("e", "a") == tuple(reversed(CHAIN.path("a", "e")))
    loop = MedicationGraph(iter([edge("a", "b"), edge("b", "c"), edge("a", "c")]))
    assert loop.path("a", "c") == (edge("a", "c"),)


def test_a_chain_of_four_is_the_longest_that_is_looked_for() -> None:
    long = MedicationGraph(iter([edge(str(i), str(i + 1)) for i in range(5)]))
    assert len(long.path("0", "4")) == 4
    assert long.path("0", "5") == ()


def test_edges_at_a_node() -> None:
    assert CHAIN.edges("b") == (edge("a", "b"), edge("c", "b"))
    assert CHAIN.edges("c", "guides") == (edge("c", "d", "guides"),)
    assert CHAIN.edges("a", "guides") == ()
    for ask in (lambda: CHAIN.edges("z"), lambda: CHAIN.path("z", "a"), lambda: CHAIN.path("a", "z")):
        with pytest.raises(NotFoundError, match="no such node"):
            ask()


def test_the_packaged_graph() -> None:
    graph = medication_graph()
    relations: dict[str, int] = {}
    for name in graph.nodes:
        for e in graph.edges(name):
            relations[e.relation] = relations.get(e.relation, 0) + 1
    assert all(e.start != e.end for name in graph.nodes for e in graph.edges(name))
    said = {
        "relations": relations, "nodes": len(graph.nodes),
        "valproate": [f"{e.start} {e.relation} {e.end}: {e.detail} {e.source.id}" for e in graph.edges("valproate")],
        "CYP3A4": [f"{e.start} {e.relation} {e.end}: {e.detail} {e.source.id}" for e in graph.edges("CYP3A4")],
        "path": [f"{e.start} {e.relation} {e.end}" for e in graph.path("terbinafine", "long qt", longest=3)],
    }  # fmt: skip
    check_golden(__file__, "graph", said)
