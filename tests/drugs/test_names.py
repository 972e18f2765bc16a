"""Names and codes as records write them: read to the right drug, strength and form, or not read at all."""

import csv
from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path
from random import Random
from time import process_time

import pytest

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Product, Strength
from novamind.drugs.names import codes, find, nearest, normalise, products
from novamind.drugs.tables import rows
from tests.drugs.tables import shared_rows
from tests.patience import patient

OUR_NAME = {"rifampicin": "rifampin"}
# Aristada holds aripiprazole lauroxil, L-Polamidon levomethadone: drugs of their own here.
OWN_DRUG = {"Aristada": "aripiprazole lauroxil", "L-Polamidon": "levomethadone"}


def read(text: str) -> Product:
    reading = find(text)
    assert reading is not None, text
    return reading


# -- single names ------------------------------------------------------------------------------------------------------

# text | drug | strength | form | release | route
READ = """
citalopram (CELEXA) 20 mg tablet | citalopram | 20 mg | tablet | |
carbamazepine XR 200 mg 12 hr tablet | carbamazepine | 200 mg | tablet | extended |
Sertralin 50 mg Filmtabletten | sertraline | 50 mg | tablet | |
sertraline hydrochloride 50 MG Oral Tablet [Zoloft] | sertraline | 50 mg | tablet | | oral
quetiapine fumarate ER | quetiapine | | | extended |
24 HR venlafaxine 75 MG Extended Release Oral Capsule | venlafaxine | 75 mg | capsule | extended | oral
100 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler | salbutamol | 0.09 mg/actuation | inhaler | | inhaled
168 HR clonidine 0.00417 MG/HR Transdermal System | clonidine | 0.00417 mg/h | patch | | transdermal
methadone hydrochloride 40 MG Tablet for Oral Suspension | methadone | 40 mg | tablet | | oral
1.5 ML paliperidone palmitate 156 MG/ML Prefilled Syringe | paliperidone | 156 mg/ml | injection | depot |
haloperidol decanoate 100 mg/mL injection | haloperidol | 100 mg/ml | injection | depot |
imipramine pamoate 75 MG Oral Capsule | imipramine | 75 mg | capsule | | oral
levothyroxine 100 mcg tablet | levothyroxine | 100 µg | tablet | |
Risperidon 0,5 mg Schmelztabletten | risperidone | 0.5 mg | tablet | disintegrating |
Rivastigmin 9,5 mg/24 h transdermales Pflaster | rivastigmine | 9.5 mg/24 h | patch | | transdermal
Quetiapinfumarat 25 mg | quetiapine | 25 mg | | |
Methylphenidathydrochlorid 18 mg Retardtabletten | methylphenidate | 18 mg | tablet | extended |
Escitalopram neuraxpharm 10 mg N3 100 St. | escitalopram | 10 mg | | |
Sertralin-ratiopharm® 50 mg Filmtabletten | sertraline | 50 mg | tablet | |
divalproex 250 mg tablet,delayed release (DR/EC) | valproate | 250 mg | tablet | delayed |
VPA 500 mg retard | valproate | 500 mg | | extended |
Osmotic 24 HR methylphenidate 36 MG Extended Release Tablet [Concerta] | methylphenidate | 36 mg | tablet | extended |
St. John's wort 300 mg | st john's wort | 300 mg | | |
{1 (aripiprazole 2 MG Oral Tablet) } Pack | aripiprazole | 2 mg | tablet | | oral
Lithium carbonate 300 mg capsule | lithium | 300 mg | capsule | |
zolpidem 5mg tab po qhs prn | zolpidem | 5 mg | tablet | | oral
amoxicillin 250 mg/5 ml suspension | amoxicillin | 250 mg/5 ml | suspension | |
lithium 900 mg/day | lithium | | | |
lamotrigine 1,000 mg | lamotrigine | | | |
sertraline 50 | sertraline | | | |
Metformin 1.000 mg Filmtabletten | metformin | | tablet | |
carvedilol 3.125 mg tablet | carvedilol | 3.125 mg | tablet | |
sertraline 50 mg or 100 mg | | | | |
Escitalopram 10 mg Filmtbl. | escitalopram | 10 mg | tablet | |
Tavor Expidet 1,0 mg | lorazepam | 1 mg | | disintegrating |
Olanzapine 5mg orodispersible tablets sugar free | olanzapine | 5 mg | tablet | disintegrating |
Tylenol Extra Strength 500 mg | paracetamol | 500 mg | | |
Risperdal Consta 25 mg | risperidone | 25 mg | | depot |
fluphenazine decanoate 25 mg/mL | fluphenazine | 25 mg/ml | | depot |
hydroxyzine pamoate 25 mg | hydroxyzine | 25 mg | | |
insulin glargine 100 units/mL (3 mL) pen | insulin glargine | 100 unit/ml | injection | |
sertraline 50 mg, 100 mg tablets | sertraline | | tablet | |
ASS 100 | aspirin | | | |
hctz | hydrochlorothiazide | | | |
""".strip().splitlines()


