"""Headings of Whoop's tables, which are in the language of the account: German, Spanish, French, Portuguese (Brazil).

They are compared without accents, case and signs. Source: headings of real exports that account holders published;
columns that hold no signal here are not listed.
"""

import re
import unicodedata

#: ``{English heading: its translations, folded}``.
_TRANSLATIONS = {
    "Cycle start time": (
        "startzeit des zyklus", "hora de inicio del ciclo", "heure de debut du cycle", "hora de inicio do ciclo",
    ),
    "Cycle end time": (
        "endzeit des zyklus", "hora de finalizacion del ciclo", "heure de fin du cycle", "hora de fim do ciclo",
    ),
    "Cycle timezone": (
        "zeitzone des zyklus", "zona horaria del ciclo", "fuseau horaire du cycle", "fuso horario do ciclo",
    ),
    "Recovery score %": (
        "erholungswert %", "puntuacion de recuperacion %", "score de recuperation %", "pontuacao de recuperacao %",
    ),
    "Resting heart rate (bpm)": (
        "ruheherzfrequenz schlage pro minute", "frecuencia cardiaca en reposo lpm",
        "frequence cardiaque au repos bpm", "frequencia cardiaca em repouso bpm",
    ),
    "Heart rate variability (ms)": (
        "herzfrequenzvariabilitat ms", "variabilidad de la frecuencia cardiaca ms",
        "variabilite de la frequence cardiaque ms", "variabilidade da frequencia cardiaca ms",
    ),
    "Skin temp (celsius)": (
        "hauttemperatur celsius", "temp cutanea grados centigrados", "temperature cutanee celsius",
        "temp da pele celsius",
    ),
    "Blood oxygen %": (
        "blutsauerstoff %", "oxigeno en sangre %", "niveau d oxygene %", "% de oxigenio no sangue",
    ),
    "Sleep onset": (
        "beginn des schlafs", "inicio del sueno", "premiers signes de sommeil", "inicio do sono",
    ),
    "Wake onset": (
        "beginn des aufwachens", "inicio de la vigilia", "premiers signes de reveil", "inicio da vigilia",
    ),
    "Sleep performance %": (
        "schlafleistung %", "calificacion del sueno %", "performance sommeil %", "desempenho do sono %",
    ),
    "Respiratory rate (rpm)": (
        "atemfrequenz atemzuge min", "frecuencia respiratoria rpm", "frequence respiratoire tr min",
        "frequencia respiratoria rpm",
    ),
    "Asleep duration (min)": (
        "schlafdauer min", "duracion del sueno min", "duree du sommeil min", "duracao do sono min",
    ),
    "Light sleep duration (min)": (
        "dauer des leichtschlafs min", "duracion de sueno ligero min", "duree du sommeil leger min",
        "duracao do sono leve min",
    ),
    "Deep (SWS) duration (min)": (
        "dauer des tiefschlafs min", "duracion de sueno profundo sws min", "duree du sommeil profond min",
        "duracao profundo sono min",
    ),
    "REM duration (min)": (
        "dauer des rem schlafs min", "duracion de sueno rem min", "duree du sommeil paradoxal min", "duracao rem min",
    ),
    "Awake duration (min)": (
        "dauer des aufwachens min", "tempo despierto a min", "tiempo despierto a min", "temps d eveil min",
        "duracao de vigilia min",
    ),
    "Sleep efficiency %": (
        "schlafeffizienz %", "eficiencia del sueno %", "efficacite du sommeil %", "eficacia do sono %",
    ),
    "Nap": ("nickerchen", "siesta", "sieste", "sesta"),
    "Workout start time": (
        "startzeit des trainings", "hora de inicio del entrenamiento", "heure de debut de l entrainement",
        "hora de inicio do treino",
    ),
    "Workout end time": (
        "endzeit des trainings", "hora de finalizacion del entrenamiento", "heure de fin de l entrainement",
        "hora de fim do treino",
    ),
    "Activity name": (
        "name der aktivitat", "nombre de la actividad", "nom de l activite", "nome da atividade",
    ),
    "Duration (min)": ("dauer min", "duracion min", "duree min", "duracao min"),
    "GPS enabled": ("gps aktiviert",),
    "Question text": ("fragetext", "texto de pergunta"),
    "Answered yes": ("beantwortet mit ja", "respondeu sim"),
    "Notes": ("anmerkungen", "notas"),
}  # fmt: skip


def english(heading: str) -> str:
    """Return the English heading of a column; an unknown one as it is."""
    return _ENGLISH.get(_folded(heading), heading)


def _folded(heading: str) -> str:
    letters = unicodedata.normalize("NFKD", heading.casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9%]+", " ", plain).strip()


_ENGLISH = {_folded(name): name for name in _TRANSLATIONS} | {
    text: name for name, texts in _TRANSLATIONS.items() for text in texts
}
