"""The matcher against its published reference, against brute force, and by its properties."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.errors import NotFoundError, ValidationError
from novamind.pharmacogenomics.alleles import call_rsids, call_variants, wanted_positions
from novamind.pharmacogenomics.domain import Diplotype, DiplotypeCall
from novamind.pharmacogenomics.matching import AlleleTable, allele_table, genes, match, match_best
from novamind.pharmacogenomics.phenotypes import phenotype
from novamind.pharmacogenomics.service import call_vcf
from novamind.records.genotypes.consumer_arrays import ConsumerArray
from novamind.records.genotypes.vcf import Genotype, read_vcf

from .vcf_text import vcf

Rows = Callable[..., Iterator[dict[str, str]]]


def stated(text: str) -> set[tuple[frozenset[str], int]]:
    """``*1/*2@38|...`` as a set."""
    pairs = (item.split("@") for item in text.split("|") if item)
    return {(frozenset(name.split("/")), int(score)) for name, score in pairs}


def found(calls: tuple[DiplotypeCall, ...]) -> set[tuple[frozenset[str], int | None]]:
    return {(frozenset((c.first, c.second)), c.score) for c in calls}


def observed(table: AlleleTable, non_reference: str, missing: str) -> dict[int, Genotype]:
    at = {p: j for j, p in enumerate(table.positions)}
    absent = {int(p) for p in missing.split(",") if p}
    seen = {j: Genotype(0, 0, "") for p, j in at.items() if p not in absent}
    for item in filter(None, non_reference.split(",")):
        place, text = item.split("=")
        block = "|" if "|" in text else ""
        first, second = text.split(block or "/")
        if int(place) in at:  # some positions serve another guideline and define no allele
            seen[at[int(place)]] = Genotype(int(first), int(second), block)
    return seen


@pytest.mark.parametrize(
    "name",
    ["CYP2B6", "CYP2C19", "CYP2C9", "CYP2D6_phased", "CYP2D6_unphased", "CYP3A4", "CYP3A5", "UGT1A1"],
)
def test_every_reference_case_has_the_same_calls_and_scores(name: str, table: Rows) -> None:
    definitions = allele_table(name.partition("_")[0])
    cases = 0
    for row in table(f"matcher/matcher_{name}.tsv.gz", "\t"):
        seen = observed(definitions, row["non_reference"], row["missing"])
        calls = match(definitions, seen)
        assert found(match_best(definitions, seen)) == stated(row["top_calls"]), row["id"]
        if row["all_calls"] not in {"=", ""}:
            assert found(calls) == stated(row["all_calls"]), row["id"]
        cases += 1
    assert cases >= 50


#: Files with indels that the reference tool does not read as they are written: what their positions add to the score.
RESPELLED = {"cyp2c9__s3s18m94981296.vcf": 2}


def test_every_expected_call_of_the_vcf_files(shared: Path, table: Rows) -> None:
    for row in table("vcf/expected_calls.csv"):
        diplotype = call_vcf(shared / "vcf" / row["vcf"])[row["gene"]]
        more = RESPELLED.get(row["vcf"], 0)
        assert found(diplotype.calls) == {(pair, n + more) for pair, n in stated(row["top_calls"])}, row["vcf"]


def test_a_hundred_samples_at_once(shared: Path, table: Rows) -> None:
    called = call_variants(read_vcf(shared / "vcf" / "100samples.genes.vcf.gz", wanted_positions()))
    for row in table("vcf/100samples.expected.csv.gz"):
        diplotype = called[row["sample"]][row["gene"]]
        expected = row["diplotype"].replace(" OR ", " or ").replace("no call", "not called")
        assert diplotype.name == expected
        assert bool(diplotype.missing) == (row["missing_positions"] == "yes")
        if diplotype.calls:
            phenotypes = [str(phenotype(row["gene"], call.name).phenotype) for call in diplotype.calls]
            # The reference leaves pairs with an allele of unassigned function empty.
            for ours, theirs in zip(phenotypes, row["phenotype"].split(" / "), strict=True):
                assert ours == (theirs.strip() or "Indeterminate")


def by_enumeration(table: AlleleTable, seen: dict[int, Genotype]) -> set[tuple[frozenset[str], int]]:
    """The textbook way: every phasing of every unphased position, every pair of alleles."""
    free = [j for j, g in seen.items() if g.first != g.second and not g.block]
    results: dict[frozenset[str], int] = {}
    alive = [i for i in range(len(table.names)) if table.scored[i, list(seen)].any()]
    for flips in itertools.product([False, True], repeat=len(free)):
        flipped = dict(zip(free, flips, strict=True))
        one = {j: g.second if flipped.get(j) else g.first for j, g in seen.items()}
        two = {j: g.first if flipped.get(j) else g.second for j, g in seen.items()}
        for a, b in itertools.product(alive, repeat=2):
            if all(table.accepts[a, j, one[j]] and table.accepts[b, j, two[j]] for j in seen):
                score = sum(int(table.counts[a, j, one[j]]) + int(table.counts[b, j, two[j]]) for j in seen)
                key = frozenset((table.names[a], table.names[b]))
                results[key] = max(results.get(key, -1), score)
    return set(results.items())


@st.composite
def samples(draw: st.DrawFn, gene: str, most_het: int = 6) -> dict[int, Genotype]:
    """Two alleles of the gene with a few changed bases, partly phased, partly missing."""
    table = allele_table(gene)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    copies = []
    for _ in range(2):
        allele = int(rng.integers(len(table.names)))
        bases = [int(rng.choice(np.flatnonzero(table.accepts[allele, j]))) for j in range(len(table.positions))]
        if rng.random() < 0.3:
            j = int(rng.integers(len(bases)))
            bases[j] = int(rng.integers(len(table.bases[j])))
        copies.append(bases)
    share = rng.choice([0.0, 0.2, 0.6])
    phased = rng.random() < 0.5
    seen: dict[int, Genotype] = {}
    het = 0
    for j, (a, b) in enumerate(zip(*copies, strict=True)):
        het += a != b
        if rng.random() >= share and het <= most_het:
            seen[j] = Genotype(a, b, "|" if phased else "")
    return seen


@pytest.mark.parametrize("gene", ["CYP2C19", "CYP2B6", "CYP3A5", "UGT1A1"])
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_blockwise_matching_equals_enumeration(gene: str, data: st.DataObject) -> None:
    seen = data.draw(samples(gene, most_het=4))
    assert found(match(allele_table(gene), seen)) == by_enumeration(allele_table(gene), seen)


@pytest.mark.parametrize("gene", ["CYP2D6", "CYP2C19", "CYP2C9", "CYP2B6"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_allele_order_does_not_matter(gene: str, data: st.DataObject) -> None:
    seen = data.draw(samples(gene))
    turned = {j: Genotype(g.second, g.first, g.block) for j, g in seen.items()}
    assert match(allele_table(gene), seen) == match(allele_table(gene), turned)


@pytest.mark.parametrize("gene", ["CYP2D6", "CYP2C19", "CYP2C9", "CYP2B6"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_losing_positions_never_loses_the_true_pair(gene: str, data: st.DataObject) -> None:
    table = allele_table(gene)
    seen = data.draw(samples(gene))
    fewer = {j: g for j, g in seen.items() if j % 3}
    alive = {n for i, n in enumerate(table.names) if table.scored[i, list(fewer)].any()}
    before = {(c.first, c.second) for c in match(table, seen) if {c.first, c.second} <= alive}
    assert before <= {(c.first, c.second) for c in match(table, fewer)}


@pytest.mark.parametrize("gene", [g for g in genes() if g != "CYP2D6"])
def test_a_missing_position_never_becomes_a_confident_reference(gene: str) -> None:
    table = allele_table(gene)
    whole = call_vcf(vcf(gene))[gene]
    assert whole.calls
    assert not whole.provisional
    for i, name in enumerate(table.names):
        key = {table.positions[j] for j in np.flatnonzero(table.distinct[i])}
        if not key or len(key) == len(table.positions):
            continue
        part = call_vcf(vcf(gene, missing=frozenset(key)))[gene]
        named = {n for c in part.calls for n in (c.first, c.second)}
        assert name in part.not_excluded or name in named, (gene, name)
        assert part.provisional or part.ambiguous or not part.calls
        assert set(part.missing) == key


def test_cyp2d6_from_variants_is_always_provisional_and_keeps_its_ties() -> None:
    diplotype = call_vcf(vcf("CYP2D6"))["CYP2D6"]
    assert diplotype.provisional
    assert any("copy-number" in w for w in diplotype.warnings)
    tied = call_vcf(vcf("CYP2D6", missing=frozenset({42128945, 42126611})))["CYP2D6"]
    assert "*4" in tied.not_excluded


def test_a_gene_without_positions_is_not_called() -> None:
    called = call_vcf(vcf("CYP2C19"))
    assert called["CYP2C9"].name == "not called"
    assert called["CYP2C9"].warnings


def test_phase_sets_are_not_mixed() -> None:
    """*17 on one copy and *2's bases on the other are told apart inside a phase set, not across two."""

    def with_sets(first: str, second: str) -> bytes:
        text = vcf("CYP2C19", {94761900: "0|1", 94762706: "1|0", 94842866: "1|1"}).decode()
        out = []
        for line in text.splitlines():
            fields = line.split("\t")
            if fields[0] == "chr10":
                fields[8] += ":PS"
                fields[9] += f":{first if fields[1] == '94761900' else second}"
            out.append("\t".join(fields))
        return "\n".join(out).encode()

    together = call_vcf(with_sets("7", "7"))["CYP2C19"]
    apart = call_vcf(with_sets("7", "8"))["CYP2C19"]
    assert together.name == "*4/*17"
    assert {c.name for c in apart.calls} > {"*4/*17"} or apart.name != together.name


def test_unknown_sequence_is_not_matched() -> None:
    text = vcf("CYP2C19", {94762706: "0/1"}).replace(b"94762706\t.\tA\tG", b"94762706\t.\tA\tC")
    assert not call_vcf(text)["CYP2C19"].calls


def test_swapped_reference_and_other_build_are_refused() -> None:
    lines = vcf("CYP2C19").decode().splitlines()
    swapped = [
        "\t".join([f[0], f[1], f[2], f[4], f[3], *f[5:]]) if not line.startswith("#") else line
        for line in lines
        for f in [line.split("\t")]
    ]
    with pytest.raises(ValidationError, match="swapped"):
        call_vcf("\n".join(swapped).encode())
    other = [
        "\t".join([*f[:3], {"A": "C", "C": "A", "G": "A", "T": "A"}[f[3][0]], ".", *f[5:]])
        if not line.startswith("#")
        else line
        for line in lines
        for f in [line.split("\t")]
    ]
    with pytest.raises(ValidationError, match="another reference base"):
        call_vcf("\n".join(other).encode())


def test_one_swapped_record_is_left_missing_and_said() -> None:
    text = vcf("CYP2C19").replace(b"94852765\t.\tC\tT", b"94852765\t.\tT\tC")
    diplotype = call_vcf(text)["CYP2C19"]
    assert 94852765 in diplotype.missing
    assert any("94852765" in w for w in diplotype.warnings)
    assert "*16" in diplotype.not_excluded


def test_of_two_records_that_contradict_each_other_none_is_used() -> None:
    lines = vcf("CYP2C19").decode().splitlines()
    extra = next(line for line in lines if "\t94781859\t" in line).replace("0/0", "1/1")
    diplotype = call_vcf("\n".join([*lines, extra]).encode())["CYP2C19"]
    assert diplotype.missing == diplotype.doubtful == (94781859,)
    assert diplotype.provisional
    assert any("the records at chr10:94781859 contradict each other" in w for w in diplotype.warnings)


def test_arrays_are_matched_by_rs_number() -> None:
    calls = {"rs4244285": ("G", "A"), "rs12769205": ("A", "G"), "rs3758581": ("G", "G"), "rs67666821": ("D", "I")}
    called = call_rsids(ConsumerArray(calls))
    assert "*1/*2" in called["CYP2C19"].name
    assert called["CYP2C19"].provisional
    assert "*20" in called["CYP3A4"].name
    strand = call_rsids(ConsumerArray({"rs4244285": ("C", "T")}))["CYP2C19"]
    assert not strand.calls
    assert any("rs4244285" in w for w in strand.warnings)


def test_unknown_gene() -> None:
    with pytest.raises(NotFoundError):
        allele_table("CYP9Z9")


def c19(genotypes: dict[int, str], more: str = "") -> Diplotype:
    return call_vcf(vcf("CYP2C19", genotypes) + more.encode())["CYP2C19"]


@pytest.mark.parametrize("half", ["./1", "1/.", "1", ".|1", "0/7", "0/0/1"])
def test_half_of_a_call_is_never_a_confident_reference(half: str) -> None:
    """rs4244285, the variant of *2, is seen on one copy and the other cannot be read."""
    called = c19({94781859: half})
    assert called.missing == (94781859,)
    assert called.provisional
    assert called.doubtful == (94781859,)
    assert "94781859" in " ".join(called.warnings)


def test_a_repeated_record_with_another_variant_makes_the_call_provisional() -> None:
    later = "chr10\t94781859\t.\tG\tA\t.\tPASS\t.\tGT\t{}\n"
    assert c19({}, later.format("0/1")).provisional
    assert not c19({}, later.format("0/0")).provisional
    assert c19({}, later.format("0/1").replace("\tG\tA", "\tGG\tG")).provisional


def test_a_record_without_ref_has_an_outcome() -> None:
    assert not c19({}, "chr10\t94781859\t.\t\tA\t.\tPASS\t.\tGT\t0/0\n").doubtful


def test_phased_and_unphased_records_in_one_file() -> None:
    """rs3758581 (*1 and others), rs12769205 and rs4244285 (*2) lie on one copy; *17 is unphased: both fit."""
    star2 = {94775367: "0|1", 94781859: "0|1"}
    both = {94842866: "1/1"}
    assert {c.name for c in c19({**both, **star2, 94761900: "0/1"}).calls} == {"*2/*17"}
    assert {c.name for c in c19({**both, **star2, 94761900: "1|0"}).calls} == {"*2/*17"}
    assert "*2/*17" not in {c.name for c in c19({**both, **star2, 94761900: "0|1"}).calls}
