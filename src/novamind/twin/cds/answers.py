"""From a request to its cards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from novamind.drugs.catalogue import catalogue
from novamind.drugs.cautions import not_checked
from novamind.drugs.conditions import condition_word
from novamind.drugs.domain import Caution, Severity
from novamind.drugs.limits import DOSE, Dosage
from novamind.drugs.names import normalise
from novamind.errors import ValidationError
from novamind.pharmacogenomics import Review, recommend
from novamind.records import Condition, FhirImportError, PatientRecord, read_fhir
from novamind.settings import Settings
from novamind.twin.case import Case
from novamind.twin.cds import cards
from novamind.twin.cds.class_allergies import class_cautions, class_of
from novamind.twin.cds.duplicates import duplicates
from novamind.twin.cds.orders import Medications, Order, generic, read_orders, read_taken
from novamind.twin.cds.person import Person, read_person
from novamind.twin.cds.prefetch import PrefetchError, faults, gaps, is_brought, resources, strangers
from novamind.twin.cds.request import HookRequest, Resource
from novamind.twin.cds.suggestions import suggestions

_NO_GENES = "No gene result is known"
_UNREAD = ("error", "warning", "fatal")


def answer(request: HookRequest, today: date, settings: Settings | None = None) -> dict[str, Any]:
    """Return the cards for one request.

    Parameters
    ----------
    request
        What was sent.
    today
        Decides what is taken now.
    settings
        Limits of the FHIR reader for what was prefetched.

    Returns
    -------
    dict
        ``{"cards": [...]}``, most serious first. The same patient, orders and tables give the same card ``uuid``.
        Empty only where everything was checked and nothing is wrong.

    Raises
    ------
    PrefetchError
        What the caller sent cannot be leaned on; a server answers with 412.
    ValidationError
        It is too much, or a draft is of another patient.
    """
    if wrong := faults(request):
        raise PrefetchError(wrong)
    sent = resources(request)
    orders, taken = read_orders(request, sent), read_taken(sent)
    record, unread = _record(request, sent, settings)
    subject = _Subject.of(Case(record, today), sent, listed=is_brought("conditions", request))
    by_drug, is_chart = orders.by_drug, request.hook == "patient-view"
    if is_chart:
        asked = [drug for drug in subject.taken if drug in catalogue()]
        doses = _doses_taken(taken)
    else:
        asked = [drug for drug, of in by_drug.items() if any(order.is_selected for order in of)]
        doses = {drug: dose for drug, of in by_drug.items() if (dose := _sum(drug, of)) is not None}
    review = subject.review(asked, (*subject.taken, *by_drug), doses)
    made, remarks, limits = _drug_cards(request, review, by_drug, subject, asked)
    unchecked = [
        *_doubts(orders.orders, taken, doses_of_taken=is_chart),
        *orders.remarks,
        *(note for note in review.notes if not note.startswith(_NO_GENES)),
        *not_checked(asked),
        *gaps(request),
        *strangers(request),
        *subject.remarks,
        *unread,
        *limits,
    ]
    unknown = tuple(dict.fromkeys(order.naming.words for order in orders.orders if order.naming.product is None))
    if remarks:
        made.append(cards.remarks_card(remarks))
    if unknown or unchecked:
        made.append(cards.unchecked_card(unknown, list(dict.fromkeys(unchecked))))
    made.sort(key=lambda card: cards.INDICATORS.index(card["indicator"]))
    return {"cards": [{"uuid": cards.stable(request.patient_id, request.hook, card), **card} for card in made]}


@dataclass(frozen=True)
class _Subject:
    """The patient of a request: the record, what is taken or will be, and the facts for limits."""

    case: Case
    taken: tuple[str, ...]
    person: Person

    @classmethod
    def of(cls, case: Case, sent: Sequence[Resource], *, listed: bool) -> "_Subject":
        courses = [(normalise(c.medication) or c.medication, c) for c in case.record.medications]
        taken = tuple(
            dict.fromkeys(name for name, c in courses if not c.stopped and (c.end is None or c.end >= case.today))
        )
        return cls(case, taken, read_person(sent, case.conditions, case.today, listed=listed))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return what of the record was not used."""
        return (*self.person.remarks, *self.case.unread_genes)

    def review(self, asked: Sequence[str], beside: Sequence[str], doses: Mapping[str, Dosage]) -> Review:
        """Return the review of drugs beside all that is taken and drafted."""
        strangers = [c.name for c in self.case.record.conditions if c.active and not _is_known(c)]
        return recommend(
            self.case.genotype,
            asked,
            tuple(dict.fromkeys(beside)),
            tuple(dict.fromkeys((*self.case.conditions, *strangers))),
            tuple(name for name in self.case.allergens if class_of(name) is None),
            stopped={drug: days for drug, days in self.case.stopped.items() if drug not in beside},
            doses=doses,
            person=self.person.facts,
        )


