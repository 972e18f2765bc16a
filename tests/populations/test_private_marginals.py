"""Differential privacy: the noise that is added, what it is charged, and what the model keeps of the real table."""

import json
import warnings
from io import BytesIO

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from novamind.cli import app
from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations import DifferentialPrivacy, TwinGenerator
from novamind.populations.private_marginals import _beyond_independence
from novamind.populations.table import read
from tests.populations.conftest import accounts

DOMAIN = {
    "specialty": ("oncology", "hematology", "dermatology", "rare"),
    "decile": (1, 10),
    "total_patient_volume": (0, 50, 100, 200, 400, 800, 5_000),
    "target_patient_volume": (0, 20, 50, 100, 200, 400, 5_000),
    "digital_engagement_score": (0.0, 1.0),
    "payments": (0.0, 10.0, 20.0, 40.0, 80.0, 1_000.0, None),
    "prescribing_change": (-0.2, 0.2),
}
RULE = "target_patient_volume <= total_patient_volume"
SHOWN = accounts(1_500, 5).select(*DOMAIN)


class Recorder:
    """A generator of random numbers that notes every Gaussian measurement and every choice."""

    def __init__(self):
        self.rng, self.sigmas = np.random.default_rng(0), []

    def normal(self, mean, sigma, size):
        self.sigmas.append(sigma)
        return self.rng.normal(mean, sigma, size)

    def __getattr__(self, name):
        return getattr(self.rng, name)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 1e-6), (1.0, 1e-5), (3.0, 1e-6), (10.0, 1e-9)])
def test_what_is_measured_and_chosen_spends_the_budget_and_no_more(epsilon, delta):
    privacy, recorder = DifferentialPrivacy(epsilon, DOMAIN, delta), Recorder()
    privacy.table(read(SHOWN), "prescribing_change", rng=recorder)
    d = len(DOMAIN)
    assert len(recorder.sigmas) == 2 * d - 1  # each column, and each edge of the tree
    measured = sum(1 / (2 * sigma**2) for sigma in recorder.sigmas)
    rho = measured + (d - 1) * privacy.choice(d - 1) ** 2 / 8
    assert rho == pytest.approx(privacy.rho, rel=1e-12)
    assert rho + 2 * np.sqrt(rho * np.log(1 / delta)) == pytest.approx(epsilon, rel=1e-12)


def test_the_noise_has_the_scale_that_it_is_charged_for():
    names = ["specialty", "decile", "prescribing_change"]
    privacy = DifferentialPrivacy(1.0, {name: DOMAIN[name] for name in names})
    table = read(SHOWN.select(names))
    rows = [len(privacy.table(table, names[-1], rng=np.random.default_rng(i))) for i in range(150)]
    cells = np.array([4, 10, 16])
    expected = privacy.noise(3) / np.sqrt(np.sum(1 / cells))  # of the mean of totals, weighted by precision
    assert np.mean(rows) == pytest.approx(len(SHOWN), abs=4 * expected / np.sqrt(150))
    assert np.std(rows, ddof=1) == pytest.approx(expected, rel=0.2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=30), st.data())
def test_one_row_more_changes_a_score_by_one_at_most(rows, data):
    alone = {"a": np.array([7.0, 2.0, 4.0]), "b": np.array([1.0, 6.0, 3.0, 3.0])}
    one_more = [*rows, data.draw(st.tuples(st.integers(0, 2), st.integers(0, 3)))]
    scores = [
        _beyond_independence(dict(zip("ab", np.array(of).T, strict=True)), alone, "a", "b", 2.0)
        for of in (rows, one_more)
    ]
    assert abs(scores[1] - scores[0]) <= 1 + 1e-9


