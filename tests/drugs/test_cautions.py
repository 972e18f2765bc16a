"""Cautions between drugs: by label, by effect, by enzyme; both directions, any order, after stopping."""

import itertools
import re
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.drugs.catalogue import catalogue
from novamind.drugs.cautions import (
    cautions,
    known_conditions,
    not_checked,
    rules,
    sides,
    sum_rules,
    washouts,
    without_size,
)
from novamind.drugs.domain import Caution, Severity
from novamind.drugs.enzymes import modulators, substrates
from novamind.drugs.names import normalise
from novamind.drugs.properties import properties
from novamind.drugs.tables import rows
from tests.drugs.tables import shared_rows

ORDER = tuple(Severity)


def texts(drug: str, *taken: str, conditions: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    return [(str(c.severity), c.cause, c.text) for c in cautions(drug, taken, conditions)]


def worst(of: Iterable[Caution], cause: str) -> Severity | None:
    return min((c.severity for c in of if c.cause == cause), key=ORDER.index, default=None)


# Pairs that a label rules out, with the label's section.
RULED_OUT = [
    ("pimozide", "clarithromycin", "Orap US label 4"),
    ("pimozide", "fluoxetine", "Orap US label 4"),
    ("pimozide", "paroxetine", "Orap US label 4"),
    ("pimozide", "citalopram", "Orap US label 4"),
    ("pimozide", "ritonavir", "Orap US label 4"),
    ("pimozide", "aprepitant", "ANSM"),
    ("lurasidone", "ketoconazole", "Latuda US label 4"),
    ("lurasidone", "rifampin", "Latuda US label 4"),
    ("lurasidone", "st john's wort", "Latuda US label 4"),
    ("phenelzine", "tranylcypromine", "Nardil US label 4"),
    ("phenelzine", "sertraline", "US class label 4"),
    ("linezolid", "venlafaxine", "US class label 4"),
    ("selegiline", "meperidine", "ANSM"),
    ("moclobemide", "dextromethorphan", "ONC high-priority list"),
    ("tranylcypromine", "amphetamine", "ONC high-priority list"),
    ("phenelzine", "amitriptyline", "US class label 4"),
    ("isocarboxazid", "bupropion", "Wellbutrin US label 4"),
    ("phenelzine", "sumatriptan", "ANSM"),
    ("agomelatine", "ciprofloxacin", "Valdoxan EU SmPC 4.3"),
    ("agomelatine", "fluvoxamine", "Valdoxan EU SmPC 4.3"),
    ("tizanidine", "fluvoxamine", "Zanaflex US label 4"),
    ("tizanidine", "ciprofloxacin", "Zanaflex US label 4"),
    ("duloxetine", "fluvoxamine", "Cymbalta EU SmPC 4.3"),
    ("ramelteon", "fluvoxamine", "Rozerem US label 4"),
    ("alprazolam", "ketoconazole", "Xanax US label 4"),
    ("alprazolam", "itraconazole", "Xanax US label 4"),
    ("triazolam", "ritonavir", "Halcion US label 4"),
    ("thioridazine", "paroxetine", "Mellaril US label 4"),
    ("thioridazine", "duloxetine", "Mellaril US label 4"),
    ("thioridazine", "celecoxib", "Mellaril US label 4"),
    ("thioridazine", "quetiapine", "Mellaril US label 4"),
    ("thioridazine", "amiodarone", "Mellaril US label 4"),
    ("ziprasidone", "sotalol", "Geodon US label 4.1"),
    ("ziprasidone", "moxifloxacin", "Geodon US label 4.1"),
    ("citalopram", "haloperidol", "ANSM"),
    ("escitalopram", "domperidone", "ANSM"),
    ("quetiapine", "ketoconazole", "Seroquel EU SmPC 4.3"),
    ("cariprazine", "clarithromycin", "Reagila EU SmPC 4.3"),
    ("carbamazepine", "nefazodone", "Tegretol US label 4"),
    ("carbamazepine", "phenelzine", "Tegretol US label 4"),
    ("naltrexone", "oxycodone", "Revia US label 4"),
    ("disulfiram", "metronidazole", "Antabuse US label"),
    ("simvastatin", "itraconazole", "Zocor US label 4"),
    ("methadone", "buprenorphine", "ANSM"),
    ("levodopa", "metoclopramide", "ANSM"),
    ("valproate", "mefloquine", "ANSM"),
    ("rasagiline", "tramadol", "Azilect US label 4"),
    ("sodium oxybate", "zolpidem", "Xyrem US label 4"),
]
# And pairs to avoid, to halve, or to watch closely.
MAJOR = [
    ("lithium", "celecoxib"), ("lithium", "ibuprofen"), ("lithium", "hydrochlorothiazide"), ("lithium", "lisinopril"),
    ("lithium", "losartan"), ("lithium", "furosemide"), ("citalopram", "fluconazole"), ("citalopram", "omeprazole"),
    ("clozapine", "fluvoxamine"), ("clozapine", "ciprofloxacin"), ("clozapine", "carbamazepine"),
    ("clozapine", "rifampin"), ("aripiprazole", "paroxetine"), ("aripiprazole", "ketoconazole"),
    ("aripiprazole", "carbamazepine"), ("lamotrigine", "valproate"), ("valproate", "meropenem"),
    ("alprazolam", "oxycodone"), ("pregabalin", "morphine"), ("tamoxifen", "paroxetine"), ("bupropion", "tramadol"),
    ("lurasidone", "diltiazem"), ("sertraline", "carbamazepine"), ("levodopa", "haloperidol"),
    ("clonidine", "amitriptyline"), ("modafinil", "oral contraceptives"), ("quetiapine", "carbamazepine"),
    ("fluvoxamine", "theophylline"), ("lorazepam", "ethanol"), ("methadone", "clarithromycin"),
    ("rasagiline", "sertraline"), ("sodium oxybate", "quetiapine"), ("carbamazepine", "isoniazid"),
]  # fmt: skip


@pytest.mark.parametrize(("drug", "other", "section"), RULED_OUT, ids=[f"{a}-{b}" for a, b, _ in RULED_OUT])
def test_a_pair_that_a_label_rules_out_is_contraindicated_from_both_sides_with_its_section(
    drug: str, other: str, section: str
) -> None:
    for one, two in ((drug, other), (other, drug)):
        found = cautions(one, (two,))
        assert worst(found, two) is Severity.CONTRAINDICATED
        assert section in {c.section for c in found if c.severity is Severity.CONTRAINDICATED}


@pytest.mark.parametrize(("drug", "other"), MAJOR, ids=["-".join(pair) for pair in MAJOR])
def test_a_pair_to_avoid_is_major_from_both_sides(drug: str, other: str) -> None:
    assert worst(cautions(drug, (other,)), other) in (Severity.MAJOR, Severity.CONTRAINDICATED)
    assert worst(cautions(other, (drug,)), drug) in (Severity.MAJOR, Severity.CONTRAINDICATED)


def test_a_warning_is_no_contraindication() -> None:
    for drug, other in (("rasagiline", "sertraline"), ("sodium oxybate", "quetiapine"), ("phenelzine", "esketamine")):
        assert worst(cautions(drug, (other,)), other) is not Severity.CONTRAINDICATED


def test_labels_of_two_countries_stand_side_by_side() -> None:
    sections = {c.section: c.severity for c in cautions("quetiapine", ("ketoconazole",))}
    assert sections["Seroquel EU SmPC 4.3"] is Severity.CONTRAINDICATED
    assert sections["Seroquel US label 2.5"] is Severity.MAJOR


def test_smoking_lowers_olanzapine() -> None:
    assert ("moderate", "tobacco smoking") in {(s, c) for s, c, _ in texts("olanzapine", "tobacco smoking")}


def test_a_drug_is_no_interaction_with_itself_and_a_repetition_adds_nothing() -> None:
    assert texts("sertraline", "sertraline") == []
    assert texts("sertraline", "tramadol", "tramadol", "sertraline") == texts("sertraline", "tramadol")


def test_a_sentence_of_two_sources_is_said_once_with_the_one_that_was_read() -> None:
    found = [c for c in cautions("citalopram", ("fluconazole",)) if "limits citalopram to 20 mg" in c.text]
    assert [str(c.source.evidence) for c in found] == ["secondary"]
    for one, two in itertools.combinations(EVERYTHING[::11], 2):
        said = [(c.severity, c.cause, c.text) for c in cautions(one, (two,))]
        assert len(said) == len(set(said))


def test_the_most_serious_comes_first_then_by_name() -> None:
    found = texts(
        "citalopram", "tramadol", "pimozide", "ibuprofen", "cimetidine", "hydroxyzine", conditions=("long qt",)
    )
    assert found == sorted(found, key=lambda c: (ORDER.index(Severity(c[0])), c[1], c[2]))
    assert {c for s, c, _ in found if s == "contraindicated"} == {"long qt", "pimozide", "hydroxyzine"}


def test_a_condition_is_only_the_patients() -> None:
    assert texts("valproate", "pregnancy") == []
    assert [c for _, c, _ in texts("valproate", conditions=("pregnancy",))] == ["pregnancy"]
    assert "pregnancy" in known_conditions()
    assert list(known_conditions()) == sorted(known_conditions())
    assert not any(":" in c for c in known_conditions())


# -- by enzyme ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drug", "other", "severity", "text"),
    [
        ("nortriptyline", "paroxetine", "major",
         "Paroxetine is a strong CYP2D6 inhibitor and can raise nortriptyline levels"),
        ("nortriptyline", "duloxetine", "moderate",
         "Duloxetine is a moderate CYP2D6 inhibitor and can raise nortriptyline levels"),
        ("nortriptyline", "celecoxib", "information",
         "Celecoxib is a weak CYP2D6 inhibitor and can raise nortriptyline levels"),
        ("quetiapine", "rifampin", "moderate", "Rifampin is a strong CYP3A4 inducer and can lower quetiapine levels"),
        ("buspirone", "rifampin", "major", "Rifampin is a strong CYP3A4 inducer and can lower buspirone levels"),
    ],
)  # fmt: skip
def test_an_enzyme_is_named_with_its_direction_from_both_sides(drug: str, other: str, severity: str, text: str) -> None:
    for one, two in ((drug, other), (other, drug)):
        (found,) = [c for c in cautions(one, (two,)) if c.text.startswith(text)]
        assert found.severity.startswith(severity)
        assert found.cause == two