def _is_known(condition: Condition) -> bool:
    return any(condition_word(name) is not None for name in (condition.word, condition.name) if name)


def _drug_cards(
    request: HookRequest,
    review: Review,
    by_drug: Mapping[str, Sequence[Order]],
    subject: _Subject,
    asked: Sequence[str],
) -> tuple[list[cards.Card], list[tuple[str, Caution]], list[str]]:
    """Return the cards of drugs, the remarks on those that have none, and what of their limits was not checked."""
    made: list[cards.Card] = []
    remarks: list[tuple[str, Caution]] = []
    unchecked: list[str] = []
    is_order = request.hook != "patient-view"
    for drug in asked:
        of_drug = review[drug]
        orders = by_drug.get(drug, ())
        whole = [*of_drug.caution, *class_cautions(drug, subject.case.allergens)]
        if is_order:
            whole += duplicates(drug, len(orders), subject.taken, review.comedications)
        whole.sort(key=lambda caution: tuple(Severity).index(caution.severity))
        unchecked += [f"{drug}: {c.text}" for c in whole if _is_gap(c)]
        cautions = [caution for caution in whole if not _is_gap(caution)]
        indicator = cards.indicator_of(of_drug, cautions)
        if indicator is None:
            remarks += [(drug, caution) for caution in cautions]
            continue
        references = [order.reference for order in orders if order.reference]
        is_grave = is_order and indicator != "info"
        offers = suggestions(drug, references, review, request.patient_id, subject.case.allergens) if is_grave else []
        made.append(cards.drug_card(of_drug, cautions, indicator, offers))
    return made, remarks, unchecked


def _is_gap(caution: Caution) -> bool:
    """Return whether a caution says that a limit was not checked."""
    return caution.cause == DOSE and caution.severity is Severity.INFORMATION


def _record(
    request: HookRequest, sent: Sequence[Resource], settings: Settings | None
) -> tuple[PatientRecord, list[str]]:
    """Return the patient's record in what was sent, and a sentence for each kind of thing that was not read."""
    medications = Medications(sent)
    entries = [{"resource": part} for resource in sent for part in generic(resource, medications)]
    try:
        read = read_fhir({"resourceType": "Bundle", "entry": entries}, settings=settings)
        record = read.of(request.patient_id)
    except FhirImportError as refusal:
        raise ValidationError(f"the prefetch cannot be read: {refusal}") from refusal
    lines = [
        f"Prefetch: {issue.diagnostics}{f' ({issue.count} times)' if issue.count > 1 else ''}."
        for issue in read.outcome.issues
        if issue.severity in _UNREAD
    ]
    return record, lines


def _doses_taken(taken: Sequence[Order]) -> dict[str, Dosage]:
    """Return drug to the largest dose that what is taken says; a prescription and a statement of it are one."""
    doses: dict[str, Dosage] = {}
    for use in taken:
        for drug, dosage in use.dose.of.items():
            doses[drug] = max(doses.get(drug, dosage), dosage, key=lambda of: of.daily_mg)
    return doses


def _sum(drug: str, orders: Sequence[Order]) -> Dosage | None:
    """Return the dose that the orders of a drug are together."""
    each = [order.dose.of[drug] for order in orders if drug in order.dose.of]
    if len(each) < 2:
        return each[0] if each else None
    return replace(each[0], mg=sum(dosage.daily_mg for dosage in each), every_hours=24.0)


def _doubts(orders: Sequence[Order], taken: Sequence[Order], *, doses_of_taken: bool) -> list[str]:
    """Return a line for each doubtful name and dose; doses of what is taken are looked at in the chart alone."""
    pairs = [(order.naming.words, remark) for order in orders for remark in (order.naming.remark, order.dose.remark)]
    for use in taken:
        pairs += [(use.naming.words, use.naming.remark), (use.naming.words, use.dose.remark if doses_of_taken else "")]
    return [f"{words}: {remark}." for words, remark in pairs if remark]