@pytest.fixture(scope="module")
def private():
    # A value beyond the bounds moves to them, a row with an undeclared level is left out: neither makes an error.
    odd = SHOWN.with_columns(
        specialty=pl.when(pl.arange(0, pl.len()) == 3).then(pl.lit("unheard-of")).otherwise("specialty"),
        digital_engagement_score=pl.when(pl.arange(0, pl.len()) == 4).then(7.0).otherwise("digital_engagement_score"),
    )
    generator = TwinGenerator("hcp", "kisqali", rules=[RULE], privacy=DifferentialPrivacy(20.0, DOMAIN))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        generator.train(odd, "prescribing_change")
    assert any("differential privacy (epsilon 20" in str(w.message) for w in said)
    return generator


def test_a_private_model_holds_no_real_value_and_says_what_it_promises(private):
    again = TwinGenerator.from_bytes(private.to_bytes())
    assert again.metrics is not None
    assert (again.metrics.epsilon, again.metrics.delta) == (20.0, 1e-6)
    assert again.metrics.rules == (RULE,)
    assert again.privacy.rho == private.privacy.rho  # a later training is as private
    with np.load(BytesIO(private.to_bytes())) as stored:
        held = np.concatenate([stored[k].ravel() for k in stored.files if stored[k].dtype.kind == "f"])
    assert not np.isin(SHOWN["digital_engagement_score"].to_numpy(), held).any()


def test_private_twins_resemble_the_table_and_keep_declared_rules(private):
    twins = private.generate(4_000, seed=1).frame
    assert (twins["target_patient_volume"] <= twins["total_patient_volume"]).all()
    assert twins["decile"].dtype == pl.Int64
    assert set(twins["specialty"]) <= {*DOMAIN["specialty"]}
    assert twins["digital_engagement_score"].max() <= 1.0
    assert not any(twins[name].null_count() for name in DOMAIN if name != "payments")
    assert twins["payments"].is_null().mean() == pytest.approx(0.3, abs=0.05)
    for frame in (twins, SHOWN):
        tied = frame.select(pl.corr("digital_engagement_score", "prescribing_change", method="spearman")).item()
        assert tied > 0.5


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"epsilon": 0.0}, "epsilon must be a number above 0"),
        ({"epsilon": "3"}, "epsilon must be a number above 0"),
        ({"domain": {**DOMAIN, "decile": 10}}, "domain of 'decile' cannot be read"),
        ({"domain": {**DOMAIN, "digital_engagement_score": (0, 1)}}, "holds fractions"),
        ({"delta": 0.5}, "delta must be above 0"),
        ({"domain": {}}, "Declare the domain of every column"),
        ({"domain": {**DOMAIN, "decile": (10, 1)}}, "domain of 'decile' cannot be read"),
        ({"domain": {**DOMAIN, "specialty": ("oncology", "oncology")}}, "domain of 'specialty' cannot be read"),
        ({"domain": {k: v for k, v in DOMAIN.items() if k != "payments"}}, "Declare the domain of 'payments'"),
        ({"domain": {**DOMAIN, "specialty": (1, 10)}}, "Declare 'specialty' as what it is"),
    ],
)
def test_what_would_leak_or_cannot_be_promised_is_refused(options, reason):
    with pytest.raises(ValidationError, match=reason):
        DifferentialPrivacy(**{"epsilon": 3.0, "domain": DOMAIN} | options).table(read(SHOWN), "prescribing_change")


def test_a_rule_that_noise_cannot_keep_is_refused():
    with pytest.raises(InsufficientDataError, match="Hardly a row"):
        DifferentialPrivacy(3.0, DOMAIN).table(
            read(SHOWN), "prescribing_change", ["decile == digital_engagement_score"]
        )


def test_the_shell_takes_epsilon_with_a_domain_only(tmp_path):
    SHOWN.write_parquet(tmp_path / "t.parquet")
    (tmp_path / "domain.json").write_text(json.dumps(DOMAIN | {"decile": [1, "x"]}))
    train = ["twins", "train", str(tmp_path / "t.parquet"), "--target", "prescribing_change", "--epsilon", "3"]
    assert "Give --epsilon and --domain together" in str(CliRunner().invoke(app, train).exception)
    found = CliRunner().invoke(app, [*train, "--domain", str(tmp_path / "domain.json")])
    assert "domain of 'decile' cannot be read" in str(found.exception)
