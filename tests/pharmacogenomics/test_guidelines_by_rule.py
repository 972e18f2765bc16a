"""guidelines.py from its rules: how a row is read, when it holds, what it says."""

from collections.abc import Callable

import pytest

from novamind.pharmacogenomics import guidelines
from novamind.pharmacogenomics.domain import Action, ActivityScore, GeneResult, Phenotype
from novamind.pharmacogenomics.guidelines import Rule, advise, covered_drugs, guideline_genes, lookup, rules, standing
from novamind.pharmacogenomics.phenotypes import phenotype_result, results, score_result
from novamind.pharmacogenomics.service import genotype
from tests.golden import check_golden

Read = Callable[..., dict[str, tuple[Rule, ...]]]
LEVELS, ESSENTIAL, CLOSELY = (
    " Plasma levels are advised.", " Plasma levels are strongly advised.", " Watch the patient more closely.",
)  # fmt: skip
# drug, reported results, body and population, the sentence; each action at least once.
SENTENCES = [
    ("nortriptyline", {"CYP2D6": "*4/*4"}, "CPIC general",
     "Preferably choose another drug; otherwise lower the starting dose by 50%." + LEVELS),
    ("nortriptyline", {"CYP2D6": "*1/*4"}, "CPIC general", "Change the dose: lower the starting dose by 25%." + LEVELS),
    ("nortriptyline", {"CYP2D6": "*1x3/*1"}, "CPIC general",
     "Preferably choose another drug; otherwise aim for a higher target dose." + LEVELS),
    ("nortriptyline", {"CYP2D6": "*1/*1"}, "CPIC general", "Standard dose."),
    ("nortriptyline", {"CYP2D6": "*1/*999"}, "CPIC general", "No recommendation for this result."),
    ("nortriptyline", {"CYP2D6": "*4/*4"}, "FDA ", "Concentrations may differ; the source asks for no action."),
    ("nortriptyline", {"CYP2D6": "*4/*4"}, "DPWG ", "Change the dose: give 40% of standard dose." + LEVELS),
    ("amitriptyline", {"CYP2C19": "*2/*2", "CYP2D6": "*4/*4"}, "CPIC general",
     "Preferably choose another drug; otherwise steer the dose by plasma levels." + ESSENTIAL),
    ("amitriptyline", {"CYP2C19": "*17/*17", "CYP2D6": "*1/*4"}, "CPIC general", "Consider another drug." + ESSENTIAL),
    ("atomoxetine", {"CYP2D6": "*4/*4"}, "CPIC adults",
     "Start low; raise the dose only after checking response and plasma level." + LEVELS),
    ("atomoxetine", {"CYP2D6": "*1/*1"}, "CPIC adults",
     "Dose by the label; without response, let a plasma level guide an increase." + LEVELS),
    ("atomoxetine", {"CYP2D6": "*4/*4"}, "DPWG ",
     "Start as usual; reduce the dose when side effects appear." + LEVELS + CLOSELY),
    ("atomoxetine", {"CYP2D6": "*4/*4"}, "FDA ", "Adjust the dose as the product label says."),
    ("citalopram", {"CYP2C19": "*2/*2"}, "CPIC general",
     "Change the dose (lower the maintenance dose by 50%) or choose another drug."),
    ("citalopram", {"CYP2C19": "*1/*2"}, "CPIC general",
     "Start as usual, titrate more slowly, aim for a lower maintenance dose."),
    ("citalopram", {"CYP2C19": "*1/*17"}, "CPIC general",
     "Start as usual; if the maintenance dose does too little, raise it or switch."),
    ("citalopram", {"CYP2C19": "*17/*17"}, "CPIC general",
     "Consider another drug; if it works too little at the standard dose, go higher."),
    ("citalopram", {"CYP2C19": "*2/*2"}, "DPWG ",
     "Maximum dose: 20 mg tablets or 16 mg drops a day; from 65 years 10 mg or 8 mg."),
    ("paroxetine", {"CYP2D6": "*1x3/*1"}, "CPIC general", "Choose another drug."),
    ("paroxetine", {"CYP2D6": "*1/*4"}, "CPIC general", "Start lower and titrate more slowly."),
    ("paroxetine", {"CYP2D6": "*4/*4"}, "DPWG ", "A gene-drug effect is known, but no change is needed."),
    ("fluvoxamine", {"CYP2D6": "*4/*4"}, "CPIC general",
     "Change the dose (lower the starting dose by 25 to 50%) or choose another drug."),
    ("fluvoxamine", {"CYP2D6": "*4/*4"}, "FDA ", "Use with caution and titrate by tolerance."),
    ("venlafaxine", {"CYP2D6": "*1x3/*1"}, "DPWG ",
     "If the standard dose is too little, give 150% of standard dose (if necessary), or choose another drug." + LEVELS),
    ("venlafaxine", {"CYP2D6": "*4/*4"}, "FDA ", "Consider a lower dose."),
    ("vortioxetine", {"CYP2D6": "*4/*4"}, "CPIC general",
     "Change the dose (lower the starting dose by 50%) or choose another drug. Limit: 10 mg/day."),
    ("vortioxetine", {"CYP2D6": "*1x3/*1"}, "CPIC general",
     "Preferably choose another drug; otherwise raise the target maintenance dose by 50% or more."),
    ("carbamazepine", {"HLA-B": "*15:02 positive"}, "CPIC CBZ naive", "Do not use it."),
    ("carbamazepine", {"HLA-B": "*15:02 positive"}, "CPIC CBZ use >3mos",
     "Treatment may continue with caution after months without a skin reaction."),
    ("carbamazepine", {"HLA-A": "*31:01 positive"}, "CPIC CBZ-no alternatives",
     "Treatment may start with caution where nothing else can be used." + CLOSELY),
    ("carbamazepine", {"HLA-A": "*31:01 positive"}, "FDA ",
     "Weigh benefit against the higher risk of a severe skin reaction."),
    ("phenytoin", {"HLA-B": "*15:02 positive"}, "FDA ", "Do not use it to replace carbamazepine."),
    ("phenytoin", {"CYP2C9": "*3/*3"}, "DPWG ", "Change the dose: give 40% of standard dose." + LEVELS + CLOSELY),
    ("phenytoin", {"CYP2C9": "poor"}, "DPWG ", "Change the dose: give 40 to 50% of standard dose." + LEVELS + CLOSELY),
    ("risperidone", {"CYP2D6": "*1x3/*1"}, "DPWG ",
     "Choose another drug, or keep to the metabolite's maximum: paliperidone at most 12 mg/day by mouth (6 mg/day under"
     " 51 kg), 75 mg/2 weeks intramuscular."),
    ("amphetamine", {"CYP2D6": "*4/*4"}, "FDA ", "Start lower or choose another drug."),
    ("iloperidone", {"CYP2D6": "*4/*4"}, "FDA ", "Reduce the dose by 50%."),
    ("lofexidine", {"CYP2D6": "*4/*4"}, "FDA ", "Watch for side effects." + CLOSELY),
    ("pitolisant", {"CYP2D6": "*4/*4"}, "FDA ", "Start at the lowest recommended dose."),
    ("thioridazine", {"CYP2D6": "*4/*4"}, "FDA ", "Contraindicated."),
]  # fmt: skip


