"""Which genome build a VCF is on, told from where it puts our variants.

A file without a word about its build in the header still shows it: by the rs numbers it names, and by the positions at
which our variants' bases stand. Each gene lies in a stretch that moved as a whole between GRCh37 and GRCh38 (dbSNP
build 156: the two positions of each rs number).
"""

from novamind.errors import ValidationError
from novamind.pharmacogenomics.matching import allele_table, genes
from novamind.records.genotypes.vcf import VariantFile

# Position on GRCh37 minus position on GRCh38.
_MOVED = {
    "chr2": 908646, "chr7": -402377, "chr10": 1759757, "chr13": 574135, "chr15": 292341, "chr17": -1672982,
    "chr19": 505905, "chr22": 396002,
}  # fmt: skip
# An rs number within this distance is the same place, written with another anchor base.
_SAME_PLACE = 100


def grch37_position(chrom: str, position: int) -> int:
    """Return where one of our positions lies on GRCh37."""
    return position + _MOVED[chrom]


def known_places() -> dict[str, tuple[str, int]]:
    """Return rs number to chromosome and GRCh38 position, of all positions that have one."""
    return {
        rsid: (table.chrom, position)
        for table in map(allele_table, genes())
        for rsid, position in zip(table.rsids, table.positions, strict=True)
        if rsid
    }


def refuse_other_build(file: VariantFile) -> None:
    """Refuse a file that puts our variants at the positions of another build.

    Raises
    ------
    ValidationError
        More of our rs numbers stand elsewhere than at their GRCh38 positions, or more of our variants stand at their
        GRCh37 positions than at those of GRCh38.
    """
    places = known_places()
    here = elsewhere = on_37 = 0
    for rsid, (chrom, position) in file.places.items():
        place = places[rsid]
        if chrom == place[0] and abs(position - place[1]) <= _SAME_PLACE:
            here += 1
        else:
            elsewhere += 1
            on_37 += chrom == place[0] and abs(position - grch37_position(*place)) <= _SAME_PLACE
    # One number in an unheard-of place may be a slip; one at its GRCh37 position is none.
    if on_37 > here or elsewhere > max(here, 1):
        build = "GRCh37" if on_37 * 2 > elsewhere else "another build"
        raise ValidationError(
            f"the VCF is not on GRCh38: {elsewhere} of its rs numbers stand at the positions of {build};"
            " lift it over to GRCh38 first"
        )
    bases = {(r.chrom, r.position): {r.ref, *r.alts} for r in file.records}
    expected = [
        (table.chrom, position, {*variant}, variant[0])
        for table in map(allele_table, genes())
        for position, variant in zip(table.positions, table.bases, strict=True)
    ]

    def matches(on_grch37: bool) -> int:
        at = [(chrom, grch37_position(chrom, p) if on_grch37 else p, of, ref) for chrom, p, of, ref in expected]
        return sum(ref in bases.get((chrom, p), ()) and bases[chrom, p] <= of for chrom, p, of, ref in at)

    if matches(on_grch37=True) > matches(on_grch37=False):
        raise ValidationError(
            "the VCF is not on GRCh38: its variants stand at the positions of GRCh37; lift it over to GRCh38 first"
        )
