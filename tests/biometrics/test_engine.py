"""What is analysed and what is left out, how chance is told, and a whole record as it was."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from novamind.biometrics import engine, lag_scan
from novamind.biometrics.domain import PersonSeries
from novamind.biometrics.engine import PersonProfile, SymptomProfile, analyse, usable_signals
from novamind.biometrics.lag_scan import Scan, tail_probability
from tests.biometrics.conftest import person, rich
from tests.cohorts.summary import summary
from tests.golden import check_golden


def with_signal(values: np.ndarray) -> PersonSeries:
    """One more signal, given from the first hour on."""
    record = person(days=20)
    column = np.full(record.hours, np.nan)
    column[: len(values)] = values
    hourly = np.column_stack([column, record.hourly])
    return replace(
        record,
        signals=("more", *record.signals),
        hourly=hourly,
        offset=np.zeros(3),
        measured=np.isfinite(hourly),
    )


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.arange(24) % 5, None),
        (np.arange(23) % 5, "fewer than 24 hours with a value of their own"),
        (np.arange(300) % 4, "fewer than 5 different values"),
        (np.arange(24) % 4, "fewer than 5 different values"),
        (np.append(np.arange(300) % 4, 9), None),  # the fifth comes late
    ],
)
def test_a_signal_needs_24_hours_and_5_values(values: np.ndarray, reason: str | None) -> None:
    kept, skipped = usable_signals(with_signal(values.astype(float)))
    assert skipped.get("more") == reason
    assert kept.tolist() == ([0, 1, 2] if reason is None else [1, 2])
    assert kept.dtype == np.int64


def test_values_held_on_do_not_count() -> None:
    record = with_signal(np.arange(480.0) // 21)
    measured = np.isfinite(record.hourly)
    measured[:, 0] = np.arange(record.hours) % 21 == 0
    assert "more" in usable_signals(replace(record, measured=measured))[1]


@pytest.mark.parametrize(
    ("reports", "reason"),
    [(15, None), (14, "too few reports to separate it from time of day, week and confounders")],
)
def test_a_symptom_needs_15_reports(reports: int, reason: str | None) -> None:
    record = person(days=20)
    answers = np.full(record.reports.shape, np.nan)
    answers[:reports, 0] = np.arange(reports) % 3
    found = analyse(replace(record, reports=answers), max_lag=4, draws=5)
    assert found.skipped.get("anxiety") == reason
    assert len(found.symptoms) == (reason is None)


def test_a_symptom_needs_five_reports_more_than_what_is_taken_out() -> None:
    record = person(days=20)
    hour = np.arange(record.hours, dtype=float)
    courses = {f"course {k}": np.sin(hour / (7 + k)) for k in range(8)}
    for reports in (24, 25, 26):
        answers = np.full(record.reports.shape, np.nan)
        answers[10 : 10 + reports, 0] = np.arange(reports) % 4
        found = analyse(replace(record, reports=answers, confounders=courses), max_lag=2, draws=3)
        columns = found.prepared.design.shape[1]
        assert bool(found.skipped) == (reports < columns + 5)
    assert columns in (15, 17, 18, 19, 20, 21)


def test_answers_that_are_all_the_same_or_rare_confirm_nothing() -> None:
    record = person(days=20)
    same = analyse(replace(record, reports=np.ones_like(record.reports)), max_lag=2, draws=3)
    assert same.skipped == {"anxiety": "every answer is the same"}
    for others in (9, 10):
        answers = np.zeros_like(record.reports)
        answers[:others] = 1
        found = analyse(replace(record, reports=answers), max_lag=2, draws=3)
        said = "fewer than 10 answers differ from the commonest one"
        assert found.unconfirmable == ({"anxiety": said} if others == 9 else {})
        assert found.symptoms[0].other_answers == others
        assert found.symptoms[0].reports == len(answers)


def test_without_a_usable_signal_nothing_is_scanned() -> None:
    record = person(days=20)
    found = analyse(replace(record, hourly=np.zeros_like(record.hourly)), max_lag=2, draws=3)
    assert found.symptoms == ()
    assert set(found.skipped) == {"hrv", "steps"}


def told(symptom: SymptomProfile) -> dict[str, Any]:
    return {
        "marginal": [summary(symptom.marginal.score), summary(symptom.marginal.information)],
        "conditional": [summary(symptom.conditional.score), summary(symptom.conditional.information)],
        "evidence": symptom.evidence,
        "conditional evidence": symptom.conditional_evidence,
        "p": symptom.p_value,
        "tempering": symptom.tempering,
        "held": symptom.selected,
        "shared": symptom.shared,
        "reports": [symptom.reports, symptom.other_answers],
        "inertia": symptom.regression.inertia,
        "scale": symptom.regression.scale,
        "spread": symptom.regression.spread @ symptom.regression.spread.T,
    }


def test_a_record_is_analysed_as_it_was(analysed: PersonProfile) -> None:
    check_golden(__file__, "analysed", [told(symptom) for symptom in analysed.symptoms], 1e-4, 1e-6)
    assert analysed.max_lag == 36


def test_the_defaults_are_a_week_200_draws_and_seed_0() -> None:
    record = person(days=15)
    plain, named = analyse(record), analyse(record, 168, 0, 200)
    assert plain.max_lag == 168
    assert plain.symptoms[0].p_value.tolist() == named.symptoms[0].p_value.tolist()
    assert engine.DRAWS == 200


def test_what_a_held_signal_takes_of_another_is_shared(analysed: PersonProfile) -> None:
    for symptom in analysed.symptoms:
        held, shared = list(symptom.selected), symptom.shared
        assert len(held) == len(set(held))
        assert not np.diag(shared).any()
        free = [b for b in range(len(analysed.signals)) if b not in held]
        assert not shared[:, free].any()
        if held:
            assert symptom.evidence[held[0]] == symptom.evidence.max() >= 2
        if len(held) == 1:
            others = [b for b in range(len(analysed.signals)) if b != held[0]]
            gone = symptom.evidence[others] - symptom.conditional_evidence[others]
            assert gone == pytest.approx(shared[others, held[0]])
            assert symptom.conditional.score[held[0]].tolist() == symptom.marginal.score[held[0]].tolist()
    assert max(len(symptom.selected) for symptom in analysed.symptoms) >= 1


@pytest.mark.parametrize("limit", [1.9, 2.1])
def test_a_signal_is_held_from_evidence_2(limit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    columns = rng.standard_normal((30, 2, 4, 3))
    flat = columns.reshape(30, -1)
    profile = Scan(np.zeros((2, 4, 3)), (flat**2).sum(0).reshape(2, 4, 3))
    profile.score[1, 2, 1] = 20.0
    strength = iter([np.array([-1.0, limit]), np.array([-1.0, 9.0])])
    monkeypatch.setattr(lag_scan, "evidence", lambda _: next(strength))
    held, place = lag_scan.select_signals(profile, columns, flat)
    assert held == ([1] if limit > 2 else [])
    assert place == ({1: 12 + 2 * 3 + 1} if limit > 2 else {})


def test_tails_begin_at_85_percent_and_fall_exponentially() -> None:
    draws = np.arange(1.0, 101.0)[:, None]
    edge = float(np.quantile(draws, 0.85))
    excess = draws[draws > edge] - edge
    decay = excess.mean()
    seen = np.array([edge, edge + 0.001, edge + 3.0, 40.0, 200.0, 0.0])
    p, mean_excess = tail_probability(seen, np.repeat(draws, 6, axis=1))
    assert mean_excess == pytest.approx(decay)
    assert p == pytest.approx([
        16 / 101, 0.15 * np.exp(-0.001 / decay), 0.15 * np.exp(-3 / decay), (1 + 61) / 101,
        0.15 * np.exp(-(200 - edge) / decay), 1.0,
    ])  # fmt: skip


def test_the_tails_decay_is_shared_and_their_begin_is_not() -> None:
    rng = np.random.default_rng(1)
    draws = rng.exponential(size=(200, 2)) * [1.0, 3.0] + [0.0, 50.0]
    edge = np.quantile(draws, 0.85, axis=0)
    p, decay = tail_probability(edge + 2.0, draws)
    assert p[0] == pytest.approx(p[1])
    over = np.maximum(draws - edge, 0)
    assert decay == pytest.approx(over.sum() / (over > 0).sum())
    assert tail_probability(np.array([1.0]), np.append(np.zeros(99), 1e-9)[:, None])[1] == 1e-3


def test_p_values_of_chance_are_even() -> None:
    """Exponential evidence: 5 % of chance lies below 0.05, 1 % below 0.01; a level of 10 % would fail."""
    rng = np.random.default_rng(2)
    p = np.concatenate(
        [tail_probability(rng.exponential(size=20), rng.exponential(size=(200, 20)))[0] for _ in range(400)]
    )
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.008)
    assert (p < 0.01).mean() == pytest.approx(0.01, abs=0.004)
    assert (p < 0.5).mean() == pytest.approx(0.5, abs=0.02)


def test_reports_count_in_full_up_to_an_excess_of_a_half(monkeypatch: pytest.MonkeyPatch) -> None:
    record = person(days=20)
    found = {}
    for excess in (0.25, 0.5, 1.0):
        monkeypatch.setattr(lag_scan, "tail_probability", lambda seen, _, e=excess: (np.full(len(seen), 0.5), e))
        found[excess] = analyse(record, max_lag=3, draws=2).symptoms[0]
    assert {excess: one.tempering for excess, one in found.items()} == {0.25: 1.0, 0.5: 1.0, 1.0: 0.5}
    full, half = found[0.5].marginal, found[1.0].marginal
    assert half.score == pytest.approx(full.score / 2)
    assert half.information == pytest.approx(full.information / 2)
    assert found[1.0].evidence == pytest.approx(lag_scan.evidence(half))


def test_another_seed_draws_another_chance() -> None:
    record = rich(days=20)
    one, same, other = (analyse(record, 6, seed, 20).symptoms[0].p_value.tolist() for seed in (1, 1, 2))
    assert one == same != other
