"""Tables as people have them: each is read to the right values, or refused with what to declare."""

import io
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from novamind.errors import InsufficientDataError, ValidationError
from novamind.records import FileImport, import_file
from novamind.records.signals import SIGNALS
from novamind.records.tables import grid, interpretation
from novamind.records.tables.columns import TOTALS_ONLY, name_columns, named_of
from novamind.symptoms.instruments import INSTRUMENTS
from novamind.symptoms.instruments import find as find_range

TODAY = date(2026, 1, 1)


def read(text: str | bytes, name: str = "table.csv", **declared: Any) -> FileImport:
    content = text.encode() if isinstance(text, str) else text
    return import_file(name, content=content, today=TODAY, **declared)


def values(imported: FileImport, series: str) -> list[float]:
    return imported.frame.filter(pl.col("series") == series)["value"].to_list()


def rows(imported: FileImport) -> list[tuple[str, str, float]]:
    frame = imported.frame.select("series", pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M"), "value")
    return [tuple(row) for row in frame.iter_rows()]  # type: ignore[misc]


def reasons(imported: FileImport) -> dict[tuple[str, str], int]:
    return {(entry.what, entry.reason): entry.count for entry in imported.left_out}


def table(header: str, *lines: str) -> str:
    return "\n".join((header, *lines)) + "\n"


# names of columns


@pytest.mark.parametrize(
    ("header", "guess"),
    [
        ("timestamp,PHQ-9", ()),
        ("date,PHQ-9", ("date",)),
        ("Datum;PHQ-9", ("Datum",)),
        ("DS|phq9_total", ("DS",)),
        ("Zeitpunkt\tSumme PHQ-9", ("Zeitpunkt",)),
        ("Assessment date,PHQ9 Score", ("Assessment date",)),
    ],
)
def test_a_column_named_by_its_instrument(header: str, guess: tuple[str, ...]) -> None:
    mark = next(mark for mark in ",;|\t" if mark in header)
    imported = read(table(header, f"2025-01-13{mark}7", f"2025-01-20{mark}12"))
    assert rows(imported) == [("PHQ-9", "2025-01-13 00:00", 7.0), ("PHQ-9", "2025-01-20 00:00", 12.0)]
    assert [name for name in guess if not any(f"'{name}' is read as" in line for line in imported.guesses)] == []


@pytest.mark.parametrize("header", ["ds,y", "date,score", "Datum,Wert", "Timestamp,Value", " timestamp , value "])
def test_generic_names_need_an_instrument_to_be_named(header: str) -> None:
    lines = ("2025-01-13,7", "2025-01-20,12")
    imported = read(table(header, *lines))
    assert [entry.name for entry in imported.series] == ["symptom"]
    assert any("give --instrument" in guess for guess in imported.guesses)
    assert values(read(table(header, *lines), instrument="phq9"), "PHQ-9") == [7, 12]


def test_a_mapping_goes_before_every_guess_and_names_series() -> None:
    text = table("when,date,a,PHQ-9", "2025-01-13,2024-01-13,3,7", "2025-01-14,2024-01-14,4,8")
    imported = read(text, mapping={"timestamp": "when", "mood": "a"})
    assert rows(imported) == [("mood", "2025-01-13 00:00", 3.0), ("mood", "2025-01-14 00:00", 4.0)]
    assert reasons(imported)["column 'PHQ-9'", "another column is mapped"] == 2


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"timestamp": "nowhere"}, "no column of a mapped name; it has 'when', 'x'"),
        ({"value": "x"}, "no dates in a form"),
    ],
)
def test_a_mapping_that_does_not_fit(mapping: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read(table("when,x", "a,7", "b,8"), mapping=mapping)


def test_a_mapping_the_wrong_way_round_says_so() -> None:
    with pytest.raises(ValidationError, match="the role first"):
        read(table("Datum,PHQ-9", "13.01.2025,7"), mapping={"Datum": "timestamp"})


def test_series_of_numbers_are_kept_apart() -> None:
    imported = read(table("timestamp,symptom,value", "2025-01-13,1,7", "2025-01-14,2,8"))
    assert [(row[0], row[2]) for row in rows(imported)] == [("symptom 1", 7), ("symptom 2", 8)]


def test_an_item_beside_its_instrument_is_no_total() -> None:
    lines = [f"2025-01-13 08:0{i},GAD-2,{i},{i}" for i in (1, 2)]
    imported = read(table("date,instrument,item,value", *lines))
    assert [(row[0], row[2]) for row in rows(imported)] == [("GAD-2 item 1", 1), ("GAD-2 item 2", 2)]
    other = read(table("date,questionnaire,subscale,value", "2025-01-13,PANAS,positive,30"))
    assert [row[0] for row in rows(other)] == ["PANAS positive"]


@pytest.mark.parametrize("value", ["many", "999"])
def test_an_error_names_no_cell(value: str) -> None:
    text = table(
        "timestamp,symptom,value", f"2025-01-13,CANARY,{value}", *(["2025-01-14,CANARY,3"] if value == "999" else [])
    )
    with pytest.raises(ValidationError, match="a series") as caught:
        read(text)
    assert "CANARY" not in str(caught.value)


def test_names_of_rows_follow_the_rules_of_names_of_columns() -> None:
    lines = [f"2025-01-13,phq{i},{i % 4}" for i in range(1, 10)]  # phq9 is then no total, phq2 no PHQ-2
    with pytest.raises(InsufficientDataError, match="not clearly of which instrument"):
        read(table("date,item,value", *lines))
    assert values(read(table("date,item,value", *lines), instrument="PHQ-9"), "PHQ-9") == [13]
    clear = read(table("date,item,value", *(line.replace("phq", "phq9_") for line in lines)))
    assert values(clear, "PHQ-9") == [13]


def test_a_declared_instrument_is_not_ignored() -> None:
    with pytest.raises(ValidationError, match="no column is clearly of GAD-7"):
        read(table("date,a,b", "2025-01-13,7,5"), instrument="GAD-7")
    assert values(read(table("date,a", "2025-01-13,7"), instrument="GAD-7"), "GAD-7") == [7]
    named = read(table("date,symptom,value", "2025-01-13,mood,7"), instrument="GAD-7")
    assert any("is that of items without a name" in guess for guess in named.guesses)


def test_an_id_is_the_person_unless_its_cells_are_items() -> None:
    persons = read(table("id,date,PHQ-9", "a,2025-01-13,7", "b,2025-01-13,9", "a,2025-01-14,8"))
    assert persons.persons == ("a", "b")
    assert persons.of("b").symptoms is not None
    with pytest.raises(ValidationError, match="2 persons"):
        _ = persons.record
    cells = [f"1736766000,GAD7_{i},{i % 4}" for i in range(1, 8)]
    items = read(table("time,id,answer", *cells), timezone="UTC")
    assert items.persons == ("1",)
    assert values(items, "GAD-7") == [sum(i % 4 for i in range(1, 8))]


def test_people_that_only_a_name_keeps_apart_are_not_one() -> None:
    text = table("Name,date,PHQ-9", "Ada,2025-01-13,7", "Eve,2025-01-14,9")
    with pytest.raises(ValidationError, match="'Name' differs between rows, as of several people") as caught:
        read(text)
    assert "Ada" not in str(caught.value)
    assert read(text, mapping={"patient_id": "Name"}).persons == ("Ada", "Eve")
    assert values(read(text, patient_id="p"), "PHQ-9") == [7, 9]
    alone = read(text.replace("Eve", "Ada"))
    assert alone.persons == ("1",)
    assert any("all rows are read as one person's" in guess for guess in alone.guesses)


@pytest.mark.parametrize(
    "column",
    [
        "Case No",
        "MRN",
        "Pt ID",
        "Probanden-Nr.",
        "subject_number",
        "Patient Code",
        "study_id",
        "participantId",
        "Fall-Nr",
    ],
)
def test_a_column_of_people_by_its_words(column: str) -> None:
    assert read(table(f"{column};date;PHQ-9", "1;2025-01-13;7", "2;2025-01-14;9")).persons == ("1", "2")


@pytest.mark.parametrize("column", ["sex", "Geburtsdatum", "group", "Initials", "site", "email"])
def test_what_differs_between_people_alone_is_refused(column: str) -> None:
    cells = ("1980-01-01", "1990-01-01") if column == "Geburtsdatum" else ("a", "b")
    with pytest.raises(ValidationError, match="as of several people"):
        read(table(f"{column},date,PHQ-9", f"{cells[0]},2025-01-13,7", f"{cells[1]},2025-01-14,9"))
    assert read(table(f"{column},date,PHQ-9", f"{cells[0]},2025-01-13,7", f"{cells[0]},2025-01-14,9")).persons == ("1",)


def test_a_code_is_the_person_unless_it_is_one_of_an_instrument() -> None:
    assert read(table("code,date,PHQ-9", "a,2025-01-13,7", "b,2025-01-14,9")).persons == ("a", "b")
    assert values(read(table("code,date,value", "PHQ9,2025-01-13,7", "GAD7,2025-01-14,9")), "GAD-7") == [9]


def test_one_person_is_chosen_or_named() -> None:
    text = table("subject,date,PHQ-9", "007,2025-01-13,7", "8,2025-01-13,9", ",2025-01-14,8")
    imported = read(text, patient_id="007")
    assert (imported.persons, values(imported, "PHQ-9")) == (("007",), [7])
    assert reasons(imported) == {("row", "is of another person"): 1, ("row", "names no person"): 1}
    assert read(table("date,PHQ-9", "2025-01-13,7"), patient_id="p-17").persons == ("p-17",)


# instruments and items


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("PHQ-9", "PHQ-9"), ("phq_9", "PHQ-9"), ("Score PHQ-9", "PHQ-9"), ("phq9_total_score", "PHQ-9"),
        ("GAD7 Summe", "GAD-7"), ("phq9_1", "PHQ-9 item 1"), ("PHQ-9 item 9", "PHQ-9 item 9"), ("bdi-ii sum", "BDI-II"),
        ("phq9_10", None), ("phq91", None), ("phq9_date", None), ("phq9_complete", None), ("mood", None),
        ("WHO-5 raw", None), ("phq9_difficulty", None), ("satisfaction_phq9_form", None),
    ],
)  # fmt: skip
def test_what_a_name_says(name: str, series: str | None) -> None:
    named = named_of(name)
    assert (named and named.series) == series


