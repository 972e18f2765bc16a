"""What laboratories write, and what is read from it."""

import pytest

from novamind.errors import ValidationError
from novamind.pharmacogenomics.domain import Phenotype
from novamind.pharmacogenomics.notation import parse_copy, parse_diplotype, parse_phenotype, parse_score
from novamind.pharmacogenomics.phenotypes import phenotype


@pytest.mark.parametrize(
    ("text", "parts", "at_least"),
    [
        ("*4", [("*4", 1)], False), ("*1x2", [("*1", 2)], False), ("*1 x 3", [("*1", 3)], False),
        ("*1×2", [("*1", 2)], False), ("*1X2", [("*1", 2)], False), ("*1x>=3", [("*1", 3)], True),
        ("*1x≥20", [("*1", 20)], True), ("*1xN", [("*1", 2)], True), ("*2xn", [("*2", 2)], True),
        ("*36+*10", [("*36", 1), ("*10", 1)], False), ("(*68 + *4)", [("*68", 1), ("*4", 1)], False),
        ("*36xN+*10", [("*36", 2), ("*10", 1)], True), ("*4.024", [("*4", 1)], False), ("*4.024x2", [("*4", 2)], False),
        ("*1A", [("*1A", 1)], False), ("*1F", [("*1F", 1)], False), ("*1x1", [("*1", 1)], False),
        ("*1x20", [("*1", 20)], False), ("*83Y", [("*83Y", 1)], False),
    ],
)  # fmt: skip
def test_a_chromosome_copy(text: str, parts: list[tuple[str, int]], at_least: bool) -> None:
    copy = parse_copy(text)
    assert (list(copy.parts), copy.at_least) == (parts, at_least)


@pytest.mark.parametrize("text", ["*1x0", "*1x21", "*4x99"])
def test_copies_from_1_to_20_are_read(text: str) -> None:
    with pytest.raises(ValidationError, match="between 1 and 20"):
        parse_copy(text)


@pytest.mark.parametrize(
    "text", ["", "4", "*", "*x2", "*4x", "*4>=2", "**4", "*1+", "+*4", "*1/*4", "rs12", "*1AB", "*1X"]
)
def test_what_is_no_star_allele_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="malformed"):
        parse_copy(text)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "?", "unknown", "Unknown", "NO CALL", "not called", "n/a", "NA", "none", ".", "No Result",
     "?/?", "unknown / ?", "./.", "NA/NA"],
)  # fmt: skip
def test_no_result_assumes_nothing(text: str) -> None:
    read = parse_diplotype(" cyp2d6 ", text)
    assert (read.gene, read.calls, read.origin, read.reported) == ("CYP2D6", (), "outside", None)
    assert read.warnings == ("CYP2D6: no result was reported; nothing is assumed.",)


@pytest.mark.parametrize(
    ("gene", "text", "names"),
    [
        ("CYP2D6", "*4/*1", ["*1/*4"]),
        ("CYP2D6", " *10 / *4 ", ["*4/*10"]),
        ("CYP2D6", "CYP2D6*4/CYP2D6*1", ["*1/*4"]),
        ("CYP2D6", "CYP2D6 *4/*1", ["*1/*4"]),
        ("CYP2D6", "*1/*4 OR *2/*4", ["*1/*4", "*2/*4"]),
        ("CYP2D6", "*1/?", ["*1/unknown"]),
        ("CYP2D6", "*4/unknown", ["*4/unknown"]),
        ("CYP2D6", "*1x2/*4.001", ["*1x2/*4"]),
        ("CYP2D6", "*36+*10/*1", ["*1/*36+*10"]),
        ("UGT1A1", "*80+*28/*1", ["*1/*80+*28"]),
        ("UGT1A1", "*1/*80+*37", ["*1/*80+*37"]),
        ("SLC6A4", "rs25531/Reference", ["Reference/rs25531"]),
        ("HTR2A", "Reference/rs7997012", ["Reference/rs7997012"]),
        ("HTR2A", "rs6311/rs6311", ["rs6311/rs6311"]),
    ],
)
def test_a_diplotype_is_put_in_order(gene: str, text: str, names: list[str]) -> None:
    read = parse_diplotype(gene, text)
    assert [c.name for c in read.calls] == names
    assert (read.gene, read.origin, read.warnings) == (gene, "outside", ())


@pytest.mark.parametrize("text", ["*4", "*1/*2/*3", "rs25531/*1", "Reference/Reference", "*1/four"])
def test_half_a_diplotype_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        parse_diplotype("CYP2D6", text)


