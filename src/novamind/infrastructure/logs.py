"""Structured logs that cannot carry a person's data: one JSON object a line, listed fields in listed forms.

This module alone decides what may be written. A message is a constant made by :func:`message`; a field
must be on :data:`FIELDS` and its value must have that field's form. Everything else is withheld, whichever
library wrote it, and an exception appears as its type and the places it passed through, never with its text.

    FORECAST_MADE = message("forecast made")
    log = structlog.get_logger()
    log.info(FORECAST_MADE, duration_ms=41, patient_id_hash=patient_hash(patient_id, key))
"""

import hashlib
import hmac
import json
import logging
import math
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO, cast

from novamind.errors import ValidationError

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from novamind.settings import Settings

SERVICE = "novamind"
WITHHELD = "withheld"
_MINIMUM_KEY_BYTES = 16


class Message(str):
    """Text of a log line that was fixed when the program was written."""

    __slots__ = ()


def message(text: str) -> Message:
    """Return a log message as a constant of a module; never build one from data."""
    return Message(text)


def patient_hash(patient_id: str, key: bytes) -> str:
    """Return the pseudonym of a patient for logs: HMAC-SHA256 (RFC 2104), 64 hexadecimal digits.

    One patient has one pseudonym under one key; without the key a guess cannot be tested.

    Parameters
    ----------
    patient_id
        The identifier as the record has it.
    key
        At least 16 secret bytes.

    Raises
    ------
    ValidationError
        If the key is too short.
    """
    if len(key) < _MINIMUM_KEY_BYTES:
        raise ValidationError(f"the key for patient_hash must have at least {_MINIMUM_KEY_BYTES} bytes")
    return hmac.new(key, patient_id.encode(), hashlib.sha256).hexdigest()


def _form(pattern: str) -> Callable[[object], bool]:
    form = re.compile(pattern)
    return lambda value: isinstance(value, str) and form.fullmatch(value) is not None


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_identifier = _form(r"[0-9a-fA-F-]{8,64}")

#: Every field that a line may have beside timestamp, level, service and message, and the form of its value.
FIELDS: Mapping[str, Callable[[object], bool]] = {
    "correlation_id": _identifier,
    "request_id": _identifier,
    "patient_id_hash": _form(r"[0-9a-f]{64}"),
    "duration_ms": _number,
    "status": _number,
    "method": _form(r"[A-Z]{3,7}|other"),
    "route": _form(r"none|/[A-Za-z0-9/{}_.$-]{0,100}"),
    "count": _number,
    "horizon": _number,
    "seed": _number,
    "model_version": _form(r"[a-z][a-z0-9-]*-[0-9a-f]{8}"),
}


def configure(settings: "Settings", stream: TextIO | None = None) -> None:
    """Send all logs of the process, ours and every library's, through the filter; call once at the start.

    Parameters
    ----------
    settings
        ``log_level`` is the least level that is written.
    stream
        Where the lines go; standard error when ``None``.
    """
    import structlog

    out = cast("TextIO", _Unfailing(stream or sys.stderr))
    level = logging.getLevelNamesMapping()[settings.log_level]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, _render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
    )
    root = logging.getLogger()
    root.handlers = [_LibraryLines(out)]
    root.setLevel(level)


class _Unfailing:
    """A stream on which a line may be lost, when the disk is full, without ending the work that it reports."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._out.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._out.flush()


class _LibraryLines(logging.Handler):
    """Lines of libraries: which logger and where, never what it says."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        event = {"event": record.msg, "level": record.levelname.lower(), "exc_info": record.exc_info}
        line = _line(event) | {"at": f"{record.name}:{record.lineno}"}
        self._out.write(json.dumps(line) + "\n")


def _render(_logger: object, _method: str, event: "EventDict") -> str:
    return json.dumps(_line(event))


def _line(event: Mapping[str, Any]) -> dict[str, object]:
    text = event["event"]
    line: dict[str, object] = {
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": event["level"],
        "service": SERVICE,
        "message": text if isinstance(text, Message) else WITHHELD,
    }
    fields = {key: value for key, value in event.items() if key not in ("event", "level", "exc_info")}
    line |= {key: value for key, value in fields.items() if key in FIELDS and FIELDS[key](value)}
    if kept_back := len(fields.keys() - line.keys()):
        line["fields_withheld"] = kept_back
    return line | _exception(event.get("exc_info"))


def _exception(exc_info: Any) -> dict[str, object]:
    error = exc_info if isinstance(exc_info, BaseException) else None
    if exc_info and error is None:
        error = exc_info[1] if isinstance(exc_info, tuple) else sys.exception()
    if error is None:
        return {}
    shown: dict[str, object] = {"error_type": type(error).__name__}
    if cause := error.__cause__ or error.__context__:
        shown["caused_by"] = type(cause).__name__
    shown["error_at"] = [
        f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return shown
