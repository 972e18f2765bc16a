"""Instruments: names however written, cut-offs in order, on the scale, with their source."""

import pytest

from novamind.errors import NotFoundError
from novamind.symptoms.domain import Scale
from novamind.symptoms.instruments import INSTRUMENTS, Instrument, find, plain, recognise
from tests.golden import check_golden


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
    with pytest.raises(NotFoundError, match=r"did you mean PHQ-9\? known are PHQ-9, .*WHO-5.*--scale"):
        find("PHQ-99")
    with pytest.raises(NotFoundError, match="no such instrument; known are"):
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


#: Entered a second time, from the publications and manuals named: range, step, direction, cut-offs with their labels.
#: Ranges are items times answers: MADRS ten of 0 to 6, HAM-D17 nine of 0 to 4 and eight of 0 to 2, BDI-II and BAI 21
#: of 0 to 3, CES-D 20 of 0 to 3, EPDS ten of 0 to 3, STAI twenty of 1 to 4, K6 six of 0 to 4, K10 ten of 1 to 5,
#: PSS-10 ten of 0 to 4, PCL-5 twenty of 0 to 4, ASRM five of 0 to 4, ISI seven of 0 to 4, WHO-5 five of 0 to 5 times
#: four, QIDS nine domains of 0 to 3, YMRS seven of 0 to 4 and four of 0 to 8; AUDIT ten of 0 to 4, PHQ-15 15 of 0 to 2;
#: PHQ, GAD and HADS have answers of 0 to 3.
PUBLISHED: dict[str, tuple[float, float, float, str, dict[float, str], str]] = {
    "PHQ-9": (0, 9 * 3, 1, "high", {5: "mild", 10: "moderate", 15: "moderately severe", 20: "severe"},
              "Kroenke, Spitzer & Williams 2001, J Gen Intern Med 16:606-613"),
    "PHQ-8": (0, 8 * 3, 1, "high", {5: "mild", 10: "moderate", 15: "moderately severe", 20: "severe"},
              "Kroenke et al. 2009, J Affect Disord 114:163-173"),
    "PHQ-2": (0, 2 * 3, 1, "high", {3: "positive screen"}, "Kroenke, Spitzer & Williams 2003, Med Care 41:1284-1292"),
    "PHQ-A": (0, 9 * 3, 1, "high", {5: "mild", 10: "moderate", 15: "moderately severe", 20: "severe"},
              "American Psychiatric Association 2013, DSM-5 Severity Measure for Depression, age 11 to 17"),
    "PHQ-15": (0, 15 * 2, 1, "high", {5: "low", 10: "medium", 15: "high"},
               "Kroenke, Spitzer & Williams 2002, Psychosom Med 64:258-266"),
    "PHQ-4": (0, 4 * 3, 1, "high", {3: "mild", 6: "moderate", 9: "severe"},
              "Kroenke et al. 2009, Psychosomatics 50:613-621"),
    "GAD-7": (0, 7 * 3, 1, "high", {5: "mild", 10: "moderate", 15: "severe"},
              "Spitzer et al. 2006, Arch Intern Med 166:1092-1097"),
    "GAD-2": (0, 2 * 3, 1, "high", {3: "positive screen"}, "Kroenke et al. 2007, Ann Intern Med 146:317-325"),
    "MADRS": (0, 10 * 6, 1, "high", {7: "mild", 20: "moderate", 35: "severe"},
              "Snaith et al. 1986, Br J Psychiatry 148:599-601"),
    "HAM-D17": (0, 9 * 4 + 8 * 2, 1, "high", {8: "mild", 17: "moderate", 24: "severe"},
                "Zimmerman et al. 2013, J Affect Disord 150:384-388"),
    "BDI-II": (0, 21 * 3, 1, "high", {14: "mild", 20: "moderate", 29: "severe"},
               "Beck, Steer & Brown 1996, BDI-II Manual"),
    "CES-D": (0, 20 * 3, 1, "high", {16: "positive screen"}, "Radloff 1977, Appl Psychol Meas 1:385-401"),
    "QIDS-SR16": (0, 9 * 3, 1, "high", {6: "mild", 11: "moderate", 16: "severe", 21: "very severe"},
                  "Rush et al. 2003, Biol Psychiatry 54:573-583"),
    "EPDS": (0, 10 * 3, 1, "high", {13: "positive screen"},
             "Cox, Holden & Sagovsky 1987, Br J Psychiatry 150:782-786"),
    "HADS-D": (0, 7 * 3, 1, "high", {8: "possible", 11: "probable"},
               "Zigmond & Snaith 1983, Acta Psychiatr Scand 67:361-370"),
    "HADS-A": (0, 7 * 3, 1, "high", {8: "possible", 11: "probable"},
               "Zigmond & Snaith 1983, Acta Psychiatr Scand 67:361-370"),
    "BAI": (0, 21 * 3, 1, "high", {8: "mild", 16: "moderate", 26: "severe"}, "Beck & Steer 1993, BAI Manual"),
    "STAI-S": (20 * 1, 20 * 4, 1, "high", {40: "clinically relevant"},
               "Julian 2011, Arthritis Care Res 63(S11):S467-S472"),
    "K6": (0, 6 * 4, 1, "high", {13: "serious distress"}, "Kessler et al. 2003, Arch Gen Psychiatry 60:184-189"),
    "K10": (10 * 1, 10 * 5, 1, "high", {16: "moderate", 22: "high", 30: "very high"},
            "Australian Bureau of Statistics 2003, 4817.0.55.001"),
    "PSS-10": (0, 10 * 4, 1, "high", {}, ""),
    "PCL-5": (0, 20 * 4, 1, "high", {31: "probable PTSD"}, "Bovin et al. 2016, Psychol Assess 28:1379-1391 (31 to 33)"),
    "ASRM": (0, 5 * 4, 1, "high", {6: "mania or hypomania likely"}, "Altman et al. 1997, Biol Psychiatry 42:948-955"),
    "YMRS": (0, 7 * 4 + 4 * 8, 1, "high", {}, ""),
    "ISI": (0, 7 * 4, 1, "high", {8: "subthreshold", 15: "moderate", 22: "severe"},
            "Bastien et al. 2001, Sleep Med 2:297-307"),
    "AUDIT": (0, 10 * 4, 1, "high", {8: "hazardous", 16: "harmful", 20: "possible dependence"},
              "Babor et al. 2001, AUDIT, 2nd edition, WHO/MSD/MSB/01.6a"),
    "AUDIT-C": (0, 3 * 4, 1, "high", {}, ""),
    "WHO-5": (0, 5 * 5 * 4, 4, "low", {50: "positive screen for depression"},
              "Topp et al. 2015, Psychother Psychosom 84:167-176"),
    "EQ-VAS": (0, 100, 1, "low", {}, ""),
}  # fmt: skip