@pytest.mark.parametrize(
    ("gene", "text", "reported"),
    [
        ("CYP2C19", "poor metabolizer", "Poor Metabolizer"), ("CYP2C19", "Poor Metaboliser", "Poor Metabolizer"),
        ("CYP2C19", "ultrarapid", "Ultrarapid Metabolizer"), ("CYP2C19", "indeterminate", "Indeterminate"),
        ("CYP2D6", "0.5", "0.5"), ("CYP2D6", ">=3", "≥3.0"), ("CYP2D6", "≥ 3", "≥3.0"),
        ("CYP2D6", "Activity Score 1.25", "1.25"), ("CYP2C9", "AS 1", "1.0"),
        ("CYP2D6", "likely poor", "Likely Poor Metabolizer"),
    ],
)  # fmt: skip
def test_a_phenotype_or_score_alone(gene: str, text: str, reported: str) -> None:
    read = parse_diplotype(gene, text)
    assert (read.origin, read.reported, read.calls) == ("phenotype", reported, ())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        # Cyrius
        ("*1/*46;*43/*45", ["*1/*46", "*43/*45"]), ("*36+*10/*36+*10", ["*36+*10/*36+*10"]),
        ("*1_*2_*68", ["*1/*2+*68", "*1+*68/*2", "*1+*2/*68"]), ("*1_*1_*4", ["*1/*1+*4", "*1x2/*4"]),
        ("*1x4_*4", ["*1/*1x3+*4", "*1x4/*4", "*1x2/*1x2+*4", "*1+*4/*1x3"]),
        # Aldy
        ("*4.021.ALDY/*68:2", ["*4/*68"]), ("*1/*4.ALDY_2+*4", ["*1/*4+*4"]), ("*2/*41+rs368858603", ["*2/unknown"]),
        ("*1-like/*4", ["*4/unknown"]), ("*1 +42525810:SNP.TC/*4", ["*4/unknown"]),
        # PharmCAT, StellarPGx, PyPGx
        ("[*36 + *10]/*1", ["*1/*36+*10"]), ("*1/*2 OR *2/*35", ["*1/*2", "*2/*35"]), ("*2x2/*4", ["*2x2/*4"]),
        ("*1|*4", ["*1/*4"]), ("*1/*4, *4/*10", ["*1/*4", "*4/*10"]),
        # laboratories
        ("(*1/*4)xN", ["*1x≥2/*4", "*1/*4x≥2"]), ("(*1/*4)N", ["*1x≥2/*4", "*1/*4x≥2"]),
        ("(*1/*4)x3", ["*1x2/*4", "*1/*4x2"]), ("*1/*4 DUP", ["*1x≥2/*4", "*1/*4x≥2"]),
        ("*2/*2 (duplication)", ["*2/*2x≥2"]), ("CYP2D6 *1/*4", ["*1/*4"]), ("cyp2d6*1/cyp2d6*4", ["*1/*4"]),
    ],
)  # fmt: skip
def test_the_notations_of_callers_and_laboratories(text: str, names: list[str]) -> None:
    read = parse_diplotype("CYP2D6", text)
    assert [call.name for call in read.calls] == names
    assert bool(read.warnings) is ("unknown" in "".join(names))


def test_copies_that_are_not_assigned_have_one_activity_score() -> None:
    """Copies add up wherever they lie: *1, *2 and *68 are 1 + 1 + 0; *1 four times is 4."""
    for text, score in (("*1_*2_*68", 2.0), ("*1_*1_*1_*1", 4.0), ("*4_*10_*10", 0.5)):
        assert phenotype("CYP2D6", text).activity_score == score


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("_".join(["*1"] * 9), "more than 8 gene copies"), ("(*1/*4)x2", "three gene copies or more"),
        ("*1/*4/*10", "two chromosome copies"), ("*1", "two chromosome copies"), ("*1x2", "two chromosome copies"),
        ("*1_x", "malformed"), ("(*1)xN", "two chromosome copies"),
    ],
)  # fmt: skip
def test_what_no_notation_means_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        parse_diplotype("CYP2D6", text)


def test_a_score_of_a_gene_without_scores_is_refused() -> None:
    with pytest.raises(ValidationError):
        parse_diplotype("CYP2C19", "0.5")


@pytest.mark.parametrize(
    ("text", "phenotype"),
    [
        ("PM", Phenotype.POOR), ("im", Phenotype.INTERMEDIATE), ("NM", Phenotype.NORMAL), ("EM", Phenotype.NORMAL),
        ("RM", Phenotype.RAPID), ("UM", Phenotype.ULTRARAPID), ("Likely PM", Phenotype.LIKELY_POOR),
        ("likely IM", Phenotype.LIKELY_INTERMEDIATE), ("Normal metaboliser (NM)", Phenotype.NORMAL),
        ("PM (poor metabolizer)", Phenotype.POOR), ("Ultra-rapid metaboliser", Phenotype.ULTRARAPID),
        ("Ultra Rapid Metabolizer (UM)", Phenotype.ULTRARAPID), ("Extensive metabolizer", Phenotype.NORMAL),
        ("Normal (Extensive) Metabolizer", Phenotype.NORMAL), ("poor metabolizers", Phenotype.POOR),
    ],
)  # fmt: skip
def test_a_phenotype_by_its_initials_and_earlier_words(text: str, phenotype: Phenotype) -> None:
    assert parse_phenotype(text) is phenotype