def test_a_strong_class_on_a_sensitive_or_narrow_drug_is_major_and_a_minor_route_is_information() -> None:
    for drug, other in itertools.product(catalogue(), ("ketoconazole", "fluvoxamine", "duloxetine", "modafinil")):
        routes = {s.route: s for s in substrates(drug)}
        for m in modulators(other):
            route = routes.get(m.enzyme)
            if route is None or route.role == "none" or drug == other:
                continue
            named = f"{m.enzyme} {m.effect}"
            found = [c for c in cautions(drug, (other,)) if named in c.text and c.text.lower().startswith(other)]
            expected = (
                "information" if route.role == "minor" or m.strength not in ("strong", "moderate")
                else "major" if m.strength == "strong"
                and ((route.share or 0) >= 0.8 or "narrow_index" in properties().get(drug, ()))
                else "moderate"
            )  # fmt: skip
            assert expected in {c.severity for c in found}, (drug, other, m.enzyme)


def test_a_class_that_nobody_read_says_so() -> None:
    doubted = [c for d in catalogue() for c in cautions(d, ("fluconazole",)) if "not confirmed at its source" in c.text]
    assert all(not m.checked for c in doubted for m in modulators(c.cause) if f"{m.enzyme} {m.effect}" in c.text)
    for m in modulators("paroxetine"):
        if m.checked:
            for c in cautions("nortriptyline", ("paroxetine",)):
                assert f"{m.enzyme} {m.effect}" not in c.text or "not confirmed" not in c.text


