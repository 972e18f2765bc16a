"""Pharmacogenomics: from a genotype to sourced advice, with co-medication taken into account."""

from typing import TYPE_CHECKING

from novamind.lazy import public_names

if TYPE_CHECKING:
    from novamind.pharmacogenomics.clozapine import predict_clozapine_level
    from novamind.pharmacogenomics.copy_number import apply_copies, copies_from_depth
    from novamind.pharmacogenomics.drug_review import DrugReview
    from novamind.pharmacogenomics.graph import medication_graph
    from novamind.pharmacogenomics.phenotypes import phenotype
    from novamind.pharmacogenomics.review import Review, recommend
    from novamind.pharmacogenomics.service import (
        PharmacogenomicsService,
        call_vcf,
        call_vcf_samples,
        genotype,
        read_genotype,
    )
else:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "clozapine": ("predict_clozapine_level",),
            "copy_number": ("apply_copies", "copies_from_depth"),
            "drug_review": ("DrugReview",),
            "graph": ("medication_graph",),
            "phenotypes": ("phenotype",),
            "review": ("Review", "recommend"),
            "service": ("PharmacogenomicsService", "call_vcf", "call_vcf_samples", "genotype", "read_genotype"),
        },
    )

__all__ = [
    "DrugReview",
    "PharmacogenomicsService",
    "Review",
    "apply_copies",
    "call_vcf",
    "call_vcf_samples",
    "copies_from_depth",
    "genotype",
    "medication_graph",
    "phenotype",
    "predict_clozapine_level",
    "read_genotype",
    "recommend",
]
