"""The table of instruments in docs/questionnaires.md is what the code knows."""

from pathlib import Path

from novamind.records.instruments.domain import INSTRUMENTS, Instrument, answer_by_text

PAGE = Path(__file__).parents[2] / "docs" / "questionnaires.md"
HEADER = (
    "| instrument | items | total | missing items | known by LOINC | texts of answers |\n|---|---|---|---|---|---|\n"
)
#: A text of each language that its answers have.
LANGUAGES = {
    "English": ("not at all", "not bothered", "never", "none of the time", "no", "at no time"),
    "German": ("überhaupt nicht", "nicht beeinträchtigt", "nein", "zu keinem zeitpunkt"),
    "Spanish": ("para nada", "sí"),
}


def missing(form: Instrument) -> str:
    if form.prorated:
        return f"up to {form.prorated} prorated"
    parts = []
    if form.skips:
        parts.append("those that the form skips")
    alone = [str(group[0]) for group in form.optional if len(group) == 1]
    if alone and form.factor:
        parts.append(f"item {', '.join(alone)}")
    if any(len(group) > 1 for group in form.optional):
        parts.append("one of a pair; any that cannot change the total")
    return ", ".join(parts) or "no total"


def line(form: Instrument) -> str:
    known = [kind for kind, code in (("total", form.total), ("panel", form.panel)) if code]
    if all(item.loinc for item in form.items):
        known.insert(0, "items")
    texts = [
        name for name, words in LANGUAGES.items() if any(answer_by_text(form.items[0], w) is not None for w in words)
    ]
    total = f"{form.lowest} to {form.highest}" if form.factor else "none"
    return (
        f"| {form.name} | {len(form.items)} | {total} | {missing(form)} | {', '.join(known)} | {', '.join(texts)} |\n"
    )


def test_the_table_is_what_the_code_knows() -> None:
    """Shows the table as it should stand in docs/questionnaires.md when it does not."""
    table = HEADER + "".join(map(line, INSTRUMENTS))
    assert table in PAGE.read_text("utf-8"), f"\n{table}"


def test_the_page_names_the_first_lines_of_a_result() -> None:
    import novamind as nm

    result = nm.records.score("PHQ-9", [2, 2, 1, 3, 0, 1, None, 0, 1])
    assert (result.total, result.prorated, result.flags) == (11.0, True, ("thoughts of death or self-harm",))
