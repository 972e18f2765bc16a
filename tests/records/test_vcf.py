"""The VCF reader on plain, compressed, damaged and foreign files."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from novamind.errors import DataProcessingError, NovamindError, ValidationError
from novamind.records.genotypes import vcf
from novamind.records.genotypes.contigs import chromosome, on_another_build
from novamind.records.genotypes.vcf import MISSING, ONE_COPY, UNSUPPORTED, VariantRecord, read_vcf

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
    assert {MISSING, ONE_COPY} & {*genotype[:2]}


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
        gzip.compress((HEAD + LINE * 50).encode(), mtime=0)[:-30], b"##fileformat=VCFv4.2\nchr10\t100\n",
    ],
)  # fmt: skip
def test_damaged_files_are_refused(content: bytes) -> None:
    with pytest.raises(DataProcessingError):
        read_vcf(content, WANTED)


def test_no_sample_no_file_and_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="no sample"):
        read_vcf(HEAD.replace("\tFORMAT\ta\tb", "").encode(), WANTED)
    with pytest.raises(DataProcessingError, match="cannot open"):
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
        found = read_vcf(content[:at] + noise + content[at:], WANTED)
    except NovamindError:
        event("refused")
    else:
        event(f"{len(found.records)} records read")
        assert all((r.chrom, r.position in (100, 200)) == ("chr10", True) for r in found.records)
        assert all(len(r.genotypes) == len(found.samples) for r in found.records)


def first(text: str, wanted: dict[str, frozenset[int]] = WANTED) -> VariantRecord:
    return read_vcf(text.encode(), wanted).records[0]


@pytest.mark.parametrize(
    ("gt", "genotype"),
    [
        ("0/1", (0, 1, "")), ("1/0", (1, 0, "")), ("0|1", (0, 1, "|")), ("10/2", (10, 2, "")), ("./1", (-1, 1, "")),
        (".|1", (-1, 1, "|")), ("1", (-2, 1, "")), ("0", (-2, 0, "")), ("0/1/2", (-1, 2, "")), (".", (-1, -1, "")),
        ("./.", (-1, -1, "")),
        ("x/1", (-1, 1, "")), ("-1/1", (-1, 1, "")),
    ],
)  # fmt: skip
def test_how_a_call_is_read(gt: str, genotype: tuple[int, int, str]) -> None:
    record = first(HEAD + LINE.replace("0/1:9", f"{gt}:9"))
    assert record.genotypes[0] == genotype
    alone = first(HEAD + LINE.replace("GT:DP\t0/1:9\t1|2:7", f"GT\t{gt}\t0/0"))
    assert alone.genotypes == (genotype, (0, 0, ""))
    assert (MISSING, ONE_COPY) == (-1, -2)


@pytest.mark.parametrize(
    ("keys", "call", "genotype"),
    [
        ("GT:PS", "0|1:77", (0, 1, "77")), ("PS:GT", "77:0|1", (0, 1, "77")), ("GT:PS", "0|1:.", (0, 1, "|")),
        ("GT:PS", "0|1:", (0, 1, "|")), ("GT:PS", "0|1", (0, 1, "|")), ("GT:PS", "0/1:77", (0, 1, "")),
        ("DP:GT", "7", (-1, -1, "")), ("DP:GT", "7:1/1", (1, 1, "")),
    ],
)  # fmt: skip
def test_where_a_call_and_its_phase_set_stand(keys: str, call: str, genotype: tuple[int, int, str]) -> None:
    record = first(HEAD + LINE.replace("GT:DP\t0/1:9", f"{keys}\t{call}"))
    assert record.genotypes[0] == genotype


def test_phase_sets_of_two_samples_are_told_apart() -> None:
    record = first(HEAD + LINE.replace("GT:DP\t0/1:9\t1|2:7", "GT:PS\t0|1:5\t0|1:6"))
    assert [g.block for g in record.genotypes] == ["5", "6"]


def test_a_record_says_what_stands_in_its_line() -> None:
    record = first(HEAD + "chr10\t200\trs1\tg\ta,<DEL>\t50\tq10\tX=1\tGT\t0/1\t2/2\n")
    assert record == VariantRecord("chr10", 200, "G", ("A", "<DEL>"), ((0, 1, ""), (2, 2, "")), False)  # type: ignore[arg-type]
    assert [record.base(k) for k in (-1, 0, 1, 2, 3)] == [None, "G", "A", "<DEL>", None]
    for passed in ("PASS", "."):
        assert first(HEAD + LINE.replace("PASS", passed)).passed
    assert first(HEAD + LINE.replace("A,T", ".")).alts == ()


def test_lines_without_genotypes_and_other_places_are_passed_over() -> None:
    text = HEAD + LINE.replace("GT:DP", "AD:DP") + LINE.replace("chr10\t100", "chr9\t100") + "\n" + LINE
    assert len(read_vcf(text.encode(), WANTED).records) == 1
    both = HEAD + LINE + LINE.replace("chr10", "10") + LINE.replace("\t100\t", "\t200\t") + LINE
    assert [(r.chrom, r.position) for r in read_vcf(both.encode(), WANTED).records] == [
        ("chr10", 100), ("chr10", 100), ("chr10", 200), ("chr10", 100),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("hello\n", DataProcessingError, "first line must start with ##fileformat=VCF"),
        ("##fileformat=VCFv4.2\nchr10\t100\n", DataProcessingError, "line 2 of the VCF comes before the #CHROM"),
        ("##fileformat=VCFv4.2\n##x\n", DataProcessingError, "ends before its #CHROM header line"),
        (HEAD.replace("\ta\tb", ""), ValidationError, "no sample column"),
        (HEAD + "\nno tabs\n", DataProcessingError, "line 4 of the VCF has no tab-separated columns"),
        (HEAD + LINE.replace("\t1|2:7", ""), DataProcessingError, "line 3 of the VCF has 10 columns, its header 11"),
        (HEAD + LINE.replace("\t1|2:7", "\t1|2:7\t0/0"), DataProcessingError, "has 12 columns, its header 11"),
        (
            HEAD + LINE.replace("A,T", ",".join("A" * 1001)),
            DataProcessingError,
            "line 3 of the VCF names more than 1000",
        ),
    ],
)
def test_what_breaks_the_format_is_named_by_line(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_vcf(text.encode(), WANTED)


def test_a_thousand_alleles_are_read() -> None:
    assert len(first(HEAD + LINE.replace("A,T", ",".join("A" * 1000))).alts) == 1000


def test_a_byte_order_mark_and_one_sample_are_fine() -> None:
    text = "\ufeff" + HEAD.replace("\tb\n", "\n") + LINE.replace("\t1|2:7", "")
    assert read_vcf(text.encode(), WANTED).samples == ("a",)


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert vcf._MAX_LINE_BYTES == 64 * 1024 * 1024
    longest = max(map(len, (HEAD + LINE).splitlines(keepends=True)))
    monkeypatch.setattr(vcf, "_MAX_LINE_BYTES", longest + 1)
    assert read_vcf((HEAD + LINE).encode(), WANTED).records
    monkeypatch.setattr(vcf, "_MAX_LINE_BYTES", longest)
    with pytest.raises(DataProcessingError, match=f"line 2 of the VCF is longer than {longest} bytes"):
        read_vcf((HEAD + LINE).encode(), WANTED)


#: Lengths as the Genome Reference Consortium gives them: GRCh37.p13, GRCh38.p14.
LENGTHS = {
    "2": (243_199_373, 242_193_529), "4": (191_154_276, 190_214_555), "6": (171_115_067, 170_805_979),
    "7": (159_138_663, 159_345_973), "10": (135_534_747, 133_797_422), "13": (115_169_878, 114_364_328),
    "15": (102_531_392, 101_991_189), "17": (81_195_210, 83_257_441), "19": (59_128_983, 58_617_616),
    "22": (51_304_566, 50_818_468),
}  # fmt: skip


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("prefix", ["", "chr"])
def test_the_build_is_told_by_the_length_of_a_chromosome(name: str, prefix: str) -> None:
    old, new = (f"##contig=<ID={prefix}{name},length={length}>" for length in LENGTHS[name])
    assert read_vcf((HEAD.replace("#CHROM", f"{new}\n#CHROM") + LINE).encode(), WANTED).records
    with pytest.raises(ValidationError, match="not on GRCh38"):
        read_vcf((HEAD.replace("#CHROM", f"{old}\n#CHROM") + LINE).encode(), WANTED)


@pytest.mark.parametrize(
    "build", ["GRCh37", "hg19", "hs37d5", "b37", "human_g1k_v37", "hg18", "NCBI36", "b36", "T2T-CHM13v2", "chm13"]
)
@pytest.mark.parametrize("line", ["##reference={}", "##assembly={}", "##contig=<ID=1,assembly={}>"])
def test_the_build_is_told_by_its_name(build: str, line: str) -> None:
    with pytest.raises(ValidationError, match="names another build"):
        read_vcf((HEAD.replace("#CHROM", f"{line.format(build)}\n#CHROM") + LINE).encode(), WANTED)
    other = HEAD.replace("#CHROM", f"##source={build}\n##contig=<ID=chr10>\n##reference=tab36.fa\n#CHROM") + LINE
    assert read_vcf(other.encode(), WANTED).records


def test_the_limit_on_the_file_holds_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.vcf"
    path.write_text(HEAD + LINE)
    monkeypatch.setenv("NOVAMIND_MAX_FILE_BYTES", str(len(HEAD + LINE)))
    assert read_vcf(path, WANTED).records
    monkeypatch.setenv("NOVAMIND_MAX_FILE_BYTES", str(len(HEAD + LINE) - 1))
    with pytest.raises(ValidationError, match="larger than"):
        read_vcf(path, WANTED)
    with pytest.raises(DataProcessingError, match="cut off or damaged after line 1; fetch it again"):
        read_vcf(gzip.compress(HEAD.partition("\n")[0].encode() + b"\n" + b"#" * 4000)[:-8], WANTED)


@pytest.mark.parametrize(
    ("name", "length", "refused"),
    [
        ("NC_000010.11", None, False), ("NC_000010.10", None, True), ("NC_000022.11", None, False),
        ("NC_000022.10", None, True), ("CM000672.2", None, False), ("CM000672.1", None, True),
        ("NC_060934.1", None, True), ("CP068268.2", None, True), ("chrUn_KI270442v1", 392061, False),
        ("10", 135374737, True), ("chrX", 156040895, False), ("chrX", 155270560, True), ("chrM", 16571, False),
    ],
)  # fmt: skip
def test_the_build_is_told_by_an_accession_or_any_other_length(name: str, length: int | None, refused: bool) -> None:
    """GRCh38, GRCh37, hg18 (chr10 135374737) and CHM13 as the assemblies' reports give them."""
    more = "" if length is None else f",length={length}"
    content = (HEAD.replace("#CHROM", f"##contig=<ID={name}{more}>\n#CHROM") + LINE).encode()
    if refused:
        with pytest.raises(ValidationError, match="not on GRCh38"):
            read_vcf(content, WANTED)
    else:
        assert read_vcf(content, WANTED).records


