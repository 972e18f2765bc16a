"""Tables of star alleles and the output of callers: which column holds what, and what is refused."""

import io
import zipfile

import pytest

from novamind.errors import DataProcessingError, ValidationError
from novamind.records.genotypes.callers import ReportedResult
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
            "gene,activity_score,phenotype,genotype,result,diplotype\nG1,1,2,3,4,5\nG2,1,2,3,4,\nG3,1,2,3,,\nG4,1,2,,,\nG5,1,,,,\n",
            {"": {"G1": "5", "G2": "4", "G3": "3", "G4": "2", "G5": "1"}},
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
            "CYP2D6\t*1/*4\tIM\t1.0\nCYP2C19\t\tPM\nCYP1A2\t\t\t2.0\nDPYD\n",
            {"": {"CYP2D6": "*1/*4", "CYP2C19": "PM", "CYP1A2": "2.0", "DPYD": ""}},
        ),
        ("CYP2D6,*1/*4\nCYP2D6,*1/*4\n", {"": {"CYP2D6": "*1/*4"}}),
        # other separators, other titles, a byte order mark, UTF-16
        ("Gene;Diplotype\nCYP2D6;*1/*4\n", {"": {"CYP2D6": "*1/*4"}}),
        ("CYP2D6;*1/*4\nCYP2C19;*1/*2\n", {"": {"CYP2D6": "*1/*4", "CYP2C19": "*1/*2"}}),
        ("CYP2D6 *4/*4\nCYP2C19  *2/*2 or *2/*3\n", {"": {"CYP2D6": "*4/*4", "CYP2C19": "*2/*2 or *2/*3"}}),
        ("Gene Diplotype\nCYP2D6 *4/*4\n", {"": {"CYP2D6": "*4/*4"}}),
        ("CYP2D6,*1/*46;*43/*45\n", {"": {"CYP2D6": "*1/*46;*43/*45"}}),
        ("Sample ID;Gene Symbol;Metaboliser status\ns 1;cyp2d6;PM\n", {"s 1": {"CYP2D6": "PM"}}),
        ("Gen;Diplotyp;Phänotyp\nCYP2D6;;PM\n", {"": {"CYP2D6": "PM"}}),
        ("\ufeffgene,diplotype\nCYP2D6,*1/*4\n", {"": {"CYP2D6": "*1/*4"}}),
        # an HLA allele a line
        (
            "gene,result\nHLA-B*15:02,negative\nHLA-B*15:11,positive\nHLA-A*31:01,negative\n",
            {"": {"HLA-B": "*15:02 negative, *15:11 positive", "HLA-A": "*31:01 negative"}},
        ),
    ],
)
def test_layouts(table: str, found: dict[str, dict[str, str]]) -> None:
    read = read_star_alleles(table.encode())
    assert {sample: {gene: result.text for gene, result in of.items()} for sample, of in read.items()} == found


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("", DataProcessingError, "the star-allele table is empty"),
        ("#only a comment\n\n", DataProcessingError, "the star-allele table is empty"),
        (
            "gene,colour\nCYP2D6,red\n",
            DataProcessingError,
            "needs a column among diplotype, phenotype, activity_score",
        ),
        (
            "gene,diplotype\nCYP2D6,*1/*4\n,*1/*4\n",
            ValidationError,
            "result line 2 of the star-allele table names no gene",
        ),
        ("diplotype,gene\n*1/*4\n", ValidationError, "result line 1 of"),
        ("hello world\n", DataProcessingError, "is no genotype that we read"),
        ("12,*1/*4\n", ValidationError, "result line 1 of the star-allele table begins with no gene symbol"),
        ("CYP2D6 is,*1/*4\n", ValidationError, "separate gene and result by tab, semicolon or comma"),
        ("gene,diplotype\n", DataProcessingError, "holds no result"),
        ("CYP2D6\t*1/*4\nCYP2D6\t*1/*1\n", ValidationError, "gives two different results for CYP2D6; keep one"),
    ],
)
def test_refusals(table: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_star_alleles(table.encode())


def test_utf_16_as_spreadsheets_write_it() -> None:
    assert read_star_alleles("gene\tdiplotype\nCYP2D6\t*1/*4\n".encode("utf-16"))[""]["CYP2D6"].diplotype == "*1/*4"


def test_all_columns_of_a_result_are_kept() -> None:
    table = b"gene,diplotype,phenotype,activity score\nCYP2D6,*1/*4,Normal Metabolizer,1.0\n"
    assert read_star_alleles(table)[""]["CYP2D6"] == ReportedResult("*1/*4", "Normal Metabolizer", "1.0")
    assert read_star_alleles(b"CYP2D6\t*1/*4\tNM\t2.0\n")[""]["CYP2D6"] == ReportedResult("*1/*4", "NM", "2.0")


# -- callers -----------------------------------------------------------------------------------------------------------


def texts(content: bytes) -> dict[str, dict[str, str]]:
    read = read_star_alleles(content)
    return {sample: {gene: result.text for gene, result in of.items()} for sample, of in read.items()}


def test_cyrius() -> None:
    table = (
        b"Sample\tGenotype\tFilter\nA\t*1/*4\tPASS\nB\tNone\tNone\nC\t*1_*2_*68\tNot_assigned_to_haplotypes\n"
        b"D\t*1/*46;*43/*45\tMore_than_one_possible_genotype\nE\t*1x4\tNot_assigned_to_haplotypes\n"
    )
    assert texts(table) == {
        "A": {"CYP2D6": "*1/*4"}, "B": {"CYP2D6": "None"}, "C": {"CYP2D6": "*1_*2_*68"},
        "D": {"CYP2D6": "*1/*46;*43/*45"}, "E": {"CYP2D6": "*1_*1_*1_*1"},
    }  # fmt: skip
    read = read_star_alleles(table)
    assert read["A"]["CYP2D6"].remarks == read["B"]["CYP2D6"].remarks == ()
    assert read["D"]["CYP2D6"].remarks == ("CYP2D6: Cyrius marks the call More_than_one_possible_genotype.",)


def test_aldy() -> None:
    header = "#Sample\tGene\tSolutionID\tMajor\tMinor\tCopy\tAllele\tLocation\tType\n"
    rows = [("1", "*1/*4+*4"), ("1", "*1/*4+*4"), ("2", "*1+*4/*4")]
    body = "".join(f"#Solution {k}: x\nS\tCYP2D6\t{k}\t{major}\t1;4;4\t0\t1\n" for k, major in rows)
    assert texts((header + body).encode()) == {"S": {"CYP2D6": "*1/*4+*4 or *1+*4/*4"}}


@pytest.mark.parametrize("gap", ["\n", " "])
def test_stellarpgx(gap: str) -> None:
    report = (
        "-----\n\nCYP2D6 Star Allele Calling with StellarPGx\n\n-----\n\nInitially computed CN = 2\n\nSample core:\n"
        f"42126611~C>G~1/1;\n\nCandidate alleles:\n['2.v1_4.v1']\n\nResult:{gap}*2/*4\n\nActivity score:{gap}1.0\n\n"
        f"Metaboliser status:{gap}Intermediate metaboliser (IM)\n"
    )
    assert read_star_alleles(report.encode()) == {
        "": {"CYP2D6": ReportedResult("*2/*4", "Intermediate metaboliser (IM)", "1.0")}
    }


RESULTS = (
    "\tGenotype\tPhenotype\tHaplotype1\nS1\t*1/*4\tIntermediate Metabolizer\t*1;\nS2\tIndeterminate\tIndeterminate\t\n"
)


def pypgx(metadata: str = "Gene=CYP2D6\nSemanticType=SampleTable[Results]\n", data: str = RESULTS) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("tmp1/metadata.txt", metadata)
        archive.writestr("tmp1/data.tsv", data)
    return stream.getvalue()


def test_pypgx() -> None:
    assert read_star_alleles(pypgx()) == {
        "S1": {"CYP2D6": ReportedResult("*1/*4", "Intermediate Metabolizer")},
        "S2": {"CYP2D6": ReportedResult(phenotype="Indeterminate")},
    }
    for content in (pypgx(metadata="Assembly=GRCh38\n"), pypgx(data="\tPhenotype\nS1\tx\n")):
        with pytest.raises(DataProcessingError, match="holds no results of a gene"):
            read_star_alleles(content)
