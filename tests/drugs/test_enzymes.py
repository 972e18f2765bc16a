"""Routes, modulators and metabolites against their sources: typed a second time here, and the shared tables."""

from collections import defaultdict

import pytest

from novamind.drugs.catalogue import catalogue, psychiatric
from novamind.drugs.domain import Evidence
from novamind.drugs.enzymes import (
    INDUCED,
    INHIBITED,
    acting_on,
    all_modulators,
    all_substrates,
    metabolites,
    modulators,
    substrates,
)
from novamind.drugs.kinetics import drug_names, kinetics
from novamind.drugs.tables import rows
from tests.drugs.tables import shared_rows

# FDA's table of clinical index inhibitors and inducers (drug development and drug interactions), written down by class.
FDA_CLASSES = {
    ("CYP2D6", "inhibitor", "strong"): "bupropion fluoxetine paroxetine quinidine terbinafine",
    ("CYP2D6", "inhibitor", "moderate"): "cinacalcet duloxetine fluvoxamine mirabegron",
    ("CYP2C19", "inhibitor", "strong"): "fluconazole fluoxetine fluvoxamine ticlopidine",
    ("CYP2C19", "inhibitor", "moderate"): "felbamate",
    ("CYP2C19", "inhibitor", "weak"): "omeprazole voriconazole",
    ("CYP2C19", "inducer", "strong"): "rifampin apalutamide",
    ("CYP2C9", "inhibitor", "moderate"): "fluconazole amiodarone miconazole",
    ("CYP2C8", "inhibitor", "strong"): "gemfibrozil",
    ("CYP1A2", "inhibitor", "strong"): "ciprofloxacin enoxacin fluvoxamine viloxazine",
    ("CYP1A2", "inducer", "moderate"): "phenytoin fosphenytoin rifampin ritonavir teriflunomide leflunomide",
    ("XO", "inhibitor", "strong"): "allopurinol febuxostat",
    ("COMT", "inhibitor", "strong"): "entacapone opicapone tolcapone",
    ("MAO", "inhibitor", "strong"): "phenelzine tranylcypromine isocarboxazid moclobemide",
    ("OATP1B1", "inhibitor", "moderate"): "ritonavir lopinavir atazanavir darunavir clarithromycin gemfibrozil",
    ("P-gp", "inhibitor", "moderate"): "amiodarone dronedarone clarithromycin erythromycin verapamil ranolazine",
    ("CYP2B6", "inducer", "strong"): "carbamazepine",
    ("CYP2B6", "inducer", "moderate"): "efavirenz rifampin",
    ("CYP2B6", "inducer", "weak"): "nevirapine ritonavir",
    ("CYP3A4", "inducer", "weak"): "modafinil oxcarbazepine topiramate armodafinil",
    ("CYP3A4", "inhibitor", "strong"): (
        "boceprevir ceritinib clarithromycin cobicistat indinavir itraconazole ketoconazole nefazodone nelfinavir"
        " posaconazole ribociclib ritonavir saquinavir telithromycin tucatinib voriconazole idelalisib lopinavir"
    ),
    ("CYP3A4", "inhibitor", "moderate"): (
        "aprepitant ciprofloxacin conivaptan crizotinib cyclosporine diltiazem dronedarone erythromycin fluconazole"
        " fluvoxamine imatinib verapamil"
    ),
    ("CYP3A4", "inducer", "strong"): "apalutamide carbamazepine enzalutamide mitotane phenytoin rifampin",
    ("CYP3A4", "inducer", "moderate"): "bosentan efavirenz etravirine phenobarbital primidone",
}
# PMC7292748, the weak inhibitors that the review prints.
WEAK_CYP2D6 = "abiraterone celecoxib cimetidine clobazam desvenlafaxine escitalopram ritonavir sertraline"


def test_inhibitors_and_inducers_have_the_fdas_class() -> None:
    classes: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for of in all_modulators().values():
        for m in of:
            classes[m.enzyme, m.effect, m.strength].add(m.drug)
    for key, drugs in FDA_CLASSES.items():
        assert set(drugs.split()) <= classes[key], key
    assert set(WEAK_CYP2D6.split()) <= classes["CYP2D6", "inhibitor", "weak"]


# Mechanism-based inhibitors by the enzyme that they destroy (reviews of time-dependent inhibition; labels).
MECHANISM_BASED = {
    "CYP2D6": "paroxetine mirabegron",
    "CYP2C19": "ticlopidine omeprazole esomeprazole isoniazid",
    "CYP2B6": "ticlopidine clopidogrel",
    "CYP2C8": "gemfibrozil clopidogrel",
    "CYP2E1": "disulfiram isoniazid",
    "CYP3A4": (
        "clarithromycin erythromycin telithromycin ritonavir cobicistat saquinavir nelfinavir indinavir boceprevir"
        " atazanavir darunavir lopinavir nefazodone diltiazem verapamil mifepristone ribociclib lonafarnib mibefradil"
        " troleandomycin tipranavir delavirdine fosamprenavir amprenavir josamycin"
    ) + "|grapefruit juice",
}  # fmt: skip


