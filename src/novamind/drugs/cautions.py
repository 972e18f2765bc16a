"""Cautions between drugs, and between a drug and a condition: by label, by effect, by enzyme.

Rules stand in ``facts/interactions.csv``. A side of a rule is a drug, ``tag:`` and a property shared by drugs
(``facts/properties.csv``), ``enzyme:`` and a class of inhibitor or inducer (``facts/modulators.csv``), or
``condition:`` and a property of the patient; several are parted by ``|``. Every rule that holds adds a caution; none
replaces another, so where labels of two countries differ both stand and the stricter decides. ``exposure_of`` names the
side whose concentration changes, where the rule says that one does.

A drug that was stopped acts on as long as ``facts/washouts.csv`` says, on enzymes as long as ``facts/modulators.csv``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Caution, Evidence, Severity, Source
from novamind.drugs.enzymes import Modulator, all_substrates, metabolites, modulators, substrates
from novamind.drugs.properties import properties, weight
from novamind.drugs.tables import rows, source

_ORDER = tuple(Severity)
_NOTHING_STOPPED: Mapping[str, int | None] = MappingProxyType({})
_CLASSES = {"strong": ("strong", "moderate+", "any"), "moderate": ("moderate", "moderate+", "any")}
# From this fraction of clearance on, an inhibitor of the strong class raises exposure about five-fold.
_SENSITIVE = 0.8
# What is taken without being a drug has no level that could change.
_NO_DRUGS = ("habit", "food")


@dataclass(frozen=True, slots=True)
class InteractionRule:
    """Two sides, how serious, what to do; ``changed`` is the side whose concentration changes, if any."""

    a: str
    b: str
    severity: Severity
    text: str
    changed: str
    section: str
    source: Source


@dataclass(frozen=True, slots=True)
class Washout:
    """How long a stopped drug acts on, where a ``before`` is named only before that drug or property."""

    drug: str
    before: str
    days: int
    source: Source


@dataclass(frozen=True, slots=True)
class SumRule:
    """A caution that holds from a sum over a property on, when two drugs or more add to it."""

    properties: tuple[str, ...]
    at_least: int
    caution: Caution


@cache
def rules() -> tuple[InteractionRule, ...]:
    """Return all rules, one for each pair of sides."""
    return tuple(
        InteractionRule(
            a,
            b,
            Severity(row["severity"]),
            row["text"],
            {"a": a, "b": b}.get(row["exposure_of"], ""),
            row["section"],
            source(row),
        )
        for row in rows("interactions")
        for a in row["a"].split("|")
        for b in row["b"].split("|")
    )


@cache
def washouts() -> tuple[Washout, ...]:
    """Return how long drugs act on after they are stopped."""
    return tuple(Washout(r["drug"], r["before"], int(r["days"]), source(r)) for r in rows("washouts"))


@cache
def sum_rules() -> tuple[SumRule, ...]:
    """Return the cautions that hold for several drugs together."""
    return tuple(
        SumRule(
            tuple(r["property"].split("|")),
            int(r["at_least"]),
            Caution(
                Severity(r["severity"]), r["text"], r["property"].partition(" ")[0], source(r), section=r["section"]
            ),
        )
        for r in rows("sums")
    )


@cache
def known_conditions() -> tuple[str, ...]:
    """Return the patient conditions that any rule refers to."""
    return tuple(sorted({r.b.removeprefix("condition:") for r in rules() if r.b.startswith("condition:")}))


def cautions(
    drug: str,
    comedications: Sequence[str],
    conditions: Iterable[str] = (),
    stopped: Mapping[str, int | None] = _NOTHING_STOPPED,
) -> tuple[Caution, ...]:
    """Return every caution that holds for a drug in this patient, most serious first.

    Parameters
    ----------
    drug
        Generic name of the drug looked at.
    comedications
        Generic names of the other drugs.
    conditions
        Patient conditions in the words of :func:`known_conditions`.
    stopped
        Generic names of drugs no longer taken, to the days since the last dose; ``None`` where that is not known.
    """
    others = _others(drug, comedications)
    holding = [_worded(rule, cause) for _, rule, cause in _holding(drug, others, conditions)]
    holding += [caution for other in others for caution in _by_enzyme(drug, other)]
    holding += _by_sum(drug, others)
    for other, days in stopped.items():
        if other not in (drug, *others):
            holding += _after_stopping(drug, other, days)
    return tuple(sorted(_once(holding), key=lambda c: (_ORDER.index(c.severity), c.cause, c.text)))


def _once(holding: Iterable[Caution]) -> Iterable[Caution]:
    """Return each sentence once, of several sources that have it one that was read."""
    by_words: dict[tuple[Severity, str, str], Caution] = {}
    for caution in sorted(holding, key=lambda c: (c.source.evidence is Evidence.UNVERIFIED, c.source.id, c.section)):
        by_words.setdefault((caution.severity, caution.cause, caution.text), caution)
    return by_words.values()


def without_size(
    drug: str, comedications: Sequence[str], conditions: Iterable[str], counted: Collection[str]
) -> tuple[str, ...]:
    """Return what changes a drug's concentration in this patient by an amount that no figure includes.

    ``counted`` are the enzymes whose activity the drug's expected exposure counts with.
    """
    others = _others(drug, comedications)
    routes = {s.route for s in substrates(drug) if s.role != "none"}
    acting = [m for other in others for m in modulators(other) if m.enzyme in routes]
    inside = {m.drug for m in acting if m.classed and m.enzyme in counted}
    outside = {m.drug for m in acting if not (m.classed and m.enzyme in counted)}
    by_rule = {cause for side, rule, cause in _holding(drug, others, conditions) if side == rule.changed}
    return tuple(sorted(outside | (by_rule - inside)))


def not_checked(names: Iterable[str], stopped: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a sentence for each drug of which the tables lack what a check needs; unknown names are not passed in."""
    sentences = []
    for name in dict.fromkeys(name for name in names if catalogue()[name].drug_class not in _NO_DRUGS):
        if not (sides(name) - {name}) and name not in _by_side() and name not in all_substrates():
            sentences.append(f"{name} was not checked for interactions: only its name is in our tables.")
        elif name not in all_substrates():
            sentences.append(
                f"What changes the level of {name} was not checked: its routes of elimination are not in our tables."
            )
    sentences += [
        f"How long {name} acts after it was stopped is not in our tables: only named pairs were checked."
        for name in dict.fromkeys(stopped)
        if not any(w.drug in sides(name) and not w.before for w in washouts()) and not modulators(name)
    ]
    return tuple(sentences)


