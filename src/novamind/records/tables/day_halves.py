"""Halves of the day as clocks of twelve hours write them in many languages.

Unicode CLDR, day periods ``am`` and ``pm``, abbreviated; German of older versions as well.
"""

import re
from typing import Final

#: Before noon and after it, in lower case, without points, spaces and quotation marks.
AM: Final = frozenset({
    "am", "上午", "午前", "오전", "ص", "قظ", "לפנהצ", "πμ", "öö", "sa", "ก่อนเที่ยง", "de", "ap", "fm", "дп",
    "проб", "dop", "vm", "pg", "priešpiet", "priekšp", "fh", "eparadites", "rn", "yb", "претпл", "преподне",
    "prepodne", "vorm", "կա", "முற்பகல்", "ಪೂರ್ವಾಹ್ನ", "पूर्वाह्न",
})  # fmt: skip
PM: Final = frozenset({
    "pm", "下午", "午後", "오후", "م", "بظ", "אחהצ", "μμ", "ös", "ch", "หลังเที่ยง", "du", "ip", "em", "пп", "слоб",
    "odp", "pop", "nm", "ptg", "popiet", "pēcp", "eh", "epasdites", "in", "yh", "попл", "поподне", "popodne",
    "nachm", "կհ", "பிற்பகல்", "ಅಪರಾಹ್ನ", "अपराह्न",
})  # fmt: skip
_CLOCK: Final = re.compile(
    r"(?:(?<=\s)|(?<=T)|^)(?P<before>[^\W\d][^\d:/+-]{0,20}?)?\s?(?P<clock>\d{1,2}[:.]\d{2}(?:[:.]\d{2})?)"
    r"(?:\s?(?P<after>[^\W\d][^\d:/+-]{0,20}))?$"
)


def half_of_day(words: str) -> str | None:
    """Return ``am`` or ``pm``; ``None`` where words are no half of the day."""
    half = re.sub(r"[\s.'\"״]", "", words).lower()
    return "am" if half in AM else "pm" if half in PM else None


def in_english(text: str) -> str:
    """Return a time with its half of the day as ``AM`` or ``PM`` behind it; any other text as it is.

    Latin letters before a clock are a weekday (``Sa 12:30``) rather than half of a day.
    """
    match = _CLOCK.search(text)
    before = match["before"] if match else None
    words = before if before and not before.isascii() else match["after"] if match and not before else None
    half = half_of_day(words) if words else None
    return text if match is None or half is None else f"{text[: match.start()]}{match['clock']} {half.upper()}"
