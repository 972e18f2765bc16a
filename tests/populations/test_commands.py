"""The shell: every option does what it says, in text and in JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner, Result

from novamind.errors import DataProcessingError, NovamindError, ValidationError
from novamind.populations import EstimatedEffect, InterventionConfig, SimulationEngine, TwinGenerator, commands
from novamind.populations.codec import PopulationBody
from novamind.populations.fidelity.fidelity_tracker import grade
from tests.populations import by_hand
from tests.populations.conftest import QUICK, accounts, pilot


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    commands.register(made)
    return made


@pytest.fixture(scope="module")
def model(quick: TwinGenerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick.save(tmp_path_factory.mktemp("model") / "m.model")


def run(app: typer.Typer, *words: object) -> Result:
    done = CliRunner().invoke(app, ["twins", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.csv"
    accounts(1_000, 8).select(*QUICK).write_csv(path)
    return path


def test_a_table_is_learned(app: typer.Typer, table: Path, tmp_path: Path, quick: TwinGenerator) -> None:
    rule = "target_patient_volume <= total_patient_volume"
    out = tmp_path / "x.model"
    how = ("--out", out, "--brand", "kisqali", "--rule", rule, "--seed", 3)
    done = run(app, "train", table, "--target", "prescribing_change", *how)
    made = TwinGenerator.load(out)
    assert made.metrics is not None
    assert (made.brand, made.twin_type, made.seed, made.declared_rules) == ("kisqali", "hcp", 3, (rule,))
    assert made.generate(20, seed=1).frame.equals(quick.generate(20, seed=1).frame)
    figures = made.metrics
    assert done.stdout.splitlines() == [
        f"{figures.model_type}: cross-validated R2 {figures.cv_r2_mean:.3f}, coverage {figures.coverage_95:.3f}",
        *(f"warning: {w}" for w in figures.warnings),
        f"model written to {out}",
    ]
    assert done.stderr == "novamind: training on 1,000 rows ...\n"


def test_a_table_is_learned_by_default(
    app: typer.Typer, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    figures = json.loads(run(app, "train", table, "--target", "prescribing_change", "--json").stdout)
    made = TwinGenerator.load("twins.model")
    assert (made.brand, made.twin_type, made.seed, made.declared_rules) == ("unbranded", "hcp", 0, ())
    assert made.metrics is not None
    assert figures["model"] == "twins.model"
    assert (figures["training_samples"], figures["epsilon"]) == (1_000, None)
    assert figures["cv_mae"] == made.metrics.cv_mae
    other = run(app, "train", table, "--target", "decile", "--twin-type", "territory", "--json")
    assert json.loads(other.stdout)["model_type"]
    assert str(TwinGenerator.load("twins.model").twin_type) == "territory"


def test_options_of_training_reach_the_generator(
    app: typer.Typer, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    class Generator:
        def __init__(self, *words: Any, **options: Any) -> None:
            asked.append((words, options))

        def train(self, frame: pl.DataFrame, target: str) -> Any:
            asked.append((len(frame), target))
            return by_hand.metrics()

        def save(self, out: Path) -> None:
            asked.append(out)

    monkeypatch.setattr("novamind.populations.generation.generator.TwinGenerator", Generator)
    done = run(app, "train", table, "--target", "y")
    assert asked == [
        (("hcp", "unbranded"), {"rules": (), "seed": 0, "privacy": None}),
        (1_000, "y"),
        Path("twins.model"),
    ]
    assert "warning: Careful: R² is <low>." in done.stdout
    domain = tmp_path / "d.json"
    domain.write_text('{"a": [0, 1], "b": [0, 1]}')
    private = ("train", table, "--target", "y", "--epsilon", 2, "--domain", domain)
    run(app, *private)
    run(app, *private, "--delta", 1e-4, "--rule", "a <= b", "--rule", "b <= c", "--seed", 5)
    usual, stated = asked[3][1], asked[6][1]
    assert (usual["privacy"].epsilon, usual["privacy"].delta) == (2.0, 1e-6)
    assert usual["privacy"].domain == {"a": [0, 1], "b": [0, 1]}
    assert (stated["privacy"].delta, stated["rules"], stated["seed"]) == (1e-4, ["a <= b", "b <= c"], 5)


def test_a_table_is_learned_in_private(app: typer.Typer, table: Path, tmp_path: Path) -> None:
    domain = tmp_path / "domain.json"
    stated = {"specialty": ["oncology", "hematology", "dermatology", "rare"], "decile": [1, 10]}
    stated |= {"total_patient_volume": [0, 100, 5_000], "target_patient_volume": [0, 100, 5_000]}
    stated |= {"digital_engagement_score": [0.0, 1.0], "payments": [0.0, 40.0, 1_000.0, None]}
    domain.write_text(json.dumps(stated | {"prescribing_change": [-0.2, 0.2]}))
    accounts(1_300, 8).select(*QUICK).write_csv(table)  # about as many come out of the noise
    out = tmp_path / "p.model"
    how = ("train", table, "--target", "prescribing_change", "--out", out, "--json", "--domain", domain)
    assert json.loads(run(app, *how, "--epsilon", 50).stdout)["delta"] == 1e-6
    figures = json.loads(run(app, *how, "--epsilon", 60, "--delta", 1e-5).stdout)
    assert (figures["epsilon"], figures["delta"]) == (60.0, 1e-5)
    for half in (("--epsilon", 3), ("--domain", domain)):
        with pytest.raises(ValidationError, match="give --epsilon and --domain together"):
            run(app, "train", table, "--target", "prescribing_change", *half)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_twins_are_written(app: typer.Typer, model: Path, tmp_path: Path, quick: TwinGenerator, name: str) -> None:
    out = tmp_path / name
    limits = ("--filter", "decile=2..4", "--filter", "specialty=oncology,rare")
    done = run(app, "generate", model, "-n", 40, "--out", out, *limits, "--seed", 6)
    assert done.stdout == f"40 twins written to {out}\n"
    assert done.stderr == "novamind: drawing 40 twins ...\n"
    expected = quick.generate(40, {"decile": (2, 4), "specialty": ["oncology", "rare"]}, 6).frame
    found = pl.read_csv(out) if name == "t.csv" else pl.read_parquet(out)
    assert found.columns == expected.columns
    assert found["decile"].to_list() == expected["decile"].to_list()
    np.testing.assert_allclose(found["prescribing_change"], expected["prescribing_change"])
    shown = json.loads(run(app, "generate", model, "-n", 3, "--out", out, "--json").stdout)
    drawn = PopulationBody.of(quick.generate(3, seed=0)).model_dump(mode="json")
    chance = ("population_id", "created_at")
    assert {name: one for name, one in shown.items() if name not in chance} == {
        **{name: one for name, one in drawn.items() if name not in chance},
        "out": str(out),
    }


def test_ten_thousand_twins_by_default(
    app: typer.Typer, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: TwinGenerator
) -> None:
    monkeypatch.chdir(tmp_path)
    run(app, "generate", model)
    found = pl.read_parquet("twins.parquet")
    assert len(found) == 10_000
    assert found[:50].equals(quick.generate(10_000, seed=0).frame[:50])


def test_cells_that_a_spreadsheet_would_run_are_written_as_text(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    population = by_hand.population()
    levels = ("=1+1", "oncology", None)
    columns = tuple(
        type(c)(c.name, c.kind, levels, c.decimals) if c.name == "specialty" else c for c in population.features.columns
    )
    table = type(population.features)(columns, population.features.values, "pandas")

    class Loaded:
        def generate(self, *_: object) -> Any:
            return by_hand.population(features=table)

    monkeypatch.setattr(TwinGenerator, "load", lambda _: Loaded())
    run(app, "generate", tmp_path / "any", "--out", tmp_path / "t.csv")
    assert "\n=1+1" not in (tmp_path / "t.csv").read_text()
    run(app, "generate", tmp_path / "any", "--out", tmp_path / "t.parquet")
    assert pl.read_parquet(tmp_path / "t.parquet")["specialty"][0] == "=1+1"


def test_a_campaign_is_tried_by_assumption(app: typer.Typer, model: Path, tmp_path: Path, quick: TwinGenerator) -> None:
    engine = SimulationEngine(quick.generate(60, None, 0))
    expected = engine.simulate(InterventionConfig("email_campaign"))
    done = run(app, "simulate", model, "--intervention", "email_campaign", "-n", 60)
    assert done.stdout.splitlines() == [f"test_further: {expected.reason}", *expected.checks]
    assert done.stderr == "novamind: drawing 60 twins ...\n"
    how = ("simulate", model, "--intervention", "email_campaign", "-n", 60, "--json", "--minimum-effect", -1)
    assert json.loads(run(app, *how).stdout)["recommendation"] == "test_further"
    accepted = json.loads(run(app, *how, "--accept-assumptions").stdout)
    assert (accepted["recommendation"], accepted["minimum_effect"], accepted["twins"]) == ("deploy", -1.0, 60)
    page = tmp_path / "page.html"
    run(app, *how, "--report", page)
    assert "1000 rows" in page.read_text()
    assert "email_campaign" in page.read_text()
    usual = json.loads(run(app, "simulate", model, "--intervention", "email_campaign", "--json").stdout)
    assert (usual["twins"], usual["minimum_effect"]) == (10_000, 0.05)
    assert sum(g["twins"] for g in usual["heterogeneity"]["specialty"]) == 10_000


def test_a_campaign_is_tried_on_the_evidence_of_a_pilot(
    app: typer.Typer, model: Path, tmp_path: Path, quick: TwinGenerator
) -> None:
    data = pilot(200, lambda f: np.full(len(f), 0.2), 1).select("decile", "digital_engagement_score", "treated", "y")
    data.write_parquet(tmp_path / "pilot.parquet")
    how = ("simulate", model, "--intervention", "email_campaign", "-n", 80, "--pilot", tmp_path / "pilot.parquet")
    done = run(app, *how, "--json", "--seed", 2, "--filter", "decile=1..5")
    population = quick.generate(80, {"decile": (1, 5)}, 2)
    evidence = EstimatedEffect(data, randomised=True, seed=2)
    expected = SimulationEngine(population, evidence).simulate(InterventionConfig("email_campaign"))
    found = json.loads(done.stdout)
    assert found["average_treatment_effect"] == pytest.approx(expected.average_treatment_effect)
    assert found["standard_error"] == pytest.approx(expected.standard_error)
    assert (found["source"], found["checks"]) == ("estimated", list(expected.checks))
    assert "estimating the effect from the pilot" in done.stderr
    observed = json.loads(run(app, *how, "--json", "--observational").stdout)
    assert any(check.startswith("Overlap") for check in observed["checks"])
    assert not any(check.startswith("Overlap") for check in found["checks"])


def test_a_model_is_graded(app: typer.Typer, model: Path, tmp_path: Path, quick: TwinGenerator) -> None:
    frame = accounts(60, 21).select(*QUICK)
    frame = frame.with_columns(
        prescribing_change=pl.when(pl.arange(0, 60) < 4).then(None).otherwise("prescribing_change")
    )
    frame.write_csv(tmp_path / "o.csv")
    mean, low, high = quick.predict(frame)
    expected = grade(mean, frame["prescribing_change"].cast(pl.Float64).fill_null(float("nan")).to_numpy(), low, high)
    done = run(app, "fidelity", model, tmp_path / "o.csv")
    assert done.stdout.splitlines() == [
        f"{expected.grade}: MAE {expected.mae:.4g}, correlation {expected.correlation:.3f}, coverage "
        f"{expected.coverage_95:.3f} (56 outcomes, 4 missing)",
        *expected.warnings,
    ]
    figures = json.loads(run(app, "fidelity", model, tmp_path / "o.csv", "--json").stdout)
    assert figures["mae"] == pytest.approx(expected.mae)
    assert figures == expected.to_dict()
    frame.drop("prescribing_change").write_csv(tmp_path / "less.csv")
    with pytest.raises(ValidationError, match="the outcomes lack the column 'prescribing_change'"):
        run(app, "fidelity", model, tmp_path / "less.csv")


def test_the_commands_are_listed_where_none_is_named(app: typer.Typer) -> None:
    shown = CliRunner().invoke(app, ["twins"]).output
    for name in ("train", "generate", "simulate", "fidelity"):
        assert f" {name} " in shown


def test_json_is_indented_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    commands._show({"a": 1, "b": "x"}, ["text"], True)
    commands._show({"a": 1}, ["one", "two"], False)
    assert capsys.readouterr().out == '{\n  "a": 1,\n  "b": "x"\n}\none\ntwo\n'


@pytest.mark.parametrize(
    ("texts", "filters"),
    [
        (None, None),
        ([], None),
        (["a=x"], {"a": ["x"]}),
        (["a=x,y", "b=1"], {"a": ["x", "y"], "b": [1.0]}),
        (["a=1,2.5"], {"a": [1.0, 2.5]}),
        (["a=1,x"], {"a": ["1", "x"]}),
        (["a=1..3"], {"a": (1.0, 3.0)}),
        (["a=..3"], {"a": (None, 3.0)}),
        (["a=1.."], {"a": (1.0, None)}),
        (["a=x=y"], {"a": ["x=y"]}),
    ],
)
def test_filters_are_read(texts: list[str] | None, filters: dict[str, Any] | None) -> None:
    assert commands._filters(texts) == filters


@pytest.mark.parametrize("text", ["a", "a=", ""])
def test_a_filter_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValidationError, match="write column=a,b or column=low"):
        commands._filters([text])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("")
    (tmp_path / "t.parquet").write_text("no parquet")
    for name in ("t.csv", "t.parquet", "absent.csv", "absent.parquet"):
        with pytest.raises(DataProcessingError, match=rf"{name} cannot be read; give a CSV or Parquet table"):
            commands._read(tmp_path / name)
    late = tmp_path / "late.csv"
    late.write_text("a\n" + "1\n" * 500 + "x\n")
    assert commands._read(late)["a"].dtype == pl.String


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[1]", "must be a JSON object"),
        ('{"a": 1}', "every column a list"),
    ],
)
def test_a_domain_is_an_object_of_lists(tmp_path: Path, text: str | None, error: str) -> None:
    path = tmp_path / "d.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(NovamindError, match=error):
        commands._json(path)
    path.write_text('{"a": [1, null], "b": ["x"]}')
    assert commands._json(path) == {"a": [1, None], "b": ["x"]}
