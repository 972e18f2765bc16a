"""The shell command on good and bad files."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from novamind.cli import app, main
from novamind.errors import ValidationError

from .vcf_text import vcf


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.vcf"
    path.write_bytes(vcf("CYP2C19", {94781859: "0/1", 94775367: "0/1", 94842866: "1/1"}))
    return path


def test_table_and_report(sample: Path, tmp_path: Path) -> None:
    report = tmp_path / "out.html"
    result = CliRunner().invoke(
        app,
        [
            "medications",
            str(sample),
            "--with",
            "paroxetine",
            "--outside",
            "CYP2D6=*1/*4",
            "--report",
            str(report),
        ],
    )
    assert result.exit_code == 0
    assert "*1/*2" in result.output
    assert "Poor Metabolizer (activity score 0.0)" in result.output
    assert "escitalopram" in result.output
    assert max(len(line) for line in result.output.splitlines() if "Report" not in line) <= 110
    assert "Phenotypes before and after" in report.read_text(encoding="utf-8")


def test_json(sample: Path) -> None:
    result = CliRunner().invoke(app, ["medications", str(sample), "--json", "--drug", "citalopram"])
    answer = json.loads(result.output)
    assert set(answer["drugs"]) == {"citalopram"}
    assert answer["genotype"]["CYP2C19"]["name"] == "*1/*2"


def test_an_allergy_is_obeyed_here_as_on_every_page(sample: Path) -> None:
    asked = ["medications", str(sample), "--json", "--drug", "escitalopram"]
    for more, concern in (([], 0), (["--allergy", "citalopram"], 4)):
        review = json.loads(CliRunner().invoke(app, [*asked, *more]).output)
        assert review["allergies"] == more[1:]
        assert max(review["drugs"]["escitalopram"]["concern"], 0) >= concern
        causes = [caution["cause"] for caution in review["drugs"]["escitalopram"]["interactions"]]
        assert ("allergy to citalopram" in causes) is bool(more)


def test_doses_and_the_person_are_checked_in_the_shell(sample: Path) -> None:
    asked = ["medications", str(sample), "--json", "--drug", "citalopram", "--dose", "citalopram=40"]
    review = json.loads(CliRunner().invoke(app, [*asked, "--age", "70", "--stopped", "phenelzine=3"]).output)
    texts = [caution["text"] for caution in review["drugs"]["citalopram"]["interactions"]]
    assert "40 mg/day is above 20 mg/day, the maximum above 60 years." in texts
    assert any("Phenelzine was stopped 3 days ago" in text for text in texts)
    for wrong in (["--dose", "citalopram"], ["--dose", "citalopram=much"], ["--stopped", "phenelzine=x"]):
        assert CliRunner().invoke(app, ["medications", str(sample), *wrong]).exit_code != 0
    for wrong, message in (
        (["--dose", "citalopram=20", "--dose", "citalopram=40"], "--dose names one drug twice"),
        (["--stopped", "phenelzine=2.5"], "--stopped needs DRUG=WHOLE NUMBER"),
        (["--stopped", "phenelzine=inf"], "--stopped needs DRUG=WHOLE NUMBER"),
        (["--dose", "citalopram=much"], "--dose needs DRUG=NUMBER"),
    ):
        refusal = CliRunner().invoke(app, ["medications", str(sample), *wrong]).exception
        assert isinstance(refusal, ValidationError)
        assert message in str(refusal)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"", "empty"),
        (b"##fileformat=VCFv4.2\n", "#CHROM"),
        (b"\x1f\x8bgarbage", "damaged"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b'{"resourceType": "Patient"}', "no genotype"),
        (b"gene,diplotype\nCYP2D6,four-four\n", "chromosome copies"),
        (b"##fileformat=VCFv4.2\n##reference=hg19.fa\n#CHROM\n", "GRCh38"),
    ],
)
def test_bad_files_end_in_one_line(
    content: bytes,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "bad"
    path.write_bytes(content)
    monkeypatch.setattr("sys.argv", ["novamind", "medications", str(path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    line = capsys.readouterr().err
    assert hint in line
    assert line.count("\n") == 1
    assert "Traceback" not in line


def test_missing_file_and_bad_outside_call(
    sample: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["nowhere.vcf"], [str(sample), "--outside", "CYP2D6"]):
        monkeypatch.setattr("sys.argv", ["novamind", "medications", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith("novamind: ")


def test_help_has_an_example() -> None:
    assert "novamind medications sample.vcf" in CliRunner().invoke(app, ["medications", "--help"]).output


@pytest.mark.parametrize(
    ("drug", "more", "says"),
    [
        ("zolpidem", ["--dose", "zolpidem=12", "--sex", "female"], None),
        ("olanzapine", ["--smoker"], "Smoking raises olanzapine clearance"),
        ("valproate", ["--pregnant"], "Neural tube defects"),
        ("lurasidone", ["--breastfeeding"], "Breastfeeding is not recommended."),
        ("citalopram", ["--dose", "citalopram=10", "--egfr", "15"], "Not to be used at eGFR below 20 mL/min."),
    ],
)
def test_what_is_known_of_the_person_reaches_the_review(
    tmp_path: Path, drug: str, more: list[str], says: str | None
) -> None:
    genes = tmp_path / "genes.tsv"
    genes.write_text("gene\tdiplotype\nCYP2D6\t*1/*1\n")
    asked = ["medications", str(genes), "--json", "--drug", drug]
    before = json.loads(CliRunner().invoke(app, asked + more[:2] * (more[0] == "--dose")).output)
    after = json.loads(CliRunner().invoke(app, [*asked, *more]).output)
    texts = [[c["text"] for c in review["drugs"][drug]["interactions"]] for review in (before, after)]
    if says is None:
        assert [t for t in texts[0] if "sex is missing" in t]
        assert not [t for t in texts[1] if "sex is missing" in t]
    else:
        assert any(says in t for t in texts[1])
        assert not any(says in t for t in texts[0])
