"""Any text or bytes end in a result or in one of our errors, and soon."""

import contextlib
import random
import time

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from novamind.errors import NovamindError
from novamind.pharmacogenomics.notation import parse_diplotype
from novamind.pharmacogenomics.service import read_genotype
from tests.patience import patient

from .vcf_text import vcf

PIECES = [
    "*1", "*4", "*68", "*15:02", "*15:02N", "/", "|", "+", "_", ";", ",", " or ", "x2", "xN", "x>=3", "(", ")", "[",
    "]", " DUP", "PM", "likely", "positive", " not detected", "HLA-B", "CYP2D6", "rs368858603", "-like", ".ALDY_2",
    ":2", "?", "0.5", "≥3", " ", "\t", "\n", "\x00", "é",
]  # fmt: skip
SEEDS = [
    vcf("UGT1A1"), b"# rsid\tchromosome\tposition\tgenotype\nrs4244285\t10\t96541616\tAG\n", b"CYP2D6 *4/*4\n",
    b"gene,diplotype,phenotype\nCYP2D6,*1/*4,NM\n", b"Sample\tGenotype\tFilter\nA\t*1_*2_*68\tPASS\n",
]  # fmt: skip


@given(
    gene=st.sampled_from(["CYP2D6", "CYP2C19", "UGT1A1", "HLA-B", "HLA-A", "SLC6A4", "COMT"]),
    text=st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(max_size=30),
)
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_refused(gene: str, text: str) -> None:
    try:
        diplotype = parse_diplotype(gene, text)
    except NovamindError:
        event("refused")
    else:
        event("read")
        assert diplotype.calls or diplotype.reported or diplotype.markers or diplotype.warnings


@given(seed=st.sampled_from(SEEDS), data=st.data())
@settings(max_examples=80, deadline=None)
def test_any_damage_to_a_file_ends_in_a_result_or_our_error(seed: bytes, data: st.DataObject) -> None:
    at, cut = data.draw(st.integers(0, len(seed))), data.draw(st.integers(0, 20))
    try:
        read_genotype(seed[:at] + data.draw(st.binary(max_size=20)) + seed[at + cut :])
    except NovamindError:
        event("refused")
    else:
        event("read")


@pytest.mark.parametrize(
    "text",
    ["*1_" * 20_000, "*1/*4 or " * 20_000, "(" * 50_000, "*1x" + "9" * 5_000 + "/*4", " " * 100_000 + "x",
     "*15:02 positive, " * 5_000, "*4" + ".1" * 30_000],
    ids=["copies", "ties", "brackets", "digits", "blanks", "markers", "dots"],
)  # fmt: skip
def test_a_long_text_ends_soon(text: str) -> None:
    start = time.process_time()
    for gene in ("CYP2D6", "HLA-B"):
        with contextlib.suppress(NovamindError):
            parse_diplotype(gene, text)
    assert time.process_time() - start < patient(2)


@pytest.mark.parametrize("place", ["POS", "END", "SVLEN", "GT"])
def test_a_number_of_thousands_of_digits_in_a_vcf_is_refused_or_not_used(place: str) -> None:
    digits = "9" * 5000
    fields = {"POS": "42126578", "END": "1", "SVLEN": "1", "GT": "1"} | {place: digits}
    info = f"END={fields['END']}" if place != "SVLEN" else f"SVLEN={digits}"
    line = f"chr22\t{fields['POS']}\t.\tC\t<DEL>\t.\t.\t{info}\tGT\t0/{fields['GT']}\n"
    with contextlib.suppress(NovamindError):
        assert read_genotype(vcf("CYP2D6", missing=frozenset({42126578})) + line.encode())["CYP2D6"].missing


def test_a_vcf_of_many_indels_around_a_gene_ends_soon() -> None:
    """A thousand records under one gene, each an indel that has to be compared with the definition."""
    rng = random.Random(0)
    rows = [
        f"chr22\t{42126500 + 4 * i}\t.\tN\tN{''.join(rng.choices('ACGT', k=rng.randint(1, 9)))}\t.\t.\t.\tGT\t0/1\n"
        for i in range(1000)
    ]
    start = time.process_time()
    read_genotype(vcf("CYP2D6") + "".join(rows).encode())
    assert time.process_time() - start < patient(5)
