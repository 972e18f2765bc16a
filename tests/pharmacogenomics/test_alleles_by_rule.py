"""alleles.py record by record: what is used, what is left missing, what is said about it."""

from collections.abc import Sequence

import pytest

from novamind.errors import ValidationError
from novamind.pharmacogenomics.alleles import _array_letters, call_rsids, call_variants, wanted_positions
from novamind.pharmacogenomics.codec import DiplotypeBody
from novamind.pharmacogenomics.domain import Diplotype
from novamind.pharmacogenomics.genome_build import grch37_position
from novamind.pharmacogenomics.matching import allele_table, genes
from novamind.records.genotypes.consumer_arrays import ConsumerArray
from novamind.records.genotypes.vcf import Genotype, VariantFile, VariantRecord
from tests.golden import check_golden

C19 = allele_table("CYP2C19")
STAR2, STAR17, FIRST = 94781859, 94761900, 94842866  # rs4244285 G>A, rs12248560 C>T, rs3758581 A>G of *1


def record(
    position: int,
    genotypes: Sequence[tuple[int, int]],
    ref: str | None = None,
    alts: tuple[str, ...] | None = None,
    *,
    passed: bool = True,
    block: str = "",
    gene: str = "CYP2C19",
) -> VariantRecord:
    table = allele_table(gene)
    bases = table.bases[table.positions.index(position)]
    called = tuple(Genotype(a, b, block) for a, b in genotypes)
    return VariantRecord(
        table.chrom, position, bases[0] if ref is None else ref, bases[1:] if alts is None else alts, called, passed
    )


def reference(n: int, but: Sequence[int] = (), gene: str = "CYP2C19") -> list[VariantRecord]:
    return [record(p, [(0, 0)] * n, gene=gene) for p in allele_table(gene).positions if p not in but]


def called(records: Sequence[VariantRecord], n: int = 1, gene: str = "CYP2C19") -> list[Diplotype]:
    samples = tuple(f"s{i}" for i in range(n))
    return [of[gene] for of in call_variants(VariantFile(samples, tuple(records))).values()]


def remarks(diplotype: Diplotype) -> list[str]:
    return [w.removeprefix("CYP2C19: ") for w in diplotype.warnings]


def test_each_sample_has_its_own_call() -> None:
    rows = [*reference(4, (STAR2, STAR17, FIRST)), record(FIRST, [(1, 1)] * 4)]
    rows += [record(STAR2, [(0, 0), (0, 1), (1, 1), (-1, -1)]), record(STAR17, [(0, 0), (0, 0), (0, 0), (0, 1)])]
    star1, star2, both, missing = called(rows, 4)
    assert star1.name == "*1/*1"
    assert star1.warnings == ()
    assert (star1.missing, star1.origin, star1.not_excluded) == ((), "variants", ())
    assert star2.name == "not called"  # *2 needs rs12769205 too
    assert remarks(star2) == ["no pair of known alleles explains the data."]
    assert both.name == "not called"
    assert missing.missing == (STAR2,)
    assert missing.doubtful == ()


def test_missing_positions_are_counted_and_what_hides_there_is_named() -> None:
    (part,) = called([r for r in reference(1) if r.position in {STAR2, FIRST}])
    total = len(C19.positions)
    assert len(part.missing) == total - 2
    assert part.missing == tuple(p for p in C19.positions if p not in {STAR2, FIRST})
    assert (
        remarks(part)[0]
        == f"{total - 2} of {total} positions are missing; not excluded: {', '.join(part.not_excluded)}."
    )
    assert "*2" not in part.not_excluded
    assert part.provisional


def test_nothing_in_the_data_is_nothing_assumed() -> None:
    (none,) = called([])
    assert (none.name, none.calls, len(none.missing)) == ("not called", (), len(C19.positions))
    assert remarks(none) == ["no position of its definition is in the data; nothing is assumed."]
    assert none.not_excluded == ()