@pytest.mark.parametrize("line", READ)
def test_a_name_is_read_to_its_drug_strength_and_form(line: str) -> None:
    text, *wanted = (part.strip() for part in line.split("|"))
    reading = find(text)
    if not wanted[0]:
        assert reading is None
        return
    assert reading is not None
    assert reading.name == text
    strength = "" if reading.strength is None else str(reading.strength)
    assert [reading.drug, strength, reading.form, reading.release, reading.route] == wanted


COMBINATIONS = {
    "Symbyax 6/25 mg": {"olanzapine": "6 mg", "fluoxetine": "25 mg"},
    "fluoxetine 25 MG / olanzapine 6 MG Oral Capsule [Symbyax]": {"fluoxetine": "25 mg", "olanzapine": "6 mg"},
    "perphenazine-amitriptyline 2-25 mg tablet": {"perphenazine": "2 mg", "amitriptyline": "25 mg"},
    "dextromethorphan 45 MG / bupropion 105 MG": {"dextromethorphan": "45 mg", "bupropion": "105 mg"},
    "hydrocodone-acetaminophen 5-325 mg tablet": {"hydrocodone": "5 mg", "paracetamol": "325 mg"},
    "Ramipril HCT 5/25 mg": {"ramipril": "5 mg", "hydrochlorothiazide": "25 mg"},
    "buprenorphine 8 MG / naloxone 2 MG Sublingual Film": {"buprenorphine": "8 mg", "naloxone": "2 mg"},
    "carbidopa 25 MG / levodopa 100 MG Oral Tablet": {"carbidopa": "25 mg", "levodopa": "100 mg"},
    "amphetamine aspartate 5 MG / amphetamine sulfate 5 MG / dextroamphetamine saccharate 5 MG / dextroamphetamine"
    " sulfate 5 MG Oral Tablet [Adderall]": {"amphetamine": "10 mg", "dextroamphetamine": "10 mg"},
    "fluticasone-salmeterol (ADVAIR) 250-50 mcg/dose inhaler": {
        "fluticasone": "250 µg/dose", "salmeterol": "50 µg/dose",
    },
    "oxyCODONE-acetaminophen (PERCOCET) 5-325 mg per tablet": {"oxycodone": "5 mg", "paracetamol": "325 mg"},
    "Co-codamol 30mg/500mg tablets": {"codeine": "30 mg", "paracetamol": "500 mg"},
    "Contrave": {"naltrexone": "", "bupropion": ""},
    "Tylenol #3": {"paracetamol": "", "codeine": ""},
    "Adderall XR 20 mg": {"dextroamphetamine": "", "amphetamine": ""},
}  # fmt: skip


