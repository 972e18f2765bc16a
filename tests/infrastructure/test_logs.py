"""Logs tell what happened and never about whom: a canary planted anywhere does not come out."""

import io
import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.infrastructure.logs import FIELDS, configure, message, patient_hash
from novamind.settings import Settings

CANARY = "CANARY-Ada-Lovelace-27"
DONE = message("work done")
KEY = b"0123456789abcdef"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> io.StringIO:
    # A database that an earlier test left open in the background must not speak in between.
    caplog.set_level(logging.WARNING, logger="aiosqlite")
    out = io.StringIO()
    configure(Settings(log_level="DEBUG"), out)
    return out


def only(out: io.StringIO) -> dict[str, object]:
    (line,) = out.getvalue().splitlines()
    return dict(json.loads(line))


def test_a_line_is_json_with_the_fields_that_operators_need(lines: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(
        correlation_id="1f0e3dad-9990-4b1c-8d3f-0c6f3d4a2b11", request_id="abcdef0123456789"
    )
    who = patient_hash("P-1", KEY)
    structlog.get_logger().info(DONE, duration_ms=12.5, patient_id_hash=who)
    line = only(lines)
    assert line.pop("timestamp", "").endswith("+00:00")
    assert line == {
        "level": "info",
        "service": "novamind",
        "message": "work done",
        "correlation_id": "1f0e3dad-9990-4b1c-8d3f-0c6f3d4a2b11",
        "request_id": "abcdef0123456789",
        "duration_ms": 12.5,
        "patient_id_hash": who,
    }


def test_a_message_built_from_data_is_withheld(lines: io.StringIO) -> None:
    log = structlog.get_logger()
    log.info(f"forecast for {CANARY}")
    log.info("forecast for %s", CANARY)
    log.info(DONE + CANARY)
    log.info(f"{DONE}{CANARY}")
    assert CANARY not in lines.getvalue()
    assert [json.loads(line)["message"] for line in lines.getvalue().splitlines()] == ["withheld"] * 4


def test_unlisted_fields_are_withheld_and_counted(lines: io.StringIO) -> None:
    structlog.get_logger().bind(patient_id=CANARY).info(DONE, name=CANARY, value=27, frame={"note": CANARY})
    assert CANARY not in lines.getvalue()
    assert only(lines)["fields_withheld"] == 4


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [CANARY, {"a": CANARY}, [CANARY], f"1f0e3dad-9990\n{CANARY}", float("nan"), None])
def test_a_listed_field_with_the_wrong_form_is_withheld(lines: io.StringIO, field: str, value: object) -> None:
    structlog.get_logger().info(DONE, **{field: value})
    assert CANARY not in lines.getvalue()
    assert field not in only(lines)


def test_an_exception_shows_type_and_place_only(lines: io.StringIO) -> None:
    def fail() -> None:
        try:
            int(CANARY)
        except ValueError as error:
            raise ValidationError(CANARY) from error

    try:
        fail()
    except ValidationError:
        structlog.get_logger().exception(DONE)
    line = only(lines)
    assert CANARY not in lines.getvalue()
    assert (line["error_type"], line["caused_by"]) == ("ValidationError", "ValueError")
    assert [str(place).split(":")[0].rsplit(".", 1)[1] for place in line["error_at"]][-1] == "fail"  # type: ignore[attr-defined]


def test_libraries_lines_lose_their_text_and_arguments(lines: io.StringIO) -> None:
    configure(Settings(), lines)  # again, because the test runner has put its own handler in between
    log = logging.getLogger("some.library")
    log.warning("row of %s", CANARY)
    log.warning(f"row of {CANARY}")
    log.error("too few arguments %s %s", CANARY)  # formatting it would print the arguments to stderr
    try:
        int(CANARY)
    except ValueError:
        log.exception(CANARY, extra={"patient": CANARY})
    assert CANARY not in lines.getvalue()
    written = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [line["message"] for line in written] == ["withheld"] * 4
    assert all(line["at"].startswith("some.library:") for line in written)
    assert written[3]["error_type"] == "ValueError"


def test_level_is_kept(lines: io.StringIO) -> None:
    configure(Settings(log_level="ERROR"), lines)
    structlog.get_logger().warning(DONE)
    logging.getLogger("x").warning("y")
    assert not lines.getvalue()


def test_standard_error_is_the_default(lines: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_level="INFO"))
    structlog.get_logger().info(DONE)
    captured = capsys.readouterr()
    assert not captured.out
    assert json.loads(captured.err)["message"] == "work done"
    assert not lines.getvalue()


@given(st.text(), st.text())
def test_patient_hash_is_a_keyed_pseudonym(one: str, other: str) -> None:
    first = patient_hash(one, KEY)
    assert FIELDS["patient_id_hash"](first)
    assert (first == patient_hash(other, KEY)) == (one == other)
    assert first != patient_hash(one, KEY + b"x")


def test_patient_hash_matches_rfc_4231() -> None:
    """Test case 1 of RFC 4231, section 4.2."""
    key, data = b"\x0b" * 20, "Hi There"
    assert patient_hash(data, key) == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"