def test_inhibition_of_an_activating_enzyme_lowers_the_active_metabolite() -> None:
    (found,) = [c.text for c in cautions("risperidone", ("paroxetine",)) if "CYP2D6 inhibitor and" in c.text]
    assert "and lower its active metabolite" in found


def test_what_changes_a_level_without_a_size() -> None:
    assert without_size("lithium", ("ibuprofen",), ("dehydration", "pregnancy"), ()) == ("dehydration", "ibuprofen")
    assert without_size("citalopram", ("citalopram",), ("long qt",), ("CYP2C19",)) == ()
    assert "fluvoxamine" in without_size("citalopram", ("fluvoxamine",), (), ())
    assert without_size("nortriptyline", ("paroxetine",), (), ("CYP2D6",)) == ()


# -- sums --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drug", "others", "cause", "holds"),
    [
        ("carbamazepine", ("bupropion",), "anticholinergic", True),  # 2 + 1
        ("venlafaxine", ("bupropion",), "anticholinergic", False),  # 1 + 1
        ("amitriptyline", (), "anticholinergic", False),  # one drug is no sum
        ("amitriptyline", ("lithium",), "anticholinergic", False),
        ("lithium", ("amitriptyline", "olanzapine"), "anticholinergic", False),  # adds nothing itself
        ("citalopram", ("ondansetron",), "qt", False),
        ("citalopram", ("ondansetron", "quetiapine"), "qt", True),
        ("citalopram", ("ondansetron", "sertraline"), "qt", False),  # a low degree does not count
        ("sertraline", ("tramadol", "sumatriptan"), "serotonergic", True),
        ("lorazepam", ("oxycodone", "pregabalin"), "respiratory_depressant", True),
    ],
)
def test_what_several_drugs_reach_together(drug: str, others: tuple[str, ...], cause: str, holds: bool) -> None:
    assert (cause in {c.cause for c in cautions(drug, others)}) is holds


