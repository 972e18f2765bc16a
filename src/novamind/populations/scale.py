"""Populations larger than one memory: drawn and simulated shard by shard, by processes or on a Ray cluster.

A shard is drawn from the seed and its own number alone, and shards are summed in their order, so any number of
workers gives the same twins and the same result, bit by bit. Workers write Parquet; the caller's process holds
file names, sums and a sample of 5,000 twins.
"""

import importlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from novamind.errors import DataProcessingError, InsufficientDataError, ServiceUnavailableError, ValidationError
from novamind.populations.domain import InterventionConfig, PopulationFilter, checked_seed
from novamind.populations.generation import shards
from novamind.populations.generation.generator import BLOCK, TwinGenerator
from novamind.populations.interventions.evidence import SAMPLE
from novamind.populations.interventions.simulation_engine import SimulationEngine, Tally
from novamind.populations.population import TwinPopulation
from novamind.populations.results import SimulationResult
from novamind.populations.table import concatenate

Workers = Literal["processes", "ray"]
Filters = PopulationFilter | Mapping[str, Any] | None

_MODEL: Final = "twins.model"
_BLOCKS: Final = max(shards.ROWS // BLOCK, 1)


@dataclass(frozen=True)
class ShardedPopulation:
    """A population that lies in Parquet files.

    Parameters
    ----------
    head
        The population without its twins.
    folder
        Where the shards and the model lie; on a cluster a folder that every node sees.
    files, rows
        Name and number of twins of each shard, in order.
    """

    head: TwinPopulation
    folder: Path
    files: tuple[str, ...]
    rows: tuple[int, ...]

    def __len__(self) -> int:
        return sum(self.rows)

    def shard(self, number: int) -> TwinPopulation:
        """Load one shard."""
        path = self.folder / self.files[number]
        if not path.is_file():
            raise DataProcessingError(f"shard {number} of the population is absent; generate it again")
        features, outcomes = shards.read(path)
        table = replace(self.head.features, values=features)
        return replace(self.head, features=table, first_index=sum(self.rows[:number]), **outcomes)


def generate(
    generator: TwinGenerator,
    n: int,
    folder: str | Path,
    filters: Filters = None,
    *,
    seed: int = 0,
    workers: int = 1,
    engine: Workers = "processes",
) -> ShardedPopulation:
    """Draw ``n`` twins into Parquet shards: the twins of `TwinGenerator.generate` with the same seed.

    Parameters
    ----------
    folder
        Where to write; made if absent.
    workers
        Processes at a time, at least 1.
    engine
        ``processes`` on this machine, or ``ray`` on the cluster that this process belongs to (one of ``workers``
        processes is started where there is none; extra ``scale``).

    Raises
    ------
    ValidationError, InsufficientDataError, ModelInferenceError
        As `TwinGenerator.generate`; also if the folder holds a population already.
    ServiceUnavailableError
        If Ray is asked for and not installed.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValidationError("the number of twins must be a whole number of at least 1")
    place, seed, n = Path(folder), checked_seed(seed), int(n)
    place.mkdir(parents=True, exist_ok=True)
    if any(place.glob("twins-*.parquet")):
        raise ValidationError("the folder holds a population already; name another one")
    stamp = generator.save(place / _MODEL).stat().st_mtime_ns
    head = generator.generate(1, filters, seed).take(np.arange(0))
    blocks = range(math.ceil(n / BLOCK))
    starts = range(0, len(blocks), _BLOCKS)
    jobs = [(str(place), stamp, i, n, blocks[start : start + _BLOCKS], filters, seed) for i, start in enumerate(starts)]
    written = list(_each(_draw_shard, jobs, workers, engine))
    files, rows = zip(*written, strict=True)
    return ShardedPopulation(head, place, files, rows)


def simulate(
    population: ShardedPopulation,
    engine_of: Callable[[TwinPopulation], SimulationEngine],
    intervention: InterventionConfig,
    filters: Filters = None,
    *,
    workers: int = 1,
    engine: Workers = "processes",
) -> SimulationResult:
    """Simulate a campaign on every shard.

    Parameters
    ----------
    engine_of
        Makes the simulation engine of a shard, such as ``functools.partial(SimulationEngine, evidence=evidence)``.

    Returns
    -------
    SimulationResult
        As of `SimulationEngine.simulate`; ``individual_effects`` is empty, because they lie beside the shards in
        ``effects-00000.parquet`` and so on.

    Raises
    ------
    InsufficientDataError
        If no twin matches the filters.
    """
    each = math.ceil(SAMPLE / len(population.files))
    jobs = [(population, engine_of, intervention, filters, number, each) for number in range(len(population.files))]
    tally, sample = Tally(), []
    for shard_tally, some in _each(_simulate_shard, jobs, workers, engine):
        tally = tally + shard_tally
        sample.append(some)
    if not tally.twins:
        raise InsufficientDataError("no twin of the population matches the filters; relax one of them")
    twins = replace(population.head.features, values=concatenate([some for some in sample if some]))
    return engine_of(population.head).conclude(tally, twins, intervention)


def _draw_shard(
    folder: str, stamp: int, shard: int, n: int, blocks: range, filters: Filters, seed: int
) -> tuple[str, int]:
    generator = _model(f"{folder}/{_MODEL}", stamp)
    drawn = concatenate([generator.draw_block(n, block, filters, seed) for block in blocks])
    part = generator.population(drawn, filters, seed)
    name = f"twins-{shard:05d}.parquet"
    shards.write(part, np.arange(len(part)), Path(folder) / name)
    return name, len(part)


def _simulate_shard(
    population: ShardedPopulation,
    engine_of: Callable[[TwinPopulation], SimulationEngine],
    intervention: InterventionConfig,
    filters: Filters,
    number: int,
    sample: int,
) -> tuple[Tally, Mapping[str, NDArray[Any]]]:
    import polars as pl

    part = population.shard(number)
    kept = population.folder / f"effects-{number:05d}.parquet"
    try:
        rows = np.flatnonzero(part.select(filters)) if filters is not None else np.arange(len(part))
    except InsufficientDataError:
        kept.unlink(missing_ok=True)
        return Tally(), {}
    twins = part.features.take(rows)
    tally, individual = engine_of(part).tally(twins, intervention)
    pl.DataFrame({"row": rows + part.first_index, "effect": individual}).write_parquet(kept)
    some = np.linspace(0, len(rows) - 1, min(sample, len(rows))).astype(np.int64)
    return tally, twins.take(some).values


@lru_cache(maxsize=1)
def _model(path: str, stamp: int) -> TwinGenerator:
    del stamp  # Another model under the same path has another time of writing.
    return TwinGenerator.load(path)


def _each(task: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], workers: int, engine: Workers) -> Iterator[Any]:
    """Return the results of the task over the jobs, in the order of the jobs."""
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValidationError("workers must be a whole number of at least 1")
    if engine == "ray":
        yield from _on_ray(task, jobs, workers)
    elif engine != "processes":
        raise ValidationError("engine must be 'processes' or 'ray'")
    elif workers == 1:
        yield from (task(*job) for job in jobs)
    else:
        # Fresh processes: a copy of this one would hold its memory and its threads' locks.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield from pool.map(task, *zip(*jobs, strict=True))


def _on_ray(task: Callable[..., Any], jobs: Iterable[tuple[Any, ...]], workers: int) -> Iterator[Any]:
    try:
        ray: Any = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise ServiceUnavailableError("a Ray cluster needs the extra 'scale': pip install 'novamind[scale]'") from error
    started = not ray.is_initialized()
    if started:
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    try:
        remote = ray.remote(num_cpus=1)(task)
        for result in [remote.remote(*job) for job in jobs]:
            try:
                yield ray.get(result)
            except ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from error
    finally:
        if started:
            ray.shutdown()
