"""The front door: rooms by name, one family of errors, and a shell that ends with one clear line."""

import sys

import pytest

import novamind
from novamind import cli, errors

ROOMS = (
    "biometrics", "cohorts", "drugs", "neurochemistry", "pharmacogenomics", "populations", "records", "symptoms",
    "timeline", "twin",
)  # fmt: skip


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_is_found_by_its_name(name: str) -> None:
    # Straight from the door: a room that was imported before stands in the package by itself.
    assert novamind.__getattr__(name).__name__ == f"novamind.{name}"
    assert getattr(novamind, name) is sys.modules[f"novamind.{name}"]


def test_the_front_door_shows_what_it_has() -> None:
    from novamind.twin import PatientTwin

    assert novamind.PatientTwin is PatientTwin
    assert novamind.__getattr__("PatientTwin") is PatientTwin
    assert {*ROOMS, "PatientTwin", "__version__"} <= set(dir(novamind))
    assert novamind.__version__ == "0.1.0"
    assert dir(novamind).count("PatientTwin") == 1


def test_errors_are_one_family() -> None:
    parents: dict[str, tuple[type[Exception], ...]] = {
        "ValidationError": (errors.NovamindError, ValueError),
        "OutdatedError": (errors.ValidationError,),
        "InsufficientDataError": (errors.ValidationError,),
        "DataProcessingError": (errors.NovamindError,),
        "ModelInferenceError": (errors.NovamindError,),
        "ServiceUnavailableError": (errors.NovamindError,),
        "AuthenticationError": (errors.NovamindError,),
        "AuthorizationError": (errors.NovamindError,),
        "NotFoundError": (errors.NovamindError, LookupError),
    }
    for name, bases in parents.items():
        assert getattr(errors, name).__bases__ == bases
    assert errors.NovamindError.__bases__ == (Exception,)


class BrokenError(Exception):
    """What a command of the tests does."""


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    monkeypatch.setattr(sys, "argv", ["novamind", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


def test_without_a_command_the_shell_shows_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not run(monkeypatch)
    page = capsys.readouterr().out
    assert page.startswith("Usage: ")
    assert "Digital twins for psychiatry." in page
    for command in (
        "forecast",
        "demo",
        "correlate",
        "medications",
        "simulate",
        "wearables",
        "insights",
        "purge",
        "serve",
        "train",
        "twins",
        "keys",
        "audit",
        "users",
    ):
        assert f"\n  {command} " in page, command
    assert "--install-completion" not in page
    assert not run(monkeypatch, "train", "--help")
    page = capsys.readouterr().out
    assert "Make a room's models again, or fit them on your own data." in page
    assert {"symptoms", "biometrics", "neurochemistry"} <= set(page.split())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("dreams",), "novamind: No such command 'dreams'."),
        (("forecast",), "novamind: Missing argument 'file'."),
        (("demo", "--horizon", "many"), "novamind: Invalid value for '--horizon': Input should be a valid integer"),
        (("forecast", "none.csv", "--scale", "0,10"), None),
    ],
)
def test_a_wrong_call_ends_with_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], line: str | None
) -> None:
    assert run(monkeypatch, *words) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n") == 1
    assert written.err.startswith("novamind: ")
    if line is not None:
        assert written.err.startswith(line.rstrip("."))


def test_wrong_settings_are_named_with_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOVAMIND_CACHE_ENTRIES", "0")
    monkeypatch.setenv("NOVAMIND_LOG_LEVEL", "LOUD")
    assert run(monkeypatch, "demo", "--json") == 2
    line = capsys.readouterr().err
    assert line.startswith("novamind: the configuration cannot be used: NOVAMIND_LOG_LEVEL: Input should be 'DEBUG',")
    assert "; NOVAMIND_CACHE_ENTRIES: Input should be greater than or equal to 1\n" in line


def test_the_logs_are_set_up_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from novamind.infrastructure import logs

    seen: list[str] = []

    def configured(settings: object) -> None:
        seen.append(settings.log_level)  # type: ignore[attr-defined]
        raise errors.DataProcessingError("stop here")

    monkeypatch.setattr(logs, "configure", configured)
    monkeypatch.setenv("NOVAMIND_LOG_LEVEL", "INFO")
    assert run(monkeypatch, "demo", "--json") == 2
    assert seen == ["INFO"]


def test_a_command_s_own_code_is_the_shell_s(monkeypatch: pytest.MonkeyPatch) -> None:
    for code in (None, 3):
        monkeypatch.setattr(
            cli, "app", lambda code=code, **options: code if options == {"standalone_mode": False} else 9
        )
        assert run(monkeypatch) == code


def test_what_nobody_can_put_right_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise BrokenError

    monkeypatch.setattr(cli, "app", broken)
    monkeypatch.setattr(sys, "argv", ["novamind"])
    with pytest.raises(BrokenError):
        cli.main()