def test_thresholds_of_sums_are_these() -> None:
    """sums.csv"""
    assert {(r.properties[0].partition(" ")[0], r.at_least, str(r.caution.severity)) for r in sum_rules()} == {
        ("anticholinergic", 3, "moderate"), ("anticholinergic", 6, "major"), ("qt", 3, "major"),
        ("serotonergic", 3, "moderate"), ("sedative", 3, "moderate"), ("respiratory_depressant", 3, "major"),
        ("seizure_threshold", 3, "moderate"), ("hyponatraemia", 3, "moderate"), ("hypotensive", 3, "moderate"),
    }  # fmt: skip


# -- after stopping ----------------------------------------------------------------------------------------------------

# Days to wait, typed again from section 4 of the labels.
WAIT = [
    ("sertraline", "phenelzine", 14), ("venlafaxine", "tranylcypromine", 14), ("amitriptyline", "isocarboxazid", 14),
    ("bupropion", "phenelzine", 14), ("phenelzine", "fluoxetine", 35), ("phenelzine", "sertraline", 14),
    ("phenelzine", "vortioxetine", 21), ("phenelzine", "bupropion", 14), ("phenelzine", "moclobemide", 14),
    ("tranylcypromine", "phenelzine", 14), ("thioridazine", "fluoxetine", 35), ("naltrexone", "oxycodone", 10),
    ("naltrexone", "buprenorphine", 14), ("dextromethorphan", "selegiline", 14), ("sertraline", "moclobemide", 1),
]  # fmt: skip


@pytest.mark.parametrize(("drug", "stopped", "days"), WAIT, ids=[f"{b}-then-{a}" for a, b, _ in WAIT])
def test_a_stopped_drug_counts_until_its_last_day(drug: str, stopped: str, days: int) -> None:
    before = cautions(drug, (), stopped={stopped: days - 1})
    assert worst(before, stopped) is Severity.CONTRAINDICATED
    assert any(c.text.endswith(f"its effect lasts {days} days: wait 1 more.") for c in before)
    ruled_out = [c for c in cautions(drug, (), stopped={stopped: days}) if c.severity is Severity.CONTRAINDICATED]
    assert ruled_out == []


def test_a_stop_on_an_unknown_day_counts_as_acting() -> None:
    found = cautions("sertraline", (), stopped={"phenelzine": None})
    assert worst(found, "phenelzine") is Severity.CONTRAINDICATED
    assert all(c.text.endswith("Phenelzine was stopped on an unknown day; its effect lasts 14 days.") for c in found)


def test_an_inhibitor_acts_on_after_it_is_stopped() -> None:
    lasts = next(m.washout_days for m in modulators("fluoxetine") if m.enzyme == "CYP2D6")
    early = [c for c in cautions("nortriptyline", (), stopped={"fluoxetine": lasts - 1}) if "CYP2D6" in c.text]
    assert early
    assert early[0].text.endswith("wait 1 more.")
    assert not [c for c in cautions("nortriptyline", (), stopped={"fluoxetine": 1000}) if "CYP2D6" in c.text]


def test_a_drug_that_is_still_taken_was_not_stopped() -> None:
    assert cautions("sertraline", ("phenelzine",), stopped={"phenelzine": 2}) == cautions("sertraline", ("phenelzine",))
    assert cautions("sertraline", (), stopped={"sertraline": 1}) == ()


# -- all pairs ---------------------------------------------------------------------------------------------------------

EVERYTHING = sorted(catalogue())


