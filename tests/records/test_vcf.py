"""The VCF reader on plain, compressed, damaged and foreign files."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.errors import DataProcessingError, NovamindError, ValidationError
from novamind.records.vcf import MISSING, read_vcf

WANTED = {"chr10": frozenset({100, 200})}
HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n"
LINE = "chr10\t100\t.\tG\tA,T\t.\tPASS\t.\tGT:DP\t0/1:9\t1|2:7\n"


def test_reads_wanted_positions_only() -> None:
    file = read_vcf((HEAD + LINE + LINE.replace("\t100\t", "\t150\t")).encode(), WANTED)
    assert file.samples == ("a", "b")
    assert [r.position for r in file.records] == [100]
    record = file.records[0]
    assert (record.genotypes[0].first, record.genotypes[0].second, record.genotypes[0].block) == (0, 1, "")
    assert (record.genotypes[1].first, record.genotypes[1].second, record.genotypes[1].block) == (1, 2, "|")
    assert [record.base(k) for k in (0, 1, 2, 3, MISSING)] == ["G", "A", "T", None, None]


def test_compressed_block_compressed_and_bytes_agree(tmp_path: Path) -> None:
    content = (HEAD + LINE).encode()
    half = len(content) // 2
    bgzip_like = gzip.compress(content[:half]) + gzip.compress(content[half:])
    path = tmp_path / "x.vcf.gz"
    path.write_bytes(bgzip_like)
    assert read_vcf(path, WANTED) == read_vcf(bgzip_like, WANTED) == read_vcf(content, WANTED)


def test_chromosomes_without_prefix_and_windows_line_ends() -> None:
    text = (HEAD + LINE.replace("chr10", "10")).replace("\n", "\r\n")
    assert read_vcf(text.encode(), WANTED).records[0].chrom == "chr10"


@pytest.mark.parametrize("gt", [".", "./.", "./1", "1", "0/1/1", "x/y", "", "0/-1"])
def test_incomplete_genotypes_are_missing(gt: str) -> None:
    text = HEAD + LINE.replace("0/1:9", f"{gt}:9")
    genotype = read_vcf(text.encode(), WANTED).records[0].genotypes[0]
    assert MISSING in genotype[:2]


def test_phase_sets_become_blocks() -> None:
    text = HEAD + LINE.replace("GT:DP", "GT:PS").replace("1|2:7", "1|2:77")
    assert read_vcf(text.encode(), WANTED).records[0].genotypes[1].block == "77"


@pytest.mark.parametrize(
    "line",
    [
        "##contig=<ID=chr10,length=135534747>",
        "##contig=<ID=10,assembly=b37>",
        "##reference=file:///GRCh37.fa",
        "##reference=hg19",
    ],
)
def test_another_build_is_refused(line: str) -> None:
    with pytest.raises(ValidationError, match="GRCh38"):
        read_vcf(HEAD.replace("#CHROM", f"{line}\n#CHROM").encode(), WANTED)


def test_the_right_build_is_not_refused() -> None:
    lines = "##contig=<ID=chr10,length=133797422>\n##reference=GRCh38_full_analysis_set.fa\n#CHROM"
    assert read_vcf((HEAD.replace("#CHROM", lines) + LINE).encode(), WANTED).records


@pytest.mark.parametrize(
    "content",
    [
        b"", b"hello\n", b"##fileformat=VCFv4.2\n",
        HEAD.encode() + b"chr10\t100\t.\tG\n", HEAD.encode() + b"no tabs here\n",
        gzip.compress((HEAD + LINE * 50).encode())[:-30], b"##fileformat=VCFv4.2\nchr10\t100\n",
    ],
)  # fmt: skip
def test_damaged_files_are_refused(content: bytes) -> None:
    with pytest.raises(DataProcessingError):
        read_vcf(content, WANTED)


def test_no_sample_no_file_and_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="no sample"):
        read_vcf(HEAD.replace("\tFORMAT\ta\tb", "").encode(), WANTED)
    with pytest.raises(DataProcessingError, match="Cannot open"):
        read_vcf(tmp_path / "nowhere.vcf", WANTED)
    path = tmp_path / "x.vcf"
    path.write_text(HEAD + LINE)
    monkeypatch.setenv("NOVAMIND_MAX_FILE_BYTES", "20")
    with pytest.raises(ValidationError, match="NOVAMIND_MAX_FILE_BYTES"):
        read_vcf(path, WANTED)


def test_a_ten_megabyte_header_is_read() -> None:
    header = "".join(f'##INFO=<ID=X{i},Description="{"x" * 1000}">\n' for i in range(10_000))
    assert read_vcf((HEAD.replace("#CHROM", header + "#CHROM") + LINE).encode(), WANTED).records


@given(st.binary(max_size=400), st.integers(0, 200))
def test_any_bytes_end_in_a_result_or_our_error(noise: bytes, at: int) -> None:
    content = (HEAD + LINE).encode()
    try:
        read_vcf(content[:at] + noise + content[at:], WANTED)
    except NovamindError:
        return
