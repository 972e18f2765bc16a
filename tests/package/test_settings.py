"""Every setting has the default and the bounds that stand here a second time; production refuses what is weak."""

import base64
import random
from pathlib import Path
from typing import Any, get_args

import pydantic
import pytest
from pydantic import SecretStr

from novamind.errors import ValidationError
from novamind.settings import KEY_BYTES, Settings, _leaves_the_machine, random_key

MIB = 1024 * 1024

#: Default, and the values just inside and just outside of each bound.
TABLE: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "log_level": ("WARNING", ["DEBUG", "INFO", "WARNING", "ERROR"], ["debug", "CRITICAL", ""]),
    "symptom_model_path": (None, ["a"], []),
    "max_forecast_horizon": (30, [1, 30], [0, 31, 1.5]),
    "biometric_model_path": (None, ["a"], []),
    "correlation_threshold": (0.0, [0, 0.999], [-0.001, 1]),
    "cache_entries": (1024, [1], [0]),
    "cache_ttl": (900.0, [0.001], [0]),
    "max_file_bytes": (268_435_456, [1], [0]),
    "max_fhir_bytes": (67_108_864, [1], [0]),
    "max_fhir_resources": (50_000, [1], [0]),
    "database_url": ("sqlite:///novamind.db", [], []),
    "database_seconds": (3.0, [0.1, 60], [0, -1, 60.1]),
    "environment": ("development", ["development"], ["test", "PRODUCTION", ""]),
    "key_provider": ("file", ["file", "environment", "transit"], ["vault", ""]),
    "key_file": (Path("novamind-keys.json"), ["a"], []),
    "encryption_key": (None, [], []),
    "previous_encryption_keys": (None, [], []),
    "index_key": (None, [], []),
    "audit_signing_key": (None, [], []),
    "audit_witness": (None, ["a"], []),
    "transit_url": (None, ["http://kms"], []),
    "transit_token": (None, ["t"], []),
    "transit_key": ("novamind", ["A-z_9", "a" * 64], ["", "a" * 65, "a/b"]),
    "redcap_token": (None, [], []),
    "jwt_secret": (None, [], []),
    "previous_jwt_secret": (None, [], []),
    "public_url": ("http://127.0.0.1:8000", ["https://a", "http://b:1"],
                   ["ftp://a", "https://a/b", "http://", "a", "http://a b", "xhttp://a"]),
    "serve_only": ((), [("symptoms",)], []),
    "allowed_hosts": (("127.0.0.1", "localhost", "[::1]"), [("a",)], []),
    "allowed_origins": ((), [("https://a",)], []),
    "cds_clients": (None, ["a"], []),
    "cds_fhir_servers": ((), [("https://a",)], []),
    "device_services": (None, ["a"], []),
    "access_token_seconds": (300, [1, 3600], [0, 3601]),
    "session_idle_seconds": (1800, [1], [0]),
    "session_seconds": (43_200, [1], [0]),
    "emergency_seconds": (900, [1, 3600], [0, 3601]),
    "login_attempts": (10, [1], [0]),
    "login_failures_per_address": (30, [1], [0]),
    "login_window_seconds": (900, [1], [0]),
    "require_second_factor": (None, [True, False], ["perhaps"]),
    "max_table_bytes": (64 * MIB, [1], [0]),
    "max_body_bytes": (MIB, [1], [0]),
    "redis_url": (None, ["redis://a"], []),
    "retention_days": (3650, [1], [0]),
    "model_storage_url": (None, ["s3://a"], []),
    "model_public_key": (None, ["a"], []),
    "population_database_url": ("sqlite:///novamind_populations.db", ["sqlite:///a"], []),
    "population_dir": (Path("novamind_populations"), ["a"], []),
}  # fmt: skip