def test_a_run_is_read_as_items_only_where_its_instrument_is_clear() -> None:
    run = [f"phq{i}" for i in range(1, 10)]
    named, unclear = name_columns([*run, "phq9_total_score"])
    assert [named[column].series for column in run] == [f"PHQ-9 item {i}" for i in range(1, 10)]
    assert (named["phq9_total_score"].series, unclear) == ("PHQ-9", {})
    named, unclear = name_columns(run)
    assert (named, sorted(unclear)) == ({}, run)  # phq9 is then no total, phq2 no PHQ-2
    assert name_columns(["phq9"])[0]["phq9"].series == "PHQ-9"
    named, unclear = name_columns([f"phq9_{i}" for i in range(1, 11)])
    assert (len(named), list(unclear)) == (9, ["phq9_10"])
    assert len(name_columns([f"q{i}" for i in range(1, 10)])[1]) == 9
    assert name_columns([f"panas_{i}" for i in range(1, 10)]) == ({}, {})  # no instrument that is scored here
    assert name_columns([f"bdi{i}" for i in range(1, 22)]) == ({}, {})  # bdi2 is then no BDI-2


def wide_items(*lines: str) -> str:
    return table("date," + ",".join(f"phq9_{i}" for i in range(1, 10)), *lines)


def test_items_give_a_total_by_the_published_rule() -> None:
    answers = ("2,0,1,1,1,1,1,1,3", "1,1,1,1,1,1,1,1,", "1,1,1,1,1,1,,,", "1,1,1,1,1,1,1,1,4")
    imported = read(wide_items(*(f"2025-01-{13 + i},{line}" for i, line in enumerate(answers))))
    # 8 items of sum 8 are prorated to 9 of 9; with three missing there is no total, nor with an item off its scale.
    totals = [row for row in rows(imported) if row[0] == "PHQ-9"]
    assert totals == [("PHQ-9", f"2025-01-{day} 00:00", total) for day, total in ((13, 11), (14, 9))]
    assert values(imported, "PHQ-9 item 9") == [3]
    assert reasons(imported)["PHQ-9 item 9", "is off the scale of 0 to 3"] == 1
    assert any("1 total(s) prorated" in guess for guess in imported.guesses)
    assert any("1 time(s) with too few items" in guess for guess in imported.guesses)