def readings(reported: dict[str, str]) -> dict[str, list[GeneResult]]:
    return {gene: list(results(d)) for gene, d in genotype(reported).items()}


@pytest.mark.parametrize(("drug", "reported", "whose", "text"), SENTENCES)
def test_each_action_has_its_sentence(drug: str, reported: dict[str, str], whose: str, text: str) -> None:
    said = {a.text for a in advise(drug, readings(reported)) if f"{a.source} {a.population}" == whose}
    assert said == {text}


def test_every_action_is_in_the_list_above() -> None:
    acting = set()
    for drug, reported, whose, text in SENTENCES:
        acting |= {
            a.action
            for a in advise(drug, readings(reported))
            if (f"{a.source} {a.population}", a.text) == (whose, text)
        }
    assert acting == set(Action)


# -- how a row is read -------------------------------------------------------------------------------------------------

ROW = {
    "source": "cpic-tca-2016", "year": "2016", "body": "CPIC", "drugs": "one|two", "population": "general",
    "when": "CYP2C19=PM|LPM & CYP2D6=0..1|2.5..", "action": "AVOID", "dose_factor": "", "dose_basis": "",
    "dose_limit": "", "monitoring": "", "strength": "Strong", "guideline_id": "PA1|PA2",
}  # fmt: skip


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:  # type: ignore[no-untyped-def]
    def read(*changes: dict[str, str]) -> dict[str, tuple[Rule, ...]]:
        monkeypatch.setattr(guidelines, "rows", lambda _: iter([ROW | change for change in changes]))
        return guidelines._all_rules.__wrapped__()

    return read