@pytest.mark.parametrize("text", COMBINATIONS)
def test_a_combination_is_all_of_its_drugs(text: str) -> None:
    reading = read(text)
    strengths = [str(s) for s in reading.strengths] or [""] * len(reading.drugs)
    assert dict(zip(reading.drugs, strengths, strict=True)) == COMBINATIONS[text]
    assert reading.drug is None
    assert reading.strength is None
    assert normalise(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x" * 301, "clonidine/clonazepam", "sertraline and mirtazapine", "sertraline, mirtazapine 15 mg",
        "bupropion buspirone", "hydroxyzine vs hydralazine", "Topamax/Toprol", "sertraline (Lexapro) 10 mg",
        "sertralinn 50 mg", "sertraline2", "clonidin-e", "no sertraline", "off sertraline", "not taking lithium",
        "lithium battery changed", "lithium ion battery of the pacemaker", "lithium level", "sertraline-free",
        "nortriptyline antibody", "N-desmethylclozapine", "R-citalopram", "ass", "droxidopa",
        "insulin lispro 100 UNT/ML", "hold clozapine", "Ramipril comp", "Delix plus", "Nurofen Plus", "Tylenol Cold",
        "grapefruit 5 mg", "smoking 20 mg", "50 mg",
        "tablet", "sodium fluoride 1 MG", "unknownol 20 mg tablet", "citalopram unknownol 20 mg", "potassium citrate",
        "asthma", "MPH student", "Claritin-D", "vpa clinic",
    ],
)  # fmt: skip
def test_nothing_is_guessed(text: str) -> None:
    assert find(text) is None


@pytest.mark.parametrize(
    "text", ["1-", "1 mg/", "1,1", "1 - ", "1  -  ", "1mg - ", "1 mg per ", "1 -mg", "1.1/", "sertraline ", "a-", "mg "]
)
def test_a_text_made_to_keep_the_reader_busy_does_not(text: str) -> None:
    began = process_time()
    find((text * 300)[:300])
    assert process_time() - began < patient(0.5)


# One drug under the names of two countries, of its salts and of its parts.
SPELLINGS = {
    "benzatropine": "benztropine", "dextroamphetamine": "dexamfetamine|dexamphetamine", "rifampin": "rifampicin",
    "valproate": "valproic acid|divalproex|divalproex sodium|sodium valproate|valproate semisodium|Valproinsäure",
    "levothyroxine": "thyroxine|L-Thyroxin|levothyroxine sodium", "paracetamol": "acetaminophen", "nordazepam":
    "nordiazepam|desmethyldiazepam", "meperidine": "pethidine", "salbutamol": "albuterol", "ethanol": "ethyl alcohol",
    "lithium": "lithium carbonate|lithium citrate|lithium orotate", "epinephrine": "adrenaline",
    "norepinephrine": "noradrenaline", "amphetamine": "amfetamine", "lisdexamfetamine": "lisdexamphetamine",
    "methamphetamine": "metamfetamine", "furosemide": "frusemide", "cyclosporine": "ciclosporin|cyclosporin",
    "glibenclamide": "glyburide", "methimazole": "thiamazole", "co-trimoxazole": "cotrimoxazole|TMP-SMX",
    "lidocaine": "lignocaine", "methylene blue": "methylthioninium chloride", "acyclovir": "aciclovir",
    "dosulepin": "dothiepin", "levomepromazine": "methotrimeprazine", "thiothixene": "tiotixene",
    "scopolamine": "hyoscine", "metamizole": "dipyrone|metamizol", "clomethiazole": "chlormethiazole",
    "indomethacin": "indometacin", "succinylcholine": "suxamethonium", "torsemide": "torasemide",
    "phenobarbital": "phenobarbitone", "trihexyphenidyl": "benzhexol", "theophylline": "aminophylline",
    "st john's wort": "hypericum|saint john's wort|Johanniskraut", "mesalazine": "mesalamine",
    "valacyclovir": "valaciclovir", "cephalexin": "cefalexin", "bendroflumethiazide": "bendrofluazide",
}  # fmt: skip


@pytest.mark.parametrize("drug", SPELLINGS)
def test_a_drug_under_two_spellings_is_one(drug: str) -> None:
    spellings = SPELLINGS[drug].split("|")
    assert [normalise(name) for name in (drug, *spellings)] == [drug] * (len(spellings) + 1)


