"""The matcher on a gene small enough to work out by hand, and its answers on many samples."""

from hashlib import sha256

import numpy as np
import pytest

from novamind.errors import NotFoundError
from novamind.pharmacogenomics import matching
from novamind.pharmacogenomics.domain import DiplotypeCall
from novamind.pharmacogenomics.matching import AlleleTable, allele_table, genes, match, match_best, not_excluded
from novamind.records.genotypes.vcf import Genotype
from tests.golden import check_golden


@pytest.mark.parametrize(
    ("first", "second"),
    [("*2", "*10"), ("*1", "*1x2"), ("*4", "*10+*36"), ("*1A", "*1F"), ("*9", "*17"), ("Reference", "rs25531"),
     ("*80", "*80+*28")],
)  # fmt: skip
def test_alleles_stand_in_the_order_of_their_numbers(first: str, second: str) -> None:
    assert matching.order_pair(second, first) == matching.order_pair(first, second) == (first, second)
    assert matching.natural_order(first) < matching.natural_order(second)


def test_letters_stand_for_more_than_one_base() -> None:
    """IUPAC-IUB 1984: each set from what it leaves out or pairs."""
    purine, pyrimidine, strong, weak, keto, amino = "AG", "CT", "CG", "AT", "GT", "AC"
    expected = {"R": purine, "Y": pyrimidine, "S": strong, "W": weak, "K": keto, "M": amino}
    expected |= {
        letter: "".join(b for b in "ACGT" if b != left_out) for letter, left_out in zip("BDHV", "ACGT", strict=True)
    }
    assert {**expected, "N": "ACGT"} == matching._WOBBLE


POSITIONS = [  # out of order on purpose
    {"gene": "G", "chrom": "chr1", "position": "200", "ref": "A", "alts": "G T", "rsid": "rs2"},
    {"gene": "G", "chrom": "chr1", "position": "100", "ref": "C", "alts": "T", "rsid": "rs1"},
    {"gene": "G", "chrom": "chr1", "position": "300", "ref": "G", "alts": "A", "rsid": ""},
    {"gene": "H", "chrom": "chr2", "position": "5", "ref": "G", "alts": "A", "rsid": "rs9"},
]
ALLELES = [
    {"gene": "G", "allele": "*10", "scoring": "", "bases": "300:A"},
    {"gene": "G", "allele": "*1", "scoring": "reference", "bases": ""},
    {"gene": "G", "allele": "*2", "scoring": "", "bases": "100:T 200:G"},
    {"gene": "G", "allele": "*3", "scoring": "", "bases": "100:T 200:R"},
    {"gene": "G", "allele": "*5", "scoring": "no definition", "bases": ""},
    {"gene": "H", "allele": "*1", "scoring": "reference", "bases": ""},
]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> AlleleTable:
    tables = {"positions": POSITIONS, "alleles": ALLELES}
    monkeypatch.setattr(matching, "rows", lambda name: iter(tables[name]))
    monkeypatch.setattr(matching, "genes", matching.genes.__wrapped__)
    return allele_table.__wrapped__("G")


def test_definitions_become_arrays(small: AlleleTable) -> None:
    assert (small.gene, small.chrom, small.positions, small.rsids) == ("G", "chr1", (100, 200, 300), ("rs1", "rs2", ""))
    assert small.bases == (("C", "T"), ("A", "G", "T"), ("G", "A"))
    assert small.names == ("*1", "*2", "*3", "*10")
    # (allele, position, base); the last base is a sequence that no definition knows
    ref, alt = [True, False, False, False], [False, True, False, False]
    assert small.accepts.tolist() == [
        [ref, ref, ref], [alt, alt, ref], [alt, [True, True, False, False], ref], [ref, ref, alt],
    ]  # fmt: skip
    assert small.counts.tolist() == [
        [[1, 0, 0, 0]] * 3,  # the reference allele is supported at every position
        [[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]],
        [[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]],  # a wobble counts away from the reference only
        [[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]],
    ]
    assert small.scored.tolist() == [[True] * 3, [True, True, False], [True, True, False], [False, False, True]]
    assert small.distinct.tolist() == [
        [False] * 3,
        [True, True, False],
        [True, False, False],
        [False, False, True],
    ]
    assert small.scored_bits == (0b0111, 0b0111, 0b1001)
    assert small.distinct_bits == (0b0110, 0b0010, 0b1000)
    assert small.accept_bits == (0b1001, 0b0110, 0, 0, 0b1101, 0b0110, 0, 0, 0b0111, 0b1000, 0, 0)


@pytest.mark.parametrize(
    ("seen", "calls"),
    [
        ({0: (0, 0), 1: (0, 0), 2: (0, 0)}, [("*1", "*1", 6)]),
        ({0: (0, 1), 1: (0, 1), 2: (0, 0)}, [("*1", "*2", 5), ("*1", "*3", 5)]),
        ({0: (1, 1), 1: (1, 1), 2: (0, 0)}, [("*2", "*2", 4), ("*2", "*3", 4), ("*3", "*3", 4)]),
        ({0: (0, 1), 1: (0, 0), 2: (0, 0)}, [("*1", "*3", 4)]),
        ({0: (0, 1), 1: (0, 1), 2: (0, 1)}, [("*2", "*10", 3), ("*3", "*10", 3)]),
        ({0: (0, 0), 1: (0, 0), 2: (0, 1)}, [("*1", "*10", 4)]),
        ({0: (0, 0), 1: (0, 2), 2: (0, 0)}, []),  # a known base that no allele carries
        ({0: (0, 3), 1: (0, 0), 2: (0, 0)}, []),  # a sequence outside the definition
        ({2: (0, 0)}, [("*1", "*1", 2)]),  # *2 and *3 have no position left
        ({}, []),
    ],
)
def test_pairs_and_scores_by_hand(
    small: AlleleTable, seen: dict[int, tuple[int, int]], calls: list[tuple[str, str, int]]
) -> None:
    observed = {j: Genotype(a, b, "") for j, (a, b) in seen.items()}
    assert match(small, observed) == tuple(DiplotypeCall(*call) for call in calls)
    assert match_best(small, observed) == tuple(DiplotypeCall(*c) for c in calls if c[2] == calls[0][2])