def _others(drug: str, comedications: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(comedications) if name != drug]


@cache
def sides(name: str) -> frozenset[str]:
    """Return the sides of rules on which a drug stands."""
    own = {name, *(f"tag:{p}" for p in properties().get(name, ()))}
    for m in modulators(name):
        own |= {f"enzyme:{m.enzyme} {m.effect} {named}" for named in _CLASSES.get(m.strength, (m.strength, "any"))}
    return frozenset(own)


def _holding(drug: str, others: Sequence[str], conditions: Iterable[str]) -> Iterator[tuple[str, InteractionRule, str]]:
    """Yield the rules that hold for a drug: the drug's side, the rule, and who is on the other side."""
    present: dict[str, list[str]] = {f"condition:{c}": [c] for c in conditions}
    for name in others:
        for key in sides(name):
            present.setdefault(key, []).append(name)
    for key in sides(drug):
        for opposite, rule in _by_side().get(key, ()):
            for cause in present.get(opposite, ()):
                yield key, rule, cause


@cache
def _by_side() -> dict[str, tuple[tuple[str, InteractionRule], ...]]:
    sides: dict[str, list[tuple[str, InteractionRule]]] = {}
    for rule in rules():
        sides.setdefault(rule.a, []).append((rule.b, rule))
        if rule.b != rule.a and not rule.b.startswith("condition:"):
            sides.setdefault(rule.b, []).append((rule.a, rule))
    return {key: tuple(of) for key, of in sides.items()}


