"""FHIR R4 in and out: documents, models, what codes mean, questionnaires, genomics, and the outcome of an import."""