def test_a_written_total_is_kept_and_compared() -> None:
    header = "date," + ",".join(f"gad7_{i}" for i in range(1, 8)) + ",total"
    imported = read(table(header, "2025-01-13,1,1,1,1,1,1,1,7", "2025-01-14,1,1,1,1,1,1,1,12"))
    assert values(imported, "GAD-7") == [7, 12]
    assert [guess for guess in imported.guesses if "WARNING: 1 written total" in guess and "row 2" in guess]


def test_answers_in_published_words() -> None:
    words = [
        "Not at all",
        "Several days",
        "More than half the days",
        "Nearly every day",
        "überhaupt nicht",
        "beinahe jeden Tag",
    ]
    imported = read(
        table("date," + ",".join(f"gad7_{i}" for i in range(1, 8)), "2025-01-13," + ",".join([*words, "often"]))
    )
    assert [values(imported, f"GAD-7 item {i}") for i in range(1, 8)] == [[0], [1], [2], [3], [0], [3], []]
    assert reasons(imported)["GAD-7 item 7", "is not a number"] == 1


QUESTIONS = (
    "Little interest or pleasure in doing things", "Feeling down, depressed, or hopeless",
    "Trouble falling asleep, or sleeping too much", "Feeling tired or having little energy",
    "Poor appetite or overeating", "Feeling bad about yourself, or that you are a failure",
    "Trouble concentrating on things", "Moving or speaking so slowly that others noticed",
    "Thoughts that you would be better off dead",
)  # fmt: skip


def test_questions_as_names_of_columns() -> None:
    header = "Timestamp," + ",".join(f'"{i}. {question}"' for i, question in enumerate(QUESTIONS, 1))
    imported = read(table(header, "1/13/2025 8:30:00," + ",".join(["Several days"] * 8 + ["Not at all"])))
    assert values(imported, "PHQ-9") == [8]
    assert {entry.name.partition(" item")[0] for entry in imported.series} == {"PHQ-9"}
    turned = "Timestamp," + ",".join(f'"{question}"' for question in reversed(QUESTIONS))
    with pytest.raises(ValidationError, match="no column of values"):  # not in their order: not clear
        read(table(turned, "1/13/2025 8:30:00," + ",".join(["Several days"] * 9)))


def test_items_may_be_lettered() -> None:
    header = "date," + ",".join(f"phq9{letter}" for letter in "abcdefghij")
    imported = read(table(header, "2025-01-13,1,1,1,1,1,1,1,1,2,3"))
    assert values(imported, "PHQ-9") == [10]
    assert reasons(imported) == {("column 'phq9j'", "PHQ-9 has no item of this number"): 1}


def test_a_total_is_not_made_up_for_an_item_that_nobody_was_asked() -> None:
    imported = read(table("date," + ",".join(f"phq9_{i}" for i in range(1, 9)), "2025-01-13,1,1,1,1,1,1,1,1"))
    assert values(imported, "PHQ-9") == []
    assert any("too few items" in guess for guess in imported.guesses)


def test_items_counted_from_one_are_not_read_as_if_from_zero() -> None:
    header = "date," + ",".join(f"gad7_{i}" for i in range(1, 8))
    with pytest.raises(InsufficientDataError, match="counted from one more than the form"):
        read(table(header, "2025-01-13,1,2,3,4,1,1,1"))
    assert values(read(table(header, "2025-01-13,1,2,3,3,1,1,1")), "GAD-7") == [12]  # nothing exceeds the scale
    k10 = "date," + ",".join(f"k10_{i}" for i in range(1, 11))
    with pytest.raises(InsufficientDataError, match="counted from one less than the form"):
        read(table(k10, "2025-01-13,0,1,2,3,4,0,1,2,3,4"))
    many = read(table(header, *(f"2025-01-{day},1,2,3,3,1,1,1" for day in range(11, 20))))
    assert any("WARNING: no item ever has the lowest answer" in guess for guess in many.guesses)
    left = read(table(header, "2025-01-13,0,2,3,4,1,1,1"))  # a single typing error
    assert reasons(left) == {("GAD-7 item 4", "is off the scale of 0 to 3"): 1}


