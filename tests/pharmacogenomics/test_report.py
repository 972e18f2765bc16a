"""Pictures and pages: every statement as it stands, each with the number of its source."""

import re
from typing import Any

import pytest

from novamind.drugs.domain import Evidence, Source
from novamind.pharmacogenomics import genotype, recommend
from novamind.pharmacogenomics.plots import exposure_chart
from novamind.pharmacogenomics.report import _Citations
from novamind.pharmacogenomics.review import Review
from tests.golden import check_golden

DRUGS = (
    "risperidone",
    "clomipramine",
    "citalopram",
    "sertraline",
    "agomelatine",
    "carbamazepine",
    "lithium",
    "unobtainium",
)


@pytest.fixture(scope="module")
def review() -> Review:
    reported = {
        "CYP2D6": "*1/*1 or *1/*4", "CYP2C19": "*2/*2", "CYP2B6": "*1/*1", "HLA-B": "*15:02 positive",
        "CYP9Z9": "*1/*1",
    }  # fmt: skip
    return recommend(
        genotype(reported), DRUGS, ("duloxetine", "tobacco smoking", "kryptonite"), ("long qt", "pregnancy")
    )


def drawn(review: Review) -> dict[str, Any]:
    """The chart with its data in place, without what belongs to the library's version."""
    spec = exposure_chart(review).to_dict()
    data = spec.pop("datasets")
    for layer in spec["layer"]:
        layer["data"] = data[layer["data"]["name"]]
    return {key: value for key, value in spec.items() if key not in {"$schema", "config"}}


def test_the_chart_of_exposures(review: Review) -> None:
    check_golden(__file__, "exposure_chart", drawn(review))


def test_the_chart_names_an_analyte_that_is_not_the_drug_and_leaves_out_what_is_not_known(review: Review) -> None:
    _, bars, points = (layer["data"] for layer in drawn(review)["layer"])
    assert bars == points
    assert [r["drug"] for r in bars] == [
        "risperidone (risperidone and 9-hydroxyrisperidone)", "risperidone (risperidone alone)",
        "clomipramine (clomipramine and desmethylclomipramine)", "clomipramine (clomipramine alone)",
        "citalopram", "sertraline", "agomelatine",
    ]  # fmt: skip
    assert bars[0]["ratio"] is None
    assert bars[0]["low"] < bars[0]["high"]
    assert bars[4]["low"] < 2.07 < bars[4]["high"]


def text(page: str) -> list[str]:
    """The page's words, one block a line, without the picture and the style."""
    page = re.sub(r"<svg.*?</svg>|<style.*?</style>", "", page, flags=re.DOTALL)
    page = re.sub(r'<a href="#([^"]*)">', r"<a>{\1} ", page)
    page = re.sub(r'<(td|span)[^>]*class="(n|tag c\w)"[^>]*>', r"<x>{\2} ", page)
    page = re.sub(r"</(td|th)>", " | ", page)
    page = re.sub(r"</?(sup|strong|span|a|td|th|x)\b[^>]*>", "", page)
    lines = re.sub(r"<[^>]*>", "\n", page).splitlines()
    return [" ".join(line.split()) for line in lines if line.strip()]


def test_the_report_as_it_reads(review: Review) -> None:
    check_golden(__file__, "report", text(review.report_html()))


def test_the_report_of_nobody_in_particular() -> None:
    page = recommend({}, ("lithium",)).report_html()
    assert "<svg" not in page
    check_golden(__file__, "report_empty", text(page))


def test_a_report_draws_where_something_is_known(review: Review) -> None:
    assert review.report_html().count("<svg") == 1


def test_sources_are_numbered_by_their_first_use() -> None:
    a, b = (
        Source(f"{n}-2020", 2020, e, n, f"https://{n}") for n, e in (("a", Evidence.READ), ("b", Evidence.UNVERIFIED))
    )
    cite = _Citations()
    assert cite(None) == ""
    assert cite(b) == '<sup><a href="#s1">[1?]</a></sup>'
    assert cite(a) == '<sup><a href="#s2">[2]</a></sup>'
    assert cite(b) == '<sup><a href="#s1">[1?]</a></sup>'
    assert cite.used == {b: 1, a: 2}
