"""What a record holds, as it comes with a request."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


def _sane_year(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 2200:
        raise ValueError("lies outside 1900 to 2200")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_sane_year)]


class Stretch(BaseModel):
    """A stretch of one signal."""

    model_config = ConfigDict(extra="forbid")
    signal: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$", examples=["sleep_duration"], description="Name of the signal.")
    ]
    unit: Annotated[str, Field(min_length=1, max_length=20, examples=["h"], description="Unit of the values.")]
    timestamps: Annotated[list[Moment], Field(min_length=1, max_length=20_000, description="With offset.")]
    values: Annotated[
        list[Annotated[float, Field(allow_inf_nan=False)]],
        Field(min_length=1, max_length=20_000, description="One a timestamp."),
    ]
