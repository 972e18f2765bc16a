"""Instruments: names however written, cut-offs in order, on the scale, with their source."""

import pytest

from novamind.errors import NotFoundError
from novamind.symptoms.instruments import INSTRUMENTS, Instrument, find, recognise


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("PHQ-9", "PHQ-9"), ("phq_9", "PHQ-9"), ("Phq 9", "PHQ-9"), ("PHQ9", "PHQ-9"), ("gad7", "GAD-7"),
        ("HDRS-17", "HAM-D17"), ("HAMD", "HAM-D17"), ("stai_s", "STAI-S"), ("cesd", "CES-D"), ("who5", "WHO-5"),
    ],
)  # fmt: skip
def test_names_match_whatever_their_case_and_punctuation(written: str, name: str) -> None:
    assert find(written).name == name


@pytest.mark.parametrize("written", ["", "PHQ", "PHQ-99", "mood", "9"])
def test_other_names_are_not_guessed(written: str) -> None:
    assert recognise(written) is None


def test_an_unknown_instrument_is_answered_with_the_nearest_and_all_known() -> None:
    with pytest.raises(NotFoundError, match=r"did you mean PHQ-9\? Known are PHQ-9, .*WHO-5.*--scale"):
        find("PHQ-99")
    with pytest.raises(NotFoundError, match="no such instrument; Known are"):
        find("zzzz")


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda known: known.name)
def test_cut_offs_are_on_the_scale_in_order_and_have_a_source(instrument: Instrument) -> None:
    scale, cuts = instrument.scale, [cut.value for cut in instrument.cut_offs]
    assert cuts == sorted(set(cuts), reverse=scale.worse == "low")
    assert all(scale.low < cut < scale.high for cut in cuts)
    assert all(any(year in cut.source for year in map(str, range(1960, 2026))) for cut in instrument.cut_offs)


def test_spellings_are_unambiguous() -> None:
    names = [name for known in INSTRUMENTS for name in (known.name, *known.aliases)]
    plain = ["".join(c for c in name.casefold() if c.isalnum()) for name in names]
    assert len(plain) == len(set(plain))


@pytest.mark.parametrize(
    ("name", "high", "cuts"),
    [  # the published bands
        ("PHQ-9", 27, [5, 10, 15, 20]), ("GAD-7", 21, [5, 10, 15]), ("MADRS", 60, [7, 20, 35]),
        ("HAM-D17", 52, [8, 17, 24]), ("BDI-II", 63, [14, 20, 29]), ("QIDS-SR16", 27, [6, 11, 16, 21]),
        ("ISI", 28, [8, 15, 22]), ("PCL-5", 80, [31]), ("ASRM", 20, [6]), ("CES-D", 60, [16]),
    ],
)  # fmt: skip
def test_published_bands(name: str, high: float, cuts: list[float]) -> None:
    known = find(name)
    assert (known.scale.high, [cut.value for cut in known.cut_offs]) == (high, cuts)


def test_labels_follow_the_suffering_side() -> None:
    assert [find("PHQ-9").label(score) for score in (4, 5, 14, 15, 27)] == [
        None, "mild", "moderate", "moderately severe", "severe",
    ]  # fmt: skip
    who = find("WHO-5")
    assert (who.label(52), who.label(50)) == (None, "positive screen for depression")