def test_look_alikes_stay_apart() -> None:
    pairs = {"Celexa": "citalopram", "Celebrex": "celecoxib", "Cerebyx": "fosphenytoin", "Lamictal": "lamotrigine",
             "Lamisil": "terbinafine", "Topamax": "topiramate", "Toprol": "metoprolol", "clonidine": "clonidine",
             "clonazepam": "clonazepam", "hydroxyzine": "hydroxyzine", "hydralazine": "hydralazine",
             "Zyprexa": "olanzapine", "Zyrtec": "cetirizine", "Seroquel": "quetiapine", "Serzone": "nefazodone",
             "chlorpromazine": "chlorpromazine", "levetiracetam": "levetiracetam", "levofloxacin": "levofloxacin",
             "prednisone": "prednisone", "prednisolone": "prednisolone", "Paxil": "paroxetine", "Taxilan": "perazine",
             "Invega": "paliperidone", "Intuniv": "guanfacine", "Brilinta": "ticagrelor"}  # fmt: skip
    assert {name: normalise(name) for name in pairs} == pairs


# -- every name of the tables, in ten styles ---------------------------------------------------------------------------

STRENGTHS = (("0.5", "0,5"), ("2.5", "2,5"), ("10", "10"), ("37.5", "37,5"), ("150", "150"), ("1000", "1000"))
FORMS = {"tablet": "tablet", "capsule": "capsule", "oral solution": "solution", "TABS": "tablet"}
STYLES = (
    "{generic} ({BRAND}) {mg} mg {form}",
    "{generic} {salt} {mg} MG {form} [{brand}]",
    "{brand} {mg}mg {form}",
    "{german} {mg_de} mg {form}",
    "{generic} XR {mg} mg 24 hr {form}",
    "24 HR {generic} {salt} {mg} MG Extended Release {form}",
    "{GENERIC} {mg} MG {form}",
    "{brand} {form} {mg} mg po qhs",
    "{german}-ratiopharm® retard {mg_de} mg {form} N3 100 St.",
    "{brand} ({generic} {salt}) {form}, {mg} mg",
)


def written() -> Iterator[tuple[str, str, str, float, str]]:
    """Yield style, text, drug, mg and form of every drug with a brand, in every style."""
    by_drug: dict[str, dict[str, list[str]]] = {}
    for row in rows("names"):
        by_drug.setdefault(row["drug"], {}).setdefault(row["kind"], []).append(row["name"])
    alone = {"habit", "food", "dietary"}
    numbers, forms = cycle(STRENGTHS), cycle(FORMS.items())
    for drug, names in by_drug.items():
        brands = [*names.get("brand US", []), *names.get("brand EU", [])]
        if catalogue()[drug].drug_class in alone or not brands:
            continue
        for style, brand in product(STYLES, brands[:3]):
            (mg, mg_de), (form, form_read) = next(numbers), next(forms)
            text = style.format(
                generic=drug, GENERIC=drug.upper(), BRAND=brand.upper(), brand=brand, mg=mg, mg_de=mg_de, form=form,
                german=drug.removesuffix("e"), salt=next(iter(names.get("salt", ())), ""),
            )  # fmt: skip
            yield style, text, drug, float(mg), form_read


def test_generic_brand_strength_and_form_are_read_in_every_style() -> None:
    missed = []
    total = 0
    for style, text, drug, mg, form in written():
        total += 1
        reading = find(text)
        assert reading is None or reading.drugs == (drug,), text
        if reading is None or reading.strengths != (Strength(mg, "mg"),) or reading.form != form:
            missed.append(text)
        elif "XR" in style or "Extended" in style or "retard" in style:
            assert reading.release in ("extended", "depot"), text
    assert total > 8000
    assert len(missed) <= 0.005 * total, missed[:20]


