"""Search as FHIR R4 defines it: tokens, dates with prefixes and precision, references; several values are "or".

What is not known is never passed over in silence: an unknown parameter, modifier or prefix is refused, or named in the
answer where the client asks for ``handling=lenient``.
"""

import re
from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache, partial
from typing import Any, Final

from novamind.errors import ValidationError
from novamind.server.fhir.interactions import COMMON, RESULT, REVINCLUDE, TYPES, SearchParameter

Resource = dict[str, Any]
Pairs = Sequence[tuple[str, str]]

DEFAULT_COUNT: Final = 100
MOST: Final = 1000
JSON_FORMATS: Final = ("json", "application/json", "application/fhir+json")
_PREFIXES: Final = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb")
_DATE: Final = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?)?)?"
)
#: Length of a time with seconds and an offset, such as 2024-05-17T08:30:00+02:00, and what it covers.
_WHOLE_SECONDS: Final = 25
_SECOND: Final = timedelta(seconds=1)
_SORTS: Final = ("_id", "_lastUpdated")


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter with its values, of which one must match."""

    name: str
    parameter: SearchParameter
    values: tuple[str, ...]


@dataclass(frozen=True)
class Search:
    """A search as it was understood.

    Attributes
    ----------
    ignored
        Parameters that were passed over, because the client allows that.
    """

    resource_type: str
    criteria: tuple[Criterion, ...] = ()
    count: int = DEFAULT_COUNT
    sort: tuple[str, ...] = ()
    counts_only: bool = False
    includes_patient: bool = False
    includes_provenance: bool = False
    ignored: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def values(self, *names: str) -> tuple[str, ...]:
        """Return the values of the first of these parameters that is there."""
        return next((c.values for name in names for c in self.criteria if c.name == name), ())

    def matches(self, resource: Resource) -> bool:
        """Return whether a resource has what is looked for; whose it is, the caller has decided."""
        return all(_matches(c, resource) for c in self.criteria)

    def selected(self, resources: Iterable[Resource]) -> list[Resource]:
        """Return the resources that match, in the order that was asked for."""
        in_order = [resource for resource in resources if self.matches(resource)]
        for key in reversed(self.sort):
            name = key.removeprefix("-")
            parameter = COMMON.get(name) or TYPES[self.resource_type].parameters[name]
            in_order.sort(key=partial(_sort_key, parameter), reverse=key.startswith("-"))
        return in_order


def parsed(resource_type: str, pairs: Pairs, *, in_address: bool, is_lenient: bool = False) -> Search:
    """Return a search as it is understood.

    Parameters
    ----------
    in_address
        Whether the parameters stand in the address, where nothing of a person may stand.
    is_lenient
        Whether parameters that are not known are passed over and named.

    Raises
    ------
    ValidationError
        If a parameter or its value is not offered.
    """
    served = TYPES[resource_type]
    offered = {**COMMON, **served.parameters}
    criteria: list[Criterion] = []
    result: dict[str, list[str]] = {}
    ignored = []
    for key, value in pairs:
        name = _without_type(key)
        if name in RESULT:
            result.setdefault(name, []).append(value)
        elif name not in offered:
            ignored.append(key)
        elif offered[name].is_private and in_address:
            raise ValidationError(
                f"what identifies a person may not stand in an address: send it in the body of {resource_type}/_search"
            )
        else:
            criteria.append(Criterion(name, offered[name], _alternatives(offered[name], name, value)))
    if ignored and not is_lenient:
        names = ", ".join(sorted([*offered, *RESULT]))
        raise ValidationError(f"a search parameter or modifier is not offered here; {resource_type} takes {names}")
    return Search(
        resource_type,
        tuple(criteria),
        _count(result),
        _sort(result, offered),
        _counts_only(result),
        _includes_patient(result, resource_type),
        _includes_provenance(result),
        tuple(key for key in ignored if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.:-]{0,60}", key)),
        tuple(pairs),
    )


def interval(text: str, zone: tzinfo | None) -> tuple[datetime, datetime]:
    """Return begin and end (exclusive) of what a FHIR date or time covers.

    Parameters
    ----------
    zone
        That of a text without one; UTC where not known.

    Raises
    ------
    ValidationError
        If it is no FHIR date.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValidationError("a date is written as 2024, 2024-05, 2024-05-17 or 2024-05-17T08:30:00+02:00")
    year, month, day, hour, minute, second = (None if part is None else int(part) for part in match.groups()[:6])
    fraction = float(match[7] or 0)
    try:
        here = _zone(match[8]) or zone or UTC
        begin = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=here)
        if month is None:
            return begin, begin.replace(year=begin.year + 1)
        if day is None:
            return begin, begin + timedelta(days=monthrange(begin.year, month)[1])
        if hour is None:
            return begin, begin + timedelta(days=1)
        if second is None:
            return begin, begin + timedelta(minutes=1)
        if match[7] is None:
            return begin, begin + timedelta(seconds=1)
        begin += timedelta(seconds=fraction)
        return begin, begin + timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        raise ValidationError("a search date is none of the calendar") from error


