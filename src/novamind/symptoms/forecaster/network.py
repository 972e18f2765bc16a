"""The transformer as it is trained: PyTorch module, loss, loop and export. Nothing here is needed to forecast.

A causal encoder over daily tokens (Vaswani et al. 2017, NeurIPS 30; rotary positions: Su et al. 2024, Neurocomputing
568:127063) with a multi-horizon quantile head (Wen et al. 2017, arXiv:1711.11053). Because attention looks back only,
every day of a simulated record is an origin of its own: one trajectory teaches some hundred forecasts.
"""

import copy
import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from novamind.cohorts import OTHER_POPULATION, CohortSettings, simulate
from novamind.infrastructure.onnx_file import write_network
from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.daily_tokens import CHANNELS, CONTEXT_DAYS, HORIZONS, tokenise
from novamind.symptoms.forecaster.preprocessing import Diary, Histories, days_since_treatment

_MEDIAN = len(LEVELS) // 2
#: Decay per step of the moving average of the weights, which is what is validated and kept.
_AVERAGING = 0.998


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network."""

    width: int
    layers: int
    heads: int
    feed_forward: int
    dropout: float = 0.0


class Linear(nn.Linear):
    """A linear layer on rows: ONNX Runtime then adds the bias while it multiplies."""

    def forward(self, x: Tensor) -> Tensor:
        """``(..., in)`` to ``(..., out)``."""
        return super().forward(x.flatten(0, -2)).reshape(*x.shape[:-1], -1)


class Attention(nn.Module):
    """Causal multi-head self-attention with rotary positions."""

    def __init__(self, size: Architecture) -> None:
        super().__init__()
        self.heads, self.head_width = size.heads, size.width // size.heads
        self.query, self.past = Linear(size.width, size.width), Linear(size.width, 2 * size.width)
        self.out = Linear(size.width, size.width)
        half = self.head_width // 2
        # Periods from two days to about a year and a half.
        frequency = math.pi * (2 / 512) ** (torch.arange(half) / half)
        # Turns by a right angle the plane that each frequency has.
        turn = torch.zeros(self.head_width, self.head_width)
        turn[:half, half:], turn[half:, :half] = torch.eye(half), -torch.eye(half)
        self.frequency: Tensor
        self.turn: Tensor
        self.register_buffer("frequency", frequency.repeat(2), persistent=False)
        self.register_buffer("turn", turn, persistent=False)

    def forward(self, x: Tensor, at: Tensor | None = None) -> Tensor:
        """``(batch, days, width)`` to the same, or to ``(batch, len(at), width)`` for the days ``at`` alone."""
        batch, days, width = x.shape
        day = torch.arange(days, device=x.device)
        k, v = self.past(x).reshape(batch, days, 2, self.heads, self.head_width).permute(2, 0, 3, 1, 4)
        k = self._rotate(k, day)
        if at is None:
            q = self._rotate(self._queries(x), day)
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            q = self._rotate(self._queries(x.index_select(1, at)), at)
            mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=day[None, :] <= at[:, None])
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, -1, width))
        return out

    def _queries(self, x: Tensor) -> Tensor:
        q: Tensor = self.query(x)
        return q.reshape(x.shape[0], -1, self.heads, self.head_width).transpose(1, 2)

    def _rotate(self, x: Tensor, day: Tensor) -> Tensor:
        angle = day[:, None] * self.frequency
        out: Tensor = x * torch.cos(angle).to(x.dtype) + (x @ self.turn.to(x.dtype)) * torch.sin(angle).to(x.dtype)
        return out


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, size: Architecture) -> None:
        super().__init__()
        self.norm_attention, self.norm_forward = nn.LayerNorm(size.width), nn.LayerNorm(size.width)
        self.attention = Attention(size)
        self.forward_in, self.forward_out = (
            Linear(size.width, size.feed_forward),
            Linear(size.feed_forward, size.width),
        )
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, x: Tensor, at: Tensor | None = None) -> Tensor:
        """See :meth:`Attention.forward`."""
        mixed = self.attention(self.norm_attention(x), at)
        x = (x if at is None else x.index_select(1, at)) + self.dropout(mixed)
        out: Tensor = x + self.dropout(self.forward_out(functional.gelu(self.forward_in(self.norm_forward(x)))))
        return out


class QuantileTransformer(nn.Module):
    """Tokens in, quantiles of the coming days out, from every day at once.

    Outputs are in units of the person's running spread around the running level. Quantiles cannot cross: the head
    gives the median and positive distances from each level to the next.
    """

    def __init__(self, size: Architecture) -> None:
        super().__init__()
        self.size = size
        self.embed = nn.Sequential(Linear(CHANNELS, size.width), nn.GELU(), Linear(size.width, size.width))
        self.blocks = nn.ModuleList(Block(size) for _ in range(size.layers))
        self.norm = nn.LayerNorm(size.width)
        self.levels: Tensor
        self.register_buffer("levels", torch.tensor(LEVELS, dtype=torch.float32), persistent=False)
        self.head = Linear(size.width, len(HORIZONS) * len(LEVELS))
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            # At the start: a normal distribution around the person's level.
            gaps = torch.special.ndtri(self.levels).diff()
            start = torch.cat([torch.zeros(1), torch.log(torch.expm1(gaps))])
            self.head.bias.copy_(start.repeat(len(HORIZONS)))

    def forward(self, channels: Tensor) -> Tensor:
        """``(batch, days, CHANNELS)`` to ``(batch, days, horizons, 21)``."""
        return self.quantiles(self.encode(channels))

    def encode(self, channels: Tensor, at: Tensor | None = None) -> Tensor:
        """``(batch, days, CHANNELS)`` to ``(batch, days, width)``, or ``(batch, len(at), width)`` for days ``at``."""
        x = self.embed(channels)
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.blocks[-1](x, at)
        out: Tensor = self.norm(x)
        return out

    def quantiles(self, encoded: Tensor) -> Tensor:
        """``(..., width)`` to ``(..., horizons, 21)``."""
        raw = self.head(encoded).reshape(*encoded.shape[:-1], len(HORIZONS), len(LEVELS))
        median, gap = raw[..., :1], raw[..., 1:]
        # The softplus, in functions that ONNX Runtime computes many at a time.
        gaps = torch.relu(gap) + torch.log1p(torch.exp(-gap.abs()))
        below = -torch.flip(torch.cumsum(torch.flip(gaps[..., :_MEDIAN], [-1]), -1), [-1])
        above = torch.cumsum(gaps[..., _MEDIAN:], -1)
        return torch.cat([median + below, median, median + above], -1)


def pinball(quantiles: Tensor, outcome: Tensor, levels: Tensor) -> Tensor:
    """Twice the pinball loss per outcome, ``NaN`` outcomes as 0: ``(..., 21)`` and ``(...)`` to ``(...)``."""
    error = torch.nan_to_num(outcome)[..., None] - quantiles
    loss = 2 * torch.maximum(levels * error, (levels - 1) * error).mean(-1)
    return torch.where(torch.isfinite(outcome), loss, 0.0)


@dataclass(frozen=True)
class Batch:
    """Records as the network is taught: ``(batch, days, ...)`` tensors, outcomes per horizon."""

    channels: Tensor
    level: Tensor
    spread: Tensor
    outcome: Tensor

    def followed_by(self, other: "Batch") -> "Batch":
        """Return the rows of both."""
        return Batch(*(torch.cat([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))

    def at(self, rows: slice, origins: Tensor, device: torch.device) -> "Batch":
        """Return some rows, with level, spread and outcome at the chosen origins only."""
        near = {name: getattr(self, name)[rows].to(device) for name in ("level", "spread", "outcome")}
        return Batch(
            self.channels[rows].to(device),
            torch.gather(near["level"], 1, origins),
            torch.gather(near["spread"], 1, origins),
            torch.gather(near["outcome"], 1, origins[..., None].expand(-1, -1, len(HORIZONS))),
        )


def simulated_batch(persons: int, seed: int, settings: CohortSettings | None = None) -> Batch:
    """Return tokens and outcomes of a fresh cohort: whole records, or a stretch of longer ones."""
    rng = np.random.default_rng([seed, 6])
    longest = int(HORIZONS[-1])
    days = int(rng.choice([CONTEXT_DAYS + longest, 240, 364], p=[0.6, 0.25, 0.15]))
    cohort = simulate(persons, days, seed=seed, settings=settings)
    start = int(rng.integers(0, days - CONTEXT_DAYS - longest + 1))
    weekday = np.where(rng.random(persons) < 0.15, -1, (cohort.weekday + days) % 7)
    treated = days_since_treatment(cohort.treatment_day, days, rng)
    return _batch(Histories(cohort.reports, cohort.step, weekday, treated), start)


def diary_batch(diaries: Sequence[Diary], persons: int, seed: int) -> Batch:
    """Return tokens and outcomes of real diaries, drawn with replacement; of long ones a stretch."""
    rng = np.random.default_rng([seed, 7])
    days = CONTEXT_DAYS + int(HORIZONS[-1])
    drawn = [diaries[i] for i in rng.integers(0, len(diaries), persons)]
    reports = np.full((persons, 2 * days), np.nan, np.float32)
    weekday = np.empty(persons, np.int64)
    for row, (values, diary) in enumerate(zip(reports, drawn, strict=True)):
        # A stretch keeps what came before it, as far as there is room, so that its first day is not the record's.
        first = int(rng.integers(0, max(1, len(diary.values) - days + 1)))
        before = min(first, days)
        part = diary.values[first - before : first + days]
        values[days - before : days - before + len(part)] = part
        weekday[row] = -1 if diary.weekday < 0 else (diary.weekday + first + days) % 7
    steps = np.array([diary.step for diary in drawn], np.float32)
    return _batch(Histories.untreated(reports, steps, weekday), days)


def _batch(histories: Histories, start: int) -> Batch:
    """Return records as the network is trained on them, from the column ``start`` on."""
    tokens = tokenise(histories, context=histories.values.shape[1])
    seen = np.isfinite(histories.values)
    outcome = histories.values[:, (start + np.arange(CONTEXT_DAYS))[:, None] + HORIZONS]
    part = slice(start, start + CONTEXT_DAYS)
    # An origin counts from the third report on.
    outcome = np.where((np.cumsum(seen, 1)[:, part] >= 3)[..., None], outcome, np.nan)
    arrays = (tokens.channels[:, part], tokens.level[:, part], tokens.spread[:, part], outcome)
    return Batch(*(torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32)) for a in arrays))


def loss(model: QuantileTransformer, batch: Batch, origins: Tensor) -> Tensor:
    """Return the mean pinball loss on the unit scale at the chosen origins, ``(batch, origins)``."""
    encoded = model.encode(batch.channels).float()
    encoded = torch.gather(encoded, 1, origins[..., None].expand(-1, -1, encoded.shape[-1]))
    spread = batch.spread[..., None]
    target = (batch.outcome - batch.level[..., None]) / spread
    each = pinball(model.quantiles(encoded), target, model.levels) * spread
    return each.sum() / torch.isfinite(batch.outcome).sum()


@dataclass(frozen=True)
class Schedule:
    """How long and how hard to train.

    ``trajectories`` simulated persons in all, none twice; learning rate on a cosine after a short warm-up.
    """

    trajectories: int
    batch: int = 128
    origins: int = 20
    rate: float = 2e-3
    weight_decay: float = 1e-2
    validate_every: int = 25_000
    patience: int = 6


def train_network(
    size: Architecture,
    schedule: Schedule,
    *,
    seed: int,
    checkpoint: Path,
    settings: CohortSettings | None = None,
    begin: QuantileTransformer | None = None,
    diaries: Sequence[Diary] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> QuantileTransformer:
    """Train a network on simulated cohorts; stop early when another population's loss no longer falls.

    Runs on a GPU in mixed precision where there is one. Interrupted, it goes on from ``checkpoint``; the data of every
    step follow from the seed, so that the result is the same.

    Parameters
    ----------
    begin
        A network to go on from; a new one by default.
    diaries
        Real ones: every other batch is then drawn from them, and a sixth of them, set aside, says when to stop.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    model = (QuantileTransformer(size) if begin is None else copy.deepcopy(begin)).train().to(device)
    average = copy.deepcopy(model)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=schedule.rate, weight_decay=schedule.weight_decay, betas=(0.9, 0.98)
    )
    cohort_size = 16 * schedule.batch
    cohorts = math.ceil(schedule.trajectories / cohort_size)
    start, best, best_loss, stale = 0, None, math.inf, 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location=device)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        start, best, best_loss, stale = saved["cohort"], saved["best"], saved["best_loss"], saved["stale"]
    judges, learners = diaries[::6], [d for i, d in enumerate(diaries) if i % 6]
    if learners:
        validation = diary_batch(judges, 2048, seed)
    else:
        validation = simulated_batch(2048, seed + 900_000_000, OTHER_POPULATION)
    # Compiling takes most of a minute and makes each step several times faster; it needs a C++ compiler.
    compiled = schedule.trajectories > 50_000 and shutil.which("c++") is not None
    step_loss = torch.compile(loss) if compiled else loss
    every = max(1, schedule.validate_every // cohort_size)
    for cohort in range(start, cohorts):
        draw = seed + 1_000_000 * (1 + seed) + cohort
        if learners:
            half = cohort_size // 2
            data = simulated_batch(half, draw, settings).followed_by(diary_batch(learners, half, draw))
        else:
            data = simulated_batch(cohort_size, draw, settings)
        share = cohort / cohorts
        rate = schedule.rate * min(1.0, (cohort + 1) / 8) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        generator = torch.Generator().manual_seed(seed * 1_000_003 + cohort)
        for rows in _slices(cohort_size, schedule.batch):
            origins = torch.randint(3, CONTEXT_DAYS, (schedule.batch, schedule.origins), generator=generator).to(device)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
                value = step_loss(model, data.at(rows, origins, device), origins)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(value)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            with torch.no_grad():
                for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
                    slow.lerp_(fast, 1 - _AVERAGING)
        if (cohort + 1) % every and cohort + 1 < cohorts:
            continue
        now = _validate(average, validation, device)
        progress(f"transformer: {(cohort + 1) * cohort_size:,} trajectories, validation CRPS {100 * now:.3f} %")
        stale = 0 if now < best_loss else stale + 1
        if now < best_loss:
            best_loss = now
            best = {k: v.detach().clone() for k, v in average.state_dict().items()}
        torch.save(
            {
                "model": model.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "cohort": cohort + 1,
                "best": best,
                "best_loss": best_loss,
                "stale": stale,
            },
            checkpoint,
        )
        if stale >= schedule.patience:
            break
    if best is not None:
        model.load_state_dict(best)
    return model.cpu().eval()


@torch.no_grad()
def _validate(model: QuantileTransformer, batch: Batch, device: torch.device) -> float:
    days = torch.arange(12, CONTEXT_DAYS, 7, device=device)
    total = 0.0
    for rows in _slices(len(batch.channels), 256):
        origins = days.expand(len(batch.channels[rows]), -1)
        total += float(loss(model, batch.at(rows, origins, device), origins)) * len(batch.channels[rows])
    return total / len(batch.channels)


def _slices(length: int, size: int) -> Iterator[slice]:
    return (slice(i, min(i + size, length)) for i in range(0, length, size))


def save(model: QuantileTransformer, path: Path) -> None:
    """Write the weights and sizes so that training can go on from them (safetensors, no pickle)."""
    save_file(model.state_dict(), path, metadata={"architecture": json.dumps(asdict(model.size))})


def load(path: Path) -> QuantileTransformer:
    """Read what :func:`save` wrote."""
    with safe_open(path, "pt") as stored:
        model = QuantileTransformer(Architecture(**json.loads(stored.metadata()["architecture"])))
        model.load_state_dict({name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118 - no mapping
    return model.eval()


class _Deployed(nn.Module):
    """What is exported: tokens and the positions to forecast from, in; quantiles out."""

    def __init__(self, model: QuantileTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, channels: Tensor, positions: Tensor) -> Tensor:
        out: Tensor = self.model.quantiles(self.model.encode(channels, positions))
        return out


def export(model: QuantileTransformer, path: Path) -> None:
    """Write the network as ONNX, weights inside the file, any batch, length and positions."""
    example = (torch.zeros(2, CONTEXT_DAYS, CHANNELS), torch.tensor([CONTEXT_DAYS - 1, 3]))
    dynamic = torch.export.Dim
    program = torch.onnx.export(
        _Deployed(model).eval(),
        example,
        dynamo=True,
        opset_version=23,  # the first with attention as one operator
        input_names=["channels", "positions"],
        output_names=["quantiles"],
        dynamic_shapes=({0: dynamic("series"), 1: dynamic("days")}, {0: dynamic("origins")}),
        verbose=False,
    )
    write_network(program, path)
