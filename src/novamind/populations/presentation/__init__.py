"""What people see of a population: pictures and the report."""
