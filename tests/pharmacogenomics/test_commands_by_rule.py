"""What the shell prints, word by word."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from novamind.cli import app
from novamind.errors import ValidationError
from novamind.pharmacogenomics import genotype, recommend
from novamind.pharmacogenomics.commands import _split, medications, table
from novamind.pharmacogenomics.service import call_vcf
from tests.golden import check_golden

from .vcf_text import vcf


def test_the_table_of_a_reported_genotype() -> None:
    reported = {
        "CYP2D6": "*1/*4 or *4/*4", "CYP2C19": "*2/*2", "CYP2B6": "poor", "HLA-B": "*15:02 positive",
        "CYP3A5": "*1/*999",
    }  # fmt: skip
    drugs = (
        "aripiprazole",
        "risperidone",
        "citalopram",
        "carbamazepine",
        "nortriptyline",
        "lithium",
        "phenytoin",
        "x1",
    )
    review = recommend(genotype(reported), drugs, ("duloxetine", "pimozide", "kryptonite"), ("long qt",))
    check_golden(__file__, "table", table(review).splitlines())


def test_the_table_of_called_variants() -> None:
    called = call_vcf(vcf("CYP2D6", missing=frozenset({42128945, 42126611})) + b"")
    called |= call_vcf(vcf("CYP2C19", {94842866: "1/1"})) | {"CYP2D6": called["CYP2D6"]}
    review = recommend(called, ("sertraline", "paroxetine", "haloperidol"))
    check_golden(__file__, "table_called", table(review).splitlines())


@pytest.mark.parametrize(("n", "shown"), [(4, "*1/*1 or"), (5, "5 equally good pairs of alleles")])
def test_more_than_four_pairs_are_counted(n: int, shown: str) -> None:
    pairs = " or ".join(f"*1/*{k}" for k in (1, 2, 3, 4, 5)[:n])
    lines = table(recommend(genotype({"CYP2D6": pairs}), ("lithium",))).splitlines()
    assert lines[1].startswith(f"  CYP2D6   {shown}")


def test_a_laboratorys_result_is_split_at_its_first_equals_sign() -> None:
    assert _split("CYP2D6=*1/*4") == ("CYP2D6", "*1/*4")
    assert _split("CYP2D6=>=3") == ("CYP2D6", ">=3")
    assert _split("CYP2D6=") == ("CYP2D6", "")
    for text in ("CYP2D6", "=*1/*4", ""):
        with pytest.raises(ValidationError, match="--outside needs GENE=RESULT"):
            _split(text)


@pytest.fixture
def stars(tmp_path: Path) -> Path:
    path = tmp_path / "stars.csv"
    path.write_text("sample,gene,diplotype\nann,CYP2D6,*1/*4\nben,CYP2D6,*4/*4\n")
    return path


def test_every_option_reaches_the_review(stars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = {
        "--sample": ["ben"], "--with": ["paroxetine", "ibuprofen"], "--condition": ["long qt"],
        "--drug": ["nortriptyline", "lithium"], "--outside": ["CYP2C19=*2/*2"],
    }  # fmt: skip
    asked = ["medications", str(stars), *(part for name, of in options.items() for one in of for part in (name, one))]
    answer = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    expected = recommend(
        genotype({"CYP2D6": "*4/*4", "CYP2C19": "*2/*2"}),
        ("nortriptyline", "lithium"),
        ("paroxetine", "ibuprofen"),
        ("long qt",),
    )
    assert answer == json.loads(json.dumps(expected.to_dict()))
    assert not (tmp_path / "medications.html").exists()
    printed = CliRunner().invoke(app, asked)
    assert printed.exit_code == 0
    assert printed.stdout == f"{table(expected)}\n\nReport with sources: medications.html\n"
    assert (tmp_path / "medications.html").read_text(encoding="utf-8") == expected.report_html()


def test_all_psychiatric_drugs_where_none_is_named(stars: Path) -> None:
    answer = json.loads(CliRunner().invoke(app, ["medications", str(stars), "--sample", "ann", "--json"]).stdout)
    assert len(answer["drugs"]) == 51
    assert answer["comedications"] == answer["conditions"] == []


def test_json_keeps_letters_as_they_are(stars: Path) -> None:
    asked = ["medications", str(stars), "--sample", "ann", "--outside", "CYP2D6=>=3", "--json", "--drug", "lithium"]
    assert "≥3.0" in CliRunner().invoke(app, asked).stdout


def test_a_report_that_cannot_be_written_is_one_line(stars: Path, tmp_path: Path) -> None:
    asked = [
        "medications",
        str(stars),
        "--sample",
        "ann",
        "--drug",
        "lithium",
        "--report",
        str(tmp_path / "no" / "x.html"),
    ]
    failed = CliRunner().invoke(app, asked)
    assert failed.exit_code != 0
    assert "cannot write the report: No such file" in str(failed.exception)


def test_somebody_who_watches_is_told_to_wait(
    stars: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for watched, words in ((False, ""), (True, "Reading the genotype ...\n")):
        monkeypatch.setattr(sys.stderr, "isatty", lambda watched=watched: watched)
        medications(stars, drug=["lithium"], sample="ann", json_=True)
        assert capsys.readouterr().err == words


def test_the_help_names_every_option() -> None:
    shown = CliRunner().invoke(app, ["medications", "--help"]).output
    for option in ("--with", "--condition", "--drug", "--outside", "--sample", "--report", "--json"):
        assert option in shown