@pytest.mark.parametrize("column", ["phq9_difficulty", "PHQ9_T1", "phq9_severity_score", "WHO-5 raw"])
def test_what_begins_like_an_instrument_and_is_not_clear_is_no_series(column: str) -> None:
    imported = read(table(f"date,mood,{column}", "2025-01-13,3,7"))
    assert [entry.name for entry in imported.series] == ["mood"]
    assert "is not clearly its total or an item" in imported.left_out[0].reason
    assert values(read(table("date,PHQ-9 (0-27)", "2025-01-13,7")), "PHQ-9") == [7]
    with pytest.raises(ValidationError, match="begins like"):
        read(table(f"date,{column}", "2025-01-13,7"))


def test_ranges_of_totals_are_those_of_the_instruments() -> None:
    for name, (low, high) in TOTALS_ONLY.items():
        assert (find_range(name).scale.low, find_range(name).scale.high) == (low, high), name
    for instrument in INSTRUMENTS:
        for spelling in (instrument.name, *instrument.aliases):
            named = named_of(spelling)
            assert named is not None, spelling
            ends = (instrument.scale.low, instrument.scale.high)
            assert (named.instrument, named.low, named.high) == (instrument.name, *ends), spelling


# values


@pytest.mark.parametrize(
    ("header", "lines", "expected"),
    [
        ("Datum;Stimmung", ("13.01.2025;7,5", "14.01.2025;8"), [7.5, 8]),
        ("Datum;Stimmung", ("13.01.2025;7.5", "14.01.2025;8"), [7.5, 8]),
        ("date,mood", ('2025-01-13,"7,5"', "2025-01-14,8"), [7.5, 8]),
    ],
)
def test_decimal_comma(header: str, lines: Sequence[str], expected: list[float]) -> None:
    imported = read(table(header, *lines))
    assert values(imported, header.replace(";", ",").split(",")[1]) == expected
    assert any("decimal comma" in guess for guess in imported.guesses) == ("7,5" in "".join(lines))


def test_a_comma_that_could_group_thousands_is_refused_until_declared() -> None:
    text = table("date;steps_x", "2025-01-13;7,500", "2025-01-14;8,250")
    with pytest.raises(ValidationError, match="--decimal comma or point"):
        read(text)
    assert values(read(text, decimal="comma"), "steps_x") == [7.5, 8.25]
    assert values(read(table("date;x", "2025-01-13;7,500", "2025-01-14;8,2")), "x") == [7.5, 8.2]


@pytest.mark.parametrize(
    ("header", "lines", "expected"),
    [
        ("date;steps_x", ("2025-01-13;12.345", "2025-01-14;1.234,5", "2025-01-15;987"), [12345, 1234.5, 987]),
        ("date;steps_x", ("2025-01-13;1.012.345", "2025-01-14;12.345"), [1012345, 12345]),
        ("date;steps_x", ("2025-01-13;12'345.5", "2025-01-14;1\u2019234"), [12345.5, 1234]),
        (
            "date;steps_x",
            ("2025-01-13;12 345,5", "2025-01-14;1\xa0234", "2025-01-15;-1\u202f234"),
            [12345.5, 1234, -1234],
        ),
        ("date,steps_x", ('2025-01-13,"12,345.5"', '2025-01-14,"1,234"'), [12345.5, 1234]),
        ("date,steps_x", ('2025-01-13,"1,012,345"', "2025-01-14,1.5"), [1012345, 1.5]),
        # Three decimals are some where another cell has two, or where commas separate the cells.
        ("date;steps_x", ("2025-01-13;12.345", "2025-01-14;1.25"), [12.345, 1.25]),
        ("date,steps_x", ("2025-01-13,12.345", "2025-01-14,1.234"), [12.345, 1.234]),
        ("date;steps_x", ("2025-01-13;0.345", "2025-01-14;1.234"), [0.345, 1.234]),
    ],
    ids=str,
)
def test_marks_that_group_thousands(header: str, lines: Sequence[str], expected: list[float]) -> None:
    assert values(read(table(header, *lines)), "steps_x") == expected


@pytest.mark.parametrize(
    ("header", "lines", "comma", "point"),
    [
        ("date;x", ("2025-01-13;12.345", "2025-01-14;1.234"), [12345, 1234], [12.345, 1.234]),
        ("date,daily_steps", ("2025-01-13,12.345", "2025-01-14,1.234"), [12345, 1234], [12.345, 1.234]),
        ("date,x", ('2025-01-13,"12,345"', '2025-01-14,"1,234"'), [12.345, 1.234], [12345, 1234]),
    ],
)
def test_one_group_of_three_digits_is_refused_until_declared(
    header: str, lines: Sequence[str], comma: list[float], point: list[float]
) -> None:
    name = header[5:]
    with pytest.raises(ValidationError, match="can group thousands or begin the decimals: declare --decimal"):
        read(table(header, *lines))
    assert values(read(table(header, *lines), decimal="comma"), name) == comma
    assert values(read(table(header, *lines), decimal="point"), name) == point