def test_every_pair_is_as_severe_from_one_side_as_from_the_other() -> None:
    """One drug against all at once says the same as pair by pair."""
    for one in EVERYTHING[::9]:
        found = cautions(one, EVERYTHING)
        by_cause = {c.cause for c in found}
        for two in list(by_cause & set(EVERYTHING))[::25]:
            back = worst(cautions(two, (one,)), one)
            assert back is worst(cautions(one, (two,)), two), (one, two)
            assert back is worst(found, two), (one, two)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(EVERYTHING), st.lists(st.sampled_from(EVERYTHING), max_size=7), st.randoms(use_true_random=False)
)
def test_adding_a_drug_removes_no_caution_and_order_does_not_matter(
    drug: str, taken: list[str], random: object
) -> None:
    everything = set(cautions(drug, taken))
    assert set(cautions(drug, taken[:-1])) <= everything
    shuffled = list(taken)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert cautions(drug, shuffled) == cautions(drug, taken)


def test_every_sentence_stands_in_a_row() -> None:
    """What a caution says is a row's text, a sum's text, or made of a row of enzymes; nothing else."""
    known = {r.text for r in rules()} | {r.caution.text for r in sum_rules()}
    made = re.compile(
        r".+ (is a \w+ [\w-]+ (inhibitor|inducer)|is listed as a [\w-]+ (inhibitor|inducer)) and can (raise|lower) .+"
    )
    for drug in EVERYTHING[::13]:
        for c in cautions(drug, EVERYTHING, known_conditions()):
            assert c.text in known or made.fullmatch(c.text), c.text
            assert c.source is not None


# -- tables ------------------------------------------------------------------------------------------------------------


def test_every_side_of_a_rule_is_a_drug_a_property_a_class_or_a_condition() -> None:
    tags = {p for of in properties().values() for p in of}
    for rule in rules():
        for side in (rule.a, rule.b):
            kind, _, name = side.partition(":")
            if not name:
                assert normalise(side) == side
            elif kind == "tag":
                assert name in tags
            elif kind == "enzyme":
                assert re.fullmatch(r"CYP\w+ (inhibitor|inducer) (strong|moderate|moderate\+|any)", name)
                assert any(side in sides(d) for d in EVERYTHING), side
            else:
                assert (kind, side) == ("condition", rule.b)
        assert rule.changed in ("", rule.a, rule.b)
        assert rule.text.endswith(".")
    assert not [r for r in rows("interactions") if r["severity"] == "contraindicated" and not r["section"]]


def test_every_washout_is_of_known_drugs_and_properties() -> None:
    present = {side for d in EVERYTHING for side in sides(d)}
    assert {w.drug for w in washouts()} | {w.before for w in washouts() if w.before} <= present


def test_what_was_not_checked_is_named() -> None:
    silent = [d for d in EVERYTHING if not_checked((d,))]
    assert not_checked(("sertraline", "lithium", "clozapine", "ketoconazole", "ketoconazole")) == ()
    assert not_checked(("tobacco smoking", "grapefruit juice")) == ()
    for drug in silent:
        (sentence,) = not_checked((drug,))
        assert drug in sentence
        assert "not checked" in sentence
        assert not substrates(drug)


# -- the kept table ----------------------------------------------------------------------------------------------------

