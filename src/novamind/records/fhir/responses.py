"""QuestionnaireResponse: the scores of its answers, each at the time at which the form was filled in."""

from novamind.records.fhir import models as fhir
from novamind.records.fhir.documents import Located
from novamind.records.fhir.forms import Forms
from novamind.records.fhir.identity import Person
from novamind.records.fhir.intake import EARLIEST, WITHDRAWN, Intake, Row
from novamind.records.fhir.questionnaire import Remark, Unscored, scores


def read_response(
    response: fhir.QuestionnaireResponse, person: Person, entry: Located, intake: Intake, forms: Forms
) -> None:
    """Read the scores of a form that was completed."""
    draft = intake.drafts[person]
    if response.status not in ("completed", "amended"):
        text = "QuestionnaireResponse that is not completed; not read"
        intake.passed_over(entry, WITHDRAWN if response.status == "entered-in-error" else text)
        return
    answers = list(scores(entry, forms))
    if not answers:
        text = "QuestionnaireResponse of a form that is no instrument of ours; not read"
        intake.note(person, entry, "warning", "not-supported", text)
        return
    authored = response.authored
    is_timed = authored is not None and authored.day is not None and EARLIEST <= authored.day <= intake.today
    when = authored.when if authored is not None and is_timed else None
    if when is None:
        intake.untimed(authored, person, entry, "authored")
    for answer in answers:
        if isinstance(answer, Unscored):
            intake.note(person, entry, "error", "value", f"{answer.reason}; not read", answer.place)
        elif isinstance(answer, Remark):
            intake.note(None, entry, "information", "informational", f"{answer.text}; not read", answer.place)
        elif when is not None:
            if answer.remark:
                intake.note(None, entry, "information", "informational", answer.remark, answer.place)
            draft.symptoms.append(Row(answer.measure.name, when, answer.score, entry.name, answer.place))
