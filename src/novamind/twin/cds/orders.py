"""Orders and medications as health records write them: any name, display or code, and references to a Medication."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from novamind.drugs.domain import Product, Strength
from novamind.drugs.names import find
from novamind.errors import ValidationError
from novamind.twin.cds.dosage import Dose, read_dose
from novamind.twin.cds.prefetch import names_patient
from novamind.twin.cds.request import Draft, HookRequest, Resource, is_text

ORDER = "MedicationRequest"
_MEDICATIONS = (ORDER, "MedicationStatement", "MedicationDispense", "MedicationAdministration")
#: A draft that becomes an order; a status of any other kind ends or withdraws one.
_ORDERED = ("draft", "active", "on-hold", "unknown", None)
#: Statuses of what is no longer taken, or never was.
_OVER = ("on-hold", "completed", "stopped", "ended", "cancelled", "entered-in-error", "not-taken")
_LISTED = (ORDER, "MedicationStatement")
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Naming:
    """What a resource says of which medication it is: words to show, the product, and what is doubtful."""

    words: str
    product: Product | None
    remark: str = ""

    @property
    def drugs(self) -> tuple[str, ...]:
        """Return the generic names; empty where it is not in our tables."""
        return () if self.product is None else self.product.drugs


@dataclass(frozen=True, slots=True)
class Order:
    """A draft order of a medication."""

    reference: str
    naming: Naming
    dose: Dose
    is_selected: bool


@dataclass(frozen=True)
class Orders:
    """The drafts of a request, and a sentence for each part of them that was not read."""

    orders: tuple[Order, ...]
    remarks: tuple[str, ...]

    @property
    def by_drug(self) -> dict[str, list[Order]]:
        """Return drug to the orders that hold it."""
        by_drug: dict[str, list[Order]] = {}
        for order in self.orders:
            for drug in order.naming.drugs:
                by_drug.setdefault(drug, []).append(order)
        return by_drug


class Medications:
    """Medication resources by the references that may name them."""

    def __init__(self, resources: Iterable[Resource], names: Iterable[tuple[str, Resource]] = ()) -> None:
        every = [*((f"Medication/{r.get('id')}", r) for r in resources), *names]
        self._by_reference = {name: r for name, r in every if r.get("resourceType") == "Medication"}

    def of(self, use: Resource) -> tuple[Resource | None, str]:
        """Return the Medication that a resource refers to, and the words beside the reference."""
        newer = _mapping(use.get("medication"))  # R5 has concept and reference in one element
        reference = _mapping(use.get("medicationReference")) or _mapping(newer.get("reference"))
        text, display = reference.get("reference"), reference.get("display")
        words = str(display) if is_text(display) else ""
        if not is_text(text):
            return None, words
        for contained in _list(use.get("contained")):
            if isinstance(contained, Mapping) and f"#{contained.get('id')}" == text:
                return contained, words
        plain = str(text).partition("/_history/")[0]
        relative = "/".join(plain.split("/")[-2:])
        return self._by_reference.get(plain) or self._by_reference.get(relative), words


def read_orders(request: HookRequest, sent: Sequence[Resource]) -> Orders:
    """Return the drafts of a request; ``sent`` are the resources of its prefetch.

    Raises
    ------
    ValidationError
        A draft is of another patient.
    """
    drafts = request.drafts
    medications = Medications(
        (*sent, *(draft.resource for draft in drafts)), ((name, d.resource) for d in drafts for name in d.names)
    )
    orders, remarks, chosen = [], [], set(request.selections)
    for draft in drafts:
        kind = str(draft.resource["resourceType"])
        selected = {name for name in request.selections if _is_named(draft, name)}
        chosen -= selected
        if kind == "Medication":
            continue
        _check_patient(draft, request)
        if kind != ORDER:
            shown = kind if kind.isalpha() and len(kind) < 40 else "a resource"
            remarks.append(f"A draft is a {shown}: only {ORDER} is read.")
        elif draft.resource.get("doNotPerform") is True or draft.resource.get("status") not in _ORDERED:
            remarks.append("A draft is no order to take something: its status or doNotPerform says so.")
        else:
            naming = read_naming(draft.resource, medications)
            lines = draft.resource.get("dosageInstruction")
            dose = Dose({}) if naming.product is None else read_dose(lines, naming.product)
            orders.append(Order(draft.reference, naming, dose, bool(selected) or request.hook != "order-select"))
    if chosen:
        remarks.append(f"{len(chosen)} of the selections name none of the drafts.")
    return Orders(tuple(orders), tuple(remarks))


def read_taken(sent: Sequence[Resource]) -> tuple[Order, ...]:
    """Return the prescriptions and statements of what is taken, as far as they are not plainly over."""
    medications = Medications(sent)
    taken = []
    for resource in sent:
        if resource.get("resourceType") in _LISTED and resource.get("status") not in _OVER:
            naming = read_naming(resource, medications)
            lines = resource.get("dosageInstruction", resource.get("dosage"))
            dose = Dose({}) if naming.product is None else read_dose(lines, naming.product)
            taken.append(Order("", naming, dose, is_selected=False))
    return tuple(taken)


def read_naming(use: Resource, medications: Medications) -> Naming:
    """Return which medication a MedicationRequest or MedicationStatement names."""
    medication, beside = medications.of(use)
    written = (use.get("medicationCodeableConcept"), _mapping(use.get("medication")).get("concept"))
    concepts = [_mapping(concept) for concept in written]
    if medication is not None:
        concepts.append(_mapping(medication.get("code")))
    texts = [text for concept in concepts for text in _texts(concept)] + ([beside] if beside else [])
    products = [find(text) for text in texts]
    products += [find(code, system) for concept in concepts for system, code in _codes(concept)]
    readable = [product for product in products if product is not None]
    if not readable and medication is not None and (parts := _ingredients(medication)) is not None:
        readable = [parts]
    words = _shown(texts) or next((code for concept in concepts for _, code in _codes(concept)), "")
    return _joined(words or "a medication that the request does not name", readable)


def generic(resource: Resource, medications: Medications) -> Iterator[Resource]:
    """Yield a resource of a medication once for each of its drugs, under the generic name; any other as it is.

    The reader of records then needs to know status and dates alone. What is not plainly over or refused counts as
    taken: drafts of others, plans, and what has an unknown status.
    """
    if resource.get("resourceType") in _LISTED and resource.get("status") not in _OVER:
        meant = {"intent": "order"} if resource.get("intent") in ("proposal", "plan") else {}
        resource = {**resource, "status": "active", **meant}
    naming = read_naming(resource, medications) if resource.get("resourceType") in _MEDICATIONS else None
    if naming is None or naming.product is None:
        yield resource
        return
    left_out = ("medicationReference", "medication", "dosageInstruction", "dosage")
    bare = {name: value for name, value in resource.items() if name not in left_out}
    for position, drug in enumerate(naming.drugs):
        own = {"id": f"{resource.get('id', 'use')}-{position}"} if position else {}
        yield {**bare, **own, "medicationCodeableConcept": {"text": drug}, **_bounds(resource)}


def _bounds(resource: Resource) -> dict[str, Any]:
    """Return the period of a dosage, which says until when something is taken, without the dose."""
    for name in ("dosageInstruction", "dosage"):
        for line in _list(resource.get(name)):
            bounds = _mapping(_mapping(_mapping(line).get("timing")).get("repeat")).get("boundsPeriod")
            if isinstance(bounds, Mapping):
                return {name: [{"timing": {"repeat": {"boundsPeriod": bounds}}}]}
    return {}


def _joined(words: str, products: Sequence[Product]) -> Naming:
    """Return one naming of all readings; an ingredient's code beside a combination's name is no contradiction."""
    sets = {frozenset(product.drugs) for product in products}
    widest = [drugs for drugs in sets if not any(drugs < other for other in sets)]
    if not widest:
        return Naming(words, None)
    if len(widest) > 1:
        drugs = tuple(dict.fromkeys(drug for product in products for drug in product.drugs))
        remark = f"its names and codes are of different drugs ({', '.join(drugs)}), all of which were checked"
        return Naming(words, Product(words, drugs), remark)
    same = [product for product in products if frozenset(product.drugs) == widest[0]]
    strengths = {tuple(sorted(zip(p.drugs, map(str, p.strengths), strict=True))): p for p in same if p.strengths}
    first = next(iter(strengths.values())) if len(strengths) == 1 else replace(same[0], strengths=())
    remark = "its names and codes are of different strengths, so its dose was not counted in pieces"
    return Naming(
        words,
        replace(
            first,
            form=first.form or next((p.form for p in same if p.form), ""),
            release=first.release or next((p.release for p in same if p.release), ""),
            route=first.route or next((p.route for p in same if p.route), ""),
        ),
        remark if len(strengths) > 1 else "",
    )


def _ingredients(medication: Resource) -> Product | None:
    """Return the product that the ingredients of a Medication are; ``None`` where one of them is not in our tables."""
    drugs: list[str] = []
    strengths: list[Strength] = []
    for part in _list(medication.get("ingredient")):
        concept = _mapping(_mapping(part).get("itemCodeableConcept"))
        products = [find(text) for text in _texts(concept)] + [find(code, system) for system, code in _codes(concept)]
        names = {product.drug for product in products if product is not None}
        name = names.pop() if len(names) == 1 else None
        if name is None:
            return None
        drugs.append(name)
        ratio = _mapping(_mapping(part).get("strength"))
        amount, per = _mapping(ratio.get("numerator")), _mapping(ratio.get("denominator"))
        value, unit = amount.get("value"), amount.get("code") or amount.get("unit")
        if isinstance(value, int | float) and value > 0 and unit in ("mg", "g") and per.get("value", 1) == 1:
            strengths.append(Strength(float(value), unit))
    whole = strengths if len(strengths) == len(drugs) else []
    return Product(" / ".join(drugs), tuple(drugs), tuple(whole)) if drugs else None


def _check_patient(draft: Draft, request: HookRequest) -> None:
    subject = _mapping(draft.resource.get("subject")).get("reference")
    if isinstance(subject, str) and "Patient/" in subject and not names_patient(subject, request):
        raise ValidationError("'context.draftOrders' holds an order of another patient: send the patient's own only")


def _is_named(draft: Draft, reference: str) -> bool:
    return any(reference in (name, name.partition("/_history/")[0]) for name in draft.names) or (
        bool(draft.reference) and reference.partition("/_history/")[0].endswith(f"/{draft.reference}")
    )


def _texts(concept: Mapping[str, Any]) -> list[str]:
    texts = [concept.get("text"), *(_mapping(coding).get("display") for coding in _list(concept.get("coding")))]
    return [str(text).strip() for text in texts if is_text(text)]


def _codes(concept: Mapping[str, Any]) -> list[tuple[str, str]]:
    codings = [_mapping(coding) for coding in _list(concept.get("coding"))]
    pairs = [(coding.get("system"), coding.get("code")) for coding in codings]
    return [(str(system), str(code)) for system, code in pairs if is_text(system) and is_text(code)]


def _shown(texts: Sequence[str]) -> str:
    text = " ".join(texts[0].split()) if texts else ""
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