CLASSES = {
    "benzodiazepines and related": "benzodiazepine z_drug", "vitamin k antagonists": "vitamin_k_antagonist",
    "tricyclic antidepressants": "tca", "irreversible monoamine oxidase inhibitors (maoi)": "maoi_irreversible",
    "maoi-b": "maoi_b", "reversible maoi-a, including linezolide and methylene blue": "maoi_reversible",
    "selective serotonin reuptake inhibitors (ssris)": "ssri", "mixed adrenergic-serotoninergic medications": "snri",
    "triptans": "triptan", "triptans metabolized by the mao": "triptan_by_mao", "neuroleptics": "dopamine_antagonist",
    "triptans not metabolized by the mao": "triptan_not_by_mao", "dopaminergics": "dopaminergic",
    "antiemitic neuroleptics": "antiemetic_dopamine_antagonist", "antiparkinsonian dopaminergics": "dopaminergic",
    "antipsychotic neuroleptics (except clozapine)": "dopamine_antagonist", "loop diuretics": "loop_diuretic",
    "dopaminergics, except parkinson": "dopaminergic_not_parkinson", "penems": "carbapenem",
    "barbiturates": "barbiturate",
    "angiotensin converting enzyme inhibitors (ace inhibitors)": "ace_inhibitor", "thiazides": "thiazide",
    "indirect sympathomimetics": "indirect_sympathomimetic", "carbapenems": "carbapenem",
    "catechol-o-methyltransferase inhibitors (comt)": "comt_inhibitor", "mao inhibitors": "maoi", "opioids": "opioid",
    "substances that tend to induce torsades de pointes": "qt_thesaurus", "agonist-antagonist opioids": "opioid_mixed",
    "torsades de pointes inducing medications (except antiparasitics, neuroleptics, methadone)": "qt_thesaurus_strict",
    "neuroleptics that tend to induce torsades de pointes": "qt_thesaurus_neuroleptic", "ssri or snri": "ssri snri",
    "alpha-sympathomimetics-(oral-and/or-nasal)": "alpha_sympathomimetic", "ace inhibitors": "ace_inhibitor",
    "vasoconstrictor alkaloids of ergot of rye": "ergot",
    "mao inhibitors incl. linezolid and iv methylene blue": "maoi",
    "angiotensin blockers": "angiotensin_blocker",
}  # fmt: skip
SPELT = {
    "pethidine": "meperidine", "adrenaline (oral-dental or sub-cutaneous)": "epinephrine", "linezolide": "linezolid",
    "rifampicin": "rifampin", "acetylsalicylic acid": "aspirin", "zidovudine (azt)": "zidovudine",
    "st johns wort": "st john's wort", "valproic (acid) and, by extrapolation, valpromide": "valproate",
    "alcohol (drink or ingredient)": "ethanol", "phenytoin (and, by extrapolation, fosphenytoin)": "phenytoin",
    "phenobarbital (and, by extrapolation, primidone)": "phenobarbital", "folates": "folic acid",
    "grapefruit (juice and fruit)": "grapefruit juice", "quinupristine": "quinupristin", "guanfacine er": "guanfacine",
    "dextromethorphan-bupropion": "bupropion", "oestrogen contraceptive": "oral contraceptives",
    "combined estrogen-progestin contraceptives": "oral contraceptives", "non-contraceptive estrogens": "estradiol",
    "lisdexamefetamine": "lisdexamfetamine", "voreconazole": "voriconazole",
}  # fmt: skip
ENZYMES = {
    "inhibitors of cyp3a4": "ketoconazole clarithromycin itraconazole", "cyp3a4 inhibitor": "ketoconazole itraconazole",
    "cyp2d6 inhibitor": "paroxetine fluoxetine", "cyp1a2 inhibitor": "fluvoxamine ciprofloxacin",
    "enzymatic inducers": "carbamazepine rifampin", "enzyme inducers": "carbamazepine rifampin",
    "cyp3a4 inducer": "carbamazepine rifampin",
}  # fmt: skip


def members(side: str) -> list[str]:
    """Return the drugs that one side of a row of the kept table means, as far as we can read it."""
    plain = side.casefold().strip()
    if plain in CLASSES:
        return [d for d in EVERYTHING if properties().get(d, frozenset()) & set(CLASSES[plain].split())]
    if known := normalise(SPELT.get(plain, plain)):
        return [known]
    parts = [
        p.strip() for p in re.split(r",| and | or |/|\(|\)", plain) if not plain.startswith(("moderate", "tobacco"))
    ]
    drugs = [drug for p in parts if (drug := normalise(SPELT.get(p, p)))]
    return drugs or next((of.split() for words, of in ENZYMES.items() if words in plain), [])


def test_no_pair_of_the_kept_table_is_below_its_severity() -> None:
    read, below = 0, []
    for row in shared_rows("drugs/contraindicated_pairs.csv"):
        pairs = [(a, b) for a in members(row["drug_a"]) for b in members(row["drug_b_or_class"]) if a != b]
        read += bool(pairs)
        hard = row["severity"].startswith(("contraindicated", "avoid", "high priority"))
        for a, b in pairs[:: max(len(pairs) // 40, 1)]:
            severity = worst(cautions(a, (b,)), b)
            if severity is None or (hard and severity not in (Severity.CONTRAINDICATED, Severity.MAJOR)):
                below.append((a, b, row["severity"], severity))
    assert below == []
    assert read >= 255
