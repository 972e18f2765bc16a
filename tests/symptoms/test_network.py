"""The network as it is raised: its start, its loss, its lessons, and how an interrupted run goes on."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from novamind.cohorts import OTHER_POPULATION
from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster import network
from novamind.symptoms.forecaster.daily_tokens import CHANNELS, CONTEXT_DAYS, HORIZONS
from novamind.symptoms.forecaster.network import Architecture, Batch, QuantileTransformer, Schedule
from novamind.symptoms.forecaster.preprocessing import Diary, Histories
from tests.golden import check_golden

# On a busy machine threads that wait for one another make minutes of seconds.
torch.set_num_threads(1)

SMALL = Architecture(16, 2, 2, 24)
LOOSE = {"relative": 2e-3, "absolute": 2e-4}


def seeded(size: Architecture = SMALL) -> QuantileTransformer:
    """A network with random weights in its head as well, which begins with none."""
    torch.manual_seed(3)
    model = QuantileTransformer(size)
    with torch.no_grad():
        model.head.weight.normal_(0, 0.2)
    return model.eval()


def channels(persons: int = 3, days: int = 20) -> torch.Tensor:
    return torch.randn((persons, days, CHANNELS), generator=torch.Generator().manual_seed(4))


def test_a_new_network_says_a_normal_distribution_around_the_level() -> None:
    torch.manual_seed(0)
    quantiles = QuantileTransformer(SMALL)(channels()).detach().numpy()
    assert quantiles.shape == (3, 20, len(HORIZONS), 21)
    np.testing.assert_allclose(quantiles, np.broadcast_to(norm.ppf(LEVELS), quantiles.shape), atol=1e-4)


def test_quantiles_never_cross_and_the_median_stands_in_the_middle() -> None:
    model = seeded()
    with torch.no_grad():
        quantiles = model(5 * channels()).numpy()
        raw = model.head(model.encode(5 * channels())).reshape(3, 20, len(HORIZONS), 21).numpy()
    assert (np.diff(quantiles, axis=-1) > 0).all()
    np.testing.assert_allclose(quantiles[..., 10], raw[..., 0], atol=1e-5)
    # Each distance is the softplus of what the head says of it.
    np.testing.assert_allclose(np.diff(quantiles, axis=-1), np.logaddexp(0, raw[..., 1:]), rtol=1e-3, atol=1e-4)


def test_a_day_asked_for_is_answered_as_among_all_days() -> None:
    model = seeded()
    with torch.no_grad():
        every, some = model.encode(channels()), model.encode(channels(), torch.tensor([19, 4]))
    np.testing.assert_allclose(some.numpy(), every[:, [19, 4]].numpy(), atol=1e-5)


def test_only_the_distance_between_days_matters_to_attention() -> None:
    """Rotary positions: turned by their days, a query and a key have a product that depends on the days between."""
    attention = network.Attention(SMALL)
    width = attention.head_width
    q, k = (torch.randn((1, 1, 1, width), generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))

    def product(of: int, to: int) -> float:
        return float((attention._rotate(q, torch.tensor([of])) * attention._rotate(k, torch.tensor([to]))).sum())

    assert product(5, 2) == pytest.approx(product(45, 42), abs=1e-4)
    assert abs(product(5, 2) - product(5, 4)) > 1e-3
    np.testing.assert_allclose(
        attention.frequency.numpy(), np.tile(math.pi * (2 / 512) ** (np.arange(4) / 4), 2), rtol=1e-6
    )


def test_answers_of_seeded_networks_are_what_they_were() -> None:
    answer = {}
    for size in (SMALL, Architecture(24, 1, 3, 16)):
        model = seeded(size)
        with torch.no_grad():
            answer[f"{size.width}"] = model(channels())[:, ::6, ::7, ::5].numpy()
    check_golden(__file__, "network", answer, **LOOSE)


def test_dropout_works_in_training_alone() -> None:
    model = seeded(Architecture(16, 1, 2, 24, dropout=0.5))
    with torch.no_grad():
        assert torch.equal(model(channels()), model(channels()))
        model.train()
        assert not torch.equal(model(channels()), model(channels()))


def test_pinball_is_twice_the_textbook_s_and_nothing_where_nothing_came() -> None:
    levels = torch.tensor([0.1, 0.5, 0.9])
    quantiles = torch.tensor([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]])
    loss = network.pinball(quantiles, torch.tensor([1.5, torch.nan]), levels)
    assert loss.tolist() == pytest.approx([2 * (0.1 * 1.5 + 0.5 * 0.5 + 0.1 * 0.5) / 3, 0.0])


def batch(persons: int = 2) -> Batch:
    rng = np.random.default_rng(5)
    values = rng.random((persons, CONTEXT_DAYS + 30)).astype(np.float32)
    values[0, 40:60] = np.nan
    return network._batch(Histories.untreated(values, np.zeros(persons, np.float32), np.zeros(persons, int)), 0)


def test_the_loss_is_on_the_scale_of_the_instrument_and_per_outcome() -> None:
    model, lesson = seeded(), batch()
    days = torch.tensor([[10, 50], [20, 70]])
    part = lesson.at(slice(0, 2), days, torch.device("cpu"))
    with torch.no_grad():
        loss_there = float(network.loss(model, part, days))
        quantiles = model(part.channels).numpy()
    total, count = 0.0, 0
    for row in range(2):
        for column in range(2):
            day = int(days[row, column])
            for h in range(len(HORIZONS)):
                outcome = float(lesson.outcome[row, day, h])
                if not np.isfinite(outcome):
                    continue
                on_scale = float(lesson.level[row, day]) + float(lesson.spread[row, day]) * quantiles[row, day, h]
                error = outcome - on_scale
                total += 2 * np.maximum(LEVELS * error, (LEVELS - 1) * error).mean()
                count += 1
    assert loss_there == pytest.approx(total / count, rel=1e-4)


def test_outcomes_are_the_reports_that_many_days_later_from_the_third_report_on() -> None:
    values = np.full((1, CONTEXT_DAYS + 40), np.nan, np.float32)
    values[0, 5:] = np.arange(CONTEXT_DAYS + 35) / 1000
    lesson = network._batch(Histories.untreated(values, np.zeros(1, np.float32), np.zeros(1, int)), 2)
    assert lesson.channels.shape == (1, CONTEXT_DAYS, CHANNELS)
    outcome = lesson.outcome[0].numpy()
    first = int(np.flatnonzero(np.isfinite(outcome).any(1))[0])
    assert first == 5 + 2 - 2  # the third report is on day 7 of the record, which is day 5 from the start at 2
    np.testing.assert_allclose(outcome[first], (first + 2 - 5 + HORIZONS) / 1000, atol=1e-6)


def test_batches_follow_one_another_and_rows_are_taken_at_their_origins() -> None:
    one, other = batch(2), batch(3)
    both = one.followed_by(other)
    assert both.channels.shape[0] == 5
    assert torch.equal(both.level[2:], other.level)
    origins = torch.tensor([[3, 9], [7, 1], [0, 95]])
    part = both.at(slice(2, 5), origins, torch.device("cpu"))
    for row in range(3):
        for column in range(2):
            day = int(origins[row, column])
            assert part.level[row, column] == other.level[row, day]
            assert part.spread[row, column] == other.spread[row, day]
            np.testing.assert_array_equal(part.outcome[row, column].numpy(), other.outcome[row, day].numpy())


def facts(lesson: Batch) -> dict[str, Any]:
    outcome = lesson.outcome.numpy()
    return {
        "channels": lesson.channels[:, ::31, ::3].numpy(),
        "level": lesson.level[:, ::24].numpy(),
        "outcomes": np.isfinite(outcome).sum((1, 2)),
        "first": np.nan_to_num(outcome[:, ::24, ::6]),
    }


@pytest.mark.parametrize(("seed", "settings"), [(1, None), (2, None), (5, OTHER_POPULATION)])
def test_simulated_lessons_are_what_they_were(seed: int, settings: Any) -> None:
    check_golden(__file__, f"lesson_{seed}", facts(network.simulated_batch(5, seed, settings)), **LOOSE)


def test_records_are_whole_or_stretches_of_longer_ones_and_some_have_no_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths, undated, starts = [], [], []
    real = network._batch

    def watched(histories: Histories, start: int) -> Batch:
        lengths.append(histories.values.shape[1])
        undated.append((histories.weekday < 0).mean())
        starts.append(start)
        return real(histories, start) if len(lengths) == 1 else None  # type: ignore[return-value]

    monkeypatch.setattr(network, "_batch", watched)
    for seed in range(60):
        network.simulated_batch(20, seed)
    shares = [lengths.count(days) / 60 for days in (CONTEXT_DAYS + 30, 240, 364)]
    assert sum(shares) == 1
    assert shares == pytest.approx([0.6, 0.25, 0.15], abs=0.15)
    assert np.mean(undated) == pytest.approx(0.15, abs=0.04)
    assert all(0 <= start <= days - CONTEXT_DAYS - 30 for start, days in zip(starts, lengths, strict=True))
    assert all(start == 0 for start, days in zip(starts, lengths, strict=True) if days == CONTEXT_DAYS + 30)
    assert max(start for start, days in zip(starts, lengths, strict=True) if days == 364) > 120


def diaries() -> list[Diary]:
    rng = np.random.default_rng(6)
    sizes = (20, 126, 127, 200, 400, 60, 90)
    return [
        Diary(np.where(rng.random(n) < 0.8, rng.random(n), np.nan).astype(np.float32), 0.1 * (i % 3), i % 4 - 1)
        for i, n in enumerate(sizes)
    ]


def test_lessons_of_diaries_are_what_they_were() -> None:
    check_golden(__file__, "diaries", facts(network.diary_batch(diaries(), 9, 8)), **LOOSE)


def test_a_drawn_stretch_keeps_the_weekday_and_the_step_of_its_diary(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[Histories, int]] = []
    monkeypatch.setattr(network, "_batch", lambda histories, start: drawn.append((histories, start)))
    values = (np.arange(300, dtype=np.float32) + 1) / 1000
    network.diary_batch([Diary(values, 0.25, 3)], 40, 0)
    (histories, start), days = drawn[0], CONTEXT_DAYS + 30
    assert start == days
    assert histories.values.shape == (40, 2 * days)
    assert set(histories.step.tolist()) == {0.25}
    firsts = set()
    for row, weekday in zip(histories.values, histories.weekday, strict=True):
        first = round(float(row[days]) * 1000) - 1
        firsts.add(first)
        assert 0 <= first <= 300 - days
        np.testing.assert_allclose(row[days:], values[first : first + days])
        np.testing.assert_allclose(row[days - min(first, days) : days], values[first - min(first, days) : first])
        assert np.isfinite(row[:days]).sum() == min(first, days)
        assert weekday == (3 + first + days) % 7
    assert len(firsts) > 20


TINY = Schedule(96, batch=2, origins=5, validate_every=64)


def weights(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    return {name: (float(p.sum()), float(p.abs().sum())) for name, p in state.items()}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", ["simulated", "diaries"])
def test_raised_networks_are_what_they_were(tmp_path: Path, kind: str) -> None:
    """Every other batch of a cohort is of the diaries where there are any; the progress tells trajectories and loss."""
    lines: list[str] = []
    own = {"begin": seeded(), "diaries": diaries()} if kind == "diaries" else {}
    size = Architecture(16, 1, 2, 24)
    raised = network.train_network(
        SMALL if own else size, TINY, seed=2, checkpoint=tmp_path / "c", progress=lines.append, **own
    )
    saved = torch.load(tmp_path / "c", weights_only=True)
    assert not raised.training
    answer = {
        "weights": weights(raised.state_dict()),
        "latest": weights(saved["model"]),
        "rows": [line.split(",")[0] for line in lines],
        "loss": [float(line.split()[-2]) for line in lines],
        "cohort": saved["cohort"],
        "stale": saved["stale"],
        "best_loss": saved["best_loss"],
        "rate": saved["optimiser"]["param_groups"][0]["lr"],
        "decay": saved["optimiser"]["param_groups"][0]["weight_decay"],
        "betas": saved["optimiser"]["param_groups"][0]["betas"],
    }
    check_golden(__file__, f"raised_{kind}", answer, relative=3e-3, absolute=1e-3)


@pytest.mark.usefixtures("quick")
def test_an_interrupted_run_goes_on_as_if_it_were_not(tmp_path: Path) -> None:
    size = Architecture(16, 1, 2, 24)
    whole = network.train_network(size, TINY, seed=1, checkpoint=tmp_path / "whole")
    lines: list[str] = []

    def interrupted(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network.train_network(size, TINY, seed=1, checkpoint=tmp_path / "part", progress=interrupted)
    again: list[str] = []
    resumed = network.train_network(size, TINY, seed=1, checkpoint=tmp_path / "part", progress=again.append)
    assert [line.split(",")[0] for line in lines + again] == [
        "transformer: 64 trajectories", "transformer: 96 trajectories", "transformer: 96 trajectories",
    ]  # fmt: skip
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("losses", "rounds", "best"), [((3, 2, 4, 5, 1, 1), 4, 2), ((3, 3, 3, 3), 3, 1), ((4, 3, 2, 1), 4, 4)]
)
@pytest.mark.usefixtures("quick")
def test_it_stops_when_the_judges_see_nothing_better_and_keeps_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: tuple[int, ...], rounds: int, best: int
) -> None:
    seen: list[dict[str, Any]] = []

    def judged(model: QuantileTransformer, *_: Any) -> float:
        seen.append({name: p.clone() for name, p in model.state_dict().items()})
        return float(losses[len(seen) - 1])

    monkeypatch.setattr(network, "_validate", judged)
    schedule = Schedule(16 * len(losses), batch=1, origins=2, validate_every=16, patience=2)
    model = network.train_network(Architecture(8, 1, 2, 8), schedule, seed=0, checkpoint=tmp_path / "c")
    assert len(seen) == rounds
    assert all(torch.equal(p, seen[best - 1][name]) for name, p in model.state_dict().items())


def test_judges_are_asked_from_day_12_on_every_week() -> None:
    days: list[list[int]] = []

    model, lesson = seeded(), batch(3)
    real = network.loss

    def watched(model: QuantileTransformer, part: Batch, origins: torch.Tensor) -> torch.Tensor:
        days.append(origins[0].tolist())
        return real(model, part, origins)

    expected = real(
        model,
        lesson.at(slice(0, 3), torch.arange(12, 96, 7).expand(3, -1), torch.device("cpu")),
        torch.arange(12, 96, 7).expand(3, -1),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "loss", watched)
        loss_there = network._validate(model, lesson, torch.device("cpu"))
    assert days == [list(range(12, CONTEXT_DAYS, 7))]
    assert loss_there == pytest.approx(expected.item(), rel=1e-5)


def test_slices_cover_everything_once() -> None:
    assert list(network._slices(7, 3)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert list(network._slices(6, 3)) == [slice(0, 3), slice(3, 6)]


def test_the_usual_schedule() -> None:
    usual = Schedule(1)
    assert (usual.batch, usual.origins, usual.rate, usual.weight_decay) == (128, 20, 2e-3, 1e-2)
    assert (usual.validate_every, usual.patience) == (25_000, 6)
    assert Architecture(1, 1, 1, 1).dropout == 0


def test_what_is_written_is_read_with_its_sizes_and_weights(tmp_path: Path) -> None:
    model = seeded(Architecture(16, 1, 2, 24, dropout=0.25)).train()
    network.save(model, tmp_path / "n.safetensors")
    again = network.load(tmp_path / "n.safetensors")
    assert again.size == model.size
    assert not again.training
    with torch.no_grad():
        assert torch.equal(again(channels()), model.eval()(channels()))