def test_a_missing_position_behind_which_no_known_allele_hides() -> None:
    (part,) = called(reference(1, (STAR2,)))  # *2 would carry G at rs3758581, which was seen as A
    assert remarks(part) == [f"1 of {len(C19.positions)} positions are missing; no known allele hides there."]
    assert not part.provisional


def test_ties_are_counted() -> None:
    (tied,) = called(reference(1, (FIRST,)))
    assert tied.name == "*1/*1 or *1/*38 or *38/*38"
    assert remarks(tied)[-1] == "3 pairs of alleles explain the data equally well."
    (alone,) = called(reference(1))
    assert alone.warnings == ()


def test_cyp2d6_says_what_variants_cannot_show() -> None:
    (found,) = called(reference(1, gene="CYP2D6"), gene="CYP2D6")
    assert found.warnings[-1].startswith("CYP2D6 was called from single variants only")
    (none,) = called([], gene="CYP2D6")
    assert not any("single variants" in w for w in none.warnings)


SEEN = f"a variant at chr10:{STAR2} was seen but not in a usable genotype; it is not used."
FOREIGN = f"a record at chr10:{STAR2} does not have GRCh38's REF and was not used."
AGAINST = f"the records at chr10:{STAR2} contradict each other; none is used."


@pytest.mark.parametrize(
    ("extra", "warnings", "missing"),
    [
        (record(STAR2, [(0, 1)]), [AGAINST], True),
        (record(STAR2, [(1, 1)], alts=("T",)), [], False),  # no pair of alleles has it
        (record(STAR2, [(0, 1)], ref="A", alts=("G",)), [FOREIGN, SEEN], False),
        (record(STAR2, [(0, 0)], ref="A", alts=("G",)), [FOREIGN], False),
        # Nothing new: split records of one position, the same again, no call beside a call.
        (record(STAR2, [(0, 0)], alts=("T",)), [], False),
        (record(STAR2, [(0, 0)]), [], False),
        (record(STAR2, [(-1, -1)]), [], False),
    ],
)
def test_what_a_second_record_of_a_position_changes(extra: VariantRecord, warnings: list[str], missing: bool) -> None:
    (found,) = called([*reference(1), extra])
    said = [w for w in remarks(found) if "no known allele hides" not in w and "no pair" not in w]
    assert said == warnings
    assert found.doubtful == ((STAR2,) if {SEEN, AGAINST} & {*warnings} else ())
    assert found.missing == ((STAR2,) if missing else ())


def test_a_repeated_record_that_agrees_on_a_variant_leaves_no_doubt() -> None:
    rows = [*reference(1, (STAR17,)), record(STAR17, [(0, 1)]), record(STAR17, [(0, 1)], alts=("T", "G"))]
    (found,) = called(rows)
    assert found.doubtful == ()
    assert found.missing == ()


def test_only_a_record_with_grch38s_ref_is_used() -> None:
    rows = [*reference(1, (STAR2,)), record(STAR2, [(1, 1)], ref="A", alts=("G",))]
    (found,) = called(rows)
    assert found.missing == (STAR2,)
    assert found.doubtful == (STAR2,)


def test_a_failed_filter_is_named_and_the_record_used() -> None:
    rows = [*reference(1, (STAR17, FIRST)), record(FIRST, [(1, 1)]), record(STAR17, [(1, 1)], passed=False)]
    (found,) = called(rows)
    assert found.name == "*17/*17"
    assert remarks(found) == [f"the record at chr10:{STAR17} failed the file's own filter."]


@pytest.mark.parametrize(
    ("genotype", "missing", "doubtful"),
    [((0, 0), False, False), ((0, 1), False, False), ((-1, -1), True, False), ((-1, 0), True, False),
     ((1, -1), True, True), ((0, 2), True, True), ((0, -1), True, False), ((2, 0), True, True)],
)  # fmt: skip
def test_half_a_genotype_is_missing_and_a_variant_in_it_is_named(
    genotype: tuple[int, int], missing: bool, doubtful: bool
) -> None:
    rows = [*reference(2, (STAR2,)), record(STAR2, [genotype, (0, 0)])]
    first, second = called(rows, 2)
    assert first.missing == ((STAR2,) if missing else ())
    assert first.doubtful == ((STAR2,) if doubtful else ())
    assert (second.missing, second.doubtful) == ((), ())


