"""The whole answer: cautions accumulate, ambiguity is carried, every outcome is stated."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import novamind as nm
from novamind.drugs.catalogue import catalogue, psychiatric
from novamind.drugs.cautions import cautions, known_conditions
from novamind.drugs.domain import Severity
from novamind.drugs.tables import rows
from novamind.errors import NotFoundError, ValidationError
from novamind.pharmacogenomics import PharmacogenomicsService, genotype, medication_graph, recommend
from novamind.pharmacogenomics.domain import Action
from novamind.pharmacogenomics.outcomes import efficacy

from .vcf_text import vcf

POOR = genotype({"CYP2D6": "*4/*4", "CYP2C19": "*2/*2", "CYP2B6": "*1/*1", "HLA-B": "*15:02 positive"})


def test_front_door() -> None:
    g = nm.pharmacogenomics.genotype({"CYP2D6": "*1/*4", "HLA-B": "*15:02 positive"})
    r = nm.pharmacogenomics.recommend(g, comedications=("paroxetine",))
    venlafaxine = r["venlafaxine"]
    change = next(c for c in venlafaxine.phenotypes if c.gene == "CYP2D6")
    assert change.before.activity_score == 1.0
    assert change.after.activity_score == 0.0
    cpic = next(a for a in venlafaxine.guidelines if a.source == "CPIC")
    assert cpic.action is Action.CONSIDER_ALTERNATIVE
    assert cpic.strength == "Optional"
    assert cpic.url
    assert venlafaxine.guidelines_before
    assert venlafaxine.efficacy is not None
    assert r["Effexor"] is venlafaxine
    assert "Effexor" in r
    assert "unobtainium" not in r
    with pytest.raises(ValidationError, match="list"):
        nm.pharmacogenomics.recommend(g, "venlafaxine")
    assert r.ranking[0].concern <= r.ranking[-1].concern


def test_the_drug_itself_among_the_comedications_keeps_its_own_look_up() -> None:
    r = recommend(genotype({"CYP2D6": "*1/*1"}), ("paroxetine", "nortriptyline"), ("paroxetine",))
    assert {a.action for a in r["paroxetine"].guidelines if a.source == "CPIC"} == {Action.STANDARD_DOSE}
    assert {a.action for a in r["nortriptyline"].guidelines if a.source == "CPIC"} == {Action.AVOID_OR_ADJUST_DOSE}


REVIEWED = ("sertraline", "citalopram", "lithium", "clozapine", "lamotrigine", "bupropion")
INTERACTING = sorted(d for d in catalogue() if any(cautions(drug, (d,), ()) for drug in REVIEWED))


@given(
    st.lists(st.sampled_from(INTERACTING), max_size=4),
    st.sampled_from(INTERACTING),
    st.lists(st.sampled_from(known_conditions()), max_size=3),
)
@settings(max_examples=40, deadline=None)
def test_cautions_only_accumulate(taken: list[str], more: str, conditions: list[str]) -> None:
    before = recommend(POOR, REVIEWED, taken, conditions)
    after = recommend(POOR, REVIEWED, [*taken, more], conditions)
    with_condition = recommend(POOR, REVIEWED, taken, [*conditions, "long qt"])
    for drug in REVIEWED:
        assert set(before[drug].caution) <= set(after[drug].caution)
        assert set(before[drug].caution) <= set(with_condition[drug].caution)
        assert before[drug].concern <= with_condition[drug].concern
    grown = sum(len(after[drug].caution) > len(before[drug].caution) for drug in REVIEWED)
    event(f"{grown} drugs have one more")
    assert (grown > 0) == (more not in taken)


@pytest.mark.parametrize(
    ("drug", "with_", "condition", "severity"),
    [
        ("sertraline", "phenelzine", None, "contraindicated"),
        ("sertraline", "linezolid", None, "contraindicated"),
        ("bupropion", "tranylcypromine", None, "contraindicated"),
        ("escitalopram", "tramadol", None, "moderate"),
        ("citalopram", "haloperidol", None, "major"),
        ("citalopram", None, "long qt", "contraindicated"),
        ("lithium", "ibuprofen", None, "major"),
        ("lithium", "hydrochlorothiazide", None, "major"),
        ("lithium", "lisinopril", None, "major"),
        ("lithium", None, "renal impairment", "major"),
        ("lamotrigine", "valproate", None, "major"),
        ("valproate", "lamotrigine", None, "major"),
        ("valproate", None, "pregnancy", "contraindicated"),
        ("clozapine", "carbamazepine", None, "major"),
        ("clozapine", "tobacco smoking", None, "moderate"),
        ("pimozide", "citalopram", None, "contraindicated"),
        ("paroxetine", "tamoxifen", None, "major"),
        ("bupropion", None, "eating disorder", "contraindicated"),
        ("sertraline", "warfarin", None, "moderate"),
        ("nortriptyline", "paroxetine", None, "moderate"),  # also without any genotype
        ("paroxetine", "nortriptyline", None, "moderate"),
        ("desipramine", "terbinafine", None, "major"),
    ],
)
def test_cautions_a_psychiatrist_expects(drug: str, with_: str | None, condition: str | None, severity: str) -> None:
    review = recommend({}, (drug,), (with_,) if with_ else (), (condition,) if condition else ())
    assert severity in {str(c.severity) for c in review[drug].interactions}
    assert all(c.source.url for c in review[drug].interactions)


def test_ambiguity_reaches_the_advice() -> None:
    r = recommend(genotype({"CYP2D6": "*1/*1 or *4/*4"}), ("paroxetine",))
    cpic = {a.action for a in r["paroxetine"].guidelines if a.source == "CPIC"}
    assert cpic == {Action.STANDARD_DOSE, Action.ADJUST_DOSE}
    assert r["paroxetine"].concern == 2


def test_provisional_calls_say_so_in_the_advice() -> None:
    called = nm.pharmacogenomics.call_vcf(vcf("CYP2C19", missing=frozenset({94852765})))
    advice = recommend(called, ("citalopram",))["citalopram"]
    assert all("provisional" in reason for a in advice.guidelines for reason in a.when)
    assert any("missing" in c.text for c in advice.caution)


def test_stated_outcomes() -> None:
    empty = recommend({})
    assert set(empty) == set(psychiatric())
    assert any("No gene result" in note for note in empty.notes)
    assert all(not d.guidelines for d in empty.values())
    strange = recommend(POOR, ("sertraline", "unobtainium"), ("kryptonite",), ("bad luck",))
    assert "not in the medication tables" in strange["unobtainium"].standing
    assert any("kryptonite" in note for note in strange.notes)
    assert any("bad luck" in note for note in strange.notes)
    with pytest.raises(NotFoundError):
        strange["fluoxetine"]
    assert recommend(POOR, ("lurasidone",))["lurasidone"].side_effect_note
    unknown = recommend(genotype({"CYP2D6": "?/?"}), ("paroxetine",))
    assert unknown["paroxetine"].guidelines == ()
    assert "CYP2D6" in unknown["paroxetine"].standing
    assert recommend(POOR, ("lithium",))["lithium"].exposure.ratio is None


def test_fifty_comedications() -> None:
    review = recommend(POOR, None, sorted(catalogue())[:50], known_conditions())
    assert len(review) == len(psychiatric())
    assert max(d.concern for d in review.values()) == 4


def test_carriers_risks_and_exposure_scaled_effects() -> None:
    r = recommend(POOR, ("carbamazepine", "citalopram", "risperidone"))
    assert any("1.8-3.4 %" in s.risk for s in r["carbamazepine"].side_effects)
    qt = next(s for s in r["citalopram"].side_effects if "QTc" in s.effect)
    assert qt.adjusted is not None
    assert qt.adjusted.startswith("19 ms")  # 8.5 ms + 5 ms for each further 20 mg, at 3 times the level: both genes
    assert any(s.effect == "therapy failure" for s in r["risperidone"].side_effects)
    negative = recommend(genotype({"HLA-B": "*15:02 negative"}), ("carbamazepine",))
    assert not negative["carbamazepine"].side_effects


def test_comparison_and_ranking_use_published_figures_only() -> None:
    r = recommend(POOR, ("sertraline", "amitriptyline", "fluoxetine", "agomelatine", "lithium"))
    leaders = r.comparison()
    odds = {d: e[0].odds_ratio for d, e in efficacy().items()}
    assert leaders["highest efficacy"] == max(
        ("sertraline", "amitriptyline", "fluoxetine", "agomelatine"), key=odds.__getitem__
    )
    assert leaders["fewest dropouts"] == "agomelatine"
    assert [d.concern for d in r.ranking] == sorted(d.concern for d in r.ranking)


def test_the_shipped_odds_ratios_are_the_reference_ones(shared: Path) -> None:
    lines = (shared / "efficacy" / "nma_union.csv").read_text().splitlines()[1:]
    for line in lines:
        drug, _, _, odds, low, high, _ = line.split(",")
        ours = next(e for e in efficacy()[drug] if e.outcome == "response")
        assert (ours.odds_ratio, ours.low, ours.high) == pytest.approx(
            (float(odds), float(low), float(high)), abs=0.006
        )


def test_the_report_has_its_sections_and_a_source_for_every_statement() -> None:
    review = recommend(POOR, None, ("paroxetine", "ibuprofen"), ("long qt",))
    html = review.report_html()
    for section in (
        "Genotype summary",
        "Phenotypes before and after",
        "Recommendations",
        "Caveats",
        "Sources",
    ):
        assert section in html
    cited = set(re.findall(r'href="#s(\d+)"', html))
    assert cited == set(re.findall(r'<li id="s(\d+)"', html))
    assert "://" not in re.sub(r'href="https://[^"]+"|xmlns(:\w+)?="[^"]+"', "", html)
    assert "nan" not in html.lower().replace("clinpgx", "").replace("venlafaxine", "").split()


def test_the_report_escapes_what_a_file_brings() -> None:
    review = recommend(genotype({"<script>": "Poor Metabolizer"}), ("sertraline",), ("<b>x</b>",))
    assert "<script>" not in review.report_html()
    assert "<b>x</b>" not in review.report_html()


def test_json_is_plain() -> None:
    text = json.dumps(recommend(POOR, None, ("duloxetine",)).to_dict(), allow_nan=False)
    assert "Poor Metabolizer" in text


def test_service() -> None:
    service = PharmacogenomicsService()
    one = asyncio.run(service.predict_medication_response({"genotype": {"CYP2C19": "*2/*2"}}, "Lexapro"))
    assert one["escitalopram"].exposure.ratio == pytest.approx(2.63)
    every = asyncio.run(service.predict_medication_response({"vcf": vcf("CYP2C19"), "comedications": ["ibuprofen"]}))
    assert "CYP2C19" in every.genotype
    for wrong in ({"genotype": ["*1/*1"]}, {"comedications": "paroxetine"}, {"conditions": [3]}):
        with pytest.raises(ValidationError):
            asyncio.run(service.predict_medication_response(wrong))


def test_the_graph_answers_how_two_drugs_meet() -> None:
    graph = medication_graph()
    inhibited = {e.start for e in graph.edges("CYP2D6", "inhibits")}
    assert {"paroxetine", "fluoxetine", "duloxetine"} <= inhibited
    chain = graph.path("terbinafine", "atomoxetine")
    assert chain[0].relation in ("inhibits", "interacts")
    assert all(e.source.url for e in chain)
    with pytest.raises(NotFoundError):
        graph.edges("unobtainium")
    assert graph.path("terbinafine", "lithium", longest=1) == ()


def test_severities_are_ordered_in_the_answer() -> None:
    found = recommend({}, ("citalopram",), ("phenelzine", "ibuprofen", "haloperidol"))["citalopram"].interactions
    order = list(Severity)
    assert [order.index(c.severity) for c in found] == sorted(order.index(c.severity) for c in found)


def test_unknown_genes_and_alleles_are_stated() -> None:
    review = recommend(genotype({"CYP9Z9": "*1/*2", "cyp2c19": "*1/*999", "CYP2D6": "*4/?"}), ("escitalopram",))
    said = " ".join(review.notes)
    assert "CYP9Z9 is not in our gene tables" in said
    assert "CYP2C19: no function is known for allele *999" in said
    assert "CYP2D6: no function is known for allele unknown" in said
    assert {a.action for a in review["escitalopram"].guidelines} == {"NO_RECOMMENDATION"}


def test_unconfirmed_facts_are_marked() -> None:
    review = recommend({}, ("pimozide", "citalopram"), ("citalopram",))
    evidence = {c.source.evidence for c in review["pimozide"].interactions if c.severity == "contraindicated"}
    assert evidence == {"secondary", "unverified"}
    assert "?]</a></sup>" in review.report_html()
    assert "not confirmed at the source" in review.report_html()
    assert '"evidence": "unverified"' in json.dumps(review.to_dict())


# -- exposure that changes by an unknown amount ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reported", "drug", "with_", "low", "high"),
    [
        ({"CYP2D6": "*1/*1"}, "aripiprazole", "carbamazepine", 0.2, 0.5),  # label: a fall by about 70 %
        ({"CYP2D6": "*1/*1"}, "haloperidol", "carbamazepine", 0.3, 0.6),
        ({"CYP2D6": "*1/*1"}, "risperidone", "carbamazepine", 0.5, 1.0),
        ({"CYP2C19": "*1/*1"}, "citalopram", "omeprazole", 1.2, 1.9),
        ({"CYP2C19": "*1/*1"}, "sertraline", "fluconazole", 1.8, 3.3),
        ({"CYP2D6": "*1/*1", "CYP2C19": "*2/*2"}, "clomipramine", None, 1.1, 1.6),  # the guideline's other gene
        ({"CYP2D6": "*1/*1", "CYP2C19": "*17/*17"}, "clomipramine", None, 0.8, 0.99),
        ({"CYP2C19": "*1/*1", "CYP2B6": "*6/*6"}, "sertraline", None, 1.25, 1.4),  # CPIC: a quarter less of the dose
    ],
)
def test_what_another_route_changes_is_in_the_figure(
    reported: dict[str, str], drug: str, with_: str | None, low: float, high: float
) -> None:
    exposure = recommend(genotype(reported), (drug,), (with_,) if with_ else ())[drug].exposure
    assert exposure.ratio is not None
    assert exposure.low is not None
    assert exposure.high is not None
    assert low < exposure.ratio < high
    assert exposure.low < exposure.ratio < exposure.high


def test_a_figure_names_what_it_does_not_count() -> None:
    beside = recommend(genotype({"CYP2C19": "*1/*1"}), ("citalopram",), ("cimetidine",))["citalopram"]
    assert beside.exposure.basis.endswith("; not counted: cimetidine.")  # on CYP2C19 it has no class
    assert "beside cimetidine" in beside.exposure.basis  # but on CYP2D6 and CYP3A4
    both = recommend(genotype({"CYP2D6": "*1/*1"}), ("clomipramine",), ("fluvoxamine", "paroxetine"))["clomipramine"]
    assert "not counted" not in both.exposure.basis
    assert "CYP2C19, activity 2% beside fluvoxamine" in both.exposure.basis


@pytest.mark.parametrize(
    ("reported", "drug", "with_"),
    [
        ({"CYP2D6": "*1/*1"}, "aripiprazole", ()),
        ({"CYP2D6": "*1/*1"}, "aripiprazole", ("lithium",)),
        ({"CYP2D6": "*1/*1"}, "aripiprazole", ("aripiprazole",)),
        ({"CYP2D6": "*1/*1", "CYP2C19": "*1/*1"}, "clomipramine", ()),
        ({"CYP2C19": "*1/*1", "CYP2B6": "*1/*1"}, "sertraline", ("phenelzine",)),  # a caution, but no change of level
        ({"CYP2C19": "*1/*1"}, "citalopram", ("pimozide",)),  # pimozide's level changes, not citalopram's
    ],
)
def test_a_normal_result_without_anything_else_stays_one_and_is_never_a_point(
    reported: dict[str, str], drug: str, with_: tuple[str, ...]
) -> None:
    exposure = recommend(genotype(reported), (drug,), with_)[drug].exposure
    assert exposure.ratio == pytest.approx(1)
    assert exposure.low is not None
    assert exposure.high is not None
    assert exposure.low < 0.8
    assert exposure.high > 1.25
    assert "not counted" not in exposure.basis


NORMAL = {"CYP2D6": "*1/*1", "CYP2C19": "*1/*1", "CYP2B6": "*1/*1", "CYP3A4": "*1/*1"}


def test_no_figure_is_a_point_and_each_holds_its_ratio() -> None:
    """Every drug with a solved share, beside every drug and condition we know."""
    figures = sorted({r["drug"] for r in rows("exposure")} & set(catalogue()))
    counted = 0
    for other in sorted(catalogue()):
        review = recommend(genotype(NORMAL), figures, (other,), known_conditions())
        for drug in figures:
            for exposure in review[drug].exposures:
                if exposure.ratio is not None:
                    assert exposure.low is not None
                    assert exposure.high is not None
                    assert 0 < exposure.low < exposure.ratio < exposure.high < 100
                    counted += 1
    assert counted > 1000
