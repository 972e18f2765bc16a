"""Well-known instruments: their scales, and the cut-offs that were published for them, each with its source.

A cut-off describes groups in the study it comes from. It screens; it does not diagnose.
"""

import difflib
import re
from dataclasses import dataclass

from novamind.errors import NotFoundError
from novamind.symptoms.domain import Scale


@dataclass(frozen=True, slots=True)
class CutOff:
    """A published score from which (``worse='high'``) or down to which (``'low'``) a label applies."""

    value: float
    meaning: str
    source: str


@dataclass(frozen=True, slots=True)
class Instrument:
    """A questionnaire or rating whose total score is forecast.

    ``cut_offs`` go from the mildest to the most severe and are empty where none was published.
    """

    name: str
    title: str
    scale: Scale
    cut_offs: tuple[CutOff, ...] = ()
    aliases: tuple[str, ...] = ()

    def label(self, value: float) -> str | None:
        """Give the most severe published label that ``value`` reaches, ``None`` below the first."""
        reached = [
            cut.meaning
            for cut in self.cut_offs
            if (value >= cut.value if self.scale.worse == "high" else value <= cut.value)
        ]
        return reached[-1] if reached else None


def _cut_offs(source: str, **meanings: float) -> tuple[CutOff, ...]:
    return tuple(CutOff(value, meaning.replace("_", " "), source) for meaning, value in meanings.items())


def _total(high: float, low: float = 0) -> Scale:
    return Scale(low, high, step=1)


INSTRUMENTS: tuple[Instrument, ...] = (
    Instrument(
        "PHQ-9",
        "Patient Health Questionnaire, 9 items (depression)",
        _total(27),
        _cut_offs(
            "Kroenke, Spitzer & Williams 2001, J Gen Intern Med 16:606-613",
            mild=5,
            moderate=10,
            moderately_severe=15,
            severe=20,
        ),
    ),
    Instrument(
        "PHQ-8",
        "Patient Health Questionnaire, 8 items (depression)",
        _total(24),
        _cut_offs(
            "Kroenke et al. 2009, J Affect Disord 114:163-173",
            mild=5,
            moderate=10,
            moderately_severe=15,
            severe=20,
        ),
    ),
    Instrument(
        "PHQ-2",
        "Patient Health Questionnaire, 2 items (depression)",
        _total(6),
        _cut_offs("Kroenke, Spitzer & Williams 2003, Med Care 41:1284-1292", positive_screen=3),
    ),
    Instrument(
        "PHQ-A",
        "Patient Health Questionnaire for adolescents, 9 items (depression)",
        _total(27),
        _cut_offs(
            "American Psychiatric Association 2013, DSM-5 Severity Measure for Depression, age 11 to 17",
            mild=5,
            moderate=10,
            moderately_severe=15,
            severe=20,
        ),
        aliases=("PHQ-9M", "PHQ-9A", "PHQ-Teen"),
    ),
    Instrument(
        "PHQ-15",
        "Patient Health Questionnaire, 15 items (somatic symptoms)",
        _total(30),
        _cut_offs("Kroenke, Spitzer & Williams 2002, Psychosom Med 64:258-266", low=5, medium=10, high=15),
    ),
    Instrument(
        "PHQ-4",
        "Patient Health Questionnaire, 4 items (distress)",
        _total(12),
        _cut_offs("Kroenke et al. 2009, Psychosomatics 50:613-621", mild=3, moderate=6, severe=9),
    ),
    Instrument(
        "GAD-7",
        "Generalized Anxiety Disorder scale, 7 items",
        _total(21),
        _cut_offs("Spitzer et al. 2006, Arch Intern Med 166:1092-1097", mild=5, moderate=10, severe=15),
    ),
    Instrument(
        "GAD-2",
        "Generalized Anxiety Disorder scale, 2 items",
        _total(6),
        _cut_offs("Kroenke et al. 2007, Ann Intern Med 146:317-325", positive_screen=3),
    ),
    Instrument(
        "MADRS",
        "Montgomery-Asberg Depression Rating Scale",
        _total(60),
        _cut_offs("Snaith et al. 1986, Br J Psychiatry 148:599-601", mild=7, moderate=20, severe=35),
    ),
    Instrument(
        "HAM-D17",
        "Hamilton Depression Rating Scale, 17 items",
        _total(52),
        _cut_offs("Zimmerman et al. 2013, J Affect Disord 150:384-388", mild=8, moderate=17, severe=24),
        aliases=("HAMD", "HDRS", "HDRS-17", "HRSD", "HRSD-17", "Hamilton depression"),
    ),
    Instrument(
        "BDI-II",
        "Beck Depression Inventory, second edition",
        _total(63),
        _cut_offs(
            "Beck, Steer & Brown 1996, BDI-II Manual",
            mild=14,
            moderate=20,
            severe=29,
        ),
        aliases=("BDI-2",),
    ),
    Instrument(
        "CES-D",
        "Center for Epidemiologic Studies Depression scale, 20 items",
        _total(60),
        _cut_offs("Radloff 1977, Appl Psychol Meas 1:385-401", positive_screen=16),
        aliases=("CES-D 20",),
    ),
    Instrument(
        "QIDS-SR16",
        "Quick Inventory of Depressive Symptomatology, self-report, 16 items",
        _total(27),
        _cut_offs("Rush et al. 2003, Biol Psychiatry 54:573-583", mild=6, moderate=11, severe=16, very_severe=21),
        aliases=("QIDS", "QIDS-SR"),
    ),
    Instrument(
        "EPDS",
        "Edinburgh Postnatal Depression Scale",
        _total(30),
        _cut_offs("Cox, Holden & Sagovsky 1987, Br J Psychiatry 150:782-786", positive_screen=13),
    ),
    Instrument(
        "HADS-D",
        "Hospital Anxiety and Depression Scale, depression",
        _total(21),
        _cut_offs("Zigmond & Snaith 1983, Acta Psychiatr Scand 67:361-370", possible=8, probable=11),
    ),
    Instrument(
        "HADS-A",
        "Hospital Anxiety and Depression Scale, anxiety",
        _total(21),
        _cut_offs("Zigmond & Snaith 1983, Acta Psychiatr Scand 67:361-370", possible=8, probable=11),
    ),
    Instrument(
        "BAI",
        "Beck Anxiety Inventory",
        _total(63),
        _cut_offs("Beck & Steer 1993, BAI Manual", mild=8, moderate=16, severe=26),
    ),
    Instrument(
        "STAI-S",
        "State-Trait Anxiety Inventory, state",
        _total(80, low=20),
        _cut_offs("Julian 2011, Arthritis Care Res 63(S11):S467-S472", clinically_relevant=40),
        aliases=("STAI-State", "STAI-Y1"),
    ),
    Instrument(
        "K6",
        "Kessler Psychological Distress Scale, 6 items",
        _total(24),
        _cut_offs("Kessler et al. 2003, Arch Gen Psychiatry 60:184-189", serious_distress=13),
    ),
    Instrument(
        "K10",
        "Kessler Psychological Distress Scale, 10 items counted from 1",
        _total(50, low=10),
        _cut_offs("Australian Bureau of Statistics 2003, 4817.0.55.001", moderate=16, high=22, very_high=30),
    ),
    Instrument(
        "PSS-10",
        "Perceived Stress Scale, 10 items",
        _total(40),
    ),
    Instrument(
        "PCL-5",
        "PTSD Checklist for DSM-5",
        _total(80),
        _cut_offs("Bovin et al. 2016, Psychol Assess 28:1379-1391 (31 to 33)", probable_PTSD=31),
    ),
    Instrument(
        "ASRM",
        "Altman Self-Rating Mania scale",
        _total(20),
        _cut_offs("Altman et al. 1997, Biol Psychiatry 42:948-955", mania_or_hypomania_likely=6),
    ),
    Instrument("YMRS", "Young Mania Rating Scale", _total(60)),
    Instrument(
        "ISI",
        "Insomnia Severity Index",
        _total(28),
        _cut_offs("Bastien et al. 2001, Sleep Med 2:297-307", subthreshold=8, moderate=15, severe=22),
    ),
    Instrument(
        "AUDIT",
        "Alcohol Use Disorders Identification Test, 10 items",
        _total(40),
        _cut_offs(
            "Babor et al. 2001, AUDIT, 2nd edition, WHO/MSD/MSB/01.6a", hazardous=8, harmful=16, possible_dependence=20
        ),
    ),
    Instrument("AUDIT-C", "Alcohol Use Disorders Identification Test, consumption, 3 items", _total(12)),
    Instrument(
        "WHO-5",
        "World Health Organization Well-Being Index, percentage score",
        Scale(0, 100, step=4, worse="low"),
        _cut_offs("Topp et al. 2015, Psychother Psychosom 84:167-176", positive_screen_for_depression=50),
    ),
    Instrument("EQ-VAS", "EuroQol visual analogue scale (health today)", Scale(0, 100, step=1, worse="low")),
)