SECRET = {
    "database_url", "encryption_key", "previous_encryption_keys", "index_key", "audit_signing_key", "transit_token",
    "redcap_token", "jwt_secret", "previous_jwt_secret", "redis_url",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the machine that runs the tests do not count."""
    for name in TABLE:
        monkeypatch.delenv(f"NOVAMIND_{name.upper()}", raising=False)
    for name in ("DEBUG", "TESTING", "NOVAMIND_DEBUG", "NOVAMIND_TESTING"):
        monkeypatch.delenv(name, raising=False)


def test_every_setting_stands_in_the_table() -> None:
    assert list(Settings.model_fields) == list(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_the_default(name: str) -> None:
    value = getattr(Settings(), name)
    assert (value.get_secret_value() if isinstance(value, SecretStr) else value) == TABLE[name][0]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, row in TABLE.items() for value in row[1]])
def test_what_is_just_inside_is_taken(name: str, value: Any) -> None:
    taken = getattr(Settings(**{name: value}), name)
    plain = taken.get_secret_value() if isinstance(taken, SecretStr) else taken
    assert plain == (Path(value) if isinstance(taken, Path) else value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, row in TABLE.items() for value in row[2]])
def test_what_is_just_outside_is_refused(name: str, value: Any) -> None:
    with pytest.raises(pydantic.ValidationError, match=name):
        Settings(**{name: value})


def test_secrets_are_never_shown() -> None:
    secret = {
        name
        for name, field in Settings.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    }
    assert secret == SECRET
    assert "CANARY" not in repr(Settings(database_url="sqlite:///CANARY", redis_url="redis://CANARY"))


def test_settings_come_from_the_environment_and_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVAMIND_CACHE_ENTRIES", "7")
    monkeypatch.setenv("NOVAMIND_SERVE_ONLY", '["symptoms"]')
    monkeypatch.setenv("NOVAMIND_NO_SUCH_THING", "1")
    settings = Settings(unknown_too=1)
    assert (settings.cache_entries, settings.serve_only) == (7, ("symptoms",))
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        settings.cache_entries = 8  # type: ignore[misc]


# -- keys --------------------------------------------------------------------------------------------------------------


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def drawn(seed: int) -> bytes:
    return random.Random(seed).randbytes(32)


@pytest.mark.parametrize(
    ("key", "right"),
    [
        (text(drawn(0)), True),
        (f" {text(drawn(0))}\n", True),
        (text(drawn(0)[:31]), False),
        (text(drawn(0) + b"\xff"), False),
        (text(bytes(range(128, 144)) * 2), True),  # 16 different bytes
        (text((bytes(range(128, 143)) + b"\x80") * 2), False),  # 15
        (text(b"abcdefghijklmnopqrstuvwxyzABCDEF"), False),  # printable
        (text(b"abcdefghijklmnopqrstuvwxyzABCDE\xff"), True),
        (text(drawn(0))[:-1], False),
        ("!" + text(drawn(0)), False),
        ("ü", False),
        ("", False),
    ],
)
def test_a_key_is_32_bytes_that_somebody_drew(key: str, right: bool) -> None:
    assert KEY_BYTES == 32
    if right:
        assert random_key(key, "X") == base64.b64decode(key.strip())
    else:
        with pytest.raises(ValidationError, match=r"^X must be 32 random bytes in base64; 'novamind keys"):
            random_key(key, "X")


NAMES = ("encryption_key", "index_key", "audit_signing_key", "jwt_secret")
KEYS = {name: text(drawn(i)) for i, name in enumerate(NAMES)}


@pytest.mark.parametrize("name", NAMES)
def test_a_key_is_read_by_its_name(name: str) -> None:
    settings = Settings(**KEYS)
    assert settings.key(name) == base64.b64decode(KEYS[name])
    assert settings.has(name)
    assert not Settings().has(name)
    with pytest.raises(ValidationError, match=f"NOVAMIND_{name.upper()} must be 32 random bytes"):
        Settings().key(name)


@pytest.mark.parametrize(("one", "other"), [(a, b) for i, a in enumerate(NAMES) for b in NAMES[i + 1 :]])
def test_keys_differ_from_each_other_everywhere(one: str, other: str) -> None:
    message = f"NOVAMIND_{one.upper()} and NOVAMIND_{other.upper()} must differ from each other"
    with pytest.raises(ValidationError, match=message):
        Settings(**{one: KEYS[one], other: KEYS[one]})


@pytest.mark.parametrize(
    ("environment", "asked", "needed"),
    [
        ("development", None, False), ("production", None, True), ("development", True, True),
        ("production", False, False),
    ],
)  # fmt: skip
def test_a_second_factor_is_needed_in_production_unless_said_otherwise(
    environment: str, asked: bool | None, needed: bool
) -> None:
    settings = Settings(**(SAFE | {"environment": environment, "require_second_factor": asked}))
    assert settings.second_factor_needed is needed


# -- production --------------------------------------------------------------------------------------------------------

SAFE: dict[str, Any] = {"environment": "production", "key_provider": "environment"} | KEYS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key_provider": "file"}, "NOVAMIND_KEY_PROVIDER must be 'environment' or 'transit'"),
        ({"encryption_key": None}, "^NOVAMIND_ENCRYPTION_KEY must be set"),
        ({"index_key": None}, "^NOVAMIND_INDEX_KEY must be set"),
        ({"audit_signing_key": None}, "^NOVAMIND_AUDIT_SIGNING_KEY must be set"),
        ({"encryption_key": None, "index_key": None}, "^NOVAMIND_ENCRYPTION_KEY, NOVAMIND_INDEX_KEY must be set"),
        ({"key_provider": "transit"}, "^NOVAMIND_TRANSIT_URL, NOVAMIND_TRANSIT_TOKEN must be set"),
        ({"key_provider": "transit", "transit_url": "https://a"}, "^NOVAMIND_TRANSIT_TOKEN must be set"),
        (
            {"key_provider": "transit", "transit_url": "http://a", "transit_token": "t"},
            "NOVAMIND_TRANSIT_URL must begin",
        ),
    ],
)
def test_production_needs_its_keys(change: dict[str, Any], message: str) -> None:
    Settings(**SAFE)
    with pytest.raises(ValidationError, match=message):
        Settings(**(SAFE | change))
    Settings(**(SAFE | change | {"environment": "development"}))


def test_production_with_a_kms_needs_no_encryption_key() -> None:
    kms = {"key_provider": "transit", "transit_url": "https://a", "transit_token": "t", "encryption_key": None}
    assert not Settings(**(SAFE | kms)).has("encryption_key")


@pytest.mark.parametrize("name", ["DEBUG", "TESTING", "NOVAMIND_DEBUG", "NOVAMIND_TESTING"])
@pytest.mark.parametrize(
    ("value", "refused"),
    [("1", True), ("yes", True), ("", False), (" 0 ", False), ("False", False), ("NO", False), ("off", False)],
)
def test_production_is_not_debugged(name: str, value: str, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    if refused:
        with pytest.raises(ValidationError, match=f"^{name} must not be set in production"):
            Settings(**SAFE)
    else:
        Settings(**SAFE)


@pytest.mark.parametrize(
    ("url", "leaves"),
    [
        ("sqlite:///novamind.db", False),
        ("postgresql://u:p@localhost/db", False),
        ("postgresql://u:p@127.0.0.1/db", False),
        ("postgresql://u:p@[::1]:5432/db", False),
        ("postgresql://u:p@db.example/db", True),
        ("postgresql://u:p@127.0.0.2/db", True),
        ("postgresql://u:p@%2Fvar%2Frun/db", False),
        ("postgresql://u:p@/db?host=/var/run", False),
        ("postgresql://u:p@/db?host=db.example", True),
        ("postgresql://u:p@localhost/db?host=/var/run&host=db.example", True),
        ("postgresql://u:p@/db", False),
    ],
)
def test_which_databases_are_on_another_machine(url: str, leaves: bool) -> None:
    assert _leaves_the_machine(url) is leaves
    if leaves:
        with pytest.raises(ValidationError, match=r"NOVAMIND_DATABASE_URL must have \?ssl=verify-full"):
            Settings(**SAFE, database_url=url)
        mark = "&" if "?" in url else "?"
        Settings(**SAFE, database_url=f"{url}{mark}ssl=verify-full")
        for weak in ("ssl=require", "ssl=verify-full&ssl=disable", "sslmode=verify-full"):
            with pytest.raises(ValidationError, match="verify-full"):
                Settings(**SAFE, database_url=f"{url}{mark}{weak}")
    else:
        Settings(**SAFE, database_url=url)


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("redis://localhost", True),
        ("unix:///run/redis.sock", True),
        ("redis://cache.example", False),
        ("rediss://cache.example", True),
        ("rediss://cache.example?ssl_cert_reqs=none", False),
        ("rediss://cache.example?ssl_check_hostname=false", False),
        ("rediss://cache.example?db=1", True),
    ],
)
def test_a_cache_on_another_machine_is_reached_under_checked_certificates(url: str, right: bool) -> None:
    Settings(redis_url=url)
    if right:
        Settings(**SAFE, redis_url=url)
    else:
        with pytest.raises(ValidationError, match="NOVAMIND_REDIS_URL must be rediss:// with certificates checked"):
            Settings(**SAFE, redis_url=url)