def test_a_base_that_the_definition_does_not_know_fits_no_allele() -> None:
    (found,) = called([*reference(1, (STAR2,)), record(STAR2, [(0, 1)], alts=("T",))])
    assert found.name == "not called"
    (listed,) = called([*reference(1, (STAR2,)), record(STAR2, [(0, 2)], alts=("T", "A"))])
    (same,) = called([*reference(1, (STAR2,)), record(STAR2, [(0, 1)])])
    assert listed.calls == same.calls  # an allele is found by its sequence, not by its number


def test_wanted_positions_are_all_genes_by_chromosome() -> None:
    wanted = wanted_positions()
    assert set(wanted) == {allele_table(g).chrom for g in genes()}
    for table in map(allele_table, genes()):
        for position, bases in zip(table.positions, table.bases, strict=True):
            indel = max(map(len, bases)) > 1
            assert position in wanted[table.chrom]
            assert grch37_position(table.chrom, position) in wanted[table.chrom]
            assert not indel or {*range(position, position + 60)} <= wanted[table.chrom]
    assert STAR2 + 1 not in wanted["chr10"]


# -- another reference -------------------------------------------------------------------------------------------------


def foreign(wrong: int, right: int, *, swapped: bool) -> list[VariantRecord]:
    rows = []
    for j, position in enumerate(C19.positions[: wrong + right]):
        bases = C19.bases[j]
        if j >= wrong:
            rows.append(record(position, [(0, 0)]))
        elif swapped:
            rows.append(record(position, [(0, 0)], ref=bases[1], alts=(bases[0],)))
        else:
            other = next(b for b in "ACGT" if b != bases[0][0] and b not in bases)
            rows.append(record(position, [(0, 0)], ref=other, alts=()))
    return rows


@pytest.mark.parametrize(
    ("wrong", "right", "refused"), [(3, 3, True), (3, 4, False), (1, 0, True), (1, 1, True), (1, 2, False)]
)
def test_half_of_the_positions_with_another_reference_is_too_much(wrong: int, right: int, refused: bool) -> None:
    rows = foreign(wrong, right, swapped=False)
    if not refused:
        assert called(rows)
        return
    with pytest.raises(
        ValidationError, match=f"^{wrong} of {wrong + right} pharmacogene positions.*another genome build"
    ):
        called(rows)


def test_ref_and_alt_swapped_throughout_is_said() -> None:
    with pytest.raises(ValidationError, match="REF and ALT look swapped"):
        called(foreign(3, 0, swapped=True))
    with pytest.raises(ValidationError, match="another genome build"):
        called([*foreign(3, 0, swapped=True)[:2], *foreign(3, 0, swapped=False)[2:]])


def test_a_right_record_beside_a_wrong_one_is_enough() -> None:
    wrong = foreign(3, 0, swapped=False)
    right = [record(r.position, [(0, 0)]) for r in wrong]
    assert called([*wrong, *right])


# -- arrays ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bases", "letters"),
    [
        (("A", "G"), {"A": 0, "G": 1}), (("C", "A", "T"), {"C": 0, "A": 1, "T": 2}), (("CT", "C"), {"I": 0, "D": 1}),
        (("C", "CT"), {"D": 0, "I": 1}), (("C", "CT", "CTT"), {}), (("CT", "C", "A"), {}),
    ],
)  # fmt: skip
def test_array_letters(bases: tuple[str, ...], letters: dict[str, int]) -> None:
    assert _array_letters(bases) == letters


