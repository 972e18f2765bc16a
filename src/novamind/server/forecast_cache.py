"""Forecasts as REST and the live connection send them, kept sealed until the record changes."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from novamind.clinic import Clinic
from novamind.infrastructure.cache import SealedCache
from novamind.infrastructure.identity.domain import Principal
from novamind.symptoms.codec import ForecastsBody


class ForecastCache:
    """Forecasts in their JSON form.

    Parameters
    ----------
    clinic
        Says who may, and forecasts.
    cache
        Where they are kept.
    model_version
        Of the model that forecasts; another one never answers from this one's.
    """

    def __init__(self, clinic: Clinic, cache: SealedCache, model_version: str) -> None:
        self._clinic = clinic
        self._cache = cache
        self._model_version = model_version

    async def json(
        self, caller: Principal, patient_id: UUID, horizon: int, threshold: float | None, *, explain: bool = False
    ) -> bytes:
        """Return the JSON of a :class:`ForecastsBody`, out of the cache if nothing has changed.

        Starts of treatment count by the day, so that a forecast of yesterday is no forecast of today.
        """
        access, revision = await self._clinic.revision(caller, patient_id)
        today = datetime.now(UTC).date().isoformat()
        what = ("forecast", self._model_version, today, str(horizon), str(threshold), str(explain))
        kept = await self._cache.get(patient_id, revision, *what)
        if kept is not None:
            await self._clinic.note_forecast_read(access, patient_id)
            return kept
        forecasts = await self._clinic.forecast(caller, patient_id, horizon)
        made = await asyncio.to_thread(
            lambda: ForecastsBody.of(forecasts, threshold, explain=explain).model_dump_json().encode()
        )
        await self._cache.put(patient_id, revision, *what, value=made)
        return made