def _without_type(key: str) -> str:
    """Return the name of a parameter; a reference may name its type, which here is always the Patient."""
    name, colon, modifier = key.partition(":")
    return name if colon and modifier == "Patient" and name in ("patient", "subject") else key


def _alternatives(parameter: SearchParameter, name: str, value: str) -> tuple[str, ...]:
    values = tuple(part for part in re.split(r"(?<!\\),", value) if part)
    if not values:
        raise ValidationError(f"search parameter {name} has no value; leave it out")
    if parameter.kind == "date":
        for part in values:
            prefix, text = _prefixed(part)
            interval(text, None)
            if prefix not in _PREFIXES:
                raise ValidationError(f"search parameter {name} takes the prefixes {', '.join(_PREFIXES)}")
    return values


def _prefixed(value: str) -> tuple[str, str]:
    return (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)


def _matches(criterion: Criterion, resource: Resource) -> bool:
    parameter = criterion.parameter
    if parameter.kind == "reference" and criterion.name != "target":
        return True  # whose it is was decided before it was read
    values = [value for path in parameter.elements for value in _at(resource, path)]
    match parameter.kind:
        case "date":
            return any(_in_time(wanted, value) for wanted in criterion.values for value in values)
        case "token":
            return any(_same_token(wanted, value) for wanted in criterion.values for value in values)
        case "reference":
            return any(wanted == value.get("reference") for wanted in criterion.values for value in values)
        case _:
            return any(_begins(wanted, value) for wanted in criterion.values for value in values)


def _at(resource: Any, path: str) -> Iterator[Any]:
    """Yield the values of an element, each of a list."""
    first, _, rest = path.partition(".")
    value = resource.get(first)
    for part in value if isinstance(value, list) else () if value is None else (value,):
        if rest:
            yield from _at(part, rest)
        else:
            yield part


def _same_token(wanted: str, value: Any) -> bool:
    system, bar, code = wanted.rpartition("|")
    return any(
        (not bar or system == (has_system or "")) and (not code or code == has_code)
        for has_system, has_code in _codes(value)
    )


def _codes(value: Any) -> Iterator[tuple[str | None, str]]:
    """Yield system and code of a code, coding, concept or identifier."""
    if isinstance(value, str):
        yield None, value
    elif isinstance(value, Mapping):
        for coding in value.get("coding", ()):
            yield coding.get("system"), coding.get("code", "")
        if "value" in value:
            yield value.get("system"), value["value"]


def _in_time(wanted: str, value: Any) -> bool:
    """Return whether a date, instant or period lies as the prefix says (R4, search, 3.1.1.4.5)."""
    prefix, text = _prefixed(wanted)
    low, high = _span(value, _zone_of(text))
    begin, end = _interval(text, _offset_of(value if isinstance(value, str) else value.get("start", "")))
    match prefix:
        case "eq":
            return begin <= low and high <= end
        case "ne":
            return not (begin <= low and high <= end)
        case "gt":
            return high > end
        case "ge":
            return high > end or (begin <= low and high <= end)
        case "lt":
            return low < begin
        case "le":
            return low < begin or (begin <= low and high <= end)
        case "sa":
            return low >= end
        case _:
            return high <= begin


