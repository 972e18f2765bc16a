"""The OperationOutcome: most severe first, one issue for one reason, places but no values."""

from novamind.records import FhirImportError, OperationOutcome
from novamind.records.fhir.outcome import Issue, refused


def test_the_same_issue_at_many_places_is_one_with_a_count() -> None:
    issues = [
        Issue("information", "informational", "seen", ("i",)),
        *(Issue("warning", "value", "odd", (f"w{n}",)) for n in range(7)),
        Issue("error", "value", "wrong", ("e",)),
        Issue("warning", "conflict", "odd"),
        Issue("fatal", "structure", "all of it"),
        Issue("error", "value", "wrong"),
    ]
    assert OperationOutcome.of(issues).issues == (
        Issue("fatal", "structure", "all of it", (), 1),
        Issue("error", "value", "wrong", ("e",), 2),
        Issue("warning", "value", "odd", ("w0", "w1", "w2", "w3", "w4"), 7),
        Issue("warning", "conflict", "odd", (), 1),
        Issue("information", "informational", "seen", ("i",), 1),
    )


def test_the_resource() -> None:
    found = OperationOutcome.of([Issue("warning", "value", "odd", ("a",)), Issue("warning", "value", "odd", ("b",)),
                                 Issue("information", "informational", "seen")])  # fmt: skip
    assert found.to_fhir() == {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "warning", "code": "value", "diagnostics": "odd (2 times)", "expression": ["a", "b"]},
            {"severity": "information", "code": "informational", "diagnostics": "seen"},
        ],
    }
    assert OperationOutcome().to_fhir()["issue"] == [
        {"severity": "information", "code": "informational", "diagnostics": "Everything was read."}
    ]


def test_a_refusal_tells_its_first_five_issues() -> None:
    many = OperationOutcome(tuple(Issue("error", "value", f"issue {n}") for n in range(7)))
    assert str(FhirImportError(many)) == "issue 0; issue 1; issue 2; issue 3; issue 4"
    one = refused("too-costly", "too large", ("here",))
    assert (str(one), one.outcome.issues) == ("too large", (Issue("fatal", "too-costly", "too large", ("here",)),))
