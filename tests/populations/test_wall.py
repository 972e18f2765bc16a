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
