import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.populations import EstimatedEffect, InterventionConfig, wall
from novamind.populations.table import read
from tests.populations.conftest import pilot

SPECIFIED = {
    "hcp": "specialty years_experience practice_type practice_size region decile priority_tier total_patient_volume "
    "target_patient_volume digital_engagement_score preferred_channel last_interaction_days interaction_frequency "
    "adoption_stage peer_influence_score prescribing_change",
    "patient": "age_group gender geographic_region socioeconomic_index primary_diagnosis_code comorbidity_count "
    "risk_score journey_complexity_score insurance_type insurance_coverage_flag journey_stage journey_duration_days "
    "treatment_line journey_progression_days",
    "territory": "region state_count zip_count total_hcps covered_hcps coverage_rate total_patient_volume market_share "
    "competitor_presence_score average_hcp_decile urban_rural_mix population_density market_share_change",
}
USUAL = {
    "specialty": ["Psychiatry & Neurology", "Allergy/ Immunology", "Depression Clinic", "Pain Management"],
    "primary_diagnosis_code": ["L50.1", "D59.5", "C50.919", "F33", "CSU", "other"],
    "journey_stage": ["diagnosed", "treated", "switched"],
    "insurance_type": ["commercial", "medicare", "self-pay"],
    "preferred_channel": ["email", "phone", "in_person"],
    "age_group": ["18-34", "35-49", "65+"],
    "drug_class": ["antidepressant", "antipsychotic", "SGLT2"],
}


def inspect(name, values):
    wall.inspect(read(pl.DataFrame({name: values})))


@pytest.mark.parametrize("name", sorted({n for names in SPECIFIED.values() for n in names.split()}))
def test_every_feature_of_the_specification_is_let_through(name):
    inspect(name, [1.0, 2.0])
    inspect(name, USUAL.get(name, ["low", "high"]))


@pytest.mark.parametrize(
    "name",
    [
        *("brand_name", "zip_code", "email_opens", "romania_share", "moody_rating", "doses_sold", "cost_per_dose"),
        *("antidepressant_claims", "anxiety_class_claims", "drug_class", "campaign_id", "days_since_diagnosis"),
    ],
)
def test_words_of_the_trade_are_let_through(name):
    inspect(name, [1.0, 2.0])


@pytest.mark.parametrize(
    "name",
    [
        *("phq9", "PHQ-9 total", "gad7_score", "madrs", "HAMD17", "symptom_severity", "suicidality", "mood"),
        *("depression_score", "heartRateVariability", "hba1c", "CYP2D6_phenotype", "diagnosis_text", "dose_mg"),
        *("sleep_hours", "adverse_events", "ehr_note", "progress_notes"),
    ],
)
def test_clinical_columns_are_refused(name):
    with pytest.raises(ValidationError, match=r"names clinical content.*drop the column"):
        inspect(name, [1.0, 2.0])


@pytest.mark.parametrize(
    "name", ["npi", "patient_name", "dateOfBirth", "Date of birth", "SSN", "MRN", "e-mail", "ip_address", "patient_id"]
)
def test_identities_are_refused(name):
    with pytest.raises(ValidationError, match="names an identity"):
        inspect(name, [1.0, 2.0])


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("primary_diagnosis_code", ["Major depressive disorder"], "codes such as"),
        ("primary_diagnosis_code", ["depression", "psoriasis"], "codes such as"),
        ("indication", ["chronic spontaneous urticaria", "bipolar disorder"], "diagnoses in words"),
        ("answer", ["Feeling down, depressed, or hopeless"], "diagnoses in words"),
        ("who", ["a.b@c.org", "x"], "e-mail"),
        ("who", ["123-45-6789"], "social security"),
        ("who", ["(555) 123-4567"], "telephone"),
        ("since", ["2013-02-28"], "calendar dates"),
        ("remark", ["she has been coming here for years and is very content"], "free text"),
        ("prescriber", [1234567893, 1679576722, 1245319599], "National Provider Identifiers"),
    ],
)
def test_what_a_column_holds_is_looked_at_and_never_repeated(name, values, says):
    with pytest.raises(ValidationError, match=says) as refused:
        inspect(name, values)
    assert not any(str(value) in str(refused.value) for value in values)