@pytest.mark.parametrize("name", ["chr10", "10", "Chr10", "CHR10", "NC_000010.11", "NC_000010", "CM000672.2"])
def test_a_chromosome_is_known_by_all_its_names(name: str) -> None:
    file = read_vcf((HEAD + LINE.replace("chr10", name)).encode(), WANTED)
    assert [r.chrom for r in file.records] == ["chr10"]
    assert file.chromosomes == {"chr10"}


def test_lines_of_another_builds_chromosomes_and_of_none_that_we_know_are_refused() -> None:
    for name in ("NC_000010.10", "NC_060934.1"):
        with pytest.raises(ValidationError, match="not on GRCh38"):
            read_vcf((HEAD + LINE.replace("chr10", name)).encode(), WANTED)
    with pytest.raises(ValidationError, match="no line of the VCF lies on a chromosome that we know"):
        read_vcf((HEAD + LINE.replace("chr10", "scaffold_3")).encode(), WANTED)
    assert read_vcf(HEAD.encode(), WANTED).records == ()
    both = HEAD + LINE.replace("chr10", "chr10_KI270824v1_alt") + LINE
    assert len(read_vcf(both.encode(), WANTED).records) == 1


def test_two_samples_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two columns of the VCF have one sample name"):
        read_vcf((HEAD.replace("\ta\tb", "\ta\ta") + LINE).encode(), WANTED)