@pytest.mark.parametrize("lines", [("2025-01-13;70.12;1,5",), ("2025-01-13;1,234.5;1,5",), ("2025-01-13;1.234,5;1.5",)])
def test_two_decimal_marks_in_one_file_are_refused(lines: Sequence[str]) -> None:
    with pytest.raises(ValidationError, match="some values have a decimal comma and some a point"):
        read(table("date;mood;calm", *lines))


def test_numbers_of_a_spreadsheet_keep_their_point_beside_texts_with_a_comma() -> None:
    book = openpyxl.Workbook()
    for row in (["date", "mood", "calm"], [DAY_1, 70.123, "1,5"], [DAY_2, 70.255, "1.234,5"]):
        book["Sheet"].append(row)
    out = io.BytesIO()
    book.save(out)
    imported = read(out.getvalue(), "t.xlsx")
    assert (values(imported, "mood"), values(imported, "calm")) == ([70.123, 70.255], [1.5, 1234.5])


def test_a_code_off_the_scale_is_left_out_and_counted() -> None:
    imported = read(
        table("date,PHQ-9", "2025-01-13,7", "2025-01-14,999", "2025-01-15,-9", "2025-01-16,27", "2025-01-17,28")
    )
    assert values(imported, "PHQ-9") == [7, 27]
    assert reasons(imported) == {("PHQ-9", "is off the scale of 0 to 27"): 3}
    assert imported.left_out[0].first_row == 2


def test_who_5_is_a_percentage() -> None:
    imported = read(table("date,WHO-5", "2025-01-13,48", "2025-01-14,13"))
    assert values(imported, "WHO-5") == [48]
    assert reasons(imported) == {("WHO-5", "is off the scale of 0 to 100 in steps of 4"): 1}


@pytest.mark.parametrize("others", [("2025-01-14,25",), ("2025-01-14,13", "2025-01-15,999")])
def test_sums_of_who_5_are_no_percentages(others: Sequence[str]) -> None:
    with pytest.raises(InsufficientDataError, match="WHO-5: seems to be a sum of 0 to 25: multiply it by 4"):
        read(table("date,WHO-5", "2025-01-13,20", *others))
    assert values(read(table("date,WHO-5", "2025-01-13,20", "2025-01-14,24")), "WHO-5") == [20, 24]
    assert values(read(table("date,WHO-5", "2025-01-13,20", "2025-01-14,13", "2025-01-15,28")), "WHO-5") == [20, 28]


def test_times_under_no_heading_are_found() -> None:
    imported = read(table(",Actual,Goal", "1/12/2025,10234,", "1/13/2025,8000,"))
    assert rows(imported) == [("Actual", "2025-01-12 00:00", 10234), ("Actual", "2025-01-13 00:00", 8000)]
    assert "column 'column 1' is read as timestamp, by its cells" in imported.guesses


def test_a_code_where_no_scale_tells_is_refused_until_declared() -> None:
    text = table("date,mood", "2025-01-13,7", "2025-01-14,999", "2025-01-15,3")
    with pytest.raises(ValidationError, match=r"'mood': 1 row\(s\), first row 2.*--missing 999") as caught:
        read(text)
    assert "7" not in str(caught.value).replace("999", "")
    assert values(read(text, missing=("999",)), "mood") == [7, 3]
    assert values(read(text, missing=("none",)), "mood") == [7, 999, 3]
    assert values(read(table("date,mood", "2025-01-13,60", "2025-01-14,99")), "mood") == [
        60,
        99,
    ]  # no code: near the rest
    with pytest.raises(ValidationError, match="missing"):
        read(table("date,mood", "2025-01-13,7", "2025-01-14,-9"))


@pytest.mark.parametrize("word", ["NA", "n/a", "no data", "k.A.", "-", "#N/A", "Missing"])
def test_words_for_a_missing_value_are_counted(word: str) -> None:
    imported = read(table("date,PHQ-9", "2025-01-13,7", f"2025-01-14,{word}", "2025-01-15,8", "2025-01-16,"))
    assert values(imported, "PHQ-9") == [7, 8]
    assert reasons(imported) == {("PHQ-9", "holds a word for a missing value"): 1}


def test_a_declared_word_and_an_undeclared_one() -> None:
    text = table("date,PHQ-9", "2025-01-13,7", "2025-01-14,skip", "2025-01-15,8")
    assert reasons(read(text)) == {("PHQ-9", "is not a number"): 1}
    assert reasons(read(text, missing=("SKIP",))) == {("PHQ-9", "holds a declared code for a missing value"): 1}


# rows


def test_rows_that_repeat_and_rows_that_contradict() -> None:
    lines = ("2025-01-13,7", "2025-01-13,7", "2025-01-14,3", "2025-01-14,4", "2025-01-15,9")
    imported = read(table("date,PHQ-9", *lines))
    assert values(imported, "PHQ-9") == [7, 9]
    assert [entry.count for entry in imported.left_out] == [2, 1]
    assert "another value at the same time" in imported.left_out[0].reason


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [("mean", 4), ("median", 3), ("min", 2), ("max", 7), ("sum", 12), ("first", 3), ("last", 7)],
)
def test_several_beeps_a_day(aggregate: str, expected: float) -> None:
    text = table("date,mood", "2025-01-13 09:00,3", "2025-01-13 21:00,7", "2025-01-13 12:00,2", "2025-01-14 09:00,5")
    imported = read(text)
    assert len(values(imported, "mood")) == 4
    assert any("up to 3 reports a day" in guess for guess in imported.guesses)
    daily = read(text, aggregate=aggregate, timezone="Europe/Berlin")
    assert values(daily, "mood") == [expected, 5]
    assert any(f"the {aggregate} of its reports" in guess for guess in daily.guesses)