@pytest.mark.parametrize("enzyme", MECHANISM_BASED)
def test_what_destroys_an_enzyme_is_marked(enzyme: str) -> None:
    words, _, several = MECHANISM_BASED[enzyme].partition("|")
    ours = {
        m.drug
        for of in all_modulators().values()
        for m in of
        if m.mechanism == "mechanism-based" and m.enzyme == enzyme
    }
    assert ours == {*words.split(), *filter(None, [several])}


def test_a_drug_acts_on_an_enzyme_in_one_way_and_for_a_time() -> None:
    once = [(r["drug"], r["enzyme"]) for r in rows("modulators")]
    assert len(once) == len(set(once)) >= 230
    for of in all_modulators().values():
        for m in of:
            assert (m.mechanism == "induction") == (m.effect == "inducer")
            assert 1 <= m.washout_days <= 180
            assert m.classed == (m.strength != "unclassified")
    assert {m.washout_days for m in modulators("fluoxetine")} == {35}  # label: five weeks
    assert (
        modulators("a drug of no table") == substrates("a drug of no table") == metabolites("a drug of no table") == ()
    )


def test_a_route_stands_once_and_has_a_share_only_where_it_is_one() -> None:
    for drug, of in all_substrates().items():
        assert len({s.route for s in of}) == len(of), drug
        for s in of:
            assert s.role in {"major", "minor", "none"}
            assert s.share is None or (0 < s.share <= 1 and s.role != "none"), (drug, s.route)
    assert len(all_substrates()) >= 690


# Main routes of co-prescribed drugs by their labels, typed again by route.
MAIN_ROUTES = {
    "CYP3A4": "everolimus tolvaptan naloxegol avanafil nisoldipine conivaptan lomitapide tipranavir lopinavir"
    " mifepristone nilotinib osimertinib crizotinib ribociclib bedaquiline boceprevir telithromycin isavuconazole"
    " fluticasone mometasone methylprednisolone ulipristal dutasteride rimegepant ubrogepant apremilast"
    " brotizolam clindamycin",
    "CYP2D6": "eliglustat dacomitinib mequitazine dimenhydrinate tolperisone flunarizine tropisetron dolasetron mdma",
    "CYP2C9": "azilsartan aceclofenac sulfamethoxazole mefenamic-acid siponimod dronabinol parecoxib",
    "CYP2C8": "enzalutamide apalutamide dabrafenib tucatinib ozanimod",
    "CYP1A2": "triamterene riluzole riociguat triclabendazole",
    "MAO": "epinephrine norepinephrine dopamine phenylephrine betahistine",
    "COMT": "levodopa epinephrine norepinephrine",
    "XO": "azathioprine mercaptopurine pyrazinamide",
    "CES1": "oseltamivir sacubitril benazepril quinapril trandolapril fosinopril",
    "UGT1A9": "propofol entacapone tolcapone",
    "renal": "enoxaparin dalteparin fondaparinux meropenem ertapenem ganciclovir norfloxacin ofloxacin lamivudine"
    " levocetirizine cephalexin cisplatin moxonidine nadolol alendronate prucalopride dalfampridine enoxacin",
    "proteolysis": "insulin liraglutide semaglutide dulaglutide denosumab",
}  # fmt: skip


@pytest.mark.parametrize("route", MAIN_ROUTES)
def test_the_main_route_of_a_drug_is_that_of_its_label(route: str) -> None:
    for word in MAIN_ROUTES[route].split():
        drug = word.replace("-", " ")
        assert route in {s.route for s in substrates(drug) if s.role == "major"}, drug


def test_no_drug_that_passes_unchanged_has_an_enzyme() -> None:
    for drug in ("enoxaparin", "meropenem", "ganciclovir", "lamivudine", "cephalexin", "cisplatin", "levocetirizine"):
        assert [s.route for s in substrates(drug)] == ["renal"], drug


def test_every_drug_of_the_tables_is_in_the_catalogue() -> None:
    formed = {kinetics(drug).metabolite for drug in drug_names()}
    assert not [drug for drug in all_substrates() if drug not in catalogue() and drug not in formed]
    assert not [drug for drug in all_modulators() if drug not in catalogue()]
    assert not [drug for drug in drug_names() if drug not in catalogue()]
    assert not [drug for drug in psychiatric() if drug not in all_substrates()]


