"""The networks: the same seed gives the same weights, and the inputs are what they say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from novamind.biometrics.domain import PairInputs
from novamind.biometrics.features import CHANNELS, FEATURES, REACH
from novamind.biometrics.rhythm import normal_scores
from tests.biometrics.conftest import rich
from tests.cohorts.summary import summary
from tests.golden import check_golden

torch = pytest.importorskip("torch")

from novamind.biometrics import network  # noqa: E402
from novamind.biometrics.network import Committee, Lesson, PairNetwork, SeriesNetwork  # noqa: E402


def lesson(seed: int, signals: int = 3, symptoms: int = 2) -> Lesson:
    """Pairs of which those with a large first feature are linked."""
    rng = np.random.default_rng(seed)
    pairs = signals * symptoms
    scalars = rng.standard_normal((pairs, len(FEATURES))).astype(np.float32)
    profiles = rng.standard_normal((pairs, CHANNELS, 2 * REACH + 1)).astype(np.float16)
    label = (scalars[:, 0] > 0.5).astype(np.float32)
    label[0] = np.nan
    order = np.arange(pairs)
    return Lesson(PairInputs(profiles, scalars, order % signals, order // signals), label)


@pytest.fixture(scope="module")
def lessons() -> list[Lesson]:
    return [lesson(seed) for seed in range(20)]


def quiet(_: str) -> None:
    return None


def test_a_new_network_says_what_it_said(lessons: list[Lesson]) -> None:
    torch.manual_seed(0)
    one = PairNetwork().eval()
    with torch.no_grad():
        said = one(*network._batch(lessons[:3])[:4]).numpy()
    check_golden(__file__, "new network", said, 1e-3, 1e-4)
    shapes = {name: list(each.shape) for name, each in one.state_dict().items()}
    check_golden(__file__, "network sizes", shapes)
    assert [module.p for module in one.modules() if isinstance(module, torch.nn.Dropout)] == [0.2, 0.2]


def test_features_count_standardised_and_no_further_than_five_and_profiles_than_four(lessons: list[Lesson]) -> None:
    torch.manual_seed(1)
    one = PairNetwork().eval()
    one.mean += 1.0
    one.spread *= 2.0
    inputs = list(network._batch(lessons[:1])[:4])
    with torch.no_grad():
        plain = one(*inputs)
        scalars = inputs[1].clone()
        scalars[0, 3] = 1 + 2 * 5.0
        at_limit = one(inputs[0], scalars, *inputs[2:])
        scalars[0, 3] = 1e6
        assert torch.equal(at_limit, one(inputs[0], scalars, *inputs[2:]))
        scalars[0, 3] = 1 + 2 * 4.9
        assert not torch.equal(at_limit, one(inputs[0], scalars, *inputs[2:]))
        profiles = inputs[0].clone()
        profiles[0, 0] = 12.0
        at_limit = one(profiles, *inputs[1:])
        profiles[0, 0] = 99.0
        assert torch.equal(at_limit, one(profiles, *inputs[1:]))
        profiles[0, 0] = 11.5
        assert not torch.equal(at_limit, one(profiles, *inputs[1:]))
    assert not torch.equal(plain, at_limit)


def test_persons_of_one_batch_do_not_see_each_other(lessons: list[Lesson]) -> None:
    committee = Committee([PairNetwork().eval()])
    with torch.no_grad():
        both = committee(*network._batch(lessons[:2])[:4]).numpy()
    assert both == pytest.approx(network.pair_log_odds(committee, lessons[:2]), abs=1e-5)
    assert network.pair_log_odds(committee, lessons[:2]).dtype == np.float64


def test_a_committee_says_the_mean(lessons: list[Lesson]) -> None:
    torch.manual_seed(2)
    one, two = PairNetwork().eval(), PairNetwork().eval()
    each = [network.pair_log_odds(Committee([member]), lessons[:2]) for member in (one, two)]
    assert network.pair_log_odds(Committee([one, two]), lessons[:2]) == pytest.approx(np.mean(each, axis=0), abs=1e-6)
    assert not np.allclose(each[0], each[1])


def test_pairs_that_teach_nothing_are_left_out_of_the_loss() -> None:
    odds, label = torch.tensor([0.5, -1.0, 9.0]), torch.tensor([1.0, 0.0, float("nan")])
    expected = (np.log1p(np.exp(-0.5)) + np.log1p(np.exp(-1.0))) / 2
    assert float(network._loss(odds, label)) == pytest.approx(expected)


def test_pairs_are_learned_as_they_were(lessons: list[Lesson]) -> None:
    said: list[str] = []
    fitted = network.train_pairs([*lessons, *lessons], lessons[:2], 3, 7, said.append)
    assert not fitted.training
    assert [line.split(":")[0] for line in said] == ["epoch 1 of 3", "epoch 2 of 3", "epoch 3 of 3"]
    losses = [float(line.split()[-1]) for line in said]
    scalars = np.concatenate([k.pairs.scalars for k in lessons])
    assert fitted.mean.numpy() == pytest.approx(scalars.mean(0), abs=1e-5)
    assert fitted.spread.numpy() == pytest.approx(scalars.std(0) + 1e-3, rel=1e-4)
    batch = network._batch(lessons[:2])
    with torch.no_grad():
        kept = float(network._loss(fitted(*batch[:4]), batch[4]))
    assert kept == pytest.approx(min(losses), abs=1e-4)  # the best epoch is kept
    weights = {name: summary(each.numpy()) for name, each in fitted.state_dict().items()}
    check_golden(__file__, "learned pairs", {"losses": losses, "weights": weights}, 1e-2, 2e-3)


def test_training_goes_through_all_lessons_in_sixteens(lessons: list[Lesson], monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty lessons are two batches of sixteen an epoch; fewer than sixteen are one."""
    sizes: list[int] = []
    batch = network._batch
    monkeypatch.setattr(network, "_batch", lambda some: sizes.append(len(some)) or batch(some))
    network.train_pairs([*lessons, *lessons], [*lessons, *lessons][:33], 1, 0, quiet)
    assert sizes == [32, 1, 16, 16]
    sizes.clear()
    network.train_pairs(lessons[:3], lessons[:1], 2, 0, quiet)
    assert sizes == [1, 3, 3]


