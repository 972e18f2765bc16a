"""The import of a bundle reads from file to file: each is entered once, in the order in which things happen."""

import json
from itertools import groupby

from novamind.records import read_fhir
from novamind.settings import Settings
from tests.records.fhir_input import bundle, medication, observation, patient
from tests.walks import walk

DOSE = {
    "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
    "doseAndRate": [{"doseQuantity": {"value": 50, "unit": "mg"}}],
}


def test_a_bundle_is_imported_in_few_steps() -> None:
    subject = {"reference": "Patient/p-1"}
    content = bundle(
        patient(),
        observation("44261-6", 12, id="o1"),
        observation("8867-4", 61, "2024-03-01T07:00:00+01:00", valueQuantity={"value": 61, "code": "/min"}),
        medication("Sertraline 50 MG", id="m1", dosageInstruction=[DOSE]),
        {"resourceType": "Condition", "subject": subject, "code": {"text": "depression"}},
        {"resourceType": "AllergyIntolerance", "patient": subject, "code": {"text": "aspirin"}},
    )
    document = json.dumps(content).encode()
    settings = Settings()  # a server reads them once, when it starts
    files = walk(lambda: read_fhir(document, settings=settings), comprehensions=False)
    assert files[0] == "records/fhir/reader.py"
    own = [file for file, _ in groupby(file for file in files if not file.startswith("drugs/"))]  # names: another room
    assert len(own) - 1 <= 32 // 2, own