@pytest.mark.parametrize(
    ("keys", "call", "first_index"),
    [
        ("GT:DP:GQ", "0/1:0:0", UNSUPPORTED), ("GT:DP:GQ", "0/1:12:0", UNSUPPORTED), ("GT:DP", "0/1:0", UNSUPPORTED),
        ("GT:MIN_DP", "0/1:0", UNSUPPORTED), ("GT:GQ", "0/1:0.0", UNSUPPORTED), ("GT:FT", "0/1:LowGQ", UNSUPPORTED),
        ("GT:DP:GQ", "0/1:1:1", 0), ("GT:DP:GQ", "0/1:.:.", 0), ("GT:DP", "0/1", 0), ("GT:FT", "0/1:PASS", 0),
        ("GT:AD:DP", "0/1:0,9:9", 0),
    ],
)  # fmt: skip
def test_a_call_that_nothing_supports_is_no_call(keys: str, call: str, first_index: int) -> None:
    record = first(HEAD + LINE.replace("GT:DP\t0/1:9", f"{keys}\t{call}"))
    assert record.genotypes[0] == (first_index, 1, "")


def test_records_that_begin_before_a_wanted_position_and_reach_over_it_are_kept() -> None:
    rows = [
        "chr10\t98\t.\tACG\tA\t.\tPASS\t.\tGT\t0/1\t0/0", "chr10\t97\t.\tACG\tA\t.\tPASS\t.\tGT\t0/1\t0/0",
        "chr10\t1\t.\tA\t<NON_REF>\t.\t.\tEND=100\tGT\t0/0\t0/0",
        "chr10\t1\t.\tA\t<NON_REF>\t.\t.\tEND=99\tGT\t0/0\t0/0",
        "chr10\t101\t.\tA\t<DEL>\t.\t.\tSVTYPE=DEL;END=300\tGT\t0/0\t0/1",
        "chr10\t201\t.\tA\tT\t.\t.\tCIEND=5\tGT\t0/0\t0/1",
    ]  # fmt: skip
    file = read_vcf((HEAD + "\n".join(rows) + "\n").encode(), WANTED)
    assert [(r.position, r.end, r.block_end) for r in file.records] == [(98, 100, None), (1, 100, 100), (101, 300, 300)]