def test_the_best_epoch_counts_not_the_last(lessons: list[Lesson], monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([0.5, 0.2, 0.4])
    states: list[float] = []

    def loss(odds: "torch.Tensor", label: "torch.Tensor") -> "torch.Tensor":
        real = torch.nn.functional.binary_cross_entropy_with_logits(odds, torch.nan_to_num(label))
        if torch.is_grad_enabled():
            return real
        states.append(float(real))
        return torch.tensor(next(told))

    monkeypatch.setattr(network, "_loss", loss)
    fitted = network.train_pairs(lessons[:2], lessons[:2], 3, 0, quiet)
    monkeypatch.undo()
    with torch.no_grad():
        now = float(torch.nn.functional.binary_cross_entropy_with_logits(
            fitted(*network._batch(lessons[:2])[:4]), torch.nan_to_num(network._batch(lessons[:2])[4])
        ))  # fmt: skip
    assert now == pytest.approx(states[1])
    assert now != pytest.approx(states[2])


class Watched:
    """What an optimiser or schedule was made with."""

    def __init__(self, of: Any, made: list[Any]) -> None:
        self.of, self.made = of, made

    def __call__(self, first: Any, *rest: Any, **options: Any) -> Any:
        self.made.append((*rest, options))
        return self.of(first, *rest, **options)


def test_rates_of_learning_are_the_stated_ones(lessons: list[Lesson], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    for place, name in (
        (torch.optim, "AdamW"),
        (torch.optim, "Adam"),
        (torch.optim.lr_scheduler, "OneCycleLR"),
        (torch.optim.lr_scheduler, "StepLR"),
    ):
        monkeypatch.setattr(place, name, Watched(getattr(place, name), made))
    network.train_pairs([*lessons, *lessons], lessons[:1], 3, 0, quiet)
    assert made[0] == ({"lr": 1.5e-3, "weight_decay": 2e-2},)
    assert made[1] == (3e-3, {"total_steps": 3 * 2 + 3})
    table = np.zeros((3, 5), np.float32)
    series = [(network.series_input(rich(days=8)), table)] * 8
    network.train_series(series, 2, 0, quiet, 4)
    network.train_series(series, 6, 0, quiet, 4)
    assert made[2:] == [({"lr": 5e-4},), (1, 0.5, {}), ({"lr": 5e-4},), (2, 0.5, {})]


# -- the specification's network ---------------------------------------------------------------------------------------


def test_series_are_laid_out_in_steps() -> None:
    person = rich(days=12)
    laid = network.series_input(person).numpy()
    assert laid.shape == (3, 5, 4, 48)
    for s, b in ((0, 1), (1, 3), (2, 0)):
        values, answers = normal_scores(person.hourly[:, b]), normal_scores(person.reports[:, s])
        for step in (0, 20, 47):
            cells = values[6 * step : 6 * step + 6]
            known = cells[np.isfinite(cells)]
            here = (person.report_hours // 6 == step) & np.isfinite(answers)
            felt = answers[here].mean() if here.any() else 0.0
            expected = [known.mean() if len(known) else 0.0, len(known) / 6, felt, float(here.any())]
            assert laid[s, b, :, step] == pytest.approx(expected, abs=1e-6)
    cut = network.series_input(person, step=12, longest=10).numpy()
    assert cut.shape == (3, 5, 4, 10)
    assert cut[0, 0, 1, -1] == pytest.approx(laid[0, 0, 1, -2:].mean())


def test_the_last_sixty_days_count_and_reports_after_the_last_step_with_it() -> None:
    assert network.series_input(rich(days=62)).shape[-1] == 240
    person = rich(days=5)
    late = replace(person, hourly=person.hourly[:118], report_hours=np.array([1.0, 117.5]), reports=person.reports[:2])
    late.reports[:] = [[1.0] * 3, [2.0] * 3]
    laid = network.series_input(late).numpy()
    assert laid.shape[-1] == 19
    assert laid[0, 0, 3].tolist() == [1, *[0] * 17, 1]


def test_a_series_network_says_what_it_said_and_learns_as_it_did() -> None:
    series = [network.series_input(rich(seed, days=10)) for seed in range(2)]
    torch.manual_seed(3)
    one = SeriesNetwork().eval()
    with torch.no_grad():
        odds = one(series[0])
    assert odds.shape == (3, 5)
    check_golden(__file__, "new series network", odds.numpy(), 1e-3, 1e-4)
    check_golden(__file__, "series network sizes", {k: list(v.shape) for k, v in one.state_dict().items()})
    assert one.recurrent.dropout == 0
    assert SeriesNetwork(4, 2).recurrent.dropout == 0.2
    assert [m.p for m in one.modules() if isinstance(m, torch.nn.Dropout)] == [0.2]
    assert one.attention.dropout == 0.2
    rng = np.random.default_rng(0)
    table = (rng.random((3, 5)) < 0.3).astype(np.float32)
    table[0, 0] = np.nan
    said: list[str] = []
    fitted = network.train_series([(s, table) for s in series * 5], 4, 5, said.append, 4)
    assert not fitted.training
    assert said[0].startswith("epoch 1 of 4: loss 0.")
    weights = {name: summary(each.numpy()) for name, each in fitted.state_dict().items()}
    losses = [float(line.split()[-1]) for line in said]
    check_golden(__file__, "learned series", {"losses": losses, "weights": weights}, 1e-2, 2e-3)
