"""Genotype files: VCF, raw files of consumer arrays, star-allele tables."""
