"""The tables of makers and programs, entered a second time: a change of one word or unit is seen and must be meant."""

from importlib import import_module

import pytest

from tests.golden import check_golden, plain

TABLES: dict[str, tuple[str, ...]] = {
    "novamind.records.genotypes.callers": ("CALLER_MARKS",),
    "novamind.records.genotypes.consumer_arrays": (
        "_CALLS",
        "_NAMES",
        "_ONE_COLUMN",
        "_TWO_COLUMNS",
    ),
    "novamind.records.genotypes.contigs": (
        "_REFSEQ_VERSIONS",
        "_LENGTHS",
    ),
    "novamind.records.genotypes.star_alleles": (
        "_TITLES",
        "_RESULTS",
    ),
    "novamind.records.genotypes.vcf": (
        "_SUPPORT",
        "_NOTHING",
    ),
    "novamind.records.tables.columns": (
        "_WORDS",
        "ROLES",
        "_SIGNAL_OF_WORD",
        "_SUFFIXES",
        "_USUAL_UNITS",
        "TOTALS_ONLY",
        "_TOTAL_ALIASES",
    ),
    "novamind.records.tables.day_halves": (
        "AM",
        "PM",
    ),
    "novamind.records.tables.files": (
        "_CSV_SUFFIXES",
        "_PARQUET_SUFFIXES",
    ),
    "novamind.records.tables.frames": ("_MISSING_TEXT",),
    "novamind.records.tables.grid": (
        "_DELIMITERS",
        "_EXPORT_INSTEAD",
        "TABLE_SUFFIXES",
    ),
    "novamind.records.tables.layouts": (
        "_ROLES_OF_MAPPING",
        "_SURE_SERIES",
        "_PARTS",
    ),
    "novamind.records.tables.numbers": (
        "MISSING_WORDS",
        "MISSING_CODES",
    ),
    "novamind.records.tables.platforms": (
        "_MPATH_KINDS",
        "_MPATH_ROW",
    ),
    "novamind.records.tables.profile": ("AGGREGATES",),
    "novamind.records.tables.spreadsheet": ("_LARGE_PARTS",),
    "novamind.records.tables.times": (
        "DATE_FORMS",
        "_MONTHS",
    ),
    "novamind.records.units": ("SPELLINGS",),
    "novamind.records.wearables.actigraph": (
        "_OTHER_SUFFIXES",
        "_MEASURES",
        "_TIMES",
    ),
    "novamind.records.wearables.apple_health": (
        "_QUANTITIES",
        "_SIGNAL_OF",
        "_STAGES",
        "_STAGE_OF",
    ),
    "novamind.records.wearables.apple_records": (
        "_KINDS_OF_MIND",
        "_FRAME",
    ),
    "novamind.records.wearables.columns": ("_EMPTY",),
    "novamind.records.wearables.connectors": (
        "_COLLECTIONS",
        "_FITBIT_SERIES",
        "_WITHINGS_SERIES",
    ),
    "novamind.records.wearables.device_dates": ("_MONTH_NAMED",),
    "novamind.records.wearables.empatica": (
        "_SAMPLES",
        "_RAW",
        "_E4_FILES",
        "_MINUTES",
        "_ROW",
    ),
    "novamind.records.wearables.files": ("JSON_SUFFIXES",),
    "novamind.records.wearables.fit_files": ("_HEADER_SIZES",),
    "novamind.records.wearables.fitabase": (
        "_SOURCES",
        "_MINUTES",
        "_BRISK",
        "_ACTIVITY",
        "_SLEEP",
        "_PASSED",
    ),
    "novamind.records.wearables.fitbit": (
        "_SERIES",
        "_OTHER_SERIES",
        "_VALUE_KEYS",
        "_DAILY",
        "_NIGHT_MINUTES",
        "_INTRADAY",
        "_SECONDS",
        "_STAGES",
    ),
    "novamind.records.wearables.formats": (
        "GROWING",
        "_OTHER_ARCHIVES",
        "_INSTEAD",
    ),
    "novamind.records.wearables.garmin": (
        "_SLEEP_LEVELS",
        "_LEVELS",
        "_COUNTERS",
        "_ON_FOOT",
        "_ABOUT",
    ),
    "novamind.records.wearables.garmin_connect": (
        "_DAY",
        "_EXERCISE",
        "_STAGES",
        "_WORN",
        "_DESCRIBING",
        "_NOT_MEASURED",
        "_ACTIVITIES",
        "_NIGHTS",
    ),
    "novamind.records.wearables.google_fit": (
        "_TYPES",
        "_SUMS",
        "_STAGES",
        "_METRICS",
    ),
    "novamind.records.wearables.health_auto_export": (
        "_SIGNALS",
        "_PRESSURES",
        "_STAGES",
        "_DURATIONS",
        "_DATES",
    ),
    "novamind.records.wearables.health_connect": (
        "_STAGE",
        "_WORN",
        "_OWN",
    ),
    "novamind.records.wearables.nights": (
        "_STAGES",
        "_APART",
    ),
    "novamind.records.wearables.open_mhealth": (
        "_SIGNAL_OF",
        "_STATISTICS",
        "_SECONDS",
        "_WHOLE_SLEEP",
    ),
    "novamind.records.wearables.oura": (
        "STAGES",
        "_NIGHT",
        "_ACTIVITY",
        "_READINESS",
        "_MARKS",
        "_CONTRIBUTORS",
        "_TABLES",
        "_TIMES",
    ),
    "novamind.records.wearables.oura_v1": (
        "_NIGHT",
        "_NEVER_ZERO",
        "_ACTIVITY",
        "_READINESS",
        "_COLLECTIONS",
    ),
    "novamind.records.wearables.philips": (
        "_INTERVALS",
        "_REST",
        "_OTHER_INTERVALS",
        "_NIGHT",
        "_EPOCHS",
        "_MEASURES",
    ),
    "novamind.records.wearables.polar": (
        "_STATES",
        "_PHASES",
    ),
    "novamind.records.wearables.radar_base": (
        "_MEASURES",
        "_OF_TOPIC",
        "_STAGES",
        "_DEVICES",
        "_ABOUT",
    ),
    "novamind.records.wearables.reader": ("COLUMNS",),
    "novamind.records.wearables.samples": ("DEVICES",),
    "novamind.records.wearables.samsung": (
        "_MEASURES",
        "_KIND_OF_SYNONYM",
        "_DAY",
        "_STAGES",
        "_COUNTED",
        "_ELSEWHERE",
        "_ROW",
    ),
    "novamind.records.wearables.takeout": (
        "_NIGHT_STATISTICS",
        "_NIGHTS",
        "_STAGE",
        "_ROW_KEYS",
    ),
    "novamind.records.wearables.whoop": (
        "_NEEDED",
        "_TIMES",
        "_NIGHT",
        "_CYCLES",
        "_QUESTIONS",
    ),
    "novamind.records.wearables.whoop_headings": (
        "_TRANSLATIONS",
        "_ENGLISH",
    ),
    "novamind.records.wearables.withings": (
        "_RAW_SIGNALS",
        "_LEVELS",
        "_STATES",
        "_MONITOR_STATES",
        "_AGGREGATES",
        "_ENGLISH",
        "_ASLEEP",
        "_SCALES",
        "_HEADINGS",
        "_ROW",
    ),
    "novamind.records.wearables.withings_api": (
        "_TYPES",
        "_NIGHT",
        "_ACTIVITY",
        "_TYPED_IN",
        "_DESCRIBING",
    ),
}


@pytest.mark.parametrize("module", TABLES)
def test_a_table_is_what_was_reviewed(module: str) -> None:
    tables = {name: plain(getattr(import_module(module), name)) for name in TABLES[module]}
    check_golden(__file__, module.removeprefix("novamind.records."), tables)
