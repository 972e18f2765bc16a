"""Configuration: one class, read once from ``NOVAMIND_*`` environment variables, then passed down."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything that can be configured from outside.

    Each field is read from the environment variable of its name with the prefix ``NOVAMIND_``, for
    example ``NOVAMIND_LOG_LEVEL=DEBUG``.
    """

    model_config = SettingsConfigDict(env_prefix="NOVAMIND_", frozen=True, extra="ignore")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
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
    cache_entries: int = Field(default=256, ge=1, description="Forecast batches kept in memory.")
    cache_ttl: float = Field(default=900, gt=0, description="Seconds for which a forecast is kept in memory.")
    max_file_bytes: int = Field(
        default=256 * 1024 * 1024, gt=0, description="Largest file that is read; larger ones are refused."
    )
    population_database_url: str = Field(
        default="sqlite:///novamind_populations.db",
        description="Database of the population twins (SQLite or PostgreSQL).",
    )
    population_dir: Path = Field(
        default=Path("novamind_populations"), description="Folder of the population shards (Parquet)."
    )