def test_a_row_serves_each_of_its_drugs_with_its_own_number(read: Read) -> None:  # type: ignore[no-untyped-def]
    found = read({}, {"drugs": "two", "guideline_id": "PA3"}, {"drugs": "three|four", "guideline_id": "PA4"})
    assert {drug: [r.advice.guideline_id for r in of] for drug, of in found.items()} == {
        "one": ["PA1"], "two": ["PA2", "PA3"], "three": ["PA4"], "four": ["PA4"],
    }  # fmt: skip
    rule = found["one"][0]
    assert rule.conditions == (("CYP2C19", ("PM", "LPM")), ("CYP2D6", ("0..1", "2.5..")))
    assert rule.advice.genes == ("CYP2C19", "CYP2D6")
    assert rule.about == ("CPIC", "general", "CYP2C19", "CYP2D6")
    assert rule.advice.drug == "one"
    assert rule.advice.reference.id == "cpic-tca-2016"


def test_an_hla_condition_names_gene_and_allele(read: Read) -> None:  # type: ignore[no-untyped-def]
    rule = read({"when": "HLA-B*15:02=pos"})["one"][0]
    assert rule.advice.genes == ("HLA-B",)
    assert rule.about == ("CPIC", "general", "HLA-B*15:02")


# What a condition on one gene accepts.
POOR = score_result("CYP2D6", ActivityScore(0.0), "*4/*4")
HALF = score_result("CYP2D6", ActivityScore(1.0), "*1/*4")
OPEN = score_result("CYP2D6", None, "*1/*999")


@pytest.mark.parametrize(
    ("when", "reading", "holds"),
    [
        ("CYP2D6=none", None, True), ("CYP2D6=none", POOR, False), ("CYP2D6=0", None, False), ("CYP2D6=?", None, False),
        ("CYP2D6=?", OPEN, True), ("CYP2D6=?", POOR, False), ("CYP2D6=0", OPEN, False), ("CYP2D6=none", OPEN, False),
        ("CYP2D6=?", GeneResult("CYP2D6", None), True),
        ("CYP2D6=?", GeneResult("CYP2D6", Phenotype.POSSIBLE_INTERMEDIATE), True),
        ("CYP2D6=PM", POOR, True), ("CYP2D6=IM", POOR, False), ("CYP2D6=IM|PM", POOR, True),
        ("CYP2D6=*4/*4", POOR, True), ("CYP2D6=*1/*4", POOR, False), ("CYP2D6=*1/*4|*4/*4", POOR, True),
        ("CYP2D6=0", POOR, True), ("CYP2D6=0..0.5", POOR, True), ("CYP2D6=0.25..1", POOR, False),
        ("CYP2D6=0.25..1", HALF, True), ("CYP2D6=1..", HALF, True), ("CYP2D6=1.25..", HALF, False),
        ("CYP2D6=1", HALF, True), ("CYP2D6=0..0.75", HALF, False), ("CYP2D6=1..1.5", HALF, True),
        *((f"CYP2C19={short}", phenotype_result("CYP2C19", p), True) for short, p in (
            ("PM", Phenotype.POOR), ("LPM", Phenotype.LIKELY_POOR), ("IM", Phenotype.INTERMEDIATE),
            ("LIM", Phenotype.LIKELY_INTERMEDIATE), ("NM", Phenotype.NORMAL), ("RM", Phenotype.RAPID),
            ("UM", Phenotype.ULTRARAPID))),
        ("CYP2C19=0..3", phenotype_result("CYP2C19", Phenotype.NORMAL), False),
        ("HLA-B*15:02=pos", GeneResult("HLA-B", None, markers=(("*15:02", True),)), True),
        ("HLA-B*15:02=neg", GeneResult("HLA-B", None, markers=(("*15:02", True),)), False),
        ("HLA-B*15:02=neg", GeneResult("HLA-B", None, markers=(("*15:02", False),)), True),
        ("HLA-B*15:02=pos", GeneResult("HLA-B", None, markers=(("*15:02", False),)), False),
        ("HLA-B*15:02=none", GeneResult("HLA-B", None, markers=(("*15:11", True),)), True),
        ("HLA-B*15:02=neg|none", None, True), ("HLA-B*15:02=pos", None, False),
    ],
)  # fmt: skip
def test_what_a_condition_accepts(read: Read, when: str, reading: GeneResult | None, holds: bool) -> None:  # type: ignore[no-untyped-def]
    rule = read({"when": when})["one"][0]
    assert rule.holds({} if reading is None else {reading.gene: reading}) is holds


