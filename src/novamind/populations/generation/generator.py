"""Train on a table, draw a population that keeps its joint distribution."""

import io
import json
import warnings as python_warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from novamind.errors import InsufficientDataError, ModelInferenceError, ValidationError
from novamind.populations import ports, wall
from novamind.populations.domain import (
    DEFAULT_TARGET,
    Brand,
    PopulationFilter,
    TwinType,
    checked_seed,
)
from novamind.populations.filters import Condition, matching, resolve
from novamind.populations.generation import model_archive, outcome_model, rules
from novamind.populations.generation.outcome_model import OutcomeModel
from novamind.populations.generation.privacy import nudge_copies, row_hashes
from novamind.populations.generation.private_marginals import DifferentialPrivacy
from novamind.populations.generation.sequential_trees import HINT, SequentialTrees
from novamind.populations.population import TwinPopulation
from novamind.populations.results import TwinModelMetrics
from novamind.populations.table import Arrays, Table, concatenate, read

MIN_ROWS: Final = 1_000
BLOCK: Final = 50_000
"""Twins per block. Each block has its own random stream, so any split of the work gives the same twins."""
FIDELITY_FOR_FOREST_ALONE: Final = 0.75
_MAX_TWINS: Final = 1 << 31
_MEAN, _LOW, _HIGH = "\0mean", "\0low", "\0high"