def test_rows_without_a_time_and_with_an_odd_one_are_named() -> None:
    lines = ("2025-01-13,7", ",8", "soon,9", "2026-02-01,10", "1899-01-01,11", "2025-01-14,12", "2025-01-15,1")
    imported = read(table("date,PHQ-9", *lines))
    assert values(imported, "PHQ-9") == [7, 12, 1]
    assert {reason.partition(" (")[0]: n for (_, reason), n in reasons(imported).items()} == {
        "has no time": 1, "its time is not ISO 8601": 1,
        "its time lies in the future": 1, "its time lies before 1900": 1,
    }  # fmt: skip


def test_nothing_is_left_and_the_reasons_are_said() -> None:
    with pytest.raises(InsufficientDataError, match=r"no report that can be used: PHQ-9: is off the scale"):
        read(table("date,PHQ-9", "2025-01-13,70", "2025-01-14,80"))


# time


def test_times_in_utc_need_a_place_or_their_days_are_said_to_be_utc_days() -> None:
    text = table("date,PHQ-9", "2024-01-02T05:30:00Z,18", "2024-01-03T05:30:00Z,19")
    imported = read(text)
    assert rows(imported)[0][1] == "2024-01-02 05:30"
    assert imported.zone.startswith("UTC: days are UTC days")
    local = read(text, timezone="America/Los_Angeles")
    assert (rows(local)[0][1], local.zone) == ("2024-01-01 21:30", "America/Los_Angeles")
    assert local.record.timezone == "America/Los_Angeles"


def test_days_written_as_midnight_in_utc_stay_days() -> None:
    days = read(table("date,PHQ-9", "2025-01-13T00:00:00Z,7", "2025-01-14T00:00:00Z,8"), timezone="America/Los_Angeles")
    assert [row[1] for row in rows(days)] == ["2025-01-13 00:00", "2025-01-14 00:00"]
    assert any("all at midnight UTC: days" in guess for guess in days.guesses)
    times = read(
        table("date,PHQ-9", "2025-01-13T00:00:00Z,7", "2025-01-14T00:01:00Z,8"), timezone="America/Los_Angeles"
    )
    assert [row[1] for row in rows(times)] == ["2025-01-12 16:00", "2025-01-13 16:01"]


def test_a_column_of_one_time_zone_names_the_clock() -> None:
    imported = read(table("date,tz,PHQ-9", "2024-01-02T05:30Z,America/Los_Angeles,18", "2024-01-03T05:30Z,,18"))
    assert (rows(imported)[0][1], imported.record.timezone) == ("2024-01-01 21:30", "America/Los_Angeles")
    assert any("column 'tz' names" in guess for guess in imported.guesses)
    assert imported.left_out == ()
    several = read(table("date,tz,PHQ-9", "2024-01-02T05:30Z,Europe/Berlin,18", "2024-01-03T05:30Z,Europe/Paris,18"))
    assert reasons(several) == {("column 'tz'", "holds text"): 2}


def test_a_column_that_says_utc_is_in_utc() -> None:
    text = table("timestamp_utc,PHQ-9", "2024-01-02 05:30,18")
    assert read(text).zone.startswith("UTC")
    assert rows(read(text, timezone="America/Los_Angeles"))[0][1] == "2024-01-01 21:30"


def test_days_of_two_kinds_are_refused_where_some_may_be_turned_round() -> None:
    with pytest.raises(ValidationError, match="perhaps turned round"):
        read(table("date,PHQ-9", "2025-01-02,7", "2025-01-03,8", "13/02/2025,9"))
    dotted = read(table("date,PHQ-9", "2025-01-02,7", "2025-01-03,8", "13.02.2025,9"))
    assert (values(dotted, "PHQ-9"), dotted.left_out[0].count) == ([7, 8], 1)


def test_offsets_and_local_times_are_not_mixed_silently() -> None:
    text = table("date,PHQ-9", "2024-01-02T05:30:00Z,18", "2024-01-03T05:30:00,19")
    with pytest.raises(ValidationError, match="give the timezone"):
        read(text)
    assert [row[1] for row in rows(read(text, timezone="Europe/Berlin"))] == ["2024-01-02 06:30", "2024-01-03 05:30"]


def test_the_autumn_night_is_kept_by_order_or_left_out_row_by_row() -> None:
    text = table(
        "date,mood", *(f"2024-11-03 {clock},{i}" for i, clock in enumerate(["00:30", "01:30", "01:30", "02:30"]))
    )
    assert values(read(text, timezone="America/New_York"), "mood") == [0, 1, 2, 3]
    without = read(text)
    assert values(without, "mood") == [0, 3]
    assert [entry.count for entry in without.left_out] == [2]


def test_a_column_of_days_and_one_of_times() -> None:
    imported = read(table("Datum;Uhrzeit;PHQ-9", "13.01.2025;08:30;7", "14.01.2025;9:15 PM;8", "15.01.2025;noon;9"))
    assert [row[1] for row in rows(imported)] == ["2025-01-13 08:30", "2025-01-14 21:15"]
    assert reasons(imported) == {("row", "its time of day cannot be read"): 1}


def test_days_and_beeps_need_a_declared_start() -> None:
    text = table("id,day,beep,mood", "p,1,1,3", "p,1,2,4", "p,2,1,5", "p,2,3,6")
    with pytest.raises(ValidationError, match=r"--start 2025-12-31.*--beeps"):
        read(text)
    with pytest.raises(ValidationError, match="each beep"):
        read(text, start="2025-01-13")
    imported = read(text, start="2025-01-13", beeps=("09:00", "21:00"))
    times = ("2025-01-13 09:00", "2025-01-13 21:00", "2025-01-14 09:00")
    assert rows(imported) == [("mood", time, i) for i, time in enumerate(times, 3)]
    assert reasons(imported) == {("row", "has no day or beep that was declared"): 1}


