"""Names of conditions, entered a second time."""

import pytest

from novamind.drugs.cautions import known_conditions
from novamind.drugs.conditions import condition_word
from novamind.drugs.tables import rows


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("pregnant", "pregnancy"), ("Schwangerschaft", "pregnancy"), ("Epilepsy", "seizure disorder"),
        ("epilepsie", "seizure disorder"), ("kidney_disease", "renal impairment"), ("CKD", "renal impairment"),
        ("Niereninsuffizienz", "renal impairment"), ("bulimia nervosa", "eating disorder"),
        ("anorexia", "eating disorder"), ("cirrhosis", "liver disease"), ("prolonged  QT", "long qt"),
        ("lactating", "breastfeeding"), ("heart attack", "recent myocardial infarction"), ("CHF", "heart failure"),
        ("Alzheimer's disease", "dementia"), ("schizophrenia", "psychosis"), ("Parkinson", "parkinson's disease"),
        ("long qt", "long qt"), ("gout", None), ("", None), ("pregnan", None),
    ],
)  # fmt: skip
def test_a_condition_is_known_by_its_synonyms(name: str, word: str | None) -> None:
    assert condition_word(name) == word


def test_every_word_is_one_of_a_rule_and_every_synonym_means_one_thing() -> None:
    words = [row["word"] for row in rows("conditions")]
    assert set(words) <= set(known_conditions())
    assert len(words) == len(set(words))
    synonyms = [(s, row["word"]) for row in rows("conditions") for s in row["synonyms"].split("|")]
    assert {s for s, _ in synonyms} & set(known_conditions()) == set()
    assert len(dict(synonyms)) == len(set(synonyms))
    assert all(s == " ".join(s.casefold().split()) for s, _ in synonyms)
