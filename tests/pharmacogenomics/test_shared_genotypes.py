"""Files of people, vendors and callers in ../shared, outside the repository; skipped where they are not."""

import csv
from pathlib import Path

import pytest

from novamind.errors import ValidationError
from novamind.pharmacogenomics.phenotypes import phenotype
from novamind.pharmacogenomics.service import call_vcf, call_vcf_samples, read_genotype
from novamind.records.genotypes.consumer_arrays import read_consumer_array

SHARED = Path(__file__).resolve().parents[3] / "shared"
CASES, EXPORTS = SHARED / "cases" / "genotypes", SHARED / "data" / "exports"
pytestmark = pytest.mark.skipif(not CASES.is_dir() or not EXPORTS.is_dir(), reason="../shared is not here")


def warnings(name: str, gene: str) -> str:
    return " ".join(read_genotype(CASES / name)[gene].warnings)


def test_vcf_cases() -> None:
    split = call_vcf(CASES / "2D6_17b_split.vcf")["CYP2D6"]
    reading = phenotype("CYP2D6", split)
    assert (split.name, reading.activity_score, reading.phenotype) == ("*17/*17", 1.0, "Intermediate Metabolizer")
    assert 94781859 in call_vcf(CASES / "dp0.vcf")["CYP2C19"].missing
    for name, words in (("dup_sample.vcf", "one sample name"), ("grch37_silent.vcf", "positions of GRCh37")):
        with pytest.raises(ValidationError, match=words):
            call_vcf(CASES / name)
    repeat = call_vcf(CASES / "ugt_mixed_ref.vcf")["UGT1A1"]
    assert (repeat.name, phenotype("UGT1A1", repeat).phenotype) == ("*80+*28/*80+*28", "Poor Metabolizer")
    assert "one copy only" in warnings("all_haploid2D6.vcf", "CYP2D6")
    raw = call_vcf_samples(EXPORTS / "pharmcat" / "raw.vcf")
    for sample, name in (("Sample_1", "*28/*37"), ("Sample_2", "*36/*37")):
        assert name in [call.name for call in raw[sample]["UGT1A1"].calls]


def test_table_and_array_cases() -> None:
    assert "not that of its diplotype" in warnings("contradict.tsv", "CYP2D6")
    assert "is not used" in warnings("panel.tsv", "COMT")
    assert read_genotype(CASES / "semicolon.csv")["CYP2D6"].name == "*1/*4"
    assert read_genotype(CASES / "space.txt")["CYP2D6"].name == "*4/*4"
    assert read_genotype(CASES / "23_zip.txt")["CYP2C19"].calls
    assert "twice with different letters" in warnings("23_dupe.txt", "CYP2C19")


def test_every_vendors_file_has_the_expected_letters() -> None:
    with (EXPORTS / "expected.csv").open(encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["file"].startswith("genotype_snps/")]
    assert len(rows) >= 10
    for row in rows:
        calls = read_consumer_array(EXPORTS / row["file"]).calls
        letters = row["value"] if "/" in row["value"] else "A/T"  # the one without a place: its note has the letters
        assert "/".join(calls[row["signal"]]) == letters, row
    for path in sorted((EXPORTS / "genotype_snps").iterdir()):
        if path.suffix != ".vcf":
            assert read_consumer_array(path).calls, path.name


def test_outside_calls_of_pharmcat() -> None:
    folder = EXPORTS / "pharmcat"
    example = read_genotype(folder / "pharmcat.example.outsideCall.tsv")
    assert example["CYP2D6"].name == "*1/*3"
    assert example["HLA-B"].markers == {"*15:02": True, "*57:01": True, "*15:11": False}
    assert "is not used" in " ".join(example["MT-RNR1"].warnings)
    assert read_genotype(folder / "PharmCATTest-cyp2d6.tsv")["CYP2D6"].name == "*3/*4"