def test_a_wide_table_of_ratings() -> None:
    imported = read(table("id,day,beep,date,mood,anxiety,age,note,PHQ-9", "p1,1,1,2025-01-13 09:00,2,3,41,tired,7"))
    assert {row[0] for row in rows(imported)} == {"mood", "anxiety", "PHQ-9"}
    about = dict.fromkeys((f"column '{name}'" for name in ("age", "beep", "day")), "describes the person or the row")
    assert dict(reasons(imported).keys()) == about | {"column 'note'": "holds text"}


@pytest.mark.parametrize(
    ("column", "cell", "name", "value"),
    [
        ("weight (lb)", "150", "weight", 68.0388555),
        ("Gewicht [kg]", "70,5", "weight", 70.5),
        ("sleep_hours", "7.5", "sleep_duration", 450),
        ("Schlaf (min)", "450", "sleep_duration", 450),
        ("bp_systolic", "120", "blood_pressure_systolic", 120),
        ("Puls", "61", "heart_rate", 61),
        ("steps", "5200", "daily_steps", 5200),
        ("temperature (degF)", "98.6", "body_temperature", 37),
    ],
)
def test_a_column_of_a_signal_has_its_name_and_unit(column: str, cell: str, name: str, value: float) -> None:
    imported = read(table(f"date;PHQ-9;{column}", f"2025-01-13;7;{cell}"))
    signal = next(entry for entry in imported.series if entry.kind == "signal")
    assert (signal.name, signal.unit) == (name, SIGNALS[name].unit)
    assert values(imported, name) == [pytest.approx(value)]
    assert imported.record.signals is not None
    assert [entry.name for entry in imported.series if entry.kind == "symptom"] == ["PHQ-9"]


def test_a_measurement_whose_unit_is_not_said_is_a_series_of_its_own() -> None:
    imported = read(table("date,weight,sleep,steps", "2025-01-13 08:00,150,7,300"))
    assert [(entry.name, entry.kind) for entry in imported.series] == [
        (name, "symptom") for name in ("sleep", "steps", "weight")
    ]
    left = read(table("date,PHQ-9,Puls", "2025-01-13,7,-1", "2025-01-14,7,24", "2025-01-15,7,25"))
    assert reasons(left) == {("heart_rate", "lies outside the plausible 25 to 250 bpm"): 2}


def test_two_columns_of_one_series_are_refused_until_mapped() -> None:
    text = table("date,PHQ-9,phq9_total", "2025-01-13,7,8")
    with pytest.raises(ValidationError, match="all look like PHQ-9"):
        read(text)
    assert values(read(text, mapping={"PHQ-9": "phq9_total"}), "PHQ-9") == [8]


def test_a_birthday_is_no_time_of_a_report() -> None:
    with pytest.raises(ValidationError, match="no column of times"):
        read(table("Geburtsdatum,PHQ-9", "1980-01-13,7", "1980-02-13,8"))
    with pytest.raises(ValidationError, match="'start_x', 'end_x' hold times: choose one"):
        read(table("start_x,end_x,PHQ-9", "2025-01-13,2025-01-14,7"))


# files

