"""How long a FHIR import takes and how much memory it needs, against the number of resources.

    python benchmarks/fhir_import.py            # writes benchmarks/results/fhir_import.json
    python benchmarks/fhir_import.py 1000 50000

Each size runs in a process of its own. The bundle is made of what hospitals send: observations of vital signs and
questionnaires, forms, prescriptions, conditions, of ten patients, with versions and references of every kind.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "fhir_import.json"
SIZES = (6_250, 12_500, 25_000, 50_000)
LOINC = "http://loinc.org"
SERVER = "https://hospital.example/fhir"
ITEMS = ("44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8")
SIGNALS = (("8867-4", 60, "/min"), ("29463-7", 60, "kg"), ("8480-6", 110, "mm[Hg]"))


def bundle(size: int) -> dict[str, Any]:
    """Return a Bundle of so many resources."""
    people = [
        entry({"resourceType": "Patient", "id": f"p{n}", "birthDate": f"19{50 + n}", "gender": "female"})
        for n in range(10)
    ]
    return {"resourceType": "Bundle", "type": "history", "entry": people + [made(n) for n in range(size - len(people))]}


def entry(content: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with its address."""
    return {"fullUrl": f"{SERVER}/{content['resourceType']}/{content['id']}", "resource": content}


def made(n: int) -> dict[str, Any]:
    """Return one resource of a kind that ``n`` decides."""
    day = f"20{10 + n // 3650 % 14}-{1 + n // 28 % 12:02d}-{1 + n % 28:02d}"
    meta = {"versionId": "1", "lastUpdated": f"{day}T12:00:00Z"}
    common = {"id": f"r{n}", "meta": meta, "subject": {"reference": f"Patient/p{n % 10}"}}
    clock = f"{day}T{n // 10 % 24:02d}:{n // 240 % 60:02d}:00+01:00"
    kind = n % 10
    if kind < 6:
        code, value, unit = SIGNALS[kind % 3]
        quantity = {"value": value + n % 30, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
        return entry(common | {"resourceType": "Observation", "status": "final", "code": coded(code),
                               "effectiveDateTime": clock, "valueQuantity": quantity})  # fmt: skip
    if kind == 6:
        items = [{"linkId": f"/{code}", "answer": [{"valueInteger": (n + i) % 4}]} for i, code in enumerate(ITEMS)]
        return entry(common | {"resourceType": "QuestionnaireResponse", "status": "completed", "authored": clock,
                               "item": items})  # fmt: skip
    if kind == 7:
        dose = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": 50, "unit": "mg", "code": "mg"}}]}  # fmt: skip
        return entry(common | {"resourceType": "MedicationRequest", "status": "completed", "intent": "order",
                               "authoredOn": day, "medicationCodeableConcept": {"text": "Sertraline 50 MG Oral Tablet"},
                               "dosageInstruction": [dose]})  # fmt: skip
    if kind == 8:
        code = {"coding": [{"system": "http://snomed.info/sct", "code": "35489007"}], "text": "Depression"}
        return entry(common | {"resourceType": "Condition", "code": code, "onsetDateTime": day})
    return entry(common | {"resourceType": "Encounter", "status": "finished"})


def coded(code: str) -> dict[str, Any]:
    """Return a LOINC code as a concept."""
    return {"coding": [{"system": LOINC, "code": code}]}


def measure(size: int) -> dict[str, float]:
    """Return CPU seconds and peak memory of one import in this process."""
    from novamind.records import read_fhir

    content = json.dumps(bundle(size)).encode()
    began = time.process_time()
    result = read_fhir(content)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"resources": size, "megabytes": len(content) / 2**20, "cpu_seconds": round(seconds, 2),
            "peak_megabytes": round(peak), "records": len(result.records)}  # fmt: skip


def main(sizes: list[int]) -> None:
    """Measure each size in its own process and write the results."""
    rows = []
    for size in sizes:
        command = [sys.executable, __file__, "--one", str(size)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(rows[-1])
    RESULTS.write_text(json.dumps({"sizes": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
    else:
        main([int(text) for text in sys.argv[1:]] or list(SIZES))
