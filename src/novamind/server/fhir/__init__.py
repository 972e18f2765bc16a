"""FHIR R4 on the wire: reading, searching, history, creating and bulk data, described by one table."""