def test_classes_lie_in_the_fdas_ranges() -> None:
    """FDA 2020: strong at least 5-fold, moderate 2 to 5, weak 1.25 to 2; induction by 80, 50 and 20 %."""
    for name, (low, high) in {"strong": (5, 1e9), "moderate": (2, 5), "weak": (1.25, 2)}.items():
        point, least, most = INHIBITED[name]
        assert low <= 1 / point < high
        assert least <= point <= most
    assert [INDUCED[k][:2] for k in ("strong", "moderate", "weak")] == [(5, 5), (3, 2), (1.5, 1.25)]


def test_who_acts_on_an_enzyme() -> None:
    taken = ("fluoxetine", "ibuprofen", "fluoxetine", "omeprazole")
    assert [(m.drug, m.strength) for m in acting_on("CYP2C19", taken)] == [
        ("fluoxetine", "strong"),
        ("omeprazole", "weak"),
    ]
    assert [m.drug for m in acting_on("CYP2C19", taken, but="fluoxetine")] == ["omeprazole"]
    assert acting_on("CYP9Z9", taken) == ()


# Active metabolites by their labels.
ACTIVE = {
    "fluoxetine": {"norfluoxetine"}, "venlafaxine": {"O-desmethylvenlafaxine"}, "risperidone": {"9-hydroxyrisperidone"},
    "amitriptyline": {"nortriptyline"}, "imipramine": {"desipramine"}, "codeine": {"morphine"},
    "aripiprazole": {"dehydroaripiprazole"}, "lisdexamfetamine": {"dexamfetamine"}, "clozapine": {"norclozapine"},
    "bupropion": {"hydroxybupropion", "threohydrobupropion", "erythrohydrobupropion"},
    "carbamazepine": {"carbamazepine-10,11-epoxide"},
    "tamoxifen": {"endoxifen", "4-hydroxytamoxifen", "N-desmethyltamoxifen"},
}  # fmt: skip


@pytest.mark.parametrize("drug", ACTIVE)
def test_active_metabolites_are_named(drug: str) -> None:
    assert {m.name for m in metabolites(drug) if m.active} == ACTIVE[drug]


# -- the shared tables -------------------------------------------------------------------------------------------------

_ROUTES = {
    "CYP3A": "CYP3A4", "aldehyde oxidase": "AO", "UGT (conjugation)": "UGT", "UGT (glucuronidation)": "UGT",
    "none (conjugation)": "UGT", "Not metabolized": "renal", "CYP3A4 (predominant)": "CYP3A4", "renal)": "renal",
    "mEH": "EPHX1", "Mitochondrial β-oxidation": "beta-oxidation", "Carbonyl reductase": "AKR",
    "renal unchanged": "renal", "P-gp (citalopram)": "P-gp",
}  # fmt: skip
# Rows that our tables do not follow, each with its reason.
_ARGUED = {
    ("sertraline", "CYP2D6"): "a minor route in vitro; the review's list has no order",
    ("lorazepam", "UGT"): "named by its isoform, UGT2B15",
    ("citalopram", "CYP2D6"): "minor beside CYP2C19 by the label's own ratios",
}


def test_shared_substrates_agree() -> None:
    compared, different = 0, []
    for row in shared_rows("drugs/cyp_substrates.csv"):
        drug, route, what = list(row.values())[:3]
        roles = {s.route: s.role for s in substrates(drug)}
        if route.partition("/")[0].startswith("CYP1A1"):
            continue
        role = roles.get(_ROUTES.get(route, route))
        compared += 1
        agrees = role == "none" if what == "not a substrate" else role in {"major", "minor"}
        if what in {"primary clearance enzyme", "major", "sensitive"}:
            agrees = role == "major"
        if not agrees:
            different.append((drug, route, what, role))
    assert compared > 200
    assert len(different) <= 0.1 * compared, different


def test_shared_classes_agree() -> None:
    ours = {(m.drug, m.enzyme): (m.effect, m.strength) for of in all_modulators().values() for m in of}
    for row in shared_rows("pgx/cyp_inhibitors_inducers.csv"):
        strength = row["strength"].split(" (")[0] if not row["strength"].startswith("(") else "unclassified"
        assert ours[row["drug"], row["enzyme"]] == (row["role"], strength), row


def test_shared_metabolites_agree() -> None:
    ours = {(drug, m.name.lower().replace(" ", "-")) for drug in all_substrates() for m in metabolites(drug)}
    theirs = {(r["drug"], r["metabolite"].lower()) for r in shared_rows("drugs/metabolites.csv")}
    known = {drug for drug, _ in ours}
    assert len({drug for drug, _ in theirs} & known) >= 0.85 * len({drug for drug, _ in theirs})


def test_an_unverified_class_is_marked() -> None:
    (gemfibrozil,) = (m for m in modulators("gemfibrozil") if m.enzyme == "CYP2C8")
    assert gemfibrozil.source.evidence is Evidence.UNVERIFIED
    assert gemfibrozil.classed
    assert not gemfibrozil.checked
    assert not gemfibrozil.applied
