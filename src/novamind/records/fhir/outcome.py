"""The outcome of an import: FHIR ``OperationOutcome`` issues, with the place of each and never a value."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from novamind.errors import ValidationError
from novamind.summary import Summarised, Summary, counted

Severity = Literal["fatal", "error", "warning", "information"]
_ORDER: tuple[Severity, ...] = ("fatal", "error", "warning", "information")
_SHOWN_PLACES = 5


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue; ``code`` is of FHIR's IssueType value set, ``expression`` FHIRPath places in the input."""

    severity: Severity
    code: str
    diagnostics: str
    expression: tuple[str, ...] = ()
    count: int = 1


@dataclass(frozen=True, slots=True, repr=False)
class OperationOutcome(Summarised):
    """All issues of one import, the most severe first; the same issue at many places is one issue with a count."""

    issues: tuple[Issue, ...] = ()

    @classmethod
    def of(cls, issues: Iterable[Issue]) -> "OperationOutcome":
        """Return an outcome in which issues of one text are joined."""
        joined: dict[tuple[Severity, str, str], list[str]] = {}
        for issue in issues:
            joined.setdefault((issue.severity, issue.code, issue.diagnostics), []).extend(issue.expression or ("",))
        return cls(
            tuple(
                Issue(severity, code, text, tuple(place for place in places if place)[:_SHOWN_PLACES], len(places))
                for (severity, code, text), places in sorted(joined.items(), key=lambda item: _ORDER.index(item[0][0]))
            )
        )

    def _summary(self) -> Summary:
        rows = ((issue.severity, issue.diagnostics, issue.count) for issue in self.issues)
        return Summary(counted(len(self.issues), "issue"), ("severity", "what", "times"), rows)

    def to_fhir(self) -> dict[str, Any]:
        """Return the R4 resource. An import without issues says so, because FHIR asks for at least one."""
        issues = self.issues or (Issue("information", "informational", "Everything was read."),)
        return {
            "resourceType": "OperationOutcome",
            "issue": [
                {
                    "severity": issue.severity,
                    "code": issue.code,
                    "diagnostics": issue.diagnostics + (f" ({issue.count} times)" if issue.count > 1 else ""),
                }
                | ({"expression": list(issue.expression)} if issue.expression else {})
                for issue in issues
            ],
        }


class FhirImportError(ValidationError):
    """Nothing could be imported; ``outcome`` says why."""

    def __init__(self, outcome: OperationOutcome) -> None:
        super().__init__("; ".join(issue.diagnostics for issue in outcome.issues[:_SHOWN_PLACES]))
        self.outcome = outcome


def refused(code: str, diagnostics: str, expression: tuple[str, ...] = ()) -> FhirImportError:
    """Return the error of an import that is refused as a whole."""
    return FhirImportError(OperationOutcome((Issue("fatal", code, diagnostics, expression),)))