def plain(name: str) -> str:
    """Reduce a name to its letters and digits, in lower case: ``PHQ-9`` and ``phq_9`` are one."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


_ITEM = re.compile(r"(?P<instrument>.{1,60}?)[\W_]{0,3}item[\W_]{0,3}(?P<number>\d{1,2})\s{0,3}", re.IGNORECASE)
_BY_NAME = {plain(name): instrument for instrument in INSTRUMENTS for name in (instrument.name, *instrument.aliases)}


def recognise(name: str) -> Instrument | None:
    """Look up an instrument whatever the case and punctuation of its name (``phq_9``), else ``None``."""
    return _BY_NAME.get(plain(name))


def series_name(name: str) -> str:
    """Return the one name of a series for all spellings of an instrument's, or of one of its items.

    Any other name stays as it stands: ``phq_9`` is ``PHQ-9``, ``phq9 Item 9`` is ``PHQ-9 item 9``.
    """
    item = _ITEM.fullmatch(name)
    instrument = recognise(item["instrument"] if item else name)
    if instrument is None:
        return " ".join(name.split())
    return f"{instrument.name} item {int(item['number'])}" if item else instrument.name


def find(name: str) -> Instrument:
    """Return the instrument of a name, as :func:`recognise`, or fail with a hint.

    Raises
    ------
    NotFoundError
        If there is none; the message names the nearest, and all that are known.
    """
    instrument = recognise(name)
    if instrument is not None:
        return instrument
    near = difflib.get_close_matches(plain(name), list(_BY_NAME), n=1, cutoff=0.5)
    hint = f"did you mean {_BY_NAME[near[0]].name}? " if near else ""
    raise NotFoundError(
        f"no such instrument; {hint}known are {', '.join(entry.name for entry in INSTRUMENTS)}; "
        "for any other, give --scale low,high"
    )