@given(st.lists(st.text(alphabet="QXZqxz0123456789", min_size=3), min_size=1, max_size=5))
def test_no_message_repeats_a_value(levels):
    with pytest.raises(ValidationError) as refused:
        inspect("contents", [*levels, "a.b@c.org"])
    assert not any(level in str(refused.value) for level in levels)


def test_outcomes_and_interventions_stand_behind_the_wall_too():
    trial = pilot(200, lambda f: 0 * f["decile"].to_numpy()).rename({"y": "phq9_change"})
    with pytest.raises(ValidationError, match="'phq9_change' names clinical content"):
        EstimatedEffect(trial, outcome="phq9_change", randomised=True)
    for name in ("sertraline 50 mg", "dose_increase", "titration", "psychotherapy"):
        with pytest.raises(ValidationError, match="medical"):
            InterventionConfig(name)
    InterventionConfig("specialty_therapy_webinar")


def words(text: str) -> list[str]:
    return text.split()


#: The wall's words, a second time. Each alone names what it names, also in the midst of a longer name.
IDENTITIES = words(
    "ssn npi mrn dob mbi passport fingerprint latitude longitude birthdate birthday surname firstname lastname fullname"
)
WHOLE_IDENTITIES = words(
    "name email e_mail email_address e_mail_address phone telephone phone_number telephone_number fax fax_number "
    "address url first_name last_name full_name middle_name maiden_name family_name given_name date_of_birth "
    "birth_date medical_record social_security national_provider street_address home_address mail_address "
    "mailing_address ip_address license_no licence_no license_number licence_number device_id device_serial "
    "policy_number insurance_number policy_member_number insurance_member_number face_photo patient_id member_id "
    "subscriber_id beneficiary_id"
)
PERSONS = words(
    "patient physician doctor hcp prescriber provider person member customer account contact subscriber beneficiary"
)
INSTRUMENTS = words(
    "phq gad madrs hama hamd ham_a ham_d hdrs ymrs panss bdi bprs cgi moca mmse hads isi pcl qids epds whodas cssrs "
    "c_ssrs audit_c core_om beck hamilton"
)
MEASURES = words(
    "hba1c a1c egfr ldl hdl creatinine systolic diastolic hrv bmi weight_kg genotype phenotype diplotype cyp2d6 "
    "cyp3a4_x ehr emr"
)
CLINICAL_PARTS = words(
    "blood_pressure heart_rate sleep_hours sleep_duration sleep_quality lab_result side_effect adverse_event "
    "clinical_note progress_note diagnosis_text diagnosis_description diagnosis_name medication_list"
)
CLINICAL_STATES = words(
    "symptom symptoms symptomatic suicide suicidal self_harm depression depressed anxiety psychosis psychoses "
    "psychotic mania hypomania manic mood dose doses dosage mg"
)
TRADE = words("claim claims share volume sales sold cost market revenue units spend")
MEDICAL = words(
    "titration titrate taper tapering therapy_start therapies_stop chemotherapy_switch pharmacotherapy_stop "
    "psychotherapy medication_start medication_switch medication_stop medication_change"
)


@pytest.mark.parametrize("word", IDENTITIES)
def test_an_identity_is_refused_within_any_name(word: str) -> None:
    for name in (word, f"last_{word}", f"{word}_x", f"x {word.upper()} y"):
        with pytest.raises(ValidationError, match="names an identity"):
            inspect(name, [1.0, 2.0])
    inspect(f"x{word}x", [1.0, 2.0])  # the letters within another word name nothing


@pytest.mark.parametrize("name", [*WHOLE_IDENTITIES, *(f"{p}_{w}" for p in PERSONS for w in ("name", "number", "no"))])
def test_an_identity_of_several_words_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="names an identity"):
        inspect(name, [1.0, 2.0])


