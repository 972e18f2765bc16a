"""One genotype however a file writes it: split, shifted, in blocks, beside other records; and what cannot be read."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.pharmacogenomics.domain import Diplotype
from novamind.pharmacogenomics.genome_build import grch37_position
from novamind.pharmacogenomics.matching import allele_table
from novamind.pharmacogenomics.phenotypes import phenotype
from novamind.pharmacogenomics.service import call_vcf
from novamind.records.genotypes.edits import Edit, edits, may_equal

from .vcf_text import vcf

HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tp\n"
TA = 233760233  # UGT1A1: C(AT)7AAG
UGT = "chr2"


def row(chrom: str, position: int, ref: str, alt: str, gt: str, info: str = ".", keys: str = "GT") -> str:
    return f"{chrom}\t{position}\t.\t{ref}\t{alt}\t.\tPASS\t{info}\t{keys}\t{gt}\n"


def ugt(*rows: str, rest: bool = True) -> Diplotype:
    """UGT1A1 of a file with these records, and reference at its three other positions."""
    others = [row(UGT, 233759924, "C", "T", "0/0"), row(UGT, 233760498, "G", "A", "0/0"),
              row(UGT, 233760973, "C", "A", "0/0")]  # fmt: skip
    return call_vcf((HEAD + "".join(rows) + "".join(others if rest else ())).encode())["UGT1A1"]


def call(gene: str, *rows: str, but: Sequence[int] = ()) -> Diplotype:
    """A gene of a file with these records, and reference at all positions except ``but``."""
    return call_vcf(vcf(gene, missing=frozenset(but)) + "".join(rows).encode())[gene]


# -- indels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "ref", "alt", "allele"),
    [
        (TA, "C", "CAT", "*28"), (TA, "CAT", "CATAT", "*28"), (TA, "CATAT", "CATATAT", "*28"),
        (TA, "CATATATATATATAT", "CATATATATATATATAT", "*28"), (TA + 1, "A", "ATA", "*28"), (TA + 2, "T", "TAT", "*28"),
        (TA + 9, "A", "ATA", "*28"), (TA + 14, "T", "TAT", "*28"), (TA + 13, "ATAAG", "ATATAAG", "*28"),
        (TA - 1, "CC", "CCAT", "*28"),
        (TA, "C", "CATAT", "*37"), (TA, "CAT", "CATATAT", "*37"), (TA + 3, "A", "ATATA", "*37"),
        (TA, "CAT", "C", "*36"), (TA, "CATAT", "CAT", "*36"), (TA + 12, "TAT", "T", "*36"), (TA + 1, "AT", "-", "*36"),
    ],
)  # fmt: skip
def test_a_repeat_is_one_allele_in_every_spelling(position: int, ref: str, alt: str, allele: str) -> None:
    both = ugt(row(UGT, position, ref, alt, "1/1"))
    assert both.name == f"{allele}/{allele}"
    assert (both.missing, both.doubtful, both.warnings) == ((), (), ())
    assert ugt(row(UGT, position, ref, alt, "0/1")).name == f"*1/{allele}"
    assert ugt(row(UGT, position, ref, alt, "0/0")).name == "*1/*1"


def test_the_two_letters_more_of_ugt1a1_are_a_poor_metaboliser() -> None:
    assert phenotype("UGT1A1", ugt(row(UGT, TA, "C", "CAT", "1/1"))).phenotype == "Poor Metabolizer"


@pytest.mark.parametrize(
    ("position", "ref", "alt"),
    [(TA, "C", "CATATAT"), (TA, "C", "CG"), (TA, "CATATAT", "C"), (TA + 4, "T", "TTT"), (TA, "CAT", "G")],
)
def test_a_length_that_no_allele_has_never_reads_as_reference(position: int, ref: str, alt: str) -> None:
    assert ugt(row(UGT, position, ref, alt, "0/1")).name == "not called"
    assert ugt(row(UGT, position, ref, alt, "0/0")).name == "*1/*1"


def test_a_deletion_written_from_its_other_end_is_the_same() -> None:
    """rs1304490498 as HGVS places it (dbSNP: 94942212 AAGAAATGGAA>A) and as VCF does."""
    place = 94942205
    shifted, left = ("94942212", "AAGAAATGGAA"), ("94942205", "CAATGGAAAGA")
    called = [
        call("CYP2C9", row("chr10", int(at), ref, ref[0], "0/1"), but=[place]) for at, ref in (shifted, left)
    ]  # fmt: skip
    assert {d.name for d in called} == {"*1/*25"}
    assert {d.missing for d in called} == {()}


def test_an_indel_that_cannot_be_placed_is_named_and_not_read_as_reference() -> None:
    """G>GT of CYP3A4*20 three bases further right: the file does not show that T lies between."""
    place = 99758183
    far = row("chr7", place + 3, "T", "TT", "0/1")
    unplaced = call("CYP3A4", far, but=[place])
    assert (unplaced.missing, unplaced.doubtful) == ((place,), (place,))
    assert unplaced.provisional
    assert f"a variant at chr7:{place} was seen but not in a usable genotype" in " ".join(unplaced.warnings)
    shown = call("CYP3A4", far, row("chr7", place, "GTTT", ".", "0/0"), but=[place])
    assert shown.doubtful == (place,)  # the second record says reference where the first shows a change
    between = "".join(row("chr7", place + i, "T", "C", "0/0") for i in (1, 2))
    assert call("CYP3A4", far, between, but=[place]).name == "*1/*20"
    other = "".join(row("chr7", place + i, "A", "C", "0/0") for i in (1, 2))
    assert call("CYP3A4", far, other, but=[place]).doubtful == ()


def test_an_anchor_of_an_indel_is_no_statement_about_the_base_or_the_indel() -> None:
    """At 233760233 a substitution of C says nothing of the repeat; at rs4244285 an insertion says nothing of G>A."""
    assert ugt(row(UGT, TA, "C", "G", "0/0")).missing == (TA,)
    star2 = 94781859
    called = call("CYP2C19", row("chr10", star2, "G", "GA", "0/0"), but=[star2])
    assert (called.missing, called.doubtful) == ((star2,), ())
    carried = call("CYP2C19", row("chr10", star2, "G", "GA", "0/1"), but=[star2])
    assert (carried.missing, carried.doubtful) == ((star2,), (star2,))


def test_a_long_deletion_takes_the_positions_under_it_away_unless_the_definition_knows_it() -> None:
    gone = call("CYP2C19", row("chr10", 94781850, "N" * 9 + "GCCCC", "N", "0/1"), but=[94781859])
    assert gone.name == "not called"
    # CYP2D6*38 is a deletion over the place of *21's insertion, which its carrier does not have.
    deletion = row("chr22", 42128198, "CTCAG", "C", "0/1")
    for under in (row("chr22", 42128200, "C", "CA,*", "0/2"), row("chr22", 42128200, "C", "CA", "0/0")):
        star38 = call("CYP2D6", deletion, under, but=[42128198, 42128200])
        assert (star38.name, star38.missing) == ("*1/*38", ())


def test_a_star_without_its_deletion_cannot_be_read() -> None:
    star2 = 94781859
    called = call("CYP2C19", row("chr10", star2, "G", "A,*", "0/2"), but=[star2])
    assert (called.missing, called.doubtful) == ((star2,), (star2,))


# -- records that belong together --------------------------------------------------------------------------------------


def c19(*genotypes: str, position: int = 42126611) -> Diplotype:
    return call("CYP2D6", *genotypes, but=[position])


@pytest.mark.parametrize(
    ("rows", "whole"),
    [
        ([("A", "0/1"), ("T", "0/1")], ("A,T", "1/2")), ([("A", "1/."), ("T", "./1")], ("A,T", "1/2")),
        ([("A", "0/0"), ("T", "1/1")], ("A,T", "2/2")), ([("A", "0|1"), ("T", "1|0")], ("A,T", "2|1")),
        ([("A", "0/0"), ("T", "0/0")], ("A,T", "0/0")), ([("A", "0|0"), ("T", "0|1")], ("A,T", "0|2")),
        ([("A", "0/1"), ("T", "0/0")], ("A,T", "0/1")), ([("A", "1|0"), ("T", "0/1")], ("A,T", "1|2")),
    ],
)  # fmt: skip
def test_split_records_read_as_the_whole_one(rows: list[tuple[str, str]], whole: tuple[str, str]) -> None:
    """CYP2C9 94942234 G>A (*60), G>T: split by ``bcftools norm -m-`` and not, in either order."""
    table = allele_table("CYP2C9")
    place = next(p for p, bases in zip(table.positions, table.bases, strict=True) if {*bases[1:]} == {"A", "T"})
    ref = table.bases[table.positions.index(place)][0]
    joined = call("CYP2C9", row("chr10", place, ref, *whole), but=[place])
    for order in (rows, rows[::-1]):
        split = call("CYP2C9", *(row("chr10", place, ref, alt, gt) for alt, gt in order), but=[place])
        assert split == joined
    assert joined.missing == ()


@pytest.mark.parametrize(
    "rows",
    [
        [("A", "0/1"), ("T", "1/1")], [("A", "0|1"), ("T", "0|1")], [("A", "0/1"), ("A", "0/0")],
        [("A", "1/1"), ("A", "0/1")], [(".", "0/0"), ("A", "0/1")], [("A", "1/1"), ("A", "0/0")],
    ],
)  # fmt: skip
def test_records_that_contradict_each_other_are_missing(rows: list[tuple[str, str]]) -> None:
    place = 94781859
    for order in itertools.permutations(rows):
        called = call("CYP2C19", *(row("chr10", place, "G", alt, gt) for alt, gt in order), but=[place])
        assert called.missing == called.doubtful == (place,)
        assert called.provisional


@pytest.mark.parametrize(
    ("rows", "doubtful"),
    [
        ([("A", "0/."), ("T", "./0")], False), ([("A", "1/."), ("T", "0/0")], True), ([("A", "./1")], True),
        ([("A", "./."), ("T", "0/0")], False), ([("A", "./."), ("T", "0/1")], True),
    ],
)  # fmt: skip
def test_half_a_call_without_its_other_half_is_missing(rows: list[tuple[str, str]], doubtful: bool) -> None:
    place = 94781859
    called = call("CYP2C19", *(row("chr10", place, "G", alt, gt) for alt, gt in rows), but=[place])
    assert called.missing == (place,)
    assert called.doubtful == ((place,) if doubtful else ())


def test_a_block_of_several_bases_is_taken_apart() -> None:
    """rs4244285 (G>A at 94781859) and its left neighbour as one haplotype record."""
    star2 = [row("chr10", 94775367, "A", "G", "0/1"), row("chr10", 94842866, "A", "G", "1/1")]
    positions = [94775367, 94842866, 94781858, 94781859]
    alone = call(
        "CYP2C19",
        *star2,
        row("chr10", 94781859, "G", "A", "0/1"),
        row("chr10", 94781858, "C", "T", "0/0"),
        but=positions,
    )
    block = call("CYP2C19", *star2, row("chr10", 94781858, "CG", "CA,TG", "0/1"), but=positions)
    assert alone.name == block.name == "*1/*2"
    assert block.missing == ()


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_order_and_spelling_of_records_change_nothing(data: st.DataObject) -> None:
    """Two drawn alleles of UGT1A1, each variant in a drawn spelling, the records in a drawn order."""
    table = allele_table("UGT1A1")
    flank = "C" + "AT" * 7 + "AAG"
    genotypes = [data.draw(st.sampled_from(["0/0", "0/1", "1/1"])) for _ in table.positions]
    rows, plain = [], []
    for j, (position, bases) in enumerate(zip(table.positions, table.bases, strict=True)):
        alt = bases[1] if len(bases) == 2 else data.draw(st.sampled_from(bases[1:]))
        plain.append(row(UGT, position, bases[0], alt, genotypes[j]))
        if position == TA:
            whole = alt + flank[3:]
            start, cut = data.draw(st.integers(0, 8)), data.draw(st.integers(0, 8))
            ref = flank[start : len(flank) - cut]
            rows.append(row(UGT, position + start, ref, whole[start : len(whole) - cut], genotypes[j]))
        else:
            rows.append(row(UGT, position, bases[0], alt, genotypes[j]))
    drawn = data.draw(st.permutations(rows))
    called = [call_vcf((HEAD + "".join(of)).encode())["UGT1A1"] for of in (plain, drawn)]
    assert called[0] == called[1]


# -- gVCF, structural variants, no calls -------------------------------------------------------------------------------


def test_a_gvcf_block_is_reference_over_all_its_length() -> None:
    table = allele_table("CYP2C19")
    start, end = table.positions[0] - 50, table.positions[-1] + 50
    blocks = [
        row("chr10", start, "C", "<NON_REF>", "0/0:20", f"END={94842865}", "GT:DP"),
        row("chr10", 94842866, "A", "G,<NON_REF>", "1/1:30", ".", "GT:DP"),
        row("chr10", 94842867, "T", "<NON_REF>", "0/0:20", f"END={end}", "GT:DP"),
    ]
    whole = call_vcf((HEAD + "".join(blocks)).encode())["CYP2C19"]
    assert (whole.name, whole.missing, whole.warnings) == ("*1/*1", (), ())
    blocks[0] = blocks[0].replace("0/0:20", "0/0:0")
    called = call_vcf((HEAD + "".join(blocks)).encode())["CYP2C19"]
    assert set(called.missing) == {p for p in table.positions if p < 94842866}
    assert "depth or quality 0" in " ".join(called.warnings)


@pytest.mark.parametrize("alt", ["<NON_REF>", "<*>"])
def test_an_unlisted_allele_that_is_carried_cannot_be_read(alt: str) -> None:
    place = 94781859
    called = call("CYP2C19", row("chr10", place, "G", f"A,{alt}", "0/2"), but=[place])
    assert (called.missing, called.doubtful) == ((place,), (place,))


@pytest.mark.parametrize("kind", ["<DEL>", "<DUP>", "<CNV>", "<INV>", "<CN0>"])
def test_a_structural_variant_over_a_gene_leaves_nothing_called_for_its_carrier(kind: str) -> None:
    over = row("chr22", 42123192, "N", kind, "{}", "SVTYPE=X;END=42132193")
    carried = call("CYP2D6", over.format("0/1"))
    assert carried.name == "not called"
    assert len(carried.doubtful) == len(allele_table("CYP2D6").positions)
    for length in ("SVLEN=-9001", "SVTYPE=X;SVLEN=10,-9001"):  # VCF 4.4 states the length alone
        assert call("CYP2D6", row("chr22", 42123192, "N", kind, "0/1", length)).name == "not called"
    assert call("CYP2D6", row("chr22", 42123192, "N", kind, "0/1", "SVLEN=-9")).name == "*1/*1"
    assert call("CYP2D6", over.format("0/0")).name == call("CYP2D6").name == "*1/*1"
    beside = row("chr22", 42200000, "N", kind, "0/1", "SVTYPE=X;END=42300000")
    assert call("CYP2D6", beside).name == "*1/*1"


def test_a_call_without_depth_is_missing_and_said() -> None:
    place = 94781859
    for value in ("0/0:0:0", "0/0:0:99", "0/0:9:0"):
        called = call("CYP2C19", row("chr10", place, "G", "A", value, keys="GT:DP:GQ"), but=[place])
        assert (called.missing, called.doubtful) == ((place,), ())
        assert f"the call at chr10:{place} has depth or quality 0" in " ".join(called.warnings)
    carried = call("CYP2C19", row("chr10", place, "G", "A", "1/1:0:0", keys="GT:DP:GQ"), but=[place])
    assert (carried.missing, carried.doubtful) == ((place,), (place,))
    assert not call("CYP2C19", row("chr10", place, "G", "A", "0/0:1:1", keys="GT:DP:GQ"), but=[place]).missing


def test_a_haploid_gene_is_one_copy_only() -> None:
    table = allele_table("CYP2D6")
    text = vcf("CYP2D6", dict.fromkeys(table.positions, "0"))
    called = call_vcf(text)["CYP2D6"]
    assert called.name == "not called"
    assert called.warnings == (
        "CYP2D6: no position of its definition has a usable call; nothing is assumed.",
        f"CYP2D6: calls on one copy only, at {len(table.positions)} of its positions, are not used;"
        " the gene needs both copies.",
    )


# -- absent positions --------------------------------------------------------------------------------------------------


def test_an_absent_position_is_reference_only_where_it_is_asked() -> None:
    rows = [row("chr10", 94842866, "A", "G", "1/1"), row("chr10", 94781859, "G", "A", "./.")]
    text = (HEAD + "".join(rows)).encode()
    asked = call_vcf(text, absent_is_reference=True)
    default = call_vcf(text)
    n = len(allele_table("CYP2C19").positions)
    assert len(default["CYP2C19"].missing) == n - 1
    assert default["CYP2C9"].name == "not called"
    # What the file speaks of stays what it says; a chromosome without a line says nothing.
    assert asked["CYP2C19"].missing == (94781859,)
    assert asked["CYP2C19"].warnings[0] == f"CYP2C19: {n - 2} absent positions were taken as reference, as asked."
    assert asked["CYP2C9"].name == "*1/*1"
    assert asked["UGT1A1"].name == "not called"
    foreign = call_vcf(text + row("chr10", 94775367, "C", "G", "0/1").encode(), absent_is_reference=True)["CYP2C19"]
    assert foreign.missing == (94775367, 94781859)


# -- the genome build --------------------------------------------------------------------------------------------------

#: dbSNP: rs number, chromosome, GRCh37 and GRCh38 position.
PLACES = {
    "rs887829": (2, 234668570, 233759924), "rs4148323": (2, 234669144, 233760498),
    "rs35599367": (7, 99366316, 99768693), "rs10264272": (7, 99262835, 99665212),
    "rs4244285": (10, 96541616, 94781859), "rs12248560": (10, 96521657, 94761900),
    "rs1799853": (10, 96702047, 94942290), "rs1057910": (10, 96741053, 94981296),
    "rs6311": (13, 47471478, 46897343), "rs7997012": (13, 47411985, 46837850),
    "rs762551": (15, 75041917, 74749576), "rs25531": (17, 28564346, 30237328),
    "rs3745274": (19, 41512841, 41006936), "rs28399499": (19, 41518221, 41012316),
    "rs3892097": (22, 42524947, 42128945), "rs1065852": (22, 42526694, 42130692), "rs16947": (22, 42523943, 42127941),
}  # fmt: skip


@pytest.mark.parametrize("rsid", PLACES)
def test_each_stretch_lies_on_grch37_where_dbsnp_has_it(rsid: str) -> None:
    number, old, new = PLACES[rsid]
    assert grch37_position(f"chr{number}", new) == old


def at_build(build: int, named: bool, rows: int = 3) -> bytes:
    """*2/*2 of CYP2C19 and more, at the positions of a build."""
    variants = [("rs4244285", "G", "A", "1/1"), ("rs12248560", "C", "T", "0/0"), ("rs3892097", "C", "T", "1/1")][:rows]
    lines = []
    for rsid, ref, alt, gt in variants:
        number, old, new = PLACES[rsid]
        identifier = rsid if named else "."
        lines.append(f"{number}\t{old if build == 37 else new}\t{identifier}\t{ref}\t{alt}\t.\t.\t.\tGT\t{gt}\n")
    return (HEAD + "".join(lines)).encode()


def test_a_file_on_grch37_without_a_word_about_it_is_refused() -> None:
    with pytest.raises(ValidationError, match="3 of its rs numbers stand at the positions of GRCh37"):
        call_vcf(at_build(37, named=True))
    with pytest.raises(ValidationError, match="its variants stand at the positions of GRCh37"):
        call_vcf(at_build(37, named=False))
    with pytest.raises(ValidationError, match="1 of its rs numbers stand at the positions of GRCh37"):
        call_vcf(at_build(37, named=True, rows=1))
    moved = at_build(37, named=True).replace(b"10\t96541616", b"10\t96531606").replace(b"22\t42524947", b"22\t40854891")
    with pytest.raises(ValidationError, match="at the positions of another build"):
        call_vcf(moved.replace(b"10\t96521657", b"10\t96511647"))
    for named in (True, False):
        assert call_vcf(at_build(38, named))["CYP2C19"].calls
    slip = row("chr10", 5, "A", "G", "0/1").replace("\t.\tA", "\trs4986893\tA")
    assert call_vcf(at_build(38, named=False) + slip.encode())["CYP2C19"].calls


def test_an_indels_rs_number_one_base_off_is_no_other_build() -> None:
    text = HEAD + "chr2\t233760234\trs3064744\tA\tATA\t.\t.\t.\tGT\t0/1\n"
    assert "*28" in call_vcf(text.encode())["UGT1A1"].name


# -- one change in one form --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "ref", "alt", "changes"),
    [
        (5, "A", "G", [(5, "A", "G")]), (5, "A", "A", []), (5, "AC", "GT", [(5, "A", "G"), (6, "C", "T")]),
        (5, "ACG", "GCT", [(5, "A", "G"), (7, "G", "T")]), (5, "AC", "A", [(6, "C", "")]),
        (5, "A", "AC", [(6, "", "C")]),
        (5, "ACT", "GT", [(5, "AC", "G")]), (5, "AC", "-", [(5, "AC", "")]), (5, "TTA", "TA", [(5, "T", "")]),
    ],
)  # fmt: skip
def test_an_allele_in_its_shortest_form(position: int, ref: str, alt: str, changes: list[tuple[int, str, str]]) -> None:
    assert [tuple(e) for e in edits(position, ref, alt, {})] == changes


def test_an_indel_goes_left_as_far_as_the_bases_are_known() -> None:
    reference = "GCATATATG"
    bases = dict(enumerate(reference, 1))
    for position, ref, alt in ((2, "C", "CAT"), (4, "T", "TAT"), (8, "T", "TAT"), (5, "A", "ATA")):
        assert edits(position, ref, alt, bases) == (Edit(3, "", "AT"),)
    part = {at: base for at, base in bases.items() if at >= 6}
    (stopped,) = edits(8, "T", "TAT", part)
    assert stopped == Edit(6, "", "TA")
    assert may_equal(stopped, Edit(3, "", "AT"), part)
    assert not may_equal(stopped, Edit(3, "", "AT"), part | {4: "G"})
    assert not may_equal(stopped, Edit(4, "", "AT"), part)
    assert not may_equal(Edit(3, "", "AT"), Edit(3, "", "AT"), part)
    assert not may_equal(Edit(6, "", "T"), Edit(3, "", "AT"), part)