@pytest.mark.parametrize("text", ["", "poorly", "PMM", "XM", "likely", "ultra", "(PM)", "rapid poor"])
def test_other_words_are_no_phenotype(text: str) -> None:
    assert parse_phenotype(text) is None


def test_every_phenotype_is_read_with_and_without_its_last_word() -> None:
    for term in Phenotype:
        assert parse_phenotype(f" {term.upper()} ") is term
        assert parse_phenotype(term.removesuffix(" Metabolizer")) is term
        assert parse_phenotype(term.replace("z", "s")) is term


@pytest.mark.parametrize("text", ["-1", "0.125", "123", "1.", "score 2", "<1", "1.5 x"])
def test_what_is_no_score(text: str) -> None:
    assert parse_score(text) is None


@pytest.mark.parametrize(
    ("gene", "text", "markers"),
    [
        ("HLA-B", "*15:02 positive", {"*15:02": True}),
        ("HLA-B", "15:02 NEGATIVE", {"*15:02": False}),
        ("HLA-B", "*15:02:01 positive, *15:11 negative", {"*15:02": True, "*15:11": False}),
        ("HLA-B", "*15:02 positive and *15:02 positive", {"*15:02": True}),
        ("HLA-B", "*15:02/*40:01", {"*15:02": True, "*40:01": True, "*15:11": False}),
        ("HLA-B", "HLA-B*07:02:01 / HLA-B*40:01N", {"*07:02": True, "*15:02": False, "*15:11": False}),
        ("HLA-B", "*15:02N/*40:01", {"*40:01": True, "*15:02": False, "*15:11": False}),
        ("HLA-B", "*15:02:01:02N/*15:02:01", {"*15:02": True, "*15:11": False}),
        ("HLA-B", "*15:02N positive", {}),
        ("HLA-B", "*15:02N positive, *15:11 negative", {"*15:11": False}),
        ("HLA-B", "*15:02Q/*07:02", {"*07:02": True, "*15:11": False}),
        ("HLA-B", "*15:02L detected", {}),
        ("HLA-B", "*15:02:01G/*07:02P", {"*07:02": True, "*15:02": True, "*15:11": False}),
        ("HLA-B", "HLA-B*1502 not detected", {"*15:02": False}),
        ("HLA-B", "B*15:02: carrier", {"*15:02": True}),
        ("HLA-B", "*15:02 non-carrier; *15:11 present", {"*15:02": False, "*15:11": True}),
        ("HLA-B", "*15/*40", {}),
        ("HLA-B", "*07/*40", {"*15:02": False, "*15:11": False}),
        ("HLA-B", "*15:XX/*07:02", {"*07:02": True}),
        ("HLA-B", "*15:02/?", {"*15:02": True}),
        ("HLA-B", "*40:01/?", {"*40:01": True}),
        ("HLA-B", "*15:02/*40:01 or *15:11/*40:01", {"*40:01": True}),
        ("HLA-B", "*15:02/*40:01 or *15:02/*40:02; *15:02/*07:02", {"*15:02": True, "*15:11": False}),
        ("HLA-A", "*31:01/*02:01", {"*31:01": True, "*02:01": True}),
        ("HLA-A", "02:01/*24:02", {"*31:01": False, "*02:01": True, "*24:02": True}),
        ("HLA-B", "*15:11/*15:11", {"*15:02": False, "*15:11": True}),
    ],
)
def test_hla_alleles(gene: str, text: str, markers: dict[str, bool]) -> None:
    read = parse_diplotype(gene, text)
    assert read.markers == markers
    assert read.origin == "outside"


def test_what_a_typing_leaves_open_is_said() -> None:
    null = parse_diplotype("HLA-B", "*15:02N/*40:01")
    assert null.warnings == (
        "HLA-B: a null allele (N) is not expressed; it does not count as the allele of its number.",
    )
    assert parse_diplotype("HLA-B", "*15/*40").warnings == (
        "HLA-B: the typing does not decide *15:02, *15:11; nothing is assumed.",
    )
    assert "altered" in parse_diplotype("HLA-B", "*15:02S positive").warnings[0]
    assert parse_diplotype("HLA-B", "*15:02/*40:01").warnings == ()


def test_an_allele_of_another_hla_gene_is_refused() -> None:
    with pytest.raises(ValidationError, match="of another gene"):
        parse_diplotype("HLA-B", "A*31:01/A*02:01")


@pytest.mark.parametrize(
    "text",
    [
        "*15:02",
        "*15:02/",
        "?/?x",
        "*15 positive",
        "*15:02 maybe",
        "positive",
        "*15:02/*40:01/*07:02",
        "*1/*2",
        "*15:2/*40:01",
    ],
)
def test_half_a_typing_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="typing like"):
        parse_diplotype("HLA-B", text)