LINES = ("2025-01-13,7", "2025-01-14,12")


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        (table("date,PHQ-9", *LINES).encode("utf-8-sig"), {}),
        (table("date,PHQ-9", *LINES).encode("utf-16"), {}),
        (table("date,PHQ-9", *LINES).replace(",", "\t").encode("utf-16-le"), {"encoding": "utf-16-le"}),
        (table("date,PHQ-9,Ängste", "2025-01-13,7,", "2025-01-14,12,").encode("latin-1"), {"encoding": "latin-1"}),
        (("sep=;\r\n" + table("date,PHQ-9", *LINES).replace(",", ";").replace("\n", "\r\n")).encode(), {}),
        (("# exported by a device\n\n" + table("date,PHQ-9", *LINES) + "\n\n").encode(), {}),
        (("Study Mood,\n" + table("date,PHQ-9", *LINES)).encode(), {}),
        (table("date,PHQ-9,", "2025-01-13,7,", "2025-01-14,12,").encode(), {}),
        (table(",date,PHQ-9", "0,2025-01-13,7", "0,2025-01-14,12").encode(), {}),
        (table("date,PHQ-9", '="2025-01-13",="7"', "2025-01-14,12").encode(), {}),
        (table(" date , PHQ-9", "2025-01-13, 7", "", "2025-01-14, 12").encode(), {}),
    ],
    ids=["bom", "utf16", "utf16le", "latin1", "sep", "comment", "title", "trailing", "index", "literal", "spaces"],
)  # fmt: skip
def test_texts_of_other_programs(content: bytes, declared: dict[str, str]) -> None:
    assert rows(read(content, **declared)) == [("PHQ-9", "2025-01-13 00:00", 7), ("PHQ-9", "2025-01-14 00:00", 12)]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (
            "Datum;Ängste\n13.01.2025;7\n".encode("latin-1"),
            "t.csv",
            "line 1 is not utf-8 text: declare the encoding, e.g. latin-1",
        ),
        ("Datum;Wert\n1;2\n\n3;Ä\n".encode("latin-1"), "t.csv", "line 4 is not utf-8 text"),
        (b"2025-01-13,7\n2025-01-14,8\n", "t.csv", "looks like data"),
        (b"date,PHQ-9\n2025-01-13,7,5\n", "t.csv", "row 1 have more cells"),
        (b"date,PHQ-9,PHQ-9\n2025-01-13,7,5\n", "t.csv", "several columns are called"),
        (b'date,PHQ-9\n"2025-01-13,7\n', "t.csv", "quote"),
        (b"", "t.csv", "no header"),
        (b"date,PHQ-9\n", "t.csv", "a header and no rows"),
        (b"x", "t.sav", "an SPSS file: save it as"),
        (b"x", "t.xls", "an old Excel file"),
        (b"x", "t.xlsx", "not a readable .xlsx"),
        (b"date,PHQ-9\n2025-01-13,7\n", "t.xlsx", "not a readable .xlsx"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(content: bytes, name: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read(content, name)


def test_more_than_reports_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = table("date,PHQ-9,GAD-7", "2025-01-13,7,5", "2025-01-14,8,6")
    monkeypatch.setattr(interpretation, "_MOST_VALUES", 4)
    assert len(read(text).frame) == 4
    monkeypatch.setattr(interpretation, "_MOST_VALUES", 3)
    with pytest.raises(ValidationError, match="more than 3 values"):
        read(text)
    monkeypatch.setattr(grid, "_MOST_FILLED", 8)
    with pytest.raises(ValidationError, match="more cells than a table of reports"):
        read(text)


def workbook(**sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    for title, cells in sheets.items():
        sheet = book.create_sheet(title)
        for row in cells:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


DAY_1, DAY_2 = datetime(2025, 1, 13), datetime(2025, 1, 14, 8, 30)  # noqa: DTZ001 - cells of a spreadsheet have no zone


def test_a_spreadsheet_has_native_dates() -> None:
    content = workbook(Diary=[["My diary"], [], ["Date", "PHQ-9"], [DAY_1, 7], [DAY_2, 12.0], [None, None]])
    imported = read(content, "diary.xlsx")
    assert rows(imported) == [("PHQ-9", "2025-01-13 00:00", 7), ("PHQ-9", "2025-01-14 08:30", 12)]
    assert any("2 line(s) above the header" in guess for guess in imported.guesses)


def test_a_sheet_is_chosen_by_name() -> None:
    content = workbook(A=[["Date", "PHQ-9"], [DAY_1, 7]], B=[["Date", "GAD-7"], [DAY_1, 3]], Notes=[])
    with pytest.raises(ValidationError, match="choose one from 'A', 'B'"):
        read(content, "diary.xlsx")
    with pytest.raises(ValidationError, match="no sheet of that name"):
        read(content, "diary.xlsx", sheet="C")
    assert values(read(content, "diary.xlsx", sheet="B"), "GAD-7") == [3]
    with pytest.raises(ValidationError, match="no spreadsheet"):
        read(table("date,PHQ-9", *LINES), sheet="A")


def test_parquet_of_any_column_type(tmp_path: Path) -> None:
    frame = pl.DataFrame({"timestamp": [DAY_1, DAY_2], "symptom": ["PHQ-9", "mood"], "value": [7, 3]}).with_columns(
        pl.col("timestamp").dt.replace_time_zone("Europe/Berlin").dt.cast_time_unit("ns"),
        pl.col("symptom").cast(pl.Categorical),
        pl.col("value").cast(pl.Int8),
    )
    frame.write_parquet(tmp_path / "t.parquet")
    imported = import_file(tmp_path / "t.parquet", today=TODAY)
    assert rows(imported) == [("PHQ-9", "2025-01-13 00:00", 7), ("mood", "2025-01-14 08:30", 3)]
    assert imported.zone.startswith("own offset")


def _items(*answers: str) -> bytes:
    header = "timestamp," + ",".join(f"phq9_{number}" for number in range(1, 10))
    return "\n".join([header, *(f"2025-01-{day:02d},{row}" for day, row in enumerate(answers, 1))]).encode()


def test_an_item_off_its_scale_is_not_a_missing_item() -> None:
    content = _items("1,1,1,1,1,1,1,1,", "1,1,1,1,1,1,1,1,7", "0,1,1,1,1,1,1,1,1")
    imported = import_file("items.csv", content=content)
    totals = imported.frame.filter(pl.col("series") == "PHQ-9")
    assert totals.select(pl.col("timestamp").dt.day(), "value").rows() == [(1, 9.0), (3, 8.0)]
    (note,) = [guess for guess in imported.guesses if "off its scale" in guess]
    assert note == (
        "PHQ-9: 1 time(s) without a total, since an item is off its scale; if it is a code for a missing answer, "
        "declare it (--missing 999) (first: row 2)"
    )
    assert [(entry.what, entry.count) for entry in imported.left_out if "off the scale" in entry.reason] == [
        ("PHQ-9 item 9", 1)
    ]
    declared = import_file("items.csv", content=content, missing=("7",))
    assert declared.frame.filter(pl.col("series") == "PHQ-9")["value"].to_list() == [9.0, 9.0, 8.0]


def test_a_written_total_stands_beside_an_item_off_its_scale() -> None:
    content = _items("1,1,1,1,1,1,1,1,7").replace(b"phq9_9", b"phq9_9,PHQ-9").replace(b"1,7", b"1,7,12")
    totals = import_file("items.csv", content=content).frame.filter(pl.col("series") == "PHQ-9")
    assert totals["value"].to_list() == [12.0]