def test_an_arrays_call_and_what_it_cannot_use() -> None:
    at = dict(zip(C19.rsids, C19.bases, strict=True))
    whole = {rsid: (bases[0], bases[0]) for rsid, bases in at.items() if rsid and len(bases[0]) == 1 == len(bases[1])}
    found = call_rsids(ConsumerArray(whole | {"rs4244285": ("A", "C")}))["CYP2C19"]
    assert found.warnings[0] == "CYP2C19: the array's letters at rs4244285 do not fit its definition and were not used."
    assert STAR2 in found.missing
    normal = call_rsids(ConsumerArray(whole | {"rs3758581": ("G", "G")}))["CYP2C19"]
    assert "*1/*1" in normal.name
    het = call_rsids(ConsumerArray(whole | {"rs3758581": ("G", "G"), "rs12248560": ("T", "C")}))["CYP2C19"]
    assert "*17" in het.name or not het.calls
    assert call_rsids(ConsumerArray({}))["CYP2C19"].name == "not called"


def test_an_rs_number_with_two_different_calls_is_missing_and_named() -> None:
    calls = {"rs3758581": ("G", "G"), "rs12769205": ("A", "A")}
    found = call_rsids(ConsumerArray(calls, contradicting=frozenset({"rs4244285"})))["CYP2C19"]
    assert found.warnings[0] == "CYP2C19: the array gives rs4244285 twice with different letters; it is not used."
    assert STAR2 in found.missing
    clean = call_rsids(ConsumerArray(calls | {"rs4244285": ("G", "G")}))["CYP2C19"]
    assert STAR2 not in clean.missing


def test_letters_of_the_forward_strand_are_turned_where_only_the_other_strand_fits() -> None:
    """rs4244285 is G>A, rs3758581 A>G; rs1135840 of CYP2D6 is C>G, which reads the same on both strands."""
    calls = {"rs4244285": ("C", "T"), "rs3758581": ("G", "G"), "rs1135840": ("G", "G")}
    forward = call_rsids(ConsumerArray(calls, on_plus_strand=False))
    turned = call_rsids(ConsumerArray(calls | {"rs4244285": ("G", "A")}))
    assert forward["CYP2C19"] == turned["CYP2C19"]
    assert 42126611 in forward["CYP2D6"].missing
    assert "CYP2D6: the report does not show the strand of rs1135840; it is not used." in forward["CYP2D6"].warnings
    assert 42126611 not in turned["CYP2D6"].missing
    assert "do not fit" in call_rsids(ConsumerArray(calls))["CYP2C19"].warnings[0]


def test_every_gene_of_awkward_samples() -> None:
    """Reference, variants, halves, failures, repetitions and phase in one file of three people."""
    rows = []
    for k, gene in enumerate(genes()):
        table = allele_table(gene)
        for j, position in enumerate(table.positions):
            if (j + k) % 7 == 3:
                continue
            pick = (j * 5 + k) % 11
            calls = [(0, 0), (0, 1) if pick == 2 else (0, 0), ((1, 1), (-1, 1), (0, 0))[min(pick, 2)]]
            rows.append(record(position, calls, gene=gene, passed=pick != 4, block="|" if pick % 2 else ""))
            if pick == 5:
                rows.append(record(position, [(0, 1), (0, 0), (0, 0)], gene=gene))
    found = call_variants(VariantFile(("a", "b", "c"), tuple(rows)))
    shown = {}
    for sample, of in found.items():
        for gene, d in of.items():
            plain = DiplotypeBody.model_validate(d).model_dump(mode="json", exclude={"name"})
            plain["calls"] = " ".join(f"{c.name}@{c.score}" for c in d.calls[:8]) + f" of {len(d.calls)}"
            plain["missing"] = len(d.missing)
            plain["not_excluded"] = " ".join(d.not_excluded[:20]) + f" of {len(d.not_excluded)}"
            plain["warnings"] = [w[:200] for w in d.warnings]
            shown[f"{sample} {gene}"] = {key: value for key, value in plain.items() if value not in ([], {}, None)}
    check_golden(__file__, "awkward_samples", shown)
