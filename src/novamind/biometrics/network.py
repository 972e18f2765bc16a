"""The networks as they are trained: PyTorch modules, loops and export. Nothing here is needed to analyse.

:class:`PairNetwork`, of which the amortised detector is a committee, reads the engine's profiles of all pairs of one
person, and weighs each pair in the light of the others (a set of pairs that share signals and symptoms; Zaheer et al.
2017, NeurIPS 30).
:class:`SeriesNetwork` is the network that the specification names: an encoder for each signal, a bidirectional LSTM and
attention over the modalities, on the series themselves, without engine. Its measured power is in docs/biometrics.md.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from novamind.biometrics.detector import neighbours
from novamind.biometrics.domain import PairInputs, PersonSeries
from novamind.biometrics.features import CHANNELS, FEATURES, REACH
from novamind.biometrics.rhythm import normal_scores
from novamind.infrastructure.onnx_file import write_network

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Lesson:
    """One simulated person as the networks see them.

    ``label`` is 1 for a direct link, 0 for none, ``NaN`` for pairs that are joined through others and teach nothing.
    """

    pairs: PairInputs
    label: NDArray[np.float32]


class PairNetwork(nn.Module):
    """Log odds of a direct link for every pair of one or several persons."""

    def __init__(self, width: int = 40, dropout: float = 0.2) -> None:
        super().__init__()
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.zeros(len(FEATURES)))
        self.register_buffer("spread", torch.ones(len(FEATURES)))
        self.shape = nn.Sequential(
            nn.Conv1d(CHANNELS, 16, 9, stride=2, padding=4),
            nn.ReLU(),
            nn.Conv1d(16, 24, 7, stride=2, padding=3),
            nn.ReLU(),
            nn.Conv1d(24, 24, 5, stride=3, padding=2),
            nn.ReLU(),
        )
        self.single = nn.Sequential(
            nn.Linear(48 + len(FEATURES), width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.ReLU()
        )
        self.context = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 1))
        self.plain = nn.Linear(len(FEATURES), 1)

    def forward(self, profiles: Tensor, scalars: Tensor, same_symptom: Tensor, same_signal: Tensor) -> Tensor:
        """Return log odds, ``(pairs,)``.

        Inputs are ``(pairs, CHANNELS, 2 * REACH + 1)``, ``(pairs, features)`` and twice ``(pairs, pairs)``.
        """
        standard = ((scalars - self.mean) / self.spread).clamp(-5, 5)
        course = self.shape((profiles / 3).clamp(-4, 4))
        encoded = self.single(torch.cat([course.amax(-1), course.mean(-1), standard], -1))
        around = torch.cat([encoded, same_symptom @ encoded, same_signal @ encoded], -1)
        odds: Tensor = (self.context(around) + self.plain(standard))[:, 0]
        return odds


class Committee(nn.Module):
    """The mean log odds of networks that differ in their seeds (Lakshminarayanan et al. 2017, NeurIPS 30)."""

    def __init__(self, members: Sequence[PairNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, profiles: Tensor, scalars: Tensor, same_symptom: Tensor, same_signal: Tensor) -> Tensor:
        """Return the mean log odds of the members, ``(pairs,)``."""
        return torch.stack([m(profiles, scalars, same_symptom, same_signal) for m in self.members]).mean(0)


def _batch(lessons: Sequence[Lesson]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    def blocks(parts: list[NDArray[np.float32]]) -> Tensor:
        joined: Tensor = torch.block_diag(*(torch.from_numpy(part) for part in parts))  # type: ignore[no-untyped-call]
        return joined

    return (
        torch.from_numpy(np.concatenate([k.pairs.profiles.astype(np.float32) for k in lessons])),
        torch.from_numpy(np.concatenate([k.pairs.scalars for k in lessons])),
        blocks([neighbours(k.pairs.symptom) for k in lessons]),
        blocks([neighbours(k.pairs.signal) for k in lessons]),
        torch.from_numpy(np.concatenate([k.label for k in lessons])),
    )


def _loss(odds: Tensor, label: Tensor) -> Tensor:
    labelled = torch.isfinite(label)
    return functional.binary_cross_entropy_with_logits(odds[labelled], label[labelled])


def train_pairs(
    lessons: Sequence[Lesson], held_out: Sequence[Lesson], epochs: int, seed: int, progress: Progress
) -> PairNetwork:
    """Return one fitted network: that of the epoch with the least loss on ``held_out``."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = PairNetwork()
    scalars = np.concatenate([k.pairs.scalars for k in lessons])
    network.mean.copy_(torch.from_numpy(scalars.mean(0)))
    network.spread.copy_(torch.from_numpy(scalars.std(0) + 1e-3))
    optimiser = torch.optim.AdamW(network.parameters(), lr=1.5e-3, weight_decay=2e-2)
    steps = epochs * max(len(lessons) // 16, 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + epochs)
    best, kept = np.inf, copy.deepcopy(network.state_dict())
    check = [_batch(held_out[i : i + 32]) for i in range(0, len(held_out), 32)]
    for epoch in range(epochs):
        network.train()
        order = rng.permutation(len(lessons))
        for i in range(0, len(order) - len(order) % 16 or 1, 16):
            *inputs, label = _batch([lessons[k] for k in order[i : i + 16]])
            loss = _loss(network(*inputs), label)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        network.eval()
        with torch.no_grad():
            now = float(_loss(torch.cat([network(*b[:4]) for b in check]), torch.cat([b[4] for b in check])))
        progress(f"epoch {epoch + 1} of {epochs}: loss {now:.4f}")
        if now < best:
            best, kept = now, copy.deepcopy(network.state_dict())
    network.load_state_dict(kept)
    return network.eval()


def pair_log_odds(network: Committee, lessons: Sequence[Lesson]) -> NDArray[np.float64]:
    """Return the network's log odds before calibration, ``(pairs,)``, of all pairs of all lessons."""
    with torch.no_grad():
        parts = [network(*_batch([lesson])[:4]) for lesson in lessons]
    return torch.cat(parts).double().numpy()


def export(network: Committee, path: Path) -> None:
    """Write the detector as one ONNX file with a free number of pairs."""
    pairs = torch.export.Dim("pairs", min=1)
    example = (torch.zeros(6, CHANNELS, 2 * REACH + 1), torch.zeros(6, len(FEATURES)), torch.eye(6), torch.eye(6))
    program = torch.onnx.export(
        network.eval(),
        example,
        input_names=["profiles", "scalars", "same_symptom", "same_signal"],
        output_names=["log_odds"],
        dynamic_shapes=({0: pairs}, {0: pairs}, {0: pairs, 1: pairs}, {0: pairs, 1: pairs}),
        dynamo=True,
        verbose=False,
    )
    write_network(program, path)


class SeriesNetwork(nn.Module):
    """Bidirectional LSTM over the series, an encoder for each signal, attention over the modalities.

    Every signal of a person is encoded together with the symptom in question; what the other signals say comes in by
    attention. Signals have no fixed place: the encoder sees nothing but the series, so that any set of signals fits.
    """

    def __init__(self, hidden: int = 24, layers: int = 1, dropout: float = 0.2) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv1d(4, hidden, 5, padding=2), nn.ReLU(), nn.Conv1d(hidden, hidden, 5, padding=2)
        )
        self.recurrent = nn.LSTM(
            hidden, hidden, layers, batch_first=True, bidirectional=True, dropout=dropout if layers > 1 else 0.0
        )
        self.attention = nn.MultiheadAttention(4 * hidden, 4, batch_first=True, dropout=dropout)
        self.head = nn.Sequential(nn.Linear(8 * hidden, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1))

    def forward(self, series: Tensor) -> Tensor:
        """Return log odds, ``(symptoms, signals)``, of one person's ``(symptoms, signals, 4, steps)``."""
        symptoms, signals, _, steps = series.shape
        coded = self.encoder(series.reshape(symptoms * signals, 4, steps)).transpose(1, 2)
        states, _ = self.recurrent(coded)
        pooled = torch.cat([states.amax(1), states.mean(1)], -1).reshape(symptoms, signals, -1)
        mixed, _ = self.attention(pooled, pooled, pooled, need_weights=False)
        odds: Tensor = self.head(torch.cat([pooled, mixed], -1))[..., 0]
        return odds


