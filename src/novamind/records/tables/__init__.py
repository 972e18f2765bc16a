"""Tables in: CSV and Parquet files, and the long frames that people hand over."""
