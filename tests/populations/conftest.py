"""A small world of accounts with known rules, outcome and effect."""

import importlib.util
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

import novamind.populations
from novamind.populations import TwinGenerator

VERSIONS = Path(novamind.populations.__file__).parent / "storage" / "migrations" / "versions"


def revision(name: str) -> ModuleType:
    """A revision of the schema, under a name inside the package."""
    spec = importlib.util.spec_from_file_location(
        f"novamind.populations.migrations.versions.r{name[:4]}", VERSIONS / name
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Coverage decides by the name that a file has first, and Alembic's names are outside of the package.
for path in VERSIONS.glob("*.py"):
    revision(path.name)

QUICK = (
    "specialty",
    "decile",
    "total_patient_volume",
    "target_patient_volume",
    "digital_engagement_score",
    "payments",
    "prescribing_change",
)


def accounts(n, seed=0):
    rng = np.random.default_rng(seed)
    size, digital = rng.normal(size=(2, n))
    state = rng.integers(0, 8, n)
    total = np.round(np.exp(5 + 0.8 * size)).astype(int) + 3
    target = np.floor(total * rng.beta(2, 4, n)).astype(int)
    other = np.floor((total - target) * rng.beta(2, 2, n)).astype(int)
    decile = 10 - np.minimum((np.argsort(np.argsort(target)) * 10) // n, 9)
    tier = np.clip((decile + 1) // 2 + rng.integers(-1, 2, n), 1, 5)
    score = 1 / (1 + np.exp(-digital + 0.3 * rng.normal(size=n)))
    paid = np.where(rng.random(n) < 0.3, np.nan, np.round(np.exp(3 + size), 2))
    y = 0.05 * digital + 0.02 * (10 - decile) / 10 + rng.normal(scale=0.03, size=n)
    return pl.DataFrame(
        {
            "specialty": np.array(["oncology", "hematology", "dermatology", "rare"])[
                np.searchsorted([0.4, 0.7, 0.99], rng.random(n))
            ],
            "state": [f"S{s}" for s in state],
            "region": [f"R{s // 4}" for s in state],
            "decile": decile,
            "priority_tier": tier,
            "total_patient_volume": total,
            "target_patient_volume": target,
            "other_patient_volume": other,
            "digital_engagement_score": score,
            "payments": paid,
            "prescribing_change": y,
        }
    ).with_columns(pl.col("payments").fill_nan(None))


def pilot(n, effect, seed=0):
    frame = accounts(n, seed).drop("payments")
    rng = np.random.default_rng(seed + 1000)
    treated = rng.integers(0, 2, n)
    y = frame["prescribing_change"].to_numpy() + treated * effect(frame)
    return frame.drop("prescribing_change").with_columns(treated=pl.Series(treated), y=pl.Series(y))


@pytest.fixture(scope="session")
def table():
    return accounts(3_000)


@pytest.fixture(scope="session")
def generator(table):
    made = TwinGenerator("hcp", "kisqali")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        made.train(table, "prescribing_change")
    return made


@pytest.fixture(scope="session")
def quick():
    """A generator of a thousand rows and few columns: for what does not ask how well it learned."""
    made = TwinGenerator("hcp", "kisqali", rules=["target_patient_volume <= total_patient_volume"], seed=3)
    frame = accounts(1_000, 8).select(*QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        made.train(frame, "prescribing_change")
    return made


@pytest.fixture(scope="session")
def population(generator):
    return generator.generate(4_000, seed=3)