def series_input(person: PersonSeries, step: int = 6, longest: int = 60 * 4) -> Tensor:
    """Return the record's last ``longest`` steps of ``step`` hours as ``(symptoms, signals, 4, steps)``.

    The four channels are the signal, whether it was measured, the symptom, and whether it was reported.
    """
    steps = person.hours // step
    hourly = np.column_stack([normal_scores(person.hourly[:, b]) for b in range(len(person.signals))])
    cells = hourly[: steps * step].reshape(steps, step, -1)
    seen = np.isfinite(cells)
    signal = np.where(seen, cells, 0).sum(1) / np.maximum(seen.sum(1), 1)
    place = np.minimum((person.report_hours // step).astype(int), steps - 1)
    out = np.zeros((len(person.symptoms), len(person.signals), 4, steps), np.float32)
    for s in range(len(person.symptoms)):
        score = normal_scores(person.reports[:, s])
        answered = np.isfinite(score)
        counts = np.bincount(place[answered], minlength=steps)
        total = np.bincount(place[answered], weights=score[answered], minlength=steps)
        for b in range(len(person.signals)):
            out[s, b] = signal[:, b], seen[:, :, b].mean(1), total / np.maximum(counts, 1), counts > 0
    return torch.from_numpy(out[..., -longest:])


def train_series(
    lessons: Sequence[tuple[Tensor, NDArray[np.float32]]],
    epochs: int,
    seed: int,
    progress: Progress,
    hidden: int = 24,
    layers: int = 1,
) -> SeriesNetwork:
    """Return the fitted bidirectional LSTM: Adam at 5e-4 with step decay; labels are ``(symptoms, signals)``."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = SeriesNetwork(hidden, layers)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, max(epochs // 3, 1), 0.5)
    network.train()
    for epoch in range(epochs):
        total = 0.0
        for count, k in enumerate(rng.permutation(len(lessons)), start=1):
            series, label = lessons[k]
            loss = _loss(network(series).ravel(), torch.from_numpy(label).ravel())
            (loss / 8).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
            if count % 8 == 0:
                optimiser.step()
                optimiser.zero_grad()
        schedule.step()
        progress(f"epoch {epoch + 1} of {epochs}: loss {total / len(lessons):.4f}")
    return network.eval()