class TwinGenerator:
    """Population twins of one type for one brand.

    Parameters
    ----------
    twin_type
        ``hcp``, ``patient`` or ``territory``.
    brand
        A `Brand` or any other brand's name.
    rules
        Hard rules to keep beside those learned, as ``"a + b <= c"`` or ``"a + b == c"``.
    seed
        Seed of training.
    privacy
        Train on a private table drawn in the place of the real one: the model, its metrics and all its twins keep
        the promise. Only declared rules are kept then, because a rule learned from noise is none.

    Attributes
    ----------
    metrics
        Set by `train`.
    model_id
        Set by `save_to_registry`.

    Examples
    --------
    >>> generator = TwinGenerator("hcp", "kisqali")                       # doctest: +SKIP
    >>> metrics = generator.train(table, "prescribing_change")            # doctest: +SKIP
    >>> population = generator.generate(10_000, {"decile": (1, 3)}, seed=1)  # doctest: +SKIP
    """

    def __init__(
        self,
        twin_type: TwinType | str,
        brand: Brand | str,
        *,
        rules: Sequence[str] = (),
        seed: int = 0,
        privacy: DifferentialPrivacy | None = None,
    ) -> None:
        try:
            self.twin_type = TwinType(twin_type)
        except ValueError as error:
            raise ValidationError(f"there is no twin type {str(twin_type)!r}; use hcp, patient or territory") from error
        if not str(brand).strip():
            raise ValidationError("name the brand")
        self.brand = str(brand)
        self.declared_rules, self.seed, self.privacy = tuple(rules), checked_seed(seed), privacy
        self.target: str | None = None
        self.metrics: TwinModelMetrics | None = None
        self.model_id: UUID | None = None
        self.trained_at: datetime | None = None
        self._trees: SequentialTrees | None = None
        self._outcome: OutcomeModel | None = None
        self._copies: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)
        self._backend = "polars"

    def train(self, training_data: Any, target_col: str | None = None) -> TwinModelMetrics:
        """Learn the joint distribution of the table and the outcome's mean and interval.

        Parameters
        ----------
        training_data
            pandas or Polars frame, at least 1,000 rows; every column but the target is a feature. It is
            not changed. Features may be missing, the target may not.
        target_col
            Number column; the twin type's usual target when omitted.

        Raises
        ------
        InsufficientDataError
            With fewer than 1,000 rows.
        ValidationError
            If the target is absent, missing in rows, constant or a copy of features, a rule is broken, or a
            column is an identifier, clinical or an identity.
        """
        target = target_col or DEFAULT_TARGET[self.twin_type]
        table = read(training_data)
        wall.inspect(table)
        if self.privacy is not None:
            _need_target(table, target)
            table = self.privacy.table(table, target, self.declared_rules)
        if len(table) < MIN_ROWS:
            raise InsufficientDataError(f"training needs at least {MIN_ROWS:,} rows; the table has {len(table):,}")
        y = _outcome_values(table, target)
        table = replace(
            table,
            values={**table.values, target: y},
            columns=tuple(
                replace(c, kind="number", levels=(), decimals=0) if c.name == target and c.kind == "category" else c
                for c in table.columns
            ),
        )
        declared = rules.declared(self.declared_rules, table)
        learned = rules.learn(table, declared, self.seed) if self.privacy is None else rules.Rules(declared)
        if target in learned.derived:
            raise ValidationError(
                f"{target!r} can be computed from other columns of the table; drop "
                "those columns or choose another target"
            )
        features = table.only(tuple(c.name for c in table.columns if c.name != target))
        kind, validated = self._choose(features, y)
        outcome, covered = outcome_model.fit(features, y, kind, validated, self.seed)
        self._trees = SequentialTrees.fit(table, learned, last=target, hint=validated.mean, seed=self.seed)
        self._outcome, self.target, self._backend = outcome, target, table.backend
        self._copies = row_hashes(features)
        self.trained_at, self.model_id = datetime.now(UTC), None
        self.metrics = _metrics(features, y, kind, validated, outcome, covered, learned, self.privacy)
        for sentence in self.metrics.warnings:
            python_warnings.warn(sentence, UserWarning, stacklevel=2)
        return self.metrics

    def _choose(self, features: Table, y: NDArray[np.float64]) -> tuple[str, outcome_model.CrossValidation]:
        forest = outcome_model.cross_validate(features, y, "random_forest", self.seed)
        if _correlation(forest.mean, y) >= FIDELITY_FOR_FOREST_ALONE:
            return "random_forest", forest
        tried = {"random_forest": forest}
        for kind in ("gradient_boosting", "shallow_boosting"):
            tried[kind] = outcome_model.cross_validate(features, y, kind, self.seed)
        best = max(tried, key=lambda kind: float(tried[kind].r2.mean()))
        return best, tried[best]

    def retrain(self, data: Any) -> TwinModelMetrics:
        """Train again on new data with the same target, declared rules and privacy.

        The promises of several trainings on the same people add up: two of epsilon 3 are one of 6.

        Raises
        ------
        ModelInferenceError
            If the generator was never trained.
        """
        self._need()
        return self.train(data, self.target)

    def generate(
        self, n: int, filters: PopulationFilter | Mapping[str, Any] | None = None, seed: int | None = None
    ) -> TwinPopulation:
        """Draw ``n`` twins that keep every rule and match every filter.

        Parameters
        ----------
        n
            Number of twins.
        filters
            A `PopulationFilter`, or column -> value, list of values, or ``(low, high)`` range.
        seed
            Same seed, same twins; the training seed when omitted.

        Raises
        ------
        ValidationError
            If ``n`` is no positive whole number, or a filter names what does not exist.
        InsufficientDataError
            If no twin can match the filters; the message says which to relax.
        ModelInferenceError
            If the generator was never trained.
        """
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 0 < n < _MAX_TWINS:
            raise ValidationError("the number of twins must be a whole number of at least 1")
        seed = self.seed if seed is None else checked_seed(seed)
        self._need()
        with ThreadPoolExecutor(outcome_model.THREADS) as pool:
            parts = list(
                pool.map(lambda block: self.draw_block(int(n), block, filters, seed), range(-(-int(n) // BLOCK)))
            )
        return self.population(concatenate(parts), filters, seed)

    def draw_block(self, n: int, block: int, filters: PopulationFilter | Mapping[str, Any] | None, seed: int) -> Arrays:
        """Draw block number ``block`` of a population of ``n``: columns, outcome, mean, interval."""
        trees, outcome = self._need()
        features = tuple(c for c in trees.columns if c.name != self.target)
        conditions = resolve(filters, features)
        size = min(BLOCK, n - block * BLOCK)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block,)))
        try:
            part = trees.draw(size, rng, conditions, hint=outcome.predict)
        except ModelInferenceError:
            self._explain(conditions, seed)
            raise
        mean = part.pop(HINT) if HINT in part else outcome.predict(part)
        moved = nudge_copies(part, features, self._copies, trees, conditions, rng)
        if moved.size:
            mean[moved] = outcome.predict({name: v[moved] for name, v in part.items()})
        reach = outcome.reach(part)
        return {**part, _MEAN: mean, _LOW: mean - reach, _HIGH: mean + reach}

    def _explain(self, conditions: Mapping[str, Condition], seed: int) -> None:
        trees, _ = self._need()
        sample = trees.draw(20_000, np.random.default_rng(seed), hint=self._outcome.predict if self._outcome else None)
        matching(Table(trees.columns, sample, self._backend), conditions)

    def population(
        self, values: Arrays, filters: PopulationFilter | Mapping[str, Any] | None, seed: int
    ) -> TwinPopulation:
        """Make a population of drawn blocks."""
        trees, _ = self._need()
        columns = tuple(c for c in trees.columns if c.name != self.target)
        conditions = filters.conditions() if isinstance(filters, PopulationFilter) else dict(filters or {})
        return TwinPopulation(
            population_id=uuid4(),
            model_id=self.model_id,
            twin_type=self.twin_type,
            brand=self.brand,
            target=next(c for c in trees.columns if c.name == self.target),
            features=Table(columns, {c.name: values[c.name] for c in columns}, self._backend),
            baseline_behavior=values[str(self.target)],
            expected_outcome=values[_MEAN],
            outcome_low=values[_LOW],
            outcome_high=values[_HIGH],
            filters=conditions,
            seed=seed,
            created_at=datetime.now(UTC),
        )

    def predict(self, frame: Any) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean outcome and its 95 % interval for real rows: (mean, low, high), each of shape (rows,)."""
        _, outcome = self._need()
        values = read(frame, schema=outcome.columns).values
        mean, reach = outcome.predict(values), outcome.reach(values)
        return mean, mean - reach, mean + reach

    def save_to_registry(self, repository: ports.ModelRepository | None = None) -> UUID:
        """Store the model (no pickle) and return its id; the repository of the settings when omitted."""
        self._need()
        self.model_id = (repository or ports.open_default_repository()).save_model(self)
        return self.model_id

    def to_bytes(self) -> bytes:
        """Write the whole model as one NumPy archive of plain arrays and a JSON manifest."""
        trees, outcome = self._need()
        manifest, arrays = model_archive.pack(trees)
        manifest |= {
            "twin_type": str(self.twin_type),
            "brand": self.brand,
            "target": self.target,
            "seed": self.seed,
            "declared_rules": list(self.declared_rules),
            "privacy": asdict(self.privacy) if self.privacy else None,
            "backend": self._backend,
            "trained_at": str(self.trained_at),
            "metrics": asdict(self.metrics) if self.metrics else None,
            "outcome": {"kind": outcome.kind, "floor": outcome.floor, "group": outcome.group},
        }
        buffer = io.BytesIO()
        everything: dict[str, Any] = {
            "manifest": np.frombuffer(json.dumps(manifest).encode(), dtype=np.uint8),
            "copies": self._copies,
            **arrays,
            **{f"outcome/{name}": values for name, values in outcome.arrays().items()},
        }
        np.savez_compressed(buffer, **everything)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, model_id: UUID | None = None) -> "TwinGenerator":
        """Rebuild from `to_bytes`.

        Raises
        ------
        ModelInferenceError
            If the content is damaged or of another version.
        """
        manifest, arrays = model_archive.read_archive(content)
        promised = manifest.get("privacy")
        generator = cls(
            manifest["twin_type"],
            manifest["brand"],
            rules=manifest["declared_rules"],
            seed=manifest["seed"],
            privacy=DifferentialPrivacy(**promised) if promised else None,
        )
        trees = model_archive.unpack(manifest, arrays)
        features = tuple(c for c in trees.columns if c.name != manifest["target"])
        parts = {name.removeprefix("outcome/"): v for name, v in arrays.items() if name.startswith("outcome/")}
        described = manifest["outcome"]
        generator._trees = trees
        generator._outcome = OutcomeModel.from_arrays(
            features, described["kind"], described["floor"], described["group"], parts
        )
        generator._copies, generator._backend = arrays["copies"], manifest["backend"]
        generator.target, generator.model_id = manifest["target"], model_id
        generator.trained_at = datetime.fromisoformat(manifest["trained_at"])
        figures = manifest["metrics"]
        generator.metrics = TwinModelMetrics(
            **{**figures, "rules": tuple(figures["rules"]), "warnings": tuple(figures["warnings"])}
        )
        return generator

    def save(self, path: str | Path) -> Path:
        """Write the model to a file."""
        target = Path(path)
        target.write_bytes(self.to_bytes())
        return target

    @classmethod
    def load(cls, path: str | Path) -> "TwinGenerator":
        """Read a model file."""
        try:
            return cls.from_bytes(Path(path).read_bytes())
        except OSError as error:
            raise ModelInferenceError(f"the model file {Path(path).name} cannot be read") from error

    def _need(self) -> tuple[SequentialTrees, OutcomeModel]:
        if self._trees is None or self._outcome is None:
            raise ModelInferenceError("the generator is not trained; call train() or load a model first")
        return self._trees, self._outcome


def _need_target(table: Table, target: str) -> None:
    if target not in (c.name for c in table.columns):
        raise ValidationError(f"the target {target!r} is no column of the table; name one with target_col")


def _outcome_values(table: Table, target: str) -> NDArray[np.float64]:
    _need_target(table, target)
    if len(table.columns) < 3:
        raise ValidationError("the table needs at least two features beside the target")
    column, y = table[target], table.values[target]
    if column.kind == "category":
        if set(column.levels) != {False, True}:
            raise ValidationError(f"the target {target!r} must hold numbers or true/false")
        return y.astype(float)
    missing = int(np.isnan(y).sum())
    if missing:
        raise ValidationError(f"the target {target!r} is missing in {missing:,} rows; drop those rows")
    if np.ptp(y) == 0:
        raise ValidationError(f"the target {target!r} is the same in every row; there is nothing to learn")
    if y.std() < np.finfo(np.float32).tiny:
        raise ValidationError(f"the target {target!r} varies too little for its unit; write it in a smaller unit")
    return np.asarray(y, dtype=float)


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _metrics(
    features: Table,
    y: NDArray[np.float64],
    kind: str,
    validated: outcome_model.CrossValidation,
    outcome: OutcomeModel,
    covered: NDArray[np.bool_],
    learned: rules.Rules,
    privacy: DifferentialPrivacy | None,
) -> TwinModelMetrics:
    fitted = outcome.predict(features.values)
    fidelity = _correlation(validated.mean, y)
    r2 = float(validated.r2.mean())
    worst = float(covered.mean())
    if outcome.group is not None:
        codes = features.values[outcome.group]
        size = np.bincount(codes)
        share = np.bincount(codes, weights=covered) / np.maximum(size, 1)
        worst = float(share[size >= outcome_model.MIN_GROUP].min(initial=worst))
    warnings = []
    if privacy is not None:
        warnings.append(
            f"Trained with differential privacy (epsilon {privacy.epsilon:g}, delta {privacy.delta:g}): every figure "
            "here is one of the private table, not of the real one, and relations of more than two columns are lost."
        )
    if r2 < 0.5:
        warnings.append(
            f"Cross-validated R2 is {r2:.2f}, below 0.5: the features explain little "
            "of the outcome. For a change from year to year "
            "this is usual; rely on the intervals, not on single predictions."
        )
    spread = float(np.sum((y - y.mean()) ** 2))
    return TwinModelMetrics(
        model_type=kind,
        training_samples=len(y),
        train_r2=1 - float(np.sum((y - fitted) ** 2)) / spread,
        train_mae=float(np.abs(y - fitted).mean()),
        train_rmse=float(np.sqrt(np.mean((y - fitted) ** 2))),
        cv_r2_mean=r2,
        cv_r2_std=float(validated.r2.std()),
        cv_mae=float(np.abs(y - validated.mean).mean()),
        cv_rmse=float(np.sqrt(np.mean((y - validated.mean) ** 2))),
        twin_fidelity=fidelity,
        coverage_95=float(covered.mean()),
        worst_group_coverage=worst,
        group=outcome.group,
        feature_importance=outcome.importance,
        rules=tuple(str(r) for r in (*learned.sums, *learned.determined, *learned.ratios, *learned.ranges)),
        warnings=tuple(warnings),
        epsilon=None if privacy is None else privacy.epsilon,
        delta=None if privacy is None else privacy.delta,
    )