@pytest.mark.parametrize(
    ("score", "at_least", "wanted", "holds"),
    [
        (0.125, False, "0.25..1", True), (0.125, False, "0", False),  # above zero is never zero
        (0.374, False, "0.25", True), (0.5, False, "0.25", False), (0.62, False, "0.5", True),
        (1.24, False, "0.25..1", True),
        (1.25, False, "0.25..1", False), (2.49, False, "2.5..", False), (2.5, False, "2.5..", True),
        (9, False, "2.5..", True),
        (0, False, "0..1", True), (1, False, "0..1", True), (2.25, False, "1.25..2.25", True),
        (2.4, False, "1.25..2.25", True),
        (3, True, "2.5..", True), (3, True, "3", False), (2, True, "2.5..", False), (2, True, "1.25..2.25", False),
    ],
)  # fmt: skip
def test_a_score_is_looked_up_by_its_quarter(
    read: Read, score: float, at_least: bool, wanted: str, holds: bool
) -> None:  # type: ignore[no-untyped-def]
    rule = read({"when": f"CYP2D6={wanted}"})["one"][0]
    reading = GeneResult("CYP2D6", Phenotype.NORMAL, ActivityScore(score, at_least))
    assert rule.holds({"CYP2D6": reading}) is holds


def test_all_conditions_must_hold(read: Read) -> None:  # type: ignore[no-untyped-def]
    rule = read({})["one"][0]
    poor, normal = (phenotype_result("CYP2C19", p) for p in (Phenotype.POOR, Phenotype.NORMAL))
    assert rule.holds({"CYP2C19": poor, "CYP2D6": POOR})
    assert not rule.holds({"CYP2C19": normal, "CYP2D6": POOR})
    assert not rule.holds({"CYP2C19": poor})


# -- look-up -----------------------------------------------------------------------------------------------------------


def test_the_first_rule_of_a_guideline_that_holds_answers_for_it() -> None:
    said = lookup("phenytoin", {"CYP2C9": results(genotype({"CYP2C9": "*3/*3"})["CYP2C9"])[0]})
    assert [(a.source, a.population, a.dose_factor) for a in said] == [
        ("CPIC", "PHT naive", "-50%"), ("CPIC", "PHT use >3mos", "-50%"), ("DPWG", "", "40%"),
        ("FDA", "", ""),
    ][: len(said)]  # fmt: skip
    assert said[0].when == ("CYP2C9: Poor Metabolizer (activity score 0.0)", "HLA-B: not tested")


def test_untested_genes_bring_nothing() -> None:
    assert lookup("nortriptyline", {}) == ()
    assert advise("nortriptyline", {}) == ()
    assert advise("nortriptyline", {"CYP2D6": []}) == ()
    assert lookup("lithium", {"CYP2D6": POOR}) == ()
    assert rules("unobtainium") == ()


def test_advice_of_several_readings_names_each_once() -> None:
    ambiguous = {
        "CYP2C19": [phenotype_result("CYP2C19", p) for p in (Phenotype.POOR, Phenotype.LIKELY_POOR)],
        "CYP2D6": [HALF, score_result("CYP2D6", ActivityScore(0.5)), HALF],
    }
    cpic = [a for a in advise("amitriptyline", ambiguous) if a.source == "CPIC"]
    assert len(cpic) == 1
    im, half = "Intermediate Metabolizer (activity score 1.0)", "Intermediate Metabolizer (activity score 0.5)"
    assert cpic[0].when == tuple(
        f"CYP2C19: {p} + CYP2D6: {s}"
        for p in ("Poor Metabolizer", "Likely Poor Metabolizer")
        for s in (im, half)
    )  # fmt: skip


def test_genes_and_drugs_in_the_order_of_the_table() -> None:
    assert guideline_genes("amitriptyline") == ("CYP2C19", "CYP2D6")
    assert guideline_genes("sertraline") == ("CYP2B6", "CYP2C19")
    assert guideline_genes("lithium") == ()
    assert len(covered_drugs()) == len(set(covered_drugs()))
    assert {"amitriptyline", "carbamazepine", "diazepam"} <= set(covered_drugs())
    assert "lithium" not in covered_drugs()


def test_what_is_said_where_no_guideline_asks_for_anything() -> None:
    assert standing("lithium", (), ()) == (
        "No row of CPIC, DPWG or the FDA table of pharmacogenetic associations for lithium is in our tables; that does"
        " not say that none exists."
    )
    assert standing("amitriptyline", (), ()) == (
        "Guidelines for amitriptyline look at CYP2C19 and CYP2D6; they ask for no action without a result."
    )
    assert standing("amitriptyline", (), ("CYP2C19",)) == (
        "Guidelines for amitriptyline look at CYP2D6; they ask for no action without a result."
    )
    assert standing("amitriptyline", (), ("CYP2C19", "CYP2D6")) == (
        "No guideline action for amitriptyline with these results of CYP2C19 and CYP2D6."
    )
    none = lookup("nortriptyline", {"CYP2D6": OPEN})
    assert {a.action for a in none if a.source == "CPIC"} == {Action.NO_RECOMMENDATION}
    assert standing("nortriptyline", none, ("CYP2D6",)) == (
        "No guideline action for nortriptyline with these results of CYP2D6."
    )
    assert standing("nortriptyline", lookup("nortriptyline", {"CYP2D6": POOR}), ("CYP2D6",)) == ""
    assert standing("nortriptyline", lookup("nortriptyline", {"CYP2D6": HALF}) + none, ("CYP2D6",)) == ""


