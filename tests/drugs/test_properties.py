"""Properties of drugs, entered a second time drug by drug."""

import pytest

from novamind.drugs.names import normalise
from novamind.drugs.properties import properties, weight
from novamind.drugs.tables import rows

# What labels and the thesaurus say of each, typed again; a drug may have more.
HAS = {
    "sertraline": "ssri|antidepressant|serotonergic high|qt low|bleeding|hyponatraemia",
    "citalopram": "ssri|antidepressant|serotonergic high|qt high|qt_thesaurus|qt_thesaurus_strict|bleeding",
    "venlafaxine": "snri|antidepressant|serotonergic high|pressor|qt moderate|bleeding|anticholinergic 1",
    "amitriptyline": "tca|tertiary_tca|antidepressant|serotonergic low|anticholinergic 3|sedative|narrow_index",
    "clomipramine": "tca|tertiary_tca|serotonergic high|seizure_threshold|anticholinergic 3|bleeding",
    "nortriptyline": "tca|antidepressant|anticholinergic 3|narrow_index",
    "phenelzine": "maoi|maoi_a|maoi_irreversible|antidepressant|hypotensive",
    "tranylcypromine": "maoi|maoi_irreversible|antidepressant",
    "moclobemide": "maoi|maoi_reversible|antidepressant",
    "linezolid": "maoi|maoi_a|maoi_reversible",
    "selegiline": "maoi|maoi_b|dopaminergic|antidepressant",
    "bupropion": "antidepressant|seizure_threshold|anticholinergic 1",
    "haloperidol": "antipsychotic|dopamine_antagonist|qt high|qt_thesaurus|qt_thesaurus_neuroleptic|sedative",
    "clozapine": "antipsychotic|qt moderate|anticholinergic 3|sedative|agranulocytosis|narrow_index",
    "aripiprazole": "antipsychotic|dopamine_antagonist|qt low|anticholinergic 1|sedative",
    "thioridazine": "antipsychotic|qt high|anticholinergic 3|narrow_index",
    "lithium": "serotonergic low|narrow_index|qt low",
    "carbamazepine": "hyponatraemia|agranulocytosis|anticholinergic 2|narrow_index",
    "methylphenidate": "pressor|indirect_sympathomimetic|stimulant",
    "spironolactone": "potassium_sparing|hyponatraemia", "eplerenone": "potassium_sparing",
    "trimethoprim": "potassium_raising", "nitroglycerin": "nitrate|hypotensive",
    "avanafil": "pde5_inhibitor|hypotensive",
    "silodosin": "alpha_blocker|hypotensive", "nadolol": "beta_blocker|bradycardia",
    "ofloxacin": "quinolone|qt moderate",
    "doxycycline": "tetracycline", "gliclazide": "sulfonylurea", "trandolapril": "ace_inhibitor",
    "saquinavir": "protease_inhibitor|qt high", "dofetilide": "qt high|qt_thesaurus|qt_thesaurus_strict|antiarrhythmic",
    "sertindole": "antipsychotic|qt high|qt_thesaurus_neuroleptic", "sultopride": "antipsychotic|qt high|sedative",
    "mdma": "serotonergic high|pressor|indirect_sympathomimetic", "oxitriptan": "serotonergic high",
    "brotizolam": "benzodiazepine|sedative|respiratory_depressant",
    "diamorphine": "opioid|opioid_full_agonist|sedative",
    "thiothixene": "antipsychotic|dopamine_antagonist|qt low", "flunarizine": "dopamine_antagonist|sedative",
    "cilostazol": "antiplatelet|qt moderate", "levetiracetam": "qt low", "melitracen": "tca|antidepressant",
    "nefopam": "seizure_threshold", "mercaptopurine": "agranulocytosis", "clidinium": "anticholinergic 3",
    "atomoxetine": "pressor|indirect_sympathomimetic",
    "lorazepam": "benzodiazepine|sedative|respiratory_depressant",
    "zolpidem": "z_drug|sedative|respiratory_depressant",
    "pregabalin": "gabapentinoid|sedative|respiratory_depressant",
    "methadone": "opioid|opioid_full_agonist|serotonergic high|qt high|qt_thesaurus|narrow_index",
    "buprenorphine": "opioid|opioid_mixed|respiratory_depressant",
    "naltrexone": "opioid_antagonist",
    "sumatriptan": "triptan|triptan_by_mao|serotonergic low",
    "naratriptan": "triptan|triptan_not_by_mao|serotonergic low",
    "tramadol": "opioid|serotonergic high|seizure_threshold|sedative|respiratory_depressant",
    "celecoxib": "nsaid",
    "furosemide": "loop_diuretic|potassium_lowering|hyponatraemia",
    "lisinopril": "ace_inhibitor|hypotensive",
    "losartan": "angiotensin_blocker|hypotensive",
    "levodopa": "dopaminergic",
    "metoclopramide": "antiemetic_dopamine_antagonist|sedative|serotonergic low",
    "diphenhydramine": "anticholinergic 3|sedative",
    "quinidine": "antiarrhythmic|qt high|qt_thesaurus|narrow_index",
    "donepezil": "qt moderate|bradycardia",
}  # fmt: skip
LACKS = {
    "rasagiline": "maoi_a|maoi_irreversible", "esketamine": "pressor",
    "mirtazapine": "ssri|serotonergic high|bleeding|maoi", "agomelatine": "serotonergic|qt",
    "bupropion": "serotonergic",
    "clozapine": "dopamine_antagonist", "haloperidol": "qt_thesaurus_strict", "lamotrigine": "qt|sedative",
    "methadone": "qt_thesaurus_strict", "paracetamol": "nsaid", "aspirin": "nsaid", "oxcarbazepine": "agranulocytosis",
}  # fmt: skip


@pytest.mark.parametrize("drug", HAS)
def test_a_drug_has_what_its_label_says(drug: str) -> None:
    assert set(HAS[drug].split("|")) <= properties()[drug]


@pytest.mark.parametrize("drug", LACKS)
def test_a_drug_has_nothing_that_its_label_does_not_say(drug: str) -> None:
    assert not set(LACKS[drug].split("|")) & properties().get(drug, frozenset())


def test_every_drug_with_a_property_is_in_the_catalogue_under_that_name() -> None:
    assert {drug for drug in properties() if normalise(drug) != drug} == set()


def test_no_drug_has_two_degrees_of_one_property_and_none_is_listed_twice() -> None:
    for drug, of in properties().items():
        degrees = [p.rpartition(" ")[0] for p in of if " " in p]
        assert len(degrees) == len(set(degrees)), drug
    for row in rows("properties"):
        drugs = row["drugs"].split("|")
        assert len(drugs) == len(set(drugs)), row["property"]


def test_a_weight_is_the_degree_where_that_is_a_number() -> None:
    assert weight("amitriptyline", "anticholinergic") == 3
    assert weight("carbamazepine", "anticholinergic") == 2
    assert weight("citalopram", "qt high") == weight("citalopram", "qt") == weight("citalopram", "serotonergic") == 1
    assert weight("citalopram", "qt moderate") == weight("lithium", "anticholinergic") == weight("nothing", "qt") == 0
