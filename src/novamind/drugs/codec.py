"""The JSON of what the tables of drugs say, through every door."""

from pydantic import BaseModel, ConfigDict, Field

from novamind.drugs.domain import Evidence, Severity


class Body(BaseModel):
    """A wire form that is read from the room's own values."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class SourceBody(Body):
    """Where a fact comes from, and how far it was checked there."""

    id: str = Field(description="Short name of the source.")
    year: int = Field(description="Year of publication.")
    evidence: Evidence = Field(description="How the fact was checked.")
    title: str = Field(description="Title of the source.")
    url: str = Field(description="Address of the source.")


class CautionBody(Body):
    """One reason for care."""

    severity: Severity = Field(description="How much weight it has.")
    text: str = Field(description="The caution in words.")
    cause: str = Field(description="Drug, condition, allergy, dose or gene that it comes from.")
    section: str = Field(description="Label and section, or list, that says so; empty where the source is no label.")
    source: SourceBody = Field(description="Where it is published.")


class PairBody(Body):
    """What two drugs do to each other."""

    a: str = Field(description="Generic name.")
    b: str = Field(description="Generic name of the other; of one that was stopped where it is in `stopped`.")
    severity: Severity | None = Field(description="The worst of the cautions; null without one.")
    cautions: list[CautionBody] = Field(description="Every reason for care, the most serious first.")


class InteractionsBody(Body):
    """What a list of drugs does to each other, and what was not checked."""

    drugs: list[str] = Field(description="What is taken, generic names.")
    stopped: dict[str, int | None] = Field(description="What was stopped, to days since; null where not known.")
    pairs: list[PairBody] = Field(description="Pairs with a caution, the most serious first.")
    together: list[CautionBody] = Field(description="What several drugs reach together.")
    not_checked: list[str] = Field(description="What the tables cannot answer, a sentence each.")


class DrugBody(Body):
    """A drug of the catalogue."""

    name: str = Field(description="Generic name.")
    group: str = Field(description="`psychiatric` or `co-prescribed`.")
    drug_class: str = Field(description="Class; empty where it is not in our tables.")


class FactBody(Body):
    """One row of a table on a drug."""

    table: str = Field(description="Name of the table.")
    values: dict[str, str] = Field(description="Column to value, without the drug's own name and empty columns.")
    source: SourceBody = Field(description="Where it is published.")


class DrugFactsBody(Body):
    """Everything that the tables say of a drug."""

    drug: DrugBody = Field(description="The drug.")
    facts: list[FactBody] = Field(description="One fact a row, by table.")