def test_every_instrument_is_entered_a_second_time() -> None:
    assert [known.name for known in INSTRUMENTS] == list(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_instrument_is_as_published(name: str) -> None:
    low, high, step, worse, labels, source = PUBLISHED[name]
    known = find(name)
    assert known.scale == Scale(low, high, step, worse)  # type: ignore[arg-type]
    assert {cut.value: cut.meaning for cut in known.cut_offs} == labels
    assert {cut.source for cut in known.cut_offs} == ({source} if source else set())


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_label_begins_at_its_cut_off_and_not_a_step_before(name: str) -> None:
    _, _, step, worse, labels, _ = PUBLISHED[name]
    known, before = find(name), None
    for value, label in labels.items():
        milder = value - step if worse == "high" else value + step
        assert (known.label(milder), known.label(value)) == (before, label)
        before = label


def test_titles_and_other_names() -> None:
    """Each title tells the instrument's full name and, where there are several forms, the number of items."""
    check_golden(__file__, "instruments", {known.name: [known.title, *known.aliases] for known in INSTRUMENTS})


@pytest.mark.parametrize(
    ("written", "name"), [("PHQ-99", "PHQ-9"), ("MADR", "MADRS"), ("hamilton", "HAM-D17"), ("qid", "QIDS-SR16")]
)
def test_the_nearest_name_is_offered(written: str, name: str) -> None:
    with pytest.raises(NotFoundError, match=f"did you mean {name}"):
        find(written)


def test_names_are_told_apart_by_letters_and_digits_alone() -> None:
    assert plain("PHQ-9 (Straße)") == "phq9strasse"
    assert recognise("p.h.q/9") is find("phq 9")