def test_the_best_score_comes_first(small: AlleleTable) -> None:
    observed = {0: Genotype(0, 1, ""), 1: Genotype(0, 0, "")}
    assert [(c.name, c.score) for c in match(small, observed)] == [("*1/*3", 3)]
    whole = {0: Genotype(1, 1, ""), 1: Genotype(0, 1, ""), 2: Genotype(0, 0, "")}
    assert [(c.name, c.score) for c in match(small, whole)] == [("*2/*3", 3), ("*3/*3", 3)]


def test_phase_is_kept_within_a_block(small: AlleleTable) -> None:
    apart = {0: Genotype(0, 1, "1"), 1: Genotype(1, 0, "1"), 2: Genotype(0, 0, "1")}
    assert match(small, apart) == ()  # T and G lie on different copies; no allele is G at 200 alone
    other_sets = {0: Genotype(0, 1, "1"), 1: Genotype(1, 0, "2"), 2: Genotype(0, 0, "1")}
    assert [c.name for c in match(small, other_sets)] == ["*1/*2", "*1/*3"]


@pytest.mark.parametrize(
    ("seen", "hidden"),
    [
        ({0: (0, 0), 1: (0, 0)}, ("*10",)),  # only 300 is missing
        ({1: (0, 0), 2: (0, 0)}, ("*3",)),  # *2 would need G at 200
        ({1: (0, 1), 2: (0, 0)}, ("*2", "*3")),
        ({0: (0, 0), 1: (0, 0), 2: (0, 0)}, ()),
        ({2: (0, 1)}, ("*2", "*3")),
    ],
)
def test_what_a_missing_position_hides(
    small: AlleleTable, seen: dict[int, tuple[int, int]], hidden: tuple[str, ...]
) -> None:
    observed = {j: Genotype(a, b, "") for j, (a, b) in seen.items()}
    assert not_excluded(small, observed, ()) == hidden
    assert not_excluded(small, observed, (DiplotypeCall("*1", "*3"),)) == tuple(n for n in hidden if n != "*3")


@pytest.mark.usefixtures("small")
def test_an_unknown_gene_is_named() -> None:
    with pytest.raises(NotFoundError, match="'CYP9Z9'; known genes: G, H"):
        allele_table.__wrapped__("CYP9Z9")


def test_the_better_of_two_pairs_comes_first() -> None:
    table = allele_table("CYP2C19")
    scores = [c.score or 0 for c in match(table, {0: Genotype(0, 0, ""), 5: Genotype(0, 1, "")})]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) > 1


def digest(value: object) -> str:
    return sha256(repr(value).encode()).hexdigest()[:16]


def test_the_tables_of_all_genes() -> None:
    check_golden(
        __file__,
        "allele_tables",
        {
            gene: {
                "chrom": table.chrom, "alleles": " ".join(table.names), "positions": len(table.positions),
                "bases": digest((table.positions, table.rsids, table.bases)), "accepts": digest(table.accept_bits),
                "scored": digest(table.scored_bits), "distinct": digest(table.distinct_bits),
                "supported": table.counts.sum(axis=(0, 1)).tolist(),
            }
            for gene in genes()
            for table in [allele_table(gene)]
        },
    )  # fmt: skip


@pytest.mark.parametrize("gene", ["CYP2D6", "CYP2C19", "CYP2C9", "UGT1A1"])
def test_the_calls_of_drawn_samples(gene: str) -> None:
    """Two alleles a sample, partly missing, partly in phase sets; sometimes with a base that neither has."""
    table = allele_table(gene)
    found = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        a, b = rng.integers(len(table.names), size=2)
        bases = [
            [int(rng.choice(np.flatnonzero(table.accepts[i, j]))) for j in range(len(table.positions))] for i in (a, b)
        ]
        if seed % 4 == 3:
            bases[0][int(rng.integers(len(table.positions)))] = table.accepts.shape[2] - 1
        seen = {
            j: Genotype(one, two, ("", "1", "2")[int(rng.integers(3)) if seed % 2 else 0])
            for j, (one, two) in enumerate(zip(*bases, strict=True))
            if rng.random() > 0.1 * (seed % 3)
        }
        calls = match(table, seen)
        best = match_best(table, seen)
        assert {c for c in calls if c.score == calls[0].score} == set(best)
        found.append(
            {
                "calls": [f"{c.name}@{c.score}" for c in best][:12], "all": len(calls), "every": digest(calls),
                "hidden": " ".join(not_excluded(table, seen, best)),
            }
        )  # fmt: skip
    check_golden(__file__, f"calls_{gene}", found)
