"""Pairs of drugs and the severity that labels give them, typed a second time drug by drug, not by class."""

import csv
import itertools
from pathlib import Path

import pytest

from novamind.drugs.cautions import cautions
from novamind.drugs.domain import Severity
from novamind.drugs.names import drugs_of, find
from novamind.drugs.regimen import interactions

ORDER = tuple(Severity)
with (Path(__file__).parent / "facts" / "label_pairs.csv").open(encoding="utf-8") as handle:
    PAIRS = list(csv.DictReader(handle))


def worst(one: str, two: str) -> int:
    return min((ORDER.index(c.severity) for c in cautions(one, (two,)) if c.cause == two), default=len(ORDER))


@pytest.mark.parametrize("row", PAIRS, ids=lambda row: f"{row['drugs'][:24]}-{row['at_least']}")
def test_a_pair_is_as_severe_as_its_labels_say_from_both_sides(row: dict[str, str]) -> None:
    least = ORDER.index(Severity(row["at_least"]))
    below = []
    for one, two in itertools.product(row["drugs"].split("|"), row["others"].split("|")):
        products = find(one), find(two)
        assert None not in products, (one, two)
        a, b = (product.drugs[0] for product in products if product is not None)
        if worst(a, b) > least or worst(b, a) != worst(a, b):
            below.append((one, two))
    assert below == []


def test_a_product_of_two_drugs_has_at_least_the_cautions_of_its_name() -> None:
    """Co-trimoxazole stands in rules by its name and by its parts; a record may have either."""
    (name,), parts = drugs_of("co-trimoxazole"), drugs_of("sulfamethoxazole/trimethoprim")
    assert set(parts) == {"sulfamethoxazole", "trimethoprim"}
    for other in ("warfarin", "methotrexate", "dofetilide", "lisinopril", "spironolactone", "glimepiride", "clozapine",
                  "phenytoin", "azathioprine", "lithium"):  # fmt: skip
        assert min(worst(part, other) for part in parts) == worst(name, other) < len(ORDER), other


@pytest.mark.parametrize("product", ["Sinemet", "levodopa/benserazide", "Augmentin", "Symbicort", "Advair", "Truvada"])
def test_the_parts_of_a_product_are_all_checked(product: str) -> None:
    answer = interactions((product, "ritonavir"))
    assert set(drugs_of(product)) <= set(answer.drugs)
    assert not [sentence for sentence in answer.not_checked if product in sentence]
