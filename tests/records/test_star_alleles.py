"""Tables of star alleles: which column holds what, and what is refused."""

import pytest

from novamind.errors import DataProcessingError, ValidationError
from novamind.records.genotypes.star_alleles import read_star_alleles


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("gene,diplotype\nCYP2D6,*1/*4\n", {"": {"CYP2D6": "*1/*4"}}),
        ("Gene,Diplotype\n CYP2D6 , *1/*4 \n", {"": {"CYP2D6": "*1/*4"}}),
        ("diplotype\tgene\n*1/*4\tCYP2D6\n", {"": {"CYP2D6": "*1/*4"}}),
        ("gene\tdiplotype\nCYP2D6\t*1/*4, maybe\n", {"": {"CYP2D6": "*1/*4, maybe"}}),
        ("gene,result\nCYP2D6,*1/*4\n", {"": {"CYP2D6": "*1/*4"}}),
        ("gene,genotype\nCYP2D6,*1/*4\n", {"": {"CYP2D6": "*1/*4"}}),
        ("gene,phenotype\nCYP2D6,Poor\n", {"": {"CYP2D6": "Poor"}}),
        ("gene,activity_score\nCYP2D6,1.5\n", {"": {"CYP2D6": "1.5"}}),
        # of several columns the diplotype goes first, then result, genotype, phenotype, score
        (
            "gene,activity_score,phenotype,genotype,result,diplotype\na,1,2,3,4,5\nb,1,2,3,4,\nc,1,2,3,,\nd,1,2,,,\ne,1,,,,\n",
            {"": {"a": "5", "b": "4", "c": "3", "d": "2", "e": "1"}},
        ),
        ("gene,diplotype\nCYP2D6\n", {"": {"CYP2D6": ""}}),
        ("sample,gene,diplotype\ns,CYP2D6,*1/*4\n,CYP2D6,*1/*1\n", {"s": {"CYP2D6": "*1/*4"}, "": {"CYP2D6": "*1/*1"}}),
        (
            "gene,diplotype,sample\nCYP2D6,*1/*4,s\nCYP2C19,*1/*1\n",
            {"s": {"CYP2D6": "*1/*4"}, "": {"CYP2C19": "*1/*1"}},
        ),
        ("#comment\n\ngene,diplotype\n#x\nCYP2D6,*1/*4\n", {"": {"CYP2D6": "*1/*4"}}),
        # PharmCAT: no header; gene, diplotype, phenotype, activity score
        (
            "CYP2D6\t*1/*4\tIM\t1.0\nCYP2C19\t\tPM\nCYP1A2\t\t\t2.0\nX\n",
            {"": {"CYP2D6": "*1/*4", "CYP2C19": "PM", "CYP1A2": "2.0", "X": ""}},
        ),
        ("CYP2D6,*1/*4\nCYP2D6,*1/*4\n", {"": {"CYP2D6": "*1/*4"}}),
    ],
)
def test_layouts(table: str, found: dict[str, dict[str, str]]) -> None:
    assert read_star_alleles(table.encode()) == found


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("", DataProcessingError, "the star-allele table is empty"),
        ("#only a comment\n\n", DataProcessingError, "the star-allele table is empty"),
        (
            "gene,colour\nCYP2D6,red\n",
            DataProcessingError,
            "needs a column among diplotype, result, genotype, phenotype, activity_score",
        ),
        (
            "gene,diplotype\nCYP2D6,*1/*4\n,*1/*4\n",
            ValidationError,
            "result line 2 of the star-allele table names no gene",
        ),
        ("diplotype,gene\n*1/*4\n", ValidationError, "result line 1 of"),
        ("CYP2D6\t*1/*4\nCYP2D6\t*1/*1\n", ValidationError, "gives two different results for CYP2D6; keep one"),
    ],
)
def test_refusals(table: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_star_alleles(table.encode())
