"""Configuration: one class, read once from ``NOVAMIND_*`` environment variables, then passed down."""

import base64
import binascii
import os
import string
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from novamind.errors import ValidationError

KEY_BYTES: Final = 32
_FEWEST_DIFFERENT_BYTES: Final = 16  # 32 random bytes have fewer once in 10^10 keys
_PRINTABLE: Final = frozenset(string.printable.encode())
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_NOT_IN_PRODUCTION: Final = ("DEBUG", "TESTING", "NOVAMIND_DEBUG", "NOVAMIND_TESTING")


def random_key(text: str, name: str) -> bytes:
    """Return the 32 random bytes that a base64 text holds; refuse what nobody drew at random.

    Raises
    ------
    ValidationError
        If it is anything else; the message has the name and never the value.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES or len(set(key)) < _FEWEST_DIFFERENT_BYTES or _PRINTABLE.issuperset(key):
        raise ValidationError(f"{name} must be {KEY_BYTES} random bytes in base64; 'novamind keys generate' makes some")
    return key


class Settings(BaseSettings):
    """Everything that can be configured from outside.

    Each field is read from the environment variable of its name with the prefix ``NOVAMIND_``, for
    example ``NOVAMIND_LOG_LEVEL=DEBUG``.
    """

    model_config = SettingsConfigDict(env_prefix="NOVAMIND_", frozen=True, extra="ignore")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="WARNING", description="What is logged, on standard error: DEBUG, INFO, WARNING or ERROR."
    )
    symptom_model_path: Path | None = Field(
        default=None, description="Folder of a fitted symptom model; the shipped one when unset."
    )
    max_forecast_horizon: int = Field(default=30, ge=1, le=30, description="Longest forecast, in days.")
    biometric_model_path: Path | None = Field(
        default=None, description="Folder of a fitted link detector; the shipped one when unset."
    )
    correlation_threshold: float = Field(
        default=0.0, ge=0, lt=1, description="Links with a smaller effect are not reported, after the decision."
    )
    cache_entries: int = Field(default=1024, ge=1, description="Series whose forecasts are kept in memory.")
    cache_ttl: float = Field(default=900, gt=0, description="Seconds for which a forecast is kept in memory.")
    max_file_bytes: int = Field(
        default=256 * 1024 * 1024, gt=0, description="Largest file that is read; larger ones are refused."
    )
    max_fhir_bytes: int = Field(default=64 * 1024 * 1024, gt=0, description="Largest FHIR file or folder that is read.")
    max_fhir_resources: int = Field(default=50_000, gt=0, description="Most resources that one FHIR import may hold.")
    database_url: SecretStr = Field(
        default=SecretStr("sqlite:///novamind.db"),
        description="Database of the patients (SQLite or PostgreSQL); it may hold a password and is never shown.",
    )
    database_seconds: float = Field(
        default=3.0, gt=0, le=60, description="How long a request waits for PostgreSQL before it is answered 503."
    )
    environment: Literal["development", "production"] = Field(
        default="development", description="Production refuses to start without keys of its own."
    )
    key_provider: Literal["file", "environment", "transit"] = Field(
        default="file",
        description="Where the key that wraps all others is: a file (development only), the environment, a KMS.",
    )
    key_file: Path = Field(default=Path("novamind-keys.json"), description="Keys of the file provider; made if absent.")
    encryption_key: SecretStr | None = Field(default=None, description="32 random bytes, base64: wraps data keys.")
    previous_encryption_keys: SecretStr | None = Field(
        default=None, description="Earlier encryption keys, separated by commas; needed until 'keys retire' has run."
    )
    index_key: SecretStr | None = Field(default=None, description="32 random bytes, base64: blind index, pseudonyms.")
    audit_signing_key: SecretStr | None = Field(
        default=None, description="32 random bytes, base64: the Ed25519 key that signs the audit's checkpoints."
    )
    audit_witness: Path | None = Field(
        default=None, description="File outside the database to which each checkpoint of the audit is added."
    )
    transit_url: str | None = Field(default=None, description="KMS with the Transit interface of OpenBao and Vault.")
    transit_token: SecretStr | None = Field(default=None, description="Token for that KMS.")
    transit_key: str = Field(
        default="novamind", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name of the key within that KMS."
    )
    redcap_token: SecretStr | None = Field(
        default=None, description="API token of a REDCap project, for 'novamind import redcap'."
    )
    jwt_secret: SecretStr | None = Field(
        default=None, description="32 random bytes, base64: signs access tokens; needed to serve in production."
    )
    previous_jwt_secret: SecretStr | None = Field(
        default=None, description="Its predecessor, for as long as tokens that it signed may live."
    )
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        pattern=r"^https?://[^/\s]+$",
        description="Where callers reach the server; the issuer of its tokens.",
    )
    serve_only: tuple[str, ...] = Field(default=(), description="Rooms, as JSON, to serve alone, without patients.")
    allowed_hosts: tuple[str, ...] = Field(
        default=("127.0.0.1", "localhost", "[::1]"), description="Host names, as JSON, under which the server answers."
    )
    allowed_origins: tuple[str, ...] = Field(
        default=(), description="Web origins, as JSON, beside its own that may open WebSockets or send forms."
    )
    cds_clients: Path | None = Field(
        default=None,
        description="JSON file of EHRs that sign their own CDS Hooks tokens: issuer to {'jwks': ..., 'jku': ...}.",
    )
    cds_fhir_servers: tuple[str, ...] = Field(
        default=(), description="Origins, as JSON, of FHIR servers read for what a CDS Hooks request left out."
    )
    device_services: Path | None = Field(
        default=None,
        description="JSON file of makers with which Novamind is registered (Oura, Fitbit, Withings): client_id and "
        "client_secret of each.",
    )
    access_token_seconds: int = Field(default=300, ge=1, le=3600, description="For how long an access token lives.")
    session_idle_seconds: int = Field(default=1800, ge=1, description="Silence after which a session ends.")
    session_seconds: int = Field(default=12 * 3600, ge=1, description="Age at which a session ends in any case.")
    emergency_seconds: int = Field(default=900, ge=1, le=3600, description="For how long an emergency opens a record.")
    login_attempts: int = Field(default=10, ge=1, description="Logins of one account in a window, until one succeeds.")
    login_failures_per_address: int = Field(default=30, ge=1, description="Failed logins from one address in a window.")
    login_window_seconds: int = Field(default=900, ge=1, description="Length of that window.")
    require_second_factor: bool | None = Field(
        default=None, description="Whether people need a second factor; in production they do unless this says no."
    )
    max_table_bytes: int = Field(default=64 * 1024 * 1024, gt=0, description="Largest table to train twins on.")
    max_body_bytes: int = Field(default=1024 * 1024, gt=0, description="Largest request but for files.")
    redis_url: SecretStr | None = Field(default=None, description="Shared cache; each process keeps its own if unset.")
    retention_days: int = Field(default=3650, ge=1, description="Age in days at which 'novamind purge' deletes.")
    model_storage_url: str | None = Field(default=None, description="Folder or s3:// URL of signed models.")
    model_public_key: str | None = Field(
        default=None, description="Ed25519 public key, base64, by which models of the storage must be signed."
    )
    population_database_url: str = Field(
        default="sqlite:///novamind_populations.db",
        description="Database of the population twins (SQLite or PostgreSQL).",
    )
    population_dir: Path = Field(
        default=Path("novamind_populations"), description="Folder of the population shards (Parquet)."
    )

    def __init__(self, **values: object) -> None:
        super().__init__(**values)  # type: ignore[arg-type]  # fields by name
        # Here and not in a validator: pydantic would wrap our error, which is a ValueError, into one of its own.
        self._check_keys()

    def _check_keys(self) -> None:
        if self.environment == "production":
            self._refuse_development()
        keys = {
            name: self.key(name)
            for name in ("encryption_key", "index_key", "audit_signing_key", "jwt_secret")
            if self.has(name)
        }
        if len(set(keys.values())) < len(keys):
            raise ValidationError(f"{' and '.join(map(_variable, keys))} must differ from each other")

    def has(self, name: str) -> bool:
        """Return whether the secret of this field is set."""
        return getattr(self, name) is not None

    def key(self, name: str) -> bytes:
        """Return the 32 random bytes of a field that holds a key.

        Raises
        ------
        ValidationError
            If it is not set, or was not drawn at random.
        """
        secret: SecretStr | None = getattr(self, name)
        return random_key(secret.get_secret_value() if secret else "", _variable(name))

    @property
    def second_factor_needed(self) -> bool:
        """Whether people need a second factor."""
        return self.environment == "production" if self.require_second_factor is None else self.require_second_factor

    def _refuse_development(self) -> None:
        for name in _NOT_IN_PRODUCTION:
            if os.environ.get(name, "").strip().lower() not in ("", "0", "false", "no", "off"):
                raise ValidationError(f"{name} must not be set in production")
        if self.key_provider == "file":
            raise ValidationError("NOVAMIND_KEY_PROVIDER must be 'environment' or 'transit' in production")
        needed = {"environment": ["encryption_key"], "transit": ["transit_url", "transit_token"]}[self.key_provider]
        if missing := [name for name in (*needed, "index_key", "audit_signing_key") if not self.has(name)]:
            raise ValidationError(f"{', '.join(map(_variable, missing))} must be set in production")
        if self.key_provider == "transit" and not str(self.transit_url).startswith("https://"):
            raise ValidationError("NOVAMIND_TRANSIT_URL must begin with https:// in production")
        database, redis = self.database_url.get_secret_value(), self.redis_url and self.redis_url.get_secret_value()
        if _leaves_the_machine(database) and _query(database).get("ssl") != ["verify-full"]:
            raise ValidationError("NOVAMIND_DATABASE_URL must have ?ssl=verify-full in production, or lead to a socket")
        if redis and _leaves_the_machine(redis):
            weakened = _query(redis).keys() & {"ssl_cert_reqs", "ssl_check_hostname"}
            if weakened or not redis.startswith("rediss://"):
                raise ValidationError("NOVAMIND_REDIS_URL must be rediss:// with certificates checked in production")


def _variable(name: str) -> str:
    return f"NOVAMIND_{name.upper()}"


def _query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


def _leaves_the_machine(url: str) -> bool:
    """Return whether a URL leads to a host other than this; a path is a socket's."""
    hosts = [unquote(urlsplit(url).hostname or ""), *_query(url).get("host", [])]
    return any(host and host not in _LOOPBACK and not host.startswith("/") for host in hosts)
