"""What people see of a forecast: sentences, pictures, the report, and a diary to show them with."""
