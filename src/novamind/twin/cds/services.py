"""Which services there are, and what each asks to be sent with a request."""

from typing import Any

HOOKS = ("patient-view", "order-select", "order-sign")
#: LOINC codes of what dose limits ask of a person: weight, creatinine, its clearance, eGFR, pregnancy. Values of eGFR
#: for one race are left out, since a report gives two of them.
LABORATORY = {
    "29463-7": "weight", "3141-9": "weight",
    "2160-0": "creatinine", "14682-9": "creatinine", "38483-4": "creatinine", "59826-8": "creatinine",
    "2164-2": "crcl", "35591-7": "crcl",
    "33914-3": "egfr", "48642-3": "egfr", "50044-7": "egfr", "50210-4": "egfr", "62238-1": "egfr", "69405-9": "egfr",
    "77147-7": "egfr", "88294-4": "egfr", "98979-8": "egfr", "98980-6": "egfr",
    "82810-3": "pregnancy",
}  # fmt: skip
#: LOINC codes under which gene results are reported.
GENE_RESULTS = ("84413-4", "53040-2")
_MEDICATION_STATUS = "active,on-hold,completed,stopped"
#: Key to the query whose answer a request should bring. Stopped medication is asked for, since some acts on for weeks.
PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "medications": f"MedicationRequest?patient={{{{context.patientId}}}}&status={_MEDICATION_STATUS}",
    "statements": f"MedicationStatement?patient={{{{context.patientId}}}}&status={_MEDICATION_STATUS}",
    "conditions": "Condition?patient={{context.patientId}}&clinical-status=active",
    "allergies": "AllergyIntolerance?patient={{context.patientId}}",
    "genomics": "Observation?patient={{context.patientId}}&code="
    + ",".join(f"http://loinc.org|{code}" for code in GENE_RESULTS),
    "laboratory": "Observation?patient={{context.patientId}}&code="
    + ",".join(f"http://loinc.org|{code}" for code in LABORATORY),
}
#: What each key brings, in words.
CONTENTS = {
    "patient": "the patient",
    "medications": "prescriptions",
    "statements": "what the patient takes",
    "conditions": "conditions",
    "allergies": "allergies",
    "genomics": "gene results",
    "laboratory": "weight and kidney values",
}


def discovery() -> dict[str, Any]:
    """Return the answer to ``GET /cds-services``."""
    titles = {
        "patient-view": "Medication cautions of the patient",
        "order-select": "Check of an order while choosing",
        "order-sign": "Check of orders before signing",
    }
    return {
        "services": [
            {
                "hook": hook,
                "id": f"novamind-{hook}",
                "title": titles[hook],
                "description": "Interactions, allergies, dose limits and guideline advice for the genotype. What "
                "cannot be checked is named. Clinical judgement decides.",
                "prefetch": PREFETCH,
                "usageRequirements": "'patient' is required. Prefetch of other keys that is an OperationOutcome, one "
                "page of several, or another patient's is answered 412.",
            }
            for hook in HOOKS
        ]
    }