def test_wanted_rs_numbers_are_noted_wherever_they_stand() -> None:
    rows = LINE.replace(".\tG", "rs1\tG") + LINE.replace("100\t.", "7000\trs2;rs3")
    rows += LINE.replace("chr10\t100\t.", "chr3\t5\trs4").replace("rs4", "rs4") + LINE.replace(".\tG", "rs9\tG")
    file = read_vcf((HEAD + rows).encode(), WANTED, {"rs1", "rs3", "rs4"})
    assert file.places == {"rs1": ("chr10", 100), "rs3": ("chr10", 7000), "rs4": ("chr3", 5)}
    assert file.chromosomes == {"chr10", "chr3"}


def zipped(*names: str, content: bytes = (HEAD + LINE).encode()) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return stream.getvalue()


def test_a_zip_with_one_file_is_read_and_any_other_zip_refused() -> None:
    plain = read_vcf((HEAD + LINE).encode(), WANTED)
    assert read_vcf(zipped("a.vcf", "__MACOSX/._a.vcf"), WANTED) == plain
    assert read_vcf(zipped("a.vcf.gz", content=gzip.compress((HEAD + LINE).encode())), WANTED) == plain
    for content, words in (
        (zipped("a.vcf", "b.vcf"), "the zip holds 2 files; give the VCF alone"), (zipped(), "not a VCF"),
        (zipped("a.vcf")[:-30], "damaged or encrypted"), (b"PK\x03\x04", "damaged or encrypted"),
    ):  # fmt: skip
        with pytest.raises(DataProcessingError, match=words):
            read_vcf(content, WANTED)


def test_a_position_that_is_no_number_is_named_by_line() -> None:
    with pytest.raises(DataProcessingError, match="line 3 of the VCF has no number as its position"):
        read_vcf((HEAD + LINE.replace("100", "x")).encode(), WANTED)


#: The assembly report of GRCh38.p14: RefSeq and GenBank accession, and length, of each chromosome.
REPORT = """\
NC_000001.11 CM000663.2 248956422  NC_000002.12 CM000664.2 242193529  NC_000003.12 CM000665.2 198295559
NC_000004.12 CM000666.2 190214555  NC_000005.10 CM000667.2 181538259  NC_000006.12 CM000668.2 170805979
NC_000007.14 CM000669.2 159345973  NC_000008.11 CM000670.2 145138636  NC_000009.12 CM000671.2 138394717
NC_000010.11 CM000672.2 133797422  NC_000011.10 CM000673.2 135086622  NC_000012.12 CM000674.2 133275309
NC_000013.11 CM000675.2 114364328  NC_000014.9 CM000676.2 107043718   NC_000015.10 CM000677.2 101991189
NC_000016.10 CM000678.2 90338345   NC_000017.11 CM000679.2 83257441   NC_000018.10 CM000680.2 80373285
NC_000019.10 CM000681.2 58617616   NC_000020.11 CM000682.2 64444167   NC_000021.9 CM000683.2 46709983
NC_000022.11 CM000684.2 50818468   NC_000023.11 CM000685.2 156040895  NC_000024.10 CM000686.2 57227415
"""


@pytest.mark.parametrize("number", range(1, 25))
def test_each_chromosome_has_the_accessions_and_length_of_the_assembly_report(number: int) -> None:
    refseq, genbank, length = REPORT.split()[3 * number - 3 : 3 * number]
    plain = {23: "chrX", 24: "chrY"}.get(number, f"chr{number}")
    for name in (refseq, genbank, plain, plain.removeprefix("chr")):
        assert chromosome(name) == plain
        assert not on_another_build(name, int(length))
        assert on_another_build(name, int(length) + 1)
    stem, version = refseq.split(".")
    assert on_another_build(f"{stem}.{int(version) - 1}")
    assert on_another_build(genbank.replace(".2", ".1"))


@pytest.mark.parametrize(
    "name", ["chr0", "chr23", "chr100", "NC_000025.1", "CM000687.2", "HLA-A", "chr1_random", "", "chr"]
)
def test_other_contigs_are_no_chromosome(name: str) -> None:
    assert chromosome(name) is None
    assert not on_another_build(name)