def test_two_drugs_that_are_no_product_are_never_one() -> None:
    combined = {frozenset(row["drugs"].split(";")) for row in rows("combinations")}
    names = sorted(name for name, drug in catalogue().items() if drug.drug_class not in {"habit", "food", "dietary"})
    random = Random(21)
    for _ in range(3000):
        pair = random.sample(names, 2)
        reading = find(f"{pair[0]} 10 mg / {pair[1]} 20 mg tablet")
        assert (reading is not None) == (frozenset(pair) in combined), pair
    for pair in combined:
        if pair <= catalogue().keys():
            assert set(read(" / ".join(pair)).drugs) == pair


def test_a_changed_letter_is_not_read() -> None:
    random, known = Random(5), {row["name"].casefold() for row in rows("names")} | set(catalogue())
    names = sorted(name for name in catalogue() if " " not in name and len(name) > 6)
    for name in random.sample(names, 200):
        at = random.randrange(1, len(name) - 2)
        changed = f"{name[:at]}{'q' if name[at] != 'q' else 'z'}{name[at + 1 :]}"
        assert changed in known or find(f"{changed} 20 mg tablet") is None


# -- codes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "system", "drug"),
    [
        ("36437", "rxnorm", "sertraline"), ("36437", "http://www.nlm.nih.gov/research/umls/rxnorm", "sertraline"),
        ("N05AN01", "atc", "lithium"), ("N05AN01", "http://fhir.de/CodeSystem/bfarm/atc", "lithium"),
        ("N06AB04", "http://www.whocc.no/atc", "citalopram"), ("4603", "rxnorm", "furosemide"),
        ("266856", "rxnorm", "valproate"), ("36437", "RxNorm", "sertraline"), (" 36437 ", "rxnorm", "sertraline"),
    ],
)  # fmt: skip
def test_a_code_is_read_in_its_system(code: str, system: str, drug: str) -> None:
    reading = find(code, system)
    assert reading is not None
    assert reading.drug == drug


@pytest.mark.parametrize(
    ("code", "system"),
    [("36437", "atc"), ("N05AN01", "rxnorm"), ("36437", "http://snomed.info/sct"), ("0", "rxnorm"), ("460", "rxnorm")],
)
def test_a_code_of_another_system_or_of_no_table_is_not_read(code: str, system: str) -> None:
    assert find(code, system) is None


def test_a_clinical_drug_is_read_with_strength_and_form() -> None:
    reading = find("312940", "rxnorm")
    assert reading is not None
    assert (reading.drug, str(reading.strength), reading.form) == ("sertraline", "25 mg", "tablet")
    for code, name in products().items():
        by_code, by_name = find(code, "rxnorm"), find(name)
        assert by_code is not None
        assert by_name is not None
        assert by_code == by_name
        assert len(by_name.strengths) == len(by_name.drugs)
        assert by_name.form


def test_codes_agree_with_their_second_entry() -> None:
    """RxNorm and ATC of 101 drugs, typed a second time in the order of the ATC index; the first is the one we give."""
    with (Path(__file__).parent / "facts" / "second_codes.csv").open(encoding="utf-8", newline="") as handle:
        second = list(csv.DictReader(handle))
    assert len(second) == 101
    for row in second:
        for system in ("rxnorm", "atc"):
            own = [code for code, drug in codes(system).items() if drug == row["medication"]]
            typed = row[system].split()
            assert set(typed) <= set(own), row["medication"]
            assert sorted(own[: len(typed)]) == sorted(typed), row["medication"]


def test_a_code_names_one_drug() -> None:
    for system in ("rxnorm", "atc"):
        listed = [row["code"] for row in rows("codes") if row["system"] == system]
        assert len(set(listed)) == len(listed) == len(codes(system))
        assert set(codes(system).values()) <= set(catalogue())