def _span(value: Any, zone: tzinfo | None) -> tuple[datetime, datetime]:
    if isinstance(value, str):
        if _is_whole(value):  # as most resources have it; many thousands are looked at in a search
            begin = datetime.fromisoformat(value)
            return begin, begin + _SECOND
        return interval(value, zone)
    low = interval(value["start"], zone)[0] if "start" in value else datetime.min.replace(tzinfo=UTC)
    high = interval(value["end"], zone)[1] if "end" in value else datetime.max.replace(tzinfo=UTC)
    return low, high


def _is_whole(text: str) -> bool:
    return len(text) == _WHOLE_SECONDS and text[19] in "+-"


def _offset_of(text: str) -> str | None:
    """Return the offset with which a date or time ends; ``None`` where it has none."""
    if _is_whole(text):
        return text[19:]
    match = _DATE.fullmatch(text)
    return None if match is None else match[8]


@lru_cache(maxsize=256)
def _zone_of(text: str) -> tzinfo | None:
    return _zone(_offset_of(text))


@lru_cache(maxsize=256)
def _interval(text: str, offset: str | None) -> tuple[datetime, datetime]:
    """Return what a text of a search covers; the same few are compared with every resource."""
    return interval(text, _zone(offset))


@lru_cache(maxsize=256)
def _zone(text: str | None) -> tzinfo | None:
    return None if text is None else datetime.strptime("00:00" + text, "%H:%M%z").tzinfo


def _begins(wanted: str, value: Any) -> bool:
    """Return whether a word of a name begins with the text; case is ignored."""
    words = str(value.get("text", "")).casefold()
    return words.startswith(wanted.casefold()) or f" {wanted.casefold()}" in words


def _sort_key(parameter: SearchParameter, resource: Resource) -> Any:
    values = [value for path in parameter.elements for value in _at(resource, path)]
    if parameter.kind == "date":
        return _span(values[0], None)[0] if values else datetime.min.replace(tzinfo=UTC)
    return str(values[0]) if values else ""


def _single(result: Mapping[str, list[str]], name: str) -> str | None:
    values = result.get(name, [])
    if len(values) > 1:
        raise ValidationError(f"{name} is given twice; give it once")
    return values[0] if values else None


def _count(result: Mapping[str, list[str]]) -> int:
    text = _single(result, "_count")
    if text is not None and not re.fullmatch(r"\d{1,18}", text):
        raise ValidationError("_count is a whole number")
    return min(MOST, DEFAULT_COUNT if text is None else int(text))


def _sort(result: Mapping[str, list[str]], offered: Mapping[str, SearchParameter]) -> tuple[str, ...]:
    keys = tuple(filter(None, (_single(result, "_sort") or "").split(",")))
    sortable = {*_SORTS, *(name for name, parameter in offered.items() if parameter.kind == "date")}
    names = [key.removeprefix("-") for key in keys]
    if set(names) - sortable or len(set(names)) < len(names):
        raise ValidationError(f"_sort takes {', '.join(sorted(sortable))}, each once, with a minus for the reverse")
    return keys


def _counts_only(result: Mapping[str, list[str]]) -> bool:
    text = _single(result, "_summary")
    if text not in (None, "false", "count"):
        raise ValidationError("_summary takes count and false")
    if (_single(result, "_format") or "json").replace(" ", "+") not in JSON_FORMATS:
        raise ValidationError("resources are served as JSON alone: _format=json")
    return text == "count"


def _includes_patient(result: Mapping[str, list[str]], resource_type: str) -> bool:
    offered = {f"{resource_type}:{name}" for name in TYPES[resource_type].includes}
    if set(result.get("_include", ())) - offered:
        names = ", ".join(sorted(offered)) or "nothing"
        raise ValidationError(f"_include of {resource_type} takes {names}")
    return "_include" in result


def _includes_provenance(result: Mapping[str, list[str]]) -> bool:
    if set(result.get("_revinclude", ())) - {REVINCLUDE}:
        raise ValidationError(f"_revinclude takes {REVINCLUDE}")
    return "_revinclude" in result
