"""FHIR R4 in and out: documents, models, what codes mean, questionnaires, genomics, and what an import has to say."""