def test_patient_hash_refuses_a_weak_key() -> None:
    with pytest.raises(ValidationError, match="at least 16 bytes"):
        patient_hash("P-1", b"short")


HEX = "0123456789abcdef"
FORMS: dict[str, tuple[list[object], list[object]]] = {
    "correlation_id": (["a" * 8, "A-F-0-9-a" * 7, "f" * 64], ["a" * 7, "a" * 65, "g" * 8, "a" * 8 + "\n", 12345678]),
    "request_id": (["a" * 8, "f" * 64], ["a" * 7, "a" * 65, "request-1"]),
    "patient_id_hash": ([HEX * 4], [HEX * 4 + "0", (HEX * 4)[:-1], (HEX * 4).upper()]),
    "duration_ms": ([0, -1, 1.5], [True, "1", float("inf"), float("nan"), None]),
    "status": ([200], [False, "200"]),
    "method": (["GET", "OPTIONS", "other"], ["GE", "OPTIONSX", "get", "others"]),
    "route": (
        ["none", "/", "/fhir/Patient/{resource_id}/$everything-x.y", "/" + "a" * 100],
        ["", "api", "/ä", "/" + "a" * 101, "/a b", "nones"],
    ),
    "count": ([3], ["3"]),
    "horizon": ([14], ["14"]),
    "seed": ([7], ["7"]),
    "model_version": (
        ["symptoms-compact-12345678", "a--0123abcd"],
        ["a-0123abc", "A-12345678", "symptoms-1234567g", "1-12345678", "x-12345678\n"],
    ),
}


@pytest.mark.parametrize("field", FORMS)
def test_a_field_has_this_form_and_no_other(field: str) -> None:
    assert list(FIELDS) == list(FORMS)
    good, bad = FORMS[field]
    assert [value for value in good if not FIELDS[field](value)] == []
    assert [value for value in bad if FIELDS[field](value)] == []


def test_a_line_counts_what_it_withholds_and_is_silent_where_it_withholds_nothing(lines: io.StringIO) -> None:
    log = structlog.get_logger()
    log.warning(DONE, count=1, level_of_pain=7)
    log.warning(DONE, count=1)
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert list(first) == ["timestamp", "level", "service", "message", "count", "fields_withheld"]
    assert (first["level"], first["count"], first["fields_withheld"]) == ("warning", 1, 1)
    assert "fields_withheld" not in second
    assert len(first["timestamp"]) == len("2026-03-29T00:30:00.123+00:00")


@pytest.mark.parametrize("given", ["true", "error", "tuple", "none"])
def test_an_error_is_told_however_it_is_handed_over(lines: io.StringIO, given: str) -> None:
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        exc_info = {"true": True, "error": error, "tuple": (KeyError, error, error.__traceback__), "none": None}[given]
        structlog.get_logger().error(DONE, exc_info=exc_info)
    line = only(lines)
    if given == "none":
        assert "error_type" not in line
        return
    assert line["error_type"] == "KeyError"
    assert "caused_by" not in line
    (place,) = line["error_at"]  # type: ignore[misc]
    name, _, number = str(place).rpartition(":")
    assert name == f"{__name__}.test_an_error_is_told_however_it_is_handed_over"
    assert int(number) > 0


def test_an_error_that_came_while_another_was_handled_names_that_one(lines: io.StringIO) -> None:
    try:
        try:
            raise KeyError(CANARY)
        except KeyError:
            raise ValueError(CANARY)  # noqa: B904
    except ValueError as error:
        structlog.get_logger().error(DONE, exc_info=error)
    assert (only(lines)["error_type"], only(lines)["caused_by"]) == ("ValueError", "KeyError")


def test_a_librarys_line_says_which_logger_and_where(lines: io.StringIO) -> None:
    configure(Settings(log_level="INFO"), lines)
    logging.getLogger("some.library").info("x")
    logging.getLogger("some.library").debug("x")
    line = only(lines)
    place = str(line.pop("at"))
    assert place.startswith("some.library:")
    assert place.partition(":")[2].isdigit()
    assert str(line.pop("timestamp")).endswith("+00:00")
    assert line == {"level": "info", "service": "novamind", "message": "withheld"}
    assert len(logging.getLogger().handlers) == 1


def test_a_stream_that_fails_loses_a_line_and_stops_nobody() -> None:
    tried: list[str] = []

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            tried.append(text)
            raise OSError(28, text)

        def flush(self) -> None:
            raise OSError(28, "full")

    configure(Settings(log_level="INFO"), Full())
    structlog.get_logger().info(DONE)
    logging.getLogger("x").warning("y")
    assert "work done" in tried[0]
    assert "withheld" in tried[-1]


def test_a_key_of_16_bytes_is_enough_for_a_pseudonym() -> None:
    assert len(patient_hash("P-1", b"k" * 16)) == 64
    with pytest.raises(ValidationError, match="at least 16 bytes"):
        patient_hash("P-1", b"k" * 15)
