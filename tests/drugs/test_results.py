"""What is known of a drug, on a sheet: every row of the tables that names it, with its source."""

import json

import pytest
from typer.testing import CliRunner

import novamind as nm
from novamind.cli import app
from novamind.drugs.catalogue import catalogue, psychiatric
from novamind.drugs.commands import text
from novamind.drugs.domain import Evidence
from novamind.drugs.regimen import interactions
from novamind.drugs.results import facts, tables
from novamind.drugs.tables import FACTS, rows, sources
from novamind.errors import ValidationError


def test_the_catalogue_is_as_large_as_it_says() -> None:
    groups = [drug.group for drug in catalogue().values()]
    assert groups.count("psychiatric") >= 110
    assert groups.count("co-prescribed") >= 120
    assert set(groups) == {"psychiatric", "co-prescribed"}
    assert set(psychiatric()) <= {name for name, drug in catalogue().items() if drug.group == "psychiatric"}


def test_a_sheet_holds_every_row_that_names_the_drug() -> None:
    sheet = facts("sertraline")
    for table in ("names", "codes", "substrates", "modulators", "affinities", "kinetics"):
        column = "compound" if table == "affinities" else "drug"
        own = [row for row in rows(table) if row[column] == "sertraline"]
        assert [fact.source.id for fact in sheet.of(table)] == [row["source"] for row in own], table
    assert {"system": "rxnorm", "code": "36437"} in [dict(fact.values) for fact in sheet.of("codes")]
    assert {"rxnorm": "312941", "name": "sertraline 50 MG Oral Tablet"} in [
        dict(f.values) for f in sheet.of("products")
    ]
    assert sheet.of("no_table") == ()
    assert {fact.table for fact in sheet.facts} <= {*tables(), "products"}


def test_every_table_that_names_drugs_reaches_a_sheet() -> None:
    shown = {fact.table for drug in catalogue() for fact in facts(drug).facts}
    packaged = [file.name.removesuffix(".csv") for file in FACTS.iterdir() if file.name.endswith(".csv")]
    columns = {table: next(rows(table)).keys() for table in packaged}
    naming = {table for table in packaged if {"drug", "drugs", "compound", "old", "new", "a", "b"} & columns[table]}
    assert shown == naming | {"products"}


def test_a_row_of_two_drugs_is_on_both_sheets() -> None:
    (row,) = (row for row in rows("combinations") if row["name"] == "Symbyax")
    assert row["drugs"] == "olanzapine;fluoxetine"
    for drug in ("olanzapine", "fluoxetine"):
        assert {"name": "Symbyax", "drugs": row["drugs"]} in [dict(f.values) for f in facts(drug).of("combinations")]


def test_facts_are_counted_by_how_they_were_checked() -> None:
    sheet = facts("lithium")
    assert sum(sheet.evidence.values()) == len(sheet.facts)
    assert list(sheet.evidence) == [e for e in Evidence if e in sheet.evidence]
    assert all(fact.source == sources()[fact.source.id] for fact in sheet.facts)
    assert repr(sheet).startswith(f"<DrugFacts: lithium, mood stabiliser: {len(sheet.facts)} facts (")


def test_frame_and_json_hold_the_same_rows() -> None:
    sheet = nm.drugs.facts("Zoloft 50 mg")
    frame, body = sheet.frame, sheet.to_dict()
    assert frame.columns == ["table", "fact", "source", "year", "evidence"]
    assert frame.height == len(body["facts"]) == len(sheet.facts)
    assert frame["table"].to_list() == [fact["table"] for fact in body["facts"]]
    assert frame["evidence"].to_list() == [fact["source"]["evidence"] for fact in body["facts"]]
    assert body["drug"] == {"name": "sertraline", "group": "psychiatric", "drug_class": "SSRI"}
    assert facts("sertraline").facts[0].text == ", ".join(
        f"{column.replace('_', ' ')} {value}" for column, value in body["facts"][0]["values"].items()
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sertralinne", "names that are near: sertraline"),
        ("qqqqqq", "the drug is not in our tables; names that are near: none"),
        ("Symbyax", "the name is a combination; ask for one of olanzapine, fluoxetine"),
    ],
)
def test_another_name_is_refused_with_what_is_near(name: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        facts(name)


def test_the_shell_prints_the_sheet() -> None:
    shown = CliRunner().invoke(app, ["drugs", "zoloft"])
    assert shown.exit_code == 0
    assert shown.stdout == text(facts("sertraline")) + "\n"
    assert shown.stdout.startswith("SERTRALINE  SSRI, psychiatric\n")
    assert "  system rxnorm, code 36437 [rxnorm-ansm-2016]\n" in shown.stdout
    assert "\nSOURCES\n" in shown.stdout
    assert "(general knowledge, not confirmed at the source)" in " ".join(shown.stdout.split())
    assert max(map(len, shown.stdout.splitlines()[2:])) <= 98
    printed = CliRunner().invoke(app, ["drugs", "Zoloft", "--json"])
    assert json.loads(printed.stdout) == facts("sertraline").to_dict()
    assert isinstance(CliRunner().invoke(app, ["drugs", "sertralinne"]).exception, ValidationError)


def test_the_shell_says_what_several_drugs_do_to_each_other() -> None:
    shown = CliRunner().invoke(app, ["drugs", "Orap", "clarithromycin", "unheardofine"])
    assert shown.exit_code == 0
    first, rest = shown.output.split("\n", 1)
    assert first == "CLARITHROMYCIN, PIMOZIDE"
    assert rest.startswith("  contraindicated, clarithromycin + pimozide: ")
    assert "Orap US label 4; " in " ".join(rest.split())
    assert "Not checked: unheardofine is not in our tables: nothing of it was checked." in rest
    assert max(map(len, rest.splitlines())) <= 100
    printed = CliRunner().invoke(app, ["drugs", "Orap", "clarithromycin", "--json"])
    assert json.loads(printed.output) == interactions(["pimozide", "clarithromycin"]).to_dict()
    nothing = CliRunner().invoke(app, ["drugs", "paracetamol", "lithium"])
    assert nothing.output == "LITHIUM, PARACETAMOL\n  No caution is in our tables.\n"
