"""Exports of study platforms, recognised by the columns that the platform alone writes.

REDCap
    Columns come form by form, each closed by ``<form>_complete``; a form's reports have the form's date (or the
    timestamp of the survey). Events, repeated forms and arms are rows. Checkboxes are ``name___1``. Source: REDCap,
    "How data exports work", in the help of the application.
m-Path
    ``timeStampStart`` counts seconds on the clock of the person, as if it were UTC. A question's kind ends its name.
    Source: Niemeijer & Revol, documentation of the R package mpathr.
Qualtrics
    Two or three header rows: short names, texts of the questions, ``{"ImportId": ...}``. Times are on the clock of the
    account. Source: Qualtrics, "Understanding your data set".
LimeSurvey
    Columns are codes, or codes before the questions (``PHQ9[SQ001]. Little interest ...``). ``token`` is the
    participant, ``id`` the response. Source: LimeSurvey manual, "Export responses".
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from novamind.errors import ValidationError
from novamind.records.instruments.domain import plain
from novamind.records.tables.columns import ROLES, differs_between_people, is_birth, name_columns
from novamind.records.tables.grid import Grid
from novamind.records.tables.layouts import (
    Layout,
    Measure,
    Roles,
    declared_instrument,
    listed,
    plain_layout,
    wide_measures,
)
from novamind.records.tables.numbers import is_missing_word
from novamind.records.tables.profile import TableProfile
from novamind.records.tables.times import looks_like_times, parse_column
from novamind.timeline import parse_timezone

_MPATH_KINDS: Final = {
    "slidernegpos": None, "sliderneutralpos": None, "slider": None, "likert": None, "scale": None, "yesno": None,
    "index": "counts the choice", "string": "holds text", "open": "holds text", "basic": "is a page without a question",
    "steps": "counts steps since the phone was started", "image": "holds an image", "audio": "holds sound",
}  # fmt: skip
_MPATH_ROW: Final = ("timestamp", "timezone", "deltautc", "originaltime")
_CODE: Final = re.compile(r"(\S+)\. \S.*")
_LEGACY: Final = re.compile(r"V\d{1,2}")
_ZONE: Final = re.compile(r'"timeZone"\s*:\s*"([^"]{1,60})"')
_CHECKBOX: Final = re.compile(r".+___\w+")


def layout_of(grid: Grid, profile: TableProfile) -> tuple[Grid, Layout]:
    """Return the rows of a table that are data, and its layout, whoever wrote it; errors as :func:`plain_layout`."""
    grid = _legacy_named(grid)
    columns = {plain(column) for column in grid.columns}
    if {"connectionid", "timestampstart"} <= columns:
        return grid, _mpath(grid, profile)
    if {"startdate", "enddate"} <= columns and columns & {"responseid", "recordeddate", "v1"}:
        return _qualtrics(grid, profile)
    codes = [match[1] if (match := _CODE.fullmatch(column)) else column for column in grid.columns]
    if {"id", "submitdate"} <= set(codes) and len(set(codes)) == len(codes):
        return _limesurvey(grid.renamed(codes), profile)
    ends = [column for column in grid.columns if column.endswith("_complete")]
    if any(column.startswith("redcap_") for column in grid.columns) or (ends and plain(grid.columns[0]).endswith("id")):
        return grid, _redcap(grid, profile)
    return grid, plain_layout(grid, profile)


def _legacy_named(grid: Grid) -> Grid:
    """Return a legacy export of Qualtrics with the names that stand in its second row for ``V1``, ``V2`` ..."""
    second = [cells[0] if cells else None for cells in grid.cells]
    if "V1" not in grid.columns or not any(plain(cell or "") == "startdate" for cell in second):
        return grid
    names = [cell if cell and _LEGACY.fullmatch(c) else c for c, cell in zip(grid.columns, second, strict=True)]
    return grid.renamed(names) if len(set(names)) == len(names) else grid


def _redcap(grid: Grid, profile: TableProfile) -> Layout:
    roles = Roles(grid, profile)
    named, instrument = declared_instrument(profile)
    person = roles.find("patient_id") or grid.columns[0]
    event = next((c for c in grid.columns if c == "redcap_event_name"), None)
    system = [c for c in grid.columns if c.startswith("redcap_") or c.endswith("_complete") or _CHECKBOX.fullmatch(c)]
    roles.taken |= {person, *system}
    free = [c for c in grid.columns if c not in roles.taken and not is_birth(c)]
    dates = [c for c in free if looks_like_times([t if t and not is_missing_word(t) else None for t in grid[c]])]
    roles.taken |= set(dates)
    chosen = roles.mapping.get("timestamp")
    times: dict[str, str | None] = {}
    forms = _forms(grid.columns)
    for form, columns in forms.items():
        own = [c for c in dates if c in columns] or [c for c in dates if c.removesuffix("_timestamp") == form]
        time = chosen or next((c for c in own if c == f"{form}_timestamp"), own[0] if own else None)
        if time is None and len(dates) == 1:
            time = dates[0]
        if time is not None and time not in times.values():
            also = f"; {listed([c for c in own if c != time])} not" if len(own) > 1 and not chosen else ""
            roles.guesses.append(f"form '{form[:40]}': '{time[:40]}' is its date{also}")
        times |= dict.fromkeys(columns, time)
    measures, unread = wide_measures(grid, roles, instrument, named, times, tuple(forms))
    unread |= dict.fromkeys((c for c in system if _CHECKBOX.fullmatch(c)), "is a checkbox")
    incomplete = sum(cell == "0" for c in grid.columns if c.endswith("_complete") for cell in grid[c])
    if incomplete:
        roles.guesses.append(f"{incomplete} form(s) are marked incomplete; their answers are read")
    return Layout(
        "REDCap export",
        measures,
        person,
        event=event,
        instance=next((c for c in grid.columns if c == "redcap_repeat_instance"), None),
        dates=tuple(dates),
        unread=unread,
        guesses=tuple(roles.guesses),
    )


def _forms(columns: Sequence[str]) -> dict[str, list[str]]:
    """Return form to its columns; those behind the last form have no name."""
    forms: dict[str, list[str]] = {}
    block: list[str] = []
    for column in columns:
        block.append(column)
        if column.endswith("_complete"):
            forms[column.removesuffix("_complete")] = block
            block = []
    return forms | ({"": block} if block else {})


def _mpath(grid: Grid, profile: TableProfile) -> Layout:
    if profile.mapping:
        return replace(plain_layout(grid, profile), kind="m-Path export", local_seconds=True)
    by_name = {plain(column): column for column in grid.columns}
    person, time = by_name["connectionid"], by_name["timestampstart"]
    first = max(i for i, c in enumerate(grid.columns) if plain(c).startswith(_MPATH_ROW))
    unread: dict[str, str] = {}
    columns: dict[str, str] = {}
    for column in grid.columns[first + 1 :]:
        name, _, kind = column.rpartition("_")
        reason = _MPATH_KINDS.get(plain(kind), "is of a kind of question that is not read")
        if reason or not any(grid[column]):
            unread[column] = reason or "is empty"
        else:
            columns[name.removesuffix("_multipleChoice") or column] = column
    named, _ = name_columns(tuple(columns), declared_instrument(profile)[1])
    measures = tuple(
        Measure(column, named[name].series if name in named else name, named.get(name), time)
        for name, column in columns.items()
    )
    if not measures:
        raise ValidationError(f"no question with numbers was recognised; the export has {listed(tuple(unread))}")
    unanswered = tuple(i for i, cell in enumerate(grid[time]) if cell in (None, "0"))
    return Layout(
        "m-Path export",
        measures,
        person,
        unread=unread,
        guesses=(f"'{time}' counts seconds on the person's own clock (m-Path), so nothing is shifted",),
        dropped={"the beep was not answered": unanswered} if unanswered else {},
        local_seconds=True,
    )


def _limesurvey(grid: Grid, profile: TableProfile) -> tuple[Grid, Layout]:
    roles = Roles(grid, profile)
    named, instrument = declared_instrument(profile)
    time = roles.mapping.get("timestamp", "submitdate")
    person = roles.mapping.get("patient_id") or ("token" if "token" in grid.columns and any(grid["token"]) else None)
    roles.taken |= {c for c in grid.columns if c in ROLES["limesurvey"]} | {c for c in (time, person) if c}
    measures, unread = wide_measures(grid, roles, instrument, named, dict.fromkeys(grid.columns, time))
    return grid, Layout("LimeSurvey export", measures, person, unread=unread, guesses=tuple(roles.guesses))


def _qualtrics(grid: Grid, profile: TableProfile) -> tuple[Grid, Layout]:
    start = next(c for c in grid.columns if plain(c) == "startdate")
    heads = next((i + 1 for i in range(min(3, len(grid))) if any('"ImportId"' in (c[i] or "") for c in grid.cells)), 0)
    if not heads and len(grid) and not parse_column(grid[start][:1] + ["2000-01-01"] * 2, start, "iso").moments[0]:
        heads = 1
    body = grid.without_rows(range(heads))
    roles = Roles(body, profile)
    named, instrument = declared_instrument(profile)
    time = roles.mapping.get("timestamp", start)
    people = [c for c in body.columns if plain(c) in ("externalreference", "externaldatareference") and all(body[c])]
    person = roles.mapping.get("patient_id") or (people[0] if people and len(body) else None)
    roles.taken |= (
        {c for c in body.columns if plain(c) in ROLES["qualtrics"]} | {time} | ({person} if person else set())
    )
    measures, unread = wide_measures(body, roles, instrument, named, dict.fromkeys(body.columns, time))
    zone = _zone_in(cells[i] or "" for cells in grid.cells for i in range(heads))
    named_zone = f"which is that of {zone}" if zone else "which the file does not name"
    status = next((c for c in body.columns if plain(c) == "status"), None)
    previews = [i for i in range(len(body)) if status and body[status][i] in ("1", "Survey Preview")]
    return body, Layout(
        "Qualtrics export",
        measures,
        person,
        unread=unread,
        guesses=(*roles.guesses, f"'{time}' is on the clock of the Qualtrics account, {named_zone}"),
        zone=zone,
        dropped={"a preview of the survey": tuple(previews)} if previews else {},
    )


def _zone_in(heads: Iterable[str]) -> str | None:
    """Return the one time zone that header cells such as ``{"ImportId":"startDate","timeZone":"UTC"}`` name."""
    zones = {match[1] for head in heads if (match := _ZONE.search(head))}
    with suppress(ValidationError):
        return parse_timezone(zones.pop()).key if len(zones) == 1 else None
    return None


def refuse_unnamed_persons(grid: Grid, layout: Layout, patient_id: str | None) -> None:
    """Refuse rows of several people that no column of ids keeps apart.

    Raises
    ------
    ValidationError
        Responses of a survey, or a column of names, may be of several people, and no person is named for all.
    """
    if layout.person is not None or patient_id is not None or len(grid) < 2:
        return
    fixed = (column for column in grid.columns if differs_between_people(column))
    varying = [column for column in fixed if len({cell.casefold() for cell in grid[column] if cell}) > 1]
    if varying:
        raise ValidationError(
            f"column '{varying[0][:40]}' differs between rows, as of several people: name the column that keeps them "
            "apart (--map patient_id=COLUMN), or whose all rows are (--patient ID)"
        )
    if layout.kind.startswith(("Qualtrics", "LimeSurvey")):
        raise ValidationError(
            "the responses do not say whose they are: name the column (--map patient_id=COLUMN), or the person of all "
            "rows (--patient ID)"
        )