# Decisive rows, typed again from the guidelines: drug, reported result, body, action, change of dose.
# CPIC: SSRI 2023, tricyclics 2016, HLA 2017, atomoxetine 2019; DPWG 2019-2023; FDA table 2021.
DECISIVE = """
citalopram     CYP2C19 poor        CPIC ADJUST_DOSE_OR_ALTERNATIVE -50%
escitalopram   CYP2C19 poor        CPIC ADJUST_DOSE_OR_ALTERNATIVE -50%
escitalopram   CYP2C19 ultrarapid  CPIC ALTERNATIVE_OR_INCREASE_IF_NO_RESPONSE -
escitalopram   CYP2C19 ultrarapid  DPWG AVOID_USE_ALTERNATIVE -
sertraline     CYP2C19 poor        CPIC ADJUST_DOSE_OR_ALTERNATIVE -50%
sertraline     CYP2C19 normal      CPIC STANDARD_DOSE -
paroxetine     CYP2D6  poor        CPIC ADJUST_DOSE -50%
paroxetine     CYP2D6  ultrarapid  CPIC AVOID_USE_ALTERNATIVE -
fluvoxamine    CYP2D6  poor        CPIC ADJUST_DOSE_OR_ALTERNATIVE -25-50%
venlafaxine    CYP2D6  poor        CPIC CONSIDER_ALTERNATIVE -
vortioxetine   CYP2D6  poor        CPIC ADJUST_DOSE_OR_ALTERNATIVE -50%
nortriptyline  CYP2D6  poor        CPIC AVOID_OR_ADJUST_DOSE -50%
nortriptyline  CYP2D6  ultrarapid  CPIC AVOID_OR_ADJUST_DOSE increase
desipramine    CYP2D6  poor        CPIC AVOID_OR_ADJUST_DOSE -50%
amitriptyline  CYP2D6  poor        CPIC AVOID_OR_ADJUST_DOSE -50%
aripiprazole   CYP2D6  poor        DPWG LIMIT_MAX_DOSE -
haloperidol    CYP2D6  poor        DPWG ADJUST_DOSE 60%
risperidone    CYP2D6  poor        DPWG ADJUST_DOSE 67%
quetiapine     CYP3A4  poor        DPWG AVOID_OR_ADJUST_DOSE 30%
brexpiprazole  CYP2D6  poor        DPWG ADJUST_DOSE 50%
thioridazine   CYP2D6  poor        FDA  CONTRAINDICATED -
pimozide       CYP2D6  poor        FDA  LIMIT_MAX_DOSE -
carbamazepine  HLA-B   *15:02_positive DPWG AVOID_USE_ALTERNATIVE -
carbamazepine  HLA-B   *15:02_positive FDA AVOID -
oxcarbazepine  HLA-B   *15:02_positive CPIC AVOID -
"""


@pytest.mark.parametrize("line", DECISIVE.strip().splitlines())
def test_a_decisive_row_as_its_guideline_has_it(line: str) -> None:
    drug, gene, result, body, action, factor = line.split()
    said = advise(drug, readings({gene: result.replace("_", " ")}))
    ours = {(str(a.action), a.dose_factor or "-") for a in said if a.source == body and "use" not in a.population}
    assert (action, factor) in ours, ours


def test_every_rule_as_it_is() -> None:
    """One line a rule: who says what, for whom, on which results."""
    found: dict[str, list[str]] = {}
    for drug in covered_drugs():
        for rule in rules(drug):
            a = rule.advice
            when = " & ".join(f"{gene}={'|'.join(wanted)}" for gene, wanted in rule.conditions)
            whose = f"{a.source} {a.guideline_id} {a.population}"
            of = f"{whose} [{when}] {a.action}: {a.text} ({a.strength}; {a.reference.id})"
            found.setdefault(of, []).append(drug)
    check_golden(__file__, "rules", {of: " ".join(drugs) for of, drugs in found.items()})