@pytest.mark.parametrize("person", PERSONS)
def test_keys_of_persons_are_refused(person: str) -> None:
    for name in (f"{person}_key", f"{person}_uuid", f"the_{person}_name"):
        with pytest.raises(ValidationError, match="names an identity"):
            inspect(name, [1.0, 2.0])


@pytest.mark.parametrize("word", [*INSTRUMENTS, *MEASURES])
def test_an_instrument_or_measure_is_refused_within_any_name(word: str) -> None:
    for name in (word, f"total_{word}_sum", word.upper()):
        with pytest.raises(ValidationError, match="names clinical content"):
            inspect(name, [1.0, 2.0])


@pytest.mark.parametrize("word", INSTRUMENTS)
def test_an_instruments_number_belongs_to_it(word: str) -> None:
    for name in (f"{word}9", f"{word}_17"):
        with pytest.raises(ValidationError, match="names clinical content"):
            inspect(name, [1.0, 2.0])


@pytest.mark.parametrize("word", [*CLINICAL_PARTS, *CLINICAL_STATES])
def test_clinical_words_are_refused(word: str) -> None:
    for name in (word, f"last_{word}_x"):
        with pytest.raises(ValidationError, match="names clinical content"):
            inspect(name, [1.0, 2.0])


@pytest.mark.parametrize("trade", TRADE)
def test_beside_a_word_of_trade_a_state_names_a_market(trade: str) -> None:
    inspect(f"anxiety_{trade}", [1.0, 2.0])
    inspect(f"{trade}_of_depression", [1.0, 2.0])
    with pytest.raises(ValidationError, match="names clinical content"):
        inspect(f"phq9_{trade}", [1.0, 2.0])  # but a questionnaire stays one
    with pytest.raises(ValidationError, match="names clinical content"):
        inspect(f"anxiety_x{trade}", [1.0, 2.0])


@pytest.mark.parametrize("name", [*MEDICAL, "sertraline_mg", "mood_support", "phq9 feedback", "DoseIncrease"])
def test_a_medical_intervention_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="names a medical one; population twins simulate commercial"):
        wall.inspect_intervention(name)


@pytest.mark.parametrize("name", ["email_campaign", "therapy_webinar", "switch_brand", "tape_delivery", "dose_sales"])
def test_a_campaign_is_let_through(name: str) -> None:
    wall.inspect_intervention(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dateOfBirth", "date_of_birth"),
        ("Date  of--Birth", "date_of_birth"),
        ("_PHQ9 total_", "phq9_total"),
        ("hba1cValue", "hba1c_value"),
        ("ABCd", "abcd"),
        ("HBA1C", "hba1_c"),
        ("x__y", "x_y"),
        ("Größe", "größe"),
    ],
)
def test_names_are_read_word_by_word(name: str, words: str) -> None:
    assert wall._words(name) == words


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("first.last+x@ho-st.org", "e-mail addresses"),
        ("say 123-45-6789", "social security numbers"),
        ("555-123-4567", "telephone numbers"),
        ("(555) 123 4567", "telephone numbers"),
        ("555.123.4567", "telephone numbers"),
        ("1999-12-31", "calendar dates"),
        ("on 2024-01-02", "calendar dates"),
        ("MRN 12", "record identifiers"),
        ("DOB", "record identifiers"),
        ("SSN?", "record identifiers"),
    ],
)
def test_one_cell_with_an_identity_is_enough(value: str, what: str) -> None:
    with pytest.raises(ValidationError, match=f"'k' holds {what}; population twins are commercial"):
        inspect("k", ["a", "b", "c", value])


@pytest.mark.parametrize(
    "value", ["a@b", "1234-45-6789", "155-123-4567", "555-1234567", "1899-12-31", "12024-01-02", "MRNA", "x@ y.org"]
)
def test_cells_that_only_look_alike_are_let_through(value: str) -> None:
    inspect("k", ["a", "b", "c", value])