def _worded(rule: InteractionRule, cause: str) -> Caution:
    return Caution(rule.severity, rule.text, cause, rule.source, section=rule.section)


def _by_sum(drug: str, others: Sequence[str]) -> Iterator[Caution]:
    """Yield what the drug and others reach together."""
    for rule in sum_rules():
        if not any(weight(drug, wanted) for wanted in rule.properties):
            continue
        parts = [sum(weight(name, wanted) for wanted in rule.properties) for name in (drug, *others)]
        if sum(part > 0 for part in parts) > 1 and sum(parts) >= rule.at_least:
            yield rule.caution


def _by_enzyme(drug: str, other: str) -> Iterator[Caution]:
    """Yield what each of two drugs does to a route that clears the other."""
    for acting, substrate in ((drug, other), (other, drug)):
        roles = {s.route: s for s in substrates(substrate) if s.role != "none"}
        for m in modulators(acting):
            if (route := roles.get(m.enzyme)) is not None:
                severity = _severity(m, route.role, route.share, substrate)
                yield Caution(severity, _sentence(m, route.role, substrate), other, m.source)


def _severity(m: Modulator, role: str, share: float | None, substrate: str) -> Severity:
    if role != "major" or m.strength not in ("strong", "moderate"):
        return Severity.INFORMATION
    sensitive = share is not None and share >= _SENSITIVE
    narrow = "narrow_index" in properties().get(substrate, ())
    return Severity.MAJOR if m.strength == "strong" and (sensitive or narrow) else Severity.MODERATE


def _sentence(m: Modulator, role: str, substrate: str) -> str:
    direction, opposite = ("raise", "lower") if m.effect == "inhibitor" else ("lower", "raise")
    kind = m.sentence if m.classed else f"{m.drug} is listed as a {m.enzyme} {m.effect}"
    text = f"{kind} and can {direction} {substrate} levels"
    formed = [of.name for of in metabolites(substrate) if of.active and of.formed_by == m.enzyme]
    if formed:
        text += f" and {opposite} its active metabolite {' and '.join(formed)}"
    if role == "minor":
        text += f", a little: {m.enzyme} is a minor route"
    doubt = "" if m.checked else " The class was not confirmed at its source."
    return f"{text[:1].upper()}{text[1:]}.{doubt}"


def _after_stopping(drug: str, other: str, days: int | None) -> Iterator[Caution]:
    """Yield what a stopped drug still does to one that is taken, while its effect lasts."""
    lasts = max(
        (w.days for w in washouts() if w.drug in sides(other) and (not w.before or w.before in sides(drug))), default=0
    )
    if days is None or days < lasts:
        for _, rule, cause in _holding(drug, [other], ()):
            yield _still(_worded(rule, cause), days, lasts)
    routes = {s.route: s for s in substrates(drug) if s.role != "none"}
    for m in modulators(other):
        if (route := routes.get(m.enzyme)) is not None and (days is None or days < m.washout_days):
            severity = _severity(m, route.role, route.share, drug)
            yield _still(Caution(severity, _sentence(m, route.role, drug), other, m.source), days, m.washout_days)


def _still(caution: Caution, days: int | None, lasts: int) -> Caution:
    if days is None:
        since = f"{caution.cause} was stopped on an unknown day"
    else:
        since = f"{caution.cause} was stopped {days} {'day' if days == 1 else 'days'} ago"
    until = f"its effect lasts {lasts} days" if lasts else "how long its effect lasts is not in our tables"
    wait = "" if days is None else f": wait {lasts - days} more"
    sentence = f"{since}; {until}{wait}."
    return replace(caution, text=f"{caution.text} {sentence[:1].upper()}{sentence[1:]}")