@pytest.mark.parametrize(
    ("group", "drugs"),
    [  # WHO ATC: the third and fourth level say what kind of drug it is
        ("N06AB", "sertraline citalopram escitalopram fluoxetine paroxetine fluvoxamine"),
        ("N06AA", "amitriptyline imipramine desipramine doxepin amoxapine maprotiline opipramol lofepramine"),
        ("N06AF", "phenelzine tranylcypromine isocarboxazid"),
        ("N05AH", "clozapine olanzapine quetiapine asenapine loxapine"),
        ("N05AD", "haloperidol melperone pipamperone benperidol bromperidol droperidol lumateperone"),
        ("N05AX", "risperidone paliperidone aripiprazole brexpiprazole cariprazine zotepine"),
        ("N05BA", "diazepam lorazepam alprazolam clobazam oxazepam bromazepam prazepam"),
        ("N05CD", "temazepam triazolam midazolam flunitrazepam nitrazepam lormetazepam estazolam"),
        ("N05CF", "zolpidem zopiclone eszopiclone zaleplon"),
        ("N05CJ", "suvorexant lemborexant daridorexant"),
        ("N06BA", "methylphenidate amphetamine atomoxetine modafinil armodafinil lisdexamfetamine"),
        ("N06DA", "donepezil rivastigmine galantamine"),
        ("C09AA", "lisinopril enalapril ramipril captopril perindopril"),
        ("C09CA", "losartan valsartan candesartan irbesartan telmisartan olmesartan"),
        ("C07AB", "metoprolol bisoprolol atenolol nebivolol"),
        ("C10AA", "simvastatin atorvastatin pravastatin rosuvastatin lovastatin fluvastatin"),
        ("M01AE", "ibuprofen naproxen"),
        ("A02BC", "omeprazole esomeprazole pantoprazole lansoprazole rabeprazole"),
        ("J01FA", "clarithromycin erythromycin azithromycin telithromycin"),
        ("J01MA", "ciprofloxacin levofloxacin moxifloxacin enoxacin"),
        ("N02CC", "sumatriptan rizatriptan zolmitriptan naratriptan eletriptan almotriptan frovatriptan"),
    ],
)
def test_an_atc_code_stands_in_the_group_of_its_drug(group: str, drugs: str) -> None:
    of_group = {drug for code, drug in codes("atc").items() if code.startswith(group)}
    assert set(drugs.split()) <= of_group
    assert all(len(code) == 7 for code in codes("atc"))


def test_every_code_and_name_of_the_reference_table_is_read_to_its_drug() -> None:
    for row in shared_rows("drugs/codes.csv"):
        drug, kind = OUR_NAME.get(row["drug"], row["drug"]), row["kind"]
        if kind == "RxNorm clinical drug":
            reading = read(row["display"])
            assert reading.drug == drug
            assert reading.strength is not None
            assert reading.form
            coded = find(row["code"], "rxnorm")
            assert coded is not None
            assert coded.drug == drug
        elif kind in ("ATC", "RxNorm ingredient"):
            coded = find(row["code"], kind.split()[0].casefold())
            assert coded is not None
            assert coded.drug == drug
        elif kind.startswith("brand"):
            for brand in (name.split("(")[0].strip() for name in row["code"].split(",")):
                assert OWN_DRUG.get(brand, drug) in read(brand).drugs, brand


# -- strengths, near names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strength", "mg", "text"),
    [
        (Strength(50, "mg"), 50, "50 mg"), (Strength(1.5, "g"), 1500, "1.5 g"), (Strength(75, "µg"), 0.075, "75 µg"),
        (Strength(20, "mg", 1, "ml"), None, "20 mg/ml"), (Strength(100, "mg", 5, "ml"), None, "100 mg/5 ml"),
        (Strength(8, "meq"), None, "8 meq"),
    ],
)  # fmt: skip
def test_mg_of_a_piece(strength: Strength, mg: float | None, text: str) -> None:
    assert strength.mg == pytest.approx(mg) if mg is not None else strength.mg is None
    assert str(strength) == text


def test_near_names_are_offered_for_a_message() -> None:
    assert nearest("sertralinn")[0] == "sertraline"
    assert nearest("Zolof")[0] == "sertraline"
    assert nearest("qqqqqq") == ()
    assert len(nearest("prednison")) <= 3