@pytest.mark.parametrize("name", ["diagnosis", "primary_diagnoses", "dx", "icd", "icd10_main", "icd_10"])
@pytest.mark.parametrize(
    ("code", "fits"),
    [
        ("L50.1", True),
        ("E11.65/ab-c", False),  # eleven signs
        ("E11.65/a-c", True),  # ten
        ("CSU", True),
        ("ABCDEF", True),
        ("ABCDEFG", False),
        ("other", True),
        ("unknown", True),
        ("none", True),
        ("migraine", False),
        ("L50 1", False),
        ("Größe1", False),
    ],
)
def test_a_diagnosis_is_a_code(name: str, code: str, fits: bool) -> None:
    if fits:
        inspect(name, ["F33", code])
    else:
        with pytest.raises(ValidationError, match="diagnoses in words where codes such as"):
            inspect(name, ["F33", code])


@pytest.mark.parametrize(
    "word",
    [
        *("Panic disorder", "a syndrome", "lung carcinoma", "schizophrenia", "Bipolar II", "Depressive", "ANXIETY"),
        *("urticaria", "complains of itch", "denies pain", "history of falls"),
    ],
)
def test_diagnoses_in_more_than_a_quarter_of_the_levels_are_refused(word: str) -> None:
    inspect("kind", ["a", "b", "c", word])
    with pytest.raises(ValidationError, match="'kind' holds diagnoses in words"):
        inspect("kind", ["a", "b", word])
    inspect("specialty", [word, "a"])  # clinics are called so
    inspect("kind", ["a", "b", "prebipolar" if word == "Bipolar II" else "x"])


@pytest.mark.parametrize(("words", "fits"), [(8, True), (9, False)])
def test_more_than_eight_words_a_level_are_free_text(words: int, fits: bool) -> None:
    levels = ["x " * (words - 1) + "x", "y " * (words + 1) + "y", "z " * (words - 3) + "z"]  # on average so many
    if fits:
        inspect("remark", levels)
    else:
        with pytest.raises(ValidationError, match="'remark' holds free text"):
            inspect("remark", levels)


def check_digit(first_nine: int) -> int:
    """Luhn's, with the prefix 80840, by the textbook: from the right, every second digit doubled."""
    total = 0
    for i, digit in enumerate(reversed(f"80840{first_nine}")):
        doubled = 2 * int(digit) if i % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return -total % 10


@pytest.mark.parametrize("first_nine", [100_000_000, 123_456_789, 167_957_672, 287_654_321, 299_999_999])
def test_a_national_provider_identifier_is_known_by_its_check_digit(first_nine: int) -> None:
    assert check_digit(123_456_789) == 3  # the example of the Centers for Medicare & Medicaid Services
    ten = [10 * first_nine + digit for digit in range(10)]
    assert [wall._npi_share(pl.Series([float(n)]).to_numpy()) for n in ten] == [
        float(digit == check_digit(first_nine)) for digit in range(10)
    ]


@pytest.mark.parametrize("first_nine", [99_999_999, 300_000_000, 400_000_001])
def test_a_number_of_another_form_is_none(first_nine: int) -> None:
    assert wall._npi_share(pl.Series([float(10 * first_nine + digit) for digit in range(10)]).to_numpy()) == 0


@pytest.mark.parametrize(("others", "fits"), [(1, True), (0, False)])
def test_more_than_nine_in_ten_make_a_column_of_identifiers(others: int, fits: bool) -> None:
    real = [10 * n + check_digit(n) for n in range(123_456_780, 123_456_789)]
    column = [*real, *([7] if others else [1_234_567_893]), *([None] * 5)]
    if fits:
        inspect("code", column)
    else:
        with pytest.raises(ValidationError, match="'code' holds National Provider Identifiers"):
            inspect("code", column)
    inspect("code", [None if n is None else n + 0.5 for n in column])


def test_the_refusal_says_what_to_do() -> None:
    message = "column 'npi' names an identity; population twins are commercial and take neither clinical content nor"
    with pytest.raises(ValidationError, match=f"{message} identities; drop the column"):
        inspect("npi", [1.0, 2.0])
